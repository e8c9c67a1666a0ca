//! What a connection carries, found out from its first bytes.
//!
//! Takes the first bytes of both directions, gives the protocol and the evidence. A port says nothing
//! by itself but where to look harder: a connection that starts in mid-stream shows no handshake. What is not
//! proven is found all the same where RTMP is expected, and marked as not certain.

use std::fmt;

use serde::Serialize;

use crate::rtmp::handshake::{self, BLOCK, Maker};

use super::other_protocol::{self, Beginning};
use super::roles::Roles;

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Not found out yet.
    Undecided,
    /// RTMP.
    Rtmp,
    /// RTMP under its own encryption.
    Rtmpe,
    /// RTMP inside HTTP.
    Rtmpt,
    /// TLS: perhaps RTMPS.
    Tls,
    /// HTTP.
    Http,
    /// FLV: a file, or the body of an HTTP message.
    Flv,
    /// A proxy's PROXY header before the client's bytes.
    ProxyHeader,
    /// No bytes at all.
    Empty,
    /// Something else.
    Other,
}

impl Protocol {
    /// What it is called inside these tunnels: RTMP in TLS is RTMPS.
    pub fn inside(self, tls: bool, rtmpt: bool, http: bool) -> String {
        match (self, tls, rtmpt) {
            (Protocol::Flv, true, _) if http => "HTTPS-FLV".to_owned(),
            (Protocol::Flv, false, _) if http => "HTTP-FLV".to_owned(),
            (Protocol::Rtmp, true, false) => "RTMPS".to_owned(),
            (Protocol::Rtmp, false, true) => "RTMPT".to_owned(),
            (Protocol::Rtmp, true, true) => "RTMPTS".to_owned(),
            (Protocol::Rtmpe, false, true) => "RTMPTE".to_owned(),
            (Protocol::Tls | Protocol::Empty, ..) | (_, false, _) => self.to_string(),
            (_, true, _) => format!("{self} in TLS"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Undecided => "undecided",
            Protocol::Rtmp => "RTMP",
            Protocol::Rtmpe => "RTMPE",
            Protocol::Rtmpt => "RTMPT",
            Protocol::Tls => "TLS",
            Protocol::Http => "HTTP",
            Protocol::Flv => "FLV",
            Protocol::ProxyHeader => "PROXY header",
            Protocol::Empty => "no data",
            Protocol::Other => "other",
        })
    }
}

/// From where a direction can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// From its first byte on.
    Handshake,
    /// The client's direction, from C2 on.
    FromC2,
    /// From somewhere in the middle.
    Midstream,
}

/// The first bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub bytes: &'a [u8],
    /// Whether they are known to be the stream's first bytes.
    pub from_start: bool,
    /// Whether no more bytes come without a hole before them.
    pub is_over: bool,
}

/// What was found: the protocol, why, and for RTMP where the client's and the server's direction begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub protocol: Protocol,
    pub why: &'static str,
    /// Whether it is proven.
    pub is_certain: bool,
    /// The evidence once messages have been decoded.
    pub why_then: &'static str,
    pub entries: [Entry; 2],
    /// Whether the two heads were given in the wrong order.
    pub swapped: bool,
    /// What says which head is the client's, if the bytes do.
    pub roles: Option<Roles>,
}

/// What is known of a connection besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// The heads are surely the client's and the server's; else they may be swapped.
    pub roles_known: bool,
    /// The first of the bytes are the client's, and not the server's.
    pub client_began: bool,
    /// Why RTMP is expected before a byte was seen, if it is.
    pub expected: Option<Expected>,
    /// Whether the server's port is that of RTMPS, and of much else.
    pub is_tls_port: bool,
    /// So much waits that it has to be decided now.
    pub is_full: bool,
    /// Whether any payload was captured: after a hole at their beginning, the heads have nothing of it.
    pub has_payload: bool,
    /// Whether nothing more comes.
    pub is_at_end: bool,
}

/// Why RTMP is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A port is one of RTMP's.
    Port,
    /// One end is the server of RTMP connections.
    Server,
    /// It is inside a tunnel that carries nothing else.
    Tunnel,
    /// Its bytes were given without packets: to be read as RTMP.
    Given,
}

/// As many first bytes as are ever needed: both blocks of a handshake, the first chunk header and a command's name.
pub(super) const ENOUGH: usize = PART + BLOCK + 64;
/// C0 and C1, or S0 and S1.
const PART: usize = 1 + BLOCK;

