//! `decode -i` and `decode --follow`: captures that are still being made. What captures is a stand-in here; the real ones
//! are in `tests/e2e/live.py`, with their delay.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const CAPTURE: &str = "captures/a/ffmpeg_pub_c4096.pcap";

/// A directory with a program called `tcpdump` or `dumpcap` that runs this.
fn stand_in(name: &str, script: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be run");
    dir
}

fn program(path: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    // The shell's own programs come after the stand-in.
    command.args(args).current_dir(testdata()).env("PATH", format!("{}:/bin:/usr/bin", path.display()));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn rows_and_losses_of_what_captures() {
    let file = testdata().join(CAPTURE);
    let said = "echo '3 packets captured' >&2; echo '2 packets dropped by kernel' >&2";
    let dir = stand_in("tcpdump", &format!("echo \"$@\" > \"$0.args\"; cat '{}'; {said}", file.display()));
    let live = program(dir.path(), &["decode", "-i", "eth9", "--decode-as", "tcp:1936"]).output().expect("it runs");
    let read = program(dir.path(), &["decode", CAPTURE]).output().expect("it runs");
    assert_eq!(text(&live.stdout), text(&read.stdout));
    assert_eq!(text(&live.stderr), "warning: tcpdump lost 2 packets, which show as gaps; the filter may leave fewer\n");
    let args = fs::read_to_string(dir.path().join("tcpdump.args")).expect("it ran");
    assert!(args.contains("-i eth9") && args.contains("-U --immediate-mode"), "{args}");
    assert!(args.ends_with("tcp port 1935 or tcp port 1936 or (ip[6:2] & 0x1fff != 0)\n"), "{args}");
    let live =
        program(dir.path(), &["decode", "--interface", "any", "--capture-filter", "tcp"]).output().expect("it runs");
    assert_eq!(text(&live.stdout), text(&read.stdout));
    let args = fs::read_to_string(dir.path().join("tcpdump.args")).expect("it ran");
    assert!(args.contains("-i any") && args.ends_with(" tcp\n"), "{args}");
}

/// One that may not capture is passed over for one that may.
#[test]
fn dumpcap_takes_the_place_of_a_tcpdump_that_may_not_capture() {
    let file = testdata().join(CAPTURE);
    let dir =
        stand_in("tcpdump", "echo \"tcpdump: eth9: You don't have permission to capture on that device\" >&2; exit 1");
    let counts = "Packets received/dropped on interface 'eth9': 3/1 (pcap:1/dumpcap:0/flushed:0/ps_ifdrop:0) (75.0%)";
    let other = stand_in("dumpcap", &format!("cat '{}'; echo \"{counts}\" >&2", file.display()));
    let script = other.path().join("dumpcap");
    fs::copy(&script, dir.path().join("dumpcap")).expect("writable");
    let output = program(dir.path(), &["decode", "-i", "eth9"]).output().expect("it runs");
    assert!(text(&output.stdout).contains("connect('live')"));
    assert!(text(&output.stderr).contains("dumpcap lost 1 packet,"), "{}", text(&output.stderr));
}

#[test]
fn what_cannot_capture_is_said_with_the_reason() {
    let denied = "echo \"$0: eth9: You don't have permission to capture on that device\" >&2; exit 1";
    let dir = stand_in("tcpdump", denied);
    fs::copy(dir.path().join("tcpdump"), dir.path().join("dumpcap")).expect("writable");
    let output = program(dir.path(), &["decode", "-i", "eth9"]).output().expect("it runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.starts_with("error: cannot capture on eth9") && said.contains("permission"), "{said}");
    assert!(said.contains("run it as root, or give dumpcap the right"), "{said}");
    for args in [&["decode", "-i", "eth9", "x.pcap"][..], &["decode", "--capture-filter", "tcp", CAPTURE], &["decode"]]
    {
        assert_eq!(program(dir.path(), args).output().expect("it runs").status.code(), Some(2), "{args:?}");
    }
}

/// A capture that never ends by itself, and what has to end it.
fn endless() -> tempfile::TempDir {
    let file = testdata().join(CAPTURE);
    let script = "trap 'echo 0 packets dropped by kernel >&2; kill $!; rm -f \"$0.runs\"; exit 0' TERM";
    stand_in("tcpdump", &format!("{script}; touch \"$0.runs\"; cat '{}'; sleep 600 & wait", file.display()))
}

#[test]
fn an_output_limit_ends_what_captures() {
    let dir = endless();
    let started = Instant::now();
    let output = program(dir.path(), &["decode", "-i", "eth9", "-c", "3"]).output().expect("it runs");
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    assert_eq!(text(&output.stdout).lines().count(), 4);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(!dir.path().join("tcpdump.runs").exists(), "it was told to end");
}

#[test]
fn an_interrupt_ends_what_captures_and_the_rows_are_whole() {
    let dir = endless();
    let mut child = program(dir.path(), &["decode", "-i", "eth9"]).spawn().expect("it runs");
    wait_for_row(&mut child, "publish('one')");
    interrupt(&child);
    let output = end_of(child);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    assert!(!dir.path().join("tcpdump.runs").exists(), "it was told to end");
}

#[test]
fn a_file_that_grows_is_followed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("growing.pcap");
    let whole = fs::read(testdata().join(CAPTURE)).expect("readable");
    let mut file = fs::File::create(&path).expect("writable");
    // In the middle of a packet.
    file.write_all(&whole[..9000]).expect("writable");
    let mut child =
        program(dir.path(), &["decode", "--follow", path.to_str().expect("UTF-8")]).spawn().expect("it runs");
    let mut reader = wait_for_row(&mut child, "connect('live')");
    file.write_all(&whole[9000..]).expect("writable");
    let mut rest = String::new();
    while !rest.contains("deleteStream") {
        assert!(reader.read_line(&mut rest).expect("UTF-8") > 0, "{rest}");
    }
    interrupt(&child);
    assert_eq!(end_of(child).status.code(), Some(0));
    let refused = program(dir.path(), &["decode", "--follow", "-"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
}

/// Reads rows up to one that contains this.
fn wait_for_row(child: &mut Child, words: &str) -> BufReader<std::process::ChildStdout> {
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert!(reader.read_line(&mut line).expect("UTF-8") > 0, "it ended without {words}");
    }
    reader
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(status.success());
}

fn end_of(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
