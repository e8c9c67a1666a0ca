//! NAL units and AVC configurations, read only as far as the rules need.

use std::ops::Range;

/// Where the payload begins: tag, packet type, three bytes of composition time.
pub const HEAD: usize = 5;

/// CodecID of H.264.
const AVC: u8 = 7;

/// Whether a video body is of H.264 in FLV's header, with this packet type: 0 configuration, 1 pictures.
pub fn is_avc(body: &[u8], packet_type: u8) -> bool {
    matches!(body, [tag, packet, ..] if tag & 0x8f == AVC && (1..=5).contains(&(tag >> 4)) && *packet == packet_type)
}

/// The NAL units behind lengths of `size` bytes, if these tile the bytes from `at` on. Some may be empty.
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
    let mut next = parameter_sets(body, at + 6, (sets & 0x1f).into())?;
    let Some(&pictures) = body.get(next) else { return Err((next - 1..next, "nothing behind the SPS".to_owned())) };
    if pictures == 0 {
        return Err((next..next + 1, "no picture parameter set".to_owned()));
    }
    next = parameter_sets(body, next + 1, pictures.into())?;
    debug_assert!(next <= body.len());
    Ok(())
}

/// Where the sets end.
fn parameter_sets(body: &[u8], at: usize, number: usize) -> Result<usize, (Range<usize>, String)> {
    let mut at = at;
    for _ in 0..number {
        let Some(length) = body.get(at..).and_then(<[u8]>::first_chunk) else {
            return Err((at.min(body.len())..body.len(), "the end, where a parameter set should be".to_owned()));
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let left = body.len() - at - 2;
        if length > left {
            return Err((at..at + 2, format!("a parameter set of {length} bytes where {left} are left")));
        }
        at += 2 + length;
    }
    Ok(at)
}

/// The size of NAL unit lengths in a configuration that begins at `at`.
pub fn length_size(body: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(body.get(at + 4)? & 3) + 1)
}
