//! The list of everything in a capture's sessions: one [`Row`] for each message, part of a handshake,
//! gap, and stretch of bytes that could not be decoded.
//!
//! Takes the events of [`crate::session`], gives rows in the order in which they complete. A row is
//! what a list, a CSV or a JSON Lines file shows; how it looks there is the view's business.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::field::counted;
use crate::origin::{FrameNo, Time, serialize_address};
use crate::rtmp::body::{self, Body};
use crate::rtmp::control::{UserControl, wireshark_event_name};
use crate::rtmp::handshake::Part;
use crate::rtmp::message::{Ending, Message};
use crate::rtmp::{ChunkStreamId, Defect, MessageStreamId, MessageTypeId, summary};
use crate::session::{
    Answers, ConnectionFilter, Direction, Event, HandshakeFacts, Kind, Observer, Outcome, Response, RtmpSession,
    TransactionOutcome, Transactions,
};
use crate::tcp::{Connection, ConnectionId, GapReason};

/// The version of the rows' format. It changes when a key changes its meaning or goes away.
pub const FORMAT_VERSION: u32 = 1;

/// One line of the list. Serialized, it is one object of the row format.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    /// Its number among all rows of the capture, from 1, whichever of them are wanted.
    pub number: u64,
    /// What the row is.
    pub kind: &'static str,
    /// The frame that completed it, where Wireshark shows it; for a gap, the frame at which it was noticed.
    #[serde(serialize_with = "FrameNo::serialize_number")]
    pub frame: FrameNo,
    /// The file of that frame, from 1, where several are one capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<u32>,
    /// The frame that holds its first byte.
    pub first_frame: FrameNo,
    /// The time of `frame`.
    #[serde(serialize_with = "Time::serialize")]
    pub time: Time,
    /// The connection.
    pub tcp_stream: ConnectionId,
    /// Which way it travelled.
    pub direction: Direction,
    /// The sender.
    #[serde(serialize_with = "serialize_address")]
    pub src: SocketAddr,
    /// The receiver.
    #[serde(serialize_with = "serialize_address")]
    pub dst: SocketAddr,
    /// Offset of its first byte in the direction's stream.
    pub offset: u64,
    /// The summary in Wireshark's words.
    pub info: String,
    /// What Wireshark does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The call that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Response>,
    /// What became of it, if it is a call and the capture was looked through before.
    #[serde(rename = "outcome", skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What somebody wrote in the capture about the frames that hold it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<Defect>,
    /// What only this kind of row has.
    #[serde(flatten)]
    pub what: What<'a>,
}

/// A comment on a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comment {
    /// The frame.
    pub frame: FrameNo,
    /// The text.
    pub text: String,
}

/// Comments on frames, for the rows that these hold. They are kept when the frame is read, before what it completes.
#[derive(Clone, Debug, Default)]
pub struct Comments(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    all: VecDeque<Comment>,
    /// How many were let go before them.
    gone: usize,
    bytes: usize,
}

impl Comments {
    /// So many bytes of them are kept: a row is long over when so much more has come.
    const MOST: usize = 16 << 20;

    /// Keeps one.
    pub fn add(&self, comment: Comment) {
        let cost = |comment: &Comment| size_of::<Comment>() + comment.text.len();
        let mut kept = self.kept();
        kept.bytes += cost(&comment);
        kept.all.push_back(comment);
        while kept.bytes > Self::MOST
            && let Some(first) = kept.all.pop_front()
        {
            kept.bytes -= cost(&first);
            kept.gone += 1;
        }
    }

