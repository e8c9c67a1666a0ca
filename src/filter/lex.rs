//! The words and signs of a filter.
//!
//! Takes the text, gives tokens with their place in it. Whether a word is a field, a number or a
//! plain text depends on what it is compared with, so that is not decided here.

use std::net::IpAddr;
use std::ops::Range;

use super::Error;
use super::error::shown;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name, a number, an address, or any text without quotes.
    Word,
    /// A quoted text, with its escapes resolved.
    Quoted(Vec<u8>),
    /// A character constant: as bytes, and as a number.
    Character(Vec<u8>, u32),
    /// What is between brackets; `at` includes them.
    Slice,
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub at: Range<usize>,
    pub kind: Kind,
}

/// Longest first, as the first that fits is taken.
const SIGNS: &[&str] = &[
    "===", "!==", "==", "!=", "~=", ">=", "<=", "&&", "||", "^^", "..", ">", "<", "~", "!", "&", "+", "-", "*", "/",
    "%", "(", ")", "{", "}", ",",
];

/// All tokens, the last of which is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(token) = next(text, at)? {
        at = token.at.end;
        tokens.push(token);
    }
    tokens.push(Token { at: text.len()..text.len(), kind: Kind::End });
    Ok(tokens)
}

fn next(text: &str, from: usize) -> Result<Option<Token>, Error> {
    let start = text.len() - text[from..].trim_start().len();
    let rest = &text[start..];
    let Some(first) = rest.chars().next() else { return Ok(None) };
    let token = |length: usize, kind| Ok(Some(Token { at: start..start + length, kind }));
    match first {
        '"' => quoted(text, start, start + 1, false).map(Some),
        'r' if rest.starts_with("r\"") => quoted(text, start, start + 2, true).map(Some),
        '\'' => character(text, start).map(Some),
        '[' => match rest.find(']') {
            Some(end) => token(end + 1, Kind::Slice),
            None => Err(Error::new(&(start..start + 1), "this bracket is never closed").help("a slice ends with `]`")),
        },
        _ => {
            let length = word(rest);
            if length > 0 {
                return token(length, Kind::Word);
            }
            if let Some(&sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                return token(sign.len(), Kind::Sign(sign));
            }
            let at = start..start + first.len_utf8();
            Err(match first {
                '=' => Error::new(&at, "`=` is not an operator").help("`==` compares"),
                '|' => Error::new(&at, "`|` is not an operator").help("`||` or `or` joins conditions"),
                '^' => Error::new(&at, "`^` is not an operator").help("`^^` or `xor` is the exclusive or"),
                ']' => Error::new(&at, "this bracket was never opened"),
                '#' => Error::new(&at, "the layer operator `#` is not supported"),
                '$' => Error::new(&at, "references such as `${field}` and macros are not supported"),
                _ => Error::new(&at, format!("{} is not allowed here", shown(first.encode_utf8(&mut [0; 4]))))
                    .help("text with such characters needs double quotes"),
            })
        }
    }
}

/// The length of the word that `rest` begins with: 0 if it begins with none.
///
/// `-` does not begin a word but may be in one (`00-1d`), `..` ends it (`5..7`), and `/` belongs
/// only to the prefix of an address.
fn word(rest: &str) -> usize {
    let mut length = 0;
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|&(_, next)| next);
        let belongs = match c {
            '.' => next != Some('.'),
            '-' => at > 0,
            '+' => at > 0 && rest.starts_with(|c: char| c.is_ascii_digit()) && is_exponent(&rest[..at]),
            '/' => next.is_some_and(|c| c.is_ascii_digit()) && rest[..at].parse::<IpAddr>().is_ok(),
            _ => c.is_alphanumeric() || matches!(c, '_' | ':'),
        };
        if !belongs {
            break;
        }
        length = at + c.len_utf8();
    }
    length
}

