//! Messages: what the chunks of one chunk stream make together.
//!
//! A [`Message`] holds its header, its body (of long media bodies only the first bytes, if the caller
//! wants no more), and the ledger of its chunks, from which every body byte can be traced to its
//! offset in the direction's stream.

use std::ops::Range;

use serde::Serialize;

use crate::origin::SourceMap;

use super::{ChunkStreamId, Defect, MessageStreamId, MessageTypeId};

/// What a message's first header says, with what it inherits (RTMP 1.0 5.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageHeader {
    /// Absolute time in ms; unknown if the capture starts after the last absolute one.
    pub timestamp: Option<u32>,
    /// The delta that led to it, for fmt 1 to 3, in ms.
    pub timestamp_delta: Option<u32>,
    /// Length of the body in bytes.
    pub length: u32,
    /// What the message is.
    pub type_id: MessageTypeId,
    /// The message stream; unknown if the capture starts after the header that named it.
    pub message_stream_id: Option<MessageStreamId>,
}

/// One chunk of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of its header in the direction's stream.
    pub at: u64,
    /// Length of its header in bytes.
    pub header_len: u8,
    /// Its format, 0 to 3.
    pub fmt: u8,
    /// Length of its payload in bytes.
    pub payload: u32,
    /// The chunk size in force for it.
    pub chunk_size: u32,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All of its bytes are there.
    Complete,
    /// The sender gave it up with Abort Message (RTMP 1.0 5.4.2).
    Aborted,
    /// Another message began on its chunk stream before it was whole.
    Abandoned,
    /// Bytes of it were not captured.
    Missing,
    /// The data ended inside it.
    Cut,
    /// What should continue it could not be decoded.
    Lost,
    /// Its chunks were told apart by a chunk size that nothing proves, so the body may be wrong.
    Unproven,
}

/// A message, whole or not.
#[derive(Clone, Debug)]
pub struct Message {
    /// The chunk stream it came on.
    pub csid: ChunkStreamId,
    /// The format of its first chunk.
    pub fmt: u8,
    /// Its header.
    pub header: MessageHeader,
    /// The first bytes of the body: all of them, unless the options ask for less of media bodies.
    /// Bytes that were not captured are zero and are in `holes`.
    pub body: Vec<u8>,
    /// How many body bytes the chunks accounted for, captured or not.
    pub received: u32,
    /// Parts of the body that were not captured.
    pub holes: Vec<Range<u32>>,
    /// Its chunks in order. Empty if not even one chunk header was captured.
    pub chunks: Vec<Chunk>,
    /// The header bytes of its chunks, one after the other.
    pub headers: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
    /// What is wrong with its framing.
    pub defects: Vec<Defect>,
}

impl Message {
    /// Whether every byte of the body was captured.
    pub fn is_complete(&self) -> bool {
        self.ending == Ending::Complete
    }

    /// Whether it came in chunks; else it is a tag of FLV, with its header in place of a chunk's.
    pub fn is_chunked(&self) -> bool {
        self.csid.known().is_some()
    }

    /// Offset of its first chunk header in the direction's stream.
    pub fn start(&self) -> u64 {
        self.chunks.first().map_or(0, |chunk| chunk.at)
    }

