//! What a message is, for the code that aligns, counts or judges: decided once, from its type and its decoded body.
//!
//! Takes a message type and a [`Body`], returns a [`MessageClass`]. Names and codes are compared with what the
//! specification lists (RTMP 1.0 7.2), as the bytes of a value, never as part of a text made for people: a stream may
//! be called `deleteStream`. What a class means for a session is for others to say.

use super::MessageTypeId;
use super::body::Body;
use super::command::{Command, Data};
use crate::amf::{Str, Value};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageClass {
    /// Types 1, 2, 3, 5 and 6, cut ones included.
    ProtocolControl(MessageTypeId),
    /// Type 4, by the number of its event.
    UserControl(u16),
    /// Types 20 and 17.
    Command(CommandName),
    /// Types 20 and 17: `onStatus`, by its code.
    Status(StatusCode),
    /// Types 18 and 15.
    Data(DataName),
    /// Type 8 or 9: how audio or video is coded.
    Config(MediaKind),
    /// Type 8, with audio.
    Audio,
    /// Type 9, with a video frame.
    Video {
        /// Whether the frame can be shown without others.
        keyframe: bool,
    },
    /// Type 22.
    Aggregate,
    /// Types 19 and 16.
    SharedObject,
    /// Any other type.
    Unknown(MessageTypeId),
}

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// Type 8.
    Audio,
    /// Type 9.
    Video,
}

/// Declares an enum of the names that the project knows, each with the bytes that it is on the wire.
macro_rules! names {
    ($(#[$of:meta])* $name:ident { $($variant:ident = $wire:literal,)* }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = concat!("`", $wire, "`")] $variant,)*
            /// Any other, or none.
            Other,
        }

        impl $name {
            /// The name that these bytes of a string value are.
            pub fn of(text: Option<Str<'_>>) -> $name {
                let Some(text) = text else { return $name::Other };
                $(if text.0 == $wire.as_bytes() { return $name::$variant; })*
                $name::Other
            }
        }
    };
}

names! {
    /// The name of a command.
    CommandName {
        Connect = "connect",
        CreateStream = "createStream",
        Publish = "publish",
        Play = "play",
        Play2 = "play2",
        Seek = "seek",
        Pause = "pause",
        CloseStream = "closeStream",
        DeleteStream = "deleteStream",
        FcPublish = "FCPublish",
        FcUnpublish = "FCUnpublish",
        ReleaseStream = "releaseStream",
        Result = "_result",
        Error = "_error",
    }
}

names! {
    /// The code in a status object (RTMP 1.0 7.2.2, 7.2.1.3).
    StatusCode {
        PublishStart = "NetStream.Publish.Start",
        UnpublishSuccess = "NetStream.Unpublish.Success",
        PlayStart = "NetStream.Play.Start",
        PlayReset = "NetStream.Play.Reset",
        PlayStop = "NetStream.Play.Stop",
        PlayComplete = "NetStream.Play.Complete",
        PlaySwitch = "NetStream.Play.Switch",
        PlayTransition = "NetStream.Play.Transition",
        PlayPublishNotify = "NetStream.Play.PublishNotify",
        PlayUnpublishNotify = "NetStream.Play.UnpublishNotify",
        PlayStreamNotFound = "NetStream.Play.StreamNotFound",
        PlayFailed = "NetStream.Play.Failed",
        SeekNotify = "NetStream.Seek.Notify",
        SeekComplete = "NetStream.Seek.Complete",
        SeekFailed = "NetStream.Seek.Failed",
    }
}

names! {
    /// The handler of a data message; of `@setDataFrame` the handler that it sets.
    DataName {
        OnMetaData = "onMetaData",
        OnStatus = "onStatus",
        OnPlayStatus = "onPlayStatus",
        ClearDataFrame = "@clearDataFrame",
        SampleAccess = "|RtmpSampleAccess",
    }
}

/// The wrapper that publishers put around metadata, so that the server keeps it.
pub const SET_DATA_FRAME: &str = "@setDataFrame";

/// User control event 0, Stream Begin (RTMP 1.0 7.1.7).
pub const STREAM_BEGIN: u16 = 0;
/// User control event 1, Stream EOF.
pub const STREAM_EOF: u16 = 1;
/// User control event 6, Ping Request.
pub const PING_REQUEST: u16 = 6;
/// User control event 7, Ping Response.
pub const PING_RESPONSE: u16 = 7;

impl MessageClass {
    /// The class of a message with this type and body.
    pub fn of(type_id: MessageTypeId, body: &Body<'_>) -> MessageClass {
        match body {
            Body::Control(_) => MessageClass::ProtocolControl(type_id),
            Body::UserControl(message) => MessageClass::UserControl(message.event_type),
            Body::Command(command) => of_command(command),
            Body::Data(data) => MessageClass::Data(DataName::of(handler(data))),
            Body::Audio(audio) if audio.is_config() => MessageClass::Config(MediaKind::Audio),
            Body::Audio(_) => MessageClass::Audio,
            Body::Video(video) if video.is_config() => MessageClass::Config(MediaKind::Video),
            Body::Video(video) => MessageClass::Video { keyframe: video.is_keyframe() },
            Body::Aggregate(_) => MessageClass::Aggregate,
            Body::SharedObject(_) => MessageClass::SharedObject,
            Body::Unknown { .. } if type_id.is_protocol_control() => MessageClass::ProtocolControl(type_id),
            Body::Unknown { .. } => MessageClass::Unknown(type_id),
        }
    }

