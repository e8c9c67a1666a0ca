//! Bodies that were changed on their way into the message: the payload rules, for messages of A and B beside each other.
//!
//! Takes what other rules left over of the media's differences, gives one claim a direction and rule. Only bodies
//! that the recording has whole are looked at.

use std::collections::HashSet;

use crate::compare::{Comparison, Lane, Side, Value};
use crate::rtmp::body::Body;
use crate::rtmp::media::{Audio, Video};
use crate::rtmp::{MessageTypeId, body};
use crate::rules::{Breaks, Case, Certainty, Claim, Finding, Rule, explain_payload};
use crate::session::Direction;

/// So many messages are explained one by one; what the first say must hold for the others.
const MOST: usize = 4096;
/// So many bytes of bodies are looked at.
const MOST_BYTES: usize = 32 << 20;

/// A message whose payload differs, and why.
struct Explained {
    row: usize,
    mismatches: Vec<usize>,
    rule: &'static Rule,
    finding: Finding,
    /// Where the compared bytes begin in both bodies.
    starts: [usize; 2],
}

/// The claims of the payload rules, where nobody claims the bodies' differences who is sure.
pub fn claims(comparison: &Comparison<'_>, others: &[(&'static Rule, Claim)]) -> Vec<(&'static Rule, Claim)> {
    let taken: HashSet<usize> = others
        .iter()
        .filter(|(_, claim)| claim.certainty >= Certainty::Likely)
        .flat_map(|(_, claim)| claim.explains.iter().copied())
        .collect();
    let mut all = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let (mut explained, differing) = explain(comparison, direction, &taken);
        // Two captures of other material differ everywhere, and no rule of this kind is the reason.
        while let Some(first) = explained.first() {
            let code = first.rule.code;
            let (same, rest): (Vec<_>, Vec<_>) = explained.into_iter().partition(|one| one.rule.code == code);
            explained = rest;
            if same.len() * 10 >= differing * 9 {
                all.push((same[0].rule, claim(comparison, &same, differing)));
            }
        }
    }
    all
}

/// The messages whose bodies differ and a rule that explains it, and how many differ at all.
fn explain(comparison: &Comparison<'_>, direction: Direction, taken: &HashSet<usize>) -> (Vec<Explained>, usize) {
    let mut explained: Vec<Explained> = Vec::new();
    let (mut differing, mut bytes) = (0, 0);
    for (row, mismatches) in by_row(comparison, taken) {
        if comparison.either_item(row).direction != direction || differing >= MOST || bytes >= MOST_BYTES {
            continue;
        }
        let sides = [Side::A, Side::B].map(|side| comparison.item(row, side).and_then(|item| item.message()));
        let [Some(a), Some(b)] = sides else { continue };
        if !a.is_whole() || !b.is_whole() {
            continue;
        }
        differing += 1;
        bytes += a.body.len() + b.body.len();
        // The payload first: what happened to it may have spared the header, or gone over both.
        let payloads = [a, b].map(|kept| payload_start(kept.header.type_id, &kept.body));
        for starts in [payloads, [0, 0]] {
            let case = Case::new(&a.body[starts[0]..], &b.body[starts[1]..]);
            if let Some((rule, finding)) = explain_payload(&case).filter(|(rule, _)| rule.code != "px-unrelated") {
                explained.push(Explained { row, mismatches, rule, finding, starts });
                break;
            }
        }
    }
    (explained, differing)
}

/// The open differences of media bodies, by row.
fn by_row(comparison: &Comparison<'_>, taken: &HashSet<usize>) -> Vec<(usize, Vec<usize>)> {
    let mut rows: Vec<(usize, Vec<usize>)> = Vec::new();
    for index in comparison.open() {
        let mismatch = &comparison.mismatches[index];
        let is_body = !mismatch.path.starts_with("header.") && !mismatch.path.starts_with("chunk.");
        let is_coded = matches!(comparison.either(mismatch.row).lane, Lane::Audio | Lane::Video);
        if !is_body || !is_coded || mismatch.is_whole_message() || taken.contains(&index) {
            continue;
        }
        match rows.last_mut() {
            Some((row, mismatches)) if *row == mismatch.row => mismatches.push(index),
            _ => rows.push((mismatch.row, vec![index])),
        }
    }
    rows
}

/// Where the sound or picture begins in a body.
fn payload_start(type_id: MessageTypeId, bytes: &[u8]) -> usize {
    let payload = match body::decode(type_id, bytes, bytes.len() as u32, &mut ()).body {
        Body::Audio(Audio { payload, .. }) | Body::Video(Video { payload, .. }) => payload.len(),
        _ => bytes.len(),
    };
    bytes.len() - payload
}

fn claim(comparison: &Comparison<'_>, same: &[Explained], differing: usize) -> Claim {
    let Explained { row, finding, starts, .. } = &same[0];
    let value = |side: Side, range: &std::ops::Range<usize>| {
        const SHOWN: usize = 16;
        let kept = comparison.item(*row, side)?.message()?;
        let start = starts[side as usize] + range.start;
        let bytes = kept.body.get(start..kept.body.len().min(start + SHOWN))?.to_vec();
        let text = format!("at {start} of {} bytes", kept.body.len());
        Some(Value { text, bytes, in_body: Some(start..start + range.len()), place: kept.places.of(start) })
    };
    let name = &comparison.either(*row).name;
    let (title, more) = match same.len() {
        1 => (format!("a body was changed on its way: {}", finding.title), String::new()),
        number => {
            let of = if number == differing { format!("all {number}") } else { format!("{number} of {differing}") };
            let all = format!(" The same explains {of} messages that differ.");
            (format!("the bodies of {number} messages were changed on their way: {}", finding.title), all)
        }
    };
    Claim {
        certainty: finding.certainty,
        title,
        row: *row,
        path: format!("{}.payload", name.split(' ').next().unwrap_or_default()),
        sides: [value(Side::A, &finding.sent), value(Side::B, &finding.received)],
        why: format!("{}{more}", finding.why),
        fix: finding.fix.clone(),
        explains: same.iter().flat_map(|one| one.mismatches.iter().copied()).collect(),
        breaks: Breaks::Nothing,
        severity: None,
    }
}
