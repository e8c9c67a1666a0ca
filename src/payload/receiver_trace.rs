//! What somebody took from a raw stream for the payload, and where that went wrong.
//!
//! The received bytes are a row of stretches of the stream. Chunk headers inside them were left in, payload
//! between them was passed over, and what is neither came from other messages.

use std::ops::Range;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::origin::FrameNo;
use crate::rules::payload::index::Run;
use crate::rules::{self, Certainty, PayloadClaim, describe_header};
use crate::session::Direction;

use super::Cause;
use super::proof::Found;
use super::wire::{ChunkNote, MessageNote};

/// What the receiver took from the stream.
#[derive(Debug, Serialize)]
pub struct ReceiverTrace {
    /// How many of the received bytes are in the stream, in this order.
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

/// All that the receiver did wrong, in order.
pub(super) struct Steps {
    all: Vec<Wrong>,
    pub found: u64,
    runs: usize,
}

enum Wrong {
    /// A chunk header, or a part of one, was treated as payload.
    Header { received: usize, stream: u64, len: usize, chunk: usize },
    /// Bytes of another message, or of a tag header, were treated as payload.
    Foreign { received: usize, stream: u64, len: usize, chunk: usize },
    /// Payload was passed over.
    Lost { received: usize, stream: u64, sent: usize, len: usize },
    /// Bytes that are not in the stream.
    Unknown { received: usize, len: usize },
}

pub(super) fn steps(found: Found<'_>, received: &[u8]) -> Steps {
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
    runs.sort_unstable_by_key(|run| (run.target, run.source));
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

impl ReceiverTrace {
    pub(super) fn new(steps: &Steps, found: Found<'_>) -> ReceiverTrace {
        let chunks = &found.seen.chunks[..];
        let sum = |len: fn(&Wrong) -> usize| steps.all.iter().map(len).sum::<usize>() as u64;
        ReceiverTrace {
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
                let text = format!("read the header of {}: {}", of.name(), describe_header(&of.header));
                ("header", received, Some(stream), len, text)
            }
            Wrong::Foreign { received, stream, len, chunk } => (
                "foreign",
                received,
                Some(stream),
                len,
                format!("read {}: {}", bytes(len), chunks[chunk].foreign(stream, len)),
            ),
            Wrong::Lost { received, stream, sent, len } => {
                let text = format!("skipped {} of the payload, from offset {sent} of what was sent", bytes(len));
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

    /// What bytes that are not payload belong to.
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

impl Steps {
    /// Whether chunk headers were taken: nothing but this stream has them.
    pub fn has_headers(&self) -> bool {
        self.all.iter().any(|wrong| matches!(wrong, Wrong::Header { .. }))
    }
}

/// What the steps come down to.
pub(super) fn reader_cause(steps: &Steps, found: Found<'_>, sent: &[u8], received: &[u8]) -> Option<Cause> {
    if let Some(cause) = smaller_chunks(steps, found, sent, received) {
        return Some(cause);
    }
    let chunks = &found.seen.chunks;
    let reader = found.reader();
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
            let where_ = if at >= sent.len() { "after the payload" } else { "in the payload" };
            let finding = PayloadClaim {
                certainty: Certainty::Certain,
                title: format!("{reader} read {} {where_}: {what}", bytes(len)),
                sent: sent_at..sent_at,
                received: at..at + len,
                places: steps.all.len() as u64,
                why: format!(
                    "They are bytes {stream} to {} of what {} sent. All of the payload that was sent is correct; \
                     {reader} treated other bytes as part of it.",
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
            let finding = PayloadClaim {
                certainty: Certainty::Certain,
                title: format!("{reader} skipped {} of the payload at offset {sent_at}", bytes(len)),
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
    cause.evidence.r#where.capture = Some(place);
    Some(cause)
}

/// A reader whose chunk size is smaller than the sender's: before anything else it passes over a few bytes of payload, and
/// again after as many, as if headers were there. The headers that are there it may then leave in.
fn smaller_chunks(steps: &Steps, found: Found<'_>, sent: &[u8], received: &[u8]) -> Option<Cause> {
    /// A chunk header, and the extended timestamp after it.
    const LONGEST_HEADER: usize = 18;
    /// So often, at least, and most of them as far apart.
    const LEAST: usize = 3;
    let lost: Vec<(usize, usize, u64, usize)> = steps
        .all
        .iter()
        .filter_map(|wrong| match *wrong {
            Wrong::Lost { received, stream, sent, len } => Some((received, sent, stream, len)),
            _ => None,
        })
        .collect();
    let &(at, sent_at, stream, len) = lost.first().filter(|_| lost.len() >= LEAST)?;
    let is_first = matches!(steps.all.first(), Some(Wrong::Lost { .. }));
    let alike = lost.iter().filter(|(.., other)| *other == len).count();
    let mut apart: FxHashMap<usize, usize> = FxHashMap::default();
    lost.windows(2).for_each(|pair| *apart.entry(pair[1].0 - pair[0].0).or_default() += 1);
    let (every, often) = apart.into_iter().max_by_key(|&(every, often)| (often, std::cmp::Reverse(every)))?;
    let chunk = found.seen.chunks.iter().find(|chunk| (chunk.at..chunk.end()).contains(&stream))?;
    let is_smaller = every < chunk.chunk_size as usize && len <= LONGEST_HEADER;
    if !is_first || !is_smaller || 2 * often < lost.len() - 1 || 2 * alike < lost.len() {
        return None;
    }
    let (reader, size) = (found.reader(), chunk.chunk_size);
    let mut why = format!(
        "It passes over {} after every {every}, {} times, as if a chunk header were there; the chunks of {} hold {size}. The \
         first are at offset {stream} of the stream, in the middle of {}.",
        bytes(len),
        lost.len(),
        found.seen.src,
        chunk.name()
    );
    let left = steps.all.iter().filter(|wrong| matches!(wrong, Wrong::Header { .. })).count();
    if left > 0 {
        why += &format!(
            " The {} in the payload {} for the same reason: {} not where {reader} looks for them.",
            if left == 1 { "chunk header".to_owned() } else { format!("{left} chunk headers") },
            if left == 1 { "is there" } else { "are there" },
            if left == 1 { "it is" } else { "they are" }
        );
    }
    let rule = rules::find("px-over-stripped")?;
    let finding = PayloadClaim {
        certainty: Certainty::Certain,
        title: format!(
            "{reader} drops {} of payload after every {every} bytes, in {} places: it reads chunks of {every} bytes where {size} are sent",
            bytes(len),
            lost.len()
        ),
        sent: sent_at..sent_at + len,
        received: at..at,
        places: steps.all.len() as u64,
        why,
        fix: rule.page.fix.to_owned(),
    };
    let mut cause = Cause::new(rule, finding, sent, received);
    cause.evidence.r#where.capture = Some(found.at(stream, chunk.frame));
    Some(cause)
}

fn left_headers(
    steps: &Steps,
    found: Found<'_>,
    chunk: &ChunkNote,
    headers: u64,
    received: Range<usize>,
    first: &Wrong,
) -> PayloadClaim {
    let (seen, reader) = (found.seen, found.reader());
    let sender = if found.direction == Direction::ClientToServer { "client" } else { "server" };
    let header = describe_header(&chunk.header);
    let size = chunk.chunk_size;
    // The byte of the payload that the header comes before.
    let next = chunk.payload_at();
    let places = seen.sent.iter().flat_map(|carried| &carried.places);
    let sent = places.clone().find(|&&(_, stream, len)| (stream..stream + len as u64).contains(&next));
    let sent = sent.map_or(0, |&(file, stream, _)| file + (next - stream) as usize);
    let plural = if headers == 1 { "a chunk header" } else { "chunk headers" };
    let mut why = format!(
        "The {sender} sends a message in chunks of {size} bytes. Each chunk after the first begins with its own \
         header, here {header}. Byte {} of what was received is byte {} of the {sender}'s stream, and that is the \
         header of {}. {} of the received bytes are consecutive in that stream, in {} runs, with {headers} {plural} \
         among them.",
        received.start,
        chunk.at,
        chunk.name(),
        steps.found,
        steps.runs,
    );
    if first.received() < received.start {
        why += &format!(
            " It was out of step before, at its byte {}: it {}.",
            first.received(),
            first.step(&seen.chunks).text
        );
        if let Some(split) = seen.first_split.as_ref().filter(|split| split.at < chunk.at) {
            why += &format!(
                " The first header of this kind in the direction is at stream offset {}, inside the {} message in \
                 frame {}{}.",
                split.at,
                split.message.name(),
                split.message.frame,
                split.info.as_ref().map(|info| format!(" ({info})")).unwrap_or_default(),
            );
        }
    }
    let bytes = hex::encode(&chunk.header);
    PayloadClaim {
        certainty: Certainty::Certain,
        title: format!(
            "{reader} left {headers} {plural} in the payload, every {size} bytes: {header}, first at received offset {}",
            received.start
        ),
        sent: sent..sent,
        received,
        places: steps.all.len() as u64,
        why,
        fix: format!(
            "In {reader}, read a message as chunks: after every {size} bytes of body, while the message length ({}) is \
             not reached, read one chunk header and drop it. Here that is the {} {bytes}. Headers do not count towards \
             the length. The size is the one in the {sender}'s Set Chunk Size, 128 before it.",
            chunk.message.length,
            if chunk.header.len() == 1 { "single byte" } else { "bytes" },
        ),
    }
}

impl MessageNote {
    /// The type's name, before the word message.
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
