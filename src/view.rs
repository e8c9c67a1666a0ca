//! How reports look: text for people, in a terminal or not.
//!
//! Takes rows and reports, gives text. Strings from the wire are escaped as they are laid out
//! ([`escape`](crate::escape)). JSON needs no view: it is the report itself, serialized.

pub mod check;
pub mod config;
pub mod diff;
pub mod fields;
pub mod hexdump;
pub mod lint;
pub mod list;
pub mod palette;
pub mod payload;
pub mod relay;
pub mod rules;
pub mod streams;
pub mod tree;

use crate::rules::Severity;

/// How text is to be laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Width of the terminal in columns; None: nothing is cut or wrapped.
    pub width: Option<usize>,
}

impl Layout {
    /// The width of running text: the terminal's, but no longer than is good to read.
    fn prose(self) -> usize {
        self.width.unwrap_or(100).clamp(40, 120)
    }
}

/// Wraps running text, with `first` before its first line and as much space before the others.
fn wrap(text: &str, first: &str, layout: Layout) -> String {
    let indent = " ".repeat(unicode_width::UnicodeWidthStr::width(first));
    let options = textwrap::Options::new(layout.prose()).initial_indent(first).subsequent_indent(&indent);
    // Codes and paths are not broken at their hyphens.
    textwrap::fill(text, options.word_splitter(textwrap::WordSplitter::NoHyphenation).break_words(false)) + "\n"
}

fn paint(text: &str, style: anstyle::Style, colour: bool) -> String {
    if colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// The colour of a severity.
fn severity(severity: Severity) -> anstyle::Style {
    match severity {
        Severity::Error | Severity::Fatal => anstyle::AnsiColor::Red.on_default(),
        Severity::Warning => anstyle::AnsiColor::Yellow.on_default(),
        Severity::Info => anstyle::AnsiColor::Cyan.on_default(),
    }
}
