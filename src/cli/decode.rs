//! `rtmp-inspect decode`.

mod columns;
mod list;
mod print;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};

use crate::decode::Selection;
use crate::dissect::Vocabulary;
use crate::dissect::vocabulary::{self, Known, Place};
use crate::escape::escape;
use crate::field::counted;
use crate::filter::Filter;
use crate::origin::Time;
use crate::session::{self, Answers, ConnectionFilter, Direction, Event, Observer, Protocol, Roles, RtmpSession};
use crate::tcp::Connection;

use super::EXIT_OK;
use super::given::CaptureArgs;
use super::input::{self, Input};
use super::live::{self, Growing, Live};
use super::output::{Output, complain};
use super::select::{Bounds, Connections};
use super::values::{self, Types};
use list::List;
use print::{Printer, Show};

/// What `decode` was asked for.
#[derive(Debug, Args)]
#[command(mut_arg("path", |path| path.required_unless_present_any(["interface", "read", "raw"])))]
#[command(after_help = "Examples:\n  \
    rtmp-inspect decode capture.pcap\n  \
    rtmp-inspect decode --direction s2c --type 20 capture.pcap     the server's commands\n  \
    rtmp-inspect decode -x -c 3 capture.pcap                       bytes, chunk headers marked\n  \
    rtmp-inspect decode -n 4 capture.pcap                          row 4 with its fields and bytes\n  \
    rtmp-inspect decode -e frame.number -e amf.string capture.pcap columns\n  \
    rtmp-inspect decode -Y 'onStatus.level == \"error\" or rtmpt.msg.complete == 0' capture.pcap\n  \
    rtmp-inspect decode --format jsonl capture.pcap | jq .info\n  \
    rtmp-inspect decode file.flv                                   the tags of an FLV file\n  \
    rtmp-inspect decode -i eth0                                    live, until Ctrl-C\n  \
    rtmp-inspect decode --color always capture.pcap | less -R")]
pub struct Options {
    #[command(flatten)]
    capture: CaptureArgs,

    /// Capture on an interface, with tcpdump or dumpcap, until Ctrl-C; 'any' is all of them
    #[arg(short = 'i', long, value_name = "IFACE", conflicts_with_all = ["path", "read", "raw", "follow"], help_heading = "Live")]
    interface: Option<String>,

    /// With -i: which packets to capture [default: the ports of --port and --decode-as, and 1935]
    #[arg(long, value_name = "FILTER", help_heading = "Live")]
    capture_filter: Option<String>,

    /// Wait for more at the end of a file that is still being written, until Ctrl-C
    #[arg(long, help_heading = "Live")]
    follow: bool,

    /// How to print the rows
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    /// Only this direction: c2s from the client to the server, s2c back
    #[arg(long, value_name = "DIRECTION", value_parser = values::direction(), hide_possible_values = true, help_heading = "Selection")]
    direction: Option<Direction>,

    /// Only rows that match a display filter, in Wireshark's language (docs/filters.md)
    #[arg(short = 'Y', long = "filter", value_name = "FILTER", help_heading = "Selection")]
    filter: Option<String>,

    /// Only messages of this type: 20, 0x14, or part of its name, as command, "amf0 data", audio (repeatable)
    #[arg(long = "type", value_name = "TYPE", value_parser = values::types(), hide_possible_values = true, help_heading = "Selection")]
    types: Vec<Types>,

    /// Stop after N rows
    #[arg(short, long, value_name = "N", value_parser = values::number::<u64>, help_heading = "Selection")]
    count: Option<u64>,

    /// Show the whole tree of each row: every field with its place in the stream (in JSON: tree)
    #[arg(short = 'V', long = "tree", conflicts_with = "fields")]
    tree: bool,

    /// Show everything about one row: its chunks, its fields, its bytes
    #[arg(short = 'n', long = "number", value_name = "ROW", value_parser = values::number::<u64>, conflicts_with = "fields", help_heading = "Selection")]
    number: Option<u64>,

    /// Show each message's bytes, chunk headers marked apart from payload; with -V beside the fields (in JSON: body_hex)
    #[arg(short = 'x', long, conflicts_with = "fields")]
    hex: bool,

    /// Add the SHA-256 of each body (JSON and CSV)
    #[arg(long, conflicts_with = "fields")]
    hash: bool,

    /// Print only these fields, a column each, as tshark does (repeatable; `rtmp-inspect fields` lists them)
    #[arg(short = 'e', long = "field", value_name = "FIELD", value_parser = values::field(), hide_possible_values = true)]
    fields: Vec<String>,

    /// How -e lays out its columns: header=y, separator=, aggregator=, occurrence=f|l|a, quote=d|s|n (repeatable)
    #[arg(short = 'E', value_name = "NAME=VALUE")]
    layout: Vec<String>,

