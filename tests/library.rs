//! The library as its users have it: the items of the crate's root.

use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection, What};
use rtmp_inspect::pipeline;
use rtmp_inspect::session::Options;
use rtmp_inspect::{
    CaptureSource, CapturedMessage, DiffOptions, Direction, LintOptions, Value, Verdict, diff, lint, record_pair,
};

use crate::kit::{self, recording::Silent};

#[test]
fn the_messages_are_those_of_the_list() {
    let mut count = 0;
    for path in captures() {
        let messages = messages(&path);
        let mut rows = Vec::new();
        let list = Rows::new(Selection { whole: true, ..Selection::default() }, |row, _| {
            if let What::Message(message) = &row.what {
                let of = (row.number, row.frame, row.offset, row.direction, row.info.clone());
                rows.push((of, message.complete, message.message.body.clone()));
            }
        });
        let mut capture = Capture::open(File::open(&path).expect("there"), capture::Limits::default()).expect("pcap");
        pipeline::run(&mut capture, pipeline::Limits::default(), Options::default(), list, &mut Silent).expect("read");
        let own: Vec<_> = messages
            .iter()
            .map(|message| {
                let at = message.fields().first().and_then(|field| field.stream_offset).unwrap_or_default();
                let of = (message.number, message.frame, at, message.direction, message.info.clone());
                (of, message.is_complete(), message.body().to_vec())
            })
            .collect();
        assert_eq!(own, rows, "{}", path.display());
        count += own.len();
    }
    assert!(count > 2000, "only {count} messages were looked at");
}

/// Also of captures that begin in mid-session, of which a file is read twice.
#[cfg(feature = "cli")]
#[test]
fn a_file_has_the_messages_that_the_command_lists() {
    let (mut count, mut late) = (0, 0);
    for path in captures_in("d") {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
            .args([
                "decode", "--format", "jsonl", "--type", "1", "--type", "8", "--type", "9", "--type", "18", "--type",
                "20",
            ])
            .arg(&path)
            .output()
            .expect("it starts");
        let rows = String::from_utf8(output.stdout).expect("UTF-8");
        let rows: Vec<serde_json::Value> =
            rows.lines().map(|row| serde_json::from_str(row).expect("an object")).collect();
        let listed: Vec<_> =
            rows.iter().map(|row| (row["frame"].as_u64(), row["info"].as_str().map(str::to_owned))).collect();
        let own: Vec<_> = messages(&path)
            .into_iter()
            .filter(|message| [1, 8, 9, 18, 20].contains(&message.header.type_id.0))
            .map(|message| (Some(message.frame.0), Some(message.info)))
            .collect();
        assert_eq!(own, listed, "{}", path.display());
        count += own.len();
        late += usize::from(
            !own.is_empty()
                && !own.iter().any(|(_, info)| info.as_ref().is_some_and(|info| info.starts_with("connect"))),
        );
    }
    assert!(count > 500 && late > 0, "{count} messages, {late} captures without their beginning");
}

#[test]
fn the_bytes_of_each_field_are_in_the_file_where_it_says() {
    let mut count = 0;
    for path in captures() {
        let file = fs::read(&path).expect("readable");
        for message in messages(&path) {
            for field in message.fields() {
                let Some((first, at)) = field.bytes.first().zip(field.file_offset) else { continue };
                let place = || format!("{}: row {}, {}", path.display(), message.number, field.name);
                assert_eq!(file[at as usize], *first, "{}", place());
                assert!(field.frame.is_some_and(|frame| frame <= message.frame), "{}", place());
                count += 1;
            }
        }
    }
    assert!(count > 15_000, "only {count} fields were looked at");
}

/// From the bytes: RTMP 1.0 5.3.1.2.1, 7.2.1.1; FLV E.4.3.1.
#[test]
fn fields_are_found_by_the_names_that_filters_and_diff_use() {
    let [command, video] = [
        &b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0\x03\x00\x03app\x02\x00\x04live\0\0\x09"[..],
        b"\x17\x01\x00\x00\x28\0\0\0\x02\x65\x88",
    ];
    let [client, server, echo] = kit::handshake();
    let sent = [kit::message(3, 20, 0, command), kit::message(6, 9, 1, video)].concat();
    let session = kit::Session::new().client(&client).server(&server).client(&echo).client(&sent).close();
    let source = CaptureSource::from_bytes(session.pcap());
    let found: Vec<CapturedMessage> =
        source.messages().expect("a capture").map(|message| message.expect("read")).collect();
    let [connect, frame] = &found[..] else { panic!("{found:?}") };
    assert_eq!((connect.name().as_deref(), connect.direction), (Some("connect"), Direction::ClientToServer));
    let app = connect.field("connect.app").expect("an application");
    assert_eq!((&app.value, app.bytes), (&Value::Text("live".to_owned()), &b"\x02\x00\x04live"[..]));
    // C0, C1 and C2; the chunk header; the command's name, its id; the object's marker and the property's name.
    assert_eq!(app.stream_offset, Some(1 + 1536 + 1536 + 12 + 10 + 9 + 1 + 5));
    let type_id = connect.field("rtmpt.header.typeid").expect("a full header");
    assert_eq!((type_id.text.as_str(), type_id.bytes), ("AMF0 Command (0x14)", &[20][..]));
    let time = frame.field("rtmpt.video.composition_time").expect("AVC");
    assert_eq!((time.text.as_str(), time.bytes), ("40", &[0, 0, 40][..]));
    assert_eq!(frame.name(), None);
}

