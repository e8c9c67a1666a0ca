//! Enhanced RTMP v2: what the headers of audio and video have in common.
//!
//! Takes a reader after the first byte of a body, gives the packet type that is really meant (ModEx and
//! Multitrack come before it), and calls back for the content of each track. The two media differ
//! in their fields' names and in their content, which are given by the caller.

use serde::Serialize;

use super::FourCc;
use crate::field::{Def, Defect, Reader, Record, Value};

/// How many tracks of a message are decoded: a track id is one byte.
pub const MAX_TRACKS: usize = 256;

/// Packet type of the signal that extends a packet, for audio and video alike.
pub const MOD_EX: u8 = 7;

/// The names of one medium's fields.
pub(super) struct Names {
    pub(super) medium: &'static str,
    pub(super) multitrack: u8,
    /// Whether a FourCC is one of this medium's.
    pub(super) knows: fn(FourCc) -> bool,
    pub(super) packet_type: &'static Def,
    pub(super) four_cc: &'static Def,
    pub(super) multitrack_control: &'static Def,
    pub(super) multitrack_type: &'static Def,
    pub(super) multitrack_packet_type: &'static Def,
    pub(super) track: &'static Def,
    pub(super) track_id: &'static Def,
    pub(super) track_length: &'static Def,
}

/// What comes before the content.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExHeader {
    /// AudioPacketType or VideoPacketType of the content.
    pub packet_type: u8,
    /// Extensions of the packet, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mod_ex: Vec<ModEx>,
    /// AvMultitrackType: 0 one track, 1 many, 2 many of several codecs. `None` without Multitrack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multitrack_type: Option<u8>,
    /// Whether there may be more tracks than are listed: the message is here only in part.
    #[serde(skip_serializing_if = "is_false")]
    pub tracks_incomplete: bool,
    /// The codec of the message, or of all its tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub four_cc: Option<FourCc>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// An extension of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ModEx {
    /// 0: a part of the timestamp.
    pub mod_ex_type: u8,
    /// How many bytes of data it has.
    pub length: u32,
    /// Nanoseconds to add to the timestamp, for type 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_offset_nano: Option<u32>,
}

/// One track of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Track<C> {
    /// 0 for the default track.
    pub track_id: u8,
    /// The codec, where each track has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub four_cc: Option<FourCc>,
    /// Its length in bytes, from after its header.
    pub length: u32,
    /// What it holds.
    #[serde(flatten)]
    pub content: C,
}

/// Reads the extensions of a packet, if it has any, and then knows the packet type.
pub(super) fn mod_ex<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    names: &Names,
    header: &mut ExHeader,
    defects: &mut Vec<Defect>,
) -> Result<(), Defect> {
    while header.packet_type == MOD_EX {
        reader.group(&MOD_EX_GROUP, |reader| {
            let at = reader.at();
            let mut length = u32::from(reader.u8(&MOD_EX_LENGTH)?) + 1;
            if length == 256 {
                length = u32::from(reader.u16(&MOD_EX_LENGTH_16)?) + 1;
            }
            let data = reader.bytes(&MOD_EX_DATA, length as usize)?;
            let byte = u64::from(reader.u8(&MOD_EX_TYPE_BYTE)?);
            let mod_ex_type = reader.bits(&MOD_EX_TYPE, byte, 4, 4) as u8;
            header.packet_type = reader.bits(names.packet_type, byte, 0, 4) as u8;
            let mut timestamp_offset_nano = None;
            if mod_ex_type == 0 {
                let nano = Reader::new(data, &mut ()).u24(&NANO).ok();
                if nano.is_none_or(|nano| nano > 999_999) {
                    let text = format!(
                        "TimestampOffsetNano {} in {length} bytes: it is 0 to 999999 in 3 bytes",
                        nano.map_or_else(|| "cut".to_owned(), |nano| nano.to_string())
                    );
                    defects.push(Defect::new("ertmp-nano-offset", at, text));
                }
                if let Some(nano) = nano {
                    reader.derived(&NANO, || Value::Uint(nano.into()), "the first three bytes of the data");
                }
                timestamp_offset_nano = nano;
            } else {
                let text = format!("ModEx type {mod_ex_type} is reserved; only 0, TimestampOffsetNano, is defined");
                defects.push(Defect::new("ertmp-modex-type", reader.at() - 1, text));
            }
            header.mod_ex.push(ModEx { mod_ex_type, length, timestamp_offset_nano });
            Ok::<_, Defect>(())
        })?;
    }
    Ok(())
}

/// Reads what is between the packet type and the content: Multitrack, if it is that, and the FourCC.
pub(super) fn multitrack<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    names: &Names,
    header: &mut ExHeader,
    defects: &mut Vec<Defect>,
) -> Result<(), Defect> {
    const MANY_CODECS: u8 = 2;
    if header.packet_type == names.multitrack {
        let at = reader.at();
        let byte = u64::from(reader.u8(names.multitrack_control)?);
        let multitrack_type = reader.bits(names.multitrack_type, byte, 4, 4) as u8;
        header.multitrack_type = Some(multitrack_type);
        header.packet_type = reader.bits(names.multitrack_packet_type, byte, 0, 4) as u8;
        if header.packet_type == names.multitrack || header.packet_type == MOD_EX {
            let text = format!("Multitrack holds packets of type {}, which hold others themselves", header.packet_type);
            return Err(Defect::new("ertmp-multitrack-nested", at, text));
        }
        if multitrack_type > MANY_CODECS {
            let text = format!("AvMultitrackType {multitrack_type} is not defined");
            return Err(Defect::new("ertmp-multitrack-type", at, text));
        }
        check_packet_type(at, names, header.packet_type, defects);
        if multitrack_type == MANY_CODECS {
            return Ok(());
        }
    } else {
        // After ModEx the type is in the byte before, without it in the first.
        check_packet_type(reader.at() - 1, names, header.packet_type, defects);
    }
    header.four_cc = Some(four_cc(reader, names, defects)?);
    Ok(())
}

