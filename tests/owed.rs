//! Who owed what: each rule about what is due, with the excuse on which it is silent and without.

use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER, is_media, is_sound};
use crate::kit::encode::Message;
use crate::kit::faults::{self, Base};
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, What};
use crate::near_misses_excuses::{Excuse, assert_counts};
use rtmp_inspect::compare::identify_all;
use rtmp_inspect::lint::{self, Finding};
use rtmp_inspect::owed::{Progress, Step};
use rtmp_inspect::rules::Severity;

/// A command with this name and transaction id, and null.
fn command(name: &str, id: f64) -> Message {
    Message::new(3, 20, 0, 0, &[amf0::string(name), amf0::number(id), amf0::null()].concat())
}

/// A command with an argument.
fn called(name: &str) -> Message {
    let body = [amf0::string(name), amf0::number(2.0), amf0::null(), amf0::string("one")].concat();
    Message::new(3, 20, 0, 0, &body)
}

const EXCUSES: &[Excuse] = &[
    // Who was refused may connect again.
    (
        "connect-twice",
        Base::Own,
        |s| {
            let at = s.command("connect");
            let again = s.message(at).clone();
            s.answer(at, SERVER, command("_error", 1.0));
            s.answer(at + 1, CLIENT, again);
        },
        |s| {
            let (connect, at) = (s.command("connect"), s.command("_result"));
            let again = s.message(connect).clone();
            s.answer(at, CLIENT, again);
        },
    ),
    // Who publishes may play, too.
    (
        "play-not-publish",
        Base::Own,
        |s| {
            let at = s.command("publish");
            s.answer(at, CLIENT, command("play", 9.0));
        },
        |s| {
            let at = s.command("publish");
            s.replace(at, b"\x07publish", b"\x04play");
        },
    ),
    // A refusal is an answer.
    (
        "call-unanswered",
        Base::Own,
        |s| {
            let at = s.command("createStream");
            s.silence(at);
            s.answer(at, SERVER, command("_error", 4.0));
        },
        |s| {
            let at = s.command("createStream");
            s.silence(at);
        },
    ),
    // A client with calls of its own has another use for the connection.
    (
        "client-stops",
        Base::Own,
        |s| {
            let at = s.command("_result");
            s.ended(at, SERVER, 60_000_000);
            s.answer(at, CLIENT, called("getServerTime"));
        },
        |s| {
            let at = s.command("_result");
            s.ended(at, SERVER, 60_000_000);
            s.answer(at, CLIENT, called("releaseStream"));
        },
    ),
    // One message before publish is as early as all.
    (
        "media-before-publish",
        Base::Own,
        |s| {
            let (at, first) = (s.command("publish"), s.find(|message| message.type_id == 18));
            let What::Message(early) = s.remove(first).what else { panic!("a message") };
            s.answer(at, CLIENT, early);
        },
        |s| {
            let (at, first) = (s.command("publish"), s.find(|message| message.type_id == 18));
            let What::Message(early) = s.remove(first).what else { panic!("a message") };
            s.insert(at, early);
        },
    ),
    // What is not announced is not missed.
    (
        "track-missing",
        Base::Ffmpeg,
        |s| {
            let at = s.find(|message| message.type_id == 18);
            s.replace(at, b"audiocodecid", b"audiocodecxx");
            s.drop_all(CLIENT, is_sound);
        },
        |s| s.drop_all(CLIENT, is_sound),
    ),
    // An Acknowledgement for each window is what was asked for.
    (
        "ack-flood",
        Base::Acknowledged,
        |_| {},
        |s| {
            for at in (0..s.steps.len()).rev() {
                if s.steps[at].from_client == CLIENT && s.steps[at].message().is_some_and(is_media) {
                    s.answer(at, SERVER, Message::new(2, 3, 0, 0, &20_000_u32.to_be_bytes()));
                }
            }
        },
    ),
];

#[test]
fn each_excuse_counts_and_nothing_else_does() {
    assert_counts(EXCUSES);
}

fn findings(pcap: &[u8], code: &str) -> Vec<Finding> {
    let report = lint::lint(&record(pcap), &lint::Options::default());
    report.findings.into_iter().filter(|finding| finding.rule.code == code).collect()
}

#[test]
fn a_pause_is_the_senders_only_where_nothing_was_sent_again_and_the_receiver_took_bytes() {
    let session = || Base::Ffmpeg.recording().packets();
    let packet = session().continuation(true);
    let pause = |micros| session().pause(packet, micros);
    assert_eq!(findings(&pause(2_600_000).pcap(), "message-stall").len(), 1);
    assert!(findings(&pause(400_000).pcap(), "message-stall").is_empty());
    // Between two messages a sender may be quiet.
    let between = session().data(true)[6];
    assert!(findings(&session().pause(between, 2_600_000).pcap(), "message-stall").is_empty());
    // The packet was lost, and came again.
    assert!(findings(&pause(2_600_000).duplicate(packet).pcap(), "message-stall").is_empty());
}

#[test]
fn a_message_is_cut_short_by_its_own_sender_only() {
    let session = || Base::Ffmpeg.recording().packets();
    let packet = session().continuation(true);
    assert_eq!(findings(&session().closed_at(true, packet).pcap(), "closed-mid-message").len(), 1);
    // The server closed first, and what the client still wrote is nobody's fault of its own.
    assert!(findings(&session().closed_at(false, packet).pcap(), "closed-mid-message").is_empty());
}

