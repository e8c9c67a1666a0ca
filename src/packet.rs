//! Link, IP and TCP headers: from a frame to a TCP segment. etherparse appears only here.
//!
//! Takes frames, gives the TCP segment of each, with the place of every payload byte in the capture, and
//! counts what is none. Joins IP fragments. Lengths are the IP header's, so padding is no payload and what
//! the snap length cut is known. Checksums are not looked at: on the sending host they are wrong (offload).
//! Knows no connections.

mod copies;
mod fragments;
mod link;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, Ipv6ExtensionSlice, Ipv6ExtensionsSlice, LaxIpSlice, TcpSlice};

use crate::capture::Frame;
use crate::origin::{FrameNo, Source, Time};
use copies::Likeness;
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
    /// How many payload bytes the snap length cut off behind `payload`.
    pub missing: u32,
    /// Where `payload` stands in the capture: (offset in `payload`, source), ascending, first offset 0.
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
        let name = match self.0 {
            105 | 119 | 127 => " (IEEE 802.11)",
            147..=162 => " (private use)",
            189 | 220 => " (USB)",
            239 => " (NFLOG)",
            252 => " (Wireshark upper PDU)",
            _ => "",
        };
        write!(f, "link type {}{name} is not supported: frames of that type are left out", self.0)
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
    /// Fragmented packets that never became whole, those that still wait included.
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
        let ip = Ip::read(bytes, frame)?;
        let (tcp, payload) = match ip.fragment {
            None => self.whole(&ip, frame)?,
            Some(fragment) => self.join(&ip, fragment, way, frame)?,
        };
        let duplicate = way.is_some_and(|way| {
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
            self.recent.is_copy(likeness, way, frame.time)
        });
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
            let source = Source { frame: frame.number, packet: frame.number, time: frame.time, file_offset };
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
        if !may_lead_to_tcp(ip.protocol) {
            return Err(Skip::NotTcp);
        }
        let fragment = fragments::Fragment {
            key: fragments::Key { id: fragment.id, src: ip.src, dst: ip.dst, way },
            protocol: ip.protocol,
            offset: fragment.offset,
            // Where a fragment that was cut ends, the packet does not.
            last: fragment.last && ip.missing == 0,
            bytes: ip.payload,
            frame: frame.number,
            file_offset: frame.file_offset + place_in(frame.bytes, ip.payload) as u64,
            time: frame.time,
        };
        let packet = self.pool.insert(fragment, &self.limits).ok_or(Skip::Fragment)?;
        // The extension headers behind an IPv6 fragment header are part of what was fragmented.
        let (_, protocol, rest, _) = Ipv6ExtensionsSlice::from_slice_lax(packet.protocol, &packet.bytes);
        if protocol != IpNumber::TCP {
            return Err(Skip::NotTcp);
        }
        let (tcp, payload_at) = Tcp::read(rest, ip)?;
        let payload_at = packet.bytes.len() - rest.len() + payload_at;
        self.sources.clear();
        for part in &packet.parts {
            let start = part.start.max(payload_at as u32);
            if start < part.end {
                let file_offset = part.file_offset + u64::from(start - part.start);
                let source = Source { frame: part.frame, packet: frame.number, time: frame.time, file_offset };
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

/// Where a payload stands.
#[derive(Clone, Copy)]
enum Payload<'a> {
    InFrame(&'a [u8]),
    /// In `Slicer::joined`, from this offset.
    Joined(usize),
}

/// An IP packet, or a fragment of one.
struct Ip<'a> {
    src: IpAddr,
    dst: IpAddr,
    /// IPv4 identification, or the IPv6 flow label.
    id: u32,
    protocol: IpNumber,
    payload: &'a [u8],
    /// Bytes of the payload that the header promises and the capture does not have.
    missing: u32,
    fragment: Option<Fragmented>,
}

#[derive(Clone, Copy)]
struct Fragmented {
    id: u32,
    /// In bytes.
    offset: u32,
    last: bool,
}

impl<'a> Ip<'a> {
    fn read(bytes: &'a [u8], frame: &Frame<'_>) -> Result<Ip<'a>, Skip> {
        use etherparse::err::ip::LaxHeaderSliceError as Failure;
        let (packet, stopped) = LaxIpSlice::from_slice(bytes).map_err(|failure| match failure {
            Failure::Len(_) => too_short(frame),
            Failure::Content(_) => Skip::Malformed,
        })?;
        // Segmentation offload leaves a length of 0 in the header; then the frame's own length is all there is.
        let cut = frame.original_len.saturating_sub(frame.bytes.len() as u32);
        let promised = |len: usize| len.saturating_sub(bytes.len()) as u32;
        match &packet {
            LaxIpSlice::Ipv4(packet) => {
                let header = packet.header();
                let len = usize::from(header.total_len());
                if len != 0 && len < header.slice().len() {
                    return Err(Skip::Malformed);
                }
                if stopped.is_some() {
                    return Err(too_short(frame));
                }
                let offset = u32::from(header.fragments_offset().value()) * 8;
                let (id, last) = (u32::from(header.identification()), !header.more_fragments());
                Ok(Ip {
                    src: header.source_addr().into(),
                    dst: header.destination_addr().into(),
                    id,
                    protocol: packet.payload_ip_number(),
                    payload: packet.payload().payload,
                    missing: if len == 0 { cut } else { promised(len) },
                    fragment: packet.is_payload_fragmented().then_some(Fragmented { id, offset, last }),
                })
            }
            LaxIpSlice::Ipv6(packet) => {
                let header = packet.header();
                let len = usize::from(header.payload_length());
                let payload = packet.payload();
                let mut ip = Ip {
                    src: header.source_addr().into(),
                    dst: header.destination_addr().into(),
                    id: header.flow_label().value(),
                    protocol: payload.ip_number,
                    payload: payload.payload,
                    missing: if len == 0 { cut } else { promised(len + IPV6_HEADER) },
                    fragment: None,
                };
                let mut at = IPV6_HEADER;
                for extension in packet.extensions().clone() {
                    at += extension_len(&extension);
                    if let Ipv6ExtensionSlice::Fragment(fragment) = extension
                        && fragment.is_fragmenting_payload()
                    {
                        // Only in the first fragment is what follows a header.
                        let end = place_in(bytes, payload.payload) + payload.payload.len();
                        ip.payload = &bytes[at..end];
                        ip.protocol = fragment.next_header();
                        let offset = u32::from(fragment.fragment_offset().value()) * 8;
                        let (id, last) = (fragment.identification(), !fragment.more_fragments());
                        ip.fragment = Some(Fragmented { id, offset, last });
                        return Ok(ip);
                    }
                }
                match stopped {
                    Some(_) => Err(too_short(frame)),
                    None => Ok(ip),
                }
            }
        }
    }
}

