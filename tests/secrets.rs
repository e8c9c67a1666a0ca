//! Stream keys and credentials in what machines read: they are not there, unless they are asked for.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::kit::faults;
use crate::kit::recorded::record;
use crate::kit::recording::{Recording as Sent, What};
use crate::kit::{Session, amf0, handshake, message};
use rtmp_inspect::diff;
use rtmp_inspect::secrets::Secrets;
use serde_json::Value;

const KEY: &str = "zq7xWk9vTr2mPb4h";
const OTHER: &str = "Hn3sYd8cLf6jQw1e";

/// Captures, and names of streams in them, as the commands in `testdata/captures/README.md` have them.
const CAPTURES: &[(&str, &[&str])] = &[
    ("a/ffmpeg_pub_c4096.pcap", &["one"]),
    ("a/ffmpeg_pub_play.pcap", &["both"]),
    ("a/gst_rtmp2sink_pub.pcap", &["gst"]),
    ("a/h263_mp3.pcap", &["old"]),
    ("a/nginx_push_relay.pcap", &["relay"]),
    ("a/nms2_pub_play.pcap", &["nms"]),
    ("a/rtmpdump_play_live.pcap", &["dump"]),
    ("a/rtmpdump_play_vod.pcap", &["film.flv"]),
    ("b/name_in_use.pcap", &["busy"]),
    ("b/play_missing_vod.pcap", &["missing.flv"]),
    ("d/many.pcap", &["m0", "m1", "m2", "m3"]),
];

#[test]
fn no_report_on_a_capture_tells_a_name() {
    for (at, (path, names)) in CAPTURES.iter().enumerate() {
        let (other, other_names) = CAPTURES[(at + 1) % CAPTURES.len()];
        let names: Vec<_> = names.iter().chain(other_names).collect();
        let (path, other) = (capture(path), capture(other));
        for args in [vec!["diff", &path, &other], vec!["relay", "-v", &path], vec!["streams", &path]] {
            let args = [&args[..], &["--format", "json"]].concat();
            let (hidden, shown) = (text(&run(&args)), text(&run(&[&args[..], &["--show-secrets"]].concat())));
            let mut told = false;
            for name in &names {
                // A common word may be in a sentence of ours; in a URL, in quotes or in bytes it is the name.
                let forms = [format!("/{name}\""), format!("'{name}'"), format!("\"{name}\""), hex::encode(name)];
                let forms = &forms[..if name.len() < 4 { 3 } else { 4 }];
                told |= forms.iter().any(|form| shown.contains(form));
                let leaks: Vec<_> = forms.iter().filter(|form| hidden.contains(*form)).collect();
                assert!(leaks.is_empty(), "{args:?}: {leaks:?} in\n{hidden}");
            }
            assert!(told, "{args:?} has no name to hide");
            keeps_to_its_schema(args[0], &hidden);
        }
    }
}

#[test]
fn no_report_on_a_fault_tells_a_key() {
    // Some faults write the name of their session themselves. Theirs is `pair`, and this is as long as that.
    const SHORT: &str = "Xq7z";
    let (mut told, mut left_out) = (0, Vec::new());
    let all = faults::all();
    for fault in all {
        let base = fault.base();
        let name = name(&base);
        let with_keys = || fault.captures_of(&renamed(&base, &name, KEY), &renamed(&base, &name, OTHER));
        let (a, b, keys) = match std::panic::catch_unwind(AssertUnwindSafe(with_keys)) {
            Ok((a, b)) => (a, b, [KEY, OTHER]),
            Err(_) if name == "pair" => {
                let rename = |pcap: Vec<u8>| replaced(&pcap, b"pair", SHORT.as_bytes());
                let (a, b) = fault.captures().clone();
                (rename(a), rename(b), [SHORT, SHORT])
            }
            // A name that is a word of every other sentence cannot be looked for.
            Err(_) => {
                left_out.push(fault.name);
                continue;
            }
        };
        let (a, b) = (record(&a), record(&b));
        let report = diff::diff(&a, &b, &diff::Options::default());
        let mut report = serde_json::to_value(&report).expect("a report is JSON");
        told += usize::from(keys.iter().any(|key| report.to_string().contains(key)));
        Secrets::of(&[&a, &b]).hide_json(&mut report);
        for key in keys {
            let leaks = leaks(&report.to_string(), key);
            assert!(leaks.is_empty(), "{}: {leaks:?} of {key} in\n{report:#}", fault.name);
        }
    }
    assert!(left_out.len() < 5, "{left_out:?}");
    assert!(told * 4 > all.len() * 3, "only {told} of {} reports have something to hide", all.len());
}

