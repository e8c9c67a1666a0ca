//! Two messages field by field: what differs, in the units that people think in.
//!
//! A unit is a value of AMF with its marker, a field of any other body, or the bytes around values that belong to no
//! single one. Units come from the tree that also `decode -V` shows, so together they cover the body once.

use std::collections::HashMap;
use std::ops::Range;

use crate::dissect::paths;
use crate::field::{self, Node, Tree};
use crate::recording::{EventKind, Places, RecordedEvent, RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body;
use crate::steps;

use super::{Comparison, FieldPath, MessageIdentity, MessageKind, Mismatch, Side, Step, Value, ValuePath};

/// A value and where it is in the body.
#[derive(Clone, Debug)]
pub struct FieldValue {
    /// Where it is.
    pub path: FieldPath,
    /// The value in words.
    pub text: String,
    /// The value itself, as in [`Value::value`].
    pub value: field::Value,
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
        return vec![Mismatch { row, path: FieldPath::Message, sides: whole, expected: None }];
    };
    let found = match (&a.0.content, &b.0.content) {
        (EventKind::Message(in_a), EventKind::Message(in_b)) => messages((in_a, a), (in_b, b)),
        (EventKind::Handshake { .. }, EventKind::Handshake { .. }) => {
            // A snapshot has no random bytes.
            handshakes(a.0, b.0, !comparison.has_snapshot())
        }
        // A snapshot does not say how long they are.
        (EventKind::Gap(_), EventKind::Gap(_)) | (EventKind::Undecoded, EventKind::Undecoded)
            if !comparison.has_snapshot() =>
        {
            stretches(comparison, a.0, b.0)
        }
        _ => Vec::new(),
    };
    found.into_iter().map(|(path, sides)| Mismatch { row, path, sides, expected: None }).collect()
}

type Found = Vec<(FieldPath, [Option<Value>; 2])>;

/// A message as a whole.
fn whole(item: &RecordedEvent) -> Value {
    let (bytes, place) = match &item.content {
        EventKind::Message(kept) => (kept.first_header.to_vec(), Some((item.at.start, item.frames[1]))),
        EventKind::Handshake { bytes, .. } => (bytes.to_vec(), Some((item.at.start, item.frames[1]))),
        EventKind::Gap(_) | EventKind::Undecoded => (Vec::new(), Some((item.at.start, item.frames[1]))),
    };
    Value { bytes: bytes[..bytes.len().min(SHOWN)].to_vec(), place, ..Value::words(item.info.clone()) }
}

/// Stretches of a direction that are no messages: how long they are, and their bytes where both sides have them.
fn stretches(comparison: &Comparison<'_>, a: &RecordedEvent, b: &RecordedEvent) -> Found {
    let of = |side: Option<&Session>, item: &RecordedEvent| -> (u64, Option<Vec<u8>>) {
        let tape = side.and_then(|session| session.tapes[item.direction.index()].as_ref());
        let bytes = tape.and_then(|tape| {
            let place = |at: u64| usize::try_from(at.checked_sub(tape.offset)?).ok();
            Some(tape.bytes.get(place(item.at.start)?..place(item.at.end)?)?.to_vec())
        });
        (item.at.end - item.at.start, bytes)
    };
    let (in_a, in_b) = (of(comparison.a, a), of(Some(comparison.b), b));
    let is_same = in_a.0 == in_b.0 && in_a.1.as_ref().zip(in_b.1.as_ref()).is_none_or(|(a, b)| a == b);
    let value = |item: &RecordedEvent, bytes: Option<Vec<u8>>| {
        let bytes = bytes.unwrap_or_default();
        Some(Value { bytes: bytes[..bytes.len().min(SHOWN)].to_vec(), ..whole(item) })
    };
    if is_same { Vec::new() } else { vec![(FieldPath::Body, [value(a, in_a.1), value(b, in_b.1)])] }
}

