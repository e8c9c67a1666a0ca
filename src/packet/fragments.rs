//! IP fragments.
//!
//! Takes fragments in any order, gives the whole packet with the frame and file offset of each of its
//! bytes. The first copy of a byte wins. What waits is bounded in packets and bytes, and by the time of the
//! capture. Of a packet that cannot carry TCP it keeps no bytes: only which fragments belong to it.

use std::collections::VecDeque;
use std::net::IpAddr;

use etherparse::IpNumber;

use super::extensions::may_lead_to_tcp;
use super::link::PacketType;
use crate::origin::{FrameNo, Time};

/// What the fragments of one packet have in common (RFC 791 3.2, RFC 8200 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: u32,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// IPv4 alone: in IPv6 only the first fragment says what the packet carries.
    pub(super) protocol: Option<IpNumber>,
    /// A packet that was captured twice is joined twice.
    pub(super) way: Option<PacketType>,
}

/// A fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) key: Key,
    /// What it names as carried. Fragments of one IPv6 packet may differ in that; the first one's counts (RFC 8200 4.5).
    pub(super) protocol: IpNumber,
    /// Offset of `bytes` in the packet's payload.
    pub(super) offset: u32,
    /// Whether it is the last one.
    pub(super) last: bool,
    pub(super) bytes: &'a [u8],
    pub(super) frame: FrameNo,
    pub(super) file_offset: u64,
    pub(super) time: Time,
}

/// The bytes of a packet's payload, and where they came from.
#[derive(Debug)]
pub(super) struct Packet {
    key: Key,
    /// What it carries, once the first fragment is there.
    pub(super) protocol: Option<IpNumber>,
    started: Time,
    /// Its length, once the last fragment is there.
    len: Option<u32>,
    pub(super) bytes: Vec<u8>,
    /// Ascending, without overlap.
    pub(super) parts: Vec<Part>,
}

/// A run of a packet's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) frame: FrameNo,
    pub(super) file_offset: u64,
}

/// The packets that wait for fragments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pool {
    waiting: VecDeque<Packet>,
    bytes: usize,
    /// Packets that may have carried TCP and were given up.
    pub(super) given_up: u64,
}

impl Pool {
    /// Takes a fragment in. Gives the packet that it completes.
    pub(super) fn insert(&mut self, fragment: Fragment<'_>, limits: &super::Limits) -> Option<Packet> {
        self.expire(fragment.time, limits.fragment_wait);
        let index = match self.waiting.iter().position(|packet| packet.key == fragment.key) {
            Some(index) => index,
            None => {
                self.waiting.push_back(Packet::new(&fragment));
                self.waiting.len() - 1
            }
        };
        let packet = &mut self.waiting[index];
        let before = packet.cost();
        packet.insert(&fragment);
        let whole = packet.is_whole();
        self.bytes = self.bytes - before + packet.cost();
        if whole {
            let packet = self.waiting.remove(index)?;
            self.bytes -= packet.cost();
            return Some(packet);
        }
        while self.bytes > limits.fragment_bytes || self.waiting.len() > limits.fragmented_packets {
            self.give_up_oldest();
        }
        None
    }

    /// How many packets wait that may carry TCP.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.iter().filter(|packet| packet.may_carry_tcp()).count() as u64
    }

    /// Gives up what waited too long, as the receiver would have.
    fn expire(&mut self, now: Time, wait: i64) {
        while self.waiting.front().is_some_and(|packet| now.since(packet.started) > wait) {
            self.give_up_oldest();
        }
    }

    fn give_up_oldest(&mut self) {
        if let Some(packet) = self.waiting.pop_front() {
            self.bytes -= packet.cost();
            self.given_up += u64::from(packet.may_carry_tcp());
        }
    }
}

