//! What a number in a log line is, and what its value gives away.
//!
//! Takes a [`Kind`] and a value; gives a sentence, if there is one to say, and the rules that the value speaks for.

use crate::amf::fields::amf0_type_name;
use crate::rtmp::control::event_name;
use crate::rtmp::media::{FourCc, audio, video};
use crate::rtmp::type_name;

/// What a number in a log line counts or names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing that could be explained.
    Plain,
    ChunkStreamId,
    Fmt,
    ChunkSize,
    MessageLength,
    MessageType,
    AmfMarker,
    FourCc,
    /// C0 or S0.
    Version,
    AudioCodec,
    VideoCodec,
    Timestamp,
    UserControlEvent,
}

/// What a number gives away.
#[derive(Debug, Default)]
pub(super) struct Explanation {
    pub text: String,
    /// Rules to try before those of the line.
    pub rules: &'static [&'static str],
}

impl Kind {
    pub const ALL: [(&'static str, Kind); 13] = [
        ("n", Kind::Plain),
        ("csid", Kind::ChunkStreamId),
        ("fmt", Kind::Fmt),
        ("chunk", Kind::ChunkSize),
        ("len", Kind::MessageLength),
        ("type", Kind::MessageType),
        ("marker", Kind::AmfMarker),
        ("fourcc", Kind::FourCc),
        ("version", Kind::Version),
        ("acodec", Kind::AudioCodec),
        ("vcodec", Kind::VideoCodec),
        ("ts", Kind::Timestamp),
        ("event", Kind::UserControlEvent),
    ];

    pub fn by_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    pub fn explain(self, value: u64) -> Option<Explanation> {
        let (text, rules): (String, &'static [&'static str]) = match self {
            Kind::Plain => return None,
            Kind::ChunkStreamId => (chunk_stream_id(value)?, &[]),
            Kind::Fmt => (fmt(value)?.to_owned(), &[]),
            Kind::ChunkSize => chunk_size(value)?,
            Kind::MessageLength => message_length(value)?,
            Kind::MessageType => message_type(value),
            Kind::AmfMarker => amf_marker(value),
            Kind::FourCc => four_cc(u32::try_from(value).ok()?),
            Kind::Version => version(value),
            Kind::AudioCodec => audio_codec(u8::try_from(value).ok()?),
            Kind::VideoCodec => video_codec(u8::try_from(value).ok()?),
            Kind::Timestamp => timestamp(u32::try_from(value).ok()?)?,
            Kind::UserControlEvent => match event_name(value) {
                Some(name) => (format!("Event {value} is {name}."), &[]),
                None => (format!("{value} is not an event of RTMP."), &[]),
            },
        };
        Some(Explanation { text, rules })
    }
}

/// The letter that a byte is, for bytes of text that were read as something else.
fn letter(value: u64) -> Option<char> {
    u8::try_from(value).ok().filter(u8::is_ascii_graphic).map(char::from)
}

fn chunk_stream_id(id: u64) -> Option<String> {
    if id < 2 {
        return None;
    }
    if id > 63 {
        return Some(format!("Chunk stream {id} needs two or three bytes: 64 plus what follows the first."));
    }
    let bytes = (0..4u64).map(|fmt| {
        let byte = fmt << 6 | id;
        let letter = letter(byte).map_or_else(String::new, |letter| format!(" ('{letter}')"));
        format!("{byte:02x}{letter}")
    });
    let bytes: Vec<String> = bytes.collect();
    let [fmt0, fmt1, fmt2, fmt3] = bytes.as_slice() else { return None };
    let mut text = format!(
        "For chunk stream {id} the byte in the stream was {fmt0}, {fmt1}, {fmt2} or {fmt3}: its two highest bits are the \
         format."
    );
    if id == 41 {
        text += " 69, the letter i, is byte 128 of the body of a usual connect: its sender did not split it at the default \
                 chunk size.";
    }
    Some(text)
}

fn fmt(fmt: u64) -> Option<&'static str> {
    Some(match fmt {
        0 => "Format 0 is a full header.",
        1 => "Format 1 has no message stream id.",
        2 => "Format 2 has nothing but a timestamp delta.",
        3 => "Format 3 has no fields of its own.",
        _ => return None,
    })
}

fn chunk_size(size: u64) -> Option<(String, &'static [&'static str])> {
    let swapped = u32::try_from(size).ok()?.swap_bytes();
    if size > 65_536 && (128..=65_536).contains(&swapped) {
        let text =
            format!("The peer announced {size}. In the other byte order that is {swapped}, which is probably meant.");
        return Some((text, &["chunk-size-byte-order"]));
    }
    match size {
        0 => Some(("The peer announced 0.".to_owned(), &["chunk-size-range"])),
        0x8000_0000.. => Some((format!("{size} has its first bit set, which is not allowed."), &["chunk-size-range"])),
        _ => None,
    }
}

fn message_length(length: u64) -> Option<(String, &'static [&'static str])> {
    let length = u32::try_from(length).ok().filter(|length| *length > 65_535 && *length <= 0xff_ffff)?;
    let [_, bytes @ ..] = length.to_be_bytes();
    if bytes.iter().all(u8::is_ascii_graphic) {
        let text = String::from_utf8_lossy(&bytes);
        return Some((format!("The bytes of {length} are the text '{text}': payload was read as a length."), &[]));
    }
    let [a, b, c] = bytes;
    let swapped = u32::from_be_bytes([0, c, b, a]);
    (length > 1_000_000 && (16..=65_535).contains(&swapped))
        .then(|| (format!("In the other byte order {length} is {swapped}."), &[] as &[_]))
}

