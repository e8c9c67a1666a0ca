//! Which stretches of one byte string are in another, in linear time.
//!
//! The target is cut into blocks, and the hash of each is kept. A rolling hash over the source finds the
//! blocks at any offset; each hit is compared and extended as far as both agree.

use rustc_hash::FxHashMap;

use super::case::{common_prefix, common_suffix};

/// `len` bytes at `source` that equal those at `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Offset in the string that is indexed.
    pub target: usize,
    /// Offset in the string that was searched.
    pub source: usize,
    /// Length in bytes.
    pub len: usize,
}

impl Run {
    /// One past its end in the target.
    pub fn target_end(&self) -> usize {
        self.target + self.len
    }

    /// One past its end in the source.
    pub fn source_end(&self) -> usize {
        self.source + self.len
    }
}

/// The blocks of a byte string.
#[derive(Debug)]
pub struct Index<'a> {
    target: &'a [u8],
    block: usize,
    /// Hash of a block → its first place.
    blocks: FxHashMap<u64, usize>,
    /// `BASE` to the power of `block - 1`, to take the oldest byte out of a hash.
    oldest: u64,
}

const SMALLEST_BLOCK: usize = 16;
/// So many blocks at most, whatever the length.
const MOST_BLOCKS: usize = 1 << 20;
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

impl<'a> Index<'a> {
    /// Indexes `target`.
    pub fn new(target: &'a [u8]) -> Index<'a> {
        // What is shorter than a few blocks is found in smaller ones.
        let smallest = if target.len() < 4 * SMALLEST_BLOCK { SMALLEST_BLOCK / 2 } else { SMALLEST_BLOCK };
        let block = smallest.max(target.len().div_ceil(MOST_BLOCKS).next_power_of_two());
        let mut blocks = FxHashMap::default();
        for (i, bytes) in target.chunks_exact(block).enumerate() {
            blocks.entry(hash(bytes)).or_insert(i * block);
        }
        let oldest = (1..block).fold(1u64, |power, _| power.wrapping_mul(BASE));
        Index { target, block, blocks, oldest }
    }

    /// What is indexed.
    pub fn target(&self) -> &'a [u8] {
        self.target
    }

    /// Stretches of at least twice this length are always found.
    pub fn block(&self) -> usize {
        self.block
    }

    /// The stretches of `source` that are in the target, ascending and without overlap in the source. None begins
    /// before `from`; one that continues the target at `expected` is preferred.
    pub fn runs(&self, source: &[u8], from: usize, expected: Option<usize>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut start, mut floor) = (from, from);
        let mut next = expected;
        while let Some(window) = source.get(start..start + self.block) {
            let mut rolling = hash(window);
            let mut at = start;
            let hit = loop {
                // As many bytes may be other ones, or they are additional.
                let likely = next.map(|next| [next + (at - floor), next]);
                if let Some(target) = self.place(&source[at..at + self.block], rolling, likely) {
                    break Some(target);
                }
                let Some(&newest) = source.get(at + self.block) else { break None };
                rolling = roll(rolling, source[at], newest, self.oldest);
                at += 1;
            };
            let Some(target) = hit else { break };
            let before = common_suffix(&source[floor..at], &self.target[..target]);
            let after = common_prefix(&source[at..], &self.target[target..]);
            let run = Run { target: target - before, source: at - before, len: before + after };
            (start, floor, next) = (run.source_end(), run.source_end(), Some(run.target_end()));
            runs.push(run);
        }
        runs
    }

    /// Where in the target these bytes are.
    fn place(&self, bytes: &[u8], hash: u64, likely: Option<[usize; 2]>) -> Option<usize> {
        let found = *self.blocks.get(&hash)?;
        let stands_at = |at: usize| self.target.get(at..at + self.block) == Some(bytes);
        let likely = likely.into_iter().flatten();
        likely.chain([found]).find(|&at| stands_at(at))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0u64, |hash, &byte| hash.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1))
}

fn roll(hash: u64, oldest: u8, newest: u8, power: u64) -> u64 {
    let without = hash.wrapping_sub((u64::from(oldest) + 1).wrapping_mul(power));
    without.wrapping_mul(BASE).wrapping_add(u64::from(newest) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 7u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(len)
        .collect()
    }

    #[test]
    fn stretches_are_found_wherever_they_stand() {
        let target = noise(1000);
        let source = [&[1, 2, 3], &target[500..900], &[9; 40], &target[10..60]].concat();
        let runs = Index::new(&target).runs(&source, 0, None);
        assert_eq!(runs, [Run { target: 500, source: 3, len: 400 }, Run { target: 10, source: 443, len: 50 }]);
    }

    #[test]
    fn in_text_that_repeats_a_run_is_continued_where_it_left_off() {
        let target = b"0123456789abcdef".repeat(64);
        let mut source = target.clone();
        source.insert(400, b'!');
        let runs = Index::new(&target).runs(&source, 0, None);
        assert_eq!(runs, [Run { target: 0, source: 0, len: 400 }, Run { target: 400, source: 401, len: 624 }]);
    }

    #[test]
    fn what_is_too_short_has_no_stretches() {
        assert_eq!(Index::new(b"").runs(b"abc", 0, None), []);
        assert_eq!(Index::new(b"abc").runs(b"", 0, None), []);
        assert_eq!(Index::new(b"abcdefgh").runs(b"xxabcdefghyy", 0, None), [Run { target: 0, source: 2, len: 8 }]);
    }
}
