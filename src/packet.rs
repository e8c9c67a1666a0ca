//! Link, IP and TCP headers: from a frame to a TCP segment. etherparse appears only here.
//!
//! Takes frames, gives the TCP segment of each, with the place of every payload byte in the capture, and
//! counts what is not TCP. Joins IP fragments. Lengths are the IP header's, so padding is no payload and what
//! the snap length cut is known. Checksums are not looked at: on the sending host they are wrong (offload).
//! Knows no connections.

mod copies;
mod encapsulated;
mod extensions;
mod fragments;
mod headers;
mod link;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;

use etherparse::IpNumber;

use crate::capture::Frame;
use crate::origin::{Form, FrameNo, Source, Time};
use copies::Likeness;
use encapsulated::{Inner, inner};
use extensions::{Upper, may_lead_to_tcp, upper_layer};
use headers::{Fragmented, Ip, Tcp, place_in, too_short};
use link::{Carried, PacketType};

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The frame in which the segment is whole (the last fragment's, for IP fragments).
    pub frame: FrameNo,
    /// When that frame was captured.
    pub time: Time,
    /// The sender.
    pub src: SocketAddr,
    /// The receiver.
    pub dst: SocketAddr,
    /// Sequence number of the first payload byte (of the SYN itself on a SYN).
    pub seq: u32,
    /// Acknowledgement number, if the ACK flag is set.
    pub ack: Option<u32>,
    /// SYN flag.
    pub syn: bool,
    /// FIN flag.
    pub fin: bool,
    /// RST flag.
    pub rst: bool,
    /// Window field, unscaled.
    pub window: u16,
    /// The payload bytes that were captured.
    pub payload: &'a [u8],
    /// How many payload bytes the snap length cut off after `payload`.
    pub missing: u32,
    /// Where `payload` is in the capture: (offset in `payload`, source), ascending, first offset 0.
    /// One entry but for IP fragments; empty only if `payload` is.
    pub sources: &'a [(u32, Source)],
    /// Whether it is the second copy of a packet that `-i any` captured twice.
    pub duplicate: bool,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// A TCP segment.
    Segment(Segment<'a>),
    /// No TCP segment, and why.
    Skipped(Skip),
}

/// Why a frame gives no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It carries something else.
    NotTcp,
    /// Its headers contradict themselves.
    Malformed,
    /// The snap length cut its headers.
    HeadersCut,
    /// It is a fragment of a packet that is not whole yet.
    Fragment,
    /// Its link type is not known.
    UnknownLink {
        /// The link type.
        link: LinkType,
        /// Whether it is the first frame of that type: the one to be told of.
        first: bool,
    },
}

/// A link type (LINKTYPE_*) that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkType(pub u32);

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wired = "capture on an Ethernet interface, or on the host itself (tcpdump -i any)";
        let (name, advice) = match self.0 {
            105 | 119 | 127 | 163 | 192 => (" (IEEE 802.11)", wired),
            187 | 201 | 251 | 254 | 255 | 272 => (" (Bluetooth)", wired),
            189 | 220 | 249 | 266 | 288 | 289 | 292 | 293 => (" (USB)", wired),
            195 | 215 | 230 | 283 => (" (IEEE 802.15.4)", wired),
            147..=162 => (
                " (private use)",
                "if its frames are those of another type, editcap -T ether IN OUT sets it (editcap -T lists the types)",
            ),
            252 => (
                " (Wireshark upper PDU)",
                "export the packets themselves: File, Export Specified Packets, or tshark -w",
            ),
            253 => (" (netlink)", "capture on the interface of the packets, or on all: tcpdump -i any"),
            _ => (
                "",
                "capture on another interface (tcpdump -i any), or if its frames are those of another type, set that with \
                 editcap -T TYPE IN OUT",
            ),
        };
        write!(f, "link type {}{name} is not supported: frames of that type are left out; {advice}", self.0)
    }
}

/// How many frames gave what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// TCP segments, duplicates included.
    pub segments: u64,
    /// Segments that are the second copy of a packet captured twice.
    pub duplicates: u64,
    /// Frames that carry something else.
    pub not_tcp: u64,
    /// Frames whose headers contradict themselves.
    pub malformed: u64,
    /// Frames whose headers the snap length cut.
    pub headers_cut: u64,
    /// Frames that held a fragment and did not complete its packet.
    pub fragments: u64,
    /// Fragmented packets that may have carried TCP and never became whole, those that still wait included.
    pub incomplete_packets: u64,
    /// Frames of a link type that is not known.
    pub unknown_link: u64,
}

/// Bounds on the fragments that wait for others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Packets of which fragments wait.
    pub fragmented_packets: usize,
    /// Bytes that wait, in all packets together.
    pub fragment_bytes: usize,
    /// How long a packet waits, in nanoseconds of the capture.
    pub fragment_wait: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { fragmented_packets: 256, fragment_bytes: 4 << 20, fragment_wait: 60_000_000_000 }
    }
}

