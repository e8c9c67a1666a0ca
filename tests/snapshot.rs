//! `rtmp-inspect snapshot`, and snapshots where `diff` takes captures.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use rtmp_inspect::recording::{InOrder, Session, Sink};
use rtmp_inspect::snapshot;
use rtmp_inspect::tcp::ConnectionId;
use serde_json::Value;

use crate::kit::edit::{CLIENT, is_media};
use crate::kit::faults::Base;
use crate::kit::recorded::record_with_digests;
use crate::kit::{self, amf0, handshake, message};

/// Captures without RTMP.
const WITHOUT: &[&str] = &["http_on_1935.pcap", "pub_empty.pcap", "rtmps_ffmpeg_pub.pcap", "rtmpt_no_server.pcap"];

#[test]
fn two_recordings_of_one_scenario_give_the_same_bytes() {
    let [a, b] = ["A", "B"].map(|side| {
        let capture = capture(&format!("pairs/01_same_twice_{side}.pcap"));
        run(&["--name", "same_twice.pcap"], &capture)
    });
    assert!(a == b, "they differ");
    let lines: Vec<Value> = a.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [header, first, ..] = &lines[..] else { panic!("two lines") };
    assert_eq!(header["capture"], "same_twice.pcap");
    assert_eq!(header["connections"][0]["messages"], lines.len() - 1);
    assert_eq!((&first["direction"], &first["message"]), (&Value::from("c2s"), &Value::from("C0+C1")));
    // What the capture says, read with tshark: each answer is right after its call.
    let messages: Vec<_> = lines[1..].iter().map(|line| line["message"].as_str().expect("a name")).collect();
    let place = |name: &str| messages.iter().position(|other| *other == name).expect(name);
    assert_eq!(place("_result of createStream"), place("createStream") + 1);
    assert_eq!(place("onStatus"), place("publish") + 1);
    // Three audio and video in their order, with times from the first on.
    let media: Vec<_> = lines.iter().filter(|line| line.get("timestamp").is_some()).collect();
    assert_eq!(media[0]["timestamp"], 0);
    let keyframe = media.iter().find(|line| line["message"] == "video keyframe").expect("a key frame");
    assert_eq!(keyframe["head"].as_str().map(|head| &head[..4]), Some("1701"));
    assert_eq!(keyframe["body_sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn snapshots_of_all_captures_keep_to_the_schema_and_stand_for_their_captures() {
    let schema = fs::read_to_string(testdata().join("../schema/snapshot.schema.json")).expect("in the repository");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema");
    let directory = tempfile::tempdir().expect("a directory");
    let mut seen = 0;
    for capture in captures() {
        let name = capture.file_name().expect("a name").to_string_lossy().into_owned();
        if WITHOUT.contains(&name.as_str()) {
            let output = program().arg("snapshot").arg(&capture).output().expect("it starts");
            assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{name}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("no RTMP in"), "{name}");
            continue;
        }
        let text = run(&[], &capture);
        for (number, line) in (1..).zip(text.lines()) {
            let line = serde_json::from_str(line).expect("JSON");
            let errors: Vec<_> = validator.iter_errors(&line).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name} line {number}: {errors:?}");
        }
        let file = directory.path().join("snapshot.jsonl");
        fs::write(&file, &text).expect("written");
        assert!(run(&["--name", &name], &file) == text, "{name}: read and written again it is another");
        for (a, b) in [(&file, &capture), (&capture, &file), (&file, &file)] {
            for strict in [&[][..], &["--strict"]] {
                let output = program().arg("diff").args(strict).args([a, b]).output().expect("it starts");
                let text = String::from_utf8_lossy(&output.stdout);
                assert_eq!(output.status.code(), Some(0), "{name} {strict:?}\n{text}");
            }
        }
        seen += 1;
    }
    assert!(seen > 50, "only {seen} captures");
}

#[test]
fn payloads_are_whole_where_that_is_asked_for() {
    let capture = capture("a/ffmpeg_pub_c4096.pcap");
    let text = run(&["--payload", "full"], &capture);
    assert!(!text.contains("\"body_sha256\""));
    let lengths: usize = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line.get("timestamp").is_some())
        .map(|line| line["body"].as_str().expect("a body").len() / 2)
        .sum();
    // The rows of `decode` have the lengths of the headers.
    let rows = program().args(["decode", "--format", "jsonl"]).arg(&capture).output().expect("it starts").stdout;
    let rows = String::from_utf8(rows).expect("UTF-8");
    let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let media = rows.filter(|row| [Value::from(8), Value::from(9)].contains(&row["type_id"]));
    let sent: u64 = media.map(|row| row["length"].as_u64().expect("a length")).sum();
    assert_eq!(lengths as u64, sent);
}

