//! `-e`: chosen fields as columns, as `tshark -T fields` prints them.

use std::io::Write;

use anyhow::{anyhow, bail, ensure};
use serde::ser::{SerializeMap, Serializer};

use crate::dissect::{Dissection, paths, vocabulary};
use crate::escape::{escape, json};
use crate::field::Value;

/// Which fields, and how their values are laid out.
#[derive(Debug)]
pub struct Columns {
    /// The fields' names.
    pub names: Vec<String>,
    header: bool,
    separator: String,
    aggregator: String,
    occurrence: Occurrence,
    quote: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occurrence {
    First,
    Last,
    All,
}

impl Columns {
    /// Columns for `names`, laid out as the settings of `-E` have it. None if there are no names.
    pub fn new(names: &[String], settings: &[String]) -> anyhow::Result<Option<Columns>> {
        let mut columns = Columns {
            names: names.to_vec(),
            header: false,
            separator: "\t".to_owned(),
            aggregator: ",".to_owned(),
            occurrence: Occurrence::All,
            quote: "",
        };
        for setting in settings {
            columns.set(setting)?;
        }
        for name in names {
            ensure!(vocabulary::find(name).is_some() || paths::parse(name).is_some(), unknown_field(name));
        }
        ensure!(settings.is_empty() || !names.is_empty(), "-E formats the columns of -e FIELD, but there are none");
        Ok((!names.is_empty()).then_some(columns))
    }

    /// The line over the columns, if it is wanted.
    pub fn write_header(&self, out: &mut impl Write) -> std::io::Result<()> {
        if self.header { writeln!(out, "{}", self.names.join(&self.separator)) } else { Ok(()) }
    }

    /// The line of a row.
    pub fn write_line(&self, row: &Dissection<'_>, out: &mut impl Write) -> std::io::Result<()> {
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                out.write_all(self.separator.as_bytes())?;
            }
            let texts: Vec<_> = self.texts(row, name).iter().map(|text| escape(text).into_owned()).collect();
            if !texts.is_empty() {
                write!(out, "{quote}{}{quote}", texts.join(&self.aggregator), quote = self.quote)?;
            }
        }
        out.write_all(b"\n")
    }

    /// A row's values joined for a record of CSV.
    pub fn record(&self, row: &Dissection<'_>) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| self.texts(row, name).join(&self.aggregator))
    }

    /// A row as an object: each field that it has, with the list of its values as texts.
    pub fn write_object(&self, row: &Dissection<'_>, out: impl Write) -> serde_json::Result<()> {
        let mut serializer = json::serializer(out);
        let mut object = serializer.serialize_map(None)?;
        for name in &self.names {
            let texts = self.texts(row, name);
            if !texts.is_empty() {
                object.serialize_entry(name, &texts)?;
            }
        }
        object.end()
    }

    fn texts(&self, row: &Dissection<'_>, name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        row.each_value(name, |def, value, bytes| {
            texts.push(match value {
                // As tshark: the protocol is named by its message.
                Value::None if def.name == "rtmpt" => format!("{} ({})", def.title, row.row().label()),
                _ => value.plain(def.kind, bytes.len()).into_owned(),
            });
        });
        match self.occurrence {
            Occurrence::First => texts.truncate(1),
            Occurrence::Last => {
                texts.drain(..texts.len().saturating_sub(1));
            }
            Occurrence::All => {}
        }
        texts
    }

    fn set(&mut self, setting: &str) -> anyhow::Result<()> {
        let shown = escape(setting);
        let (key, value) = setting.split_once('=').ok_or_else(|| anyhow!("-E {shown}: write it as NAME=VALUE"))?;
        let yes_or_no = || match value {
            "y" => Ok(true),
            "n" => Ok(false),
            _ => Err(anyhow!("-E {shown}: y or n is expected")),
        };
        match key {
            "header" => self.header = yes_or_no()?,
            "separator" => self.separator = character(value),
            "aggregator" => self.aggregator = character(value),
            "occurrence" => {
                self.occurrence = match value {
                    "f" => Occurrence::First,
                    "l" => Occurrence::Last,
                    "a" => Occurrence::All,
                    _ => bail!("-E {shown}: f for the first value, l for the last, a for all"),
                }
            }
            "quote" => {
                self.quote = match value {
                    "d" => "\"",
                    "s" => "'",
                    "n" => "",
                    _ => bail!("-E {shown}: d for \", s for ', n for none"),
                }
            }
            "bom" | "escape" if yes_or_no().is_ok() => {}
            _ => bail!("-E {shown}: header, separator, aggregator, occurrence and quote can be set"),
        }
        Ok(())
    }
}

/// tshark's names for characters that a shell makes hard to write.
fn character(text: &str) -> String {
    match text {
        "/t" => "\t".to_owned(),
        "/s" => " ".to_owned(),
        other => other.to_owned(),
    }
}

fn unknown_field(name: &str) -> String {
    let shown = escape(name);
    if let Some(hint) = paths::hint(name) {
        return format!("unknown field '{shown}'; {hint}");
    }
    match &vocabulary::nearest(name)[..] {
        [] => format!("unknown field '{shown}'; `rtmp-inspect fields` lists them all"),
        near => format!("unknown field '{shown}'; did you mean {}?", near.join(" or ")),
    }
}
