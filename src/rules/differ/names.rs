//! The same scenario under another name.

use std::collections::HashSet;

use crate::compare::Comparison;
use crate::rules::{Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static STREAM_NAME: Rule = Rule {
    code: "stream-name-differs",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "the stream has another name",
    page: Page {
        what: "Both sessions publish or play, under names that differ, and everywhere in the same way.",
        looks: "A  publish  02 00 03 6f 6e 65     'one'\n\
                B  publish  02 00 04 74 65 73 74  'test'",
        who: "Recordings of the same scenario that were made with different stream keys.",
        fix: "Nothing, unless the name is meant to be the same. `--ignore '*.name'` leaves it out.",
        source: "RTMP 1.0 sections 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(stream_name),
};

fn stream_name(comparison: &Comparison<'_>) -> Vec<Claim> {
    let is_name = |index: usize| {
        let mismatch = &comparison.mismatches[index];
        mismatch.path.last() == Some("name")
            && mismatch.sides.iter().flatten().filter(|value| value.is_string()).count() == 2
    };
    let names: HashSet<_> = comparison
        .open()
        .filter(|&index| is_name(index))
        .map(|index| comparison.mismatches[index].sides.each_ref().map(|side| side.as_ref().map(super::short)))
        .collect();
    let mut names = names.into_iter();
    let (Some([Some(a), Some(b)]), None) = (names.next(), names.next()) else { return Vec::new() };
    let claim = super::together(comparison, is_name, |_| format!("the stream is called {b} instead of {a}"));
    claim.map(|claim| claim.why("every command that names it does so in the same way")).into_iter().collect()
}
