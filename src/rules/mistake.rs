//! Rules that are not written but found: mistakes of a sender with which its bytes come out ([`crate::search`]).
//!
//! A mistake that the catalogue knows has the catalogue's code; any other has one of its own,
//! `mistake:<operator>:<field>`, and a sentence made of the operator, the field, both values and the scope.

mod encoded;
mod media;
mod texts;
mod values;

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use crate::compare::{Comparison, Side, Value};
use crate::recording::{EventKind, RecordedEvent};
use crate::rtmp::message::Ending;
use crate::search::{self, Explained, Foreign, Found};
use crate::sender::{Chunks, Field, Mistake, Operator};
use crate::session::Direction;

use super::{Certainty, Check, Claim, DiagnosisText, Impact, Layer, Mode, Page, Rule, Severity, chunk};

/// The rule of a mistake.
fn rule(found: &Found) -> &'static Rule {
    let Mistake { operator, field, .. } = found.mistake;
    match (operator, field) {
        (Operator::ByteOrder, Field::Length) => &chunk::length::BYTE_ORDER,
        (Operator::Plus(more), Field::Length) if more == found.headers_inside() => &chunk::length::WITH_HEADERS,
        (Operator::ByteOrder, Field::StreamId) => &chunk::header::MSID_BIG_ENDIAN,
        (_, Field::TypeId) if found.values.is_some_and(is_in_another_base) => &chunk::header::TYPE_ID_DEC_HEX,
        (Operator::LeftOut, Field::Continuation) => &chunk::size::TYPE3_MISSING,
        (Operator::Twice, Field::Continuation) => generated_rule("mistake:twice:chunk.continuation"),
        (_, Field::Continuation) => &chunk::stream::WRONG_CONTINUATION,
        (_, Field::Extended) => &chunk::time::FIELD_FFFFFF,
        (Operator::Inherited, Field::StreamId) => &chunk::order::FMT_FIRST,
        (Operator::Constant(_), Field::ChunkSize) => &chunk::size::NOT_ANNOUNCED,
        _ => generated_rule(&format!("mistake:{}:{}", operator.name(), field.name())),
    }
}

/// The rule with a code of its own.
fn generated_rule(code: &str) -> &'static Rule {
    let found = GENERATED.iter().find(|rule| rule.code == code);
    debug_assert!(found.is_some(), "{code} is not among the generated codes");
    found.unwrap_or(&GENERATED[0])
}

/// Whether a rule is about whole messages that are there or not.
pub fn is_of_number(rule: &Rule) -> bool {
    ["mistake:left-out:message", "mistake:repeated:message"].contains(&rule.code)
}

/// Whether one of two numbers is the other one's digits in base 10 read in base 16.
fn is_in_another_base((meant, written): (u32, u32)) -> bool {
    let reads_as = |one: u32, other: u32| u32::from_str_radix(&one.to_string(), 16) == Ok(other);
    reads_as(meant, written) || reads_as(written, meant)
}

/// The generated rules, one for each operator and field that has no rule of its own.
pub static GENERATED: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    const FIELDS: [Field; 13] = [
        Field::Basic,
        Field::Format,
        Field::ExtendedAgain,
        Field::Extended,
        Field::Csid,
        Field::Timestamp,
        Field::Length,
        Field::TypeId,
        Field::StreamId,
        Field::Continuation,
        Field::ChunkSize,
        Field::Payload,
        Field::Message,
    ];
    let pairs = Operator::NAMES.into_iter().flat_map(|operator| FIELDS.map(|field| (operator, field)));
    // There are so many and no more, for as long as the program runs.
    let of_chunks = pairs.map(|(operator, field)| {
        // What does not belong is told from what A has.
        let needs_a = operator == "stray";
        let modes: &[Mode] = if needs_a { &[Mode::Diff] } else { &[Mode::Lint, Mode::Diff] };
        generated(Layer::Chunk, modes, format!("mistake:{operator}:{}", field.name()).leak())
    });
    let mut all: Vec<Rule> = of_chunks.collect();
    let of_media = crate::rtmp::media::fields().map(|def| def.name.strip_prefix("rtmpt.").unwrap_or(def.name));
    let of_media = of_media.filter(|name| name.starts_with("audio.") || name.starts_with("video.")).chain(["message"]);
    let of_media = of_media.flat_map(|field| media::OPERATORS.map(|operator| format!("mistake:{operator}:{field}")));
    let of_times = media::OF_TIMES.map(|operator| format!("mistake:{operator}:header.timestamp"));
    let known: HashSet<&str> = all.iter().map(|rule| rule.code).collect();
    let of_values = values::codes();
    let codes: BTreeSet<String> =
        of_media.chain(of_times).chain(of_values).filter(|code| !known.contains(code.as_str())).collect();
    all.extend(codes.into_iter().map(|code| generated(Layer::Media, &[Mode::Lint, Mode::Diff], code.leak())));
    all
});

