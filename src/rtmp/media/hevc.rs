//! H.265: HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1) and sequence parameter sets
//! (H.265 7.3.2.2).
//!
//! Takes the record after a sequence header, gives profile, level, size and frame rate.

use super::avc::SET_LENGTH;
use super::config::{self, Picture, VideoConfig};
use super::nal::{self, NAL_UNIT, NalCodec};
use crate::field::{BitReader, Defect, Reader, Record};

/// Reads the record to the end of the reader, or as far as it goes.
pub fn config<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<VideoConfig> {
    config::record(reader, missing, defects, (INVALID, "HEVCDecoderConfigurationRecord"), fields)
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
        // Written by encoders from before the standard was final; the layout was the same.
        defects.push(Defect::new(INVALID, at, format!("the version of the record is {version}, not 1")));
    }
    let profile = u64::from(reader.u8(&PROFILE_BYTE)?);
    reader.bits(&PROFILE_SPACE, profile, 6, 2);
    let tier = reader.bits(&TIER, profile, 5, 1);
    let profile = reader.bits(&PROFILE, profile, 0, 5);
    reader.u32(&COMPATIBILITY)?;
    reader.uint(&CONSTRAINTS, 6)?;
    let level = reader.u8(&LEVEL)?;
    config.profile = profile_name(profile);
    config.level = level_name(level.into(), tier == 1);
    reader.u16(&SEGMENTATION)?;
    reader.u8(&PARALLELISM)?;
    reader.u8(&CHROMA_FORMAT)?;
    reader.u8(&BIT_DEPTH_LUMA)?;
    reader.u8(&BIT_DEPTH_CHROMA)?;
    reader.u16(&AVERAGE_FRAME_RATE)?;
    let layers = u64::from(reader.u8(&LAYERS)?);
    let size = reader.bits(&LENGTH_SIZE, layers, 0, 2) as u8 + 1;
    config::check_length_size(reader.at() - 1, size, INVALID, defects);
    config.nal_length_size = Some(size);
    for _ in 0..reader.u8(&ARRAY_COUNT)? {
        reader.group(&ARRAY, |reader| array(reader, config))?;
    }
    reader.rest(&EXTENSION);
    Ok(())
}

fn array<R: Record>(reader: &mut Reader<'_, '_, R>, config: &mut VideoConfig) -> Result<(), Defect> {
    reader.u8(&ARRAY_TYPE)?;
    for _ in 0..reader.u16(&ARRAY_LENGTH)? {
        reader.group(&NAL_UNIT, |reader| {
            let length = reader.u16(&SET_LENGTH)?;
            if usize::from(length) > reader.remaining() {
                let text = format!("a parameter set of {length} bytes, {} are left", reader.remaining());
                return Err(Defect::new(INVALID, reader.at(), text));
            }
            config.picture(nal::unit(NalCodec::Hevc, reader, length.into()).1);
            Ok(())
        })?;
    }
    Ok(())
}

const INVALID: &str = "hevc-config-invalid";

/// Size and frame rate from a sequence parameter set, its NAL unit header included.
pub fn sequence_parameter_set(unit: &[u8]) -> Option<Picture> {
    let mut bits = BitReader::unescaped(unit.get(2..)?);
    bits.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.bits(3)?;
    bits.skip(1)?; // sps_temporal_id_nesting_flag
    profile_tier_level(&mut bits, sub_layers)?;
    bits.ue()?; // sps_seq_parameter_set_id
    let chroma_format = bits.ue()?;
    let separate_planes = chroma_format == 3 && bits.flag()?;
    let (mut width, mut height) = (bits.ue()?, bits.ue()?);
    if bits.flag()? {
        // In units of chroma samples (H.265 7.4.3.2.1).
        let (unit_x, unit_y) = match (chroma_format, separate_planes) {
            (1, _) => (2, 2),
            (2, _) => (2, 1),
            _ => (1, 1),
        };
        let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(unit_y)?)?;
    }
    Some(Picture { width, height, frame_rate: frame_rate(&mut bits, sub_layers) })
}

fn profile_tier_level(bits: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(96)?; // general profile, tier, constraints, level
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// Frame rate from the video usability information, which comes after everything else (H.265 7.3.2.2.1).
fn frame_rate(bits: &mut BitReader<'_>, sub_layers: u32) -> Option<f64> {
    bits.ue()?; // bit depths of luma and chroma
    bits.ue()?;
    let log2_max_poc = bits.ue()?.checked_add(4).filter(|&log2| log2 <= 16)?;
    let first = if bits.flag()? { 0 } else { sub_layers };
    for _ in first..=sub_layers {
        bits.ues(3)?;
    }
    bits.ues(6)?; // sizes of blocks and depths of their trees
    if bits.flag()? && bits.flag()? {
        scaling_list_data(bits)?;
    }
    bits.skip(2)?; // amp, sample adaptive offset
    if bits.flag()? {
        bits.skip(8)?; // pcm bit depths
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    reference_picture_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue()?.min(32) {
            bits.skip(log2_max_poc as usize + 1)?; // long-term reference pictures
        }
    }
    bits.skip(2)?; // temporal mvp, strong intra smoothing
    if !bits.flag()? {
        return None;
    }
    vui_frame_rate(bits)
}

fn scaling_list_data(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.ue()?;
                continue;
            }
            if size > 1 {
                bits.se()?;
            }
            for _ in 0..64.min(1 << (4 + (size << 1))) {
                bits.se()?;
            }
        }
    }
    Some(())
}

