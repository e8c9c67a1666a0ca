//! How messages continue after their first chunk (RTMP 1.0 5.3.1.2.4): found in framing that broke.

use crate::compare::{Comparison, Side};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::message::Ending;
use crate::rules::broken::{self, FramingEvidence};
use crate::rules::{Certainty, Check, Claim, DiagnosisText, Impact, Layer, Mode, Page, Rule, Severity};

use crate::session::Direction;

use super::{BOTH, both, messages, of_row};

/// The type 3 basic header of a chunk stream (RTMP 1.0 5.3.1.1).
pub fn header(csid: u32) -> Vec<u8> {
    match csid {
        ..64 => vec![0xc0 | csid as u8],
        64..320 => vec![0xc0, (csid - 64) as u8],
        _ => vec![0xc1, (csid - 64) as u8, ((csid - 64) >> 8) as u8],
    }
}

/// Whether one id comes of the other by a slip in the longer forms.
pub fn is_of_form(csid: u32, named: u32) -> bool {
    let swapped = named.checked_sub(64).map(|low| (low as u16).swap_bytes()).map(u32::from);
    named == csid + 64 || is_first_off(csid, named) || csid >= 64 && swapped == Some(csid - 64)
}

/// Whether the first header is 64 more than the type 3 header, in forms that add 64 (RTMP 1.0 5.3.1.1). An id below 64 there
/// is the first one cut to six bits.
pub fn is_first_off(csid: u32, named: u32) -> bool {
    named >= 64 && csid == named + 64
}

pub static EXTRA: Rule = Rule {
    code: "extra-type3-exact-multiple",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a type 3 header follows a message that is already complete",
    page: Page {
        what: "The message's length is a multiple of the chunk size, and the sender writes one more type 3 header \
               after the last chunk. The receiver reads it as the first chunk of another message like the previous \
               one.",
        looks: "06 00 00 00 00 00 80 09 01 00 00 00 ... 128 bytes ... c6\n\
                \n\
                0x80 bytes fill the chunk; c6 begins a message of 128 bytes, which swallows the next header.",
        who: "Writers with a loop of len / size + 1 iterations.",
        fix: "Write a type 3 header only if bytes of the message are left: loop while left > 0.",
        source: "RTMP 1.0 section 5.3.1.2.4; gwuhaolin/livego guards against it in protocol/rtmp/core/chunk_stream.go.",
    },
    check: Check::Diff(|comparison| {
        let mut claims = broken::claims_with(comparison, EXTRA.code, extra);
        claims.extend(BOTH.into_iter().filter_map(|direction| extra_at_the_end(comparison, direction)));
        claims
    }),
};

fn extra(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let (name, length, size, kept) = (seen.name(), seen.length(), seen.size_in_force(), seen.kept()?);
    let chunks = length / size;
    let header = broken::spaced(&header(kept.csid));
    Some(DiagnosisText {
        title: format!("a type 3 header follows {name}, whose {length} bytes fill {chunks} chunks of {size} exactly"),
        why: format!(
            "the message is complete; the receiver reads the {header} after it as the start of another one of {length} \
             bytes, and what follows as its body"
        ),
        fix: format!("write {header} only where bytes of the message are left to send"),
    })
}

/// The same where too little follows for a hypothesis to be replayed: a message that is not whole begins with the
/// type 3 header, right after one that fills its chunks.
fn extra_at_the_end(comparison: &Comparison<'_>, direction: Direction) -> Option<Claim> {
    if super::is_explained(comparison, direction) {
        return None;
    }
    let size = |kept: &RecordedMessage| kept.chunks.map_or(0, |chunks| chunks.size);
    let is_exact = |kept: &RecordedMessage| size(kept) > 0 && kept.header.length.is_multiple_of(size(kept));
    let mut before: Option<(usize, &RecordedEvent, &RecordedMessage)> = None;
    let (last, row, item) = messages(comparison, Side::B, direction).find_map(|(row, item, kept)| {
        let last = before.replace((row, item, kept))?;
        let follows = last.1.at.end == item.at.start && last.2.csid == kept.csid && last.2.ending == Ending::Complete;
        let is_short = matches!(kept.ending, Ending::Cut | Ending::Lost);
        (follows && is_short && kept.fmt == Some(3) && last.2.header.length > 0 && is_exact(last.2))
            .then_some((last, row, item))
    })?;
    let kept = last.2;
    let (length, size) = (kept.header.length, size(kept));
    let name = &comparison.either(last.0).name;
    let header = broken::spaced(&header(kept.csid));
    let title =
        format!("a type 3 header follows {name}, whose {length} bytes fill {} chunks of {size} exactly", length / size);
    let claim = Claim::of_message(comparison, row, "chunk", Certainty::Likely, title)
        .why(format!(
            "the message is complete; the {header} after it at stream offset {} begins another of {length} bytes, of \
             which only {} arrived",
            item.at.start,
            item.message().map_or(0, |kept| kept.body.len())
        ))
        .fix(format!("write {header} only where bytes of the message are left to send"))
        .explaining(of_row(comparison, row))
        .breaking(Impact::Framing);
    Some(claim)
}

