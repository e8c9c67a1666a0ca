//! What the other side answers, and in which order it is told: an answer before what a client makes of it, a difference
//! before the silence or the end that follows it, a refusal only where it stops somebody.

use rtmp_inspect::diff::{self, Report, Verdict};
use rtmp_inspect::lint;
use rtmp_inspect::rules::{Effect, Severity};

use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER, is_media};
use crate::kit::encode::Message;
use crate::kit::faults::Base;
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, Step, What};

type Edit = fn(&mut Recording);

const PUBLISHERS: [Base; 3] = [Base::Own, Base::Ffmpeg, Base::Gstreamer];

fn compared(a: &Recording, b: &Recording) -> Report {
    diff::diff(&record(&a.pcap()), &record(&b.pcap()), &diff::Options::default())
}

fn alone(b: &Recording) -> lint::Report {
    lint::lint(&record(&b.pcap()), &lint::Options::default())
}

fn edited(base: Base, edit: Edit) -> [Recording; 2] {
    let good = base.recording();
    let mut bad = good.clone();
    edit(&mut bad);
    [good, bad]
}

/// The transaction id of a call, as it is in the body.
fn id_of(session: &mut Recording, at: usize) -> Vec<u8> {
    let name = usize::from(session.message(at).body[2]);
    session.message(at).body[3 + name..12 + name].to_vec()
}

/// The server refuses a call.
fn refuse(session: &mut Recording, call: &str) -> usize {
    let at = session.command(call);
    let id = id_of(session, at);
    let text = [("level", "error"), ("code", "NetConnection.Call.Failed"), ("description", "Method not found.")];
    let object = amf0::object(&text.map(|(name, text)| (name, amf0::string(text))));
    let body = [amf0::string("_error"), id, amf0::null(), object].concat();
    session.answer(at, SERVER, Message::new(3, 20, 0, 0, &body));
    at
}

#[test]
fn a_refusal_that_stops_nobody_breaks_nothing() {
    for base in PUBLISHERS {
        for call in ["releaseStream", "FCPublish"] {
            let (good, mut refused) = (base.recording(), base.recording());
            let at = refuse(&mut refused, call);
            let report = compared(&good, &refused);
            assert_eq!(
                (report.works, report.breaks_at.is_none()),
                (Some(true), true),
                "{base:?} {call}: {}",
                report.summary
            );
            let back = compared(&refused, &good);
            assert!(!back.swapped && back.works == Some(true), "{base:?} {call}: {}", back.summary);
            let report = alone(&refused);
            assert_eq!(report.works, Some(true), "{base:?} {call}: {:?}", report.findings);
            let refusal = report.findings.iter().find(|one| one.rule.code == "onstatus-error").expect("it is told");
            assert_eq!((refusal.severity, refusal.certainty), (Severity::Info, None), "{}", refusal.title);
            // Where nothing comes after it, it is why.
            let mut stopped = refused.clone();
            stopped.ended(at + 1, CLIENT, 1_000_000);
            let report = compared(&good, &stopped);
            let first = &report.causes[0];
            assert_eq!((first.rule.code, first.effect), ("onstatus-error", Some(Effect::Breaks)), "{base:?} {call}");
        }
    }
}

