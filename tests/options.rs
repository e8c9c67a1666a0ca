//! Each command-line option of each subcommand, with the difference that it makes.
//!
//! [`CASES`] has a row for each; a row runs a command without and with the option. [`every_option_has_a_test`] reads
//! the options from `--help`, so that none is added without a row here. An option that also has a short form is run in
//! both.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::kit::recording::Recording;
use crate::kit::{Session, amf0, handshake, message};
use tempfile::TempDir;

/// What an option changes.
enum Effect {
    /// This is printed (on either stream) with the option, and not without it.
    Adds(&'static str),
    /// This is printed without the option, and not with it.
    Removes(&'static str),
    /// The exit status without and with the option.
    Status(i32, i32),
    /// Nothing is printed any more; the exit status stays.
    Silences,
    /// Nothing: it is accepted, and says what is so anyway.
    Same,
    /// This file is written, and contains this.
    Writes(&'static str, &'static str),
    /// This file, which was there, is gone.
    Deletes(&'static str),
}

use Effect::{Adds, Deletes, Removes, Same, Silences, Status, Writes};

/// A subcommand with what it is run on, an option as `--help` spells it (with its value), and its effect. `DIR` is a
/// directory that [`files`] fills.
struct Case(&'static str, &'static str, Effect);

const CASES: &[Case] = &[
    // decode
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--format csv", Adds("number,kind,frame")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--tree", Adds("Chunk size")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--hex", Adds("header: fmt 0, payload 128")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap --format jsonl", "--hash", Adds("\"body_sha256\":\"")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--field rtmpt.header.bodysize", Removes("AMF0 Command")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap -e frame.number", "-E header=y", Adds("frame.number\n")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap -e frame.number", "-T fields", Same),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--direction s2c", Removes("releaseStream")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--filter rtmpt.header.typeid==18", Removes("releaseStream")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--type 18", Removes("releaseStream")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--count 3", Removes("connect('live')")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--number 4", Removes("releaseStream")),
    Case("decode captures/a/ffmpeg_pub_c4096.pcap", "--color always", Adds("\u{1b}[")),
    // diff
    Case("diff DIR/two.pcap DIR/two.pcap", "--pair 0:1", Adds("A connection 0 publish live/one | B connection 1")),
    Case(
        "diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap",
        "--direction s2c",
        Removes("type-id-dec-hex"),
    ),
    Case(
        "diff captures/pairs/02_ffmpeg_gst_A.pcap captures/pairs/02_ffmpeg_gst_B.pcap",
        "--ignore connect.*",
        Removes("connect-properties"),
    ),
    Case("diff captures/pairs/01_same_twice_A.pcap captures/pairs/01_same_twice_B.pcap", "--strict", Status(0, 1)),
    Case("diff DIR/audio.pcap DIR/audio_twice.pcap --stat", "--align 7:8", Adds("7      8")),
    Case(
        "diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap",
        "--only amf",
        Removes("[type-id-dec-hex]"),
    ),
    Case("diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap", "--stat", Adds("releaseStream")),
    Case(
        "diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap --stat",
        "--context 0",
        Removes(" C2\n"),
    ),
    Case(
        "diff captures/pairs/02_ffmpeg_gst_A.pcap captures/pairs/02_ffmpeg_gst_B.pcap -v",
        "--max-diffs 1",
        Adds("--max-diffs"),
    ),
    Case("diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap", "--brief", Removes("  why: ")),
    Case(
        "diff captures/pairs/01_same_twice_A.pcap captures/pairs/01_same_twice_B.pcap",
        "--verbose",
        Adds("× addresses"),
    ),
    Case("diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap", "--quiet", Silences),
    Case("diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap", "--exit-zero", Status(1, 0)),
    Case(
        "diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap",
        "--format json",
        Adds("\"verdict\": \"different\""),
    ),
    Case("diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap", "--color always", Adds("\u{1b}[")),
    Case(
        "diff captures/pairs/04_type14_A.pcap captures/pairs/04_type14_B.pcap --format json",
        "--show-secrets",
        Removes("<stream-key-1>"),
    ),
    // streams
    Case("streams captures/a/ffmpeg_pub_c4096.pcap", "--format json", Adds("\"format_version\"")),
    Case("streams captures/a/ffmpeg_pub_c4096.pcap --format json", "--show-secrets", Removes("<stream-key-1>")),
    Case("streams captures/a/ffmpeg_pub_c4096.pcap", "--color always", Same),
    // relay
    Case(
        "relay captures/a/ffmpeg_pub_c4096.pcap captures/a/ffmpeg_pub_play.pcap",
        "--pair 1/0:2/0",
        Adds("Leg 1: live/one"),
    ),
    Case("relay captures/a/ffmpeg_pub_play.pcap", "--format json", Adds("\"format_version\"")),
    Case("relay DIR/dropped.pcap", "--exit-zero", Status(1, 0)),
    Case("relay captures/a/ffmpeg_pub_play.pcap", "--verbose", Adds("command releaseStream")),
    Case("relay captures/a/ffmpeg_pub_play.pcap --format json", "--show-secrets", Removes("<stream-key-1>")),
    Case("relay captures/a/ffmpeg_pub_play.pcap", "--color always", Adds("\u{1b}[")),
    // lint
    Case("lint captures/pairs/04_type14_B.pcap", "--fail-on never", Status(1, 0)),
    Case("lint captures/pairs/04_type14_B.pcap", "--only hs-not-echo", Removes("type-id-dec-hex")),
    Case("lint captures/pairs/04_type14_B.pcap", "--skip type-id-dec-hex", Removes("[type-id-dec-hex]")),
    Case("lint captures/a/gst_rtmp2sink_pub.pcap", "--verbose", Adds("--> deleteStream")),
    Case("lint captures/pairs/04_type14_B.pcap", "--quiet", Silences),
    Case("lint captures/b/name_in_use.pcap --format json", "--show-secrets", Removes("<stream-key-1>")),
    Case("lint captures/pairs/04_type14_B.pcap", "--format json", Adds("\"format_version\"")),
    Case("lint captures/pairs/04_type14_B.pcap", "--junit DIR/lint.xml", Writes("lint.xml", "type-id-dec-hex")),
    Case(
        "lint captures/pairs/04_type14_B.pcap",
        "--sarif DIR/lint.sarif",
        Writes("lint.sarif", "\"ruleId\": \"type-id-dec-hex\""),
    ),
    Case("lint captures/pairs/04_type14_B.pcap", "--color always", Adds("\u{1b}[")),
    // check
    Case("check --no-lint DIR/mine/one.pcap", "--against DIR/one.pcap", Status(1, 0)),
    Case("check DIR/mine", "--update", Writes("mine/one.pcap.snapshot.jsonl", "\"format_version\":1")),
    Case("check DIR/mine --update", "--prune", Deletes("mine/gone.pcap.snapshot.jsonl")),
    Case("check --against captures/pairs/04_type14_B.pcap captures/pairs/04_type14_B.pcap", "--no-lint", Status(1, 0)),
    Case(
        "check --against captures/pairs/04_type14_B.pcap captures/pairs/04_type14_B.pcap",
        "--only hs-not-echo",
        Status(1, 0),
    ),
    Case(
        "check --against captures/pairs/04_type14_B.pcap captures/pairs/04_type14_B.pcap",
        "--skip type-id-dec-hex",
        Removes("[type-id-dec-hex]"),
    ),
    Case(
        "check --against captures/pairs/04_type14_B.pcap captures/pairs/04_type14_B.pcap",
        "--fail-on never",
        Status(1, 0),
    ),
    Case(
        "check --no-lint --against captures/pairs/02_ffmpeg_gst_A.pcap captures/pairs/02_ffmpeg_gst_B.pcap",
        "--ignore *",
        Removes("connect-properties"),
    ),
    Case(
        "check --no-lint --against captures/pairs/01_same_twice_A.pcap captures/pairs/01_same_twice_B.pcap",
        "--strict",
        Status(0, 1),
    ),
    Case("check sessions", "--jobs 1", Same),
    Case("check sessions", "--verbose", Adds("ffmpeg-publish-nginx.pcap")),
    Case("check DIR/mine/one.pcap", "--quiet", Silences),
    Case(
        "check DIR/mine/one.pcap --against captures/pairs/04_type14_A.pcap",
        "--show-secrets",
        Removes("<stream-key-1>"),
    ),
    Case("check DIR/mine/one.pcap", "--color always", Adds("\u{1b}[")),
    Case("check DIR/mine/one.pcap", "--format json", Adds("\"format_version\"")),
    Case("check DIR/mine/one.pcap", "--junit DIR/check.xml", Writes("check.xml", "<testsuite")),
    Case(
        "check captures/pairs/04_type14_B.pcap",
        "--sarif DIR/check.sarif",
        Writes("check.sarif", "\"ruleId\": \"type-id-dec-hex\""),
    ),
    // config
    Case("config", "--keys", Adds("ignore = [")),
    Case("config captures", "--ignore connect.app", Adds("connect.app")),
    Case("config captures", "--strict", Removes("strict     false")),
    Case("config captures", "--no-lint", Adds("command line")),
    Case("config captures", "--fail-on never", Adds("never")),
    Case("config sessions", "--format json", Adds("{")),
    Case("config sessions", "--color always", Adds("\u{1b}[")),
    // fields
    Case("fields rtmpt.header.typeid", "--format json", Adds("\"title\"")),
    Case("fields rtmpt.header.typeid", "--color always", Same),
    // follow
    Case("follow captures/a/ffmpeg_pub_c4096.pcap", "--direction s2c", Removes("releaseStream")),
    Case("follow captures/a/ffmpeg_pub_c4096.pcap", "--message 9", Adds("00000000  00 00 10 00")),
    Case("follow captures/a/ffmpeg_pub_c4096.pcap", "--field connect.app", Removes("releaseStream")),
    Case("follow captures/a/ffmpeg_pub_c4096.pcap --message 9", "--bytes 2..3", Removes("00 00 10 00")),
    Case("follow captures/a/ffmpeg_pub_c4096.pcap --message 9", "--as python", Adds("b'\\x00\\x00\\x10\\x00'")),
    Case("follow captures/a/ffmpeg_pub_c4096.pcap", "--color always", Adds("\u{1b}[35m")),
    Case("follow DIR/ports.pcap", "--stream 0", Status(2, 0)),
    Case("follow DIR/ports.pcap", "--port 1936", Status(2, 0)),
    Case("follow DIR/ports.pcap --stream 2", "--decode-as tcp:5000", Adds("Set Chunk Size 4097")),
    Case(
        "follow captures/e/rtmps_ffmpeg_pub.pcap --stream 0",
        "--keylog captures/e/rtmps_ffmpeg_pub.keylog",
        Adds("connect('live')"),
    ),
    // amf
    Case("amf 02000170", "--from base64", Status(0, 1)),
    Case("amf 0002000170", "--skip 1", Adds("String: 'p'")),
    Case("amf 0401", "--amf3", Adds("Integer: 1")),
    Case("amf 5", "--encode", Adds("00 40 14 00 00 00 00 00 00")),
    Case("amf 706c6179", "--as python", Adds("b'play'")),
    Case("amf 05", "--format json", Adds("\"format_version\"")),
    Case("amf 020001700500", "--color always", Adds("\u{1b}[")),
    // payload
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin",
        "--capture captures/seed/jpeg_c4096.pcap",
        Adds("on both legs"),
    ),
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin",
        "--format json",
        Adds("\"format_version\""),
    ),
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin",
        "--exit-zero",
        Status(1, 0),
    ),
    Case(
        "payload DIR/sent DIR/received --capture DIR/keyed.pcap --format json",
        "--show-secrets",
        Adds("58713768756e"),
    ),
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin",
        "--color always",
        Adds("\u{1b}["),
    ),
    // rules
    Case("rules", "--search NetStream.Publish.BadName", Removes("capture-snaplen")),
    Case("rules silent-close", "--format json", Adds("\"format_version\"")),
    Case("rules silent-close", "--color always", Adds("\u{1b}[")),
    // snapshot
    Case(
        "snapshot captures/a/ffmpeg_pub_c4096.pcap",
        "--output DIR/out.jsonl",
        Writes("out.jsonl", "\"format_version\":1"),
    ),
    Case("snapshot captures/a/ffmpeg_pub_c4096.pcap", "--payload full", Adds("\"payload\":\"full\"")),
    Case("snapshot captures/a/ffmpeg_pub_c4096.pcap", "--name other.pcap", Adds("\"capture\":\"other.pcap\"")),
    Case("snapshot captures/a/ffmpeg_pub_c4096.pcap", "--color always", Same),
    // which connections
    Case("decode DIR/ports.pcap", "--stream 0", Removes("on_1936")),
    Case("decode DIR/ports.pcap", "--port 1936", Removes("on_1935")),
    Case("decode DIR/ports.pcap", "--decode-as tcp:5000", Adds("Set Chunk Size 4097")),
    Case("streams DIR/ports.pcap", "--stream 0", Removes("on_1936")),
    Case("streams DIR/ports.pcap", "--port 1936", Removes("on_1935")),
    Case("streams DIR/ports.pcap", "--decode-as tcp:5000", Removes("undecided")),
    Case("lint DIR/ports.pcap", "--stream 0", Removes("2 connections")),
    Case("lint DIR/ports.pcap", "--port 1936", Removes("2 connections")),
    Case("lint DIR/ports.pcap", "--decode-as tcp:5000", Adds("3 connections")),
    Case("snapshot DIR/ports.pcap", "--stream 0", Removes("{\"connection\":1,")),
    Case("snapshot DIR/ports.pcap", "--port 1936", Removes("{\"connection\":1,")),
    Case("snapshot DIR/ports.pcap", "--decode-as tcp:5000", Adds("Set Chunk Size 4097")),
    Case("diff DIR/one.pcap DIR/two.pcap", "--stream 0", Status(1, 0)),
    Case("diff DIR/one.pcap DIR/two.pcap", "--port 1935", Status(1, 0)),
    Case("diff DIR/one.pcap DIR/unproven.pcap", "--decode-as tcp:5000", Status(0, 1)),
    Case("check --no-lint DIR/two.pcap --against DIR/one.pcap", "--stream 0", Status(1, 0)),
    Case("check --no-lint DIR/two.pcap --against DIR/one.pcap", "--port 1935", Status(1, 0)),
    Case("check --no-lint DIR/unproven.pcap --against DIR/one.pcap", "--decode-as tcp:5000", Status(0, 1)),
    Case("relay DIR/plain.pcap", "--stream 1", Status(0, 2)),
    Case("relay DIR/plain.pcap", "--port 1936", Status(0, 2)),
    Case("relay DIR/late.pcap", "--decode-as tcp:5000", Adds("Leg 1")),
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin --capture DIR/plain.pcap",
        "--stream 0",
        Adds("to the server    not in the capture"),
    ),
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin --capture DIR/plain.pcap",
        "--port 1936",
        Adds("no RTMP in"),
    ),
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin --capture DIR/late.pcap",
        "--decode-as tcp:5000",
        Adds("on both legs"),
    ),
    Case("config captures", "--port 5000", Adds("5000")),
    Case("config captures", "--stream 1", Same),
    Case("config captures", "--decode-as tcp:5000", Adds("5000")),
    // bytes without a capture
    Case("decode", "--raw inputs/c2s.bin.gz", Status(2, 0)),
    Case("streams", "--raw inputs/c2s.bin.gz", Status(2, 0)),
    Case("snapshot", "--raw inputs/c2s.bin.gz", Status(2, 0)),
    Case("follow", "--raw inputs/c2s.bin.gz", Status(2, 0)),
    // several files
    Case("lint captures/pairs/01_same_twice_A.pcap captures/pairs/01_same_twice_B.pcap", "--merge", Adds("file1")),
    Case("relay captures/a/ffmpeg_pub_play.pcap captures/b/wrong_app.pcap -v", "--merge", Adds("file1")),
    // keys
    Case(
        "decode captures/e/rtmps_ffmpeg_pub.pcap",
        "--keylog captures/e/rtmps_ffmpeg_pub.keylog",
        Adds("connect('live')"),
    ),
    Case("streams captures/e/rtmps_ffmpeg_pub.pcap", "--keylog captures/e/rtmps_ffmpeg_pub.keylog", Adds("RTMPS")),
    Case("lint captures/e/rtmps_ffmpeg_pub.pcap", "--keylog captures/e/rtmps_ffmpeg_pub.keylog", Status(2, 0)),
    Case("snapshot captures/e/rtmps_ffmpeg_pub.pcap", "--keylog captures/e/rtmps_ffmpeg_pub.keylog", Status(2, 0)),
    Case(
        "diff captures/e/rtmps_ffmpeg_pub.pcap captures/e/rtmps_ffmpeg_pub.pcap",
        "--keylog captures/e/rtmps_ffmpeg_pub.keylog",
        Status(2, 0),
    ),
    Case(
        "check captures/e/rtmps_ffmpeg_pub.pcap --against captures/e/rtmps_ffmpeg_pub.pcap",
        "--keylog captures/e/rtmps_ffmpeg_pub.keylog",
        Status(2, 0),
    ),
    Case(
        "relay captures/e/rtmps_ffmpeg_pub.pcap captures/a/ffmpeg_pub_play.pcap",
        "--keylog captures/e/rtmps_ffmpeg_pub.keylog",
        Adds("live/tls"),
    ),
    Case(
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin --capture captures/e/rtmps_ffmpeg_pub.pcap",
        "--keylog captures/e/rtmps_ffmpeg_pub.keylog",
        Removes("no RTMP in"),
    ),
    // configuration
    Case("diff DIR/conf/a.pcap DIR/conf/b.pcap -v", "--no-config", Adds("[connect-properties]")),
    Case(
        "diff captures/pairs/02_ffmpeg_gst_A.pcap captures/pairs/02_ffmpeg_gst_B.pcap -v",
        "--config DIR/conf/rtmp-inspect.toml",
        Removes("[connect-properties]"),
    ),
    Case("check --no-lint DIR/conf/b.pcap --against DIR/conf/a.pcap", "--no-config", Adds("[connect-properties]")),
    Case(
        "check --no-lint captures/pairs/02_ffmpeg_gst_B.pcap --against captures/pairs/02_ffmpeg_gst_A.pcap",
        "--config DIR/conf/rtmp-inspect.toml",
        Removes("[connect-properties]"),
    ),
    Case("lint DIR/conf/b.pcap", "--no-config", Status(1, 0)),
    Case("lint captures/pairs/02_ffmpeg_gst_B.pcap", "--config DIR/conf/rtmp-inspect.toml", Status(0, 1)),
    Case("snapshot DIR/conf/a.pcap", "--no-config", Removes("\"payload\":\"full\"")),
    Case(
        "snapshot captures/pairs/02_ffmpeg_gst_A.pcap",
        "--config DIR/conf/rtmp-inspect.toml",
        Adds("\"payload\":\"full\""),
    ),
    Case("config DIR/conf", "--no-config", Removes("connect.*")),
    Case("config captures", "--config DIR/conf/rtmp-inspect.toml", Adds("connect.*")),
    Case("completions bash", "--color always", Same),
    Case("man", "--color always", Same),
];

