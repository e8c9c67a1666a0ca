//! Protocol control and user control messages (RTMP 1.0 5.4, 7.1.7; types 1 to 6).
//!
//! Takes a body, gives its numbers. A body that is too short for its type gives no value; bytes after
//! the last field are kept. Nothing is applied: who sets a chunk size acts on it elsewhere.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::MessageTypeId;
use crate::field::{Defect, Reader, Record};

/// A protocol control message: types 1, 2, 3, 5 and 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control<'a> {
    /// Its numbers.
    pub kind: ControlKind,
    /// Bytes that the type has no use for.
    pub trailing: &'a [u8],
}

/// What a protocol control message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// Type 1: the sender's new chunk size in bytes, bit 31 included as it was sent (RTMP 1.0 5.4.1).
    SetChunkSize {
        /// In bytes.
        chunk_size: u32,
    },
    /// Type 2: the message on this chunk stream will not be completed (RTMP 1.0 5.4.2).
    Abort {
        /// The chunk stream.
        chunk_stream_id: u32,
    },
    /// Type 3: so many bytes were received so far (RTMP 1.0 5.4.3).
    Acknowledgement {
        /// In bytes, modulo 2^32.
        sequence_number: u32,
    },
    /// Type 5: acknowledge after so many bytes (RTMP 1.0 5.4.4).
    WindowAcknowledgementSize {
        /// In bytes.
        acknowledgement_window_size: u32,
    },
    /// Type 6: have no more than so many bytes unacknowledged (RTMP 1.0 5.4.5).
    SetPeerBandwidth {
        /// In bytes.
        acknowledgement_window_size: u32,
        /// 0 hard, 1 soft, 2 dynamic; `None` if the body ended before it.
        limit_type: Option<u8>,
    },
}

/// A user control message: type 4 (RTMP 1.0 6.2, 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserControl<'a> {
    /// The event's number.
    pub event_type: u16,
    /// What it says; `None` if the body is too short for it.
    pub event: Option<Event<'a>>,
    /// Bytes that the event has no use for.
    pub trailing: &'a [u8],
}

/// The content of a user control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Events 0, 1, 2, 4, 31 and 32 say something about a stream.
    Stream {
        /// The message stream.
        stream_id: u32,
    },
    /// Event 3.
    SetBufferLength {
        /// The message stream.
        stream_id: u32,
        /// In milliseconds.
        buffer_length: u32,
    },
    /// Events 6 and 7.
    Ping {
        /// In milliseconds, of the server's clock.
        timestamp: u32,
    },
    /// Event 26: no content. Flash servers ask for proof of the player's SWF file.
    SwfVerifyRequest,
    /// Event 27: the proof, 42 bytes.
    SwfVerifyResponse(&'a [u8]),
    /// Any other event.
    Unknown(&'a [u8]),
}

/// Decodes types 1, 2, 3, 5 and 6. `None` if the body is too short; its bytes are undecoded then.
pub fn control<'a, R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'a, '_, R>,
    defects: &mut Vec<Defect>,
) -> Option<Control<'a>> {
    let kind = match control_kind(type_id, reader, defects) {
        Ok(kind) => kind,
        Err(defect) => {
            defects.push(defect);
            reader.rest(&UNDECODED);
            return None;
        }
    };
    Some(Control { kind, trailing: trailing(reader, defects) })
}

fn control_kind<R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'_, '_, R>,
    defects: &mut Vec<Defect>,
) -> Result<ControlKind, Defect> {
    Ok(match type_id {
        MessageTypeId::SET_CHUNK_SIZE => {
            let at = reader.at();
            let chunk_size = reader.u32(&CHUNK_SIZE)?;
            reader.bits(&CHUNK_SIZE_HIGH_BIT, chunk_size.into(), 31, 1);
            if chunk_size == 0 || chunk_size >> 31 != 0 {
                let text = format!("chunk size {chunk_size:#x}: it must be 1 to 0x7fffffff (RTMP 1.0 5.4.1)");
                defects.push(Defect::new("chunk-size-invalid", at, text));
            }
            ControlKind::SetChunkSize { chunk_size }
        }
        MessageTypeId::ABORT => ControlKind::Abort { chunk_stream_id: reader.u32(&ABORT_CSID)? },
        MessageTypeId::ACKNOWLEDGEMENT => {
            ControlKind::Acknowledgement { sequence_number: reader.u32(&SEQUENCE_NUMBER)? }
        }
        MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE => {
            ControlKind::WindowAcknowledgementSize { acknowledgement_window_size: reader.u32(&WINDOW)? }
        }
        // Type 6, or a type that is none of ours and would be read as it.
        _ => {
            let acknowledgement_window_size = reader.u32(&WINDOW)?;
            let at = reader.at();
            let limit_type = match reader.u8(&LIMIT_TYPE) {
                Ok(limit_type) => Some(limit_type),
                Err(short) => {
                    defects.push(short.into());
                    None
                }
            };
            if let Some(limit) = limit_type.filter(|&limit| limit_type_name(limit.into()).is_none()) {
                let text = format!("limit type {limit}: only 0, 1 and 2 are defined (RTMP 1.0 5.4.5)");
                defects.push(Defect::new("limit-type-unknown", at, text));
            }
            ControlKind::SetPeerBandwidth { acknowledgement_window_size, limit_type }
        }
    })
}

