//! NAL units: how H.264, H.265 and H.266 cut their bit streams (ISO/IEC 14496-15).
//!
//! Takes the payload of a video packet, gives the units with type and length. Each unit is preceded by
//! its length; how many bytes the length has is in the configuration record, which a single message
//! does not have, so the size whose lengths end where the message ends is taken. Parameter sets are read
//! for the size of the frame; slices are not decoded.

use serde::Serialize;

use super::config::Picture;
use super::{avc, hevc};
use crate::field::{Defect, Reader, Record, Value};

/// How many units of one packet are listed. What follows stays one field of bytes.
pub const MAX_UNITS: usize = 4096;

/// Which codec's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalCodec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// H.266.
    Vvc,
}

/// One unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NalUnit {
    /// Its type's number.
    pub r#type: u8,
    /// Its type's name.
    pub name: &'static str,
    /// In bytes, its header included.
    pub length: u32,
}

/// The units of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NalUnits {
    /// The units, as far as they are here.
    pub units: Vec<NalUnit>,
    /// Whether their lengths end where the message ends.
    pub complete: bool,
}

/// Reads the units of a packet of which `missing` bytes at the end are not there.
pub fn units<R: Record>(
    codec: NalCodec,
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> NalUnits {
    let at = reader.at();
    let mut list = NalUnits { units: Vec::new(), complete: reader.is_empty() && missing == 0 };
    let Some(size) = length_size(reader.peek(), missing) else {
        let (code, text) = if has_start_codes(reader.peek(), missing) {
            let text = "the frame begins with a start code (Annex B), where the length of a NAL unit should be";
            ("nal-start-codes", text.to_owned())
        } else {
            ("nal-lengths", misfit(reader.peek(), at, missing))
        };
        defects.push(Defect::new(code, at, text));
        return list;
    };
    if size != 4 {
        reader.derived(&LENGTH_SIZE, || Value::Uint(size as u64), "the only size whose lengths fit the message");
    }
    while !reader.is_empty() && list.units.len() < MAX_UNITS {
        let at = reader.at();
        // A length that is cut is the end of what is here.
        let unit = reader.group(&NAL_UNIT, |reader| {
            let length = reader.uint(&LENGTH, size).ok()? as u32;
            let (unit, _) = unit(codec, reader, length);
            Some(unit)
        });
        let Some(unit) = unit else { break };
        if unit.length == 0 {
            defects.push(Defect::new("nal-empty", at, "a NAL unit of length 0"));
        }
        list.complete = at + size + unit.length as usize == reader.at() + missing as usize && reader.is_empty();
        list.units.push(unit);
    }
    list
}

/// Reads one unit of `length` bytes, or as much of it as is here. Of a parameter set also what it says.
pub fn unit<R: Record>(codec: NalCodec, reader: &mut Reader<'_, '_, R>, length: u32) -> (NalUnit, Option<Picture>) {
    let whole = reader.peek();
    let whole = &whole[..whole.len().min(length as usize)];
    let (mut r#type, mut picture) = (0, None);
    reader.within(length as usize, |reader| {
        match codec {
            NalCodec::Avc => {
                if let Ok(header) = reader.u8(&HEADER) {
                    reader.bits(&REF_IDC, header.into(), 5, 2);
                    r#type = reader.bits(&AVC_TYPE, header.into(), 0, 5) as u8;
                }
                if matches!(r#type, 7 | 15) {
                    picture = avc::sequence_parameter_set(whole);
                }
            }
            NalCodec::Hevc => {
                if let Ok(header) = reader.u16(&HEADER) {
                    r#type = reader.bits(&HEVC_TYPE, header.into(), 9, 6) as u8;
                    reader.bits(&LAYER_ID, header.into(), 3, 6);
                    reader.bits(&TEMPORAL_ID, header.into(), 0, 3);
                    if r#type == 33 {
                        picture = hevc::sequence_parameter_set(whole);
                    }
                }
            }
            NalCodec::Vvc => {
                if let Ok(header) = reader.u16(&HEADER) {
                    reader.bits(&LAYER_ID, header.into(), 8, 6);
                    r#type = reader.bits(&VVC_TYPE, header.into(), 3, 5) as u8;
                    reader.bits(&TEMPORAL_ID, header.into(), 0, 3);
                }
            }
        }
        reader.rest(&DATA);
    });
    let name = codec.type_name(r#type.into()).unwrap_or("unknown");
    reader.describe(|| match picture {
        Some(Picture { width, height, .. }) => format!("{name}, {length} bytes, {width}x{height}"),
        None => format!("{name}, {length} bytes"),
    });
    (NalUnit { r#type, name, length }, picture)
}

/// Whether bytes whose lengths do not fit are units between start codes (H.264 B.1). `00 00 01` is also how a length
/// of 256 to 511 begins; it counts if no such length fits, or if a second one follows, for none is inside a unit.
fn has_start_codes(bytes: &[u8], missing: u32) -> bool {
    match bytes {
        [0, 0, 0, 1, ..] => true,
        [0, 0, 1, low, rest @ ..] => {
            let length = 0x100 | usize::from(*low);
            length > rest.len() + missing as usize || rest.windows(3).any(|window| window == [0, 0, 1])
        }
        _ => false,
    }
}

/// Where lengths of four bytes, which are what everybody writes, cease to fit.
fn misfit(bytes: &[u8], at: usize, missing: u32) -> String {
    let (mut none, end) = ((), bytes.len() as u64 + u64::from(missing));
    let mut ahead = Reader::new(bytes, &mut none);
    let mut units = 0;
    while let Ok(length) = ahead.u32(&LENGTH) {
        let left = end - ahead.at() as u64;
        units += 1;
        if u64::from(length) > left {
            let place = at + ahead.at() - 4;
            return format!("NAL unit {units}, at offset {place}, has a length of {length} bytes, {left} are left");
        }
        ahead.within(length as usize, |unit| unit.rest(&DATA));
    }
    format!("bytes after NAL unit {units}: {}, too few for a length", end - ahead.at() as u64)
}

/// How many bytes a unit's length has: 4 almost always, else the first size that fits. 3 is not allowed
/// (ISO/IEC 14496-15 5.3.3.1.2).
fn length_size(bytes: &[u8], missing: u32) -> Option<usize> {
    [4, 2, 1].into_iter().find(|&size| {
        let mut none = ();
        let mut ahead = Reader::new(bytes, &mut none);
        while !ahead.is_empty() {
            let Ok(length) = ahead.uint(&LENGTH, size) else { return missing > 0 };
            let Ok(length) = usize::try_from(length) else { return false };
            // A unit has a header, so an empty one is where a guess went wrong.
            if length == 0 && size != 4 {
                return false;
            }
            if length > ahead.remaining() {
                return length - ahead.remaining() <= missing as usize;
            }
            ahead.within(length, |unit| unit.rest(&DATA));
        }
        true
    })
}

impl NalCodec {
    fn type_name(self, number: u64) -> Option<&'static str> {
        match self {
            NalCodec::Avc => avc_type_name(number),
            NalCodec::Hevc => hevc_type_name(number),
            NalCodec::Vvc => vvc_type_name(number),
        }
    }
}

/// H.264 table 7-1.
fn avc_type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "slice",
        2 => "slice partition A",
        3 => "slice partition B",
        4 => "slice partition C",
        5 => "IDR slice",
        6 => "SEI",
        7 => "SPS",
        8 => "PPS",
        9 => "access unit delimiter",
        10 => "end of sequence",
        11 => "end of stream",
        12 => "filler",
        13 => "SPS extension",
        14 => "prefix",
        15 => "subset SPS",
        19 => "auxiliary slice",
        20 => "slice extension",
        _ => return None,
    })
}

