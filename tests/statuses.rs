//! One convention for the exit status, and one number for a row, whatever the subcommand.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

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
