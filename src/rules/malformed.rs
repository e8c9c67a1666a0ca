//! Bodies in which the decoder finds something wrong that no other rule has a name for.

use crate::compare::{Comparison, Side, ValuePath};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::message::Ending;

use super::messages::{self, BodyPlace};
use super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static AMF: Rule = Rule {
    code: "amf-malformed",
    layer: Layer::Amf,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the values of a message cannot be read to the end",
    page: Page {
        what: "A command or data message has bytes that are not an AMF value, or ends inside one. Receivers lose what \
               follows, and many drop the message or close.",
        looks: "00 05 77 69 64 74 68 30 40 74 00 00 ..   30 is not a type marker\n\
                00 05 77 69 64 74 68 00 40 74            a number of two bytes, then the end",
        who: "Self-written AMF encoders; bodies that were cut, or shifted by some bytes on the way.",
        fix: "Compare the bytes at the place that the finding names with what was meant.",
        source: "AMF 0 specification section 2, AMF 3 specification section 3.",
    },
    check: Check::Diff(|comparison| first(comparison, |kept| matches!(kept.header.type_id.0, 15..=20))),
};

pub static MEDIA: Rule = Rule {
    code: "media-malformed",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an audio, video or configuration message has an invalid field",
    page: Page {
        what: "The header of an audio or video message, or a configuration record, has a value that is reserved, or lengths \
               that do not fit. A decoder may refuse it.",
        looks: "07 01 00 00 00 ..   frame type 0, which is reserved\n\
                af 00 12            a configuration of AAC that ends in its first fields",
        who: "Senders that build the header themselves; bodies that do not match their type.",
        fix: "Look at the place that the finding names.",
        source: "FLV specification, annex E.4; enhanced RTMP v2; ISO/IEC 14496-3 and 14496-15.",
    },
    check: Check::Diff(|comparison| first(comparison, |kept| kept.header.type_id.is_media())),
};

/// The first whole message of such a kind that has a defect, and how many there are.
fn first(comparison: &Comparison<'_>, is: impl Fn(&RecordedMessage) -> bool) -> Vec<Claim> {
    let known: Vec<_> =
        comparison.a.iter().flat_map(|a| &a.items).flat_map(|item| &item.defects).map(|defect| defect.code).collect();
    let of_row = |row: usize| {
        let item: &RecordedEvent = comparison.item(row, Side::B)?;
        let kept = item.message().filter(|kept| is(kept) && kept.ending == Ending::Complete && kept.is_whole())?;
        // What is wrong with the framing has rules of its own; a body that was put together by guess is no evidence.
        let is_tag = super::flv::tag::tagged(kept.header.type_id.0, &kept.body).is_some();
        let is_guess = is_tag || item.defects.iter().any(|defect| OF_FRAMING.contains(&defect.code));
        let defect = item.defects.first().filter(|defect| !is_guess && !known.contains(&defect.code))?;
        Some((comparison.rows[row].b?, kept, defect))
    };
    let all: Vec<_> = (0..comparison.rows.len()).filter_map(of_row).collect();
    let Some(&(item, kept, defect)) = all.first() else { return Vec::new() };
    let more = match all.len() - 1 {
        0 => String::new(),
        more => format!("; the same in {}", messages::count(more, "other message")),
    };
    let at = usize::try_from(defect.offset).unwrap_or_default().min(kept.body.len());
    let spots = [BodyPlace::new(item, at..kept.body.len().min(at + 16), defect.code)];
    let title = format!("{}{more}", defect.message);
    let row = comparison.rows.iter().position(|row| row.b == Some(item)).unwrap_or_default();
    let named = comparison.either(row);
    let path = ValuePath::of(named.command.as_deref().unwrap_or(&named.name));
    // That it is malformed is certain; that nobody has a better name for it is not, so all others go first.
    let claim = messages::claim(comparison, &spots, path, Certainty::Possible, title);
    vec![claim.why("receivers cannot read it").fix("compare the bytes at that place with what was meant")]
}

/// Defects of chunks, captures and handshakes.
const OF_FRAMING: [&str; 13] = [
    "capture-gap",
    "capture-midstream",
    "timestamp-uncertain",
    "resynchronised",
    "limit-open-bytes",
    "defects-omitted",
    "limit-chunk-streams",
    "type3-ext-missing",
    "header-cut",
    "fmt0-mid-message",
    "ext-abs-vs-delta",
    "bytes-missing",
    // Of the media, with a rule of its own.
    "nal-empty",
];
