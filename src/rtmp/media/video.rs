//! The video tag header (FLV E.4.3.1; enhanced RTMP, ExVideoTagHeader).
//!
//! Takes the bytes of a body of type 9, gives frame type, codec, packet type and composition time, and
//! the length of the frame itself.

use serde::Serialize;

use super::FourCc;
use super::content::{self, VideoContent};
use super::enhanced::{self, ExHeader, Names, Track, multitrack_type_name};
use crate::field::{Defect, Reader, Record};

/// The body of a video message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Video<'a> {
    /// The header, and what is known of the content.
    #[serde(flatten)]
    pub tag: VideoTag<'a>,
    /// How many bytes of the message follow the header, whether we have them or not.
    pub payload_length: u32,
    /// Those of them that we have.
    #[serde(skip)]
    pub payload: &'a [u8],
}

/// The header of a video message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum VideoTag<'a> {
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
        /// AVCPacketType: 0 configuration, 1 frame, 2 end. Only for H.264 and H.265.
        #[serde(skip_serializing_if = "Option::is_none")]
        avc_packet_type: Option<u8>,
        /// How much later than the timestamp the frame is shown, in milliseconds. Only for H.264 and H.265.
        #[serde(skip_serializing_if = "Option::is_none")]
        composition_time: Option<i32>,
        /// What a video info/command frame says: 0 start of client-side seek, 1 end.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<u8>,
        /// The configuration or the NAL units after the header.
        #[serde(flatten)]
        content: VideoContent<'a>,
    },
    /// The header of enhanced RTMP: the first bit is set.
    Enhanced {
        /// FrameType, 1 to 5.
        frame_type: u8,
        /// The rest of the header.
        #[serde(flatten)]
        header: ExHeader,
        /// What a video info/command frame says.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<u8>,
        /// The content of a message without Multitrack.
        #[serde(flatten)]
        content: VideoContent<'a>,
        /// The tracks of a message with Multitrack.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tracks: Vec<Track<VideoContent<'a>>>,
    },
}

/// CodecID of H.264.
pub const AVC: u8 = 7;

/// CodecID that is used for H.265, with the layout of H.264, by those who do not use enhanced RTMP.
pub const HEVC: u8 = 12;

/// VideoPacketType of metadata.
pub const METADATA: u8 = 4;

/// FrameType of a video info/command frame.
pub const COMMAND_FRAME: u8 = 5;

impl Video<'_> {
    /// FrameType; `None` for an empty body.
    pub fn frame_type(&self) -> Option<u8> {
        match self.tag {
            VideoTag::Empty {} => None,
            VideoTag::Legacy { frame_type, .. } | VideoTag::Enhanced { frame_type, .. } => Some(frame_type),
        }
    }

    /// How much later than the timestamp the frame is shown, in milliseconds, if the message has one. With several
    /// tracks each has its own.
    pub fn composition_time(&self) -> Option<i32> {
        match &self.tag {
            VideoTag::Empty {} => None,
            VideoTag::Legacy { composition_time, .. } => *composition_time,
            VideoTag::Enhanced { content, .. } => content.composition_time,
        }
    }

    /// Whether the message carries the configuration of a codec and no frame.
    pub fn is_config(&self) -> bool {
        match &self.tag {
            VideoTag::Empty {} => false,
            VideoTag::Legacy { avc_packet_type, .. } => *avc_packet_type == Some(0),
            VideoTag::Enhanced { header, .. } => {
                self.frame_type() != Some(COMMAND_FRAME) && matches!(header.packet_type, 0 | 5)
            }
        }
    }

    /// Whether nothing of the video is in it: no frame and no configuration, but a command, metadata, the end of a
    /// sequence, or no byte at all. Senders may leave such messages out.
    pub fn is_optional(&self) -> bool {
        match &self.tag {
            VideoTag::Empty {} => true,
            _ if self.frame_type() == Some(COMMAND_FRAME) => true,
            VideoTag::Legacy { avc_packet_type, .. } => {
                *avc_packet_type == Some(2) || self.payload_length == 0 && !self.is_config()
            }
            VideoTag::Enhanced { header, .. } => matches!(header.packet_type, 2 | METADATA),
        }
    }

    /// Whether the message carries a frame that can be shown without others.
    pub fn is_keyframe(&self) -> bool {
        let picture = match &self.tag {
            VideoTag::Empty {} => false,
            VideoTag::Legacy { avc_packet_type, .. } => matches!(avc_packet_type, None | Some(1)),
            VideoTag::Enhanced { header, .. } => matches!(header.packet_type, 1 | 3),
        };
        picture && self.frame_type() == Some(1)
    }

    /// The codec's common name, if there is one for all the message.
    pub fn codec(&self) -> Option<String> {
        match &self.tag {
            VideoTag::Empty {} => None,
            VideoTag::Legacy { codec, .. } => Some((*codec).to_owned()),
            VideoTag::Enhanced { header, .. } => header.four_cc.map(FourCc::name),
        }
    }
}

