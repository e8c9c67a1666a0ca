//! What `lint` and `check` write for machines: valid by the schemas of the formats, complete, and the same every time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};

use assert_cmd::Command;
use jsonschema::Validator;
use serde_json::{Value, json};
use tempfile::TempDir;

/// One capture of each kind: it passes, a fault is found, it differs, it has no snapshot, it is none.
struct Captures {
    directory: TempDir,
}

/// What is made of them, in the order of their names.
const OUTCOMES: [&str; 6] = ["error", "different", "stale", "findings", "missing", "passed"];

#[test]
fn sarif_is_valid_and_says_it_all() {
    let captures = Captures::new();
    for command in ["check", "lint"] {
        let sarif: Value = serde_json::from_str(&captures.report(command, "sarif")).expect("JSON");
        let errors = errors(&schema("testdata/schemas/sarif-2.1.0.schema.json"), &sarif);
        assert!(errors.is_empty(), "{command}: {errors:?}");
        let run = &sarif["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        let results = run["results"].as_array().expect("results");
        assert!(results.len() >= 3, "{command}: {results:?}");
        for result in results {
            let index = result["ruleIndex"].as_u64().expect("an index");
            let rule = &rules[usize::try_from(index).expect("small")];
            assert_eq!(rule["id"], result["ruleId"]);
            assert!(rule["help"]["text"].as_str().is_some_and(|text| text.len() > 40), "{rule}");
            let file = &result["locations"][0]["physicalLocation"]["artifactLocation"];
            assert_eq!(file["uriBaseId"], "%SRCROOT%");
            let uri = file["uri"].as_str().expect("a path").replace("%20", " ");
            assert!(captures.directory.path().join(&uri).exists(), "{uri}");
        }
        let broken = results.iter().find(|result| result["ruleId"] == "type-id-dec-hex").expect("the seeded fault");
        assert_eq!(broken["level"], "error");
        assert_eq!(
            (&broken["properties"]["frame"], &broken["properties"]["stream_offset"]),
            (&json!(11), &json!(3080))
        );
        assert!(broken["message"]["text"].as_str().is_some_and(|text| text.contains("frame 11")), "{broken}");
        let successful = &run["invocations"][0]["executionSuccessful"];
        assert_eq!(successful, &json!(command == "lint"), "a letter is no capture");
    }
}

#[test]
fn junit_is_valid_and_has_a_case_for_each_part() {
    let captures = Captures::new();
    for (command, suites, tests, failures, errors) in [("check", 6, 10, 5, 1), ("lint", 4, 4, 2, 0)] {
        let junit = captures.report(command, "junit");
        let file = captures.directory.path().join("report.xml");
        fs::write(&file, &junit).expect("writable");
        let schema = root().join("testdata/schemas/junit-10.xsd");
        let output = Process::new("xmllint").args(["--noout", "--schema"]).args([&schema, &file]).output();
        let output = output.expect("xmllint is there: Debian has it in libxml2-utils");
        assert!(output.status.success(), "{command}: {}\n{junit}", String::from_utf8_lossy(&output.stderr));
        let totals = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
        assert!(junit.lines().nth(1).is_some_and(|line| line.contains(&totals)), "{totals}\n{junit}");
        assert_eq!(junit.matches("<testsuite ").count(), suites, "{junit}");
        assert!(junit.contains("type=\"type-id-dec-hex\""), "{junit}");
        assert!(!junit.contains("time"), "no clock: {junit}");
    }
}

#[test]
fn json_keeps_to_the_schemas() {
    let captures = Captures::new();
    let lint: Value = serde_json::from_str(&captures.report("lint", "json")).expect("JSON");
    let of_lint = schema("schema/lint.schema.json");
    assert_eq!(errors(&of_lint, &lint), Vec::<String>::new());
    let check: Value = serde_json::from_str(&captures.report("check", "json")).expect("JSON");
    assert_eq!(errors(&schema("schema/check.schema.json"), &check), Vec::<String>::new());
    let outcomes: Vec<_> =
        check["captures"].as_array().expect("a list").iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, OUTCOMES);
    for capture in check["captures"].as_array().expect("a list") {
        if !capture["diff"].is_null() {
            assert_eq!(errors(&schema("schema/diff.schema.json"), &capture["diff"]), Vec::<String>::new());
        }
        if !capture["lint"].is_null() {
            let mut one = capture["lint"].clone();
            one["capture"] = json!("x");
            let version = one.as_object_mut().expect("an object").remove("format_version");
            let alone = json!({ "format_version": version, "captures": [one] });
            assert_eq!(errors(&of_lint, &alone), Vec::<String>::new());
        }
    }
    // The schema can fail.
    let mut wrong = check.clone();
    wrong["captures"][0]["outcome"] = json!("fine");
    wrong["counts"]["more"] = json!(1);
    assert_eq!(errors(&schema("schema/check.schema.json"), &wrong).len(), 2);
}

