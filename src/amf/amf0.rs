//! AMF 0 (Adobe, "Action Message Format -- AMF 0", 2007).
//!
//! Takes a reader that is on a marker, gives values until the bytes end or have no known layout
//! any more. What cannot be read is one undecoded field, so that a tree still names every byte.

use super::fields::{
    AMF0_TYPE, ARRAY_LENGTH, BOOLEAN, CLASS, DATE, ECMA_ARRAY, END_OF_OBJECT, INT64, LONG_STRING, NAME, NUMBER, OBJECT,
    OBJECT_REFERENCE, PROPERTY, PROPERTY_NAME, STRICT_ARRAY, STRING, STRING_LENGTH, TIMEZONE, TYPED_OBJECT, UNDECODED,
    VALUE, XML_DOC,
};
use super::progress::{self, Progress};
use super::writer::{self, End, Length, NumberForm, Text, Writer};
use super::{Properties, Str, Value, Values, amf3};
use crate::field::{Def, Defect, Reader, Record};

/// The code of an object that ends without its end marker.
pub const UNTERMINATED: &str = "amf-object-unterminated";

/// The code of a strict array with fewer values than it announces.
pub const ARRAY_SHORT: &str = "amf-array-short";

/// Reads values until the reader is at its end.
pub fn values<'a, R: Record>(reader: &mut Reader<'a, '_, R>) -> Values<'a> {
    values_after(&mut 0, reader)
}

/// The same in a body that had `count` values before these; they are added to it.
pub fn values_after<'a, R: Record>(count: &mut usize, reader: &mut Reader<'a, '_, R>) -> Values<'a> {
    let mut decoder = Decoder { progress: Progress::after(*count), ..Decoder::default() };
    let values = decoder.values(reader);
    *count = decoder.progress.count();
    values
}

/// Reads names and values until the reader is at its end, as shared objects have them: without an end
/// marker. `count` is as in [`values_after`].
pub fn pairs<'a, R: Record>(count: &mut usize, reader: &mut Reader<'a, '_, R>) -> (Properties<'a>, Vec<Defect>) {
    let mut decoder = Decoder { progress: Progress::after(*count), ..Decoder::default() };
    let mut properties = Properties { pairs: Vec::new(), terminated: true };
    while !reader.is_empty() && !decoder.progress.stopped {
        match decoder.property(reader) {
            Ok(pair) => properties.pairs.push(pair),
            Err(defect) => decoder.progress.stop(defect),
        }
    }
    reader.rest(&UNDECODED);
    *count = decoder.progress.count();
    (properties, decoder.progress.defects)
}

/// Reads values as a writer with mistakes writes them.
pub(super) fn values_of<'a, R: Record>(writer: Writer, reader: &mut Reader<'a, '_, R>) -> Values<'a> {
    let mut decoder = Decoder { writer, ..Decoder::default() };
    decoder.values(reader)
}

/// What has to be remembered from value to value.
#[derive(Default)]
struct Decoder<'a> {
    progress: Progress,
    writer: Writer,
    /// Whether the first string was read.
    is_named: bool,
    /// Whether the first number was.
    has_number: bool,
    /// Where the objects and arrays began, for references (AMF0 2.9).
    complex: Vec<usize>,
    amf3: amf3::Tables<'a>,
}

