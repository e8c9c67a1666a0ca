//! Chunk stream ids (RTMP 1.0 5.3.1.1): reserved ones, those a peer does not take, and those written wrongly.

use crate::compare::{Comparison, FieldPath, Side};
use crate::recording::RecordedEvent;
use crate::rtmp::MessageTypeId;
use crate::rules::broken::{self, FramingEvidence};
use crate::rules::{Certainty, Check, Claim, DiagnosisText, Impact, Layer, Mode, Page, Rule, Severity};

use super::{both, has_s1_of_nginx, is_explained, is_meant, is_refused, open_at, tail, type3};

pub static WRONG_CONTINUATION: Rule = Rule {
    code: "wrong-csid-continuation",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a message continues with the type 3 header of another chunk stream",
    page: Page {
        what: "The type 3 header names a chunk stream on which no message is open, while the message that was being sent \
               lacks bytes. The receiver begins a message there, or closes.",
        looks: "06 00 00 00 00 0d 0b 09 01 00 00 00 ... 128 bytes ... c3   wrong\n\
                06 00 00 00 00 0d 0b 09 01 00 00 00 ... 128 bytes ... c6   right",
        who: "Code with a constant c3; code that adds the id to 0xc0 where it needs two bytes (64 and more).",
        fix: "Write the basic header of the message's own chunk stream: 0xc0 + id up to 63, c0 (id - 64) from 64 on.",
        source: "RTMP 1.0 sections 5.3.1.1 and 5.3.1.2.4.",
    },
    check: Check::Diff(|comparison| both(comparison, WRONG_CONTINUATION.code, wrong_continuation)),
};

pub static EXTENDED_FORM: Rule = Rule {
    code: "csid-extended-form",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a chunk stream id of 64 or more is encoded incorrectly",
    page: Page {
        what: "Ids from 64 on follow the first byte in one or two bytes, less 64, and the two bytes are little-endian. \
               A sender that does not subtract 64, or swaps the bytes, names another chunk stream.",
        looks: "c0 01      fmt 3, chunk stream 65\n\
                c0 41      fmt 3, chunk stream 129\n\
                c1 00 01   fmt 3, chunk stream 320 (0 + 256 * 1 + 64)",
        who: "Hardware encoders; libraries that only ever used ids below 64: ossrs/srs#4680.",
        fix: "Write id - 64; in three bytes the low byte first. Better: use ids from 3 to 63.",
        source: "RTMP 1.0 section 5.3.1.1.",
    },
    check: Check::Diff(|comparison| {
        let mut claims = broken::claims_with(comparison, WRONG_CONTINUATION.code, extended_form);
        claims.extend(tail::claims(comparison, EXTENDED_FORM.code));
        claims
    }),
};

/// The chunk stream of the message, the one its type 3 header names, and that header's bytes.
fn continuation(seen: &FramingEvidence<'_, '_>) -> Option<(u32, u32, Vec<u8>)> {
    let csid = seen.kept()?.csid;
    let bytes = seen.best.evidence.iter().find(|one| one.offset >= seen.best.first_at)?.bytes.clone();
    let named = match (bytes.first()? & 0x3f, bytes.get(1), bytes.get(2)) {
        (0, Some(&low), _) => u32::from(low) + 64,
        (1, Some(&low), Some(&high)) => u32::from(low) + 256 * u32::from(high) + 64,
        (id, ..) => u32::from(id),
    };
    Some((csid, named, bytes))
}

fn wrong_continuation(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let Some((csid, named, bytes)) = continuation(seen) else { return Some(DiagnosisText::default()) };
    if type3::is_of_form(csid, named) {
        return None;
    }
    let right = broken::spaced(&type3::header(csid));
    let why = match u32::from(bytes.first()? & 0x3f) {
        low if csid >= 64 && low == csid & 0x3f => {
            format!("{} is 0xc0 + {csid} in one byte; ids from 64 on need two", broken::spaced(&bytes))
        }
        _ => format!("{} is fmt 3 on chunk stream {named}, on which no message is open", broken::spaced(&bytes)),
    };
    Some(DiagnosisText {
        title: format!(
            "{} on chunk stream {csid} continues with {}, chunk stream {named}",
            seen.name(),
            broken::spaced(&bytes)
        ),
        why,
        fix: format!("continue it with {right}"),
    })
}

