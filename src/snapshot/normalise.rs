//! Bodies with placeholders in the place of what varies, and of secrets.
//!
//! Takes a message, gives its body with the bytes of some values replaced: everything else stays as it is, so that
//! what is wrong with a body is still wrong with it.

use std::ops::Range;

use crate::compare::{FieldPath, MessageIdentity, Step, ValuePath, placeholder, units};
use crate::dissect::paths;
use crate::field::{Node, Tree};
use crate::recording::{RecordedMessage, Session};
use crate::rtmp::{MessageTypeId, body};
use crate::secrets::Secrets;
use crate::steps;

/// What is to be replaced in the messages of a session.
pub struct Normaliser<'s> {
    secrets: &'s Secrets,
    /// Host and port, as the client's tcUrl has them.
    authority: Option<String>,
}

impl<'s> Normaliser<'s> {
    /// For the messages of a session.
    pub fn new(session: &Session, secrets: &'s Secrets) -> Normaliser<'s> {
        let authority = session.stream.tc_url.as_deref().and_then(authority).map(str::to_owned);
        Normaliser { secrets, authority }
    }

    /// Text with placeholders for secrets and the host.
    pub fn text(&self, text: &str) -> String {
        let text = self.secrets.hide(text);
        let Some(authority) = &self.authority else { return text.into_owned() };
        let mut made = String::with_capacity(text.len());
        let mut rest = &text[..];
        while let Some(at) = rest.find("://") {
            steps::count(1);
            let (before, behind) = rest.split_at(at + 3);
            made.push_str(before);
            // A login comes before the host; it was hidden by now.
            let login = behind.find(['@', '/']).filter(|&at| behind[at..].starts_with('@')).map_or(0, |at| at + 1);
            made.push_str(&behind[..login]);
            let host = &behind[login..];
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || ".:-".contains(c));
            rest = match host.strip_prefix(&authority[..]).filter(|rest| ends(rest)) {
                Some(rest) => {
                    made.push_str("<host>");
                    rest
                }
                None => host,
            };
        }
        made.push_str(rest);
        made
    }

    /// The body with placeholders.
    pub fn body(&self, kept: &RecordedMessage, named: &MessageIdentity) -> Vec<u8> {
        let type_id = named.read_as.unwrap_or(kept.header.type_id);
        let mut tree = Tree::default();
        body::decode(type_id, &kept.body, kept.header.length, &mut tree);
        let leaves: Vec<&Node> = tree.leaves().filter(|node| node.def.name.starts_with("amf.")).collect();
        let mut made = Vec::with_capacity(kept.body.len());
        let mut copied = 0;
        for unit in units(kept, named) {
            let first = leaves.partition_point(|node| node.range.start < unit.range.start);
            let last = leaves.partition_point(|node| node.range.end <= unit.range.end);
            let leaves = leaves.get(first..last).unwrap_or_default();
            let Some((range, bytes)) = self.value(&unit.path, leaves, &kept.body) else { continue };
            made.extend_from_slice(&kept.body[copied..range.start]);
            made.extend(bytes);
            copied = range.end;
        }
        made.extend_from_slice(&kept.body[copied..]);
        // A stream may be called `connect`: the command of that name keeps it.
        let name = leaves.iter().find(|node| node.def.name == "amf.string").map(|node| node.range.clone());
        let known = name.filter(|name| {
            let name = std::str::from_utf8(kept.body.get(name.clone()).unwrap_or_default());
            name.is_ok_and(|name| paths::messages().any(|known| known == name))
        });
        self.rest(made, known)
    }

