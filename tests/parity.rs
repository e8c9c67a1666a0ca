//! `rtmp-inspect decode` against two other decoders, message by message, on every capture.
//!
//! `testdata/tshark` has what tshark 4.0.17 shows, `testdata/reference` what a second, independent decoder
//! finds; their READMEs say how they were made and by which rules. What is compared:
//!
//! - **Which messages, in which order**: tshark's, over both directions. A direction is compared as far as
//!   tshark and the reference find messages of the same types and lengths. Where they part, one of them is out
//!   of step with the sender, and a line in [`DEVIATIONS`] has to say so.
//! - **Each message**: info, fmt, chunk stream, timestamp, length, type and message stream with both; offset,
//!   number of chunks and the body's SHA-256 with the reference.
//! - **Frame**: the one at which all bytes up to the message's end had come, as in tshark; the reference's `completed`.
//! - **Chunk stream**: tshark shows the low six bits of the basic header's last byte, see [`shown_csid`].
//! - **What we show beyond that** has to say that it is not whole, or carry a defect; or, in captures edited
//!   from `c/pub_en10mb.pcap`, be a message of that capture.
//!
//! Every other difference is a line of [`DEVIATIONS`] with its reason, and a line that is no longer needed fails.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::tables::{Direction, TableRow, agreed, direction_of, is_handshake, names, reference, table, testdata};

/// Capture, difference as reported, and why it is meant.
const DEVIATIONS: &[(&str, &str, &str)] = &[
    (
        "c/pub_snap200.pcap",
        "stream 0 from 127.0.0.1:46702: compared up to message 0; tshark has 43, the reference 0",
        "frames are cut to 200 bytes: tshark decodes across the holes, out of step, `Unknown (0x0)`",
    ),
    (
        "c/pub_snap200.pcap",
        "stream 0 from 127.0.0.1:1935: compared up to message 0; tshark has 3, the reference 0",
        "frames are cut to 200 bytes: the handshake is not whole, and the reference wants one",
    ),
    (
        "d/pub_midstream.pcap",
        "stream 0 from 127.0.0.1:46702: compared up to message 0; tshark has 50, the reference 0",
        "starts in mid-stream: tshark assumes chunks of 128 bytes and shows 50 times `Unknown (0x0)`",
    ),
    (
        "d/pub_midstream.pcap",
        "stream 0 from 127.0.0.1:1935: compared up to message 0; tshark has 1, the reference 0",
        "starts in mid-stream: the reference wants a handshake",
    ),
    (
        "d/pub_no_c0c1.pcap",
        "stream 0 from 127.0.0.1:46702: compared up to message 0; tshark has 50, the reference 0",
        "starts behind C0+C1: tshark takes C2 for chunks and never finds its way back",
    ),
    (
        "e/interleave_c128.pcap",
        "frame 1048 stream 0 from 127.0.0.2:1935, Video Data: timestamp is 1040, tshark has 4294967281",
        "an extended timestamp of fmt 1 is a delta, here -15 ms; tshark takes it for absolute",
    ),
    (
        "e/rtmpe_refused.pcap",
        "stream 0 from 127.0.0.1:45652: compared up to message 0; tshark has 1, the reference 0",
        "RTMPE: encrypted, tshark takes the handshake of version 6 for chunks",
    ),
    (
        "e/rtmpe_refused.pcap",
        "stream 0 from 127.0.0.1:45652: tshark has messages, we have none",
        "RTMPE: there is nothing to show",
    ),
    (
        "e/rtmpt_ffmpeg_pub.pcap",
        "stream 0 from 127.0.0.1:35012: compared up to message 0; tshark has 66, the reference 0",
        "RTMPT: the reference does not look into HTTP",
    ),
    (
        "e/rtmpt_ffmpeg_pub.pcap",
        "stream 0 from 127.0.0.1:80: compared up to message 0; tshark has 15, the reference 0",
        "RTMPT: the reference does not look into HTTP, and tshark is out of step",
    ),
    (
        "pairs/06_chunk_not_used_B.pcap",
        "stream 0 from 127.0.0.1:51008: compared up to message 7; tshark has 8, the reference 8",
        "the sender cuts at 128 after announcing 4096: a type 3 header stands in a body, all are out of step",
    ),
    (
        "pairs/07_no_type3_B.pcap",
        "stream 0 from 127.0.0.1:54334: compared up to message 8; tshark has 14, the reference 8",
        "the sender leaves out type 3 headers: tshark reads bodies as headers, `Unknown (0x0)`",
    ),
];

/// The capture that the other `pub_*` captures of `c` and `d` were edited from.
const ORIGINAL: &str = "c/pub_en10mb.pcap";

#[test]
fn ordinary_sessions() {
    compare_folder("a");
}

#[test]
fn sessions_that_fail() {
    compare_folder("b");
}

#[test]
fn file_formats_and_link_types() {
    compare_folder("c");
}

