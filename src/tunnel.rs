//! Tunnels: what is around the bytes of a session, between TCP and RTMP.
//!
//! Takes what [`crate::tcp`] delivers, takes off what wraps it, and gives a [`Sink`] the same calls with the bytes
//! inside. A byte that was inside keeps its [`Source`]: the frame and the place in the file that hold it. What is not
//! wrapped passes as it is, at the cost of one look at its first byte.
//!
//! | wrapper | taken off by |
//! |---|---|
//! | a load balancer's PROXY header, before either side's first byte | `proxy` |
//!
//! It does not decide what the bytes inside are: that is the session's.

mod proxy;

use rustc_hash::FxHashMap;

use crate::origin::Source;
use crate::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece};

pub use proxy::{Proxy, Version};

/// Receives what is inside.
pub trait Sink: tcp::Sink {
    /// A PROXY header came before `from`'s first byte, and was taken off. Called before the bytes after it.
    fn proxied(&mut self, connection: &Connection, from: Endpoint, header: Proxy);
}

/// Takes off what wraps the bytes of each connection.
#[derive(Debug)]
pub struct Tunnels<S> {
    /// The directions that are not plain from their first byte.
    directions: FxHashMap<(ConnectionId, Endpoint), Direction>,
    sink: S,
}

/// One direction of a connection.
#[derive(Debug)]
enum Direction {
    /// Nothing came yet.
    New,
    /// It may begin with a header: what came waits for the rest.
    Waiting(Held),
    /// A header of so many bytes was taken off.
    Shifted(u64),
}

/// The first bytes of a direction.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    sources: Vec<(u32, Source)>,
}

impl<S: Sink> Tunnels<S> {
    /// Tunnels whose contents go to `sink`.
    pub fn new(sink: S) -> Self {
        Tunnels { directions: FxHashMap::default(), sink }
    }

    /// Where the contents go.
    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Where the contents went.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Passes on what waited, as it is: it is no header.
    fn release(&mut self, connection: &Connection, from: Endpoint) {
        if let Some(Direction::Waiting(held)) = self.directions.remove(&(connection.id, from)) {
            held.pass(0, connection, from, &mut self.sink);
        }
    }
}

impl<S: Sink> tcp::Sink for Tunnels<S> {
    fn opened(&mut self, connection: &Connection) {
        for from in Endpoint::BOTH {
            self.directions.insert((connection.id, from), Direction::New);
        }
        self.sink.opened(connection);
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        let Some(direction) = self.directions.get_mut(&(connection.id, from)) else {
            return self.sink.piece(connection, from, piece);
        };
        let held = match direction {
            Direction::Shifted(by) => {
                let piece = Piece { offset: piece.offset - *by, ..piece };
                return self.sink.piece(connection, from, piece);
            }
            Direction::New if !proxy::may_begin(piece.bytes) => {
                self.directions.remove(&(connection.id, from));
                return self.sink.piece(connection, from, piece);
            }
            Direction::New => {
                *direction = Direction::Waiting(Held::default());
                let Direction::Waiting(held) = direction else { return };
                held
            }
            Direction::Waiting(held) => held,
        };
        held.push(piece);
        match proxy::read(&held.bytes) {
            proxy::Read::More => {}
            proxy::Read::Other => self.release(connection, from),
            proxy::Read::Header(header) => {
                let len = header.len;
                let held = std::mem::replace(direction, Direction::Shifted(len as u64));
                self.sink.proxied(connection, from, header);
                if let Direction::Waiting(held) = held {
                    held.pass(len, connection, from, &mut self.sink);
                }
            }
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        match self.directions.get(&(connection.id, from)) {
            Some(Direction::Shifted(by)) => {
                let gap = Gap { offset: gap.offset - by, ..gap };
                self.sink.gap(connection, from, gap);
            }
            _ => {
                self.release(connection, from);
                self.sink.gap(connection, from, gap);
            }
        }
    }

    fn conflict(&mut self, connection: &Connection, from: Endpoint, conflict: tcp::Conflict) {
        let by = match self.directions.get(&(connection.id, from)) {
            Some(Direction::Shifted(by)) => *by,
            _ => 0,
        };
        // Bytes of the header itself are nobody's further on.
        if let Some(offset) = conflict.offset.checked_sub(by) {
            self.sink.conflict(connection, from, tcp::Conflict { offset, ..conflict });
        }
    }

    fn closed(&mut self, connection: &Connection) {
        for from in Endpoint::BOTH {
            self.release(connection, from);
        }
        self.sink.closed(connection);
    }
}

impl Held {
    fn push(&mut self, piece: Piece<'_>) {
        let start = self.bytes.len() as u32;
        self.sources.extend(piece.sources.iter().map(|&(at, source)| (start + at, source)));
        self.bytes.extend_from_slice(piece.bytes);
    }

