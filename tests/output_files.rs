//! Where `-o`, `--junit`, `--sarif` and `check --update` write: what is there stays what it is, and is replaced whole.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const SESSION: &str = "sessions/ffmpeg-publish-nginx.pcap";
/// Each option that names an output, with `{}` for the name; and what the output begins with.
const OUTPUTS: [(&str, &str); 5] = [
    ("snapshot c.pcap -o {}", "{\"kind\":\"header\""),
    ("lint -q c.pcap --junit {}", "<?xml"),
    ("lint -q c.pcap --sarif {}", "{\n  \"$schema\""),
    ("check -q --no-lint c.pcap --junit {}", "<?xml"),
    ("check -q --no-lint c.pcap --sarif {}", "{\n  \"$schema\""),
];

/// A directory with a capture.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a temporary directory"));
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(SESSION), place.path("c.pcap"))
            .expect("in the repository");
        fs::create_dir(place.path(".git")).expect("writable");
        assert!(place.run("check --update --no-lint c.pcap").status.success());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("rtmp-inspect"));
        command.current_dir(&self.0).args(line.split(' ')).env_remove("CI").env_remove("GITHUB_ACTIONS");
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("it starts")
    }

    /// Runs it for an output of this name, and gives the error line.
    fn fails(&self, line: &str, name: &str) -> String {
        let before = self.listing();
        let output = self.run(&line.replace("{}", name));
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{line} {name}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(name) && !stderr.contains(".rtmp-inspect-"), "names the file: {stderr}");
        assert_eq!(self.listing(), before, "{line} {name} leaves nothing behind");
        stderr
    }

    fn succeeds(&self, line: &str, name: &str) {
        let before = self.listing();
        let output = self.run(&line.replace("{}", name));
        assert!(output.status.success(), "{line} {name}: {}", String::from_utf8_lossy(&output.stderr));
        let new: Vec<_> = self.listing().into_iter().filter(|name| !before.contains(name)).collect();
        assert!(new.iter().all(|name| !name.starts_with('.')), "{new:?}");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("readable")
    }

    fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("readable");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A device of our own, so that a regression cannot do harm to the machine's. Others than root cannot make one, but
    /// can do no harm either.
    fn device(&self, name: &str, minor: &str) -> String {
        if is_root() {
            let made = Command::new("mknod").arg(self.path(name)).args(["c", "1", minor]).status();
            assert!(made.expect("mknod is there").success(), "root can make a device");
            name.to_owned()
        } else {
            format!("/dev/{name}")
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").map_or_else(|_| false, |own| own.uid() == 0)
}

#[test]
fn a_device_stays_a_device() {
    for (line, _) in OUTPUTS {
        let place = Place::new();
        let device = place.device("null", "3");
        place.succeeds(line, &device);
        symlink(&device, place.path("link")).expect("writable");
        place.succeeds(line, "link");
        let metadata = fs::symlink_metadata(place.path(&device)).expect("there");
        assert!(metadata.file_type().is_char_device(), "{line}");
        assert!(fs::symlink_metadata(place.path("link")).expect("there").is_symlink());
    }
}

#[test]
fn a_snapshot_that_is_a_link_to_a_device_leaves_the_device() {
    let place = Place::new();
    fs::remove_file(place.path("c.pcap.snapshot.jsonl")).expect("there");
    let device = place.device("null", "3");
    symlink(&device, place.path("c.pcap.snapshot.jsonl")).expect("writable");
    // Nothing can be read there, and nothing may be put in its place.
    let output = place.run("check --update --no-lint c.pcap");
    assert_eq!(output.status.code(), Some(2));
    assert!(fs::metadata(place.path(&device)).expect("there").file_type().is_char_device());
    assert!(fs::symlink_metadata(place.path("c.pcap.snapshot.jsonl")).expect("there").is_symlink());
}

#[test]
fn a_full_device_is_an_error() {
    for (line, _) in OUTPUTS {
        let place = Place::new();
        let device = place.device("full", "7");
        assert!(place.fails(line, &device).contains("No space left on device"));
    }
}

#[test]
fn a_fifo_is_written_to() {
    for (line, beginning) in OUTPUTS {
        let place = Place::new();
        assert!(Command::new("mkfifo").arg(place.path("fifo")).status().expect("mkfifo is there").success());
        let reader = Command::new("cat").arg(place.path("fifo")).stdout(Stdio::piped()).spawn().expect("cat is there");
        place.succeeds(line, "fifo");
        let read = reader.wait_with_output().expect("it ends").stdout;
        assert!(read.starts_with(beginning.as_bytes()), "{line}");
        assert!(fs::metadata(place.path("fifo")).expect("there").file_type().is_fifo());
    }
}

#[test]
fn a_fifo_whose_reader_leaves_is_no_error() {
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(place.path("fifo")).status().expect("mkfifo is there").success());
    // It opens the FIFO, and closes it without reading: more than a FIFO holds is still to come.
    let reader = Command::new("sh").current_dir(&place.0).args(["-c", ": < fifo"]).spawn();
    place.succeeds("snapshot c.pcap --payload full -o {}", "fifo");
    reader.expect("sh is there").wait().expect("it ends");
}

