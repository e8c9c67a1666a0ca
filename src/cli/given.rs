//! What is named on the command line as a capture.
//!
//! A path, or `-`; with `--raw` the bytes of a direction or of both. Where a subcommand takes several captures,
//! `raw:FILE` and `raw:C2S,S2C` say the same of one of them.

use std::path::{Path, PathBuf};

use super::input::{in_words, is_standard_input};
use super::merge;

/// A capture, as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A file, or standard input.
    Capture(PathBuf),
    /// The bytes of one direction.
    Raw(PathBuf),
    /// The bytes of both, first the client's.
    Directions([PathBuf; 2]),
    /// Several files that are one capture.
    Merged(Vec<PathBuf>),
}

impl Given {
    /// What an argument names.
    pub fn of(argument: &Path) -> Given {
        let text = argument.to_str().and_then(|text| text.strip_prefix("raw:"));
        let Some(text) = text.filter(|_| !argument.exists()) else {
            return match merge::files(argument) {
                Some(files) => Given::several(files),
                None => Given::Capture(argument.to_owned()),
            };
        };
        match text.split_once(',').filter(|_| !Path::new(text).exists()) {
            Some((client, server)) => Given::Directions([client.into(), server.into()]),
            None => Given::Raw(text.into()),
        }
    }

    /// Several files, or one.
    pub fn several(mut files: Vec<PathBuf>) -> Given {
        match files.len() {
            1 => Given::Capture(files.remove(0)),
            _ => Given::Merged(files),
        }
    }

    /// What several arguments name where each may be a capture: one for all if they are to be merged, or their names say
    /// that they are a ring.
    pub fn captures(arguments: &[PathBuf], merge: bool) -> Vec<Given> {
        match merge || merge::are_a_ring(arguments) {
            true => vec![Given::several(arguments.to_vec())],
            false => arguments.iter().map(|argument| Given::of(argument)).collect(),
        }
    }

    /// What to call it in messages.
    pub fn name(&self) -> String {
        let one = |path: &Path| match is_standard_input(path) {
            true => "standard input".to_owned(),
            false => in_words(path),
        };
        match self {
            Given::Capture(path) | Given::Raw(path) => one(path),
            Given::Directions([client, server]) => format!("{} and {}", one(client), one(server)),
            Given::Merged(files) => match &files[..] {
                [first, .., last] => format!("{} to {} ({} files)", one(first), one(last), files.len()),
                _ => String::new(),
            },
        }
    }

    /// Its path, or the first of them: where its settings are looked for.
    pub fn path(&self) -> &Path {
        match self {
            Given::Capture(path) | Given::Raw(path) | Given::Directions([path, _]) => path,
            Given::Merged(files) => files.first().map_or(Path::new(""), PathBuf::as_path),
        }
    }

    /// The path, if it is one file.
    pub fn as_file(&self) -> Option<&Path> {
        match self {
            Given::Capture(path) | Given::Raw(path) => Some(path),
            Given::Directions(_) | Given::Merged(_) => None,
        }
    }

    /// Whether it is announced as raw bytes.
    pub fn is_raw(&self) -> bool {
        matches!(self, Given::Raw(_) | Given::Directions(_))
    }

    /// Whether it is one file of which nothing is said.
    pub fn is_plain(&self) -> bool {
        matches!(self, Given::Capture(_))
    }
}

/// The options that name a capture.
#[derive(Debug, clap::Args)]
pub struct CaptureArgs {
    /// The capture: pcap or pcapng, also compressed; hex text or a direction's raw bytes; '-' reads standard input as it
    /// comes. Several files are read as one capture, in order of time
    #[arg(value_name = "CAPTURE", required_unless_present_any = ["read", "raw"])]
    path: Vec<PathBuf>,

    /// The capture, as tshark takes it
    #[arg(short = 'r', value_name = "CAPTURE", conflicts_with = "path", hide_short_help = true)]
    read: Option<PathBuf>,

    /// The bytes of one direction of a connection, raw or as hex; or of both, first the client's
    #[arg(long, value_name = "FILE", num_args = 1..=2, conflicts_with_all = ["path", "read"])]
    raw: Vec<PathBuf>,
}

impl CaptureArgs {
    /// What is named, however it was given.
    pub fn given(&self) -> Given {
        self.named().expect("one of them is required")
    }

    /// What is named, where there need not be anything.
    pub fn named(&self) -> Option<Given> {
        Some(match &self.raw[..] {
            [] => match &self.path[..] {
                [] => Given::of(self.read.as_deref()?),
                [one] => Given::of(one),
                several => Given::several(several.to_vec()),
            },
            [one] => Given::Raw(one.clone()),
            [client, server, ..] => Given::Directions([client.clone(), server.clone()]),
        })
    }
}
