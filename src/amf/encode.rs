//! JSON to AMF: the way back from [`exact`](super::exact::exact).
//!
//! Takes JSON in the convention of docs/amf.md and returns the bytes. Strings and classes of AMF 3 are written as
//! references where they can be, unless a hint has it otherwise. It reads no text: that is the caller's.

use serde_json::{Map, Value as Json};

use super::MAX_DEPTH;
use super::exact::{Class, INTEGERS, LONGEST_STRING, REFERENCE_MARKER, Table, is_plain_type};

/// What JSON does not stand for a value, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {path}: {why}")]
pub struct Error {
    /// The way to it: `values[1].properties.app`.
    pub path: String,
    /// What is wrong.
    pub why: String,
}

/// The bytes of the values, in AMF 0 or AMF 3.
pub fn encode(values: &[Json], is_amf3: bool) -> Result<Vec<u8>, Error> {
    let mut encoder = Encoder::default();
    for (index, value) in values.iter().enumerate() {
        encoder.path.push(format!("[{index}]"));
        if is_amf3 {
            encoder.amf3(value)?
        } else {
            encoder.amf0(value)?
        }
        encoder.path.pop();
    }
    Ok(encoder.out)
}

#[derive(Default)]
struct Encoder {
    out: Vec<u8>,
    path: Vec<String>,
    strings: Table<Vec<u8>>,
    traits: Table<Class>,
}

/// A string, and how AMF 3 writes it.
struct Text {
    bytes: Vec<u8>,
    /// A reference with this number, or in place; by itself else.
    written: Option<Option<u32>>,
}

type Result_ = Result<(), Error>;

impl Encoder {
    fn error<T>(&self, why: impl Into<String>) -> Result<T, Error> {
        Err(Error { path: format!("values{}", self.path.concat()), why: why.into() })
    }

