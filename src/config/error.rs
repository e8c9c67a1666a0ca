//! What is wrong with a configuration file, and where.

use std::fmt;
use std::ops::Range;

use crate::escape::escape;
use unicode_width::UnicodeWidthStr;

/// A mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What might have been meant.
    pub help: Option<String>,
    /// The line's text.
    text: String,
    /// How wide what is before the mistake is, and the mistake.
    mark: [usize; 2],
}

impl Error {
    /// A mistake at a place of `text`, in bytes.
    pub(super) fn new(file: &str, text: &str, at: Range<usize>, message: String, help: Option<String>) -> Error {
        let mut from = at.start.min(text.len());
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        let start = text[..from].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[from..].find('\n').map_or(text.len(), |newline| from + newline);
        // Every control character becomes one blank, so that the mark stays below its word.
        let plain = |part: &str| part.replace(|c: char| c.is_control(), " ");
        let mistake = text.get(from..at.end.clamp(from, end)).unwrap_or_default();
        Error {
            file: file.to_owned(),
            line: line_of(text, from),
            column: text[start..from].chars().count() + 1,
            message: escape(&message).into_owned(),
            help: help.map(|help| escape(&help).into_owned()),
            text: plain(text[start..end].trim_end_matches('\r')),
            mark: [plain(&text[start..from]).width(), plain(mistake).width().max(1)],
        }
    }
}

/// The number of the line in which a byte is, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

impl fmt::Display for Error {
    /// ```text
    /// rtmp-inspect.toml:3:1: unknown key `ignor`
    /// 3 | ignor = []
    ///   | ^^^^^
    /// help: did you mean `ignore`?
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error { file, line, column, message, help, text, mark: [before, width] } = self;
        let gutter = line.to_string().len();
        writeln!(f, "{}:{line}:{column}: {message}", escape(file))?;
        writeln!(f, "{line} | {text}")?;
        write!(f, "{:gutter$} | {:before$}{:^<width$}", "", "", "")?;
        match help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
