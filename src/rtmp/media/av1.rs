//! AV1: AV1CodecConfigurationRecord (AV1 in ISOBMFF 2.3), sequence headers and lists of OBUs (AV1 5.3).
//!
//! Takes the record after a sequence start, or the OBUs of a frame; gives profile, level and size, and
//! the OBUs with type and length. Pictures are not decoded.

use serde::Serialize;

use super::config::{CONFIG, Picture, VideoConfig};
use super::nal::MAX_UNITS;
use crate::field::{BitReader, Defect, Reader, Record, Short, Value};

/// One OBU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Obu {
    /// Its type's number.
    pub r#type: u8,
    /// Its type's name.
    pub name: &'static str,
    /// In bytes, without header and size.
    pub length: u32,
}

/// The OBUs of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obus {
    /// The OBUs, as far as they are here.
    pub units: Vec<Obu>,
    /// Whether they end where the message ends.
    pub complete: bool,
}

/// Reads the record to the end of the reader, or as far as it goes.
pub fn config<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<VideoConfig> {
    let at = reader.at();
    let config = reader.group(&CONFIG, |reader| {
        let mut config = VideoConfig::default();
        fields(reader, &mut config, defects)?;
        // Usually one sequence header.
        let obus = obus(reader, missing, defects);
        config.picture(obus.1);
        config.record(reader);
        Ok::<_, Short>(config)
    });
    match config {
        Ok(config) => Some(config),
        Err(_) if missing > 0 => None,
        Err(short) => {
            let text = format!("the AV1CodecConfigurationRecord is not valid: {}", Defect::from(short).message);
            defects.push(Defect::new("av1-config-invalid", at, text));
            None
        }
    }
}

/// Reads the four bytes that the record begins with, or the AV1 video descriptor of MPEG-2 TS ends with.
fn fields<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    config: &mut VideoConfig,
    defects: &mut Vec<Defect>,
) -> Result<(), Short> {
    const MARKER_AND_VERSION: u64 = 0x81;
    let at = reader.at();
    let version = u64::from(reader.u8(&VERSION_BYTE)?);
    reader.bits(&VERSION, version, 0, 7);
    if version != MARKER_AND_VERSION {
        let text = format!("an AV1 configuration begins with 0x81 (marker, version 1), this with {version:#04x}");
        defects.push(Defect::new("av1-config-invalid", at, text));
    }
    let byte = u64::from(reader.u8(&PROFILE_BYTE)?);
    let profile = reader.bits(&PROFILE, byte, 5, 3);
    let level = reader.bits(&LEVEL, byte, 0, 5);
    let byte = u64::from(reader.u8(&FLAGS)?);
    let tier = reader.bits(&TIER, byte, 7, 1);
    reader.bits(&HIGH_BIT_DEPTH, byte, 6, 1);
    reader.bits(&TWELVE_BIT, byte, 5, 1);
    reader.bits(&MONOCHROME, byte, 4, 1);
    reader.u8(&DELAY)?;
    config.profile = match profile {
        0 => "Main".to_owned(),
        1 => "High".to_owned(),
        2 => "Professional".to_owned(),
        _ => format!("profile {profile}"),
    };
    // AV1 A.3: level 2.0 is 0, four minor numbers to each major one; 31 stands for no limit.
    config.level = match level {
        31 => "maximum".to_owned(),
        _ => format!("{}.{}{}", 2 + (level >> 2), level & 3, if tier == 1 { " high tier" } else { "" }),
    };
    Ok(())
}

/// Reads the AV1 video descriptor that enhanced RTMP may carry in place of the record.
pub fn descriptor<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<VideoConfig> {
    let config = reader.group(&CONFIG, |reader| {
        let mut config = VideoConfig::default();
        let at = reader.at();
        let tag = reader.u8(&DESCRIPTOR_TAG)?;
        let length = reader.u8(&DESCRIPTOR_LENGTH)?;
        if (tag, length) != (0x80, 4) {
            let text = format!("an AV1 video descriptor has tag 0x80 and length 4, this {tag:#04x} and {length}");
            defects.push(Defect::new("av1-config-invalid", at, text));
        }
        fields(reader, &mut config, defects)?;
        config.record(reader);
        Ok::<_, Short>(config)
    });
    config
        .map_err(|short| {
            if missing == 0 {
                defects.push(short.into())
            }
        })
        .ok()
}

/// Reads the OBUs of a packet of which `missing` bytes at the end are not there, and what a sequence
/// header among them says.
pub fn obus<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> (Obus, Option<Picture>) {
    let mut list = Obus { units: Vec::new(), complete: reader.is_empty() && missing == 0 };
    let mut picture = None;
    while !reader.is_empty() && list.units.len() < MAX_UNITS {
        let at = reader.at();
        let unit = reader.group(&OBU, |reader| obu(reader, missing, &mut picture));
        match unit {
            Ok((unit, short)) => {
                list.complete = short == missing && reader.is_empty();
                list.units.push(unit);
            }
            Err(_) if missing > 0 => break,
            Err(defect) => {
                defects.push(Defect::new("av1-obu-invalid", at, defect.message));
                break;
            }
        }
    }
    (list, picture)
}

