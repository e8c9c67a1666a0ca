//! `rtmp-inspect snapshot`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::config::Value;
use crate::recording::Keep;
use crate::snapshot;

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
    let subject = Subject::open(&subject, &options.bounds)?;
    let input_name = subject.name().to_owned();
    let connections =
        if subject.is_snapshot() { options.connections.clone() } else { options.connections.with(&settings) };
    let keep = Keep { digests: true, all: payload == snapshot::Payload::Full, ..Keep::default() };
    let recording = subject.record(&connections, &options.bounds, keep)?;
    anyhow::ensure!(
        recording.has_rtmp(),
        "no RTMP in {input_name}: there is nothing to make a snapshot of; rtmp-inspect streams lists its connections, \
         and --decode-as tcp:PORT treats a port as RTMP"
    );
    let name = options.name.clone().unwrap_or_else(|| base_name(path));
    let text = snapshot::write(&recording, &snapshot::Options { name, payload });
    match &options.output {
        Some(file) => output_file::write(file, text.as_bytes())?,
        None => output.write_all(text.as_bytes())?,
    }
    Ok(EXIT_OK)
}

fn base_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned())
}
