//! What holds of every capture: how its bytes arrive, how they were cut into segments, and where the capture was cut
//! short changes nothing of what was whole.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::pipeline;
use rtmp_inspect::session::Options;

use crate::kit::decoded::{self, Decoded};
use crate::kit::recording::{Recording, Silent};

/// Captures of every container, most link types, and both healthy and damaged connections; none is long.
const CAPTURES: &[&str] = &[
    "b/play_missing_vod.pcap",
    "c/pub_dumpcap.pcapng",
    "c/pub_gzip.pcap.gz",
    "c/pub_ng_bigendian.pcapng",
    "c/pub_sll2.pcap",
    "c/pub_snap200.pcap",
    "c/pub_file_cut_short.pcap",
    "d/ip_fragments.pcap",
    "d/pub_midstream.pcap",
    "d/pub_missing_segments3.pcap",
    "e/own_amf3.pcap",
    "pairs/07_no_type3_B.pcap",
];

/// Healthy sessions from the handshake on.
const HEALTHY: &[&str] =
    &["b/play_missing_vod.pcap", "pairs/04_type14_A.pcap", "e/own_amf3.pcap", "e/own_interleave.pcap"];

/// A reader that gives a few bytes at a time.
struct Dribble {
    bytes: Vec<u8>,
    at: usize,
    most: usize,
}

