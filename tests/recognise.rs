//! What is said to be RTMP, who is said to be the client, and that neither depends on segments.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rtmp_inspect::session::{Protocol, Roles};
use rtmp_inspect::streams::ConnectionSummary;
use serde_json::Value;

use crate::kit::decoded::decode;
use crate::kit::edit::CLIENT;
use crate::kit::recording::Recording;
use crate::kit::{End, Session, amf0, handshake, message};

const CLIENT_END: End = ([192, 0, 2, 1], 50000);
const SERVER_END: End = ([192, 0, 2, 2], 19350);

fn streams(session: &Session) -> Vec<ConnectionSummary> {
    decode(&session.pcap()).streams
}

fn only(session: &Session) -> ConnectionSummary {
    streams(session).remove(0)
}

/// A connection to a port that is not RTMP's.
fn elsewhere() -> Session {
    Session::between(CLIENT_END, SERVER_END, 1_700_000_000_000_000)
}

fn connect() -> Vec<u8> {
    let object = amf0::object(&[("app", amf0::string("live"))]);
    message(3, 20, 0, &[amf0::string("connect"), amf0::number(1.0), object].concat())
}

fn on_status() -> Vec<u8> {
    let info = amf0::object(&[("level", amf0::string("status")), ("code", amf0::string("NetStream.Play.Start"))]);
    message(5, 20, 1, &[amf0::string("onStatus"), amf0::number(0.0), amf0::null(), info].concat())
}

/// Audio on chunk stream 6, so that the first byte is 6, as RTMPE's version.
fn sounds(count: usize) -> Vec<u8> {
    (0..count).flat_map(|at| message(6, 8, 1, &[&[0xaf, 1][..], &[at as u8; 60]].concat())).collect()
}

/// What a whole session says.
fn whole(client: End, server: End) -> Session {
    let [c0c1, s, c2] = handshake();
    Session::between(client, server, 1_700_000_000_000_000)
        .client(&c0c1)
        .server(&s)
        .client(&c2)
        .client(&connect())
        .server(&on_status())
        .server(&sounds(30))
}

/// One that was captured from its messages on: no packet of the handshake.
fn midway(client: End, server: End) -> Session {
    Session::between(client, server, 1_700_000_001_000_000)
        .server(&sounds(30))
        .client(&sounds(1))
        .server(&sounds(30))
        .skip(3)
}

fn tpkt(kind: &[u8], body: usize) -> Vec<u8> {
    let length = (4 + kind.len() + body) as u16;
    [&[3, 0][..], &length.to_be_bytes(), kind, &vec![0x42; body]].concat()
}

// Long enough for a handshake's blocks on both sides.
#[test]
fn what_begins_with_rtmps_version_and_is_another_protocol_is_not_rtmp() {
    let request = tpkt(&[14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0], 0);
    let confirm = tpkt(&[14, 0xd0, 0, 0, 0, 0, 0, 2, 0, 8, 0, 0, 0, 0, 0], 0);
    let data = |count: usize| tpkt(&[2, 0xf0, 0x80], 300).repeat(count);
    let zeros = |first: u8| [&[first][..], &[0; 4000]].concat();
    let random = |first: u8| -> Vec<u8> {
        std::iter::once(first).chain((0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)).collect()
    };
    let cases: [(&str, [Vec<u8>; 2]); 5] = [
        ("TPKT", [[request.clone(), data(9)].concat(), [confirm.clone(), data(12)].concat()]),
        ("zeros after 3", [zeros(3), zeros(3)]),
        ("random after 3", [random(3), random(3)]),
        ("random after 6", [random(6), random(6)]),
        ("zeros after 8", [zeros(8), zeros(8)]),
    ];
    for (name, [client, server]) in cases {
        for segment in [1, 700, 1448] {
            let session = elsewhere().send(true, &client[..20], segment).send(false, &server[..20], segment);
            let session = session.send(true, &client[20..], segment).send(false, &server[20..], segment);
            let stream = only(&session.close());
            assert_eq!(stream.protocol, Protocol::Other, "{name} in segments of {segment}: {}", stream.protocol_why);
        }
    }
    // On RTMP's port too.
    let session = Session::new().client(&request).server(&confirm).client(&data(9)).server(&data(12));
    assert_eq!(only(&session).protocol, Protocol::Other);
}

