//! Sessions kept for comparison: every message with its bytes, or with a hash where bytes are many.
//!
//! Takes the events of [`crate::session`], gives a [`Recording`] ([`record`]), which is complete when it is made. It
//! judges nothing. Bodies are kept whole up to a budget; beyond it, media bodies are a hash, a length, and their first
//! bytes. A recording can also be read from a snapshot; then much that only a capture has is not known.

mod capture_order;
mod compact;
mod in_order;
mod recorder;
pub mod tags;

use std::collections::BTreeSet;
use std::ops::Range;

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use crate::origin::{FrameNo, Time};
use crate::rtmp::Defect;
use crate::rtmp::class::MessageClass;
use crate::rtmp::handshake::Part;
use crate::rtmp::hypotheses::Hypothesis;
use crate::rtmp::message::{Ending, MessageHeader};
use crate::session::{Direction, HandshakeFacts};
use crate::streams::ConnectionSummary;
use crate::tcp::{ConnectionId, Gap};

pub use compact::{HeaderBytes, Places, Text};
pub use in_order::InOrder;
pub use recorder::{Keep, Recorder, Sink, record, record_into};

/// The sessions of a capture, in order of their connections' numbers.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recording {
    /// Connections that are RTMP, and those on its ports that should be.
    #[doc(hidden)]
    pub sessions: Vec<Session>,
    /// Of a capture that is compared with a snapshot: what its own snapshot shows of it.
    #[doc(hidden)]
    pub as_snapshot: Option<Box<Recording>>,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// What is known of it as a whole.
    pub stream: ConnectionSummary,
    /// What came on it, both directions, in the order in which it was complete. After a hole, that is the order of the
    /// capture, not that of lists, which show what waited for a hole when the hole was given up.
    pub items: Vec<RecordedEvent>,
    /// The first bytes of each direction, by [`Direction::index`].
    pub beginnings: [Vec<u8>; 2],
    /// Whether these are known to be the first that were sent, as the SYN before them was captured.
    pub from_start: [bool; 2],
    /// Why a direction's framing is broken, for directions where it is and something explains it.
    pub framing: Vec<Framing>,
    /// The bytes of each direction whose framing is broken, around the place, by [`Direction::index`].
    pub tapes: [Option<Raw>; 2],
    /// How the hashes of its bodies were made.
    pub hashing: Hashing,
    /// Whether it was read from a snapshot: it has no frames, times, stream offsets, chunks, acknowledgements or pings,
    /// the handshake's random bytes are zeros, and values that vary are placeholders.
    pub is_snapshot: bool,
}

/// How a hash of a body is made. Hashes can be compared only if they were made alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// The fast way.
    #[default]
    Xxh3,
    /// The first half of the SHA-256: a snapshot has no other.
    Sha256,
}

impl Hashing {
    /// The hash of these bytes.
    pub fn of(self, bytes: &[u8]) -> u128 {
        match self {
            Hashing::Xxh3 => xxh3_128(bytes),
            Hashing::Sha256 => first_half(&Sha256::digest(bytes).into()),
        }
    }
}

/// The hash that a SHA-256 stands for under [`Hashing::Sha256`].
pub fn first_half(digest: &[u8; 32]) -> u128 {
    digest[..16].iter().fold(0, |hash, &byte| hash << 8 | u128::from(byte))
}

/// A stretch of a direction's bytes, without a hole.
#[derive(Debug)]
pub struct Raw {
    /// Offset of the first in the direction's stream.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether nothing more of the direction was captured after them.
    pub ends: bool,
}

/// A direction whose framing is broken, and what explains it, the best first. The items were decoded as the best
/// has it.
#[derive(Clone, Debug)]
pub struct Framing {
    /// The connection.
    pub connection: ConnectionId,
    /// The direction.
    pub direction: Direction,
    /// The explanations; never empty.
    pub hypotheses: Vec<Hypothesis>,
}

impl Session {
    /// Whether there is RTMP in it: a message, or a part of a handshake.
    pub fn has_rtmp(&self) -> bool {
        let is_rtmp =
            |item: &RecordedEvent| matches!(item.content, EventKind::Message(_) | EventKind::Handshake { .. });
        self.items.iter().any(is_rtmp)
    }

    /// Whether its bytes were given without packets: a direction without any may not have been given.
    pub fn is_given(&self) -> bool {
        !self.is_snapshot && self.stream.start.known().is_none()
    }

    /// Whether it is known when its bytes were captured: of a snapshot it is not, nor of bytes without packets.
    pub fn has_times(&self) -> bool {
        !self.is_snapshot && self.stream.start.known().is_some()
    }
}

impl Recording {
    /// These sessions.
    pub(crate) fn of(mut sessions: Vec<Session>) -> Recording {
        sessions.sort_by_key(|session| session.stream.tcp_stream);
        Recording { sessions, as_snapshot: None }
    }

    /// Whether there is RTMP in it: a message, or a part of a handshake.
    pub fn has_rtmp(&self) -> bool {
        self.sessions.iter().any(Session::has_rtmp)
    }

    /// Whether there is anything in it that rules could be about.
    pub fn is_empty(&self) -> bool {
        self.sessions.iter().all(|session| session.items.is_empty())
    }
}

