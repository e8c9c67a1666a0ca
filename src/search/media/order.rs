//! Edits of the order: messages that are sent twice, left out, or in another place.

use std::collections::HashMap;

use crate::recording::RecordedMessage;
use crate::rtmp::class::{MediaKind, MessageClass};

use super::bodies::payload_start;
use super::{Both, Edit, Meant, MediaScope};

/// What was done to the order of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderEdit {
    /// A message is there again.
    Repeated,
    /// A message is missing between others.
    LeftOut,
    /// The first message after the configuration is missing.
    FirstLeftOut,
    /// Two neighbours are in each other's place.
    Exchanged,
    /// A message is in another place.
    Moved,
    /// One message is several: its units are in messages of their own.
    Split,
    /// Two messages are one: the body of the second follows that of the first without its tag.
    Joined,
}

/// The edits that make B's order of one kind of media. Where a session begins or ends earlier than the other says
/// nothing.
pub(super) fn edits(all: &[Both<'_>]) -> Vec<Meant> {
    let in_both = |both: &Both<'_>| both.pair().is_some();
    let first = all.iter().position(|both| in_both(both) && !both.is_config());
    let (Some(first), Some(last)) = (first, all.iter().rposition(in_both)) else { return Vec::new() };
    let mut by_hash: HashMap<u128, Vec<usize>> = HashMap::new();
    for (index, both) in all.iter().enumerate() {
        if let Some(kept) = both.sides[0] {
            by_hash.entry(kept.hash).or_default().push(index);
        }
    }
    let of_a_only = |index: usize| all[index].sides[1].is_none() && all[index].sides[0].is_some();
    let mut found: Vec<(OrderEdit, Vec<usize>)> = Vec::new();
    let mut put = |edit: OrderEdit, rows: &[usize]| match found.iter_mut().find(|(known, _)| *known == edit) {
        Some((_, all)) => all.extend(rows),
        None => found.push((edit, rows.to_vec())),
    };
    let mut taken = vec![false; all.len()];
    for index in first..=last {
        let (None, Some(kept)) = (all[index].sides[0], all[index].sides[1]) else { continue };
        let same = by_hash.get(&kept.hash).map_or(&[][..], Vec::as_slice);
        if let Some(&from) = same.iter().find(|&&from| of_a_only(from) && !taken[from]) {
            (taken[from], taken[index]) = (true, true);
            // What is between the two places, of either side.
            let between = all[from.min(index) + 1..from.max(index)].iter().filter(|both| in_both(both)).count();
            let edit = if between == 1 { OrderEdit::Exchanged } else { OrderEdit::Moved };
            put(edit, &[all[index].row, all[from].row]);
        } else if !all[index].is_config()
            && same.iter().any(|&from| in_both(&all[from]) && from.abs_diff(index) <= NEAR)
        {
            taken[index] = true;
            put(OrderEdit::Repeated, &[all[index].row]);
        }
    }
    let is_missing = |index: &usize| of_a_only(*index) && !taken[*index] && !all[*index].is_config();
    let missing: Vec<usize> = (first..=last).filter(is_missing).collect();
    let is_harm = missing.iter().any(|&index| is_missed(all, index));
    let missing: Vec<usize> = missing.into_iter().filter(|_| is_harm).map(|index| all[index].row).collect();
    let of_before: Vec<usize> = (0..first).filter(is_missing).map(|index| all[index].row).collect();
    if !missing.is_empty() {
        found.push((OrderEdit::LeftOut, missing));
    }
    let begins_with_key = |side: usize| {
        let first = all.iter().filter(|both| !both.is_config()).find_map(|both| both.sides[side]);
        first.is_some_and(|kept| kept.class == MessageClass::Video { keyframe: true })
    };
    if !of_before.is_empty() && begins_with_key(0) && !begins_with_key(1) {
        found.push((OrderEdit::FirstLeftOut, of_before));
    }
    let pairs = all.iter().filter(|both| in_both(both)).count();
    // Sessions of which much is in one only are not the same from the start.
    found.retain(|(_, rows)| rows.len() * 2 <= pairs);
    let edits = found.into_iter().map(|(edit, mut rows)| {
        rows.sort_unstable();
        let scope = if rows.len() <= 2 { MediaScope::One } else { MediaScope::Some(all[first].kind) };
        Meant { edit: Edit::Order(edit), scope, rows, is_sole: true }
    });
    edits.collect()
}

/// Whether anything of B may need a message that only A has: video frames up to the next key frame a sender may drop.
fn is_missed(all: &[Both<'_>], index: usize) -> bool {
    let Some(missing) = all[index].sides[0] else { return false };
    if all[index].kind == MediaKind::Audio {
        return true;
    }
    let is_key = |kept: &RecordedMessage| kept.class == MessageClass::Video { keyframe: true };
    let mut after = all[index + 1..].iter().filter(|both| !both.is_config());
    let is_needed = after
        .by_ref()
        .take_while(|both| !both.sides.into_iter().flatten().any(is_key))
        .any(|both| both.sides[1].is_some());
    is_key(missing) || is_needed
}

/// Messages of B that have the bodies of two of A, the second without its tag.
pub(super) fn joined(all: &[Both<'_>]) -> Option<Meant> {
    const LEAST: usize = 3;
    let is_joined = |index: usize| {
        let Some([a, b]) = all[index].pair().filter(|[a, b]| b.body.len() > a.body.len() && b.is_whole()) else {
            return false;
        };
        let neighbours = [index.checked_sub(1), Some(index + 1)].into_iter().flatten();
        neighbours.filter_map(|at| all.get(at)).any(|other| {
            let Some(other) = other.sides[0].filter(|_| other.sides[1].is_none()) else { return false };
            let is_sum = |first: &RecordedMessage, second: &RecordedMessage| {
                let rest = second.body.get(payload_start(second)..).unwrap_or_default();
                b.body.strip_prefix(&first.body[..]) == Some(rest) && !rest.is_empty()
            };
            is_sum(a, other) || is_sum(other, a)
        })
    };
    let found: Vec<usize> = (0..all.len()).filter(|&index| is_joined(index)).collect();
    let of_b = all.iter().filter(|both| both.sides[1].is_some() && !both.is_config()).count();
    let scope = MediaScope::Frames(all.first()?.kind);
    let rows = found.iter().map(|&index| all[index].row).collect();
    let edit = Edit::Order(OrderEdit::Joined);
    (found.len() >= LEAST && found.len() * 2 >= of_b).then_some(Meant { edit, scope, rows, is_sole: true })
}

/// A message that is sent again is so near to the first; silence is the same everywhere.
const NEAR: usize = 4;