    fn amf0(&mut self, value: &Json) -> Result_ {
        self.enter()?;
        match value {
            Json::Null => self.out.push(0x05),
            Json::Bool(truth) => self.out.extend([0x01, u8::from(*truth)]),
            Json::Number(number) => self.double(0x00, number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => self.amf0_string(text.as_bytes(), false)?,
            Json::Array(items) => {
                self.out.push(0x0a);
                self.out.extend((items.len() as u32).to_be_bytes());
                self.each(items, Self::amf0)?;
            }
            Json::Object(object) => self.amf0_object(object)?,
        }
        Ok(())
    }

    fn amf0_object(&mut self, object: &Map<String, Json>) -> Result_ {
        let Some((tag, content)) = tag_of(object) else {
            self.out.push(0x03);
            return self.amf0_properties(object);
        };
        match tag {
            "$pairs" => {
                self.out.push(0x03);
                self.amf0_properties(object)
            }
            "$string" | "$bytes" => {
                let text = self.text(&Json::Object(object.clone()))?;
                self.amf0_string(&text.bytes, false)
            }
            "$long_string" => {
                let text = self.text(content)?;
                self.amf0_string(&text.bytes, true)
            }
            "$undefined" => self.byte(0x06),
            "$unsupported" => self.byte(0x0d),
            "$boolean" => {
                let byte = self.number(content, 0..=255)?;
                self.out.extend([0x01, byte as u8]);
                Ok(())
            }
            "$number" | "$double" => {
                let number = self.float(&Json::Object(object.clone()))?;
                self.double(0x00, number);
                Ok(())
            }
            "$reference" => {
                let index = self.number(content, 0..=0xffff)?;
                self.out.push(0x07);
                self.out.extend((index as u16).to_be_bytes());
                Ok(())
            }
            "$ecma_array" => {
                let Json::Object(properties) = content else { return self.error("$ecma_array contains an object") };
                let own = properties.get("$pairs").and_then(Json::as_array).map_or(properties.len(), Vec::len);
                let count = match object.get("count") {
                    Some(count) => self.number(count, 0..=u32::MAX.into())? as u32,
                    None => own as u32,
                };
                self.out.push(0x08);
                self.out.extend(count.to_be_bytes());
                self.amf0_properties(properties)
            }
            "$typed" => {
                let class = self.text(content)?;
                self.out.push(0x10);
                self.amf0_name(&class.bytes)?;
                match object.get("properties") {
                    Some(Json::Object(properties)) => self.amf0_properties(properties),
                    _ => self.error("$typed needs properties, an object"),
                }
            }
            "$date" => {
                let millis = self.float(content)?;
                let minutes = match object.get("timezone") {
                    Some(minutes) => self.number(minutes, i16::MIN.into()..=i16::MAX.into())? as i16,
                    None => 0,
                };
                self.double(0x0b, millis);
                self.out.extend(minutes.to_be_bytes());
                Ok(())
            }
            "$xml" => {
                let text = self.text(content)?;
                self.out.push(0x0f);
                self.out.extend((text.bytes.len() as u32).to_be_bytes());
                self.out.extend(text.bytes);
                Ok(())
            }
            "$int64" => {
                let Some(number) = content.as_i64() else { return self.error("$int64 contains a whole number") };
                self.out.push(0x22);
                self.out.extend(number.to_be_bytes());
                Ok(())
            }
            "$amf3" => {
                self.out.push(0x11);
                self.within(".$amf3", |encoder| encoder.amf3(content))
            }
            "$integer" | "$array" | "$byte_array" | "$vector" | "$dictionary" | "$externalizable" => {
                self.error(format!("{tag} is a value of AMF 3: put it into {{\"$amf3\": …}}, or use --amf3"))
            }
            tag => self.error(format!("unknown hint {tag}; a property of this name is written in $pairs")),
        }
    }

    fn amf3(&mut self, value: &Json) -> Result_ {
        self.enter()?;
        match value {
            Json::Null => self.byte(0x01),
            Json::Bool(truth) => self.byte(0x02 + u8::from(*truth)),
            Json::Number(number) => match number.as_i64() {
                Some(integer) if INTEGERS.contains(&integer) => self.integer(integer),
                _ => {
                    self.double(0x05, number.as_f64().unwrap_or(f64::NAN));
                    Ok(())
                }
            },
            Json::String(_) => {
                self.out.push(0x06);
                self.amf3_text(value)
            }
            Json::Array(items) => self.amf3_array(items, &Map::new()),
            Json::Object(object) => self.amf3_object(object),
        }
    }

    fn amf3_object(&mut self, object: &Map<String, Json>) -> Result_ {
        let whole = || Json::Object(object.clone());
        let Some((tag, content)) = tag_of(object).filter(|(tag, _)| *tag != "$pairs") else {
            self.out.push(0x0a);
            return self.instance(&Json::String(String::new()), object, object, (0, true));
        };
        match tag {
            "$string" | "$bytes" => {
                self.out.push(0x06);
                self.amf3_text(&whole())
            }
            "$undefined" => self.byte(0x00),
            "$integer" => {
                let number = self.number(content, INTEGERS.start..=INTEGERS.end - 1)?;
                self.integer(number)
            }
            "$double" | "$number" => {
                let number = self.float(&whole())?;
                self.double(0x05, number);
                Ok(())
            }
            "$reference" => {
                let index = self.number(content, 0..=(1 << 28) - 1)?;
                let marker = match object.get("marker") {
                    Some(marker) => self.number(marker, 0x07..=0x11)? as u8,
                    None => REFERENCE_MARKER,
                };
                self.out.push(marker);
                self.u29((index as u32) << 1)
            }
            "$date" => {
                let millis = self.float(content)?;
                self.out.extend([0x08, 0x01]);
                self.out.extend(millis.to_be_bytes());
                Ok(())
            }
            "$xml" => {
                let text = self.text(content)?;
                self.out.push(if object.get("document") == Some(&Json::Bool(true)) { 0x07 } else { 0x0b });
                self.block(&text.bytes)
            }
            "$byte_array" => {
                let bytes = self.hex(content)?;
                self.out.push(0x0c);
                self.block(&bytes)
            }
            "$array" => match (content, object.get("properties")) {
                (Json::Array(items), None) => self.amf3_array(items, &Map::new()),
                (Json::Array(items), Some(Json::Object(named))) => self.amf3_array(items, named),
                _ => self.error("$array contains an array, and properties, if there are some, an object"),
            },
            "$vector" => self.vector(content, object),
            "$dictionary" => {
                let Json::Array(pairs) = content else { return self.error("$dictionary contains an array of pairs") };
                self.out.push(0x11);
                self.inline(pairs.len())?;
                self.out.push(u8::from(object.get("weak") == Some(&Json::Bool(true))));
                self.each(pairs, |encoder, pair| match pair.as_array().map(Vec::as_slice) {
                    Some([key, value]) => {
                        encoder.amf3(key)?;
                        encoder.amf3(value)
                    }
                    _ => encoder.error("a pair is an array of key and value"),
                })
            }
            "$typed" => {
                let Some(Json::Object(properties)) = object.get("properties") else {
                    return self.error("$typed needs properties, an object");
                };
                let all = properties.get("$pairs").and_then(Json::as_array).map_or(properties.len(), Vec::len);
                let sealed = match object.get("sealed") {
                    Some(sealed) => self.number(sealed, 0..=all as i64)? as usize,
                    None => all,
                };
                let is_dynamic = object.get("dynamic").map_or(sealed < all, |flag| flag == &Json::Bool(true));
                self.out.push(0x0a);
                self.instance(content, properties, object, (sealed, is_dynamic))
            }
            "$externalizable" => {
                let class = self.text(content)?;
                self.out.push(0x0a);
                let is_dynamic = object.get("dynamic") == Some(&Json::Bool(true));
                let described =
                    Class { name: class.bytes.clone(), is_externalizable: true, is_dynamic, members: Vec::new() };
                self.class(class, Vec::new(), described, object.get("traits"))?;
                match (object.get("value"), object.get("hex")) {
                    (Some(value), None) => self.within(".value", |encoder| encoder.amf3(value)),
                    (None, Some(hex)) => {
                        let bytes = self.hex(hex)?;
                        self.out.extend(bytes);
                        Ok(())
                    }
                    _ => self.error("$externalizable needs either value or hex"),
                }
            }
            "$ecma_array" | "$long_string" | "$unsupported" | "$boolean" | "$int64" | "$amf3" => {
                self.error(format!("{tag} is a value of AMF 0, and cannot be inside of AMF 3"))
            }
            tag => self.error(format!("unknown hint {tag}; a property of this name is written in $pairs")),
        }
    }

    fn vector(&mut self, of: &Json, object: &Map<String, Json>) -> Result_ {
        let Some(Json::Array(items)) = object.get("items") else { return self.error("$vector needs items, an array") };
        let class = object.get("class");
        let of = of.as_str().unwrap_or_default();
        let marker = match of {
            "int" if class.is_none() => 0x0d,
            "uint" if class.is_none() => 0x0e,
            "Number" if class.is_none() => 0x0f,
            _ => 0x10,
        };
        self.out.push(marker);
        self.inline(items.len())?;
        self.out.push(u8::from(object.get("fixed") == Some(&Json::Bool(true))));
        if marker == 0x10 {
            let name = if is_plain_type(of) { String::new() } else { of.to_owned() };
            self.amf3_text(class.unwrap_or(&Json::String(name)))?;
        }
        self.each(items, |encoder, item| {
            match marker {
                0x0d => {
                    let number = encoder.number(item, i32::MIN.into()..=i32::MAX.into())?;
                    encoder.out.extend((number as i32).to_be_bytes());
                }
                0x0e => {
                    let number = encoder.number(item, 0..=u32::MAX.into())?;
                    encoder.out.extend((number as u32).to_be_bytes());
                }
                0x0f => {
                    let number = encoder.float(item)?;
                    encoder.out.extend(number.to_be_bytes());
                }
                _ => encoder.amf3(item)?,
            }
            Ok(())
        })
    }

    fn amf3_array(&mut self, items: &[Json], named: &Map<String, Json>) -> Result_ {
        self.out.push(0x09);
        self.inline(items.len())?;
        for (name, value) in self.pairs(named)? {
            self.amf3_string(name)?;
            self.amf3(value)?;
        }
        self.out.push(0x01);
        self.each(items, Self::amf3)
    }

    /// An object after its marker; `members` are how many properties its class names, and whether it may have others.
    fn instance(
        &mut self,
        class: &Json,
        properties: &Map<String, Json>,
        hints: &Map<String, Json>,
        (sealed, is_dynamic): (usize, bool),
    ) -> Result_ {
        let pairs = self.pairs(properties)?;
        if pairs.len() > sealed && !is_dynamic {
            return self.error("properties that the class does not name need \"dynamic\": true");
        }
        let class = self.text(class)?;
        let described = Class {
            name: class.bytes.clone(),
            is_externalizable: false,
            is_dynamic,
            members: pairs.iter().take(sealed).map(|(name, _)| name.bytes.clone()).collect(),
        };
        let traits = hints.get("traits").filter(|_| hints.contains_key("$typed"));
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            names.push(name);
            values.push(value);
        }
        let others = names.split_off(sealed);
        self.class(class, names, described, traits)?;
        let mut others = others.into_iter();
        for (index, value) in values.into_iter().enumerate() {
            if index >= sealed
                && let Some(name) = others.next()
            {
                self.amf3_string(name)?;
            }
            self.within(&format!(".properties[{index}]"), |encoder| encoder.amf3(value))?;
        }
        if is_dynamic {
            self.out.push(0x01);
        }
        Ok(())
    }

