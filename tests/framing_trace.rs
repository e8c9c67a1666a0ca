//! Broken framing in captures: what is kept of a direction, why it broke, and what was sent in truth.

use std::io::Cursor;

use crate::kit::{Session, handshake, message};
use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::rtmp::dialect::Dialect;
use rtmp_inspect::rtmp::hypotheses::Hypothesis;
use rtmp_inspect::session::framing_trace::{FramingTrace, Limits, Recorder};
use rtmp_inspect::session::{Direction, Event, Kind, Observer, Options, RtmpSession};
use rtmp_inspect::tcp::{Connection, ConnectionId};

/// The message breaks in mid-session, far after the start: what is kept begins near it.
#[test]
fn a_mistake_late_in_a_long_session_is_found_and_undone() {
    let sent: Vec<Vec<u8>> = (0..700).map(|i| picture(if i == 600 { 5000 } else { 3000 + i }, i)).collect();
    let mut client = Vec::new();
    for (i, body) in sent.iter().enumerate() {
        let mut bytes = message(6, 9, 1, body);
        if i == 600 {
            // In one piece, though the chunk size is 128.
            bytes = [&message(6, 9, 1, &[])[..4], &bytes[4..12], body].concat();
        }
        client.extend(bytes);
    }
    let pcap = session(&[], &client);
    let window = 64 << 10;
    let (tape, hypotheses) = judged(&pcap, Limits { window, total: 1 << 20 });
    assert!(tape.offset > 1_000_000, "it begins at {}", tape.offset);
    assert!(tape.bytes.len() <= 3 * window + 2 * 1448, "{} bytes are kept", tape.bytes.len());
    let whole = decoded(&pcap, None);
    assert!(!whole.contains(&sent[600]), "the mistake is none");
    // All before were cut, and all after it are: no dialect of the whole rest explains that.
    assert!(hypotheses.iter().all(|one| !one.certain), "{hypotheses:#?}");
    let from = hypotheses.first().map(|one| one.code);
    assert_eq!(from, Some("type3-missing"), "{hypotheses:#?}");
}

#[test]
fn the_peers_chunk_size_is_known_from_its_own_direction() {
    let sent: Vec<Vec<u8>> = (0..20).map(|i| picture(9000 + i, i)).collect();
    let mut client = message(3, 20, 0, &connect());
    for body in &sent {
        let whole = message(6, 9, 1, body);
        client.extend(&whole[..12]);
        for (i, chunk) in body.chunks(4096).enumerate() {
            client.extend((i > 0).then_some(0xc6));
            client.extend(chunk);
        }
    }
    let pcap = session(&message(2, 1, 0, &4096u32.to_be_bytes()), &client);
    let (_, hypotheses) = judged(&pcap, Limits::default());
    let first = &hypotheses[0];
    assert_eq!((first.code, first.certain), ("chunk-size-wrong-direction", true), "{hypotheses:#?}");
    assert_eq!(decoded(&pcap, None).iter().filter(|body| sent.contains(body)).count(), 0);
    let found = decoded(&pcap, Some(first.dialect));
    assert_eq!(found[1..], sent);
}

/// Nothing but 1536 bytes that do not begin with a version: likely, and no more than that.
#[test]
fn a_client_that_leaves_out_c0_and_waits() {
    let [client, ..] = handshake();
    let pcap = Session::new().client(&client[1..]).close().pcap();
    let (_, hypotheses) = judged(&pcap, Limits::default());
    let codes: Vec<_> = hypotheses.iter().map(|one| (one.code, one.certain)).collect();
    assert_eq!(codes, [("hs-c0-missing", false)], "{hypotheses:#?}");
}

#[test]
fn with_c0_left_out_a_session_is_decoded_all_the_same() {
    let [client, server, echo] = handshake();
    let body = connect();
    let all = [&client[1..], &echo, &message(3, 20, 0, &body)].concat();
    let pcap = Session::new().client(&all).server(&server).close().pcap();
    let (_, hypotheses) = judged(&pcap, Limits::default());
    let first = &hypotheses[0];
    assert_eq!((first.code, first.certain), ("hs-c0-missing", true), "{hypotheses:#?}");
    assert_eq!(decoded(&pcap, Some(first.dialect)), [body]);
}

