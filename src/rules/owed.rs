//! Rules about what is due: predicates over the table of [`crate::owed`].
//!
//! | module | holds |
//! |---|---|
//! | [`silence`] | a step that is due and does not come, by the client or the server |
//! | [`turn`] | a step that is taken before its turn, twice, or in another's place |
//! | [`end`] | a connection that ends, or stands still, where something was due |
//! | [`tracks`] | audio or video that is announced and never comes |

pub mod end;
pub mod silence;
pub mod tracks;
pub mod turn;

use std::collections::HashSet;

use crate::compare::{Comparison, Side};
use crate::owed::{Progress, Step};
use crate::session::Direction;

use super::Claim;

/// How far B got.
fn of_b<'r>(comparison: &Comparison<'r>) -> Progress<'r> {
    Progress::of(comparison.b, &comparison.identities[Side::B as usize])
}

/// How far A got, if there is one.
fn of_a<'r>(comparison: &Comparison<'r>) -> Option<Progress<'r>> {
    comparison.a.map(|a| Progress::of(a, &comparison.identities[Side::A as usize]))
}

/// Who sends in a direction.
fn sender(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client",
        Direction::ServerToClient => "server",
    }
}

/// The mismatches that are a step which only A has, the first of them first.
fn only_in_a(comparison: &Comparison<'_>, step: Step) -> Vec<usize> {
    let Some(a) = of_a(comparison) else { return Vec::new() };
    let taken: HashSet<usize> = a.taken.iter().filter(|(taken, _)| *taken == step).map(|(_, item)| *item).collect();
    let is_step = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        let row = comparison.rows[mismatch.row];
        let is_only_a = mismatch.is_whole_message() && row.b.is_none();
        is_only_a && row.a.is_some_and(|item| taken.contains(&item))
    };
    (0..comparison.mismatches.len()).filter(is_step).collect()
}

/// The row of an item of B.
fn row_of(comparison: &Comparison<'_>, item: usize) -> Option<usize> {
    comparison.rows.iter().position(|row| row.b == Some(item))
}

/// A claim about the item of B that shows it, with what is said there.
fn claim(
    comparison: &Comparison<'_>,
    item: usize,
    path: impl Into<crate::compare::FieldPath>,
    certainty: super::Certainty,
    title: String,
) -> Option<Claim> {
    let row = row_of(comparison, item)?;
    Some(Claim::of_message(comparison, row, path, certainty, title))
}
