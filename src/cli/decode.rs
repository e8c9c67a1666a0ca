//! `rtmp-inspect decode`.

use std::cell::{Cell, RefCell};
use std::io::Write;

use clap::{Args, ValueEnum};

use crate::decode::{FORMAT_VERSION, Row, Rows, Selection, What};
use crate::origin::Time;
use crate::rtmp::{self, MessageTypeId};
use crate::session::{Conversation, Direction, Event, Observer, Protocol};
use crate::tcp::Connection;
use crate::view::hexdump::hexdump;
use crate::view::list::List;

use super::EXIT_OK;
use super::input::{CapturePath, Input};
use super::output::{Output, complain};
use super::select::{Bounds, Connections};

/// What `decode` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect decode capture.pcap\n  \
    rtmp-inspect decode --direction s2c --type 20 capture.pcap     the server's commands\n  \
    rtmp-inspect decode -x -c 3 capture.pcap                       bytes, chunk headers marked\n  \
    rtmp-inspect decode --format jsonl capture.pcap | jq .info\n  \
    rtmp-inspect decode --color always capture.pcap | less -R")]
pub struct Options {
    #[command(flatten)]
    capture: CapturePath,

    /// How to print the rows
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    /// Only this direction: c2s from the client to the server, s2c back
    #[arg(long, value_name = "DIRECTION", value_parser = direction, help_heading = "Selection")]
    direction: Option<Direction>,

    /// Only messages of this type: 20, 0x14, or part of its name, as command, "amf0 data", audio (repeatable)
    #[arg(long = "type", value_name = "TYPE", value_parser = types, help_heading = "Selection")]
    types: Vec<Types>,

    /// Stop after N rows
    #[arg(short, long, value_name = "N", help_heading = "Selection")]
    count: Option<u64>,

    /// Show each message's bytes, chunk headers marked apart from payload (in JSON: body_hex)
    #[arg(short = 'x', long)]
    hex: bool,

    /// Add the SHA-256 of each body (JSON and CSV)
    #[arg(long)]
    hash: bool,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a row, for reading
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}

/// The types that one `--type` names.
#[derive(Clone, Debug)]
struct Types(Vec<MessageTypeId>);

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    let selection = Selection {
        direction: options.direction,
        types: options.types.iter().flat_map(|types| &types.0).copied().collect(),
        hash: options.hash,
        hex: options.hex,
    };
    let session_options = options.connections.options(&options.bounds, selection.media_prefix());
    let mut input = Input::open(&options.capture.path, &options.bounds)?;
    let (is_live, is_terminal) = (input.is_live, output.is_terminal);

    // Rows are printed from inside the run; what goes wrong there stops it.
    let printer = RefCell::new(Printer::new(options, output)?);
    let failure: RefCell<Option<anyhow::Error>> = RefCell::new(None);
    let start = Cell::new(Time::default());
    let left = Cell::new(options.count.unwrap_or(u64::MAX));
    let rows = Rows::new(selection, |row, event| {
        if left.get() == 0 || failure.borrow().is_some() {
            return;
        }
        left.set(left.get() - 1);
        if let Err(error) = printer.borrow_mut().print(row, event, start.get()) {
            *failure.borrow_mut() = Some(error);
        }
    });
    let observer = Census { rows, seen: Vec::new() };
    let after_frame = || {
        if is_live && let Err(error) = printer.borrow_mut().flush() {
            *failure.borrow_mut() = Some(error);
        }
        left.get() > 0 && failure.borrow().is_none()
    };
    let (census, totals) = input.run(&options.bounds, session_options, observer, is_terminal, &start, after_frame)?;
    let seen = census.seen;
    if let Some(error) = failure.take() {
        return Err(error);
    }
    let printed = printer.into_inner().finish()?;
    if printed == 0 && !totals.stopped && !seen.contains(&Protocol::Rtmp) {
        complain("note", &format!("no RTMP in {}: {}", input.name(), what_there_is(totals.frames, &seen)));
    }
    Ok(EXIT_OK)
}

/// Passes events on, and notes what the connections carry.
struct Census<F> {
    rows: Rows<F>,
    seen: Vec<Protocol>,
}

impl<F: FnMut(&Row<'_>, &Event<'_>)> Observer for Census<F> {
    fn event(&mut self, event: &Event<'_>) {
        self.rows.event(event);
    }

    fn closed(&mut self, connection: &Connection, conversation: &Conversation) {
        self.seen.push(conversation.protocol);
        self.rows.closed(connection, conversation);
    }
}

fn what_there_is(frames: u64, seen: &[Protocol]) -> String {
    if frames == 0 {
        return "it holds no frames".to_owned();
    }
    if seen.is_empty() {
        return format!("its {frames} frames hold no TCP connection that was asked for");
    }
    let mut kinds: Vec<(Protocol, usize)> = Vec::new();
    for &protocol in seen {
        match kinds.iter_mut().find(|(kind, _)| *kind == protocol) {
            Some((_, count)) => *count += 1,
            None => kinds.push((protocol, 1)),
        }
    }
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!("its TCP connections are {}; --decode-as tcp:PORT takes a port for RTMP all the same", kinds.join(", "))
}

