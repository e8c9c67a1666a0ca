//! Bytes that wait after a hole.
//!
//! Takes runs of bytes that nothing else covers, gives them back in order. It also remembers the
//! tails that the snap length cut off: holes that are known to be holes. It copies what it is given
//! and decides nothing: which bytes are new, and when a hole is given up, is [`super::reassembly`]'s.

use std::collections::BTreeMap;

use super::seq::Position;
use crate::origin::{Place, Source};

/// Bytes of one segment that wait, with their sources.
#[derive(Debug)]
pub(super) struct Run {
    /// The bytes, never empty.
    pub bytes: Vec<u8>,
    /// (offset in `bytes`, where it is in the capture), ascending, first offset 0.
    pub sources: Vec<(u32, Source)>,
}

/// The runs of one direction that wait. They do not overlap.
#[derive(Debug, Default)]
pub(super) struct OutOfOrderQueue {
    runs: BTreeMap<Position, Run>,
    /// Start → end of the tails cut by the snap length. These may overlap each other and the runs.
    cuts: BTreeMap<Position, Position>,
    cost: usize,
}

impl OutOfOrderQueue {
    /// Whether nothing waits and nothing was cut.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.cuts.is_empty()
    }

    /// The memory taken, in bytes. What a run costs beside its bytes is counted, or a flood of
    /// one-byte segments would take a hundred times the limit.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Keeps a copy of `bytes`, which must not overlap what is held.
    pub fn hold(&mut self, at: Position, bytes: &[u8], sources: &[(u32, Source)]) {
        self.insert(at, Run { bytes: bytes.to_vec(), sources: sources.to_vec() });
    }

    /// Remembers that the snap length cut off the bytes from `start` to `end`.
    pub fn cut(&mut self, start: Position, end: Position) {
        let mut is_new = false;
        let known = self.cuts.entry(start).or_insert_with(|| {
            is_new = true;
            end
        });
        *known = end.max(*known);
        self.cost += if is_new { RUN_COST } else { 0 };
    }

    /// The first position that waits.
    pub fn first(&self) -> Option<Position> {
        self.runs.first_key_value().map(|(at, _)| *at)
    }

    /// The first position that waits or was cut off.
    pub fn first_known(&self) -> Option<Position> {
        let cut = self.cuts.first_key_value().map(|(at, _)| *at);
        self.first().into_iter().chain(cut).min()
    }

    /// The run that holds the byte at `at`, and where that run begins.
    pub fn covering(&self, at: Position) -> Option<(Position, &Run)> {
        let (start, run) = self.runs.range(..=at).next_back()?;
        (at < *start + run.bytes.len() as u64).then_some((*start, run))
    }

    /// Where the first run at or after `at` begins.
    pub fn next_start(&self, at: Position) -> Option<Position> {
        self.runs.range(at..).next().map(|(start, _)| *start)
    }

    /// Takes out the run that begins at `at`.
    pub fn take(&mut self, at: Position) -> Option<Run> {
        let first = self.runs.first_entry().filter(|run| *run.key() == at)?;
        let run = first.remove();
        self.cost -= run.bytes.len() + RUN_COST;
        Some(run)
    }

    /// Takes out the byte at `at`, if it is held as a run of its own and is not `byte`.
    pub fn take_single(&mut self, at: Position, byte: u8) -> bool {
        let is_single = self.runs.get(&at).is_some_and(|run| run.bytes.len() == 1 && run.bytes[0] != byte);
        if is_single && let Some(run) = self.runs.remove(&at) {
            self.cost -= run.bytes.len() + RUN_COST;
        }
        is_single
    }

    /// The end of the cut that covers `at`; forgets the cuts that lie before it.
    pub fn cut_end(&mut self, at: Position) -> Option<Position> {
        while let Some(first) = self.cuts.first_entry() {
            if *first.get() > at {
                return (*first.key() <= at).then(|| *first.get());
            }
            first.remove();
            self.cost -= RUN_COST;
        }
        None
    }

    /// Forgets the bytes before `at`.
    pub fn forget_before(&mut self, at: Position) {
        while let Some(start) = self.first().filter(|start| *start < at) {
            let Some(run) = self.take(start) else { return };
            let skip = (at - start) as usize;
            if skip < run.bytes.len() {
                let mut sources = Vec::new();
                clip_sources(&run.sources, skip, run.bytes.len(), &mut sources);
                self.insert(at, Run { bytes: run.bytes[skip..].to_vec(), sources });
            }
        }
        self.cut_end(at);
    }

    fn insert(&mut self, at: Position, run: Run) {
        self.cost += run.bytes.len() + RUN_COST;
        self.runs.insert(at, run);
    }
}

/// Writes to `into` the sources of the bytes `from..until` of a buffer that has `sources`.
pub(super) fn clip_sources(sources: &[(u32, Source)], from: usize, until: usize, into: &mut Vec<(u32, Source)>) {
    into.clear();
    for (index, (offset, source)) in sources.iter().enumerate() {
        let start = *offset as usize;
        let end = sources.get(index + 1).map_or(usize::MAX, |next| next.0 as usize);
        if end > from && start < until {
            let skipped = from.saturating_sub(start);
            into.push(((start + skipped - from) as u32, source.advance(skipped as u64)));
        }
    }
}

/// What a run takes beside its bytes: tree node, two vectors, one source, the allocator's own.
const RUN_COST: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Form, FrameNo, Time};

    fn source(frame: u64, file_offset: u64) -> Source {
        Source { frame: FrameNo(frame), packet: FrameNo(frame), time: Time(0), file_offset, form: Form::Verbatim }
    }

    #[test]
    fn sources_of_a_part_begin_at_its_first_byte() {
        let whole = [(0, source(1, 100)), (10, source(2, 500)), (20, source(3, 900))];
        let mut part = Vec::new();
        clip_sources(&whole, 4, 12, &mut part);
        assert_eq!(part, [(0, source(1, 104)), (6, source(2, 500))]);
        clip_sources(&whole, 10, 20, &mut part);
        assert_eq!(part, [(0, source(2, 500))]);
        clip_sources(&whole, 25, 30, &mut part);
        assert_eq!(part, [(0, source(3, 905))]);
    }

    #[test]
    fn forgetting_cuts_the_run_that_crosses_and_gives_all_memory_back() {
        let start = Position::first(0);
        let mut held = OutOfOrderQueue::default();
        held.hold(start, b"abcd", &[(0, source(1, 100))]);
        held.hold(start + 10, b"xyz", &[(0, source(2, 200))]);
        held.forget_before(start + 3);
        assert_eq!(held.first(), Some(start + 3));
        let run = held.take(start + 3).expect("the tail of the first run");
        assert_eq!((&run.bytes[..], run.sources[0].1.file_offset), (&b"d"[..], 103));
        assert!(held.take(start + 10).is_some());
        assert_eq!((held.cost(), held.is_empty()), (0, true));
    }

    #[test]
    fn a_cut_inside_a_longer_one_does_not_shorten_it() {
        let start = Position::first(0);
        let mut held = OutOfOrderQueue::default();
        held.cut(start, start + 10);
        held.cut(start + 2, start + 4);
        assert_eq!(held.cut_end(start + 5), Some(start + 10));
        assert_eq!(held.cut_end(start + 10), None);
        assert_eq!(held.cost(), 0);
    }
}
