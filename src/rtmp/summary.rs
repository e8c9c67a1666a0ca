//! A message in one line.
//!
//! Takes a type and a decoded body. [`info`] gives what Wireshark writes into its Info column, in exactly
//! its words; [`detail`](detail()) gives what Wireshark does not say. Text from the wire is unchanged: whoever
//! prints it escapes it.
//!
//! Where Wireshark's words are wrong, ours are right: numbers are unsigned, `app` is not found in
//! `application`, an ECMA array has properties like an object, names are UTF-8.

mod capabilities;
mod detail;
mod media;

pub use detail::detail;

use super::MessageTypeId;
use super::body::Body;
use super::command::{Command, Data};
use super::control::{ControlKind, Event, UserControl, limit_type_name, wireshark_event_name};
use crate::amf::{Str, Value};

/// What Wireshark's Info column says of the message.
pub fn info(type_id: MessageTypeId, body: &Body<'_>) -> String {
    let text = match body {
        Body::Control(control) => match control.kind {
            ControlKind::SetChunkSize { chunk_size: value }
            | ControlKind::Abort { chunk_stream_id: value }
            | ControlKind::Acknowledgement { sequence_number: value }
            | ControlKind::WindowAcknowledgementSize { acknowledgement_window_size: value } => {
                Some(format!("{} {value}", type_id.name()))
            }
            ControlKind::SetPeerBandwidth { acknowledgement_window_size, limit_type: Some(limit) } => {
                let limit = limit_type_name(limit.into()).map_or_else(|| format!("Unknown ({limit})"), str::to_owned);
                Some(format!("{} {acknowledgement_window_size},{limit}", type_id.name()))
            }
            ControlKind::SetPeerBandwidth { limit_type: None, .. } => None,
        },
        Body::UserControl(message) => user_control(message),
        Body::Command(command) => command.name().and_then(|name| call(name, command_parameter(name, command))),
        Body::Data(data) => data.name().and_then(|name| call(name, data_parameter(name, data))),
        _ => None,
    };
    text.unwrap_or_else(|| type_id.name())
}

fn user_control(message: &UserControl<'_>) -> Option<String> {
    let Some(name) = wireshark_event_name(message.event_type.into()) else {
        return Some(format!("User Control Message {:#x}", message.event_type));
    };
    match message.event? {
        Event::Stream { stream_id } => Some(format!("{name} {stream_id}")),
        Event::SetBufferLength { stream_id, buffer_length } => Some(format!("{name} {stream_id},{buffer_length}ms")),
        _ => Some(name.to_owned()),
    }
}

fn call(name: Str<'_>, parameter: Option<Str<'_>>) -> Option<String> {
    match parameter {
        _ if name.0.is_empty() => None,
        Some(parameter) => Some(format!("{name}('{parameter}')")),
        None => Some(format!("{name}()")),
    }
}

/// The one parameter that Wireshark shows, for the few commands where it does.
fn command_parameter<'a>(name: Str<'a>, command: &Command<'a>) -> Option<Str<'a>> {
    let value = |index: usize| command.values.get(index);
    match name.0 {
        b"connect" => property_text(value(2)?, b"app"),
        b"play" | b"releaseStream" | b"FCPublish" | b"publish" => value(3)?.as_str(),
        b"play2" => property_text(value(3)?, b"streamName"),
        b"onStatus" | b"_result" | b"_error" => property_text(value(3)?, b"code"),
        b"onPlayStatus" => property_text(value(1)?, b"code"),
        _ => None,
    }
}

fn data_parameter<'a>(name: Str<'a>, data: &Data<'a>) -> Option<Str<'a>> {
    match name.0 {
        b"onStatus" | b"onPlayStatus" => property_text(data.values.get(1)?, b"code"),
        _ => None,
    }
}

