//! Which message of one list is which of another: in order, and where payloads repeat.
//!
//! Takes keys (hash of the payload, timestamp) of the messages of one kind on two legs, gives for each of the first
//! list its place in the second. Silence and black video frames repeat by the thousand, so a payload alone says nothing:
//! pairs that are equal in payload *and* timestamp come first, then payloads that occur once on each side between
//! those, then what is left in order. Linear but for one sort.

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// What a message is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Hash of its payload; no two messages that are not whole are equal.
    pub hash: Option<u128>,
    /// Its timestamp in ms.
    pub timestamp: Option<u32>,
}

/// How much later the second list's timestamps are than the first's, as most equal payloads have it; 0 if none is.
pub fn offset(a: &[Key], b: &[Key]) -> i32 {
    /// A payload that occurs more often than this says nothing.
    const MOST: usize = 8;
    let mut by_hash: FxHashMap<u128, Vec<u32>> = FxHashMap::default();
    for (hash, timestamp) in a.iter().filter_map(|key| Some((key.hash?, key.timestamp?))) {
        let timestamps = by_hash.entry(hash).or_default();
        if timestamps.len() <= MOST {
            timestamps.push(timestamp);
        }
    }
    let mut votes: FxHashMap<i32, u64> = FxHashMap::default();
    for (hash, timestamp) in b.iter().filter_map(|key| Some((key.hash?, key.timestamp?))) {
        let candidates = by_hash.get(&hash).filter(|candidates| candidates.len() <= MOST);
        for &candidate in candidates.into_iter().flatten() {
            *votes.entry(timestamp.wrapping_sub(candidate).cast_signed()).or_default() += 1;
        }
    }
    // Where each says something else, none is to be believed.
    if votes.len() > 1 && votes.values().all(|&count| count == 1) {
        return 0;
    }
    // Of equals the smallest, and of those the positive one: the same input gives the same output.
    let best = votes.into_iter().max_by_key(|&(offset, count)| (count, -i64::from(offset).abs(), offset));
    best.map_or(0, |(offset, _)| offset)
}

/// For each of `a`, which of `b` is it: ascending, so that neither list is taken out of order.
pub fn align(a: &[Key], b: &[Key], offset: i32) -> Vec<Option<usize>> {
    let mut pairs = vec![None; a.len()];
    let by_both = |key: &Key, add: i32| Some((key.hash?, key.timestamp?.wrapping_add_signed(add)));
    anchors(a, b, &mut pairs, |key| by_both(key, offset), |key| by_both(key, 0));
    anchors(a, b, &mut pairs, |key| key.hash, |key| key.hash);
    for gap in gaps(&pairs, b.len()) {
        in_order(a, b, &gap, &mut pairs);
    }
    pairs
}

/// Stretches of both lists between two pairs.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Of the first list.
    pub a: std::ops::Range<usize>,
    /// Of the second.
    pub b: std::ops::Range<usize>,
}

/// The stretches between the pairs, those that are empty on both sides left out.
pub fn gaps(pairs: &[Option<usize>], b_len: usize) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let (mut a_from, mut b_from) = (0, 0);
    let ends = pairs.iter().enumerate().filter_map(|(i, pair)| Some((i, (*pair)?)));
    for (i, j) in ends.chain([(pairs.len(), b_len)]) {
        if a_from < i || b_from < j {
            gaps.push(Gap { a: a_from..i, b: b_from..j });
        }
        (a_from, b_from) = (i + 1, j + 1);
    }
    gaps
}

/// Pairs what occurs exactly once on each side of a gap, as far as the order of both sides allows it.
fn anchors<K: Hash + Eq>(
    a: &[Key],
    b: &[Key],
    pairs: &mut [Option<usize>],
    key_of_a: impl Fn(&Key) -> Option<K>,
    key_of_b: impl Fn(&Key) -> Option<K>,
) {
    for gap in gaps(pairs, b.len()) {
        if gap.a.is_empty() || gap.b.is_empty() {
            continue;
        }
        // Where it is in each side, and whether it is there once.
        let mut places: FxHashMap<K, [(usize, u32); 2]> = FxHashMap::default();
        for (side, at, key) in
            gap.a.clone().map(|i| (0, i, key_of_a(&a[i]))).chain(gap.b.clone().map(|j| (1, j, key_of_b(&b[j]))))
        {
            let Some(key) = key else { continue };
            let place = &mut places.entry(key).or_default()[side];
            *place = (at, place.1 + 1);
        }
        let mut unique: Vec<_> =
            places.into_values().filter(|[a, b]| a.1 == 1 && b.1 == 1).map(|[a, b]| (a.0, b.0)).collect();
        unique.sort_unstable();
        for (i, j) in longest_ascending(&unique) {
            pairs[i] = Some(j);
        }
    }
}

