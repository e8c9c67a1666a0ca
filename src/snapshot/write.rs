//! A recording as the lines of a snapshot.

use std::borrow::Cow;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::compare::{FieldPath, FieldValue, MessageIdentity, MessageKind, identify_all, placeholder, units};
use crate::escape;
use crate::recording::{self, EventKind, RecordedEvent, RecordedMessage, Recording, Session};
use crate::rtmp::message::MessageHeader;
use crate::rtmp::{MessageTypeId, body, summary};
use crate::secrets::Secrets;
use crate::session::Direction;

use super::line::{self, Activity, Connection, Fields, Header, Line, name};
use super::normalise::{Normaliser, is_text};
use super::{FORMAT, FORMAT_VERSION, Options, Payload, RULES, order, read};

/// The snapshot of a recording, which must have been made with digests
/// ([`Keep::digests`](crate::recording::Keep::digests)), and for [`Payload::Full`] keeping all.
pub fn write(recording: &Recording, options: &Options) -> String {
    // What was read from a snapshot has its placeholders.
    let is_raw = recording.sessions.iter().any(|session| !session.is_snapshot);
    let secrets = if is_raw { Secrets::of(&[recording]) } else { Secrets::default() };
    let sessions = (0..).zip(&recording.sessions);
    let parts: Vec<_> = sessions.map(|(number, session)| part(number, session, &secrets, options.payload)).collect();
    let lines: usize = parts.iter().map(|part| part.lines.len()).sum();
    let (connections, parts): (Vec<_>, Vec<_>) = parts.into_iter().map(|part| (part.connection, part.lines)).unzip();
    let mut text = header(options, connections);
    text.reserve_exact(lines);
    text.extend(parts);
    text
}

/// What a snapshot has of one session.
pub struct Part {
    /// For its header.
    pub connection: Connection,
    /// The session's messages.
    pub lines: String,
}

/// The part of a session that has this number in the snapshot, with placeholders for the secrets of all sessions.
pub fn part(number: u32, session: &Session, secrets: &Secrets, payload: Payload) -> Part {
    let mut writer = Writer {
        number,
        session,
        identities: identify_all(&session.items),
        normaliser: (!session.is_snapshot).then(|| Normaliser::new(session, secrets)),
        payload,
        first: [None; 2],
    };
    let order = writer.order();
    let mut calls = writer.calls(&order);
    let mut lines = String::new();
    for &index in &order {
        let line = Line { call: calls.remove(&index), ..writer.line(index) };
        push(&mut lines, &line);
    }
    Part { connection: writer.connection(order.len()), lines }
}

/// The first line of a snapshot.
pub fn header(options: &Options, connections: Vec<Connection>) -> String {
    let header = Header {
        kind: "header",
        format: FORMAT,
        format_version: FORMAT_VERSION,
        capture: &options.name,
        payload: options.payload.name(),
        normalised: RULES,
        connections,
    };
    let mut text = String::new();
    push(&mut text, &header);
    text
}

fn push(text: &mut String, line: &impl serde::Serialize) {
    // Maps with names for keys, numbers and strings: nothing that JSON cannot say.
    text.push_str(&escape::json::line(line).expect("a line is JSON"));
    text.push('\n');
}

/// Two recordings as they are compared: where one is a snapshot, the messages of the other have the bodies that its own
/// snapshot would have, and the snapshot those that it has as digests.
pub fn prepare(a: Recording, b: Recording) -> [Recording; 2] {
    let is_snapshot = |recording: &Recording| recording.sessions.iter().any(|session| session.is_snapshot);
    match (is_snapshot(&a), is_snapshot(&b)) {
        (true, false) => [recording::fill_in(a, &b), normalise(b)],
        (false, true) => {
            let b = recording::fill_in(b, &a);
            [normalise(a), b]
        }
        _ => [a, b],
    }
}

fn normalise(mut capture: Recording) -> Recording {
    let text = write(&capture, &Options { payload: Payload::Full, ..Options::default() });
    let secrets = Secrets::of(&[&capture]);
    for session in &mut capture.sessions {
        let normaliser = Normaliser::new(session, &secrets);
        let named = identify_all(&session.items);
        for (item, named) in session.items.iter_mut().zip(&named) {
            let EventKind::Message(kept) = &mut item.content else { continue };
            let normal = match (is_text(kept.header.type_id), head(kept, named)) {
                (true, None) => normaliser.body(kept, named),
                // With a head, only a snapshot with all bodies has it.
                (_, Some(_)) if !kept.is_whole() => continue,
                _ => normaliser.overwritten(&kept.body),
            };
            kept.normal = Some(normal).filter(|normal| *normal != kept.body).map(Vec::into_boxed_slice);
        }
    }
    // What was written can be read.
    Recording { as_snapshot: read(text.as_bytes()).ok().map(Box::new), ..capture }
}

