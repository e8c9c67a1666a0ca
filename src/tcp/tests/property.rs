//! Any order, split, overlap and repetition of a stream's segments gives the stream, each byte once.

use proptest::collection::vec;
use proptest::prelude::*;

use super::dialogue::{A_START, Packet, a, b};
use crate::origin::Time;
use crate::tcp::{Connection, Endpoint, Gap, Limits, Piece, Sink, Tracker};

/// Checks what can be checked of every call, and keeps A's stream.
#[derive(Default)]
struct Checker {
    /// (byte, place in the capture); `None` in gaps.
    stream: Vec<Option<(u8, u64)>>,
    next: [u64; 2],
    opened: u32,
    closed: u32,
}

impl Checker {
    fn advance(&mut self, connection: &Connection, from: Endpoint, offset: u64, len: u64) {
        assert!(len > 0, "nothing is reported with no bytes");
        if connection.id.0 + 1 == self.opened {
            assert_eq!(offset, self.next[from.index()], "pieces and gaps tile the stream");
            self.next[from.index()] = offset + len;
        }
    }
}

impl Sink for Checker {
    fn opened(&mut self, connection: &Connection) {
        assert_eq!(connection.id.0, self.opened);
        self.opened += 1;
        self.next = [0; 2];
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        self.advance(connection, from, piece.offset, piece.bytes.len() as u64);
        assert_eq!(piece.sources.first().map(|source| source.0), Some(0), "the first byte has a source");
        if from == Endpoint::First {
            for (index, byte) in piece.bytes.iter().enumerate() {
                let last = piece.sources.iter().rfind(|source| source.0 as usize <= index).expect("as above");
                self.stream.push(Some((*byte, last.1.file_offset + (index as u64 - u64::from(last.0)))));
            }
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        self.advance(connection, from, gap.offset, gap.len);
        if from == Endpoint::First && gap.len < 10_000 {
            self.stream.extend((0..gap.len).map(|_| None));
        }
    }

    fn closed(&mut self, _connection: &Connection) {
        self.closed += 1;
    }
}

/// The stream that all tests cut into segments.
fn byte_at(offset: usize) -> u8 {
    (offset * 7 + offset / 251) as u8
}

fn segment(offset: usize, len: usize) -> Packet {
    let mut packet = a(offset as i64);
    packet.payload = (offset..offset + len).map(byte_at).collect();
    packet
}

/// Runs the packets after a handshake, or without.
fn run(with_syn: bool, packets: &[Packet]) -> Checker {
    let mut checker = Checker::default();
    let mut tracker = Tracker::new(Limits::default());
    let handshake = if with_syn { vec![a(-1).syn(), b(-1).syn().ack(0)] } else { vec![] };
    for (index, packet) in handshake.iter().chain(packets).enumerate() {
        packet.push(&mut tracker, index as u64 + 1, Time(0), &mut checker);
    }
    tracker.finish(&mut checker);
    assert_eq!(checker.opened, checker.closed);
    assert_eq!((tracker.resources.held_bytes, tracker.resources.history_bytes), (0, 0));
    checker
}

/// What has to come out: of each byte, the first copy.
fn expected(first_frame: u64, packets: &[Packet], len: usize) -> Vec<Option<(u8, u64)>> {
    let mut stream = vec![None; len];
    for (index, packet) in packets.iter().enumerate() {
        let offset = packet.seq.wrapping_sub(A_START) as usize;
        let place = (first_frame + index as u64) * 1_000_000;
        for (i, byte) in packet.payload.iter().enumerate() {
            stream[offset + i].get_or_insert((*byte, place + i as u64));
        }
    }
    stream
}

proptest! {
    #[test]
    fn any_order_and_overlap_gives_the_stream(cuts in vec((0usize..600, 1usize..90), 1..60), with_syn: bool) {
        let mut packets: Vec<_> = cuts.iter().map(|(at, len)| segment(*at, *len)).collect();
        // All of it once more, so that nothing is missing whatever was drawn; first when there is no
        // SYN, so that the start is not in doubt.
        packets.insert(if with_syn { packets.len() } else { 0 }, segment(0, 700));
        let checker = run(with_syn, &packets);
        prop_assert_eq!(checker.stream, expected(if with_syn { 3 } else { 1 }, &packets, 700));
    }

    #[test]
    fn what_is_dropped_becomes_gaps_that_tile_the_rest(cuts in vec((0usize..600, 1usize..30), 1..30)) {
        let mut packets: Vec<_> = cuts.iter().map(|(at, len)| segment(*at, *len)).collect();
        let mut fin = a(640).fin();
        fin.ack = None;
        packets.push(fin);
        let checker = run(true, &packets);
        prop_assert_eq!(checker.stream, expected(3, &packets, 640));
    }

    #[test]
    fn the_start_is_found_among_reordered_segments(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
        let packets: Vec<_> = order.iter().map(|index| segment(index * 10, 10)).collect();
        let checker = run(false, &packets);
        prop_assert_eq!(checker.stream, expected(1, &packets, 120));
    }

    #[test]
    fn nothing_that_arrives_can_panic(packets in vec(anything(), 1..200), small: bool) {
        let limits = Limits {
            out_of_order_bytes: 600,
            total_out_of_order_bytes: 900,
            total_history_bytes: 70_000,
            ..Limits::default()
        };
        let mut checker = Checker::default();
        let mut tracker = Tracker::new(if small { limits } else { Limits::default() });
        for (index, packet) in packets.iter().enumerate() {
            packet.push(&mut tracker, index as u64 + 1, Time(index as i64 * 100_000_000), &mut checker);
            prop_assert!(!small || tracker.resources.held_bytes <= 900 + 2 * 400);
        }
        tracker.finish(&mut checker);
        prop_assert_eq!(checker.opened, checker.closed);
        prop_assert_eq!((tracker.resources.held_bytes, tracker.resources.history_bytes), (0, 0));
    }
}

/// Packets of both sides with numbers that are near, far, or nonsense, and any flags.
fn anything() -> impl Strategy<Value = Packet> {
    let near = prop_oneof![8 => -2i64..60, 1 => 0i64..2_000_000, 1 => any::<u32>().prop_map(i64::from)];
    let ack = prop_oneof![3 => Just(None), 6 => (-1i64..60).prop_map(Some), 1 => any::<i64>().prop_map(Some)];
    let flags = prop_oneof![6 => Just(0u8), 1 => Just(1), 1 => Just(2), 1 => Just(4), 1 => 0u8..8];
    let data = (0usize..40, prop_oneof![9 => Just(0u32), 1 => 0u32..90]);
    (any::<bool>(), near, ack, flags, data).prop_map(|(is_a, at, ack, flags, (len, missing))| {
        let mut packet = if is_a { a(at) } else { b(at) };
        if let Some(ack) = ack {
            packet = packet.ack(ack);
        }
        (packet.syn, packet.fin, packet.rst) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        packet.payload = vec![len as u8; len];
        packet.missing = missing;
        packet
    })
}
