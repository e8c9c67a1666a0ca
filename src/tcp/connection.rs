//! What is known of a connection: plain data, for readers of the [`Sink`](super::Sink)'s calls.
//!
//! It is brought up to date before each call, so a call sees the state at that moment of the capture.

use std::net::SocketAddr;

use crate::origin::{FrameNo, Time};
use crate::packet::Segment;

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

impl Endpoint {
    /// Both, in order of their index.
    pub const BOTH: [Endpoint; 2] = [Endpoint::First, Endpoint::Second];

    /// Its place in the arrays of [`Connection`].
    pub fn index(self) -> usize {
        match self {
            Endpoint::First => 0,
            Endpoint::Second => 1,
        }
    }

    /// The one at the other end.
    pub fn peer(self) -> Endpoint {
        match self {
            Endpoint::First => Endpoint::Second,
            Endpoint::Second => Endpoint::First,
        }
    }
}

/// What is known of a connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The endpoints, indexed as [`Endpoint`].
    pub endpoints: [SocketAddr; 2],
    /// Whether its bytes were given in order, without packets: then it is taken to be RTMP.
    pub is_raw: bool,
    /// Whether it is shown for a session that requests on other connections carry: what these acknowledge are no bytes of
    /// it.
    pub is_tunnelled: bool,
    /// The endpoint that opened the connection, when a SYN or SYN+ACK was captured.
    pub client: Option<Endpoint>,
    /// The first packet.
    pub first: Moment,
    /// The last packet so far.
    pub last: Moment,
    /// What each endpoint sent, indexed as [`Endpoint`].
    pub sides: [Side; 2],
    /// How it ended. The first FIN or valid RST decides; [`Side::fin`] and [`Side::rst`] have the rest.
    pub end: Option<End>,
}

impl Connection {
    #[cfg(test)]
    pub(crate) fn of_test() -> Connection {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let now = Moment { frame: FrameNo(1), time: Time(0) };
        Connection {
            id: ConnectionId(0),
            endpoints: [address(4000), address(1935)],
            is_raw: false,
            is_tunnelled: false,
            client: Some(Endpoint::First),
            first: now,
            last: now,
            sides: Default::default(),
            end: None,
        }
    }

    pub(super) fn new(id: ConnectionId, segment: &Segment<'_>) -> Connection {
        let now = Moment::of(segment);
        Connection {
            id,
            endpoints: [segment.src, segment.dst],
            is_raw: false,
            is_tunnelled: false,
            client: None,
            first: now,
            last: now,
            sides: Default::default(),
            end: None,
        }
    }

    /// What `endpoint` sent.
    pub fn side(&self, endpoint: Endpoint) -> &Side {
        &self.sides[endpoint.index()]
    }
}

/// What one endpoint of a connection sent.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Whether offset 0 is known to be the stream's first byte: the SYN was captured, or the peer's
    /// handshake acknowledged it. Otherwise offset 0 is the first byte of the capture.
    pub started_at_syn: bool,
    /// Packets of any kind, but for [`Side::duplicate_frames`].
    pub packets: u64,
    /// Payload bytes captured, each counted once.
    pub payload_bytes: u64,
    /// Payload bytes captured again, or after they had been given up as a gap.
    pub retransmitted_bytes: u64,
    /// Packets that a capture on all interfaces recorded a second time. Nothing else counts them.
    pub duplicate_frames: u64,
    /// Packets that brought new bytes after later bytes had been captured.
    pub out_of_order: u64,
    /// Keep-alive packets with a byte that is no data.
    pub keep_alives: u64,
    /// Packets far outside the window, which no receiver takes: a stray RST, forged or foreign data.
    pub strays: u64,
    /// Bytes reported as gaps.
    pub gap_bytes: u64,
    /// Second copies that differ from the first.
    pub conflicts: u64,
    /// How many bytes of the stream the peer acknowledged, from offset 0. It is more than was
    /// captured when this direction, or its end, is not in the capture.
    pub acknowledged: Option<u64>,
    /// How many bytes of the stream have been delivered, from offset 0, gaps included.
    pub delivered: u64,
    /// The FIN.
    pub fin: Option<Moment>,
    /// The RST that a receiver would take.
    pub rst: Option<Moment>,
    /// Since when this endpoint takes no more bytes: its window is zero (RFC 9293, 3.8.6).
    pub window_closed: Option<Moment>,
    /// The longest time for which it took none and then continued.
    pub longest_closed: Option<Closed>,
}

/// A time for which an endpoint's window was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The first packet that said so.
    pub since: Moment,
    /// How long it lasted, in nanoseconds.
    pub lasted: i64,
}

impl Side {
    /// Adds the counts of another connection, for a session that several carried.
    pub(crate) fn add(&mut self, other: &Side) {
        self.packets += other.packets;
        self.payload_bytes += other.payload_bytes;
        self.retransmitted_bytes += other.retransmitted_bytes;
        self.duplicate_frames += other.duplicate_frames;
        self.out_of_order += other.out_of_order;
        self.keep_alives += other.keep_alives;
        self.strays += other.strays;
        self.gap_bytes += other.gap_bytes;
        self.conflicts += other.conflicts;
        let seen = other.payload_bytes + other.gap_bytes;
        let acknowledged = other.acknowledged.unwrap_or(seen);
        self.acknowledged = Some(self.acknowledged.unwrap_or(0) + acknowledged);
        self.delivered += other.delivered;
        self.fin = other.fin.or(self.fin);
        self.rst = other.rst.or(self.rst);
        self.window_closed = other.window_closed;
        let longest = [self.longest_closed, other.longest_closed].into_iter().flatten();
        self.longest_closed = longest.max_by_key(|closed| closed.lasted);
    }

    /// Takes notice of the window that a packet of this endpoint announces.
    pub(super) fn announces(&mut self, segment: &Segment<'_>) {
        // A RST has no window.
        if segment.rst || segment.ack.is_none() {
            return;
        }
        if segment.window == 0 {
            self.window_closed.get_or_insert(Moment::of(segment));
        } else if let Some(since) = self.window_closed.take() {
            let closed = Closed { since, lasted: segment.time.since(since.time) };
            if self.longest_closed.is_none_or(|longest| longest.lasted < closed.lasted) {
                self.longest_closed = Some(closed);
            }
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What ended it.
    pub how: How,
    /// Who ended it.
    pub by: Endpoint,
    /// The frame that did.
    pub frame: FrameNo,
    /// The time of `frame`.
    pub time: Time,
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// An orderly close.
    Fin,
    /// A reset.
    Rst,
    /// Another connection began between the same ports.
    Reused,
}

/// A frame and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The frame.
    pub frame: FrameNo,
    /// When it was captured.
    pub time: Time,
}

impl Moment {
    pub(super) fn of(segment: &Segment<'_>) -> Moment {
        Moment { frame: segment.frame, time: segment.time }
    }
}
