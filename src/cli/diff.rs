//! `rtmp-inspect diff`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::Value;
use crate::diff::{self, Pattern, Verdict};
use crate::escape::escape;
use crate::recording;
use crate::rules::Layer;
use crate::secrets::Secrets;
use crate::session::Direction;
use crate::view;

use super::config::ConfigFile;
use super::input;
use super::output::Output;
use super::record::record_two;
use super::secrets::{Layout, ShowSecrets};
use super::select::{Bounds, Connections, direction};
use super::{EXIT_FINDINGS, EXIT_OK};

/// What `diff` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect diff ffmpeg.pcap mine.pcap\n  \
    rtmp-inspect diff --stat good.pcap bad.pcap          a line a message\n  \
    rtmp-inspect diff --ignore 'onMetaData.*' a.pcap b.pcap\n  \
    rtmp-inspect diff --format json a.pcap b.pcap | jq .causes[0].rule")]
pub struct Options {
    /// The capture that works, or a snapshot of it; '-' reads standard input
    #[arg(value_name = "GOOD")]
    good: PathBuf,

    /// The capture that does not, or a snapshot of it; '-' reads standard input
    #[arg(value_name = "MINE")]
    mine: PathBuf,

    /// Compare connection A of the first capture with B of the second (repeatable)
    #[arg(long, value_name = "A:B", value_parser = two::<u32>)]
    pair: Vec<(u32, u32)>,

    /// Only this direction: c2s from the client to the server, s2c back
    #[arg(long, value_name = "DIRECTION", value_parser = direction)]
    direction: Option<Direction>,

    /// Differences at this path do not count; * stands for anything (repeatable)
    #[arg(long, value_name = "PATH")]
    ignore: Vec<String>,

    /// Nothing is expected to differ: not addresses, ids, banners, nor how messages are cut; but a snapshot's
    /// placeholders stand for any value
    #[arg(long)]
    strict: bool,

    /// Row A of the first capture is row B of the second (repeatable)
    #[arg(long, value_name = "A:B", value_parser = two::<u64>)]
    align: Vec<(u64, u64)>,

    /// Only causes of this layer (repeatable)
    #[arg(long, value_name = "LAYER", value_parser = layer)]
    only: Vec<Layer>,

    /// A line for each message
    #[arg(long)]
    stat: bool,

    /// Messages around a difference in --stat
    #[arg(long, value_name = "N", requires = "stat")]
    context: Option<usize>,

    /// Show at most N causes
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_diffs: usize,

    /// Also count what is expected to differ
    #[arg(short, long)]
    verbose: bool,

    /// Print nothing: the exit status tells
    #[arg(short, long)]
    quiet: bool,

    /// Exit with 0 also if the two differ
    #[arg(long)]
    exit_zero: bool,

    /// How to print the report
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    secrets: ShowSecrets,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    config: ConfigFile,

    #[command(flatten)]
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// One JSON document
    Json,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    input::ensure_read_once([&options.good, &options.mine])?;
    let paths = [&options.good, &options.mine].map(PathBuf::as_path);
    let configs = options.config.configs()?;
    let mut given = options.connections.given();
    given.extend(Some(Value::Ignore(options.ignore.clone())).filter(|_| !options.ignore.is_empty()));
    given.extend(options.strict.then_some(Value::Strict(true)));
    let settings = [configs.settings(paths[0], &given)?, configs.settings(paths[1], &given)?];
    // What either of the two has, holds for both.
    let mut ignore: Vec<String> = Vec::new();
    for path in settings.iter().flat_map(|settings| &settings.ignore) {
        if !ignore.contains(&path.value) {
            ignore.push(path.value.clone());
        }
    }
    let [mut good, mut mine] = record_two(paths, [&settings[0], &settings[1]], &options.connections, &options.bounds)?;
    recording::complete(&mut good, &mut mine);
    let mut report = diff::diff(
        &good,
        &mine,
        &diff::Options {
            compare: crate::compare::Options {
                direction: options.direction,
                pins: options.align.clone(),
                strict: settings.iter().any(|settings| settings.strict.value),
            },
            pairs: options.pair.clone(),
            ignore: ignore.into_iter().map(Pattern).collect(),
        },
    );
    if !options.only.is_empty() {
        report.causes.retain(|cause| options.only.contains(&cause.rule.layer));
    }
    let differs = report.verdict == Verdict::Different && !options.exit_zero;
    if !options.quiet {
        match options.format {
            Format::Text => {
                let shown = view::diff::Shown {
                    verbose: options.verbose,
                    stat: options.stat,
                    context: options.context,
                    most: options.max_diffs,
                };
                let names = [&options.good, &options.mine].map(|path| path.display().to_string());
                let text = view::diff::diff(&report, &names, shown, output.layout(), output.colour);
                output.write_all(text.as_bytes())?;
            }
            Format::Json => {
                options.secrets.json(&report, &Secrets::of(&[&good, &mine]), Layout::Pretty, output)?;
            }
        }
    }
    Ok(if differs { EXIT_FINDINGS } else { EXIT_OK })
}

fn two<T: std::str::FromStr>(text: &str) -> Result<(T, T), String> {
    let wrong = || format!("'{}' is no pair: write it as A:B, two numbers", escape(text));
    let (a, b) = text.split_once(':').ok_or_else(wrong)?;
    Ok((a.parse().map_err(|_| wrong())?, b.parse().map_err(|_| wrong())?))
}

fn layer(text: &str) -> Result<Layer, String> {
    Layer::ALL.into_iter().find(|layer| layer.to_string() == text).ok_or_else(|| {
        let all: Vec<_> = Layer::ALL.iter().map(ToString::to_string).collect();
        format!("the layers are {}", all.join(", "))
    })
}
