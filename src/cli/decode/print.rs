//! Prints rows in the chosen format.

use std::io::Write;

use crate::decode::{Comments, FORMAT_VERSION, What};
use crate::dissect::Dissection;
use crate::dissect::vocabulary::Place;
use crate::escape::{csv_cell, escape, json};
use crate::origin::{FrameNo, Time};
use crate::view::hexdump::hexdump;
use crate::view::list::List;
use crate::view::palette::Palette;
use crate::view::tree::{TreeStyle, tree};

use super::columns::Columns;
use super::{Format, Options};
use crate::cli::output::Output;

/// What is shown of a row besides its line.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    /// Its fields.
    pub tree: bool,
    /// Its bytes; together with the fields, beside them.
    pub hex: bool,
    /// Its fields with the bytes beside them, and then the bytes.
    pub all: bool,
}

/// Prints rows in the chosen format.
pub struct Printer<'o> {
    output: &'o mut Output,
    list: List,
    line: String,
    columns: Option<Columns>,
    format: Format,
    show: Show,
    hash: bool,
    /// Whether comments on frames have lines of their own.
    shows_comments: bool,
    has_head: bool,
    comments: Comments,
    /// How many of them were printed.
    commented: usize,
    printed: u64,
}

const CSV_COLUMNS: [&str; 21] = [
    "number",
    "kind",
    "frame",
    "first_frame",
    "time",
    "tcp_stream",
    "direction",
    "src",
    "dst",
    "offset",
    "csid",
    "fmt",
    "type_id",
    "type",
    "length",
    "timestamp",
    "message_stream_id",
    "complete",
    "info",
    "detail",
    "defects",
];

/// Writes a row as one JSON object: its columns, or all of it, with its fields if `tree`.
fn object(
    dissection: &Dissection<'_>,
    columns: Option<&Columns>,
    tree: bool,
    writer: &mut impl Write,
) -> std::io::Result<()> {
    match columns {
        Some(columns) => columns.write_object(dissection, writer)?,
        None if tree => json::write_line(writer, dissection)?,
        None => json::write_line(writer, dissection.row())?,
    }
    Ok(())
}

