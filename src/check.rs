//! Captures against their snapshots: whether what was recorded is still what goes over the wire.
//!
//! Takes a capture's [`Recording`] and what there is of its snapshot, gives a [`Capture`]; a [`Report`] has all of a
//! run. Differences are explained by [`crate::diff`], findings come from [`crate::lint`]. It finds no files, reads and
//! writes none, and lays out no text.

use serde::Serialize;

use crate::diff::{self, Verdict};
use crate::lint;
use crate::recording::Recording;
use crate::rules::Severity;
use crate::secrets::Secrets;

/// The version of the report's format.
pub const FORMAT_VERSION: u32 = 1;

/// What a snapshot's name has after the capture's.
pub const SUFFIX: &str = ".snapshot.jsonl";

/// What a check may be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the comparison with the snapshot.
    pub diff: diff::Options,
    /// For the rules; without, they are not applied.
    pub lint: Option<lint::Options>,
    /// From which severity on a finding is a failure; never if None.
    pub fail_on: Option<Severity>,
    /// Whether stream keys and credentials are shown.
    pub show_secrets: bool,
}

/// What there is of a capture's snapshot.
#[derive(Debug)]
pub enum Known {
    /// It was read.
    Read(Box<Recording>),
    /// There is none.
    Missing,
    /// It is of an older version of the format.
    Old(u64),
    /// It cannot be read, and why.
    Broken(String),
}

/// What became of all captures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub format_version: u32,
    /// The answer in one sentence.
    pub summary: String,
    /// How many there are of each outcome.
    pub counts: Counts,
    /// The captures, and snapshots without one, in the order of their names.
    pub captures: Vec<Capture>,
}

/// What became of one capture.
#[derive(Debug, Serialize)]
pub struct Capture {
    /// The capture; none if only its snapshot is there.
    pub capture: Option<String>,
    /// The snapshot.
    pub snapshot: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The answer in one sentence.
    pub summary: String,
    /// What was done to the snapshot, or has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The comparison with the snapshot: A is the snapshot, B the capture.
    pub diff: Option<diff::Report>,
    /// What the rules say.
    pub lint: Option<lint::Report>,
    /// Whether there are findings as bad as fails.
    pub lint_fails: bool,
    /// From which severity on they are.
    #[serde(skip)]
    pub fail_on: Option<Severity>,
    /// What was said while it was read.
    pub notes: Vec<String>,
}

/// What became of a capture. What comes after is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is as its snapshot has it, and no rule objects.
    Passed,
    /// Its snapshot was written, or rewritten.
    Updated,
    /// It is as its snapshot has it, and rules object.
    Findings,
    /// It differs from its snapshot.
    Different,
    /// It has no snapshot.
    Missing,
    /// The snapshot has no capture, or is of an older version of the format.
    Stale,
    /// It could not be checked.
    Error,
}

/// How many captures have which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As the snapshots have it.
    pub passed: usize,
    /// Snapshots that were written.
    pub updated: usize,
    /// Rules object.
    pub findings: usize,
    /// Not as the snapshots have it.
    pub different: usize,
    /// Without a snapshot.
    pub missing: usize,
    /// Snapshots that have outlived their capture or their format.
    pub stale: usize,
    /// Not to be checked.
    pub error: usize,
}

/// Checks a capture, which is returned too. `names` are those of the capture and of its snapshot.
pub fn check(names: [String; 2], mut capture: Recording, known: Known, options: &Options) -> (Capture, Recording) {
    let [name, snapshot] = names;
    let mut checked = Capture::new(Some(name), snapshot);
    checked.fail_on = options.fail_on;
    checked.lint = options.lint.as_ref().map(|options| lint::lint(&capture, options));
    let reaches = |lint: &lint::Report| options.fail_on.is_some_and(|severity| lint.reaches(severity));
    checked.lint_fails = checked.lint.as_ref().is_some_and(reaches);
    let has_nothing = !capture.has_rtmp();
    let mut secrets = Secrets::of(&[&capture]);
    match known {
        Known::Missing if has_nothing => {
            checked.becomes(Outcome::Error, "it contains no RTMP, so it cannot have a snapshot");
            checked.action =
                Some("name its port with decode-as in rtmp-inspect.toml, or leave it out with exclude".to_owned());
        }
        Known::Missing => {
            checked.becomes(Outcome::Missing, format!("there is no snapshot {}", checked.snapshot));
            checked.action = Some(format!("rtmp-inspect check --update {} creates it", checked.name()));
        }
        Known::Old(version) => {
            let newer = crate::snapshot::FORMAT_VERSION;
            let old = format!("its snapshot is of format {version}, and this program writes {newer}");
            checked.becomes(Outcome::Stale, old);
            checked.action = Some(format!("rtmp-inspect check --update {} rewrites it", checked.name()));
        }
        Known::Broken(why) => {
            checked.becomes(Outcome::Error, why);
            checked.action =
                Some(format!("if it is no longer needed, remove {} and create it again", checked.snapshot));
        }
        Known::Read(snapshot) if !snapshot.has_rtmp() => {
            checked.becomes(Outcome::Error, format!("no RTMP in {}: there is nothing to check", checked.snapshot));
        }
        Known::Read(snapshot) => {
            let compared = crate::snapshot::prepare(*snapshot, capture);
            secrets = Secrets::of(&[&compared[0], &compared[1]]);
            let report = diff::diff(&compared[0], &compared[1], &options.diff);
            [_, capture] = compared;
            match report.verdict {
                Verdict::Different => checked.becomes(Outcome::Different, report.summary.clone()),
                Verdict::Identical | Verdict::Equivalent => checked.becomes(Outcome::Passed, "as in its snapshot"),
            }
            checked.diff = Some(report);
        }
    }
    if checked.outcome == Outcome::Passed && checked.lint_fails {
        let said = checked.lint.as_ref().map_or_else(String::new, |lint| lint.summary.clone());
        checked.becomes(Outcome::Findings, format!("as in its snapshot, but rules report: {said}"));
    }
    if !options.show_secrets {
        checked.hide(&secrets);
    }
    (checked, capture)
}

