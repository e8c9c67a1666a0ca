//! Values as JSON from which [`encode`](super::encode) makes the same bytes again.
//!
//! Takes the values of a body and the tree of their fields, which shows what the values do not: which strings and classes
//! were written as references, and where XML, booleans and references have a choice of markers. Returns the JSON of
//! `json`, with `$` names also where that JSON is the same for two kinds of values (docs/amf.md).

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::fields::{
    AMF3_TYPE, BOOLEAN, CLASS_NAME_LENGTH, DYNAMIC, MEMBER_NAME_LENGTH, STRING_LENGTH, STRING_REFERENCE, TRAIT_COUNT,
    TRAIT_REFERENCE,
};
use super::{Number, Properties, Str, Value, Values, VectorType, integral};
use crate::field::{Node, Tree, Value as FieldValue};

/// Integers of AMF 3 have 29 bits (AMF3 3.6).
pub(super) const INTEGERS: std::ops::Range<i64> = -(1 << 28)..1 << 28;
/// The marker of a reference that is written without a hint: that of objects.
pub(super) const REFERENCE_MARKER: u8 = 0x0a;
/// Strings of two bytes' length are no longer (AMF0 1.3.1).
pub(super) const LONGEST_STRING: usize = 0xffff;

/// The values as JSON. `tree` has the fields of the same reading of `bytes`, and `is_amf3` says whether the values are
/// AMF 3 from the first on. None if the bytes are not what the values stand for, as there are defects.
pub fn exact(values: &Values<'_>, tree: &Tree, bytes: &[u8], is_amf3: bool) -> Option<Json> {
    if !values.defects.is_empty() {
        return None;
    }
    let hints = tree.nodes().iter().filter_map(|node| Hint::of(node, bytes)).collect::<Vec<_>>().into_iter();
    let mut exact = Exact { hints, strings: Table::default(), traits: Table::default(), classes: Vec::new() };
    let items = values.values.iter().map(|value| if is_amf3 { exact.amf3(value) } else { exact.amf0(value) });
    items.collect::<Option<Vec<_>>>().map(Json::Array)
}

/// What a field says of how a value was written.
#[derive(Clone, Copy, Debug)]
enum Hint {
    /// The marker of a value of AMF 3.
    Marker(u8),
    /// The byte of a boolean of AMF 0.
    Boolean(u8),
    /// A string: by reference, or in place.
    String(Option<u32>),
    /// A class by reference.
    KnownTraits(u32),
    /// A class with so many members.
    Traits(usize),
    /// Whether that class has more members than those.
    Dynamic(bool),
}

impl Hint {
    fn of(node: &Node, bytes: &[u8]) -> Option<Hint> {
        let is = |def: &'static crate::field::Def| std::ptr::eq(node.def, def);
        let number = match node.value {
            FieldValue::Uint(number) => number,
            _ => 0,
        };
        let first = || bytes.get(node.range.start).copied().unwrap_or_default();
        Some(match () {
            () if is(&AMF3_TYPE) => Hint::Marker(first()),
            () if is(&BOOLEAN) && !node.derived => Hint::Boolean(first()),
            () if is(&STRING_REFERENCE) => Hint::String(Some(number as u32)),
            () if is(&STRING_LENGTH) || is(&CLASS_NAME_LENGTH) || is(&MEMBER_NAME_LENGTH) => Hint::String(None),
            () if is(&TRAIT_REFERENCE) => Hint::KnownTraits(number as u32),
            () if is(&TRAIT_COUNT) => Hint::Traits(number as usize),
            () if is(&DYNAMIC) => Hint::Dynamic(number == 1),
            () => return None,
        })
    }
}

/// What was numbered so far, each with its first number.
#[derive(Debug)]
pub(super) struct Table<T> {
    numbers: HashMap<T, u32>,
    count: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { numbers: HashMap::new(), count: 0 }
    }
}

impl<T: std::hash::Hash + Eq> Table<T> {
    /// The number of something.
    pub(super) fn find(&self, item: &T) -> Option<u32> {
        self.numbers.get(item).copied()
    }

    /// Gives something the next number.
    pub(super) fn add(&mut self, item: T) {
        self.numbers.entry(item).or_insert(self.count);
        self.count += 1;
    }
}

/// A class, as AMF 3 numbers them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Class {
    pub(super) name: Vec<u8>,
    pub(super) is_externalizable: bool,
    pub(super) is_dynamic: bool,
    pub(super) members: Vec<Vec<u8>>,
}

struct Exact {
    hints: std::vec::IntoIter<Hint>,
    strings: Table<Vec<u8>>,
    traits: Table<Class>,
    /// The classes in the order of their numbers.
    classes: Vec<Class>,
}