#[test]
fn a_query_that_the_server_takes_is_no_other_name() {
    for (base, name) in [(Base::Own, "pair"), (Base::Ffmpeg, "one"), (Base::Gstreamer, "gst")] {
        let called = |to: &str, publishes: bool| {
            let mut session = base.recording();
            let string = |text: &str| [&[2, 0, text.len() as u8], text.as_bytes()].concat();
            let at = session.command("publish");
            session.replace(at, &string(name), &string(to));
            if !publishes {
                session.closed(at);
            }
            session
        };
        let (plain, token) = (base.recording(), format!("{name}?token=a%2Fb%3D1"));
        for [a, b] in [[&plain, &called(&token, true)], [&called(&token, true), &plain]] {
            let report = compared(a, b);
            assert!(report.works != Some(false) && !report.swapped, "{base:?}: {}", report.summary);
            let findings = alone(b).findings;
            assert!(findings.iter().all(|one| one.rule.code != "stream-name-form"), "{base:?}: {findings:?}");
        }
        // A server that closes on it does not take it.
        let report = compared(&plain, &called(&token, false));
        let code = report.causes[0].rule.code;
        assert!(
            report.works == Some(false) && ["stream-name-differs", "url-split"].contains(&code),
            "{base:?}: {code}"
        );
        // Escapes in the name itself are still no part of one.
        let findings = alone(&called("a%20b?token=1", true)).findings;
        assert!(findings.iter().any(|one| one.rule.code == "stream-name-form"), "{base:?}: {findings:?}");
    }
}

const ANSWERS: &[(&str, Edit)] = &[
    ("stream 0", |s| {
        let at = answer_of(s, "createStream");
        let body = &mut s.message(at).body;
        let end = body.len();
        body[end - 8..].fill(0);
        let publish = s.command("publish");
        s.message(publish).msid = 0;
        s.silence(publish);
    }),
    ("the status of play", |s| {
        let at = s.command("onStatus");
        s.replace(at, b"\x17NetStream.Publish.Start", b"\x14NetStream.Play.Start");
        s.silence(at);
    }),
    ("the transaction id of connect", |s| {
        let connect = answer_of(s, "connect");
        let id = id_of(s, connect);
        let create = answer_of(s, "createStream");
        s.message(create).body[10..19].copy_from_slice(&id);
        s.silence(create);
    }),
    ("connect answered twice", |s| {
        let at = answer_of(s, "connect");
        let again = s.message(at).clone();
        s.answer(at, SERVER, again);
        let publish = s.command("publish");
        s.message(publish).msid = 0;
        s.closed(publish);
    }),
    ("objects exchanged", |s| {
        let at = answer_of(s, "connect");
        let body = &mut s.message(at).body;
        let second = body[20..].windows(4).position(|bytes| bytes == [0, 0, 9, 3]).expect("two objects") + 23;
        let [first, last] = [body[19..second].to_vec(), body[second..].to_vec()];
        body.truncate(19);
        body.extend([last, first].concat());
        s.silence(at);
    }),
];

/// The answer to a call.
fn answer_of(session: &mut Recording, call: &str) -> usize {
    let call = session.command(call);
    let id = id_of(session, call);
    let is = |message: &Message| message.is_command("_result") && message.body[10..19] == id[..];
    session.find(is)
}

#[test]
fn an_answer_is_judged_before_what_the_client_makes_of_it() {
    for base in PUBLISHERS {
        for (name, edit) in ANSWERS {
            let [good, bad] = edited(base, *edit);
            let report = compared(&good, &bad);
            let code = report.causes.first().map(|cause| cause.rule.code);
            assert_eq!(code, Some("answer-wrong"), "{base:?}, {name}: {}", report.summary);
            let alone = alone(&bad);
            let code = alone.findings.first().map(|finding| finding.rule.code);
            assert_eq!(code, Some("answer-wrong"), "{base:?}, {name}: {:?}", alone.findings);
            let all = report.causes.iter().map(|one| &one.title).chain(alone.findings.iter().map(|one| &one.title));
            assert!(all.into_iter().all(|title| !title.contains("sends no createStream")), "{base:?}, {name}");
        }
    }
}

/// A session is sent again with an ending: cut off, reset by the server, silent.
fn endings(session: &Recording, at: usize) -> Vec<Recording> {
    let mut reset = session.clone();
    reset.steps.truncate(at + 1);
    let last = reset.steps[at].clone();
    let (time, write) = (last.time + 500, last.write + 1);
    reset.steps.push(Step { from_client: SERVER, time, write, what: What::Rst });
    let [mut closed, mut silent] = [session.clone(), session.clone()];
    closed.closed(at);
    silent.silence(at);
    vec![reset, closed, silent]
}

