//! Healthy captures that lost one packet: the only thing wrong with them is the hole.

use std::path::Path;

use rtmp_inspect::recording::Recording;
use rtmp_inspect::rules::Severity;
use rtmp_inspect::{diff, lint};

use crate::kit::recorded::record;

/// Publishers and players of several servers. Chunk sizes of 128 and of thousands.
const CAPTURES: [&str; 6] = [
    "a/ffmpeg_pub_c128.pcap",
    "a/ffmpeg_pub_c4096.pcap",
    "a/gst_rtmp2sink_pub.pcap",
    "a/rtmpdump_play_live.pcap",
    "a/rtmpdump_play_vod.pcap",
    "f/rml_rtmp_pub.pcap",
];
/// So many of the first packets with data are lost in turn; it is there that one side waits for the other.
const FIRST: usize = 28;
/// Of the later ones, one in so many.
const STEP: usize = 23;

/// The records of a pcap file with Ethernet and IPv4, and how much data of TCP each has.
fn packets(pcap: &[u8]) -> Vec<(&[u8], usize)> {
    let mut rest = &pcap[24..];
    let mut packets = Vec::new();
    while let Some(len) = rest.get(8..12) {
        let len = u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
        let (packet, after) = rest.split_at(16 + len);
        let ip = &packet[16 + 14..];
        let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        packets.push((packet, total - 20 - usize::from(ip[32] >> 4) * 4));
        rest = after;
    }
    packets
}

fn without(pcap: &[u8], lost: usize) -> Vec<u8> {
    let kept = packets(pcap).into_iter().enumerate().filter(|(index, _)| *index != lost);
    [&pcap[..24], &kept.map(|(_, (packet, _))| packet).collect::<Vec<_>>().concat()].concat()
}

/// What is wrong with a recording, and with it beside one without the loss.
fn errors(lost: &Recording, whole: &Recording) -> Vec<String> {
    let found = lint::lint(lost, &lint::Options::default()).findings;
    let alone = found.into_iter().map(|finding| (finding.severity, finding.rule.code, finding.title));
    let causes = diff::diff(whole, lost, &diff::Options::default()).causes;
    let beside = causes.into_iter().map(|cause| (cause.severity, cause.rule.code, cause.title));
    let is_error =
        |(severity, code, _): &(Severity, &str, String)| *severity >= Severity::Error && *code != "capture-gap";
    alone.chain(beside).filter(is_error).map(|(_, code, title)| format!("{code}: {title}")).collect()
}

#[test]
fn one_lost_packet_is_no_error_of_either_side() {
    let (mut untrue, mut tried) = (Vec::new(), 0);
    for name in CAPTURES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures").join(name);
        let pcap = std::fs::read(path).expect("in the repository");
        let whole = record(&pcap);
        assert_eq!(errors(&whole, &whole), [""; 0], "{name}");
        let data = packets(&pcap).into_iter().enumerate().filter(|(_, (_, len))| *len > 0).map(|(index, _)| index);
        let chosen = data.enumerate().filter(|(nth, _)| *nth < FIRST || nth % STEP == 0);
        for (_, lost) in chosen {
            tried += 1;
            let found = errors(&record(&without(&pcap, lost)), &whole);
            untrue.extend(found.into_iter().map(|what| format!("{name} without frame {}: {what}", lost + 1)));
        }
    }
    assert!(tried > 150, "{tried}");
    assert!(untrue.is_empty(), "{} untrue of {tried}:\n{}", untrue.len(), untrue.join("\n"));
}
