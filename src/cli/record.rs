//! The sessions of a capture or a snapshot that is named on the command line.

use std::cell::Cell;
use std::path::Path;

use anyhow::Context;

use crate::config::Settings;
use crate::recording::{self, Keep, Recording};
use crate::session;
use crate::snapshot;

use super::given::Given;
use super::input::{Input, Source};
use super::select::{Bounds, Connections};

/// A snapshot with more bytes than this is not read.
const LONGEST_SNAPSHOT: usize = 1 << 30;

/// A capture or a snapshot, opened.
pub struct Subject {
    source: Source,
    what: What,
}

enum What {
    Capture(Box<Input>),
    Snapshot(Recording),
    /// Whichever it was, it was read.
    Read,
}

impl Subject {
    /// Opens what is at `path`, or on standard input for `-`; a snapshot is told by its first bytes, and read.
    pub fn open(given: &Given, bounds: &Bounds) -> anyhow::Result<Subject> {
        let mut source = Source::new(given, bounds)?;
        let what = match source.open_or(snapshot::BEGINNING, bounds)? {
            Ok(input) => What::Capture(Box::new(input)),
            Err(file) => {
                let name = source.name();
                let bytes = file.bytes(LONGEST_SNAPSHOT).with_context(|| format!("cannot read {name}"))?;
                let read = snapshot::read(&bytes).with_context(|| format!("cannot read the snapshot {name}"))?;
                What::Snapshot(read)
            }
        };
        Ok(Subject { source, what })
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Whether it is a snapshot.
    pub fn is_snapshot(&self) -> bool {
        matches!(self.what, What::Snapshot(_))
    }

    /// Its sessions.
    pub fn record(mut self, connections: &Connections, bounds: &Bounds, keep: Keep) -> anyhow::Result<Recording> {
        self.record_once(connections, bounds, keep)
    }

    /// The sessions of a capture with what is known by now, without saying again what was said.
    fn record_again(&mut self, connections: &Connections, bounds: &Bounds, keep: Keep) -> anyhow::Result<Recording> {
        let input = self.source.open(bounds)?;
        record_capture(input, &mut self.source, connections, bounds, keep, false)
    }

    fn record_once(&mut self, connections: &Connections, bounds: &Bounds, keep: Keep) -> anyhow::Result<Recording> {
        match std::mem::replace(&mut self.what, What::Read) {
            What::Capture(input) => record_capture(*input, &mut self.source, connections, bounds, keep, true),
            What::Read => Ok(Recording::default()),
            What::Snapshot(mut recording) => {
                anyhow::ensure!(
                    connections.port.is_empty(),
                    "a snapshot has no ports: --port cannot choose from {}; --stream takes its connection numbers",
                    self.source.name()
                );
                if let Some(number) = connections.stream
                    && !recording.sessions.iter().any(|session| session.stream.tcp_stream.0 == number)
                {
                    let count = recording.sessions.len();
                    let name = self.source.name();
                    anyhow::bail!("there is no connection {number} in the snapshot {name}: it has {count}, from 0 on");
                }
                let wanted = |session: &recording::Session| {
                    connections.stream.is_none_or(|number| number == session.stream.tcp_stream.0)
                };
                recording.sessions.retain(wanted);
                Ok(recording)
            }
        }
    }
}

/// Records the sessions of a capture; of a snapshot they would have no times.
pub fn record(given: &Given, connections: &Connections, bounds: &Bounds) -> anyhow::Result<Recording> {
    let subject = Subject::open(given, bounds)?;
    anyhow::ensure!(
        !subject.is_snapshot(),
        "{} is a snapshot, and this needs the capture: a snapshot has no times",
        subject.name()
    );
    subject.record(connections, bounds, Keep::default())
}

/// Records the sessions of two captures or snapshots that are to be compared.
///
/// `settings` has what is in force for each; what they say of ports is for captures. A session whose beginning is wrong
/// or missing is not recognised as RTMP by it, so the ports of the servers of either are known for both.
pub fn record_two(
    paths: [&Path; 2],
    settings: [&Settings; 2],
    connections: &Connections,
    bounds: &Bounds,
) -> anyhow::Result<[Recording; 2]> {
    let mut subjects = [Subject::open(&Given::of(paths[0]), bounds)?, Subject::open(&Given::of(paths[1]), bounds)?];
    let are_snapshots = subjects.each_ref().map(Subject::is_snapshot);
    let keep = Keep { digests: are_snapshots.contains(&true), ..Keep::default() };
    let of_captures = settings.map(|settings| connections.with(settings));
    let mut recordings = Vec::new();
    for ((subject, of_capture), is_snapshot) in subjects.iter_mut().zip(&of_captures).zip(are_snapshots) {
        let connections = if is_snapshot { connections } else { of_capture };
        recordings.push(subject.record_once(connections, bounds, keep.clone())?);
    }
    let is_known = |port: &u16| {
        session::Options::default().ports.contains(port)
            || of_captures.iter().any(|options| options.port.contains(port) || options.decode_as.contains(port))
    };
    let captures = recordings.iter().zip(are_snapshots).filter(|(_, is_snapshot)| !is_snapshot);
    let mut known = recording::server_ports(captures.map(|(recording, _)| recording));
    known.retain(|port| !is_known(port));
    if !known.is_empty() {
        for (at, of_capture) in of_captures.into_iter().enumerate().filter(|(at, _)| !are_snapshots[*at]) {
            let connections = Connections { known: known.iter().copied().collect(), ..of_capture };
            recordings[at] = subjects[at].record_again(&connections, bounds, keep.clone())?;
        }
    }
    Ok(recordings.try_into().expect("two were recorded"))
}

/// The sessions of a capture, with warnings on standard error if `aloud`.
fn record_capture(
    input: Input,
    source: &mut Source,
    connections: &Connections,
    bounds: &Bounds,
    keep: Keep,
    aloud: bool,
) -> anyhow::Result<Recording> {
    let keep = Keep { only: connections.wanted(), ..keep };
    let mut first = Some(input);
    recording::record(connections.options(bounds, u32::MAX), &keep, |options, recorder| match first.take() {
        Some(mut input) if aloud => {
            let (recorder, totals) = input.run(bounds, options, recorder, false, &Cell::default(), || true)?;
            connections.ensure_there(source.name(), &totals)?;
            Ok(recorder)
        }
        Some(input) => input.look_through(bounds, options, recorder),
        None => source.open(bounds)?.look_through(bounds, options, recorder),
    })
}
