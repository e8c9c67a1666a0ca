//! What the tag headers say: frame types, codec numbers, composition times; and whole tags where bodies belong.

use std::collections::HashMap;

use crate::compare::{Comparison, MessageKind};
use crate::recording::RecordedMessage;
use crate::rtmp::MessageTypeId;
use crate::rules::messages::{self, BodyPlace, DirectionMessages, count};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

use super::units::{HEAD, is_avc, tiled};

pub static FLV_TAG: Rule = Rule {
    code: "flv-tag-left",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "messages begin with FLV tag headers",
    page: Page {
        what: "A message carries the body of an FLV tag. Here it carries the whole tag: type, length, time and stream \
               come before the body, and sometimes the size after it. Receivers read the type as the codec and show \
               nothing.",
        looks: "09 00 0c 87 00 00 28 00 00 00 00 | 17 01 00 00 50 ..\n\
                \n\
                09 is video, 00 0c 87 the length of the body, 3207; the body begins at 17.",
        who: "Publishers that send an FLV file tag by tag.",
        fix: "Send the body only: leave out the 11 bytes before it and the 4 bytes of PreviousTagSize after it.",
        source: "FLV 10.1 annex E.4.1. The header of the RTMP message has the same fields.",
    },
    check: Check::Diff(flv_tag),
};

pub static KEYFRAME_FLAG: Rule = Rule {
    code: "keyframe-flag",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the frame type and the NAL units contradict each other",
    page: Page {
        what: "The first four bits of the tag tell whether a frame is a key frame. Servers rely on it: players that \
               join receive video from the next key frame on. Here the tag contradicts the NAL units.",
        looks: "27 01 00 00 50 00 00 02 b2 65 88 ..   27: not a key frame, 65: an IDR slice\n\
                17 01 00 00 50 00 00 02 b2 41 9a ..   17: a key frame, 41: not an IDR slice",
        who: "Publishers that write 17 or 27 for all frames.",
        fix: "Write 17 for frames with NAL units of type 5, 27 for others.",
        source: "FLV 10.1 annex E.4.3.1; H.264 table 7-1. Without any 17 nginx sends no video to a player.",
    },
    check: Check::Diff(keyframe),
};

pub static CTS_SIGNED: Rule = Rule {
    code: "cts-signed",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "composition times are negative",
    page: Page {
        what: "Composition time is a signed number of 24 bits: a frame may be shown before its timestamp. That is \
               legal, but receivers that treat it as unsigned are off by 2^24 ms, more than four hours.",
        looks: "17 01 ff ff 9c ..   -100\n\
                17 01 00 00 50 ..   80",
        who: "Encoders that set the timestamp to the time of decoding plus a delay; relays that shift timestamps.",
        fix: "Shift timestamps so that composition times are 0 or more; in the receiver, extend the sign.",
        source: "FLV 10.1 annex E.4.3.1: SI24. bluenviron/gortmplib issue 88, arut/nginx-rtmp-module issue 250.",
    },
    check: Check::Diff(cts),
};

pub static HEVC_12: Rule = Rule {
    code: "hevc-codecid-12",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "video has codec number 12",
    page: Page {
        what: "FLV has no codec 12. Some implementations use it for H.265; others refuse the stream.",
        looks: "1c 01 00 00 50 ..   a key frame of codec 12\n\
                91 68 76 63 31 00 00 50 ..   the same in enhanced RTMP, FourCC hvc1",
        who: "Encoders and servers that agreed on it before enhanced RTMP, mostly in China.",
        fix: "Use the enhanced header with FourCC hvc1; for H.264 the codec is 7.",
        source: "veovera/enhanced-rtmp issue 24, ossrs/srs issue 465: `unsupported video codec: 12`.",
    },
    check: Check::Diff(codec_12),
};

