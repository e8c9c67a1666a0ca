//! Where a direction begins and ends.
//!
//! Takes what SYN, FIN, RST and the peer's handshake say about sequence numbers, and decides which
//! position is offset 0 and which is the last. It decides nothing about the bytes in between.

use std::collections::VecDeque;

use super::{Direction, LARGEST_WINDOW, Output};
use crate::tcp::out_of_order::OutOfOrderQueue;
use crate::tcp::seq::Position;
use crate::tcp::{GapReason, Sink};

impl Direction {
    /// The position of a sequence number of this direction.
    pub fn place(&mut self, seq: u32) -> Position {
        if !self.is_seen {
            self.is_seen = true;
            self.next = Position::first(seq);
            self.highest = self.next;
        }
        self.next.near(seq)
    }

    /// A SYN says that the stream begins at `seq`.
    pub fn begin(&mut self, seq: u32, output: &mut Output<'_, impl Sink>) {
        let base = self.place(seq);
        let is_untouched = self.base == Some(self.highest) && self.held.is_empty();
        if self.base.is_none() || is_untouched {
            if is_untouched {
                self.highest = base;
            }
            self.start_at(base, output);
        }
        if self.base == Some(base) {
            self.started_at_syn = true;
            output.side().started_at_syn = true;
        } else {
            output.side().strays += 1;
        }
    }

    /// The peer's handshake says that the stream begins at `seq`. Data captured from before it says
    /// that it was no handshake.
    pub fn begin_if_unknown(&mut self, seq: u32, output: &mut Output<'_, impl Sink>) {
        let base = self.place(seq);
        if self.base.is_none() && self.held.first().is_none_or(|first| first >= base) {
            self.begin(seq, output);
        }
    }

    /// Whether the stream is known to begin at `seq`.
    pub fn begins_at(&self, seq: u32) -> bool {
        self.started_at_syn && self.base.is_some_and(|base| base.near(seq) == base)
    }

    /// A capture that begins in mid-stream may begin with segments out of order. The first byte is
    /// known when nothing before it can come; this says so.
    pub fn stop_waiting_for_start(&mut self, output: &mut Output<'_, impl Sink>) {
        if let Some(first) = self.held.first_known().filter(|_| self.base.is_none()) {
            self.start_at(first, output);
        }
    }

    /// Takes a FIN that follows the byte before `at`, unless there is data after it.
    pub fn finish_at(&mut self, at: Position, output: &mut Output<'_, impl Sink>) -> bool {
        self.stop_waiting_for_start(output);
        if self.base.is_none() {
            self.start_at(at, output);
        }
        if self.fin.is_some() || at < self.highest {
            return false;
        }
        self.fin = Some(at);
        self.settle(false, output);
        self.account(output.resources);
        true
    }

    /// Whether the peer acknowledged more than the FIN: then it was not the sender's.
    pub fn outlived_fin(&self) -> bool {
        self.fin.is_some_and(|fin| self.acknowledged > Some(fin + 1))
    }

    /// Forgets the FIN.
    pub fn withdraw_fin(&mut self) {
        self.fin = None;
    }

    /// Whether the sender has finished and all was delivered, or the receiver got more than is here.
    pub fn is_over(&self) -> bool {
        self.fin.is_some_and(|fin| self.base.is_some() && (self.next >= fin || self.acknowledged > Some(fin)))
    }

    /// What the peer acknowledged, FIN included.
    pub fn acknowledged_to(&self) -> Option<Position> {
        self.acknowledged
    }

    /// Whether a receiver would take a RST with this sequence number: RFC 9293, 3.5.3. The window is
    /// not known exactly (its scale is in the SYN), so some room is left above.
    pub fn would_take_reset(&self, at: Position) -> bool {
        let Some(base) = self.base else { return true };
        let received = self.acknowledged.unwrap_or(base);
        at >= received && at <= self.highest.max(received) + RESET_WINDOW
    }

    /// Whether a segment at `at` is outside every window that TCP can have.
    pub fn is_stray(&self, at: Position) -> bool {
        self.base.is_some() && at.distance(self.next) > LARGEST_WINDOW
    }

    /// Delivers all that waits, reports all that is missing, frees all memory.
    pub fn close(&mut self, output: &mut Output<'_, impl Sink>) {
        self.stop_waiting_for_start(output);
        if self.base.is_none() && self.known_end() > Some(self.next) {
            self.start_at(self.next, output);
        }
        if self.base.is_some() {
            self.settle(true, output);
            while let Some(first) = self.held.first_known().filter(|first| *first > self.next) {
                let is_acknowledged = self.known_end() >= Some(first);
                let reason = if is_acknowledged { GapReason::Acknowledged } else { GapReason::End };
                self.give_up(first, reason, true, output);
            }
            if let Some(end) = self.known_end() {
                self.give_up(end, GapReason::Acknowledged, true, output);
            }
            self.give_up(self.fin.unwrap_or(self.highest), GapReason::End, true, output);
        }
        self.held = OutOfOrderQueue::default();
        self.doubts = VecDeque::new();
        self.account(output.resources);
        self.forget_history(output.resources);
    }

    pub(super) fn start_at(&mut self, base: Position, output: &mut Output<'_, impl Sink>) {
        self.base = Some(base);
        self.next = base;
        self.highest = if self.held.is_empty() { base } else { self.highest.max(base) };
        self.held.forget_before(base);
        // An acknowledgement from before the start may be of another connection on the same ports.
        self.acknowledged.take_if(|acknowledged| acknowledged.distance(base) > LARGEST_WINDOW);
        self.note_acknowledged(output);
        self.settle(false, output);
        self.account(output.resources);
    }

    /// Up to where the peer's acknowledgements say that there was data. The acknowledgement of a FIN
    /// counts one more than the data; when the FIN itself was not captured, a last step of one is it.
    pub(super) fn known_end(&self) -> Option<Position> {
        let acknowledged = self.acknowledged?;
        if let Some(fin) = self.fin {
            return Some(acknowledged.min(fin));
        }
        let is_fin = self.acknowledged_by == 1 || acknowledged - self.next == 1;
        Some(if is_fin { self.next + (acknowledged - self.next).saturating_sub(1) } else { acknowledged })
    }
}

/// How far above the data seen a RST may lie. Receive buffers of servers are seldom larger, and a
/// guess at a 32-bit sequence number hits this once in 4096 times.
const RESET_WINDOW: u64 = 1 << 20;
