//! A good recorded session with one mistake in it: what diagnoses are tried on.
//!
//! [`all`] lists the faults. Each is written twice by [`Fault::captures`], with and without the mistake; nothing else
//! differs but what the other side does about it. The ids in [`Fault::expect`] are the causes that are true. Captures
//! and recordings are made when the first test of a process asks for them, and shared by all its tests.

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

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use rtmp_inspect::recording as library;

use super::Session;
use super::recorded::record;
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
    captures: OnceLock<(Vec<u8>, Vec<u8>)>,
    faulty: OnceLock<library::Recording>,
}

/// What becomes of the messages of a session with a fault in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// A receiver can read all of them, and the session continues.
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
    fn new(
        name: &'static str,
        expect: &'static [&'static str],
        base: Base,
        then: Then,
        mistake: &'static str,
        seed: Seed,
    ) -> Fault {
        Fault { name, expect, base, mistake, then, seed, captures: OnceLock::new(), faulty: OnceLock::new() }
    }

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
    pub fn captures(&self) -> &(Vec<u8>, Vec<u8>) {
        self.captures.get_or_init(|| self.captures_of(&self.base(), &self.base()))
    }

    /// Both captures as the subcommands record them.
    pub fn recorded(&self) -> (Arc<library::Recording>, &library::Recording) {
        static BASES: LazyLock<Mutex<HashMap<Base, Arc<library::Recording>>>> = LazyLock::new(Mutex::default);
        let (base, faulty) = self.captures();
        let mut bases = BASES.lock().expect("no test panics while it records");
        let base = bases.entry(self.base).or_insert_with(|| Arc::new(record(base)));
        (Arc::clone(base), self.faulty.get_or_init(|| record(faulty)))
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
pub fn all() -> &'static [Fault] {
    static ALL: LazyLock<Vec<Fault>> = LazyLock::new(list);
    &ALL
}

fn list() -> Vec<Fault> {
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
pub fn find(name: &str) -> Option<&'static Fault> {
    all().iter().find(|fault| fault.name == name)
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
    Fault::new(name, expect, base, then, mistake, Seed::Session(change))
}
