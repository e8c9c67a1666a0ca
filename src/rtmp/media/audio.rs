//! The audio tag header (FLV E.4.2.1; enhanced RTMP, ExAudioTagHeader).
//!
//! Takes the bytes of a body of type 8, gives the format, what the format adds (AAC's packet type and
//! configuration, a FourCC) and the length of the audio itself.

use serde::Serialize;

use super::FourCc;
use super::aac::{self, AudioSpecificConfig};
use super::content::{self, AudioContent};
use super::enhanced::{self, ExHeader, Names, Track, multitrack_type_name};
use crate::field::{Defect, Reader, Record};

/// The body of an audio message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audio<'a> {
    /// The header.
    #[serde(flatten)]
    pub tag: AudioTag,
    /// How many bytes of the message follow the header, whether we have them or not.
    pub payload_length: u32,
    /// Those of them that we have.
    #[serde(skip)]
    pub payload: &'a [u8],
}

/// The header of an audio message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AudioTag {
    /// No byte at all. Enhanced RTMP lets it mean silence.
    Empty {},
    /// The header of FLV.
    Legacy {
        /// SoundFormat, 0 to 15.
        format: u8,
        /// Its name.
        codec: &'static str,
        /// SoundRate, 0 to 3; of no meaning for AAC.
        rate: u8,
        /// SoundSize: 0 for 8, 1 for 16 bits a sample.
        size: u8,
        /// SoundType: 0 mono, 1 stereo; of no meaning for AAC.
        r#type: u8,
        /// AACPacketType: 0 configuration, 1 audio. Only for AAC.
        #[serde(skip_serializing_if = "Option::is_none")]
        aac_packet_type: Option<u8>,
        /// The configuration, if the packet is one and could be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        config: Option<AudioSpecificConfig>,
    },
    /// The header of enhanced RTMP: SoundFormat is 9.
    Enhanced {
        /// The rest of the header.
        #[serde(flatten)]
        header: ExHeader,
        /// The content of a message without Multitrack.
        #[serde(flatten)]
        content: AudioContent,
        /// The tracks of a message with Multitrack.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tracks: Vec<Track<AudioContent>>,
    },
}

impl Audio<'_> {
    /// Whether the message carries the configuration of a codec and no audio.
    pub fn is_config(&self) -> bool {
        match &self.tag {
            AudioTag::Empty {} => false,
            AudioTag::Legacy { aac_packet_type, .. } => *aac_packet_type == Some(0),
            AudioTag::Enhanced { header, .. } => matches!(header.packet_type, 0 | 4),
        }
    }

    /// Whether no sound is in it and no configuration: the end of a sequence, or no byte after the header. Senders may
    /// leave such messages out.
    pub fn is_optional(&self) -> bool {
        match &self.tag {
            AudioTag::Empty {} => true,
            AudioTag::Legacy { .. } => self.payload.is_empty() && !self.is_config(),
            AudioTag::Enhanced { header, .. } => header.packet_type == 2,
        }
    }
}

/// SoundFormat of AAC.
pub const AAC: u8 = 10;

/// SoundFormat that says: the header is one of enhanced RTMP. All four bits count; Speex is 11.
pub const EX_HEADER: u8 = 9;

/// Decodes the body of an audio message of which `missing` bytes at the end are not there.
pub fn decode<'a, R: Record>(reader: &mut Reader<'a, '_, R>, missing: u32, defects: &mut Vec<Defect>) -> Audio<'a> {
    let tag = reader.group(&HEADER, |reader| header(reader, defects));
    match reader.is_empty() {
        true => behind_header(tag, reader, missing, defects),
        false => reader.group(&DATA, |reader| behind_header(tag, reader, missing, defects)),
    }
}

