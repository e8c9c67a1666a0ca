//! Strings that a peer, or who named a file, chose: no character that a terminal, a viewer or a parser acts on leaves
//! in any format of any subcommand, and formats for machines still mean the same string.
#![cfg(unix)] // names of files are bytes

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{Session, handshake, message};

/// Each class of characters. The last ones are not UTF-8: lone surrogates as WTF-8 has them, and a byte of none.
const CLASSES: [(&str, &[u8]); 10] = [
    ("C0", b"\x01\x07\x08\x0b\x0c\x0e\x1b[2J\x1b]8;;http://example.invalid\x07\x1b\\\x1f"),
    ("NUL", b"\0"),
    ("line ends", b"\r\n::error::injected\n\r##[error]injected\n<a>&\"'%0A,:"),
    ("DEL", b"\x7f"),
    ("C1", "\u{80}\u{85}\u{9b}31m\u{9d}\u{9f}".as_bytes()),
    (
        "bidi",
        "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}".as_bytes(),
    ),
    ("separators", "\u{2028}\u{2029}".as_bytes()),
    ("byte order marks", "\u{feff}\u{fffe}\u{ffff}".as_bytes()),
    ("noncharacters", "\u{fdd0}\u{fdef}\u{1fffe}\u{1ffff}\u{10fffe}\u{10ffff}".as_bytes()),
    ("surrogates", b"\xed\xa0\x80\xed\xbf\xbf\xff\xc0\x80"),
];

/// What may be in no output, as the list of the standard has it: told here once more, so that an omission in the
/// program is seen.
fn is_harmful(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}'
        | '\u{200f}' | '\u{61c}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}')
        || [0xfffe, 0xffff].contains(&(c as u32 & 0xffff))
}

/// Two captures of the same sessions with other words in them, in a directory whose names are no better.
struct Captures {
    directory: TempDir,
    a: Vec<u8>,
    b: Vec<u8>,
    /// A string of A.
    text: String,
}

impl Captures {
    fn new(class: &[u8]) -> Captures {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &[u8]| directory.path().join(OsStr::from_bytes(name));
        fs::create_dir(path(b".git")).expect("writable");
        let in_name: Vec<u8> = class.iter().copied().filter(|byte| !b"\0/".contains(byte)).collect();
        let (a, b) = ([b"a", &in_name[..], b".pcap"].concat(), [b"b", &in_name[..], b".pcap"].concat());
        fs::write(path(&a), capture(&[b"x=", class, b"A"].concat())).expect("writable");
        fs::write(path(&b), capture(&[b"x=", class, b"B"].concat())).expect("writable");
        fs::write(path(b"sent"), [&[7; 64][..], class, &[9; 64]].concat()).expect("writable");
        fs::write(path(b"received"), [&[7; 64][..], &[9; 64]].concat()).expect("writable");
        let text = String::from_utf8_lossy(&[b"x=", class, b"A"].concat()).into_owned();
        Captures { directory, a, b, text }
    }

