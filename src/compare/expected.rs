//! Differences that are no finding: they lie in the nature of two recordings.

use std::collections::HashMap;

use crate::field::Value;
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::session::Direction;

use super::identity::MessageKind;
use super::placeholder::{self, Bindings};
use super::{Comparison, FieldPath, Mismatch, Side};

/// Says of each mismatch why it is to be expected, where it is. If `strict`, that is only what a snapshot does not say.
pub fn mark(comparison: &mut Comparison<'_>, strict: bool) {
    if strict && !comparison.has_snapshot() {
        return;
    }
    let offsets = timestamp_offsets(comparison);
    let mut bindings = Bindings::default();
    let mut of = |mismatch: &Mismatch| match by_snapshot(comparison, mismatch, &mut bindings) {
        BySnapshot::Expected(why) => Some(why),
        BySnapshot::Differs => None,
        BySnapshot::Nothing => reason(comparison, mismatch, &offsets).filter(|why| !strict || is_unsaid(why)),
    };
    let reasons: Vec<_> = comparison.mismatches.iter().map(&mut of).collect();
    comparison.bindings = bindings;
    for (mismatch, reason) in comparison.mismatches.iter_mut().zip(reasons) {
        mismatch.expected = reason;
    }
}

/// What a snapshot has to say of a difference.
enum BySnapshot {
    Expected(&'static str),
    Differs,
    Nothing,
}

/// Whether a snapshot of the capture would have the message as the snapshot has it: secrets are overwritten also where
/// no value is, in names and in what could not be decoded.
fn is_as_written(comparison: &Comparison<'_>, row: usize) -> bool {
    let message = |side| comparison.item(row, side).and_then(RecordedEvent::message);
    let (Some(a), Some(b)) = (message(Side::A), message(Side::B)) else { return false };
    let missing = |kept: &RecordedMessage| kept.header.length.saturating_sub(kept.body.len() as u32);
    (a.normal.is_some() || b.normal.is_some()) && a.normal() == b.normal() && missing(a) == missing(b)
}

/// Whether a placeholder of one side stands for the value of the other.
fn by_snapshot(comparison: &Comparison<'_>, mismatch: &Mismatch, bindings: &mut Bindings) -> BySnapshot {
    let [Some(a), Some(b)] = &mismatch.sides else {
        let is_written = mismatch.path.is_of_body() && is_as_written(comparison, mismatch.row);
        return if is_written { BySnapshot::Expected(OVERWRITTEN) } else { BySnapshot::Nothing };
    };
    let fits = match (comparison.a.is_some_and(|a| a.is_snapshot), comparison.b.is_snapshot) {
        (true, _) => bindings.fits(a, b),
        (false, true) => bindings.fits(b, a),
        (false, false) => None,
    };
    match fits {
        _ if mismatch.path.is_of_body() && is_as_written(comparison, mismatch.row) => BySnapshot::Expected(OVERWRITTEN),
        Some(true) => BySnapshot::Expected(OVERWRITTEN),
        Some(false) => BySnapshot::Differs,
        None => BySnapshot::Nothing,
    }
}

/// Whether a snapshot cannot say what else would be compared.
fn is_unsaid(why: &str) -> bool {
    [VOLATILE_KIND, OFFSET].contains(&why)
}

const OVERWRITTEN: &str = "a placeholder of the snapshot replaces it";
const VOLATILE_KIND: &str = "acknowledgements and pings depend on time and load";
const OFFSET: &str = "timestamps start at another value";

fn reason(
    comparison: &Comparison<'_>,
    mismatch: &Mismatch,
    offsets: &HashMap<(Direction, MessageKind), i64>,
) -> Option<&'static str> {
    let kind = comparison.either(mismatch.row).kind;
    let values = [Side::A, Side::B].map(|side| mismatch.side(side).map(|value| &value.value));
    match &mismatch.path {
        _ if kind == MessageKind::Volatile => Some(VOLATILE_KIND),
        FieldPath::Handshake("software") => Some("the software's version in the handshake"),
        FieldPath::Handshake("random") => Some("times and random bytes of the handshake"),
        FieldPath::Handshake("scheme") if both_answer(comparison) => Some("how the handshake is made"),
        &FieldPath::TIMESTAMP => {
            let direction = comparison.either_item(mismatch.row).direction;
            let offset = offsets.get(&(direction, kind))?;
            let [Some(Value::Uint(a)), Some(Value::Uint(b))] = values else { return None };
            let is_common = step(*a as u32, *b as u32) == *offset;
            // A snapshot has all timestamps from the first on.
            let is_harmless = comparison.has_snapshot() || is_harmless(offsets, direction, *offset);
            (is_common && is_harmless || !kind.is_media()).then_some(OFFSET)
        }
        FieldPath::Chunk("cut" | "fmt") => Some("how messages are cut into chunks"),
        path => match (path.last(), values) {
            // A number, as in A: another type is no choice.
            (Some("transaction_id"), [Some(Value::Double(_)), Some(Value::Double(_))]) => {
                Some("transaction ids are the sender's own")
            }
            (Some("tcUrl"), [Some(Value::Text(a)), Some(Value::Text(b))]) => {
                same_but_host(a, b).then_some("the host in tcUrl")
            }
            _ => placeholder::volatile(&mismatch.path).map(|(_, why)| why),
        },
    }
}

