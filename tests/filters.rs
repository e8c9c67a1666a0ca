//! Display filters over real captures.
//!
//! `testdata/filters/tshark.tsv` has filters and the frames that tshark 4.0.17 lists for them, `own.tsv` filters in
//! names of our own and the numbers of the rows they choose, found by looking at the rows without a filter.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::dissect::{Dissection, Vocabulary};
use rtmp_inspect::filter::Filter;
use rtmp_inspect::origin::Time;
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::session::Options;

#[test]
fn filters_choose_the_frames_that_tshark_chooses() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for line in table("tshark.tsv") {
        let [capture, read_as, filter, expected] = &line[..] else { panic!("four columns: {line:?}") };
        let frames: BTreeSet<u64> = chosen(capture, filter).iter().map(|(_, frame)| *frame).collect();
        let expected: BTreeSet<u64> = numbers(expected);
        match read_as.as_str() {
            "message" if frames != expected => {
                wrong.push(format!("{capture} {filter}: {frames:?}, tshark {expected:?}"))
            }
            // tshark tests all messages of a frame at once, we test each by itself: so the answers part, and a row
            // where they do not would be marked wrongly.
            // The same of texts that tshark takes for empty, as they begin with a NUL byte.
            "frame" | "nul" if frames == expected => {
                wrong.push(format!("{capture} {filter}: no difference in {frames:?}"))
            }
            "message" | "frame" | "nul" => checked += 1,
            other => panic!("read as {other}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 80, "only {checked} filters");
}

#[test]
fn filters_choose_rows_by_names_of_our_own() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for line in table("own.tsv") {
        let [capture, filter, expected] = &line[..] else { panic!("three columns: {line:?}") };
        let rows: BTreeSet<u64> = chosen(capture, filter).iter().map(|(number, _)| *number).collect();
        let expected = numbers(expected);
        if rows != expected {
            wrong.push(format!("{capture} {filter}: {rows:?} instead of {expected:?}"));
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 40, "only {checked} filters");
}

/// Number and frame of each row that a filter chooses.
fn chosen(capture: &str, filter: &str) -> Vec<(u64, u64)> {
    let filter = match Filter::parse(filter, &Vocabulary) {
        Ok(filter) => filter,
        Err(error) => panic!("{}", error.render(filter)),
    };
    let mut chosen = Vec::new();
    let start = first_time(capture);
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, event| {
        if filter.matches(&Dissection::new(row, event, start)) {
            chosen.push((row.number, row.frame.0));
        }
    });
    let mut file = open(capture);
    pipeline::run(&mut file, pipeline::Limits::default(), Options::default(), rows, &mut Silent).expect("readable");
    chosen
}

fn first_time(capture: &str) -> Time {
    let mut file = open(capture);
    loop {
        match file.next().expect("readable") {
            Some(capture::Event::Frame(frame)) => return frame.time,
            Some(_) => {}
            None => panic!("{capture} has no frame"),
        }
    }
}

fn open(capture: &str) -> Capture {
    let path = testdata().join("captures").join(capture);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Capture::open(file, capture::Limits::default()).expect("a capture")
}

fn table(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(testdata().join("filters").join(name)).expect("a table");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn numbers(list: &str) -> BTreeSet<u64> {
    list.split(',').filter(|item| *item != "-").map(|item| item.parse().expect("a number")).collect()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}

    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}