/// One session.
struct Writer<'r> {
    number: u32,
    session: &'r Session,
    identities: Vec<MessageIdentity>,
    normaliser: Option<Normaliser<'r>>,
    payload: Payload,
    /// The time of the first audio or video of each direction.
    first: [Option<u32>; 2],
}

impl Writer<'_> {
    fn connection(&self, messages: usize) -> Connection {
        let stream = &self.session.stream;
        let text = |text: &Option<String>| text.as_deref().map(|text| self.text(text));
        let sides = [
            (Direction::ClientToServer, &stream.client_to_server),
            (Direction::ServerToClient, &stream.server_to_client),
        ];
        let is_late = |direction: Direction| {
            let mut items = self.session.items.iter().filter(|item| item.direction == direction);
            !self.session.from_start[direction.index()] && items.next().is_some()
        };
        let is_missing = |direction: Direction| {
            let (side, back) = (sides[direction.index()].1, sides[direction.back().index()].1);
            // The FIN's own number is no byte.
            side.bytes == 0 && back.bytes > 0 && side.unseen_bytes + side.gap_bytes > 1
        };
        let of = |is: &dyn Fn(Direction) -> bool| {
            sides.iter().filter(|(direction, _)| is(*direction)).map(|(direction, _)| direction.code()).collect()
        };
        Connection {
            connection: self.number,
            protocol: name(line::PROTOCOLS, &stream.protocol).unwrap_or_default().to_owned(),
            app: text(&stream.app),
            tc_url: text(&stream.tc_url),
            activities: stream
                .activities
                .iter()
                .map(|activity| Activity { what: activity.what, stream: self.text(&activity.name) })
                .collect(),
            flash_ver: text(&stream.flash_ver),
            fms_ver: stream.fms_ver.as_ref().map(|_| {
                let (name, _) =
                    placeholder::volatile(&FieldPath::property("_result", "fmsVer")).expect("it is in the list");
                format!("<{name}>")
            }),
            encoder: text(&stream.encoder),
            error: text(&stream.error),
            begins_late: of(&is_late),
            not_captured: of(&is_missing),
            framing: self
                .session
                .framing
                .iter()
                .map(|framing| line::Framing { direction: framing.direction.code(), code: framing.hypotheses[0].code })
                .collect(),
            ended_by: stream.end.map(|end| end.by),
            messages,
        }
    }

    /// The calls that answers in the snapshot belong to, where its order says another: by item.
    fn calls(&self, order: &[usize]) -> HashMap<usize, String> {
        let in_order = identify_all(order.iter().map(|&index| &self.session.items[index]));
        let others = order.iter().zip(in_order).filter(|(index, named)| self.identities[**index].call != named.call);
        let told = order.iter().filter_map(|&index| Some((index, self.session.items[index].call.as_deref().cloned()?)));
        // What was read from a snapshot says it already.
        others.map(|(&index, _)| (index, self.identities[index].call.clone().unwrap_or_default())).chain(told).collect()
    }

    /// The items that are in the snapshot, in its order.
    fn order(&self) -> Vec<usize> {
        let items: Vec<usize> = (0..self.session.items.len())
            .filter(|&index| self.identities[index].kind != MessageKind::Volatile)
            .collect();
        if self.session.is_snapshot { items } else { order::dialogue(self.session, &items) }
    }

    fn line(&mut self, index: usize) -> Line {
        let (item, named) = (&self.session.items[index], &self.identities[index]);
        let mut line = Line {
            connection: self.number,
            direction: item.direction.code(),
            defects: item.defects.iter().map(|defect| defect.code).collect(),
            ..Line::default()
        };
        match &item.content {
            EventKind::Gap(gap) => {
                line.kind = "gap";
                line.reason = name(line::REASONS, &gap.reason);
            }
            EventKind::Undecoded => line.kind = "undecoded",
            EventKind::Handshake { part, facts, bytes, .. } => {
                line.kind = "handshake";
                line.message = part.to_string();
                line.length = (bytes.len() < part.size()).then_some(bytes.len() as u32);
                line.info = item.info.to_string();
                line.detail = item.detail.to_string();
                line.version = facts.version;
                line.scheme = facts.scheme.and_then(|scheme| name(line::SCHEMES, &scheme));
                line.software = facts.software.map(hex::encode);
                (line.echo_ok, line.signature_ok) = (facts.echo_ok, facts.signature_ok);
            }
            EventKind::Message(kept) => {
                let base = kept
                    .header
                    .timestamp
                    .filter(|_| kept.header.type_id.is_media())
                    .map(|timestamp| *self.first[item.direction.index()].get_or_insert(timestamp));
                self.message(&mut line, item, kept, named);
                line.timestamp = kept.header.timestamp.zip(base).map(|(at, first)| at.wrapping_sub(first));
            }
        }
        line
    }

    fn message(&self, line: &mut Line, item: &RecordedEvent, kept: &RecordedMessage, named: &MessageIdentity) {
        let MessageHeader { type_id, length, .. } = kept.header;
        line.kind = "message";
        line.message = self.text(&named.name);
        line.type_id = Some(type_id.0);
        line.r#type = Some(type_id.name());
        line.csid = Some(kept.csid);
        line.message_stream_id = kept.header.message_stream_id.map(|id| id.0);
        line.ending = name(line::ENDINGS, &kept.ending);
        let head = if kept.is_whole() && self.payload == Payload::Full { None } else { head(kept, named) };
        let normal = self.normal(kept, named, head);
        line.fields = Fields(fields(&normal, named));
        match head {
            Some(_) => {
                line.length = Some(length);
                line.head = Some(hex::encode(&normal.body));
                let own = || kept.is_whole().then(|| Sha256::digest(&kept.body).into());
                let digest: Option<[u8; 32]> = kept.sha256.as_deref().copied().or_else(own);
                line.body_sha256 = digest.map(hex::encode);
            }
            None => {
                // A body that is not all there has the length that its header says.
                line.length = (normal.body.len() as u32 != normal.header.length).then_some(normal.header.length);
                line.body = Some(hex::encode(&normal.body));
            }
        }
        if type_id.is_media() {
            (line.info, line.detail) = (item.info.to_string(), item.detail.to_string());
        } else {
            let decoded = body::decode(type_id, &normal.body, normal.header.length, &mut ());
            line.info = self.text(&summary::info(type_id, &decoded.body));
            line.detail = self.text(&summary::detail(type_id, &decoded.body));
        }
    }

    /// The message as the snapshot has it, with the first bytes of the body only, or all.
    fn normal(&self, kept: &RecordedMessage, named: &MessageIdentity, head: Option<usize>) -> RecordedMessage {
        let body = match (&self.normaliser, head) {
            (_, Some(head)) => Cow::Borrowed(&kept.body[..head]),
            (Some(normaliser), None) if is_text(kept.header.type_id) && self::head(kept, named).is_none() => {
                Cow::Owned(normaliser.body(kept, named))
            }
            (Some(normaliser), None) => Cow::Owned(normaliser.overwritten(&kept.body)),
            _ => Cow::Borrowed(&kept.body[..]),
        };
        // What is missing of a body is missing still.
        let missing = kept.header.length.saturating_sub(kept.body.len() as u32);
        let length = if head.is_some() { kept.header.length } else { body.len() as u32 + missing };
        RecordedMessage {
            class: kept.class,
            csid: kept.csid,
            fmt: None,
            header: MessageHeader { length, ..kept.header },
            first_header: Default::default(),
            chunks: None,
            ending: kept.ending,
            body: body.into_owned(),
            normal: None,
            hash: kept.hash,
            sha256: kept.sha256.clone(),
            places: Default::default(),
        }
    }

    fn text(&self, text: &str) -> String {
        self.normaliser.as_ref().map_or_else(|| text.to_owned(), |normaliser| normaliser.text(text))
    }
}