/// Parts of a key, in text or in hex, that still say what it is.
fn leaks(text: &str, key: &str) -> Vec<String> {
    let parts = key.as_bytes().windows(key.len().min(6));
    let forms = parts.flat_map(|part| {
        let pairs: Vec<_> = part.iter().map(|byte| format!("{byte:02x}")).collect();
        [String::from_utf8_lossy(part).into_owned(), pairs.concat(), pairs.join(" ")]
    });
    forms.filter(|form| text.contains(form)).collect()
}

/// The stream's name in the session's first command that has one.
fn name(recording: &Sent) -> String {
    let command = recording.steps.iter().filter_map(|step| step.message()).find(|message| {
        ["publish", "play"].iter().any(|name| message.is_command(name) || message.body.starts_with(&named(name, &[0])))
    });
    let body = &command.expect("it publishes or plays").body;
    let at = body.windows(2).position(|pair| pair == [5, 2]).expect("null, and the name") + 2;
    let length = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
    String::from_utf8(body[at + 2..at + 2 + length].to_vec()).expect("UTF-8")
}

fn named(name: &str, before: &[u8]) -> Vec<u8> {
    [before, &amf0::string(name)].concat()
}

/// The session with another name, wherever it is a string of its own.
fn renamed(recording: &Sent, name: &str, key: &str) -> Sent {
    let mut recording = recording.clone();
    for step in &mut recording.steps {
        if let What::Message(message) = &mut step.what {
            message.body = replaced(&message.body, &amf0::string(name), &amf0::string(key));
        }
    }
    recording.next = recording.next.map(|next| Box::new(renamed(&next, name, key)));
    recording
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend(&rest[..at]);
        out.extend(to);
        rest = &rest[at + from.len()..];
    }
    out.extend(rest);
    out
}

#[test]
fn urls_and_logins_are_hidden_and_shown_when_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, pcap: Vec<u8>| {
        let path = dir.path().join(name);
        std::fs::write(&path, pcap).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let good = write("good.pcap", published(KEY, "tok-5f3a9c77", "kamera:pa55wort"));
    let mine = write("mine.pcap", published(OTHER, "tok-11e0b2d4", "kamera:pa55wort"));
    let secrets =
        [KEY, OTHER, "tok-5f3a9c77", "tok-11e0b2d4", "kamera", "pa55wort", "Zk3mV0x5", "bm9uY2U5", "ticket-8841-zz"];
    for args in [
        vec!["diff", "--strict", &good, &mine],
        vec!["relay", &good, &mine],
        vec!["streams", &good],
        vec!["streams", &mine],
    ] {
        for format in ["json", "jsonl"] {
            if format == "jsonl" && args[0] != "streams" {
                continue;
            }
            let args = [&args[..], &["--format", format]].concat();
            let (hidden, shown) = (text(&run(&args)), text(&run(&[&args[..], &["--show-secrets"]].concat())));
            for secret in secrets {
                assert_eq!(leaks(&hidden, secret), [""; 0], "{args:?}\n{hidden}");
            }
            assert!(shown.contains(KEY) || shown.contains(OTHER), "{args:?}\n{shown}");
            assert!(hidden.contains("<stream-key-1>"), "{args:?}\n{hidden}");
            assert_eq!(hidden.lines().count(), shown.lines().count(), "{args:?}: the same report otherwise");
            if format == "json" {
                keeps_to_its_schema(args[0], &hidden);
                keeps_to_its_schema(args[0], &shown);
            }
        }
    }
    // The two keys are told apart, and so are the two tokens; the names of parameters are there.
    let report = text(&run(&["diff", "--format", "json", &good, &mine]));
    for role in [
        "publish live?token=<credential-1>/<stream-key-1>?sig=<credential-1>",
        "publish live?token=<credential-7>/<stream-key-2>?sig=<credential-7>",
    ] {
        assert!(report.contains(role), "{report}");
    }
    let streams = text(&run(&["streams", "--format", "json", &good]));
    let expected = "rtmp://<credential-2>:<credential-3>@192.0.2.2/live?token=<credential-1>";
    assert!(streams.contains(expected), "{streams}");
    // What is for people says it as it is, as decode does.
    let shown = text(&run(&["diff", "--strict", &good, &mine]));
    assert!(shown.contains(KEY) && shown.contains(OTHER), "{shown}");
}

