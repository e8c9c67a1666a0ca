//! Chunk headers (RTMP 1.0 5.3.1): from bytes to the fields of one header.
//!
//! Takes the bytes at the start of a chunk, gives what the header says. What a header leaves out and
//! inherits is the business of [`super::decoder`]; so is the payload.

use crate::field::{Reader, Record, Short, Value};

use super::{ChunkStreamId, MessageStreamId, MessageTypeId};

crate::fields! {
    HEADER = "rtmpt.header", Group, "RTMP Header", "A chunk header (RTMP 1.0 5.3.1).";
    BASIC_HEADER = "rtmpt.header.basic", Hex, "Basic header", "First byte: two bits of format, six of chunk stream id (RTMP 1.0 5.3.1.1; own name).";
    FORMAT = "rtmpt.header.format", Uint, "Format", "Which fields follow, 0 to 3 (RTMP 1.0 5.3.1.2).";
    CSID = "rtmpt.header.csid", Uint, "Chunk Stream ID", "The true chunk stream id, 2 to 65599 (RTMP 1.0 5.3.1.1).";
    CSID_FORM = "rtmpt.header.csid_form", Uint, "Chunk Stream ID form", "0: one more byte holds the id, 1: two more (RTMP 1.0 5.3.1.1; own name).";
    CSID_EXTRA = "rtmpt.header.csid_extra", Uint, "Chunk Stream ID less 64", "The id's own bytes in the 2- and 3-byte forms, little-endian (RTMP 1.0 5.3.1.1; own name).";
    TIMESTAMP = "rtmpt.header.timestamp", Uint, "Timestamp", "Absolute time of the message in ms (RTMP 1.0 5.3.1.2.1).";
    TIMESTAMP_DELTA = "rtmpt.header.timestampdelta", Uint, "Timestamp delta", "Time since the message before on this chunk stream, in ms (RTMP 1.0 5.3.1.2.2).";
    BODY_SIZE = "rtmpt.header.bodysize", Uint, "Body size", "Length of the message in bytes, without chunk headers.";
    TYPE_ID = "rtmpt.header.typeid", Hex, "Type ID", "Type of the message (RTMP 1.0 5.4, 7.1).", super::type_name;
    STREAM_ID = "rtmpt.header.streamid", Uint, "Stream ID", "Message stream id, the one little-endian field (RTMP 1.0 5.3.1.2.5).";
    EXTENDED_TIMESTAMP = "rtmpt.header.ets", Uint, "Extended timestamp", "The whole timestamp or delta, where three bytes do not hold it (RTMP 1.0 5.3.1.3).";
    REST = "rtmpt.header.undecoded", Bytes, "Undecoded", "Bytes of an incomplete header (own name).";
}

/// In a 24-bit timestamp field: the value is in four more bytes after the header.
pub const EXTENDED: u32 = 0xff_ffff;

/// The longest header: 3 bytes basic, 11 of message header, 4 of extended timestamp.
pub const MAX_HEADER: usize = 18;

/// What one chunk header says, and no more than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Which fields the header has, 0 to 3.
    pub fmt: u8,
    /// The chunk stream.
    pub csid: ChunkStreamId,
    /// Length of the header in bytes, with an extended timestamp.
    pub len: u8,
    /// fmt 0: the timestamp; fmt 1 and 2: the delta; in ms, from the extended field if there is one.
    pub time: Option<u32>,
    /// The extended timestamp, if there is one.
    pub extended: Option<u32>,
    /// fmt 0 and 1: the message's length in bytes.
    pub length: Option<u32>,
    /// fmt 0 and 1: the message's type.
    pub type_id: Option<MessageTypeId>,
    /// fmt 0: the message stream.
    pub message_stream_id: Option<MessageStreamId>,
}