impl<'a> Decoder<'a> {
    fn values<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>) -> Values<'a> {
        let mut values = Vec::new();
        while !reader.is_empty() && !self.progress.stopped {
            match self.value(reader) {
                Ok(value) => values.push(value),
                Err(defect) => self.progress.stop(defect),
            }
        }
        reader.rest(&UNDECODED);
        Values { values, defects: std::mem::take(&mut self.progress.defects) }
    }

    fn value<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>) -> Result<Value<'a>, Defect> {
        self.progress.enter(reader.at())?;
        let value = reader.group(group_of(reader.peek()), |reader| {
            let value = self.content(reader)?;
            reader.describe(|| value.label());
            Ok(value)
        });
        self.progress.leave();
        value
    }

    fn content<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>) -> Result<Value<'a>, Defect> {
        let at = reader.at();
        // No marker is as high as the first byte of most doubles.
        if self.writer.bare_numbers && reader.peek().first().is_some_and(|first| first & 0x7f >= 0x3f) {
            return Ok(Value::Number(self.number(reader)?));
        }
        let written = reader.u8(&AMF0_TYPE)?;
        let marker = match self.writer.marker {
            Some((other, meant)) if other == written => meant,
            _ => written,
        };
        if matches!(marker, 0x03 | 0x08 | 0x0a | 0x10) {
            self.complex.push(at);
        }
        Ok(match marker {
            0x00 if self.writer.boolean_as_number && is_one_byte(reader.peek()) => {
                Value::Boolean(reader.boolean(&BOOLEAN)? != 0)
            }
            0x00 if self.writer.null_as_number && !is_number(reader.peek()) => Value::Null,
            0x00 => Value::Number(self.number(reader)?),
            0x01 => {
                for _ in 0..self.writer.boolean_padding {
                    padding(reader)?;
                }
                Value::Boolean(reader.boolean(&BOOLEAN)? != 0)
            }
            0x02 => {
                let is_first = !std::mem::replace(&mut self.is_named, true);
                let form = if is_first { self.writer.message_name } else { self.writer.strings };
                Value::String(string(reader, &STRING, form)?)
            }
            0x03 => Value::Object(self.properties(reader)),
            0x05 => Value::Null,
            0x06 => Value::Undefined,
            0x07 => {
                let index = reader.u16(&OBJECT_REFERENCE)?.into();
                let offset = self.complex.get(index as usize).copied();
                if offset.is_none() {
                    self.progress.defects.push(progress::dangling(at, "value", index, self.complex.len()));
                }
                Value::Reference { index, offset }
            }
            0x08 => {
                let count = match usize::from(self.writer.count.0) {
                    0 => 0,
                    4 => reader.u32(&ARRAY_LENGTH)?,
                    other => reader.int(&ARRAY_LENGTH, other)? as u32,
                };
                Value::EcmaArray { count, properties: self.properties(reader) }
            }
            0x09 => {
                self.progress.defects.push(Defect::new(
                    "amf-stray-end",
                    at,
                    "there is the end marker of an object (09) where a value should be",
                ));
                Value::ObjectEnd
            }
            0x0a => self.strict_array(reader)?,
            0x0b => {
                let millis = reader.f64(&DATE)?;
                let timezone = if self.writer.no_zone { None } else { Some(reader.int(&TIMEZONE, 2)? as i16) };
                Value::Date { millis, timezone }
            }
            0x0c => Value::LongString(long_string(reader, &LONG_STRING)?),
            0x0d => Value::Unsupported,
            0x0f => Value::Xml(long_string(reader, &XML_DOC)?),
            0x10 => {
                let class = reader.group(&CLASS, |reader| {
                    let class = short_string(reader, &STRING)?;
                    reader.describe(|| format!("Class: {class}"));
                    Ok::<_, Defect>(class)
                })?;
                Value::TypedObject { class, properties: self.properties(reader) }
            }
            0x11 => Value::Avmplus(Box::new(amf3::value(reader, &mut self.progress, &mut self.amf3)?)),
            0x22 => Value::Int64(reader.int(&INT64, 8)?),
            // Movie clip and record set are reserved without a layout (AMF0 2.6, 2.16).
            _ => {
                self.progress.stop(match marker {
                    0x04 | 0x0e => Defect::new(
                        "amf-reserved-marker",
                        at,
                        format!("marker {marker:#04x} is reserved, its content has no known layout"),
                    ),
                    _ => Defect::new("amf-unknown-marker", at, format!("{marker:#04x} is not a marker of AMF0")),
                });
                Value::Undecoded { marker, bytes: reader.rest(&UNDECODED) }
            }
        })
    }

    fn number<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>) -> Result<f64, Defect> {
        let is_first = !std::mem::replace(&mut self.has_number, true);
        Ok(match self.writer.transaction_id.filter(|_| is_first).unwrap_or(self.writer.number) {
            NumberForm::Double => reader.f64(&NUMBER)?,
            NumberForm::DoubleLowFirst => f64::from_bits(reader.uint_le(&NUMBER, 8)?),
            NumberForm::Float => f32::from_bits(reader.u32(&NUMBER)?).into(),
            NumberForm::FloatLowFirst => f32::from_bits(reader.uint_le(&NUMBER, 4)? as u32).into(),
            NumberForm::Integer => reader.int(&NUMBER, 4)? as f64,
            NumberForm::IntegerLowFirst => f64::from(reader.uint_le(&NUMBER, 4)? as i32),
            NumberForm::Long => reader.int(&NUMBER, 8)? as f64,
            NumberForm::LongLowFirst => reader.uint_le(&NUMBER, 8)? as i64 as f64,
            NumberForm::HalvesExchanged => f64::from_bits(reader.f64(&NUMBER)?.to_bits().rotate_left(32)),
        })
    }

    /// Reads the end of an object's properties, if it is here.
    fn end<R: Record>(&self, reader: &mut Reader<'a, '_, R>) -> bool {
        let next = reader.peek();
        let own = self.writer.names.empty();
        let len = match self.writer.end {
            End::Marker | End::None if next.starts_with(&[0, 0, 9]) => 3,
            End::Marker | End::None if next.starts_with(&own) && next.get(own.len()) == Some(&9) => own.len() + 1,
            End::Only09 if next.starts_with(&[9]) => 1,
            End::OnlyName if next.starts_with(&own) => own.len(),
            End::OneZero if next.starts_with(&[0, 9]) => 2,
            End::Other(marker) if next.starts_with(&own) && next.get(own.len()) == Some(&marker) => own.len() + 1,
            _ => return false,
        };
        reader.bytes(&END_OF_OBJECT, len).is_ok()
    }

    /// Names and values up to the end marker. Some encoders leave the end marker out when the body ends
    /// there (Envivio's, says nginx-rtmp), so that much is tolerated and said.
    fn properties<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>) -> Properties<'a> {
        let start = reader.at();
        let mut properties = Properties::default();
        while !self.progress.stopped {
            if self.end(reader) {
                properties.terminated = true;
                break;
            }
            if self.writer.end == End::None && !writer::may_be_property(reader.peek()) {
                break;
            }
            if reader.is_empty() {
                let text = format!("the object whose properties begin at offset {start} has no end marker (00 00 09)");
                self.progress.stop(Defect::new(UNTERMINATED, reader.at(), text));
                break;
            }
            match self.property(reader) {
                Ok(pair) => properties.pairs.push(pair),
                Err(defect) => self.progress.stop(defect),
            }
        }
        properties
    }

    fn property<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>) -> Result<(Str<'a>, Value<'a>), Defect> {
        reader.group(&PROPERTY, |reader| {
            let name = reader.group(&PROPERTY_NAME, |reader| {
                let name = string(reader, &NAME, self.writer.names)?;
                reader.describe(|| format!("Name: {name}"));
                Ok::<_, Defect>(name)
            })?;
            let value = self.value(reader)?;
            reader.describe(|| format!("Property '{name}' {}", value.label()));
            Ok((name, value))
        })
    }

    fn strict_array<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>) -> Result<Value<'a>, Defect> {
        let at = reader.at();
        let count = reader.u32(&ARRAY_LENGTH)?;
        let mut items = Vec::new();
        while !self.progress.stopped && items.len() < count as usize {
            if reader.is_empty() {
                let text = format!("a strict array of {count} values ends after {}", items.len());
                self.progress.stop(Defect::new(ARRAY_SHORT, at, text));
                break;
            }
            match self.value(reader) {
                Ok(value) => items.push(value),
                Err(defect) => self.progress.stop(defect),
            }
        }
        Ok(Value::StrictArray { count, items })
    }
}

