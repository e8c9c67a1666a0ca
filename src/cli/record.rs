//! A capture's sessions, kept for comparison, or those of a snapshot. Where framing is broken, the capture is read a
//! second time as the sender meant it.

use std::cell::Cell;
use std::collections::BTreeSet;
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
    /// Whichever it was, it was read.
    Read,
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
/// or missing is not recognised as RTMP by it, so the ports of the servers of either are known for both.
pub fn record_two(
    paths: [&Path; 2],
    settings: [&Settings; 2],
    connections: &Connections,
    bounds: &Bounds,
) -> anyhow::Result<[Recording; 2]> {
    let mut subjects = [Subject::open(paths[0], bounds)?, Subject::open(paths[1], bounds)?];
    let are_snapshots = subjects.each_ref().map(Subject::is_snapshot);
    let keep = Keep { digests: are_snapshots.contains(&true), all: false };
    let of_captures = settings.map(|settings| connections.with(settings));
    let mut recordings = Vec::new();
    for ((subject, of_capture), is_snapshot) in subjects.iter_mut().zip(&of_captures).zip(are_snapshots) {
        recordings.push(subject.record_once(if is_snapshot { connections } else { of_capture }, bounds, keep)?);
    }
    let is_known = |port: &u16| {
        session::Options::default().ports.contains(port)
            || of_captures.iter().any(|options| options.port.contains(port) || options.decode_as.contains(port))
    };
    let captures = recordings.iter().zip(are_snapshots).filter(|(_, is_snapshot)| !is_snapshot);
    let sessions = captures.flat_map(|(recording, _)| &recording.sessions);
    let known: BTreeSet<u16> =
        sessions.map(|session| session.stream.server.port()).filter(|port| !is_known(port)).collect();
    if !known.is_empty() {
        for (at, of_capture) in of_captures.into_iter().enumerate().filter(|(at, _)| !are_snapshots[*at]) {
            let connections = Connections { known: known.iter().copied().collect(), ..of_capture };
            recordings[at] = subjects[at].record_again(&connections, bounds, keep)?;
        }
    }
    Ok(recordings.try_into().expect("two were recorded"))
}

/// A capture's sessions as the specification has them, or where framing is broken, read once more as the sender meant
/// it. Rows keep the numbers of the first reading, which is what lists show.
fn record_capture(
    input: Input,
    source: &mut Source,
    connections: &Connections,
    bounds: &Bounds,
    keep: Keep,
    aloud: bool,
) -> anyhow::Result<Recording> {
    let only = connections.wanted();
    let mut options = connections.options(bounds, u32::MAX);
    let observer = (keep.with(Recorder::default().with_only(only.clone())), tape::Recorder::default());
    let (recorder, mut tapes) = if aloud {
        let mut input = input;
        let ((recorder, tapes), totals) =
            input.run(bounds, options.clone(), observer, false, &Cell::default(), || true)?;
        connections.ensure_there(source.name(), &totals)?;
        (recorder, tapes.into_tapes().0)
    } else {
        let (recorder, tapes) = input.look_through(bounds, options.clone(), observer)?;
        (recorder, tapes.into_tapes().0)
    };
    let mut recording = recorder.into_recording();
    tapes.retain(|tape| recording.sessions.iter().any(|session| session.stream.tcp_stream == tape.connection));
    let framing = recording::explain_framing(&tapes);
    if !framing.is_empty() {
        options.dialects = recording::dialects(&framing);
        let recorder = keep.with(Recorder::with_framing(framing).with_only(only));
        let plain = recording;
        recording = source.open(bounds)?.look_through(bounds, options, recorder)?.into_recording();
        recording.number_as(&plain);
    }
    recording.keep_tapes(tapes);
    Ok(recording)
}
