//! What a message is, for alignment: its kind, and its name there.

use std::collections::HashMap;

use crate::field::Tree;
use crate::recording::{EventKind, RecordedEvent, RecordedMessage};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{self, MediaKind, MessageClass};
use crate::rtmp::control::event_name;
use crate::session::Direction;

/// Messages that keep their order among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// The parts of the handshake.
    Handshake,
    /// Types 1, 2, 5, 6 and user control events.
    Control,
    /// Commands, also those under a wrong type.
    Command,
    /// Data messages.
    Data,
    /// Sequence headers and other configuration of sound.
    AudioConfig,
    /// Sound.
    Audio,
    /// Sequence headers and other configuration of video frames.
    VideoConfig,
    /// Video frames.
    Video,
    /// Acknowledgements and pings: their number depends on time and load.
    Volatile,
    /// Gaps and bytes that could not be decoded.
    Hole,
    /// Everything else.
    Other,
}

impl MessageKind {
    /// Whether it holds audio, or its configuration.
    pub fn is_audio(self) -> bool {
        matches!(self, MessageKind::Audio | MessageKind::AudioConfig)
    }

    /// Whether it holds video, or its configuration.
    pub fn is_video(self) -> bool {
        matches!(self, MessageKind::Video | MessageKind::VideoConfig)
    }

    /// Whether it holds coded audio or video.
    pub fn is_media(self) -> bool {
        matches!(self, MessageKind::Audio | MessageKind::Video | MessageKind::AudioConfig | MessageKind::VideoConfig)
    }
}

/// What a message is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageIdentity {
    /// Its kind.
    pub kind: MessageKind,
    /// Its name: `connect`, `_result of createStream`, `Set Chunk Size`, `video keyframe`.
    pub name: String,
    /// The name that a command or data message has itself.
    pub command: Option<String>,
    /// If it is an answer: the name of the call that it answers, if that is known.
    pub call: Option<String>,
    /// What tells it from others of the name: a status code, a stream name, or the hash of its payload.
    pub key: String,
    /// The type its body was read as, where that is not the type of its header: a command under a wrong type.
    pub read_as: Option<MessageTypeId>,
}

impl MessageIdentity {
    /// Whether it is a command or data message of this name.
    pub fn is(&self, command: &str) -> bool {
        self.command.as_deref() == Some(command)
    }

    /// Whether it answers a call of this name.
    pub fn answers(&self, call: &str) -> bool {
        self.call.as_deref() == Some(call)
    }
}

/// Names all items of a session.
pub fn identify_all<'i>(items: impl IntoIterator<Item = &'i RecordedEvent>) -> Vec<MessageIdentity> {
    let mut calls: HashMap<(Direction, u64), String> = HashMap::new();
    items.into_iter().map(|item| name(item, &mut calls)).collect()
}

fn name(item: &RecordedEvent, calls: &mut HashMap<(Direction, u64), String>) -> MessageIdentity {
    let plain = |kind, name: &str| MessageIdentity {
        kind,
        name: name.to_owned(),
        command: None,
        call: None,
        key: String::new(),
        read_as: None,
    };
    match &item.content {
        EventKind::Handshake { part, .. } => plain(MessageKind::Handshake, &part.to_string()),
        EventKind::Gap(_) => plain(MessageKind::Hole, "gap"),
        EventKind::Undecoded => plain(MessageKind::Hole, "undecoded"),
        EventKind::Message(kept) => name_message(kept, item, calls),
    }
}

