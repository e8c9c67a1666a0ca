//! Payload rules about single bytes that became others, or two, wherever they are: text functions, wrong widths, wrong bit order.

use super::PayloadClaim;
use super::case::Case;
use super::text::{exact, whole_finding};
use super::transform::{Transform, first_exact};
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

pub static SUBSTITUTED: Rule = Rule {
    code: "px-substituted",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "byte values were replaced, each by the same everywhere",
    page: Page {
        what: "The length is right, and every byte of one value became one other value: a table was applied to all bytes.",
        looks: "Form decoding turns + into a blank:\n\
                \n\
                sent      5e 2b 07 2b\n\
                received  5e 20 07 20",
        who: "Functions for text on bytes: tolower, form and URL decoding; a wrong order of bits, or of the two halves of a byte.",
        fix: "Pass the payload on as bytes. A transfer that went wrong by chance does not change each byte of one value.",
        source: "Plain comparison: what each byte value became, in all of its places.",
    },
    check: Check::Payload(substituted),
};

pub static WIDENED: Rule = Rule {
    code: "px-widened",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "bytes became two",
    page: Page {
        what: "Each byte was written as a number, or a character, of 16 bits; or those above 7f were.",
        looks: "Low byte first:\n\
                \n\
                sent      ff d8 ff e0\n\
                received  ff 00 d8 00 ff 00 e0 00",
        who: "Strings of wide characters, arrays of short; signed bytes that were widened (ff before each above 7f).",
        fix: "Copy bytes as bytes: byte[], uint8_t, Buffer.",
        source: "Plain comparison: what is between, or before, the bytes is always the same.",
    },
    check: Check::Payload(|case| exact(case, WIDENED_FORMS, &WIDENED)),
};

pub(super) const SUBSTITUTED_FORMS: &[Transform] = &[
    Transform {
        rule: "px-substituted",
        words: "the order of the bits in each byte had been reversed",
        apply: |bytes| Some(bytes.iter().map(|byte| byte.reverse_bits()).collect()),
    },
    Transform {
        rule: "px-substituted",
        words: "the two halves of each byte had been exchanged",
        apply: |bytes| Some(bytes.iter().map(|byte| byte.rotate_left(4)).collect()),
    },
    Transform {
        rule: "px-substituted",
        words: "ASCII capitals had become small letters",
        apply: |bytes| Some(bytes.to_ascii_lowercase()),
    },
    Transform {
        rule: "px-substituted",
        words: "ASCII small letters had become capitals",
        apply: |bytes| Some(bytes.to_ascii_uppercase()),
    },
    Transform {
        rule: "px-substituted",
        words: "every + (2b) had become a blank (20), as in form decoding",
        apply: |bytes| Some(bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect()),
    },
];

pub(super) const WIDENED_FORMS: &[Transform] = &[
    Transform {
        rule: "px-widened",
        words: "each byte had been written in 16 bits, low byte first",
        apply: |bytes| Some(bytes.iter().flat_map(|&byte| [byte, 0]).collect()),
    },
    Transform {
        rule: "px-widened",
        words: "each byte had been written in 16 bits, high byte first",
        apply: |bytes| Some(bytes.iter().flat_map(|&byte| [0, byte]).collect()),
    },
    Transform {
        rule: "px-widened",
        words: "ff had been put before each byte above 7f, as when a sign is extended",
        apply: |bytes| {
            let wide = bytes.iter().map(|&byte| [0xff, byte]);
            Some(wide.flat_map(|pair| if pair[1] > 0x7f { pair.to_vec() } else { vec![pair[1]] }).collect())
        },
    },
];

fn substituted(case: &Case<'_>) -> Option<PayloadClaim> {
    /// Fewer bytes may have been changed by chance, and more than these not.
    const FEW: usize = 4;
    const MANY: usize = 16;
    if !case.differs() || case.sent.len() != case.received.len() {
        return None;
    }
    if let Some(form) = first_exact(case, SUBSTITUTED_FORMS) {
        let claim = whole_finding(case, form, &SUBSTITUTED);
        return Some(PayloadClaim { title: format!("{}, as if {}", SUBSTITUTED.title, form.words), ..claim });
    }
    let mut table: [Option<u8>; 256] = [None; 256];
    let mut changed = 0;
    for (&sent, &received) in case.sent.iter().zip(case.received) {
        if *table[usize::from(sent)].get_or_insert(received) != received {
            return None;
        }
        changed += usize::from(sent != received);
    }
    let replaced: Vec<(usize, u8)> = table
        .iter()
        .enumerate()
        .filter_map(|(sent, received)| Some((sent, (*received)?)))
        .filter(|&(sent, received)| sent != usize::from(received))
        .collect();
    // Of a value that is there once nothing is known, and a table of many values may be anything.
    if changed < FEW.max(2 * replaced.len()) {
        return None;
    }
    const SHOWN: usize = 4;
    let words: Vec<String> =
        replaced.iter().take(SHOWN).map(|(sent, received)| format!("{sent:02x} by {received:02x}")).collect();
    let more = if replaced.len() > SHOWN { ", ..." } else { "" };
    let at = case.prefix;
    Some(PayloadClaim {
        certainty: if changed >= MANY { Certainty::Certain } else { Certainty::Likely },
        title: format!("{}: {}{more}", SUBSTITUTED.title, words.join(", ")),
        sent: at..at + 1,
        received: at..at + 1,
        places: changed as u64,
        why: format!(
            "{changed} bytes differ, and each byte of one value became the same in all of its places; all others are as sent."
        ),
        fix: SUBSTITUTED.page.fix.to_owned(),
    })
}
