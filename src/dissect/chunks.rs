//! A message's chunk headers: the first one with what it inherits, and the ledger of them all.
//!
//! Both sections read the message's header bytes, the ledger those after the first header, so that
//! together they name every header byte once.

use crate::field::{Reader, Record, Tree, Value};
use crate::origin::{FrameNo, SourceMap};
use crate::rtmp::chunk::{self, ChunkHeader};
use crate::rtmp::message::{Chunk, Message};
use crate::session::Event;

use super::Section;

crate::fields! {
    LEDGER = "rtmpt.chunks", Group, "Chunks", "The chunks that the message came in (RTMP 1.0 5.3; own name).";
    CHUNK = "rtmpt.chunk", Group, "Chunk", "One chunk: header and payload (RTMP 1.0 5.3.1; own name).";
    CHUNK_FORMAT = "rtmpt.chunk.format", Uint, "Format", "The chunk's own format, 0 to 3 (own name).";
    CHUNK_OFFSET = "rtmpt.chunk.offset", Uint, "Stream offset",
        "Offset of the chunk's header in its direction's TCP stream, from 0 (own name).";
    CHUNK_HEADER_LENGTH = "rtmpt.chunk.header_length", Uint, "Header length", "Bytes of the chunk's header (own name).";
    CHUNK_PAYLOAD = "rtmpt.chunk.payload", Uint, "Payload", "Bytes of the message in the chunk (own name).";
    CHUNK_SIZE = "rtmpt.chunk.size", Uint, "Chunk size in force", "The most payload a chunk could have there (own name).";
    CHUNK_FRAME = "rtmpt.chunk.frame", Uint, "Frame", "The frame that holds the chunk's first byte (own name).";
    CHUNK_LAST_FRAME = "rtmpt.chunk.last_frame", Uint, "Last frame", "The frame that holds the chunk's last byte (own name).";
}

/// One chunk of a message, with what the ledger says of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its place in the message, from 1.
    pub number: usize,
    /// How it was cut.
    pub chunk: &'a Chunk,
    /// The bytes of its header.
    pub header: &'a [u8],
    /// The frames that hold its first and its last byte, if those were captured.
    pub frames: [Option<FrameNo>; 2],
}

/// The ledger: the chunks of a message in order.
pub fn entries<'a>(message: &'a Message, event: &'a Event<'_>) -> impl Iterator<Item = Entry<'a>> {
    // The header of a tag of FLV is none of a chunk.
    let chunked = message.is_chunked().then(|| message.chunk_headers());
    chunked.into_iter().flatten().enumerate().map(|(index, (chunk, header))| {
        let end = chunk.at + u64::from(chunk.header_len) + u64::from(chunk.payload);
        let frames = [chunk.at, end - 1].map(|at| Some(event.sources.at(at)?.frame));
        Entry { number: index + 1, chunk, header, frames }
    })
}

/// The first chunk's header, and what it inherits from the headers before it.
pub fn header(message: &Message) -> Section<'_> {
    let mut tree = Tree::default();
    if let Some((chunk, bytes)) = message.chunk_headers().next().filter(|_| message.is_chunked()) {
        read(&mut Reader::new(bytes, &mut tree), chunk, |reader| inherited(message, reader));
    }
    section(message, tree)
}

/// All chunks: how each was cut, and the headers of all but the first.
pub fn ledger<'a>(message: &'a Message, event: &Event<'_>) -> Section<'a> {
    let mut tree = Tree::default();
    if message.is_chunked() {
        let mut reader = Reader::new(&message.headers, &mut tree);
        reader.group(&LEDGER, |reader| {
            for entry in entries(message, event) {
                one(message, &entry, reader);
            }
        });
    }
    section(message, tree)
}

/// The ledger's group without what is in it.
pub fn ledger_group(message: &Message) -> Section<'_> {
    let mut tree = Tree::default();
    if message.is_chunked() {
        let mut reader = Reader::new(&message.headers, &mut tree);
        reader.group(&LEDGER, |reader| reader.skip(message.headers.len()));
    }
    section(message, tree)
}

