//! The formats in which `lint` and `check` report, on standard output and into files.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::report::{Document, github, junit, sarif};

use super::output::Output;
use super::snapshot::replace;

/// How to report, and where else.
#[derive(Debug, Args)]
pub struct Reports {
    /// How to print the report [default: text; github where GITHUB_ACTIONS is true]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    /// Also write JUnit XML to FILE
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Also write SARIF to FILE
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
            write(path, &junit::junit(document))?;
        }
        if let Some(path) = &self.sarif {
            write(path, &pretty(&sarif::sarif(document))?)?;
        }
        if quiet {
            return Ok(());
        }
        let printed = match self.format() {
            Format::Text => text(output),
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
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    replace(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
