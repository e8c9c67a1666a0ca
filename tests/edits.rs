//! One edit of a good session, and what `diff` and `lint` call it: mistakes in single values, in bodies, in times, and in
//! what is written last. Each is made in sessions of more than one sender, so that nothing rests on one of them.

use rtmp_inspect::diff;
use rtmp_inspect::lint;

use crate::kit::edit::{CLIENT, SERVER, is_media, is_picture, is_sound};
use crate::kit::encode::Message;
use crate::kit::faults::Base;
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, What};

type Edit = fn(&mut Recording);

/// The first cause that `diff` has, and the first finding that `lint` has.
fn first(good: &Recording, bad: &Recording) -> [String; 2] {
    let [a, b] = [good, bad].map(|recording| record(&recording.pcap()));
    let report = diff::diff(&a, &b, &diff::Options::default());
    let alone = lint::lint(&b, &lint::Options::default());
    let of_good: Vec<&str> =
        lint::lint(&a, &lint::Options::default()).findings.iter().map(|one| one.rule.code).collect();
    let finding = alone.findings.iter().map(|one| one.rule.code).find(|code| !of_good.contains(code));
    let cause = report.causes.first().map(|cause| cause.rule.code);
    [cause, finding].map(|code| code.unwrap_or("nothing").to_owned())
}

/// Makes the edit in each session, and asks for these codes; an empty one is not asked for.
fn told(bases: &[Base], edit: Edit, in_diff: &str, in_lint: &str) {
    for base in bases {
        let good = base.recording();
        let mut bad = good.clone();
        edit(&mut bad);
        let [cause, finding] = first(&good, &bad);
        assert!(in_diff.is_empty() || cause == in_diff, "{base:?}: diff says {cause}, and not {in_diff}");
        assert!(in_lint.is_empty() || finding == in_lint, "{base:?}: lint says {finding}, and not {in_lint}");
    }
}

/// The frames of one side, each with its body.
fn frames(recording: &mut Recording, is: fn(&Message) -> bool, change: impl Fn(&mut Vec<u8>)) {
    recording.sent(CLIENT, 0).filter(|message| is(message)).for_each(|message| change(&mut message.body));
}

const PUBLISHERS: [Base; 2] = [Base::Ffmpeg, Base::Gstreamer];

#[test]
fn bodies_under_another_type() {
    let exchanged: Edit = |s| {
        for message in s.sent(CLIENT, 0).filter(|message| is_media(message)) {
            message.type_id = 17 - message.type_id;
        }
    };
    told(&PUBLISHERS, exchanged, "mistake:constant:header.typeid", "");
    let data: Edit = |s| {
        let at = s.find(|message| message.type_id == 18);
        s.message(at).type_id = 20;
    };
    told(&PUBLISHERS, data, "mistake:constant:header.typeid", "");
}

#[test]
fn values_in_each_others_place() {
    let app_and_url: Edit = |s| {
        let at = s.command("connect");
        let body = s.message(at).body.clone();
        let value = |name: &[u8]| {
            let at = body.windows(name.len()).position(|window| window == name).expect("it has one") + name.len() + 1;
            let length = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
            at..at + 2 + length
        };
        let (app, url) = (value(b"\x03app"), value(b"\x05tcUrl"));
        let (low, high) = if app.start < url.start { (app, url) } else { (url, app) };
        let parts =
            [&body[..low.start], &body[high.clone()], &body[low.end..high.start], &body[low], &body[high.end..]];
        s.message(at).body = parts.concat();
        s.closed(at);
    };
    told(&PUBLISHERS, app_and_url, "mistake:exchanged:value", "");
}

#[test]
fn a_configuration_of_other_frames() {
    let sampling_rate: Edit = |s| {
        let at = s.find(|message| message.type_id == 8 && message.body.get(1) == Some(&0));
        // The index of the rate is in the last three bits of a byte and the first of the next (ISO/IEC 14496-3 1.6.2.1).
        s.message(at).body[3] ^= 0x80;
    };
    told(&PUBLISHERS, sampling_rate, "mistake:replaced:audio.config", "");
    let start_codes: Edit = |s| {
        let at = s.find(|message| message.type_id == 9 && message.body.get(1) == Some(&0));
        let body = &mut s.message(at).body;
        let length = u16::from_be_bytes([body[11], body[12]]) + 4;
        body.splice(11..13, length.to_be_bytes().into_iter().chain([0, 0, 0, 1]));
    };
    told(&PUBLISHERS, start_codes, "avc-seqhdr-invalid", "avc-seqhdr-invalid");
}

