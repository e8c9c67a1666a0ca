//! Secrets in traffic: stream keys and credentials, and placeholders in their stead.
//!
//! Takes recordings, or the events of a session as they pass ([`Collector`]), and gives [`Secrets`], which hide what
//! was found in text and in JSON. It does not decide where that is wanted, and it changes no capture.
//!
//! A stream's name is a key: whoever has it can publish. `<stream-key-1>` stands for it, `<credential-1>` for user
//! names, passwords, tokens and the values of queries. Numbers count from 1 in order of first appearance over all that
//! was given, so the same secret has the same placeholder on both sides of a comparison, and two have two.
//!
//! | room | holds |
//! |---|---|
//! | `collect` | which values of which messages are secrets |
//! | `values` | where messages have text |
//! | `text` | where secrets stand in text |
//! | `hex` | where they stand in bytes and in hex |
//! | `json` | which strings of a report are text, bytes, or a name of ours that stays |
//! | `words` | the words of our own sentences |

mod collect;
mod hex;
mod json;
mod text;
mod values;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::recording::Recording;

pub use collect::Collector;

/// The secrets of some traffic. Without any, as by default, nothing is hidden.
#[derive(Debug, Default)]
pub struct Secrets {
    text: text::Matcher,
    bytes: hex::Matcher,
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

impl Secret {
    /// `<stream-key-1>`
    fn placeholder(&self) -> String {
        format!("<{}-{}>", self.kind.name(), self.number)
    }
}

/// An automaton that finds these. Of the kinds that there are, the one that is made in linear time: a state for each
/// byte, and one successor's table for each would be quadratic for a secret that repeats itself.
fn automaton<P: AsRef<[u8]>>(patterns: &[P]) -> Option<AhoCorasick> {
    let kind = Some(AhoCorasickKind::ContiguousNFA);
    // It fails only on more patterns than memory could hold.
    (!patterns.is_empty()).then(|| AhoCorasick::builder().kind(kind).build(patterns).ok()).flatten()
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

    /// The text with placeholders for the secrets in it.
    ///
    /// A secret counts where it stands as a word of its own: `one` is not in `none`. One that is also a word of our
    /// sentences, or is very short, counts only where a value is said: in quotes, in a URL, behind `=`, or alone. The
    /// paths of fields (`connect.app`), the codes of rules and those of statuses stay.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        text::hide(self, text, true)
    }

    /// The same in a sentence of ours, where it stands.
    pub fn hide_in(&self, sentence: &mut String) {
        if let Cow::Owned(hidden) = text::hide(self, sentence, false) {
            *sentence = hidden;
        }
    }

    /// The same in bytes: those of secrets become `2a`. Short ones are known by `said`, which says the bytes in words.
    pub fn hide_bytes(&self, bytes: &mut Vec<u8>, said: &str) {
        let hidden = self.bytes.hide(&::hex::encode(&*bytes), &self.text.short_in(said));
        if let Some(hidden) = hidden.and_then(|digits| ::hex::decode(digits).ok()) {
            *bytes = hidden;
        }
    }

    /// The same in the bytes of a whole message: no part of a secret counts, as nothing is cut off.
    pub fn overwrite_whole(&self, bytes: &mut [u8]) {
        self.bytes.overwrite_whole(bytes);
    }

    /// The same in all strings of a report; in hex, the bytes of secrets become `2a`, so that lengths and offsets stay.
    ///
    /// Names of properties stay, and so do the strings of which a report's schema says what they may be.
    pub fn hide_json(&self, value: &mut serde_json::Value) {
        json::hide(self, value);
    }
}
