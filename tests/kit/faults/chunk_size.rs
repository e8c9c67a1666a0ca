//! Faults of Set Chunk Size (RTMP 1.0 5.4.1): announced and not used, used and not announced, or told wrongly.

use super::chunk::is_data;
use super::{Base, Fault, Then, fault};
use crate::kit::edit::{CLIENT, is_picture};
use crate::kit::encode::Message;
use crate::kit::recording::Recording;

pub fn faults() -> Vec<Fault> {
    use Then::{Breaks, GoesOn};
    vec![
        fault(
            "unsplit-connect",
            &["chunk-size-not-announced"],
            Base::Own,
            Breaks,
            "connect is written in one chunk of 135 bytes",
            |s| {
                let at = s.command("connect");
                s.cut(CLIENT, at, 4096);
                s.closed(at);
            },
        ),
        fault(
            "unannounced-4096",
            &["chunk-size-not-announced"],
            Base::Own,
            Breaks,
            "media are cut at 4096, and nothing says so",
            |s| {
                let at = s.find(is_data);
                s.cut(CLIENT, at, 4096);
                s.closed(at);
            },
        ),
        fault(
            "unannounced-1024",
            &["chunk-size-not-announced"],
            Base::Own1024,
            Breaks,
            "Set Chunk Size is missing, chunks are of 1024",
            |s| {
                unannounced(s, 1024);
            },
        ),
        fault(
            "of-the-server",
            &["chunk-size-wrong-direction", "chunk-size-not-announced"],
            Base::Own4096,
            Breaks,
            "the client cuts at the size that the server announced for itself",
            |s| {
                unannounced(s, 4096);
            },
        ),
        fault(
            "of-the-server-1024",
            &["chunk-size-wrong-direction", "chunk-size-not-announced"],
            Base::Own1024,
            Breaks,
            "the server announces 1024 for itself, and the client cuts at that without a word",
            |s| {
                let at = s.find(|message| message.type_id == 1);
                s.message(at).body = 1024_u32.to_be_bytes().to_vec();
                let at = announcement(s);
                s.remove(at);
                s.cut(CLIENT, at, 1024);
                let at = s.nth(6, is_picture);
                s.closed(at);
            },
        ),
        fault(
            "not-applied",
            &["chunk-size-not-applied"],
            Base::Own4096,
            Breaks,
            "4096 is announced, and chunks are of 128",
            |s| {
                let at = s.find(is_data);
                s.cut(CLIENT, at, 128);
                s.closed(at);
            },
        ),
        fault(
            "not-applied-ffmpeg",
            &["chunk-size-not-applied"],
            Base::Ffmpeg,
            Breaks,
            "4096 is announced, and chunks are of 128",
            |s| {
                let at = announcement(s);
                s.cut(CLIENT, at, 128);
                let at = s.find(is_picture);
                s.closed(at);
            },
        ),
        fault(
            "cut-at-1023",
            &["chunk-size-not-announced", "chunk-size-not-applied"],
            Base::Own1024,
            Breaks,
            "1024 is announced, and chunks are of 1023",
            |s| {
                let at = announcement(s);
                s.cut(CLIENT, at, 1023);
                let at = s.find(is_picture);
                s.closed(at);
            },
        ),
        fault(
            "little-endian",
            &["chunk-size-byte-order"],
            Base::Own1024,
            Breaks,
            "the size is little-endian: 00 04 00 00",
            |s| {
                announce(s, [0, 4, 0, 0], 1024);
                let at = s.find(is_picture);
                s.closed(at);
            },
        ),
        fault(
            "little-endian-goes-on",
            &["chunk-size-byte-order"],
            Base::Own1024,
            Breaks,
            "the same, and neither side closes",
            |s| {
                announce(s, [0, 4, 0, 0], 1024);
            },
        ),
        fault("size-0", &["chunk-size-range"], Base::Own4096, Breaks, "the announced size is 0", |s| {
            announce(s, [0, 0, 0, 0], 4096);
            let at = s.find(is_data);
            s.closed(at);
        }),
        fault(
            "size-bit-31",
            &["chunk-size-range"],
            Base::Own4096,
            Breaks,
            "the announced size has its first bit set",
            |s| {
                announce(s, [0x80, 0, 0x10, 0], 4096);
                let at = s.find(is_data);
                s.closed(at);
            },
        ),
        fault(
            "size-128-mib",
            &["chunk-size-range"],
            Base::Own4096,
            Breaks,
            "the announced size is more than nginx takes",
            |s| {
                announce(s, [8, 0, 0, 0], 0x800_0000);
                let at = s.find(is_data);
                s.closed(at);
            },
        ),
        fault(
            "kept-from-before",
            &["chunk-size-not-reset", "chunk-size-not-announced"],
            Base::Twice,
            Breaks,
            "the second connection begins with the first one's size",
            |s| {
                let second = s.next.as_deref_mut().expect("the client comes back");
                let at = second.command("connect");
                second.cut(CLIENT, at, 4096);
                second.closed(at);
            },
        ),
        fault(
            "size-before-connect",
            &["chunk-size-timing"],
            Base::Own4096,
            GoesOn,
            "Set Chunk Size is sent before connect",
            |s| {
                moved(s, |session| session.command("connect"));
            },
        ),
        fault(
            "size-after-publish",
            &["chunk-size-timing"],
            Base::Own4096,
            GoesOn,
            "Set Chunk Size is sent among the media",
            |s| {
                moved(s, |session| session.nth(1, is_picture));
            },
        ),
    ]
}

/// Where the client announces its chunk size.
fn announcement(session: &Recording) -> usize {
    let is = |at: usize| session.steps[at].from_client && session.steps[at].message().is_some_and(is_size);
    (0..session.steps.len()).find(|&at| is(at)).expect("the client announces a size")
}

fn is_size(message: &Message) -> bool {
    message.type_id == 1
}

/// The announcement has these bytes; the client cuts at `cut`.
fn announce(session: &mut Recording, bytes: [u8; 4], cut: u32) {
    let at = announcement(session);
    session.message(at).body = bytes.to_vec();
    session.cut(CLIENT, at + 1, cut);
}

/// The announcement is missing; the server closes at the first message that needs it.
fn unannounced(session: &mut Recording, cut: u32) {
    let at = announcement(session);
    session.remove(at);
    session.cut(CLIENT, at, cut);
    let at = session.find(is_data);
    session.closed(at);
}

/// The announcement is sent right before another message.
fn moved(session: &mut Recording, to: fn(&Recording) -> usize) {
    let at = announcement(session);
    let mut step = session.remove(at);
    let to = to(session);
    (step.time, step.write) = (session.steps[to].time, session.steps[to].write);
    session.steps.insert(to, step);
}
