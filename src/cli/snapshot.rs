//! `rtmp-inspect snapshot`.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tempfile::SpooledTempFile;

use crate::config::Value;
use crate::recording::{InOrder, Keep, Session, Sink};
use crate::secrets::{Collector, Secrets};
use crate::snapshot::{self, Connection, Part};
use crate::tcp::ConnectionId;

use super::EXIT_OK;
use super::config::ConfigFile;
use super::given::CaptureArgs;
use super::output::Output;
use super::output_file;
use super::record::Subject;
use super::select::{Bounds, Connections};

/// What `snapshot` was asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "A snapshot never contains stream keys or credentials: placeholders replace them and everything \
    else that differs in every recording. It can be used wherever diff takes a capture.\n\nExamples:\n  \
    rtmp-inspect snapshot session.pcap -o session.pcap.snapshot.jsonl\n  \
    rtmp-inspect diff session.pcap.snapshot.jsonl new.pcap"
)]
pub struct Options {
    #[command(flatten)]
    capture: CaptureArgs,

    /// Write to FILE, completely or not at all if it is a regular file; '-' is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What to keep of audio and video [default: sha256]
    #[arg(long, value_enum, value_name = "WHAT")]
    payload: Option<Payload>,

    /// The capture's name in the header [default: the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    config: ConfigFile,

    #[command(flatten)]
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Payload {
    /// Length and SHA-256, and the bytes before the coded payload
    Sha256,
    /// All bytes
    Full,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    let subject = options.capture.given();
    let path = subject.path();
    let configs = options.config.configs()?;
    let mut read = configs.files([path])?;
    read.push(path.to_path_buf());
    output_file::ensure_distinct(&options.output, &read)?;
    let mut given = options.connections.given();
    given.extend(options.payload.map(|payload| Value::FullPayload(payload == Payload::Full)));
    let settings = configs.settings(path, &given)?;
    let payload = match settings.full_payload.value {
        false => snapshot::Payload::Sha256,
        true => snapshot::Payload::Full,
    };
    let mut subject = Subject::open(&subject, &options.bounds)?;
    let input_name = subject.name().to_owned();
    let name = options.name.clone().unwrap_or_else(|| base_name(path));
    let written = snapshot::Options { name, payload };
    let parts = if subject.is_snapshot() {
        let recording = subject.record(&options.connections, &options.bounds, Keep::default())?;
        recording.has_rtmp().then(|| Parts::whole(snapshot::write(&recording, &written))).transpose()?
    } else {
        Parts::of(&mut subject, &options.connections.with(&settings), options, &written)?
    };
    let Some(mut parts) = parts else {
        anyhow::bail!(
            "no RTMP in {input_name}: there is nothing to make a snapshot of; rtmp-inspect streams lists its \
             connections, and --decode-as tcp:PORT treats a port as RTMP"
        );
    };
    match &options.output {
        Some(file) => output_file::write_with(file, |file| parts.write(file))?,
        None => parts.write(output)?,
    }
    Ok(EXIT_OK)
}

/// What the first of two readings is for: the secrets of all sessions, and which sessions there are.
#[derive(Default)]
struct FirstReading {
    secrets: Collector,
    /// The sessions' connections, in order.
    numbers: Vec<ConnectionId>,
}

impl Sink for FirstReading {
    const KEEPS: bool = false;

    fn session(&mut self, session: Session) {
        self.numbers.push(session.stream.tcp_stream);
        self.secrets.session(&session);
    }
}

/// Lets go of what has no secrets before a session waits for those before it.
struct Lightened<S> {
    sessions: InOrder<S>,
    /// Whether there is RTMP in any of them, before anything is let go.
    has_rtmp: bool,
}

impl<S: Sink> Sink for Lightened<S> {
    const KEEPS: bool = S::KEEPS;

    fn session(&mut self, session: Session) {
        self.has_rtmp |= session.has_rtmp();
        self.sessions.session(Collector::what_matters(session));
    }

