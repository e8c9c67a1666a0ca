//! Mistakes in what media messages say, when, and in which order: drawn, put into good sessions, and found again.

use rtmp_inspect::rules::Certainty;
use rtmp_inspect::{diff, lint};

use crate::kit::edit::{is_media, is_picture, is_sound};
use crate::kit::encode::Message;
use crate::kit::faults::Base;
use crate::kit::recorded::record;
use crate::kit::recording::Recording;

const BASES: [Base; 5] = [Base::Own4096, Base::Own1024, Base::OwnCsid64, Base::Ffmpeg, Base::Gstreamer];
const CLIENT: bool = true;

/// A mistake: the codes that name it, and what it does to a session.
type Drawn = (&'static [&'static str], fn(&mut Recording));

/// What is done to bodies.
const BODIES: &[Drawn] = &[
    (&["mistake:constant:video.format"], |s| each(s, is_picture, |m| m.body[0] = m.body[0] & 0xf0 | 2)),
    (&["mistake:constant:video.type", "keyframe-flag"], |s| each(s, is_frame, |m| m.body[0] = 0x30 | m.body[0] & 15)),
    (&["mistake:constant:audio.format"], |s| each(s, is_sound, |m| m.body[0] = 0x20 | m.body[0] & 15)),
    (&["mistake:constant:audio.aac.packet_type"], |s| each(s, is_sound, |m| m.body[1] = 0)),
    (&["mistake:constant:video.avc.packet_type"], |s| each(s, is_frame, |m| m.body[1] = 2)),
    (&["mistake:plus:video.composition_time"], |s| each(s, is_frame, |m| m.body[4] = m.body[4].wrapping_add(3))),
    (&["mistake:byte-order:video.composition_time"], |s| each(s, is_frame, |m| m.body[2..5].reverse())),
    (&["mistake:padded:video.payload"], |s| {
        each(s, is_picture, |m| m.body.resize(m.body.len().next_multiple_of(16), 0));
    }),
    (&["mistake:put-in:video.payload", "px-prefix-known", "px-insert"], |s| {
        each(s, is_frame, |m| drop(m.body.splice(5..5, [0xde, 0xad, 0xbe, 0xef])));
    }),
    (&["mistake:constant:video.avc.config.profile"], |s| each(s, is_config, |m| m.body[6] = 0)),
];

/// What is done to times.
const TIMES: &[Drawn] = &[
    (&["mistake:plus:header.timestamp"], |s| each(s, is_sound, |m| m.timestamp += 700)),
    (&["mistake:plus:header.timestamp"], |s| each(s, is_media, |m| m.timestamp += 3_000_000_000)),
    (&["mistake:times:header.timestamp", "ts-unit"], |s| each(s, is_media, |m| m.timestamp *= 3)),
    (&["mistake:times:header.timestamp", "ts-unit"], |s| each(s, is_picture, |m| m.timestamp = m.timestamp * 5 / 6)),
    (&["mistake:constant:header.timestamp"], |s| each(s, is_media, |m| m.timestamp = 0)),
    (&["mistake:bits:header.timestamp"], |s| each(s, is_media, |m| m.timestamp &= 0xff)),
    (&["mistake:presentation:header.timestamp"], |s| {
        each(s, is_frame, |m| m.timestamp += u32::from_be_bytes([0, m.body[2], m.body[3], m.body[4]]));
    }),
    (&["mistake:restarted:header.timestamp"], |s| {
        let mut begins = 0;
        each(s, is_picture, |m| {
            begins = if m.body[0] >> 4 == 1 { m.timestamp } else { begins };
            m.timestamp -= begins;
        });
    }),
    (&["mistake:jump:header.timestamp", "ts-jump"], |s| {
        let mut count = 0;
        each(s, is_media, |m| {
            count += 1;
            m.timestamp += if count > 6 { 3000 } else { 0 };
        });
    }),
    (&["mistake:base-any:header.timestamp", "mistake:base-type:header.timestamp"], |s| {
        let (mut any, mut of_type, mut written) = (0, [0; 2], [0; 2]);
        let csids: Vec<u32> = s.sent(CLIENT, 0).filter(|m| is_media(m)).map(|m| m.csid).collect();
        let shares = csids.iter().all(|csid| *csid == csids[0]);
        each(s, is_media, |m| {
            let kind = usize::from(is_sound(m));
            let (now, stream) = (m.timestamp, if shares { 0 } else { kind });
            let base = if shares { &mut of_type[kind] } else { &mut any };
            written[stream] = u32::wrapping_add(written[stream], now.wrapping_sub(std::mem::replace(base, now)));
            m.timestamp = written[stream];
        });
    }),
];

