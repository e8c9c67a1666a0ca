//! Standard output and standard error.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::view::{self, Layout};

use super::interrupt;

/// So many bytes are printed at once.
const ENOUGH: usize = 64 << 10;

/// Standard output, buffered, and what it is connected to. It is written in whole lines.
pub struct Output {
    pipe: Pipe,
    buffer: Vec<u8>,
    /// How much of the buffer is whole lines.
    lines: usize,
    /// Whether escape sequences for colour are wanted.
    pub colour: bool,
    /// Whether it is a terminal.
    pub is_terminal: bool,
}

impl Output {
    /// Standard output; colour as `ColorChoice`'s global setting has it.
    pub fn stdout() -> Output {
        let stdout = io::stdout();
        let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        let is_terminal = stdout.is_terminal();
        Output {
            pipe: Pipe { stdout, is_closed: false },
            buffer: Vec::with_capacity(ENOUGH + (ENOUGH >> 2)),
            lines: 0,
            colour,
            is_terminal,
        }
    }

    /// Whether nobody reads any more: whoever does not have to go on to know the exit status can stop.
    pub fn is_closed(&self) -> bool {
        self.pipe.is_closed
    }

    /// The terminal's width; none where it is no terminal, so that nothing is cut.
    pub fn layout(&self) -> Layout {
        let width = self.is_terminal.then(terminal_size::terminal_size).flatten();
        Layout { width: width.map(|(width, _)| width.0.into()) }
    }

    /// Prints a line that is written into the buffer itself: looking for line ends in each of the many small pieces that
    /// JSON is written in, and copying them, took a fifth of the time of `decode --format jsonl`.
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        write(&mut self.buffer)?;
        self.buffer.push(b'\n');
        self.lines = self.buffer.len();
        if self.buffer.len() >= ENOUGH { self.write_out(self.lines) } else { Ok(()) }
    }

    /// Prints text for people: on a terminal no line is wider than it.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        let layout = self.layout();
        self.write_all(view::fit(text, layout).as_bytes())
    }
}

/// Standard output, whose reader may have enough, as `head` has: what is written then is let go. That is no error, and
/// changes no verdict.
struct Pipe {
    stdout: Stdout,
    is_closed: bool,
}

