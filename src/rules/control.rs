//! Rules of protocol control and user control messages (RTMP 1.0 5.4, 7.1.7).
//!
//! | module | holds |
//! |---|---|
//! | [`shape`] | how the messages are written: stream, length, event |
//! | [`acks`] | Acknowledgements that are missing, or do not count as they should |
//! | [`counting`] | what Acknowledgements count in place of bytes |
//! | [`window`] | Window Acknowledgement Size, absent or too small |
//! | [`pings`] | ping requests and their answers |
//! | [`abort`] | messages that are given up |

pub mod abort;
pub mod acks;
pub mod counting;
pub mod pings;
pub mod shape;
pub mod window;

use crate::recording::{RecordedEvent, RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::session::Direction;

/// Both directions, the client's first.
const BOTH: [Direction; 2] = [Direction::ClientToServer, Direction::ServerToClient];

/// A user control event (RTMP 1.0 7.1.7).
#[derive(Clone, Copy)]
struct Event<'r> {
    /// Index of the item.
    item: usize,
    /// The item.
    row: &'r RecordedEvent,
    /// The message.
    kept: &'r RecordedMessage,
    /// Which event.
    kind: u16,
    /// Its data.
    data: &'r [u8],
}

/// The user control events of a direction.
fn events(session: &Session, direction: Direction) -> impl Iterator<Item = Event<'_>> {
    session.items.iter().enumerate().filter(move |(_, item)| item.direction == direction).filter_map(|(index, item)| {
        let kept = item.message().filter(|kept| kept.header.type_id == MessageTypeId::USER_CONTROL)?;
        let (kind, data) = kept.body.split_first_chunk::<2>()?;
        Some(Event { item: index, row: item, kept, kind: u16::from_be_bytes(*kind), data })
    })
}

/// The number that a control message has in its first four bytes.
fn number(kept: &RecordedMessage) -> Option<u32> {
    kept.body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The other way.
fn back(direction: Direction) -> Direction {
    match direction {
        Direction::ClientToServer => Direction::ServerToClient,
        Direction::ServerToClient => Direction::ClientToServer,
    }
}

/// Who sends in a direction.
fn sender(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client",
        Direction::ServerToClient => "server",
    }
}
