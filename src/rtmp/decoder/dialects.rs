//! A sender's dialect at work: what its headers mean.
//!
//! Everything here is passed by for the default dialect.

use crate::rtmp::chunk::{ChunkHeader, EXTENDED};
use crate::rtmp::dialect::{ChunkSize, Continuation, Dialect, Extended, Handshake, Length, Type3Extended};
use crate::rtmp::handshake::Part;
use crate::rtmp::search::{Size, basic_len};
use crate::rtmp::{ChunkStreamId, MessageTypeId};

use super::{Decoder, State};

/// A time is treated as the extended one if it is this near to the latest one, in ms.
const NEAR: u32 = 600_000;

impl Decoder {
    /// Reads what comes in another dialect.
    pub(super) fn set_dialect(&mut self, dialect: Dialect) {
        self.options.dialect = dialect;
        self.own_size = match dialect.chunk_size {
            ChunkSize::Own(size) => Some(size.max(1)),
            _ => None,
        };
        if let State::Handshake { parts, bytes, missing } = &mut self.state
            && *parts == [Part::C0C1, Part::C2]
            && bytes.is_empty()
        {
            match dialect.handshake {
                Handshake::Whole => {}
                // What stands for C0 is marked as missing, as in a part with a hole.
                Handshake::WithoutC0 => (*bytes, *missing) = (vec![3], 1),
                Handshake::WithoutC2 => *parts = &[Part::C0C1],
            }
        }
    }

    /// Reads what comes in another dialect, and keeps all of the bodies.
    pub(in crate::rtmp) fn replay_as(&mut self, dialect: Dialect) {
        self.options.media_prefix = u32::MAX;
        self.set_dialect(dialect);
    }

    /// Whether the dialect applies to the header that is read.
    fn dialect_applies(&self) -> bool {
        self.at >= self.options.dialect.from
    }

    /// The size that Set Chunk Size asks for, if it takes effect.
    pub(super) fn announced_size(&self, value: u32, at: u64) -> Option<u32> {
        let dialect = &self.options.dialect;
        match dialect.chunk_size {
            ChunkSize::NotApplied if at >= dialect.from => None,
            ChunkSize::LittleEndian if at >= dialect.from => Some(value.swap_bytes()),
            _ => Some(value),
        }
    }

    /// Lets the size in force be the sender's own from where it has one.
    pub(super) fn take_own_size(&mut self) {
        if self.dialect_applies()
            && let Some(size) = self.own_size.take()
        {
            self.size = Size::Known(size);
        }
    }

    /// Whether a message of this type comes in one piece.
    pub(super) fn comes_whole(&self, type_id: Option<MessageTypeId>) -> bool {
        match self.options.dialect.continuation {
            Continuation::LeftOut(messages) => self.dialect_applies() && type_id.is_some_and(|id| messages.cover(id)),
            _ => false,
        }
    }

    /// Whether type-3 headers repeat an extended timestamp.
    pub(super) fn type3_extended(&self) -> Type3Extended {
        if self.dialect_applies() { self.options.dialect.type3_extended } else { Type3Extended::ByEvidence }
    }

    /// Whether a header with fields continues the message that is open.
    pub(super) fn continues_with_fields(&self) -> bool {
        self.options.dialect.continuation == Continuation::Fields && self.dialect_applies()
    }

    /// Whether one more type-3 header is to come before the message on `csid` ends.
    pub(super) fn awaits_extra(&self, csid: ChunkStreamId) -> bool {
        if self.options.dialect.continuation != Continuation::ExtraOnExactMultiple {
            return false;
        }
        let Some(message) = self.streams.get(&csid.0).map(|stream| &stream.message) else { return false };
        let Some(last) = message.chunks.last() else { return false };
        last.payload > 0 && message.start() >= self.options.dialect.from && last.payload == last.chunk_size
    }

    /// The header as the sender means it. None: more bytes are needed to tell.
    pub(super) fn as_meant(&self, mut header: ChunkHeader, data: &[u8], at_end: bool) -> Option<ChunkHeader> {
        if !self.dialect_applies() {
            return Some(header);
        }
        let dialect = &self.options.dialect;
        if let (true, Some(&[first, high, low])) = (dialect.csid_big_endian, data.first_chunk())
            && first & 0x3f == 1
        {
            header.csid = ChunkStreamId(64 + u32::from(u16::from_be_bytes([high, low])));
        }
        match dialect.extended {
            Extended::NotAtMaximum if header.fmt < 3 => {
                let before = self.streams.get(&header.csid.0).and_then(|stream| stream.timestamp());
                let near = |value: u32| [before, self.clock].iter().flatten().any(|time| value.abs_diff(*time) < NEAR);
                if header.extended.is_some_and(|value| value <= EXTENDED || !near(value)) {
                    header.len -= 4;
                    (header.time, header.extended) = (Some(EXTENDED), None);
                }
            }
            Extended::Unmarked if header.fmt < 3 && header.extended.is_none() => {
                match data.get(usize::from(header.len)..).and_then(|rest| rest.first_chunk()) {
                    Some(&value) => {
                        let value = u32::from_be_bytes(value);
                        if value > EXTENDED && header.time == Some(value & EXTENDED) {
                            header.len += 4;
                            (header.time, header.extended) = (Some(value), Some(value));
                        }
                    }
                    None if at_end => {}
                    None => return None,
                }
            }
            _ => {}
        }
        if dialect.continuation == Continuation::WrongId && header.fmt == 3 {
            let open = |csid: &ChunkStreamId| self.streams.get(&csid.0).is_some_and(|stream| stream.is_open);
            if !open(&header.csid) {
                let open = self.streams.values().filter(|stream| stream.is_open);
                let latest = open.max_by_key(|stream| stream.message.chunks.last().map(|chunk| chunk.at));
                header.csid = latest.map_or(header.csid, |stream| stream.message.csid);
            }
        }
        header.length = header.length.map(|length| match dialect.length {
            Length::Payload => length,
            Length::LittleEndian => length.swap_bytes() >> 8,
            Length::WithHeaders => {
                let type3 = basic_len(data[0]) as u32 + if header.extended.is_some() { 4 } else { 0 };
                match self.size {
                    Size::Known(size) => length - (length.div_ceil(size + type3).max(1) - 1) * type3,
                    Size::AtLeast(_) => length,
                }
            }
        });
        Some(header)
    }
}