/// Limits on connections and on all of them together, which `bounded` reaches in floods.
const IN_BOUNDED: &[&str] =
    &["--max-total-open-bytes", "--max-open-connections", "--max-known-connections", "--max-listed-connections"];

/// Options of captures that are still being made, which `live` tries.
const IN_LIVE: &[&str] = &["--interface", "--capture-filter", "--follow"];

/// The subcommands that read captures, each on one with a publisher and a player, and what it prints of `name.pcap` in
/// `DIR` where nothing is wrong.
const READERS: &[(&str, &str)] = &[
    ("decode", "decode DIR/NAME"),
    ("streams", "streams DIR/NAME"),
    ("follow", "follow --stream 0 DIR/NAME"),
    ("lint", "lint -v DIR/NAME"),
    ("relay", "relay DIR/NAME"),
    ("snapshot", "snapshot DIR/NAME"),
    ("diff", "diff DIR/plain.pcap.snapshot.jsonl DIR/NAME"),
    ("check", "check --no-lint --against DIR/plain.pcap.snapshot.jsonl DIR/NAME"),
    ("payload", "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin --capture DIR/NAME"),
];

/// The limits, each on a capture that it bites on, what `decode` prints then, and a value of each limit that it must
/// not be mistaken for.
const LIMITS: &[(&str, &str, &str, &str)] = &[
    ("--max-open-bytes 100", "plain.pcap", "limit-open-bytes", "--max-open-bytes 200000"),
    ("--max-chunk-streams 1", "plain.pcap", "limit-chunk-streams", "--max-chunk-streams 8"),
    ("--max-waiting-bytes 700", "waiting.pcap", " gap ", "--max-waiting-bytes 200000"),
    ("--max-total-waiting-bytes 700", "waiting.pcap", " gap ", "--max-total-waiting-bytes 200000"),
    (
        "--max-fragment-bytes 10",
        "fragments.pcap",
        "fragmented IP packets never became whole",
        "--max-fragment-bytes 3000",
    ),
    ("--max-expansion 2", "zeros.pcap.gz", "more than", "--max-expansion 100000"),
];

