//! When each call was answered: the other end of the link that [`Transactions`] finds.
//!
//! A list printed in one pass cannot say of a call what comes later. An observer that runs first collects
//! it, and a second pass asks. It holds one small entry for each answered call, up to a bound.

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{By, Call, Direction, Event, Kind, Observer, RtmpSession, TransactionOutcome, Transactions};
use crate::origin::{FrameNo, Time};
use crate::tcp::{Connection, ConnectionId};

/// How many answers are remembered.
const MOST: usize = 1 << 16;

/// The first answer to each call of a capture.
#[derive(Debug, Default)]
pub struct Answers {
    open: FxHashMap<ConnectionId, Transactions>,
    replies: FxHashMap<(ConnectionId, Direction, u64), Outcome>,
    left_out: u64,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered.
    Answered(Reply),
    /// It should have an answer, and has none in the capture.
    Unanswered,
}

/// Where a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// The frame that completed the answer.
    pub frame: FrameNo,
    /// The time of `frame`.
    #[serde(serialize_with = "Time::serialize")]
    pub time: Time,
    /// How it is known to be the answer.
    pub by: By,
}

impl Answers {
    /// What became of the call whose first byte is at `offset` of the direction's stream; None if nothing there
    /// is a call that has or needs an answer.
    pub fn to(&self, connection: ConnectionId, direction: Direction, offset: u64) -> Option<Outcome> {
        self.replies.get(&(connection, direction, offset)).copied()
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

    fn keep(&mut self, connection: ConnectionId, call: &Call, outcome: Outcome) {
        let key = (connection, call.direction, call.offset);
        if self.replies.len() < MOST {
            self.replies.entry(key).or_insert(outcome);
        } else if !self.replies.contains_key(&key) {
            self.left_out += 1;
        }
    }
}

impl Observer for Answers {
    fn event(&mut self, event: &Event<'_>) {
        let id = event.connection.id;
        let heard = self.open.entry(id).or_default().event(event);
        match (heard, &event.kind) {
            (Some(TransactionOutcome::Response(answer)), Kind::Message(message)) => {
                let (_, (frame, time)) = event.frames(message.start()..message.end());
                self.keep(id, &answer.call, Outcome::Answered(Reply { frame, time, by: answer.by }));
            }
            (Some(TransactionOutcome::AnsweredBefore(answer, at)), _) => {
                let reply = Reply { frame: at.frame, time: at.time, by: answer.by };
                self.keep(id, &answer.call, Outcome::Answered(reply));
            }
            _ => {}
        }
    }

    fn closed(&mut self, connection: &Connection, _: &RtmpSession) {
        let calls = self.open.remove(&connection.id);
        for call in calls.iter().flat_map(Transactions::unanswered) {
            self.keep(connection.id, call, Outcome::Unanswered);
        }
    }
}
