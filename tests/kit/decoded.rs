//! A capture as the library sees it, in the terms of [`encode`](super::encode).

use std::collections::BTreeMap;
use std::ops::Range;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Row, Rows, Selection};
use rtmp_inspect::dissect::Dissection;
use rtmp_inspect::dissect::vocabulary::Place;
use rtmp_inspect::origin::Time;
use rtmp_inspect::packet::{self, Outcome, Slicer};
use rtmp_inspect::pipeline;
use rtmp_inspect::session::{Direction, Event, Kind, Options};
use rtmp_inspect::streams::{ConnectionSummary, Streams};
use rtmp_inspect::tcp::{Connection, Endpoint, Gap, Piece, Sink, Tracker};
#[cfg(feature = "cli")]
use rtmp_inspect::view::Layout;
#[cfg(feature = "cli")]
use rtmp_inspect::view::palette::Palette;
#[cfg(feature = "cli")]
use rtmp_inspect::view::tree::{TreeStyle, tree};

use super::encode::Message;
use super::recording::Silent;

/// One direction of a connection: the connection's number, and whether it is the client's.
pub type Way = (u32, bool);

/// A capture, decoded.
pub struct Decoded {
    /// The whole messages of each direction, and their offsets in it.
    pub messages: BTreeMap<Way, Vec<(Message, Range<u64>)>>,
    /// The connections.
    pub streams: Vec<ConnectionSummary>,
    /// How long the trees of all rows are as text.
    pub printed: usize,
}

/// Decodes a capture as `decode -V` and `streams` do.
pub fn decode(pcap: &[u8]) -> Decoded {
    decode_with(pcap, Options::default())
}

/// The same with other options.
pub fn decode_with(pcap: &[u8], options: Options) -> Decoded {
    let mut messages: BTreeMap<Way, Vec<(Message, Range<u64>)>> = BTreeMap::new();
    let mut printed = 0;
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, event| {
        printed += print(row, event);
        if let Kind::Message(message) = event.kind
            && message.is_complete()
        {
            let header = message.header;
            let (msid, time) = (header.message_stream_id.map(|id| id.0), header.timestamp);
            let own = Message::new(
                message.csid.0,
                header.type_id.0,
                msid.unwrap_or(u32::MAX),
                time.unwrap_or(u32::MAX),
                &message.body,
            );
            let way = (event.connection.id.0, event.direction == Direction::ClientToServer);
            messages.entry(way).or_default().push((own, message.start()..message.end()));
        }
    });
    let observer = (rows, Streams::default());
    let mut capture = Capture::open(std::io::Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a pcap");
    let limits = pipeline::Limits::default();
    let ((_, streams), _) = pipeline::run(&mut capture, limits, options, observer, &mut Silent).expect("no trouble");
    let streams = streams.into_streams();
    Decoded { messages, streams, printed }
}

/// Prints a row's tree, and gives its length.
#[cfg(feature = "cli")]
fn print(row: &Row<'_>, event: &Event<'_>) -> usize {
    let row = Dissection::new(row, event, Time(0));
    let palette = Palette::new(&row.section(Place::Content).tree, false);
    let mut text = String::new();
    tree(&row, TreeStyle { layout: Layout { width: None }, bytes: true, chunks: true }, &palette, &mut text);
    text.len()
}

/// Reads a row's tree, and gives the length of its fields as the compiler prints them.
#[cfg(not(feature = "cli"))]
fn print(row: &Row<'_>, event: &Event<'_>) -> usize {
    format!("{:?}", Dissection::new(row, event, Time(0)).section(Place::Content).tree).len()
}

/// What a capture has of each direction, up to the first hole. The server is who has port 1935.
pub fn bytes(pcap: &[u8]) -> BTreeMap<Way, Vec<u8>> {
    let mut capture = Capture::open(std::io::Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a pcap");
    let (mut slicer, mut tracker) = (Slicer::new(packet::Limits::default()), Tracker::default());
    let mut sink = Bytes::default();
    while let Some(event) = capture.next().expect("readable") {
        if let capture::Event::Frame(frame) = event
            && let Outcome::Segment(segment) = slicer.segment(&frame)
        {
            tracker.push(&segment, &mut sink);
        }
    }
    tracker.finish(&mut sink);
    sink.streams
}

#[derive(Default)]
struct Bytes {
    streams: BTreeMap<Way, Vec<u8>>,
}

fn way(connection: &Connection, from: Endpoint) -> Way {
    (connection.id.0, connection.endpoints[from.index()].port() != 1935)
}

impl Sink for Bytes {
    fn opened(&mut self, connection: &Connection) {
        for from in Endpoint::BOTH {
            self.streams.insert(way(connection, from), Vec::new());
        }
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        let stream = self.streams.get_mut(&way(connection, from)).expect("opened");
        if piece.offset == stream.len() as u64 {
            stream.extend(piece.bytes);
        }
    }

    fn gap(&mut self, _: &Connection, _: Endpoint, _: Gap) {}

    fn closed(&mut self, _: &Connection) {}
}
