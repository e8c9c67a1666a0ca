//! Messages to chunks (RTMP 1.0 5.3.1), as a sender without faults writes them.
//!
//! The format of a header is the message's own where it says what has to be said, else the next one that does.
//! Chunks of different messages are not interleaved.

use std::collections::HashMap;

/// From this value on a timestamp stands in four bytes behind the header (RTMP 1.0 5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;
/// The chunk size of a direction until its sender says otherwise (RTMP 1.0 5.4.1).
const DEFAULT_SIZE: u32 = 128;

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
pub struct Encoder {
    chunk_size: u32,
    streams: HashMap<u32, Sent>,
}

/// What the last message of a chunk stream leaves to inherit.
#[derive(Clone, Copy)]
struct Sent {
    timestamp: u32,
    delta: u32,
    length: u32,
    type_id: u8,
    msid: u32,
}

impl Encoder {
    /// A sender that has sent nothing.
    pub fn new() -> Encoder {
        Encoder { chunk_size: DEFAULT_SIZE, streams: HashMap::new() }
    }

    /// The bytes of a message.
    pub fn write(&mut self, message: &Message) -> Vec<u8> {
        let mut chunks = self.chunks(message);
        if let Some(spoil) = message.spoil {
            spoil(&mut chunks);
        }
        if let (1, Some(size)) = (message.type_id, message.body.first_chunk()) {
            self.chunk_size = (u32::from_be_bytes(*size) & 0x7fff_ffff).max(1);
        }
        chunks.into_iter().flat_map(|chunk| [chunk.header, chunk.payload]).flatten().collect()
    }

    fn chunks(&mut self, message: &Message) -> Vec<Chunk> {
        let length = u32::try_from(message.body.len()).expect("a message is short");
        let sent = self.streams.get(&message.csid).copied();
        let delta = sent.map_or(0, |sent| message.timestamp.wrapping_sub(sent.timestamp));
        let fmt = match sent {
            Some(sent) if sent.msid == message.msid => {
                let repeats = sent.length == length && sent.type_id == message.type_id;
                let most = if !repeats { 1 } else { 2 + u8::from(sent.delta == delta) };
                message.fmt.min(most)
            }
            _ => 0,
        };
        let time = if fmt == 0 { message.timestamp } else { delta };
        // A type 3 header right after a full one repeats its timestamp as the delta (RTMP 1.0 5.3.1.2.4).
        self.streams.insert(
            message.csid,
            Sent { timestamp: message.timestamp, delta: time, length, type_id: message.type_id, msid: message.msid },
        );

        let mut header = basic(fmt, message.csid);
        if fmt < 3 {
            header.extend(&time.min(EXTENDED).to_be_bytes()[1..]);
        }
        if fmt < 2 {
            header.extend(&length.to_be_bytes()[1..]);
            header.push(message.type_id);
        }
        if fmt == 0 {
            header.extend(message.msid.to_le_bytes());
        }
        let mut following = basic(3, message.csid);
        if time >= EXTENDED {
            header.extend(time.to_be_bytes());
            following.extend(time.to_be_bytes());
        }
        let size = message.cut.unwrap_or(self.chunk_size) as usize;
        let mut payloads = message.body.chunks(size);
        let mut chunks = vec![Chunk { header, payload: payloads.next().unwrap_or_default().to_vec() }];
        chunks.extend(payloads.map(|payload| Chunk { header: following.clone(), payload: payload.to_vec() }));
        chunks
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
