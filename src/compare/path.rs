//! Where in a message a difference is.
//!
//! A path knows its layer and, for values of AMF, the way to them; it becomes text in one place, for people. Nothing is
//! decided by that text: a command may be called `header`, and a property `csid`.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::dissect::paths;

/// A place in a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldPath {
    /// The message as a whole, which only one side has: `message`.
    Message,
    /// How the message ended: `message.ending`.
    Ending,
    /// A field of its header (RTMP 1.0 5.3.1.2): `header.typeid`.
    Header(&'static str),
    /// How it was cut into chunks, or the chunks themselves: `chunk.csid`, `chunk`.
    Chunk(&'static str),
    /// What a part of the handshake is, or all of it: `handshake.scheme`.
    Handshake(&'static str),
    /// The body as a whole: `body`.
    Body,
    /// The order of its values: `body.order`.
    BodyOrder,
    /// The connection or the capture, which no message shows: `tcp.window`, `capture`.
    Connection(&'static str),
    /// A field of a body by the decoder's name, the first of that name or a later one: `video.cts`, `video.nal[2]`.
    Field(&'static str, usize),
    /// A value of a command or data message: `connect.tcUrl`.
    Value(ValuePath),
}

/// The way to a value of a command or data message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValuePath {
    message: String,
    steps: Vec<Step>,
    /// Bytes that belong to the value and are not it, as its marker.
    part: Option<&'static str>,
    /// How many of the same path come before it.
    before: usize,
}

/// A step to a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// An argument that the specification has a name for.
    Argument(&'static str),
    /// A value by its position.
    Position(usize),
    /// A property of an object.
    Property(String),
}

#[doc(hidden)]
impl FieldPath {
    /// `header.timestamp`.
    pub const TIMESTAMP: FieldPath = FieldPath::Header("timestamp");
    /// `header.typeid`.
    pub const TYPE_ID: FieldPath = FieldPath::Header("typeid");
    /// `header.streamid`.
    pub const STREAM_ID: FieldPath = FieldPath::Header("streamid");
    /// `chunk.csid`.
    pub const CSID: FieldPath = FieldPath::Chunk("csid");
    /// `handshake.answer`.
    pub const ANSWER: FieldPath = FieldPath::Handshake("answer");

    /// The coded payload of an audio or video message.
    pub fn payload(is_audio: bool) -> FieldPath {
        FieldPath::Field(if is_audio { "audio.payload" } else { "video.payload" }, 0)
    }

    /// A property of a message.
    pub fn property(message: &str, name: &str) -> FieldPath {
        FieldPath::Value(ValuePath::of(message).step(Step::Property(name.to_owned())))
    }

    /// Whether it is of the message's header, or of how the message was cut into chunks.
    pub fn is_of_header(&self) -> bool {
        matches!(self, FieldPath::Header(_) | FieldPath::Chunk(_))
    }

    /// Whether it is the coded payload of an audio or video message.
    pub fn is_payload(&self) -> bool {
        matches!(self, FieldPath::Field("audio.payload" | "video.payload", _))
    }

    /// Whether it is something of the body, or of the handshake.
    pub fn is_of_body(&self) -> bool {
        !self.is_of_header() && !matches!(self, FieldPath::Message | FieldPath::Ending)
    }

    /// The way to the value, if it is one of a command or data message.
    pub fn value(&self) -> Option<&ValuePath> {
        match self {
            FieldPath::Value(path) => Some(path),
            _ => None,
        }
    }

    /// What kind of bytes beside a value it is: `amf0_type`, `arraylength`.
    pub fn part(&self) -> Option<&'static str> {
        self.value()?.part
    }

    /// The message's own name, and the name of the value there; None for what has no name, or more than one step.
    pub fn named(&self) -> Option<(&str, &str)> {
        let path = self.value()?;
        (path.steps.len() == 1).then_some((&*path.message, self.last()?))
    }

    /// The name of the argument or property that the value is.
    pub fn last(&self) -> Option<&str> {
        match self.value()?.last()? {
            Step::Argument(name) => Some(name),
            Step::Property(name) => Some(name),
            Step::Position(_) => None,
        }
    }

    /// Whether it is the value `name` of a message of this name.
    pub fn is(&self, message: &str, name: &str) -> bool {
        self.named() == Some((message, name))
    }

    /// Without the name of the message, or of the layer.
    pub fn below(&self) -> String {
        match self {
            FieldPath::Header(name) | FieldPath::Chunk(name) | FieldPath::Handshake(name) => (*name).to_owned(),
            FieldPath::Value(path) if !path.steps.is_empty() => path.below().split_off(1),
            _ => self.to_string(),
        }
    }

    /// The one after so many of the same path.
    pub(super) fn after(self, before: usize) -> FieldPath {
        match self {
            FieldPath::Field(name, _) => FieldPath::Field(name, before),
            FieldPath::Value(path) => FieldPath::Value(ValuePath { before, ..path }),
            other => other,
        }
    }
}

impl ValuePath {
    /// The way to a message's values.
    pub fn of(message: &str) -> ValuePath {
        ValuePath { message: message.to_owned(), steps: Vec::new(), part: None, before: 0 }
    }

    /// One step further.
    pub fn step(&self, step: Step) -> ValuePath {
        let mut path = self.clone();
        path.steps.push(step);
        path
    }

    /// Bytes that belong to what is here.
    pub fn part(&self, part: &'static str) -> ValuePath {
        ValuePath { part: Some(part), ..self.clone() }
    }

    /// The message's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The steps to it.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The last step, if it leads to a value, and the first of its path.
    pub fn last(&self) -> Option<&Step> {
        self.steps.last().filter(|_| self.part.is_none() && self.before == 0)
    }

    fn below(&self) -> String {
        let mut text: String = self.steps.iter().map(|step| format!(".{step}")).collect();
        if let Some(part) = self.part {
            text.push_str(&format!(":{part}"));
        }
        text + &number(self.before)
    }
}

#[doc(hidden)]
impl From<ValuePath> for FieldPath {
    fn from(path: ValuePath) -> FieldPath {
        FieldPath::Value(path)
    }
}

/// Paths that rules name.
impl From<&'static str> for FieldPath {
    fn from(text: &'static str) -> FieldPath {
        let (first, rest) = text.split_once('.').unwrap_or((text, ""));
        match (first, rest) {
            ("message", "") => FieldPath::Message,
            ("message", "ending") => FieldPath::Ending,
            ("body", "") => FieldPath::Body,
            ("body", "order") => FieldPath::BodyOrder,
            ("header", _) => FieldPath::Header(rest),
            ("chunk", _) => FieldPath::Chunk(rest),
            ("handshake", _) => FieldPath::Handshake(rest),
            ("capture" | "end" | "tcp", _) => FieldPath::Connection(text),
            ("audio" | "video" | "media" | "control" | "usercontrol" | "multitrack" | "modex", _) => {
                FieldPath::Field(text, 0)
            }
            (message, "") => FieldPath::Value(ValuePath::of(message)),
            (message, name) => {
                let argument = (0..8).filter_map(|at| paths::argument(message, at)).find(|known| *known == name);
                let step = argument.map_or_else(|| Step::Property(name.to_owned()), Step::Argument);
                FieldPath::Value(ValuePath::of(message).step(step))
            }
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldPath::Message => f.write_str("message"),
            FieldPath::Ending => f.write_str("message.ending"),
            FieldPath::Header(name) => write!(f, "header.{name}"),
            FieldPath::Chunk("") => f.write_str("chunk"),
            FieldPath::Chunk(name) => write!(f, "chunk.{name}"),
            FieldPath::Handshake("") => f.write_str("handshake"),
            FieldPath::Handshake(name) => write!(f, "handshake.{name}"),
            FieldPath::Body => f.write_str("body"),
            FieldPath::BodyOrder => f.write_str("body.order"),
            FieldPath::Connection(name) => f.write_str(name),
            FieldPath::Field(name, before) => write!(f, "{name}{}", number(*before)),
            FieldPath::Value(path) => write!(f, "{}{}", path.message, path.below()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Argument(name) => f.write_str(name),
            Step::Position(at) => write!(f, "{at}"),
            Step::Property(name) => f.write_str(name),
        }
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn number(before: usize) -> String {
    if before == 0 { String::new() } else { format!("[{}]", before + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_rule_names_is_rendered_as_it_is_written() {
        for text in [
            "message",
            "message.ending",
            "header.typeid",
            "chunk",
            "chunk.csid",
            "handshake",
            "handshake.scheme",
            "body",
        ] {
            assert_eq!(FieldPath::from(text).to_string(), text);
        }
        for text in ["body.order", "tcp.window", "capture", "video.cts", "connect", "connect.tcUrl", "publish.name"] {
            assert_eq!(FieldPath::from(text).to_string(), text);
        }
    }

    #[test]
    fn a_message_called_like_a_layer_is_none() {
        let path = FieldPath::property("header", "timestamp");
        assert_eq!(path.to_string(), "header.timestamp");
        assert!(path != FieldPath::TIMESTAMP && !path.is_of_header() && path.is_of_body());
        assert!(FieldPath::TIMESTAMP.is_of_header() && !FieldPath::TIMESTAMP.is_of_body());
    }
}
