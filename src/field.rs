//! Fields: how bytes are read and how the reading is remembered.
//!
//! Every decoder takes a [`Reader`] and is generic over what the reader records. With `()` nothing
//! is recorded and the calls cost what they read; with a [`Tree`] the same calls leave named fields
//! with byte ranges. So there is one function that knows a layout, and the values and the tree
//! cannot disagree.
//!
//! A field is named by its [`Def`]: the names of Wireshark where it has one. The leaves of a tree
//! tile the bytes that were given to the reader: no byte without a name, none with two.

mod bit_reader;
mod defect;
mod reader;
mod text;
mod tree;

pub use bit_reader::BitReader;
pub use defect::Defect;
pub use reader::{Reader, Short};
pub use text::counted;
pub use tree::{Bits, Node, Tree, Value};

use std::ops::Range;

/// What a field is: its filter name, its title, its type, and the names of its values.
#[derive(Debug)]
pub struct Def {
    /// The filter name, e.g. `rtmpt.header.csid`: Wireshark's own where Wireshark has the field.
    pub name: &'static str,
    /// The title in a tree, e.g. `Chunk Stream ID`.
    pub title: &'static str,
    /// How the bytes are read and shown.
    pub kind: Kind,
    /// The name of a value, for fields with a table of values.
    pub symbol: fn(u64) -> Option<&'static str>,
    /// One line: what the field means, with the section of the specification.
    pub meaning: &'static str,
}

/// How a field's value is to be read and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A group of fields.
    Group,
    /// An unsigned number, shown in decimal.
    Uint,
    /// An unsigned number, shown in hexadecimal as well.
    Hex,
    /// A signed number.
    Int,
    /// A double.
    Double,
    /// True or false.
    Boolean,
    /// Text, UTF-8 unless damaged.
    Text,
    /// Plain bytes.
    Bytes,
    /// Bytes that are always the same: they say no more than that they are there.
    Mark,
    /// An IP address.
    Address,
    /// A time or a duration in seconds.
    Seconds,
}

impl Kind {
    /// The type in a word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Group => "group",
            Kind::Uint => "unsigned",
            Kind::Hex => "hexadecimal",
            Kind::Int => "signed",
            Kind::Double => "double",
            Kind::Boolean => "boolean",
            Kind::Text => "text",
            Kind::Mark => "mark",
            Kind::Bytes => "bytes",
            Kind::Address => "address",
            Kind::Seconds => "seconds",
        }
    }
}

impl Def {
    /// The values that have names, with the names. Fields with names for their values have one byte, or use no more.
    pub fn values(&self) -> impl Iterator<Item = (u64, &'static str)> {
        (0..=u64::from(u8::MAX)).filter_map(|value| Some((value, (self.symbol)(value)?)))
    }
}

/// A field without a table of values.
pub fn no_symbol(_: u64) -> Option<&'static str> {
    None
}

/// Declares the fields of a decoder as statics, and `FIELDS`, the list of them all.
///
/// `NAME = "filter.name", Kind, "Title", "meaning" [, symbols function];`
#[doc(hidden)]
#[macro_export]
macro_rules! fields {
    ($($id:ident = $name:literal, $kind:ident, $title:literal, $meaning:literal $(, $symbol:path)?;)*) => {
        $(
            #[doc = $meaning]
            pub static $id: $crate::field::Def = $crate::field::Def {
                name: $name,
                title: $title,
                kind: $crate::field::Kind::$kind,
                symbol: $crate::fields!(@symbol $($symbol)?),
                meaning: $meaning,
            };
        )*
        /// Every field declared here, in order of declaration.
        #[allow(dead_code)] // tests declare fields without listing them
        pub static FIELDS: &[&$crate::field::Def] = &[$(&$id),*];
    };
    (@symbol) => { $crate::field::no_symbol };
    (@symbol $symbol:path) => { $symbol };
}

/// What a [`Reader`] tells as it reads. All methods do nothing unless implemented.
///
/// Ranges are in bytes from the start of the buffer the outermost reader was made for.
pub trait Record {
    /// Whether anything is recorded. Lets a decoder skip work that only a tree needs.
    const ON: bool = false;
    /// A group begins at `at`.
    fn open(&mut self, _def: &'static Def, _at: usize) {}
    /// The innermost open group ends before `end`.
    fn close(&mut self, _end: usize) {}
    /// The innermost open group is described by a text of its own, e.g. `Object (4 items)`.
    fn describe(&mut self, _text: impl FnOnce() -> String) {}
    /// A field of whole bytes.
    fn leaf(&mut self, _def: &'static Def, _range: Range<usize>, _value: impl FnOnce() -> Value) {}
    /// Some bits of the leaf that was recorded last.
    fn bits(&mut self, _def: &'static Def, _bits: Bits, _value: u64) {}
    /// A field without bytes of its own: inherited, computed, or assumed; `why` says from what.
    fn derived(&mut self, _def: &'static Def, _at: usize, _value: impl FnOnce() -> Value, _why: &'static str) {}
}

impl Record for () {}
