//! The decoder on literal bytes, and on random ones.

mod dialects;
mod effort;
mod loss;

use proptest::prelude::*;

use super::*;
use crate::origin::Form;
use crate::rtmp::handshake::BLOCK;
use loss::session;

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
    Source { frame: FrameNo(1), packet: FrameNo(1), time: Time(0), file_offset: 1000 + offset, form: Form::Verbatim }
}

/// Decodes stretches, with each stretch of bytes cut into pieces of the lengths that `cut` gives.
fn decode_cut(mut decoder: Decoder, stretches: &[Stretch], mut cut: impl FnMut() -> usize) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut at = 0;
    for stretch in stretches {
        match stretch {
            Stretch::Hole(len) => {
                decoder.gap(at, *len, true, &mut |event, _| all.push(seen(event)));
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

/// A server's direction after its handshake, so that offsets count from the first chunk.
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

/// Abort throws away what came of the message (RTMP 1.0 5.4.2); what comes next on its chunk stream begins again.
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
    // Given up and begun again, as a sender does that drops a frame: two messages.
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

/// The highest bit of a chunk size is not part of it (RTMP 1.0 5.4.1).
#[test]
fn the_highest_bit_of_a_chunk_size_is_left_out() {
    let a = sound(400);
    let found =
        messages(&[&fmt0(2, 0, 4, 1, 0), &[0x80, 0, 1, 0], &fmt0(4, 0, 400, 8, 1), &a[..256], &[0xc4], &a[256..]]);
    assert_eq!(found[1], (4, Some(0), a));
}
