//! Two messages field by field: what differs, in the units that people think in.
//!
//! A unit is a value of AMF with its marker, a field of any other body, or the bytes around values that belong to no
//! single one. Units come from the tree that also `decode -V` shows, so together they cover the body once.

use std::collections::HashMap;
use std::ops::Range;

use crate::dissect::paths;
use crate::field::{Node, Tree, Value as FieldValue};
use crate::recording::{Content, Item, Kept, Places};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body;
use crate::steps;

use super::{Comparison, Lane, MESSAGE, Mismatch, Named, Side, Value};

/// A value and where it stands in the body.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its name in the message: `connect.tcUrl`.
    pub path: String,
    /// The value in words.
    pub text: String,
    /// Its bytes, as offsets in the body.
    pub range: Range<usize>,
}

/// More bytes of a value are not carried along; their places are known.
const SHOWN: usize = 64;

/// The differences of one row.
pub fn compare(comparison: &Comparison<'_>, row: usize) -> Vec<Mismatch> {
    let sides = [Side::A, Side::B].map(|side| comparison.item(row, side).zip(comparison.name(row, side)));
    let [Some(a), Some(b)] = sides else {
        let whole = sides.map(|side| side.map(|(item, _)| whole(item)));
        return vec![Mismatch { row, path: MESSAGE.to_owned(), sides: whole, expected: None }];
    };
    let found = match (&a.0.content, &b.0.content) {
        (Content::Message(in_a), Content::Message(in_b)) => messages((in_a, a), (in_b, b)),
        (Content::Handshake { .. }, Content::Handshake { .. }) => {
            // A snapshot has no random bytes.
            handshakes(a.0, b.0, !comparison.has_snapshot())
        }
        _ => Vec::new(),
    };
    found.into_iter().map(|(path, sides)| Mismatch { row, path, sides, expected: None }).collect()
}

type Found = Vec<(String, [Option<Value>; 2])>;

/// A message as a whole.
fn whole(item: &Item) -> Value {
    let (bytes, place) = match &item.content {
        Content::Message(kept) => (kept.first_header.clone(), Some((item.at.start, item.frames[1]))),
        Content::Handshake { bytes, .. } => (bytes.clone(), Some((item.at.start, item.frames[1]))),
        Content::Gap(_) | Content::Undecoded => (Vec::new(), Some((item.at.start, item.frames[1]))),
    };
    Value { text: item.info.clone(), bytes: bytes[..bytes.len().min(SHOWN)].to_vec(), in_body: None, place }
}

fn handshakes(a: &Item, b: &Item, has_random: bool) -> Found {
    let facts = |item: &Item| -> Vec<(&'static str, String, Range<usize>)> {
        let Content::Handshake { part, facts, bytes, .. } = &item.content else { return Vec::new() };
        let random = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes));
        let mut all = vec![("handshake.length", bytes.len().to_string(), 0..0)];
        if has_random {
            all.push(("handshake.random", random, 9..25));
        }
        if let Some(version) = facts.version {
            all.push(("handshake.version", version.to_string(), 0..1));
        }
        if let Some(scheme) = facts.scheme {
            all.push(("handshake.scheme", scheme.to_string(), 5..9));
        }
        if let Some(software) = facts.software {
            all.push(("handshake.software", hex::encode(software), 5..9));
        }
        let answer = if *part == crate::rtmp::handshake::Part::C2 { 0 } else { 1537 };
        if let Some(echo) = facts.echo_ok {
            // How it answers is a matter of the scheme; that it does is not.
            let text = match (echo, facts.signature_ok) {
                (true, _) | (false, Some(true)) => "answers the peer's block",
                (false, _) => "neither echoes nor signs the peer's block",
            };
            all.push(("handshake.answer", text.to_owned(), answer + 8..answer + 24));
        }
        all
    };
    let (of_a, of_b) = (facts(a), facts(b));
    let value = |item: &Item, (_, text, range): &(&str, String, Range<usize>)| {
        let Content::Handshake { bytes, places, .. } = &item.content else { return None };
        Some(Value {
            text: text.clone(),
            bytes: bytes.get(range.clone()).unwrap_or_default().to_vec(),
            in_body: Some(range.clone()),
            place: places.of(range.start),
        })
    };
    let mut found = Vec::new();
    for fact in &of_b {
        match of_a.iter().find(|(path, ..)| *path == fact.0) {
            Some(other) if other.1 == fact.1 => {}
            other => {
                found.push((fact.0.to_owned(), [other.and_then(|other| value(a, other)), value(b, fact)]));
            }
        }
    }
    for fact in of_a.iter().filter(|fact| of_b.iter().all(|(path, ..)| *path != fact.0)) {
        found.push((fact.0.to_owned(), [value(a, fact), None]));
    }
    found
}