/// What comes after the header; for FLV's, that is the control byte.
fn behind_header<'a, R: Record>(
    mut tag: AudioTag,
    reader: &mut Reader<'a, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Audio<'a> {
    if let AudioTag::Legacy { format, aac_packet_type, .. } = &mut tag {
        *aac_packet_type = packet_type(*format, reader, defects);
    }
    let payload_length = reader.remaining() as u32 + missing;
    let payload = reader.peek();
    let tag = match tag {
        AudioTag::Legacy { format: AAC, codec, rate, size, r#type, aac_packet_type: Some(0), .. } => {
            // An empty configuration is what ffmpeg writes when it copies from ADTS; the real one follows.
            let config = if payload_length == 0 { None } else { aac::decode(reader, missing, defects) };
            AudioTag::Legacy { format: AAC, codec, rate, size, r#type, aac_packet_type: Some(0), config }
        }
        AudioTag::Enhanced { mut header, content, .. } if header.multitrack_type.is_some() => {
            let packet_type = header.packet_type;
            let tracks =
                enhanced::tracks(reader, &NAMES, &mut header, missing, defects, |codec, reader, missing, defects| {
                    content::audio(codec, packet_type, reader, missing, defects)
                });
            AudioTag::Enhanced { header, content, tracks }
        }
        AudioTag::Enhanced { header, content, tracks } => {
            let content = match header.four_cc {
                Some(codec) => content::audio(codec, header.packet_type, reader, missing, defects),
                None => content,
            };
            AudioTag::Enhanced { header, content, tracks }
        }
        tag => tag,
    };
    reader.rest(&PAYLOAD);
    Audio { tag, payload_length, payload }
}

fn header<R: Record>(reader: &mut Reader<'_, '_, R>, defects: &mut Vec<Defect>) -> AudioTag {
    let at = reader.at();
    let Ok(control) = reader.u8(&CONTROL) else { return AudioTag::Empty {} };
    let whole = u64::from(control);
    let format = reader.bits(&FORMAT, whole, 4, 4) as u8;
    if format == EX_HEADER {
        let packet_type = reader.bits(&PACKET_TYPE, whole, 0, 4) as u8;
        let mut header = ExHeader { packet_type, ..ExHeader::default() };
        let read = enhanced::mod_ex(reader, &NAMES, &mut header, defects)
            .and_then(|()| enhanced::multitrack(reader, &NAMES, &mut header, defects));
        if let Err(defect) = read {
            // Without the codec the content has no layout.
            header.multitrack_type = None;
            header.four_cc = None;
            defects.push(defect);
        }
        return AudioTag::Enhanced { header, content: AudioContent::default(), tracks: Vec::new() };
    }
    if codec_name(format) == "unknown" {
        let text = format!("audio format {format} is reserved (FLV E.4.2.1)");
        defects.push(Defect::new("audio-format", at, text));
    }
    let rate = reader.bits(&RATE, whole, 2, 2) as u8;
    let size = reader.bits(&SIZE, whole, 1, 1) as u8;
    let r#type = reader.bits(&TYPE, whole, 0, 1) as u8;
    reader.describe(|| {
        let name = |table: fn(u64) -> Option<&'static str>, value: u8| table(value.into()).unwrap_or("unknown");
        let (format, rate) = (name(wireshark_format_name, format), name(rate_name, rate));
        format!("Control: {control:#04x} ({format} {rate} {} {})", name(size_name, size), name(type_name, r#type))
    });
    AudioTag::Legacy { format, codec: codec_name(format), rate, size, r#type, aac_packet_type: None, config: None }
}

/// AACPacketType, which only AAC has.
fn packet_type<R: Record>(format: u8, reader: &mut Reader<'_, '_, R>, defects: &mut Vec<Defect>) -> Option<u8> {
    if format != AAC {
        return None;
    }
    let at = reader.at();
    let packet_type = reader.u8(&AAC_PACKET_TYPE).map_err(|short| defects.push(short.into())).ok()?;
    if packet_type > 1 {
        let text = format!("AACPacketType {packet_type}: only 0 and 1 are defined (FLV E.4.2.1)");
        defects.push(Defect::new("aac-packet-type", at, text));
    }
    Some(packet_type)
}

/// The common name of a SoundFormat.
pub fn codec_name(format: u8) -> &'static str {
    match format {
        0 | 3 => "PCM",
        1 => "ADPCM",
        2 => "MP3",
        4 => "Nellymoser 16 kHz",
        5 => "Nellymoser 8 kHz",
        6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        9 => "enhanced RTMP",
        10 => "AAC",
        11 => "Speex",
        14 => "MP3 8 kHz",
        15 => "device-specific",
        _ => "unknown",
    }
}

/// Wireshark's names of the SoundFormats; 9, which it calls Nellymoser, is the header of enhanced RTMP.
fn wireshark_format_name(format: u64) -> Option<&'static str> {
    Some(match format {
        0 => "Uncompressed",
        1 => "ADPCM",
        2 => "MP3",
        3 => "Uncompressed, little-endian",
        4 => "Nellymoser 16kHz",
        5 => "Nellymoser 8kHz",
        6 => "Nellymoser",
        7 => "G711A",
        8 => "G711U",
        9 => "Enhanced RTMP",
        10 => "HE-AAC",
        11 => "SPEEX",
        14 => "MP3 8kHz",
        15 => "Device-specific",
        _ => return None,
    })
}

/// The names of SoundRate.
pub fn rate_name(rate: u64) -> Option<&'static str> {
    Some(match rate {
        0 => "5.5 kHz",
        1 => "11 kHz",
        2 => "22 kHz",
        3 => "44 kHz",
        _ => return None,
    })
}

fn size_name(size: u64) -> Option<&'static str> {
    Some(if size == 0 { "8 bit" } else { "16 bit" })
}

