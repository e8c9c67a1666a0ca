//! The decoder on literal bytes, and on random ones.

use proptest::prelude::*;

use super::*;
use crate::rtmp::dialect::{self, ChunkSize, Continuation, Extended, Length, Messages, Type3Extended};
use crate::rtmp::handshake::BLOCK;
use crate::rtmp::resync::{FREE_STEPS, STEPS_PER_BYTE};

/// What is compared of an event.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Handshake(Part, bool),
    Message {
        csid: u32,
        at: u64,
        time: Option<u32>,
        type_id: u8,
        body: Vec<u8>,
        ending: Ending,
        defects: Vec<&'static str>,
    },
    Hole(Range<u64>),
    Undecoded(Range<u64>, &'static str),
}

fn seen(event: Event<'_>) -> Seen {
    match event {
        Event::Handshake(part) => Seen::Handshake(part.part, part.complete),
        Event::Message(message) => Seen::Message {
            csid: message.csid.0,
            at: message.start(),
            time: message.header.timestamp,
            type_id: message.header.type_id.0,
            body: message.body.clone(),
            ending: message.ending,
            defects: message.defects.iter().map(|defect| defect.code).collect(),
        },
        Event::Hole(range) => Seen::Hole(range),
        Event::Undecoded(bytes) => Seen::Undecoded(bytes.range, bytes.why.code),
    }
}

/// A stretch of a stream: bytes, or so many that were not captured.
enum Stretch {
    Bytes(Vec<u8>),
    Hole(u64),
}

fn source(offset: u64) -> Source {
    Source { frame: FrameNo(1), packet: FrameNo(1), time: Time(0), file_offset: 1000 + offset }
}

/// Decodes stretches, with each stretch of bytes cut into pieces of the lengths that `cut` gives.
fn decode_cut(mut decoder: Decoder, stretches: &[Stretch], mut cut: impl FnMut() -> usize) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut at = 0;
    for stretch in stretches {
        match stretch {
            Stretch::Hole(len) => {
                decoder.gap(at, *len, &mut |event, _| all.push(seen(event)));
                at += len;
            }
            Stretch::Bytes(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (piece, more) = rest.split_at(cut().clamp(1, rest.len()));
                    decoder.push(at, piece, &[(0, source(at))], &mut |event, _| all.push(seen(event)));
                    at += piece.len() as u64;
                    rest = more;
                }
            }
        }
    }
    decoder.finish(&mut |event, _| all.push(seen(event)));
    all
}

/// A server's direction behind its handshake, so that offsets count from the first chunk.
fn behind_handshake() -> Decoder {
    let mut decoder = Decoder::server(Options::default());
    decoder.state = State::Chunks;
    decoder
}

fn decode(bytes: &[&[u8]]) -> Vec<Seen> {
    decode_cut(behind_handshake(), &[Stretch::Bytes(bytes.concat())], || usize::MAX)
}

/// The (chunk stream, timestamp, body) of the complete messages, which must be all there is.
fn messages(bytes: &[&[u8]]) -> Vec<(u32, Option<u32>, Vec<u8>)> {
    let message = |seen: Seen| match seen {
        Seen::Message { csid, time, body, ending: Ending::Complete, .. } => (csid, time, body),
        other => panic!("{other:?}"),
    };
    decode(bytes).into_iter().map(message).collect()
}

fn fmt0(csid: u8, time: u32, length: usize, type_id: u8, stream: u32) -> Vec<u8> {
    let mut header = vec![csid];
    header.extend(&time.to_be_bytes()[1..]);
    header.extend(&(length as u32).to_be_bytes()[1..]);
    header.push(type_id);
    header.extend(stream.to_le_bytes());
    header
}

fn fmt1(csid: u8, delta: u32, length: usize, type_id: u8) -> Vec<u8> {
    let mut header = vec![0x40 | csid];
    header.extend(&delta.to_be_bytes()[1..]);
    header.extend(&(length as u32).to_be_bytes()[1..]);
    header.push(type_id);
    header
}

/// An AAC frame of `len` bytes.
fn sound(len: usize) -> Vec<u8> {
    (0..len).map(|i| [0xaf, 0x01].get(i).copied().unwrap_or(i as u8)).collect()
}