type InSession<'r> = (&'r Kept, (&'r Item, &'r Named));

fn messages(a: InSession<'_>, b: InSession<'_>) -> Found {
    let mut found = Vec::new();
    header("header.typeid", a, b, |kept| Some(kept.header.type_id.to_string()), 7..8, &mut found);
    let stream = |kept: &Kept| kept.header.message_stream_id.map(|stream| stream.to_string());
    header("header.streamid", a, b, stream, 8..12, &mut found);
    let timestamp = |kept: &Kept| kept.header.timestamp.map(|timestamp| timestamp.to_string());
    header("header.timestamp", a, b, timestamp, 1..4, &mut found);
    header("chunk.csid", a, b, |kept| Some(kept.csid.to_string()), 0..1, &mut found);
    let cut = |kept: &Kept| {
        let chunks = kept.chunks?;
        let changed = if chunks.changed { ", changed on the way" } else { "" };
        Some(format!("{} of at most {}{changed}", chunks.count, chunks.size))
    };
    header("chunk.cut", a, b, cut, 0..0, &mut found);
    header("chunk.fmt", a, b, |kept| Some(kept.fmt?.to_string()), 0..1, &mut found);
    header("message.ending", a, b, |kept| Some(format!("{:?}", kept.ending).to_lowercase()), 0..0, &mut found);
    if (a.0.hash, a.0.header.length) != (b.0.hash, b.0.header.length) || a.1.1.read_as != b.1.1.read_as {
        bodies(a, b, &mut found);
    }
    found
}

/// Compares something of the header. `range` is where it stands in a full header with a basic header of one byte.
fn header(
    path: &str,
    a: InSession<'_>,
    b: InSession<'_>,
    text: impl Fn(&Kept) -> Option<String>,
    range: Range<usize>,
    found: &mut Found,
) {
    let texts = [text(a.0), text(b.0)];
    // What is not known, as behind the start of a capture in mid-stream, is not said to differ.
    let [Some(in_a), Some(in_b)] = texts else { return };
    if in_a == in_b {
        return;
    }
    let value = |(kept, (item, _)): InSession<'_>, text: String| Some(header_value(item, kept, range.clone(), text));
    found.push((path.to_owned(), [value(a, in_a), value(b, in_b)]));
}

/// What stands in the header of a message's first chunk. `range` is where it stands in a full header with a basic
/// header of one byte.
pub fn header_value(item: &Item, kept: &Kept, range: Range<usize>, text: String) -> Value {
    let basic = match kept.first_header.first().map(|first| first & 0x3f) {
        Some(0) => 1,
        Some(1) => 2,
        _ => 0,
    };
    let range = if range.start == 0 { range } else { range.start + basic..range.end + basic };
    let bytes = kept.first_header.get(range.clone()).unwrap_or_default().to_vec();
    let at = item.at.start + if bytes.is_empty() { 0 } else { range.start as u64 };
    Value { text, bytes, in_body: None, place: Some((at, item.frames[1])) }
}

