//! What a newcomer may hand to the program by mistake: every subcommand that reads captures says what is wrong with the
//! file, by its name, and fails with status 2; nothing panics and nothing is printed as if it were a result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GOOD: &str = "captures/a/ffmpeg_pub_c4096.pcap";

/// How each subcommand is given one file; `FILE` stands for it.
const COMMANDS: [&[&str]; 10] = [
    &["decode", "FILE"],
    &["streams", "FILE"],
    &["follow", "FILE"],
    &["relay", "FILE"],
    &["lint", "FILE"],
    &["snapshot", "FILE"],
    &["diff", "FILE", GOOD],
    &["diff", GOOD, "FILE"],
    &["payload", "FILE", GOOD],
    &["check", "FILE"],
];

#[test]
fn a_file_that_is_not_a_capture_is_named_and_explained() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let good = fs::read(testdata().join(GOOD)).expect("in the repository");
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).expect("writable");
        path
    };
    let folder = directory.path().join("folder.pcap");
    fs::create_dir(&folder).expect("writable");
    // The eight bytes that every PNG begins with (PNG 5.2), and its first chunk's length and type.
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";
    for (path, words) in [
        (directory.path().join("missing.pcap"), "No such file"),
        (folder, "folder.pcap"),
        (file("empty.pcap", b""), "the file is empty"),
        (file("text.pcap", b"Dear developer,\nhere is my capture.\n"), "it looks like text"),
        (file("cut.pcap", &good[..10]), "10 of 24 bytes"),
        (file("garbage.pcap.gz", b"\x1f\x8b\x08garbage and more garbage"), "gzip data is damaged"),
        (file("picture.png", png), "PNG image"),
    ] {
        let name = path.file_name().expect("a name").to_str().expect("UTF-8");
        for command in COMMANDS {
            // The first argument of `payload` may be any file: its bytes are what is looked for.
            if command[0] == "payload" && !path.ends_with("missing.pcap") && !path.is_dir() {
                continue;
            }
            let output = run(command, &path);
            // `check` prints its verdict on each capture, with the reason, on standard output.
            let said = if command[0] == "check" { both(&output) } else { text(&output.stderr) };
            assert_eq!(output.status.code(), Some(2), "{command:?} {name}: {said}");
            assert!(said.contains(name) && said.contains(words), "{command:?} {name}: {said}");
            assert!(!said.contains("panicked"), "{command:?} {name}: {said}");
            assert!(command[0] == "check" || output.stdout.is_empty(), "{command:?} {name}: {}", text(&output.stdout));
        }
    }
}

#[test]
fn a_capture_cut_in_a_frame_is_read_up_to_it_with_a_warning_that_says_where() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("cut.pcap");
    let good = fs::read(testdata().join(GOOD)).expect("in the repository");
    let (frames, cut) = (frames_within(&good, 3000), 3000);
    fs::write(&path, &good[..cut]).expect("writable");
    for command in [&["decode", "FILE"][..], &["streams", "FILE"], &["lint", "FILE"], &["snapshot", "FILE"]] {
        let output = run(command, &path);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {said}");
        assert!(said.contains("warning") && said.contains(&format!("frames 1 to {frames} were read")), "{said}");
        assert!(!output.stdout.is_empty(), "{command:?}");
    }
}

/// How many frames of a little-endian pcap file are whole in its first `len` bytes.
fn frames_within(file: &[u8], len: usize) -> usize {
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1], "little-endian, microseconds");
    let (mut at, mut frames) = (24, 0);
    while at + 16 <= len {
        let captured = u32::from_le_bytes(file[at + 8..at + 12].try_into().expect("four bytes"));
        at += 16 + captured as usize;
        frames += usize::from(at <= len);
    }
    frames
}

fn run(command: &[&str], path: &Path) -> Output {
    let path = path.to_str().expect("UTF-8");
    let args = command.iter().map(|&arg| if arg == "FILE" { path } else { arg });
    Command::new(env!("CARGO_BIN_EXE_rtmp-inspect")).args(args).current_dir(testdata()).output().expect("it runs")
}

/// Both outputs, without the line breaks that the report is wrapped with.
fn both(output: &Output) -> String {
    let said = text(&output.stdout) + &text(&output.stderr);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
