//! Mistakes in media in words: what was done, to which messages, how bad that is, and what to change.

use crate::compare::FieldPath;
use crate::field::Def;
use crate::rtmp::class::{MediaKind, MessageClass};
use crate::rules::Severity;
use crate::search::media::{BodyEdit, Change, FieldEdit, Headers, Meant, MediaScope, OrderEdit, TimeEdit, WrittenTime};
use crate::sender::{Field, Operator};
use crate::session::Direction;

/// What is said of a mistake.
pub(super) struct MediaText {
    pub code: String,
    pub title: String,
    pub fix: String,
    pub severity: Severity,
    pub path: FieldPath,
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
pub(super) fn whose(meant: &Meant, name: &str) -> String {
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

pub(super) fn body(edit: &BodyEdit, meant: &Meant, whose: &str, has_a: bool) -> MediaText {
    let payload = if is_video(meant) { "video.payload" } else { "audio.payload" };
    let words = |operator: &str, field: &str, title: String, fix: String, path| MediaText {
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
            MediaText { severity, ..words(operator.name(), short(def), all.join("; "), fix.join("; "), path) }
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
        BodyEdit::LengthDelimited => words(
            "put-in",
            "video.av1.obu.size",
            format!(
                "{whose} is in the length-delimited form of AV1 (annex B), with a size before each temporal unit and OBU"
            ),
            "send the low-overhead form (AV1 5.2): OBUs one after the other, each with its own size field".to_owned(),
            FieldPath::Field("video.av1.obu.size", 0),
        ),
        BodyEdit::HalvesExchanged => {
            let field = if is_video(meant) { "video.type" } else { "audio.format" };
            words(
                "exchanged",
                field,
                format!("in {whose}, the two halves of the first byte are in each other's place"),
                "put audio format 9, or the extended header's bit and the frame type, into the high half, and the packet \
                 type into the low half (enhanced RTMP)"
                    .to_owned(),
                FieldPath::Field(field, 0),
            )
        }
        BodyEdit::NoPicture => words(
            "left-out",
            payload,
            format!("{} video messages have no slice: the NAL units with coded video are left out", meant.rows.len()),
            "send all NAL units of an access unit in one message, not the first only".to_owned(),
            of_payload,
        ),
        BodyEdit::NoParameterSet(name) => words(
            "left-out",
            "video.config",
            format!("{whose} has no {name}"),
            format!("put the {name} that the encoder gave into the configuration"),
            FieldPath::Field("video.config", 0),
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

pub(super) fn times(edit: &TimeEdit, meant: &Meant, whose: &str, has_a: bool) -> MediaText {
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
            match has_a {
                true => format!("the timestamps of {whose} run {factor:.3} times as fast as in A"),
                false => format!("the timestamps of {whose} run about {factor:.2} times as fast as those of the audio beside it"),
            },
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
        TimeEdit::EachKeyFrame => (
            "restarted",
            format!("the timestamps of {whose} begin again at every key frame"),
            "count from the first message of the session on, through all key frames".to_owned(),
        ),
        TimeEdit::Written(edit) => written(edit, whose),
        TimeEdit::From(_, more) => (
            "jump",
            format!("from here on {whose} is {}, measured by A", way(more)),
            "keep one clock for the whole session".to_owned(),
        ),
    };
    let severity = match edit {
        // A relay of a session that runs for long has such times.
        TimeEdit::Plus(_) if is_all && !has_a && !meant.is_sole => Severity::Info,
        TimeEdit::Plus(_) if !has_a => Severity::Warning,
        TimeEdit::Rounded(..=20) | TimeEdit::Previous => Severity::Warning,
        _ => Severity::Error,
    };
    let field = match edit {
        TimeEdit::Written(WrittenTime { change: Change::ExtendedOrder, .. }) => Field::Extended.name(),
        _ => Field::Timestamp.name(),
    };
    MediaText { code: format!("mistake:{operator}:{field}"), title, fix, severity, path: FieldPath::TIMESTAMP }
}

/// What was done to the time in headers: its operator, what is wrong, and what to change.
fn written(edit: &WrittenTime, whose: &str) -> (&'static str, String, String) {
    let WrittenTime { change, headers, values: [meant, is] } = edit;
    let time = match headers {
        Headers::All => "timestamp",
        Headers::Full => "timestamp in the headers of format 0",
        Headers::Delta => "timestamp delta in the headers of format 1 and 2",
    };
    let pair = format!("first {is} ({is:#08x}) in place of {meant} ({meant:#08x})");
    match change {
        Change::ByteOrder => (
            "byte-order",
            format!("the {time} of {whose} has its bytes in the other order: {pair}"),
            "write the most significant byte first (RTMP 1.0 5.3.1.2)".to_owned(),
        ),
        Change::ExtendedOrder => (
            "byte-order",
            format!("the extended timestamp of {whose} has its bytes in the other order: {pair}"),
            "write its four bytes with the most significant first (RTMP 1.0 5.3.1.3)".to_owned(),
        ),
        Change::Bits(bits) => (
            "bits",
            format!("only the lowest {bits} bits of the {time} of {whose} are written: {pair}"),
            "keep 32 bits; from 0xffffff on the extended timestamp has them (RTMP 1.0 5.3.1.3)".to_owned(),
        ),
        Change::HoldsDelta => (
            "difference",
            format!("the {time} of {whose} is the difference to the message before: {pair}"),
            "a header of format 0 has the time itself, those of format 1 and 2 the difference (RTMP 1.0 5.3.1.2)"
                .to_owned(),
        ),
    }
}

pub(super) fn order(edit: OrderEdit, meant: &Meant, name: &str, direction: Direction) -> MediaText {
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
        OrderEdit::Split => (
            "split",
            Severity::Error,
            format!("{number} video messages have no slice ({name}): each NAL unit is sent as a message of its own"),
            "send all NAL units of an access unit in one message: each message is decoded as one frame",
        ),
        OrderEdit::Moved => (
            "moved",
            severity,
            several(format!("a message ({name}) is in another place"), "are in another place"),
            "send frames in the order in which they are decoded",
        ),
    };
    let path = FieldPath::Message;
    MediaText { code: format!("mistake:{operator}:message"), title, fix: fix.to_owned(), severity, path }
}
