//! A capture's sessions, kept for comparison. Where framing is broken, the capture is read a second time as the
//! sender meant it.

use std::cell::Cell;
use std::path::Path;

use crate::recording::{self, Recorder, Recording};
use crate::session::{self, tape};

use super::input::Source;
use super::output::complain;
use super::select::{Bounds, Connections};

/// Records the sessions of the capture at `path`, or of standard input for `-`.
pub fn record(path: &Path, connections: &Connections, bounds: &Bounds) -> anyhow::Result<Recording> {
    let mut options = session::Options { only: connections.wanted(), ..connections.options(bounds, u32::MAX) };
    let mut source = Source::new(path)?;
    let mut input = source.open(bounds)?;
    let observer = (Recorder::default(), tape::Recorder::default());
    let ((recorder, tapes), _) = input.run(bounds, options.clone(), observer, false, &Cell::default(), || true)?;
    let mut recording = recorder.into_recording();
    let (tapes, _) = tapes.into_tapes();
    let framing = recording::explain_framing(&tapes);
    if !framing.is_empty() {
        options.dialects = recording::dialects(&framing);
        let recorder = Recorder::with_framing(framing);
        recording = source.open(bounds)?.look_through(bounds, options, recorder)?.into_recording();
    }
    if recording.sessions.is_empty() {
        complain("note", &format!("no RTMP in {}", input.name()));
    }
    Ok(recording)
}
