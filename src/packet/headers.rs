//! IP and TCP headers.
//!
//! Takes the bytes of an IP packet, gives its addresses, its payload by the lengths of the headers, and the
//! facts of a TCP header. Lengths that promise more than was captured leave a count of missing bytes. Joins
//! nothing.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, Ipv6ExtensionSlice, LaxIpSlice, TcpSlice};

use super::Skip;
use crate::capture::Frame;

/// An IP packet, or a fragment of one.
pub(super) struct Ip<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// IPv4 identification, or the IPv6 flow label.
    pub(super) id: u32,
    pub(super) protocol: IpNumber,
    pub(super) payload: &'a [u8],
    /// Bytes of the payload that the header promises and the capture does not have.
    pub(super) missing: u32,
    pub(super) fragment: Option<Fragmented>,
}

#[derive(Clone, Copy)]
pub(super) struct Fragmented {
    pub(super) id: u32,
    /// In bytes.
    pub(super) offset: u32,
    pub(super) last: bool,
}

impl<'a> Ip<'a> {
    pub(super) fn read(bytes: &'a [u8], frame: &Frame<'_>) -> Result<Ip<'a>, Skip> {
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
pub(super) struct Tcp {
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) missing: u32,
}

impl Tcp {
    /// The header at the start of `bytes`, and where the payload begins.
    pub(super) fn read(bytes: &[u8], ip: &Ip<'_>) -> Result<(Tcp, usize), Skip> {
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
pub(super) fn too_short(frame: &Frame<'_>) -> Skip {
    if frame.original_len as usize > frame.bytes.len() { Skip::HeadersCut } else { Skip::Malformed }
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
pub(super) fn place_in(outer: &[u8], inner: &[u8]) -> usize {
    inner.as_ptr() as usize - outer.as_ptr() as usize
}

const IPV6_HEADER: usize = 40;
