//! `rtmp-inspect follow`.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::ops::Range;

use anyhow::{bail, ensure};
use clap::Args;

use crate::escape::escape;
use crate::field::counted;
use crate::follow::{Bytes, Follow, Pick, Picked, Stretch, What};
use crate::literal;
use crate::session::{self, ConnectionFilter, Direction, Protocol};
use crate::streams::Streams;
use crate::tcp::ConnectionId;
use crate::view::follow::Dump;

use super::EXIT_OK;
use super::given::CaptureArgs;
use super::input::{self, Input};
use super::output::{Output, complain};
use super::select::{Bounds, Connections};
use super::values::{self, Shape};

/// What `follow` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect follow capture.pcap --stream 0                    both directions, layers in colour\n  \
    rtmp-inspect follow capture.pcap --direction c2s --as raw > c2s.bin\n  \
    rtmp-inspect follow capture.pcap --message 4 --as python       the body of row 4 of decode\n  \
    rtmp-inspect follow capture.pcap --field connect.tcUrl --as c\n  \
    rtmp-inspect follow capture.pcap --message 4 --as hex | rtmp-inspect amf")]
pub struct Options {
    #[command(flatten)]
    capture: CaptureArgs,

    /// Only this direction: c2s from the client to the server, s2c back
    #[arg(long, value_name = "DIRECTION", value_parser = values::direction(), hide_possible_values = true, help_heading = "Selection")]
    direction: Option<Direction>,

    /// The body of the message of ROW, as decode numbers them
    #[arg(long, value_name = "ROW", value_parser = values::number::<u64>, help_heading = "Selection")]
    message: Option<u64>,

    /// The first field of this name: a path as connect.tcUrl, with marker and length, or a name that `fields` lists
    #[arg(long, value_name = "FIELD", help_heading = "Selection")]
    field: Option<String>,

    /// Bytes A to B (B not included, either may be missing) of the direction's stream, or of the message or field
    #[arg(long, value_name = "A..B", value_parser = range, help_heading = "Selection")]
    bytes: Option<Range<u64>>,

    /// How to print the bytes
    #[arg(long = "as", value_enum, default_value_t = Shape::Dump, value_name = "FORM")]
    shape: Shape,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    bounds: Bounds,
}

/// `A..B`, in decimal or, with `0x`, in hexadecimal.
fn range(text: &str) -> Result<Range<u64>, String> {
    let why = || "not a range: write A..B, A.. or ..B, with numbers in decimal or, after 0x, in hexadecimal".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(why)?;
    let number = |digits: &str, missing: u64| match digits.strip_prefix("0x") {
        _ if digits.is_empty() => Ok(missing),
        Some(digits) => u64::from_str_radix(digits, 16).map_err(|_| why()),
        None => digits.parse().map_err(|_| why()),
    };
    let range = number(from, 0)?..number(to, u64::MAX)?;
    if range.is_empty() {
        Err("the range is empty: B is the first byte that is not in it".to_owned())
    } else {
        Ok(range)
    }
}

/// A longer literal is of no use, and all of it has to be held.
const LONGEST: usize = 64 << 20;

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    if options.message.is_some() || options.field.is_some() {
        return picked(options, output);
    }
    let connection = options.connection()?;
    match (&options.bytes, options.shape.form()) {
        (None, None) => follow(options, connection, output),
        (range, form) => {
            let Some(direction) = options.direction else {
                let what = if form.is_some() { "a literal" } else { "--bytes" };
                bail!("{what} is of one direction's stream: --direction c2s or s2c chooses it");
            };
            let range = range.clone().unwrap_or(0..u64::MAX);
            let what = What::Stream(connection, direction, range);
            let only = ConnectionFilter { connection: Some(connection), ..ConnectionFilter::default() };
            let (name, found) = options.pick(what, only)?;
            let picked = found.unwrap_or_default();
            ensure!(
                !picked.bytes.is_empty(),
                "connection {} of {name} has no bytes there, {}",
                connection.0,
                direction.in_words()
            );
            print(options, &picked, output)
        }
    }
}

/// The selection of a message or a field.
fn picked(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    let (what, sought) = match (&options.field, options.message) {
        (Some(field), row) => {
            let of = row.map(|row| format!("row {row} of ")).unwrap_or_default();
            let sought = format!("no message of {of}{{}} has a field {}", escape(field));
            (What::Field(field.clone(), row), sought)
        }
        (None, row) => {
            let row = row.unwrap_or_default();
            (What::Row(row), format!("{{}} has no row {row} that the other options let through"))
        }
    };
    let (name, found) = options.pick(what, options.connections.wanted())?;
    let Some(found) = found else {
        bail!("{}; rtmp-inspect decode lists the messages, and decode -V their fields", sought.replace("{}", &name))
    };
    let Picked { mut bytes, mut holes, .. } = found;
    let mut offset = 0;
    if let Some(range) = &options.bytes {
        let len = bytes.len() as u64;
        ensure!(range.start < len, "the selection has only {}; --bytes begins after them", counted(len, "byte"));
        let end = range.end.min(len);
        bytes = bytes[range.start as usize..end as usize].to_vec();
        let inside = holes.iter().map(|hole| hole.start.max(range.start)..hole.end.min(end));
        holes = inside
            .filter(|hole| !hole.is_empty())
            .map(|hole| hole.start - range.start..hole.end - range.start)
            .collect();
        offset = range.start;
    }
    print(options, &Picked { bytes, holes, offset }, output)
}

