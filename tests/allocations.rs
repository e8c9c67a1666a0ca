//! How often the program asks for memory on two fixed captures: time is measured by `benches/compare.py`, but a test
//! cannot tell a slower program from a busy machine. Allocations are a quarter of the time wherever there are many
//! messages, and their number does not depend on the machine.
//!
//! `testdata/allocations.tsv` has the numbers. More than a tenth above them fails, and so does more than a tenth below:
//! what was gained is to be kept. `BLESS=1` writes them anew. Small differences come from hash tables.

use std::fmt::Write;
use std::fs;
use std::io::Cursor;

use allocation_counter::measure;
use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::dissect::Dissection;
use rtmp_inspect::origin::Time;
use rtmp_inspect::session::{Event, Observer, Options};
use rtmp_inspect::streams::Streams;
use rtmp_inspect::view::Layout;
use rtmp_inspect::view::list::List;
use rtmp_inspect::view::palette::Palette;
use rtmp_inspect::view::tree::{TreeStyle, tree};
use rtmp_inspect::{diff, escape, lint, pipeline, snapshot};

use crate::kit::recorded::{record, record_with_digests};
use crate::kit::recording::Silent;
use crate::tables::testdata;

const CAPTURES: [&str; 2] = ["a/ffmpeg_pub_c4096.pcap", "a/rtmpdump_play_live.pcap"];

#[test]
fn work_takes_no_more_allocations_than_before() {
    let path = testdata().join("allocations.tsv");
    let mut written = String::from("capture\twork\tallocations\n");
    let mut found = Vec::new();
    for name in CAPTURES {
        let pcap = fs::read(testdata().join("captures").join(name)).expect("a capture");
        for (work, count) in work(&pcap) {
            let _ = writeln!(written, "{name}\t{work}\t{count}");
            found.push((format!("{name}\t{work}"), count));
        }
    }
    if std::env::var_os("BLESS").is_some() {
        return fs::write(path, written).expect("testdata can be written");
    }
    let known = fs::read_to_string(path).expect("testdata/allocations.tsv");
    let known: Vec<_> = known.lines().skip(1).filter_map(|line| line.rsplit_once('\t')).collect();
    assert_eq!(known.len(), found.len());
    for ((work, count), (of, before)) in found.iter().zip(known) {
        let before: u64 = before.parse().expect("a number");
        assert_eq!(work, of);
        let range = before - before / 10..=before + before / 10;
        assert!(range.contains(count), "{work}: {count} allocations, {before} in testdata/allocations.tsv");
    }
}

/// What each kind of work takes.
fn work(pcap: &[u8]) -> Vec<(&'static str, u64)> {
    let recording = record(pcap);
    let digests = record_with_digests(pcap);
    let count = |work: &mut dyn FnMut()| measure(work).count_total;
    vec![
        ("streams", count(&mut || run(pcap, Streams::default()))),
        ("list", count(&mut || list(pcap))),
        ("jsonl", count(&mut || jsonl(pcap))),
        ("trees", count(&mut || trees(pcap))),
        ("record", count(&mut || drop(record(pcap)))),
        ("lint", count(&mut || drop(lint::lint(&recording, &lint::Options::default())))),
        ("snapshot", count(&mut || drop(snapshot::write(&digests, &snapshot::Options::default())))),
        ("diff", count(&mut || drop(diff::diff(&recording, &recording, &diff::Options::default())))),
    ]
}

fn run(pcap: &[u8], observer: impl Observer) {
    let mut capture = Capture::open(Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a capture");
    let run = pipeline::run(&mut capture, pipeline::Limits::default(), Options::default(), observer, &mut Silent);
    run.expect("readable");
}

fn list(pcap: &[u8]) {
    let (mut list, mut line) = (List::new(Layout { width: None }, false), String::new());
    let rows = Rows::new(Selection::default(), |row, _: &Event<'_>| {
        line.clear();
        list.row(row, Time::default(), &mut line);
    });
    run(pcap, rows);
}

fn jsonl(pcap: &[u8]) {
    let mut out = Vec::with_capacity(1 << 16);
    let rows = Rows::new(Selection::default(), |row, _: &Event<'_>| {
        out.clear();
        escape::json::write_line(&mut out, row).expect("a row is JSON");
    });
    run(pcap, rows);
}

fn trees(pcap: &[u8]) {
    let style = TreeStyle { layout: Layout { width: None }, bytes: false, chunks: false };
    let mut text = String::new();
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, event: &Event<'_>| {
        text.clear();
        tree(&Dissection::new(row, event, Time::default()), style, &Palette::default(), &mut text);
    });
    run(pcap, rows);
}
