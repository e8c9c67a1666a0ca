//! What the payload rules look at: two byte strings, and what a capture adds to them.

use std::borrow::Cow;

pub use crate::compare::{common_prefix, common_suffix};

/// A payload that was sent and what was received in its place.
#[derive(Debug)]
pub struct Case<'a> {
    /// What was sent.
    pub sent: &'a [u8],
    /// What was received.
    pub received: &'a [u8],
    /// How many bytes both have in common at the start.
    pub prefix: usize,
    /// How many bytes both have in common at the end, the start not counted twice.
    pub suffix: usize,
    /// What a capture adds; empty without one.
    pub context: Cow<'a, Context>,
}

/// What a capture knows of the messages around the payload.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Where the sender cut the payload into messages: offsets in it, ascending, without 0 and the end.
    pub boundaries: Vec<usize>,
    /// Bodies of messages that were begun and given up before the payload, as far as they came.
    pub unfinished: Vec<Vec<u8>>,
    /// Bodies of whole messages around the payload.
    pub neighbours: Vec<Vec<u8>>,
    /// Payloads of chunks on other chunk streams that are between the payload's own chunks.
    pub foreign: Vec<Vec<u8>>,
}

impl<'a> Case<'a> {
    /// Two payloads of which no more is known.
    pub fn new(sent: &'a [u8], received: &'a [u8]) -> Case<'a> {
        Case::with_context(sent, received, Cow::Owned(Context::default()))
    }

    /// Two payloads and what is known of the messages around them.
    pub fn with_context(sent: &'a [u8], received: &'a [u8], context: Cow<'a, Context>) -> Case<'a> {
        let prefix = common_prefix(sent, received);
        let rest = sent.len().min(received.len()) - prefix;
        let suffix = common_suffix(&sent[sent.len() - rest..], &received[received.len() - rest..]);
        Case { sent, received, prefix, suffix, context }
    }

    /// Whether the payloads differ at all. No rule fires if not.
    pub fn differs(&self) -> bool {
        self.sent.len() != self.received.len() || self.prefix != self.sent.len()
    }
}