#[test]
fn every_option_has_a_test() {
    let first = |text: &str| text.split(' ').next().expect("a word").to_owned();
    let mut tested: BTreeSet<(String, String)> =
        cases().map(|(command, option, _)| (first(command), first(option))).collect();
    for (name, _) in READERS {
        tested.extend(LIMITS.iter().map(|(limit, ..)| ((*name).to_owned(), first(limit))));
    }
    let mut missing = Vec::new();
    let mut count = 0;
    for command in subcommands() {
        for (_, option) in options(&command) {
            count += 1;
            // `terminal::dash_r_is_read_as_tshark_reads_it` has the other form of the capture itself.
            let is_tested_elsewhere = ["--help", "-r"].contains(&option.as_str())
                || IN_BOUNDED.contains(&option.as_str())
                || IN_LIVE.contains(&option.as_str());
            if !is_tested_elsewhere && !tested.contains(&(command.clone(), option.clone())) {
                missing.push(format!("{command} {option}"));
            }
        }
    }
    assert!(count > 150, "--help lists only {count} options");
    let ungrouped: Vec<_> =
        tested.iter().map(|(name, _)| name).filter(|name| !GROUPS.concat().contains(&name.as_str())).collect();
    assert!(ungrouped.is_empty(), "in no group: {ungrouped:?}");
    assert!(missing.is_empty(), "no test has\n{}", missing.join("\n"));
}

fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static Effect)> {
    CASES.iter().map(|Case(command, option, effect)| (*command, *option, effect))
}

/// The subcommands, in groups that are tried apart so that no test takes long.
const GROUPS: [&[&str]; 5] = [
    &["decode", "streams"],
    &["diff", "relay"],
    &["lint", "snapshot"],
    &["check"],
    &["amf", "config", "fields", "follow", "payload", "rules", "completions", "man"],
];

#[test]
fn options_of_decode_and_streams() {
    have_their_effect(0);
}

#[test]
fn options_of_diff_and_relay() {
    have_their_effect(1);
}

#[test]
fn options_of_lint_and_snapshot() {
    have_their_effect(2);
}

#[test]
fn options_of_check() {
    have_their_effect(3);
}

#[test]
fn options_of_all_others() {
    have_their_effect(4);
}

/// Tries the options of a group's subcommands.
fn have_their_effect(group: usize) {
    let dir = files();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (command, option, effect) in cases() {
        let name = command.split(' ').next().expect("a subcommand");
        if !GROUPS[group].contains(&name) {
            continue;
        }
        tried += 1;
        let (spelled, value) = option.split_once(' ').map_or((option, None), |(name, value)| (name, Some(value)));
        let short = options(name).into_iter().find(|(_, long)| long == spelled).and_then(|(short, _)| short);
        for form in [Some(spelled.to_owned()), short].into_iter().flatten() {
            let extra: Vec<&str> = [Some(form.as_str()), value].into_iter().flatten().collect();
            let without = run(dir.path(), command, &[]);
            let with = run(dir.path(), command, &extra);
            if let Err(why) = effect.is_seen(dir.path(), &without, &with) {
                wrong.push(format!("{command} {}\n{why}\n", extra.join(" ")));
            }
        }
    }
    assert!(tried > 5 && wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_limit_is_felt_by_every_subcommand() {
    let dir = files();
    let mut wrong = Vec::new();
    for (limit, capture, printed, roomy) in LIMITS {
        for (name, command) in READERS {
            let command = command.replace("NAME", capture);
            let words = |option: &'static str| option.split(' ').collect::<Vec<_>>();
            let [without, with, roomy] =
                [vec![], words(limit), words(roomy)].map(|extra| run(dir.path(), &command, &extra));
            if without.text() != roomy.text() {
                wrong.push(format!(
                    "{command}: a limit that is not reached changes something: {limit}\n{}",
                    changes(&without.text(), &roomy.text())
                ));
            }
            if without.text() == with.text() {
                wrong.push(format!("{command} {limit} changes nothing\n{}", with.text()));
            }
            if *name == "decode" && (without.text().contains(printed) || !with.text().contains(printed)) {
                wrong.push(format!(
                    "{command} {limit} does not print {printed}:\n{}",
                    changes(&without.text(), &with.text())
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// What is left out is counted; nothing is left out where all fits.
#[test]
fn max_diffs_counts_what_it_leaves_out() {
    let of = |max: usize| {
        let pair = "diff captures/pairs/02_ffmpeg_gst_A.pcap captures/pairs/02_ffmpeg_gst_B.pcap";
        run(Path::new(""), pair, &["-v", "--max-diffs", &max.to_string()]).stdout
    };
    let shown =
        |text: &str| text.lines().filter(|line| line.starts_with("info[") || line.starts_with("warning[")).count();
    let all = shown(&of(1000));
    assert!(all > 4, "{all}");
    for (max, left) in [(all, 0), (all - 1, 1), (all - 2, 2), (0, all)] {
        let text = of(max);
        assert_eq!(shown(&text), max, "{text}");
        let more = text.lines().find(|line| line.contains("--max-diffs"));
        assert_eq!(more.is_some(), left > 0, "{text}");
        assert!(more.is_none_or(|line| line.starts_with(&format!("{left} more"))), "{text}");
    }
}

/// Two connections wait after a hole each: one limit is for each of them, the other for both.
#[test]
fn what_waits_is_limited_for_each_direction_and_for_all() {
    let dir = files();
    let gaps = |option: &str| {
        run(dir.path(), "decode DIR/waiting_twice.pcap", &option.split(' ').collect::<Vec<_>>())
            .text()
            .matches(" gap ")
            .count()
    };
    // 1000 bytes wait on each of two connections at the same time.
    assert_eq!(gaps("--max-waiting-bytes 1500"), 0);
    assert_eq!(gaps("--max-waiting-bytes 900"), 2);
    assert_eq!(gaps("--max-total-waiting-bytes 3000"), 0);
    assert!((1..=2).contains(&gaps("--max-total-waiting-bytes 1900")));
}

/// What was printed, and how it ended.
struct Ran {
    stdout: String,
    stderr: String,
    status: Option<i32>,
}

impl Ran {
    fn text(&self) -> String {
        format!("{}{}", self.stderr, self.stdout)
    }
}

impl Effect {
    fn is_seen(&self, dir: &Path, without: &Ran, with: &Ran) -> Result<(), String> {
        let (before, after) = (without.text(), with.text());
        let seen = match self {
            Adds(text) => with.status != Some(2) && !before.contains(text) && after.contains(text),
            Removes(text) => with.status != Some(2) && before.contains(text) && !after.contains(text),
            Status(was, is) => (without.status, with.status) == (Some(*was), Some(*is)),
            Silences => !without.stdout.is_empty() && after.is_empty() && with.status == without.status,
            Same => !before.is_empty() && before == after && with.status == without.status,
            Writes(name, text) => fs::read_to_string(dir.join(name)).is_ok_and(|written| written.contains(text)),
            Deletes(name) => !dir.join(name).exists(),
        };
        if seen { Ok(()) } else { Err(format!("{:?} {:?}\n{}", without.status, with.status, changes(&before, &after))) }
    }
}

/// The first lines that differ.
fn changes(before: &str, after: &str) -> String {
    let differ =
        before.lines().chain(["(end)"]).zip(after.lines().chain(["(end)"])).filter(|(before, after)| before != after);
    differ.take(4).map(|(before, after)| format!("  - {before:.300}\n  + {after:.300}\n")).collect()
}

fn run(dir: &Path, command: &str, extra: &[&str]) -> Ran {
    let args = command.split(' ').chain(extra.iter().copied());
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(args.map(|arg| arg.replace("DIR", dir.to_str().expect("UTF-8"))))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"))
        .envs([("COLUMNS", "120"), ("NO_COLOR", "1")])
        .env_remove("GITHUB_ACTIONS")
        .env_remove("CI")
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Ran { stdout: text(output.stdout), stderr: text(output.stderr), status: output.status.code() }
}

/// The subcommands, from `--help`.
fn subcommands() -> Vec<String> {
    let help = run(Path::new(""), "--help", &[]).stdout;
    let list = help.split("Commands:\n").nth(1).expect("a list of commands");
    let names = list.lines().take_while(|line| !line.is_empty()).map(|line| line.trim_start().split(' ').next());
    names.map(|name| name.expect("a name").to_owned()).collect()
}

/// A subcommand's options, from `--help`: the short form of those that have both, and the name.
fn options(command: &str) -> Vec<(Option<String>, String)> {
    let help = run(Path::new(""), command, &["--help"]).stdout;
    let names = help.lines().map(str::trim_start).filter(|line| line.starts_with('-') && !line.starts_with("- "));
    let option = |line: &str| {
        let mut names = line
            .split("  ")
            .next()
            .expect("a name")
            .split(", ")
            .map(|name| name.split(' ').next().expect("a name").to_owned());
        let first = names.next().expect("a name");
        match names.next() {
            Some(long) => (Some(first), long),
            None => (None, first),
        }
    };
    names.map(option).collect()
}

/// The captures that the cases name.
fn files() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        fs::write(path, bytes).expect("it can be written");
    };
    // A player and a publisher of a video frame that `payload` knows.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/seed/jpeg_c4096.pcap");
    let read = |number| Recording::read(&path, number);
    let plain = |number| read(number).packets();
    let both = plain(0).then(plain(1));
    write("plain.pcap", &both.pcap());
    // The sixth segment that the server sends to the player comes after the two that follow it.
    let late = |session: Session, from_client: bool| {
        let data = session.data(from_client);
        session.delay(data[data.len() / 2], data[data.len() / 2 + 2])
    };
    write("waiting.pcap", &late(plain(0), false).then(late(plain(1), true)).pcap());
    write("fragments.pcap", &fragmented(&both.pcap()));
    // What compresses best comes first: frames of 64 KiB without a meaning.
    let (header, packets) = (both.pcap()[..24].to_vec(), both.pcap()[24..].to_vec());
    let mut zeros = header;
    for _ in 0..320 {
        zeros.extend([1_700_000_000, 0, 65_536, 65_536_u32].iter().flat_map(|word| word.to_le_bytes()));
        zeros.extend(vec![0; 65_536]);
    }
    zeros.extend(packets);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&zeros).expect("it fits in memory");
    write("zeros.pcap.gz", &gz.finish().expect("it fits in memory"));

    let session = |port, name: &str| opened(session_of(port), name);
    let unproven = Session::between(([192, 0, 2, 1], 50_000), ([192, 0, 2, 2], 5000), 1_700_000_000_000_000);
    let unproven = unproven.client(&message(2, 1, 0, &4097_u32.to_be_bytes())).skip(3);
    write("ports.pcap", &session(1935, "on_1935").then(session(1936, "on_1936")).then(unproven.clone()).pcap());
    let unproven = session(1935, "one").then(unproven);
    write("unproven.pcap", &unproven.pcap());
    write("two.pcap", &session(1935, "one").then(session(1936, "two")).pcap());
    write("one.pcap", &session(1935, "one").pcap());
    write("mine/one.pcap", &session(1935, "one").pcap());

    let audio = |session: Session| session.client(&message(4, 8, 1, &[0xaf, 1, 0x21]));
    write("audio.pcap", &audio(session(1935, "one")).pcap());
    write("audio_twice.pcap", &audio(audio(session(1935, "one"))).pcap());

    // The name of the stream, which is a secret, is in the payload.
    const KEY: &str = "Xq7hunter2-9";
    let sent = [&[0xaf, 1][..], b"some payload, with ", KEY.as_bytes(), b" in the middle"].concat();
    let mut received = sent.clone();
    received.splice(16..17, *b"??");
    write("sent", &sent);
    write("received", &received);
    write("keyed.pcap", &session(1935, KEY).client(&message(4, 8, 1, &sent)).pcap());

    // On each of two connections 1000 bytes of a message wait for the 400 before them.
    let bytes = message(4, 8, 1, &[0; 1400]);
    let waits = |port| session(port, "one").client(&bytes[..400]).client(&bytes[400..1400]);
    let twice = waits(1935).then(waits(1936));
    let data = twice.data(true);
    let (first, last) = (data[data.len() / 2 - 2], data[data.len() - 1]);
    let twice = twice.delay(first, last).delay(last - 2, last);
    write("waiting_twice.pcap", &twice.pcap());

    // The player misses a message, and both are seen from the middle on, on a port of no RTMP.
    let mut player = read(0);
    let at = player.nth(2, |message| message.type_id == 9);
    player.remove(at);
    write("dropped.pcap", &player.packets().then(plain(1)).pcap());
    let late = [0, 1].map(|number| {
        let mut late = read(number);
        late.server.1 = 5000;
        let packets = late.packets();
        let first = packets.data(true)[2];
        packets.skip(first - 1)
    });
    let [player, publisher] = late;
    write("late.pcap", &player.then(publisher).pcap());

    for (name, path) in [("a", "02_ffmpeg_gst_A"), ("b", "02_ffmpeg_gst_B")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/captures/pairs/{path}.pcap"));
        write(&format!("conf/{name}.pcap"), &fs::read(path).expect("a capture"));
    }
    write("conf/rtmp-inspect.toml", b"ignore = [\"connect.*\"]\nfail-on = \"info\"\npayload = \"full\"\n");
    for name in ["plain.pcap", "one.pcap"] {
        let snapshot = format!("DIR/{name}.snapshot.jsonl");
        assert_eq!(run(dir.path(), &format!("snapshot DIR/{name} -o {snapshot}"), &[]).status, Some(0));
    }
    fs::copy(dir.path().join("one.pcap.snapshot.jsonl"), dir.path().join("mine/gone.pcap.snapshot.jsonl"))
        .expect("copied");
    dir
}

fn session_of(port: u16) -> Session {
    Session::between(([192, 0, 2, 1], port + 40_000), ([192, 0, 2, 2], port), 1_700_000_000_000_000)
}

/// A session that publishes a name.
fn opened(session: Session, name: &str) -> Session {
    let [client, server, echo] = handshake();
    let app = amf0::object(&[("app", amf0::string("live")), ("tcUrl", amf0::string("rtmp://192.0.2.2/live"))]);
    let connect = [amf0::string("connect"), amf0::number(1.0), app].concat();
    let result = [amf0::string("_result"), amf0::number(1.0), amf0::null(), amf0::null()].concat();
    let publish = [amf0::string("publish"), amf0::number(0.0), amf0::null(), amf0::string(name)].concat();
    let session = session.client(&client).server(&server).client(&echo).client(&message(3, 20, 0, &connect));
    session.server(&message(3, 20, 0, &result)).client(&message(8, 20, 1, &publish))
}

/// The same Ethernet frames with each IPv4 packet of more than 1000 bytes in two fragments (RFC 791, 3.2).
fn fragmented(pcap: &[u8]) -> Vec<u8> {
    const ETHERNET: usize = 14;
    const IP: usize = 20;
    const FIRST: usize = 800; // a multiple of 8
    let (header, mut rest) = pcap.split_at(24);
    let mut file = header.to_vec();
    let mut id = 0_u16;
    while let Some((record, after)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(record[8..12].try_into().expect("four bytes")) as usize;
        let (frame, after) = after.split_at(len);
        rest = after;
        let payload = &frame[ETHERNET + IP..];
        let parts: &[(&[u8], u16)] = match payload.split_at_checked(FIRST) {
            // "More fragments", then the offset in units of eight bytes.
            Some((first, second)) if !second.is_empty() => &[(first, 0x2000), (second, (FIRST / 8) as u16)],
            _ => &[(payload, 0)],
        };
        id += 1;
        for (bytes, flags) in parts {
            let mut ip = frame[ETHERNET..ETHERNET + IP].to_vec();
            ip[2..4].copy_from_slice(&((IP + bytes.len()) as u16).to_be_bytes());
            ip[4..6].copy_from_slice(&id.to_be_bytes());
            ip[6..8].copy_from_slice(&flags.to_be_bytes());
            let part = [&frame[..ETHERNET], &ip, bytes].concat();
            let len = (part.len() as u32).to_le_bytes();
            file.extend([&record[..8], &len, &len, &part].concat());
        }
    }
    file
}
