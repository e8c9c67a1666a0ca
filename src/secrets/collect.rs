//! Which values of which messages are secrets.
//!
//! Takes messages, finds names of streams and credentials in them, in order of appearance. A command is one whatever
//! type its header has, and its secrets are found even if its values are broken: who compares sessions has one that
//! does not work.

use memchr::memmem;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::amf::{Str, Value, number_text};
use crate::recording::{Content, Recording, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::session::{Conversation, Event, Kind as EventKind, Observer};
use crate::tcp::Connection;

use super::{Kind, Secret, Secrets, hex, text, values};

/// Finds the secrets of a capture. Give it to [`crate::pipeline::run`], and take the [`Secrets`] when that is done.
#[derive(Debug, Default)]
pub struct Collector {
    secrets: Vec<Secret>,
    known: FxHashMap<Vec<u8>, usize>,
    counts: [usize; 2],
    /// Other ways in which secrets are written: text or bytes, and whose.
    spellings: Vec<(Vec<u8>, usize)>,
    /// What servers said.
    said: Vec<String>,
    said_before: FxHashSet<String>,
}

/// Commands that name a stream (RTMP 1.0 7.2; the FC commands are Flash Media Server's).
const NAMING: &[&str] = &[
    "publish",
    "play",
    "play2",
    "releaseStream",
    "FCPublish",
    "FCUnpublish",
    "FCSubscribe",
    "FCUnsubscribe",
    "getStreamLength",
    "deleteStream",
];

/// Answers whose description is the name of a stream, with Flash Media Server and those that do as it does.
const NAMING_BACK: &[&str] = &["onFCPublish", "onFCUnpublish", "onFCSubscribe", "onFCUnsubscribe"];

/// Parameters of a query that are no secret: which way to log in, and what the server wants.
const PUBLIC: &[&str] = &["authmod", "reason"];

/// Parts of names of properties whose text is a secret.
const SECRET_PROPERTIES: &[&str] = &["auth", "token", "passw", "secret", "signature", "credential"];

/// Types of `publish`, which are no names.
const PUBLISH_TYPES: &[&str] = &["live", "record", "append", "appendWithGap"];

impl Collector {
    /// The secrets of a recording.
    pub fn recording(&mut self, recording: &Recording) {
        recording.sessions.iter().for_each(|session| self.session(session));
    }

    fn session(&mut self, session: &Session) {
        for item in &session.items {
            if let Content::Message(kept) = &item.content {
                self.message(kept.header.type_id, &kept.body, kept.header.length);
            }
        }
        // Commands in what could not be decoded are shown too, as bytes.
        for direction in 0..2 {
            let is_lost = |item: &crate::recording::Item| item.direction.index() == direction && item.is_damaged();
            if session.items.iter().any(is_lost) {
                self.raw(&session.beginnings[direction]);
            }
        }
    }

    /// The secrets of a message whose body is `length` bytes long, of which these are there.
    pub fn message(&mut self, type_id: MessageTypeId, bytes: &[u8], length: u32) {
        let Some(read_as) = values::command_type(type_id, bytes) else { return };
        let decoded = body::decode(read_as, bytes, length, &mut ());
        let (name, arguments, values) = match &decoded.body {
            Body::Command(command) => (command.name(), command.arguments(), &command.values),
            Body::Data(data) => (data.name(), data.arguments(), &data.values),
            _ => return,
        };
        let name = name.map(|name| name.to_string()).unwrap_or_default();
        if matches!(decoded.body, Body::Data(_)) && !is_command_name(&name) {
            // Metadata may name a source with its password: `rtsp://user:password@camera`.
            values::strings(values, &mut |_, text| self.login(text));
            return;
        }
        self.command(&name, arguments);
        if !decoded.defects.is_empty() || bytes.len() < length as usize {
            self.broken(&name, bytes);
        }
    }

    fn command(&mut self, name: &str, arguments: &[Value<'_>]) {
        let lower = name.to_ascii_lowercase();
        let is_login = lower.contains("auth") || lower.contains("token");
        if names_stream(name) {
            self.names_stream(name, arguments);
        }
        let is_answer = ["_result", "_error", "onStatus"].contains(&name) || NAMING_BACK.contains(&name);
        for (position, argument) in arguments.iter().enumerate() {
            // `NetConnection.connect(url, user, password)` sends them behind the object.
            let is_credential = is_login || (name == "connect" && position > 0);
            values::strings(std::slice::from_ref(argument), &mut |property, text| {
                let property = property.to_ascii_lowercase();
                let is_secret = SECRET_PROPERTIES.iter().any(|part| property.contains(part)) && property != "authmod";
                if is_credential || is_secret {
                    self.add(Kind::Credential, text.0);
                }
                self.login(text);
                if name == "connect" {
                    self.place(&property, text);
                }
                // A stream's own query is read with its name.
                if !names_stream(name) {
                    self.query(text.0);
                }
                if is_answer {
                    self.names_back(name, &property, text);
                }
            });
        }
    }

    /// What stands behind the application in `app` and `tcUrl`: a key, where the URL was not split as it should be.
    fn place(&mut self, property: &str, text: Str<'_>) {
        let text = text.0.split(|&byte| byte == b'?').next().unwrap_or_default();
        let path = match property {
            "app" => text,
            "tcurl" => {
                let host = memmem::find(text, b"://").map_or(text, |at| &text[at + 3..]);
                memchr::memchr(b'/', host).map_or(&[][..], |at| &host[at..])
            }
            _ => return,
        };
        for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).skip(1) {
            // An instance of an application is called `_definst_` (Flash Media Server).
            if !(part.starts_with(b"_") && part.ends_with(b"_")) {
                self.add(Kind::StreamKey, part);
            }
        }
    }

    /// What a server says of a stream.
    fn names_back(&mut self, name: &str, property: &str, text: Str<'_>) {
        let is_name = property == "details" || (NAMING_BACK.contains(&name) && ["description", ""].contains(&property));
        let is_word = !text.0.is_empty() && !text.0.iter().any(u8::is_ascii_whitespace);
        // SRS says `stream`, whatever the name is; a status code is no name.
        if is_name && is_word && *text.0 != *b"stream" && !text.0.starts_with(b"Net") {
            self.stream(text.0);
        }
        let text = text.text();
        let text = text.trim();
        if property != "code" && property != "level" && text.contains(' ') && self.said_before.insert(text.to_owned()) {
            self.said.push(text.to_owned());
        }
    }

    /// A command that names a stream: the first text behind name and transaction id, wherever it should stand.
    fn names_stream(&mut self, name: &str, arguments: &[Value<'_>]) {
        if name == "play2" {
            for property in [b"streamName".as_slice(), b"oldStreamName"] {
                let names = arguments.iter().filter_map(|value| value.property(property)?.as_str());
                names.for_each(|text| self.stream(text.0));
            }
        }
        if let Some(text) = arguments.iter().find_map(Value::as_str) {
            return self.stream(text.0);
        }
        // A key of digits that was written as a number.
        let number = arguments.iter().find_map(Value::as_number).filter(|number| *number >= 1e4);
        if let Some(number) = number.filter(|_| ["publish", "play"].contains(&name))
            && let Some(index) = self.add(Kind::StreamKey, number_text(number).as_bytes())
        {
            self.spellings.push((number.to_be_bytes().to_vec(), index));
        }
    }

    /// A stream's name, with its query.
    fn stream(&mut self, name: &[u8]) {
        let end = memchr::memchr(b'?', name).unwrap_or(name.len());
        if let Some(index) = self.add(Kind::StreamKey, &name[..end]) {
            // `mp4:film` is the file `film` (Flash Media Server), and a name may stand behind its application.
            let plain = name[..end].trim_ascii().trim_ascii_end();
            let plain = plain.strip_suffix(b"\0").unwrap_or(plain);
            let parts = [plain, values::after(plain, b':'), values::after(plain, b'/')];
            self.spellings.extend(parts.into_iter().filter(|part| part.len() >= 4).map(|part| (part.to_vec(), index)));
        }
        self.query(&name[end..]);
    }

    /// User and password in URLs: `rtmp://user:password@host`.
    fn login(&mut self, text: Str<'_>) {
        for at in memmem::find_iter(text.0, b"://") {
            let rest = &text.0[at + 3..];
            let end = rest.iter().position(|byte| b"/?#'\" ".contains(byte)).unwrap_or(rest.len());
            let Some(at) = memchr::memrchr(b'@', &rest[..end]) else { continue };
            for part in rest[..at].splitn(2, |&byte| byte == b':') {
                self.add(Kind::Credential, part);
            }
        }
    }

    /// The values of queries: `?name=value&name=value`, and `?value`.
    fn query(&mut self, text: &[u8]) {
        for part in text.split(|&byte| byte == b'?').skip(1) {
            let end = part.iter().position(|&byte| byte.is_ascii_whitespace() || byte == b'#').unwrap_or(part.len());
            for parameter in part[..end].split(|&byte| byte == b'&') {
                let (name, value) = match memchr::memchr(b'=', parameter) {
                    Some(at) => (&parameter[..at], &parameter[at + 1..]),
                    None => (&parameter[..0], parameter),
                };
                if !PUBLIC.iter().any(|public| public.as_bytes() == name) {
                    self.add(Kind::Credential, value);
                }
            }
        }
    }

    /// A command whose values cannot all be read: what looks like text is taken for what it should be.
    fn broken(&mut self, name: &str, bytes: &[u8]) {
        let start = memmem::find(bytes, name.as_bytes()).map_or(0, |at| at + name.len());
        for run in values::runs(&bytes[start..]) {
            let run = &bytes[start..][run];
            self.login(Str(run));
            if !names_stream(name) {
                self.query(run);
                continue;
            }
            // A length from 0x20 on reads as a letter in front.
            let text = match run {
                [first, rest @ ..] if usize::from(*first) == rest.len() => rest,
                run => run,
            };
            if !PUBLISH_TYPES.iter().any(|word| word.as_bytes() == text) {
                self.stream(text);
            }
        }
    }

    /// Commands in bytes of which nobody knows where messages begin.
    fn raw(&mut self, bytes: &[u8]) {
        for name in NAMING.iter().chain(&["connect"]) {
            let marked = [&[2, 0, name.len() as u8], name.as_bytes()].concat();
            for at in memmem::find_iter(bytes, &marked) {
                let rest = &bytes[at..];
                // The length is said to be longer, so that it is no defect that the values end.
                let decoded = body::decode(MessageTypeId::AMF0_COMMAND, rest, u32::MAX, &mut ());
                if let Body::Command(command) = decoded.body {
                    // What follows the values of one command is the header of the next message.
                    let most = if *name == "connect" { 1 } else { 4 };
                    let arguments = command.arguments();
                    self.command(name, &arguments[..arguments.len().min(most)]);
                }
            }
        }
    }

    /// Takes it for a secret; gives its place if it is new.
    fn add(&mut self, kind: Kind, bytes: &[u8]) -> Option<usize> {
        let text = Str(bytes).text();
        if text.trim().is_empty() || self.known.contains_key(bytes) || is_placeholder(&text) {
            return None;
        }
        let count = &mut self.counts[kind as usize];
        *count += 1;
        let secret = Secret { kind, number: *count, text: text.into_owned(), bytes: bytes.to_vec() };
        let index = self.secrets.len();
        self.known.insert(bytes.to_vec(), index);
        self.secrets.push(secret);
        Some(index)
    }

    /// What was found.
    pub fn into_secrets(mut self) -> Secrets {
        // A secret of its own is not another's spelling.
        for (spelling, index) in std::mem::take(&mut self.spellings) {
            if !self.known.contains_key(&spelling) {
                self.known.insert(spelling.clone(), index);
                let of = &self.secrets[index];
                let text = Str(&spelling).text().into_owned();
                self.secrets.push(Secret { kind: of.kind, number: of.number, text, bytes: spelling });
            }
        }
        Secrets { bytes: hex::Matcher::new(&self.secrets), text: text::Matcher::new(&self.secrets, &self.said) }
    }
}

impl Observer for Collector {
    fn event(&mut self, event: &Event<'_>) {
        if let EventKind::Message(message) = &event.kind {
            self.message(message.header.type_id, message.decodable(), message.header.length);
        }
    }

    fn closed(&mut self, _: &Connection, _: &Conversation) {}
}

/// Whether a command of that name names a stream; clients that get the case wrong have keys too.
fn names_stream(name: &str) -> bool {
    NAMING.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_command_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    names_stream(name)
        || NAMING_BACK.contains(&name)
        || ["connect", "_result", "_error", "onStatus"].contains(&name)
        || lower.contains("auth")
        || lower.contains("token")
}

/// Whether it is what an earlier run put in a secret's place.
fn is_placeholder(text: &str) -> bool {
    let number = [Kind::StreamKey, Kind::Credential]
        .iter()
        .find_map(|kind| text.strip_prefix('<')?.strip_prefix(kind.name())?.strip_prefix('-')?.strip_suffix('>'));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}
