//! Faults of enhanced video headers (E-RTMP v2).

use super::{Base, Fault, Then, fault};
use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER};
use crate::kit::encode::Message;
use crate::kit::recording::Recording;

/// Packet types of the extended header.
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;
const MULTITRACK: u8 = 6;
const MOD_EX: u8 = 7;

pub fn faults() -> Vec<Fault> {
    use Then::{Ends, GoesOn};
    vec![
        fault(
            "not-negotiated",
            &["er-not-negotiated"],
            Base::Enhanced,
            GoesOn,
            "the server does not say that it knows enhanced video",
            |s| {
                let at = s.command("_result");
                s.replace(at, b"\0\x0afourCcList\x0a\0\0\0\x01\x02\0\x04avc1", &[]);
            },
        ),
        fault("fourcc-reversed", &["er-fourcc"], Base::Enhanced, GoesOn, "the FourCC is 1cva", |s| {
            video(s, |body| body[1..5].copy_from_slice(b"1cva"));
        }),
        fault("fourcc-hev1", &["er-fourcc"], Base::Enhanced, GoesOn, "the FourCC is hev1", |s| {
            video(s, |body| body[1..5].copy_from_slice(b"hev1"));
        }),
        fault(
            "coded-frames-no-cts",
            &["er-cts-codec"],
            Base::Enhanced,
            GoesOn,
            "CodedFrames of avc1 have no composition time",
            |s| {
                video(s, |body| {
                    if body[0] & 15 == CODED_FRAMES {
                        body.drain(5..8);
                    }
                });
            },
        ),
        fault("frames-x-av1", &["er-framesx-codec"], Base::Enhanced, GoesOn, "CodedFramesX have FourCC av01", |s| {
            video(s, |body| {
                body[1..5].copy_from_slice(b"av01");
                if body[0] & 15 == CODED_FRAMES {
                    body[0] = body[0] & 0xf0 | CODED_FRAMES_X;
                    body.drain(5..8);
                }
            });
        }),
        fault("no-sequence-start", &["er-seqstart"], Base::Enhanced, GoesOn, "there is no SequenceStart", |s| {
            s.drop_all(CLIENT, |message| message.type_id == 9 && message.body[0] & 15 == 0);
        }),
        fault(
            "multitrack-size",
            &["er-multitrack-size"],
            Base::Enhanced,
            GoesOn,
            "a track is 5 bytes longer than its message",
            |s| {
                video(s, |body| {
                    // Many tracks of one codec: 1 in the high bits, the packet type; FourCC; track 0 and its size.
                    let size = (body.len() - 5 + 5) as u32;
                    let head = [body[0] & 0xf0 | MULTITRACK, 0x10 | body[0] & 15];
                    let head = [&head[..], &body[1..5], &[0], &size.to_be_bytes()[1..]].concat();
                    body.splice(..5, head);
                });
            },
        ),
        fault("modex-nano", &["er-modex"], Base::Enhanced, GoesOn, "ModEx has 2 bytes of nanoseconds", |s| {
            video(s, |body| {
                // The size less 1, the bytes, then type 0 (nanoseconds) and the packet type.
                let head = [body[0] & 0xf0 | MOD_EX, 1, 0x10, 0x20, body[0] & 15];
                body.splice(..1, head);
            });
        }),
        fault(
            "reconnect-ignored",
            &["er-reconnect-ignored"],
            Base::Enhanced,
            GoesOn,
            "the client continues after a ReconnectRequest",
            |s| {
                let at = s.nth(4, |message| message.type_id == 9);
                let info = [
                    ("level", amf0::string("status")),
                    ("code", amf0::string("NetConnection.Connect.ReconnectRequest")),
                    ("tcUrl", amf0::string("rtmp://127.0.0.2/live")),
                ];
                let body = [amf0::string("onStatus"), amf0::number(0.0), amf0::null(), amf0::object(&info)].concat();
                s.answer(at, SERVER, Message::new(3, 20, 0, 0, &body));
            },
        ),
        fault(
            "metadata-codec-0",
            &["er-onmeta-codecid"],
            Base::Enhanced,
            GoesOn,
            "the metadata's video codec is 0",
            |s| {
                let at = s.find(|message| message.type_id == 18);
                let number = |value: f64| [&b"videocodecid\0"[..], &value.to_be_bytes()].concat();
                s.replace(at, &number(f64::from(u32::from_be_bytes(*b"avc1"))), &number(0.0));
            },
        ),
        fault(
            "closed-on-enhanced",
            &["er-not-negotiated", "silent-close"],
            Base::Enhanced,
            Ends,
            "the same as not-negotiated, and the server closes",
            |s| {
                let at = s.command("_result");
                s.replace(at, b"\0\x0afourCcList\x0a\0\0\0\x01\x02\0\x04avc1", &[]);
                let at = s.find(|message| message.type_id == 9);
                s.closed(at);
            },
        ),
    ]
}

/// Changes all video messages.
fn video(session: &mut Recording, change: fn(&mut Vec<u8>)) {
    session.sent(CLIENT, 0).filter(|message| message.type_id == 9).for_each(|message| change(&mut message.body));
}