/// Decodes the body of a video message of which `missing` bytes at the end are not there.
pub fn decode<'a, R: Record>(reader: &mut Reader<'a, '_, R>, missing: u32, defects: &mut Vec<Defect>) -> Video<'a> {
    let tag = reader.group(&HEADER, |reader| header(reader, defects));
    match reader.is_empty() {
        true => behind_header(tag, reader, missing, defects),
        false => reader.group(&DATA, |reader| behind_header(tag, reader, missing, defects)),
    }
}

/// What comes after the header; for FLV's, that is the control byte.
fn behind_header<'a, R: Record>(
    mut tag: VideoTag<'a>,
    reader: &mut Reader<'a, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Video<'a> {
    if let VideoTag::Legacy { frame_type, codec_id, avc_packet_type, composition_time, command, .. } = &mut tag {
        (*avc_packet_type, *composition_time, *command) = packet(*frame_type, *codec_id, reader, defects);
    }
    let mut payload_length = reader.remaining() as u32 + missing;
    let mut payload = reader.peek();
    let tag = match tag {
        VideoTag::Legacy { frame_type, codec_id, codec, avc_packet_type, composition_time, command, mut content } => {
            let four_cc = FourCc(if codec_id == HEVC { *b"hvc1" } else { *b"avc1" });
            match (avc_packet_type, composition_time) {
                (Some(0), Some(_)) => content.config = content::config(four_cc, reader, missing, defects),
                (Some(1), Some(_)) => content.units(four_cc, reader, missing, defects),
                _ => {}
            }
            VideoTag::Legacy { frame_type, codec_id, codec, avc_packet_type, composition_time, command, content }
        }
        VideoTag::Enhanced { frame_type, mut header, command, content, .. } if header.multitrack_type.is_some() => {
            let packet_type = header.packet_type;
            let tracks =
                enhanced::tracks(reader, &NAMES, &mut header, missing, defects, |codec, reader, missing, defects| {
                    content::video(codec, packet_type, reader, missing, defects)
                });
            VideoTag::Enhanced { frame_type, header, command, content, tracks }
        }
        VideoTag::Enhanced {
            frame_type, header: ExHeader { four_cc: Some(codec), packet_type, mod_ex, .. }, ..
        } => {
            let content = content::video(codec, packet_type, reader, missing, defects);
            payload_length = content.payload_length;
            payload = content.payload;
            let header = ExHeader { four_cc: Some(codec), packet_type, mod_ex, ..ExHeader::default() };
            VideoTag::Enhanced { frame_type, header, command: None, content, tracks: Vec::new() }
        }
        tag => tag,
    };
    reader.rest(&PAYLOAD);
    Video { tag, payload_length, payload }
}

