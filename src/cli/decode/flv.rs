//! `decode FILE.flv`: the tags of a file, as messages are listed, without what only a capture has.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::cli::EXIT_OK;
use crate::cli::input::in_words;
use crate::cli::output::{Output, complain};
use crate::decode::FORMAT_VERSION;
use crate::escape::{csv_cell, escape, json};
use crate::field::{Defect, Tree, counted};
use crate::flv::{Item, Parser, SIGNATURE, Tag};
use crate::rtmp::body::{self, Body};
use crate::rtmp::{MessageTypeId, summary};
use crate::view;
use crate::view::follow::Dump;

use super::{Format, Options};

/// Whether a file begins as FLV does.
pub fn is_flv(path: &Path) -> bool {
    let mut first = [0; SIGNATURE.len()];
    path.is_file() && File::open(path).is_ok_and(|mut file| file.read_exact(&mut first).is_ok()) && first == SIGNATURE
}

/// A tag, or bytes that are none, as a row. What FLV lacks is absent.
#[derive(Serialize)]
struct Row<'t> {
    number: u64,
    kind: &'static str,
    /// Offset in the file.
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_id: Option<MessageTypeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    info: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    defects: Vec<Defect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body<'t>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_hex: Option<String>,
}

impl<'t> Row<'t> {
    fn of_tag(number: u64, tag: &'t Tag, options: &Options) -> Row<'t> {
        let mut row = Row {
            number,
            kind: "tag",
            offset: tag.offset,
            type_id: Some(tag.type_id),
            r#type: Some(tag.type_id.name()),
            length: tag.length.into(),
            timestamp: Some(tag.timestamp),
            complete: Some(tag.is_complete()),
            info: tag.type_id.name(),
            detail: String::new(),
            defects: tag.defects.clone(),
            body: None,
            body_sha256: (options.hash && tag.is_complete()).then(|| hex::encode(Sha256::digest(&tag.body))),
            body_hex: options.show().hex.then(|| hex::encode(&tag.body)),
        };
        if tag.is_encrypted {
            row.detail = "encrypted".to_owned();
            return row;
        }
        let decoded = body::decode(tag.type_id, &tag.body, tag.length, &mut ());
        row.info = summary::info(tag.type_id, &decoded.body);
        row.detail = summary::detail(tag.type_id, &decoded.body);
        // Offsets of a row are all those of the file.
        let in_file = |defect: Defect| Defect { offset: defect.offset + tag.body_offset(), ..defect };
        row.defects.extend(decoded.defects.into_iter().map(in_file));
        row.body = Some(decoded.body);
        row
    }

    fn of_bytes(number: u64, offset: u64, length: u64, info: String, defects: Vec<Defect>) -> Row<'t> {
        Row {
            number,
            kind: "undecoded",
            offset,
            type_id: None,
            r#type: None,
            length,
            timestamp: None,
            complete: None,
            info,
            detail: String::new(),
            defects,
            body: None,
            body_sha256: None,
            body_hex: None,
        }
    }
}

/// Lists a file.
pub fn run(path: &Path, options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    options.ensure_for_flv()?;
    let name = in_words(path);
    let mut file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    let mut printer = Printer { output, options, number: 0, printed: 0 };
    printer.begin()?;
    let mut parser = Parser::new();
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut bytes).with_context(|| format!("cannot read {name}"))?;
        if count == 0 {
            parser.finish();
        }
        parser.push(&bytes[..count]);
        while let Some(item) = parser.next_item() {
            if !printer.item(&item, &name)? {
                return printer.end();
            }
        }
        if count == 0 {
            let (printed, wanted) = (printer.printed, options.number);
            if let (0, Some(number)) = (printed, wanted) {
                bail!("{name} has no row {number}; rtmp-inspect decode lists them");
            }
            return printer.end();
        }
    }
}

impl Options {
    /// Fails for what is asked of a file that only a capture has.
    fn ensure_for_flv(&self) -> anyhow::Result<()> {
        let super::Connections { stream, port, decode_as, .. } = &self.connections;
        let of_captures = [
            ("--filter", self.filter.is_some()),
            ("--field", !self.fields.is_empty()),
            ("--direction", self.direction.is_some()),
            ("--stream", stream.is_some()),
            ("--port", !port.is_empty()),
            ("--decode-as", !decode_as.is_empty()),
        ];
        match of_captures.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => bail!("an FLV file has tags and no connections: {option} is for captures"),
            None => Ok(()),
        }
    }
}

struct Printer<'o> {
    output: &'o mut Output,
    options: &'o Options,
    /// Rows so far, printed or not.
    number: u64,
    printed: u64,
}

const CSV_COLUMNS: [&str; 11] =
    ["number", "kind", "offset", "type_id", "type", "length", "timestamp", "complete", "info", "detail", "defects"];

