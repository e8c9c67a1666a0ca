//! The answer of `diff` and `lint`: whether a session works, where it breaks, and in which order that is told.

use assert_cmd::Command;
use rtmp_inspect::diff::{self, Report};
use rtmp_inspect::lint;
use rtmp_inspect::rules::{Effect, Severity};

use crate::kit::edit::CLIENT;
use crate::kit::faults::{self, Base};
use crate::kit::recorded::record;
use crate::kit::recording::Recording;

fn compared(a: &Recording, b: &Recording) -> Report {
    diff::diff(&record(&a.pcap()), &record(&b.pcap()), &diff::Options::default())
}

#[test]
fn b_breaks_where_its_first_cause_is() {
    let mut checked = 0;
    for fault in faults::all() {
        let (base, faulty) = fault.recorded();
        let report = diff::diff(&base, faulty, &diff::Options::default());
        let first = report.causes.iter().find(|cause| cause.severity >= Severity::Error);
        let Some(first) = first.filter(|cause| cause.effect == Some(Effect::Breaks)) else {
            // What breaks nothing for sure is not said to break.
            let is_certain = report.breaks_at.as_ref().is_some_and(|at| at.rule.is_some());
            assert!(!is_certain, "{}: {}", fault.name, report.summary);
            continue;
        };
        if first.rule.code == "silent-close" {
            // An end is no cause.
            let at = report.breaks_at.as_ref().expect("a place");
            assert_eq!((report.works, at.rule.is_none()), (Some(false), true), "{}", fault.name);
            assert!(report.summary.starts_with("breaks, cause not found: the "), "{}: {}", fault.name, report.summary);
            continue;
        }
        checked += 1;
        let at = report.breaks_at.as_ref().unwrap_or_else(|| panic!("{}: {}", fault.name, report.summary));
        assert_eq!(
            (report.works, at.rule.map(|rule| rule.code)),
            (Some(false), Some(first.rule.code)),
            "{}",
            fault.name
        );
        assert!(report.summary.starts_with("breaks at "), "{}: {}", fault.name, report.summary);
        assert!(report.summary.ends_with(&first.title), "{}: {}", fault.name, report.summary);
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn healthy_clients_differ_and_nothing_is_known_to_come_of_it() {
    let healthy = [Base::Own, Base::Own4096, Base::Ffmpeg, Base::Gstreamer, Base::OwnCsid64];
    for a in healthy {
        for b in healthy.into_iter().filter(|&b| b != a) {
            let report = compared(&a.recording(), &b.recording());
            assert_eq!(
                (report.works, &report.breaks_at.is_none()),
                (Some(true), &true),
                "{a:?} {b:?}: {}",
                report.summary
            );
            let number = report.causes.len() + report.unexplained.len();
            if number > 1 {
                let words = format!("works, with {number} differences, none known to break anything");
                assert_eq!(report.summary, words, "{a:?} {b:?}");
            }
            for cause in &report.causes {
                assert_eq!(
                    (cause.certainty, cause.effect),
                    (None, Some(Effect::NoneKnown)),
                    "{a:?} {b:?}: {}",
                    cause.title
                );
            }
        }
    }
}

#[test]
fn what_may_matter_leaves_it_open_and_comes_before_habits() {
    // A command that nobody knows, from a client that differs in all that clients differ in.
    let mut odd = Base::Gstreamer.recording();
    let at = odd.command("publish");
    let body = b"\x02\0\x0bdescribeAll\0\0\0\0\0\0\0\0\0\x05";
    odd.insert(at, crate::kit::encode::Message::new(3, 20, 0, 0, body));
    let report = compared(&Base::Ffmpeg.recording(), &odd);
    assert_eq!((report.works, report.causes[0].rule.code), (None, "commands-differ"), "{}", report.summary);
    assert_eq!(report.causes[0].effect, Some(Effect::MayMatter));
    let effects: Vec<_> = report.causes.iter().map(|cause| cause.effect).collect();
    assert!(effects.is_sorted_by(|a, b| a >= b) && effects.contains(&Some(Effect::NoneKnown)), "{effects:?}");
}

#[test]
fn captures_in_the_wrong_order_are_noticed() {
    for name in ["no-avc-config", "xor", "create-unanswered", "type-14", "no-type3", "closed-on-publish", "ts-90-khz"] {
        let (base, faulty) = faults::find(name).expect("a fault").recorded();
        let right = diff::diff(&base, faulty, &diff::Options::default());
        assert!(!right.swapped && right.works == Some(false), "{name}: {}", right.summary);
        let wrong = diff::diff(faulty, &base, &diff::Options::default());
        // Where each is the other's mistake, as with units of time, nobody can tell which is meant.
        let is_mutual = wrong.causes.iter().any(|cause| cause.effect == Some(Effect::Breaks));
        assert_eq!(wrong.swapped, !is_mutual, "{name}: {}", wrong.summary);
        assert!(is_mutual || wrong.summary.starts_with("A breaks, because "), "{name}: {}", wrong.summary);
        assert!(is_mutual || wrong.works != Some(false), "{name}: {}", wrong.summary);
    }
    let report = compared(&Base::Ffmpeg.recording(), &Base::Gstreamer.recording());
    assert!(!report.swapped);
}

#[test]
fn without_a_cause_the_first_divergence_is_told_and_called_that() {
    // The client stops a stream that A plays on, for no reason that a rule knows.
    let mut paused = Base::Play.recording();
    let at = paused.command("play");
    let pause = [&b"\x02\0\x05pause\0\0\0\0\0\0\0\0\0\x05\x01\x01"[..], b"\0\0\0\0\0\0\0\0\0"].concat();
    paused.answer(at, CLIENT, crate::kit::encode::Message::new(8, 20, 1, 0, &pause));
    paused.drop_all(crate::kit::edit::SERVER, |message| message.type_id == 18 || crate::kit::edit::is_media(message));
    let report = compared(&Base::Play.recording(), &paused);
    if report.causes.iter().all(|cause| cause.effect < Some(Effect::Breaks)) {
        let at = report.breaks_at.as_ref().expect("a place");
        assert_eq!((report.works, at.rule.is_none()), (Some(false), true), "{}", report.summary);
        assert!(report.summary.starts_with("breaks, cause not found: the first divergence is "), "{}", report.summary);
        assert_eq!(at.at.message, "pause");
    } else {
        panic!("{}", report.summary);
    }
}

#[test]
fn lint_says_whether_a_session_works() {
    for base in [Base::Own, Base::Ffmpeg, Base::Gstreamer, Base::Play, Base::Twice, Base::Enhanced] {
        let report = lint::lint(&record(&base.recording().pcap()), &lint::Options::default());
        assert_eq!((report.works, report.breaks_at.is_none()), (Some(true), true), "{base:?}: {}", report.answer());
        // Nothing that healthy software does explains anything.
        assert!(report.findings.iter().all(|finding| finding.certainty.is_none()), "{base:?}");
    }
    for name in ["create-unanswered", "connect-again", "no-avc-config"] {
        let (_, faulty) = faults::find(name).expect("a fault").recorded();
        let report = lint::lint(faulty, &lint::Options::default());
        let at = report.breaks_at.as_ref().expect("a place");
        let code = at.rule.map(|rule| rule.code);
        assert_eq!((report.works, code), (Some(false), Some(report.findings[0].rule.code)), "{name}");
        let place = report.place().expect("a place");
        assert!(report.answer() == "breaks" && place.ends_with(&report.findings[0].title), "{name}: {place}");
    }
    // A client that only looks whether somebody answers has not got far enough to tell.
    let mut looked = Base::Own.recording();
    let at = looked.command("_result");
    looked.ended(at, CLIENT, 1000);
    let report = lint::lint(&record(&looked.pcap()), &lint::Options::default());
    assert_eq!((report.works, report.answer(), report.place()), (None, "not known whether it works", None));
}

/// The answer and a line for each cause; habits are one line; no reasons, no bytes.
#[test]
fn brief_is_the_answer_and_the_headlines() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/pairs");
    let run = |options: &[&str], a: &str, b: &str| {
        let mut command = Command::cargo_bin("rtmp-inspect").expect("the program");
        let output = command.arg("diff").args(options).args([root.join(a), root.join(b)]).output().expect("it runs");
        (String::from_utf8(output.stdout).expect("text"), output.status.code())
    };
    let (brief, status) = run(&["--brief"], "05_msid_be_A.pcap", "05_msid_be_B.pcap");
    let (long, long_status) = run(&[], "05_msid_be_A.pcap", "05_msid_be_B.pcap");
    assert_eq!((status, long_status), (Some(1), Some(1)));
    assert!(brief.starts_with("breaks at ") && brief.contains("error[msid-big-endian]"), "{brief}");
    assert!(!brief.contains("why:") && !brief.contains("-->") && long.contains("why:"), "{brief}");
    let (brief, status) = run(&["--brief"], "02_ffmpeg_gst_A.pcap", "02_ffmpeg_gst_B.pcap");
    assert!(brief.contains("Nothing known to come of: ") && brief.contains("csid-differs"), "{brief}");
    assert_eq!((status, brief.matches("csid-differs").count()), (Some(1), 1), "{brief}");
    let (all, _) = run(&["-v"], "02_ffmpeg_gst_A.pcap", "02_ffmpeg_gst_B.pcap");
    assert!(all.contains("info[csid-differs]") && !all.contains("Nothing known to come of"), "{all}");
}
