//! Where in a capture the two byte strings travelled.
//!
//! An [`Observer`] that looks for them in the bodies of messages, and for what was received also in the
//! direction's raw stream, chunk headers and all. It keeps where they are found, never the bytes: a chunk is
//! held until those before it have come, that is as long as a message is open.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::origin::FrameNo;
use crate::rtmp::message::Message;
use crate::rtmp::{ChunkStreamId, MessageTypeId, body, summary};
use crate::rules::payload::index::{Index, Run};
use crate::rules::{Context, common_prefix};
use crate::session::{Direction, Event, Kind, Observer, RtmpSession};
use crate::tcp::{Connection, ConnectionId};

/// What the sessions of a capture have of a payload that was sent and of what was received.
#[derive(Debug)]
pub struct Wire<'a> {
    pub(super) sent: Index<'a>,
    pub(super) received: Index<'a>,
    pub(super) legs: BTreeMap<(ConnectionId, Direction), Seen>,
    /// How many messages there were at all.
    pub(super) messages: u64,
    /// What clients asked for, in order.
    pub(super) asked: Vec<Asked>,
    open: FxHashMap<(ConnectionId, Direction), Raw>,
}

/// A `publish` or `play`.
#[derive(Debug)]
pub(super) struct Asked {
    pub tcp_stream: ConnectionId,
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub plays: bool,
    pub name: String,
    pub frame: FrameNo,
    /// The last frame of the connection.
    pub last: FrameNo,
}

/// What one direction of a connection has of them.
#[derive(Debug)]
pub(super) struct Seen {
    pub src: SocketAddr,
    pub dst: SocketAddr,
    /// The bytes that were sent, in bodies of messages.
    pub sent: Vec<Carried>,
    /// The bytes that were received, in bodies of messages.
    pub received: Vec<Carried>,
    /// The bytes that were received, in the raw stream: `target` is an offset in them, `source` in the stream.
    pub raw: Vec<Run>,
    /// The chunks that raw runs touch, by the offset of their header.
    pub chunks: Vec<ChunkNote>,
    /// The first type-3 header of a message that needed one: where a reader that knows none gets lost.
    pub first_split: Option<ChunkNote>,
    /// What surrounds the payload.
    pub context: Context,
    /// Whether some of it was not captured or not decoded.
    pub has_holes: bool,
    messages: u64,
}

/// A stretch of a byte string that a message carried.
#[derive(Debug)]
pub(super) struct Carried {
    /// Offsets in the byte string.
    pub file: Range<usize>,
    /// The message.
    pub message: MessageNote,
    /// Where in its body the stretch begins.
    pub body_at: usize,
    /// Where the stretch is in the stream: offset in the byte string, offset in the stream, length.
    pub places: Vec<(usize, u64, usize)>,
}

/// What is remembered of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageNote {
    pub number: u64,
    pub csid: ChunkStreamId,
    pub type_id: MessageTypeId,
    pub length: u32,
    pub frame: FrameNo,
}

/// What is remembered of a chunk.
#[derive(Clone, Debug)]
pub(super) struct ChunkNote {
    pub at: u64,
    pub header: Vec<u8>,
    pub payload: u32,
    pub chunk_size: u32,
    /// Its place among the message's chunks, from 1.
    pub ordinal: usize,
    /// Where its payload begins in the body.
    pub body_at: usize,
    pub message: MessageNote,
    pub frame: FrameNo,
    /// The message in a few words, if it is no media.
    pub info: Option<String>,
}

impl ChunkNote {
    pub fn payload_at(&self) -> u64 {
        self.at + self.header.len() as u64
    }

    pub fn end(&self) -> u64 {
        self.payload_at() + u64::from(self.payload)
    }
}

/// A direction's raw stream, put together again from chunks.
#[derive(Debug, Default)]
struct Raw {
    /// Chunks that wait for those before them.
    waiting: BTreeMap<u64, (ChunkNote, Vec<u8>)>,
    waiting_bytes: usize,
    /// The next offset.
    at: Option<u64>,
    /// The last bytes before it.
    tail: Vec<u8>,
    /// The chunks that these bytes are of, as far as they are not kept.
    recent: VecDeque<ChunkNote>,
}

