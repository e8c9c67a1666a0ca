//! Looking for one mistake in the messages of a direction, in B and then in A.
//!
//! A rule says what one direction of one session shows ([`BodyPlace`]s); here it becomes a [`Claim`] about two sessions.
//! What A shows too is no cause, so then there is no claim.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::compare::{Comparison, FieldPath, Side, Value, is_gap};
use crate::recording::{EventKind, RecordedEvent, RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::message::Ending;
use crate::session::Direction;

use super::{Certainty, Claim};

/// The whole messages of one direction of a session, in order.
pub struct DirectionMessages<'r> {
    /// Indices of the items, and the messages.
    pub messages: Vec<(usize, &'r RecordedMessage)>,
    /// Whether the recording has all of the direction: it begins with the handshake, or as FLV does, and has no hole.
    pub is_complete: bool,
    /// The items of both directions at which media begin again: after a seek, or when another stream starts.
    restarts: Vec<usize>,
}

/// A message that shows a mistake.
pub struct BodyPlace {
    /// Index of the item.
    pub item: usize,
    /// The bytes of the body that show it.
    pub range: Range<usize>,
    /// What they say, in words.
    pub text: String,
    /// The body without the mistake, where that can be told: so its twin in A is found.
    pub meant: Option<Vec<u8>>,
}

impl<'r> DirectionMessages<'r> {
    /// The messages of a direction.
    pub fn of(session: &'r Session, direction: Direction) -> DirectionMessages<'r> {
        let items = || session.items.iter().enumerate().filter(|(_, item)| item.direction == direction);
        let is_handshake = |(_, item): (usize, &RecordedEvent)| matches!(item.content, EventKind::Handshake { .. });
        let begins = match session.is_flv() {
            true => session.from_start[direction.index()],
            false => items().next().is_some_and(is_handshake),
        };
        let whole = |(index, item): (usize, &'r RecordedEvent)| {
            let kept = item.message()?;
            (kept.ending == Ending::Complete).then_some((index, kept))
        };
        let is_complete = begins && !items().any(|(_, item)| is_gap(item));
        let all = session.items.iter().enumerate();
        let restarts = all
            .filter(|(_, item)| item.message().is_some_and(|kept| kept.class.restarts_media()))
            .map(|(index, _)| index);
        DirectionMessages { messages: items().filter_map(whole).collect(), is_complete, restarts: restarts.collect() }
    }

    /// How often media have begun again before an item: what differs in this is not one run of media.
    pub fn run(&self, item: usize) -> usize {
        self.restarts.partition_point(|&restart| restart < item)
    }

    /// The messages of one type, with all of their bytes.
    pub fn of_type(&self, type_id: MessageTypeId) -> impl Iterator<Item = (usize, &'r [u8])> + '_ {
        let such = move |(index, kept): &(usize, &'r RecordedMessage)| {
            (kept.header.type_id == type_id && kept.is_whole()).then_some((*index, &kept.body[..]))
        };
        self.messages.iter().filter_map(such)
    }

    /// The video messages.
    pub fn video(&self) -> impl Iterator<Item = (usize, &'r [u8])> + '_ {
        self.of_type(MessageTypeId::VIDEO)
    }

    /// The audio messages.
    pub fn audio(&self) -> impl Iterator<Item = (usize, &'r [u8])> + '_ {
        self.of_type(MessageTypeId::AUDIO)
    }
}

impl BodyPlace {
    /// A place in the body of an item.
    pub fn new(item: usize, range: Range<usize>, text: impl Into<String>) -> BodyPlace {
        BodyPlace { item, range, text: text.into(), meant: None }
    }

    /// With the body that was meant.
    pub fn meant(self, body: Vec<u8>) -> BodyPlace {
        BodyPlace { meant: Some(body), ..self }
    }
}

/// What B shows and A does not, of the direction that shows it first.
pub fn only_in_b<T>(comparison: &Comparison<'_>, find: impl Fn(&DirectionMessages<'_>) -> Vec<T>) -> Option<Vec<T>> {
    [Direction::ClientToServer, Direction::ServerToClient].into_iter().find_map(|direction| {
        let in_b = find(&DirectionMessages::of(comparison.b, direction));
        (!in_b.is_empty() && comparison.a.is_none_or(|a| find(&DirectionMessages::of(a, direction)).is_empty()))
            .then_some(in_b)
    })
}

/// A claim about the first of `spots`, which explains the differences of all.
pub fn claim(
    comparison: &Comparison<'_>,
    spots: &[BodyPlace],
    path: impl Into<FieldPath>,
    certainty: Certainty,
    title: String,
) -> Claim {
    let rows = rows_of_b(comparison);
    let first = &spots[0];
    let row = rows.get(&first.item).copied().unwrap_or_default();
    let value = |side: Side, text: String| {
        let kept = comparison.item(row, side)?.message()?;
        let end = first.range.end.min(first.range.start + 64).min(kept.body.len());
        let bytes = kept.body.get(first.range.start..end)?.to_vec();
        let (in_body, place) = (Some(first.range.clone()), kept.places.of(first.range.start));
        Some(Value { bytes, in_body, place, ..Value::words(text) })
    };
    let of_a = comparison.item(row, Side::A).map(|item| match item.detail.as_str() {
        "" => item.info.to_string(),
        detail => detail.to_owned(),
    });
    let sides = [of_a.and_then(|text| value(Side::A, text)), value(Side::B, first.text.clone())];
    Claim { explains: explained(comparison, spots, &rows), ..Claim::on(row, path, sides, certainty, title) }
}

/// The row of each item of B.
pub fn rows_of_b(comparison: &Comparison<'_>) -> HashMap<usize, usize> {
    let rows = comparison.rows.iter().enumerate();
    rows.filter_map(|(row, aligned)| Some((aligned.b?, row))).collect()
}

/// The differences in the bodies of `spots`, and the messages of A that they were meant to be.
fn explained(comparison: &Comparison<'_>, spots: &[BodyPlace], rows: &HashMap<usize, usize>) -> Vec<usize> {
    let here: HashSet<usize> = spots.iter().filter_map(|spot| rows.get(&spot.item).copied()).collect();
    let meant = spots.iter().filter_map(|spot| spot.meant.as_deref());
    let twins: HashSet<u128> = meant.filter_map(|bytes| Some(comparison.a?.hashing.of(bytes))).collect();
    let is_twin = |row: usize| {
        let alone = comparison.rows[row].b.is_none();
        let hash = comparison.item(row, Side::A).and_then(RecordedEvent::message).map(|kept| kept.hash);
        alone && hash.is_some_and(|hash| twins.contains(&hash))
    };
    let belongs = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        // A message that looks like another kind may be beside one of another time.
        let is_here = !mismatch.path.is_of_header() || !twins.is_empty() && mismatch.path == FieldPath::TIMESTAMP;
        is_here && here.contains(&mismatch.row) || is_twin(mismatch.row)
    };
    (0..comparison.mismatches.len()).filter(belongs).collect()
}

/// How many, in words: `1 message`, `6 messages`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
