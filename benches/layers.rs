//! `cargo bench --bench layers`: how much each layer does in a second, on one thread and without a file.
//!
//! Two captures of testdata, in memory: one with large messages at a high rate, one with a session's many small ones.
//! Each piece of work is done again and again for a quarter of a second, five times; the fastest counts, as whatever
//! else the machine does only slows it down.

use std::fs;
use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::compare::{self, Comparison};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::escape;
use rtmp_inspect::origin::{FrameNo, Source, Time};
use rtmp_inspect::packet::{self, Outcome, Slicer};
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::recording::{Keep, Recording, record};
use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::rtmp::body;
use rtmp_inspect::rtmp::decoder::{self, Decoder};
use rtmp_inspect::session::{Event, Kind, Observer, Options, RtmpSession};
use rtmp_inspect::tcp::{self, Connection, Endpoint, Gap, Piece, Tracker};
use rtmp_inspect::view::Layout;
use rtmp_inspect::view::list::List;

const CAPTURES: [&str; 2] = ["perf/base_highrate.pcap", "a/rtmpdump_play_live.pcap"];
const LONG: Duration = Duration::from_millis(250);

fn main() {
    for name in CAPTURES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(name);
        let pcap = fs::read(&path).expect("a capture of testdata");
        println!("{name}");
        measure_layers(&pcap);
    }
}

fn measure_layers(pcap: &[u8]) {
    let (streams, messages) = (streams(pcap), messages(pcap));
    let recording = recorded(pcap);
    let sessions = &recording.sessions;
    report("capture", "frames", || frames(pcap));
    report("packet", "segments", || segments(pcap, |_| {}));
    report("tcp", "segments", || {
        let mut tracker = Tracker::new(tcp::Limits::default());
        let count = segments(pcap, |segment| tracker.push(segment, &mut Nothing));
        tracker.finish(&mut Nothing);
        count
    });
    report("rtmp chunks", "bytes", || streams.iter().map(chunks).sum());
    report("amf values", "values", || messages.iter().map(|(type_id, body)| values(*type_id, body)).sum());
    report("rows of the list", "rows", || {
        let (mut list, mut line) = (List::new(Layout { width: None }, false), String::new());
        rows(pcap, |row| {
            line.clear();
            list.row(row, Time::default(), &mut line);
        })
    });
    report("rows of JSON", "rows", || {
        let mut line = Vec::new();
        rows(pcap, |row| {
            line.clear();
            escape::json::write_line(&mut line, row).expect("a row is JSON");
        })
    });
    report("recording", "events", || events(&recorded(pcap)));
    report("alignment", "events", || {
        for session in sessions {
            black_box(Comparison::new(session, session, &compare::Options::default()).rows.len());
        }
        events(&recording)
    });
}

/// Prints how much `work` does in a second; it says how much it did.
fn report(layer: &str, what: &str, mut work: impl FnMut() -> u64) {
    let mut fastest = 0f64;
    for _ in 0..5 {
        let (began, mut done) = (Instant::now(), 0);
        while began.elapsed() < LONG {
            done += black_box(work());
        }
        fastest = fastest.max(done as f64 / began.elapsed().as_secs_f64());
    }
    println!("  {layer:<18} {:>10.3} million {what}/s", fastest / 1e6);
}