#[test]
fn every_form_of_new_message_inherits_what_it_leaves_out() {
    let found = messages(&[
        &fmt0(4, 1000, 3, 8, 1),
        &sound(3), // 1000 ms
        &[0x84, 0, 0, 20],
        &sound(3), // fmt 2: + 20
        &[0xc4],
        &sound(3), // fmt 3: + 20 again
        &fmt1(4, 5, 2, 8),
        &sound(2), // fmt 1: + 5
    ]);
    let times: Vec<_> = found.iter().map(|(_, time, body)| (time.unwrap(), body.len())).collect();
    assert_eq!(times, [(1000, 3), (1020, 3), (1040, 3), (1045, 2)]);
}

/// A type-3 chunk right after a type-0 one adds the timestamp itself (RTMP 1.0 5.3.1.2.4).
#[test]
fn type_3_after_type_0_adds_the_timestamp() {
    let found = messages(&[&fmt0(4, 1000, 2, 8, 1), &sound(2), &[0xc4], &sound(2)]);
    assert_eq!(found.iter().map(|found| found.1).collect::<Vec<_>>(), [Some(1000), Some(2000)]);
}

#[test]
fn a_message_without_a_body_is_a_message() {
    assert_eq!(messages(&[&fmt0(4, 0, 0, 8, 1), &fmt0(4, 0, 0, 8, 1)]).len(), 2);
}

#[test]
fn interleaved_messages_are_put_together_apart() {
    let (a, v) = (sound(200), vec![0x27; 150]);
    let found = messages(&[
        &fmt0(4, 0, 200, 8, 1),
        &a[..128],
        &fmt0(6, 0, 150, 9, 1),
        &v[..128],
        &[0xc4],
        &a[128..],
        &[0xc6],
        &v[128..],
    ]);
    assert_eq!(found, [(4, Some(0), a), (6, Some(0), v)]);
}

/// Set Chunk Size counts from the chunk after it on, also in the middle of another message.
#[test]
fn a_chunk_size_takes_effect_at_once() {
    let a = sound(400);
    let found = messages(&[
        &fmt0(4, 0, 400, 8, 1),
        &a[..128],
        &fmt0(2, 0, 4, 1, 0),
        &[0, 0, 1, 0], // 256
        &[0xc4],
        &a[128..384],
        &[0xc4],
        &a[384..],
    ]);
    assert_eq!(found[1], (4, Some(0), a));
}

