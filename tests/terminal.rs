//! The program on a terminal: no line is wider than it, shells complete it, and what was typed wrongly is answered.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use unicode_width::UnicodeWidthStr;

/// A publisher, a player and their server; commands, metadata, audio and video.
const CAPTURE: &str = "captures/a/ffmpeg_pub_play.pcap";
/// One fault: a type written in decimal.
const FAULTY: &str = "captures/pairs/04_type14_B.pcap";
const GOOD: &str = "captures/pairs/04_type14_A.pcap";
/// Framing that breaks, and rows with `!` lines below them.
const BROKEN: &str = "captures/pairs/07_no_type3_B.pcap";

#[test]
fn no_line_is_wider_than_the_terminal() {
    let reports: Vec<String> = [
        format!("decode {CAPTURE}"),
        format!("decode -V -c 12 {CAPTURE}"),
        format!("decode -x -c 20 {CAPTURE}"),
        format!("decode -V -x -c 12 {CAPTURE}"),
        format!("decode -n 20 {CAPTURE}"),
        format!("decode {BROKEN}"),
        format!("decode -n 4 {FAULTY}"),
        format!("follow --stream 0 {GOOD}"),
        format!("follow --message 4 {GOOD}"),
        "amf 0200047061746803000361707002000a6c6976656c6976656c69000009".to_owned(),
        "decode flv/small.flv".to_owned(),
        "decode -n 2 flv/small.flv".to_owned(),
        format!("streams {CAPTURE}"),
        "streams captures/d/many.pcap".to_owned(),
        format!("lint -v {FAULTY}"),
        format!("lint -v {BROKEN}"),
        format!("diff {GOOD} {FAULTY}"),
        format!("diff -v --stat {GOOD} {BROKEN}"),
        "diff captures/pairs/10_amf_number_A.pcap captures/pairs/10_amf_number_B.pcap".to_owned(),
        format!("relay {CAPTURE}"),
        "rules".to_owned(),
        "rules px-headers-left".to_owned(),
        "rules --search 'chunk size'".to_owned(),
        "fields".to_owned(),
        "fields rtmpt.header.typeid".to_owned(),
        "config --keys".to_owned(),
        "fields chunk".to_owned(),
        "config captures".to_owned(),
        "check --no-lint sessions".to_owned(),
        "check -v sessions".to_owned(),
        format!("check --against {GOOD} {FAULTY}"),
        format!("check --no-lint --against {GOOD} {BROKEN}"),
        "relay -v captures/a/nms2_pub_play.pcap".to_owned(),
        "relay -v --pair 2:4 captures/d/many.pcap".to_owned(),
        format!("relay {GOOD}"),
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin".to_owned(),
        "payload captures/seed/jpeg_c4096.sent.jpg captures/seed/jpeg_c4096.received.bin --capture captures/seed/jpeg_c4096.pcap"
            .to_owned(),
        "payload captures/seed/jpeg_c128.sent.jpg captures/seed/jpeg_c128.received.bin --capture captures/seed/jpeg_c4096.pcap"
            .to_owned(),
        // A snapshot is data, a line a message, so only what is said about it has a width.
        "snapshot captures/c/pub_empty.pcap".to_owned(),
        "lint captures/c/pub_empty.pcap".to_owned(),
        "rules silent-close".to_owned(),
        "rules --search NetStream.Publish.BadName".to_owned(),
    ]
    .into_iter()
    .chain(subcommands().into_iter().map(|name| format!("{name} --help")))
    .chain(["--help".to_owned()])
    .collect();
    for width in [60, 80, 120, 200] {
        for report in &reports {
            let shown = on_a_terminal(width, report);
            assert!(!shown.is_empty(), "{report}: {shown}");
            for line in shown.lines() {
                assert!(line.width() <= width, "{width} columns, {report}: {} in {line:?}", line.width());
            }
        }
    }
}

#[test]
fn without_a_terminal_nothing_is_cut_or_wrapped() {
    let output = rtmp_inspect(&["decode", CAPTURE]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.lines().any(|line| line.width() > 140) && !text.contains('…'), "{text}");
}

