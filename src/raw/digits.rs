//! Hex digits in any dress, without offsets: one long line, `03 00 00`, `03:00:00`, `0x03, 0x00`, `\x03\x00`.
//!
//! Gives the bytes of each line. Lines that are indented are those of the other direction, as tshark and Wireshark show a
//! followed stream, if all others are not.

use super::Error;

/// The bytes of a line, and whether it is indented.
#[derive(Debug)]
pub(super) struct Line {
    pub bytes: Vec<u8>,
    pub is_indented: bool,
}

pub(super) fn read(text: &str) -> Result<Vec<Line>, Error> {
    let lines = || {
        let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        numbered.filter(|(_, line)| !line.trim().is_empty() && !is_comment(line))
    };
    if let Some(bytes) = decimals(text) {
        return Ok(vec![Line { bytes, is_indented: false }]);
    }
    // Digits without anything between them may be wrapped anywhere; a line is a piece only if all are even.
    let is_solid = |line: &str| line.trim().bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_wrapped = lines().all(|(_, line)| is_solid(line)) && lines().any(|(_, line)| line.trim().len() % 2 == 1);
    if is_wrapped {
        let digits: String = lines().map(|(_, line)| line.trim()).collect();
        let last = lines().last().map_or(1, |(number, _)| number);
        let bytes = pairs(&digits, last)?;
        return Ok(vec![Line { bytes, is_indented: false }]);
    }
    let mut read = Vec::new();
    let mut total = 0;
    for (number, line) in lines() {
        let bytes = one(line, number)?;
        total += bytes.len();
        if total > super::MOST {
            return Err(Error::TooLong { most: super::MOST });
        }
        read.push(Line { bytes, is_indented: line.starts_with(['\t', ' ']) });
    }
    if read.iter().all(|line| line.bytes.is_empty()) {
        return Err(Error::NoBytes);
    }
    Ok(read)
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

/// The bytes of a line of hex.
fn one(line: &str, number: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(line.len() / 2);
    let column = |at: usize| line[..at].chars().count() + 1;
    // `<Buffer 03 00>` of Node, `<0300 0000>` of Cocoa's NSData.
    let mut rest = line.trim_start();
    rest = rest.strip_prefix("<Buffer").or_else(|| rest.strip_prefix('<')).unwrap_or(rest);
    loop {
        rest = rest
            .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-' | ';' | '_' | '|' | '>'));
        if rest.is_empty() {
            return Ok(bytes);
        }
        let marked = ["0x", "0X", "\\x", "\\X", "%"].into_iter().find_map(|mark| rest.strip_prefix(mark));
        let token = marked.unwrap_or(rest);
        let digits = token.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits == 0 {
            let at = line.len() - token.len();
            let found = token.chars().next().or_else(|| rest.chars().next()).unwrap_or(' ');
            return Err(Error::NotHex { line: number, column: column(at), found });
        }
        let (word, after) = token.split_at(digits);
        // A word that only begins as hex does.
        if let Some(found) = after.chars().next().filter(|next| next.is_alphanumeric() && !matches!(next, 'x' | 'X')) {
            return Err(Error::NotHex { line: number, column: column(line.len() - after.len()), found });
        }
        if digits == 1 && marked.is_some() {
            bytes.extend(word.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8));
        } else {
            bytes.extend(pairs(word, number)?);
        }
        rest = after;
    }
}

/// The bytes of hex digits.
pub(super) fn pairs(digits: &str, line: usize) -> Result<Vec<u8>, Error> {
    hex::decode(digits).map_err(|error| match error {
        hex::FromHexError::InvalidHexCharacter { c, index } => Error::NotHex { line, column: index + 1, found: c },
        _ => Error::Odd { line, digits: digits.len() },
    })
}

/// The bytes of decimal numbers, if that is what they must be: some have one or three digits, none begins with 0.
fn decimals(text: &str) -> Option<Vec<u8>> {
    let separators = |c: char| c.is_whitespace() || c == ',';
    let tokens = || text.split(separators).filter(|token| !token.is_empty());
    let mut is_varied = false;
    for (at, token) in tokens().enumerate() {
        let is_decimal = token.len() <= 3 && token.bytes().all(|byte| byte.is_ascii_digit());
        if !is_decimal || token.len() > 1 && token.starts_with('0') {
            return None;
        }
        is_varied |= token.len() != 2 && at > 0;
    }
    is_varied.then(|| tokens().map(|token| token.parse().ok()).collect::<Option<Vec<u8>>>()).flatten()
}
