//! Sessions that look like a fault of the capture or the handshake and are none, or are less sure.

use crate::kit::edit::{CLIENT, SERVER, is_media, is_picture, is_sound};
use crate::kit::faults::Base;
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, Step, What};
use rtmp_inspect::diff::{self, Report};
use rtmp_inspect::rules::{Certainty, Severity};

const C0C1: usize = 0;
const S0S1S2: usize = 1;
const C2: usize = 2;
const CONNECT: usize = 3;

#[test]
fn sound_under_the_type_of_pictures_is_no_enhanced_header() {
    let mut swapped = Base::Own.recording();
    for message in swapped.sent(CLIENT, 0).filter(|message| matches!(message.type_id, 8 | 9)) {
        message.type_id = 17 - message.type_id;
    }
    let codes = codes(&swapped);
    assert!(!codes.is_empty() && !codes.contains(&"er-not-negotiated"), "{codes:?}");
}

#[test]
fn a_client_that_sends_c0_first_and_then_c1_waits_for_nobody() {
    let mut slow = Base::Own.recording();
    let first = slow.steps[C0C1].clone();
    slow.handshake(CLIENT, 0).remove(0);
    slow.steps.insert(0, Step { what: What::Bytes(vec![3]), time: first.time - 400, write: 0, ..first });
    assert_eq!(codes(&slow), [""; 0]);
}

#[test]
fn a_capture_that_ends_inside_c1_proves_nothing() {
    let mut cut = Base::Own.recording();
    cut.handshake(CLIENT, 0).truncate(1000);
    cut.steps.truncate(1);
    let report = report(&cut);
    let cause = report.causes.first().map(|cause| (cause.rule.code, cause.certainty));
    assert_eq!(cause, Some(("hs-c0-missing", Some(Certainty::Likely))));
}

#[test]
fn a_client_that_closes_at_s1_with_zeros_does_not_mind_its_version() {
    let mut gone = Base::Own.recording();
    assert_eq!(gone.handshake(SERVER, 0)[5..9], [0; 4]);
    gone.closed(S0S1S2);
    assert!(!codes(&gone).contains(&"hs-version-quad-assert"), "{:?}", codes(&gone));
}

#[test]
fn connect_in_the_segment_of_c2_is_fine_where_it_is_answered() {
    let mut together = Base::Own.recording();
    together.steps[CONNECT].write = together.steps[C2].write;
    assert_eq!(codes(&together), [""; 0]);
}

#[test]
fn a_version_of_zeros_needs_no_digest() {
    let mut plain = Base::Ffmpeg.recording();
    plain.handshake(CLIENT, 0)[5..9].fill(0);
    plain.handshake(CLIENT, 0)[600] ^= 0x55;
    assert!(!codes(&plain).contains(&"hs-digest-invalid"), "{:?}", codes(&plain));
}

#[test]
fn the_server_may_close_when_the_client_is_done() {
    let mut done = Base::Own.recording();
    let at = done.command("deleteStream");
    done.closed(at);
    assert!(!codes(&done).contains(&"silent-close"), "{:?}", codes(&done));
}

#[test]
fn a_client_that_stops_amid_its_media_closes_as_it_likes() {
    let mut stopped = Base::Own.recording();
    let at = stopped.nth(9, crate::kit::edit::is_media);
    stopped.ended(at, CLIENT, 1000);
    assert!(!codes(&stopped).contains(&"silent-close"), "{:?}", codes(&stopped));
}

#[test]
fn a_server_that_says_why_it_closes_is_not_silent() {
    let mut refused = Base::Own.recording();
    let at = refused.command("connect");
    let result = refused.command("_result");
    let mut error = refused.steps[result].clone();
    let What::Message(message) = &mut error.what else { panic!("a message") };
    message.body = b"\x02\0\x06_error\0\x3f\xf0\0\0\0\0\0\0\x05\x03\0\x05level\x02\0\x05error\0\x04code\x02\0\
                     \x1eNetConnection.Connect.Rejected\0\0\x09"
        .to_vec();
    refused.steps.insert(at + 1, error);
    refused.closed(at + 1);
    // The client's side of the end: who was told why closes first.
    assert!(!codes(&refused).contains(&"silent-close"), "{:?}", codes(&refused));
}