#[test]
fn descriptors_are_written_to_where_they_are() {
    for (line, beginning) in OUTPUTS {
        let place = Place::new();
        for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            // A pipe, and a file that others have begun.
            let piped = place.run(&line.replace("{}", name)).stdout;
            assert!(piped.starts_with(beginning.as_bytes()), "{line} {name}");
            let shell = format!("{{ echo before; \"$0\" {}; echo after; }} > shared", line.replace("{}", name));
            let program = assert_cmd::cargo::cargo_bin("rtmp-inspect");
            let run =
                Command::new("sh").current_dir(&place.0).args(["-c", &shell]).arg(program).env_remove("CI").status();
            assert!(run.expect("sh is there").success(), "{shell}");
            let expected = ["before\n", std::str::from_utf8(&piped).expect("UTF-8"), "after\n"].concat();
            assert!(place.read("shared") == expected, "{shell}");
        }
        // Another one.
        let shell = format!("{{ echo before >&3; \"$0\" {}; }} 3> third", line.replace("{}", "/dev/fd/3"));
        let program = assert_cmd::cargo::cargo_bin("rtmp-inspect");
        let run = Command::new("sh").current_dir(&place.0).args(["-c", &shell]).arg(program).env_remove("CI").status();
        assert!(run.expect("sh is there").success(), "{shell}");
        assert!(place.read("third").starts_with(&format!("before\n{beginning}")), "{shell}");
        assert!(!place.listing().iter().any(|name| name == "-"));
    }
}

#[test]
fn the_text_comes_after_a_report_on_standard_output() {
    let place = Place::new();
    let plain = place.run("lint c.pcap").stdout;
    let file = fs::File::create(place.path("both")).expect("writable");
    let status = place.command("lint c.pcap --junit /dev/stdout").stdout(file).status().expect("it starts");
    assert!(status.success());
    let both = place.read("both");
    assert!(both.starts_with("<?xml") && both.ends_with(std::str::from_utf8(&plain).expect("UTF-8")), "{both}");
}

#[test]
fn a_descriptor_for_reading_is_not_written_to() {
    let place = Place::new();
    let before = fs::read(place.path("c.pcap")).expect("readable");
    let program = assert_cmd::cargo::cargo_bin("rtmp-inspect");
    let shell = "\"$0\" snapshot c.pcap.snapshot.jsonl -o /dev/fd/3 3< c.pcap";
    let output =
        Command::new("sh").current_dir(&place.0).args(["-c", shell]).arg(program).output().expect("sh is there");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("descriptor 3 is not open for writing"));
    assert!(fs::read(place.path("c.pcap")).expect("readable") == before);
}

