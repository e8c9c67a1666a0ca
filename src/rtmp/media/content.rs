//! Codec and packet type → what comes after the header: the one match.
//!
//! Takes a reader after the header of a message or of a track, gives configuration, list of units and
//! composition time, as far as the codec has them; the rest is one field of bytes.

use serde::Serialize;

use super::aac::{self, AudioSpecificConfig};
use super::config::{Picture, VideoConfig};
use super::multichannel::{self, Multichannel};
use super::nal::{self, NalCodec, NalUnit};
use super::opus::{self, SoundConfig};
use super::{FourCc, audio, av1, avc, hevc, video, vpx, vvc};
use crate::amf::{Value, amf0};
use crate::field::{Defect, Reader, Record};

/// What a video message or track holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VideoContent<'a> {
    /// How much later than the timestamp the frame is shown, in milliseconds. Only in enhanced RTMP,
    /// and there only for H.264, H.265 and H.266.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composition_time: Option<i32>,
    /// The configuration, if this is one and could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<VideoConfig>,
    /// Width and height, where a frame itself contains them (VP8, VP9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture_size: Option<(u32, u32)>,
    /// The NAL units of H.264, H.265 and H.266, the OBUs of AV1.
    #[serde(skip_serializing_if = "Units::is_empty")]
    pub units: Units,
    /// Whether not all units are listed.
    #[serde(skip_serializing_if = "is_false")]
    pub units_incomplete: bool,
    /// Names and values of a metadata packet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<Value<'a>>,
    /// How many bytes follow what comes before the frame, whether we have them or not.
    #[serde(skip)]
    pub payload_length: u32,
    /// Those of them that we have.
    #[serde(skip)]
    pub payload: &'a [u8],
}

/// The units of a frame, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Units {
    /// NAL units.
    Nal(Vec<NalUnit>),
    /// OBUs of AV1.
    Obu(Vec<av1::Obu>),
}

impl Default for Units {
    fn default() -> Self {
        Units::Nal(Vec::new())
    }
}

impl Units {
    /// Whether none are listed.
    pub fn is_empty(&self) -> bool {
        match self {
            Units::Nal(units) => units.is_empty(),
            Units::Obu(units) => units.is_empty(),
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What an audio message or track of enhanced RTMP holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AudioContent {
    /// The configuration of AAC, if this is one and could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<AudioSpecificConfig>,
    /// The configuration of Opus or FLAC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundConfig>,
    /// Which speaker each channel is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multichannel: Option<Multichannel>,
}

/// Reads what a video message or track of enhanced RTMP holds.
pub(super) fn video<'a, R: Record>(
    codec: FourCc,
    packet_type: u8,
    reader: &mut Reader<'a, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> VideoContent<'a> {
    let mut content = VideoContent::default();
    if packet_type == 1 && nal_codec(codec).is_some() {
        let time = reader.int(&video::COMPOSITION_TIME, 3).map_err(|short| defects.push(short.into()));
        content.composition_time = time.ok().map(|time| time as i32);
    }
    content.payload_length = reader.remaining() as u32 + missing;
    content.payload = reader.peek();
    let fits = match packet_type {
        2 => reader.is_empty() && missing == 0,
        3 => nal_codec(codec).is_some(),
        5 => &codec.0 == b"av01",
        _ => true,
    };
    if !fits && codec.is_video() {
        let name = video::packet_type_name(packet_type.into()).unwrap_or_default();
        let text = match packet_type {
            2 => format!("{name} with a payload of {} bytes: it has none", content.payload_length),
            _ => format!("{name} is not defined for {} (enhanced RTMP, ExVideoTagBody)", codec.name()),
        };
        defects.push(Defect::new("ertmp-packet-content", reader.at(), text));
    }
    match packet_type {
        0 => content.config = config(codec, reader, missing, defects),
        1 | 3 => content.units(codec, reader, missing, defects),
        4 => {
            let values = amf0::values(reader);
            defects.extend(values.defects);
            content.metadata = values.values;
        }
        5 if &codec.0 == b"av01" => content.config = av1::descriptor(reader, missing, defects),
        _ => {}
    }
    reader.rest(&video::PAYLOAD);
    content
}

/// Reads a configuration record, if the codec has one that is known.
pub(super) fn config<R: Record>(
    codec: FourCc,
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<VideoConfig> {
    if reader.is_empty() {
        // ffmpeg with libaom starts AV1 like this; nothing can be said of it. Others need the record.
        if missing == 0 && nal_codec(codec).is_some() {
            let text = format!("a sequence start of {} without its configuration record", codec.name());
            defects.push(Defect::new("video-config-empty", reader.at(), text));
        }
        return None;
    }
    match &codec.0 {
        b"avc1" => avc::config(reader, missing, defects),
        b"hvc1" => hevc::config(reader, missing, defects),
        b"vvc1" => vvc::config(reader, missing, defects),
        b"av01" => av1::config(reader, missing, defects),
        b"vp08" | b"vp09" => vpx::config(reader, missing, defects),
        _ => None,
    }
}

impl VideoContent<'_> {
    /// Reads the units of a frame, if the codec has some that are known.
    pub(super) fn units<R: Record>(
        &mut self,
        codec: FourCc,
        reader: &mut Reader<'_, '_, R>,
        missing: u32,
        defects: &mut Vec<Defect>,
    ) {
        if let Some(codec) = nal_codec(codec) {
            let list = nal::units(codec, reader, missing, defects);
            self.units_incomplete = !list.complete;
            self.units = Units::Nal(list.units);
        } else if &codec.0 == b"av01" {
            let (list, _) = av1::obus(reader, missing, defects);
            self.units_incomplete = !list.complete;
            self.units = Units::Obu(list.units);
        } else {
            let picture = match &codec.0 {
                b"vp08" => vpx::vp8_key_frame(reader.peek()),
                b"vp09" => vpx::vp9_key_frame(reader.peek()),
                _ => None,
            };
            self.picture_size = picture.map(|Picture { width, height, .. }| (width, height));
        }
    }
}

fn nal_codec(codec: FourCc) -> Option<NalCodec> {
    Some(match &codec.0 {
        b"avc1" => NalCodec::Avc,
        b"hvc1" => NalCodec::Hevc,
        b"vvc1" => NalCodec::Vvc,
        _ => return None,
    })
}

/// Reads what an audio message or track of enhanced RTMP holds.
pub(super) fn audio<R: Record>(
    codec: FourCc,
    packet_type: u8,
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> AudioContent {
    let mut content = AudioContent::default();
    match (packet_type, &codec.0) {
        // An empty start of Opus means mono or stereo.
        (0, _) if reader.is_empty() => {}
        (0, b"mp4a") => content.config = aac::decode(reader, missing, defects),
        (0, b"Opus") => content.sound = opus::opus(reader, missing, defects),
        (0, b"fLaC") => content.sound = opus::flac(reader, missing, defects),
        (2, _) if !reader.is_empty() || missing > 0 => {
            let text =
                format!("SequenceEnd with a payload of {} bytes: it has none", reader.remaining() as u32 + missing);
            defects.push(Defect::new("ertmp-packet-content", reader.at(), text));
        }
        (4, _) => content.multichannel = multichannel::config(reader, missing, defects),
        _ => {}
    }
    reader.rest(&audio::PAYLOAD);
    content
}
