//! TCP: connections, and each direction's bytes in order.
use std::net::SocketAddr;

use crate::origin::{FrameNo, Source, Time};

/// A connection's number, from 0 in order of first appearance: Wireshark's `tcp.stream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u32);

/// Which of a connection's two endpoints: `First` sent the first packet in the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// The sender of the connection's first captured packet.
    First,
    /// The other one.
    Second,
}

/// Bytes of one direction that continue the stream without a hole.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Offset of the first byte in this direction's stream; 0 is the first byte after the SYN, or the
    /// first byte captured when there was no SYN.
    pub offset: u64,
    /// The bytes, never empty.
    pub bytes: &'a [u8],
    /// (offset in `bytes`, where it stands in the capture), ascending, first offset 0.
    pub sources: &'a [(u32, Source)],
}

/// Bytes of one direction that were not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Offset of the first missing byte.
    pub offset: u64,
    /// How many are missing, in bytes.
    pub len: u64,
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
    /// More bytes wait behind the hole than may be buffered.
    BufferFull,
    /// The connection or the capture ended with the hole open.
    End,
}

/// What is known of a connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The endpoints, indexed as [`Endpoint`].
    pub endpoints: [SocketAddr; 2],
    /// The endpoint that opened the connection, when a SYN or SYN+ACK was captured.
    pub client: Option<Endpoint>,
}

/// Receives what reassembly finds, in capture order.
pub trait Sink {
    /// A connection appeared.
    fn opened(&mut self, connection: &Connection);
    /// Bytes in order.
    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>);
    /// Bytes that will not come.
    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap);
    /// No more will come of this connection.
    fn closed(&mut self, connection: &Connection);
}
