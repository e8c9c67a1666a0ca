//! Sessions of different clients and servers that work: rules of commands and media must not call that a fault.

use std::path::Path;

use crate::kit::recorded::record_file;
use rtmp_inspect::diff::{self, Report};
use rtmp_inspect::lint;
use rtmp_inspect::recording::Recording;
use rtmp_inspect::rules::{Layer, Severity};

const HEALTHY: &[[&str; 2]] = &[
    ["a/ffmpeg_pub_c4096", "a/gst_rtmp2sink_pub"],
    ["a/ffmpeg_pub_play", "pairs/02_ffmpeg_gst_B"],
    ["a/rtmpdump_play_live", "a/ffmpeg_pub_play"],
    ["a/nms2_pub_play", "a/ffmpeg_pub_play"],
    ["a/ffmpeg_pub_c4096", "a/h263_mp3"],
    ["a/nginx_push_relay", "a/ffmpeg_pub_play"],
    ["pairs/04_type14_A", "a/ffmpeg_pub_c4096"],
    // Another composition time, delimiters around the slices, a configuration with the fields of High profiles: the
    // muxers differ, and nothing was changed on its way.
    ["a/ffmpeg_pub_c4096", "f/gst_rtmpsink_ffmpeg_listen"],
    ["f/ffmpeg_pub_rtmplite3_4h39", "f/tgrtmp_pub"],
    ["f/tgrtmp_pub", "f/rml_rtmp_pub"],
    ["f/gst_rtmpsink_ffmpeg_listen", "f/rml_rtmp_pub"],
    ["f/pyav_nms4_hevc_opus", "a/ffmpeg_pub_c4096"],
    ["f/ffmpeg_vod_seek", "a/rtmpdump_play_vod"],
    ["f/node_rtmp_client", "f/pyav_nms4_hevc_opus"],
];

// pyrtmp sends onStatus on message stream 0, and GStreamer waits; its first header of fmt 1 is taken.
#[test]
fn a_status_that_the_client_does_not_see_comes_before_what_it_takes() {
    let report = lint::lint(&record("f/gst_pyrtmp_refused"), &lint::Options::default());
    let codes: Vec<_> = report.findings.iter().map(|finding| (finding.rule.code, finding.severity)).collect();
    assert_eq!(codes[..2], [("onstatus-msid", Severity::Error), ("fmt-first-on-csid", Severity::Warning)]);
}

// A control message that is no AMF is complete nevertheless: it is not cut anywhere.
#[test]
fn every_layer_of_two_servers_is_sound() {
    for [a, b] in [
        ["f/rml_rtmp_pub", "f/gst_rtmpsink_ffmpeg_listen"],
        ["a/ffmpeg_pub_c4096", "f/gst_rtmpsink_ffmpeg_listen"],
        ["f/rml_rtmp_pub", "f/tgrtmp_pub"],
    ] {
        let report = report(a, b);
        let wrong: Vec<_> =
            report.causes.iter().filter(|one| one.severity >= Severity::Error).map(|one| &one.title).collect();
        assert!(wrong.is_empty(), "{a} and {b}: {wrong:?}");
    }
}

#[test]
fn what_works_is_no_fault() {
    for names in HEALTHY {
        for [a, b] in [*names, [names[1], names[0]]] {
            let layers = [Layer::Command, Layer::Media, Layer::Enhanced, Layer::Payload];
            let report = report(a, b);
            let wrong: Vec<_> = report
                .causes
                .iter()
                .filter(|cause| cause.severity >= Severity::Error && layers.contains(&cause.rule.layer))
                .map(|cause| cause.title.as_str())
                .collect();
            assert!(wrong.is_empty(), "{a} and {b}: {wrong:?}");
        }
    }
}

// Lengths of 256 to 511 bytes look like start codes, and no video frame's lengths fit any more.
#[test]
fn line_ends_are_no_start_codes() {
    let report = report("pairs/08_crlf_A", "pairs/08_crlf_B");
    let codes: Vec<_> = report.causes.iter().map(|cause| cause.rule.code).collect();
    assert_eq!(codes, ["px-crlf"]);
    assert_eq!(report.causes[0].differences, Some(11));
    assert!(report.unexplained.is_empty());
}

fn report(a: &str, b: &str) -> Report {
    diff::diff(&record(a), &record(b), &diff::Options::default())
}

fn record(name: &str) -> Recording {
    record_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/captures/{name}.pcap")))
}
