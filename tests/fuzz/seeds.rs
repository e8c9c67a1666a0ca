//! What fuzzing starts from, made of `testdata`: `SEEDS=1 cargo test fuzz::seeds` writes it to `fuzz/corpus`. Files are
//! named after their content, so that it can be run again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rtmp_inspect::capture::{self, Capture, Event};

use super::targets::{TARGETS, layers::LINKS};
use crate::kit::{decoded, fixture};

/// Longer inputs slow a fuzzer down more than they show.
const LONGEST: usize = 64 << 10;

#[test]
fn every_target_has_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::env::var_os("SEEDS").map(|_| root.join("fuzz/corpus"));
    let mut seeds = Seeds { corpus, written: BTreeMap::new() };
    let testdata = root.join("testdata");
    for path in files(&testdata) {
        let bytes = fs::read(&path).expect("readable");
        let name = path.to_string_lossy();
        if name.contains("testdata/inputs/") {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).expect("gzip");
            seeds.write("given", &text);
        }
        if name.ends_with(".pcap") || name.ends_with(".pcapng") || name.ends_with(".gz") {
            seeds.capture(&bytes);
        } else if name.ends_with(".snapshot.jsonl") {
            seeds.write("snapshot", &bytes);
        } else if name.ends_with("rtmp-inspect.toml") {
            seeds.write("config", &bytes);
        } else if name.ends_with("filters/own.tsv") || name.ends_with("filters/tshark.tsv") {
            let text = String::from_utf8(bytes).expect("UTF-8");
            let column = |line: &str| line.split('\t').rev().nth(1).unwrap_or_default().to_owned();
            text.lines().for_each(|line| seeds.write("filter", column(line).as_bytes()));
        }
    }
    for case in fixture::cases(&testdata.join("bodies")) {
        match case.kind.parse::<u8>() {
            Ok(type_id) => seeds.write("body", &[&[type_id, 0], &case.bytes[..]].concat()),
            Err(_) => seeds.write(&case.kind, &case.bytes),
        }
        // An aggregate and a command hold values, too.
        if case.kind == "20" {
            seeds.write("amf0", &case.bytes);
        }
    }
    for key in rtmp_inspect::config::KEYS {
        seeds.write("config", format!("{} = [\"a.*\", 1]\n[[override]]\nfiles = [\"*.pcap\"]\n", key.name).as_bytes());
    }
    seeds.programs();
    // Each session as it is, and with one change of each kind.
    for session in 0..6 {
        seeds.write("tunnel", &[session]);
        (0..5).for_each(|what| seeds.write("tunnel", &[session, 40, what, 0, 20]));
    }
    for (name, _) in TARGETS {
        assert!(seeds.written.contains_key(*name), "{name}");
    }
}

struct Seeds {
    /// Where to write them, if they are to be.
    corpus: Option<PathBuf>,
    written: BTreeMap<String, usize>,
}

impl Seeds {
    fn write(&mut self, target: &str, bytes: &[u8]) {
        if bytes.len() > LONGEST {
            return;
        }
        *self.written.entry(target.to_owned()).or_default() += 1;
        let Some(corpus) = &self.corpus else { return };
        let directory = corpus.join(target);
        fs::create_dir_all(&directory).expect("made");
        let name = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        });
        fs::write(directory.join(format!("seed-{name:016x}")), bytes).expect("written");
    }

    /// A capture, the frames of its beginning, and its streams.
    fn capture(&mut self, bytes: &[u8]) {
        self.write("capture", bytes);
        self.write("pipeline", bytes);
        let Ok(mut capture) = Capture::open(std::io::Cursor::new(bytes.to_vec()), capture::Limits::default()) else {
            return;
        };
        let mut frames = vec![0];
        while let Ok(Some(event)) = capture.next() {
            let Event::Frame(frame) = event else { continue };
            let Some(link) = LINKS.iter().position(|link| *link == frame.link_type) else { break };
            if frame.number.0 <= 12 {
                frames[0] = link as u8;
                frames.extend((frame.bytes.len() as u16).to_be_bytes());
                frames.push(0);
                frames.extend(frame.bytes);
            }
        }
        self.write("packet", &frames);
        // Kind, pieces of 100 bytes, no hole.
        for ((_, from_client), stream) in decoded::bytes(bytes) {
            let kind = u8::from(!from_client);
            let stream = &stream[..stream.len().min(8 << 10)];
            self.write("decoder", &[&[kind, 99, 0, 0, 0, 0], stream].concat());
            if let Some(behind) = stream.get(3073..) {
                self.write("decoder", &[&[4 | kind, 99, 0, 0, 0, 0], behind].concat());
                self.write("decoder", &[&[8 | 3, 99, 2, 0, 0, 99], behind].concat());
            }
        }
    }

    /// Changes to sessions, and segments: one of each kind.
    fn programs(&mut self) {
        for session in 0..8 {
            for change in 0..24 {
                for at in [0, 4, 7, 9, 12] {
                    let program = [session, change, 0, at, 0, 3, 8, 2, 0, 1, 0, 9, 9, 9];
                    self.write("session", &program);
                    self.write("diff", &[&[1, session], &program[1..]].concat());
                }
            }
        }
        let segment = |who: u8, flags: u8, seq: u16, len: u8| [who, flags, (seq >> 8) as u8, seq as u8, 0x80, 0, len];
        let opened = [segment(0, 2, 0x8000, 0), segment(1, 0x12, 0x8000, 0)];
        let data = [segment(0, 0x10, 0x8001, 9), segment(0, 0x10, 0x8014, 9), segment(0, 0x10, 0x8005, 20)];
        let closed = [segment(1, 0x11, 0x8001, 0), segment(0, 0x15, 0x8030, 0)];
        let all = [&opened[..], &data[..], &closed[..]].concat();
        self.write("tcp", &all.concat());
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("readable").map(|entry| entry.expect("readable").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
