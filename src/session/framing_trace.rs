//! What a direction sent around the place where its framing broke, kept so that the reason can be found.
//!
//! A [`Recorder`] is an [`Observer`]: it keeps the last bytes of each direction together with a decoder in
//! the state before them, and drops both unless the framing breaks. Then it continues for as many bytes as
//! it kept, and gives a [`FramingTrace`] when the connection is over. Memory is bounded by [`Limits`].

use rustc_hash::FxHashMap;

use crate::rtmp::MessageTypeId;
use crate::rtmp::decoder::{self, Decoder};
use crate::rtmp::hypotheses::{self, Case, Hypothesis};
use crate::rtmp::message::{Ending, Message};
use crate::tcp::{Connection, ConnectionId, Endpoint, Piece};

use super::{Direction, Event, Kind, Observer, Protocol, RtmpSession};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many bytes of a direction before the trouble at least, if there are so many, and after it.
    pub window: usize,
    /// How many bytes all finished tapes may have.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { window: 1 << 19, total: 64 << 20 }
    }
}

/// A direction whose framing broke: its bytes around the place.
#[derive(Debug)]
pub struct FramingTrace {
    /// The connection.
    pub connection: ConnectionId,
    /// Which way the bytes travelled.
    pub direction: Direction,
    /// Offset of the first byte in the direction's stream.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether nothing more of the direction was captured after them.
    pub ends: bool,
    /// The chunk sizes that the other direction announced, and how far this one's stream had come then.
    pub peer_sizes: Vec<(u64, u32)>,
    /// The chunk sizes that this direction announced on the connections before.
    pub earlier_sizes: Vec<u32>,
    before: Decoder,
}

impl FramingTrace {
    /// The mistakes that explain it, the best first.
    pub fn judge(&self) -> Vec<Hypothesis> {
        hypotheses::judge(&self.case())
    }

    /// The same for [`hypotheses`].
    pub fn case(&self) -> Case<'_> {
        Case {
            before: &self.before,
            offset: self.offset,
            bytes: &self.bytes,
            ends: self.ends,
            peer_sizes: self.peer_sizes.clone(),
            earlier_sizes: self.earlier_sizes.clone(),
        }
    }
}

/// Keeps what the sessions' directions sent around the places where their framing broke.
#[derive(Debug, Default)]
pub struct Recorder {
    limits: Limits,
    running: FxHashMap<(ConnectionId, Endpoint), ActiveTrace>,
    /// The sizes that clients and servers announced on connections that are over.
    earlier: [Vec<u32>; 2],
    done: Vec<FramingTrace>,
    /// How many bytes they have.
    kept: usize,
    left_out: u64,
}

/// The tape of a direction that is still recorded.
#[derive(Debug, Default)]
struct ActiveTrace {
    /// One or two stretches that follow each other.
    chapters: Vec<TraceSegment>,
    /// How many bytes came since something went wrong.
    since_trouble: Option<usize>,
    /// Nothing more is recorded.
    is_full: bool,
    /// Where its last piece ends.
    end: u64,
    /// The sizes announced.
    sizes: Vec<u32>,
    /// The sizes that the other direction announced, and how far this one had come then.
    peer_sizes: Vec<(u64, u32)>,
}

#[derive(Debug)]
struct TraceSegment {
    /// The decoder before it; None before the protocol is known.
    before: Option<Box<Decoder>>,
    offset: u64,
    bytes: Vec<u8>,
}

/// So many announced sizes are remembered.
const MOST_SIZES: usize = 16;

impl Recorder {
    /// A recorder with other limits than the usual ones.
    pub fn new(limits: Limits) -> Recorder {
        Recorder { limits, ..Recorder::default() }
    }

    /// The tapes of the connections that are over, and how many there was no room for.
    pub fn into_tapes(self) -> (Vec<FramingTrace>, u64) {
        (self.done, self.left_out)
    }

    /// The tapes of a connection that is over, taken out.
    pub fn take(&mut self, connection: ConnectionId) -> Vec<FramingTrace> {
        self.done.extract_if(.., |tape| tape.connection == connection).collect()
    }

