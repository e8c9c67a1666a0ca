//! FLV as a recording: files, standard input, TCP and HTTP bodies decoded as messages; damage at its place; `lint` and
//! `diff` with FLV on either side. ffprobe says what a file has.

use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rtmp_inspect::session::Protocol;
use serde_json::{Value as Json, json};

use crate::kit::Session;
use crate::kit::decoded::decode;
use crate::kit::encode::Message;

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
    let schema = schema();
    for row in &rows {
        for absent in ["csid", "fmt", "chunks"] {
            assert!(row.get(absent).is_none(), "{absent}: {row}");
        }
        for unknown in ["frame", "first_frame", "time", "src", "dst", "message_stream_id", "timestamp_delta"] {
            assert_eq!(row[unknown], Json::Null, "{unknown}: {row}");
        }
        let expected = (&json!("message"), &json!(true), None);
        assert_eq!((&row["kind"], &row["complete"], row.get("defects")), expected, "{row}");
        assert_eq!(row["body_sha256"].as_str().map(str::len), Some(64));
        assert!(schema.is_valid(row), "{row}");
    }
    let metadata = &rows[0];
    assert_eq!((&metadata["number"], &metadata["offset"], &metadata["type_id"]), (&json!(1), &json!(13), &json!(18)));
    assert!(metadata["detail"].as_str().expect("text").contains("64x48 10 fps H.264 AAC"), "{metadata}");
    let text = said(&["decode", "-n", "3", "flv/small.flv"]);
    assert!(text.contains("AAC config 44.1 kHz mono"), "{text}");
    // The tag is at 352; the body begins eleven bytes after it.
    assert!(text.contains("00000160 [08 00 00 07 00 00 00 00 00 00 00]"), "{text}");
    assert!(text.contains("0000016b  af 00 12 08"), "{text}");
}

#[test]
fn options_of_decode_choose_tags() {
    let count = |args: &[&str]| rows(&[&["decode", "--format", "jsonl", "flv/small.flv"], args].concat()).len();
    let all = count(&[]);
    assert_eq!(count(&["--count", "3"]), 3);
    assert_eq!(count(&["--type", "audio"]) + count(&["--type", "video"]) + count(&["--type", "18"]), all);
    assert_eq!(count(&["-Y", "rtmpt.video.type == 1"]), 4);
    assert_eq!(count(&["-Y", "rtmpt.header.csid"]), 0);
    let csv = said(&["decode", "--format", "csv", "flv/small.flv"]);
    assert_eq!(csv.lines().count(), all + 1);
    let document: Json = serde_json::from_str(&said(&["decode", "--format", "json", "flv/small.flv"])).expect("JSON");
    assert_eq!(document["rows"].as_array().map(Vec::len), Some(all));
    let text = said(&["decode", "flv/small.flv"]);
    assert_eq!(text.lines().count(), all + 1);
    let output = run(&["decode", "-n", "999", "flv/small.flv"]);
    assert_eq!(output.status.code(), Some(2));
}

/// From a pipe, compressed, and as hex text the rows are the same.
#[test]
fn a_file_may_come_any_way() {
    let expected = said(&["decode", "--format", "jsonl", "flv/small.flv"]);
    let bytes = small();
    assert_eq!(piped(&["decode", "--format", "jsonl", "-"], &bytes), expected);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).expect("in memory");
    assert_eq!(piped(&["decode", "--format", "jsonl", "-"], &packed.finish().expect("in memory")), expected);
    assert_eq!(piped(&["decode", "--format", "jsonl", "-"], hex::encode(&bytes).as_bytes()), expected);
}

