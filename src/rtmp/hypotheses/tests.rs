//! Hypotheses on literal bytes.

use super::*;
use crate::rtmp::decoder::{Decoder, Options};
use crate::rtmp::dialect::{ChunkSize, Continuation, Messages};

/// A handshake's bytes; the decoder does not look into them.
fn handshake() -> Vec<u8> {
    let mut bytes = vec![3];
    bytes.resize(1 + 2 * BLOCK, 0);
    bytes
}

/// `releaseStream` with a name so long that its body has `length` bytes, in one piece.
fn command(length: u8) -> Vec<u8> {
    // csid 3, time 0, length, type 20, message stream 0
    let mut bytes = vec![3, 0, 0, 0, 0, 0, length, 20, 0, 0, 0, 0];
    bytes.extend(b"\x02\x00\x0dreleaseStream\x00\x40\x00\x00\x00\x00\x00\x00\x00\x05\x02\x00");
    bytes.push(length - 16 - 9 - 1 - 3);
    bytes.resize(12 + usize::from(length), b'i');
    bytes
}

fn judged(bytes: &[u8]) -> Vec<Hypothesis> {
    let before = Decoder::client(Options::default());
    judge(&Case { before: &before, offset: 0, bytes, ends: true, peer_sizes: Vec::new(), earlier_sizes: Vec::new() })
}

/// Payload byte 128 is an `i`, 0x69: fmt 1 on chunk stream 41, by the specification.
#[test]
fn a_command_of_134_bytes_in_one_piece_has_no_announced_size() {
    let bytes = [handshake(), command(134), command(60), command(134)].concat();
    let found = judged(&bytes);
    let first = &found[0];
    assert_eq!((first.code, first.certain, first.reaches_end), ("chunk-size-not-announced", true, true), "{found:#?}");
    assert_eq!(first.dialect.chunk_size, ChunkSize::Own(0xff_ffff));
    // 3073 bytes of handshake, 12 of header, 128 of payload.
    assert_eq!((first.first_at, first.dialect.from), (3073 + 12 + 128, 3073));
    assert_eq!((first.messages, first.clean_bytes), (3, bytes.len() as u64));
    // The next header, and the one after it.
    assert_eq!(first.evidence[0].offset, 3073 + 12 + 134);
    assert_eq!(first.evidence[0].bytes, command(60)[..12]);
    assert_eq!(first.evidence[1].offset, 3073 + 12 + 134 + 12 + 60);
}

/// The last message is all there is after the mistake, and could as well be one of another size of chunk.
#[test]
fn without_a_header_behind_it_it_is_not_certain() {
    let found = judged(&[handshake(), command(134)].concat());
    assert!(found.iter().all(|one| !one.certain), "{found:#?}");
}

/// Whoever cut one command and not the next may have changed the size in between, or forgotten the headers.
#[test]
fn what_cannot_be_told_apart_is_not_certain() {
    let mut cut = command(134);
    cut.insert(12 + 128, 0xc3);
    let found = judged(&[handshake(), cut, command(134), command(60), command(134)].concat());
    let codes: Vec<_> = found.iter().map(|one| (one.code, one.certain, one.bits)).collect();
    let bits = found[0].bits;
    assert_eq!(codes, [("chunk-size-not-announced", false, bits), ("type3-missing", false, bits)]);
    assert_eq!(found[1].dialect.continuation, Continuation::LeftOut(Messages::All));
}

#[test]
fn a_sound_stretch_has_no_trouble() {
    let mut cut = command(134);
    cut.insert(12 + 128, 0xc3);
    let bytes = [handshake(), cut, command(60)].concat();
    assert_eq!(judged(&bytes), []);
    assert_eq!(judged(&bytes[..bytes.len() - 5]), []);
}

/// However often a stretch is decoded to find the mistake, twice the bytes take twice the work; and no stretch takes more
/// than the bound.
#[test]
fn the_work_grows_as_the_stretch_does() {
    let work = |tail: &[u8], len: usize| {
        let mut bytes = [handshake(), command(134), command(134)].concat();
        bytes.extend(tail.iter().cycle().take(len));
        let before = Decoder::client(Options::default());
        let (peer_sizes, earlier_sizes) = (Vec::new(), Vec::new());
        let case = Case { before: &before, offset: 0, bytes: &bytes, ends: true, peer_sizes, earlier_sizes };
        let plain = replay::run(&case, Dialect::default());
        let at = plain.trouble.or(plain.unfinished).expect("something is wrong");
        candidates::try_all(&case, &plain, at, |_, _, _| false)
    };
    let header = [4, 0, 0, 0, 0xff, 0xff, 0xf0, 9, 1, 0, 0, 0, 0x27, 1, 0, 0, 0];
    for tail in [&[0][..], &[0xc3], &[0xc3, 0x03], &header, &[0x44, 0, 0, 1, 0, 4, 0, 8, 0xaf, 1]] {
        let all = [8 << 10, 16 << 10, 32 << 10].map(|len| work(tail, len));
        // A replay is over at the first thing that is wrong, so much of the work does not grow at all.
        assert!(all[2] <= 2 * all[1] + (1 << 20) && all[1] <= 2 * all[0] + (1 << 20), "{tail:02x?}: {all:?}");
        assert!(all[2] <= 400 * (32 << 10), "{tail:02x?}: {all:?}");
    }
}
