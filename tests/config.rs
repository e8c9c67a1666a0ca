//! `rtmp-inspect.toml` from outside: where it is found, what is in force, and what is said of mistakes.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const TOML: &str = "\
ignore = [\"onMetaData.encoder\"]
fail-on = \"warning\"

[[override]]
files = [\"obs-*.pcap\"]
ignore = [\"connect.flashVer\"]
ports = [1936]
rules = { keyframe-interval = \"off\" }
";

#[test]
fn each_value_says_where_it_comes_from() {
    let directory = project();
    let of = |arguments: &[&str]| -> Value {
        let output = run(directory.path(), &[&["config", "--format", "json"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let other = of(&["captures/other.pcap"]);
    assert_eq!(other["file"], "rtmp-inspect.toml");
    assert_eq!(other["settings"]["fail_on"]["value"], "warning");
    assert_eq!(other["settings"]["fail_on"]["origin"], "rtmp-inspect.toml:2");
    assert_eq!(other["settings"]["ports"]["origin"], "default");

    let obs = of(&["captures/obs-1.pcap", "--fail-on", "never", "--ignore", "x.*"]);
    let settings = &obs["settings"];
    assert_eq!(
        (&settings["fail_on"]["value"], &settings["fail_on"]["origin"]),
        (&"never".into(), &"command line".into())
    );
    let origins: Vec<_> =
        settings["ignore"].as_array().expect("a list").iter().map(|set| set["origin"].clone()).collect();
    assert_eq!(origins, ["rtmp-inspect.toml:1", "rtmp-inspect.toml:6, for obs-*.pcap", "command line"]);
    assert_eq!(settings["ports"]["value"], serde_json::json!([1936]));
    assert_eq!(settings["rules"][0]["origin"], "rtmp-inspect.toml:8, for obs-*.pcap");
    assert_eq!(settings["payload"]["value"], "sha256");

    let text = run(directory.path(), &["config", "captures/obs-1.pcap"]);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(text.contains("  fail-on                  warning"), "{text}");
    assert!(
        text.lines().any(|line| line.ends_with("off                 rtmp-inspect.toml:8, for obs-*.pcap")),
        "{text}"
    );
}

#[test]
fn the_repository_is_where_the_search_ends() {
    let directory = project();
    let inner = directory.path().join("captures/inner");
    fs::create_dir_all(inner.join(".git")).expect("writable");
    let output = run(directory.path(), &["config", "--format", "json", "captures/inner"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["file"], Value::Null, "what is above is another repository's");
    // A worktree has a file of that name.
    fs::remove_dir(inner.join(".git")).expect("writable");
    fs::write(inner.join(".git"), "gitdir: elsewhere\n").expect("writable");
    let output = run(&inner, &["config", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["file"], Value::Null);
}

#[test]
fn lint_diff_and_snapshot_read_it() {
    let directory = project();
    let captures = directory.path().join("captures");
    let status = |arguments: &[&str]| run(directory.path(), arguments).status.code();
    // Nothing in this capture is on port 1936, and nothing else is looked at.
    let other = run(directory.path(), &["lint", "captures/other.pcap"]);
    assert!(String::from_utf8_lossy(&other.stdout).contains("(1 connection, "));
    let obs = run(directory.path(), &["lint", "captures/obs-1.pcap"]);
    assert!(String::from_utf8_lossy(&obs.stdout).contains("(0 connections, 0 messages)"));
    assert_eq!(status(&["lint", "--port", "1935", "captures/obs-1.pcap"]), Some(0), "the command line counts more");
    assert_eq!(status(&["snapshot", "captures/other.pcap"]), Some(0));
    assert_eq!(status(&["snapshot", "captures/obs-1.pcap"]), Some(2), "no RTMP on that port");
    assert_eq!(status(&["snapshot", "--no-config", "captures/obs-1.pcap"]), Some(0));
    assert_eq!(status(&["diff", "captures/other.pcap", "captures/obs-1.pcap"]), Some(2), "one of them has nothing");
    assert_eq!(status(&["diff", "--no-config", "captures/other.pcap", "captures/obs-1.pcap"]), Some(0));
    fs::write(captures.join("rtmp-inspect.toml"), "payload = 'full'").expect("writable");
    let snapshot = run(directory.path(), &["snapshot", "captures/obs-1.pcap"]);
    assert!(snapshot.stdout.starts_with(b"{\"kind\":\"header\"") && !snapshot.stdout.is_empty());
    assert!(
        String::from_utf8_lossy(&snapshot.stdout)
            .lines()
            .next()
            .is_some_and(|line| line.contains("\"payload\":\"full\""))
    );
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let directory = project();
    for (text, says) in [
        ("fail-on = 'eror'\n", &["rtmp-inspect.toml:1:11", "it may be `info`"][..]),
        ("fail_on = 'error'\n", &["rtmp-inspect.toml:1:1", "did you mean `fail-on`?"]),
        ("\nports = [1936\n", &["rtmp-inspect.toml:"]),
        ("[rules]\nchunk-size = 'off'\n", &["rtmp-inspect.toml:2:1", "unknown rule `chunk-size`", "did you mean"]),
        ("ignore = ['a']\nignore = ['b']\n", &["rtmp-inspect.toml:2:1", "duplicate key"]),
        ("exclude = ['a[']\n", &["rtmp-inspect.toml:1:12", "not a glob"]),
    ] {
        fs::write(directory.path().join("rtmp-inspect.toml"), text).expect("writable");
        for command in ["lint", "config", "snapshot", "check"] {
            let output = run(directory.path(), &[command, "captures/other.pcap"]);
            assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{command}: {text}");
            for word in says {
                assert!(stderr(&output).contains(word), "{command}: {word} is not in {}", stderr(&output));
            }
        }
    }
    let missing = run(directory.path(), &["config", "--config", "none.toml"]);
    assert!(stderr(&missing).contains("cannot read the configuration none.toml"), "{}", stderr(&missing));
    assert_eq!(run(directory.path(), &["config", "missing.pcap"]).status.code(), Some(2));
}

#[test]
fn every_key_is_listed() {
    let directory = project();
    let text = String::from_utf8(run(directory.path(), &["config", "--keys"]).stdout).expect("UTF-8");
    for key in rtmp_inspect::config::KEYS {
        assert!(text.contains(key.example), "{}", key.name);
    }
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

/// A repository with a configuration file and two captures of a publish on port 1935.
fn project() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let captures = directory.path().join("captures");
    fs::create_dir(&captures).expect("writable");
    fs::create_dir(directory.path().join(".git")).expect("writable");
    fs::write(directory.path().join("rtmp-inspect.toml"), TOML).expect("writable");
    let publish = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/pairs/01_same_twice_A.pcap");
    for name in ["other.pcap", "obs-1.pcap"] {
        fs::copy(&publish, captures.join(name)).expect("in the repository");
    }
    directory
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("rtmp-inspect").expect("it was built");
    command.current_dir(directory).args(arguments).env_remove("CI").env_remove("GITHUB_ACTIONS");
    command.output().expect("it starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
