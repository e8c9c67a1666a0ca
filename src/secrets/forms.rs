//! The forms in which the same secret is written.
//!
//! Some are looked for as they are ([`encodings`]): base64, which reads differently at each of three offsets, and
//! UTF-16. Others can be mixed at will (percent-encoding of any of the characters, escapes, hex with whatever between
//! the digits), so the text is read without them: a [`View`] of it knows where each of its bytes came from.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::steps;

/// Shorter secrets are in any text by chance.
pub const SHORTEST: usize = 4;
/// So few letters of base64 are a word.
const SHORTEST_BASE64: usize = 5;

/// The secret in base64 and in UTF-16.
pub fn encodings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    if secret.len() < SHORTEST {
        return forms;
    }
    for offset in 0..3 {
        let bytes = [&[0; 2][..offset], secret].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let letters = engine.encode(&bytes);
            // The first letters and the last have bits of what is around the secret.
            let first = [0, 2, 3][offset];
            let last = letters.len() - usize::from(bytes.len() % 3 != 0);
            if last - first >= SHORTEST_BASE64 {
                forms.push(letters.as_bytes()[first..last].to_vec());
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        forms.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// A number as it is in AMF: a double (AMF0 2.2), and if that has enough bytes, a U29 (AMF3 1.3.1).
pub fn number(number: f64) -> Vec<Vec<u8>> {
    let mut forms = vec![number.to_be_bytes().to_vec()];
    if (f64::from(1 << 21)..f64::from(1 << 28)).contains(&number) && number.fract() == 0.0 {
        let whole = number as u32;
        let group = |shift: u32| (whole >> shift) as u8 | 0x80;
        forms.push(vec![group(22), group(15), group(8), whole as u8]);
    }
    forms
}

/// A text without one of the ways to write its bytes.
#[derive(Debug, Default)]
pub struct View {
    /// What it reads.
    pub bytes: Vec<u8>,
    /// What each byte was written as.
    written: Vec<Range<usize>>,
}

impl View {
    /// The part of the text that these bytes, which are some, were written as.
    pub fn written(&self, range: &Range<usize>) -> Range<usize> {
        self.written[range.start].start..self.written[range.end - 1].end
    }

    fn push(&mut self, bytes: &[u8], written: Range<usize>) {
        self.bytes.extend_from_slice(bytes);
        self.written.extend(bytes.iter().map(|_| written.clone()));
    }
}

/// All views of a text that differ from it.
pub fn views(text: &[u8]) -> impl Iterator<Item = View> {
    [percent(text), escapes(text)].into_iter().flatten()
}

/// `%2D` is `-` (RFC 3986 2.1).
fn percent(text: &[u8]) -> Option<View> {
    decoded(text, b"%", |rest| {
        let [_, high, low, ..] = rest else { return None };
        Some((vec![hex(*high)? << 4 | hex(*low)?], 3))
    })
}

/// The text, if it is percent-encoded, without that.
pub fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    percent(text).map(|view| view.bytes).filter(|bytes| bytes != text)
}

/// Escapes of JSON, Rust, C and XML. NUL is left out: what is there between them is text in UTF-16.
fn escapes(text: &[u8]) -> Option<View> {
    decoded(text, b"\\&\0", |rest| {
        let (bytes, length) = match rest {
            [0, ..] => (vec![0], 1),
            [b'&', ..] => entity(rest)?,
            [b'\\', b'u', b'{', digits @ ..] => {
                let end = digits.iter().take(7).position(|&byte| byte == b'}')?;
                (character(&digits[..end], 16)?, end + 4)
            }
            [b'\\', b'u', a, b, c, d, ..] => (character(&[*a, *b, *c, *d], 16)?, 6),
            [b'\\', b'x', high, low, ..] => (vec![hex(*high)? << 4 | hex(*low)?], 4),
            [b'\\', b'0', ..] => (vec![0], 2),
            [b'\\', b'n', ..] => (vec![b'\n'], 2),
            [b'\\', b'r', ..] => (vec![b'\r'], 2),
            [b'\\', b't', ..] => (vec![b'\t'], 2),
            [b'\\', itself @ (b'"' | b'\'' | b'\\' | b'/'), ..] => (vec![*itself], 2),
            _ => return None,
        };
        Some((if bytes == [0] { Vec::new() } else { bytes }, length))
    })
}

/// `&amp;` and `&#38;` are `&` (XML 1.0 4.1, 4.6).
fn entity(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let end = rest.iter().take(10).position(|&byte| byte == b';')?;
    let bytes = match &rest[1..end] {
        b"amp" => vec![b'&'],
        b"lt" => vec![b'<'],
        b"gt" => vec![b'>'],
        b"quot" => vec![b'"'],
        b"apos" => vec![b'\''],
        [b'#', b'x', digits @ ..] => character(digits, 16)?,
        [b'#', digits @ ..] => character(digits, 10)?,
        _ => return None,
    };
    Some((bytes, end + 1))
}

fn character(digits: &[u8], radix: u32) -> Option<Vec<u8>> {
    let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    Some(char::from_u32(number)?.to_string().into_bytes())
}

/// The view that takes what begins with one of `marks` for what `decode` says: bytes, and how many they were written as.
fn decoded(text: &[u8], marks: &[u8], decode: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> Option<View> {
    if !text.iter().any(|byte| marks.contains(byte)) {
        return None;
    }
    let (mut view, mut at) = (View::default(), 0);
    while let Some(byte) = text.get(at) {
        steps::count(1);
        match Some(byte).filter(|byte| marks.contains(byte)).and_then(|_| decode(&text[at..])) {
            Some((bytes, length)) => {
                view.push(&bytes, at..at + length);
                at += length;
            }
            None => {
                view.push(&[*byte], at..at + 1);
                at += 1;
            }
        }
    }
    Some(view)
}

/// Runs of hex digits, of either case, with or without separators: `02 00 04`, `02:00:04`, `020004`. Which digit of a
/// run begins a byte is not known, so each run is read from its first and from its second.
pub fn hex_runs(text: &[u8]) -> Vec<View> {
    let is_separator = |byte: u8| b" :-".contains(&byte);
    let is_hex = |byte: &u8| byte.is_ascii_hexdigit() || is_separator(*byte);
    let (mut views, mut at) = (Vec::new(), 0);
    for run in text.chunk_by(|a, b| is_hex(a) == is_hex(b)) {
        steps::count(1);
        if is_hex(&run[0]) && run.len() >= 2 * SHORTEST {
            let digits: Vec<(usize, u8)> = (at..).zip(run).filter_map(|(at, byte)| Some((at, hex(*byte)?))).collect();
            for begin in 0..2 {
                let pairs = digits.get(begin..).unwrap_or_default().chunks_exact(2);
                let mut view = View::default();
                for pair in pairs {
                    view.push(&[pair[0].1 << 4 | pair[1].1], pair[0].0..pair[1].0 + 1);
                }
                if view.bytes.len() >= SHORTEST {
                    views.push(view);
                }
            }
        }
        at += run.len();
    }
    views
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_know_where_they_came_from() {
        let text = b"a%2Db%zz";
        let view = percent(text).unwrap();
        assert_eq!((view.bytes.as_slice(), view.written(&(1..2))), (&b"a-b%zz"[..], 1..4));
        let view = escapes(br"\u0041\u{42}\x43\n&amp;&#68;Z\0q").unwrap();
        assert_eq!(view.bytes, b"ABC\n&DZq");
        assert_eq!(hex_runs(b"x 5a:71").len(), 0);
        // The blank before the digits is of the run, not of the byte.
        assert_eq!(hex_runs(b"x 5A:71:37 2d")[0].written(&(1..3)), 5..10);
        assert_eq!(hex_runs(b"x d5a71372d")[1].bytes, [0x5a, 0x71, 0x37, 0x2d]);
    }

    #[test]
    fn base64_is_the_same_at_every_offset() {
        let forms = encodings(b"sesame77");
        for before in ["", "a", "ab", "abc"] {
            for behind in ["", "y", "yz", "yzx"] {
                let whole = STANDARD_NO_PAD.encode([before, "sesame77", behind].concat());
                assert!(forms.iter().any(|form| whole.contains(std::str::from_utf8(form).unwrap_or("?"))), "{whole}");
            }
        }
    }

    #[test]
    fn numbers_are_written_as_amf_writes_them() {
        // AMF0 2.2: a big-endian double; AMF3 1.3.1: seven bits a byte, then eight.
        assert_eq!(number(123_456_789_012.0), [hex::decode("423cbe991a140000").unwrap()]);
        assert_eq!(number(12_345_678.0)[1], [0x80 | 2, 0x80 | 0x78, 0x80 | 0x61, 0x4e]);
    }
}
