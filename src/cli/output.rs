//! Standard output and standard error.

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::view::{self, Layout};

/// Standard output, buffered, and what it is connected to.
pub struct Output {
    writer: BufWriter<Pipe>,
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
            writer: BufWriter::with_capacity(64 << 10, Pipe { stdout: stdout.lock(), is_closed: false }),
            colour,
            is_terminal,
        }
    }

    /// Whether nobody reads any more: whoever does not have to go on to know the exit status can stop.
    pub fn is_closed(&self) -> bool {
        self.writer.get_ref().is_closed
    }

    /// The terminal's width; none where it is no terminal, so that nothing is cut.
    pub fn layout(&self) -> Layout {
        let width = self.is_terminal.then(terminal_size::terminal_size).flatten();
        Layout { width: width.map(|(width, _)| width.0.into()) }
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
    stdout: StdoutLock<'static>,
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
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
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

/// Shows on a terminal how far a long run has come.
pub struct Meter {
    total: Option<u64>,
    next: u64,
    shown: bool,
}

impl Meter {
    /// Files below this size are read before anybody could wonder, in bytes.
    const LONG: u64 = 64 << 20;

    /// Progress through `total` bytes, if that is worth showing and there is a terminal to show it on.
    pub fn new(total: Option<u64>, rows_are_on_the_terminal: bool) -> Meter {
        let alone = KEPT.with_borrow(Option::is_none);
        let wanted = alone && io::stderr().is_terminal() && !rows_are_on_the_terminal;
        Meter { total: total.filter(|&total| wanted && total > Self::LONG), next: 0, shown: false }
    }

    /// `read` bytes are read.
    pub fn at(&mut self, read: u64) {
        let Some(total) = self.total.filter(|_| read >= self.next) else { return };
        self.next = read + total / 100;
        self.shown = true;
        let _ = write!(io::stderr(), "\r{:3} % of {} MiB", (100 * read / total).min(100), total >> 20);
    }

    /// The run is over: the line is cleared.
    pub fn done(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
