//! Who changed the bytes: what the capture shows at each hop, and what the receiver took from the stream.
//!
//! The payload passes the sender, the wire to the server, the server, the wire to the receiver, and the
//! receiver. Where it is still right on a wire, everything before that wire is cleared.

use std::net::SocketAddr;
use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::origin::FrameNo;
use crate::rtmp::{ChunkStreamId, MessageTypeId};
use crate::rules::index::Run;
use crate::rules::{self, Certainty, Context, Finding, describe_header};
use crate::session::Direction;
use crate::tcp::ConnectionId;

use super::wire::{Carried, ChunkNote, MessageNote, Seen, Wire};
use super::{Cause, InCapture, Report, files};

/// What the capture proves.
#[derive(Debug, Serialize)]
pub struct Proof {
    /// Who changed the bytes, if the capture shows it.
    pub guilty: Option<Hop>,
    /// What follows from the two legs, in words.
    pub statement: String,
    /// The payload on its way to the server.
    pub to_server: Option<Leg>,
    /// The payload on its way from the server.
    pub from_server: Option<Leg>,
    /// What was received, as taken from a raw stream; absent if it does not stand in one.
    pub took: Option<Took>,
}

/// Somebody who can change bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hop {
    /// The one who sent the payload.
    Sender,
    /// The server between.
    Server,
    /// The one who received it.
    Receiver,
}

/// The payload in one direction of one connection.
#[derive(Debug, Serialize)]
pub struct Leg {
    /// The connection.
    pub tcp_stream: ConnectionId,
    /// The direction.
    pub direction: Direction,
    /// Who sent there.
    #[serde(serialize_with = "as_text")]
    pub src: SocketAddr,
    /// To whom.
    #[serde(serialize_with = "as_text")]
    pub dst: SocketAddr,
    /// How many bytes of the payload stand in bodies of messages there.
    pub carried: u64,
    /// Whether that is all of it: the bytes were right on this wire.
    pub right: bool,
    /// How many messages carried it.
    pub messages: usize,
    /// The type of the first of them.
    pub message_type: MessageTypeId,
    /// Its chunk stream.
    pub csid: ChunkStreamId,
    /// How many bytes stand before the payload in each body, if it is the same number everywhere.
    pub tag_header: Option<usize>,
    /// The first and the last frame.
    pub frames: (FrameNo, FrameNo),
    /// Offset of the payload's first byte in the direction's stream.
    pub stream_offset: u64,
}

/// What the receiver took from the stream.
#[derive(Debug, Serialize)]
pub struct Took {
    /// How many of the received bytes stand in the stream, in this order.
    pub found: u64,
    /// In how many runs.
    pub runs: usize,
    /// Chunk headers among them.
    pub headers: u64,
    /// Payload bytes that the receiver passed over.
    pub lost: u64,
    /// Bytes it took from messages, or parts of messages, that are not the payload.
    pub foreign: u64,
    /// What it did wrong, in order, the first ones.
    pub steps: Vec<Step>,
    /// How many steps there are.
    pub all_steps: u64,
}

/// One thing that the receiver did wrong.
#[derive(Debug, Serialize)]
pub struct Step {
    /// `header`, `lost`, `foreign` or `unknown`.
    pub kind: &'static str,
    /// Where in what was received, and how many bytes there.
    pub received_offset: u64,
    /// Offset of the bytes in the direction's stream; none for bytes that are not in it.
    pub stream_offset: Option<u64>,
    /// How many bytes.
    pub length: u64,
    /// In words.
    pub text: String,
}

/// No more steps than these are listed.
const MOST_STEPS: usize = 12;