    /// Runs a command; `A`, `B` and `CLASS` stand for the captures and for the string.
    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("rtmp-inspect"));
        command.current_dir(&self.directory).env_remove("CI").env_remove("GITHUB_ACTIONS");
        for word in line.split(' ') {
            match word {
                "A" => command.arg(OsStr::from_bytes(&self.a)),
                "B" => command.arg(OsStr::from_bytes(&self.b)),
                // An argument cannot contain NUL.
                "CLASS" => command.arg(self.text.replace('\0', "")),
                word => command.arg(word),
            };
        }
        command.output().expect("it starts")
    }

    /// What is printed, on both ends, after a look at every character.
    fn printed(&self, class: &str, line: &str) -> String {
        self.safe(line).unwrap_or_else(|problem| panic!("{class}: {line}: {problem}"))
    }

    /// What is printed on standard output, or the first thing wrong with it or with standard error.
    fn safe(&self, line: &str) -> Result<String, String> {
        let output = self.run(line);
        if !matches!(output.status.code(), Some(0..=2)) {
            return Err(output.status.to_string());
        }
        let stdout = String::from_utf8(output.stdout).map_err(|_| "standard output is not UTF-8")?;
        let stderr = String::from_utf8(output.stderr).map_err(|_| "standard error is not UTF-8")?;
        for text in [&stdout, &stderr] {
            // Records of CSV end in CR and LF (RFC 4180 2).
            let text = if line.contains("csv") { text.replace("\r\n", "\n") } else { text.clone() };
            let text = if line.contains("--color always") { without_colours(&text) } else { text };
            let is_separator = |c: char| c == '\t' && line.contains("-e ");
            for shown in text.lines() {
                if let Some(c) = shown.chars().find(|&c| is_harmful(c) && !is_separator(c)) {
                    return Err(format!("U+{:04X} in {shown:?}", u32::from(c)));
                }
                // The runner of GitHub takes a command after blanks, too.
                if shown.trim_start().starts_with("::error::injected") || shown.starts_with("##[") {
                    return Err(format!("a line of the string's own: {shown:?}"));
                }
            }
        }
        Ok(stdout)
    }
}

fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(after.len());
        // Only what changes the colour is ours.
        if !after[end..].starts_with('m') {
            plain.push('\x1b');
        }
        rest = after[end..].strip_prefix('m').unwrap_or(after);
    }
    plain + rest
}

fn name(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text].concat()
}

fn string(text: &[u8]) -> Vec<u8> {
    [&[2], &name(text)[..]].concat()
}

fn number(value: f64) -> Vec<u8> {
    [&[0], &value.to_be_bytes()[..]].concat()
}

fn properties(of: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let each = of.iter().flat_map(|(key, value)| [name(key), value.clone()].concat());
    each.chain([0, 0, 9]).collect()
}

fn object(of: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    [vec![3], properties(of)].concat()
}

/// Marker 12, 15 (XML) or 17: four bytes of length.
fn long(marker: u8, text: &[u8]) -> Vec<u8> {
    [&[marker], &(text.len() as u32).to_be_bytes()[..], text].concat()
}

/// A value of AMF3 in a message of AMF0: a string, its length and a bit.
fn amf3(text: &[u8]) -> Vec<u8> {
    let header = u16::try_from(text.len() * 2 + 1).expect("a short string");
    let header = if header < 0x80 { vec![header as u8] } else { vec![(header >> 7) as u8 | 0x80, header as u8 & 0x7f] };
    [&[17, 6], &header[..], text].concat()
}

