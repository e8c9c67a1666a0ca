//! Which values of which messages are secrets.
//!
//! Takes messages, finds names of streams and credentials in them, in order of appearance. A command is one whatever
//! type its header has, and its secrets are found even if its values are broken: who compares sessions has one that
//! does not work. What names mean is known by [`names`], what is secret in URLs by [`url`].

use memchr::memmem;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::amf::{Str, Value, number_text};
use crate::recording::{EventKind, RecordedEvent, RecordedMessage, Recording, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::shared_object;
use crate::session::{Event, Kind as SessionKind, Observer, RtmpSession};
use crate::tcp::Connection;

use super::values::{self, Leaf};
use super::{Kind, Secret, Secrets, forms, is_common, names, url};

/// Finds the secrets of a capture. Give it to [`crate::pipeline::run`], and take the [`Secrets`] when that is done.
#[derive(Debug, Default)]
pub struct Collector {
    secrets: Vec<Secret>,
    known: FxHashMap<Vec<u8>, usize>,
    counts: [usize; 2],
    /// Other ways in which secrets are written: text or bytes, and whose.
    spellings: Vec<(Vec<u8>, usize)>,
    /// Bytes that stand for a secret that is a number.
    numbers: Vec<(Vec<u8>, usize)>,
    /// What servers said.
    said: Vec<String>,
    said_before: FxHashSet<String>,
}

/// Smaller numbers are all over a session, and not keys.
const SMALLEST_NUMBER: f64 = 1e4;

/// Digits of which a double keeps every one.
const EXACT_DIGITS: std::ops::RangeInclusive<usize> = 6..=15;

/// What is around the name of a stream in a server's description (Flash Media Server, Node-Media-Server).
const DESCRIPTIONS: &[(&str, &str)] = &[
    ("Publishing ", "."),
    ("Playing and resetting ", "."),
    ("Started playing ", "."),
    ("Stopped playing ", "."),
    ("Failed to play ", "; stream not found."),
    ("", " is now published."),
    ("", " is now unpublished."),
];

impl Collector {
    /// The secrets of a recording.
    pub fn recording(&mut self, recording: &Recording) {
        recording.sessions.iter().for_each(|session| self.session(session));
    }

    /// A session with no more than is needed for its secrets.
    pub fn what_matters(session: Session) -> Session {
        let matters = |item: &RecordedEvent| {
            let may_say = |kept: &RecordedMessage| values::read_as(kept.header.type_id, &kept.body).is_some();
            item.is_damaged() || item.message().is_some_and(may_say)
        };
        let items = session.items.into_iter().filter(matters).collect();
        Session { items, tapes: Default::default(), ..session }
    }

    /// The secrets of a session. They have their numbers in the order in which they come.
    pub fn session(&mut self, session: &Session) {
        for item in &session.items {
            if let EventKind::Message(kept) = &item.content {
                self.message(kept.header.type_id, &kept.body, kept.header.length);
            }
        }
        // Commands in what could not be decoded are shown too, as bytes.
        for direction in 0..2 {
            let is_lost = |item: &RecordedEvent| item.direction.index() == direction && item.is_damaged();
            if session.items.iter().any(is_lost) {
                self.raw(&session.beginnings[direction]);
            }
        }
    }

    /// The secrets of a message whose body is `length` bytes long, of which these are there.
    pub fn message(&mut self, type_id: MessageTypeId, bytes: &[u8], length: u32) {
        let Some(read_as) = values::read_as(type_id, bytes) else { return };
        let decoded = body::decode(read_as, bytes, length, &mut ());
        let name = self.body(&decoded.body);
        if let Some(name) = name.filter(|_| !decoded.defects.is_empty() || bytes.len() < length as usize) {
            self.broken(&name, bytes);
        }
    }

    /// The secrets of a body; the name of the command that it is.
    fn body(&mut self, body: &Body<'_>) -> Option<String> {
        let (name, arguments, is_data) = match body {
            Body::Command(command) => (command.name(), command.arguments(), false),
            Body::Data(data) => (data.name(), data.arguments(), true),
            Body::Aggregate(aggregate) => {
                aggregate.messages.iter().for_each(|message| drop(self.body(&message.body)));
                return None;
            }
            Body::SharedObject(object) => {
                for event in &object.events {
                    match &event.content {
                        shared_object::Content::Properties { properties } => {
                            values::properties(properties, &mut |leaf| self.anywhere(leaf));
                        }
                        shared_object::Content::Message { values } => {
                            values::leaves(values, &mut |leaf| self.anywhere(leaf));
                        }
                        _ => {}
                    }
                }
                return None;
            }
            _ => return None,
        };
        let name = name.map(|name| name.to_string()).unwrap_or_default();
        if is_data && !names::is_command(&name) {
            values::leaves(arguments, &mut |leaf| self.anywhere(leaf));
            return None;
        }
        self.command(&name, arguments);
        Some(name)
    }

    fn command(&mut self, name: &str, arguments: &[Value<'_>]) {
        if names::names_stream(name) {
            self.names_stream(name, arguments);
        }
        for (position, argument) in arguments.iter().enumerate() {
            // `NetConnection.connect(url, user, password)` sends them after the object.
            let is_credential = names::is_login(name) || (name == "connect" && position > 0);
            values::leaves(std::slice::from_ref(argument), &mut |leaf| {
                self.anywhere(Leaf { is_secret: leaf.is_secret || is_credential, ..leaf });
                let Some(text) = leaf.text() else { return };
                let property = leaf.property.to_ascii_lowercase();
                if name == "connect" && ["app", "tcurl"].contains(&property.as_str()) {
                    url::behind_application(text.0).for_each(|part| self.key(part));
                    self.parameters(text.0);
                } else if !names::names_stream(name) {
                    // A stream's own query is read with its name.
                    url::queries(text.0).for_each(|query| self.parameters(query));
                }
                if names::is_answer(name) {
                    self.names_back(name, &property, text);
                }
            });
        }
    }

    /// What is a secret in whichever message it is: by the name of its property, or as the login of a URL. Metadata may
    /// name a source with its password: `rtsp://user:password@camera`.
    fn anywhere(&mut self, leaf: Leaf<'_, '_>) {
        if let Some(text) = leaf.text() {
            if leaf.is_secret {
                self.credential(text.0);
            }
            if let (true, Value::Xml(xml)) = (leaf.is_secret, leaf.value) {
                values::xml_texts(xml.0).for_each(|text| self.credential(text));
            }
            url::logins(text.0).into_iter().for_each(|part| self.credential(part));
            if memmem::find(text.0, b"://").is_some() {
                self.parameters(text.0);
            }
        } else if let Some(number) = leaf.value.as_number().filter(|_| leaf.is_secret) {
            self.number(Kind::Credential, number);
        }
    }

    /// The values of parameters: `?name=value&name=value`, `?value`, `;value`.
    fn parameters(&mut self, url: &[u8]) {
        for (_, value) in url::parameters(url) {
            if let Some(index) = self.add(Kind::Credential, value) {
                self.parts(value, index);
            }
        }
    }

    /// What a server says of a stream.
    fn names_back(&mut self, name: &str, property: &str, text: Str<'_>) {
        let is_back = names::NAMING_BACK.contains(&name);
        let is_name = match property {
            "details" | "streamname" | "stream" => true,
            "" => is_back || name == "_result",
            "description" => is_back,
            _ => false,
        };
        let is_word = !text.0.is_empty() && !text.0.iter().any(u8::is_ascii_whitespace);
        // SRS says `stream`, whatever the name is; a status code is no name.
        if is_name && is_word && *text.0 != *b"stream" && !text.0.starts_with(b"Net") {
            self.stream(text.0);
        }
        if property == "clientid" && is_word && text.0.len() >= forms::SHORTEST {
            self.credential(text.0);
        }
        let text = text.text();
        let text = text.trim();
        if !["description", "details", ""].contains(&property) {
            return;
        }
        for (before, behind) in DESCRIPTIONS {
            let name = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
            if let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(' ') && *name != "stream") {
                self.stream(name.as_bytes());
            }
        }
        for word in text.split(|c: char| c.is_whitespace() || "'\"`()[],".contains(c)) {
            let word = word.trim_end_matches(['.', ':', ';', '!']);
            if is_key_like(word) {
                self.stream(word.as_bytes());
            } else if word.starts_with('/') {
                url::behind_application(word.as_bytes()).for_each(|part| self.stream(part));
            }
        }
        if self.said_before.insert(text.to_owned()) {
            // A single word is told from ours by what it is said after: the level, or the code.
            let is_word = !text.contains(' ');
            let said = if is_word { vec![format!("— {text}"), format!(": {text}")] } else { vec![text.to_owned()] };
            self.said.extend(said);
        }
    }

    /// A command that names a stream: the first value after name and transaction id that can be a name.
    fn names_stream(&mut self, name: &str, arguments: &[Value<'_>]) {
        if name == "play2" {
            for property in [b"streamName".as_slice(), b"oldStreamName"] {
                let names = arguments.iter().filter_map(|value| value.property(property)?.as_str());
                names.for_each(|text| self.stream(text.0));
            }
        }
        let is_type = |text: Str<'_>| names::PUBLISH_TYPES.iter().any(|word| word.as_bytes() == text.0);
        let is_number = |value: &&Value<'_>| value.as_number().is_some_and(|number| number >= SMALLEST_NUMBER);
        let first = arguments.iter().find(|value| value.as_str().is_some() || is_number(value));
        match first.map(|first| (first.as_str(), first.as_number())) {
            Some((Some(text), _)) if !is_type(text) => return self.stream(text.0),
            Some((_, Some(number))) if name != "deleteStream" => return self.number(Kind::StreamKey, number),
            _ => {}
        }
        // Where no string can be the name, objects and documents are.
        let before = self.secrets.len();
        values::leaves(arguments, &mut |leaf| match (leaf.value, leaf.text()) {
            (Value::Xml(xml), _) => {
                self.key(xml.0);
                values::xml_texts(xml.0).for_each(|text| self.stream(text));
            }
            (_, Some(text)) if !is_type(text) => self.stream(text.0),
            (value, _) if !leaf.property.is_empty() => {
                value.as_number().into_iter().for_each(|number| self.number(Kind::StreamKey, number));
            }
            _ => {}
        });
        if let Some(text) = first.and_then(Value::as_str).filter(|_| self.secrets.len() == before) {
            self.stream(text.0);
        }
    }

    /// A secret that is a number.
    fn number(&mut self, kind: Kind, number: f64) {
        if number >= SMALLEST_NUMBER {
            self.add(kind, number_text(number).as_bytes());
        }
    }

    /// A stream's name, with its query.
    fn stream(&mut self, name: &[u8]) {
        let end = memchr::memchr(b'?', name).unwrap_or(name.len());
        if let Some(index) = self.add(Kind::StreamKey, &name[..end]) {
            // `mp4:film` is the file `film` (Flash Media Server), and a name may come after its application.
            let plain = name[..end].trim_ascii().trim_ascii_end();
            let plain = plain.strip_suffix(b"\0").unwrap_or(plain);
            let spellings = [plain, values::after(plain, b':'), values::after(plain, b'/')];
            let spellings = spellings.into_iter().filter(|part| part.len() >= forms::SHORTEST);
            self.spellings.extend(spellings.map(|part| (part.to_vec(), index)));
            self.parts(plain, index);
        }
        self.parameters(&name[end..]);
    }

    /// Parts of a secret that may be it: what is between the separators of URLs.
    fn parts(&mut self, secret: &[u8], index: usize) {
        let parts = secret.split(|byte| b"/;#&=:".contains(byte)).filter(|part| part.len() < secret.len());
        let parts = parts.filter(|part| !is_common(&Str(part).text()));
        self.spellings.extend(parts.map(|part| (part.to_vec(), index)));
    }

    /// A command whose values cannot all be read: what looks like text is treated as what it should be.
    fn broken(&mut self, name: &str, bytes: &[u8]) {
        let start = memmem::find(bytes, name.as_bytes()).map_or(0, |at| at + name.len());
        for run in values::runs(&bytes[start..]) {
            let run = &bytes[start..][run];
            url::logins(run).into_iter().for_each(|part| self.credential(part));
            if !names::names_stream(name) {
                url::queries(run).for_each(|query| self.parameters(query));
                continue;
            }
            // A length from 0x20 on reads as a letter in front.
            let text = match run {
                [first, rest @ ..] if usize::from(*first) == rest.len() => rest,
                run => run,
            };
            if !names::PUBLISH_TYPES.iter().any(|word| word.as_bytes() == text) {
                self.stream(text);
            }
        }
    }

    /// Commands in bytes of which nobody knows where messages begin.
    fn raw(&mut self, bytes: &[u8]) {
        for name in names::NAMING.iter().chain(&["connect"]) {
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

    fn key(&mut self, bytes: &[u8]) {
        self.add(Kind::StreamKey, bytes);
    }

    fn credential(&mut self, bytes: &[u8]) {
        self.add(Kind::Credential, bytes);
    }

    /// Takes it for a secret; returns its place if it is new.
    fn add(&mut self, kind: Kind, bytes: &[u8]) -> Option<usize> {
        let text = Str(bytes).text();
        if text.trim().is_empty() || self.known.contains_key(bytes) || is_overwritten(&text) {
            return None;
        }
        let count = &mut self.counts[kind as usize];
        *count += 1;
        let secret = Secret { kind, number: *count, text: text.into_owned(), bytes: bytes.to_vec() };
        let index = self.secrets.len();
        let digits = Some(secret.text.as_str()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) =
            digits.filter(|text| EXACT_DIGITS.contains(&text.len())).and_then(|text| text.parse().ok())
        {
            self.numbers.extend(forms::number(number).into_iter().map(|bytes| (bytes, index)));
        }
        self.spellings.extend(forms::percent_decoded(bytes).map(|plain| (plain, index)));
        self.known.insert(bytes.to_vec(), index);
        self.secrets.push(secret);
        Some(index)
    }

    /// What was found.
    pub fn into_secrets(mut self) -> Secrets {
        // A secret of its own is not another's spelling.
        for (spelling, index) in std::mem::take(&mut self.spellings) {
            let text = Str(&spelling).text();
            if !self.known.contains_key(&spelling) && !text.trim().is_empty() {
                let of = &self.secrets[index];
                let (kind, number, text) = (of.kind, of.number, text.into_owned());
                self.known.insert(spelling.clone(), index);
                self.secrets.push(Secret { kind, number, text, bytes: spelling });
            }
        }
        Secrets::new(&self.secrets, &self.numbers, &self.said)
    }
}

impl Observer for Collector {
    fn event(&mut self, event: &Event<'_>) {
        if let SessionKind::Message(message) = &event.kind {
            self.message(message.header.type_id, message.decodable(), message.header.length);
        }
    }

    fn closed(&mut self, _: &Connection, _: &RtmpSession) {}
}

/// Whether a word in a server's sentence cannot be one of a language: letters and digits mixed, and no address, number,
/// version or status code.
fn is_key_like(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let is_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    word.len() >= 8 && word.bytes().all(is_of_key) && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// Whether it is what an earlier run put in a secret's place.
fn is_overwritten(text: &str) -> bool {
    let number = |rest: &str| {
        let rest = [Kind::StreamKey, Kind::Credential].iter().find_map(|kind| rest.strip_prefix(kind.name()))?;
        let (number, _) = rest.strip_prefix('-')?.split_once('>')?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())
    };
    text.split('<').skip(1).any(|rest| number(rest).is_some()) || text.bytes().all(|byte| byte == b'*')
}
