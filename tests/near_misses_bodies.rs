//! What excuses a fault in a command or in audio and video, each both ways, as in
//! [`near_misses_excuses`](super::near_misses_excuses).

use std::path::Path;

use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER, is_media, is_picture, is_sound};
use crate::kit::encode::Message;
use crate::kit::faults::Base;
use crate::kit::recorded::{record, record_file};
use crate::kit::recording::{Recording, What};
use crate::near_misses_excuses::{Excuse, assert_counts, given, seeded, transaction};
use rtmp_inspect::amf::writer::Explainer;
use rtmp_inspect::lint;
use rtmp_inspect::rtmp::message::Ending;

const COMMANDS: &[Excuse] = &[
    // A stream may be called as a type is, if its type is one.
    (
        "publish-exchanged",
        Base::Own,
        |s| publish(s, &amf0::string("record"), &amf0::string("live")),
        |s| publish(s, &amf0::string("record"), &amf0::string("alive")),
    ),
    // An object without an end is that, and not one whose last value is cut.
    ("amf-object-unterminated", Base::Own, |s| cut_connect(s, 8), |s| cut_connect(s, 3)),
    // A transaction id that fits once its bytes are turned round is a mistake of another kind.
    ("txn-mismatch", Base::Own, |s| answers(s, |id| id), |s| answers(s, |id| id + 7.0)),
    (
        "txn-mismatch",
        Base::Own,
        |s| answers(s, |id| f64::from_bits(id.to_bits().swap_bytes())),
        |s| answers(s, |id| f64::from_bits(id.to_bits() ^ 1)),
    ),
    // A refusal: by its level, or by a code that means failure whatever the level.
    (
        "onstatus-error",
        Base::Own,
        |s| status(s, "warning", "NetStream.Publish.Odd", ""),
        |s| status(s, "error", "NetStream.Publish.Odd", ""),
    ),
    (
        "onstatus-error",
        Base::Own,
        |s| status(s, "status", "NetStream.Publish.BadNames", ""),
        |s| status(s, "status", "NetStream.Publish.BadName", ""),
    ),
    // One that asks for a login is the first step of it.
    (
        "onstatus-error",
        Base::Own,
        |s| status(s, "error", "NetStream.Publish.Denied", "authmod=adobe"),
        |s| status(s, "error", "NetStream.Publish.Denied", "mod=adobe"),
    ),
    (
        "auth-challenge",
        Base::Own,
        |s| status(s, "error", "NetStream.Publish.Denied", "no authorisation"),
        |s| status(s, "error", "NetStream.Publish.Denied", "need auth"),
    ),
    // onStatus is on another stream than publish, by the fault of the server or of the client.
    ("onstatus-msid", Base::Own, |s| (status_on(s, 0), given(s, 5)).0, |s| status_on(s, 0)),
    // What cannot be read is an answer nevertheless; a control message is none.
    (
        "publish-start-missing",
        Base::Own,
        |s| only_answer(s, 20, &[0xff; 9]),
        |s| only_answer(s, 4, &[0, 0, 0, 0, 0, 1]),
    ),
    // A client that says more after onBWDone does not mind it.
    (
        "onbwdone-reaction",
        Base::Own,
        |s| bandwidth_done(s, 20, &command("_checkbw")),
        |s| bandwidth_done(s, 3, &[0; 4]),
    ),
    // Only metadata is stored.
    (
        "setdataframe-missing",
        Base::Own,
        |s| data(s, &amf0::string("onTextData")),
        |s| data(s, &[amf0::string("onMetaData"), amf0::object(&[])].concat()),
    ),
    ("deletestream-arg", Base::Own, |s| delete(s, &amf0::number(1.0)), |s| delete(s, &amf0::string("1"))),
    ("deletestream-arg", Base::Own, |s| delete(s, &amf0::number(0.0)), |s| delete(s, &[])),
    // Ids from 32 on are too many for a server that closes, and not for one that continues.
    ("csid-over-peer-limit", Base::Own, |s| on_chunk_stream(s, 40, false), |s| on_chunk_stream(s, 40, true)),
    ("csid-over-peer-limit", Base::Own, |s| on_chunk_stream(s, 31, true), |s| on_chunk_stream(s, 32, true)),
    // The connection before holds the name only if it just stopped, and was this client's.
    ("stale-publisher", Base::Twice, |s| stale(s, What::Fin), |s| *s = seeded("stale-publisher")),
    (
        "stale-publisher",
        Base::Twice,
        |s| (*s = seeded("stale-publisher"), s.client.0[3] += 7).0,
        |s| stale(s, What::Rst),
    ),
    // Any of the four capabilities says that a peer knows enhanced RTMP.
    (
        "er-not-negotiated",
        Base::Enhanced,
        |s| capability(s, &[&b"\0\x06capsEx"[..], &amf0::number(1.0)].concat()),
        |s| capability(s, &[&b"\0\x06capsXe"[..], &amf0::number(1.0)].concat()),
    ),
    (
        "er-not-negotiated",
        Base::Enhanced,
        |s| capability(s, &[&b"\0\x12videoFourCcInfoMap"[..], &amf0::object(&[])].concat()),
        |s| capability(s, &[]),
    ),
    // A request to reconnect at the end is not ignored.
    ("er-reconnect-ignored", Base::Enhanced, |s| reconnect(s, 0), |s| reconnect(s, 5)),
];

