//! Bytes as text, and text as bytes: hexadecimal, base64 and literals of programming languages.
//!
//! Takes bytes and returns the text that a program or a person can paste ([`write`]), or takes such a text and returns
//! its bytes ([`read`]). What is written reads back as the same bytes. A text that two languages read differently is
//! read only as the one that the caller names. Dumps with offsets, files and AMF are left to others.
//!
//! | module | reads |
//! |---|---|
//! | `list` | lists of numbers: `{0x70, 0x6c}`, `byteArrayOf(0x70, -1)` |
//! | `quoted` | strings with escape sequences: `b'play\x00'`, `"play\0"` |

mod list;
mod quoted;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A form of bytes as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `70 6c 61 79`
    Hex,
    /// `cGxheQ==` (RFC 4648 4).
    Base64,
    /// `"play"`, or a compound literal (C11 6.4.5, 6.5.2.5).
    C,
    /// `b"play"`
    Rust,
    /// `b'play'`
    Python,
    /// `[]byte("play")`
    Go,
    /// `new TextEncoder().encode("play")`, or a `Uint8Array`.
    JavaScript,
    /// `Array("play".utf8)`, or an array of `UInt8`.
    Swift,
    /// `"play".toByteArray()`, or `byteArrayOf`.
    Kotlin,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 9] = [
        Form::Hex,
        Form::Base64,
        Form::C,
        Form::Rust,
        Form::Python,
        Form::Go,
        Form::JavaScript,
        Form::Swift,
        Form::Kotlin,
    ];
    /// Those that are literals of a programming language.
    const LANGUAGES: [Form; 7] =
        [Form::C, Form::Rust, Form::Python, Form::Go, Form::JavaScript, Form::Swift, Form::Kotlin];

    /// Its name, as options have it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Hex => "hex",
            Form::Base64 => "base64",
            Form::C => "c",
            Form::Rust => "rust",
            Form::Python => "python",
            Form::Go => "go",
            Form::JavaScript => "javascript",
            Form::Swift => "swift",
            Form::Kotlin => "kotlin",
        }
    }
}

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has no bytes.
    #[error("the text is empty")]
    Empty,
    /// It is not in the form that it begins in.
    #[error("not {what}: {why} (at character {at})")]
    Wrong {
        /// The form.
        what: &'static str,
        /// What is wrong.
        why: String,
        /// Where, counted from 1.
        at: usize,
    },
    /// It has a form that is not known.
    #[error("not hexadecimal, base64, or a literal of a known language")]
    Unknown,
    /// Languages read it differently.
    #[error("{} reads this literal as {} bytes that differ from those of {}", .0.name(), .2, .1.name())]
    Ambiguous(Form, Form, usize),
}

impl Error {
    fn place(&self) -> usize {
        match self {
            Error::Wrong { at, .. } => *at,
            _ => 0,
        }
    }
}

fn wrong(what: &'static str, at: usize, why: impl Into<String>) -> Error {
    Error::Wrong { what, why: why.into(), at: at + 1 }
}

/// The bytes in a form.
pub fn write(bytes: &[u8], form: Form) -> String {
    match form {
        Form::Hex => list_of(bytes, " ", |byte| format!("{byte:02x}")),
        Form::Base64 => STANDARD.encode(bytes),
        // Strings of bytes: each byte can be written in them.
        Form::Rust => format!("b\"{}\"", escaped(bytes, |byte| two_digits(byte, '"'))),
        Form::Python => format!("b'{}'", escaped(bytes, |byte| two_digits(byte, '\''))),
        Form::Go => format!("[]byte(\"{}\")", escaped(bytes, |byte| two_digits(byte, '"'))),
        // Strings of characters: only plain text is written in them.
        Form::C if is_plain(bytes) && bytes.len() <= LONGEST_IN_C => format!("\"{}\"", c_string(bytes)),
        Form::C => format!("(const unsigned char[]){{{}}}", numbers(bytes)),
        Form::JavaScript if is_plain(bytes) => format!("new TextEncoder().encode(\"{}\")", plain(bytes, None)),
        Form::JavaScript => format!("new Uint8Array([{}])", numbers(bytes)),
        Form::Swift if is_plain(bytes) => format!("Array(\"{}\".utf8)", plain(bytes, None)),
        Form::Swift => format!("[{}] as [UInt8]", numbers(bytes)),
        Form::Kotlin if is_plain(bytes) && bytes.len() <= LONGEST_IN_CLASS_FILE => {
            format!("\"{}\".toByteArray()", plain(bytes, Some(b'$')))
        }
        Form::Kotlin => format!("byteArrayOf({})", wrapped(bytes, signed)),
    }
}

