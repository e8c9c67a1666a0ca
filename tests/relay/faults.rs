//! Recorded relays with one thing done to them.

use std::path::Path;

use rtmp_inspect::recording::{EventKind, Recording};
use rtmp_inspect::relay::{self, Options, Reason, Verdict};
use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::session;

use super::recordings::*;

/// Whatever is done to both legs, nothing is lost from the account.
#[test]
fn damage_of_any_kind_keeps_the_sums() {
    let mut noise = 1_u32;
    let mut below = move |limit: usize| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 8) as usize % limit
    };
    for _ in 0..60 {
        let mut recording = record("d/many.pcap");
        for _ in 0..40 {
            let session = below(recording.sessions.len());
            let items = &mut recording.sessions[session].items;
            let (a, b) = (below(items.len()), below(items.len()));
            match below(6) {
                0 => _ = items.remove(a),
                1 => items.swap(a, b),
                2 => items[a].content = EventKind::Undecoded,
                3 => items[a].time.0 -= 3_000_000_000,
                4 => {
                    if let Some(kept) = message(&mut items[a]) {
                        kept.header.timestamp = if b % 2 == 0 { None } else { Some(u32::MAX) };
                    }
                }
                _ => {
                    if let Some(kept) = message(&mut items[a]) {
                        replace_body(kept, vec![b as u8; b % 20]);
                    }
                }
            }
        }
        let Ok(report) = relay::relay(&[recording], &Options::default()) else { continue };
        for leg in &report.legs {
            assert_sum(&leg.total, Path::new("d/many.pcap"));
        }
    }
}

/// Whichever message is left out, exactly that one is found missing; only at the very end nobody can tell.
#[test]
fn a_message_left_out_is_a_drop() {
    let places = player_media(&record(BOTH));
    let (mut found, mut at_the_end) = (0, 0);
    for (number, &at) in places.iter().enumerate().step_by(5) {
        let mut recording = record(BOTH);
        let gone = player(&mut recording).remove(at);
        let report = follow(&[recording]);
        let leg = &report.legs[0];
        if leg.total.dropped == 0 {
            let reasons: Vec<_> = leg.messages.iter().filter_map(|row| row.reason).collect();
            // The first video frame is a keyframe: without it the stream begins later.
            let excused = [Reason::AtTheEnd, Reason::AfterLeft, Reason::BeforeStart, Reason::StartAtKey];
            assert!(reasons.iter().any(|reason| excused.contains(reason)), "{number}: {reasons:?}");
            assert!(!(3..90).contains(&number), "{number}");
            at_the_end += 1;
            continue;
        }
        let drop = only_error(&report, "relay-drop");
        assert_eq!((drop.evidence.count, leg.total.dropped, leg.total.forwarded), (1, 1, 140), "{number}");
        let missing = drop.evidence.r#where.publisher.as_ref().expect("a place");
        let row = leg.messages.iter().find(|row| row.fate == "dropped").expect("one is");
        assert_eq!((row.message, row.length), (missing.message, kept(&gone).header.length), "{number}");
        assert_eq!(row.timestamp, kept(&gone).header.timestamp);
        assert_eq!(report.verdict, Verdict::Damaged);
        found += 1;
    }
    assert!(found > 15 && at_the_end < 12, "{found} {at_the_end}");
}

