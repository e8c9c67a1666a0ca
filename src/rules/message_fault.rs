//! Rules that look at the messages of B one by one: an fault that B's messages have and A's have not.

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::session::Direction;

use super::{Certainty, Claim, Impact};

/// What is odd about a message.
pub struct MessageFault {
    /// How sure it is.
    pub certainty: Certainty,
    /// What happened.
    pub title: String,
    /// The evidence.
    pub why: String,
    /// What to change.
    pub fix: String,
}

impl MessageFault {
    /// An fault that the bytes prove.
    pub fn certain(title: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> MessageFault {
        MessageFault { certainty: Certainty::Certain, title: title.into(), why: why.into(), fix: fix.into() }
    }
}

/// Claims the messages of B that `find` finds odd; none if A's messages of that direction are so too. `explains` says
/// of a path whether its difference is this very thing.
pub fn claims(
    comparison: &Comparison<'_>,
    find: impl Fn(&RecordedEvent, &RecordedMessage) -> Option<MessageFault>,
    explains: impl Fn(&FieldPath) -> bool,
) -> Vec<Claim> {
    let odd = |item: &RecordedEvent| item.message().and_then(|kept| find(item, kept));
    let mut rows = (0..comparison.rows.len())
        .filter_map(|row| Some((row, odd(comparison.item(row, Side::B)?)?)))
        .collect::<Vec<_>>();
    let in_a = [Direction::ClientToServer, Direction::ServerToClient].map(|direction| {
        let of_a = comparison.a.iter().flat_map(|a| &a.items);
        of_a.filter(|item| item.direction == direction).any(|item| odd(item).is_some())
    });
    rows.retain(|(row, _)| !in_a[comparison.either_item(*row).direction.index()]);
    if rows.is_empty() {
        return Vec::new();
    }
    let all: Vec<usize> = rows.iter().map(|(row, _)| *row).collect();
    let (row, fault) = rows.swap_remove(0);
    vec![claim(comparison, row, &all, fault, explains)]
}

/// A claim about the message of `row`, which explains what differs in `all` the rows.
pub fn claim(
    comparison: &Comparison<'_>,
    row: usize,
    all: &[usize],
    fault: MessageFault,
    explains: impl Fn(&FieldPath) -> bool,
) -> Claim {
    let mut found = Vec::new();
    for index in comparison.open() {
        let mismatch = &comparison.mismatches[index];
        let is_one = all.binary_search(&mismatch.row).is_ok();
        if is_one && (mismatch.is_whole_message() || explains(&mismatch.path)) {
            found.push(index);
        }
    }
    // A message that cannot be read is not recognised as the one that A has.
    let partner = found.first().filter(|&&index| comparison.mismatches[index].is_whole_message()).and_then(|_| {
        let is_partner = |&index: &usize| {
            let other = comparison.mismatches[index].row;
            comparison.item(other, Side::B).is_none()
                && comparison.either_item(other).direction == comparison.either_item(row).direction
                && (comparison.either(other).kind == comparison.either(row).kind)
        };
        comparison.open().filter(is_partner).min_by_key(|&index| comparison.mismatches[index].row.abs_diff(row))
    });
    found.extend(partner);
    let first = found.iter().copied().find(|&index| comparison.mismatches[index].row == row);
    let (path, sides) = match first {
        Some(index) => (comparison.mismatches[index].path.clone(), comparison.mismatches[index].sides.clone()),
        None => (FieldPath::Message, [Side::A, Side::B].map(|side| comparison.item(row, side).map(whole))),
    };
    Claim {
        certainty: fault.certainty,
        severity: None,
        effect: None,
        title: fault.title,
        row,
        path,
        sides,
        why: fault.why,
        fix: fault.fix,
        explains: found,
        impact: if stops(comparison, row) { Impact::Response } else { Impact::Nothing },
    }
}

fn whole(item: &RecordedEvent) -> Value {
    let bytes = item.message().map(|kept| kept.body[..kept.body.len().min(64)].to_vec()).unwrap_or_default();
    Value { bytes, place: Some((item.at.start, item.frames[1])), ..Value::words(item.info.clone()) }
}

/// Whether the other side says nothing more after a row, where in A it does.
pub fn stops(comparison: &Comparison<'_>, row: usize) -> bool {
    let direction = comparison.either_item(row).direction;
    let answers = || {
        (row + 1..comparison.rows.len()).filter(|&later| {
            comparison.either_item(later).direction != direction
                && comparison.either(later).kind != crate::compare::MessageKind::Volatile
        })
    };
    answers().next().is_some() && answers().all(|later| comparison.item(later, Side::B).is_none())
}
