//! Rules of bodies that read to their end only as a writer with a certain mistake writes AMF.
//!
//! [`crate::amf::writer`] finds the mistake; a rule is the page for a kind of mistake, and says which ones are of it.

use crate::amf::writer::{self, ByteOrder, End, Explainer, Length, Mistake, NumberForm, Texts};
use crate::compare::{Comparison, Side, Written};
use crate::recording::{RecordedEvent, RecordedMessage, Session};

use super::super::message_fault::{self, MessageFault};
use super::super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity, flv};
use super::{is_amf, strings, values};

pub static LENGTH_WIDTH: Rule = Rule {
    code: "amf-strlen-width",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the length of strings has another width, or counts something else",
    page: Page {
        what: "The length of a string or of a property's name has two bytes, and counts the bytes of the text. Here it has \
               one byte or four, or counts itself too, so that all after it is read in the wrong place.",
        looks: "02 00 00 00 07 63 6f 6e 6e 65 63 74   sent: four bytes\n\
                02 00 07 63 6f 6e 6e 65 63 74         expected",
        who: "Writers that use one function for all lengths.",
        fix: "Write two bytes for strings (02) and names; only long strings (0c) have four.",
        source: "AMF 0 sections 1.3.1, 2.4 and 2.14.",
    },
    check: Check::Diff(|comparison| {
        claims(
            comparison,
            |mistake| matches!(mistake, Mistake::Length(_, length) if !matches!(length, Length::U16LowFirst | Length::Characters)),
        )
    }),
};

pub static LENGTH_ENDIAN: Rule = Rule {
    code: "amf-strlen-endian",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the length of strings is little-endian",
    page: Page {
        what: "The length of a string is written low byte first. Read high byte first, it reaches past the end of the body.",
        looks: "02 07 00 63 6f 6e 6e 65 63 74\n\
                \n\
                Length 1792 where 7 is meant.",
        who: "Writers that copy integers from memory.",
        fix: "Write lengths high byte first.",
        source: "AMF 0 section 1.3.1; measured: nginx-rtmp closes, Node-Media-Server does not answer.",
    },
    check: Check::Diff(|comparison| {
        claims(comparison, |mistake| matches!(mistake, Mistake::Length(_, Length::U16LowFirst)))
    }),
};

pub static LENGTH_CHARS: Rule = Rule {
    code: "amf-strlen-chars",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the length of strings counts characters",
    page: Page {
        what: "The length of a string is its number of bytes in UTF-8. Here it is the number of characters, so the last \
               bytes of the text are read as the marker of the next value.",
        looks: "02 00 03 70 c3 a4 72\n\
                \n\
                Three characters, the second of them c3 a4, are four bytes: 72 is read as a marker.",
        who: "Writers that measure the text before they encode it; names in English hide the mistake.",
        fix: "Encode first, then write the number of bytes.",
        source: "AMF 0 section 1.3.1; msakrejda/pegasus#1.",
    },
    check: Check::Diff(|comparison| {
        claims(comparison, |mistake| matches!(mistake, Mistake::Length(_, Length::Characters)))
    }),
};

pub static NUL_AFTER: Rule = Rule {
    code: "amf-nul-after",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "strings are followed by a NUL that their length does not count",
    page: Page {
        what: "The zero that ends a string in C is written after the text, and the length does not count it. It is read as \
               the marker of a number, and eight bytes that follow as its value.",
        looks: "02 00 04 70 61 69 72 00 02 00 04 6c 69 76 65 00   sent\n\
                02 00 04 70 61 69 72 02 00 04 6c 69 76 65         expected",
        who: "Writers in C that copy strlen + 1 bytes.",
        fix: "Write the bytes of the text and no more.",
        source: "AMF 0 section 1.3.1.",
    },
    check: Check::Diff(|comparison| claims(comparison, |mistake| matches!(mistake, Mistake::NulAfter(_)))),
};

pub static NAME_MARKER: Rule = Rule {
    code: "amf-name-marker",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the names of properties begin with a marker",
    page: Page {
        what: "The name of a property is a length and a text. Here the marker of strings, 02, comes before it, and is read as \
               the high byte of the length.",
        looks: "03 02 00 03 61 70 70 02 00 04 6c 69 76 65   sent\n\
                03 00 03 61 70 70 02 00 04 6c 69 76 65      expected",
        who: "Writers that use the function for string values for names too.",
        fix: "Write the length and the text of a name, without a marker.",
        source: "AMF 0 section 2.5.",
    },
    check: Check::Diff(|comparison| claims(comparison, |mistake| *mistake == Mistake::NameMarker)),
};

