//! How a session begins and ends: what the rules of the capture and of the handshake look at.

use crate::compare::{Comparison, Side, Value};
use crate::origin::Time;
use crate::recording::{EventKind, RecordedEvent, Session};
use crate::rtmp::handshake::Part;
use crate::session::{Direction, HandshakeFacts};
use crate::streams;

pub use Direction::{ClientToServer as CLIENT, ServerToClient as SERVER};

/// So long without a word, in seconds, and a side waits for the other.
pub const WAITS: f64 = 1.0;

/// A session's beginning and end.
#[derive(Clone, Copy)]
pub struct Opening<'r> {
    /// The session.
    pub session: &'r Session,
}

impl<'r> Opening<'r> {
    /// Of a session.
    pub fn of(session: &'r Session) -> Opening<'r> {
        Opening { session }
    }

    /// Of A, if there is one, and of B.
    pub fn sides(comparison: &Comparison<'r>) -> (Option<Opening<'r>>, Opening<'r>) {
        (comparison.a.map(Opening::of), Opening::of(comparison.b))
    }

    /// The first bytes that a side sent, up to the first hole; none if it is not known where it began.
    pub fn sent(&self, direction: Direction) -> &'r [u8] {
        let bytes = &self.session.beginnings[direction.index()];
        if !self.session.from_start[direction.index()] {
            return &[];
        }
        let hole = self.items(direction).find(|item| matches!(item.content, EventKind::Gap(_)));
        let end = hole.map_or(bytes.len(), |item| bytes.len().min(item.at.start as usize));
        &bytes[..end]
    }

    /// What is counted of a direction.
    pub fn count(&self, direction: Direction) -> &'r streams::Side {
        match direction {
            CLIENT => &self.session.stream.client_to_server,
            SERVER => &self.session.stream.server_to_client,
        }
    }

    /// How many bytes a side sent, if the capture has all of them.
    pub fn total(&self, direction: Direction) -> Option<u64> {
        let count = self.count(direction);
        // A snapshot does not say.
        let is_whole = !self.session.is_snapshot && count.gap_bytes == 0 && self.session.from_start[direction.index()];
        // A FIN takes a number of its own.
        let is_given = count.bytes > 0 || !self.session.is_given();
        (is_whole && is_given && count.unseen_bytes <= 1).then_some(count.bytes)
    }

    /// What came in a direction.
    pub fn items(&self, direction: Direction) -> impl Iterator<Item = &'r RecordedEvent> + use<'r> {
        self.session.items.iter().filter(move |item| item.direction == direction)
    }

    /// A part of the handshake, what it says, and its bytes.
    pub fn part(&self, wanted: Part) -> Option<(&'r RecordedEvent, &'r HandshakeFacts, &'r [u8])> {
        self.session.items.iter().find_map(|item| match &item.content {
            EventKind::Handshake { part, facts, bytes, .. } if *part == wanted => Some((item, facts, &bytes[..])),
            _ => None,
        })
    }

    /// The messages of a direction.
    pub fn messages(&self, direction: Direction) -> impl Iterator<Item = &'r RecordedEvent> + use<'r> {
        self.items(direction).filter(|item| item.message().is_some())
    }

    /// Who ended the connection: `client` or `server`.
    pub fn ended_by(&self) -> Option<&'static str> {
        self.session.stream.end.map(|end| end.by)
    }

    /// How long the connection lasted after the last thing that came, in seconds.
    pub fn idle(&self) -> f64 {
        let last = self.session.items.iter().map(|item| item.time).max().unwrap_or_default();
        self.end() - seconds(last)
    }

    /// How long the connection lasted after a moment, in seconds.
    fn end(&self) -> f64 {
        seconds(self.session.stream.start) + self.session.stream.duration
    }

    /// The bytes at an offset of what a side sent.
    pub fn value(&self, direction: Direction, at: usize, length: usize, text: impl Into<String>) -> Value {
        let bytes = self.sent(direction);
        let item = self.items(direction).find(|item| item.at.contains(&(at as u64)));
        Value {
            bytes: bytes.get(at..bytes.len().min(at + length)).unwrap_or_default().to_vec(),
            place: item.map(|item| (at as u64, item.frames[1])),
            ..Value::words(text)
        }
    }
}

/// Whether the client or the server said that it is done.
pub fn is_over(session: &Session) -> bool {
    session.items.iter().rev().take(64).filter_map(RecordedEvent::message).any(|message| message.class.ends_stream())
}

/// The first row that a side has in a direction, or else the first of all.
pub fn first_row(comparison: &Comparison<'_>, direction: Direction, side: Side) -> Option<usize> {
    let found = comparison.rows_of(direction).find(|&row| comparison.item(row, side).is_some());
    found.or((!comparison.rows.is_empty()).then_some(0))
}

/// The row of an item.
pub fn row_of(comparison: &Comparison<'_>, side: Side, item: &RecordedEvent) -> Option<usize> {
    (0..comparison.rows.len()).find(|&row| comparison.item(row, side).is_some_and(|other| std::ptr::eq(other, item)))
}

/// The open mismatches of rows.
pub fn mismatches_of(comparison: &Comparison<'_>, is: impl Fn(usize) -> bool) -> Vec<usize> {
    comparison.open().filter(|&index| is(comparison.mismatches[index].row)).collect()
}

/// Those of one row.
pub fn mismatches_at(comparison: &Comparison<'_>, row: usize) -> Vec<usize> {
    mismatches_of(comparison, |other| other == row)
}

fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e9
}
