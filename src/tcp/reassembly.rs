//! One direction: from segments in any order to bytes in order.
//!
//! Takes the data, FIN and acknowledgements that concern one direction, gives pieces, gaps and
//! conflicts. Of every byte the first captured copy counts, as in Wireshark and in most receivers.
//!
//! A hole is not a gap until it is certain that the bytes do not come, because an early gap is a wrong
//! gap: the bytes after it have been delivered when the missing ones arrive. What makes it certain is
//! listed at [`super::GapReason`]; how long is waited for, in [`holes`]; where the stream begins and
//! ends, in [`start_and_end`].
//!
//! It does not know the other direction, nor what SYN and RST do to the connection.

mod holes;
mod start_and_end;

use std::collections::VecDeque;

use super::history::{Difference, History};
use super::out_of_order::{OutOfOrderQueue, clip_sources};
use super::seq::Position;
use super::{Conflict, Connection, Endpoint, GapReason, Moment, Piece, Resources, Side, Sink};
use crate::origin::Source;
use holes::Doubt;

/// The payload of one segment.
pub(super) struct Data<'a> {
    /// Position of the first byte.
    pub at: Position,
    /// The bytes captured.
    pub payload: &'a [u8],
    /// How many the snap length cut off after them.
    pub missing: u32,
    /// Where `payload` is in the capture.
    pub sources: &'a [(u32, Source)],
}

impl Data<'_> {
    /// One past the last byte sent, captured or not.
    pub fn end(&self) -> Position {
        self.at + self.payload.len() as u64 + u64::from(self.missing)
    }
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Direction {
    /// Whether any sequence or acknowledgement number has been seen: then `next` means something.
    is_seen: bool,
    /// The position of offset 0, once known.
    base: Option<Position>,
    /// Whether `base` is the byte after the SYN.
    started_at_syn: bool,
    /// The next position to deliver. Before `base` is known, just a position nearby.
    next: Position,
    /// One past the last byte seen: the sender's SND.NXT.
    highest: Position,
    acknowledged: Option<Position>,
    /// By how much the latest acknowledgement advanced, in bytes.
    acknowledged_by: u64,
    fin: Option<Position>,
    /// Segments with data taken before `base` was known.
    segments_before_start: u32,
    held: OutOfOrderQueue,
    /// What of `held` is accounted for in [`Resources`].
    accounted: usize,
    doubts: VecDeque<Doubt>,
    history: Option<History>,
    is_history_over: bool,
}

impl Default for Direction {
    fn default() -> Direction {
        let nowhere = Position::first(0);
        Direction {
            is_seen: false,
            base: None,
            started_at_syn: false,
            next: nowhere,
            highest: nowhere,
            acknowledged: None,
            acknowledged_by: 0,
            fin: None,
            segments_before_start: 0,
            held: OutOfOrderQueue::default(),
            accounted: 0,
            doubts: VecDeque::new(),
            history: None,
            is_history_over: false,
        }
    }
}

impl Direction {
    /// Takes a segment's payload: delivers what is next, holds what is ahead, compares what is known.
    pub fn receive(&mut self, data: &Data<'_>, output: &mut Output<'_, impl Sink>) {
        let mut end = data.end();
        if data.at == end {
            return;
        }
        if self.is_keep_alive(data) {
            output.side().keep_alives += 1;
            return;
        }
        self.discard_keep_alive(data, output);
        // What follows a FIN is no data.
        end = self.fin.map_or(end, |fin| end.min(fin));
        let highest_before = self.highest;
        self.highest = self.highest.max(end);
        let is_ahead = self.base.is_some() && data.at > self.next;
        if is_ahead && !self.held.is_empty() {
            // A tail that the snap length cut off is given up first, so that this need not be copied.
            self.settle(false, output);
        }

        let captured_end = end.min(data.at + data.payload.len() as u64);
        let first_new = self.sort_in(data, captured_end, output);
        if captured_end < end && (self.base.is_none() || end > self.next) {
            self.held.cut(captured_end, end);
        }
        if first_new.is_some_and(|at| at < highest_before) {
            output.side().out_of_order += 1;
        }
        if self.held.is_empty() && self.accounted == 0 {
            return;
        }
        if self.base.is_some() {
            self.settle(false, output);
        } else {
            self.segments_before_start += 1;
            let is_long = self.segments_before_start >= START_SEGMENTS || self.held.cost() >= START_BYTES;
            if is_long || self.acknowledged > self.held.first_known() {
                self.stop_waiting_for_start(output);
            }
        }
        self.account(output.resources);
    }

