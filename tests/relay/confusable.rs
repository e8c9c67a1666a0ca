//! Messages and legs that can be mistaken for each other: two publishers of one name, data messages of which some are
//! missing, a key frame among inter frames.

use rtmp_inspect::relay::{self, Leg, LegName, Options, Report, Verdict};

use super::recordings::follow;
use crate::kit::recorded::record;
use crate::kit::{End, Session, amf0, handshake, message};

const SERVER: End = ([192, 0, 2, 9], 1935);
/// Microseconds since the epoch.
const START: u64 = 1_700_000_000_000_000;

/// A client's connection; times are milliseconds after [`START`].
struct Client {
    session: Session,
}

impl Client {
    /// Connects, creates a stream, and publishes or plays `one`.
    fn new(port: u16, what: &str, at: u64) -> Client {
        let [client, server, echo] = handshake();
        let session = Session::between(([192, 0, 2, 1], port), SERVER, START + at * 1000);
        let app = amf0::object(&[("app", amf0::string("live"))]);
        let command = |name: &str, id: f64, rest: &[Vec<u8>]| {
            message(3, 20, 0, &[amf0::string(name), amf0::number(id), rest.concat()].concat())
        };
        let session = session.client(&client).server(&server).client(&echo);
        let session =
            session.client(&command("connect", 1.0, &[app])).server(&command("_result", 1.0, &[amf0::null()]));
        let session = session.client(&command("createStream", 2.0, &[amf0::null()]));
        let session = session.server(&command("_result", 2.0, &[amf0::null(), amf0::number(1.0)]));
        let asked = [amf0::string(what), amf0::number(3.0), amf0::null(), amf0::string("one")].concat();
        Client { session: session.client(&message(8, 20, 1, &asked)) }
    }

    /// A message of the client's, or of the server's.
    fn sends(self, from_client: bool, at: u64, timestamp: u32, type_id: u8, body: &[u8]) -> Client {
        let mut bytes = message(if type_id == 9 { 6 } else { 4 }, type_id, 1, body);
        bytes[1..4].copy_from_slice(&timestamp.to_be_bytes()[1..]);
        Client { session: self.session.at(START + at * 1000).send(from_client, &bytes, 1448) }
    }

    fn closes(self, at: u64) -> Session {
        self.session.at(START + at * 1000).close()
    }
}

/// What a publisher sends, and when.
#[derive(Clone)]
struct Sent {
    at: u64,
    timestamp: u32,
    type_id: u8,
    body: Vec<u8>,
}

fn sounds(first: u8, count: u8, from: u64) -> Vec<Sent> {
    let sound = |n: u8| Sent {
        at: from + 40 * u64::from(n),
        timestamp: 40 * u32::from(n),
        type_id: 8,
        body: vec![0xaf, 1, 0x21, first + n, 7, first],
    };
    (0..count).map(sound).collect()
}

/// Publishes this from so many milliseconds on, to one after the last of it.
fn publisher(port: u16, from: u64, sent: &[Sent]) -> Session {
    let client = sent.iter().fold(Client::new(port, "publish", from), |client, sent| {
        client.sends(true, sent.at, sent.timestamp, sent.type_id, &sent.body)
    });
    client.closes(sent.last().map_or(from, |sent| sent.at) + 100)
}

/// A player that is there from the beginning, and gets this two milliseconds after it was sent.
fn player(got: &[Sent]) -> Session {
    let client = got.iter().fold(Client::new(51_000, "play", 100), |client, sent| {
        client.sends(false, sent.at + 2, sent.timestamp, sent.type_id, &sent.body)
    });
    client.closes(9000)
}

fn followed(sessions: &[Session]) -> Report {
    let all = sessions.iter().cloned().reduce(Session::then).expect("a session");
    follow(&[record(&all.in_time().pcap())])
}

/// The messages that are missing on a leg: their place in its publisher's list.
fn missing(leg: &Leg) -> Vec<(String, Option<u32>)> {
    let rows = leg.messages.iter().filter(|row| row.fate == "dropped");
    rows.map(|row| (row.what.clone(), row.timestamp)).collect()
}

fn without(all: &[Sent], gone: usize) -> Vec<Sent> {
    let mut left = all.to_vec();
    left.remove(gone);
    left
}