impl<'o> Printer<'o> {
    /// A printer as `options` have it; what comes before the first row is printed.
    pub fn new(options: &Options, comments: Comments, output: &'o mut Output) -> anyhow::Result<Printer<'o>> {
        let list = List::new(output.layout(), output.colour);
        let columns = Columns::new(&options.fields, &options.layout)?;
        let mut printer = Printer {
            output,
            list,
            line: String::new(),
            columns,
            format: options.format,
            show: options.show(),
            hash: options.hash,
            has_head: false,
            comments,
            commented: 0,
            shows_comments: !options.narrows() && !options.shows_all_fields(),
            printed: 0,
        };
        match options.format {
            Format::Text => {
                if let Some(columns) = &printer.columns {
                    columns.write_header(printer.output)?;
                }
            }
            Format::Jsonl => {}
            Format::Json => write!(printer.output, "{{\"format_version\":{FORMAT_VERSION},\"rows\":[")?,
            Format::Csv if printer.columns.is_some() => {
                printer.record(options.fields.iter().cloned())?;
            }
            Format::Csv => {
                let columns = CSV_COLUMNS.iter().copied().chain(options.hash.then_some("body_sha256"));
                printer.record(columns.chain(options.show().hex.then_some("body_hex")).map(str::to_owned))?;
            }
        }
        Ok(printer)
    }

    /// Prints a row; `start` is the time of the capture's first frame.
    pub fn print(&mut self, dissection: &Dissection<'_>, start: Time) -> anyhow::Result<()> {
        match self.format {
            Format::Text if self.columns.is_some() => {
                if let Some(columns) = &self.columns {
                    columns.write_line(dissection, self.output)?;
                }
            }
            Format::Text => {
                self.head()?;
                self.comments(Some(dissection.row().frame))?;
                self.line.clear();
                self.list.row(dissection.row(), start, &mut self.line);
                self.output.text(&self.line)?;
                self.details(dissection)?;
            }
            Format::Json => {
                self.output.write_all(if self.printed == 0 { b"\n" } else { b",\n" })?;
                object(dissection, self.columns.as_ref(), self.show.tree, &mut *self.output)?;
            }
            Format::Jsonl => {
                let (columns, tree) = (self.columns.as_ref(), self.show.tree);
                self.output.line(|line| object(dissection, columns, tree, line))?;
            }
            Format::Csv => self.csv(dissection)?,
        }
        self.printed += 1;
        Ok(())
    }

    /// Prints the list's header, once.
    fn head(&mut self) -> anyhow::Result<()> {
        if !std::mem::replace(&mut self.has_head, true) {
            self.output.text(&self.list.header())?;
        }
        Ok(())
    }

    /// Prints the comments on frames up to this one, or all that are left: in a list of all rows only, as elsewhere they
    /// are with their rows.
    fn comments(&mut self, until: Option<FrameNo>) -> anyhow::Result<()> {
        if self.format != Format::Text || self.columns.is_some() || !self.shows_comments {
            return Ok(());
        }
        while let Some((count, comment)) = self.comments.after(self.commented)
            && until.is_none_or(|frame| !frame.precedes(comment.frame))
        {
            self.commented = count;
            self.head()?;
            let text = format!("{:>6} {:>6}  comment: {}\n", "", comment.frame.to_string(), escape(&comment.text));
            self.output.text(&text)?;
        }
        Ok(())
    }

    /// What comes below a row's line: its chunks, its fields, its bytes, as far as they are asked for.
    fn details(&mut self, row: &Dissection<'_>) -> anyhow::Result<()> {
        if !self.show.tree && !self.show.hex {
            return Ok(());
        }
        let palette = Palette::new(&row.section(Place::Content).tree, self.output.colour);
        let Show { tree: with_tree, hex, all } = self.show;
        let style = TreeStyle { layout: self.output.layout(), bytes: with_tree && hex, chunks: all };
        if self.show.tree {
            self.line.clear();
            tree(row, style, &palette, &mut self.line);
            self.output.text(&self.line)?;
        }
        if self.show.hex && (!self.show.tree || self.show.all) {
            self.output.text(&hexdump(row, style.layout, &palette))?;
        }
        Ok(())
    }

    fn csv(&mut self, dissection: &Dissection<'_>) -> anyhow::Result<()> {
        if let Some(columns) = &self.columns {
            let record: Vec<_> = columns.record(dissection).collect();
            return self.record(record.into_iter());
        }
        let row = dissection.row();
        let message = match &row.what {
            What::Message(message) => Some(message),
            _ => None,
        };
        let optional = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        let defects: Vec<_> = row.defects.iter().map(|defect| defect.code).collect();
        let mut fields = vec![
            row.number.to_string(),
            row.kind.to_owned(),
            row.frame.to_string(),
            row.first_frame.to_string(),
            row.time.to_string(),
            row.tcp_stream.0.to_string(),
            row.direction.code().to_owned(),
            row.src.to_string(),
            row.dst.to_string(),
            row.offset.to_string(),
            message.and_then(|message| message.csid).map(|csid| csid.to_string()).unwrap_or_default(),
            message.and_then(|message| message.fmt).map(|fmt| fmt.to_string()).unwrap_or_default(),
            message.map(|message| message.type_id.0.to_string()).unwrap_or_default(),
            message.map(|message| message.r#type.clone()).unwrap_or_default(),
            row.length().to_string(),
            optional(message.and_then(|message| message.timestamp)),
            optional(message.and_then(|message| message.message_stream_id).map(|stream| stream.0)),
            row.complete().map(|complete| complete.to_string()).unwrap_or_default(),
            row.info.to_string(),
            row.detail.to_string(),
            defects.join(" "),
        ];
        if self.hash {
            fields.push(message.and_then(|message| message.body_sha256).map(hex::encode).unwrap_or_default());
        }
        if self.show.hex {
            fields.push(message.and_then(|message| message.body_hex).map(hex::encode).unwrap_or_default());
        }
        self.record(fields.into_iter())
    }

    fn record(&mut self, fields: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(&mut *self.output);
        writer.write_record(fields.map(|field| csv_cell(&field).into_owned()))?;
        // The record goes into our own buffer; the pipe is flushed when there is nothing to wait for.
        writer.into_inner().map_err(|error| error.into_error())?;
        Ok(())
    }

    /// Hands on what is printed so far.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.output.flush()?)
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.output.is_closed()
    }

    /// Prints what comes after the last row, and gives the number of rows.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        self.comments(None)?;
        if self.format == Format::Json {
            self.output.write_all(b"\n]}\n")?;
        }
        Ok(self.printed)
    }
}
