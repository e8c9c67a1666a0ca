//! The capture that a subcommand reads: a file or standard input.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::capture::{Capture, Other};
use crate::origin::Time;
use crate::packet;
use crate::pipeline::{self, Totals, Warning, Watch};
use crate::session::{self, Observer};

use super::output::{Progress, complain};

/// An opened capture.
pub struct Input {
    name: String,
    capture: Capture,
    /// Length of the file, if it is one.
    len: Option<u64>,
    /// Whether frames may still be arriving.
    pub is_live: bool,
}

impl Input {
    /// Opens `path`, or standard input for `-`.
    pub fn open(path: &Path, bounds: &super::select::Bounds) -> anyhow::Result<Input> {
        let (name, reader, len) = Input::source(path)?;
        let capture =
            Capture::open(reader, bounds.limits().capture).with_context(|| format!("cannot read {name}"))?;
        Ok(Input { name, capture, is_live: len.is_none(), len })
    }

    /// The same for a file that may also be another that begins with `beginning`.
    pub fn open_or(
        beginning: &[u8],
        path: &Path,
        bounds: &super::select::Bounds,
    ) -> anyhow::Result<Result<Input, (String, Other)>> {
        let (name, reader, len) = Input::source(path)?;
        let opened = Capture::open_or(beginning, reader, bounds.limits().capture)
            .with_context(|| format!("cannot read {name}"))?;
        Ok(match opened {
            Ok(capture) => Ok(Input { name, capture, is_live: len.is_none(), len }),
            Err(other) => Err((name, other)),
        })
    }

    /// The name, the bytes, and how many there are, if that is known.
    fn source(path: &Path) -> anyhow::Result<(String, Box<dyn Read + Send>, Option<u64>)> {
        let (name, reader, len): (_, Box<dyn Read + Send>, _) = if path == Path::new("-") {
            ("standard input".to_owned(), Box::new(io::stdin()), None)
        } else {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
            let metadata = file.metadata().with_context(|| format!("cannot read {name}"))?;
            anyhow::ensure!(!metadata.is_dir(), "cannot read {name}: it is a directory; give a capture file");
            let len = metadata.is_file().then_some(metadata.len());
            (name, Box::new(file), len)
        };
        Ok((name, reader, len))
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it to the end without a word, for what has to be known before it is read again.
    pub fn look_through<O: Observer>(
        mut self,
        bounds: &super::select::Bounds,
        options: session::Options,
        observer: O,
    ) -> anyhow::Result<O> {
        let result = pipeline::run(&mut self.capture, bounds.limits(), options, observer, &mut Silence);
        Ok(result.with_context(|| format!("cannot read {}", self.name))?.0)
    }

    /// Reads it to the end, or until `after_frame` has enough, with warnings on standard error. `start` is set
    /// to the time of the first frame.
    pub fn run<O: Observer>(
        &mut self,
        bounds: &super::select::Bounds,
        options: session::Options,
        observer: O,
        rows_are_on_the_terminal: bool,
        start: &Cell<Time>,
        after_frame: impl FnMut() -> bool,
    ) -> anyhow::Result<(O, Totals)> {
        let progress = Progress::new(self.len, rows_are_on_the_terminal);
        let mut watch = Watcher { name: &self.name, progress, start, warnings: 0, after_frame };
        let result = pipeline::run(&mut self.capture, bounds.limits(), options, observer, &mut watch);
        watch.progress.done();
        if watch.warnings > MOST_WARNINGS {
            let more = watch.warnings - MOST_WARNINGS;
            complain("warning", &format!("{}: {more} more warnings of this kind", self.name));
        }
        let (observer, totals) = result.with_context(|| format!("cannot read {}", self.name))?;
        tell_of_packets(&self.name, totals.packets);
        Ok((observer, totals))
    }
}

/// Looks at everything and says nothing.
struct Silence;

impl Watch for Silence {
    fn warning(&mut self, _: Warning) {}

    fn go_on(&mut self, _: &Capture) -> bool {
        true
    }
}

/// A damaged file may give a warning for every block; more than these help nobody.
const MOST_WARNINGS: u64 = 20;

struct Watcher<'a, F> {
    name: &'a str,
    progress: Progress,
    start: &'a Cell<Time>,
    warnings: u64,
    after_frame: F,
}

impl<F: FnMut() -> bool> Watch for Watcher<'_, F> {
    fn started(&mut self, time: Time) {
        self.start.set(time);
    }

    fn warning(&mut self, warning: Warning) {
        match warning {
            Warning::Capture(warning) => {
                self.warnings += 1;
                if self.warnings <= MOST_WARNINGS {
                    complain("warning", &format!("{}: {warning}", self.name));
                }
            }
            Warning::Packet(packet::Skip::UnknownLink { link, first: true }) => {
                complain("warning", &format!("{}: {link}", self.name));
            }
            Warning::Packet(_) => {}
        }
    }

    fn go_on(&mut self, capture: &Capture) -> bool {
        self.progress.at(capture.bytes_read());
        (self.after_frame)()
    }
}

/// Frames that could have held RTMP and were left out.
fn tell_of_packets(name: &str, counts: packet::Counts) {
    let say = |count: u64, what: &str| {
        if count > 0 {
            complain("note", &format!("{name}: {count} {what}"));
        }
    };
    say(counts.malformed, "frames with headers that contradict themselves were left out");
    say(counts.headers_cut, "frames were cut by the snap length before their TCP header's end and left out");
    say(counts.incomplete_packets, "fragmented IP packets never became whole");
    say(counts.duplicates, "frames are second copies, as a capture on all interfaces holds; each packet counts once");
}

/// The path of a capture, or `-`.
#[derive(Debug, clap::Args)]
pub struct CapturePath {
    /// The capture: pcap or pcapng, also in gzip or zstd; '-' reads standard input as it comes
    #[arg(value_name = "CAPTURE")]
    pub path: PathBuf,
}