/// The kind of group that a value makes in a tree.
fn group_of(bytes: &[u8]) -> &'static Def {
    match bytes.first() {
        Some(0x03) => &OBJECT,
        Some(0x10) => &TYPED_OBJECT,
        Some(0x08) => &ECMA_ARRAY,
        Some(0x0a) => &STRICT_ARRAY,
        _ => &VALUE,
    }
}

/// A string with a length of two bytes (AMF0 1.3.1).
pub fn short_string<'a, R: Record>(reader: &mut Reader<'a, '_, R>, def: &'static Def) -> Result<Str<'a>, Defect> {
    let len = reader.u16(&STRING_LENGTH)?;
    text(reader, def, len.into())
}

/// A string as a writer writes it.
fn string<'a, R: Record>(reader: &mut Reader<'a, '_, R>, def: &'static Def, writer: Text) -> Result<Str<'a>, Defect> {
    if writer.marker && reader.u8(&AMF0_TYPE)? != 2 {
        return Err(Defect::new("amf-unknown-marker", reader.at(), "a name without the marker of strings"));
    }
    let at = reader.at();
    let too_short = || Defect::new("amf-unknown-marker", at, "a length that counts more than the text is too small");
    let len = match writer.length {
        Length::U16 | Length::Characters => reader.u16(&STRING_LENGTH)?.into(),
        Length::U16LowFirst => reader.uint_le(&STRING_LENGTH, 2)? as usize,
        Length::U8 => reader.u8(&STRING_LENGTH)?.into(),
        Length::U32 => reader.u32(&STRING_LENGTH)? as usize,
        Length::U32LowFirst => reader.uint_le(&STRING_LENGTH, 4)? as usize,
        Length::WithItself => usize::from(reader.u16(&STRING_LENGTH)?).checked_sub(2).ok_or_else(too_short)?,
        Length::OneMore => usize::from(reader.u16(&STRING_LENGTH)?).checked_sub(1).ok_or_else(too_short)?,
        Length::OneLess => usize::from(reader.u16(&STRING_LENGTH)?) + 1,
    };
    let len = match writer.length {
        Length::Characters => bytes_of_characters(reader.peek(), len),
        _ => len,
    };
    let text = text(reader, def, len)?;
    if writer.nul {
        padding(reader)?;
    }
    Ok(text)
}

