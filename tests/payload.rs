//! `payload` from outside: who is guilty, for each who could be; the schema; files that are no files.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::kit::{Session, amf0, handshake, message};
use serde_json::Value;

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;

#[test]
fn the_receiver_of_the_seed_is_found_guilty() {
    // The offsets are those of testdata/captures/README.md, section seed.
    let report = payload_of_capture("jpeg_c4096");
    assert_eq!(report["capture"]["guilty"], "receiver");
    let cause = &report["causes"][0];
    assert_eq!((&cause["rule"], &cause["certainty"]), (&"px-headers-left".into(), &"certain".into()));
    assert_eq!(cause["where"]["received_offset"], 4095);
    assert_eq!(cause["where"]["capture"]["stream_offset"], 7594);
    assert_eq!(cause["where"]["capture"]["tcp_stream"], 0);
    assert!(cause["bytes"]["sent"]["hex"].as_str().expect("hex").contains("c1e99b7c"));
    assert!(cause["bytes"]["received"]["hex"].as_str().expect("hex").contains("c7c1e99b"));
    for leg in ["to_server", "from_server"] {
        assert_eq!(report["capture"][leg]["right"], true, "{leg}");
        assert_eq!(report["capture"][leg]["messages"], 7, "{leg}");
        assert_eq!(report["capture"][leg]["tag_header"], 1, "{leg}");
    }
    // 7 headers inside messages, 5 of messages.
    assert_eq!(report["capture"]["took"]["headers"], 12);
    // Every received byte is in the stream.
    assert_eq!(report["capture"]["took"]["found"], report["received_length"]);

    let report = payload_of_capture("jpeg_c128");
    assert_eq!(report["capture"]["guilty"], "receiver");
    assert_eq!(report["causes"][0]["rule"], "px-headers-left");
    assert_eq!(report["causes"][0]["certainty"], "certain");
    assert_eq!(report["capture"]["took"]["found"], report["received_length"]);
    // _result, at offset 3122 with 12 bytes of header, is longer than a chunk of 128.
    assert!(report["causes"][0]["why"].as_str().expect("text").contains("stream offset 3262"));

    let report = payload_of_capture("jpeg_small_ok");
    let cause = &report["causes"][0];
    assert_eq!((&cause["rule"], &cause["certainty"]), (&"px-insert".into(), &"certain".into()));
    assert_eq!(cause["where"]["received_offset"], 3000);
    assert!(cause["title"].as_str().expect("text").contains("Stream EOF 1"));
    assert_eq!(report["capture"]["took"]["headers"], 0);
    assert_eq!(report["capture"]["took"]["lost"], 0);
}

