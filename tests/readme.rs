//! The commands of README and of the pages in docs: each runs, and prints what the page shows; links lead somewhere.

use std::path::{Path, PathBuf};

/// The files behind the names in the pages.
const FILES: &[(&str, &str)] = &[
    ("capture.pcap", "testdata/captures/a/ffmpeg_pub_c4096.pcap"),
    ("good.pcap", "testdata/captures/pairs/04_type14_A.pcap"),
    ("mine.pcap", "testdata/captures/pairs/04_type14_B.pcap"),
    ("relayed.pcap", "testdata/captures/a/ffmpeg_pub_play.pcap"),
    ("rtmps.pcap", "testdata/captures/e/rtmps_ffmpeg_pub.pcap"),
    ("keys.log", "testdata/captures/e/rtmps_ffmpeg_pub.keylog"),
    ("sent.jpg", "testdata/captures/seed/jpeg_c4096.sent.jpg"),
    ("received.bin", "testdata/captures/seed/jpeg_c4096.received.bin"),
    ("session.pcap", "testdata/captures/seed/jpeg_c4096.pcap"),
];

#[test]
fn every_command_of_the_pages_runs_and_prints_what_they_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut run = 0;
    let pages: Vec<String> = pages().iter().map(|page| std::fs::read_to_string(page).expect("readable")).collect();
    for page in &pages {
        // No other test reads what a merge leaves undecided.
        assert!(
            !page.lines().any(|line| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>")),
            "undecided lines"
        );
    }
    // Every other part is between fences.
    let shown = |block: &&str| block.starts_with("sh\n") || block.starts_with("text\n");
    for block in pages.iter().flat_map(|page| page.split("```").skip(1).step_by(2)).filter(shown) {
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
    assert!(run > 40, "only {run} commands were found");
}

#[test]
fn every_link_of_the_pages_leads_to_a_file_and_a_heading() {
    let link = regex::Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut links = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("readable");
        for target in link.captures_iter(&text).map(|found| found.get(1).expect("the target").as_str()) {
            if target.contains("://") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { page.clone() } else { page.with_file_name("").join(path) };
            assert!(file.exists(), "{}: no file for {target}", page.display());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&file).expect("a page");
                let headings: Vec<String> = text.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
                assert!(
                    headings.iter().any(|is| is == heading),
                    "{}: {target} is not among {headings:?}",
                    page.display()
                );
            }
            links += 1;
        }
    }
    assert!(links > 30, "only {links} links were found");
}

/// A heading as GitHub names it in links.
fn anchor(line: &str) -> String {
    let title = line.trim_start_matches('#').trim().to_lowercase();
    title
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// README, and the pages in docs.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs =
        std::fs::read_dir(root.join("docs")).expect("in the repository").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|is| is == "md")).collect();
    pages.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| root.join(page)));
    pages.sort();
    pages
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
