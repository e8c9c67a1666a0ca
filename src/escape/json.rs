//! JSON that can be printed on a terminal: what is unsafe there is written as `\uXXXX`, and reads back as it was.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};

use super::is_unsafe;

/// A value on one line.
pub fn line(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    text(|text| write_line(text, value))
}

/// A value over many lines.
pub fn pretty(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    text(|text| write_pretty(text, value))
}

/// A string with its quotation marks.
pub fn string(text: &str) -> String {
    line(text).expect("a string is JSON")
}

/// Writes a value on one line, without the line's end.
pub fn write_line(writer: impl io::Write, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
    value.serialize(&mut serializer(writer))
}

/// Writes a value over many lines, without the last one's end.
pub fn write_pretty(writer: impl io::Write, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(writer, Safe(PrettyFormatter::new())))
}

/// For values that are written part by part.
pub fn serializer<W: io::Write>(writer: W) -> Serializer<W, Safe<CompactFormatter>> {
    Serializer::with_formatter(writer, Safe(CompactFormatter))
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
}

/// A layout whose strings are safe.
#[derive(Debug)]
pub struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // serde_json has taken out what JSON itself escapes; of ASCII that leaves DEL.
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return self.0.write_string_fragment(writer, fragment);
        }
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_unsafe(c)) {
            self.0.write_string_fragment(writer, &rest[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_string_fragment(writer, rest)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_as_those_of_serde_json() {
        let value = serde_json::json!({ "a": [1, { "b": [] }, {}], "c": "é\"\n", "d": null });
        assert_eq!(line(&value).unwrap(), serde_json::to_string(&value).unwrap());
        assert_eq!(pretty(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap());
    }

    #[test]
    fn names_are_strings_too() {
        let value = serde_json::json!({ "a\u{202e}\u{1fffe}\x7f": "é\u{9b}é" });
        assert_eq!(line(&value).unwrap(), r#"{"a\u202e\ud83f\udffe\u007f":"é\u009bé"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line(&value).unwrap()).unwrap(), value);
    }
}