#[test]
fn tcp_trouble() {
    compare_folder("d");
}

#[test]
fn rtmp_peculiarities() {
    compare_folder("e");
}

#[test]
fn other_software() {
    compare_folder("f");
}

#[test]
fn pairs_to_compare() {
    compare_folder("pairs");
}

#[test]
fn jpeg_that_changes() {
    compare_folder("seed");
}

#[test]
fn high_bit_rate() {
    compare_folder("perf");
}

#[test]
fn every_capture_has_its_tables_and_a_test() {
    let captures: BTreeSet<String> = names("captures").into_iter().filter(|name| name.contains(".pcap")).collect();
    let folders: BTreeSet<&str> = captures.iter().map(|name| name.split('/').next().expect("a folder")).collect();
    assert_eq!(folders, BTreeSet::from(["a", "b", "c", "d", "e", "f", "pairs", "seed", "perf"]));
    for tables in ["tshark", "reference"] {
        let tabled: BTreeSet<String> =
            names(tables).iter().filter_map(|name| name.strip_suffix(".tsv")).map(str::to_owned).collect();
        assert_eq!(captures, tabled, "testdata/captures and testdata/{tables} hold the same");
    }
    for (capture, ..) in DEVIATIONS {
        assert!(captures.contains(*capture), "DEVIATIONS names {capture}, which is not in testdata/captures");
    }
}

/// Captures of RTMPT: neither the reference nor tshark counts as the session does, and one direction is out of step there.
const IN_HTTP: &[&str] = &["e/rtmpt_ffmpeg_pub.pcap"];

/// The client's direction, which tshark reads in step: the same messages in the same frames.
#[test]
fn rtmpt_of_the_client_is_as_tshark_reads_it() {
    for capture in IN_HTTP {
        let is_clients = |src: &str| !src.ends_with(":80");
        let tshark = table("tshark", capture).0;
        let theirs = tshark.iter().filter(|row| !is_handshake(row) && is_clients(&row["src"]));
        let theirs: Vec<_> =
            theirs.map(|row| (row["frame"].clone(), crate::tables::in_both_bases(&row["info"]).to_string())).collect();
        let rows = decode(capture);
        let ours = rows.iter().filter(|row| row["kind"] == "message" && row["direction"] == "c2s");
        let ours: Vec<_> = ours.map(|row| (text(&row["frame"]), text(&row["info"]))).collect();
        assert!(ours.len() > 60);
        assert_eq!(ours, theirs, "{capture}");
    }
}

fn compare_folder(folder: &str) {
    let original = identities(&decode(ORIGINAL));
    let mut failures = Vec::new();
    for capture in names("captures").iter().filter(|name| name.starts_with(&format!("{folder}/"))) {
        if !capture.contains(".pcap") {
            continue;
        }
        let mut expected: BTreeMap<&str, &str> =
            DEVIATIONS.iter().filter(|(of, ..)| of == capture).map(|(_, what, why)| (*what, *why)).collect();
        let rows = decode(capture);
        let edited = capture.starts_with("d/pub_") || capture.starts_with("c/pub_");
        let mut found = differences(capture, &rows, edited.then_some(&original));
        found.retain(|difference| expected.remove(difference.as_str()).is_none());
        found.extend(expected.keys().map(|what| format!("no longer needed in DEVIATIONS: {what}")));
        if found.len() > 10 {
            let more = found.len() - 10;
            found.truncate(10);
            found.push(format!("and {more} more"));
        }
        failures.extend(found.iter().map(|difference| format!("{capture}: {difference}")));
    }
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
}

