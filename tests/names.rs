//! What a stream is called decides nothing: names that look like commands, events or codes are names.

use rtmp_inspect::diff;
use rtmp_inspect::lint;

use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER};
use crate::kit::faults::{self, Base};
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, Step, What};

/// Names that once switched rules off, each beside one of the same length that means nothing.
const NAMES: [(&str, &str); 4] = [
    ("my deleteStream", "my pairedStream"),
    ("FCUnpublish", "FDUoqvcmjti"),
    ("Stream EOF", "Stream ABC"),
    ("NetStream.Play.Stop", "NatStream.Pair.Step"),
];

/// Faults that are in the name itself.
const OF_THE_NAME: [&str; 4] = ["name-as-number", "strlen-in-characters", "strlen-counts-nul", "stream-name-in-quotes"];

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

/// Commands and properties of the client that are called like layers and fields of this program, each beside one of
/// the same length that means nothing.
const LAYERS: [[(&str, &str); 2]; 4] = [
    [("chunk", "cut"), ("chunc", "cot")],
    [("header", "timestamp"), ("hexder", "timestomp")],
    [("handshake", "random"), ("handshade", "rondom")],
    [("message", "ending"), ("massage", "anding")],
];

#[test]
fn a_command_called_like_a_layer_has_the_report_of_any_other() {
    for [odd, plain] in LAYERS {
        let [of_odd, of_plain] = [odd, plain].map(|(command, property)| {
            let [a, b] = [1.0, 2.0].map(|number| record(&calling(command, property, number).pcap()));
            let report = diff::diff(&a, &b, &diff::Options::default());
            let paths: Vec<_> = report.causes.iter().map(|cause| cause.evidence.r#where.path.to_string()).collect();
            let codes: Vec<_> = report.causes.iter().map(|cause| cause.rule.code).collect();
            assert_eq!(paths, [format!("{command}.{property}")], "{codes:?}");
            (report.verdict, codes)
        });
        assert_eq!(of_odd, of_plain, "{odd:?} against {plain:?}");
        assert_eq!(of_odd.0, diff::Verdict::Different);
    }
}

/// The small publisher's session, whose client calls something with an object of one number before it publishes.
fn calling(command: &str, property: &str, number: f64) -> Recording {
    let mut recording = Base::Own.recording();
    let is_publish = |step: &Step| step.message().is_some_and(|message| message.body.starts_with(b"\x02\0\x07publish"));
    let at = recording.steps.iter().position(is_publish).expect("it publishes");
    let mut step = recording.steps[at].clone();
    let What::Message(message) = &mut step.what else { unreachable!("it is a message") };
    let object = amf0::object(&[(property, amf0::number(number))]);
    message.body = [amf0::string(command), amf0::number(9.0), object].concat();
    recording.steps.insert(at, step);
    recording
}

/// What reads text that was made for people, in a line of source: the rows' summaries, titles, values in words, paths.
const READS_TEXT: &str = r#"\.(info|detail|title|why|fix|summary|text)(\.as_str\(\))?\s*(==|!=)\s*"|\.(info|detail|title|why|fix|summary|text)\.(contains|starts_with|ends_with|strip_prefix|strip_suffix|split|rsplit|split_once|rsplit_once|find|parse)\(|\bpath(\.to_string\(\))?\.(starts_with|ends_with|contains|split|rsplit|split_once|strip_prefix|strip_suffix)\(|\bname(d?\.name)?\.(starts_with|ends_with|contains)\("(_result|_error| of )|"(String|Number|Boolean|Long string) '?""#;

/// Where it is done nevertheless, and why that is no decision about traffic.
const ALLOWED: [(&str, &str, &str); 2] = [
    ("diff/ignore.rs", "path.strip_prefix(first)", "the user's own pattern for paths"),
    ("report/sarif.rs", "path.strip_prefix(\"./\")", "the path of a file"),
];

#[test]
fn nothing_decides_by_text_made_for_people() {
    let pattern = regex::Regex::new(READS_TEXT).expect("a pattern");
    assert!(pattern.is_match(r#"if item.info == "publish""#) && pattern.is_match(r#"path.starts_with("header.")"#));
    let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for module in ["recording", "compare", "diff", "lint", "rules", "relay", "payload", "check", "report", "snapshot"] {
        let mut files = vec![src.join(module).with_extension("rs")];
        let mut folders = vec![src.join(module)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.retain(|file| !file.ends_with("tests.rs"));
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = code.lines().enumerate().filter(|(_, line)| pattern.is_match(line));
            found.extend(lines.map(|(at, line)| format!("{}:{}: {}", file.display(), at + 1, line.trim())));
        }
    }
    found.retain(|line| !ALLOWED.iter().any(|(file, part, _)| line.contains(file) && line.contains(part)));
    assert!(found.is_empty(), "{}", found.join("\n"));
}
