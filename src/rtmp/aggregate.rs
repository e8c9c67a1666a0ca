//! Aggregate messages: several messages in one (RTMP 1.0 7.1.6; type 22).
//!
//! Takes a body, gives the messages in it, each decoded like a message of its own. The specification
//! draws the inner headers as message headers; everybody who writes or reads them uses FLV tags: type,
//! length, 24 bits of timestamp and 8 more above them, stream id, body, and a back pointer that counts
//! header and body. Timestamps are relative: the first inner message has the timestamp of the aggregate.

use serde::Serialize;

use super::MessageTypeId;
use super::body::{self, Body};
use crate::field::{Defect, Reader, Record};

/// How many messages one aggregate may hold. Real ones hold some dozens.
pub const MAX_MESSAGES: usize = 4096;

/// The body of an aggregate message.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Aggregate<'a> {
    /// The messages in it.
    pub messages: Vec<SubMessage<'a>>,
    /// Whether there may be more: the body is here only in part.
    #[serde(skip_serializing_if = "is_false")]
    pub incomplete: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A message in an aggregate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubMessage<'a> {
    /// Its type.
    pub type_id: MessageTypeId,
    /// The length of its body in bytes.
    pub length: u32,
    /// As it was sent, in milliseconds.
    pub timestamp: u32,
    /// How much later than the first message of the aggregate, in milliseconds.
    pub timestamp_offset: i32,
    /// The message stream; 24 bits, and mostly 0 though the stream is another.
    pub stream_id: u32,
    /// The length of header and body as it was sent; `None` if it is not there.
    pub back_pointer: Option<u32>,
    /// What it says.
    pub body: Box<Body<'a>>,
}

impl SubMessage<'_> {
    /// When the message is meant, given the timestamp of the aggregate (RTMP 1.0 7.1.6).
    pub fn rebased(&self, aggregate_timestamp: u32) -> u32 {
        aggregate_timestamp.wrapping_add_signed(self.timestamp_offset)
    }
}

/// Decodes type 22.
pub fn decode<'a, R: Record>(reader: &mut Reader<'a, '_, R>, missing: u32, defects: &mut Vec<Defect>) -> Aggregate<'a> {
    const BACK_POINTER: u32 = 4;
    let mut aggregate = Aggregate::default();
    let mut first = None;
    let total = reader.remaining() as u64 + u64::from(missing);
    while !reader.is_empty() {
        if aggregate.messages.len() == MAX_MESSAGES {
            let text = format!("more than {MAX_MESSAGES} messages in an aggregate, the rest is not decoded");
            defects.push(Defect::new("aggregate-too-many", reader.at(), text));
            break;
        }
        match reader.group(&TAG, |reader| message(reader, missing, &mut first, defects)) {
            Ok(message) => aggregate.messages.push(message),
            Err(defect) => {
                defects.push(defect);
                break;
            }
        }
    }
    let listed: u64 = aggregate.messages.iter().map(|message| u64::from(HEADER + message.length + BACK_POINTER)).sum();
    aggregate.incomplete = missing > 0 && listed + u64::from(BACK_POINTER) < total;
    reader.rest(&UNDECODED);
    aggregate
}

/// Bytes of a tag's header.
const HEADER: u32 = 11;

fn message<'a, R: Record>(
    reader: &mut Reader<'a, '_, R>,
    missing: u32,
    first: &mut Option<u32>,
    defects: &mut Vec<Defect>,
) -> Result<SubMessage<'a>, Defect> {
    let at = reader.at();
    let type_id = MessageTypeId(reader.u8(&TAG_TYPE)?);
    let length = reader.u24(&TAG_LENGTH)?;
    let low = reader.u24(&TAG_TIMESTAMP)?;
    let high = reader.u8(&TAG_TIMESTAMP_HIGH)?;
    let timestamp = u32::from(high) << 24 | low;
    let stream_id = reader.u24(&TAG_STREAM_ID)?;
    let timestamp_offset = timestamp.wrapping_sub(*first.get_or_insert(timestamp)) as i32;
    reader.describe(|| format!("{} {length} bytes, {timestamp_offset:+} ms", type_id.name()));
    let short = length.saturating_sub(reader.remaining() as u32);
    if short > missing {
        let text = format!("a message of {length} bytes in an aggregate that has {} left", reader.remaining());
        return Err(Defect::new(TAG_TOO_LONG, at, text));
    }
    let body = reader.within(length as usize, |reader| match type_id {
        // No aggregates in aggregates: nobody writes them, and depth must end somewhere.
        MessageTypeId::AGGREGATE => Body::Unknown { hex: reader.rest(&UNDECODED) },
        _ => body::read(type_id, reader, short, defects),
    });
    let back_pointer = match reader.is_empty() {
        // Some senders leave the last one out.
        true => None,
        false => {
            let at = reader.at();
            let back_pointer = reader.u32(&TAG_BACK_POINTER)?;
            if back_pointer != length + HEADER {
                let text = format!("back pointer {back_pointer} after {HEADER} + {length} bytes");
                defects.push(Defect::new("aggregate-back-pointer", at, text));
            }
            Some(back_pointer)
        }
    };
    Ok(SubMessage { type_id, length, timestamp, timestamp_offset, stream_id, back_pointer, body: Box::new(body) })
}

