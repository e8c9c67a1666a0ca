//! What is wrong with bytes, as data beside what could be read.

use serde::Serialize;

use super::Short;

/// Something in the bytes that should not be there, or is not there. It is beside what could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Defect {
    /// A stable name in kebab-case.
    pub code: &'static str,
    /// Offset of the first byte concerned: in the direction's stream for framing, in the body for a body.
    pub offset: u64,
    /// What was found, where, and what it means.
    pub message: String,
}

impl Defect {
    /// The code of a field that the bytes ended in.
    pub const SHORT: &'static str = "body-short";

    /// A defect at an offset of the buffer that is read.
    pub fn new(code: &'static str, at: usize, message: impl Into<String>) -> Self {
        Defect { code, offset: at as u64, message: message.into() }
    }
}

impl From<Short> for Defect {
    fn from(short: Short) -> Self {
        let Short { field, at, need, have } = short;
        Defect::new(
            Defect::SHORT,
            at,
            format!("{} at offset {at} needs {need} bytes, {have} are left ({})", field.title, field.name),
        )
    }
}