/// A publisher and a player of the same stream, whose every string is `text`; then HTTP.
fn capture(text: &[u8]) -> Vec<u8> {
    let null = vec![5];
    let all = || -> Vec<(&[u8], Vec<u8>)> {
        vec![
            (b"app", string(text)),
            (b"tcUrl", string(&[b"rtmp://host/", text].concat())),
            (b"flashVer", string(text)),
            (b"swfUrl", string(text)),
            (b"pageUrl", string(text)),
            (text, string(text)),
            (b"fpad", long(12, text)),
            (b"xml", long(15, text)),
            (b"typed", [vec![16], name(text), properties(&[(text, number(-5.0))])].concat()),
            (b"list", [vec![8, 0, 0, 0, 1], properties(&[(text, string(text))])].concat()),
            (b"objectEncoding", number(3.0)),
        ]
    };
    let status = |level: &[u8], code: &[u8]| {
        object(&[
            (b"level", string(level)),
            (b"code", string(code)),
            (b"description", string(text)),
            (b"details", string(text)),
            (b"clientid", string(text)),
            (text, string(text)),
        ])
    };
    let command =
        |name: &[u8], transaction: f64, rest: &[Vec<u8>]| [string(name), number(transaction), rest.concat()].concat();
    let connected = command(
        b"_result",
        1.0,
        &[
            object(&[(b"fmsVer", string(text)), (b"mode", number(1.0))]),
            status(b"status", b"NetConnection.Connect.Success"),
        ],
    );
    let shared_object = [
        name(text),
        vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        // Request change, and status: a slot's name with its value, a code with a level.
        [&[3], &((name(text).len() + string(text).len()) as u32).to_be_bytes()[..], &name(text), &string(text)]
            .concat(),
        [&[7], &((2 * name(text).len()) as u32).to_be_bytes()[..], &name(text), &name(text)].concat(),
    ]
    .concat();
    let media = |kind: u8, body: &[u8]| message(6, kind, 1, body);
    let session = |client_port: u16, verb: &[u8], code: &[u8], plays: bool| {
        let [c0c1, s0s1s2, c2] = handshake();
        let sounds: Vec<u8> = [&[0xaf, 0, 0x12, 0x10][..], &[0xaf, 1, 1, 2, 3], &[0xaf, 1, 4, 5, 6]]
            .iter()
            .flat_map(|body| media(8, body))
            .collect();
        let metadata = [
            string(b"onMetaData"),
            [
                vec![8, 0, 0, 0, 2],
                properties(&[(b"encoder", string(text)), (text, string(text)), (b"videocodecid", string(text))]),
            ]
            .concat(),
        ];
        let set = [string(b"@setDataFrame"), metadata.concat()].concat();
        let session = Session::between(([192, 0, 2, 1], client_port), ([192, 0, 2, 2], 1935), 1_700_000_000_000_000)
            .client(&c0c1)
            .server(&s0s1s2)
            .client(&c2)
            .client(&message(3, 20, 0, &command(b"connect", 1.0, &[object(&all()), string(text)])))
            .server(&message(3, 20, 0, &connected))
            .client(&message(3, 20, 0, &command(b"createStream", 2.0, std::slice::from_ref(&null))))
            .server(&message(3, 20, 0, &command(b"_result", 2.0, &[null.clone(), number(1.0)])))
            .client(&message(4, 20, 1, &command(verb, 3.0, &[null.clone(), string(text), string(text)])))
            .server(&message(5, 20, 1, &command(b"onStatus", 0.0, &[null.clone(), status(b"status", code)])));
        let session = if plays {
            session.server(&message(5, 18, 1, &metadata.concat())).server(&sounds)
        } else {
            session.client(&message(4, 18, 1, &set)).client(&sounds)
        };
        session
            .client(&message(3, 20, 0, &command(text, 4.0, &[null.clone(), string(text)])))
            .server(&message(3, 20, 0, &command(b"_error", 4.0, &[null.clone(), status(b"error", text)])))
            .client(&message(3, 17, 0, &[vec![0], string(text), number(5.0), null.clone(), amf3(text)].concat()))
            .client(&message(3, 15, 0, &[vec![0], string(text), amf3(text)].concat()))
            .client(&message(4, 18, 1, &[string(text), string(text)].concat()))
            .client(&message(3, 19, 0, &shared_object))
            .client(&message(3, 99, 0, text))
            .client(&message(3, 20, 0, text))
            .server(&message(5, 20, 1, &command(b"onStatus", 0.0, &[null.clone(), status(b"error", text)])))
            .close()
    };
    let http = [b"GET /", text, b" HTTP/1.1\r\nUser-Agent: ", text, b"\r\nHost: ", text, b"\r\n\r\n"].concat();
    let answer = [b"HTTP/1.1 400 ", text, b"\r\nServer: ", text, b"\r\n\r\n"].concat();
    session(50_000, b"publish", b"NetStream.Publish.Start", false)
        .then(session(50_001, b"play", b"NetStream.Play.Start", true))
        .then(
            Session::between(([192, 0, 2, 1], 50_002), ([192, 0, 2, 2], 1935), 1_700_000_001_000_000)
                .client(&http)
                .server(&answer)
                .close(),
        )
        .pcap()
}

