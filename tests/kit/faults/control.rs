//! Faults of protocol control and user control messages (RTMP 1.0 5.4, 7.1.7).

use super::{Base, Fault, Then, fault};
use crate::kit::edit::{CLIENT, SERVER, is_media, is_picture};
use crate::kit::encode::Message;
use crate::kit::recording::{Recording, What};

pub fn faults() -> Vec<Fault> {
    use Then::{Ends, GoesOn};
    vec![
        fault(
            "control-msid-1",
            &["ctl-msid-nonzero"],
            Base::Own4096,
            GoesOn,
            "Set Chunk Size is sent on message stream 1",
            |s| {
                let at = s.nth(1, |message| message.type_id == 1);
                s.message(at).msid = 1;
            },
        ),
        fault(
            "ucm-msid-1",
            &["ctl-msid-nonzero"],
            Base::Play,
            GoesOn,
            "Set Buffer Length is sent on message stream 1",
            |s| {
                let at = s.find(|message| message.type_id == 4);
                s.message(at).msid = 1;
            },
        ),
        fault(
            "ack-for-each",
            &["ack-flood"],
            Base::Acknowledged,
            GoesOn,
            "the server acknowledges each message of audio and video",
            |s| {
                let (bytes, mut sent) = (s.bytes(), 0);
                let mut due = Vec::new();
                for (at, step) in s.steps.iter().enumerate().filter(|(_, step)| step.from_client == CLIENT) {
                    sent += u32::try_from(bytes[at].len()).expect("short");
                    due.extend(step.message().filter(|message| is_media(message)).map(|_| (at, sent)));
                }
                for (at, sent) in due.into_iter().rev() {
                    s.answer(at, SERVER, Message::new(2, 3, 0, 0, &sent.to_be_bytes()));
                }
            },
        ),
        fault(
            "window-of-2-bytes",
            &["ctl-length"],
            Base::Gstreamer,
            GoesOn,
            "the client's Window Acknowledgement Size has 2 bytes",
            |s| {
                let at = s.nth(1, |message| message.type_id == 5);
                s.message(at).body.truncate(2);
            },
        ),
        fault(
            "buffer-length-of-6-bytes",
            &["ctl-length"],
            Base::Play,
            GoesOn,
            "Set Buffer Length has no length in it",
            |s| {
                let at = s.find(|message| message.type_id == 4);
                s.message(at).body.truncate(6);
            },
        ),
        fault(
            "bandwidth-of-4-bytes",
            &["ctl-length"],
            Base::Own,
            GoesOn,
            "the server's Set Peer Bandwidth has no limit type",
            |s| {
                let at = s.find(|message| message.type_id == 6);
                s.message(at).body.truncate(4);
            },
        ),
        fault(
            "ack-missing",
            &["ack-missing"],
            Base::Acknowledged,
            Ends,
            "the server never acknowledges, and the client stops",
            |s| {
                let at = s.nth(1, is_ack);
                // Where the second one would come, the client waits for the first.
                s.steps.truncate(at);
                s.drop_all(SERVER, is_ack);
                let last = s.steps.len() - 1;
                s.silence(last);
            },
        ),
        fault(
            "ack-constant",
            &["ack-incremental"],
            Base::Acknowledged,
            GoesOn,
            "the server acknowledges 20000 bytes each time",
            |s| {
                s.sent(SERVER, 0).filter(|message| is_ack(message)).for_each(|message| {
                    message.body = 20_000_u32.to_be_bytes().to_vec();
                });
            },
        ),
        fault(
            "ack-reset",
            &["ack-wrap"],
            Base::Acknowledged,
            GoesOn,
            "the server's sequence numbers restart after 0xF0000000",
            |s| {
                let values = [0xefff_f000_u32, 0xf000_0000, 20_072];
                s.sent(SERVER, 0).filter(|message| is_ack(message)).zip(values).for_each(|(message, value)| {
                    message.body = value.to_be_bytes().to_vec();
                });
            },
        ),
        fault(
            "ack-low-first",
            &["ack-byte-order"],
            Base::Acknowledged,
            GoesOn,
            "the server's sequence numbers are little-endian",
            |s| {
                s.sent(SERVER, 0).filter(|message| is_ack(message)).for_each(|message| message.body.reverse());
            },
        ),
        fault(
            "window-missing",
            &["winack-absent"],
            Base::Gstreamer,
            GoesOn,
            "the client sends no Window Acknowledgement Size",
            |s| {
                s.drop_all(CLIENT, |message| message.type_id == 5);
            },
        ),
        fault(
            "window-0",
            &["winack-tiny"],
            Base::Gstreamer,
            GoesOn,
            "the client's Window Acknowledgement Size is 0",
            |s| {
                let at = s.nth(1, |message| message.type_id == 5);
                s.message(at).body = vec![0; 4];
            },
        ),
        fault(
            "window-100",
            &["winack-tiny"],
            Base::Play,
            GoesOn,
            "the client's Window Acknowledgement Size is 100",
            |s| {
                let at = s.nth(1, |message| message.type_id == 5);
                s.message(at).body = 100_u32.to_be_bytes().to_vec();
            },
        ),
        fault(
            "ping-unanswered",
            &["ping-unanswered"],
            Base::Pinged,
            GoesOn,
            "the client does not answer ping requests",
            |s| {
                s.drop_all(CLIENT, is_ucm);
            },
        ),
        fault(
            "ping-unanswered-closed",
            &["ping-unanswered"],
            Base::Pinged,
            Ends,
            "the client does not answer, and the server closes",
            |s| {
                s.drop_all(CLIENT, is_ucm);
                let at = s.command("FCUnpublish") - 1;
                s.closed(at);
            },
        ),
        fault(
            "ping-other-time",
            &["ping-wrong-reply"],
            Base::Pinged,
            GoesOn,
            "the ping response has a time of its own",
            |s| {
                s.sent(CLIENT, 0).filter(|message| is_ucm(message)).for_each(|message| message.body[5] ^= 0x5a);
            },
        ),
        fault(
            "ping-by-ping",
            &["ping-wrong-reply", "ping-unanswered"],
            Base::Pinged,
            GoesOn,
            "a ping request is answered by a ping request",
            |s| {
                s.sent(CLIENT, 0).filter(|message| is_ucm(message)).for_each(|message| message.body[1] = 6);
            },
        ),
        fault(
            "abort",
            &["abort-ignored"],
            Base::Own,
            Ends,
            "a video frame is aborted with Abort Message, which the server ignores, and it closes",
            |s| {
                let at = s.nth(3, |message| is_picture(message) && message.body.len() > 256);
                let message = s.message(at);
                let (csid, time, length) = (message.csid, message.timestamp, message.body.len() as u32);
                // A full header and a chunk of it are out when the sender gives up.
                let head = [&[csid as u8], &time.to_be_bytes()[1..], &length.to_be_bytes()[1..], &[9, 1, 0, 0, 0]];
                let begun = [&head.concat(), &message.body[..128]].concat();
                s.steps[at].what = What::Bytes(begun);
                s.insert(at + 1, Message::new(2, 2, 0, 0, &csid.to_be_bytes()));
                following_full(s, at + 1, csid);
                s.closed(at + 4);
            },
        ),
        fault("ucm-50", &["ucm-unknown"], Base::Play, GoesOn, "the server sends user control event 50", |s| {
            let at = s.find(|message| message.type_id == 18);
            s.insert(at, Message::new(2, 4, 0, 0, &[0, 50, 0, 0, 0, 1]));
        }),
    ]
}

fn is_ack(message: &Message) -> bool {
    message.type_id == 3
}

fn is_ucm(message: &Message) -> bool {
    message.type_id == 4
}

/// The next message on a chunk stream after step `at` has a full header.
fn following_full(session: &mut Recording, at: usize, csid: u32) {
    let next = session.sent(CLIENT, at + 1).find(|message| message.csid == csid);
    next.expect("it is not the last").fmt = 0;
}
