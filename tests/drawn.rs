//! What must not be called the same: names that differ by one step of a program, and times, order, pauses and ends. Each is
//! drawn, put into sessions of the kit, and told by `diff`.

use rtmp_inspect::diff::{self, Verdict};
use rtmp_inspect::recording::Recording as Recorded;
use rtmp_inspect::rules::Severity;

use crate::kit::edit::{CLIENT, SERVER, is_media, is_picture, is_sound};
use crate::kit::encode::Message;
use crate::kit::faults::Base;
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, Step, What};

/// A key of 32 bytes after the name, as services hand them out.
const NAME: &str = "Cam 1?key=0123456789abcdef&user=me";

/// What a program makes of a name, the words that tell it, and the byte that they name, if they do.
type Relation = (fn(&str) -> String, &'static str);

const RELATIONS: &[Relation] = &[
    (|name| name.to_lowercase(), "in other capital and small letters, first at byte 0"),
    (|name| name.replace("key", "KEY"), "in other capital and small letters, first at byte 6"),
    (|name| format!("\"{name}\""), "in quotation marks"),
    (|name| format!("'{name}'"), "in quotation marks"),
    (|name| format!("{name}\n"), "with 1 byte of white space (0a) around it"),
    (|name| format!("{name}\r\n"), "with 2 bytes of white space (0d 0a) around it"),
    (|name| format!(" {name} "), "with 2 bytes of white space (20 20) around it"),
    (|name| format!("{name}&x=1"), "and more after it, from the & on"),
    (|name| format!("{name}/"), "with a slash after it"),
    (|name| name[..name.find('&').expect("one")].to_owned(), "cut at byte 26, before '&'"),
    (|name| name[..name.find('?').expect("one")].to_owned(), "cut at byte 5, before '?'"),
    (|name| name[..16].to_owned(), "cut at byte 16"),
    (|name| name.replace(' ', "%20"), "percent-encoded, first at byte 3"),
    (|name| name.replace(' ', "+"), "with a space and + in each other's place, first at byte 3"),
    (|name| name.replace(' ', ""), "without its white space, first at byte 3"),
];

/// Bases that publish, with the name that they publish under.
const NAMED: [(Base, &str); 3] = [(Base::Own, "pair"), (Base::Ffmpeg, "one"), (Base::Gstreamer, "gst")];

/// A session under another name, in every command that has it.
fn called(base: Base, from: &str, to: &str) -> Recording {
    let string = |text: &str| [&[2, 0, text.len() as u8], text.as_bytes()].concat();
    let (from, to) = (string(from), string(to));
    let mut recording = base.recording();
    let mut count = 0;
    for from_client in [CLIENT, SERVER] {
        for message in recording.sent(from_client, 0) {
            if let Some(found) = message.body.windows(from.len()).position(|window| window == from) {
                message.body.splice(found..found + from.len(), to.iter().copied());
                count += usize::from(from_client);
            }
        }
    }
    assert!(count > 0, "{base:?} has no such name");
    recording
}

#[test]
fn each_relation_between_two_names_is_told_without_the_name() {
    for (base, name) in NAMED {
        let good = record(&called(base, name, NAME).pcap());
        for (make, words) in RELATIONS {
            let other = make(NAME);
            let report = diff::diff(&good, &record(&called(base, name, &other).pcap()), &diff::Options::default());
            let is_of_name = |code| ["stream-name-differs", "url-split"].contains(&code);
            let cause = report.causes.iter().find(|cause| is_of_name(cause.rule.code));
            let cause = cause.unwrap_or_else(|| panic!("{base:?} {other:?}: {:?}", codes(&report)));
            let lengths = format!("{} bytes instead of {}", other.len(), NAME.len());
            let is_told = cause.title.contains(words) && cause.title.contains(&lengths);
            // What an URL is split into has a rule of its own.
            let is_split = cause.rule.code == "url-split" && words.ends_with("before '?'");
            assert!(is_told || is_split, "{base:?} {other:?}: {}", cause.title);
            assert!(cause.severity >= Severity::Warning, "{base:?} {other:?}: {}", cause.title);
            assert_eq!(report.verdict, Verdict::Different, "{other:?}");
            let told = format!("{} {} {}", cause.title, cause.why, cause.fix);
            let is_told = told.contains("0123456789") || told.contains("Cam");
            assert!(is_split || !is_told, "{told}");
        }
        // Another name altogether is no mistake, and where they part is told.
        let report = diff::diff(&good, &record(&called(base, name, "Cam 2").pcap()), &diff::Options::default());
        let cause = report.causes.iter().find(|cause| cause.rule.code == "stream-name-differs").expect("it differs");
        assert_eq!(cause.severity, Severity::Info, "{}", cause.title);
        assert!(cause.why.contains("from byte 4 on"), "{}", cause.why);
    }
}

fn codes(report: &diff::Report) -> Vec<&'static str> {
    report.causes.iter().map(|cause| cause.rule.code).collect()
}