#[test]
fn two_publishers_of_one_name_have_a_leg_each() {
    let (first, second) = (sounds(0x10, 20, 1000), sounds(0x80, 20, 4000));
    let both = [publisher(50_001, 500, &first), publisher(50_002, 3500, &second)];
    let of = |got: &[Sent]| followed(&[both[0].clone(), both[1].clone(), player(got)]);
    let report = of(&[&first[..], &second].concat());
    assert_eq!(report.verdict, Verdict::Intact, "{}", report.summary);
    let counts: Vec<_> =
        report.legs.iter().map(|leg| (leg.publisher.src.as_str(), leg.total.forwarded, leg.total.dropped)).collect();
    assert_eq!(counts, [("192.0.2.1:50001", 20, 0), ("192.0.2.1:50002", 20, 0)]);
    // One message of the second publisher is missing, and it is the second's.
    let report = of(&[&first[..], &without(&second, 7)].concat());
    assert_eq!(report.verdict, Verdict::Damaged, "{}", report.summary);
    assert_eq!(missing(&report.legs[0]), []);
    assert_eq!(missing(&report.legs[1]), [("audio".to_owned(), Some(280))]);
    // One of the first's.
    let report = of(&[&without(&first, 7)[..], &second].concat());
    assert_eq!(missing(&report.legs[0]), [("audio".to_owned(), Some(280))]);
    assert_eq!(missing(&report.legs[1]), []);
}

/// One that is refused, and so sends nothing, ends nobody's stream.
#[test]
fn a_second_publisher_without_media_changes_nothing() {
    let sent = sounds(0x10, 40, 1000);
    let refused = Client::new(50_002, "publish", 1500).closes(1600);
    for gone in [None, Some(25)] {
        let got = gone.map_or(sent.clone(), |gone| without(&sent, gone));
        let report = followed(&[publisher(50_001, 500, &sent), refused.clone(), player(&got)]);
        assert_eq!(report.legs.len(), 1, "{}", report.summary);
        let expected: Vec<_> = gone.map(|gone| ("audio".to_owned(), Some(40 * gone as u32))).into_iter().collect();
        assert_eq!(missing(&report.legs[0]), expected);
        assert_eq!(report.legs[0].total.forwarded, 40 - gone.iter().count() as u64);
    }
}

fn text(at: u64, text: &str) -> Sent {
    let body = [amf0::string("onTextData"), amf0::object(&[("text", amf0::string(text))])].concat();
    Sent { at, timestamp: (at - 1000) as u32, type_id: 18, body }
}

/// Data messages are told apart by what they say, not by how many there are.
#[test]
fn of_several_data_messages_the_one_that_is_missing_is_found() {
    let mut sent = sounds(0x10, 40, 1000);
    for (at, said) in [(1110, "a"), (1310, "b"), (1510, "c"), (1710, "d")] {
        sent.push(text(at, said));
    }
    sent.sort_by_key(|sent| sent.at);
    let places: Vec<_> = (0..sent.len()).filter(|&at| sent[at].type_id == 18).collect();
    let of = |got: &[Sent]| followed(&[publisher(50_001, 500, &sent), player(got)]);
    let whole = of(&sent);
    assert_eq!((missing(&whole.legs[0]), whole.legs[0].total.changed), (vec![], 0), "{}", whole.summary);
    let last = places.last().copied();
    for gone in places {
        let report = of(&without(&sent, gone));
        // After the last nothing of its kind shows that it could have come.
        let expected = [("data onTextData".to_owned(), Some(sent[gone].timestamp))];
        let expected = if Some(gone) == last { &[][..] } else { &expected };
        assert_eq!(missing(&report.legs[0]), expected, "{}", report.summary);
        assert_eq!(report.legs[0].total.changed, 0, "{}", report.summary);
    }
    // Another text in its place is a change, and nothing is missing.
    let mut got = sent.clone();
    let changed = got.iter().position(|sent| sent.type_id == 18).expect("data");
    got[changed] = text(1110, "z");
    let report = of(&got);
    assert_eq!((missing(&report.legs[0]), report.legs[0].total.changed), (vec![], 1), "{}", report.summary);
}

