//! One edit of a good session's media, and what `diff` and `lint` call it; and edits that break nothing, of which they say so.
//! Each is made in sessions of more than one sender.

use rtmp_inspect::rules::{Effect, Severity};
use rtmp_inspect::{diff, lint};

use crate::kit::edit::{CLIENT, is_media, is_picture, is_sound};
use crate::kit::encode::{Chunk, Message};
use crate::kit::faults::Base;
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, What};

type Edit = fn(&mut Recording);

const PUBLISHERS: [Base; 3] = [Base::Ffmpeg, Base::Gstreamer, Base::Own4096];

/// Makes the edit in each session: nothing breaks, whichever of the two is A, and no time is wrong.
fn harmless(bases: &[Base], edit: Edit) {
    for base in bases {
        let good = base.recording();
        let mut other = good.clone();
        edit(&mut other);
        assert_ne!(good.pcap(), other.pcap(), "{base:?}: the edit changes something");
        let [a, b] = [&good, &other].map(|recording| record(&recording.pcap()));
        for (a, b) in [(&a, &b), (&b, &a)] {
            let report = diff::diff(a, b, &diff::Options::default());
            let breaks = report.causes.iter().filter(|cause| cause.effect == Some(Effect::Breaks));
            let titles: Vec<&str> = breaks.map(|cause| cause.title.as_str()).collect();
            assert!(titles.is_empty() && !report.swapped, "{base:?}: {titles:?}, {}", report.summary);
        }
        let alone = lint::lint(&b, &lint::Options::default());
        let worst = alone.findings.iter().filter(|one| one.severity >= Severity::Error);
        assert_eq!(worst.map(|one| one.title.as_str()).collect::<Vec<_>>(), [""; 0], "{base:?}");
    }
}

/// Puts a message after the nth video frame, at its time.
fn beside(recording: &mut Recording, nth: usize, type_id: u8, body: &[u8]) {
    let at = recording.nth(nth, is_picture);
    let like = recording.nth(nth, |message| if type_id == 8 { is_sound(message) } else { is_picture(message) });
    let time = recording.message(at).timestamp;
    let message = Message { timestamp: time, body: body.to_vec(), ..recording.message(like).clone() };
    recording.insert(at + 1, message);
}

#[test]
fn messages_without_media_break_nothing() {
    // A command in a frame of type 5 (FLV E.4.3.1): the byte after the tag is no packet type.
    harmless(&PUBLISHERS, |s| beside(s, 3, 9, &[0x57, 0]));
    harmless(&PUBLISHERS, |s| beside(s, 3, 8, &[]));
    harmless(&PUBLISHERS, |s| {
        let last = s.sent(CLIENT, 0).filter(|message| is_picture(message)).count() - 1;
        beside(s, last, 9, &[0x17, 2, 0, 0, 0]);
    });
}

#[test]
fn a_source_that_pauses_is_no_jump_in_time() {
    harmless(&PUBLISHERS, |s| {
        let from = s.nth(5, is_sound);
        let pause = 3_000;
        s.steps[from..].iter_mut().for_each(|step| {
            step.time += pause * 1000;
            if let What::Message(message) = &mut step.what
                && is_media(message)
            {
                message.timestamp += pause as u32;
            }
        });
    });
}

#[test]
fn frames_up_to_the_next_key_frame_may_be_dropped() {
    fn is_key(message: &Message) -> bool {
        is_picture(message) && message.body[0] >> 4 == 1
    }
    let has_two = |base: &Base| base.recording().messages(CLIENT).into_iter().filter(|one| is_key(one)).count() > 1;
    let bases: Vec<Base> = PUBLISHERS.into_iter().filter(has_two).collect();
    assert!(!bases.is_empty());
    harmless(&bases, |s| {
        for _ in 0..2 {
            let next = s.nth(1, is_key);
            let last = (0..next).rev().find(|&at| s.steps[at].message().is_some_and(is_picture));
            s.remove(last.expect("a frame before it"));
        }
    });
}