fn generated(layer: Layer, modes: &'static [Mode], code: &'static str) -> Rule {
    Rule {
        code,
        layer,
        severity: Severity::Fatal,
        modes,
        title: "a mistake of the sender with which its bytes come out of what it should have sent",
        page: Page {
            what: "No rule describes this mistake. It was found by writing what should have been sent with every small edit \
                   of a header, of the chunks, or of the bytes written, and comparing with what was received.",
            looks: "The finding says which field it is, what it should say and what it says.",
            who: "Hand-written chunk encoders.",
            fix: "Change the field as the finding says.",
            source: "RTMP 1.0 section 5.3.1.",
        },
        check: Check::Diff(|_| Vec::new()),
    }
}

/// Puts the mistakes found by search before what other rules say. Where bytes come out to the end, nothing else that
/// was read from them counts: neither other reasons why the framing broke, nor what was made of bytes after the break.
/// Where the catalogue says the same, it says it better.
pub fn join(comparison: &Comparison<'_>, others: &mut Vec<(&'static Rule, Claim)>) {
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        // A session that is broken itself does not show what should have been sent.
        let is_undecoded =
            |item: &RecordedEvent| item.direction == direction && matches!(item.content, EventKind::Undecoded);
        if comparison.a.is_some_and(|a| a.items.iter().any(is_undecoded)) {
            continue;
        }
        let Some(explained) = search::framing(comparison, direction) else { continue };
        let is_of = |other: &Claim| comparison.either_item(other.row).direction == direction;
        let is_of_framing = |other: &Claim| other.impact == Impact::Framing && is_of(other);
        let from = spoilt_from(comparison, direction, &explained);
        let said = |code: &str| others.iter().any(|(rule, other)| rule.code == code && is_of(other));
        let is_named = |found: &Found| !rule(found).code.starts_with("mistake:");
        let certain =
            || others.iter().filter(|(_, other)| is_of_framing(other) && other.certainty == Certainty::Certain);
        let is_known = comparison.a.is_some()
            && certain().next().is_some()
            && (explained.found.len() > 1
                || explained.found.iter().any(is_named)
                || is_read_as_well(comparison, direction, from, &explained));
        // The catalogue knows its own mistakes better: what looks the same, and what tells them apart.
        // Bytes that belong to nothing, and one length alone, are said where nothing else is known.
        let is_weak = |found: &Found| {
            let is_alone = comparison.a.is_none() && found.mistake.field == Field::Length && found.times < 2;
            found.foreign == Some(Foreign::Other)
                || is_alone && matches!(found.mistake.operator, Operator::Plus(_) | Operator::Constant(_))
        };
        let is_weaker = explained.found.iter().any(is_weak)
            && others.iter().any(|(rule, other)| {
                is_of_framing(other) && rule.code != chunk::order::DESYNC.code && other.certainty >= Certainty::Likely
            });
        let is_told = explained.found.iter().any(is_named)
            && others.iter().any(|(rule, other)| is_of_framing(other) && rule.code != chunk::order::DESYNC.code);
        if is_known || is_told || is_weaker || explained.found.iter().any(|found| said(rule(found).code)) {
            continue;
        }
        // Alone, others that are sure of another reason know more.
        let is_whole = |row| {
            let kept = comparison.item(row, Side::B).and_then(RecordedEvent::message);
            kept.is_some_and(|kept| matches!(kept.ending, Ending::Complete | Ending::Abandoned))
        };
        let is_sure = comparison.a.is_none() && certain().any(|(_, other)| is_whole(other.row));
        if is_sure && !jumps(comparison, direction, from) {
            continue;
        }
        if explained.certain || comparison.a.is_none() {
            let is_spoilt = |other: &Claim| {
                let item = comparison.item(other.row, Side::B).filter(|item| item.direction == direction);
                let is_read = !matches!(other.impact, Impact::Capture { .. } | Impact::End);
                is_of_framing(other) || is_read && item.is_some_and(|item| item.at.end > from)
            };
            others.retain(|(_, other)| !is_spoilt(other));
        } else if explained.reaches_end {
            // Two ways to write B's bytes: whatever else they may be is not certain either.
            let of_framing = others.iter_mut().filter(|(_, other)| is_of_framing(other));
            of_framing.for_each(|(_, other)| other.certainty = other.certainty.min(Certainty::Likely));
        }
        let claims = explained
            .found
            .iter()
            .filter_map(|found| Some((rule(found), claim(comparison, direction, &explained, found, from)?)));
        let claims: Vec<_> = claims.collect();
        others.splice(0..0, claims);
    }
    media::join(comparison, others);
    values::join(comparison, others);
}

