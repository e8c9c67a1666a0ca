//! Reports for machines that know nothing of RTMP: JUnit, SARIF, GitHub's annotations.
//!
//! Takes what `lint` and `check` found, as a [`Document`] that both fill in alike, and gives the text of a format.
//! JSON needs nothing of this: it is the report itself, serialized. It writes no files and knows no clock, so that the
//! same findings give the same bytes.

pub mod github;
pub mod junit;
pub mod sarif;

use crate::check::{self, Capture, Outcome};
use crate::diff::{Cause, Place, Unexplained, Where};
use crate::lint::{self, Finding};
use crate::rules::{Diagnosis, Location, Rule, Severity};
use crate::view::{self, Layout};

/// What was found.
#[derive(Debug)]
pub struct Document {
    /// The subcommand.
    pub command: &'static str,
    /// The captures.
    pub suites: Vec<Suite>,
}

/// What was found in one capture.
#[derive(Debug)]
pub struct Suite {
    /// The capture's path.
    pub file: String,
    /// What was looked at.
    pub cases: Vec<Case>,
}

/// One thing that was looked at.
#[derive(Debug)]
pub struct Case {
    /// `snapshot` or `lint`.
    pub name: &'static str,
    /// What became of it.
    pub state: State,
    /// The answer in one sentence.
    pub summary: String,
    /// The answer in full, as people get it.
    pub text: String,
    /// What was found, one by one.
    pub problems: Vec<Problem>,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Passed,
    /// Not so.
    Failed,
    /// It could not be looked at.
    Broken,
}

/// Something that was found.
#[derive(Debug)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub title: String,
    /// Where, with the values, why, and what to change: a line each.
    pub details: Vec<String>,
    /// The place in the capture, or in its snapshot for what is only there.
    pub place: Option<Location>,
}

/// Of which kind a problem is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A rule's.
    Rule(&'static Rule),
    /// Of the snapshot, or of the reading.
    Own(&'static Own),
}

/// A problem that is no rule's.
#[derive(Debug)]
pub struct Own {
    /// Its stable name.
    pub code: &'static str,
    /// What is wrong, in a line.
    pub title: &'static str,
    /// What it means and what to do.
    pub help: &'static str,
}

/// The problems that are no rules'.
pub static OWN: [Own; 5] = [
    Own {
        code: "snapshot-different",
        title: "A capture differs from its snapshot, and no rule explains it",
        help: "The session that was recorded is not the one that the snapshot describes. If the change is intended, \
               rtmp-inspect check --update rewrites the snapshot.",
    },
    Own {
        code: "snapshot-missing",
        title: "A capture has no snapshot",
        help: "rtmp-inspect check --update creates it; review it, and add it to the repository.",
    },
    Own {
        code: "snapshot-stale",
        title: "A snapshot has outlived its capture or its format",
        help: "rtmp-inspect check --update rewrites a snapshot of an older format; with --prune it removes snapshots \
               whose captures are gone.",
    },
    Own {
        code: "connection-unpaired",
        title: "A connection is in a capture or in its snapshot only",
        help: "Connections are paired by what the client does on them. One was opened that was not before, or is \
               missing.",
    },
    Own {
        code: "unreadable",
        title: "A capture could not be checked",
        help: "The file is not a capture, or its snapshot is damaged; the message tells which, and where.",
    },
];

const DIFFERENT: &Own = &OWN[0];
const MISSING: &Own = &OWN[1];
const STALE: &Own = &OWN[2];
const UNPAIRED: &Own = &OWN[3];
const UNREADABLE: &Own = &OWN[4];

/// The text in reports: as people get it where there is no terminal.
const PLAIN: Layout = Layout { width: None };

impl Document {
    /// What `lint` found in captures, with their names. Findings from `fail_on` of each on are failures.
    pub fn of_lint<'r>(captures: impl IntoIterator<Item = (&'r str, &'r lint::Report, Option<Severity>)>) -> Document {
        let suite = |(file, report, fail_on): (&str, &lint::Report, Option<Severity>)| {
            let text = view::lint::lint(report, file, true, PLAIN, false);
            Suite { file: file.to_owned(), cases: vec![lint_case(report, fail_on, text)] }
        };
        Document { command: "lint", suites: captures.into_iter().map(suite).collect() }
    }

    /// What `check` found.
    pub fn of_check(report: &check::Report) -> Document {
        let suite = |capture: &Capture| {
            let mut cases = vec![snapshot_case(capture)];
            if let Some(report) = &capture.lint {
                let text = view::check::findings(capture, true, PLAIN, false);
                cases.push(lint_case(report, capture.fail_on, text));
            }
            Suite { file: capture.name().to_owned(), cases }
        };
        Document { command: "check", suites: report.captures.iter().map(suite).collect() }
    }
}