/// The report on what was found in the capture.
pub(super) fn report(wire: Wire<'_>) -> Report {
    let (sent, received) = (wire.sent.target(), wire.received.target());
    let up = best(&wire, Direction::ClientToServer, |seen| (coverage(&seen.sent), coverage(&seen.received)));
    let raw = |seen: &Seen| seen.raw.iter().map(|run| run.len as u64).sum::<u64>();
    let down = best(&wire, Direction::ServerToClient, |seen| (coverage(&seen.sent) + raw(seen), raw(seen)));
    let leg = |found: Option<Found<'_>>| found.and_then(|found| Leg::new(found, sent.len()));
    let (to_server, from_server) = (leg(up), leg(down));
    let (guilty, statement) = judge(&wire, sent, received, up, down, to_server.as_ref(), from_server.as_ref());

    let steps = down.filter(|found| raw(found.seen) * 2 > received.len() as u64).map(|found| steps(found, received));
    let context = down.or(up).map(|found| context(found.seen)).unwrap_or_default();
    let by_receiver = steps.as_ref().zip(down).filter(|_| guilty == Some(Hop::Receiver));
    let by_receiver = by_receiver.and_then(|(steps, found)| receiver_cause(steps, found, sent, received));
    let (mut causes, mut unexplained) = files::causes(sent, received, &context);
    if let Some(cause) = by_receiver {
        // What the stream shows goes deeper, unless the two files alone tell it all, and better.
        let is_general = |cause: &Cause| ["px-insert", "px-delete"].contains(&cause.rule.code);
        let told =
            unexplained == 0 && causes.iter().all(|cause| cause.certainty == Certainty::Certain && !is_general(cause));
        if !(told && (is_general(&cause) || cause.rule.code == "px-over-stripped")) {
            (causes, unexplained) = (vec![cause], 0);
        }
    }
    for cause in causes.iter_mut().filter(|cause| cause.r#where.capture.is_none()) {
        cause.r#where.capture = down.or(up).and_then(|found| found.place(cause.r#where.sent_offset as usize));
    }
    let summary = match causes.first() {
        None => format!("all {} bytes are equal; {statement}", sent.len()),
        Some(cause) if cause.title.starts_with("the receiver") => format!("{statement}; {}", cause.title),
        Some(cause) if guilty == Some(Hop::Receiver) => {
            format!("{statement}; the receiver changed them: {}", cause.title)
        }
        Some(cause) => format!("{statement}; {}", cause.title),
    };
    let took = steps.map(|steps| Took::new(steps, down));
    let proof = Proof { guilty, statement, to_server, from_server, took };
    Report::new(sent, received, summary, causes, unexplained, Some(proof))
}

/// A direction and what it holds.
#[derive(Clone, Copy)]
struct Found<'w> {
    tcp_stream: ConnectionId,
    direction: Direction,
    seen: &'w Seen,
}

impl Found<'_> {
    /// Where a byte of the payload stands.
    fn place(&self, offset: usize) -> Option<InCapture> {
        let (carried, stream_offset) = self.seen.sent.iter().find_map(|carried| {
            let places = carried.places.iter();
            let mut places = places.filter(|&&(file, _, len)| (file..file + len).contains(&offset));
            places.next().map(|&(file, stream, _)| (carried, stream + (offset - file) as u64))
        })?;
        Some(self.at(stream_offset, carried.message.frame))
    }

    fn at(&self, stream_offset: u64, frame: FrameNo) -> InCapture {
        InCapture { tcp_stream: self.tcp_stream, direction: self.direction, stream_offset, frame }
    }
}

/// The direction that holds most of what is looked for.
fn best<'w>(wire: &'w Wire<'_>, direction: Direction, worth: impl Fn(&Seen) -> (u64, u64)) -> Option<Found<'w>> {
    let legs = wire.legs.iter().filter(|((_, way), _)| *way == direction).map(|(&(tcp_stream, direction), seen)| {
        (worth(seen), std::cmp::Reverse(tcp_stream), Found { tcp_stream, direction, seen })
    });
    let best = legs.max_by_key(|(worth, first, _)| (*worth, *first));
    best.filter(|(worth, ..)| *worth > (0, 0)).map(|(.., found)| found)
}

/// How many bytes of the byte string are carried, each counted once.
fn coverage(carried: &[Carried]) -> u64 {
    let mut ranges: Vec<Range<usize>> = carried.iter().map(|carried| carried.file.clone()).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut covered, mut end) = (0, 0);
    for range in ranges {
        covered += range.end.saturating_sub(range.start.max(end)) as u64;
        end = end.max(range.end);
    }
    covered
}

/// Whether all of the byte string is carried, in each message in one piece: with nothing put between.
fn is_whole(carried: &[Carried], len: usize) -> bool {
    let in_one_piece = carried.windows(2).all(|pair| pair[0].message.number != pair[1].message.number);
    in_one_piece && coverage(carried) == len as u64
}

