//! What was read between the last message that proves itself and the place where a direction's framing breaks: the
//! break may be before it, and then it was read out of the wrong bytes (nothing is read out of broken framing).

use crate::compare::{Comparison, Side};
use crate::recording::{EventKind, RecordedEvent};
use crate::rtmp::message::Ending;
use crate::search;
use crate::session::Direction;

use super::{Certainty, Claim, Impact, Rule};

/// So many messages before a break are doubted.
const MOST: usize = 16;

/// Takes out what is said of single messages there. The first of them begins at a place that is beyond doubt, so what
/// is said of its header and of how it ends is kept.
pub fn take_out(comparison: &Comparison<'_>, claims: &mut Vec<(&'static Rule, Claim)>) {
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let doubtful = rows(comparison, direction);
        let is_of_message =
            |claim: &Claim| matches!(claim.impact, Impact::Nothing | Impact::Response) && doubtful.contains(&claim.row);
        claims.retain(|(_, claim)| !is_of_message(claim) || claim.certainty == Certainty::Possible);
    }
}

/// The rows of a direction that are in doubt.
fn rows(comparison: &Comparison<'_>, direction: Direction) -> Vec<usize> {
    let of_b = comparison.rows_of(direction).filter_map(|row| Some((row, comparison.item(row, Side::B)?)));
    let mut items: Vec<(usize, &RecordedEvent)> = of_b.collect();
    items.sort_by_key(|(_, item)| item.at.start);
    let is_broken = |(_, item): &(usize, &RecordedEvent)| matches!(item.content, EventKind::Undecoded);
    let Some(broken) = items.iter().position(is_broken) else { return Vec::new() };
    let from = items[..broken].iter().rposition(|(_, item)| proves_itself(item)).map_or(0, |last| last + 1);
    let first = (from + 1).max(broken.saturating_sub(MOST));
    items.get(first..broken).unwrap_or_default().iter().map(|(row, _)| *row).collect()
}

/// Whether what was read can hardly be anything else: a handshake, or a message whose body says how long it is.
fn proves_itself(item: &RecordedEvent) -> bool {
    match &item.content {
        EventKind::Handshake { .. } => true,
        EventKind::Message(kept) => {
            kept.ending == Ending::Complete && search::proves_itself(kept.header.type_id, &kept.body)
        }
        EventKind::Gap(_) | EventKind::Undecoded => false,
    }
}