/// The OBUs that bytes are, to their last one: the type of each and its data. None unless each has a size, a type that is
/// known, and its reserved bits 0 (AV1 5.3.2).
pub fn tiled(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    const RESERVED: u8 = 0x81;
    const HAS_SIZE: u8 = 2;
    let (record, picture) = (&mut (), &mut None);
    let mut reader = Reader::new(bytes, record);
    let mut units = Vec::new();
    while let Some(&header) = reader.peek().first() {
        let is_header = header & RESERVED == 0 && header & HAS_SIZE != 0;
        let (unit, missing) = obu(&mut reader, 0, picture).ok()?;
        let end = bytes.len() - reader.remaining();
        if !is_header || missing > 0 || obu_type_name(unit.r#type.into()).is_none() {
            return None;
        }
        units.push((unit.r#type, &bytes[end - unit.length as usize..end]));
    }
    (!units.is_empty()).then_some(units)
}

/// Whether bytes are in the length-delimited form: a size before the temporal unit, each of its frames, and each of their
/// OBUs (AV1 annex B). Some leave out the size of the temporal unit.
pub fn is_length_delimited(bytes: &[u8]) -> bool {
    sized(bytes).is_some_and(|units| match &units[..] {
        [only] if are_frame_units(only) => true,
        _ => are_frame_units(bytes),
    })
}

fn are_frame_units(bytes: &[u8]) -> bool {
    const RESERVED: u8 = 0x81;
    let is_obu = |obu: &&[u8]| {
        let header = obu.first().copied().unwrap_or(RESERVED);
        header & RESERVED == 0 && obu_type_name(u64::from(header >> 3 & 15)).is_some()
    };
    let are_obus = |frame: &&[u8]| sized(frame).is_some_and(|obus| obus.iter().all(&is_obu));
    sized(bytes).is_some_and(|frames| frames.iter().all(are_obus))
}

/// The pieces that bytes are, each after its size.
fn sized(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    while !rest.is_empty() {
        let mut record = ();
        let mut reader = Reader::new(rest, &mut record);
        let length = usize::try_from(leb128(&mut reader).ok()?).ok()?;
        let (piece, next) = reader.peek().split_at_checked(length)?;
        pieces.push(piece);
        rest = next;
    }
    (!pieces.is_empty()).then_some(pieces)
}

/// The coded picture among the OBUs of a frame: frame headers, tile groups and frames, without delimiters, sequence
/// headers, metadata and padding (AV1 6.2.2).
pub fn picture(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    Some(tiled(bytes)?.into_iter().filter(|(kind, _)| matches!(kind, 3 | 4 | 6..=8)).collect())
}

/// One OBU, and how many of its bytes are not there.
fn obu<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    picture: &mut Option<Picture>,
) -> Result<(Obu, u32), Defect> {
    const SEQUENCE_HEADER: u8 = 1;
    let header = u64::from(reader.u8(&OBU_HEADER)?);
    let r#type = reader.bits(&OBU_TYPE, header, 3, 4) as u8;
    let extension = reader.bits(&OBU_EXTENSION_FLAG, header, 2, 1) == 1;
    let has_size = reader.bits(&OBU_HAS_SIZE, header, 1, 1) == 1;
    if extension {
        reader.u8(&OBU_EXTENSION)?;
    }
    let rest = reader.remaining() as u64 + u64::from(missing);
    let length = if has_size { leb128(reader)? } else { rest };
    let rest = reader.remaining() as u64 + u64::from(missing);
    if length > rest {
        let text = format!("an OBU of {length} bytes, {rest} are left");
        return Err(Defect::new("av1-obu-invalid", reader.at(), text));
    }
    let here = reader.remaining().min(length as usize);
    let data = reader.peek();
    if r#type == SEQUENCE_HEADER {
        *picture = sequence_header(&data[..here]).or(*picture);
    }
    reader.within(here, |reader| reader.rest(&OBU_DATA));
    let name = obu_type_name(r#type.into()).unwrap_or("unknown");
    reader.describe(|| format!("{name}, {length} bytes"));
    Ok((Obu { r#type, name, length: length as u32 }, (length - here as u64) as u32))
}

/// A number of one to eight bytes of 7 bits, the lowest first (AV1 4.10.5).
fn leb128<R: Record>(reader: &mut Reader<'_, '_, R>) -> Result<u64, Short> {
    let bytes = reader.peek();
    let len = (bytes.iter().take(7).take_while(|&&byte| byte >= 0x80).count() + 1).min(8);
    let bytes = reader.bytes(&OBU_SIZE_BYTES, len)?;
    let value = bytes.iter().rev().fold(0, |value, &byte| value << 7 | u64::from(byte & 0x7f));
    reader.derived(&OBU_SIZE, || Value::Uint(value), "seven bits of each byte");
    Ok(value)
}

/// Size and frame rate from a sequence header (AV1 5.5).
fn sequence_header(data: &[u8]) -> Option<Picture> {
    let mut bits = BitReader::new(data);
    bits.skip(4)?; // seq_profile, still_picture
    let mut frame_rate = None;
    if bits.flag()? {
        bits.skip(5)?; // reduced header: one level
    } else {
        let mut delay_length = None;
        if bits.flag()? {
            let (units, scale) = (bits.bits(32)?, bits.bits(32)?);
            let equal = bits.flag()?;
            let ticks = if equal { bits.ue()?.checked_add(1)? } else { 1 };
            frame_rate = (units != 0 && equal).then(|| f64::from(scale) / f64::from(units) / f64::from(ticks));
            if bits.flag()? {
                delay_length = Some(bits.bits(5)? as usize + 1);
                bits.skip(32 + 5 + 5)?;
            }
        }
        let display_delay = bits.flag()?;
        for _ in 0..=bits.bits(5)? {
            bits.skip(12)?; // operating_point_idc
            if bits.bits(5)? > 7 {
                bits.skip(1)?; // seq_tier
            }
            if let Some(length) = delay_length
                && bits.flag()?
            {
                bits.skip(2 * length + 1)?;
            }
            if display_delay && bits.flag()? {
                bits.skip(4)?;
            }
        }
    }
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    let (width, height) = (bits.bits(width_bits)? + 1, bits.bits(height_bits)? + 1);
    Some(Picture { width, height, frame_rate })
}

/// The names of the OBUs (AV1 6.2.2).
fn obu_type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "sequence header",
        2 => "temporal delimiter",
        3 => "frame header",
        4 => "tile group",
        5 => "metadata",
        6 => "frame",
        7 => "redundant frame header",
        8 => "tile list",
        15 => "padding",
        _ => return None,
    })
}

crate::fields! {
    VERSION_BYTE = "rtmpt.video.av1.config.marker", Hex, "Marker and version", "0x81 (AV1 in ISOBMFF 2.3.3; own name).";
    VERSION = "rtmpt.video.av1.config.version", Uint, "Version", "1 (own name).";
    PROFILE_BYTE = "rtmpt.video.av1.config.profile_byte", Hex, "Profile and level", "3 bits and 5 (own name).";
    PROFILE = "rtmpt.video.av1.config.profile", Uint, "AV1 profile", "seq_profile (own name).";
    LEVEL = "rtmpt.video.av1.config.level", Uint, "AV1 level", "seq_level_idx_0 (own name).";
    FLAGS = "rtmpt.video.av1.config.flags", Hex, "Flags", "Tier, bit depth, chroma (own name).";
    TIER = "rtmpt.video.av1.config.tier", Uint, "Tier", "1: high (own name).";
    HIGH_BIT_DEPTH = "rtmpt.video.av1.config.high_bitdepth", Uint, "High bit depth", "1: 10 or 12 bits (own name).";
    TWELVE_BIT = "rtmpt.video.av1.config.twelve_bit", Uint, "Twelve bit", "1: 12 bits (own name).";
    MONOCHROME = "rtmpt.video.av1.config.monochrome", Uint, "Monochrome", "1: no colour (own name).";
    DELAY = "rtmpt.video.av1.config.presentation_delay", Hex, "Initial presentation delay", "If its bit 4 is set (own name).";
    DESCRIPTOR_TAG = "rtmpt.video.av1.descriptor.tag", Hex, "Descriptor tag", "0x80 (AV1 in MPEG-2 TS; own name).";
    DESCRIPTOR_LENGTH = "rtmpt.video.av1.descriptor.length", Uint, "Descriptor length", "4 (AV1 in MPEG-2 TS; own name).";
    OBU = "rtmpt.video.av1.obu", Group, "OBU", "A unit of the bit stream (AV1 5.3; own name).";
    OBU_HEADER = "rtmpt.video.av1.obu.header", Hex, "OBU header", "What the unit is (AV1 5.3.2; own name).";
    OBU_TYPE = "rtmpt.video.av1.obu.type", Uint, "OBU type", "AV1 6.2.2 (own name).", obu_type_name;
    OBU_EXTENSION_FLAG = "rtmpt.video.av1.obu.extension_flag", Uint, "Extension", "1: a byte of layers follows (own name).";
    OBU_HAS_SIZE = "rtmpt.video.av1.obu.has_size", Uint, "Has size", "0: to the end of the message (own name).";
    OBU_EXTENSION = "rtmpt.video.av1.obu.extension", Hex, "OBU extension", "Temporal and spatial layer (own name).";
    OBU_SIZE_BYTES = "rtmpt.video.av1.obu.size_bytes", Bytes, "OBU size bytes", "The size as leb128 (AV1 4.10.5; own name).";
    OBU_SIZE = "rtmpt.video.av1.obu.size", Uint, "OBU size", "Bytes that follow (own name).";
    OBU_DATA = "rtmpt.video.av1.obu.data", Bytes, "OBU data", "The unit after its header (own name).";
}