pub static VALUE_FORM: Rule = Rule {
    code: "amf-value-form",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "numbers, booleans, texts, dates or arrays are written in another form",
    page: Page {
        what: "Each marker has one form: a number is a double of eight bytes, a boolean one byte, a text is in UTF-8, a date is a \
               double and a time zone of two bytes, an ECMA array begins with a count of four bytes. Here one of these is written in another \
               form, so that all after it is read in the wrong place.",
        looks: "00 3f 80 00 00            sent: 1 as a float\n\
                00 3f f0 00 00 00 00 00 00   expected: 1 as a double",
        who: "Writers that write a number in the type their language stores it in.",
        fix: "Write each value in the form of its marker.",
        source: "AMF 0 sections 2.2, 2.3, 2.10 and 2.13.",
    },
    check: Check::Diff(|comparison| {
        claims(comparison, |mistake| {
            // What has no page of its own.
            let has_page = matches!(
                mistake,
                Mistake::Length(..)
                    | Mistake::NulAfter(_)
                    | Mistake::NameMarker
                    | Mistake::End(_)
                    | Mistake::ThroughText
            );
            !has_page && *mistake != Mistake::Number(NumberForm::DoubleLowFirst)
        })
    }),
};

pub static END_MISSING: Rule = Rule {
    code: "amf-end-missing",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "objects have no end marker, half of one, or another",
    page: Page {
        what: "The properties of an object end in an empty name and 09: 00 00 09. Here a part of it is missing, or all of it, \
               or another marker follows the empty name, and what comes next is read as a name or as a value.",
        looks: "00 03 61 70 70 02 00 04 6c 69 76 65 05            sent: null comes next\n\
                00 03 61 70 70 02 00 04 6c 69 76 65 00 00 09 05   expected",
        who: "Writers that know the number of properties and so need no end.",
        fix: "Write 00 00 09 after the last property.",
        source: "AMF 0 section 2.11.",
    },
    check: Check::Diff(|comparison| {
        claims(comparison, |mistake| {
            matches!(mistake, Mistake::End(End::None | End::OnlyName | End::OneZero | End::Other(_)))
        })
    }),
};

pub static END_ONLY_09: Rule = Rule {
    code: "amf-end-only-09",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an object ends in 09 alone",
    page: Page {
        what: "The end marker of an object is an empty name and 09: three bytes. Here only the last of them is there.",
        looks: "02 00 04 6c 69 76 65 09   for ... 00 00 09",
        who: "Writers that treat 09 as the whole marker.",
        fix: "Write an empty name before the marker: 00 00 09.",
        source: "AMF 0 section 2.11.",
    },
    check: Check::Diff(|comparison| claims(comparison, |mistake| *mistake == Mistake::End(End::Only09))),
};

pub static THROUGH_TEXT: Rule = Rule {
    code: "amf-through-text",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a body was passed through a text string",
    page: Page {
        what: "The bytes were held in a text string and encoded as UTF-8: each byte from 80 on became two. Numbers \
               break first, as most have such a byte.",
        looks: "00 3f c3 b0 00 00 00 00 00 00   sent\n\
                00 3f f0 00 00 00 00 00 00      expected: the number 1",
        who: "Writers that collect the body in a string of their language and encode it at the end.",
        fix: "Collect the body in an array of bytes, and write that.",
        source: "AMF 0 section 2; Unicode 15, section 3.9, for the bytes.",
    },
    check: Check::Diff(|comparison| claims(comparison, |mistake| *mistake == Mistake::ThroughText)),
};

/// Takes out what other rules of AMF say of bodies that a writer's mistake explains: it was read in the wrong places.
pub fn settle(comparison: &Comparison<'_>, claims: &mut Vec<(&'static Rule, Claim)>) {
    let Some([_, written]) = comparison.written.get() else { return };
    let of_writer: Vec<&str> = claims.iter().map(|(rule, _)| rule.code).filter(|code| is_of_writer(code)).collect();
    if of_writer.is_empty() {
        return;
    }
    let is_explained = |row: usize| {
        comparison.rows[row].b.is_some_and(|item| written.binary_search_by_key(&item, |(item, _)| *item).is_ok())
    };
    let is_of_values = |code: &str| READ_OUT.iter().any(|rule| rule.code == code);
    claims.retain(|(rule, claim)| !is_of_values(rule.code) || !is_explained(claim.row));
}

/// What is said of single values, and of texts: they were read out of the wrong places.
const READ_OUT: [&Rule; 4] =
    [&strings::LENGTH_NUL, &values::WRONG_TYPE, &values::UNSUPPORTED, &super::super::malformed::AMF];

fn is_of_writer(code: &str) -> bool {
    const ALL: [&Rule; 9] = [
        &LENGTH_WIDTH,
        &LENGTH_ENDIAN,
        &LENGTH_CHARS,
        &NUL_AFTER,
        &NAME_MARKER,
        &VALUE_FORM,
        &END_MISSING,
        &END_ONLY_09,
        &THROUGH_TEXT,
    ];
    ALL.iter().any(|rule| rule.code == code)
}

