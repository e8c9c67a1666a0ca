//! What a program does with a capture: its messages one by one, and its sessions recorded.
//!
//! Takes a way to open a capture, returns [`Messages`] or a [`Recording`], read as the command reads a file: twice where
//! a connection begins in mid-session, so that what comes later tells who is who. What is found in recordings is the
//! business of [`crate::diff`] and [`crate::lint`]. It opens no file by name and prints nothing.

mod message;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use crate::capture::{self, Capture};
use crate::origin::SourceMap;
use crate::packet::Skip;
use crate::pipeline::{self, Limits, Pipeline, Progress, Warning};
use crate::recording::{self, Keep, Recording};
use crate::rtmp::decoder;
use crate::session::{self, Event, Kind, Learned, Observer, ReadAhead, RtmpSession};
use crate::tcp::Connection;

pub use message::{CapturedMessage, Field};

/// A capture, and how to read it: pcap or pcapng, bare or in gzip, zstd, xz or lz4; or text that holds a hex dump.
///
/// It is opened again for each reading. A capture that can be read only once, as a pipe, is kept in memory by
/// [`CaptureSource::read`].
#[derive(Clone)]
pub struct CaptureSource {
    open: Arc<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync>,
    warn: Warn,
    options: session::Options,
}

impl CaptureSource {
    /// The capture that `open` opens, from its first byte: `CaptureSource::new(|| File::open("mine.pcap"))`.
    pub fn new<R, F>(open: F) -> CaptureSource
    where
        R: Read + Send + 'static,
        F: Fn() -> io::Result<R> + Send + Sync + 'static,
    {
        CaptureSource {
            open: Arc::new(move || Ok(Box::new(open()?))),
            warn: Arc::new(|_| {}),
            options: session::Options::default(),
        }
    }

    /// The capture with these bytes.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> CaptureSource {
        let bytes = bytes.into();
        CaptureSource::new(move || Ok(Cursor::new(Arc::clone(&bytes))))
    }

    /// Reads a capture to its end and keeps it in memory.
    pub fn read(mut reader: impl Read) -> io::Result<CaptureSource> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        Ok(CaptureSource::from_bytes(bytes))
    }

    /// Treats connections on a TCP port as RTMP, whatever their first bytes are. Without it RTMP is recognised by its
    /// handshake, and on port 1935 also by plausible chunks.
    pub fn decode_as(mut self, port: u16) -> CaptureSource {
        self.options.forced_ports.push(port);
        self
    }

    /// Decrypts TLS with the secrets of a key log in NSS's format, as `SSLKEYLOGFILE` makes programs write it. May be
    /// called several times. Secrets inside a pcapng file are used without it.
    pub fn key_log(mut self, text: &[u8]) -> CaptureSource {
        Arc::make_mut(&mut self.options.tunnel.tls.keys).add(text);
        self
    }

    /// Calls `warn` with a sentence about each part of the file that cannot be read, as a damaged block or a cut end.
    /// What can be read is read nevertheless.
    pub fn on_warning(self, warn: impl Fn(&dyn fmt::Display) + Send + Sync + 'static) -> CaptureSource {
        CaptureSource { warn: Arc::new(warn), ..self }
    }

    /// Its messages, in the order in which they are complete. Memory depends on the messages that are open, not on the
    /// size of the capture.
    pub fn messages(&self) -> Result<Messages, capture::Error> {
        let options = self.reading_ahead(self.options.clone());
        Ok(Messages {
            capture: self.open()?,
            pipeline: Pipeline::new(Limits::default(), options, Queue::default()),
            watch: Watch { warn: Some(Arc::clone(&self.warn)) },
            is_over: false,
        })
    }

    /// Its sessions, every message kept: what [`diff`](crate::diff()) compares and [`lint`](crate::lint()) checks. Of
    /// audio and video beyond 64 MiB only the first bytes and a hash are kept.
    pub fn record(&self) -> Result<Recording, capture::Error> {
        self.record_with(self.options.clone(), Some(Arc::clone(&self.warn)))
    }

    fn record_with(&self, options: session::Options, mut warn: Option<Warn>) -> Result<Recording, capture::Error> {
        recording::record(self.reading_ahead(options), &Keep::default(), |options, recorder| {
            // The second reading finds the same damage.
            let mut watch = Watch { warn: warn.take() };
            Ok(pipeline::run(&mut self.open()?, Limits::default(), options, recorder, &mut watch)?.0)
        })
    }

    fn open(&self) -> Result<Capture, capture::Error> {
        Capture::open((self.open)()?, capture::Limits::default())
    }

    /// The options with a way to learn from all of the capture what its connections show of the servers.
    fn reading_ahead(&self, options: session::Options) -> session::Options {
        let source = self.clone();
        let plain = session::Options {
            decoder: decoder::Options { media_prefix: 0, ..options.decoder },
            read_ahead: None,
            ..options.clone()
        };
        let learn = move || {
            let read = || -> Result<Learned, capture::Error> {
                let mut watch = Watch { warn: None };
                let (options, learned) = (plain.clone(), Learned::default());
                Ok(pipeline::run(&mut source.open()?, Limits::default(), options, learned, &mut watch)?.0)
            };
            // An error is reported by the reading that this one helps.
            read().unwrap_or_default()
        };
        session::Options { read_ahead: Some(ReadAhead::new(learn)), ..options }
    }
}