    /// The one after so many, and how many there were with it.
    pub fn after(&self, count: usize) -> Option<(usize, Comment)> {
        let kept = self.kept();
        let at = count.max(kept.gone);
        Some((at + 1, kept.all.get(at - kept.gone)?.clone()))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those on the frames that hold an event's bytes.
    fn of(&self, event: &Event<'_>) -> Vec<Comment> {
        let all = &self.kept().all;
        if all.is_empty() {
            return Vec::new();
        }
        let frames: FxHashSet<FrameNo> = event.sources.resolve(event.range()).map(|run| run.from.frame).collect();
        all.iter().filter(|comment| frames.contains(&comment.frame)).cloned().collect()
    }
}

/// What only one kind of row has.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum What<'a> {
    /// A message.
    Message(Box<MessageRow<'a>>),
    /// A part of the handshake.
    Handshake(HandshakeRow),
    /// Bytes that were not captured.
    Gap {
        /// How many.
        length: u64,
        /// How it is known.
        reason: GapReason,
    },
    /// Bytes that could not be decoded.
    Undecoded {
        /// How many, with the holes between them.
        length: u64,
    },
}

/// A message's own columns.
#[derive(Debug, Serialize)]
pub struct MessageRow<'a> {
    /// The chunk stream; a tag of FLV has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csid: Option<ChunkStreamId>,
    /// The format of its first chunk header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fmt: Option<u8>,
    /// Absolute time in ms, if it is known.
    pub timestamp: Option<u32>,
    /// The delta that led to it, for fmt 1 to 3.
    pub timestamp_delta: Option<u32>,
    /// Length of the body in bytes, as its header has it.
    pub length: u32,
    /// The type's number.
    pub type_id: MessageTypeId,
    /// The type's name.
    pub r#type: String,
    /// The message stream, if it is known.
    pub message_stream_id: Option<MessageStreamId>,
    /// How many chunks it came in; a tag of FLV in none.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunks: usize,
    /// Whether every byte of it was captured.
    pub complete: bool,
    /// How it ended, if it is not complete.
    #[serde(skip_serializing_if = "is_complete")]
    pub ending: Ending,
    /// How many bytes of the body were captured, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<u32>,
    /// What the body says.
    pub body: Body<'a>,
    /// SHA-256 of the body, if asked for and the body is complete.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_hex")]
    pub body_sha256: Option<[u8; 32]>,
    /// The body's bytes, if asked for.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_hex")]
    pub body_hex: Option<&'a [u8]>,
    /// The message itself, for views that show its bytes.
    #[serde(skip)]
    pub message: &'a Message,
}

/// A handshake part's own columns.
#[derive(Debug, Serialize)]
pub struct HandshakeRow {
    /// Which part.
    pub part: Part,
    /// Its length in bytes.
    pub length: usize,
    /// Whether all of it was captured. In JSON a defect says so if not.
    #[serde(skip)]
    pub complete: bool,
    /// What it says.
    #[serde(flatten)]
    pub facts: HandshakeFacts,
}

/// Which rows are wanted, and what is to be in them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these connections.
    pub connections: ConnectionFilter,
    /// Only the row with this number.
    pub number: Option<u64>,
    /// Only this direction.
    pub direction: Option<Direction>,
    /// Only messages of these types, if there are any here.
    pub types: Vec<MessageTypeId>,
    /// With the SHA-256 of the bodies.
    pub hash: bool,
    /// With the bytes of the bodies.
    pub hex: bool,
    /// With bodies decoded to their ends, media bodies too.
    pub whole: bool,
}

impl Selection {
    /// How many of a media body's first bytes the rows need.
    pub fn media_prefix(&self) -> u32 {
        // A sequence header with its parameter sets fits; video and audio do not have to.
        const ENOUGH_FOR_A_LIST: u32 = 2048;
        if self.hash || self.hex || self.whole { u32::MAX } else { ENOUGH_FOR_A_LIST }
    }

    fn wants(&self, event: &Event<'_>) -> bool {
        self.connections.covers(event.connection)
            && self.direction.is_none_or(|direction| direction == event.direction)
            && (self.types.is_empty()
                || matches!(event.kind, Kind::Message(message) if self.types.contains(&message.header.type_id)))
    }
}

/// Makes rows of events and hands them on.
pub struct Rows<F> {
    selection: Selection,
    seen: u64,
    outcomes: Answers,
    calls: FxHashMap<ConnectionId, Transactions>,
    comments: Comments,
    emit: F,
}

impl<F: FnMut(&Row<'_>, &Event<'_>)> Rows<F> {
    /// Rows of what `selection` wants, handed to `emit` together with the event they were made from.
    pub fn new(selection: Selection, emit: F) -> Self {
        let (outcomes, comments) = (Answers::default(), Comments::default());
        Rows { selection, seen: 0, outcomes, calls: FxHashMap::default(), comments, emit }
    }

    /// Gives rows the comments that are kept there.
    pub fn with_comments(self, comments: Comments) -> Self {
        Rows { comments, ..self }
    }

    /// Tells calls what became of them, from a run over the capture before.
    pub fn with_outcomes(self, outcomes: Answers) -> Self {
        Rows { outcomes, ..self }
    }

    /// Forgets what is known of a connection that is over.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.calls.remove(&connection);
    }
}

impl<F: FnMut(&Row<'_>, &Event<'_>)> Observer for Rows<F> {
    fn event(&mut self, event: &Event<'_>) {
        self.seen += 1;
        // Calls are followed whatever is wanted: an answer may be, and its call not.
        let heard = self.calls.entry(event.connection.id).or_default().event(event);
        if self.selection.number.is_none_or(|number| number == self.seen) && self.selection.wants(event) {
            let mut row = Row::new(self.seen, event, &self.selection);
            row.hear(heard);
            row.comments = self.comments.of(event);
            row.outcome = self.outcomes.to(row.tcp_stream, row.direction, row.offset);
            (self.emit)(&row, event);
        }
    }