fn open(pcap: &[u8]) -> Capture {
    Capture::open(Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a capture")
}

fn frames(pcap: &[u8]) -> u64 {
    let mut capture = open(pcap);
    while capture.next().expect("readable").is_some() {}
    capture.frames()
}

fn segments(pcap: &[u8], mut each: impl FnMut(&packet::Segment<'_>)) -> u64 {
    let (mut capture, mut slicer, mut count) = (open(pcap), Slicer::new(packet::Limits::default()), 0);
    while let Some(event) = capture.next().expect("readable") {
        let capture::Event::Frame(frame) = event else { continue };
        if let Outcome::Segment(segment) = slicer.segment(&frame) {
            each(&segment);
            count += 1;
        }
    }
    count
}

/// Takes what TCP delivers, and does nothing with it.
struct Nothing;

impl tcp::Sink for Nothing {
    fn opened(&mut self, _: &Connection) {}
    fn piece(&mut self, _: &Connection, _: Endpoint, piece: Piece<'_>) {
        black_box(piece.bytes.len());
    }
    fn gap(&mut self, _: &Connection, _: Endpoint, _: Gap) {}
    fn closed(&mut self, _: &Connection) {}
}

/// The bytes of each direction, and whether the client sent them.
#[derive(Default)]
struct Bytes(Vec<(bool, Vec<u8>)>);

impl tcp::Sink for Bytes {
    fn opened(&mut self, connection: &Connection) {
        let client = connection.client.unwrap_or(Endpoint::First);
        self.0.extend(Endpoint::BOTH.map(|end| (end == client, Vec::new())));
    }
    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        self.0[2 * connection.id.0 as usize + from.index()].1.extend_from_slice(piece.bytes);
    }
    fn gap(&mut self, _: &Connection, _: Endpoint, _: Gap) {}
    fn closed(&mut self, _: &Connection) {}
}

fn streams(pcap: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let (mut tracker, mut bytes) = (Tracker::new(tcp::Limits::default()), Bytes::default());
    segments(pcap, |segment| tracker.push(segment, &mut bytes));
    tracker.finish(&mut bytes);
    bytes.0
}

/// Decodes a direction, in pieces as large as segments are; gives how many bytes it has.
fn chunks((is_client, bytes): &(bool, Vec<u8>)) -> u64 {
    const SEGMENT: usize = 1448;
    let options = decoder::Options { media_prefix: 2048, ..decoder::Options::default() };
    let mut decoder = if *is_client { Decoder::client(options) } else { Decoder::server(options) };
    let mut count = |event: decoder::Event<'_>, _: &_| _ = black_box(matches!(event, decoder::Event::Message(_)));
    for (number, piece) in bytes.chunks(SEGMENT).enumerate() {
        let at = (number * SEGMENT) as u64;
        let frame = FrameNo(number as u64 + 1);
        let source = Source { frame, packet: frame, time: Time(0), file_offset: at, form: Default::default() };
        decoder.push(at, piece, &[(0, source)], &mut count);
    }
    decoder.finish(&mut count);
    bytes.len() as u64
}

/// The commands and data of a capture.
fn messages(pcap: &[u8]) -> Vec<(MessageTypeId, Vec<u8>)> {
    run(pcap, Collected::default()).0
}

#[derive(Default)]
struct Collected(Vec<(MessageTypeId, Vec<u8>)>);

impl Observer for Collected {
    fn event(&mut self, event: &Event<'_>) {
        if let Kind::Message(message) = &event.kind
            && matches!(message.header.type_id, MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF0_DATA)
        {
            self.0.push((message.header.type_id, message.body.clone()));
        }
    }
    fn closed(&mut self, _: &Connection, _: &RtmpSession) {}
}

/// Decodes a body; gives how many values it has, those in objects not counted.
fn values(type_id: MessageTypeId, bytes: &[u8]) -> u64 {
    match body::decode(type_id, bytes, bytes.len() as u32, &mut ()).body {
        body::Body::Command(command) => command.values.len() as u64,
        body::Body::Data(data) => data.values.len() as u64,
        _ => 0,
    }
}

fn rows(pcap: &[u8], mut each: impl FnMut(&rtmp_inspect::decode::Row<'_>)) -> u64 {
    let mut count = 0;
    run(
        pcap,
        Rows::new(Selection::default(), |row, _: &Event<'_>| {
            each(row);
            count += 1;
        }),
    );
    count
}

fn recorded(pcap: &[u8]) -> Recording {
    let read = |options, recorder| -> Result<_, std::convert::Infallible> { Ok(run_with(pcap, options, recorder)) };
    match record(Options::default(), &Keep::default(), read) {
        Ok(recording) => recording,
        Err(never) => match never {},
    }
}

fn events(recording: &Recording) -> u64 {
    recording.sessions.iter().map(|session| session.items.len() as u64).sum()
}

fn run<O: Observer>(pcap: &[u8], observer: O) -> O {
    run_with(pcap, Options::default(), observer)
}

fn run_with<O: Observer>(pcap: &[u8], options: Options, observer: O) -> O {
    let mut capture = open(pcap);
    pipeline::run(&mut capture, pipeline::Limits::default(), options, observer, &mut Silent).expect("readable").0
}

struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}
    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}
