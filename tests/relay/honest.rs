//! What a relay is not to be accused of, and what it is: the tail of a stream, streams that are published again on the
//! way, two streams on one connection, one kind of media that never comes, a server's name.

use rtmp_inspect::recording::Recording;
use rtmp_inspect::relay::{Report, Verdict};

use super::recordings::{BOTH, codes, follow, message as kept, record};
use crate::kit::recorded;
use crate::kit::{End, Session, amf0, handshake, message};

const FIRST: End = ([192, 0, 2, 9], 1935);
const SECOND: End = ([192, 0, 2, 8], 1935);
/// Microseconds since the epoch.
const START: u64 = 1_700_000_000_000_000;

/// A message that is sent: when in ms, its timestamp, type and body.
#[derive(Clone)]
struct Sent {
    at: u64,
    type_id: u8,
    body: Vec<u8>,
}

/// A client's connection; times are milliseconds after [`START`].
struct Client(Session);

impl Client {
    fn new(client: End, server: End, at: u64) -> Client {
        let [c0c1, s0s1s2, c2] = handshake();
        let app = amf0::object(&[("app", amf0::string("live"))]);
        let session = Session::between(client, server, START + at * 1000).client(&c0c1).server(&s0s1s2).client(&c2);
        let session = session.client(&command("connect", 1.0, 0, &[app]));
        Client(session.server(&command("_result", 1.0, 0, &[amf0::null()])))
    }

    /// Creates a message stream, and publishes or plays on it.
    fn asks(self, what: &str, name: &str, stream: u32) -> Client {
        let session = self.0.client(&command("createStream", 2.0, 0, &[amf0::null()]));
        let session = session.server(&command("_result", 2.0, 0, &[amf0::null(), amf0::number(f64::from(stream))]));
        Client(session.client(&command(what, 3.0, stream, &[amf0::null(), amf0::string(name)])))
    }

    fn sends(self, from_client: bool, stream: u32, sent: &[Sent], later: u64) -> Client {
        let one = |session: Session, sent: &Sent| {
            let mut bytes = message(if sent.type_id == 9 { 6 } else { 4 }, sent.type_id, stream, &sent.body);
            bytes[1..4].copy_from_slice(&(sent.at as u32).to_be_bytes()[1..]);
            session.at(START + (sent.at + later) * 1000).send(from_client, &bytes, 1448)
        };
        Client(sent.iter().fold(self.0, one))
    }

    fn closes(self, at: u64) -> Session {
        self.0.at(START + at * 1000).close()
    }
}

fn command(name: &str, id: f64, stream: u32, rest: &[Vec<u8>]) -> Vec<u8> {
    message(3, 20, stream, &[amf0::string(name), amf0::number(id), rest.concat()].concat())
}

/// So many messages of a type, 40 ms apart.
fn messages(type_id: u8, head: &[u8], count: u8, from: u64) -> Vec<Sent> {
    let one = |n: u8| Sent { at: from + 40 * u64::from(n), type_id, body: [head, b"told apart by", &[n]].concat() };
    (0..count).map(one).collect()
}

fn sounds(seed: u8, count: u8, from: u64) -> Vec<Sent> {
    messages(8, &[0xaf, 1, seed], count, from)
}

fn publishes(port: u16, server: End, name: &str, sent: &[Sent]) -> Session {
    let last = sent.last().map_or(0, |sent| sent.at);
    let client = Client::new(([192, 0, 2, 1], port), server, 500).asks("publish", name, 1);
    client.sends(true, 1, sent, 0).closes(last + 50)
}

fn plays(server: End, name: &str, got: &[Sent], closes: u64) -> Session {
    let client = Client::new(([192, 0, 2, 3], 51_000), server, 400).asks("play", name, 1);
    client.sends(false, 1, got, 5).closes(closes)
}

fn followed(sessions: Vec<Session>) -> Report {
    let all = sessions.into_iter().reduce(Session::then).expect("a session");
    follow(&[recorded::record(&all.in_time().pcap())])
}

#[test]
fn the_tail_of_a_stream_is_no_drop() {
    let sent = sounds(0x10, 60, 1000);
    let of = |got: &[Sent]| followed(vec![publishes(50_001, FIRST, "one", &sent), plays(FIRST, "one", got, 20_000)]);
    // 10 messages are the last 0.4 s: the server may have had them when the publisher went.
    let tail = of(&sent[..50]);
    assert_eq!((tail.verdict, codes(&tail)), (Verdict::Intact, vec![]), "{}", tail.summary);
    // 45 messages are not, and nothing came after them: a stop, and no drop.
    let stopped = of(&sent[..15]);
    assert_eq!((stopped.verdict, codes(&stopped)), (Verdict::Damaged, vec!["relay-stopped"]), "{}", stopped.summary);
    // With one more at the end it is a gap.
    let gap = of(&[&sent[..15], &sent[59..]].concat());
    assert_eq!(codes(&gap), ["relay-drop"], "{}", gap.summary);
    assert_eq!(gap.legs[0].total.dropped, 44);
    // What took long before may take long at the end.
    let mut slow = sent[..30].to_vec();
    slow.iter_mut().for_each(|one| one.at += 2000);
    let late = followed(vec![publishes(50_001, FIRST, "one", &sent), plays(FIRST, "one", &slow, 20_000)]);
    assert!(!codes(&late).contains(&"relay-drop") && !codes(&late).contains(&"relay-stopped"), "{}", late.summary);
}

