//! Seeded faults, one capture at a time: what `lint` finds in each, with no good session beside it.
//!
//! `testdata/faults/lint.md` is the table; `BLESS=1 cargo test lint::` rewrites it. `LAYER=amf` looks only
//! at faults whose names or ids hold that word, and prints what is wrong.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::kit::faults::{self, Fault};
use crate::kit::recorded::record;
use rtmp_inspect::lint::{self, Report};
use rtmp_inspect::rules::{self, Mode, Severity};

const HEADING: &str = "\
# Seeded faults and what `lint` finds in each by itself

Made by `BLESS=1 cargo test lint::`. The first finding of the faulty capture that is none of the good one.
Faults that only a comparison can show are marked so.

| fault | true causes | first finding | severity | sure |
|---|---|---|---|---|
";

#[test]
fn the_first_finding_is_the_true_one() {
    let only = std::env::var("LAYER").unwrap_or_default();
    let mut table = HEADING.to_owned();
    let (mut right, mut missed, mut wrong, mut lies) = (0, Vec::new(), Vec::new(), Vec::new());
    for fault in faults::all() {
        if !fault.name.contains(&only) && !fault.expect.iter().any(|id| id.contains(&only)) {
            continue;
        }
        let (base, faulty) = fault.recorded();
        let alone = |recording| lint::lint(recording, &lint::Options::default());
        let known: Vec<_> = alone(&base).findings.iter().map(|finding| finding.rule.code).collect();
        let report = alone(faulty);
        let first = report.findings.iter().find(|finding| !known.contains(&finding.rule.code));
        let expect = fault.expect.join(", ");
        let Some(first) = first else {
            let shown = if needs_both(fault) { "(needs a comparison)" } else { "✗" };
            let _ = writeln!(table, "| {} | {expect} | {shown} | | |", fault.name);
            if !needs_both(fault) {
                missed.push(format!("{}: nothing instead of {expect}", fault.name));
            }
            continue;
        };
        let code = first.rule.code;
        let is_right = fault.expect.contains(&code);
        let mark = match (is_right, needs_both(fault)) {
            (true, _) => "",
            (false, true) => " (what comes of it)",
            (false, false) => " ✗",
        };
        let _ =
            writeln!(table, "| {} | {expect} | {code}{mark} | {} | {} |", fault.name, first.severity, first.sureness());
        if is_right {
            right += 1;
        } else {
            // What came of a change that needs a comparison may well be seen, but not for sure.
            if !needs_both(fault) {
                wrong.push(format!("{}: {code} ({}) instead of {expect}", fault.name, first.sureness()));
            }
            if first.certainty == Some(rules::Certainty::Certain) {
                lies.push(fault.name);
            }
        }
    }
    if !only.is_empty() {
        panic!("{right} right; missed:\n{}\nwrong:\n{}", missed.join("\n"), wrong.join("\n"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/faults/lint.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &table).expect("testdata can be written");
    }
    assert!(lies.is_empty(), "certain and wrong: {lies:?}\n{}\n{}", wrong.join("\n"), missed.join("\n"));
    let all = right + missed.len() + wrong.len();
    assert!(right * 100 >= all * 95, "{right} of {all}:\n{}\n{}", missed.join("\n"), wrong.join("\n"));
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), table, "stale: BLESS=1 cargo test lint::");
}

/// Faults of which one session shows nothing unusual: an array count of 0 is what Flash sent, and most clients ask for
/// no Acknowledgements.
const USUAL: &[&str] = &["ecma-count-0", "window-missing"];

/// Whether no rule of the fault's can be told from one session.
fn needs_both(fault: &Fault) -> bool {
    USUAL.contains(&fault.name)
        || fault.expect.iter().all(|code| {
            let rule = rules::find(code).unwrap_or_else(|| panic!("{}: no rule {code}", fault.name));
            !rule.modes.contains(&Mode::Lint)
        })
}

