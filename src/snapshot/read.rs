//! The lines of a snapshot as a recording.
//!
//! What a snapshot does not say is left empty: frames and times are 0, chunks unknown, and an item's number is that
//! of its line. Keys that say for people what others say, as `fields` does, are not looked at.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::field::counted;
use crate::origin::{FrameNo, Time};
use crate::recording::{EventKind, Framing, Hashing, RecordedEvent, RecordedMessage, Recording, Session, first_half};
use crate::rtmp::class::MessageClass;
use crate::rtmp::dialect::Dialect;
use crate::rtmp::handshake::Part;
use crate::rtmp::hypotheses::Hypothesis;
use crate::rtmp::message::{Ending, MessageHeader};
use crate::rtmp::{Defect, MessageStreamId, MessageTypeId, body, summary};
use crate::session::{Direction, HandshakeFacts, Roles};
use crate::streams::{Activity, ConnectionSummary, End, Side};
use crate::tcp::{ConnectionId, Gap, How};

use super::json::{AGAIN, Keys, NEWER};
use super::{FORMAT, FORMAT_VERSION, Payload, line};

/// Why a snapshot cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {what}; {todo}", .key.as_ref().map(|key| format!(", key '{key}'")).unwrap_or_default())]
pub struct Error {
    /// The line, from 1.
    pub line: u64,
    /// The key whose value is wrong, if it is one.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub todo: &'static str,
}

/// The recording that a snapshot holds.
pub fn read(bytes: &[u8]) -> Result<Recording, Error> {
    let mut lines = (1..).zip(bytes.split(|&byte| byte == b'\n'));
    let text = |(number, line): (u64, &[u8])| match String::from_utf8(line.to_vec()) {
        Ok(text) => Ok((number, text)),
        Err(_) => Err(Error { line: number, key: None, what: "is not UTF-8".to_owned(), todo: AGAIN }),
    };
    let (number, first) = text(lines.next().unwrap_or((1, &[])))?;
    let (mut sessions, counts) = header(Keys::of_line(number, &first)?)?;
    let newlines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    let mut last = number;
    for line in lines {
        // Nothing follows the last line's end.
        if line.0 > newlines && line.1.is_empty() {
            break;
        }
        let (number, text) = text(line)?;
        last = number;
        let (connection, item) = item(Keys::of_line(number, &text)?, sessions.len())?;
        let session = &mut sessions[connection];
        let is_first = !session.items.iter().any(|other| other.direction == item.direction);
        if let (true, EventKind::Handshake { bytes, .. }) = (is_first, &item.content) {
            session.beginnings[item.direction.index()] = bytes.to_vec();
        }
        session.items.push(item);
    }
    for (index, (session, count)) in sessions.iter_mut().zip(counts).enumerate() {
        let found = session.items.len() as u64;
        if found != count {
            let found = counted(found, "message");
            let what = format!("connection {index} has {found} up to here, but {count} according to the header");
            return Err(Error { line: last, key: None, what, todo: AGAIN });
        }
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            let side = match direction {
                Direction::ClientToServer => &mut session.stream.client_to_server,
                Direction::ServerToClient => &mut session.stream.server_to_client,
            };
            // How many bytes there were is not known; that there were some is.
            let came = |item: &RecordedEvent| item.direction == direction && !matches!(item.content, EventKind::Gap(_));
            side.bytes = session.items.iter().any(came).into();
        }
    }
    Ok(Recording { sessions, as_snapshot: None })
}

const DIRECTIONS: &[(Direction, &str)] = &[(Direction::ClientToServer, "c2s"), (Direction::ServerToClient, "s2c")];

/// The sessions, still without messages, and how many each has.
fn header(mut keys: Keys) -> Result<(Vec<Session>, Vec<u64>), Error> {
    keys.some_of("kind", &[((), "header")])?;
    keys.some_of("format", &[((), FORMAT)])?;
    let version = keys.some_number("format_version", u64::MAX)?;
    if version != u64::from(FORMAT_VERSION) {
        let what = format!("is {version}, and this program reads {FORMAT_VERSION}");
        let todo = if version > u64::from(FORMAT_VERSION) { NEWER } else { AGAIN };
        return Err(Error { todo, ..keys.wrong("format_version", what) });
    }
    keys.text("capture")?;
    keys.some_of("payload", &[Payload::Sha256, Payload::Full].map(|payload| (payload, payload.name())))?;
    keys.texts("normalised")?;
    let (mut sessions, mut counts) = (Vec::new(), Vec::new());
    for (number, connection) in (0..).zip(keys.objects("connections")?) {
        let (session, count) = session(number, connection)?;
        sessions.push(session);
        counts.push(count);
    }
    keys.finish()?;
    Ok((sessions, counts))
}

