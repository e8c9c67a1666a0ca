//! Strings in quotation marks, with the escape sequences of each language.

use super::{Error, Form, wrong};

/// What a language has in its strings.
struct Rules {
    what: &'static str,
    /// The marks that strings begin with.
    quotes: &'static [char],
    /// What may be right before the quotation mark, the longest first. A letter that is not here ends the reading.
    prefixes: &'static [&'static str],
    hex: Hex,
    octal: Octal,
    /// `\u70AB`
    four: bool,
    /// `\U000070AB`
    eight: bool,
    /// `\u{70ab}`
    braces: bool,
    /// Single characters after a backslash, and what they are.
    simple: &'static str,
    /// What an unknown escape sequence is.
    unknown: Unknown,
    /// What begins an expression inside a string, which has no bytes of its own.
    interpolation: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq)]
enum Hex {
    None,
    /// `\x` takes two digits.
    Two,
    /// `\x` takes all digits that follow (C11 6.4.4.4).
    All,
    /// `\x` takes two digits, and is the character with that number.
    Character,
}

#[derive(Clone, Copy, PartialEq)]
enum Octal {
    None,
    /// `\0`, and no digit is taken after it.
    Zero,
    /// `\0`, and no digit may follow (ECMA-262 12.9.4).
    ZeroAlone,
    /// One to three digits.
    UpToThree,
    /// Three digits.
    Three,
}

#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    Error,
    /// Both characters stay (Python).
    Kept,
    /// The backslash is left out (JavaScript).
    Character,
}

fn rules(language: Form) -> Option<Rules> {
    let c = Rules {
        what: "a string of C",
        quotes: &['"'],
        prefixes: &["u8"],
        hex: Hex::All,
        octal: Octal::UpToThree,
        four: true,
        eight: true,
        braces: false,
        simple: "abfnrtv\\'\"?e",
        unknown: Unknown::Error,
        interpolation: &[],
    };
    Some(match language {
        Form::Hex | Form::Base64 => return None,
        Form::C => c,
        Form::Rust => Rules {
            what: "a string of Rust",
            prefixes: &["b", "c"],
            hex: Hex::Two,
            octal: Octal::Zero,
            four: false,
            eight: false,
            braces: true,
            simple: "nrt\\'\"",
            ..c
        },
        Form::Python => Rules {
            what: "bytes of Python",
            quotes: &['"', '\''],
            prefixes: &["b", "B"],
            hex: Hex::Two,
            four: false,
            eight: false,
            simple: "abfnrtv\\'\"",
            unknown: Unknown::Kept,
            ..c
        },
        Form::Go => Rules {
            what: "a string of Go",
            prefixes: &[],
            hex: Hex::Two,
            octal: Octal::Three,
            simple: "abfnrtv\\\"",
            ..c
        },
        Form::JavaScript => Rules {
            what: "a string of JavaScript",
            quotes: &['"', '\'', '`'],
            prefixes: &[],
            hex: Hex::Character,
            octal: Octal::ZeroAlone,
            four: true,
            eight: false,
            braces: true,
            simple: "bfnrtv\\'\"`",
            unknown: Unknown::Character,
            ..c
        },
        Form::Swift => Rules {
            what: "a string of Swift",
            prefixes: &[],
            hex: Hex::None,
            octal: Octal::Zero,
            four: false,
            eight: false,
            braces: true,
            simple: "nrt\\'\"",
            interpolation: &["\\("],
            ..c
        },
        Form::Kotlin => Rules {
            what: "a string of Kotlin",
            prefixes: &[],
            hex: Hex::None,
            octal: Octal::None,
            eight: false,
            simple: "bnrt\\'\"$",
            interpolation: &["${", "$"],
            ..c
        },
    })
}

/// The bytes of the strings in a text, one after the other; None if it has no string, or a list with characters.
pub(super) fn bytes(text: &str, language: Form) -> Result<Option<Vec<u8>>, Error> {
    let Some(rules) = rules(language).filter(|_| !is_list(text)) else { return Ok(None) };
    let mut scanner = Scanner { text, at: 0, rules: &rules };
    let mut bytes = None;
    while let Some(raw) = scanner.find_string()? {
        let all = bytes.get_or_insert_with(Vec::new);
        scanner.string(raw, all)?;
    }
    Ok(bytes)
}