fn judge(
    wire: &Wire<'_>,
    sent: &[u8],
    received: &[u8],
    up: Option<Found<'_>>,
    down: Option<Found<'_>>,
    to_server: Option<&Leg>,
    from_server: Option<&Leg>,
) -> (Option<Hop>, String) {
    let is_right = |leg: Option<&Leg>| leg.is_some_and(|leg| leg.right);
    let as_received = |found: Option<Found<'_>>| {
        !received.is_empty() && found.is_some_and(|found| is_whole(&found.seen.received, received.len()))
    };
    let same = sent == received;
    let clear = |guilty: Hop, statement: &str| (Some(guilty).filter(|_| !same), statement.to_owned());
    match (is_right(to_server), is_right(from_server)) {
        (true, true) => clear(Hop::Receiver, "the bytes were right on the wire, on both legs"),
        (false, true) if to_server.is_none() => {
            clear(Hop::Receiver, "the bytes were right on the wire when the server sent them")
        }
        (false, true) => clear(Hop::Receiver, "the bytes were right on the wire to the receiver"),
        (true, false) if as_received(down) => {
            clear(Hop::Server, "the bytes were right when the server received them, and wrong when it sent them")
        }
        (true, false) if from_server.is_some() => {
            let leg = from_server.map_or(0, |leg| leg.carried);
            (
                None,
                format!(
                    "the bytes were right when the server received them; on the way to the receiver {leg} of {} bytes are in the \
                     capture",
                    sent.len()
                ),
            )
        }
        (true, false) => (
            None,
            "the bytes were right on the wire when the server received them; the way to the receiver is not in the capture"
                .to_owned(),
        ),
        (false, false) if as_received(up) => {
            clear(Hop::Sender, "the bytes were wrong on the wire already; the sender changed them before it sent them")
        }
        (false, false) if as_received(down) => (
            None,
            "the server sent what was received; how it came to the server is not in the capture".to_owned(),
        ),
        (false, false) => {
            let messages = wire.messages;
            let most = to_server.into_iter().chain(from_server).map(|leg| leg.carried).max().unwrap_or(0);
            let statement = match (messages, most) {
                (0, _) => "the capture holds no RTMP message".to_owned(),
                (_, 0) => format!("none of the capture's {messages} messages carries the payload"),
                _ => format!("the capture holds {most} of the payload's {} bytes", sent.len()),
            };
            (None, statement)
        }
    }
}

impl Leg {
    fn new(found: Found<'_>, sent: usize) -> Option<Leg> {
        let Found { tcp_stream, direction, seen } = found;
        let carried = coverage(&seen.sent);
        let (first, last) = (seen.sent.first()?, seen.sent.last()?);
        let mut numbers: Vec<u64> = seen.sent.iter().map(|carried| carried.message.number).collect();
        numbers.dedup();
        let same = seen.sent.iter().all(|carried| carried.body_at == first.body_at);
        Some(Leg {
            tcp_stream,
            direction,
            src: seen.src,
            dst: seen.dst,
            carried,
            right: is_whole(&seen.sent, sent),
            messages: numbers.len(),
            message_type: first.message.type_id,
            csid: first.message.csid,
            tag_header: same.then_some(first.body_at),
            frames: (first.message.frame, last.message.frame),
            stream_offset: first.places.first().map_or(0, |&(_, stream, _)| stream),
        })
    }
}

/// What rules may want to know of the messages around the payload.
fn context(seen: &Seen) -> Context {
    let mut boundaries: Vec<usize> =
        seen.sent.iter().map(|carried| carried.file.start).filter(|&start| start > 0).collect();
    boundaries.sort_unstable();
    boundaries.dedup();
    Context { boundaries, ..seen.context.clone() }
}

/// All that the receiver did wrong, in order.
struct Steps {
    all: Vec<Wrong>,
    found: u64,
    runs: usize,
}

enum Wrong {
    /// A chunk header, or a part of one, was taken for payload.
    Header { received: usize, stream: u64, len: usize, chunk: usize },
    /// Bytes of another message, or of a tag header, were taken for payload.
    Foreign { received: usize, stream: u64, len: usize, chunk: usize },
    /// Payload was passed over.
    Lost { received: usize, stream: u64, sent: usize, len: usize },
    /// Bytes that are not in the stream.
    Unknown { received: usize, len: usize },
}