/// Whether what follows the marker of numbers is rather a boolean: 1 is no beginning of a number that somebody means, and 0
/// only of 0.
fn is_one_byte(bytes: &[u8]) -> bool {
    bytes.first() == Some(&1) || bytes.first() == Some(&0) && !bytes.starts_with(&[0; 8])
}

/// Whether what follows the marker of numbers is one that somebody may mean.
fn is_number(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(|bytes| writer::is_sensible(f64::from_be_bytes(*bytes)))
}

/// How many bytes so many characters of UTF-8 take.
fn bytes_of_characters(bytes: &[u8], count: usize) -> usize {
    let is_start = |byte: &u8| byte & 0xc0 != 0x80;
    let starts = bytes.iter().enumerate().filter(|(_, byte)| is_start(byte)).map(|(at, _)| at);
    starts.chain([bytes.len()]).nth(count).unwrap_or(usize::MAX)
}

/// A zero that has no place in AMF.
fn padding<R: Record>(reader: &mut Reader<'_, '_, R>) -> Result<(), Defect> {
    let at = reader.at();
    match reader.u8(&UNDECODED)? {
        0 => Ok(()),
        other => Err(Defect::new("amf-unknown-marker", at, format!("{other:#04x} where a zero should be"))),
    }
}

/// A string with a length of four bytes (AMF0 1.3.1).
fn long_string<'a, R: Record>(reader: &mut Reader<'a, '_, R>, def: &'static Def) -> Result<Str<'a>, Defect> {
    let len = reader.u32(&STRING_LENGTH)?;
    text(reader, def, len as usize)
}

