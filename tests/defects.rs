//! Every defect code is produced by some input.
//!
//! The codes are read from the source. The inputs are the bodies of `testdata/bodies`, whose defects `bodies` checks one
//! by one, some captures, and what is built here for the rest.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::faults;
use crate::kit::fixture;
use crate::kit::recording::{Recording, Silent};
use crate::kit::{Session, amf0, handshake, message};
use regex::Regex;
use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::pipeline;
use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::rtmp::body::decode;
use rtmp_inspect::session::Options;

/// Words with a dash in the same files that are no codes.
const OTHER_WORDS: &[&str] = &["ac-3", "device-specific", "ec-3", "inter-frame"];
/// Limits that only bodies and messages of great size reach: `bounded` has them.
const IN_BOUNDED: &[&str] = &["defects-omitted", "shared-object-too-many"];
/// Codes of one word.
const ONE_WORD: &[&str] = &["cut", "http", "lost", "resynchronised", "rtmpe", "rtmpt", "tls"];

#[test]
fn every_code_is_produced() {
    let found = found();
    let missing: Vec<_> =
        codes().into_iter().filter(|code| !found.contains(code) && !IN_BOUNDED.contains(&code.as_str())).collect();
    assert!(missing.is_empty(), "no input has {missing:?}; it has {found:?}");
}

/// What was looked for is really there: a code that is renamed, or built in another way, would be missed otherwise.
#[test]
fn the_codes_of_the_source_are_those_that_appear() {
    let codes = codes();
    let unknown: Vec<_> =
        found().into_iter().filter(|code| !codes.contains(code) && !ONE_WORD.contains(&code.as_str())).collect();
    assert!(codes.len() > 70 && unknown.is_empty(), "{} codes; not seen in the source: {unknown:?}", codes.len());
}

/// Literals in kebab-case in the files that make defects, tests left out.
fn codes() -> BTreeSet<String> {
    let word = Regex::new(r#""([a-z0-9]+(?:-[a-z0-9]+)+)""#).expect("a pattern");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.join("decode.rs")];
    for folder in ["amf", "rtmp", "field", "session"] {
        files.push(root.join(format!("{folder}.rs")));
        rust_files(&root.join(folder), &mut files);
    }
    let mut codes = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // Lines of tests are at the end, other tests in files of their own.
        let text = text.split("#[cfg(test)]\nmod tests {").next().expect("a first part");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        codes.extend(lines.flat_map(|line| word.captures_iter(line)).map(|found| found[1].to_owned()));
    }
    codes.retain(|code| !OTHER_WORDS.contains(&code.as_str()));
    codes
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        // Hypotheses name causes, which are rules; each has a seeded fault.
        let left_out = path.ends_with("hypotheses")
            || path.ends_with("hypotheses.rs")
            || path.ends_with("tests.rs")
            || path.ends_with("tests");
        if path.is_dir() && !left_out {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !left_out {
            files.push(path);
        }
    }
}

/// The codes of all inputs.
fn found() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    for case in fixture::cases(&testdata.join("bodies")) {
        let listed =
            case.expect("defects").unwrap_or_default().split(' ').filter_map(|defect| defect.split('@').next());
        found.extend(listed.filter(|code| !code.is_empty()).map(str::to_owned));
    }
    for (type_id, bytes) in bodies() {
        let decoded = decode(MessageTypeId(type_id), &bytes, bytes.len() as u32, &mut ());
        found.extend(decoded.defects.into_iter().map(|defect| defect.code.to_owned()));
    }
    for capture in [
        "d/pub_midstream.pcap",
        "d/pub_missing_segment.pcap",
        "e/rtmpt_no_server.pcap",
        "e/rtmpe_refused.pcap",
        "b/http_on_1935.pcap",
    ] {
        of_capture(
            &fs::read(testdata.join("captures").join(capture)).expect("a capture"),
            Options::default(),
            &mut found,
        );
    }
    for (pcap, options) in crate::tunnel::tls::damaged() {
        of_capture(&pcap, options, &mut found);
    }
    for fault in FAULTS {
        let (_, faulty) = faults::find(fault).expect("a fault of that name").captures();
        of_capture(faulty, Options::default(), &mut found);
    }
    for (pcap, options) in captures() {
        of_capture(&pcap, options, &mut found);
    }
    found
}

/// Bodies that the fixtures have not: those that are long, and those of types 17 and 9 that are broken.
fn bodies() -> Vec<(u8, Vec<u8>)> {
    let command = |values: &[u8]| [&amf0::string("x")[..], values].concat();
    let tag = |back_pointer: bool| [&[12][..], &[0; 10], if back_pointer { &[0, 0, 0, 11] } else { &[] }].concat();
    vec![
        (20, command(&[0x0a, 0, 0, 0, 1].repeat(70))),
        (20, command(&[&[0x0a, 0, 2, 0, 1][..], &[5].repeat(0x2_0001)].concat())),
        // A format byte of 5, where only 0 is defined.
        (17, [&[5][..], &amf0::string("x")].concat()),
        // 4097 messages without a body in an aggregate, FLV E.4.1.
        (22, [tag(true).repeat(4096), tag(false)].concat()),
        // 257 tracks that end, each with an id and a length of 0: one more than there are ids.
        (9, [&[0x96, 0x12][..], b"avc1", &[0; 257 * 4]].concat()),
        // A NAL unit of no bytes.
        (9, vec![0x17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x65]),
    ]
}