    /// The class of an object: what it is, or the number of one that is the same.
    fn class(&mut self, name: Text, members: Vec<Text>, described: Class, hint: Option<&Json>) -> Result_ {
        let known = match hint {
            None => self.traits.find(&described),
            Some(Json::String(word)) if word == "inline" => None,
            Some(index) => Some(self.number(index, 0..=(1 << 27) - 1)? as u32),
        };
        if let Some(index) = known {
            return self.u29(index << 2 | 0b01);
        }
        let flags = u32::from(described.is_externalizable) << 2 | u32::from(described.is_dynamic) << 3 | 0b11;
        self.u29((described.members.len() as u32) << 4 | flags)?;
        self.traits.add(described);
        self.amf3_string(name)?;
        members.into_iter().try_for_each(|member| self.amf3_string(member))
    }

    /// The properties of an object in order.
    fn pairs<'j>(&self, object: &'j Map<String, Json>) -> Result<Vec<(Text, &'j Json)>, Error> {
        let Some(pairs) = object.get("$pairs") else {
            let plain =
                |(name, value): (&String, &'j Json)| (Text { bytes: name.clone().into(), written: None }, value);
            return Ok(object.iter().map(plain).collect());
        };
        let Json::Array(pairs) = pairs else { return self.error("$pairs contains an array") };
        let pair = |pair: &'j Json| match pair.as_array().map(Vec::as_slice) {
            Some([name, value]) => Ok((self.text(name)?, value)),
            _ => self.error("in $pairs, each is an array of name and value"),
        };
        pairs.iter().map(pair).collect()
    }

    fn amf0_properties(&mut self, object: &Map<String, Json>) -> Result_ {
        for (name, value) in self.pairs(object)? {
            self.amf0_name(&name.bytes)?;
            let step = format!(".{}", String::from_utf8_lossy(&name.bytes));
            self.within(&step, |encoder| encoder.amf0(value))?;
        }
        self.out.extend([0, 0, 9]);
        Ok(())
    }

    fn amf0_name(&mut self, name: &[u8]) -> Result_ {
        let Ok(len) = u16::try_from(name.len()) else { return self.error("a name is longer than 65535 bytes") };
        self.out.extend(len.to_be_bytes());
        self.out.extend(name);
        Ok(())
    }

    fn amf0_string(&mut self, text: &[u8], is_long: bool) -> Result_ {
        if is_long || text.len() > LONGEST_STRING {
            self.out.push(0x0c);
            self.out.extend((text.len() as u32).to_be_bytes());
            self.out.extend(text);
            return Ok(());
        }
        self.out.push(0x02);
        self.amf0_name(text)
    }

    fn amf3_text(&mut self, json: &Json) -> Result_ {
        let text = self.text(json)?;
        self.amf3_string(text)
    }

    fn amf3_string(&mut self, text: Text) -> Result_ {
        if text.bytes.is_empty() {
            return self.byte(0x01);
        }
        if let Some(index) = text.written.unwrap_or_else(|| self.strings.find(&text.bytes)) {
            return self.u29(index << 1);
        }
        self.block(&text.bytes)?;
        self.strings.add(text.bytes);
        Ok(())
    }

    /// A string: JSON's own, `$bytes` that are not UTF-8, or `$string` with a hint.
    fn text(&self, json: &Json) -> Result<Text, Error> {
        match json {
            Json::String(text) => Ok(Text { bytes: text.clone().into(), written: None }),
            Json::Object(object) => match (object.get("$bytes"), object.get("$string")) {
                (Some(hex), _) => Ok(Text { bytes: self.hex(hex)?, written: None }),
                (_, Some(text)) => {
                    let written = match object.get("reference") {
                        Some(index) => Some(Some(self.number(index, 0..=(1 << 28) - 1)? as u32)),
                        None => (object.get("inline") == Some(&Json::Bool(true))).then_some(None),
                    };
                    Ok(Text { written, ..self.text(text)? })
                }
                _ => self.error("a string is needed"),
            },
            _ => self.error("a string is needed"),
        }
    }

    fn hex(&self, json: &Json) -> Result<Vec<u8>, Error> {
        match json.as_str().map(hex::decode) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => self.error(format!("not hexadecimal: {error}")),
            None => self.error("bytes are written as a string of hexadecimal digits"),
        }
    }

    fn number(&self, json: &Json, range: std::ops::RangeInclusive<i64>) -> Result<i64, Error> {
        match json.as_i64().filter(|number| range.contains(number)) {
            Some(number) => Ok(number),
            None => self.error(format!("a whole number from {} to {} is needed", range.start(), range.end())),
        }
    }

    /// A double: JSON's own, or one that JSON lacks.
    fn float(&self, json: &Json) -> Result<f64, Error> {
        match json {
            Json::Number(number) => Ok(number.as_f64().unwrap_or(f64::NAN)),
            Json::Object(object) => match (object.get("bits"), object.get("$number").or(object.get("$double"))) {
                (Some(bits), _) => match bits.as_str().map(|bits| u64::from_str_radix(bits, 16)) {
                    Some(Ok(bits)) => Ok(f64::from_bits(bits)),
                    _ => self.error("bits are 16 hexadecimal digits"),
                },
                (None, Some(Json::String(word))) if ["NaN", "inf", "-inf"].contains(&word.as_str()) => {
                    Ok(word.parse().unwrap_or(f64::NAN))
                }
                (None, Some(number @ Json::Number(_))) => self.float(number),
                _ => self.error("a number, or \"NaN\", \"inf\" or \"-inf\" in $number, is needed"),
            },
            _ => self.error("a number is needed"),
        }
    }

    fn integer(&mut self, number: i64) -> Result_ {
        self.out.push(0x04);
        self.u29(number as u32 & 0x1fff_ffff)
    }

    fn double(&mut self, marker: u8, number: f64) {
        self.out.push(marker);
        self.out.extend(number.to_be_bytes());
    }

    fn byte(&mut self, byte: u8) -> Result_ {
        self.out.push(byte);
        Ok(())
    }

    /// Bytes with their length before them.
    fn block(&mut self, bytes: &[u8]) -> Result_ {
        self.inline(bytes.len())?;
        self.out.extend(bytes);
        Ok(())
    }

    /// A count, with the low bit that says that no reference is meant.
    fn inline(&mut self, count: usize) -> Result_ {
        match u32::try_from(count).ok().filter(|count| *count < 1 << 28) {
            Some(count) => self.u29(count << 1 | 1),
            None => self.error("AMF 3 counts no further than 268435455"),
        }
    }

    /// 29 bits in one to four bytes (AMF3 1.3.1).
    fn u29(&mut self, number: u32) -> Result_ {
        let high = |shift: u32| (number >> shift) as u8 | 0x80;
        match number {
            0..0x80 => self.out.push(number as u8),
            0x80..0x4000 => self.out.extend([high(7), number as u8 & 0x7f]),
            0x4000..0x20_0000 => self.out.extend([high(14), high(7), number as u8 & 0x7f]),
            0x20_0000..0x2000_0000 => self.out.extend([high(22), high(15), high(8), number as u8]),
            _ => return self.error("the number has more than 29 bits"),
        }
        Ok(())
    }

    fn each(&mut self, items: &[Json], write: impl Fn(&mut Self, &Json) -> Result_) -> Result_ {
        for (index, item) in items.iter().enumerate() {
            self.within(&format!("[{index}]"), |encoder| write(encoder, item))?;
        }
        Ok(())
    }

    fn within(&mut self, step: &str, write: impl FnOnce(&mut Self) -> Result_) -> Result_ {
        self.path.push(step.to_owned());
        write(self)?;
        self.path.pop();
        Ok(())
    }

    /// Deeper than readers go, even where a level takes two steps.
    fn enter(&self) -> Result_ {
        if self.path.len() > 2 * MAX_DEPTH + 1 {
            self.error(format!("values are nested more than {MAX_DEPTH} deep"))
        } else {
            Ok(())
        }
    }
}

/// The hint that an object begins with, if it is one.
fn tag_of(object: &Map<String, Json>) -> Option<(&str, &Json)> {
    object.iter().next().filter(|(name, _)| name.starts_with('$')).map(|(name, value)| (name.as_str(), value))
}
