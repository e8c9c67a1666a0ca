//! The model of a sender: what was decoded from a healthy session is written again byte for byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline;
use rtmp_inspect::rtmp::message::Message as Decoded;
use rtmp_inspect::sender::{self, Field, Message, Mistake, Operator, Scope, Sender};
use rtmp_inspect::session::{Direction, Event, Kind, Observer, Options, RtmpSession};
use rtmp_inspect::tcp::{Connection, ConnectionId, Endpoint, Piece};

use crate::kit::recording::Silent;

/// What a capture has of each direction.
#[derive(Default)]
struct RecordedMessage {
    bytes: BTreeMap<(ConnectionId, Direction), Vec<u8>>,
    messages: BTreeMap<(ConnectionId, Direction), Vec<Decoded>>,
    /// Directions with something that is no whole, sound message.
    odd: Vec<(ConnectionId, Direction)>,
    by_sender: BTreeMap<(ConnectionId, usize), Vec<u8>>,
}

impl Observer for RecordedMessage {
    fn event(&mut self, event: &Event<'_>) {
        let way = (event.connection.id, event.direction);
        match &event.kind {
            Kind::Message(message) if message.is_complete() && message.defects.is_empty() => {
                self.messages.entry(way).or_default().push((*message).clone());
            }
            Kind::Handshake(part, _) if part.complete => {}
            _ => self.odd.push(way),
        }
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        for end in Endpoint::BOTH {
            if let Some(bytes) = self.by_sender.remove(&(connection.id, end.index())) {
                self.bytes.insert((connection.id, conversation.direction(end)), bytes);
            }
        }
    }

    fn bytes(&mut self, connection: &Connection, _: &RtmpSession, from: Endpoint, piece: &Piece<'_>) {
        let bytes = self.by_sender.entry((connection.id, from.index())).or_default();
        if piece.offset == bytes.len() as u64 {
            bytes.extend_from_slice(piece.bytes);
        }
    }
}

/// The captures below a directory.
fn captures(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("readable").path();
        match path.is_dir() {
            true => found.extend(captures(&path)),
            false if path.to_string_lossy().contains(".pcap") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Option<RecordedMessage> {
    let mut capture = Capture::open(File::open(path).ok()?, capture::Limits::default()).ok()?;
    let limits = pipeline::Limits::default();
    pipeline::run(&mut capture, limits, Options::default(), RecordedMessage::default(), &mut Silent)
        .ok()
        .map(|(kept, _)| kept)
}

/// What was decoded, as a script: the messages, and whose chunk is next.
fn script(messages: &[Decoded]) -> (Vec<Message<'_>>, Vec<usize>) {
    let of = |message: &'_ Decoded| {
        let form = match message.headers.first().map_or(2, |first| first & 0x3f) {
            0 => 2,
            1 => 3,
            _ => 1,
        };
        (form, message.header.timestamp.unwrap_or(0), message.header.message_stream_id.map_or(0, |msid| msid.0))
    };
    let script = messages.iter().map(|message| {
        let (form, timestamp, msid) = of(message);
        let (csid, fmt, type_id) = (message.csid.0, message.fmt, message.header.type_id);
        Message { csid, form, fmt, timestamp, type_id, msid, body: &message.body }
    });
    let all =
        messages.iter().enumerate().flat_map(|(at, message)| message.chunks.iter().map(move |chunk| (chunk.at, at)));
    let mut turns: Vec<(u64, usize)> = all.collect();
    turns.sort_unstable();
    (script.collect(), turns.into_iter().map(|(_, message)| message).collect())
}

#[test]
fn a_decoded_session_is_written_byte_for_byte() {
    let captures = captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures"));
    let (mut directions, mut total, mut wrong) = (0, 0, Vec::new());
    for path in &captures {
        let Some(kept) = read(path) else { continue };
        for (way, messages) in &kept.messages {
            if kept.odd.contains(way) {
                continue;
            }
            let (script, turns) = script(messages);
            let start = messages.iter().map(Decoded::start).min().expect("messages") as usize;
            let end = messages.iter().map(Decoded::end).max().expect("messages") as usize;
            let Some(bytes) = kept.bytes[way].get(start..end) else { continue };
            // Both are in use: headers without fields that repeat an extended timestamp, and those that do not. And
            // librtmp begins its chunk stream for control messages with format 1, where there is nothing to inherit.
            let scope = Scope { fmt: Some(1), ..Scope::default() };
            let unnamed = Mistake { operator: Operator::Inherited, field: Field::StreamId, scope };
            let written = [(true, None), (false, None), (true, Some(unnamed))].map(|(repeats_extended, habit)| {
                let mut sender = Sender::with(habit.into_iter().collect());
                sender.repeats_extended = repeats_extended;
                sender::encode(&script, turns.iter().copied(), sender)
            });
            if written.iter().all(|written| written != bytes) {
                let same = written[0].iter().zip(bytes).take_while(|(a, b)| a == b).count();
                wrong.push(format!("{} {way:?}: from {} on", path.display(), start + same));
            }
            (directions, total) = (directions + 1, total + bytes.len());
        }
    }
    assert!(directions >= 150 && total > 4_000_000, "{directions} directions, {total} bytes");
    assert!(wrong.is_empty(), "{} of {directions}:\n{}", wrong.len(), wrong.join("\n"));
}
