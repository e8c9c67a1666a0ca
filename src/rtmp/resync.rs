//! Finds where chunk headers are, and how long chunks are, where the bytes before do not tell: after bytes that
//! were not captured, at a start in mid-session, after bytes that are not a chunk header.
//!
//! Takes the bytes from there on as they arrive, and what is known of the chunk streams. Competing readings
//! ([`Candidate`]) are followed side by side until the evidence accepts one. Decoding is left to
//! [`super::decoder`].
//!
//! The work is linear: each offset is examined once, in order; a reading remembers how far it was followed; a
//! refuted one is dropped for good; only so many are followed at a time, and no new ones while
//! [`Effort`] is spent. The outcome does not depend on how the bytes arrive, as an offset is examined only
//! when the [`AHEAD`] bytes that may matter there have arrived, or none will follow.
//!
//! A chunk size that nobody announced is inferred from a message that is cut: each place where a header that
//! continues it may be is a competing size, and so is no cut at all. A size is proven by headers at exact
//! distances and by messages that end where another begins; an uncommon size needs more of them.

mod candidate;
mod candidates;
mod proof;

use std::cell::OnceCell;

use crate::field::Reader;

use super::ChunkStreamId;
use super::chunk::{ChunkHeader, MAX_HEADER};
use super::search::{Known, Size, Walker, set, type3};
use candidate::{Candidate, is_shifted};
use candidates::{Candidates, Splits};
use proof::{LEAD, Ranking, has_proof, is_common, score, worth};

/// The bytes that matter at an offset: a header and the start of a body.
const AHEAD: usize = MAX_HEADER + 16;
/// A first header with less evidence, in bits, is not followed.
const WORTH_FOLLOWING: u32 = 12;
/// So many headers without enough evidence are evidence against it.
const MOST_HEADERS: u32 = 4096;
/// And so many chunk streams: senders use less than ten.
const MOST_CHUNK_STREAMS: usize = 64;
/// The evidence, in bits, that a header needs more if no other follows it.
const ALONE: u32 = 12;
/// The evidence, in bits, in another chunk stream's header, with which a message may be cut there.
const INTERLEAVED: u32 = 30;

/// The work done, in steps: one for each offset examined, each header read and each reading looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort(pub u64);

/// So many steps are granted for each byte of the direction; and so many in any case.
pub(super) const STEPS_PER_BYTE: u64 = 32;
pub(super) const FREE_STEPS: u64 = 1 << 18;

impl Effort {
    /// Whether no more can be begun at `offset` of the direction.
    pub fn is_spent(self, offset: u64) -> bool {
        self.0 > STEPS_PER_BYTE.saturating_mul(offset).saturating_add(FREE_STEPS)
    }
}

/// The search for a chunk header, or for the chunk size at a header that is known.
#[derive(Clone, Debug)]
pub(super) struct HeaderSearch {
    size: Size,
    /// The chunk size in force before bytes were lost.
    prior: Option<u32>,
    /// A header is at offset 0, and only the chunk size is looked for.
    anchored: bool,
    /// The first offset that is not examined.
    next: usize,
    /// Readings whose next header is at a known offset.
    walks: Candidates,
    /// Readings inside a message that may be cut anywhere.
    splits: Splits,
    /// The offset at which a convincing reading had a header last: no other needs to begin there.
    landed: Option<usize>,
    /// A reading has evidence enough, but for another one that competes with it.
    is_blocked: bool,
}

/// What a search found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Offset of the first header.
    pub at: usize,
    /// The chunk size there, as far as it is proven.
    pub size: Size,
    /// The evidence in bits.
    pub bits: u32,
    /// How many headers were read.
    pub headers: u32,
    /// How many of them were at exactly the distances of the chunk size.
    pub matches: u32,
}

impl HeaderSearch {
    /// A search for a header, anywhere. `size` is the chunk size as far as it is known, `prior` the one before bytes
    /// were lost.
    pub fn new(size: Size, prior: Option<u32>) -> HeaderSearch {
        HeaderSearch {
            size,
            prior,
            anchored: false,
            next: 0,
            walks: Candidates::new(prior),
            splits: Splits::default(),
            landed: None,
            is_blocked: false,
        }
    }

    /// A search for the chunk size: a header is at offset 0.
    pub fn of_size(size: Size, prior: Option<u32>) -> HeaderSearch {
        let mut search = HeaderSearch { anchored: true, ..HeaderSearch::new(size, prior) };
        search.walks.keep(Candidate::new(0, size));
        search
    }

