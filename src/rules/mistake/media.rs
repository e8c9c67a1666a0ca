//! What [`crate::search::media`] finds, in words: mistakes in the bodies, times and order of media messages.

mod words;

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::recording::{EventKind, RecordedEvent};
use crate::rtmp::class::MediaKind;
use crate::rules::chunk;
use crate::rules::flv::time;
use crate::rules::messages::count;
use crate::rules::{Certainty, Claim, Impact, Rule, Severity, find};
use crate::search::media::{self, BodyEdit, Edit, FieldEdit, Meant, MediaScope, OrderEdit, TimeEdit};
use crate::sender::Operator;
use crate::session::Direction;

use super::{encoded, generated_rule};

/// The operators of the mistakes in bodies, times and order that have codes.
pub(super) const OPERATORS: [&str; 15] = [
    "cut",
    "joined",
    "byte-order",
    "plus",
    "times",
    "divided",
    "bits",
    "constant",
    "left-out",
    "put-in",
    "padded",
    "repeated",
    "split",
    "exchanged",
    "moved",
];

/// The operators on timestamps that no field of a body has.
pub(super) const OF_TIMES: [&str; 8] =
    ["previous", "difference", "presentation", "base-any", "base-type", "jump", "restarted", "rounded"];

/// Adds the mistakes that explain media of B by A's, or by what must hold in any, where nothing else does.
pub fn join(comparison: &Comparison<'_>, others: &mut Vec<(&'static Rule, Claim)>) {
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let is_of = |other: &Claim| comparison.either_item(other.row).direction == direction;
        let breaks = |other: &Claim| matches!(other.impact, Impact::Framing | Impact::Capture { .. }) && is_of(other);
        // What is read after a break, or around a hole, is no evidence.
        if others.iter().any(|(_, other)| breaks(other)) || has_holes(comparison, direction) {
            continue;
        }
        let has_a = comparison.a.is_some();
        let kinds = [MediaKind::Audio, MediaKind::Video].into_iter().filter(|_| !has_a);
        for (rule, claim, rows) in kinds.filter_map(|kind| encoded::claim(comparison, direction, kind)) {
            others.retain(|(_, other)| !(is_of(other) && rows.contains(&other.row) && other.path.is_of_body()));
            others.push((rule, claim));
        }
        let meant = if has_a { media::media(comparison, direction) } else { media::alone(comparison, direction) };
        for meant in meant {
            let explains = explained(comparison, &meant);
            let is_known = |(rule, other): &(&'static Rule, Claim)| {
                let severity = other.severity.unwrap_or(rule.severity);
                let is_at = |index: &usize| explains.contains(index);
                let is_sure = (!has_a || other.certainty == Certainty::Certain)
                    && is_of(other)
                    && meant.rows.contains(&other.row);
                other.certainty >= Certainty::Likely
                    && severity >= Severity::Warning
                    && (other.explains.iter().any(is_at) || is_sure && is_about_same(other, &meant.edit))
            };
            // By itself, how fast times run has rules that know more.
            let is_repaired = matches!(meant.edit, Edit::Time(TimeEdit::Written(_) | TimeEdit::EachKeyFrame));
            let is_computed = is_computed(&meant) && (has_a || is_repaired || matches!(meant.edit, Edit::Body(_)));
            // By one frame nobody sees a difference, and the sender's clock is late all the same.
            let is_small = matches!(meant.edit, Edit::Time(TimeEdit::Previous));
            if explains.is_empty() && has_a && !is_small || !is_computed && others.iter().any(is_known) {
                continue;
            }
            let said = claim(comparison, direction, &meant, explains);
            // What the catalogue knows by name it knows better.
            let is_said = |(rule, _): &(&'static Rule, Claim)| {
                others.iter().any(|(known, other)| known.code == rule.code && is_of(other))
            };
            if let Some(said) = said.filter(|said| !is_said(said)) {
                // What was made of the same bytes is no cause beside it.
                let is_less = |other: &Claim| {
                    is_of(other) && meant.rows.contains(&other.row) && is_about_same(other, &meant.edit)
                };
                others.retain(|(_, other)| !is_less(other));
                others.push(said);
            }
        }
    }
}