fn print(options: &Options, picked: &Picked, output: &mut Output) -> anyhow::Result<u8> {
    let missing: u64 = picked.holes.iter().map(|hole| hole.end - hole.start).sum();
    if missing > 0 {
        let first = picked.holes[0].start;
        bail!(
            "{} of the selection, from its byte {first} on, were not captured; decode -x shows the rest",
            counted(missing, "byte")
        );
    }
    match options.shape.form() {
        Some(form) => {
            let len = picked.bytes.len();
            ensure!(
                len <= LONGEST,
                "{len} bytes are too many for a literal; --bytes A..B selects fewer, --as raw writes all"
            );
            writeln!(output, "{}", literal::write(&picked.bytes, form))?;
        }
        None if options.shape == Shape::Raw => output.write_all(&picked.bytes)?,
        None => {
            let dump = Dump::new(output.layout(), output.colour);
            output.text(&dump.plain(&picked.bytes, picked.offset))?;
        }
    }
    Ok(EXIT_OK)
}

/// Prints a connection as its messages complete.
fn follow(options: &Options, connection: ConnectionId, output: &mut Output) -> anyhow::Result<u8> {
    let mut input = Input::open(&options.capture.given(), &options.bounds)?;
    let (is_live, is_terminal) = (input.is_live, output.is_terminal);
    let dump = Dump::new(output.layout(), output.colour);
    let output = RefCell::new(output);
    let (failure, missing, printed) = (RefCell::new(None), Cell::new(0), Cell::new(false));
    let write = |stretch: &Stretch<'_>| {
        let mut output = output.borrow_mut();
        if options.shape == Shape::Raw {
            return match stretch.bytes {
                Bytes::Captured(bytes, _) => output.write_all(bytes),
                Bytes::Missing(count) => {
                    missing.set(missing.get() + count);
                    Ok(())
                }
            };
        }
        if !printed.replace(true) {
            output.text(&dump.legend())?;
        }
        output.text(&dump.stretch(stretch))
    };
    let observer = Follow::new(connection, options.direction, |stretch| {
        if failure.borrow().is_none()
            && let Err(error) = write(stretch)
        {
            *failure.borrow_mut() = Some(error);
        }
        printed.set(true);
    });
    let after_frame = || {
        let mut output = output.borrow_mut();
        if is_live && let Err(error) = output.flush() {
            *failure.borrow_mut() = Some(error);
        }
        failure.borrow().is_none() && !output.is_closed()
    };
    let session_options = options.connections.options(&options.bounds, 0);
    let (_, totals) =
        input.run(&options.bounds, session_options, observer, is_terminal, &Cell::default(), after_frame)?;
    options.connections.ensure_there(input.name(), &totals)?;
    if let Some(error) = failure.take() {
        return Err(error.into());
    }
    if missing.get() > 0 {
        complain(
            "warning",
            &format!("{} were not captured, and nothing is written in their place", counted(missing.get(), "byte")),
        );
    }
    if !printed.get() && !totals.stopped {
        complain("note", &format!("connection {} of {} has no payload there", connection.0, input.name()));
    }
    Ok(EXIT_OK)
}

impl Options {
    /// The connection: the one that is named, or the only one with RTMP.
    fn connection(&self) -> anyhow::Result<ConnectionId> {
        if let Some(number) = self.connections.stream {
            return Ok(ConnectionId(number));
        }
        let given = self.capture.given();
        let path = given.path();
        ensure!(
            !input::is_standard_input(path) && path.metadata().map_or(true, |data| data.is_file() || data.is_dir()),
            "--stream N chooses the connection; only of a file can it be found out which one has RTMP"
        );
        let input = Input::open(&given, &self.bounds)?;
        let name = input.name().to_owned();
        let session_options =
            session::Options { only: self.connections.wanted(), ..self.connections.options(&self.bounds, 0) };
        let streams = input.look_through(&self.bounds, session_options, Streams::default())?.into_streams();
        let with_rtmp: Vec<_> =
            streams.iter().filter(|one| one.protocol == Protocol::Rtmp).map(|one| one.tcp_stream).collect();
        match with_rtmp.as_slice() {
            [one] => Ok(*one),
            [] => {
                bail!("no RTMP in {name}; --stream N follows any TCP connection, and rtmp-inspect streams lists them")
            }
            all => {
                let numbers: Vec<_> = all.iter().map(|id| id.0.to_string()).collect();
                bail!(
                    "{name} has {} connections with RTMP: choose one with --stream {}",
                    all.len(),
                    numbers.join(" or ")
                )
            }
        }
    }

    /// Reads the capture for a selection.
    fn pick(&self, what: What, only: ConnectionFilter) -> anyhow::Result<(String, Option<Picked>)> {
        let mut input = Input::open(&self.capture.given(), &self.bounds)?;
        let is_done = Cell::new(false);
        let pick = Pick::new(what, only, self.direction, &is_done);
        let session_options = self.connections.options(&self.bounds, u32::MAX);
        let (pick, totals) =
            input.run(&self.bounds, session_options, pick, false, &Cell::default(), || !is_done.get())?;
        self.connections.ensure_there(input.name(), &totals)?;
        let name = input.name().to_owned();
        match pick.finish() {
            Some(Err(why)) => bail!("the row has no body: {why}"),
            found => Ok((name, found.and_then(Result::ok))),
        }
    }
}