    /// Whether a reading is left that is not refuted.
    pub fn is_open(&self) -> bool {
        self.walks.len() > 0 || !self.splits.is_empty()
    }

    /// Examines what arrived. `offset` is that of the data in the direction, `at_end` says that nothing follows the data,
    /// `need` gives the evidence asked for among so many places, in bits.
    pub fn advance<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        data: &[u8],
        (offset, at_end): (u64, bool),
        need: impl Fn(usize) -> u32,
        effort: &mut Effort,
    ) -> Option<Found> {
        while self.next < data.len() && (at_end || data.len() - self.next >= AHEAD) {
            let at = self.next;
            self.next += 1;
            effort.0 += 1;
            let here = &data[at..data.len().min(at + AHEAD)];
            let is_spent = effort.is_spent(offset + at as u64);
            let may_begin = !self.anchored && walker.may_begin(here);
            let may_be_cut = self.splits.may_continue(here[0]) || self.splits.any_common(at, self.prior);
            if self.splits.ends_at(at) || may_be_cut && !is_spent {
                self.cut(walker, here, at, is_spent, effort);
            }
            let before = at.checked_sub(1).map(|before| data[before]);
            if let Some(found) = self.follow(walker, here, (at, before), need(at), effort) {
                return Some(found);
            }
            if self.anchored && !self.is_open() {
                return None;
            }
            if !self.anchored && may_begin && self.landed != Some(at) && !is_spent {
                self.begin(walker, here, at, effort);
            }
        }
        if at_end { self.accepted_at_end(data.len(), need(data.len())) } else { None }
    }

    /// The size that is likeliest for the message at offset 0, if none is proven; None: it is not cut.
    pub fn guess(&self) -> Option<u32> {
        let tried = self.all().filter(|one| one.tried).max_by_key(|one| (score(one, self.prior), one.bits));
        match tried.map(|one| (score(one, self.prior), one.base)) {
            Some((score, Size::Known(size))) if score > 0 => Some(size),
            _ => self.prior,
        }
    }

    /// Forgets the first `len` bytes, and the readings that begin in them.
    pub fn forget(&mut self, len: usize) {
        self.walks.forget(len);
        self.splits.forget(len);
        self.next -= len;
    }

    fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.walks.iter().chain(self.splits.iter())
    }

    /// Begins a reading at `at`, if a header may be there.
    fn begin<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        here: &[u8],
        at: usize,
        effort: &mut Effort,
    ) {
        effort.0 += 1;
        let mut one = Candidate::new(at, self.size);
        let shorter = ChunkHeader::read(&mut Reader::new(here, &mut ()), |_| false);
        if shorter.is_ok_and(|header| (walker.known)(header.csid).is_none() && is_shifted(&header)) {
            return;
        }
        match one.step(walker, here, None) {
            _ if one.bits < WORTH_FOLLOWING => {}
            Some(Some(split)) => self.splits.add(one, split),
            Some(None) => effort.0 += self.walks.keep(one),
            None => {}
        }
    }

    /// Tries the sizes with which a message is cut at `at`, and ends the messages that end there.
    fn cut<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        here: &[u8],
        at: usize,
        is_spent: bool,
        effort: &mut Effort,
    ) {
        effort.0 += self.splits.len() as u64;
        for (one, split) in self.splits.take_ended(at) {
            effort.0 += self.walks.keep(one.uncut(split));
        }
        if is_spent {
            return;
        }
        let other = OnceCell::new();
        let read_other = || {
            let header = ChunkHeader::read(&mut Reader::new(here, &mut ()), |_| false).ok()?;
            let payload = &here[usize::from(header.len)..];
            let bits = walker.weigh(&header, (walker.known)(header.csid), payload)?;
            (header.fmt < 3 && bits >= INTERLEAVED).then_some(header.csid)
        };
        for (one, split) in self.splits.pairs() {
            let Some(size) = split.size_if_cut(at) else { continue };
            let interleaves = || other.get_or_init(read_other).is_some_and(|csid| csid != split.csid);
            if here[0] != type3(split.csid) && !(is_common(size, self.prior) && interleaves()) {
                continue;
            }
            let (is_worth_it, steps) = self.walks.would_keep(one, size);
            effort.0 += steps;
            if is_worth_it {
                let mut one = Candidate { at, tried: true, ..one.clone() };
                (one.base, one.size) = (Size::Known(size), Size::Known(size));
                set(&mut one.changed, split.csid, Known { open: split.left - size, ..split.after });
                effort.0 += self.walks.keep(one);
            }
        }
    }

    /// Reads the headers at `at`, after byte `before`, and drops the readings in which none can be there. Returns the
    /// reading that the evidence accepts.
    fn follow<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        here: &[u8],
        (at, before): (usize, Option<u8>),
        need: u32,
        effort: &mut Effort,
    ) -> Option<Found> {
        let mut is_changed = false;
        while let Some(slot) = self.walks.next_due(at) {
            is_changed |= self.is_blocked;
            let Some(one) = self.walks.get_mut(slot) else { continue };
            effort.0 += 1 + one.changed.len() as u64 / 8;
            let next = one.step(walker, here, before);
            if next.is_some() && one.bits >= need && one.headers > 1 {
                self.landed = Some(at);
            }
            match next {
                Some(None) if one.headers < MOST_HEADERS && one.changed.len() <= MOST_CHUNK_STREAMS => {
                    is_changed |= is_enough(one, need, self.anchored, self.prior);
                    self.walks.put_back(slot, at);
                }
                Some(Some(split)) => {
                    let one = self.walks.remove(slot);
                    one.into_iter().for_each(|one| self.splits.add(one, split.clone()));
                }
                _ => drop(self.walks.remove(slot)),
            }
        }
        if !is_changed {
            return None;
        }
        effort.0 += (self.walks.len() + self.splits.len()) as u64 / 4;
        self.accepted(need)
    }

    /// The reading that the evidence accepts.
    fn accepted(&mut self, need: u32) -> Option<Found> {
        let ranking = Ranking::of(self.all(), self.prior);
        let enough = || self.walks.iter().filter(|one| is_enough(one, need, self.anchored, self.prior));
        let tried = enough().filter(|one| one.tried && ranking.proves(one));
        let untried = enough().filter(|one| !one.tried).min_by_key(|one| one.start);
        let accepted = tried.chain(untried.filter(|one| self.leads(one)));
        let found = accepted.min_by_key(|one| (one.start, !one.tried)).map(Candidate::found);
        let is_blocked = found.is_none() && enough().next().is_some();
        self.is_blocked = is_blocked;
        found
    }

    /// Whether a reading with no size tried has more evidence than those from the same place that cut its messages. One
    /// that has evidence is first followed to the end of its message, which is a few bytes later.
    fn leads(&self, one: &Candidate) -> bool {
        let mut rivals = self.all().filter(|other| other.tried && other.start == one.start);
        !rivals.any(|other| {
            let may_land = other.landings == 0 && score(other, self.prior) > 0;
            may_land || worth(other, self.prior) + LEAD > one.bits as i32
        })
    }

    /// The same where nothing follows: there is no second header to wait for.
    fn accepted_at_end(&mut self, end: usize, need: u32) -> Option<Found> {
        for (one, split) in self.splits.take_ended(end) {
            self.walks.keep(one.uncut(split));
        }
        for one in self.walks.iter_mut() {
            one.landings += u32::from(one.ends_cut && one.at == end);
            // All of the message was captured, so every size that cuts it was tried.
            if one.at <= end {
                one.accept_uncut();
            }
        }
        let ranking = Ranking::of(self.all(), self.prior);
        let is_any_tried = self.all().any(|one| one.tried);
        let proven = self.walks.iter().filter(|one| match one.tried {
            true => ranking.proves(one) && (self.anchored || one.bits >= need),
            false => self.anchored && !is_any_tried && one.uncut.is_none() && one.at <= end,
        });
        if let Some(one) = proven.min_by_key(|one| one.start) {
            return Some(one.found());
        }
        if self.anchored {
            return None;
        }
        let is_enough = |one: &Candidate| one.bits >= if one.headers > 1 { need } else { need + ALONE };
        let enough = self.all().filter(|one| is_enough(one));
        let best = enough.min_by_key(|one| (one.headers == 1, one.start, one.tried))?;
        // A size that is tried is not proven, nor is a message that may be cut uncut.
        let is_size_proven = !best.tried && self.leads(best);
        Some(if is_size_proven { best.found() } else { Found { size: self.size, matches: 0, ..best.found() } })
    }
}

/// Whether the evidence accepts this reading, if there were no other.
fn is_enough(one: &Candidate, need: u32, anchored: bool, prior: Option<u32>) -> bool {
    let enough = one.headers >= 2 && (anchored || one.bits >= need);
    enough && one.uncut.is_none() && (!one.tried || has_proof(one, prior))
}