#[test]
fn links_are_followed_to_their_end() {
    for (line, beginning) in OUTPUTS {
        let place = Place::new();
        fs::create_dir(place.path("sub")).expect("writable");
        // Relative to where each link is; the file at the end is not there yet.
        for (to, link) in [("sub/second", "first"), ("../third", "sub/second"), ("sub/end", "third")] {
            symlink(to, place.path(link)).expect("writable");
        }
        for _ in 0..2 {
            place.succeeds(line, "first");
            assert!(place.read("sub/end").starts_with(beginning), "{line}");
        }
        for link in ["first", "sub/second", "third"] {
            assert!(fs::symlink_metadata(place.path(link)).expect("there").is_symlink(), "{line}: {link}");
        }
        symlink(place.path("sub/other"), place.path("absolute")).expect("writable");
        place.succeeds(line, "absolute");
        assert!(place.read("sub/other").starts_with(beginning), "{line}");
        symlink("circle", place.path("circle")).expect("writable");
        assert!(place.fails(line, "circle").contains("symbolic links"));
    }
}

#[test]
fn a_snapshot_that_is_a_link_is_updated_behind_it() {
    for there in [true, false] {
        let place = Place::new();
        fs::rename(place.path("c.pcap.snapshot.jsonl"), place.path("kept")).expect("there");
        let expected = place.read("kept");
        if there {
            // That of another session.
            let other = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("testdata/sessions/gstreamer-publish-nginx.pcap.snapshot.jsonl");
            fs::copy(other, place.path("kept")).expect("in the repository");
        } else {
            fs::remove_file(place.path("kept")).expect("there");
        }
        symlink("kept", place.path("c.pcap.snapshot.jsonl")).expect("writable");
        place.succeeds("check --update --no-lint c.pcap", "");
        assert!(fs::symlink_metadata(place.path("c.pcap.snapshot.jsonl")).expect("there").is_symlink());
        assert!(place.read("kept") == expected);
    }
}

#[test]
fn a_file_keeps_its_mode_and_its_owner() {
    for (line, beginning) in OUTPUTS {
        let place = Place::new();
        for mode in [0o600, 0o640, 0o755, 0o666] {
            fs::write(place.path("out"), "old").expect("writable");
            fs::set_permissions(place.path("out"), Permissions::from_mode(mode)).expect("ours");
            if is_root() {
                chown(place.path("out"), Some(1), Some(2)).expect("root can");
            }
            let before = fs::metadata(place.path("out")).expect("there");
            place.succeeds(line, "out");
            let after = fs::metadata(place.path("out")).expect("there");
            assert_eq!(after.mode() & 0o7777, mode, "{line}");
            assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()), "{line}");
            assert!(place.read("out").starts_with(beginning));
        }
    }
}

#[test]
fn a_new_file_is_as_the_umask_has_it() {
    let program = assert_cmd::cargo::cargo_bin("rtmp-inspect");
    for (line, _) in OUTPUTS {
        for (umask, mode) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
            let place = Place::new();
            let shell = format!("umask {umask}; exec \"$0\" {}", line.replace("{}", "out"));
            let mut sh = Command::new("sh");
            let status = sh.current_dir(&place.0).args(["-c", &shell]).arg(&program).env_remove("CI").status();
            assert!(status.expect("sh is there").success());
            assert_eq!(fs::metadata(place.path("out")).expect("there").mode() & 0o7777, mode, "{line}, umask {umask}");
        }
    }
}

