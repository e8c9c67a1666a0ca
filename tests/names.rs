//! What a stream is called decides nothing: names that look like commands, events or codes are names.

use rtmp_inspect::diff;
use rtmp_inspect::lint;

use crate::kit::edit::{CLIENT, SERVER};
use crate::kit::faults::{self, Base};
use crate::kit::recorded::record;
use crate::kit::recording::Recording;

/// Names that once switched rules off, each beside one of the same length that means nothing.
const NAMES: [(&str, &str); 4] = [
    ("my deleteStream", "my pairedStream"),
    ("FCUnpublish", "FDUoqvcmjti"),
    ("Stream EOF", "Stream ABC"),
    ("NetStream.Play.Stop", "NatStream.Pair.Step"),
];

/// Faults that are in the name itself.
const OF_THE_NAME: [&str; 3] = ["name-as-number", "strlen-in-characters", "strlen-counts-nul"];

#[test]
fn a_stream_called_like_a_command_has_the_report_of_any_other() {
    let is_of_another_place = |fault: &&faults::Fault| {
        fault.base == Base::Own && !fault.is_of_the_capture() && !OF_THE_NAME.contains(&fault.name)
    };
    let faults: Vec<_> = faults::all().iter().filter(is_of_another_place).collect();
    assert!(faults.len() > 50, "{}", faults.len());
    for (at, fault) in faults.iter().enumerate() {
        let (odd, plain) = NAMES[at % NAMES.len()];
        let [of_odd, of_plain] = [odd, plain].map(|name| {
            let base = called(name);
            let (good, bad) = fault.captures_of(&base, &base);
            (codes(&good, &bad), name)
        });
        assert_eq!(of_odd.0, of_plain.0, "{}: {odd} against {plain}", fault.name);
    }
}

/// The codes of what `diff` and `lint` find.
fn codes(good: &[u8], bad: &[u8]) -> (Vec<&'static str>, Vec<&'static str>) {
    let (good, bad) = (record(good), record(bad));
    let diff = diff::diff(&good, &bad, &diff::Options::default());
    let lint = lint::lint(&bad, &lint::Options::default());
    (
        diff.causes.iter().map(|cause| cause.rule.code).collect(),
        lint.findings.iter().map(|finding| finding.rule.code).collect(),
    )
}

/// The small publisher's session with another stream name.
fn called(name: &str) -> Recording {
    let string = |text: &str| [&[2, 0, text.len() as u8], text.as_bytes()].concat();
    let (from, to) = (string("pair"), string(name));
    let mut recording = Base::Own.recording();
    for from_client in [CLIENT, SERVER] {
        for message in recording.sent(from_client, 0) {
            if let Some(found) = message.body.windows(from.len()).position(|window| window == from) {
                message.body.splice(found..found + from.len(), to.iter().copied());
            }
        }
    }
    recording
}
