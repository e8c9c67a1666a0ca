//! Shared object messages (RTMP 1.0 7.1.3; types 19 and 16).
//!
//! Takes a body, gives the object's name, version and flags, and the events. The specification names the
//! events without their layout; it is the one that Flash players and Red5 use. Type 16 begins with a
//! format byte, 0, like types 17 and 15. What is done to the object is not kept here.

use serde::Serialize;

use super::MessageTypeId;
use crate::amf::amf0::{self, short_string};
use crate::amf::{MAX_VALUES, Properties, Str, Value};
use crate::field::{Defect, Reader, Record};

/// The body of a shared object message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedObject<'a> {
    /// The format byte of type 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<u8>,
    /// The object's name.
    pub name: Str<'a>,
    /// Its version, as the sender knows it.
    pub version: u32,
    /// 2 if it is persistent.
    pub flags: u32,
    /// What happens to it.
    pub events: Vec<Event<'a>>,
}

impl SharedObject<'_> {
    /// Whether the object outlives the connection.
    pub fn is_persistent(&self) -> bool {
        self.flags & 2 != 0
    }
}

/// An event of a shared object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event<'a> {
    /// Its number, 1 to 11.
    pub event_type: u8,
    /// What it says.
    #[serde(flatten)]
    pub content: Content<'a>,
}

impl Event<'_> {
    /// The event's name in the specification.
    pub fn name(&self) -> Option<&'static str> {
        event_name(self.event_type.into())
    }
}

/// The content of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content<'a> {
    /// Use, release, clear, use success.
    Nothing {},
    /// Request change, change: names and their new values.
    Properties {
        /// The names and values.
        properties: Properties<'a>,
    },
    /// Success, remove, request remove: the names concerned.
    Names {
        /// The names.
        names: Vec<Str<'a>>,
    },
    /// Send message: a handler's name and its arguments.
    Message {
        /// All values.
        values: Vec<Value<'a>>,
    },
    /// Status.
    Status {
        /// E.g. `SharedObject.BadPersistence`.
        code: Str<'a>,
        /// E.g. `error`.
        level: Str<'a>,
    },
    /// An event that is not known, or is cut.
    Undecoded {
        /// The bytes.
        #[serde(with = "hex::serde")]
        hex: &'a [u8],
    },
}

/// Decodes types 19 and 16. `None` if not even the header is whole.
pub fn decode<'a, R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'a, '_, R>,
    defects: &mut Vec<Defect>,
) -> Option<SharedObject<'a>> {
    let mut object = match header(type_id, reader, defects) {
        Ok(object) => object,
        Err(defect) => {
            defects.push(defect);
            reader.rest(&UNDECODED);
            return None;
        }
    };
    let mut count = 0;
    while !reader.is_empty() {
        // An event, a name and a value cost about as much, and a body may have millions of each.
        if let Err(defect) = count_one(&mut count, reader.at()) {
            defects.push(defect);
            break;
        }
        match reader.group(&EVENT, |reader| event(reader, &mut count, defects)) {
            Ok(event) => object.events.push(event),
            Err(defect) => {
                defects.push(defect);
                break;
            }
        }
    }
    reader.rest(&UNDECODED);
    Some(object)
}

fn header<'a, R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'a, '_, R>,
    defects: &mut Vec<Defect>,
) -> Result<SharedObject<'a>, Defect> {
    let mut format = None;
    if type_id == MessageTypeId::AMF3_SHARED_OBJECT {
        let at = reader.at();
        let byte = reader.u8(&FORMAT)?;
        if byte != 0 {
            let text = format!("format byte {byte}: only 0 is defined (RTMP errata 7.2)");
            defects.push(Defect::new("amf3-format-byte-unknown", at, text));
        }
        format = Some(byte);
    }
    let name = short_string(reader, &NAME)?;
    let version = reader.u32(&VERSION)?;
    let flags = reader.u32(&FLAGS)?;
    reader.u32(&RESERVED)?;
    Ok(SharedObject { format, name, version, flags, events: Vec::new() })
}