    /// What stands for a value, and the bytes that it takes the place of.
    fn value(&self, path: &FieldPath, leaves: &[&Node], body: &[u8]) -> Option<(std::ops::Range<usize>, Vec<u8>)> {
        if let Some(Step::Argument("command" | "handler")) = path.value().and_then(ValuePath::last) {
            return None;
        }
        let volatile = placeholder::volatile(path).map(|(name, _)| name);
        let is_amf3 = leaves.iter().any(|node| node.def.name == "amf.amf3_type");
        match leaves {
            [.., length, text] if matches!(text.def.name, "amf.string" | "amf.longstring") => {
                let was = std::str::from_utf8(&body[text.range.clone()]).ok()?;
                let now = match volatile {
                    Some(name) if name != placeholder::HOST => format!("<{name}>"),
                    _ => self.text(was),
                };
                let number = match (is_amf3, length.range.len()) {
                    (true, _) => u29((now.len() as u32) << 1 | 1),
                    // A placeholder may be longer than what it stands for.
                    (false, 2) => u16::try_from(now.len()).ok()?.to_be_bytes().to_vec(),
                    (false, _) => u32::try_from(now.len()).ok()?.to_be_bytes().to_vec(),
                };
                (now != was).then(|| (length.range.start..text.range.end, [number, now.into_bytes()].concat()))
            }
            // A string more would shift the numbers of those that AMF 3 refers to.
            [marker, .., last] if !is_amf3 => {
                let (kind, secret) = match last.def.name {
                    "amf.number" => ("number", self.number(path, body, last)),
                    "amf.boolean" => ("boolean", None),
                    "amf.timezone" => ("date", None),
                    _ => return None,
                };
                let text = match (volatile, secret) {
                    (Some(name), _) => format!("<{name}:{kind}>"),
                    (None, Some(secret)) => secret.replace('>', &format!(":{kind}>")),
                    (None, None) => return None,
                };
                let length = u16::try_from(text.len()).ok()?.to_be_bytes();
                Some((marker.range.start..last.range.end, [&[2], &length[..], text.as_bytes()].concat()))
            }
            // As long as it was, as all that follows is where it was.
            [.., last] if last.def.name == "amf.integer" && last.range.len() == U29_OVERWRITTEN.len() => {
                let bytes: [u8; 4] = body.get(last.range.clone())?.try_into().ok()?;
                let number = bytes[..3].iter().fold(0, |number, byte| number << 7 | i32::from(byte & 0x7f));
                let number = number << 8 | i32::from(bytes[3]);
                self.secrets.hide_number(number.into(), false)?;
                Some((last.range.clone(), U29_OVERWRITTEN.to_vec()))
            }
            _ => None,
        }
    }

    /// The placeholder for a number that is a secret.
    fn number(&self, path: &FieldPath, body: &[u8], leaf: &Node) -> Option<String> {
        let bytes = body.get(leaf.range.clone())?.try_into().ok()?;
        self.secrets.hide_number(f64::from_be_bytes(bytes), path.last() == Some("name"))
    }

    /// Bytes that are no text: whole secrets in them are overwritten.
    pub fn overwritten(&self, body: &[u8]) -> Vec<u8> {
        self.rest(body.to_vec(), None)
    }

    /// Secrets where no value is: in names, in what could not be decoded. Their bytes are overwritten, but not in the
    /// name of a command that is known.
    fn rest(&self, mut body: Vec<u8>, known: Option<Range<usize>>) -> Vec<u8> {
        let name = known.map(|range| (range.clone(), body[range].to_vec()));
        self.secrets.overwrite_whole(&mut body);
        if let Some((range, name)) = name {
            body[range].copy_from_slice(&name);
        }
        body
    }
}

/// Whether a message's bytes are text of one side that may hold what varies.
pub fn is_text(type_id: MessageTypeId) -> bool {
    !type_id.is_media() && !type_id.is_protocol_control()
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit('@').next()?;
    (!authority.is_empty()).then_some(authority)
}

/// Asterisks as a number of AMF 3: its first bits say that more bytes follow.
const U29_OVERWRITTEN: [u8; 4] = [b'*' | 0x80, b'*' | 0x80, b'*' | 0x80, b'*'];

/// A number of AMF 3 (AMF3 1.3.1).
fn u29(number: u32) -> Vec<u8> {
    let group = |shift: u32| (number >> shift) as u8 & 0x7f;
    match number {
        0..=0x7f => vec![group(0)],
        0x80..=0x3fff => vec![group(7) | 0x80, group(0)],
        0x4000..=0x1f_ffff => vec![group(14) | 0x80, group(7) | 0x80, group(0)],
        _ => vec![group(22) | 0x80, group(15) | 0x80, group(8) | 0x80, number as u8],
    }
}
