//! Which message of A is which of B: lane by lane, anchored on what is the same.

use std::collections::{HashMap, HashSet};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::recording::Session;
use crate::session::Direction;

use super::lane::{Lane, Named};
use super::{Aligned, Options};

/// Aligns two sessions. Rows come in the order of B; what only A has comes after the row that A has before it.
pub fn align(a: &Session, b: &Session, named: &[Vec<Named>; 2], options: &Options) -> Vec<Aligned> {
    let mut partner: HashMap<usize, usize> = HashMap::new();
    for lane in lanes(a, b, named) {
        let [in_a, in_b] = [(a, &named[0]), (b, &named[1])].map(|(session, named)| members(session, named, lane));
        partner.extend(align_lane(&in_a, &in_b, named));
    }
    for &(number_a, number_b) in &options.pins {
        let find = |session: &Session, number| session.items.iter().position(|item| item.number == number);
        if let (Some(at_a), Some(at_b)) = (find(a, number_a), find(b, number_b)) {
            partner.retain(|_, taken| *taken != at_b);
            partner.insert(at_a, at_b);
        }
    }
    in_order(a, b, &partner, options)
}

type LaneOf = (Direction, Lane);

fn lanes(a: &Session, b: &Session, named: &[Vec<Named>; 2]) -> Vec<LaneOf> {
    let of = |session: &Session, named: &[Named]| -> Vec<LaneOf> {
        session.items.iter().zip(named).map(|(item, named)| (item.direction, named.lane)).collect()
    };
    let all: HashSet<_> = of(a, &named[0]).into_iter().chain(of(b, &named[1])).collect();
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort();
    all
}

fn members(session: &Session, named: &[Named], (direction, lane): LaneOf) -> Vec<usize> {
    let is_member = |&index: &usize| session.items[index].direction == direction && named[index].lane == lane;
    (0..session.items.len()).filter(is_member).collect()
}

/// Pairs of indices. Equal keys are matched first, so that what was put in or left out shows as that; what is left
/// between two matches is paired in order, name by name.
fn align_lane(in_a: &[usize], in_b: &[usize], named: &[Vec<Named>; 2]) -> Vec<(usize, usize)> {
    let key = |side: usize, index: usize| (&named[side][index].name, &named[side][index].key);
    // Only what both sides have can be an anchor: so the search costs what the differences among these cost.
    let keys_a: HashSet<_> = in_a.iter().map(|&index| key(0, index)).collect();
    let keys_b: HashSet<_> = in_b.iter().map(|&index| key(1, index)).collect();
    let common_a: Vec<_> = (0..in_a.len()).filter(|&at| keys_b.contains(&key(0, in_a[at]))).collect();
    let common_b: Vec<_> = (0..in_b.len()).filter(|&at| keys_a.contains(&key(1, in_b[at]))).collect();
    let of_a: Vec<_> = common_a.iter().map(|&at| key(0, in_a[at])).collect();
    let of_b: Vec<_> = common_b.iter().map(|&at| key(1, in_b[at])).collect();
    let mut pairs = Vec::new();
    let (mut from_a, mut from_b) = (0, 0);
    for op in capture_diff_slices(Algorithm::Patience, &of_a, &of_b) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            for step in 0..len {
                let (at_a, at_b) = (common_a[old_index + step], common_b[new_index + step]);
                fill(&in_a[from_a..at_a], &in_b[from_b..at_b], named, &mut pairs);
                pairs.push((in_a[at_a], in_b[at_b]));
                (from_a, from_b) = (at_a + 1, at_b + 1);
            }
        }
    }
    fill(&in_a[from_a..], &in_b[from_b..], named, &mut pairs);
    pairs
}

/// Pairs what is between two anchors: those of the same name, in order.
fn fill(gap_a: &[usize], gap_b: &[usize], named: &[Vec<Named>; 2], pairs: &mut Vec<(usize, usize)>) {
    let mut waiting: HashMap<&str, Vec<usize>> = HashMap::new();
    for &index in gap_b.iter().rev() {
        waiting.entry(&named[1][index].name).or_default().push(index);
    }
    for &index in gap_a {
        if let Some(partner) = waiting.get_mut(named[0][index].name.as_str()).and_then(Vec::pop) {
            pairs.push((index, partner));
        }
    }
}

fn in_order(a: &Session, b: &Session, partner: &HashMap<usize, usize>, options: &Options) -> Vec<Aligned> {
    let taken: HashMap<usize, usize> = partner.iter().map(|(&a, &b)| (b, a)).collect();
    let mut rows = Vec::with_capacity(b.items.len());
    let mut next_a = 0;
    let mut pending = |until: usize, rows: &mut Vec<Aligned>| {
        while next_a <= until.min(a.items.len().wrapping_sub(1)) && next_a < a.items.len() {
            if !partner.contains_key(&next_a) {
                rows.push(Aligned { a: Some(next_a), b: None });
            }
            next_a += 1;
        }
    };
    for index in 0..b.items.len() {
        let of_a = taken.get(&index).copied();
        if let Some(of_a) = of_a {
            pending(of_a, &mut rows);
        }
        rows.push(Aligned { a: of_a, b: Some(index) });
    }
    pending(usize::MAX, &mut rows);
    let direction = |row: &Aligned| match (row.a, row.b) {
        (_, Some(index)) => b.items[index].direction,
        (Some(index), None) => a.items[index].direction,
        (None, None) => Direction::ClientToServer,
    };
    rows.retain(|row| options.direction.is_none_or(|only| only == direction(row)));
    rows
}