/// More bytes than this do not wait for a chunk that may never come.
const MOST_WAITING: usize = 32 << 20;
/// How much of bodies around the payload is kept, for rules that look for them.
const MOST_CONTEXT: usize = 1 << 20;
/// More stretches than these say nothing: the bytes are of a kind that is everywhere.
const MOST_STRETCHES: usize = 1 << 18;
/// More clients than these are not remembered.
const MOST_ASKED: usize = 4096;
/// A stretch too short to be found by itself is looked for this near to one that was found.
const NEAR: usize = 128;
/// No tag header is longer.
const TAG_HEADER: usize = 16;

impl<'a> Wire<'a> {
    /// Looks for these two.
    pub fn new(sent: &'a [u8], received: &'a [u8]) -> Wire<'a> {
        Wire {
            sent: Index::new(sent),
            received: Index::new(received),
            legs: BTreeMap::new(),
            messages: 0,
            asked: Vec::new(),
            open: FxHashMap::default(),
        }
    }

    /// Remembers who publishes and who plays.
    fn ask(&mut self, message: &Message, event: &Event<'_>) {
        let is_command = matches!(message.header.type_id, MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND);
        if !is_command || event.direction != Direction::ClientToServer || self.asked.len() >= MOST_ASKED {
            return;
        }
        let decoded = body::decode(message.header.type_id, message.decodable(), message.header.length, &mut ());
        let body::Body::Command(command) = decoded.body else { return };
        let plays = match command.name() {
            Some(name) if name == *"play" || name == *"play2" => true,
            Some(name) if name == *"publish" => false,
            _ => return,
        };
        let name = command.arguments().iter().find_map(|value| value.as_str()).map(|name| name.to_string());
        let (client, server) = event.addresses();
        let frame = note(message, 0, event).frame;
        let name = name.unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
        self.asked.push(Asked { tcp_stream: event.connection.id, client, server, plays, name, frame, last: frame });
    }

    /// Whether there were any messages.
    pub fn has_messages(&self) -> bool {
        self.messages > 0
    }
}

impl Observer for Wire<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let key = (event.connection.id, event.direction);
        if let Kind::Message(message) = &event.kind {
            self.ask(message, event);
        }
        let raw = self.open.entry(key).or_default();
        match &event.kind {
            Kind::Handshake(part, _) => raw.at = Some(part.range.end),
            Kind::Gap(_) | Kind::Undecoded { .. } => {
                raw.at = None;
                self.legs.entry(key).or_insert_with(|| Seen::new(event.addresses())).has_holes = true;
            }
            Kind::Message(message) => {
                self.messages += 1;
                let seen = self.legs.entry(key).or_insert_with(|| Seen::new(event.addresses()));
                seen.message(&self.sent, &self.received, message, event);
                for (note, bytes) in chunks(message, seen.messages - 1, event) {
                    if note.ordinal > 1 && seen.first_split.is_none() {
                        seen.first_split = Some(note.clone());
                    }
                    raw.waiting_bytes += bytes.len();
                    raw.waiting.insert(note.at, (note, bytes));
                }
                raw.release(&self.received, seen);
            }
        }
    }

    fn closed(&mut self, connection: &Connection, _: &RtmpSession) {
        for asked in self.asked.iter_mut().filter(|asked| asked.tcp_stream == connection.id) {
            asked.last = connection.last.frame;
        }
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            let key = (connection.id, direction);
            if let (Some(mut raw), Some(seen)) = (self.open.remove(&key), self.legs.get_mut(&key)) {
                while raw.release_one(&self.received, seen) {}
            }
        }
    }
}

impl Raw {
    /// Hands on what has come in order.
    fn release(&mut self, received: &Index<'_>, seen: &mut Seen) {
        loop {
            let first = self.waiting.first_key_value().map(|(&at, _)| at);
            let in_order = first.is_some() && (self.at.is_none() || first <= self.at);
            if !(in_order || self.waiting_bytes > MOST_WAITING) || !self.release_one(received, seen) {
                return;
            }
        }
    }

