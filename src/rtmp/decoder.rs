//! One direction: from bytes to handshake parts and messages.
//!
//! Takes the direction's bytes in order, and the holes in them; gives [`Event`]s as soon as they are
//! whole. Owns the loop *header → payload → apply Set Chunk Size and Abort → next header*, so that
//! nobody can forget a step of it. What it gives does not depend on how the bytes were cut into pieces.
//!
//! ```text
//! Handshake ──all parts──▶ Chunks ⇄ Payload          Opaque (RTMPE, or no RTMP: nothing to decode)
//!                           │  ▲
//!       hole, or no header  ▼  │ enough evidence (super::search)
//!                           Lost
//! ```

mod choices;
mod dialects;
mod handshake;
mod lost;
mod memory;
mod messages;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use rustc_hash::FxBuildHasher;

use crate::origin::{FrameNo, Source, SourceMap, Time};

use super::chunk_stream::ChunkStream;
use super::dialect::Dialect;
use super::handshake::Part;
use super::message::{Ending, Message};
use super::resync::{Effort, HeaderSearch};
use super::search::{self, Size};
use super::{ChunkStreamId, Defect, MessageTypeId};
use choices::{Choice, Reading};
use lost::{Lost, Torn};

/// What a caller may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many of the first bytes of audio, video and aggregate bodies are kept. Other bodies are kept whole.
    pub media_prefix: u32,
    /// How many bytes all open messages of a direction may hold together.
    pub open_bytes: usize,
    /// How many chunk streams a direction may use.
    pub chunk_streams: usize,
    /// How the sender deviates from the specification.
    pub dialect: Dialect,
}

impl Default for Options {
    fn default() -> Self {
        Options { media_prefix: u32::MAX, open_bytes: 64 << 20, chunk_streams: 8192, dialect: Dialect::default() }
    }
}

/// Something found in the direction's bytes.
#[derive(Debug)]
pub enum Event<'a> {
    /// A part of the handshake.
    Handshake(HandshakePart<'a>),
    /// A message, whole or not.
    Message(&'a Message),
    /// Bytes that were not captured: their offsets in the direction's stream.
    Hole(Range<u64>),
    /// Bytes that could not be decoded.
    Undecoded(Undecoded),
}

/// A part of the handshake.
#[derive(Debug)]
pub struct HandshakePart<'a> {
    /// Which one.
    pub part: Part,
    /// Its offsets in the direction's stream.
    pub range: Range<u64>,
    /// Its bytes; zero where they were not captured; fewer than the part has if the data ended.
    pub bytes: &'a [u8],
    /// Whether all of it was captured.
    pub complete: bool,
}

/// Bytes that could not be decoded, and why.
#[derive(Debug)]
pub struct Undecoded {
    /// Their offsets in the direction's stream; holes in them are told of apart.
    pub range: Range<u64>,
    /// What was wrong, and where decoding continues.
    pub why: Defect,
}

/// The decoder of one direction.
#[derive(Clone, Debug)]
pub struct Decoder {
    options: Options,
    /// Offset of the next byte that is not consumed: the first of `held`.
    at: u64,
    /// Bytes that wait for more: the start of a header, or what a search looks through.
    held: Vec<u8>,
    /// How many bytes at the start of `held` are consumed.
    held_from: usize,
    sources: SourceMap<Source>,
    /// The latest frame that brought bytes of this direction, and its time.
    readable: (FrameNo, Time),
    /// How many bytes the open messages hold.
    open_bytes: usize,
    /// How many bytes the buffers of ended messages keep.
    idle_bytes: usize,
    /// How many all connections leave for the open ones.
    open_bytes_allowed: usize,
    /// How long `sources` may become before it is pruned.
    prune_at: usize,
    streams: HashMap<u32, ChunkStream, FxBuildHasher>,
    size: Size,
    /// Whether the sender announced that size, or the one before bytes were lost; or began with it.
    is_size_announced: bool,
    /// The size that the sender's chunks have from the dialect's first header on.
    own_size: Option<u32>,
    clock: Option<u32>,
    /// Whether the direction was seen from its handshake on.
    origin_known: bool,
    /// Why what is decoded rests on an assumption.
    assumed: Option<Defect>,
    /// A defect for the next message.
    pending: Option<Defect>,
    tolerated: Option<MessageTypeId>,
    /// The chunk size before bytes were lost, until one is proven again.
    prior: Option<u32>,
    /// The chunk size with which a message is read that proves none.
    guess: Option<Guess>,
    /// What the next message inherits may not be its own.
    is_doubtful: bool,
    /// The work done to find headers.
    effort: Cell<Effort>,
    /// Where a search found a header: it is not doubted again.
    trusted: Option<u64>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Handshake {
        parts: &'static [Part],
        bytes: Vec<u8>,
        missing: usize,
    },
    /// Nothing that could or may be decoded: encrypted, not RTMP, or over a limit.
    Opaque {
        from: u64,
        why: Defect,
    },
    Chunks,
    Payload {
        csid: ChunkStreamId,
        left: u32,
    },
    Lost(Lost),
    /// At a header of this chunk stream, whose message may be longer than a chunk.
    Sizing(ChunkStreamId, HeaderSearch),
}

