use crate::lint::Level;
use crate::rules::Severity;

use super::*;

const EXAMPLE: &str = r#"# for all
ignore = ["onMetaData.encoder"]
ports = [1936, "tcp:0x"]
"#;

fn parse(text: &str) -> File {
    File::parse("rtmp-inspect.toml", text).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn errors(text: &str) -> Vec<String> {
    let errors = File::parse("f.toml", text).expect_err("a mistake");
    errors.iter().map(ToString::to_string).collect()
}

fn in_force(text: &str, path: &str) -> Settings {
    let mut settings = Settings::default();
    parse(text).apply(path, &mut settings);
    settings
}

#[test]
fn a_mistake_is_shown_where_it_is() {
    assert_eq!(
        errors("\n ignor = []\n"),
        ["f.toml:2:2: unknown key `ignor`\n2 |  ignor = []\n  |  ^^^^^\nhelp: did you mean `ignore`?"]
    );
    assert_eq!(
        errors(EXAMPLE),
        ["f.toml:3:16: not a port\n3 | ports = [1936, \"tcp:0x\"]\n  |                ^^^^^^^^\n\
          help: a number from 0 to 65535, or \"tcp:PORT\""]
    );
    // Of a wide character the column counts one, and the mark stays below its word.
    let wide = errors("ignore = [\"日本\", 3]");
    assert_eq!(
        wide,
        ["f.toml:1:17: expected a string, found a number\n1 | ignore = [\"日本\", 3]\n  |                   ^"]
    );
    let syntax = errors("fail-on = \n");
    assert!(syntax[0].starts_with("f.toml:1:1"), "{syntax:?}");
}

#[test]
fn every_mistake_is_told() {
    let all =
        errors("no-lint = true\nport = [1]\nports = [70000]\nstrict = 1\nfiles = []\n[[override]]\nexclude = []\n");
    let first = |text: &String| text.lines().next().map(str::to_owned).unwrap_or_default();
    assert_eq!(
        all.iter().map(first).collect::<Vec<_>>(),
        [
            "f.toml:1:1: unknown key `no-lint`",
            "f.toml:2:1: unknown key `port`",
            "f.toml:3:10: not a port",
            "f.toml:4:10: expected true or false, found a number",
            "f.toml:5:1: `files` belongs in an [[override]]",
            "f.toml:6:1: this override has no `files`",
            "f.toml:7:1: `exclude` cannot be overridden",
        ]
    );
    assert!(all[0].ends_with("did you mean `lint`?") && all[1].ends_with("did you mean `ports`?"), "{all:?}");
}

#[test]
fn rules_are_those_of_the_catalogue() {
    let unknown = errors("[rules]\nkeyframe-intervall = \"off\"\n");
    assert!(unknown[0].contains("f.toml:2:1: unknown rule `keyframe-intervall`"), "{unknown:?}");
    assert!(unknown[0].contains("did you mean `keyframe-interval`"), "{unknown:?}");
    let level = errors("[rules]\nkeyframe-interval = \"of\"\n");
    assert!(level[0].ends_with("it may be `off`, `info`, `warning`, `error` or `fatal`"), "{level:?}");
    let other = errors("[rules]\npx-crlf = \"off\"\n");
    assert!(other[0].contains("`px-crlf` is a rule of"), "{other:?}");
}

#[test]
fn later_values_count_and_know_their_lines() {
    let text = r#"
ignore = ["a"]
fail-on = "warning"
[rules]
keyframe-interval = "off"
[[override]]
files = ["obs-*.pcap", "nightly/**"]
ignore = ["b", "a"]
fail-on = "never"
[[override]]
files = ["*.pcap.gz"]
rules = { keyframe-interval = "error" }
"#;
    let settings = in_force(text, "other/x.pcap");
    assert_eq!(settings.fail_on.value, Some(Severity::Warning));
    assert_eq!(settings.fail_on.origin.to_string(), "rtmp-inspect.toml:3");
    assert_eq!(settings.levels(), [("keyframe-interval".to_owned(), Level::Off)]);
    assert_eq!(settings.rules[0].origin.to_string(), "rtmp-inspect.toml:5");
    assert_eq!(settings.lint.origin, Origin::Default);

    for path in ["obs-1.pcap", "deep/down/obs-2.pcap", "nightly/a/b.pcap"] {
        let settings = in_force(text, path);
        let ignored: Vec<_> = settings.ignore.iter().map(|set| set.value.as_str()).collect();
        assert_eq!((settings.fail_on.value, ignored), (None, vec!["a", "b"]), "{path}");
    }
    assert_eq!(in_force(text, "not/nightly/b.pcap").fail_on.value, Some(Severity::Warning), "a path from the file on");
    let settings = in_force(text, "x.pcap.gz");
    assert_eq!(settings.levels(), [("keyframe-interval".to_owned(), Level::As(Severity::Error))]);
    assert_eq!(settings.rules[0].origin.to_string(), "rtmp-inspect.toml:12, for *.pcap.gz");
}

#[test]
fn captures_can_be_left_out() {
    let file = parse("exclude = [\"broken/**\", \"tmp-*\"]");
    let out = |path| file.excludes(path);
    assert!(out("broken/a.pcap") && out("x/tmp-1.pcap") && !out("x/broken/a.pcap") && !out("a.pcap"));
}

#[test]
fn every_key_has_an_example_that_is_read() {
    for key in KEYS {
        let text = match key.place {
            Place::Override => format!("[[override]]\n{}", key.example),
            _ => key.example.to_owned(),
        };
        parse(&text);
        if !key.default.is_empty() {
            assert_eq!(in_force(&format!("{} = {}", key.name, key.default), "x").fail_on.value, Some(Severity::Error));
        }
        assert!(key.example.contains(key.name) && !key.says.is_empty() && !key.says.ends_with('.'), "{}", key.name);
    }
}