impl Kind {
    /// Its stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Kind::Rule(rule) => rule.code,
            Kind::Own(own) => own.code,
        }
    }
}

fn lint_case(report: &lint::Report, fail_on: Option<Severity>, text: String) -> Case {
    let fails = fail_on.is_some_and(|severity| report.reaches(severity));
    Case {
        name: "lint",
        state: if fails { State::Failed } else { State::Passed },
        summary: report.summary.clone(),
        text,
        problems: report.findings.iter().map(Problem::of_finding).collect(),
    }
}

fn snapshot_case(capture: &Capture) -> Case {
    let is_as_snapshot = matches!(capture.outcome, Outcome::Passed | Outcome::Findings);
    let mut problems = Vec::new();
    if let Some(diff) = capture.diff.as_ref().filter(|_| !is_as_snapshot) {
        problems.extend(diff.causes.iter().map(|cause| Problem::of_cause(cause, diff)));
        problems.extend(diff.unexplained.iter().map(|difference| Problem::of_unexplained(difference, diff)));
        for (connection, what) in
            diff.only_a.iter().map(|c| (c, "snapshot")).chain(diff.only_b.iter().map(|c| (c, "capture")))
        {
            let title = format!("connection {} {} is only in the {what}", connection.tcp_stream.0, connection.role);
            problems.push(Problem::own(UNPAIRED, Severity::Error, title));
        }
    }
    let own = match capture.outcome {
        Outcome::Missing => Some(MISSING),
        Outcome::Stale => Some(STALE),
        Outcome::Error => Some(UNREADABLE),
        _ => None,
    };
    problems.extend(own.map(|own| {
        let details = capture.action.iter().cloned().collect();
        Problem { details, ..Problem::own(own, Severity::Error, capture.summary.clone()) }
    }));
    // A difference whose snapshot was rewritten is told, and no longer exists.
    let state = match capture.outcome {
        Outcome::Passed | Outcome::Findings | Outcome::Updated => State::Passed,
        Outcome::Error => State::Broken,
        _ => State::Failed,
    };
    if state == State::Passed {
        problems.clear();
    }
    let text = view::check::snapshot(capture, false, PLAIN, false);
    Case { name: "snapshot", state, summary: capture.summary.clone(), text, problems }
}

impl Problem {
    fn own(own: &'static Own, severity: Severity, title: String) -> Problem {
        Problem { kind: Kind::Own(own), severity, title, details: Vec::new(), place: None }
    }

    fn of_rule<E>(
        found: &Diagnosis<E>,
        severity: Severity,
        place: Option<Location>,
        mut details: Vec<String>,
    ) -> Problem {
        details.extend(reasons(&found.why, &found.fix));
        let title = format!("{} ({})", found.title, found.sureness());
        Problem { kind: Kind::Rule(found.rule), severity, title, details, place }
    }

    fn of_finding(finding: &Finding) -> Problem {
        let at = &finding.evidence.r#where;
        let mut details = vec![at.in_words()];
        details.extend(at.value.as_ref().map(|value| format!("{}: {value}", at.path)));
        Problem::of_rule(finding, finding.severity, Some(at.clone()), details)
    }

    fn of_cause(cause: &Cause, report: &crate::diff::Report) -> Problem {
        let at = &cause.evidence.r#where;
        let place = report.pairs.get(cause.evidence.pair).and_then(|pair| at.location(pair));
        let details = sides(at, place.as_ref());
        // What is merely different is still not as the snapshot has it.
        Problem::of_rule(cause, cause.severity.max(Severity::Error), place, details)
    }

    fn of_unexplained(difference: &Unexplained, report: &crate::diff::Report) -> Problem {
        let at = &difference.r#where;
        let place = report.pairs.get(difference.pair).and_then(|pair| at.location(pair));
        Problem {
            details: sides(at, place.as_ref()),
            place,
            ..Problem::own(DIFFERENT, Severity::Error, format!("{}: {} differs from the snapshot", at.message, at.path))
        }
    }
}

/// The place, and the value on both sides.
fn sides(at: &Where, location: Option<&Location>) -> Vec<String> {
    let value = |place: &Option<Place>| match place {
        Some(place) => place.value.clone().unwrap_or_else(|| "nothing".to_owned()),
        None => "no such message".to_owned(),
    };
    let mut lines: Vec<_> = location.map(Location::in_words).into_iter().collect();
    lines.push(format!("{} in the snapshot: {}", at.path, value(&at.a)));
    lines.push(format!("{} in the capture: {}", at.path, value(&at.b)));
    lines
}

fn reasons(why: &str, fix: &str) -> Vec<String> {
    let said = [("why", why), ("fix", fix)].into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(what, text)| format!("{what}: {text}")).collect()
}