pub static AGGREGATE: Rule = Rule {
    code: "aggregate",
    layer: Layer::Media,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "messages are combined in an Aggregate Message",
    page: Page {
        what: "One message of type 22 holds several audio, video and data messages, each with the header of an FLV tag \
               before it and its size after it. A receiver must split it; some do not support it and show nothing.",
        looks: "16 in the message header, and in the body:\n\
                \n\
                08 00 00 ad 00 00 17 00 00 00 00 | af 01 .. | 00 00 00 b8 | 09 ..",
        who: "Adobe Media Server and Wowza when they send to players.",
        fix: "In the receiver, split it; in the sender, send the messages one by one.",
        source: "RTMP 1.0 section 7.1.6; FLV 10.1 annex E.4.1.",
    },
    check: Check::Diff(aggregate),
};

fn flv_tag(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let tag = |item: usize, type_id: u8, body: &[u8]| {
            let meant = tagged(type_id, body)?.to_vec();
            Some(BodyPlace::new(item, 0..TAG, "an FLV tag header").meant(meant))
        };
        let types = [MessageTypeId::AUDIO, MessageTypeId::VIDEO, MessageTypeId::AMF0_DATA];
        let mut found: Vec<BodyPlace> = types
            .into_iter()
            .flat_map(|type_id| flow.of_type(type_id).filter_map(move |(item, body)| tag(item, type_id.0, body)))
            .collect();
        found.sort_by_key(|spot| spot.item);
        found
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} with an FLV tag header before the body", count(spots.len(), "message"));
    let claim = messages::claim(comparison, &spots, "body", Certainty::Certain, title);
    // Data messages go by their names, which are not found.
    let twin = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        let is_of = |row: usize| comparison.either_item(row).direction == comparison.either_item(claim.row).direction;
        let is_data = spots.iter().any(|spot| comparison.b.items[spot.item].message().is_some_and(is_data));
        is_data
            && mismatch.is_whole_message()
            && is_of(mismatch.row)
            && comparison.either(mismatch.row).kind == MessageKind::Data
    };
    let twins: Vec<usize> = comparison.open().filter(twin).collect();
    let claim = claim.explaining(twins);
    vec![
        claim
            .why("the first 11 bytes are the message's own type and the length of what follows them")
            .fix("send the tag's body only, without the 11 bytes before it and the 4 bytes of size after it"),
    ]
}

/// How long the header of an FLV tag is, and the size after a tag.
const TAG: usize = 11;
const SIZE: usize = 4;

/// What is in a body after the header of an FLV tag of the message's own type, if it is one.
pub(in crate::rules) fn tagged(type_id: u8, body: &[u8]) -> Option<&[u8]> {
    let head = body.get(..TAG)?;
    let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    let behind = body.len().checked_sub(TAG + length)?;
    let is_tag = head[0] == type_id && head[8..] == [0; 3] && length > 0 && matches!(behind, 0 | SIZE);
    is_tag.then(|| &body[TAG..TAG + length])
}

fn is_data(kept: &RecordedMessage) -> bool {
    kept.header.type_id == MessageTypeId::AMF0_DATA
}

fn keyframe(comparison: &Comparison<'_>) -> Vec<Claim> {
    const IDR: u8 = 5;
    const SLICE: u8 = 1;
    const SEI: u8 = 6;
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        flow.video()
            .filter(|(_, body)| is_avc(body, 1))
            .filter_map(|(item, body)| {
                let units = tiled(body, HEAD, 4)?;
                let has = |kind| units.iter().any(|unit| body.get(unit.start).is_some_and(|head| head & 0x9f == kind));
                // An SEI may say that decoding can begin here though it is no IDR video frame.
                let text = match (body[0] >> 4, has(IDR), has(SLICE) && !has(SEI)) {
                    (1, false, true) => "a key frame without an IDR slice",
                    (2, true, _) => "an inter frame with an IDR slice",
                    _ => return None,
                };
                let other = body[0] & 15 | if body[0] >> 4 == 1 { 0x20 } else { 0x10 };
                Some(BodyPlace::new(item, 0..1, text).meant([&[other], &body[1..]].concat()))
            })
            .collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} marked as {}", count(spots.len(), "video frame"), spots[0].text);
    let claim = messages::claim(comparison, &spots, "video.type", Certainty::Certain, title);
    vec![
        claim
            .why("servers rely on the tag: they start a player at a key frame, and drop frames up to the next one")
            .fix("write 17 for frames with NAL units of type 5, 27 for others"),
    ]
}

