//! One message in the place of another: between the same neighbours, from the same software, A has one and B the other.

use crate::compare::{Comparison, MessageKind, Side};
use crate::rules::{Certainty, Claim, Effect};
use crate::session::Direction;

use super::{is_same_software, sender};

/// A claim for each command or control message of a direction that is there in the place of one of A.
pub fn claims(comparison: &Comparison<'_>, direction: Direction, kind: MessageKind) -> Vec<Claim> {
    let rows: Vec<usize> = comparison.rows_of(direction).collect();
    let has = |row: usize, side| comparison.item(row, side).is_some();
    let is_in_both = |row: &usize| has(*row, Side::A) && has(*row, Side::B);
    let whole = |row: usize| {
        let mut open = comparison.open();
        open.find(|&index| comparison.mismatches[index].row == row && comparison.mismatches[index].is_whole_message())
    };
    let mut claims = Vec::new();
    for run in rows.split(|row| is_in_both(row)) {
        // A client that is cut off lacks what A sends last.
        let &[one, two] = run else { continue };
        let is_of = |row: usize| comparison.either(row).kind == kind;
        let is_pair = has(one, Side::A) != has(two, Side::A) && is_of(one) && is_of(two);
        let is_between = rows.last() != Some(&one) && rows.last() != Some(&two);
        let (a, b) = if has(one, Side::A) { (one, two) } else { (two, one) };
        let (Some(of_a), Some(of_b)) = (whole(a), whole(b)) else { continue };
        if !is_pair || !is_between || !is_same_software(comparison, direction) {
            continue;
        }
        let [meant, sent] = [a, b].map(|row| comparison.either(row).name.clone());
        if meant == sent {
            continue;
        }
        let who = sender(comparison, b);
        let title = format!("{who} sends {sent} in the place of {meant}");
        let claim = Claim::at(comparison, of_b, Certainty::Possible, title)
            .explaining([of_a])
            .why("A has the other one between the same messages, and its software says the same of itself")
            .fix(format!("send {meant}"))
            .with_effect(Effect::MayMatter);
        claims.push(claim);
    }
    claims
}
