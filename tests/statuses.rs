//! One convention for the exit status, and one number for a row, whatever the subcommand.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::kit::{Session, amf0, handshake, message};

fn captures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/captures")
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    command.args(arguments).current_dir(captures()).env_remove("CI").env_remove("GITHUB_ACTIONS");
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("it starts")
}

#[test]
fn what_has_nothing_to_judge_ends_with_2_and_says_so_in_a_line() {
    let good = "a/ffmpeg_pub_c4096.pcap";
    for without in ["c/pub_empty.pcap", "b/http_on_1935.pcap"] {
        for arguments in [
            &["diff", without, without][..],
            &["diff", without, good],
            &["snapshot", without],
            &["relay", without],
            &["check", "--against", without, without],
            &["check", "--against", without, good],
        ] {
            let output = run(arguments);
            let said = [&output.stdout[..], &output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains("no RTMP in") || said.contains("no publisher"), "{arguments:?}: {said}");
        }
        for arguments in [["decode", without], ["streams", without]] {
            assert_eq!(run(&arguments).status.code(), Some(0), "{arguments:?}: a list judges nothing");
        }
    }
}

#[test]
fn lint_of_a_capture_without_rtmp_says_so_in_every_format() {
    // No frames; nothing but TLS. What fails to be RTMP on its port is judged, and is a finding.
    for without in ["c/pub_empty.pcap", "e/rtmps_ffmpeg_pub.pcap"] {
        for format in ["text", "json", "github", "sarif", "junit"] {
            let output = run(&["lint", "--format", format, without]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{without} as {format}: {said}");
            assert!(said.starts_with(&format!("error: no RTMP in {without}")), "{without} as {format}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        // With another that holds some, the one without it still fails.
        let output = run(&["lint", "a/ffmpeg_pub_c4096.pcap", without]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("no RTMP in {without}")));
    }
    let judged = run(&["lint", "b/http_on_1935.pcap"]);
    assert_eq!(judged.status.code(), Some(1));
    assert!(judged.stderr.is_empty() && String::from_utf8_lossy(&judged.stdout).contains("fatal[not-rtmp]"));
}

#[test]
fn a_connection_that_is_not_there_is_an_error() {
    let good = "a/ffmpeg_pub_c4096.pcap";
    let received = "seed/jpeg_c128.received.bin";
    for arguments in [
        &["decode", "--stream", "7", good][..],
        &["streams", "--stream", "7", good],
        &["diff", "--stream", "7", good, good],
        &["lint", "--stream", "7", good],
        &["relay", "--stream", "7", good],
        &["snapshot", "--stream", "7", good],
        &["check", "--stream", "7", good],
        &["payload", "--stream", "7", "--capture", good, received, received],
    ] {
        let output = run(arguments);
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        let says = ["there is no TCP connection 7 in", "its only one is 0"];
        assert!(says.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
    }
    // On another port nothing travelled.
    let payload = |port: &str| run(&["payload", "--port", port, "--capture", good, received, received]);
    assert!(String::from_utf8_lossy(&payload("1936").stderr).contains("no RTMP in"));
    assert!(!String::from_utf8_lossy(&payload("1935").stderr).contains("no RTMP in"));
}

#[test]
fn a_closed_pipe_does_not_hide_a_verdict() {
    let pair = ["pairs/10_amf_number_A.pcap", "pairs/10_amf_number_B.pcap"];
    for (arguments, status) in [
        (&["diff", "--stat", pair[0], pair[1]][..], 1),
        (&["check", "--no-lint", "--against", pair[0], pair[1]], 1),
        (&["check", "--no-lint", "--against", pair[0], pair[0]], 0),
        (&["decode", pair[0]], 0),
    ] {
        let mut child = program(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // Nobody reads.
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Captures with several connections.
const SEVERAL: [&str; 4] = ["a/ffmpeg_pub_play.pcap", "a/nginx_push_relay.pcap", "a/nms2_pub_play.pcap", "d/many.pcap"];

/// The rows of `decode`, by their number, which is their place from 1.
fn rows(capture: &str) -> HashMap<u64, Value> {
    let list = run(&["decode", "--format", "jsonl", capture]).stdout;
    let rows = String::from_utf8(list).expect("UTF-8");
    let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let rows: HashMap<_, _> =
        (1..).zip(rows).inspect(|(at, row)| assert_eq!(row["number"], *at, "{capture}")).collect();
    assert!(rows.values().any(|row| row["tcp_stream"] == 1), "{capture} has several connections");
    rows
}

fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// The row of that number is in this frame: it ends there, or a value of it is there.
fn assert_is_at(rows: &HashMap<u64, Value>, number: &Value, frame: &Value, what: &str) {
    let row = number.as_u64().and_then(|number| rows.get(&number)).unwrap_or_else(|| panic!("{what}: no row {number}"));
    let [first, frame, last] =
        [&row["first_frame"], frame, &row["frame"]].map(|frame| frame.as_u64().expect("a number"));
    assert!((first..=last).contains(&frame), "{what}: row {number} is in frames {first} to {last}, not {frame}");
}

#[test]
fn a_row_has_one_number_in_lists_and_findings() {
    let mut compared = 0;
    for capture in SEVERAL {
        let rows = rows(capture);
        let connections = rows.values().map(|row| row["tcp_stream"].as_u64().expect("a number")).max().expect("rows");
        for connection in 0..=connections {
            let number = connection.to_string();
            let report = json(&["lint", "--fail-on", "never", "--format", "json", "--stream", &number, capture]);
            for finding in report["captures"][0]["findings"].as_array().expect("a list") {
                let place = &finding["where"];
                assert_is_at(&rows, &place["number"], &place["frame"], capture);
                let row = &rows[&place["number"].as_u64().expect("a number")];
                for key in ["tcp_stream", "direction"] {
                    assert_eq!(row[key], place[key], "{capture} --stream {connection}: {finding:#}");
                }
                compared += 1;
            }
            // The last row of each connection, chosen by its number, alone and within its connection.
            let last =
                rows.values().filter(|row| row["tcp_stream"] == connection).max_by_key(|row| row["number"].as_u64());
            let last = last.expect("a connection has rows");
            let chosen = last["number"].to_string();
            for selection in [&["-n", &chosen][..], &["-n", &chosen, "--stream", &number]] {
                let row = json(&[&["decode", "--format", "jsonl"], selection, &[capture]].concat());
                for key in ["number", "tcp_stream", "direction", "frame", "offset", "info"] {
                    assert_eq!(row[key], last[key], "{capture} {selection:?}");
                }
            }
        }
    }
    assert!(compared > 0);
}

#[test]
fn a_row_has_one_number_in_comparisons() {
    let (mut places, mut lines) = (0, 0);
    for (a, b) in [(SEVERAL[0], SEVERAL[2]), (SEVERAL[2], SEVERAL[1]), (SEVERAL[3], SEVERAL[0])] {
        let (of_a, of_b) = (rows(a), rows(b));
        let report = json(&["diff", "--format", "json", a, b]);
        for cause in report["causes"].as_array().expect("a list") {
            let pair = &report["pairs"][cause["pair"].as_u64().expect("a pair") as usize];
            for (side, rows) in [("a", &of_a), ("b", &of_b)] {
                let place = &cause["where"][side];
                if place.is_null() {
                    continue;
                }
                assert_is_at(rows, &place["number"], &place["frame"], &format!("{a} {b} {side}"));
                let row = &rows[&place["number"].as_u64().expect("a number")];
                assert_eq!(row["tcp_stream"], pair[side]["tcp_stream"], "{a} {b}: {cause:#}");
                assert_eq!(row["direction"], cause["where"]["direction"], "{a} {b}: {cause:#}");
                places += 1;
            }
        }
        // `  ! 61  7 s→c Set Chunk Size`: the rows of both, and what both are.
        let text = run(&["diff", "--stat", a, b]).stdout;
        for line in String::from_utf8(text).expect("UTF-8").lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let [mark, number_of_a, number_of_b, arrow, ..] = words[..] else { continue };
            let numbers = [number_of_a, number_of_b].map(|word| word.parse::<u64>().ok());
            let ([Some(of_a_row), Some(of_b_row)], true) = (numbers, ["=", "~", "!"].contains(&mark)) else { continue };
            for row in [&of_a[&of_a_row], &of_b[&of_b_row]] {
                assert_eq!(row["direction"] == "c2s", arrow == "c→s", "{line}: {row:#}");
                let info = row["info"].as_str().expect("text");
                let is_named = ["connect", "publish", "play", "createStream", "releaseStream", "Set Chunk Size"];
                for name in is_named.iter().filter(|name| words[4..].join(" ").split("  ").next() == Some(name)) {
                    assert!(info.starts_with(name), "{line}: {info}");
                }
            }
            lines += 1;
        }
    }
    assert!(places > 10 && lines > 100, "{places} {lines}");
}

#[test]
fn a_row_has_one_number_on_both_legs_of_a_relay() {
    let mut messages = 0;
    for capture in SEVERAL {
        let rows = rows(capture);
        let report = json(&["relay", "--exit-zero", "-v", "--format", "json", capture]);
        for leg in report["legs"].as_array().expect("a list") {
            for message in leg["messages"].as_array().expect("a list") {
                assert_is_at(&rows, &message["message"], &message["frame"], capture);
                let sent = &rows[&message["message"].as_u64().expect("a number")];
                assert_eq!(sent["length"], message["length"], "{capture}: {message}");
                assert_eq!(sent["tcp_stream"], leg["publisher"]["tcp_stream"], "{capture}: {message}");
                if !message["received"].is_null() {
                    assert_is_at(&rows, &message["received"], &message["received_frame"], capture);
                    let received = &rows[&message["received"].as_u64().expect("a number")];
                    assert_eq!(received["tcp_stream"], leg["player"]["tcp_stream"], "{capture}: {message}");
                    assert_eq!(received["type_id"], sent["type_id"], "{capture}: {message}");
                }
                messages += 1;
            }
        }
        for finding in report["findings"].as_array().expect("a list") {
            for side in ["publisher", "player"] {
                let place = &finding["where"][side];
                if !place.is_null() {
                    assert_is_at(&rows, &place["message"], &place["frame"], capture);
                    assert_eq!(rows[&place["message"].as_u64().expect("a number")]["tcp_stream"], place["tcp_stream"]);
                }
            }
        }
    }
    assert!(messages > 300, "{messages}");
}

#[test]
fn what_a_capture_teaches_of_ports_holds_for_both() {
    // The first connection begins in mid-session, and only the second shows that its port is one of RTMP's.
    let folder = tempfile::tempdir().expect("a directory");
    let server = ([192, 0, 2, 2], 19350);
    let first = talk(Session::between(([192, 0, 2, 1], 50001), server, START), "one").skip(8);
    let capture = first.then(talk(Session::between(([192, 0, 2, 1], 50002), server, START + 9), "two"));
    let [a, b] = ["a.pcap", "b.pcap"].map(|name| folder.path().join(name));
    for path in [&a, &b] {
        std::fs::write(path, capture.pcap()).expect("writable");
    }
    for pair in [[&a, &a], [&a, &b]] {
        let [a, b] = pair.map(|path| path.to_str().expect("UTF-8"));
        let output = run(&["diff", a, b]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.starts_with("identical"), "{said}");
        assert!(said.contains("connection 0") && said.contains("connection 1"), "both are compared: {said}");
    }
}

#[test]
fn a_snapshot_equals_its_capture_wherever_a_secret_or_an_id_stands() {
    let string = |text: &str| amf0::string(text);
    let publish = |name: &str| command("publish", 4.0, &[amf0::null(), string(name), string("live")]);
    let call = |name: &str, id: f64| command(name, id, &[amf0::null()]);
    let answer = |id: f64| command("_result", id, &[amf0::null(), amf0::number(id)]);
    type Talk = (Vec<Vec<u8>>, Vec<Vec<u8>>);
    let odd: [(&str, Talk); 8] = [
        ("named like a command", (vec![publish("connect")], vec![])),
        ("named like an answer", (vec![publish("_result")], vec![answer(4.0)])),
        ("in a command's name", (vec![publish("hunter-two-key"), call("hunter-two-key", 9.0)], vec![answer(9.0)])),
        ("in an unknown type", (vec![publish("hunter-two-key"), message(5, 99, 1, b"a hunter-two-key b")], vec![])),
        (
            "in a property's name",
            (vec![publish("key12"), command("x", 0.0, &[amf0::object(&[("key12", string("y"))])])], vec![]),
        ),
        ("with a NUL", (vec![publish("one\0"), publish("one")], vec![])),
        (
            "one id for two",
            (
                vec![call("first", 5.0), call("second", 5.0), call("third", 6.0)],
                vec![answer(6.0), answer(5.0), answer(5.0)],
            ),
        ),
        ("an answer to nothing", (vec![call("first", 5.0)], vec![answer(7.0), answer(5.0), answer(5.0)])),
    ];
    let folder = tempfile::tempdir().expect("a directory");
    for (what, (client, server)) in odd {
        let session = talk(Session::new(), "plain").client(&client.concat()).server(&server.concat()).close();
        let [capture, snapshot] = ["a.pcap", "a.jsonl"].map(|name| folder.path().join(name));
        std::fs::write(&capture, session.pcap()).expect("writable");
        let [capture, snapshot] = [&capture, &snapshot].map(|path| path.to_str().expect("UTF-8"));
        assert_eq!(run(&["snapshot", "-o", snapshot, capture]).status.code(), Some(0), "{what}");
        for pair in [[snapshot, capture], [capture, snapshot], [snapshot, snapshot]] {
            for strict in [&[][..], &["--strict"]] {
                let output = run(&[&["diff"], strict, &pair].concat());
                assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stdout));
            }
        }
    }
}

const START: u64 = 1_700_000_000_000_000;

fn command(name: &str, id: f64, rest: &[Vec<u8>]) -> Vec<u8> {
    message(3, 20, 0, &[amf0::string(name), amf0::number(id), rest.concat()].concat())
}

/// A handshake, `connect`, its answer, and a stream of that name with some sound.
fn talk(session: Session, name: &str) -> Session {
    let [client, server, echo] = handshake();
    let object = amf0::object(&[("app", amf0::string("live")), ("tcUrl", amf0::string("rtmp://host/live"))]);
    let code = amf0::object(&[("code", amf0::string("NetConnection.Connect.Success"))]);
    let sound = (0..20).flat_map(|number| message(4, 8, 1, &[&[0xaf, 1], [number; 90].as_slice()].concat()));
    let publish = command("publish", 3.0, &[amf0::null(), amf0::string(name), amf0::string("live")]);
    let session = session.client(&client).server(&server).client(&echo);
    let session = session.client(&command("connect", 1.0, &[object])).server(&command("_result", 1.0, &[code]));
    session.client(&publish).client(&sound.collect::<Vec<_>>())
}
