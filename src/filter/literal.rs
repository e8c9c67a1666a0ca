//! Literals: how a word, a quoted text or a character is read as the type of the field it meets.

use super::Error;
use super::datum::{Class, Constant, Network};
use super::error::shown;
use super::lex::Kind;
use super::number::{Leading0, Number};
use crate::field::{self, Def};

/// What a literal is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// Another literal.
    Nothing,
    /// A value whose type only the data knows.
    Any,
    Class(Class),
    Field(&'static Def),
}

impl PartialEq for Expected {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.class() == other.class()
    }
}

impl Expected {
    pub fn class(self) -> Option<Class> {
        match self {
            Expected::Nothing | Expected::Any => None,
            Expected::Class(class) => Some(class),
            Expected::Field(def) => Some(Class::of(def.kind)),
        }
    }

    /// The result of a calculation: without the names that the values of a field may have.
    pub fn calculated(self) -> Self {
        self.class().map_or(self, Expected::Class)
    }

    /// What a number is read as where only a number makes sense.
    pub fn numeric(self) -> Self {
        match self {
            Expected::Nothing | Expected::Any => Expected::Class(Class::Number),
            known => known,
        }
    }
}

/// The constants that a literal can be: one, or one for each class if the type is not known.
///
/// The place of an error is left to the caller.
pub(super) fn read(source: &str, kind: &Kind, expected: Expected) -> Result<Vec<Constant>, Error> {
    let def = match expected {
        Expected::Field(def) => Some(def),
        _ => None,
    };
    let Some(class) = expected.class() else {
        return Ok(any(source, kind));
    };
    if let Some(constant) = of_class(source, kind, class, def) {
        return Ok(vec![constant]);
    }
    let whom = def.map_or_else(String::new, |def| format!("`{}` is {}; ", def.name, class.title()));
    let error = Error::new(&(0..0), format!("{whom}{} is not", shown(source)));
    let error = match def {
        None => Error::new(&(0..0), format!("expected {}, found {}", class.title(), shown(source))),
        Some(_) => error,
    };
    let is_quoted = matches!(kind, Kind::Quoted(_));
    Err(match class {
        Class::Number if def.is_some_and(has_symbols) => match def.map(names_near).unwrap_or_default() {
            names if names.is_empty() => error,
            names => error.help(format!("its values have names: {names}")),
        },
        Class::Number | Class::Address | Class::Time if is_quoted => {
            let inner = source.trim_matches('"');
            let plain = Kind::Word;
            match of_class(inner, &plain, class, def) {
                Some(_) => error.help(format!("without quotes: {inner}")),
                None => error,
            }
        }
        Class::Bytes => error.help("bytes are written 01:02:ff, a text in double quotes"),
        _ => error,
    })
}

/// Where the type is not known: whatever the literal can be.
fn any(source: &str, kind: &Kind) -> Vec<Constant> {
    let classes: &[Class] = match kind {
        Kind::Quoted(_) => &[Class::Text, Class::Bytes],
        Kind::Word if is_boolean(source).is_some() => &[Class::Boolean],
        Kind::Word if Number::parse(source, Leading0::Decimal).is_some() => &[Class::Number, Class::Time, Class::Bytes],
        _ => &[Class::Text, Class::Bytes, Class::Address],
    };
    classes.iter().filter_map(|class| of_class(source, kind, *class, None)).collect()
}