#[test]
fn a_handshake_that_is_proven_is_rtmp_on_any_port() {
    let stream = only(&whole(CLIENT_END, SERVER_END));
    assert_eq!((stream.protocol, stream.protocol_certain), (Protocol::Rtmp, true));
    assert_eq!(stream.roles_from, Roles::Syn);
    // Without the SYN, the client is who speaks first.
    let stream = only(&whole(CLIENT_END, SERVER_END).skip(3));
    assert_eq!((stream.protocol, stream.protocol_certain), (Protocol::Rtmp, true));
    assert!(stream.roles_known);
    assert_eq!(stream.server.port(), SERVER_END.1);
}

#[test]
fn a_handshake_that_is_cut_is_a_guess() {
    let [c0c1, s, _] = handshake();
    // Where nothing speaks for it, it may be RTMP; where the port does, it is treated as that.
    for (sent, answered) in [(1537, 0), (700, 0), (1537, 1), (1537, 1500)] {
        let stream = only(&elsewhere().client(&c0c1[..sent]).server(&s[..answered]));
        assert_eq!((stream.protocol, stream.protocol_certain), (Protocol::Undecided, false), "{sent} {answered}");
        assert!(stream.protocol_why.starts_with("perhaps RTMP"), "{}", stream.protocol_why);
        let stream = only(&Session::new().client(&c0c1[..sent]).server(&s[..answered]));
        assert_eq!((stream.protocol, stream.protocol_certain), (Protocol::Rtmp, false), "{sent} {answered}");
        assert!(stream.protocol_why.starts_with("perhaps"), "{}", stream.protocol_why);
    }
    // A server does not answer half a C1.
    let stream = only(&elsewhere().client(&c0c1[..700]).server(&s[..700]));
    assert_eq!(stream.protocol, Protocol::Other);
    // The answer proves it.
    let stream = only(&Session::new().client(&c0c1).server(&s));
    assert_eq!((stream.protocol, stream.protocol_certain), (Protocol::Rtmp, true));
}

// 6 is the first byte of audio on chunk stream 6 as well.
#[test]
fn a_capture_from_mid_session_is_not_rtmpe_and_its_roles_are_not_turned() {
    let rtmp = ([192, 0, 2, 2], 1935);
    for turned in [false, true] {
        let session = match turned {
            true => midway(CLIENT_END, rtmp),
            false => {
                Session::between(CLIENT_END, rtmp, 1_700_000_000_000_000).client(&sounds(40)).server(&sounds(1)).skip(3)
            }
        };
        let stream = only(&session);
        assert_eq!(stream.protocol, Protocol::Rtmp, "{}", stream.protocol_why);
        assert_eq!(stream.server.port(), 1935);
        assert_eq!((stream.roles_known, stream.roles_from), (false, Roles::Port));
    }
    // With its SYN, and no more than a version and a block's length, it may be RTMPE.
    let c1 = [&[6][..], &vec![0x5a; 1536]].concat();
    let stream = only(&Session::new().client(&c1).server(&c1));
    assert_eq!((stream.protocol, stream.protocol_certain), (Protocol::Rtmpe, false));
}

#[test]
fn a_server_is_known_from_other_connections() {
    let other = ([192, 0, 2, 1], 50002);
    // Earlier in the capture: known in one pass. The end of the lower port is the server, whatever the range says.
    let odd = [([192, 0, 2, 2], 50001), ([192, 0, 2, 2], 19350)];
    for server in odd {
        let earlier = whole(CLIENT_END, server).then(midway(other, server));
        let stream = streams(&earlier).remove(1);
        assert_eq!((stream.protocol, stream.protocol_certain), (Protocol::Rtmp, true), "{}", stream.protocol_why);
        assert_eq!((stream.server.port(), stream.roles_from), (server.1, Roles::OtherConnections));
        assert_eq!(stream.server_to_client.messages, 60);
    }
    // Alone it is not claimed.
    assert_eq!(only(&midway(other, odd[1])).protocol, Protocol::Undecided);
    // Another server on the same port is not known.
    let stranger = whole(CLIENT_END, odd[1]).then(midway(other, ([192, 0, 2, 9], 19350)));
    assert_eq!(streams(&stranger).remove(1).protocol, Protocol::Undecided);
}