    /// Whether it is audio or video, configurations included.
    pub fn is_media(self) -> bool {
        matches!(self, MessageClass::Config(_) | MessageClass::Audio | MessageClass::Video { .. })
    }

    /// Whether it configures a decoder.
    pub fn is_config(self) -> bool {
        matches!(self, MessageClass::Config(_))
    }

    /// Whether a side says with it that a stream, or the session, is over.
    pub fn ends_stream(self) -> bool {
        use {CommandName as Name, StatusCode as Code};
        matches!(
            self,
            MessageClass::Command(Name::DeleteStream | Name::CloseStream | Name::FcUnpublish)
                | MessageClass::Status(
                    Code::UnpublishSuccess | Code::PlayStop | Code::PlayComplete | Code::PlayUnpublishNotify
                )
                | MessageClass::UserControl(STREAM_EOF)
        )
    }

    /// Whether media may begin again after it: a stream is published or played, or was sought in. A stored file then
    /// comes from a key frame on, with its configuration and with earlier timestamps.
    pub fn restarts_media(self) -> bool {
        use {CommandName as Name, StatusCode as Code};
        match self {
            MessageClass::Command(Name::Publish | Name::Play | Name::Play2 | Name::Seek | Name::Pause)
            | MessageClass::UserControl(STREAM_BEGIN) => true,
            MessageClass::Status(code) => !matches!(code, Code::Other | Code::PublishStart | Code::UnpublishSuccess),
            _ => false,
        }
    }
}

/// The name of a data message's handler: what `@setDataFrame` sets, or else the first value.
pub fn handler<'a>(data: &Data<'a>) -> Option<Str<'a>> {
    let first = data.name()?;
    let wrapped = (first.0 == SET_DATA_FRAME.as_bytes()).then(|| data.arguments().first()?.as_str()).flatten();
    Some(wrapped.unwrap_or(first))
}

fn of_command(command: &Command<'_>) -> MessageClass {
    match command.name() {
        Some(name) if name.0 == b"onStatus" => {
            let code = command.arguments().iter().find_map(|value| value.property(b"code").and_then(Value::as_str));
            MessageClass::Status(StatusCode::of(code))
        }
        name => MessageClass::Command(CommandName::of(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::decode;
    use super::*;

    fn class(type_id: MessageTypeId, bytes: &[u8]) -> MessageClass {
        MessageClass::of(type_id, &decode(type_id, bytes, bytes.len() as u32, &mut ()).body)
    }

    /// A command in AMF 0: its name, transaction id 0, null, a string.
    fn command(name: &str, argument: &str) -> MessageClass {
        let string = |text: &str| [&[2, 0, text.len() as u8], text.as_bytes()].concat();
        let bytes = [string(name), [0; 9].to_vec(), vec![5], string(argument)].concat();
        class(MessageTypeId::AMF0_COMMAND, &bytes)
    }

    #[test]
    fn a_stream_called_like_a_command_is_a_stream() {
        for name in ["my deleteStream", "deleteStream", "FCUnpublish", "Stream EOF", "NetStream.Play.Stop"] {
            let publish = command("publish", name);
            assert_eq!(publish, command("publish", "pair"));
            assert!(!publish.ends_stream(), "{name}");
            assert!(!command("onStatus", name).ends_stream(), "{name} is no code");
        }
        assert!(command("deleteStream", "pair").ends_stream());
        assert!(!command("my deleteStream", "pair").ends_stream());
    }

    #[test]
    fn a_status_is_its_code() {
        let status = b"\x02\0\x08onStatus\0\0\0\0\0\0\0\0\0\x05\x03\0\x04code\x02\0\x13NetStream.Play.Stop\0\0\x09";
        let stop = class(MessageTypeId::AMF0_COMMAND, status);
        assert_eq!(stop, MessageClass::Status(StatusCode::PlayStop));
        assert!(stop.ends_stream() && stop.restarts_media());
    }

    #[test]
    fn control_and_media() {
        assert_eq!(
            class(MessageTypeId::SET_CHUNK_SIZE, &[0]),
            MessageClass::ProtocolControl(MessageTypeId::SET_CHUNK_SIZE),
            "cut, but still what its type is"
        );
        assert!(class(MessageTypeId::USER_CONTROL, &[0, 1, 0, 0, 0, 1]).ends_stream());
        assert!(class(MessageTypeId::USER_CONTROL, &[0, 0, 0, 0, 0, 1]).restarts_media());
        assert_eq!(class(MessageTypeId::AUDIO, &[0xaf, 0, 0x12, 0x10]), MessageClass::Config(MediaKind::Audio));
        assert_eq!(class(MessageTypeId::AUDIO, &[0xaf, 1, 0]), MessageClass::Audio);
        assert_eq!(
            class(MessageTypeId::VIDEO, &[0x17, 1, 0, 0, 0, 0, 0, 0, 0]),
            MessageClass::Video { keyframe: true }
        );
        assert_eq!(
            class(MessageTypeId::VIDEO, &[0x27, 1, 0, 0, 0, 0, 0, 0, 0]),
            MessageClass::Video { keyframe: false }
        );
    }

    #[test]
    fn metadata_is_metadata_with_and_without_its_wrapper() {
        let bare = b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09";
        let wrapped = [b"\x02\0\x0d@setDataFrame", &bare[..]].concat();
        for bytes in [&bare[..], &wrapped] {
            assert_eq!(class(MessageTypeId::AMF0_DATA, bytes), MessageClass::Data(DataName::OnMetaData));
        }
    }
}
