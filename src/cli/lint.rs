//! `rtmp-inspect lint`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::lint::{self, Report};
use crate::rules::{self, Severity};
use crate::view;

use super::output::Output;
use super::record::record;
use super::select::{Bounds, Connections};
use super::{EXIT_FINDINGS, EXIT_OK};

/// What `lint` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect lint mine.pcap\n  \
    rtmp-inspect lint --fail-on warning captures/*.pcap\n  \
    rtmp-inspect lint --skip keyframe-interval mine.pcap\n  \
    rtmp-inspect lint --format json mine.pcap | jq .captures[0].findings[0].rule")]
pub struct Options {
    /// The captures: pcap or pcapng, also in gzip or zstd; '-' reads standard input
    #[arg(value_name = "CAPTURE", required = true)]
    captures: Vec<PathBuf>,

    /// Exit with 1 if something is as bad as this, or worse
    #[arg(long, value_enum, default_value_t = FailOn::Error, value_name = "LEVEL")]
    fail_on: FailOn,

    #[command(flatten)]
    wanted: Wanted,

    /// Also show notes in full
    #[arg(short, long)]
    verbose: bool,

    /// Print nothing: the exit status tells
    #[arg(short, long)]
    quiet: bool,

    /// How to print the findings
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    bounds: Bounds,
}

/// Which rules to apply.
#[derive(Debug, Args)]
pub struct Wanted {
    /// Only the rule of this code (repeatable)
    #[arg(long, value_name = "CODE", value_parser = code)]
    only: Vec<String>,

    /// Not the rule of this code (repeatable)
    #[arg(long, value_name = "CODE", value_parser = code)]
    skip: Vec<String>,
}

/// From which severity on a finding is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// The session dies or hangs
    Fatal,
    /// What arrives is wrong
    Error,
    /// Some peers will not take it
    Warning,
    /// Anything
    Info,
    /// Nothing fails
    Never,
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
    let mut reports = Vec::new();
    for path in &options.captures {
        let recording = record(path, &options.connections, &options.bounds)?;
        reports.push((path.display().to_string(), lint::lint(&recording, &options.wanted.options())));
    }
    if !options.quiet {
        match options.format {
            Format::Text => {
                for (index, (name, report)) in reports.iter().enumerate() {
                    let between = if index > 0 { "\n" } else { "" };
                    let text = view::lint::lint(report, name, options.verbose, output.layout(), output.colour);
                    output.write_all(format!("{between}{text}").as_bytes())?;
                }
            }
            Format::Json => {
                serde_json::to_writer_pretty(&mut *output, &document(&reports))?;
                output.write_all(b"\n")?;
            }
        }
    }
    let fails = reports.iter().any(|(_, report)| options.fail_on.is_reached(report));
    Ok(if fails { EXIT_FINDINGS } else { EXIT_OK })
}

fn document(reports: &[(String, Report)]) -> serde_json::Value {
    let captures: Vec<_> = reports
        .iter()
        .map(|(name, report)| {
            serde_json::json!({
                "capture": name,
                "summary": report.summary,
                "connections": report.connections,
                "findings": report.findings,
                "counts": report.counts,
            })
        })
        .collect();
    serde_json::json!({ "format_version": lint::FORMAT_VERSION, "captures": captures })
}

impl Wanted {
    /// The library's options.
    pub fn options(&self) -> lint::Options {
        lint::Options { only: self.only.clone(), skip: self.skip.clone(), levels: Vec::new() }
    }
}

impl FailOn {
    /// Whether a report has something so bad.
    pub fn is_reached(self, report: &Report) -> bool {
        match self {
            FailOn::Fatal => report.reaches(Severity::Fatal),
            FailOn::Error => report.reaches(Severity::Error),
            FailOn::Warning => report.reaches(Severity::Warning),
            FailOn::Info => report.reaches(Severity::Info),
            FailOn::Never => false,
        }
    }
}

/// Reads the code of a rule.
pub fn code(text: &str) -> Result<String, String> {
    if rules::find(text).is_some() {
        return Ok(text.to_owned());
    }
    Err(match rules::nearest(text).as_slice() {
        [] => format!("there is no rule '{text}'; rtmp-inspect rules lists them"),
        near => format!("there is no rule '{text}'; did you mean {}?", near.join(" or ")),
    })
}