impl Printer<'_> {
    fn begin(&mut self) -> anyhow::Result<()> {
        match self.options.format {
            Format::Text => {
                let head = format!(
                    "{:>6}  {:>10}  {:<20}  {:>8}  {:>9}  Info\n",
                    "Tag", "Offset", "Type", "Length", "Timestamp"
                );
                self.output.text(&head)?;
            }
            Format::Json => write!(self.output, "{{\"format_version\":{FORMAT_VERSION},\"rows\":[")?,
            Format::Jsonl => {}
            Format::Csv => self.record(CSV_COLUMNS.map(str::to_owned).into_iter())?,
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<u8> {
        if self.options.format == Format::Json {
            self.output.write_all(b"\n]}\n")?;
        }
        Ok(EXIT_OK)
    }

    /// Prints an item; false if no more are wanted.
    fn item(&mut self, item: &Item, name: &str) -> anyhow::Result<bool> {
        let row = match item {
            Item::Header { defects, .. } => {
                for defect in defects {
                    complain("warning", &format!("{name}: {} (offset {})", defect.message, defect.offset));
                }
                return Ok(true);
            }
            Item::Tag(tag) => {
                self.number += 1;
                Row::of_tag(self.number, tag, self.options)
            }
            Item::Garbage { offset, len } => {
                self.number += 1;
                let info = format!("{} not decoded", counted(*len, "byte"));
                let defect = Defect::new("flv-garbage", *offset as usize, "these bytes are not a tag");
                Row::of_bytes(self.number, *offset, *len, info, vec![defect])
            }
        };
        let types: Vec<_> = self.options.types.iter().flat_map(|types| &types.0).collect();
        let is_wanted = self.options.number.is_none_or(|number| number == row.number)
            && (types.is_empty() || row.type_id.as_ref().is_some_and(|id| types.contains(&id)));
        if !is_wanted {
            return Ok(true);
        }
        self.print(&row, item)?;
        self.printed += 1;
        let is_last = self.options.number.is_some() || self.options.count.is_some_and(|count| self.printed >= count);
        Ok(!is_last && !self.output.is_closed())
    }

    fn print(&mut self, row: &Row<'_>, item: &Item) -> anyhow::Result<()> {
        match self.options.format {
            Format::Text => self.text(row, item)?,
            Format::Json => {
                self.output.write_all(if self.printed == 0 { b"\n" } else { b",\n" })?;
                json::write_line(&mut *self.output, row)?;
            }
            Format::Jsonl => {
                json::write_line(&mut *self.output, row)?;
                self.output.write_all(b"\n")?;
            }
            Format::Csv => {
                let defects: Vec<_> = row.defects.iter().map(|defect| defect.code).collect();
                let record = [
                    row.number.to_string(),
                    row.kind.to_owned(),
                    row.offset.to_string(),
                    row.type_id.map(|id| id.0.to_string()).unwrap_or_default(),
                    row.r#type.clone().unwrap_or_default(),
                    row.length.to_string(),
                    row.timestamp.map(|timestamp| timestamp.to_string()).unwrap_or_default(),
                    row.complete.map(|complete| complete.to_string()).unwrap_or_default(),
                    row.info.clone(),
                    row.detail.clone(),
                    defects.join(" "),
                ];
                self.record(record.into_iter())?;
            }
        }
        Ok(())
    }

    fn text(&mut self, row: &Row<'_>, item: &Item) -> anyhow::Result<()> {
        let timestamp = row.timestamp.map(|timestamp| timestamp.to_string()).unwrap_or_default();
        let kind = row.type_id.map_or_else(|| "undecoded".to_owned(), |id| id.to_string());
        let mut line = format!(
            "{:>6}  {:>10}  {kind:<20}  {:>8}  {timestamp:>9}  {}",
            row.number,
            row.offset,
            row.length,
            escape(&row.info)
        );
        if !row.detail.is_empty() {
            line = format!("{line}  {}", escape(&row.detail));
        }
        let codes: Vec<_> = row.defects.iter().map(|defect| defect.code).collect();
        if !codes.is_empty() {
            line = format!("{line}  [{}]", codes.join(", "));
        }
        self.output.text(&(line + "\n"))?;
        for defect in &row.defects {
            let text =
                format!("        ! {}: {} (file offset {})\n", defect.code, escape(&defect.message), defect.offset);
            self.output.text(&text)?;
        }
        let Item::Tag(tag) = item else { return Ok(()) };
        let show = self.options.show();
        if show.tree && !tag.is_encrypted {
            let mut tree = Tree::default();
            body::decode(tag.type_id, &tag.body, tag.length, &mut tree);
            let (layout, colour) = (self.output.layout(), self.output.colour);
            let text = view::amf::tree(&tree, &tag.body, tag.body_offset(), layout, colour);
            self.output.write_all(text.as_bytes())?;
        }
        if show.hex {
            let dump = Dump::new(self.output.layout(), self.output.colour);
            self.output.write_all(dump.plain(&tag.body, tag.body_offset()).as_bytes())?;
        }
        Ok(())
    }

    fn record(&mut self, fields: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(&mut *self.output);
        writer.write_record(fields.map(|field| csv_cell(&field).into_owned()))?;
        writer.into_inner().map_err(|error| error.into_error())?;
        Ok(())
    }
}