#[test]
fn with_c2_left_out_too() {
    let [client, server, _] = handshake();
    let body = connect();
    let all = [&client[..], &message(3, 20, 0, &body)].concat();
    let pcap = Session::new().client(&all).server(&server).close().pcap();
    let (_, hypotheses) = judged(&pcap, Limits::default());
    let first = &hypotheses[0];
    assert_eq!((first.code, first.certain), ("hs-c2-missing", true), "{hypotheses:#?}");
    assert_eq!(decoded(&pcap, Some(first.dialect)), [body]);
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let client = [message(6, 9, 1, &picture(300, 1)), vec![0x55; 5000]].concat();
    let pcap = session(&[], &client);
    let (tapes, left_out) =
        observed(&pcap, Options::default(), Recorder::new(Limits { window: 1 << 19, total: 100 })).into_tapes();
    assert_eq!((tapes.len(), left_out), (0, 1));
}

/// A video frame of one NAL unit.
fn picture(len: usize, seed: usize) -> Vec<u8> {
    let mut body = vec![0x17, 1, 0, 0, 0];
    body.extend((len as u32 - 9).to_be_bytes());
    body.extend((9..len).map(|at| (at * 31 + seed * 7 + at / 251) as u8 & 0x7f));
    body
}

fn connect() -> Vec<u8> {
    let url = crate::kit::amf0::string("rtmp://192.0.2.2:1935/live");
    let object = crate::kit::amf0::object(&[("app", crate::kit::amf0::string("live")), ("tcUrl", url)]);
    [crate::kit::amf0::string("connect"), crate::kit::amf0::number(1.0), object].concat()
}

/// A handshake, then what the server and the client say.
fn session(server: &[u8], client: &[u8]) -> Vec<u8> {
    let [c1, s1, echo] = handshake();
    let first = message(3, 20, 0, &connect()).len().min(client.len());
    let (first, rest) = client.split_at(first);
    Session::new().client(&c1).server(&s1).client(&echo).client(first).server(server).client(rest).close().pcap()
}

/// The one tape of the client's direction, and why it broke.
fn judged(pcap: &[u8], limits: Limits) -> (FramingTrace, Vec<Hypothesis>) {
    let (tapes, left_out) = observed(pcap, Options::default(), Recorder::new(limits)).into_tapes();
    assert_eq!((tapes.len(), left_out), (1, 0), "tapes: {}", tapes.len());
    let tape = tapes.into_iter().next().expect("one tape");
    assert_eq!(tape.direction, Direction::ClientToServer);
    let hypotheses = tape.judge();
    (tape, hypotheses)
}

/// The bodies of the client's whole messages.
fn decoded(pcap: &[u8], dialect: Option<Dialect>) -> Vec<Vec<u8>> {
    let dialects = dialect.map(|dialect| (ConnectionId(0), Direction::ClientToServer, dialect));
    let options = Options { dialects: dialects.into_iter().collect(), ..Options::default() };
    // Beside a recorder, to which nothing is wrong then.
    let (bodies, recorder) = observed(pcap, options, (Bodies::default(), Recorder::default()));
    assert_eq!(recorder.into_tapes().0.is_empty(), dialect.is_some());
    bodies.0
}

#[derive(Default)]
struct Bodies(Vec<Vec<u8>>);

impl Observer for Bodies {
    fn event(&mut self, event: &Event<'_>) {
        if let (Kind::Message(message), Direction::ClientToServer) = (&event.kind, event.direction)
            && message.is_complete()
        {
            self.0.push(message.body.clone());
        }
    }

    fn closed(&mut self, _: &Connection, _: &RtmpSession) {}
}

fn observed<O: Observer>(pcap: &[u8], options: Options, observer: O) -> O {
    let mut capture = Capture::open(Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a capture");
    pipeline::run(&mut capture, pipeline::Limits::default(), options, observer, &mut Silent).expect("readable").0
}

struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}
    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}