    fn release_one(&mut self, received: &Index<'_>, seen: &mut Seen) -> bool {
        let Some((at, (note, bytes))) = self.waiting.pop_first() else { return false };
        self.waiting_bytes -= bytes.len();
        if self.at != Some(at) {
            self.tail.clear();
        }
        self.at = Some(note.end());
        let before = seen.raw.len();
        let touched = seen.raw(received, at, &mut self.tail, &bytes);
        let new = &seen.raw[before..];
        // A run may begin in the chunks before.
        let tail_at = note.end().saturating_sub(self.tail.len() as u64);
        for earlier in std::mem::take(&mut self.recent) {
            let within = |run: &Run| (run.source as u64) < earlier.end() && (run.source_end() as u64) > earlier.at;
            if new.iter().any(within) {
                seen.chunks.push(earlier);
            } else if earlier.end() > tail_at {
                self.recent.push_back(earlier);
            }
        }
        let within = |run: &Run| (run.source_end() as u64) > at;
        if touched || new.iter().any(within) {
            seen.chunks.push(note);
        } else {
            self.recent.push_back(note);
        }
        true
    }
}

impl Seen {
    fn new((src, dst): (SocketAddr, SocketAddr)) -> Seen {
        Seen {
            src,
            dst,
            sent: Vec::new(),
            received: Vec::new(),
            raw: Vec::new(),
            chunks: Vec::new(),
            first_split: None,
            context: Context::default(),
            has_holes: false,
            messages: 0,
        }
    }

    fn message(&mut self, sent: &Index<'_>, received: &Index<'_>, message: &Message, event: &Event<'_>) {
        let note = note(message, self.messages, event);
        self.messages += 1;
        let carries = carried(sent, message, note, &mut self.sent);
        carried(received, message, note, &mut self.received);
        let body = message.decodable();
        // What rules need that know of other messages: it is little, and only bodies that are not the payload.
        let context = &mut self.context;
        let held: usize =
            [&context.unfinished, &context.neighbours].iter().flat_map(|list| list.iter()).map(Vec::len).sum();
        if !carries && message.header.type_id.is_media() && held + body.len() <= MOST_CONTEXT {
            let list = if message.is_complete() { &mut context.neighbours } else { &mut context.unfinished };
            list.push(body.to_vec());
        }
    }

    /// Looks through the next bytes of the raw stream; whether a run that was found before continues in them.
    fn raw(&mut self, index: &Index<'_>, at: u64, tail: &mut Vec<u8>, bytes: &[u8]) -> bool {
        let file = index.target();
        if self.raw.len() > MOST_STRETCHES {
            return false;
        }
        let base = at - tail.len() as u64;
        tail.extend_from_slice(bytes);
        let buffer = &tail[..];
        let mut touched = false;
        if let Some(last) = self.raw.last_mut().filter(|last| last.source_end() as u64 == at) {
            let more = common_prefix(bytes, &file[last.target_end()..]);
            last.len += more;
            touched = more > 0;
        }
        let in_buffer = |source: usize| (source as u64).saturating_sub(base) as usize;
        let from = self.raw.last().map_or(0, |last| in_buffer(last.source_end()));
        let expected = self.raw.last().map(Run::target_end);
        for run in index.runs(buffer, from, expected) {
            self.short_run_before(file, base, buffer, &run);
            self.raw.push(Run { source: run.source + base as usize, ..run });
        }
        self.short_run_at_the_end(file, base, buffer);
        let keep = (2 * index.block()).max(NEAR);
        tail.drain(..tail.len().saturating_sub(keep));
        touched
    }

    /// The bytes between two runs, or before the first, if they are between these in the stream too.
    fn short_run_before(&mut self, file: &[u8], base: u64, buffer: &[u8], run: &Run) {
        let (target, source) =
            self.raw.last().map_or((0, base as usize), |last| (last.target_end(), last.source_end()));
        let missing = target..run.target;
        let from = (source as u64).saturating_sub(base) as usize;
        if missing.is_empty() || missing.len() > NEAR || from > run.source || (source as u64) < base {
            return;
        }
        if let Some(at) = memchr::memmem::rfind(&buffer[from..run.source], &file[missing.clone()]) {
            self.raw.push(Run { target, source: base as usize + from + at, len: missing.len() });
        }
    }

