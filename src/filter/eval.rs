//! A checked filter against one message.
//!
//! A term has as many values as its fields have occurrences; they are handed on one by one, borrowed
//! from the message. Values of different classes are not compared: each is to the other as if absent.

mod sorted;

use std::cmp::Ordering;

use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::Fields;
use super::datum::{Class, Constant, Datum, Network};
use super::number::Number;
use super::parse::Quantifier;
use sorted::Sorted;

pub(super) enum Test {
    Or(Vec<Test>),
    Xor(Vec<Test>),
    And(Vec<Test>),
    Not(Box<Test>),
    Exists(Operand),
    NotZero(Operand),
    Compare(Quantifier, Relation, Operand, Operand),
    Search(Quantifier, Operand, Search),
    Within(Quantifier, Operand, Vec<Member>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

pub(super) enum Search {
    /// One finder for each class that the literal can be read as.
    Contains(Vec<(Class, Finder<'static>)>),
    Matches(Regex),
}

/// A member of a set: a value, or a range with both ends in it.
pub(super) struct Member {
    pub low: Operand,
    pub high: Option<Operand>,
}

pub(super) enum Operand {
    Field(String),
    /// A literal, once for each class that it can be read as.
    Constant(Vec<Constant>),
    Slice(Box<Operand>, Vec<Part>),
    Negative(Box<Operand>),
    Math(&'static str, Box<Operand>, Box<Operand>),
    Call(Function, Vec<Operand>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Len,
    Count,
    Lower,
    Upper,
    String,
    Max,
    Min,
    Abs,
}

/// A part of a slice. Negative offsets count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// An offset and a length.
    Length(i64, u64),
    /// The first and the last offset.
    Through(i64, i64),
    /// To the end.
    From(i64),
}

impl Test {
    pub fn matches(&self, fields: &dyn Fields) -> bool {
        match self {
            Test::Or(all) => all.iter().any(|test| test.matches(fields)),
            Test::Xor(all) => all.iter().fold(false, |odd, test| odd ^ test.matches(fields)),
            Test::And(all) => all.iter().all(|test| test.matches(fields)),
            Test::Not(test) => !test.matches(fields),
            Test::Exists(operand) => {
                let mut exists = false;
                operand.each(fields, &mut |_| exists = true);
                exists
            }
            Test::NotZero(operand) => Quantifier::Any.of(operand, fields, |datum| {
                Some(match datum {
                    Datum::Number(number) => !number.is_zero(),
                    Datum::Time(time) => time != 0,
                    datum => datum.bytes().is_some_and(|bytes| bytes.iter().any(|b| *b != 0)),
                })
            }),
            Test::Compare(quantifier, relation, left, right) => compare(*quantifier, *relation, left, right, fields),
            Test::Search(quantifier, left, search) => quantifier.of(left, fields, |datum| search.finds(datum)),
            Test::Within(quantifier, left, set) => {
                quantifier.of(left, fields, |datum| Some(set.iter().any(|member| member.includes(datum, fields))))
            }
        }
    }
}

impl Quantifier {
    /// Whether one or all of the values pass; those without an answer do not count, and there must
    /// be one that does.
    fn of(self, operand: &Operand, fields: &dyn Fields, mut passes: impl FnMut(Datum<'_>) -> Option<bool>) -> bool {
        let (mut some, mut every, mut seen) = (false, true, false);
        operand.each(fields, &mut |datum| {
            // What is decided already needs no more looking.
            if (self == Quantifier::Any && some) || (self == Quantifier::All && !every) {
                return;
            }
            if let Some(pass) = passes(datum) {
                seen = true;
                some |= pass;
                every &= pass;
            }
        });
        match self {
            Quantifier::Any => some,
            Quantifier::All => seen && every,
        }
    }
}

fn compare(quantifier: Quantifier, relation: Relation, left: &Operand, right: &Operand, fields: &dyn Fields) -> bool {
    if let Operand::Constant(constants) = right {
        return quantifier.of(left, fields, |datum| {
            let other = constants.iter().find(|constant| constant.datum().class() == datum.class())?;
            Some(relation.holds(datum.order(other.datum())))
        });
    }
    let others = Sorted::new(right, fields);
    quantifier.of(left, fields, |datum| match quantifier {
        Quantifier::Any => others.any(datum, relation),
        Quantifier::All => others.all(datum, relation),
    })
}

impl Relation {
    /// `None` is the order of what is no number: it differs from everything.
    fn holds(self, order: Option<Ordering>) -> bool {
        match order {
            None => self == Relation::Ne,
            Some(order) => match self {
                Relation::Eq => order.is_eq(),
                Relation::Ne => order.is_ne(),
                Relation::Lt => order.is_lt(),
                Relation::Le => order.is_le(),
                Relation::Gt => order.is_gt(),
                Relation::Ge => order.is_ge(),
            },
        }
    }

    /// As seen from the right.
    pub fn flipped(self) -> Self {
        match self {
            Relation::Lt => Relation::Gt,
            Relation::Le => Relation::Ge,
            Relation::Gt => Relation::Lt,
            Relation::Ge => Relation::Le,
            same => same,
        }
    }
}

impl Search {
    fn finds(&self, datum: Datum<'_>) -> Option<bool> {
        let bytes = datum.bytes()?;
        match self {
            Search::Matches(regex) => Some(regex.is_match(bytes)),
            Search::Contains(finders) => {
                let (_, finder) = finders.iter().find(|(class, _)| *class == datum.class())?;
                // Nothing is contained in nothing: as in Wireshark.
                Some(!finder.needle().is_empty() && finder.find(bytes).is_some())
            }
        }
    }
}

impl Member {
    fn includes(&self, datum: Datum<'_>, fields: &dyn Fields) -> bool {
        let holds = |relation: Relation, end: &Operand| {
            Quantifier::Any
                .of(end, fields, |end| (end.class() == datum.class()).then(|| relation.holds(datum.order(end))))
        };
        match &self.high {
            None => holds(Relation::Eq, &self.low),
            Some(high) => holds(Relation::Ge, &self.low) && holds(Relation::Le, high),
        }
    }
}

impl Operand {
    /// Calls `out` with every value.
    fn each(&self, fields: &dyn Fields, out: &mut dyn FnMut(Datum<'_>)) {
        match self {
            Operand::Field(name) => fields.each(name, &mut |value, raw| out(Datum::of(value, raw))),
            Operand::Constant(constants) => constants.iter().for_each(|constant| out(constant.datum())),
            Operand::Slice(operand, parts) => operand.each(fields, &mut |datum| cut(datum, parts, out)),
            Operand::Negative(operand) => operand.each(fields, &mut |datum| match datum {
                Datum::Number(number) => out(Datum::Number(number.negative())),
                Datum::Time(time) => out(Datum::Time(-time)),
                _ => {}
            }),
            Operand::Math(sign, left, right) => math(sign, left, right, fields, out),
            Operand::Call(function, arguments) => function.call(arguments, fields, out),
        }
    }
}

fn cut(datum: Datum<'_>, parts: &[Part], out: &mut dyn FnMut(Datum<'_>)) {
    let octets = match datum {
        Datum::Address(Network { address: std::net::IpAddr::V4(address), .. }) => address.octets().to_vec(),
        Datum::Address(Network { address: std::net::IpAddr::V6(address), .. }) => address.octets().to_vec(),
        _ => Vec::new(),
    };
    let bytes = datum.bytes().unwrap_or(&octets);
    match parts {
        [part] => part.of(bytes).into_iter().for_each(|piece| out(Datum::Bytes(piece))),
        parts => {
            let pieces: Option<Vec<&[u8]>> = parts.iter().map(|part| part.of(bytes)).collect();
            pieces.into_iter().for_each(|pieces| out(Datum::Bytes(&pieces.concat())));
        }
    }
}

impl Part {
    /// `None` if the bytes end before the part does.
    fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        let place = |offset: i64| {
            let distance = usize::try_from(offset.unsigned_abs()).ok()?;
            if offset < 0 { bytes.len().checked_sub(distance) } else { Some(distance) }
        };
        let (start, end) = match self {
            Part::Length(start, length) => {
                let start = place(start)?;
                (start, start.checked_add(usize::try_from(length).ok()?)?)
            }
            Part::Through(first, last) => (place(first)?, place(last)?.checked_add(1)?),
            Part::From(start) => (place(start)?, bytes.len()),
        };
        bytes.get(start..end).filter(|piece| !piece.is_empty())
    }
}

/// Every value of the left with every value of the right.
fn math(sign: &str, left: &Operand, right: &Operand, fields: &dyn Fields, out: &mut dyn FnMut(Datum<'_>)) {
    /// A message with more pairs than this has its first ones calculated: two fields with tens of
    /// thousands of occurrences each would take minutes.
    const MOST: usize = 1 << 16;
    let mut rights = Vec::new();
    right.each(fields, &mut |datum| {
        if rights.len() < MOST {
            rights.push(datum.to_constant());
        }
    });
    let mut pairs = 0;
    left.each(fields, &mut |left| {
        for right in &rights {
            pairs += 1;
            if pairs > MOST {
                return;
            }
            match (left, right.datum()) {
                (Datum::Number(a), Datum::Number(b)) => {
                    a.calculate(sign, b).into_iter().for_each(|result| out(Datum::Number(result)));
                }
                (Datum::Time(a), Datum::Time(b)) => out(Datum::Time(if sign == "-" { a - b } else { a + b })),
                (Datum::Bytes(a), Datum::Bytes(b)) if a.len() == b.len() => {
                    let masked: Vec<u8> = a.iter().zip(b).map(|(a, b)| a & b).collect();
                    out(Datum::Bytes(&masked));
                }
                _ => {}
            }
        }
    });
}

impl Function {
    fn call(self, arguments: &[Operand], fields: &dyn Fields, out: &mut dyn FnMut(Datum<'_>)) {
        let number = |length: usize| Datum::Number(Number::Integer(length as i128));
        match (self, arguments) {
            // Of a value that is neither text nor bytes, the length is that of the bytes it was read from.
            (Function::Len, [Operand::Field(name)]) => fields.each(name, &mut |value, raw| {
                let length = Datum::of(value, raw).bytes().unwrap_or(raw).len();
                out(number(length));
            }),
            (Function::Count, [argument]) => {
                let mut count = 0;
                argument.each(fields, &mut |_| count += 1);
                if count > 0 {
                    out(number(count));
                }
            }
            (Function::Max | Function::Min, arguments) => {
                let better = if self == Function::Max { Relation::Gt } else { Relation::Lt };
                let mut best: Option<Constant> = None;
                for argument in arguments {
                    argument.each(fields, &mut |datum| {
                        if best.as_ref().is_none_or(|best| better.holds(datum.order(best.datum()))) {
                            best = Some(datum.to_constant());
                        }
                    });
                }
                best.iter().for_each(|best| out(best.datum()));
            }
            (function, arguments) => {
                for argument in arguments {
                    argument.each(fields, &mut |datum| match (function, datum) {
                        (Function::Len, datum) => datum.bytes().into_iter().for_each(|bytes| out(number(bytes.len()))),
                        (Function::Lower, Datum::Text(text)) => out(Datum::Text(&text.to_ascii_lowercase())),
                        (Function::Upper, Datum::Text(text)) => out(Datum::Text(&text.to_ascii_uppercase())),
                        (Function::Abs, Datum::Number(number)) => out(Datum::Number(number.absolute())),
                        (Function::Abs, Datum::Time(time)) => out(Datum::Time(time.abs())),
                        (Function::String, datum) => match text_of(datum) {
                            Some(text) => out(Datum::Text(text.as_bytes())),
                            None => out(datum),
                        },
                        _ => {}
                    });
                }
            }
        }
    }
}

/// A value as text; `None` if it is text already.
fn text_of(datum: Datum<'_>) -> Option<String> {
    match datum {
        Datum::Number(Number::Integer(whole)) => Some(whole.to_string()),
        Datum::Number(Number::Real(real)) => Some(real.to_string()),
        Datum::Boolean(boolean) => Some(if boolean { "True" } else { "False" }.to_owned()),
        Datum::Address(network) => Some(network.address.to_string()),
        Datum::Time(time) => Some((time as f64 / 1e9).to_string()),
        Datum::Text(_) => None,
        Datum::Bytes(bytes) => Some(hex::encode(bytes)),
    }
}
