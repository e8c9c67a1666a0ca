//! The messages of a leg, each with what it is known by.
//!
//! Takes an item of a recording, gives its [`Kind`] and [`Track`]: messages of one track stay in their order on the
//! way through a server, those of different tracks need not.

use serde::Serialize;

use crate::amf::Str;
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{self, MediaKind, MessageClass, SET_DATA_FRAME};
use crate::rtmp::message::Ending;

use super::align::Key;

/// A message of a leg.
#[derive(Debug)]
pub struct Unit<'a> {
    /// Where it is in the capture.
    pub item: &'a RecordedEvent,
    /// The message.
    pub kept: &'a RecordedMessage,
    /// What it is to a relay.
    pub kind: Kind,
    /// What it keeps its order with.
    pub track: Track,
    /// Whether it is a video frame that needs no other.
    pub keyframe: bool,
    /// Whether its header says keyframe. The end of a sequence says so too, and servers that wait for a keyframe
    /// look no further.
    pub marked_key: bool,
    /// What it does, for messages that are not media: `onMetaData`, `publish`, `Set Chunk Size`.
    pub name: String,
    /// Whether a data message is wrapped in `@setDataFrame`.
    pub wrapped: bool,
}

/// What a message is to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Sound.
    Audio,
    /// How sound is coded.
    AudioConfig,
    /// Video frames.
    Video,
    /// How video frames are coded.
    VideoConfig,
    /// Types 18 and 15.
    Data,
    /// Type 22.
    Aggregate,
    /// Types 20 and 17: from one end of a connection to the other.
    Command,
    /// Types 1 to 6: from one end of a connection to the other.
    Control,
    /// Shared objects, and types that no specification knows.
    Other,
}

impl Kind {
    /// What a message of a class is to a relay.
    fn of(class: MessageClass) -> Kind {
        match class {
            MessageClass::Audio => Kind::Audio,
            MessageClass::Config(MediaKind::Audio) => Kind::AudioConfig,
            MessageClass::Video { .. } => Kind::Video,
            MessageClass::Config(MediaKind::Video) => Kind::VideoConfig,
            MessageClass::Data(_) => Kind::Data,
            MessageClass::Aggregate => Kind::Aggregate,
            MessageClass::Command(_) | MessageClass::Status(_) => Kind::Command,
            MessageClass::ProtocolControl(_) | MessageClass::UserControl(_) => Kind::Control,
            MessageClass::SharedObject | MessageClass::Unknown(_) => Kind::Other,
        }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Audio => "audio",
            Kind::AudioConfig => "audio config",
            Kind::Video => "video",
            Kind::VideoConfig => "video config",
            Kind::Data => "data",
            Kind::Aggregate => "aggregate",
            Kind::Command => "command",
            Kind::Control => "control",
            Kind::Other => "other",
        }
    }

    /// Whether it is audio or video themselves.
    pub fn is_coded(self) -> bool {
        matches!(self, Kind::Audio | Kind::Video)
    }

    /// Whether it says how audio or video are coded: servers keep it for those who come later.
    pub fn is_config(self) -> bool {
        matches!(self, Kind::AudioConfig | Kind::VideoConfig)
    }

    /// Whether it is audio or video, configurations included.
    pub fn is_media(self) -> bool {
        self.is_coded() || self.is_config()
    }
}

/// Messages that keep their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Track {
    kind: Kind,
    /// The handler of data messages, the number of other types.
    name: String,
}

impl<'a> Unit<'a> {
    /// The message of an item, if it is one.
    pub fn of(item: &'a RecordedEvent) -> Option<Unit<'a>> {
        let kept = item.message()?;
        let type_id = kept.header.type_id;
        let (mut marked_key, mut wrapped, mut name) = (false, false, String::new());
        let text = |name: Option<Str<'_>>| name.map(|name| name.to_string()).unwrap_or_default();
        match &body::decode(type_id, &kept.body, kept.header.length, &mut ()).body {
            Body::Video(video) => marked_key = video.frame_type() == Some(1) && !video.is_config(),
            Body::Data(data) => {
                wrapped = data.name().is_some_and(|name| name == SET_DATA_FRAME);
                name = text(class::handler(data));
            }
            Body::Command(command) => name = text(command.name()),
            Body::Audio(_) | Body::Aggregate(_) => {}
            _ if type_id.is_protocol_control() => name = type_id.name(),
            _ => name = type_id.to_string(),
        }
        let keyframe = kept.class == MessageClass::Video { keyframe: true };
        let kind = Kind::of(kept.class);
        let track_name = if matches!(kind, Kind::Data | Kind::Other) { name.clone() } else { String::new() };
        Some(Unit { item, kept, kind, track: Track { kind, name: track_name }, keyframe, marked_key, name, wrapped })
    }

    /// Whether all of it was captured, so that its hash is that of the payload.
    pub fn is_whole(&self) -> bool {
        self.kept.ending == Ending::Complete
    }

    /// What it is known by.
    pub fn key(&self) -> Key {
        Key { hash: self.is_whole().then_some(self.kept.hash), timestamp: self.kept.header.timestamp }
    }

    /// What it is called in a sentence: `video`, `data onMetaData`.
    pub fn title(&self) -> String {
        match self.kind {
            Kind::Data | Kind::Command => format!("{} {}", self.kind.name(), self.name),
            Kind::Control | Kind::Other => self.name.clone(),
            Kind::Video if self.keyframe => "keyframe".to_owned(),
            _ => self.kind.name().to_owned(),
        }
    }
}

/// Whether a message may be what a server forwards: by its type alone.
pub fn is_relayed(type_id: MessageTypeId) -> bool {
    type_id.is_media() || matches!(type_id, MessageTypeId::AMF0_DATA | MessageTypeId::AMF3_DATA)
}
