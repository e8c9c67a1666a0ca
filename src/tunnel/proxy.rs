//! The PROXY protocol's header, versions 1 and 2, as load balancers put it before the client's first byte.
//!
//! Takes the first bytes of a direction, returns the header, or that there is none, or that more is needed.
//! Source: "The PROXY protocol", versions 1 and 2, sections 2.1 and 2.2 (HAProxy).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{Notice, Sink};
use crate::origin::Source;
use crate::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece};

/// A PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proxy {
    /// As text or in binary.
    pub version: Version,
    /// The address from which the client connected to the balancer; absent where the header has none.
    pub source: Option<SocketAddr>,
    /// The address to which it connected.
    pub destination: Option<SocketAddr>,
    /// How long the header is, in bytes.
    pub len: usize,
}

/// The version of a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "u8")]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

impl From<Version> for u8 {
    fn from(version: Version) -> u8 {
        match version {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }
}

/// `PROXY header, version 1: 192.0.2.1:4000 → 198.51.100.7:1935`.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PROXY header, version {}, of {} bytes: ", u8::from(self.version), self.len)?;
        match (self.source, self.destination) {
            (Some(source), Some(destination)) => write!(f, "{source} → {destination}"),
            _ => f.write_str("without addresses"),
        }
    }
}

/// Takes the header off, where there is one.
#[derive(Debug)]
pub(super) struct Layer<S> {
    /// The directions that begin with a header, or may.
    directions: FxHashMap<(ConnectionId, Endpoint), Direction>,
    pub sink: S,
}

#[derive(Debug)]
enum Direction {
    /// What came waits for the rest.
    Waiting(Held),
    /// A header of so many bytes was taken off.
    Shifted(u64),
}

/// The first bytes of a direction.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    sources: Vec<(u32, Source)>,
}

impl<S: Sink> Layer<S> {
    pub fn new(sink: S) -> Self {
        Layer { directions: FxHashMap::default(), sink }
    }

    /// Passes on what waited, as it is: it is no header.
    fn release(&mut self, connection: &Connection, from: Endpoint) {
        if let Some(Direction::Waiting(held)) = self.directions.remove(&(connection.id, from)) {
            held.pass(0, connection, from, &mut self.sink);
        }
    }

    fn shift(&self, connection: &Connection, from: Endpoint) -> u64 {
        match self.directions.get(&(connection.id, from)) {
            Some(Direction::Shifted(by)) => *by,
            _ => 0,
        }
    }
}

impl<S: Sink> tcp::Sink for Layer<S> {
    fn opened(&mut self, connection: &Connection) {
        self.sink.opened(connection);
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        let key = (connection.id, from);
        if piece.offset == 0 && may_begin(piece.bytes) {
            self.directions.insert(key, Direction::Waiting(Held::default()));
        }
        // Mostly there is none, and that is told at once.
        let direction = if self.directions.is_empty() { None } else { self.directions.get_mut(&key) };
        let held = match direction {
            None => return self.sink.piece(connection, from, piece),
            Some(Direction::Shifted(by)) => {
                let piece = Piece { offset: piece.offset - *by, ..piece };
                return self.sink.piece(connection, from, piece);
            }
            Some(Direction::Waiting(held)) => held,
        };
        held.push(piece);
        match read(&held.bytes) {
            Read::More => {}
            Read::Other => self.release(connection, from),
            Read::Header(header) => {
                let len = header.len;
                let held = self.directions.insert(key, Direction::Shifted(len as u64));
                self.sink.notice(connection, from, Notice::Proxy(header));
                if let Some(Direction::Waiting(held)) = held {
                    held.pass(len, connection, from, &mut self.sink);
                }
            }
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        let by = self.shift(connection, from);
        if by == 0 {
            self.release(connection, from);
        }
        self.sink.gap(connection, from, Gap { offset: gap.offset - by, ..gap });
    }

    fn conflict(&mut self, connection: &Connection, from: Endpoint, conflict: tcp::Conflict) {
        // Bytes of the header itself are nobody's further on.
        if let Some(offset) = conflict.offset.checked_sub(self.shift(connection, from)) {
            self.sink.conflict(connection, from, tcp::Conflict { offset, ..conflict });
        }
    }

    fn closed(&mut self, connection: &Connection) {
        for from in Endpoint::BOTH {
            self.release(connection, from);
        }
        self.sink.closed(connection);
    }
}

impl Held {
    fn push(&mut self, piece: Piece<'_>) {
        let start = self.bytes.len() as u32;
        self.sources.extend(piece.sources.iter().map(|&(at, source)| (start + at, source)));
        self.bytes.extend_from_slice(piece.bytes);
    }

    /// Passes on what is there from the byte at `skip` on, as the start of the direction.
    fn pass(self, skip: usize, connection: &Connection, from: Endpoint, sink: &mut impl Sink) {
        if skip < self.bytes.len() {
            let sources = super::sources_from(&self.sources, skip);
            sink.piece(connection, from, Piece { offset: 0, bytes: &self.bytes[skip..], sources: &sources });
        }
    }
}

/// What the first bytes are.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// A whole header.
    Header(Proxy),
    /// No header.
    Other,
    /// It may become one.
    More,
}

const TEXT: &[u8] = b"PROXY ";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line, CR and LF included (section 2.1).
const LONGEST_LINE: usize = 107;
/// The longest binary header that is waited for, in bytes: addresses take 232 at most (section 2.2), certificates and
/// the balancer's own values come after them.
const LONGEST: usize = 4096;

