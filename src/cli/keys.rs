//! The keys for what is encrypted: key log files, and what a capture itself has of them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context;

use crate::capture::{self, Capture};
use crate::tunnel::tls::{self, KeyLog, MoreKeys};

use super::input::in_words;
use super::select::KeyLogFile;

/// So much is read of a key log; those of a browser that runs for months are shorter.
const MOST: u64 = 256 << 20;

/// Reads the files. `rest` gives the key logs that a capture has, if it can be read again; `is_live`: more may be added
/// to the files while the capture is read.
pub fn read(
    files: &[KeyLogFile],
    is_live: bool,
    rest: Option<impl Fn() -> anyhow::Result<Vec<u8>> + Send + Sync + 'static>,
) -> anyhow::Result<tls::Options> {
    let mut keys = KeyLog::default();
    let mut lengths = Vec::new();
    for file in files {
        let text = match bytes_from(file, 0) {
            Ok(text) => text,
            Err(_) if !file.is_asked_for => Vec::new(),
            // The program that writes it may not have begun.
            Err(error) if is_live && error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", in_words(&file.path))),
        };
        // A line that is being written is read when it is whole.
        let text = if is_live { whole_lines(&text) } else { &text };
        let found = keys.add(text);
        let is_other = found == 0 && text.iter().any(|byte| !byte.is_ascii_whitespace());
        anyhow::ensure!(
            !is_other || !file.is_asked_for,
            "{} is not a TLS key log: no line of it is `LABEL CLIENT_RANDOM SECRET` with a label that is known",
            in_words(&file.path)
        );
        lengths.push(text.len() as u64);
    }
    let (grows, has_rest) = (is_live && !files.is_empty(), AtomicBool::new(rest.is_some()));
    if !grows && rest.is_none() {
        return Ok(tls::Options { keys: Arc::new(keys), more: None });
    }
    let (files, lengths) = (files.to_vec(), Mutex::new(lengths));
    let more = move || {
        let mut added = Vec::new();
        if has_rest.swap(false, Ordering::Relaxed) {
            // What is wrong with the capture is told of when it is read for its rows.
            added = rest.as_ref().and_then(|rest| rest().ok()).unwrap_or_default();
        }
        let mut lengths = lengths.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (file, length) in files.iter().zip(lengths.iter_mut()).filter(|_| grows) {
            let Ok(text) = bytes_from(file, *length) else { continue };
            let whole = whole_lines(&text);
            *length += whole.len() as u64;
            added.extend_from_slice(whole);
        }
        added
    };
    let more = MoreKeys::new(more);
    Ok(tls::Options { keys: Arc::new(keys), more: Some(if grows { more } else { more.once() }) })
}

fn whole_lines(text: &[u8]) -> &[u8] {
    &text[..text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)]
}

fn bytes_from(file: &KeyLogFile, start: u64) -> io::Result<Vec<u8>> {
    let mut reader = File::open(&file.path)?;
    if start > 0 {
        reader.seek(SeekFrom::Start(start))?;
    }
    let mut text = Vec::new();
    reader.take(MOST).read_to_end(&mut text)?;
    Ok(text)
}

/// The key logs in a capture.
pub fn in_capture(mut capture: Capture) -> anyhow::Result<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(event) = capture.next()? {
        if let capture::Event::Secrets(text) = event
            && (found.len() + text.len()) as u64 <= MOST
        {
            found.extend_from_slice(text);
            found.push(b'\n');
        }
    }
    Ok(found)
}