/// The longest part of `pairs` (ascending in the first) that ascends in the second too.
fn longest_ascending(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // tails[n] is the pair with the least second that ends an ascending run of n + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut before = vec![None; pairs.len()];
    for (index, pair) in pairs.iter().enumerate() {
        let len = tails.partition_point(|&tail| pairs[tail].1 < pair.1);
        before[index] = len.checked_sub(1).map(|last| tails[last]);
        if len == tails.len() {
            tails.push(index);
        } else {
            tails[len] = index;
        }
    }
    let mut run = Vec::with_capacity(tails.len());
    let mut next = tails.last().copied();
    while let Some(index) = next {
        run.push(pairs[index]);
        next = before[index];
    }
    run.reverse();
    run
}

/// Pairs equal payloads of a gap, each with the first that is left.
fn in_order(a: &[Key], b: &[Key], gap: &Gap, pairs: &mut [Option<usize>]) {
    let mut places: FxHashMap<u128, Vec<usize>> = FxHashMap::default();
    for j in gap.b.clone().rev() {
        if let Some(hash) = b[j].hash {
            places.entry(hash).or_default().push(j);
        }
    }
    let mut from = gap.b.start;
    for i in gap.a.clone() {
        let Some(left) = a[i].hash.and_then(|hash| places.get_mut(&hash)) else { continue };
        // The list is descending: what was passed over is at its end.
        while left.last().is_some_and(|&j| j < from) {
            left.pop();
        }
        if let Some(j) = left.pop() {
            pairs[i] = Some(j);
            from = j + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters are payloads, numbers timestamps.
    fn keys(text: &str) -> Vec<Key> {
        let key = |word: &str| {
            let (hash, timestamp) = word.split_at(1);
            let hash = Some(u128::from(hash.as_bytes()[0])).filter(|_| hash != "?");
            Key { hash, timestamp: timestamp.parse().ok() }
        };
        text.split_whitespace().map(key).collect()
    }

    fn pairs(a: &str, b: &str) -> Vec<(usize, usize)> {
        let (a, b) = (keys(a), keys(b));
        let pairs = align(&a, &b, offset(&a, &b));
        pairs.iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?))).collect()
    }

    #[test]
    fn equal_lists_are_paired_one_by_one() {
        assert_eq!(pairs("a0 b1 c2", "a0 b1 c2"), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(pairs("", "a0"), []);
    }

    #[test]
    fn of_repeated_payloads_the_timestamp_tells_which_is_missing() {
        // The third of five equal ones is missing, and all are 100 later.
        assert_eq!(
            pairs("x0 s1 s2 s3 s4 s5 y6", "x100 s101 s102 s104 s105 y106"),
            [(0, 0), (1, 1), (2, 2), (4, 3), (5, 4), (6, 5)]
        );
        assert_eq!(pairs("s1 s2 s3", "s1 s3"), [(0, 0), (2, 1)]);
    }

    #[test]
    fn a_timestamp_that_jumps_does_not_part_equal_payloads() {
        assert_eq!(pairs("a0 b1 c2 d3", "a0 b1 c52 d53"), [(0, 0), (1, 1), (2, 2), (3, 3)]);
        assert_eq!(pairs("s0 s1 s2", "s7 s70 s700"), [(0, 0), (1, 1), (2, 2)]);
    }

    #[test]
    fn a_loop_is_paired_with_its_own_turn() {
        // The player came in the second turn of a loop.
        assert_eq!(pairs("a0 b1 c2 a3 b4 c5", "a3 b4 c5"), [(3, 0), (4, 1), (5, 2)]);
    }

    #[test]
    fn what_changed_its_place_is_left_over() {
        assert_eq!(pairs("a0 b1 c2 d3", "a0 c2 b1 d3").len(), 3);
        assert_eq!(pairs("?0 a1", "?0 a1"), [(1, 1)]);
    }

    /// Anything quadratic would take hours.
    #[test]
    fn a_day_of_silence_is_aligned_at_once() {
        let silence = |timestamp| Key { hash: Some(1), timestamp };
        let sent: Vec<_> = (0..200_000).map(|n| silence(Some(n * 20))).collect();
        let got: Vec<_> = sent.iter().enumerate().filter(|(n, _)| n % 1000 != 500).map(|(_, key)| *key).collect();
        let pairs = align(&sent, &got, offset(&sent, &got));
        assert!(pairs.iter().enumerate().all(|(n, pair)| pair.is_none() == (n % 1000 == 500)));
        // Without timestamps any will do, as long as all find one.
        let strip = |keys: &[Key]| keys.iter().map(|_| silence(None)).collect::<Vec<_>>();
        let pairs = align(&strip(&sent), &strip(&got), 0);
        assert_eq!(pairs.iter().flatten().count(), got.len());
    }

    #[test]
    fn gaps_are_what_lies_between() {
        let found: Vec<_> = gaps(&[None, Some(1), Some(2), None], 4).into_iter().map(|gap| (gap.a, gap.b)).collect();
        assert_eq!(found, [(0..1, 0..1), (3..4, 3..4)]);
        assert_eq!(gaps(&[Some(0)], 1).len(), 0);
    }
}
