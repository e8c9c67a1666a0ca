//! Faults of the messages' timestamps.

use super::{Base, Fault, Then, fault};
use crate::kit::edit::{CLIENT, is_media, is_sound};
use crate::kit::recording::Recording;

pub fn faults() -> Vec<Fault> {
    use Then::GoesOn;
    vec![
        fault(
            "ts-back",
            &["ts-backwards"],
            Base::Own,
            GoesOn,
            "an audio message is 100 ms before the previous one",
            |s| {
                let at = s.nth(8, is_sound);
                let message = s.message(at);
                (message.timestamp, message.fmt) = (message.timestamp - 123, 0);
                following_full(s, at);
            },
        ),
        fault(
            "ts-back-by-delta",
            &["ts-negative-delta", "ts-backwards"],
            Base::Own,
            GoesOn,
            "a fmt 1 header goes back by 40 ms",
            |s| {
                let at = s.nth(8, is_sound);
                let message = s.message(at);
                (message.timestamp, message.fmt) = (message.timestamp - 63, 1);
                following_full(s, at);
            },
        ),
        fault(
            "ts-absolute-as-delta",
            &["ts-abs-in-delta"],
            Base::Ffmpeg,
            GoesOn,
            "fmt 1 and 2 headers have the time itself",
            |s| {
                for kind in [8, 9] {
                    let mut sum = 0;
                    s.sent(CLIENT, 0).filter(|message| message.type_id == kind).for_each(|message| {
                        sum += message.timestamp;
                        message.timestamp = sum;
                    });
                }
            },
        ),
        fault("ts-microseconds", &["ts-unit"], Base::Own, GoesOn, "times are in microseconds", |s| scale(s, 1000)),
        fault("ts-90-khz", &["ts-unit"], Base::Ffmpeg, GoesOn, "times are in 1/90000 s", |s| scale(s, 90)),
        fault("ts-samples", &["ts-unit"], Base::Ffmpeg, GoesOn, "audio times are in samples", |s| {
            for message in s.sent(CLIENT, 0).filter(|message| is_sound(message)) {
                message.timestamp = (u64::from(message.timestamp) * 44_100 / 1000) as u32;
            }
        }),
        fault("ts-jump", &["ts-jump"], Base::Ffmpeg, GoesOn, "times go over to another clock after 20 messages", |s| {
            s.sent(CLIENT, 0)
                .filter(|message| is_media(message))
                .skip(20)
                .for_each(|message| message.timestamp += 2_874_000);
        }),
        fault(
            "key-frames-apart",
            &["keyframe-interval", "mistake:times:header.timestamp"],
            Base::Ffmpeg,
            GoesOn,
            "key frames are more than 4 s apart",
            |s| {
                // The same video frames, three to a second.
                scale(s, 8);
            },
        ),
    ]
}

/// The next message on the chunk stream of step `at` has a full header.
fn following_full(session: &mut Recording, at: usize) {
    let csid = session.message(at).csid;
    let next = session.sent(CLIENT, at + 1).find(|message| message.csid == csid);
    next.expect("it is not the last").fmt = 0;
}

fn scale(session: &mut Recording, by: u32) {
    session.sent(CLIENT, 0).filter(|message| is_media(message)).for_each(|message| message.timestamp *= by);
}
