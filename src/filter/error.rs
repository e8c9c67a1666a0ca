//! What is wrong with a filter, and where.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthStr;

/// A filter that cannot be used: where the mistake is, what it is, and what might have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The mistake, in bytes of the filter's text; empty at its end.
    pub at: Range<usize>,
    /// What is wrong, or what was expected there.
    pub message: String,
    /// What might have been meant.
    pub help: Option<String>,
}

impl Error {
    pub(super) fn new(at: &Range<usize>, message: impl Into<String>) -> Self {
        Error { at: at.clone(), message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The filter, the mistake underlined with what is wrong, and the help if there is any.
    ///
    /// ```text
    /// tcp.port = 1935
    ///          ^ `=` is not an operator
    /// help: `==` compares
    /// ```
    ///
    /// `text` must be the text that was parsed.
    pub fn render(&self, text: &str) -> String {
        // Every control character becomes one blank, so that the caret stays below its token.
        let plain = |part: &str| part.replace(|c: char| c.is_control(), " ");
        let before = plain(text.get(..self.at.start).unwrap_or(text)).width();
        let width = plain(text.get(self.at.clone()).unwrap_or_default()).width().max(1);
        let mut shown = format!("{}\n{:before$}{:^<width$} {}", plain(text), "", "", self.message);
        if let Some(help) = &self.help {
            shown.push_str("\nhelp: ");
            shown.push_str(help);
        }
        shown
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A part of the filter for use in a message: in backticks, printable, and not too long.
pub(super) fn shown(part: &str) -> String {
    const LONGEST: usize = 40;
    let mut chars = part.chars();
    let plain = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    let begin: String = chars.by_ref().take(LONGEST).map(plain).collect();
    if chars.next().is_some() { format!("`{begin}…`") } else { format!("`{begin}`") }
}