    /// Delivers or holds what is new up to `end`, compares the rest with the first copy. Returns the
    /// first new position.
    fn sort_in(&mut self, data: &Data<'_>, end: Position, output: &mut Output<'_, impl Sink>) -> Option<Position> {
        let mut first_new = None;
        let mut at = data.at;
        while at < end {
            let rest = &data.payload[(at - data.at) as usize..(end - data.at) as usize];
            if let Some(base) = self.base.filter(|_| at < self.next) {
                let old = &rest[..rest.len().min((self.next - at) as usize)];
                if at >= base {
                    output.side().retransmitted_bytes += old.len() as u64;
                }
                let difference = self.history.as_ref().and_then(|history| history.compare(at, old));
                self.report(difference, output);
                at = at + old.len() as u64;
            } else if let Some((start, run)) = self.held.covering(at) {
                let first_copy = &run.bytes[(at - start) as usize..];
                let len = rest.len().min(first_copy.len());
                output.side().retransmitted_bytes += len as u64;
                let difference = Difference::between(at, &first_copy[..len], &rest[..len]);
                self.report(difference, output);
                at = at + len as u64;
            } else {
                let stop = self.held.next_start(at).map_or(end, |start| start.min(end));
                let new = &rest[..(stop - at) as usize];
                let skipped = (at - data.at) as usize;
                output.side().payload_bytes += new.len() as u64;
                first_new.get_or_insert(at);
                if self.base.is_some() && at == self.next {
                    // The stream continues, so an acknowledgement of later bytes was early, not a proof.
                    self.doubts.clear();
                    self.deliver_part(new, data.sources, skipped, output);
                } else {
                    clip_sources(data.sources, skipped, skipped + new.len(), &mut output.resources.sources);
                    self.held.hold(at, new, &output.resources.sources);
                }
                at = stop;
            }
        }
        first_new
    }

    /// A keep-alive may carry one byte, any byte, before SND.NXT: RFC 9293, 3.8.4. It is recognised
    /// where that byte has been seen, so it never stands in for data.
    fn is_keep_alive(&self, data: &Data<'_>) -> bool {
        let is_acknowledged = || self.base.is_none() && self.acknowledged == Some(data.end());
        data.payload.len() == 1 && data.missing == 0 && (data.end() == self.highest || is_acknowledged())
    }

    /// A keep-alive that was captured before the byte that it repeats waits as if it were data. When a longer segment
    /// ends with another byte there, that one is the stream's.
    fn discard_keep_alive(&mut self, data: &Data<'_>, output: &mut Output<'_, impl Sink>) {
        let (Some(&last), 2.., 0) = (data.payload.last(), data.payload.len(), data.missing) else { return };
        if self.held.take_single(data.at + (data.payload.len() as u64 - 1), last) {
            let side = output.side();
            side.keep_alives += 1;
            side.payload_bytes -= 1;
        }
    }

    /// Delivers `bytes`, which begin `skipped` bytes into a payload with `sources`.
    fn deliver_part(
        &mut self,
        bytes: &[u8],
        sources: &[(u32, Source)],
        skipped: usize,
        output: &mut Output<'_, impl Sink>,
    ) {
        if skipped == 0 {
            let used = sources.partition_point(|(offset, _)| (*offset as usize) < bytes.len());
            self.deliver(bytes, &sources[..used], output);
        } else {
            let mut clipped = std::mem::take(&mut output.resources.sources);
            clip_sources(sources, skipped, skipped + bytes.len(), &mut clipped);
            self.deliver(bytes, &clipped, output);
            output.resources.sources = clipped;
        }
    }

