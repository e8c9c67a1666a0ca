//! One row of the list with every byte named.
//!
//! Takes a row and the event it was made from, gives its fields in [`Section`]s: the frame, the first chunk's
//! header, the ledger of all chunks, and the body or the handshake. Sections are made when they are asked
//! for, by the decoders that also gave the row its values; nothing here knows a layout. Names are looked up
//! through the [`vocabulary`], properties of commands and data by their [`paths`].

mod chunks;
mod filter;
mod frame;
mod json;
pub mod paths;
pub mod vocabulary;

use std::cell::OnceCell;
use std::ops::Range;

use crate::decode::{Row, What};
use crate::field::{Def, Kind, Node, Reader, Tree, Value};
use crate::origin::{FrameNo, SourceMap, Time};
use crate::rtmp::message::Message;
use crate::rtmp::{body, handshake};
use crate::session::{self, Event};

pub use chunks::{Entry, header};
pub use filter::Vocabulary;
use vocabulary::{Known, Place};

/// A row's fields.
pub struct Dissection<'a> {
    row: &'a Row<'a>,
    event: &'a Event<'a>,
    start: Time,
    sections: [OnceCell<Section<'a>>; Place::ALL.len()],
}

/// Fields, the bytes they were read from, and where those are.
#[derive(Debug)]
pub struct Section<'a> {
    /// The fields; their ranges are offsets in `bytes`.
    pub tree: Tree,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where they are in the direction's stream.
    pub map: SourceMap<u64>,
}

impl<'a> Dissection<'a> {
    /// The fields of a row; `start` is the time of the capture's first frame.
    pub fn new(row: &'a Row<'a>, event: &'a Event<'a>, start: Time) -> Dissection<'a> {
        Dissection { row, event, start, sections: Default::default() }
    }

    /// The row.
    pub fn row(&self) -> &'a Row<'a> {
        self.row
    }

    /// The message, if the row is one.
    pub fn message(&self) -> Option<&'a Message> {
        match &self.row.what {
            What::Message(message) => Some(message.message),
            _ => None,
        }
    }

    /// The chunks of a message in order; none for other rows.
    pub fn ledger(&self) -> impl Iterator<Item = Entry<'_>> {
        self.message().into_iter().flat_map(|message| chunks::entries(message, self.event))
    }

    /// The fields of the ledger, a chunk at a time: all at once they may take a thousand times the message's size.
    pub fn chunk_sections(&self) -> impl Iterator<Item = Section<'a>> + use<'a> {
        let event = self.event;
        self.message().into_iter().flat_map(move |message| chunks::each(message, event))
    }

    /// Whether the byte at an offset of the direction's stream was captured.
    pub fn is_captured(&self, offset: u64) -> bool {
        self.event.sources.at(offset).is_some()
    }

    /// The fields of one place.
    pub fn section(&self, place: Place) -> &Section<'a> {
        self.sections[place as usize].get_or_init(|| match place {
            Place::Frame => Section::without_bytes(frame::tree(self.row, self.start)),
            Place::Header => self.message().map_or_else(Section::empty, chunks::header),
            Place::Chunks => self.message().map_or_else(Section::empty, |message| chunks::ledger(message, self.event)),
            Place::Content => self.content(),
        })
    }

    /// All fields, in the order of the bytes.
    pub fn sections(&self) -> impl Iterator<Item = (Place, &Section<'a>)> {
        Place::ALL.into_iter().map(|place| (place, self.section(place)))
    }

    /// Calls `each` with every value of the field called `name`: the field, the value, and the bytes that it was
    /// read from, empty for a derived one. Groups are given with [`Value::None`], those that are bytes as bytes.
    pub fn each_value(&self, name: &str, mut each: impl FnMut(&'static Def, &Value, &[u8])) {
        let Some(known) = vocabulary::find(name) else {
            return paths::each_value(name, self.row, each);
        };
        match known {
            Known::Field { def, place } => {
                let mut values_in = |section: &Section<'a>| {
                    for node in section.tree.nodes().iter().filter(|node| node.def.name == def.name) {
                        let bytes = section.bytes_of(node);
                        match node.value {
                            Value::None if node.def.kind == Kind::Bytes => {
                                each(node.def, &Value::Bytes(bytes.to_vec()), bytes);
                            }
                            _ => each(node.def, &node.value, bytes),
                        }
                    }
                };
                match (place, self.message()) {
                    (Place::Chunks, Some(message)) => {
                        values_in(&chunks::ledger_group(message));
                        self.chunk_sections().for_each(|section| values_in(&section));
                    }
                    _ => values_in(self.section(place)),
                }
            }
            Known::Protocol { def, prefix, place } => {
                let is_there =
                    |node: &Node| node.def.name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
                // A header is there without a field in the body, and part of a handshake the other way round.
                let mut places = [Place::Header, place].into_iter();
                if places.any(|place| self.section(place).tree.nodes().iter().any(is_there)) {
                    each(def, &Value::None, &[]);
                }
            }
        }
    }

    /// Where bytes of a section are: their first offset in the direction's stream, and their frames in order.
    pub fn origin(&self, section: &Section<'_>, range: &Range<usize>) -> Option<(u64, Vec<FrameNo>)> {
        let in_stream: Vec<_> = section.map.resolve(range.start as u64..range.end as u64).collect();
        let mut frames: Vec<FrameNo> = Vec::new();
        for run in &in_stream {
            for piece in self.event.sources.resolve(run.from..run.from + run.len) {
                if let Some(frame) = piece.from.frame.known().filter(|frame| frames.last() != Some(frame)) {
                    frames.push(frame);
                }
            }
        }
        Some((in_stream.first()?.from, frames))
    }

    /// The same with no more than the first and the last of the frames.
    pub fn place(&self, section: &Section<'_>, range: &Range<usize>) -> Option<(u64, Option<[FrameNo; 2]>)> {
        let in_stream = || section.map.resolve(range.start as u64..range.end as u64);
        let pieces = in_stream().flat_map(|run| self.event.sources.resolve(run.from..run.from + run.len));
        let mut frames = pieces.filter_map(|piece| piece.from.frame.known());
        let first = frames.next();
        let last = frames.last().or(first);
        Some((in_stream().next()?.from, first.zip(last).map(|(first, last)| [first, last])))
    }

    fn content(&self) -> Section<'a> {
        let mut tree = Tree::default();
        match &self.event.kind {
            session::Kind::Message(message) => {
                let bytes = message.decodable();
                body::decode(message.header.type_id, bytes, message.header.length, &mut tree);
                Section { tree, bytes, map: message.body_map() }
            }
            session::Kind::Handshake(part, _) => {
                // A part that is cut ends in an undecoded field.
                let mut reader = Reader::new(part.bytes, &mut tree);
                let _ = handshake::read(&mut reader, part.part);
                reader.rest(&body::REST);
                let mut map = SourceMap::default();
                map.push(0, part.bytes.len() as u64, part.range.start);
                Section { tree, bytes: part.bytes, map }
            }
            session::Kind::Gap(_) | session::Kind::Undecoded { .. } => Section::empty(),
        }
    }
}

impl<'a> Section<'a> {
    /// The bytes a field was read from; none for a derived one.
    pub fn bytes_of(&self, node: &Node) -> &'a [u8] {
        self.bytes.get(node.range.clone()).unwrap_or_default()
    }

    fn without_bytes(tree: Tree) -> Section<'a> {
        Section { tree, ..Section::empty() }
    }

    fn empty() -> Section<'a> {
        Section { tree: Tree::default(), bytes: &[], map: SourceMap::default() }
    }
}