/// Turns frames into segments.
#[derive(Debug)]
pub struct Slicer {
    limits: Limits,
    counts: Counts,
    pool: fragments::Pool,
    /// The payload that the last segment points into, if it came in fragments.
    joined: Vec<u8>,
    sources: Vec<(u32, Source)>,
    recent: copies::Recent,
    unknown_links: Vec<u32>,
}

impl Slicer {
    /// A slicer that has seen nothing.
    pub fn new(limits: Limits) -> Slicer {
        Slicer {
            limits,
            counts: Counts::default(),
            pool: fragments::Pool::default(),
            joined: Vec::new(),
            sources: Vec::new(),
            recent: copies::Recent::default(),
            unknown_links: Vec::new(),
        }
    }

    /// The segment of a frame, or why there is none.
    pub fn segment<'a>(&'a mut self, frame: &Frame<'a>) -> Outcome<'a> {
        match self.read(frame) {
            Ok((tcp, payload, duplicate)) => {
                self.counts.segments += 1;
                self.counts.duplicates += u64::from(duplicate);
                Outcome::Segment(Segment {
                    frame: frame.number,
                    time: frame.time,
                    src: tcp.src,
                    dst: tcp.dst,
                    seq: tcp.seq,
                    ack: (tcp.flags & ACK != 0).then_some(tcp.ack),
                    syn: tcp.flags & SYN != 0,
                    fin: tcp.flags & FIN != 0,
                    rst: tcp.flags & RST != 0,
                    window: tcp.window,
                    payload: match payload {
                        Payload::InFrame(bytes) => bytes,
                        Payload::Joined(at) => &self.joined[at..],
                    },
                    missing: tcp.missing,
                    sources: &self.sources,
                    duplicate,
                })
            }
            Err(skip) => {
                *match skip {
                    Skip::NotTcp => &mut self.counts.not_tcp,
                    Skip::Malformed => &mut self.counts.malformed,
                    Skip::HeadersCut => &mut self.counts.headers_cut,
                    Skip::Fragment => &mut self.counts.fragments,
                    Skip::UnknownLink { .. } => &mut self.counts.unknown_link,
                } += 1;
                Outcome::Skipped(skip)
            }
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        Counts { incomplete_packets: self.pool.given_up + self.pool.waiting(), ..self.counts }
    }

    fn read<'a>(&mut self, frame: &Frame<'a>) -> Result<(Tcp, Payload<'a>, bool), Skip> {
        let (bytes, way) = match link::carried(frame.link_type, frame.bytes) {
            Carried::Ip(bytes, way) => (bytes, way),
            Carried::Other => return Err(Skip::NotTcp),
            Carried::Short => return Err(too_short(frame)),
            Carried::UnknownLink => return Err(self.unknown_link(frame.link_type)),
        };
        let ip = innermost(Ip::read(bytes, frame)?, frame)?;
        let (tcp, payload) = match ip.fragment {
            None => self.whole(&ip, frame)?,
            Some(fragment) => self.join(&ip, fragment, way, frame)?,
        };
        // The hosts of two files may both have captured it.
        let seen = (frame.number.file(), way);
        let duplicate = seen != (None, None) && {
            let captured = match payload {
                Payload::InFrame(bytes) => bytes.len(),
                Payload::Joined(at) => self.joined.len() - at,
            };
            let likeness = Likeness {
                seq: tcp.seq,
                ack: tcp.ack,
                ip_id: ip.id,
                payload_len: captured as u32 + tcp.missing,
                flags: tcp.flags,
                src: tcp.src,
                dst: tcp.dst,
            };
            self.recent.is_copy(likeness, seen, frame.time)
        };
        Ok((tcp, payload, duplicate))
    }