fn steps(found: Found<'_>, received: &[u8]) -> Steps {
    let seen = found.seen;
    let mut places: Vec<(u64, usize, usize)> =
        seen.sent.iter().flat_map(|carried| &carried.places).map(|&(file, stream, len)| (stream, file, len)).collect();
    places.sort_unstable();
    // The payload's bytes in a part of the stream: where in the stream, where in the payload, how many.
    let payload_in = |range: Range<u64>| {
        let first = places.partition_point(|&(stream, _, len)| stream + len as u64 <= range.start);
        places[first..].iter().take_while(move |(stream, ..)| *stream < range.end).map(move |&(stream, file, len)| {
            let start = stream.max(range.start);
            let end = (stream + len as u64).min(range.end);
            (start, file + (start - stream) as usize, (end - start) as usize)
        })
    };
    let mut runs: Vec<Run> = seen.raw.clone();
    runs.sort_unstable_by_key(|run| run.target);
    let mut all = Vec::new();
    let (mut file, mut stream) = (0usize, places.first().map_or(0, |&(stream, ..)| stream));
    let mut found = 0;
    for run in &mut runs {
        // Bytes that end one run and begin the next by accident belong to the first.
        let twice = file.saturating_sub(run.target).min(run.len);
        (run.target, run.source, run.len) = (run.target + twice, run.source + twice, run.len - twice);
        if run.len == 0 {
            continue;
        }
        found += run.len as u64;
        if run.target > file {
            all.push(Wrong::Unknown { received: file, len: run.target - file });
        }
        all.extend(passed_over(payload_in(stream..run.source as u64), run.target));
        let range = run.source as u64..run.source_end() as u64;
        let first = seen.chunks.partition_point(|chunk| chunk.end() <= range.start);
        for (i, chunk) in seen.chunks.iter().enumerate().skip(first).take_while(|(_, chunk)| chunk.at < range.end) {
            let part = |start: u64, end: u64| start.max(range.start)..end.min(range.end);
            let in_file = |stream: u64| run.target + (stream - range.start) as usize;
            let header = part(chunk.at, chunk.payload_at());
            if !header.is_empty() {
                let len = (header.end - header.start) as usize;
                all.push(Wrong::Header { received: in_file(header.start), stream: header.start, len, chunk: i });
            }
            let payload = part(chunk.payload_at(), chunk.end());
            let mut at = payload.start;
            for (start, _, len) in payload_in(payload.clone()) {
                if start > at {
                    all.push(Wrong::Foreign {
                        received: in_file(at),
                        stream: at,
                        len: (start - at) as usize,
                        chunk: i,
                    });
                }
                at = start + len as u64;
            }
            if payload.end > at {
                all.push(Wrong::Foreign {
                    received: in_file(at),
                    stream: at,
                    len: (payload.end - at) as usize,
                    chunk: i,
                });
            }
        }
        (file, stream) = (run.target_end(), stream.max(range.end));
    }
    if file < received.len() {
        all.push(Wrong::Unknown { received: file, len: received.len() - file });
    }
    all.extend(passed_over(payload_in(stream..u64::MAX), received.len()));
    Steps { all, found, runs: runs.iter().filter(|run| run.len > 0).count() }
}

/// What is missing between two runs, as one step.
fn passed_over(missing: impl Iterator<Item = (u64, usize, usize)>, received: usize) -> Option<Wrong> {
    let parts = missing.map(|(stream, sent, len)| Wrong::Lost { received, stream, sent, len });
    parts.reduce(|all, more| match (all, more) {
        (Wrong::Lost { received, stream, sent, len }, Wrong::Lost { len: more, .. }) => {
            Wrong::Lost { received, stream, sent, len: len + more }
        }
        (all, _) => all,
    })
}

impl Took {
    fn new(steps: Steps, found: Option<Found<'_>>) -> Took {
        let chunks = found.map_or(&[][..], |found| &found.seen.chunks);
        let sum = |len: fn(&Wrong) -> usize| steps.all.iter().map(len).sum::<usize>() as u64;
        Took {
            found: steps.found,
            runs: steps.runs,
            headers: steps.all.iter().filter(|wrong| matches!(wrong, Wrong::Header { .. })).count() as u64,
            lost: sum(|wrong| if let Wrong::Lost { len, .. } = wrong { *len } else { 0 }),
            foreign: sum(|wrong| if let Wrong::Foreign { len, .. } = wrong { *len } else { 0 }),
            steps: steps.all.iter().take(MOST_STEPS).map(|wrong| wrong.step(chunks)).collect(),
            all_steps: steps.all.len() as u64,
        }
    }
}

