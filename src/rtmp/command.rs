//! Command and data messages: a name and values in AMF (RTMP 1.0 7.1.1, 7.1.2; types 20, 17, 18, 15).
//!
//! Takes a body, gives its values, and finds the name and the transaction id among them. Types 17 and 15
//! begin with a format byte, 0, and then hold AMF 0 like the others, where marker 0x11 switches single
//! values to AMF 3 (RTMP errata 7.2). Senders that leave the byte out, or put it where it does not
//! belong, are read as they meant it, with a defect. What a command means is not known here.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::MessageTypeId;
use crate::amf::{Number, Str, Value, amf0};
use crate::field::{Defect, Reader, Record};

/// A command: types 20 and 17.
#[derive(Clone, Debug, PartialEq)]
pub struct Command<'a> {
    /// The format byte, if there was one.
    pub format: Option<u8>,
    /// All values, name and transaction id included.
    pub values: Vec<Value<'a>>,
}

/// A data message: types 18 and 15.
#[derive(Clone, Debug, PartialEq)]
pub struct Data<'a> {
    /// The format byte, if there was one.
    pub format: Option<u8>,
    /// All values, the name included.
    pub values: Vec<Value<'a>>,
}

impl<'a> Command<'a> {
    /// The name: the first value, if it is a string.
    pub fn name(&self) -> Option<Str<'a>> {
        self.values.first()?.as_str()
    }

    /// The transaction id: the second value, if it is a number. 0 where no answer is expected.
    pub fn transaction_id(&self) -> Option<f64> {
        self.values.get(1)?.as_number()
    }

    /// The values after name and transaction id. For most commands the first is the command object.
    pub fn arguments(&self) -> &[Value<'a>] {
        let known = usize::from(self.name().is_some());
        let known = if known == 1 && self.transaction_id().is_some() { 2 } else { known };
        &self.values[known..]
    }
}

impl<'a> Data<'a> {
    /// The name: the first value, if it is a string.
    pub fn name(&self) -> Option<Str<'a>> {
        self.values.first()?.as_str()
    }

    /// The values after the name.
    pub fn arguments(&self) -> &[Value<'a>] {
        &self.values[usize::from(self.name().is_some())..]
    }
}

/// Decodes types 20 and 17.
pub fn command<'a, R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'a, '_, R>,
    defects: &mut Vec<Defect>,
) -> Command<'a> {
    let (format, values) = values(type_id, reader, defects);
    Command { format, values }
}

/// Decodes types 18 and 15.
pub fn data<'a, R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'a, '_, R>,
    defects: &mut Vec<Defect>,
) -> Data<'a> {
    let (format, values) = values(type_id, reader, defects);
    Data { format, values }
}

fn values<'a, R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'a, '_, R>,
    defects: &mut Vec<Defect>,
) -> (Option<u8>, Vec<Value<'a>>) {
    let format = format_byte(type_id, reader, defects);
    let start = reader.at();
    let values = amf0::values(reader);
    if values.values.first().is_some_and(|first| first.as_str().is_none()) {
        let text = format!("the first value, at offset {start}, is not a string: a message begins with its name");
        defects.push(Defect::new("amf-first-not-string", start, text));
    }
    defects.extend(values.defects);
    (format, values.values)
}

/// A body begins with a string, marker 02, so a byte before a 02 can only be a format byte.
fn format_byte<R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'_, '_, R>,
    defects: &mut Vec<Defect>,
) -> Option<u8> {
    const STRING: u8 = 2;
    let belongs = matches!(type_id, MessageTypeId::AMF3_COMMAND | MessageTypeId::AMF3_DATA);
    let present = match *reader.peek() {
        [0, STRING, ..] => true,
        [STRING, ..] => false,
        [0, ..] | [_, STRING, ..] => belongs,
        _ => false,
    };
    let at = reader.at();
    match (belongs, present) {
        (true, false) if !reader.is_empty() => defects.push(Defect::new(
            "amf3-format-byte-missing",
            at,
            format!("type {} begins with a format byte, 0, which is not there (RTMP errata 7.2)", type_id.0),
        )),
        (false, true) => defects.push(Defect::new(
            "amf0-extra-format-byte",
            at,
            format!("a byte before the name, as in types 17 and 15, does not belong in type {}", type_id.0),
        )),
        _ => {}
    }
    if !present {
        return None;
    }
    let format = reader.u8(&FORMAT).ok()?;
    if format != 0 {
        let text = format!("format byte {format}: only 0 is defined (RTMP errata 7.2)");
        defects.push(Defect::new("amf3-format-byte-unknown", at, text));
    }
    Some(format)
}

