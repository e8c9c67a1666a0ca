//! Which packet belongs to which connection.
//!
//! Takes segments, gives each to the [`Flow`] of its connection, with Wireshark's numbering
//! (`tcp.stream`), as observed with tshark 4.0.17:
//!
//! - A new pair of endpoints gets the next number, whatever the packet is.
//! - Each direction has a base sequence number: that of its SYN or SYN+ACK; without, the number
//!   before that of its first packet, or before the first that the peer acknowledged, whichever
//!   is captured first.
//! - A SYN without ACK gets the next number if its direction has a base and it is another one. RST
//!   and FIN beside the SYN do not matter, nor whether the old connection had ended.
//! - A SYN+ACK with another base never gets a number; it replaces the base.
//! - Anything else belongs to the latest connection of its endpoints, even after FIN or RST, and even
//!   when its sequence numbers show that the ports were used again.
//!
//! What a closed connection leaves behind is its number and its bases.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::flow::Flow;
use super::{Connection, ConnectionId, End, Endpoint, How, Moment, Resources, Sink};
use crate::packet::Segment;

/// All connections of a capture.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// The latest connection of each pair of endpoints.
    latest: FxHashMap<Pair, Entry>,
    numbered: u32,
    /// Connections that were reset, oldest first; some may have closed since.
    reset: VecDeque<(Pair, ConnectionId)>,
}

impl Connections {
    pub fn push(&mut self, segment: &Segment<'_>, resources: &mut Resources, sink: &mut impl Sink) {
        let (pair, swapped) = Pair::of(segment);
        let entry = self.latest.entry(pair).or_insert_with(|| Entry::open(&mut self.numbered, segment, swapped, sink));
        let mut from = entry.sender(swapped);
        if entry.is_reused_by(segment, from) {
            if let Some(mut flow) = entry.flow.take() {
                let now = Moment::of(segment);
                let end = End { how: How::Reused, by: from, frame: now.frame, time: now.time };
                flow.connection.end.get_or_insert(end);
                flow.close(now, resources, sink);
            }
            *entry = Entry::open(&mut self.numbered, segment, swapped, sink);
            from = Endpoint::First;
        }
        entry.note_bases(segment, from);

        let Some(flow) = &mut entry.flow else { return };
        let was_reset = flow.is_reset();
        flow.push(segment, from, resources, sink);
        if flow.is_over() {
            flow.close(Moment::of(segment), resources, sink);
            entry.flow = None;
        } else if flow.is_reset() && !was_reset {
            self.reset.push_back((pair, entry.id));
            self.close_oldest_reset(resources, sink);
        }
    }

    pub fn finish(&mut self, resources: &mut Resources, sink: &mut impl Sink) {
        let mut open: Vec<_> = self.latest.values_mut().filter(|entry| entry.flow.is_some()).collect();
        open.sort_unstable_by_key(|entry| entry.id);
        for entry in open {
            if let Some(mut flow) = entry.flow.take() {
                flow.close(flow.connection.last, resources, sink);
            }
        }
        self.reset.clear();
    }

    /// The records of open connections, in order of their numbers.
    #[cfg(test)]
    pub fn open_connections(&self) -> Vec<&Connection> {
        let mut open: Vec<_> = self.latest.values().filter_map(|entry| entry.flow.as_ref()).collect();
        open.sort_unstable_by_key(|flow| flow.connection.id);
        open.into_iter().map(|flow| &flow.connection).collect()
    }

    /// A reset connection may yet go on, if the reset was forged. That is waited for, but a capture of
    /// millions of refused connections must not cost the memory of as many open ones.
    fn close_oldest_reset(&mut self, resources: &mut Resources, sink: &mut impl Sink) {
        if self.reset.len() <= RESETS_KEPT {
            return;
        }
        let Some((pair, id)) = self.reset.pop_front() else { return };
        let Some(entry) = self.latest.get_mut(&pair).filter(|entry| entry.id == id) else { return };
        if let Some(mut flow) = entry.flow.take_if(|flow| flow.is_reset()) {
            flow.close(flow.connection.last, resources, sink);
        }
    }
}

/// Two endpoints, the lower first, so that both directions have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    low: (std::net::IpAddr, u16),
    high: (std::net::IpAddr, u16),
}

impl Pair {
    /// The pair, and whether the segment's sender is the higher of the two.
    fn of(segment: &Segment<'_>) -> (Pair, bool) {
        let key = |address: SocketAddr| (address.ip(), address.port());
        let (src, dst) = (key(segment.src), key(segment.dst));
        if src <= dst { (Pair { low: src, high: dst }, false) } else { (Pair { low: dst, high: src }, true) }
    }
}

/// The latest connection of a pair. Without `flow` it is closed.
#[derive(Debug)]
struct Entry {
    id: ConnectionId,
    /// Whether [`Endpoint::First`] is the higher of the pair.
    first_is_high: bool,
    /// Wireshark's base sequence numbers, indexed as [`Endpoint`].
    bases: [Option<u32>; 2],
    flow: Option<Box<Flow>>,
}

impl Entry {
    fn open(numbered: &mut u32, segment: &Segment<'_>, swapped: bool, sink: &mut impl Sink) -> Entry {
        let id = ConnectionId(*numbered);
        *numbered += 1;
        let mut connection = Connection::new(id, segment);
        if segment.syn {
            let opener = if segment.ack.is_some() { Endpoint::Second } else { Endpoint::First };
            connection.client = Some(opener);
        }
        sink.opened(&connection);
        Entry { id, first_is_high: swapped, bases: [None; 2], flow: Some(Box::new(Flow::new(connection))) }
    }

    fn sender(&self, swapped: bool) -> Endpoint {
        if swapped == self.first_is_high { Endpoint::First } else { Endpoint::Second }
    }

    fn is_reused_by(&self, segment: &Segment<'_>, from: Endpoint) -> bool {
        let opens = segment.syn && segment.ack.is_none();
        opens && self.bases[from.index()].is_some_and(|base| base != segment.seq)
    }

    fn note_bases(&mut self, segment: &Segment<'_>, from: Endpoint) {
        let own = &mut self.bases[from.index()];
        if segment.syn {
            *own = Some(segment.seq);
        }
        own.get_or_insert(segment.seq.wrapping_sub(1));
        if let Some(ack) = segment.ack {
            self.bases[from.peer().index()].get_or_insert(ack.wrapping_sub(1));
        }
    }
}

/// How many reset connections are kept open.
const RESETS_KEPT: usize = 256;
