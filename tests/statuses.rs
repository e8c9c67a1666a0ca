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
    let output = run(&["lint", "c/pub_empty.pcap"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no RTMP in"));
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

#[test]
fn a_row_has_one_number_in_lists_and_findings() {
    let mut compared = 0;
    for capture in ["a/ffmpeg_pub_play.pcap", "a/nginx_push_relay.pcap", "a/nms2_pub_play.pcap"] {
        let list = run(&["decode", "--format", "jsonl", capture]).stdout;
        let rows: HashMap<u64, Value> = String::from_utf8_lossy(&list)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|row| (row["number"].as_u64().expect("a number"), row))
            .collect();
        let connections = rows.values().map(|row| row["tcp_stream"].as_u64().expect("a number")).max().expect("rows");
        assert!(connections > 0, "{capture} has several connections");
        for connection in 0..=connections {
            let number = connection.to_string();
            let report = run(&["lint", "--fail-on", "never", "--format", "json", "--stream", &number, capture]).stdout;
            let report: Value = serde_json::from_slice(&report).expect("JSON");
            for finding in report["captures"][0]["findings"].as_array().expect("a list") {
                let place = &finding["where"];
                let row = &rows[&place["number"].as_u64().expect("a number")];
                for key in ["tcp_stream", "direction"] {
                    assert_eq!(row[key], place[key], "{capture} --stream {connection}: {finding:#}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 0);
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
