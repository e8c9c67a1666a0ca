//! One capture against the rules: what is wrong with its sessions, whatever a good one looks like.
//!
//! Takes a [`Recording`], gives a [`Report`]. The rules are those of [`crate::rules`] that need no second session; each
//! session is compared with nothing ([`Comparison::alone`]), so that one function serves here and in
//! [`crate::diff`]. Of a direction the root cause is reported, and what only follows from it is counted there. It
//! reads no files and lays out no text.

use serde::Serialize;

use crate::compare::{Beside, Comparison, Side, role};
use crate::diff::{self, Cause, causes_alone};
use crate::owed::Progress;
use crate::recording::{Recording, Session, Sink};
use crate::rules::{Break, Diagnosis, Location, Severity, beside, is_symptom};
use crate::secrets::Secrets;
use crate::tcp::ConnectionId;

/// The version of the report's format.
pub const FORMAT_VERSION: u32 = 1;

/// What a lint may be told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Only these rules, by code; all if empty.
    pub only: Vec<String>,
    /// Not these rules, by code.
    pub skip: Vec<String>,
    /// Rules that weigh more or less than the catalogue has it.
    pub levels: Vec<(String, Level)>,
}

/// How much a rule's findings weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// Not at all: they are not reported.
    Off,
    /// As this.
    As(Severity),
}

/// What was found in a capture.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this format.
    pub format_version: u32,
    /// Whether its sessions work, as far as that can be told; None if it cannot.
    pub works: Option<bool>,
    /// Where the first of them breaks, if one does.
    pub breaks_at: Option<Break>,
    /// The findings counted, in words.
    pub summary: String,
    /// The connections that were looked at.
    pub connections: Vec<Connection>,
    /// What is wrong, connection by connection; in each, what breaks something first.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub counts: Counts,
}

/// A connection that was looked at.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Connection {
    /// Its number.
    pub tcp_stream: ConnectionId,
    /// What it is for: `publish live/one`.
    pub role: String,
    /// How many messages it has.
    pub messages: usize,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// The session dies or hangs.
    pub fatal: usize,
    /// What arrives is wrong.
    pub error: usize,
    /// Some peers will not take it.
    pub warning: usize,
    /// Worth knowing.
    pub info: usize,
}

/// Something that is wrong.
pub type Finding = Diagnosis<Evidence>;

/// Where a finding shows, and the bytes there.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Where it shows first.
    pub r#where: Location,
    /// The bytes there, in hex; the first of them, if they are many.
    #[serde(serialize_with = "hex::serde::serialize")]
    pub bytes: Vec<u8>,
}

/// Looks at every session of a recording.
pub fn lint(recording: &Recording, options: &Options) -> Report {
    let mut linter = Linter::new(options);
    let besides = diff::besides(&recording.sessions);
    recording.sessions.iter().for_each(|session| linter.look(session, &besides));
    linter.finish().0
}

/// So many sessions wait for others; more are judged by those that came before.
const MOST_WAITING: usize = 64;

/// Looks at sessions one by one, each when it is over, and lets go of it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Linter<'o> {
    options: &'o Options,
    looked_at: Vec<LookedAt>,
    /// What each session is to the others.
    besides: Vec<Beside>,
    /// Sessions for which the others matter, also those that come later.
    waiting: Vec<Session>,
    is_empty: bool,
}

/// What was found in a session.
#[derive(Debug)]
struct LookedAt {
    connection: Connection,
    findings: Vec<Finding>,
    serves: bool,
}

impl<'o> Linter<'o> {
    /// One that has looked at nothing yet.
    pub fn new(options: &'o Options) -> Linter<'o> {
        Linter { options, looked_at: Vec::new(), besides: Vec::new(), waiting: Vec::new(), is_empty: true }
    }

    /// Whether there was nothing that rules could be about.
    pub fn is_empty(&self) -> bool {
        self.is_empty && self.waiting.is_empty()
    }

    fn look(&mut self, session: &Session, besides: &[Beside]) {
        self.is_empty &= session.items.is_empty();
        let comparison = Comparison::alone(session, besides);
        let serves = Progress::of(session, &comparison.identities[Side::B as usize]).serves();
        let of = |cause: Cause| cause.try_map(|evidence| Evidence::of(evidence, session));
        let findings = causes_alone(&comparison, 0).into_iter().filter_map(of);
        let findings = findings.filter_map(|mut finding| self.options.wants(&mut finding).then_some(finding)).collect();
        self.looked_at.push(LookedAt { connection: Connection::of(session), findings, serves });
    }

    /// Looks at a session, and gives it back unless it has to wait for others.
    pub fn take(&mut self, session: Session) -> Option<Session> {
        self.besides.push(beside::of(&session));
        if beside::needs_others(&session) && self.waiting.len() < MOST_WAITING {
            self.waiting.push(session);
            return None;
        }
        let besides = std::mem::take(&mut self.besides);
        self.look(&session, &besides);
        self.besides = besides;
        Some(session)
    }

    /// What was found in all of them, in order of their numbers, and those that had to wait.
    pub fn finish(mut self) -> (Report, Vec<Session>) {
        let mut besides = std::mem::take(&mut self.besides);
        besides.sort_by_key(|one| one.tcp_stream);
        let waiting = std::mem::take(&mut self.waiting);
        waiting.iter().for_each(|session| self.look(session, &besides));
        self.looked_at.sort_by_key(|one| one.connection.tcp_stream);
        (Report::of(self.looked_at), waiting)
    }
}

impl Sink for Linter<'_> {
    const KEEPS: bool = false;