/// H.265 table 7-1.
fn hevc_type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        0 | 1 => "TRAIL",
        2 | 3 => "TSA",
        4 | 5 => "STSA",
        6 | 7 => "RADL",
        8 | 9 => "RASL",
        16..=18 => "BLA",
        19 | 20 => "IDR",
        21 => "CRA",
        32 => "VPS",
        33 => "SPS",
        34 => "PPS",
        35 => "access unit delimiter",
        36 => "end of sequence",
        37 => "end of stream",
        38 => "filler",
        39 => "prefix SEI",
        40 => "suffix SEI",
        _ => return None,
    })
}

/// H.266 table 5.
fn vvc_type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "TRAIL",
        1 => "STSA",
        2 => "RADL",
        3 => "RASL",
        7 | 8 => "IDR",
        9 => "CRA",
        10 => "GDR",
        12 => "OPI",
        13 => "DCI",
        14 => "VPS",
        15 => "SPS",
        16 => "PPS",
        17 => "prefix APS",
        18 => "suffix APS",
        19 => "picture header",
        20 => "access unit delimiter",
        21 => "end of sequence",
        22 => "end of stream",
        23 => "prefix SEI",
        24 => "suffix SEI",
        25 => "filler",
        _ => return None,
    })
}

crate::fields! {
    NAL_UNIT = "rtmpt.video.nal", Group, "NAL unit", "A unit of the bit stream (own name).";
    LENGTH_SIZE = "rtmpt.video.nal.length_size", Uint, "NAL length size",
        "Bytes of each length (ISO/IEC 14496-15 5.3.3; own name).";
    LENGTH = "rtmpt.video.nal.length", Uint, "NAL unit length", "Bytes that follow (ISO/IEC 14496-15; own name).";
    HEADER = "rtmpt.video.nal.header", Hex, "NAL unit header", "What the unit is (own name).";
    REF_IDC = "rtmpt.video.nal.ref_idc", Uint, "Reference", "0: no other frame needs it (H.264 7.4.1; own name).";
    AVC_TYPE = "rtmpt.video.nal.type", Uint, "NAL unit type", "H.264 table 7-1 (own name).", avc_type_name;
    HEVC_TYPE = "rtmpt.video.nal.type", Uint, "NAL unit type", "H.265 table 7-1 (own name).", hevc_type_name;
    VVC_TYPE = "rtmpt.video.nal.type", Uint, "NAL unit type", "H.266 table 5 (own name).", vvc_type_name;
    LAYER_ID = "rtmpt.video.nal.layer_id", Uint, "Layer ID", "H.265 7.4.2.2, H.266 7.4.2.2 (own name).";
    TEMPORAL_ID = "rtmpt.video.nal.temporal_id_plus1", Uint, "Temporal ID plus 1",
        "H.265 7.4.2.2, H.266 7.4.2.2 (own name).";
    DATA = "rtmpt.video.nal.data", Bytes, "NAL unit data", "The unit after its header (own name).";
}
