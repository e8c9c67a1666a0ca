//! Link, IP and TCP headers: from a frame to a TCP segment. etherparse appears only here.
use std::net::SocketAddr;

use crate::origin::{FrameNo, Source, Time};

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The frame in which the segment is whole (the last fragment's, for IP fragments).
    pub frame: FrameNo,
    /// When that frame was captured.
    pub time: Time,
    /// The sender.
    pub src: SocketAddr,
    /// The receiver.
    pub dst: SocketAddr,
    /// Sequence number of the first payload byte (of the SYN itself on a SYN).
    pub seq: u32,
    /// Acknowledgement number, if the ACK flag is set.
    pub ack: Option<u32>,
    /// SYN flag.
    pub syn: bool,
    /// FIN flag.
    pub fin: bool,
    /// RST flag.
    pub rst: bool,
    /// Window field, unscaled.
    pub window: u16,
    /// The payload bytes that were captured.
    pub payload: &'a [u8],
    /// How many payload bytes the snap length cut off behind `payload`.
    pub missing: u32,
    /// Where `payload` stands in the capture: (offset in `payload`, source), ascending, first offset 0.
    /// One entry but for IP fragments; empty only if `payload` is.
    pub sources: &'a [(u32, Source)],
    /// Whether this is the second record of a packet that a capture on all interfaces holds twice.
    pub duplicate: bool,
}
