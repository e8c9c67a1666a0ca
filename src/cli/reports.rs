//! The formats in which `lint` and `check` report, on standard output and into files.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::escape;
use crate::report::{Document, github, junit, sarif};

use super::output::Output;
use super::output_file;

/// How to report, and where else.
#[derive(Debug, Args)]
pub struct Reports {
    /// How to print the report [default: text; github where GITHUB_ACTIONS is true]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    /// Also write JUnit XML to FILE; '-' is standard output
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Also write SARIF to FILE; '-' is standard output
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
}

/// How to print a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading
    Text,
    /// One JSON document
    Json,
    /// Text, and an annotation for GitHub Actions for each problem
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for CI servers
    Junit,
}

impl Reports {
    /// The format on standard output.
    pub fn format(&self) -> Format {
        let under_actions = || std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
        self.format.unwrap_or_else(|| if under_actions() { Format::Github } else { Format::Text })
    }

    /// Whether anything but text for people is asked for.
    pub fn for_machines(&self) -> bool {
        self.format() != Format::Text || self.junit.is_some() || self.sarif.is_some()
    }

    /// Fails if a file that is to be written is one of those that are read.
    pub fn ensure_no_input<'p>(&self, inputs: impl IntoIterator<Item = &'p PathBuf>) -> anyhow::Result<()> {
        output_file::ensure_distinct(self.junit.iter().chain(&self.sarif), inputs)
    }

    /// Prints the report as asked for, and writes the files. `text` lays it out for people; `quiet` prints nothing.
    pub fn give(
        &self,
        report: &impl Serialize,
        document: &Document,
        text: impl FnOnce(&Output) -> String,
        quiet: bool,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.junit {
            output_file::write(path, junit::junit(document).as_bytes())?;
        }
        if let Some(path) = &self.sarif {
            output_file::write(path, pretty(&sarif::sarif(document))?.as_bytes())?;
        }
        if quiet {
            return Ok(());
        }
        let printed = match self.format() {
            Format::Text => return Ok(output.text(&text(output))?),
            Format::Json => pretty(report)?,
            Format::Github => github::quoted(&text(output)) + &github::annotations(document),
            Format::Sarif => pretty(&sarif::sarif(document))?,
            Format::Junit => junit::junit(document),
        };
        output.write_all(printed.as_bytes())?;
        Ok(())
    }
}

fn pretty(report: &impl Serialize) -> anyhow::Result<String> {
    Ok(escape::json::pretty(report)? + "\n")
}