    /// The last few bytes, if they follow soon after the last run.
    fn short_run_at_the_end(&mut self, file: &[u8], base: u64, buffer: &[u8]) {
        let Some(last) = self.raw.last() else { return };
        let missing = last.target_end()..file.len();
        let Some(from) = (last.source_end() as u64).checked_sub(base).map(|from| from as usize) else { return };
        if missing.is_empty() || missing.len() > NEAR / 4 || from > buffer.len() {
            return;
        }
        let window = &buffer[from..buffer.len().min(from + NEAR)];
        if let Some(at) = memchr::memmem::find(window, &file[missing.clone()]) {
            let run = Run { target: missing.start, source: base as usize + from + at, len: missing.len() };
            self.raw.push(run);
        }
    }
}

/// Adds the stretches of the indexed bytes that this message carries; whether there are any.
fn carried(index: &Index<'_>, message: &Message, note: MessageNote, found: &mut Vec<Carried>) -> bool {
    let (file, body) = (index.target(), message.decodable());
    if found.len() > MOST_STRETCHES {
        return false;
    }
    let last = found.last().filter(|last| last.message.csid == note.csid && last.message.type_id == note.type_id);
    // A message that continues where the one before ended, after as many bytes of tag header.
    let next = last.map(|last| (last.body_at, last.file.end));
    let continued = next.and_then(|(skip, next)| {
        let rest = body.get(skip..).filter(|rest| !rest.is_empty())?;
        let continues = file.get(next..)?.starts_with(rest);
        continues.then_some(Run { target: next, source: skip, len: rest.len() })
    });
    let at_once = || {
        // All of it, or its beginning after a tag header. An index would find that too, but in bytes that repeat
        // perhaps at another place.
        if !file.is_empty()
            && body.len() >= file.len()
            && (file.len() >= index.block() || body.len() <= file.len() + NEAR / 8)
        {
            let at = memchr::memmem::rfind(body, file)?;
            return Some(Run { target: 0, source: at, len: file.len() });
        }
        let skip =
            (0..=TAG_HEADER).find(|&skip| body.len() > skip + index.block() && file.starts_with(&body[skip..]))?;
        Some(Run { target: 0, source: skip, len: body.len() - skip })
    };
    let runs = match continued.or_else(at_once) {
        Some(run) => vec![run],
        None => index.runs(body, 0, next.map(|(_, next)| next)),
    };
    if runs.is_empty() {
        return false;
    }
    let map = message.body_map();
    for run in runs {
        let in_body = run.source as u64..run.source_end() as u64;
        let places = map.resolve(in_body.clone());
        let places =
            places.map(|part| (run.target + (part.start - in_body.start) as usize, part.from, part.len as usize));
        found.push(Carried {
            file: run.target..run.target_end(),
            message: note,
            body_at: run.source,
            places: places.collect(),
        });
    }
    true
}

fn note(message: &Message, number: u64, event: &Event<'_>) -> MessageNote {
    let last = event.sources.at(message.end().saturating_sub(1));
    MessageNote {
        number,
        csid: message.csid,
        type_id: message.header.type_id,
        length: message.header.length,
        frame: last.map_or(event.connection.last.frame, |source| source.packet),
    }
}

/// The chunks of a message with their bytes, headers included.
fn chunks<'m>(
    message: &'m Message,
    number: u64,
    event: &'m Event<'_>,
) -> impl Iterator<Item = (ChunkNote, Vec<u8>)> + use<'m> {
    let of = note(message, number, event);
    let info = (!of.type_id.is_media())
        .then(|| summary::info(of.type_id, &body::decode(of.type_id, message.decodable(), of.length, &mut ()).body));
    let mut body_at = 0;
    message.chunk_headers().enumerate().map(move |(i, (chunk, header))| {
        let start = body_at;
        body_at += chunk.payload as usize;
        let payload = message.body.get(start..body_at.min(message.body.len())).unwrap_or_default();
        let frame = event.sources.at(chunk.at).map_or(of.frame, |source| source.packet);
        let note = ChunkNote {
            at: chunk.at,
            header: header.to_vec(),
            payload: chunk.payload,
            chunk_size: chunk.chunk_size,
            ordinal: i + 1,
            body_at: start,
            message: of,
            frame,
            info: info.clone(),
        };
        (note, [header, payload].concat())
    })
}
