//! Several files that are one capture: which names say that they are a ring, and how far the clocks of two hosts differ.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use globset::GlobBuilder;
use rustc_hash::FxHashMap;

use crate::capture::{self, Capture, Event, Part};
use crate::packet::{Outcome, Slicer};
use crate::pipeline::Limits;

use super::input::in_words;

/// The files that a pattern names, in order of their names; `None` if it is not a pattern.
pub fn files(pattern: &Path) -> Option<Vec<PathBuf>> {
    let name = pattern.file_name()?.to_str()?;
    if !name.contains(['*', '?', '[', '{']) || pattern.exists() {
        return None;
    }
    let glob = GlobBuilder::new(name).literal_separator(true).build().ok()?.compile_matcher();
    let directory = pattern.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| glob.is_match(entry.file_name()) && entry.path().is_file())
        .map(|entry| if directory == Path::new(".") { entry.file_name().into() } else { entry.path() })
        .collect();
    files.sort();
    (!files.is_empty()).then_some(files)
}

/// Whether the names are those that `tcpdump -C` or `dumpcap -b` give the files of one capture.
pub fn are_a_ring(paths: &[PathBuf]) -> bool {
    let rings: Option<Vec<String>> = paths.iter().map(|path| ring(path)).collect();
    rings.is_some_and(|rings| {
        let is_one = rings.len() > 1 && rings.windows(2).all(|pair| pair[0] == pair[1]);
        // The first of `tcpdump -C` has no number; several files with one name are no ring.
        is_one && paths.windows(2).all(|pair| pair[0] != pair[1])
    })
}

/// What the names of a ring's files have in common: of `a_00001_20261128135000.pcapng` and of `a.pcap1`.
fn ring(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let directory = path.parent()?.to_string_lossy().into_owned();
    let (stem, extension) = name.split_once('.')?;
    let is_number = |text: &str, least: usize| text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = stem.rsplitn(3, '_');
    if let (Some(time), Some(number), Some(base)) = (parts.next(), parts.next(), parts.next())
        && is_number(time, 14)
        && is_number(number, 5)
    {
        return Some(format!("{directory}/{base}.{extension}"));
    }
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_capture = [".pcap", ".cap", ".dmp", ".pcapng"].into_iter().any(|extension| base.ends_with(extension));
    is_capture.then(|| format!("{directory}/{base}"))
}

/// How far the clock of each file is ahead of the first one's, in nanoseconds. `note` is told of that.
pub fn clocks(paths: &[PathBuf], limits: Limits, mut note: impl FnMut(String)) -> anyhow::Result<Vec<i64>> {
    let mut ahead = vec![0; paths.len()];
    // In a ring no packet is in two files.
    if paths.len() > MOST_HOSTS || are_a_ring(paths) {
        return Ok(ahead);
    }
    let seen = paths.iter().map(|path| segments(path, limits)).collect::<anyhow::Result<Vec<_>>>()?;
    for at in 1..seen.len() {
        let Some((offset, count)) = offset(&seen[0], &seen[at]) else { continue };
        ahead[at] = offset;
        let (by, way) = (offset.unsigned_abs() as f64 / 1e9, if offset > 0 { "fast" } else { "slow" });
        note(format!(
            "the clock of file{} is {by:.6} s {way} against that of file1, by {count} packets that both have: its times \
             are shown by the clock of file1",
            at + 1
        ));
    }
    Ok(ahead)
}

/// Of so many files clocks are compared.
const MOST_HOSTS: usize = 8;
/// So many segments of each file are compared.
const MOST: usize = 20_000;
/// Clocks that differ by less, in nanoseconds, are left as they are.
const SMALL: i64 = 1_000_000;

/// What tells a segment from others: ends, numbers, flags and length.
type Key = (std::net::SocketAddr, std::net::SocketAddr, u32, Option<u32>, u8, usize);

