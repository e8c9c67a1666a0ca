//! Packets that a capture holds twice.
//!
//! `tcpdump -i any` sees a packet between two programs of one host when it is sent and when it is received,
//! and a forwarded one on its way in and out; the captures of two hosts that are read as one both hold it. Takes the
//! facts of a packet, tells whether it is the second copy. Retransmissions are none: they went the same way twice.

use std::net::SocketAddr;

use super::link::PacketType;
use crate::origin::Time;

/// What both copies have in common. Cheap comparisons first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Likeness {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) ip_id: u32,
    pub(super) payload_len: u32,
    pub(super) flags: u8,
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
}

/// Where a packet was seen: in which of several files, and which way it went. A copy was seen elsewhere.
pub(super) type Seen = (Option<u32>, Option<PacketType>);

/// The packets of which the other copy may follow.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ring: Vec<Option<(Likeness, Seen, Time)>>,
    next: usize,
}

impl Recent {
    /// Whether this packet is the second copy of a recent one.
    pub(super) fn is_copy(&mut self, likeness: Likeness, place: Seen, time: Time) -> bool {
        let other = |(seen, way, at): &(Likeness, Seen, Time)| {
            *seen == likeness && *way != place && time.since(*at).unsigned_abs() <= APART
        };
        // A copy is taken out: a third one would be a retransmission.
        if let Some(slot) = self.ring.iter_mut().find(|slot| slot.as_ref().is_some_and(other)) {
            *slot = None;
            return true;
        }
        if self.ring.is_empty() {
            self.ring.resize(RECENT, None);
        }
        self.ring[self.next] = Some((likeness, place, time));
        self.next = (self.next + 1) % RECENT;
        false
    }
}

/// Packets between the two copies; on a loopback interface it is a handful.
const RECENT: usize = 64;
/// Time between the two copies, in nanoseconds.
const APART: u64 = 1_000_000_000;
