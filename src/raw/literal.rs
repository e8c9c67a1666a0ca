//! Bytes as programming languages write them: arrays and strings of C, Rust, Go, Python, JavaScript, Java, Swift.
//!
//! Takes source text, finds the one kind of literal in it that holds bytes, and gives the bytes of all literals of that
//! kind, in order. What is around them (names, types, lengths) is passed over.

use std::iter::Peekable;
use std::str::CharIndices;

use base64::Engine;

use super::Error;
use super::digits::pairs;

pub(super) fn read(text: &str) -> Result<Option<Vec<u8>>, Error> {
    // A JSON document does not hold literals, except what Node prints of a Buffer.
    let beginning: String = text.chars().filter(|c| !c.is_whitespace()).take(2).collect();
    if matches!(&*beginning, "{\"" | "[{") && !text.contains("\"Buffer\"") {
        return Ok(None);
    }
    let (code, strings) = split(text);
    let is_base64 = text.contains("base64") || text.contains("b64decode");
    let said: Vec<&Quoted> = strings.iter().filter(|string| !string.is_name()).collect();
    let has_escapes = said.iter().any(|string| string.has_escapes);
    if let Some(bytes) = numbers(&code)? {
        return Ok(Some(bytes));
    }
    if said.is_empty() {
        return Ok(None);
    }
    if !has_escapes && is_base64 {
        let mut bytes = Vec::new();
        let engine = base64::engine::general_purpose::STANDARD;
        for string in said.iter().filter(|string| string.bytes.len() >= 4) {
            bytes.extend(engine.decode(&string.bytes).map_err(|_| Error::Base64 { line: string.line })?);
        }
        return Ok(Some(bytes));
    }
    let is_hex = |string: &&Quoted| {
        !string.has_escapes && string.bytes.iter().all(|byte| byte.is_ascii_hexdigit() || b" :,_-\n\r\t".contains(byte))
    };
    if !said.iter().all(is_hex) {
        return match said.iter().any(|string| string.has_codes) || code.contains("b\"") {
            true => Ok(Some(said.into_iter().flat_map(|string| string.bytes.iter().copied()).collect())),
            false => Ok(None),
        };
    }
    let digits = |string: &Quoted| {
        string.bytes.iter().filter(|byte| byte.is_ascii_hexdigit()).map(|&byte| char::from(byte)).collect::<String>()
    };
    let last = said.last().map_or(1, |string| string.line);
    let all: String = said.into_iter().map(digits).collect();
    pairs(&all, last).map(Some)
}

/// A string in quotes.
struct Quoted {
    bytes: Vec<u8>,
    has_escapes: bool,
    /// Whether bytes are written as numbers in it.
    has_codes: bool,
    line: usize,
}

impl Quoted {
    /// Whether it is the name of an encoding, not bytes.
    fn is_name(&self) -> bool {
        let name = String::from_utf8_lossy(&self.bytes).to_ascii_lowercase();
        !self.has_escapes
            && ["hex", "latin1", "latin-1", "binary", "base64", "utf8", "utf-8", "c", ""].contains(&&*name)
    }
}

/// The text without strings and comments, and the strings.
fn split(text: &str) -> (String, Vec<Quoted>) {
    let (mut code, mut strings, mut line) = (String::new(), Vec::new(), 1);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' | '\'' | '`' => {
                // An apostrophe in a word is no quote.
                let is_word = code.ends_with(|before: char| before.is_alphanumeric())
                    && !code.ends_with(['b', 'B', 'r', 'c', 'u']);
                if c == '\'' && is_word {
                    code.push(c);
                    continue;
                }
                let (string, lines) = quoted(&mut chars, c, line);
                line += lines;
                strings.push(string);
                code.push('"');
            }
            '/' if text[at..].starts_with("/*") => {
                let end = text[at + 2..].find("*/").map_or(text.len(), |end| at + 2 + end + 2);
                line += text[at..end].matches('\n').count();
                while chars.next_if(|(at, _)| *at < end).is_some() {}
                code.push(' ');
            }
            '/' if text[at..].starts_with("//") => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '#' if !text[at..].starts_with("#[") && !text[at..].starts_with("#define") => {
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            _ => {
                line += usize::from(c == '\n');
                code.push(c);
            }
        }
    }
    (code, strings)
}