/// The code of an inner message that is longer than what is left.
pub const TAG_TOO_LONG: &str = "aggregate-message-too-long";

fn tag_type_name(tag_type: u64) -> Option<&'static str> {
    Some(match tag_type {
        8 => "Audio Tag",
        9 => "Video Tag",
        18 => "Script Tag",
        _ => return None,
    })
}

crate::fields! {
    TAG = "rtmpt.tag", Group, "Message", "A message in an aggregate (RTMP 1.0 7.1.6; own name).";
    TAG_TYPE = "rtmpt.tag.type", Uint, "Type", "The message's type (FLV E.4.1).", tag_type_name;
    TAG_LENGTH = "rtmpt.tag.datasize", Uint, "Data size", "The length of its body (FLV E.4.1).";
    TAG_TIMESTAMP = "rtmpt.tag.timestamp", Uint, "Timestamp", "The lower 24 bits, in milliseconds (FLV E.4.1).";
    TAG_TIMESTAMP_HIGH = "rtmpt.tag.ets", Uint, "Timestamp extended", "The upper 8 bits (FLV E.4.1).";
    TAG_STREAM_ID = "rtmpt.tag.streamid", Uint, "Stream ID", "The message stream (RTMP 1.0 6.1.1).";
    TAG_BACK_POINTER = "rtmpt.tag.tagsize", Uint, "Previous tag size",
        "The length of header and body (RTMP 1.0 7.1.6).";
    UNDECODED = "rtmpt.tag.undecoded", Bytes, "Undecoded", "Bytes that are not a complete message (own name).";
}

#[cfg(test)]
mod tests {
    use super::super::body::decode;
    use super::*;
    use crate::field::Tree;

    #[rustfmt::skip]
    const BODY: &[u8] = &[
        8, 0, 0, 3, 0x00, 0x03, 0xe8, 0x01, 0, 0, 0, // audio, 3 bytes, 0x010003e8 ms, stream 0
        0xaf, 1, 0x21,                               // AAC
        0, 0, 0, 14,                                 // 11 + 3
        9, 0, 0, 6, 0x00, 0x04, 0x10, 0x01, 0, 0, 0, // video, 6 bytes, 40 ms later
        0x22, 1, 2, 3, 4, 5,                         // H.263
        0, 0, 0, 99,                                 // wrong: 17
        18, 0, 0, 4, 0x00, 0x04, 0x10, 0x01, 0, 0, 0, // data, 4 bytes
        2, 0, 1, b'a',                               // "a"
    ];

    fn read(bytes: &[u8], length: u32) -> (Aggregate<'_>, Vec<&'static str>) {
        let mut tree = Tree::default();
        let decoded = decode(MessageTypeId::AGGREGATE, bytes, length, &mut tree);
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()));
        let Body::Aggregate(aggregate) = decoded.body else { panic!("an aggregate") };
        (aggregate, decoded.defects.iter().map(|defect| defect.code).collect())
    }

    #[test]
    fn the_messages_of_an_aggregate() {
        let (aggregate, codes) = read(BODY, BODY.len() as u32);
        let kinds: Vec<_> =
            aggregate.messages.iter().map(|message| (message.type_id.0, message.rebased(5000))).collect();
        assert_eq!(kinds, [(8, 5000), (9, 5040), (18, 5040)]);
        assert!(matches!(*aggregate.messages[2].body, Body::Data(_)));
        // The last back pointer is not there, the one before is wrong.
        assert_eq!(aggregate.messages[2].back_pointer, None);
        assert_eq!(codes, ["aggregate-back-pointer"]);
    }

    #[test]
    fn an_aggregate_that_is_cut() {
        let (aggregate, codes) = read(&BODY[..16], 16);
        assert_eq!((aggregate.messages.len(), codes), (0, vec!["body-short"]));
        let (aggregate, codes) = read(&BODY[..13], 13);
        assert_eq!((aggregate.messages.len(), codes), (0, vec![TAG_TOO_LONG]));
        // Its first bytes only: the message that reaches past them is there with what is known.
        let (aggregate, codes) = read(&BODY[..13], 100);
        assert_eq!((aggregate.messages.len(), codes), (1, vec![]));
    }
}