    fn finish(&mut self, connection: &Connection, conversation: &RtmpSession, from: Endpoint) {
        let direction = conversation.direction(from);
        let Some(running) = self.running.remove(&(connection.id, from)) else { return };
        let ActiveTrace { chapters, since_trouble, is_full, sizes, peer_sizes, .. } = running;
        let earlier_sizes = self.earlier[direction.index()].clone();
        remember(&mut self.earlier[direction.index()], &sizes);
        let Some(first) = chapters.first() else { return };
        // A decoder of its own can only begin where the direction does.
        let starts = first.before.is_some() || (first.offset == 0 && connection.side(from).started_at_syn);
        if since_trouble.is_none() || !starts {
            return;
        }
        let len: usize = chapters.iter().map(|chapter| chapter.bytes.len()).sum();
        if self.kept + len > self.limits.total {
            self.left_out += 1;
            return;
        }
        self.kept += len;
        let mut chapters = chapters.into_iter();
        let Some(first) = chapters.next() else { return };
        let mut bytes = first.bytes;
        chapters.for_each(|chapter| bytes.extend(chapter.bytes));
        let from_start = match direction {
            Direction::ClientToServer => Decoder::client,
            Direction::ServerToClient => Decoder::server,
        };
        self.done.push(FramingTrace {
            connection: connection.id,
            direction,
            offset: first.offset,
            bytes,
            ends: !is_full,
            peer_sizes,
            earlier_sizes,
            before: first.before.map_or_else(|| from_start(decoder::Options::default()), |before| *before),
        });
    }
}

impl Observer for Recorder {
    fn bytes(&mut self, connection: &Connection, conversation: &RtmpSession, from: Endpoint, piece: &Piece<'_>) {
        if !matches!(conversation.protocol, Protocol::Undecided | Protocol::Rtmp | Protocol::Other) {
            return;
        }
        let running = self.running.entry((connection.id, from)).or_default();
        let decoder = conversation.decoder(from);
        running.record(decoder, piece.offset, piece.bytes, self.limits.window);
    }

    fn event(&mut self, event: &Event<'_>) {
        let from = event.sender;
        let running = self.running.entry((event.connection.id, from)).or_default();
        match &event.kind {
            Kind::Message(message) => {
                if is_trouble(message) {
                    running.trouble();
                }
                if let (MessageTypeId::SET_CHUNK_SIZE, Some(&size)) =
                    (message.header.type_id, message.body.first_chunk())
                {
                    let size = u32::from_be_bytes(size);
                    remember(&mut running.sizes, &[size]);
                    let other = self.running.entry((event.connection.id, from.peer())).or_default();
                    if other.peer_sizes.len() < MOST_SIZES {
                        other.peer_sizes.push((other.end, size));
                    }
                }
            }
            Kind::Handshake(part, _) if part.bytes.len() < part.part.size() => running.trouble(),
            Kind::Undecoded { why, .. } if !EXPECTED.contains(&why.code) => running.trouble(),
            Kind::Gap(_) => running.gap(),
            Kind::Handshake(..) | Kind::Undecoded { .. } => {}
        }
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        for end in Endpoint::BOTH {
            self.finish(connection, conversation, end);
        }
    }
}

impl ActiveTrace {
    fn record(&mut self, decoder: Option<&Decoder>, offset: u64, bytes: &[u8], window: usize) {
        self.end = offset + bytes.len() as u64;
        if self.is_full {
            return;
        }
        let is_lost = decoder.is_some_and(Decoder::is_lost);
        if is_lost && !self.chapters.is_empty() {
            self.trouble();
        }
        if let Some(since) = &mut self.since_trouble {
            *since += bytes.len();
            self.is_full = *since > window;
        }
        let ends_chapter = self.chapters.last().is_none_or(|chapter| chapter.bytes.len() >= window);
        if ends_chapter && (self.since_trouble.is_none() || self.chapters.is_empty()) {
            // After a hole recording begins when decoding does.
            if is_lost || (decoder.is_none() && offset > 0) {
                self.is_full = decoder.is_none();
                return;
            }
            if self.chapters.len() == 2 {
                self.chapters.remove(0);
            }
            let before = decoder.cloned().map(Box::new);
            self.chapters.push(TraceSegment { before, offset, bytes: Vec::new() });
        }
        if let Some(chapter) = self.chapters.last_mut() {
            chapter.bytes.extend_from_slice(bytes);
        }
    }

    fn trouble(&mut self) {
        self.since_trouble = self.since_trouble.or(Some(0));
    }

    fn gap(&mut self) {
        match self.since_trouble {
            Some(_) => self.is_full = true,
            None => self.chapters.clear(),
        }
    }
}

/// Bytes that are not decoded for these reasons tell nothing of the sender.
const EXPECTED: [&str; 3] = ["capture-gap", "capture-midstream", "rtmpe"];

/// Whether a message shows that the framing is broken, or may be.
fn is_trouble(message: &Message) -> bool {
    matches!(message.ending, Ending::Abandoned | Ending::Lost | Ending::Cut)
        || !message.header.type_id.is_known()
        || message.defects.iter().any(|defect| hypotheses::WRONG.contains(&defect.code))
}

fn remember(sizes: &mut Vec<u32>, more: &[u32]) {
    for &size in more {
        if !sizes.contains(&size) && sizes.len() < MOST_SIZES {
            sizes.push(size);
        }
    }
}
