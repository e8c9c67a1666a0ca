//! Secrets in bytes, and in hex.
//!
//! Takes bytes and says which of them are of a secret. A secret of fewer than four bytes is found anywhere and
//! everywhere, so those are looked for only where the text beside the bytes says that they are meant. What is shown of
//! a message begins and ends where it likes, and chunk headers may stand in it: parts of secrets count too.

use std::cell::OnceCell;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use rustc_hash::FxHashMap;

use super::{Secret, automaton};
use crate::steps;

/// Finds secrets in bytes.
#[derive(Debug, Default)]
pub struct Matcher {
    secrets: Vec<Vec<u8>>,
    /// Finds them as a whole.
    automaton: Option<AhoCorasick>,
    /// How far each goes on at an offset as it begins, made when it is needed.
    repeats: Vec<OnceCell<Vec<usize>>>,
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
            matcher.repeats.push(OnceCell::new());
        }
        matcher.automaton = automaton(&matcher.secrets);
        matcher
    }

    /// Overwrites secrets that stand in a message as a whole and as words of their own: a key `Stream` is not in
    /// `createStream`. Long ones are found whatever stands around them, as that may be the length in front.
    pub fn overwrite_whole(&self, bytes: &mut [u8]) {
        let Some(automaton) = &self.automaton else { return };
        let is_hidden = |range: &Range<usize>| {
            let around = [range.start.checked_sub(1).map(|before| bytes[before]), bytes.get(range.end).copied()];
            range.len() >= LONG || around.into_iter().flatten().all(|byte| !byte.is_ascii_alphanumeric())
        };
        let found = automaton.find_overlapping_iter(&*bytes).map(|found| found.range()).filter(is_hidden);
        let found: Vec<Range<usize>> = found.collect();
        overwrite(bytes, found);
    }

    /// The bytes that are of secrets; ranges may overlap.
    fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.secrets.is_empty() {
            return found;
        }
        let mut last: FxHashMap<u32, Range<usize>> = FxHashMap::default();
        for (start, gram) in bytes.windows(GRAM).enumerate() {
            steps::count(1);
            let gram: [u8; GRAM] = gram.try_into().expect("a window of that many");
            for &(index, offset) in self.grams.get(&gram).map_or(&[][..], Vec::as_slice) {
                let (secret, offset) = (&self.secrets[index as usize], offset as usize);
                if start > 0 && offset > 0 && bytes[start - 1] == secret[offset - 1] {
                    continue; // it began earlier
                }
                let same = if offset == 0 {
                    let last = last.entry(index).or_default();
                    let same = self.beginning(index as usize, bytes, start, last);
                    if start + same > last.end {
                        *last = start..start + same;
                    }
                    same
                } else {
                    common(&secret[offset..], &bytes[start..])
                };
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

    /// How much of a secret's beginning stands at `start`. `last` is where most of it stood before: what was compared
    /// then is not compared again, as a secret may repeat itself (Gusfield's Z algorithm).
    fn beginning(&self, index: usize, bytes: &[u8], start: usize, last: &Range<usize>) -> usize {
        let secret = &self.secrets[index];
        let mut same = 0;
        if start < last.end {
            let repeats = self.repeats[index].get_or_init(|| repeats(secret));
            let known = repeats.get(start - last.start).copied().unwrap_or_default();
            same = known.min(last.end - start);
            if known < last.end - start {
                return same;
            }
        }
        same + common(&secret[same..], &bytes[start + same..])
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
        overwrite(&mut hidden, found);
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

/// How many bytes two strings begin with alike.
fn common(a: &[u8], b: &[u8]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    steps::count(same / 16);
    same
}

/// For each offset, how many bytes there are as at the beginning (the Z function).
fn repeats(text: &[u8]) -> Vec<usize> {
    let mut all = vec![0; text.len()];
    let mut last = 0..0;
    for start in 1..text.len() {
        steps::count(1);
        let known = if start < last.end { all[start - last.start].min(last.end - start) } else { 0 };
        all[start] = known + common(&text[known..], &text[start + known..]);
        if start + all[start] > last.end {
            last = start..start + all[start];
        }
    }
    all
}

/// Overwrites ranges, each byte once however many overlap.
fn overwrite(bytes: &mut [u8], mut ranges: Vec<Range<usize>>) {
    ranges.sort_by_key(|range| range.start);
    let mut done = 0;
    for range in ranges {
        steps::count(1);
        if range.end > done {
            bytes[range.start.max(done)..range.end].fill(b'*');
            done = range.end;
        }
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