/// Whether there is a comma outside of strings.
fn is_list(text: &str) -> bool {
    let mut open = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, open) {
            ('\\', Some(_)) => _ = chars.next(),
            ('"' | '\'' | '`', None) => open = Some(c),
            (c, Some(quote)) if c == quote => open = None,
            (',', None) => return true,
            _ => {}
        }
    }
    false
}

/// A string's beginning: its quotation mark, how often, and the number of `#` before a raw one.
struct Opening {
    quote: char,
    is_raw: bool,
    hashes: usize,
    is_triple: bool,
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    rules: &'t Rules,
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn error(&self, why: impl Into<String>) -> Error {
        wrong(self.rules.what, self.text[..self.at].chars().count(), why)
    }

    /// Moves to the first character of the next string.
    fn find_string(&mut self) -> Result<Option<Opening>, Error> {
        let start = self.at;
        let Some(found) = self.rest().find(['"', '\'', '`']) else { return Ok(None) };
        let quote = self.rest()[found..].chars().next().unwrap_or('"');
        let before = &self.rest()[..found];
        let hashes = before.len() - before.trim_end_matches('#').len();
        let before = &before[..before.len() - hashes];
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let is_python = self.rules.what == "bytes of Python";
        let go_raw = quote == '`' && self.rules.what == "a string of Go";
        let has_r = word.contains(['r', 'R']) && word.len() <= 2;
        let plain = word.replace(['r', 'R'], "");
        // In Swift the number signs alone make a string raw.
        let is_swift_raw = hashes > 0 && self.rules.what == "a string of Swift";
        let is_known = plain.is_empty() || self.rules.prefixes.contains(&plain.as_str()) && word.len() <= 2;
        let may_be_raw = is_python || self.rules.what == "a string of Rust";
        self.at = start + found;
        if !go_raw && !self.rules.quotes.contains(&quote) {
            return Err(self.error(format!("its strings do not begin with {quote}")));
        }
        if !is_known || has_r && !may_be_raw || hashes > 0 && !is_swift_raw && !has_r {
            return Err(self.error(format!("its strings do not begin with {word}{}{quote}", "#".repeat(hashes))));
        }
        self.next();
        let triple: String = [quote; 2].iter().collect();
        let has_long = ["a string of Swift", "a string of Kotlin"].contains(&self.rules.what);
        if has_long && self.rest().starts_with(&triple) {
            return Err(self.error("strings in three quotation marks are not read"));
        }
        let is_triple = is_python && self.rest().starts_with(&triple);
        if is_triple {
            // An empty string may be followed by another one, but not in Python, where three marks begin a long one.
            if self.rest()[2..].contains(&format!("{quote}{triple}")) {
                self.at += 2;
            } else {
                return Ok(Some(Opening { quote, is_raw: has_r, hashes, is_triple: false }));
            }
        }
        Ok(Some(Opening { quote, is_raw: has_r || go_raw || is_swift_raw, hashes, is_triple }))
    }

    fn string(&mut self, opening: Opening, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let mut end = if opening.is_triple { opening.quote.to_string().repeat(3) } else { opening.quote.to_string() };
        end.push_str(&"#".repeat(opening.hashes));
        loop {
            if self.rest().starts_with(&end) {
                self.at += end.len();
                return Ok(());
            }
            let is_template = opening.quote == '`' && self.rest().starts_with("${");
            let is_inserted = |mark: &&str| self.rest().starts_with(*mark) && self.is_inserted(mark);
            if !opening.is_raw && (is_template || self.rules.interpolation.iter().any(is_inserted)) {
                return Err(self.error("an expression is inserted into the string, which has no bytes of its own"));
            }
            match self.next() {
                None => return Err(self.error("the string does not end")),
                Some('\\') if !opening.is_raw => self.escape(bytes)?,
                Some('\n') if !opening.is_raw && !opening.is_triple && opening.quote != '`' => {
                    return Err(self.error("the string does not end on its line"));
                }
                Some(c) => push(c, bytes),
            }
        }
    }