/// Whether the session continues after the handshake in both.
fn both_answer(comparison: &Comparison<'_>) -> bool {
    [(comparison.a, 0), (Some(comparison.b), 1)].into_iter().all(|(session, side)| {
        let items = session.iter().flat_map(|session| &session.items);
        items
            .zip(&comparison.identities[side])
            .any(|(item, named)| item.direction == Direction::ServerToClient && named.is("_result"))
    })
}

/// The offset that most timestamps of a kind have between A and B; of several the smallest.
fn timestamp_offsets(comparison: &Comparison<'_>) -> HashMap<(Direction, MessageKind), i64> {
    let mut counts: HashMap<(Direction, MessageKind), HashMap<i64, usize>> = HashMap::new();
    for row in 0..comparison.rows.len() {
        let timestamp = |side| comparison.item(row, side)?.message()?.header.timestamp;
        if let (Some(a), Some(b)) = (timestamp(Side::A), timestamp(Side::B)) {
            let key = (comparison.either_item(row).direction, comparison.either(row).kind);
            *counts.entry(key).or_default().entry(step(a, b)).or_default() += 1;
        }
    }
    let most =
        |counts: HashMap<i64, usize>| counts.into_iter().max_by_key(|&(offset, count)| (count, -offset.abs(), offset));
    // Where some are as in A, those that are far off are a jump, however many they are.
    let offset = |counts: HashMap<i64, usize>| {
        let has_none = counts.contains_key(&0);
        most(counts).map(|(offset, _)| offset).filter(|offset| !has_none || offset.abs() <= OUT_OF_STEP)
    };
    counts.into_iter().filter_map(|(key, counts)| Some((key, offset(counts)?))).collect()
}

/// Whether it makes no difference that the timestamps of a track are all this far from A's: those of the other track are
/// about as far, and none begins at the time of day.
fn is_harmless(offsets: &HashMap<(Direction, MessageKind), i64>, direction: Direction, offset: i64) -> bool {
    let of = |kind| offsets.get(&(direction, kind)).copied();
    let nearest = [MessageKind::Audio, MessageKind::Video].into_iter().filter_map(of).min_by_key(|offset| offset.abs());
    nearest.is_none_or(|nearest| (offset - nearest).abs() <= IN_STEP) && offset.abs() < OTHER_BASE
}

/// So far apart, in milliseconds, nobody notices that audio and video are (EBU R 37).
const IN_STEP: i64 = 60;
/// What encoders add is less, in milliseconds.
const OUT_OF_STEP: i64 = 200;
/// Sessions seldom last so long, in milliseconds; a clock counts from longer ago.
const OTHER_BASE: i64 = 24 * 3600 * 1000;

/// From one timestamp to another: they wrap at 2^32.
fn step(a: u32, b: u32) -> i64 {
    i64::from(b.wrapping_sub(a) as i32)
}

fn same_but_host(a: &str, b: &str) -> bool {
    let path = |text: &str| {
        let (_, rest) = text.split_once("://")?;
        Some(rest.split_once('/').map_or("", |(_, path)| path).to_owned())
    };
    path(a).is_some() && path(a) == path(b)
}
