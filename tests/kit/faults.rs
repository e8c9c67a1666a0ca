//! A good recorded session with one mistake in it: what diagnoses are tried on.
//!
//! [`all`] lists the faults. Each is written twice by [`Fault::captures`], with and without the mistake; nothing else
//! differs but what the other side does about it. The ids in [`Fault::expect`] are the causes that are true.

mod amf;
mod base;
mod capture;
mod chunk;
mod chunk_size;
mod command;
mod control;
mod enhanced;
mod handshake;
mod header;
mod media;
mod payload;
mod times;

use super::Session;
use super::recording::Recording;

pub use base::Base;

/// A mistake.
pub struct Fault {
    /// Its name, unique.
    pub name: &'static str,
    /// What it is: any of these rules names its cause.
    pub expect: &'static [&'static str],
    /// The session that it is put into.
    pub base: Base,
    /// What the sender, or the capture, does wrong.
    pub mistake: &'static str,
    /// What becomes of the messages.
    pub then: Then,
    seed: Seed,
}

/// What becomes of the messages of a session with a fault in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// A receiver can read all of them, and the session goes on.
    GoesOn,
    /// All of them can be read; the other side closes, or says nothing more.
    Ends,
    /// From the fault on, they cannot be read by who follows the rules.
    Breaks,
}

enum Seed {
    /// In what is sent.
    Session(fn(&mut Recording)),
    /// In what the capture has of it.
    Capture(fn(Session) -> Session),
}

impl Fault {
    /// The session as it should be.
    pub fn base(&self) -> Recording {
        self.base.recording()
    }

    /// What is sent when the mistake is made.
    pub fn recording(&self) -> Recording {
        let mut recording = self.base();
        if let Seed::Session(change) = self.seed {
            change(&mut recording);
        }
        recording
    }

    /// The capture without and the capture with the mistake.
    pub fn captures(&self) -> (Vec<u8>, Vec<u8>) {
        self.captures_of(&self.base(), &self.base())
    }

    /// The capture of one session without, and of another with the mistake.
    pub fn captures_of(&self, without: &Recording, with: &Recording) -> (Vec<u8>, Vec<u8>) {
        let mut recording = with.clone();
        let packets = match self.seed {
            Seed::Session(change) => {
                change(&mut recording);
                recording.packets()
            }
            Seed::Capture(change) => change(recording.packets()),
        };
        (without.pcap(), packets.pcap())
    }

    /// Whether the mistake is one of the capture, not of the session.
    pub fn is_of_the_capture(&self) -> bool {
        matches!(self.seed, Seed::Capture(_))
    }
}

/// All faults, layer by layer.
pub fn all() -> Vec<Fault> {
    [
        capture::faults(),
        handshake::faults(),
        chunk::faults(),
        header::faults(),
        control::faults(),
        amf::faults(),
        command::faults(),
        media::faults(),
        times::faults(),
        payload::faults(),
        enhanced::faults(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The fault of that name.
pub fn find(name: &str) -> Option<Fault> {
    all().into_iter().find(|fault| fault.name == name)
}

/// A fault in what is sent.
fn fault(
    name: &'static str,
    expect: &'static [&'static str],
    base: Base,
    then: Then,
    mistake: &'static str,
    change: fn(&mut Recording),
) -> Fault {
    Fault { name, expect, base, mistake, then, seed: Seed::Session(change) }
}
