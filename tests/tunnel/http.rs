//! RTMPT: real sessions, and those of other captures put into HTTP in every way that clients do it.

use rtmp_inspect::session::Protocol;
use rtmp_inspect::tunnel::rtmpt::ProblemKind;

use super::tls::{assert_same_messages, recorded};
use crate::kit::decoded::{Decoded, bytes, decode};
use crate::kit::faults::Base;
use crate::kit::{End, Session};

#[test]
fn messages_in_rtmpt_are_those_of_the_plain_leg() {
    for name in ["rtmpt_ffmpeg", "rtmpt_ffmpeg_chunked"] {
        let decoded = decode(&recorded(name));
        assert_same_messages(name, &decoded, 0, 1);
        let rtmpt = decoded.streams[0].rtmpt.as_ref().expect("RTMPT");
        assert_eq!((rtmpt.session.as_str(), rtmpt.opened, &rtmpt.problems[..]), ("s00000001", true, &[][..]), "{name}");
        assert_eq!(decoded.streams[0].protocol_name(), "RTMPT", "{name}");
    }
}

const SERVER: End = ([192, 0, 2, 2], 80);

fn client(port: u16) -> End {
    ([192, 0, 2, 1], port)
}

/// A session of another capture, cut into what each request and each response carries.
struct Cut {
    rounds: Vec<(Vec<u8>, Vec<u8>)>,
    plain: Decoded,
}

impl Cut {
    /// `size`: how many bytes of the client's are in a request. The server's follow in their proportion.
    fn of(base: Base, size: usize) -> Cut {
        let pcap = base.recording().pcap();
        let mut bytes = bytes(&pcap);
        let [up, down] = [true, false].map(|from_client| bytes.remove(&(0, from_client)).expect("both directions"));
        let count = up.len().div_ceil(size);
        let share = down.len().div_ceil(count);
        let of = |bytes: &[u8], at: usize, size: usize| {
            let start = (at * size).min(bytes.len());
            bytes[start..(start + size).min(bytes.len())].to_vec()
        };
        // The handshake first, as a server has nothing to say before.
        let rounds = (0..count).map(|at| (of(&up, at, size), of(&down, at, share))).collect();
        Cut { rounds, plain: decode(&pcap) }
    }

