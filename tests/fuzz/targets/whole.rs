//! Whole captures through all that is made of them: rows in every form, connections, findings, a snapshot and back.

use rtmp_inspect::check::{self, Known};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::dissect::Dissection;
use rtmp_inspect::dissect::vocabulary::Place;
use rtmp_inspect::origin::Time;
use rtmp_inspect::relay::{self, relay};
use rtmp_inspect::streams::Streams;
use rtmp_inspect::view::list::List;
use rtmp_inspect::view::palette::Palette;
use rtmp_inspect::view::tree::TreeStyle;
use rtmp_inspect::view::{self, Layout};
use rtmp_inspect::{capture, lint, report, snapshot};

use super::{captures, edits};
use crate::kit::recorded;

/// The bytes of a capture.
pub fn pipeline(data: &[u8]) {
    _ = everything(data);
}

/// Changes to a session of a real capture: its messages, its chunks, its packets, with all lengths right.
pub fn session(data: &[u8]) {
    everything(&edits::changed(data)).expect("a capture");
}

fn everything(pcap: &[u8]) -> Result<(), capture::Error> {
    rows(pcap)?;
    for width in [None, Some(80)] {
        let streams = captures::run(pcap, Streams::default())?.into_streams();
        view::streams::streams(&streams, Layout { width });
        serde_json::to_string(&streams).expect("JSON");
    }
    let recording = recorded::record_with_digests(pcap);
    let found = lint::lint(&recording, &lint::Options::default());
    report::Document::of_lint([("a.pcap", &found, None)]);
    serde_json::to_string(&found).expect("JSON");
    if let Ok(relayed) = relay(std::slice::from_ref(&recording), &relay::Options::default()) {
        serde_json::to_string(&relayed).expect("JSON");
    }
    if !recording.has_rtmp() {
        return Ok(());
    }
    let text = snapshot::write(&recording, &snapshot::Options::default());
    let known = snapshot::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let options = check::Options { diff: Default::default(), lint: None, fail_on: None, show_secrets: true };
    let names = ["a.pcap", "a.pcap.snapshot.jsonl"].map(str::to_owned);
    let (checked, _) = check::check(names, recording, Known::Read(Box::new(known)), &options);
    assert_eq!(checked.outcome, check::Outcome::Passed, "{}", checked.summary);
    serde_json::to_string(&check::Report::new(vec![checked])).expect("JSON");
    Ok(())
}

/// Every row as a line, a tree, a dump and JSON.
fn rows(pcap: &[u8]) -> Result<(), capture::Error> {
    let mut list = List::new(Layout { width: Some(80) }, false);
    let rows = Rows::new(Selection { whole: true, hex: true, hash: true, ..Selection::default() }, |row, event| {
        list.row(row, Time(0), &mut String::new());
        let row = Dissection::new(row, event, Time(0));
        let content = row.section(Place::Content);
        assert_eq!(content.tree.tiles(0..content.bytes.len()), Ok(()), "row {}", row.row().number);
        let palette = Palette::new(&content.tree, false);
        let style = TreeStyle { layout: Layout { width: Some(80) }, bytes: true, chunks: true };
        view::tree::tree(&row, style, &palette, &mut String::new());
        view::hexdump::hexdump(&row, view::Layout { width: None }, &palette);
        serde_json::to_string(&row).expect("JSON");
    });
    captures::run(pcap, rows).map(|_| ())
}
