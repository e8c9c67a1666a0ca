//! The capture that a subcommand reads: a file or standard input.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::capture::{Capture, Other};
use crate::escape::escape;
use crate::origin::Time;
use crate::packet;
use crate::pipeline::{self, Totals, Warning, Watch};
use crate::session::{self, Observer};
use crate::tcp;

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
        let (name, reader, len) = open(path)?;
        Input::new(name, reader, len, bounds)
    }

    fn new(
        name: String,
        reader: Box<dyn Read + Send>,
        len: Option<u64>,
        bounds: &super::select::Bounds,
    ) -> anyhow::Result<Input> {
        let capture = Capture::open(reader, bounds.limits().capture).with_context(|| format!("cannot read {name}"))?;
        Ok(Input { name, capture, is_live: len.is_none(), len })
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
        tell_of_connections(&self.name, totals.connections);
        Ok((observer, totals))
    }
}

/// A capture that is read more than once. What comes through a pipe is kept for that: in memory, or in a temporary
/// file if it is long.
pub struct Source {
    name: String,
    kept: Kept,
}

enum Kept {
    /// It is a file, and opened again.
    Path(PathBuf),
    Memory(Arc<[u8]>),
    /// Without a name: it is gone when the program ends.
    File(File, u64),
}

/// So much of a pipe is kept in memory.
const MOST_IN_MEMORY: u64 = 16 << 20;

impl Source {
    /// The capture at `path`, or on standard input for `-`.
    pub fn new(path: &Path) -> anyhow::Result<Source> {
        let (name, reader, len) = open(path)?;
        let kept = match len {
            Some(_) => Kept::Path(path.to_owned()),
            None => Kept::keep(reader, &name, MOST_IN_MEMORY)?,
        };
        Ok(Source { name, kept })
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens it from its start. One at a time is to be read.
    pub fn open(&mut self, bounds: &super::select::Bounds) -> anyhow::Result<Input> {
        let (reader, len) = self.reader()?;
        Input::new(self.name.clone(), reader, len, bounds)
    }

    /// The same for what may also be another file, which begins with `beginning`.
    pub fn open_or(
        &mut self,
        beginning: &[u8],
        bounds: &super::select::Bounds,
    ) -> anyhow::Result<Result<Input, Other>> {
        let (reader, len) = self.reader()?;
        let opened = Capture::open_or(beginning, reader, bounds.limits().capture)
            .with_context(|| format!("cannot read {}", self.name))?;
        Ok(opened.map(|capture| Input { name: self.name.clone(), capture, is_live: len.is_none(), len }))
    }

    fn reader(&mut self) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
        Ok(match &mut self.kept {
            Kept::Path(path) => {
                let (_, reader, len) = open(path)?;
                (reader, len)
            }
            Kept::Memory(bytes) => (Box::new(Cursor::new(Arc::clone(bytes))), Some(bytes.len() as u64)),
            Kept::File(file, len) => {
                file.rewind()?;
                (Box::new(file.try_clone()?), Some(*len))
            }
        })
    }
}

impl Kept {
    fn keep(mut reader: Box<dyn Read + Send>, name: &str, most: u64) -> anyhow::Result<Kept> {
        let cannot_read = || format!("cannot read {name}");
        let mut bytes = Vec::new();
        reader.by_ref().take(most + 1).read_to_end(&mut bytes).with_context(cannot_read)?;
        if bytes.len() as u64 <= most {
            return Ok(Kept::Memory(bytes.into()));
        }
        let cannot_write = || format!("cannot keep {name} in a temporary file; TMPDIR names the directory for it");
        let mut file = tempfile::tempfile().with_context(cannot_write)?;
        let mut len = 0;
        while !bytes.is_empty() {
            file.write_all(&bytes).with_context(cannot_write)?;
            len += bytes.len() as u64;
            bytes.clear();
            reader.by_ref().take(most).read_to_end(&mut bytes).with_context(cannot_read)?;
        }
        Ok(Kept::File(file, len))
    }
}