fn of_class(source: &str, kind: &Kind, class: Class, def: Option<&'static Def>) -> Option<Constant> {
    let leading0 = match def {
        Some(def) if def.kind != field::Kind::Double => Leading0::Octal,
        _ => Leading0::Decimal,
    };
    let symbol = |name: &str| def.and_then(|def| symbol_value(def, name));
    match (class, kind) {
        (Class::Number, Kind::Character(_, number)) => Some(Constant::Number(Number::Integer((*number).into()))),
        (Class::Number, Kind::Quoted(text)) => symbol(std::str::from_utf8(text).ok()?),
        (Class::Number, _) => Number::parse(source, leading0).map(Constant::Number).or_else(|| symbol(source)),
        (Class::Boolean, kind) => {
            let word = match kind {
                Kind::Quoted(text) => std::str::from_utf8(text).ok()?,
                _ => source,
            };
            let number = || match kind {
                Kind::Word => Number::parse(word, Leading0::Octal).map(|number| !number.is_zero()),
                _ => None,
            };
            let named = || match symbol(word)? {
                Constant::Number(number) => Some(!number.is_zero()),
                _ => None,
            };
            is_boolean(word).or_else(number).or_else(named).map(Constant::Boolean)
        }
        (Class::Text, Kind::Quoted(bytes) | Kind::Character(bytes, _)) => Some(Constant::Text(bytes.clone())),
        (Class::Text, _) => Some(Constant::Text(source.as_bytes().to_vec())),
        (Class::Bytes, Kind::Quoted(bytes)) => Some(Constant::Bytes(bytes.clone())),
        (Class::Bytes, Kind::Character(bytes, number)) => {
            Some(Constant::Bytes(u8::try_from(*number).map_or_else(|_| bytes.clone(), |byte| vec![byte])))
        }
        (Class::Bytes, _) => byte_string(source).map(Constant::Bytes),
        (Class::Address, Kind::Word) => Network::parse(source).map(Constant::Address),
        (Class::Time, Kind::Word) => nanoseconds(source).map(Constant::Time),
        _ => None,
    }
}

fn is_boolean(word: &str) -> Option<bool> {
    match word {
        "True" | "TRUE" | "true" => Some(true),
        "False" | "FALSE" | "false" => Some(false),
        _ => None,
    }
}

/// The numbers that may have a name.
const NAMED: std::ops::RangeInclusive<u64> = 0..=0xffff;

/// The first number with this name, whatever its case.
fn symbol_value(def: &Def, name: &str) -> Option<Constant> {
    let is_named = |number: &u64| (def.symbol)(*number).is_some_and(|symbol| symbol.eq_ignore_ascii_case(name));
    NAMED.into_iter().find(is_named).map(|number| Constant::Number(Number::Integer(number.into())))
}

fn has_symbols(def: &'static Def) -> bool {
    NAMED.into_iter().any(|number| (def.symbol)(number).is_some())
}

/// The first names of a field's values, for a message.
fn names_near(def: &'static Def) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = NAMED.filter_map(def.symbol).map(|name| format!("\"{name}\"")).take(SHOWN + 1).collect();
    match names.len() {
        ..=SHOWN => names.join(", "),
        _ => format!("{}, …", names[..SHOWN].join(", ")),
    }
}

/// `01:02:ff`, `01.02`, `01-02`, `0102`, `3`, `0x03`.
fn byte_string(word: &str) -> Option<Vec<u8>> {
    let digits = match word.strip_prefix("0x") {
        // More digits would raise the question of the byte order.
        Some(hex) if hex.len() > 2 => return None,
        Some(hex) => hex,
        None => word,
    };
    let groups: Vec<&str> = digits.split([':', '.', '-']).collect();
    if let [group] = groups[..]
        && group.len() > 2
    {
        return hex::decode(group).ok();
    }
    let byte = |group: &&str| match group.len() {
        1 | 2 if group.bytes().all(|b| b.is_ascii_hexdigit()) => u8::from_str_radix(group, 16).ok(),
        _ => None,
    };
    groups.iter().map(byte).collect()
}

/// Decimal seconds, exact to the nanosecond.
fn nanoseconds(word: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    if let Some(Number::Integer(whole)) = Number::parse(word, Leading0::Decimal) {
        return Some(whole.saturating_mul(SECOND));
    }
    let (whole, fraction) = word.split_once('.')?;
    let is_decimal = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if !is_decimal(whole) || !is_decimal(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let digits = format!("{whole}{:0<9}", fraction.get(..9).unwrap_or(fraction));
    Some(digits.parse().unwrap_or(i128::MAX))
}