/// The ledger a chunk at a time: a message may come in millions of them, each with a dozen fields.
pub fn each<'a>(message: &'a Message, event: &'a Event<'_>) -> impl Iterator<Item = Section<'a>> {
    let mut at = 0;
    entries(message, event).map(move |entry| {
        let mut tree = Tree::default();
        let mut reader = Reader::new(&message.headers, &mut tree);
        reader.skip(at);
        one(message, &entry, &mut reader);
        let mut map = SourceMap::default();
        map.push(at as u64, entry.header.len() as u64, entry.chunk.at);
        at += entry.header.len();
        Section { tree, bytes: &message.headers, map }
    })
}

fn one<R: Record>(message: &Message, entry: &Entry<'_>, reader: &mut Reader<'_, '_, R>) {
    let Entry { number, chunk, header, .. } = entry;
    reader.group(&CHUNK, |reader| {
        let of = message.chunks.len();
        reader.describe(|| format!("Chunk {number} of {of}: fmt {}, {} bytes of payload", chunk.fmt, chunk.payload));
        facts(entry, reader);
        match number {
            1 => reader.skip(header.len()),
            _ => reader.within(header.len(), |reader| read(reader, chunk, |_| {})),
        }
    });
}

fn section(message: &Message, tree: Tree) -> Section<'_> {
    let mut map = SourceMap::default();
    let mut at = 0;
    for chunk in &message.chunks {
        map.push(at, chunk.header_len.into(), chunk.at);
        at += u64::from(chunk.header_len);
    }
    Section { tree, bytes: &message.headers, map }
}

fn read<R: Record>(reader: &mut Reader<'_, '_, R>, chunk: &Chunk, more: impl FnOnce(&mut Reader<'_, '_, R>)) {
    reader.group(&chunk::HEADER, |reader| {
        // The ledger knows how long the header is, so also whether a type 3 has an extended timestamp.
        let basic = match reader.peek().first().map(|first| first & 0x3f) {
            Some(0) => 2,
            Some(1) => 3,
            _ => 1,
        };
        let extended = chunk.fmt == 3 && usize::from(chunk.header_len) == basic + 4;
        let _ = ChunkHeader::read(reader, |_| extended);
        reader.rest(&chunk::REST);
        more(reader);
    });
}

fn inherited<R: Record>(message: &Message, reader: &mut Reader<'_, '_, R>) {
    const BEFORE: &str = "inherited from the chunk stream's message before";
    let header = &message.header;
    if message.fmt > 0
        && let Some(timestamp) = header.timestamp
    {
        reader.derived(
            &chunk::TIMESTAMP,
            || Value::Uint(timestamp.into()),
            "the chunk stream's timestamp before, plus the delta",
        );
    }
    if message.fmt == 3
        && let Some(delta) = header.timestamp_delta
    {
        reader.derived(&chunk::TIMESTAMP_DELTA, || Value::Uint(delta.into()), BEFORE);
    }
    if message.fmt > 1 {
        reader.derived(&chunk::BODY_SIZE, || Value::Uint(header.length.into()), BEFORE);
        reader.derived(&chunk::TYPE_ID, || Value::Uint(header.type_id.0.into()), BEFORE);
    }
    if message.fmt > 0
        && let Some(stream) = header.message_stream_id
    {
        reader.derived(&chunk::STREAM_ID, || Value::Uint(stream.0.into()), BEFORE);
    }
}

fn facts<R: Record>(entry: &Entry<'_>, reader: &mut Reader<'_, '_, R>) {
    let chunk = entry.chunk;
    let mut add = |def, value: u64| reader.derived(def, || Value::Uint(value), "");
    add(&CHUNK_FORMAT, chunk.fmt.into());
    add(&CHUNK_OFFSET, chunk.at);
    add(&CHUNK_HEADER_LENGTH, chunk.header_len.into());
    add(&CHUNK_PAYLOAD, chunk.payload.into());
    add(&CHUNK_SIZE, chunk.chunk_size.into());
    if let Some(frame) = entry.frames[0] {
        add(&CHUNK_FRAME, frame.number());
    }
    if let Some(frame) = entry.frames[1] {
        add(&CHUNK_LAST_FRAME, frame.number());
    }
}
