//! Media that went through a layer which changes every byte string, as `lint` finds it in one session.

use rtmp_inspect::lint;

use crate::kit::edit::CLIENT;
use crate::kit::faults::Base;
use crate::kit::recorded::record;

type Change = fn(&[u8]) -> Vec<u8>;

const CHANGES: [(&str, Change); 3] = [
    ("px-hex", |bytes| hex::encode(bytes).into_bytes()),
    ("px-base64", base64),
    ("px-swap16", |bytes| bytes.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect()),
];

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |group: &[u8]| {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        let letter = |at: usize| if at > group.len() { b'=' } else { LETTERS[(bits >> (18 - 6 * at) & 63) as usize] };
        [0, 1, 2, 3].map(letter)
    };
    bytes.chunks(3).flat_map(four).collect()
}

#[test]
fn what_every_frame_went_through_is_named() {
    const AUDIO: (u8, usize) = (8, 2);
    const VIDEO: (u8, usize) = (9, 5);
    for (type_id, tag) in [AUDIO, VIDEO] {
        for (code, change) in CHANGES {
            let mut session = Base::Ffmpeg.recording();
            let frames = session.sent(CLIENT, 0).filter(|message| message.type_id == type_id && message.body[1] == 1);
            for message in frames {
                message.body = [&message.body[..tag], &change(&message.body[tag..])].concat();
            }
            let report = lint::lint(&record(&session.pcap()), &lint::Options::default());
            let codes: Vec<_> = report.findings.iter().map(|finding| finding.rule.code).collect();
            assert_eq!(codes.first(), Some(&code), "type {type_id}: {codes:?}");
        }
    }
    let plain = lint::lint(&record(&Base::Ffmpeg.recording().pcap()), &lint::Options::default());
    assert!(plain.findings.iter().all(|finding| !finding.rule.code.starts_with("px-")));
}