fn extended_form(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let (csid, named, bytes) = continuation(seen)?;
    if !type3::is_of_form(csid, named) {
        return None;
    }
    let is_first_off = type3::is_first_off(csid, named);
    let slip = match named == csid + 64 {
        true => "64 is not subtracted from the id",
        false if is_first_off => "64 is not subtracted from the id in the first header, or is subtracted twice here",
        false => "the two bytes of the id are swapped",
    };
    Some(DiagnosisText {
        title: format!(
            "{} on chunk stream {csid} continues with {}, which is chunk stream {named}: {slip}",
            seen.name(),
            broken::spaced(&bytes)
        ),
        why: format!("no message is open on chunk stream {named}, and the one on {csid} lacks bytes"),
        // Which of the two headers is meant is known only of a type 3 header that is too high.
        fix: match named == csid + 64 {
            true => format!(
                "write chunk stream {csid} as {}, or use an id from 3 to 63",
                broken::spaced(&type3::header(csid))
            ),
            false => {
                "write the id less 64, the low byte first, in every header of the message, or use an id from 3 to 63"
                    .to_owned()
            }
        },
    })
}

pub static OVER_PEER_LIMIT: Rule = Rule {
    code: "csid-over-peer-limit",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the chunk stream id is higher than the peer accepts",
    page: Page {
        what: "The id is one that the specification allows, and the server keeps fewer chunk streams. It closes without an \
               answer at the first header with it.",
        looks: "28 00 00 00 00 00 30 09 01 00 00 00   fmt 0, chunk stream 40\n\
                00 06 00 00 00 00 00 1e 14 ...        fmt 0, chunk stream 70",
        who: "Clients that count chunk streams up, or use the message stream's number in them.",
        fix: "Use ids from 3 to 8, as all well-known clients do.",
        source: "nginx-rtmp accepts ids up to 31 (max_streams 32): \"RTMP in chunk stream too big: 40 >= 32\"; \
                 mediamtx up to 63, bluenviron/mediamtx#2806.",
    },
    check: Check::Diff(over_peer_limit),
};

/// nginx's limit, the lowest known.
const LOWEST_LIMIT: u32 = 32;

fn over_peer_limit(comparison: &Comparison<'_>) -> Vec<Claim> {
    let wrong: Vec<usize> = open_at(comparison, FieldPath::CSID)
        .filter(|&index| {
            let csids = csids(comparison, index);
            csids.is_some_and(|[a, b]| a < LOWEST_LIMIT && b >= LOWEST_LIMIT)
        })
        .collect();
    // What is read out of broken framing has any chunk stream.
    let is_sound = |item: &RecordedEvent| {
        let stream = item.message().and_then(|kept| kept.header.message_stream_id);
        item.defects.is_empty() && stream.is_none_or(|stream| stream.0 < 1 << 24)
    };
    let is_high = |&row: &usize| {
        let item = comparison.item(row, Side::B);
        let kept = item.filter(|item| is_sound(item)).and_then(RecordedEvent::message);
        kept.is_some_and(|kept| kept.csid >= LOWEST_LIMIT && kept.fmt == Some(0) && kept.header.type_id.is_known())
    };
    let row = match comparison.a.is_none() {
        true => (0..comparison.rows.len()).rfind(is_high),
        false => wrong.first().map(|&first| comparison.mismatches[first].row),
    };
    let Some(row) = row else { return Vec::new() };
    let (Some(item), Some(b)) = (comparison.item(row, Side::B), sent_on(comparison, row)) else {
        return Vec::new();
    };
    let is_made_up = is_explained(comparison, item.direction);
    if !is_refused(comparison, item) || !is_meant(comparison.b, item) || is_made_up || has_passed(comparison, item) {
        return Vec::new();
    }
    let name = &comparison.either(row).name;
    let server = match has_s1_of_nginx(comparison.b) {
        true => {
            "the server's S1 is that of nginx-rtmp, which accepts ids up to 31 (lal, joy4 and xiu have the same S1)"
        }
        false => "servers keep 32 (nginx-rtmp) or 64 (mediamtx) chunk streams",
    };
    let title = format!(
        "{name} is sent on chunk stream {b}, and the peer closes the connection without an error \
                         message"
    );
    let a = comparison.item(row, Side::A).and_then(|item| item.message());
    let a = a.map(|a| format!("; A sends {name} on chunk stream {}, and continues", a.csid)).unwrap_or_default();
    let claim = Claim::at_header(comparison, row, FieldPath::CSID, (0..1, b.to_string()), Certainty::Likely, title);
    let claim =
        claim.why(format!("{server}{a}")).fix("use chunk streams 3 to 8").explaining(wrong).breaking(Impact::Framing);
    vec![claim]
}