/// `streams --format json` of a file, or of a pipe, and what it says on standard error.
fn by_program(pcap: &[u8], pipe: bool) -> (Vec<Value>, String) {
    let file = std::env::temp_dir().join(format!("rtmp-inspect-recognise-{}.pcap", std::process::id()));
    std::fs::write(&file, pcap).expect("a temporary file");
    let name = if pipe { Path::new("-") } else { &file };
    let mut child = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(["streams", "--format", "json"])
        .arg(name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    if pipe {
        stdin.write_all(pcap).expect("it reads");
    }
    drop(stdin);
    let out = child.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let streams = report["streams"].as_array().expect("a list").clone();
    (streams, String::from_utf8(out.stderr).expect("text"))
}

#[test]
fn a_file_is_read_ahead_for_servers_that_only_later_connections_show() {
    let server = ([192, 0, 2, 2], 19350);
    let later = midway(([192, 0, 2, 1], 50002), server).then(whole(CLIENT_END, server)).pcap();
    let (ahead, notes) = by_program(&later, false);
    let ahead = &ahead[0];
    assert_eq!(notes, "");
    assert_eq!((&ahead["protocol"], &ahead["roles_from"]), (&"rtmp".into(), &"other_connections".into()));
    assert_eq!(ahead["server"], "192.0.2.2:19350");
    assert_eq!(ahead["server_to_client"]["messages"], 60);
    // A pipe passes once, and then it is not known.
    let (piped, notes) = by_program(&later, true);
    assert_eq!(piped[0]["protocol"], "undecided");
    assert!(notes.contains("1 connection begins in mid-session"), "{notes}");
    // Where nothing is guessed nothing is said.
    assert_eq!(by_program(&whole(CLIENT_END, server).pcap(), true).1, "");
}

#[test]
fn what_only_one_side_says_tells_the_roles() {
    // Both ports are RTMP's, so only onStatus tells.
    let ends = [([192, 0, 2, 1], 1935), ([192, 0, 2, 2], 1935)];
    let said = Session::between(ends[0], ends[1], 1_700_000_000_000_000)
        .client(&sounds(3))
        .client(&on_status())
        .client(&sounds(30))
        .server(&sounds(1))
        .skip(3);
    let stream = only(&said);
    assert_eq!((stream.roles_from, stream.server.ip().to_string().as_str()), (Roles::Messages, "192.0.2.1"));
    // A server that pushes to another sends Stream Begin as its client: that tells nothing.
    let begin = message(2, 4, 0, &[0, 0, 0, 0, 0, 1]);
    let pushed = Session::new().client(&begin).client(&sounds(30)).server(&sounds(1)).skip(3);
    assert_eq!((only(&pushed).server.port(), only(&pushed).roles_known), (1935, false));
    // Without it the roles are a guess.
    let mute = Session::between(ends[0], ends[1], 1_700_000_000_000_000).client(&sounds(30)).server(&sounds(1)).skip(3);
    assert!(!only(&mute).roles_known);
}

/// Video frames of 10,000 bytes in chunks of this size, each after some audio.
fn pictures(count: u8, size: usize) -> Vec<u8> {
    let picture = |number: u8| {
        let body: Vec<u8> =
            [0x27, 1, 0, 0, 0].into_iter().chain((0..9995_u32).map(|at| (at * 31 + at / 7) as u8)).collect();
        let mut bytes = message(4, 8, 1, &[&[0xaf, 1][..], &[number; 60]].concat());
        bytes.extend(&message(6, 9, 1, &body)[..12]);
        for (at, chunk) in body.chunks(size).enumerate() {
            bytes.extend((at > 0).then_some(0xc6));
            bytes.extend(chunk);
        }
        bytes
    };
    (0..count).flat_map(picture).collect()
}

/// What `streams` prints of a capture.
fn printed(session: &Session, format: &str) -> String {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("made.pcap");
    std::fs::write(&file, session.pcap()).expect("writable");
    let program =
        Command::new(env!("CARGO_BIN_EXE_rtmp-inspect")).args(["streams", "--format", format]).arg(file).output();
    String::from_utf8(program.expect("it runs").stdout).expect("text")
}

/// Protocol, roles and chunk size are marked as guesses where they are, in text and in JSON, and nowhere else.
#[test]
fn a_guess_is_told_as_a_guess() {
    let rtmp = ([192, 0, 2, 2], 1935);
    let begun = || Session::between(CLIENT_END, rtmp, 1_700_000_000_000_000);
    let set_chunk_size = message(2, 1, 0, &4096_u32.to_be_bytes());
    let [c0c1, s, c2] = handshake();
    let known = begun().client(&c0c1).server(&s).client(&c2).client(&connect()).server(&on_status());
    // Of each: whether protocol, roles and the server's chunk size are guesses, and that size.
    for (what, session, is_guess, size) in [
        ("from the start", known.clone().server(&sounds(3)), [false, false, false], 128),
        (
            "a size that is announced",
            known.server(&set_chunk_size).server(&pictures(3, 4096)),
            [false, false, false],
            4096,
        ),
        ("the port alone", begun().client(&c0c1), [true, false, false], 128),
        ("midway", begun().server(&pictures(3, 4096)).client(&sounds(1)).skip(3), [false, true, true], 4096),
        (
            "midway, and then announced",
            begun()
                .server(&pictures(3, 4096))
                .server(&set_chunk_size)
                .server(&pictures(1, 4096))
                .client(&sounds(1))
                .skip(3),
            [false, true, false],
            4096,
        ),
    ] {
        let text = printed(&session, "text");
        let report: Value = serde_json::from_str(&printed(&session, "json")).expect("JSON");
        let stream = &report["streams"][0];
        let side = &stream["server_to_client"];
        let [protocol, roles, chunk_size] = is_guess;
        assert_eq!(stream["protocol"], "rtmp", "{what}: {stream:#}");
        assert_eq!(text.contains(" RTMP? "), protocol, "{what}: {text}");
        assert_eq!(stream["protocol_certain"], !protocol, "{what}: {stream:#}");
        assert_eq!(text.contains("  roles     a guess: "), roles, "{what}: {text}");
        assert_eq!(stream["roles_known"], !roles, "{what}: {stream:#}");
        assert_eq!(text.contains(&format!("chunk size {size} (a guess)")), chunk_size, "{what}: {text}");
        assert_eq!(side["chunk_size_guessed"], chunk_size, "{what}: {stream:#}");
        if chunk_size || size != 128 {
            assert!(text.contains(&format!("chunk size {size}")), "{what}: {text}");
            assert_eq!(side["chunk_size"], size, "{what}: {stream:#}");
        }
    }
}

/// What is reported of a capture, without frame numbers, times and counts of packets.
fn reported(pcap: &[u8]) -> String {
    let decoded = decode(pcap);
    let mut streams = Vec::new();
    for stream in decoded.streams {
        let mut json = serde_json::to_value(&stream).expect("JSON");
        json.as_object_mut()
            .expect("an object")
            .retain(|key, _| !matches!(key.as_str(), "frames" | "start" | "duration"));
        forget_frames(&mut json);
        streams.push(json);
    }
    let messages: BTreeMap<_, Vec<_>> = decoded
        .messages
        .into_iter()
        .map(|(way, all)| (way, all.into_iter().map(|(message, at)| format!("{at:?} {message:?}")).collect()))
        .collect();
    format!("{streams:#?}\n{messages:#?}")
}

fn forget_frames(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| !matches!(key.as_str(), "frame" | "packets" | "time" | "response_time"));
            object.values_mut().for_each(forget_frames);
        }
        Value::Array(all) => all.iter_mut().for_each(forget_frames),
        _ => {}
    }
}