#[test]
fn of_equal_payloads_the_one_left_out_is_found_by_its_time() {
    let mut recording = record(BOTH);
    // The tag header of AAC, and one frame of nothing.
    let silence = [0xaf, 1, 0x21, 0];
    for item in recording.sessions.iter_mut().flat_map(|session| &mut session.items) {
        if let Some(kept) =
            message(item).filter(|kept| kept.header.type_id == MessageTypeId::AUDIO && kept.body.len() > 7)
        {
            replace_body(kept, silence.to_vec());
        }
    }
    let items = player(&mut recording);
    let nth =
        |n: usize| items.iter().enumerate().filter(|(_, item)| is(item, MessageTypeId::AUDIO)).nth(n).expect("many").0;
    let at = nth(30);
    let gone = kept(&items.remove(at)).header.timestamp;
    let report = follow(&[recording]);
    let drop = only_error(&report, "relay-drop");
    assert_eq!((drop.evidence.count, drop.evidence.r#where.publisher.as_ref().expect("a place").timestamp), (1, gone));
}

#[test]
fn another_byte_is_a_change_at_its_place() {
    let mut recording = record(BOTH);
    let at = player_media(&recording)[40];
    let changed = message(&mut player(&mut recording)[at]).expect("a message");
    let mut body = changed.body.clone();
    body[100] ^= 0x20;
    replace_body(changed, body);
    let expected = changed.places.of(100).expect("captured");
    let report = follow(&[recording]);
    let finding = only_error(&report, "relay-payload-changed");
    assert_eq!((finding.evidence.count, report.legs[0].total.forwarded, report.legs[0].total.changed), (1, 140, 2));
    let place = finding.evidence.r#where.player.as_ref().expect("a place");
    assert_eq!((place.stream_offset, place.frame), expected);
    let bytes = finding.evidence.bytes.as_ref().expect("bytes");
    assert_eq!((bytes.player.offset, bytes.player.marked.clone()), (96, 4..5));
    assert_eq!(bytes.publisher.hex[4] ^ 0x20, bytes.player.hex[4]);
}

/// Beyond a recording's budget media are a hash and their first bytes.
#[test]
fn a_change_beyond_what_was_kept_is_still_a_change() {
    let mut recording = record(BOTH);
    let at = player_media(&recording)[40];
    let changed = message(&mut player(&mut recording)[at]).expect("a message");
    changed.hash ^= 1;
    changed.body.truncate(64);
    let report = follow(&[recording]);
    let finding = only_error(&report, "relay-payload-changed");
    assert!(finding.why.contains("beyond the first 64 bytes"), "{}", finding.why);
}

#[test]
fn two_messages_that_change_places_are_a_reorder() {
    let mut recording = record(BOTH);
    let items = player(&mut recording);
    let video: Vec<_> = (0..items.len()).filter(|&at| is(&items[at], MessageTypeId::VIDEO)).collect();
    items.swap(video[20], video[21]);
    let report = follow(&[recording]);
    let finding = only_error(&report, "relay-reorder");
    assert_eq!((finding.evidence.count, report.legs[0].total.forwarded), (1, 141));
}

#[test]
fn sound_before_pictures_is_no_reorder() {
    let mut recording = record(BOTH);
    let items = player(&mut recording);
    let at = (40..items.len())
        .find(|&at| is(&items[at], MessageTypeId::VIDEO) && is(&items[at + 1], MessageTypeId::AUDIO))
        .expect("they alternate");
    items.swap(at, at + 1);
    assert_eq!(codes(&follow(&[recording])), ["relay-metadata-rewritten"]);
}

#[test]
fn a_message_two_seconds_late_is_a_delay() {
    let mut recording = record(BOTH);
    let at = player_media(&recording)[60];
    player(&mut recording)[at].time.0 += 2_000_000_000;
    let report = follow(&[recording]);
    assert_eq!(codes(&report), ["relay-delay", "relay-metadata-rewritten"]);
    assert_eq!((report.findings[0].evidence.count, report.verdict), (1, Verdict::Intact));
    assert!(report.legs[0].delay.as_ref().expect("measured").max > 2000.0);
}

#[test]
fn timestamps_that_all_move_are_harmless_and_some_that_move_are_not() {
    let shift = |from: usize, by: u32| {
        let mut recording = record(BOTH);
        let places = player_media(&recording);
        for &at in &places[from..] {
            let kept = message(&mut player(&mut recording)[at]).expect("a message");
            kept.header.timestamp = kept.header.timestamp.map(|timestamp| timestamp.wrapping_add(by));
        }
        follow(&[recording])
    };
    let all = shift(0, 5000);
    assert_eq!(codes(&all), ["relay-metadata-rewritten", "relay-ts-rebase"]);
    assert_eq!((all.verdict, all.legs[0].total.forwarded), (Verdict::Intact, 141));
    let some = shift(100, 40);
    let finding = only_error(&some, "relay-ts-rebase");
    // 141 messages, of which the last 41 moved.
    assert_eq!((finding.evidence.count, some.legs[0].total.forwarded), (41, 141));
}

#[test]
fn a_kind_that_never_comes_through_is_told_of_once() {
    let mut recording = record(BOTH);
    let text = [b"\x02\x00\x0aonTextData".as_slice(), b"\x05"].concat();
    let publisher = &mut recording.sessions[1].items;
    let mut made = Vec::new();
    for item in publisher.iter_mut().filter(|item| is(item, MessageTypeId::AUDIO)).skip(20).step_by(20) {
        let kept = message(item).expect("a message");
        made.push(kept.hash);
        kept.header.type_id = MessageTypeId::AMF0_DATA;
        replace_body(kept, text.clone());
    }
    player(&mut recording).retain(|item| item.message().is_none_or(|kept| !made.contains(&kept.hash)));
    let report = follow(&[recording]);
    assert_eq!(codes(&report), ["relay-unknown-type", "relay-metadata-rewritten"]);
    assert_eq!((report.findings[0].evidence.count, report.verdict), (made.len() as u64, Verdict::Intact));
    assert!(report.findings[0].title.contains("nginx-rtmp"), "{}", report.findings[0].title);
}

#[test]
fn a_wrapper_that_reaches_the_player_leaks() {
    let mut recording = record(BOTH);
    let body = {
        let sent = recording.sessions[1].items.iter().find(|item| is(item, MessageTypeId::AMF0_DATA));
        kept(sent.expect("metadata")).body.clone()
    };
    let metadata =
        player(&mut recording).iter_mut().rfind(|item| is(item, MessageTypeId::AMF0_DATA)).expect("metadata");
    replace_body(message(metadata).expect("a message"), body);
    assert_eq!(codes(&follow(&[recording])), ["setdataframe-leak"]);
}

#[test]
fn what_was_not_captured_is_not_held_against_the_server() {
    let mut recording = record(BOTH);
    let places = player_media(&recording);
    for &at in &places[50..53] {
        player(&mut recording)[at].content = EventKind::Undecoded;
    }
    let report = follow(&[recording]);
    assert_eq!(codes(&report), ["relay-metadata-rewritten"]);
    assert_eq!((report.legs[0].total.forwarded, report.legs[0].total.dropped), (138, 0));
}

#[test]
fn a_server_that_stops_forwarding_is_told_where_it_stopped() {
    let mut recording = record(BOTH);
    let places = player_media(&recording);
    let items = player(&mut recording);
    let mut kept = 0;
    items.retain(|item| {
        let is_media = is(item, MessageTypeId::AUDIO) || is(item, MessageTypeId::VIDEO);
        kept += usize::from(is_media);
        !is_media || kept <= 20
    });
    // The player stays until the server says that the stream is over.
    let report = follow(&[recording]);
    let drop = only_error(&report, "relay-stopped");
    // What was sent in the last second may have been on its way.
    let late = report.legs[0].messages.iter().filter(|row| row.reason == Some(Reason::AtTheEnd)).count();
    assert_eq!(drop.evidence.count as usize + late, places.len() - 20);
    assert!(drop.evidence.count > 40, "{}", drop.evidence.count);
}

/// The encoder comes back, the player has stayed.
#[test]
fn two_publishers_one_after_the_other_feed_one_player() {
    const LATER: i64 = 100_000_000_000;
    let (mut recording, mut again) = (record(BOTH), record(BOTH));
    let mut publisher = again.sessions.remove(1);
    publisher.stream.tcp_stream.0 = 2;
    for item in publisher.items.iter_mut().chain(&mut again.sessions[0].items) {
        item.time.0 += LATER;
    }
    // The player does not say goodbye, nor ask again.
    player(&mut recording).extend(
        player(&mut again)
            .drain(..)
            .filter(|item| item.direction == session::Direction::ServerToClient && item.message().is_some()),
    );
    recording.sessions.push(publisher);
    let report = follow(&[recording]);
    let found: Vec<_> = report.legs.iter().map(|leg| (leg.publisher.tcp_stream, leg.total.forwarded)).collect();
    assert_eq!(found, [(1, 141), (2, 141)]);
    assert_eq!(report.verdict, Verdict::Intact);
}

#[test]
fn two_captures_with_two_clocks_are_as_one() {
    let mut publisher = record(BOTH);
    let mut player = Recording::default();
    player.sessions.push(publisher.sessions.remove(0));
    for item in &mut player.sessions[0].items {
        item.time.0 -= 3_600_000_000_000;
    }
    let report = follow(&[player, publisher]);
    assert_eq!(codes(&report), ["relay-metadata-rewritten"]);
    assert_eq!((report.legs[0].total.forwarded, report.legs[0].publisher.capture), (141, 1));
}

// nginx-rtmp takes no HEVC of the enhanced kind: the player waits for no key frame, it gets no video frame.
#[test]
fn a_player_that_gets_no_picture_does_not_wait_for_a_key_frame() {
    let mut recording = record(BOTH);
    player(&mut recording).retain(|item| !is(item, MessageTypeId::VIDEO));
    let report = follow(&[recording]);
    let codes = codes(&report);
    assert!(codes.contains(&"relay-nothing") && !codes.contains(&"relay-start-at-key"), "{codes:?}");
    assert!(report.summary.contains("no video reached the player"), "{}", report.summary);
}

/// Each track has timestamps of its own: which one moved, and how, is the statement.
#[test]
fn a_track_whose_timestamps_moved_is_named() {
    let moved = |type_id: MessageTypeId, to: fn(u32) -> u32| {
        let mut recording = record(BOTH);
        for &at in &player_media(&recording) {
            let item = &mut player(&mut recording)[at];
            if is(item, type_id) {
                let kept = message(item).expect("a message");
                kept.header.timestamp = kept.header.timestamp.map(to);
            }
        }
        only_error(&follow(&[recording]), "relay-ts-rebase").title.clone()
    };
    let audio = moved(MessageTypeId::AUDIO, |time| time + 1000);
    assert!(audio.contains("audio timestamps moved by") && audio.contains("1000 ms out of step"), "{audio}");
    let video = moved(MessageTypeId::VIDEO, |time| time * 90);
    assert!(video.contains("video run 90 times as fast"), "{video}");
}

#[test]
fn a_message_that_comes_again_is_told() {
    let mut recording = record(BOTH);
    let places: Vec<usize> = player_media(&recording);
    let of_sound: Vec<usize> =
        places.into_iter().filter(|&at| is(&player(&mut recording)[at], MessageTypeId::AUDIO)).collect();
    // In place of the next one, which the publisher does not send.
    let gone = kept(&player(&mut recording)[of_sound[31]]).hash;
    let sent = &mut recording.sessions[1].items;
    let at = sent.iter().position(|item| item.message().is_some_and(|kept| kept.hash == gone)).expect("it is sent");
    sent.remove(at);
    let (body, timestamp) = {
        let kept = kept(&player(&mut recording)[of_sound[30]]);
        (kept.body.clone(), kept.header.timestamp)
    };
    let next = message(&mut player(&mut recording)[of_sound[31]]).expect("a message");
    next.header.timestamp = timestamp;
    replace_body(next, body);
    let report = follow(&[recording]);
    assert!(codes(&report).contains(&"relay-repeated"), "{:?}", codes(&report));
}

#[test]
fn a_track_that_stops_while_the_other_goes_on_is_told() {
    let mut recording = record(BOTH);
    let mut kept = 0;
    player(&mut recording).retain(|item| {
        let is_video = is(item, MessageTypeId::VIDEO);
        kept += usize::from(is_video);
        !is_video || kept <= 12
    });
    let report = follow(&[recording]);
    let stopped = only_error(&report, "relay-stopped");
    assert!(stopped.title.contains("the rest of the video did not arrive"), "{}", stopped.title);
}
