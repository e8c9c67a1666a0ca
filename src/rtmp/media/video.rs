//! The video tag header (FLV E.4.3.1; enhanced RTMP, ExVideoTagHeader).
//!
//! Takes the bytes of a body of type 9, gives frame type, codec, packet type and composition time, and
//! the length of the picture itself.

use serde::Serialize;

use super::FourCc;
use crate::field::{Defect, Reader, Record};

/// The body of a video message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Video<'a> {
    /// The header.
    #[serde(flatten)]
    pub tag: VideoTag,
    /// How many bytes of the message follow the header, whether we have them or not.
    pub payload_length: u32,
    /// Those of them that we have.
    #[serde(skip)]
    pub payload: &'a [u8],
}

/// The header of a video message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum VideoTag {
    /// No byte at all.
    Empty {},
    /// The header of FLV.
    Legacy {
        /// FrameType, 1 to 5.
        frame_type: u8,
        /// CodecID, 0 to 15.
        codec_id: u8,
        /// Its name.
        codec: &'static str,
        /// AVCPacketType: 0 configuration, 1 pictures, 2 end. Only for H.264 and H.265.
        #[serde(skip_serializing_if = "Option::is_none")]
        avc_packet_type: Option<u8>,
        /// How much later than the timestamp the picture is shown, in milliseconds. Only for H.264 and H.265.
        #[serde(skip_serializing_if = "Option::is_none")]
        composition_time: Option<i32>,
        /// What a video info/command frame says: 0 start of client-side seek, 1 end.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<u8>,
    },
    /// The header of enhanced RTMP: the first bit is set.
    Enhanced {
        /// FrameType, 1 to 5.
        frame_type: u8,
        /// VideoPacketType, 0 to 15.
        packet_type: u8,
        /// The codec, where the header names it at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        four_cc: Option<FourCc>,
    },
}

/// CodecID of H.264.
pub const AVC: u8 = 7;

/// CodecID that is used for H.265, with the layout of H.264, by those who do not use enhanced RTMP.
pub const HEVC: u8 = 12;

/// FrameType of a video info/command frame.
pub const COMMAND_FRAME: u8 = 5;

/// Decodes the body of a video message of which `missing` bytes at the end are not there.
pub fn decode<'a, R: Record>(reader: &mut Reader<'a, '_, R>, missing: u32, defects: &mut Vec<Defect>) -> Video<'a> {
    let tag = reader.group(&HEADER, |reader| header(reader, defects));
    let payload_length = reader.remaining() as u32 + missing;
    let payload = reader.rest(&DATA);
    Video { tag, payload_length, payload }
}

fn header<R: Record>(reader: &mut Reader<'_, '_, R>, defects: &mut Vec<Defect>) -> VideoTag {
    let Ok(control) = reader.u8(&CONTROL) else { return VideoTag::Empty {} };
    let whole = u64::from(control);
    let enhanced = reader.bits(&IS_EX_HEADER, whole, 7, 1) == 1;
    let frame_type = reader.bits(&TYPE, whole, 4, 3) as u8;
    if enhanced {
        let packet_type = reader.bits(&PACKET_TYPE, whole, 0, 4) as u8;
        // 6 and 7 put other things in front of the FourCC, and a command frame has none.
        let none = matches!(packet_type, 6 | 7) || (frame_type == COMMAND_FRAME && packet_type != 4);
        let four_cc = if none { Ok(None) } else { FourCc::read(reader, &FOUR_CC).map(Some) };
        let four_cc = four_cc.unwrap_or_else(|short| {
            defects.push(short.into());
            None
        });
        return VideoTag::Enhanced { frame_type, packet_type, four_cc };
    }
    let codec_id = reader.bits(&FORMAT, whole, 0, 4) as u8;
    reader.describe(|| {
        let (frame, codec) = (frame_type_name(frame_type.into()), wireshark_codec_name(codec_id.into()));
        let unknown = |what, value: u8| format!("unknown {what} {value}");
        let frame = frame.map_or_else(|| unknown("frame type", frame_type), str::to_owned);
        let codec = codec.map_or_else(|| unknown("codec", codec_id), str::to_owned);
        format!("Control: {control:#04x} ({frame} {codec})")
    });
    let (mut avc_packet_type, mut composition_time, mut command) = (None, None, None);
    if frame_type == COMMAND_FRAME {
        command = reader.u8(&COMMAND).map_err(|short| defects.push(short.into())).ok();
    } else if matches!(codec_id, AVC | HEVC) {
        let rest = (|| {
            avc_packet_type = Some(reader.u8(&AVC_PACKET_TYPE)?);
            composition_time = Some(reader.int(&COMPOSITION_TIME, 3)? as i32);
            Ok(())
        })();
        defects.extend(rest.map_err(|short: crate::field::Short| Defect::from(short)).err());
    }
    let codec = codec_name(codec_id);
    VideoTag::Legacy { frame_type, codec_id, codec, avc_packet_type, composition_time, command }
}

/// The common name of a CodecID.
pub fn codec_name(codec_id: u8) -> &'static str {
    match codec_id {
        1 => "JPEG",
        2 => "H.263",
        3 => "Screen video",
        4 => "VP6",
        5 => "VP6 alpha",
        6 => "Screen video 2",
        7 => "H.264",
        8 => "Real H.263",
        9 => "MPEG-4",
        12 => "H.265",
        13 => "AV1",
        _ => "unknown",
    }
}

