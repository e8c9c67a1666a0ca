//! A stretch decoded with one dialect, up to the first thing that is wrong.
//!
//! Gives the chunk headers with the evidence in each, and how far everything was in order.

use std::collections::HashMap;

use crate::amf::amf0;
use crate::field::{Defect, Reader};
use crate::origin::{Form, FrameNo, Source, Time};
use crate::rtmp::chunk::ChunkHeader;
use crate::rtmp::decoder::{Decoder, Event};
use crate::rtmp::dialect::Dialect;
use crate::rtmp::message::{Ending, Message};
use crate::rtmp::search::{Known, Size, Walker, basic_len};
use crate::rtmp::{ChunkStreamId, MessageTypeId, body};
use body::Body;

use super::Case;

/// What was read.
#[derive(Clone, Default)]
pub(super) struct Replay {
    /// The chunk headers in the order of the stream.
    pub headers: Vec<Header>,
    /// What the bodies prove.
    pub bodies: Vec<Proof>,
    /// The sizes that the sender announced: where, and which.
    pub announced: Vec<(u64, u32)>,
    pub messages: u64,
    /// Up to here everything is in order.
    pub clean_end: u64,
    /// Where something is wrong.
    pub trouble: Option<u64>,
    /// Where the first message begins that is not whole at the end of the direction.
    pub unfinished: Option<u64>,
    /// How many bytes were decoded for it.
    pub work: u64,
    /// Whether the last message ends where the direction does.
    pub ends_whole: bool,
    known: HashMap<u32, Known>,
    clock: Option<u32>,
}

/// A chunk header that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub at: u64,
    pub len: u8,
    pub fmt: u8,
    pub csid: ChunkStreamId,
    /// Whether it continues a message.
    pub continues: bool,
    pub type_id: MessageTypeId,
    /// Of the message.
    pub length: u32,
    /// Of its chunk.
    pub payload: u32,
    /// The evidence in it; None if a sound session has no such header.
    pub bits: Option<u32>,
}

impl Header {
    /// What it is in a reading of the stream.
    pub fn place(&self) -> (u64, u8, bool, u32) {
        (self.at, self.len, self.continues, self.payload)
    }

    /// Where its chunk ends.
    pub fn end(&self) -> u64 {
        self.at + u64::from(self.len) + u64::from(self.payload)
    }

    /// What it is, in words.
    pub fn describe(&self) -> String {
        let Header { fmt, csid, type_id, length, .. } = self;
        match self.continues {
            true => format!("fmt {fmt} on chunk stream {csid}: continues {type_id}, {length} bytes"),
            false => format!("fmt {fmt} on chunk stream {csid}: {type_id}, {length} bytes"),
        }
    }
}

/// What a body proves of its chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    /// Where it is.
    pub at: u64,
    /// How many bytes it has there; 0 if it is the body as a whole, at its end.
    pub len: u8,
    /// The evidence; None if the body is broken.
    pub bits: Option<u32>,
}

/// So many bytes are decoded between looks at whether they still make sense.
const STEP: usize = 4096;
/// The defects of broken framing that a decoder found its way around.
pub const WRONG: [&str; 3] = ["type3-ext-missing", "fmt0-mid-message", "resynchronised"];
/// Defects that mean a body's bytes are not those the sender meant.
const BROKEN: [&str; 4] = [Defect::SHORT, amf0::UNTERMINATED, amf0::ARRAY_SHORT, "nal-lengths"];

/// Decodes the case's bytes.
pub(super) fn run(case: &Case<'_>, dialect: Dialect) -> Replay {
    Snapshot::start(case).run(case, dialect)
}

/// A replay on its way.
pub(super) struct Snapshot {
    decoder: Decoder,
    replay: Replay,
    at: u64,
}

impl Snapshot {
    /// Nothing is decoded yet.
    pub fn start(case: &Case<'_>) -> Snapshot {
        let replay = Replay { clean_end: case.offset, ..Replay::default() };
        Snapshot { decoder: case.before.clone(), replay, at: case.offset }
    }

