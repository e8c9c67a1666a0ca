//! VP8 and VP9: VPCodecConfigurationRecord (VP Codec ISO Media File Format Binding), and the size in the
//! headers of their key frames.
//!
//! Takes the record after a sequence start, or a key frame; gives profile, level and size.

use super::config::{CONFIG, Picture, VideoConfig};
use crate::field::{BitReader, Defect, Reader, Record, Short};

/// Reads the record to the end of the reader, or as far as it goes.
pub fn config<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<VideoConfig> {
    let at = reader.at();
    let config = reader.group(&CONFIG, |reader| {
        let mut config = VideoConfig::default();
        // In a file the record is a box with version and flags in front; some senders leave them there.
        const BOX_VERSION_AND_FLAGS: [u8; 4] = [1, 0, 0, 0];
        let front = &reader.peek()[..reader.remaining().min(4)];
        if reader.remaining() as u32 + missing >= 12 && BOX_VERSION_AND_FLAGS.starts_with(front) {
            reader.u8(&VERSION)?;
            reader.u24(&FLAGS)?;
        }
        let profile = reader.u8(&PROFILE)?;
        let level = reader.u8(&LEVEL)?;
        let byte = u64::from(reader.u8(&BIT_DEPTH_BYTE)?);
        let bit_depth = reader.bits(&BIT_DEPTH, byte, 4, 4);
        if profile > 3 || !matches!(bit_depth, 8 | 10 | 12) {
            let text = format!("profile {profile} with {bit_depth} bits: no VPCodecConfigurationRecord has that");
            defects.push(Defect::new("vpx-config-invalid", at, text));
        }
        reader.bits(&CHROMA, byte, 1, 3);
        reader.bits(&FULL_RANGE, byte, 0, 1);
        reader.u8(&PRIMARIES)?;
        reader.u8(&TRANSFER)?;
        reader.u8(&MATRIX)?;
        let length = reader.u16(&INITIALIZATION_LENGTH)?;
        reader.bytes(&INITIALIZATION, length.into())?;
        config.profile = format!("profile {profile}");
        config.level = if level == 0 { String::new() } else { format!("{}.{}", level / 10, level % 10) };
        config.record(reader);
        Ok::<_, Short>(config)
    });
    config
        .map_err(|short| {
            if missing == 0 {
                let text = format!("the VPCodecConfigurationRecord is not valid: {}", Defect::from(short).message);
                defects.push(Defect::new("vpx-config-invalid", at, text));
            }
        })
        .ok()
}

/// The size in the header of a key frame of VP8 (RFC 6386 9.1).
pub fn vp8_key_frame(data: &[u8]) -> Option<Picture> {
    const INTER_FRAME: u8 = 1;
    const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
    let header = data.first_chunk::<10>()?;
    if header[0] & INTER_FRAME != 0 || header[3..6] != START_CODE {
        return None;
    }
    // 14 bits each; the two above say how to scale it up.
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some(Picture { width: size(header[6], header[7]), height: size(header[8], header[9]), frame_rate: None })
}

/// The size in the header of a key frame of VP9 (VP9 6.2).
pub fn vp9_key_frame(data: &[u8]) -> Option<Picture> {
    const FRAME_MARKER: u32 = 2;
    const SYNC_CODE: u32 = 0x49_8342;
    const RGB: u32 = 7;
    let mut bits = BitReader::new(data);
    if bits.bits(2)? != FRAME_MARKER {
        return None;
    }
    let (low, high) = (bits.bits(1)?, bits.bits(1)?);
    let profile = high << 1 | low;
    if profile == 3 {
        bits.skip(1)?;
    }
    // Neither a frame that is shown again nor an inter-frame.
    if bits.flag()? || bits.flag()? {
        return None;
    }
    bits.skip(2)?; // show_frame, error_resilient_mode
    if bits.bits(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.skip(1)?; // ten_or_twelve_bit
    }
    if bits.bits(3)? != RGB {
        bits.skip(1)?; // color_range
        if profile & 1 == 1 {
            bits.skip(3)?;
        }
    } else if profile & 1 == 1 {
        bits.skip(1)?;
    }
    let (width, height) = (bits.bits(16)? + 1, bits.bits(16)? + 1);
    Some(Picture { width, height, frame_rate: None })
}

crate::fields! {
    VERSION = "rtmpt.video.vpx.config.version", Uint, "Version", "1, of the box in a file (own name).";
    FLAGS = "rtmpt.video.vpx.config.flags", Hex, "Flags", "0, of the box in a file (own name).";
    PROFILE = "rtmpt.video.vpx.config.profile", Uint, "VP profile", "0 to 3 (own name).";
    LEVEL = "rtmpt.video.vpx.config.level", Uint, "VP level", "Ten times the level (own name).";
    BIT_DEPTH_BYTE = "rtmpt.video.vpx.config.bit_depth_byte", Hex, "Bit depth and chroma", "4, 3 and 1 bits (own name).";
    BIT_DEPTH = "rtmpt.video.vpx.config.bit_depth", Uint, "Bit depth", "8, 10 or 12 (own name).";
    CHROMA = "rtmpt.video.vpx.config.chroma_subsampling", Uint, "Chroma subsampling", "0 to 3 (own name).";
    FULL_RANGE = "rtmpt.video.vpx.config.full_range", Uint, "Full range", "1: full, 0: legal (own name).";
    PRIMARIES = "rtmpt.video.vpx.config.primaries", Uint, "Colour primaries", "ISO/IEC 23091-2 (own name).";
    TRANSFER = "rtmpt.video.vpx.config.transfer", Uint, "Transfer characteristics", "ISO/IEC 23091-2 (own name).";
    MATRIX = "rtmpt.video.vpx.config.matrix", Uint, "Matrix coefficients", "ISO/IEC 23091-2 (own name).";
    INITIALIZATION_LENGTH = "rtmpt.video.vpx.config.initialization_length", Uint, "Initialization data length", "0 (own name).";
    INITIALIZATION = "rtmpt.video.vpx.config.initialization", Bytes, "Initialization data", "None is defined (own name).";
}
