//! What [`crate::search::media`] finds, in words: mistakes in the bodies, times and order of media messages.

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::field::Def;
use crate::recording::{EventKind, RecordedEvent};
use crate::rtmp::class::{MediaKind, MessageClass};
use crate::rules::chunk;
use crate::rules::flv::time;
use crate::rules::look::count;
use crate::rules::{Breaks, Certainty, Claim, Rule, Severity, find};
use crate::search::media::{self, BodyEdit, Edit, FieldEdit, Meant, MediaScope, OrderEdit, TimeEdit};
use crate::sender::Operator;
use crate::session::Direction;

use super::{encoded, generated_rule};

/// The operators of the mistakes in bodies, times and order that have codes.
pub(super) const OPERATORS: [&str; 14] = [
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
    "exchanged",
    "moved",
];

/// The operators on timestamps that no field of a body has.
pub(super) const OF_TIMES: [&str; 7] =
    ["previous", "difference", "presentation", "base-any", "base-type", "jump", "rounded"];

/// Adds the mistakes that explain media of B by A's, or by what must hold in any, where nothing else does.
pub fn join(comparison: &Comparison<'_>, others: &mut Vec<(&'static Rule, Claim)>) {
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let is_of = |other: &Claim| comparison.either_item(other.row).direction == direction;
        let breaks = |other: &Claim| matches!(other.breaks, Breaks::Framing | Breaks::Capture { .. }) && is_of(other);
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
            let is_computed = has_a && is_computed(&meant);
            if explains.is_empty() && has_a || !is_computed && others.iter().any(is_known) {
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
                Edit::Order(OrderEdit::Joined) => true,
                Edit::Order(_) => mismatch.is_whole_message(),
            }
    };
    comparison.open().filter(is_explained).collect()
}

/// What is said of a mistake.
struct Words {
    code: String,
    title: String,
    fix: String,
    severity: Severity,
    path: FieldPath,
}

fn claim(
    comparison: &Comparison<'_>,
    direction: Direction,
    meant: &Meant,
    explains: Vec<usize>,
) -> Option<(&'static Rule, Claim)> {
    let row = *meant.rows.first()?;
    let has_a = comparison.a.is_some();
    let name = comparison.either(row).name.clone();
    let whose = whose(meant, &name);
    let words = match &meant.edit {
        Edit::Body(edit) => body(edit, meant, &whose, has_a),
        Edit::Time(edit) => times(edit, meant, &whose, has_a),
        Edit::Order(edit) => order(*edit, meant, &name, direction),
    };
    let is_whole_scope = !matches!(meant.scope, MediaScope::One | MediaScope::Some(_) | MediaScope::Longer(..));
    let is_proven = meant.is_sole && is_whole_scope && words.severity >= Severity::Warning;
    let is_of_body = matches!(meant.edit, Edit::Body(_) | Edit::Time(TimeEdit::ToAnyMessage | TimeEdit::ToOwnType));
    let certainty = if is_proven && is_of_body && has_a { Certainty::Certain } else { Certainty::Likely };
    let whole = match meant.edit {
        Edit::Body(_) if !has_a => {
            format!("without that, {} can be read to the end; as it is, not", count(meant.rows.len(), "message"))
        }
        Edit::Time(TimeEdit::Plus(_)) if !has_a => {
            "what is sent at the same time has about the same timestamp, and a session's begin near 0".to_owned()
        }
        Edit::Time(_) if !has_a => "without that, audio lasts as long as its samples do; as it is, not".to_owned(),
        Edit::Order(_) if !has_a => "no other message before has its bytes, or what it needs".to_owned(),
        Edit::Order(_) => "all others of both are the same, in the same order".to_owned(),
        Edit::Time(_) => format!(
            "done to A's times, it gives B's, of {}; what it is not done to runs as in A",
            count(meant.rows.len(), "message")
        ),
        Edit::Body(_) => format!(
            "done to A's, it gives exactly B's bytes, of {}; all others are the same in both",
            count(meant.rows.len(), "message")
        ),
    };
    let sides = sides(comparison, row, &meant.edit);
    let claim = Claim::on(row, words.path, sides, certainty, words.title)
        .why(whole)
        .fix(words.fix)
        .weighing(words.severity)
        .explaining(explains);
    let rule = match meant.edit {
        Edit::Time(TimeEdit::Times(factor)) if is_unit(factor) => &time::UNIT,
        Edit::Time(TimeEdit::From(more)) if more > 0 => &time::TIME_JUMP,
        Edit::Time(TimeEdit::Bits(24) | TimeEdit::From(WRAPPED)) => &chunk::time::WRAP_24,
        Edit::Body(BodyEdit::Cut { .. }) => find("px-trunc")?,
        _ => generated_rule(&words.code),
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

fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

fn class_name(class: MessageClass) -> &'static str {
    match class {
        MessageClass::Config(MediaKind::Audio) => "audio sequence header",
        MessageClass::Config(MediaKind::Video) => "video sequence header",
        MessageClass::Video { keyframe: true } => "video key frame",
        MessageClass::Video { keyframe: false } => "video inter frame",
        _ => "audio frame",
    }
}

/// The messages of a mistake, in words.
fn whose(meant: &Meant, name: &str) -> String {
    match meant.scope {
        MediaScope::All => "every audio and video message".to_owned(),
        MediaScope::Kind(kind) => format!("every {} message", kind_name(kind)),
        MediaScope::Frames(kind) => format!("every {} frame", kind_name(kind)),
        MediaScope::Class(class) if meant.rows.len() == 1 => format!("the {}", class_name(class)),
        MediaScope::Class(class) => format!("every {}", class_name(class)),
        MediaScope::Longer(kind, length) => format!("every {} message of more than {length} bytes", kind_name(kind)),
        MediaScope::One => format!("one {name}"),
        MediaScope::Some(kind) => format!("{} {} messages", meant.rows.len(), kind_name(kind)),
    }
}

fn is_video(meant: &Meant) -> bool {
    match meant.scope {
        MediaScope::Kind(kind) | MediaScope::Frames(kind) | MediaScope::Longer(kind, _) | MediaScope::Some(kind) => {
            kind == MediaKind::Video
        }
        MediaScope::Class(class) => !matches!(class, MessageClass::Audio | MessageClass::Config(MediaKind::Audio)),
        MediaScope::All | MediaScope::One => true,
    }
}

/// A field's name without the protocol's.
fn short(def: &Def) -> &'static str {
    def.name.strip_prefix("rtmpt.").unwrap_or(def.name)
}

