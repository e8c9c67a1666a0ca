//! Strings of which the length is wrong.

use crate::compare::Comparison;
use crate::field::Value as Field;
use crate::recording::RecordedMessage;

use super::super::message_fault::MessageFault;
use super::super::{Check, Layer, Mode, Page, Rule, Severity};
use super::{MOST, Values, fields, first_defect, odd_values, repaired};

pub static LENGTH_NUL: Rule = Rule {
    code: "amf-strlen-nul",
    layer: Layer::Amf,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a string ends in a counted NUL",
    page: Page {
        what: "The zero that ends a string in C is written, and its length counts it. It is then part of the string: a \
               name or key that ends in it matches no other.",
        looks: "02 00 05 70 61 69 72 00   sent\n\
                or 00 04 61 70 70 00   as a key",
        who: "Writers in C that use sizeof or strlen + 1.",
        fix: "Write the length without the NUL, and the text without it.",
        source: "AMF 0 section 1.3.1; measured: nginx-rtmp accepts it, Node-Media-Server does not answer.",
    },
    check: Check::Diff(counted_nul),
};

pub static STRING_64K: Rule = Rule {
    code: "amf-string-64k",
    layer: Layer::Amf,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a string of more than 65535 bytes has a length of two bytes",
    page: Page {
        what: "The length of a string has 16 bits. A longer text is written whole after a truncated length, so that \
               most of it is read as other values.",
        looks: "02 00 04 78 78 78 78 78 78 ..\n\
                \n\
                65540 bytes of text, whose length field is 65540 - 65536 = 4.",
        who: "Writers that cast lengths to 16 bits; texts that long occur in metadata and in cue points.",
        fix: "Write a long string, marker 0c and a length of four bytes, or a shorter text.",
        source: "AMF 0 sections 2.4 and 2.14; fishloa/rust-broadcast#984, pedroSG94/RootEncoder#1332.",
    },
    check: Check::Diff(|comparison| {
        let fix = "write a long string (0c and four bytes of length), or a shorter text";
        repaired(comparison, lengthen, "a string of more than 65535 bytes with a length of two bytes", fix)
    }),
};

fn counted_nul(comparison: &Comparison<'_>) -> Vec<super::super::Claim> {
    odd_values(comparison, |kept| {
        let mut odd = Vec::new();
        for node in fields(kept, &kept.body, "amf.string") {
            // Some servers fill strings up with many NULs: that is another thing.
            if let Some([text @ .., 0]) = kept.body.get(node.range.clone())
                && !text.is_empty()
                && !text.contains(&0)
            {
                odd.push((node.range, String::from_utf8_lossy(text).into_owned()));
            }
        }
        let (range, text) = odd.first()?;
        let title = format!("the string '{text}' ends in a NUL that its length counts: {} bytes", range.len());
        let why = "with the NUL it is a different text: receivers do not find the key, or see another name";
        let fault = MessageFault::certain(title, why, "leave the NUL out of the text and of its length");
        let (ranges, meant) = odd.into_iter().unzip();
        Some(Values { fault, ranges, meant })
    })
}

/// Makes one of the strings before the defect a long one, 65536 bytes longer, or a multiple of that.
fn lengthen(kept: &RecordedMessage, bytes: &[u8], defect: usize) -> Option<Vec<u8>> {
    let strings = fields(kept, bytes, "amf.string").into_iter().filter(|node| matches!(node.value, Field::Text(_)));
    let strings = strings.map(|node| node.range).filter(|range| range.end <= defect);
    // Names of properties have no marker, and cannot be long.
    let of_values = strings.filter(|range| range.start >= 3 && bytes[range.start - 3] == 2);
    for range in of_values.take(MOST / 4) {
        for length in (1..=bytes.len() >> 16).map(|times| range.len() + (times << 16)) {
            let Some(text) = bytes.get(range.start..range.start + length) else { break };
            let long = [&bytes[..range.start - 3], &[0x0c], &(length as u32).to_be_bytes(), text].concat();
            let whole = [&long[..], &bytes[range.start + length..]].concat();
            if first_defect(kept, &whole).is_none() {
                return Some(whole);
            }
        }
    }
    None
}
