//! `rtmp-inspect check`.

mod find;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use clap::Args;

use crate::check::{self, Capture, Known, Outcome, Report};
use crate::compare;
use crate::config::{Settings, Value};
use crate::diff::{self, Pattern};
use crate::lint;
use crate::recording::{Keep, Recording};
use crate::report::Document;
use crate::snapshot;
use crate::view;

use super::config::{ConfigFile, Configs};
use super::given::Given;
use super::input::in_words;
use super::lint::{FailOn, RuleSelection};
use super::output::{Output, keeping_complaints};
use super::output_file;
use super::record::Subject;
use super::reports::Reports;
use super::select::{Bounds, Connections};
use super::{EXIT_FINDINGS, EXIT_OK, EXIT_TROUBLE, values};

/// What `check` was asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "A capture's snapshot is the file CAPTURE.snapshot.jsonl beside it. In directories, captures are \
    files that end in .pcap, .pcapng or .cap, also with .gz or .zst, and those that begin as one; hidden ones are left \
    out.\n\nExamples:\n  \
    rtmp-inspect check                                   all captures below this directory\n  \
    rtmp-inspect check --update captures/new.pcap        make its snapshot\n  \
    rtmp-inspect check --against good.pcap mine.pcap\n  \
    rtmp-inspect check --junit report.xml tests/captures\n\n\
    Exit status: 0 everything passed, 1 differences, findings, missing or stale snapshots, 2 something could not be \
    checked."
)]
pub struct Options {
    /// Captures, and directories of captures
    #[arg(value_name = "DIR|CAPTURE", default_value = ".")]
    paths: Vec<PathBuf>,

    /// Compare with FILE, a snapshot or a capture, instead of the snapshot beside the capture
    #[arg(long, value_name = "FILE", conflicts_with = "update")]
    against: Option<PathBuf>,

    /// Write missing snapshots, and rewrite those that differ, after showing the difference
    #[arg(long)]
    update: bool,

    /// With --update, also remove snapshots whose captures are gone
    #[arg(long, requires = "update")]
    prune: bool,

    /// Do not apply the rules
    #[arg(long)]
    no_lint: bool,

    #[command(flatten)]
    wanted: RuleSelection,

    /// Findings of this severity or worse are failures [default: error]
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<FailOn>,

    /// Differences at this path do not count; * stands for anything (repeatable)
    #[arg(long, value_name = "PATH")]
    ignore: Vec<String>,

    /// Count every difference
    #[arg(long)]
    strict: bool,

    /// Check N captures at a time [default: as many as there are processors]
    #[arg(short, long, value_name = "N", value_parser = values::number::<usize>)]
    jobs: Option<usize>,

    /// Also list what passed, and all findings
    #[arg(short, long)]
    verbose: bool,

    /// Print nothing; only set the exit status
    #[arg(short, long)]
    quiet: bool,

    /// Print stream keys and credentials as they are, not <stream-key-1> and <credential-1>
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

/// One capture with what is in force for it.
struct Job {
    subject: find::Subject,
    settings: Settings,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    if options.update {
        anyhow::ensure!(
            !is_ci(),
            "--update is refused where CI is set: snapshots are written by people who look at them, and then committed"
        );
    }
    let configs = options.config.configs()?;
    let found = find::find(&options.paths, &configs)?;
    if let Some(against) = &options.against {
        anyhow::ensure!(
            matches!(found.subjects.as_slice(), [find::Subject::Capture(_)]),
            "--against {} is for one capture, but {} were given",
            in_words(against),
            found.subjects.len()
        );
    }
    options.ensure_no_input(&found.subjects, &configs)?;
    let jobs = options.jobs(found.subjects, &configs)?;
    let captures = options.in_parallel(&jobs);
    let report = Report::new(captures);
    let document = Document::of_check(&report);
    let text = |output: &Output| view::check::check(&report, options.verbose, output.layout(), output.colour);
    options.reports.give(&report, &document, text, options.quiet, output)?;
    Ok(match report.worst() {
        Outcome::Passed | Outcome::Updated => EXIT_OK,
        Outcome::Error => EXIT_TROUBLE,
        _ => EXIT_FINDINGS,
    })
}

/// A path as it is shown: from the working directory on, if it lies below that.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.as_ref().and_then(|here| path.strip_prefix(here).ok()).filter(|below| *below != Path::new(""));
    below.unwrap_or(path).display().to_string()
}

/// CI servers set `CI`; by hand it is switched off with `false` or `0`.
fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !["", "false", "0"].iter().any(|off| value == *off))
}

impl Options {
    fn jobs(&self, subjects: Vec<find::Subject>, configs: &Configs) -> anyhow::Result<Vec<Job>> {
        let mut given = self.connections.given();
        given.extend(Some(Value::Ignore(self.ignore.clone())).filter(|_| !self.ignore.is_empty()));
        given.extend(self.strict.then_some(Value::Strict(true)));
        given.extend(self.no_lint.then_some(Value::Lint(false)));
        given.extend(self.fail_on.map(|level| Value::FailOn(level.severity())));
        let job = |subject: find::Subject| {
            let settings = configs.settings(subject.path(), &given)?;
            Ok(Job { subject, settings })
        };
        subjects.into_iter().map(job).collect()
    }