/// A value, with what it means.
fn value(def: &Def, value: u64) -> String {
    match (def.symbol)(value) {
        Some(symbol) => format!("{value} ({symbol})"),
        None => value.to_string(),
    }
}

fn body(edit: &BodyEdit, meant: &Meant, whose: &str, has_a: bool) -> Words {
    let payload = if is_video(meant) { "video.payload" } else { "audio.payload" };
    let words = |operator: &str, field: &str, title: String, fix: String, path| Words {
        code: format!("mistake:{operator}:{field}"),
        title,
        fix,
        severity: Severity::Error,
        path,
    };
    let of_payload = FieldPath::Field(payload, 0);
    match edit {
        BodyEdit::Fields(fields) => {
            let FieldEdit { def, operator, .. } = &fields[0];
            let known = match meant.scope {
                _ if has_a => "in A",
                MediaScope::Class(_) => "in its parameter set",
                _ => "by what its bytes are",
            };
            let all: Vec<String> = fields.iter().map(|one| changed(one, whose, known)).collect();
            let fix: Vec<String> = fields.iter().map(repaired).collect();
            let severity = fields.iter().map(severity).max().unwrap_or(Severity::Warning);
            let path = FieldPath::Field(short(def), 0);
            Words { severity, ..words(operator.name(), short(def), all.join("; "), fix.join("; "), path) }
        }
        BodyEdit::PutIn { bytes, fits: Some(fits), .. } => words(
            "put-in",
            short(fits.inserted),
            format!(
                "in {whose}, {} is {}, and the {} bytes of {} follow that belong to {}",
                fits.field.title,
                value(fits.field, fits.is),
                bytes.len(),
                fits.inserted.title.to_lowercase(),
                value(fits.field, fits.with)
            ),
            format!("write {}, or leave these {} bytes out", value(fits.field, fits.with), bytes.len()),
            FieldPath::Field(short(fits.inserted), 0),
        ),
        BodyEdit::PutIn { at, bytes, fits: None } => words(
            "put-in",
            payload,
            format!(
                "in {whose}, {} bytes are put in before byte {at} ({})",
                bytes.len(),
                hex::encode(&bytes[..bytes.len().min(8)])
            ),
            "leave them out: a decoder reads them as coded media".to_owned(),
            of_payload,
        ),
        BodyEdit::LeftOut { length, field: Some(def), .. } => words(
            "left-out",
            short(def),
            format!("in {whose}, the {} is left out ({length} bytes)", def.title.to_lowercase()),
            format!("write the {} before what follows it", def.title.to_lowercase()),
            FieldPath::Field(short(def), 0),
        ),
        BodyEdit::LeftOut { at, length, field: None } => words(
            "left-out",
            payload,
            format!("in {whose}, {length} bytes are left out from byte {at} on"),
            "write the header of the tag as FLV has it".to_owned(),
            of_payload,
        ),
        BodyEdit::Cut { at } => words(
            "cut",
            payload,
            format!("video messages that should be longer are cut at {at} bytes, in the middle of a NAL unit"),
            format!("find the buffer of {at} bytes: a frame has as many as its NAL units have"),
            of_payload,
        ),
        BodyEdit::Filled { with, multiple } => words(
            "padded",
            payload,
            format!("after the end of {whose}, bytes {with:#04x} are put in up to a multiple of {multiple}"),
            "send as many bytes as the frame has; the message length says how many that is".to_owned(),
            of_payload,
        ),
    }
}

