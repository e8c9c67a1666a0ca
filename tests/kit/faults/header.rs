//! Faults of what a message's header says: chunk stream, message stream, type (RTMP 1.0 5.3.1, 6.1.1).

use super::chunk::is_data;
use super::{Base, Fault, Then, fault};
use crate::kit::edit::{CLIENT, SERVER};
use crate::kit::recording::Recording;

pub fn faults() -> Vec<Fault> {
    use Then::{Ends, GoesOn};
    vec![
        fault(
            "csid-40",
            &["csid-over-peer-limit"],
            Base::Own,
            Ends,
            "video is on chunk stream 40, more than nginx takes",
            |s| {
                s.sent(CLIENT, 0).filter(|message| message.type_id == 9).for_each(|message| message.csid = 40);
                let at = s.find(|message| message.type_id == 9);
                s.closed(at);
            },
        ),
        fault(
            "csid-70",
            &["csid-over-peer-limit"],
            Base::Own,
            Ends,
            "publish is on chunk stream 70, more than nginx takes",
            |s| {
                let at = s.command("publish");
                s.message(at).csid = 70;
                s.closed(at);
            },
        ),
        fault(
            "control-on-3",
            &["csid-reserved"],
            Base::Own4096,
            GoesOn,
            "Set Chunk Size is sent on chunk stream 3",
            |s| {
                let at = s.nth(1, |message| message.type_id == 1);
                s.message(at).csid = 3;
            },
        ),
        fault("commands-on-2", &["csid-reserved"], Base::Own, GoesOn, "commands are sent on chunk stream 2", |s| {
            s.sent(CLIENT, 0).filter(|message| message.type_id == 20).for_each(|message| message.csid = 2);
        }),
        fault("msid-big-endian", &["msid-big-endian"], Base::Own, GoesOn, "the message stream id is big-endian", |s| {
            s.sent(CLIENT, 0).for_each(|message| message.msid = message.msid.swap_bytes());
        }),
        fault("type-14", &["type-id-dec-hex"], Base::Own, Ends, "commands have type 14 in place of 0x14", |s| {
            retype(s, 20, 14)
        }),
        fault(
            "type-14-blind",
            &["type-id-dec-hex"],
            Base::Own,
            Ends,
            "the same, and the client does not wait for answers",
            |s| {
                let at = s.command("connect");
                s.sent(CLIENT, at).filter(|message| message.type_id == 20).for_each(|message| message.type_id = 14);
                s.drop_all(SERVER, |_| true);
            },
        ),
        fault("type-32", &["type-id-dec-hex"], Base::Ffmpeg, Ends, "commands have type 0x20 in place of 20", |s| {
            retype(s, 20, 32)
        }),
        fault("type-11", &["type-id-dec-hex"], Base::OwnAmf3, Ends, "commands have type 11 in place of 0x11", |s| {
            retype(s, 17, 11)
        }),
        fault("type-12", &["type-id-dec-hex"], Base::Own, GoesOn, "metadata has type 12 in place of 0x12", |s| {
            let at = s.find(is_data);
            s.message(at).type_id = 12;
        }),
    ]
}

/// The client's messages of one type have another, which the server does not answer.
fn retype(session: &mut Recording, from: u8, to: u8) {
    let at = session.find(|message| message.type_id == from);
    session.sent(CLIENT, at).filter(|message| message.type_id == from).for_each(|message| message.type_id = to);
    session.silence(at);
}
