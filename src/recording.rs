//! Sessions kept for comparison: every message with its bytes, or with a hash where bytes are many.
//!
//! Takes the events of [`crate::session`], gives a [`Recording`]. It judges nothing. Bodies are kept whole up to a
//! budget; beyond it, media bodies are a hash, a length, and their first bytes. A recording can also be read from a
//! snapshot; then much that only a capture has is not known.

use std::ops::Range;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use crate::decode::{Row, Selection, What};
use crate::origin::{FrameNo, SourceMap, Time};
use crate::rtmp::Defect;
use crate::rtmp::class::MessageClass;
use crate::rtmp::dialect::Dialect;
use crate::rtmp::handshake::Part;
use crate::rtmp::hypotheses::Hypothesis;
use crate::rtmp::message::{Ending, Message, MessageHeader};
use crate::session::tape::Tape;
use crate::session::{Calls, Conversation, Direction, Event, HandshakeFacts, Heard, Kind, Observer, Wanted};
use crate::streams::{Stream, Streams};
use crate::tcp::{Connection, ConnectionId, Endpoint, Gap, Piece};

/// The sessions of a capture, in order of their connections' numbers.
#[derive(Debug, Default)]
pub struct Recording {
    /// Connections that are RTMP, and those on its ports that should be.
    pub sessions: Vec<Session>,
    /// Of a capture that is compared with a snapshot: what its own snapshot shows of it.
    pub as_snapshot: Option<Box<Recording>>,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// What is known of it as a whole.
    pub stream: Stream,
    /// What came on it, both directions, in the order in which it was complete.
    pub items: Vec<Item>,
    /// The first bytes of each direction, by [`Direction::index`].
    pub beginnings: [Vec<u8>; 2],
    /// Whether these are known to be the first that were sent, as the SYN before them was captured.
    pub from_start: [bool; 2],
    /// Why a direction's framing is broken, for directions where it is and something explains it.
    pub framing: Vec<Framing>,
    /// The bytes of each direction whose framing is broken around the place, by [`Direction::index`].
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

impl Session {
    /// A session of which nothing is known: what stands in for the good one where there is only one capture.
    pub fn nothing() -> &'static Session {
        static NOTHING: LazyLock<Session> = LazyLock::new(|| Session {
            stream: Stream::unknown(),
            items: Vec::new(),
            beginnings: Default::default(),
            from_start: [false; 2],
            framing: Vec::new(),
            tapes: Default::default(),
            hashing: Hashing::default(),
            is_snapshot: false,
        });
        &NOTHING
    }
}

/// A stretch of a direction's bytes, without a hole.
#[derive(Debug)]
pub struct Raw {
    /// Offset of the first in the direction's stream.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether nothing more of the direction was captured behind them.
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

/// Explains broken framing. The result goes to the [`Recorder`] of a second run, and its dialects into that run's
/// options.
pub fn explain_framing(tapes: &[Tape]) -> Vec<Framing> {
    let explain = |tape: &Tape| {
        let (connection, direction, hypotheses) = (tape.connection, tape.direction, tape.judge());
        (!hypotheses.is_empty()).then_some(Framing { connection, direction, hypotheses })
    };
    tapes.iter().filter_map(explain).collect()
}

impl Recording {
    /// Whether there is RTMP in it: a message, or a part of a handshake.
    pub fn has_rtmp(&self) -> bool {
        let is_rtmp = |item: &Item| matches!(item.content, Content::Message(_) | Content::Handshake { .. });
        self.sessions.iter().any(|session| session.items.iter().any(is_rtmp))
    }

    /// Whether there is anything in it that rules could be about.
    pub fn is_empty(&self) -> bool {
        self.sessions.iter().all(|session| session.items.is_empty())
    }

    /// Keeps the bytes around the places where framing is broken, for whoever looks for the reason.
    pub fn keep_tapes(&mut self, tapes: Vec<Tape>) {
        for Tape { connection, direction, offset, bytes, ends, .. } in tapes {
            let session = self.sessions.iter_mut().find(|session| session.stream.tcp_stream == connection);
            if let Some(session) = session {
                session.tapes[direction.index()] = Some(Raw { offset, bytes, ends });
            }
        }
    }