    /// Whether a mark that may insert something does: a dollar sign alone is one in Kotlin.
    fn is_inserted(&self, mark: &str) -> bool {
        let after = self.rest()[mark.len()..].chars().next();
        mark != "$" || after.is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '`'))
    }

    /// What follows a backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let rules = self.rules;
        let Some(c) = self.next() else { return Err(self.error("the string ends after a backslash")) };
        match c {
            'x' if rules.hex == Hex::All => {
                let digits = self.digits(16, 1, usize::MAX)?;
                let byte =
                    u8::try_from(digits).map_err(|_| self.error("\\x takes all digits, and they exceed a byte"))?;
                bytes.push(byte);
            }
            'x' if rules.hex == Hex::Two => bytes.push(self.digits(16, 2, 2)? as u8),
            'x' if rules.hex == Hex::Character => self.character(16, 2, bytes)?,
            '0'..='7' if rules.octal == Octal::UpToThree || rules.octal == Octal::Three => {
                self.at -= 1;
                let least = if rules.octal == Octal::Three { 3 } else { 1 };
                let number = self.digits(8, least, 3)?;
                let byte = u8::try_from(number).map_err(|_| self.error("the octal number exceeds a byte"))?;
                bytes.push(byte);
            }
            '0' if rules.octal == Octal::Zero => bytes.push(0),
            '0' if rules.octal == Octal::ZeroAlone => {
                if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
                    return Err(self.error("a digit after \\0"));
                }
                bytes.push(0);
            }
            'u' if rules.braces && self.rest().starts_with('{') => {
                self.next();
                self.character(16, 0, bytes)?;
                if self.next() != Some('}') {
                    return Err(self.error("\\u{ without }"));
                }
            }
            'u' if rules.four => self.character(16, 4, bytes)?,
            'U' if rules.eight => self.character(16, 8, bytes)?,
            '\n' if rules.what == "a string of Rust" => {
                let rest = self.rest();
                self.at += rest.len() - rest.trim_start().len();
            }
            '\n' if !matches!(rules.what, "a string of Go" | "a string of Swift" | "a string of Kotlin") => {}
            c if rules.simple.contains(c) => bytes.push(match c {
                'a' => 7,
                'b' => 8,
                'e' => 27,
                'f' => 12,
                'n' => b'\n',
                'r' => b'\r',
                't' => b'\t',
                'v' => 11,
                c => c as u8,
            }),
            c if rules.unknown == Unknown::Kept => {
                bytes.push(b'\\');
                push(c, bytes);
            }
            c if rules.unknown == Unknown::Character && !c.is_ascii_digit() && c != 'u' && c != 'x' => push(c, bytes),
            c => return Err(self.error(format!("\\{} is not an escape sequence there", c.escape_default()))),
        }
        Ok(())
    }

    /// Between `least` and `most` digits.
    fn digits(&mut self, radix: u32, least: usize, most: usize) -> Result<u32, Error> {
        let count = self.rest().chars().take(most).take_while(|c| c.is_digit(radix)).count();
        if count < least {
            return Err(self.error(format!("{least} digits are needed, there are {count}")));
        }
        let digits = &self.rest()[..count];
        let number = u32::from_str_radix(digits, radix).map_err(|_| self.error("the number is too large"))?;
        self.at += count;
        Ok(number)
    }

    /// A character by its number, in UTF-8. `count` digits, or any number of them for 0.
    fn character(&mut self, radix: u32, count: usize, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let (least, most) = if count == 0 { (1, 6) } else { (count, count) };
        let mut number = self.digits(radix, least, most)?;
        // Two halves of a surrogate pair are one character.
        if (0xd800..0xdc00).contains(&number) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low = self.digits(radix, 4, 4)?;
            number = 0x10000 + ((number - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
        }
        let c = char::from_u32(number).ok_or_else(|| self.error("not the number of a character"))?;
        push(c, bytes);
        Ok(())
    }
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
