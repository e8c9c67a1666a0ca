//! How reports look: text for people, in a terminal or not.
//!
//! Takes rows and reports, gives text. Strings from the wire are escaped as they are laid out
//! ([`escape`](crate::escape)). JSON needs no view: it is the report itself, serialized.

pub mod amf;
pub mod check;
pub mod config;
mod diagnosis;
pub mod diff;
pub mod fields;
pub mod follow;
pub mod hexdump;
pub mod lint;
pub mod list;
pub mod palette;
pub mod payload;
pub mod relay;
pub mod rules;
pub mod streams;
pub mod tree;

use std::borrow::Cow;

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
        self.width.unwrap_or(100).clamp(20, 120)
    }
}

/// Wraps running text, with `first` before its first line and as much space before the others.
fn wrap(text: &str, first: &str, layout: Layout) -> String {
    let indent = " ".repeat(unicode_width::UnicodeWidthStr::width(first));
    let options = textwrap::Options::new(layout.prose()).initial_indent(first).subsequent_indent(&indent);
    // Codes and paths are not broken at their hyphens.
    textwrap::fill(text, options.word_splitter(textwrap::WordSplitter::NoHyphenation).break_words(false)) + "\n"
}

/// The text with every line in the layout's width: a longer one continues in the next, set in below its own beginning.
/// Reports lay themselves out where they can do better; this is for what is longer than anybody planned.
pub fn fit(text: &str, layout: Layout) -> Cow<'_, str> {
    let Some(width) = layout.width.filter(|width| text.lines().any(|line| columns(line) > *width)) else {
        return Cow::Borrowed(text);
    };
    let mut fitted = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive('\n') {
        let words = line.trim_end_matches('\n');
        if columns(words) <= width {
            fitted.push_str(line);
            continue;
        }
        let indent = words.len() - words.trim_start_matches(' ').len();
        // Half of the width is left for the words, however deep the line is.
        let (first, next) = (" ".repeat(indent.min(width / 2)), " ".repeat((indent + 4).min(width / 2)));
        let options = textwrap::Options::new(width).initial_indent(&first).subsequent_indent(&next);
        let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation).break_words(true);
        fitted.push_str(&textwrap::fill(words.trim_start_matches(' '), options));
        fitted.push_str(&line[words.len()..]);
    }
    Cow::Owned(fitted)
}

/// How many columns a line takes; escape sequences take none.
fn columns(line: &str) -> usize {
    textwrap::core::display_width(line)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_layout_and_no_word_is_lost() {
        let text = "short\n    ! \x1b[33mthe message ends\x1b[0m where it should not: ffffffffffffffffffffffffffffffff 日本語\n\n  x\n";
        for width in 8..90 {
            let fitted = fit(text, Layout { width: Some(width) });
            assert!(fitted.lines().all(|line| columns(line) <= width), "{width}: {fitted}");
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(letters(&fitted), letters(text), "{width}");
            assert!(fitted.starts_with("short\n"));
        }
        assert!(matches!(fit(text, Layout { width: None }), Cow::Borrowed(_)));
        assert!(matches!(fit(text, Layout { width: Some(120) }), Cow::Borrowed(_)));
    }
}