fn property_text<'a>(value: &Value<'a>, name: &[u8]) -> Option<Str<'a>> {
    value.property(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::super::body::decode;
    use super::*;

    fn both(type_id: u8, bytes: &[u8]) -> (String, String) {
        let type_id = MessageTypeId(type_id);
        let decoded = decode(type_id, bytes, bytes.len() as u32, &mut ());
        (info(type_id, &decoded.body), detail(type_id, &decoded.body))
    }

    fn expect(type_id: u8, bytes: &[u8], info: &str, detail: &str) {
        assert_eq!(both(type_id, bytes), (info.to_owned(), detail.to_owned()));
    }

    /// A command in AMF 0 from its name, its transaction and the bytes of its other values.
    fn command(name: &str, transaction: f64, values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![2, 0, name.len() as u8];
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(transaction.to_be_bytes());
        bytes.extend(values);
        bytes
    }

    #[test]
    fn control_messages() {
        expect(1, &[0, 0, 0x10, 0], "Set Chunk Size 4096", "");
        expect(1, &[0x80, 0, 0x10, 0], "Set Chunk Size 2147487744", "bit 31 is set");
        expect(3, &[0xff, 0xff, 0xff, 0xf0], "Acknowledgement 4294967280", "");
        expect(5, &[0, 0x26, 0x25, 0xa0], "Window Acknowledgement Size 2500000", "");
        expect(6, &[0, 0x26, 0x25, 0xa0, 2], "Set Peer Bandwidth 2500000,Dynamic", "");
        expect(6, &[0, 0, 0, 1, 7], "Set Peer Bandwidth 1,Unknown (7)", "limit type 7");
        expect(6, &[0, 0, 0, 1], "Set Peer Bandwidth", "1, no limit type");
        expect(1, &[0], "Set Chunk Size", "");
        expect(7, &[0], "Unknown 7 (0x07)", "");
    }

    #[test]
    fn user_control_messages() {
        expect(4, &[0, 0, 0, 0, 0, 1], "Stream Begin 1", "");
        expect(4, &[0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8], "Set Buffer Length 1,3000ms", "");
        expect(4, &[0, 6, 0, 0, 3, 0xe8], "Ping Request", "timestamp 1000 ms");
        expect(4, &[0, 0x1f, 0, 0, 0, 1], "User Control Message 0x1f", "Buffer Empty, stream 1");
        expect(4, &[0, 26], "User Control Message 0x1a", "SWFVerify Request");
        expect(4, &[0, 0, 0], "User Control Message", "");
    }

    #[test]
    fn commands() {
        let object = b"\x03\x00\x0bapplication\x02\x00\x05wrong\x00\x03app\x02\x00\x04live\x00\x00\x09";
        expect(20, &command("connect", 1.0, object), "connect('live')", "txn 1");
        expect(20, &command("createStream", 4.0, &[5]), "createStream()", "txn 4");
        let stream_1 = [5, 0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0];
        expect(20, &command("_result", 4.0, &stream_1), "_result()", "txn 4, stream 1");
        expect(20, &command("publish", 5.0, b"\x05\x02\x00\x01a\x02\x00\x04live"), "publish('a')", "txn 5, live");
        let play = b"\x05\x02\x00\x01a\x00\xc0\x9f\x40\0\0\0\0\0"; // null, "a", -2000
        expect(20, &command("play", 0.0, play), "play('a')", "start -2000");
        expect(20, b"", "AMF0 Command", "");
    }

    #[test]
    fn a_status_in_an_ecma_array_has_a_code_too() {
        let status = b"\x05\x08\0\0\0\0\x00\x05level\x02\x00\x05error\x00\x04code\x02\x00\x01C\x00\x0bdescription\x02\x00\x03why\x00\x00\x09";
        expect(20, &command("onStatus", 0.0, status), "onStatus('C')", "error \u{2014} why");
        expect(20, &command("_error", 1.0, status), "_error('C')", "txn 1, error \u{2014} why");
    }

    #[test]
    fn data_messages() {
        #[rustfmt::skip]
        let metadata = [
            b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x08\0\0\0\0".as_slice(),
            b"\x00\x05width\x00", &320f64.to_be_bytes(),
            b"\x00\x06height\x00", &180f64.to_be_bytes(),
            b"\x00\x09framerate\x00", &29.97002997f64.to_be_bytes(),
            b"\x00\x0cvideocodecid\x00", &1752589105f64.to_be_bytes(), // "hvc1" as a number
            b"\x00\x0caudiocodecid\x02\x00\x04mp4a\x00\x00\x09",
        ]
        .concat();
        expect(18, &metadata, "@setDataFrame()", "onMetaData 320x180 29.97 fps H.265 AAC");
        expect(18, b"\x02\x00\x11|RtmpSampleAccess\x01\x01\x01\x00", "|RtmpSampleAccess()", "audio true, video false");
        expect(8, &[0xaf, 1, 0], "Audio Data", "AAC");
    }
}