/// Decodes type 4. `None` if even the event's number is cut.
pub fn user_control<'a, R: Record>(
    reader: &mut Reader<'a, '_, R>,
    defects: &mut Vec<Defect>,
) -> Option<UserControl<'a>> {
    let event_type = match reader.u16(&EVENT_TYPE) {
        Ok(event_type) => event_type,
        Err(short) => {
            defects.push(short.into());
            reader.rest(&UNDECODED);
            return None;
        }
    };
    let event = match event(event_type, reader) {
        Ok(event) => event,
        Err(defect) => {
            defects.push(defect);
            let trailing = reader.rest(&UNDECODED);
            return Some(UserControl { event_type, event: None, trailing });
        }
    };
    Some(UserControl { event_type, event: Some(event), trailing: trailing(reader, defects) })
}

fn event<'a, R: Record>(event_type: u16, reader: &mut Reader<'a, '_, R>) -> Result<Event<'a>, Defect> {
    Ok(match event_type {
        0..=2 | 4 | 31 | 32 => Event::Stream { stream_id: reader.u32(&EVENT_STREAM_ID)? },
        3 => Event::SetBufferLength {
            stream_id: reader.u32(&EVENT_STREAM_ID)?,
            buffer_length: reader.u32(&BUFFER_LENGTH)?,
        },
        6 | 7 => Event::Ping { timestamp: reader.u32(&PING_TIMESTAMP)? },
        26 => Event::SwfVerifyRequest,
        27 => Event::SwfVerifyResponse(reader.bytes(&SWF_VERIFICATION, 42)?),
        _ => Event::Unknown(reader.rest(&EVENT_DATA)),
    })
}

/// What is left after the last field.
fn trailing<'a, R: Record>(reader: &mut Reader<'a, '_, R>, defects: &mut Vec<Defect>) -> &'a [u8] {
    let at = reader.at();
    let bytes = reader.rest(&TRAILING);
    if !bytes.is_empty() {
        let text = format!("{} bytes after the message's last field, which ends at {at}", bytes.len());
        defects.push(Defect::new("control-trailing-bytes", at, text));
    }
    bytes
}

/// The names of the user control events: Wireshark's where it has them.
pub fn event_name(event_type: u64) -> Option<&'static str> {
    wireshark_event_name(event_type).or(match event_type {
        26 => Some("SWFVerify Request"),
        27 => Some("SWFVerify Response"),
        31 => Some("Buffer Empty"),
        32 => Some("Buffer Ready"),
        _ => None,
    })
}

/// The events that Wireshark knows.
pub fn wireshark_event_name(event_type: u64) -> Option<&'static str> {
    Some(match event_type {
        0 => "Stream Begin",
        1 => "Stream EOF",
        2 => "Stream Dry",
        3 => "Set Buffer Length",
        4 => "Stream Is Recorded",
        6 => "Ping Request",
        7 => "Ping Response",
        _ => return None,
    })
}

/// The names of the limit types (RTMP 1.0 5.4.5).
pub fn limit_type_name(limit_type: u64) -> Option<&'static str> {
    Some(match limit_type {
        0 => "Hard",
        1 => "Soft",
        2 => "Dynamic",
        _ => return None,
    })
}

