//! Every form in which bytes are given gives the messages of the capture that they are from.
//!
//! `testdata/inputs` has one session in the forms that tools write it in (`tests/tools/inputs.sh` made them).

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const CAPTURE: &str = "captures/b/on_publish_denied.pcap";

/// The forms that hold packets, with how many of each of frames and times they say.
const PACKETS: &[(&str, bool)] = &[
    ("packets.tcpdump-x.txt", true),
    ("packets.tcpdump-tt-X.txt", true),
    ("packets.tcpdump-tttt-XX.txt", true),
    ("packets.tcpdump-ttt-xx.txt", true),
    ("packets.tcpdump-t-X.txt", false),
    ("packets.tshark-x.txt", false),
    ("packets.tshark-P-x.txt", true),
    ("packets.tshark-V-x.txt", false),
    ("packets.hex-streams.txt", false),
];

#[test]
fn one_direction_in_every_form() {
    let all = rows(&[&testdata(CAPTURE)]);
    let mut count = 0;
    for entry in std::fs::read_dir(testdata("inputs")).expect("readable") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Some(direction) = ["c2s", "s2c"].into_iter().find(|side| name.starts_with(side)) else { continue };
        let expected: Vec<_> = all.iter().filter(|row| row["direction"] == direction).map(plain).collect();
        for arguments in [vec![path.as_path()], vec![Path::new("--raw"), &path]] {
            let found = rows(&arguments);
            assert_eq!(found.iter().map(plain).collect::<Vec<_>>(), expected, "{name} {arguments:?}");
            for row in &found {
                for key in ["frame", "first_frame", "time", "src", "dst"] {
                    assert_eq!(row[key], Value::Null, "{name}: {key} is not known");
                }
            }
        }
        count += 1;
    }
    assert!(count > 25, "{count} forms");
}

#[test]
fn packets_in_every_form() {
    let all = rows(&[&testdata(CAPTURE)]);
    for (name, has_times) in PACKETS {
        let found = rows(&[&testdata(&format!("inputs/{name}.gz"))]);
        assert_eq!(found.iter().map(whole).collect::<Vec<_>>(), all.iter().map(whole).collect::<Vec<_>>(), "{name}");
        assert_eq!(found[3]["time"] != Value::Null, *has_times, "{name}");
        if *has_times {
            let since = |rows: &[Value]| seconds(&rows[9]) - seconds(&rows[0]);
            assert!((since(&found) - since(&all)).abs() < 2e-6, "{name}");
        }
    }
    let epoch = rows(&[&testdata("inputs/packets.tcpdump-tt-X.txt.gz")]);
    assert_eq!(epoch[0]["time"], all[0]["time"]);
    assert_eq!(rows(&[&testdata("inputs/packets.tcpdump-tttt-XX.txt.gz")])[0]["time"], all[0]["time"]);
}

#[test]
fn a_followed_stream_in_every_form() {
    let all = rows(&[&testdata(CAPTURE)]);
    for (name, has_addresses) in [("raw", true), ("hex", true), ("yaml", true), ("gui-hex", false), ("c-arrays", false)]
    {
        let found = rows(&[&testdata(&format!("inputs/follow.{name}.txt.gz"))]);
        assert_eq!(found.iter().map(plain).collect::<Vec<_>>(), all.iter().map(plain).collect::<Vec<_>>(), "{name}");
        let has_frames = ["yaml", "c-arrays"].contains(&name);
        for (row, of_capture) in found.iter().zip(&all) {
            let is_same = |key: &str| row[key] == of_capture[key];
            assert!(if has_addresses { is_same("src") && is_same("dst") } else { row["src"].is_null() }, "{name}");
            assert!(if has_frames { is_same("frame") } else { row["frame"].is_null() }, "{name}");
            match name {
                // tshark writes the time as a floating point number.
                "yaml" => assert!((seconds(row) - seconds(of_capture)).abs() < 1e-6, "{name}"),
                _ => assert!(row["time"].is_null(), "{name}"),
            }
        }
    }
}

