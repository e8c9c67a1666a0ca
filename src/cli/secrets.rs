//! What is printed of secrets: reports for machines have placeholders for them, unless asked for otherwise.
//!
//! Text is for the user's own terminal, as that of `decode` is, and shows them.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::escape::json;
use crate::secrets::Secrets;

use super::output::Output;

/// Whether secrets are shown.
#[derive(Debug, Args)]
pub struct ShowSecrets {
    /// In JSON, print stream keys and credentials as they are, not as <stream-key-1> and <credential-1>; text for the
    /// terminal always does
    #[arg(long)]
    show_secrets: bool,
}

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Over many lines.
    Pretty,
    /// On one.
    Line,
}

impl ShowSecrets {
    /// Prints a report as JSON, and the end of the line.
    pub fn json(
        &self,
        report: &impl Serialize,
        secrets: &Secrets,
        layout: Layout,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        if self.show_secrets {
            write(report, layout, output)
        } else {
            let mut report = serde_json::to_value(report)?;
            secrets.hide_json(&mut report);
            write(&report, layout, output)
        }
    }
}

fn write(report: &impl Serialize, layout: Layout, output: &mut Output) -> anyhow::Result<()> {
    match layout {
        Layout::Pretty => json::write_pretty(&mut *output, report)?,
        Layout::Line => json::write_line(&mut *output, report)?,
    }
    output.write_all(b"\n")?;
    Ok(())
}