#[test]
fn a_capture_is_read_from_wherever_its_bytes_are() {
    let [good, mine] = ["04_type14_A", "04_type14_B"].map(pair);
    let open = |path: &Path| {
        let path = path.to_owned();
        CaptureSource::new(move || File::open(&path))
    };
    let bytes = fs::read(&good).expect("readable");
    let [by_name, by_bytes, by_pipe] =
        [open(&good), CaptureSource::from_bytes(bytes.clone()), CaptureSource::read(&bytes[..]).expect("read")];
    let all = |source: &CaptureSource| -> Vec<String> {
        source.messages().expect("a capture").map(|message| message.expect("read").to_string()).collect()
    };
    assert_eq!(all(&by_name), all(&by_bytes));
    assert_eq!(all(&by_name), all(&by_pipe));
    let [a, b] = record_pair(&by_pipe, &open(&mine)).expect("captures");
    let report = diff(&a, &b, &DiffOptions::default());
    assert_eq!((report.verdict, report.causes[0].rule.code), (Verdict::Different, "type-id-dec-hex"));
    assert_eq!(lint(&b, &LintOptions::default()).findings[0].rule.code, "type-id-dec-hex");
}

/// Without its handshake and on a port that is not RTMP's, a session is recognised by the other capture's server.
#[test]
fn of_a_pair_each_knows_the_ports_of_the_other() {
    let client = ([192, 0, 2, 1], 50000);
    let server = ([192, 0, 2, 2], 19350);
    let [c, s, echo] = kit::handshake();
    let publish = kit::message(3, 20, 0, b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0\x05");
    let whole = kit::Session::between(client, server, 0).client(&c).server(&s).client(&echo).client(&publish);
    let late = kit::Session::between(client, server, 0).client(&publish);
    let [whole, late] = [whole, late].map(|session| CaptureSource::from_bytes(session.pcap()));
    assert!(!late.record().expect("a capture").has_rtmp(), "by itself it is not recognised");
    let [_, recognised] = record_pair(&whole, &late).expect("captures");
    assert!(recognised.has_rtmp());
    assert!(late.clone().decode_as(19350).record().expect("a capture").has_rtmp());
}

#[test]
fn what_cannot_be_read_is_an_error_or_a_warning() {
    let no_capture = CaptureSource::from_bytes(*b"GIF89a, and no capture");
    assert!(no_capture.messages().is_err() && no_capture.record().is_err());
    let no_file = CaptureSource::new(|| -> io::Result<File> { Err(io::ErrorKind::NotFound.into()) });
    assert!(matches!(no_file.messages(), Err(rtmp_inspect::Error::Io(_))));
    let mut bytes = fs::read(pair("04_type14_A")).expect("readable");
    bytes.truncate(bytes.len() - 3);
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&warnings);
    let source = CaptureSource::new(move || Ok(Cursor::new(bytes.clone())))
        .on_warning(move |warning| seen.lock().expect("one thread").push(warning.to_string()));
    assert!(source.messages().expect("a capture").all(|message| message.is_ok()));
    assert!(source.record().expect("a capture").has_rtmp());
    let warnings = warnings.lock().expect("one thread");
    // One for each reading, also where a recording takes two.
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("cut"), "{warnings:?}");
}

#[test]
fn missing_bytes_are_counted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/d/pub_missing_segment.pcap");
    let source = CaptureSource::new(move || File::open(&path));
    let mut messages = source.messages().expect("a capture");
    let incomplete = messages.by_ref().filter(|message| !message.as_ref().expect("read").is_complete()).count();
    assert!(incomplete > 0 && messages.missing_bytes() > 0, "{incomplete}, {messages:?}");
}

#[test]
fn a_capture_can_be_read_on_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<CaptureSource>();
    is_send::<rtmp_inspect::Messages>();
    is_send::<rtmp_inspect::Recording>();
}

fn messages(path: &Path) -> Vec<CapturedMessage> {
    let path = path.to_owned();
    let source = CaptureSource::new(move || File::open(&path));
    source.messages().expect("a capture").map(|message| message.expect("readable")).collect()
}

fn pair(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/captures/pairs/{name}.pcap"))
}

/// Captures of whole sessions, so that the list needs no reading ahead.
fn captures() -> Vec<PathBuf> {
    captures_in("a")
}

fn captures_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(folder);
    let files = fs::read_dir(folder).expect("in the repository").map(|entry| entry.expect("an entry").path());
    let mut captures: Vec<_> = files.filter(|path| path.extension().is_some_and(|is| is == "pcap")).collect();
    captures.sort();
    captures
}
