//! Rules for payloads: what was sent and what was received, two byte strings and what a capture adds to them.
//!
//! Takes a [`Case`], returns a [`PayloadClaim`]. Most rules are a change of bytes that is applied to what was sent
//! and compared with what was received ([`Transform`]).

mod arithmetic;
mod case;
mod compressed;
pub(super) mod framing;
pub mod index;
mod length;
mod media;
mod rearranged;
mod substituted;
mod text;
mod transform;

use std::ops::Range;

use super::{Certainty, Rule};

pub use case::{Case, Context, common_prefix};
pub use framing::describe_header;
pub use media::header_before;
pub use rearranged::describe_block;
pub use transform::{TRANSFORMS, Transform};

/// What a rule says of a payload.
#[derive(Clone, Debug)]
pub struct PayloadClaim {
    /// How sure it is.
    pub certainty: Certainty,
    /// What happened, with the numbers of this case.
    pub title: String,
    /// The bytes of the first place, as offsets in what was sent: those that are missing or changed.
    pub sent: Range<usize>,
    /// The same place in what was received: the bytes that are new or changed.
    pub received: Range<usize>,
    /// In how many places it shows, the first included.
    pub places: u64,
    /// Why that is so: the evidence, and what it means.
    pub why: String,
    /// What to change.
    pub fix: String,
}

/// The rules, those that say more before those that say less.
pub(super) static RULES: &[&Rule] = &[
    &framing::HEADERS_LEFT,
    &framing::EXT_LEFT,
    &framing::OVER_STRIPPED,
    &framing::STALE_PREFIX,
    &framing::FOREIGN_CHUNK,
    &text::CRLF,
    &text::UTF8_LOSSY,
    &text::LATIN1_UTF8,
    &text::UTF8_LATIN1,
    &text::SEVEN_BIT,
    &arithmetic::SWAP16,
    &arithmetic::SWAP32,
    &arithmetic::SWAP64,
    &arithmetic::XOR,
    &arithmetic::ADD,
    &substituted::SUBSTITUTED,
    &substituted::WIDENED,
    &text::BASE64,
    &text::HEX,
    &compressed::COMPRESSED,
    &media::AVCC_ANNEXB,
    &media::ANNEXB_AVCC,
    &media::EPB,
    &media::ADTS,
    &media::PREFIX_KNOWN,
    &media::HEADER_DROPPED,
    &rearranged::SPLIT,
    &rearranged::CONCAT,
    &length::STALE_PAD,
    &length::TRUNC,
    &length::ZERO_PAD,
    &rearranged::SHIFT,
    &rearranged::INSERT,
    &rearranged::DELETE,
    &rearranged::REORDER,
    &arithmetic::XOR_KEY,
    &arithmetic::BITFLIP,
    &compressed::UNRELATED,
];

/// The first rule that fires.
pub fn explain_payload(case: &Case<'_>) -> Option<(&'static Rule, PayloadClaim)> {
    if !case.differs() {
        return None;
    }
    RULES.iter().find_map(|rule| Some((*rule, rule.check.payload()?(case)?)))
}
