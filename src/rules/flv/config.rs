//! Sequence headers: missing, broken, repeated.

use crate::compare::{Comparison, MessageKind};
use crate::rules::messages::{self, BodyPlace, DirectionMessages, count};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};

use super::units::{HEAD, avc_config, is_avc};

pub static AVC_MISSING: Rule = Rule {
    code: "avc-seqhdr-missing",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "video frames come before the AVC sequence header",
    page: Page {
        what: "An H.264 decoder needs the parameter sets before the first frame. In RTMP they are in a message of \
               their own, the AVC sequence header. Here a frame comes first, so the screen stays black.",
        looks: "17 00 00 00 00 01 64 00 0d ff e1 ..   the sequence header\n\
                17 01 00 00 50 00 00 02 b2 06 ..   a frame\n\
                \n\
                The second byte distinguishes them: 00 configuration, 01 frame.",
        who: "Publishers that reconnect and continue where they were; encoders that send parameter sets late; relays \
              that do not keep the header for players that join.",
        fix: "Send the sequence header before the first frame, after every connect.",
        source: "FLV 10.1 annex E.4.3.1. ossrs/srs issues 2994 and 203: `avc ignore type=1 for no sequence header`.",
    },
    check: Check::Diff(|comparison| {
        missing(comparison, "video.avcpackettype", "AVC", "video frame", |flow| early(flow, flow.video(), is_avc))
    }),
};

pub static AAC_MISSING: Rule = Rule {
    code: "aac-seqhdr-missing",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "audio comes before the AAC sequence header",
    page: Page {
        what: "AAC frames in RTMP are raw: rate and channels are only in the AudioSpecificConfig of the AAC sequence \
               header. Here audio comes first and cannot be decoded.",
        looks: "af 00 12 10   the sequence header: AAC-LC, 44.1 kHz, stereo\n\
                af 01 21 0a 5c ..   audio",
        who: "Publishers that reconnect and continue where they were; encoders that send ADTS and have no \
              configuration available.",
        fix: "Send af 00 and the AudioSpecificConfig before the first audio, after every connect.",
        source: "FLV 10.1 annex E.4.2.2. ossrs/srs issue 2944: `aac ignore type=1 for no sequence header`.",
    },
    check: Check::Diff(|comparison| {
        missing(comparison, "audio.aacpackettype", "AAC", "audio message", |flow| {
            early(
                flow,
                flow.audio(),
                |body, packet| matches!(body, [tag, kind, ..] if tag >> 4 == 10 && *kind == packet),
            )
        })
    }),
};

pub static AVC_INVALID: Rule = Rule {
    code: "avc-seqhdr-invalid",
    layer: Layer::Media,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the AVC sequence header is not valid",
    page: Page {
        what: "The AVCDecoderConfigurationRecord after 17 00 and the composition time cannot be read: its version is \
               not 1, parameter sets are missing, or one is longer than the record.",
        looks: "17 00 00 00 00 | 01 64 00 0d ff | e1 00 19 67 .. | 01 00 06 68 ..\n\
                \n\
                01 is the version, 64 00 0d the profile and level, e1 one SPS, 00 19 its length, then one PPS.",
        who: "Senders that put the record together themselves, or that send start codes or bare parameter sets \
              instead.",
        fix: "Write version 1, profile, compatibility and level from the SPS, ff, e1, length and SPS, 01, length and PPS.",
        source: "ISO/IEC 14496-15 section 5.3.3.1. ossrs/srs issue 3553: the server disconnects.",
    },
    check: Check::Diff(invalid),
};

pub static AVC_REPEAT: Rule = Rule {
    code: "avc-seqhdr-repeat",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the AVC sequence header is repeated",
    page: Page {
        what: "A sequence header is sent again in the middle of the stream. If it is the same, it is only superfluous, \
               although some servers start a new segment at each. If it differs, a key frame must follow: frames that \
               refer to older ones cannot be decoded with new parameter sets.",
        looks: "17 00 00 00 00 01 64 00 0d ..   and later again\n\
                17 00 00 00 00 01 64 00 1f ..   then 27 01 ..: not a key frame",
        who: "Encoders that repeat parameter sets before every key frame, and muxers that pass on each of them.",
        fix: "Send the header once, and again only when it changes, followed by a key frame.",
        source: "FLV 10.1 annex E.4.3.1. ossrs/srs issue 4706 (HLS discontinuities), begeekmyfriend/yasea issue 840.",
    },
    check: Check::Diff(repeated),
};

/// The messages with a codec's frames before its configuration, in a flow that the recording has whole.
fn early<'r>(
    flow: &DirectionMessages<'r>,
    messages: impl Iterator<Item = (usize, &'r [u8])>,
    is: impl Fn(&[u8], u8) -> bool,
) -> Vec<BodyPlace> {
    if !flow.is_complete {
        return Vec::new();
    }
    let before = messages.take_while(|(_, body)| !is(body, 0)).filter(|(_, body)| is(body, 1));
    before.map(|(item, _)| BodyPlace::new(item, 1..2, "1")).collect()
}

