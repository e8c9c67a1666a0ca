//! `rtmp-inspect diff` on recorded sessions.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The pairs, and what `testdata/captures/README.md` says was changed in B.
const PAIRS: &[(&str, &str, &str)] = &[
    ("04_type14", "type-id-dec-hex", "certain"),
    ("05_msid_be", "msid-big-endian", "certain"),
    ("06_chunk_not_used", "chunk-size-not-applied", "certain"),
    ("07_no_type3", "type3-missing", "certain"),
    ("08_crlf", "px-crlf", "certain"),
    ("09_c2_not_echo", "hs-not-echo", ""),
    ("10_amf_number", "amf-wrong-type", "certain"),
];

#[test]
fn every_pair_has_its_true_cause_first() {
    for &(pair, rule, certainty) in PAIRS {
        let (report, status) =
            json(&capture(&format!("pairs/{pair}_A.pcap")), &capture(&format!("pairs/{pair}_B.pcap")));
        assert_eq!(status, 1, "{pair}");
        assert_eq!(report["verdict"], "different", "{pair}");
        let first = &report["causes"][0];
        assert_eq!(first["rule"], rule, "{pair}: {first:#}");
        assert!(certainty.is_empty() || first["certainty"] == certainty, "{pair}: {first:#}");
        // One fault was seeded: whatever else differs follows from it.
        assert_eq!(report["unexplained"], Value::Array(Vec::new()), "{pair}");
    }
}

#[test]
fn the_same_publish_twice_is_equivalent() {
    let (report, status) = json(&capture("pairs/01_same_twice_A.pcap"), &capture("pairs/01_same_twice_B.pcap"));
    assert_eq!((&report["verdict"], status), (&Value::from("equivalent"), 0), "{report:#}");
}

#[test]
fn different_clients_differ_without_a_fault() {
    let healthy =
        ["a/ffmpeg_pub_c4096.pcap", "a/ffmpeg_pub_c128.pcap", "a/gst_rtmp2sink_pub.pcap", "pairs/04_type14_A.pcap"];
    for a in healthy {
        for b in healthy.iter().filter(|&&b| b != a) {
            let (report, _) = json(&capture(a), &capture(b));
            for cause in report["causes"].as_array().expect("a list") {
                assert_ne!(cause["severity"], "fatal", "{a} {b}: {cause:#}");
                assert_ne!(cause["severity"], "error", "{a} {b}: {cause:#}");
            }
            assert!(report["causes"].as_array().is_some_and(|causes| causes.len() <= 12), "{a} {b}: a short list");
            assert_eq!(report["unexplained"], Value::Array(Vec::new()), "{a} {b}");
        }
    }
}

#[test]
fn every_capture_is_identical_to_itself_and_keeps_to_the_schema() {
    let schema = std::fs::read_to_string(testdata().join("../schema/diff.schema.json")).expect("in the repository");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema");
    let captures = captures();
    for pair in captures.windows(2) {
        let itself = diff(&["--format", "json"], &pair[0], &pair[0]);
        if itself.status.code() == Some(2) {
            assert_nothing_to_judge(&itself, &pair[0]);
            continue;
        }
        let (report, status) = json(&pair[0], &pair[0]);
        assert_eq!((&report["verdict"], status), (&Value::from("identical"), 0), "{}: {report:#}", pair[0].display());
        // Its neighbour has little to do with it, and the report must hold nevertheless.
        let other = diff(&["--format", "json"], &pair[0], &pair[1]);
        let other = (other.status.code() != Some(2)).then(|| json(&pair[0], &pair[1]).0);
        for report in [report].into_iter().chain(other) {
            let errors: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", pair[0].display());
        }
    }
}

/// One line that says that there is no RTMP, and nothing else.
fn assert_nothing_to_judge(output: &Output, path: &Path) {
    let said = String::from_utf8_lossy(&output.stderr);
    let errors = said.lines().filter(|line| line.starts_with("error: ")).collect::<Vec<_>>();
    assert!(output.stdout.is_empty() && errors.len() == 1, "{}: {said}", path.display());
    assert!(errors[0].starts_with("error: no RTMP in "), "{}: {said}", path.display());
}

#[test]
fn what_is_not_there_cannot_be_named() {
    let [a, b] = ["A", "B"].map(|side| capture(&format!("pairs/10_amf_number_{side}.pcap")));
    for (options, says) in [
        (&["--pair", "5:6"][..], "has no RTMP connection 5; it has 0"),
        (&["--pair", "0:6"], "has no RTMP connection 6; it has 0"),
        (&["--pair", "0:0", "--pair", "0:0"], "is paired already"),
        (&["--align", "9999:1"], "has no row 9999; the RTMP connections that are compared have rows 1 to "),
        (&["--align", "1:9999"], "has no row 9999; the RTMP connections"),
        (&["--align", "1:2"], "the rows are of two directions"),
        (&["--stream", "7"], "there is no TCP connection 7 in "),
    ] {
        let output = diff(options, &a, &b);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{options:?}: {said}");
        assert!(said.contains(says), "{options:?}: {said}");
    }
}

#[test]
fn what_shares_nothing_is_said_in_one_statement() {
    let output = diff(&["-q"], &capture("a/ffmpeg_pub_c4096.pcap"), &capture("b/http_on_1935.pcap"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "-q prints nothing");
    let (report, _) = json(&capture("a/rtmpdump_play_vod.pcap"), &capture("a/ffmpeg_pub_c4096.pcap"));
    assert!(report["causes"].as_array().is_some_and(|causes| causes.len() <= 3), "{report:#}");
}

#[test]
fn options_do_what_they_say() {
    let [a, b] = ["A", "B"].map(|side| capture(&format!("pairs/10_amf_number_{side}.pcap")));
    let ignored = diff(&["--ignore", "publish.*"], &a, &b);
    assert_eq!(ignored.status.code(), Some(0), "{}", String::from_utf8_lossy(&ignored.stdout));
    assert!(String::from_utf8_lossy(&ignored.stdout).starts_with("equivalent"));
    assert_eq!(diff(&["--exit-zero"], &a, &b).status.code(), Some(0));
    assert_eq!(diff(&["--direction", "s2c"], &a, &b).status.code(), Some(0));
    assert_eq!(diff(&["--strict"], &a, &a).status.code(), Some(0));
    let stat = diff(&["--stat", "--context", "0"], &a, &b);
    let stat = String::from_utf8_lossy(&stat.stdout).into_owned();
    assert!(stat.contains("publish  publish.name"), "{stat}");
    assert_eq!(diff(&["--pair", "0:7"], &a, &b).status.code(), Some(2), "there is no such pair");
    assert_eq!(diff(&["--pair", "x"], &a, &b).status.code(), Some(2));
    assert_eq!(diff(&[], Path::new("missing.pcap"), &b).status.code(), Some(2));
}

fn json(a: &Path, b: &Path) -> (Value, i32) {
    let output = diff(&["--format", "json"], a, b);
    let status = output.status.code().expect("an exit status");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    (serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{}: {error}\n{stdout}", a.display())), status)
}

fn diff(options: &[&str], a: &Path, b: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rtmp-inspect")).arg("diff").args(options).args([a, b]).output().expect("it starts")
}

fn captures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(testdata().join("captures")).expect("testdata/captures") {
        let Ok(files) = std::fs::read_dir(folder.expect("an entry").path()) else { continue };
        let files = files.map(|file| file.expect("an entry").path());
        found.extend(files.filter(|path| path.to_string_lossy().contains(".pcap")));
    }
    found.sort();
    found
}

fn capture(path: &str) -> PathBuf {
    testdata().join("captures").join(path)
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
