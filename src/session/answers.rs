//! When each call was answered: the other end of the link that [`Calls`] finds.
//!
//! A list printed in one pass cannot say of a call what comes later. An observer that runs first collects
//! it, and a second pass asks. It holds one small entry for each answered call, up to a bound.

use rustc_hash::FxHashMap;

use super::{Answer, By, Calls, Conversation, Direction, Event, Heard, Kind, Observer};
use crate::origin::{FrameNo, Time};
use crate::tcp::{Connection, ConnectionId};

/// How many answers are remembered.
const MOST: usize = 1 << 16;

/// The first answer to each call of a capture.
#[derive(Debug, Default)]
pub struct Answers {
    open: FxHashMap<ConnectionId, Calls>,
    replies: FxHashMap<(ConnectionId, Direction, u64), Reply>,
    left_out: u64,
}

/// Where a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The frame that completed the answer.
    pub frame: FrameNo,
    /// The time of `frame`.
    pub time: Time,
    /// How it is known to be the answer.
    pub by: By,
}

impl Answers {
    /// The answer to the call whose first byte is at `offset` of the direction's stream.
    pub fn to(&self, connection: ConnectionId, direction: Direction, offset: u64) -> Option<&Reply> {
        self.replies.get(&(connection, direction, offset))
    }

    /// How many calls have an answer here.
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Whether no call has an answer here.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// How many answers were left out, to keep memory bounded: the last ones.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn keep(&mut self, connection: ConnectionId, answer: &Answer, reply: Reply) {
        let key = (connection, answer.call.direction, answer.call.offset);
        if self.replies.len() < MOST {
            self.replies.entry(key).or_insert(reply);
        } else if !self.replies.contains_key(&key) {
            self.left_out += 1;
        }
    }
}

impl Observer for Answers {
    fn event(&mut self, event: &Event<'_>) {
        let id = event.connection.id;
        let heard = self.open.entry(id).or_default().event(event);
        if let (Some(Heard::Answer(answer)), Kind::Message(message)) = (heard, &event.kind) {
            let (_, (frame, time)) = event.frames(message.start()..message.end());
            self.keep(id, &answer, Reply { frame, time, by: answer.by });
        }
    }

    fn closed(&mut self, connection: &Connection, _: &Conversation) {
        self.open.remove(&connection.id);
    }
}
