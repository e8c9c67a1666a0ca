//! Relays: recorded ones against numbers found by other means, and recorded ones with one thing done to them.
//!
//! `testdata/relay/expected.tsv` is made by `tests/tools/relay_table.py` out of the tables of a second decoder.

use std::fs;
use std::path::{Path, PathBuf};

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline::{self, Warning, Watch};
use rtmp_inspect::recording::{Content, Item, Kept, Recorder, Recording};
use rtmp_inspect::relay::{self, Counts, Finding, Kind, Named, Options, Reason, Report, Severity, Verdict};
use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::session;
use serde_json::Value;

/// Publisher on connection 1, player on connection 0, joined before the publisher came: all was for it.
const BOTH: &str = "a/ffmpeg_pub_play.pcap";

#[test]
fn recorded_relays_are_as_another_decoder_has_them() {
    let table = fs::read_to_string(testdata().join("relay/expected.tsv")).expect("in the repository");
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let cells: Vec<_> = line.split('\t').collect();
        let number = |at: usize| cells[at].parse::<u64>().expect("a number");
        let report = follow(&[record(&format!("{}.pcap", cells[0]))]);
        let leg = report.legs.iter().find(|leg| {
            u64::from(leg.publisher.tcp_stream) == number(1) && u64::from(leg.player.tcp_stream) == number(2)
        });
        let leg = leg.unwrap_or_else(|| panic!("{line}: no such leg"));
        let kinds = match number(3) {
            8 => [Kind::Audio, Kind::AudioConfig],
            _ => [Kind::Video, Kind::VideoConfig],
        };
        let of: Vec<_> = leg.kinds.iter().filter(|of| kinds.contains(&of.kind)).collect();
        let sum = |count: fn(&Counts) -> u64| of.iter().map(|of| count(&of.counts)).sum::<u64>();
        assert_eq!(sum(|counts| counts.sent), number(4), "{line}");
        assert_eq!(sum(|counts| counts.forwarded), number(5), "{line}");
        assert_eq!((sum(|counts| counts.changed), sum(|counts| counts.dropped)), (0, 0), "{line}");
        let why = |reasons: &[Reason]| {
            let all = of.iter().flat_map(|of| &of.why).filter(|why| reasons.contains(&why.reason));
            all.map(|why| why.count).sum::<u64>()
        };
        assert_eq!(why(&[Reason::BeforeJoin]), number(6), "{line}");
        assert_eq!(why(&[Reason::AfterLeft]), number(7), "{line}");
        assert_eq!(why(&[Reason::StartAtKey, Reason::BeforeStart]), number(8), "{line}");
        rows += 1;
    }
    assert_eq!(rows, 22);
}

