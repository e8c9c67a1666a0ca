//! A capture's sessions, kept for comparison. Where framing is broken, the capture is read a second time as the
//! sender meant it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;

use crate::recording::{self, Recorder, Recording};
use crate::session::{self, tape};

use super::input::Input;
use super::output::complain;
use super::select::{Bounds, Connections};

/// Records the sessions of the capture at `path`, or of standard input for `-`.
pub fn record(path: &Path, connections: &Connections, bounds: &Bounds) -> anyhow::Result<Recording> {
    let (recording, name) = read(path, connections, bounds, &[])?;
    if recording.sessions.is_empty() {
        say_none(&name);
    }
    Ok(recording)
}

/// The same of a capture that is to be compared with one that is known. A session whose beginning is wrong is not
/// recognised as RTMP by it, so where there is none, connections to the other's servers' ports are taken for RTMP.
pub fn record_beside(
    other: &Recording,
    path: &Path,
    connections: &Connections,
    bounds: &Bounds,
) -> anyhow::Result<Recording> {
    let (mut recording, name) = read(path, connections, bounds, &[])?;
    let ports: BTreeSet<u16> = other.sessions.iter().map(|session| session.stream.server.port()).collect();
    if recording.sessions.is_empty() && path.is_file() && !ports.is_empty() {
        recording = read(path, connections, bounds, &Vec::from_iter(ports))?.0;
    }
    if recording.sessions.is_empty() {
        say_none(&name);
    }
    Ok(recording)
}

fn say_none(name: &str) {
    complain("note", &format!("no RTMP in {name}"));
}

/// The recording, and what to call the capture in messages.
fn read(path: &Path, connections: &Connections, bounds: &Bounds, ports: &[u16]) -> anyhow::Result<(Recording, String)> {
    let mut options = session::Options { only: connections.wanted(), ..connections.options(bounds, u32::MAX) };
    options.ports.extend(ports);
    let mut input = Input::open(path, bounds)?;
    let name = input.name().to_owned();
    let observer = (Recorder::default(), tape::Recorder::default());
    let ((recorder, tapes), _) = input.run(bounds, options.clone(), observer, false, &Cell::default(), || true)?;
    let mut recording = recorder.into_recording();
    let (tapes, _) = tapes.into_tapes();
    let framing = recording::explain_framing(&tapes);
    if !framing.is_empty() && path.is_file() {
        options.dialects = recording::dialects(&framing);
        let recorder = Recorder::with_framing(framing);
        recording = Input::open(path, bounds)?.look_through(bounds, options, recorder)?.into_recording();
    }
    Ok((recording, name))
}
