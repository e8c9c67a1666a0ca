//! AMF values: what commands, data messages and shared objects are made of.
//!
//! Takes the bytes of a body and gives typed values that borrow from it, or a tree. What the bytes say
//! is kept: the order of properties, names that repeat, counts that do not fit, strings that are no
//! UTF-8, end markers that are missing. It does not judge: whether a wrong count matters is for others.
//!
//! | module | holds |
//! |---|---|
//! | [`amf0`] | AMF 0, all markers (and Wireshark's Int64) |
//! | [`amf3`] | AMF 3, all markers |
//! | [`mod@fields`] | the names of the fields of both |
//! | `progress` | what both keep while reading: depth, counts, defects |
//! | `json` | values as natural JSON, with `$` names for what JSON cannot say |
//! | [`mod@exact`], [`mod@encode`] | the same with what else the bytes need, and the way back |

pub mod amf0;
pub mod amf3;
pub mod encode;
pub mod exact;
pub mod fields;
mod json;
mod progress;
pub mod writer;

use std::borrow::Cow;

use serde::Serialize;

/// The fields of both.
pub fn fields() -> impl Iterator<Item = &'static crate::field::Def> {
    fields::FIELDS.iter().copied()
}

/// How deep values may be nested. Real messages stay below 10; each level costs stack.
pub const MAX_DEPTH: usize = 64;

/// How many values one body may hold. A value in memory is some fifty times its single byte on the wire,
/// so this bounds what a hostile body can cost; the longest real lists (keyframe indexes in onMetaData)
/// stay a tenth of it.
pub const MAX_VALUES: usize = 1 << 17;

/// How many bytes of text references may stand for in one body. A reference of two bytes can stand for
/// megabytes, and whoever writes the values out writes them all.
pub const MAX_EXPANSION: usize = 1 << 20;

/// Text as it was on the wire. It should be UTF-8 (AMF0 1.3.1), which nobody enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Str<'a>(pub &'a [u8]);

