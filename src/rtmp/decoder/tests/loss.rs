//! Holes, starts in mid-session, and chunk sizes that nobody announced.

use super::*;

/// Video and audio as a publisher sends them: alternating, with deltas.
pub(super) fn session(count: usize) -> (Vec<u8>, Vec<(u64, Vec<u8>)>) {
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
        // After a hole in a header the next one may serve to find the way back.
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
            Stretch::Hole(len) => decoder.gap(at, *len, true, &mut out),
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
    // In the hole the chunk stream continued with Acknowledgements.
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

/// The sender's own announcement proves the size, in mid-session too.
#[test]
fn a_chunk_size_announced_in_mid_session_is_no_guess() {
    let announced = [fmt0(2, 0, 4, 1, 0), vec![0, 0, 1, 0]].concat();
    let mut decoder = Decoder::midstream(Options::default());
    let mut defects = Vec::new();
    let mut push = |decoder: &mut Decoder, at: usize, bytes: &[u8]| {
        decoder.push(at as u64, bytes, &[(0, source(at as u64))], &mut |event, _| {
            if let Event::Message(message) = event {
                defects.extend(message.defects.iter().map(|defect| defect.message.clone()));
            }
        });
        at + bytes.len()
    };
    let (bytes, _) = session(20);
    let at = push(&mut decoder, 0, &bytes);
    assert_eq!((decoder.chunk_size(), decoder.chunk_size_is_guessed()), (Some(128), true));
    let at = push(&mut decoder, at, &announced);
    assert_eq!((decoder.chunk_size(), decoder.chunk_size_is_guessed()), (Some(256), false));
    push(&mut decoder, at, &[fmt1(4, 20, 30, 8), sound(30)].concat());
    assert!(defects.last().is_some_and(|last| last.ends_with("chunk size 256, as announced since")), "{defects:?}");
    // After a hole it is the sender's no more, until it is proven again.
    decoder.gap(at as u64 + 38, 100, true, &mut |_, _| {});
    decoder.push(at as u64 + 138, &[fmt0(4, 0, 30, 8, 1), sound(30)].concat().repeat(3), &[], &mut |_, _| {});
    assert_eq!((decoder.chunk_size(), decoder.chunk_size_is_guessed()), (Some(256), true));
}

/// Video that no FLV tag begins is shown when its headers prove it; the bytes of another message are not invented from.
#[test]
fn bodies_that_do_not_begin_as_their_type_asks_are_found_in_mid_session() {
    let jpeg = |i: usize| {
        let mut body: Vec<u8> = (0..3000 + i).map(|j| (j * 31 + j / 97 * i) as u8).collect();
        body[..4].copy_from_slice(&[0xff, 0xd8, 0xff, 0xe0]);
        body
    };
    let mut bytes = vec![0x55; 700];
    for i in 0..8 {
        bytes.extend(fmt1(6, 40, jpeg(i).len(), 9));
        for (j, chunk) in jpeg(i).chunks(1000).enumerate() {
            bytes.extend((j > 0).then_some(0xc6));
            bytes.extend(chunk);
        }
    }
    let found = decode_cut(Decoder::midstream(Options::default()), &[Stretch::Bytes(bytes)], || 700);
    let bodies: Vec<_> = found
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::Message { body, ending: Ending::Complete, .. } => Some(body),
            _ => None,
        })
        .collect();
    let lens = bodies.iter().map(Vec::len).collect::<Vec<_>>();
    assert!(bodies == (0..8).map(jpeg).collect::<Vec<_>>(), "bodies of {lens:?} bytes");
}

/// A message that would end, uncut, a byte before it does: what is then read as a header is its last byte and the next
/// header's first ones. The cut at the default size has the evidence too, so neither is believed before more follows.
#[test]
fn a_message_is_not_uncut_because_something_like_a_header_follows() {
    let command = |len: usize| {
        let mut body = [&[2, 0, 8][..], b"onStatus", &vec![0x41; len - 12]].concat();
        body.push(9);
        body
    };
    let chunked = |body: &[u8]| {
        let mut bytes = fmt0(3, 0, body.len(), 20, 1);
        for (j, chunk) in body.chunks(128).enumerate() {
            bytes.extend((j > 0).then_some(0xc3));
            bytes.extend(chunk);
        }
        bytes
    };
    // Read from the body's last byte on, the headers are those of empty messages of type 18 and 8.
    let close = [&[2, 0, 5][..], b"close", &[0; 9], &[5]].concat();
    for tail in [[fmt0(3, 0, 18, 20, 0), close.clone()].concat(), [fmt0(4, 0, 8, 8, 1), sound(8)].concat()] {
        let bytes = [chunked(&command(160)), tail, chunked(&command(150)), chunked(&command(170))].concat();
        let found = decode_cut(Decoder::midstream(Options::default()), &[Stretch::Bytes(bytes)], || 100);
        for seen in found {
            if let Seen::Message { type_id: 20, body, ending: Ending::Complete, .. } = seen {
                let is_sent = body == close || [150, 160, 170].map(command).contains(&body);
                assert!(is_sent, "a body that was not sent: {body:?}");
            }
        }
    }
}

/// The last message of a direction that begins in mid-session: no header follows that would prove where it ends, but none
/// of its own bytes can be a header that continues it.
#[test]
fn the_last_message_is_whole_if_nothing_in_it_can_cut_it() {
    let status = [&[2, 0, 8][..], b"onStatus", &[0x41; 97]].concat();
    let bytes = [fmt0(3, 0, status.len(), 20, 1), status.clone()].concat();
    let whole = |bytes: Vec<u8>| {
        let found = decode_cut(Decoder::midstream(Options::default()), &[Stretch::Bytes(bytes)], || 50);
        let is_whole = |seen: &Seen| matches!(seen, Seen::Message { type_id: 20, ending: Ending::Complete, .. });
        found.iter().any(is_whole)
    };
    assert!(whole(bytes.clone()));
    assert!(whole([&bytes[..], &[0x03]].concat()), "the next header is not whole");
    assert!(!whole([&bytes[..], &[0x41; 40]].concat()), "no header follows");
    // One of its bytes may continue it.
    let mut cut = bytes;
    cut[12 + 70] = 0xc3;
    assert!(!whole(cut));
}
