//! Seeded faults: a good session with one mistake in it is decoded to its end, and what the mistake does not touch is
//! there.
//!
//! `testdata/faults/README.md` lists the faults with the bytes they change; `BLESS=1 cargo test faults::` writes
//! it again. `FAULTS_DIR=directory cargo test faults::` also writes the captures, `NAME.base.pcap` and
//! `NAME.fault.pcap`.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::kit::decoded::{self, Decoded, Way, decode};
use crate::kit::encode::Message;
use crate::kit::faults::{self, Fault, Then};
use crate::kit::recording::Recording;

#[test]
fn a_session_is_written_byte_for_byte_as_it_was_read() {
    let sessions = [
        ("a/ffmpeg_pub_c128.pcap", 0),
        ("a/ffmpeg_pub_c4096.pcap", 0),
        ("a/ffmpeg_pub_play.pcap", 0),
        ("a/ffmpeg_pub_play.pcap", 1),
        ("a/gst_rtmp2sink_pub.pcap", 0),
        ("a/h263_mp3.pcap", 0),
        ("a/nms2_pub_play.pcap", 0),
        ("a/nms2_pub_play.pcap", 1),
        ("e/ext_timestamp_pub.pcap", 0),
        ("e/own_amf3.pcap", 0),
        ("e/own_csid64.pcap", 0),
        ("e/own_ext_ts_all.pcap", 0),
        ("pairs/04_type14_A.pcap", 0),
        ("pairs/06_chunk_not_used_A.pcap", 0),
    ];
    for (path, number) in sessions {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(path);
        let recording = Recording::read(&file, number);
        let (original, written) = (decoded::bytes(&fs::read(&file).expect("a capture")), recording.pcap());
        let written = (decoded::bytes(&written), decode(&written));
        for from_client in [true, false] {
            let bytes = &original[&(number, from_client)];
            assert!(bytes.len() > 3000, "{path}");
            assert!(*bytes == written.0[&(0, from_client)], "{path} {number}: the bytes differ");
            let read: Vec<_> = messages(&written.1, (0, from_client)).collect();
            assert_eq!(read, recording.messages(from_client), "{path} {number}");
        }
    }
}

/// A client with a switch for each bug made these captures; the kit makes the same bytes from the good session.
#[test]
fn a_seeded_fault_is_what_a_faulty_client_sends() {
    const HANDSHAKE: usize = 1537 + 1536;
    let pairs = [
        ("type-14-blind", "04_type14_B"),
        ("msid-big-endian", "05_msid_be_B"),
        ("not-applied", "06_chunk_not_used_B"),
        ("no-type3", "07_no_type3_B"),
        ("crlf", "08_crlf_B"),
    ];
    for (name, pair) in pairs {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/captures/pairs/{pair}.pcap"));
        let real = &decoded::bytes(&fs::read(file).expect("a capture"))[&(0, true)];
        let seeded = &decoded::bytes(&faults::find(name).expect("a fault").captures().1)[&(0, true)];
        // One of them may be closed earlier, but not before the fault.
        let [real, seeded] = [real, seeded].map(|bytes| &bytes[HANDSHAKE..]);
        let shorter = real.len().min(seeded.len());
        assert!(shorter > 600, "{name}: {shorter} bytes");
        assert_eq!(common(real, seeded), shorter, "{name}");
    }
}

#[test]
fn names_are_unique_and_lead_to_their_faults() {
    let faults = faults::all();
    let names: BTreeSet<_> = faults.iter().map(|fault| fault.name).collect();
    let rules: BTreeSet<_> = faults.iter().flat_map(|fault| fault.expect).collect();
    assert_eq!(names.len(), faults.len());
    assert!(names.len() >= 75 && rules.len() >= 60, "{} faults, {} rules", names.len(), rules.len());
    for fault in faults {
        let found = faults::find(fault.name).expect("a fault of that name");
        assert_eq!((found.expect, found.mistake), (fault.expect, fault.mistake));
        assert!(!fault.expect.is_empty() && !fault.mistake.is_empty(), "{}", fault.name);
    }
}

/// No panic, an end, and no error: the exit status would be 0. What is captured before the fault is all there.
#[test]
fn what_is_in_front_of_a_fault_is_not_lost() {
    for fault in faults::all() {
        let (base, faulty) = fault.captures();
        assert!(base != faulty, "{}: nothing changed", fault.name);
        let (right, wrong) = (decode(base), decode(faulty));
        assert!(right.printed > 50_000 && wrong.printed > 0, "{}", fault.name);
        let connections = if fault.base == faults::Base::Twice { 2 } else { 1 };
        assert_eq!((right.streams.len(), wrong.streams.len()), (connections, connections), "{}", fault.name);
        let (right_bytes, wrong_bytes) = (decoded::bytes(base), decoded::bytes(faulty));
        for (way, bytes) in &right_bytes {
            let same = wrong_bytes.get(way).map_or(0, |other| common(bytes, other));
            let before = right.messages[way].iter().filter(|(_, range)| range.end <= same as u64);
            let before: Vec<_> = before.map(|(message, _)| message).collect();
            let found: Vec<_> = messages(&wrong, *way).take(before.len()).collect();
            assert_eq!(found, before, "{} {way:?}", fault.name);
        }
    }
}