/// A server that publishes to the next one, under the same name or another, and a proxy that passes bytes on.
#[test]
fn a_stream_that_is_published_again_ends_nobodys() {
    let sent = sounds(0x10, 50, 1000);
    for (name, server) in [("one", SECOND), ("other", SECOND), ("one", (FIRST.0, 1936))] {
        let again = Client::new((FIRST.0, 40_000), server, 1100).asks("publish", name, 1);
        let again = again.sends(true, 1, &sent, 120).closes(9000);
        let second = Client::new(([192, 0, 2, 4], 52_000), server, 600).asks("play", name, 1);
        let second = second.sends(false, 1, &sent, 130).closes(9100);
        let first = plays(FIRST, "one", &sent, 9200);
        let report = followed(vec![publishes(50_001, FIRST, "one", &sent), again, first, second]);
        assert_eq!((report.verdict, codes(&report)), (Verdict::Intact, vec![]), "{name}: {}", report.summary);
        let has = |from: &str, to: &str| {
            let leg =
                report.legs.iter().find(|leg| leg.publisher.src.starts_with(from) && leg.player.dst.starts_with(to));
            leg.map(|leg| leg.total.forwarded)
        };
        let next = format!("{}.{}.{}.{}", server.0[0], server.0[1], server.0[2], server.0[3]);
        assert_eq!(has("192.0.2.1:", "192.0.2.3:"), Some(50), "{name}: {}", report.summary);
        assert_eq!(has("192.0.2.1:", &next), Some(50), "{name}");
        assert_eq!(has("192.0.2.9:40000", "192.0.2.4:"), Some(50), "{name}");
    }
}

#[test]
fn two_streams_of_one_connection_that_a_server_mixes_are_told_apart() {
    let (one, two) = (sounds(0x10, 40, 1000), sounds(0x80, 40, 1010));
    let both = || {
        let client =
            Client::new(([192, 0, 2, 1], 50_001), FIRST, 500).asks("publish", "one", 1).asks("publish", "two", 2);
        let turns = one.iter().zip(&two).fold(client, |client, (one, two)| {
            client.sends(true, 1, std::slice::from_ref(one), 0).sends(true, 2, std::slice::from_ref(two), 0)
        });
        turns.closes(9000)
    };
    let player = |port: u16, name: &str, got: &[Sent]| {
        Client::new(([192, 0, 2, 3], port), FIRST, 400).asks("play", name, 1).sends(false, 1, got, 5).closes(9000)
    };
    let apart = followed(vec![both(), player(51_001, "one", &one), player(51_002, "two", &two)]);
    assert_eq!((apart.verdict, codes(&apart)), (Verdict::Intact, vec![]), "{}", apart.summary);
    let mut all = [&one[..], &two].concat();
    all.sort_by_key(|sent| sent.at);
    let mixed = followed(vec![both(), player(51_001, "one", &[]), player(51_002, "two", &all)]);
    assert_eq!(mixed.verdict, Verdict::Damaged, "{}", mixed.summary);
    let title = |code| mixed.findings.iter().find(|finding| finding.rule.code == code).map(|one| one.title.as_str());
    assert_eq!(codes(&mixed).len(), 2, "{}", mixed.summary);
    assert_eq!(title("relay-mixed"), Some("40 messages of live/one reached the player of live/two"));
    assert_eq!(
        title("relay-nothing"),
        Some("nothing reached the player: it reached that of live/two, on connection 1")
    );
    // The same media under both names mixes nothing.
    let client = Client::new(([192, 0, 2, 1], 50_001), FIRST, 500).asks("publish", "one", 1).asks("publish", "two", 2);
    let twice = one.iter().fold(client, |client, sent| {
        client.sends(true, 1, std::slice::from_ref(sent), 0).sends(true, 2, std::slice::from_ref(sent), 1)
    });
    let twice = followed(vec![twice.closes(9000), player(51_001, "one", &one), player(51_002, "two", &one)]);
    assert_eq!((twice.verdict, codes(&twice)), (Verdict::Intact, vec![]), "{}", twice.summary);
}

