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
//! What a closed connection leaves is its number and its bases. Both open and closed connections are bounded: a
//! capture may hold millions of SYNs.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::flow::Flow;
use super::{Connection, ConnectionId, Counts, End, Endpoint, How, Moment, Resources, Sink};
use crate::packet::Segment;

/// All connections of a capture.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// The latest connection of each pair of endpoints.
    latest: FxHashMap<Pair, Entry>,
    numbered: u32,
    /// Connections that were reset, oldest first; some may have closed since.
    reset: VecDeque<(Pair, ConnectionId)>,
    /// Connections that were opened, oldest first, or had data since they were last looked at; some may have closed.
    open: VecDeque<(Pair, ConnectionId)>,
    open_count: usize,
    /// Connections that are over, oldest first; some pairs may have a later one.
    closed: VecDeque<(Pair, ConnectionId)>,
    pub counts: Counts,
}

impl Connections {
    /// How many got a number.
    pub fn numbered(&self) -> u32 {
        self.numbered
    }

    pub fn push(&mut self, segment: &Segment<'_>, resources: &mut Resources, sink: &mut impl Sink) {
        let (pair, swapped) = Pair::of(segment);
        let numbered_before = self.numbered;
        let entry = self.latest.entry(pair).or_insert_with(|| Entry::open(&mut self.numbered, segment, swapped, sink));
        let mut from = entry.sender(swapped);
        if entry.is_reused_by(segment, from) {
            if let Some(mut flow) = entry.flow.take() {
                let now = Moment::of(segment);
                let end = End { how: How::Reused, by: from, frame: now.frame, time: now.time };
                flow.connection.end.get_or_insert(end);
                flow.close(now, resources, sink);
                self.open_count -= 1;
            }
            *entry = Entry::open(&mut self.numbered, segment, swapped, sink);
            from = Endpoint::First;
        }
        entry.note_bases(segment, from);
        let id = entry.id;
        let is_new = self.numbered != numbered_before;

        let Some(flow) = &mut entry.flow else {
            self.counts.late_segments += u64::from(entry.closed_early && !segment.payload.is_empty());
            return;
        };
        let was_reset = flow.is_reset();
        flow.push(segment, from, resources, sink);
        entry.had_data |= !segment.payload.is_empty();
        let (is_over, is_reset) = (flow.is_over(), flow.is_reset());
        if is_over {
            flow.close(Moment::of(segment), resources, sink);
            entry.flow = None;
            self.remember_closed(pair, id, resources.limits.known_connections);
        }
        if is_new {
            self.open_count += 1;
            self.open.push_back((pair, id));
        }
        if is_over {
            self.open_count -= 1;
        } else if is_reset && !was_reset {
            self.reset.push_back((pair, id));
            self.close_oldest_reset(resources, sink);
        }
        if is_new {
            self.close_idle(resources, sink);
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
        self.open.clear();
        self.open_count = 0;
    }

    /// Closes open connections until they are within the limit: the oldest first, but those that had data since
    /// they were last passed over get another turn. So a flood of connections without data closes its own.
    fn close_idle(&mut self, resources: &mut Resources, sink: &mut impl Sink) {
        while self.open_count > resources.limits.open_connections {
            let Some((pair, id)) = self.open.pop_front() else { return };
            let Some(entry) = self.latest.get_mut(&pair).filter(|entry| entry.id == id) else { continue };
            if entry.flow.is_some() && std::mem::take(&mut entry.had_data) {
                self.open.push_back((pair, id));
            } else if let Some(mut flow) = entry.flow.take() {
                entry.closed_early = true;
                flow.close(flow.connection.last, resources, sink);
                self.open_count -= 1;
                self.counts.closed_early += 1;
                self.remember_closed(pair, id, resources.limits.known_connections);
            }
        }
        // Those that closed by themselves are let go of when they are the greater part.
        if self.open.len() > 2 * self.open_count + 64 {
            let latest = &self.latest;
            self.open
                .retain(|(pair, id)| latest.get(pair).is_some_and(|entry| entry.id == *id && entry.flow.is_some()));
        }
    }

    /// Forgets the ports of the oldest closed connections beyond the limit.
    fn remember_closed(&mut self, pair: Pair, id: ConnectionId, most: usize) {
        self.closed.push_back((pair, id));
        while self.closed.len() > most {
            let Some((pair, id)) = self.closed.pop_front() else { return };
            if self.latest.get(&pair).is_some_and(|entry| entry.id == id && entry.flow.is_none()) {
                self.latest.remove(&pair);
                self.counts.forgotten += 1;
            }
        }
    }

    /// The records of open connections, in order of their numbers.
    #[cfg(test)]
    pub fn open_connections(&self) -> Vec<&Connection> {
        let mut open: Vec<_> = self.latest.values().filter_map(|entry| entry.flow.as_ref()).collect();
        open.sort_unstable_by_key(|flow| flow.connection.id);
        open.into_iter().map(|flow| &flow.connection).collect()
    }

    /// How many pairs of endpoints are remembered.
    #[cfg(test)]
    pub fn known(&self) -> usize {
        self.latest.len()
    }

    /// How many places the queues take.
    #[cfg(test)]
    pub fn queued(&self) -> usize {
        self.reset.len() + self.open.len() + self.closed.len()
    }

    /// A reset connection may yet continue, if the reset was forged. That is waited for, but a capture of
    /// millions of refused connections must not cost the memory of as many open ones.
    fn close_oldest_reset(&mut self, resources: &mut Resources, sink: &mut impl Sink) {
        if self.reset.len() <= RESETS_KEPT {
            return;
        }
        let Some((pair, id)) = self.reset.pop_front() else { return };
        let Some(entry) = self.latest.get_mut(&pair).filter(|entry| entry.id == id) else { return };
        if let Some(mut flow) = entry.flow.take_if(|flow| flow.is_reset()) {
            flow.close(flow.connection.last, resources, sink);
            self.open_count -= 1;
            self.remember_closed(pair, id, resources.limits.known_connections);
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
    /// Whether data came since [`Connections::close_idle`] last passed it over.
    had_data: bool,
    /// Whether it was closed because too many were open.
    closed_early: bool,
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
        let flow = Some(Box::new(Flow::new(connection)));
        Entry { id, first_is_high: swapped, bases: [None; 2], flow, had_data: false, closed_early: false }
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
const RESETS_KEPT: usize = 64;