    /// The segment of a packet that came whole.
    fn whole<'a>(&mut self, ip: &Ip<'a>, frame: &Frame<'a>) -> Result<(Tcp, Payload<'a>), Skip> {
        if ip.protocol != IpNumber::TCP {
            return Err(Skip::NotTcp);
        }
        let (tcp, payload_at) = Tcp::read(ip.payload, ip)?;
        let payload = &ip.payload[payload_at..];
        self.sources.clear();
        if !payload.is_empty() {
            let file_offset = frame.file_offset + place_in(frame.bytes, payload) as u64;
            let source = Source {
                frame: frame.number,
                packet: frame.number,
                time: frame.time,
                file_offset,
                form: Form::Verbatim,
            };
            self.sources.push((0, source));
        }
        Ok((tcp, Payload::InFrame(payload)))
    }

    /// The segment of a packet that this fragment completes.
    fn join<'a>(
        &mut self,
        ip: &Ip<'a>,
        fragment: Fragmented,
        way: Option<PacketType>,
        frame: &Frame<'a>,
    ) -> Result<(Tcp, Payload<'a>), Skip> {
        // The fragments of an IPv4 packet have one protocol (RFC 791 3.2); of an IPv6 packet the first names it.
        let shared_protocol = ip.src.is_ipv4().then_some(ip.protocol);
        if !shared_protocol.is_none_or(may_lead_to_tcp) {
            return Err(Skip::NotTcp);
        }
        let fragment = fragments::Fragment {
            key: fragments::Key { id: fragment.id, src: ip.src, dst: ip.dst, protocol: shared_protocol, way },
            protocol: ip.protocol,
            offset: fragment.offset,
            // Where a fragment that was cut ends, the packet does not.
            last: fragment.last && ip.missing == 0,
            bytes: ip.payload,
            frame: frame.number,
            file_offset: frame.file_offset + place_in(frame.bytes, ip.payload) as u64,
            time: frame.time,
        };
        let mut packet = self.pool.insert(fragment, &self.limits).ok_or(Skip::Fragment)?;
        // The extension headers after an IPv6 fragment header are part of what was fragmented.
        let protocol = packet.protocol.ok_or(Skip::Malformed)?;
        if !may_lead_to_tcp(protocol) {
            return Err(Skip::NotTcp);
        }
        let (protocol, rest) = match upper_layer(protocol, &packet.bytes) {
            Ok(Upper::Whole(protocol, rest)) => (protocol, rest),
            // A fragment of a fragment (RFC 8200 4.5 allows one fragment header), or a header that is cut.
            Ok(Upper::Fragment(..)) | Err(_) => return Err(Skip::Malformed),
        };
        // What one copy of a fragment lacks, another had.
        let outer = Ip { missing: 0, protocol, payload: rest, fragment: None, src: ip.src, dst: ip.dst, id: ip.id };
        let inside = innermost(outer, frame)?;
        if inside.fragment.is_some() || inside.protocol != IpNumber::TCP {
            return Err(Skip::NotTcp);
        }
        let (tcp, payload_at) = Tcp::read(inside.payload, &inside)?;
        let payload_at = place_in(&packet.bytes, inside.payload) + payload_at;
        // Padding may follow the packet inside.
        let end = place_in(&packet.bytes, inside.payload) + inside.payload.len();
        packet.bytes.truncate(end);
        self.sources.clear();
        for part in &packet.parts {
            let start = part.start.max(payload_at as u32);
            if start < part.end.min(end as u32) {
                let file_offset = part.file_offset + u64::from(start - part.start);
                let source = Source {
                    frame: part.frame,
                    packet: frame.number,
                    time: frame.time,
                    file_offset,
                    form: Form::Verbatim,
                };
                self.sources.push((start - payload_at as u32, source));
            }
        }
        self.joined = packet.bytes;
        Ok((tcp, Payload::Joined(payload_at)))
    }

    fn unknown_link(&mut self, link_type: u32) -> Skip {
        // A link type has 16 bits, and each interface has one: the list stays short but for hostile files.
        let first = !self.unknown_links.contains(&link_type) && self.unknown_links.len() < 16;
        if first {
            self.unknown_links.push(link_type);
        }
        Skip::UnknownLink { link: LinkType(link_type), first }
    }
}

/// The packet inside others, or itself if it wraps none.
fn innermost<'a>(mut ip: Ip<'a>, frame: &Frame<'_>) -> Result<Ip<'a>, Skip> {
    for _ in 0..MOST_NESTED {
        if ip.fragment.is_some() || ip.protocol == IpNumber::TCP {
            return Ok(ip);
        }
        let carried = match inner(ip.protocol, ip.payload) {
            None => return Ok(ip),
            Some(Inner::Ip(bytes)) => Carried::Ip(bytes, None),
            Some(Inner::Frame(link_type, bytes)) => link::carried(link_type, bytes),
            Some(Inner::Typed(ether_type, bytes)) => link::typed(ether_type, bytes),
            Some(Inner::Short) => Carried::Short,
        };
        ip = match carried {
            Carried::Ip(bytes, _) => Ip::read(bytes, frame)?,
            Carried::Other | Carried::UnknownLink => return Err(Skip::NotTcp),
            Carried::Short => return Err(too_short(frame)),
        };
    }
    Err(Skip::Malformed)
}

/// Where a payload is.
#[derive(Clone, Copy)]
enum Payload<'a> {
    InFrame(&'a [u8]),
    /// In `Slicer::joined`, from this offset.
    Joined(usize),
}

/// Packets may be in packets so deep; networks need two or three.
const MOST_NESTED: usize = 8;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
