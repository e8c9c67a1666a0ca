//! Records a capture, a second time where its framing is broken.

use std::ops::Range;

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use crate::decode::{Row, Selection, What};
use crate::origin::{FrameNo, SourceMap, Time};
use crate::rtmp::class::MessageClass;
use crate::rtmp::message::Message;
use crate::session::framing_trace::{self, FramingTrace};
use crate::session::{
    ConnectionFilter, Direction, Event, Kind, Observer, Options, RtmpSession, TransactionOutcome, Transactions,
};
use crate::streams::{ConnectionSummary, Streams};
use crate::tcp::{Connection, ConnectionId, Endpoint, Piece};

use super::capture_order;
use super::compact::Texts;
use super::{
    Chunks, EventKind, Framing, Hashing, Pause, Places, Raw, RecordedEvent, RecordedMessage, Recording, Session,
    first_half,
};

/// What to keep of a capture's sessions.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Of these connections only. Rows are counted of all, so that they have the numbers that lists give them.
    pub only: ConnectionFilter,
    /// With the SHA-256 of media bodies, so that the recording can be compared with a snapshot, or become one.
    pub digests: bool,
    /// How many bytes of media bodies are kept whole before it goes over to hashes and first bytes.
    pub media: usize,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep { only: ConnectionFilter::default(), digests: false, media: 64 << 20 }
    }
}

/// Takes the sessions of a capture, each when its connection is over.
pub trait Sink {
    /// Whether it keeps what it takes. Where it does not, media bodies of sessions that are over have no share in the
    /// bytes that are kept whole.
    const KEEPS: bool;

    /// This session is over.
    fn session(&mut self, session: Session);

    /// This connection is over: if it is a session, it was told of.
    fn over(&mut self, _connection: ConnectionId) {}
}

impl Sink for Vec<Session> {
    const KEEPS: bool = true;

    fn session(&mut self, session: Session) {
        self.push(session);
    }
}

/// Records a capture. `read` takes it through [`crate::pipeline::run`] from its beginning with these options and this
/// observer. Where framing is broken and something explains it, it is called again, to read the capture as the
/// sender meant it; rows keep the numbers of the first reading, which is what lists show.
pub fn record<E>(
    options: Options,
    keep: &Keep,
    read: impl FnMut(Options, Recorder) -> Result<Recorder, E>,
) -> Result<Recording, E> {
    Ok(Recording::of(record_into(options, keep, Vec::new, read)?))
}

/// The same for somebody who takes sessions one by one, in the order of their ends, so that memory depends on those that
/// are open. What a sink took of the first reading is let go if another one is needed: `sink` makes a new one.
pub fn record_into<S: Sink, E>(
    options: Options,
    keep: &Keep,
    sink: impl Fn() -> S,
    mut read: impl FnMut(Options, Recorder<S>) -> Result<Recorder<S>, E>,
) -> Result<S, E> {
    let first = read(options.clone(), Recorder::new(keep, sink(), Reading::First(Box::default())))?;
    if first.explained.is_empty() {
        return Ok(first.sink);
    }
    // Most captures have no broken framing, and nothing is kept for the case. So what a second reading needs of the
    // first takes one of its own.
    let plain = read(options.clone(), Recorder::new(keep, sink(), Reading::Rows(Box::default())))?;
    let Reading::Rows(mut rows) = plain.reading else { return Ok(first.sink) };
    rows.by_direction.values_mut().for_each(|rows| rows.sort_unstable());
    let of = |one: &Framing| (one.connection, one.direction, one.hypotheses[0].dialect);
    let options = Options { dialects: first.explained.iter().map(of).collect(), ..options };
    let mut recorder = Recorder::new(keep, sink(), Reading::Meant(rows));
    recorder.explained = first.explained;
    Ok(read(options, recorder)?.sink)
}

fn explain(tape: &FramingTrace) -> Option<Framing> {
    let (connection, direction, hypotheses) = (tape.connection, tape.direction, tape.judge());
    (!hypotheses.is_empty()).then_some(Framing { connection, direction, hypotheses })
}

