//! Relays: recorded ones against numbers found by other means, and recorded ones with one thing done to them.
//!
//! `testdata/relay/expected.tsv` is made by `tests/tools/relay_table.py` out of the tables of a second decoder.

mod confusable;
mod faults;
mod honest;
mod recordings;

use std::fs;

use rtmp_inspect::relay::{self, Counts, Kind, LegName, Options, Reason, Severity};
use serde_json::Value;

use recordings::*;

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
    let told: Vec<_> = report.findings[0].evidence.properties.iter().map(|difference| difference.text()).collect();
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
    let told: Vec<_> = report.findings[0].evidence.properties.iter().map(|difference| difference.text()).collect();
    assert_eq!(told, ["@setDataFrame is stripped", "the ECMA array is now an object"]);
}

#[test]
fn a_pair_named_by_hand_is_followed() {
    let named = |connection| LegName { capture: 0, connection };
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
    assert!(stdout.starts_with("intact: the player received everything"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
    let (status, stdout, stderr) = run(&["relay", "captures/a/ffmpeg_pub_c4096.pcap"]);
    assert_eq!(status, Some(2));
    assert!(stdout.starts_with("nothing to follow: no publisher/player pair"), "{stdout}");
    assert!(stderr.contains("no publisher and player of the same stream"), "{stderr}");
    let (status, _, stderr) = run(&["relay", "--pair", "0:1", "captures/a/ffmpeg_pub_play.pcap"]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("the publisher comes first: --pair 1:0"), "{stderr}");
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
