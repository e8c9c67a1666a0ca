//! `amf`: bytes in every form to values, values to the same bytes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use rtmp_inspect::amf::encode::encode;
use rtmp_inspect::amf::exact::exact;
use rtmp_inspect::amf::{Values, amf0, amf3};
use rtmp_inspect::field::{Reader, Tree};
use serde_json::{Value as Json, json};

/// The JSON of bytes, if they are undamaged.
fn decoded(bytes: &[u8], is_amf3: bool) -> Option<Json> {
    let mut tree = Tree::default();
    let mut reader = Reader::new(bytes, &mut tree);
    let values: Values<'_> = if is_amf3 { amf3::values(&mut reader) } else { amf0::values(&mut reader) };
    exact(&values, &tree, bytes, is_amf3)
}

/// Bytes to JSON, to text, to JSON, to bytes.
fn again(bytes: &[u8], is_amf3: bool) -> Option<Vec<u8>> {
    let text = decoded(bytes, is_amf3)?.to_string();
    let values: Json = serde_json::from_str(&text).expect("JSON");
    Some(encode(values.as_array().expect("an array"), is_amf3).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[test]
fn bytes_of_other_encoders_come_back() {
    let mut count = 0;
    for table in ["py3amf.tsv", "flash_lso.tsv"] {
        let text = fs::read_to_string(testdata().join("amf").join(table)).expect("a table");
        for line in text.lines() {
            let [name, version, hex, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let bytes = hex::decode(hex).expect("hex");
            assert_eq!(again(&bytes, version == "3").map(hex::encode).as_deref(), Some(hex), "{name} (AMF {version})");
            count += 1;
        }
    }
    assert!(count > 140, "{count}");
}

#[test]
fn bodies_of_the_fixtures_come_back() {
    let mut count = 0;
    for case in crate::kit::fixture::cases(&testdata().join("bodies")) {
        let is_undamaged = case.expect("defects").is_none() && case.length.is_none();
        if !["amf0", "amf3"].contains(&case.kind.as_str()) || !is_undamaged {
            continue;
        }
        let found = again(&case.bytes, case.kind == "amf3").unwrap_or_else(|| panic!("{}: not read", case.place));
        assert_eq!(hex::encode(found), hex::encode(&case.bytes), "{}", case.place);
        count += 1;
    }
    assert!(count > 35, "{count}");
}

/// All commands and data messages of AMF 0 in some captures of real software.
#[test]
fn messages_of_real_sessions_come_back() {
    let mut count = 0;
    for capture in
        ["a/ffmpeg_pub_c4096.pcap", "a/ffmpeg_pub_play.pcap", "a/gst_rtmp2sink_pub.pcap", "b/name_in_use.pcap"]
    {
        let path = testdata().join("captures").join(capture);
        let source = rtmp_inspect::CaptureSource::new(move || fs::File::open(&path));
        for message in source.messages().expect("a capture") {
            let message = message.expect("a message");
            if matches!(message.header.type_id.0, 18 | 20) {
                assert_eq!(
                    again(message.body(), false).as_deref(),
                    Some(message.body()),
                    "{capture} row {}",
                    message.number
                );
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

/// The convention of docs/amf.md, each hint with the bytes that the specifications have for it.
#[test]
fn every_hint_has_its_bytes() {
    let amf0 = [
        (json!({ "$undefined": true }), "06"),
        (json!({ "$unsupported": true }), "0d"),
        (json!({ "$date": 0, "timezone": -60 }), "0b0000000000000000ffc4"),
        (json!({ "$ecma_array": { "a": true }, "count": 0 }), "080000000000016101010000 09"),
        (json!({ "$ecma_array": { "a": true } }), "080000000100016101010000 09"),
        (json!({ "$typed": "C", "properties": {} }), "10000143000009"),
        (json!({ "$long_string": "a" }), "0c0000000161"),
        (json!({ "$xml": "<a/>" }), "0f000000043c612f3e"),
        (json!({ "$reference": 1 }), "070001"),
        (json!({ "$bytes": "ff" }), "020001ff"),
        (json!({ "$number": "NaN" }), "007ff8000000000000"),
        (json!({ "$number": "-inf" }), "00fff0000000000000"),
        (json!({ "$boolean": 2 }), "0102"),
        (json!({ "$int64": -1 }), "22ffffffffffffffff"),
        (json!({ "$pairs": [["$a", 1], ["$a", null]] }), "030002246100 3ff0000000000000 00022461 05 000009"),
        (json!([1, "a"]), "0a0000000200 3ff0000000000000 02000161"),
        (json!({ "$amf3": 1 }), "110401"),
    ];
    let amf3 = [
        (json!({ "$undefined": true }), "00"),
        (json!(-1), "04ffffffff"),
        (json!({ "$double": 1 }), "053ff0000000000000"),
        (json!(268_435_456), "0541b0000000000000"),
        (json!(["a", "a", { "$string": "a", "inline": true }]), "0907 01 060361 0600 060361"),
        (json!({ "$array": [1], "properties": { "a": 2 } }), "0903 0361 0402 01 0401"),
        (json!({ "a": 1 }), "0a0b01 0361 0401 01"),
        (json!({ "$typed": "C", "properties": { "a": 1 } }), "0a13 0343 0361 0401"),
        (
            json!({ "$typed": "C", "properties": { "a": 1, "b": 2 }, "sealed": 1, "dynamic": true }),
            "0a1b 0343 0361 0401 0362 0402 01",
        ),
        (json!({ "$byte_array": "00ff" }), "0c0500ff"),
        (json!({ "$date": 0 }), "08010000000000000000"),
        (json!({ "$xml": "a" }), "0b0361"),
        (json!({ "$xml": "a", "document": true }), "070361"),
        (json!({ "$vector": "int", "items": [-1], "fixed": true }), "0d0301ffffffff"),
        (json!({ "$vector": "uint", "items": [1] }), "0e030000000001"),
        (json!({ "$vector": "Number", "items": [1] }), "0f03003ff0000000000000"),
        (json!({ "$vector": "*", "items": [1] }), "100300010401"),
        (json!({ "$vector": "int", "class": "int", "items": [] }), "10010007696e74"),
        (json!({ "$dictionary": [["a", 1]], "weak": true }), "11030106036 10401"),
        (json!({ "$reference": 0, "marker": 9 }), "0900"),
        (
            json!({ "$externalizable": "flex.messaging.io.ArrayCollection", "value": [] }),
            "0a0743666c65782e6d6573736167696e672e696f2e4172726179436f6c6c656374696f6e090101",
        ),
    ];
    let all = amf0.into_iter().map(|case| (case, false)).chain(amf3.into_iter().map(|case| (case, true)));
    for ((value, hex), is_amf3) in all {
        let bytes = encode(std::slice::from_ref(&value), is_amf3).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(hex::encode(&bytes), hex.replace(' ', ""), "{value}");
        // A reference needs what it refers to.
        if value.get("$reference").is_none() {
            assert_eq!(decoded(&bytes, is_amf3), Some(json!([value])), "{hex}");
        }
    }
}

/// Values of JSON with hints, `depth` levels deep.
fn values(is_amf3: bool) -> impl Strategy<Value = Json> {
    let text = prop_oneof![Just(String::new()), "[abc]{1,2}", "\\PC{1,6}", Just("$x".to_owned())];
    let double = any::<f64>().prop_map(|number| match number.is_finite() {
        true => json!(number),
        false => json!({ "$number": format!("{number}") }),
    });
    let common = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        text.clone().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        double,
        Just(json!({ "$undefined": true })),
        text.clone().prop_map(|text| json!({ "$xml": text })),
        Just(json!({ "$bytes": "fffe" })),
    ];
    let own = if is_amf3 {
        prop_oneof![
            text.clone().prop_map(|text| json!({ "$string": format!("{text}x"), "inline": true })),
            (-(1 << 28)..1 << 28i32).prop_map(|number| json!({ "$double": number })),
            prop::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| json!({ "$byte_array": hex::encode(bytes) })),
            any::<i32>().prop_map(|number| json!({ "$vector": "int", "items": [number], "fixed": true })),
            text.clone().prop_map(|text| json!({ "$xml": text, "document": true })),
            any::<i16>().prop_map(|millis| json!({ "$date": millis })),
        ]
        .boxed()
    } else {
        prop_oneof![
            text.clone().prop_map(|text| json!({ "$long_string": text })),
            (any::<f64>(), any::<i16>()).prop_map(
                |(millis, zone)| json!({ "$date": if millis.is_finite() { millis } else { 0.0 }, "timezone": zone })
            ),
            any::<i64>().prop_map(|number| json!({ "$int64": number })),
            (2..=255u8).prop_map(|byte| json!({ "$boolean": byte })),
        ]
        .boxed()
    };
    prop_oneof![2 => common, 1 => own].prop_recursive(4, 32, 5, move |inner| {
        let pairs = prop::collection::vec((text.clone(), inner.clone()), 0..4)
            .prop_map(|pairs| json!({ "$pairs": pairs.into_iter().map(|(name, value)| json!([name + "n", value])).collect::<Vec<_>>() }));
        let items = prop::collection::vec(inner.clone(), 0..4);
        if is_amf3 {
            prop_oneof![
                items.clone().prop_map(Json::from),
                pairs.clone(),
                (text.clone(), pairs.clone(), any::<bool>()).prop_map(|(class, pairs, is_dynamic)| {
                    let count = pairs["$pairs"].as_array().map_or(0, Vec::len);
                    let sealed = if is_dynamic { count / 2 } else { count };
                    json!({ "$typed": class, "properties": pairs, "sealed": sealed, "dynamic": is_dynamic })
                }),
                (items.clone(), pairs.clone()).prop_map(|(items, pairs)| json!({ "$array": items, "properties": pairs })),
                (text.clone(), items).prop_map(|(class, items)| json!({ "$vector": "", "class": class, "items": items })),
                (inner.clone(), inner).prop_map(|(key, value)| json!({ "$dictionary": [[key, value]] })),
            ]
            .boxed()
        } else {
            prop_oneof![
                items.prop_map(Json::from),
                pairs.clone(),
                (text.clone(), pairs.clone()).prop_map(|(class, pairs)| json!({ "$typed": class, "properties": pairs })),
                (pairs, any::<u32>()).prop_map(|(pairs, count)| json!({ "$ecma_array": pairs, "count": count })),
            ]
            .boxed()
        }
    })
}

proptest! {
    #[test]
    fn any_values_of_amf0_come_back(all in prop::collection::vec(values(false), 1..4)) {
        let bytes = encode(&all, false).expect("values");
        prop_assert_eq!(again(&bytes, false), Some(bytes));
    }

    #[test]
    fn any_values_of_amf3_come_back(all in prop::collection::vec(values(true), 1..4)) {
        let bytes = encode(&all, true).expect("values");
        prop_assert_eq!(again(&bytes, true), Some(bytes.clone()));
        // Several switches to AMF 3 in one body share their tables.
        let wrapped: Vec<Json> = all.iter().map(|value| json!({ "$amf3": value })).collect();
        let bytes = encode(&wrapped, false).expect("values");
        prop_assert_eq!(again(&bytes, false), Some(bytes));
    }

    /// Of random bytes, what reads without a defect means the same when it is written again.
    #[test]
    fn random_bytes_mean_the_same(bytes in prop::collection::vec(prop_oneof![0u8..0x13, any::<u8>()], 0..60), is_amf3: bool) {
        if let Some(json) = decoded(&bytes, is_amf3) {
            let encoded = encode(json.as_array().expect("an array"), is_amf3).expect("values");
            prop_assert_eq!(decoded(&encoded, is_amf3), Some(json));
        }
    }
}

#[test]
fn every_form_of_input_gives_the_same_values() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bytes = b"\x02\x00\x04play\x00\x3f\xf0\x00\x00\x00\x00\x00\x00";
    let file = dir.path().join("body.bin");
    fs::write(&file, bytes).expect("writable");
    let expected = said(&["amf", file.to_str().expect("UTF-8")], b"");
    assert!(expected.contains("String: 'play'") && expected.contains("Number: 1"), "{expected}");
    for input in [
        "020004706c6179003ff0000000000000",
        "02 00 04 70 6c 61 79 00 3f f0 00 00 00 00 00 00",
        "AgAEcGxheQA/8AAAAAAAAA==",
        "b'\\x02\\x00\\x04play\\x00?\\xf0\\0\\0\\0\\0\\0\\0'",
        "{0x02,0,4,0x70,0x6c,0x61,0x79,0,0x3f,0xf0,0,0,0,0,0,0}",
        "[]byte(\"\\x02\\x00\\x04play\\x00?\\xf0\\x00\\x00\\x00\\x00\\x00\\x00\")",
    ] {
        assert_eq!(said(&["amf", input], b""), expected, "{input}");
        assert_eq!(said(&["amf"], input.as_bytes()), expected, "{input}");
    }
    assert_eq!(said(&["amf", "-"], bytes), expected);
    assert_eq!(said(&["amf", "02", "00", "04", "70", "6c", "61", "79", "003ff0000000000000"], b""), expected);
    // From a message that follow selects.
    let body = said(&["follow", "captures/a/ffmpeg_pub_c4096.pcap", "--message", "4", "--as", "base64"], b"");
    assert!(said(&["amf"], body.as_bytes()).contains("Property 'app' String 'live'"));
}

#[test]
fn json_encodes_again_and_has_the_places() {
    let hex = "0200077075626c697368 00 4014000000000000 05 020003 6f6e65";
    let text = said(&["amf", "--format", "json", hex], b"");
    let report: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["values"], json!(["publish", 5, null, "one"]));
    let schema = fs::read_to_string(testdata().join("../schema/amf.schema.json")).expect("in the repository");
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema");
    let damaged: Json = serde_json::from_slice(&run(&["amf", "--format", "json", "030001"], b"").stdout).expect("JSON");
    assert!(schema.is_valid(&report) && schema.is_valid(&damaged) && damaged["defects"].is_array(), "{damaged}");
    let mut wrong = report.clone();
    wrong["amf"] = json!(1);
    assert!(!schema.is_valid(&wrong));
    let name = &report["fields"].as_array().expect("fields")[3];
    assert_eq!((&name["name"], &name["offset"], &name["length"]), (&json!("amf.string"), &json!(3), &json!(7)));
    assert_eq!(said(&["amf", "--encode", "-"], text.as_bytes()).replace([' ', '\n'], ""), hex.replace(' ', ""));
    assert_eq!(said(&["amf", "--encode", "--as", "python", "[\"play\"]"], b""), "b'\\x02\\x00\\x04play'\n");
    assert_eq!(
        said(&["amf", "--amf3", "--encode", "{\"a\": [1, \"a\"]}"], b""),
        "0a 0b 01 03 61 09 05 01 04 01 06 00 01\n"
    );
    assert_eq!(said(&["amf", "--as", "python", "70 6c 61 79"], b""), "b'play'\n");
    assert_eq!(said(&["amf", "--as", "hex", "b'play'"], b""), "70 6c 61 79\n");
}

#[test]
fn what_is_wrong_is_said() {
    for (args, status, words) in [
        (&["amf", "0200"][..], 1, "short"),
        (&["amf", "--format", "json", "03"], 1, "the bytes are damaged"),
        (&["amf", "no-such-file.bin"], 2, "no file has the name 'no-such-file.bin'"),
        (&["amf", "b\"\\01\""], 2, "--from FORM chooses one"),
        (&["amf", "70 6"], 2, "at the end"),
        (&["amf"], 2, "the text is empty"),
        (&["amf", "--skip", "9", "05"], 2, "--skip 9 leaves none"),
        (&["amf", "--encode", "{"], 2, "is not JSON"),
        (&["amf", "--encode", "[{\"a\": {\"$date\": \"x\"}}]"], 2, "at values[0].a: a number is needed"),
        (&["amf", "--encode", "[{\"$byte_array\": \"00\"}]"], 2, "is a value of AMF 3"),
        (&["amf", "--encode", "[{\"$nothing\": 1}]"], 2, "unknown hint $nothing"),
        (&["amf", "--from", "base64", "@@"], 2, "not base64"),
    ] {
        let output = run(args, b"");
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

fn said(args: &[&str], input: &[u8]) -> String {
    let output = run(args, input);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(args)
        .current_dir(testdata())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads, or has ended");
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
