//! Parts of secrets in bytes.
//!
//! Takes bytes and returns which of them are of a secret. What is shown of a message begins and ends where it likes, and
//! chunk headers may be in it: parts of secrets count too. Whole secrets are found by [`super::text`].

use std::ops::Range;

use rustc_hash::FxHashSet;

use crate::steps;

/// Finds parts of secrets.
#[derive(Debug, Default)]
pub struct Parts {
    /// What counts wherever it is.
    parts: FxHashSet<[u8; PART]>,
    /// What counts at an end of the bytes, where the rest was cut off.
    short: FxHashSet<[u8; SHORT]>,
    beginnings: FxHashSet<[u8; SHORT]>,
    ends: FxHashSet<[u8; SHORT]>,
}

/// From this length on a part of a secret counts wherever it is.
const PART: usize = 6;
/// Fewer bytes of a secret are no evidence.
const SHORT: usize = 4;

impl Parts {
    /// A secret, or one of its forms.
    pub fn add(&mut self, secret: &[u8]) {
        self.parts.extend(secret.windows(PART).filter_map(|part| <[u8; PART]>::try_from(part).ok()));
        self.short.extend(secret.windows(SHORT).filter_map(|part| <[u8; SHORT]>::try_from(part).ok()));
        self.beginnings.extend(secret.first_chunk());
        self.ends.extend(secret.last_chunk());
    }

    /// The bytes that are of secrets; ranges may overlap.
    pub fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        if self.short.is_empty() {
            return Vec::new();
        }
        steps::count(bytes.len());
        let is_part = |part: &[u8]| <[u8; PART]>::try_from(part).is_ok_and(|part| self.parts.contains(&part));
        let windows = bytes.windows(PART).enumerate().filter(|(_, part)| is_part(part));
        let mut found: Vec<Range<usize>> = windows.map(|(start, _)| start..start + PART).collect();
        let is_short = |part: &[u8]| {
            let mut windows = part.windows(SHORT).filter_map(|part| <[u8; SHORT]>::try_from(part).ok());
            windows.all(|part| self.short.contains(&part))
        };
        for length in SHORT..PART {
            let Some(at) = bytes.len().checked_sub(length) else { break };
            let (first, last) = (&bytes[..length], &bytes[at..]);
            let is_whole = bytes.len() == length;
            let begins = last.first_chunk().is_some_and(|part| self.beginnings.contains(part));
            if is_short(last) && (begins || is_whole) {
                found.push(at..bytes.len());
            }
            if is_short(first) && first.last_chunk().is_some_and(|part| self.ends.contains(part)) {
                found.push(0..length);
            }
        }
        found
    }
}