/// A payload and a session in which `up` is what the client sends as video, and `down` the server's raw bytes.
struct Story {
    sent: Vec<u8>,
    received: Vec<u8>,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Story {
    fn told(&self) -> Value {
        let [client, server, echo] = handshake();
        let capture = Session::new()
            .client(&client)
            .server(&server)
            .client(&echo)
            .client(&self.up)
            .server(&self.down)
            .close()
            .pcap();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str, bytes: &[u8]| write(folder.path(), name, bytes);
        let (sent, received, capture) =
            (file("sent", &self.sent), file("received", &self.received), file("made.pcap", &capture));
        json(&run(&["payload", &sent, &received, "--capture", &capture, "--format", "json"]))
    }
}

#[test]
fn each_hop_is_found_guilty_of_its_own_fault() {
    let sent = noise(5000);
    let tagged = |bytes: &[u8]| [&[0x17, 1, 0, 0, 0], bytes].concat();
    let video = |bytes: &[u8]| message(6, VIDEO, 1, &tagged(bytes));
    let wrong: Vec<u8> = sent.iter().map(|byte| byte ^ 0x5a).collect();
    for (up, down, guilty, carried) in [
        (&wrong, &wrong, "sender", [0, 0]),
        (&sent, &wrong, "server", [5000, 0]),
        (&sent, &sent, "receiver", [5000, 5000]),
    ] {
        let report = Story { sent: sent.clone(), received: wrong.clone(), up: video(up), down: video(down) }.told();
        assert_eq!(report["capture"]["guilty"], guilty, "{}", report["summary"]);
        assert_eq!(report["causes"][0]["rule"], "px-xor");
        assert_eq!(report["causes"][0]["certainty"], "certain");
        let of = |leg: &str| report["capture"][leg]["carried"].as_u64().unwrap_or(0);
        assert_eq!([of("to_server"), of("from_server")], carried, "{guilty}");
    }
    // Nobody is guilty where nothing is wrong.
    let report = Story { sent: sent.clone(), received: sent.clone(), up: video(&sent), down: video(&sent) }.told();
    assert_eq!((&report["verdict"], &report["capture"]["guilty"]), (&"identical".into(), &Value::Null));
    // The way to the receiver was not captured: the sender is cleared, no more.
    let report = Story { sent: sent.clone(), received: wrong.clone(), up: video(&sent), down: Vec::new() }.told();
    assert_eq!(report["capture"]["guilty"], Value::Null);
    assert!(report["summary"].as_str().expect("text").contains("correct on the wire when the server received them"));
    // Neither was the payload.
    let report = Story { sent, received: wrong, up: video(&[7; 300]), down: Vec::new() }.told();
    assert!(
        report["summary"].as_str().expect("text").contains("the capture's only message does not carry the payload")
    );
}

#[test]
fn a_chunk_from_between_is_recognised_in_the_payload() {
    let (sent, sound) = (noise(300), noise(400)[300..].to_vec());
    let up = message(6, VIDEO, 1, &sent);
    // After the first chunk of the video frame (12 + 128 bytes) comes a whole audio message.
    let down = [&up[..140], &message(4, AUDIO, 1, &sound), &up[140..]].concat();
    // A receiver that knows headers, and has one buffer for all chunk streams.
    let received = [&sent[..128], &sound, &sent[128..]].concat();
    let report = Story { sent, received, up: up.clone(), down }.told();
    assert_eq!(report["capture"]["guilty"], "receiver");
    let cause = &report["causes"][0];
    assert_eq!(cause["rule"], "px-foreign-chunk", "{report:#}");
    assert_eq!(cause["where"]["received_offset"], 128);
}

#[test]
fn a_server_that_leaves_headers_in_is_found_guilty_though_nobody_plays() {
    let sent = noise(3000);
    let up = message(6, VIDEO, 1, &sent);
    // After the 12 bytes of the message's header, 3000 bytes of the stream, come what may.
    let report = Story { received: up[12..3012].to_vec(), sent, up, down: Vec::new() }.told();
    assert_eq!(report["capture"]["guilty"], "server", "{}", report["summary"]);
    let cause = &report["causes"][0];
    assert_eq!((&cause["rule"], &cause["certainty"]), (&"px-headers-left".into(), &"certain".into()));
    assert_eq!(cause["where"]["received_offset"], 128);
    // C0+C1 and C2 are 3073 bytes, the header 12, the chunk 128.
    assert_eq!(cause["where"]["capture"]["stream_offset"], 3073 + 12 + 128);
    assert!(cause["title"].as_str().expect("text").starts_with("the server left 23 chunk headers"), "{cause}");
}

#[test]
fn nobody_is_guilty_if_the_files_are_of_two_messages() {
    let (first, second) = (noise(900), noise(2000)[900..].to_vec());
    let both = [message(6, VIDEO, 1, &first), message(6, VIDEO, 1, &second)].concat();
    let report = Story { sent: first, received: second, up: both.clone(), down: both }.told();
    assert_eq!(report["capture"]["guilty"], Value::Null);
    assert!(report["summary"].as_str().expect("text").contains("another message's payload"), "{}", report["summary"]);
}

/// A reader that never heard of Set Chunk Size: it takes 128 bytes and drops one. What the server sends, header and all, is
/// its payload, up to the length of the message.
#[test]
fn a_reader_with_smaller_chunks_drops_payload_before_it_leaves_headers_in() {
    let sent = noise(9000);
    let set_chunk_size = message(2, 1, 0, &4096_u32.to_be_bytes());
    let header = &message(6, VIDEO, 1, &sent)[..12];
    let body = [&sent[..4096], &[0xc6], &sent[4096..8192], &[0xc6], &sent[8192..]].concat();
    // Another message, into which it reads.
    let after = message(4, AUDIO, 1, &noise(9900)[9000..]);
    let down = [&set_chunk_size[..], header, &body, &after].concat();
    let stream = [&body[..], &after].concat();
    let received: Vec<u8> = stream.chunks(129).flat_map(|chunk| &chunk[..chunk.len().min(128)]).copied().collect();
    let received = received[..9000].to_vec();
    // Both headers fell into what it takes.
    assert!(received.contains(&0xc6));
    let up = message(6, VIDEO, 1, &sent);
    let report = Story { sent, received, up, down }.told();
    assert_eq!(report["capture"]["guilty"], "receiver", "{}", report["summary"]);
    let cause = &report["causes"][0];
    assert_eq!((&cause["rule"], &cause["certainty"]), (&"px-over-stripped".into(), &"certain".into()), "{report:#}");
    assert_eq!(cause["where"]["sent_offset"], 128);
    let title = cause["title"].as_str().expect("text");
    assert!(title.contains("1 byte of payload after every 128 bytes") && title.contains("4096 are sent"), "{title}");
    assert!(report["capture"]["took"]["headers"].as_u64().expect("a number") > 0, "{report:#}");
}

#[test]
fn the_players_leg_is_found_though_nothing_reached_it() {
    let sent = noise(3000);
    let command = |name: &str, stream: &str| {
        message(8, 20, 1, &[amf0::string(name), amf0::number(3.0), amf0::null(), amf0::string(stream)].concat())
    };
    let [client, server, echo] = handshake();
    let open = |port: u16, at: u64| {
        Session::between(([192, 0, 2, 1], port), ([192, 0, 2, 2], 1935), 1_700_000_000_000_000 + at)
            .client(&client)
            .server(&server)
            .client(&echo)
    };
    let told = |played: &str, from: u64, until: u64| {
        let at = |ms: u64| 1_700_000_000_000_000 + ms * 1000;
        let publisher = open(50_001, 100_000).client(&command("publish", "one")).at(at(500));
        let publisher = publisher.client(&message(6, VIDEO, 1, &sent)).close();
        let player =
            open(50_002, from * 1000).client(&command("play", played)).server(&message(4, AUDIO, 1, &[0xaf, 0, 1]));
        let capture = publisher.then(player.at(at(until)).close()).in_time().pcap();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str, bytes: &[u8]| write(folder.path(), name, bytes);
        let args = [file("sent", &sent), file("received", b"nothing of it"), file("made.pcap", &capture)];
        json(&run(&["payload", &args[0], &args[1], "--capture", &args[2], "--format", "json"]))
    };
    let there = told("one", 10, 900);
    assert_eq!(there["capture"]["guilty"], "server", "{there:#}");
    assert_eq!(there["capture"]["player"]["dst"], "192.0.2.1:50002");
    assert_eq!(there["capture"]["player"]["was_there"], true);
    let summary = there["summary"].as_str().expect("text");
    assert!(summary.contains("nothing of them was sent to the player on connection 0"), "{summary}");
    // It went before the payload passed: nobody is to blame.
    let gone = told("one", 10, 300);
    assert_eq!((&gone["capture"]["guilty"], &gone["capture"]["player"]["was_there"]), (&Value::Null, &false.into()));
    // The player of another stream is not its player.
    let other = told("two", 10, 900);
    assert_eq!((&other["capture"]["guilty"], &other["capture"]["player"]), (&Value::Null, &Value::Null));
    assert!(schema().is_valid(&there) && schema().is_valid(&gone) && schema().is_valid(&other));
}

#[test]
fn files_that_are_exchanged_are_noticed() {
    let capture = "captures/seed/jpeg_c4096.pcap";
    let (sent, received) = ("captures/seed/jpeg_c4096.sent.jpg", "captures/seed/jpeg_c4096.received.bin");
    let of = |a: &str, b: &str| json(&run(&["payload", a, b, "--capture", capture, "--format", "json"]));
    let (right, exchanged) = (of(sent, received), of(received, sent));
    assert_eq!((&right["swapped"], &exchanged["swapped"]), (&false.into(), &true.into()));
    // The report is about the right order.
    assert_eq!(right["causes"], exchanged["causes"]);
    assert_eq!(exchanged["capture"]["guilty"], "receiver");
    let said = text(&run(&["payload", received, sent, "--capture", capture]).stdout);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("in the right order: rtmp-inspect payload {sent} {received}")), "{said}");
    // Whose sender changed them is no exchange: both are on the wire as they were given.
    let (a, b) = (noise(3000), noise(3000).iter().map(|byte| byte ^ 0x5a).collect::<Vec<u8>>());
    let video = message(6, VIDEO, 1, &b);
    let report = Story { sent: a, received: b, up: video.clone(), down: video }.told();
    assert_eq!((&report["swapped"], &report["capture"]["guilty"]), (&false.into(), &"sender".into()));
    // Without a capture it is a note.
    let folder = tempfile::tempdir().expect("a temporary directory");
    let whole = noise(9000);
    let stripped: Vec<u8> = whole.chunks(129).flat_map(|chunk| &chunk[..chunk.len().min(128)]).copied().collect();
    let (whole, stripped) = (write(folder.path(), "whole", &whole), write(folder.path(), "stripped", &stripped));
    let report = json(&run(&["payload", &stripped, &whole, "--format", "json"]));
    assert!(report["other_order"].as_str().expect("a note").contains("mistaken for headers"), "{report:#}");
    assert_eq!(json(&run(&["payload", &whole, &stripped, "--format", "json"]))["other_order"], Value::Null);
    assert!(schema().is_valid(&report) && schema().is_valid(&exchanged));
}

