//! Long work: progress on a terminal, and Ctrl-C.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::tables::testdata;

/// A capture with a session again and again, of so many bytes at least. Each begins with a SYN: a connection of its own.
fn long_capture(bytes: usize) -> Vec<u8> {
    let one = fs::read(testdata().join("captures/a/ffmpeg_pub_play.pcap")).expect("a capture");
    let mut long = one[..24].to_vec();
    while long.len() < bytes {
        long.extend_from_slice(&one[24..]);
    }
    long
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"));
    command.args(arguments).stdout(Stdio::piped());
    command
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("it runs");
}

#[test]
fn long_reading_shows_how_far_it_is_and_how_fast() {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&controller).and_then(|()| unlockpt(&controller)).expect("a pseudo-terminal");
    let name = ptsname(&controller, Vec::new()).expect("its name");
    let terminal =
        OpenOptions::new().read(true).write(true).open(Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())));
    let terminal = terminal.expect("a terminal");
    let mut child = program(&["decode", "-"]).stdin(Stdio::piped()).stderr(terminal).spawn().expect("it starts");
    let (mut input, mut output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let reader = thread::spawn(move || {
        let mut rows = Vec::new();
        output.read_to_end(&mut rows).map(|_| rows)
    });
    let capture = long_capture(4 << 20);
    let (before, after) = capture.split_at(capture.len() / 2);
    input.write_all(before).expect("it reads");
    // Longer than what needs no progress.
    thread::sleep(Duration::from_millis(1300));
    input.write_all(after).expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
    drop(child);
    let mut seen = Vec::new();
    // The terminal has no other end any more: what is left is read, and then an error.
    let mut screen = File::from(controller);
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = screen.read(&mut part) {
        seen.extend_from_slice(&part[..count]);
    }
    let seen = String::from_utf8(seen).expect("UTF-8");
    assert!(seen.contains("MiB, ") && seen.contains(" MiB/s"), "{seen:?}");
    assert!(seen.ends_with("\r\u{1b}[K"), "{seen:?}");
    assert!(reader.join().expect("it ends").expect("rows").ends_with(b"\n"));
}

#[test]
fn an_interrupted_list_ends_at_once_in_a_whole_line() {
    let capture = testdata().join("captures/a/ffmpeg_pub_play.pcap");
    let arguments = ["decode", "-V", capture.to_str().expect("UTF-8")];
    let all = program(&arguments).output().expect("it runs").stdout;
    let mut child = program(&arguments).stderr(Stdio::null()).spawn().expect("it starts");
    let mut output = child.stdout.take().expect("piped");
    let mut printed = vec![0; 1000];
    output.read_exact(&mut printed).expect("rows");
    // The pipe is full by now, and a piece that it has no room for waits.
    thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    interrupt(&child);
    // Its reader is a little late.
    thread::sleep(Duration::from_millis(60));
    output.read_to_end(&mut printed).expect("rows");
    let status = child.wait().expect("it ends");
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(printed.ends_with(b"\n") && all.starts_with(&printed) && printed.len() < all.len(), "{}", printed.len());
}

#[test]
fn an_interrupted_wait_for_a_pipe_ends_at_once() {
    let mut child = program(&["decode", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(&long_capture(1 << 10)).expect("it reads");
    input.flush().expect("it reads");
    let mut output = child.stdout.take().expect("piped");
    let mut printed = vec![0; 1000];
    output.read_exact(&mut printed).expect("live rows");
    interrupt(&child);
    output.read_to_end(&mut printed).expect("rows");
    assert_eq!(child.wait().expect("it ends").signal(), Some(Signal::INT.as_raw()));
    assert!(printed.ends_with(b"\n"));
}