    /// Numbers the items as a list has them, which reads the capture as the specification has it: each has the number
    /// of the row of `plain` that its first byte is in.
    pub fn number_as(&mut self, plain: &Recording) {
        let mut rows: FxHashMap<(ConnectionId, Direction), Vec<(u64, u64)>> = FxHashMap::default();
        for session in &plain.sessions {
            for item in &session.items {
                let of = rows.entry((session.stream.tcp_stream, item.direction)).or_default();
                of.push((item.at.start, item.number));
            }
        }
        rows.values_mut().for_each(|rows| rows.sort_unstable());
        for session in &mut self.sessions {
            for item in &mut session.items {
                let Some(rows) = rows.get(&(session.stream.tcp_stream, item.direction)) else { continue };
                let behind = rows.partition_point(|&(start, _)| start <= item.at.start);
                item.number = rows[behind.saturating_sub(1)].1;
            }
        }
    }
}

/// How the directions with broken framing are to be read.
pub fn dialects(framing: &[Framing]) -> Vec<(ConnectionId, Direction, Dialect)> {
    framing.iter().map(|one| (one.connection, one.direction, one.hypotheses[0].dialect)).collect()
}

/// Fills in the media bodies that a snapshot has as digests, where the other recording has the same bytes: the rules
/// look at bytes, and equal digests say which they are.
pub fn complete(a: &mut Recording, b: &mut Recording) {
    let is_snapshot = |recording: &Recording| recording.sessions.iter().any(|session| session.is_snapshot);
    match (is_snapshot(a), is_snapshot(b)) {
        (true, false) => fill_in(a, b),
        (false, true) => fill_in(b, a),
        _ => {}
    }
}

fn fill_in(snapshot: &mut Recording, from: &Recording) {
    let kept = from.sessions.iter().flat_map(|session| &session.items).filter_map(Item::message);
    let known: FxHashMap<[u8; 32], &Kept> =
        kept.filter(|kept| kept.is_whole()).filter_map(|kept| Some((kept.sha256?, kept))).collect();
    for item in snapshot.sessions.iter_mut().flat_map(|session| &mut session.items) {
        let Content::Message(kept) = &mut item.content else { continue };
        if kept.is_whole() {
            continue;
        }
        if let Some(known) = kept.sha256.and_then(|digest| known.get(&digest))
            && known.header.length == kept.header.length
        {
            kept.body.clone_from(&known.body);
        }
    }
}

/// A row of the list, kept.
#[derive(Debug)]
pub struct Item {
    /// Its number in the capture.
    pub number: u64,
    /// The frame that completed it, and the one that holds its first byte.
    pub frames: [FrameNo; 2],
    /// The time of the first of them.
    pub time: Time,
    /// Which way it went.
    pub direction: Direction,
    /// Offset of its first byte in the direction's stream, and one past its last.
    pub at: Range<u64>,
    /// The summary, as lists have it.
    pub info: String,
    /// What Wireshark does not say.
    pub detail: String,
    /// What is wrong with it.
    pub defects: Vec<Defect>,
    /// If it answers a call: the call's first byte, as an offset in the other direction's stream.
    pub answers: Option<u64>,
    /// In a snapshot, the name of the call that it answers where that is not the last one with its transaction id;
    /// empty if it answers none.
    pub call: Option<String>,
    /// What it is.
    pub content: Content,
}

/// What an item is.
#[derive(Debug)]
pub enum Content {
    /// A message.
    Message(Box<Kept>),
    /// A part of the handshake.
    Handshake {
        /// Which.
        part: Part,
        /// What it says.
        facts: HandshakeFacts,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Where they stand.
        places: Places,
    },
    /// Bytes that were not captured.
    Gap(Gap),
    /// Bytes that could not be decoded, as far as they are kept.
    Undecoded,
}

/// A message, kept.
#[derive(Debug)]
pub struct Kept {
    /// What it is.
    pub class: MessageClass,
    /// Its chunk stream.
    pub csid: u32,
    /// The format of its first chunk; a snapshot does not say.
    pub fmt: Option<u8>,
    /// Its header.
    pub header: MessageHeader,
    /// The bytes of its first chunk's header.
    pub first_header: Vec<u8>,
    /// How it was cut into chunks; a snapshot does not say.
    pub chunks: Option<Chunks>,
    /// How it ended.
    pub ending: Ending,
    /// The body, or its first bytes.
    pub body: Vec<u8>,
    /// The body as a snapshot of the capture has it, if that is another: for comparison with a snapshot.
    pub normal: Option<Vec<u8>>,
    /// Hash of the body as far as it was captured, by the session's [`Hashing`].
    pub hash: u128,
    /// SHA-256 of the same, of sound and pictures, if digests were asked for.
    pub sha256: Option<[u8; 32]>,
    /// Where the body's bytes stand.
    pub places: Places,
}

/// How a message was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// How many chunks.
    pub count: usize,
    /// The chunk size in force for the first.
    pub size: u32,
    /// Whether the size changed on the way.
    pub changed: bool,
}

