//! Sessions in tunnels, with frames that are changed, missing, doubled or moved.

use std::collections::HashMap;
use std::io::Cursor;

use rtmp_inspect::capture::{self, Capture, Event, Frame};
use rtmp_inspect::origin::{Form, FrameNo, Time};
use rtmp_inspect::packet::{self, Outcome, Slicer};
use rtmp_inspect::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece, Tracker};
use rtmp_inspect::tunnel::{self, Notice, Options, Tunnels};

use super::bytes::Bytes;

const RECORDED: [&[u8]; 6] = [
    include_bytes!("../../../testdata/tunnels/tls12_ecdhe_aes128_gcm.pcapng.gz"),
    include_bytes!("../../../testdata/tunnels/tls12_aes256_cbc_sha.pcapng.gz"),
    include_bytes!("../../../testdata/tunnels/tls13_aes256_gcm_update.pcapng.gz"),
    include_bytes!("../../../testdata/tunnels/tls13_early_data.pcapng.gz"),
    include_bytes!("../../../testdata/tunnels/rtmpt_ffmpeg_chunked.pcapng.gz"),
    include_bytes!("../../../testdata/tunnels/rtmpts.pcapng.gz"),
];

/// Which session, then changes: a frame, what to do with it, and where.
pub fn tunnel(data: &[u8]) {
    let mut bytes = Bytes(data);
    let recorded = RECORDED[usize::from(bytes.u8()) % RECORDED.len()];
    let (mut frames, mut keys) = (Vec::new(), Vec::new());
    let mut capture = Capture::open(Cursor::new(recorded), capture::Limits::default()).expect("a capture");
    while let Some(event) = capture.next().expect("readable") {
        match event {
            Event::Frame(frame) => frames.push(frame.bytes.to_vec()),
            Event::Secrets(text) => keys.extend_from_slice(text),
            Event::Note(_) => {}
            Event::Warning(warning) => panic!("{warning}"),
            Event::Bytes(_) => panic!("it has packets"),
        }
    }
    for _ in 0..64 {
        if bytes.is_empty() || frames.is_empty() {
            break;
        }
        let (frame, what, place) = (usize::from(bytes.u8()) % frames.len(), bytes.u8(), usize::from(bytes.u16()));
        match what % 5 {
            0 => _ = frames.remove(frame),
            1 => frames.insert(frame, frames[frame].clone()),
            2 => {
                let other = place % frames.len();
                frames.swap(frame, other);
            }
            // After the headers, so that the byte is the tunnel's.
            _ if frames[frame].len() > 66 => {
                let at = 66 + place % (frames[frame].len() - 66);
                frames[frame][at] ^= what | 1;
            }
            _ => {}
        }
    }
    let file = frames.concat();
    let (mut slicer, mut tracker) = (Slicer::new(packet::Limits::default()), Tracker::default());
    let mut tunnels = Tunnels::new(Options::default(), Checked { file: &file, ends: HashMap::new() });
    tunnels.secrets(&keys);
    let mut at = 0;
    for (number, frame) in (1..).zip(&frames) {
        let frame = Frame {
            number: FrameNo(number),
            time: Time(number as i64 * 1_000_000),
            link_type: 1,
            bytes: frame,
            original_len: frame.len() as u32,
            file_offset: at,
        };
        at += frame.bytes.len() as u64;
        if let Outcome::Segment(segment) = slicer.segment(&frame) {
            tracker.push(&segment, &mut tunnels);
        }
    }
    tracker.finish(&mut tunnels);
    tunnels.finish();
}

/// Where each direction continues.
struct Checked<'a> {
    file: &'a [u8],
    ends: HashMap<(ConnectionId, Endpoint), u64>,
}

impl Checked<'_> {
    fn advance(&mut self, connection: &Connection, from: Endpoint, offset: u64, len: u64) {
        let end = self.ends.entry((connection.id, from)).or_default();
        assert_eq!((offset, len > 0), (*end, true), "{from:?}");
        *end += len;
    }
}

impl tcp::Sink for Checked<'_> {
    fn opened(&mut self, _: &Connection) {}

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        self.advance(connection, from, piece.offset, piece.bytes.len() as u64);
        assert_eq!(piece.sources.first().map(|source| source.0), Some(0));
        for (index, &(start, source)) in piece.sources.iter().enumerate() {
            let end = piece.sources.get(index + 1).map_or(piece.bytes.len(), |next| next.0 as usize);
            let part = &piece.bytes[start as usize..end];
            let at = source.file_offset as usize;
            let here = &self.file[at..at + part.len()];
            assert!(source.form != Form::Verbatim || here == part, "other bytes are there");
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        self.advance(connection, from, gap.offset, gap.len);
    }

    fn closed(&mut self, _: &Connection) {}
}

impl tunnel::Sink for Checked<'_> {
    fn notice(&mut self, _: &Connection, _: Endpoint, notice: Notice) {
        if let Notice::Tls(tls) = notice {
            _ = tls.to_string();
        }
    }
}
