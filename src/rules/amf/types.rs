//! Values of a type that is not the due one, and numbers written the wrong way round.

use crate::compare::Comparison;
use crate::recording::Kept;

use super::super::oddity::Oddity;
use super::super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use super::{Values, fields, is_amf, odd_values};

pub static DOUBLE_ENDIAN: Rule = Rule {
    code: "amf-double-endian",
    layer: Layer::Amf,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a number is little-endian",
    page: Page {
        what: "The eight bytes of a number are written low byte first. Read as they are due they make a number next to 0, \
               so transaction ids match no answer and stream ids no stream.",
        looks: "00 00 00 00 00 00 00 14 40   sent\n\
                00 40 14 00 00 00 00 00 00   due for 5",
        who: "Writers that copy doubles from memory; servers may still take connect, of which they know the id.",
        fix: "Write doubles high byte first.",
        source: "AMF 0 section 2.2.",
    },
    check: Check::Diff(double_endian),
};

fn double_endian(comparison: &Comparison<'_>) -> Vec<Claim> {
    odd_values(comparison, |kept| {
        let mut odd = Vec::new();
        for node in fields(kept, &kept.body, "amf.number") {
            let Some(bytes) = kept.body.get(node.range.clone()).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
            else {
                continue;
            };
            let (read, meant) = (f64::from_be_bytes(bytes), f64::from_le_bytes(bytes));
            // No writer means a number below 2^-1022, and the other way round it is a plain one.
            if read.is_subnormal() && meant.fract() == 0.0 && meant.abs() < 1e10 {
                odd.push((node.range, read, meant));
            }
        }
        let (_, read, meant) = odd.first()?;
        let title = format!("the number {meant} is written low byte first, and reads as {read:e}");
        let why = "doubles are written high byte first; ids read the wrong way match no answer and no stream";
        let oddity = Oddity::certain(title, why, "write the eight bytes high byte first");
        let ranges = odd.into_iter().map(|(range, ..)| range.start.saturating_sub(1)..range.end).collect();
        Some(Values { oddity, ranges, meant: Vec::new() })
    })
}
