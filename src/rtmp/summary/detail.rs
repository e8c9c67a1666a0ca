//! What Wireshark does not say of a message.

use super::super::MessageTypeId;
use super::super::aggregate::Aggregate;
use super::super::body::Body;
use super::super::command::{Command, Data};
use super::super::control::{ControlKind, Event, UserControl, event_name, limit_type_name, wireshark_event_name};
use super::super::media::{FourCc, audio, video};
use super::super::shared_object::SharedObject;
use super::{capabilities, media};
use crate::amf::{Str, Value, number_text};

/// What is worth knowing of the message beside [`info`](super::info); empty if nothing is.
pub fn detail(type_id: MessageTypeId, body: &Body<'_>) -> String {
    let parts = match body {
        Body::Control(control) => match control.kind {
            ControlKind::SetChunkSize { chunk_size } if chunk_size >> 31 != 0 => vec!["bit 31 is set".into()],
            ControlKind::SetPeerBandwidth { acknowledgement_window_size, limit_type: None } => {
                vec![format!("{acknowledgement_window_size}, no limit type")]
            }
            ControlKind::SetPeerBandwidth { limit_type: Some(limit), .. }
                if limit_type_name(limit.into()).is_none() =>
            {
                vec![format!("limit type {limit}")]
            }
            _ => Vec::new(),
        },
        Body::UserControl(message) => user_control(message),
        Body::Command(command) => self::command(command),
        Body::Data(data) => self::data(data),
        Body::Audio(audio) => vec![media::audio(audio)],
        Body::Video(video) => vec![media::video(video)],
        Body::SharedObject(object) => vec![shared_object(object)],
        Body::Aggregate(aggregate) => vec![self::aggregate(aggregate)],
        Body::Unknown { hex } => mistaken_type(type_id, hex),
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// A type nobody knows around a body that begins with a name: often the number was meant to be hexadecimal, as the
/// 14 of Wireshark's `0x14` was.
fn mistaken_type(type_id: MessageTypeId, body: &[u8]) -> Vec<String> {
    let name = body.strip_prefix(&[2]).and_then(|string| string.split_first_chunk::<2>()).and_then(|(len, rest)| {
        let name = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        is_name.then(|| String::from_utf8_lossy(name).into_owned())
    });
    let Some(name) = name else { return Vec::new() };
    let mut said = vec![format!("the body is AMF0 and begins with '{name}'")];
    let meant = u8::from_str_radix(&type_id.0.to_string(), 16).map(MessageTypeId);
    if let Some(meant) = meant.ok().filter(|meant| meant.is_known()) {
        said.push(format!("{} was probably meant as {:#04x} ({}, {})", type_id.0, meant.0, meant.0, meant.name()));
    }
    said
}

/// `'name' version 3: Use Success, Change`.
fn shared_object(object: &SharedObject<'_>) -> String {
    let events: Vec<_> = object.events.iter().map(|event| event.name().unwrap_or("unknown event")).collect();
    let persistent = if object.is_persistent() { ", persistent" } else { "" };
    format!("'{}' version {}{persistent}: {}", object.name, object.version, events.join(", "))
}

/// `12 messages over 480 ms: 5 audio, 6 video, 1 data`.
fn aggregate(aggregate: &Aggregate<'_>) -> String {
    let count = |type_id| aggregate.messages.iter().filter(|message| message.type_id == type_id).count();
    let (audio, video) = (count(MessageTypeId::AUDIO), count(MessageTypeId::VIDEO));
    let other = aggregate.messages.len() - audio - video;
    let kinds = [(audio, "audio"), (video, "video"), (other, "other")];
    let kinds: Vec<_> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{n} {kind}")).collect();
    let span = aggregate.messages.last().map_or(0, |message| message.timestamp_offset);
    let messages = if aggregate.messages.len() == 1 { "message" } else { "messages" };
    let at_least = if aggregate.incomplete { "at least " } else { "" };
    format!("{at_least}{} {messages} over {span} ms: {}", aggregate.messages.len(), kinds.join(", "))
}

fn user_control(message: &UserControl<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    let number = u64::from(message.event_type);
    if wireshark_event_name(number).is_none() {
        parts.extend(event_name(number).map(str::to_owned));
        if let Some(Event::Stream { stream_id }) = message.event {
            parts.push(format!("stream {stream_id}"));
        }
    }
    if let Some(Event::Ping { timestamp }) = message.event {
        parts.push(format!("timestamp {timestamp} ms"));
    }
    parts
}

fn command(command: &Command<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    // 0 says that no answer is expected, which goes without saying.
    if let Some(transaction) = command.transaction_id().filter(|&id| id != 0.0) {
        parts.push(format!("txn {}", number_text(transaction)));
    }
    let value = |index: usize| command.values.get(index);
    let number = |index: usize| value(index).and_then(Value::as_number).map(number_text);
    let Some(name) = command.name() else { return parts };
    match name.0 {
        b"connect" => parts.extend(value(2).map(capabilities::of).unwrap_or_default()),
        b"publish" => parts.extend(value(4).and_then(Value::as_str).map(|kind| kind.to_string())),
        b"play" => {
            parts.extend(number(4).map(|start| format!("start {start}")));
            parts.extend(number(5).map(|duration| format!("duration {duration}")));
            parts.extend(value(6).and_then(Value::as_bool).map(|reset| format!("reset {reset}")));
        }
        b"_result" => {
            parts.extend(number(3).map(|stream| format!("stream {stream}")));
            // The server's answer to connect may say what it can do in either of its objects.
            parts.extend(command.values.iter().skip(2).flat_map(capabilities::of));
        }
        b"deleteStream" | b"closeStream" => parts.extend(number(3).map(|stream| format!("stream {stream}"))),
        b"FCUnpublish" | b"FCSubscribe" | b"onFCPublish" | b"getStreamLength" => {
            parts.extend(value(3).and_then(Value::as_str).map(|stream| format!("'{stream}'")));
        }
        b"seek" => parts.extend(number(3).map(|position| format!("to {position} ms"))),
        b"pause" | b"pauseRaw" => {
            let pause = value(3).and_then(Value::as_bool);
            parts.extend(pause.map(|pause| if pause { "pause" } else { "resume" }.to_owned()));
            parts.extend(number(4).map(|position| format!("at {position} ms")));
        }
        b"receiveAudio" | b"receiveVideo" => {
            parts.extend(value(3).and_then(Value::as_bool).map(|receive| receive.to_string()));
        }
        _ => {}
    }
    let info = command.values.iter().skip(2).find(|value| value.property(b"code").is_some());
    parts.extend(info.and_then(|info| status(name, info)));
    parts
}

/// Why something failed, in the server's words. Successes say nothing that their code does not.
fn status(name: Str<'_>, info: &Value<'_>) -> Option<String> {
    let text = |name: &[u8]| info.property(name).and_then(Value::as_str);
    if text(b"code").is_some_and(|code| code == "NetConnection.Connect.ReconnectRequest") {
        let to = text(b"tcUrl").map_or_else(|| "the same server".to_owned(), |url| url.to_string());
        let why = text(b"description").map_or_else(String::new, |why| format!(" \u{2014} {why}"));
        return Some(format!("reconnect to {to}{why}"));
    }
    let level = text(b"level").filter(|level| *level != "status");
    let description = text(b"description").filter(|description| !description.0.is_empty());
    if level.is_none() && name != "_error" {
        return None;
    }
    let level = level.map_or_else(|| "error".to_owned(), |level| level.to_string());
    Some(description.map_or(level.clone(), |description| format!("{level} \u{2014} {description}")))
}

fn data(data: &Data<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    let Some(name) = data.name() else { return parts };
    let mut arguments = data.arguments();
    let mut handler = name;
    if handler == "@setDataFrame" || handler == "@clearDataFrame" {
        let Some(inner) = arguments.first().and_then(Value::as_str) else { return parts };
        handler = inner;
        arguments = &arguments[1..];
        parts.push(inner.to_string());
    }
    match handler.0 {
        b"onMetaData" => parts.extend(arguments.first().and_then(metadata)),
        b"|RtmpSampleAccess" => {
            let access = |index: usize| arguments.get(index).and_then(Value::as_bool);
            if let (Some(audio), Some(video)) = (access(0), access(1)) {
                parts.push(format!("audio {audio}, video {video}"));
            }
        }
        b"onStatus" | b"onPlayStatus" => parts.extend(arguments.first().and_then(|info| status(name, info))),
        _ => {}
    }
    match parts.as_slice() {
        [handler, metadata] if *handler == "onMetaData" => vec![format!("{handler} {metadata}")],
        _ => parts,
    }
}

/// `320x180 25 fps H.264 AAC`.
fn metadata(properties: &Value<'_>) -> Option<String> {
    let number = |name: &[u8]| properties.property(name).and_then(Value::as_number).filter(|&number| number != 0.0);
    let mut parts = Vec::new();
    if let (Some(width), Some(height)) = (number(b"width"), number(b"height")) {
        parts.push(format!("{}x{}", number_text(width), number_text(height)));
    }
    if let Some(rate) = number(b"framerate").or_else(|| number(b"videoframerate")) {
        parts.push(format!("{} fps", number_text((rate * 1000.0).round() / 1000.0)));
    }
    parts.extend(codec(properties.property(b"videocodecid"), |id| video::codec_name(id).to_owned()));
    parts.extend(codec(properties.property(b"audiocodecid"), |id| audio::codec_name(id).to_owned()));
    // Tracks beside the default one (enhanced RTMP, Enhancing onMetaData).
    for (map, medium) in [(&b"videoTrackIdInfoMap"[..], "video"), (b"audioTrackIdInfoMap", "audio")] {
        let Some(tracks) = properties.property(map).and_then(Value::properties) else { continue };
        for (id, track) in &tracks.pairs {
            let about = metadata(track).map_or_else(String::new, |about| format!(" {about}"));
            parts.push(format!("{medium} track {id}{about}"));
        }
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A codec in onMetaData is a number of FLV, a FourCC as a number (enhanced RTMP), or a string.
fn codec(value: Option<&Value<'_>>, name: impl Fn(u8) -> String) -> Option<String> {
    let value = value?;
    if let Some(text) = value.as_str() {
        return Some(<[u8; 4]>::try_from(text.0).map_or_else(|_| text.to_string(), |code| FourCc(code).name()));
    }
    match value.as_number()? {
        id if (0.0..=15.0).contains(&id) => Some(name(id as u8)),
        id if id.fract() == 0.0 && id <= f64::from(u32::MAX) => Some(FourCc((id as u32).to_be_bytes()).name()),
        _ => None,
    }
}
