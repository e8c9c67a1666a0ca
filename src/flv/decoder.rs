//! Tags as messages: what an FLV file and an HTTP-FLV body have in common with a direction of RTMP.
//!
//! Takes the bytes of a direction with their sources, and its holes; gives a message for each tag, and says which bytes
//! are none. What only chunks have (a chunk stream, a message stream, formats) is absent: the chunk stream is
//! [`ChunkStreamId::NONE`], and the only "chunk" is the tag itself, so that every byte of the body has its place.

use std::ops::Range;

use super::{Item, Parser, TAG_HEADER, Tag};
use crate::field::Defect;
use crate::origin::{Source, SourceMap};
use crate::rtmp::ChunkStreamId;
use crate::rtmp::message::{Chunk, Ending, Message, MessageHeader};

/// What comes of the bytes.
#[derive(Debug)]
pub enum Event {
    /// A tag.
    Message(Box<Message>),
    /// Bytes that are no tag, or one that is encrypted.
    Undecoded {
        /// Their offsets.
        range: Range<u64>,
        /// Why.
        why: Defect,
    },
}

/// Makes messages of a direction's tags.
#[derive(Debug)]
pub struct Decoder {
    parser: Parser,
    sources: SourceMap<Source>,
    /// So much of a media body is kept.
    prefix: u32,
    /// What is wrong with the file's header, for the first tag.
    of_header: Vec<Defect>,
}

impl Decoder {
    /// One at the beginning of a direction that keeps so many bytes of a media body.
    pub fn new(prefix: u32) -> Decoder {
        Decoder { parser: Parser::new(), sources: SourceMap::default(), prefix, of_header: Vec::new() }
    }

    /// How many bytes wait for more.
    pub fn open_bytes(&self) -> usize {
        self.parser.open_bytes()
    }

    /// Takes the next bytes; `sources` says where they are.
    pub fn push(
        &mut self,
        offset: u64,
        bytes: &[u8],
        sources: &[(u32, Source)],
        out: &mut dyn FnMut(Event, &SourceMap<Source>),
    ) {
        for (i, &(start, source)) in sources.iter().enumerate() {
            let end = sources.get(i + 1).map_or(bytes.len() as u64, |next| next.0.into());
            self.sources.push(offset + u64::from(start), end - u64::from(start), source);
        }
        self.parser.push(bytes);
        self.give(Ending::Cut, out);
        self.sources.forget_before((offset + bytes.len() as u64).saturating_sub(self.open_bytes() as u64));
    }

    /// Gives what there is before a hole of so many bytes; a tag that it cuts is damaged.
    pub fn gap(&mut self, len: u64, out: &mut dyn FnMut(Event, &SourceMap<Source>)) {
        self.parser.finish();
        self.give(Ending::Missing, out);
        self.parser.resume(len);
    }

    /// Gives what is left when no more bytes come.
    pub fn finish(&mut self, out: &mut dyn FnMut(Event, &SourceMap<Source>)) {
        self.parser.finish();
        self.give(Ending::Cut, out);
    }

    fn give(&mut self, ending: Ending, out: &mut dyn FnMut(Event, &SourceMap<Source>)) {
        while let Some(item) = self.parser.next_item() {
            match item {
                Item::Header { defects, .. } => self.of_header.extend(defects),
                Item::Garbage { offset, len } => {
                    let why = Defect::new("flv-garbage", offset as usize, "these bytes are not an FLV tag");
                    out(Event::Undecoded { range: offset..offset + len, why }, &self.sources);
                }
                Item::Tag(tag) if tag.is_encrypted => {
                    let end = tag.body_offset() + tag.body.len() as u64;
                    let what = "an FLV tag whose body is encrypted (E.4.1, Filter)";
                    let why = Defect::new("flv-encrypted", tag.offset as usize, what);
                    out(Event::Undecoded { range: tag.offset..end, why }, &self.sources);
                }
                Item::Tag(tag) => {
                    let message = self.message(tag, ending);
                    out(Event::Message(Box::new(message)), &self.sources);
                }
            }
        }
    }

    fn message(&mut self, mut tag: Tag, ending: Ending) -> Message {
        let received = tag.body.len() as u32;
        let is_complete = tag.is_complete();
        let mut defects = std::mem::take(&mut self.of_header);
        // That it is cut is told by how it ended.
        defects.extend(tag.defects.drain(..).filter(|defect| defect.code != "flv-tag-cut"));
        if tag.type_id.is_media() {
            tag.body.truncate(self.prefix as usize);
        }
        let chunk = Chunk {
            at: tag.offset,
            header_len: tag.header.len().min(TAG_HEADER) as u8,
            fmt: 0,
            payload: received,
            chunk_size: tag.length,
        };
        Message {
            csid: ChunkStreamId::NONE,
            fmt: 0,
            header: MessageHeader {
                timestamp: Some(tag.timestamp),
                timestamp_delta: None,
                length: tag.length,
                type_id: tag.type_id,
                message_stream_id: None,
            },
            body: tag.body,
            received,
            holes: Vec::new(),
            chunks: vec![chunk],
            headers: tag.header,
            ending: if is_complete { Ending::Complete } else { ending },
            defects,
        }
    }
}