/// The ports of the servers in these recordings: a session whose beginning is missing can be told by them in another.
pub fn server_ports<'r>(recordings: impl IntoIterator<Item = &'r Recording>) -> BTreeSet<u16> {
    let sessions = recordings.into_iter().flat_map(|recording| &recording.sessions);
    sessions.map(|session| session.stream.server.port()).collect()
}

/// A snapshot's recording with the media bodies that it has as digests, where another recording has the same bytes: the
/// rules look at bytes, and equal digests say which they are.
pub fn fill_in(mut snapshot: Recording, from: &Recording) -> Recording {
    let kept = from.sessions.iter().flat_map(|session| &session.items).filter_map(RecordedEvent::message);
    let known: FxHashMap<&[u8; 32], &RecordedMessage> =
        kept.filter(|kept| kept.is_whole()).filter_map(|kept| Some((kept.sha256.as_deref()?, kept))).collect();
    for item in snapshot.sessions.iter_mut().flat_map(|session| &mut session.items) {
        let EventKind::Message(kept) = &mut item.content else { continue };
        if kept.is_whole() {
            continue;
        }
        if let Some(known) = kept.sha256.as_deref().and_then(|digest| known.get(digest))
            && known.header.length == kept.header.length
        {
            kept.body.clone_from(&known.body);
        }
    }
    snapshot
}

/// A row of the list, kept.
#[derive(Debug)]
pub struct RecordedEvent {
    /// Its number in the capture.
    pub number: u64,
    /// The frame that completed it, and the one that holds its first byte.
    pub frames: [FrameNo; 2],
    /// The time of the first of them.
    pub time: Time,
    /// The longest pause between two frames that hold its bytes, if it is long enough to be seen by people.
    pub pause: Option<Box<Pause>>,
    /// Which way it went.
    pub direction: Direction,
    /// Offset of its first byte in the direction's stream, and one past its last.
    pub at: Range<u64>,
    /// The summary, as lists have it.
    pub info: Text,
    /// What Wireshark does not say.
    pub detail: Text,
    /// What is wrong with it.
    pub defects: Box<[Defect]>,
    /// If it answers a call: the call's first byte, as an offset in the other direction's stream.
    pub answers: Option<u64>,
    /// In a snapshot, the name of the call that it answers where that is not the last one with its transaction id;
    /// empty if it answers none.
    pub call: Option<Box<String>>,
    /// What it is.
    pub content: EventKind,
}

/// A time in which nothing came of a message that had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How long it lasted.
    pub nanoseconds: i64,
    /// The frame before it.
    pub from: FrameNo,
    /// The frame that ended it.
    pub to: FrameNo,
    /// Offset in the direction's stream of the first byte after it.
    pub at: u64,
}

impl Pause {
    /// Shorter ones are not kept.
    const SHORTEST: i64 = 500_000_000;

    /// How long it lasted.
    pub fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }
}

/// What an item is.
#[derive(Debug)]
pub enum EventKind {
    /// A message.
    Message(Box<RecordedMessage>),
    /// A part of the handshake.
    Handshake {
        /// Which.
        part: Part,
        /// What it says.
        facts: HandshakeFacts,
        /// Its bytes.
        bytes: Box<[u8]>,
        /// Where they are.
        places: Places,
    },
    /// Bytes that were not captured.
    Gap(Gap),
    /// Bytes that could not be decoded, as far as they are kept.
    Undecoded,
}

/// A message, kept.
#[derive(Debug)]
pub struct RecordedMessage {
    /// What it is.
    pub class: MessageClass,
    /// Its chunk stream; 0 of a tag of FLV.
    pub csid: u32,
    /// The format of its first chunk; a snapshot does not say, and a tag of FLV has none.
    pub fmt: Option<u8>,
    /// Its header.
    pub header: MessageHeader,
    /// The bytes of its first chunk's header.
    pub first_header: HeaderBytes,
    /// How it was cut into chunks; a snapshot does not say, and a tag of FLV was not.
    pub chunks: Option<Chunks>,
    /// How it ended.
    pub ending: Ending,
    /// The body, or its first bytes.
    pub body: Vec<u8>,
    /// The body as a snapshot of the capture has it, if that is another: for comparison with a snapshot.
    pub normal: Option<Box<[u8]>>,
    /// Hash of the body as far as it was captured, by the session's [`Hashing`].
    pub hash: u128,
    /// SHA-256 of the same, of audio and video, if digests were asked for.
    pub sha256: Option<Box<[u8; 32]>>,
    /// Where the body's bytes are.
    pub places: Places,
}

/// How a message was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// How many chunks.
    pub count: u32,
    /// The chunk size in force for the first.
    pub size: u32,
    /// Whether the size changed on the way.
    pub changed: bool,
}

impl RecordedMessage {
    /// The body as it can be compared with a snapshot's.
    pub fn normal(&self) -> &[u8] {
        self.normal.as_deref().unwrap_or(&self.body)
    }

    /// Whether `body` is all of the body.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.header.length as usize
    }
}

impl RecordedEvent {
    /// Whether bytes of it are missing, or could not be decoded.
    pub fn is_damaged(&self) -> bool {
        match &self.content {
            EventKind::Message(kept) => kept.ending != Ending::Complete,
            EventKind::Handshake { part, bytes, .. } => bytes.len() < part.size(),
            EventKind::Gap(_) | EventKind::Undecoded => true,
        }
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&RecordedMessage> {
        match &self.content {
            EventKind::Message(kept) => Some(kept),
            _ => None,
        }
    }
}