fn header<'a, R: Record>(reader: &mut Reader<'a, '_, R>, defects: &mut Vec<Defect>) -> VideoTag<'a> {
    let at = reader.at();
    let Ok(control) = reader.u8(&CONTROL) else { return VideoTag::Empty {} };
    let whole = u64::from(control);
    let enhanced = reader.bits(&IS_EX_HEADER, whole, 7, 1) == 1;
    let frame_type = reader.bits(&TYPE, whole, 4, 3) as u8;
    if frame_type_name(frame_type.into()).is_none() {
        let text = format!("frame type {frame_type} is reserved (FLV E.4.3.1)");
        defects.push(Defect::new("video-frame-type", at, text));
    }
    if enhanced {
        let packet_type = reader.bits(&PACKET_TYPE, whole, 0, 4) as u8;
        let mut header = ExHeader { packet_type, ..ExHeader::default() };
        let mut command = None;
        if let Err(defect) = ex_header(reader, frame_type, &mut header, &mut command, defects) {
            // Without the codec the content has no layout.
            header.multitrack_type = None;
            header.four_cc = None;
            defects.push(defect);
        }
        return VideoTag::Enhanced {
            frame_type,
            header,
            command,
            content: VideoContent::default(),
            tracks: Vec::new(),
        };
    }
    let codec_id = reader.bits(&FORMAT, whole, 0, 4) as u8;
    if codec_name(codec_id) == "unknown" {
        let text = format!("codec {codec_id} is reserved (FLV E.4.3.1)");
        defects.push(Defect::new("video-codec", at, text));
    }
    reader.describe(|| {
        let (frame, codec) = (frame_type_name(frame_type.into()), wireshark_codec_name(codec_id.into()));
        let unknown = |what, value: u8| format!("unknown {what} {value}");
        let frame = frame.map_or_else(|| unknown("frame type", frame_type), str::to_owned);
        let codec = codec.map_or_else(|| unknown("codec", codec_id), str::to_owned);
        format!("Control: {control:#04x} ({frame} {codec})")
    });
    VideoTag::Legacy {
        frame_type,
        codec_id,
        codec: codec_name(codec_id),
        avc_packet_type: None,
        composition_time: None,
        command: None,
        content: VideoContent::default(),
    }
}

/// What FLV has between the control byte and the frame: packet type and composition time, or a command.
fn packet<R: Record>(
    frame_type: u8,
    codec_id: u8,
    reader: &mut Reader<'_, '_, R>,
    defects: &mut Vec<Defect>,
) -> (Option<u8>, Option<i32>, Option<u8>) {
    let (mut avc_packet_type, mut composition_time, mut command) = (None, None, None);
    if frame_type == COMMAND_FRAME {
        command = self::command(reader, defects).map_err(|defect| defects.push(defect)).ok();
    } else if matches!(codec_id, AVC | HEVC) {
        let at = reader.at();
        avc_packet_type = reader.u8(&AVC_PACKET_TYPE).map_err(|short| defects.push(short.into())).ok();
        if let Some(packet_type) = avc_packet_type {
            if avc_packet_type_name(packet_type.into()).is_none() {
                let text = format!("AVCPacketType {packet_type}: only 0, 1 and 2 are defined (FLV E.4.3.1)");
                defects.push(Defect::new("avc-packet-type", at, text));
            }
            let time = reader.int(&COMPOSITION_TIME, 3).map_err(|short| defects.push(short.into()));
            composition_time = time.ok().map(|time| time as i32);
        }
    }
    (avc_packet_type, composition_time, command)
}

/// What a video info/command frame says; nothing else is in it (FLV E.4.3.1).
fn command<R: Record>(reader: &mut Reader<'_, '_, R>, defects: &mut Vec<Defect>) -> Result<u8, Defect> {
    let at = reader.at();
    let command = reader.u8(&COMMAND)?;
    if command_name(command.into()).is_none() {
        let text = format!("video command {command}: only 0 and 1 are defined (FLV E.4.3.1)");
        defects.push(Defect::new("video-command", at, text));
    }
    if !reader.is_empty() {
        let text = format!("{} bytes after a video command, which is one byte", reader.remaining());
        defects.push(Defect::new("video-command", reader.at(), text));
    }
    Ok(command)
}