fn wireshark_codec_name(codec_id: u64) -> Option<&'static str> {
    Some(match codec_id {
        2 => "Sorensen H.263",
        3 => "Screen video",
        4 => "On2 VP6",
        5 => "On2 VP6+alpha",
        6 => "Screen video version 2",
        7 => "H.264",
        12 => "H.265",
        _ => return None,
    })
}

/// Wireshark's names of the frame types.
pub fn frame_type_name(frame_type: u64) -> Option<&'static str> {
    Some(match frame_type {
        1 => "keyframe",
        2 => "inter-frame",
        3 => "disposable inter-frame",
        4 => "generated key frame",
        5 => "video info/command frame",
        _ => return None,
    })
}

fn avc_packet_type_name(packet_type: u64) -> Option<&'static str> {
    Some(match packet_type {
        0 => "sequence header",
        1 => "NAL units",
        2 => "end of sequence",
        _ => return None,
    })
}

/// The names of VideoPacketType (enhanced RTMP).
pub fn packet_type_name(packet_type: u64) -> Option<&'static str> {
    Some(match packet_type {
        0 => "SequenceStart",
        1 => "CodedFrames",
        2 => "SequenceEnd",
        3 => "CodedFramesX",
        4 => "Metadata",
        5 => "MPEG2TSSequenceStart",
        6 => "Multitrack",
        7 => "ModEx",
        _ => return None,
    })
}

/// The names of the video commands.
pub fn command_name(command: u64) -> Option<&'static str> {
    Some(match command {
        0 => "StartSeek",
        1 => "EndSeek",
        _ => return None,
    })
}

crate::fields! {
    HEADER = "rtmpt.video", Group, "Video header", "What stands in front of the picture (FLV E.4.3.1; own name).";
    CONTROL = "rtmpt.video.control", Hex, "Control", "Frame type and codec in one byte (FLV E.4.3.1).";
    IS_EX_HEADER = "rtmpt.video.is_ex_header", Uint, "Enhanced header", "1: a header of enhanced RTMP.";
    TYPE = "rtmpt.video.type", Uint, "Type", "FrameType (FLV E.4.3.1).", frame_type_name;
    FORMAT = "rtmpt.video.format", Uint, "Format", "CodecID (FLV E.4.3.1).", wireshark_codec_name;
    PACKET_TYPE = "rtmpt.video.packet_type", Uint, "Packet type", "VideoPacketType (enhanced RTMP).",
        packet_type_name;
    FOUR_CC = "rtmpt.video.fourcc", Text, "FourCC", "The codec (enhanced RTMP).";
    COMMAND = "rtmpt.video.command", Uint, "Command", "What a video info/command frame says (FLV E.4.3.1).",
        command_name;
    AVC_PACKET_TYPE = "rtmpt.video.avc.packet_type", Uint, "AVC packet type",
        "Configuration, pictures or end (FLV E.4.3.1; own name).", avc_packet_type_name;
    COMPOSITION_TIME = "rtmpt.video.composition_time", Int, "Composition time",
        "How much later the picture is shown, in milliseconds, signed (FLV E.4.3.1; own name).";
    DATA = "rtmpt.video.data", Bytes, "Video data", "The pictures, or what could not be read of them.";
}

#[cfg(test)]
mod tests {
    use super::super::super::MessageTypeId;
    use super::super::super::body::decode;
    use super::super::super::summary::detail;

    /// JSON, detail and defects of a video body.
    fn read(bytes: &[u8], length: u32) -> (String, String, Vec<&'static str>) {
        let decoded = decode(MessageTypeId::VIDEO, bytes, length, &mut ());
        let codes = decoded.defects.iter().map(|defect| defect.code).collect();
        (serde_json::to_string(&decoded.body).unwrap(), detail(MessageTypeId::VIDEO, &decoded.body), codes)
    }

    #[test]
    fn h264_with_a_signed_composition_time() {
        // 17: keyframe, H.264; 01: NAL units; 000050: 80 ms.
        let (json, detail, codes) = read(&[0x17, 1, 0, 0, 0x50], 1005);
        assert_eq!(
            json,
            concat!(
                r#"{"frame_type":1,"codec_id":7,"codec":"H.264","avc_packet_type":1,"composition_time":80,"#,
                r#""payload_length":1000}"#
            )
        );
        assert_eq!((detail.as_str(), codes), ("keyframe H.264 cts 80 ms", vec![]));
        assert_eq!(read(&[0x27, 1, 0xff, 0xff, 0xd8], 100).1, "inter-frame H.264 cts -40 ms");
        assert_eq!(read(&[0x17, 2, 0, 0, 0], 5).1, "keyframe H.264 end of sequence");
        assert_eq!(read(&[0x1c, 1, 0, 0, 0], 500).1, "keyframe H.265");
        let (json, _, codes) = read(&[0x17, 1, 0], 3);
        assert!(json.contains(r#""avc_packet_type":1,"payload_length":1"#), "{json}");
        assert_eq!(codes, ["body-short"]);
    }

    #[test]
    fn other_codecs_and_commands() {
        assert_eq!(read(&[0x22, 0], 2).1, "inter-frame H.263");
        assert_eq!(read(&[0x34, 0], 2).1, "disposable inter-frame VP6");
        assert_eq!(read(&[0x00, 0xff], 2).1, "frame type 0 codec 0");
        // Frame type 5: one byte of command in place of a picture, whatever the codec.
        assert_eq!(read(&[0x57, 0], 2).1, "command StartSeek");
        assert_eq!(read(&[0x52, 1], 2).1, "command EndSeek");
        assert_eq!(read(&[], 0), (r#"{"payload_length":0}"#.into(), "empty".into(), vec![]));
    }
}
