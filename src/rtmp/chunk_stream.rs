//! One chunk stream of one direction: what its headers inherit, and the message being put together.
//!
//! Takes chunk headers and payload bytes, gives messages. Which bytes are header and which payload is
//! decided in [`super::decoder`].

use super::chunk::ChunkHeader;
use super::message::{Chunk, Ending, Message, MessageHeader};
use super::search::Known;
use super::{ChunkStreamId, Defect, MessageStreamId, MessageTypeId};

/// The state of a chunk stream.
#[derive(Clone, Debug)]
pub(super) struct ChunkStream {
    /// The message being put together; its buffers serve every message of the chunk stream.
    pub message: Message,
    /// Whether `message` is begun and not ended.
    pub is_open: bool,
    /// How many of the body's first bytes are kept.
    pub keep: u32,
    /// The last header's extended timestamp: what type-3 chunks repeat.
    pub extended: Option<u32>,
    /// Whether a header with these fields was seen at all.
    has_header: bool,
    timestamp: Option<u32>,
    delta: Option<u32>,
    /// First body byte of the last message.
    first: Option<u8>,
    /// Bytes of this direction were lost since the last full header: its timestamp may be wrong.
    pub is_stale: bool,
    /// Bytes of this direction were lost since the last header with length and type: what is inherited may be another
    /// message's.
    pub is_unsure: bool,
    /// Messages of several types came on it.
    is_mixed: bool,
    /// The message grew over the limit: its bytes are only counted.
    is_spilled: bool,
    /// What of the message the decoder counts among its open bytes.
    pub accounted: usize,
    /// What the buffers keep after the message.
    pub idle: usize,
    /// Defects of the message that were not kept.
    omitted: u32,
    /// A message was open when bytes were lost, so a type-3 chunk may continue it or begin another.
    pub is_torn: bool,
}

impl ChunkStream {
    pub fn new(csid: ChunkStreamId) -> ChunkStream {
        let header = MessageHeader {
            timestamp: None,
            timestamp_delta: None,
            length: 0,
            type_id: MessageTypeId(0),
            message_stream_id: None,
        };
        let message = Message {
            csid,
            fmt: 0,
            header,
            body: Vec::new(),
            received: 0,
            holes: Vec::new(),
            chunks: Vec::new(),
            headers: Vec::new(),
            ending: Ending::Complete,
            defects: Vec::new(),
        };
        ChunkStream {
            message,
            is_open: false,
            keep: 0,
            extended: None,
            has_header: false,
            timestamp: None,
            delta: None,
            first: None,
            is_stale: false,
            is_unsure: false,
            is_mixed: false,
            is_spilled: false,
            accounted: 0,
            idle: 0,
            omitted: 0,
            is_torn: false,
        }
    }

    /// What can be told of the next header from what came before.
    pub fn known(&self) -> Option<Known> {
        self.has_header.then(|| Known {
            length: Some(self.message.header.length),
            type_id: Some(self.message.header.type_id),
            extended: self.extended,
            first: self.first,
            open: if self.is_open { self.left() } else { 0 },
            torn: self.is_torn,
        })
    }

    /// Whether it cannot be told which message's length and type a header without them repeats: bytes were lost since, and
    /// messages of several types come on this chunk stream. Of control messages, only Acknowledgements come in series.
    pub fn may_inherit_anything(&self) -> bool {
        self.is_unsure && self.is_of_many_types()
    }

    /// Whether messages of several types come on it, as far as is known.
    pub fn is_of_many_types(&self) -> bool {
        let type_id = self.message.header.type_id;
        self.is_mixed || type_id.is_protocol_control() && type_id != MessageTypeId::ACKNOWLEDGEMENT
    }

    /// Whether there is a header to inherit length and type from.
    pub fn has_header(&self) -> bool {
        self.has_header
    }

    /// Body bytes still to come.
    pub fn left(&self) -> u32 {
        self.message.header.length - self.message.received
    }

    /// The timestamp of the last message, in ms.
    pub fn timestamp(&self) -> Option<u32> {
        self.timestamp
    }

    /// Begins a message: header fields from `header`, the rest inherited. `origin_known` says whether
    /// the direction was seen from its start, so that what was never named is 0.
    pub fn begin(&mut self, header: &ChunkHeader, origin_known: bool) {
        self.message.clear();
        self.is_open = true;
        self.is_spilled = false;
        self.omitted = 0;
        self.message.fmt = header.fmt;
        let unnamed = origin_known.then_some(0);
        match header.fmt {
            0 => {
                self.timestamp = header.time;
                // A type-3 header that begins a message right after this one adds the timestamp itself
                // (RTMP 1.0 5.3.1.2.4).
                self.delta = header.time;
            }
            1 | 2 => {
                self.delta = header.time;
                self.advance(header, unnamed);
            }
            _ => self.advance(header, unnamed),
        }
        let fields = &mut self.message.header;
        fields.timestamp = self.timestamp;
        fields.timestamp_delta = (header.fmt > 0).then_some(self.delta).flatten();
        if let (Some(length), Some(type_id)) = (header.length, header.type_id) {
            self.is_mixed |= self.has_header && fields.type_id != type_id;
            (fields.length, fields.type_id) = (length, type_id);
            self.is_unsure = false;
        }
        if let Some(stream) = header.message_stream_id.or(fields.message_stream_id).or(unnamed.map(MessageStreamId)) {
            fields.message_stream_id = Some(stream);
        }
        if header.fmt < 3 {
            self.extended = header.extended;
        }
        if self.is_stale && header.fmt > 0 {
            self.note(Defect {
                code: "timestamp-uncertain",
                offset: 0,
                message: "bytes were lost since the last absolute timestamp on this chunk stream, so deltas may be \
                          missing from this one"
                    .to_owned(),
            });
        }
        if header.fmt == 0 {
            self.is_stale = false;
        }
        self.is_torn = false;
        self.has_header = true;
    }