#[test]
fn bytes_that_are_everywhere_prove_nothing() {
    // Both are mostly noise of their own; each has a few zeros, and so has everything on the wire.
    let zeros = [0; 40];
    let (sent, received) = ([&noise(200), &zeros[..]].concat(), [&noise(600)[300..], &zeros[..]].concat());
    let other = [&[0; 400], &[9; 77][..]].concat().repeat(9);
    let up = message(6, VIDEO, 1, &other);
    let report = Story { sent, received, up: up.clone(), down: up }.told();
    assert_eq!(report["capture"]["guilty"], Value::Null, "{report:#}");
    assert_eq!(report["capture"]["took"], Value::Null);
    assert_eq!(report["capture"]["to_server"]["right"], false);
}

#[test]
fn of_several_messages_one_arrived() {
    let sent = noise(600);
    let up = [message(6, VIDEO, 1, &sent[..350]), message(6, VIDEO, 1, &sent[350..])].concat();
    let report = Story { received: sent[350..].to_vec(), sent, up: up.clone(), down: up }.told();
    assert_eq!(report["causes"][0]["rule"], "px-split", "{}", report["summary"]);
    assert_eq!(report["causes"][0]["certainty"], "certain");
}

#[test]
fn a_text_mode_publisher_is_found_in_its_capture() {
    // The two captures of pair 08 differ by 0d before each 0a in video.
    let bodies = |capture: &str| -> Vec<Vec<u8>> {
        let output = run(&["decode", "--type", "9", "--format", "jsonl", "-x", capture]);
        let rows = String::from_utf8(output.stdout).expect("UTF-8");
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        rows.map(|row| hex::decode(row["body_hex"].as_str().expect("hex")).expect("hex")).collect()
    };
    let (right, wrong) = (bodies("captures/pairs/08_crlf_A.pcap"), bodies("captures/pairs/08_crlf_B.pcap"));
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut told = 0;
    for (sent, received) in right.iter().zip(&wrong).filter(|(sent, received)| sent != received) {
        let (sent, received) = (write(folder.path(), "sent", sent), write(folder.path(), "received", received));
        let args = ["payload", &sent, &received, "--capture", "captures/pairs/08_crlf_B.pcap", "--format", "json"];
        let report = json(&run(&args));
        assert_eq!(report["causes"][0]["rule"], "px-crlf");
        assert_eq!(report["causes"][0]["certainty"], "certain");
        assert_eq!(report["capture"]["guilty"], "sender", "{}", report["summary"]);
        told += 1;
    }
    assert!(told > 3, "{told} video messages of the pair differ");
}

