//! `rtmp-inspect streams`.

use std::cell::Cell;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::capture::Note;
use crate::field::counted;
use crate::secrets::Collector;
use crate::session;
use crate::streams::{ConnectionSummary, FORMAT_VERSION, MOST, Streams};
use crate::view;

use super::EXIT_OK;
use super::given::CaptureArgs;
use super::input::Input;
use super::output::{Output, complain};
use super::secrets::{Layout, ShowSecrets};
use super::select::{Bounds, Connections};
use super::values;

/// What `streams` was asked for.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    capture: CaptureArgs,

    /// How to print the connections
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    secrets: ShowSecrets,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    bounds: Bounds,

    /// Connections that are listed, RTMP before others
    #[arg(long, value_name = "N", value_parser = values::number::<usize>, default_value_t = MOST, help_heading = "Limits")]
    max_listed_connections: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table and notes, for reading
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

#[derive(Serialize)]
struct Report<'a> {
    format_version: u32,
    /// How many connections the limit left out.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
    /// What somebody wrote into the capture: comments, and what its interfaces are called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
    streams: &'a [ConnectionSummary],
}

/// Bytes of media bodies that telling one message from another needs.
const MEDIA_PREFIX: u32 = 64;

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    let session_options = session::Options {
        only: options.connections.wanted(),
        ..options.connections.options(&options.bounds, MEDIA_PREFIX)
    };
    let mut input = Input::open(&options.capture.given(), &options.bounds)?;
    let observer = (Streams::at_most(options.max_listed_connections), Collector::default());
    let ((streams, collector), totals) =
        input.run(&options.bounds, session_options, observer, false, &Cell::default(), || true)?;
    options.connections.ensure_there(input.name(), &totals)?;
    let left_out = streams.left_out();
    let (streams, secrets) = (streams.into_streams(), collector.into_secrets());
    input.tell_of_guesses(streams.iter().filter(|stream| stream.is_guessed()).count());
    match options.format {
        Format::Text if streams.is_empty() => {}
        Format::Text => {
            output.text(&view::streams::streams(&streams, output.layout()))?;
            output.text(&view::streams::of_capture(&input.notes(), output.layout()))?;
        }
        Format::Json => {
            let report = Report { format_version: FORMAT_VERSION, left_out, notes: input.notes(), streams: &streams };
            options.secrets.json(&report, &secrets, Layout::Pretty, output)?;
        }
        Format::Jsonl => {
            for stream in &streams {
                options.secrets.json(stream, &secrets, Layout::Line, output)?;
            }
        }
    }
    if left_out > 0 {
        let text = format!(
            "{}: {left_out} more TCP connections are not listed; --max-listed-connections raises the limit of {}",
            input.name(),
            options.max_listed_connections
        );
        complain("warning", &text);
    }
    if streams.is_empty() && left_out == 0 {
        let frames = totals.frames;
        complain(
            "note",
            &format!(
                "no TCP connection in {} matches the selection; it has {}",
                input.name(),
                counted(frames, "frame")
            ),
        );
    }
    Ok(EXIT_OK)
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
