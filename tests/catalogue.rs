//! Every rule of sessions fires where its fault is, and is silent where another's is.
//!
//! The faults of `tests/kit/faults` are each rule's fixtures, and all others its near misses: those of its own layer are
//! mistakes in the same bytes. Rules of what is merely different have recorded pairs of sound sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::kit::faults;
use crate::kit::recorded::record;
use rtmp_inspect::rules::{self, Check, Layer, RULES, Rule, Severity};
use rtmp_inspect::{diff, lint};

/// What is found in a fault: by `diff` against the good session, and by `lint`.
type Found = BTreeSet<(&'static str, Severity)>;

/// Rules that no seeded fault is for, and two recordings on which they fire.
const PAIRS: &[(&str, &str, &str)] = &[
    ("role-differs", "a/ffmpeg_pub_c4096.pcap", "a/rtmpdump_play_vod.pcap"),
    ("stream-name-differs", "a/ffmpeg_pub_c4096.pcap", "pairs/01_same_twice_A.pcap"),
    ("connect-properties", "pairs/02_ffmpeg_gst_A.pcap", "pairs/02_ffmpeg_gst_B.pcap"),
    ("commands-differ", "pairs/03_ffmpeg_rtmpclient_A.pcap", "pairs/03_ffmpeg_rtmpclient_B.pcap"),
    ("control-differs", "pairs/02_ffmpeg_gst_A.pcap", "pairs/02_ffmpeg_gst_B.pcap"),
    ("metadata-differs", "pairs/02_ffmpeg_gst_A.pcap", "pairs/02_ffmpeg_gst_B.pcap"),
    ("media-differs", "a/ffmpeg_pub_c4096.pcap", "a/h263_mp3.pcap"),
    ("answers-differ", "a/ffmpeg_pub_c4096.pcap", "a/nms2_pub_play.pcap"),
    ("timestamps-differ", "pairs/02_ffmpeg_gst_A.pcap", "pairs/02_ffmpeg_gst_B.pcap"),
    ("csid-differs", "pairs/02_ffmpeg_gst_A.pcap", "pairs/02_ffmpeg_gst_B.pcap"),
];

#[test]
fn each_rule_fires_on_its_fault_and_not_on_others() {
    let mut found: BTreeMap<&str, (Vec<&str>, Found)> = BTreeMap::new();
    for fault in faults::all() {
        let (base, faulty) = fault.recorded();
        let causes = diff::diff(&base, faulty, &diff::Options::default()).causes;
        let known = codes(&lint::lint(&base, &lint::Options::default()));
        let alone = lint::lint(faulty, &lint::Options::default()).findings.into_iter();
        let alone = alone.map(|finding| (finding.rule.code, finding.severity));
        let mut all: Found = causes.iter().map(|cause| (cause.rule.code, cause.severity)).collect();
        all.extend(alone.filter(|(code, _)| !known.contains(code)));
        found.insert(fault.name, (fault.expect.to_vec(), all));
    }
    let mut wrong = Vec::new();
    for rule in of_sessions() {
        let layers =
            |codes: &[&str]| codes.iter().filter_map(|code| rules::find(code)).any(|of| of.layer == rule.layer);
        let (mut fires, mut silent) = (0, 0);
        for (name, (expect, all)) in &found {
            let here = all.iter().find(|(code, _)| *code == rule.code);
            match (expect.contains(&rule.code), here) {
                (true, Some(_)) => fires += 1,
                (false, Some(_)) if ALSO.contains(&(*name, rule.code)) => fires += 1,
                // Another rule's fault, told as a failure: that may be said only of what comes of it.
                (false, Some((_, severity))) if *severity >= Severity::Error => {
                    wrong.push(format!("(\"{name}\", \"{}\"), // {}", rule.code, expect.join(", ")));
                }
                (false, None) if layers(expect) => silent += 1,
                _ => {}
            }
        }
        let pair = PAIRS.iter().find(|(code, ..)| *code == rule.code);
        if let Some((code, a, b)) = pair {
            // Sessions that do different things are paired by hand.
            let mut options = diff::Options::default();
            options.pairs.push((0, 0));
            let report = diff::diff(&capture(a), &capture(b), &options);
            fires += usize::from(report.causes.iter().any(|cause| cause.rule.code == *code));
        }
        if fires == 0 {
            wrong.push(format!("{} fires nowhere", rule.code));
        }
        if silent < 2 && rule.layer != Layer::Enhanced {
            wrong.push(format!("{} has {silent} near misses", rule.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Faults that bring about what another rule is for, and those that show too little by themselves.
const ALSO: &[(&str, &str)] = &[
    // The other side closes without a word.
    ("abort", "silent-close"),
    ("ext-without-ffffff", "silent-close"),
    ("no-app", "silent-close"),
    ("name-in-app", "app-unknown"),
    // The client waits for onFCPublish, and the server says nothing more.
    ("no-onfcpublish", "call-unanswered"),
    // A video frame with bytes too many or too few has NAL units that do not fit it.
    ("bytes-deleted", "avc-nal-tiling"),
    ("crlf", "avc-nal-tiling"),
    ("ext-left", "avc-nal-tiling"),
    ("first-chunk-only", "avc-nal-tiling"),
    ("foreign-chunk", "avc-nal-tiling"),
    ("headers-left", "avc-nal-tiling"),
    ("latin1-utf8", "avc-nal-tiling"),
    ("seven-bits", "avc-nal-tiling"),
    ("utf8-lossy", "avc-nal-tiling"),
    // Values with a byte too many in them are none.
    ("result-undechunked", "amf-malformed"),
    // The session ends so soon after the mistake that nothing proves it; these are told as likely or possible.
    ("continued-in-a-byte", "csid-over-peer-limit"),
    ("lost-bytes", "mlen-byte-order"),
    ("ext-without-ffffff", "desync-unknown"),
];

fn of_sessions() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().filter(|rule| matches!(rule.check, Check::Diff(_) | Check::Rest(_)))
}

fn codes(report: &lint::Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule.code).collect()
}

fn capture(path: &str) -> rtmp_inspect::recording::Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(path);
    record(&fs::read(path).expect("a capture"))
}
