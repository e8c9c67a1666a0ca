//! Where text is in a message: in its values, whatever type its header has, and in bytes that cannot be read.
//!
//! Takes bodies and values, gives text. What of it is a secret is not known here.

use std::ops::Range;

use crate::amf::{Properties, Str, Value};
use crate::rtmp::MessageTypeId;

use super::names;

/// The type that a body is to be read as: that of its header, or of a command if it begins like one (AMF0 2.4: a
/// string, in types 17 and 15 after a byte 0).
pub fn read_as(type_id: MessageTypeId, bytes: &[u8]) -> Option<MessageTypeId> {
    let has_values = [
        MessageTypeId::AMF0_COMMAND,
        MessageTypeId::AMF3_COMMAND,
        MessageTypeId::AMF0_DATA,
        MessageTypeId::AMF3_DATA,
        MessageTypeId::AMF0_SHARED_OBJECT,
        MessageTypeId::AMF3_SHARED_OBJECT,
        MessageTypeId::AGGREGATE,
    ];
    if has_values.contains(&type_id) {
        return Some(type_id);
    }
    let (meant, bytes) = match bytes {
        [0, rest @ ..] => (MessageTypeId::AMF3_COMMAND, rest),
        rest => (MessageTypeId::AMF0_COMMAND, rest),
    };
    let [2, 0, length, rest @ ..] = bytes else { return None };
    let name = rest.get(..usize::from(*length))?;
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(meant)
}

/// A text or a number in a message.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a, 'n> {
    /// The name of the property that it is of; empty if it has none.
    pub property: &'n str,
    /// Whether the name of that property, or of one that it is in, says that it is a secret.
    pub is_secret: bool,
    /// What it is.
    pub value: &'n Value<'a>,
}

impl<'a> Leaf<'a, '_> {
    /// Its text, if it is one.
    pub fn text(&self) -> Option<Str<'a>> {
        match self.value {
            Value::Xml(text) => Some(*text),
            Value::ByteArray(bytes) | Value::Externalizable { value: None, bytes, .. } => Some(Str(bytes)),
            value => value.as_str(),
        }
    }
}

/// Calls `each` with every value that has no others in it.
pub fn leaves<'a>(values: &[Value<'a>], each: &mut impl FnMut(Leaf<'a, '_>)) {
    values.iter().for_each(|value| walk("", false, value, DEPTH, each));
}

/// The same for properties.
pub fn properties<'a>(properties: &Properties<'a>, each: &mut impl FnMut(Leaf<'a, '_>)) {
    of_properties(properties, false, DEPTH, each);
}

fn of_properties<'a>(properties: &Properties<'a>, is_secret: bool, depth: usize, each: &mut impl FnMut(Leaf<'a, '_>)) {
    for (key, value) in &properties.pairs {
        let name = key.text();
        walk(&name, is_secret || names::is_secret_property(&name), value, depth, each);
    }
}

fn walk<'a>(name: &str, is_secret: bool, value: &Value<'a>, depth: usize, each: &mut impl FnMut(Leaf<'a, '_>)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Avmplus(value) => return walk(name, is_secret, value, depth, each),
        Value::Externalizable { value: Some(value), .. } => return walk(name, is_secret, value, depth, each),
        Value::Dictionary { pairs, .. } => {
            for (key, value) in pairs {
                let name = key.as_str().map(Str::text).unwrap_or_default();
                walk(&name, is_secret || names::is_secret_property(&name), value, depth, each);
            }
        }
        _ if value.properties().is_none() && value.items().is_none() => {
            each(Leaf { property: name, is_secret, value });
        }
        _ => {}
    }
    if let Some(properties) = value.properties() {
        of_properties(properties, is_secret, depth, each);
    }
    for value in value.items().unwrap_or_default() {
        walk(name, is_secret, value, depth, each);
    }
}

/// The text of an XML document: between tags, and in quotes inside of them.
pub fn xml_texts(xml: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_tag = false;
    xml.split(move |&byte| byte == b'<' || byte == b'>')
        .flat_map(move |part| {
            let in_quotes = is_tag;
            is_tag = !is_tag;
            part.split(move |byte| in_quotes && b"\"'".contains(byte))
                .skip(usize::from(in_quotes))
                .step_by(1 + usize::from(in_quotes))
        })
        .map(|text| text.trim_ascii())
        .filter(|text| !text.is_empty())
}

/// Runs of printable characters that are long enough for a word.
pub fn runs(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut runs, mut start) = (Vec::new(), 0);
    for end in 0..=bytes.len() {
        if bytes.get(end).is_none_or(|byte| !byte.is_ascii_graphic()) {
            if end - start >= 4 {
                runs.push(start..end);
            }
            start = end + 1;
        }
    }
    runs
}

/// What follows the last such byte.
pub fn after(text: &[u8], byte: u8) -> &[u8] {
    memchr::memrchr(byte, text).map_or(&[], |at| &text[at + 1..])
}

/// Values that are nested deeper are not looked at.
const DEPTH: usize = 16;