#[test]
fn every_report_keeps_to_the_schema() {
    let validator = schema();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let s = noise(9000);
    let mut cases: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (s.clone(), s.clone()),
        (s.clone(), Vec::new()),
        (Vec::new(), s.clone()),
        (Vec::new(), Vec::new()),
        (vec![1], vec![2]),
        (vec![1], Vec::new()),
        (Vec::new(), vec![1]),
        (s.clone(), s[..4096].to_vec()),
        (s.clone(), noise(20_000)[9000..].to_vec()),
        (s.clone(), [&s[..700], b"abc", &s[900..5000], b"x", &s[5000..]].concat()),
    ];
    for name in ["jpeg_c4096", "jpeg_c128", "jpeg_small_ok"] {
        let file =
            |kind: &str| std::fs::read(testdata().join(format!("captures/seed/{name}.{kind}"))).expect("readable");
        cases.push((file("sent.jpg"), file("received.bin")));
    }
    for (sent, received) in &cases {
        let (a, b) = (write(folder.path(), "a", sent), write(folder.path(), "b", received));
        for capture in [None, Some("captures/seed/jpeg_c128.pcap"), Some("captures/b/http_on_1935.pcap")] {
            let mut args = vec!["payload", &a, &b, "--format", "json"];
            args.extend(capture.iter().flat_map(|capture| ["--capture", capture]));
            let output = run(&args);
            let report = json(&output);
            let errors: Vec<String> =
                validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{}\n{report:#}", errors.join("\n"));
            assert_eq!(report["verdict"] == "identical", sent == received);
            assert_eq!(output.status.code(), Some(i32::from(sent != received)));
        }
    }
    // A schema that accepts everything would prove nothing.
    let report = payload_of_capture("jpeg_c4096");
    assert!(validator.is_valid(&report));
    for (pointer, wrong) in [
        ("/format_version", Value::from(2)),
        ("/verdict", "identical".into()),
        ("/causes/0/certainty", "sure".into()),
        ("/causes/0/bytes/sent/hex", "c".into()),
        ("/capture/guilty", "nobody".into()),
        ("/capture/took/steps/0/kind", "".into()),
        ("/causes", Value::Array(Vec::new())),
    ] {
        let mut changed = report.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = wrong;
        assert!(!validator.is_valid(&changed), "{pointer}");
    }
}