/// Abort throws away what came of the message (RTMP 1.0 5.4.2); what comes next on its chunk stream begins anew.
#[test]
fn an_aborted_message_is_shown_as_that_and_glued_to_nothing() {
    let (a, b) = (sound(200), sound(10));
    let found =
        decode(&[&fmt0(4, 0, 200, 8, 1), &a[..128], &fmt0(2, 0, 4, 2, 0), &[0, 0, 0, 4], &fmt1(4, 0, 10, 8), &b]);
    let endings: Vec<_> = found
        .iter()
        .map(|seen| match seen {
            Seen::Message { type_id, ending, body, .. } => (*type_id, *ending, body.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(endings, [(2, Ending::Complete, 4), (8, Ending::Aborted, 128), (8, Ending::Complete, 10)]);
}

#[test]
fn an_extended_timestamp_repeats_on_type_3_or_does_not() {
    let a = sound(200);
    let time = 0x0100_0000u32.to_be_bytes();
    let begin = [fmt0(4, 0xff_ffff, 200, 8, 1), time.to_vec(), a[..128].to_vec()].concat();
    let next = [fmt1(4, 7, 2, 8), sound(2)].concat();
    for (continuation, defects) in [
        ([&[0xc4][..], &time, &a[128..]].concat(), vec![]),
        ([&[0xc4][..], &a[128..]].concat(), vec!["type3-ext-missing"]),
    ] {
        let found = decode(&[&begin, &continuation, &next]);
        let expected = Seen::Message {
            csid: 4,
            at: 0,
            time: Some(0x0100_0000),
            type_id: 8,
            body: a.clone(),
            ending: Ending::Complete,
            defects,
        };
        assert_eq!(found[0], expected);
        assert!(matches!(&found[1], Seen::Message { time: Some(0x0100_0007), .. }), "{found:?}");
    }
}

/// An extended delta is a delta; only one that repeats the time before is an absolute time in the wrong place.
#[test]
fn an_extended_delta_is_absolute_only_if_it_must_be() {
    let extended = |value: u32| [fmt1(4, 0xff_ffff, 2, 8), value.to_be_bytes().to_vec(), sound(2)].concat();
    let begin = |time: u32| [fmt0(4, 0xff_ffff, 2, 8, 1), time.to_be_bytes().to_vec(), sound(2)].concat();
    let time = |from: u32, value: u32| messages(&[&begin(from), &extended(value)])[1].1;
    assert_eq!(time(0x0100_0000, 0x0100_0000 + 40), Some(0x0100_0000 + 40));
    assert_eq!(time(0x0200_0000, 0x0100_0000), Some(0x0300_0000));
    assert_eq!(time(0x0100_0000, u32::MAX - 14), Some(0x0100_0000 - 15));
}

/// Some senders write a whole header for every chunk of a message.
#[test]
fn whole_headers_in_mid_message_are_told_from_new_messages_by_what_follows() {
    let a = sound(300);
    let header = fmt0(4, 40, 300, 8, 1);
    let next = [fmt0(4, 63, 2, 8, 1), sound(2)].concat();
    let found = decode(&[&header, &a[..128], &header, &a[128..256], &header, &a[256..], &next]);
    assert!(
        matches!(&found[0], Seen::Message { body, ending: Ending::Complete, defects, .. }
            if *body == a && *defects == ["fmt0-mid-message"; 2]),
        "{found:?}"
    );
    assert_eq!(found.len(), 2);
    // Given up and begun anew, as a sender does that drops a frame: two messages.
    let found = decode(&[&header, &a[..128], &header, &a[..128], &[0xc4], &a[128..256], &[0xc4], &a[256..], &next]);
    assert!(matches!(&found[0], Seen::Message { ending: Ending::Abandoned, .. }), "{found:?}");
    assert!(matches!(&found[1], Seen::Message { body, ending: Ending::Complete, .. } if *body == a), "{found:?}");
}

#[test]
fn a_type_3_chunk_without_a_header_before_it_is_no_chunk() {
    let found = decode(&[&[0xc9, 1, 2, 3]]);
    assert_eq!(found, [Seen::Undecoded(0..4, "fmt-first-on-csid")]);
}

/// Seen from its handshake on, a direction has one reading: odd headers in a row are shown as they are.
#[test]
fn odd_headers_in_a_row_are_messages_all_the_same() {
    let found = messages(&[
        &fmt0(4, 0, 2, 8, 1),
        &sound(2),
        &fmt0(3, 0, 3, 30, 0),
        &[1, 2, 3], // a type nobody knows
        &fmt0(9, 0, 4, 21, 1),
        &[9, 9, 9, 9], // another
        &fmt1(4, 700_000, 2, 8),
        &sound(2), // after a long pause
        &fmt1(4, 900_000, 2, 8),
        &sound(2), // after a longer one
        &fmt0(2, 0, 2, 4, 0),
        &[0, 26], // a SWF verification request
        &fmt0(3, 0, 2, 77, 0),
        &[2, 0],
    ]);
    assert_eq!(found.len(), 7);
}

/// Video and audio as a publisher sends them: alternating, with deltas.
fn session(count: usize) -> (Vec<u8>, Vec<(u64, Vec<u8>)>) {
    let mut bytes = Vec::new();
    let mut truth = Vec::new();
    for i in 0..count {
        let (csid, type_id, mut body) =
            if i % 3 == 0 { (6, 9, vec![i as u8; 900 + 40 * i]) } else { (4, 8, sound(100 + i)) };
        if type_id == 9 {
            body[..5].copy_from_slice(&[0x27, 1, 0, 0, 40]);
        }
        truth.push((bytes.len() as u64, body.clone()));
        bytes.extend(if i < 2 { fmt0(csid, 0, body.len(), type_id, 1) } else { fmt1(csid, 20, body.len(), type_id) });
        for (j, chunk) in body.chunks(128).enumerate() {
            bytes.extend((j > 0).then_some(0xc0 | csid));
            bytes.extend(chunk);
        }
    }
    (bytes, truth)
}

#[test]
fn a_hole_costs_the_messages_in_it_and_no_others() {
    let (bytes, truth) = session(40);
    // A hole of every length over one place.
    for len in (1..3000).step_by(37) {
        let at = 9000;
        let stretches = [
            Stretch::Bytes(bytes[..at].to_vec()),
            Stretch::Hole(len as u64),
            Stretch::Bytes(bytes[at + len..].to_vec()),
        ];
        let found = decode_cut(behind_handshake(), &stretches, || usize::MAX);
        let mut whole = 0;
        for seen in &found {
            if let Seen::Message { at, body, ending: Ending::Complete, .. } = seen {
                assert!(truth.contains(&(*at, body.clone())), "hole of {len}: a message that was never sent");
                whole += 1;
            }
        }
        let touched = truth
            .iter()
            .zip(truth.iter().skip(1))
            .filter(|((start, _), (end, _))| *start < (at + len) as u64 && *end > at as u64);
        let untouched = truth.len() - touched.count();
        // Behind a hole in a header the next one may serve to find the way back.
        assert!(whole + 2 >= untouched, "hole of {len}: {whole} of {untouched} messages found");
    }
}

#[test]
fn from_the_middle_the_chunk_size_is_found() {
    let (bytes, truth) = session(40);
    for start in (3000..6000).step_by(61) {
        let found =
            decode_cut(Decoder::midstream(Options::default()), &[Stretch::Bytes(bytes[start..].to_vec())], || 500);
        let whole = found.iter().filter(|seen| match seen {
            Seen::Message { at, body, ending: Ending::Complete, defects, .. } => {
                assert!(truth.contains(&(at + start as u64, body.clone())), "from {start}: never sent: {seen:?}");
                assert!(defects.contains(&"capture-midstream"), "a guess says so");
                true
            }
            _ => false,
        });
        let behind = truth.iter().filter(|(at, _)| *at >= start as u64).count();
        assert!(whole.count() + 2 >= behind, "from {start}: {found:?}");
    }
}

#[test]
fn a_handshake_with_a_hole_keeps_its_place() {
    let chunk = [fmt0(2, 0, 4, 5, 0), vec![0, 0, 1, 0]].concat();
    // 100 bytes of S0+S1+S2, a hole to 8 bytes before its end, the rest, and a first message.
    let missing = 1 + 2 * BLOCK as u64 - 108;
    let stretches =
        [Stretch::Bytes(vec![3; 100]), Stretch::Hole(missing), Stretch::Bytes([vec![0; 8], chunk].concat())];
    let found = decode_cut(Decoder::server(Options::default()), &stretches, || 7);
    assert_eq!(found[..2], [Seen::Hole(100..100 + missing), Seen::Handshake(Part::S0S1S2, false)]);
    assert!(matches!(found[2], Seen::Message { at: 3073, ending: Ending::Complete, .. }), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// However the bytes are cut, with holes or without, the outcome is the same.
    #[test]
    fn pieces_do_not_matter(holes in prop::collection::vec((100usize..2500, 1u64..2000), 0..4), seed in any::<u64>(), longest in 1usize..700) {
        let (bytes, _) = session(30);
        let mut stretches = Vec::new();
        let mut rest = &bytes[..];
        for (after, len) in holes {
            let (before, behind) = rest.split_at(after.min(rest.len()));
            stretches.push(Stretch::Bytes(before.to_vec()));
            stretches.push(Stretch::Hole(len));
            rest = &behind[(len as usize).min(behind.len())..];
        }
        stretches.push(Stretch::Bytes(rest.to_vec()));
        let mut state = seed | 1;
        let mut random = move || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; (state % longest as u64) as usize };
        let whole = decode_cut(behind_handshake(), &stretches, || usize::MAX);
        prop_assert_eq!(&decode_cut(behind_handshake(), &stretches, &mut random), &whole);
        let whole = decode_cut(Decoder::midstream(Options::default()), &stretches, || usize::MAX);
        prop_assert_eq!(&decode_cut(Decoder::midstream(Options::default()), &stretches, &mut random), &whole);
    }

    /// Random bytes, and a session with random bytes in it, end in events and not in a panic; and the pieces do not matter there either.
    #[test]
    fn nonsense_is_decoded_to_something(nonsense in prop::collection::vec(any::<u8>(), 0..3000), at in 0usize..12000, longest in 1usize..200) {
        let (mut bytes, _) = session(30);
        let at = at.min(bytes.len());
        bytes.splice(at..(at + nonsense.len()).min(bytes.len()), nonsense.iter().copied());
        for bytes in [bytes, nonsense] {
            let stretch = [Stretch::Bytes(bytes)];
            let whole = decode_cut(behind_handshake(), &stretch, || usize::MAX);
            prop_assert_eq!(decode_cut(behind_handshake(), &stretch, || longest), whole);
            decode_cut(Decoder::midstream(Options::default()), &stretch, || longest);
            decode_cut(Decoder::client(Options::default()), &stretch, || longest);
        }
    }
}

/// What makes a search for headers long: bytes that look like headers, or nearly.
fn adversarial(kind: usize, len: usize) -> Vec<u8> {
    let mut state = 88172645463325252u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let huge = [fmt0(4, 15, 0xfffff0, 9, 1), vec![0x27, 1, 0, 0, 0]].concat();
    let bytes: Vec<u8> = match kind {
        0 => vec![0; len],
        1 => vec![0xc3; len],
        2 => vec![0xc4; len],
        // Headers of huge messages one after the other.
        3 => huge.iter().copied().cycle().take(len).collect(),
        // The same with bytes between them that may be headers of the messages' further chunks.
        4 => (0..)
            .flat_map(|_| {
                huge.clone()
                    .into_iter()
                    .chain((0..17).map(|_| if random() & 1 == 0 { 0x41 } else { 0xc4 }).collect::<Vec<_>>())
            })
            .take(len)
            .collect(),
        // Headers of short messages, each of which leads to no other.
        5 => [fmt1(4, 20, 7, 8), vec![0xaf, 1]].concat().into_iter().cycle().take(len).collect(),
        // Messages that end where others begin, each in two chunks of a size that is never the same.
        6 => (0..)
            .flat_map(|i| {
                let size = 1 + (i * 37) % 400;
                [fmt1(4, 20, size + 9, 8), sound(size), vec![0xc4], vec![7; 9]].concat()
            })
            .take(len)
            .collect(),
        7 => (0..len).map(|_| random()).collect(),
        // A type that is not known, time and again.
        8 => fmt0(5, 0, 0xfffff, 77, 1).into_iter().cycle().take(len).collect(),
        // Long messages of nothing but headers of their further chunks, then many at once.
        9 => huge.iter().copied().chain([0xc4; 3000]).cycle().take(len).collect(),
        10 => fmt1(4, 20, 0xfff0, 8).repeat(16).into_iter().chain([0xc4; 3000]).cycle().take(len).collect(),
        // The same on many chunk streams.
        11 => (0u8..=255)
            .cycle()
            .flat_map(|i| {
                let header = fmt0(3 + i % 60, i.into(), 0xffff0, 9, 1);
                [header, vec![0x27, 1, 0, 0, 0], (0..30).map(|j| 0xc3 + (i.wrapping_add(j)) % 60).collect()].concat()
            })
            .take(len)
            .collect(),
        // A chunk size announced time and again.
        12 => (1u8..=255)
            .cycle()
            .flat_map(|size| [fmt0(2, 0, 4, 1, 0), vec![0, 0, size % 7, size]].concat())
            .take(len)
            .collect(),
        _ => [0x42, 0, 0, 0, 0, 0, 4, 3].into_iter().cycle().take(len).collect(),
    };
    bytes
}

/// The steps that the search for headers takes grow as the bytes do, whatever they are; and the start of a session, a start
/// in its middle and a hole in it are alike.
#[test]
fn the_search_for_headers_is_linear() {
    for kind in 0..14 {
        for start in 0..3 {
            let steps = |len: usize| {
                let (before, bytes) = (session(6).0, adversarial(kind, len));
                let mut decoder = if start == 0 { Decoder::midstream(Options::default()) } else { behind_handshake() };
                let mut at = 0;
                if start > 0 {
                    decoder.push(0, &before, &[(0, source(0))], &mut |_, _| {});
                    at = before.len() as u64;
                }
                if start == 2 {
                    decoder.gap(at, 5000, &mut |_, _| {});
                    at += 5000;
                }
                for piece in bytes.chunks(1448) {
                    decoder.push(at, piece, &[(0, source(at))], &mut |_, _| {});
                    at += piece.len() as u64;
                }
                decoder.finish(&mut |_, _| {});
                assert_eq!(decoder.open_bytes, 0, "all that was open is given back");
                decoder.search_steps()
            };
            let lens = [1 << 13, 1 << 14, 1 << 15];
            let counted = lens.map(steps);
            for (len, steps) in lens.into_iter().zip(counted) {
                let bound = FREE_STEPS + 2 * STEPS_PER_BYTE * len as u64;
                assert!(steps <= bound, "kind {kind}, start {start}: {counted:?} steps for {lens:?} bytes");
            }
            let [_, n2, n4] = counted;
            assert!(2 * n4 <= 5 * n2 + FREE_STEPS, "kind {kind}, start {start}: {counted:?} steps for {lens:?} bytes");
        }
    }
}

/// One message cut in two chunks says nothing of the chunk size that others would not: its body is not complete until more
/// of the same prove the size.
#[test]
fn a_body_that_rests_on_an_unproven_chunk_size_is_not_complete() {
    let video = |len: usize, seed: usize| {
        let mut body: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251 * seed) as u8).collect();
        body[..5].copy_from_slice(&[0x27, 1, 0, 0, 40]);
        body
    };
    let chunked = |body: &[u8], size: usize| {
        let mut bytes = fmt1(6, 40, body.len(), 9);
        for (i, chunk) in body.chunks(size).enumerate() {
            bytes.extend((i > 0).then_some(0xc6));
            bytes.extend(chunk);
        }
        bytes
    };
    let endings = |count: usize, size: usize| {
        let mut bytes = Vec::new();
        let mut truth = Vec::new();
        for i in 0..count {
            truth.push(video(size + 700 + 37 * i, i + 1));
            bytes.extend(chunked(&truth[i], size));
        }
        let found = decode_cut(Decoder::midstream(Options::default()), &[Stretch::Bytes(bytes)], || 1000);
        let mut complete = 0;
        for seen in &found {
            if let Seen::Message { body, ending: Ending::Complete, .. } = seen {
                assert!(truth.contains(body), "{count} of {size}: a body that was not sent");
                complete += 1;
            }
        }
        complete
    };
    assert_eq!((endings(1, 4096), endings(2, 4096), endings(3, 4096)), (0, 2, 3));
    // A size that nobody chooses needs more of them.
    assert_eq!((endings(2, 3752), endings(3, 3752), endings(5, 3752)), (0, 0, 5));
}

/// A hole may hold a Set Chunk Size: the size before it is not taken on trust.
#[test]
fn a_chunk_size_announced_in_a_hole_is_found_out() {
    let body = |i: usize| {
        let mut body: Vec<u8> = (0..3000 + i).map(|j| (j * 13 + j / 200 * i) as u8).collect();
        body[..5].copy_from_slice(&[0x27, 1, 0, 0, 40]);
        body
    };
    let mut before = fmt0(6, 0, 100, 9, 1);
    before.extend([0x27, 1, 0, 0, 40].into_iter().chain([9; 95]));
    let after: Vec<u8> = (0..6)
        .flat_map(|i| {
            let mut bytes = fmt1(6, 40, 3000 + i, 9);
            for (j, chunk) in body(i).chunks(1000).enumerate() {
                bytes.extend((j > 0).then_some(0xc6));
                bytes.extend(chunk);
            }
            bytes
        })
        .collect();
    let stretches = [Stretch::Bytes(before), Stretch::Hole(16), Stretch::Bytes(after)];
    let found = decode_cut(behind_handshake(), &stretches, || 700);
    let bodies: Vec<_> = found
        .iter()
        .filter_map(|seen| match seen {
            Seen::Message { body, ending: Ending::Complete, .. } => Some(body.len()),
            _ => None,
        })
        .collect();
    assert_eq!(bodies, [100, 3000, 3001, 3002, 3003, 3004, 3005], "{found:?}");
}

/// What a loss leaves uncertain is said until a header makes it certain again.
#[test]
fn timestamps_after_a_loss_are_uncertain_until_a_full_header() {
    let audio = |header: Vec<u8>| [header, sound(20)].concat();
    let first = audio(fmt0(4, 1000, 20, 8, 1));
    let after = [
        audio(fmt1(4, 20, 20, 8)),
        audio(fmt1(4, 20, 20, 8)),
        audio(fmt0(4, 2000, 20, 8, 1)),
        audio(fmt1(4, 20, 20, 8)),
    ];
    let stretches = [Stretch::Bytes(first), Stretch::Hole(56), Stretch::Bytes(after.concat())];
    let found = decode_cut(behind_handshake(), &stretches, || 9);
    let uncertain: Vec<_> = found
        .iter()
        .filter_map(|seen| match seen {
            Seen::Message { time, defects, .. } => Some((*time, defects.contains(&"timestamp-uncertain"))),
            _ => None,
        })
        .collect();
    assert_eq!(
        uncertain,
        [(Some(1000), false), (Some(1020), true), (Some(1040), true), (Some(2000), false), (Some(2020), false)],
        "{found:?}"
    );
}

/// Two holes side by side are one, and a hole up to the end of a chunk leaves the next header where it is.
#[test]
fn holes_side_by_side_and_at_the_end_of_a_chunk() {
    let (a, b) = (sound(300), sound(30));
    let bytes =
        [&fmt0(4, 0, 300, 8, 1)[..], &a[..128], &[0xc4], &a[128..256], &[0xc4], &a[256..], &fmt1(4, 20, 30, 8), &b]
            .concat();
    // The second chunk's payload is at 141 to 269.
    let stretches = [
        Stretch::Bytes(bytes[..200].to_vec()),
        Stretch::Hole(30),
        Stretch::Hole(39),
        Stretch::Bytes(bytes[269..].to_vec()),
    ];
    let mut holes = Vec::new();
    let mut decoder = behind_handshake();
    let mut at = 0;
    let mut all = Vec::new();
    let mut out = |event: Event<'_>, _: &SourceMap<Source>| {
        if let Event::Message(message) = &event {
            holes.push(message.holes.clone());
        }
        all.push(seen(event));
    };
    for stretch in &stretches {
        match stretch {
            Stretch::Bytes(bytes) => decoder.push(at, bytes, &[(0, source(at))], &mut out),
            Stretch::Hole(len) => decoder.gap(at, *len, &mut out),
        }
        at += match stretch {
            Stretch::Bytes(bytes) => bytes.len() as u64,
            Stretch::Hole(len) => *len,
        };
    }
    decoder.finish(&mut out);
    assert_eq!(holes, [std::iter::once(187..256).collect::<Vec<_>>(), Vec::new()]);
    assert!(matches!(&all[2], Seen::Message { ending: Ending::Missing, .. }), "{all:?}");
    assert!(matches!(&all[3], Seen::Message { body, ending: Ending::Complete, .. } if *body == b), "{all:?}");
    assert_eq!(all.len(), 4);
}

