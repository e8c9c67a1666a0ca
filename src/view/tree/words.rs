//! A field in words: `Timestamp: 40`, `00.. .... = Format: 0`, `String 'live'`.

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
    !text.is_empty()
        && said.contains(text.strip_prefix(node.def.title).map_or(text.as_str(), |rest| rest.trim_start_matches(": ")))
}

/// A field in words. `with_bytes` if its bytes are beside it anyway.
pub fn words(node: &Node, with_bytes: bool) -> String {
    let text = node.text.as_deref().unwrap_or_default();
    match (&node.value, node.derived) {
        _ if node.def.kind == Kind::Mark => node.def.title.to_owned(),
        (Value::None, _) if text.is_empty() => node.def.title.to_owned(),
        (Value::None, _) => escape(text).into_owned(),
        (_, true) if text.is_empty() => format!("[{}: {}]", node.def.title, value(node, with_bytes)),
        (_, true) => format!("[{}: {}] ({text})", node.def.title, value(node, with_bytes)),
        (_, false) => match node.bits {
            Some(bits) => {
                format!("{} = {}: {}", pattern(bits, &node.range, &node.value), node.def.title, value(node, with_bytes))
            }
            None => format!("{}: {}", node.def.title, value(node, with_bytes)),
        },
    }
}

fn value(node: &Node, with_bytes: bool) -> String {
    let bytes = node.bits.map_or(node.range.len(), |bits| bits.width.div_ceil(8) as usize);
    // Not as a whole first: a media body in hex took a twentieth of the time of `decode -V`.
    if let Value::Bytes(bytes) = &node.value {
        let (count, s) = (bytes.len(), if bytes.len() == 1 { "" } else { "s" });
        return match bytes.get(..SHOWN) {
            _ if with_bytes => format!("{count} byte{s}"),
            Some(first) => format!("{}… ({count} bytes)", hex::encode(first)),
            None => format!("{} ({count} byte{s})", hex::encode(bytes)),
        };
    }
    let plain = node.value.plain(node.def.kind, bytes);
    let meaning = node.def.meaning_of(&node.value);
    match (&node.value, meaning) {
        (Value::Uint(number), Some(meaning)) if node.def.kind == Kind::Hex => format!("{meaning} {number} ({plain})"),
        // So many bytes are no number, but a row of bits.
        (Value::Uint(_), None) if node.def.kind == Kind::Hex && bytes * 8 > PATTERN => plain.into_owned(),
        (Value::Uint(number), None) if node.def.kind == Kind::Hex => format!("{number} ({plain})"),
        (_, Some(meaning)) => format!("{meaning} ({plain})"),
        (Value::Text(text), None) => format!("'{}'", escape(text)),
        (Value::Boolean(truth), None) => truth.to_string(),
        _ => plain.into_owned(),
    }
}

/// The bits of a field among those of its bytes: `..00 0011`.
fn pattern(bits: Bits, range: &Range<usize>, value: &Value) -> String {
    let Value::Uint(number) = *value else { return String::new() };
    let all = range.len() * 8;
    let (width, shift) = if all > PATTERN { (bits.width, 0) } else { (all as u32, bits.shift) };
    let mut text = String::new();
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
    text
}