pub static EXT_MISSING: Rule = Rule {
    code: "type3-ext-missing",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "type 3 headers leave out the extended timestamp",
    page: Page {
        what: "The message's first header has an extended timestamp, and the type 3 headers after it do not repeat it. \
               Receivers that follow the specification read four bytes of the payload of each chunk as the timestamp.",
        looks: "06 ff ff ff 00 0d 0b 09 01 00 00 00 01 00 00 12 ... c6 01 00 00 12   right\n\
                06 ff ff ff 00 0d 0b 09 01 00 00 00 01 00 00 12 ... c6 41 9a 22 11   wrong\n\
                \n\
                It appears from 16777215 ms on, 4 h 39 min 37 s, or at once where timestamps are the time of day.",
        who: "Senders written from the draft of 2009: old librtmp, rtmpdump; obsproject/obs-studio#10097.",
        fix: "Repeat the four bytes of the extended timestamp after every type 3 header of the message.",
        source: "RTMP 1.0 section 5.3.1.3. nginx-rtmp resets the connection; SRS and GStreamer look ahead and accept \
                 both.",
    },
    check: Check::Diff(ext_missing),
};

fn ext_missing(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = broken::claims_with(comparison, EXT_MISSING.code, ext_missing_words);
    // Where the decoder found its way around it, it is a defect of the message.
    for direction in BOTH {
        let has = |item: &RecordedEvent| item.defects.iter().any(|defect| defect.code == EXT_MISSING.code);
        let of_a = messages(comparison, Side::A, direction).any(|(_, item, _)| has(item));
        let is_told = claims.iter().any(|claim| comparison.either_item(claim.row).direction == direction);
        if of_a || is_told {
            continue;
        }
        let mut wrong = messages(comparison, Side::B, direction).filter(|(_, item, _)| has(item));
        let Some((row, item, kept)) = wrong.next() else { continue };
        let more = wrong.count();
        let defect = item.defects.iter().find(|defect| defect.code == EXT_MISSING.code);
        let title = format!(
            "{} of {} bytes has an extended timestamp, but its type 3 headers do not repeat it",
            comparison.either(row).name,
            kept.header.length
        );
        let also = if more == 0 { String::new() } else { format!("; so do {more} more messages") };
        let claim = Claim::of_message(comparison, row, "chunk", Certainty::Certain, title)
            .why(format!(
                "{}; read without it, the chunks join up with the next header; a receiver that expects it loses four bytes \
                 of each chunk{also}",
                defect.map(|defect| defect.message.clone()).unwrap_or_default()
            ))
            .fix(ext_missing_fix(kept.csid, kept.header.timestamp))
            .explaining(of_row(comparison, row))
            .breaking(Impact::Framing);
        claims.push(claim);
    }
    claims
}

fn ext_missing_words(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let kept = seen.kept()?;
    let title = format!(
        "{} of {} bytes has an extended timestamp, but its type 3 headers do not repeat it",
        seen.name(),
        seen.length()
    );
    let time = kept.header.timestamp.map(|time| broken::spaced(&time.to_be_bytes())).unwrap_or_default();
    Some(DiagnosisText {
        title,
        why: format!(
            "its first header is {}; the receiver reads the four bytes after each type 3 header as {time}, but they \
             are payload",
            broken::spaced(&kept.first_header)
        ),
        fix: ext_missing_fix(kept.csid, kept.header.timestamp),
    })
}