fn handshakes(a: &RecordedEvent, b: &RecordedEvent, has_random: bool) -> Found {
    let facts = |item: &RecordedEvent| -> Vec<(&'static str, String, Range<usize>)> {
        let EventKind::Handshake { part, facts, bytes, .. } = &item.content else { return Vec::new() };
        let random = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes));
        let mut all = vec![("length", bytes.len().to_string(), 0..0)];
        if has_random {
            all.push(("random", random, 9..25));
        }
        if let Some(version) = facts.version {
            all.push(("version", version.to_string(), 0..1));
        }
        if let Some(scheme) = facts.scheme {
            all.push(("scheme", scheme.to_string(), 5..9));
        }
        if let Some(software) = facts.software {
            all.push(("software", hex::encode(software), 5..9));
        }
        let answer = if *part == crate::rtmp::handshake::Part::C2 { 0 } else { 1537 };
        if let Some(echo) = facts.echo_ok {
            // How it answers is a matter of the scheme; that it does is not.
            let text = match (echo, facts.signature_ok) {
                (true, _) | (false, Some(true)) => "answers the peer's block",
                (false, _) => "neither echoes nor signs the peer's block",
            };
            all.push(("answer", text.to_owned(), answer + 8..answer + 24));
        }
        all
    };
    let (of_a, of_b) = (facts(a), facts(b));
    let value = |item: &RecordedEvent, (_, text, range): &(&str, String, Range<usize>)| {
        let EventKind::Handshake { bytes, places, .. } = &item.content else { return None };
        Some(Value {
            bytes: bytes.get(range.clone()).unwrap_or_default().to_vec(),
            in_body: Some(range.clone()),
            place: places.of(range.start),
            ..Value::words(text.clone())
        })
    };
    let mut found = Vec::new();
    for fact in &of_b {
        match of_a.iter().find(|(name, ..)| *name == fact.0) {
            Some(other) if other.1 == fact.1 => {}
            other => {
                found.push((FieldPath::Handshake(fact.0), [other.and_then(|other| value(a, other)), value(b, fact)]));
            }
        }
    }
    for fact in of_a.iter().filter(|fact| of_b.iter().all(|(name, ..)| *name != fact.0)) {
        found.push((FieldPath::Handshake(fact.0), [value(a, fact), None]));
    }
    found
}

type InSession<'r> = (&'r RecordedMessage, (&'r RecordedEvent, &'r MessageIdentity));

fn messages(a: InSession<'_>, b: InSession<'_>) -> Found {
    let mut found = Vec::new();
    let number = |number: u32| (number.to_string(), field::Value::Uint(number.into()));
    let words = |text: String| (text, field::Value::None);
    let type_id = |kept: &RecordedMessage| {
        let type_id = kept.header.type_id;
        Some((type_id.to_string(), field::Value::Uint(type_id.0.into())))
    };
    header(FieldPath::TYPE_ID, a, b, type_id, 7..8, &mut found);
    let stream = |kept: &RecordedMessage| kept.header.message_stream_id.map(|stream| number(stream.0));
    header(FieldPath::STREAM_ID, a, b, stream, 8..12, &mut found);
    header(FieldPath::TIMESTAMP, a, b, |kept| kept.header.timestamp.map(number), 1..4, &mut found);
    header(FieldPath::CSID, a, b, |kept| Some(number(kept.csid)), 0..1, &mut found);
    let cut = |kept: &RecordedMessage| {
        let chunks = kept.chunks?;
        let changed = if chunks.changed { ", changed on the way" } else { "" };
        Some(words(format!("{} of at most {}{changed}", chunks.count, chunks.size)))
    };
    header(FieldPath::Chunk("cut"), a, b, cut, 0..0, &mut found);
    header(FieldPath::Chunk("fmt"), a, b, |kept| Some(number(kept.fmt?.into())), 0..1, &mut found);
    let ending = |kept: &RecordedMessage| Some(words(format!("{:?}", kept.ending).to_lowercase()));
    header(FieldPath::Ending, a, b, ending, 0..0, &mut found);
    if (a.0.hash, a.0.header.length) != (b.0.hash, b.0.header.length) || a.1.1.read_as != b.1.1.read_as {
        bodies(a, b, &mut found);
    }
    found
}

/// Compares something of the header. `range` is where it is in a full header with a basic header of one byte.
fn header(
    path: FieldPath,
    a: InSession<'_>,
    b: InSession<'_>,
    value: impl Fn(&RecordedMessage) -> Option<(String, field::Value)>,
    range: Range<usize>,
    found: &mut Found,
) {
    // What is not known, as after the start of a capture in mid-stream, is not said to differ.
    let [Some(in_a), Some(in_b)] = [value(a.0), value(b.0)] else { return };
    if in_a == in_b {
        return;
    }
    let of = |(kept, (item, _)): InSession<'_>, value| Some(header_value(item, kept, range.clone(), value));
    found.push((path, [of(a, in_a), of(b, in_b)]));
}

