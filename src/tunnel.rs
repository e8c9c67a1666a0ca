//! Tunnels: what is around the bytes of a session, between TCP and RTMP.
//!
//! Takes what [`crate::tcp`] delivers, takes off what wraps it, and gives a [`Sink`] the same calls with the bytes
//! inside. A byte that was inside keeps its [`Source`](crate::origin::Source): the frame and the place in the file that
//! hold it, and whether it was decrypted there. What is not wrapped passes as it is, at the cost of one look at its first
//! byte.
//!
//! | wrapper | taken off by |
//! |---|---|
//! | a load balancer's PROXY header, before either side's first byte | `proxy` |
//! | TLS, where a key log has the keys | `tls` |
//! | HTTP requests and responses of RTMPT | `rtmpt`, with `http` |
//! | the HTTP message whose body is FLV | `http_flv`, with `http` |
//!
//! They are layers in this order: each is a sink of TCP's calls, and calls the next one in the same way.
//! It does not decide what the bytes inside are: that is the session's.

mod held;
mod http;
mod http_flv;
mod proxy;
pub mod rtmpt;
pub mod tls;

use std::ops::Range;

use crate::origin::{Place, Source};
use crate::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece};

pub(crate) use held::{Arrival, Arrivals, Held};
pub use proxy::{Proxy, Version};
pub use rtmpt::Rtmpt;
pub use tls::Tls;

/// Receives what is inside.
pub trait Sink: tcp::Sink {
    /// Something was found out of what wraps the bytes that `from` sends. Called before the bytes it is about, and again
    /// when more is known.
    fn notice(&mut self, connection: &Connection, from: Endpoint, notice: Notice);
}

/// What was found around a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A PROXY header came before the first byte, and was taken off.
    Proxy(Proxy),
    /// The connection is TLS.
    Tls(Box<Tls>),
    /// The session is carried by RTMPT.
    Rtmpt(Box<Rtmpt>),
    /// The connection carries an RTMPT session that is shown under another number.
    Carries(ConnectionId),
    /// An HTTP message has FLV as its body: what its request asks for. `from` is who asks.
    HttpFlv(String),
}

/// What the layers need to know.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keys for TLS.
    pub tls: tls::Options,
}

/// Takes off what wraps the bytes of each connection.
#[derive(Debug)]
pub struct Tunnels<S> {
    layers: proxy::Layer<tls::Layer<rtmpt::Layer<http_flv::Layer<S>>>>,
}

impl<S: Sink> Tunnels<S> {
    /// Tunnels whose contents go to `sink`.
    pub fn new(options: Options, sink: S) -> Self {
        let inner = rtmpt::Layer::new(http_flv::Layer::new(sink));
        Tunnels { layers: proxy::Layer::new(tls::Layer::new(options.tls, inner)) }
    }

    /// Takes a TLS key log that is in the capture.
    pub fn secrets(&mut self, key_log: &[u8]) {
        self.layers.sink.add_keys(key_log);
    }

    /// Where the contents go.
    pub fn sink(&mut self) -> &mut S {
        self.layers.sink.sink.sink().sink()
    }

    /// Ends what is open when the capture ends, after [`tcp::Tracker::finish`].
    pub fn finish(&mut self) {
        self.layers.sink.sink.finish();
    }

    /// Where the contents went.
    pub fn into_sink(self) -> S {
        self.layers.sink.sink.into_sink().into_sink()
    }
}

impl<S: Sink> tcp::Sink for Tunnels<S> {
    fn opened(&mut self, connection: &Connection) {
        self.layers.opened(connection);
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        self.layers.piece(connection, from, piece);
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        self.layers.gap(connection, from, gap);
    }

    fn conflict(&mut self, connection: &Connection, from: Endpoint, conflict: tcp::Conflict) {
        self.layers.conflict(connection, from, conflict);
    }

    fn closed(&mut self, connection: &Connection) {
        self.layers.closed(connection);
    }
}

/// The sources of the bytes from the one at `skip` on, of which there are some.
fn sources_from(sources: &[(u32, Source)], skip: usize) -> Vec<(u32, Source)> {
    let first = sources.partition_point(|&(at, _)| at as usize <= skip).saturating_sub(1);
    let of = |&(at, source): &(u32, Source)| {
        let cut = skip.saturating_sub(at as usize) as u64;
        ((at as usize).saturating_sub(skip) as u32, source.advance(cut))
    };
    sources[first..].iter().map(of).collect()
}

/// The sources of a part of the bytes.
fn slice(sources: &[(u32, Source)], range: &Range<usize>) -> Vec<(u32, Source)> {
    let mut slice = sources_from(sources, range.start);
    slice.truncate(slice.partition_point(|&(at, _)| (at as usize) < range.len()));
    slice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Form, FrameNo, Time};

    fn source(file_offset: u64) -> Source {
        Source { frame: FrameNo(1), packet: FrameNo(1), time: Time(0), file_offset, form: Form::Verbatim }
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
        fn notice(&mut self, _: &Connection, _: Endpoint, notice: Notice) {
            if let Notice::Proxy(header) = notice {
                self.headers.push(header);
            }
        }
    }

    /// What comes of the bytes, given in pieces of `size`, each at 1000 times its number in the file.
    fn through(bytes: &[u8], size: usize) -> Seen {
        let connection = Connection::of_test();
        let mut tunnels =
            Tunnels::new(Options::default(), Seen { pieces: Vec::new(), headers: Vec::new(), gaps: Vec::new() });
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
        let mut tunnels =
            Tunnels::new(Options::default(), Seen { pieces: Vec::new(), headers: Vec::new(), gaps: Vec::new() });
        let header = b"PROXY UNKNOWN\r\n";
        let piece = |offset, bytes| Piece { offset, bytes, sources: &[] };
        tcp::Sink::opened(&mut tunnels, &connection);
        let sources = [(0, source(0))];
        let first = Piece { sources: &sources, ..piece(0, header) };
        tcp::Sink::piece(&mut tunnels, &connection, Endpoint::First, first);
        let gap =
            Gap { offset: 15, len: 5, exact: true, reason: tcp::GapReason::End, frame: FrameNo(2), time: Time(0) };
        tcp::Sink::gap(&mut tunnels, &connection, Endpoint::First, gap);
        tcp::Sink::piece(&mut tunnels, &connection, Endpoint::First, piece(20, b"xyz"));
        let seen = tunnels.into_sink();
        assert_eq!((seen.gaps, seen.pieces[0].0), (vec![0], 5));
    }
}
