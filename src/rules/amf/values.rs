//! Values of another type than the working client's, and numbers written the wrong way round.

use crate::amf::{Value, number_text};
use crate::compare::{Comparison, MessageKind, Side, units};
use crate::field;
use crate::rtmp::body::{self, Body};
use crate::session::Direction;

use super::super::message_fault::{self, MessageFault};
use super::super::messages::{self, BodyPlace};
use super::super::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use super::{Values, fields, odd_values};

pub static DOUBLE_ENDIAN: Rule = Rule {
    code: "amf-double-endian",
    layer: Layer::Amf,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a number is little-endian",
    page: Page {
        what: "The eight bytes of a number are written low byte first. Read high byte first they are a number close to \
               0, so transaction ids match no answer and stream ids no stream.",
        looks: "00 00 00 00 00 00 00 14 40   sent\n\
                00 40 14 00 00 00 00 00 00   expected for 5",
        who: "Writers that copy doubles from memory; servers may still accept connect, whose id they know.",
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
        let why = "doubles are written high byte first; ids in the wrong byte order match no answer and no stream";
        let fault = MessageFault::certain(title, why, "write the eight bytes high byte first");
        let ranges = odd.into_iter().map(|(range, ..)| range.start.saturating_sub(1)..range.end).collect();
        Some(Values { fault, ranges, meant: Vec::new() })
    })
}

pub static WRONG_TYPE: Rule = Rule {
    code: "amf-wrong-type",
    layer: Layer::Amf,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a value has a different type",
    page: Page {
        what: "A property or an argument is a number in one session and a string or a boolean in the other. Receivers \
               look for a value of the type they expect, and treat any other as missing.",
        looks: "A  02 00 04 70 61 69 72         publish, name: String 'pair'\n\
                B  00 40 45 00 00 00 00 00 00   publish, name: Number 42",
        who: "Writers that take the type from what a text looks like, as scripts do with names made of digits.",
        fix: "Write each value with the type that the command defines for it.",
        source: "RTMP 1.0 section 7.2: the tables of the commands have a type for each field.",
    },
    check: Check::Diff(wrong_type),
};

/// Values whose type is agreed on, by path, where a message has them.
const TYPES: [(&str, &str, &str); 10] = [
    ("connect", "app", "string"),
    ("connect", "tcUrl", "string"),
    ("publish", "type", "string"),
    ("onMetaData", "width", "number"),
    ("onMetaData", "height", "number"),
    ("onMetaData", "framerate", "number"),
    ("onMetaData", "videodatarate", "number"),
    ("onMetaData", "audiodatarate", "number"),
    ("onMetaData", "audiosamplerate", "number"),
    ("onMetaData", "stereo", "boolean"),
];

/// By itself: a value of another type than commands and metadata have for it.
fn wrong_alone(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of_row = |row: usize| {
        let kept = comparison.item(row, Side::B)?.message()?;
        let named = comparison.name(row, Side::B)?;
        matches!(named.kind, MessageKind::Command | MessageKind::Data).then_some(())?;
        units(kept, named).into_iter().find_map(|unit| {
            let (_, field, meant) = TYPES.iter().find(|(message, name, _)| unit.path.is(message, name))?;
            let (found, value) = type_of(&unit.value).filter(|(found, _)| found != meant)?;
            let title = format!("{}'s {field} is a {found}, {value}, and should be a {meant}", named.name);
            let spots = [BodyPlace::new(comparison.rows[row].b?, unit.range, unit.text.clone())];
            let matters = named.kind == MessageKind::Command;
            let claim = messages::claim(comparison, &spots, unit.path, Certainty::Certain, title)
                .why(format!(
                    "a receiver that looks for a {meant} finds none there: it refuses the message or continues without"
                ))
                .fix(format!("write {field} as a {meant}"));
            Some(claim.weighing(if matters { Severity::Error } else { Severity::Warning }))
        })
    };
    // Of the client: what servers make of it is theirs.
    comparison.rows_of(Direction::ClientToServer).find_map(of_row).into_iter().collect()
}