#[test]
fn damage_is_told_at_its_place() {
    let whole = small();
    let decoded = |bytes: &[u8]| piped(&["decode", "--format", "jsonl", "-"], bytes);
    let defects = |bytes: &[u8]| -> Vec<(String, u64)> {
        let rows: Vec<Json> = lines(&decoded(bytes));
        let all = rows.iter().flat_map(|row| row["defects"].as_array().cloned().unwrap_or_default());
        all.map(|one| (one["code"].as_str().expect("a code").to_owned(), one["offset"].as_u64().expect("an offset")))
            .collect()
    };
    let count = lines(&decoded(&whole)).len();
    assert_eq!(defects(&whole), []);
    // PreviousTagSize of the first tag: its body has 268 bytes, so it is at 13 + 11 + 268, and 279.
    let mut bytes = whole.clone();
    assert_eq!(bytes[292..296], [0, 0, 1, 0x17]);
    bytes[295] = 0x18;
    assert_eq!(defects(&bytes), [("flv-previous-tag-size".to_owned(), 292)]);
    assert_eq!(lines(&decoded(&bytes)).len(), count);
    // Cut in a body.
    assert_eq!(defects(&whole[..1000]), [("cut".to_owned(), 1000)]);
    // Bytes that are no tag.
    let bytes = [&whole[..296], &b"garbage!"[..], &whole[296..]].concat();
    assert_eq!(defects(&bytes), [("flv-garbage".to_owned(), 296)]);
    let all = lines(&decoded(&bytes));
    assert_eq!((all.len(), &all[1]["kind"], &all[1]["length"]), (count + 1, &json!("undecoded"), &json!(8)));
    let schema = schema();
    assert!(all.iter().all(|row| schema.is_valid(row)));
    // A header that is longer than it can be.
    let mut bytes = whole.clone();
    bytes[8] = 8;
    assert_eq!(defects(&bytes), [("flv-header".to_owned(), 5)]);
    // A tag that is encrypted (E.4.1): what its body says is not known.
    let mut bytes = whole.clone();
    bytes[296] |= 0x20;
    assert_eq!(defects(&bytes), [("flv-encrypted".to_owned(), 296)]);
    // Two files one after the other: the second's header is no garbage.
    assert_eq!(defects(&[&whole[..], &whole].concat()), []);
    assert_eq!(lines(&decoded(&[&whole[..], &whole].concat())).len(), 2 * count);
}

/// How an HTTP message says how long its body is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Body {
    Length,
    Chunked,
    UntilClose,
}

fn http(start: &str, body: &[u8], how: Body) -> Vec<u8> {
    let head = |field: String| format!("{start}\r\nContent-Type: video/x-flv\r\n{field}\r\n").into_bytes();
    match how {
        Body::Length => [&head(format!("Content-Length: {}\r\n", body.len()))[..], body].concat(),
        Body::UntilClose => [&head(String::new())[..], body].concat(),
        Body::Chunked => {
            let mut message = head("Transfer-Encoding: chunked\r\n".to_owned());
            for part in body.chunks(501) {
                message.extend(format!("{:X}\r\n", part.len()).into_bytes());
                message.extend(part);
                message.extend(b"\r\n");
            }
            message.extend(b"0\r\n\r\n");
            message
        }
    }
}

const GET: &[u8] = b"GET /live/one.flv?token=x HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n";

#[test]
fn bodies_of_http_are_the_file() {
    let expected = plain();
    for how in [Body::Length, Body::Chunked, Body::UntilClose] {
        for segment in [1448, 97, 1] {
            let answer = http("HTTP/1.1 200 OK", &small(), how);
            let session = Session::new().client(GET).send(false, &answer, segment).close();
            let decoded = decode(&session.pcap());
            let what = format!("{how:?} in segments of {segment}");
            assert_eq!(decoded.messages.get(&(0, false)), Some(&expected), "{what}");
            assert_eq!(decoded.messages.get(&(0, true)).map_or(0, Vec::len), 0, "{what}");
            let stream = &decoded.streams[0];
            assert_eq!((stream.protocol, &*stream.protocol_name()), (Protocol::Flv, "HTTP-FLV"), "{what}");
            assert_eq!(stream.http_flv.as_deref(), Some("/live/one.flv?token=x"), "{what}");
            assert!(stream.protocol_certain && stream.roles_known, "{what}");
        }
    }
    // An encoder that posts it, and one that sends it over TCP without HTTP.
    let post = http("POST /in/one HTTP/1.1", &small(), Body::Chunked);
    for (sent, name) in [(post, "HTTP-FLV"), (small(), "FLV")] {
        for segment in [1448, 3] {
            let decoded = decode(&Session::new().send(true, &sent, segment).close().pcap());
            assert_eq!(decoded.messages.get(&(0, true)), Some(&expected), "{name}");
            assert_eq!(decoded.streams[0].protocol_name(), name);
        }
    }
}