/// Gaps, cuts, reordering, other protocols: whatever is in a capture, there is a report.
#[test]
fn any_capture_may_be_given() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let received = write(folder.path(), "received", &noise(2000));
    for capture in [
        "a/nms2_pub_play.pcap",
        "b/reset_midstream.pcap",
        "c/pub_empty.pcap",
        "c/pub_snap200.pcap",
        "d/loss.pcap",
        "d/pub_midstream.pcap",
        "d/pub_missing_segments3.pcap",
        "d/reorder.pcap",
        "e/interleave_c128.pcap",
    ] {
        let capture = format!("captures/{capture}");
        // Bytes of the file itself: packet headers are between pieces of the stream.
        let bytes = std::fs::read(testdata().join(&capture)).expect("readable");
        let part = &bytes[bytes.len() / 3..bytes.len() / 2];
        let sent = write(folder.path(), "sent", part);
        for (sent, received) in [(&sent, &received), (&received, &sent)] {
            let output = run(&["payload", sent, received, "--capture", &capture, "--format", "json"]);
            let report = json(&output);
            assert_eq!(output.status.code(), Some(1), "{capture}");
            assert_eq!(report["capture"]["guilty"], Value::Null, "{capture}: {}", report["summary"]);
            assert!(text(&run(&["payload", sent, received, "--capture", &capture]).stdout).starts_with("different: "));
        }
    }
}