/// A longer string need not be accepted (C11 5.2.4.1).
const LONGEST_IN_C: usize = 4095;
/// The length of a string constant has two bytes (JVMS 4.4.7).
const LONGEST_IN_CLASS_FILE: usize = 65535;

/// Whether every language writes these bytes as the same text.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'))
}

fn escaped(bytes: &[u8], escape: impl Fn(u8) -> Option<String>) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        match escape(byte) {
            Some(sequence) => text.push_str(&sequence),
            None => text.push(byte.into()),
        }
    }
    text
}

/// Escapes that C, Rust, Python, Go, JavaScript, Swift and Kotlin share.
fn common(byte: u8) -> Option<String> {
    Some(match byte {
        b'\\' => "\\\\".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        _ => return None,
    })
}

/// Where `\x` has two digits, whatever follows.
fn two_digits(byte: u8, quote: char) -> Option<String> {
    common(byte).or_else(|| match byte {
        _ if char::from(byte) == quote => Some(format!("\\{quote}")),
        b' '..=b'~' => None,
        _ => Some(format!("\\x{byte:02x}")),
    })
}

fn plain(bytes: &[u8], also: Option<u8>) -> String {
    let is_special = |byte| byte == b'"' || Some(byte) == also;
    escaped(bytes, |byte| common(byte).or_else(|| is_special(byte).then(|| format!("\\{}", char::from(byte)))))
}

/// Two question marks may begin a trigraph (C11 5.2.1.1).
fn c_string(bytes: &[u8]) -> String {
    plain(bytes, None).replace("??", "?\\?").replace("??", "?\\?")
}

fn numbers(bytes: &[u8]) -> String {
    wrapped(bytes, |byte| format!("{byte:#04x}"))
}

/// Kotlin's bytes have a sign.
fn signed(byte: u8) -> String {
    if byte < 0x80 { format!("{byte:#04x}") } else { format!("{byte:#04x}.toByte()") }
}

/// So many numbers are written on a line.
const ON_A_LINE: usize = 12;

fn wrapped(bytes: &[u8], word: impl Fn(u8) -> String) -> String {
    if bytes.len() <= ON_A_LINE {
        return list_of(bytes, ", ", word);
    }
    let mut text = String::new();
    for line in bytes.chunks(ON_A_LINE) {
        let _ = write!(text, "\n    {},", list_of(line, ", ", &word));
    }
    text + "\n"
}

fn list_of(bytes: &[u8], separator: &str, word: impl Fn(u8) -> String) -> String {
    bytes.iter().map(|&byte| word(byte)).collect::<Vec<_>>().join(separator)
}

/// The bytes of a text in any form. Digits alone are hexadecimal before they are base64. A literal that languages read
/// differently is an error: [`read_as`] reads it as one of them.
pub fn read(text: &str) -> Result<Vec<u8>, Error> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Error::Empty);
    }
    if let Some((content, form)) = call_on_text(trimmed) {
        return read_as(content, form);
    }
    match hex(trimmed) {
        Ok(bytes) => return Ok(bytes),
        Err(error) if looks_like_hex(trimmed) => return Err(error),
        Err(_) => {}
    }
    if !trimmed.contains(['"', '\'', '`', '[', '{', '(', ',']) {
        return base64(trimmed).map_err(|error| if looks_like_base64(trimmed) { error } else { Error::Unknown });
    }
    if let Some(language) = named(trimmed) {
        return read_as(trimmed, language);
    }
    let mut found: Option<(Form, Vec<u8>)> = None;
    let mut failed = None;
    for language in Form::LANGUAGES {
        match (read_as(trimmed, language), &found) {
            (Ok(bytes), Some((other, known))) if *known != bytes => {
                return Err(Error::Ambiguous(language, *other, bytes.len()));
            }
            (Ok(bytes), _) => found = Some((language, bytes)),
            // The language whose reading went furthest is the one that is meant.
            (Err(error), _) if failed.as_ref().is_none_or(|failed: &Error| failed.place() < error.place()) => {
                failed = Some(error);
            }
            (Err(_), _) => {}
        }
    }
    found.map(|(_, bytes)| bytes).ok_or_else(|| failed.unwrap_or(Error::Unknown))
}

/// The bytes of a text in this form.
pub fn read_as(text: &str, form: Form) -> Result<Vec<u8>, Error> {
    match form {
        Form::Hex => hex(text),
        Form::Base64 => base64(text),
        language => match quoted::bytes(text, language)? {
            Some(bytes) => Ok(bytes),
            None => list::bytes(text),
        },
    }
}

