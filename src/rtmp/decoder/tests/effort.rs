//! The search for headers in bytes made to be searched for long.

use super::loss::session;
use super::*;
use crate::rtmp::resync::{FREE_STEPS, STEPS_PER_BYTE};

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

/// The steps that the search for headers takes are bounded by the bytes, whatever they are: the start of a session, a start
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
                    decoder.gap(at, 5000, true, &mut |_, _| {});
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
        }
    }
}
