//! Properties by the name of their message: `connect.tcUrl`, `onMetaData.width`, `onStatus.code`.
//!
//! A path begins with the name of a command or data message. After it is
//!
//! - a number: that value of the message, the name being 0, as `publish.3`;
//! - a name that an argument of the command has in the specification, as `publish.name`, `play.start`;
//! - or the name of a property in any object among the values, and further properties and positions in it.
//!
//! `@setDataFrame("onMetaData", {…})` is found under both names. For a message whose name is not known
//! here, the path begins with `command`: `command.myCall.someProperty`.

use crate::amf::{Str, Value as Amf};
use crate::decode::{Row, What};
use crate::field::{Def, Value};
use crate::rtmp::body::Body;

crate::fields! {
    PATH = "command", Group, "Property", "A value of a command or data message, by its path.";
}

/// The messages whose names may begin a path, and the names of their values after name and, for commands,
/// transaction id (RTMP 1.0 7.2; FMLE's and Flash Media Server's for those it does not have).
const MESSAGES: &[(&str, &[&str])] = &[
    ("connect", &["object", "arguments"]),
    ("call", &["object", "arguments"]),
    ("close", &[]),
    ("createStream", &["object"]),
    ("_result", &["properties", "information"]),
    ("_error", &["properties", "information"]),
    ("releaseStream", &["object", "name"]),
    ("FCPublish", &["object", "name"]),
    ("FCUnpublish", &["object", "name"]),
    ("FCSubscribe", &["object", "name"]),
    ("FCUnsubscribe", &["object", "name"]),
    ("onFCPublish", &["object", "information"]),
    ("onFCUnpublish", &["object", "information"]),
    ("onFCSubscribe", &["object", "information"]),
    ("getStreamLength", &["object", "name"]),
    ("publish", &["object", "name", "type"]),
    ("play", &["object", "name", "start", "duration", "reset"]),
    ("play2", &["object", "parameters"]),
    ("deleteStream", &["object", "stream"]),
    ("closeStream", &["object"]),
    ("receiveAudio", &["object", "flag"]),
    ("receiveVideo", &["object", "flag"]),
    ("seek", &["object", "milliseconds"]),
    ("pause", &["object", "flag", "milliseconds"]),
    ("onStatus", &["object", "information"]),
    ("onPlayStatus", &["information"]),
    ("onBWDone", &["object"]),
    ("onMetaData", &["metadata"]),
    ("onCuePoint", &["object"]),
    ("onTextData", &["object"]),
    ("@setDataFrame", &["handler", "metadata"]),
    ("@clearDataFrame", &["handler"]),
    ("|RtmpSampleAccess", &["audio", "video"]),
    ("_checkbw", &["object"]),
    ("checkBandwidth", &["object"]),
];

/// The word that begins a path to a message of any name.
const ANY_MESSAGE: &str = "command";

/// The path's parts, if `name` is one: the message's name, and the way to the value in it.
pub fn parse(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_once('.')?;
    let (message, path) = if first == ANY_MESSAGE { rest.split_once('.')? } else { (first, rest) };
    let known = first == ANY_MESSAGE || MESSAGES.iter().any(|(known, _)| *known == first);
    (known && !message.is_empty() && path.split('.').all(|part| !part.is_empty())).then_some((message, path))
}

/// What to say of a word that begins a path and is none.
pub fn hint(word: &str) -> Option<String> {
    match word.split_once('.') {
        None if messages().any(|name| name == word) => {
            Some(format!("a message's name begins a path to one of its values: {word}.0, {word}.PROPERTY"))
        }
        Some((ANY_MESSAGE, _)) => Some(format!("the path is {ANY_MESSAGE}.NAME.PROPERTY, NAME being the message's")),
        _ => None,
    }
}

/// The names that may begin a path.
pub fn messages() -> impl Iterator<Item = &'static str> {
    MESSAGES.iter().map(|(name, _)| *name)
}

/// The name that the value at `position` of a message has, the message's name being at 0.
pub fn argument(message: &str, position: usize) -> Option<&'static str> {
    let before = if is_command(message) { 2 } else { 1 };
    match position {
        0 => Some(if is_command(message) { "command" } else { "handler" }),
        1 if is_command(message) => Some("transaction_id"),
        // The handler comes before the message's own name.
        _ => {
            let (_, names) = MESSAGES.iter().find(|(known, _)| *known == message)?;
            names.get(position - before).copied()
        }
    }
}

