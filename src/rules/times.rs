//! What times the timestamps tell: whether they go on, at which speed, and how far apart key frames are.
//!
//! How timestamps are written in chunk headers is the business of the chunk rules.
//!
//! | room | holds |
//! |---|---|
//! | [`back`] | times that fall |
//! | [`pace`] | times that run too fast, and key frames too far apart |

pub mod back;
pub mod pace;

use crate::compare::Comparison;
use crate::recording::Kept;
use crate::rtmp::MessageTypeId;
use crate::session::Direction;

use super::look::{self, Flow, Spot};
use super::{Certainty, Claim};

/// Both directions, the client's first.
const BOTH: [Direction; 2] = [Direction::ClientToServer, Direction::ServerToClient];
/// The range of a timestamp field.
const FIELD: u32 = 1 << 24;

/// The messages of sound or of pictures that have times of their own: no configurations.
fn timed<'r>(flow: &Flow<'r>, type_id: MessageTypeId) -> Vec<(usize, &'r Kept, u32)> {
    let is_config = |body: &[u8]| match (type_id, body) {
        (_, []) => true,
        // An enhanced header: the low bits are the packet type, 0 the configuration, 4 metadata.
        (MessageTypeId::VIDEO, [tag, ..]) if tag & 0x80 != 0 => matches!(tag & 15, 0 | 4),
        (MessageTypeId::VIDEO, [tag, 0, ..]) => tag & 15 == 7 || tag & 15 == 12,
        (MessageTypeId::AUDIO, [tag, 0, ..]) => tag >> 4 == 10,
        (MessageTypeId::AUDIO, [tag, ..]) => tag >> 4 == 9 && tag & 15 == 0,
        _ => false,
    };
    let such = flow.messages.iter().filter(|(_, kept)| kept.header.type_id == type_id && !is_config(&kept.body));
    such.filter_map(|&(item, kept)| Some((item, kept, kept.header.timestamp?))).collect()
}

/// The mismatches of timestamps that belong to `spots`, or to the whole of their direction.
fn times_of(comparison: &Comparison<'_>, direction: Direction, is: impl Fn(usize) -> bool) -> Vec<usize> {
    let such = |&index: &usize| {
        let mismatch = &comparison.mismatches[index];
        mismatch.path == "header.timestamp"
            && comparison.either_item(mismatch.row).direction == direction
            && is(mismatch.row)
    };
    comparison.open().filter(such).collect()
}

/// A claim about the time of the first of `spots`.
fn claim(comparison: &Comparison<'_>, spots: &[Spot], certainty: Certainty, title: String) -> Claim {
    let mut claim = look::claim(comparison, spots, "header.timestamp", certainty, title);
    let at = (0..comparison.mismatches.len()).find(|&index| {
        let mismatch = &comparison.mismatches[index];
        mismatch.row == claim.row && mismatch.path == "header.timestamp"
    });
    if let Some(index) = at {
        claim.sides = comparison.mismatches[index].sides.clone();
    }
    claim.explains.clear();
    claim
}
