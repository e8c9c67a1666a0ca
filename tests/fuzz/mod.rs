//! What fuzzing once found stays found: every input of `testdata/fuzz` through its target.
//!
//! Each directory there is named after a target. `docs/fuzzing.md` says how inputs get there.

mod seeds;
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// No input takes longer, in a program that is not optimised, on a machine that does other things as well.
const LONGEST: Duration = Duration::from_secs(10);

#[test]
fn what_was_found_once_is_not_found_again() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz");
    let mut failed = Vec::new();
    for directory in entries(&root) {
        let name = directory.file_name().expect("a name").to_string_lossy().into_owned();
        let (_, target) = targets::find(&name);
        for input in entries(&directory) {
            let data = fs::read(&input).expect("readable");
            let start = Instant::now();
            let ends = std::panic::catch_unwind(|| target(&data)).is_ok();
            if !ends || start.elapsed() > LONGEST {
                failed.push(format!("{}: panics {}, {:?}", input.display(), !ends, start.elapsed()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Arithmetic that overflows has to be noticed here.
#[test]
#[should_panic(expected = "overflow")]
fn overflow_is_checked() {
    let most = std::hint::black_box(u8::MAX);
    std::hint::black_box(most + 1);
}

/// Every target has inputs, and takes an empty one.
#[test]
fn every_target_has_inputs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz");
    for (name, target) in targets::TARGETS {
        assert!(!entries(&root.join(name)).is_empty(), "{name}");
        target(&[]);
    }
}

fn entries(directory: &Path) -> Vec<std::path::PathBuf> {
    let read = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = read.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}