#[test]
fn every_message_is_accounted_for_in_every_capture_and_healthy_ones_have_no_error() {
    let mut legs = 0;
    for path in captures() {
        let report = follow(&[record_file(&path)]);
        let errors: Vec<_> = report.findings.iter().filter(|f| f.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        for leg in &report.legs {
            legs += 1;
            assert_sum(&leg.total, &path);
            let mut total = Counts::default();
            for of in &leg.kinds {
                assert_sum(&of.counts, &path);
                assert_eq!(
                    of.why.iter().map(|why| why.count).sum::<u64>(),
                    of.counts.not_eligible,
                    "{}",
                    path.display()
                );
                total.sent += of.counts.sent;
                total.forwarded += of.counts.forwarded;
                total.changed += of.counts.changed;
                total.dropped += of.counts.dropped;
                total.not_eligible += of.counts.not_eligible;
            }
            assert_eq!(total, leg.total, "{}", path.display());
            assert_eq!(leg.messages.len() as u64, leg.total.sent, "{}", path.display());
        }
    }
    // The rows of expected.tsv, two for each leg.
    assert_eq!(legs, 11);
}

/// From the times of the frames that complete equal bodies, as tshark has them; the least, the median, the largest.
#[test]
fn delays_are_the_times_between_frames() {
    for (capture, min, median, max, from_cache) in [
        (BOTH, 0.016, 0.031, 4.082, 0),
        ("a/nms2_pub_play.pcap", 0.156, 74.910, 255.440, 43),
        ("a/nginx_push_relay.pcap", 0.017, 0.035, 43.236, 0),
        ("seed/jpeg_c4096.pcap", 0.148, 0.228, 0.294, 0),
    ] {
        let report = follow(&[record(capture)]);
        let delay = report.legs[0].delay.as_ref().expect("measured");
        let off = [delay.min - min, delay.median - median, delay.max - max];
        assert!(off.iter().all(|off| off.abs() < 0.0006), "{capture}: {delay:?}");
        assert_eq!(report.legs[0].from_cache, from_cache, "{capture}");
    }
}

#[test]
fn what_nginx_makes_of_metadata_is_told_by_property() {
    let report = follow(&[record(BOTH)]);
    let told: Vec<_> = report.findings[0].differences.iter().map(|difference| difference.text()).collect();
    // Read off both messages in Wireshark's tree.
    for expected in [
        "@setDataFrame is stripped",
        "the ECMA array is now an object",
        "videodatarate was 214.84375, is 214",
        "audiosamplerate is lost (was 44100)",
        "encoder is lost (was \"Lavf59.27.100\")",
        "Server is new: \"NGINX RTMP (github.com/arut/nginx-rtmp-module)\"",
        "profile is new: 32 NUL bytes",
    ] {
        assert!(told.iter().any(|text| text == expected), "{expected}: {told:#?}");
    }
    assert_eq!(told.len(), 15);
    let report = follow(&[record("a/nms2_pub_play.pcap")]);
    let told: Vec<_> = report.findings[0].differences.iter().map(|difference| difference.text()).collect();
    assert_eq!(told, ["@setDataFrame is stripped", "the ECMA array is now an object"]);
}

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
                2 => items[a].content = Content::Undecoded,
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
            // The first picture is a keyframe: without it the stream begins later.
            let excused = [Reason::AtTheEnd, Reason::AfterLeft, Reason::BeforeStart, Reason::StartAtKey];
            assert!(reasons.iter().any(|reason| excused.contains(reason)), "{number}: {reasons:?}");
            assert!(!(3..90).contains(&number), "{number}");
            at_the_end += 1;
            continue;
        }
        let drop = only_error(&report, "relay-drop");
        assert_eq!((drop.count, leg.total.dropped, leg.total.forwarded), (1, 1, 140), "{number}");
        let missing = drop.r#where.publisher.as_ref().expect("a place");
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
    assert_eq!((drop.count, drop.r#where.publisher.as_ref().expect("a place").timestamp), (1, gone));
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
    assert_eq!((finding.count, report.legs[0].total.forwarded, report.legs[0].total.changed), (1, 140, 2));
    let place = finding.r#where.player.as_ref().expect("a place");
    assert_eq!((place.stream_offset, place.frame), expected);
    let bytes = finding.bytes.as_ref().expect("bytes");
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
    assert_eq!((finding.count, report.legs[0].total.forwarded), (1, 141));
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
    assert_eq!((report.findings[0].count, report.verdict), (1, Verdict::Intact));
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
    assert_eq!((finding.count, some.legs[0].total.forwarded), (41, 141));
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
    assert_eq!((report.findings[0].count, report.verdict), (made.len() as u64, Verdict::Intact));
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
        player(&mut recording)[at].content = Content::Gap;
    }
    let report = follow(&[recording]);
    assert_eq!(codes(&report), ["relay-metadata-rewritten"]);
    assert_eq!((report.legs[0].total.forwarded, report.legs[0].total.dropped), (138, 0));
}

#[test]
fn a_server_that_stops_forwarding_drops() {
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
    let drop = only_error(&report, "relay-drop");
    // What was sent in the last second may have been on its way.
    let late = report.legs[0].messages.iter().filter(|row| row.reason == Some(Reason::AtTheEnd)).count();
    assert_eq!(drop.count as usize + late, places.len() - 20);
    assert!(drop.count > 40, "{}", drop.count);
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
    let mut player = Recording { sessions: vec![publisher.sessions.remove(0)] };
    for item in &mut player.sessions[0].items {
        item.time.0 -= 3_600_000_000_000;
    }
    let report = follow(&[player, publisher]);
    assert_eq!(codes(&report), ["relay-metadata-rewritten"]);
    assert_eq!((report.legs[0].total.forwarded, report.legs[0].publisher.capture), (141, 1));
}

#[test]
fn a_pair_named_by_hand_is_followed() {
    let named = |connection| Named { capture: 0, connection };
    let options = |publisher, player| Options { pairs: vec![(named(publisher), named(player))], messages: false };
    let recordings = [record("d/many.pcap")];
    let report = relay::relay(&recordings, &options(3, 6)).expect("they are there");
    assert_eq!((report.legs.len(), report.legs[0].total.forwarded), (1, 37));
    let error = relay::relay(&recordings, &options(3, 99)).expect_err("there is none");
    assert!(error.contains("99"), "{error}");
}