/// Every subcommand, and every way in which it prints.
const TEXT: &[&str] = &[
    "decode A",
    "decode -V A",
    "decode -x A",
    "decode -V -x A",
    "decode --color always -V -x A",
    "decode -n 10 A",
    "decode -T fields -e amf.string -e connect.app -e connect.tcUrl -e rtmpt.function.call A",
    "decode -e amf.string -e onMetaData.encoder -E header=y -E separator=, -E quote=d A",
    "decode -e frame.number -e rtmpt.so.name -e rtmpt.so.event.name A",
    "follow --stream 0 A",
    "follow --stream 0 --color always A",
    "follow --message 10 A",
    "follow --message 10 --as python A",
    "streams A",
    "streams --color always A",
    "lint -v A B",
    "lint -v --format text --color always A",
    "lint --format github A B",
    "diff A B",
    "diff -v --strict A B",
    "diff --strict --color always A B",
    "relay -v A",
    "relay A B",
    "payload sent received",
    "payload A B",
    "payload --capture A sent received",
    "check -v --strict --against A B",
    "check --strict --against A --format github B",
    "check -v .",
    "config A",
    "config --ignore CLASS A",
    "snapshot --name CLASS A",
];

/// The same for machines; what is printed is one JSON document, or one a line.
const JSON: &[(&str, Option<&str>)] = &[
    ("decode --format json A", Some("decode")),
    ("decode --format json -V A", None),
    ("decode --format json -x --hash A", Some("decode")),
    ("decode --format json -e amf.string -e connect.app A", None),
    ("streams --format json --show-secrets A", None),
    ("lint --format json --show-secrets A B", Some("lint")),
    ("lint --format json A B", Some("lint")),
    ("diff --format json --strict --show-secrets A B", Some("diff")),
    ("diff --format json A B", Some("diff")),
    ("relay --format json -v --show-secrets A", Some("relay")),
    ("payload --format json --capture A sent received", Some("payload")),
    ("check --format json --strict --show-secrets --against A B", Some("check")),
    ("config --format json --ignore CLASS A", None),
    ("fields --format json", None),
];
const JSON_LINES: &[&str] = &[
    "decode --format jsonl A",
    "decode --format jsonl -V A",
    "decode --format jsonl -e amf.string A",
    "streams --format jsonl --show-secrets A",
    "snapshot A",
];

/// What is wrong with words that were typed, or put there by the shell.
const ERRORS: &[&str] = &[
    "CLASS",
    "decode CLASS",
    "decode --CLASS A",
    "decode A CLASS",
    "decode --stream CLASS A",
    "decode --direction CLASS A",
    "decode --type CLASS A",
    "follow --field CLASS A",
    "follow --stream 0 --bytes CLASS A",
    "amf CLASS",
    "decode --decode-as CLASS A",
    "decode --decode-as tcp:CLASS A",
    "decode --format CLASS A",
    "decode -c CLASS A",
    "decode -Y CLASS A",
    "decode -Y connect.CLASS A",
    "decode -e CLASS A",
    "decode -e frame.number -E CLASS A",
    "streams CLASS",
    "lint --only CLASS A",
    "lint CLASS",
    "lint --fail-on CLASS A",
    "diff A CLASS",
    "diff --pair CLASS A B",
    "diff --align CLASS A B",
    "relay CLASS",
    "relay --pair CLASS A",
    "payload CLASS CLASS",
    "payload sent CLASS",
    "check CLASS",
    "check --against CLASS A",
    "check --against CLASS .",
    "check --config CLASS A",
    "config CLASS",
    "snapshot CLASS",
    "snapshot A -o missing/CLASS",
    "snapshot A -o A",
    "snapshot A -o CLASS/CLASS",
    "lint A --junit missing/CLASS",
    "rules CLASS",
    "fields CLASS",
    "completions CLASS",
    "man CLASS",
    "lint sent",
];

/// Runs a test with a string that has every class in it, and with one that is not UTF-8. What is found names its
/// character.
fn each_string(test: impl Fn(&str, &Captures)) {
    let (not_utf8, utf8) = CLASSES.split_last().expect("there are some");
    let all: Vec<u8> = utf8.iter().flat_map(|(_, bytes)| *bytes).copied().collect();
    test("all", &Captures::new(&all));
    test(not_utf8.0, &Captures::new(not_utf8.1));
}

