//! The layers below RTMP: every byte that they hand on is where they say it is.

use std::io::Cursor;
use std::net::SocketAddr;

use rtmp_inspect::capture::{self, Capture, Event, Frame};
use rtmp_inspect::origin::{Form, FrameNo, Source, Time};
use rtmp_inspect::packet::{self, Outcome, Segment, Slicer};
use rtmp_inspect::raw::{self, Content};
use rtmp_inspect::tcp::{Connection, Endpoint, Gap, Limits, Piece, Sink, Tracker};

use super::bytes::Bytes;

/// A file that may be a capture: frames count from 1, and their bytes are at their place in it.
pub fn capture(data: &[u8]) {
    let compressed = data.starts_with(&[0x1f, 0x8b]) || data.get(1..4) == Some(&[0xb5, 0x2f, 0xfd]);
    let limits = capture::Limits { record_len: 1 << 20, ..capture::Limits::default() };
    let Ok(mut capture) = Capture::open(Cursor::new(data.to_vec()), limits) else { return };
    // Of a text, places are among the bytes that it says.
    let is_text = std::str::from_utf8(data).is_ok();
    let mut last = 0;
    loop {
        match capture.next() {
            Ok(Some(Event::Frame(frame))) => {
                // A damaged block may have held frames that are counted and not seen.
                assert!(frame.number.0 > last);
                last = frame.number.0;
                if !compressed && !is_text && !data.starts_with(&[0x50]) {
                    let at = frame.file_offset as usize;
                    assert_eq!(data.get(at..at + frame.bytes.len()), Some(frame.bytes));
                }
            }
            Ok(Some(Event::Warning(warning))) => _ = warning.to_string(),
            Ok(Some(Event::Secrets(_) | Event::Note(_))) => {}
            Ok(Some(Event::Bytes(given))) => {
                if !compressed && !is_text {
                    let at = given.file_offset as usize;
                    assert_eq!(data.get(at..at + given.bytes.len()), Some(given.bytes));
                }
            }
            Ok(None) => break,
            Err(error) => {
                error.to_string();
                return;
            }
        }
    }
}

/// A text, or a direction's bytes: whatever is said of them, the pieces and packets are in the bytes in their order.
pub fn given(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match raw::read(text) {
            Ok(read) => {
                let ranges: Vec<_> = match &read.content {
                    Content::Packets(packets) => packets.iter().map(|packet| packet.range.clone()).collect(),
                    Content::Parts(parts) => parts.iter().map(|part| part.range.clone()).collect(),
                };
                let mut end = 0;
                for range in ranges {
                    assert!(end <= range.start && range.start <= range.end && range.end <= read.bytes.len());
                    end = range.end;
                }
                read.assumed.iter().for_each(|assumption| _ = assumption.to_string());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let Ok(mut capture) = Capture::open_raw(Cursor::new(data.to_vec()), capture::Limits::default()) else { return };
    while let Ok(Some(_)) = capture.next() {}
}

/// The link types that frames may have.
pub const LINKS: [u32; 12] = [1, 113, 276, 0, 108, 12, 101, 228, 229, 9, 50, 51];

/// Frames of a link type: the payload of each segment is in the frames, byte for byte where its source has it.
pub fn packet(data: &[u8]) {
    let mut bytes = Bytes(data);
    let link_type = LINKS[usize::from(bytes.u8()) % LINKS.len()];
    let limits = packet::Limits { fragmented_packets: 8, fragment_bytes: 1 << 16, ..packet::Limits::default() };
    let mut slicer = Slicer::new(limits);
    for number in 1..=64 {
        if bytes.is_empty() {
            break;
        }
        let (len, cut) = (bytes.u16(), bytes.u8());
        let frame = bytes.take(len.into());
        let frame = Frame {
            number: FrameNo(number),
            time: Time(i64::from(cut) * 1_000_000),
            link_type,
            bytes: frame,
            original_len: frame.len() as u32 + u32::from(cut),
            file_offset: (data.len() - bytes.0.len() - frame.len()) as u64,
        };
        let Outcome::Segment(segment) = slicer.segment(&frame) else { continue };
        assert_eq!(segment.sources.is_empty(), segment.payload.is_empty());
        for (index, &(start, source)) in segment.sources.iter().enumerate() {
            let end = segment.sources.get(index + 1).map_or(segment.payload.len(), |next| next.0 as usize);
            let at = source.file_offset as usize;
            assert_eq!(data[at..at + end - start as usize], segment.payload[start as usize..end]);
        }
    }
}

/// Segments of four connections: each direction's pieces and gaps follow each other without overlap.
pub fn tcp(data: &[u8]) {
    let mut bytes = Bytes(data);
    let limits = Limits {
        out_of_order_bytes: 1 << 14,
        total_out_of_order_bytes: 1 << 15,
        total_history_bytes: 1 << 12,
        open_connections: 3,
        known_connections: 4,
    };
    let mut tracker = Tracker::new(limits);
    let mut sink = Offsets::default();
    for number in 1..=512 {
        if bytes.is_empty() {
            break;
        }
        let (who, flags) = (bytes.u8(), bytes.u8());
        let (client, server) = (end(40000 + u16::from(who >> 1 & 3)), end(1935));
        let (src, dst) = if who & 1 == 0 { (client, server) } else { (server, client) };
        // Mostly near each other, and around the end of the numbers.
        let near = |flag, bytes: &mut Bytes<'_>| {
            if flag { bytes.u32() } else { u32::from(bytes.u16()).wrapping_sub(0x8000) }
        };
        let seq = near(flags & 0x40 != 0, &mut bytes);
        let ack = (flags & 0x10 != 0).then(|| near(flags & 0x80 != 0, &mut bytes));
        let len = usize::from(bytes.u8()) << (who >> 6);
        let payload = vec![number as u8; len];
        let source = Source {
            frame: FrameNo(number),
            packet: FrameNo(number),
            time: Time(0),
            file_offset: 0,
            form: Form::Verbatim,
        };
        tracker.push(
            &Segment {
                frame: FrameNo(number),
                time: Time(number as i64),
                src,
                dst,
                seq,
                ack,
                syn: flags & 2 != 0,
                fin: flags & 1 != 0,
                rst: flags & 4 != 0,
                window: u16::from(flags & 8) << 8,
                payload: &payload,
                missing: u32::from(who >> 3 & 7) * 100,
                sources: &[(0, source)][..usize::from(len > 0)],
                duplicate: flags & 0x20 != 0,
            },
            &mut sink,
        );
    }
    tracker.finish(&mut sink);
    assert_eq!(sink.closed, sink.next.len());
}

fn end(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// Where each direction of each connection continues.
#[derive(Default)]
struct Offsets {
    next: Vec<[u64; 2]>,
    closed: usize,
}

impl Offsets {
    fn advance(&mut self, connection: &Connection, from: Endpoint, offset: u64, len: u64) {
        let next = &mut self.next[connection.id.0 as usize][from.index()];
        assert_eq!((offset, len > 0), (*next, true), "{from:?}");
        *next += len;
    }
}

impl Sink for Offsets {
    fn opened(&mut self, connection: &Connection) {
        assert_eq!(connection.id.0 as usize, self.next.len());
        self.next.push([0; 2]);
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        assert_eq!(piece.sources.first().map(|source| source.0), Some(0));
        assert!(piece.sources.windows(2).all(|pair| pair[0].0 < pair[1].0));
        self.advance(connection, from, piece.offset, piece.bytes.len() as u64);
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        self.advance(connection, from, gap.offset, gap.len);
    }

    fn closed(&mut self, _: &Connection) {
        self.closed += 1;
    }
}
