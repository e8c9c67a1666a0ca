//! TCP: connections, and each direction's bytes in order.
//!
//! Takes [`Segment`]s in capture order, gives a [`Sink`] the bytes of each direction in stream order,
//! each byte once, and says where bytes are missing. It streams: what it holds is what waits after a
//! hole, and a little history to compare retransmissions with; both are bounded by [`Limits`].
//!
//! | file | holds |
//! |---|---|
//! | `connection` | what is known of a connection: the public, plain data |
//! | `direct` | connections whose bytes were given in order, without packets |
//! | `connections` | which packet belongs to which connection: Wireshark's `tcp.stream` |
//! | `flow` | one connection's life: SYN, FIN, RST, and when it is over |
//! | `reassembly` | one direction: first copy wins; its start and end; holes and patience |
//! | `out_of_order`, `history`, `seq` | bytes after a hole, bytes delivered, sequence numbers |
//!
//! It does not check checksums (captures of offloaded traffic have none), it does not follow windows,
//! and it does not say which of two directions speaks first: the calls come in capture order.

mod connection;
mod connections;
mod direct;
mod flow;
mod history;
mod out_of_order;
mod reassembly;
mod seq;
#[cfg(test)]
mod tests;

pub use connection::{Connection, ConnectionId, End, Endpoint, How, Moment, Side};

use crate::capture::Bytes;
use crate::origin::{FrameNo, Source, Time};
use crate::packet::Segment;
use connections::Connections;
use direct::Direct;

/// Finds connections in segments and puts their bytes in order.
#[derive(Debug, Default)]
pub struct Tracker {
    connections: Connections,
    direct: Direct,
    resources: Resources,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(limits: Limits) -> Tracker {
        Tracker { resources: Resources { limits, ..Resources::default() }, ..Tracker::default() }
    }

    /// Takes the next segment of the capture and reports what it completes.
    pub fn push(&mut self, segment: &Segment<'_>, sink: &mut impl Sink) {
        self.connections.push(segment, &mut self.resources, sink);
    }

    /// Takes bytes of a direction that were given without packets, after those before them. A capture has either these
    /// or segments.
    pub fn push_direct(&mut self, given: &Bytes<'_>, sink: &mut impl Sink) {
        self.direct.push(given, sink);
    }

    /// What the limits on connections cost so far.
    pub fn counts(&self) -> Counts {
        self.connections.counts
    }

    /// How many connections there were so far.
    pub fn numbered(&self) -> u32 {
        self.connections.numbered() + self.direct.numbered()
    }

    /// Ends the capture: what waits is delivered, holes become gaps, and connections are closed in
    /// the order of their numbers. The numbers continue counting if there is a next segment.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.connections.finish(&mut self.resources, sink);
        self.direct.finish(sink);
    }
}

/// How much memory reassembly may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What may wait after holes in one direction, in bytes. What each piece costs is included.
    pub out_of_order_bytes: usize,
    /// What may wait after holes in all connections, in bytes.
    pub total_out_of_order_bytes: usize,
    /// What may be kept of delivered bytes, in all connections, to find retransmissions that differ
    /// from the first copy, in bytes. 0 turns that off, but for bytes that still wait.
    pub total_history_bytes: usize,
    /// How many connections may be open at once. Beyond, the one without data for longest is closed.
    pub open_connections: usize,
    /// Of how many closed connections the ports are remembered, to number later ones as Wireshark does.
    pub known_connections: usize,
}

/// What the limits on connections cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were closed because too many were open.
    pub closed_early: u64,
    /// Segments with data that came on them later, and were not looked at.
    pub late_segments: u64,
    /// Closed connections whose ports were forgotten.
    pub forgotten: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            out_of_order_bytes: 4 << 20,
            total_out_of_order_bytes: 32 << 20,
            total_history_bytes: 8 << 20,
            open_connections: 1 << 14,
            known_connections: 1 << 18,
        }
    }
}

/// Receives what reassembly finds, in capture order.
pub trait Sink {
    /// A connection appeared.
    fn opened(&mut self, connection: &Connection);
    /// Bytes in order.
    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>);
    /// Bytes that will not come.
    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap);
    /// A second copy of bytes differs from the first, which counts.
    fn conflict(&mut self, _connection: &Connection, _from: Endpoint, _conflict: Conflict) {}
    /// No more will come of this connection.
    fn closed(&mut self, connection: &Connection);
}

/// Bytes of one direction that continue the stream without a hole.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Offset of the first byte in this direction's stream; 0 is the first byte after the SYN, or the
    /// first byte captured when there was no SYN.
    pub offset: u64,
    /// The bytes, never empty.
    pub bytes: &'a [u8],
    /// (offset in `bytes`, where it is in the capture), ascending, first offset 0.
    pub sources: &'a [(u32, Source)],
}

/// Bytes of one direction that were not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Offset of the first missing byte.
    pub offset: u64,
    /// How many are missing, in bytes.
    pub len: u64,
    /// Whether that is known. Inside a tunnel it may be a guess.
    pub exact: bool,
    /// Why they are taken to be missing.
    pub reason: GapReason,
    /// The frame at which that was decided, and its time.
    pub frame: FrameNo,
    /// The time of `frame`.
    pub time: Time,
}

/// How a hole was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The snap length cut the frame.
    Snaplen,
    /// The peer acknowledged the bytes, yet they are not in the capture.
    Acknowledged,
    /// More bytes wait after the hole than may be buffered.
    BufferFull,
    /// The connection or the capture ended with the hole open.
    End,
    /// In TLS: records for which there are no keys, though there are for the other direction.
    TlsKeyMissing,
    /// In TLS: none of the direction's records could be opened with the keys.
    TlsKeyWrong,
    /// In TLS: a record that is damaged, as others could be opened with the same keys.
    TlsRecordBad,
    /// In TLS: after a hole of an unknown number of records, their numbers could not be found again.
    TlsRecordsUncounted,
}

impl GapReason {
    /// Whether the bytes are not in the capture; else they are, and a tunnel hides them.
    pub fn is_in_capture(self) -> bool {
        matches!(self, GapReason::Snaplen | GapReason::Acknowledged | GapReason::BufferFull | GapReason::End)
    }
}

/// A second copy of bytes that differs from the first.
///
/// The comparison reaches as far back as memory allows ([`Limits::total_history_bytes`]): an older
/// copy is counted as retransmitted, but not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Offset of the first byte that differs.
    pub offset: u64,
    /// From the first byte that differs to the last, in bytes.
    pub len: u64,
    /// The first copy's bytes from `offset`, at most 16. These count.
    pub kept: Vec<u8>,
    /// The second copy's bytes from `offset`, as many.
    pub ignored: Vec<u8>,
    /// The frame of the second copy.
    pub frame: FrameNo,
}

/// What all connections share: the limits, and what is taken of them.
#[derive(Debug, Default)]
struct Resources {
    limits: Limits,
    held_bytes: usize,
    history_bytes: usize,
    /// The sources of the piece being delivered, so that delivery does not allocate.
    sources: Vec<(u32, Source)>,
}
