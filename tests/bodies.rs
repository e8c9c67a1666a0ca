//! Every kind of body, against fixtures whose expectations come from the specifications.
//!
//! Each case is decoded with and without a tree, and from every prefix of its bytes, as a list decodes
//! media bodies. What cases there must be is asserted too: a marker, packet type or codec that no fixture
//! holds fails a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::kit::fixture::Case;
use rtmp_inspect::amf::{amf0, amf3};
use rtmp_inspect::field::{Defect, Node, Reader, Tree, Value};
use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::rtmp::body::{Body, Decoded, decode};
use rtmp_inspect::rtmp::summary::{detail, info};
use serde_json::Value as Json;

/// What decoding a case gave.
struct Outcome {
    json: Json,
    info: String,
    detail: String,
    defects: Vec<Defect>,
    rebased: Vec<u32>,
    tree: Tree,
}

#[test]
fn every_case_says_what_is_expected() {
    let cases = cases();
    let wrong: Vec<String> = cases.iter().flat_map(|case| compare(case, &run(case))).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// A list reads only the first bytes of media bodies. What is not there yet is no defect.
#[test]
fn prefixes_of_sound_bodies_have_no_defects() {
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| case.expect("defects").is_none() && !case.kind.starts_with("amf")) {
        let type_id = MessageTypeId(case.kind.parse().expect("a type"));
        let length = case.length.unwrap_or(case.bytes.len() as u32);
        for end in 0..case.bytes.len() {
            let mut tree = Tree::default();
            let decoded = decode(type_id, &case.bytes[..end], length, &mut tree);
            if tree.tiles(0..end) != Ok(()) {
                wrong.push(format!("{}: the first {end} bytes are not tiled", case.place));
            }
            if let Some(defect) = decoded.defects.first() {
                wrong.push(format!("{}: the first {end} bytes: {}: {}", case.place, defect.code, defect.message));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Cut anywhere, or with any byte made 0 or 255: every byte keeps a name, and a defect lies in the body.
#[test]
fn damaged_bodies_are_tiled() {
    for case in cases().iter().filter(|case| !case.kind.starts_with("amf")) {
        let type_id = MessageTypeId(case.kind.parse().expect("a type"));
        let whole = &case.bytes;
        let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
        let changed =
            (0..whole.len()).flat_map(|at| [0, 255].map(|byte| [&whole[..at], &[byte], &whole[at + 1..]].concat()));
        for bytes in cut.chain(changed) {
            let mut tree = Tree::default();
            let decoded = decode(type_id, &bytes, bytes.len() as u32, &mut tree);
            assert_eq!(tree.tiles(0..bytes.len()), Ok(()), "{}: {}", case.place, hex::encode(&bytes));
            for defect in decoded.defects {
                assert!(defect.offset <= bytes.len() as u64, "{}: {defect:?} in {}", case.place, hex::encode(&bytes));
            }
        }
    }
}

#[test]
fn the_fixtures_cover_everything() {
    let trees: Vec<Tree> = cases().iter().map(|case| run(case).tree).collect();
    let nodes = || trees.iter().flat_map(|tree| tree.nodes());
    let numbers = |names: &[&str]| -> BTreeSet<u64> {
        let named = nodes().filter(|node| names.contains(&node.def.name));
        named.filter_map(|node| if let Value::Uint(number) = node.value { Some(number) } else { None }).collect()
    };
    let covers = |what: &str, found: BTreeSet<u64>, wanted: &mut dyn Iterator<Item = u64>| {
        let missing: Vec<_> = wanted.filter(|number| !found.contains(number)).collect();
        assert!(missing.is_empty(), "no fixture has {what} {missing:?}");
    };
    covers("AMF0 marker", numbers(&["amf.amf0_type"]), &mut (0..=0x11).chain([0x22]));
    covers("AMF3 marker", numbers(&["amf.amf3_type"]), &mut (0..=0x11));
    let types = cases().iter().filter_map(|case| case.kind.parse().ok()).collect();
    covers("message type", types, &mut (1..=6).chain([8, 9]).chain(15..=20).chain([22]));
    covers("user control event", numbers(&["rtmpt.ucm.eventtype"]), &mut (0..=4).chain([6, 7, 26, 27, 31, 32]));
    covers("limit type", numbers(&["rtmpt.scm.limittype"]), &mut (0..=2));
    covers("shared object event", numbers(&["rtmpt.so.event.type"]), &mut (1..=11));
    covers("sound format", numbers(&["rtmpt.audio.format"]), &mut (0..=11).chain([14, 15]));
    covers("AAC packet type", numbers(&["rtmpt.audio.aac.packet_type"]), &mut (0..=1));
    covers("frame type", numbers(&["rtmpt.video.type"]), &mut (1..=5));
    covers("video codec", numbers(&["rtmpt.video.format"]), &mut (2..=7).chain([12]));
    covers("AVC packet type", numbers(&["rtmpt.video.avc.packet_type"]), &mut (0..=2));
    covers("video command", numbers(&["rtmpt.video.command"]), &mut (0..=1));
    let packets = ["rtmpt.audio.packet_type", "rtmpt.audio.multitrack.track.packet_type"];
    covers("audio packet type", numbers(&packets), &mut [0, 1, 2, 4, 5, 7].into_iter());
    let packets = ["rtmpt.video.packet_type", "rtmpt.video.multitrack.packet_type"];
    covers("video packet type", numbers(&packets), &mut (0..=7));
    covers("audio multitrack type", numbers(&["rtmpt.audio.multitrack.type"]), &mut (0..=2));
    covers("video multitrack type", numbers(&["rtmpt.video.multitrack.type"]), &mut (0..=2));
    covers("channel order", numbers(&["rtmpt.audio.multichannel.order"]), &mut (0..=2));
    covers("ModEx type", numbers(&["rtmpt.modex.type"]), &mut (0..=0));

    let four_ccs: BTreeSet<String> = nodes()
        .filter(|node| matches!(node.def.name, "rtmpt.audio.fourcc" | "rtmpt.video.fourcc"))
        .map(|node| text(&node.value))
        .collect();
    for codec in "vp08 vp09 av01 avc1 hvc1 vvc1 ac-3 ec-3 Opus .mp3 fLaC mp4a".split(' ') {
        assert!(four_ccs.contains(codec), "no fixture has the FourCC {codec}");
    }
}

fn cases() -> Vec<Case> {
    crate::kit::fixture::cases(&folder())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bodies")
}

/// Decodes a case twice, and insists that both readings agree and that the leaves tile the body.
fn run(case: &Case) -> Outcome {
    let mut tree = Tree::default();
    let outcome = match case.kind.as_str() {
        kind @ ("amf0" | "amf3") => {
            let values = match kind {
                "amf0" => amf0::values(&mut Reader::new(&case.bytes, &mut tree)),
                _ => amf3::values(&mut Reader::new(&case.bytes, &mut tree)),
            };
            let json = serde_json::to_value(&values.values).expect("values are JSON");
            let label = values.values.iter().map(|value| value.label()).collect::<Vec<_>>().join(", ");
            Outcome { json, info: label, detail: String::new(), defects: values.defects, rebased: Vec::new(), tree }
        }
        kind => {
            let type_id = MessageTypeId(kind.parse().unwrap_or_else(|_| panic!("{}: type {kind}", case.place)));
            let length = case.length.unwrap_or(case.bytes.len() as u32);
            let Decoded { body, defects } = decode(type_id, &case.bytes, length, &mut tree);
            let without = decode(type_id, &case.bytes, length, &mut ());
            assert_eq!(format!("{body:?}{defects:?}"), format!("{:?}{:?}", without.body, without.defects));
            let rebased = match (&body, case.timestamp) {
                (Body::Aggregate(aggregate), Some(timestamp)) => {
                    aggregate.messages.iter().map(|message| message.rebased(timestamp)).collect()
                }
                _ => Vec::new(),
            };
            let json = serde_json::to_value(&body).expect("bodies are JSON");
            Outcome { json, info: info(type_id, &body), detail: detail(type_id, &body), defects, rebased, tree }
        }
    };
    assert_eq!(outcome.tree.tiles(0..case.bytes.len()), Ok(()), "{}: leaves do not tile", case.place);
    outcome
}

/// What is not as expected, in words.
fn compare(case: &Case, outcome: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |what: &str, found: String, wanted: &str| {
        if found != wanted {
            wrong.push(format!("{}: {what}\n   expected {wanted}\n      found {found}", case.place));
        }
    };
    if let Some(wanted) = case.expect("info") {
        expect("info", outcome.info.clone(), wanted);
    }
    if let Some(wanted) = case.expect("detail") {
        expect("detail", outcome.detail.clone(), wanted);
    }
    let defects: Vec<_> = outcome.defects.iter().map(|defect| format!("{}@{}", defect.code, defect.offset)).collect();
    expect("defects", defects.join(" "), case.expect("defects").unwrap_or_default());
    if let Some(wanted) = case.expect("rebased") {
        let rebased: Vec<_> = outcome.rebased.iter().map(u32::to_string).collect();
        expect("rebased timestamps", rebased.join(" "), wanted);
    }
    for (keyword, agrees) in [("json", equal as fn(&Json, &Json) -> bool), ("subset", contains)] {
        let Some(wanted) = case.expect(keyword) else { continue };
        let parsed = serde_json::from_str(wanted).unwrap_or_else(|error| panic!("{}: {error}", case.place));
        if !agrees(&outcome.json, &parsed) {
            expect(keyword, outcome.json.to_string(), wanted);
        }
    }
    if case.expect("json").or(case.expect("subset")).is_none() {
        wrong.push(format!("{}: nothing is expected of the JSON", case.place));
    }
    let lines: Vec<String> = outcome.tree.nodes().iter().map(line).collect();
    let mut rest = lines.iter();
    for wanted in &case.tree {
        if !rest.any(|line| line == wanted) {
            let found = lines.join("\n      ");
            wrong.push(format!("{}: the tree lacks, or has elsewhere:\n   {wanted}\n      {found}", case.place));
            break;
        }
    }
    wrong
}

fn equal(found: &Json, wanted: &Json) -> bool {
    found == wanted
}

/// Whether `found` says at least what `wanted` says: names may be more, items may not.
fn contains(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Object(found), Json::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| contains(found, wanted)))
        }
        (Json::Array(found), Json::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| contains(found, wanted))
        }
        (found, wanted) => found == wanted,
    }
}

/// `offset+length name = value`.
fn line(node: &Node) -> String {
    let place = format!("{}+{} {}", node.range.start, node.range.len(), node.def.name);
    match &node.value {
        Value::None => place,
        value => format!("{place} = {}", text(value)),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::None => String::new(),
        Value::Uint(number) => number.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => hex::encode(bytes),
        Value::Address(address) => address.to_string(),
        Value::Seconds(nanoseconds) => nanoseconds.to_string(),
        other => unreachable!("a body has no {other:?}"),
    }
}