    /// Accepted for compatibility with tshark: `-T fields` goes with -e
    #[arg(short = 'T', value_name = "fields", value_parser = ["fields"], requires = "fields", hide_short_help = true)]
    output_type: Option<String>,

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
    /// Comma-separated values with a header; text that a spreadsheet would run as a formula has an apostrophe before it
    Csv,
}

impl Options {
    fn filter(&self) -> anyhow::Result<Option<Filter>> {
        let Some(text) = &self.filter else { return Ok(None) };
        match Filter::parse(text, &Vocabulary) {
            Ok(filter) => Ok(Some(filter)),
            Err(error) => bail!("in the filter:\n{}", error.render(text)),
        }
    }

    fn show(&self) -> Show {
        let all = self.number.is_some();
        Show { tree: self.tree || all, hex: self.hex || all, all }
    }

    /// What became of the capture's calls, where rows are to show it and the capture can be read twice.
    fn outcomes(&self, filter: Option<&Filter>, session: &session::Options) -> anyhow::Result<Answers> {
        let wanted = self.shows_all_fields() || self.names(filter).any(|name| name == "rtmpt.function.call");
        let mut answers = Answers::default();
        let given = self.capture.named().filter(|given| wanted && given.path().is_file() && !self.follow);
        if let Some(given) = given {
            answers = Input::open(&given, &self.bounds)?.look_through(&self.bounds, session.clone(), answers)?;
        }
        Ok(answers)
    }

    /// The capture, and what makes it if it is made now.
    fn open(&self) -> anyhow::Result<(Input, Option<Live>)> {
        ensure!(
            self.capture_filter.is_none() || self.interface.is_some(),
            "--capture-filter is for -i IFACE; -Y FILTER selects rows of a capture"
        );
        if let Some(interface) = &self.interface {
            let filter = self.capture_filter.clone().unwrap_or_else(|| self.filter_of_ports());
            let (live, reader) = Live::start(interface, &filter)?;
            return Ok((Input::live(format!("interface {}", escape(interface)), reader, &self.bounds)?, Some(live)));
        }
        let given = self.capture.given();
        if self.follow {
            let path = given.path();
            ensure!(given.is_plain(), "--follow reads one capture that grows");
            return Ok((Input::live(input::in_words(path), Box::new(Growing::open(path)?), &self.bounds)?, None));
        }
        Ok((Input::open(&given, &self.bounds)?, None))
    }

    fn filter_of_ports(&self) -> String {
        let Connections { port, decode_as, .. } = &self.connections;
        let usual = session::Options::default().ports;
        let ports = if port.is_empty() { [&usual[..], decode_as].concat() } else { port.clone() };
        live::filter(&ports)
    }

    /// Whether more of the bodies is needed than a list shows.
    fn wants_whole_bodies(&self, filter: Option<&Filter>) -> bool {
        let in_body = |name: &str| match vocabulary::find(name) {
            Some(Known::Field { place, .. } | Known::Protocol { place, .. }) => place == Place::Content,
            None => false,
        };
        self.shows_all_fields() || self.names(filter).any(in_body)
    }

    fn shows_all_fields(&self) -> bool {
        self.tree || self.number.is_some()
    }

    /// Whether rows are left out.
    fn narrows(&self) -> bool {
        let Connections { stream, port, .. } = &self.connections;
        let none = self.filter.is_none() && self.types.is_empty() && stream.is_none() && port.is_empty();
        !none || self.direction.is_some() || self.count.is_some()
    }

    /// The fields that columns and filter ask for.
    fn names<'n>(&'n self, filter: Option<&'n Filter>) -> impl Iterator<Item = &'n str> {
        self.fields.iter().map(String::as_str).chain(filter.into_iter().flat_map(Filter::fields))
    }
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    if options.format == Format::Csv && options.shows_all_fields() {
        bail!("CSV cannot hold the trees of -V and -n; use --format json or jsonl");
    }
    let filter = options.filter()?;
    let wanted = options.connections.wanted();
    let selection = Selection {
        connections: wanted.clone(),
        direction: options.direction,
        types: options.types.iter().flat_map(|types| &types.0).copied().collect(),
        hash: options.hash,
        number: options.number,
        hex: options.show().hex,
        whole: options.wants_whole_bodies(filter.as_ref()),
    };
    let session_options = options.connections.options(&options.bounds, selection.media_prefix());
    let outcomes = options.outcomes(filter.as_ref(), &session_options)?;
    let (mut input, live) = options.open()?;
    let (is_live, is_terminal) = (input.is_live, output.is_terminal);