/// What a command has at a place, by the tables of RTMP 1.0 section 7.2.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Name,
    TransactionId,
    /// The command object: null for most.
    Object,
    StreamName,
    StreamId,
}

impl Place {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Place::Name => ("name", "a string (02)"),
            Place::TransactionId => ("transaction id", "a number"),
            Place::Object => ("command object", "null or an object"),
            Place::StreamName => ("stream name", "a string (02)"),
            Place::StreamId => ("stream id", "a number"),
        }
    }

    fn takes(self, value: &Value<'_>) -> bool {
        match self {
            Place::Name => matches!(value, Value::String(_)),
            // publish(false) and play(false) end what goes on (ActionScript, NetStream).
            Place::StreamName => matches!(value, Value::String(_) | Value::Boolean(_)),
            Place::TransactionId | Place::StreamId => kind(value) == 0,
            Place::Object => matches!(kind(value), NOTHING | 3),
        }
    }
}

/// The first values of the commands that both sides have to understand.
const SHAPES: [(Direction, &str, &[Place]); 10] = {
    use Direction::{ClientToServer as CLIENT, ServerToClient as SERVER};
    const CALL: &[Place] = &[Place::Name, Place::TransactionId, Place::Object];
    const WITH_NAME: &[Place] = &[Place::Name, Place::TransactionId, Place::Object, Place::StreamName];
    const WITH_ID: &[Place] = &[Place::Name, Place::TransactionId, Place::Object, Place::StreamId];
    [
        (CLIENT, "connect", CALL),
        (CLIENT, "createStream", CALL),
        (CLIENT, "releaseStream", WITH_NAME),
        (CLIENT, "FCPublish", WITH_NAME),
        (CLIENT, "publish", WITH_NAME),
        (CLIENT, "play", WITH_NAME),
        (CLIENT, "FCUnpublish", CALL),
        (CLIENT, "deleteStream", CALL),
        (CLIENT, "closeStream", CALL),
        (SERVER, "_result of createStream", WITH_ID),
    ]
};

/// The first command of B with a value that has no place there, by what commands are made of. Not of A's, if given.
fn misshapen(comparison: &Comparison<'_>) -> Option<Claim> {
    let of = |row: usize, side: Side| {
        let item = comparison.item(row, side)?;
        let kept = item.message().filter(|kept| super::is_amf(kept) && item.defects.is_empty())?;
        let named = comparison.name(row, side)?;
        let (.., places) = SHAPES.iter().find(|(way, name, _)| *way == item.direction && *name == named.name)?;
        let Body::Command(command) = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body
        else {
            return None;
        };
        let (at, place) = places
            .iter()
            .enumerate()
            .find(|(at, place)| !command.values.get(*at).is_some_and(|value| place.takes(value)))?;
        let found = command.values.get(at).map(Value::label);
        // A command object may be left out at the end.
        (found.is_some() || *place != Place::Object).then(|| (named.name.clone(), *place, found))
    };
    let all = || 0..comparison.rows.len();
    let known: Vec<_> = all().filter_map(|row| of(row, Side::A)).map(|(name, place, _)| (name, place)).collect();
    let (row, (name, place, found)) = all().find_map(|row| {
        let wrong = of(row, Side::B)?;
        (!known.iter().any(|(name, place)| *name == wrong.0 && *place == wrong.1)).then_some((row, wrong))
    })?;
    let (what, due) = place.words();
    let title = match &found {
        Some(found) => format!("{name}'s {what} is {found}, not {due}"),
        None => format!("{name} has no {what}"),
    };
    let explains: Vec<usize> = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect();
    let spots = [BodyPlace::new(comparison.rows[row].b?, 0..0, found.unwrap_or_else(|| format!("no {what}")))];
    let claim = messages::claim(comparison, &spots, "message", Certainty::Certain, title)
        .why("a receiver identifies the values of a command by position, and the one it looks for is not there")
        .fix(format!("write {due} there"))
        .explaining(explains);
    Some(claim.breaking(if message_fault::stops(comparison, row) { Impact::Response } else { Impact::Nothing }))
}

