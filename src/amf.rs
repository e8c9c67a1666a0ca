//! AMF values: what commands, data messages and shared objects are made of.
//!
//! Takes the bytes of a body and gives typed values that borrow from it, or a tree. What the bytes say
//! is kept: the order of properties, names that repeat, counts that do not fit, strings that are no
//! UTF-8, end markers that are missing. It does not judge: whether a wrong count matters is for others.
//!
//! | room | holds |
//! |---|---|
//! | [`amf0`] | AMF 0, all markers (and Wireshark's Int64) |
//! | `json` | values as natural JSON, with `$` names for what JSON cannot say |

pub mod amf0;
mod json;

use std::borrow::Cow;

use serde::Serialize;

/// How deep values may be nested. Real messages stay below 10; each level costs stack.
pub const MAX_DEPTH: usize = 64;

/// How many values one body may hold. A value in memory is some fifty times its single byte on the wire,
/// so this bounds what a hostile body can cost; the longest real lists (keyframe indexes in onMetaData)
/// stay a tenth of it.
pub const MAX_VALUES: usize = 1 << 17;

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
    /// A complex value seen before in this body, by number in order of appearance (AMF0 2.9).
    Reference(u32),
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
        /// The bytes behind it.
        bytes: &'a [u8],
    },
}

/// The properties of an object, in order, repeated names included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties<'a> {
    /// Name and value.
    pub pairs: Vec<(Str<'a>, Value<'a>)>,
    /// Whether the end marker `00 00 09` was there (AMF0 2.11).
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
            Value::Object(properties) | Value::EcmaArray { properties, .. } | Value::TypedObject { properties, .. } => {
                Some(properties)
            }
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
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Value::Number(number) => Some(number),
            Value::Int64(number) => Some(number as f64),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Value::Boolean(truth) => Some(truth),
            _ => None,
        }
    }

    /// The values, if it is an array by position.
    pub fn items(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::StrictArray { items, .. } => Some(items),
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
            Value::Reference(index) => format!("Reference {index}"),
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
    /// The text, with U+FFFD for what is no UTF-8.
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

/// The names of the markers of AMF 0, as Wireshark has them.
fn amf0_type_name(marker: u64) -> Option<&'static str> {
    Some(match marker {
        0x00 => "Number",
        0x01 => "Boolean",
        0x02 => "String",
        0x03 => "Object",
        0x04 => "Movie clip",
        0x05 => "Null",
        0x06 => "Undefined",
        0x07 => "Reference",
        0x08 => "ECMA array",
        0x09 => "End of object",
        0x0a => "Strict array",
        0x0b => "Date",
        0x0c => "Long string",
        0x0d => "Unsupported",
        0x0e => "Record set",
        0x0f => "XML",
        0x10 => "Typed object",
        0x11 => "Switch to AMF3",
        0x22 => "Int64",
        _ => return None,
    })
}

crate::fields! {
    VALUE = "amf.value", Group, "Value", "A value of AMF (own name).";
    OBJECT = "amf.object", Group, "Object", "An object, typed or not (AMF0 2.5, 2.18).";
    ECMA_ARRAY = "amf.ecmaarray", Group, "ECMA array", "An array with names (AMF0 2.10).";
    STRICT_ARRAY = "amf.strictarray", Group, "Strict array", "An array by position (AMF0 2.12).";
    PROPERTY = "amf.property", Group, "Property", "A name and its value (own name).";
    PROPERTY_NAME = "amf.property.name", Group, "Name", "The name of a property (own name).";
    AMF0_TYPE = "amf.amf0_type", Hex, "AMF0 type", "The marker in front of a value (AMF0 2.1).", amf0_type_name;
    NUMBER = "amf.number", Double, "Number", "A double (AMF0 2.2).";
    BOOLEAN = "amf.boolean", Boolean, "Boolean", "False if 0 (AMF0 2.3).";
    STRING_LENGTH = "amf.stringlength", Uint, "String length", "Bytes of UTF-8 that follow (AMF0 1.3.1).";
    STRING = "amf.string", Text, "String", "A string, or the name of a property (AMF0 2.4).";
    LONG_STRING = "amf.longstring", Text, "Long string", "A string with a length of four bytes (AMF0 2.14).";
    OBJECT_REFERENCE = "amf.object_reference", Uint, "Object reference",
        "The number of an object, array or typed object seen before (AMF0 2.9).";
    ARRAY_LENGTH = "amf.arraylength", Uint, "Array length", "The count in front of an array (AMF0 2.10, 2.12).";
    END_OF_OBJECT = "amf.end_of_object_marker", Bytes, "End Of Object Marker",
        "An empty name and the marker 09 (AMF0 2.11).";
    CLASS_NAME = "amf.classname", Text, "Class name", "The class of a typed object (AMF0 2.18).";
    DATE = "amf.date", Double, "Date", "Milliseconds since 1970-01-01 UTC (AMF0 2.13).";
    TIMEZONE = "amf.timezone", Int, "Time zone", "Reserved, to be 0 (AMF0 2.13; own name).";
    XML_DOC = "amf.xml_doc", Text, "XML document", "XML as text (AMF0 2.17).";
    INT64 = "amf.int64", Int, "Int64", "Marker 0x22, in no specification.";
    UNDECODED = "amf.undecoded", Bytes, "Undecoded", "Bytes that could not be read as AMF (own name).";
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
