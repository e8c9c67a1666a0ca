//! Lists of numbers: arrays of bytes as most languages write them.

use super::{Error, wrong};

const WHAT: &str = "a list of bytes";

/// The bytes of the last list in the text: `x[4] = {1, 2}` has two, of which the first is a length.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, Error> {
    let text = without_casts(&without_comments(text));
    let mut first_error = None;
    let mut found = None;
    let mut open = None;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' | '(' => open = Some(at + 1),
            ']' | '}' | ')' => {
                if let Some(start) = open.take() {
                    match items(&text[start..at], start) {
                        Ok(bytes) => found = Some(bytes),
                        Err(error) => first_error = first_error.or(Some(error)),
                    }
                }
            }
            _ => {}
        }
    }
    match found {
        Some(bytes) => Ok(bytes),
        None if text.contains(['[', '{', '(']) => Err(first_error.unwrap_or(Error::Unknown)),
        // Without brackets, whether `10` is decimal would be a guess.
        None => Err(Error::Unknown),
    }
}

fn items(text: &str, at: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut place = at;
    let mut parts = text.split(',').peekable();
    while let Some(part) = parts.next() {
        let word = part.trim();
        // A comma may follow the last one.
        if !(word.is_empty() && parts.peek().is_none()) {
            let why = || wrong(WHAT, place, format!("'{}' is not a byte", word.escape_default()));
            bytes.push(byte(word).ok_or_else(why)?);
        }
        place += part.len() + 1;
    }
    Ok(bytes)
}

fn byte(word: &str) -> Option<u8> {
    if let Some(c) = word.strip_prefix('b').unwrap_or(word).strip_prefix('\'').and_then(|c| c.strip_suffix('\'')) {
        return u8::try_from(c.chars().next().filter(|_| c.chars().count() == 1)?).ok();
    }
    let (is_negative, digits) = word.strip_prefix('-').map_or((false, word), |digits| (true, digits));
    let lower = digits.to_ascii_lowercase().replace('_', "");
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        _ => (10, lower.as_str()),
    };
    let digits = if radix == 16 { digits } else { digits.strip_suffix('u').unwrap_or(digits) };
    let digits = digits.strip_suffix("u8").unwrap_or(digits);
    // C reads a leading zero as octal, others do not.
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    let number = i32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))?;
    let number = if is_negative { -number } else { number };
    (-128..=255).contains(&number).then_some(number as u8)
}

fn without_casts(text: &str) -> String {
    let casts = [".toByte()", ".toUByte()", "(byte)", "(uint8_t)", "(char)", "(unsigned char)"];
    casts.iter().fold(text.to_owned(), |text, cast| text.replace(cast, ""))
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        kept.push_str(&rest[..at]);
        let (end, len) = if rest[at..].starts_with("/*") { ("*/", 2) } else { ("\n", 0) };
        rest = rest[at + 2..].find(end).map_or("", |found| &rest[at + 2 + found + len..]);
    }
    kept + rest
}
