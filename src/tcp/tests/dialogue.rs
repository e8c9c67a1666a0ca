//! A tiny language for traces: `a(3).ack(7).data("x")` is A's byte 3, acknowledging B's bytes up to 7.

use std::net::SocketAddr;

use crate::origin::{Form, FrameNo, Source, Time};
use crate::packet::Segment;
use crate::tcp::{Conflict, Connection, Endpoint, Gap, Limits, Piece, Side, Sink, Tracker};

/// A packet of A, whose first payload byte is byte `at` of A's stream.
pub fn a(at: i64) -> Packet {
    Packet { is_a: true, seq: A_START.wrapping_add(at as u32), ..Packet::default() }
}

/// A packet of B.
pub fn b(at: i64) -> Packet {
    Packet { is_a: false, seq: B_START.wrapping_add(at as u32), ..Packet::default() }
}

/// That many bytes.
pub fn long(len: usize) -> String {
    "x".repeat(len)
}

#[derive(Clone, Debug, Default)]
pub struct Packet {
    is_a: bool,
    pub seq: u32,
    pub ack: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: Vec<u8>,
    pub missing: u32,
    duplicate: bool,
}

impl Packet {
    pub fn ack(mut self, at: i64) -> Packet {
        let start = if self.is_a { B_START } else { A_START };
        self.ack = Some(start.wrapping_add(at as u32));
        self
    }

    pub fn data(mut self, text: &str) -> Packet {
        self.payload = text.as_bytes().to_vec();
        self
    }

    pub fn cut(mut self, missing: u32) -> Packet {
        self.missing = missing;
        self
    }

    pub fn syn(mut self) -> Packet {
        self.syn = true;
        self
    }

    pub fn fin(mut self) -> Packet {
        self.fin = true;
        self
    }

    pub fn rst(mut self) -> Packet {
        self.rst = true;
        self
    }

    pub fn duplicate(mut self) -> Packet {
        self.duplicate = true;
        self
    }

    /// Another sequence number than the stream's.
    pub fn at(mut self, seq: u32) -> Packet {
        self.seq = seq;
        self
    }
}

/// A tracker, and what it said.
#[derive(Clone)]
pub struct Dialogue {
    // A tracker cannot be cloned, so a copy of a dialogue is told the same again.
    sent: Vec<(Packet, Time)>,
    limits: Limits,
    now: Time,
    is_finished: bool,
    log: Vec<String>,
    pieces: Vec<(char, Vec<u8>)>,
    last: Option<Connection>,
    memory: (usize, usize),
}