impl Wrong {
    fn step(&self, chunks: &[ChunkNote]) -> Step {
        let (kind, received, stream, len, text) = match *self {
            Wrong::Header { received, stream, len, chunk } => {
                let of = &chunks[chunk];
                let text = format!("took the header of {}: {}", of.name(), describe_header(&of.header));
                ("header", received, Some(stream), len, text)
            }
            Wrong::Foreign { received, stream, len, chunk } => (
                "foreign",
                received,
                Some(stream),
                len,
                format!("took {}: {}", bytes(len), chunks[chunk].foreign(stream, len)),
            ),
            Wrong::Lost { received, stream, sent, len } => {
                let text = format!("passed over {} of the payload, from offset {sent} of what was sent", bytes(len));
                ("lost", received, Some(stream), len, text)
            }
            Wrong::Unknown { received, len } => {
                ("unknown", received, None, len, format!("has {} that are not in the stream", bytes(len)))
            }
        };
        Step { kind, received_offset: received as u64, stream_offset: stream, length: len as u64, text }
    }

    fn received(&self) -> usize {
        match *self {
            Wrong::Header { received, .. }
            | Wrong::Foreign { received, .. }
            | Wrong::Lost { received, .. }
            | Wrong::Unknown { received, .. } => received,
        }
    }
}

impl ChunkNote {
    /// `chunk 2 of the Video Data message in frame 53`.
    fn name(&self) -> String {
        let name = self.message.name();
        format!("chunk {} of the {name} message in frame {}", self.ordinal, self.message.frame)
    }

    /// What bytes that are no payload belong to.
    fn foreign(&self, stream: u64, len: usize) -> String {
        let body_at = self.body_at as u64 + (stream - self.payload_at());
        let message = self.message;
        let info = self.info.as_ref().map(|info| format!(" ({info})")).unwrap_or_default();
        let whole = if len as u64 == u64::from(message.length) { "the body" } else { "part of the body" };
        format!("{whole} of {} message{info} in frame {}, from its byte {body_at}", message.a_name(), message.frame)
    }
}

const LOOK_AT_THE_TYPE: &str = "In the receiver, look at the message type before using a body: only the types that carry the \
                                payload belong to it (8 audio, 9 video, 15 and 18 data).";

/// What the receiver's steps come down to.
fn receiver_cause(steps: &Steps, found: Found<'_>, sent: &[u8], received: &[u8]) -> Option<Cause> {
    let chunks = &found.seen.chunks;
    let whole =
        |wrong: &&Wrong| matches!(wrong, Wrong::Header { len, chunk, .. } if *len == chunks[*chunk].header.len());
    let split = |wrong: &&Wrong| matches!(wrong, Wrong::Header { chunk, .. } if chunks[*chunk].ordinal > 1);
    let headers = steps.all.iter().filter(|wrong| matches!(wrong, Wrong::Header { .. })).count() as u64;
    let first_header = steps.all.iter().filter(whole).find(split).or_else(|| steps.all.iter().find(whole));
    let (code, finding, place) = match (first_header, steps.all.first()?) {
        (Some(&Wrong::Header { received: at, stream, len, chunk }), first) => {
            let chunk = &chunks[chunk];
            let finding = left_headers(steps, found, chunk, headers, at..at + len, first);
            ("px-headers-left", finding, found.at(stream, chunk.frame))
        }
        (None, &Wrong::Foreign { received: at, stream, len, chunk }) => {
            let chunk = &chunks[chunk];
            let what = chunk.foreign(stream, len);
            let payload_csid = found.seen.sent.first().map(|carried| carried.message.csid);
            let is_between = at < sent.len() && Some(chunk.message.csid) != payload_csid;
            let code = if is_between { "px-foreign-chunk" } else { "px-insert" };
            let sent_at = if at >= sent.len() { sent.len() } else { at };
            let where_ = if at >= sent.len() { "behind the payload" } else { "in the payload" };
            let finding = Finding {
                certainty: Certainty::Certain,
                title: format!("the receiver took {} {where_}: {what}", bytes(len)),
                sent: sent_at..sent_at,
                received: at..at + len,
                places: steps.all.len() as u64,
                why: format!(
                    "They are bytes {stream} to {} of what {} sent. Everything the server sent of the payload is right; the receiver \
                     took something else for a part of it.",
                    stream + len as u64,
                    found.seen.src
                ),
                fix: if is_between { rules::find(code)?.page.fix } else { LOOK_AT_THE_TYPE }.to_owned(),
            };
            (code, finding, found.at(stream, chunk.frame))
        }
        (None, &Wrong::Lost { received: at, stream, sent: sent_at, len }) => {
            let lost = steps.all.iter().filter(|wrong| matches!(wrong, Wrong::Lost { .. })).count();
            let code = if lost > 1 { "px-over-stripped" } else { "px-delete" };
            let finding = Finding {
                certainty: Certainty::Certain,
                title: format!("the receiver passed over {len} bytes of the payload at offset {sent_at}"),
                sent: sent_at..sent_at + len,
                received: at..at,
                places: steps.all.len() as u64,
                why: format!("They are bytes {stream} to {} of what {} sent.", stream + len as u64, found.seen.src),
                fix: rules::find(code)?.page.fix.to_owned(),
            };
            let frame = found.place(sent_at).map_or(FrameNo::default(), |place| place.frame);
            (code, finding, found.at(stream, frame))
        }
        _ => return None,
    };
    let mut cause = Cause::new(rules::find(code)?, finding, sent, received);
    cause.r#where.capture = Some(place);
    Some(cause)
}

