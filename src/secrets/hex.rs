//! Secrets in bytes, and in hex.
//!
//! Takes bytes and says which of them are of a secret. A secret of fewer than four bytes is found anywhere and
//! everywhere, so those are looked for only where the text beside the bytes says that they are meant. What is shown of
//! a message begins and ends where it likes, and chunk headers may stand in it: parts of secrets count too.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::Secret;

/// Finds secrets in bytes.
#[derive(Debug, Default)]
pub struct Matcher {
    secrets: Vec<Vec<u8>>,
    /// Where each four bytes stand: secret and offset.
    grams: FxHashMap<[u8; GRAM], Vec<(u32, u32)>>,
}

/// Fewer bytes of a secret are no evidence.
pub const GRAM: usize = 4;
/// From this length on a part of a secret counts wherever it stands.
const PART: usize = 6;
/// From this length on a secret is in no word by chance.
const LONG: usize = 12;
/// Most places of the same four bytes: who repeats himself more often has no key to lose.
const MOST: usize = 64;

impl Matcher {
    /// A matcher for these.
    pub fn new(secrets: &[Secret]) -> Matcher {
        let mut matcher = Matcher::default();
        for secret in secrets.iter().filter(|secret| secret.bytes.len() >= GRAM) {
            let index = matcher.secrets.len() as u32;
            for (offset, gram) in (0..).zip(secret.bytes.windows(GRAM)) {
                let gram = gram.try_into().expect("a window of that many");
                let places: &mut Vec<_> = matcher.grams.entry(gram).or_default();
                if places.len() < MOST || offset == 0 {
                    places.push((index, offset));
                }
            }
            matcher.secrets.push(secret.bytes.clone());
        }
        matcher
    }

    /// Overwrites secrets that stand in a message as a whole and as words of their own: a key `Stream` is not in
    /// `createStream`. Long ones are found whatever stands around them, as that may be the length in front.
    pub fn overwrite_whole(&self, bytes: &mut [u8]) {
        for secret in &self.secrets {
            let starts: Vec<usize> = memchr::memmem::find_iter(bytes, secret).collect();
            for start in starts {
                let end = start + secret.len();
                let around = [start.checked_sub(1).map(|before| bytes[before]), bytes.get(end).copied()];
                let is_word = around.into_iter().flatten().all(|byte| !byte.is_ascii_alphanumeric());
                if is_word || secret.len() >= LONG {
                    bytes[start..end].fill(b'*');
                }
            }
        }
    }

    /// The bytes that are of secrets; ranges may overlap.
    fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.secrets.is_empty() {
            return found;
        }
        for (start, gram) in bytes.windows(GRAM).enumerate() {
            let gram: [u8; GRAM] = gram.try_into().expect("a window of that many");
            for &(index, offset) in self.grams.get(&gram).map_or(&[][..], Vec::as_slice) {
                let (secret, offset) = (&self.secrets[index as usize], offset as usize);
                if start > 0 && offset > 0 && bytes[start - 1] == secret[offset - 1] {
                    continue; // it began earlier
                }
                let same = secret[offset..].iter().zip(&bytes[start..]).take_while(|(a, b)| a == b).count();
                let end = start + same;
                let from_start = offset == 0 || start == 0;
                let to_end = offset + same == secret.len() || end == bytes.len();
                if same >= PART || (from_start && to_end) {
                    found.push(start..end);
                }
            }
        }
        found
    }

    /// Hides secrets in a string of hex digits, and besides the short ones in `also`.
    pub fn hide(&self, digits: &str, also: &[&[u8]]) -> Option<String> {
        let bytes = ::hex::decode(digits).ok()?;
        let mut found = self.find(&bytes);
        for short in also.iter().filter(|short| !short.is_empty()) {
            let places = memchr::memmem::find_iter(&bytes, short).map(|at| at..at + short.len());
            found.extend(places.filter(|range| is_word(&bytes, range)));
        }
        if found.is_empty() {
            return None;
        }
        let mut hidden = bytes;
        found.into_iter().for_each(|range| hidden[range].fill(b'*'));
        Some(::hex::encode(hidden))
    }

    /// Where hex of secrets stands in a text: `02 00 04 6c 69 76 65`, or without the blanks.
    pub fn find_in_text(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.secrets.is_empty() {
            return found;
        }
        let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte) || *byte == b' ';
        let mut at = 0;
        for run in text.as_bytes().chunk_by(|a, b| is_hex(a) == is_hex(b)) {
            if is_hex(&run[0]) && run.len() >= 2 * GRAM {
                // Each byte, and where its digits stand.
                for pairs in pairs(run).split(|pair| pair.is_none()) {
                    let (places, bytes): (Vec<usize>, Vec<u8>) = pairs.iter().flatten().copied().unzip();
                    let ranges = self.find(&bytes).into_iter();
                    found.extend(ranges.map(|range| at + places[range.start]..at + places[range.end - 1] + 2));
                }
            }
            at += run.len();
        }
        found
    }
}

/// Bytes written as hex, with their places; None between words that are no pairs of digits.
fn pairs(run: &[u8]) -> Vec<Option<(usize, u8)>> {
    let mut pairs = Vec::new();
    let mut at = 0;
    for word in run.split(|byte| *byte == b' ') {
        match ::hex::decode(word) {
            Ok(bytes) => pairs.extend((at..).step_by(2).zip(bytes).map(Some)),
            Err(_) => pairs.push(None),
        }
        at += word.len() + 1;
    }
    pairs
}

/// Whether no letter or digit goes on beyond either end.
fn is_word(bytes: &[u8], range: &Range<usize>) -> bool {
    let continues = |at: usize| bytes[at - 1].is_ascii_alphanumeric() && bytes[at].is_ascii_alphanumeric();
    let at_ends = [range.start, range.end].into_iter().filter(|&at| at > 0 && at < bytes.len());
    !at_ends.into_iter().any(continues)
}
