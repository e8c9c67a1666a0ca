//! Rules for what is merely different: other software, other choices, other media. They say it in one statement each,
//! and claim last, what no rule of a fault has claimed.

mod commands;
mod media;
mod names;
mod substituted;

use crate::amf::number_text;
use crate::compare::{Comparison, Side, Value};
use crate::field;
use crate::session::Direction;

use super::{Certainty, Claim};

pub use commands::{ANSWERS, COMMANDS, CONNECT, CONTROL, METADATA, OTHER_ROLE};
pub use media::{CHUNK_STREAMS, MEDIA, TIMESTAMPS};
pub use names::{FORM as STREAM_NAME_FORM, STREAM_NAME};

/// One claim for all open mismatches that `is_of` accepts; `title` is given their indices.
fn together(
    comparison: &Comparison<'_>,
    is_of: impl Fn(usize) -> bool,
    title: impl FnOnce(&[usize]) -> String,
) -> Option<Claim> {
    let all: Vec<usize> = comparison.open().filter(|&index| is_of(index)).collect();
    let first = *all.first()?;
    // A count that differs with the values it belongs to is no place to look at.
    let row = comparison.mismatches[first].row;
    let says_more = |&index: &usize| comparison.mismatches[index].row == row && !is_mark(comparison, index);
    let first = all.iter().copied().find(says_more).unwrap_or(first);
    Some(Claim::at(comparison, first, Certainty::Possible, title(&all)).explaining(all))
}

/// What a mismatch says in a few words: `flashVer 'x' instead of 'y'`, `no type`, `capabilities 15 besides`.
fn words(comparison: &Comparison<'_>, index: usize) -> String {
    let mismatch = &comparison.mismatches[index];
    let name = mismatch.path.below();
    match (mismatch.side(Side::A), mismatch.side(Side::B)) {
        (Some(a), Some(b)) => format!("{name} is {} instead of {}", short(b), short(a)),
        (Some(_), None) => format!("no {name}"),
        (None, Some(b)) => format!("{name} {} in addition", short(b)),
        (None, None) => name,
    }
}

/// A few of them, and how many more there are.
fn list(comparison: &Comparison<'_>, indices: &[usize]) -> String {
    const SHOWN: usize = 6;
    let marks_only = indices.iter().all(|&index| is_mark(comparison, index));
    let said = indices.iter().filter(|&&index| marks_only || !is_mark(comparison, index));
    let mut words: Vec<String> = said.map(|&index| words(comparison, index)).collect();
    words.dedup();
    let more = words.len().saturating_sub(SHOWN);
    words.truncate(SHOWN);
    let mut text = words.join(", ");
    if more > 0 {
        text.push_str(&format!(", and {more} more"));
    }
    text
}

/// Markers and counts of AMF differ with the values that they belong to, and say no more.
fn is_mark(comparison: &Comparison<'_>, index: usize) -> bool {
    comparison.mismatches[index].path.part().is_some()
}

/// A value without the name of its type, which the quotes or their absence tell.
fn short(value: &Value) -> String {
    const LONGEST: usize = 40;
    let (text, end) = match &value.value {
        field::Value::Double(number) => (number_text(*number), "…"),
        field::Value::Boolean(truth) => (truth.to_string(), "…"),
        field::Value::Text(text) if value.is_string() => (format!("'{text}'"), "…'"),
        _ => (value.text.clone(), "…"),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(end.chars()).collect()
}

/// Who sent a mismatch's message, in B's session: `the client`, `the server`.
fn sender(comparison: &Comparison<'_>, row: usize) -> &'static str {
    match comparison.either_item(row).direction {
        Direction::ClientToServer => "the client",
        Direction::ServerToClient => "the server",
    }
}

/// Whether nothing says that a direction's sender is other software than A's: what it says of itself is the same.
pub fn is_same_software(comparison: &Comparison<'_>, direction: Direction) -> bool {
    let is_introduction = |row: usize| {
        let named = comparison.either(row);
        match direction {
            Direction::ClientToServer => named.is("connect"),
            Direction::ServerToClient => named.answers("connect"),
        }
    };
    let mut open = comparison.mismatches.iter().filter(|mismatch| mismatch.expected.is_none());
    open.all(|mismatch| {
        let is_of = comparison.either_item(mismatch.row).direction == direction && mismatch.path.is_of_body();
        !(is_of && is_introduction(mismatch.row))
    })
}