/// Whether a header may begin with these bytes.
fn may_begin(bytes: &[u8]) -> bool {
    [TEXT, BINARY].into_iter().any(|start| start.starts_with(&bytes[..bytes.len().min(start.len())]))
}

/// Reads the header that a direction begins with.
fn read(bytes: &[u8]) -> Read {
    if !may_begin(bytes) {
        Read::Other
    } else if bytes.starts_with(TEXT) {
        text(bytes)
    } else if bytes.starts_with(BINARY) {
        binary(bytes)
    } else {
        Read::More
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.7 4000 1935\r\n`.
fn text(bytes: &[u8]) -> Read {
    let Some(len) = bytes.iter().take(LONGEST_LINE).position(|&byte| byte == b'\n').map(|at| at + 1) else {
        return if bytes.len() < LONGEST_LINE { Read::More } else { Read::Other };
    };
    let parsed = bytes[..len].strip_suffix(b"\r\n").and_then(|line| addresses(std::str::from_utf8(line).ok()?));
    match parsed {
        Some(addresses) => {
            let (source, destination) = addresses.unzip();
            Read::Header(Proxy { version: Version::V1, source, destination, len })
        }
        None => Read::Other,
    }
}

/// The addresses in a line; none if they are unknown to the balancer.
fn addresses(line: &str) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let [source, destination, source_port, destination_port] =
        [words.next()?, words.next()?, words.next()?, words.next()?];
    let address = |text: &str| match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    let end = |text, port: &str| Some(SocketAddr::new(address(text)?, port.parse().ok()?));
    let ends = (end(source, source_port)?, end(destination, destination_port)?);
    words.next().is_none().then_some(Some(ends))
}

/// Signature, version and command, family, length, addresses, and more that does not concern us.
fn binary(bytes: &[u8]) -> Read {
    let Some(&[command, family, high, low]) = bytes.get(BINARY.len()..).and_then(|rest| rest.first_chunk()) else {
        return Read::More;
    };
    // LOCAL: a balancer's own check. PROXY: for somebody else.
    if !matches!(command, 0x20 | 0x21) {
        return Read::Other;
    }
    let start = BINARY.len() + 4;
    let len = start + usize::from(u16::from_be_bytes([high, low]));
    if len > LONGEST {
        return Read::Other;
    }
    let Some(rest) = bytes.get(start..len) else { return Read::More };
    let port = |at: usize| rest.get(at..)?.first_chunk().map(|port| u16::from_be_bytes(*port));
    let ends = |size: usize, address: fn(&[u8]) -> Option<IpAddr>| {
        let source = SocketAddr::new(address(rest)?, port(2 * size)?);
        Some((source, SocketAddr::new(address(rest.get(size..)?)?, port(2 * size + 2)?)))
    };
    let ends = match (command, family >> 4) {
        (0x21, 1) => ends(4, |bytes| bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).into())),
        (0x21, 2) => ends(16, |bytes| bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).into())),
        _ => None,
    };
    let (source, destination) = ends.unzip();
    Read::Header(Proxy { version: Version::V2, source, destination, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: &[u8]) -> Proxy {
        match read(bytes) {
            Read::Header(header) => header,
            other => panic!("{other:?} for {bytes:x?}"),
        }
    }

    fn ends(header: &Proxy) -> String {
        format!("{:?} {:?}", header.source, header.destination)
    }

    #[test]
    fn lines() {
        // The longest line of the specification's table, and each family.
        let four = header(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n");
        assert_eq!(ends(&four), "Some(255.255.255.255:65535) Some(255.255.255.255:65535)");
        let six = header(b"PROXY TCP6 2001:db8::1 2001:db8::2 4000 1935\r\nmore");
        assert_eq!((ends(&six).as_str(), six.len), ("Some([2001:db8::1]:4000) Some([2001:db8::2]:1935)", 46));
        assert_eq!(ends(&header(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n")), "None None");
        let others: [&[u8]; 7] = [
            b"PROXY TCP4 192.0.2.1 198.51.100.7 4000\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 1935 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 99999\r\n",
            b"PROXY TCP4 2001:db8::1 2001:db8::2 4000 1935\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 1935\n",
            b"PROXY TCP5 192.0.2.1 198.51.100.7 4000 1935\r\n",
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat(),
        ];
        for bytes in others {
            assert_eq!(read(bytes), Read::Other, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn binary_headers() {
        let signature = hex::decode("0d0a0d0a000d0a515549540a").expect("hex");
        let of = |rest: &str| [&signature[..], &hex::decode(rest).expect("hex")].concat();
        let four = header(&of("2111000cc0000201c63364070fa0078f"));
        assert_eq!((ends(&four).as_str(), four.len), ("Some(192.0.2.1:4000) Some(198.51.100.7:1935)", 28));
        let six = of("2121002420010db800000000000000000000000120010db80000000000000000000000020fa0078f");
        assert_eq!(ends(&header(&six)), "Some([2001:db8::1]:4000) Some([2001:db8::2]:1935)");
        // With a TLV after the addresses; a balancer's own check; a socket of the file system; too short for its family.
        assert_eq!(header(&of("21110010c0000201c63364070fa0078f04000100")).len, 32);
        for rest in ["20000000", "213100040102030405", "21110004c0000201"] {
            assert_eq!(ends(&header(&of(rest))), "None None", "{rest}");
        }
        for end in 0..six.len() {
            assert_eq!(read(&six[..end]), Read::More, "the first {end} bytes");
        }
        assert_eq!(read(&of("2211000c")), Read::Other);
        assert_eq!((read(&of("21110ff0")), read(&of("21110ff1"))), (Read::More, Read::Other));
    }
}
