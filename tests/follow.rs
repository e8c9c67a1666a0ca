//! `follow`: the bytes of a stream, of a message, of a field, against those in the capture's packets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::kit::{Session, amf0, handshake, message};

const PUBLISH: &str = "captures/a/ffmpeg_pub_c4096.pcap";

/// The payload of each direction, the client's first, from the packets: none of them is lost or sent again.
fn payloads(capture: &Path) -> [Vec<u8>; 2] {
    let file = fs::read(capture).expect("readable");
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
    assert_eq!(word(20), 1, "Ethernet");
    let (mut at, mut client, mut both) = (24, None, [Vec::new(), Vec::new()]);
    while at < file.len() {
        let frame = &file[at + 16..at + 16 + word(at + 8)];
        at += 16 + frame.len();
        let ip = &frame[14..];
        let tcp = &ip[usize::from(ip[0] & 15) * 4..usize::from(u16::from_be_bytes([ip[2], ip[3]]))];
        let port = u16::from_be_bytes([tcp[0], tcp[1]]);
        let side = usize::from(*client.get_or_insert(port) != port);
        both[side].extend_from_slice(&tcp[usize::from(tcp[12] >> 4) * 4..]);
    }
    both
}

#[test]
fn raw_bytes_are_those_of_the_packets() {
    let [client, server] = payloads(&testdata().join(PUBLISH));
    assert!(client.len() > 10_000 && server.len() > 3073);
    for (direction, expected) in [("c2s", &client), ("s2c", &server)] {
        let output = run(&["follow", PUBLISH, "--direction", direction, "--as", "raw"]);
        assert!(output.stdout == *expected, "{direction}: {} bytes", output.stdout.len());
        assert_eq!(text(&output.stderr), "");
        // A literal, and a part of it.
        let hex = said(&["follow", PUBLISH, "--direction", direction, "--as", "hex"]);
        assert_eq!(hex::decode(hex.replace([' ', '\n'], "")).as_ref(), Ok(expected));
        let part = said(&["follow", PUBLISH, "--direction", direction, "--bytes", "0x600..1600", "--as", "hex"]);
        assert_eq!(hex::decode(part.replace([' ', '\n'], "")).expect("hex"), expected[0x600..1600]);
    }
}

/// Every byte is in the dump once, at its offset, whatever the widths.
#[test]
fn the_dump_has_every_byte_at_its_offset() {
    let both = payloads(&testdata().join(PUBLISH));
    let dump = said(&["follow", PUBLISH]);
    let mut seen = [Vec::new(), Vec::new()];
    for line in dump.lines().skip(1) {
        let side = usize::from(line.starts_with('<'));
        assert!(line.starts_with(['<', '>']) && line.is_char_boundary(11), "{line}");
        let at = usize::from_str_radix(&line[2..10], 16).expect("an offset");
        let rest = &line[10..];
        let hex = match rest.strip_prefix(" [") {
            Some(header) => header.split(']').next().expect("an end"),
            None if rest.ends_with('|') && rest.contains("  |") => rest.split("  |").next().expect("a part"),
            None => continue,
        };
        assert_eq!(at, seen[side].len(), "{line}");
        seen[side].extend(hex::decode(hex.replace(' ', "")).unwrap_or_else(|_| panic!("{line}")));
    }
    assert!(seen == both, "{} and {} bytes", seen[0].len(), seen[1].len());
}

/// The layers of `connect` (RTMP 1.0 5.3.1, 7.2.1.1): a header of 12 bytes, 128 bytes of AMF, a header of one, the rest.
#[test]
fn colours_are_those_of_the_layers() {
    let dump = said(&["--color", "always", "follow", PUBLISH, "--direction", "c2s"]);
    let colours = |from: &str, count: usize| {
        let lines: Vec<&str> = dump.lines().skip_while(|line| !line.contains(from)).take(count).collect();
        lines.join("\n")
    };
    let connect = colours("> 00000c01", 11);
    assert_eq!(connect.matches("\u{1b}[35m").count(), 2, "{connect}");
    // Nine lines of AMF, each with its hex and its characters.
    assert_eq!(connect.matches("\u{1b}[32m").count(), 18, "{connect}");
    assert!(dump.contains("\u{1b}[33m"), "the handshake");
    // Set Chunk Size is a body that is not AMF.
    let body = dump.lines().find(|line| line.contains("00 00 10 00")).expect("the chunk size");
    assert!(body.contains("\u{1b}[36m00 00 10 00"), "{body}");
    let plain = said(&["follow", PUBLISH, "--direction", "c2s"]);
    assert!(!plain.contains('\u{1b}'));
}