#[test]
fn a_difference_comes_before_the_end_that_follows_it() {
    let odd: &[(Base, &str, Edit)] = &[
        (Base::Play, "mistake:divided:ucm.buffer_length", |s| {
            for message in s.sent(CLIENT, 0).filter(|message| message.body.starts_with(&[0, 3])) {
                let milliseconds = u32::from_be_bytes(message.body[6..10].try_into().expect("four bytes"));
                message.body[6..10].copy_from_slice(&(milliseconds / 1000).to_be_bytes());
            }
        }),
        (Base::Play, "start-twice", |s| {
            let at = s.command("play");
            let again = s.message(at).clone();
            s.answer(at, CLIENT, again);
        }),
        (Base::Ffmpeg, "commands-differ", |s| {
            let at = s.command("publish");
            let body = [amf0::string("describeAll"), amf0::number(0.0), amf0::null()].concat();
            s.insert(at, Message::new(3, 20, 0, 0, &body));
        }),
        (Base::Own, "commands-differ", |s| {
            let at = s.command("FCPublish");
            s.replace(at, b"\x09FCPublish", b"\x0bFCUnpublish");
        }),
    ];
    for (base, code, edit) in odd {
        let [good, bad] = edited(*base, *edit);
        let at = bad.nth(12, is_media);
        for ending in [vec![bad.clone()], endings(&bad, at)].concat() {
            let report = compared(&good, &ending);
            let first = &report.causes[0];
            assert_eq!(first.rule.code, *code, "{base:?}: {}", report.summary);
            assert!(first.effect >= Some(Effect::MayMatter), "{base:?}: {}", first.title);
        }
        // With nothing else that differs, the end is all there is to tell.
        for ending in &endings(&good, good.nth(12, is_media))[..1] {
            let codes: Vec<_> = compared(&good, ending).causes.iter().map(|cause| cause.rule.code).collect();
            assert_eq!(codes.first(), Some(&"silent-close"), "{base:?}: {codes:?}");
        }
    }
}

#[test]
fn a_call_that_is_not_answered_and_differs_is_what_differs() {
    for base in PUBLISHERS {
        let [good, bad] = edited(base, |s| {
            let at = s.command("publish");
            s.replace(at, b"\x04live", b"\x06record");
            s.silence(at);
        });
        let report = compared(&good, &bad);
        let codes: Vec<_> = report.causes.iter().map(|cause| cause.rule.code).collect();
        assert_eq!(codes[..2], ["commands-differ", "publish-start-missing"], "{base:?}: {}", report.summary);
        assert!(report.causes[0].why.contains("does not answer publish"), "{}", report.causes[0].why);
        assert!(report.causes[1].why.contains("the first divergence before it"), "{}", report.causes[1].why);
    }
}

#[test]
fn what_a_client_waits_for_is_named() {
    for base in [Base::Own, Base::Ffmpeg] {
        let [good, bad] = edited(base, |s| {
            let at = s.command("FCPublish");
            let create = s.command("createStream");
            assert!(create > at, "createStream is due");
            s.remove(create);
            s.silence(at);
        });
        let report = compared(&good, &bad);
        let first = &report.causes[0];
        assert_eq!(first.rule.code, "client-stops", "{base:?}: {}", report.summary);
        assert!(
            first.title.contains("sends no createStream after FCPublish, which is not answered"),
            "{}",
            first.title
        );
        assert!(first.why.contains("in A the client continues without an answer to FCPublish"), "{}", first.why);
        let alone = alone(&bad);
        assert!(alone.findings[0].title.contains("after FCPublish"), "{:?}", alone.findings);
    }
}

