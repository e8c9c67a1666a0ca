//! AAC: empty configurations, and ADTS headers where raw frames belong.

use crate::compare::Comparison;
use crate::rules::messages::{self, BodyPlace, DirectionMessages, count};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static CONFIG_EMPTY: Rule = Rule {
    code: "aac-seqhdr-empty",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an AAC sequence header is empty",
    page: Page {
        what: "An AAC sequence header has no AudioSpecificConfig after its two bytes. Often the real one follows; some \
               servers close at the empty one.",
        looks: "af 00   and nothing after it\n\
                af 00 12 10   with AAC-LC, 44.1 kHz, stereo",
        who: "ffmpeg copying AAC from a transport stream without the filter aac_adtstoasc.",
        fix: "Send the header when the configuration is known, and only then.",
        source: "FLV 10.1 annex E.4.2.2. harlanc/xiu issue 110.",
    },
    check: Check::Diff(empty),
};

pub static ADTS: Rule = Rule {
    code: "aac-adts",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "audio has ADTS headers",
    page: Page {
        what: "RTMP carries raw AAC frames; rate and channels are in the sequence header. Here each frame has an ADTS \
               header of 7 or 9 bytes before it, which a decoder treats as audio: noise, or silence.",
        looks: "af 01 | ff f1 50 80 16 7f fc | 21 0a 5c ..\n\
                \n\
                ff f1 is the sync word; 80 16 7f holds the length of frame and header, 179.",
        who: "Publishers that pass on the output of an encoder or a transport stream unchanged.",
        fix: "Remove the header: 7 bytes, 9 if the last bit of the second byte is 0.",
        source: "ISO/IEC 14496-3 section 1.A.2.2; FLV 10.1 annex E.4.2.2. ZLMediaKit/ZLMediaKit issue 1345.",
    },
    check: Check::Diff(adts),
};

fn empty(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let empty = flow.audio().filter(|(_, body)| matches!(body, [tag, 0] if tag >> 4 == 10));
        empty.map(|(item, _)| BodyPlace::new(item, 0..2, "no configuration")).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} without a configuration", count(spots.len(), "AAC sequence header"));
    let claim = messages::claim(comparison, &spots, "audio.config", Certainty::Certain, title);
    vec![
        claim
            .why("the message ends after its two bytes; decoders learn nothing from it, and some servers close")
            .fix("send the sequence header when the AudioSpecificConfig is known"),
    ]
}

fn adts(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let header = |body: &[u8]| {
            let [tag, 1, frame @ ..] = body else { return None };
            let [0xff, second, _, high, middle, low, _, ..] = *frame else { return None };
            // Thirteen bits of length, the header's bytes included.
            let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
            let is_adts = tag >> 4 == 10 && second & 0xf6 == 0xf0 && length == frame.len();
            is_adts.then_some(if second & 1 == 1 { 7 } else { 9 })
        };
        let with = flow.audio().filter_map(|(item, body)| {
            let size: usize = header(body)?;
            let meant = [&body[..2], body.get(2 + size..)?].concat();
            Some(BodyPlace::new(item, 2..2 + size, "an ADTS header").meant(meant))
        });
        with.collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} with an ADTS header", count(spots.len(), "AAC frame"));
    let claim = messages::claim(comparison, &spots, "audio.payload", Certainty::Certain, title);
    vec![
        claim
            .why("the sync word and the length of exactly this frame come before it, where raw AAC belongs")
            .fix("remove the ADTS header of each frame, and send the AudioSpecificConfig in the sequence header"),
    ]
}
