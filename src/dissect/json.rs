//! The fields of a row as JSON: the row's own object, with `tree` beside it.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::decode::Row;
use crate::field::{Kind, Node, Value};

use super::vocabulary::Place;
use super::{Dissection, Section, chunks};

/// More bytes than these are named and counted, not written out: the row's `body_hex` has them all.
const LONGEST: usize = 64;

/// The row, and its fields by section.
impl Serialize for Dissection<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WithTree<'d, 'a> {
            #[serde(flatten)]
            row: &'d Row<'a>,
            tree: Sections<'d, 'a>,
        }
        WithTree { row: self.row(), tree: Sections(self) }.serialize(serializer)
    }
}

struct Sections<'d, 'a>(&'d Dissection<'a>);

impl Serialize for Sections<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dissection = self.0;
        let mut map = serializer.serialize_map(None)?;
        for place in Place::ALL {
            let name = match place {
                Place::Frame => "frame",
                Place::Header => "header",
                Place::Chunks => "chunks",
                Place::Content if dissection.message().is_some() => "body",
                Place::Content => "handshake",
            };
            match dissection.message().filter(|_| place == Place::Chunks) {
                Some(message) if message.chunks.is_empty() => {}
                Some(message) => {
                    let section = chunks::ledger_group(message);
                    map.serialize_entry(name, &[Ledger { dissection, section }])?;
                }
                None => {
                    let section = dissection.section(place);
                    let nodes = section.tree.nodes();
                    if !nodes.is_empty() {
                        map.serialize_entry(name, &Siblings { dissection, section, nodes })?;
                    }
                }
            }
        }
        map.end()
    }
}

/// The ledger of a message's chunks, of which one at a time is made.
struct Ledger<'d, 'a> {
    dissection: &'d Dissection<'a>,
    section: Section<'a>,
}

impl Serialize for Ledger<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Ledger { dissection, section } = self;
        let mut map = serializer.serialize_map(None)?;
        for node in section.tree.nodes() {
            facts(dissection, section, node, &mut map)?;
        }
        map.serialize_entry("children", &Chunks(dissection))?;
        map.end()
    }
}

struct Chunks<'d, 'a>(&'d Dissection<'a>);

impl Serialize for Chunks<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.chunk_sections().map(|section| OneChunk { dissection: self.0, section }))
    }
}

struct OneChunk<'d, 'a> {
    dissection: &'d Dissection<'a>,
    section: Section<'a>,
}

impl Serialize for OneChunk<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let OneChunk { dissection, section } = self;
        let Some((node, nodes)) = section.tree.nodes().split_first() else { return serializer.serialize_unit() };
        Family { node, children: Siblings { dissection, section, nodes } }.serialize(serializer)
    }
}

/// Nodes of one depth with all below them.
struct Siblings<'d, 'a> {
    dissection: &'d Dissection<'a>,
    section: &'d Section<'a>,
    nodes: &'d [Node],
}

impl Serialize for Siblings<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |nodes| Siblings { nodes, ..*self };
        let mut rest = self.nodes;
        let families = std::iter::from_fn(|| {
            let (first, below) = rest.split_first()?;
            let children = below.iter().take_while(|node| node.depth > first.depth).count();
            rest = &below[children..];
            Some(Family { node: first, children: of(&below[..children]) })
        });
        serializer.collect_seq(families)
    }
}

struct Family<'d, 'a> {
    node: &'d Node,
    children: Siblings<'d, 'a>,
}

impl Serialize for Family<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Family { node, children: Siblings { dissection, section, nodes } } = self;
        let mut map = serializer.serialize_map(None)?;
        facts(dissection, section, node, &mut map)?;
        if !nodes.is_empty() {
            map.serialize_entry("children", &Siblings { nodes, ..self.children })?;
        }
        map.end()
    }
}

/// What a node says, without what is below it.
fn facts<M: SerializeMap>(
    dissection: &Dissection<'_>,
    section: &Section<'_>,
    node: &Node,
    map: &mut M,
) -> Result<(), M::Error> {
    map.serialize_entry("name", node.def.name)?;
    map.serialize_entry("title", node.def.title)?;
    match &node.value {
        Value::None => {}
        Value::Bytes(_) if node.def.kind == Kind::Mark => {}
        Value::Uint(number) => map.serialize_entry("value", number)?,
        Value::Int(number) => map.serialize_entry("value", number)?,
        Value::Double(number) => map.serialize_entry("value", number)?,
        Value::Boolean(truth) => map.serialize_entry("value", truth)?,
        Value::Text(text) => map.serialize_entry("value", text)?,
        Value::Bytes(bytes) if bytes.len() > LONGEST => {
            map.serialize_entry("value", &hex::encode(&bytes[..LONGEST]))?;
            map.serialize_entry("cut", &true)?;
        }
        Value::Bytes(_) | Value::Address(_) | Value::Seconds(_) => {
            map.serialize_entry("value", &node.value.plain(node.def.kind, node.range.len()))?;
        }
    }
    if let Some(meaning) = node.def.meaning_of(&node.value) {
        map.serialize_entry("meaning", meaning)?;
    }
    if let Some(text) = node.text.as_deref().filter(|text| !text.is_empty()) {
        map.serialize_entry(if node.derived { "why" } else { "text" }, text)?;
    }
    if node.derived {
        map.serialize_entry("derived", &true)?;
    } else if !section.bytes.is_empty() {
        map.serialize_entry("offset", &node.range.start)?;
        map.serialize_entry("length", &node.range.len())?;
        if let Some((at, frames)) = dissection.origin(section, &node.range) {
            map.serialize_entry("stream_offset", &at)?;
            map.serialize_entry("frames", &frames)?;
        }
    }
    if let Some(bits) = node.bits {
        map.serialize_entry("bits", &[bits.shift, bits.width])?;
    }
    Ok(())
}