#[test]
fn an_empty_name_is_the_cause_of_its_refusal() {
    for (base, call) in [(Base::Own, "publish"), (Base::Ffmpeg, "publish"), (Base::Play, "play")] {
        let (good, mut bad) = (base.recording(), base.recording());
        let at = bad.command(call);
        let body = &mut bad.message(at).body;
        let name = 3 + call.len() + 9 + 1;
        let length = usize::from(body[name + 2]);
        body.splice(name + 1..name + 3 + length, [0, 0]);
        let answer = bad.command("onStatus");
        let text = [("level", "error"), ("code", "NetStream.Play.StreamNotFound"), ("description", "No such stream")];
        let object = amf0::object(&text.map(|(name, text)| (name, amf0::string(text))));
        bad.message(answer).body = [amf0::string("onStatus"), amf0::number(0.0), amf0::null(), object].concat();
        bad.ended(answer, CLIENT, 1000);
        for code in [compared(&good, &bad).causes[0].rule.code, alone(&bad).findings[0].rule.code] {
            assert_eq!(code, "stream-name-form", "{base:?}");
        }
    }
}

/// What a receiver counts, of the bytes and of those of bodies.
type Counting = fn(u64, u64) -> u64;

const COUNTINGS: &[(&str, Counting)] = &[
    ("kilobytes", |bytes, _| bytes / 1024),
    ("half", |bytes, _| bytes / 2),
    ("bits", |bytes, _| bytes * 8),
    ("twice", |bytes, _| bytes * 2),
    ("16 bits", |bytes, _| bytes % 65_536),
    ("a window more", |bytes, _| bytes + 20_000),
    ("bodies", |_, bodies| bodies),
];

/// The receiver acknowledges a window of 20000 bytes, by its own count.
fn acknowledging(base: Base, sender: bool, count: Counting) -> Recording {
    const WINDOW: u64 = 20_000;
    let mut session = base.recording();
    session.drop_all(!sender, |message| message.type_id == 3);
    let at = session.find(is_media);
    session.insert(at, Message::new(2, 5, 0, 0, &(WINDOW as u32).to_be_bytes()));
    // The same media again, for as long as it takes to count beyond 16 bits.
    let media: Vec<Step> = session.steps.iter().filter(|step| step.message().is_some_and(is_media)).cloned().collect();
    let end = session.steps.iter().rposition(|step| step.message().is_some_and(is_media)).expect("media") + 1;
    let (last, mut write) =
        (session.steps[end - 1].time, session.steps.iter().map(|step| step.write).max().unwrap_or(0));
    // What ends the session would come before them.
    session.steps.truncate(end);
    let size: usize = media.iter().filter_map(Step::message).map(|message| message.body.len()).sum();
    let rounds = 90_000 / size as u64 + 1;
    let begin = media[0].time;
    for (round, step) in (1..=rounds).flat_map(|round| media.iter().map(move |step| (round, step))) {
        write += 1;
        let mut step =
            Step { write, time: step.time - begin + (last - begin + 20_000) * round + begin, ..step.clone() };
        if let What::Message(message) = &mut step.what {
            message.timestamp += 10_000 * round as u32;
        }
        session.steps.insert(end + (round as usize - 1) * media.len(), step);
    }
    session.steps[end..].sort_by_key(|step| step.time);
    let (mut sent, mut bodies, mut said, mut due) = (0, 0, 0, Vec::new());
    for (at, bytes) in session.bytes().into_iter().enumerate() {
        let step = &session.steps[at];
        if step.from_client == sender {
            sent += bytes.len() as u64;
            bodies += step.message().map_or(0, |message| message.body.len() as u64);
            if sent - said >= WINDOW {
                due.push((at, count(sent, bodies)));
                said = sent;
            }
        }
    }
    for (at, number) in due.into_iter().rev() {
        session.answer(at, !sender, Message::new(2, 3, 0, 0, &(number as u32).to_be_bytes()));
    }
    session
}

