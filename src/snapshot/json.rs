//! The keys and values of one line, each asked for by name; what is wrong with one says where it is.

use serde_json::{Map, Value};

use super::read::Error;

/// One line's object.
pub struct Keys {
    /// The line's number, from 1.
    pub line: u64,
    /// Where the object is in the line: empty, or `connections[0].`.
    prefix: String,
    map: Map<String, Value>,
}

impl Keys {
    /// Those of a line.
    pub fn of_line(line: u64, text: &str) -> Result<Keys, Error> {
        let wrong = |what: String| Error { line, key: None, what, todo: AGAIN };
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Keys { line, prefix: String::new(), map }),
            Ok(_) => Err(wrong("is not a JSON object".to_owned())),
            Err(error) if error.is_eof() => Err(wrong("ends inside its JSON object: the file was cut off".to_owned())),
            Err(error) => Err(wrong(format!("is not JSON: {error}"))),
        }
    }

    /// What is wrong with a key.
    pub fn wrong(&self, key: &str, what: impl Into<String>) -> Error {
        Error { line: self.line, key: Some(format!("{}{key}", self.prefix)), what: what.into(), todo: AGAIN }
    }

    /// The value of a key, taken out.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    fn must<T>(&self, key: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| self.wrong(key, "is missing"))
    }

    /// A string.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        match self.take(key) {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, format!("is {}, and should be a string", shown(&other)))),
            None => Ok(None),
        }
    }

    /// A string that has to be there.
    pub fn some_text(&mut self, key: &str) -> Result<String, Error> {
        let text = self.text(key)?;
        self.must(key, text)
    }

    /// A number up to `most`.
    pub fn number(&mut self, key: &str, most: u64) -> Result<Option<u64>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_u64().filter(|&number| number <= most) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, format!("is {}, and should be a number from 0 to {most}", shown(&value)))),
        }
    }

    /// A number that has to be there.
    pub fn some_number(&mut self, key: &str, most: u64) -> Result<u64, Error> {
        let number = self.number(key, most)?;
        self.must(key, number)
    }

    /// A number of 32 bits.
    pub fn u32(&mut self, key: &str) -> Result<Option<u32>, Error> {
        Ok(self.number(key, u32::MAX.into())?.map(|number| number as u32))
    }

    /// True or false.
    pub fn truth(&mut self, key: &str) -> Result<Option<bool>, Error> {
        match self.take(key) {
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(other) => Err(self.wrong(key, format!("is {}, and should be true or false", shown(&other)))),
            None => Ok(None),
        }
    }

    /// Bytes, as hex digits.
    pub fn bytes(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(digits) = self.text(key)? else { return Ok(None) };
        match hex::decode(&digits) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => Err(self.wrong(key, format!("is not bytes in hex: {error}"))),
        }
    }

    /// So many bytes, as hex digits.
    pub fn array<const N: usize>(&mut self, key: &str) -> Result<Option<[u8; N]>, Error> {
        let Some(bytes) = self.bytes(key)? else { return Ok(None) };
        match bytes.first_chunk().filter(|_| bytes.len() == N) {
            Some(array) => Ok(Some(*array)),
            None => Err(self.wrong(key, format!("has {} bytes, and should have {N}", bytes.len()))),
        }
    }

    /// One of the names of a table.
    pub fn one_of<T: Copy>(
        &mut self,
        key: &str,
        table: &[(T, &'static str)],
    ) -> Result<Option<(T, &'static str)>, Error> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match table.iter().find(|(_, name)| *name == text) {
            Some(&found) => Ok(Some(found)),
            None => {
                let names: Vec<_> = table.iter().map(|(_, name)| *name).collect();
                Err(self.wrong(key, format!("is {}, and should be one of {}", shown(&text.into()), names.join(", "))))
            }
        }
    }

    /// One of the names of a table that has to be there.
    pub fn some_of<T: Copy>(&mut self, key: &str, table: &[(T, &'static str)]) -> Result<T, Error> {
        let found = self.one_of(key, table)?;
        Ok(self.must(key, found)?.0)
    }

    /// Strings.
    pub fn texts(&mut self, key: &str) -> Result<Vec<String>, Error> {
        let list = self.list(key)?;
        let texts: Option<Vec<String>> = list.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        texts.ok_or_else(|| self.wrong(key, "should be a list of strings"))
    }

    /// Objects.
    pub fn objects(&mut self, key: &str) -> Result<Vec<Keys>, Error> {
        let list = self.list(key)?;
        let of = |(index, value): (usize, Value)| match value {
            Value::Object(map) => {
                Some(Keys { line: self.line, prefix: format!("{}{key}[{index}].", self.prefix), map })
            }
            _ => None,
        };
        let objects: Option<Vec<Keys>> = list.into_iter().enumerate().map(of).collect();
        objects.ok_or_else(|| self.wrong(key, "should be a list of objects"))
    }

    fn list(&mut self, key: &str) -> Result<Vec<Value>, Error> {
        match self.take(key) {
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(self.wrong(key, format!("is {}, and should be a list", shown(&other)))),
            None => Ok(Vec::new()),
        }
    }

    /// Passes keys whose values say again, for people, what others say.
    pub fn pass(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| _ = self.map.remove(*key));
    }

    /// All keys have been asked for: another is a mistake.
    pub fn finish(self) -> Result<(), Error> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(key) => Err(Error { todo: NEWER, ..self.wrong(key, "is not a known key here") }),
        }
    }
}

/// What to do about a file that is damaged.
pub const AGAIN: &str = "write it again with rtmp-inspect snapshot";
/// What to do about a file with more in it than is known.
pub const NEWER: &str = "correct it, or read it with a newer rtmp-inspect";

/// The beginning of a value, for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
