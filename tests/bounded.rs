//! What hostile captures cost: what is kept of them at N, 2N and 4N, and every limit hit, with what is said of it.

use std::io::Write;
use std::process::Output;

use assert_cmd::Command;
use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Row, Rows, Selection};
use rtmp_inspect::dissect::Dissection;
use rtmp_inspect::dissect::vocabulary::Place;
use rtmp_inspect::origin::Time;
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::session::{Event, Options};

use crate::kit::encode::{Encoder, Message};
use crate::kit::{Session, handshake};

/// A session in which the client sends these messages after a Set Chunk Size.
fn sends(chunk_size: u32, messages: &[Message]) -> Vec<u8> {
    let [client, server, echo] = handshake();
    let mut encoder = Encoder::new();
    let mut bytes = encoder.write(&Message::new(2, 1, 0, 0, &chunk_size.to_be_bytes()));
    messages.iter().for_each(|message| bytes.extend(encoder.write(message)));
    Session::new().client(&client).server(&server).client(&echo).client(&bytes).pcap()
}

/// A shared object `so` with these events, and so many of them.
fn shared_object(event: &[u8], count: usize) -> Message {
    let head = b"\x00\x02so\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00";
    Message::new(3, 19, 0, 0, &[&head[..], &event.repeat(count)].concat())
}

/// So many SYNs from as many ends, as a pcap of raw IP packets.
fn syn_flood(count: u32) -> Vec<u8> {
    let mut file = vec![];
    for field in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend(field.to_le_bytes());
    }
    for client in 0..count {
        let address = (0x0a00_0000 + client / 60_000).to_be_bytes();
        let mut packet = Vec::new();
        etherparse::PacketBuilder::ipv4(address, [192, 0, 2, 2], 64)
            .tcp(1024 + (client % 60_000) as u16, 1935, client, 1000)
            .syn()
            .write(&mut packet, &[])
            .expect("in memory");
        for field in [client, 0, packet.len() as u32, packet.len() as u32] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}

    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}

/// Calls `each` with every row of a capture.
fn each_row(pcap: &[u8], each: impl FnMut(&Row<'_>, &Event<'_>)) {
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, each);
    let mut capture = Capture::open(std::io::Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a pcap");
    pipeline::run(&mut capture, pipeline::Limits::default(), Options::default(), rows, &mut Silent).expect("readable");
}

/// The most nodes that the tree of a body has, the most that are made for one chunk, and how many chunks there are.
fn largest_trees(pcap: &[u8]) -> [usize; 3] {
    let mut most = [0; 3];
    each_row(pcap, |row, event| {
        let row = Dissection::new(row, event, Time(0));
        let content = row.section(Place::Content).tree.nodes().len();
        let chunk = row.chunk_sections().map(|section| section.tree.nodes().len()).max().unwrap_or(0);
        most = [most[0].max(content), most[1].max(chunk), most[2].max(row.chunk_sections().count())];
    });
    most
}