/// How bad it is that a field has another value.
fn severity(edit: &FieldEdit) -> Severity {
    match (short(edit.def), edit.values) {
        // A decoder of AAC takes them from the configuration (FLV E.4.2.1); most others do not look either.
        ("audio.rate" | "audio.size" | "audio.type", _) => Severity::Info,
        // Both need other frames; whether others need them is for the server to know.
        ("video.type", [2 | 3, 2 | 3]) => Severity::Info,
        ("video.composition_time" | "video.avc.config.compatibility", _) => Severity::Warning,
        _ => Severity::Error,
    }
}

/// What a field is, and what it is where that is known from.
fn changed(edit: &FieldEdit, whose: &str, known: &str) -> String {
    let FieldEdit { def, operator, values: [a, b], .. } = edit;
    let [a, b] = [value(def, *a), value(def, *b)];
    let title = def.title;
    match operator {
        Operator::ByteOrder => format!("{title} of {whose} has its bytes in the other order: {b}, {known} {a}"),
        Operator::Plus(more) => format!("{title} of {whose} is {more:+} off: {b}, {known} {a}"),
        Operator::Times(factor) => format!("{title} of {whose} is {factor} times too large: {b}, {known} {a}"),
        Operator::Divided(by) => format!("{title} of {whose} is divided by {by}: {b}, {known} {a}"),
        Operator::Bits(bits) => format!("{title} of {whose} has only its lowest {bits} bits: {b}, {known} {a}"),
        _ => format!("{title} of {whose} is {b}, {known} {a}"),
    }
}

fn repaired(edit: &FieldEdit) -> String {
    let FieldEdit { def, operator, values: [a, _], .. } = edit;
    match operator {
        Operator::ByteOrder => format!("write {} with the most significant byte first", def.title),
        Operator::Constant(_) => format!("write {} {}", def.title, value(def, *a)),
        _ => format!("write {} as it is", def.title),
    }
}

