//! A sender's mistakes: small edits of what it writes.
//!
//! A mistake is an operator on a field in a scope: *plus -5* on the *message length* of *every video message*. Nothing
//! here knows a fault by name; the catalogue names what it knows afterwards.

use crate::rtmp::MessageTypeId;
use crate::rtmp::chunk;

use super::Message;

/// A small edit of what a sender means to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mistake {
    /// What is done.
    pub operator: Operator,
    /// To what.
    pub field: Field,
    /// In which messages.
    pub scope: Scope,
}

/// What a mistake is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The two bits and the six of a basic header.
    Basic,
    /// The format of a message's first header.
    Format,
    /// The chunk stream id of a message's first header.
    Csid,
    /// The timestamp, or the delta.
    Timestamp,
    /// The message length.
    Length,
    /// The message type.
    TypeId,
    /// The message stream id.
    StreamId,
    /// The extended timestamp.
    Extended,
    /// The headers of a message's second and further chunks.
    Continuation,
    /// The extended timestamp in those headers.
    ExtendedAgain,
    /// How long chunks are.
    ChunkSize,
    /// What chunks carry.
    Payload,
    /// The bytes of a message as they are written, headers included.
    Message,
}

impl Field {
    /// Its stable name: that of the definition which `-V` prints, where there is one.
    pub fn name(self) -> &'static str {
        let def = match self {
            Field::Basic => &chunk::BASIC_HEADER,
            Field::Format => &chunk::FORMAT,
            Field::Csid => &chunk::CSID,
            Field::Timestamp => &chunk::TIMESTAMP,
            Field::Length => &chunk::BODY_SIZE,
            Field::TypeId => &chunk::TYPE_ID,
            Field::StreamId => &chunk::STREAM_ID,
            Field::Extended => &chunk::EXTENDED_TIMESTAMP,
            Field::Continuation => return "chunk.continuation",
            Field::ExtendedAgain => return "chunk.continuation.ets",
            Field::ChunkSize => return "chunk.size",
            Field::Payload => return "chunk.payload",
            Field::Message => return "message",
        };
        def.name.strip_prefix("rtmpt.").unwrap_or(def.name)
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Field::Basic => "basic header",
            Field::Format => "format",
            Field::Csid => "chunk stream id",
            Field::Timestamp => "timestamp",
            Field::Length => "message length",
            Field::TypeId => "message type",
            Field::StreamId => "message stream id",
            Field::Extended => "extended timestamp",
            Field::Continuation => "type 3 header",
            Field::ExtendedAgain => "extended timestamp of type 3 headers",
            Field::ChunkSize => "chunk size",
            Field::Payload => "last chunk",
            Field::Message => "message",
        }
    }

    /// The number that a message has in this field, and in how many bytes: an id of 64 and more without the 64 that its
    /// forms add (RTMP 1.0 5.3.1.1). None if it is no number.
    pub fn number(self, message: &Message<'_>) -> Option<(u32, u32)> {
        Some(match self {
            Field::Csid if message.csid >= 64 => (message.csid - 64, 2),
            Field::Csid | Field::Continuation => (message.csid, 1),
            Field::Format => (message.fmt.into(), 1),
            Field::Length => (message.body.len() as u32, 3),
            Field::TypeId => (message.type_id.0.into(), 1),
            Field::StreamId => (message.msid, 4),
            Field::Basic
            | Field::Timestamp
            | Field::Extended
            | Field::ExtendedAgain
            | Field::ChunkSize
            | Field::Payload
            | Field::Message => return None,
        })
    }

    /// How many bytes it has.
    pub fn bytes(self) -> u32 {
        match self {
            Field::Basic | Field::Format | Field::Csid | Field::TypeId | Field::Continuation => 1,
            Field::Timestamp | Field::Length => 3,
            Field::StreamId | Field::Extended | Field::ExtendedAgain | Field::ChunkSize => 4,
            Field::Payload | Field::Message => 0,
        }
    }
}

/// What a mistake does to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The bytes are in the other order.
    ByteOrder,
    /// Something is added, or taken away.
    Plus(i64),
    /// It is multiplied.
    Times(u32),
    /// It is divided.
    Divided(u32),
    /// Only the lowest bits are kept.
    Bits(u8),
    /// It is the same whatever it should be.
    Constant(u32),
    /// The field is not there.
    LeftOut,
    /// The field is there where the format has none.
    PutIn,
    /// A format that leaves the field out is used though the value is new.
    Inherited,
    /// Zeros follow up to the chunk size.
    Padded,
    /// Only so many bytes are written.
    Cut(u32),
    /// Bytes from an offset on are not written.
    Lost(u32, u32),
    /// So many bytes follow that belong to nothing.
    Stray(u32),
    /// After so many bytes, so many stand that do not belong to it.
    Inserted(u32, u32),
    /// It has one byte more than the format has for it.
    Widened,
    /// It has one byte less: the most significant one is not written.
    Narrowed,
    /// It is written twice.
    Twice,
    /// It comes before the field that it should follow.
    Exchanged,
    /// The headers count: of every chunk, or of a message's first one only.
    WithHeader(bool),
}