/// Claims the bodies that a mistake explains, if it is one of those that the rule is for; none if A's bodies of that
/// direction have it too.
fn claims(comparison: &Comparison<'_>, is: impl Fn(&Mistake) -> bool) -> Vec<Claim> {
    let written = comparison.written.get_or_init(|| {
        let [of_a, mut of_b] = [Side::A, Side::B].map(|side| written(comparison.session(side)));
        prefer_values_of_a(comparison, &mut of_b);
        [of_a, of_b]
    });
    let of = |explanations: &[Vec<Mistake>]| explanations[0].iter().copied().find(|mistake| is(mistake));
    let direction_in_a = |item: usize| comparison.a.map(|a| a.items[item].direction);
    let in_a: Vec<_> =
        written[0].iter().filter(|(_, all)| of(all).is_some()).filter_map(|(item, _)| direction_in_a(*item)).collect();
    let mut found = comparison.rows.iter().enumerate().filter_map(|(row, aligned)| {
        let at = written[1].binary_search_by_key(&aligned.b?, |(item, _)| *item).ok()?;
        let explanations = &written[1][at].1;
        let mistake = of(explanations)?;
        (!in_a.contains(&comparison.either_item(row).direction)).then_some((row, mistake, explanations))
    });
    let Some((row, mistake, explanations)) = found.next() else { return Vec::new() };
    let all: Vec<usize> = [row].into_iter().chain(found.map(|(row, ..)| row)).collect();
    let Some(kept) = comparison.item(row, Side::B).and_then(RecordedEvent::message) else { return Vec::new() };
    vec![message_fault::claim(comparison, row, &all, odd(kept, mistake, explanations), |_| true)]
}

/// The bodies of a session that a mistake explains.
fn written(session: Option<&Session>) -> Written {
    let mut explainer = Explainer::default();
    let items = session.iter().flat_map(|session| session.items.iter().enumerate());
    let of_item = |(index, item): (usize, &RecordedEvent)| {
        // What begins with a tag's header has a rule of its own.
        let is_tag = |kept: &RecordedMessage| flv::tag::tagged(kept.header.type_id.0, &kept.body).is_some();
        let kept = item.message().filter(|kept| is_amf(kept) && !is_tag(kept))?;
        let explanations = explainer.explain(values(kept));
        (!explanations.is_empty()).then_some((index, explanations))
    };
    items.filter_map(of_item).collect()
}

/// Of several explanations of a body, those count that make most of A's values of it.
fn prefer_values_of_a(comparison: &Comparison<'_>, of_b: &mut Written) {
    for aligned in &comparison.rows {
        let (Some(item), Some(of_a)) = (aligned.b, aligned.a.zip(comparison.a).map(|(item, a)| &a.items[item])) else {
            continue;
        };
        let Ok(at) = of_b.binary_search_by_key(&item, |(item, _)| *item) else { continue };
        let (Some(meant), Some(kept)) = (of_a.message(), comparison.b.items[item].message()) else { continue };
        let explanations = &mut of_b[at].1;
        let agreement = |mistakes: &Vec<Mistake>| writer::agreement(values(kept), mistakes, values(meant));
        let most = explanations.iter().map(agreement).max().unwrap_or(0);
        explanations.retain(|mistakes| agreement(mistakes) == most);
    }
}

fn odd(kept: &RecordedMessage, mistake: Mistake, explanations: &[Vec<Mistake>]) -> MessageFault {
    let rivals: Vec<String> = explanations[1..].iter().map(|mistakes| together(mistakes)).collect();
    let is_single = explanations[0].len() == 1;
    let why = match rivals.as_slice() {
        [] if is_single => "read this way, the whole body decodes; no other way that was tried does".into(),
        [] => {
            format!("with {} the whole body decodes; no single mistake explains it", together(&explanations[0]))
        }
        rivals => format!("read this way, the whole body decodes; it also does with {}", rivals.join(", or with ")),
    };
    let (what, fix) = words(mistake);
    let title = format!("a message of type {} is written with {what}", kept.header.type_id);
    let certainty = if rivals.is_empty() && is_single { Certainty::Certain } else { Certainty::Likely };
    MessageFault { certainty, title, why, fix: fix.into() }
}

/// The values of a body, without the format byte of types 15 and 17.
fn values(kept: &RecordedMessage) -> &[u8] {
    match (kept.header.type_id.0, kept.body.split_first()) {
        (15 | 17, Some((0, values))) => values,
        _ => &kept.body,
    }
}

fn together(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| words(*mistake).0).collect::<Vec<_>>().join(" and ")
}