#[test]
fn annotations_come_by_themselves_under_github_actions() {
    let captures = Captures::new();
    let on_actions = captures.run("check", &[], Some("true"));
    let text = String::from_utf8(on_actions.stdout).expect("UTF-8");
    assert_eq!(text, captures.report("check", "github"));
    let lines: Vec<_> = text.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").expect("text is no command");
    let end = lines.iter().position(|line| *line == format!("::{token}::")).expect("and then commands are");
    assert!(lines[1..end].iter().any(|line| line.contains("type-id-dec-hex")));
    let annotations = &lines[end + 1..];
    let one = annotations.iter().find(|line| line.contains("type-id-dec-hex")).expect("the seeded fault");
    assert!(one.starts_with("::error file=b different.pcap,title=snapshot%3A type-id-dec-hex::"), "{one}");
    assert!(one.contains("frame 11") && one.contains("%0A"), "{one}");
    assert!(
        annotations.iter().all(|line| line.starts_with("::error ")
            || line.starts_with("::warning ")
            || line.starts_with("::notice "))
    );
    // Asked for something else, or not there, it is as by hand.
    let json = captures.run("check", &["--format", "json"], Some("true"));
    assert!(json.stdout.starts_with(b"{"));
    let plain = captures.run("check", &[], Some("false"));
    assert!(!String::from_utf8_lossy(&plain.stdout).contains("::error"));
}

#[test]
fn files_are_written_beside_the_text() {
    let captures = Captures::new();
    let plain = captures.run("check", &[], None);
    let output = captures.run("check", &["--junit", "out.xml", "--sarif", "out.sarif"], None);
    assert_eq!((output.status.code(), &output.stdout), (Some(2), &plain.stdout));
    let read = |name: &str| fs::read_to_string(captures.directory.path().join(name)).expect("written");
    assert_eq!(read("out.xml"), captures.report("check", "junit"));
    assert_eq!(read("out.sarif"), captures.report("check", "sarif"));
    let quiet = captures.run("check", &["-q", "--junit", "out.xml"], None);
    assert_eq!((quiet.status.code(), quiet.stdout.len()), (Some(2), 0));
    let nowhere = captures.run("check", &["--junit", "missing/out.xml"], None);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("cannot write missing/out.xml"));
}

#[test]
fn every_run_gives_the_same_bytes() {
    let captures = Captures::new();
    for format in ["text", "json", "github", "sarif", "junit"] {
        let of = |jobs: &str| captures.run("check", &["-v", "--format", format, "-j", jobs], None).stdout;
        let first = of("1");
        assert!(!first.is_empty());
        for jobs in ["1", "2", "8", "2"] {
            assert!(of(jobs) == first, "{format}, -j {jobs}");
        }
    }
    assert_eq!(captures.report("lint", "json"), captures.report("lint", "json"));
}

impl Captures {
    fn new() -> Captures {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join(".git")).expect("writable");
        let to = |name: &str| directory.path().join(name);
        let from = |name: &str| root().join("testdata").join(name);
        let copy = |source: &str, name: &str| _ = fs::copy(from(source), to(name)).expect("in the repository");
        fs::write(to("a letter.pcap"), "This is a letter, not a capture.\n").expect("writable");
        copy("captures/pairs/04_type14_B.pcap", "b different.pcap");
        copy("sessions/python-publish-nginx.pcap.snapshot.jsonl", "b different.pcap.snapshot.jsonl");
        copy("sessions/ffmpeg-publish-nginx.pcap.snapshot.jsonl", "c.pcap.snapshot.jsonl");
        copy("sessions/ffmpeg-name-in-use-nginx.pcap", "d.pcap");
        copy("sessions/ffmpeg-name-in-use-nginx.pcap.snapshot.jsonl", "d.pcap.snapshot.jsonl");
        copy("sessions/ffmpeg-publish-nginx.pcap", "e.pcap");
        copy("sessions/gstreamer-publish-nginx.pcap", "f.pcap");
        copy("sessions/gstreamer-publish-nginx.pcap.snapshot.jsonl", "f.pcap.snapshot.jsonl");
        Captures { directory }
    }

    fn report(&self, command: &str, format: &str) -> String {
        String::from_utf8(self.run(command, &["--format", format], None).stdout).expect("UTF-8")
    }

    fn run(&self, command: &str, options: &[&str], actions: Option<&str>) -> Output {
        let mut program = Command::cargo_bin("rtmp-inspect").expect("it was built");
        program.current_dir(self.directory.path()).arg(command).args(options).env_remove("CI");
        match actions {
            Some(value) => program.env("GITHUB_ACTIONS", value),
            None => program.env_remove("GITHUB_ACTIONS"),
        };
        if command == "lint" {
            program.args(["b different.pcap", "d.pcap", "e.pcap", "f.pcap"]);
        }
        program.output().expect("it starts")
    }
}

fn schema(path: &str) -> Validator {
    let text = fs::read_to_string(root().join(path)).expect("in the repository");
    // A bracket too many, in the pattern of a property that nothing here writes; it is no regular expression.
    let text = text.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}?$");
    jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
}

fn errors(schema: &Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