/// What is up to the closing quote, with escapes undone, and how many lines it takes.
fn quoted(chars: &mut Peekable<CharIndices<'_>>, quote: char, line: usize) -> (Quoted, usize) {
    let mut string = Quoted { bytes: Vec::new(), has_escapes: false, has_codes: false, line };
    let mut lines = 0;
    let digits = |chars: &mut Peekable<CharIndices<'_>>, radix: u32, most: usize, first: Option<char>| {
        let mut value = first.and_then(|first| first.to_digit(radix)).unwrap_or(0);
        for _ in 0..most {
            let Some((_, digit)) = chars.next_if(|(_, c)| c.is_digit(radix)) else { break };
            value = value.wrapping_mul(radix) + digit.to_digit(radix).unwrap_or(0);
        }
        value
    };
    while let Some((_, c)) = chars.next() {
        if c == quote {
            break;
        }
        lines += usize::from(c == '\n');
        if c != '\\' {
            string.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        string.has_escapes = true;
        let Some((_, escape)) = chars.next() else { break };
        string.has_codes |= matches!(escape, 'x' | 'X' | 'u' | '0'..='7');
        let byte = match escape {
            'x' | 'X' => digits(chars, 16, 2, None) as u8,
            'u' => {
                let is_braced = chars.next_if(|(_, c)| *c == '{').is_some();
                let value = digits(chars, 16, if is_braced { 6 } else { 4 }, None);
                if is_braced {
                    chars.next_if(|(_, c)| *c == '}');
                }
                value as u8
            }
            '0'..='7' => digits(chars, 8, 2, Some(escape)) as u8,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'a' => 7,
            'b' => 8,
            'v' => 11,
            'f' => 12,
            'e' => 27,
            // A line that continues on the next.
            '\n' => {
                lines += 1;
                continue;
            }
            other if other.is_ascii() => other as u8,
            other => {
                string.bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        string.bytes.push(byte);
    }
    (string, lines)
}

/// The bytes of the lists of numbers in braces, or else in brackets, or else in parentheses.
fn numbers(code: &str) -> Result<Option<Vec<u8>>, Error> {
    // Kotlin's bytes above 127.
    let code = &code.replace(".toByte()", "");
    for (open, close) in [('{', '}'), ('[', ']'), ('(', ')')] {
        let mut bytes = Vec::new();
        let (mut line, mut counted) = (1, 0);
        for (at, group) in groups(code, open, close) {
            line += code[counted..at].matches('\n').count();
            counted = at;
            bytes.extend(list(group, line)?.unwrap_or_default());
        }
        // Prose has lists too, though short ones.
        if bytes.len() >= FEWEST {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Lists with fewer numbers are not taken to be bytes.
const FEWEST: usize = 4;

/// The innermost groups, and where each begins.
fn groups(code: &str, open: char, close: char) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices(open).filter_map(move |(at, _)| {
        let inside = &code[at + open.len_utf8()..];
        let end = inside.find([open, close])?;
        inside[end..].starts_with(close).then(|| (at, &inside[..end]))
    })
}

/// The bytes of a list of numbers; `None` if it is not one.
fn list(group: &str, line: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    // `(byte) 0x80`, `0x80 as u8`.
    let group =
        group.replace("(byte)", " ").replace("(unsigned char)", " ").replace("(char)", " ").replace(" as u8", " ");
    let tokens = || group.split([',', ';', ' ', '\n', '\r', '\t']).filter(|token| !token.is_empty());
    // `x[16]` and `f(3)` are no lists. `[03, 00]`: hex without a mark, as decimal numbers do not begin with 0.
    let is_bare = |token: &str| token.len() == 2 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bare_hex =
        tokens().all(is_bare) && tokens().any(|token| token.starts_with('0') || token.parse::<u8>().is_err());
    if tokens().count() < 2 {
        return Ok(None);
    }
    for token in tokens() {
        let value = match bare_hex {
            true => i64::from_str_radix(token, 16).ok(),
            false => number(token),
        };
        let Some(value) = value else { return Ok(None) };
        match (u8::try_from(value), i8::try_from(value)) {
            (Ok(byte), _) => bytes.push(byte),
            (_, Ok(signed)) => bytes.push(signed as u8),
            _ if bytes.len() < FEWEST => return Ok(None),
            _ => return Err(Error::NotAByte { line, found: token.to_owned() }),
        }
    }
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// A number as C, Rust, Go, Python, JavaScript and Java write it, with its suffix.
fn number(token: &str) -> Option<i64> {
    let (sign, token) = token.strip_prefix('-').map_or((1, token), |rest| (-1, rest));
    let lower = token.to_ascii_lowercase();
    let value = if let Some(digits) = lower.strip_prefix("0x") {
        // The suffix of C and Rust: `0x80u`, `0x80_u8`.
        let digits = digits.trim_end_matches(['u', 'l', '_']);
        i64::from_str_radix(digits.strip_suffix("u8").unwrap_or(digits).trim_end_matches('_'), 16).ok()?
    } else if let Some(digits) = lower.strip_prefix("0b") {
        i64::from_str_radix(digits, 2).ok()?
    } else if let Some(digits) = lower.strip_prefix("0o") {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        let digits = lower.strip_suffix("u8").unwrap_or(&lower).trim_end_matches(['u', 'l', '_']);
        digits.parse().ok()?
    };
    Some(sign * value)
}