/// What is in the header of a message's first chunk. `range` is where it is in a full header with a basic
/// header of one byte.
pub fn header_value(
    item: &RecordedEvent,
    kept: &RecordedMessage,
    range: Range<usize>,
    (text, value): (String, field::Value),
) -> Value {
    let basic = match kept.first_header.first().map(|first| first & 0x3f) {
        Some(0) => 1,
        Some(1) => 2,
        _ => 0,
    };
    let range = if range.start == 0 { range } else { range.start + basic..range.end + basic };
    let bytes = kept.first_header.get(range.clone()).unwrap_or_default().to_vec();
    let at = item.at.start + if bytes.is_empty() { 0 } else { range.start as u64 };
    Value { text, value, bytes, in_body: None, place: Some((at, item.frames[1])) }
}

fn bodies(a: InSession<'_>, b: InSession<'_>, found: &mut Found) {
    let (units_a, units_b) = (units(a.0, a.1.1), units(b.0, b.1.1));
    let (in_a, in_b) = (by_path(&units_a), by_path(&units_b));
    let value = |kept: &RecordedMessage, unit: &FieldValue| Value {
        value: unit.value.clone(),
        ..value(&unit.text, &kept.body, &unit.range, &kept.places)
    };
    let before = found.len();
    let mut next_a = 0;
    for unit in &units_b {
        let Some(&index) = in_a.get(&unit.path) else {
            found.push((unit.path.clone(), [None, Some(value(b.0, unit))]));
            continue;
        };
        // What only A has is where A has it.
        for missing in &units_a[next_a.min(index)..index] {
            if !in_b.contains_key(&missing.path) {
                found.push((missing.path.clone(), [Some(value(a.0, missing)), None]));
            }
        }
        next_a = next_a.max(index + 1);
        let other = &units_a[index];
        let bytes = |kept: &RecordedMessage, unit: &FieldValue| kept.body.get(unit.range.clone()).map(<[u8]>::to_vec);
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
        let same_order = units_a.iter().map(|unit| &unit.path).eq(units_b.iter().map(|unit| &unit.path));
        let path = if same_order { FieldPath::Body } else { FieldPath::BodyOrder };
        let whole = |(kept, (item, named)): InSession<'_>| {
            let text = if same_order {
                format!("{} bytes of {}", kept.header.length, named.name)
            } else {
                item.info.to_string()
            };
            Some(self::value(&text, &kept.body, &(0..kept.body.len()), &kept.places))
        };
        found.push((path, [whole(a), whole(b)]));
    }
}

fn by_path(units: &[FieldValue]) -> HashMap<&FieldPath, usize> {
    units.iter().enumerate().map(|(index, unit)| (&unit.path, index)).collect()
}

fn value(text: &str, body: &[u8], range: &Range<usize>, places: &Places) -> Value {
    let end = range.end.min(range.start + SHOWN).min(body.len());
    Value {
        bytes: body.get(range.start..end).unwrap_or_default().to_vec(),
        in_body: Some(range.clone()),
        place: places.of(range.start),
        ..Value::words(text)
    }
}

/// The units of a message's body.
pub fn units(kept: &RecordedMessage, named: &MessageIdentity) -> Vec<FieldValue> {
    let type_id = named.read_as.unwrap_or(kept.header.type_id);
    let coded = matches!(named.kind, MessageKind::Audio | MessageKind::Video);
    field_values_of(type_id, &kept.body, kept.header.length, named.command.as_deref().unwrap_or(&named.name), coded)
}