#[test]
fn a_mistake_is_told_in_spite_of_a_hole_and_less_surely_in_its_direction() {
    let mut wrong = Base::Own.recording();
    let at = wrong.command("FCUnpublish");
    wrong.message(at).type_id = 14;
    let good = record(&Base::Own.recording().pcap());
    // What is missing: a segment of S1 and S2, and that of releaseStream.
    for (from_client, nth, certainty) in [(SERVER, 1, Certainty::Certain), (CLIENT, 6, Certainty::Likely)] {
        let packets = wrong.packets();
        let missing = packets.data(from_client)[nth];
        let pcap = packets.drop(missing).pcap();
        let report = diff::diff(&good, &record(&pcap), &diff::Options::default());
        let causes: Vec<_> = report.causes.iter().map(|cause| (cause.rule.code, cause.certainty)).collect();
        assert_eq!(causes[0].0, "capture-gap", "{causes:?}");
        assert!(causes.contains(&("type-id-dec-hex", Some(certainty))), "{causes:?}");
    }
}

#[test]
fn another_token_and_another_name_are_no_other_split() {
    let with = |app: &[u8], name: &[u8]| {
        let mut session = Base::Own.recording();
        let (connect, publish) = (session.command("connect"), session.command("publish"));
        session.replace(connect, b"app\x02\0\x04live", &[b"app\x02\0\x0f", app].concat());
        session.replace(publish, b"\0\x04pair", &[b"\0\x04", name].concat());
        record(&session.pcap())
    };
    let report =
        diff::diff(&with(b"live?token=1111", b"pair"), &with(b"live?token=2222", b"twin"), &Default::default());
    let codes: Vec<_> = report.causes.iter().map(|cause| cause.rule.code).collect();
    assert!(!codes.is_empty() && !codes.contains(&"url-split"), "{codes:?}");
}

#[test]
fn times_that_begin_anew_at_2_to_the_31_are_one_warning() {
    let mut old = Base::Own.recording();
    for message in old.sent(CLIENT, 0).filter(|message| is_media(message)) {
        (message.timestamp, message.fmt) = (message.timestamp.wrapping_add((1 << 31) - 200) & 0x7fff_ffff, 0);
    }
    let report = report(&old);
    let grave: Vec<_> = report.causes.iter().filter(|cause| cause.severity >= Severity::Warning).collect();
    let codes: Vec<_> = grave.iter().map(|cause| (cause.rule.code, cause.severity)).collect();
    assert_eq!(codes, [("ts-backwards", Severity::Warning)]);
    assert!(grave[0].why.contains("31 bits"), "{}", grave[0].why);
}

#[test]
fn a_step_of_hours_from_the_headers_at_0_is_not_negative() {
    let first = 0xff_fd_00;
    let mut late = Base::Own.recording();
    for message in late.sent(CLIENT, 0).filter(|message| is_picture(message) || is_sound(message)) {
        (message.timestamp, message.fmt) = (message.timestamp + first, 1);
    }
    let codes = codes(&late);
    assert!(!codes.contains(&"ts-negative-delta") && !codes.contains(&"ts-backwards"), "{codes:?}");
}

#[test]
fn a_status_on_stream_0_that_the_client_takes_is_a_warning() {
    let mut taken = Base::Own.recording();
    let at = taken.command("onStatus");
    taken.message(at).msid = 0;
    let report = report(&taken);
    let causes: Vec<_> = report.causes.iter().map(|cause| (cause.rule.code, cause.severity)).collect();
    assert_eq!(causes, [("onstatus-msid", Severity::Warning)]);
}

#[test]
fn a_message_with_nothing_in_it_is_not_one_that_was_cut() {
    let mut empty = Base::Own.recording();
    let at = empty.nth(3, is_sound);
    empty.message(at).body.clear();
    assert!(!codes(&empty).contains(&"px-trunc"), "{:?}", codes(&empty));
}