    fn deliver(&mut self, bytes: &[u8], sources: &[(u32, Source)], output: &mut Output<'_, impl Sink>) {
        let Some(base) = self.base else { return };
        let at = self.next;
        self.next = at + bytes.len() as u64;
        self.remember(at, bytes, output.resources);
        output.side().delivered = self.next - base;
        let piece = Piece { offset: at - base, bytes, sources };
        output.sink.piece(output.connection, output.from, piece);
    }

    /// Delivers what follows on, and gives up what the snap length cut off as soon as something is
    /// known to be after it. `is_end`: nothing more will come.
    fn settle(&mut self, is_end: bool, output: &mut Output<'_, impl Sink>) {
        while !self.held.is_empty() {
            if let Some(run) = self.held.take(self.next) {
                self.deliver(&run.bytes, &run.sources, output);
                continue;
            }
            let Some(cut_end) = self.held.cut_end(self.next) else { return };
            let first = self.held.first();
            let end = first.map_or(cut_end, |first| cut_end.min(first));
            let is_behind = first.is_some() || self.highest > end || self.acknowledged >= Some(end);
            if !(is_behind || is_end || self.fin == Some(end)) {
                return;
            }
            self.gap(end, GapReason::Snaplen, output);
        }
    }

    fn report(&mut self, difference: Option<Difference>, output: &mut Output<'_, impl Sink>) {
        let Some(difference) = difference else { return };
        output.side().conflicts += 1;
        // Before the start is known there is not an offset to report; the count remains.
        let Some(base) = self.base else { return };
        let Difference { at, len, kept, ignored } = difference;
        let conflict = Conflict { offset: at - base, len, kept, ignored, frame: output.now.frame };
        output.sink.conflict(output.connection, output.from, conflict);
    }

    fn remember(&mut self, at: Position, bytes: &[u8], resources: &mut Resources) {
        if self.history.is_none() && !self.is_history_over {
            // A sixteenth of what is left each: many connections share, few have all they can use.
            let left = resources.limits.total_history_bytes.saturating_sub(resources.history_bytes);
            let capacity = (left / 16).min(LARGEST_HISTORY);
            if capacity < SMALLEST_HISTORY {
                return;
            }
            resources.history_bytes += capacity;
            self.history = Some(History::new(capacity, at));
        }
        if let Some(history) = &mut self.history {
            history.push(at, bytes);
        }
    }

    /// Frees the history: from now on retransmissions are not compared.
    pub fn forget_history(&mut self, resources: &mut Resources) {
        self.is_history_over = true;
        if let Some(history) = self.history.take() {
            resources.history_bytes -= history.capacity();
        }
    }
}

/// Where results go.
pub(super) struct Output<'a, S> {
    pub connection: &'a mut Connection,
    /// Whose direction this is.
    pub from: Endpoint,
    /// The segment being taken.
    pub now: Moment,
    pub resources: &'a mut Resources,
    pub sink: &'a mut S,
}

impl<S> Output<'_, S> {
    /// The public record of the direction's sender.
    pub fn side(&mut self) -> &mut Side {
        &mut self.connection.sides[self.from.index()]
    }
}

/// RFC 7323, 2.3: windows are at most 2^30 bytes. What is further off belongs to something else.
const LARGEST_WINDOW: u64 = 1 << 30;

/// How many segments, or bytes, are held at a start in mid-stream, where a segment may be captured
/// after later ones: no more than a sender's first flight (RFC 6928: 10 segments) and some.
const START_SEGMENTS: u32 = 16;
const START_BYTES: usize = 64 << 10;

/// How many delivered bytes are kept per direction for comparison: what is in flight at once on most
/// paths, so what a retransmission can repeat. Less than the smallest is not worth having.
const LARGEST_HISTORY: usize = 64 << 10;
const SMALLEST_HISTORY: usize = 2 << 10;