fn missing(
    comparison: &Comparison<'_>,
    path: &'static str,
    codec: &str,
    what: &str,
    find: impl Fn(&DirectionMessages<'_>) -> Vec<BodyPlace>,
) -> Vec<Claim> {
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let number = spots.len();
    let title = format!(
        "{} before the {codec} sequence header",
        if number == 1 { format!("1 {what} comes") } else { format!("{number} {what}s come") }
    );
    let mut claim = messages::claim(comparison, &spots, path, Certainty::Certain, title);
    // The video frames themselves are as they were; what differs is that the header is not there.
    let wanted = if codec == "AVC" { MessageKind::VideoConfig } else { MessageKind::AudioConfig };
    let is_header = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        mismatch.is_whole_message() && comparison.either(mismatch.row).kind == wanted
    };
    claim.explains = (0..comparison.mismatches.len()).filter(is_header).collect();
    vec![
        claim
            .why(format!(
                "without the sequence header they cannot be decoded, and servers drop them{}",
                if comparison.a.is_none() { String::new() } else { format!("; A sends it before the first {what}") }
            ))
            .fix("send the sequence header before the first frame, after every connect"),
    ]
}

fn invalid(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let configs = flow.video().filter(|(_, body)| is_avc(body, 0));
        // Without composition time it is another mistake.
        let configs = configs.filter(|(_, body)| avc_config(body, 2).is_err());
        configs
            .filter_map(|(item, body)| {
                let (range, text) = avc_config(body, HEAD.min(body.len())).err()?;
                Some(BodyPlace::new(item, range, text))
            })
            .collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("the AVC sequence header is not valid: {}", spots[0].text);
    let claim = messages::claim(comparison, &spots, "video.config", Certainty::Certain, title);
    vec![
        claim
            .why(
                "the AVCDecoderConfigurationRecord cannot be read, so no frame can be decoded; SRS and others \
                  disconnect",
            )
            .fix(
                "write the record as ISO/IEC 14496-15 5.3.3.1 defines it: version 1, an SPS and a PPS with their \
                  lengths",
            )
            .breaking(Impact::Response),
    ]
}

/// Sequence headers after the first: the same again, or another without a key frame after it.
fn again(flow: &DirectionMessages<'_>) -> Vec<(BodyPlace, bool)> {
    const KEY: u8 = 1;
    let messages: Vec<_> = flow.video().filter(|(_, body)| is_avc(body, 0) || is_avc(body, 1)).collect();
    let mut found = Vec::new();
    let mut known: Option<&[u8]> = None;
    let mut run = 0;
    for (at, (item, body)) in messages.iter().enumerate().filter(|(_, (_, body))| body[1] == 0) {
        // After a seek, and when another stream starts, the header belongs in front again.
        if flow.run(*item) != run {
            (known, run) = (None, flow.run(*item));
        }
        let next = messages[at + 1..].iter().find(|(_, body)| body[1] == 1);
        let is_same = known == Some(&body[HEAD.min(body.len())..]);
        let before_inter = next.is_some_and(|(_, body)| body[0] >> 4 != KEY);
        if is_same {
            found.push((BodyPlace::new(*item, HEAD..body.len(), "the same configuration again"), true));
        } else if known.is_some() && before_inter {
            found.push((
                BodyPlace::new(*item, HEAD..body.len(), "a different configuration without a key frame after it"),
                false,
            ));
        }
        known = Some(&body[HEAD.min(body.len())..]);
    }
    found
}

fn repeated(comparison: &Comparison<'_>) -> Vec<Claim> {
    [false, true]
        .into_iter()
        .filter_map(|same| {
            let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
                again(flow).into_iter().filter(|(_, is_same)| *is_same == same).map(|(spot, _)| spot).collect()
            };
            let spots = messages::only_in_b(comparison, find)?;
            let times = count(spots.len(), "time");
            let (title, why, fix) = if same {
                (
                    format!("the same AVC sequence header is sent again, {times}"),
                    "it contains nothing new; some servers begin a new segment at each",
                    "send it again only when it changes",
                )
            } else {
                (
                    format!("a different AVC sequence header is sent without a key frame after it, {times}"),
                    "the frames after it refer to frames that were coded with the old parameter sets",
                    "send a key frame after a new sequence header",
                )
            };
            let claim = messages::claim(comparison, &spots, "video.config", Certainty::Certain, title);
            Some(claim.why(why).fix(fix).weighing(if same { Severity::Info } else { Severity::Error }))
        })
        .collect()
}
