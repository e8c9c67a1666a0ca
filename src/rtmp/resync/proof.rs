//! Which chunk size the evidence proves.
//!
//! A size that was tried scores for each header at exactly its distance, less what the choice among all sizes explains;
//! it is proven when it leads every other size.

use crate::rtmp::search::Size;

use super::candidate::Candidate;

/// The chunk size until another is announced (RTMP 1.0 5.4.1).
pub(super) const DEFAULT: u32 = 128;
/// The evidence, in bits, for a chunk size: more than what the choice among all sizes explains, by this.
const PROOF: i32 = 9;
/// The evidence, in bits, by which a reading leads its rivals.
pub(super) const LEAD: i32 = 8;
/// So many headers at exact distances prove a size though the message's end was not seen.
const LONG_RUN: u32 = 64;
/// The same for the size before bytes were lost.
const SHORT_RUN: u32 = 2;
/// The evidence, in bits, in one header at exactly the right distance.
const MATCH: i32 = 8;
/// The evidence, in bits, that a size has for no other reason than that it was looked for.
const COMMON: i32 = 7;
const UNCOMMON: i32 = 20;

/// The best of the sizes that were tried, and the best score of any other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranking {
    prior: Option<u32>,
    best: Option<(Size, i32)>,
    second: i32,
}

impl Ranking {
    /// Of these readings. `prior` is the size before bytes were lost.
    pub fn of<'a>(readings: impl Iterator<Item = &'a Candidate>, prior: Option<u32>) -> Ranking {
        let mut ranking = Ranking { prior, best: None, second: i32::MIN };
        for one in readings.filter(|one| one.tried) {
            let score = score(one, prior);
            match ranking.best {
                Some((base, best)) if base == one.base => ranking.best = Some((base, best.max(score))),
                Some((_, best)) if best >= score => ranking.second = ranking.second.max(score),
                before => {
                    ranking.second = before.map_or(i32::MIN, |(_, best)| best);
                    ranking.best = Some((one.base, score));
                }
            }
        }
        ranking
    }

    /// Whether this reading's size is the sender's.
    pub fn proves(&self, one: &Candidate) -> bool {
        let rival = match self.best {
            Some((base, best)) if base != one.base => best,
            _ => self.second,
        };
        has_proof(one, self.prior) && rival.saturating_add(LEAD) <= score(one, self.prior)
    }
}

/// Whether the evidence is enough for this reading's size, if there were no other.
pub(super) fn has_proof(one: &Candidate, prior: Option<u32>) -> bool {
    let run = if one.base == Size::Known(prior.unwrap_or_default()) { SHORT_RUN } else { LONG_RUN };
    (one.landings > 0 || one.matches >= run) && score(one, prior) >= PROOF
}

/// The evidence for the size of a reading, in bits; 0 for one whose size was not tried.
pub(super) fn score(one: &Candidate, prior: Option<u32>) -> i32 {
    match one.base {
        Size::Known(size) if one.tried => one.matches as i32 * MATCH - cost(size, prior),
        _ => 0,
    }
}

/// What a reading is worth being followed for, in bits.
pub(super) fn worth(one: &Candidate, prior: Option<u32>) -> i32 {
    match one.base {
        Size::Known(size) if one.tried => one.bits as i32 - cost(size, prior),
        _ => one.bits as i32,
    }
}

/// Whether senders choose a size like this one.
pub(super) fn is_common(size: u32, prior: Option<u32>) -> bool {
    cost(size, prior) < UNCOMMON
}

/// How much of the evidence for a size the choice among all sizes explains, in bits.
pub(super) fn cost(size: u32, prior: Option<u32>) -> i32 {
    let round = size.is_power_of_two() || (size + 1).is_power_of_two();
    match size {
        // The size before, and the one until another is announced.
        _ if prior == Some(size) || size == DEFAULT => -1,
        _ if size >= 64 && (round || size.is_multiple_of(1000) || size.is_multiple_of(1024)) => COMMON,
        _ => UNCOMMON,
    }
}