/// A chunk size that nothing proves.
#[derive(Clone, Copy, Debug)]
struct Guess {
    csid: ChunkStreamId,
    /// Where the message begins.
    at: u64,
    size: u32,
}

/// The chunk size until Set Chunk Size says otherwise (RTMP 1.0 5.4.1).
const DEFAULT_CHUNK_SIZE: u32 = 128;

enum Step {
    /// So many bytes are consumed.
    Used(usize),
    /// Nothing can be said before there are more bytes.
    Wait,
}

type Out<'o> = dyn FnMut(Event<'_>, &SourceMap<Source>) + 'o;

impl Decoder {
    /// A decoder for the client's direction from its first byte.
    pub fn client(options: Options) -> Decoder {
        Decoder::at_handshake(&[Part::C0C1, Part::C2], options)
    }

    /// A decoder for the server's direction from its first byte.
    pub fn server(options: Options) -> Decoder {
        Decoder::at_handshake(&[Part::S0S1S2], options)
    }

    /// A decoder for the rest of a client's direction whose first captured bytes are C2.
    pub fn client_from_c2(options: Options) -> Decoder {
        Decoder::at_handshake(&[Part::C2], options)
    }

    /// A decoder for a direction that is captured from somewhere in the middle.
    pub fn midstream(options: Options) -> Decoder {
        let why = Defect {
            code: "capture-midstream",
            offset: 0,
            message: "the capture does not contain the start of this direction".to_owned(),
        };
        let mut decoder = Decoder::new(State::Chunks, options);
        decoder.state = State::Lost(Lost::new(0, why, None));
        decoder.size = Size::AtLeast(0);
        decoder.is_size_announced = false;
        decoder.origin_known = false;
        decoder
    }

    fn at_handshake(parts: &'static [Part], options: Options) -> Decoder {
        Decoder::new(State::Handshake { parts, bytes: Vec::new(), missing: 0 }, options)
    }

    fn new(state: State, options: Options) -> Decoder {
        let mut decoder = Decoder {
            options,
            at: 0,
            held: Vec::new(),
            held_from: 0,
            sources: SourceMap::default(),
            readable: (FrameNo::NONE, Time::NONE),
            open_bytes: 0,
            idle_bytes: 0,
            open_bytes_allowed: usize::MAX,
            prune_at: 64,
            streams: HashMap::default(),
            size: Size::Known(DEFAULT_CHUNK_SIZE),
            is_size_announced: true,
            own_size: None,
            clock: None,
            origin_known: true,
            assumed: None,
            pending: None,
            tolerated: None,
            prior: None,
            guess: None,
            is_doubtful: false,
            effort: Cell::default(),
            trusted: None,
            state,
        };
        decoder.set_dialect(options.dialect);
        decoder
    }

    /// The chunk size in force, if it is known.
    pub fn chunk_size(&self) -> Option<u32> {
        match self.size {
            Size::Known(size) => Some(size),
            Size::AtLeast(_) => self.prior,
        }
    }

    /// Whether the chunk size was found from where the chunk headers are, and not announced; or is the one from before bytes
    /// were lost, which may have held another announcement.
    pub fn chunk_size_is_guessed(&self) -> bool {
        let is_proven = self.is_size_announced && matches!(self.size, Size::Known(_));
        !is_proven && self.chunk_size().is_some()
    }

    /// How many steps the search for headers took so far.
    pub fn search_steps(&self) -> u64 {
        self.effort.get().0
    }

    /// Whether nothing of a client's handshake was read yet.
    pub(super) fn awaits_client_handshake(&self) -> bool {
        matches!(&self.state, State::Handshake { parts: [Part::C0C1, ..], bytes, .. } if bytes.is_empty())
    }

    /// Whether it does not know where the next chunk header is.
    pub fn is_lost(&self) -> bool {
        self.lost_since().is_some()
    }