#[test]
fn one_kind_of_media_that_never_comes_is_one_statement_with_its_reason() {
    let sounds = sounds(0x10, 60, 1000);
    let of = |video: &[Sent], got: &[Sent]| {
        let mut sent = [video, &sounds].concat();
        sent.sort_by_key(|sent| sent.at);
        let mut got = [got, &sounds].concat();
        got.sort_by_key(|sent| sent.at);
        followed(vec![publishes(50_001, FIRST, "one", &sent), plays(FIRST, "one", &got, 9000)])
    };
    let enhanced = messages(9, &[0x91, b'h', b'v', b'c', b'1', 0, 0, 0], 60, 1005);
    let report = of(&enhanced, &[]);
    assert_eq!(codes(&report), ["relay-nothing"], "{}", report.summary);
    assert!(report.summary.ends_with("no video reached the player: all video that was sent has enhanced headers"));
    let plain = messages(9, &[0x17, 1, 0, 0, 0], 60, 1005);
    let report = of(&plain, &[]);
    assert_eq!(codes(&report), ["relay-nothing"], "{}", report.summary);
    assert!(report.summary.ends_with("no video reached the player: none of what was sent came through"));
    // A part of it is another story.
    assert_eq!(codes(&of(&plain, &[&plain[..20], &plain[40..]].concat())), ["relay-drop"]);
    assert_eq!(codes(&of(&plain, &plain)), Vec::<&str>::new());
}

#[test]
fn a_stream_of_nothing_but_data_has_its_player() {
    let data = messages(18, b"\x02\0\x06onText\x02\0\x0e", 20, 1000);
    let report = followed(vec![publishes(50_001, FIRST, "one", &data), plays(FIRST, "one", &data, 9000)]);
    assert_eq!((report.verdict, report.legs.len()), (Verdict::Intact, 1), "{}", report.summary);
    assert_eq!(report.legs[0].total.forwarded, 20);
}

/// Metadata that are sent again and again: the first that a late player gets is the copy of the latest.
#[test]
fn metadata_that_repeat_are_paired_in_order() {
    let metadata = |n: u8, wrapped: bool| {
        let handler = amf0::string("onMetaData");
        let values = amf0::object(&[("width", amf0::number(320.0)), ("date", amf0::string(&format!("second {n}")))]);
        let wrapper = if wrapped { amf0::string("@setDataFrame") } else { Vec::new() };
        [wrapper, handler, values].concat()
    };
    let at = |n: u8| 1000 + 400 * u64::from(n);
    let data = |n: u8, wrapped| Sent { at: at(n), type_id: 18, body: metadata(n, wrapped) };
    let sounds = sounds(0x10, 60, 1010);
    let mut sent: Vec<Sent> = (0..6).map(|n| data(n, true)).chain(sounds.iter().cloned()).collect();
    sent.sort_by_key(|sent| sent.at);
    // It joins after the third, and gets that out of the server's memory.
    let joined = at(2) + 150;
    let mut got: Vec<Sent> = sounds.iter().filter(|sound| sound.at > joined).cloned().collect();
    got.extend((3..6).map(|n| data(n, false)));
    got.push(Sent { at: joined, ..data(2, false) });
    got.sort_by_key(|sent| sent.at);
    let player = Client::new(([192, 0, 2, 3], 51_000), FIRST, joined - 10).asks("play", "one", 1);
    let report = followed(vec![publishes(50_001, FIRST, "one", &sent), player.sends(false, 1, &got, 5).closes(9000)]);
    assert_eq!(report.verdict, Verdict::Intact, "{}", report.summary);
    assert_eq!((report.legs[0].total.changed, report.legs[0].total.dropped), (4, 0));
    let values = report.findings.iter().flat_map(|finding| &finding.evidence.properties);
    let texts: Vec<String> = values.map(|difference| difference.text()).collect();
    assert_eq!(texts, ["@setDataFrame is stripped"], "each is the one that was sent");
}

/// lal, joy4 and xiu answer with nginx-rtmp's S1: without a word of its own a server has no name.
#[test]
fn a_server_is_named_by_what_it_says_and_not_by_its_s1() {
    assert_eq!(follow(&[record(BOTH)]).legs[0].server, "nginx-rtmp");
    let mut mute: Recording = record(BOTH);
    for session in &mut mute.sessions {
        session.stream.server_software = None;
    }
    let report = follow(&[mute]);
    assert_eq!(report.legs[0].server, "unknown");
    assert!(report.findings.iter().all(|finding| !finding.title.contains("nginx")), "{:?}", codes(&report));
    // A publisher's own metadata may name the server that it comes from.
    let mut other = record(BOTH);
    let text = b"NGINX RTMP (github.com/arut/nginx-rtmp-module)";
    let metadata = other.sessions[1].items.iter_mut().filter_map(kept).find(|kept| kept.header.type_id.0 == 18);
    metadata.expect("metadata").body.extend(text);
    assert_eq!(follow(&[other]).legs[0].server, "unknown");
}
