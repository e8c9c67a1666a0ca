//! What excuses a fault, each both ways: with the excuse the rule says nothing, without it the rule fires.
//!
//! Each row is one change to a good session, and a second one that differs in the excuse alone.

use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER, is_media, is_picture};
use crate::kit::encode::Message;
use crate::kit::faults::{self, Base};
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, What};
use rtmp_inspect::diff;
use rtmp_inspect::lint;

/// The codes that `lint` and `diff` against the session's base find.
fn codes(base: Base, change: fn(&mut Recording)) -> Vec<&'static str> {
    let mut session = base.recording();
    change(&mut session);
    let (good, changed) = (record(&base.recording().pcap()), record(&session.pcap()));
    let alone = lint::lint(&changed, &lint::Options::default()).findings.into_iter().map(|finding| finding.rule.code);
    let both = diff::diff(&good, &changed, &diff::Options::default()).causes.into_iter().map(|cause| cause.rule.code);
    alone.chain(both).collect()
}

/// The rule; the session; the change with the excuse, on which it is silent; without it, on which it fires.
pub type Excuse = (&'static str, Base, fn(&mut Recording), fn(&mut Recording));

const EXCUSES: &[Excuse] = &[
    // Numbers that fit as they are written are written the right way round, whatever the other way gives.
    (
        "ack-byte-order",
        Base::Acknowledged,
        |s| acknowledge(s, &[0x0100, 0x0200]),
        |s| s.sent(SERVER, 0).filter(|message| message.type_id == 3).for_each(|message| message.body.reverse()),
    ),
    // Bytes too many that came after S1 are no part of C1.
    (
        "hs-size",
        Base::Own,
        |s| _ = s.handshake(CLIENT, 1).splice(..0, [1, 2, 3, 4]),
        |s| s.handshake(CLIENT, 0).extend([1, 2, 3, 4]),
    ),
    // A client that has all of S2 and says nothing is at fault itself.
    (
        "hs-size",
        Base::Own,
        |s| s.ended(1, CLIENT, 5_000_000),
        |s| {
            let part = s.handshake(SERVER, 0);
            part.truncate(part.len() - 1);
            s.ended(1, CLIENT, 5_000_000);
        },
    ),
    // A count that overflows by itself at 2^32 is right; one that falls is not.
    (
        "ack-incremental",
        Base::Acknowledged,
        |s| acknowledge(s, &[20_000, 40_000, 60_000]),
        |s| acknowledge(s, &[20_000, 20_000]),
    ),
    (
        "ack-incremental",
        Base::Acknowledged,
        |s| acknowledge(s, &[0xffff_f000, 0x3000]),
        |s| acknowledge(s, &[40_000, 20_000]),
    ),
    (
        "ack-wrap",
        Base::Acknowledged,
        |s| acknowledge(s, &[0xffff_f000, 0x3000]),
        |s| acknowledge(s, &[0xf000_0000, 0x3000]),
    ),
    // A response with the request's bytes answers it, on message stream 0 only, and as event 7 only.
    ("ping-wrong-reply", Base::Own, |s| ping(s, 7, 0, [1, 2, 3, 4]), |s| ping(s, 7, 0, [1, 2, 3, 5])),
    ("ping-wrong-reply", Base::Own, |s| ping(s, 7, 0, [1, 2, 3, 4]), |s| ping(s, 7, 1, [1, 2, 3, 4])),
    ("ping-wrong-reply", Base::Own, |s| ping(s, 7, 0, [1, 2, 3, 4]), |s| ping(s, 6, 0, [1, 2, 3, 4])),
    ("ping-unanswered", Base::Own, |s| ping(s, 7, 0, [1, 2, 3, 4]), ping_only),
    // Events 31 and 32 (SWF verification and the buffer's readiness) are other events than pings.
    ("ping-unanswered", Base::Own, |s| event(s, 31), ping_only),
    ("ping-unanswered", Base::Own, |s| event(s, 32), ping_only),
    // Their lengths are 2 bytes and what the event has: 4 bytes, 8 for Set Buffer Length; Flash's 26 and 27 have others.
    ("ctl-length", Base::Own, |s| told(s, 31, &[0; 4]), |s| told(s, 31, &[0; 8])),
    ("ctl-length", Base::Own, |s| told(s, 32, &[0; 4]), |s| told(s, 32, &[0; 3])),
    ("ctl-length", Base::Own, |s| told(s, 3, &[0; 8]), |s| told(s, 3, &[0; 4])),
    ("ctl-length", Base::Own, |s| told(s, 26, &[0; 9]), |s| told(s, 2, &[0; 9])),
    ("ctl-length", Base::Own, |s| told(s, 27, &[]), |s| told(s, 4, &[])),
    // Set Peer Bandwidth has a byte more than the others (RTMP 1.0 5.4.5).
    (
        "ctl-length",
        Base::Own,
        |s| from_server(s, 6, 0, &[0, 0x4c, 0x4b, 0x40, 2]),
        |s| from_server(s, 6, 0, &[0, 0x4c, 0x4b, 0x40]),
    ),
    (
        "ctl-length",
        Base::Own,
        |s| from_server(s, 5, 0, &[0, 0x4c, 0x4b, 0x40]),
        |s| from_server(s, 5, 0, &[0, 0x4c, 0x4b, 0x40, 2]),
    ),
    // Types 1 to 6 are the connection's, on message stream 0; a message of another type is where it belongs.
    (
        "ctl-msid-nonzero",
        Base::Own,
        |s| from_server(s, 6, 0, &[0, 0x4c, 0x4b, 0x40, 2]),
        |s| from_server(s, 6, 1, &[0, 0x4c, 0x4b, 0x40, 2]),
    ),
    (
        "ctl-msid-nonzero",
        Base::Own,
        |s| from_server(s, 18, 1, &amf0::string("onTextData")),
        |s| from_server(s, 5, 1, &[0, 0x4c, 0x4b, 0x40]),
    ),
    (
        "ctl-msid-nonzero",
        Base::Own,
        |s| told(s, 0, &[0, 0, 0, 1]),
        |s| from_server(s, 4, 1, &control(0, &[0, 0, 0, 1])),
    ),
    // The specification has events 0 to 4, 6 and 7 (RTMP 1.0 7.1.7), Flash 26, 27, 31 and 32.
    ("ucm-unknown", Base::Own, |s| told(s, 4, &[0; 4]), |s| told(s, 5, &[0; 4])),
    ("ucm-unknown", Base::Own, |s| told(s, 7, &[0; 4]), |s| told(s, 8, &[0; 4])),
    ("ucm-unknown", Base::Own, |s| told(s, 26, &[0; 4]), |s| told(s, 25, &[0; 4])),
    ("ucm-unknown", Base::Own, |s| told(s, 27, &[0; 4]), |s| told(s, 28, &[0; 4])),
    ("ucm-unknown", Base::Own, |s| told(s, 31, &[0; 4]), |s| told(s, 30, &[0; 4])),
    ("ucm-unknown", Base::Own, |s| told(s, 32, &[0; 4]), |s| told(s, 33, &[0; 4])),
    // A window of 32 KiB is taken everywhere.
    ("winack-tiny", Base::Gstreamer, |s| window(s, 32 << 10), |s| window(s, (32 << 10) - 1)),
    // Chunk stream 2 is for types 1 to 6, and for nothing else (RTMP 1.0 5.3.1.1).
    ("csid-reserved", Base::Own, |_| {}, |s| on_chunk_stream(s, 6, 3)),
    ("csid-reserved", Base::Own, |s| on_chunk_stream(s, 20, 5), |s| on_chunk_stream(s, 20, 2)),
    // An Abort Message for a chunk stream on which nothing is open gives nothing up.
    ("abort-ignored", Base::Own, |s| from_server(s, 2, 0, &[0, 0, 0, 9]), |s| *s = seeded("abort")),
    // Media on a stream that createStream gave out is right, whichever it is.
    ("publish-msid", Base::Own, |_| {}, |s| on_stream(s, 5)),
    ("publish-msid", Base::Own, |s| (given(s, 5), on_stream(s, 5)).0, |s| given(s, 5)),
];

/// The session with a fault of the catalogue.
pub fn seeded(fault: &str) -> Recording {
    faults::find(fault).expect("in the catalogue").recording()
}

/// The numbers of all Acknowledgements, the last of them repeated with growth.
fn acknowledge(session: &mut Recording, numbers: &[u32]) {
    let mut last = 0_u32;
    let mut given = numbers.iter().copied();
    for message in session.sent(SERVER, 0).filter(|message| message.type_id == 3) {
        last = given.next().unwrap_or(last.wrapping_add(20_000));
        message.body = last.to_be_bytes().to_vec();
    }
}

/// The server sends a message of its own on this message stream, in the midst of media.
fn from_server(session: &mut Recording, type_id: u8, msid: u32, body: &[u8]) {
    let at = session.nth(3, is_media);
    session.answer(at, SERVER, Message::new(2, type_id, msid, 0, body));
}

/// The server sends a user control event of the connection.
fn told(session: &mut Recording, event: u16, data: &[u8]) {
    from_server(session, 4, 0, &control(event, data));
}

/// What the client asks as its window.
fn window(session: &mut Recording, size: u32) {
    let at = session.nth(1, |message| message.type_id == 5);
    session.message(at).body = size.to_be_bytes().to_vec();
}

/// Messages of this type of the server are on another chunk stream.
fn on_chunk_stream(session: &mut Recording, type_id: u8, csid: u32) {
    for message in session.sent(SERVER, 0).filter(|message| message.type_id == type_id) {
        (message.csid, message.fmt) = (csid, 0);
    }
}

fn control(event: u16, data: &[u8]) -> Vec<u8> {
    [&event.to_be_bytes()[..], data].concat()
}

/// The server asks, two seconds before the end, and the client answers.
fn ping(session: &mut Recording, event: u16, msid: u32, data: [u8; 4]) {
    let at = session.nth(3, is_media);
    session.answer(at, SERVER, Message::new(2, 4, 0, 0, &control(6, &[1, 2, 3, 4])));
    session.answer(at + 1, CLIENT, Message::new(2, 4, msid, 0, &control(event, &data)));
    later(session, at + 3);
}

fn ping_only(session: &mut Recording) {
    event(session, 6);
}

fn event(session: &mut Recording, event: u16) {
    let at = session.nth(3, is_media);
    session.answer(at, SERVER, Message::new(2, 4, 0, 0, &control(event, &[1, 2, 3, 4])));
    later(session, at + 2);
}

/// What follows comes five seconds later.
fn later(session: &mut Recording, from: usize) {
    session.steps[from..].iter_mut().for_each(|step| step.time += 5_000_000);
}

/// The client's publish and media are on this message stream.
fn on_stream(session: &mut Recording, stream: u32) {
    let from = session.command("publish");
    for message in session.sent(CLIENT, from) {
        (message.msid, message.fmt) = (if message.msid == 0 { 0 } else { stream }, 0);
    }
}

/// The server gives out this message stream.
pub fn given(session: &mut Recording, stream: u32) {
    let at = session.nth(1, |message| message.is_command("_result"));
    session.message(at).body =
        [amf0::string("_result"), amf0::number(transaction(session)), amf0::null(), amf0::number(f64::from(stream))]
            .concat();
}

/// The transaction id of createStream.
pub fn transaction(session: &Recording) -> f64 {
    let at = session.command("createStream");
    let What::Message(message) = &session.steps[at].what else { panic!("a message") };
    let start = amf0::string("createStream").len() + 1;
    f64::from_be_bytes(message.body[start..start + 8].try_into().expect("a number"))
}

#[test]
fn each_excuse_of_control_messages_counts_and_nothing_else_does() {
    assert_counts(EXCUSES);
}

/// Each rule is silent on the change with the excuse, and fires on the one without.
pub fn assert_counts(excuses: &[Excuse]) {
    let mut wrong = Vec::new();
    for (number, (code, base, excused, fault)) in excuses.iter().enumerate() {
        let (silent, fires) = (codes(*base, *excused), codes(*base, *fault));
        if silent.contains(code) {
            wrong.push(format!("row {number}: {code} in spite of its excuse: {silent:?}"));
        }
        if !fires.contains(code) {
            wrong.push(format!("row {number}: no {code}: {fires:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A NAL unit beside the slices (SEI, type 6) may be longer or shorter from video frame to video frame; its length counts as any.
#[test]
fn a_sei_is_a_nal_unit_like_others() {
    let with = |unit: &'static [u8]| {
        let mut session = Base::Own.recording();
        let at = session.nth(2, is_picture);
        session.message(at).body.splice(5..5, unit.iter().copied());
        let report = lint::lint(&record(&session.pcap()), &lint::Options::default());
        report.findings.iter().any(|finding| finding.rule.code == "avc-nal-tiling")
    };
    assert!(!with(&[0, 0, 0, 4, 6, 5, 0, 0x80]), "a SEI of four bytes");
    assert!(with(&[0, 0, 0, 5, 6, 5, 0, 0x80]), "a SEI that is one byte shorter than its length");
}