    /// The replay by the specification shortly before offset `before`.
    pub fn before(case: &Case<'_>, before: u64) -> Snapshot {
        let mut snapshot = Snapshot::start(case);
        snapshot.decoder.replay_as(Dialect::default());
        for piece in case.bytes.chunks(STEP) {
            if snapshot.at + piece.len() as u64 > before {
                break;
            }
            snapshot.push(piece);
        }
        snapshot
    }

    /// Goes on from here to the end, or until something is wrong.
    pub fn run(&self, case: &Case<'_>, dialect: Dialect) -> Replay {
        let mut run = Snapshot { decoder: self.decoder.clone(), replay: self.replay.clone(), at: self.at };
        run.replay.work = 0;
        run.decoder.replay_as(dialect);
        for piece in case.bytes[(run.at - case.offset) as usize..].chunks(STEP) {
            run.push(piece);
            if run.replay.trouble.is_some() {
                break;
            }
        }
        let Snapshot { mut decoder, mut replay, .. } = run;
        decoder.finish(&mut |event, _| replay.take(event, true));
        // Of what is not whole, as much is in order as there are headers: a length that is wrong swallows all there is.
        let last = replay.headers.iter().map(|header| header.at + u64::from(header.len)).max();
        replay.clean_end = replay.clean_end.max(last.unwrap_or(0));
        replay.ends_whole = case.ends && replay.clean_end == case.offset + case.bytes.len() as u64;
        if !case.ends {
            replay.unfinished = None;
        }
        let until = replay.trouble.unwrap_or(u64::MAX);
        replay.headers.retain(|header| header.at <= until);
        replay.headers.sort_by_key(|header| header.at);
        replay.clean_end = replay.clean_end.min(until);
        replay
    }

    fn push(&mut self, piece: &[u8]) {
        let Snapshot { decoder, replay, at } = self;
        let source =
            Source { frame: FrameNo(1), packet: FrameNo(1), time: Time(0), file_offset: *at, form: Form::Verbatim };
        decoder.push(*at, piece, &[(0, source)], &mut |event, _| replay.take(event, false));
        replay.trouble = replay.trouble.or(decoder.lost_since());
        *at += piece.len() as u64;
        replay.work += piece.len() as u64;
    }
}

impl Replay {
    fn take(&mut self, event: Event<'_>, at_end: bool) {
        if self.trouble.is_some() && !at_end {
            return;
        }
        match event {
            Event::Handshake(part) if part.complete => self.clean_end = part.range.end,
            // In place of C0 is a byte that was not sent, so that part is never complete.
            Event::Handshake(part) if part.bytes.len() < part.part.size() => {
                self.unfinished = self.unfinished.or(Some(part.range.start));
            }
            Event::Handshake(part) => self.clean_end = part.range.end,
            Event::Message(message) => self.message(message, at_end),
            Event::Undecoded(bytes) if bytes.why.code != "header-cut" => {
                self.trouble = self.trouble.or(Some(bytes.range.start));
            }
            Event::Undecoded(_) | Event::Hole(_) => {}
        }
    }

    fn message(&mut self, message: &Message, at_end: bool) {
        self.headers(message);
        let wrong = message.defects.iter().find(|defect| WRONG.contains(&defect.code)).map(|defect| defect.offset);
        match message.ending {
            Ending::Complete | Ending::Aborted => {
                self.messages += 1;
                if self.trouble.is_none() {
                    self.clean_end = message.end();
                }
                if message.ending == Ending::Complete {
                    self.body(message);
                }
            }
            _ if at_end => self.unfinished = Some(self.unfinished.unwrap_or(u64::MAX).min(message.start())),
            _ => self.trouble = self.trouble.or(Some(message.end())),
        }
        if let Some(at) = wrong {
            self.trouble = Some(self.trouble.unwrap_or(u64::MAX).min(at));
        }
    }

