//! From claims to causes: each difference belongs to one cause, and what only follows from one is folded under it.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::compare::{Comparison, FieldPath, Mismatch, Side};
use crate::owed::Progress;
use crate::recording::{RecordedEvent, Session};
use crate::rules::{Certainty, Check, Claim, Effect, Impact, Mode, Rule, Severity, is_silence, is_symptom};
use crate::session::Direction;

use super::divergence;

/// A cause, and what belongs to it.
pub struct FoldedCause {
    /// The rule that claims it.
    pub rule: &'static Rule,
    /// What it says.
    pub claim: Claim,
    /// Indices of the mismatches that exist only because of it.
    pub consequences: Vec<usize>,
    /// How many other claims are only of what follows from it.
    pub folded: usize,
    /// Whether it is the first divergence before a symptom that nothing explains.
    pub is_first: bool,
}

/// The order of causes. Among those of one rank it is where they show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The capture lost bytes: all else is to be read with that in mind.
    Capture,
    /// Nothing says why the session does not continue, and this is what differs before that.
    Divergence,
    /// Something breaks.
    Failure,
    /// Something may break.
    Warning,
    /// The session ended, and nobody said why.
    End,
    /// It may matter to somebody.
    MayMatter,
    /// Nothing is known to come of it.
    Habit,
}

/// What the rules say that a claim may not be about, or has to be.
struct Known {
    of_a: HashSet<Said>,
    of_b: Option<HashSet<Said>>,
}

