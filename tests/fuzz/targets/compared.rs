//! Two recordings beside each other, and recordings as snapshots.

use rtmp_inspect::diff::{self, Report, Verdict};
use rtmp_inspect::recording::Recording;
use rtmp_inspect::snapshot as format;
use rtmp_inspect::view::{self, Layout};

use super::bytes::Bytes;
use super::edits;
use crate::kit::recorded;

/// Changes to a session, and further changes to what came of them: whatever was made is identical to itself, and two
/// are identical in both directions or in none.
pub fn diff(data: &[u8]) {
    let mut bytes = Bytes(data);
    let len = usize::from(bytes.u8());
    let first = bytes.take(len);
    // The second one begins with the same changes.
    let second = [first, bytes.rest()].concat();
    let [x, y] = [first, &second].map(edits::changed);
    let [x, y] = [x, y].map(|pcap| [(), ()].map(|()| recorded::record(&pcap)));
    for [one, same] in [&x, &y] {
        let report = compare(one, same);
        assert_eq!(report.verdict, Verdict::Identical, "{}: {:?}", report.summary, report.causes);
    }
    let [there, back] = [compare(&x[0], &y[0]), compare(&y[0], &x[0])];
    let identical = |report: &Report| report.verdict == Verdict::Identical;
    assert_eq!(identical(&there), identical(&back), "{} and {}", there.summary, back.summary);
}

fn compare(a: &Recording, b: &Recording) -> Report {
    let report = diff::diff(a, b, &diff::Options::default());
    let shown = view::diff::Shown { verbose: true, habits: true, brief: false, stat: true, context: Some(1), most: 20 };
    view::diff::diff(&report, &["a", "b"].map(str::to_owned), shown, Layout { width: Some(80) }, false);
    serde_json::to_string(&report).expect("JSON");
    report
}

/// A snapshot's text: what can be read can be written, and is then read as the same.
pub fn snapshot(data: &[u8]) {
    match format::read(data) {
        Ok(recording) => written_and_read(&recording),
        Err(error) => {
            let lines = data.split(|&byte| byte == b'\n').count() as u64;
            assert!((1..=lines).contains(&error.line), "{error}");
        }
    }
}

/// A recording written as a snapshot, and read: written again it is the same text.
fn written_and_read(recording: &Recording) {
    let options = format::Options { name: "a.pcap".to_owned(), ..format::Options::default() };
    let text = format::write(recording, &options);
    let read = format::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(format::write(&read, &options), text);
}
