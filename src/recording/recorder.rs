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
use crate::streams::Streams;
use crate::tcp::{Connection, ConnectionId, Endpoint, Piece};

use super::{
    Chunks, EventKind, Framing, Hashing, Pause, Places, Raw, RecordedEvent, RecordedMessage, Recording, Session,
    first_half,
};

/// What to keep of a capture's sessions.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    /// Of these connections only. Rows are counted of all, so that they have the numbers that lists give them.
    pub only: ConnectionFilter,
    /// With the SHA-256 of media bodies, so that the recording can be compared with a snapshot, or become one.
    pub digests: bool,
    /// Without a bound on the media bodies.
    pub all: bool,
}

/// Records a capture. `read` takes it through [`crate::pipeline::run`] from its beginning with these options and this
/// observer. Where framing is broken and something explains it, it is called a second time, to read the capture as the
/// sender meant it; rows keep the numbers of the first reading, which is what lists show.
pub fn record<E>(
    options: Options,
    keep: &Keep,
    mut read: impl FnMut(Options, Recorder) -> Result<Recorder, E>,
) -> Result<Recording, E> {
    let recorder = Recorder { tapes: Some(framing_trace::Recorder::default()), ..Recorder::new(keep) };
    let (plain, tapes) = read(options.clone(), recorder)?.finish();
    let is_recorded = |tape: &&FramingTrace| plain.sessions.iter().any(|one| one.stream.tcp_stream == tape.connection);
    let framing: Vec<Framing> = tapes.iter().filter(is_recorded).filter_map(explain).collect();
    if framing.is_empty() {
        return Ok(with_tapes(plain, tapes));
    }
    let of = |one: &Framing| (one.connection, one.direction, one.hypotheses[0].dialect);
    let options = Options { dialects: framing.iter().map(of).collect(), ..options };
    let (meant, _) = read(options, Recorder { framing, ..Recorder::new(keep) })?.finish();
    Ok(with_tapes(numbered_as(&plain, meant), tapes))
}

/// The recording with the bytes around the places where framing is broken, for the search for the reason.
fn with_tapes(mut recording: Recording, tapes: Vec<FramingTrace>) -> Recording {
    for FramingTrace { connection, direction, offset, bytes, ends, .. } in tapes {
        let session = recording.sessions.iter_mut().find(|session| session.stream.tcp_stream == connection);
        if let Some(session) = session {
            session.tapes[direction.index()] = Some(Raw { offset, bytes, ends });
        }
    }
    recording
}

fn explain(tape: &FramingTrace) -> Option<Framing> {
    let (connection, direction, hypotheses) = (tape.connection, tape.direction, tape.judge());
    (!hypotheses.is_empty()).then_some(Framing { connection, direction, hypotheses })
}

/// The second recording with the numbers of the first, which are those of a list: each item has that of the row that its
/// first byte is in.
fn numbered_as(plain: &Recording, mut recording: Recording) -> Recording {
    let mut rows: FxHashMap<(ConnectionId, Direction), Vec<(u64, u64)>> = FxHashMap::default();
    for session in &plain.sessions {
        for item in &session.items {
            let of = rows.entry((session.stream.tcp_stream, item.direction)).or_default();
            of.push((item.at.start, item.number));
        }
    }
    rows.values_mut().for_each(|rows| rows.sort_unstable());
    for session in &mut recording.sessions {
        for item in &mut session.items {
            let Some(rows) = rows.get(&(session.stream.tcp_stream, item.direction)) else { continue };
            let behind = rows.partition_point(|&(start, _)| start <= item.at.start);
            item.number = rows[behind.saturating_sub(1)].1;
        }
    }
    recording
}

/// Keeps the sessions of one reading.
#[derive(Debug)]
pub struct Recorder {
    streams: Streams,
    items: FxHashMap<ConnectionId, Vec<RecordedEvent>>,
    beginnings: FxHashMap<ConnectionId, [Vec<u8>; 2]>,
    roles: FxHashMap<ConnectionId, [(Direction, bool); 2]>,
    calls: FxHashMap<ConnectionId, Transactions>,
    framing: Vec<Framing>,
    selection: Selection,
    keep: Keep,
    /// What is needed to explain broken framing, in the first reading.
    tapes: Option<framing_trace::Recorder>,
    seen: u64,
    kept: usize,
}

