//! Objects that were read by looking for the byte of their end.

use crate::compare::{Comparison, FieldValue, MessageKind, Side, units};
use crate::recording::RecordedMessage;

use super::super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static SCAN_FOR_09: Rule = Rule {
    code: "amf-scan-for-09",
    layer: Layer::Amf,
    severity: Severity::Error,
    modes: &[Mode::Diff],
    title: "an object is taken to end at the first byte 09",
    page: Page {
        what: "An object ends with an empty name and the marker 09. A reader that looks for the next byte 09 instead \
               of reading value by value finds it in the length of a name or string of nine letters, or in a number, \
               and loses what follows.",
        looks: "00 09 66 72 61 6d 65 72 61 74 65 00 40 39 ..   `framerate`: nine letters\n\
                00 00 09                                       the end, much later",
        who: "Small servers and relays with a reader of their own: only some metadata fails, those with such a length.",
        fix: "Read name and value by their types, up to the empty name followed by 09.",
        source: "AMF 0 specification section 2.11; MicrosoftDX/AzureRTMPIngestLib issue 5.",
    },
    check: Check::Diff(scanned),
};

/// So few lost values can be anything.
const FEW: usize = 2;

fn scanned(comparison: &Comparison<'_>) -> Vec<Claim> {
    (0..comparison.rows.len()).find_map(|row| of_row(comparison, row)).into_iter().collect()
}

/// A message of B that has the first properties of A's and none after the first byte 09.
fn of_row(comparison: &Comparison<'_>, row: usize) -> Option<Claim> {
    matches!(comparison.either(row).kind, MessageKind::Command | MessageKind::Data).then_some(())?;
    let of = |side| {
        let kept: &RecordedMessage = comparison.item(row, side)?.message()?;
        let properties = units(kept, comparison.name(row, side)?).into_iter().filter(is_property);
        Some((kept, properties.collect::<Vec<_>>()))
    };
    let ((in_a, all), (_, left)) = (of(Side::A)?, of(Side::B)?);
    let lost: Vec<&FieldValue> = all.iter().filter(|unit| left.iter().all(|other| other.path != unit.path)).collect();
    // What is lost is all that comes after a place, and nothing else.
    let kept_before = all.len().checked_sub(lost.len())?;
    let is_tail = all[kept_before..].iter().zip(&lost).all(|(one, other)| one.path == other.path);
    if lost.len() < FEW || !is_tail || kept_before == 0 || left.len() != kept_before {
        return None;
    }
    // The name of a property comes before its value, after the end of the one before.
    let start = |index: usize| all[index - 1].range.end;
    let at_end = start(kept_before)..lost[0].range.end;
    let at = in_a.body.get(at_end.clone())?.iter().position(|&byte| byte == 9)? + at_end.start;
    let before = in_a.body.get(start(1)..at_end.start)?;
    if before.contains(&9) {
        return None;
    }
    let last = all[kept_before].path.value()?.last()?;
    let mismatches = || comparison.open().filter(|&index| comparison.mismatches[index].row == row);
    let first = mismatches().find(|&index| comparison.mismatches[index].path == lost[0].path)?;
    let name = &comparison.either(row).name;
    let title = format!("{name} ends before {last}, at the first byte 09, and lacks {} values", lost.len());
    Some(
        Claim::at(comparison, first, Certainty::Likely, title)
            .why(format!(
                "in A, byte {at} of the body is 09, the first one of the object; all {} values before it arrived, none \
                 after it did",
                kept_before
            ))
            .fix("read objects value by value, up to the empty name followed by 09")
            .explaining(mismatches()),
    )
}

fn is_property(unit: &FieldValue) -> bool {
    unit.path.value().is_some_and(|path| path.last().is_some())
}
