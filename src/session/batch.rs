//! Events on their way to another thread.
//!
//! Takes events as they happen, copies what they borrow, and gives them again in the same order. The memory of a batch
//! is used again: what it copies into is allocated once. It starts no thread and knows no queue.

use std::ops::Range;

use super::{Direction, Event, HandshakeFacts, Kind};
use crate::origin::{Source, SourceMap};
use crate::rtmp::Defect;
use crate::rtmp::decoder::HandshakePart;
use crate::rtmp::handshake::Part;
use crate::rtmp::message::{Chunk, Message};
use crate::tcp::{Connection, ConnectionId, Endpoint, Gap};

/// Events of all sessions, in order.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    /// How many of the entries are in use.
    used: usize,
    /// How many bytes the events in use hold.
    bytes: usize,
}

/// What is told of a batch's connections.
pub enum Told<'a> {
    /// Something happened.
    Event(Event<'a>),
    /// The connection is over.
    Closed(ConnectionId),
}

/// An event, with all that it refers to.
#[derive(Debug)]
struct Entry {
    connection: Connection,
    sender: Endpoint,
    direction: Direction,
    sources: SourceMap<Source>,
    what: What,
}

#[derive(Debug)]
enum What {
    Handshake { part: Part, range: Range<u64>, bytes: Vec<u8>, complete: bool, facts: HandshakeFacts },
    Message(Message),
    Gap(Gap),
    Undecoded { range: Range<u64>, why: Defect },
    Closed,
}

/// So many events are enough for one batch: a thread is not woken for each.
const ENOUGH_EVENTS: usize = 256;
/// So many bytes are enough too, so that a few batches stay small.
const ENOUGH_BYTES: usize = 256 << 10;
/// So much of a body's memory is kept for the next one.
const KEPT: usize = 4 << 10;

impl Batch {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether it is time to hand it on.
    pub fn is_full(&self) -> bool {
        self.used >= ENOUGH_EVENTS || self.bytes >= ENOUGH_BYTES
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        for entry in &mut self.entries[..self.used] {
            if let What::Message(Message { body, .. }) = &mut entry.what {
                body.clear();
                body.shrink_to(KEPT);
            }
        }
        (self.used, self.bytes) = (0, 0);
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event<'_>) {
        let entry = self.entry(event.connection, event.sender, event.direction);
        let range = event.range();
        // What is asked of an event without bytes is where the byte before it was.
        let around = range.start.min(range.end.saturating_sub(1))..range.end.max(1);
        entry.sources.copy_part(event.sources, around);
        let mut bytes = 0;
        match (&event.kind, &mut entry.what) {
            (Kind::Message(message), what) => {
                bytes = message.body.len() + message.headers.len() + message.chunks.len() * size_of::<Chunk>();
                match what {
                    What::Message(copy) => copy.copy(message),
                    what => *what = What::Message((*message).clone()),
                }
            }
            (Kind::Handshake(part, facts), what) => {
                bytes = part.bytes.len();
                let HandshakePart { part, range, bytes, complete } = part;
                let (range, bytes) = (range.clone(), bytes.to_vec());
                *what = What::Handshake { part: *part, range, bytes, complete: *complete, facts: *facts };
            }
            (Kind::Gap(gap), what) => *what = What::Gap(*gap),
            (Kind::Undecoded { range, why }, what) => {
                *what = What::Undecoded { range: range.clone(), why: why.clone() };
            }
        }
        self.bytes += bytes;
    }

    /// Takes the end of a connection.
    pub fn closed(&mut self, connection: &Connection) {
        self.entry(connection, Endpoint::First, Direction::ClientToServer).what = What::Closed;
    }

    /// What was taken, in order.
    pub fn told(&self) -> impl Iterator<Item = Told<'_>> {
        self.entries[..self.used].iter().map(|Entry { connection, sender, direction, sources, what }| {
            let kind = match what {
                What::Handshake { part, range, bytes, complete, facts } => {
                    let part = HandshakePart { part: *part, range: range.clone(), bytes, complete: *complete };
                    Kind::Handshake(part, *facts)
                }
                What::Message(message) => Kind::Message(message),
                What::Gap(gap) => Kind::Gap(*gap),
                What::Undecoded { range, why } => Kind::Undecoded { range: range.clone(), why: why.clone() },
                What::Closed => return Told::Closed(connection.id),
            };
            Told::Event(Event { connection, sender: *sender, direction: *direction, kind, sources })
        })
    }

    /// The next entry that is free.
    fn entry(&mut self, connection: &Connection, sender: Endpoint, direction: Direction) -> &mut Entry {
        let at = self.used;
        self.used += 1;
        if at == self.entries.len() {
            let (connection, sources) = (connection.clone(), SourceMap::default());
            self.entries.push(Entry { connection, sender, direction, sources, what: What::Closed });
        } else {
            let entry = &mut self.entries[at];
            entry.connection.clone_from(connection);
            (entry.sender, entry.direction) = (sender, direction);
        }
        &mut self.entries[at]
    }
}