/// Bodies before the one with FLV are passed over, also on the same connection.
#[test]
fn other_bodies_come_before_it() {
    let first = http("HTTP/1.1 200 OK", b"<cross-domain-policy/>", Body::Length);
    let session = Session::new().client(b"GET /crossdomain.xml HTTP/1.1\r\n\r\n").server(&first).client(GET);
    let decoded = decode(&session.server(&http("HTTP/1.1 200 OK", &small(), Body::Chunked)).close().pcap());
    assert_eq!(decoded.messages.get(&(0, false)), Some(&plain()));
    assert_eq!(decoded.streams[0].http_flv.as_deref(), Some("/live/one.flv?token=x"));
}

/// A hole costs the tags that it touches.
#[test]
fn after_a_hole_the_next_tags_are_found() {
    for how in [Body::Length, Body::Chunked, Body::UntilClose] {
        let answer = http("HTTP/1.1 200 OK", &small(), how);
        let session = Session::new().client(GET).send(false, &answer, 500).close();
        let lost = session.data(false)[7];
        let decoded = decode(&session.drop(lost).pcap());
        let found = decoded.messages.get(&(0, false)).expect("messages");
        let all = plain();
        let is_there = |(message, _): &&(Message, Range<u64>)| found.iter().any(|(other, _)| other == message);
        let whole = all.iter().filter(is_there).count();
        let head = match how {
            // Chunks have 501 bytes, 5 before and 2 after them.
            Body::Chunked => answer.windows(5).position(|line| line == b"1F5\r\n").expect("a chunk"),
            Body::Length | Body::UntilClose => answer.len() - small().len(),
        };
        let in_body = |at: usize| match how {
            Body::Chunked => ((at - head) / 508 * 501 + ((at - head) % 508).saturating_sub(5).min(501)) as u64,
            Body::Length | Body::UntilClose => (at - head) as u64,
        };
        let hole = in_body(7 * 500)..in_body(8 * 500);
        // A tag's header, body and PreviousTagSize; the next tag is believed where this one's size is.
        let is_hit = |at: &Range<u64>| at.start < hole.end && hole.start < at.end;
        let hit = all.iter().filter(|(_, at)| is_hit(at)).count();
        assert_eq!(whole, all.len() - hit, "{how:?}: {hit} in the hole");
    }
}

/// What is HTTP and not FLV stays HTTP: a body that is something else, or only begins as FLV.
#[test]
fn other_http_is_http() {
    for body in [
        &b"#EXTM3U\n"[..],
        b"FL",
        b"FLX\x01\x05\0\0\0\x09\0\0\0\0",
        b"FLV\x02\x05\0\0\0\x09",
        b"FLV\x01\xff\0\0\0\x09",
        b"",
    ] {
        let answer = http("HTTP/1.1 200 OK", body, Body::Length);
        let decoded = decode(&Session::new().client(GET).server(&answer).close().pcap());
        assert_eq!(decoded.streams[0].protocol, Protocol::Http, "{body:x?}");
        assert!(decoded.messages.values().all(Vec::is_empty), "{body:x?}");
    }
}

#[test]
fn a_file_is_linted_by_the_rules_of_media() {
    let found = |bytes: &[u8]| -> Vec<String> {
        let output = feed(&["lint", "--format", "json", "--fail-on", "never", "-"], bytes);
        assert_eq!(output.status.code(), Some(0), "{}", text_of(&output.stderr));
        let report: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let findings = report["captures"][0]["findings"].as_array().cloned().unwrap_or_default();
        findings.iter().map(|one| one["rule"].as_str().expect("a code").to_owned()).collect()
    };
    let whole = small();
    // A handshake, commands and answers are not missed.
    assert_eq!(found(&whole), Vec::<String>::new());
    // The tags of both configurations left out: 296 to 373.
    let without_both = [&whole[..296], &whole[374..]].concat();
    let missing = found(&without_both);
    for code in ["avc-seqhdr-missing", "aac-seqhdr-missing"] {
        assert!(missing.iter().any(|one| one == code), "{code}: {missing:?}");
    }
    // The length of a property's name in the metadata has its bytes exchanged.
    let mut bytes = whole.clone();
    let at = bytes.windows(8).position(|name| name == b"duration").expect("it is there");
    bytes.swap(at - 2, at - 1);
    assert!(found(&bytes).iter().any(|one| one.starts_with("amf-")), "{:?}", found(&bytes));
}

