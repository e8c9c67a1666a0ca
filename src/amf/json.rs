//! Values as JSON.
//!
//! What JSON has is written natively: numbers (integral ones as integers), truth values, strings, null,
//! objects and ECMA arrays as objects in order, strict arrays as arrays. AMF 3 looks like AMF 0. What it has not is an object
//! whose first name begins with `$`. An object that JSON would damage (names that repeat, are no UTF-8,
//! or begin with `$` themselves) is written as `{"$pairs": [[name, value], …]}`.

use std::collections::HashSet;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Number, Properties, Str, Value, integral};

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Number(number) => Number(*number).serialize(s),
            Value::Boolean(truth) => s.serialize_bool(*truth),
            Value::String(text) | Value::LongString(text) => text.serialize(s),
            Value::Null => s.serialize_none(),
            Value::Undefined => tagged(s, "$undefined", &true),
            Value::Unsupported => tagged(s, "$unsupported", &true),
            Value::Object(properties) | Value::EcmaArray { properties, .. } => properties.serialize(s),
            Value::StrictArray { items, .. } => items.serialize(s),
            Value::TypedObject { class, properties } => tagged2(s, ("$typed", class), ("properties", properties)),
            Value::Reference { index, .. } => tagged(s, "$reference", index),
            Value::Avmplus(value) => value.serialize(s),
            Value::Integer(number) => s.serialize_i32(*number),
            Value::Array { associative, dense, .. } if associative.pairs.is_empty() => dense.serialize(s),
            Value::Array { associative, dense, .. } => tagged2(s, ("$array", dense), ("properties", associative)),
            Value::ByteArray(bytes) => tagged(s, "$byte_array", &hex::encode(bytes)),
            Value::Vector { of, items, .. } => tagged2(s, ("$vector", &of.name()), ("items", items)),
            Value::Dictionary { pairs, .. } => tagged(s, "$dictionary", pairs),
            Value::Externalizable { class, value: Some(value), .. } => {
                tagged2(s, ("$externalizable", class), ("value", value))
            }
            Value::Externalizable { class, value: None, bytes } => {
                tagged2(s, ("$externalizable", class), ("hex", &hex::encode(bytes)))
            }
            Value::Date { millis, timezone: Some(minutes) } => {
                tagged2(s, ("$date", &Number(*millis)), ("timezone", minutes))
            }
            Value::Date { millis, timezone: None } => tagged(s, "$date", &Number(*millis)),
            Value::Xml(text) => tagged(s, "$xml", text),
            Value::Int64(number) => tagged(s, "$int64", number),
            Value::ObjectEnd => tagged(s, "$object_end", &true),
            Value::Undecoded { marker, bytes } => tagged2(s, ("$undecoded", &hex::encode(bytes)), ("marker", marker)),
        }
    }
}

fn tagged<S: Serializer>(s: S, name: &str, value: &(impl Serialize + ?Sized)) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

fn tagged2<S: Serializer>(
    s: S,
    first: (&str, &impl Serialize),
    second: (&str, &impl Serialize),
) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(2))?;
    map.serialize_entry(first.0, first.1)?;
    map.serialize_entry(second.0, second.1)?;
    map.end()
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !self.fits_json() {
            return tagged(s, "$pairs", &self.pairs);
        }
        let mut map = s.serialize_map(Some(self.pairs.len()))?;
        for (name, value) in &self.pairs {
            map.serialize_entry(&name.text(), value)?;
        }
        map.end()
    }
}

impl Properties<'_> {
    /// Whether a JSON object says the same: names that are text, do not repeat, and are not ours.
    fn fits_json(&self) -> bool {
        let mut seen = HashSet::with_capacity(self.pairs.len());
        self.pairs.iter().all(|(name, _)| !name.0.starts_with(b"$") && name.as_utf8().is_some() && seen.insert(name.0))
    }
}

impl Serialize for Str<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.as_utf8() {
            Some(text) => s.serialize_str(text),
            None => tagged(s, "$bytes", &hex::encode(self.0)),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match integral(self.0) {
            Some(integer) => s.serialize_i64(integer),
            None if self.0.is_finite() => s.serialize_f64(self.0),
            None => tagged(s, "$number", &format!("{}", self.0)),
        }
    }
}