#[test]
fn no_secret_is_in_a_snapshot() {
    let text = run(&[], &capture("a/ffmpeg_pub_c4096.pcap"));
    // The stream's name is `one`.
    assert!(text.contains("publish('<stream-key-1>')"), "{text}");
    assert!(!text.contains("'one'") && !text.contains(&hex::encode("\x02\0\x03one")), "{text}");
}

#[test]
fn a_changed_value_is_found_with_its_line() {
    let good = directory_with(&run(&[], &capture("pairs/10_amf_number_A.pcap")));
    let output = program()
        .arg("diff")
        .args([&good.path().join("good.jsonl"), &capture("pairs/10_amf_number_B.pcap")])
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error[amf-wrong-type]"), "{text}");
    assert!(text.contains("A  publish line "), "{text}");
    assert!(text.contains("String '<stream-key-1>'"), "{text}");
}

/// The command lets go of each session when it is over; the library has them all.
#[test]
fn sessions_that_end_in_another_order_are_in_the_order_of_their_numbers() {
    for name in ["d/many.pcap", "a/ffmpeg_pub_play.pcap", "d/pub_port_reuse.pcap"] {
        let path = capture(name);
        let recording = record_with_digests(&fs::read(&path).expect("readable"));
        let options = snapshot::Options { name: "x".to_owned(), ..snapshot::Options::default() };
        assert_eq!(run(&["--name", "x"], &path), snapshot::write(&recording, &options), "{name}");
    }
}

#[test]
fn a_session_waits_until_those_before_it_are_over() {
    let recording = record_with_digests(&fs::read(capture("d/many.pcap")).expect("readable"));
    let numbers: Vec<_> = recording.sessions.iter().map(|session| session.stream.tcp_stream).collect();
    assert!(numbers.len() > 3 && numbers.iter().map(|number| number.0).eq(0..numbers.len() as u32));
    let mut ordered = InOrder::new(Seen::default());
    // The first one is open longest.
    let mut ended = recording.sessions;
    ended.rotate_left(1);
    for session in ended {
        let number = session.stream.tcp_stream;
        ordered.session(session);
        ordered.over(number);
    }
    assert_eq!(ordered.finish().0, numbers);
}

/// Takes note of the order of sessions.
#[derive(Default)]
struct Seen(Vec<ConnectionId>);

impl Sink for Seen {
    const KEEPS: bool = false;

    fn session(&mut self, session: Session) {
        self.0.push(session.stream.tcp_stream);
    }
}

#[test]
fn snapshots_may_be_compressed_and_come_through_a_pipe() {
    let text = run(&[], &capture("a/ffmpeg_pub_c4096.pcap"));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    for bytes in [text.into_bytes(), packed] {
        let args = ["diff", "-", "testdata/captures/a/ffmpeg_pub_c4096.pcap"];
        let output =
            program().args(args).current_dir(testdata().join("..")).write_stdin(bytes).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// A snapshot has timestamps from the first on; a sender may count them from anywhere.
#[test]
fn timestamps_of_a_clock_are_equal_to_their_snapshot_and_not_to_those_of_a_file() {
    let plain = Base::Own.recording();
    let mut clock = plain.clone();
    clock.sent(CLIENT, 0).filter(|message| is_media(message)).for_each(|message| message.timestamp += 3_487_918_080);
    let directory = tempfile::tempdir().expect("a directory");
    let [plain, clock] = [("plain.pcap", plain), ("clock.pcap", clock)].map(|(name, recording)| {
        let path = directory.path().join(name);
        fs::write(&path, recording.pcap()).expect("written");
        path
    });
    let snapshot = directory.path().join("clock.jsonl");
    fs::write(&snapshot, run(&[], &clock)).expect("written");
    program().arg("diff").args([&snapshot, &clock]).assert().success();
    program().arg("diff").args([&plain, &clock]).assert().code(1);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("new.jsonl");
    let write =
        |capture: &Path| program().arg("snapshot").arg(capture).arg("-o").arg(&file).output().expect("it starts");
    let output = write(&capture("a/ffmpeg_pub_c4096.pcap"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    let text = fs::read_to_string(&file).expect("written");
    assert_eq!(text, run(&[], &capture("a/ffmpeg_pub_c4096.pcap")));
    assert_eq!(write(&capture("c/pub_empty.pcap")).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&file).expect("still there"), text);
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "nothing else is left");
    let output = program()
        .args(["snapshot", "-o", "/nonexistent/file"])
        .arg(capture("a/ffmpeg_pub_c4096.pcap"))
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_damaged_snapshot_is_an_error_with_its_line() {
    let text = run(&[], &capture("a/ffmpeg_pub_c4096.pcap"));
    let lines: Vec<&str> = text.lines().collect();
    let without_last = lines[..lines.len() - 1].join("\n") + "\n";
    let changed = |line: usize, from: &str, to: &str| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert!(lines[line - 1].contains(from), "{}", lines[line - 1]);
        lines[line - 1] = lines[line - 1].replacen(from, to, 1);
        lines.join("\n") + "\n"
    };
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        (text[..text.len() / 2].to_owned(), "ends inside its JSON object"),
        (without_last, "according to the header"),
        (changed(5, "\"csid\":3", "\"csid\":\"3\""), "line 5, key 'csid'"),
        (changed(5, "\"csid\":3", "\"chunk\":3"), "line 5, key 'csid': is missing"),
        (changed(5, "\"csid\":3", "\"csid\":3,\"x\":1"), "line 5, key 'x'"),
        (changed(5, "\"body\":\"", "\"body\":\"0"), "line 5, key 'body'"),
        (changed(5, "\"body\":\"", "\"body\":\"zz"), "line 5, key 'body'"),
        (changed(5, "\"body\":\"", "\"length\":99999999999,\"body\":\""), "line 5, key 'length'"),
        (changed(5, "\"c2s\"", "\"c2c\""), "line 5, key 'direction'"),
        (changed(5, "\"connection\":0", "\"connection\":7"), "line 5, key 'connection'"),
        (changed(3, "\"connection\":0", &format!("\"connection\":{deep}")), "line 3: is not JSON"),
        (changed(4, "{", "["), "line 4"),
        (changed(1, "\"format_version\":1", "\"format_version\":2"), "line 1, key 'format_version'"),
        (changed(1, "\"payload\":\"sha256\"", "\"payload\":\"md5\""), "should be one of sha256, full"),
    ];
    for (text, said) in cases {
        let output = program()
            .args(["diff", "-", "testdata/captures/a/ffmpeg_pub_c4096.pcap"])
            .current_dir(testdata().join(".."))
            .write_stdin(text)
            .output()
            .expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}: {error}");
        assert!(error.contains(said), "{said} is not said: {error}");
    }
}

