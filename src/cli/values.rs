//! How the values of options are read, and which ones completion scripts offer.
//!
//! Takes the text that was typed, returns the value or a message that says what would be one. Options whose values are
//! words of ours have a parser that also lists them ([`Listed`]); help does not repeat the long lists.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValue, TypedValueParser};

use crate::dissect::vocabulary;
use crate::literal::Form;
use crate::rtmp::{self, MessageTypeId};
use crate::rules::{self, Layer, RULES};
use crate::session::Direction;

/// The formats of a report that has no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading
    Text,
    /// One JSON document
    Json,
}

/// How bytes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// Offsets, hexadecimal and characters; in a stream, chunk headers in brackets and each layer in its colour
    Dump,
    /// The bytes themselves
    Raw,
    /// 70 6c 61 79
    Hex,
    /// cGxheQ==
    Base64,
    /// "play"
    C,
    /// b"play"
    Rust,
    /// b'play'
    Python,
    /// []byte("play")
    Go,
    /// new TextEncoder().encode("play")
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// Array("play".utf8)
    Swift,
    /// "play".toByteArray()
    Kotlin,
}

impl Shape {
    /// The form of literals that it is, if it is one.
    pub fn form(self) -> Option<Form> {
        Some(match self {
            Shape::Dump | Shape::Raw => return None,
            Shape::Hex => Form::Hex,
            Shape::Base64 => Form::Base64,
            Shape::C => Form::C,
            Shape::Rust => Form::Rust,
            Shape::Python => Form::Python,
            Shape::Go => Form::Go,
            Shape::JavaScript => Form::JavaScript,
            Shape::Swift => Form::Swift,
            Shape::Kotlin => Form::Kotlin,
        })
    }
}

/// A parser, and the values that a shell may offer; others may be read too.
#[derive(Clone, Copy)]
pub struct Listed<T: 'static> {
    parse: fn(&str) -> Result<T, String>,
    values: fn() -> Vec<PossibleValue>,
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Listed<T> {
    type Value = T;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&clap::Arg>, value: &OsStr) -> Result<T, clap::Error> {
        TypedValueParser::parse_ref(&self.parse, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.values)().into_iter()))
    }
}

/// `--direction`.
pub fn direction() -> Listed<Direction> {
    Listed {
        parse: |text| match text {
            "c2s" => Ok(Direction::ClientToServer),
            "s2c" => Ok(Direction::ServerToClient),
            _ => Err("c2s is from the client to the server, s2c from the server to the client".to_owned()),
        },
        values: || {
            vec![
                PossibleValue::new("c2s").help("from the client to the server"),
                PossibleValue::new("s2c").help("from the server to the client"),
            ]
        },
    }
}

/// `--only` and `--skip` of `lint` and `check`, and the page that `rules` prints: a rule's code.
pub fn code() -> Listed<String> {
    Listed {
        parse: |text| {
            if rules::find(text).is_some() {
                return Ok(text.to_owned());
            }
            Err(match rules::nearest(text).as_slice() {
                [] => "unknown rule code; rtmp-inspect rules lists them".to_owned(),
                near => format!("unknown rule code; did you mean {}?", near.join(" or ")),
            })
        },
        values: codes,
    }
}

/// The rule whose page is wanted; the command itself says what it does not know.
pub fn any_code() -> Listed<String> {
    Listed { parse: |text| Ok(text.to_owned()), values: codes }
}

fn codes() -> Vec<PossibleValue> {
    RULES.iter().map(|rule| PossibleValue::new(rule.code).help(rule.title)).collect()
}

/// `--only` of `diff`: a layer.
pub fn layer() -> Listed<Layer> {
    Listed {
        parse: |text| {
            Layer::ALL.into_iter().find(|layer| layer.to_string() == text).ok_or_else(|| {
                let all: Vec<_> = Layer::ALL.iter().map(ToString::to_string).collect();
                format!("the layers are {}", all.join(", "))
            })
        },
        values: || Layer::ALL.into_iter().map(|layer| PossibleValue::new(layer.to_string())).collect(),
    }
}

/// `-e`: the name of a field, or a path; what is neither is answered where columns are made.
pub fn field() -> Listed<String> {
    let values = || vocabulary::all().map(|known| PossibleValue::new(known.def().name)).collect();
    Listed { parse: |text| Ok(text.to_owned()), values }
}

/// The types that one `--type` names.
#[derive(Clone, Debug)]
pub struct Types(pub Vec<MessageTypeId>);

/// `--type`: a number, or part of a name.
pub fn types() -> Listed<Types> {
    let values = || {
        let known = (0..=u8::MAX).map(MessageTypeId).filter(|id| id.is_known());
        known.map(|id| PossibleValue::new(id.0.to_string()).help(id.name())).collect()
    };
    Listed { parse: types_of, values }
}

fn types_of(text: &str) -> Result<Types, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    if let Some(number) = number {
        return Ok(Types(vec![MessageTypeId(number)]));
    }
    let wanted = text.to_lowercase();
    let named = (0..=u8::MAX)
        .filter(|&id| rtmp::type_name(id.into()).is_some_and(|name| name.to_lowercase().contains(&wanted)));
    let types: Vec<_> = named.map(MessageTypeId).collect();
    if types.is_empty() {
        let all: Vec<_> =
            (0..=u8::MAX).map(MessageTypeId).filter(|id| id.is_known()).map(|id| id.to_string()).collect();
        return Err(format!("no message type has that number or name; the types are {}", all.join(", ")));
    }
    Ok(Types(types))
}

/// `--stream`: the number of a TCP connection.
pub fn connection(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "not the number of a connection; rtmp-inspect streams CAPTURE lists them".to_owned())
}

/// `--port`: a TCP port.
pub fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "not a TCP port: a number from 0 to 65535".to_owned())
}

/// `--decode-as`, written as tshark has it.
pub fn tcp_port(text: &str) -> Result<u16, String> {
    port(text.strip_prefix("tcp:").ok_or("write it as tcp:PORT, for example tcp:19350")?)
}

/// A count, a row, a number of bytes.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "not a whole number".to_owned())
}

/// Two numbers with a colon between them.
pub fn two<T: FromStr>(text: &str) -> Result<(T, T), String> {
    let wrong = || "not a pair: write two numbers as A:B".to_owned();
    let (a, b) = text.split_once(':').ok_or_else(wrong)?;
    Ok((a.parse().map_err(|_| wrong())?, b.parse().map_err(|_| wrong())?))
}
