//! Hostile and odd captures through every subcommand in every form: each run ends by itself, with a status that the
//! README knows, in bounded time and memory.
//!
//! Time is that of the processor, so that a busy machine changes nothing. `testdata/hostile/README.md` says what each
//! file is.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Seconds of a processor for one run of a program that is not optimised.
const SECONDS: &str = "10";
/// KiB of memory for one run, with what the allocator holds ready. What a run has in use is below 256 MiB.
const MEMORY: &str = "393216";

/// The subcommands with the capture as `{}`.
const RUNS: &[&str] = &[
    "decode {}",
    "decode -V {}",
    "decode -x {}",
    "decode -V -x {}",
    "decode -n 1 {}",
    "decode --color always {}",
    "decode --format json {}",
    "decode --format jsonl --hash -x {}",
    "decode --format jsonl -V {}",
    "decode --format csv {}",
    "decode -e frame.number -e rtmpt.header.typeid -e amf.string -e rtmpt.function.call {}",
    "decode -Y rtmpt.msg.complete==0||amf.string {}",
    "decode --decode-as tcp:102 --decode-as tcp:3389 {}",
    "streams {}",
    "streams --format json {}",
    "streams --format jsonl {}",
    "lint {}",
    "lint --verbose {}",
    "lint --format json {}",
    "lint --format github {}",
    "lint --format sarif {}",
    "lint --format junit {}",
    "snapshot {}",
    "snapshot --payload full {}",
    "relay {}",
    "relay -v --format json {}",
    "diff {} {}",
    "diff --stat -v {} {}",
    "diff --strict --format json {} {}",
    "check {}",
    "check --format json {}",
    "payload --capture {} {} {}",
    "payload --format json {} {}",
    "config {}",
];

#[test]
fn every_hostile_file_ends_well_in_every_subcommand() {
    let mut wrong = Vec::new();
    for file in files() {
        for line in RUNS {
            let output = run(line, &file);
            let status = output.status.code();
            if !matches!(status, Some(0..=2)) {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().rev().find(|line| line.contains("panicked") || !line.is_empty());
                wrong.push(format!("{}: {line}: {}: {}", file.display(), output.status, last.unwrap_or_default()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} runs:\n{}", wrong.len(), wrong.join("\n"));
}

/// A comparison with itself finds nothing, whatever the file: identical, or no sessions to compare.
#[test]
fn every_hostile_file_is_identical_to_itself() {
    for file in files() {
        let output = run("diff {} {}", &file);
        let text = String::from_utf8_lossy(&output.stdout);
        let identical = output.status.code() == Some(0) && text.contains("identical");
        assert!(identical || output.status.code() == Some(2), "{}: {}\n{text}", file.display(), output.status);
    }
}

/// Runs the program under the limits of the shell: over time it gets SIGXCPU, over memory it aborts.
fn run(line: &str, file: &Path) -> Output {
    let limits = format!("ulimit -t {SECONDS}; ulimit -d {MEMORY}; exec \"$@\"");
    Command::new("sh")
        .args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_rtmp-inspect")])
        .args(line.split(' ').map(|word| if word == "{}" { file.as_os_str() } else { word.as_ref() }))
        .stdin(Stdio::null())
        .output()
        .expect("it starts")
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile");
    let entries = fs::read_dir(root).expect("readable").map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end != "md")).collect();
    files.sort();
    assert!(files.len() > 10, "only {} files", files.len());
    files
}
