//! H.264: AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1) and sequence parameter sets
//! (H.264 7.3.2.1.1).
//!
//! Takes the record after a sequence header, gives profile, level, size and frame rate.

use super::config::{self, Picture, VideoConfig};
use super::nal::{self, NAL_UNIT, NalCodec};
use crate::field::{BitReader, Defect, Reader, Record};

/// Reads the record to the end of the reader, or as far as it goes.
pub fn config<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<VideoConfig> {
    config::record(reader, missing, defects, (INVALID, "AVCDecoderConfigurationRecord"), fields)
}

fn fields<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    config: &mut VideoConfig,
    defects: &mut Vec<Defect>,
) -> Result<(), Defect> {
    config::no_start_code(reader, INVALID)?;
    let at = reader.at();
    let version = reader.u8(&VERSION)?;
    if version != 1 {
        return Err(Defect::new(INVALID, at, format!("its version is {version}, not 1")));
    }
    let profile = reader.u8(&PROFILE)?;
    let constraints = reader.u8(&COMPATIBILITY)?;
    let level = reader.u8(&LEVEL)?;
    config.profile = profile_name(profile, constraints);
    config.level = level_name(profile, constraints, level);
    let sizes = reader.u8(&LENGTH_SIZE_BYTE)?;
    let size = reader.bits(&LENGTH_SIZE, sizes.into(), 0, 2) as u8 + 1;
    config::check_length_size(at + 4, size, INVALID, defects);
    config.nal_length_size = Some(size);
    let count = reader.u8(&SPS_COUNT_BYTE)?;
    let count = reader.bits(&SPS_COUNT, count.into(), 0, 5);
    if count == 0 {
        return Err(Defect::new(INVALID, reader.at(), "it has no sequence parameter set"));
    }
    for _ in 0..count {
        config.picture(parameter_set(reader)?);
    }
    for _ in 0..reader.u8(&PPS_COUNT)? {
        parameter_set(reader)?;
    }
    if has_chroma_format(profile) && reader.remaining() >= 4 {
        let chroma = reader.u8(&CHROMA_FORMAT_BYTE)?;
        reader.bits(&CHROMA_FORMAT, chroma.into(), 0, 2);
        let luma = reader.u8(&BIT_DEPTH_LUMA_BYTE)?;
        reader.bits(&BIT_DEPTH_LUMA, luma.into(), 0, 3);
        let chroma = reader.u8(&BIT_DEPTH_CHROMA_BYTE)?;
        reader.bits(&BIT_DEPTH_CHROMA, chroma.into(), 0, 3);
        for _ in 0..reader.u8(&SPS_EXT_COUNT)? {
            parameter_set(reader)?;
        }
    }
    reader.rest(&EXTENSION);
    Ok(())
}