impl Capture {
    fn new(capture: Option<String>, snapshot: String) -> Capture {
        Capture {
            capture,
            snapshot,
            outcome: Outcome::Passed,
            summary: String::new(),
            action: None,
            diff: None,
            lint: None,
            lint_fails: false,
            fail_on: None,
            notes: Vec::new(),
        }
    }

    /// A capture that could not be read.
    pub fn unreadable(names: [String; 2], why: String) -> Capture {
        let [name, snapshot] = names;
        let mut checked = Capture::new(Some(name), snapshot);
        checked.becomes(Outcome::Error, why);
        checked
    }

    /// A snapshot without its capture.
    pub fn orphan(snapshot: String) -> Capture {
        let mut checked = Capture::new(None, snapshot);
        checked.becomes(Outcome::Stale, "the capture of this snapshot does not exist");
        checked.action = Some("rtmp-inspect check --update --prune removes it".to_owned());
        checked
    }

    /// Its snapshot was written, or removed.
    pub fn updated(&mut self, what: String) {
        // After the difference it is said what was done about it.
        self.action = (self.outcome == Outcome::Different).then(|| what.clone());
        // What rules object to stays.
        let outcome = if self.lint_fails { Outcome::Findings } else { Outcome::Updated };
        self.becomes(outcome, what);
    }

    /// What was to be done to its snapshot failed.
    pub fn failed(&mut self, why: String) {
        self.becomes(Outcome::Error, why);
        self.action = None;
    }

    /// What to call it.
    pub fn name(&self) -> &str {
        self.capture.as_deref().unwrap_or(&self.snapshot)
    }

    /// Whether the snapshot is to be written: it is missing, or old, or the capture differs from it.
    pub fn wants_update(&self) -> bool {
        self.capture.is_some() && matches!(self.outcome, Outcome::Missing | Outcome::Stale | Outcome::Different)
    }

    fn becomes(&mut self, outcome: Outcome, summary: impl Into<String>) {
        (self.outcome, self.summary) = (outcome, summary.into());
    }

    fn hide(&mut self, secrets: &Secrets) {
        secrets.hide_in(&mut self.summary);
        if let Some(diff) = &mut self.diff {
            diff.hide(secrets);
        }
        if let Some(lint) = &mut self.lint {
            lint.hide(secrets);
        }
    }
}

impl Outcome {
    /// Whether it is a failure.
    pub fn fails(self) -> bool {
        self > Outcome::Updated
    }
}

impl Report {
    /// The report of these.
    pub fn new(captures: Vec<Capture>) -> Report {
        let mut counts = Counts::default();
        for capture in &captures {
            *counts.of(capture.outcome) += 1;
        }
        let with_capture = captures.iter().filter(|capture| capture.capture.is_some()).count();
        let summary = format!("{}: {}", count(with_capture, "capture"), counts.in_words());
        Report { format_version: FORMAT_VERSION, summary, counts, captures }
    }

    /// The worst outcome.
    pub fn worst(&self) -> Outcome {
        self.captures.iter().map(|capture| capture.outcome).max().unwrap_or(Outcome::Passed)
    }
}

impl Counts {
    fn of(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Updated => &mut self.updated,
            Outcome::Findings => &mut self.findings,
            Outcome::Different => &mut self.different,
            Outcome::Missing => &mut self.missing,
            Outcome::Stale => &mut self.stale,
            Outcome::Error => &mut self.error,
        }
    }

    /// `11 passed, 1 different`.
    fn in_words(self) -> String {
        let all = [
            (self.passed, "passed"),
            (self.updated, "updated"),
            (self.findings, "with findings"),
            (self.different, "different"),
            (self.missing, "without a snapshot"),
            (self.stale, "stale"),
            (self.error, "not checked"),
        ];
        let some = all.iter().filter(|(count, _)| *count > 0);
        let said: Vec<_> = some.map(|(count, what)| format!("{count} {what}")).collect();
        said.join(", ")
    }
}

/// `1 capture`, `2 captures`.
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
