//! What became of captures and their snapshots: those that failed, with what `diff` and `lint` say, and one line for all.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::check::{Capture, Outcome, Report};

use super::{Layout, diff, lint, paint, wrap};
use crate::escape::escape;

/// Causes that are shown of one capture.
const MOST: usize = 20;

/// The whole report.
pub fn check(report: &Report, verbose: bool, layout: Layout, colour: bool) -> String {
    let mut text = String::new();
    for capture in &report.captures {
        let said = one(capture, verbose, layout, colour);
        if !said.is_empty() {
            text.push_str(&said);
            text.push('\n');
        }
    }
    let style = outcome(report.worst()).bold();
    let _ = writeln!(text, "{}", paint(&report.summary, style, colour));
    text
}

/// One capture; nothing if it passed, unless more is asked for.
pub fn one(capture: &Capture, verbose: bool, layout: Layout, colour: bool) -> String {
    if capture.outcome == Outcome::Passed && !verbose {
        return String::new();
    }
    let mut text = format!("{}\n", paint(&escape(capture.name()), Style::new().bold(), colour));
    for note in &capture.notes {
        text.push_str(&wrap(&escape(note), "  note: ", layout));
    }
    text.push_str(&snapshot(capture, verbose, layout, colour));
    text.push_str(&findings(capture, verbose, layout, colour));
    if let Some(action) = &capture.action {
        text.push_str(&wrap(&escape(action), "  → ", layout));
    }
    text
}

/// How the capture is to its snapshot.
pub fn snapshot(capture: &Capture, verbose: bool, layout: Layout, colour: bool) -> String {
    let differs = capture.diff.as_ref().filter(|diff| diff.verdict == crate::diff::Verdict::Different);
    if let Some(report) = differs {
        let names = [capture.snapshot.clone(), capture.name().to_owned()];
        let shown = diff::Shown { verbose, habits: true, brief: false, stat: false, context: None, most: MOST };
        return diff::diff(report, &names, shown, layout, colour);
    }
    let word = match capture.outcome {
        Outcome::Passed => "passed",
        Outcome::Findings => "findings",
        Outcome::Updated => "updated",
        Outcome::Different => "different",
        Outcome::Missing => "missing",
        Outcome::Stale => "stale",
        Outcome::Error => "error",
    };
    let line = wrap(&format!("{word}: {}", escape(&capture.summary)), "", layout);
    line.replacen(word, &paint(word, outcome(capture.outcome).bold(), colour), 1)
}

/// The findings that are failures, or all.
pub fn findings(capture: &Capture, verbose: bool, layout: Layout, colour: bool) -> String {
    let Some(report) = &capture.lint else { return String::new() };
    let is_shown =
        |finding: &&crate::lint::Finding| verbose || capture.fail_on.is_some_and(|at| finding.severity >= at);
    let mut text = String::new();
    for finding in report.findings.iter().filter(is_shown) {
        text.push('\n');
        text.push_str(&lint::finding(finding, layout, colour));
    }
    text
}

fn outcome(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Passed => AnsiColor::Green.on_default(),
        Outcome::Updated => AnsiColor::Cyan.on_default(),
        _ => AnsiColor::Red.on_default(),
    }
}