#[test]
fn two_frames_in_one_message() {
    let joined: Edit = |s| {
        let mut at = 0;
        while let Some(first) = (at..s.steps.len()).find(|&at| s.steps[at].message().is_some_and(is_sound)) {
            let Some(second) = (first + 1..s.steps.len()).find(|&at| s.steps[at].message().is_some_and(is_sound))
            else {
                return;
            };
            let body = s.message(second).body[2..].to_vec();
            s.message(first).body.extend(body);
            s.remove(second);
            at = first + 1;
        }
    };
    told(&PUBLISHERS, joined, "mistake:joined:message", "");
}

#[test]
fn times_that_are_rounded() {
    let rounded: Edit = |s| {
        s.sent(CLIENT, 0).filter(|message| is_media(message)).for_each(|message| {
            message.timestamp = message.timestamp / 10 * 10;
        });
    };
    told(&[Base::Ffmpeg], rounded, "mistake:rounded:header.timestamp", "");
}

/// Changes each length of a frame's NAL units.
fn lengths(body: &mut [u8], change: fn(u32) -> [u8; 4]) {
    let mut at = 5;
    while at + 4 <= body.len() {
        let length = u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
        body[at..at + 4].copy_from_slice(&change(length));
        at += 4 + length as usize;
    }
}

#[test]
fn nal_unit_lengths_in_another_form() {
    let low_first: Edit = |s| frames(s, is_picture, |body| lengths(body, u32::to_le_bytes));
    told(&PUBLISHERS, low_first, "", "mistake:byte-order:video.nal.length");
    let with_itself: Edit = |s| frames(s, is_picture, |body| lengths(body, |length| (length + 4).to_be_bytes()));
    told(&PUBLISHERS, with_itself, "", "mistake:plus:video.nal.length");
}

#[test]
fn frames_that_are_cut_or_filled_up() {
    let cut: Edit = |s| {
        let mut all: Vec<usize> = s.sent(CLIENT, 0).filter(|one| is_picture(one)).map(|one| one.body.len()).collect();
        all.sort_unstable();
        // The longest two are cut, to a byte less than the second of them has.
        let longest = all[all.len() - 2] - 1;
        frames(s, is_picture, |body| body.truncate(longest));
    };
    told(&PUBLISHERS, cut, "", "px-trunc");
    let filled: Edit = |s| frames(s, is_picture, |body| body.resize(body.len().next_multiple_of(32), 0));
    told(&PUBLISHERS, filled, "", "mistake:padded:video.payload");
}

#[test]
fn what_players_and_their_servers_say() {
    let counted: Edit = |s| {
        let media: Vec<usize> = (0..s.steps.len()).filter(|&at| s.steps[at].message().is_some_and(is_media)).collect();
        for part in [3, 2, 1] {
            let at = media[media.len() * part / 4];
            s.answer(at, CLIENT, Message::new(2, 3, 0, 0, &(20 * part as u32).to_be_bytes()));
        }
    };
    told(&[Base::Play], counted, "ack-incremental", "ack-incremental");
    let short_event: Edit = |s| {
        let at = s.find(|message| message.type_id == 4 && message.body.starts_with(&[0, 3]));
        s.message(at).body.remove(0);
    };
    told(&[Base::Play], short_event, "ucm-unknown", "ucm-unknown");
    let no_stream: Edit =
        |s| s.sent(SERVER, 0).filter(|message| is_media(message)).for_each(|message| message.msid = 0);
    told(&[Base::Play], no_stream, "publish-msid", "publish-msid");
    let window: Edit = |s| {
        let at = s.find(|message| message.type_id == 5);
        s.message(at).body.reverse();
    };
    told(&[Base::Play, Base::Ffmpeg], window, "mistake:byte-order:scm.was", "");
}

#[test]
fn the_last_message_with_bytes_missing_or_another_inside() {
    let bases = [Base::Own1024, Base::Own4096];
    let lost: Edit = |s| {
        let at = s.nth(1, |message| is_picture(message) && message.body.len() > 1100 || is_first_key(message));
        let mut bytes = s.bytes()[at].clone();
        bytes.drain(300..500);
        s.steps[at].what = What::Bytes(bytes);
        s.closed(at);
    };
    told(&[Base::Own1024], lost, "", "mistake:lost:message");
    let inside: Edit = |s| {
        let at = s.find(is_first_key);
        let sound =
            (at..s.steps.len()).find(|&at| s.steps[at].message().is_some_and(is_sound)).expect("audio after it");
        let all = s.bytes();
        let mut bytes = all[at].clone();
        bytes.splice(400..400, all[sound].iter().copied());
        s.steps[at].what = What::Bytes(bytes);
        s.remove(sound);
        let after = s.nth(2, is_picture);
        s.closed(after);
    };
    told(&bases, inside, "mistake:inserted:message", "mistake:inserted:message");
}

fn is_first_key(message: &Message) -> bool {
    is_picture(message) && message.body[0] >> 4 == 1
}