/// Keeps the sessions of one reading.
#[derive(Debug)]
pub struct Recorder<S = Vec<Session>> {
    sink: S,
    reading: Reading,
    streams: Streams,
    open: FxHashMap<ConnectionId, Open>,
    /// Broken framing that something explains: found in the first reading, followed in the last.
    explained: Vec<Framing>,
    texts: Texts,
    /// For the places of a message.
    near: Vec<(u32, u32, u32)>,
    selection: Selection,
    keep: Keep,
    seen: u64,
    kept: usize,
}

/// What a reading is for.
#[derive(Debug)]
enum Reading {
    /// For the sessions as they are. Has what is needed to explain broken framing.
    First(Box<framing_trace::Recorder>),
    /// Of a capture with broken framing, for its rows.
    Rows(Box<Rows>),
    /// For the sessions as they are meant. Has the rows.
    Meant(Box<Rows>),
}

/// The rows of a reading: the numbers that lists show.
#[derive(Debug, Default)]
struct Rows {
    /// First byte and number.
    by_direction: FxHashMap<(ConnectionId, Direction), Vec<(u64, u64)>>,
    /// The bytes around the places where framing is broken.
    tapes: framing_trace::Recorder,
}

impl Rows {
    /// The number of the row that a byte is in.
    fn number(&self, connection: ConnectionId, direction: Direction, at: u64) -> Option<u64> {
        let rows = self.by_direction.get(&(connection, direction))?;
        let after = rows.partition_point(|&(start, _)| start <= at);
        rows.get(after.saturating_sub(1)).map(|row| row.1)
    }
}

/// A session whose connection is not over.
#[derive(Debug, Default)]
struct Open {
    items: Vec<RecordedEvent>,
    /// By sender: who the client is may be known only later.
    beginnings: [Vec<u8>; 2],
    calls: Transactions,
    /// Bytes of media bodies in it.
    kept: usize,
}

/// What is kept of a media body beyond the budget.
const PREFIX: usize = 64;
/// Bodies up to this length are kept whole also beyond the budget, if they configure a decoder.
const CONFIG: usize = 64 << 10;

/// What is kept of the beginning of each direction: the handshake, and the first message after it.
const BEGINNING: usize = 8 << 10;

impl<S: Sink> Recorder<S> {
    fn new(keep: &Keep, sink: S, reading: Reading) -> Recorder<S> {
        Recorder {
            sink,
            reading,
            streams: Streams::default(),
            open: FxHashMap::default(),
            explained: Vec::new(),
            texts: Texts::default(),
            near: Vec::new(),
            selection: Selection::default(),
            keep: keep.clone(),
            seen: 0,
            kept: 0,
        }
    }

    fn hashing(&self) -> Hashing {
        if self.keep.digests { Hashing::Sha256 } else { Hashing::Xxh3 }
    }

    fn tapes(&mut self) -> Option<&mut framing_trace::Recorder> {
        match &mut self.reading {
            Reading::First(tapes) => Some(tapes),
            Reading::Rows(rows) => Some(&mut rows.tapes),
            Reading::Meant(_) => None,
        }
    }

    /// Whether the reading goes on only because it cannot be broken off: its sessions are read once more.
    fn is_over(&self) -> bool {
        matches!(self.reading, Reading::First(_)) && !self.explained.is_empty()
    }