#[test]
fn payload_hides_keys_that_the_payload_has() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let sent = [&[0xaf, 1][..], b"some payload, with ", KEY.as_bytes(), b" in the middle"].concat();
    let mut received = sent.clone();
    received.splice(16..17, *b"??");
    let audio = message(4, 8, 1, &sent);
    let session = begun(KEY, "tok-5f3a9c77", "joe:pa55wort").client(&audio).close();
    let paths = [write("sent", &sent), write("received", &received), write("session.pcap", &session.pcap())];
    let args = ["payload", &paths[0], &paths[1], "--capture", &paths[2], "--format", "json"];
    let (hidden, shown) = (text(&run(&args)), text(&run(&[&args[..], &["--show-secrets"]].concat())));
    assert!(shown.contains(&hex::encode(&KEY[..6])), "{shown}");
    assert_eq!(leaks(&hidden, KEY), [""; 0], "{hidden}");
    // The rest of the payload is there.
    assert!(hidden.contains(&hex::encode("with ")), "{hidden}");
    keeps_to_its_schema("payload", &hidden);
    // Of files alone nobody knows a key.
    let alone = text(&run(&args[..3].iter().copied().chain(["--format", "json"]).collect::<Vec<_>>()));
    assert!(alone.contains(&hex::encode(&KEY[..6])), "{alone}");
}

/// A publisher with a login in its URL, a token in a query, a server that wants a login first, and a ticket.
fn published(key: &str, token: &str, login: &str) -> Vec<u8> {
    let metadata = [amf0::string("onMetaData"), amf0::object(&[("width", amf0::number(320.0))])].concat();
    let ticket = [
        amf0::string("NetStream.Authenticate.UsherToken"),
        amf0::number(9.0),
        amf0::null(),
        amf0::string("ticket-8841-zz"),
    ];
    begun(key, token, login)
        .client(&message(3, 20, 1, &ticket.concat()))
        .client(&message(4, 18, 1, &metadata))
        .client(&message(6, 9, 1, &[0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 0x88]))
        .close()
        .pcap()
}

fn begun(key: &str, token: &str, login: &str) -> Session {
    let [client, server, echo] = handshake();
    let url = format!("rtmp://{login}@192.0.2.2/live?token={token}");
    let connect = amf0::object(&[
        ("app", amf0::string(&format!("live?token={token}"))),
        ("tcUrl", amf0::string(&url)),
        ("flashVer", amf0::string("FMLE/3.0")),
    ]);
    let challenge =
        "[ code=403 need auth; authmod=adobe ] : ?reason=needauth&user=kamera&salt=Zk3mV0x5&challenge=bm9uY2U5";
    let wants = amf0::object(&[
        ("level", amf0::string("error")),
        ("code", amf0::string("NetConnection.Connect.Rejected")),
        ("description", amf0::string(challenge)),
    ]);
    let started = amf0::object(&[
        ("level", amf0::string("status")),
        ("code", amf0::string("NetStream.Publish.Start")),
        ("description", amf0::string(&format!("Publishing {key}."))),
    ]);
    let command = |name: &str, id: f64, arguments: &[Vec<u8>]| {
        [amf0::string(name), amf0::number(id), arguments.concat()].concat()
    };
    let name = amf0::string(&format!("{key}?sig={token}"));
    Session::new()
        .client(&client)
        .server(&server)
        .client(&echo)
        .client(&message(3, 20, 0, &command("connect", 1.0, &[connect])))
        .server(&message(3, 20, 0, &command("_error", 1.0, &[amf0::null(), wants])))
        .client(&message(3, 20, 0, &command("createStream", 2.0, &[amf0::null()])))
        .server(&message(3, 20, 0, &command("_result", 2.0, &[amf0::null(), amf0::number(1.0)])))
        .client(&message(3, 20, 1, &command("publish", 3.0, &[amf0::null(), name, amf0::string("live")])))
        .server(&message(3, 20, 1, &command("onStatus", 0.0, &[amf0::null(), started])))
}