fn run(arguments: &[&str], pcap: &[u8]) -> Output {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(pcap).expect("written");
    let path = file.path().to_str().expect("plain");
    Command::cargo_bin("rtmp-inspect").expect("built").args(arguments).arg(path).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it, and demands status 0 and these words on standard output or standard error.
#[track_caller]
fn says(arguments: &[&str], pcap: &[u8], words: &[&str]) -> String {
    let output = run(arguments, pcap);
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {all}");
    for words in words {
        assert!(all.contains(words), "{arguments:?} does not say {words:?}:\n{all}");
    }
    all
}

#[test]
fn the_tree_of_a_message_in_one_byte_chunks_is_made_a_chunk_at_a_time() {
    let trees = [1000, 2000, 4000].map(|len| largest_trees(&sends(1, &[Message::new(4, 8, 1, 0, &vec![0xaf; len])])));
    for ([content, chunk, chunks], len) in trees.into_iter().zip([1000, 2000, 4000]) {
        assert_eq!((content, chunk, chunks), (trees[0][0], trees[0][1], len));
        assert!(chunk > 5 && chunk < 40, "{chunk}");
    }
}

#[test]
fn a_body_of_a_million_values_has_a_bounded_tree() {
    // Events without content, names and null values, names alone, and null values in a command.
    let null_property = b"\x00\x00\x05";
    let change = |count: usize| {
        let pairs = null_property.repeat(count);
        let event = [&[4][..], &(pairs.len() as u32).to_be_bytes(), &pairs].concat();
        shared_object(&event, 1)
    };
    let many = [200_000, 400_000];
    for (name, body, defect) in [
        ("events", (|n| shared_object(b"\x01\x00\x00\x00\x00", n)) as fn(usize) -> Message, "shared-object-too-many"),
        (
            "events with a property each",
            |n| shared_object(b"\x03\x00\x00\x00\x03\x00\x00\x05", n),
            "shared-object-too-many",
        ),
        ("nulls", |n| Message::new(3, 20, 0, 0, &[&b"\x02\x00\x01a"[..], &[5].repeat(n)].concat()), "amf-too-many"),
    ] {
        let nodes = many.map(|count| {
            let pcap = sends(0x1_0000, &[body(count)]);
            let mut defects = Vec::new();
            each_row(&pcap, |row, _| defects.extend(row.defects.iter().map(|defect| defect.code)));
            assert_eq!(defects, [defect], "{name}");
            largest_trees(&pcap)[0]
        });
        assert_eq!(nodes[0], nodes[1], "{name}");
        assert!(nodes[0] < 1 << 20, "{name}: {nodes:?}");
    }
    let nodes = many.map(|count| largest_trees(&sends(0x1_0000, &[change(count)]))[0]);
    assert_eq!(nodes[0], nodes[1]);
}

#[test]
fn a_defect_in_every_chunk_is_counted_and_not_kept() {
    // Extended timestamps that type 3 chunks do not repeat: a defect each.
    let [client, server, echo] = handshake();
    let mut bytes = b"\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x00\x01".to_vec();
    let body = vec![0xaf; 500];
    bytes.extend([4, 0xff, 0xff, 0xff, 0, (body.len() >> 8) as u8, body.len() as u8, 8, 1, 0, 0, 0]);
    bytes.extend([0x01, 0x02, 0x03, 0x04, body[0]]);
    body[1..].iter().for_each(|byte| bytes.extend([0xc4, *byte]));
    let pcap = Session::new().client(&client).server(&server).client(&echo).client(&bytes).pcap();
    let mut codes = Vec::new();
    each_row(&pcap, |row, _| codes.extend(row.defects.iter().map(|defect| (defect.code, defect.message.clone()))));
    assert_eq!(codes.iter().filter(|(code, _)| *code == "type3-ext-missing").count(), 64);
    let omitted = codes.iter().find(|(code, _)| *code == "defects-omitted").expect("the rest is counted");
    assert_eq!(omitted.1, "435 more defects of this message are not listed");
}

#[test]
fn connections_beyond_the_limits_are_named_and_the_flag_too() {
    let flood = syn_flood(300);
    let limits = ["--max-open-connections", "100", "--max-known-connections", "50"];
    let expected = [
        "200 TCP connections were closed before their end",
        "--max-open-connections raises the limit",
        "the ports of 150 closed TCP connections were forgotten",
        "--max-known-connections raises the limit",
    ];
    says(&[&["decode"][..], &limits].concat(), &flood, &[&expected[..], &["300 no data"]].concat());
    let listed = [&["streams", "--format", "jsonl", "--max-listed-connections", "7"][..], &limits].concat();
    let all = says(&listed, &flood, &[&expected[..], &["293 more TCP connections are not listed"]].concat());
    assert_eq!(all.lines().filter(|line| line.starts_with('{')).count(), 7);
    let json = says(&["streams", "--format", "json", "--max-listed-connections", "7"], &flood, &["\"left_out\": 293"]);
    assert!(!json.contains("closed before their end"));
    let json = says(&["streams", "--format", "json"], &flood, &[]);
    assert!(!json.contains("left_out") && !json.contains("warning"));
}

#[test]
fn rtmp_is_listed_before_connections_without_data() {
    // Those without data come first and fill the limit; the one that is RTMP takes the place of one of them.
    let flood = syn_flood(5);
    let session = sends(4096, &[Message::new(3, 20, 0, 0, b"\x02\x00\x01a")]);
    // Both files: the records of the second after those of the first, as raw IP.
    let session = raw_ip(&session);
    let both = [&flood[..], &session[24..]].concat();
    let all = says(
        &["streams", "--format", "jsonl", "--max-listed-connections", "3"],
        &both,
        &["3 more TCP connections are not listed", r#""protocol":"rtmp""#],
    );
    assert_eq!(all.lines().filter(|line| line.starts_with('{')).count(), 3);
}

/// A pcap of Ethernet frames as one of raw IP packets.
fn raw_ip(pcap: &[u8]) -> Vec<u8> {
    let mut raw = pcap[..20].to_vec();
    raw.extend(101u32.to_le_bytes());
    let mut rest = &pcap[24..];
    while let Some((header, more)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
        let (frame, after) = more.split_at(len as usize);
        raw.extend(&header[..8]);
        raw.extend((len - 14).to_le_bytes().repeat(2));
        raw.extend(&frame[14..]);
        rest = after;
    }
    raw
}

#[test]
fn open_messages_beyond_the_limits_are_counted_and_not_kept() {
    let body = [&b"\x02\x00\x01a"[..], &vec![5; 20_000]].concat();
    // Chunks of two messages by turns, so that both are open; then Set Chunk Size, which must not be lost.
    let message = |csid| Message::new(csid, 20, 0, 0, &body);
    let pcap = sends(4096, &[message(3), Message::new(2, 1, 0, 0, &100u32.to_be_bytes()), message(5)]);
    for (flag, whose) in [("--max-open-bytes", "this direction"), ("--max-total-open-bytes", "all connections")] {
        for limit in ["0", "1", "10000"] {
            let words = format!("the open messages of {whose} hold more than");
            let advice = format!("{flag} raises the limit");
            let all = says(&["decode", "--format", "jsonl", flag, limit], &pcap, &[&words, &advice]);
            let chunks = |all: &str| all.matches(r#""chunks":"#).count();
            assert_eq!(chunks(&all), 4, "every message has its row: {all}");
            // The second Set Chunk Size was obeyed, or what follows could not be read to its end.
            assert!(all.contains(r#""chunk_size":100"#) && !all.contains("undecoded"), "{all}");
            assert_eq!(all.matches(r#""captured":20004"#).count(), 2, "{all}");
            assert!(!all.contains("not in the capture"), "no byte is missing there: {all}");
            assert!(all.contains(r#""complete":false"#));
        }
    }
    let all = says(&["decode", "--format", "jsonl"], &pcap, &[r#""chunks":201"#]);
    assert!(!all.contains("limit-open-bytes") && !all.contains(r#""complete":false"#));
}

#[test]
fn every_number_from_zero_to_the_largest_is_taken_without_a_panic() {
    let body = [&b"\x02\x00\x01a"[..], &vec![5; 3000]].concat();
    let pcap = sends(100, &[Message::new(3, 20, 0, 0, &body), Message::new(4, 8, 1, 0, &[0xaf; 500])]);
    let limits = [
        "--max-open-bytes",
        "--max-total-open-bytes",
        "--max-chunk-streams",
        "--max-open-connections",
        "--max-known-connections",
        "--max-waiting-bytes",
        "--max-total-waiting-bytes",
        "--max-fragment-bytes",
        "--max-expansion",
    ];
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &pcap).expect("written");
    let path = file.path().to_str().expect("plain");
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for number in ["0", "1", "18446744073709551615"] {
        runs.extend(limits.map(|flag| vec!["decode", flag, number, path]));
        runs.push(vec!["decode", "-c", number, path]);
        runs.push(vec!["decode", "-n", number, path]);
        runs.push(vec!["streams", "--max-listed-connections", number, path]);
        runs.push(vec!["diff", "--stat", "--context", number, path, path]);
        runs.push(vec!["diff", "--max-diffs", number, path, path]);
        let pair: &str = if number == "0" { "0:0" } else { "18446744073709551615:18446744073709551615" };
        runs.push(vec!["diff", "--align", pair, path, path]);
        runs.push(vec!["diff", "--pair", pair, path, path]);
        runs.push(vec!["relay", "--pair", pair, path]);
    }
    for number in ["0", "4294967295"] {
        runs.push(vec!["decode", "--stream", number, path]);
        runs.push(vec!["lint", "--stream", number, path]);
    }
    for arguments in runs {
        let output = Command::cargo_bin("rtmp-inspect").expect("built").args(&arguments).output().expect("it runs");
        let told = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(0..=2)), "{arguments:?}: {:?}", output.status);
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
}