impl Exact {
    fn amf0(&mut self, value: &Value<'_>) -> Option<Json> {
        Some(match value {
            Value::Boolean(truth) => match self.hints.next()? {
                Hint::Boolean(byte @ 2..) => json!({ "$boolean": byte }),
                _ => json!(truth),
            },
            Value::String(text) => self.string(*text, false)?,
            Value::LongString(text) if text.0.len() > LONGEST_STRING => self.string(*text, false)?,
            Value::LongString(text) => json!({ "$long_string": self.string(*text, false)? }),
            Value::Xml(text) => json!({ "$xml": self.string(*text, false)? }),
            Value::Object(properties) => self.properties(properties, false)?,
            Value::EcmaArray { count, properties } => {
                let own = self.properties(properties, false)?;
                match *count as usize == properties.pairs.len() {
                    true => json!({ "$ecma_array": own }),
                    false => json!({ "$ecma_array": own, "count": count }),
                }
            }
            Value::StrictArray { items, .. } => {
                Json::Array(items.iter().map(|item| self.amf0(item)).collect::<Option<_>>()?)
            }
            Value::TypedObject { class, properties } => {
                let class = self.string(*class, false)?;
                json!({ "$typed": class, "properties": self.properties(properties, false)? })
            }
            Value::Avmplus(value) => json!({ "$amf3": self.amf3(value)? }),
            Value::Reference { index, .. } => json!({ "$reference": index }),
            other => simple(other)?,
        })
    }

    fn amf3(&mut self, value: &Value<'_>) -> Option<Json> {
        let Some(Hint::Marker(marker)) = self.hints.next() else { return None };
        Some(match value {
            Value::String(text) => self.string(*text, true)?,
            Value::Integer(number) => json!(number),
            Value::Number(number) => match integral(*number) {
                Some(integer) if INTEGERS.contains(&integer) => json!({ "$double": integer }),
                _ => number_of(*number),
            },
            Value::Xml(text) if marker == 0x07 => json!({ "$xml": text_of(*text), "document": true }),
            Value::Xml(text) => json!({ "$xml": text_of(*text) }),
            Value::Reference { index, .. } if marker == REFERENCE_MARKER => json!({ "$reference": index }),
            Value::Reference { index, .. } => json!({ "$reference": index, "marker": marker }),
            Value::Array { associative, dense, .. } => {
                let named = self.properties(associative, true)?;
                let items = dense.iter().map(|item| self.amf3(item)).collect::<Option<Vec<_>>>()?;
                if associative.pairs.is_empty() {
                    json!(items)
                } else {
                    json!({ "$array": items, "properties": named })
                }
            }
            Value::Object(properties) => self.object(Str(b""), Some(properties), None)?,
            Value::TypedObject { class, properties } => self.object(*class, Some(properties), None)?,
            Value::Externalizable { class, .. } => self.object(*class, None, Some(value))?,
            Value::Vector { of, fixed, items, .. } => {
                let mut object = Map::new();
                object.insert("$vector".into(), json!(of.name()));
                if let VectorType::Object(class) = of {
                    let class_text = self.string(*class, true)?;
                    let is_told = matches!(&class_text, Json::String(name) if !is_plain_type(name));
                    if !(is_told || class.0.is_empty() && class_text.is_string()) {
                        object.insert("class".into(), class_text);
                    }
                }
                let items = match of {
                    VectorType::Object(_) => items.iter().map(|item| self.amf3(item)).collect::<Option<Vec<_>>>()?,
                    _ => items.iter().map(simple).collect::<Option<Vec<_>>>()?,
                };
                object.insert("items".into(), json!(items));
                if *fixed {
                    object.insert("fixed".into(), json!(true));
                }
                Json::Object(object)
            }
            Value::Dictionary { weak, pairs, .. } => {
                let pair = |(key, value): &(Value<'_>, Value<'_>)| Some(json!([self.amf3(key)?, self.amf3(value)?]));
                let pairs = pairs.iter().map(pair).collect::<Option<Vec<_>>>()?;
                if *weak { json!({ "$dictionary": pairs, "weak": true }) } else { json!({ "$dictionary": pairs }) }
            }
            other => simple(other)?,
        })
    }