/// Where the framing is whole, each message arrives as the faulty sender meant it: those that it did not mean to
/// change are the base's.
#[test]
fn where_the_framing_is_whole_all_messages_are_there() {
    let mut wrong = Vec::new();
    for fault in faults::all().iter().filter(|fault| fault.then != Then::Breaks) {
        let recording = fault.recording();
        let decoded = decode(&fault.captures().1);
        let recordings = std::iter::successors(Some(&recording), |recording| recording.next.as_deref());
        for (number, recording) in (0..).zip(recordings) {
            for from_client in [true, false] {
                let found: Vec<_> = messages(&decoded, (number, from_client)).collect();
                let sent = recording.messages(from_client);
                let differs = (0..found.len().max(sent.len())).find(|&at| found.get(at) != sent.get(at));
                if let Some(at) = differs {
                    wrong.push(format!("{}: {:?} in place of {:?}", fault.name, found.get(at), sent.get(at)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/faults/README.md");
    let faults = faults::all();
    let captures: Vec<_> = faults.iter().map(Fault::captures).collect();
    if let Some(directory) = std::env::var_os("FAULTS_DIR") {
        let directory = Path::new(&directory);
        fs::create_dir_all(directory).expect("the directory can be made");
        for (fault, (base, faulty)) in faults.iter().zip(&captures) {
            for (kind, bytes) in [("base", base), ("fault", faulty)] {
                fs::write(directory.join(format!("{}.{kind}.pcap", fault.name)), bytes).expect("written");
            }
        }
    }
    let rules: BTreeSet<_> = faults.iter().flat_map(|fault| fault.expect).collect();
    let mut table = HEADING.replace("{faults}", &faults.len().to_string()).replace("{rules}", &rules.len().to_string());
    for (fault, (base, faulty)) in faults.iter().zip(&captures) {
        let Fault { name, base: session, mistake, then, .. } = fault;
        let (expect, bytes) = (fault.expect.join(", "), difference(fault, base, faulty));
        let (lost, new) = counts(&decode(base), &decode(faulty));
        writeln!(table, "| `{name}` | {expect} | {session:?} | {mistake} | {bytes} | −{lost} +{new} | {then:?} |")
            .expect("a String takes everything");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("the directory can be made");
        fs::write(&path, &table).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    for (kept, made) in kept.lines().zip(table.lines()) {
        assert_eq!(kept, made, "BLESS=1 cargo test faults:: writes the table anew");
    }
    assert_eq!(kept.lines().count(), table.lines().count(), "BLESS=1 cargo test faults:: writes the table anew");
}

const HEADING: &str = "\
# Seeded faults

{faults} mistakes of {rules} kinds, each put into a good recorded session by `tests/kit/faults`; made by
`BLESS=1 cargo test faults::`. `FAULTS_DIR=directory cargo test faults::` writes the captures,
`NAME.base.pcap` and `NAME.fault.pcap`.

- *rules*: what the mistake is; each of them names its cause.
- *session*: the good one, as in `tests/kit/faults/base.rs`.
- *first difference*: direction, offset in its stream, the eight bytes there before and after. `…` is the end of the
  stream; where a direction only ends earlier, its last offset.
- *messages*: how many whole messages of the good session are not in the decoded faulty one, and how many are only
  there. What follows a silent or closed connection is lost too.
- *then*: `GoesOn`, all messages are readable and the session continues; `Ends`, all are readable, the other side closes
  or says nothing; `Breaks`, who follows the rules cannot read on.

| fault | rules | session | mistake | first difference | messages | then |
|---|---|---|---|---|---|---|
";

fn messages(decoded: &Decoded, way: Way) -> impl Iterator<Item = &Message> {
    decoded.messages.get(&way).into_iter().flatten().map(|(message, _)| message)
}

/// How long the common beginning is.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// The first bytes that differ: of the direction that has other bytes, not just fewer, if there is one.
fn difference(fault: &Fault, base: &[u8], faulty: &[u8]) -> String {
    if fault.is_of_the_capture() {
        return format!("the capture has {} bytes in place of {}", faulty.len(), base.len());
    }
    let (right, wrong) = (decoded::bytes(base), decoded::bytes(faulty));
    let mut ways: Vec<&Way> = right.keys().collect();
    ways.sort_by_key(|(number, from_client)| (*number, !from_client));
    let mut shorter = None;
    for way in ways {
        let (right, wrong) = (&right[way], &wrong[way]);
        let at = common(right, wrong);
        let arrow = if way.1 { "c→s" } else { "s→c" };
        if at < right.len().min(wrong.len()) || at < wrong.len() {
            return format!("{arrow} {at}: `{}` → `{}`", hex(&right[at..]), hex(&wrong[at..]));
        }
        if at < right.len() {
            shorter.get_or_insert_with(|| format!("{arrow} ends at {at}"));
        }
    }
    shorter.unwrap_or_else(|| "none in the bytes; in their order".to_owned())
}

fn hex(bytes: &[u8]) -> String {
    let shown: Vec<_> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() < 8 { [shown, vec!["…".to_owned()]].concat().join(" ") } else { shown.join(" ") }
}

/// How many messages are only in the first capture, and how many only in the second.
fn counts(base: &Decoded, faulty: &Decoded) -> (u32, u32) {
    let mut balance: HashMap<_, i32> = HashMap::new();
    for (decoded, one) in [(base, 1), (faulty, -1)] {
        for (way, messages) in &decoded.messages {
            for (message, _) in messages {
                let Message { type_id, timestamp, msid, body, .. } = message;
                *balance.entry((way, type_id, timestamp, msid, body)).or_default() += one;
            }
        }
    }
    let sum = |sign: i32| balance.values().map(|&count| (count * sign).max(0).unsigned_abs()).sum();
    (sum(1), sum(-1))
}