#[test]
fn two_directions_that_were_given_apart() {
    let all = rows(&[&testdata(CAPTURE)]);
    let (client, server) = (testdata("inputs/c2s.bin.gz"), testdata("inputs/s2c.bin.gz"));
    // Given the wrong way round, the bytes say who is the client.
    for files in [[&client, &server], [&server, &client]] {
        let found = rows(&[Path::new("--raw"), files[0], files[1]]);
        // An order that could have been; here it is the one that was.
        assert_eq!(found.iter().map(plain).collect::<Vec<_>>(), all.iter().map(plain).collect::<Vec<_>>());
    }
    let hex = [testdata("inputs/c2s.xxd.txt.gz"), testdata("inputs/s2c.hexdump-C.txt.gz")];
    assert_eq!(rows(&[Path::new("--raw"), &hex[0], &hex[1]]).len(), all.len());
    let said = run(&["decode".as_ref(), "--raw".as_ref(), client.as_path(), server.as_path()]);
    assert!(text(&said.stderr).contains("without their order in time"), "{}", text(&said.stderr));
}

#[test]
fn chunks_without_a_handshake() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let connect = std::fs::read(testdata("inputs/c2s.bin.gz")).expect("in the repository");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&connect[..]), &mut bytes).expect("gzip");
    let path = directory.path().join("connect.txt");
    // Only connect, as somebody pastes it.
    std::fs::write(&path, hex::encode(&bytes[3073..3073 + 139 + 12 + 1])).expect("writable");
    let output = run(&["decode".as_ref(), "--format".as_ref(), "jsonl".as_ref(), path.as_path()]);
    let said = text(&output.stderr);
    assert!(said.contains("begin without a handshake"), "{said}");
    let row: Value = serde_json::from_str(&text(&output.stdout)).expect("one row");
    assert_eq!(
        (row["info"].as_str(), row["complete"].as_bool(), row["direction"].as_str()),
        (Some("connect('deny')"), Some(true), Some("c2s"))
    );
}

#[test]
fn every_subcommand_takes_them() {
    let (capture, raw) = (testdata(CAPTURE), testdata("inputs/follow.raw.txt.gz"));
    let both = format!("raw:{},{}", testdata("inputs/c2s.bin.gz").display(), testdata("inputs/s2c.bin.gz").display());
    for given in [raw.as_path(), Path::new(&both)] {
        for command in ["streams", "lint", "snapshot"] {
            let (of_capture, of_raw) = (run(&[command.as_ref(), capture.as_path()]), run(&[command.as_ref(), given]));
            // Who closed the connection is not in the bytes: without it lint may find less.
            let is_lint = command == "lint";
            assert!(is_lint || of_raw.status.code() == of_capture.status.code(), "{}", text(&of_raw.stderr));
            assert!(!of_raw.stdout.is_empty() && !text(&of_raw.stdout).contains("frame ?"), "{}", text(&of_raw.stdout));
        }
        let output = run(&["diff".as_ref(), capture.as_path(), given]);
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn a_text_on_standard_input() {
    let file = std::fs::File::open(testdata("inputs/c2s.xxd.txt.gz")).expect("in the repository");
    let output = command(&["decode".as_ref(), "-".as_ref()]).stdin(Stdio::from(file)).output().expect("runs");
    assert!(text(&output.stdout).contains("connect('deny')"), "{}", text(&output.stderr));
}

#[test]
fn errors_say_what_is_wrong_with_the_text() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, content, words) in [
        ("odd.txt", "03000000000000000000000".to_owned(), "odd number"),
        ("prose.txt", "It does not work.\n".to_owned(), "line 1, column 1: 'I' is not a hex digit"),
        ("hole.txt", "00000000: 0300 0000\n00000008: 0000 0000\n".to_owned(), "lines of the dump are missing"),
        ("big.txt", "{3, 0, 0, 0, 300}".to_owned(), "300 is not a byte"),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, content).expect("writable");
        let output = run(&["decode".as_ref(), path.as_path()]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && said.contains(name), "{said}");
    }
    let output = run(&["decode".as_ref(), "--raw".as_ref(), testdata(CAPTURE).as_path()]);
    assert!(text(&output.stderr).contains("give it without --raw"), "{}", text(&output.stderr));
}

