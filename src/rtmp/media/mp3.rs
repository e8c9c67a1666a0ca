//! MPEG audio: the headers of frames (ISO/IEC 11172-3 2.4.2.3, ISO/IEC 13818-3).
//!
//! Takes the payload of an MP3 message, says whether it is frames to its last byte. Sound is not decoded.

/// Bit rates of layer III in kbit/s: of MPEG 1, and of MPEG 2 and 2.5.
const BIT_RATES: [[u32; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/// Sampling rates of MPEG 1; MPEG 2 has half of them, MPEG 2.5 a quarter.
const SAMPLING_RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// How many bytes a frame of layer III has that begins with these.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    const LAYER_3: u8 = 1;
    let [0xff, second, third, ..] = *bytes else { return None };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let divisor = match version {
        3 => 1,
        2 => 2,
        0 => 4,
        _ => return None,
    };
    if second & 0xe0 != 0xe0 || layer != LAYER_3 {
        return None;
    }
    let bit_rate = *BIT_RATES[usize::from(divisor > 1)].get(usize::from(third >> 4)).filter(|rate| **rate > 0)? * 1000;
    let sampling_rate = SAMPLING_RATES.get(usize::from(third >> 2 & 3))? / divisor;
    // 1152 samples, or half as many, in bytes at the bit rate.
    let per_frame = if divisor == 1 { 144 } else { 72 };
    Some((per_frame * bit_rate / sampling_rate + u32::from(third >> 1 & 1)) as usize)
}

/// Whether a payload is frames of layer III to its last byte.
pub fn are_frames(payload: &[u8]) -> bool {
    let mut rest = payload;
    while let Some(next) = frame_length(rest).and_then(|length| rest.get(length..)) {
        rest = next;
    }
    rest.is_empty() && !payload.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_tile_or_not() {
        // MPEG 1, layer III, 128 kbit/s, 44.1 kHz: 417 bytes, or 418 with padding.
        let frame = |padding: u8| {
            let mut frame = vec![0xff, 0xfb, 0x90 | padding << 1, 0];
            frame.resize(417 + usize::from(padding), 0);
            frame
        };
        assert!(are_frames(&frame(0)) && are_frames(&[frame(1), frame(0)].concat()));
        assert!(!are_frames(&frame(0)[..416]) && !are_frames(&[&frame(0)[..], &[0]].concat()));
        assert!(!are_frames(&[&[1], &frame(0)[..]].concat()) && !are_frames(&[]));
    }
}