/// Captures for what only framing, or the order of messages, brings about.
fn captures() -> Vec<(Vec<u8>, Options)> {
    let plain = Options::default;
    let [client, server, _] = handshake();
    let sound = message(4, 8, 1, &[0xaf, 1, 2, 3]);
    let after = |bytes: &[u8]| (opened().client(bytes).pcap(), plain());
    let mut few_bytes = plain();
    few_bytes.decoder.open_bytes = 100;
    let mut few_streams = plain();
    few_streams.decoder.chunk_streams = 1;
    let forced = Options { forced_ports: vec![1935], ..plain() };
    let (result, create) = (named("_result", 1.0), named("createStream", 2.0));
    let long = message(6, 9, 1, &[0x22; 300]);
    // A whole header before each chunk of 128 bytes.
    let headers = [&long[..140], &long[..12], &long[141..269], &long[..12], &long[270..], &sound].concat();
    vec![
        // A chunk header of which six bytes are there; a handshake that is none; one that is cut.
        after(&sound[..6]),
        (Session::new().client(&[0xfa; 40]).pcap(), forced.clone()),
        (Session::new().client(&client[..1000]).pcap(), forced),
        (
            Session::new()
                .client(&[&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 300]].concat())
                .server(&server)
                .pcap(),
            plain(),
        ),
        (opened().client(&message(3, 20, 0, &[0; 300])).pcap(), few_bytes),
        (opened().client(&sound).client(&message(5, 9, 1, &[0x22])).pcap(), few_streams),
        // A type 3 header on a chunk stream without a message; whole headers in a message.
        after(&[&sound[..], &[0xc9, 1, 2, 3]].concat()),
        after(&headers),
        // Answers to a call that has one, of its own sender, and of none.
        (opened().client(&named("connect", 1.0)).server(&result).server(&result).pcap(), plain()),
        (opened().client(&create).client(&named("_result", 2.0)).pcap(), plain()),
        (opened().client(&create).server(&named("_result", 7.0)).pcap(), plain()),
        torn(),
    ]
}

fn opened() -> Session {
    let [client, server, echo] = handshake();
    Session::new().client(&client).server(&server).client(&echo)
}

fn named(name: &str, id: f64) -> Vec<u8> {
    message(3, 20, 0, &[amf0::string(name), amf0::number(id), amf0::null()].concat())
}

/// A message of three chunks among others; the segment with the second chunk is missing, and begins and ends elsewhere.
fn torn() -> (Vec<u8>, Options) {
    let long = message(6, 9, 1, &[0x22; 300]);
    let sound: Vec<u8> = (0..6).flat_map(|_| message(4, 8, 1, &[0xaf, 1, 2, 3])).collect();
    let session = opened().client(&long[..140]).client(&[&long[140..269], &sound[..20]].concat());
    let session = session.client(&[&sound[20..], &long[269..], &sound].concat()).ack(false);
    let packet = session.data(true)[opened().data(true).len() + 1];
    (session.drop(packet).pcap(), Options::default())
}

/// Seeded faults that have one.
const FAULTS: &[&str] = &["snaplen", "continued-on-3", "ext-absolute-in-fmt1", "type3-without-ext"];

fn of_capture(pcap: &[u8], options: Options, found: &mut BTreeSet<String>) {
    let mut capture =
        Capture::open(std::io::Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a capture");
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, _| {
        found.extend(row.defects.iter().map(|defect| defect.code.to_owned()));
    });
    pipeline::run(&mut capture, pipeline::Limits::default(), options, rows, &mut Silent).expect("readable");
}

/// What `check` finds besides rules: each of its problems, by their codes in SARIF.
#[test]
fn every_problem_of_check_is_reported() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("it can be written");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sessions/ffmpeg-publish-nginx.pcap");
    let check = |args: &[&str]| {
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
            .args([&["check"], args].concat())
            .current_dir(dir.path())
            .env_remove("GITHUB_ACTIONS")
            .env_remove("CI")
            .output()
            .expect("the program starts")
    };
    let session = Recording::read(&path, 0);
    let mut changed = session.clone();
    // A byte in the middle of a sound message.
    let at = changed.nth(9, |message| message.type_id == 8);
    let middle = changed.message(at).body.len() / 2;
    changed.message(at).body[middle] ^= 0x10;
    let mut again = session.clone();
    again.client.1 += 2;
    let twice = Recording { next: Some(Box::new(again)), ..session.clone() };
    for name in ["different.pcap", "gone.pcap", "unpaired.pcap"] {
        write(name, &session.pcap());
    }
    assert_eq!(check(&["--update", "--no-lint", "."]).status.code(), Some(0));
    fs::remove_file(dir.path().join("gone.pcap")).expect("it is there");
    write("different.pcap", &changed.pcap());
    write("unpaired.pcap", &twice.pcap());
    write("missing.pcap", &session.pcap());
    write("unreadable.pcap", b"a letter");
    let output = check(&["--no-lint", "--format", "sarif", "."]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("SARIF");
    let results = report["runs"][0]["results"].as_array().expect("results");
    let found: BTreeSet<_> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    for code in ["connection-unpaired", "snapshot-missing", "snapshot-stale", "unreadable"] {
        assert!(found.contains(code), "{code} is not among {found:?}");
    }
    // Which message differs is for a rule to say, or for nobody.
    assert!(found.contains("snapshot-different") || found.contains("media-differs"), "{found:?}");
}
