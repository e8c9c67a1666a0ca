//! How a payload differs from what was sent.
//!
//! Takes two messages of which one should be the other, gives the first place where they differ, and what was done
//! to the bytes if that is known.

use std::ops::Range;

use serde::Serialize;

use crate::recording::RecordedMessage;

use crate::rules::{self, Case, Certainty};

/// How two payloads differ.
#[derive(Debug)]
pub struct Change {
    /// Offset of the first byte that differs, or where the shorter one ends.
    pub at: usize,
    /// Whether `at` is only how far the bodies were kept.
    pub beyond: bool,
    /// The bytes of the publisher there.
    pub sent: Excerpt,
    /// The bytes of the player there.
    pub received: Excerpt,
    /// What was done to the bytes.
    pub transform: Option<Transform>,
}

/// What was done to the bytes of a payload.
#[derive(Debug)]
pub struct Transform {
    /// What, with the numbers of this case.
    pub title: String,
    /// The evidence.
    pub why: String,
    /// What to change.
    pub fix: String,
    /// How sure that is.
    pub certainty: Certainty,
}

/// Some bytes around a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// Offset of the first of them in the payload.
    pub offset: u64,
    /// The bytes.
    #[serde(serialize_with = "hex::serde::serialize")]
    pub hex: Vec<u8>,
    /// Which of them differ, counted from the first; empty where the other side has more.
    pub marked: Range<usize>,
}

/// Compares two payloads.
pub fn between(sent: &RecordedMessage, received: &RecordedMessage) -> Change {
    let (a, b) = (sent.body.as_slice(), received.body.as_slice());
    let at = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let beyond = at == a.len().min(b.len()) && !(sent.is_whole() && received.is_whole());
    // Where both continue alike after as many bytes, those between are what differs.
    let differing = a[at..].iter().zip(&b[at..]).take_while(|(a, b)| a != b).count();
    Change {
        at,
        beyond,
        sent: Excerpt::of(a, at, differing),
        received: Excerpt::of(b, at, differing),
        transform: known_transform(sent, received),
    }
}

/// What was done to the bytes, if it is one of the transforms that are known.
fn known_transform(sent: &RecordedMessage, received: &RecordedMessage) -> Option<Transform> {
    if !sent.is_whole() || !received.is_whole() {
        return None;
    }
    let (_, finding) = rules::explain_payload(&Case::new(&sent.body, &received.body))?;
    let rules::PayloadClaim { title, why, fix, certainty, .. } = finding;
    Some(Transform { title, why, fix, certainty })
}

impl Excerpt {
    /// How many bytes before the difference are shown, and how many there are.
    const BEFORE: usize = 4;
    const LEN: usize = 16;

    fn of(bytes: &[u8], at: usize, differing: usize) -> Excerpt {
        let start = at.saturating_sub(Self::BEFORE).min(bytes.len());
        let end = (start + Self::LEN).min(bytes.len());
        let marked = (at - start).min(end - start)..(at + differing - start).min(end - start);
        Excerpt { offset: start as u64, hex: bytes[start..end].to_vec(), marked }
    }
}