impl Packet {
    fn new(fragment: &Fragment<'_>) -> Packet {
        Packet {
            key: fragment.key,
            protocol: None,
            started: fragment.time,
            len: None,
            bytes: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// What it counts for in [`Pool::bytes`].
    fn cost(&self) -> usize {
        self.bytes.len() + self.parts.len() * size_of::<Part>()
    }

    fn insert(&mut self, fragment: &Fragment<'_>) {
        // An offset has 13 bits, in units of 8 bytes; a packet ends before 65536.
        let end = fragment.offset + (fragment.bytes.len() as u32).min(MAX_PACKET.saturating_sub(fragment.offset));
        let end = self.len.map_or(end, |len| end.min(len));
        if fragment.offset == 0 && self.protocol.is_none() {
            self.protocol = Some(fragment.protocol);
            if !self.may_carry_tcp() {
                self.bytes = Vec::new();
            }
        }
        if fragment.last && self.len.is_none() {
            self.len = Some(end);
        }
        // Copy into the holes between the parts that are there.
        let mut at = fragment.offset;
        let mut next = self.parts.partition_point(|part| part.end <= at);
        while at < end {
            let hole_end = self.parts.get(next).map_or(end, |part| part.start.min(end));
            if at < hole_end {
                self.copy(fragment, at, hole_end);
                let file_offset = fragment.file_offset + u64::from(at - fragment.offset);
                self.parts.insert(next, Part { start: at, end: hole_end, frame: fragment.frame, file_offset });
                next += 1;
            }
            at = self.parts.get(next).map_or(end, |part| part.end);
            next += 1;
        }
    }

    /// Whether it may carry TCP, as far as is known.
    fn may_carry_tcp(&self) -> bool {
        self.protocol.is_none_or(may_lead_to_tcp)
    }

    fn copy(&mut self, fragment: &Fragment<'_>, start: u32, end: u32) {
        if !self.may_carry_tcp() {
            return;
        }
        let from = (start - fragment.offset) as usize..(end - fragment.offset) as usize;
        if self.bytes.len() < end as usize {
            self.bytes.resize(end as usize, 0);
        }
        self.bytes[start as usize..end as usize].copy_from_slice(&fragment.bytes[from]);
    }

    fn is_whole(&self) -> bool {
        let Some(len) = self.len else { return false };
        let mut at = 0;
        for part in &self.parts {
            if part.start > at {
                return false;
            }
            at = part.end;
        }
        at >= len
    }
}

const MAX_PACKET: u32 = 0xffff;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fragment(offset: u32, last: bool, bytes: &[u8], frame: u64) -> Fragment<'_> {
        let [src, dst] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        let key = Key { id: 7, src, dst, protocol: Some(IpNumber::TCP), way: None };
        Fragment {
            key,
            protocol: IpNumber::TCP,
            offset,
            last,
            bytes,
            frame: FrameNo(frame),
            file_offset: frame * 1000,
            time: Time(0),
        }
    }

    #[test]
    fn in_reverse_order_with_their_origins() {
        let (mut pool, limits) = (Pool::default(), super::super::Limits::default());
        assert!(pool.insert(fragment(16, true, b"ef", 1), &limits).is_none());
        assert!(pool.insert(fragment(8, false, b"cccccccc", 2), &limits).is_none());
        let packet = pool.insert(fragment(0, false, b"aaaaaaaa", 3), &limits).expect("whole");
        assert_eq!(packet.bytes, b"aaaaaaaaccccccccef");
        assert_eq!(packet.parts.iter().map(|p| (p.start, p.frame.0)).collect::<Vec<_>>(), [(0, 3), (8, 2), (16, 1)]);
        assert_eq!((pool.waiting(), pool.bytes), (0, 0));
    }

    #[test]
    fn the_first_copy_wins() {
        let (mut pool, limits) = (Pool::default(), super::super::Limits::default());
        pool.insert(fragment(8, false, b"11111111", 1), &limits);
        pool.insert(fragment(8, false, b"22222222", 2), &limits);
        pool.insert(fragment(16, true, b"33", 3), &limits);
        let packet = pool.insert(fragment(0, false, b"444444444444", 4), &limits).expect("whole");
        assert_eq!(packet.bytes, b"444444441111111133");
        assert_eq!(packet.parts.len(), 3);
    }

    #[test]
    fn what_waits_too_long_or_is_too_much_is_given_up() {
        let (mut pool, mut limits) = (Pool::default(), super::super::Limits::default());
        pool.insert(fragment(8, false, b"x", 1), &limits);
        let late = Fragment { time: Time(limits.fragment_wait + 1), ..fragment(0, false, b"aaaaaaaa", 2) };
        pool.insert(late, &limits);
        assert_eq!((pool.given_up, pool.waiting()), (1, 1));
        limits.fragment_bytes = 100;
        pool.insert(Fragment { time: late.time, ..fragment(80, false, &[0; 80], 3) }, &limits);
        assert_eq!((pool.given_up, pool.waiting(), pool.bytes), (2, 0, 0));
    }

    proptest! {
        #[test]
        fn any_order_and_overlap_gives_the_packet(
            data in proptest::collection::vec(any::<u8>(), 1..300),
            cuts in proptest::collection::vec((0u32..300, 0u32..300), 0..20),
        ) {
            let (mut pool, limits) = (Pool::default(), super::super::Limits::default());
            let len = data.len() as u32;
            let whole = [(0, len)];
            let mut done = None;
            for (n, (a, b)) in cuts.iter().copied().chain(whole).enumerate() {
                let (start, end) = (a.min(b).min(len - 1), a.max(b).min(len));
                if start < end && done.is_none() {
                    let bytes = &data[start as usize..end as usize];
                    done = pool.insert(fragment(start, end == len, bytes, n as u64), &limits);
                }
            }
            let packet = done.expect("the last fragment holds everything");
            prop_assert_eq!(&packet.bytes, &data);
            let mut at = 0;
            for part in &packet.parts {
                prop_assert_eq!(part.start, at);
                at = part.end;
            }
            prop_assert_eq!(at, len);
            prop_assert_eq!(pool.bytes, 0);
        }
    }
}