    fn keep(&mut self, message: &Message, event: &Event<'_>, class: MessageClass) -> RecordedMessage {
        let is_media = message.header.type_id.is_media();
        let is_config = || message.body.len() <= CONFIG && class.is_config();
        let whole = !is_media || self.kept.saturating_add(message.body.len()) <= self.keep.media || is_config();
        let kept = if whole { message.body.len() } else { message.body.len().min(PREFIX) };
        if is_media {
            self.kept += kept;
            self.open.entry(event.connection.id).or_default().kept += kept;
        }
        let first = message.chunks.first();
        let header = message.chunk_headers().next().filter(|_| message.is_chunked());
        let sha256: Option<Box<[u8; 32]>> =
            (is_media && self.keep.digests).then(|| Box::new(Sha256::digest(&message.body).into()));
        RecordedMessage {
            class,
            csid: message.csid.0,
            fmt: message.is_chunked().then_some(message.fmt),
            header: message.header,
            first_header: header.map(|(_, bytes)| bytes.into()).unwrap_or_default(),
            chunks: message.is_chunked().then(|| Chunks {
                // A chunk has a byte at least, and a body fewer than 2^24.
                count: message.chunks.len() as u32,
                size: first.map_or(0, |chunk| chunk.chunk_size),
                changed: message.chunks.windows(2).any(|pair| pair[0].chunk_size != pair[1].chunk_size),
            }),
            ending: message.ending,
            body: message.body[..kept].to_vec(),
            normal: None,
            hash: sha256.as_deref().map_or_else(|| self.hashing().of(&message.body), first_half),
            sha256,
            places: places(&message.body_map(), event, &mut self.near),
        }
    }

    /// The session of a connection that is over.
    fn finish(&mut self, connection: &Connection, conversation: &RtmpSession, open: Open, stream: ConnectionSummary) {
        let id = connection.id;
        let mut tapes = <[Option<Raw>; 2]>::default();
        let of_connection = match &mut self.reading {
            Reading::First(tapes) => tapes.take(id),
            Reading::Meant(rows) => rows.tapes.take(id),
            Reading::Rows(_) => Vec::new(),
        };
        let explained = matches!(self.reading, Reading::First(_)).then(|| of_connection.iter().filter_map(explain));
        self.explained.extend(explained.into_iter().flatten());
        if self.is_over() {
            return;
        }
        for FramingTrace { direction, offset, bytes, ends, .. } in of_connection {
            tapes[direction.index()] = Some(Raw { offset, bytes, ends });
        }
        let (mut beginnings, mut from_start) = (<[Vec<u8>; 2]>::default(), [false; 2]);
        for (bytes, sender) in open.beginnings.into_iter().zip(Endpoint::BOTH) {
            let direction = conversation.direction(sender).index();
            beginnings[direction] = bytes;
            from_start[direction] = connection.side(sender).started_at_syn;
        }
        let mut items = capture_order::sort(open.items);
        if let Reading::Meant(rows) = &self.reading {
            for item in &mut items {
                item.number = rows.number(id, item.direction, item.at.start).unwrap_or(item.number);
            }
        }
        if !S::KEEPS {
            self.kept -= open.kept;
        }
        let framing = self.explained.iter().filter(|framing| framing.connection == id).cloned().collect();
        let hashing = self.hashing();
        self.sink.session(Session {
            stream,
            items,
            beginnings,
            from_start,
            framing,
            tapes,
            hashing,
            is_snapshot: false,
        });
    }
}

