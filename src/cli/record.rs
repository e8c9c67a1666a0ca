//! The sessions of a capture or a snapshot that is named on the command line.

use std::cell::Cell;
use std::path::Path;

use anyhow::Context;

use crate::config::Settings;
use crate::recording::{self, Keep, Recording, Sink};
use crate::session;
use crate::snapshot;

use super::given::Given;
use super::input::{Input, Source};
use super::output::{keeping_complaints, repeat_complaints};
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

    /// What of the options that choose connections is for it, of two inputs that are compared: bytes without packets, as
    /// a file of FLV, are one connection without a number.
    fn connections(&self, of_captures: &Connections) -> Connections {
        match &self.what {
            What::Capture(input) if input.is_one_connection() => {
                Connections { stream: None, port: Vec::new(), ..of_captures.clone() }
            }
            _ => of_captures.clone(),
        }
    }

    /// Its sessions.
    pub fn record(mut self, connections: &Connections, bounds: &Bounds, keep: Keep) -> anyhow::Result<Recording> {
        self.record_once(connections, bounds, keep)
    }

    /// The sessions of a capture, for somebody who takes them one by one; this may be asked for again.
    pub fn record_into<S: Sink>(
        &mut self,
        connections: &Connections,
        bounds: &Bounds,
        keep: Keep,
        sink: impl Fn() -> S,
    ) -> anyhow::Result<S> {
        let (input, is_first) = match std::mem::replace(&mut self.what, What::Read) {
            What::Capture(input) => (*input, true),
            What::Read => (self.source.open(bounds)?, false),
            What::Snapshot(_) => anyhow::bail!("{} is a snapshot", self.name()),
        };
        record_capture(input, &mut self.source, connections, bounds, keep, is_first, sink)
    }

    /// The sessions of a capture with what is known by now, without saying again what was said.
    fn record_again(&mut self, connections: &Connections, bounds: &Bounds, keep: Keep) -> anyhow::Result<Recording> {
        let input = self.source.open(bounds)?;
        record_capture(input, &mut self.source, connections, bounds, keep, false, Vec::new).map(Recording::of)
    }

    fn record_once(&mut self, connections: &Connections, bounds: &Bounds, keep: Keep) -> anyhow::Result<Recording> {
        match std::mem::replace(&mut self.what, What::Read) {
            What::Capture(input) => {
                record_capture(*input, &mut self.source, connections, bounds, keep, true, Vec::new).map(Recording::of)
            }
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
    record_into(given, connections, bounds, Vec::new).map(Recording::of)
}

/// The same for somebody who takes the sessions one by one.
pub fn record_into<S: Sink>(
    given: &Given,
    connections: &Connections,
    bounds: &Bounds,
    sink: impl Fn() -> S,
) -> anyhow::Result<S> {
    let mut subject = Subject::open(given, bounds)?;
    let What::Capture(input) = std::mem::replace(&mut subject.what, What::Read) else {
        anyhow::bail!("{} is a snapshot, and this needs the capture: a snapshot has no times", subject.name());
    };
    record_capture(*input, &mut subject.source, connections, bounds, Keep::default(), true, sink)
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
    let [of_a, of_b] = settings.map(|settings| connections.with(settings));
    let of_captures = [subjects[0].connections(&of_a), subjects[1].connections(&of_b)];
    let [a, b] = &mut subjects;
    let of = |at: usize| if are_snapshots[at] { connections } else { &of_captures[at] };
    let mut recordings =
        both(|| a.record_once(of(0), bounds, keep.clone()), || b.record_once(of(1), bounds, keep.clone()))?;
    let is_known = |port: &u16| {
        session::Options::default().ports.contains(port)
            || of_captures.iter().any(|options| options.port.contains(port) || options.decode_as.contains(port))
    };
    let captures = recordings.iter().zip(are_snapshots).filter(|(_, is_snapshot)| !is_snapshot);
    let mut known = recording::server_ports(captures.map(|(recording, _)| recording));
    known.retain(|port| !is_known(port));
    if !known.is_empty() {
        let again = of_captures.map(|of_capture| Connections { known: known.iter().copied().collect(), ..of_capture });
        let again = |subject: &mut Subject, at: usize| {
            let has_ports = !are_snapshots[at];
            has_ports.then(|| subject.record_again(&again[at], bounds, keep.clone())).transpose()
        };
        let [a, b] = &mut subjects;
        let found = both(|| again(a, 0), || again(b, 1))?;
        for (recording, again) in recordings.iter_mut().zip(found) {
            *recording = again.unwrap_or_else(|| std::mem::take(recording));
        }
    }
    Ok(recordings)
}

/// Both results, of two threads: recording is most of the time of a comparison. What the second one has to say follows
/// what the first one has, as if it had waited.
fn both<T: Send>(
    a: impl FnOnce() -> anyhow::Result<T>,
    b: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<[T; 2]> {
    std::thread::scope(|scope| {
        let b = scope.spawn(|| keeping_complaints(b));
        let a = a();
        let (b, complaints) = b.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let a = a?;
        repeat_complaints(&complaints);
        Ok([a, b?])
    })
}

/// The sessions of a capture, with warnings on standard error if `aloud`.
fn record_capture<S: Sink>(
    input: Input,
    source: &mut Source,
    connections: &Connections,
    bounds: &Bounds,
    keep: Keep,
    aloud: bool,
    sink: impl Fn() -> S,
) -> anyhow::Result<S> {
    let keep = Keep { only: connections.wanted(), ..keep };
    let mut first = Some(input);
    let options = connections.options(bounds, u32::MAX);
    recording::record_into(options, &keep, sink, |options, recorder| match first.take() {
        Some(mut input) if aloud => {
            let (recorder, totals) = input.run(bounds, options, recorder, false, &Cell::default(), || true)?;
            connections.ensure_there(source.name(), &totals)?;
            Ok(recorder)
        }
        Some(input) => input.look_through(bounds, options, recorder),
        None => source.open(bounds)?.look_through(bounds, options, recorder),
    })
}