/// Bytes of media bodies that a recording keeps whole before it goes over to hashes.
const BUDGET: usize = 64 << 20;
/// What is kept of a media body beyond the budget.
const PREFIX: usize = 64;
/// Bodies up to this length are kept whole also beyond the budget, if they configure a decoder.
const CONFIG: usize = 64 << 10;

/// What is kept of the beginning of each direction: the handshake, and the first message after it.
const BEGINNING: usize = 8 << 10;

impl Recorder {
    fn new(keep: &Keep) -> Recorder {
        Recorder {
            streams: Streams::default(),
            items: FxHashMap::default(),
            beginnings: FxHashMap::default(),
            roles: FxHashMap::default(),
            calls: FxHashMap::default(),
            framing: Vec::new(),
            selection: Selection::default(),
            keep: keep.clone(),
            tapes: None,
            seen: 0,
            kept: 0,
        }
    }

    fn hashing(&self) -> Hashing {
        if self.keep.digests { Hashing::Sha256 } else { Hashing::Xxh3 }
    }

    fn finish(mut self) -> (Recording, Vec<FramingTrace>) {
        let hashing = self.hashing();
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
            let tapes = Default::default();
            Some(Session { stream, items, beginnings, from_start, framing, tapes, hashing, is_snapshot: false })
        });
        let recording = Recording { sessions: sessions.collect(), as_snapshot: None };
        (recording, self.tapes.map(|tapes| tapes.into_tapes().0).unwrap_or_default())
    }

    fn keep(&mut self, message: &Message, event: &Event<'_>, class: MessageClass) -> RecordedMessage {
        let is_media = message.header.type_id.is_media();
        let is_config = || message.body.len() <= CONFIG && class.is_config();
        let whole = !is_media || self.keep.all || self.kept + message.body.len() <= BUDGET || is_config();
        let kept = if whole { message.body.len() } else { message.body.len().min(PREFIX) };
        if is_media {
            self.kept += kept;
        }
        let first = message.chunks.first();
        let sha256 = (is_media && self.keep.digests).then(|| Sha256::digest(&message.body).into());
        RecordedMessage {
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
            hash: sha256.as_ref().map_or_else(|| self.hashing().of(&message.body), first_half),
            sha256,
            places: Places::new(&message.body_map(), event),
        }
    }
}

impl Observer for Recorder {
    fn event(&mut self, event: &Event<'_>) {
        self.tapes.iter_mut().for_each(|tapes| tapes.event(event));
        self.seen += 1;
        if !self.keep.only.covers(event.connection) {
            return;
        }
        self.streams.event(event);
        let answers = match self.calls.entry(event.connection.id).or_default().event(event) {
            Some(TransactionOutcome::Response(answer)) => Some(answer.call.offset),
            _ => None,
        };
        let row = Row::new(self.seen, event, &self.selection);
        let (end, content) = match &event.kind {
            Kind::Message(message) => {
                let class = match &row.what {
                    What::Message(decoded) => MessageClass::of(decoded.type_id, &decoded.body),
                    _ => MessageClass::Unknown(message.header.type_id),
                };
                (message.end(), EventKind::Message(Box::new(self.keep(message, event, class))))
            }
            Kind::Handshake(part, facts) => {
                let mut map = SourceMap::default();
                map.push(0, part.bytes.len() as u64, part.range.start);
                let places = Places::new(&map, event);
                let content =
                    EventKind::Handshake { part: part.part, facts: *facts, bytes: part.bytes.to_vec(), places };
                (part.range.end, content)
            }
            Kind::Gap(gap) => (gap.offset + gap.len, EventKind::Gap(*gap)),
            Kind::Undecoded { range, .. } => (range.end, EventKind::Undecoded),
        };
        let item = RecordedEvent {
            number: row.number,
            frames: [row.frame, row.first_frame],
            time: row.time,
            pause: matches!(event.kind, Kind::Message(_)).then(|| pause(event, row.offset..end)).flatten(),
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

    fn bytes(&mut self, connection: &Connection, conversation: &RtmpSession, from: Endpoint, piece: &Piece<'_>) {
        self.tapes.iter_mut().for_each(|tapes| tapes.bytes(connection, conversation, from, piece));
        if !self.keep.only.covers(connection) {
            return;
        }
        let kept = &mut self.beginnings.entry(connection.id).or_default()[from.index()];
        let room = BEGINNING.saturating_sub(kept.len());
        kept.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        self.tapes.iter_mut().for_each(|tapes| tapes.closed(connection, conversation));
        if !self.keep.only.covers(connection) {
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