#[test]
fn a_session_split_over_five_files_is_one_capture() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (header, frames) = frames_of(&std::fs::read(testdata(CAPTURE)).expect("in the repository"));
    let size = frames.len().div_ceil(5);
    let paths: Vec<PathBuf> = frames
        .chunks(size)
        .enumerate()
        .map(|(at, part)| {
            // As `tcpdump -C` names them.
            let path = directory.path().join(if at == 0 { "ring.pcap".to_owned() } else { format!("ring.pcap{at}") });
            std::fs::write(&path, [&header[..], &part.concat()].concat()).expect("writable");
            path
        })
        .collect();
    let all = rows(&[&testdata(CAPTURE)]);
    let files: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let backwards: Vec<&Path> = files.iter().rev().copied().collect();
    let pattern = directory.path().join("ring.pcap*");
    for arguments in [&files[..], &backwards, &[pattern.as_path()]] {
        let found = rows(arguments);
        assert_eq!(found.iter().map(plain).collect::<Vec<_>>(), all.iter().map(plain).collect::<Vec<_>>());
        for (row, of_capture) in found.iter().zip(&all) {
            assert_eq!((&row["time"], &row["src"]), (&of_capture["time"], &of_capture["src"]));
            // The number in its file, and the file's.
            let number = of_capture["frame"].as_u64().expect("a number") as usize - 1;
            let is_backwards = arguments == backwards;
            let file = if is_backwards { files.len() - number / size } else { number / size + 1 };
            assert_eq!(row["frame"], number % size + 1);
            assert_eq!(row["file"], file);
        }
    }
    let text_of = |arguments: &[&Path]| text(&run(arguments).stdout);
    assert!(text_of(&[&[Path::new("decode")], &files[..]].concat()).contains(" file3:"));
    // By its names a ring is one capture to lint and relay as well.
    let linted = text_of(&[&[Path::new("lint")], &files[..]].concat());
    assert!(linted.contains("(5 files)") && linted.contains("1 connection"), "{linted}");
    // Others are each for themselves, unless --merge says otherwise.
    let (one, other) = (directory.path().join("one.pcap"), directory.path().join("two.pcap"));
    std::fs::write(&one, [&header[..], &frames[..size].concat()].concat()).expect("writable");
    std::fs::write(&other, [&header[..], &frames[size..].concat()].concat()).expect("writable");
    let apart = text_of(&[Path::new("lint"), Path::new("--format"), Path::new("json"), &one, &other]);
    let merged =
        text_of(&[Path::new("lint"), Path::new("--merge"), Path::new("--format"), Path::new("json"), &one, &other]);
    let captures =
        |text: &str| serde_json::from_str::<Value>(text).expect("JSON")["captures"].as_array().expect("a list").len();
    assert_eq!((captures(&apart), captures(&merged)), (2, 1));
}

