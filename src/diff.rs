//! Two recordings: whether they are the same session, and if not, why.
//!
//! Takes two [`Recording`]s, gives a [`Report`]. Sessions are paired and compared by [`crate::compare`]; the rules of
//! [`crate::rules`] claim the differences, each with its consequences folded under it; what no rule claims is
//! counted as unexplained. It reads no files and lays out no text.

mod divergence;
mod fold;
pub(crate) mod hide;
mod ignore;
mod payload;
mod report;

use crate::compare::{self, Beside, Comparison, pair};
use crate::recording::{Recording, Session};
use crate::rules::{Certainty, Check, Claim, Mode, RULES, Rule, amf, beside, doubtful, mistake};

use fold::Fold;
pub use ignore::Pattern;
pub use report::{
    Bytes, Cause, Connection, Counts, Evidence, Expected, Pair, Place, Report, StatLine, Unexplained, Verdict, Where,
};

/// The version of the report's format.
pub const FORMAT_VERSION: u32 = 1;

/// What a diff may be told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// For the comparison of each pair.
    pub compare: compare::Options,
    /// Pairs of connections, by their numbers; by what they are for if empty.
    pub pairs: Vec<(u32, u32)>,
    /// Paths whose differences do not count.
    pub ignore: Vec<Pattern>,
    /// Codes of rules whose own functions are left out, so that only the search finds what they find.
    #[doc(hidden)]
    pub search_only: Vec<&'static str>,
}

/// Compares two recordings.
pub fn diff(a: &Recording, b: &Recording, options: &Options) -> Report {
    let mut report = one_way(a, b, options);
    if let Some(why) = is_swapped(a, b, options, &report) {
        report.swap(&why);
    }
    report
}

/// Why A breaks, if it does, and nothing is known to be wrong with B.
fn is_swapped(a: &Recording, b: &Recording, options: &Options, report: &Report) -> Option<String> {
    let is_snapshot = |recording: &Recording| recording.sessions.iter().any(|session| session.is_snapshot);
    // Of frames that only one has, senders drop some: A is what is good.
    let is_sure = |cause: &&Cause| {
        cause.breaks() && cause.certainty >= Some(Certainty::Likely) && !mistake::is_of_number(cause.rule)
    };
    let is_open = report.causes.iter().all(|cause| !cause.breaks());
    if report.verdict != Verdict::Different || !is_open || is_snapshot(a) || is_snapshot(b) {
        return None;
    }
    // Where nothing is known to be wrong with B beside A, a mistake of A's shows in A alone, or not at all.
    if report.works == Some(true) {
        let left = [a, b].map(|recording| besides(&recording.sessions));
        let alone = |session: &Session, left: &[Beside]| {
            causes_alone(&Comparison::alone(session, left), 0).into_iter().find(|cause| is_sure(&cause))
        };
        let paired = pair(a, b, &options.pairs).pairs;
        return paired.into_iter().find_map(|(of_a, of_b)| {
            let cause = alone(&a.sessions[of_a], &left[0])?;
            alone(&b.sessions[of_b], &left[1]).is_none().then_some(cause.title)
        });
    }
    let back = |&(of_a, of_b): &(u32, u32)| (of_b, of_a);
    let options = Options { pairs: options.pairs.iter().map(back).collect(), ..options.clone() };
    let compare =
        compare::Options { pins: options.compare.pins.iter().map(|&(a, b)| (b, a)).collect(), ..options.compare };
    let reversed = one_way(b, a, &Options { compare, ..options });
    reversed.causes.iter().find(is_sure).map(|cause| cause.title.clone())
}

fn one_way(a: &Recording, b: &Recording, options: &Options) -> Report {
    let paired = pair(a, b, &options.pairs);
    let mut report = Report::new(a, b, &paired);
    let left = [a, b].map(|recording| besides(&recording.sessions));
    for &(of_a, of_b) in &paired.pairs {
        let mut comparison = Comparison::new(&a.sessions[of_a], &b.sessions[of_b], &options.compare);
        (comparison.around_a, comparison.around) = (&left[0], &left[1]);
        let ignored = ignore::mark(&mut comparison, &options.ignore);
        let mut claims = claims(&comparison, Mode::Diff, &options.search_only);
        claims.extend(payload::claims(&comparison, &claims));
        let shown = [(a, of_a), (b, of_b)].map(|(recording, at)| recording.as_snapshot.as_ref()?.sessions.get(at));
        let mut fold = Fold::new(shown);
        fold.add(&comparison, claims);
        // What is merely different is named where no cause accounts for it.
        comparison.accounted_for = fold.taken().clone();
        fold.add(&comparison, differences(&comparison));
        report.add(&comparison, fold.finish(&comparison), ignored);
    }
    report.finish()
}

/// What each of these sessions is to the others.
pub fn besides(sessions: &[Session]) -> Vec<Beside> {
    sessions.iter().map(beside::of).collect()
}

/// What is wrong with one session by itself: the causes, the gravest of each direction with its consequences folded.
pub fn causes_alone(comparison: &Comparison<'_>, connection: usize) -> Vec<Cause> {
    let mut fold = Fold::new([None, None]);
    fold.add(comparison, claims(comparison, Mode::Lint, &[]));
    let outcome = fold.finish(comparison);
    let works = outcome.works;
    outcome.causes.into_iter().map(|cause| Cause::new(comparison, cause, connection, works)).collect()
}

/// What the rules of a mode say, but those of `left_out`, and what the search finds.
fn claims(comparison: &Comparison<'_>, mode: Mode, left_out: &[&str]) -> Vec<(&'static Rule, Claim)> {
    let is_wanted = |rule: &Rule| rule.modes.contains(&mode) && !left_out.contains(&rule.code);
    let of_mode = RULES.iter().filter(|rule| is_wanted(rule) && rule.applies(comparison));
    let claims = of_mode.flat_map(|rule| match rule.check {
        Check::Diff(check) => check(comparison).into_iter().map(|claim| (*rule, claim)).collect(),
        Check::Payload(_) | Check::Relay | Check::Rest(_) => Vec::new(),
    });
    let mut claims: Vec<_> = claims.collect();
    amf::writer::settle(comparison, &mut claims);
    mistake::join(comparison, &mut claims);
    doubtful::take_out(comparison, &mut claims);
    claims
}

/// What the rules say that look at what the others leave.
fn differences(comparison: &Comparison<'_>) -> Vec<(&'static Rule, Claim)> {
    let claims = RULES.iter().filter(|rule| rule.applies(comparison)).flat_map(|rule| match rule.check {
        Check::Rest(check) => check(comparison).into_iter().map(|claim| (*rule, claim)).collect(),
        Check::Payload(_) | Check::Relay | Check::Diff(_) => Vec::new(),
    });
    claims.collect()
}
