//! Recordings of captures, and what is done to them.

use std::fs;
use std::path::{Path, PathBuf};

pub use crate::kit::recorded::record_file;
use rtmp_inspect::recording::{EventKind, RecordedEvent, RecordedMessage, Recording};
use rtmp_inspect::relay::{self, Counts, Finding, Options, Report, Severity};
use rtmp_inspect::rtmp::class::MessageClass;
use rtmp_inspect::rtmp::{MessageTypeId, body};

/// Publisher on connection 1, player on connection 0, joined before the publisher came: all was for it.
pub const BOTH: &str = "a/ffmpeg_pub_play.pcap";

pub fn assert_sum(counts: &Counts, path: &Path) {
    let sum = counts.forwarded + counts.changed + counts.dropped + counts.not_eligible;
    assert_eq!(counts.sent, sum, "{}: {counts:?}", path.display());
}

/// The one finding that is an error, which must have this code; besides it only what the healthy capture has.
pub fn only_error<'a>(report: &'a Report, code: &str) -> &'a Finding {
    assert_eq!(codes(report), [code, "relay-metadata-rewritten"]);
    assert_eq!(report.findings[0].severity, Severity::Error);
    &report.findings[0]
}

pub fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule.code).collect()
}

pub fn follow(recordings: &[Recording]) -> Report {
    relay::relay(recordings, &Options { pairs: Vec::new(), messages: true }).expect("no pair is named")
}

/// The items of connection 0.
pub fn player(recording: &mut Recording) -> &mut Vec<RecordedEvent> {
    &mut recording.sessions[0].items
}

/// Places of audio and video on the player's leg.
pub fn player_media(recording: &Recording) -> Vec<usize> {
    let items = &recording.sessions[0].items;
    let places: Vec<_> = (0..items.len())
        .filter(|&at| is(&items[at], MessageTypeId::AUDIO) || is(&items[at], MessageTypeId::VIDEO))
        .collect();
    assert_eq!(places.len(), 141);
    places
}

pub fn is(item: &RecordedEvent, type_id: MessageTypeId) -> bool {
    item.message().is_some_and(|kept| kept.header.type_id == type_id)
}

pub fn message(item: &mut RecordedEvent) -> Option<&mut RecordedMessage> {
    match &mut item.content {
        EventKind::Message(kept) => Some(kept),
        _ => None,
    }
}

pub fn kept(item: &RecordedEvent) -> &RecordedMessage {
    item.message().expect("a message")
}

/// Another body, with the hash that a recording has of it.
pub fn replace_body(kept: &mut RecordedMessage, body: Vec<u8>) {
    kept.header.length = u32::try_from(body.len()).expect("a short body");
    kept.hash = xxhash_rust::xxh3::xxh3_128(&body);
    let type_id = kept.header.type_id;
    kept.class = MessageClass::of(type_id, &body::decode(type_id, &body, kept.header.length, &mut ()).body);
    kept.body = body;
}

pub fn record(capture: &str) -> Recording {
    record_file(&testdata().join("captures").join(capture))
}

pub fn captures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(testdata().join("captures")).expect("testdata/captures") {
        let Ok(files) = fs::read_dir(folder.expect("an entry").path()) else { continue };
        let files = files.map(|file| file.expect("an entry").path());
        found.extend(files.filter(|path| path.to_string_lossy().contains(".pcap")));
    }
    assert!(found.len() > 50, "testdata/captures has {} captures", found.len());
    found.sort();
    found
}

pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
