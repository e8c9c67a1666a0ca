//! Many connections: what is kept of them does not grow with their number.

use std::net::SocketAddr;

use crate::origin::{Form, FrameNo, Source, Time};
use crate::packet::Segment;
use crate::tcp::{Connection, Counts, Endpoint, Gap, Limits, Piece, Sink, Tracker};

/// Counts the calls, and notes the bytes of each connection.
#[derive(Default)]
struct Seen {
    opened: Vec<u32>,
    closed: Vec<u32>,
    bytes: Vec<(u32, Vec<u8>)>,
}

impl Sink for Seen {
    fn opened(&mut self, connection: &Connection) {
        self.opened.push(connection.id.0);
    }

    fn piece(&mut self, connection: &Connection, _: Endpoint, piece: Piece<'_>) {
        self.bytes.push((connection.id.0, piece.bytes.to_vec()));
    }

    fn gap(&mut self, _: &Connection, _: Endpoint, _: Gap) {}

    fn closed(&mut self, connection: &Connection) {
        self.closed.push(connection.id.0);
    }
}

struct Flood {
    tracker: Tracker,
    seen: Seen,
    frame: u64,
}

impl Flood {
    fn new(open: usize, known: usize) -> Flood {
        let limits = Limits { open_connections: open, known_connections: known, ..Limits::default() };
        Flood { tracker: Tracker::new(limits), seen: Seen::default(), frame: 0 }
    }

    fn push(&mut self, client: u32, seq: u32, syn: bool, fin: bool, payload: &[u8]) {
        self.frame += 1;
        let frame = FrameNo(self.frame);
        let source = Source { frame, packet: frame, time: Time(0), file_offset: 0, form: Form::Verbatim };
        let segment = Segment {
            frame,
            time: Time(0),
            src: SocketAddr::from(((0x0a00_0000 + client / 60_000).to_be_bytes(), 1024 + (client % 60_000) as u16)),
            dst: SocketAddr::from(([192, 0, 2, 1], 1935)),
            seq,
            ack: None,
            syn,
            fin,
            rst: false,
            window: 1000,
            payload,
            missing: 0,
            sources: if payload.is_empty() { &[] } else { &[(0, source)] },
            duplicate: false,
        };
        self.tracker.push(&segment, &mut self.seen);
    }

    fn syn(&mut self, client: u32) {
        self.push(client, 100, true, false, b"");
    }

    /// Open, known, and queued connections.
    fn kept(&self) -> [usize; 3] {
        let connections = &self.tracker.connections;
        [connections.open_connections().len(), connections.known(), connections.queued()]
    }
}

#[test]
fn a_flood_of_syns_costs_the_same_whatever_its_length() {
    let kept = [1, 2, 4].map(|times| {
        let mut flood = Flood::new(50, 200);
        let count = 1000 * times;
        (0..count).for_each(|client| flood.syn(client));
        let closed_early = u64::from(count) - 50;
        let expected = Counts { closed_early, late_segments: 0, forgotten: closed_early - 200 };
        assert_eq!(flood.tracker.counts(), expected);
        let kept = flood.kept();
        flood.tracker.finish(&mut flood.seen);
        assert_eq!((flood.seen.opened.len(), flood.seen.closed.len()), (count as usize, count as usize));
        assert!(flood.seen.opened.iter().copied().eq(0..count), "the numbers are Wireshark's");
        kept
    });
    assert_eq!(kept[0][..2], [50, 250]);
    assert_eq!(kept[0], kept[1]);
    assert_eq!(kept[1], kept[2]);
}

#[test]
fn connections_that_end_leave_no_more_behind() {
    let kept = [1, 2, 4].map(|times| {
        let mut flood = Flood::new(50, 200);
        for client in 0..1000 * times {
            flood.syn(client);
            flood.push(client, 101, false, false, b"data");
            // A new SYN on the same ports ends the old connection and is numbered on.
            flood.push(client, 999, true, false, b"");
        }
        flood.kept()
    });
    assert_eq!(kept[0][..2], [50, 250]);
    assert!(kept[0][2] <= kept[2][2] && kept[2][2] <= 500, "{kept:?}");
    assert_eq!(kept[1][..2], kept[2][..2]);
}

#[test]
fn a_connection_with_data_outlives_the_flood() {
    let mut flood = Flood::new(10, 1000);
    flood.syn(0);
    flood.push(0, 101, false, false, b"one ");
    for client in 1..100 {
        flood.syn(client);
        if client % 5 == 0 {
            flood.push(0, 105 + 4 * (client / 5 - 1), false, false, b"more");
        }
    }
    let of_first = flood.seen.bytes.iter().filter(|(id, _)| *id == 0).map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert_eq!(of_first, 4 + 19 * 4);
    assert!(!flood.seen.closed.contains(&0));
}

#[test]
fn data_on_a_connection_that_was_closed_early_is_counted() {
    let mut flood = Flood::new(2, 1000);
    (0..5).for_each(|client| flood.syn(client));
    flood.push(0, 101, false, false, b"late");
    assert_eq!(flood.tracker.counts(), Counts { closed_early: 3, late_segments: 1, forgotten: 0 });
    assert_eq!(flood.seen.bytes, []);
    // The ports are remembered, so it is no new connection.
    assert_eq!(flood.seen.opened, [0, 1, 2, 3, 4]);
}

#[test]
fn no_room_at_all_is_no_panic() {
    let mut flood = Flood::new(0, 0);
    for client in 0..3 {
        flood.syn(client);
        flood.push(client, 101, false, true, b"x");
    }
    flood.tracker.finish(&mut flood.seen);
    assert_eq!(flood.seen.opened.len(), flood.seen.closed.len());
    assert_eq!(flood.kept(), [0, 0, 0]);
}
