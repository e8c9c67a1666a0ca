//! A field in words: `Timestamp: 40`, `00.. .... = Format: 0`, `String 'live'`.

use std::fmt::Write;
use std::ops::Range;

use crate::escape::escape;
use crate::field::{Bits, Kind, Node, Value};

/// Bytes of a value that are written out.
const SHOWN: usize = 32;
/// The most bits of a pattern. Fields of more bytes than that have their own bits only.
const PATTERN: usize = 32;

/// Whether a group says no more than its parent has said: a property's name, and its value.
pub fn repeats(node: &Node, parent: &Node) -> bool {
    let (Value::None, Some(text), Some(said)) = (&node.value, &node.text, &parent.text) else { return false };
    let rest = || text.strip_prefix(node.def.title).map_or(&**text, |rest| rest.trim_start_matches(": "));
    !text.is_empty() && said.contains(rest())
}

/// A field in words. `with_bytes` if its bytes are beside it anyway.
pub fn words(node: &Node, with_bytes: bool) -> String {
    let mut said = String::new();
    write_words(&mut said, node, with_bytes);
    said
}

/// Adds a field in words to a text.
pub fn write_words(said: &mut String, node: &Node, with_bytes: bool) {
    let text = node.text.as_deref().unwrap_or_default();
    let title = node.def.title;
    match &node.value {
        _ if node.def.kind == Kind::Mark => said.push_str(title),
        Value::None if text.is_empty() => said.push_str(title),
        Value::None => said.push_str(&escape(text)),
        value if node.derived => {
            said.extend(["[", title, ": "]);
            write_value(said, node, value, with_bytes);
            said.push(']');
            if !text.is_empty() {
                said.extend([" (", text, ")"]);
            }
        }
        value => {
            if let Some(bits) = node.bits {
                write_pattern(said, bits, &node.range, value);
                said.push_str(" = ");
            }
            said.extend([title, ": "]);
            write_value(said, node, value, with_bytes);
        }
    }
}

fn write_value(said: &mut String, node: &Node, value: &Value, with_bytes: bool) {
    let bytes = node.bits.map_or(node.range.len(), |bits| bits.width.div_ceil(8) as usize);
    // A `String` takes all that is written.
    let _ = match value {
        // Not as a whole first: a media body in hex took a twentieth of the time of `decode -V`.
        Value::Bytes(bytes) => {
            let (count, s) = (bytes.len(), if bytes.len() == 1 { "" } else { "s" });
            match bytes.get(..SHOWN) {
                _ if with_bytes => write!(said, "{count} byte{s}"),
                Some(first) => write!(said, "{}… ({count} bytes)", hex::encode(first)),
                None => write!(said, "{} ({count} byte{s})", hex::encode(bytes)),
            }
        }
        Value::Text(text) if node.def.meaning_of(value).is_none() => write!(said, "'{}'", escape(text)),
        Value::Boolean(truth) => write!(said, "{truth}"),
        _ => {
            let meaning = node.def.meaning_of(value);
            let is_hex = node.def.kind == Kind::Hex;
            let number = match value {
                Value::Uint(number) if is_hex => Some(number),
                _ => None,
            };
            let is_open = match (number, meaning) {
                (Some(number), Some(meaning)) => write!(said, "{meaning} {number} (").is_ok(),
                // So many bytes are no number, but a row of bits.
                (Some(_), None) if bytes * 8 > PATTERN => false,
                (Some(number), None) => write!(said, "{number} (").is_ok(),
                (None, Some(meaning)) => write!(said, "{meaning} (").is_ok(),
                (None, None) => false,
            };
            value.write_plain(node.def.kind, bytes, said);
            if is_open { said.write_char(')') } else { Ok(()) }
        }
    };
}

/// The bits of a field among those of its bytes: `..00 0011`.
fn write_pattern(text: &mut String, bits: Bits, range: &Range<usize>, value: &Value) {
    let Value::Uint(number) = *value else { return };
    let all = range.len() * 8;
    let (width, shift) = if all > PATTERN { (bits.width, 0) } else { (all as u32, bits.shift) };
    for bit in (0..width).rev() {
        let inside = (shift..shift + bits.width).contains(&bit);
        text.push(match inside {
            true if number >> (bit - shift) & 1 == 1 => '1',
            true => '0',
            false => '.',
        });
        if bit % 4 == 0 && bit > 0 {
            text.push(' ');
        }
    }
}