    /// Adds the delta in force to the timestamp.
    ///
    /// An extended field on fmt 1 and 2 is a delta (RTMP 1.0 5.3.1.2.5); some senders put the absolute
    /// time there. As a delta it is more than four and a half hours, so a value within a minute of the
    /// time before is the absolute one.
    fn advance(&mut self, header: &ChunkHeader, unnamed: Option<u32>) {
        let before = self.timestamp.or(unnamed);
        let absolute = match (header.extended, before) {
            (Some(value), Some(before)) if header.fmt < 3 && before > 60_000 => value.abs_diff(before) < 60_000,
            _ => false,
        };
        if let (true, Some(value), Some(before)) = (absolute, header.extended, before) {
            self.delta = Some(value.wrapping_sub(before));
            self.note(Defect {
                code: "ext-abs-vs-delta",
                offset: 0,
                message: format!(
                    "the extended timestamp {value} of this fmt {} header is treated as absolute: as a delta it would \
                     jump from {before} ms to {} ms",
                    header.fmt,
                    before.wrapping_add(value)
                ),
            });
        }
        self.timestamp = match (before, self.delta) {
            (Some(before), Some(delta)) => Some(before.wrapping_add(delta)),
            _ => None,
        };
    }

    /// Adds a chunk's header to the ledger. Its payload is counted as it arrives.
    pub fn add_chunk(&mut self, at: u64, fmt: u8, header: &[u8], chunk_size: u32) {
        let header_len = header.len() as u8;
        if self.is_spilled {
            // The first and the last chunk are enough to say where the message is.
            self.message.chunks.truncate(1);
            self.message.headers.truncate(self.message.chunks.first().map_or(0, |chunk| chunk.header_len.into()));
        }
        self.message.chunks.push(Chunk { at, header_len, fmt, payload: 0, chunk_size });
        self.message.headers.extend_from_slice(header);
    }

    /// Adds payload bytes.
    pub fn add_payload(&mut self, bytes: &[u8]) {
        if self.message.received == 0 {
            self.first = bytes.first().copied();
        }
        let room = (self.keep as usize).saturating_sub(self.message.body.len()).min(bytes.len());
        self.message.body.extend_from_slice(&bytes[..room]);
        self.count(bytes.len() as u32);
    }

    /// Adds `len` payload bytes that were not captured.
    pub fn add_hole(&mut self, len: u32) {
        let from = self.message.received;
        match self.message.holes.last_mut() {
            Some(last) if last.end == from => last.end += len,
            _ => self.message.holes.push(from..from + len),
        }
        let kept = (self.keep as usize).min(from as usize + len as usize);
        if kept > self.message.body.len() {
            self.message.body.resize(kept, 0);
        }
        self.count(len);
    }

    /// Whether letting go of the message's bytes would help the limit on open bytes. Set Chunk Size and its like
    /// are small, and what follows cannot be read without them.
    pub fn can_spill(&self) -> bool {
        self.is_open && !self.is_spilled && !self.message.header.type_id.is_protocol_control()
    }

    /// Lets go of the message's bytes; from here on they are only counted.
    pub fn spill(&mut self, defect: Defect) {
        self.is_spilled = true;
        self.keep = 0;
        self.message.let_go();
        self.message.ending = Ending::Missing;
        self.note(defect);
    }

    /// Adds a defect to the message. A hostile one could have one in each of millions of chunks.
    pub fn note(&mut self, defect: Defect) {
        const MOST: usize = 64;
        if self.message.defects.len() < MOST {
            self.message.defects.push(defect);
        } else {
            self.omitted += 1;
        }
    }

    /// Ends the message.
    pub fn end(&mut self, ending: Ending) {
        self.is_open = false;
        if self.message.ending == Ending::Complete {
            self.message.ending = ending;
        }
        if self.omitted > 0 {
            let message = format!("{} more defects of this message are not listed", self.omitted);
            self.message.defects.push(Defect { code: "defects-omitted", offset: self.message.end(), message });
        }
    }

    fn count(&mut self, len: u32) {
        self.message.received += len;
        if let Some(chunk) = self.message.chunks.last_mut() {
            chunk.payload += len;
        }
    }
}
