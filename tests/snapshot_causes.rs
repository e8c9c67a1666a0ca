//! Seeded faults against a snapshot of the good session: the first cause is the one that the capture gives.

use std::collections::HashMap;

use crate::kit::faults::{self, Base};
use crate::kit::recorded::record_with_digests as record;
use rtmp_inspect::diff;
use rtmp_inspect::recording;
use rtmp_inspect::snapshot::{self, Options, Payload};

/// Why, in snapshots with which payload, and the faults with what is reported of them.
type NotThere = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What a snapshot leaves out, with all payload and without.
const NOT_THERE: &[NotThere] = &[
    ("it does not say whether a connection was closed or reset", "all", &[("reset-by-the-client", "answers-differ")]),
    (
        "acknowledgements and pings are left out; lint judges them",
        "all",
        &[
            ("ack-constant", NOTHING),
            ("ack-for-each", NOTHING),
            ("ack-low-first", NOTHING),
            ("ack-reset", NOTHING),
            ("ping-by-ping", NOTHING),
            ("ping-other-time", NOTHING),
            ("ping-unanswered", NOTHING),
        ],
    ),
    (
        "which side was first is put in order",
        "all",
        &[("create-early", "commands-differ"), ("early-server", NOTHING), ("publish-early", NOTHING)],
    ),
    ("when messages were captured is left out; lint judges it", "all", &[("pause-in-a-message", NOTHING)]),
    ("segments are left out", "all", &[("window-closed", "media-differs")]),
    (
        "how messages were cut is left out",
        "all",
        &[
            ("fmt0-continues", NOTHING),
            ("fmt1-first", NOTHING),
            ("type3-without-ext-tolerated", NOTHING),
            ("no-type3", "chunk-size-not-announced"),
            ("type3-new-message", NOTHING),
        ],
    ),
    ("how messages were cut is left out", "full", &[("foreign-chunk", "px-insert")]),
    ("the server's banner in it is a placeholder", "all", &[("result-undechunked", "amf-malformed")]),
    ("the stream's name is a secret, and B has it nowhere else", "all", &[("name-in-app", "app-unknown")]),
    (
        "the bytes of A's sound and pictures are digests",
        "sha256",
        &[
            ("bit-flip", "media-differs"),
            ("blocks-reordered", "media-differs"),
            ("bytes-deleted", "avc-nal-tiling"),
            ("continued-in-a-byte", "desync-unknown"),
            ("crlf", "avc-nal-tiling"),
            ("ext-left", "avc-nal-tiling"),
            ("ext-without-ffffff", "desync-unknown"),
            ("first-chunk-only", "avc-nal-tiling"),
            ("foreign-chunk", "avc-nal-tiling"),
            ("frame-type-0", "media-malformed"),
            ("headers-left", "avc-nal-tiling"),
            ("lost-bytes", "desync-unknown"),
            ("latin1-utf8", "avc-nal-tiling"),
            ("seven-bits", "avc-nal-tiling"),
            ("swapped-words", "media-malformed"),
            ("utf8-lossy", "avc-nal-tiling"),
            ("xor", "media-malformed"),
            ("zero-padded", "media-differs"),
        ],
    ),
];

const NOTHING: &str = "equivalent";
const PAYLOADS: [Payload; 2] = [Payload::Sha256, Payload::Full];

#[test]
fn a_snapshot_of_the_good_session_leads_to_the_same_first_cause() {
    let mut wrong = Vec::new();
    let mut written: HashMap<Base, [String; 2]> = HashMap::new();
    for fault in faults::all() {
        let (base, faulty) = fault.captures();
        let texts = written.entry(fault.base).or_insert_with(|| {
            let base = record(base);
            PAYLOADS.map(|payload| snapshot::write(&base, &Options { name: "good.pcap".to_owned(), payload }))
        });
        let capture = first(record(base), faulty);
        for (payload, text) in PAYLOADS.into_iter().zip(texts) {
            let snapshot = snapshot::read(text.as_bytes()).expect("what was written can be read");
            let (found, expected) = (first(snapshot, faulty), expected(fault.name, payload));
            if found != expected.unwrap_or(&capture) {
                wrong.push(format!("{} ({}): {found}, with the capture {capture}", fault.name, payload.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is reported of a fault whose evidence is not in such a snapshot.
fn expected(fault: &str, payload: Payload) -> Option<&'static str> {
    let there = |of: &&NotThere| of.1 == "all" || of.1 == payload.name();
    let of = NOT_THERE.iter().filter(there).flat_map(|(.., faults)| *faults);
    of.copied().find(|(name, _)| *name == fault).map(|(_, code)| code)
}

#[test]
fn the_exceptions_are_faults() {
    let names: Vec<_> = faults::all().iter().map(|fault| fault.name).collect();
    for (why, _, faults) in NOT_THERE {
        assert!(!why.is_empty());
        for (name, _) in *faults {
            assert!(names.contains(name), "{name}");
        }
    }
}

fn first(a: recording::Recording, faulty: &[u8]) -> String {
    let [a, b] = snapshot::prepare(a, record(faulty));
    let report = diff::diff(&a, &b, &diff::Options::default());
    match report.causes.first() {
        Some(cause) => cause.rule.code.to_owned(),
        None => serde_json::to_value(report.verdict).expect("a name").as_str().expect("a name").to_owned(),
    }
}