/// Captures of software that works: no error in them, whatever else there is to say.
#[test]
fn healthy_sessions_have_no_errors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for path in HEALTHY {
        let report = lint(&fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}")));
        assert!(!report.connections.is_empty(), "{path}");
        looked_at += 1;
        for finding in report.findings.iter().filter(|finding| finding.severity >= Severity::Error) {
            wrong.push(format!("{path}: {}: {}", finding.rule.code, finding.title));
        }
    }
    assert!(looked_at >= 40 && wrong.is_empty(), "{looked_at} captures\n{}", wrong.join("\n"));
}

/// Of testdata/README.md, what is an ordinary session, also in odd containers, or over a faulty link.
const HEALTHY: &[&str] = &[
    "a/ffmpeg_pub_c128.pcap",
    "a/ffmpeg_pub_c4096.pcap",
    "a/ffmpeg_pub_play.pcap",
    "a/gst_rtmp2sink_pub.pcap",
    "a/h263_mp3.pcap",
    "a/nginx_push_relay.pcap",
    "a/nms2_pub_play.pcap",
    "a/port19350.pcap",
    "a/rtmpdump_play_live.pcap",
    "a/rtmpdump_play_vod.pcap",
    "c/pub_bigendian.pcap",
    "c/pub_dumpcap.pcapng",
    "c/pub_editcap.pcapng",
    "c/pub_en10mb.pcap",
    "c/pub_ethernet_padding.pcap",
    "c/pub_file_cut_short.pcap",
    "c/pub_gzip.pcap.gz",
    "c/pub_nano.pcap",
    "c/pub_ng_bigendian.pcapng",
    "c/pub_nsec.pcap",
    "c/pub_null.pcap",
    "c/pub_raw101.pcap",
    "c/pub_sll.pcap",
    "c/pub_sll2.pcap",
    "c/pub_vlan.pcap",
    "d/duplicate.pcap",
    "d/ip_fragments.pcap",
    "d/loss.pcap",
    "d/many.pcap",
    "d/pub_client_only.pcap",
    "d/pub_keepalive_byte.pcap",
    "d/pub_late_segment.pcap",
    "d/pub_midstream.pcap",
    "d/pub_missing_segment.pcap",
    "d/pub_missing_segments3.pcap",
    "d/pub_no_c0c1.pcap",
    "d/pub_no_syn.pcap",
    "d/pub_overlap_conflict.pcap",
    "d/pub_overlap_retrans.pcap",
    "d/pub_port_reuse.pcap",
    "d/pub_seq_wrap.pcap",
    "d/pub_server_only.pcap",
    "d/pub_stray_rst.pcap",
    "d/reorder.pcap",
    "e/ext_timestamp_pub.pcap",
    "e/interleave_c128.pcap",
    "e/own_amf3.pcap",
    "e/own_csid64.pcap",
    "e/own_ext_ts_all.pcap",
    "e/own_interleave.pcap",
    "pairs/01_same_twice_A.pcap",
    "pairs/01_same_twice_B.pcap",
    "pairs/02_ffmpeg_gst_A.pcap",
    "pairs/02_ffmpeg_gst_B.pcap",
    "pairs/03_ffmpeg_rtmpclient_A.pcap",
    "pairs/04_type14_A.pcap",
    "pairs/06_chunk_not_used_A.pcap",
    "f/ffmpeg_pub_rtmplite3_4h39.pcap",
    "f/ffmpeg_vod_seek.pcap",
    "f/gst_rtmpsink_ffmpeg_listen.pcap",
    "f/node_rtmp_client.pcap",
    "f/pyav_nms4_hevc_opus.pcap",
    "f/rml_rtmp_pub.pcap",
    "f/tgrtmp_pub.pcap",
];

fn lint(pcap: &[u8]) -> Report {
    lint::lint(&record(pcap), &lint::Options::default())
}