    fn closed(&mut self, connection: &Connection, _: &RtmpSession) {
        self.forget(connection.id);
    }
}

impl<'a> Row<'a> {
    /// Length of the message, part, hole or stretch in bytes, without chunk headers.
    pub fn length(&self) -> u64 {
        match &self.what {
            What::Message(message) => message.length.into(),
            What::Handshake(part) => part.length as u64,
            What::Gap { length, .. } | What::Undecoded { length } => *length,
        }
    }

    /// What Wireshark's tree calls it: `AMF0 Command connect('live')`, `Audio Data`, `Handshake C2`.
    pub fn label(&self) -> String {
        match &self.what {
            What::Message(message) => match message.body {
                // An unknown user control event is told by the type already.
                Body::UserControl(UserControl { event_type, .. })
                    if wireshark_event_name(event_type.into()).is_none() =>
                {
                    self.info.clone()
                }
                Body::Command(_) | Body::Data(_) | Body::UserControl(_) if self.info != message.r#type => {
                    format!("{} {}", message.r#type, self.info)
                }
                _ => self.info.clone(),
            },
            _ => self.info.clone(),
        }
    }

    /// Whether every byte of a message or handshake part was captured.
    pub fn complete(&self) -> Option<bool> {
        match &self.what {
            What::Message(message) => Some(message.complete),
            What::Handshake(part) => Some(part.complete),
            What::Gap { .. } | What::Undecoded { .. } => None,
        }
    }