    let (bounds, wanted) = (&options.bounds, &wanted);
    let printer = Printer::new(options, input.comments(), output)?;
    let most = if options.number.is_some() { 1 } else { u64::MAX };
    let list =
        List::new(printer, filter, selection, outcomes, input.comments(), options.count.unwrap_or(u64::MAX).min(most));
    let start = Cell::new(Time::default());
    // What is wanted of a file to its end is printed on a thread of its own. From a pipe rows leave as they come, and
    // after the last that is wanted nothing more is read.
    let to_the_end = options.count.is_none() && options.number.is_none();
    let (read, list) = if !is_live && to_the_end && has_more_processors() {
        let is_enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (handed, printing) = list::apart(scope, list, &start, &is_enough);
            let observer = Census::new(handed, wanted);
            let after_frame = || !is_enough.load(Ordering::Relaxed);
            let read = input.run(bounds, session_options, observer, is_terminal, &start, after_frame);
            let read = read.map(|(census, totals)| (census.found, totals));
            (read, printing.finish())
        })
    } else {
        let list = RefCell::new(list);
        let observer = Census::new(list::rows(&list, &start), wanted);
        let after_frame = || {
            if is_live {
                list.borrow_mut().flush();
            }
            list.borrow().wants_more()
        };
        let read = input.run(bounds, session_options, observer, is_terminal, &start, after_frame);
        let read = read.map(|(census, totals)| (census.found, totals));
        (read, list.into_inner())
    };
    let (Found { seen, guessed, is_unnamed }, totals) = read?;
    live.map_or(Ok(()), Live::finish)?;
    options.connections.ensure_there(input.name(), &totals)?;
    if is_unnamed {
        complain("note", &format!("{}: {}", input.name(), Roles::Nothing.why()));
    }
    let printed = list.finish()?;
    input.tell_of_guesses(guessed);
    if let (Some(number), 0) = (options.number, printed) {
        let why =
            if options.narrows() { " that the other options let through" } else { "; rtmp-inspect decode lists them" };
        bail!("{} has no row {number}{why}", input.name());
    }
    if printed == 0 && !totals.stopped && !seen.has_rtmp {
        complain("note", &format!("no RTMP in {}: {}", input.name(), what_there_is(totals.frames, &seen)));
    } else if printed == 0 && !totals.stopped && options.narrows() {
        complain("note", &format!("no row matches the selection in {}", input.name()));
    }
    Ok(EXIT_OK)
}

/// Passes events on, and notes what the connections carry.
struct Census<'w, O> {
    list: O,
    wanted: &'w ConnectionFilter,
    found: Found,
}

impl<'w, O> Census<'w, O> {
    fn new(list: O, wanted: &'w ConnectionFilter) -> Census<'w, O> {
        Census { list, wanted, found: Found::default() }
    }
}

/// What there is besides rows.
#[derive(Default)]
struct Found {
    seen: Seen,
    /// How many are guessed at, as they begin in mid-session.
    guessed: usize,
    /// Whether there are bytes without packets that do not tell whose they are.
    is_unnamed: bool,
}

/// What the connections carry, and how many each, in order of their ends.
#[derive(Default)]
struct Seen {
    kinds: Vec<(String, u64)>,
    has_rtmp: bool,
    /// Whether some are TLS that could not be decrypted.
    has_tls: bool,
}

impl Seen {
    fn add(&mut self, conversation: &RtmpSession) {
        self.has_rtmp |= conversation.is_decoded();
        self.has_tls |= conversation.protocol == Protocol::Tls;
        let name = conversation.protocol_name();
        match self.kinds.iter_mut().find(|(kind, _)| *kind == name) {
            Some((_, count)) => *count += 1,
            None => self.kinds.push((name, 1)),
        }
    }
}

impl<O: Observer> Observer for Census<'_, O> {
    fn event(&mut self, event: &Event<'_>) {
        self.list.event(event);
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        if self.wanted.covers(connection) {
            let is_open = matches!(conversation.protocol, Protocol::Rtmp | Protocol::Undecided);
            self.found.guessed += usize::from(is_open && !connection.is_raw && !conversation.roles().are_known());
            self.found.is_unnamed |= is_open && conversation.roles() == Roles::Nothing;
            self.found.seen.add(conversation);
        }
        self.list.closed(connection, conversation);
    }
}

fn has_more_processors() -> bool {
    std::thread::available_parallelism().is_ok_and(|count| count.get() > 1)
}

fn what_there_is(frames: u64, seen: &Seen) -> String {
    if frames == 0 {
        return "it holds no frames".to_owned();
    }
    if seen.kinds.is_empty() {
        return format!("{} without a TCP connection that matches the selection", counted(frames, "frame"));
    }
    let count: u64 = seen.kinds.iter().map(|(_, count)| count).sum();
    let connections = if count == 1 { "TCP connection" } else { "TCP connections" };
    let kinds: Vec<_> = seen.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let help = match seen.has_tls {
        true => "--keylog FILE decrypts TLS, and rtmp-inspect streams says more of it",
        false => "force it with --decode-as tcp:PORT",
    };
    format!("{count} {connections}, not recognised as RTMP ({}); {help}", kinds.join(", "))
}
