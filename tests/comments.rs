//! What somebody wrote into a pcapng file: comments on frames and on the capture, names of interfaces.

use std::fs;
use std::path::Path;
use std::process::Command;

use rtmp_inspect::capture::{About, Capture, Event, Limits, Note, NoteKind};
use serde_json::{Value as Json, json};

const FILE: &str = "comments/commented.pcapng";

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

fn said(args: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_rtmp-inspect")).args(args).current_dir(path("")).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_comment_comes_before_the_frame_that_it_is_about() {
    let text = said(&["decode", FILE]);
    let lines: Vec<&str> = text.lines().collect();
    let at = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {text}"));
    assert_eq!(at("comment: the call") + 1, at("connect('nope')"));
    assert!(lines[at("the call")].trim_start().starts_with("12 "), "{text}");
    // On one line, and nothing that a terminal would obey.
    assert!(text.contains("comment: first line\\nsecond"), "{text}");
    assert!(!text.contains('\u{1b}') && text.contains("comment: x\\u{1b}[31m"), "{text}");
    // Without comments all is as it was.
    let plain = said(&["decode", "captures/b/wrong_app.pcap"]);
    let rest: Vec<&str> = lines.into_iter().filter(|line| !line.contains("comment: ")).collect();
    assert_eq!(rest, plain.lines().collect::<Vec<_>>());
}

#[test]
fn a_row_has_the_comments_on_its_frames() {
    let rows = |args: &[&str]| -> Vec<Json> {
        let text = said(&[&["decode", "--format", "jsonl"], args, &[FILE]].concat());
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let schema = fs::read_to_string(path("../schema/decode.schema.json")).expect("readable");
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema");
    let all = rows(&[]);
    assert!(all.iter().all(|row| schema.is_valid(row)));
    let commented: Vec<_> = all.iter().filter(|row| row.get("comments").is_some()).collect();
    // Frame 4 is the client's first segment; frame 13 has no bytes of a row's.
    let first = json!([{ "frame": 4, "text": "first line\nsecond" }]);
    assert_eq!(
        commented.iter().map(|row| &row["comments"]).collect::<Vec<_>>(),
        [&first, &json!([{ "frame": 12, "text": "the call" }])]
    );
    assert_eq!(commented[1]["info"], "connect('nope')");
    // As a field: for filters, columns and the tree.
    let found = rows(&["-Y", "frame.comment contains \"call\""]);
    assert_eq!((found.len(), &found[0]["number"]), (1, &commented[1]["number"]));
    assert!(said(&["decode", "-e", "frame.comment", FILE]).contains("the call"));
    assert!(said(&["decode", "-n", "4", FILE]).contains("the call"));
}

#[test]
fn streams_say_what_the_capture_says() {
    let text = said(&["streams", FILE]);
    for line in ["\nCapture\n", "  comment: from the lab", "  frame 12 comment: the call", "x\\u{1b}[31m"] {
        assert!(text.contains(line), "{line:?}: {text}");
    }
    let report: Json = serde_json::from_str(&said(&["streams", "--format", "json", FILE])).expect("JSON");
    assert_eq!(report["notes"][0], json!({ "about": "capture", "kind": "comment", "text": "from the lab" }));
    assert_eq!(report["notes"][2], json!({ "about": { "frame": 12 }, "kind": "comment", "text": "the call" }));
    assert!(!said(&["streams", "captures/b/wrong_app.pcap"]).contains("Capture\n"));
}

/// Sections of either byte order; options that are cut, and those after the end of options.
#[test]
fn options_are_read_as_far_as_they_go() {
    for is_big in [false, true] {
        let u16 = |value: u16| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        let u32 = |value: u32| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        let option = |code: u16, value: &[u8]| {
            let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
            [&u16(code)[..], &u16(value.len() as u16), value, &padding].concat()
        };
        let block = |kind: u32, body: &[u8]| {
            let len = u32(12 + body.len() as u32);
            [&u32(kind)[..], &len, body, &len].concat()
        };
        let section =
            [&u32(0x1a2b_3c4d)[..], &u16(1), &u16(0), &[0xff; 8], &option(1, b"all"), &option(0, b"")].concat();
        let interface =
            [&u16(1)[..], &u16(0), &u32(0), &option(2, b"eth0"), &option(3, b"uplink"), &option(1, b"ours")].concat();
        let packet =
            |options: &[u8]| [&u32(0)[..], &u32(0), &u32(0), &u32(5), &u32(5), b"12345\0\0\0", options].concat();
        let cut = [&u16(1)[..], &u16(200), b"abcd"].concat();
        let file = [
            block(0x0a0d_0d0a, &section),
            block(1, &interface),
            block(6, &packet(&[option(1, b"one"), option(2, &[0; 4]), option(1, b"two")].concat())),
            block(6, &packet(&[option(0, b""), option(1, b"after the end")].concat())),
            block(6, &packet(&cut)),
            block(6, &packet(&[])),
        ]
        .concat();
        let mut capture = Capture::open(std::io::Cursor::new(file), Limits::default()).expect("a capture");
        let (mut notes, mut frames) = (Vec::new(), 0);
        while let Some(event) = capture.next().expect("readable") {
            match event {
                Event::Note(note) => notes.push(note),
                Event::Frame(frame) => {
                    frames += 1;
                    assert_eq!((frame.number.0, frame.bytes), (frames, &b"12345"[..]));
                    // A frame's notes come before it.
                    let of_frame = |note: &&Note| note.about == About::Frame(frame.number);
                    assert_eq!(notes.iter().filter(of_frame).count(), if frames == 1 { 2 } else { 0 });
                }
                _ => panic!("nothing is wrong with it"),
            }
        }
        let note = |about, what, text: &str| Note { about, what, text: text.to_owned() };
        let interface = About::Interface(0);
        let first = About::Frame(rtmp_inspect::origin::FrameNo(1));
        let expected = [
            note(About::Capture, NoteKind::Comment, "all"),
            note(interface, NoteKind::Name, "eth0"),
            note(interface, NoteKind::Description, "uplink"),
            note(interface, NoteKind::Comment, "ours"),
            note(first, NoteKind::Comment, "one"),
            note(first, NoteKind::Comment, "two"),
        ];
        assert_eq!((notes, frames), (expected.to_vec(), 4));
    }
}