fn wrong_type(comparison: &Comparison<'_>) -> Vec<Claim> {
    if comparison.a.is_none() {
        return misshapen(comparison).into_iter().chain(wrong_alone(comparison)).collect();
    }
    let mut claims = left_out(comparison);
    for index in comparison.open() {
        let mismatch = &comparison.mismatches[index];
        let kind = comparison.either(mismatch.row).kind;
        let (Some((a, of_a)), Some((b, of_b))) = (
            mismatch.side(Side::A).and_then(|value| type_of(&value.value)),
            mismatch.side(Side::B).and_then(|value| type_of(&value.value)),
        ) else {
            continue;
        };
        let message = mismatch.path.value().map_or("the message", |path| path.message());
        let field = mismatch.path.below();
        // Codecs are numbers in old metadata and FourCCs in new. deleteStream by name has a rule of its own.
        let by_choice = matches!(mismatch.path.last(), Some("videocodecid" | "audiocodecid"))
            || mismatch.path.is("deleteStream", "stream");
        if a == b
            || by_choice
            || !matches!(kind, MessageKind::Command | MessageKind::Data)
            || mismatch.path.part().is_some()
        {
            continue;
        }
        let title = format!("{message}'s {field} is a {b}, {of_b}, not the {a} {of_a}");
        let direction = comparison.either_item(mismatch.row).direction;
        let matters = kind == MessageKind::Command && direction == Direction::ClientToServer;
        let stops = message_fault::stops(comparison, mismatch.row);
        claims.push(
            Claim::at(comparison, index, Certainty::Certain, title)
                .why(format!(
                    "a receiver that looks for a {a} finds none there: it refuses the message or continues without"
                ))
                .fix(format!("write {field} as a {a}"))
                .weighing(if matters { Severity::Error } else { Severity::Warning })
                .breaking(if matters && stops { Impact::Response } else { Impact::Nothing }),
        );
    }
    let misshapen = misshapen(comparison).filter(|one| claims.iter().all(|claim| claim.row != one.row));
    claims.extend(misshapen);
    claims
}

/// Commands without the transaction id or the null that A has after the name: each value is in another's place.
fn left_out(comparison: &Comparison<'_>) -> Vec<Claim> {
    let kinds = |row: usize, side: Side| -> Option<Vec<u8>> {
        let kept = comparison.item(row, side)?.message()?;
        match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body {
            Body::Command(command) => Some(command.values.iter().map(kind).collect()),
            _ => None,
        }
    };
    let of_row = |row: usize| {
        let (a, b) = (kinds(row, Side::A)?, kinds(row, Side::B)?);
        let place = (1..3).find(|&place| {
            let without = a.get(..place).zip(a.get(place + 1..)).map(|(front, back)| [front, back].concat());
            without.is_some_and(|without| without == b)
        })?;
        let what = ["transaction id", "null"][place - 1];
        let explains: Vec<usize> = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect();
        let name = &comparison.either(row).name;
        // The object of connect is another matter.
        if place == 2 && a[2] != NOTHING {
            return None;
        }
        let title = format!("{name} has no {what} after its {}", ["name", "transaction id"][place - 1]);
        let claim = Claim::at(comparison, *explains.first()?, Certainty::Certain, title)
            .why(
                "A has one, and then the values that B has; a receiver that goes by position mistakes each for the \
                  one before",
            )
            .fix(format!("write the {what} before the other values"))
            .explaining(explains)
            .breaking(if message_fault::stops(comparison, row) { Impact::Response } else { Impact::Nothing });
        Some(claim)
    };
    comparison.rows_of(Direction::ClientToServer).filter_map(of_row).collect()
}

