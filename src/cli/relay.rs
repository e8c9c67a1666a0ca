//! `rtmp-inspect relay`.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;

use crate::relay::{self, LegName, Verdict};
use crate::secrets::Secrets;
use crate::view;

use super::given::Given;
use super::input;
use super::output::{Output, complain};
use super::record::record;
use super::secrets::{Layout, ShowSecrets};
use super::select::{Bounds, Connections};
use super::values::Format;
use super::{EXIT_FINDINGS, EXIT_OK, EXIT_TROUBLE};

/// What `relay` was asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// The captures: whatever decode reads; '-' reads standard input
    #[arg(value_name = "CAPTURE", required = true)]
    captures: Vec<PathBuf>,

    /// Read all as one capture, in order of time; files of a tcpdump -C or dumpcap -b ring are without it
    #[arg(long)]
    merge: bool,

    /// Follow connection PUB to connection PLAY (repeatable); N/M is connection M of the Nth capture
    #[arg(long, value_name = "PUB:PLAY", value_parser = pair)]
    pair: Vec<(LegName, LegName)>,

    /// How to print the report
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    /// Exit with 0 even if something was dropped or changed
    #[arg(long)]
    exit_zero: bool,

    /// List every message that was sent, and whether it was forwarded
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    secrets: ShowSecrets,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    bounds: Bounds,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    input::ensure_read_once(&options.captures)?;
    let given = Given::captures(&options.captures, options.merge);
    let captures = given.iter().map(|capture| record(capture, &options.connections, &options.bounds));
    let recordings = captures.collect::<Result<Vec<_>, _>>()?;
    for (capture, recording) in given.iter().zip(&recordings) {
        for framing in recording.sessions.iter().flat_map(|session| &session.framing) {
            let (connection, direction) = (framing.connection.0, framing.direction.arrow());
            let code = framing.hypotheses[0].code; // there is always one
            let said = "the chunks are malformed, and read as the sender meant them";
            complain("note", &format!("{}: connection {connection} {direction}: {said} ({code})", capture.name()));
        }
    }
    let wanted = relay::Options { pairs: options.pair.clone(), messages: options.verbose };
    let report = relay::relay(&recordings, &wanted).map_err(|why| anyhow!(why)).context("cannot follow --pair")?;
    match options.format {
        Format::Text => {
            let names: Vec<_> = given.iter().map(Given::name).collect();
            output.text(&view::relay::relay(&report, &names, output.layout(), output.colour))?;
        }
        Format::Json => {
            let secrets = Secrets::of(&recordings.iter().collect::<Vec<_>>());
            options.secrets.json(&report, &secrets, Layout::Pretty, output)?;
        }
    }
    Ok(match report.verdict {
        Verdict::Nothing => {
            complain("error", "no publisher and player of the same stream were captured");
            EXIT_TROUBLE
        }
        Verdict::Damaged | Verdict::NothingForwarded if !options.exit_zero => EXIT_FINDINGS,
        _ => EXIT_OK,
    })
}

/// `1:0`, or with captures counted from 1 `1/1:2/0`.
fn pair(text: &str) -> Result<(LegName, LegName), String> {
    let one = |text: &str| {
        let (capture, connection) = text.split_once('/').unwrap_or(("1", text));
        let capture = capture.parse::<usize>().ok()?.checked_sub(1)?;
        Some(LegName { capture, connection: connection.parse().ok()? })
    };
    let both = text.split_once(':').and_then(|(publisher, player)| Some((one(publisher)?, one(player)?)));
    both.ok_or_else(|| "write two connections, for example 1:0, or with captures counted from 1, 1/1:2/0".to_owned())
}