fn message_type(id: u64) -> (String, &'static [&'static str]) {
    if let Some(name) = type_name(id) {
        return (format!("Type {id} ({id:#04x}) is {name}."), &[]);
    }
    // 14 is what somebody writes who read 0x14.
    let meant = u64::from_str_radix(&id.to_string(), 16).ok().and_then(|meant| Some((meant, type_name(meant)?)));
    if let Some((meant, name)) = meant {
        let text = format!(
            "{id} ({id:#04x}) is not a message type. {meant:#04x} is {name}: decimal was mistaken for hexadecimal."
        );
        return (text, &["type-id-dec-hex"]);
    }
    let letter = letter(id).map_or_else(String::new, |letter| {
        format!(" It is the letter '{letter}': payload was read as a header, or what is sent is not FLV.")
    });
    let filler = if id == 0xff { " ff is common in payload that is not FLV, such as JPEG or MPEG-TS." } else { "" };
    (format!("{id} ({id:#04x}) is not a message type.{letter}{filler}"), &[])
}

fn amf_marker(marker: u64) -> (String, &'static [&'static str]) {
    match (marker, amf0_type_name(marker)) {
        (0x11, _) => (
            "17 (0x11) announces that a value of AMF 3 follows, which both sides must have agreed on in connect \
             (objectEncoding 3)."
                .to_owned(),
            &["amf3-not-negotiated"],
        ),
        (_, Some(name)) => (format!("Marker {marker} ({marker:#04x}) is {name}."), &[]),
        (_, None) => {
            let letter = letter(marker).map_or_else(String::new, |letter| format!(" It is the letter '{letter}'."));
            (format!("{marker} ({marker:#04x}) is not a marker of AMF 0.{letter}"), &[])
        }
    }
}

fn four_cc(number: u32) -> (String, &'static [&'static str]) {
    let bytes = number.to_be_bytes();
    let code = FourCc(bytes);
    let hex = bytes.map(|byte| format!("{byte:02x}")).join(" ");
    if bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return match code.codec() {
            Some(codec) => (format!("{number} is {hex}, the FourCC {code} ({codec})."), &["er-not-negotiated"]),
            None => (format!("{number} is {hex}, the letters '{code}', which name no codec."), &["er-fourcc"]),
        };
    }
    // The first byte of the message was 80 or more, and so is no classic tag either.
    if number >= 0xff00_0000 {
        let text = format!(
            "{number} is {hex}, which are not letters. Read as a signed time it is {} ms: most likely an extended \
             timestamp that was left in the body, of a time or a difference below zero.",
            number.cast_signed()
        );
        return (text, &["ts-field-ffffff-no-ext", "type3-ext-unread", "ts-negative-delta"]);
    }
    (
        format!("{number} is {hex}, which are not letters: the body does not begin with an enhanced video header."),
        &["chunk-size-not-applied", "px-ext-left"],
    )
}

fn version(version: u64) -> (String, &'static [&'static str]) {
    match (version, letter(version)) {
        (3, _) => ("3 is RTMP's version.".to_owned(), &[]),
        (22, _) => (
            "22 is 16 hexadecimal, the first byte of a TLS handshake: rtmps to a plain port.".to_owned(),
            &["tls-on-rtmp-port"],
        ),
        (21, _) => (
            "21 is 15 hexadecimal, the first byte of a TLS alert: plain RTMP to a TLS port.".to_owned(),
            &["plain-on-tls-port"],
        ),
        (6 | 8, _) => (format!("{version} is a version of RTMPE: encrypted."), &["rtmpe"]),
        (71, _) => ("71 is the letter G, as in an HTTP GET.".to_owned(), &["not-rtmp"]),
        (72, _) => ("72 is the letter H, as in HTTP/1.1.".to_owned(), &["not-rtmp"]),
        (80, _) => ("80 is the letter P: HTTP POST, or the PROXY protocol.".to_owned(), &["not-rtmp"]),
        (_, Some(letter)) => {
            (format!("{version} is the letter '{letter}': HTTP or another text protocol."), &["not-rtmp"])
        }
        _ => (format!("{version} is not a version that is in use."), &["hs-version"]),
    }
}

fn audio_codec(codec: u8) -> (String, &'static [&'static str]) {
    match (codec, audio::codec_name(codec)) {
        (9, name) => (format!("Audio codec 9 is {name}."), &["er-not-negotiated"]),
        (_, "unknown") => (format!("There is no audio codec {codec}."), &[]),
        (_, name) => (format!("Audio codec {codec} is {name}."), &[]),
    }
}

fn video_codec(codec: u8) -> (String, &'static [&'static str]) {
    match (codec, video::codec_name(codec)) {
        (12, name) => (format!("Video codec 12 is {name}, which FLV does not define."), &["hevc-codecid-12"]),
        (_, "unknown") => (format!("There is no video codec {codec}."), &[]),
        (_, name) => (format!("Video codec {codec} is {name}."), &[]),
    }
}

fn timestamp(time: u32) -> Option<(String, &'static [&'static str])> {
    let (hours, minutes) = (time / 3_600_000, time / 60_000 % 60);
    match time {
        0xff00_0000.. => Some((
            format!("{time} is {} with a sign: a time or a difference below zero.", time.cast_signed()),
            &["ts-negative-delta"],
        )),
        0xff_ffff.. => Some((
            format!(
                "{time} ms are {hours} h {minutes} min; from 16777215 (4 h 39 min) on a time needs an extended timestamp."
            ),
            &[],
        )),
        _ => None,
    }
}
