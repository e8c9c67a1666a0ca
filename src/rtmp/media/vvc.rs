//! H.266: VVCDecoderConfigurationRecord (ISO/IEC 14496-15 11.2.4.2).
//!
//! Takes the record after a sequence header, gives profile, level, size and frame rate: this record
//! carries them itself, so parameter sets need not be read.

use super::avc::SET_LENGTH;
use super::config::{self, VideoConfig};
use super::nal::{self, NAL_UNIT, NalCodec};
use crate::field::{Defect, Reader, Record};

/// Reads the record to the end of the reader, or as far as it goes.
pub fn config<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<VideoConfig> {
    config::record(reader, missing, defects, (INVALID, "VVCDecoderConfigurationRecord"), fields)
}

fn fields<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    config: &mut VideoConfig,
    _: &mut Vec<Defect>,
) -> Result<(), Defect> {
    config::no_start_code(reader, INVALID)?;
    let sizes = u64::from(reader.u8(&SIZES)?);
    config.nal_length_size = Some(reader.bits(&LENGTH_SIZE, sizes, 1, 2) as u8 + 1);
    if reader.bits(&PTL_PRESENT, sizes, 0, 1) == 1 {
        profile_tier_level(reader, config)?;
    }
    for _ in 0..reader.u8(&ARRAY_COUNT)? {
        reader.group(&ARRAY, array)?;
    }
    reader.rest(&EXTENSION);
    Ok(())
}

fn profile_tier_level<R: Record>(reader: &mut Reader<'_, '_, R>, config: &mut VideoConfig) -> Result<(), Defect> {
    let layers = u64::from(reader.u16(&LAYERS)?);
    let sublayers = reader.bits(&SUBLAYERS, layers, 4, 3);
    reader.u8(&BIT_DEPTH)?;
    let constraint_bytes = u64::from(reader.u8(&CONSTRAINT_BYTES)?) & 0x3f;
    let profile = u64::from(reader.u8(&PROFILE_BYTE)?);
    let tier = reader.bits(&TIER, profile, 0, 1);
    let profile = reader.bits(&PROFILE, profile, 1, 7);
    let level = reader.u8(&LEVEL)?;
    reader.bytes(&CONSTRAINTS, constraint_bytes as usize)?;
    if sublayers > 1 {
        let present = reader.u8(&SUBLAYER_LEVELS_PRESENT)?;
        // One bit for each sublayer but the last, from the left.
        let count = (present >> (9 - sublayers)).count_ones();
        for _ in 0..count {
            reader.u8(&SUBLAYER_LEVEL)?;
        }
    }
    for _ in 0..reader.u8(&SUB_PROFILE_COUNT)? {
        reader.u32(&SUB_PROFILE)?;
    }
    config.profile = match profile {
        1 => "Main 10".to_owned(),
        17 => "Multilayer Main 10".to_owned(),
        33 => "Main 10 4:4:4".to_owned(),
        65 => "Main 10 Still Picture".to_owned(),
        _ => format!("profile {profile}"),
    };
    // Sixteen times the major number and three times the minor one (H.266 A.4.1).
    let minor = level % 16 / 3;
    config.level = if minor == 0 { format!("{}", level / 16) } else { format!("{}.{minor}", level / 16) };
    if tier == 1 {
        config.level.push_str(" high tier");
    }
    config.width = Some(reader.u16(&MAX_WIDTH)?.into());
    config.height = Some(reader.u16(&MAX_HEIGHT)?.into());
    let rate = reader.u16(&AVERAGE_FRAME_RATE)?;
    config.frame_rate = (rate != 0).then(|| f64::from(rate) / 256.0);
    Ok(())
}

