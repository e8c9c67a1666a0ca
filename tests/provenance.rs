//! Every byte of every message can be traced to the file, and every tree covers its body.
//!
//! For each capture in testdata: the body's bytes, followed through the message's chunks and the
//! direction's segments to offsets in the file, are the bytes that are there; so are the chunk headers.
//! The leaves of each row's tree cover every byte of every chunk header, of every body and of every part of
//! a handshake, none twice, and each leaf's bytes are in the file where its origin says.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::dissect::Dissection;
use rtmp_inspect::dissect::vocabulary::Place;
use rtmp_inspect::origin::{Form, Source, Time};
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::rtmp::message::Message;
use rtmp_inspect::session::{Event, Kind, Observer, Options, RtmpSession};
use rtmp_inspect::tcp::Connection;

#[test]
fn every_body_byte_stands_in_the_file_where_its_origin_says() {
    let mut messages = 0;
    for path in captures() {
        let file = decompressed(&path);
        let tracer = Tracer { file, name: path.display().to_string(), messages: 0 };
        let reader = fs::File::open(&path).expect("a capture in testdata");
        let mut capture = Capture::open(reader, capture::Limits::default()).expect("a capture");
        let limits = pipeline::Limits::default();
        let (tracer, _) =
            pipeline::run(&mut capture, limits, Options::default(), tracer, &mut Silent).expect("readable");
        messages += tracer.messages;
    }
    assert!(messages > 5000, "only {messages} messages were looked at");
}

#[test]
fn the_leaves_of_every_tree_cover_their_bytes_and_are_traced() {
    let (mut leaves, mut chunk_headers) = (0, 0);
    for path in captures() {
        let file = decompressed(&path);
        let name = path.display().to_string();
        let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, event| {
            let row = Dissection::new(row, event, Time(0));
            let place = format!("{name}: row {}", row.row().number);
            let [header, ledger, content] = [Place::Header, Place::Chunks, Place::Content].map(|at| row.section(at));
            assert_eq!(content.tree.tiles(0..content.bytes.len()), Ok(()), "{place}: content");
            let first = row.ledger().next().map_or(0, |entry| entry.header.len());
            assert_eq!(header.tree.tiles(0..first), Ok(()), "{place}: first header");
            assert_eq!(ledger.tree.tiles(first..ledger.bytes.len()), Ok(()), "{place}: other headers");
            chunk_headers += row.ledger().count();
            for section in [header, ledger, content] {
                let origin = section.map.through(event.sources);
                for leaf in section.tree.leaves() {
                    leaves += 1;
                    for run in origin.resolve(leaf.range.start as u64..leaf.range.end as u64) {
                        let decoded = &section.bytes[run.start as usize..run.end() as usize];
                        assert!(is_there(&file, decoded, run.from), "{place}: {}", leaf.def.name);
                    }
                }
            }
        });
        let reader = fs::File::open(&path).expect("a capture in testdata");
        let mut capture = Capture::open(reader, capture::Limits::default()).expect("a capture");
        pipeline::run(&mut capture, pipeline::Limits::default(), Options::default(), rows, &mut Silent)
            .expect("readable");
    }
    assert!(leaves > 80_000 && chunk_headers > 10_000, "only {leaves} leaves, {chunk_headers} chunk headers");
}

struct Tracer {
    file: Vec<u8>,
    name: String,
    messages: u64,
}

impl Observer for Tracer {
    fn event(&mut self, event: &Event<'_>) {
        if let Kind::Message(message) = event.kind {
            self.messages += 1;
            self.trace_body(message, event);
            self.trace_headers(message, event);
        }
    }

    fn closed(&mut self, _: &Connection, _: &RtmpSession) {}
}

impl Tracer {
    fn trace_body(&self, message: &Message, event: &Event<'_>) {
        let origin = message.body_map().through(event.sources);
        let mut traced = 0;
        for run in origin.runs() {
            let body = &message.body[run.start as usize..run.end() as usize];
            assert!(self.is_there(body, run.from), "{}: a body byte's origin is wrong", self.name);
            traced += run.len;
        }
        assert_eq!(traced, u64::from(message.captured()), "{}: bytes without an origin", self.name);
    }

    fn trace_headers(&self, message: &Message, event: &Event<'_>) {
        for (chunk, header) in message.chunk_headers() {
            for run in event.sources.resolve(chunk.at..chunk.at + u64::from(chunk.header_len)) {
                let at = (run.start - chunk.at) as usize;
                assert!(self.is_there(&header[at..at + run.len as usize], run.from), "{}: a header", self.name);
            }
        }
    }

    fn is_there(&self, bytes: &[u8], source: Source) -> bool {
        is_there(&self.file, bytes, source)
    }
}

/// Whether these bytes are in the file where their source says: themselves, or as ciphertext of the TLS record that it
/// names. What is decrypted is compared with plain legs in `tunnel`.
fn is_there(file: &[u8], bytes: &[u8], source: Source) -> bool {
    let at = source.file_offset as usize;
    match source.form {
        Form::Verbatim => file.get(at..at + bytes.len()) == Some(bytes),
        Form::Decrypted { record } => {
            let is_record = file.get(record as usize..).is_some_and(|header| header.starts_with(&[23, 3, 3]));
            is_record && at >= record as usize + 5 && at + bytes.len() <= file.len()
        }
    }
}

struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}

    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}

fn decompressed(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("a capture in testdata");
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("gzip");
    plain
}

fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut found = Vec::new();
    for folder in fs::read_dir(root).expect("testdata/captures") {
        let Ok(files) = fs::read_dir(folder.expect("an entry").path()) else { continue };
        found.extend(
            files.map(|file| file.expect("an entry").path()).filter(|path| path.to_string_lossy().contains(".pcap")),
        );
    }
    let tunnels =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tunnels")).expect("testdata/tunnels");
    let tunnels = tunnels.map(|file| file.expect("an entry").path());
    found.extend(tunnels.filter(|path| path.to_string_lossy().contains(".pcap")));
    assert!(found.len() > 50, "testdata/captures has {} captures", found.len());
    found.sort();
    found
}