    /// One past its last byte in the direction's stream.
    pub fn end(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.at + u64::from(chunk.header_len) + u64::from(chunk.payload))
    }

    /// How many body bytes were captured.
    pub fn captured(&self) -> u32 {
        self.received - self.holes.iter().map(|hole| hole.end - hole.start).sum::<u32>()
    }

    /// The bytes of the body up to its first hole: what comes after a hole is not decoded as if it followed.
    pub fn decodable(&self) -> &[u8] {
        let end = self.holes.first().map_or(usize::MAX, |hole| hole.start as usize);
        &self.body[..self.body.len().min(end)]
    }

    /// Where the body's bytes are in the direction's stream.
    pub fn body_map(&self) -> SourceMap<u64> {
        let mut map = SourceMap::default();
        let mut at = 0u64;
        for chunk in &self.chunks {
            let end = at + u64::from(chunk.payload);
            let stream = chunk.at + u64::from(chunk.header_len);
            let mut from = at;
            for hole in &self.holes {
                let (hole_start, hole_end) =
                    (u64::from(hole.start).clamp(from, end), u64::from(hole.end).clamp(from, end));
                map.push(from, hole_start - from, stream + (from - at));
                from = hole_end;
            }
            map.push(from, end - from, stream + (from - at));
            at = end;
        }
        map
    }

    /// The header bytes of each chunk, beside the chunk.
    pub fn chunk_headers(&self) -> impl Iterator<Item = (&Chunk, &[u8])> {
        let mut at = 0;
        self.chunks.iter().map(move |chunk| {
            let end = at + usize::from(chunk.header_len);
            let bytes = self.headers.get(at..end).unwrap_or_default();
            at = end;
            (chunk, bytes)
        })
    }

    /// How many bytes of memory it holds, for the limit on open messages.
    pub(super) fn footprint(&self) -> usize {
        let lists = self.chunks.len() * size_of::<Chunk>() + self.holes.len() * size_of::<Range<u32>>();
        self.body.len() + self.headers.len() + lists
    }

    /// Frees the body and all chunks but the first and the last, which say where the message is.
    pub(super) fn let_go(&mut self) {
        self.body = Vec::new();
        self.holes = Vec::new();
        let Some(last) = self.chunks.last().copied().filter(|_| self.chunks.len() > 1) else { return };
        let last_header = self.headers.split_off(self.headers.len() - usize::from(last.header_len));
        self.headers.truncate(self.chunks[0].header_len.into());
        self.headers.extend(last_header);
        self.headers.shrink_to_fit();
        self.chunks.truncate(1);
        self.chunks.push(last);
        self.chunks.shrink_to_fit();
    }

    /// How many bytes its buffers take.
    pub(super) fn capacity(&self) -> usize {
        self.body.capacity() + self.headers.capacity() + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Frees the buffers of a message that was told of, but for the number that a control message holds.
    pub(super) fn free(&mut self) {
        self.body.truncate(4);
        self.body.shrink_to_fit();
        self.chunks.truncate(1);
        self.chunks.shrink_to_fit();
        self.headers = Vec::new();
        self.holes = Vec::new();
        self.defects = Vec::new();
    }

    /// Becomes a copy of another message, in its own buffers.
    pub(crate) fn copy(&mut self, of: &Message) {
        let Message { csid, fmt, header, body, received, holes, chunks, headers, ending, defects } = of;
        (self.csid, self.fmt, self.header, self.received, self.ending) = (*csid, *fmt, *header, *received, *ending);
        self.body.clone_from(body);
        self.holes.clone_from(holes);
        self.chunks.clone_from(chunks);
        self.headers.clone_from(headers);
        self.defects.clone_from(defects);
    }

    /// Empties the message for the next one on its chunk stream; the buffers are kept unless they are large.
    pub(super) fn clear(&mut self) {
        const KEPT: usize = 64 * 1024;
        self.body.clear();
        self.body.shrink_to(KEPT);
        self.chunks.clear();
        self.chunks.shrink_to(KEPT / size_of::<Chunk>());
        self.headers.clear();
        self.holes.clear();
        self.defects.clear();
        self.received = 0;
        self.ending = Ending::Complete;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_the_body_has_no_origin() {
        let chunk = |at, payload| Chunk { at, header_len: 1, fmt: 3, payload, chunk_size: 10 };
        let message = Message {
            csid: ChunkStreamId(3),
            fmt: 0,
            header: MessageHeader {
                timestamp: Some(0),
                timestamp_delta: None,
                length: 15,
                type_id: MessageTypeId::AUDIO,
                message_stream_id: None,
            },
            body: vec![0; 15],
            received: 15,
            holes: std::iter::once(8..12).collect(),
            chunks: vec![chunk(100, 10), chunk(111, 5)],
            headers: vec![0xc3, 0xc3],
            ending: Ending::Missing,
            defects: Vec::new(),
        };
        let runs: Vec<_> = message.body_map().runs().map(|run| (run.start, run.len, run.from)).collect();
        assert_eq!(runs, [(0, 8, 101), (12, 3, 114)]);
        assert_eq!((message.start(), message.end(), message.captured()), (100, 117, 11));
    }
}