    fn assert_is(&self, decoded: &Decoded, id: u32, what: &str) {
        for from_client in [true, false] {
            let expected = &self.plain.messages[&(0, from_client)];
            let found = decoded.messages.get(&(id, from_client)).unwrap_or_else(|| panic!("{what}: nothing"));
            let first = (0..expected.len().max(found.len())).find(|&at| found.get(at) != expected.get(at));
            assert_eq!(first, None, "{what}, from the client: {from_client}");
        }
    }
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: 192.0.2.2\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-fcs\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn polled(body: &[u8]) -> Vec<u8> {
    ok(&[&[9], body].concat())
}

fn in_chunks(head: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for part in body.chunks(77) {
        message.extend(format!("{:x}\r\n", part.len()).into_bytes());
        message.extend(part);
        message.extend(b"\r\n");
    }
    message.extend(b"0\r\n\r\n");
    message
}

fn opening(session: Session, name: &str) -> Session {
    session.client(&post("/open/1", &[0])).server(&ok(format!("{name}\n").as_bytes()))
}

const BASES: [Base; 3] = [Base::Own, Base::Ffmpeg, Base::Play];

#[test]
fn one_connection() {
    for base in BASES {
        for (size, segment) in [(1537, 1448), (700, 100), (5000, 1448)] {
            let cut = Cut::of(base, size);
            let session = Session::between(client(4000), SERVER, 1_700_000_000_000_000);
            let mut session = session
                .client(&post("/fcs/ident2", &[0]))
                .server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
            session = opening(session, "A1b2");
            for (number, (up, down)) in cut.rounds.iter().enumerate() {
                let verb = if up.is_empty() { "idle" } else { "send" };
                let request = match number % 3 {
                    2 => in_chunks(&format!("POST /{verb}/A1b2/{number} HTTP/1.1"), up),
                    _ => post(&format!("/{verb}/A1b2/{number}"), up),
                };
                session = session.send(true, &request, segment);
                let answer = match number % 2 {
                    1 => in_chunks("HTTP/1.1 200 OK", &[&[1], &down[..]].concat()),
                    _ => polled(down),
                };
                session = session.send(false, &answer, segment);
            }
            let count = cut.rounds.len();
            session = session.client(&post(&format!("/close/A1b2/{count}"), &[0])).server(&ok(&[0])).close();
            let decoded = decode(&session.pcap());
            cut.assert_is(&decoded, 0, &format!("{base:?} {size} {segment}"));
            let stream = &decoded.streams[0];
            let rtmpt = stream.rtmpt.as_ref().expect("RTMPT");
            assert_eq!((rtmpt.requests, rtmpt.closed), (count as u64 + 1, true));
            assert_eq!(rtmpt.problems, [], "{base:?}");
            assert!(stream.roles_known && stream.end.is_some());
        }
    }
}

/// Requests take turns on three connections, and each new one is captured before the answer to the one before.
fn over_three(cut: &Cut, name: &str, base_port: u16, start: u64, overtake: bool) -> Session {
    let mut time = start;
    let mut connections: Vec<_> =
        (0..3).map(|at| Session::between(client(base_port + at), SERVER, start + u64::from(at))).collect();
    connections[0] = opening(connections[0].clone().at(start + 10), name);
    for (number, (up, down)) in cut.rounds.iter().enumerate() {
        time += 1000;
        let request = post(&format!("/send/{name}/{number}"), up);
        let at = number % 3;
        // With `overtake` every third request is captured after the next one, and its answer after that one's.
        let late = if overtake && number % 3 == 1 { 1050 } else { 0 };
        connections[at] = connections[at].clone().at(start + 100 + time - start + late).client(&request);
        connections[at] = connections[at].clone().at(start + 200 + time - start + late).server(&polled(down));
    }
    let all = connections.into_iter().map(Session::close).reduce(Session::then).expect("three");
    all.in_time()
}

#[test]
fn one_session_over_several_connections() {
    for base in BASES {
        let cut = Cut::of(base, 1000);
        for overtake in [false, true] {
            let decoded = decode(&over_three(&cut, "x", 4000, 1_700_000_000_000_000, overtake).pcap());
            cut.assert_is(&decoded, 0, &format!("{base:?}, overtaking: {overtake}"));
            let rtmpt = decoded.streams[0].rtmpt.as_ref().expect("RTMPT");
            let mut carriers: Vec<_> = rtmpt.tcp_streams.iter().map(|id| id.0).collect();
            carriers.sort_unstable();
            assert_eq!(carriers, [0, 1, 2]);
            assert_eq!(rtmpt.problems, [], "{base:?}, overtaking: {overtake}");
            for stream in &decoded.streams[1..] {
                assert_eq!((stream.carries.map(|id| id.0), stream.protocol), (Some(0), Protocol::Rtmpt));
            }
        }
    }
}

#[test]
fn many_sessions_at_once() {
    let cut = Cut::of(Base::Own, 900);
    let start = 1_700_000_000_000_000;
    let two =
        over_three(&cut, "one", 4000, start, false).then(over_three(&cut, "two", 5000, start + 7, true)).in_time();
    let decoded = decode(&two.pcap());
    let shown: Vec<_> = decoded.streams.iter().filter(|stream| stream.rtmpt.is_some()).collect();
    assert_eq!(shown.len(), 2);
    for stream in shown {
        cut.assert_is(&decoded, stream.tcp_stream.0, "one of two");
    }
}

/// A proxy sends the requests of two clients over one connection; the second session has a number of its own.
#[test]
fn two_sessions_on_one_connection() {
    let cut = Cut::of(Base::Own, 900);
    let mut session = Session::between(client(4000), SERVER, 1_700_000_000_000_000);
    session = opening(opening(session, "one"), "two");
    for (number, (up, down)) in cut.rounds.iter().enumerate() {
        for name in ["one", "two"] {
            session = session.client(&post(&format!("/send/{name}/{number}"), up)).server(&polled(down));
        }
    }
    let decoded = decode(&session.close().pcap());
    cut.assert_is(&decoded, 0, "the first");
    cut.assert_is(&decoded, 1 << 31, "the second");
    assert_eq!(decoded.streams.iter().map(|stream| stream.tcp_stream.0).collect::<Vec<_>>(), [0, 1 << 31]);
}

/// The connection breaks after a request, and the client sends it again on another.
#[test]
fn a_request_that_is_sent_again_counts_once() {
    let cut = Cut::of(Base::Own, 900);
    for partial in [false, true] {
        let start = 1_700_000_000_000_000;
        let mut first = opening(Session::between(client(4000), SERVER, start), "r");
        let mut second = Session::between(client(4001), SERVER, start + 10_000_000).at(start + 10_001_000);
        let broken = cut.rounds.len() / 2;
        for (number, (up, down)) in cut.rounds.iter().enumerate() {
            let request = post(&format!("/send/r/{number}"), up);
            if number < broken {
                first = first.client(&request).server(&polled(down));
            } else {
                if number == broken {
                    let sent = if partial { &request[..request.len() - 100] } else { &request[..] };
                    first = first.client(sent).rst(true);
                }
                second = second.client(&request).server(&polled(down));
            }
        }
        let decoded = decode(&first.then(second.close()).pcap());
        cut.assert_is(&decoded, 0, &format!("a part only: {partial}"));
        assert_eq!(decoded.streams[0].rtmpt.as_ref().expect("RTMPT").problems, []);
    }
}

#[test]
fn numbers_are_checked_and_bytes_are_taken_all_the_same() {
    let cut = Cut::of(Base::Own, 900);
    let with_numbers = |number: fn(usize) -> usize| {
        let mut session = opening(Session::between(client(4000), SERVER, 1_700_000_000_000_000), "n");
        for (at, (up, down)) in cut.rounds.iter().enumerate() {
            session = session.client(&post(&format!("/send/n/{}", number(at)), up)).server(&polled(down));
        }
        decode(&session.close().pcap())
    };
    let kinds = |decoded: &Decoded| -> Vec<ProblemKind> {
        let rtmpt = decoded.streams[0].rtmpt.as_ref().expect("RTMPT");
        rtmpt.problems.iter().map(|problem| problem.kind).collect()
    };
    // From 1 on is as good as from 0 on.
    let decoded = with_numbers(|at| at + 1);
    cut.assert_is(&decoded, 0, "from 1");
    assert_eq!(kinds(&decoded), []);
    let decoded = with_numbers(|_| 1);
    cut.assert_is(&decoded, 0, "always 1");
    assert_eq!(kinds(&decoded), [ProblemKind::SequenceRepeated { number: 1 }]);
    let decoded = with_numbers(|at| if at < 3 { at } else { at + 2 });
    cut.assert_is(&decoded, 0, "3 and 4 left out");
    assert_eq!(kinds(&decoded), [ProblemKind::SequenceSkipped { due: 3, number: 5 }]);
}

/// A hole in a body has its length; one that reaches into a head does not, and nothing untrue follows it.
#[test]
fn holes() {
    let cut = Cut::of(Base::Ffmpeg, 4000);
    let mut session = opening(Session::between(client(4000), SERVER, 1_700_000_000_000_000), "h");
    for (number, (up, down)) in cut.rounds.iter().enumerate() {
        session = session.client(&post(&format!("/send/h/{number}"), up)).server(&polled(down)).ack(true).ack(false);
    }
    let session = session.close();
    for from_client in [true, false] {
        let truth = &cut.plain.messages[&(0, from_client)];
        for number in session.data(from_client).into_iter().skip(3) {
            let decoded = decode(&session.clone().drop(number).pcap());
            let Some(found) = decoded.messages.get(&(0, from_client)) else { continue };
            let mut rest = truth.iter();
            for (message, _) in found {
                let is_true = rest.any(|(other, _)| other.body == message.body && other.type_id == message.type_id);
                assert!(is_true, "without packet {number}, {from_client}: a message that was never sent: {message:?}");
            }
        }
    }
}

#[test]
fn a_server_that_knows_nothing_of_it() {
    let session = Session::between(client(4000), SERVER, 1_700_000_000_000_000)
        .client(&post("/open/1", &[0]))
        .server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
        .close();
    let stream = &decode(&session.pcap()).streams[0];
    assert_eq!((stream.protocol, stream.rtmpt.is_some()), (Protocol::Rtmpt, false));
}

#[test]
fn other_posts_are_http() {
    let session = Session::between(client(4000), SERVER, 1_700_000_000_000_000)
        .client(&post("/sender/of/1", &[0]))
        .server(&ok(b"fine"))
        .close();
    let stream = &decode(&session.pcap()).streams[0];
    assert_eq!((stream.protocol, stream.rtmpt.is_some()), (Protocol::Http, false));
}