fn bodies(a: InSession<'_>, b: InSession<'_>, found: &mut Found) {
    let (units_a, units_b) = (units(a.0, a.1.1), units(b.0, b.1.1));
    let by_path = |units: &[Unit]| -> HashMap<String, usize> {
        units.iter().enumerate().map(|(index, unit)| (unit.path.clone(), index)).collect()
    };
    let (in_a, in_b) = (by_path(&units_a), by_path(&units_b));
    let value = |kept: &Kept, unit: &Unit| value(&unit.text, &kept.body, &unit.range, &kept.places);
    let before = found.len();
    let mut next_a = 0;
    for unit in &units_b {
        let Some(&index) = in_a.get(&unit.path) else {
            found.push((unit.path.clone(), [None, Some(value(b.0, unit))]));
            continue;
        };
        // What only A has stands where A has it.
        for missing in &units_a[next_a.min(index)..index] {
            if !in_b.contains_key(&missing.path) {
                found.push((missing.path.clone(), [Some(value(a.0, missing)), None]));
            }
        }
        next_a = next_a.max(index + 1);
        let other = &units_a[index];
        let bytes = |kept: &Kept, unit: &Unit| kept.body.get(unit.range.clone()).map(<[u8]>::to_vec);
        if bytes(a.0, other) != bytes(b.0, unit) || !(a.0.is_whole() && b.0.is_whole()) && other.text != unit.text {
            found.push((unit.path.clone(), [Some(value(a.0, other)), Some(value(b.0, unit))]));
        }
    }
    for missing in &units_a[next_a..] {
        if !in_b.contains_key(&missing.path) {
            found.push((missing.path.clone(), [Some(value(a.0, missing)), None]));
        }
    }
    if found.len() == before && a.0.hash != b.0.hash {
        // The same values in another order, or bytes that are kept as a hash only.
        let order = |units: &[Unit]| units.iter().map(|unit| unit.path.clone()).collect::<Vec<_>>();
        let same_order = order(&units_a) == order(&units_b);
        let path = if same_order { "body" } else { "body.order" };
        let whole = |(kept, (item, named)): InSession<'_>| {
            let text =
                if same_order { format!("{} bytes of {}", kept.header.length, named.name) } else { item.info.clone() };
            Some(self::value(&text, &kept.body, &(0..kept.body.len()), &kept.places))
        };
        found.push((path.to_owned(), [whole(a), whole(b)]));
    }
}

fn value(text: &str, body: &[u8], range: &Range<usize>, places: &Places) -> Value {
    let end = range.end.min(range.start + SHOWN).min(body.len());
    Value {
        text: text.to_owned(),
        bytes: body.get(range.start..end).unwrap_or_default().to_vec(),
        in_body: Some(range.clone()),
        place: places.of(range.start),
    }
}

/// The units of a message's body.
pub fn units(kept: &Kept, named: &Named) -> Vec<Unit> {
    let type_id = named.read_as.unwrap_or(kept.header.type_id);
    let mut tree = Tree::default();
    body::decode(type_id, &kept.body, kept.header.length, &mut tree);
    let name = match type_id {
        MessageTypeId::AUDIO => "audio",
        MessageTypeId::VIDEO => "video",
        _ => named.name.split(' ').next().unwrap_or_default(),
    };
    let is_amf = matches!(
        type_id,
        MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND | MessageTypeId::AMF0_DATA | MessageTypeId::AMF3_DATA
    );
    let mut walk = Walk { units: Vec::new(), paths: HashMap::new(), message: name, is_amf, end: kept.body.len() };
    // Sound and pictures themselves are one unit; what stands in front of them is read field by field.
    let coded = matches!(named.lane, Lane::Audio | Lane::Video);
    let payload = tree.nodes().iter().position(|node| coded && is_payload(node));
    walk.siblings(&tree.nodes()[..payload.unwrap_or(tree.nodes().len())], name, Parent::Body);
    if let Some(payload) = payload {
        let start = tree.nodes()[payload].range.start;
        walk.add(format!("{name}.payload"), format!("{} bytes", walk.end - start), start..walk.end);
    }
    walk.units
}

struct Walk<'n> {
    units: Vec<Unit>,
    /// The paths so far, each with the last number that one of its name was given.
    paths: HashMap<String, usize>,
    message: &'n str,
    is_amf: bool,
    end: usize,
}