    /// Where it stopped to make sense of the bytes: it looks for the next header, or has given up.
    pub(super) fn lost_since(&self) -> Option<u64> {
        match &self.state {
            State::Lost(lost) => Some(lost.from),
            State::Opaque { from, .. } => Some(*from),
            _ => None,
        }
    }

    /// What was read of a part of the handshake that is not whole yet.
    pub fn handshake_so_far(&self) -> &[u8] {
        match &self.state {
            State::Handshake { bytes, missing: 0, .. } => bytes,
            _ => &[],
        }
    }

    /// Takes the bytes at `offset`, which must continue what came before. `sources` says where they
    /// are in the capture: (offset in `bytes`, source), ascending from 0.
    pub fn push(&mut self, offset: u64, bytes: &[u8], sources: &[(u32, Source)], out: &mut Out<'_>) {
        for (i, &(start, source)) in sources.iter().enumerate() {
            let end = sources.get(i + 1).map_or(bytes.len() as u64, |next| next.0.into());
            // What waited after a late segment can be read when that has come.
            if source.packet.is_after(source.time, self.readable) {
                self.readable = (source.packet, source.time);
            }
            let (packet, time) = self.readable;
            self.sources.push(offset + u64::from(start), end - u64::from(start), Source { packet, time, ..source });
        }
        if self.held.is_empty() {
            self.at = offset;
            let used = self.consume(bytes, false, out);
            self.held.extend_from_slice(&bytes[used..]);
        } else {
            self.held.extend_from_slice(bytes);
            self.consume_held(false, out);
        }
        self.prune();
    }

    /// Takes note that the `len` bytes at `offset` were not captured. Unless that is `exact`, it is not known where in the
    /// sender's bytes those after them are.
    pub fn gap(&mut self, offset: u64, len: u64, exact: bool, out: &mut Out<'_>) {
        self.settle(offset, out);
        let end = offset + len;
        out(Event::Hole(offset..end), &self.sources);
        match &mut self.state {
            State::Opaque { .. } => {}
            State::Handshake { .. } if exact => self.gap_in_handshake(len, out),
            // Unless it is all one hole, what lies between is not worth another guess.
            State::Lost(lost) => self.state = State::Lost(Lost::new(lost.from, lost.why.clone(), None)),
            _ if !exact => self.lose(gap_defect(offset, len), end, None),
            State::Handshake { .. } => {}
            State::Payload { csid, left } if len <= u64::from(*left) => {
                let (csid, left) = (*csid, *left - len as u32);
                if let Some(stream) = self.streams.get_mut(&csid.0) {
                    stream.add_hole(len as u32);
                    stream.message.ending = Ending::Missing;
                }
                self.account(csid);
                self.state = State::Payload { csid, left };
                self.at = end;
                self.end_of_chunk(out);
            }
            State::Payload { csid, left } => {
                let torn = Torn { csid: *csid, chunk_end: self.at + u64::from(*left), hole: offset..end };
                self.lose(gap_defect(offset, len), end, Some(torn));
            }
            State::Chunks | State::Sizing(..) => self.lose(gap_defect(offset, len), end, None),
        }
        self.at = end;
        self.prune();
    }

    /// Takes note that nothing more comes: what is open is given as it is.
    pub fn finish(&mut self, out: &mut Out<'_>) {
        self.settle(self.at + self.waiting(), out);
        match std::mem::replace(&mut self.state, State::Chunks) {
            State::Handshake { parts, bytes, .. } if !bytes.is_empty() => {
                let range = self.at.saturating_sub(bytes.len() as u64)..self.at;
                out(
                    Event::Handshake(HandshakePart { part: parts[0], range, bytes: &bytes, complete: false }),
                    &self.sources,
                );
            }
            State::Opaque { from, why } if from < self.at => {
                out(Event::Undecoded(Undecoded { range: from..self.at, why }), &self.sources);
            }
            State::Lost(lost) => self.give_up(lost, None, out),
            _ => {}
        }
        self.end_open_messages(Ending::Cut, out);
        self.sources.clear();
        self.held = Vec::new();
    }

    /// Decides all that waits for more bytes, as none follow before `offset`, where a hole begins or the data ends.
    fn settle(&mut self, offset: u64, out: &mut Out<'_>) {
        self.consume_held(true, out);
        if self.held.is_empty() {
            self.at = self.at.max(offset);
            return;
        }
        let rest = self.at..self.at + self.waiting();
        self.held.clear();
        self.held_from = 0;
        self.at = rest.end;
        match self.state {
            // What a search leaves is told of when the search ends.
            State::Lost(_) => {}
            _ => {
                let why = Defect {
                    code: "header-cut",
                    offset: rest.start,
                    message: format!("the data stops after {} bytes of a chunk header", rest.end - rest.start),
                };
                self.lose(why, rest.start, None);
            }
        }
    }