/// The client's and the server's capture of one session: each packet is in both, the second clock is 5 s fast, and a
/// packet takes 100 microseconds.
#[test]
fn captures_of_two_hosts_are_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (header, frames) = frames_of(&std::fs::read(testdata(CAPTURE)).expect("in the repository"));
    let shifted = |of_client: i64, of_server: i64| -> Vec<u8> {
        let mut all: Vec<(i64, Vec<u8>)> = frames
            .iter()
            .map(|frame| {
                // Source port 1935, after 16 bytes of the record, 14 of Ethernet and 20 of IP.
                let is_server = frame[50..52] == 1935_u16.to_be_bytes();
                let field = |at: usize| i64::from(u32::from_le_bytes(frame[at..at + 4].try_into().expect("4 bytes")));
                let unit = if header[..4] == [0x4d, 0x3c, 0xb2, 0xa1] { 1_000_000_000 } else { 1_000_000 };
                let time =
                    field(0) * unit + field(4) + unit / 1_000_000 * if is_server { of_server } else { of_client };
                let (seconds, fraction) = ((time / unit) as u32, (time % unit) as u32);
                (time, [&seconds.to_le_bytes()[..], &fraction.to_le_bytes(), &frame[8..]].concat())
            })
            .collect();
        all.sort_by_key(|(time, _)| *time);
        [header.clone(), all.into_iter().flat_map(|(_, frame)| frame).collect()].concat()
    };
    let (client, server) = (directory.path().join("client.pcap"), directory.path().join("server.pcap"));
    std::fs::write(&client, shifted(0, 100)).expect("writable");
    std::fs::write(&server, shifted(5_000_100, 5_000_000)).expect("writable");
    let output = run(&["streams".as_ref(), "--format".as_ref(), "json".as_ref(), client.as_path(), server.as_path()]);
    let said = text(&output.stderr);
    assert!(said.contains("the clock of file2 is 5.0000") && said.contains("fast"), "{said}");
    let report: Value = serde_json::from_str(&text(&output.stdout)).expect("JSON");
    let stream = &report["streams"][0];
    let whole: Value = serde_json::from_str(&text(
        &run(&["streams".as_ref(), "--format".as_ref(), "json".as_ref(), testdata(CAPTURE).as_path()]).stdout,
    ))
    .expect("JSON");
    for side in ["client_to_server", "server_to_client"] {
        for key in ["bytes", "messages", "retransmitted_bytes"] {
            assert_eq!(stream[side][key], whole["streams"][0][side][key], "{side} {key}: {stream:#}");
        }
    }
}

#[test]
fn files_that_cannot_be_merged_are_named() {
    let (capture, raw) = (testdata(CAPTURE), testdata("inputs/c2s.bin.gz"));
    for (files, words) in [
        ([capture.as_path(), raw.as_path()], "no times"),
        ([capture.as_path(), Path::new("missing.pcap")], "missing.pcap"),
        ([capture.as_path(), Path::new("-")], "cannot"),
    ] {
        let output = run(&[Path::new("decode"), files[0], files[1]]);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

/// The header of a little-endian pcap file, and its records.
fn frames_of(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (header, mut rest) = file.split_at(24);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let len = 16 + u32::from_le_bytes(rest[8..12].try_into().expect("4 bytes")) as usize;
        frames.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    (header.to_vec(), frames)
}

/// What a message is, wherever it came from.
fn plain(row: &Value) -> Value {
    let keys = [
        "kind",
        "direction",
        "offset",
        "info",
        "csid",
        "fmt",
        "timestamp",
        "length",
        "type_id",
        "body",
        "part",
        "complete",
        "defects",
    ];
    keys.iter().map(|key| (key.to_string(), row[key].clone())).collect()
}

/// The same with its place in the capture.
fn whole(row: &Value) -> Value {
    let mut row_with_place = plain(row);
    for key in ["frame", "first_frame", "src", "dst", "tcp_stream"] {
        row_with_place[key] = row[key].clone();
    }
    row_with_place
}

fn seconds(row: &Value) -> f64 {
    row["time"].as_str().expect("a time").parse().expect("a number")
}

fn rows(arguments: &[&Path]) -> Vec<Value> {
    let all = [&[Path::new("decode"), Path::new("--format"), Path::new("jsonl")], arguments].concat();
    let output = run(&all);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn run(arguments: &[&Path]) -> Output {
    command(arguments).output().expect("runs")
}

fn command(arguments: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    command.args(arguments).env_remove("SSLKEYLOGFILE").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}