/// Whether the numbers of many messages are computed wrongly: no other reading gives all of these values, and what else is
/// said of them follows.
fn is_computed(meant: &Meant) -> bool {
    const MANY: usize = 4;
    let is_number = match &meant.edit {
        Edit::Body(BodyEdit::Fields(fields)) => {
            let is_amount = |one: &FieldEdit| matches!(one.operator, Operator::Constant(_) | Operator::Plus(_));
            meant.is_sole && !fields.iter().any(is_amount)
        }
        Edit::Body(BodyEdit::Filled { .. }) => meant.is_sole,
        Edit::Time(_) => true,
        Edit::Body(_) | Edit::Order(_) => false,
    };
    is_number && meant.rows.len() >= MANY
}

/// Whether a claim is about what an edit changes.
fn is_about_same(claim: &Claim, edit: &Edit) -> bool {
    match edit {
        Edit::Body(_) => claim.path.is_of_body(),
        Edit::Time(_) => claim.path == FieldPath::TIMESTAMP,
        Edit::Order(_) => claim.path == FieldPath::Message,
    }
}

fn has_holes(comparison: &Comparison<'_>, direction: Direction) -> bool {
    let is_hole = |item: &RecordedEvent| {
        item.direction == direction && matches!(item.content, EventKind::Gap(_) | EventKind::Undecoded)
    };
    let sessions = comparison.a.into_iter().chain([comparison.b]);
    sessions.flat_map(|session| &session.items).any(is_hole)
}

/// The open differences that a mistake makes.
fn explained(comparison: &Comparison<'_>, meant: &Meant) -> Vec<usize> {
    let is_explained = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        meant.rows.binary_search(&mismatch.row).is_ok()
            && match meant.edit {
                Edit::Body(_) => !mismatch.path.is_of_header() && !mismatch.is_whole_message(),
                Edit::Time(_) => mismatch.path == FieldPath::TIMESTAMP,
                Edit::Order(OrderEdit::Joined | OrderEdit::Split) => true,
                Edit::Order(_) => mismatch.is_whole_message(),
            }
    };
    comparison.open().filter(is_explained).collect()
}

fn claim(
    comparison: &Comparison<'_>,
    direction: Direction,
    meant: &Meant,
    explains: Vec<usize>,
) -> Option<(&'static Rule, Claim)> {
    // A jump is where it shows; which side of it most messages are on is another matter.
    let row = match meant.edit {
        Edit::Time(TimeEdit::From(row, _)) => row,
        _ => *meant.rows.first()?,
    };
    let has_a = comparison.a.is_some();
    let name = comparison.either(row).name.clone();
    let whose = words::whose(meant, &name);
    let said = match &meant.edit {
        Edit::Body(edit) => words::body(edit, meant, &whose, has_a),
        Edit::Time(edit) => words::times(edit, meant, &whose, has_a),
        Edit::Order(edit) => words::order(*edit, meant, &name, direction),
    };
    let is_whole_scope = !matches!(meant.scope, MediaScope::One | MediaScope::Some(_) | MediaScope::Longer(..));
    let is_proven = meant.is_sole && is_whole_scope && said.severity >= Severity::Warning;
    let is_of_body = matches!(
        meant.edit,
        Edit::Body(_) | Edit::Time(TimeEdit::ToAnyMessage | TimeEdit::ToOwnType | TimeEdit::Written(_))
    );
    let certainty = if is_proven && is_of_body && has_a { Certainty::Certain } else { Certainty::Likely };
    let number = count(meant.rows.len(), "message");
    let whole = match meant.edit {
        Edit::Body(BodyEdit::Cut { .. }) if !has_a => {
            format!("{number} end in the middle of a NAL unit, all with the same length, and no message is longer")
        }
        Edit::Order(OrderEdit::Joined) => {
            format!("{number} are, to the byte, two neighbours of A without the second's tag")
        }
        Edit::Body(BodyEdit::NoPicture) => {
            "the NAL units lead to the end of the message, and none of them is a slice".to_owned()
        }
        Edit::Body(BodyEdit::HalvesExchanged) => {
            "a FourCC of enhanced RTMP follows the byte, and with its halves exchanged it announces it".to_owned()
        }
        Edit::Body(BodyEdit::NoParameterSet(_)) => "neither the configuration nor the first frames have one".to_owned(),
        Edit::Order(OrderEdit::Split) => {
            format!("{number} have no slice, and the next, at the same time, has one")
        }
        Edit::Body(_) if !has_a => {
            format!("without that, {number} can be read to the end; as it is, not")
        }
        Edit::Time(TimeEdit::Plus(_)) if !has_a => {
            "what is sent at the same time has about the same timestamp, and a session's begin near 0".to_owned()
        }
        Edit::Time(TimeEdit::Written(_) | TimeEdit::EachKeyFrame) if !has_a => {
            "read so, times only grow, for as long as the capture lasts; as they are, not".to_owned()
        }
        Edit::Time(TimeEdit::Constant(_)) if !has_a => "the capture continues meanwhile".to_owned(),
        Edit::Time(TimeEdit::Times(_)) if !has_a => {
            "both are sent side by side, and a step of the audio is as long as its samples".to_owned()
        }
        Edit::Time(_) if !has_a => "without that, audio lasts as long as its samples do; as it is, not".to_owned(),
        Edit::Order(_) if !has_a => "no other message before has its bytes, or what it needs".to_owned(),
        Edit::Order(_) => "all others of both are the same, in the same order".to_owned(),
        Edit::Time(_) => format!("done to A's times, it gives B's, of {number}; what it is not done to runs as in A"),
        Edit::Body(_) => {
            format!("done to A's, it gives exactly B's bytes, of {number}; all others are the same in both")
        }
    };
    let sides = sides(comparison, row, &meant.edit);
    let claim = Claim::on(row, said.path, sides, certainty, said.title)
        .why(whole)
        .fix(said.fix)
        .weighing(said.severity)
        .explaining(explains);
    let rule = match meant.edit {
        Edit::Time(TimeEdit::Times(factor)) if is_unit(factor) => &time::UNIT,
        Edit::Time(TimeEdit::From(_, more)) if more > 0 => &time::TIME_JUMP,
        Edit::Time(TimeEdit::Bits(24) | TimeEdit::From(_, WRAPPED)) => &chunk::time::WRAP_24,
        Edit::Body(BodyEdit::Cut { .. }) => find("px-trunc")?,
        _ => generated_rule(&said.code),
    };
    Some((rule, claim))
}