fn count_one(count: &mut usize, at: usize) -> Result<(), Defect> {
    if *count >= MAX_VALUES {
        let text = format!("more than {MAX_VALUES} events, names and values in one body: the rest is not decoded");
        return Err(Defect::new("shared-object-too-many", at, text));
    }
    *count += 1;
    Ok(())
}

fn event<'a, R: Record>(
    reader: &mut Reader<'a, '_, R>,
    count: &mut usize,
    defects: &mut Vec<Defect>,
) -> Result<Event<'a>, Defect> {
    let at = reader.at();
    let event_type = reader.u8(&EVENT_TYPE)?;
    let length = reader.u32(&EVENT_LENGTH)?;
    reader.describe(|| match event_name(event_type.into()) {
        Some(name) => format!("{name}, {length} bytes"),
        None => format!("Unknown event {event_type}, {length} bytes"),
    });
    if length as usize > reader.remaining() {
        let text = format!("an event of {length} bytes in a body that has {} left", reader.remaining());
        return Err(Defect::new(Defect::SHORT, at, text));
    }
    let content = reader.within(length as usize, |reader| {
        let hex = reader.peek();
        let content = content(event_type, reader, count, defects).unwrap_or_else(|defect| {
            defects.push(defect);
            Content::Undecoded { hex }
        });
        reader.rest(&EVENT_DATA);
        content
    });
    Ok(Event { event_type, content })
}

fn content<'a, R: Record>(
    event_type: u8,
    reader: &mut Reader<'a, '_, R>,
    count: &mut usize,
    defects: &mut Vec<Defect>,
) -> Result<Content<'a>, Defect> {
    Ok(match event_type {
        1 | 2 | 8 | 11 if reader.is_empty() => Content::Nothing {},
        3 | 4 => {
            let (properties, broken) = amf0::pairs(count, reader);
            defects.extend(broken);
            Content::Properties { properties }
        }
        5 | 9 | 10 => {
            let mut names = Vec::new();
            while !reader.is_empty() {
                count_one(count, reader.at())?;
                names.push(short_string(reader, &PROPERTY_NAME)?);
            }
            Content::Names { names }
        }
        6 => {
            let values = amf0::values_after(count, reader);
            defects.extend(values.defects);
            Content::Message { values: values.values }
        }
        7 => Content::Status { code: short_string(reader, &STATUS_CODE)?, level: short_string(reader, &STATUS_LEVEL)? },
        _ => {
            let (code, text) = match event_name(event_type.into()) {
                Some(name) => ("shared-object-event-data", format!("{name} has no content")),
                None => ("shared-object-event-unknown", format!("{event_type} is not an event (RTMP 1.0 7.1.3)")),
            };
            defects.push(Defect::new(code, reader.at(), text));
            Content::Undecoded { hex: reader.peek() }
        }
    })
}

/// The names of the events (RTMP 1.0 7.1.3).
pub fn event_name(event_type: u64) -> Option<&'static str> {
    Some(match event_type {
        1 => "Use",
        2 => "Release",
        3 => "Request Change",
        4 => "Change",
        5 => "Success",
        6 => "SendMessage",
        7 => "Status",
        8 => "Clear",
        9 => "Remove",
        10 => "Request Remove",
        11 => "Use Success",
        _ => return None,
    })
}

crate::fields! {
    FORMAT = "rtmpt.so.format", Uint, "Format", "0 before type 16 (RTMP errata 7.2; own name).";
    NAME = "rtmpt.so.name", Text, "Name", "The shared object's name (RTMP 1.0 7.1.3; own name).";
    VERSION = "rtmpt.so.version", Uint, "Version", "The object's version (RTMP 1.0 7.1.3; own name).";
    FLAGS = "rtmpt.so.flags", Hex, "Flags", "2: persistent (RTMP 1.0 7.1.3; own name).";
    RESERVED = "rtmpt.so.reserved", Hex, "Reserved", "The second half of the flags (RTMP 1.0 7.1.3; own name).";
    EVENT = "rtmpt.so.event", Group, "Event", "An event (RTMP 1.0 7.1.3; own name).";
    EVENT_TYPE = "rtmpt.so.event.type", Uint, "Event type", "Which event (RTMP 1.0 7.1.3; own name).", event_name;
    EVENT_LENGTH = "rtmpt.so.event.length", Uint, "Event length", "Bytes that follow (RTMP 1.0 7.1.3; own name).";
    PROPERTY_NAME = "rtmpt.so.event.name", Text, "Property name", "Which property (own name).";
    STATUS_CODE = "rtmpt.so.event.code", Text, "Code", "What happened (own name).";
    STATUS_LEVEL = "rtmpt.so.event.level", Text, "Level", "How bad it is (own name).";
    EVENT_DATA = "rtmpt.so.event.data", Bytes, "Event data", "Bytes that do not belong to the event (own name).";
    UNDECODED = "rtmpt.so.undecoded", Bytes, "Undecoded", "Bytes that are not a complete event (own name).";
}