/// The language that the words around a literal are of.
fn named(text: &str) -> Option<Form> {
    const WORDS: [(Form, &[&str]); 6] = [
        (Form::C, &["unsigned char", "uint8_t", "char *", "const char"]),
        (Form::Rust, &["&[u8", "[u8;", "vec!["]),
        (Form::Go, &["[]byte"]),
        (Form::JavaScript, &["TextEncoder", "Uint8Array"]),
        (Form::Swift, &["[UInt8]", ".utf8)", "Data("]),
        (Form::Kotlin, &["byteArrayOf", ".toByteArray()"]),
    ];
    let quotes = ['"', '\'', '`'];
    let (first, last) = match (text.find(quotes), text.rfind(quotes)) {
        (Some(first), Some(last)) => (&text[..first], &text[last..]),
        _ => (text, ""),
    };
    let is_around = |word: &&str| first.contains(word) || last.contains(word);
    WORDS.iter().find(|(_, words)| words.iter().any(is_around)).map(|(form, _)| *form)
}

/// `bytes.fromhex("706c")` and other calls on a text in hexadecimal or base64, and the text.
fn call_on_text(text: &str) -> Option<(&str, Form)> {
    const HEX: [&str; 5] = ["fromhex(", "unhexlify(", "hex!(", "DecodeString(", "fromHex("];
    const BASE64: [&str; 4] = ["b64decode(", "base64Encoded:", "atob(", ".decode("];
    let quotes = ['"', '\''];
    let (first, last) = (text.find(quotes)?, text.rfind(quotes)?);
    let (before, content) = (&text[..=first], text.get(first + 1..last)?);
    let has = |calls: &[&str]| calls.iter().any(|call| before.contains(call));
    let is_base64 = has(&BASE64) || before.contains("base64.") && has(&["DecodeString("]);
    let is_hex = has(&HEX) || before == "h'";
    let form = if is_base64 { Form::Base64 } else { Form::Hex };
    ((is_base64 || is_hex) && !content.contains(['"', '\'', '\\'])).then_some((content, form))
}

/// Pairs of digits, with nothing, spaces, colons, commas or hyphens between bytes, `0x` or `\x` before them.
fn hex(text: &str) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "hexadecimal";
    let is_decimal = |c: char| c.is_ascii_digit() || c.is_ascii_whitespace() || c == ',';
    if text.contains(',') && text.chars().all(is_decimal) {
        return Err(wrong(WHAT, 0, "with commas, and without 0x or brackets, the numbers may as well be decimal"));
    }
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut rest = text.char_indices().peekable();
    // The digit that waits for its partner.
    let mut high: Option<u8> = None;
    while let Some((at, c)) = rest.next() {
        if let Some(digit) = c.to_digit(16) {
            let is_prefix = c == '0' && high.is_none() && matches!(rest.peek(), Some((_, 'x' | 'X')));
            if is_prefix {
                rest.next();
                continue;
            }
            let digit = digit as u8;
            match high.take() {
                Some(high) => bytes.push(high << 4 | digit),
                None => high = Some(digit),
            }
            continue;
        }
        match c {
            '\\' if high.is_none() && matches!(rest.peek(), Some((_, 'x' | 'X'))) => _ = rest.next(),
            ' ' | '\t' | '\r' | '\n' | ':' | ',' | '-' if high.is_none() => {}
            ' ' | '\t' | '\r' | '\n' | ':' | ',' | '-' => {
                return Err(wrong(WHAT, at, "a byte has two digits, and there is one here"));
            }
            c => return Err(wrong(WHAT, at, format!("'{}' is not a digit", c.escape_default()))),
        }
    }
    match high {
        Some(_) => Err(wrong(WHAT, text.chars().count(), "a byte has two digits, and there is one at the end")),
        None => Ok(bytes),
    }
}

/// Whether nothing but hexadecimal can be meant: there are only its digits, or most words have two of them.
fn looks_like_hex(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_hexdigit() || " \t\r\n:,-".contains(c);
    let words: Vec<&str> = text.split([' ', '\t', '\n', '\r', ':', '-', ',']).filter(|word| !word.is_empty()).collect();
    let is_byte = |word: &&&str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.chars().all(is_digit) || words.len() > 2 && words.iter().filter(is_byte).count() * 4 >= words.len() * 3
}

/// Base64 of either alphabet, with padding or without, over any number of lines.
fn base64(text: &str) -> Result<Vec<u8>, Error> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    if let Some(bytes) = engines.iter().find_map(|engine| engine.decode(&packed).ok()) {
        return Ok(bytes);
    }
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    Err(match packed.char_indices().find(|(_, c)| !is_digit(*c)) {
        Some((at, c)) => wrong("base64", at, format!("'{}' is not one of its digits", c.escape_default())),
        None => wrong("base64", packed.len(), "its length, or the bits at its end, do not fit whole bytes"),
    })
}

fn looks_like_base64(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/-_=".contains(c);
    text.chars().all(is_digit)
}

#[cfg(test)]
mod tests;