fn marker_name(marker: u8) -> &'static str {
    match marker {
        0x02 => "strings (02)",
        0x03 => "objects (03)",
        0x08 => "ECMA arrays (08)",
        0x0c => "long strings (0c)",
        _ => "other values",
    }
}

fn form_name(form: NumberForm) -> &'static str {
    match form {
        NumberForm::Double => "doubles",
        NumberForm::DoubleLowFirst => "doubles, low byte first",
        NumberForm::Float => "floats of four bytes",
        NumberForm::FloatLowFirst => "floats of four bytes, low byte first",
        NumberForm::Integer => "integers of four bytes",
        NumberForm::IntegerLowFirst => "integers of four bytes, low byte first",
        NumberForm::Long => "integers of eight bytes",
        NumberForm::LongLowFirst => "integers of eight bytes, low byte first",
        NumberForm::HalvesExchanged => "doubles with their two halves of four bytes in each other's place",
    }
}

const END_FIX: &str = "write 00 00 09 after the last property";

/// What is written, and what to do about it.
fn words(mistake: Mistake) -> (String, &'static str) {
    let of = |texts: Texts| match texts {
        Texts::MessageName => "the message's name",
        Texts::Strings => "strings",
        Texts::Values => "strings, except the message's name,",
        Texts::Names => "the names of properties",
        Texts::All => "strings and names",
    };
    match mistake {
        Mistake::Length(texts, length) => {
            let (how, fix) = match length {
                Length::U16 => ("as the specification defines it", "nothing"),
                Length::U16LowFirst => ("low byte first", "write lengths high byte first"),
                Length::U8 => ("in one byte", "write lengths in two bytes"),
                Length::U32 => ("in four bytes", "write lengths in two bytes, or a long string (0c)"),
                Length::U32LowFirst => ("in four bytes, low byte first", "write lengths in two bytes, high byte first"),
                Length::Characters => ("as a number of characters", "write the number of bytes in UTF-8"),
                Length::WithItself => ("with its own two bytes counted", "count the bytes of the text only"),
                Length::OneMore => ("one too large", "write the number of bytes of the text"),
                Length::OneLess => ("one too small", "write the number of bytes of the text"),
            };
            (format!("the length of {} {how}", of(texts)), fix)
        }
        Mistake::NulAfter(texts) => {
            (format!("a NUL after {} that the length does not count", of(texts)), "write the text without the NUL")
        }
        Mistake::NameMarker => {
            ("the marker of strings (02) before the names of properties".into(), "write names without a marker")
        }
        Mistake::Number(form) => {
            let how = form_name(form);
            (format!("numbers as {how}"), "write numbers as doubles of eight bytes, high byte first")
        }
        Mistake::TransactionId(form) => (
            format!("its transaction id as {} (other numbers are right)", form_name(form)),
            "write the transaction id as every number: a double of eight bytes, high byte first",
        ),
        Mistake::BooleanAsNumber => {
            ("the marker of numbers (00) before booleans of one byte".into(), "write booleans as 01 and one byte")
        }
        Mistake::Utf16(texts, order) => {
            let order = if order == ByteOrder::HighFirst { "high byte first" } else { "low byte first" };
            (format!("{} in UTF-16, {order}", of(texts)), "write texts in UTF-8; most letters take one byte")
        }
        Mistake::End(end) => {
            let what = match end {
                End::Marker => "objects with an end marker",
                End::Only09 => "objects that end in 09 alone",
                End::OnlyName => "objects that end in an empty name, without 09",
                End::OneZero => "objects that end in 00 09",
                End::None => "objects without an end marker",
                End::Other(marker) => return (format!("objects that end in 00 00 {marker:02x}"), END_FIX),
            };
            (what.into(), END_FIX)
        }
        Mistake::NoZone => ("dates without a time zone".into(), "write two bytes, 00 00, after the date's eight"),
        Mistake::CountWidth(width) => (
            match width {
                0 => "ECMA arrays without a count".into(),
                1 => "a count of 1 byte in ECMA arrays".into(),
                _ => format!("a count of {width} bytes in ECMA arrays"),
            },
            "write a count of four bytes after the marker 08",
        ),
        Mistake::Marker(written, meant) => (
            format!("the marker {written:02x} before values that are written as {}", marker_name(meant)),
            "write the marker of what follows it: 02 string, 03 object, 08 ECMA array, 0a strict array, 0c long string",
        ),
        Mistake::BareNumbers => ("numbers without their marker".into(), "write 00 before the eight bytes of a number"),
        Mistake::NullAsNumber => ("null as 00, the marker of numbers, alone".into(), "write null as 05"),
        Mistake::BooleanWidth(width) => (format!("booleans of {width} bytes"), "write booleans as one byte"),
        Mistake::ThroughText => (
            "two bytes for each from 80 on: it was passed through a text string in UTF-8".into(),
            "write bytes, not text",
        ),
    }
}