fn session(number: u32, mut keys: Keys) -> Result<(Session, u64), Error> {
    let said = keys.some_number("connection", u32::MAX.into())?;
    if said != u64::from(number) {
        return Err(keys.wrong("connection", format!("is {said}, but connections are numbered from 0: {number}")));
    }
    let protocol = keys.one_of("protocol", line::PROTOCOLS)?.map_or(crate::session::Protocol::Rtmp, |found| found.0);
    let mut activities = Vec::new();
    for mut activity in keys.objects("activities")? {
        let (_, what) = activity.one_of("what", &[((), "publish"), ((), "play")])?.unwrap_or(((), "publish"));
        activities.push(Activity { what, name: activity.some_text("stream")?, frame: FrameNo(0) });
        activity.finish()?;
    }
    let ended_by = keys.one_of("ended_by", &[((), "client"), ((), "server")])?;
    let mut framing = Vec::new();
    for mut one in keys.objects("framing")? {
        let direction = one.some_of("direction", DIRECTIONS)?;
        let text = one.some_text("code")?;
        let code = code(&text).ok_or_else(|| one.wrong("code", "is not the code of a rule"))?;
        one.finish()?;
        framing.push(Framing { connection: ConnectionId(number), direction, hypotheses: vec![named(code)] });
    }
    let begins_late = directions(&mut keys, "begins_late")?;
    let missing = directions(&mut keys, "not_captured")?;
    // More than the FIN's own number.
    let side = |direction| Side { unseen_bytes: if missing.contains(&direction) { 2 } else { 0 }, ..Side::default() };
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let stream = ConnectionSummary {
        tcp_stream: ConnectionId(number),
        client: nowhere,
        server: nowhere,
        roles_known: true,
        roles_from: Roles::Messages,
        protocol,
        protocol_certain: true,
        protocol_why: "it is listed in the snapshot",
        proxy: None,
        tls: None,
        rtmpt: None,
        carries: None,
        http_flv: None,
        app: keys.text("app")?,
        tc_url: keys.text("tc_url")?,
        activities,
        flash_ver: keys.text("flash_ver")?,
        fms_ver: keys.text("fms_ver")?,
        client_software: None,
        server_software: None,
        encoder: keys.text("encoder")?,
        error: keys.text("error")?,
        calls: None,
        client_to_server: side(Direction::ClientToServer),
        server_to_client: side(Direction::ServerToClient),
        frames: (FrameNo(0), FrameNo(0)),
        start: Time::NONE,
        duration: 0.0,
        known_duration: None,
        end: ended_by.map(|(_, by)| End { how: How::Fin, by, frame: FrameNo(0) }),
    };
    let count = keys.some_number("messages", u64::MAX)?;
    keys.finish()?;
    let from_start =
        [Direction::ClientToServer, Direction::ServerToClient].map(|direction| !begins_late.contains(&direction));
    let session = Session {
        stream,
        items: Vec::new(),
        beginnings: [Vec::new(), Vec::new()],
        from_start,
        framing,
        tapes: Default::default(),
        hashing: Hashing::Sha256,
        is_snapshot: true,
    };
    Ok((session, count))
}

/// A mistake of which no more than the name is known.
fn named(code: &'static str) -> Hypothesis {
    Hypothesis {
        code,
        dialect: Dialect::default(),
        first_at: 0,
        clean_bytes: 0,
        messages: 0,
        reaches_end: false,
        bits: 0,
        doubtful: 0,
        certain: false,
        evidence: Vec::new(),
    }
}

fn directions(keys: &mut Keys, key: &str) -> Result<Vec<Direction>, Error> {
    let names = keys.texts(key)?;
    let direction = |name: &String| DIRECTIONS.iter().find(|(_, known)| known == name).map(|(direction, _)| *direction);
    let found: Option<Vec<_>> = names.iter().map(direction).collect();
    found.ok_or_else(|| keys.wrong(key, "should be a list of c2s, s2c"))
}

#[derive(Clone, Copy)]
enum Kind {
    Message,
    Handshake,
    Gap,
    Undecoded,
}

const KINDS: &[(Kind, &str)] =
    &[(Kind::Message, "message"), (Kind::Handshake, "handshake"), (Kind::Gap, "gap"), (Kind::Undecoded, "undecoded")];

/// An item, and the index of its connection.
fn item(mut keys: Keys, connections: usize) -> Result<(usize, RecordedEvent), Error> {
    let connection = keys.some_number("connection", u32::MAX.into())? as usize;
    if connection >= connections {
        let count = counted(connections as u64, "connection");
        let what = format!("is {connection}, but the header has {count}");
        return Err(keys.wrong("connection", what));
    }
    let direction = keys.some_of("direction", DIRECTIONS)?;
    let kind = keys.some_of("kind", KINDS)?;
    let mut item = RecordedEvent {
        number: keys.line,
        frames: [FrameNo(0); 2],
        time: Time::NONE,
        pause: None,
        direction,
        at: 0..0,
        info: keys.text("info")?.unwrap_or_default().into(),
        detail: keys.text("detail")?.unwrap_or_default().into(),
        defects: defects(&mut keys)?.into(),
        answers: None,
        call: None,
        content: EventKind::Undecoded,
    };
    match kind {
        Kind::Message => message(&mut keys, &mut item)?,
        Kind::Handshake => handshake(&mut keys, &mut item)?,
        Kind::Gap => {
            let reason = keys.some_of("reason", line::REASONS)?;
            item.content =
                EventKind::Gap(Gap { offset: 0, len: 0, exact: true, reason, frame: FrameNo(0), time: Time(0) });
        }
        Kind::Undecoded => {}
    }
    keys.finish()?;
    Ok((connection, item))
}