/// Prints rows in the chosen format.
struct Printer<'o> {
    output: &'o mut Output,
    list: List,
    format: Format,
    hex: bool,
    hash: bool,
    printed: u64,
}

const CSV_COLUMNS: [&str; 20] = [
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

impl<'o> Printer<'o> {
    fn new(options: &Options, output: &'o mut Output) -> anyhow::Result<Printer<'o>> {
        let list = List::new(output.layout(), output.colour);
        let mut printer =
            Printer { output, list, format: options.format, hex: options.hex, hash: options.hash, printed: 0 };
        match options.format {
            Format::Text | Format::Jsonl => {}
            Format::Json => write!(printer.output, "{{\"format_version\":{FORMAT_VERSION},\"rows\":[")?,
            Format::Csv => {
                let columns = CSV_COLUMNS.iter().copied().chain(options.hash.then_some("body_sha256"));
                printer.record(columns.chain(options.hex.then_some("body_hex")).map(str::to_owned))?;
            }
        }
        Ok(printer)
    }

    fn print(&mut self, row: &Row<'_>, event: &Event<'_>, start: Time) -> anyhow::Result<()> {
        match self.format {
            Format::Text => {
                if self.printed == 0 {
                    self.output.write_all(self.list.header().as_bytes())?;
                }
                self.output.write_all(self.list.row(row, start).as_bytes())?;
                if let (true, What::Message(message)) = (self.hex, &row.what) {
                    let dump = hexdump(message.message, |offset| event.sources.at(offset).is_some());
                    self.output.write_all(dump.as_bytes())?;
                }
            }
            Format::Json => {
                self.output.write_all(if self.printed == 0 { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut *self.output, row)?;
            }
            Format::Jsonl => {
                serde_json::to_writer(&mut *self.output, row)?;
                self.output.write_all(b"\n")?;
            }
            Format::Csv => self.csv(row)?,
        }
        self.printed += 1;
        Ok(())
    }

    fn csv(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        let message = match &row.what {
            What::Message(message) => Some(message),
            _ => None,
        };
        let length = match &row.what {
            What::Message(message) => message.length.into(),
            What::Handshake(part) => part.length as u64,
            What::Gap { length, .. } | What::Undecoded { length } => *length,
        };
        let optional = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        let escaped = |text: &str| crate::view::escape::escape(text).into_owned();
        let complete = match &row.what {
            What::Message(message) => message.complete.to_string(),
            What::Handshake(part) => part.complete.to_string(),
            _ => String::new(),
        };
        let defects: Vec<_> = row.defects.iter().map(|defect| defect.code).collect();
        let mut fields = vec![
            row.kind.to_owned(),
            row.frame.to_string(),
            row.first_frame.to_string(),
            row.time.to_string(),
            row.tcp_stream.0.to_string(),
            row.direction.code().to_owned(),
            row.src.to_string(),
            row.dst.to_string(),
            row.offset.to_string(),
            message.map(|message| message.csid.to_string()).unwrap_or_default(),
            message.map(|message| message.fmt.to_string()).unwrap_or_default(),
            message.map(|message| message.type_id.0.to_string()).unwrap_or_default(),
            message.map(|message| message.r#type.clone()).unwrap_or_default(),
            length.to_string(),
            optional(message.and_then(|message| message.timestamp)),
            optional(message.and_then(|message| message.message_stream_id).map(|stream| stream.0)),
            complete,
            escaped(&row.info),
            escaped(&row.detail),
            defects.join(" "),
        ];
        if self.hash {
            fields.push(message.and_then(|message| message.body_sha256).map(hex::encode).unwrap_or_default());
        }
        if self.hex {
            fields.push(message.and_then(|message| message.body_hex).map(hex::encode).unwrap_or_default());
        }
        self.record(fields.into_iter())
    }

    fn record(&mut self, fields: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(&mut *self.output);
        writer.write_record(fields)?;
        // The record goes into our own buffer; the pipe is flushed when there is nothing to wait for.
        writer.into_inner().map_err(|error| error.into_error())?;
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.output.flush()?)
    }

    fn finish(self) -> anyhow::Result<u64> {
        if self.format == Format::Json {
            self.output.write_all(b"\n]}\n")?;
        }
        Ok(self.printed)
    }
}

fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "c2s" => Ok(Direction::ClientToServer),
        "s2c" => Ok(Direction::ServerToClient),
        _ => Err("c2s is from the client to the server, s2c back".to_owned()),
    }
}

fn types(text: &str) -> Result<Types, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    if let Some(number) = number {
        return Ok(Types(vec![MessageTypeId(number)]));
    }
    let wanted = text.to_lowercase();
    let named = (0..=u8::MAX)
        .filter(|&id| rtmp::type_name(id.into()).is_some_and(|name| name.to_lowercase().contains(&wanted)));
    let types: Vec<_> = named.map(MessageTypeId).collect();
    if types.is_empty() {
        let all: Vec<_> =
            (0..=u8::MAX).map(MessageTypeId).filter(|id| id.is_known()).map(|id| id.to_string()).collect();
        return Err(format!("no type has that number or name; the types are {}", all.join(", ")));
    }
    Ok(Types(types))
}
