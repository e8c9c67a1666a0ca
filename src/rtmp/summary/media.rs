//! Audio and video in a few words.

use super::super::media::aac::AudioSpecificConfig;
use super::super::media::audio::{self, Audio, AudioTag};
use super::super::media::content::{AudioContent, VideoContent};
use super::super::media::enhanced::{ExHeader, Track};
use super::super::media::opus::SoundConfig;
use super::super::media::video::{self, Video, VideoTag};
use super::super::media::{FourCc, enhanced};
use crate::amf::{Value, number_text};

/// `AAC config 44.1 kHz stereo`.
pub(super) fn audio(audio: &Audio<'_>) -> String {
    match &audio.tag {
        // Without its first byte nothing is known; that is another thing than silence.
        AudioTag::Empty {} if audio.payload_length > 0 => String::new(),
        AudioTag::Empty {} => "empty".into(),
        AudioTag::Legacy { format: audio::AAC, aac_packet_type: Some(0), config, .. } => match config {
            Some(config) => aac_config(*config),
            None if audio.payload_length == 0 => "AAC config, empty".into(),
            None => "AAC config".into(),
        },
        AudioTag::Legacy { format: audio::AAC, aac_packet_type: Some(1), .. } => "AAC".into(),
        AudioTag::Legacy { format: audio::AAC, aac_packet_type, .. } => match aac_packet_type {
            Some(packet) => format!("AAC packet type {packet}"),
            None => "AAC, cut".into(),
        },
        // These have one rate, whatever the bits of the header say (FLV E.4.2.1; ffmpeg for G.711).
        AudioTag::Legacy { codec, format: 4 | 5 | 14, .. } => (*codec).to_owned(),
        AudioTag::Legacy { codec, format: 11, .. } => format!("{codec} 16 kHz mono"),
        AudioTag::Legacy { codec, format: 7 | 8, r#type, .. } => {
            format!("{codec} 8 kHz {}", audio::type_name((*r#type).into()).unwrap_or_default())
        }
        AudioTag::Legacy { codec, format: 0 | 3, rate, size, r#type, .. } => {
            let rate = audio::rate_name((*rate).into()).unwrap_or_default();
            let bits = if *size == 0 { "8 bit" } else { "16 bit" };
            format!("{codec} {bits} {rate} {}", audio::type_name((*r#type).into()).unwrap_or_default())
        }
        AudioTag::Legacy { format, codec, rate, r#type, .. } => {
            let codec = if *codec == "unknown" { format!("format {format}") } else { (*codec).to_owned() };
            let rate = audio::rate_name((*rate).into()).unwrap_or_default();
            format!("{codec} {rate} {}", audio::type_name((*r#type).into()).unwrap_or_default())
        }
        AudioTag::Enhanced { header, content, tracks } => {
            let packet = match audio::packet_type_name(header.packet_type.into()) {
                Some("SequenceStart") => Some("config".to_owned()),
                Some("CodedFrames") => None,
                Some(name) => Some(name.to_owned()),
                None => Some(format!("packet type {}", header.packet_type)),
            };
            let mut parts: Vec<String> = header.four_cc.map(FourCc::name).into_iter().chain(packet).collect();
            parts.extend(sound(content));
            parts.extend(self::tracks(header, tracks, sound));
            parts.extend(nano(header));
            parts.join(" ")
        }
    }
}

fn sound(content: &AudioContent) -> Option<String> {
    if let Some(config) = content.config {
        return aac_config(config).split_once(" config ").map(|(_, text)| text.to_owned());
    }
    if let Some(SoundConfig { sampling_frequency, channels, .. }) = content.sound {
        let rate = number_text(f64::from(sampling_frequency) / 1000.0);
        return Some(format!("{rate} kHz{}", channel_text(Some(channels))));
    }
    content.multichannel.as_ref().map(|layout| {
        let speakers =
            if layout.speakers.is_empty() { String::new() } else { format!(": {}", layout.speakers.join(" ")) };
        format!("{} channels{speakers}", layout.channel_count)
    })
}

fn aac_config(config: AudioSpecificConfig) -> String {
    let rate = config.extension_sampling_frequency.unwrap_or(config.sampling_frequency);
    let channels = channel_text(config.channels());
    format!("{} config {} kHz{channels}", config.codec(), number_text(f64::from(rate) / 1000.0))
}

fn channel_text(channels: Option<u8>) -> String {
    match channels {
        Some(1) => " mono".to_owned(),
        Some(2) => " stereo".to_owned(),
        Some(6) => " 5.1".to_owned(),
        Some(8) => " 7.1".to_owned(),
        Some(count) => format!(" {count} channels"),
        None => String::new(),
    }
}

/// `keyframe H.264 config High 3.1 1280x720 30 fps`, `inter-frame H.264 cts 80 ms`.
pub(super) fn video(video: &Video<'_>) -> String {
    let frame = |frame_type: u8| {
        video::frame_type_name(frame_type.into())
            .map_or_else(|| format!("frame type {frame_type}"), |name| name.replace("video info/", ""))
    };
    match &video.tag {
        VideoTag::Empty {} if video.payload_length > 0 => String::new(),
        VideoTag::Empty {} => "empty".into(),
        VideoTag::Legacy { frame_type: video::COMMAND_FRAME, command, .. } => self::command(*command),
        VideoTag::Legacy { frame_type, codec_id, codec, avc_packet_type, composition_time, content, .. } => {
            let codec = if *codec == "unknown" { format!("codec {codec_id}") } else { (*codec).to_owned() };
            let mut parts = vec![frame(*frame_type), codec];
            match avc_packet_type {
                Some(0) => parts.push("config".to_owned()),
                Some(1) | None => {}
                Some(2) => parts.push("end of sequence".to_owned()),
                Some(packet) => parts.push(format!("packet type {packet}")),
            }
            parts.extend(picture(content));
            parts.extend(composition_time.and_then(cts));
            parts.join(" ")
        }
        VideoTag::Enhanced { command: Some(command), .. } => self::command(Some(*command)),
        VideoTag::Enhanced { frame_type, header, content, tracks, .. } => {
            let packet = match video::packet_type_name(header.packet_type.into()) {
                Some("SequenceStart") => Some("config".to_owned()),
                Some("CodedFrames" | "CodedFramesX") => None,
                Some("SequenceEnd") => Some("end of sequence".to_owned()),
                Some(name) => Some(name.to_owned()),
                None => Some(format!("packet type {}", header.packet_type)),
            };
            // The frame type of metadata is to be ignored (enhanced RTMP, VideoPacketType).
            let frame = (header.packet_type != video::METADATA).then(|| frame(*frame_type));
            let mut parts: Vec<String> = frame.into_iter().chain(header.four_cc.map(FourCc::name)).collect();
            parts.extend(packet);
            parts.extend(picture(content));
            parts.extend(self::tracks(header, tracks, picture));
            parts.extend(nano(header));
            parts.join(" ")
        }
    }
}

fn command(command: Option<u8>) -> String {
    match command {
        Some(command) => video::command_name(command.into())
            .map_or_else(|| format!("command {command}"), |name| format!("command {name}")),
        None => "command".into(),
    }
}

fn picture(content: &VideoContent<'_>) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(content.config.as_ref().map(|config| config.label()).filter(|label| !label.is_empty()));
    parts.extend(content.picture_size.map(|(width, height)| format!("{width}x{height}")));
    parts.extend(content.composition_time.and_then(cts));
    parts.extend(content.metadata.chunks(2).filter_map(metadata));
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// `colorInfo 10 bit BT.2020 PQ maxCLL 1000`, for a name and its value (enhanced RTMP, Metadata Frame).
fn metadata(pair: &[Value<'_>]) -> Option<String> {
    let name = pair.first()?.as_str()?;
    let mut parts = vec![name.to_string()];
    let number = |object: &[u8], name: &[u8]| pair.get(1)?.property(object)?.property(name)?.as_number();
    parts.extend(number(b"colorConfig", b"bitDepth").map(|bits| format!("{} bit", number_text(bits))));
    let named = |what: &str, code: f64, name: Option<&str>| match name {
        Some(name) => name.to_owned(),
        None => format!("{what} {}", number_text(code)),
    };
    // H.273 tables 2 and 3.
    parts.extend(number(b"colorConfig", b"colorPrimaries").map(|code| {
        let name = match code {
            1.0 => Some("BT.709"),
            9.0 => Some("BT.2020"),
            12.0 => Some("Display P3"),
            _ => None,
        };
        named("primaries", code, name)
    }));
    parts.extend(number(b"colorConfig", b"transferCharacteristics").map(|code| {
        let name = match code {
            16.0 => Some("PQ"),
            18.0 => Some("HLG"),
            _ => None,
        };
        named("transfer", code, name)
    }));
    parts.extend(number(b"hdrCll", b"maxCLL").map(|light| format!("maxCLL {}", number_text(light))));
    Some(parts.join(" "))
}

fn cts(time: i32) -> Option<String> {
    (time != 0).then(|| format!("cts {time} ms"))
}

/// `2 tracks: 0, 1 H.265 cts 80 ms`.
fn tracks<C>(header: &ExHeader, tracks: &[Track<C>], content: impl Fn(&C) -> Option<String>) -> Option<String> {
    let kind = header.multitrack_type?;
    let each: Vec<_> = tracks
        .iter()
        .map(|track| {
            let id = [track.track_id.to_string()].into_iter();
            id.chain(track.four_cc.map(FourCc::name)).chain(content(&track.content)).collect::<Vec<_>>().join(" ")
        })
        .collect();
    match enhanced::multitrack_type_name(kind.into()) {
        Some("OneTrack") => Some(format!("track {}", each.join(", "))),
        _ => {
            let noun = if tracks.len() == 1 { "track" } else { "tracks" };
            let at_least = if header.tracks_incomplete { "at least " } else { "" };
            Some(format!("{at_least}{} {noun}: {}", tracks.len(), each.join(", ")))
        }
    }
}

/// The nanoseconds that an extension adds to the timestamp.
fn nano(header: &ExHeader) -> Option<String> {
    let nano = header.mod_ex.iter().find_map(|extension| extension.timestamp_offset_nano)?;
    Some(format!("+{nano} ns"))
}