/// Decides what the connection carries, or None if more bytes are needed.
///
/// Proof decides at once. Without it, enough bytes are waited for that the answer is the same however they arrive.
pub(super) fn detect(client: Head<'_>, server: Head<'_>, context: Context) -> Option<Finding> {
    let none = |protocol, why| Finding { protocol, why, is_certain: true, ..Finding::NONE };
    if !context.has_payload {
        return context.is_at_end.then(|| none(Protocol::Empty, "no payload was captured"));
    }
    // Who speaks RTMP to a server of another protocol is answered in that one.
    let is_hello = client.from_start && client.bytes.first() == Some(&3) && client.bytes.len() >= PART;
    let is_refusal = |head| matches!(other_protocol::beginning(head), Beginning::Is(Protocol::Tls | Protocol::Http, _));
    if is_hello && context.roles_known && is_refusal(server) {
        let why = "the client begins with version 3 and a block, and the server answers in another protocol";
        let entries = [Entry::Handshake, Entry::Midstream];
        return Some(Finding { protocol: Protocol::Rtmp, why, why_then: why, entries, ..Finding::NONE });
    }
    for head in [client, server].into_iter().filter(|head| !head.bytes.is_empty()) {
        match other_protocol::beginning(head) {
            Beginning::Is(protocol, why) => return Some(none(protocol, why)),
            Beginning::Perhaps => return None,
            Beginning::Unknown => {}
        }
    }
    let swap = |finding: Finding| Finding { swapped: true, ..finding };
    let either_way = |find: &dyn Fn(Head<'_>, Head<'_>) -> Option<Finding>| {
        find(client, server).or_else(|| find(server, client).filter(|_| !context.roles_known).map(swap))
    };
    // Where the other direction begins is told by its first bytes too, unless the SYN has told it.
    let waits_for_entry = |finding: &Finding| {
        let (client, server) = if finding.swapped { (server, client) } else { (client, server) };
        let is_short = |head: Head<'_>, need| !head.from_start && !head.is_over && head.bytes.len() < need;
        !context.is_full && (is_short(client, BLOCK) || is_short(server, 1))
    };
    if let Some(finding) = either_way(&keyed) {
        return (!waits_for_entry(&finding)).then_some(finding);
    }
    // Both sides' parts look alike: the client is the one that spoke first.
    let both_spoke = !client.bytes.is_empty() && !server.bytes.is_empty();
    let roles = both_spoke.then_some(Roles::Handshake);
    let matched = match context.roles_known || context.client_began || !both_spoke {
        true => matched(client, server),
        false => matched(server, client).map(swap),
    };
    if let Some(finding) = matched {
        return (!waits_for_entry(&finding)).then_some(Finding { roles, ..finding });
    }
    if context.expected.is_some()
        && let Some(finding) = begun(client, server)
    {
        return Some(finding);
    }
    let is_open = |head: Head<'_>| !head.is_over && head.bytes.len() < ENOUGH;
    let has_enough = |head: Head<'_>| head.bytes.len() >= ENOUGH;
    let may_be_rtmp = |head: Head<'_>| head.bytes.first().is_none_or(|&first| is_version(first));
    // What begins with a SYN and with no version of RTMP's is not RTMP, and nothing is waited for.
    let is_refuted = |head: Head<'_>| head.from_start && !may_be_rtmp(head);
    let is_promising = context.expected.is_some() || may_be_rtmp(client) || may_be_rtmp(server);
    let waits = is_promising
        && ![client, server].into_iter().any(|head| is_refuted(head) || has_enough(head))
        && (is_open(client) || is_open(server));
    if waits && !context.is_full {
        return None;
    }
    Some(unproven(client, server, context))
}

/// What proves a handshake and says whose it is: a digest that is right, or C2 in place of C1.
fn keyed(client: Head<'_>, server: Head<'_>) -> Option<Finding> {
    let found = |protocol, why, entries| {
        let roles = Some(Roles::Handshake);
        Some(Finding { protocol, why, is_certain: true, entries, roles, ..Finding::NONE })
    };
    for (head, maker) in [(client, Maker::Client), (server, Maker::Server)] {
        let Some(&version) = head.bytes.first().filter(|&&first| is_version(first)) else { continue };
        if block_at(head.bytes, 1).is_some_and(|block| handshake::digest_at(block, maker).is_some()) {
            return match version {
                3 => found(Protocol::Rtmp, "a handshake whose digest is valid", entries(client, server, maker)),
                _ => {
                    let why = "the handshake's version is RTMPE's, and its digest is valid";
                    found(Protocol::Rtmpe, why, [Entry::Handshake; 2])
                }
            };
        }
    }
    // The capture began between C1 and C2.
    if is_c2(client, server) {
        let why = "the client's first bytes answer the server's handshake";
        return found(Protocol::Rtmp, why, [Entry::FromC2, Entry::Handshake]);
    }
    None
}