/// The kind of null.
const NOTHING: u8 = 5;

/// What kind of value it is, for commands.
fn kind(value: &Value<'_>) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::Boolean(_) => 1,
        Value::String(_) | Value::LongString(_) => 2,
        Value::Null | Value::Undefined => NOTHING,
        _ => 3,
    }
}

/// The type of a number, a boolean or a string, and the value in words.
fn type_of(value: &field::Value) -> Option<(&'static str, String)> {
    match value {
        field::Value::Double(number) => Some(("number", number_text(*number))),
        field::Value::Int(number) => Some(("number", number.to_string())),
        field::Value::Boolean(truth) => Some(("boolean", truth.to_string())),
        field::Value::Text(text) => Some(("string", format!("'{text}'"))),
        _ => None,
    }
}

pub static UNSUPPORTED: Rule = Rule {
    code: "amf-type-unsupported",
    layer: Layer::Amf,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "a value has a type that some receivers do not know",
    page: Page {
        what: "The message has a value of a type that does not occur in the working session. It is in the \
               specification, but some receivers read only numbers, booleans, strings and objects, and give up at \
               others.",
        looks: "00 0a 66 6f 75 72 43 63 4c 69 73 74 0a 00 00 00 01 02 00 04 61 76 63 31\n\
                \n\
                fourCcList is a strict array, 0a, of one string.",
        who: "Clients of enhanced RTMP (fourCcList); metadata with lists of keyframes; mediamtx 1.6.0 refused strict arrays.",
        fix: "Leave the value out to see whether it matters; if it does, the receiver needs an update.",
        source: "AMF 0 section 2.1; bluenviron/mediamtx#3188, bilibili/flv.js#263.",
    },
    check: Check::Diff(unsupported),
};

/// Markers of AMF 0 that small readers lack.
const RARE: [(u8, &str); 8] = [
    (0x06, "undefined"),
    (0x07, "a reference"),
    (0x0a, "a strict array"),
    (0x0b, "a date"),
    (0x0d, "the unsupported type"),
    (0x0f, "an XML document"),
    (0x10, "a typed object"),
    (0x22, "an Int64"),
];

fn unsupported(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut of_a = [false; 256];
    for kept in
        comparison.a.iter().flat_map(|a| &a.items).filter_map(|item| item.message()).filter(|kept| super::is_amf(kept))
    {
        for node in fields(kept, &kept.body, "amf.amf0_type") {
            of_a[usize::from(kept.body[node.range.start])] = true;
        }
    }
    let claims = odd_values(comparison, |kept| {
        let markers = fields(kept, &kept.body, "amf.amf0_type");
        let rare = |at: usize| RARE.iter().find(|(marker, _)| *marker == kept.body[at] && !of_a[usize::from(*marker)]);
        let first = markers.iter().find_map(|node| rare(node.range.start))?;
        let groups = ["amf.strictarray", "amf.typedobject", "amf.value"];
        let groups = groups.into_iter().flat_map(|name| fields(kept, &kept.body, name)).map(|node| node.range);
        let ranges = groups
            .filter(|range| markers.iter().any(|node| node.range.start == range.start) && rare(range.start).is_some());
        let title = format!(
            "a message of type {} has {}, {:02x}, which does not occur in A",
            kept.header.type_id, first.1, first.0
        );
        let why = "that is legal, but some receivers do not know the type and give up on the message";
        let fault = MessageFault::certain(title, why, "leave the value out to see whether it matters");
        let fault = MessageFault { certainty: Certainty::Likely, ..fault };
        Some(Values { fault, ranges: ranges.collect(), meant: Vec::new() })
    });
    // A receiver that goes on knows the type.
    let weigh = |claim: Claim| if claim.impact == Impact::Nothing { claim.weighing(Severity::Info) } else { claim };
    claims.into_iter().map(weigh).collect()
}