fn times(edit: &TimeEdit, meant: &Meant, whose: &str, has_a: bool) -> Words {
    let is_all = meant.scope == MediaScope::All;
    let way = |more: &i64| format!("{} ms {}", more.abs(), if *more < 0 { "early" } else { "late" });
    let (operator, title, fix) = match edit {
        TimeEdit::Plus(more) if is_all && !has_a => (
            "plus",
            match meant.is_sole {
                true => format!("timestamps begin at {more}, the time of day of the capture in ms, modulo 2^32"),
                false => format!("timestamps begin at {more} ms, more than a day"),
            },
            "count from 0 at the first message: to a receiver the session has run for days already".to_owned(),
        ),
        TimeEdit::Plus(more) if is_all => (
            "plus",
            format!("all timestamps are {more} ms more than in A: the clock does not count from the start of the session"),
            "count from 0 at the first message, not from the time of day".to_owned(),
        ),
        TimeEdit::Plus(more) => (
            "plus",
            match has_a {
                true => format!("{whose} is {}, measured by the other track, in which A has them", way(more)),
                false => format!("{whose} is about {}, measured by what is sent beside it", way(more)),
            },
            "take both tracks' times from one clock, and what begins first at 0".to_owned(),
        ),
        TimeEdit::Times(factor) => (
            "times",
            format!("the timestamps of {whose} run {factor:.3} times as fast as in A"),
            "count milliseconds: take the time of a frame from its number and the true rate, 1000 * number / rate".to_owned(),
        ),
        TimeEdit::Bits(bits) => (
            "bits",
            format!("only the lowest {bits} bits of the timestamps of {whose} are written"),
            "keep 32 bits; from 0xffffff on the extended timestamp has them (RTMP 1.0 5.3.1.3)".to_owned(),
        ),
        TimeEdit::Rounded(step) => (
            "rounded",
            format!("the timestamps of {whose} are rounded down to multiples of {step} ms"),
            "write milliseconds: what is rounded comes in bursts, and audio and video drift against each other".to_owned(),
        ),
        TimeEdit::Constant(value) => (
            "constant",
            format!("the timestamp of {whose} is always {value}"),
            "write the time of each frame".to_owned(),
        ),
        TimeEdit::Previous => (
            "previous",
            format!("{whose} has the timestamp of the message before it"),
            "update the time before the header is written".to_owned(),
        ),
        TimeEdit::Difference => (
            "difference",
            format!("{whose} has the difference to the message before as its time"),
            "a header of format 0 has the time itself, those of format 1 and 2 the difference (RTMP 1.0 5.3.1.2)".to_owned(),
        ),
        TimeEdit::Presentation => (
            "presentation",
            format!("the timestamp of {whose} is when it is shown: the composition time is added to it"),
            "write the time at which it is decoded; the composition time in the body is added by the player".to_owned(),
        ),
        TimeEdit::ToAnyMessage => (
            "base-any",
            format!("the delta of {whose} is taken to the last message of any chunk stream, and not to that of its own"),
            "keep the last timestamp for each chunk stream: a receiver adds a delta to that one (RTMP 1.0 5.3.1.2.2)".to_owned(),
        ),
        TimeEdit::ToOwnType => (
            "base-type",
            format!("the delta of {whose} is taken to the last message of its type, on a chunk stream that has both types"),
            "keep one last timestamp for the chunk stream, whatever the type (RTMP 1.0 5.3.1.2.2), or use two chunk streams"
                .to_owned(),
        ),
        TimeEdit::From(more) => (
            "jump",
            format!("from here on {whose} is {}, measured by A", way(more)),
            "keep one clock for the whole session".to_owned(),
        ),
    };
    let severity = match edit {
        // A relay of a session that runs for long has such times.
        TimeEdit::Plus(_) if is_all && !has_a && !meant.is_sole => Severity::Info,
        TimeEdit::Plus(_) if !has_a => Severity::Warning,
        TimeEdit::Rounded(..=20) => Severity::Warning,
        _ => Severity::Error,
    };
    Words { code: format!("mistake:{operator}:header.timestamp"), title, fix, severity, path: FieldPath::TIMESTAMP }
}

fn order(edit: OrderEdit, meant: &Meant, name: &str, direction: Direction) -> Words {
    let number = meant.rows.len();
    let several = |one: String, all: &str| if number > 1 { format!("{number} messages {all}") } else { one };
    // A server may leave out what a player is too slow for.
    let severity = match direction {
        Direction::ClientToServer => Severity::Error,
        Direction::ServerToClient => Severity::Warning,
    };
    let (operator, severity, title, fix) = match edit {
        OrderEdit::Repeated => (
            "repeated",
            severity,
            several(format!("a message ({name}) is sent twice"), "are sent twice"),
            "send each frame once: a decoder takes the second for another frame",
        ),
        OrderEdit::LeftOut => (
            "left-out",
            severity,
            several(format!("a message ({name}) is left out"), "are left out"),
            "send every frame: those that refer to it cannot be decoded without it",
        ),
        OrderEdit::FirstLeftOut => (
            "left-out",
            Severity::Error,
            format!(
                "the first video key frame is left out: the video begins with a frame that needs others ({number} missing)"
            ),
            "begin with a key frame, after the sequence header: until the next one a player shows nothing, or grey",
        ),
        OrderEdit::Exchanged => (
            "exchanged",
            severity,
            format!("messages ({name}) are in each other's place"),
            "send frames in the order in which they are decoded; the composition time says when each is shown",
        ),
        OrderEdit::Joined => (
            "joined",
            Severity::Error,
            format!("{number} messages have the bodies of two of A ({name}): the second follows without its tag"),
            "send each frame as a message of its own, with the header of its tag",
        ),
        OrderEdit::Moved => (
            "moved",
            severity,
            several(format!("a message ({name}) is in another place"), "are in another place"),
            "send frames in the order in which they are decoded",
        ),
    };
    let path = FieldPath::Message;
    Words { code: format!("mistake:{operator}:message"), title, fix: fix.to_owned(), severity, path }
}