/// Where as many timestamps are off by one step as by another, the smaller step counts as where time begins, and of two
/// that are as long the later: whatever the order in which they are counted.
#[test]
fn a_tie_of_time_offsets_has_one_outcome() {
    let base = Base::Own.recording();
    let count = base.steps.iter().filter(|step| step.message().is_some_and(is_sound)).count();
    // Audio messages that are later by these, in turn.
    let differing = |offsets: &[i64]| {
        let mut late = Base::Own.recording();
        let sounds = late.sent(CLIENT, 0).filter(|message| message.type_id == 8 && message.body.get(1) == Some(&1));
        // An even number of them; the rest is as it was not to break the tie, and left out of the count.
        for (number, message) in sounds.take(count / 2 * 2).enumerate() {
            let time = i64::from(message.timestamp) + 1000 + offsets[number % offsets.len()];
            (message.timestamp, message.fmt) = (u32::try_from(time).expect("not negative"), 0);
        }
        let mut early = Base::Own.recording();
        for message in early.sent(CLIENT, 0).filter(|message| message.type_id == 8) {
            (message.timestamp, message.fmt) = (message.timestamp + 1000, 0);
        }
        for session in [&mut early, &mut late] {
            let sounds: Vec<_> = (0..session.steps.len())
                .filter(|&at| session.steps[at].message().is_some_and(is_sound))
                .skip(count / 2 * 2)
                .collect();
            sounds.into_iter().rev().for_each(|at| _ = session.remove(at));
            let config = session.find(|message| message.type_id == 8);
            session.remove(config);
        }
        let report = diff::diff(&record(&early.pcap()), &record(&late.pcap()), &diff::Options::default());
        let lines = report.pairs[0].lines.iter().filter(|line| line.message.starts_with("audio"));
        lines.map(|line| line.paths.iter().any(|path| path.to_string() == "header.timestamp")).collect::<Vec<_>>()
    };
    let alternating = |first: bool| (0..count / 2 * 2).map(|at| (at % 2 == 0) == first).collect::<Vec<_>>();
    for _ in 0..8 {
        // 40 ms later are those that differ, where the others are in time.
        assert_eq!(differing(&[0, 40]), alternating(false));
        assert_eq!(differing(&[40, 0]), alternating(true));
        assert_eq!(differing(&[-40, 0]), alternating(true));
        // 40 ms later is where time begins, and those 40 ms earlier differ.
        assert_eq!(differing(&[40, -40]), alternating(false));
        assert_eq!(differing(&[-40, 40]), alternating(true));
        // All alike: nothing differs.
        assert_eq!(differing(&[40]), vec![false; count / 2 * 2]);
    }
}

fn codes(session: &Recording) -> Vec<&'static str> {
    report(session).causes.iter().map(|cause| cause.rule.code).collect()
}

/// What differs from the session's base.
fn report(session: &Recording) -> Report {
    let base = if session.client.1 == Base::Ffmpeg.recording().client.1 { Base::Ffmpeg } else { Base::Own };
    diff::diff(&record(&base.recording().pcap()), &record(&session.pcap()), &diff::Options::default())
}

/// How far audio may be from video, and timestamps from A's, before that is a difference.
#[test]
fn a_track_out_of_step_with_the_other_is_a_difference() {
    let verdict = |audio: u32, all: u32| {
        let mut moved = Base::Own.recording();
        for message in moved.sent(CLIENT, 0).filter(|message| is_media(message)) {
            message.timestamp += all + if is_sound(message) { audio } else { 0 };
        }
        codes(&moved).contains(&"mistake:plus:header.timestamp")
    };
    // Milliseconds: 200 at most between the tracks, less than a day in all.
    assert_eq!([(150, 0), (250, 0), (5000, 0)].map(|(audio, all)| verdict(audio, all)), [false, true, true]);
    assert_eq!([86_000_000, 87_000_000].map(|all| verdict(0, all)), [false, true]);
}
