//! The commands of README: each runs, and prints what README says it prints.

use std::path::Path;

/// What stands in for the files that README names.
const FILES: &[(&str, &str)] = &[
    ("capture.pcap", "testdata/captures/a/ffmpeg_pub_c4096.pcap"),
    ("good.pcap", "testdata/captures/pairs/04_type14_A.pcap"),
    ("mine.pcap", "testdata/captures/pairs/04_type14_B.pcap"),
    ("relayed.pcap", "testdata/captures/a/ffmpeg_pub_play.pcap"),
    ("sent.jpg", "testdata/captures/seed/jpeg_c4096.sent.jpg"),
    ("received.bin", "testdata/captures/seed/jpeg_c4096.received.bin"),
    ("session.pcap", "testdata/captures/seed/jpeg_c4096.pcap"),
];

#[test]
fn every_command_of_readme_runs_and_prints_what_readme_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("in the repository");
    // What a merge leaves undecided is read by nobody else.
    assert!(!readme.lines().any(|line| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>")), "undecided lines");
    let mut run = 0;
    // Every other part is between fences.
    for block in readme.split("```").skip(1).step_by(2) {
        let mut printed = None;
        for line in block.lines().skip(1) {
            let command = line.strip_prefix("$ ").unwrap_or(line);
            if let Some(args) = command.strip_prefix("rtmp-inspect ") {
                let args = args.split(" | ").next().expect("a first part");
                let mut args = args.split(" #").next().expect("a first part").to_owned();
                for (name, path) in FILES {
                    args = args.replace(&format!(" {name}"), &format!(" {path}"));
                }
                let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
                    .args(crate::kit::words(&args))
                    .current_dir(root)
                    .envs([("COLUMNS", "120"), ("NO_COLOR", "1")])
                    .env_remove("GITHUB_ACTIONS")
                    .output()
                    .expect("the program starts");
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
                // What compares has something to report here.
                let compares = ["diff", "lint", "payload"].iter().any(|name| args.starts_with(name));
                let expected = if compares { 1 } else { 0 };
                assert_eq!(output.status.code(), Some(expected), "{command}\n{}", text(&output.stderr));
                printed = line
                    .starts_with("$ ")
                    .then(|| FILES.iter().fold(text(&output.stdout), |text, (name, path)| text.replace(path, name)));
                run += 1;
            } else if let Some(printed) = printed.as_ref().filter(|_| line != "…") {
                assert!(
                    printed.lines().any(|is| is.trim_end() == line.trim_end()),
                    "is not printed: {line}\n{printed}"
                );
            }
        }
    }
    assert!(run > 20, "only {run} commands were found");
}

/// What a reader is told to run is what CI runs, and no test can hang it.
#[test]
fn the_test_command_is_the_one_of_ci_and_has_a_time_limit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    const COMMAND: &str = "cargo nextest run --locked";
    for path in ["README.md", "CONTRIBUTING.md", ".ci/run"] {
        assert!(read(path).lines().any(|line| line.trim() == COMMAND), "{path} runs the tests in another way");
    }
    let nextest = read(".config/nextest.toml");
    let limit = nextest.lines().find(|line| line.starts_with("slow-timeout")).expect("a time limit for each test");
    assert!(limit.contains(r#"period = "60s", terminate-after = 5"#), "{limit}");
}
