//! What is counted while messages are open is given back, over long runs and in every way a message ends; and what is
//! open when the data ends.

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::pipeline;
use rtmp_inspect::session::Options;
use serde_json::Value as Json;

use crate::kit::recording::Silent;
use crate::kit::{Session, handshake, message};

const LIMITED: usize = 20_000;

/// The rows of a capture, decoded with at most [`LIMITED`] bytes in open messages.
fn rows(pcap: &[u8]) -> Vec<Json> {
    let mut options = Options::default();
    options.decoder.open_bytes = LIMITED;
    let mut all = Vec::new();
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, _| {
        all.push(serde_json::to_value(row).expect("a row is JSON"));
    });
    let mut capture = Capture::open(std::io::Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a pcap");
    pipeline::run(&mut capture, pipeline::Limits::default(), options, rows, &mut Silent).expect("readable");
    all
}

fn opened() -> Session {
    let [client, server, echo] = handshake();
    Session::new().client(&client).server(&server).client(&echo)
}

fn messages(rows: &[Json]) -> Vec<&Json> {
    rows.iter().filter(|row| row["kind"] == "message").collect()
}

fn codes(rows: &[Json]) -> Vec<&str> {
    let defects = rows.iter().filter_map(|row| row["defects"].as_array()).flatten();
    defects.map(|defect| defect["code"].as_str().expect("a code")).collect()
}

/// A chunk: its header, and its payload.
fn type3(chunk_stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xc0 | chunk_stream], payload].concat()
}

#[test]
fn messages_that_are_complete_give_their_bytes_back() {
    let bytes: Vec<u8> = (0..400).flat_map(|_| message(6, 9, 1, &[0x22; 300])).collect();
    let rows = rows(&opened().client(&bytes).pcap());
    assert_eq!(messages(&rows).len(), 400);
    assert!(messages(&rows).iter().all(|row| row["complete"] == true), "{rows:?}");
    assert_eq!(codes(&rows), [""; 0]);
}

/// Abort (RTMP 1.0 5.4.2) ends a message of 300 bytes after its first chunk of 128.
#[test]
fn messages_that_are_aborted_give_their_bytes_back() {
    let begun = &message(6, 9, 1, &[0x22; 300])[..12 + 128];
    let abort = message(2, 2, 0, &6_u32.to_be_bytes());
    let bytes: Vec<u8> = (0..400).flat_map(|_| [begun, &abort].concat()).collect();
    let rows = rows(&opened().client(&bytes).client(&message(6, 9, 1, &[0x22; 300])).pcap());
    assert!(!codes(&rows).contains(&"limit-open-bytes"), "{:?}", codes(&rows));
    let last = messages(&rows).into_iter().rfind(|row| row["type_id"] == 9).expect("a video message");
    assert_eq!((&last["complete"], &last["length"]), (&true.into(), &300.into()));
}

/// A hole in the last chunk of each message of 300 bytes: 400 holes, each longer than what was open.
#[test]
fn messages_with_holes_give_their_bytes_back() {
    let mut session = opened();
    for _ in 0..400 {
        let bytes = message(6, 9, 1, &[0x22; 300]);
        session = session.client(&bytes[..290]).client(&bytes[290..]).client(&message(4, 8, 1, &[0xaf, 1, 0x21]));
    }
    // The middle one of each three segments is missing.
    let first = opened().data(true).len();
    let missing: Vec<_> = session.data(true).into_iter().skip(first).skip(1).step_by(3).collect();
    let session = missing.into_iter().rev().fold(session, Session::drop);
    let rows = rows(&session.ack(false).pcap());
    assert!(!codes(&rows).contains(&"limit-open-bytes"), "{:?}", codes(&rows));
    let audio: Vec<_> = messages(&rows).into_iter().filter(|row| row["type_id"] == 8).collect();
    assert_eq!(audio.len(), 400);
    assert!(audio.iter().all(|row| row["complete"] == true));
}

