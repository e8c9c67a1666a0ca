//! AMF 3 (Adobe, "Action Message Format -- AMF 3", 2013).
//!
//! Takes a reader that is on a marker, gives one value. In RTMP that is what follows marker 0x11 of
//! AMF 0, for one value at a time (RTMP errata 7.2). References to strings and classes are followed;
//! references to objects are given as number and place, for an object may hold itself.
//!
//! Strings, objects and classes are numbered through one body, over all its switches to AMF 3, as BlazeDS
//! does; the specification (AMF3 4.1) only says that a new message begins again.

use std::rc::Rc;

use super::amf0::{ARRAY_SHORT, UNTERMINATED};
use super::fields::{
    AMF3_TYPE, ARRAY, BOOLEAN, BYTE_ARRAY, BYTE_ARRAY_LENGTH, CLASS_NAME, CLASS_NAME_LENGTH, DATE, DENSE_LENGTH,
    DICTIONARY, DICTIONARY_LENGTH, DICTIONARY_WEAK, DYNAMIC, END_OF_ASSOCIATIVE, END_OF_DYNAMIC, EXTERNALIZABLE,
    INLINE, INTEGER, MEMBER_NAME, MEMBER_NAME_LENGTH, NAME, NUMBER, OBJECT, OBJECT_REFERENCE, PROPERTY, PROPERTY_NAME,
    SEALED_NAME, STRING, STRING_LENGTH, STRING_REFERENCE, TRAIT_COUNT, TRAIT_REFERENCE, TRAITS, UNDECODED, VALUE,
    VECTOR, VECTOR_FIXED, VECTOR_INT, VECTOR_LENGTH, VECTOR_UINT, XML, XML_DOC, XML_LENGTH,
};
use super::progress::{Progress, dangling};
use super::{Properties, Str, Value, Values, VectorType};
use crate::field::{self, Def, Defect, Reader, Record};

/// Classes of Flex that write themselves as one value.
const ONE_VALUE: [&[u8]; 5] = [
    b"flex.messaging.io.ArrayCollection",
    b"flex.messaging.io.ArrayList",
    b"flex.messaging.io.ObjectProxy",
    b"flex.messaging.io.ManagedObjectProxy",
    b"flex.messaging.io.SerializationProxy",
];

/// Reads values until the reader is at its end: AMF 3 that is alone.
pub fn values<'a, R: Record>(reader: &mut Reader<'a, '_, R>) -> Values<'a> {
    let (mut progress, mut tables) = (Progress::default(), Tables::default());
    let mut values = Vec::new();
    while !reader.is_empty() && !progress.stopped {
        match value(reader, &mut progress, &mut tables) {
            Ok(value) => values.push(value),
            Err(defect) => progress.stop(defect),
        }
    }
    reader.rest(&UNDECODED);
    Values { values, defects: progress.defects }
}

/// What references refer to (AMF3 2.2).
#[derive(Default)]
pub(super) struct Tables<'a> {
    strings: Vec<Str<'a>>,
    /// Where the objects begin.
    objects: Vec<usize>,
    traits: Vec<Rc<Traits<'a>>>,
}

/// A class as an object announces it (AMF3 3.12).
struct Traits<'a> {
    class: Str<'a>,
    externalizable: bool,
    dynamic: bool,
    members: Vec<Str<'a>>,
    /// How many bytes of text the names are.
    size: usize,
}

/// Reads one value.
pub(super) fn value<'a, R: Record>(
    reader: &mut Reader<'a, '_, R>,
    progress: &mut Progress,
    tables: &mut Tables<'a>,
) -> Result<Value<'a>, Defect> {
    Decoder { progress, tables }.value(reader)
}

struct Decoder<'a, 'd> {
    progress: &'d mut Progress,
    tables: &'d mut Tables<'a>,
}

/// The fields of names that are beside their values, up to an empty one.
struct Names {
    length: &'static Def,
    name: &'static Def,
    end: &'static Def,
}

const ASSOCIATIVE: Names = Names { length: &STRING_LENGTH, name: &NAME, end: &END_OF_ASSOCIATIVE };
const DYNAMIC_MEMBERS: Names = Names { length: &MEMBER_NAME_LENGTH, name: &MEMBER_NAME, end: &END_OF_DYNAMIC };

/// What comes after the marker of a complex value: a reference, or the rest of the number.
enum Head<'a> {
    Reference(Value<'a>),
    Inline(u32),
}