/// Whether B as it was read has about as much of A after an offset as the mistakes explain, at about the same times.
fn is_read_as_well(comparison: &Comparison<'_>, direction: Direction, from: u64, explained: &Explained) -> bool {
    let (mut content, mut shift) = (0, None);
    for row in comparison.rows_of(direction) {
        let both = [Side::A, Side::B].map(|side| comparison.item(row, side).and_then(RecordedEvent::message));
        let ([Some(a), Some(b)], Some(item)) = (both, comparison.item(row, Side::B)) else { continue };
        let is_same = a.hash == b.hash && b.ending == Ending::Complete;
        if let (Some(of_a), Some(of_b), true) = (a.header.timestamp, b.header.timestamp, is_same) {
            let now = of_b.wrapping_sub(of_a);
            let before = shift.replace(now).unwrap_or(now);
            if now.wrapping_sub(before).min(before.wrapping_sub(now)) > FAR {
                return false;
            }
        }
        if is_same && item.at.end > from {
            content += u64::from(b.header.length);
        }
    }
    content * 2 >= explained.content
}

/// So far, in milliseconds, nothing that is read right jumps in time.
const FAR: u32 = 600_000;

/// Whether the times that were read after an offset jump: then they are no times.
fn jumps(comparison: &Comparison<'_>, direction: Direction, from: u64) -> bool {
    let items = comparison.rows_of(direction).filter_map(|row| comparison.item(row, Side::B));
    let mut before = None;
    let mut of_media = items
        .filter_map(|item| Some((item.at.end, item.message()?)))
        .filter_map(|(end, kept)| kept.header.type_id.is_media().then_some((end, kept.header.timestamp?)));
    of_media.any(|(end, time)| {
        let last = before.replace(time).unwrap_or(time);
        end > from && time.wrapping_sub(last).min(last.wrapping_sub(time)) > FAR
    })
}

/// Where the bytes of a direction begin to be read wrongly.
fn spoilt_from(comparison: &Comparison<'_>, direction: Direction, explained: &Explained) -> u64 {
    let of_direction = comparison.b.framing.iter().filter(|framing| framing.direction == direction);
    let guessed = of_direction.map(|framing| framing.hypotheses[0].first_at);
    guessed.chain(explained.found.iter().map(|found| found.at)).min().unwrap_or(u64::MAX)
}