/// What to call what is at `path`, the bytes, and how many there are if it is a file.
fn open(path: &Path) -> anyhow::Result<(String, Box<dyn Read + Send>, Option<u64>)> {
    if is_standard_input(path) {
        return Ok(("standard input".to_owned(), Box::new(io::stdin()), None));
    }
    let name = in_words(path);
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    let metadata = file.metadata().with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(!metadata.is_dir(), "cannot read {name}: it is a directory; give a capture file");
    let len = metadata.is_file().then_some(metadata.len());
    Ok((name, Box::new(file), len))
}

/// A path in a message: on one line, and safe to print, whatever its name is.
pub fn in_words(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

/// Whether a path stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// Fails if standard input is named more than once.
pub fn ensure_read_once<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> anyhow::Result<()> {
    let count = paths.into_iter().filter(|path| is_standard_input(path)).count();
    anyhow::ensure!(
        count <= 1,
        "standard input can be read only once, and '-' is given {}: save it to a file first",
        if count == 2 { "twice".to_owned() } else { format!("{count} times") }
    );
    Ok(())
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

/// What the limits on connections cost.
fn tell_of_connections(name: &str, counts: tcp::Counts) {
    let tcp::Counts { closed_early, late_segments, forgotten } = counts;
    if closed_early > 0 {
        let late = match late_segments {
            0 => String::new(),
            _ => format!("; {late_segments} later segments with data were not decoded"),
        };
        let text = format!(
            "{name}: {closed_early} TCP connections were closed before their end, as too many were open at once{late}; \
             --max-open-connections raises the limit"
        );
        complain("warning", &text);
    }
    if forgotten > 0 {
        let text = format!(
            "{name}: the ports of {forgotten} closed TCP connections were forgotten: a late packet on them counts as a \
             new connection, which Wireshark would not number; --max-known-connections raises the limit"
        );
        complain("warning", &text);
    }
}

/// The path of a capture, or `-`.
#[derive(Debug, clap::Args)]
pub struct CapturePath {
    /// The capture: pcap or pcapng, also in gzip or zstd; '-' reads standard input as it comes
    #[arg(value_name = "CAPTURE")]
    pub path: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what was kept, twice.
    fn twice(bytes: &[u8], most: u64) -> (bool, [Vec<u8>; 2]) {
        let reader: Box<dyn Read + Send> = Box::new(Cursor::new(bytes.to_vec()));
        let mut kept = Kept::keep(reader, "a pipe", most).unwrap();
        let mut read = || {
            let mut all = Vec::new();
            match &mut kept {
                Kept::Path(_) => panic!("it is no file"),
                Kept::Memory(bytes) => all.extend_from_slice(bytes),
                Kept::File(file, len) => {
                    file.rewind().unwrap();
                    file.try_clone().unwrap().read_to_end(&mut all).unwrap();
                    assert_eq!(all.len() as u64, *len);
                }
            }
            all
        };
        let both = [read(), read()];
        (matches!(kept, Kept::File(..)), both)
    }

    #[test]
    fn a_pipe_is_kept_in_memory_or_in_a_file() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for (most, is_file) in [(1000, false), (1001, false), (999, true), (7, true)] {
            let (file, [first, second]) = twice(&bytes, most);
            assert_eq!(file, is_file, "{most}");
            assert!(first == bytes && second == bytes, "{most}");
        }
        assert_eq!(twice(&[], 7), (false, [vec![], vec![]]));
    }

    #[test]
    fn standard_input_is_read_once() {
        let ask = |paths: &[&str]| ensure_read_once(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert!(ask(&["-", "a", "a"]).is_ok());
        assert!(ask(&["-", "-"]).unwrap_err().to_string().contains("'-' is given twice"));
        assert!(ask(&["-", "a", "-", "-"]).unwrap_err().to_string().contains("3 times"));
    }
}