impl Dialogue {
    pub fn new() -> Dialogue {
        Dialogue::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Dialogue {
        let (sent, log, pieces) = Default::default();
        Dialogue { sent, limits, now: Time(0), is_finished: false, log, pieces, last: None, memory: (0, 0) }
    }

    /// With the handshake done.
    pub fn opened() -> Dialogue {
        Dialogue::new().handshake()
    }

    pub fn handshake(mut self) -> Dialogue {
        self.send(a(-1).syn()).send(b(-1).syn().ack(0)).send(a(0).ack(0));
        self
    }

    pub fn wait_ms(&mut self, ms: i64) -> &mut Dialogue {
        self.now.0 += ms * 1_000_000;
        self
    }

    pub fn send(&mut self, packet: Packet) -> &mut Dialogue {
        self.sent.push((packet, self.now));
        self
    }

    /// Ends the capture.
    pub fn finish(&mut self) -> &mut Dialogue {
        self.is_finished = true;
        self.replay(true);
        self
    }

    /// What was said since the handshake.
    pub fn log(&mut self) -> Vec<String> {
        self.settle();
        self.log.clone()
    }

    /// The record of the latest connection.
    pub fn connection(&mut self) -> &Connection {
        self.settle();
        self.last.as_ref().expect("a packet was sent")
    }

    /// What is known of A's or B's side.
    pub fn side(&mut self, name: char) -> &Side {
        let connection = self.connection();
        let [first, second] = &connection.sides;
        if letter(connection, Endpoint::First) == name { first } else { second }
    }

    /// What A or B was found to have sent.
    pub fn bytes(&mut self, name: char) -> Vec<u8> {
        self.settle();
        self.pieces.iter().filter(|piece| piece.0 == name).flat_map(|piece| piece.1.clone()).collect()
    }

    /// Bytes held and bytes of history.
    pub fn memory(&mut self) -> (usize, usize) {
        self.settle();
        self.memory
    }

    fn settle(&mut self) {
        if !self.is_finished {
            self.replay(false);
        }
    }

    fn replay(&mut self, finish: bool) {
        self.log.clear();
        self.pieces.clear();
        let mut tracker = Tracker::new(self.limits);
        for (index, (packet, time)) in self.sent.clone().into_iter().enumerate() {
            packet.push(&mut tracker, index as u64 + 1, time, self);
        }
        if finish {
            tracker.finish(self);
        }
        let open = tracker.connections.open_connections();
        self.last = open.last().map(|connection| (*connection).clone()).or(self.last.take());
        self.memory = (tracker.resources.held_bytes, tracker.resources.history_bytes);
    }
}

impl Packet {
    /// Gives the packet to a tracker. Its payload is in the capture at 1000 times its frame.
    pub fn push(&self, tracker: &mut Tracker, frame: u64, time: Time, sink: &mut impl Sink) {
        let frame_no = FrameNo(frame);
        let source =
            Source { frame: frame_no, packet: frame_no, time, file_offset: frame * 1_000_000, form: Form::Verbatim };
        let (src, dst) = if self.is_a { (A_PORT, B_PORT) } else { (B_PORT, A_PORT) };
        let segment = Segment {
            frame: frame_no,
            time,
            src: SocketAddr::from(([10, 0, 0, 1], src)),
            dst: SocketAddr::from(([10, 0, 0, 1], dst)),
            seq: self.seq,
            ack: self.ack,
            syn: self.syn,
            fin: self.fin,
            rst: self.rst,
            window: 65535,
            payload: &self.payload,
            missing: self.missing,
            sources: if self.payload.is_empty() { &[] } else { &[(0, source)] },
            duplicate: self.duplicate,
        };
        tracker.push(&segment, sink);
    }
}

impl Sink for Dialogue {
    fn opened(&mut self, connection: &Connection) {
        self.last = Some(connection.clone());
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        let text = String::from_utf8_lossy(piece.bytes);
        self.log.push(format!("{} {} {} {text}", connection.id.0, letter(connection, from), piece.offset));
        self.pieces.push((letter(connection, from), piece.bytes.to_vec()));
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        let Gap { offset, len, reason, .. } = gap;
        self.log.push(format!("gap {} {} {offset}+{len} {reason:?}", connection.id.0, letter(connection, from)));
    }

    fn conflict(&mut self, connection: &Connection, from: Endpoint, conflict: Conflict) {
        let Conflict { offset, len, kept, ignored, .. } = conflict;
        let (kept, ignored) = (String::from_utf8_lossy(&kept), String::from_utf8_lossy(&ignored));
        let (id, letter) = (connection.id.0, letter(connection, from));
        self.log.push(format!("conflict {id} {letter} {offset}+{len} {kept} {ignored}"));
    }

    fn closed(&mut self, connection: &Connection) {
        self.log.push(format!("closed {} {:?}", connection.id.0, connection.end.map(|end| end.how)));
        self.last = Some(connection.clone());
    }
}

fn letter(connection: &Connection, endpoint: Endpoint) -> char {
    if connection.endpoints[endpoint.index()].port() == A_PORT { 'A' } else { 'B' }
}

const A_PORT: u16 = 4000;
const B_PORT: u16 = 1935;

/// A's first byte is just before the wrap, so that every longer trace passes it.
pub const A_START: u32 = 0xffff_fffc;
pub const B_START: u32 = 5000;