impl ChunkHeader {
    /// Reads a header. `extended_on_type3` says, for a header without fields, whether four bytes of
    /// extended timestamp follow: nothing in the header itself does.
    pub fn read<R: Record>(
        reader: &mut Reader<'_, '_, R>,
        extended_on_type3: impl FnOnce(ChunkStreamId) -> bool,
    ) -> Result<ChunkHeader, Short> {
        let start = reader.at();
        let (fmt, csid) = read_basic(reader)?;
        let mut header = ChunkHeader {
            fmt,
            csid,
            len: 0,
            time: None,
            extended: None,
            length: None,
            type_id: None,
            message_stream_id: None,
        };
        if fmt < 3 {
            header.time = Some(reader.u24(if fmt == 0 { &TIMESTAMP } else { &TIMESTAMP_DELTA })?);
        }
        if fmt < 2 {
            header.length = Some(reader.u24(&BODY_SIZE)?);
            header.type_id = Some(MessageTypeId(reader.u8(&TYPE_ID)?));
        }
        if fmt == 0 {
            header.message_stream_id = Some(MessageStreamId(reader.uint_le(&STREAM_ID, 4)? as u32));
        }
        if header.time == Some(EXTENDED) || (fmt == 3 && extended_on_type3(csid)) {
            let extended = reader.u32(&EXTENDED_TIMESTAMP)?;
            header.extended = Some(extended);
            if fmt < 3 {
                header.time = Some(extended);
            }
        }
        header.len = (reader.at() - start) as u8;
        Ok(header)
    }
}

/// The format and the chunk stream id. Ids from 64 take one byte more, from 320 two, little-endian
/// (RTMP 1.0 5.3.1.1).
fn read_basic<R: Record>(reader: &mut Reader<'_, '_, R>) -> Result<(u8, ChunkStreamId), Short> {
    let first = reader.u8(&BASIC_HEADER)?;
    let fmt = reader.bits(&FORMAT, first.into(), 6, 2) as u8;
    let csid = match first & 0x3f {
        form @ (0 | 1) => {
            reader.bits(&CSID_FORM, first.into(), 0, 6);
            let csid = 64 + reader.uint_le(&CSID_EXTRA, usize::from(form) + 1)?;
            reader.derived(&CSID, || Value::Uint(csid), "64 more than the id's own bytes");
            csid
        }
        _ => reader.bits(&CSID, first.into(), 0, 6),
    };
    Ok((fmt, ChunkStreamId(csid as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<ChunkHeader, Short> {
        ChunkHeader::read(&mut Reader::new(bytes, &mut ()), |_| false)
    }

    #[test]
    fn a_full_header_with_a_little_endian_stream_id() {
        // fmt 0, csid 3 | timestamp 1000 | length 139 | type 20 | stream 1
        let header = read(&[0x03, 0x00, 0x03, 0xe8, 0x00, 0x00, 0x8b, 0x14, 0x01, 0x00, 0x00, 0x00]).unwrap();
        assert_eq!((header.fmt, header.csid.0, header.len), (0, 3, 12));
        assert_eq!((header.time, header.length), (Some(1000), Some(139)));
        assert_eq!(header.type_id, Some(MessageTypeId::AMF0_COMMAND));
        assert_eq!(header.message_stream_id, Some(MessageStreamId(1)));
    }

    #[test]
    fn ids_from_64_and_from_320() {
        assert_eq!(read(&[0xc0, 0x00]).unwrap().csid, ChunkStreamId(64));
        assert_eq!(read(&[0xc0, 0xff]).unwrap().csid, ChunkStreamId(319));
        // 1000 = 64 + 0xa8 + 3 * 256
        assert_eq!(read(&[0xc1, 0xa8, 0x03]).unwrap().csid, ChunkStreamId(1000));
        assert_eq!(read(&[0xc1, 0xff, 0xff]).unwrap().csid, ChunkStreamId(65599));
    }

    #[test]
    fn an_extended_delta_replaces_the_field() {
        // fmt 2, csid 4 | ffffff | 0x01000000
        let header = read(&[0x84, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00]).unwrap();
        assert_eq!((header.time, header.extended, header.len), (Some(0x0100_0000), Some(0x0100_0000), 8));
    }

    #[test]
    fn type_3_has_an_extended_timestamp_only_if_the_caller_knows_so() {
        assert_eq!(read(&[0xc4, 1, 2, 3, 4]).unwrap().len, 1);
        let header = ChunkHeader::read(&mut Reader::new(&[0xc4, 1, 2, 3, 4], &mut ()), |_| true).unwrap();
        assert_eq!((header.len, header.time, header.extended), (5, None, Some(0x0102_0304)));
    }

    #[test]
    fn a_cut_header_is_short() {
        for len in 0..12 {
            assert!(read(&[0x03, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0][..len]).is_err());
        }
    }
}
