//! `rtmp-inspect check` from outside: outcomes, exit status, `--update`, and what it says of a session that changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::kit::edit::{CLIENT, is_picture, is_sound};
use crate::kit::encode::Message;
use crate::kit::recording::Recording;
use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// An ordinary publish by ffmpeg.
const SESSION: &str = "ffmpeg-publish-nginx.pcap";

/// What is changed in a session, by its name.
type Change = (&'static str, fn(&mut Recording), &'static [&'static str]);

/// One change each, and what the failure has to say: the message, the field, both values, the cause.
const CHANGES: &[Change] = &[
    ("nothing", |_| {}, &[]),
    (
        "a property of a message",
        |session| session.replace_in("connect", b"FMLE/3.0", b"FMLE/4.0"),
        &["connect row", "connect.flashVer", "FMLE/3.0", "FMLE/4.0", "connect-properties"],
    ),
    (
        "a number in the metadata",
        |session| {
            let at = session.find(|message| message.type_id == 18);
            // width 320 becomes 640
            session.replace(at, &320_f64.to_be_bytes(), &640_f64.to_be_bytes());
        },
        &["onMetaData row", "onMetaData.width", "320", "640", "meta-vs-stream"],
    ),
    (
        "a byte of a picture",
        |session| {
            let at = session.nth(3, is_picture);
            let last = session.message(at).body.len() - 1;
            session.message(at).body[last] ^= 0x40;
        },
        &[
            "video data row",
            "video.payload",
            "335 bytes; message of 340 bytes, SHA-256 ",
            "A    message of 340 bytes, SHA-256 ",
        ],
    ),
    (
        "a message that is missing",
        |session| {
            let at = session.nth(10, is_sound);
            session.remove(at);
        },
        &["audio data line", "has no such message", "is left out", "mistake:left-out:message"],
    ),
    (
        "a command more",
        |session| {
            let at = session.command("publish");
            let body =
                [crate::kit::amf0::string("FCSubscribe"), crate::kit::amf0::number(9.0), crate::kit::amf0::null()]
                    .concat();
            session.insert(at, Message::new(3, 20, 0, 0, &body));
        },
        &["FCSubscribe row", "has no such message", "only B has FCSubscribe()", "commands-differ"],
    ),
    (
        "the chunk size",
        |session| {
            let at = session.find(|message| message.type_id == 1);
            assert!(session.steps[at].from_client || at > 0);
            session.message(at).body = 5000_u32.to_be_bytes().to_vec();
        },
        &["Set Chunk Size row", "scm.chunksize", "00 00 10 00  4096", "00 00 13 88  5000", "control-differs"],
    ),
    (
        "a timestamp",
        |session| {
            let at = session.nth(5, is_sound);
            session.message(at).timestamp += 700;
        },
        &["audio data row", "header.timestamp", "173", "873", "ts-negative-delta"],
    ),
    (
        "the stream's name in publish only",
        |session| session.replace_in("publish", b"pair", b"peer"),
        &["publish row", "publish.name", "'<stream-key-1>'", "'<stream-key-2>'", "stream-name-differs"],
    ),
];

impl Recording {
    fn replace_in(&mut self, command: &str, from: &[u8], to: &[u8]) {
        let at = self.command(command);
        self.replace(at, from, to);
    }
}

#[test]
fn one_change_fails_and_is_named() {
    let show = std::env::var("SHOW").unwrap_or_default();
    let mut wrong = Vec::new();
    for (what, change, needles) in CHANGES {
        let directory = sessions(&[]);
        let mut session = Recording::read(&testdata().join("sessions").join(SESSION), 0);
        change(&mut session);
        let capture = directory.path().join("a.pcap");
        fs::write(&capture, session.pcap()).expect("writable");
        copy_snapshot(SESSION, &capture);
        let output = check(directory.path(), &["--no-lint"]);
        let said = text(&output);
        if !show.is_empty() && what.contains(&show) {
            println!("{what}: {:?}\n{said}", output.status.code());
        }
        let expected = i32::from(!needles.is_empty());
        if output.status.code() != Some(expected) {
            wrong.push(format!("{what}: status {:?}\n{said}", output.status.code()));
        }
        for needle in needles.iter().filter(|needle| !said.contains(**needle)) {
            wrong.push(format!("{what}: `{needle}` is not in\n{said}"));
        }
        if needles.is_empty() && said.trim() != "1 capture: 1 passed" {
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_sessions_of_the_repository_pass() {
    let output = command(&testdata().join(".."), &["testdata/sessions"]);
    assert_eq!(text(&output), "10 captures: 10 passed\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn snapshots_are_made_kept_and_removed_as_asked_for() {
    let directory = sessions(&[SESSION]);
    let snapshot = directory.path().join(format!("{SESSION}.snapshot.jsonl"));
    let made = fs::read(&snapshot).expect("a snapshot");
    fs::remove_file(&snapshot).expect("it was there");

    let missing = check(directory.path(), &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        text(&missing).contains(&format!("rtmp-inspect check --update {SESSION} creates it")),
        "{}",
        text(&missing)
    );

    let updated = check(directory.path(), &["--update"]);
    assert_eq!(updated.status.code(), Some(0), "{}", text(&updated));
    assert!(text(&updated).ends_with("1 capture: 1 updated\n"), "{}", text(&updated));
    assert!(fs::read(&snapshot).expect("made") == made, "the same as in the repository");
    // What needs none is not rewritten.
    let before = fs::metadata(&snapshot).and_then(|data| data.modified()).expect("a time");
    assert_eq!(text(&check(directory.path(), &["--update"])), "1 capture: 1 passed\n");
    assert_eq!(fs::metadata(&snapshot).and_then(|data| data.modified()).expect("a time"), before);

    fs::remove_file(directory.path().join(SESSION)).expect("it was there");
    let orphan = check(directory.path(), &[]);
    assert_eq!(orphan.status.code(), Some(1));
    assert!(text(&orphan).contains("stale: the capture of this snapshot does not exist"), "{}", text(&orphan));
    assert_eq!(check(directory.path(), &["--update"]).status.code(), Some(1), "only --prune removes");
    assert!(snapshot.exists());
    let pruned = check(directory.path(), &["--update", "--prune"]);
    assert_eq!((pruned.status.code(), snapshot.exists()), (Some(0), false), "{}", text(&pruned));
}

#[test]
fn a_difference_is_shown_before_it_becomes_the_snapshot() {
    let directory = sessions(&[]);
    let capture = directory.path().join("a.pcap");
    let mut session = Recording::read(&testdata().join("sessions").join(SESSION), 0);
    session.replace_in("connect", b"FMLE/3.0", b"FMLE/4.0");
    fs::write(&capture, session.pcap()).expect("writable");
    copy_snapshot(SESSION, &capture);
    let output = check(directory.path(), &["--update"]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output);
    let at = |needle: &str| said.find(needle).unwrap_or_else(|| panic!("{needle} is not in\n{said}"));
    assert!(at("FMLE/4.0") < at("a.pcap.snapshot.jsonl was rewritten"));
    assert_eq!(check(directory.path(), &[]).status.code(), Some(0));
}

#[test]
fn ci_writes_no_snapshots() {
    for (ci, status) in [("true", 2), ("1", 2), ("false", 0), ("0", 0), ("", 0)] {
        let directory = sessions(&[SESSION]);
        fs::remove_file(directory.path().join(format!("{SESSION}.snapshot.jsonl"))).expect("it was there");
        let output = program(directory.path(), &["check", "--update"]).env("CI", ci).output().expect("it starts");
        assert_eq!(output.status.code(), Some(status), "CI={ci}");
        let made = directory.path().join(format!("{SESSION}.snapshot.jsonl")).exists();
        assert_eq!(made, status == 0, "CI={ci}");
    }
}

#[test]
fn a_snapshot_of_an_older_format_is_stale() {
    let directory = sessions(&[SESSION]);
    let path = directory.path().join(format!("{SESSION}.snapshot.jsonl"));
    let now = fs::read_to_string(&path).expect("a snapshot");
    let version = format!("\"format_version\":{}", rtmp_inspect::snapshot::FORMAT_VERSION);
    assert!(now.contains(&version));
    fs::write(&path, now.replacen(&version, "\"format_version\":0", 1)).expect("writable");
    let output = check(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("stale: its snapshot is of format 0"), "{}", text(&output));
    assert_eq!(check(directory.path(), &["--update"]).status.code(), Some(0));
    assert!(fs::read_to_string(&path).expect("rewritten") == now);
    // A newer one is not to be written over.
    fs::write(&path, now.replacen(&version, "\"format_version\":99", 1)).expect("writable");
    assert_eq!(check(directory.path(), &["--update"]).status.code(), Some(2));
}

#[test]
fn what_cannot_be_read_leaves_the_rest_checked() {
    let directory = sessions(&[SESSION]);
    let at = |name: &str| directory.path().join(name);
    fs::write(at("a.pcap"), "This is a letter, not a capture.\n").expect("writable");
    let whole = fs::read(testdata().join("sessions").join(SESSION)).expect("a capture");
    fs::write(at("cut.pcap"), &whole[..whole.len() / 2 + 3]).expect("writable");
    copy_snapshot(SESSION, &at("cut.pcap"));
    fs::write(at("damaged.pcap"), &whole).expect("writable");
    copy_snapshot(SESSION, &at("damaged.pcap"));
    let half = fs::read(at("damaged.pcap.snapshot.jsonl")).expect("a snapshot");
    fs::write(at("damaged.pcap.snapshot.jsonl"), &half[..half.len() / 2]).expect("writable");

    let output = check(directory.path(), &["-v", "--no-lint"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output);
    assert!(said.ends_with("4 captures: 1 passed, 1 different, 2 not checked\n"), "{said}");
    for needle in
        ["cannot read a.pcap", "cannot read the snapshot damaged.pcap.snapshot.jsonl", "note: warning: cut.pcap"]
    {
        assert!(said.contains(needle), "{needle} is not in\n{said}");
    }
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn wrong_usage_is_status_2() {
    let directory = sessions(&[SESSION]);
    fs::create_dir(directory.path().join("empty")).expect("writable");
    let snapshot = format!("{SESSION}.snapshot.jsonl");
    for arguments in [
        &["missing"][..],
        &["empty"],
        &[snapshot.as_str()],
        &["--against", snapshot.as_str(), SESSION, "../missing"],
        &["--prune"],
        &["--config", "missing.toml"],
    ] {
        let output = command(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    fs::write(directory.path().join("rtmp-inspect.toml"), "ignor = []\n").expect("writable");
    let output = command(directory.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("rtmp-inspect.toml:1:1: unknown key `ignor`") && said.contains("did you mean `ignore`?"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_snapshot_that_cannot_be_written_is_status_2() {
    let directory = sessions(&[SESSION]);
    let snapshot = directory.path().join(format!("{SESSION}.snapshot.jsonl"));
    // A directory is in its place: that stops root too.
    fs::remove_file(&snapshot).expect("it was there");
    fs::create_dir(&snapshot).expect("writable");
    fs::write(snapshot.join("x"), "").expect("writable");
    let output = check(directory.path(), &["--update"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn another_file_can_be_compared_with() {
    let directory = sessions(&[SESSION]);
    let other = testdata().join("captures/pairs/01_same_twice_B.pcap");
    let other = other.to_str().expect("UTF-8");
    for against in [other, &format!("{SESSION}.snapshot.jsonl")] {
        let output = command(directory.path(), &["--against", against, "--no-lint", SESSION]);
        assert_eq!(output.status.code(), Some(0), "{against}: {}", text(&output));
    }
    // A re-recording against the snapshot.
    let snapshot = directory.path().join(format!("{SESSION}.snapshot.jsonl"));
    let output = command(directory.path(), &["--against", snapshot.to_str().expect("UTF-8"), other]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn the_configuration_counts_and_the_command_line_more() {
    let directory = sessions(&[]);
    let capture = directory.path().join("sub/a.pcap");
    fs::create_dir(directory.path().join("sub")).expect("writable");
    let mut session = Recording::read(&testdata().join("sessions").join(SESSION), 0);
    session.replace_in("connect", b"FMLE/3.0", b"FMLE/4.0");
    fs::write(&capture, session.pcap()).expect("writable");
    copy_snapshot(SESSION, &capture);
    let config = |text: &str| fs::write(directory.path().join("rtmp-inspect.toml"), text).expect("writable");
    let status = |arguments: &[&str]| command(directory.path(), arguments).status.code();

    assert_eq!(status(&[]), Some(1));
    assert_eq!(status(&["--ignore", "connect.flashVer"]), Some(0));
    config("ignore = ['connect.flashVer']");
    assert_eq!(status(&[]), Some(0), "found upwards");
    assert_eq!(status(&["--no-config"]), Some(1));
    config("[[override]]\nfiles = ['b*.pcap']\nignore = ['connect.flashVer']");
    assert_eq!(status(&[]), Some(1), "it is for other files");
    config("[[override]]\nfiles = ['sub/*']\nignore = ['connect.flashVer']");
    assert_eq!(status(&[]), Some(0));
    // The nearest counts alone.
    fs::write(directory.path().join("sub/rtmp-inspect.toml"), "").expect("writable");
    assert_eq!(status(&[]), Some(1));
    assert_eq!(status(&["--config", "rtmp-inspect.toml"]), Some(0));
    config("exclude = ['sub/**']");
    assert_eq!(status(&["--config", "rtmp-inspect.toml"]), Some(2), "there is nothing left");
    assert_eq!(status(&["--config", "rtmp-inspect.toml", "sub/a.pcap"]), Some(1), "it is named");
    // diff takes the same file.
    fs::write(directory.path().join("sub/rtmp-inspect.toml"), "ignore = ['connect.flashVer']").expect("writable");
    let arguments = ["diff", "sub/a.pcap.snapshot.jsonl", "sub/a.pcap"];
    let output = program(directory.path(), &arguments).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let output = program(directory.path(), &[&arguments[..], &["--no-config"]].concat()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn levels_decide_what_fails() {
    let directory = sessions(&["ffmpeg-name-in-use-nginx.pcap"]);
    let status = |arguments: &[&str]| command(directory.path(), arguments).status.code();
    assert_eq!(status(&[]), Some(1), "onstatus-error is fatal");
    assert_eq!(status(&["--fail-on", "never"]), Some(0));
    assert_eq!(status(&["--no-lint"]), Some(0));
    assert_eq!(status(&["--skip", "onstatus-error"]), Some(0));
    let config = |text: &str| fs::write(directory.path().join("rtmp-inspect.toml"), text).expect("writable");
    config("[rules]\nonstatus-error = 'warning'");
    assert_eq!(status(&[]), Some(0));
    assert_eq!(status(&["--fail-on", "warning"]), Some(1));
    config("lint = false");
    assert_eq!(status(&[]), Some(0));
    config("fail-on = 'never'");
    assert_eq!(status(&[]), Some(0));
    assert_eq!(status(&["--fail-on", "error"]), Some(1), "the command line counts more");
}

#[test]
fn secrets_are_hidden_unless_asked_for() {
    let directory = sessions(&[]);
    let mut session = Recording::read(&testdata().join("sessions").join(SESSION), 0);
    for command in ["releaseStream", "FCPublish", "publish"] {
        session.replace_in(command, b"\0\x04pair", b"\0\x0cxk3y-9921-zz");
    }
    session.drop_all(CLIENT, |message| message.is_command("FCUnpublish"));
    let capture = directory.path().join("a.pcap");
    fs::write(&capture, session.pcap()).expect("writable");
    copy_snapshot("gstreamer-publish-nginx.pcap", &capture);
    for format in ["text", "json", "github", "sarif", "junit"] {
        let hidden = command(directory.path(), &["--format", format, "-v"]);
        assert_eq!(hidden.status.code(), Some(1));
        assert!(!text(&hidden).contains("9921"), "{format}: {}", text(&hidden));
        assert!(!text(&hidden).contains("78 6b 33 79") && !text(&hidden).contains("786b3379"), "{format}: in hex");
    }
    assert!(text(&command(directory.path(), &["-v", "--show-secrets"])).contains("xk3y-9921-zz"));
}

#[test]
fn captures_are_found_by_name_and_by_content() {
    let directory = sessions(&[]);
    let capture = fs::read(testdata().join("sessions").join(SESSION)).expect("a capture");
    for name in
        ["b/one.PCAP", "b/two.dump", "a/three.pcapng", ".hidden/four.pcap", "b/.five.pcap", "notes.txt", "b/six.cap.gz"]
    {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
        fs::write(&path, if name == "notes.txt" { b"text" } else { capture.as_slice() }).expect("writable");
    }
    let output = command(directory.path(), &["--format", "json", "--no-lint"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found: Vec<_> =
        report["captures"].as_array().expect("a list").iter().map(|one| one["capture"].clone()).collect();
    assert_eq!(found, ["a/three.pcapng", "b/one.PCAP", "b/six.cap.gz", "b/two.dump"]);
    // MessageIdentity twice it is checked once, and the order is that of the command line.
    let output = command(directory.path(), &["--format", "json", "--no-lint", "b/two.dump", "b"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found: Vec<_> =
        report["captures"].as_array().expect("a list").iter().map(|one| one["capture"].clone()).collect();
    assert_eq!(found, ["b/two.dump", "b/one.PCAP", "b/six.cap.gz"]);
}

/// A directory with sessions of the repository and their snapshots, and nothing above it that counts.
fn sessions(names: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(directory.path().join(".git")).expect("writable");
    for name in names {
        let capture = directory.path().join(name);
        fs::copy(testdata().join("sessions").join(name), &capture).expect("in the repository");
        copy_snapshot(name, &capture);
    }
    directory
}

/// Puts the snapshot of one of the repository's sessions beside a capture.
fn copy_snapshot(of: &str, capture: &Path) {
    let from = testdata().join("sessions").join(format!("{of}.snapshot.jsonl"));
    let to = format!("{}.snapshot.jsonl", capture.display());
    fs::copy(from, to).expect("in the repository");
}

fn check(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments)
}

fn command(directory: &Path, arguments: &[&str]) -> Output {
    program(directory, &[&["check"], arguments].concat()).output().expect("it starts")
}

/// The program in a directory, by hand: not as on a CI server.
fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("rtmp-inspect").expect("it was built");
    command.current_dir(directory).args(arguments).env_remove("CI").env_remove("GITHUB_ACTIONS");
    command
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
