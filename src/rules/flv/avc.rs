//! How NAL units are written: start codes, lengths, composition times, frame types.

use crate::compare::{Comparison, Side};
use crate::rules::messages::{self, BodyPlace, DirectionMessages, count, rows_of_b};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

use super::units::{HEAD, avc_config, has_start_code, is_avc, is_whole, length_size, nal_start, tiled};

pub static ANNEXB: Rule = Rule {
    code: "avc-annexb",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "video has start codes where NAL unit lengths belong",
    page: Page {
        what: "RTMP and FLV carry H.264 with a length before each NAL unit. Encoders output start codes (annex B). A \
               receiver reads 00 00 00 01 as a NAL unit of one byte, and shows nothing.",
        looks: "17 01 00 00 50 | 00 00 02 b2 06 05 ..   a length, 690\n\
                17 01 00 00 50 | 00 00 00 01 06 05 ..   a start code",
        who: "Publishers written around x264 or a hardware encoder; PHZ76/rtmp, yasea.",
        fix: "Replace each start code, of three or four bytes, with the length of its NAL unit in four bytes.",
        source: "FLV 10.1 annex E.4.3.1; ISO/IEC 14496-15 section 5.3.2. PHZ76/rtmp issue 14.",
    },
    check: Check::Diff(annexb),
};

pub static CTS_MISSING: Rule = Rule {
    code: "cts-bytes-missing",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "video frames have no composition time",
    page: Page {
        what: "Three bytes of composition time follow the packet type of every AVC message. Here the payload follows \
               at once, so a receiver reads everything three bytes late.",
        looks: "17 01 00 00 50 | 00 00 02 b2 06 ..   with composition time 00 00 50\n\
                17 01 | 00 00 02 b2 06 ..   without",
        who: "Publishers without B-frames that leave out what is always zero.",
        fix: "Write three bytes after the packet type: how much later than it is decoded the frame is shown, in \
              milliseconds, or 0.",
        source: "FLV 10.1 annex E.4.3.1: CompositionTime, SI24, for CodecID 7.",
    },
    check: Check::Diff(no_cts),
};

pub static NAL_EMPTY: Rule = Rule {
    code: "avc-nal-empty",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "video frames have empty NAL units",
    page: Page {
        what: "There is a length of zero between or after the NAL units. Most decoders report an error for each, some \
               give up.",
        looks: "17 01 00 00 00 00 00 00 03 41 9a 02 | 00 00 00 00\n\
                \n\
                The last four bytes are the length of a NAL unit that is not there.",
        who: "Senders that turn start codes into lengths, and treat padding zeros between start codes as NAL units.",
        fix: "Leave out empty NAL units.",
        source: "ISO/IEC 14496-15 section 5.3.2; H.264 section 7.3.1: a NAL unit has at least its header byte.",
    },
    check: Check::Diff(empty),
};

pub static TILING: Rule = Rule {
    code: "avc-nal-tiling",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the NAL unit lengths do not add up to the message",
    page: Page {
        what: "The lengths before the NAL units, in the size that the configuration announces, should add up exactly \
               to the end of the message. Here they go beyond it, or leave bytes over.",
        looks: "17 01 00 00 50 | 00 00 02 b2 ..   690 bytes, and fewer are left\n\
                \n\
                01 64 00 0d ff: the last two bits and 1 are the size of lengths; fd means 2, ff means 4.",
        who: "Senders that change NAL units and not their lengths; configurations with a length size that the frames \
              do not use.",
        fix: "Write each length after the NAL unit is final, in the size that the configuration announces: 4 bytes and \
              ff.",
        source: "ISO/IEC 14496-15 sections 5.3.2 and 5.3.3.1; FLV 10.1 annex E.4.3.1.",
    },
    check: Check::Diff(tiling),
};

pub static HEVC_UNDER_7: Rule = Rule {
    code: "hevc-under-7",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "NAL units of H.265 are sent as H.264",
    page: Page {
        what: "The tag announces codec 7, H.264, but the NAL units have the two-byte headers of H.265.",
        looks: "17 01 00 00 00 00 00 00 18 40 01 0c 01 ..\n\
                \n\
                40 01 is a VPS of H.265 (type 32), 42 01 an SPS, 44 01 a PPS.",
        who: "Old versions of OBS Studio with custom encoders; publishers that only changed the encoder.",
        fix: "Use the enhanced header with FourCC hvc1.",
        source: "H.265 section 7.3.1.2; enhanced RTMP v2, ExVideoTagHeader. bluenviron/mediamtx issue 1613.",
    },
    check: Check::Diff(hevc),
};

/// The AVC messages with video frames.
fn pictures<'r>(flow: &'r DirectionMessages<'_>) -> impl Iterator<Item = (usize, &'r [u8])> {
    flow.video().filter(|(_, body)| is_avc(body, 1) && body.len() > HEAD)
}