/// Where bytes stand: runs of offset, stream offset, frame.
#[derive(Clone, Debug, Default)]
pub struct Places(Vec<(u32, u64, FrameNo)>);

impl Places {
    /// Offset in the direction's stream and frame of the byte at `offset`; of the nearest one before it that was
    /// captured, if it was not.
    pub fn of(&self, offset: usize) -> Option<(u64, FrameNo)> {
        let index = self.0.partition_point(|run| run.0 as usize <= offset).checked_sub(1)?;
        let (start, at, frame) = self.0[index];
        Some((at + (offset - start as usize) as u64, frame))
    }
}

impl Kept {
    /// The body as it can be compared with a snapshot's.
    pub fn normal(&self) -> &[u8] {
        self.normal.as_deref().unwrap_or(&self.body)
    }

    /// Whether `body` is all of the body.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.header.length as usize
    }
}

impl Item {
    /// Whether bytes of it are missing, or could not be decoded.
    pub fn is_damaged(&self) -> bool {
        match &self.content {
            Content::Message(kept) => kept.ending != Ending::Complete,
            Content::Handshake { part, bytes, .. } => bytes.len() < part.size(),
            Content::Gap(_) | Content::Undecoded => true,
        }
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&Kept> {
        match &self.content {
            Content::Message(kept) => Some(kept),
            _ => None,
        }
    }
}

/// Keeps sessions. Give it to [`crate::pipeline::run`], and take the [`Recording`] when that is done.
#[derive(Debug, Default)]
pub struct Recorder {
    streams: Streams,
    items: FxHashMap<ConnectionId, Vec<Item>>,
    beginnings: FxHashMap<ConnectionId, [Vec<u8>; 2]>,
    roles: FxHashMap<ConnectionId, [(Direction, bool); 2]>,
    calls: FxHashMap<ConnectionId, Calls>,
    framing: Vec<Framing>,
    selection: Selection,
    only: Wanted,
    hashing: Hashing,
    keeps_all: bool,
    seen: u64,
    kept: usize,
}

/// Bytes of media bodies that a recording keeps whole before it goes over to hashes.
const BUDGET: usize = 64 << 20;
/// What is kept of a media body beyond the budget.
const PREFIX: usize = 64;
/// Bodies up to this length are kept whole also beyond the budget, if they configure a decoder.
const CONFIG: usize = 64 << 10;

/// What is kept of the beginning of each direction: the handshake, and the first message behind it.
const BEGINNING: usize = 8 << 10;

impl Recorder {
    /// A recorder for the second run over a capture, decoded as `framing` explains it.
    pub fn with_framing(framing: Vec<Framing>) -> Recorder {
        Recorder { framing, ..Recorder::default() }
    }

    /// Of these connections only. Rows are counted of all, so that they have the numbers that lists give them.
    pub fn with_only(self, only: Wanted) -> Recorder {
        Recorder { only, ..self }
    }

    /// With the SHA-256 of media bodies, so that the recording can be compared with a snapshot, or become one.
    pub fn with_digests(self) -> Recorder {
        Recorder { hashing: Hashing::Sha256, ..self }
    }

    /// Without a bound on the media bodies that are kept.
    pub fn keeping_all(self) -> Recorder {
        Recorder { keeps_all: true, ..self }
    }

    /// What was recorded.
    pub fn into_recording(mut self) -> Recording {
        let streams = self.streams.into_streams().into_iter();
        let sessions = streams.filter_map(|stream| {
            let items = self.items.remove(&stream.tcp_stream)?;
            // Bytes were kept by sender; who the client is was known only later.
            let (mut beginnings, mut from_start) = (<[Vec<u8>; 2]>::default(), [false; 2]);
            let by_sender = self.beginnings.remove(&stream.tcp_stream).unwrap_or_default();
            let roles = self.roles.remove(&stream.tcp_stream);
            for (bytes, (direction, at_syn)) in by_sender.into_iter().zip(roles.into_iter().flatten()) {
                beginnings[direction.index()] = bytes;
                from_start[direction.index()] = at_syn;
            }
            let id = stream.tcp_stream;
            let framing = self.framing.iter().filter(|framing| framing.connection == id).cloned().collect();
            let (hashing, is_snapshot) = (self.hashing, false);
            let tapes = Default::default();
            Some(Session { stream, items, beginnings, from_start, framing, tapes, hashing, is_snapshot })
        });
        Recording { sessions: sessions.collect(), as_snapshot: None }
    }

