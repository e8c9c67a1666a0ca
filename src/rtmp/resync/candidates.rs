//! The readings that are followed: at most so many, those with the most evidence.
//!
//! The next one that has a header at an offset is found without a look at the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::candidate::{Candidate, Split};
use super::proof::{cost, is_common, worth};
use crate::rtmp::search::type3;

/// At most so many readings are followed at a time.
const MOST: usize = 128;
/// And so many of them inside messages that may be cut anywhere.
const MOST_SPLITS: usize = 16;
/// What a look at every reading costs, in steps.
const SCAN: u64 = MOST as u64 / 8;

/// Readings whose next header is at a known offset.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    /// The chunk size before bytes were lost.
    prior: Option<u32>,
    slots: Vec<Option<Candidate>>,
    free: Vec<usize>,
    /// Where each one's next header is, and its slot. An entry whose slot holds another offset by now is void.
    due: BinaryHeap<Reverse<(usize, usize)>>,
    /// No reading is worth less than this; all may be worth more.
    least: i32,
}

impl Candidates {
    pub fn new(prior: Option<u32>) -> Candidates {
        Candidates { prior, slots: Vec::new(), free: Vec::new(), due: BinaryHeap::new(), least: i32::MAX }
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.slots.iter().flatten()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Candidate> {
        self.slots.iter_mut().flatten()
    }

    /// The slot of a reading whose next header is at `at`. Afterwards it is to be put back or removed.
    pub fn next_due(&mut self, at: usize) -> Option<usize> {
        while let Some(&Reverse((offset, slot))) = self.due.peek()
            && offset <= at
        {
            self.due.pop();
            if self.slots[slot].as_ref().is_some_and(|one| one.at == at) {
                return Some(slot);
            }
        }
        None
    }

    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Candidate> {
        self.slots[slot].as_mut()
    }

    /// Follows a reading on from `at` to its next header. One whose header is cut by the end of the data is due no more.
    pub fn put_back(&mut self, slot: usize, at: usize) {
        if let Some(one) = self.slots[slot].as_ref().filter(|one| one.at > at) {
            self.due.push(Reverse((one.at, slot)));
        }
    }

    pub fn remove(&mut self, slot: usize) -> Option<Candidate> {
        self.free.push(slot);
        self.slots[slot].take()
    }

    /// Follows a reading; if there are too many, the one with the least evidence gives way. Returns the steps that took.
    pub fn keep(&mut self, one: Candidate) -> u64 {
        let worth_of_new = worth(&one, self.prior);
        let mut steps = 1;
        if self.len() >= MOST {
            let (is_worth_more, more_steps) = self.is_worth_more(worth_of_new);
            steps += more_steps;
            if !is_worth_more {
                return steps;
            }
            self.drop_least();
            steps += SCAN;
        }
        self.least = self.least.min(worth_of_new);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.due.push(Reverse((one.at, slot)));
        self.slots[slot] = Some(one);
        if self.due.len() > 4 * MOST {
            let at = |(slot, one): (usize, &Option<Candidate>)| one.as_ref().map(|one| Reverse((one.at, slot)));
            self.due = self.slots.iter().enumerate().filter_map(at).collect();
        }
        steps
    }

    /// Whether a reading like this one, with a size to be tried, would be kept; and the steps that took.
    pub fn would_keep(&mut self, one: &Candidate, size: u32) -> (bool, u64) {
        if self.len() < MOST { (true, 0) } else { self.is_worth_more(one.bits as i32 - cost(size, self.prior)) }
    }

    /// Whether one of the readings is worth less than this; and the steps that took.
    fn is_worth_more(&mut self, worth_of_new: i32) -> (bool, u64) {
        if self.least >= worth_of_new {
            return (false, 0);
        }
        self.least = self.iter().map(|one| worth(one, self.prior)).min().unwrap_or(i32::MAX);
        (self.least < worth_of_new, SCAN)
    }

    fn drop_least(&mut self) {
        let all = self.slots.iter().enumerate().filter_map(|(slot, one)| Some((slot, one.as_ref()?)));
        if let Some((slot, _)) = all.min_by_key(|(_, one)| worth(one, self.prior)) {
            self.slots[slot] = None;
            self.free.push(slot);
        }
    }

    /// Forgets the first `len` bytes, and the readings that begin in them.
    pub fn forget(&mut self, len: usize) {
        self.due.clear();
        for (slot, place) in self.slots.iter_mut().enumerate() {
            if place.take_if(|one| one.start < len).is_some() {
                self.free.push(slot);
            }
            if let Some(one) = place {
                one.start -= len;
                one.at -= len;
                self.due.push(Reverse((one.at, slot)));
            }
        }
    }
}

/// Readings inside a message that may be cut anywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Splits {
    all: Vec<(Candidate, Split)>,
    /// The type-3 headers that may continue the messages: a bit for each, by the low six bits of its first byte.
    firsts: u64,
    /// Where the first of the messages ends, if it is not cut.
    end: usize,
}

impl Splits {
    pub fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.all.iter().map(|(one, _)| one)
    }

    pub fn pairs(&self) -> &[(Candidate, Split)] {
        &self.all
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a header that begins with this byte may continue one of the messages.
    pub fn may_continue(&self, first: u8) -> bool {
        first >= 0xc0 && self.firsts >> (first & 0x3f) & 1 == 1
    }

    /// Whether a cut at `at` makes chunks of a size that senders choose, in one of the messages.
    pub fn any_common(&self, at: usize, prior: Option<u32>) -> bool {
        self.all.iter().any(|(_, split)| split.size_if_cut(at).is_some_and(|size| is_common(size, prior)))
    }

    /// Whether one of the messages ends at `at`, if it is not cut.
    pub fn ends_at(&self, at: usize) -> bool {
        !self.all.is_empty() && self.end == at
    }

    /// Adds one; if there are too many, the one with the least evidence gives way.
    pub fn add(&mut self, one: Candidate, split: Split) {
        if self.all.len() < MOST_SPLITS {
            self.all.push((one, split));
        } else if let Some(least) = self.all.iter_mut().min_by_key(|(other, _)| other.bits)
            && least.0.bits < one.bits
        {
            *least = (one, split);
        }
        self.note();
    }

    /// Takes out those whose message ends at `at`, if it is not cut.
    pub fn take_ended(&mut self, at: usize) -> Vec<(Candidate, Split)> {
        let ended = self.all.extract_if(.., |(_, split)| split.end() == at).collect();
        self.note();
        ended
    }

    /// Forgets the first `len` bytes, and the readings that begin in them.
    pub fn forget(&mut self, len: usize) {
        self.all.retain(|(one, _)| one.start >= len);
        for (one, split) in &mut self.all {
            one.start -= len;
            one.at -= len;
            split.body -= len;
        }
        self.note();
    }

    fn note(&mut self) {
        self.firsts = self.all.iter().fold(0, |firsts, (_, split)| firsts | 1 << (type3(split.csid) & 0x3f));
        self.end = self.all.iter().map(|(_, split)| split.end()).min().unwrap_or(usize::MAX);
    }
}