const MEDIA: &[Excuse] = &[
    // An FLV tag is of the message's own type, on stream 0, and ends with the body or with PreviousTagSize (FLV E.3).
    ("flv-tag-left", Base::Own, |s| tag(s, 8, 0, 0), |s| tag(s, 9, 0, 0)),
    ("flv-tag-left", Base::Own, |s| tag(s, 9, 1, 0), |s| tag(s, 9, 0, 4)),
    ("flv-tag-left", Base::Own, |s| tag(s, 9, 0, 3), |s| tag(s, 9, 0, 4)),
    ("flv-tag-left", Base::Own, |s| tag(s, 9, 0, 5), |s| tag(s, 9, 0, 0)),
    // An SEI may say that decoding can begin at a video frame that is no IDR video frame.
    ("keyframe-flag", Base::Own, |s| (key(s), unit(s, &[6, 5, 0, 0x80])).0, key),
    ("keyframe-flag", Base::Own, |s| (key(s), unit(s, &[6, 5, 0, 0x80])).0, |s| (key(s), unit(s, &[9, 0xf0])).0),
    // The configuration belongs before the first video frame again where a stream begins again.
    ("avc-seqhdr-repeat", Base::Own, |s| again(s, Some(0)), |s| again(s, None)),
    ("avc-seqhdr-repeat", Base::Own, |s| again(s, Some(0)), |s| again(s, Some(4))),
    // 00 00 01 begins a length of 256 to 511 bytes as well: one video frame proves nothing, all of them do.
    ("avc-annexb", Base::Own, |s| start_codes(s, 1), |s| start_codes(s, usize::MAX)),
    ("avc-nal-empty", Base::Own, |s| unit(s, &[9]), |s| unit(s, &[])),
    // A width of 0 says nothing, and a codec from 16 on is a FourCC.
    ("meta-vs-stream", Base::Own, |s| metadata(s, b"width", 0.0), |s| metadata(s, b"width", 321.0)),
    ("meta-vs-stream", Base::Own, |s| metadata(s, b"height", 0.0), |s| metadata(s, b"height", 1.0)),
    ("meta-vs-stream", Base::Own, |s| metadata(s, b"videocodecid", 16.0), |s| metadata(s, b"videocodecid", 12.0)),
    // The length in an ADTS header is that of the frame, its own bytes included.
    ("aac-adts", Base::Own, |s| adts(s, 8), |s| adts(s, 7)),
    ("aac-adts", Base::Own, |s| adts(s, 0), |s| adts(s, 7)),
    ("aac-seqhdr-empty", Base::Own, |s| sound_config(s, 3), |s| sound_config(s, 2)),
    // Frame types are 1 to 5; above them the first byte is no codec's.
    ("hevc-codecid-12", Base::Own, |s| first_byte(s, 0x6c), |s| first_byte(s, 0x2c)),
    ("hevc-codecid-12", Base::Own, |s| first_byte(s, 0x2d), |s| first_byte(s, 0x1c)),
    // Composition times are 24 bits with a sign.
    ("cts-signed", Base::Own, |s| composition_time(s, [0x7f, 0xff, 0xff]), |s| composition_time(s, [0x80, 0, 0])),
];

#[test]
fn each_excuse_of_commands_counts_and_nothing_else_does() {
    assert_counts(COMMANDS);
}

#[test]
fn each_excuse_of_media_counts_and_nothing_else_does() {
    assert_counts(MEDIA);
}

fn command(name: &str) -> Vec<u8> {
    [amf0::string(name), amf0::number(0.0), amf0::null()].concat()
}

/// createStream is answered with another transaction id.
/// publish with these two values as name and type.
fn publish(s: &mut Recording, name: &[u8], kind: &[u8]) {
    let at = s.command("publish");
    let body = &mut s.message(at).body;
    // Its name, transaction id and null come first.
    body.truncate(3 + 7 + 9 + 1);
    body.extend([name, kind].concat());
}

