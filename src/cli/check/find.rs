//! Which captures a check is about: those that are named, and those found in directories.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::check::SUFFIX;

use super::super::config::Configs;
use super::super::input::in_words;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The captures, and snapshots without one, in order: as they were named, and by name within a directory.
    pub subjects: Vec<Subject>,
}

/// Something to check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A capture.
    Capture(PathBuf),
    /// A snapshot whose capture is missing.
    Orphan(PathBuf),
}

/// How the names of captures end, before `.gz` or `.zst`.
const EXTENSIONS: [&str; 3] = [".pcap", ".pcapng", ".cap"];
/// What captures begin with: pcap in both byte orders, with micro- and nanoseconds, and modified; pcapng.
const MAGIC: [[u8; 4]; 7] = [
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xcd, 0x34],
    [0x34, 0xcd, 0xb2, 0xa1],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// Finds what is to be checked.
pub fn find(paths: &[PathBuf], configs: &Configs) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for path in paths {
        let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", in_words(path)))?;
        let subjects = if metadata.is_dir() {
            let mut subjects = Vec::new();
            directory(path, configs, &mut subjects)?;
            subjects.sort_by(|a, b| a.path().cmp(b.path()));
            anyhow::ensure!(
                !subjects.is_empty(),
                "there are no captures in {}: files that end in .pcap, .pcapng or .cap, or begin as one",
                in_words(path)
            );
            subjects
        } else {
            let name = in_words(path);
            anyhow::ensure!(
                !name.ends_with(SUFFIX),
                "{name} is a snapshot; give the capture, or the directory of both"
            );
            vec![Subject::Capture(path.clone())]
        };
        for subject in subjects {
            if !found.subjects.contains(&subject) {
                found.subjects.push(subject);
            }
        }
    }
    Ok(found)
}

/// The snapshot that belongs to a capture.
pub fn snapshot_of(capture: &Path) -> PathBuf {
    let mut name = capture.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

impl Subject {
    /// Its file.
    pub fn path(&self) -> &Path {
        match self {
            Subject::Capture(path) | Subject::Orphan(path) => path,
        }
    }
}

fn directory(path: &Path, configs: &Configs, found: &mut Vec<Subject>) -> anyhow::Result<()> {
    let cannot_read = || format!("cannot read the directory {}", in_words(path));
    for entry in fs::read_dir(path).with_context(cannot_read)? {
        let entry = entry.with_context(cannot_read)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        // `.` is left out of what is shown.
        let file = if path == Path::new(".") { PathBuf::from(entry.file_name()) } else { entry.path() };
        // Links to directories are not followed: they may lead in a circle.
        if entry.file_type().with_context(cannot_read)?.is_dir() {
            directory(&file, configs, found)?;
        } else if !file.is_file() || configs.exclude(&file)? {
            continue;
        } else if let Some(capture) = name.strip_suffix(SUFFIX) {
            if !file.with_file_name(capture).exists() {
                found.push(Subject::Orphan(file));
            }
        } else if has_name(&name) || has_magic(&file) {
            found.push(Subject::Capture(file));
        }
    }
    Ok(())
}

fn has_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    EXTENSIONS.iter().any(|extension| bare.ends_with(extension))
}

fn has_magic(path: &Path) -> bool {
    let mut begin = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && MAGIC.contains(&begin)
}