#[test]
fn at_80_columns_a_list_still_says_what_each_message_is() {
    let text = on_a_terminal(80, &format!("decode {CAPTURE}"));
    for words in ["connect('live')", "20 (0x14)", "createStream()", "onStatus('NetStream.Publish.Start')", "Audio Data"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn bash_completes_options_and_values_after_the_subcommand() {
    let complete = |line: &str| {
        let script = "source <(\"$1\" completions bash)
            COMP_WORDS=($2); [[ $2 == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE=$2; COMP_POINT=${#2}
            _rtmp__inspect rtmp-inspect \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"
            printf '%s\\n' \"${COMPREPLY[@]}\"";
        let output = Command::new("bash").args(["-c", script, "bash", program(), line]).output().expect("bash");
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("rtmp-inspect deco"), ["decode"]);
    assert_eq!(complete("rtmp-inspect decode --dir"), ["--direction"]);
    assert_eq!(complete("rtmp-inspect decode --direction "), ["c2s", "s2c"]);
    assert_eq!(complete("rtmp-inspect lint --only type-id"), ["type-id-dec-hex"]);
    assert_eq!(complete("rtmp-inspect decode --format js"), ["json", "jsonl"]);
    assert_eq!(complete("rtmp-inspect decode -e rtmpt.header.typ"), ["rtmpt.header.typeid"]);
    assert!(complete("rtmp-inspect rules px-headers").contains(&"px-headers-left".to_owned()));
    assert!(complete("rtmp-inspect decode --type ").contains(&"20".to_owned()));
    for name in subcommands() {
        assert!(complete(&format!("rtmp-inspect {name} --")).contains(&"--help".to_owned()), "{name}");
    }
}

#[test]
fn fish_completes_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = format!(
        "{}:{}",
        Path::new(program()).parent().expect("a folder").display(),
        std::env::var("PATH").expect("a path")
    );
    let script = "rtmp-inspect completions fish | source; complete -C 'rtmp-inspect decode --dir'; \
                  complete -C 'rtmp-inspect decode --direction '";
    let fish = Command::new("fish")
        .args(["--no-config", "-c", script])
        .envs([("PATH", path.as_str()), ("HOME", directory.path().to_str().expect("text"))])
        .output()
        .expect("fish, which .ci/run installs");
    let said = String::from_utf8(fish.stdout).expect("text");
    assert!(said.contains("--direction") && said.contains("c2s") && said.contains("s2c"), "{said}");
}

#[test]
fn what_was_probably_meant_is_said() {
    for (args, words) in [
        (vec![CAPTURE], "try: rtmp-inspect decode captures/a/ffmpeg_pub_play.pcap"),
        (vec!["-r", CAPTURE], "try: rtmp-inspect decode captures/a/ffmpeg_pub_play.pcap"),
        (vec!["decode", "--stream", "abc", CAPTURE], "not the number of a connection"),
        (vec!["decode", "--port", "rtmp", CAPTURE], "not a TCP port"),
        (vec!["decode", "--decode-as", "19350", CAPTURE], "write it as tcp:PORT"),
        (vec!["decode", "-c", "many", CAPTURE], "not a whole number"),
        (vec!["decode", "--type", "comand", CAPTURE], "AMF0 Command 20 (0x14)"),
        (vec!["lint", "--only", "px-clrf", CAPTURE], "did you mean px-crlf"),
        (vec!["diff", "--only", "amf0", GOOD, FAULTY], "the layers are"),
        (vec!["diff", "--align", "3", GOOD, FAULTY], "write two numbers as A:B"),
    ] {
        let output = rtmp_inspect(&args);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn dash_r_is_read_as_tshark_reads_it() {
    for subcommand in ["decode", "streams", "snapshot"] {
        let [given, as_tshark] = [vec![subcommand, GOOD], vec![subcommand, "-r", GOOD]].map(|args| rtmp_inspect(&args));
        assert_eq!(as_tshark.status.code(), Some(0), "{subcommand}");
        assert!(!given.stdout.is_empty() && given.stdout == as_tshark.stdout, "{subcommand}");
        assert_eq!(rtmp_inspect(&[subcommand, "-r", GOOD, GOOD]).status.code(), Some(2), "{subcommand}: one is enough");
    }
}

#[test]
fn a_selection_that_matches_nothing_says_so() {
    for args in [
        vec!["decode", "--type", "22", CAPTURE],
        vec!["decode", "-Y", "rtmpt.header.typeid == 99", CAPTURE],
        vec!["decode", "--direction", "s2c", "--type", "9", GOOD],
    ] {
        let output = rtmp_inspect(&args);
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(output.stdout.is_empty() && said.contains("note: no row matches"), "{args:?}: {said}");
    }
    let some = rtmp_inspect(&["decode", "--type", "20", CAPTURE]);
    assert!(some.stderr.is_empty(), "{}", String::from_utf8_lossy(&some.stderr));
}

fn subcommands() -> Vec<String> {
    let help = String::from_utf8(rtmp_inspect(&["--help"]).stdout).expect("text");
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.len() > 8, "{names:?}");
    names
}

/// What the program shows on a terminal of so many columns.
fn on_a_terminal(width: usize, args: &str) -> String {
    let command = format!("stty cols {width} rows 50 && exec '{}' --color never {args}", program());
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(testdata())
        .env_remove("COLUMNS")
        .env("NO_COLOR", "1")
        .output()
        .expect("script, of util-linux");
    String::from_utf8(output.stdout).expect("text").replace('\r', "")
}

fn rtmp_inspect(args: &[&str]) -> Output {
    Command::new(program()).args(args).current_dir(testdata()).output().expect("it runs")
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_rtmp-inspect")
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
