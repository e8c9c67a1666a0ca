//! What becomes of a hole.
//!
//! Takes acknowledgements and the passing of packets, and decides when the bytes before what waits are
//! given up. Nothing is decided by the clock of this machine: the same capture gives the same gaps.

use super::{Direction, LARGEST_WINDOW, Output};
use crate::tcp::seq::Position;
use crate::tcp::{Gap, GapReason, Moment, Resources, Sink};

/// Positions, and when it became clear that the peer has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// The peer acknowledged what is before this.
    until: Position,
    /// The packets of the hole's own direction, and of the connection, at that time.
    own: u64,
    packets: u64,
    since: Moment,
}

impl Direction {
    /// Takes the peer's acknowledgement number.
    pub fn acknowledge(&mut self, ack: u32, output: &mut Output<'_, impl Sink>) {
        self.place(ack);
        let reference = self.acknowledged.map_or(self.next, |acknowledged| acknowledged.max(self.next));
        let at = reference.near(ack);
        if at.distance(reference) > LARGEST_WINDOW || self.acknowledged >= Some(at) {
            return;
        }
        self.acknowledged_by = at - self.acknowledged.unwrap_or(at);
        self.acknowledged = Some(at);
        self.note_acknowledged(output);
        if self.held.is_empty() {
            return;
        }
        if self.base.is_none() && self.acknowledged > self.held.first_known() {
            self.stop_waiting_for_start(output);
        }
        if self.base.is_some() {
            self.settle(false, output);
        }
        self.account(output.resources);
    }

    /// Notes in the connection's record how far an acknowledgement reaches, before the data that comes
    /// with it is delivered: what is said there is said in knowledge of those bytes. Nothing follows from
    /// it here until [`Direction::acknowledge`].
    pub fn note_future_ack(&self, ack: u32, output: &mut Output<'_, impl Sink>) {
        let Some(base) = self.base else { return };
        let reference = self.acknowledged.map_or(self.next, |acknowledged| acknowledged.max(self.next));
        let at = reference.near(ack);
        if at.distance(reference) <= LARGEST_WINDOW && self.acknowledged < Some(at) && at > base {
            output.side().acknowledged = Some(self.fin.map_or(at, |fin| at.min(fin)) - base);
        }
    }

    /// Gives up holes that the peer acknowledged long ago.
    pub fn expire_holes(&mut self, output: &mut Output<'_, impl Sink>) {
        if self.acknowledged <= Some(self.next) {
            return;
        }
        let is_starting = self.base.is_none() && !self.held.is_empty();
        let Some(end) = self.known_end().filter(|end| *end > self.next && !is_starting) else { return };
        let own = output.side().packets;
        let packets = output.connection.sides.iter().map(|side| side.packets).sum();
        let is_due = |last: &Doubt| end > last.until && packets - last.packets >= DOUBT_GRAIN;
        if self.doubts.len() < DOUBTS && self.doubts.back().is_none_or(is_due) {
            self.doubts.push_back(Doubt { until: end, own, packets, since: output.now });
        }
        while let Some(doubt) = self.doubts.front().copied() {
            let is_slow = output.now.time.since(doubt.since.time) >= PATIENCE_NANOSECONDS;
            let is_over = own - doubt.own >= PATIENCE_PACKETS;
            if !(is_over || is_slow && packets - doubt.packets >= PATIENCE_PACKETS_SLOW) {
                return;
            }
            self.doubts.pop_front();
            if self.base.is_none() {
                self.start_at(self.next, output);
            }
            while self.next < doubt.until {
                let behind = self.held.first_known().filter(|first| *first > self.next);
                let hole_end = behind.map_or(doubt.until, |first| first.min(doubt.until));
                self.give_up(hole_end, GapReason::Acknowledged, false, output);
            }
        }
    }

    /// Gives up first holes until what waits is within the limits.
    pub fn enforce_limits(&mut self, output: &mut Output<'_, impl Sink>) {
        let limits = output.resources.limits;
        while self.accounted > limits.out_of_order_bytes
            || self.accounted > 0 && output.resources.held_bytes > limits.total_out_of_order_bytes
        {
            self.stop_waiting_for_start(output);
            let Some(first) = self.held.first_known().filter(|first| *first > self.next) else { return };
            self.give_up(first, GapReason::BufferFull, false, output);
        }
    }

    /// Makes the hole before `end` a gap, if there is one, and continues with what waits after it.
    pub(super) fn give_up(
        &mut self,
        end: Position,
        reason: GapReason,
        is_end: bool,
        output: &mut Output<'_, impl Sink>,
    ) {
        if end > self.next {
            self.gap(end, reason, output);
            self.settle(is_end, output);
            self.account(output.resources);
        }
    }

    pub(super) fn gap(&mut self, end: Position, reason: GapReason, output: &mut Output<'_, impl Sink>) {
        let Some(base) = self.base else { return };
        let len = end - self.next;
        let Moment { frame, time } = output.now;
        let gap = Gap { offset: self.next - base, len, exact: true, reason, frame, time };
        self.next = end;
        self.highest = self.highest.max(end);
        output.side().gap_bytes += len;
        output.side().delivered = end - base;
        output.sink.gap(output.connection, output.from, gap);
    }

    pub(super) fn note_acknowledged(&mut self, output: &mut Output<'_, impl Sink>) {
        let (Some(base), Some(acknowledged)) = (self.base, self.acknowledged) else { return };
        let data = self.fin.map_or(acknowledged, |fin| acknowledged.min(fin));
        output.side().acknowledged = Some(data - base);
    }

    pub(super) fn account(&mut self, resources: &mut Resources) {
        resources.held_bytes = resources.held_bytes - self.accounted + self.held.cost();
        self.accounted = self.held.cost();
    }
}

/// How many packets of a direction are waited for after the peer acknowledged bytes of it that are not
/// there: those of the other direction say nothing about how late this one was written. Captures that merge two interfaces, or two queues of one, write a direction up to some
/// hundred packets late; 512 full segments are 0.7 MB, well below the out-of-order limit.
const PATIENCE_PACKETS: u64 = 512;

/// On a slow connection, or in the direction that sends little, 512 packets can take minutes, which a reader of a live capture would have
/// to wait for. Queues are not flushed later than after a second or so, so 3 s are enough there, but
/// not without packets: the clock of a capture may jump.
const PATIENCE_PACKETS_SLOW: u64 = 128;
const PATIENCE_NANOSECONDS: i64 = 3_000_000_000;

/// Acknowledgements are noted at this distance, in packets, and so many are remembered at most.
/// Those in between, and after, wait a little longer than they must.
const DOUBT_GRAIN: u64 = 64;
const DOUBTS: usize = 16;
