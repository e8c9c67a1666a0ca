//! `rtmp-inspect payload`.

use std::cell::Cell;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::payload::{Report, Verdict, Wire};
use crate::secrets::{Collector, Secrets};
use crate::session;
use crate::view;

use super::given::Given;
use super::input::{self, Input};
use super::output::{Output, complain};
use super::secrets::{Layout, ShowSecrets};
use super::select::{Bounds, Connections};
use super::values::Format;
use super::{EXIT_FINDINGS, EXIT_OK};

/// What `payload` was asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// The payload as it was sent; '-' reads standard input
    #[arg(value_name = "SENT")]
    sent: PathBuf,

    /// What was received in its place; '-' reads standard input
    #[arg(value_name = "RECEIVED")]
    received: PathBuf,

    /// A capture of the session: proves where the bytes were right, and who changed them
    #[arg(long, value_name = "CAPTURE")]
    capture: Option<PathBuf>,

    /// How to print the report
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    /// Exit with 0 also if the two differ
    #[arg(long)]
    exit_zero: bool,

    #[command(flatten)]
    secrets: ShowSecrets,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    bounds: Bounds,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    input::ensure_read_once([&options.sent, &options.received].into_iter().chain(&options.capture))?;
    let sent = read(&options.sent)?;
    let received = read(&options.received)?;
    let (sent_name, received_name) = (options.sent.display().to_string(), options.received.display().to_string());
    if is_same_file(&options.sent, &options.received) {
        complain(
            "note",
            &format!("{} and {} are the same file", input::in_words(&options.sent), input::in_words(&options.received)),
        );
    }
    let (report, secrets) = match &options.capture {
        None => (Report::of_files(&sent, &received), Secrets::default()),
        Some(path) => {
            let session_options = session::Options {
                only: options.connections.wanted(),
                ..options.connections.options(&options.bounds, u32::MAX)
            };
            let mut input = Input::open(&Given::of(path), &options.bounds)?;
            let both = (Wire::new(&sent, &received), Wire::new(&received, &sent));
            let observer = (both, Collector::default());
            let (((wire, exchanged), collector), totals) =
                input.run(&options.bounds, session_options, observer, false, &Cell::default(), || true)?;
            options.connections.ensure_there(input.name(), &totals)?;
            if !wire.has_messages() {
                complain("note", &format!("no RTMP in {}: the files are compared without it", input.name()));
            }
            (Report::with_capture(wire, exchanged), collector.into_secrets())
        }
    };
    match options.format {
        Format::Text => {
            let names = view::payload::Names { sent: &sent_name, received: &received_name };
            let names = if report.swapped { names.exchanged() } else { names };
            let text = view::payload::payload(&report, names, output.layout(), output.colour);
            output.text(&text)?;
        }
        Format::Json => {
            options.secrets.json(&report, &secrets, Layout::Pretty, output)?;
        }
    }
    let differs = report.verdict == Verdict::Different && !options.exit_zero;
    Ok(if differs { EXIT_FINDINGS } else { EXIT_OK })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if input::is_standard_input(path) {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    let name = input::in_words(path);
    anyhow::ensure!(!path.is_dir(), "cannot read {name}: it is a directory; give a file with the payload's bytes");
    std::fs::read(path).with_context(|| format!("cannot read {name}"))
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().ok();
    canonical(a).is_some() && canonical(a) == canonical(b)
}