#[test]
fn what_acknowledgements_count_is_told() {
    for (base, sender) in [(Base::Ffmpeg, CLIENT), (Base::Own4096, CLIENT), (Base::Play, SERVER)] {
        let good = acknowledging(base, sender, |bytes, _| bytes);
        for harmless in [good.clone(), acknowledging(base, sender, |bytes, _| bytes - 3073)] {
            let told = |code: &&str| code.starts_with("ack-");
            let codes = compared(&good, &harmless).causes.into_iter().map(|cause| cause.rule.code);
            let codes: Vec<_> = codes.chain(alone(&harmless).findings.into_iter().map(|one| one.rule.code)).collect();
            assert!(!codes.iter().any(told), "{base:?}: {codes:?}");
        }
        for (name, count) in COUNTINGS {
            let bad = acknowledging(base, sender, *count);
            let report = compared(&good, &bad);
            assert_eq!(report.verdict, Verdict::Different, "{base:?}, {name}");
            assert_eq!(report.causes[0].rule.code, "ack-incremental", "{base:?}, {name}: {}", report.summary);
            let findings = alone(&bad).findings;
            assert!(findings.iter().any(|one| one.rule.code == "ack-incremental"), "{base:?}, {name}: {findings:?}");
        }
    }
}

#[test]
fn an_acknowledgement_that_is_owed_is_owed() {
    let mut session = acknowledging(Base::Ffmpeg, CLIENT, |bytes, _| bytes);
    session.drop_all(SERVER, |message| message.type_id == 3);
    let last = session.steps.iter().rposition(|step| step.message().is_some_and(is_media)).expect("media");
    let reset = &endings(&session, last)[0];
    let end = alone(reset).findings.into_iter().find(|finding| finding.rule.code == "silent-close");
    assert!(end.as_ref().is_none_or(|end| !end.title.contains("nothing was owed")), "{end:?}");
}

#[test]
fn one_message_in_the_place_of_another_is_told_as_that() {
    let event: Edit = |s| {
        let at = s.find(|message| message.type_id == 4 && message.body.starts_with(&[0, 0]));
        s.message(at).body[1] = 2;
    };
    let [good, bad] = edited(Base::Play, event);
    let report = compared(&good, &bad);
    let first = &report.causes[0];
    assert_eq!((first.rule.code, first.effect), ("control-differs", Some(Effect::MayMatter)), "{}", report.summary);
    assert!(first.title.contains("Stream Dry in the place of Stream Begin"), "{}", first.title);
    // Other software has other habits.
    let report = compared(&Base::Gstreamer.recording(), &Base::Own.recording());
    assert!(report.causes.iter().all(|cause| !cause.title.contains("in the place of")), "{}", report.summary);
}

#[test]
fn strings_that_are_all_cut_at_one_length_are_one_mistake() {
    for (base, length) in [(Base::Ffmpeg, 16_usize), (Base::Ffmpeg, 12), (Base::Gstreamer, 12)] {
        let (good, mut bad) = (base.recording(), base.recording());
        let at = bad.command("connect");
        let body = bad.message(at).body.clone();
        let mut cut = Vec::new();
        let mut from = 0;
        // Each value `02 length text` that is longer.
        while from < body.len() {
            let text = usize::from(*body.get(from + 2).unwrap_or(&0));
            let is_long = body[from] == 2 && body.get(from + 1) == Some(&0) && text > length && from > 12;
            let is_text = is_long && body.get(from + 3..from + 3 + text).is_some_and(|text| text.is_ascii());
            if is_text {
                cut.extend([&[2, 0, length as u8], &body[from + 3..from + 3 + length]].concat());
                from += 3 + text;
            } else {
                cut.push(body[from]);
                from += 1;
            }
        }
        assert!(cut.len() < body.len());
        bad.message(at).body = cut;
        bad.closed(at);
        let report = compared(&good, &bad);
        assert_eq!(report.causes[0].rule.code, "mistake:cut:value", "{base:?} {length}: {}", report.summary);
        assert!(report.causes[0].title.contains(&format!("longer than {length} bytes")), "{}", report.causes[0].title);
    }
}
