//! RTMP: from the bytes of each direction to messages and their bodies.
//!
//! Takes bytes with their stream offsets, gives handshakes, messages, gaps and defects. Knows nothing
//! of TCP or of capture files, so it also reads a raw dump of one direction.
//!
//! | module | holds |
//! |---|---|
//! | [`body`] | message type → body decoder: the one match |
//! | [`control`], [`command`], [`media`], [`shared_object`], [`aggregate`] | one kind of body each |
//! | [`class`] | what a message is, decided once |
//! | [`dialect`], [`hypotheses`] | how a sender deviates from the specification, and how that is found out |
//! | [`summary`] | a message in one line: Wireshark's words, and what Wireshark does not say |

pub mod aggregate;
pub mod body;
pub mod chunk;
mod chunk_stream;
pub mod class;
pub mod command;
pub mod control;
pub mod decoder;
pub mod dialect;
pub mod handshake;
pub mod hypotheses;
pub mod media;
pub mod message;
mod resync;
mod search;
pub mod shared_object;
pub mod summary;

use std::fmt;

use serde::Serialize;

pub use crate::field::Defect;

use crate::field::Def;

/// The fields of handshakes and bodies; those of chunk headers are [`chunk::FIELDS`].
pub fn fields() -> impl Iterator<Item = &'static Def> {
    let tables = [handshake::FIELDS, body::FIELDS, control::FIELDS, command::FIELDS, shared_object::FIELDS];
    tables.into_iter().flatten().copied().chain(media::fields()).chain(aggregate::FIELDS.iter().copied())
}

/// A chunk stream's number, 2 to 65599 (RTMP 1.0 5.3.1.1). Wireshark: `rtmpt.header.csid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChunkStreamId(pub u32);

impl ChunkStreamId {
    /// That of a message that did not come in chunks: a tag of FLV. No header can have it, as 0 is a form of the header
    /// there.
    pub const NONE: ChunkStreamId = ChunkStreamId(0);

    /// The number, unless it is [`ChunkStreamId::NONE`].
    pub fn known(self) -> Option<ChunkStreamId> {
        (self != ChunkStreamId::NONE).then_some(self)
    }
}

impl fmt::Display for ChunkStreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message stream's number, little-endian on the wire (RTMP 1.0 5.3.1.2.5). Wireshark:
/// `rtmpt.header.streamid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageStreamId(pub u32);

impl fmt::Display for MessageStreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message's type (RTMP 1.0 5.4, 7.1). Wireshark: `rtmpt.header.typeid`.
///
/// Always shown with both bases, `20 (0x14)`, as people read one for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageTypeId(pub u8);

#[allow(missing_docs)] // the names are the specification's
impl MessageTypeId {
    pub const SET_CHUNK_SIZE: Self = Self(1);
    pub const ABORT: Self = Self(2);
    pub const ACKNOWLEDGEMENT: Self = Self(3);
    pub const USER_CONTROL: Self = Self(4);
    pub const WINDOW_ACKNOWLEDGEMENT_SIZE: Self = Self(5);
    pub const SET_PEER_BANDWIDTH: Self = Self(6);
    pub const AUDIO: Self = Self(8);
    pub const VIDEO: Self = Self(9);
    pub const AMF3_DATA: Self = Self(15);
    pub const AMF3_SHARED_OBJECT: Self = Self(16);
    pub const AMF3_COMMAND: Self = Self(17);
    pub const AMF0_DATA: Self = Self(18);
    pub const AMF0_SHARED_OBJECT: Self = Self(19);
    pub const AMF0_COMMAND: Self = Self(20);
    pub const AGGREGATE: Self = Self(22);
}

impl MessageTypeId {
    /// Wireshark's name of the type, if it is one the specification knows.
    pub fn known_name(self) -> Option<&'static str> {
        type_name(self.0.into())
    }

    /// Whether the specification knows the type.
    pub fn is_known(self) -> bool {
        self.known_name().is_some()
    }

    /// Whether the message controls the protocol itself (types 1 to 6): it should come on chunk stream
    /// 2 and message stream 0 (RTMP 1.0 5.4).
    pub fn is_protocol_control(self) -> bool {
        (1..=6).contains(&self.0)
    }

    /// Whether the body is audio or video.
    pub fn is_media(self) -> bool {
        matches!(self, Self::AUDIO | Self::VIDEO | Self::AGGREGATE)
    }

    /// The number in both bases: `20 (0x14)`.
    pub fn numbers(self) -> String {
        format!("{} ({:#04x})", self.0, self.0)
    }

    /// Wireshark's name: `AMF0 Command`; or `Unknown 14 (0x0e)`, where Wireshark has the number in one base only.
    pub fn name(self) -> String {
        self.known_name().map_or_else(|| format!("Unknown {}", self.numbers()), str::to_owned)
    }
}

/// The name and the number in both bases: `AMF0 Command 20 (0x14)`.
impl fmt::Display for MessageTypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:#04x})", self.known_name().unwrap_or("Unknown"), self.0, self.0)
    }
}

/// The names of the message types, as Wireshark has them.
pub fn type_name(id: u64) -> Option<&'static str> {
    Some(match id {
        1 => "Set Chunk Size",
        2 => "Abort Message",
        3 => "Acknowledgement",
        4 => "User Control Message",
        5 => "Window Acknowledgement Size",
        6 => "Set Peer Bandwidth",
        8 => "Audio Data",
        9 => "Video Data",
        15 => "AMF3 Data",
        16 => "AMF3 Shared Object",
        17 => "AMF3 Command",
        18 => "AMF0 Data",
        19 => "AMF0 Shared Object",
        20 => "AMF0 Command",
        22 => "Aggregate",
        _ => return None,
    })
}
