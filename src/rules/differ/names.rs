//! The same scenario under another name.

use std::collections::HashSet;

use crate::compare::{Comparison, Side};
use crate::field;
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
        let both_text = [Side::A, Side::B]
            .iter()
            .all(|&side| mismatch.side(side).is_some_and(|value| matches!(value.value, field::Value::Text(_))));
        mismatch.path.last() == Some("name") && both_text
    };
    let names: HashSet<_> = comparison
        .open()
        .filter(|&index| is_name(index))
        .map(|index| {
            [Side::A, Side::B].map(|side| comparison.mismatches[index].side(side).map(|value| value.text.clone()))
        })
        .collect();
    let mut names = names.into_iter();
    let (Some([Some(a), Some(b)]), None) = (names.next(), names.next()) else { return Vec::new() };
    let claim = super::together(comparison, is_name, |_| {
        format!("the stream is called {} instead of {}", super::short(&b), super::short(&a))
    });
    claim.map(|claim| claim.why("every command that names it does so in the same way")).into_iter().collect()
}