#[test]
fn an_end_is_a_symptom_of_what_comes_before_it() {
    for fault in faults::all() {
        let (_, faulty) = fault.recorded();
        let report = lint::lint(faulty, &lint::Options::default());
        for end in report.findings.iter().filter(|finding| finding.rule.code == "silent-close") {
            let of_connection = |finding: &&Finding| {
                finding.evidence.r#where.tcp_stream == end.evidence.r#where.tcp_stream
                    && finding.rule.code != "silent-close"
                    && finding.severity >= Severity::Error
            };
            let cause = report.findings.iter().find(of_connection);
            assert!(cause.is_none(), "{}: {} beside {:?}", fault.name, end.title, cause.map(|cause| cause.rule.code));
            assert!(end.title.contains("owed"), "{}: {}", fault.name, end.title);
        }
    }
}

#[test]
fn who_owed_what_is_told_of_both_sides() {
    let owed = |end: fn(&mut Recording)| {
        let mut session = Base::Own.recording();
        end(&mut session);
        let recording = record(&session.pcap());
        let progress = Progress::of(&recording.sessions[0], &identify_all(&recording.sessions[0].items));
        progress.owed().map(|owed| (owed.duty.due, owed.is_late()))
    };
    assert_eq!(owed(|_| {}), None);
    assert_eq!(owed(|s| s.silence(0)), Some((Step::ServerHello, true)));
    for (name, due) in [
        ("connect", Step::Connected),
        ("_result", Step::CreateStream),
        ("createStream", Step::StreamCreated),
        ("publish", Step::PublishStarted),
        ("onStatus", Step::ClientMedia),
    ] {
        let mut session = Base::Own.recording();
        let at = session.command(name);
        session.silence(at);
        let recording = record(&session.pcap());
        let progress = Progress::of(&recording.sessions[0], &identify_all(&recording.sessions[0].items));
        assert_eq!(progress.owed().map(|owed| owed.duty.due), Some(due), "{name}");
        assert!(!progress.serves(), "{name}");
        // A capture that ends at once shows nobody waiting.
        let at = session.command(name);
        session.steps.truncate(at + 1);
        let recording = record(&session.pcap());
        let progress = Progress::of(&recording.sessions[0], &identify_all(&recording.sessions[0].items));
        assert!(progress.owed().is_none_or(|owed| !owed.is_late()), "{name}");
    }
}

#[test]
fn a_client_that_goes_by_itself_is_a_warning_and_one_that_hangs_is_fatal() {
    let of = |by, later| {
        let mut session = Base::Own.recording();
        let at = session.command("_result");
        session.ended(at, by, later);
        findings(&session.pcap(), "client-stops").iter().map(|finding| finding.severity).collect::<Vec<_>>()
    };
    assert_eq!(of(CLIENT, 1000), [Severity::Warning]);
    assert_eq!(of(SERVER, 60_000_000), [Severity::Fatal]);
}

/// A server that closes, and a client that comes back at once: one lost connection, and no broken session.
#[test]
fn an_end_after_which_the_client_comes_back_is_not_fatal() {
    let ended = || {
        let mut session = Base::Twice.recording();
        let at = session.nth(15, is_media);
        session.closed(at);
        session
    };
    let of = |session: &Recording| {
        let report = lint::lint(&record(&session.pcap()), &lint::Options::default());
        let end = report.findings.iter().find(|finding| finding.rule.code == "silent-close");
        let end = end.unwrap_or_else(|| panic!("{:?}", report.findings));
        (end.severity, end.title.clone(), report.works)
    };
    let (severity, title, works) = of(&ended());
    assert_eq!((severity, works), (Severity::Warning, Some(true)), "{title}");
    assert!(title.ends_with("the client continued on connection 1"), "{title}");
    // Who does not come back, or for something else, lost its session.
    let gone = Recording { next: None, ..ended() };
    assert_eq!((of(&gone).0, of(&gone).2), (Severity::Fatal, Some(false)));
    let mut other = ended();
    let second = other.next.as_deref_mut().expect("the client comes back");
    let publish = second.command("publish");
    second.replace(publish, b"pair", b"past");
    assert_eq!(of(&other).0, Severity::Fatal);
}

/// A player that gets nothing of a stream that is published in the same capture is not told to publish it.
#[test]
fn a_player_of_a_published_stream_is_not_told_to_publish_it() {
    let why = |published: &str| {
        let mut player = Base::Play.recording();
        let start = player.find(|message| message.is_command("onStatus"));
        player.silence(start);
        let mut publisher = Base::Ffmpeg.recording();
        (publisher.opened, publisher.server, publisher.client.1) = (player.opened + 1000, player.server, 50_123);
        let shift = player.opened.wrapping_sub(Base::Ffmpeg.recording().opened);
        publisher.steps.iter_mut().for_each(|step| step.time = step.time.wrapping_add(shift).wrapping_add(1000));
        let string = |text: &str| [&[2, 0, text.len() as u8], text.as_bytes()].concat();
        let publish = publisher.command("publish");
        publisher.replace(publish, &string("one"), &string(published));
        player.next = Some(Box::new(publisher));
        let all = player.packets().in_time().pcap();
        let report = lint::lint(&record(&all), &lint::Options::default());
        let finding = report.findings.into_iter().find(|finding| finding.rule.code == "play-without-media");
        let finding = finding.expect("nothing is played");
        (finding.why, finding.fix)
    };
    let (same, fix) = why("both");
    assert!(same.contains("publishes the stream: the server does not pass it on"), "{same}");
    assert!(fix.contains("relay"), "{fix}");
    let (other, _) = why("other");
    assert!(other.contains("as long as nobody publishes"), "{other}");
}