#[test]
fn relay_says_that_it_needs_the_capture() {
    let snapshot = directory_with(&run(&[], &capture("a/ffmpeg_pub_play.pcap")));
    let output = program().arg("relay").arg(snapshot.path().join("good.jsonl")).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.is_empty());
}

/// A direction of which nothing was captured is told by what its receiver acknowledges: the FIN's own number is no byte,
/// and one byte cannot be told from it.
#[test]
fn a_direction_that_was_not_captured_is_told_from_one_that_says_nothing() {
    let [client, ..] = handshake();
    let connect = message(3, 20, 0, &[amf0::string("connect"), amf0::number(1.0), amf0::object(&[])].concat());
    let directory = tempfile::tempdir().expect("a directory");
    let not_captured = |server: &[u8], closes: bool| {
        let mut session = kit::Session::new().client(&client).server(server);
        if closes {
            session = session.fin(false);
        }
        let session = session.client(&connect).ack(true).without(false);
        let file = directory.path().join("made.pcap");
        fs::write(&file, session.pcap()).expect("written");
        let header = run(&[], &file);
        let header: Value = serde_json::from_str(header.lines().next().expect("a line")).expect("JSON");
        header["connections"][0]["not_captured"].clone()
    };
    assert_eq!(not_captured(&[], false), Value::Null);
    assert_eq!(not_captured(&[], true), Value::Null);
    assert_eq!(not_captured(&[3], false), Value::Null);
    assert_eq!(not_captured(&[3], true), serde_json::json!(["s2c"]));
    assert_eq!(not_captured(&[3, 0], false), serde_json::json!(["s2c"]));
}

fn directory_with(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("good.jsonl"), text).expect("written");
    directory
}

/// What `snapshot` prints.
fn run(options: &[&str], file: &Path) -> String {
    let output = program().arg("snapshot").args(options).arg(file).output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}: {error}", file.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
}

fn captures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(testdata().join("captures")).expect("testdata/captures") {
        let Ok(files) = fs::read_dir(folder.expect("an entry").path()) else { continue };
        let files = files.map(|file| file.expect("an entry").path());
        found.extend(files.filter(|path| path.to_string_lossy().contains(".pcap")));
    }
    // Those in tunnels, which have their keys inside.
    let tunnels = fs::read_dir(testdata().join("tunnels")).expect("testdata/tunnels");
    let tunnels = tunnels.map(|file| file.expect("an entry").path());
    found.extend(tunnels.filter(|path| path.to_string_lossy().contains("tls")));
    found.sort();
    found
}

fn capture(path: &str) -> PathBuf {
    testdata().join("captures").join(path)
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
