//! `decode FILE.flv`: tags as rows, against ffprobe's packets; damage told at its place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

#[test]
fn tags_are_the_packets_that_ffprobe_finds() {
    let rows = rows(&["decode", "--format", "jsonl", "flv/small.flv"]);
    let expected = fs::read_to_string(testdata().join("flv/small.csv")).expect("readable");
    let coded = rows.iter().filter(|row| {
        let is_config = row["detail"].as_str().is_some_and(|detail| detail.contains("config"));
        // The end of a sequence has no packet either (E.4.3.1).
        let is_end = row["detail"].as_str().is_some_and(|detail| detail.contains("end of sequence"));
        matches!(row["type_id"].as_u64(), Some(8 | 9)) && !is_config && !is_end
    });
    // The header of an audio tag with AAC has two bytes, of a video tag with AVC five (E.4.2.1, E.4.3.1).
    let packet = |row: &Json| {
        let is_audio = row["type_id"] == 8;
        let (kind, header) = if is_audio { ("audio", 2) } else { ("video", 5) };
        let size = row["length"].as_u64().expect("a length") - header;
        format!("{kind},{},{size},{}", row["timestamp"], row["offset"])
    };
    let found: Vec<String> = coded.map(packet).collect();
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(found, expected);
    assert!(found.len() > 20, "{}", found.len());
}

/// What FLV lacks is absent, and what it has is as in messages.
#[test]
fn rows_have_what_a_file_has() {
    let rows = rows(&["decode", "--format", "jsonl", "--hash", "flv/small.flv"]);
    for row in &rows {
        for absent in ["frame", "time", "tcp_stream", "direction", "src", "csid", "fmt", "chunks", "message_stream_id"]
        {
            assert!(row.get(absent).is_none(), "{absent}: {row}");
        }
        assert_eq!((&row["kind"], &row["complete"], row.get("defects")), (&json!("tag"), &json!(true), None), "{row}");
        assert_eq!(row["body_sha256"].as_str().map(str::len), Some(64));
        assert!(schema().is_valid(row), "{row}");
    }
    let metadata = &rows[0];
    assert_eq!((&metadata["number"], &metadata["offset"], &metadata["type_id"]), (&json!(1), &json!(13), &json!(18)));
    assert!(metadata["detail"].as_str().expect("text").contains("64x48 10 fps H.264 AAC"), "{metadata}");
    let text = said(&["decode", "-n", "3", "flv/small.flv"]);
    assert!(text.contains("AAC config 44.1 kHz mono"), "{text}");
    // The body begins eleven bytes after the tag, at its place in the file.
    assert!(text.contains("0000016b  af 00 12 08"), "{text}");
}

#[test]
fn options_of_decode_choose_tags() {
    let count = |args: &[&str]| rows(&[&["decode", "--format", "jsonl", "flv/small.flv"], args].concat()).len();
    let all = count(&[]);
    assert_eq!(count(&["--count", "3"]), 3);
    assert_eq!(count(&["--type", "audio"]) + count(&["--type", "video"]) + count(&["--type", "18"]), all);
    let csv = said(&["decode", "--format", "csv", "flv/small.flv"]);
    assert_eq!(csv.lines().count(), all + 1);
    let document: Json = serde_json::from_str(&said(&["decode", "--format", "json", "flv/small.flv"])).expect("JSON");
    assert_eq!(document["rows"].as_array().map(Vec::len), Some(all));
    let text = said(&["decode", "flv/small.flv"]);
    assert_eq!(text.lines().count(), all + 1);
    for option in [&["--stream", "0"][..], &["-Y", "amf.string"], &["-e", "amf.string"], &["--direction", "c2s"]] {
        let output = run(&[&["decode", "flv/small.flv"], option].concat());
        assert_eq!(output.status.code(), Some(2), "{option:?}");
        assert!(text_of(&output.stderr).contains("is for captures"), "{}", text_of(&output.stderr));
    }
    let output = run(&["decode", "-n", "999", "flv/small.flv"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn damage_is_told_at_its_place() {
    let whole = fs::read(testdata().join("flv/small.flv")).expect("readable");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let decoded = |bytes: &[u8]| {
        let path = dir.path().join("damaged.flv");
        fs::write(&path, bytes).expect("writable");
        said(&["decode", path.to_str().expect("UTF-8")])
    };
    let good = decoded(&whole);
    assert!(!good.contains('!') && !good.contains("flv-"), "{good}");
    // PreviousTagSize of the first tag: its body has 268 bytes, so it is at 13 + 11 + 268, and 279.
    let mut bytes = whole.clone();
    assert_eq!(bytes[292..296], [0, 0, 1, 0x17]);
    bytes[295] = 0x18;
    let text = decoded(&bytes);
    assert!(
        text.contains("PreviousTagSize after the tag is 280, and the tag has 279 bytes (file offset 292)"),
        "{text}"
    );
    assert_eq!(text.lines().count(), good.lines().count() + 1);
    // Cut in a body.
    let text = decoded(&whole[..1000]);
    assert!(text.contains("flv-tag-cut") && text.contains("(file offset 1000)"), "{text}");
    // Bytes that are no tag.
    let bytes = [&whole[..296], &b"garbage!"[..], &whole[296..]].concat();
    let text = decoded(&bytes);
    assert!(text.contains("8 bytes not decoded") && text.contains("(file offset 296)"), "{text}");
    assert_eq!(text.lines().count(), good.lines().count() + 2);
    let path = dir.path().join("damaged.flv");
    let all = rows(&["decode", "--format", "jsonl", "-x", path.to_str().expect("UTF-8")]);
    let schema = schema();
    assert!(all.iter().all(|row| schema.is_valid(row)) && all[1]["kind"] == "undecoded", "{}", all[1]);
    // A schema that accepts everything would prove nothing.
    for (key, wrong) in
        [("frame", json!(1)), ("kind", json!("message")), ("timestamp", json!(-1)), ("type_id", json!(20))]
    {
        let mut row = all[0].clone();
        row[key] = wrong;
        assert!(!schema.is_valid(&row), "{key}");
    }
}

fn schema() -> jsonschema::Validator {
    let schema = fs::read_to_string(testdata().join("../schema/flv.schema.json")).expect("in the repository");
    jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema")
}

fn rows(args: &[&str]) -> Vec<Json> {
    said(args).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn said(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text_of(&output.stderr));
    text_of(&output.stdout)
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rtmp-inspect")).args(args).current_dir(testdata()).output().expect("it runs")
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
