//! A capture's sessions, kept for comparison, or those of a snapshot. Where framing is broken, the capture is read a
//! second time as the sender meant it.

use std::cell::Cell;
use std::path::Path;

use anyhow::Context;

use crate::config::Settings;
use crate::recording::{self, Recorder, Recording};
use crate::session::{self, tape};
use crate::snapshot;

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
}

/// What to keep of a capture's sessions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// With digests, as whatever is compared with a snapshot needs.
    pub digests: bool,
    /// All media bodies, however many.
    pub all: bool,
}

impl Keep {
    fn with(self, recorder: Recorder) -> Recorder {
        let recorder = if self.digests { recorder.with_digests() } else { recorder };
        if self.all { recorder.keeping_all() } else { recorder }
    }
}

impl Subject {
    /// Opens what is at `path`, or on standard input for `-`; a snapshot is told by its first bytes, and read.
    pub fn open(path: &Path, bounds: &Bounds) -> anyhow::Result<Subject> {
        let mut source = Source::new(path)?;
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
    pub fn record(self, connections: &Connections, bounds: &Bounds, keep: Keep) -> anyhow::Result<Recording> {
        match self.what {
            What::Capture(input) => record_capture(*input, self.source, connections, bounds, keep),
            What::Snapshot(mut recording) => {
                anyhow::ensure!(
                    connections.port.is_empty(),
                    "a snapshot has no ports: --port cannot choose from {}; --stream takes its connection numbers",
                    self.source.name()
                );
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
pub fn record(path: &Path, connections: &Connections, bounds: &Bounds) -> anyhow::Result<Recording> {
    let subject = Subject::open(path, bounds)?;
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
/// is not recognised as RTMP by it, so the ports of the first one's servers are known for the second.
pub fn record_two(
    paths: [&Path; 2],
    settings: [&Settings; 2],
    connections: &Connections,
    bounds: &Bounds,
) -> anyhow::Result<[Recording; 2]> {
    let [a, b] = [Subject::open(paths[0], bounds)?, Subject::open(paths[1], bounds)?];
    let keep = Keep { digests: a.is_snapshot() || b.is_snapshot(), all: false };
    let record = |subject: Subject, settings, known| {
        let of_capture = Connections { known, ..connections.with(settings) };
        let connections = if subject.is_snapshot() { connections } else { &of_capture };
        subject.record(connections, bounds, keep)
    };
    let a_is_snapshot = a.is_snapshot();
    let a = record(a, settings[0], Vec::new())?;
    let known = a.sessions.iter().map(|session| session.stream.server.port()).filter(|_| !a_is_snapshot);
    let known = known.collect();
    Ok([a, record(b, settings[1], known)?])
}

fn record_capture(
    mut input: Input,
    mut source: Source,
    connections: &Connections,
    bounds: &Bounds,
    keep: Keep,
) -> anyhow::Result<Recording> {
    let mut options = session::Options { only: connections.wanted(), ..connections.options(bounds, u32::MAX) };
    let observer = (keep.with(Recorder::default()), tape::Recorder::default());
    let ((recorder, tapes), _) = input.run(bounds, options.clone(), observer, false, &Cell::default(), || true)?;
    let mut recording = recorder.into_recording();
    let (tapes, _) = tapes.into_tapes();
    let framing = recording::explain_framing(&tapes);
    if !framing.is_empty() {
        options.dialects = recording::dialects(&framing);
        let recorder = keep.with(Recorder::with_framing(framing));
        recording = source.open(bounds)?.look_through(bounds, options, recorder)?.into_recording();
    }
    Ok(recording)
}