/// The first segments of a file, with their times.
fn segments(path: &Path, limits: Limits) -> anyhow::Result<FxHashMap<Key, i64>> {
    let named = || format!("cannot read {}", in_words(path));
    let file = File::open(path).with_context(|| format!("cannot open {}", in_words(path)))?;
    let mut capture = Capture::open(file, limits.capture).with_context(named)?;
    let mut slicer = Slicer::new(limits.packet);
    let mut seen = FxHashMap::default();
    while let Some(event) = capture.next().with_context(named)? {
        let Event::Frame(frame) = event else { continue };
        if let Outcome::Segment(segment) = slicer.segment(&frame) {
            let flags = u8::from(segment.syn) | u8::from(segment.fin) << 1 | u8::from(segment.rst) << 2;
            let length = segment.payload.len() + segment.missing as usize;
            let key = (segment.src, segment.dst, segment.seq, segment.ack, flags, length);
            seen.entry(key).or_insert(segment.time.0);
            if seen.len() >= MOST {
                break;
            }
        }
    }
    Ok(seen)
}

/// How far the second file's clock is ahead, and by how many packets that is known. A packet takes time from one host to
/// the other: only packets of both directions tell that time from a difference of clocks.
fn offset(first: &FxHashMap<Key, i64>, second: &FxHashMap<Key, i64>) -> Option<(i64, usize)> {
    let mut differences = [Vec::new(), Vec::new()];
    for (key, time) in first {
        if let Some(other) = second.get(key) {
            differences[usize::from(key.0 < key.1)].push(other.saturating_sub(*time));
        }
    }
    let count = differences.iter().map(Vec::len).sum();
    let median = |mut all: Vec<i64>| {
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    };
    let [there, back] = differences;
    let offset = median(there)?.saturating_add(median(back)?) / 2;
    (offset.saturating_abs() >= SMALL).then_some((offset, count))
}

/// Opens the files as one capture.
pub fn open(paths: &[PathBuf], ahead: &[i64], limits: capture::Limits) -> anyhow::Result<Capture> {
    let part = |(path, &ahead): (&PathBuf, &i64)| {
        let path = path.clone();
        let open = move || Ok(Box::new(File::open(&path)?) as Box<dyn std::io::Read + Send>);
        Part { open: Box::new(open), ahead }
    };
    Capture::merge(paths.iter().zip(ahead).map(part).collect(), limits)
        .map_err(|(at, error)| anyhow::Error::from(error).context(format!("cannot read {}", in_words(&paths[at]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_rings() {
        let is_ring = |names: &[&str]| are_a_ring(&names.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert!(is_ring(&["a/x.pcap", "a/x.pcap1", "a/x.pcap2"]) && is_ring(&["x.pcap00", "x.pcap01"]));
        assert!(is_ring(&["x_00001_20261128135000.pcapng", "x_00002_20261128135100.pcapng"]));
        assert!(is_ring(&["x_00001_20261128135000.pcapng.gz", "x_00002_20261128135100.pcapng.gz"]));
        assert!(!is_ring(&["a1.pcap", "a2.pcap"]) && !is_ring(&["x.pcap"]) && !is_ring(&["a.pcap1", "b.pcap1"]));
        assert!(!is_ring(&["good.pcap", "mine.pcap"]) && !is_ring(&["a/x.pcap1", "b/x.pcap2"]));
        assert!(!is_ring(&["x_00001_20261128135000.pcapng", "y_00002_20261128135100.pcapng"]));
    }

    #[test]
    fn clocks_are_told_apart_from_delays_by_both_directions() {
        let (a, b) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
        let seen = |times: [i64; 4]| -> FxHashMap<Key, i64> {
            [(a, b, 1), (b, a, 2), (a, b, 3), (b, a, 4)]
                .into_iter()
                .zip(times)
                .map(|((src, dst, seq), time)| ((src, dst, seq, None, 0, 0), time))
                .collect()
        };
        const MS: i64 = 1_000_000;
        // 20 ms on the way in each direction; the second clock is 5 s ahead.
        let first = seen([0, 60 * MS, 100 * MS, 160 * MS]);
        let second = seen([5020 * MS, 5040 * MS, 5120 * MS, 5140 * MS]);
        assert_eq!(offset(&first, &second), Some((5000 * MS, 4)));
        assert_eq!(offset(&first, &seen([20 * MS, 40 * MS, 120 * MS, 140 * MS])), None);
        // One direction alone does not tell.
        let one: FxHashMap<Key, i64> = second.into_iter().filter(|(key, _)| key.0 == a).collect();
        assert_eq!(offset(&first, &one), None);
    }
}