impl Walk<'_> {
    /// Nodes of one depth, with all below them.
    fn siblings(&mut self, mut nodes: &[Node], prefix: &str, parent: Parent) {
        let mut position = 0;
        while let Some((node, below)) = nodes.split_first() {
            let children = below.iter().take_while(|child| child.depth > node.depth).count();
            let (children, rest) = below.split_at(children);
            nodes = rest;
            if node.value != FieldValue::None || node.derived || node.bits.is_some() {
                self.leaf(node, prefix);
                continue;
            }
            let is_value = node.def.name.starts_with("amf.") && !node.def.name.starts_with("amf.property");
            let here = match node.def.name {
                "amf.property" => format!("{prefix}.{}", property_name(children)),
                // The name is the path.
                "amf.property.name" => continue,
                _ if is_value && parent == Parent::Body && self.is_amf => self.argument(prefix, position, node),
                _ if is_value && parent == Parent::List => format!("{prefix}.{position}"),
                _ => prefix.to_owned(),
            };
            position += usize::from(is_value);
            if node.def.name == "amf.value" {
                let text = node.text.clone().unwrap_or_else(|| node.def.title.to_owned());
                self.add(here, text, node.range.clone());
            } else {
                self.siblings(children, &here, if is_list(node) { Parent::List } else { Parent::Other });
            }
        }
    }

    /// The path of a value that stands by itself in a command or data message.
    fn argument(&self, prefix: &str, position: usize, node: &Node) -> String {
        // The properties of an object are those of the message.
        if node.def.name != "amf.value" {
            return prefix.to_owned();
        }
        match paths::argument(self.message, position) {
            Some(name) => format!("{prefix}.{name}"),
            None => format!("{prefix}.{position}"),
        }
    }

    fn leaf(&mut self, node: &Node, prefix: &str) {
        if node.derived || node.bits.is_some() {
            return;
        }
        let plain = node.value.plain(node.def.kind, node.range.len());
        let text = match node.def.meaning_of(&node.value) {
            Some(meaning) => format!("{meaning} ({plain})"),
            None if plain.len() > SHOWN => format!("{} bytes", node.range.len()),
            None => plain.into_owned(),
        };
        let path = match node.def.name.strip_prefix("rtmpt.") {
            Some(name) => name.to_owned(),
            None => format!("{prefix}:{}", node.def.name.rsplit('.').next().unwrap_or(node.def.name)),
        };
        self.add(path, text, node.range.clone());
    }

    fn add(&mut self, path: String, text: String, range: Range<usize>) {
        let path = self.unique(path);
        self.units.push(Unit { path, text, range });
    }

    /// The path, or `path[2]` and so on where there is one of that name. Numbers go on where they left off: a body may
    /// have thousands of the same name.
    fn unique(&mut self, path: String) -> String {
        let Some(mut number) = self.paths.get(&path).copied() else {
            self.paths.insert(path.clone(), 1);
            return path;
        };
        let numbered = loop {
            steps::count(1);
            number += 1;
            let numbered = format!("{path}[{number}]");
            if !self.paths.contains_key(&numbered) {
                break numbered;
            }
        };
        self.paths.insert(path, number);
        self.paths.insert(numbered.clone(), 1);
        numbered
    }
}

/// Whether a node is where the coded sound or picture begins.
fn is_payload(node: &Node) -> bool {
    ["rtmpt.video.payload", "rtmpt.audio.payload", "rtmpt.video.nal", "rtmpt.video.obu"].contains(&node.def.name)
}

/// What nodes stand in, as far as it names them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parent {
    /// Nothing: they are the values of a message.
    Body,
    /// A list: they are named by their positions.
    List,
    /// Anything else.
    Other,
}

fn is_list(node: &Node) -> bool {
    matches!(node.def.name, "amf.strictarray" | "amf.array" | "amf.vector")
}

fn property_name(children: &[Node]) -> String {
    let name = children.iter().find_map(|node| match &node.value {
        FieldValue::Text(text) if matches!(node.def.name, "amf.string" | "amf.membername" | "amf.property.sealed") => {
            Some(text.clone())
        }
        _ => None,
    });
    name.unwrap_or_default()
}