/// Who sends what: whether it is the client, and the bytes.
type Turns = Vec<(bool, Vec<u8>)>;

/// The bytes of a connection in the order in which the sides sent them, in segments of the given lengths.
fn segmented(turns: &[(bool, Vec<u8>)], skip: usize, mut length: impl FnMut() -> usize) -> Vec<u8> {
    let mut session = Session::new();
    for (from_client, bytes) in turns {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(length().clamp(1, 1448).min(rest.len()));
            session = session.send(*from_client, now, 1448);
            rest = later;
        }
    }
    session.skip(skip).pcap()
}

#[test]
fn the_report_does_not_depend_on_the_segments() {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut tls = vec![0x16, 3, 1, 0, 250];
    tls.extend((0..250).map(|i| i as u8));
    let rtmpe = [&[6][..], &vec![0x5a; 1536]].concat();
    let recorded = Recording::read(Path::new("testdata/captures/a/gst_rtmp2sink_pub.pcap"), 0);
    let mut real: Turns = Vec::new();
    for (bytes, from_client) in [(recorded.stream(CLIENT), CLIENT), (recorded.stream(!CLIENT), !CLIENT)] {
        let parts = if from_client == CLIENT { [0..1537, 1537..3400] } else { [0..3073, 3073..3300] };
        real.extend(parts.into_iter().map(|part| (from_client, bytes[part].to_vec())));
    }
    real.swap(1, 2);
    let kinds = [
        ("TLS", vec![(true, tls.clone()), (false, tls.clone()), (true, tls.clone())]),
        (
            "HTTP",
            vec![(true, text("POST /upload HTTP/1.1\r\nHost: a\r\n\r\n")), (false, text("HTTP/1.1 200 OK\r\n\r\n"))],
        ),
        ("RTMPT", vec![(true, text("POST /open/1 HTTP/1.1\r\n\r\n")), (false, text("HTTP/1.1 200 OK\r\n\r\n"))]),
        ("PROXY", vec![(true, text("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")), (false, vec![3; 9])]),
        ("RTMPE", vec![(true, rtmpe.clone()), (false, rtmpe.repeat(2)), (true, rtmpe)]),
        ("TPKT", vec![(true, tpkt(&[2, 0xf0, 0x80], 300)), (false, tpkt(&[2, 0xf0, 0x80], 30))]),
        ("banner", vec![(false, text("220 mail.example ESMTP\r\n")), (true, text("EHLO example\r\n"))]),
        ("cut", vec![(true, vec![3; 900])]),
        ("RTMP", real),
    ];
    for (name, turns) in kinds {
        for skip in [0, 3] {
            let merged = reported(&segmented(&turns, skip, || 1448));
            let mut state = 1_u32;
            let mut random = || {
                state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
                1 + (state >> 16) as usize % 97
            };
            for (how, pcap) in [
                ("of one byte", segmented(&turns, skip, || 1)),
                ("at random", segmented(&turns, skip, &mut random)),
                ("of 1000", segmented(&turns, skip, || 1000)),
            ] {
                let cut = reported(&pcap);
                let differs = merged.lines().zip(cut.lines()).find(|(a, b)| a != b);
                assert!(merged == cut, "{name} in segments {how}, {skip} packets left out: {differs:?}");
            }
        }
    }
}

/// After a SYN it is known where the handshake is, though the first bytes of both sides were not captured.
#[test]
fn a_connection_whose_first_bytes_are_missing_on_both_sides_is_not_empty() {
    let beheaded = |server: End| {
        let session = whole(CLIENT_END, server);
        let [client, server] = [true, false].map(|from_client| session.data(from_client)[0]);
        session.drop(client.max(server)).drop(client.min(server)).pcap()
    };
    let decoded = decode(&beheaded((SERVER_END.0, 1935)));
    assert_eq!(decoded.streams[0].protocol, Protocol::Rtmp, "{}", decoded.streams[0].protocol_why);
    let count = |from_client| decoded.messages.get(&(0, from_client)).map_or(0, Vec::len);
    assert_eq!((count(true), count(false)), (1, 31));
    // Nothing tells what it is on another port.
    let elsewhere = &decode(&beheaded(SERVER_END)).streams[0];
    assert_eq!((elsewhere.protocol, elsewhere.protocol_certain), (Protocol::Undecided, false));
}