/// More of a body whose coded payload cannot be told from its header is not shown.
const UNKNOWN: usize = 16;

/// Of sound, video frames and aggregates: how many bytes come before the coded payload. None for all else, and for
/// what configures a decoder.
fn head(kept: &RecordedMessage, named: &MessageIdentity) -> Option<usize> {
    let is_coded = matches!(named.kind, MessageKind::Audio | MessageKind::Video)
        || kept.header.type_id == MessageTypeId::AGGREGATE;
    if !is_coded {
        return None;
    }
    let payload = units(kept, named).into_iter().find(is_payload).map(|unit| unit.range.start);
    Some(payload.unwrap_or(UNKNOWN).min(kept.body.len()))
}

fn fields(kept: &RecordedMessage, named: &MessageIdentity) -> Vec<(String, String)> {
    // Markers say what the values' own words say too.
    let is_marker = |unit: &FieldValue| {
        let part = unit.path.part().unwrap_or_default();
        ["amf0_type", "amf3_type", "end_of_"].iter().any(|marker| part.starts_with(marker))
    };
    let units = units(kept, named).into_iter().filter(|unit| !is_payload(unit) && !is_marker(unit));
    units.map(|unit| (unit.path.to_string(), unit.text)).collect()
}

/// Whether a unit is coded audio or video.
fn is_payload(unit: &FieldValue) -> bool {
    unit.path.is_payload()
}
