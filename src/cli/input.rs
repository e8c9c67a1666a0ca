//! The capture that a subcommand reads: a file or standard input.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::capture::{self, About, Capture, NotACapture};
use crate::decode::{Comment, Comments};
use crate::escape::escape;
use crate::origin::Time;
use crate::packet;
use crate::pipeline::{self, Progress, Totals, Warning};
use crate::rtmp::decoder;
use crate::session::{self, Learned, Observer, ReadAhead};
use crate::{tcp, tunnel};

use super::given::Given;
use super::output::{Meter, complain};
use super::{keys, merge, raw_order};

/// An opened capture.
pub struct Input {
    name: String,
    capture: Capture,
    /// Length of the file, if it is one.
    len: Option<u64>,
    /// Whether frames may still be arriving.
    pub is_live: bool,
    /// The same capture, to be read once more.
    again: Option<Kept>,
    /// What somebody wrote into it, of other things than frames.
    notes: Notes,
    comments: Comments,
}

/// What somebody wrote into a capture.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<capture::Note>>>);

impl Notes {
    fn add(&self, note: capture::Note) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < MOST_NOTES {
            notes.push(note);
        }
    }

    fn take(&self) -> Vec<capture::Note> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Input {
    /// Opens what was given.
    pub fn open(given: &Given, bounds: &super::select::Bounds) -> anyhow::Result<Input> {
        let name = given.name();
        if let Some(path) = given.as_file().filter(|path| !is_plain_file(path)) {
            // A pipe is read as it comes, once.
            let (name, reader, len) = open(path)?;
            let limits = bounds.limits().capture;
            let capture = match given.is_raw() {
                true => Capture::open_raw(reader, limits),
                false => Capture::open(reader, limits),
            };
            let capture = capture.with_context(|| format!("cannot read {name}"))?;
            return Ok(Input::new(name, capture, len, None));
        }
        let mut kept = Kept::of(given, bounds)?;
        let (capture, len) = kept.open(bounds.limits().capture).with_context(|| format!("cannot read {name}"))?;
        Ok(Input::new(name, capture, len, Some(kept)))
    }

    /// A capture that is still being made.
    pub fn live(name: String, reader: Box<dyn Read + Send>, bounds: &super::select::Bounds) -> anyhow::Result<Input> {
        let capture = Capture::open(reader, bounds.limits().capture).with_context(|| format!("cannot read {name}"))?;
        Ok(Input::new(name, capture, None, None))
    }

    fn new(name: String, capture: Capture, len: Option<u64>, again: Option<Kept>) -> Input {
        Input {
            name,
            capture,
            is_live: len.is_none(),
            len,
            again,
            notes: Notes::default(),
            comments: Comments::default(),
        }
    }

    /// The comments on frames, as these are read.
    pub fn comments(&self) -> Comments {
        self.comments.clone()
    }

    /// What somebody wrote into the capture, once it is read.
    pub fn notes(&self) -> Vec<capture::Note> {
        let mut notes = self.notes.take();
        let mut count = 0;
        while let Some((next, Comment { frame, text })) = self.comments.after(count) {
            count = next;
            notes.push(capture::Note { about: About::Frame(frame), what: capture::NoteKind::Comment, text });
        }
        notes
    }

    /// Gives the sessions a way to learn from what comes later in the capture, where it can be read twice.
    fn with_reading_ahead(&self, bounds: &super::select::Bounds, options: session::Options) -> session::Options {
        let Some(again) = self.again.as_ref().and_then(Kept::again) else { return options };
        let limits = bounds.limits();
        // All connections are learned from, also those that are not asked for; of media only the kind is looked at.
        let plain = session::Options {
            only: session::ConnectionFilter::default(),
            decoder: decoder::Options { media_prefix: 0, ..options.decoder },
            read_ahead: None,
            ..options.clone()
        };
        let learn = move || {
            let learn = |mut capture: Capture| {
                let mut watch = Silence::again();
                pipeline::run(&mut capture, limits, plain.clone(), Learned::default(), &mut watch)
            };
            // What is wrong with the capture is told of when it is read for its rows.
            again.once_more(limits.capture, |capture| Ok(learn(capture)?.0)).unwrap_or_default()
        };
        session::Options { read_ahead: Some(ReadAhead::new(learn)), ..options }
    }

    /// Gives the tunnels the keys that there are, and a way to the others where there may be some.
    fn with_keys(&self, bounds: &super::select::Bounds, options: session::Options) -> anyhow::Result<session::Options> {
        let limits = bounds.limits().capture;
        let again = self.again.as_ref().filter(|_| self.capture.may_have_secrets()).and_then(Kept::again);
        let rest = again.map(|again| move || again.once_more(limits, keys::in_capture));
        let tls = keys::read(&bounds.keys.files(), self.is_live, rest)?;
        Ok(session::Options { tunnel: tunnel::Options { tls }, ..options })
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the bytes of one connection, so that there is none to choose.
    pub fn is_one_connection(&self) -> bool {
        self.capture.is_one_connection()
    }

    /// Says that so many connections are guessed at, where reading ahead might have said more.
    pub fn tell_of_guesses(&self, count: usize) {
        if count == 0 || self.again.is_some() {
            return;
        }
        let what = match count {
            1 => "1 connection begins in mid-session: who is the server, and whether it is RTMP,".to_owned(),
            _ => format!("{count} connections begin in mid-session: who is the server, and whether they are RTMP,"),
        };
        complain(
            "note",
            &format!(
                "{what} was inferred from the connections before; for a file the connections after it are used \
                      too"
            ),
        );
    }

    /// Reads it to the end without a warning, for what has to be known before it is read again.
    pub fn look_through<O: Observer>(
        mut self,
        bounds: &super::select::Bounds,
        options: session::Options,
        observer: O,
    ) -> anyhow::Result<O> {
        let options = self.with_reading_ahead(bounds, self.with_keys(bounds, options)?);
        let mut watch = Silence(Meter::new(self.len, false));
        let result = pipeline::run(&mut self.capture, bounds.limits(), options, observer, &mut watch);
        watch.0.done();
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
        let options = self.with_reading_ahead(bounds, self.with_keys(bounds, options)?);
        let progress = Meter::new(self.len, rows_are_on_the_terminal);
        let (notes, comments) = (&self.notes, &self.comments);
        let mut watch = Watcher { name: &self.name, progress, start, warnings: 0, notes, comments, after_frame };
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
    is_plain: bool,
}

enum Kept {
    /// It is a file, and opened again.
    Path(PathBuf),
    Memory(Arc<[u8]>),
    /// Without a name: it is missing when the program ends.
    File(File, u64),
    /// The bytes of one direction.
    Raw(Box<Kept>),
    /// The bytes of both, and the order in which they are read.
    Directions(Box<[Kept; 2]>, Vec<(usize, u64)>),
    /// Several files, and how far the clock of each is ahead.
    Merged(Vec<PathBuf>, Vec<i64>),
}

/// So much of a pipe is kept in memory.
const MOST_IN_MEMORY: u64 = 16 << 20;

impl Source {
    /// What was given.
    pub fn new(given: &Given, bounds: &super::select::Bounds) -> anyhow::Result<Source> {
        Ok(Source { name: given.name(), kept: Kept::of(given, bounds)?, is_plain: given.is_plain() })
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens it from its start. One at a time is to be read.
    pub fn open(&mut self, bounds: &super::select::Bounds) -> anyhow::Result<Input> {
        let opened = self.kept.open(bounds.limits().capture);
        let (capture, len) = opened.with_context(|| format!("cannot read {}", self.name))?;
        Ok(Input::new(self.name.clone(), capture, len, self.kept.again()))
    }

    /// The same for what may also be another file, which begins with `beginning`.
    pub fn open_or(
        &mut self,
        beginning: &[u8],
        bounds: &super::select::Bounds,
    ) -> anyhow::Result<Result<Input, NotACapture>> {
        if !self.is_plain {
            return self.open(bounds).map(Ok);
        }
        let (reader, len) = self.kept.reader()?;
        let again = self.kept.again();
        let opened = Capture::open_or(beginning, reader, bounds.limits().capture)
            .with_context(|| format!("cannot read {}", self.name))?;
        Ok(opened.map(|capture| Input::new(self.name.clone(), capture, len, again)))
    }
}

impl Kept {
    /// What was given, in a form that can be read again.
    fn of(given: &Given, bounds: &super::select::Bounds) -> anyhow::Result<Kept> {
        let file = |path: &Path| -> anyhow::Result<Kept> {
            let (name, reader, len) = open(path)?;
            match len {
                Some(_) => Ok(Kept::Path(path.to_owned())),
                None => Kept::keep(reader, &name, MOST_IN_MEMORY),
            }
        };
        Ok(match given {
            Given::Capture(path) => file(path)?,
            Given::Raw(path) => Kept::Raw(Box::new(file(path)?)),
            Given::Directions([client, server]) => {
                ensure_read_once([client, server])?;
                let mut kept = Kept::Directions(Box::new([file(client)?, file(server)?]), Vec::new());
                let limits = bounds.limits();
                let named = || format!("cannot read {}", given.name());
                let (naive, _) = kept.open(limits.capture).with_context(named)?;
                let keys = keys::read(&bounds.keys.files(), false, None::<fn() -> anyhow::Result<Vec<u8>>>)?;
                let options = session::Options { tunnel: tunnel::Options { tls: keys }, ..session::Options::default() };
                let found = raw_order::steps(naive, limits, options).with_context(named)?;
                if let Kept::Directions(_, steps) = &mut kept {
                    *steps = found;
                }
                kept
            }
            Given::Merged(files) => {
                ensure_files(files)?;
                let shown = files.iter().take(MOST_NAMED).enumerate();
                let named: Vec<_> = shown.map(|(at, path)| format!("file{} is {}", at + 1, in_words(path))).collect();
                let more = if files.len() > MOST_NAMED { ", and so on" } else { "" };
                complain("note", &format!("read as one capture: {}{more}", named.join(", ")));
                let ahead = merge::clocks(files, bounds.limits(), |text| complain("note", &text))?;
                Kept::Merged(files.clone(), ahead)
            }
        })
    }

    /// The same again, if it can be had.
    fn again(&self) -> Option<Kept> {
        Some(match self {
            Kept::Path(path) => Kept::Path(path.clone()),
            Kept::Memory(bytes) => Kept::Memory(Arc::clone(bytes)),
            Kept::File(file, len) => Kept::File(file.try_clone().ok()?, *len),
            Kept::Raw(kept) => Kept::Raw(Box::new(kept.again()?)),
            Kept::Directions(both, steps) => {
                Kept::Directions(Box::new([both[0].again()?, both[1].again()?]), steps.clone())
            }
            Kept::Merged(files, ahead) => Kept::Merged(files.clone(), ahead.clone()),
        })
    }

    /// Opens it once more while it is being read, for what `read` finds in it.
    fn once_more<T>(
        &self,
        limits: capture::Limits,
        read: impl FnOnce(Capture) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut again = self.again().context("it cannot be read twice")?;
        let back = again.positions()?;
        let found = again.open(limits).and_then(|(capture, _)| read(capture));
        again.seek(&back)?;
        found
    }

    /// For files without a name, how far they were read: all that read one move one position.
    fn positions(&mut self) -> io::Result<Vec<u64>> {
        let mut positions = Vec::new();
        self.each_file(&mut |file| {
            positions.push(file.stream_position()?);
            Ok(())
        })?;
        Ok(positions)
    }

    fn seek(&mut self, positions: &[u64]) -> io::Result<()> {
        let mut positions = positions.iter();
        self.each_file(&mut |file| match positions.next() {
            Some(&position) => file.seek(SeekFrom::Start(position)).map(drop),
            None => Ok(()),
        })
    }

    fn each_file(&mut self, act: &mut dyn FnMut(&mut File) -> io::Result<()>) -> io::Result<()> {
        match self {
            Kept::Path(_) | Kept::Memory(_) | Kept::Merged(..) => Ok(()),
            Kept::File(file, _) => act(file),
            Kept::Raw(kept) => kept.each_file(act),
            Kept::Directions(both, _) => both.iter_mut().try_for_each(|kept| kept.each_file(act)),
        }
    }

    /// Opens it from its first byte. How many bytes there are, if that is known.
    fn open(&mut self, limits: capture::Limits) -> anyhow::Result<(Capture, Option<u64>)> {
        Ok(match self {
            Kept::Raw(kept) => {
                let (reader, len) = kept.reader()?;
                (Capture::open_raw(reader, limits)?, len)
            }
            Kept::Directions(both, steps) => {
                let [(client, len), (server, _)] = [both[0].reader()?, both[1].reader()?];
                (Capture::open_directions([client, server], steps.clone(), limits)?, len)
            }
            Kept::Merged(files, ahead) => {
                let len = files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum();
                (merge::open(files, ahead, limits)?, Some(len))
            }
            Kept::Path(_) | Kept::Memory(_) | Kept::File(..) => {
                let (reader, len) = self.reader()?;
                (Capture::open(reader, limits)?, len)
            }
        })
    }

    /// The bytes of a file from the first one, and how many there are.
    fn reader(&mut self) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
        Ok(match self {
            Kept::Path(path) => {
                let (_, reader, len) = open(path)?;
                (reader, len)
            }
            Kept::Memory(bytes) => (Box::new(Cursor::new(Arc::clone(bytes))), Some(bytes.len() as u64)),
            Kept::File(file, len) => {
                file.rewind()?;
                (Box::new(file.try_clone()?), Some(*len))
            }
            Kept::Raw(kept) => kept.reader()?,
            Kept::Directions(both, _) => both[0].reader()?,
            Kept::Merged(files, _) => Kept::Path(files[0].clone()).reader()?,
        })
    }

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

/// So many of several files are named in a note.
const MOST_NAMED: usize = 8;

/// Fails if one of several files is not a file: what comes once has no place among them.
fn ensure_files(files: &[PathBuf]) -> anyhow::Result<()> {
    for path in files {
        let name = in_words(path);
        let metadata = std::fs::metadata(path).with_context(|| format!("cannot open {name}"))?;
        anyhow::ensure!(metadata.is_file(), "cannot merge {name} with other captures: it is not a file");
    }
    Ok(())
}

/// Whether it can be opened and read more than once.
fn is_plain_file(path: &Path) -> bool {
    !is_standard_input(path) && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
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

/// What is said of a capture in which there is nothing that could be judged.
pub fn nothing_to_judge(name: &str) -> String {
    format!(
        "no RTMP in {name}: there is nothing to check; rtmp-inspect streams lists its connections, and --decode-as \
         tcp:PORT treats a port as RTMP"
    )
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

/// Looks at everything and says nothing, but how far it is.
pub struct Silence(Meter);

impl Silence {
    /// For what is read once more.
    pub fn again() -> Silence {
        Silence(Meter::new(None, true))
    }
}

impl Progress for Silence {
    fn warning(&mut self, _: Warning) {}

    fn should_continue(&mut self, capture: &Capture) -> bool {
        self.0.at(capture.bytes_read());
        true
    }
}

/// So many notes wait at most for somebody who takes them.
const MOST_NOTES: usize = 256;

/// A damaged file may give a warning for every block; more than these help nobody.
const MOST_WARNINGS: u64 = 20;

struct Watcher<'a, F> {
    name: &'a str,
    progress: Meter,
    start: &'a Cell<Time>,
    warnings: u64,
    notes: &'a Notes,
    comments: &'a Comments,
    after_frame: F,
}

impl<F: FnMut() -> bool> Progress for Watcher<'_, F> {
    fn started(&mut self, time: Time) {
        self.start.set(time);
    }

    fn note(&mut self, note: capture::Note) {
        match note.about {
            About::Frame(frame) => self.comments.add(Comment { frame, text: note.text }),
            _ => self.notes.add(note),
        }
    }

    fn warning(&mut self, warning: Warning) {
        match warning {
            Warning::Capture(capture::Warning::Assumed(assumption)) => {
                complain("note", &format!("{}: {assumption}", self.name));
            }
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

    fn should_continue(&mut self, capture: &Capture) -> bool {
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
    say(
        counts.duplicates,
        "frames are second copies, as a capture on all interfaces or on two hosts holds; each packet counts once",
    );
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
                Kept::Path(_) | Kept::Raw(_) | Kept::Directions(..) | Kept::Merged(..) => panic!("it is no file"),
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
