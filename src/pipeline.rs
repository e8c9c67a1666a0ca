//! The one loop: frames in, events out.
//!
//! Takes an opened capture and somewhere to send the events, drives the layers in order. It neither
//! opens files nor prints: warnings and progress go to the caller.

use crate::capture::{self, Capture};
use crate::origin::Time;
use crate::packet::{self, Outcome, Slicer};
use crate::session::{self, Observer, Sessions};
use crate::tcp::{self, Tracker};
use crate::tunnel::Tunnels;

/// The bounds that hostile or damaged input meets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// For reading the file.
    pub capture: capture::Limits,
    /// For joining IP fragments.
    pub packet: packet::Limits,
    /// For reassembly.
    pub tcp: tcp::Limits,
}

/// What the caller is told on the way.
pub trait Progress {
    /// The first frame was captured at `time`.
    fn started(&mut self, _time: Time) {}
    /// Something that somebody wrote into the file; of a frame before what that frame completes.
    fn note(&mut self, _note: capture::Note) {}
    /// Something about the file that the user should know.
    fn warning(&mut self, warning: Warning);
    /// Called after each frame; false stops the run.
    fn should_continue(&mut self, capture: &Capture) -> bool;
}

/// Something that the user should know about the capture itself.
#[derive(Debug)]
pub enum Warning {
    /// About the file.
    Capture(capture::Warning),
    /// About a frame's headers.
    Packet(packet::Skip),
}

/// What the run saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Frames in the capture.
    pub frames: u64,
    /// What became of them.
    pub packets: packet::Counts,
    /// What the limits on connections cost.
    pub connections: tcp::Counts,
    /// TCP connections in it, also those that were not asked for.
    pub numbered: u32,
    /// The time of the first frame.
    pub first: Option<Time>,
    /// Whether the caller stopped the run before the capture's end.
    pub stopped: bool,
}

/// Reads `capture` to its end, or until the caller has enough, and sends what its sessions hold to `observer`.
pub fn run<O: Observer>(
    capture: &mut Capture,
    limits: Limits,
    options: session::Options,
    observer: O,
    watch: &mut impl Progress,
) -> Result<(O, Totals), capture::Error> {
    let mut pipeline = Pipeline::new(limits, options, observer);
    while pipeline.step(capture, watch)? {
        if !watch.should_continue(capture) {
            pipeline.totals.stopped = true;
            break;
        }
    }
    Ok(pipeline.finish(capture))
}

/// The layers from packets to sessions, driven a frame at a time.
pub struct Pipeline<O> {
    slicer: Slicer,
    tracker: Tracker,
    tunnels: Tunnels<Sessions<O>>,
    totals: Totals,
}

impl<O: Observer> Pipeline<O> {
    /// A pipeline whose events go to `observer`.
    pub fn new(limits: Limits, options: session::Options, observer: O) -> Pipeline<O> {
        Pipeline {
            slicer: Slicer::new(limits.packet),
            tracker: Tracker::new(limits.tcp),
            tunnels: Tunnels::new(options.tunnel.clone(), Sessions::new(options, observer)),
            totals: Totals::default(),
        }
    }

    /// Takes what comes next in `capture`. At its end, ends all sessions and returns false.
    pub fn step(&mut self, capture: &mut Capture, watch: &mut impl Progress) -> Result<bool, capture::Error> {
        match capture.next()? {
            None => {
                self.tracker.finish(&mut self.tunnels);
                self.tunnels.finish();
                return Ok(false);
            }
            Some(capture::Event::Warning(warning)) => watch.warning(Warning::Capture(warning)),
            Some(capture::Event::Note(note)) => watch.note(note),
            Some(capture::Event::Secrets(key_log)) => self.tunnels.secrets(key_log),
            Some(capture::Event::Bytes(bytes)) => {
                if let (None, Some(time)) = (self.totals.first, bytes.time.known()) {
                    self.totals.first = Some(time);
                    watch.started(time);
                }
                self.tracker.push_direct(&bytes, &mut self.tunnels);
            }
            Some(capture::Event::Frame(frame)) => {
                if let (None, Some(time)) = (self.totals.first, frame.time.known()) {
                    self.totals.first = Some(time);
                    watch.started(time);
                }
                match self.slicer.segment(&frame) {
                    Outcome::Segment(segment) => self.tracker.push(&segment, &mut self.tunnels),
                    Outcome::Skipped(skip) => watch.warning(Warning::Packet(skip)),
                }
            }
        }
        Ok(true)
    }

    /// The observer.
    pub fn observer(&mut self) -> &mut O {
        self.tunnels.sink().observer()
    }

    fn finish(self, capture: &Capture) -> (O, Totals) {
        let totals = Totals {
            frames: capture.frames(),
            packets: self.slicer.counts(),
            connections: self.tracker.counts(),
            numbered: self.tracker.numbered(),
            ..self.totals
        };
        (self.tunnels.into_sink().into_observer(), totals)
    }
}