/// The units of a body of so many bytes; `name` is the message's own, `coded` whether it is coded audio or video.
pub fn field_values_of(type_id: MessageTypeId, body: &[u8], length: u32, name: &str, coded: bool) -> Vec<FieldValue> {
    let mut tree = Tree::default();
    body::decode(type_id, body, length, &mut tree);
    let name = match type_id {
        MessageTypeId::AUDIO => "audio",
        MessageTypeId::VIDEO => "video",
        _ => name,
    };
    let is_amf = matches!(
        type_id,
        MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND | MessageTypeId::AMF0_DATA | MessageTypeId::AMF3_DATA
    );
    let mut walk = Walk { units: Vec::new(), paths: HashMap::new(), message: name, is_amf, end: body.len() };
    // Audio and video themselves are one unit; what comes before them is read field by field.
    let payload = tree.nodes().iter().position(|node| coded && is_payload(node));
    walk.siblings(&tree.nodes()[..payload.unwrap_or(tree.nodes().len())], &ValuePath::of(name), Parent::Body);
    if let Some(payload) = payload {
        let start = tree.nodes()[payload].range.start;
        let path = FieldPath::payload(type_id == MessageTypeId::AUDIO);
        walk.add(path, format!("{} bytes", walk.end - start), field::Value::None, start..walk.end);
    }
    walk.units
}

struct Walk<'n> {
    units: Vec<FieldValue>,
    /// How often each path was given.
    paths: HashMap<FieldPath, usize>,
    message: &'n str,
    is_amf: bool,
    end: usize,
}

impl Walk<'_> {
    /// Nodes of one depth, with all below them.
    fn siblings(&mut self, mut nodes: &[Node], prefix: &ValuePath, parent: Parent) {
        let mut position = 0;
        while let Some((node, below)) = nodes.split_first() {
            let children = below.iter().take_while(|child| child.depth > node.depth).count();
            let (children, rest) = below.split_at(children);
            nodes = rest;
            if node.value != field::Value::None || node.derived || node.bits.is_some() {
                self.leaf(node, prefix);
                continue;
            }
            let is_value = node.def.name.starts_with("amf.") && !node.def.name.starts_with("amf.property");
            let here = match node.def.name {
                "amf.property" => prefix.step(Step::Property(property_name(children))),
                // The name is the path.
                "amf.property.name" => continue,
                _ if is_value && parent == Parent::Body && self.is_amf => self.argument(prefix, position, node),
                _ if is_value && parent == Parent::List => prefix.step(Step::Position(position)),
                _ => prefix.clone(),
            };
            position += usize::from(is_value);
            if node.def.name == "amf.value" {
                let text = node.text.as_deref().unwrap_or(node.def.title).to_owned();
                self.add(FieldPath::Value(here), text, scalar(children), node.range.clone());
            } else {
                self.siblings(children, &here, if is_list(node) { Parent::List } else { Parent::Other });
            }
        }
    }

    /// The path of a value that is by itself in a command or data message.
    fn argument(&self, prefix: &ValuePath, position: usize, node: &Node) -> ValuePath {
        // The properties of an object are those of the message.
        if node.def.name != "amf.value" {
            return prefix.clone();
        }
        let name = paths::argument(self.message, position);
        prefix.step(name.map_or(Step::Position(position), Step::Argument))
    }

    fn leaf(&mut self, node: &Node, prefix: &ValuePath) {
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
            Some(name) => FieldPath::Field(name, 0),
            None => FieldPath::Value(prefix.part(node.def.name.rsplit('.').next().unwrap_or(node.def.name))),
        };
        let value =
            if let field::Value::Uint(number) = node.value { field::Value::Uint(number) } else { field::Value::None };
        self.add(path, text, value, node.range.clone());
    }

    fn add(&mut self, path: FieldPath, text: String, value: field::Value, range: Range<usize>) {
        steps::count(1);
        let count = self.paths.entry(path.clone()).or_default();
        let path = path.after(*count);
        *count += 1;
        self.units.push(FieldValue { path, text, value, range });
    }
}

/// The number, boolean or string that a value of these fields is.
fn scalar(fields: &[Node]) -> field::Value {
    const SCALARS: [&str; 5] = ["amf.number", "amf.boolean", "amf.string", "amf.longstring", "amf.integer"];
    let last = fields.last().filter(|node| SCALARS.contains(&node.def.name));
    last.map_or(field::Value::None, |node| node.value.clone())
}

/// Whether a node is where the coded audio or video begins.
fn is_payload(node: &Node) -> bool {
    ["rtmpt.video.payload", "rtmpt.audio.payload", "rtmpt.video.nal", "rtmpt.video.obu"].contains(&node.def.name)
}

/// What nodes are in, as far as it names them.
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
        field::Value::Text(text)
            if matches!(node.def.name, "amf.string" | "amf.membername" | "amf.property.sealed") =>
        {
            Some(text.clone())
        }
        _ => None,
    });
    name.unwrap_or_default()
}
