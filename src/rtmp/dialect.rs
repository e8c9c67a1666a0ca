//! Dialects: how a sender deviates from the specification, as data.
//!
//! A [`Dialect`] says what a sender's bytes mean where they break the framing that RTMP 1.0 asks for.
//! [`super::decoder`] applies it, [`super::hypotheses`] finds out which one a sender speaks. What does not
//! break framing (a message stream id in the wrong byte order, a type id in the wrong base) is no dialect:
//! it can be read as it is and judged afterwards.

use serde::Serialize;

use super::MessageTypeId;

/// How a sender's bytes are to be read. The default is the specification's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Dialect {
    /// Offset in the direction's stream of the first chunk header to which all but `handshake` applies.
    pub from: u64,
    /// How long its chunks are.
    pub chunk_size: ChunkSize,
    /// How it writes the headers of a message's second and further chunks.
    pub continuation: Continuation,
    /// Whether its type-3 headers repeat an extended timestamp.
    pub type3_extended: Type3Extended,
    /// Where it puts an extended timestamp.
    pub extended: Extended,
    /// What it counts in a message's length.
    pub length: Length,
    /// Whether the 3-byte form of its chunk stream ids is big-endian (RTMP 1.0 5.3.1.1 has it little-endian).
    pub csid_big_endian: bool,
    /// Which parts of the handshake it sends.
    pub handshake: Handshake,
}

/// How long a sender's chunks are (RTMP 1.0 5.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkSize {
    /// As it announced: 128 at first.
    #[default]
    Announced,
    /// This long, though it never said so: until it announces a size.
    Own(u32),
    /// What it announces never takes effect.
    NotApplied,
    /// It writes the size it announces little-endian.
    LittleEndian,
}

/// How a sender writes the headers of a message's second and further chunks (RTMP 1.0 5.3.1.2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Continuation {
    /// A type-3 header for each. A header with fields that repeats the message's length and type is
    /// treated as one where the bytes prove it.
    #[default]
    Type3,
    /// None: these messages come in one piece, whatever the chunk size.
    LeftOut(Messages),
    /// One more type-3 header, with nothing after it, where the length is a multiple of the chunk size.
    ExtraOnExactMultiple,
    /// A type-3 header with another chunk stream's id.
    WrongId,
    /// Headers with fields in place of type-3 headers.
    Fields,
}

/// Some of a sender's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Messages {
    /// All.
    All,
    /// Audio and video.
    Media,
    /// Those of one type.
    Of(MessageTypeId),
}

impl Messages {
    /// Whether a message of this type is one of them.
    pub fn cover(self, type_id: MessageTypeId) -> bool {
        match self {
            Messages::All => true,
            Messages::Media => type_id.is_media(),
            Messages::Of(one) => type_id == one,
        }
    }
}

/// Whether type-3 headers repeat an extended timestamp (RTMP 1.0 5.3.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Type3Extended {
    /// Where the bytes show it.
    #[default]
    ByEvidence,
    /// Never.
    Never,
    /// Always, whatever the four bytes are.
    Always,
}

/// Where a sender puts an extended timestamp in headers with a time field (RTMP 1.0 5.3.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extended {
    /// Where the field is 0xFFFFFF.
    #[default]
    Marked,
    /// Where the value is greater than 0xFFFFFF: the field 0xFFFFFF may be the value itself.
    NotAtMaximum,
    /// Also where the field has the lowest 24 bits of the value in place of 0xFFFFFF.
    Unmarked,
}

/// What a sender counts in a message's length (RTMP 1.0 6.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// The payload.
    #[default]
    Payload,
    /// The payload and the type-3 headers in it.
    WithHeaders,
    /// The payload, little-endian.
    LittleEndian,
}

/// Which parts of the handshake a client sends (RTMP 1.0 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Handshake {
    /// All.
    #[default]
    Whole,
    /// Not the version byte C0.
    WithoutC0,
    /// Not C2.
    WithoutC2,
}

impl Dialect {
    /// Whether it is the specification's way.
    pub fn is_default(&self) -> bool {
        *self == Dialect::default()
    }

    /// Whether headers are read as the specification has them, until the dialect's continuations come in.
    pub(super) fn reads_headers_plainly(&self) -> bool {
        self.extended == Extended::Marked
            && self.length == Length::Payload
            && !self.csid_big_endian
            && self.continuation != Continuation::WrongId
    }
}
