//! NAL units and AVC configurations, read only as far as the rules need.

use std::ops::Range;

/// Where the payload begins: tag, packet type, three bytes of composition time.
pub const HEAD: usize = 5;

/// CodecID of H.264.
const AVC: u8 = 7;

/// Whether a video body is of H.264 in FLV's header, with this packet type: 0 configuration, 1 video frames. Of frame type 5
/// a command follows, and no packet type.
pub fn is_avc(body: &[u8], packet_type: u8) -> bool {
    matches!(body, [tag, packet, ..] if tag & 0x8f == AVC && (1..=4).contains(&(tag >> 4)) && *packet == packet_type)
}

/// Where the NAL units of a video frame of H.264, H.265 or H.266 begin: after FLV's header, or after the extended one, whose
/// CodedFrames have a composition time and whose CodedFramesX have none (enhanced RTMP, ExVideoTagBody).
pub fn nal_start(body: &[u8]) -> Option<usize> {
    const HEVC: u8 = 12;
    match *body {
        [tag, 1, ..] if tag & 0x80 == 0 && matches!(tag & 15, AVC | HEVC) && (1..=4).contains(&(tag >> 4)) => {
            Some(HEAD)
        }
        [first, ref four_cc @ ..] if first & 0x80 != 0 && (1..=4).contains(&(first >> 4 & 7)) => {
            let is_nal = matches!(four_cc.first_chunk(), Some(b"avc1" | b"hvc1" | b"vvc1"));
            match first & 15 {
                1 if is_nal => Some(HEAD + 3),
                3 if is_nal => Some(HEAD),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The NAL units after lengths of `size` bytes, if these tile the bytes from `at` on. Some may be empty.
pub fn tiled(body: &[u8], at: usize, size: usize) -> Option<Vec<Range<usize>>> {
    let (mut at, mut units) = (at, Vec::new());
    while at < body.len() {
        let length = body.get(at..at + size)?.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        at += size;
        body.get(at..at + length)?;
        units.push(at..at + length);
        at += length;
    }
    (!units.is_empty()).then_some(units)
}

/// Whether a video body is a sequence header of H.264 that can be read.
pub fn is_config(body: &[u8]) -> bool {
    is_avc(body, 0) && avc_config(body, HEAD.min(body.len())).is_ok()
}

/// The slices of an H.264 video frame (NAL unit types 1 to 5), without what is around them: delimiters, parameter sets,
/// supplements. None if the body is no such video frame, or its lengths of four bytes do not tile it.
pub fn slices(body: &[u8]) -> Option<Vec<&[u8]>> {
    let units = tiled(body, HEAD, 4).filter(|_| is_avc(body, 1))?;
    let is_slice = |unit: &&[u8]| unit.first().is_some_and(|first| (1..=5).contains(&(first & 0x1f)));
    Some(units.into_iter().map(|unit| &body[unit]).filter(is_slice).collect::<Vec<_>>()).filter(|all| !all.is_empty())
}

/// Whether the bytes from `at` on begin with a start code (H.264 annex B).
pub fn has_start_code(body: &[u8], at: usize) -> bool {
    body.get(at..).is_some_and(|rest| rest.starts_with(&[0, 0, 1]) || rest.starts_with(&[0, 0, 0, 1]))
}

/// Whether NAL units tile the bytes from `at` on, and none is empty.
pub fn is_whole(body: &[u8], at: usize, size: usize) -> bool {
    tiled(body, at, size).is_some_and(|units| units.iter().all(|unit| !unit.is_empty()))
}

/// What is wrong with the AVCDecoderConfigurationRecord from `at` on, and where (ISO/IEC 14496-15 5.3.3.1).
pub fn avc_config(body: &[u8], at: usize) -> Result<(), (Range<usize>, String)> {
    let too_short = || (at..body.len(), format!("{} bytes, too short for a configuration", body.len() - at));
    if has_start_code(body, at) {
        return Err((at..at + 4, "a start code".to_owned()));
    }
    let Some([version, _, _, _, _, sets, ..]) = body.get(at..) else { return Err(too_short()) };
    if *version != 1 {
        return Err((at..at + 1, format!("configuration version {version}")));
    }
    if sets & 0x1f == 0 {
        return Err((at + 5..at + 6, "no sequence parameter set".to_owned()));
    }
    let mut next = parameter_sets(body, at + 6, (sets & 0x1f).into(), (SPS, "sequence parameter set"))?;
    let Some(&pictures) = body.get(next) else { return Err((next - 1..next, "nothing after the SPS".to_owned())) };
    if pictures == 0 {
        return Err((next..next + 1, "no picture parameter set".to_owned()));
    }
    next = parameter_sets(body, next + 1, pictures.into(), (PPS, "picture parameter set"))?;
    debug_assert!(next <= body.len());
    Ok(())
}

/// NAL unit types of H.264 (table 7-1).
const SPS: u8 = 7;
const PPS: u8 = 8;

/// Where the sets end. Each is a NAL unit of this type, without a start code.
fn parameter_sets(
    body: &[u8],
    at: usize,
    number: usize,
    (kind, name): (u8, &str),
) -> Result<usize, (Range<usize>, String)> {
    let mut at = at;
    for _ in 0..number {
        let Some(length) = body.get(at..).and_then(<[u8]>::first_chunk) else {
            return Err((at.min(body.len())..body.len(), "the end, where a parameter set should be".to_owned()));
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let left = body.len() - at - 2;
        // Read the other way round it leads to a set that begins as it should.
        let swapped = usize::from((length as u16).swap_bytes());
        let begins = body.get(at + 2).is_some_and(|first| first & 0x9f == kind);
        if length > left && swapped <= left && swapped > 0 && begins {
            let text = format!(
                "the length of the {name} has its bytes in the other order, {length} ({length:#06x}) in place of {swapped} \
                 ({swapped:#06x})"
            );
            return Err((at..at + 2, text));
        }
        if length > left {
            return Err((at..at + 2, format!("a parameter set of {length} bytes where {left} are left")));
        }
        let set = &body[at + 2..at + 2 + length];
        let place = at + 2..at + 2 + length.min(4);
        if set.starts_with(&[0, 0, 1]) || set.starts_with(&[0, 0, 0, 1]) {
            return Err((place, format!("a start code at the beginning of the {name}")));
        }
        if let Some(other) = set.first().map(|first| first & 0x1f).filter(|&other| other != kind) {
            return Err((place, format!("a NAL unit of type {other} where the {name} (type {kind}) should be")));
        }
        at += 2 + length;
    }
    Ok(at)
}

/// The size of NAL unit lengths in a configuration that begins at `at`.
pub fn length_size(body: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(body.get(at + 4)? & 3) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_lead_to_the_end_or_not() {
        assert_eq!(tiled(&[0, 0, 0, 2, 9, 9, 0, 0, 0, 1, 5], 0, 4), Some(vec![4..6, 10..11]));
        assert_eq!(tiled(&[0, 0, 0, 2, 9, 9, 0, 0, 0, 2, 5], 0, 4), None);
        assert_eq!(tiled(&[0, 0, 0, 1], 0, 4), None);
        // Four bytes read as two lengths: an empty unit, then one of one byte.
        assert!(tiled(&[0, 0, 0, 1, 5], 0, 2).is_some());
        assert!(!is_whole(&[0, 0, 0, 1, 5], 0, 2));
    }

    #[test]
    fn slices_are_the_same_with_a_delimiter_or_without() {
        let picture = [0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 9];
        let delimited = [0x27, 1, 0, 0, 0x28, 0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 2, 0x41, 9];
        assert_eq!(slices(&picture), Some(vec![&[0x41, 9][..]]));
        assert_eq!(slices(&delimited), slices(&picture));
        // A delimiter alone, a length too long, and a configuration have none.
        assert_eq!(slices(&delimited[..11]), None);
        assert_eq!(slices(&picture[..10]), None);
        assert_eq!(slices(&[0x17, 0, 0, 0, 0, 0, 0, 0, 2, 0x41, 9]), None);
    }

    #[test]
    fn a_configuration_is_valid_or_says_what_is_wrong() {
        let valid = [1, 100, 0, 13, 0xff, 0xe1, 0, 2, 0x67, 100, 1, 0, 1, 0x68];
        assert_eq!(avc_config(&valid, 0), Ok(()));
        let wrong = |at: usize, byte: u8| {
            let mut config = valid;
            config[at] = byte;
            avc_config(&config, 0).expect_err("not valid").1
        };
        assert_eq!(wrong(0, 0), "configuration version 0");
        assert_eq!(wrong(5, 0xe0), "no sequence parameter set");
        assert_eq!(wrong(6, 1), "a parameter set of 258 bytes where 6 are left");
        assert_eq!(wrong(10, 0), "no picture parameter set");
        assert_eq!(wrong(8, 0x68), "a NAL unit of type 8 where the sequence parameter set (type 7) should be");
        assert_eq!(wrong(13, 0x67), "a NAL unit of type 7 where the picture parameter set (type 8) should be");
        for len in 0..valid.len() {
            assert!(avc_config(&valid[..len], 0).is_err(), "{len} bytes");
        }
    }
}