impl Read for Dribble {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Interrupted calls are part of a slow life.
        if self.at % 5 == 4 && self.most > 1 {
            self.most -= 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.most = 1 + (self.most + self.at) % 13;
        let rest = &self.bytes[self.at..];
        let len = rest.len().min(into.len()).min(self.most);
        into[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

#[test]
fn rows_do_not_depend_on_how_the_bytes_arrive() {
    for name in CAPTURES {
        let bytes = read(name);
        let at_once = rows(io::Cursor::new(bytes.clone()));
        let dribbled = rows(Dribble { bytes, at: 0, most: 1 });
        assert!(!at_once.is_empty(), "{name}");
        assert_eq!(at_once, dribbled, "{name}");
    }
}

fn rows(reader: impl Read + Send + 'static) -> Vec<String> {
    let mut all = Vec::new();
    let rows = Rows::new(Selection { hex: true, ..Selection::default() }, |row, _| {
        all.push(serde_json::to_string(row).expect("JSON"));
    });
    let mut capture = Capture::open(reader, capture::Limits::default()).expect("a capture");
    let limits = pipeline::Limits::default();
    pipeline::run(&mut capture, limits, Options::default(), rows, &mut Silent).expect("readable");
    all
}

/// Every subcommand that reads a capture prints of a slow pipe what it prints of the file, and says the same.
#[test]
fn a_slow_pipe_gives_what_the_file_gives() {
    const RUNS: &[&str] = &[
        "decode CAPTURE",
        "decode -V -x CAPTURE",
        "decode -n 5 CAPTURE",
        "decode --format json --hash CAPTURE",
        "decode --format csv CAPTURE",
        "decode -e frame.number -e amf.string CAPTURE",
        "streams CAPTURE",
        "streams --format json CAPTURE",
        "lint --format json CAPTURE",
        "lint --verbose CAPTURE",
        "relay CAPTURE",
        "relay --format json CAPTURE",
        "snapshot --name x CAPTURE",
        "diff CAPTURE FILE",
        "diff --format json FILE CAPTURE",
        "payload --capture CAPTURE FILE FILE",
    ];
    for name in ["b/play_missing_vod.pcap", "pairs/06_chunk_not_used_B.pcap"] {
        for run in RUNS {
            let of_file = start(run, name, name, None);
            let of_pipe = start(run, "-", name, Some(&read(name)));
            for stream in [|output: &Output| output.stdout.clone(), |output: &Output| output.stderr.clone()] {
                let [a, b] = [&of_file, &of_pipe].map(|output| lines(&stream(output), name));
                let first = a.iter().zip(&b).find(|(a, b)| a != b);
                assert!(a == b, "{run} {name}: {} and {} lines, {first:?}", a.len(), b.len());
            }
            assert_eq!(of_file.status, of_pipe.status, "{run} {name}");
        }
    }
}

/// The lines that a run printed, with one name for the capture. What became of a call is known only of a file, which is
/// read twice for it.
fn lines(printed: &[u8], file: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(printed).replace(file, "-").replace("standard input", "-");
    text.lines().filter(|line| !line.starts_with("    Answered in frame")).map(str::to_owned).collect()
}

fn start(run: &str, capture: &str, file: &str, slowly: Option<&[u8]>) -> Output {
    let words = run.split(' ').map(|word| match word {
        "CAPTURE" => capture,
        "FILE" => file,
        word => word,
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    command.args(words).current_dir(path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let bytes = slowly.unwrap_or_default().to_vec();
    let writer = std::thread::spawn(move || {
        let mut rest = &bytes[..];
        for len in [1, 3, 8, 13, 700, 40, 1500].into_iter().cycle() {
            let (now, later) = rest.split_at(len.min(rest.len()));
            // Whoever has enough closes the pipe.
            if now.is_empty() || pipe.write_all(now).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            rest = later;
        }
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it writes");
    output
}

/// However each side's bytes are cut into segments, the same messages are decoded, with the same bodies.
#[test]
fn segments_do_not_change_messages() {
    for name in HEALTHY {
        let session = Recording::of(io::Cursor::new(read(name)), 0).expect("a connection").packets();
        let whole = decoded::decode(&session.pcap());
        assert!(whole.messages.values().map(Vec::len).sum::<usize>() > 5, "{name}");
        let mut random = 1_u64;
        let mut cuts: Vec<Box<dyn FnMut() -> usize>> =
            [1_usize, 2, 7, 11, 128, 129, 536].map(|len| Box::new(move || len) as Box<dyn FnMut() -> usize>).into();
        cuts.push(Box::new(move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            1 + (random >> 33) as usize % 700
        }));
        for (index, cut) in cuts.iter_mut().enumerate() {
            let again = decoded::decode(&session.clone().cut(cut).pcap());
            assert!(whole.messages == again.messages, "{name}, cut {index}");
            assert_eq!(said(&whole), said(&again), "{name}, cut {index}");
        }
    }
}

/// What is said of the connections, but for numbers of frames and segments.
fn said(decoded: &Decoded) -> Vec<String> {
    let one = |stream: &rtmp_inspect::streams::ConnectionSummary| {
        format!("{:?} {:?} {:?} {:?}", stream.protocol, stream.app, stream.tc_url, stream.flash_ver)
    };
    decoded.streams.iter().map(one).collect()
}

/// A capture that ends after any of its records has each direction's first messages, and no other whole ones.
#[test]
fn a_prefix_has_the_first_rows() {
    for name in HEALTHY {
        let bytes = read(name);
        let whole = decoded::decode(&bytes);
        let ends = records(&bytes);
        assert!(ends.len() > 20, "{name}");
        let mut seen = 0;
        for (index, end) in ends.iter().enumerate() {
            let prefix = decoded::decode(&bytes[..*end]);
            for (way, messages) in &prefix.messages {
                let of_whole = &whole.messages[way];
                assert!(of_whole.starts_with(messages), "{name}, cut at {end}, {way:?}");
                seen = seen.max(messages.len());
            }
            // Cut inside the next record's header, or its frame, it says no more.
            let next = ends.get(index + 1).copied().unwrap_or(*end);
            for inside in [end + 7, (end + 16 + next) / 2] {
                if inside < next {
                    let within = decoded::decode(&bytes[..inside]);
                    assert!(within.messages == prefix.messages, "{name}, cut at {inside}");
                }
            }
        }
        assert!(seen > 5, "{name}");
    }
}

/// The offsets in a pcap of its header's and its records' ends.
fn records(pcap: &[u8]) -> Vec<usize> {
    assert_eq!(pcap[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "a little-endian pcap");
    let mut ends = vec![24];
    while let Some(header) = pcap.get(ends[ends.len() - 1]..).and_then(|rest| rest.first_chunk::<16>()) {
        let len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        ends.push(ends[ends.len() - 1] + 16 + len);
    }
    ends
}

fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(name)
}