fn claim(
    comparison: &Comparison<'_>,
    direction: Direction,
    explained: &Explained,
    found: &Found,
    from: u64,
) -> Option<Claim> {
    let row = search::row_of(comparison, direction, found.at.min(from))?;
    let name = match comparison.a.is_none() {
        true => &comparison.either(row).name,
        false => &comparison.identities[0].get(found.item_of_a)?.name,
    };
    let DiagnosisText { title, fix, .. } = words(found, name);
    let why = match comparison.a.is_none() {
        true => format!(
            "read so, what follows decodes to the end of what was captured, from stream offset {} on, and the body ends where \
             its own lengths, or the direction, say",
            found.at
        ),
        false => format!(
            "{} of A, written so, {} exactly B's bytes from stream offset {} on{}",
            super::messages::count(explained.messages as usize, "message"),
            if explained.messages == 1 { "is" } else { "are" },
            found.at,
            match explained.reaches_end {
                true => ", to the last one that was captured".to_owned(),
                false => format!(" to {}", explained.until),
            }
        ),
    };
    let certainty = if explained.certain { Certainty::Certain } else { Certainty::Likely };
    let of_row = comparison.open().filter(|&index| comparison.mismatches[index].row == row);
    let here = search::row_of(comparison, direction, found.wrong_at).and_then(|row| comparison.item(row, Side::B))?;
    let written = found.values.map_or_else(String::new, |(_, written)| written.to_string());
    let value = |text: String, bytes: &[u8]| {
        let place = Some((found.wrong_at, here.frames[1]));
        Value { text, value: crate::field::Value::None, bytes: bytes.to_vec(), in_body: None, place }
    };
    let of_a = found.values.map(|(meant, _)| Value { place: None, ..value(meant.to_string(), &[]) });
    let sides = [of_a, Some(value(written, &found.bytes))];
    Some(
        Claim::on(row, found.mistake.field.name(), sides, certainty, title)
            .why(why)
            .fix(fix)
            .explaining(of_row)
            .breaking(Impact::Framing),
    )
}