crate::fields! {
    CHUNK_SIZE = "rtmpt.scm.chunksize", Uint, "Chunk size", "The sender's new chunk size in bytes (RTMP 1.0 5.4.1).";
    CHUNK_SIZE_HIGH_BIT = "rtmpt.scm.chunksize.high_bit", Uint, "High bit", "To be 0 (RTMP 1.0 5.4.1; own name).";
    ABORT_CSID = "rtmpt.scm.csid", Uint, "Chunk stream ID",
        "The chunk stream whose message is abandoned (RTMP 1.0 5.4.2).";
    SEQUENCE_NUMBER = "rtmpt.scm.seq", Uint, "Sequence number", "Bytes received so far (RTMP 1.0 5.4.3).";
    WINDOW = "rtmpt.scm.was", Uint, "Window acknowledgement size", "In bytes (RTMP 1.0 5.4.4, 5.4.5).";
    LIMIT_TYPE = "rtmpt.scm.limittype", Uint, "Limit type", "How the limit is meant (RTMP 1.0 5.4.5).",
        limit_type_name;
    EVENT_TYPE = "rtmpt.ucm.eventtype", Uint, "Event type", "Which event (RTMP 1.0 7.1.7).", event_name;
    EVENT_STREAM_ID = "rtmpt.ucm.stream_id", Uint, "Stream ID", "The message stream (RTMP 1.0 7.1.7; own name).";
    BUFFER_LENGTH = "rtmpt.ucm.buffer_length", Uint, "Buffer length", "In milliseconds (RTMP 1.0 7.1.7; own name).";
    PING_TIMESTAMP = "rtmpt.ucm.timestamp", Uint, "Timestamp",
        "The server's clock in milliseconds (RTMP 1.0 7.1.7; own name).";
    SWF_VERIFICATION = "rtmpt.ucm.swf_verification", Bytes, "SWF verification",
        "The player's proof, event 27 (own name).";
    EVENT_DATA = "rtmpt.ucm.data", Bytes, "Event data", "The content of an event without a known layout (own name).";
    TRAILING = "rtmpt.trailing", Bytes, "Trailing bytes", "Bytes that do not belong to the message (own name).";
    UNDECODED = "rtmpt.undecoded", Bytes, "Undecoded", "Bytes too few for the message's type (own name).";
}

impl Serialize for Control<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        match self.kind {
            ControlKind::SetChunkSize { chunk_size } => map.serialize_entry("chunk_size", &chunk_size)?,
            ControlKind::Abort { chunk_stream_id } => map.serialize_entry("chunk_stream_id", &chunk_stream_id)?,
            ControlKind::Acknowledgement { sequence_number } => {
                map.serialize_entry("sequence_number", &sequence_number)?;
            }
            ControlKind::WindowAcknowledgementSize { acknowledgement_window_size } => {
                map.serialize_entry("acknowledgement_window_size", &acknowledgement_window_size)?;
            }
            ControlKind::SetPeerBandwidth { acknowledgement_window_size, limit_type } => {
                map.serialize_entry("acknowledgement_window_size", &acknowledgement_window_size)?;
                map.serialize_entry("limit_type", &limit_type)?;
                if let Some(name) = limit_type.and_then(|limit| limit_type_name(limit.into())) {
                    map.serialize_entry("limit", name)?;
                }
            }
        }
        trailing_entry(&mut map, self.trailing)?;
        map.end()
    }
}

impl Serialize for UserControl<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("event_type", &self.event_type)?;
        if let Some(name) = event_name(self.event_type.into()) {
            map.serialize_entry("event", name)?;
        }
        match self.event {
            Some(Event::Stream { stream_id }) => map.serialize_entry("stream_id", &stream_id)?,
            Some(Event::SetBufferLength { stream_id, buffer_length }) => {
                map.serialize_entry("stream_id", &stream_id)?;
                map.serialize_entry("buffer_length", &buffer_length)?;
            }
            Some(Event::Ping { timestamp }) => map.serialize_entry("timestamp", &timestamp)?,
            Some(Event::SwfVerifyResponse(bytes)) => map.serialize_entry("swf_verification", &hex::encode(bytes))?,
            Some(Event::Unknown(bytes)) => map.serialize_entry("hex", &hex::encode(bytes))?,
            Some(Event::SwfVerifyRequest) | None => {}
        }
        trailing_entry(&mut map, self.trailing)?;
        map.end()
    }
}

fn trailing_entry<M: SerializeMap>(map: &mut M, trailing: &[u8]) -> Result<(), M::Error> {
    if trailing.is_empty() { Ok(()) } else { map.serialize_entry("trailing", &hex::encode(trailing)) }
}

#[cfg(test)]
mod tests {
    use super::super::body::{Body, decode};
    use super::*;

    fn json(type_id: u8, bytes: &[u8]) -> (String, Vec<&'static str>) {
        let decoded = decode(MessageTypeId(type_id), bytes, bytes.len() as u32, &mut ());
        let codes = decoded.defects.iter().map(|defect| defect.code).collect();
        (serde_json::to_string(&decoded.body).unwrap(), codes)
    }