#[test]
fn what_cannot_be_read_is_one_line_and_status_2() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let good = write(folder.path(), "good", b"bytes");
    let missing = folder.path().join("missing").to_str().expect("UTF-8").to_owned();
    let directory = folder.path().to_str().expect("UTF-8").to_owned();
    for args in [
        vec!["payload", &good, &missing],
        vec!["payload", &missing, &good],
        vec!["payload", &good, &directory],
        vec!["payload", &good, &good, "--capture", &missing],
        vec!["payload", &good, &good, "--capture", &good],
    ] {
        let output = run(&args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        let lines: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("note: ")).collect();
        assert_eq!(lines.len(), 1, "{args:?}: {stderr}");
        assert!(lines[0].contains(args.last().expect("a path")) || args.contains(&missing.as_str()), "{stderr}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = run(&["payload", &good, &good]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("the same file"));
    let other = write(folder.path(), "other", b"bites");
    assert_eq!(run(&["payload", &good, &other]).status.code(), Some(1));
    assert_eq!(run(&["payload", &good, &other, "--exit-zero"]).status.code(), Some(0));
}

#[test]
fn no_line_is_longer_than_the_text_is_wide() {
    for name in ["jpeg_c4096", "jpeg_c128", "jpeg_small_ok"] {
        let output = run(&payload_args(name));
        for line in text(&output.stdout).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
    // A table has a column for each rule's title, and no terminal to cut it for.
    for line in text(&run(&["rules", "--search", "payload"]).stdout).lines() {
        assert!(line.chars().count() <= 160, "{line}");
    }
}

#[test]
fn every_rule_prints_its_page_and_is_found() {
    let list = json(&run(&["rules", "--format", "json"]));
    let rules = list["rules"].as_array().expect("a list");
    assert!(rules.len() > 30);
    for rule in rules {
        let code = rule["code"].as_str().expect("a code");
        let page = text(&run(&["rules", code]).stdout);
        for heading in ["What it is", "How it looks in the bytes", "Who does it", "What to change", "Source"] {
            assert!(page.contains(heading), "{code}: {heading}");
        }
        for line in page.lines() {
            assert!(line.chars().count() <= 100, "{code}: {line}");
        }
        assert!(text(&run(&["rules", "--search", code]).stdout).contains(code), "{code}");
    }
}

fn payload_of_capture(name: &str) -> Value {
    let mut args = payload_args(name);
    args.extend(["--format", "json"].map(String::from));
    json(&run(&args))
}

fn payload_args(name: &str) -> Vec<String> {
    let file = |kind: &str| format!("captures/seed/{name}.{kind}");
    vec!["payload".to_owned(), file("sent.jpg"), file("received.bin"), "--capture".to_owned(), file("pcap")]
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("writable");
    path.to_str().expect("UTF-8").to_owned()
}

fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(args)
        .current_dir(testdata())
        .envs([("COLUMNS", "120"), ("NO_COLOR", "1")])
        .output()
        .expect("the program starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

fn schema() -> jsonschema::Validator {
    let schema = std::fs::read_to_string(testdata().join("../schema/payload.schema.json")).expect("in the repository");
    jsonschema::validator_for(&serde_json::from_str(&schema).expect("valid JSON")).expect("a valid schema")
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
