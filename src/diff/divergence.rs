//! The first divergence before a symptom: what a report says first where no cause is known.
//!
//! Takes the causes of a comparison in order. A side that closes, resets, falls silent or does not answer does so for a
//! reason, and where no cause is known that is most likely what differs from A: in the very message that was not answered
//! or that came last, or else before it. Habits, which healthy software differs in, are none. It decides nothing about one
//! session by itself.

use crate::compare::{Comparison, MessageKind, Side};
use crate::rules::{Effect, Layer, Severity, is_same_software, is_symptom};
use crate::session::Direction;

use super::fold::{FoldedCause, Rank};

/// How likely a divergence is to be the reason: the least is the likeliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likelihood {
    /// It is in the message that was not answered, or that came last.
    InTheMessage,
    /// It may matter, or the same software sends something else than in A.
    Odd,
    /// It is about chunks or the handshake, of which receivers say nothing.
    Legal,
}

/// The index of the cause that is the first divergence before the symptom that comes first, if nothing explains that.
pub fn before_symptom(comparison: &Comparison<'_>, causes: &[FoldedCause]) -> Option<usize> {
    comparison.a?;
    let symptom = causes.iter().find(|cause| cause.is_symptom() && cause.effect() > Effect::NoneKnown)?;
    let is_cause = |cause: &FoldedCause| cause.severity() >= Severity::Error && !cause.is_symptom();
    if causes.iter().any(is_cause) || causes.iter().any(|cause| cause.rank() == Rank::Capture) {
        return None;
    }
    let candidates = causes.iter().enumerate().filter_map(|(index, cause)| {
        let likelihood = likelihood(comparison, cause, symptom).filter(|_| !cause.is_symptom())?;
        Some((likelihood, cause.claim.row, index))
    });
    candidates.min().map(|(.., index)| index)
}

/// Puts the divergence first, and says of each of the two what the other is.
pub fn attach(causes: &mut [FoldedCause], first: usize) {
    let title = causes[first].claim.title.clone();
    causes[first].is_first = true;
    let mut symptoms = causes.iter_mut().filter(|cause| cause.is_symptom() && cause.effect() > Effect::NoneKnown);
    let Some(symptom) = symptoms.next() else { return };
    let then = symptom.claim.title.clone();
    join(&mut symptom.claim.why, &format!("the first divergence before it: {title}"));
    join(&mut causes[first].claim.why, &format!("after it {then}, for no reason that is known: this may be it"));
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str("; ");
    }
    text.push_str(more);
}

/// How likely a cause is to be the reason of a symptom; nothing if it comes after it, or is a habit.
fn likelihood(comparison: &Comparison<'_>, cause: &FoldedCause, symptom: &FoldedCause) -> Option<Likelihood> {
    let row = symptom.claim.row;
    let rows = || cause.claim.explains.iter().map(|&index| comparison.mismatches[index].row).chain([cause.claim.row]);
    // What an end cut off is missing because of it; what B has came before it. After a silence nothing counts.
    let is_there = is_symptom(symptom.rule) && comparison.item(cause.claim.row, Side::B).is_some();
    // A snapshot has no order between the directions: what only A has may be due later.
    let is_lost = comparison.has_snapshot() && comparison.item(cause.claim.row, Side::B).is_none();
    if cause.claim.row > row && !is_there || is_lost {
        return None;
    }
    let is_low = matches!(cause.rule.layer, Layer::Chunk | Layer::Handshake | Layer::Capture);
    let may_matter = cause.effect() > Effect::NoneKnown;
    let direction = comparison.either_item(cause.claim.row).direction;
    // What the side itself does otherwise that ends or is silent is no reason for it.
    let is_own = direction == debtor(comparison, symptom);
    if is_own && !may_matter {
        return None;
    }
    let is_spoken = matches!(comparison.either(cause.claim.row).kind, MessageKind::Command | MessageKind::Control);
    if !is_low && rows().any(|other| other == row) && (may_matter || is_spoken) {
        Some(Likelihood::InTheMessage)
    } else if !is_low && (may_matter || is_spoken && is_same_software(comparison, direction)) {
        Some(Likelihood::Odd)
    } else {
        may_matter.then_some(Likelihood::Legal)
    }
}

/// The direction of the side that ends, or does not do what is due. What it does not answer goes the other way; an end is
/// placed at the last message that the side received.
fn debtor(comparison: &Comparison<'_>, symptom: &FoldedCause) -> Direction {
    comparison.either_item(symptom.claim.row).direction.back()
}
