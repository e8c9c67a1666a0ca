//! `rtmp-inspect diff`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::compare;
use crate::config::Value;
use crate::diff::{self, Pattern, Verdict};
use crate::recording::{self, Recording, Session};
use crate::rules::Layer;
use crate::secrets::Secrets;
use crate::session::Direction;
use crate::snapshot;
use crate::view;

use super::config::ConfigFile;
use super::input::{self, in_words, nothing_to_judge};
use super::output::Output;
use super::record::record_two;
use super::secrets::{Layout, ShowSecrets};
use super::select::{Bounds, Connections};
use super::values::{self, Format};
use super::{EXIT_FINDINGS, EXIT_OK};

/// What `diff` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect diff ffmpeg.pcap mine.pcap\n  \
    rtmp-inspect diff --brief good.pcap bad.pcap         the answer, and a line a cause\n  \
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
    #[arg(long, value_name = "A:B", value_parser = values::two::<u32>)]
    pair: Vec<(u32, u32)>,

    /// Only this direction: c2s from the client to the server, s2c back
    #[arg(long, value_name = "DIRECTION", value_parser = values::direction(), hide_possible_values = true)]
    direction: Option<Direction>,

    /// Differences at this path do not count; * stands for anything (repeatable)
    #[arg(long, value_name = "PATH")]
    ignore: Vec<String>,

    /// No difference is expected: not in addresses, ids, banners or how messages are cut; only a snapshot's
    /// placeholders match any value
    #[arg(long)]
    strict: bool,

    /// Row A of the first capture is row B of the second (repeatable)
    #[arg(long, value_name = "A:B", value_parser = values::two::<u64>)]
    align: Vec<(u64, u64)>,

    /// Only causes of this layer (repeatable)
    #[arg(long, value_name = "LAYER", value_parser = values::layer())]
    only: Vec<Layer>,

    /// Print a line for each message
    #[arg(long)]
    stat: bool,

    /// Only the answer and the first line of each cause
    #[arg(long, conflicts_with = "stat")]
    brief: bool,

    /// Messages around a difference in --stat
    #[arg(long, value_name = "N", value_parser = values::number::<usize>, requires = "stat")]
    context: Option<usize>,

    /// Show at most N causes
    #[arg(long, value_name = "N", value_parser = values::number::<usize>, default_value_t = 20)]
    max_diffs: usize,

    /// Also count what is expected to differ, and show in full what nothing is known to come of
    #[arg(short, long)]
    verbose: bool,

    /// Print nothing; only set the exit status
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
    let [good, mine] = record_two(paths, [&settings[0], &settings[1]], &options.connections, &options.bounds)?;
    ensure_comparable(&good, &mine, paths)?;
    ensure_named(options, &good, &mine)?;
    let [good, mine] = recording::tags::prepare(good, mine, &options.pair);
    let [good, mine] = snapshot::prepare(good, mine);
    let mut report = diff::diff(
        &good,
        &mine,
        &diff::Options {
            compare: compare::Options {
                direction: options.direction,
                pins: options.align.clone(),
                strict: settings.iter().any(|settings| settings.strict.value),
            },
            pairs: options.pair.clone(),
            ignore: ignore.into_iter().map(Pattern).collect(),
            ..diff::Options::default()
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
                    habits: options.verbose,
                    brief: options.brief,
                    stat: options.stat,
                    context: options.context,
                    most: options.max_diffs,
                };
                let names = [&options.good, &options.mine].map(|path| path.display().to_string());
                let text = view::diff::diff(&report, &names, shown, output.layout(), output.colour);
                output.text(&text)?;
            }
            Format::Json => {
                options.secrets.json(&report, &Secrets::of(&[&good, &mine]), Layout::Pretty, output)?;
            }
        }
    }
    Ok(if differs { EXIT_FINDINGS } else { EXIT_OK })
}

/// Fails if there is nothing to compare: the first has to have RTMP, and the second something in its place.
fn ensure_comparable(good: &Recording, mine: &Recording, [of_good, of_mine]: [&Path; 2]) -> anyhow::Result<()> {
    anyhow::ensure!(good.has_rtmp(), nothing_to_judge(&in_words(of_good)));
    anyhow::ensure!(!mine.is_empty(), nothing_to_judge(&in_words(of_mine)));
    Ok(())
}

/// Fails if `--pair` or `--align` name what is not there, and says what is.
fn ensure_named(options: &Options, good: &Recording, mine: &Recording) -> anyhow::Result<()> {
    let both = [(good, &options.good), (mine, &options.mine)];
    let mut seen = [HashSet::new(), HashSet::new()];
    for &(a, b) in &options.pair {
        for (((recording, path), number), seen) in both.into_iter().zip([a, b]).zip(&mut seen) {
            let numbers = recording.sessions.iter().map(|session| session.stream.tcp_stream.0);
            let is_there = numbers.clone().any(|other| other == number);
            anyhow::ensure!(
                is_there,
                "--pair {a}:{b}: {} has no RTMP connection {number}; it has {}",
                in_words(path),
                listed(numbers)
            );
            anyhow::ensure!(
                seen.insert(number),
                "--pair {a}:{b}: connection {number} of {} is paired already",
                in_words(path)
            );
        }
    }
    let paired = compare::pair(good, mine, &options.pair);
    for &(a, b) in &options.align {
        let mut found = Vec::new();
        for ((recording, path), number) in both.into_iter().zip([a, b]) {
            let place = |session: &Session| session.items.iter().position(|item| item.number == number);
            let at = recording.sessions.iter().enumerate().find_map(|(at, session)| Some((at, place(session)?)));
            let (session, item) = at.with_context(|| {
                let numbers = recording.sessions.iter().flat_map(|session| &session.items).map(|item| item.number);
                let (first, last) = (numbers.clone().min().unwrap_or_default(), numbers.max().unwrap_or_default());
                let what = "the RTMP connections that are compared have rows";
                format!("--align {a}:{b}: {} has no row {number}; {what} {first} to {last}", in_words(path))
            })?;
            found.push((session, recording.sessions[session].items[item].direction));
        }
        let [(in_a, way_a), (in_b, way_b)] = found[..] else { continue };
        anyhow::ensure!(
            paired.pairs.contains(&(in_a, in_b)),
            "--align {a}:{b}: the rows are of connections that are not compared with each other; --pair A:B chooses them"
        );
        anyhow::ensure!(way_a == way_b, "--align {a}:{b}: the rows are of two directions");
    }
    Ok(())
}

/// `0, 2, 5`, or the first of many.
fn listed(numbers: impl Iterator<Item = u32>) -> String {
    const SHOWN: usize = 16;
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    match numbers.len().checked_sub(SHOWN) {
        None | Some(0) => numbers.join(", "),
        Some(more) => format!("{} and {more} more", numbers[..SHOWN].join(", ")),
    }
}
