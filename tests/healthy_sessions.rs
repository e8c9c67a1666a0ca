//! What healthy sessions do that looks like a fault, and the fault that looks like it.

use rtmp_inspect::lint::{self, Finding};
use rtmp_inspect::rules::Severity;

use crate::kit::recorded::record;
use crate::kit::{Session, amf0, message};

fn findings(session: &Session, code: &str) -> Vec<Finding> {
    let report = lint::lint(&record(&session.pcap()), &lint::Options::default());
    report.findings.into_iter().filter(|finding| finding.rule.code == code).collect()
}

/// A block whose random part repeats itself, as lal has it.
fn block(seed: u8, period: usize) -> Vec<u8> {
    [vec![0; 8], (0..1528).map(|at| (at % period) as u8 ^ seed).collect()].concat()
}

fn command(name: &str, id: f64) -> Vec<u8> {
    let object = amf0::object(&[("app", amf0::string("live")), ("tcUrl", amf0::string("rtmp://example/live"))]);
    message(3, 20, 0, &[amf0::string(name), amf0::number(id), object].concat())
}

#[test]
fn a_c2_is_looked_for_where_it_is_due_before_it_is_said_to_be_moved() {
    let session = |c2: &[u8]| {
        let (c1, s1) = (block(0x11, 52), block(0x22, 52));
        let session = Session::new().client(&[&[3][..], &c1].concat()).server(&[&[3][..], &s1, &c1].concat());
        session.client(c2).client(&command("connect", 1.0))
    };
    let whole = block(0x22, 52);
    assert!(findings(&session(&whole), "hs-c2-missing").is_empty());
    // 5 bytes short, and 5 too long, in a block that repeats itself nevertheless.
    assert_eq!(
        findings(&session(&[&whole[..8], &whole[13..]].concat()), "hs-c2-missing")[0].title,
        "C2 is 5 bytes short"
    );
    let long = [&whole[..8], &[9; 5][..], &whole[8..]].concat();
    assert_eq!(findings(&session(&long), "hs-c2-missing")[0].title, "C2 is 5 bytes too long");
}

// RTMP 1.0 5.2.1: C2 waits for S1, the first message for S2.
#[test]
fn c2_may_be_sent_before_s2_has_come() {
    let (c1, s1) = (block(0x11, 251), block(0x22, 251));
    let c0c1 = [&[3][..], &c1].concat();
    let s0s1 = [&[3][..], &s1].concat();
    let healthy = Session::new().client(&c0c1).server(&s0s1).client(&s1).server(&c1).client(&command("connect", 1.0));
    assert!(findings(&healthy, "hs-early-data").is_empty());
    let titles = |session: &Session| -> Vec<_> {
        findings(session, "hs-early-data").into_iter().map(|finding| finding.title).collect()
    };
    let before_s1 = Session::new().client(&c0c1).server(&s0s1[..900]).client(&s1).server(&s0s1[900..]).server(&c1);
    assert_eq!(titles(&before_s1.client(&command("connect", 1.0))), ["the client sends C2 before S1 has arrived"]);
    let before_s2 = Session::new().client(&c0c1).server(&s0s1).client(&s1).client(&command("connect", 1.0)).server(&c1);
    assert_eq!(titles(&before_s2), ["the client sends connect before S2 has arrived"]);
}

#[test]
fn what_comes_after_the_end_was_not_received() {
    let (c1, s1) = (block(0x11, 251), block(0x22, 251));
    let begin = || {
        let session = Session::new().client(&[&[3][..], &c1].concat()).server(&[&[3][..], &s1, &c1].concat());
        session.client(&s1).client(&command("first", 1.0))
    };
    let last = |session: &Session| findings(session, "silent-close").remove(0).why;
    let late = begin().fin(false).client(&command("second", 2.0));
    assert!(last(&late).contains("received is first()"), "{}", last(&late));
    let in_time = begin().client(&command("second", 2.0)).fin(false);
    assert!(last(&in_time).contains("received is second()"), "{}", last(&in_time));
}

#[test]
fn a_login_that_is_refused_is_an_error_and_one_that_is_asked_for_is_not() {
    let (c1, s1) = (block(0x11, 251), block(0x22, 251));
    let answered = |description: &str| {
        let info = amf0::object(&[
            ("level", amf0::string("error")),
            ("code", amf0::string("NetConnection.Connect.Rejected")),
            ("description", amf0::string(description)),
        ]);
        let error = [amf0::string("_error"), amf0::number(1.0), amf0::null(), info].concat();
        let session = Session::new().client(&[&[3][..], &c1].concat()).server(&[&[3][..], &s1, &c1].concat());
        session.client(&s1).client(&command("connect", 1.0)).server(&message(3, 20, 0, &error)).close()
    };
    for (reason, severity) in [
        ("[ code=403 need auth; authmod=adobe ]", Severity::Info),
        ("[ authmod=adobe ] : ?reason=needauth&user=joe&salt=5Wx9sA&challenge=c2Fs", Severity::Info),
        ("[ authmod=adobe ] : ?reason=authfailed&opaque=b3Bh", Severity::Error),
        ("[ authmod=llnw ] : ?reason=nosuchuser", Severity::Error),
    ] {
        let found = findings(&answered(reason), "auth-challenge");
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [severity], "{reason}");
    }
}

#[test]
fn time_that_goes_by_is_no_jump() {
    let (c1, s1) = (block(0x11, 251), block(0x22, 251));
    // 20 video frames 40 ms apart, then `pause` ms in the timestamps and `really` ms in the capture, then 20 more.
    let session = |pause: u32, really: u64| {
        let mut session = Session::new().client(&[&[3][..], &c1].concat()).server(&[&[3][..], &s1, &c1].concat());
        session = session.client(&s1).client(&command("connect", 1.0));
        for at in 0..40_u32 {
            let after = at >= 20;
            let (time, clock) =
                (at * 40 + if after { pause } else { 0 }, u64::from(at) * 40 + if after { really } else { 0 });
            let mut picture = message(6, 9, 1, &[if at % 20 == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0, 0, 0, 0, 1, 0x41]);
            picture[1..4].copy_from_slice(&time.to_be_bytes()[1..]);
            session = session.at(1_700_000_100_000_000 + clock * 1000).client(&picture);
        }
        session
    };
    assert_eq!(findings(&session(2_874_000, 0), "ts-jump").len(), 1);
    assert!(findings(&session(2_874_000, 0), "keyframe-interval").is_empty());
    // A pause of a minute: nothing jumps, and the distance of key frames is measured.
    assert!(findings(&session(60_000, 60_000), "ts-jump").is_empty());
    assert_eq!(findings(&session(60_000, 60_000), "keyframe-interval").len(), 1);
    assert!(findings(&session(0, 0), "ts-jump").is_empty());
}