crate::fields! {
    FORMAT = "rtmpt.amf_format", Uint, "Format", "0 before the values of types 17 and 15 (own name).";
}

impl Serialize for Command<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("name", &self.name())?;
        if let Some(transaction_id) = self.transaction_id() {
            map.serialize_entry("transaction_id", &Number(transaction_id))?;
        }
        format_entry(&mut map, self.format)?;
        map.serialize_entry("values", self.arguments())?;
        map.end()
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("name", &self.name())?;
        format_entry(&mut map, self.format)?;
        map.serialize_entry("values", self.arguments())?;
        map.end()
    }
}

fn format_entry<M: SerializeMap>(map: &mut M, format: Option<u8>) -> Result<(), M::Error> {
    format.map_or(Ok(()), |format| map.serialize_entry("format", &format))
}

#[cfg(test)]
mod tests {
    use super::super::body::{Body, decode};
    use super::*;

    fn read(type_id: u8, bytes: &[u8]) -> (String, Vec<&'static str>) {
        let decoded = decode(MessageTypeId(type_id), bytes, bytes.len() as u32, &mut ());
        let codes = decoded.defects.iter().map(|defect| defect.code).collect();
        (serde_json::to_string(&decoded.body).unwrap(), codes)
    }

    // createStream, transaction 4, null.
    const CREATE_STREAM: &[u8] = b"\x02\x00\x0ccreateStream\x00\x40\x10\0\0\0\0\0\0\x05";

    #[test]
    fn a_command_has_a_name_a_transaction_and_values() {
        let expected = r#"{"name":"createStream","transaction_id":4,"values":[null]}"#;
        assert_eq!(read(20, CREATE_STREAM), (expected.into(), vec![]));
        let decoded = decode(MessageTypeId::AMF0_COMMAND, CREATE_STREAM, 25, &mut ());
        let Body::Command(command) = decoded.body else { panic!("a command") };
        assert_eq!(command.name().unwrap(), "createStream");
        assert_eq!(command.transaction_id(), Some(4.0));
        assert_eq!(command.arguments(), [Value::Null]);
        // onFCPublish as ffmpeg -listen writes it has no transaction id.
        let expected = r#"{"name":"onFCPublish","values":["a"]}"#;
        assert_eq!(read(20, b"\x02\x00\x0bonFCPublish\x02\x00\x01a"), (expected.into(), vec![]));
    }

    #[test]
    fn types_17_and_15_begin_with_a_format_byte() {
        let with = [&[0], CREATE_STREAM].concat();
        let expected = r#"{"name":"createStream","transaction_id":4,"format":0,"values":[null]}"#;
        assert_eq!(read(17, &with), (expected.into(), vec![]));
        assert_eq!(read(15, b"\x00\x02\x00\x01a\x05"), (r#"{"name":"a","format":0,"values":[null]}"#.into(), vec![]));
        let expected = r#"{"name":"createStream","transaction_id":4,"values":[null]}"#;
        assert_eq!(read(17, CREATE_STREAM), (expected.into(), vec!["amf3-format-byte-missing"]));
        let (text, codes) = read(20, &with);
        assert!(text.contains(r#""name":"createStream""#));
        assert_eq!(codes, ["amf0-extra-format-byte"]);
        let (_, codes) = read(17, &[&[3], CREATE_STREAM].concat());
        assert_eq!(codes, ["amf3-format-byte-unknown"]);
    }

    #[test]
    fn a_body_without_a_name_keeps_its_values() {
        assert_eq!(read(18, b"\x05"), (r#"{"name":null,"values":[null]}"#.into(), vec!["amf-first-not-string"]));
        assert_eq!(read(20, b""), (r#"{"name":null,"values":[]}"#.into(), vec![]));
    }
}