/// The bytes of a string. An empty one has no field of its own, as in Wireshark: its length says it all.
fn text<'a, R: Record>(reader: &mut Reader<'a, '_, R>, def: &'static Def, len: usize) -> Result<Str<'a>, Defect> {
    Ok(Str(if len == 0 { &[] } else { reader.text(def, len)? }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{MAX_DEPTH, MAX_VALUES};
    use super::*;
    use crate::field::Tree;

    /// Decodes with and without a tree: the same values, and leaves that tile the bytes.
    fn read(bytes: &[u8]) -> Values<'_> {
        let mut tree = Tree::default();
        let with_tree = values(&mut Reader::new(bytes, &mut tree));
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()));
        let values = values(&mut Reader::new(bytes, &mut ()));
        assert_eq!(format!("{values:?}"), format!("{with_tree:?}"));
        values
    }

    fn json(bytes: &[u8]) -> String {
        serde_json::to_string(&read(bytes).values).unwrap()
    }

    fn codes(bytes: &[u8]) -> Vec<&'static str> {
        read(bytes).defects.iter().map(|defect| defect.code).collect()
    }

    #[test]
    fn every_marker_of_the_specification() {
        #[rustfmt::skip]
        let bytes = [
            &[0x00, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0][..],             // number 1.0
            &[0x01, 0x01], &[0x01, 0x00],                          // boolean true, false
            b"\x02\x00\x04live",                                   // string
            b"\x03\x00\x03app\x02\x00\x01a\x00\x00\x09",           // object, end marker 00 00 09
            b"\x05", b"\x06",                                      // null, undefined
            &[0x07, 0x00, 0x00],                                   // reference 0: the object
            b"\x08\x00\x00\x00\x00\x00\x01w\x01\x01\x00\x00\x09",  // ECMA array, count 0, one pair
            b"\x0a\x00\x00\x00\x02\x05\x06",                       // strict array of null and undefined
            &[0x0b, 0x42, 0x77, 0x48, 0x76, 0xe8, 0x00, 0x00, 0x00, 0xff, 0xc4], // date 1.6e12 ms, zone -60
            b"\x0c\x00\x00\x00\x02hi",                             // long string
            b"\x0d",                                               // unsupported
            b"\x0f\x00\x00\x00\x04<a/>",                           // XML document
            b"\x10\x00\x01P\x00\x01x\x05\x00\x00\x09",             // typed object of class P
            &[0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], // Int64 -2
        ]
        .concat();
        assert_eq!(
            json(&bytes),
            concat!(
                r#"[1,true,false,"live",{"app":"a"},null,{"$undefined":true},{"$reference":0},{"w":true},"#,
                r#"[null,{"$undefined":true}],{"$date":1600000000000,"timezone":-60},"hi",{"$unsupported":true},"#,
                r#"{"$xml":"<a/>"},{"$typed":"P","properties":{"x":null}},{"$int64":-2}]"#
            )
        );
        assert_eq!(codes(&bytes), [""; 0]);
    }

    #[test]
    fn markers_without_a_layout_keep_the_rest() {
        for (bytes, code) in [
            (b"\x04abc", "amf-reserved-marker"), // movie clip
            (b"\x0eabc", "amf-reserved-marker"), // record set
            (b"\x7fabc", "amf-unknown-marker"),
        ] {
            assert_eq!(codes(bytes), [code]);
            assert_eq!(read(bytes).values, [Value::Undecoded { marker: bytes[0], bytes: b"abc" }]);
        }
        // The end marker of an object where a value should be: one byte, then on.
        assert_eq!(codes(b"\x09\x05"), ["amf-stray-end"]);
        assert_eq!(read(b"\x09\x05").values, [Value::ObjectEnd, Value::Null]);
    }

    #[test]
    fn order_duplicates_and_wrong_counts_are_kept() {
        // ECMA array that announces 7 pairs: b, a, b.
        let bytes = b"\x08\x00\x00\x00\x07\x00\x01b\x05\x00\x01a\x05\x00\x01b\x01\x01\x00\x00\x09";
        let values = read(bytes);
        let Value::EcmaArray { count: 7, properties } = &values.values[0] else { panic!("an ECMA array") };
        let names: Vec<_> = properties.pairs.iter().map(|(name, _)| name.0).collect();
        assert_eq!(names, [b"b", b"a", b"b"]);
        assert!(properties.terminated);
        assert_eq!(properties.get(b"b"), Some(&Value::Null));
        assert_eq!(values.defects, []);
        assert_eq!(json(bytes), r#"[{"$pairs":[["b",null],["a",null],["b",true]]}]"#);
    }

    #[test]
    fn a_missing_end_marker_is_tolerated_and_said_once() {
        let bytes = b"\x03\x00\x01a\x03\x00\x01b\x05"; // {a: {b: null and the body ends
        let values = read(bytes);
        assert_eq!(values.values[0].property(b"a").unwrap().property(b"b"), Some(&Value::Null));
        assert!(!values.values[0].properties().unwrap().terminated);
        assert_eq!(codes(bytes), [UNTERMINATED]);
    }

    #[test]
    fn what_stands_before_a_cut_is_kept() {
        let bytes = b"\x02\x00\x01a\x03\x00\x01k\x02\x00\x09cut"; // "a", {k: a string of 9 with 3 bytes
        let values = read(bytes);
        assert_eq!(values.values, [Value::String(Str(b"a")), Value::Object(Properties::default())]);
        assert_eq!(values.defects.len(), 1);
        assert_eq!(values.defects[0].offset, 11);
        assert_eq!(values.defects[0].message, "String at offset 11 needs 9 bytes, 3 are left (amf.string)");
        // A strict array of five with one.
        assert_eq!(codes(b"\x0a\x00\x00\x00\x05\x05"), [ARRAY_SHORT]);
    }

    #[test]
    fn what_json_cannot_say_has_names_with_a_dollar() {
        assert_eq!(json(b"\x02\x00\x02\xff\xfe"), r#"[{"$bytes":"fffe"}]"#);
        assert_eq!(json(&[0, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), r#"[{"$number":"NaN"}]"#);
        assert_eq!(json(&[0, 0xff, 0xf0, 0, 0, 0, 0, 0, 0]), r#"[{"$number":"-inf"}]"#);
        assert_eq!(json(&[0, 0x80, 0, 0, 0, 0, 0, 0, 0]), "[-0.0]");
        assert_eq!(json(&[0, 0x40, 0x3d, 0xf8, 0x51, 0xeb, 0x85, 0x1e, 0xb8]), "[29.97]");
        // A property of the other side that looks like one of ours.
        assert_eq!(json(b"\x03\x00\x05$date\x05\x00\x00\x09"), r#"[{"$pairs":[["$date",null]]}]"#);
    }

    #[test]
    fn nesting_and_number_of_values_are_bounded() {
        let deep = b"\x0a\x00\x00\x00\x01".repeat(MAX_DEPTH + 1);
        assert_eq!(codes(&deep), ["amf-too-deep"]);
        let many = vec![0x05; MAX_VALUES + 1];
        assert_eq!(codes(&many), ["amf-too-many"]);
        assert_eq!(read(&many).values.len(), MAX_VALUES);
        // A count of 2^32-1 allocates nothing by itself.
        assert_eq!(codes(b"\x0a\xff\xff\xff\xff"), [ARRAY_SHORT]);
    }

    #[test]
    fn the_tree_is_worded_as_wiresharks() {
        let mut tree = Tree::default();
        values(&mut Reader::new(b"\x03\x00\x03app\x02\x00\x04live\x00\x00\x09", &mut tree));
        let texts: Vec<_> = tree.nodes().iter().filter_map(|node| node.text.as_deref()).collect();
        assert_eq!(texts, ["Object (1 items)", "Property 'app' String 'live'", "Name: app", "String 'live'"]);
    }

    proptest! {
        #[test]
        fn random_bytes_do_not_panic(bytes in proptest::collection::vec(prop_oneof![0u8..0x12, any::<u8>()], 0..200)) {
            read(&bytes);
        }
    }
}