    /// Fails if a report is to be written over a capture, a snapshot, or the configuration.
    fn ensure_no_input(&self, subjects: &[find::Subject], configs: &Configs) -> anyhow::Result<()> {
        let mut read = configs.files(subjects.iter().map(find::Subject::path))?;
        read.extend(self.against.clone());
        for subject in subjects {
            read.extend([subject.path().to_owned(), find::snapshot_of(subject.path())]);
        }
        self.reports.ensure_no_input(&read)
    }

    /// The captures in the order of the jobs, however long each takes.
    fn in_parallel(&self, jobs: &[Job]) -> Vec<Capture> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.jobs.unwrap_or_else(processors).clamp(1, jobs.len().max(1));
        let next = AtomicUsize::new(0);
        let done: Vec<Mutex<Option<Capture>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(index) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&index| index < jobs.len())
                    {
                        let (mut capture, notes) = keeping_complaints(|| self.one(&jobs[index]));
                        capture.notes = notes;
                        *done[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(capture);
                    }
                });
            }
        });
        // A thread that panics ends the scope with its panic, so every capture is there.
        done.into_iter()
            .filter_map(|slot| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
            .collect()
    }

    fn one(&self, job: &Job) -> Capture {
        match &job.subject {
            find::Subject::Capture(path) => self.capture(path, &job.settings),
            find::Subject::Orphan(path) => self.orphan(path),
        }
    }

    fn capture(&self, path: &Path, settings: &Settings) -> Capture {
        let beside = find::snapshot_of(path);
        let reference = self.against.as_ref().unwrap_or(&beside);
        let names = [shown(path), shown(reference)];
        let connections = self.connections.with(settings);
        let keep = Keep {
            digests: true,
            media: if settings.full_payload.value { usize::MAX } else { Keep::default().media },
            ..Keep::default()
        };
        let read = Subject::open(&Given::of(path), &self.bounds).and_then(|subject| {
            anyhow::ensure!(!subject.is_snapshot(), "{} is a snapshot; give the capture", names[0]);
            subject.record(&connections, &self.bounds, keep)
        });
        let recording = match read {
            Ok(recording) => recording,
            Err(error) => return Capture::unreadable(names, format!("{error:#}")),
        };
        let known = self.known(reference, &connections);
        let (mut checked, recording) = check::check(names, recording, known, &self.for_library(settings));
        if self.update && checked.wants_update() {
            match write(path, &beside, &recording, settings) {
                Ok(()) => {
                    let what = if checked.outcome == Outcome::Missing { "made" } else { "rewritten" };
                    checked.updated(format!("{} was {what}", checked.snapshot));
                }
                Err(error) => checked.failed(format!("{error:#}")),
            }
        }
        checked
    }

    fn orphan(&self, path: &Path) -> Capture {
        let mut checked = Capture::orphan(shown(path));
        if self.prune {
            match std::fs::remove_file(path).with_context(|| format!("cannot remove {}", in_words(path))) {
                Ok(()) => checked.updated("it was removed, as its capture is missing".to_owned()),
                Err(error) => checked.failed(format!("{error:#}")),
            }
        }
        checked
    }

    fn known(&self, path: &Path, connections: &Connections) -> Known {
        if !path.exists() && self.against.is_none() {
            return Known::Missing;
        }
        if let Some(version) = older_format(path) {
            return Known::Old(version);
        }
        let read = Subject::open(&Given::of(path), &self.bounds).and_then(|subject| {
            // What a snapshot has is only what was chosen when it was made.
            let all = Connections { stream: connections.stream, ..Connections::default() };
            let connections = if subject.is_snapshot() { &all } else { connections };
            subject.record(connections, &self.bounds, Keep { digests: true, ..Keep::default() })
        });
        match read {
            Ok(recording) => Known::Read(Box::new(recording)),
            Err(error) => Known::Broken(format!("{error:#}")),
        }
    }

    fn for_library(&self, settings: &Settings) -> check::Options {
        let rules = lint::Options { levels: settings.levels(), ..self.wanted.options() };
        check::Options {
            diff: diff::Options {
                compare: compare::Options { strict: settings.strict.value, ..compare::Options::default() },
                ignore: settings.ignore.iter().map(|path| Pattern(path.value.clone())).collect(),
                ..diff::Options::default()
            },
            lint: settings.lint.value.then_some(rules),
            fail_on: settings.fail_on.value,
            show_secrets: self.show_secrets,
        }
    }
}

/// The version of a snapshot's format, if it is older than the one that is written.
fn older_format(path: &Path) -> Option<u64> {
    use std::io::{BufRead, Read};
    /// A header is no longer.
    const HEADER: u64 = 1 << 20;
    let file = std::fs::File::open(path).ok()?;
    let mut first = Vec::new();
    std::io::BufReader::new(file).take(HEADER).read_until(b'\n', &mut first).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&first).ok()?;
    let is_ours = header["format"] == snapshot::FORMAT;
    header["format_version"].as_u64().filter(|&version| is_ours && version < u64::from(snapshot::FORMAT_VERSION))
}

fn write(capture: &Path, snapshot: &Path, recording: &Recording, settings: &Settings) -> anyhow::Result<()> {
    let name = capture.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let payload = if settings.full_payload.value { snapshot::Payload::Full } else { snapshot::Payload::Sha256 };
    let text = snapshot::write(recording, &snapshot::Options { name, payload });
    // It may be a link to the capture.
    output_file::ensure_distinct([&snapshot.to_owned()], [&capture.to_owned()])?;
    output_file::write(snapshot, text.as_bytes())
}
