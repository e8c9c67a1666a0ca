//! What a connection carries, found out from its first bytes.
//!
//! Takes the first bytes of both directions, gives the protocol and the evidence. A port says nothing
//! by itself but where to look harder: a connection that starts in mid-stream shows no handshake.

use std::fmt;

use serde::Serialize;

use crate::rtmp::handshake::{self, BLOCK, Maker};

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
    /// A proxy's PROXY header before the client's bytes.
    ProxyHeader,
    /// No bytes at all.
    Empty,
    /// Something else.
    Other,
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
    pub entries: [Entry; 2],
    /// Whether the two heads were given in the wrong order.
    pub swapped: bool,
}

/// As many first bytes as are ever needed: both blocks of a handshake and the first chunk header.
pub(super) const ENOUGH: usize = 1 + 2 * BLOCK + 12;

/// Decides what the connection carries, or None if more bytes are needed. `roles_known`: the heads are
/// surely the client's and the server's; else they may be swapped. `named_port`: the port is one of RTMP's.
pub(super) fn detect(client: Head<'_>, server: Head<'_>, roles_known: bool, named_port: bool) -> Option<Finding> {
    let plain = |protocol, why| Some(Finding { protocol, why, entries: [Entry::Midstream; 2], swapped: false });
    let is_over = client.is_over && server.is_over;
    if client.bytes.is_empty() && server.bytes.is_empty() {
        return if is_over { plain(Protocol::Empty, "no payload was captured") } else { None };
    }
    for head in [client, server] {
        if let Some((protocol, why)) = other_protocol(head.bytes) {
            return plain(protocol, why);
        }
    }
    if let Some(finding) = handshake_of(client, server, named_port) {
        return Some(finding);
    }
    if !roles_known && let Some(finding) = handshake_of(server, client, named_port) {
        return Some(Finding { swapped: true, ..finding });
    }
    let waits = |head: &Head<'_>| !head.is_over && head.bytes.len() < ENOUGH;
    let may_be_rtmp =
        |head: &Head<'_>| head.bytes.first().is_none_or(|&first| first == 3 || handshake::is_encrypted(first));
    if !is_over && waits(&client) && waits(&server) && (named_port || (may_be_rtmp(&client) && may_be_rtmp(&server))) {
        return None;
    }
    // C2 in place of C1: the capture began between the two.
    if let Some(finding) = from_c2(client, server) {
        return Some(finding);
    }
    if !roles_known && let Some(finding) = from_c2(server, client) {
        return Some(Finding { swapped: true, ..finding });
    }
    if named_port && !(client.from_start && server.from_start) {
        return plain(Protocol::Rtmp, "no handshake was captured, but the port is RTMP's");
    }
    plain(Protocol::Other, "the first bytes are no RTMP handshake")
}

/// The protocols that are known by their first bytes.
fn other_protocol(bytes: &[u8]) -> Option<(Protocol, &'static str)> {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"HTTP/1."];
    const TUNNEL: [&[u8]; 5] = [b"POST /open/", b"POST /send/", b"POST /idle/", b"POST /close/", b"POST /fcs/"];
    if let [0x16 | 0x15, 3, 0..=4, ..] = bytes {
        return Some((Protocol::Tls, "the first bytes are a TLS record"));
    }
    if TUNNEL.iter().any(|start| bytes.starts_with(start)) {
        return Some((Protocol::Rtmpt, "the first request is RTMPT's"));
    }
    if METHODS.iter().any(|start| bytes.starts_with(start)) {
        return Some((Protocol::Http, "the first bytes are HTTP"));
    }
    if bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n") {
        return Some((Protocol::ProxyHeader, "a PROXY protocol header comes first"));
    }
    None
}

/// Finds a handshake at the start of either direction.
fn handshake_of(client: Head<'_>, server: Head<'_>, named_port: bool) -> Option<Finding> {
    let found = |protocol, why, entries| Some(Finding { protocol, why, entries, swapped: false });
    let (from_client, from_server) = (client.bytes.first().copied(), server.bytes.first().copied());
    let has_block = |head: &Head<'_>| head.bytes.len() > BLOCK;

    for (head, maker) in [(client, Maker::Client), (server, Maker::Server)] {
        if let Some(block) = head.bytes.get(1..1 + BLOCK).and_then(|block| block.first_chunk())
            && head.bytes[0] == 3
            && handshake::digest_at(block, maker).is_some()
        {
            let why = "a handshake whose digest is valid";
            return found(Protocol::Rtmp, why, entries(client, server, maker));
        }
    }
    if from_client.is_some_and(handshake::is_encrypted) && has_block(&client) && (client.from_start || named_port) {
        let same = from_server.is_none_or(|version| version == 3 || handshake::is_encrypted(version));
        if same && (named_port || (has_block(&server) && from_server == from_client)) {
            return found(Protocol::Rtmpe, "the handshake's version is RTMPE's", [Entry::Handshake; 2]);
        }
    }
    if from_client == Some(3) && from_server == Some(3) {
        if client.from_start && server.from_start && (named_port || (has_block(&client) && has_block(&server))) {
            return found(Protocol::Rtmp, "both directions begin with version 3 and a block", [Entry::Handshake; 2]);
        }
        if has_block(&client) && has_block(&server) && client.bytes[5..9] == [0; 4] && server.bytes[5..9] == [0; 4] {
            return found(
                Protocol::Rtmp,
                "both directions begin with version 3 and a plain block",
                [Entry::Handshake; 2],
            );
        }
    }
    // One direction alone: the port has to vouch for it, or what follows the handshake.
    for (head, maker) in [(client, Maker::Client), (server, Maker::Server)] {
        if head.bytes.first() != Some(&3) {
            continue;
        }
        let other = if maker == Maker::Client { server } else { client };
        if head.from_start && named_port && other.bytes.is_empty() {
            return found(Protocol::Rtmp, "it begins with version 3 on a port of RTMP's", [Entry::Handshake; 2]);
        }
        if head.bytes.get(1 + 2 * BLOCK..).is_some_and(|chunk| is_first_message(chunk, maker)) {
            let why = "a handshake's length of bytes, then a first message";
            return found(Protocol::Rtmp, why, entries(client, server, maker));
        }
    }
    None
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

fn from_c2(client: Head<'_>, server: Head<'_>) -> Option<Finding> {
    is_c2(client, server).then_some(Finding {
        protocol: Protocol::Rtmp,
        why: "the client's first bytes answer the server's handshake",
        entries: [Entry::FromC2, Entry::Handshake],
        swapped: false,
    })
}

/// Whether the client's first bytes are C2: they echo S1, or sign it.
fn is_c2(client: Head<'_>, server: Head<'_>) -> bool {
    let block = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.first_chunk::<BLOCK>().copied());
    match (block(Some(client.bytes)), block(server.bytes.get(1..))) {
        (Some(c2), Some(s1)) if server.bytes[0] == 3 => {
            handshake::echoes(&c2, &s1) || handshake::signs(&c2, Maker::Client, &s1) == Some(true)
        }
        _ => false,
    }
}

/// Whether a full chunk header with a command or a control message stands here: how both sides begin.
fn is_first_message(chunk: &[u8], maker: Maker) -> bool {
    let Some(&[first, _, _, _, _, length @ .., type_id, _, _, _, _]) = chunk.first_chunk::<12>() else { return false };
    let plausible = match maker {
        Maker::Client => matches!(type_id, 1..=6 | 17 | 20),
        Maker::Server => matches!(type_id, 1..=6 | 17 | 20),
    };
    first >> 6 == 0 && first & 0x3f >= 2 && plausible && u16::from_be_bytes(length) < 4096
}
