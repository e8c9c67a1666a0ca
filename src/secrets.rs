//! Secrets in traffic: stream keys and credentials, and placeholders in their stead.
//!
//! Takes recordings, or the events of a session as they pass ([`Collector`]), and gives [`Secrets`], which hide what
//! was found in text and in JSON. It does not decide where that is wanted, and it changes no capture.
//!
//! A stream's name is a key: whoever has it can publish. `<stream-key-1>` stands for it, `<credential-1>` for user
//! names, passwords, tokens and the values of queries. Numbers count from 1 in order of first appearance over all that
//! was given, so the same secret has the same placeholder on both sides of a comparison, and two have two.
//!
//! | module | holds |
//! |---|---|
//! | `collect` | which values of which messages are secrets |
//! | `names`, `url` | names of properties and commands that tell; the parts of URLs |
//! | `values` | where messages have text |
//! | `forms` | how else the same secret is written: base64, UTF-16, hex, percent-encoding, escapes |
//! | `text` | whole secrets in text and in bytes |
//! | `parts` | parts of secrets in bytes |
//! | `json` | which strings of a report are text, bytes, or a name of the report's own that stays |

mod collect;
mod forms;
mod json;
mod names;
mod parts;
mod text;
mod url;
mod values;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use crate::amf::number_text;
use crate::recording::Recording;
use crate::steps;

pub use collect::Collector;

/// The secrets of some traffic. Without any, as by default, nothing is hidden.
#[derive(Debug, Default)]
pub struct Secrets {
    text: text::Matcher,
    parts: parts::Parts,
}

/// What kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The name of a stream.
    StreamKey,
    /// A user's name, a password, a token, an answer to a challenge, or the value of a query.
    Credential,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::StreamKey => "stream-key",
            Kind::Credential => "credential",
        }
    }
}

/// One secret.
#[derive(Clone, Debug)]
struct Secret {
    kind: Kind,
    /// Its number among those of its kind, from 1.
    number: usize,
    /// What it says.
    text: String,
    /// Its bytes.
    bytes: Vec<u8>,
}

/// Longer ones are not keys: of these no other forms are looked for.
const LONGEST_ENCODED: usize = 4096;

impl Secret {
    /// `<stream-key-1>`
    fn placeholder(&self) -> String {
        format!("<{}-{}>", self.kind.name(), self.number)
    }

    /// Other forms of it, which are in nothing else by chance.
    fn encodings(&self) -> Vec<Vec<u8>> {
        if self.bytes.len() > LONGEST_ENCODED { Vec::new() } else { forms::encodings(&self.bytes) }
    }
}

impl Secrets {
    /// The secrets of all these recordings together.
    pub fn of(recordings: &[&Recording]) -> Secrets {
        let mut collector = Collector::default();
        for recording in recordings {
            collector.recording(recording);
        }
        collector.into_secrets()
    }

    /// These, bytes that stand for some of them, and what servers said.
    fn new(secrets: &[Secret], numbers: &[(Vec<u8>, usize)], said: &[String]) -> Secrets {
        let mut parts = parts::Parts::default();
        for secret in secrets {
            parts.add(&secret.bytes);
            secret.encodings().iter().for_each(|form| parts.add(form));
        }
        Secrets { text: text::Matcher::new(secrets, numbers, said), parts }
    }

    /// The text with placeholders for the secrets in it.
    ///
    /// A secret counts where it is a word of its own: `one` is not in `none`. One that looks like a word of a language,
    /// or is very short, counts only where a value is said: in quotes, in a URL, after `=`, or alone, and not in the
    /// path of a field (`connect.app`) or the code of a status. One that mixes letters and digits and is long counts
    /// wherever it is, and so do its other forms.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        text::hide(self, text, true)
    }

    /// The same in a sentence of ours, where it is.
    pub fn hide_in(&self, sentence: &mut String) {
        if let Cow::Owned(hidden) = text::hide(self, sentence, false) {
            *sentence = hidden;
        }
    }

    /// The same in bytes: those of secrets become `2a`. Short ones are known by `said`, which says the bytes in words.
    pub fn hide_bytes(&self, bytes: &mut Vec<u8>, said: &str) {
        if let Some(hidden) = self.without(bytes, &self.text.short_in(said)) {
            *bytes = hidden;
        }
    }

    /// The same in the bytes of a whole message: no part of a secret counts, as nothing is cut off.
    pub fn overwrite_whole(&self, bytes: &mut [u8]) {
        let found = self.whole_in(bytes);
        overwrite(bytes, found);
    }

    /// The placeholder for a number that is a secret; a short one is one only where `is_name` says that it names a
    /// stream.
    pub fn hide_number(&self, number: f64, is_name: bool) -> Option<String> {
        let text = number_text(number);
        if is_common(&text) && !is_name { None } else { self.text.instead_of(&text) }
    }

    /// The same in all strings of a report; in hex, the bytes of secrets become `2a`, so that lengths and offsets stay.
    ///
    /// Names of properties stay, and so do the strings of which a report's schema says what they may be.
    pub fn hide_json(&self, value: &mut serde_json::Value) {
        json::hide(self, value);
    }

    /// Bytes without secrets, if there are any in them; `short` are looked for too.
    fn without(&self, bytes: &[u8], short: &[&[u8]]) -> Option<Vec<u8>> {
        let mut found = self.find_in_bytes(bytes);
        for short in short.iter().filter(|short| !short.is_empty()) {
            let places = memchr::memmem::find_iter(bytes, short).map(|at| at..at + short.len());
            found.extend(places.filter(|range| is_word(bytes, range)));
        }
        let mut hidden = (!found.is_empty()).then(|| bytes.to_vec())?;
        overwrite(&mut hidden, found);
        Some(hidden)
    }

    /// Secrets in bytes, whole ones and parts.
    fn find_in_bytes(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = self.whole_in(bytes);
        found.extend(self.parts.find(bytes));
        merged(found)
    }

    fn whole_in(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = self.text.in_bytes(bytes);
        for view in forms::views(bytes) {
            found.extend(self.text.in_bytes(&view.bytes).iter().map(|range| view.written(range)));
        }
        found
    }
}

/// Whether a secret looks like a word of a language, which a sentence may have for another reason, or is too short to
/// be told from others: letters as in `stream`, `Stream`, `swfHash`, `FCPublish`.
fn is_common(text: &str) -> bool {
    const LONGEST_WORD: usize = 16;
    const MOST_PARTS: usize = 3;
    let length = text.chars().count();
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    // A capital after a small letter begins another part.
    let parts = text.as_bytes().chunk_by(|a, b| !(a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic()) && parts.count() <= MOST_PARTS;
    length < forms::SHORTEST || (is_digits && length < 6) || (length <= LONGEST_WORD && is_word)
}

/// The ranges in order, and one for those that overlap or touch.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    steps::count(ranges.len());
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Overwrites ranges, each byte once however many overlap.
fn overwrite(bytes: &mut [u8], ranges: Vec<Range<usize>>) {
    merged(ranges).into_iter().for_each(|range| bytes[range].fill(b'*'));
}

/// Whether no letter or digit continues beyond either end.
fn is_word(bytes: &[u8], range: &Range<usize>) -> bool {
    let continues = |at: usize| bytes[at - 1].is_ascii_alphanumeric() && bytes[at].is_ascii_alphanumeric();
    let at_ends = [range.start, range.end].into_iter().filter(|&at| at > 0 && at < bytes.len());
    !at_ends.into_iter().any(continues)
}