/// A mistake: its name, the codes that tell it, and what it does to a session.
type Drawn = (&'static str, &'static [&'static str], fn(&mut Recording));

const DRAWN: &[Drawn] = &[
    ("audio 700 ms late", &["mistake:plus:header.timestamp"], |s| each(s, is_sound, |m| m.timestamp += 700)),
    ("video 90 ms early", &["timestamps-differ"], |s| {
        each(s, is_media, |m| m.timestamp += 1000);
        each(s, is_picture, |m| m.timestamp -= 90);
    }),
    ("wall clock", &["mistake:plus:header.timestamp"], |s| each(s, is_media, |m| m.timestamp += 3_100_000_000)),
    ("microseconds", &["mistake:times:header.timestamp", "ts-unit"], |s| each(s, is_media, |m| m.timestamp *= 1000)),
    ("1/90000 s", &["mistake:times:header.timestamp", "ts-unit"], |s| each(s, is_media, |m| m.timestamp *= 90)),
    ("two frames exchanged", &["mistake:exchanged:message"], |s| {
        let [a, b] = [3, 4].map(|nth| s.nth(nth, is_picture));
        s.steps.swap(a, b);
    }),
    ("media before publish", &["media-before-publish"], |s| {
        let publish = s.command("publish");
        let first = s.nth(0, is_media);
        let mut step = s.remove(first);
        (step.time, step.write) = (s.steps[publish].time, s.steps[publish].write);
        s.steps.insert(publish, step);
    }),
    ("an Acknowledgement after each message", &["ack-flood"], |s| {
        let places: Vec<usize> = (0..s.steps.len()).filter(|&at| s.steps[at].message().is_some_and(is_media)).collect();
        for (count, &at) in places.iter().enumerate().rev() {
            let number = 4000 + 700 * count as u32;
            s.answer(at, SERVER, Message::new(2, 3, 0, 0, &number.to_be_bytes()));
        }
    }),
    ("reset by the server", &["silent-close"], |s| reset(s, SERVER)),
    ("reset by the client", &["reset-differs"], |s| reset(s, CLIENT)),
];

fn each(session: &mut Recording, is: impl Fn(&Message) -> bool, edit: impl FnMut(&mut Message)) {
    session.sent(CLIENT, 0).filter(|message| is(message)).for_each(edit);
}

/// The session ends with a reset after its 20th media message.
fn reset(session: &mut Recording, by: bool) {
    let at = session.nth(20, is_media);
    session.steps.truncate(at + 1);
    let last = session.steps[at].clone();
    let (time, write) = (last.time + 500, last.write + 1);
    session.steps.push(Step { from_client: by, time, write, what: What::Rst });
}

#[test]
fn times_order_and_ends_are_never_equivalent() {
    let mut missed = Vec::new();
    for base in [Base::Own4096, Base::Own1024, Base::Ffmpeg, Base::Gstreamer] {
        let good = base.recording();
        let told = record(&good.pcap());
        for (name, expected, edit) in DRAWN {
            let mut bad = good.clone();
            edit(&mut bad);
            tell(&mut missed, &format!("{base:?}, {name}"), expected, &told, &record(&bad.pcap()));
        }
        // The middle of a message of several packets comes late.
        let packets = good.packets();
        let paused = packets.clone().pause(packets.continuation(CLIENT), 3_000_000);
        tell(&mut missed, &format!("{base:?}, silence"), &["message-stall"], &told, &record(&paused.pcap()));
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn tell(missed: &mut Vec<String>, name: &str, expected: &[&str], good: &Recorded, bad: &Recorded) {
    let report = diff::diff(good, bad, &diff::Options::default());
    let is_told = report.causes.iter().any(|cause| expected.contains(&cause.rule.code));
    if !is_told || matches!(report.verdict, Verdict::Identical | Verdict::Equivalent) {
        let causes: Vec<_> = report.causes.iter().map(|cause| format!("{} {}", cause.rule.code, cause.title)).collect();
        missed.push(format!("{name}: {:?} {causes:#?}", report.verdict));
    }
}