/// A header without a type on a chunk stream that carries several types is not given the type of before the loss.
#[test]
fn no_type_is_invented_after_a_loss() {
    let control = |type_id: u8, body: &[u8]| [fmt0(2, 0, body.len(), type_id, 0), body.to_vec()].concat();
    let before = [control(5, &[0, 0x26, 0x25, 0xa0]), fmt0(4, 0, 20, 8, 1), sound(20)].concat();
    // In the hole the chunk stream went on with Acknowledgements.
    let after = [vec![0xc2, 0, 0, 16, 0], fmt1(4, 20, 20, 8), sound(20), fmt1(4, 20, 20, 8), sound(20)].concat();
    let stretches = [Stretch::Bytes(before), Stretch::Hole(16), Stretch::Bytes(after)];
    let found = decode_cut(behind_handshake(), &stretches, || usize::MAX);
    let types: Vec<_> = found
        .iter()
        .filter_map(|seen| match seen {
            Seen::Message { type_id, .. } => Some(*type_id),
            _ => None,
        })
        .collect();
    assert_eq!(types, [5, 8, 8, 8], "{found:?}");
}

/// The highest bit of a chunk size is not part of it (RTMP 1.0 5.4.1).
#[test]
fn the_highest_bit_of_a_chunk_size_is_left_out() {
    let a = sound(400);
    let found =
        messages(&[&fmt0(2, 0, 4, 1, 0), &[0x80, 0, 1, 0], &fmt0(4, 0, 400, 8, 1), &a[..256], &[0xc4], &a[256..]]);
    assert_eq!(found[1], (4, Some(0), a));
}