#[test]
fn text_for_people_has_nothing_that_acts() {
    each_string(|class, captures| {
        let problems = TEXT.iter().filter_map(|line| match captures.safe(line) {
            Ok(shown) => shown.is_empty().then(|| format!("{line}: prints nothing")),
            Err(problem) => Some(format!("{line}: {problem}")),
        });
        assert_eq!(problems.collect::<Vec<_>>(), Vec::<String>::new(), "{class}");
    });
}

#[test]
fn errors_have_nothing_that_acts() {
    each_string(|class, captures| {
        let problems = ERRORS.iter().filter_map(|line| Some(format!("{line}: {}", captures.safe(line).err()?)));
        assert_eq!(problems.collect::<Vec<_>>(), Vec::<String>::new(), "{class}");
    });
}

#[test]
fn json_is_safe_to_print_and_means_the_same() {
    each_string(|class, captures| {
        for (line, schema) in JSON {
            let shown = captures.printed(class, line);
            let value: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{class}: {line}: {error}"));
            let ours = schema.map(|schema| validator(&format!("schema/{schema}.schema.json")));
            // That of decode is for a row.
            let parts = value["rows"].as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
            for part in ours.iter().flat_map(|_| parts) {
                let errors: Vec<_> = ours.iter().flat_map(|schema| schema.iter_errors(part)).collect();
                let errors: Vec<_> = errors
                    .iter()
                    .map(|error| format!("{}: {:.200}", error.instance_path(), error.to_string()))
                    .collect();
                assert_eq!(errors, Vec::<String>::new(), "{class}: {line}");
            }
            if line.starts_with("decode") || line.starts_with("streams") {
                assert!(has(&value, &captures.text), "{class}: {line}: {:?} reads back:\n{shown}", captures.text);
            }
        }
        for line in JSON_LINES {
            let mut is_there = false;
            for one in captures.printed(class, line).lines() {
                let value = serde_json::from_str(one).unwrap_or_else(|error| panic!("{class}: {line}: {error}"));
                is_there |= has(&value, &captures.text);
            }
            assert!(is_there || *line == "snapshot A", "{class}: {line}: {:?} reads back", captures.text);
        }
    });
}

/// Whether a string is a value or a key anywhere.
fn has(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string == text,
        Value::Array(values) => values.iter().any(|value| has(value, text)),
        Value::Object(properties) => properties.iter().any(|(key, value)| key == text || has(value, text)),
        _ => false,
    }
}

#[test]
fn csv_has_nothing_that_acts_and_no_formulas() {
    let classes: Vec<u8> = CLASSES.iter().flat_map(|(_, bytes)| *bytes).copied().collect();
    for (class, bytes) in [
        ("all", classes.as_slice()),
        ("equals", b"=1+1"),
        ("plus", b"+1+1"),
        ("minus", b"-1+1"),
        ("at", b"@SUM(A1)"),
        ("tab", b"\t=1"),
        ("return", b"\r=1"),
    ] {
        let captures = Captures::new(bytes);
        // As the whole of a string, and as its beginning.
        let path = captures.directory.path().join("bare.pcap");
        fs::write(path, capture(bytes)).expect("writable");
        for line in [
            "decode --format csv A",
            "decode --format csv -x --hash A",
            "decode --format csv bare.pcap",
            "decode --format csv -e amf.string -e amf.number -e connect.app -e onMetaData.encoder bare.pcap",
        ] {
            let shown = captures.printed(class, line);
            let mut reader = csv::ReaderBuilder::new().from_reader(shown.as_bytes());
            let mut negative = BTreeSet::new();
            for record in reader.records() {
                for cell in record.expect("as many cells as the header has").iter() {
                    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell != "@setDataFrame()";
                    assert!(!is_formula || cell.parse::<f64>().is_ok(), "{class}: {line}: {cell:?}");
                    negative.extend(cell.starts_with('-').then(|| cell.to_owned()));
                }
            }
            if line.contains("amf.number") {
                assert!(shown.contains("-5"), "{class}: a number below zero is there:\n{shown}");
            }
            assert!(negative.iter().all(|cell| cell == "-5"), "{negative:?}");
        }
    }
}

