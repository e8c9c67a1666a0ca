//! From claims to causes: each difference belongs to one cause, and what only follows from one is folded under it.

use std::collections::HashSet;

use crate::compare::{Comparison, Side};
use crate::rules::{Breaks, Claim, Rule, Severity};

/// A cause, and what belongs to it.
pub struct Folded {
    /// The rule that claims it.
    pub rule: &'static Rule,
    /// What it says.
    pub claim: Claim,
    /// Indices of the mismatches that exist only because of it.
    pub consequences: Vec<usize>,
}

/// The causes in order: what breaks something first, then by where they show; and the mismatches left.
pub struct Outcome {
    /// The causes.
    pub causes: Vec<Folded>,
    /// Indices of mismatches that nothing explains.
    pub unexplained: Vec<usize>,
}

/// Sorts claims out.
pub fn fold(comparison: &Comparison<'_>, mut claims: Vec<(&'static Rule, Claim)>) -> Outcome {
    let is_open = |index: &usize| comparison.mismatches[*index].expected.is_none();
    // Of two claims about the same place the surer one counts, then the worse one; rules that say more stand first.
    claims.sort_by_key(|(rule, claim)| {
        (
            claim.row,
            std::cmp::Reverse(claim.breaks == Breaks::Framing),
            std::cmp::Reverse(claim.certainty),
            std::cmp::Reverse(rule.severity),
        )
    });
    let mut taken: HashSet<usize> = HashSet::new();
    let mut causes: Vec<Folded> = Vec::new();
    for (rule, claim) in claims {
        let had_some = !claim.explains.is_empty();
        let fresh: Vec<usize> = claim.explains.iter().copied().filter(|index| !taken.contains(index)).collect();
        let is_new = fresh.iter().any(&is_open) || !had_some;
        if !is_new || follows(comparison, &causes, &claim) {
            continue;
        }
        taken.extend(fresh);
        let mut consequences = Vec::new();
        if claim.breaks != Breaks::Nothing {
            consequences.extend(
                (0..comparison.mismatches.len())
                    .filter(|index| is_open(index) && !taken.contains(index) && is_behind(comparison, *index, &claim)),
            );
        }
        taken.extend(&consequences);
        causes.push(Folded { rule, claim, consequences });
    }
    let unexplained =
        (0..comparison.mismatches.len()).filter(|index| is_open(index) && !taken.contains(index)).collect();
    causes.sort_by_key(|cause| (cause.rule.severity < Severity::Error, cause.claim.row));
    Outcome { causes, unexplained }
}

/// Whether an earlier cause explains this one too.
fn follows(comparison: &Comparison<'_>, causes: &[Folded], claim: &Claim) -> bool {
    causes.iter().any(|cause| match cause.claim.breaks {
        Breaks::Nothing => false,
        Breaks::Framing | Breaks::Answer => {
            claim.row > cause.claim.row && row_is_behind(comparison, claim.row, &cause.claim)
        }
    })
}

fn is_behind(comparison: &Comparison<'_>, mismatch: usize, claim: &Claim) -> bool {
    let row = comparison.mismatches[mismatch].row;
    row == claim.row && claim.breaks == Breaks::Framing || row > claim.row && row_is_behind(comparison, row, claim)
}

/// Whether what a row shows can come of the claim: it is later, and of the direction that broke, or of the other
/// side's answers, or it is missing.
fn row_is_behind(comparison: &Comparison<'_>, row: usize, claim: &Claim) -> bool {
    let broken = comparison.either_item(claim.row).direction;
    let is_missing = comparison.item(row, Side::A).is_none() || comparison.item(row, Side::B).is_none();
    match claim.breaks {
        Breaks::Nothing => false,
        Breaks::Framing => comparison.either_item(row).direction == broken || is_missing,
        Breaks::Answer => is_missing || comparison.either_item(row).direction != broken,
    }
}
