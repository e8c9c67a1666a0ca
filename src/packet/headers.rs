//! IP and TCP headers.
//!
//! Takes the bytes of an IP packet, returns its addresses, its payload by the lengths of the headers, and the
//! facts of a TCP header. Lengths that promise more than was captured leave a count of missing bytes. Joins
//! nothing. Of etherparse only the strict parsers of one header are used, which check its length once and read
//! nothing beyond it.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6Header, Ipv6HeaderSlice, TcpSlice};

use super::Skip;
use super::extensions::{Short, Upper, upper_layer};
use crate::capture::Frame;

/// An IP packet, or a fragment of one.
#[derive(Clone, Copy)]
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

/// A packet's place in the one it is a fragment of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragmented {
    pub(super) id: u32,
    /// In bytes.
    pub(super) offset: u32,
    pub(super) last: bool,
}

impl<'a> Ip<'a> {
    pub(super) fn read(bytes: &'a [u8], frame: &Frame<'_>) -> Result<Ip<'a>, Skip> {
        match bytes.first().ok_or_else(|| too_short(frame))? >> 4 {
            4 => Ip::read_v4(bytes, frame),
            6 => Ip::read_v6(bytes, frame),
            _ => Err(Skip::Malformed),
        }
    }

    fn read_v4(bytes: &'a [u8], frame: &Frame<'_>) -> Result<Ip<'a>, Skip> {
        use etherparse::err::ipv4::HeaderSliceError as Failure;
        let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|failure| match failure {
            Failure::Len(_) => too_short(frame),
            Failure::Content(_) => Skip::Malformed,
        })?;
        let (header_len, len) = (header.slice().len(), usize::from(header.total_len()));
        let (payload, missing) = Ip::payload(bytes, header_len, len, frame)?;
        let id = u32::from(header.identification());
        let ip = Ip {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            id,
            protocol: header.protocol(),
            payload,
            missing,
            fragment: None,
        };
        if header.is_fragmenting_payload() {
            let offset = u32::from(header.fragments_offset().value()) * 8;
            let fragment = Some(Fragmented { id, offset, last: !header.more_fragments() });
            return Ok(Ip { fragment, ..ip });
        }
        ip.past_extensions(frame)
    }

    fn read_v6(bytes: &'a [u8], frame: &Frame<'_>) -> Result<Ip<'a>, Skip> {
        let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| too_short(frame))?;
        let len = match usize::from(header.payload_length()) {
            0 => 0,
            len => len + Ipv6Header::LEN,
        };
        let (payload, missing) = Ip::payload(bytes, Ipv6Header::LEN, len, frame)?;
        let ip = Ip {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            id: header.flow_label().value(),
            protocol: header.next_header(),
            payload,
            missing,
            fragment: None,
        };
        ip.past_extensions(frame)
    }

    /// What follows a header of a packet that is `len` bytes long, and how many bytes of it were not captured.
    fn payload(bytes: &'a [u8], header_len: usize, len: usize, frame: &Frame<'_>) -> Result<(&'a [u8], u32), Skip> {
        // Segmentation offload leaves a length of 0 in the header; then the frame's own length is all there is.
        let (end, missing) = match len {
            0 => (bytes.len(), (frame.original_len as usize).saturating_sub(frame.bytes.len())),
            _ => (len.min(bytes.len()), len.saturating_sub(bytes.len())),
        };
        let payload = bytes.get(header_len..end).ok_or(Skip::Malformed)?;
        Ok((payload, missing as u32))
    }

    /// The packet, with its payload after the extension headers.
    fn past_extensions(self, frame: &Frame<'_>) -> Result<Ip<'a>, Skip> {
        Ok(match upper_layer(self.protocol, self.payload).map_err(|Short| too_short(frame))? {
            Upper::Whole(protocol, payload) => Ip { protocol, payload, ..self },
            Upper::Fragment(protocol, fragment, payload) => Ip { protocol, payload, fragment: Some(fragment), ..self },
        })
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

/// Where `inner`, a part of `outer`, begins in it.
pub(super) fn place_in(outer: &[u8], inner: &[u8]) -> usize {
    inner.as_ptr() as usize - outer.as_ptr() as usize
}