/// What is done to their order.
const ORDER: &[Drawn] = &[
    (&["mistake:repeated:message"], |s| {
        let at = s.nth(4, is_picture);
        let again = s.message(at).clone();
        s.insert(at + 1, again);
    }),
    (&["mistake:left-out:message"], |s| drop(s.remove(s.nth(4, is_picture)))),
    (&["mistake:exchanged:message"], |s| {
        let [a, b] = [4, 5].map(|nth| s.nth(nth, is_picture));
        s.steps.swap(a, b);
    }),
    (&["mistake:moved:message"], |s| {
        let [a, b] = [4, 7].map(|nth| s.nth(nth, is_picture));
        let step = s.steps.remove(a);
        s.steps.insert(b, step);
    }),
];

fn is_config(message: &Message) -> bool {
    message.type_id == 9 && message.body.get(1) == Some(&0)
}

fn is_frame(message: &Message) -> bool {
    is_picture(message) && message.body.get(1) == Some(&1)
}

fn each(session: &mut Recording, is: impl Fn(&Message) -> bool, edit: impl FnMut(&mut Message)) {
    session.sent(CLIENT, 0).filter(|message| is(message)).for_each(edit);
}

/// A base, the codes of what was done to it, and the causes that are named.
type Found = (Base, &'static [&'static str], Vec<(&'static str, Option<Certainty>)>);

/// Each in each base that it changes: the first cause that `diff` names, and how sure it is.
fn found(drawn: &[Drawn]) -> Vec<Found> {
    let mut found = Vec::new();
    for base in BASES {
        let good = base.recording();
        for (codes, edit) in drawn {
            let mut bad = good.clone();
            edit(&mut bad);
            if bad.bytes() != good.bytes() {
                let report = diff::diff(&record(&good.pcap()), &record(&bad.pcap()), &diff::Options::default());
                found.push((base, *codes, report.causes.iter().map(|one| (one.rule.code, one.certainty)).collect()));
            }
        }
    }
    found
}

fn check(drawn: &[Drawn], most: usize) {
    let all = found(drawn);
    let is_found = |(_, codes, causes): &&Found| causes.first().is_some_and(|(code, _)| codes.contains(code));
    let missed: Vec<_> = all.iter().filter(|one| !is_found(one)).collect();
    // Nothing else is ever certain.
    let untrue: Vec<_> = missed
        .iter()
        .filter(|(.., causes)| causes.first().is_some_and(|one| one.1 == Some(Certainty::Certain)))
        .collect();
    assert!(untrue.is_empty(), "certain and not the cause: {untrue:#?}");
    assert!(missed.len() <= most, "{} of {} missed: {missed:#?}", missed.len(), all.len());
}

#[test]
fn edits_of_bodies_are_named() {
    // Two bases have too few frames to tell what they are filled up to.
    check(BODIES, 2);
}

#[test]
fn edits_of_times_are_named() {
    // Two bases have too few frames of video to show how its times run.
    check(TIMES, 2);
}

#[test]
fn edits_of_the_order_are_named() {
    check(ORDER, 0);
}

/// What a session shows by itself.
#[test]
fn a_header_that_its_bodies_contradict_is_named_without_a_good_session() {
    let alone: [&Drawn; 4] = [&BODIES[2], &BODIES[3], &BODIES[9], &ORDER[0]];
    for (codes, edit) in alone {
        let mut bad = Base::Ffmpeg.recording();
        edit(&mut bad);
        let report = lint::lint(&record(&bad.pcap()), &lint::Options::default());
        let first = report.findings.first().map(|finding| (finding.rule.code, finding.certainty));
        assert!(
            first.is_some_and(|(code, sure)| codes.contains(&code) && sure < Some(Certainty::Certain)),
            "{codes:?}: {first:?}"
        );
    }
    for base in BASES {
        let report = lint::lint(&record(&base.recording().pcap()), &lint::Options::default());
        let untrue = report.findings.iter().find(|finding| finding.rule.code.starts_with("mistake:"));
        assert!(untrue.is_none(), "{base:?}: {:?}", untrue.map(|finding| &finding.title));
    }
}
