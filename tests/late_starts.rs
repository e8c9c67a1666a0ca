//! Captures that begin at any frame: what is told of them is true of the whole capture.
//!
//! A row of a cut capture is known by its frames: in the whole capture a row of the same sender and type is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection, What};
use rtmp_inspect::lint;
use rtmp_inspect::pipeline;
use rtmp_inspect::rules::Severity;
use rtmp_inspect::session::{Direction, Options, Protocol};
use rtmp_inspect::streams::{ConnectionSummary, Streams};

use crate::kit::recorded::record;
use crate::kit::recording::Silent;

/// One for each server, chunk size, number of connections and way to interleave.
const CAPTURES: [&str; 9] = [
    "a/ffmpeg_pub_c128.pcap",
    "a/ffmpeg_pub_play.pcap",
    "a/gst_rtmp2sink_pub.pcap",
    "a/nms2_pub_play.pcap",
    "a/port19350.pcap",
    "a/rtmpdump_play_vod.pcap",
    "e/interleave_c128.pcap",
    "f/pyav_nms4_hevc_opus.pcap",
    "f/rml_rtmp_pub.pcap",
];
/// How many first frames are tried of each, spread over the capture; besides them each of the first frames.
const CUTS: usize = 6;
const FIRST: usize = 14;

/// A message, as far as a list tells of it.
struct Message {
    src: SocketAddr,
    direction: Direction,
    /// The frames in which it begins and ends.
    frames: [u64; 2],
    type_id: u8,
    timestamp: Option<u32>,
    /// Its length and body, if it is complete.
    body: Option<Vec<u8>>,
    /// What is said against its parts.
    defects: Vec<&'static str>,
}

/// What is told of a capture.
struct Told {
    messages: Vec<Message>,
    streams: Vec<ConnectionSummary>,
}

fn told(pcap: &[u8]) -> Told {
    let mut messages = Vec::new();
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, _| {
        let What::Message(message) = &row.what else { return };
        messages.push(Message {
            src: row.src,
            direction: row.direction,
            frames: [row.first_frame.0, row.frame.0],
            type_id: message.type_id.0,
            timestamp: message.timestamp,
            body: message.complete.then(|| message.message.body.clone()),
            defects: row.defects.iter().map(|defect| defect.code).collect(),
        });
    });
    let observer = (rows, Streams::default());
    let mut capture = Capture::open(std::io::Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a pcap");
    let limits = pipeline::Limits::default();
    let ((_, streams), _) =
        pipeline::run(&mut capture, limits, Options::default(), observer, &mut Silent).expect("readable");
    let streams = streams.into_streams();
    Told { messages, streams }
}

/// The capture without its first frames.
fn without_first(pcap: &[u8], frames: usize) -> Vec<u8> {
    let (header, mut rest) = pcap.split_at(24);
    for _ in 0..frames {
        let len = u32::from_le_bytes(rest[8..12].try_into().expect("four bytes")) as usize;
        rest = &rest[16 + len..];
    }
    [header, rest].concat()
}

fn frames(pcap: &[u8]) -> usize {
    let mut count = 0;
    while without_first(pcap, count).len() > 24 {
        count += 1;
    }
    count
}

/// The codes of what is wrong with a capture, infos aside.
fn lint_codes(pcap: &[u8]) -> BTreeSet<&'static str> {
    let report = lint::lint(&record(pcap), &lint::Options::default());
    let grave = report.findings.into_iter().filter(|finding| finding.severity > Severity::Info);
    grave.map(|finding| finding.rule.code).collect()
}

