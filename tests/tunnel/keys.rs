//! Keys on the command line: where they come from, and what works with them.

use std::path::{Path, PathBuf};
use std::process::Output;

use super::tls::recorded;

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

fn run(args: &[&Path], key_log_of_environment: Option<&Path>) -> Output {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    command.args(args).env_remove("SSLKEYLOGFILE").env("COLUMNS", "120");
    if let Some(path) = key_log_of_environment {
        command.env("SSLKEYLOGFILE", path);
    }
    command.output().expect("it starts")
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[test]
fn key_logs_are_named_by_an_option_or_the_environment() {
    let (capture, keys) =
        (testdata("captures/e/rtmps_ffmpeg_pub.pcap"), testdata("captures/e/rtmps_ffmpeg_pub.keylog"));
    let [decode, option] = ["decode", "--keylog"].map(Path::new);
    let without = run(&[decode, &capture], None);
    assert!(text(&without).contains("1 TLS") && text(&without).contains("--keylog FILE"), "{}", text(&without));
    for output in [run(&[decode, &capture], Some(&keys)), run(&[decode, option, &keys, &capture], None)] {
        assert!(text(&output).contains("publish('tls')"), "{}", text(&output));
    }
    // A program that did not write the log yet is no error; a log that was asked for has to be one.
    let missing = testdata("no.keylog");
    assert_eq!(run(&[decode, &capture], Some(&missing)).status.code(), Some(0));
    let asked = run(&[decode, option, &missing, &capture], None);
    assert_eq!((asked.status.code(), text(&asked).contains("cannot read")), (Some(2), true), "{}", text(&asked));
    let other = run(&[decode, option, &capture, &capture], None);
    assert_eq!(
        (other.status.code(), text(&other).contains("is not a TLS key log")),
        (Some(2), true),
        "{}",
        text(&other)
    );
}

/// The blocks of a little-endian pcapng file.
fn blocks(file: &[u8]) -> Vec<&[u8]> {
    let (mut blocks, mut rest) = (Vec::new(), file);
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[4..8].try_into().expect("4 bytes")) as usize;
        let (block, others) = rest.split_at(len);
        blocks.push(block);
        rest = others;
    }
    blocks
}

#[test]
fn secrets_after_the_packets_of_a_file_are_found() {
    let file = recorded("tls13_aes128_gcm");
    let is_secrets = |block: &&[u8]| block[..4] == [10, 0, 0, 0];
    let (secrets, others): (Vec<_>, Vec<_>) = blocks(&file).into_iter().partition(is_secrets);
    assert!(!secrets.is_empty());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("late.pcapng");
    std::fs::write(&path, [others.concat(), secrets.concat()].concat()).expect("written");
    let output = run(&[Path::new("streams"), &path], None);
    assert!(text(&output).contains("RTMPS"), "{}", text(&output));
}

#[test]
fn both_legs_of_a_tls_terminator_are_followed() {
    for name in ["ffmpeg_nginx", "ffmpeg_stunnel"] {
        let capture = testdata(&format!("tunnels/{name}.pcapng.gz"));
        let output = run(&[Path::new("relay"), &capture], None);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(text(&output).starts_with("intact"), "{}", text(&output));
    }
}

#[test]
fn a_snapshot_needs_no_keys_again() {
    let (capture, keys) =
        (testdata("captures/e/rtmps_ffmpeg_pub.pcap"), testdata("captures/e/rtmps_ffmpeg_pub.keylog"));
    let [snapshot, diff, option] = ["snapshot", "diff", "--keylog"].map(Path::new);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("rtmps.pcap.snapshot.jsonl");
    let written = run(&[snapshot, option, &keys, &capture], None);
    std::fs::write(&path, &written.stdout).expect("written");
    let same = run(&[diff, &path, &path], None);
    assert!(text(&same).starts_with("identical"), "{}", text(&same));
    let again = run(&[diff, &path, &capture, option, &keys], None);
    assert!(again.status.code() == Some(0) && text(&again).contains(" 0 different,"), "{}", text(&again));
}