/// connect without its last bytes.
fn cut_connect(s: &mut Recording, bytes: usize) {
    let at = s.command("connect");
    let body = &mut s.message(at).body;
    body.truncate(body.len() - bytes);
}

fn answers(session: &mut Recording, id: fn(f64) -> f64) {
    let at = session.nth(1, |message| message.is_command("_result"));
    let id = id(transaction(session));
    session.message(at).body = [amf0::string("_result"), amf0::number(id), amf0::null(), amf0::number(1.0)].concat();
}

/// publish is answered with another status.
fn status(session: &mut Recording, level: &str, code: &str, description: &str) {
    let info = amf0::object(&[
        ("level", amf0::string(level)),
        ("code", amf0::string(code)),
        ("description", amf0::string(description)),
    ]);
    let at = session.command("onStatus");
    session.message(at).body = [command("onStatus"), info].concat();
}

fn status_on(session: &mut Recording, msid: u32) {
    let at = session.command("onStatus");
    session.message(at).msid = msid;
}

/// After publish the server says this alone, and the client waits in vain.
fn only_answer(session: &mut Recording, type_id: u8, body: &[u8]) {
    let at = session.command("publish");
    session.answer(
        at,
        SERVER,
        Message::new(if type_id == 4 { 2 } else { 5 }, type_id, u32::from(type_id != 4), 0, body),
    );
    session.silence(at + 1);
}

/// After the answer to connect the server sends onBWDone, the client this, and then the client closes.
fn bandwidth_done(session: &mut Recording, type_id: u8, body: &[u8]) {
    let at = session.command("_result");
    session.answer(at, SERVER, Message::new(3, 20, 0, 0, &[command("onBWDone"), amf0::number(8192.0)].concat()));
    session.answer(at + 1, CLIENT, Message::new(if type_id == 3 { 2 } else { 3 }, type_id, 0, 0, body));
    session.ended(at + 2, CLIENT, 1000);
}

/// A data message more, in the midst of media.
fn data(session: &mut Recording, body: &[u8]) {
    let at = session.nth(3, is_media);
    session.insert(at, Message::new(4, 18, 1, 100, body));
}

/// The argument of deleteStream.
fn delete(session: &mut Recording, argument: &[u8]) {
    let at = session.command("deleteStream");
    let body = &mut session.message(at).body;
    body.truncate(body.len() - 9);
    body.extend(argument);
}

/// Video is on this chunk stream; the server closes at the first message, or does not mind.
fn on_chunk_stream(session: &mut Recording, csid: u32, closes: bool) {
    session.sent(CLIENT, 0).filter(|message| message.type_id == 9).for_each(|message| message.csid = csid);
    if closes {
        let at = session.find(|message| message.type_id == 9);
        session.closed(at);
    }
}

/// The first connection ends without a word but this of the client's, and the second is told that the name is in use.
fn stale(session: &mut Recording, end: What) {
    *session = seeded("stale-publisher");
    let last = session.steps.last().expect("steps").clone();
    session.steps.push(crate::kit::recording::Step {
        from_client: true,
        time: last.time + 1000,
        write: last.write + 1,
        what: end,
    });
}

/// What the server says that it can, in place of fourCcList.
fn capability(session: &mut Recording, property: &[u8]) {
    let at = session.command("_result");
    session.replace(at, b"\0\x0afourCcList\x0a\0\0\0\x01\x02\0\x04avc1", property);
}

/// The server asks to reconnect before the last so many media messages.
fn reconnect(session: &mut Recording, left: usize) {
    let media = session.steps.iter().filter(|step| step.message().is_some_and(is_media)).count();
    let at = session.nth(media - 1 - left, is_media);
    let code = [("code", amf0::string("NetConnection.Connect.ReconnectRequest"))];
    session.answer(at, SERVER, Message::new(3, 20, 0, 0, &[command("onStatus"), amf0::object(&code)].concat()));
}

/// A video frame has the header of an FLV tag before it, and so many bytes after.
fn tag(session: &mut Recording, type_id: u8, stream: u8, after: usize) {
    let at = session.nth(3, is_picture);
    let body = &mut session.message(at).body;
    let length = (body.len() as u32).to_be_bytes();
    body.splice(..0, [type_id, length[1], length[2], length[3], 0, 0, 0, 0, 0, 0, stream]);
    body.extend(vec![0; after]);
}

/// An inter frame says that it is a key frame.
fn key(session: &mut Recording) {
    let at = session.nth(3, is_picture);
    assert_eq!(session.message(at).body[0], 0x27);
    session.message(at).body[0] = 0x17;
}

