//! Rules of the chunk layer (RTMP 1.0 5.3 and 5.4.1): how messages are cut up, and what their headers say.
//!
//! Those of broken framing word a hypothesis that was replayed ([`super::broken`]); the others compare headers.
//! What A does too is no cause here.

pub mod announce;
pub mod header;
pub mod length;
pub mod order;
pub mod received;
pub mod size;
pub mod stream;
mod tail;
pub mod time;
pub mod type3;

use crate::compare::{Comparison, FieldPath, Side};
use crate::recording::{EventKind, Framing, RecordedEvent, RecordedMessage, Session};
use crate::session::Direction;

use super::broken::{self, FramingEvidence};
use super::{Claim, DiagnosisText};

const BOTH: [Direction; 2] = [Direction::ClientToServer, Direction::ServerToClient];

/// What nginx puts where the specification has zeros in S1.
const NGINX: [u8; 4] = [0x0d, 0x0e, 0x0a, 0x0d];

/// The claims of a mistake that was replayed, or shows in the last message of a direction.
fn both(
    comparison: &Comparison<'_>,
    code: &str,
    words: fn(&FramingEvidence<'_, '_>) -> Option<DiagnosisText>,
) -> Vec<Claim> {
    let mut claims = broken::claims_with(comparison, code, words);
    claims.extend(tail::claims(comparison, code));
    claims
}

/// The messages of one side and direction, with their rows, in order.
fn messages<'r>(
    comparison: &Comparison<'r>,
    side: Side,
    direction: Direction,
) -> impl Iterator<Item = (usize, &'r RecordedEvent, &'r RecordedMessage)> {
    comparison.rows_of(direction).filter_map(move |row| {
        let item = comparison.item(row, side)?;
        Some((row, item, item.message()?))
    })
}

/// Indices of the open mismatches with this path.
fn open_at<'c>(comparison: &'c Comparison<'_>, path: FieldPath) -> impl Iterator<Item = usize> + 'c {
    comparison.open().filter(move |&index| comparison.mismatches[index].path == path)
}

/// Indices of the open mismatches of a row.
fn of_row<'c>(comparison: &'c Comparison<'_>, row: usize) -> impl Iterator<Item = usize> + 'c {
    comparison.open().filter(move |&index| comparison.mismatches[index].row == row)
}

/// Whether the receiver of an item of B ended the connection without another word.
fn is_refused(comparison: &Comparison<'_>, item: &RecordedEvent) -> bool {
    let session = comparison.b;
    let receiver = match item.direction {
        Direction::ClientToServer => "server",
        Direction::ServerToClient => "client",
    };
    let answers = session.items.iter().any(|other| {
        other.direction != item.direction && other.frames[1] > item.frames[0] && other.message().is_some()
    });
    !answers && session.stream.end.is_some_and(|end| end.by == receiver)
}

/// Whether a message of a session is one that its sender meant: its type is known, and the direction has had others on its
/// message stream, or it is the connection's own. After a fault of the framing any bytes are read as a header.
fn is_meant(session: &Session, item: &RecordedEvent) -> bool {
    let Some(kept) = item.message() else { return false };
    let before = || {
        let all = session.items.iter().filter(|other| other.direction == item.direction);
        all.take_while(|other| other.at.start < item.at.start).filter_map(RecordedEvent::message)
    };
    let stream = kept.header.message_stream_id.map_or(0, |stream| stream.0);
    let is_of_stream = |other: &RecordedMessage| other.header.message_stream_id.is_some_and(|other| other.0 == stream);
    // A command that is read to its end says so itself; so do the first audio and video, on a stream that was given.
    let follows = stream == 0 || before().any(is_of_stream) || stream == 1;
    kept.header.type_id.is_known()
        && follows
        && (kept.fmt.is_none_or(|fmt| fmt == 0) || before().any(|other| other.csid == kept.csid))
}

/// Whether the version bytes in S1 are those of nginx-rtmp, and of lal, joy4 and xiu.
fn has_s1_of_nginx(session: &Session) -> bool {
    session.items.iter().any(|item| match &item.content {
        EventKind::Handshake { facts, .. } => {
            item.direction == Direction::ServerToClient && facts.software == Some(NGINX)
        }
        _ => false,
    })
}

/// Whether something explains why a direction of B is broken.
fn is_explained(comparison: &Comparison<'_>, direction: Direction) -> bool {
    let of_direction = |framing: &&Framing| framing.direction == direction;
    comparison.b.framing.iter().filter(of_direction).any(|framing| broken::is_worth_a_claim(comparison, framing))
}

/// Defects that mean bytes could not be told for what they are, through the fault of the sender.
const LOST: [&str; 1] = ["resynchronised"];
/// Reasons not to decode bytes that are no fault of the framing.
const EXCUSED: [&str; 6] =
    ["capture-gap", "capture-midstream", "header-cut", "rtmpe", "hs-version", "limit-chunk-streams"];

/// Whether the framing broke at an item: bytes that are no chunks, or a message after which there were some.
fn is_break(item: &RecordedEvent) -> bool {
    match &item.content {
        EventKind::Undecoded => item.defects.iter().all(|defect| !EXCUSED.contains(&defect.code)),
        EventKind::Message(_) => item.defects.iter().any(|defect| LOST.contains(&defect.code)),
        EventKind::Handshake { .. } | EventKind::Gap(_) => false,
    }
}

/// The first bytes of a direction from `offset` on, if they are kept.
fn raw(session: &Session, direction: Direction, offset: u64) -> Option<&[u8]> {
    session.beginnings[direction.index()].get(usize::try_from(offset).ok()?..).filter(|bytes| !bytes.is_empty())
}