    /// How many bytes wait for more.
    fn waiting(&self) -> u64 {
        (self.held.len() - self.held_from) as u64
    }

    fn consume_held(&mut self, at_end: bool, out: &mut Out<'_>) {
        let mut held = std::mem::take(&mut self.held);
        self.held_from += self.consume(&held[self.held_from..], at_end, out);
        // What is consumed is removed only once it is more than the rest: each byte is moved once at most.
        if 2 * self.held_from >= held.len() {
            held.drain(..self.held_from);
            self.held_from = 0;
        }
        self.held = held;
    }

    /// Decodes as much of `data` as can be; gives how many bytes are done with. `at_end`: nothing follows them.
    fn consume(&mut self, data: &[u8], at_end: bool, out: &mut Out<'_>) -> usize {
        let mut used = 0;
        loop {
            let rest = &data[used..];
            let step = match &mut self.state {
                State::Lost(_) => self.look(rest, at_end, out),
                _ if rest.is_empty() => Step::Wait,
                State::Handshake { .. } => self.handshake(rest, out),
                State::Opaque { .. } => {
                    self.at += rest.len() as u64;
                    Step::Used(rest.len())
                }
                State::Chunks => self.header(rest, at_end, out),
                State::Payload { .. } => self.payload(rest, out),
                State::Sizing(..) => self.find_size(rest, at_end),
            };
            match step {
                Step::Used(n) => used += n,
                Step::Wait => return used,
            }
        }
    }

    /// Takes what a search found of the chunk size.
    fn take_found_size(&mut self, found: Size) {
        if let Size::Known(size) = found {
            // A size that was announced before bytes were lost is the same announcement's.
            self.is_size_announced &= self.chunk_size() == Some(size);
            self.prior = None;
        }
        self.size = found;
    }

    /// Reads one chunk header and begins or continues a message with it.
    fn header(&mut self, data: &[u8], at_end: bool, out: &mut Out<'_>) -> Step {
        self.take_own_size();
        let Some(Reading { header, continues, defect }) = self.read_header(data, at_end) else { return Step::Wait };
        let csid = header.csid;
        let known = self.streams.get(&csid.0).and_then(ChunkStream::known).unwrap_or_default();
        let left = if continues { known.open } else { header.length.or(known.length).unwrap_or_default() };
        if !continues {
            if !self.streams.contains_key(&csid.0) && self.streams.len() >= self.options.chunk_streams {
                let message = format!("more than {} chunk streams are in use in this direction", self.streams.len());
                let why = Defect { code: "limit-chunk-streams", offset: self.at, message };
                self.state = State::Opaque { from: self.at, why };
                return Step::Used(0);
            }
            match self.is_believable(&header, data, at_end) {
                Choice::Wait => return Step::Wait,
                Choice::Made(Ok(())) => {}
                Choice::Made(Err(why)) => {
                    self.lose(why, self.at, None);
                    return Step::Used(0);
                }
            }
        }
        // Where too much effort was spent already, it is not looked for.
        if self.chunk_size_for(csid, continues, left).is_none() && self.effort.get().is_spent(self.at) {
            self.guess = Some(Guess { csid, at: self.at, size: self.prior.unwrap_or(search::LARGEST) });
        }
        let Some(chunk_size) = self.chunk_size_for(csid, continues, left) else {
            self.state = State::Sizing(csid, HeaderSearch::of_size(self.size, self.prior));
            return Step::Used(0);
        };

        if !continues {
            self.begin(&header, out);
        }
        let len = usize::from(header.len);
        let stream = self.streams.entry(csid.0).or_insert_with(|| ChunkStream::new(csid));
        stream.add_chunk(self.at, header.fmt, &data[..len], chunk_size);
        if let Some(defect) = defect {
            stream.note(defect);
        }
        self.account(csid);
        let whole = self.comes_whole(header.type_id.or(known.type_id));
        self.state = State::Payload { csid, left: if whole { left } else { left.min(chunk_size) } };
        self.at += len as u64;
        self.end_of_chunk(out);
        Step::Used(len)
    }
}

fn gap_defect(offset: u64, len: u64) -> Defect {
    Defect { code: "capture-gap", offset, message: format!("{len} bytes are missing in the capture") }
}