impl<'a> Decoder<'a, '_> {
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
        let marker = reader.u8(&AMF3_TYPE)?;
        Ok(match marker {
            0x00 => Value::Undefined,
            0x01 => Value::Null,
            0x02 | 0x03 => {
                let truth = marker == 0x03;
                reader.derived(&BOOLEAN, || field::Value::Boolean(truth), "the marker says it");
                Value::Boolean(truth)
            }
            0x04 => {
                let number = reader.u29(|number| (&INTEGER, field::Value::Int(signed(number).into())))?;
                Value::Integer(signed(number))
            }
            0x05 => Value::Number(reader.f64(&NUMBER)?),
            0x06 => Value::String(self.string(reader, &STRING_LENGTH, &STRING)?),
            0x07 | 0x0b => match self.head(reader, at, &XML_LENGTH)? {
                Head::Reference(reference) => reference,
                Head::Inline(len) => {
                    Value::Xml(Str(reader.text(if marker == 0x07 { &XML_DOC } else { &XML }, len as usize)?))
                }
            },
            0x08 => match self.head(reader, at, &INLINE)? {
                Head::Reference(reference) => reference,
                Head::Inline(_) => Value::Date { millis: reader.f64(&DATE)?, timezone: None },
            },
            0x09 => match self.head(reader, at, &DENSE_LENGTH)? {
                Head::Reference(reference) => reference,
                Head::Inline(count) => {
                    let associative = self.properties(reader, &ASSOCIATIVE, Vec::new());
                    Value::Array { associative, count, dense: self.items(reader, count, Self::value) }
                }
            },
            0x0a => self.object(reader, at)?,
            0x0c => match self.head(reader, at, &BYTE_ARRAY_LENGTH)? {
                Head::Reference(reference) => reference,
                Head::Inline(len) => Value::ByteArray(reader.bytes(&BYTE_ARRAY, len as usize)?),
            },
            0x0d..=0x10 => match self.head(reader, at, &VECTOR_LENGTH)? {
                Head::Reference(reference) => reference,
                Head::Inline(count) => self.vector(reader, marker, count)?,
            },
            0x11 => match self.head(reader, at, &DICTIONARY_LENGTH)? {
                Head::Reference(reference) => reference,
                Head::Inline(count) => {
                    let weak = reader.boolean(&DICTIONARY_WEAK)? != 0;
                    let pairs = self
                        .items(reader, count, |decoder, reader| Ok((decoder.value(reader)?, decoder.value(reader)?)));
                    Value::Dictionary { weak, count, pairs }
                }
            },
            _ => {
                let text = format!("{marker:#04x} is not a marker of AMF3");
                self.progress.stop(Defect::new("amf-unknown-marker", at, text));
                Value::Undecoded { marker, bytes: reader.rest(&UNDECODED) }
            }
        })
    }

    /// The number after the marker of a complex value: with the low bit clear a reference, else the
    /// value begins here and counts as one that can be referred to.
    fn head<R: Record>(
        &mut self,
        reader: &mut Reader<'a, '_, R>,
        at: usize,
        inline: &'static Def,
    ) -> Result<Head<'a>, Defect> {
        let number = reader.u29(|number| {
            let def = if number & 1 == 0 { &OBJECT_REFERENCE } else { inline };
            (def, field::Value::Uint((number >> 1).into()))
        })?;
        if number & 1 == 0 {
            return Ok(Head::Reference(self.reference(at, number >> 1)));
        }
        self.tables.objects.push(at);
        Ok(Head::Inline(number >> 1))
    }

    fn reference(&mut self, at: usize, index: u32) -> Value<'a> {
        let offset = self.tables.objects.get(index as usize).copied();
        if offset.is_none() {
            self.progress.defects.push(dangling(at, "AMF3 value", index, self.tables.objects.len()));
        }
        Value::Reference { index, offset }
    }

    /// A string, in place or by reference (AMF3 3.8).
    fn string<R: Record>(
        &mut self,
        reader: &mut Reader<'a, '_, R>,
        length: &'static Def,
        text: &'static Def,
    ) -> Result<Str<'a>, Defect> {
        let at = reader.at();
        let number = reader.u29(|number| {
            let def = if number & 1 == 0 { &STRING_REFERENCE } else { length };
            (def, field::Value::Uint((number >> 1).into()))
        })?;
        if number & 1 == 0 {
            let index = number >> 1;
            let known = self.tables.strings.len();
            let string =
                *self.tables.strings.get(index as usize).ok_or_else(|| dangling(at, "string", index, known))?;
            self.progress.expand(at, string.0.len())?;
            reader.derived(text, || field::Value::Text(string.to_string()), "a string seen before");
            return Ok(string);
        }
        let string = match (number >> 1) as usize {
            // As in AMF 0 an empty string has no field of its own, but a class without a name has.
            0 if text.name == STRING.name => Str(&[]),
            len => Str(reader.text(text, len)?),
        };
        // The empty string is never referred to, so it has no number.
        if !string.0.is_empty() {
            self.tables.strings.push(string);
        }
        Ok(string)
    }

    /// Names and values up to an empty name, appended to what is there.
    fn properties<R: Record>(
        &mut self,
        reader: &mut Reader<'a, '_, R>,
        names: &Names,
        pairs: Vec<(Str<'a>, Value<'a>)>,
    ) -> Properties<'a> {
        const EMPTY: u8 = 1;
        let start = reader.at();
        let mut properties = Properties { pairs, terminated: false };
        while !self.progress.stopped {
            if reader.peek().first() == Some(&EMPTY) {
                properties.terminated = reader.bytes(names.end, 1).is_ok();
                break;
            }
            if reader.is_empty() {
                let text = format!("the names and values that begin at offset {start} do not end with an empty name");
                self.progress.stop(Defect::new(UNTERMINATED, reader.at(), text));
                break;
            }
            match self.property(reader, names) {
                Ok(pair) => properties.pairs.push(pair),
                Err(defect) => self.progress.stop(defect),
            }
        }
        properties
    }

    fn property<R: Record>(
        &mut self,
        reader: &mut Reader<'a, '_, R>,
        names: &Names,
    ) -> Result<(Str<'a>, Value<'a>), Defect> {
        reader.group(&PROPERTY, |reader| {
            let name = reader.group(&PROPERTY_NAME, |reader| {
                let name = self.string(reader, names.length, names.name)?;
                reader.describe(|| format!("Name: {name}"));
                Ok::<_, Defect>(name)
            })?;
            let value = self.value(reader)?;
            reader.describe(|| format!("Property '{name}' {}", value.label()));
            Ok((name, value))
        })
    }

    /// `count` things, or as many as there are.
    fn items<T, R: Record>(
        &mut self,
        reader: &mut Reader<'a, '_, R>,
        count: u32,
        read: impl Fn(&mut Self, &mut Reader<'a, '_, R>) -> Result<T, Defect>,
    ) -> Vec<T> {
        let at = reader.at();
        let mut items = Vec::new();
        while !self.progress.stopped && items.len() < count as usize {
            if reader.is_empty() {
                let text = format!("{count} values are announced, the body ends after {}", items.len());
                self.progress.stop(Defect::new(ARRAY_SHORT, at, text));
                break;
            }
            match read(self, reader) {
                Ok(item) => items.push(item),
                Err(defect) => self.progress.stop(defect),
            }
        }
        items
    }

    fn vector<R: Record>(
        &mut self,
        reader: &mut Reader<'a, '_, R>,
        marker: u8,
        count: u32,
    ) -> Result<Value<'a>, Defect> {
        let fixed = reader.boolean(&VECTOR_FIXED)? != 0;
        let of = match marker {
            0x0d => VectorType::Int,
            0x0e => VectorType::Uint,
            0x0f => VectorType::Double,
            _ => VectorType::Object(self.string(reader, &CLASS_NAME_LENGTH, &CLASS_NAME)?),
        };
        let items = self.items(reader, count, |decoder, reader| {
            if !matches!(of, VectorType::Object(_)) {
                decoder.progress.count_one(reader.at())?;
            }
            Ok(match of {
                VectorType::Int => Value::Integer(reader.int(&VECTOR_INT, 4)? as i32),
                VectorType::Uint => Value::Number(f64::from(reader.u32(&VECTOR_UINT)?)),
                VectorType::Double => Value::Number(reader.f64(&NUMBER)?),
                VectorType::Object(_) => decoder.value(reader)?,
            })
        });
        Ok(Value::Vector { of, fixed, count, items })
    }

    fn object<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>, at: usize) -> Result<Value<'a>, Defect> {
        // The low bits say what the rest is: 0 a reference, 01 a reference to a class, 11 a new class.
        let head = reader.u29(|number| match number & 3 {
            0 | 2 => (&OBJECT_REFERENCE, field::Value::Uint((number >> 1).into())),
            1 => (&TRAIT_REFERENCE, field::Value::Uint((number >> 2).into())),
            _ => (&TRAIT_COUNT, field::Value::Uint((number >> 4).into())),
        })?;
        if head & 1 == 0 {
            return Ok(self.reference(at, head >> 1));
        }
        self.tables.objects.push(at);
        let traits = if head & 2 == 0 {
            let (index, known) = (head >> 2, self.tables.traits.len());
            let traits = self.tables.traits.get(index as usize).cloned();
            let traits = traits.ok_or_else(|| dangling(at, "class", index, known))?;
            self.progress.expand(at, traits.size)?;
            reader.derived(&CLASS_NAME, || field::Value::Text(traits.class.to_string()), "a class seen before");
            traits
        } else {
            reader.bits(&EXTERNALIZABLE, head.into(), 2, 1);
            reader.bits(&DYNAMIC, head.into(), 3, 1);
            let traits = Rc::new(reader.group(&TRAITS, |reader| self.traits(reader, head))?);
            self.tables.traits.push(Rc::clone(&traits));
            traits
        };
        let class = traits.class;
        if traits.externalizable {
            return self.externalizable(reader, at, class);
        }
        let mut pairs = Vec::new();
        for &name in &traits.members {
            if self.progress.stopped {
                break;
            }
            match self.sealed(reader, name) {
                Ok(value) => pairs.push((name, value)),
                Err(defect) => self.progress.stop(defect),
            }
        }
        let properties = if traits.dynamic {
            self.properties(reader, &DYNAMIC_MEMBERS, pairs)
        } else {
            Properties { pairs, terminated: !self.progress.stopped }
        };
        Ok(if class.0.is_empty() { Value::Object(properties) } else { Value::TypedObject { class, properties } })
    }

    /// The value of a member whose name is the class's.
    fn sealed<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>, name: Str<'a>) -> Result<Value<'a>, Defect> {
        reader.group(&PROPERTY, |reader| {
            reader.derived(&SEALED_NAME, || field::Value::Text(name.to_string()), "the class names it");
            let value = self.value(reader)?;
            reader.describe(|| format!("Property '{name}' {}", value.label()));
            Ok(value)
        })
    }

    fn traits<R: Record>(&mut self, reader: &mut Reader<'a, '_, R>, head: u32) -> Result<Traits<'a>, Defect> {
        let (externalizable, dynamic, count) = (head & 4 != 0, head & 8 != 0, head >> 4);
        let class = self.string(reader, &CLASS_NAME_LENGTH, &CLASS_NAME)?;
        let mut traits = Traits { class, externalizable, dynamic, members: Vec::new(), size: class.0.len() };
        if !externalizable {
            for _ in 0..count {
                self.progress.count_one(reader.at())?;
                let name = self.string(reader, &MEMBER_NAME_LENGTH, &MEMBER_NAME)?;
                traits.size += name.0.len();
                traits.members.push(name);
            }
        }
        reader.describe(|| format!("Traits '{class}' ({} members)", traits.members.len()));
        Ok(traits)
    }

    fn externalizable<R: Record>(
        &mut self,
        reader: &mut Reader<'a, '_, R>,
        at: usize,
        class: Str<'a>,
    ) -> Result<Value<'a>, Defect> {
        if ONE_VALUE.contains(&class.0) {
            let value = Some(Box::new(self.value(reader)?));
            return Ok(Value::Externalizable { class, value, bytes: &[] });
        }
        let text =
            format!("the class '{class}' writes its objects in a form of its own; the rest of the body is not decoded");
        self.progress.stop(Defect::new("amf3-externalizable", at, text));
        Ok(Value::Externalizable { class, value: None, bytes: reader.rest(&UNDECODED) })
    }
}

/// 29 bits, two's complement (AMF3 3.6).
fn signed(number: u32) -> i32 {
    (number << 3) as i32 >> 3
}

/// The kind of group that a value makes in a tree.
fn group_of(bytes: &[u8]) -> &'static Def {
    match bytes.first() {
        Some(0x09) => &ARRAY,
        Some(0x0a) => &OBJECT,
        Some(0x0d..=0x10) => &VECTOR,
        Some(0x11) => &DICTIONARY,
        _ => &VALUE,
    }
}

#[cfg(test)]
mod tests;
