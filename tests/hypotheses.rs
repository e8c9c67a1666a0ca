//! Broken framing is explained: which mistake of the sender's it is, and what the messages were.
//!
//! Good recorded sessions are rewritten with one mistake at a time, by a small encoder of its own. The
//! mistake has to be named first and as certain, and decoding with its dialect has to give back the
//! messages that were written. Sound sessions have no mistake, and random bytes no certain one.

use std::fs::File;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::rtmp::decoder::{self, Decoder};
use rtmp_inspect::rtmp::dialect::{
    ChunkSize, Continuation, Dialect, Extended, Handshake, Length, Messages, Type3Extended,
};
use rtmp_inspect::rtmp::hypotheses::{self, Case, Hypothesis};
use rtmp_inspect::session::framing_trace::{FramingTrace, Limits, Recorder};
use rtmp_inspect::session::{self, Direction, Event, Kind, Observer, RtmpSession};
use rtmp_inspect::tcp::{Connection, ConnectionId};

#[test]
fn every_mistake_is_named_and_undone() {
    let mut wrong = Vec::new();
    for path in SESSIONS {
        let session = Session::of(path);
        for fault in faults(&session) {
            if let Err(why) = fault.is_explained(&session) {
                wrong.push(format!("{path}, {}: {why}", fault.code));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same where all is right at first: the mistake comes in with the media.
#[test]
fn a_mistake_that_comes_later_is_named_and_undone_too() {
    let mut wrong = Vec::new();
    for path in [SESSIONS[0], SESSIONS[3]] {
        let session = Session::of(path);
        let begins = session.sent.iter().position(|sent| matches!(sent.type_id, 8 | 9)).expect("media");
        for fault in faults(&session) {
            // These are mistakes of a connection's beginning.
            if fault.from_start || matches!(fault.write, Write::WithoutC0 | Write::WithoutC2) {
                continue;
            }
            if let Err(why) = (Fault { begins, ..fault }).is_explained(&session) {
                wrong.push(format!("{path}, {}: {why}", fault.code));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Written without a mistake, a session is the same by the specification's dialect: the encoder is right.
#[test]
fn without_a_mistake_there_is_no_hypothesis() {
    for path in SESSIONS {
        let session = Session::of(path);
        for (size, shift) in [(128, 0), (4096, 0), (200, 0x100_0000), (777, 0xff_ff00)] {
            let fault = Fault { announce: Some(size), size, shift, ..Fault::default() };
            let bytes = fault.encode(&session);
            assert_eq!(judge(&bytes), [], "{path}: size {size}, shift {shift}");
            assert_eq!(decode(&bytes, Dialect::default()), session.bodies(), "{path}: size {size}, shift {shift}");
        }
    }
}

/// A server closes soon: however little there is after the mistake, no other one is called certain.
#[test]
fn of_a_session_that_ends_soon_nothing_wrong_is_certain() {
    let (mut wrong, mut judged, mut certain) = (Vec::new(), 0, 0);
    for path in [SESSIONS[0], SESSIONS[3]] {
        let session = Session::of(path);
        for fault in faults(&session) {
            let bytes = fault.encode(&session);
            let Some(first) = judge(&bytes).first().map(|first| first.first_at as usize) else { continue };
            for behind in [130, 700, 1500, ENOUGH] {
                let hypotheses = judge(&bytes[..bytes.len().min(first + behind)]);
                if hypotheses.iter().any(|one| one.certain && one.code != fault.code) {
                    wrong.push(format!("{path}, {} and {behind} bytes: {}", fault.code, in_short(&hypotheses)));
                }
                if behind == ENOUGH {
                    judged += 1;
                    certain += usize::from(hypotheses.iter().any(|one| one.certain));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(10 * certain > 9 * judged, "certain of {certain} in {judged}");
}

/// A stretch may begin anywhere, inside a header and inside a message: what was begun before it has no bytes in it, and
/// nothing is counted from a place before its first byte.
#[test]
fn a_stretch_may_begin_anywhere() {
    let session = Session::of(SESSIONS[0]);
    let mut found = 0;
    for fault in faults(&session).into_iter().filter(|fault| fault.code.starts_with("chunk-size")) {
        let bytes = fault.encode(&session);
        let bytes = &bytes[..bytes.len().min(9000)];
        for start in (3200..5000).step_by(61) {
            let mut before = Decoder::client(decoder::Options::default());
            before.push(0, &bytes[..start], &[], &mut |_, _| {});
            let (peer_sizes, earlier_sizes) = (vec![(AFTER_CONNECT, PEER)], vec![EARLIER]);
            let stretch = &bytes[start..];
            let case =
                Case { before: &before, offset: start as u64, bytes: stretch, ends: true, peer_sizes, earlier_sizes };
            for one in hypotheses::judge(&case) {
                assert!(one.clean_bytes <= stretch.len() as u64, "{} from {start}: {one:?}", fault.code);
                for evidence in &one.evidence {
                    let at = evidence.offset as usize;
                    let there = if at < start { &[] } else { &bytes[at..at + evidence.bytes.len()] };
                    assert_eq!(evidence.bytes, there, "{} from {start}: {evidence:?}", fault.code);
                }
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found}");
}

/// So many bytes after the mistake prove it nearly always.
const ENOUGH: usize = 4000;

#[test]
fn only_broken_captures_have_a_certain_mistake() {
    let (mut looked_at, mut wrong) = (0, Vec::new());
    for path in captures() {
        let name = path.strip_prefix(testdata()).expect("in testdata").display().to_string();
        for tape in tapes(&path, session::Options::default()) {
            looked_at += 1;
            let hypotheses = tape.judge();
            let certain: Vec<_> = hypotheses.iter().filter(|one| one.certain).map(|one| one.code).collect();
            println!(
                "{name} {} {:?} {}+{}: {}",
                tape.connection.0,
                tape.direction,
                tape.offset,
                tape.bytes.len(),
                in_short(&hypotheses)
            );
            let expected: &[&str] = match &*name {
                "pairs/06_chunk_not_used_B.pcap" => &["chunk-size-not-applied"],
                _ => &[],
            };
            if certain != expected {
                wrong.push(format!("{name}: {}", in_short(&hypotheses)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at >= 2, "no tape was looked at");
}

/// Sound sessions of a publisher.
const SESSIONS: [&str; 4] =
    ["pairs/04_type14_A.pcap", "a/ffmpeg_pub_c4096.pcap", "a/gst_rtmp2sink_pub.pcap", "a/h263_mp3.pcap"];

fn faults(session: &Session) -> Vec<Fault> {
    let plain = Dialect::default();
    let fault = Fault::default();
    let long = session.longest();
    // A size that a message's length is a multiple of.
    let divisor = (70..long as u32).find(|size| session.sent.iter().any(|sent| sent.body.len() as u32 == 3 * size));
    let divisor = divisor.expect("some length is a multiple of three");
    let to_the_maximum = 0xff_ffff - session.sent[session.sent.len() / 2].time;
    vec![
        Fault { code: "chunk-size-not-announced", size: 1000, dialect: of_size(ChunkSize::Own(1000)), ..fault },
        Fault { code: "chunk-size-wrong-direction", size: PEER, dialect: of_size(ChunkSize::Own(PEER)), ..fault },
        Fault {
            code: "chunk-size-not-reset",
            from_start: true,
            size: EARLIER,
            dialect: of_size(ChunkSize::Own(EARLIER)),
            ..fault
        },
        Fault {
            code: "chunk-size-not-applied",
            announce: Some(65536),
            dialect: of_size(ChunkSize::NotApplied),
            ..fault
        },
        Fault {
            code: "chunk-size-byte-order",
            announce: Some(512u32.swap_bytes()),
            size: 512,
            dialect: of_size(ChunkSize::LittleEndian),
            ..fault
        },
        Fault {
            code: "type3-missing",
            write: Write::Whole,
            dialect: Dialect { continuation: Continuation::LeftOut(Messages::All), ..plain },
            ..fault
        },
        Fault {
            code: "extra-type3-exact-multiple",
            write: Write::Extra,
            announce: Some(divisor),
            size: divisor,
            dialect: Dialect { continuation: Continuation::ExtraOnExactMultiple, ..plain },
            ..fault
        },
        Fault {
            code: "wrong-csid-continuation",
            write: Write::AsOn(3),
            dialect: Dialect { continuation: Continuation::WrongId, ..plain },
            ..fault
        },
        Fault {
            code: "fmt0-mid-message",
            write: Write::Fields,
            dialect: Dialect { continuation: Continuation::Fields, ..plain },
            ..fault
        },
        Fault {
            code: "type3-ext-missing",
            write: Write::WithoutExtended,
            shift: 0x100_0000,
            dialect: Dialect { type3_extended: Type3Extended::Never, ..plain },
            ..fault
        },
        Fault {
            code: "ts-field-ffffff-no-ext",
            write: Write::MaximumInTheField,
            shift: to_the_maximum,
            dialect: Dialect { extended: Extended::NotAtMaximum, ..plain },
            ..fault
        },
        Fault {
            code: "ts-field-ffffff-no-ext",
            write: Write::LowBitsInTheField,
            shift: 0x200_0000,
            dialect: Dialect { extended: Extended::Unmarked, ..plain },
            ..fault
        },
        Fault {
            code: "mlen-includes-headers",
            write: Write::LengthWithHeaders,
            dialect: Dialect { length: Length::WithHeaders, ..plain },
            ..fault
        },
        Fault {
            code: "mlen-byte-order",
            write: Write::LengthLittleEndian,
            dialect: Dialect { length: Length::LittleEndian, ..plain },
            ..fault
        },
        Fault {
            code: "hs-c2-missing",
            write: Write::WithoutC2,
            dialect: Dialect { handshake: Handshake::WithoutC2, ..plain },
            ..fault
        },
        Fault {
            code: "hs-c0-missing",
            write: Write::WithoutC0,
            dialect: Dialect { handshake: Handshake::WithoutC0, ..plain },
            ..fault
        },
    ]
}

/// Bytes that look like headers everywhere, lengths that swallow everything, chunks of one byte: no certain mistake.
#[test]
fn hostile_bytes_prove_nothing() {
    let session = Session::of("pairs/04_type14_A.pcap");
    let sound = Fault::default().encode(&session);
    let header = |length: u32| {
        let [_, length @ ..] = length.to_be_bytes();
        [&[6, 0, 0, 0][..], &length, &[9, 1, 0, 0, 0]].concat()
    };
    let mut tiny = Vec::new();
    let one = Sent { csid: 2, type_id: 1, time: 0, stream: 0, body: vec![0, 0, 0, 1] };
    Fault::default().write(&one, 128, &mut tiny);
    Fault::default().write(&Sent { csid: 6, type_id: 9, body: vec![0x17; 40_000], ..one }, 1, &mut tiny);
    let tails = [
        vec![0; 60_000],
        vec![0xc6; 60_000],
        [header(0x7f_ffff), vec![0xc6; 60_000]].concat(),
        [header(60_000), vec![0xc4; 60_000]].concat(),
        tiny,
    ];
    for (i, tail) in tails.iter().enumerate() {
        for before in [&session.handshake, &sound] {
            let hypotheses = judge(&[before, &tail[..]].concat());
            assert!(hypotheses.iter().all(|one| !one.certain), "tail {i}: {}", in_short(&hypotheses));
        }
    }
}

fn in_short(hypotheses: &[Hypothesis]) -> String {
    let one = |one: &Hypothesis| {
        let Hypothesis { code, first_at, clean_bytes, messages, reaches_end, bits, doubtful, certain, .. } = one;
        format!(
            "\n    {code}: first at {first_at}, {clean_bytes} bytes, {messages} messages, end {reaches_end}, {bits} bits, \
             doubtful {doubtful}, certain {certain}, {} headers, {:?}",
            one.evidence.len(),
            one.dialect
        )
    };
    hypotheses.iter().map(one).collect()
}

fn of_size(chunk_size: ChunkSize) -> Dialect {
    Dialect { chunk_size, ..Dialect::default() }
}

/// Chunk sizes that the peer announced, and that the sender announced on a connection before.
const PEER: u32 = 1500;
const EARLIER: u32 = 700;

/// How far the stream had come then: after the first message of each session used here, and not at the second cut one.
const AFTER_CONNECT: u64 = 3300;

/// A session, and what is wrong in how it is written.
#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    code: &'static str,
    dialect: Dialect,
    /// What Set Chunk Size after the first message says.
    announce: Option<u32>,
    /// The size of the chunks after it; 0: as before.
    size: u32,
    /// Added to the timestamps of media.
    shift: u32,
    /// Whether that size holds from the first message on.
    from_start: bool,
    /// The message with which it begins.
    begins: usize,
    write: Write,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Write {
    #[default]
    Right,
    Whole,
    Extra,
    AsOn(u8),
    Fields,
    WithoutExtended,
    MaximumInTheField,
    LowBitsInTheField,
    LengthWithHeaders,
    LengthLittleEndian,
    WithoutC2,
    WithoutC0,
}

impl Fault {
    fn is_explained(&self, session: &Session) -> Result<(), String> {
        let bytes = self.encode(session);
        let hypotheses = judge(&bytes);
        let Some(first) = hypotheses.first() else { return Err("no hypothesis".to_owned()) };
        let same = match first.dialect.continuation {
            // Which messages these are, is more than the bytes may tell.
            Continuation::LeftOut(_) => self.write == Write::Whole,
            _ => Dialect { from: 0, ..first.dialect } == self.dialect,
        };
        // A size that was never announced gives the same bytes as headers that are left out: both are named, and
        // neither is certain.
        let is_twin = |one: &Hypothesis| {
            one.code == "chunk-size-not-announced" && (one.bits, one.reaches_end) == (first.bits, true) && !one.certain
        };
        let is_open = self.code == "type3-missing" && !first.certain && hypotheses.iter().any(is_twin);
        if first.code != self.code || !(first.certain || is_open) || !same {
            return Err(in_short(&hypotheses));
        }
        if decode(&bytes, first.dialect) != session.bodies() {
            return Err(format!("other messages with {:?}", first.dialect));
        }
        Ok(())
    }

    fn encode(&self, session: &Session) -> Vec<u8> {
        let mut bytes = session.handshake.clone();
        match self.write {
            Write::WithoutC2 => bytes.truncate(1537),
            Write::WithoutC0 => _ = bytes.remove(0),
            _ => {}
        }
        let mut size = if self.from_start { self.size as usize } else { 128 };
        for (i, sent) in session.sent.iter().enumerate() {
            let right = Fault { write: Write::Right, ..*self };
            let fault = if i < self.begins { &right } else { self };
            fault.write(sent, size, &mut bytes);
            if i == self.begins {
                if let Some(announce) = self.announce {
                    let body = announce.to_be_bytes().to_vec();
                    self.write(&Sent { csid: 2, type_id: 1, time: 0, stream: 0, body }, size, &mut bytes);
                }
                size = if self.size == 0 { size } else { self.size as usize };
            }
        }
        bytes
    }

    fn write(&self, sent: &Sent, size: usize, bytes: &mut Vec<u8>) {
        let is_media = matches!(sent.type_id, 8 | 9);
        let time = if is_media { sent.time + self.shift } else { sent.time };
        let extended = match self.write {
            Write::MaximumInTheField => time > 0xff_ffff,
            _ => time >= 0xff_ffff,
        };
        let field = match self.write {
            Write::LowBitsInTheField => time & 0xff_ffff,
            _ => time.min(0xff_ffff),
        };
        let count = sent.body.len().div_ceil(size).max(1);
        let mut length = sent.body.len() as u32;
        if self.write == Write::LengthWithHeaders {
            length += (count as u32 - 1) * if extended { 5 } else { 1 };
        }
        let mut header = vec![sent.csid];
        header.extend(&field.to_be_bytes()[1..]);
        match self.write {
            Write::LengthLittleEndian => header.extend(&length.to_le_bytes()[..3]),
            _ => header.extend(&length.to_be_bytes()[1..]),
        }
        header.push(sent.type_id);
        header.extend(sent.stream.to_le_bytes());
        if extended {
            header.extend(time.to_be_bytes());
        }
        let mut type3 = vec![0xc0 | sent.csid];
        if let Write::AsOn(csid) = self.write {
            type3[0] = 0xc0 | csid;
        }
        if extended && self.write != Write::WithoutExtended {
            type3.extend(time.to_be_bytes());
        }
        let size = if self.write == Write::Whole && is_media { sent.body.len().max(1) } else { size };
        bytes.extend(&header);
        for (i, chunk) in sent.body.chunks(size).enumerate() {
            if i > 0 {
                bytes.extend(if self.write == Write::Fields { &header } else { &type3 });
            }
            bytes.extend(chunk);
        }
        if self.write == Write::Extra && sent.body.len().is_multiple_of(size) && !sent.body.is_empty() {
            bytes.extend(&type3);
        }
    }
}

/// What a client sent.
struct Session {
    handshake: Vec<u8>,
    sent: Vec<Sent>,
}

struct Sent {
    csid: u8,
    type_id: u8,
    time: u32,
    stream: u32,
    body: Vec<u8>,
}

impl Session {
    fn of(path: &str) -> Session {
        let collected = observe(&testdata().join(path), session::Options::default(), Collected::default());
        // Enough of it, so that the tests are done soon.
        let sent = collected.sent.into_iter().take(80).collect();
        Session { handshake: collected.handshake, sent }
    }

    fn bodies(&self) -> Vec<(u8, Vec<u8>)> {
        self.sent.iter().map(|sent| (sent.type_id, sent.body.clone())).collect()
    }

    fn longest(&self) -> usize {
        self.sent.iter().map(|sent| sent.body.len()).max().unwrap_or_default()
    }
}

#[derive(Default)]
struct Collected {
    connection: Option<ConnectionId>,
    handshake: Vec<u8>,
    sent: Vec<Sent>,
}

impl Observer for Collected {
    fn event(&mut self, event: &Event<'_>) {
        let connection = *self.connection.get_or_insert(event.connection.id);
        if event.direction != Direction::ClientToServer || event.connection.id != connection {
            return;
        }
        match &event.kind {
            Kind::Handshake(part, _) => self.handshake.extend(part.bytes),
            Kind::Message(message) if message.header.type_id.0 != 1 => self.sent.push(Sent {
                csid: message.csid.0 as u8,
                type_id: message.header.type_id.0,
                time: message.header.timestamp.expect("seen from the start"),
                stream: message.header.message_stream_id.map_or(0, |id| id.0),
                body: message.body.clone(),
            }),
            _ => {}
        }
    }

    fn closed(&mut self, _: &Connection, _: &RtmpSession) {}
}

fn judge(bytes: &[u8]) -> Vec<Hypothesis> {
    let before = Decoder::client(decoder::Options::default());
    let (peer_sizes, earlier_sizes) = (vec![(AFTER_CONNECT, PEER)], vec![EARLIER]);
    hypotheses::judge(&Case { before: &before, offset: 0, bytes, ends: true, peer_sizes, earlier_sizes })
}

/// The messages but Set Chunk Size, which must be whole, and all there is besides the handshake.
fn decode(bytes: &[u8], dialect: Dialect) -> Vec<(u8, Vec<u8>)> {
    let mut decoder = Decoder::client(decoder::Options { dialect, ..decoder::Options::default() });
    let mut found = Vec::new();
    let mut take = |event: decoder::Event<'_>| match event {
        decoder::Event::Message(message) => {
            assert!(message.is_complete() && message.defects.is_empty(), "{dialect:?}: {:?}", message.defects);
            if message.header.type_id.0 != 1 {
                found.push((message.header.type_id.0, message.body.clone()));
            }
        }
        decoder::Event::Handshake(_) => {}
        other => panic!("{dialect:?}: {other:?}"),
    };
    decoder.push(0, bytes, &[], &mut |event, _| take(event));
    decoder.finish(&mut |event, _| take(event));
    found
}

fn tapes(path: &Path, options: session::Options) -> Vec<FramingTrace> {
    let recorder = observe(path, options, Recorder::new(Limits::default()));
    recorder.into_tapes().0
}

fn observe<O: Observer>(path: &Path, options: session::Options, observer: O) -> O {
    let file = File::open(path).expect("a capture in testdata");
    let mut capture = Capture::open(file, capture::Limits::default()).expect("a capture");
    pipeline::run(&mut capture, pipeline::Limits::default(), options, observer, &mut Silent).expect("readable").0
}

struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}
    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures")
}

fn captures() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for directory in std::fs::read_dir(testdata()).expect("testdata") {
        let directory = directory.expect("testdata").path();
        let Ok(files) = std::fs::read_dir(directory) else { continue };
        all.extend(files.map(|file| file.expect("testdata").path()).filter(|file| {
            let name = file.to_string_lossy();
            [".pcap", ".pcapng"].iter().any(|ending| name.ends_with(ending)) && !name.contains("cut_short")
        }));
    }
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Random bytes, and a session with random bytes in it, do not panic and prove nothing.
    #[test]
    fn nonsense_proves_nothing(nonsense in prop::collection::vec(any::<u8>(), 0..20_000), at in 3073usize..20_000) {
        prop_assert!(judge(&nonsense).iter().all(|one| !one.certain));
        let mut bytes = Fault::default().encode(&Session::of("pairs/04_type14_A.pcap"));
        bytes.truncate(at);
        bytes.extend(nonsense);
        let hypotheses = judge(&bytes);
        prop_assert!(hypotheses.iter().all(|one| !one.certain), "{hypotheses:?}");
    }
}