/// Records two captures that are to be compared. A session without a recognisable beginning in one is recognised by the
/// port of the server in the other.
pub fn record_pair(a: &CaptureSource, b: &CaptureSource) -> Result<[Recording; 2], capture::Error> {
    let recordings = [a.record()?, b.record()?];
    let mut ports = recording::server_ports(&recordings);
    ports.retain(|port| !a.options.ports.contains(port));
    if ports.is_empty() {
        return Ok(recordings);
    }
    let again = |source: &CaptureSource| {
        let known = source.options.ports.iter().chain(&ports).copied().collect();
        source.record_with(session::Options { ports: known, ..source.options.clone() }, None)
    };
    Ok([again(a)?, again(b)?])
}

impl fmt::Debug for CaptureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureSource").finish_non_exhaustive()
    }
}

/// The messages of a capture, in the order in which they are complete.
///
/// Handshakes, holes and bytes that cannot be decoded are not messages; the last two are counted. A message that bytes
/// are missing of says so: [`CapturedMessage::is_complete`].
pub struct Messages {
    capture: Capture,
    pipeline: Pipeline<Queue>,
    watch: Watch,
    is_over: bool,
}

impl Messages {
    /// How many bytes of RTMP connections were not captured, so far.
    pub fn missing_bytes(&mut self) -> u64 {
        self.pipeline.observer().missing_bytes
    }

    /// How many bytes of RTMP connections could not be decoded, so far.
    pub fn undecoded_bytes(&mut self) -> u64 {
        self.pipeline.observer().undecoded_bytes
    }
}

impl Iterator for Messages {
    type Item = Result<CapturedMessage, capture::Error>;

    /// The next message. After an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(message) = self.pipeline.observer().ready.pop_front() {
                return Some(Ok(message));
            }
            if self.is_over {
                return None;
            }
            match self.pipeline.step(&mut self.capture, &mut self.watch) {
                Ok(more) => self.is_over = !more,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl std::iter::FusedIterator for Messages {}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("frames", &self.capture.frames()).finish_non_exhaustive()
    }
}

/// The messages that a frame has completed.
#[derive(Default)]
struct Queue {
    ready: VecDeque<CapturedMessage>,
    seen: u64,
    missing_bytes: u64,
    undecoded_bytes: u64,
}

impl Observer for Queue {
    fn event(&mut self, event: &Event<'_>) {
        self.seen += 1;
        match &event.kind {
            Kind::Message(message) => {
                let mut sources = SourceMap::default();
                for run in event.sources.resolve(message.start()..message.end()) {
                    sources.push(run.start, run.len, run.from);
                }
                self.ready.push_back(CapturedMessage::new(self.seen, event, message, sources));
            }
            Kind::Gap(gap) => self.missing_bytes += gap.len,
            Kind::Undecoded { range, .. } => self.undecoded_bytes += range.end - range.start,
            Kind::Handshake(..) => {}
        }
    }

    fn closed(&mut self, _: &Connection, _: &RtmpSession) {}
}

type Warn = Arc<dyn Fn(&dyn fmt::Display) + Send + Sync>;

/// Passes on what the user should know about the file, if it is to be told.
struct Watch {
    warn: Option<Warn>,
}

impl Progress for Watch {
    fn warning(&mut self, warning: Warning) {
        let Some(warn) = &self.warn else { return };
        match warning {
            Warning::Capture(warning) => warn(&warning),
            Warning::Packet(Skip::UnknownLink { link, first: true }) => warn(&link),
            Warning::Packet(_) => {}
        }
    }

    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}