#[cfg(test)]
mod tests {
    use super::super::body::decode;
    use super::*;
    use crate::field::Tree;

    fn read(type_id: u8, bytes: &[u8]) -> (String, Vec<&'static str>) {
        let mut tree = Tree::default();
        let decoded = decode(MessageTypeId(type_id), bytes, bytes.len() as u32, &mut tree);
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()));
        let codes = decoded.defects.iter().map(|defect| defect.code).collect();
        (serde_json::to_string(&decoded.body).unwrap(), codes)
    }

    #[test]
    fn every_event() {
        #[rustfmt::skip]
        let body = [
            b"\x00\x02so\x00\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00\x00".as_slice(), // so, version 3, persistent
            b"\x01\x00\x00\x00\x00",                     // use
            b"\x02\x00\x00\x00\x00",                     // release
            b"\x03\x00\x00\x00\x04\x00\x01a\x05",        // request change: a = null
            b"\x04\x00\x00\x00\x0a\x00\x01a\x01\x01\x00\x01b\x01\x00", // change: a = true, b = false
            b"\x05\x00\x00\x00\x03\x00\x01a",            // success: a
            b"\x06\x00\x00\x00\x06\x02\x00\x02hi\x05",   // send message: hi(null)
            b"\x07\x00\x00\x00\x06\x00\x01c\x00\x01l",   // status
            b"\x08\x00\x00\x00\x00",                     // clear
            b"\x09\x00\x00\x00\x03\x00\x01a",            // remove: a
            b"\x0a\x00\x00\x00\x03\x00\x01a",            // request remove: a
            b"\x0b\x00\x00\x00\x00",                     // use success
        ]
        .concat();
        let events = concat!(
            r#"[{"event_type":1},{"event_type":2},{"event_type":3,"properties":{"a":null}},"#,
            r#"{"event_type":4,"properties":{"a":true,"b":false}},{"event_type":5,"names":["a"]},"#,
            r#"{"event_type":6,"values":["hi",null]},{"event_type":7,"code":"c","level":"l"},{"event_type":8},"#,
            r#"{"event_type":9,"names":["a"]},{"event_type":10,"names":["a"]},{"event_type":11}]"#
        );
        let expected = format!(r#"{{"name":"so","version":3,"flags":2,"events":{events}}}"#);
        assert_eq!(read(19, &body), (expected, vec![]));
        // Type 16: the same after a format byte.
        let expected = format!(r#"{{"format":0,"name":"so","version":3,"flags":2,"events":{events}}}"#);
        assert_eq!(read(16, &[&[0], body.as_slice()].concat()), (expected, vec![]));
    }

    #[test]
    fn broken_shared_objects() {
        assert_eq!(read(19, b"\x00\x09so"), (r#"{"hex":"0009736f"}"#.into(), vec!["body-short"]));
        let header = b"\x00\x01s\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        let (json, codes) = read(19, &[header.as_slice(), b"\x0c\x00\x00\x00\x01x\x04\x00\x00\x00\x09\x00"].concat());
        assert!(json.ends_with(r#""events":[{"event_type":12,"hex":"78"}]}"#), "{json}");
        assert_eq!(codes, ["shared-object-event-unknown", "body-short"]); // nine bytes of the change, one there
    }
}