    fn headers(&mut self, message: &Message) {
        let type_id = message.header.type_id;
        let mut at = 0;
        for (i, (chunk, bytes)) in message.chunk_headers().enumerate() {
            let bits = match i {
                0 => self.weigh(message, bytes),
                // In a run of equal bytes any of them may be a header.
                _ if at > 0 && message.body.get(at - 1) == bytes.first() => Some(0),
                _ => continuation(message, bytes),
            };
            at += chunk.payload as usize;
            self.headers.push(Header {
                at: chunk.at,
                len: chunk.header_len,
                fmt: chunk.fmt,
                csid: message.csid,
                continues: i > 0,
                type_id,
                length: message.header.length,
                payload: chunk.payload,
                bits,
            });
        }
        let known = Known {
            length: Some(message.header.length),
            type_id: Some(type_id),
            first: message.body.first().copied(),
            ..Known::default()
        };
        self.known.insert(message.csid.0, known);
        self.clock = message.header.timestamp.or(self.clock);
    }

    /// The evidence in the header that begins a message.
    fn weigh(&self, message: &Message, bytes: &[u8]) -> Option<u32> {
        let fmt = message.fmt;
        let time = if fmt == 0 { message.header.timestamp } else { message.header.timestamp_delta };
        let read = ChunkHeader::read(&mut Reader::new(bytes, &mut ()), |_| false).ok();
        let header = ChunkHeader {
            fmt,
            csid: message.csid,
            len: bytes.len() as u8,
            time,
            extended: None,
            length: (fmt < 2).then_some(message.header.length),
            type_id: (fmt < 2).then_some(message.header.type_id),
            message_stream_id: read.and_then(|header| header.message_stream_id),
        };
        let size = Size::AtLeast(0);
        let walker = Walker { known: |_| None, size, clock: self.clock, tolerated: None, loose: false };
        walker.weigh(&header, self.known.get(&message.csid.0).copied(), &message.body)
    }

    fn body(&mut self, message: &Message) {
        let type_id = message.header.type_id;
        if type_id == MessageTypeId::SET_CHUNK_SIZE
            && let Some(&size) = message.body.first_chunk()
        {
            self.announced.push((message.start(), u32::from_be_bytes(size)));
        }
        let decoded = body::decode(type_id, &message.body, message.header.length, &mut ());
        let broken = decoded.defects.iter().any(|defect| BROKEN.contains(&defect.code));
        let bits = match &decoded.body {
            _ if broken => None,
            // Marker and length of every value lead to the next one, and the last one to the end.
            Body::Command(_) | Body::Data(_) => Some(16),
            Body::Video(_) => {
                let units = nal_units(&message.body);
                self.bodies.extend(units.map(|at| Proof { at: stream_offset(message, at), len: 4, bits: Some(24) }));
                Some(0)
            }
            _ => Some(0),
        };
        self.bodies.push(Proof { at: message.end(), len: 0, bits });
    }
}

/// The evidence in a header that continues a message.
fn continuation(message: &Message, bytes: &[u8]) -> Option<u32> {
    let basic = basic_len(bytes[0]);
    match bytes[0] >> 6 {
        // Format and id, and what is repeated of an extended timestamp.
        3 if bytes.len() > basic => Some(8 + 24),
        3 => Some(if u32::from(bytes[0] & 0x3f) == message.csid.0 { 8 } else { 4 }),
        // Length and type are repeated.
        _ => Some(24),
    }
}

/// Where the lengths of a video frame's second and further NAL units are in its body, if the units end where it ends.
/// The first one comes first, so it says nothing of the bytes after.
fn nal_units(body: &[u8]) -> impl Iterator<Item = usize> {
    const HEADER: usize = 5;
    let mut found = Vec::new();
    if let [0x17 | 0x27 | 0x1c | 0x2c, 1, ..] = body {
        let mut at = HEADER;
        while let Some(length) = body.get(at..).and_then(|rest| rest.first_chunk()) {
            found.push(at);
            at = at.saturating_add(4 + u32::from_be_bytes(*length) as usize);
        }
        if at != body.len() {
            found.clear();
        }
    }
    found.into_iter().skip(1)
}

/// Where a byte of a message's body is in the stream.
fn stream_offset(message: &Message, at: usize) -> u64 {
    let mut left = at as u64;
    for chunk in &message.chunks {
        if left < chunk.payload.into() {
            return chunk.at + u64::from(chunk.header_len) + left;
        }
        left -= u64::from(chunk.payload);
    }
    message.end()
}
