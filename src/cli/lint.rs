//! `rtmp-inspect lint`.

use std::path::PathBuf;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{Scope, ScopedJoinHandle};

use clap::{Args, ValueEnum};

use crate::config::Value;
use crate::lint::{self, Linter, Report};
use crate::recording::{Recording, Session, Sink};
use crate::report::Document;
use crate::rules::Severity;
use crate::secrets::{Collector, Secrets};
use crate::view;

use super::check::shown;
use super::config::ConfigFile;
use super::given::Given;
use super::input;
use super::output::{Output, complain};
use super::record::record_into;
use super::reports::Reports;
use super::select::{Bounds, Connections};
use super::values;
use super::{EXIT_FINDINGS, EXIT_OK, EXIT_TROUBLE};

/// What `lint` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect lint mine.pcap\n  \
    rtmp-inspect lint --fail-on warning captures/*.pcap\n  \
    rtmp-inspect lint --skip keyframe-interval mine.pcap\n  \
    rtmp-inspect lint --format json mine.pcap | jq .captures[0].findings[0].rule")]
pub struct Options {
    /// The captures, each for itself: whatever decode reads; '-' reads standard input
    #[arg(value_name = "CAPTURE", required = true)]
    captures: Vec<PathBuf>,

    /// Read all as one capture, in order of time; files of a tcpdump -C or dumpcap -b ring are without it
    #[arg(long)]
    merge: bool,

    /// Exit with 1 for findings of this severity or worse [default: error]
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<FailOn>,

    #[command(flatten)]
    wanted: RuleSelection,

    /// Also show notes in full
    #[arg(short, long)]
    verbose: bool,

    /// Print nothing; only set the exit status
    #[arg(short, long)]
    quiet: bool,

    /// In machine-readable formats too, print stream keys and credentials instead of <stream-key-1>
    #[arg(long)]
    show_secrets: bool,

    #[command(flatten)]
    reports: Reports,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    config: ConfigFile,

    #[command(flatten)]
    bounds: Bounds,
}

/// Which rules to apply.
#[derive(Debug, Args)]
pub struct RuleSelection {
    /// Apply only the rule with this code (repeatable)
    #[arg(long, value_name = "CODE", value_parser = values::code(), hide_possible_values = true)]
    only: Vec<String>,

    /// Skip the rule with this code (repeatable)
    #[arg(long, value_name = "CODE", value_parser = values::code(), hide_possible_values = true)]
    skip: Vec<String>,
}

/// From which severity on a finding is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// The session dies or hangs
    Fatal,
    /// What arrives is wrong
    Error,
    /// Some peers will not accept it
    Warning,
    /// Anything
    Info,
    /// Nothing fails
    Never,
}

/// One capture's findings.
struct Linted {
    name: String,
    report: Report,
    fail_on: Option<Severity>,
    /// Hidden where machines read.
    secrets: Secrets,
}

/// Looks at each session when it is over, and keeps of it what its secrets are found in.
struct Judge<'o> {
    linter: Linter<'o>,
    said: Option<Vec<Session>>,
}

impl Sink for Judge<'_> {
    const KEEPS: bool = false;

    fn session(&mut self, session: Session) {
        let session = self.linter.take(session);
        if let Some(said) = &mut self.said {
            said.extend(session.map(Collector::what_matters));
        }
    }
}

impl Judge<'_> {
    fn finish(self) -> (Report, Secrets) {
        let (report, waited) = self.linter.finish();
        let Some(mut said) = self.said else { return (report, Secrets::default()) };
        said.extend(waited);
        (report, Secrets::of(&[&Recording::of(said)]))
    }
}

/// A judge on a thread of its own: of many short sessions, judging takes about as long as reading.
struct Judging<'s, 'o> {
    sessions: SyncSender<Session>,
    judge: ScopedJoinHandle<'s, Judge<'o>>,
}

impl<'s, 'o> Judging<'s, 'o> {
    fn new<'e>(scope: &'s Scope<'s, 'e>, mut judge: Judge<'o>) -> Judging<'s, 'o>
    where
        'o: 's,
    {
        // One waits, and no more: sessions are large.
        let (sessions, arriving) = mpsc::sync_channel(1);
        let judge = scope.spawn(move || {
            arriving.iter().for_each(|session| judge.session(session));
            judge
        });
        Judging { sessions, judge }
    }

    fn finish(self) -> Judge<'o> {
        drop(self.sessions);
        self.judge.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Sink for Judging<'_, '_> {
    const KEEPS: bool = false;

    fn session(&mut self, session: Session) {
        // Where the judge is gone, its panic is found at the end.
        let _ = self.sessions.send(session);
    }
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    input::ensure_read_once(&options.captures)?;
    let configs = options.config.configs()?;
    options.reports.ensure_no_input(
        options.captures.iter().chain(&configs.files(options.captures.iter().map(PathBuf::as_path))?),
    )?;
    let mut given = options.connections.given();
    given.extend(options.fail_on.map(|level| Value::FailOn(level.severity())));
    // Text is for the user's own terminal; a log of CI is not that.
    let hides = !options.show_secrets && options.reports.for_machines();
    let (mut all, mut trouble) = (Vec::new(), false);
    for capture in &Given::captures(&options.captures, options.merge) {
        let path = capture.path();
        let settings = configs.settings(path, &given)?;
        // What cannot be read, or has nothing to judge, is no success; the others are checked nevertheless.
        let rules = lint::Options { levels: settings.levels(), ..options.wanted.options() };
        let connections = options.connections.with(&settings);
        let judge = || Judge { linter: Linter::new(&rules), said: hides.then(Vec::new) };
        let judged = std::thread::scope(|scope| {
            record_into(capture, &connections, &options.bounds, || Judging::new(scope, judge())).map(Judging::finish)
        });
        let judge = match judged {
            Ok(judge) => judge,
            Err(error) => {
                complain("error", &format!("{error:#}"));
                trouble = true;
                continue;
            }
        };
        if judge.linter.is_empty() {
            complain("error", &input::nothing_to_judge(&capture.name()));
            trouble = true;
        }
        let (report, secrets) = judge.finish();
        let name = if capture.as_file().is_some() { shown(path) } else { capture.name() };
        all.push(Linted { name, report, fail_on: settings.fail_on.value, secrets });
    }
    let fails = all.iter().any(|one| one.fail_on.is_some_and(|severity| one.report.reaches(severity)));
    if hides {
        all.iter_mut().for_each(|one| one.report.hide(&one.secrets));
    }
    let document = Document::of_lint(all.iter().map(|one| (one.name.as_str(), &one.report, one.fail_on)));
    let text = |output: &Output| {
        let one =
            |one: &Linted| view::lint::lint(&one.report, &one.name, options.verbose, output.layout(), output.colour);
        all.iter().map(one).collect::<Vec<_>>().join("\n")
    };
    options.reports.give(&json(&all), &document, text, options.quiet, output)?;
    Ok(match (trouble, fails) {
        (true, _) => EXIT_TROUBLE,
        (false, true) => EXIT_FINDINGS,
        (false, false) => EXIT_OK,
    })
}

fn json(all: &[Linted]) -> serde_json::Value {
    let captures: Vec<_> = all
        .iter()
        .map(|Linted { name, report, .. }| {
            serde_json::json!({
                "capture": name,
                "works": report.works,
                "breaks_at": report.breaks_at,
                "summary": report.summary,
                "connections": report.connections,
                "findings": report.findings,
                "counts": report.counts,
            })
        })
        .collect();
    serde_json::json!({ "format_version": lint::FORMAT_VERSION, "captures": captures })
}

impl RuleSelection {
    /// The library's options.
    pub fn options(&self) -> lint::Options {
        lint::Options { only: self.only.clone(), skip: self.skip.clone(), levels: Vec::new() }
    }
}

impl FailOn {
    /// The severity; none if nothing fails.
    pub fn severity(self) -> Option<Severity> {
        match self {
            FailOn::Fatal => Some(Severity::Fatal),
            FailOn::Error => Some(Severity::Error),
            FailOn::Warning => Some(Severity::Warning),
            FailOn::Info => Some(Severity::Info),
            FailOn::Never => None,
        }
    }
}