/// The limit is for what is open at one time: one message more than it is told, and what follows is not touched.
#[test]
fn over_the_limit_one_message_is_counted_and_not_kept() {
    let chunk = |chunk_stream: u8| {
        let mut bytes = message(chunk_stream, 9, 1, &[0x22; 128]);
        bytes[4..7].copy_from_slice(&30_000_u32.to_be_bytes()[1..]);
        bytes
    };
    let rest: Vec<u8> = (0..233).flat_map(|_| type3(6, &[0x22; 128])).chain(type3(6, &[0x22; 48])).collect();
    let rows = rows(&opened().client(&chunk(6)).client(&rest).client(&message(7, 9, 1, &[0x22; 300])).pcap());
    let of: Vec<_> = messages(&rows).into_iter().map(|row| (row["csid"].as_u64(), row["complete"].as_bool())).collect();
    assert_eq!(of, [(Some(6), Some(false)), (Some(7), Some(true))]);
    assert_eq!(codes(&rows).iter().filter(|code| **code == "limit-open-bytes").count(), 1);
}

/// RTMP 1.0 5.4.1: the first bit of Set Chunk Size is zero; receivers take the other 31.
#[test]
fn the_top_bit_of_a_chunk_size_does_not_count() {
    for (announced, size) in [(0x8000_1000_u32, 4096), (0x8000_0080, 128), (4096, 4096)] {
        let body = [0x22; 5000];
        let mut bytes = message(2, 1, 0, &announced.to_be_bytes());
        bytes.extend(&message(6, 9, 1, &body)[..12]);
        for (number, chunk) in body.chunks(size).enumerate() {
            bytes.extend(if number > 0 { type3(6, chunk) } else { chunk.to_vec() });
        }
        let rows = rows(&opened().client(&bytes).pcap());
        let video = messages(&rows).into_iter().find(|row| row["type_id"] == 9).expect("a video message");
        assert_eq!((&video["complete"], &video["chunks"]), (&true.into(), &5000_usize.div_ceil(size).into()));
        let is_told = codes(&rows).contains(&"chunk-size-invalid");
        assert_eq!(is_told, announced > 0x7fff_ffff, "{announced:#x}");
    }
}

#[test]
fn messages_open_at_the_end_come_in_the_order_in_which_they_began() {
    for order in [[9_u8, 4, 6], [4, 6, 9], [6, 9, 4]] {
        let begun = order.iter().flat_map(|chunk_stream| message(*chunk_stream, 9, 1, &[0x22; 300])[..140].to_vec());
        let rows = rows(&opened().client(&begun.collect::<Vec<_>>()).pcap());
        let open: Vec<_> = messages(&rows).into_iter().filter_map(|row| row["csid"].as_u64()).collect();
        assert_eq!(open, order.map(u64::from));
        assert_eq!(codes(&rows), ["cut"; 3]);
        let offsets: Vec<_> = messages(&rows).into_iter().filter_map(|row| row["offset"].as_u64()).collect();
        assert!(offsets.is_sorted(), "{offsets:?}");
    }
}

/// What is missing is exactly the payload of a chunk: the next header is the first byte after the hole.
#[test]
fn a_hole_may_end_where_a_chunk_ends() {
    let body: Vec<u8> = (0..300_u32).map(|n| n as u8 | 0x20).collect();
    let bytes = message(6, 9, 1, &body);
    let parts = [&bytes[..12 + 128], &bytes[140..269], &bytes[269..]];
    let session = parts.iter().fold(opened(), |session, part| session.client(part));
    let session = session.client(&message(4, 8, 1, &[0xaf, 1, 0x21])).client(&message(6, 9, 1, &body));
    let packet = session.data(true)[opened().data(true).len() + 1];
    let rows = rows(&session.drop(packet).pcap());
    let whole: Vec<_> = messages(&rows).into_iter().filter(|row| row["complete"] == true).collect();
    let of: Vec<_> = whole.iter().map(|row| (row["type_id"].as_u64(), row["length"].as_u64())).collect();
    assert_eq!(of, [(Some(8), Some(3)), (Some(9), Some(300))], "{rows:#?}");
    let torn = messages(&rows).into_iter().find(|row| row["complete"] == false).expect("the first message");
    assert_eq!((&torn["length"], torn["offset"].as_u64()), (&300.into(), Some(1537 + 1536)));
}