fn name_message(
    kept: &RecordedMessage,
    item: &RecordedEvent,
    calls: &mut HashMap<(Direction, u64), String>,
) -> MessageIdentity {
    let type_id = kept.header.type_id;
    // Beside a snapshot, as that has it.
    let body = kept.normal();
    let length = kept.header.length.saturating_sub(kept.body.len() as u32) + body.len() as u32;
    let read_as = wrong_type(type_id, body, length);
    let decoded = body::decode(read_as.unwrap_or(type_id), body, length, &mut ());
    let hash = || format!("{:032x}", kept.hash);
    let (mut own, mut call) = (None, None);
    let (kind, name, key) = match &decoded.body {
        Body::Command(command) => {
            own = command.name().map(|name| name.to_string());
            let name = own.clone().unwrap_or_else(|| "command without a name".to_owned());
            let id = command.transaction_id().unwrap_or(0.0).to_bits();
            let back = match item.direction {
                Direction::ClientToServer => Direction::ServerToClient,
                Direction::ServerToClient => Direction::ClientToServer,
            };
            let name = match name.as_str() {
                "_result" | "_error" => {
                    let of = item.call.as_deref().or_else(|| calls.get(&(back, id)));
                    call = of.filter(|of| !of.is_empty()).cloned();
                    call.as_ref().map_or_else(|| name.clone(), |call| format!("{name} of {call}"))
                }
                _ => {
                    calls.insert((item.direction, id), name.clone());
                    name
                }
            };
            let code = command.arguments().iter().find_map(|value| value.property(b"code")?.as_str());
            (MessageKind::Command, name, code.map(|code| code.to_string()).unwrap_or_default())
        }
        Body::Data(data) => {
            own = class::handler(data).map(|name| name.to_string());
            let name = own.clone().unwrap_or_else(|| "data without a name".to_owned());
            (MessageKind::Data, name, String::new())
        }
        Body::Audio(_) | Body::Video(_) => {
            let (kind, name) = match kept.class {
                MessageClass::Config(MediaKind::Audio) => (MessageKind::AudioConfig, "audio config"),
                MessageClass::Config(MediaKind::Video) => (MessageKind::VideoConfig, "video config"),
                MessageClass::Video { keyframe: true } => (MessageKind::Video, "video keyframe"),
                MessageClass::Video { keyframe: false } => (MessageKind::Video, "video data"),
                _ => (MessageKind::Audio, "audio data"),
            };
            (kind, name.to_owned(), hash())
        }
        Body::UserControl(message) => {
            let number = message.event_type;
            let is_ping = matches!(number, class::PING_REQUEST | class::PING_RESPONSE);
            let kind = if is_ping { MessageKind::Volatile } else { MessageKind::Control };
            let name = event_name(number.into()).map_or_else(|| format!("user control event {number}"), str::to_owned);
            (kind, name, String::new())
        }
        Body::Control(_) if type_id == MessageTypeId::ACKNOWLEDGEMENT => {
            (MessageKind::Volatile, type_id.name(), String::new())
        }
        Body::Control(_) => (MessageKind::Control, type_id.name(), String::new()),
        Body::Aggregate(_) | Body::SharedObject(_) | Body::Unknown { .. } => {
            (MessageKind::Other, type_id.name(), hash())
        }
    };
    MessageIdentity { kind, name, command: own, call, key, read_as }
}

/// The type a body must have been meant to have: AMF under a type that no receiver knows.
fn wrong_type(type_id: MessageTypeId, body: &[u8], length: u32) -> Option<MessageTypeId> {
    if type_id.is_known() {
        return None;
    }
    // Type 17 and 15 put a byte 0 in front (RTMP 1.0 7.1.1).
    let (amf3, bytes) = match body {
        [0, rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let [2, high, low, rest @ ..] = bytes else { return None };
    let named = usize::from(u16::from_be_bytes([*high, *low]));
    let name = rest.get(..named).filter(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic))?;
    // Commands have a number after their name; data has not.
    let is_command = rest.get(name.len()) == Some(&0);
    let meant = match (amf3, is_command) {
        (false, true) => MessageTypeId::AMF0_COMMAND,
        (false, false) => MessageTypeId::AMF0_DATA,
        (true, true) => MessageTypeId::AMF3_COMMAND,
        (true, false) => MessageTypeId::AMF3_DATA,
    };
    let mut tree = Tree::default();
    let decoded = body::decode(meant, body, length, &mut tree);
    decoded.defects.is_empty().then_some(meant)
}