#[test]
fn a_number_below_zero_is_a_number_in_csv() {
    let body =
        [string(b"onMetaData"), [vec![8, 0, 0, 0, 1], properties(&[(b"offset", number(-5.0))])].concat()].concat();
    let [c0c1, s0s1s2, c2] = handshake();
    let session = Session::new().client(&c0c1).server(&s0s1s2).client(&c2).client(&message(4, 18, 1, &body)).close();
    let captures = Captures::new(b"");
    fs::write(captures.directory.path().join("bare.pcap"), session.pcap()).expect("writable");
    let shown = captures.printed("", "decode --format csv -e amf.number -Y amf.number bare.pcap");
    assert_eq!(shown.lines().collect::<Vec<_>>(), ["amf.number", "-5"]);
}

#[test]
fn junit_is_xml_and_keeps_to_its_schema() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schemas/junit-10.xsd");
    each_string(|class, captures| {
        for line in [
            "lint --format junit --fail-on info A B",
            "check --format junit --strict --against A B",
            "check --format junit .",
        ] {
            let xml = captures.printed(class, line);
            assert!(xml.contains("<failure "), "{class}: {line}:\n{xml}");
            let file = captures.directory.path().join("report.xml");
            fs::write(&file, &xml).expect("writable");
            let output = Command::new("xmllint").args(["--noout", "--schema"]).args([&schema, &file]).output();
            let output = output.expect("xmllint is there: Debian has it in libxml2-utils");
            assert!(output.status.success(), "{class}: {line}: {}\n{xml}", String::from_utf8_lossy(&output.stderr));
        }
    });
}

#[test]
fn sarif_keeps_to_its_schema() {
    let validator = validator("testdata/schemas/sarif-2.1.0.schema.json");
    each_string(|class, captures| {
        for line in ["lint --format sarif A B", "check --format sarif --strict --against A B"] {
            let value: Value = serde_json::from_str(&captures.printed(class, line)).expect("JSON");
            let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{class}: {line}");
            let results = value["runs"][0]["results"].as_array().expect("a list");
            assert!(!results.is_empty(), "{class}: {line}");
            // A message is for people: what it shows has to be safe after JSON was read, too.
            for result in results {
                let text = result["message"]["text"].as_str().expect("a text");
                assert!(!text.replace('\n', "").contains(is_harmful), "{class}: {line}: {text:?}");
            }
        }
    });
}

#[test]
fn annotations_are_one_line_each() {
    each_string(|class, captures| {
        for line in ["lint --format github --quiet A B", "lint --format github A B"] {
            for annotation in captures.printed(class, line).lines().filter(|line| line.starts_with("::error ")) {
                let (properties, _) = annotation["::error ".len()..].split_once("::").expect("a message");
                // The name of the file is a property: nothing in it begins another one.
                assert_eq!(properties.split(',').count(), 2, "{class}: {annotation:?}");
                assert!(!properties.contains(':'), "{class}: {annotation:?}");
            }
        }
    });
}

#[test]
fn a_configuration_is_quoted_safely() {
    let captures = Captures::new(b"");
    for (class, bytes) in CLASSES {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        // As TOML writes it, and as it may not be written.
        let escaped: String = text.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect();
        for config in [
            format!("ignore = [\"{escaped}\"]\n"),
            format!("\"{escaped}\" = 1\n"),
            format!("fail-on = \"{escaped}\"\n"),
            format!("[[override]]\nfiles = [\"{escaped}[\"]\n"),
            format!("{text} = 1\n"),
            format!("fail-on = \"{text}\"\n"),
        ] {
            fs::write(captures.directory.path().join("rtmp-inspect.toml"), config).expect("writable");
            for line in ["config A", "config --format json A"] {
                captures.printed(class, line);
            }
        }
    }
}

fn validator(path: &str) -> jsonschema::Validator {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("in the repository");
    // A bracket too many, in the pattern of a property that nothing here writes; it is no regular expression.
    let text = text.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}?$");
    jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
}
