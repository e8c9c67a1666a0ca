//! How good the diagnoses are, on recorded pairs whose truth is known.
//!
//! `CASES=directory cargo test diagnosis:: -- --ignored` runs `diff` and `lint` on every pair that the directory's
//! `TRUTH.tsv` lists and writes `docs/diagnosis.md`. `testdata/diagnosis.tsv` says which codes name a cause. A code
//! that says that something is wrong, and not what, is vague: it counts as not found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// Codes that say where something shows, or that something differs, and not what its reason is.
const VAGUE: [&str; 18] = [
    "desync-unknown",
    "silent-close",
    "amf-malformed",
    "media-malformed",
    "media-differs",
    "timestamps-differ",
    "commands-differ",
    "answers-differ",
    "stream-name-differs",
    "connect-properties",
    "control-differs",
    "metadata-differs",
    "csid-differs",
    "not-rtmp",
    "px-insert",
    "px-trunc",
    "px-shift",
    "px-bitflip",
];

/// How well a report tells the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    First,
    NotFirst,
    Vague,
    Wrong,
    Silent,
}

impl Grade {
    fn letter(self) -> char {
        ['A', 'B', 'C', 'D', 'E'][self as usize]
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The codes that name each cause.
fn codes() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("testdata/diagnosis.tsv")).expect("testdata/diagnosis.tsv");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let of_line = |line: &str| {
        let (cause, codes) = line.split_once('\t').unwrap_or_else(|| panic!("no tab in {line}"));
        let codes = codes.split_whitespace().filter(|code| *code != "-");
        (cause.to_owned(), codes.map(str::to_owned).collect())
    };
    lines.map(of_line).collect()
}

/// The codes of a report in order, whether each is certain, and whether it is an error.
fn run(arguments: &[&str], files: &[PathBuf], list: &str) -> Vec<(String, bool, bool)> {
    let mut command = Command::cargo_bin("rtmp-inspect").expect("the program");
    let output = command.args(arguments).args(files).output().expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let of = |one: &Value| {
        let code = one["rule"].as_str().unwrap_or_default().to_owned();
        let is_error = ["error", "fatal"].map(Value::from).contains(&one["severity"]);
        (code, one["certainty"] == "certain", is_error)
    };
    report.pointer(list).and_then(Value::as_array).map(|all| all.iter().map(of).collect()).unwrap_or_default()
}

fn grade(said: &[(String, bool, bool)], right: &[String]) -> Grade {
    match said.iter().position(|(code, ..)| right.contains(code)) {
        Some(0) => Grade::First,
        Some(_) => Grade::NotFirst,
        None => match said.first() {
            None => Grade::Silent,
            Some((code, ..)) if VAGUE.contains(&code.as_str()) => Grade::Vague,
            Some(_) => Grade::Wrong,
        },
    }
}

#[test]
fn every_code_in_the_table_is_a_rule() {
    let all = codes();
    assert!(all.len() > 60);
    for code in all.values().flatten() {
        assert!(rtmp_inspect::rules::find(code).is_some(), "{code}");
    }
}

#[test]
#[ignore = "needs CASES=directory: the recorded pairs are not part of the project"]
fn the_recorded_pairs() {
    let cases = PathBuf::from(std::env::var_os("CASES").expect("CASES=directory with TRUTH.tsv"));
    let truth = fs::read_to_string(cases.join("TRUTH.tsv")).expect("TRUTH.tsv");
    let codes = codes();
    let mut table = String::new();
    let mut grades: [BTreeMap<Grade, u32>; 2] = Default::default();
    let (mut lies, mut healthy, mut pairs) = ([0; 2], Vec::new(), 0);
    for line in truth.lines().skip(1) {
        let fields: Vec<_> = line.split('\t').collect();
        let (pair, good, bad) = (fields[0], cases.join(fields[1]), cases.join(fields[2]));
        let diff = run(&["diff", "--format", "json"], &[good, bad.clone()], "/causes");
        let lint = run(&["lint", "--format", "json"], &[bad], "/captures/0/findings");
        let cause = pair.split('.').next().unwrap_or_default();
        if cause == "healthy" {
            healthy
                .extend([diff, lint].into_iter().flatten().filter(|(.., is_error)| *is_error).map(|(code, ..)| code));
            continue;
        }
        pairs += 1;
        let right = codes.get(cause).cloned().unwrap_or_default();
        let _ = write!(table, "| {pair} |");
        for (at, said) in [diff, lint].iter().enumerate() {
            let grade = grade(said, &right);
            *grades[at].entry(grade).or_default() += 1;
            let (code, certain, _) = said.first().cloned().unwrap_or(("-".to_owned(), false, false));
            let is_lie = certain && matches!(grade, Grade::Wrong | Grade::NotFirst);
            lies[at] += u32::from(is_lie);
            let sure = if certain { ", certain" } else { "" };
            let _ = write!(table, " {} | {code}{sure}{} |", grade.letter(), if is_lie { " ✗" } else { "" });
        }
        table.push('\n');
    }
    let count = |at: usize, grade| grades[at].get(&grade).copied().unwrap_or(0);
    let mut page = "# How good the diagnoses are\n\nMade by `CASES=directory cargo test diagnosis:: -- --ignored` from recorded \
                    pairs whose truth was written down before. Judged by the code of the first cause: \
                    `testdata/diagnosis.tsv` has the codes that name a truth, and was written beside the rules. A: the true cause first; B: not first; C: vague; D: another; \
                    E: nothing.\n\n| | A | B | C | D | E | certain and not the cause |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (at, name) in ["diff", "lint"].into_iter().enumerate() {
        let of =
            [Grade::First, Grade::NotFirst, Grade::Vague, Grade::Wrong, Grade::Silent].map(|grade| count(at, grade));
        let _ = writeln!(
            page,
            "| {name}, {pairs} pairs | {} | {} | {} | {} | {} | {} |",
            of[0], of[1], of[2], of[3], of[4], lies[at]
        );
    }
    let _ = write!(page, "\n| pair | diff | first | lint | first |\n|---|---|---|---|---|\n{table}");
    fs::write(root().join("docs/diagnosis.md"), page).expect("docs can be written");
    assert!(healthy.is_empty(), "errors in healthy sessions: {healthy:?}");
}