fn check_packet_type(at: usize, names: &Names, packet_type: u8, defects: &mut Vec<Defect>) {
    if (names.packet_type.symbol)(packet_type.into()).is_none() {
        let text = format!("{} packet type {packet_type} is reserved (enhanced RTMP)", names.medium);
        defects.push(Defect::new("ertmp-packet-type", at, text));
    }
}

fn four_cc<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    names: &Names,
    defects: &mut Vec<Defect>,
) -> Result<FourCc, Defect> {
    let at = reader.at();
    let four_cc = FourCc::read(reader, names.four_cc)?;
    if !(names.knows)(four_cc) {
        let text = format!("the FourCC '{four_cc}' is not one that enhanced RTMP defines for {}", names.medium);
        defects.push(Defect::new("ertmp-fourcc-unknown", at, text));
    }
    Ok(four_cc)
}

/// Reads the tracks of a multitrack message to the end of the reader.
pub(super) fn tracks<'a, R: Record, C>(
    reader: &mut Reader<'a, '_, R>,
    names: &Names,
    header: &mut ExHeader,
    missing: u32,
    defects: &mut Vec<Defect>,
    content: impl Fn(FourCc, &mut Reader<'a, '_, R>, u32, &mut Vec<Defect>) -> C,
) -> Vec<Track<C>> {
    const ONE_TRACK: u8 = 0;
    let total = reader.remaining() as u64 + u64::from(missing);
    let mut listed = 0;
    let mut tracks: Vec<Track<C>> = Vec::new();
    if reader.is_empty() && missing == 0 {
        defects.push(Defect::new("ertmp-multitrack-empty", reader.at(), "a Multitrack message without a track"));
    }
    while !reader.is_empty() {
        if tracks.len() == MAX_TRACKS {
            let text = format!("more than {MAX_TRACKS} tracks in a message, the rest is not decoded");
            defects.push(Defect::new("ertmp-multitrack-too-many", reader.at(), text));
            break;
        }
        let track = reader.group(names.track, |reader| {
            let own = match header.four_cc {
                Some(_) => None,
                None => Some(four_cc(reader, names, defects)?),
            };
            let four_cc = own.or(header.four_cc).unwrap_or(FourCc([0; 4]));
            let track_id = reader.u8(names.track_id)?;
            reader.describe(|| format!("Track {track_id} {}", four_cc.name()));
            if header.multitrack_type == Some(ONE_TRACK) {
                let length = reader.remaining() as u32 + missing;
                let content = content(four_cc, reader, missing, defects);
                return Ok(Track { track_id, four_cc: own, length, content });
            }
            let at = reader.at();
            let length = reader.u24(names.track_length)?;
            let short = length.saturating_sub(reader.remaining() as u32);
            if short > missing {
                let text = format!("a track of {length} bytes, {} are left", reader.remaining());
                return Err(Defect::new("ertmp-multitrack-length", at, text));
            }
            let content = reader.within(length as usize, |reader| content(four_cc, reader, short, defects));
            Ok(Track { track_id, four_cc: own, length, content })
        });
        match track {
            Ok(track) => {
                // Its FourCC, if it has one, its id, its length if another may follow.
                let front = if track.four_cc.is_some() { 4 } else { 0 } + 1;
                let front = if header.multitrack_type == Some(ONE_TRACK) { front } else { front + 3 };
                listed += front + u64::from(track.length);
                tracks.push(track);
            }
            Err(defect) => {
                defects.push(defect);
                break;
            }
        }
    }
    header.tracks_incomplete = missing > 0 && listed < total;
    tracks
}

/// The names of AvMultitrackType.
pub fn multitrack_type_name(multitrack_type: u64) -> Option<&'static str> {
    Some(match multitrack_type {
        0 => "OneTrack",
        1 => "ManyTracks",
        2 => "ManyTracksManyCodecs",
        _ => return None,
    })
}

fn mod_ex_type_name(mod_ex_type: u64) -> Option<&'static str> {
    (mod_ex_type == 0).then_some("TimestampOffsetNano")
}

crate::fields! {
    MOD_EX_GROUP = "rtmpt.modex", Group, "ModEx", "An extension of a packet (enhanced RTMP; own name).";
    MOD_EX_LENGTH = "rtmpt.modex.length_minus_one", Uint, "Length less 1", "Of the data; 255: 16 bits follow (enhanced RTMP; own name).";
    MOD_EX_LENGTH_16 = "rtmpt.modex.length16_minus_one", Uint, "Length less 1", "Of the data (enhanced RTMP; own name).";
    MOD_EX_DATA = "rtmpt.modex.data", Bytes, "Data", "By type (enhanced RTMP; own name).";
    MOD_EX_TYPE_BYTE = "rtmpt.modex.control", Hex, "Control", "Type and the next packet type (enhanced RTMP; own name).";
    MOD_EX_TYPE = "rtmpt.modex.type", Uint, "Type", "What is extended (enhanced RTMP; own name).", mod_ex_type_name;
    NANO = "rtmpt.modex.timestamp_offset_nano", Uint, "Timestamp offset", "In nanoseconds (enhanced RTMP; own name).";
}