impl Operator {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Operator::ByteOrder => "byte-order",
            Operator::Plus(_) => "plus",
            Operator::Times(_) => "times",
            Operator::Divided(_) => "divided",
            Operator::Bits(_) => "bits",
            Operator::Constant(_) => "constant",
            Operator::LeftOut => "left-out",
            Operator::PutIn => "put-in",
            Operator::Inherited => "inherited",
            Operator::Padded => "padded",
            Operator::Cut(_) => "cut",
            Operator::Lost(..) => "lost",
            Operator::Stray(_) => "stray",
            Operator::Inserted(..) => "inserted",
            Operator::Widened => "widened",
            Operator::Narrowed => "narrowed",
            Operator::Twice => "twice",
            Operator::Exchanged => "exchanged",
            Operator::WithHeader(_) => "with-header",
        }
    }

    /// Every name, each once.
    pub const NAMES: [&str; 19] = [
        "byte-order",
        "plus",
        "times",
        "divided",
        "bits",
        "constant",
        "left-out",
        "put-in",
        "inherited",
        "padded",
        "cut",
        "lost",
        "stray",
        "inserted",
        "widened",
        "narrowed",
        "twice",
        "exchanged",
        "with-header",
    ];

    /// What a number of so many bytes becomes; None if it is no operator on numbers.
    pub fn apply(self, value: u32, bytes: u32) -> Option<u32> {
        let all = u32::MAX >> (32 - 8 * bytes.clamp(1, 4));
        Some(match self {
            Operator::ByteOrder => value.swap_bytes() >> (32 - 8 * bytes.clamp(1, 4)),
            Operator::Plus(more) => (i64::from(value) + more) as u32 & all,
            Operator::Times(factor) => value.wrapping_mul(factor) & all,
            Operator::Divided(by) => value / by.max(1),
            Operator::Bits(bits) => value & (u32::MAX >> (32 - u32::from(bits.clamp(1, 32)))),
            Operator::Constant(constant) => constant,
            _ => return None,
        })
    }

    /// The operators that make `written` of `value`, the simplest first.
    pub fn between(value: u32, written: u32, bytes: u32) -> Vec<Operator> {
        if value == written {
            return Vec::new();
        }
        const FACTORS: [u32; 8] = [2, 8, 10, 44, 48, 90, 1000, 1024];
        // Ids are no amounts, and of nothing any factor makes nothing.
        let factors: &[u32] = if bytes < 3 || value < 16 || written < 2 { &[] } else { &FACTORS };
        let factors = factors.iter().copied().flat_map(|factor| [Operator::Times(factor), Operator::Divided(factor)]);
        let mut all = vec![Operator::ByteOrder, Operator::Bits(8), Operator::Bits(16)];
        all.extend(factors);
        all.push(Operator::Plus(i64::from(written) - i64::from(value)));
        all.push(Operator::Constant(written));
        all.retain(|operator| operator.apply(value, bytes) == Some(written));
        all
    }

    /// What it costs to say it, in bits.
    pub fn price(self) -> u32 {
        let number = |value: u32| 2 + 2 * (32 - value.leading_zeros());
        4 + match self {
            Operator::Plus(more) => 1 + number(more.unsigned_abs().min(u64::from(u32::MAX)) as u32),
            Operator::Times(_) | Operator::Divided(_) => 4,
            Operator::Bits(_) => 3,
            Operator::Constant(constant) => 3 + number(constant),
            Operator::Cut(length) | Operator::Stray(length) => number(length),
            Operator::Lost(at, length) | Operator::Inserted(at, length) => number(at) + number(length),
            _ => 0,
        }
    }
}

/// The messages that a mistake is made in: those that are all of this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Only those of this type.
    pub type_id: Option<MessageTypeId>,
    /// Only those that are to be written in this format.
    pub fmt: Option<u8>,
    /// Only those with more bytes than this.
    pub longer_than: Option<u32>,
    /// Only those from the one on that it shows in first.
    pub from_here: bool,
    /// Only these of their chunks.
    pub chunks: Option<Chunks>,
    /// Only the one with the body at this address.
    pub one: Option<usize>,
}

/// Some of a message's chunks. The first has number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chunks {
    /// The last one.
    Last,
    /// The one with this number.
    Nth(u32),
    /// Those from this number on.
    From(u32),
}

/// Where a chunk is in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// How many come before it.
    pub number: u32,
    /// Whether none follows.
    pub is_last: bool,
}

impl Chunks {
    /// Whether a chunk is one of them.
    pub fn covers(self, place: ChunkPlace) -> bool {
        match self {
            Chunks::Last => place.is_last && place.number > 0,
            Chunks::Nth(number) => place.number == number,
            Chunks::From(number) => place.number >= number,
        }
    }
}

impl Scope {
    /// The message with this body, and no other.
    pub fn one(message: &Message<'_>) -> Scope {
        Scope { one: Some(message.body.as_ptr() as usize), ..Scope::default() }
    }

    /// Whether a message is one of them; `from_here` is for whoever knows where that is.
    pub fn covers(self, message: &Message<'_>) -> bool {
        self.type_id.is_none_or(|type_id| message.type_id == type_id)
            && self.fmt.is_none_or(|fmt| message.fmt == fmt)
            && self.longer_than.is_none_or(|length| message.body.len() > length as usize)
            && self.one.is_none_or(|body| message.body.as_ptr() as usize == body)
    }

    /// Whether a chunk of a message is one of theirs.
    pub fn covers_chunk(self, message: &Message<'_>, place: ChunkPlace) -> bool {
        self.covers(message) && self.chunks.is_none_or(|chunks| chunks.covers(place))
    }

    /// What it costs to say it, in bits.
    pub fn price(self) -> u32 {
        let prices = [
            (self.type_id.is_some(), 3),
            (self.fmt.is_some(), 4),
            (self.longer_than.is_some(), 5),
            (self.from_here, 4),
            (self.chunks.is_some(), if self.chunks == Some(Chunks::Last) { 4 } else { 8 }),
            (self.one.is_some(), 12),
        ];
        1 + prices.into_iter().filter(|(is_said, _)| *is_said).map(|(_, price)| price).sum::<u32>()
    }
}

impl Mistake {
    /// What it costs to say it, in bits.
    pub fn price(&self) -> u32 {
        self.operator.price() + self.scope.price() + 4
    }
}