    fn over(&mut self, connection: ConnectionId) {
        self.sessions.over(connection);
    }
}

/// So much of a snapshot waits in memory; more waits in a temporary file.
const MOST_IN_MEMORY: usize = 16 << 20;
/// So many bytes of media bodies are held while their sessions are open: a snapshot has their hashes and beginnings.
const MEDIA: usize = 8 << 20;

/// The parts of a snapshot, as the sessions ended. The header, which is first, is complete only when all of them have.
struct Parts {
    header: String,
    /// By its number in the snapshot: what the header says of a session, and where its lines are.
    sessions: BTreeMap<u32, (Option<Connection>, Range<u64>)>,
    lines: SpooledTempFile,
    end: u64,
}

impl Parts {
    fn new() -> Parts {
        let lines = SpooledTempFile::new(MOST_IN_MEMORY);
        Parts { header: String::new(), sessions: BTreeMap::new(), lines, end: 0 }
    }

    /// A snapshot that is whole.
    fn whole(text: String) -> anyhow::Result<Parts> {
        Ok(Parts { header: text, ..Parts::new() })
    }

    /// Those of a capture, which is read twice: placeholders for secrets are numbered over all its sessions, so they
    /// are known only at its end. None if there is no RTMP in it.
    fn of(
        subject: &mut Subject,
        connections: &Connections,
        options: &Options,
        written: &snapshot::Options,
    ) -> anyhow::Result<Option<Parts>> {
        let media = if written.payload == snapshot::Payload::Full { usize::MAX } else { MEDIA };
        // The same bytes of media bodies, so that no byte is shown that was not looked at.
        let light = Keep { media, ..Keep::default() };
        let first = subject.record_into(connections, &options.bounds, light, || Lightened {
            sessions: InOrder::new(FirstReading::default()),
            has_rtmp: false,
        })?;
        let FirstReading { secrets, numbers } = first.sessions.finish();
        if !first.has_rtmp {
            return Ok(None);
        }
        let secrets = secrets.into_secrets();
        let keep = Keep { digests: true, media, ..Keep::default() };
        let made = subject.record_into(connections, &options.bounds, keep, || Making {
            parts: Parts::new(),
            secrets: &secrets,
            numbers: &numbers,
            payload: written.payload,
            failure: None,
        })?;
        if let Some(failure) = made.failure {
            return Err(failure).context("cannot keep the snapshot in a temporary file");
        }
        let mut parts = made.parts;
        let of_header = parts.sessions.values_mut().filter_map(|(connection, _)| connection.take()).collect();
        parts.header = snapshot::header(written, of_header);
        Ok(Some(parts))
    }

    fn add(&mut self, number: u32, part: Part) -> io::Result<()> {
        self.lines.write_all(part.lines.as_bytes())?;
        let from = self.end;
        self.end += part.lines.len() as u64;
        self.sessions.insert(number, (Some(part.connection), from..self.end));
        Ok(())
    }

    /// Writes the snapshot: the header, and the sessions in order.
    fn write(&mut self, to: &mut dyn Write) -> anyhow::Result<()> {
        to.write_all(self.header.as_bytes())?;
        for (_, lines) in self.sessions.values() {
            self.lines.seek(SeekFrom::Start(lines.start))?;
            io::copy(&mut (&mut self.lines).take(lines.end - lines.start), to)?;
        }
        Ok(())
    }
}

/// Makes the part of each session when it is over, and lets go of it.
struct Making<'s> {
    parts: Parts,
    secrets: &'s Secrets,
    numbers: &'s [ConnectionId],
    payload: snapshot::Payload,
    failure: Option<io::Error>,
}

impl Sink for Making<'_> {
    const KEEPS: bool = false;

    fn session(&mut self, session: Session) {
        // Both readings have the same sessions, of one capture.
        let Ok(number) = self.numbers.binary_search(&session.stream.tcp_stream) else { return };
        let number = number as u32;
        let part = snapshot::part(number, &session, self.secrets, self.payload);
        if let (None, Err(failure)) = (&self.failure, self.parts.add(number, part)) {
            self.failure = Some(failure);
        }
    }
}

fn base_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned())
}