/// The names of SoundType.
pub fn type_name(channels: u64) -> Option<&'static str> {
    Some(if channels == 0 { "mono" } else { "stereo" })
}

fn aac_packet_type_name(packet_type: u64) -> Option<&'static str> {
    Some(match packet_type {
        0 => "AAC sequence header",
        1 => "AAC raw",
        _ => return None,
    })
}

/// The names of AudioPacketType (enhanced RTMP).
pub fn packet_type_name(packet_type: u64) -> Option<&'static str> {
    Some(match packet_type {
        0 => "SequenceStart",
        1 => "CodedFrames",
        2 => "SequenceEnd",
        4 => "MultichannelConfig",
        5 => "Multitrack",
        7 => "ModEx",
        _ => return None,
    })
}

const NAMES: Names = Names {
    medium: "audio",
    multitrack: 5,
    knows: FourCc::is_audio,
    packet_type: &PACKET_TYPE,
    four_cc: &FOUR_CC,
    multitrack_control: &MULTITRACK_CONTROL,
    multitrack_type: &MULTITRACK_TYPE,
    multitrack_packet_type: &MULTITRACK_PACKET_TYPE,
    track: &TRACK,
    track_id: &TRACK_ID,
    track_length: &TRACK_LENGTH,
};

crate::fields! {
    HEADER = "rtmpt.audio", Group, "Audio header", "What comes before the audio (FLV E.4.2.1; own name).";
    CONTROL = "rtmpt.audio.control", Hex, "Control", "Format, rate, size and type in one byte (FLV E.4.2.1).";
    FORMAT = "rtmpt.audio.format", Uint, "Format", "SoundFormat (FLV E.4.2.1).", wireshark_format_name;
    RATE = "rtmpt.audio.rate", Uint, "Sample rate", "SoundRate (FLV E.4.2.1).", rate_name;
    SIZE = "rtmpt.audio.size", Uint, "Sample size", "SoundSize (FLV E.4.2.1).", size_name;
    TYPE = "rtmpt.audio.type", Uint, "Channels", "SoundType (FLV E.4.2.1).", type_name;
    AAC_PACKET_TYPE = "rtmpt.audio.aac.packet_type", Uint, "AAC packet type",
        "Configuration or audio (FLV E.4.2.1; own name).", aac_packet_type_name;
    PACKET_TYPE = "rtmpt.audio.packet_type", Uint, "Packet type", "AudioPacketType (enhanced RTMP).",
        packet_type_name;
    FOUR_CC = "rtmpt.audio.fourcc", Text, "FourCC", "The codec (enhanced RTMP).";
    MULTITRACK_CONTROL = "rtmpt.audio.multitrack.control", Hex, "Multitrack control",
        "Multitrack type and packet type in one byte (enhanced RTMP).";
    MULTITRACK_TYPE = "rtmpt.audio.multitrack.type", Uint, "Multitrack type", "AvMultitrackType (enhanced RTMP).",
        multitrack_type_name;
    MULTITRACK_PACKET_TYPE = "rtmpt.audio.multitrack.track.packet_type", Uint, "Packet type",
        "AudioPacketType of all tracks (enhanced RTMP).", packet_type_name;
    TRACK = "rtmpt.audio.multitrack.track", Group, "Track", "One track of a message (enhanced RTMP; own name).";
    TRACK_ID = "rtmpt.audio.multitrack.track.id", Uint, "Track ID", "0 for the default track (enhanced RTMP).";
    TRACK_LENGTH = "rtmpt.audio.multitrack.track.length", Uint, "Track length", "Bytes that follow (enhanced RTMP).";
    DATA = "rtmpt.audio.data", Bytes, "Audio data",
        "Everything after the control byte, or after the header of enhanced RTMP.";
    PAYLOAD = "rtmpt.audio.payload", Bytes, "Payload", "The audio, or what could not be read of it (own name).";
}