    fn session(&mut self, session: Session) {
        self.take(session);
    }
}

impl Options {
    /// Whether a finding is to be reported; weighs it as asked for.
    fn wants(&self, finding: &mut Finding) -> bool {
        let is = |code: &String| code == finding.rule.code;
        if self.skip.iter().any(is) || !self.only.is_empty() && !self.only.iter().any(is) {
            return false;
        }
        match self.levels.iter().find(|(code, _)| is(code)) {
            Some((_, Level::Off)) => return false,
            Some((_, Level::As(severity))) => finding.severity = *severity,
            None => {}
        }
        true
    }
}

impl Report {
    fn of(looked_at: Vec<LookedAt>) -> Report {
        let serves = looked_at.iter().any(|one| one.serves);
        let (mut connections, mut findings) = (Vec::new(), Vec::new());
        for one in looked_at {
            connections.push(one.connection);
            findings.extend(one.findings);
        }
        let counts = Counts::of(&findings);
        let broken = findings.iter().find(|finding| finding.breaks());
        Report {
            format_version: FORMAT_VERSION,
            works: if broken.is_some() { Some(false) } else { serves.then_some(true) },
            breaks_at: broken.map(|one| Break { rule: Some(one.rule), at: one.evidence.r#where.clone() }),
            summary: counts.in_words(),
            connections,
            findings,
            counts,
        }
    }

    /// Puts placeholders in the place of stream keys and credentials.
    #[doc(hidden)]
    pub fn hide(&mut self, secrets: &Secrets) {
        self.connections.iter_mut().for_each(|connection| secrets.hide_in(&mut connection.role));
        self.breaks_at.iter_mut().for_each(|at| diff::hide::location(&mut at.at, secrets));
        for finding in &mut self.findings {
            finding.sentences().into_iter().for_each(|text| secrets.hide_in(text));
            let Evidence { r#where: at, bytes } = &mut finding.evidence;
            diff::hide::path(&mut at.path, secrets);
            secrets.hide_bytes(bytes, at.value.as_deref().unwrap_or_default());
            at.value.iter_mut().chain([&mut at.message]).for_each(|text| secrets.hide_in(text));
        }
    }

    /// The answer: `works`, `breaks`, or that it is not known.
    pub fn answer(&self) -> &'static str {
        match self.works {
            Some(true) => "works",
            Some(false) => "breaks",
            None => "not known whether it works",
        }
    }

    /// Where it breaks, and because of what: `at connect (row 4, frame 11), because …`.
    pub fn place(&self) -> Option<String> {
        let (at, first) = (self.breaks_at.as_ref()?, self.findings.iter().find(|finding| finding.breaks())?);
        let why = if is_symptom(first.rule) { "cause not found:" } else { "because" };
        Some(format!("at {}, {why} {}", at.in_words(), first.title))
    }

    /// Whether there is a finding of this severity, or worse.
    pub fn reaches(&self, severity: Severity) -> bool {
        self.findings.iter().any(|finding| finding.severity >= severity)
    }
}

impl Connection {
    fn of(session: &Session) -> Connection {
        let messages = session.items.iter().filter(|item| item.message().is_some()).count();
        Connection { tcp_stream: session.stream.tcp_stream, role: role(session).to_string(), messages }
    }
}

impl Evidence {
    fn of(evidence: diff::Evidence, session: &Session) -> Option<Evidence> {
        let diff::Where { path, direction, message, b: Some(place), .. } = evidence.r#where else { return None };
        let diff::Place { number, frame, stream_offset, value } = place;
        let tcp_stream = session.stream.tcp_stream;
        let r#where = Location { tcp_stream, direction, message, path, number, frame, stream_offset, value };
        Some(Evidence { r#where, bytes: evidence.bytes.b.unwrap_or_default() })
    }
}

impl Counts {
    fn of(findings: &[Finding]) -> Counts {
        let mut counts = Counts::default();
        for finding in findings {
            *counts.of_severity(finding.severity) += 1;
        }
        counts
    }

    fn of_severity(&mut self, severity: Severity) -> &mut usize {
        match severity {
            Severity::Fatal => &mut self.fatal,
            Severity::Error => &mut self.error,
            Severity::Warning => &mut self.warning,
            Severity::Info => &mut self.info,
        }
    }

    /// `1 fatal, 2 warnings`, or that there is nothing.
    pub fn in_words(&self) -> String {
        let plural = |count: usize, word: &str| match (count, word) {
            (0, _) => None,
            (1, _) | (_, "fatal" | "info") => Some(format!("{count} {word}")),
            _ => Some(format!("{count} {word}s")),
        };
        let all = [(self.fatal, "fatal"), (self.error, "error"), (self.warning, "warning"), (self.info, "info")];
        let said: Vec<_> = all.into_iter().filter_map(|(count, word)| plural(count, word)).collect();
        if said.is_empty() { "nothing to report".to_owned() } else { said.join(", ") }
    }
}