#[test]
fn json_keeps_to_the_schema() {
    let schema = fs::read_to_string(testdata().join("../schema/relay.schema.json")).expect("in the repository");
    let schema = serde_json::from_str(&schema).expect("valid JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let mut damaged = record(BOTH);
    let places = player_media(&damaged);
    let changed = message(&mut player(&mut damaged)[places[40]]).expect("a message");
    let body = changed.body[..50].to_vec();
    replace_body(changed, body);
    player(&mut damaged).remove(places[70]);
    let reports = captures().into_iter().map(|path| follow(&[record_file(&path)])).chain([follow(&[damaged])]);
    for report in reports.collect::<Vec<_>>() {
        let json = serde_json::to_value(&report).expect("serializable");
        let errors: Vec<_> = validator.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}\n{json:#}", errors.join("\n"));
        if !report.findings.is_empty() {
            for (pointer, wrong) in [
                ("/verdict", Value::from("fine")),
                ("/findings/0/severity", Value::from("bad")),
                ("/findings/0/where/publisher/frame", Value::from(0)),
                ("/legs/0/total/sent", Value::Null),
                ("/legs/0/kinds/0/kind", Value::from("sound")),
            ] {
                let mut json = json.clone();
                *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = wrong;
                assert!(!validator.is_valid(&json), "{pointer}");
            }
        }
    }
}

#[test]
fn exit_status_and_words() {
    let run = |args: &[&str]| {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
            .args(args)
            .current_dir(testdata())
            .env("NO_COLOR", "1")
            .output()
            .expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, stdout, _) = run(&["relay", "captures/a/ffmpeg_pub_play.pcap"]);
    assert_eq!(status, Some(0));
    assert!(stdout.starts_with("intact: 1 player got all"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
    let (status, stdout, stderr) = run(&["relay", "captures/a/ffmpeg_pub_c4096.pcap"]);
    assert_eq!(status, Some(2));
    assert!(stdout.starts_with("nothing to follow: no publisher with a player"), "{stdout}");
    assert!(stderr.contains("no publisher with a player"), "{stderr}");
    let (status, _, stderr) = run(&["relay", "--pair", "0:1", "captures/a/ffmpeg_pub_play.pcap"]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("name the publisher first"), "{stderr}");
    // The publisher of one stream and the player of another.
    for (option, expected) in [("-v", 1), ("--exit-zero", 0)] {
        let (status, stdout, _) = run(&["relay", option, "--pair", "2:4", "captures/d/many.pcap"]);
        assert_eq!(status, Some(expected), "{stdout}");
        assert!(stdout.starts_with("damaged: connections 2 and 4 do not carry the same stream"), "{stdout}");
    }
    let (status, _, stderr) = run(&["relay", "--pair", "7", "captures/d/many.pcap"]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("1:0"), "{stderr}");
}

fn assert_sum(counts: &Counts, path: &Path) {
    let sum = counts.forwarded + counts.changed + counts.dropped + counts.not_eligible;
    assert_eq!(counts.sent, sum, "{}: {counts:?}", path.display());
}

/// The one finding that is an error, which must have this code; besides it only what the healthy capture has.
fn only_error<'a>(report: &'a Report, code: &str) -> &'a Finding {
    assert_eq!(codes(report), [code, "relay-metadata-rewritten"]);
    assert_eq!(report.findings[0].severity, Severity::Error);
    &report.findings[0]
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule.code).collect()
}

fn follow(recordings: &[Recording]) -> Report {
    relay::relay(recordings, &Options { pairs: Vec::new(), messages: true }).expect("no pair is named")
}

/// The items of connection 0.
fn player(recording: &mut Recording) -> &mut Vec<Item> {
    &mut recording.sessions[0].items
}

/// Places of sound and pictures on the player's leg.
fn player_media(recording: &Recording) -> Vec<usize> {
    let items = &recording.sessions[0].items;
    let places: Vec<_> = (0..items.len())
        .filter(|&at| is(&items[at], MessageTypeId::AUDIO) || is(&items[at], MessageTypeId::VIDEO))
        .collect();
    assert_eq!(places.len(), 141);
    places
}

fn is(item: &Item, type_id: MessageTypeId) -> bool {
    item.message().is_some_and(|kept| kept.header.type_id == type_id)
}

fn message(item: &mut Item) -> Option<&mut Kept> {
    match &mut item.content {
        Content::Message(kept) => Some(kept),
        _ => None,
    }
}

fn kept(item: &Item) -> &Kept {
    item.message().expect("a message")
}

/// Another body, with the hash that a recording has of it.
fn replace_body(kept: &mut Kept, body: Vec<u8>) {
    kept.header.length = u32::try_from(body.len()).expect("a short body");
    kept.hash = xxhash_rust::xxh3::xxh3_128(&body);
    kept.body = body;
}

fn record(capture: &str) -> Recording {
    record_file(&testdata().join("captures").join(capture))
}

fn record_file(path: &Path) -> Recording {
    struct Silent;
    impl Watch for Silent {
        fn warning(&mut self, _: Warning) {}
        fn go_on(&mut self, _: &Capture) -> bool {
            true
        }
    }
    let reader = fs::File::open(path).expect("a capture in testdata");
    let mut capture = Capture::open(reader, capture::Limits::default()).expect("a capture");
    let (limits, options) = (pipeline::Limits::default(), session::Options::default());
    let (recorder, _) =
        pipeline::run(&mut capture, limits, options, Recorder::default(), &mut Silent).expect("readable");
    recorder.into_recording()
}

fn captures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(testdata().join("captures")).expect("testdata/captures") {
        let Ok(files) = fs::read_dir(folder.expect("an entry").path()) else { continue };
        let files = files.map(|file| file.expect("an entry").path());
        found.extend(files.filter(|path| path.to_string_lossy().contains(".pcap")));
    }
    assert!(found.len() > 50, "testdata/captures has {} captures", found.len());
    found.sort();
    found
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