/// What proves a handshake whose blocks have no digest: one answers the other side's, or a message follows.
fn matched(client: Head<'_>, server: Head<'_>) -> Option<Finding> {
    let found =
        |why, entries| Some(Finding { protocol: Protocol::Rtmp, why, is_certain: true, entries, ..Finding::NONE });
    if client.bytes.first() == Some(&3) && server.bytes.first() == Some(&3) {
        let answers = |answer: Head<'_>, block: Head<'_>| {
            block_at(answer.bytes, PART)
                .zip(block_at(block.bytes, 1))
                .is_some_and(|(answer, block)| is_echo(answer, block))
        };
        if answers(server, client) || answers(client, server) {
            return found(ANSWERS, [Entry::Handshake; 2]);
        }
    }
    for (head, maker) in [(client, Maker::Client), (server, Maker::Server)] {
        if head.bytes.first() == Some(&3) && head.bytes.get(PART + BLOCK..).is_some_and(is_first_message) {
            return found("a handshake's length of bytes, then a first message", entries(client, server, maker));
        }
    }
    None
}

/// A handshake that has begun where RTMP is expected: its first part is whole, or no more of it comes.
fn begun(client: Head<'_>, server: Head<'_>) -> Option<Finding> {
    let head = if client.bytes.is_empty() { server } else { client };
    let is_part = head.from_start && (head.bytes.len() >= PART || head.is_over);
    let version = *head.bytes.first().filter(|_| is_part)?;
    let entries = entries(client, server, if client.bytes.is_empty() { Maker::Server } else { Maker::Client });
    let why_then = "a handshake, then messages";
    let found = |protocol, why| Finding { protocol, why, why_then, entries, ..Finding::NONE };
    match version {
        3 if head.bytes.len() >= PART => Some(found(Protocol::Rtmp, "perhaps: it begins with version 3 and a block")),
        3 => Some(found(Protocol::Rtmp, "perhaps: it begins with version 3, and the handshake is incomplete")),
        // No part of RTMPE's handshake is shorter.
        6 | 8 if head.bytes.len() >= PART => {
            let answers = [client, server].iter().all(|head| head.bytes.first().is_none_or(|&first| is_version(first)));
            answers.then(|| found(Protocol::Rtmpe, "perhaps: the version in its first byte is RTMPE's"))
        }
        _ => None,
    }
}

/// What is left to say without proof.
fn unproven(client: Head<'_>, server: Head<'_>, context: Context) -> Finding {
    let none = |protocol, is_certain, why| Finding { protocol, why, is_certain, ..Finding::NONE };
    let begins_otherwise = |head: Head<'_>| head.from_start && head.bytes.first().is_some_and(|&first| first != 3);
    let is_whole = [client, server].iter().all(|head| head.from_start && !head.bytes.is_empty());
    match context.expected {
        Some(_) if is_whole || begins_otherwise(client) || begins_otherwise(server) => {}
        Some(expected) => {
            let (why, why_then) = match expected {
                Expected::Port => (
                    "perhaps: no handshake was captured, but the port is RTMP's",
                    "no handshake was captured; the port is RTMP's, and messages were found",
                ),
                Expected::Server => (
                    "perhaps: no handshake was captured, but the server speaks RTMP on other connections",
                    "no handshake was captured; the server speaks RTMP on other connections, and messages were found",
                ),
                Expected::Given => (
                    "perhaps: the bytes given begin without a handshake",
                    "the bytes given begin without a handshake, and messages were found",
                ),
                Expected::Tunnel => (
                    "perhaps: no handshake was captured, but it is inside RTMPT",
                    "no handshake was captured; it is inside RTMPT, and messages were found",
                ),
            };
            // After a SYN it is known where the handshake is, though its bytes are missing.
            let entry = |head: Head<'_>| if head.from_start { Entry::Handshake } else { Entry::Midstream };
            let entries = [client, server].map(entry);
            return Finding { protocol: Protocol::Rtmp, why, why_then, entries, ..Finding::NONE };
        }
        None => {}
    }
    // The client waits after C1 for the server, and neither has more than the handshake.
    let fits = [client, server].iter().all(|head| head.bytes.first().is_none_or(|&first| is_version(first)));
    let is_cut = match (client.bytes.len(), server.bytes.len()) {
        (0, _) => false,
        (..PART, 0) => true,
        (..PART, _) => false,
        (len, ..=PART) => len <= PART,
        (len, other) => len <= PART + BLOCK && other <= PART + BLOCK,
    };
    // A server of TLS that waits for the rest of a record.
    let is_hello = client.from_start && client.bytes.first() == Some(&3) && client.bytes.len() == PART;
    if is_hello && context.is_tls_port && server.bytes.is_empty() {
        let why = "perhaps: it begins with version 3 and a block, and nothing answers";
        let entries = [Entry::Handshake; 2];
        return Finding { protocol: Protocol::Rtmp, why, why_then: why, entries, ..Finding::NONE };
    }
    if fits && is_cut && client.from_start {
        let why = "perhaps RTMP: the first byte may be its version, and the handshake is incomplete";
        return none(Protocol::Undecided, false, why);
    }
    if [client, server].iter().all(|head| !head.from_start || head.bytes.is_empty()) {
        return none(
            Protocol::Undecided,
            false,
            "the start was not captured, and nothing else identifies the protocol",
        );
    }
    none(Protocol::Other, true, "the first bytes are not an RTMP handshake")
}