/// Whether `number` ends where the sign of an exponent may follow: `1.5e`.
fn is_exponent(number: &str) -> bool {
    let mantissa = number.strip_suffix(['e', 'E']);
    mantissa.is_some_and(|mantissa| mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

fn quoted(text: &str, start: usize, inside: usize, raw: bool) -> Result<Token, Error> {
    let mut bytes = Vec::new();
    let mut at = inside;
    loop {
        let Some(c) = text[at..].chars().next() else {
            return Err(Error::new(&(start..inside), "the closing quote is missing"));
        };
        match c {
            '"' => return Ok(Token { at: start..at + 1, kind: Kind::Quoted(bytes) }),
            // In a raw string a backslash stays; it only keeps a quote from ending the string.
            '\\' if raw => {
                let length = if text[at + 1..].starts_with(['"', '\\']) { 2 } else { 1 };
                bytes.extend_from_slice(&text.as_bytes()[at..at + length]);
                at += length;
            }
            '\\' => {
                let (length, escaped) = escape(text, at)?;
                escaped.push_to(&mut bytes);
                at += length;
            }
            _ => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += c.len_utf8();
            }
        }
    }
}

fn character(text: &str, start: usize) -> Result<Token, Error> {
    let Some(c) = text[start + 1..].chars().next() else {
        return Err(Error::new(&(start..start + 1), "the closing quote is missing"));
    };
    let (length, escaped) = match c {
        '\\' => escape(text, start + 1)?,
        _ => (c.len_utf8(), Escaped::Char(c)),
    };
    let end = start + 1 + length;
    if c == '\'' || !text[end..].starts_with('\'') {
        let close = text[start + 1..].find('\'').map_or(text.len(), |close| start + close + 2);
        return Err(
            Error::new(&(start..close), "single quotes hold one character").help("a text is written in double quotes")
        );
    }
    let mut bytes = Vec::new();
    let number = escaped.push_to(&mut bytes);
    Ok(Token { at: start..end + 1, kind: Kind::Character(bytes, number) })
}

enum Escaped {
    Byte(u8),
    Char(char),
}

impl Escaped {
    /// Appends the bytes and returns the number.
    fn push_to(&self, bytes: &mut Vec<u8>) -> u32 {
        match *self {
            Escaped::Byte(byte) => {
                bytes.push(byte);
                byte.into()
            }
            Escaped::Char(c) => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                c.into()
            }
        }
    }
}

/// The escape that begins with the backslash at `at`: its length, and what it stands for.
fn escape(text: &str, at: usize) -> Result<(usize, Escaped), Error> {
    let rest = &text[at + 1..];
    let Some(c) = rest.chars().next() else {
        return Err(Error::new(&(at..at + 1), "the closing quote is missing"));
    };
    let whole = at..at + 1 + c.len_utf8();
    let digits = |from: usize, most: usize, radix: u32| {
        let length = rest[from..].chars().take(most).take_while(|c| c.is_digit(radix)).count();
        (length, u32::from_str_radix(&rest[from..from + length], radix).unwrap_or(0))
    };
    let byte = |byte: u8| Ok((2, Escaped::Byte(byte)));
    match c {
        '\'' | '"' | '\\' => byte(c as u8),
        'a' => byte(7),
        'b' => byte(8),
        't' => byte(9),
        'n' => byte(10),
        'v' => byte(11),
        'f' => byte(12),
        'r' => byte(13),
        '0'..='7' => {
            let (length, value) = digits(0, 3, 8);
            let value = u8::try_from(value)
                .map_err(|_| Error::new(&(at..at + 1 + length), "an octal escape ends at `\\377`"))?;
            Ok((1 + length, Escaped::Byte(value)))
        }
        'x' => match digits(1, 2, 16) {
            (0, _) => Err(Error::new(&whole, "`\\x` is followed by two hexadecimal digits")),
            // Two digits are at most 255.
            (length, value) => Ok((2 + length, Escaped::Byte(value as u8))),
        },
        'u' | 'U' => {
            let most = if c == 'u' { 4 } else { 8 };
            match digits(1, most, 16) {
                (length, value) if length == most && char::from_u32(value).is_some() => {
                    Ok((2 + length, Escaped::Char(char::from_u32(value).unwrap_or_default())))
                }
                (length, _) => Err(Error::new(
                    &(at..at + 2 + length),
                    format!("`\\{c}` is followed by the {most} hexadecimal digits of a character"),
                )),
            }
        }
        _ => Err(Error::new(&whole, format!("{} is not an escape", shown(&text[whole.clone()])))
            .help("write a backslash as `\\\\`, or the whole as a raw string: r\"…\"")),
    }
}