#[test]
fn standard_input_can_be_named_once() {
    let capture = capture("a/ffmpeg_pub_c4096.pcap");
    for args in [
        vec!["diff", "-", "-"],
        vec!["relay", "-", &capture, "-"],
        vec!["payload", "-", "-"],
        vec!["payload", "-", &capture, "--capture", "-"],
    ] {
        let output = run(&args);
        let stderr = text_of(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}: {stderr}");
        assert!(stderr.contains("standard input can be read only once"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    // The framing of B is broken: it is read a second time, as its sender meant it.
    let [a, b] = ["A", "B"].map(|side| capture(&format!("pairs/07_no_type3_{side}.pcap")));
    let file = run(&["diff", "--format", "json", &a, &b]);
    let piped = run_with(&["diff", "--format", "json", &a, "-"], &b);
    assert_eq!((text(&piped), piped.status.code()), (text(&file), Some(1)));
    assert!(text(&file).contains("\"type3-missing\""));
    let [sent, received] = ["sent.jpg", "received.bin"].map(|end| capture(&format!("seed/jpeg_c4096.{end}")));
    let args = ["payload", "--format", "json", &sent];
    let piped = run_with(&[&args[..], &["-"]].concat(), &received);
    assert_eq!(text(&piped), text(&run(&[&args[..], &[received.as_str()]].concat())));
    assert!(text(&piped).contains("\"different\""));
}

#[test]
fn relay_follows_a_publisher_whose_framing_is_broken() {
    // The publisher leaves out the headers of type 3; whoever plays got it from a server that knew how to read that.
    let read = |number| Sent::read(Path::new(&capture("a/ffmpeg_pub_play.pcap")), number);
    let (played, mut sent) = (read(0), read(1));
    // Chunks of 128 bytes, so that frames have several.
    let size = sent.sent(true, 0).find(|message| message.type_id == 1);
    size.expect("it announces one").body = vec![0, 0, 0, 128];
    let broken = |sent: &Sent| {
        let mut sent = sent.clone();
        for step in &mut sent.steps {
            if let What::Message(message) = &mut step.what
                && step.from_client
                && message.type_id == 9
            {
                message.spoil = Some(|chunks| chunks.iter_mut().skip(1).for_each(|chunk| chunk.header.clear()));
            }
        }
        sent
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str, sent: Sent| {
        let path = dir.path().join(name);
        let both = Sent { next: Some(Box::new(sent)), ..played.clone() };
        std::fs::write(&path, both.pcap()).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (good, bad) = (path("good.pcap", sent.clone()), path("bad.pcap", broken(&sent)));
    let total = |path: &str| {
        let output = run(&["relay", "--format", "json", path]);
        let report: Value = serde_json::from_str(&text(&output)).expect("JSON");
        (report["legs"][0]["total"].clone(), text_of(&output.stderr))
    };
    let ((good, said), (bad, why)) = (total(&good), total(&bad));
    assert_eq!(good, bad, "{why}");
    assert_eq!(said, "");
    assert!(why.contains("(type3-missing)"), "{why}");
}

fn keeps_to_its_schema(command: &str, report: &str) {
    if command == "streams" {
        return; // it has none
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{command}.schema.json"));
    let schema = std::fs::read_to_string(path).expect("in the repository");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema");
    let report = serde_json::from_str(report).unwrap_or_else(|error| panic!("{command}: {error}\n{report}"));
    let errors: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{command}: {errors:?}");
}

fn run(args: &[&str]) -> Output {
    run_with(args, "/dev/null")
}

fn run_with(args: &[&str], input: &str) -> Output {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    command.args(args).write_stdin(std::fs::read(input).expect("readable")).output().expect("the program starts")
}

fn text(output: &Output) -> String {
    text_of(&output.stdout)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

fn capture(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(path);
    path.to_str().expect("UTF-8").to_owned()
}