impl Finding {
    /// Nothing found yet: to be read from somewhere in the middle.
    const NONE: Finding = Finding {
        protocol: Protocol::Undecided,
        why: "",
        is_certain: false,
        why_then: "",
        entries: [Entry::Midstream; 2],
        swapped: false,
        roles: None,
    };
}

/// The evidence when C2 or S2 echoes or signs the other side's block.
pub(super) const ANSWERS: &str = "both sides' handshakes answer each other";

/// What is found where the user says that it is RTMP.
pub(super) const FORCED: Finding = Finding {
    protocol: Protocol::Rtmp,
    why: "the port is decoded as RTMP on request",
    why_then: "the port is decoded as RTMP on request, and messages were found",
    ..Finding::NONE
};

/// Whether a byte is the version of RTMP or RTMPE.
fn is_version(byte: u8) -> bool {
    byte == 3 || handshake::is_encrypted(byte)
}

/// Whether a block is answered by its echo. A block of equal bytes would be answered by any other such.
fn is_echo(answer: &[u8; BLOCK], block: &[u8; BLOCK]) -> bool {
    handshake::echoes(answer, block) && block[8..].iter().any(|&byte| byte != block[8])
}

fn block_at(bytes: &[u8], at: usize) -> Option<&[u8; BLOCK]> {
    bytes.get(at..)?.first_chunk()
}

/// Where the directions begin when one of them, `seen`'s, is known to begin with its handshake.
fn entries(client: Head<'_>, server: Head<'_>, seen: Maker) -> [Entry; 2] {
    // A direction of which nothing came yet begins with what comes next.
    let starts_late = |head: &Head<'_>| !head.from_start && head.bytes.first().is_some_and(|&first| first != 3);
    let mut entries = [Entry::Handshake; 2];
    match seen {
        Maker::Client if starts_late(&server) => entries[1] = Entry::Midstream,
        Maker::Server if starts_late(&client) => {
            entries[0] = if is_c2(client, server) { Entry::FromC2 } else { Entry::Midstream };
        }
        _ => {}
    }
    entries
}

/// Whether the client's first bytes are C2: they echo S1, or sign it.
fn is_c2(client: Head<'_>, server: Head<'_>) -> bool {
    match (block_at(client.bytes, 0), block_at(server.bytes, 1)) {
        (Some(c2), Some(s1)) if server.bytes[0] == 3 => {
            is_echo(c2, s1) || handshake::signs(c2, Maker::Client, s1) == Some(true)
        }
        _ => false,
    }
}

/// Whether a full chunk header is here with a command or a control message, which is how both sides begin: with the
/// length that the control message has, or a command's name in AMF0.
fn is_first_message(chunk: &[u8]) -> bool {
    let Some(&[first, _, _, _, high, length @ .., type_id, s0, s1, s2, s3]) = chunk.first_chunk::<12>() else {
        return false;
    };
    if first >> 6 != 0 || first & 0x3f < 2 || high != 0 || [s1, s2, s3] != [0; 3] {
        return false;
    }
    let length = u16::from_be_bytes(length);
    let body = &chunk[if chunk[1..4] == [0xff; 3] { chunk.len().min(16) } else { 12 }..];
    let named = |body: &[u8]| {
        let &[2, 0, len, ref name @ ..] = body else { return false };
        let len = usize::from(len).min(8);
        len >= 3 && name.len() >= len && name[..len].iter().all(u8::is_ascii_alphanumeric)
    };
    match type_id {
        1..=3 | 5 => length == 4 && s0 == 0,
        4 => matches!(length, 6 | 10) && s0 == 0,
        6 => length == 5 && s0 == 0,
        17 => named(body) || body.first() == Some(&0) && named(&body[1..]),
        20 => named(body),
        _ => false,
    }
}
