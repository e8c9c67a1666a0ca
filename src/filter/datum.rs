//! One value of one type, borrowed from a message or held as a constant.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::number::Number;
use crate::field::{Kind, Value};

/// The types that are told apart: only values of one class are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Number,
    Boolean,
    Text,
    Bytes,
    Address,
    Time,
}

impl Class {
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Uint | Kind::Hex | Kind::Int | Kind::Double => Class::Number,
            Kind::Boolean => Class::Boolean,
            Kind::Text => Class::Text,
            // A group is the bytes it spans.
            Kind::Bytes | Kind::Group | Kind::Mark => Class::Bytes,
            Kind::Address => Class::Address,
            Kind::Seconds => Class::Time,
        }
    }

    /// As in `tcp.port is a number`.
    pub fn title(self) -> &'static str {
        match self {
            Class::Number => "a number",
            Class::Boolean => "true or false",
            Class::Text => "a text",
            Class::Bytes => "a sequence of bytes",
            Class::Address => "an address",
            Class::Time => "a time",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Datum<'a> {
    Number(Number),
    Boolean(bool),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    Address(Network),
    /// Nanoseconds.
    Time(i128),
}

impl<'a> Datum<'a> {
    pub fn of(value: &'a Value, raw: &'a [u8]) -> Self {
        match value {
            Value::None => Datum::Bytes(raw),
            Value::Uint(number) => Datum::Number(Number::Integer((*number).into())),
            Value::Int(number) => Datum::Number(Number::Integer((*number).into())),
            Value::Double(number) => Datum::Number(Number::Real(*number)),
            Value::Boolean(boolean) => Datum::Boolean(*boolean),
            Value::Text(text) => Datum::Text(text.as_bytes()),
            Value::Bytes(bytes) => Datum::Bytes(bytes),
            Value::Address(address) => Datum::Address(Network::host(*address)),
            Value::Seconds(nanoseconds) => Datum::Time((*nanoseconds).into()),
        }
    }

    pub fn class(self) -> Class {
        match self {
            Datum::Number(_) => Class::Number,
            Datum::Boolean(_) => Class::Boolean,
            Datum::Text(_) => Class::Text,
            Datum::Bytes(_) => Class::Bytes,
            Datum::Address(_) => Class::Address,
            Datum::Time(_) => Class::Time,
        }
    }

    /// `None` if either is no number, or if they are of different classes.
    pub fn order(self, other: Datum<'_>) -> Option<Ordering> {
        match (self, other) {
            (Datum::Number(a), Datum::Number(b)) => a.order(b),
            (Datum::Boolean(a), Datum::Boolean(b)) => Some(a.cmp(&b)),
            (Datum::Text(a), Datum::Text(b)) | (Datum::Bytes(a), Datum::Bytes(b)) => Some(a.cmp(b)),
            (Datum::Address(a), Datum::Address(b)) => Some(a.order(b)),
            (Datum::Time(a), Datum::Time(b)) => Some(a.cmp(&b)),
            _ => None,
        }
    }

    pub fn is_nan(self) -> bool {
        matches!(self, Datum::Number(Number::Real(real)) if real.is_nan())
    }

    /// The bytes of a text or of bytes.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Datum::Text(bytes) | Datum::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn to_constant(self) -> Constant {
        match self {
            Datum::Number(number) => Constant::Number(number),
            Datum::Boolean(boolean) => Constant::Boolean(boolean),
            Datum::Text(text) => Constant::Text(text.to_vec()),
            Datum::Bytes(bytes) => Constant::Bytes(bytes.to_vec()),
            Datum::Address(network) => Constant::Address(network),
            Datum::Time(time) => Constant::Time(time),
        }
    }
}

/// A datum that owns its bytes.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Number(Number),
    Boolean(bool),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    Address(Network),
    Time(i128),
}

impl Constant {
    pub fn negative(&self) -> Self {
        match self {
            Constant::Number(number) => Constant::Number(number.negative()),
            Constant::Time(time) => Constant::Time(-time),
            other => other.clone(),
        }
    }

    pub fn datum(&self) -> Datum<'_> {
        match self {
            Constant::Number(number) => Datum::Number(*number),
            Constant::Boolean(boolean) => Datum::Boolean(*boolean),
            Constant::Text(text) => Datum::Text(text),
            Constant::Bytes(bytes) => Datum::Bytes(bytes),
            Constant::Address(network) => Datum::Address(*network),
            Constant::Time(time) => Datum::Time(*time),
        }
    }
}

/// An address, or all addresses that share its first bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    pub address: IpAddr,
    prefix: u32,
}

impl Network {
    pub fn host(address: IpAddr) -> Self {
        Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// `10.0.0.1`, `10.0.0.0/8`, `fe80::/10`.
    pub fn parse(word: &str) -> Option<Self> {
        let Some((address, prefix)) = word.split_once('/') else {
            return word.parse().ok().map(Network::host);
        };
        let whole = Network::host(address.parse().ok()?);
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= whole.prefix)?;
        Some(Network { prefix, ..whole })
    }

    /// By the bits that both have; IPv4 before IPv6.
    fn order(self, other: Self) -> Ordering {
        let prefix = self.prefix.min(other.prefix);
        match (self.address, other.address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                (a.to_bits() & mask).cmp(&(b.to_bits() & mask))
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                (a.to_bits() & mask).cmp(&(b.to_bits() & mask))
            }
            (a, b) => b.is_ipv4().cmp(&a.is_ipv4()),
        }
    }
}
