//! How reports look: text for people, in a terminal or not.
//!
//! Takes rows and reports, gives text. Strings from the wire are escaped here and nowhere else. JSON
//! needs no view: it is the report itself, serialized.

pub mod escape;
pub mod fields;
pub mod hexdump;
pub mod list;
pub mod palette;
pub mod relay;
pub mod streams;
pub mod tree;

/// How text is to be laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Width of the terminal in columns; None: nothing is cut or wrapped.
    pub width: Option<usize>,
}