impl Pipe {
    fn unless_closed<T>(&mut self, result: io::Result<T>, instead: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(instead)
            }
            result => result,
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let result = self.stdout.write(bytes);
        self.unless_closed(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.stdout.flush();
        self.unless_closed(result, ())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(at) = memchr::memrchr(b'\n', bytes) {
            self.lines = self.buffer.len() + at + 1;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= ENOUGH && self.lines > 0 {
            self.write_out(self.lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out(self.buffer.len())?;
        self.pipe.flush()
    }
}

impl Output {
    fn write_out(&mut self, len: usize) -> io::Result<()> {
        let _whole = interrupt::printing();
        // Standard output keeps the end of a piece that was interrupted in a buffer of its own, and takes it for written.
        let result = self.pipe.write_all(&self.buffer[..len]).and_then(|()| self.pipe.flush());
        self.buffer.drain(..len);
        self.lines = 0;
        result
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After an error what came before it is printed too.
        let _ = self.flush();
    }
}

thread_local! {
    /// What this thread has to say, while that is kept.
    static KEPT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs something, and gives beside its result what it would have said on standard error: for several at once, of
/// which each is to speak in its turn.
pub fn keeping_complaints<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    KEPT.set(Some(Vec::new()));
    let result = run();
    (result, KEPT.take().unwrap_or_default())
}

/// Says what was kept.
pub fn repeat_complaints(complaints: &[String]) {
    for (kind, message) in complaints.iter().filter_map(|line| line.split_once(": ")) {
        complain(kind, message);
    }
}

/// Prints a line on standard error: `error: …`, `warning: …`, `note: …`.
pub fn complain(kind: &str, message: &str) {
    let is_kept = KEPT.with_borrow_mut(|kept| kept.as_mut().map(|kept| kept.push(format!("{kind}: {message}"))));
    if is_kept.is_some() {
        return;
    }
    let style = match kind {
        "error" => anstyle::AnsiColor::Red,
        "warning" => anstyle::AnsiColor::Yellow,
        _ => anstyle::AnsiColor::Cyan,
    };
    let style = style.on_default().bold();
    // Lines after the first are set in, so that no name from a file or the wire can pass for a line of ours.
    let lines: Vec<_> = message.lines().map(crate::escape::escape).collect();
    let message = format!("{kind}: {}", lines.join("\n  "));
    let width = io::stderr().is_terminal().then(|| terminal_size::terminal_size_of(io::stderr())).flatten();
    let message = view::fit(&message, Layout { width: width.map(|(width, _)| width.0.into()) });
    let message = message.strip_prefix(kind).unwrap_or(&message);
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(anstream::stderr(), "{style}{kind}{style:#}{message}");
}

/// Shows on a terminal how far a long run has come, how fast it is, and how long it will take.
pub struct Meter {
    is_wanted: bool,
    /// Bytes of the file, if it is one.
    total: Option<u64>,
    began: Instant,
    /// At how many bytes the clock is looked at next.
    next: u64,
    /// When the line was written last.
    shown: Option<Instant>,
}

/// Whether a line of progress is on the terminal.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

impl Meter {
    /// What is over sooner needs no line.
    const SOON: Duration = Duration::from_secs(1);
    /// How often the line changes.
    const OFTEN: Duration = Duration::from_millis(200);
    /// So many bytes are read between two looks at the clock.
    const STEP: u64 = 1 << 18;

    /// Progress through a capture, of `total` bytes if it is a file, if there is a terminal to show it on.
    pub fn new(total: Option<u64>, rows_are_on_the_terminal: bool) -> Meter {
        let is_alone = KEPT.with_borrow(Option::is_none);
        let is_wanted = is_alone && io::stderr().is_terminal() && !rows_are_on_the_terminal;
        Meter { is_wanted, total, began: Instant::now(), next: 0, shown: None }
    }

    /// `read` bytes are read.
    pub fn at(&mut self, read: u64) {
        if !self.is_wanted || read < self.next {
            return;
        }
        self.next = read + Self::STEP;
        let now = Instant::now();
        let is_time = match self.shown {
            Some(shown) => now - shown >= Self::OFTEN,
            None => now - self.began >= Self::SOON,
        };
        if is_time {
            self.shown = Some(now);
            IS_SHOWN.store(true, Ordering::Relaxed);
            let _ = write!(io::stderr(), "\r{}\x1b[K", progress(read, self.total, now - self.began));
        }
    }

    /// The run is over: the line is cleared.
    pub fn done(&mut self) {
        if self.shown.is_some() {
            Meter::clear();
        }
    }

    /// Takes the line away, if there is one.
    pub fn clear() {
        if IS_SHOWN.swap(false, Ordering::Relaxed) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// ` 42 % of 300 MiB, 85 MiB/s, 3 s left`, or without a total `126 MiB, 85 MiB/s`.
fn progress(read: u64, total: Option<u64>, since: Duration) -> String {
    let rate = read as f64 / since.as_secs_f64().max(1e-3);
    let speed = format!("{:.0} MiB/s", rate / f64::from(1 << 20));
    match total.filter(|&total| total > 0) {
        None => format!("{} MiB, {speed}", read >> 20),
        Some(total) => {
            let left = total.saturating_sub(read) as f64 / rate.max(1.0);
            let left = if left < 90.0 { format!("{left:.0} s") } else { format!("{:.0} min", left / 60.0) };
            format!("{:3} % of {} MiB, {speed}, {left} left", (100 * read / total).min(100), total >> 20)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_a_rate_and_the_time_that_is_left() {
        let after = Duration::from_secs;
        assert_eq!(progress(100 << 20, Some(300 << 20), after(2)), " 33 % of 300 MiB, 50 MiB/s, 4 s left");
        assert_eq!(progress(100 << 20, Some(10_000 << 20), after(2)), "  1 % of 10000 MiB, 50 MiB/s, 3 min left");
        // A file that grew.
        assert_eq!(progress(3 << 20, Some(2 << 20), after(1)), "100 % of 2 MiB, 3 MiB/s, 0 s left");
        assert_eq!(progress(100 << 20, None, after(4)), "100 MiB, 25 MiB/s");
    }
}