    /// Passes on what is there from the byte at `from` on, as the start of the direction.
    fn pass(self, skip: usize, connection: &Connection, from: Endpoint, sink: &mut impl Sink) {
        if skip >= self.bytes.len() {
            return;
        }
        let first = self.sources.partition_point(|&(at, _)| at as usize <= skip) - 1;
        let sources: Vec<_> = self.sources[first..]
            .iter()
            .map(|&(at, source)| {
                let cut = skip.saturating_sub(at as usize) as u64;
                let source = Source { file_offset: source.file_offset + cut, ..source };
                ((at as usize).saturating_sub(skip) as u32, source)
            })
            .collect();
        sink.piece(connection, from, Piece { offset: 0, bytes: &self.bytes[skip..], sources: &sources });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{FrameNo, Time};

    fn source(file_offset: u64) -> Source {
        Source { frame: FrameNo(1), packet: FrameNo(1), time: Time(0), file_offset }
    }

    /// Offset, bytes, and where they are in the file.
    type SeenPiece = (u64, Vec<u8>, Vec<(u32, u64)>);

    struct Seen {
        pieces: Vec<SeenPiece>,
        headers: Vec<Proxy>,
        gaps: Vec<u64>,
    }

    impl tcp::Sink for Seen {
        fn opened(&mut self, _: &Connection) {}
        fn piece(&mut self, _: &Connection, _: Endpoint, piece: Piece<'_>) {
            let sources = piece.sources.iter().map(|(at, source)| (*at, source.file_offset)).collect();
            self.pieces.push((piece.offset, piece.bytes.to_vec(), sources));
        }
        fn gap(&mut self, _: &Connection, _: Endpoint, gap: Gap) {
            self.gaps.push(gap.offset);
        }
        fn closed(&mut self, _: &Connection) {}
    }

    impl Sink for Seen {
        fn proxied(&mut self, _: &Connection, _: Endpoint, header: Proxy) {
            self.headers.push(header);
        }
    }

    /// What comes of the bytes, given in pieces of `size`, each at 1000 times its number in the file.
    fn through(bytes: &[u8], size: usize) -> Seen {
        let connection = Connection::of_test();
        let mut tunnels = Tunnels::new(Seen { pieces: Vec::new(), headers: Vec::new(), gaps: Vec::new() });
        tcp::Sink::opened(&mut tunnels, &connection);
        for (number, part) in bytes.chunks(size).enumerate() {
            let sources = [(0, source(1000 * number as u64))];
            let piece = Piece { offset: (number * size) as u64, bytes: part, sources: &sources };
            tcp::Sink::piece(&mut tunnels, &connection, Endpoint::First, piece);
        }
        tcp::Sink::closed(&mut tunnels, &connection);
        tunnels.into_sink()
    }

    fn inside(seen: &Seen) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (offset, piece, _) in &seen.pieces {
            assert_eq!(*offset, bytes.len() as u64, "pieces follow each other");
            bytes.extend_from_slice(piece);
        }
        bytes
    }

    #[test]
    fn a_header_is_taken_off_however_it_was_cut() {
        let bytes = b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 1935\r\n\x03abcdef";
        for size in 1..=bytes.len() {
            let seen = through(bytes, size);
            assert_eq!(inside(&seen), b"\x03abcdef", "in pieces of {size}");
            assert_eq!(seen.headers.len(), 1);
            // Each byte inside is where it was in the file.
            for (offset, piece, sources) in &seen.pieces {
                for (at, _) in piece.iter().enumerate() {
                    let run = sources.iter().rev().find(|(start, _)| *start as usize <= at).expect("a source");
                    let found = run.1 + (at as u64 - u64::from(run.0));
                    let whole = 45 + *offset as usize + at;
                    assert_eq!(found, (1000 * (whole / size) + whole % size) as u64, "in pieces of {size}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_header_passes_as_it_is() {
        let others: [&[u8]; 6] =
            [b"\x03abc", b"PROX", b"POST / HTTP/1.1\r\n", b"PROXY what\r\nis this", b"\r\n\r\n\0\r\nQUIS\n", b""];
        for bytes in others {
            for size in 1..=bytes.len().max(1) {
                let seen = through(bytes, size);
                assert_eq!(inside(&seen), bytes, "{bytes:x?} in pieces of {size}");
                assert!(seen.headers.is_empty());
            }
        }
    }

    #[test]
    fn offsets_after_a_header_are_those_inside() {
        let connection = Connection::of_test();
        let mut tunnels = Tunnels::new(Seen { pieces: Vec::new(), headers: Vec::new(), gaps: Vec::new() });
        let header = b"PROXY UNKNOWN\r\n";
        let piece = |offset, bytes| Piece { offset, bytes, sources: &[] };
        tcp::Sink::opened(&mut tunnels, &connection);
        let sources = [(0, source(0))];
        let first = Piece { sources: &sources, ..piece(0, header) };
        tcp::Sink::piece(&mut tunnels, &connection, Endpoint::First, first);
        let gap = Gap { offset: 15, len: 5, reason: tcp::GapReason::End, frame: FrameNo(2), time: Time(0) };
        tcp::Sink::gap(&mut tunnels, &connection, Endpoint::First, gap);
        tcp::Sink::piece(&mut tunnels, &connection, Endpoint::First, piece(20, b"xyz"));
        let seen = tunnels.into_sink();
        assert_eq!((seen.gaps, seen.pieces[0].0), (vec![0], 5));
    }
}