#[test]
fn a_file_is_replaced_whole() {
    for (line, beginning) in OUTPUTS {
        let place = Place::new();
        fs::write(place.path("out"), "old").expect("writable");
        let held = fs::File::open(place.path("out")).expect("there");
        place.succeeds(line, "out");
        // Who has the old file open reads it to its end.
        assert_eq!(std::io::read_to_string(held).expect("readable"), "old", "{line}");
        assert!(place.read("out").starts_with(beginning), "{line}");
    }
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_file() {
    // A limit on the length of files is as good as a full disk, and the signal that comes with it is ignored.
    let place = Place::new();
    fs::write(place.path("out"), "old").expect("writable");
    let before = place.listing();
    let program = assert_cmd::cargo::cargo_bin("rtmp-inspect");
    let shell = "trap '' XFSZ; ulimit -f 1; exec \"$0\" snapshot c.pcap -o out";
    let output =
        Command::new("sh").current_dir(&place.0).args(["-c", shell]).arg(program).output().expect("sh is there");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr, "error: cannot write out: File too large (os error 27)\n");
    assert_eq!((place.read("out").as_str(), place.listing()), ("old", before));
}

#[test]
fn what_cannot_be_written_is_said() {
    for (line, _) in OUTPUTS {
        let place = Place::new();
        fs::create_dir(place.path("folder")).expect("writable");
        fs::write(place.path("file"), "").expect("writable");
        for name in ["folder", "folder/", "folder/.", ".", "new/"] {
            assert!(place.fails(line, name).contains("it is a directory; name a file"), "{line} {name}");
        }
        assert!(place.fails(line, "missing/out").contains("there is no folder missing"));
        assert!(place.fails(line, "file/out").contains("Not a directory"));
        assert!(place.fails(line, &"long".repeat(100)).contains("File name too long"));
        // Not even root can make a file there.
        let denied = if Path::new("/sys/kernel").is_dir() && is_root() {
            "/sys/kernel/out"
        } else {
            fs::set_permissions(place.path("folder"), Permissions::from_mode(0o555)).expect("ours");
            "folder/out"
        };
        let folder = Path::new(denied).parent().expect("it has one").display();
        let expected = format!("no file can be made in the folder {folder}: permission denied");
        assert!(place.fails(line, denied).contains(&expected));
    }
}

#[test]
fn an_output_is_no_input_and_no_other_output() {
    let place = Place::new();
    fs::hard_link(place.path("c.pcap"), place.path("hard")).expect("writable");
    symlink("hard", place.path("soft")).expect("writable");
    fs::write(place.path("rtmp-inspect.toml"), "").expect("writable");
    let contents = || {
        let names = place.listing().into_iter().filter(|name| name != ".git");
        names.map(|name| fs::read(place.path(&name)).expect("readable")).collect::<Vec<_>>()
    };
    let before = contents();
    for (line, _) in OUTPUTS {
        for name in ["c.pcap", "./c.pcap", "hard", "soft", "rtmp-inspect.toml"] {
            assert!(place.fails(line, name).contains("is an input and would be overwritten"), "{line} {name}");
        }
    }
    for line in ["check -q c.pcap --junit {}", "snapshot c.pcap.snapshot.jsonl -o {}"] {
        assert!(place.fails(line, "c.pcap.snapshot.jsonl").contains("is an input"));
    }
    for line in ["lint c.pcap --junit new --sarif {}", "check c.pcap --junit {} --sarif {}"] {
        assert!(place.fails(line, "./new").contains("is given for two outputs"));
    }
    let stdin = fs::File::open(place.path("c.pcap")).expect("there");
    let output = place.command("snapshot - -o soft").stdin(stdin).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(contents() == before);
    // A snapshot beside the capture that leads back to the capture.
    fs::remove_file(place.path("c.pcap.snapshot.jsonl")).expect("there");
    symlink("c.pcap", place.path("c.pcap.snapshot.jsonl")).expect("writable");
    let capture = fs::read(place.path("c.pcap")).expect("readable");
    place.run("check --update c.pcap");
    assert!(fs::read(place.path("c.pcap")).expect("readable") == capture);
    // Devices are read and written at once.
    assert_eq!(place.run("lint -q c.pcap --junit /dev/stderr --sarif /dev/stderr").status.code(), Some(0));
}