fn ext_missing_fix(csid: u32, time: Option<u32>) -> String {
    let mut bytes = header(csid);
    bytes.extend(time.map(u32::to_be_bytes).into_iter().flatten());
    format!("repeat the extended timestamp after each type 3 header: {}", broken::spaced(&bytes))
}

pub static FMT0: Rule = Rule {
    code: "fmt0-mid-message",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a message continues with full headers instead of type 3",
    page: Page {
        what: "The second and further chunks of a message have headers of fmt 0, 1 or 2, which repeat its length and type. \
               By the specification each begins a message; some receivers count bytes and do not care.",
        looks: "06 00 00 00 00 0d 0b 09 01 00 00 00 ... 128 bytes ...\n\
                06 00 00 00 00 0d 0b 09 01 00 00 00 ... 128 bytes ...   wrong\n\
                c6 ... 128 bytes ...                                    right",
        who: "Clients tested against nginx-rtmp only, which accepts it.",
        fix: "Continue with type 3 headers.",
        source: "RTMP 1.0 section 5.3.1.2.4; KallDrexx/rust-media-libs#13; SRS logs \"for existed chunk, fmt should \
                 not be 0\".",
    },
    check: Check::Diff(fmt0),
};

fn fmt0(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = both(comparison, FMT0.code, fmt0_words);
    for direction in BOTH {
        let has = |item: &RecordedEvent| item.defects.iter().any(|defect| defect.code == FMT0.code);
        let of_a = messages(comparison, Side::A, direction).any(|(_, item, _)| has(item));
        let is_told = claims.iter().any(|claim| comparison.either_item(claim.row).direction == direction);
        let Some((row, item, kept)) = messages(comparison, Side::B, direction).find(|(_, item, _)| has(item)) else {
            continue;
        };
        if of_a || is_told {
            continue;
        }
        let defect = item.defects.iter().find(|defect| defect.code == FMT0.code);
        let name = &comparison.either(row).name;
        let title =
            format!("{name} of {} bytes continues with headers that should begin a message", kept.header.length);
        let claim = Claim::of_message(comparison, row, "chunk", Certainty::Certain, title)
            .why(defect.map(|defect| defect.message.clone()).unwrap_or_default())
            .fix(fmt0_fix(kept.csid))
            .explaining(of_row(comparison, row))
            .breaking(Impact::Framing);
        claims.push(claim);
    }
    claims
}

fn fmt0_words(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let kept = seen.kept()?;
    Some(DiagnosisText {
        title: format!(
            "{} of {} bytes continues with headers of fmt {} instead of type 3",
            seen.name(),
            seen.length(),
            seen.best.evidence.first().and_then(|one| one.bytes.first()).map_or(0, |byte| byte >> 6)
        ),
        why: format!(
            "{} appears again inside the message, with the same length and type; receivers that follow the \
             specification drop what they had received of it",
            seen.first_bytes()
        ),
        fix: fmt0_fix(kept.csid),
    })
}

fn fmt0_fix(csid: u32) -> String {
    format!("continue the message with type 3 headers, {}", broken::spaced(&header(csid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_take_as_many_bytes_as_their_ids() {
        // RTMP 1.0 5.3.1.1: 2 to 63 in one byte, 64 to 319 in two, up to 65599 in three, the low byte first.
        let forms: [(u32, &[u8]); 5] =
            [(3, &[0xc3]), (63, &[0xff]), (64, &[0xc0, 0]), (319, &[0xc0, 0xff]), (400, &[0xc1, 0x50, 1])];
        for (csid, bytes) in forms {
            assert_eq!(header(csid), bytes, "chunk stream {csid}");
        }
    }

    #[test]
    fn a_slip_in_the_longer_forms_is_told_from_another_id() {
        assert!(is_of_form(65, 129), "64 was not taken away");
        assert!(is_of_form(134, 70), "64 was not taken away in the first header");
        assert!(!is_of_form(70, 6), "cut to six bits");
        assert!(is_of_form(400, 0x5001 + 64), "0x0150 the other way round");
        assert!(!is_of_form(6, 3), "a constant");
        assert!(!is_of_form(65, 1), "in one byte");
    }
}