fn words(found: &Found, name: &str) -> DiagnosisText {
    let Found { mistake, values, length, chunk_size, .. } = found;
    let field = mistake.field.title();
    let whose = whose(found, name);
    let pair = values.map_or(String::new(), |(meant, written)| {
        let hex = |value: u32| match mistake.field {
            Field::Length => format!("{value} ({value:#08x})"),
            _ => value.to_string(),
        };
        format!(": {} in place of {}", hex(written), hex(meant))
    });
    let (title, fix) = match (mistake.operator, mistake.field) {
        (Operator::LeftOut, Field::Continuation) => (
            format!("{whose} lacks {}, at chunk size {chunk_size}", which_headers(mistake.scope.chunks)),
            format!("put a type 3 header after every {chunk_size} bytes of the body, or announce a larger chunk size"),
        ),
        (Operator::Twice, _) => (
            format!("{whose} has {} twice, at chunk size {chunk_size}", which_headers(mistake.scope.chunks)),
            "write one header before each chunk".to_owned(),
        ),
        (Operator::Exchanged, Field::Basic) => (
            format!("the basic header of {whose} has the chunk stream id in its high six bits and the format in its low two"),
            "write the format in the two high bits: format << 6 | chunk stream id (RTMP 1.0 5.3.1.1)".to_owned(),
        ),
        (Operator::Constant(written), Field::Format) => (
            format!(
                "the headers of {whose} say format {written} and have the fields of format {}",
                values.map_or(0, |(meant, _)| meant)
            ),
            "write the fields that the format names: 11 bytes for 0, 7 for 1, 3 for 2, none for 3 (RTMP 1.0 5.3.1.2)".to_owned(),
        ),
        (_, Field::ExtendedAgain) => (
            format!("the extended timestamp after the type 3 headers of {whose} is not that of the message{pair}"),
            "repeat the extended timestamp of the first header after each type 3 header (RTMP 1.0 5.3.1.3)".to_owned(),
        ),
        (Operator::Plus(more), Field::Payload) => match more {
            ..0 => (
                format!("the last {} of {whose} not written: the message length counts more", bytes_are(-more)),
                "write the whole body, to its last byte".to_owned(),
            ),
            _ => (
                format!("{} after {whose} which its message length does not count", bytes_follow(more)),
                "write what the message length counts, and nothing after it".to_owned(),
            ),
        },
        (Operator::WithHeader(is_first_only), _) => (
            format!(
                "{} of {whose} has {chunk_size} bytes with its header: the chunk size is without",
                if is_first_only { "the first chunk" } else { "every chunk" }
            ),
            format!("put {chunk_size} bytes of the body after each header, as many as are left in the last chunk"),
        ),
        (Operator::Narrowed, Field::Csid) => (
            format!("the chunk stream id of {whose} lacks its last byte: ids from 64 on have two or three"),
            "write ids from 64 to 319 as 0 in the first byte and the id less 64 in a second one (RTMP 1.0 5.3.1.1)".to_owned(),
        ),
        (Operator::Widened | Operator::Narrowed, _) => {
            let due = mistake.field.bytes();
            let has = if mistake.operator == Operator::Widened { due + 1 } else { due - 1 };
            let first = if mistake.field == Field::StreamId { "least" } else { "most" };
            (
                format!("the {field} of {whose} has {has} bytes, and the format has {due}"),
                format!("write the {field} in {due} bytes, the {first} significant first (RTMP 1.0 5.3.1.2)"),
            )
        }
        (Operator::Exchanged, _) => (
            format!("the headers of {whose} have the {field} before the field that it should follow"),
            "write timestamp, message length, message type, message stream id, in this order (RTMP 1.0 5.3.1.2.1)".to_owned(),
        ),
        (Operator::Constant(size), Field::ChunkSize) => (
            match mistake.scope.chunks {
                None => format!("{whose} is cut at {size} bytes, and the chunk size is {chunk_size}"),
                Some(chunks) => format!("in {whose} {} {size} bytes, and the chunk size is {chunk_size}", which_chunks(chunks)),
            },
            format!("cut at {chunk_size}, or announce the size before"),
        ),
        (Operator::LeftOut, _) => (
            format!("the headers of {whose} lack the {field}: the format says that it is there"),
            format!("write the {field}; a header has 11, 7, 3 or 0 bytes after the basic header, as its format says"),
        ),
        (Operator::PutIn, _) => (
            format!("the headers of {whose} have a {field} that their format does not have"),
            format!("leave the {field} out; a header has 11, 7, 3 or 0 bytes after the basic header, as its format says"),
        ),
        (Operator::Inherited, Field::Length) => {
            let before = values.map_or(String::new(), |(meant, before)| {
                format!(": the receiver takes that of the message before, {before}, and it is {meant}")
            });
            (
                format!("{whose} is written with a format that leaves the message length out, though the length is another{before}"),
                "use format 1, or 0, where length or type differ from the message before on the chunk stream".to_owned(),
            )
        }
        (Operator::Inherited, _) => (
            format!("{whose} is written with a format that leaves the {field} out, though it is another than before"),
            format!("use a format that has the {field} where it changes"),
        ),
        (Operator::Padded, _) => (
            format!("the last chunk of {whose} is filled up with zeros to the chunk size of {chunk_size}"),
            "write no more than what is left of the message in its last chunk".to_owned(),
        ),
        (Operator::Cut(written), _) => (
            format!("only the first {written} bytes of {whose} are written, headers included, and the next message follows"),
            "write all of a message before the next: send() and write() may take less than they are given, and say how much"
                .to_owned(),
        ),
        (Operator::Lost(at, lost), _) => (
            // Without A only the chunk is known.
            match found.item_of_a {
                usize::MAX => format!(
                    "{lost} bytes are missing in {whose}, between its bytes {at} and {}, headers included: the sender did not write them",
                    found.wrong_at - found.at
                ),
                _ => format!("{lost} bytes are missing in {whose}, {at} bytes after its start: the sender did not write them"),
            },
            "find the buffer that was dropped between the chunks and the socket; TCP lost nothing".to_owned(),
        ),
        (Operator::Stray(_) | Operator::Inserted(..), _) => foreign(found, name),
        (operator, _) => {
            let how = match operator {
                Operator::ByteOrder => "has its bytes in the other order".to_owned(),
                Operator::Plus(more) if *length > 0 && mistake.field == Field::Length && more < 0 => {
                    format!("is {} less than the body has", -more)
                }
                Operator::Plus(more) if mistake.field == Field::Length => format!("is {more} more than the body has"),
                Operator::Plus(more) => format!("is {more:+} off"),
                Operator::Times(factor) => format!("is {factor} times what it should be"),
                Operator::Divided(by) => format!("is divided by {by}"),
                Operator::Bits(bits) => format!("has only its lowest {bits} bits"),
                _ => "is wrong".to_owned(),
            };
            let fix = match (operator, mistake.field) {
                (Operator::Bits(bits), Field::Length) => {
                    format!("keep the message length in 24 bits; {bits} are too few")
                }
                (_, Field::Length) => "write the length of the whole body, with everything before the payload".to_owned(),
                (_, Field::Csid) if values.is_some_and(|(_, written)| written > 63) || found.header_len > 1 => {
                    "write the id less 64: in one byte, or in two with the low byte first (RTMP 1.0 5.3.1.1)".to_owned()
                }
                (_, Field::Csid) => "use a chunk stream id from 2 to 63 in the six bits of the basic header, or the longer form".to_owned(),
                _ => format!("write the {field} as it is"),
            };
            (format!("the {field} of {whose} {how}{pair}"), fix)
        }
    };
    DiagnosisText { title, fix, ..Default::default() }
}