/// What a rule says, and of what: the rule, the item of A, and the field.
#[derive(PartialEq, Eq, Hash)]
struct Said(&'static str, Option<usize>, FieldPath);

impl Said {
    fn new(comparison: &Comparison<'_>, rule: &Rule, claim: &Claim) -> Said {
        // The snapshot of a capture has its items in another order.
        let is_in_order = comparison.a.is_some_and(|a| a.is_snapshot) || !comparison.b.is_snapshot;
        let item = comparison.rows.get(claim.row).and_then(|row| row.a).filter(|_| is_in_order);
        Said(rule.code, item, claim.path.clone())
    }
}

fn said(comparison: Comparison<'_>) -> HashSet<Said> {
    let claims = super::claims(&comparison, Mode::Diff, &[]).into_iter();
    claims.map(|(rule, claim)| Said::new(&comparison, rule, &claim)).collect()
}

/// The causes in order, and the mismatches left.
pub struct Outcome {
    /// The causes.
    pub causes: Vec<FoldedCause>,
    /// Indices of mismatches that nothing explains.
    pub unexplained: Vec<usize>,
    /// Whether B does what it is for, and none of the causes breaks it.
    pub works: bool,
}

/// Causes as they are gathered from claims: first from those of faults, then from those of what is left.
pub struct Fold<'r> {
    as_snapshots: [Option<&'r Session>; 2],
    known: Option<Known>,
    causes: Vec<FoldedCause>,
    taken: HashSet<usize>,
}

impl<'r> Fold<'r> {
    /// For a comparison. `as_snapshots` are the same sessions as snapshots show them, where one is read from a snapshot.
    pub fn new(as_snapshots: [Option<&'r Session>; 2]) -> Fold<'r> {
        Fold { as_snapshots, known: None, causes: Vec::new(), taken: HashSet::new() }
    }

    /// Whether a claim that explains no difference is about one all the same: the rules do not say it of A, and beside a
    /// snapshot they say it also of what a snapshot would show of B.
    fn is_of_b_only(&mut self, comparison: &Comparison<'_>, rule: &'static Rule, claim: &Claim) -> bool {
        let (Some(a), b) = (comparison.a, comparison.b) else { return true };
        let known = self.known.get_or_insert_with(|| {
            let of_a = said(Comparison { around: comparison.around_a, ..Comparison::plain(a, a) });
            let [shown_a, shown_b] = [self.as_snapshots[0].unwrap_or(a), self.as_snapshots[1].unwrap_or(b)];
            let (mut only_a, mut only_b) = (of_a, None);
            if comparison.has_snapshot() {
                only_a.extend(said(Comparison::plain(shown_a, shown_a)));
                only_b = Some(said(Comparison::plain(shown_a, shown_b)));
            }
            Known { of_a: only_a, of_b: only_b }
        });
        let said = Said::new(comparison, rule, claim);
        let is_shown = known.of_b.as_ref().is_none_or(|of_b| of_b.contains(&said));
        !known.of_a.contains(&said) && (is_shown || field_differs(comparison, claim))
    }

    /// Sorts claims out.
    pub fn add(&mut self, comparison: &Comparison<'_>, mut claims: Vec<(&'static Rule, Claim)>) {
        // What the capture lost is known before anything is made of the rest, and how it ended is asked when all else
        // is known. Of two claims about the same place the surer one counts, then the worse one; rules that say more
        // are first.
        claims.sort_by_key(|(rule, claim)| {
            let breaks_framing = claim.impact == Impact::Framing;
            (
                phase(claim),
                claim.severity.unwrap_or(rule.severity) == Severity::Info,
                claim.row,
                Reverse(breaks_framing),
                Reverse(claim.certainty),
                Reverse(claim.severity.unwrap_or(rule.severity)),
            )
        });
        let breaks: Vec<usize> =
            claims.iter().filter(|(_, claim)| claim.impact == Impact::Framing).map(|(_, claim)| claim.row).collect();
        for (rule, claim) in claims {
            if !breaks.iter().any(|&row| is_spoilt_by(comparison, row, &claim)) {
                self.put(comparison, rule, claim);
            }
        }
    }

    fn put(&mut self, comparison: &Comparison<'_>, rule: &'static Rule, mut claim: Claim) {
        let had_some = !claim.explains.is_empty();
        // What explains no difference may be in A as well.
        let is_of_b_only = !had_some && self.is_of_b_only(comparison, rule, &claim);
        let Fold { causes, taken, .. } = self;
        let fresh: Vec<usize> = claim.explains.iter().copied().filter(|index| !taken.contains(index)).collect();
        let has_open = |indices: &[usize]| indices.iter().any(|index| is_open(comparison, *index));
        let brings_more = || {
            claim.impact != Impact::Nothing
                && (0..comparison.mismatches.len()).any(|index| {
                    is_open(comparison, index) && !taken.contains(&index) && comes_after(comparison, index, &claim)
                })
        };
        // What is expected anyhow is no news, unless something comes of it.
        let may_stand_alone = !had_some && is_of_b_only;
        let is_new = has_open(&fresh) || may_stand_alone || brings_more();
        if !is_new {
            return;
        }
        if let Some(cause) = causes.iter_mut().find(|cause| follows(comparison, cause, &claim)) {
            cause.folded += 1;
            if matches!(claim.impact, Impact::End | Impact::Owed) {
                // What the end cut off belongs to what brought it about.
                let mut end = FoldedCause::new(rule, claim);
                end.take_consequences(comparison, taken);
                cause.consequences.append(&mut end.consequences);
            }
            return;
        }
        if comparison.a.is_none()
            && let Some(cause) = causes.iter_mut().find(|cause| is_same_place(cause, rule, &claim))
        {
            cause.folded += 1;
            return;
        }
        if causes.iter().any(|cause| is_doubtful(comparison, cause, &claim)) {
            claim.certainty = claim.certainty.min(Certainty::Likely);
        }
        taken.extend(fresh);
        let mut cause = FoldedCause::new(rule, claim);
        if phase(&cause.claim) > 0 {
            cause.take_consequences(comparison, taken);
        }
        causes.push(cause);
    }

    /// Indices of the mismatches that belong to a cause so far.
    pub fn taken(&self) -> &HashSet<usize> {
        &self.taken
    }

    /// The causes in order, and what is left.
    pub fn finish(self, comparison: &Comparison<'_>) -> Outcome {
        let Fold { mut causes, mut taken, .. } = self;
        // What the capture lost may be why anything differs after it, where nothing else explains it.
        for cause in causes.iter_mut().filter(|cause| phase(&cause.claim) == 0) {
            cause.take_consequences(comparison, &mut taken);
        }
        let is_left = |index: &usize| is_open(comparison, *index) && !taken.contains(index);
        let unexplained = (0..comparison.mismatches.len()).filter(is_left).collect();
        causes.sort_by_key(|cause| (cause.rank(), cause.claim.row));
        if let Some(first) = divergence::before_symptom(comparison, &causes) {
            divergence::attach(&mut causes, first);
            causes.sort_by_key(|cause| (cause.rank(), cause.claim.row));
        }
        let serves = Progress::of(comparison.b, &comparison.identities[Side::B as usize]).serves();
        let works = serves && causes.iter().all(|cause| cause.effect() < Effect::Breaks);
        Outcome { causes, unexplained, works }
    }
}

/// Whether the field of a claim differs anywhere in its direction.
fn field_differs(comparison: &Comparison<'_>, claim: &Claim) -> bool {
    let direction = comparison.either_item(claim.row).direction;
    let mut open = comparison.open().map(|index| &comparison.mismatches[index]);
    open.any(|other| other.path == claim.path && comparison.either_item(other.row).direction == direction)
}

/// Whether a claim that is a guess is at the last message before a break, whose bytes it spoils.
fn is_spoilt_by(comparison: &Comparison<'_>, broken: usize, claim: &Claim) -> bool {
    let direction = comparison.either_item(broken).direction;
    let is_guess = claim.certainty == Certainty::Possible && claim.impact == Impact::Nothing;
    let before = || comparison.rows_of(direction).take_while(|&row| row < broken).last();
    is_guess && comparison.either(claim.row).kind.is_media() && before() == Some(claim.row)
}

fn is_open(comparison: &Comparison<'_>, index: usize) -> bool {
    comparison.mismatches[index].expected.is_none()
}

impl FoldedCause {
    fn new(rule: &'static Rule, claim: Claim) -> FoldedCause {
        FoldedCause { rule, claim, consequences: Vec::new(), folded: 0, is_first: false }
    }

    /// Whether it says how the session ended or stopped, and not why.
    pub fn is_symptom(&self) -> bool {
        is_symptom(self.rule) || is_silence(self.rule)
    }

    /// Takes what differs after it and belongs to nothing else.
    fn take_consequences(&mut self, comparison: &Comparison<'_>, taken: &mut HashSet<usize>) {
        let after = comparison.open().filter(|index| comes_after(comparison, *index, &self.claim));
        self.consequences.extend(after.filter(|index| taken.insert(*index)));
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.claim.severity.unwrap_or(self.rule.severity)
    }

    /// Its place among the causes.
    pub fn rank(&self) -> Rank {
        if self.is_first {
            return Rank::Divergence;
        }
        match (self.claim.impact, self.severity()) {
            (Impact::Capture { .. }, _) => Rank::Capture,
            (Impact::End, _) => Rank::End,
            (_, Severity::Fatal | Severity::Error) => Rank::Failure,
            (_, Severity::Warning) => Rank::Warning,
            (_, Severity::Info) if self.effect() > Effect::NoneKnown => Rank::MayMatter,
            (_, Severity::Info) => Rank::Habit,
        }
    }

    /// What comes of it.
    pub fn effect(&self) -> Effect {
        let of_severity = match self.severity() {
            Severity::Info => Effect::NoneKnown,
            Severity::Warning => Effect::MayMatter,
            Severity::Error | Severity::Fatal => Effect::Breaks,
        };
        let effect = self.claim.effect.unwrap_or(of_severity);
        if self.is_first { effect.max(Effect::MayMatter) } else { effect }
    }

    /// How sure it is, if it is an explanation: facts and differences are none. What only some peers would mind explains
    /// nothing where `all_is_well`.
    pub fn certainty(&self, all_is_well: bool) -> Option<Certainty> {
        let is_fact = match self.severity() {
            Severity::Info => true,
            Severity::Warning => all_is_well && !matches!(self.claim.impact, Impact::Capture { .. }),
            Severity::Error | Severity::Fatal => false,
        };
        (!is_fact && !matches!(self.rule.check, Check::Rest(_))).then_some(self.claim.certainty)
    }
}

/// When a claim is looked at.
fn phase(claim: &Claim) -> u8 {
    match claim.impact {
        Impact::Capture { .. } => 0,
        Impact::Owed => 2,
        Impact::End => 3,
        _ => 1,
    }
}

/// Whether an earlier cause explains this one too.
fn follows(comparison: &Comparison<'_>, cause: &FoldedCause, claim: &Claim) -> bool {
    let is_later = claim.row > cause.claim.row;
    match (cause.claim.impact, claim.impact) {
        // Each says of its own bytes that they are lost.
        (_, Impact::Capture { .. }) => false,
        // Whatever fails may be why it ends.
        (Impact::Owed, Impact::End) => true,
        (Impact::Nothing | Impact::Owed | Impact::End, Impact::Owed | Impact::End) => cause.rank() == Rank::Failure,
        // The last message that came whole may come before the one that broke.
        (Impact::Framing | Impact::Response, Impact::Owed | Impact::End) => true,
        (Impact::Nothing | Impact::Owed | Impact::End, _) => false,
        (Impact::Framing | Impact::Response, _) => is_later && row_comes_after(comparison, claim.row, &cause.claim),
        // What came whole after the loss says what it says, but for what a receiver needs the lost bytes for.
        (Impact::Capture { direction, from }, _) => {
            let needs_the_lost = matches!(claim.path, FieldPath::TIMESTAMP | FieldPath::Chunk(_));
            claim.row >= from
                && is_of(comparison, claim.row, direction)
                && (needs_the_lost || is_missing(comparison, claim.row) || is_damaged(comparison, claim.row))
        }
    }
}

/// Whether a claim about one session is about what an earlier, surer one has said already: the same bytes, the same
/// layer of the same message, or a message that nobody understands anyhow. Beside a good session the mismatches tell.
fn is_same_place(cause: &FoldedCause, rule: &Rule, claim: &Claim) -> bool {
    let bytes = |claim: &Claim| claim.sides[Side::B as usize].as_ref().and_then(|value| value.in_body.clone());
    let overlap = match (bytes(&cause.claim), bytes(claim)) {
        (Some(one), Some(other)) => one.start < other.end && other.start < one.end,
        _ => false,
    };
    // Who is not answered, or is closed on, for a message that is wrong, is so for that; and what is merely possible
    // needs no saying where something surer is known.
    let is_failure = cause.rank() == Rank::Failure;
    let is_weak = matches!(claim.impact, Impact::Response) || claim.certainty == Certainty::Possible;
    let follows = is_failure && is_weak && claim.certainty < cause.claim.certainty;
    let is_here = cause.claim.row == claim.row
        && (overlap || cause.rule.layer == rule.layer || cause.claim.impact != Impact::Nothing || follows)
        && !matches!(cause.claim.impact, Impact::Capture { .. });
    is_here || is_failure && matches!(claim.impact, Impact::Owed | Impact::End)
}

/// Whether a claim is made of what a capture has left.
fn is_doubtful(comparison: &Comparison<'_>, cause: &FoldedCause, claim: &Claim) -> bool {
    match (cause.claim.impact, claim.impact) {
        (_, Impact::Capture { .. }) => false,
        (Impact::Capture { direction, from }, _) => {
            claim.row >= from && (is_of(comparison, claim.row, direction) || is_missing(comparison, claim.row))
        }
        _ => false,
    }
}

fn comes_after(comparison: &Comparison<'_>, mismatch: usize, claim: &Claim) -> bool {
    let Mismatch { row, path, sides, .. } = &comparison.mismatches[mismatch];
    let row = *row;
    match claim.impact {
        Impact::Capture { direction, from } => {
            // Without its call an answer has another name, and without its block a C2 or S2 is judged by nobody.
            let is_of_lost_call = is_missing(comparison, row) && comparison.either(row).is("_result");
            let is_of_lost_block = *path == FieldPath::ANSWER && sides.iter().any(Option::is_none);
            row >= from && (is_of(comparison, row, direction) || is_of_lost_call || is_of_lost_block)
        }
        _ => {
            row == claim.row && claim.impact == Impact::Framing
                || row > claim.row && row_comes_after(comparison, row, claim)
        }
    }
}

/// Whether what a row shows can come of the claim: it is later, and of the direction that broke, or of the other
/// side's answers, or it is missing.
fn row_comes_after(comparison: &Comparison<'_>, row: usize, claim: &Claim) -> bool {
    let broken = comparison.either_item(claim.row).direction;
    match claim.impact {
        Impact::Nothing | Impact::Capture { .. } => false,
        Impact::Framing => comparison.either_item(row).direction == broken || is_missing(comparison, row),
        Impact::Response => is_missing(comparison, row) || comparison.either_item(row).direction != broken,
        Impact::Owed | Impact::End => comparison.item(row, Side::B).is_none(),
    }
}

fn is_of(comparison: &Comparison<'_>, row: usize, direction: Option<Direction>) -> bool {
    direction.is_none_or(|direction| comparison.either_item(row).direction == direction)
}

fn is_missing(comparison: &Comparison<'_>, row: usize) -> bool {
    if comparison.a.is_none() {
        return false;
    }
    comparison.item(row, Side::A).is_none() || comparison.item(row, Side::B).is_none()
}

fn is_damaged(comparison: &Comparison<'_>, row: usize) -> bool {
    [Side::A, Side::B].into_iter().filter_map(|side| comparison.item(row, side)).any(RecordedEvent::is_damaged)
}
