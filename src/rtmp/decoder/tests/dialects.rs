//! Senders that deviate from the specification.

use super::loss::session;
use super::*;
use crate::rtmp::dialect::{self, ChunkSize, Continuation, Extended, Length, Messages, Type3Extended};

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