/// What times are less by from where 24 bits do not hold them.
const WRAPPED: i64 = -(1 << 24);

/// Whether times run as if they were in another unit.
fn is_unit(factor: f64) -> bool {
    [1000.0, 90.0, 48.0, 44.1, 0.001].iter().any(|unit| (factor / unit - 1.0).abs() < 0.02)
}

/// The bytes of A and B where a mistake shows.
fn sides(comparison: &Comparison<'_>, row: usize, edit: &Edit) -> [Option<Value>; 2] {
    const SHOWN: usize = 12;
    [Side::A, Side::B].map(|side| {
        let item = comparison.item(row, side)?;
        let kept = item.message()?;
        let range = match edit {
            Edit::Body(BodyEdit::Fields(fields)) => fields[0].range.clone(),
            Edit::Body(BodyEdit::PutIn { at, .. } | BodyEdit::LeftOut { at, .. }) => *at..at + SHOWN,
            Edit::Body(
                BodyEdit::LengthDelimited
                | BodyEdit::NoPicture
                | BodyEdit::NoParameterSet(_)
                | BodyEdit::HalvesExchanged,
            ) => 0..SHOWN,
            Edit::Body(BodyEdit::Filled { .. } | BodyEdit::Cut { .. }) => {
                kept.body.len().saturating_sub(SHOWN)..kept.body.len()
            }
            Edit::Time(_) | Edit::Order(_) => {
                let text = match (edit, kept.header.timestamp) {
                    (Edit::Time(_), Some(timestamp)) => timestamp.to_string(),
                    _ => item.info.to_string(),
                };
                let place = Some((item.at.start, item.frames[1]));
                return Some(Value { bytes: kept.first_header.to_vec(), place, ..Value::words(text) });
            }
        };
        let range = range.start..range.end.min(kept.body.len());
        let bytes = kept.body.get(range.clone())?.to_vec();
        let text = format!("at {} of {} bytes", range.start, kept.body.len());
        Some(Value { bytes, place: kept.places.of(range.start), in_body: Some(range), ..Value::words(text) })
    })
}
