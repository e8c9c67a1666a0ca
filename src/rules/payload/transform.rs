//! Changes without a parameter: what a careless layer does to every byte string that passes through it.
//!
//! A rule of one is exact if the change, applied to what was sent, gives what was received. As functions
//! they can also be followed by another fault, which is how two faults at once are found.

use super::case::{Case, common_prefix};
use super::{arithmetic, media, substituted, text};

/// A change without a parameter.
#[derive(Clone, Copy)]
pub struct Transform {
    /// The rule that knows it.
    pub rule: &'static str,
    /// Which form of it, in words that follow "as if": `every LF had become CR LF`.
    pub words: &'static str,
    /// The change itself; None where it cannot be done to these bytes.
    pub apply: fn(&[u8]) -> Option<Vec<u8>>,
}

/// Every transform, those of one rule together, the likelier first.
pub static TRANSFORMS: &[&[Transform]] = &[
    text::CRLF_FORMS,
    text::UTF8_LOSSY_FORMS,
    text::LATIN1_FORMS,
    text::UTF8_LATIN1_FORMS,
    text::SEVEN_BIT_FORMS,
    arithmetic::SWAP16_FORMS,
    arithmetic::SWAP32_FORMS,
    arithmetic::SWAP64_FORMS,
    substituted::SUBSTITUTED_FORMS,
    substituted::WIDENED_FORMS,
    text::BASE64_FORMS,
    text::HEX_FORMS,
    media::ANNEXB_FORMS,
    media::AVCC_FORMS,
    media::EPB_FORMS,
    media::ADTS_FORMS,
];

/// Bytes at the start on which a transform is tried before it is applied to everything.
const PROBE: usize = 4096;
/// What a cut at the probe's end may change in the last bytes of its result.
const MARGIN: usize = 64;

/// The first of `forms` that makes exactly what was received of what was sent.
pub fn first_exact(case: &Case<'_>, forms: &'static [Transform]) -> Option<&'static Transform> {
    forms.iter().find(|form| {
        form.could_reach(case.sent, case.received, 0)
            && (form.apply)(case.sent).is_some_and(|made| made == case.received)
    })
}

impl Transform {
    /// Whether the start of `received` looks like the start of `sent` after this change. With `least`, its
    /// first `least` bytes must not be enough for that.
    pub fn could_reach(&self, sent: &[u8], received: &[u8], least: usize) -> bool {
        if sent.len() <= PROBE {
            return true;
        }
        let Some(made) = (self.apply)(&sent[..PROBE]) else {
            // What has a structure may not be cut: it fails fast on anything else by itself.
            return true;
        };
        let sure = made.len().saturating_sub(MARGIN);
        sure <= least || common_prefix(&made, received) >= sure.min(received.len().saturating_sub(MARGIN))
    }
}