impl<S: Sink> Observer for Recorder<S> {
    fn event(&mut self, event: &Event<'_>) {
        self.seen += 1;
        if self.is_over() {
            return;
        }
        self.tapes().into_iter().for_each(|tapes| tapes.event(event));
        if !self.keep.only.covers(event.connection) {
            return;
        }
        if let Reading::Rows(rows) = &mut self.reading {
            let of_direction = rows.by_direction.entry((event.connection.id, event.direction)).or_default();
            of_direction.push((event.range().start, self.seen));
            return;
        }
        self.streams.event(event);
        let open = self.open.entry(event.connection.id).or_default();
        let answers = match open.calls.event(event) {
            Some(TransactionOutcome::Response(answer)) => Some(answer.call.offset),
            Some(TransactionOutcome::AnsweredBefore(answer, at)) => {
                let is_it = |item: &&mut RecordedEvent| {
                    item.direction == event.direction.back() && item.at.start == at.offset && item.message().is_some()
                };
                if let Some(item) = open.items.iter_mut().rev().find(is_it) {
                    item.answers = Some(answer.call.offset);
                }
                None
            }
            _ => None,
        };
        let row = Row::new(self.seen, event, &self.selection);
        let at = event.range();
        let content = match &event.kind {
            Kind::Message(message) => {
                let class = match &row.what {
                    What::Message(decoded) => MessageClass::of(decoded.type_id, &decoded.body),
                    _ => MessageClass::Unknown(message.header.type_id),
                };
                EventKind::Message(Box::new(self.keep(message, event, class)))
            }
            Kind::Handshake(part, facts) => {
                let mut map = SourceMap::default();
                map.push(0, part.bytes.len() as u64, part.range.start);
                let places = places(&map, event, &mut self.near);
                EventKind::Handshake { part: part.part, facts: *facts, bytes: part.bytes.into(), places }
            }
            Kind::Gap(gap) => EventKind::Gap(*gap),
            Kind::Undecoded { .. } => EventKind::Undecoded,
        };
        let is_message = matches!(event.kind, Kind::Message(_));
        let item = RecordedEvent {
            number: row.number,
            frames: [row.frame, row.first_frame],
            time: row.time,
            pause: is_message.then(|| pause(event, at.clone())).flatten().map(Box::new),
            direction: row.direction,
            at,
            info: self.texts.keep(row.info),
            detail: self.texts.keep(row.detail),
            defects: row.defects.into(),
            answers,
            call: None,
            content,
        };
        self.open.entry(event.connection.id).or_default().items.push(item);
    }

    fn bytes(&mut self, connection: &Connection, conversation: &RtmpSession, from: Endpoint, piece: &Piece<'_>) {
        if self.is_over() {
            return;
        }
        self.tapes().into_iter().for_each(|tapes| tapes.bytes(connection, conversation, from, piece));
        if !self.keep.only.covers(connection) || matches!(self.reading, Reading::Rows(_)) {
            return;
        }
        let kept = &mut self.open.entry(connection.id).or_default().beginnings[from.index()];
        let room = BEGINNING.saturating_sub(kept.len());
        kept.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        if self.is_over() {
            return;
        }
        self.tapes().into_iter().for_each(|tapes| tapes.closed(connection, conversation));
        if !self.keep.only.covers(connection) || matches!(self.reading, Reading::Rows(_)) {
            return;
        }
        self.streams.closed(connection, conversation);
        // Of connections that nothing is recorded of, there may be millions.
        let open = self.open.remove(&connection.id).unwrap_or_default();
        if let Some(stream) = self.streams.take(connection.id)
            && (conversation.is_decoded() || !open.items.is_empty())
        {
            self.finish(connection, conversation, open, stream);
        }
        self.sink.over(connection.id);
    }
}

/// The longest pause between the frames that hold a message.
fn pause(event: &Event<'_>, range: Range<u64>) -> Option<Pause> {
    let ((_, first), (_, last)) = event.frames(range.clone());
    if last.since(first) < Pause::SHORTEST {
        return None;
    }
    let mut longest: Option<Pause> = None;
    let mut before: Option<(FrameNo, Time)> = None;
    for run in event.sources.resolve(range) {
        let here = (run.from.frame, run.from.time);
        if let Some((from, since)) = before.replace(here) {
            let pause = Pause { nanoseconds: here.1.since(since), from, to: here.0, at: run.start };
            let is_longer = longest.is_none_or(|longest| longest.nanoseconds < pause.nanoseconds);
            longest = if is_longer { Some(pause) } else { longest };
        }
    }
    longest.filter(|pause| pause.nanoseconds >= Pause::SHORTEST)
}

/// Where the bytes of a body are.
fn places(map: &SourceMap<u64>, event: &Event<'_>, near: &mut Vec<(u32, u32, u32)>) -> Places {
    let runs = map.runs().flat_map(|run| {
        let pieces = event.sources.resolve(run.from..run.from + run.len);
        // Bodies are shorter than 2^24 bytes, handshakes shorter still.
        pieces.map(|piece| ((run.start + (piece.start - run.from)) as u32, piece.start, piece.from.frame))
    });
    Places::new(runs, near)
}