/// Whether more messages than may be on their way came on such chunk streams, and the connection stood for longer than a
/// refusal takes: then the peer accepts them.
fn has_passed(comparison: &Comparison<'_>, item: &RecordedEvent) -> bool {
    const FEW: usize = 8;
    // In nanoseconds; or twice what the peer took for its slowest answer.
    const SOON: i64 = 20_000_000;
    const TIMES: i64 = 2;
    let stream = &comparison.b.stream;
    let end = stream.start.0 + (stream.duration * 1e9) as i64;
    let own = comparison.b.items.iter().filter(|other| other.direction == item.direction);
    let high = own.filter(|other| other.message().is_some_and(|kept| kept.csid >= LOWEST_LIMIT));
    let high: Vec<&RecordedEvent> = high.collect();
    let first = high.first().map_or(item.time, |first| first.time);
    let answers =
        comparison.b.items.windows(2).filter(|pair| pair[1].time <= first && pair[1].direction != item.direction);
    let slowest = answers.map(|pair| pair[1].time.since(pair[0].time)).max().unwrap_or_default();
    high.len() > FEW && end - first.0 > SOON.max(slowest.saturating_mul(TIMES))
}

pub static RESERVED: Rule = Rule {
    code: "csid-reserved",
    layer: Layer::Chunk,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "chunk stream 2 is misused",
    page: Page {
        what: "Chunk stream 2 is for protocol control messages and user control events, types 1 to 6, and these go \
               nowhere else. Most receivers do not check; some strict ones do not connect.",
        looks: "02 00 00 00 00 00 04 01 00 00 00 00 00 00 10 00   right\n\
                03 00 00 00 00 00 04 01 00 00 00 00 00 00 10 00   wrong: on chunk stream 3\n\
                02 00 00 00 00 00 87 14 00 00 00 00 02 00 07 63   wrong: a command",
        who: "Clients with one chunk stream for everything; SRS 7 for a while, which broke Larix: ossrs/srs#4683.",
        fix: "Send types 1 to 6 on chunk stream 2, and everything else on 3 and above.",
        source: "RTMP 1.0 sections 5.4 and 6.2.",
    },
    check: Check::Diff(reserved),
};

fn reserved(comparison: &Comparison<'_>) -> Vec<Claim> {
    let is_control = |row: usize| {
        let kept = comparison.item(row, Side::B).and_then(|item| item.message())?;
        Some(is_control(kept.header.type_id))
    };
    let is_right_in_a = |row: usize, control: bool| {
        let kept = comparison.item(row, Side::A).and_then(|item| item.message());
        comparison.a.is_none() || kept.is_some_and(|kept| (kept.csid == 2) == control)
    };
    let is_wrong = |&row: &usize| {
        let (Some(control), Some(csid)) = (is_control(row), sent_on(comparison, row)) else { return false };
        (csid == 2) != control && is_right_in_a(row, control)
    };
    let all: Vec<usize> = (0..comparison.rows.len()).filter(is_wrong).collect();
    let mut claims = Vec::new();
    for control in [true, false] {
        let wrong: Vec<usize> = all.iter().copied().filter(|&row| is_control(row) == Some(control)).collect();
        let Some((&row, b)) = wrong.first().and_then(|row| Some((row, sent_on(comparison, *row)?))) else {
            continue;
        };
        let name = &comparison.either(row).name;
        let explains = open_at(comparison, FieldPath::CSID)
            .filter(|&index| wrong.binary_search(&comparison.mismatches[index].row).is_ok());
        let also = if wrong.len() == 1 { String::new() } else { format!(", and {} more messages", wrong.len() - 1) };
        let (why, fix) = match control {
            true => {
                ("protocol control messages belong on chunk stream 2, and strict peers check", "send types 1 to 6 on 2")
            }
            false => (
                "chunk stream 2 is reserved for types 1 to 6, and strict peers check",
                "send commands, data and media on chunk stream 3 or above",
            ),
        };
        let title = format!("{name}{also} {} sent on chunk stream {b}", if wrong.len() == 1 { "is" } else { "are" });
        let claim =
            Claim::at_header(comparison, row, FieldPath::CSID, (0..1, b.to_string()), Certainty::Certain, title);
        claims.push(claim.why(why).fix(fix).explaining(explains));
    }
    claims
}

/// Whether a type is one that belongs on chunk stream 2.
fn is_control(type_id: MessageTypeId) -> bool {
    (1..=6).contains(&type_id.0)
}

/// The chunk stream of a row's message in B.
fn sent_on(comparison: &Comparison<'_>, row: usize) -> Option<u32> {
    Some(comparison.item(row, Side::B)?.message()?.csid)
}

/// The chunk streams of the messages of a mismatch, in A and in B.
fn csids(comparison: &Comparison<'_>, mismatch: usize) -> Option<[u32; 2]> {
    let row = comparison.mismatches[mismatch].row;
    let csid = |side| Some(comparison.item(row, side)?.message()?.csid);
    Some([csid(Side::A)?, csid(Side::B)?])
}