/// What a TCP header says.
#[derive(Clone, Copy)]
struct Tcp {
    src: SocketAddr,
    dst: SocketAddr,
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    missing: u32,
}

impl Tcp {
    /// The header at the start of `bytes`, and where the payload begins.
    fn read(bytes: &[u8], ip: &Ip<'_>) -> Result<(Tcp, usize), Skip> {
        if let Ok(tcp) = TcpSlice::from_slice(bytes) {
            return Ok((Tcp::new(&tcp, ip, ip.missing), tcp.header_len()));
        }
        if ip.missing == 0 {
            return Err(Skip::Malformed);
        }
        // The snap length cut the header: its options do not matter, but all before them must be there.
        if bytes.len() < 20 {
            return Err(Skip::HeadersCut);
        }
        let mut padded = [0; 60];
        let had = bytes.len().min(padded.len());
        padded[..had].copy_from_slice(&bytes[..had]);
        let tcp = TcpSlice::from_slice(&padded).map_err(|_| Skip::Malformed)?;
        let missing = (had as u32 + ip.missing).checked_sub(tcp.header_len() as u32).ok_or(Skip::Malformed)?;
        Ok((Tcp::new(&tcp, ip, missing), bytes.len()))
    }

    fn new(tcp: &TcpSlice<'_>, ip: &Ip<'_>, missing: u32) -> Tcp {
        Tcp {
            src: SocketAddr::new(ip.src, tcp.source_port()),
            dst: SocketAddr::new(ip.dst, tcp.destination_port()),
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            flags: tcp.header_slice()[13],
            window: tcp.window_size(),
            missing,
        }
    }
}

/// Headers that need more bytes than there are.
fn too_short(frame: &Frame<'_>) -> Skip {
    if frame.original_len as usize > frame.bytes.len() { Skip::HeadersCut } else { Skip::Malformed }
}

/// Whether TCP may stand in a fragment of this protocol: itself, or behind IPv6 extension headers.
fn may_lead_to_tcp(protocol: IpNumber) -> bool {
    matches!(protocol.0, 0 | 6 | 43 | 51 | 60)
}

fn extension_len(extension: &Ipv6ExtensionSlice<'_>) -> usize {
    match extension {
        Ipv6ExtensionSlice::HopByHop(header)
        | Ipv6ExtensionSlice::Routing(header)
        | Ipv6ExtensionSlice::DestinationOptions(header) => header.slice().len(),
        Ipv6ExtensionSlice::Fragment(header) => header.slice().len(),
        Ipv6ExtensionSlice::Authentication(header) => header.slice().len(),
    }
}

/// Where `inner`, a part of `outer`, begins in it.
fn place_in(outer: &[u8], inner: &[u8]) -> usize {
    inner.as_ptr() as usize - outer.as_ptr() as usize
}

const IPV6_HEADER: usize = 40;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