/// The chunks of a mistake in words: what is before them, and how many there are, is known.
fn which_chunks(chunks: Chunks) -> String {
    match chunks {
        Chunks::Last => "the last chunk has".to_owned(),
        Chunks::Nth(number) => format!("chunk {} has", number + 1),
        Chunks::From(number) => format!("each chunk from number {} on has", number + 1),
    }
}

/// The type 3 headers of a mistake in words.
fn which_headers(chunks: Option<Chunks>) -> String {
    match chunks {
        None => "type 3 headers".to_owned(),
        Some(Chunks::Last) => "the type 3 header before its last chunk".to_owned(),
        Some(Chunks::Nth(number)) => format!("the type 3 header before chunk {}", number + 1),
        Some(Chunks::From(number)) => format!("type 3 headers from chunk {} on", number + 1),
    }
}

fn bytes_are(number: i64) -> String {
    if number == 1 { "byte is".to_owned() } else { format!("{number} bytes are") }
}

fn bytes_follow(number: i64) -> String {
    if number == 1 { "1 byte follows".to_owned() } else { format!("{number} bytes follow") }
}

/// What is in a message, or after it.
fn foreign(found: &Found, name: &str) -> (String, String) {
    let (place, length) = match found.mistake.operator {
        Operator::Inserted(at, length) => (format!("in {name}, {at} bytes after its start,"), length),
        Operator::Stray(length) => (format!("after {name}"), length),
        _ => return Default::default(),
    };
    match found.foreign {
        Some(Foreign::Message(type_id, csid)) => (
            format!(
                "a message of type {type_id} on chunk stream {csid} is written {place} before all of it is written{}",
                if found.times > 1 { format!("; {} in all", found.times) } else { String::new() }
            ),
            "write a message to its end before the next one on its chunk stream, or use another chunk stream; one writer at \
             a time"
                .to_owned(),
        ),
        Some(Foreign::Repeated) => (
            format!("{length} bytes {place} are written twice"),
            "continue after what send() or write() has taken, and not before".to_owned(),
        ),
        foreign => (
            format!(
                "{length} {} {place} belong to no message",
                if foreign == Some(Foreign::Zeros) { "zeros" } else { "bytes" }
            ),
            "write the bytes of messages, and nothing between them".to_owned(),
        ),
    }
}

/// The messages that a mistake was made in, in words.
fn whose(found: &Found, name: &str) -> String {
    let scope = found.mistake.scope;
    if found.times <= 1 || scope.one.is_some() {
        return name.to_owned();
    }
    let kind = scope.type_id.map_or(String::new(), |type_id| format!(" {}", type_id.name()));
    let format = scope.fmt.map_or(String::new(), |fmt| format!(" of format {fmt}"));
    let longer = scope.longer_than.map_or(String::new(), |length| format!(" of more than {length} bytes"));
    let from = if scope.from_here { "from" } else { "first" };
    format!("every{kind} message{format}{longer}, {from} {name} on,")
        .replace(&format!("first {name} on"), &format!("first {name}"))
}