/// Lengths are written in 24 bits (RTMP 1.0 5.3.1.2.1), but placeholders can be longer than what they stand for.
const LONGEST: u64 = u32::MAX as u64;

fn message(keys: &mut Keys, item: &mut RecordedEvent) -> Result<(), Error> {
    let type_id = MessageTypeId(keys.some_number("type_id", u8::MAX.into())? as u8);
    keys.pass(&["message", "type", "fields"]);
    let (body, head) = (keys.bytes("body")?, keys.bytes("head")?);
    item.call = keys.text("call")?.map(Box::new);
    let length = keys.number("length", LONGEST)?.map(|length| length as u32);
    let digest = keys.array::<32>("body_sha256")?;
    let (body, length) = match (body, head, length) {
        (Some(body), None, length) => {
            let length = length.unwrap_or(body.len() as u32);
            (body, length)
        }
        (None, Some(head), Some(length)) => (head, length),
        (None, Some(_), None) => return Err(keys.wrong("length", "is missing, and head is not the whole body")),
        (Some(_), Some(_), _) => return Err(keys.wrong("head", "is there together with body; remove one of them")),
        (None, None, _) => return Err(keys.wrong("body", "is missing, and there is no head instead")),
    };
    if body.len() as u64 > LONGEST {
        return Err(keys.wrong("body", format!("has {} bytes; a message has at most {LONGEST}", body.len())));
    }
    let whole = || Sha256::digest(&body).into();
    let sha256: Option<[u8; 32]> = digest.or_else(|| type_id.is_media().then(whole));
    let header = MessageHeader {
        timestamp: keys.u32("timestamp")?,
        timestamp_delta: None,
        length,
        type_id,
        message_stream_id: keys.u32("message_stream_id")?.map(MessageStreamId),
    };
    let decoded = body::decode(type_id, &body, length, &mut ());
    let class = MessageClass::of(type_id, &decoded.body);
    if !type_id.is_media() {
        (item.info, item.detail) =
            (summary::info(type_id, &decoded.body).into(), summary::detail(type_id, &decoded.body).into());
    }
    item.content = EventKind::Message(Box::new(RecordedMessage {
        class,
        csid: keys.some_number("csid", u32::MAX.into())? as u32,
        fmt: None,
        header,
        first_header: Default::default(),
        chunks: None,
        ending: keys.one_of("ending", line::ENDINGS)?.map_or(Ending::Complete, |(ending, _)| ending),
        hash: sha256.as_ref().map_or_else(|| Hashing::Sha256.of(&body), first_half),
        sha256: sha256.map(Box::new),
        body,
        normal: None,
        places: Default::default(),
    }));
    Ok(())
}

fn handshake(keys: &mut Keys, item: &mut RecordedEvent) -> Result<(), Error> {
    let parts = [(Part::C0C1, "C0+C1"), (Part::S0S1S2, "S0+S1+S2"), (Part::C2, "C2")];
    let part = keys.some_of("message", &parts)?;
    let facts = HandshakeFacts {
        version: keys.number("version", u8::MAX.into())?.map(|version| version as u8),
        scheme: keys.one_of("scheme", line::SCHEMES)?.map(|(scheme, _)| scheme),
        software: keys.array("software")?,
        echo_ok: keys.truth("echo_ok")?,
        signature_ok: keys.truth("signature_ok")?,
    };
    let length = keys.number("length", part.size() as u64)?.map_or(part.size(), |length| length as usize);
    let mut bytes = vec![0; length];
    if let (Some(version), Some(first)) = (facts.version, bytes.first_mut()) {
        *first = version;
    }
    if let (Some(software), Some(room)) = (facts.software, bytes.get_mut(5..9)) {
        room.copy_from_slice(&software);
    }
    item.content = EventKind::Handshake { part, facts, bytes: bytes.into(), places: Default::default() };
    Ok(())
}

fn defects(keys: &mut Keys) -> Result<Vec<Defect>, Error> {
    let codes = keys.texts("defects")?;
    let defect = |text: &String| {
        let code =
            code(text).ok_or_else(|| keys.wrong("defects", "contains something that is not the code of a defect"))?;
        Ok(Defect { code, offset: 0, message: "the snapshot contains no details".to_owned() })
    };
    codes.iter().map(defect).collect()
}

/// A defect's code, which elsewhere is a word of the program. Each is kept once; no file has more than the bound.
fn code(text: &str) -> Option<&'static str> {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    const MOST: usize = 1024;
    const LONGEST: usize = 64;
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(is_code) {
        return None;
    }
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(code) = known.get(text) {
        return Some(code);
    }
    (known.len() < MOST).then(|| {
        let code: &'static str = Box::leak(text.to_owned().into_boxed_str());
        known.insert(code);
        code
    })
}