#[test]
fn from_any_frame_on_nothing_untrue_is_told() {
    let mut untrue = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in CAPTURES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(name);
        let whole = std::fs::read(path).expect("in the repository");
        let (truth, codes) = (told(&whole), lint_codes(&whole));
        let count = frames(&whole);
        let spread = (1..=CUTS).map(|number| number * count / (CUTS + 1));
        for skipped in (1..FIRST).step_by(3).chain(spread) {
            let pcap = without_first(&whole, skipped);
            let cut = told(&pcap);
            let mut say = |what: String| untrue.push(format!("{name} from frame {}: {what}", skipped + 1));
            for message in &cut.messages {
                *counts.entry("messages").or_default() += 1;
                if let Err(what) = is_true(message, skipped as u64, &truth) {
                    say(what);
                }
            }
            for stream in &cut.streams {
                *counts.entry("connections").or_default() += 1;
                if let Err(what) = is_true_of(stream, &truth, &mut counts) {
                    say(what);
                }
            }
            for code in lint_codes(&pcap).difference(&codes).filter(|code| !code.starts_with("capture-")) {
                say(format!("lint finds {code}"));
            }
        }
    }
    println!("{counts:?}");
    assert!(counts["messages"] > 5000 && counts["announced"] > 20, "{counts:?}");
    assert!(untrue.is_empty(), "{} untrue of {counts:?}:\n{}", untrue.len(), untrue.join("\n"));
}

fn is_true(message: &Message, skipped: u64, truth: &Told) -> Result<(), String> {
    let Message { src, direction, frames, type_id, timestamp, body, defects } = message;
    let frames = frames.map(|frame| frame + skipped);
    let what = format!("type {type_id} of {src} in frames {frames:?}, {defects:?}");
    let of_sender: Vec<_> = truth.messages.iter().filter(|other| other.src == *src).collect();
    if of_sender.iter().any(|other| other.direction != *direction) {
        return Err(format!("{what}: the direction is {direction:?}"));
    }
    let is_there = |other: &&&Message| other.frames[0] <= frames[1] && frames[0] <= other.frames[1];
    let alike: Vec<_> = of_sender.iter().filter(is_there).filter(|other| other.type_id == *type_id).collect();
    if alike.is_empty() {
        return Err(format!("{what}: no such message was sent"));
    }
    if body.is_some() && !alike.iter().any(|other| other.body == *body) {
        return Err(format!("{what}: complete, with a body that was not sent"));
    }
    let is_sure = body.is_some() && !defects.contains(&"timestamp-uncertain");
    let has_time = |other: &&&&Message| other.body == *body && other.timestamp == *timestamp;
    if is_sure && timestamp.is_some() && !alike.iter().any(|other| has_time(&other)) {
        return Err(format!("{what}: timestamp {timestamp:?} was not sent"));
    }
    Ok(())
}

fn is_true_of(stream: &ConnectionSummary, truth: &Told, counts: &mut BTreeMap<&str, usize>) -> Result<(), String> {
    let ends = |stream: &ConnectionSummary| BTreeSet::from([stream.client, stream.server]);
    let whole =
        truth.streams.iter().find(|other| ends(other) == ends(stream)).ok_or("a connection that was not there")?;
    let what = format!("{} → {}, {} ({})", stream.client, stream.server, stream.protocol, stream.protocol_why);
    if ![Protocol::Rtmp, Protocol::Undecided, Protocol::Empty].contains(&stream.protocol) {
        return Err(format!("{what}: it is {}", whole.protocol));
    }
    if stream.protocol == Protocol::Rtmp && stream.client != whole.client {
        return Err(format!("{what}: the client is {}", whole.client));
    }
    let activities = |stream: &ConnectionSummary| {
        stream.activities.iter().map(|one| (one.what, one.name.clone())).collect::<BTreeSet<_>>()
    };
    if !activities(stream).is_subset(&activities(whole)) {
        return Err(format!("{what}: {:?}, where there were {:?}", stream.activities, whole.activities));
    }
    for (side, other) in
        [(&stream.client_to_server, &whole.client_to_server), (&stream.server_to_client, &whole.server_to_client)]
    {
        let is_told = side.chunk_size.is_some() && !side.chunk_size_guessed && stream.protocol == Protocol::Rtmp;
        *counts.entry("announced").or_default() += usize::from(is_told);
        if is_told && side.messages > 0 && side.chunk_size != other.chunk_size {
            return Err(format!("{what}: chunk size {:?} is {:?}", side.chunk_size, other.chunk_size));
        }
    }
    Ok(())
}