fn left_headers(
    steps: &Steps,
    found: Found<'_>,
    chunk: &ChunkNote,
    headers: u64,
    received: Range<usize>,
    first: &Wrong,
) -> Finding {
    let seen = found.seen;
    let header = describe_header(&chunk.header);
    let size = chunk.chunk_size;
    // The byte of the payload that the header stands before.
    let next = chunk.payload_at();
    let places = seen.sent.iter().flat_map(|carried| &carried.places);
    let sent = places.clone().find(|&&(_, stream, len)| (stream..stream + len as u64).contains(&next));
    let sent = sent.map_or(0, |&(file, stream, _)| file + (next - stream) as usize);
    let plural = if headers == 1 { "a chunk header" } else { "chunk headers" };
    let mut why = format!(
        "The server sends a message in chunks of {size} bytes. Each chunk after the first begins with a header of its own, here \
         {header}. Byte {} of what was received is byte {} of the server's stream, and that is the header of {}. {} of the \
         received bytes stand in that stream one behind the other, in {} runs, with {headers} {plural} among them.",
        received.start,
        chunk.at,
        chunk.name(),
        steps.found,
        steps.runs,
    );
    if first.received() < received.start {
        why += &format!(
            " The receiver was out of step before, at its byte {}: it {}.",
            first.received(),
            first.step(&seen.chunks).text
        );
        if let Some(split) = seen.first_split.as_ref().filter(|split| split.at < chunk.at) {
            why += &format!(
                " The first header of this kind in the direction stands at stream offset {}, inside the {} message in frame {}{}.",
                split.at,
                split.message.name(),
                split.message.frame,
                split.info.as_ref().map(|info| format!(" ({info})")).unwrap_or_default(),
            );
        }
    }
    let bytes = hex::encode(&chunk.header);
    Finding {
        certainty: Certainty::Certain,
        title: format!(
            "the receiver left {headers} {plural} in the payload, every {size} bytes: {header}, first at received offset {}",
            received.start
        ),
        sent: sent..sent,
        received,
        places: steps.all.len() as u64,
        why,
        fix: format!(
            "In the receiver, read a message as chunks: after every {size} bytes of body, while the message length ({}) is not \
             reached, read one chunk header and drop it. Here that is the {} {bytes}. Headers do not count towards the length. \
             The size is what the server's Set Chunk Size says, 128 before it.",
            chunk.message.length,
            if chunk.header.len() == 1 { "single byte" } else { "bytes" },
        ),
    }
}

impl MessageNote {
    /// The type's name, in front of the word message.
    fn name(&self) -> String {
        let name = self.type_id.name();
        name.strip_suffix(" Message").unwrap_or(&name).to_owned()
    }
}

impl MessageNote {
    /// The type's name with its article.
    fn a_name(&self) -> String {
        let name = self.name();
        let article = if name.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" };
        format!("{article} {name}")
    }
}

fn bytes(count: usize) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
