//! What is printed does not depend on how many threads print it.
//!
//! Rows of a file are made on a thread of their own, those of a pipe on the thread that reads, and so are those of a file
//! with `-c`, after which it may have to stop. All must print the same.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

use crate::tables::testdata;

/// More rows than any capture has.
const ALL: &[&str] = &["-c", "18446744073709551615"];

const FORMS: &[&[&str]] = &[
    &[],
    &["-x"],
    &["--format", "json"],
    &["--format", "jsonl", "--hash"],
    &["--format", "csv"],
    &["-e", "frame.number", "-e", "rtmpt.chunk.frame", "-e", "amf.string"],
    &["-Y", "rtmpt.msg.complete == 0 or rtmpt.header.typeid == 20"],
    &["--direction", "s2c", "--color", "always"],
];

fn run(arguments: &[&str], capture: &Path, input: Option<Vec<u8>>) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    let mut command = Command::cargo_bin("rtmp-inspect").expect("it is built");
    command.arg("decode").args(arguments).arg(if input.is_some() { Path::new("-") } else { capture });
    let output = command.write_stdin(input.unwrap_or_default()).output().expect("it starts");
    (output.status.code(), output.stdout, output.stderr)
}

/// Captures with several connections, holes, damage, and chunks between chunks.
fn captures() -> Vec<PathBuf> {
    let of = |folder: &str| fs::read_dir(testdata().join("captures").join(folder)).expect("captures");
    let mut captures: Vec<_> =
        ["d", "e"].into_iter().flat_map(of).map(|entry| entry.expect("readable").path()).collect();
    captures.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    captures.sort();
    captures
}

#[test]
fn rows_are_the_same_on_one_thread_and_on_two() {
    let mut rows = 0;
    for capture in captures() {
        for form in FORMS {
            let (status, printed, said) = run(form, &capture, None);
            rows += printed.iter().filter(|byte| **byte == b'\n').count();
            let on_one = run(&[form, ALL].concat(), &capture, None);
            assert!(on_one == (status, printed.clone(), said), "{}: {form:?}", capture.display());
            let bytes = fs::read(&capture).expect("readable");
            let (_, piped, _) = run(form, &capture, Some(bytes));
            // Through a pipe a connection that begins in mid-session is guessed at from what came before.
            let is_late = String::from_utf8_lossy(&printed).contains("midstream") || piped.is_empty();
            assert!(is_late || piped == printed, "{}: {form:?} through a pipe", capture.display());
        }
    }
    assert!(rows > 10_000, "{rows} rows compared");
}

#[test]
fn trees_are_the_same_on_one_thread_and_on_two() {
    for capture in captures().iter().filter(|path| path.metadata().is_ok_and(|file| file.len() < 100_000)) {
        for form in [&["-V"][..], &["-V", "-x"], &["-V", "--format", "jsonl"]] {
            let on_two = run(form, capture, None);
            assert!(run(&[form, ALL].concat(), capture, None) == on_two, "{}: {form:?}", capture.display());
        }
    }
}