/// The messages with video frames of H.264, H.265 and H.266, in FLV's header or the extended one, and where the NAL units
/// begin.
fn nal_frames<'r>(flow: &'r DirectionMessages<'_>) -> impl Iterator<Item = (usize, &'r [u8], usize)> {
    let frames = flow.video().filter_map(|(item, body)| Some((item, body, nal_start(body)?)));
    frames.filter(|(_, body, start)| body.len() > *start)
}

fn annexb(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        // 00 00 01 may also begin a length of 256 bytes or more: it is a start code where all video frames have one.
        let all =
            nal_frames(flow).all(|(_, body, start)| has_start_code(body, start) && tiled(body, start, 4).is_none());
        let is_code = |body: &[u8], start: usize| all || body[start..].starts_with(&[0, 0, 0, 1]);
        let wrong =
            nal_frames(flow).filter(|(_, body, start)| is_code(body, *start) && tiled(body, *start, 4).is_none());
        wrong.map(|(item, body, start)| BodyPlace::new(item, start..body.len(), "a start code")).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} with start codes where NAL unit lengths belong", count(spots.len(), "video frame"));
    let claim = messages::claim(comparison, &spots, "video.payload", Certainty::Certain, title);
    vec![
        claim
            .why(
                "the payload begins with a start code, and read as lengths its bytes do not add up to the end of the \
                  message",
            )
            .fix("replace each start code with the length of its NAL unit, in four bytes"),
    ]
}

fn no_cts(comparison: &Comparison<'_>) -> Vec<Claim> {
    const SKIPPED: usize = 2;
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let is_wrong = |body: &[u8]| {
            let whole = |at| is_whole(body, at, 4);
            is_avc(body, 1) && whole(SKIPPED) && !whole(HEAD)
                || is_avc(body, 0)
                    && avc_config(body, SKIPPED).is_ok()
                    && avc_config(body, HEAD.min(body.len())).is_err()
        };
        let wrong = flow.video().filter(|(_, body)| is_wrong(body));
        wrong.map(|(item, body)| BodyPlace::new(item, SKIPPED..body.len(), "the payload")).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} without composition time", count(spots.len(), "video message"));
    let claim = messages::claim(comparison, &spots, "video.cts", Certainty::Certain, title);
    vec![
        claim
            .why("configuration and NAL units fit exactly from the third byte on, where three bytes of composition time belong")
            .fix("write three bytes of composition time after the packet type, 00 00 00 if there is none"),
    ]
}

fn empty(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let first_empty = |body: &[u8]| tiled(body, HEAD, 4)?.into_iter().find(|unit| unit.is_empty());
        pictures(flow)
            .filter_map(|(item, body)| {
                let unit = first_empty(body)?;
                Some(BodyPlace::new(item, unit.start - 4..unit.end, "a length of 0"))
            })
            .collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} with an empty NAL unit", count(spots.len(), "video frame"));
    let claim = messages::claim(comparison, &spots, "video.payload", Certainty::Certain, title);
    vec![claim.why("there is a length of zero where a NAL unit should be").fix("leave out empty NAL units")]
}

fn hevc(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        // VPS, SPS and PPS: types 32 to 34 in bits 1 to 6, layer 0, temporal id plus 1.
        let is_set = |body: &[u8]| matches!(body, [0x40 | 0x42 | 0x44, 1, ..]);
        let units = |body: &[u8]| tiled(body, HEAD, 4).unwrap_or_default();
        let all: Vec<_> = pictures(flow).collect();
        let has_sets = all.iter().any(|(_, body)| units(body).iter().any(|unit| is_set(&body[unit.clone()])));
        // All slices have H.265's second header byte.
        let fits = |body: &[u8]| {
            let units = units(body);
            let mut long = units.iter().filter(|unit| unit.len() > 2).peekable();
            long.peek().is_some()
                && long.all(|unit| body[unit.start] & 0x81 == 0 && matches!(body[unit.start + 1], 1..=7))
        };
        if !has_sets || !all.iter().all(|(_, body)| fits(body)) {
            return Vec::new();
        }
        all.into_iter().map(|(item, _)| BodyPlace::new(item, HEAD..HEAD + 6, "a NAL unit of H.265")).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("{} with NAL units of H.265 under codec 7, H.264", count(spots.len(), "video frame"));
    let claim = messages::claim(comparison, &spots, "video.payload", Certainty::Likely, title);
    vec![
        claim
            .why("all NAL units have the two-byte header of H.265, with its parameter sets among them (types 32 to 34)")
            .fix("send H.265 with the enhanced header and FourCC hvc1"),
    ]
}

/// A video frame: its item, its body, and the last configuration's item and size of lengths.
type Picture<'r> = (usize, &'r [u8], Option<(usize, usize)>);

/// The size of NAL unit lengths that the last configuration before each video frame says, of H.264 in FLV's header.
fn with_size<'r>(flow: &'r DirectionMessages<'_>) -> Vec<Picture<'r>> {
    let mut size = None;
    let mut found = Vec::new();
    for (item, body) in flow.video() {
        if is_avc(body, 0) && avc_config(body, HEAD.min(body.len())).is_ok() {
            size = length_size(body, HEAD).map(|size| (item, size));
        } else if is_avc(body, 1) && body.len() > HEAD {
            found.push((item, body, size));
        }
    }
    found
}