/// Calls `each` with every value that the path `name` leads to in the row.
pub fn each_value(name: &str, row: &Row<'_>, mut each: impl FnMut(&'static Def, &Value, &[u8])) {
    let Some((wanted, path)) = parse(name) else { return };
    let What::Message(message) = &row.what else { return };
    let values = match &message.body {
        Body::Command(command) => &command.values,
        Body::Data(data) => &data.values,
        _ => return,
    };
    let is_wanted =
        |value: Option<&Amf<'_>>| value.and_then(Amf::as_str).is_some_and(|name| name.0 == wanted.as_bytes());
    let values = if is_wanted(values.first()) {
        &values[..]
    } else if values.first().and_then(Amf::as_str).is_some_and(|name| name.0 == b"@setDataFrame")
        && is_wanted(values.get(1))
    {
        &values[1..]
    } else {
        return;
    };
    walk(wanted, path, values, &mut |value| {
        let (value, bytes) = plain(value);
        each(&PATH, &value, bytes);
    });
}

fn walk<'v, 'a>(message: &str, path: &str, values: &'v [Amf<'a>], each: &mut impl FnMut(&'v Amf<'a>)) {
    let (first, rest) = path.split_once('.').map_or((path, ""), |(first, rest)| (first, rest));
    if let Ok(position) = first.parse::<usize>() {
        return values.get(position).into_iter().for_each(|value| descend(value, rest, each));
    }
    // Commands have their transaction id between the name and the rest.
    let arguments = 1 + usize::from(values.get(1).and_then(Amf::as_number).is_some() && is_command(message));
    let named = MESSAGES.iter().find(|(known, _)| *known == message).map_or(&[][..], |(_, names)| names);
    if let Some(position) = named.iter().position(|name| *name == first) {
        values.get(arguments + position).into_iter().for_each(|value| descend(value, rest, each));
    }
    for value in values {
        for property in all(value, first) {
            descend(property, rest, each);
        }
    }
}

fn is_command(message: &str) -> bool {
    !matches!(
        message,
        "onMetaData" | "onCuePoint" | "onTextData" | "@setDataFrame" | "@clearDataFrame" | "onPlayStatus"
    ) && !message.starts_with('|')
}

fn descend<'v, 'a>(value: &'v Amf<'a>, path: &str, each: &mut impl FnMut(&'v Amf<'a>)) {
    if path.is_empty() {
        return each(value);
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    for property in all(value, first) {
        descend(property, rest, each);
    }
    if let (Some(items), Ok(position)) = (value.items(), first.parse::<usize>())
        && let Some(item) = items.get(position)
    {
        descend(item, rest, each);
    }
}

/// Every property with that name: an object may have several.
fn all<'v, 'a>(value: &'v Amf<'a>, name: &str) -> impl Iterator<Item = &'v Amf<'a>> {
    let pairs = value.properties().map_or(&[][..], |properties| &properties.pairs);
    pairs.iter().filter(move |(key, _)| key.0 == name.as_bytes()).map(|(_, value)| value)
}

/// A value as fields have it; objects and arrays are only there.
fn plain<'a>(value: &Amf<'a>) -> (Value, &'a [u8]) {
    let text = |text: Str<'a>| (Value::Text(text.text().into_owned()), text.0);
    match value {
        Amf::Number(number) => (Value::Double(*number), &[]),
        Amf::Integer(number) => (Value::Int((*number).into()), &[]),
        Amf::Int64(number) => (Value::Int(*number), &[]),
        Amf::Boolean(truth) => (Value::Boolean(*truth), &[]),
        Amf::String(string) | Amf::LongString(string) | Amf::Xml(string) => text(*string),
        Amf::ByteArray(bytes) => (Value::Bytes(bytes.to_vec()), bytes),
        Amf::Date { millis, .. } => (Value::Double(*millis), &[]),
        Amf::Avmplus(value) => plain(value),
        _ => (Value::None, &[]),
    }
}