/// What is open at the end is given in the order in which it began.
#[test]
fn messages_open_at_the_end_come_in_their_order() {
    let body = vec![1; 128];
    let begun = [9, 3, 7, 5].map(|csid| [fmt0(csid, 0, 300, 8, 1), body.clone()].concat());
    let found = decode(&[&begun.concat()]);
    let order: Vec<_> = found
        .iter()
        .map(|seen| match seen {
            Seen::Message { csid, ending: Ending::Cut, .. } => *csid,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, [9, 3, 7, 5]);
}

/// The messages as a sender with this dialect means them, which must be all there is.
fn meant(dialect: Dialect, bytes: &[&[u8]]) -> Vec<(u32, Option<u32>, Vec<u8>)> {
    let mut decoder = Decoder::server(Options { dialect, ..Options::default() });
    decoder.state = State::Chunks;
    let found = decode_cut(decoder, &[Stretch::Bytes(bytes.concat())], || 3);
    let message = |seen: Seen| match seen {
        Seen::Message { csid, time, body, ending: Ending::Complete, defects, .. } if defects.is_empty() => {
            (csid, time, body)
        }
        other => panic!("{other:?}"),
    };
    found.into_iter().map(message).collect()
}

/// Chunk stream 1000 is 64 + 3 * 256 + 0xa8.
#[test]
fn a_big_endian_chunk_stream_id() {
    let mut header = fmt0(1, 0, 200, 8, 1);
    header.splice(0..1, [0x01, 0x03, 0xa8]);
    let a = sound(200);
    let dialect = Dialect { csid_big_endian: true, ..Dialect::default() };
    let found = meant(dialect, &[&header, &a[..128], &[0xc1, 0x03, 0xa8], &a[128..]]);
    assert_eq!(found, [(1000, Some(0), a)]);
}

/// Another value than the message's own on type 3, followed by bytes that show nothing.
#[test]
fn an_extended_timestamp_is_always_there_if_the_sender_always_writes_it() {
    let a = vec![0; 200];
    let begin = [fmt0(4, 0xff_ffff, 200, 10, 1), 0x0100_0000u32.to_be_bytes().to_vec(), a[..128].to_vec()].concat();
    let dialect = Dialect { type3_extended: Type3Extended::Always, ..Dialect::default() };
    let found = meant(dialect, &[&begin, &[0xc4, 0, 0, 0, 40], &a[128..], &fmt1(4, 7, 2, 10), &[0, 0]]);
    assert_eq!(found, [(4, Some(0x0100_0000), a), (4, Some(0x0100_0007), vec![0, 0])]);
}

/// A dialect holds from its first header on, and a size of the sender's own until it announces one.
#[test]
fn a_size_of_ones_own_begins_where_it_is_said_and_ends_with_an_announcement() {
    let a = sound(200);
    let right = [&fmt0(4, 0, 200, 8, 1)[..], &a[..128], &[0xc4], &a[128..]].concat();
    let whole = [&fmt0(4, 0, 200, 8, 1)[..], &a].concat();
    let announced = [&fmt0(2, 0, 4, 1, 0)[..], &[0, 0, 0, 128]].concat();
    let dialect = Dialect { from: right.len() as u64, chunk_size: ChunkSize::Own(4096), ..Dialect::default() };
    let found = meant(dialect, &[&right, &whole, &announced, &right]);
    let bodies: Vec<_> = found.into_iter().map(|(.., body)| body).collect();
    assert_eq!(bodies, [a.clone(), a.clone(), vec![0, 0, 0, 128], a]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// In any dialect random bytes end in events, and the pieces do not matter.
    #[test]
    fn nonsense_in_any_dialect(
        nonsense in prop::collection::vec(any::<u8>(), 0..3000),
        longest in 1usize..200,
        which in 0usize..DIALECTS.len(),
    ) {
        let (mut bytes, _) = session(20);
        bytes.extend(nonsense);
        let decoder = || {
            let mut decoder = Decoder::client(Options { dialect: DIALECTS[which], ..Options::default() });
            decoder.state = State::Chunks;
            decoder
        };
        let stretch = [Stretch::Bytes(bytes)];
        prop_assert_eq!(decode_cut(decoder(), &stretch, || longest), decode_cut(decoder(), &stretch, || usize::MAX));
    }
}

const PLAIN: Dialect = Dialect {
    from: 0,
    chunk_size: ChunkSize::Announced,
    continuation: Continuation::Type3,
    type3_extended: Type3Extended::ByEvidence,
    extended: Extended::Marked,
    length: Length::Payload,
    csid_big_endian: false,
    handshake: dialect::Handshake::Whole,
};
const DIALECTS: &[Dialect] = &[
    Dialect { chunk_size: ChunkSize::Own(1), from: 500, ..PLAIN },
    Dialect { chunk_size: ChunkSize::LittleEndian, ..PLAIN },
    Dialect { continuation: Continuation::LeftOut(Messages::Media), ..PLAIN },
    Dialect { continuation: Continuation::ExtraOnExactMultiple, ..PLAIN },
    Dialect { continuation: Continuation::WrongId, ..PLAIN },
    Dialect { continuation: Continuation::Fields, ..PLAIN },
    Dialect { type3_extended: Type3Extended::Never, ..PLAIN },
    Dialect { type3_extended: Type3Extended::Always, ..PLAIN },
    Dialect { extended: Extended::NotAtMaximum, ..PLAIN },
    Dialect { extended: Extended::Unmarked, ..PLAIN },
    Dialect { length: Length::WithHeaders, ..PLAIN },
    Dialect { length: Length::LittleEndian, csid_big_endian: true, ..PLAIN },
];