fn tiling(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims: Vec<Claim> = wrong_size(comparison).into_iter().collect();
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let all = with_size(flow);
        let wrong = all.into_iter().filter_map(|(item, body, size)| {
            let (_, size) = size?;
            let fits = tiled(body, HEAD, size).is_some() || tiled(body, HEAD, 4).is_some();
            if fits || body[HEAD..].starts_with(&[0, 0, 0, 1]) {
                return None;
            }
            let (at, length) = last_length(body, size);
            Some(BodyPlace::new(
                item,
                at..at + size,
                format!("a NAL unit of {length} bytes, {} are left", left(body, at, size)),
            ))
        });
        wrong.collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return claims };
    let rows = rows_of_b(comparison);
    // Nothing but the length differs from A: then the length is it. Else something happened to the payload.
    let only_length = spots.iter().all(|spot| {
        let bodies = rows.get(&spot.item).map(|&row| {
            [Side::A, Side::B].map(|side| comparison.item(row, side)?.message().map(|kept| &kept.body[..]))
        });
        let Some([Some(a), Some(b)]) = bodies else { return false };
        let outside = |body: &[u8]| [&body[..spot.range.start], &body[spot.range.end.min(body.len())..]].concat();
        a.len() == b.len() && outside(a) == outside(b)
    });
    let certainty = if only_length { Certainty::Certain } else { Certainty::Possible };
    let title = format!("the NAL unit lengths of {} do not add up", count(spots.len(), "video frame"));
    let claim = messages::claim(comparison, &spots, "video.payload", certainty, title);
    let why = match only_length {
        true => format!("{}; everything else is as in A", spots[0].text),
        false => format!("{}; the payload may have been changed after the sender wrote it", spots[0].text),
    };
    claims.push(claim.why(why).fix(
        "write each length after the NAL unit is final, in the size that the configuration \
                            announces",
    ));
    claims
}

/// A configuration says another size than the video frames have.
fn wrong_size(comparison: &Comparison<'_>) -> Option<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let (mut said, mut spot): (Option<usize>, Option<BodyPlace>) = (None, None);
        for (item, body) in flow.video() {
            if let Some((size, range)) = announced(body) {
                said = Some(size);
                spot = spot.or_else(|| {
                    Some(BodyPlace::new(item, range, format!("NAL unit lengths of {}", count(size, "byte"))))
                });
            } else if let Some(start) = nal_start(body).filter(|&start| body.len() > start)
                && let Some(size) = said
                && (size == 4 || is_whole(body, start, size) || !is_whole(body, start, 4))
            {
                return Vec::new();
            }
        }
        let has_frames = nal_frames(flow).next().is_some();
        spot.filter(|_| has_frames && said != Some(4)).into_iter().collect()
    };
    let spots = messages::only_in_b(comparison, find)?;
    let title = format!("the configuration announces {}, but the frames have lengths of 4 bytes", spots[0].text);
    let claim = messages::claim(comparison, &spots, "video.config", Certainty::Certain, title);
    Some(
        claim
            .why(
                "read with lengths of 4 bytes every frame ends where its message ends; read as the configuration \
                  announces, none does",
            )
            .fix("announce lengths of 4 bytes: the lowest two bits of the byte are 3, the size less 1"),
    )
}

/// The size of NAL unit lengths that a configuration announces, and where (ISO/IEC 14496-15 5.3.3.1.2, 8.3.3.1.2).
fn announced(body: &[u8]) -> Option<(usize, std::ops::Range<usize>)> {
    const IN_AVC: usize = 4;
    const IN_HEVC: usize = 21;
    let at = match *body {
        _ if is_avc(body, 0) => {
            avc_config(body, HEAD.min(body.len())).ok()?;
            HEAD + IN_AVC
        }
        [first, b'a', b'v', b'c', b'1', ..] if first & 0x8f == 0x80 => HEAD + IN_AVC,
        [first, b'h', b'v', b'c', b'1', ..] if first & 0x8f == 0x80 => HEAD + IN_HEVC,
        _ => return None,
    };
    Some((usize::from(body.get(at)? & 3) + 1, at..at + 1))
}

/// Where the length is that leads beyond the message, and what it says.
fn last_length(body: &[u8], size: usize) -> (usize, usize) {
    let mut at = HEAD;
    loop {
        let length =
            body.get(at..at + size).map(|bytes| bytes.iter().fold(0, |all, &byte| all << 8 | usize::from(byte)));
        match length {
            Some(length) if at + size + length < body.len() => at += size + length,
            length => return (at, length.unwrap_or_default()),
        }
    }
}

fn left(body: &[u8], at: usize, size: usize) -> usize {
    body.len().saturating_sub(at + size)
}
