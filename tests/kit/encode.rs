//! Messages to chunks (RTMP 1.0 5.3.1): the library's model of a sender, and what faults do to finished chunks.
//!
//! The format of a header is the message's own where it says what has to be said, else the next one that does.
//! Chunks of different messages are not interleaved.

use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::sender::{self, Field, Mistake, Operator, Scope, Sender};

/// A message, and how its sender writes it.
#[derive(Clone)]
pub struct Message {
    /// The chunk stream.
    pub csid: u32,
    /// The format of its first header, where that is possible.
    pub fmt: u8,
    /// Absolute time in ms.
    pub timestamp: u32,
    /// What it is.
    pub type_id: u8,
    /// The message stream.
    pub msid: u32,
    /// Its body.
    pub body: Vec<u8>,
    /// The sender cuts chunks of this size, whatever it announced.
    pub cut: Option<u32>,
    /// What the sender does wrong with the finished chunks.
    pub spoil: Option<fn(&mut Vec<Chunk>)>,
}

impl Message {
    /// A message with a full header.
    pub fn new(csid: u32, type_id: u8, msid: u32, timestamp: u32, body: &[u8]) -> Message {
        Message { csid, fmt: 0, timestamp, type_id, msid, body: body.to_vec(), cut: None, spoil: None }
    }

    /// Whether it is an AMF0 command called `name`.
    pub fn is_command(&self, name: &str) -> bool {
        let name = [&[2, 0, name.len() as u8], name.as_bytes()].concat();
        self.type_id == 20 && self.body.starts_with(&name)
    }
}

/// Messages are equal if a receiver of the bytes gets the same: how they were cut does not count.
impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        let of = |message: &Message| (message.type_id, message.timestamp, message.msid);
        of(self) == of(other) && self.body == other.body
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.body[..self.body.len().min(24)];
        let (csid, fmt, time, msid, len) = (self.csid, self.fmt, self.timestamp, self.msid, self.body.len());
        write!(f, "csid {csid} fmt {fmt} type {} msid {msid} ts {time} {len} bytes {start:02x?}", self.type_id)
    }
}

/// A chunk's bytes.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Its header.
    pub header: Vec<u8>,
    /// Its part of the body.
    pub payload: Vec<u8>,
}

/// The sender of one direction.
#[derive(Default)]
pub struct Encoder {
    sender: Sender,
}

impl Encoder {
    /// A sender that has sent nothing.
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// A sender that makes mistakes.
    pub fn with(mistakes: &[Mistake]) -> Encoder {
        Encoder { sender: Sender::with(mistakes.to_vec()) }
    }

    /// The bytes of a message.
    pub fn write(&mut self, message: &Message) -> Vec<u8> {
        let Message { csid, fmt, timestamp, type_id, msid, body, .. } = message;
        let type_id = MessageTypeId(*type_id);
        let meant =
            sender::Message { csid: *csid, form: 1, fmt: *fmt, timestamp: *timestamp, type_id, msid: *msid, body };
        let cut = message.cut.map(|size| Mistake {
            operator: Operator::Constant(size),
            field: Field::ChunkSize,
            scope: Scope::one(&meant),
        });
        self.sender.mistakes.extend(cut);
        let (mut chunks, mut from) = (Vec::new(), 0);
        loop {
            let chunk = self.sender.next(&meant, from);
            from += chunk.covered();
            let payload = [chunk.payload, &vec![0; chunk.padding + chunk.extra]].concat();
            chunks.push(Chunk { header: chunk.header, payload });
            if from == body.len() {
                break;
            }
        }
        if cut.is_some() {
            self.sender.mistakes.pop();
        }
        if let Some(spoil) = message.spoil {
            spoil(&mut chunks);
        }
        chunks.into_iter().flat_map(|chunk| [chunk.header, chunk.payload]).flatten().collect()
    }
}

/// A basic header (RTMP 1.0 5.3.1.1).
pub fn basic(fmt: u8, csid: u32) -> Vec<u8> {
    let fmt = fmt << 6;
    match csid {
        2..64 => vec![fmt | csid as u8],
        64..320 => vec![fmt, (csid - 64) as u8],
        _ => vec![fmt | 1, (csid - 64) as u8, ((csid - 64) >> 8) as u8],
    }
}
