//! Rules for framing that is broken: each is a hypothesis that was replayed (see [`crate::rtmp::hypotheses`]).

use crate::compare::{Comparison, Side, Value};
use crate::recording::Framing;

use super::{Breaks, Certainty, Claim};

/// The claims of the rule `code`: the directions of B that its mistake explains best. What A does too is no cause.
pub fn claims(comparison: &Comparison<'_>, code: &str) -> Vec<Claim> {
    let is_best = |framing: &&Framing| framing.hypotheses[0].code == code;
    let also_in_a = |framing: &&Framing| {
        comparison
            .a
            .framing
            .iter()
            .any(|other| other.direction == framing.direction && other.hypotheses[0].code == code)
    };
    let of_b = comparison.b.framing.iter().filter(is_best).filter(|framing| !also_in_a(framing));
    of_b.filter_map(|framing| claim(comparison, framing)).collect()
}

fn claim(comparison: &Comparison<'_>, framing: &Framing) -> Option<Claim> {
    let best = &framing.hypotheses[0];
    // The first message of the direction that the mistake is in, or the last one before it.
    let rows: Vec<usize> =
        comparison.rows_of(framing.direction).filter(|&row| comparison.item(row, Side::B).is_some()).collect();
    let holds = |&row: &usize| comparison.item(row, Side::B).is_some_and(|item| item.at.end > best.first_at);
    let row = rows.iter().copied().find(holds).or(rows.last().copied())?;
    let place = comparison.item(row, Side::B).map(|item| (best.first_at, item.frames[1]));
    let first = best.evidence.first();
    let value = Value {
        text: first.map(|evidence| evidence.what.clone()).unwrap_or_default(),
        bytes: first.map(|evidence| evidence.bytes.clone()).unwrap_or_default(),
        in_body: None,
        place,
    };
    let certainty = if best.certain { Certainty::Certain } else { Certainty::Likely };
    let evidence: Vec<_> =
        best.evidence.iter().map(|one| format!("{} at stream offset {}", one.what, one.offset)).collect();
    let explains = (0..comparison.mismatches.len()).filter(|&index| comparison.mismatches[index].row == row).collect();
    Some(Claim {
        certainty,
        title: String::new(),
        row,
        path: "chunk".to_owned(),
        sides: [None, Some(value)],
        why: format!(
            "read so, {} messages in {} bytes decode without a fault{}: {}",
            best.messages,
            best.clean_bytes,
            if best.reaches_end { ", to the end of what was looked at" } else { "" },
            evidence.join("; ")
        ),
        fix: String::new(),
        explains,
        breaks: Breaks::Framing,
        severity: None,
    })
}