fn ex_header<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    frame_type: u8,
    header: &mut ExHeader,
    command: &mut Option<u8>,
    defects: &mut Vec<Defect>,
) -> Result<(), Defect> {
    enhanced::mod_ex(reader, &NAMES, header, defects)?;
    if frame_type == COMMAND_FRAME && header.packet_type != METADATA {
        *command = Some(self::command(reader, defects)?);
        return Ok(());
    }
    enhanced::multitrack(reader, &NAMES, header, defects)
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

const NAMES: Names = Names {
    medium: "video",
    multitrack: 6,
    knows: FourCc::is_video,
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
    HEADER = "rtmpt.video", Group, "Video header", "What comes before the video frame (FLV E.4.3.1; own name).";
    CONTROL = "rtmpt.video.control", Hex, "Control", "Frame type and codec in one byte (FLV E.4.3.1).";
    IS_EX_HEADER = "rtmpt.video.is_ex_header", Uint, "Enhanced header", "1: a header of enhanced RTMP.";
    TYPE = "rtmpt.video.type", Uint, "Type", "FrameType (FLV E.4.3.1).", frame_type_name;
    FORMAT = "rtmpt.video.format", Uint, "Format", "CodecID (FLV E.4.3.1).", wireshark_codec_name;
    PACKET_TYPE = "rtmpt.video.packet_type", Uint, "Packet type", "VideoPacketType (enhanced RTMP).",
        packet_type_name;
    FOUR_CC = "rtmpt.video.fourcc", Text, "FourCC", "The codec (enhanced RTMP).";
    MULTITRACK_CONTROL = "rtmpt.video.multitrack.control", Hex, "Multitrack control",
        "Multitrack type and packet type in one byte (enhanced RTMP).";
    MULTITRACK_TYPE = "rtmpt.video.multitrack.type", Uint, "Multitrack type", "AvMultitrackType (enhanced RTMP).",
        multitrack_type_name;
    MULTITRACK_PACKET_TYPE = "rtmpt.video.multitrack.packet_type", Uint, "Packet type",
        "VideoPacketType of all tracks (enhanced RTMP).", packet_type_name;
    TRACK = "rtmpt.video.multitrack.track", Group, "Track", "One track of a message (enhanced RTMP; own name).";
    TRACK_ID = "rtmpt.video.multitrack.track.id", Uint, "Track ID", "0 for the default track (enhanced RTMP).";
    TRACK_LENGTH = "rtmpt.video.multitrack.track.length", Uint, "Track length", "Bytes that follow (enhanced RTMP).";
    COMMAND = "rtmpt.video.command", Uint, "Command", "The content of a video info/command frame (FLV E.4.3.1).",
        command_name;
    AVC_PACKET_TYPE = "rtmpt.video.avc.packet_type", Uint, "AVC packet type",
        "Configuration, frame or end (FLV E.4.3.1; own name).", avc_packet_type_name;
    COMPOSITION_TIME = "rtmpt.video.composition_time", Int, "Composition time",
        "How much later the frame is shown, in milliseconds, signed (FLV E.4.3.1; own name).";
    DATA = "rtmpt.video.data", Bytes, "Video data",
        "Everything after the control byte, or after the header of enhanced RTMP.";
    PAYLOAD = "rtmpt.video.payload", Bytes, "Payload", "The video data, or what could not be read of it (own name).";
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
        // 17: keyframe, H.264; 01: NAL units; 000050: 80 ms. The units themselves are not here.
        let (json, detail, codes) = read(&[0x17, 1, 0, 0, 0x50], 1005);
        assert_eq!(
            json,
            concat!(
                r#"{"frame_type":1,"codec_id":7,"codec":"H.264","avc_packet_type":1,"composition_time":80,"#,
                r#""units_incomplete":true,"payload_length":1000}"#
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
        // Frame type 5: one byte of command instead of a frame, whatever the codec.
        assert_eq!(read(&[0x57, 0], 2).1, "command StartSeek");
        assert_eq!(read(&[0x52, 1], 2).1, "command EndSeek");
        assert_eq!(read(&[], 0), (r#"{"payload_length":0}"#.into(), "empty".into(), vec![]));
    }
}
