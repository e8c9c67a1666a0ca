//! A secret in every kind of place, said again in every form, through every subcommand that hides secrets: none of the
//! forms is in what is printed or written. What the forms are is computed here, not by the code that looks for them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::kit::amf0::{null, number, object, string};
use crate::kit::{Session, handshake, message};

const KEY: &str = "Zq7-hunter2-XyKk99";
const OTHER: &str = "Wm4-rabbit8-PqRr31";

/// The messages of a session that are told a secret.
#[derive(Clone, Default)]
struct Place {
    /// Properties of `connect` besides `app` and `tcUrl`.
    connect: Vec<(&'static str, Vec<u8>)>,
    app: Option<String>,
    tc_url: Option<String>,
    /// Values after the object of `connect`.
    extra: Vec<Vec<u8>>,
    /// Whole messages, before and after the answer to `publish`.
    client: Vec<Vec<u8>>,
    server: Vec<Vec<u8>>,
    /// The name that is published; `one` if the secret is elsewhere.
    name: Option<Vec<u8>>,
}

type Make = fn(&str) -> Place;

/// Each kind of place, and a secret to put there if the usual one does not fit.
const PLACES: &[(&str, Option<[&str; 2]>, Make)] = &[
    ("publish", None, |key| named(string(key))),
    ("publish, with application", None, |key| named(string(&format!("live/{key}")))),
    ("publish, after a semicolon", None, |key| named(string(&format!("one;{key}")))),
    ("publish, as a number", Some(["123456789012", "987654321098"]), |key| named(number(key.parse().unwrap()))),
    ("publish, as an object", None, |key| named(object(&[("name", string(key))]))),
    ("publish, as XML", None, |key| named(xml(&format!("<stream name=\"one\"><key>{key}</key></stream>")))),
    ("publish, in a query", None, |key| named(string(&format!("one?token={key}&expires=1700000000")))),
    ("publish, percent-encoded", Some(["k9%20/%2Bw-4477", "m3%20/%2Bv-8811"]), |key| named(string(key))),
    ("only releaseStream", None, |key| client(command("releaseStream", &[null(), string(key)]))),
    ("only FCUnpublish", None, |key| client(command("FCUnpublish", &[null(), string(key)]))),
    ("connect, streamKey", None, |key| connect(vec![("streamKey", string(key))])),
    ("connect, API_KEY", None, |key| connect(vec![("API_KEY", string(key))])),
    ("connect, a number", Some(["123456789012", "987654321098"]), |key| {
        connect(vec![("accessToken", number(key.parse().unwrap()))])
    }),
    ("connect, nested", None, |key| connect(vec![("auth", object(&[("a", object(&[("b", string(key))]))]))])),
    ("connect, in an ECMA array", None, |key| connect(vec![("options", ecma(&[("sig", string(key))]))])),
    ("connect, in a typed object", None, |key| connect(vec![("options", typed(&[("Password", string(key))]))])),
    ("connect, AMF 3", None, |key| connect(vec![("options", amf3("secret", key))])),
    ("connect, an argument", None, |key| Place { extra: vec![string(key)], ..Place::default() }),
    ("connect, an argument's property", None, |key| Place {
        extra: vec![object(&[("anything", string(key))])],
        ..Place::default()
    }),
    ("app, after a semicolon", None, |key| app(&format!("live;{key}"))),
    ("app, after a hash", None, |key| app(&format!("live#{key}"))),
    ("app, after an ampersand", None, |key| app(&format!("live&auth={key}"))),
    ("app, in its path", None, |key| app(&format!("live/{key}"))),
    ("tcUrl, in its query", None, |key| url(&format!("rtmp://192.0.2.2/live?token={key}/one"))),
    ("tcUrl, as password", None, |key| url(&format!("rtmp://joe:{key}@192.0.2.2/live"))),
    ("tcUrl, as password with a slash", Some(["p4/ss-99/hunter2", "w8/rd-11/rabbit5"]), |key| {
        url(&format!("rtmp://joe:{key}@192.0.2.2/live"))
    }),
    ("tcUrl, as password with an at", Some(["p4@ss-99@hunter2", "w8@rd-11@rabbit5"]), |key| {
        url(&format!("rtmp://joe:{key}@192.0.2.2:1935/live"))
    }),
    ("aggregate", None, |key| client(aggregate(&command("publish", &[null(), string(key), string("live")]).1))),
    ("a login", None, |key| client(command("authenticate", &[null(), string(key)]))),
    ("metadata", None, |key| client((18, [string("onMetaData"), object(&[("streamKey", string(key))])].concat()))),
    ("shared object", None, |key| client((19, shared_object("token", key)))),
    ("the server's details", None, |key| status("details", key)),
    ("the server's clientid", None, |key| status("clientid", key)),
    ("the server's description", None, |key| status("description", &format!("Publishing {key}."))),
    ("the server's description, as a path", None, |key| {
        status("description", &format!("/live/{key} is now published."))
    }),
    ("the server's description, as a word", None, |key| status("description", &format!("no such stream {key}"))),
    ("the server's description, as a query", None, |key| status("description", &format!("denied : ?token={key}"))),
    ("the server's result", None, |key| Place {
        server: vec![message(3, 20, 0, &[string("_result"), number(9.0), null(), string(key)].concat())],
        ..Place::default()
    }),
];

fn named(name: Vec<u8>) -> Place {
    Place { name: Some(name), ..Place::default() }
}

fn connect(properties: Vec<(&'static str, Vec<u8>)>) -> Place {
    Place { connect: properties, ..Place::default() }
}

fn app(app: &str) -> Place {
    Place { app: Some(app.to_owned()), tc_url: Some(format!("rtmp://192.0.2.2/{app}")), ..Place::default() }
}

fn url(url: &str) -> Place {
    Place { tc_url: Some(url.to_owned()), ..Place::default() }
}

fn client((type_id, body): (u8, Vec<u8>)) -> Place {
    Place { client: vec![message(4, type_id, 1, &body)], ..Place::default() }
}

fn command(name: &str, arguments: &[Vec<u8>]) -> (u8, Vec<u8>) {
    (20, [string(name), number(7.0), arguments.concat()].concat())
}

fn status(property: &str, text: &str) -> Place {
    let information =
        object(&[("level", string("status")), ("code", string("NetStream.Publish.Start")), (property, string(text))]);
    let body = [string("onStatus"), number(0.0), null(), information].concat();
    Place { server: vec![message(5, 20, 1, &body)], ..Place::default() }
}

/// AMF0 2.17: a length of four bytes.
fn xml(text: &str) -> Vec<u8> {
    [&[0x0f], &u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// AMF0 2.10: a count before what an object has.
fn ecma(properties: &[(&str, Vec<u8>)]) -> Vec<u8> {
    [&[8, 0, 0, 0, 1], &object(properties)[1..]].concat()
}

/// AMF0 2.18: a class before what an object has.
fn typed(properties: &[(&str, Vec<u8>)]) -> Vec<u8> {
    [&[0x10], &string("Options")[1..], &object(properties)[1..]].concat()
}

/// AMF0 3.1, AMF3 3.12: a dynamic object without a class.
fn amf3(name: &str, text: &str) -> Vec<u8> {
    let string = |text: &str| [&[(text.len() << 1 | 1) as u8], text.as_bytes()].concat();
    [&[0x11, 0x0a, 0x0b, 1][..], &string(name), &[6], &string(text), &[1]].concat()
}

/// RTMP 1.0 7.1.6: as an FLV tag, with the size after it.
fn aggregate(body: &[u8]) -> (u8, Vec<u8>) {
    let size = u32::try_from(body.len()).unwrap();
    let tag = [&[20], &size.to_be_bytes()[1..], &[0; 7], body, &(size + 11).to_be_bytes()[..]].concat();
    (22, tag)
}

/// One change (event 4) of a property of an object (version 1, not persistent).
fn shared_object(name: &str, text: &str) -> Vec<u8> {
    let event = [&string(name)[1..], &string(text)].concat();
    let size = u32::try_from(event.len()).unwrap().to_be_bytes();
    [&string("room")[1..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &[4], &size, &event].concat()
}

/// RFC 4648 4 and 5, without padding.
fn base64(bytes: &[u8], last: &str) -> String {
    let alphabet = format!("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789{last}");
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let six = |bits: &[u8]| (0..6).fold(0, |number, at| number << 1 | bits.get(at).copied().unwrap_or(0));
    bits.chunks(6).map(|bits| alphabet.as_bytes()[usize::from(six(bits))] as char).collect()
}

fn percent(text: &str, upper: bool, is_encoded: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _ = match (is_encoded(byte), upper) {
            (false, _) => write!(all, "{}", byte as char),
            (true, true) => write!(all, "%{byte:02X}"),
            (true, false) => write!(all, "%{byte:02x}"),
        };
        all
    })
}

/// A secret in all forms.
fn forms(key: &str) -> Vec<String> {
    let bytes = key.as_bytes();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![key.to_owned()];
    for separator in ["", " ", ":"] {
        forms.extend([hex.join(separator), hex.join(separator).to_uppercase()]);
    }
    for before in ["", "u", "me"] {
        for last in ["+/", "-_"] {
            forms.push(base64(format!("{before}{key}").as_bytes(), last));
            forms.push(base64(format!("{before}{key}~").as_bytes(), last) + "==");
        }
    }
    for upper in [true, false] {
        forms.push(percent(key, upper, |_| true));
        forms.push(percent(key, upper, |byte| !byte.is_ascii_alphanumeric()));
        forms.push(percent(key, upper, |byte| byte.is_ascii_digit()));
    }
    forms.push(key.chars().fold(String::new(), |all, c| all + &format!("\\u{:04x}", u32::from(c))));
    forms.push(key.chars().flat_map(|c| [c, '\0']).collect());
    forms.push(key.chars().flat_map(|c| ['\0', c]).collect());
    forms
}

/// What of a secret is in a text.
fn leaks(text: &str, key: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let hex_utf16: String = key.bytes().map(|byte| format!("{byte:02x}00")).collect();
    let digits: String = lower.chars().filter(|c| !" :".contains(*c)).collect();
    let mut found = Vec::new();
    let mut leak = |what: &str, is: bool| found.extend(is.then(|| what.to_owned()));
    leak("as it is", text.contains(key));
    leak("hex", digits.contains(&hex));
    leak("UTF-16 in hex", digits.contains(hex_utf16.trim_end_matches('0')));
    for encoded in [text.as_bytes().to_vec(), unhexed(text)] {
        let text = String::from_utf8_lossy(&encoded);
        leak("percent-encoded", unpercent(&text).contains(key));
        let plain = text.replace("\\\\", "\\");
        let plain = plain.replace("\\u0000", "").replace("\\u{0}", "").replace("\\0", "").replace('\0', "");
        leak("UTF-16", plain.contains(key));
        let escaped: String = key.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        leak("escaped", plain.contains(&escaped));
        for offset in 0..3 {
            for last in ["+/", "-_"] {
                // Without the letters that have bits of what is around the secret.
                let whole = base64(&[&[0; 2][..offset], key.as_bytes()].concat(), last);
                let part = &whole[[0, 2, 3][offset]..whole.len() - 1];
                leak("base64", text.contains(part));
            }
        }
    }
    if let Ok(number) = key.parse::<f64>() {
        leak("a double", digits.contains(&number.to_be_bytes().map(|byte| format!("{byte:02x}")).concat()));
    }
    found
}

/// The bytes of all strings of hex digits, one after the other.
fn unhexed(text: &str) -> Vec<u8> {
    let words = text.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() >= 8 && word.len() % 2 == 0);
    words.flat_map(|word| hex::decode(word).expect("digits")).collect()
}

fn unpercent(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.extend([&[byte], &part.as_bytes()[2..]].concat()),
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A session that is told a secret in a place, and where client and server say it again in some forms.
fn session(place: &Place, key: &str, forms: &[String]) -> Vec<u8> {
    let [c, s, echo] = handshake();
    let app = place.app.clone().unwrap_or_else(|| "live".to_owned());
    let tc_url = place.tc_url.clone().unwrap_or_else(|| "rtmp://192.0.2.2/live".to_owned());
    let mut properties = vec![("app", string(&app)), ("tcUrl", string(&tc_url)), ("flashVer", string("FMLE/3.0"))];
    properties.extend(place.connect.iter().cloned());
    let connect = [string("connect"), number(1.0), object(&properties), place.extra.concat()].concat();
    let accepted = object(&[("code", string("NetConnection.Connect.Success")), ("level", string("status"))]);
    let accepted = [string("_result"), number(1.0), null(), accepted].concat();
    let create = [string("createStream"), number(2.0), null()].concat();
    let created = [string("_result"), number(2.0), null(), number(1.0)].concat();
    let name = place.name.clone().unwrap_or_else(|| string("one"));
    let publish = [string("publish"), number(3.0), null(), name.clone(), string("live")].concat();
    let play = [string("play"), number(3.0), null(), name].concat();
    let mut session = Session::new()
        .client(&c)
        .server(&s)
        .client(&echo)
        .client(&message(3, 20, 0, &connect))
        .server(&message(3, 20, 0, &accepted))
        .client(&message(3, 20, 0, &create))
        .server(&message(3, 20, 0, &created))
        .client(&message(4, 20, 1, &publish));
    for sent in &place.client {
        session = session.client(sent);
    }
    for sent in &place.server {
        session = session.server(sent);
    }
    for (at, form) in forms.iter().enumerate() {
        // Each as another message, so that each is a difference of its own.
        let name = format!("onNote{at}");
        let note = object(&[("note", string(form))]);
        let failed = object(&[
            ("level", string("error")),
            ("code", string("NetStream.Publish.BadName")),
            ("description", string(&format!("not there: {form}"))),
        ]);
        session = session.client(&message(5, 18, 1, &[string(&name), note].concat())).server(&message(
            5,
            20,
            1,
            &[string("onStatus"), number(0.0), null(), failed].concat(),
        ));
    }
    let by_name = object(&[(key, string("a property of that name"))]);
    let audio = message(6, 8, 1, &[&[0xaf, 1][..], b"the payload has ", key.as_bytes(), b" in it"].concat());
    let other = [&b"the payload had "[..], key.as_bytes(), b" in it"].concat();
    let player = Session::between(([192, 0, 2, 3], 50000), ([192, 0, 2, 2], 1935), 1_700_000_001_000_000)
        .client(&c)
        .server(&s)
        .client(&echo)
        .client(&message(3, 20, 0, &connect))
        .server(&message(3, 20, 0, &accepted))
        .client(&message(3, 20, 0, &create))
        .server(&message(3, 20, 0, &created))
        .client(&message(4, 20, 1, &play))
        .server(&message(6, 8, 1, &[&[0xaf, 1][..], &other].concat()))
        .close();
    let session = session.client(&message(5, 18, 1, &[string("onNote"), by_name].concat())).client(&audio).close();
    session.then(player).pcap()
}

struct Folder {
    directory: tempfile::TempDir,
}

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("writable");
    }

    /// The program with these words, `a.pcap` and so on being files of the folder.
    fn run(&self, line: &str) -> Output {
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
            .args(line.split(' '))
            .current_dir(self.directory.path())
            .env_remove("GITHUB_ACTIONS")
            .env_remove("CI")
            .output()
            .expect("the program starts")
    }
}

/// What hides secrets: all that machines read, and all that `check` and `snapshot` say.
const RUNS: &[&str] = &[
    "streams --format json a.pcap",
    "lint --format json a.pcap",
    "diff --format json --strict a.pcap b.pcap",
    "relay --format json -v a.pcap",
    "payload --format json --capture a.pcap sent received",
    "snapshot --payload full a.pcap",
    "check -v --strict --against b.pcap a.pcap",
];

/// Other renderings of the same.
const RENDERINGS: &[&str] = &[
    "streams --format jsonl a.pcap",
    "lint --format github a.pcap",
    "lint --format sarif a.pcap",
    "lint --format junit a.pcap",
    "lint -v --junit written.xml --sarif written.sarif a.pcap",
    "snapshot a.pcap",
    "snapshot -o written.jsonl a.pcap",
    "check --format json --strict --against b.pcap a.pcap",
    "check --format github -v --strict --against b.pcap a.pcap",
    "check --format sarif -v --strict --against b.pcap a.pcap",
    "check --format junit --junit written.xml --sarif written.sarif --strict --against b.pcap a.pcap",
];

/// A folder with two sessions that differ in the secret and in its forms, and with payloads that have it.
fn folder(keys: [&str; 2], make: Make, forms: impl Fn(&str) -> Vec<String>) -> Folder {
    let folder = Folder { directory: tempfile::tempdir().expect("a directory") };
    for (name, key) in ["a.pcap", "b.pcap"].into_iter().zip(keys) {
        folder.write(name, &session(&make(key), key, &forms(key)));
    }
    let sent = [b"the payload has ", keys[0].as_bytes(), b" in it"].concat();
    folder.write("sent", &sent);
    folder.write("received", &[&sent[..10], b"?", &sent[11..]].concat());
    folder
}

/// What a run leaks of the secrets, in what it prints and in what it writes.
fn leaks_of(folder: &Folder, line: &str, keys: [&str; 2]) -> Vec<String> {
    let output = folder.run(line);
    // What is no string names no stream that could be followed.
    let most = if line.starts_with("relay") { 2 } else { 1 };
    assert!(output.status.code() <= Some(most), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let mut texts = vec![output.stderr];
    // Of text for people only that of `check` is hidden; the files always are.
    texts.extend((!line.starts_with("lint -v")).then_some(output.stdout));
    for written in ["written.xml", "written.sarif", "written.jsonl"] {
        texts.extend(fs::read(folder.path(written)));
        let _ = fs::remove_file(folder.path(written));
    }
    let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
    texts.flat_map(|text| keys.map(|key| leaks(&text, key))).flatten().collect()
}

#[test]
fn no_secret_is_printed_wherever_it_was() {
    let mut wrong = Vec::new();
    for (at, (what, keys, make)) in PLACES.iter().enumerate() {
        let keys = keys.unwrap_or([KEY, OTHER]);
        let folder = folder(keys, *make, forms);
        // They show what the report has, wherever that was found.
        let renderings = if at % 8 == 0 { RENDERINGS } else { &[] };
        for line in RUNS.iter().chain(renderings) {
            let found = leaks_of(&folder, line, keys);
            wrong.extend((!found.is_empty()).then(|| format!("{what}: {line}: {found:?}")));
        }
    }
    assert!(wrong.is_empty(), "{} leaks:\n{}", wrong.len(), wrong.join("\n"));
}

/// Reports show the first of many differences and findings: here each form is the first.
#[test]
fn no_secret_is_printed_in_any_form() {
    let mut wrong = Vec::new();
    let (_, _, make) = PLACES[0];
    for at in 0..forms(KEY).len() {
        let folder = folder([KEY, OTHER], make, |key| vec![forms(key)[at].clone()]);
        let shown =
            ["diff --format json --strict --show-secrets a.pcap b.pcap", "lint --format json --show-secrets a.pcap"];
        for line in shown {
            let shown = String::from_utf8_lossy(&folder.run(line).stdout).into_owned();
            let form = forms(KEY)[at].replace('\\', "\\\\").replace('\0', "\\u0000");
            assert!(shown.contains(&form), "{line} does not show {form}, so it cannot hide it: {shown}");
        }
        let renderings = if at % 8 == 0 { RENDERINGS } else { &[] };
        let shown = |line: &&&str| !line.starts_with("streams") && !line.starts_with("payload");
        for line in RUNS.iter().chain(renderings).filter(shown) {
            let found = leaks_of(&folder, line, [KEY, OTHER]);
            wrong.extend((!found.is_empty()).then(|| format!("{:?}: {line}: {found:?}", forms(KEY)[at])));
        }
    }
    assert!(wrong.is_empty(), "{} leaks:\n{}", wrong.len(), wrong.join("\n"));
}

/// The terminal is the user's own: `decode` shows the secret in each place, so the tests above have something to hide.
#[test]
fn every_place_has_its_secret() {
    for (what, keys, make) in PLACES {
        let [key, other] = keys.unwrap_or([KEY, OTHER]);
        let decoded = folder([key, other], *make, |_| Vec::new()).run("decode -V a.pcap").stdout;
        assert!(String::from_utf8_lossy(&decoded).contains(key), "{what}");
    }
}

#[test]
fn a_snapshot_with_secrets_equals_its_capture() {
    for (what, keys, make) in PLACES {
        let key = keys.map_or(KEY, |keys| keys[0]);
        for settings in ["", "payload = 'full'\n"] {
            let folder = folder([key, key], *make, forms);
            folder.write("rtmp-inspect.toml", settings.as_bytes());
            let updated = folder.run("check --no-lint --update a.pcap");
            let written = fs::read_to_string(folder.path("a.pcap.snapshot.jsonl")).expect("a snapshot");
            let checked = folder.run("check --no-lint -v a.pcap");
            let said = String::from_utf8_lossy(&checked.stdout);
            assert_eq!((updated.status.code(), checked.status.code()), (Some(0), Some(0)), "{what}: {said}");
            assert_eq!(leaks(&written, key), [""; 0], "{what}");
        }
    }
}

/// The captures that came with the places that leaked.
#[test]
fn captures_that_told_their_secrets_do_so_no_more() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.starts_with("secret-") {
            continue;
        }
        seen += 1;
        let key = if name.contains("numkey") { "123456789012" } else { KEY };
        let here = Folder { directory: tempfile::tempdir().expect("a directory") };
        fs::copy(&entry, here.path("a.pcap")).expect("it can be copied");
        for line in [
            "snapshot a.pcap",
            "snapshot --payload full a.pcap",
            "lint --format json a.pcap",
            "streams --format json a.pcap",
        ] {
            let text = String::from_utf8_lossy(&here.run(line).stdout).into_owned();
            assert_eq!(leaks(&text, key), [""; 0], "{name}: {line}");
        }
    }
    assert!(seen >= 5, "{seen} captures");
}