#[test]
fn messages_and_fields_as_literals() {
    let of = |args: &[&str]| said(&[&["follow", PUBLISH], args].concat()).trim_end().to_owned();
    // ffmpeg's tcUrl, as AMF0 has strings: marker 2, length 26.
    let url = "\\x02\\x00\\x1artmp://127.0.0.1:1935/live";
    assert_eq!(of(&["--field", "connect.tcUrl", "--as", "python"]), format!("b'{url}'"));
    assert_eq!(of(&["--field", "connect.tcUrl", "--as", "rust"]), format!("b\"{url}\""));
    assert_eq!(of(&["--field", "connect.tcUrl", "--bytes", "3..", "--as", "c"]), "\"rtmp://127.0.0.1:1935/live\"");
    assert_eq!(of(&["--field", "amf.string", "--as", "go"]), "[]byte(\"connect\")");
    // Row 9 is the client's Set Chunk Size: 4096.
    assert_eq!(of(&["--message", "9", "--as", "hex"]), "00 00 10 00");
    assert_eq!(of(&["--message", "9", "--field", "rtmpt.header.typeid", "--as", "hex"]), "01");
    assert_eq!(of(&["--message", "9", "--bytes", "2..3", "--as", "javascript"]), "new Uint8Array([0x10])");
    assert!(of(&["--message", "4"]).starts_with("  00000000  02 00 07 63 6f 6e 6e 65  63 74"));
    assert!(of(&["--message", "1", "--as", "hex"]).starts_with("03 "));
    // A row has the number that decode gives it.
    let body = said(&["decode", PUBLISH, "-n", "16", "-x", "--format", "jsonl"]);
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let expected = body["body_hex"].as_str().expect("hex");
    assert_eq!(of(&["--message", "16", "--as", "hex"]).replace(' ', ""), expected);
}

#[test]
fn what_is_not_there_is_said() {
    let two = "captures/a/ffmpeg_pub_play.pcap";
    for (args, words) in [
        (&["follow", two][..], "connections with RTMP: choose one with --stream"),
        (&["follow", PUBLISH, "--stream", "9"], "there is no TCP connection 9"),
        (&["follow", PUBLISH, "--message", "100000"], "has no row 100000"),
        (&["follow", PUBLISH, "--field", "connect.nothing"], "has a field connect.nothing"),
        (&["follow", PUBLISH, "--message", "9", "--bytes", "4..5"], "has only 4 bytes"),
        (&["follow", PUBLISH, "--bytes", "0..4"], "--direction c2s or s2c"),
        (&["follow", PUBLISH, "--as", "c"], "--direction c2s or s2c"),
        (&["follow", PUBLISH, "--direction", "c2s", "--bytes", "99999999.."], "has no bytes there"),
        (&["follow", PUBLISH, "--bytes", "4..4"], "the range is empty"),
        (&["follow", PUBLISH, "--bytes", "4"], "not a range"),
        (&["follow", "-", "--as", "raw"], "--stream N chooses the connection"),
        (&["follow", "captures/c/pub_empty.pcap"], "no RTMP in captures/c/pub_empty.pcap"),
    ] {
        let output = run(args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(words), "{args:?}: {error}");
    }
}

/// Bytes that the capture lacks are named in the dump, and never written as if they had been there.
#[test]
fn missing_bytes_are_missing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [client, server, echo] = handshake();
    let long = message(8, 8, 1, &[7; 100]);
    let session = Session::new().client(&client).server(&server).client(&echo);
    let session = session
        .client(&message(3, 20, 0, &[amf0::string("connect"), amf0::number(1.0)].concat()))
        .client(&long)
        .client(&long);
    let packets = session.data(true);
    let lost = packets[packets.len() - 2];
    let path = dir.path().join("lost.pcap");
    fs::write(&path, session.server(&[0; 1]).drop(lost).pcap()).expect("writable");
    let path = path.to_str().expect("UTF-8");
    let dump = said(&["follow", path, "--direction", "c2s"]);
    assert!(dump.lines().any(|line| line.ends_with("not captured") || line.contains(" not captured;")), "{dump}");
    let raw = run(&["follow", path, "--direction", "c2s", "--as", "raw"]);
    assert!(text(&raw.stderr).contains("were not captured, and nothing is written in their place"));
    let literal = run(&["follow", path, "--direction", "c2s", "--as", "hex"]);
    assert_eq!(literal.status.code(), Some(2));
    assert!(text(&literal.stderr).contains("of the selection"), "{}", text(&literal.stderr));
}

/// What is not RTMP is followed as TCP payload.
#[test]
fn any_connection_is_followed() {
    let dump = said(&["follow", "captures/b/http_on_1935.pcap", "--stream", "0"]);
    assert!(dump.contains("47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|"), "{dump}");
}

fn said(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rtmp-inspect")).args(args).current_dir(testdata()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
