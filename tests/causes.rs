//! Seeded faults: what `diff` reports first for each.
//!
//! `testdata/faults/causes.md` is the table; `BLESS=1 cargo test causes::` rewrites it. `LAYER=amf` looks only
//! at faults whose names or ids hold that word, and prints what is wrong.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::kit::faults;
use rtmp_inspect::diff::{self, Verdict};

#[test]
fn the_first_cause_is_the_true_one() {
    let only = std::env::var("LAYER").unwrap_or_default();
    let mut table =
        "# Seeded faults and the first cause that `diff` reports\n\nMade by `BLESS=1 cargo test causes::`.\n\n\
                     | fault | true causes | first cause reported | sure |\n|---|---|---|---|\n"
            .to_owned();
    let (mut right, mut wrong, mut lies) = (0, Vec::new(), Vec::new());
    let all = faults::all();
    for fault in all {
        if !fault.name.contains(&only) && !fault.expect.iter().any(|id| id.contains(&only)) {
            continue;
        }
        let (base, faulty) = fault.recorded();
        let report = diff::diff(&base, faulty, &diff::Options::default());
        let (code, certainty) =
            report.causes.first().map_or(("-", String::new()), |cause| (cause.rule.code, cause.sureness()));
        let is_right = fault.expect.contains(&code);
        let _ = writeln!(
            table,
            "| {} | {} | {code}{} | {certainty} |",
            fault.name,
            fault.expect.join(", "),
            if is_right { "" } else { " ✗" }
        );
        if is_right {
            right += 1;
        } else {
            wrong.push(format!("{}: {code} ({certainty}) instead of {}", fault.name, fault.expect.join(" or ")));
            if certainty == "certain" {
                lies.push(fault.name);
            }
        }
    }
    if !only.is_empty() {
        panic!("{right} right; wrong:\n{}", wrong.join("\n"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/faults/causes.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &table).expect("testdata can be written");
    }
    assert!(lies.is_empty(), "certain and wrong: {lies:?}");
    assert!(right * 100 >= all.len() * 95, "{right} of {}:\n{}", all.len(), wrong.join("\n"));
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), table, "stale: BLESS=1 cargo test causes::");
}

#[test]
fn a_session_is_identical_to_itself() {
    for fault in faults::all().iter().step_by(7) {
        let (base, faulty) = fault.recorded();
        for recording in [&*base, faulty] {
            let report = diff::diff(recording, recording, &diff::Options::default());
            assert_eq!(report.verdict, Verdict::Identical, "{}: {}", fault.name, report.summary);
        }
    }
}