/// A value of AMF 0 or AMF 3.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A double (AMF0 2.2, AMF3 3.7).
    Number(f64),
    /// AMF0 2.3, AMF3 3.4, 3.5.
    Boolean(bool),
    /// AMF0 2.4, AMF3 3.8.
    String(Str<'a>),
    /// A string with a length of four bytes (AMF0 2.14).
    LongString(Str<'a>),
    /// AMF0 2.7, AMF3 3.3.
    Null,
    /// AMF0 2.8, AMF3 3.2.
    Undefined,
    /// A value that the sender could not serialise (AMF0 2.15).
    Unsupported,
    /// An object without a class (AMF0 2.5).
    Object(Properties<'a>),
    /// An array with names (AMF0 2.10). `count` is what the sender wrote; 0 is common and harmless.
    EcmaArray {
        /// The count in front, whatever the number of properties is.
        count: u32,
        /// The properties found.
        properties: Properties<'a>,
    },
    /// An array by position (AMF0 2.12).
    StrictArray {
        /// The count in front.
        count: u32,
        /// The values found; fewer than `count` if the body ended.
        items: Vec<Value<'a>>,
    },
    /// An object with the name of its class (AMF0 2.18).
    TypedObject {
        /// The class.
        class: Str<'a>,
        /// The properties found.
        properties: Properties<'a>,
    },
    /// A complex value seen before in this body, by number in order of appearance from 0 (AMF0 2.9,
    /// AMF3 2.2). AMF 0 and AMF 3 count separately.
    Reference {
        /// Its number.
        index: u32,
        /// Where in the body it begins; `None` if there is none with this number.
        offset: Option<usize>,
    },
    /// AMF0 marker 0x11: one value of AMF 3 (AMF0 3.1).
    Avmplus(Box<Value<'a>>),
    /// A signed number of 29 bits (AMF3 3.6).
    Integer(i32),
    /// An array of AMF 3 (AMF3 3.11): values with names and values by position.
    Array {
        /// The part with names.
        associative: Properties<'a>,
        /// The count before the part by position.
        count: u32,
        /// The part by position.
        dense: Vec<Value<'a>>,
    },
    /// Bytes (AMF3 3.14).
    ByteArray(&'a [u8]),
    /// Values of one type (AMF3 3.15).
    Vector {
        /// Which type.
        of: VectorType<'a>,
        /// Whether its length must not change.
        fixed: bool,
        /// The count in front.
        count: u32,
        /// The values found.
        items: Vec<Value<'a>>,
    },
    /// Values by value (AMF3 3.16).
    Dictionary {
        /// Whether the keys are held weakly.
        weak: bool,
        /// The count in front.
        count: u32,
        /// Keys and values.
        pairs: Vec<(Value<'a>, Value<'a>)>,
    },
    /// An object that its class writes itself (AMF3 3.12). Where the class is known to write one value,
    /// that is here; else the rest of the body, for nobody but the class knows where it ends.
    Externalizable {
        /// The class.
        class: Str<'a>,
        /// The value, for classes known to write one.
        value: Option<Box<Value<'a>>>,
        /// The rest of the body, for classes that are not known.
        bytes: &'a [u8],
    },
    /// A moment (AMF0 2.13, AMF3 3.10).
    Date {
        /// Milliseconds since 1970-01-01 UTC.
        millis: f64,
        /// Minutes; reserved and to be 0 (AMF0 only).
        timezone: Option<i16>,
    },
    /// An XML document as text (AMF0 2.17).
    Xml(Str<'a>),
    /// Marker 0x22, which only Wireshark's decoder knows: eight bytes, signed.
    Int64(i64),
    /// The end marker of an object where a value should be.
    ObjectEnd,
    /// A marker whose content has no known layout; all that follows is kept as bytes.
    Undecoded {
        /// The marker.
        marker: u8,
        /// The bytes after it.
        bytes: &'a [u8],
    },
}

/// The type of a vector's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VectorType<'a> {
    /// Signed, 32 bits.
    Int,
    /// Unsigned, 32 bits.
    Uint,
    /// Doubles.
    Double,
    /// Any, of a class; the empty name stands for all.
    Object(Str<'a>),
}

impl VectorType<'_> {
    /// Its name in ActionScript; objects by their class.
    pub fn name(self) -> String {
        match self {
            VectorType::Int => "int".into(),
            VectorType::Uint => "uint".into(),
            VectorType::Double => "Number".into(),
            VectorType::Object(class) if class.0.is_empty() => "*".into(),
            VectorType::Object(class) => class.to_string(),
        }
    }
}

/// The properties of an object, in order, repeated names included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties<'a> {
    /// Name and value.
    pub pairs: Vec<(Str<'a>, Value<'a>)>,
    /// Whether the end marker was there: `00 00 09` (AMF0 2.11), or an empty name in AMF 3. Objects of AMF 3
    /// with sealed members only need none.
    pub terminated: bool,
}

impl<'a> Properties<'a> {
    /// The value of the first property with exactly this name.
    pub fn get(&self, name: &[u8]) -> Option<&Value<'a>> {
        self.pairs.iter().find(|(key, _)| key.0 == name).map(|(_, value)| value)
    }
}

impl<'a> Value<'a> {
    /// The properties, if it is an object or an array with names.
    pub fn properties(&self) -> Option<&Properties<'a>> {
        match self {
            Value::Object(properties)
            | Value::EcmaArray { properties, .. }
            | Value::TypedObject { properties, .. }
            | Value::Array { associative: properties, .. } => Some(properties),
            Value::Avmplus(value) => value.properties(),
            Value::Externalizable { value: Some(value), .. } => value.properties(),
            _ => None,
        }
    }

    /// The first property with exactly this name.
    pub fn property(&self, name: &[u8]) -> Option<&Value<'a>> {
        self.properties()?.get(name)
    }

    /// The text, if it is a string of either length.
    pub fn as_str(&self) -> Option<Str<'a>> {
        match self {
            Value::String(text) | Value::LongString(text) => Some(*text),
            Value::Avmplus(value) => value.as_str(),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Int64(number) => Some(*number as f64),
            Value::Integer(number) => Some(f64::from(*number)),
            Value::Avmplus(value) => value.as_number(),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Boolean(truth) => Some(*truth),
            Value::Avmplus(value) => value.as_bool(),
            _ => None,
        }
    }

    /// The values, if it is an array by position.
    pub fn items(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::StrictArray { items, .. } | Value::Array { dense: items, .. } | Value::Vector { items, .. } => {
                Some(items)
            }
            Value::Avmplus(value) => value.items(),
            Value::Externalizable { value: Some(value), .. } => value.items(),
            _ => None,
        }
    }

    /// One line in the words of Wireshark's tree: `String 'live'`, `Number 1`, `Object (4 items)`.
    pub fn label(&self) -> String {
        match self {
            Value::Number(number) => format!("Number {}", number_text(*number)),
            Value::Boolean(truth) => format!("Boolean {truth}"),
            Value::String(text) => format!("String '{text}'"),
            Value::LongString(text) => format!("Long string '{text}'"),
            Value::Null => "Null".into(),
            Value::Undefined => "Undefined".into(),
            Value::Unsupported => "Unsupported".into(),
            Value::Object(properties) => format!("Object ({} items)", properties.pairs.len()),
            Value::EcmaArray { properties, .. } => format!("ECMA array ({} items)", properties.pairs.len()),
            Value::StrictArray { items, .. } => format!("Strict array ({} items)", items.len()),
            Value::TypedObject { class, properties } => {
                format!("Typed object '{class}' ({} items)", properties.pairs.len())
            }
            Value::Reference { index, offset: Some(at) } => format!("Reference {index} (value at offset {at})"),
            Value::Reference { index, offset: None } => format!("Reference {index} (no such value)"),
            Value::Avmplus(value) => format!("AMF3 {}", value.label()),
            Value::Integer(number) => format!("Integer {number}"),
            Value::Array { associative, dense, .. } => {
                format!("Array ({} items)", associative.pairs.len() + dense.len())
            }
            Value::ByteArray(bytes) => format!("ByteArray ({} bytes)", bytes.len()),
            Value::Vector { of, items, .. } => format!("Vector.<{}> ({} items)", of.name(), items.len()),
            Value::Dictionary { pairs, .. } => format!("Dictionary ({} items)", pairs.len()),
            Value::Externalizable { class, value: Some(value), .. } => format!("'{class}' {}", value.label()),
            Value::Externalizable { class, value: None, bytes } => {
                format!("Externalizable '{class}' ({} bytes, layout unknown)", bytes.len())
            }
            Value::Date { millis, .. } => format!("Date {} ms", number_text(*millis)),
            Value::Xml(text) => format!("XML '{text}'"),
            Value::Int64(number) => format!("Int64 {number}"),
            Value::ObjectEnd => "End of object".into(),
            Value::Undecoded { marker, bytes } => format!("Undecoded (marker {marker:#04x}, {} bytes)", bytes.len()),
        }
    }
}

/// A double as people write it: `1`, `29.97`, `-2000`.
pub fn number_text(number: f64) -> String {
    match integral(number) {
        Some(integer) => integer.to_string(),
        // Shortest that reads back as the same double; JavaScript's bounds for when an exponent is shorter to read.
        None if number.is_finite() && number != 0.0 && !(1e-6..1e21).contains(&number.abs()) => format!("{number:e}"),
        None => number.to_string(),
    }
}

/// The integer that a double is exactly, if there is one. Negative zero is not 0.
fn integral(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: below it, every integer is a double of its own
    let whole = number.fract() == 0.0 && number.abs() <= EXACT && !(number == 0.0 && number.is_sign_negative());
    whole.then_some(number as i64)
}

/// A double that serialises as an integer where it is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl<'a> Str<'a> {
    /// The text, with U+FFFD for what is not UTF-8.
    pub fn text(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    /// The text, if it is UTF-8.
    pub fn as_utf8(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }
}

impl std::fmt::Display for Str<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl PartialEq<str> for Str<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Str<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// The values of a body, and what was wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Values<'a> {
    /// The values, as far as they could be read.
    pub values: Vec<Value<'a>>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<crate::field::Defect>,
}