    fn keep(&mut self, message: &Message, event: &Event<'_>, class: MessageClass) -> Kept {
        let is_media = message.header.type_id.is_media();
        let is_config = || message.body.len() <= CONFIG && class.is_config();
        let whole = !is_media || self.keeps_all || self.kept + message.body.len() <= BUDGET || is_config();
        let kept = if whole { message.body.len() } else { message.body.len().min(PREFIX) };
        if is_media {
            self.kept += kept;
        }
        let first = message.chunks.first();
        let sha256 = (is_media && self.hashing == Hashing::Sha256).then(|| Sha256::digest(&message.body).into());
        Kept {
            class,
            csid: message.csid.0,
            fmt: Some(message.fmt),
            header: message.header,
            first_header: message.chunk_headers().next().map(|(_, bytes)| bytes.to_vec()).unwrap_or_default(),
            chunks: Some(Chunks {
                count: message.chunks.len(),
                size: first.map_or(0, |chunk| chunk.chunk_size),
                changed: message.chunks.windows(2).any(|pair| pair[0].chunk_size != pair[1].chunk_size),
            }),
            ending: message.ending,
            body: message.body[..kept].to_vec(),
            normal: None,
            hash: sha256.as_ref().map_or_else(|| self.hashing.of(&message.body), first_half),
            sha256,
            places: Places::new(&message.body_map(), event),
        }
    }
}

impl Observer for Recorder {
    fn event(&mut self, event: &Event<'_>) {
        self.seen += 1;
        if !self.only.covers(event.connection) {
            return;
        }
        self.streams.event(event);
        let answers = match self.calls.entry(event.connection.id).or_default().event(event) {
            Some(Heard::Answer(answer)) => Some(answer.call.offset),
            _ => None,
        };
        let row = Row::new(self.seen, event, &self.selection);
        let (end, content) = match &event.kind {
            Kind::Message(message) => {
                let class = match &row.what {
                    What::Message(decoded) => MessageClass::of(decoded.type_id, &decoded.body),
                    _ => MessageClass::Unknown(message.header.type_id),
                };
                (message.end(), Content::Message(Box::new(self.keep(message, event, class))))
            }
            Kind::Handshake(part, facts) => {
                let mut map = SourceMap::default();
                map.push(0, part.bytes.len() as u64, part.range.start);
                let places = Places::new(&map, event);
                let content = Content::Handshake { part: part.part, facts: *facts, bytes: part.bytes.to_vec(), places };
                (part.range.end, content)
            }
            Kind::Gap(gap) => (gap.offset + gap.len, Content::Gap(*gap)),
            Kind::Undecoded { range, .. } => (range.end, Content::Undecoded),
        };
        let item = Item {
            number: row.number,
            frames: [row.frame, row.first_frame],
            time: row.time,
            direction: row.direction,
            at: row.offset..end,
            info: row.info,
            detail: row.detail,
            defects: row.defects,
            answers,
            call: None,
            content,
        };
        self.items.entry(event.connection.id).or_default().push(item);
    }

    fn bytes(&mut self, connection: &Connection, _: &Conversation, from: Endpoint, piece: &Piece<'_>) {
        if !self.only.covers(connection) {
            return;
        }
        let kept = &mut self.beginnings.entry(connection.id).or_default()[from.index()];
        let room = BEGINNING.saturating_sub(kept.len());
        kept.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
    }

    fn closed(&mut self, connection: &Connection, conversation: &Conversation) {
        if !self.only.covers(connection) {
            return;
        }
        self.streams.closed(connection, conversation);
        self.calls.remove(&connection.id);
        let roles = [Endpoint::First, Endpoint::Second]
            .map(|sender| (conversation.direction(sender), connection.side(sender).started_at_syn));
        if conversation.is_rtmp() {
            self.items.entry(connection.id).or_default();
        }
        // Of connections that nothing is recorded of, there may be millions.
        if self.items.contains_key(&connection.id) {
            self.roles.insert(connection.id, roles);
        } else {
            self.beginnings.remove(&connection.id);
        }
    }
}

impl Places {
    fn new(map: &SourceMap<u64>, event: &Event<'_>) -> Places {
        let mut places = Vec::new();
        for run in map.runs() {
            for piece in event.sources.resolve(run.from..run.from + run.len) {
                let start = run.start + (piece.start - run.from);
                // Bodies are shorter than 2^24 bytes, handshakes shorter still.
                places.push((start as u32, piece.start, piece.from.frame));
            }
        }
        Places(places)
    }
}