    /// An object of AMF 3, or one that its class writes itself.
    fn object(&mut self, class: Str<'_>, properties: Option<&Properties<'_>>, own: Option<&Value<'_>>) -> Option<Json> {
        let pairs = properties.map_or(&[][..], |properties| &properties.pairs);
        let mut names = Vec::new();
        let (known, class_text, sealed, is_dynamic) = match self.hints.next()? {
            Hint::KnownTraits(index) => {
                let known = self.classes.get(index as usize)?;
                (Some(index), text_of(class), known.members.len(), known.is_dynamic)
            }
            Hint::Traits(count) => {
                let Some(Hint::Dynamic(is_dynamic)) = self.hints.next() else { return None };
                let class_text = self.string(class, true)?;
                let sealed = if own.is_some() { 0 } else { count };
                names = pairs.iter().take(sealed).map(|(name, _)| self.string(*name, true)).collect::<Option<_>>()?;
                (None, class_text, sealed, is_dynamic)
            }
            _ => return None,
        };
        let described = Class {
            name: class.0.to_vec(),
            is_externalizable: own.is_some(),
            is_dynamic,
            members: pairs.iter().take(sealed).map(|(name, _)| name.0.to_vec()).collect(),
        };
        let expected = self.traits.find(&described);
        if known.is_none() {
            self.traits.add(described.clone());
            self.classes.push(described);
        } else {
            names = pairs.iter().take(sealed).map(|(name, _)| text_of(*name)).collect();
        }
        let traits = match known {
            known if known == expected => None,
            Some(index) => Some(json!(index)),
            None => Some(json!("inline")),
        };
        let mut object = Map::new();
        if let Some(Value::Externalizable { value, bytes, .. }) = own {
            object.insert("$externalizable".into(), class_text);
            match value {
                Some(value) => object.insert("value".into(), self.amf3(value)?),
                None => object.insert("hex".into(), json!(hex::encode(bytes))),
            };
            // Its flag and count mean nothing here.
            if is_dynamic {
                object.insert("dynamic".into(), json!(true));
            }
        } else {
            let properties = self.pairs(pairs, names, true)?;
            let is_anonymous = class.0.is_empty() && class_text.is_string();
            if is_anonymous && is_dynamic && sealed == 0 && traits.is_none() {
                return Some(properties);
            }
            object.insert("$typed".into(), class_text);
            object.insert("properties".into(), properties);
            if is_dynamic || sealed != pairs.len() {
                object.insert("sealed".into(), json!(sealed));
                object.insert("dynamic".into(), json!(is_dynamic));
            }
        }
        if let Some(traits) = traits {
            object.insert("traits".into(), traits);
        }
        Some(Json::Object(object))
    }

    fn properties(&mut self, properties: &Properties<'_>, is_amf3: bool) -> Option<Json> {
        self.pairs(&properties.pairs, Vec::new(), is_amf3)
    }

    /// Names and values; the first names were read before, with their class.
    fn pairs(&mut self, pairs: &[(Str<'_>, Value<'_>)], names: Vec<Json>, is_amf3: bool) -> Option<Json> {
        let mut names = names.into_iter();
        let mut all = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let name = match names.next() {
                Some(name) => name,
                None => self.string(*name, is_amf3)?,
            };
            all.push((name, if is_amf3 { self.amf3(value)? } else { self.amf0(value)? }));
        }
        let mut object = Map::new();
        let fits = all.iter().all(|(name, _)| match name {
            Json::String(name) => !name.starts_with('$') && object.insert(name.clone(), Json::Null).is_none(),
            _ => false,
        });
        if !fits {
            return Some(
                json!({ "$pairs": all.into_iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>() }),
            );
        }
        for (name, value) in all {
            if let Json::String(name) = name {
                object.insert(name, value);
            }
        }
        Some(Json::Object(object))
    }

    /// A string, with a hint if a writer that uses references wherever it can would write it otherwise.
    fn string(&mut self, text: Str<'_>, is_amf3: bool) -> Option<Json> {
        let Some(Hint::String(written)) = self.hints.next() else { return None };
        let plain = text_of(text);
        if !is_amf3 || text.0.is_empty() {
            return Some(plain);
        }
        let expected = self.strings.find(&text.0.to_vec());
        if written.is_none() {
            self.strings.add(text.0.to_vec());
        }
        Some(match written {
            written if written == expected => plain,
            Some(index) => json!({ "$string": plain, "reference": index }),
            None => json!({ "$string": plain, "inline": true }),
        })
    }
}

/// Whether a vector of objects of this class needs another name than the class.
pub(super) fn is_plain_type(name: &str) -> bool {
    matches!(name, "int" | "uint" | "Number" | "*")
}

fn text_of(text: Str<'_>) -> Json {
    serde_json::to_value(text).unwrap_or_default()
}

fn number_of(number: f64) -> Json {
    match number.is_nan() && number.to_bits() != f64::NAN.to_bits() {
        true => json!({ "$number": "NaN", "bits": format!("{:016x}", number.to_bits()) }),
        false => serde_json::to_value(Number(number)).unwrap_or_default(),
    }
}

/// Values whose JSON is the same however they were written. None for what only damaged bytes give.
fn simple(value: &Value<'_>) -> Option<Json> {
    match value {
        Value::Number(number) => Some(number_of(*number)),
        Value::Date { millis, timezone: Some(minutes) } => {
            Some(json!({ "$date": number_of(*millis), "timezone": minutes }))
        }
        Value::Date { millis, timezone: None } => Some(json!({ "$date": number_of(*millis) })),
        Value::ObjectEnd | Value::Undecoded { .. } => None,
        other => serde_json::to_value(other).ok(),
    }
}
