//! The program from outside: transcripts, exit status, pipes, formats, hostile strings.
//!
//! `testdata/transcripts/*.txt` hold commands, each followed by what it prints:
//!
//! ```text
//! $ rtmp-inspect streams captures/a/ffmpeg_pub_c4096.pcap
//! (stdout, then stderr, then `[exit N]` if the status is not 0)
//! ```
//!
//! They run in `testdata` with a width of 120 columns and without colour. `BLESS=1 cargo test cli::`
//! writes what is printed now into the files; read the difference before committing it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::kit::{Session, amf0, handshake, message, words};
use serde_json::{Value, json};

/// A session of 157 messages.
const PUBLISH: &str = "captures/a/ffmpeg_pub_c4096.pcap";
const AMF0_COMMAND: u8 = 20;

#[test]
fn transcripts() {
    let mut paths: Vec<PathBuf> = testdata()
        .join("transcripts")
        .read_dir()
        .expect("in the repository")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut changed = Vec::new();
    for path in paths {
        let expected = std::fs::read_to_string(&path).expect("readable");
        let actual = play(&expected);
        let name = path.file_name().expect("a file").to_string_lossy();
        assert!(actual.lines().any(|line| !line.is_empty() && !line.starts_with('$')), "{name}: nothing is printed");
        if expected == actual {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &actual).expect("writable");
        } else {
            let (line, (was, is)) = expected
                .lines()
                .chain([""])
                .zip(actual.lines().chain([""]))
                .enumerate()
                .find(|(_, (was, is))| was != is)
                .unwrap_or((0, ("(other line ends)", "")));
            changed.push(format!("{name}, line {}:\n  was: {was}\n  is:  {is}", line + 1));
        }
    }
    assert!(changed.is_empty(), "{}\nBLESS=1 takes over what is printed now", changed.join("\n"));
}

#[test]
fn what_cannot_be_read_is_one_line_on_stderr_and_status_2() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).expect("writable");
        path
    };
    for path in [
        dir.path().join("missing.pcap"),
        file("empty.pcap", b""),
        file("text.pcap", b"This is a letter, not a capture.\nIt has two lines.\n"),
        dir.path().to_owned(),
    ] {
        for command in ["decode", "streams"] {
            let output = run(&[command, path.to_str().expect("UTF-8")]);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command} {}: {stderr}", path.display());
            assert_eq!(stderr.lines().count(), 1, "{command} {}: {stderr}", path.display());
            let name = path.file_name().expect("a name").to_string_lossy();
            assert!(stderr.contains(&*name), "{command} says what it was reading: {stderr}");
            assert_eq!(text(&output.stdout), "", "{command} {}", path.display());
        }
    }
}

#[test]
fn a_capture_without_rtmp_is_no_error() {
    for capture in ["captures/c/pub_empty.pcap", "captures/b/http_on_1935.pcap"] {
        let output = run(&["decode", capture]);
        assert_eq!(output.status.code(), Some(0), "{capture}: {}", text(&output.stderr));
        let rows = jsonl(&run(&["decode", "--format", "jsonl", capture]));
        assert!(rows.iter().all(|row| row["kind"] != "message"), "{capture}");
    }
}