fn array<R: Record>(reader: &mut Reader<'_, '_, R>) -> Result<(), Defect> {
    const OPERATING_POINT: u8 = 12;
    const DECODING_CAPABILITY: u8 = 13;
    let kind = reader.u8(&ARRAY_TYPE)? & 0x1f;
    // Of these two there is always exactly one, so no count is written.
    let count = if matches!(kind, OPERATING_POINT | DECODING_CAPABILITY) { 1 } else { reader.u16(&ARRAY_LENGTH)? };
    for _ in 0..count {
        reader.group(&NAL_UNIT, |reader| {
            let length = reader.u16(&SET_LENGTH)?;
            if usize::from(length) > reader.remaining() {
                let text = format!("a parameter set of {length} bytes, {} are left", reader.remaining());
                return Err(Defect::new(INVALID, reader.at(), text));
            }
            nal::unit(NalCodec::Vvc, reader, length.into());
            Ok(())
        })?;
    }
    Ok(())
}

const INVALID: &str = "vvc-config-invalid";

crate::fields! {
    SIZES = "rtmpt.video.vvc.config.sizes", Hex, "Length size and flags", "ISO/IEC 14496-15 11.2.4.2 (own name).";
    LENGTH_SIZE = "rtmpt.video.vvc.config.length_size_minus_one", Uint, "Length size minus one", "0, 1 or 3 (own name).";
    PTL_PRESENT = "rtmpt.video.vvc.config.ptl_present", Uint, "Profile present", "1: profile, tier and level follow (own name).";
    LAYERS = "rtmpt.video.vvc.config.layers", Hex, "Layers", "Layer set, sublayers, frame rate, chroma format (own name).";
    SUBLAYERS = "rtmpt.video.vvc.config.num_sublayers", Uint, "Sublayers", "How many (own name).";
    BIT_DEPTH = "rtmpt.video.vvc.config.bit_depth", Hex, "Bit depth", "Less 8, in the upper three bits (own name).";
    CONSTRAINT_BYTES = "rtmpt.video.vvc.config.num_bytes_constraint_info", Hex, "Constraint bytes", "How many follow (own name).";
    PROFILE_BYTE = "rtmpt.video.vvc.config.profile_byte", Hex, "Profile and tier", "7 bits and 1 (own name).";
    PROFILE = "rtmpt.video.vvc.config.profile", Uint, "VVC profile", "general_profile_idc (own name).";
    TIER = "rtmpt.video.vvc.config.tier", Uint, "Tier", "1: high (own name).";
    LEVEL = "rtmpt.video.vvc.config.level", Uint, "VVC level", "general_level_idc (own name).";
    CONSTRAINTS = "rtmpt.video.vvc.config.constraints", Bytes, "Constraints", "Flags (own name).";
    SUBLAYER_LEVELS_PRESENT = "rtmpt.video.vvc.config.sublayer_levels_present", Hex, "Sublayer levels present", "A bit each (own name).";
    SUBLAYER_LEVEL = "rtmpt.video.vvc.config.sublayer_level", Uint, "Sublayer level", "sublayer_level_idc (own name).";
    SUB_PROFILE_COUNT = "rtmpt.video.vvc.config.num_sub_profiles", Uint, "Sub-profiles", "How many follow (own name).";
    SUB_PROFILE = "rtmpt.video.vvc.config.sub_profile", Hex, "Sub-profile", "general_sub_profile_idc (own name).";
    MAX_WIDTH = "rtmpt.video.vvc.config.max_picture_width", Uint, "Maximum picture width", "In pixels (own name).";
    MAX_HEIGHT = "rtmpt.video.vvc.config.max_picture_height", Uint, "Maximum picture height", "In pixels (own name).";
    AVERAGE_FRAME_RATE = "rtmpt.video.vvc.config.average_frame_rate", Uint, "Average frame rate",
        "In frames per 256 s; 0 if unknown (own name).";
    ARRAY_COUNT = "rtmpt.video.vvc.config.num_arrays", Uint, "Arrays", "How many follow (own name).";
    ARRAY = "rtmpt.video.vvc.config.array", Group, "Array", "Parameter sets of one type (own name).";
    ARRAY_TYPE = "rtmpt.video.vvc.config.array.type", Hex, "Array type", "Completeness and NAL unit type (own name).";
    ARRAY_LENGTH = "rtmpt.video.vvc.config.array.length", Uint, "NAL units", "How many follow (own name).";
    EXTENSION = "rtmpt.video.vvc.config.extension", Bytes, "Extension", "Bytes after the arrays (own name).";
}