    /// The row of an event; `number` is its number in the capture.
    pub fn new(number: u64, event: &Event<'a>, selection: &Selection) -> Row<'a> {
        let (src, dst) = event.addresses();
        let Range { start, end } = event.range();
        let (first, last) = match &event.kind {
            Kind::Gap(gap) => ((gap.frame, gap.time), (gap.frame, gap.time)),
            _ => event.frames(start..end),
        };
        let mut row = Row {
            number,
            kind: "message",
            frame: last.0,
            file: last.0.file(),
            first_frame: first.0,
            time: last.1,
            tcp_stream: event.connection.id,
            direction: event.direction,
            src,
            dst,
            offset: start,
            info: String::new(),
            detail: String::new(),
            answers: None,
            outcome: None,
            comments: Vec::new(),
            defects: Vec::new(),
            what: What::Undecoded { length: end - start },
        };
        match &event.kind {
            Kind::Message(message) => row.fill_message(message, selection),
            Kind::Handshake(part, facts) => {
                row.kind = "handshake";
                row.info = format!("Handshake {}", part.part);
                row.detail = handshake_detail(part.part, facts);
                if !part.complete {
                    row.defects.push(Defect {
                        code: "handshake-incomplete",
                        offset: start,
                        message: format!("not all of the {} bytes of {} were captured", part.part.size(), part.part),
                    });
                }
                let length = part.bytes.len();
                row.what =
                    What::Handshake(HandshakeRow { part: part.part, length, complete: part.complete, facts: *facts });
            }
            Kind::Gap(gap) => {
                row.kind = "gap";
                let about = if gap.exact { "" } else { "about " };
                let what = if gap.reason.is_in_capture() { "captured" } else { "decrypted" };
                row.info = format!("{about}{} not {what}", counted(gap.len, "byte"));
                row.detail = gap_detail(gap.reason).to_owned();
                row.defects.extend(gap_code(gap.reason).map(|code| Defect {
                    code,
                    offset: start,
                    message: row.detail.clone(),
                }));
                row.what = What::Gap { length: gap.len, reason: gap.reason };
            }
            Kind::Undecoded { why, .. } => {
                row.kind = "undecoded";
                row.info = format!("{} not decoded", counted(end - start, "byte"));
                row.defects.push(why.clone());
            }
        }
        row
    }

    fn hear(&mut self, heard: Option<TransactionOutcome>) {
        match heard {
            Some(TransactionOutcome::Response(answer)) => {
                let separator = if self.detail.is_empty() { "" } else { "; " };
                self.detail = format!("{}{separator}{answer}", self.detail);
                self.answers = Some(answer);
            }
            Some(TransactionOutcome::Wrong(defect)) => self.defects.push(defect),
            Some(TransactionOutcome::AnsweredBefore(..)) | None => {}
        }
    }

    fn fill_message(&mut self, message: &'a Message, selection: &Selection) {
        let header = message.header;
        let decoded = body::decode(header.type_id, message.decodable(), header.length, &mut ());
        self.info = summary::info(header.type_id, &decoded.body);
        self.detail = summary::detail(header.type_id, &decoded.body);
        self.defects = message.defects.clone();
        // Offsets in a row are all those of the direction's stream.
        if !decoded.defects.is_empty() {
            let map = message.body_map();
            let in_stream =
                |defect: Defect| Defect { offset: map.at(defect.offset).unwrap_or(message.end()), ..defect };
            self.defects.extend(decoded.defects.into_iter().map(in_stream));
        }
        let complete = message.is_complete();
        // What a limit let go of was captured: it has a defect of its own.
        if !complete && message.captured() < header.length {
            self.defects.push(ending_defect(message));
        }
        self.what = What::Message(Box::new(MessageRow {
            csid: message.csid.known(),
            fmt: message.is_chunked().then_some(message.fmt),
            timestamp: header.timestamp,
            timestamp_delta: header.timestamp_delta,
            length: header.length,
            type_id: header.type_id,
            r#type: header.type_id.name(),
            message_stream_id: header.message_stream_id,
            chunks: if message.is_chunked() { message.chunks.len() } else { 0 },
            complete,
            ending: message.ending,
            captured: (!complete).then(|| message.captured()),
            body: decoded.body,
            body_sha256: (selection.hash && complete).then(|| Sha256::digest(&message.body).into()),
            body_hex: selection.hex.then_some(&message.body[..]),
            message,
        }));
    }
}

fn ending_defect(message: &Message) -> Defect {
    let (captured, length) = (message.captured(), message.header.length);
    let (code, what) = match message.ending {
        Ending::Aborted => ("aborted", "the sender aborted the message with Abort Message"),
        Ending::Abandoned => ("abandoned", "another message begins on its chunk stream before it is complete"),
        Ending::Missing => ("bytes-missing", "bytes of the message are not in the capture"),
        Ending::Cut => ("cut", "the data ends inside the message"),
        Ending::Lost => ("lost", "what follows could not be decoded as its continuation"),
        Ending::Unproven => {
            ("chunk-size-unproven", "the chunk size is a guess that nothing proves, so the body may be wrong")
        }
        Ending::Complete => ("complete", "the message is complete"),
    };
    Defect { code, offset: message.end(), message: format!("{what}: {captured} of {length} bytes are here") }
}

fn handshake_detail(part: Part, facts: &HandshakeFacts) -> String {
    let mut said = Vec::new();
    if let Some(version) = facts.version {
        said.push(format!("version {version}"));
    }
    if let Some(scheme) = facts.scheme {
        said.push(scheme.to_string());
    }
    if let Some([a, b, c, d]) = facts.software.filter(|software| *software != [0; 4]) {
        said.push(format!("software {a}.{b}.{c}.{d}"));
    }
    let (answer, block) = if part == Part::C2 { ("C2", "S1") } else { ("S2", "C1") };
    match (facts.echo_ok, facts.signature_ok) {
        (Some(true), _) => said.push(format!("{answer} echoes {block}")),
        (_, Some(true)) => said.push(format!("{answer} signs {block}")),
        (Some(false), _) => said.push(format!("{answer} neither echoes nor signs {block}")),
        _ => {}
    }
    said.join(", ")
}

fn gap_detail(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Snaplen => "cut off by the snap length (tcpdump -s 0 keeps all)",
        GapReason::Acknowledged => "the receiver acknowledged them, so they were sent and are missing in the capture",
        GapReason::BufferFull => "too many bytes wait after the hole",
        GapReason::End => "still missing at the end",
        GapReason::TlsKeyMissing => "the key log has no secret for this direction of the TLS connection",
        GapReason::TlsKeyWrong => {
            "none of the TLS records can be opened: the secret in the key log is not that of this connection"
        }
        GapReason::TlsRecordBad => {
            "the TLS record is not authentic, though others are with the same keys: its bytes were changed"
        }
        GapReason::TlsRecordsUncounted => {
            "too many TLS records are missing in the capture before them: their numbers, without which they cannot be \
             decrypted, could not be found again"
        }
    }
}

/// The defect that a gap in what a tunnel gives stands for.
fn gap_code(reason: GapReason) -> Option<&'static str> {
    match reason {
        GapReason::TlsKeyMissing => Some("tls-key-missing"),
        GapReason::TlsKeyWrong => Some("tls-key-wrong"),
        GapReason::TlsRecordBad => Some("tls-record-bad"),
        GapReason::TlsRecordsUncounted => Some("tls-records-uncounted"),
        GapReason::Snaplen | GapReason::Acknowledged | GapReason::BufferFull | GapReason::End => None,
    }
}

fn as_hex<T: AsRef<[u8]>, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(bytes) => hex::serde::serialize(bytes, serializer),
        None => serializer.serialize_none(),
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_complete(ending: &Ending) -> bool {
    *ending == Ending::Complete
}