    #[test]
    fn protocol_control_messages() {
        for (type_id, bytes, expected) in [
            (1, &[0, 0, 0x10, 0][..], r#"{"chunk_size":4096}"#),
            (2, &[0, 0, 0, 6], r#"{"chunk_stream_id":6}"#),
            (3, &[0xff, 0xff, 0xff, 0xf0], r#"{"sequence_number":4294967280}"#),
            (5, &[0, 0x26, 0x25, 0xa0], r#"{"acknowledgement_window_size":2500000}"#),
            (
                6,
                &[0, 0x26, 0x25, 0xa0, 2],
                r#"{"acknowledgement_window_size":2500000,"limit_type":2,"limit":"Dynamic"}"#,
            ),
        ] {
            assert_eq!(json(type_id, bytes), (expected.to_owned(), vec![]));
        }
    }

    #[test]
    fn wrong_lengths_and_values_are_defects() {
        // Three bytes of a chunk size: kept as they are.
        assert_eq!(json(1, &[0, 0x10, 0]), (r#"{"hex":"001000"}"#.into(), vec!["body-short"]));
        // Bit 31 set, and 0.
        assert_eq!(json(1, &[0x80, 0, 0x10, 0]), (r#"{"chunk_size":2147487744}"#.into(), vec!["chunk-size-invalid"]));
        assert_eq!(json(1, &[0, 0, 0, 0]), (r#"{"chunk_size":0}"#.into(), vec!["chunk-size-invalid"]));
        // A peer bandwidth without its limit type, a window with a byte too many.
        let (text, codes) = json(6, &[0, 0, 0, 1]);
        assert_eq!(text, r#"{"acknowledgement_window_size":1,"limit_type":null}"#);
        assert_eq!(codes, ["body-short"]);
        let (text, codes) = json(6, &[0, 0, 0, 1, 7]);
        assert_eq!(text, r#"{"acknowledgement_window_size":1,"limit_type":7}"#);
        assert_eq!(codes, ["limit-type-unknown"]);
        let (text, codes) = json(5, &[0, 0, 0, 1, 0xee]);
        assert_eq!(text, r#"{"acknowledgement_window_size":1,"trailing":"ee"}"#);
        assert_eq!(codes, ["control-trailing-bytes"]);
    }

    #[test]
    fn user_control_events() {
        let stream = |event: u8| vec![0, event, 0, 0, 0, 1];
        for (event, name) in [
            (0, "Stream Begin"),
            (1, "Stream EOF"),
            (2, "Stream Dry"),
            (4, "Stream Is Recorded"),
            (31, "Buffer Empty"),
            (32, "Buffer Ready"),
        ] {
            let expected = format!(r#"{{"event_type":{event},"event":"{name}","stream_id":1}}"#);
            assert_eq!(json(4, &stream(event)), (expected, vec![]));
        }
        for (bytes, expected) in [
            // Set Buffer Length of stream 1 to 3000 ms.
            (
                &[0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8][..],
                r#"{"event_type":3,"event":"Set Buffer Length","stream_id":1,"buffer_length":3000}"#,
            ),
            (&[0, 6, 0, 0, 3, 0xe8], r#"{"event_type":6,"event":"Ping Request","timestamp":1000}"#),
            (&[0, 7, 0, 0, 3, 0xe8], r#"{"event_type":7,"event":"Ping Response","timestamp":1000}"#),
            (&[0, 26], r#"{"event_type":26,"event":"SWFVerify Request"}"#),
            (&[0, 5, 1, 2], r#"{"event_type":5,"hex":"0102"}"#),
        ] {
            assert_eq!(json(4, bytes), (expected.to_owned(), vec![]));
        }
        let proof = [&[0, 27, 1, 1][..], &[7; 40]].concat();
        let decoded = decode(MessageTypeId::USER_CONTROL, &proof, 44, &mut ());
        let Body::UserControl(message) = decoded.body else { panic!("a user control message") };
        assert_eq!(message.event, Some(Event::SwfVerifyResponse(&proof[2..])));
    }

    #[test]
    fn cut_events_keep_their_bytes() {
        let (text, codes) = json(4, &[0, 3, 0, 0, 0, 1]); // no buffer length
        assert_eq!(text, r#"{"event_type":3,"event":"Set Buffer Length"}"#);
        assert_eq!(codes, ["body-short"]);
        assert_eq!(json(4, &[0]), (r#"{"hex":"00"}"#.into(), vec!["body-short"]));
    }
}