/// RTMPE has two versions (6 and 8, the latter with another cipher): neither is decoded, and both are named.
#[test]
fn versions_6_and_8_are_rtmpe_and_9_is_not() {
    for (version, is_encrypted) in [(6, true), (8, true), (9, false)] {
        let [mut client, mut server, echo] = handshake();
        (client[0], server[0]) = (version, version);
        let noise: Vec<u8> = (0..500_u32).map(|n| (n * n + 7) as u8).collect();
        let session = Session::new().client(&client).server(&server).client(&echo).client(&noise);
        let rows = rows(&session.pcap());
        assert_eq!(messages(&rows).len(), 0, "version {version}: {rows:#?}");
        let told = rows.iter().any(|row| row.to_string().contains("RTMPE"));
        assert_eq!(told, is_encrypted, "version {version}: {rows:#?}");
    }
}

/// RTMP 1.0 5.3.1.2: a fmt 0 header has a time, fmt 1 and 2 have a delta, and fmt 3 repeats it.
#[test]
fn only_headers_without_a_time_of_their_own_have_a_delta() {
    let sound = [0xaf, 1, 0x21];
    let mut full = message(4, 8, 1, &sound);
    full[1..4].copy_from_slice(&[0, 3, 0xe8]);
    let fmt1 = [&[0x44, 0, 0, 20, 0, 0, 3, 8][..], &sound].concat();
    let fmt2 = [&[0x84, 0, 0, 30][..], &sound].concat();
    let fmt3 = [&[0xc4][..], &sound].concat();
    let rows = rows(&opened().client(&[&full[..], &fmt1, &fmt2, &fmt3, &full, &fmt1].concat()).pcap());
    let of = |row: &&Json| (row["timestamp"].as_u64(), row["timestamp_delta"].as_u64());
    let found: Vec<_> = messages(&rows).iter().map(of).collect();
    let expected = [(1000, None), (1020, Some(20)), (1050, Some(30)), (1080, Some(30)), (1000, None), (1020, Some(20))];
    assert_eq!(found, expected.map(|(time, delta)| (Some(time), delta)));
}

/// After a hole a delta says nothing absolute, until a full header does.
#[test]
fn timestamps_are_uncertain_after_a_hole_until_a_full_header() {
    let full = |time: u32| {
        let mut bytes = message(4, 8, 1, &[0xaf, 1, 0x21]);
        bytes[1..4].copy_from_slice(&time.to_be_bytes()[1..]);
        bytes
    };
    // fmt 1: a delta of 20 ms, length 3, audio.
    let delta = [&[0x44, 0, 0, 20, 0, 0, 3, 8][..], &[0xaf, 1, 0x22]].concat();
    let session = opened().client(&full(1000)).client(&delta).client(&delta);
    let session = session.client(&delta).client(&delta).client(&full(5000)).client(&delta);
    let lost = session.data(true)[opened().data(true).len() + 2];
    let rows = rows(&session.drop(lost).pcap());
    let audio: Vec<_> =
        messages(&rows).into_iter().filter(|row| row["complete"] == true && row["type_id"] == 8).collect();
    let uncertain: Vec<_> = audio.iter().map(|row| row.to_string().contains("timestamp-uncertain")).collect();
    assert_eq!(uncertain, [false, false, true, true, false, false], "{rows:#?}");
    let times: Vec<_> = audio.iter().filter_map(|row| row["timestamp"].as_u64()).collect();
    assert_eq!((times.first(), times.last()), (Some(&1000), Some(&5020)), "{times:?}");
}