/// Short-term reference picture sets; a set may be a change of the one before (H.265 7.3.7).
fn reference_picture_sets(bits: &mut BitReader<'_>) -> Option<()> {
    let mut last = 0;
    for set in 0..bits.ue()?.min(64) {
        last = if set > 0 && bits.flag()? {
            bits.skip(1)?;
            bits.ue()?;
            let mut count = 0;
            for _ in 0..=last {
                let used = bits.flag()?;
                if used || bits.flag()? {
                    count += 1;
                }
            }
            count
        } else {
            let (negative, positive) = (bits.ue()?, bits.ue()?);
            let count = negative.checked_add(positive).filter(|&count| count <= 32)?;
            for _ in 0..count {
                bits.ue()?;
                bits.skip(1)?;
            }
            count
        };
    }
    Some(())
}

/// H.265 E.2.1.
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
    bits.skip(3)?; // neutral chroma, fields, frame and field info
    if bits.flag()? {
        bits.ues(4)?; // default display window
    }
    if !bits.flag()? {
        return None;
    }
    let (units_in_tick, time_scale) = (bits.bits(32)?, bits.bits(32)?);
    (units_in_tick != 0 && time_scale != 0).then(|| f64::from(time_scale) / f64::from(units_in_tick))
}

/// The names of the profiles (H.265 A.3).
fn profile_name(profile: u64) -> String {
    match profile {
        1 => "Main",
        2 => "Main 10",
        3 => "Main Still Picture",
        4 => "Rext",
        5 => "High Throughput",
        6 => "Multiview Main",
        7 => "Scalable Main",
        8 => "3D Main",
        9 => "Scc",
        _ => return format!("profile {profile}"),
    }
    .to_owned()
}

/// The level as it is written: thirty times it is on the wire (H.265 A.4.1).
fn level_name(level: u32, high_tier: bool) -> String {
    let tier = if high_tier { " high tier" } else { "" };
    match (level / 30, level % 30 / 3) {
        (major, 0) => format!("{major}{tier}"),
        (major, minor) => format!("{major}.{minor}{tier}"),
    }
}

crate::fields! {
    VERSION = "rtmpt.video.hevc.config.version", Uint, "Configuration version", "1 (ISO/IEC 14496-15 8.3.3.1; own name).";
    PROFILE_BYTE = "rtmpt.video.hevc.config.profile_byte", Hex, "Profile and tier", "Space, tier and profile (own name).";
    PROFILE_SPACE = "rtmpt.video.hevc.config.profile_space", Uint, "Profile space", "0 (own name).";
    TIER = "rtmpt.video.hevc.config.tier", Uint, "Tier", "1: high (own name).";
    PROFILE = "rtmpt.video.hevc.config.profile", Uint, "HEVC profile", "general_profile_idc (own name).";
    COMPATIBILITY = "rtmpt.video.hevc.config.compatibility", Hex, "Profile compatibility", "A bit each profile (own name).";
    CONSTRAINTS = "rtmpt.video.hevc.config.constraints", Hex, "Constraints", "48 bits (own name).";
    LEVEL = "rtmpt.video.hevc.config.level", Uint, "HEVC level", "general_level_idc, 30 times the level (own name).";
    SEGMENTATION = "rtmpt.video.hevc.config.min_spatial_segmentation", Hex, "Minimum spatial segmentation", "12 bits (own name).";
    PARALLELISM = "rtmpt.video.hevc.config.parallelism", Hex, "Parallelism type", "2 bits (own name).";
    CHROMA_FORMAT = "rtmpt.video.hevc.config.chroma_format", Hex, "Chroma format", "2 bits (own name).";
    BIT_DEPTH_LUMA = "rtmpt.video.hevc.config.bit_depth_luma", Hex, "Luma bit depth less 8", "3 bits (own name).";
    BIT_DEPTH_CHROMA = "rtmpt.video.hevc.config.bit_depth_chroma", Hex, "Chroma bit depth less 8", "3 bits (own name).";
    AVERAGE_FRAME_RATE = "rtmpt.video.hevc.config.average_frame_rate", Uint, "Average frame rate",
        "In frames per 256 s; 0 if unknown (own name).";
    LAYERS = "rtmpt.video.hevc.config.layers", Hex, "Layers and length size", "Temporal layers, nesting, length size (own name).";
    LENGTH_SIZE = "rtmpt.video.hevc.config.length_size_minus_one", Uint, "Length size minus one", "0, 1 or 3 (own name).";
    ARRAY_COUNT = "rtmpt.video.hevc.config.num_arrays", Uint, "Arrays", "How many follow (own name).";
    ARRAY = "rtmpt.video.hevc.config.array", Group, "Array", "Parameter sets of one type (own name).";
    ARRAY_TYPE = "rtmpt.video.hevc.config.array.type", Hex, "Array type", "Completeness and NAL unit type (own name).";
    ARRAY_LENGTH = "rtmpt.video.hevc.config.array.length", Uint, "NAL units", "How many follow (own name).";
    EXTENSION = "rtmpt.video.hevc.config.extension", Bytes, "Extension", "Bytes after the arrays (own name).";
}