fn cts(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let negative = flow.video().filter(|(_, body)| is_avc(body, 1) && body.len() > HEAD && body[2] & 0x80 != 0);
        negative
            .map(|(item, body)| {
                let time = i32::from_be_bytes([0xff, body[2], body[3], body[4]]);
                BodyPlace::new(item, 2..5, format!("{time} ms"))
            })
            .collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title =
        format!("{} with a negative composition time, the first {}", count(spots.len(), "video frame"), spots[0].text);
    let mut claim = messages::claim(comparison, &spots, "video.cts", Certainty::Certain, title);
    // Its neighbours were shifted with it.
    let rows: Vec<usize> = (0..comparison.mismatches.len())
        .filter(|&index| comparison.mismatches[index].path == "video.cts".into())
        .collect();
    claim = claim.explaining(rows);
    vec![
        claim
            .why(
                "that is legal, but receivers that treat the 24 bits as unsigned see times that are more than four \
                  hours off",
            )
            .fix("shift timestamps so that composition times are 0 or more"),
    ]
}

fn codec_12(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let is_12 = |body: &[u8]| body.len() > 1 && body[0] & 0x8f == 12 && (1..=5).contains(&(body[0] >> 4));
        let wrong = flow.video().filter(|(_, body)| is_12(body));
        wrong
            .map(|(item, body)| {
                BodyPlace::new(item, 0..1, "codec 12").meant([&[body[0] & 0xf0 | 7], &body[1..]].concat())
            })
            .collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} with codec number 12", count(spots.len(), "video message"));
    let claim = messages::claim(comparison, &spots, "video.codec", Certainty::Certain, title);
    vec![
        claim
            .why("FLV does not define codec 12; some implementations use it for H.265, others refuse it")
            .fix("for H.265 use the enhanced header with FourCC hvc1, for H.264 codec 7"),
    ]
}

fn aggregate(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        flow.of_type(MessageTypeId::AGGREGATE)
            .map(|(item, _)| BodyPlace::new(item, 0..11, "an Aggregate Message"))
            .collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let bodies: HashMap<usize, &[u8]> =
        spots.iter().filter_map(|spot| Some((spot.item, &comparison.b.items[spot.item].message()?.body[..]))).collect();
    // What is in them has its twins in A.
    let mut all: Vec<BodyPlace> = Vec::new();
    let mut inside = 0;
    for spot in spots {
        let body = bodies.get(&spot.item).copied().unwrap_or_default();
        let parts = parts(body);
        inside += parts.len();
        let item = spot.item;
        all.push(spot);
        all.extend(parts.into_iter().map(|part| BodyPlace::new(item, 0..0, "").meant(part.to_vec())));
    }
    let title = format!("{} in Aggregate Messages", count(inside, "message"));
    let claim = messages::claim(comparison, &all, "body", Certainty::Certain, title);
    vec![
        claim
            .why("type 22 holds several messages; receivers that do not split it lose all of them")
            .fix("send the messages one by one, or make sure that the receiver supports type 22"),
    ]
}

/// The bodies of the messages in an aggregate.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    const TAG: usize = 11;
    const SIZE: usize = 4;
    let (mut rest, mut parts) = (bytes, Vec::new());
    while let [_, a, b, c, ..] = *rest {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some(part) = rest.get(TAG..TAG + length) else { break };
        parts.push(part);
        rest = rest.get(TAG + length + SIZE..).unwrap_or_default();
    }
    parts
}
