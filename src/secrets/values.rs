//! Where text stands in a message: in its values, whatever type its header has, and in bytes that cannot be read.
//!
//! Takes bodies and values, gives text. What of it is a secret is not known here.

use std::ops::Range;

use crate::amf::{Str, Value};
use crate::rtmp::MessageTypeId;

/// The type that a body is to be read as: that of its header, or of a command if it begins like one (AMF0 2.4: a
/// string, in types 17 and 15 behind a byte 0).
pub fn command_type(type_id: MessageTypeId, bytes: &[u8]) -> Option<MessageTypeId> {
    let is_amf =
        [MessageTypeId::AMF0_COMMAND, MessageTypeId::AMF3_COMMAND, MessageTypeId::AMF0_DATA, MessageTypeId::AMF3_DATA];
    if is_amf.contains(&type_id) {
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

/// Calls `each` with every text in the values, and the name of the property that it is.
pub fn strings<'a>(values: &[Value<'a>], each: &mut impl FnMut(&str, Str<'a>)) {
    for value in values {
        walk("", value, DEPTH, each);
    }
}

fn walk<'a>(name: &str, value: &Value<'a>, depth: usize, each: &mut impl FnMut(&str, Str<'a>)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if let Some(text) = value.as_str() {
        each(name, text);
    } else if let Value::Xml(text) = value {
        each(name, *text);
    }
    if let Some(properties) = value.properties() {
        for (key, value) in &properties.pairs {
            walk(&key.text(), value, depth, each);
        }
    }
    for value in value.items().unwrap_or_default() {
        walk(name, value, depth, each);
    }
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