/// A key frame every ten frames, the first of them at once.
fn pictures(count: u8) -> Vec<Sent> {
    let picture = |n: u8| {
        let is_key = n.is_multiple_of(10);
        let head = if is_key { [0x17, 1, 0, 0, 0] } else { [0x27, 1, 0, 0, 0] };
        let unit = [0, 0, 0, 3, if is_key { 0x65 } else { 0x41 }, n, 9];
        let (at, timestamp) = (1000 + 40 * u64::from(n), 40 * u32::from(n));
        Sent { at, timestamp, type_id: 9, body: [&head[..], &unit].concat() }
    };
    (0..count).map(picture).collect()
}

#[test]
fn a_key_frame_in_the_midst_is_missing_and_one_before_the_start_is_not() {
    let sent = pictures(40);
    let of = |got: &[Sent]| followed(&[publisher(50_001, 500, &sent), player(got)]);
    let lost = of(&without(&sent, 20));
    assert_eq!(missing(&lost.legs[0]), [("keyframe".to_owned(), Some(800))], "{}", lost.summary);
    assert_eq!((lost.legs[0].total.forwarded, lost.verdict), (39, Verdict::Damaged));
    // An inter frame beside it.
    let lost = of(&without(&sent, 21));
    assert_eq!(missing(&lost.legs[0]), [("video".to_owned(), Some(840))], "{}", lost.summary);
    // The server begins at the second key frame: nothing before it was for the player.
    let late = of(&sent[10..]);
    assert_eq!((missing(&late.legs[0]), late.legs[0].total.forwarded), (vec![], 30), "{}", late.summary);
    assert_eq!(late.verdict, Verdict::Intact, "{}", late.summary);
}

/// A message of this type and body, some of them.
fn messages(count: u8, from: u64, type_id: u8, body: &[u8]) -> Vec<Sent> {
    let one = |n: u8| Sent {
        at: from + 40 * u64::from(n),
        timestamp: 40 * u32::from(n),
        type_id,
        body: [body, &[n]].concat(),
    };
    (0..count).map(one).collect()
}

#[test]
fn a_server_that_forwards_nothing_is_told_with_the_reason() {
    let inter = messages(30, 1000, 9, &[0x27, 1, 0, 0, 0, 0, 0, 0, 1]);
    let enhanced = messages(30, 1000, 9, &[0x91, b'h', b'v', b'c', b'1', 0, 0, 0]);
    let data = messages(30, 1000, 18, b"\x02\0\x06onText\x02\0\x01");
    for (sent, reason) in [
        (inter, "no key frame was sent while it was there"),
        (enhanced, "all video that was sent has enhanced headers"),
        (data, "only data messages were sent, and none came through"),
        (sounds(0x10, 30, 1000), "none of what was sent came through"),
    ] {
        let report = followed(&[publisher(50_001, 500, &sent), player(&[])]);
        assert_eq!((report.verdict, report.summary.as_str()), (Verdict::NothingForwarded, reason));
        assert_eq!(report.findings[0].rule.code, "relay-nothing");
        assert!(report.findings.iter().all(|finding| finding.rule.code != "relay-drop"));
        // One of them makes it another story.
        let report = followed(&[publisher(50_001, 500, &sent), player(&sent[..1])]);
        assert_ne!(report.verdict, Verdict::NothingForwarded, "{reason}");
    }
    // Sent before the player came: it left nothing behind.
    let early = sounds(0x10, 1, 60);
    let report = followed(&[publisher(50_001, 10, &early), player(&[])]);
    assert_eq!(report.summary, "while it was there, nothing was sent");
}

#[test]
fn roles_the_other_way_round_are_an_error_that_says_so() {
    let sent = sounds(0x10, 20, 1000);
    let all = publisher(50_001, 500, &sent).then(player(&sent)).in_time();
    let recording = [record(&all.pcap())];
    let of = |role| recording[0].sessions.iter().find(|one| one.stream.activities[0].what == role).expect("one");
    let named = |role| LegName { capture: 0, connection: of(role).stream.tcp_stream.0 };
    let (publisher, player) = (named("publish"), named("play"));
    let follow = |pair| relay::relay(&recording, &Options { pairs: vec![pair], ..Options::default() });
    assert_eq!(follow((publisher, player)).expect("the right order").verdict, Verdict::Intact);
    let why = follow((player, publisher)).expect_err("the wrong order");
    assert!(why.ends_with(&format!("--pair {}:{}", publisher.connection, player.connection)), "{why}");
}