#[cfg(test)]
mod tests {
    use super::super::super::MessageTypeId;
    use super::super::super::body::decode;
    use super::super::super::summary::detail;

    /// JSON, detail and defects of an audio body.
    fn read(bytes: &[u8], length: u32) -> (String, String, Vec<&'static str>) {
        let decoded = decode(MessageTypeId::AUDIO, bytes, length, &mut ());
        let codes = decoded.defects.iter().map(|defect| defect.code).collect();
        (serde_json::to_string(&decoded.body).unwrap(), detail(MessageTypeId::AUDIO, &decoded.body), codes)
    }

    #[test]
    fn aac_configuration_and_sound() {
        // AF: AAC 44 kHz 16 bit stereo; 00: configuration; 12 10: AAC-LC, index 4 (44100 Hz), 2 channels.
        let (json, detail, codes) = read(&[0xaf, 0, 0x12, 0x10], 4);
        assert_eq!(
            json,
            concat!(
                r#"{"format":10,"codec":"AAC","rate":3,"size":1,"type":1,"aac_packet_type":0,"#,
                r#""config":{"object_type":2,"sampling_frequency":44100,"channel_configuration":2},"payload_length":2}"#
            )
        );
        assert_eq!((detail.as_str(), codes), ("AAC config 44.1 kHz stereo", vec![]));
        // Sound, of which only the first bytes are here.
        let (json, detail, codes) = read(&[0xaf, 1, 0x21], 300);
        assert!(json.ends_with(r#""aac_packet_type":1,"payload_length":298}"#), "{json}");
        assert_eq!((detail.as_str(), codes), ("AAC", vec![]));
        // What ffmpeg writes before it knows the configuration, and a tag without a packet type.
        assert_eq!(read(&[0xaf, 0], 2).1, "AAC config, empty");
        assert_eq!(read(&[0xaf], 1).2, ["body-short"]);
    }

    #[test]
    fn other_formats() {
        for (control, expected) in [
            (0x2a, "MP3 22 kHz mono"),   // 0010 10 1 0
            (0x2f, "MP3 44 kHz stereo"), // 0010 11 1 1
            (0xb2, "Speex 16 kHz mono"), // 1011 00 1 0: bit 7 and bit 4 are set, but it is no enhanced header
            (0x72, "G.711 A-law 8 kHz mono"),
            (0x42, "Nellymoser 16 kHz"),
            (0xc0, "format 12 5.5 kHz mono"),
        ] {
            assert_eq!(read(&[control, 0x55], 2).1, expected);
        }
        assert_eq!(read(&[], 0), (r#"{"payload_length":0}"#.into(), "empty".into(), vec![]));
    }

    /// As `tshark -G values` 4.0.17 has them for `rtmpt.audio.format`, but 9; it lacks 14 and 15, which are in FLV E.4.2.1.
    #[test]
    fn sound_formats_have_wiresharks_names() {
        let names: Vec<_> = (0..16).map(|format| super::wireshark_format_name(format).unwrap_or("-")).collect();
        let expected = "Uncompressed|ADPCM|MP3|Uncompressed, little-endian|Nellymoser 16kHz|Nellymoser 8kHz|Nellymoser|\
                        G711A|G711U|Enhanced RTMP|HE-AAC|SPEEX|-|-|MP3 8kHz|Device-specific";
        assert_eq!(names.join("|"), expected);
    }
}