/// A jump is where times jump, whatever most messages are beside it.
#[test]
fn a_jump_in_time_is_where_it_jumps() {
    for base in PUBLISHERS {
        let good = base.recording();
        let count = good.messages(CLIENT).into_iter().filter(|message| is_media(message)).count();
        for place in [count / 4, count * 3 / 4] {
            let mut bad = good.clone();
            bad.sent(CLIENT, 0).filter(|message| is_media(message)).skip(place).for_each(|message| {
                message.timestamp += 3000;
            });
            let wanted = good.messages(CLIENT).into_iter().filter(|message| is_media(message)).nth(place).cloned();
            let [a, b] = [&good, &bad].map(|recording| record(&recording.pcap()));
            let report = diff::diff(&a, &b, &diff::Options::default());
            let cause = report.causes.first().expect("a cause");
            assert_eq!(cause.rule.code, "ts-jump", "{base:?}");
            let at = cause.evidence.r#where.b.as_ref().expect("a place in B").number;
            let item = b.sessions[0].items.iter().find(|item| item.number == at).and_then(|item| item.message());
            assert_eq!(item.map(|kept| &kept.body), wanted.as_ref().map(|message| &message.body), "{base:?}");
        }
    }
}

/// What headers hold of the time, changed after the chunks are made.
fn headers(recording: &mut Recording, change: fn(&mut Vec<Chunk>)) {
    recording.sent(CLIENT, 0).filter(|message| is_media(message)).for_each(|message| message.spoil = Some(change));
}

fn told(bases: &[Base], edit: Edit, in_diff: &str, in_lint: &str) {
    for base in bases {
        let good = base.recording();
        let mut bad = good.clone();
        edit(&mut bad);
        let [a, b] = [&good, &bad].map(|recording| record(&recording.pcap()));
        let report = diff::diff(&a, &b, &diff::Options::default());
        let cause = report.causes.first().map_or("nothing", |cause| cause.rule.code);
        assert!(in_diff.is_empty() || cause == in_diff, "{base:?}: diff says {cause}, and not {in_diff}");
        let alone = lint::lint(&b, &lint::Options::default());
        let finding = alone.findings.first().map_or("nothing", |one| one.rule.code);
        assert!(in_lint.is_empty() || finding == in_lint, "{base:?}: lint says {finding}, and not {in_lint}");
    }
}

/// Low byte first, in every header that has a time: the times that a receiver makes of it go back and jump, and neither is
/// the cause (RTMP 1.0 5.3.1.2).
#[test]
fn times_with_their_bytes_in_the_other_order() {
    let low_first: Edit = |s| {
        headers(s, |chunks| {
            let header = &mut chunks[0].header;
            if header[0] >> 6 < 3 && header[0] & 0x3f > 1 {
                header[1..4].reverse();
            }
        });
    };
    told(&PUBLISHERS, low_first, "mistake:byte-order:header.timestamp", "mistake:byte-order:header.timestamp");
}

#[test]
fn frames_with_what_a_file_puts_before_them() {
    // A composition time where there is none would do the same: so many bytes before NAL units that tile.
    let before: Edit = |s| {
        s.sent(CLIENT, 0).filter(|message| is_picture(message)).for_each(|message| {
            let length = (message.body.len() as u32 - 5).to_le_bytes();
            let header = [&length[..], &u64::from(message.timestamp).to_le_bytes()].concat();
            message.body.splice(5..5, header);
        });
    };
    told(&PUBLISHERS, before, "", "mistake:put-in:video.payload");
}

/// Each NAL unit of a key frame in a message of its own (FLV E.4.3.1: one access unit to a tag).
#[test]
fn key_frames_without_a_slice() {
    let alone: fn(&mut Recording, bool) = |s, is_split| {
        let at = s.find(|message| is_picture(message) && message.body[0] >> 4 == 1);
        let mut message = s.message(at).clone();
        message.body.truncate(5);
        message.body.extend([0, 0, 0, 3, 6, 5, 0x80]);
        match is_split {
            true => s.insert(at, message),
            false => *s.message(at) = message,
        }
    };
    for base in PUBLISHERS {
        for (is_split, code) in [(true, "mistake:split:message"), (false, "mistake:left-out:video.payload")] {
            let good = base.recording();
            let mut bad = good.clone();
            alone(&mut bad, is_split);
            let report = lint::lint(&record(&bad.pcap()), &lint::Options::default());
            let codes: Vec<&str> = report.findings.iter().map(|one| one.rule.code).collect();
            assert!(codes.first() == Some(&code), "{base:?}: {codes:?}");
        }
    }
}
