//! One thing that a sender does to every string: it cuts all of them at the same length.

use std::collections::BTreeSet;

use crate::amf::Value;
use crate::compare::{Comparison, FieldPath, Side};
use crate::field;
use crate::owed::Progress;
use crate::rules::command::commands;
use crate::rules::{Certainty, Claim, Impact, Rule, Severity};
use crate::session::Direction;

use super::generated_rule;

/// Strings of A that B has up to one length, where none is longer.
pub(super) fn cut(comparison: &Comparison<'_>) -> Vec<(&'static Rule, Claim, Vec<usize>)> {
    let of = |direction| Some((generated_rule("mistake:cut:value"), of(comparison, direction)?, Vec::new()));
    [Direction::ClientToServer, Direction::ServerToClient].into_iter().filter_map(of).collect()
}

fn of(comparison: &Comparison<'_>, direction: Direction) -> Option<Claim> {
    let text = |index: usize, side| match &comparison.mismatches[index].side(side)?.value {
        field::Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    let is_cut = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        let pair = text(*index, Side::A).zip(text(*index, Side::B));
        matches!(mismatch.path, FieldPath::Value(_))
            && comparison.either_item(mismatch.row).direction == direction
            && pair.is_some_and(|(a, b)| a.len() > b.len() && !b.is_empty() && a.starts_with(b))
    };
    let all: Vec<usize> = comparison.open().filter(is_cut).collect();
    let first = *all.first()?;
    let length = text(first, Side::B)?.len();
    let is_same = |index: &usize| text(*index, Side::B).is_some_and(|text| text.len() == length);
    // Two that end at the same place are no chance; one may be another value.
    let meant: BTreeSet<&str> = all.iter().filter_map(|&index| text(index, Side::A)).collect();
    if !all.iter().all(is_same) || meant.len() < 2 {
        return None;
    }
    let said = commands(comparison.b);
    let longest = said.iter().filter(|said| said.direction == direction);
    let longest = longest.flat_map(|said| said.command.arguments()).map(longest_text).max()?;
    if longest > length {
        return None;
    }
    let title = format!("every string longer than {length} bytes is cut there, {} of them", meant.len());
    let claim = Claim::at(comparison, first, Certainty::Certain, title)
        .why(format!("all that differ are A's up to byte {length}, and no string of these commands is longer"))
        .fix("write the whole string: a buffer of a fixed size is too short for an URL or a key")
        .explaining(all);
    let serves = Progress::of(comparison.b, &comparison.identities[Side::B as usize]).serves();
    Some(match serves {
        true => claim.weighing(Severity::Warning),
        false => claim.weighing(Severity::Error).breaking(Impact::Response),
    })
}

/// The bytes of the longest string in a value.
fn longest_text(value: &Value<'_>) -> usize {
    match value {
        Value::String(text) | Value::LongString(text) => text.0.len(),
        Value::Object(properties) | Value::EcmaArray { properties, .. } | Value::TypedObject { properties, .. } => {
            properties.pairs.iter().map(|(_, value)| longest_text(value)).max().unwrap_or_default()
        }
        Value::StrictArray { items, .. } => items.iter().map(longest_text).max().unwrap_or_default(),
        _ => 0,
    }
}