fn differences(capture: &str, rows: &[Value], original: Option<&BTreeSet<Identity>>) -> Vec<String> {
    let tshark = table("tshark", capture).0;
    let reference = reference(capture);
    let mut found = Vec::new();

    let compared = agreed(&tshark, &reference);
    for (direction, &agreed) in &compared {
        let theirs = tshark.iter().filter(|row| !is_handshake(row) && direction_of(row) == *direction).count();
        let known = reference.get(direction).map_or(0, |reference| reference.rows.len());
        let (stream, src) = direction;
        if agreed < theirs.max(known) {
            found.push(format!(
                "stream {stream} from {src}: compared up to message {agreed}; tshark has {theirs}, the reference {known}"
            ));
        }
        let ours = rows.iter().any(|row| row["kind"] == "message" && direction_of_ours(row) == *direction);
        if theirs > 0 && !ours {
            found.push(format!("stream {stream} from {src}: tshark has messages, we have none"));
        }
    }
    let without_handshake = |direction: &Direction| reference.get(direction).is_some_and(|it| it.no_handshake);

    // tshark's rows that count, each with the reference's row of the message.
    let mut seen: BTreeMap<Direction, usize> = BTreeMap::new();
    let mut wanted = Vec::new();
    for row in &tshark {
        let direction = direction_of(row);
        if is_handshake(row) {
            if !without_handshake(&direction) {
                wanted.push((row, None));
            }
            continue;
        }
        let number = seen.entry(direction.clone()).or_default();
        if *number < compared[&direction] {
            wanted.push((row, Some(&reference[&direction].rows[*number])));
        }
        *number += 1;
    }

    // Ours: the same many of each direction are compared, and what comes after has to be marked.
    let mut seen: BTreeMap<Direction, usize> = BTreeMap::new();
    let mut ours = Vec::new();
    for row in rows {
        let direction = direction_of_ours(row);
        match row["kind"].as_str() {
            Some("handshake") if !without_handshake(&direction) => ours.push(row),
            Some("message") => {
                let number = seen.entry(direction.clone()).or_default();
                if *number < compared.get(&direction).copied().unwrap_or_default() {
                    ours.push(row);
                } else if !IN_HTTP.contains(&capture)
                    && !is_marked(row)
                    && !original.is_some_and(|known| known.contains(&identity(row)))
                {
                    found.push(format!("{}: neither tshark nor marked as incomplete or defective", place(row)));
                }
                *number += 1;
            }
            _ => {}
        }
    }

    for (row, (tshark, reference)) in ours.iter().zip(&wanted) {
        let before = found.len();
        compare_row(row, tshark, *reference, &mut found);
        if found.len() > before + 3 {
            // Not one message's fields but other messages: the rest would all differ.
            found.push(format!("{}: tshark has frame {} {} here", place(row), tshark["frame"], tshark["info"]));
            break;
        }
    }
    if ours.len() != wanted.len() {
        found.push(format!("{} rows that count, tshark has {}", ours.len(), wanted.len()));
    }
    found
}

fn compare_row(row: &Value, tshark: &TableRow, reference: Option<&TableRow>, found: &mut Vec<String>) {
    let mut check = |field: &str, ours: String, whose: &str, theirs: &str| {
        if ours != theirs {
            found.push(format!("{}: {field} is {ours}, {whose} has {theirs}", place(row)));
        }
    };
    check("tcp_stream", text(&row["tcp_stream"]), "tshark", &tshark["tcp_stream"]);
    check("src", text(&row["src"]), "tshark", &tshark["src"]);
    check("info", text(&row["info"]), "tshark", &crate::tables::in_both_bases(&tshark["info"]));
    check("frame", text(&row["frame"]), "tshark", &tshark["frame"]);
    let Some(reference) = reference else { return };
    let csid = row["csid"].as_u64().map(shown_csid).unwrap_or_default();
    check("csid, as tshark shows it,", csid.to_string(), "tshark", &tshark["csid"]);
    for field in ["fmt", "timestamp", "length", "type_id", "message_stream_id"] {
        check(field, text(&row[field]), "tshark", &tshark[field]);
    }
    check("frame", text(&row["frame"]), "the reference", &reference["completed"]);
    for field in
        ["csid", "fmt", "timestamp", "length", "type_id", "message_stream_id", "offset", "chunks", "body_sha256"]
    {
        check(field, text(&row[field]), "the reference", &reference[field]);
    }
    check("complete", text(&row["complete"]), "a whole message", "true");
}

/// Wireshark's `rtmpt.header.csid` is the low six bits of the basic header's last byte (RTMP 1.0 5.3.1.1).
fn shown_csid(csid: u64) -> u64 {
    match csid {
        0..64 => csid,
        64..320 => (csid - 64) & 63,
        _ => ((csid - 64) >> 8) & 63,
    }
}

/// Whether the row says of itself that it is not a plain, whole message.
fn is_marked(row: &Value) -> bool {
    row["complete"] == false || row["defects"].as_array().is_some_and(|defects| !defects.is_empty())
}

/// What a message is, wherever it is.
type Identity = (String, String, String);

fn identity(row: &Value) -> Identity {
    (text(&row["type_id"]), text(&row["length"]), text(&row["body_sha256"]))
}

fn identities(rows: &[Value]) -> BTreeSet<Identity> {
    rows.iter().filter(|row| row["kind"] == "message").map(identity).collect()
}

fn direction_of_ours(row: &Value) -> Direction {
    let stream = row["tcp_stream"].as_u64().and_then(|stream| u32::try_from(stream).ok());
    (stream.unwrap_or_else(|| panic!("a row without tcp_stream: {row}")), text(&row["src"]))
}

/// A row in words: `frame 12 stream 0 from 127.0.0.1:1935, Video Data`.
fn place(row: &Value) -> String {
    let [frame, stream, src, info] = ["frame", "tcp_stream", "src", "info"].map(|key| text(&row[key]));
    format!("frame {frame} stream {stream} from {src}, {info}")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The rows of `rtmp-inspect decode --format jsonl --hash`.
fn decode(capture: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(["decode", "--format", "jsonl", "--hash"])
        .arg(testdata().join("captures").join(capture))
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "decode {capture}: {stderr}");
    let stdout = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{capture}: {e}: {line}"))).collect()
}