#[test]
fn a_file_cut_short_is_read_up_to_the_cut_with_a_warning() {
    let output = run(&["decode", "--format", "jsonl", "captures/c/pub_file_cut_short.pcap"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.stderr.is_empty(), "a warning");
    assert_eq!(jsonl(&output).iter().filter(|row| row["complete"] == true).count(), 62);
}

#[test]
fn wrong_usage_is_status_2() {
    for args in [&["decode"][..], &["decode", "--no-such-option", PUBLISH], &["no-such-command"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_closed_pipe_is_quiet() {
    // Both print far more than a pipe holds.
    for options in [&["-x"][..], &["-V"], &["-e", "amf.string", "-e", "frame.number"], &["--format", "jsonl"]] {
        let mut child = spawn(&[&["decode", "captures/d/many.pcap"], options].concat());
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut first).expect("readable");
        drop(stdout);
        let output = child.wait_with_output().expect("it ends");
        assert!(!first.is_empty());
        assert_eq!(text(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_pipe_may_deliver_small_pieces() {
    for capture in [PUBLISH, "captures/c/pub_ng_bigendian.pcapng", "captures/c/pub_gzip.pcap.gz"] {
        let content = std::fs::read(testdata().join(capture)).expect("readable");
        let mut child = spawn(&["decode", "--format", "jsonl", "-"]);
        let mut stdin = child.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || {
            let mut rest = content.as_slice();
            for size in (1..=7).cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at(size.min(rest.len()));
                stdin.write_all(piece).expect("the program reads to the end");
                rest = behind;
            }
        });
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("all was written");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(jsonl(&output), jsonl(&run(&["decode", "--format", "jsonl", capture])), "{capture}");
    }
}

#[test]
fn rows_appear_while_the_pipe_is_open() {
    let content = std::fs::read(testdata().join(PUBLISH)).expect("readable");
    let (first_half, second_half) = content.split_at(content.len() / 2);
    for options in
        [&["--format", "text"][..], &["--format", "jsonl"], &["-V"], &["-Y", "rtmpt"], &["-e", "frame.number"]]
    {
        let args = |capture| [&["decode"], options, &[capture]].concat();
        let mut child = spawn(&args("-"));
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(first_half).expect("the program reads");
        stdin.flush().expect("the program reads");

        let lines = lines_of(child.stdout.take().expect("piped"));
        let mut received = Vec::new();
        // Half of the bytes are more than the first 50 of 157 messages.
        while received.len() < 50 {
            let line = lines.recv_timeout(Duration::from_secs(20));
            received.push(line.unwrap_or_else(|_| panic!("{options:?}: only {} lines so far", received.len())));
        }
        stdin.write_all(second_half).expect("the program reads");
        drop(stdin);
        received.extend(lines);
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        let mut of_file = text(&run(&args(PUBLISH)).stdout);
        if options == ["-V"] {
            // Only a file can be read twice, so as to know of a call where it is answered.
            let known_later = |line: &&str| line.starts_with("    Answered in") || line.starts_with("    No answer");
            of_file = of_file.lines().filter(|line| !known_later(line)).collect::<Vec<_>>().join("\n");
        }
        assert_eq!(received.join("\n"), of_file.trim_end(), "{options:?}");
    }
}

#[test]
fn every_row_keeps_to_the_schema() {
    let validator = schema();
    let mut messages = 0;
    for capture in captures() {
        let capture = capture.to_str().expect("UTF-8");
        for row in jsonl(&run(&["decode", "--format", "jsonl", "--hash", "-x", "-V", capture])) {
            assert!(row["tree"].is_object(), "{capture}: {row}");
            let errors: Vec<String> =
                validator.iter_errors(&row).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{capture}: {}\n{row}", errors.join("\n"));
            if row["kind"] == "message" {
                messages += 1;
                // What is not all there has no hash of its own.
                assert_eq!(row.get("body_sha256").is_some(), row["complete"] == true, "{capture}: {row}");
                assert!(row.get("body_hex").is_some(), "{capture}: {row}");
            }
        }
    }
    assert!(messages > 5000, "the captures hold more than {messages} messages");
}

/// A schema that accepts everything would prove nothing.
#[test]
fn the_schema_refuses_what_is_no_row() {
    let validator = schema();
    let row = json!({
        "number": 4, "kind": "message", "frame": 11, "first_frame": 11, "time": "1795338260.980598", "tcp_stream": 0,
        "direction": "c2s", "src": "127.0.0.1:35360", "dst": "[::1]:1935", "offset": 3073, "info": "connect('live')",
        "csid": 3, "fmt": 0, "timestamp": 0, "timestamp_delta": null, "length": 112, "type_id": 20,
        "type": "AMF0 Command", "message_stream_id": 0, "chunks": 1, "complete": true, "body": {},
        "defects": [{ "code": "some-code", "offset": 7, "message": "words" }],
        "answers": { "frame": 8, "first_frame": 8, "command": "connect", "transaction_id": 1,
            "response_time": "0.001204000", "by": "transaction" },
    });
    assert_eq!(validator.iter_errors(&row).map(|error| error.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    for (key, wrong) in [
        ("kind", json!("handshake")),
        ("time", json!(1_795_338_260.980_598)),
        ("src", json!("::1:1935")),
        ("csid", json!(1)),
        ("fmt", json!(4)),
        ("timestamp", json!(-1)),
        ("detail", json!("")),
        ("defects", json!([])),
        ("answers", json!({ "frame": 8, "first_frame": 8, "command": "a", "response_time": 0.1, "by": "status" })),
        ("message_streamid", json!(0)),
    ] {
        let mut row = row.clone();
        row[key] = wrong;
        assert!(!validator.is_valid(&row), "{key}");
    }
    for key in ["frame", "offset", "timestamp_delta", "body"] {
        let mut row = row.clone();
        row.as_object_mut().expect("an object").remove(key);
        assert!(!validator.is_valid(&row), "without {key}");
    }
}

#[test]
fn json_is_one_document_with_the_same_rows() {
    for capture in [PUBLISH, "captures/d/pub_missing_segment.pcap", "captures/c/pub_empty.pcap"] {
        let output = run(&["decode", "--format", "json", capture]);
        let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        assert!(document["format_version"].is_u64(), "{capture}");
        let lists: Vec<&Value> = document.as_object().expect("an object").values().filter(|v| v.is_array()).collect();
        let rows = Value::Array(jsonl(&run(&["decode", "--format", "jsonl", capture])));
        assert!(lists.contains(&&rows), "{capture}: no list in the document has the rows of jsonl");
    }
}

#[test]
fn csv_parses_and_has_a_record_for_each_row() {
    let output = run(&["decode", "--format", "csv", PUBLISH]);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let info = reader.headers().expect("a heading").iter().position(|name| name == "info").expect("a column info");
    let infos: Vec<String> = reader.records().map(|record| record.expect("as many cells")[info].to_owned()).collect();
    let rows = jsonl(&run(&["decode", "--format", "jsonl", PUBLISH]));
    assert_eq!(infos, rows.iter().map(|row| row["info"].as_str().expect("info").to_owned()).collect::<Vec<_>>());
}

/// Stream names with terminal control sequences, a hyperlink and text that runs backwards.
#[test]
fn strings_from_the_wire_cannot_drive_a_terminal() {
    let hostile =
        "key\u{1b}[2J\u{1b}]8;;http://example.invalid\u{7}here\u{1b}]8;;\u{7}\u{202e}drows\u{9b}31m\r\n\0=1+1";
    let [client, server, echo] = handshake();
    let connect =
        [amf0::string("connect"), amf0::number(1.0), amf0::object(&[("app", amf0::string(hostile))])].concat();
    let publish = [amf0::string("publish"), amf0::number(2.0), amf0::null(), amf0::string(hostile)].concat();
    let error = [amf0::string(hostile), amf0::number(3.0), amf0::null()].concat();
    let capture = Session::new()
        .client(&client)
        .server(&server)
        .client(&echo)
        .client(&message(3, AMF0_COMMAND, 0, &connect))
        .client(&message(3, AMF0_COMMAND, 1, &publish))
        .server(&message(3, AMF0_COMMAND, 1, &error))
        .close()
        .pcap();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("hostile.pcap");
    std::fs::write(&path, capture).expect("writable");
    let path = path.to_str().expect("UTF-8");

    for args in [
        &["decode", path][..],
        &["decode", "-x", path],
        &["decode", "-V", path],
        &["decode", "-V", "-x", path],
        &["decode", "-n", "4", path],
        &["decode", "-e", "amf.string", "-e", "connect.app", "-E", "separator=,", path],
        &["decode", "--format", "csv", path],
        &["decode", "--format", "csv", "-e", "amf.string", path],
        &["streams", path],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        let shown = text(&output.stdout);
        assert!(shown.contains("drows"), "{args:?} shows the rest of the string:\n{shown}");
        let harmful = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
        // CSV ends its records as RFC 4180 says.
        let shown = shown.replace("\r\n", "\n");
        assert_eq!(shown.chars().find(harmful), None, "{args:?}:\n{}", shown.escape_debug());
        assert!(!shown.contains("\n\\"), "{args:?}: the line break in the string breaks the line:\n{shown}");
    }
    let rows = jsonl(&run(&["decode", "--format", "jsonl", path]));
    assert_eq!(rows.iter().filter(|row| row["kind"] == "message").count(), 3);
}

#[test]
fn trouble_in_the_capture_changes_no_message() {
    let mut noise = 1_u32;
    let mut next_byte = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    };
    let bodies: Vec<Vec<u8>> = (1..40).map(|n| (0..n * 20).map(|_| next_byte()).collect()).collect();
    let media: Vec<u8> = bodies.iter().flat_map(|body| message(6, 9, 1, body)).collect();
    let [client, server, echo] = handshake();
    // Packets 1 to 3 open, 4 and 5 are C0+C1, 6 to 8 are S0+S1+S2, 9 and 10 are C2; media from 11 on.
    let plain = Session::new().client(&client).server(&server).client(&echo).client(&media).close();
    let of = |session: &Session| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("made.pcap");
        std::fs::write(&path, session.pcap()).expect("writable");
        let rows = jsonl(&run(&["decode", "--format", "jsonl", "--hash", path.to_str().expect("UTF-8")]));
        let messages = rows.into_iter().filter(|row| row["kind"] == "message");
        messages
            .map(|row| (row["length"].clone(), row["complete"].clone(), row["body_sha256"].clone()))
            .collect::<Vec<_>>()
    };
    let expected = of(&plain);
    assert_eq!(expected.len(), bodies.len());
    assert!(expected.iter().all(|(_, complete, _)| *complete == true));

    assert_eq!(of(&plain.clone().duplicate(12)), expected, "a packet twice");
    assert_eq!(of(&plain.clone().delay(12, 15)), expected, "a packet late");
    assert_eq!(of(&plain.clone().skip(3)), expected, "no SYN");
    let lost = of(&plain.clone().drop(12));
    for message in lost.iter().filter(|(_, complete, _)| *complete == true) {
        assert!(expected.contains(message), "a whole message that was never sent: {message:?}");
    }
    assert!(lost.len() > expected.len() / 2, "messages behind the hole are found again: {} of 39", lost.len());
}

/// Runs each command of a transcript and puts what it prints in the place of what the transcript has.
fn play(transcript: &str) -> String {
    let mut actual = String::new();
    let mut commands = transcript.lines().peekable();
    // What is above the first command is a remark.
    while let Some(line) = commands.next_if(|line| !line.starts_with("$ ")) {
        writeln!(actual, "{line}").expect("a String takes everything");
    }
    let mut between = "";
    for line in commands.filter(|line| line.starts_with("$ ")) {
        let args = line.strip_prefix("$ rtmp-inspect").expect("a transcript runs rtmp-inspect only");
        let output = run(&words(args).iter().map(String::as_str).collect::<Vec<_>>());
        let printed = text(&output.stdout) + &text(&output.stderr);
        writeln!(actual, "{between}{line}").expect("a String takes everything");
        actual += &printed;
        if !printed.is_empty() && !printed.ends_with('\n') {
            actual += "\n";
        }
        if let Some(status) = output.status.code().filter(|status| *status != 0) {
            writeln!(actual, "[exit {status}]").expect("a String takes everything");
        }
        between = "\n";
    }
    actual
}

fn run(args: &[&str]) -> Output {
    assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(args)
        .current_dir(testdata())
        .envs([("COLUMNS", "120"), ("NO_COLOR", "1")])
        .output()
        .expect("the program starts")
}

/// The program with all three streams piped.
fn spawn(args: &[&str]) -> Child {
    std::process::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(args)
        .current_dir(testdata())
        .envs([("COLUMNS", "120"), ("NO_COLOR", "1")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Lines as they come, from a thread, so that waiting for one can time out.
fn lines_of(source: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            if sender.send(line.expect("UTF-8")).is_err() {
                break;
            }
        }
    });
    receiver
}

fn schema() -> jsonschema::Validator {
    let schema = std::fs::read_to_string(testdata().join("../schema/decode.schema.json")).expect("in the repository");
    let schema = serde_json::from_str(&schema).expect("valid JSON");
    jsonschema::validator_for(&schema).expect("a valid schema")
}

fn jsonl(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text(&output.stdout).lines().map(parse).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

/// All captures, relative to `testdata`.
fn captures() -> Vec<PathBuf> {
    let root = testdata().join("captures");
    let mut captures = Vec::new();
    for folder in root.read_dir().expect("in the repository").map(|entry| entry.expect("readable").path()) {
        if folder.is_dir() {
            captures.extend(folder.read_dir().expect("readable").map(|entry| entry.expect("readable").path()));
        }
    }
    captures.retain(|path| path.to_string_lossy().contains(".pcap"));
    captures.sort();
    captures
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