/// Whether chroma format and bit depths are in parameter sets and records (ISO/IEC 14496-15 5.3.3.1.2).
fn has_chroma_format(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

const INVALID: &str = "avc-config-invalid";

fn parameter_set<R: Record>(reader: &mut Reader<'_, '_, R>) -> Result<Option<Picture>, Defect> {
    reader.group(&NAL_UNIT, |reader| {
        let length = reader.u16(&SET_LENGTH)?;
        if usize::from(length) > reader.remaining() {
            let text = format!("a parameter set of {length} bytes, {} are left", reader.remaining());
            return Err(Defect::new(INVALID, reader.at(), text));
        }
        Ok(nal::unit(NalCodec::Avc, reader, length.into()).1)
    })
}

/// Size and frame rate from a sequence parameter set, its NAL unit header included.
pub fn sequence_parameter_set(unit: &[u8]) -> Option<Picture> {
    let mut bits = BitReader::unescaped(unit.get(1..)?);
    let profile = bits.bits(8)?;
    bits.skip(16)?; // constraint flags, level
    bits.ue()?; // seq_parameter_set_id
    let mut chroma_format = 1;
    let mut separate_planes = false;
    if has_chroma_format(profile as u8) {
        chroma_format = bits.ue()?;
        if chroma_format == 3 {
            separate_planes = bits.flag()?;
        }
        bits.ue()?; // bit depths of luma and chroma
        bits.ue()?;
        bits.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue()?; // log2_max_frame_num_minus4
    match bits.ue()? {
        0 => {
            bits.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue()?.min(255) {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue()?; // max_num_ref_frames
    bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
    let width_in_mbs = bits.ue()?.checked_add(1)?;
    let height_in_units = bits.ue()?.checked_add(1)?;
    let frame_mbs_only = bits.flag()?;
    if !frame_mbs_only {
        bits.skip(1)?; // mb_adaptive_frame_field_flag
    }
    bits.skip(1)?; // direct_8x8_inference_flag
    let fields = if frame_mbs_only { 1 } else { 2 };
    let (mut width, mut height) =
        (width_in_mbs.checked_mul(16)?, height_in_units.checked_mul(16)?.checked_mul(fields)?);
    if bits.flag()? {
        // In units of chroma samples, and of both fields (H.264 7.4.2.1.1).
        let (unit_x, unit_y) = match (chroma_format, separate_planes) {
            (1, _) => (2, 2 * fields),
            (2, _) => (2, fields),
            _ => (1, fields),
        };
        let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(unit_y)?)?;
    }
    let frame_rate = if bits.flag()? { vui_frame_rate(&mut bits) } else { None };
    Some(Picture { width, height, frame_rate })
}

fn scaling_list(bits: &mut BitReader<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last.wrapping_add(bits.se()?)).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Frame rate from the video usability information (H.264 E.1.1). A tick is a field.
fn vui_frame_rate(bits: &mut BitReader<'_>) -> Option<f64> {
    const EXTENDED_SAR: u32 = 255;
    if bits.flag()? && bits.bits(8)? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan
    }
    if bits.flag()? {
        bits.skip(4)?; // video format, full range
        if bits.flag()? {
            bits.skip(24)?; // colours
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma location
        bits.ue()?;
    }
    if !bits.flag()? {
        return None;
    }
    let (units_in_tick, time_scale) = (bits.bits(32)?, bits.bits(32)?);
    (units_in_tick != 0 && time_scale != 0).then(|| f64::from(time_scale) / (2.0 * f64::from(units_in_tick)))
}

/// The names of the profiles (H.264 A.2).
fn profile_name(profile: u8, constraints: u8) -> String {
    match profile {
        66 if constraints & 0x40 != 0 => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        83 => "Scalable Baseline",
        86 => "Scalable High",
        100 => "High",
        // constraint_set3: all pictures are intra (H.264 A.2.8 to A.2.11).
        110 if constraints & 0x10 != 0 => "High 10 Intra",
        110 => "High 10",
        122 if constraints & 0x10 != 0 => "High 4:2:2 Intra",
        122 => "High 4:2:2",
        244 if constraints & 0x10 != 0 => "High 4:4:4 Intra",
        244 => "High 4:4:4 Predictive",
        44 => "CAVLC 4:4:4",
        118 => "Multiview High",
        128 => "Stereo High",
        _ => return format!("profile {profile}"),
    }
    .to_owned()
}

/// The level as it is written (H.264 A.3.1): level 11 with constraint_set3 is 1b in the older profiles.
fn level_name(profile: u8, constraints: u8, level: u8) -> String {
    match level {
        9 => "1b".to_owned(),
        11 if constraints & 0x10 != 0 && matches!(profile, 66 | 77 | 88) => "1b".to_owned(),
        level if level % 10 == 0 => (level / 10).to_string(),
        level => format!("{}.{}", level / 10, level % 10),
    }
}

crate::fields! {
    VERSION = "rtmpt.video.avc.config.version", Uint, "Configuration version", "1 (ISO/IEC 14496-15 5.3.3.1; own name).";
    PROFILE = "rtmpt.video.avc.config.profile", Uint, "AVC profile", "profile_idc (own name).";
    COMPATIBILITY = "rtmpt.video.avc.config.compatibility", Hex, "Profile compatibility", "constraint_set flags (own name).";
    LEVEL = "rtmpt.video.avc.config.level", Uint, "AVC level", "level_idc (own name).";
    LENGTH_SIZE_BYTE = "rtmpt.video.avc.config.length_size", Hex, "Length size", "How long lengths are (own name).";
    LENGTH_SIZE = "rtmpt.video.avc.config.length_size_minus_one", Uint, "Length size minus one", "0, 1 or 3 (own name).";
    SPS_COUNT_BYTE = "rtmpt.video.avc.config.num_sps", Hex, "Sequence parameter sets", "How many follow (own name).";
    SPS_COUNT = "rtmpt.video.avc.config.num_sps.count", Uint, "Count", "How many follow (own name).";
    PPS_COUNT = "rtmpt.video.avc.config.num_pps", Uint, "Picture parameter sets", "How many follow (own name).";
    SET_LENGTH = "rtmpt.video.config.nal.length", Uint, "Parameter set length", "Bytes that follow (own name).";
    CHROMA_FORMAT_BYTE = "rtmpt.video.avc.config.chroma_format_byte", Hex, "Chroma format", "In the lower 2 bits (own name).";
    CHROMA_FORMAT = "rtmpt.video.avc.config.chroma_format", Uint, "Chroma format", "0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4 (own name).";
    BIT_DEPTH_LUMA_BYTE = "rtmpt.video.avc.config.bit_depth_luma_byte", Hex, "Luma bit depth", "In the lower 3 bits (own name).";
    BIT_DEPTH_LUMA = "rtmpt.video.avc.config.bit_depth_luma", Uint, "Luma bit depth less 8", "3 bits (own name).";
    BIT_DEPTH_CHROMA_BYTE = "rtmpt.video.avc.config.bit_depth_chroma_byte", Hex, "Chroma bit depth", "In the lower 3 bits (own name).";
    BIT_DEPTH_CHROMA = "rtmpt.video.avc.config.bit_depth_chroma", Uint, "Chroma bit depth less 8", "3 bits (own name).";
    SPS_EXT_COUNT = "rtmpt.video.avc.config.num_sps_ext", Uint, "Sequence parameter set extensions", "How many follow (own name).";
    EXTENSION = "rtmpt.video.avc.config.extension", Bytes, "Extension", "Bytes after the parameter sets (own name).";
}
