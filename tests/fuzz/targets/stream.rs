//! One direction's chunks: what is found does not depend on how the bytes were cut.

use std::ops::Range;

use rtmp_inspect::origin::{Form, FrameNo, Source, Time};
use rtmp_inspect::rtmp::decoder::{Decoder, Event, Options};
use rtmp_inspect::rtmp::handshake::BLOCK;

use super::bytes::Bytes;

/// Which decoder, how the bytes are cut, where holes are, and the bytes.
pub fn decoder(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (kind, cut, hole_at, hole) = (bytes.u8(), bytes.u8(), bytes.u16(), bytes.u16());
    let stream = match kind & 4 {
        0 => bytes.rest().to_vec(),
        // A handshake of zeros, so that the fuzzer need not find 3073 bytes before the first chunk.
        _ => {
            let blocks = if kind & 3 == 1 { 2 } else { 1 };
            let after = if kind & 3 == 0 { vec![0; BLOCK] } else { Vec::new() };
            [&[3][..], &vec![0; blocks * BLOCK], &after, bytes.rest()].concat()
        }
    };
    let hole_at = usize::from(hole_at).min(stream.len());
    let hole = if kind & 8 == 0 { 0 } else { u64::from(hole) };
    let whole = decode(kind, &stream, usize::MAX, hole_at, hole);
    let pieces = decode(kind, &stream, usize::from(cut) + 1, hole_at, hole);
    assert_eq!(whole, pieces);
}

/// What is compared of an event.
#[derive(Debug, PartialEq)]
enum Seen {
    Handshake(Range<u64>, bool),
    Message(Box<(String, Vec<u8>)>),
    Hole(Range<u64>),
    Undecoded(Range<u64>, String),
}

fn decode(kind: u8, stream: &[u8], cut: usize, hole_at: usize, hole: u64) -> Vec<Seen> {
    let options = Options { open_bytes: 1 << 16, chunk_streams: 64, ..Options::default() };
    let mut decoder = match kind & 3 {
        0 => Decoder::client(options),
        1 => Decoder::server(options),
        2 => Decoder::client_from_c2(options),
        _ => Decoder::midstream(options),
    };
    let mut seen = Vec::new();
    let mut at = 0;
    let mut number = 0;
    let (before, after) = stream.split_at(hole_at);
    for (part, hole) in [(before, hole), (after, 0)] {
        for piece in part.chunks(cut) {
            number += 1;
            let packet = FrameNo(number);
            let source = Source { frame: packet, packet, time: Time(0), file_offset: at, form: Form::Verbatim };
            decoder.push(at, piece, &[(0, source)], &mut |event, _| seen.push(Seen::of(event)));
            at += piece.len() as u64;
        }
        if hole > 0 {
            decoder.gap(at, hole, true, &mut |event, _| seen.push(Seen::of(event)));
            at += hole;
        }
    }
    decoder.finish(&mut |event, _| seen.push(Seen::of(event)));
    for event in &seen {
        if let Seen::Handshake(range, _) | Seen::Hole(range) | Seen::Undecoded(range, _) = event {
            assert!(range.start < range.end && range.end <= at, "{event:?} in {at}");
        }
    }
    seen
}

impl Seen {
    fn of(event: Event<'_>) -> Seen {
        match event {
            Event::Handshake(part) => Seen::Handshake(part.range, part.complete),
            Event::Message(message) => {
                assert!(message.start() < message.end());
                assert!(!message.is_complete() || message.body.len() as u64 == u64::from(message.header.length));
                let (header, chunks, defects) = (&message.header, &message.chunks, &message.defects);
                let words = format!("{:?} {header:?} {chunks:?} {:?} {defects:?}", message.csid, message.ending);
                Seen::Message(Box::new((words, message.body.clone())))
            }
            Event::Hole(range) => Seen::Hole(range),
            Event::Undecoded(bytes) => Seen::Undecoded(bytes.range, format!("{:?}", bytes.why)),
        }
    }
}