/// The same video frame has this NAL unit before its others.
fn unit(session: &mut Recording, unit: &[u8]) {
    let at = session.nth(3, is_picture);
    let bytes = [&(unit.len() as u32).to_be_bytes()[..], unit].concat();
    session.message(at).body.splice(5..5, bytes);
}

/// The configuration comes again before a video frame, and before it this user control event of the stream, if one does.
fn again(session: &mut Recording, event: Option<u8>) {
    let at = session.find(|message| message.type_id == 9);
    let config = session.message(at).clone();
    assert_eq!(config.body[..2], [0x17, 0], "the configuration");
    let at = session.nth(3, is_picture);
    let timestamp = session.message(at).timestamp;
    // In a write of its own, after the event.
    session.answer(at - 1, CLIENT, Message { timestamp, fmt: 0, ..config });
    if let Some(event) = event {
        session.answer(at - 1, SERVER, Message::new(2, 4, 0, 0, &[0, event, 0, 0, 0, 1]));
    }
}

/// So many video frames, from the second on, begin with 00 00 01 in place of a length; all of them if there are fewer.
fn start_codes(session: &mut Recording, count: usize) {
    let skipped = usize::from(count == 1);
    for message in session.sent(CLIENT, 0).filter(|message| is_picture(message)).skip(skipped).take(count) {
        message.body.splice(5..9, [0, 0, 1]);
    }
}

/// A number in the metadata.
fn metadata(session: &mut Recording, name: &[u8], value: f64) {
    let at = session.find(|message| message.type_id == 18);
    let body = &mut session.message(at).body;
    let name = [name, &[0]].concat();
    let found = body.windows(name.len()).position(|window| window == name).expect("in the metadata") + name.len();
    body[found..found + 8].copy_from_slice(&value.to_be_bytes());
}

/// Sound has ADTS headers of seven bytes, which say that they are `header` bytes longer than the frame.
fn adts(session: &mut Recording, header: usize) {
    for message in session.sent(CLIENT, 0).filter(|message| is_sound(message)) {
        let length = message.body.len() - 2 + header;
        let length = [(length >> 11) as u8 | 0x80, (length >> 3) as u8, (length << 5) as u8 | 0x1f];
        message.body.splice(2..2, [&[0xff, 0xf1, 0x50][..], &length, &[0xfc]].concat());
    }
}

/// The sound's configuration message has so many bytes.
fn sound_config(session: &mut Recording, length: usize) {
    let at = session.find(|message| message.type_id == 8);
    assert_eq!(session.message(at).body[..2], [0xaf, 0], "the configuration");
    session.message(at).body.truncate(length);
}

fn first_byte(session: &mut Recording, byte: u8) {
    let at = session.nth(3, is_picture);
    session.message(at).body[0] = byte;
}

fn composition_time(session: &mut Recording, bytes: [u8; 3]) {
    let at = session.nth(3, is_picture);
    session.message(at).body[2..5].copy_from_slice(&bytes);
}

/// publish(false) ends the stream (ActionScript 3, NetStream); a number is no name.
#[test]
fn a_stream_is_ended_by_false_in_place_of_its_name() {
    let found = |name: &[u8]| {
        let mut session = Base::Own.recording();
        publish(&mut session, name, &[]);
        let report = lint::lint(&record(&session.pcap()), &lint::Options::default());
        report.findings.iter().any(|finding| finding.rule.code == "amf-wrong-type")
    };
    assert!(!found(&[1, 0]));
    assert!(found(&amf0::number(42.0)));
}

/// Bodies of sound writers make sense as they are.
#[test]
fn no_mistake_is_found_in_bodies_of_real_software() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let (mut bodies, mut wrong) = (0, Vec::new());
    for folder in ["a", "b", "d", "e"] {
        for file in std::fs::read_dir(captures.join(folder)).expect("a folder") {
            let path = file.expect("a file").path();
            if path.extension().is_none_or(|extension| extension != "pcap") {
                continue;
            }
            let recording = record_file(&path);
            for item in recording.sessions.iter().flat_map(|session| &session.items) {
                let Some(kept) = item.message().filter(|kept| matches!(kept.header.type_id.0, 15 | 17 | 18 | 20))
                else {
                    continue;
                };
                if kept.ending == Ending::Complete && kept.is_whole() {
                    let values = kept.body.strip_prefix(&[0]).unwrap_or(&kept.body);
                    bodies += 1;
                    wrong.extend(
                        Explainer::default().explain(values).pop().map(|found| (path.clone(), item.number, found)),
                    );
                }
            }
        }
    }
    assert!(bodies > 500 && wrong.is_empty(), "{bodies} bodies, {wrong:?}");
}
