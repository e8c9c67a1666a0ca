//! A message by itself: what it is, its bytes, and its fields with their places in the capture.

use std::fmt;
use std::net::SocketAddr;

use crate::compare::{FieldPath, field_values_of};
use crate::decode::{Row, Selection};
use crate::dissect;
use crate::field::Value;
use crate::origin::{FrameNo, Source, SourceMap, Time};
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{self, MessageClass};
use crate::rtmp::message::{Message, MessageHeader};
use crate::rtmp::{ChunkStreamId, Defect};
use crate::session::{Direction, Event};
use crate::tcp::ConnectionId;

/// A message of a capture.
///
/// As text it is the line that Wireshark shows, and after it what Wireshark leaves out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CapturedMessage {
    /// Its number in the list that `rtmp-inspect decode` prints. Handshakes and holes are counted there too.
    pub number: u64,
    /// The connection, as in Wireshark's `tcp.stream`.
    pub connection: ConnectionId,
    /// Which way it travelled.
    pub direction: Direction,
    /// The sender's address.
    pub source: SocketAddr,
    /// The receiver's address.
    pub destination: SocketAddr,
    /// The frame that completed it, where Wireshark shows it.
    pub frame: FrameNo,
    /// The frame that holds its first byte.
    pub first_frame: FrameNo,
    /// When `frame` was captured.
    pub time: Time,
    /// The chunk stream that it was sent on.
    pub chunk_stream_id: ChunkStreamId,
    /// Its type, length, timestamp and message stream, inherited ones included (RTMP 1.0 5.3.1.2).
    pub header: MessageHeader,
    /// What it is, in Wireshark's words.
    pub info: String,
    /// What Wireshark leaves out.
    pub detail: String,
    /// What is malformed in it. Offsets are those of the direction's stream.
    pub defects: Vec<Defect>,
    message: Message,
    sources: SourceMap<Source>,
}

/// A field of a message: its value, its bytes, and where they are in the capture.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Field<'a> {
    /// Its name in display filters, as `rtmpt.header.typeid`; of a value of a command or data message its path, as
    /// `connect.tcUrl`.
    pub name: String,
    /// The value as `rtmp-inspect decode -V` prints it.
    pub text: String,
    /// The value where it is a number, a boolean or a string; else [`Value::None`].
    pub value: Value,
    /// The bytes that it was read from. None if the header inherits it from the message before.
    pub bytes: &'a [u8],
    /// Offset of the first of them in the direction's TCP stream.
    pub stream_offset: Option<u64>,
    /// The frame that holds it.
    pub frame: Option<FrameNo>,
    /// Its offset in the capture file, after decompression.
    pub file_offset: Option<u64>,
}

impl CapturedMessage {
    pub(super) fn new(number: u64, event: &Event<'_>, message: &Message, sources: SourceMap<Source>) -> Self {
        let row = Row::new(number, event, &Selection::default());
        CapturedMessage {
            number,
            connection: row.tcp_stream,
            direction: row.direction,
            source: row.src,
            destination: row.dst,
            frame: row.frame,
            first_frame: row.first_frame,
            time: row.time,
            chunk_stream_id: message.csid,
            header: message.header,
            info: row.info,
            detail: row.detail,
            defects: row.defects,
            message: message.clone(),
            sources,
        }
    }

    /// The body's bytes. Those that were not captured are zero, and in [`defects`](CapturedMessage::defects).
    pub fn body(&self) -> &[u8] {
        &self.message.body
    }

    /// Whether every byte of the body was captured and decoded.
    pub fn is_complete(&self) -> bool {
        self.message.is_complete()
    }

    /// The name of a command (`connect`), or of the handler that data is for (`onMetaData`).
    pub fn name(&self) -> Option<String> {
        match body::decode(self.header.type_id, self.message.decodable(), self.header.length, &mut ()).body {
            Body::Command(command) => command.name().map(|name| name.to_string()),
            Body::Data(data) => class::handler(&data).map(|name| name.to_string()),
            _ => None,
        }
    }

    /// The fields of its first chunk header and of its body, in the order of the bytes.
    pub fn fields(&self) -> Vec<Field<'_>> {
        let mut fields = self.header_fields();
        let (type_id, length) = (self.header.type_id, self.header.length);
        let body = self.message.decodable();
        let decoded = body::decode(type_id, body, length, &mut ()).body;
        let is_coded = matches!(MessageClass::of(type_id, &decoded), MessageClass::Audio | MessageClass::Video { .. });
        let map = self.message.body_map();
        let name = self.name().unwrap_or_default();
        for unit in field_values_of(type_id, body, length, &name, is_coded) {
            let name = match &unit.path {
                FieldPath::Field(..) => format!("rtmpt.{}", unit.path),
                path => path.to_string(),
            };
            let bytes = body.get(unit.range.clone()).unwrap_or_default();
            fields.push(self.located(name, (unit.text, unit.value), bytes, map.at(unit.range.start as u64)));
        }
        fields
    }

    /// The first field with this name.
    pub fn field(&self, name: &str) -> Option<Field<'_>> {
        self.fields().into_iter().find(|field| field.name == name)
    }

    fn header_fields(&self) -> Vec<Field<'_>> {
        let section = dissect::header(&self.message);
        let with_value = section.tree.nodes().iter().filter(|node| node.value != Value::None);
        let fields = with_value.map(|node| {
            let bytes = section.bytes_of(node);
            let plain = node.value.plain(node.def.kind, bytes.len());
            let text = match node.def.meaning_of(&node.value) {
                Some(meaning) => format!("{meaning} ({plain})"),
                None => plain.into_owned(),
            };
            let at = if bytes.is_empty() { None } else { section.map.at(node.range.start as u64) };
            self.located(node.def.name.to_owned(), (text, node.value.clone()), bytes, at)
        });
        fields.collect()
    }

    /// A field whose first byte is at `at` in the direction's stream.
    fn located<'a>(
        &'a self,
        name: String,
        (text, value): (String, Value),
        bytes: &'a [u8],
        at: Option<u64>,
    ) -> Field<'a> {
        let source = at.and_then(|at| self.sources.at(at));
        Field {
            name,
            text,
            value,
            bytes,
            stream_offset: at,
            frame: source.map(|source| source.frame),
            file_offset: source.map(|source| source.file_offset),
        }
    }
}

impl fmt::Display for CapturedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.info)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, "  {}", self.detail) }
    }
}