#[test]
fn a_file_against_what_was_sent() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let http = http("HTTP/1.1 200 OK", &small(), Body::Chunked);
    let http = path("http.pcap", &Session::new().client(GET).send(false, &http, 1448).close().pcap());
    let verdict = |a: &str, b: &str, more: &[&str]| -> Json {
        let args = [&["diff", "--format", "json", "--exit-zero", a, b], more].concat();
        serde_json::from_str(&said(&args)).expect("JSON")
    };
    // ffmpeg sent the file, and another ffmpeg received it; both ways round.
    for (a, b) in [("flv/small.flv", "flv/published.pcap"), ("flv/published.pcap", "flv/small.flv")] {
        let report = verdict(a, b, &[]);
        let pair = &report["pairs"][0]["messages"];
        // The encoder is named anew, and a length is no longer known.
        assert_eq!((&pair["equal"], &pair["different"]), (&json!(36), &json!(1)), "{report}");
        let codes: Vec<_> = report["causes"].as_array().expect("causes").iter().map(|cause| &cause["rule"]).collect();
        assert_eq!(codes, [&json!("metadata-differs")]);
    }
    for (a, b) in [("flv/small.flv", &*http), (&*http, "flv/small.flv")] {
        let report = verdict(a, b, &[]);
        assert_ne!(report["verdict"], "different", "{report}");
        assert_eq!(report["pairs"][0]["messages"]["equal"], 37);
    }
    // Of several connections the one with the file's media; or the one that is named.
    for more in [&["--stream", "0"][..], &["--pair", "0:0"]] {
        assert_eq!(
            verdict("flv/small.flv", "flv/published.pcap", more)["pairs"][0]["messages"]["equal"],
            36,
            "{more:?}"
        );
    }
    // A frame that did not go out, and one that was changed.
    let whole = small();
    let rows = rows(&["decode", "--format", "jsonl", "flv/small.flv"]);
    let offset = |number: usize| rows[number - 1]["offset"].as_u64().expect("an offset") as usize;
    let more = path("more.flv", &[&whole[..], &whole[offset(20)..offset(21)]].concat());
    let report = verdict(&more, "flv/published.pcap", &[]);
    assert_eq!(report["pairs"][0]["messages"]["only_a"], 1, "{report}");
    let mut bytes = whole.clone();
    bytes[offset(10) + 30] ^= 0xff;
    let changed = path("changed.flv", &bytes);
    let report = verdict(&changed, "flv/published.pcap", &[]);
    assert_eq!(
        (&report["pairs"][0]["messages"]["different"], &report["verdict"]),
        (&json!(2), &json!("different")),
        "{report}"
    );
}

/// The tags of the file as messages.
fn plain() -> Vec<(Message, Range<u64>)> {
    decode(&Session::new().send(true, &small(), 1448).close().pcap()).messages[&(0, true)].clone()
}

fn small() -> Vec<u8> {
    fs::read(testdata().join("flv/small.flv")).expect("readable")
}

fn schema() -> jsonschema::Validator {
    let schema = fs::read_to_string(testdata().join("../schema/decode.schema.json")).expect("in the repository");
    jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema")
}

fn rows(args: &[&str]) -> Vec<Json> {
    lines(&said(args))
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn said(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text_of(&output.stderr));
    text_of(&output.stdout)
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rtmp-inspect")).args(args).current_dir(testdata()).output().expect("it runs")
}

fn piped(args: &[&str], bytes: &[u8]) -> String {
    let output = feed(args, bytes);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text_of(&output.stderr));
    text_of(&output.stdout)
}

fn feed(args: &[&str], bytes: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    let command = command.args(args).current_dir(testdata());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join().expect("no panic");
    output
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
