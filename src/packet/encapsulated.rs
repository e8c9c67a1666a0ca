//! Packets inside packets.
//!
//! Takes what an IP packet carries, gives the packet or frame inside, where it is one of those that carry a network across
//! another: IP in IP, GRE with ERSPAN, VXLAN, GENEVE, GTP-U. How deep they are nested is the caller's to bound.

use etherparse::IpNumber;

/// What is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inner<'a> {
    /// An IP packet.
    Ip(&'a [u8]),
    /// A frame of a link type (LINKTYPE_*).
    Frame(u32, &'a [u8]),
    /// What an EtherType says.
    Typed(u16, &'a [u8]),
    /// Too few bytes for the headers.
    Short,
}

const ETHERNET: u32 = 1;
const PPP: u32 = 9;

/// What is inside the payload of an IP packet; `None` if it wraps nothing.
pub(super) fn inner(protocol: IpNumber, payload: &[u8]) -> Option<Inner<'_>> {
    match protocol.0 {
        // IPv4 (RFC 2003) and IPv6 (RFC 4213) in either.
        4 | 41 => Some(Inner::Ip(payload)),
        47 => gre(payload),
        17 => udp(payload),
        _ => None,
    }
}

fn gre(bytes: &[u8]) -> Option<Inner<'_>> {
    let Some(&[flags, version, p0, p1]) = bytes.first_chunk::<4>() else { return Some(Inner::Short) };
    let protocol = u16::from_be_bytes([p0, p1]);
    let has = |bit: u8| usize::from(flags & bit != 0);
    let (checksum, routing, key, sequence) = (has(0x80), has(0x40), has(0x20), has(0x10));
    // RFC 2784, RFC 2890; version 1 is PPTP's (RFC 2637), with an acknowledgement that its own bit announces.
    let len = match version & 7 {
        0 if routing == 0 => 4 + 4 * (checksum + key + sequence),
        1 => 4 + 4 * (key + sequence + usize::from(version & 0x80 != 0)),
        _ => return None,
    };
    let Some(rest) = bytes.get(len..) else { return Some(Inner::Short) };
    Some(match protocol {
        0x6558 => Inner::Frame(ETHERNET, rest),
        // ERSPAN I has no header of its own, and no sequence number; II has 8 bytes (draft-foschiano-erspan).
        0x88be if sequence == 0 => Inner::Frame(ETHERNET, rest),
        0x88be => frame(rest, 8),
        // ERSPAN III: 12 bytes, and 8 more if the last bit says so; frame types 0 and 2.
        0x22eb => {
            let Some(header) = rest.first_chunk::<12>() else { return Some(Inner::Short) };
            let len = if header[11] & 1 == 1 { 20 } else { 12 };
            match (u16::from_be_bytes([header[10], header[11]]) >> 10) & 0x1f {
                0 => frame(rest, len),
                2 => rest.get(len..).map_or(Inner::Short, Inner::Ip),
                _ => return None,
            }
        }
        0x880b => Inner::Frame(PPP, rest),
        _ => Inner::Typed(protocol, rest),
    })
}

fn udp(bytes: &[u8]) -> Option<Inner<'_>> {
    let &[s0, s1, d0, d1, l0, l1, ..] = bytes.first_chunk::<8>()?;
    let (source, destination) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    // 0 where the sender left segmentation to the network card.
    let end = match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => bytes.len(),
        len => len.min(bytes.len()),
    };
    let rest = bytes.get(8..end)?;
    match (destination, source) {
        // VXLAN (RFC 7348): the I flag is set, the other bits are zero or of its group policy extension.
        (4789 | 8472, _) => match rest.first()? {
            0x08 | 0x88 => Some(frame(rest, 8)),
            _ => None,
        },
        // VXLAN-GPE: the next protocol is in the fourth byte.
        (4790, _) => match rest.get(3)? {
            1 | 2 => Some(rest.get(8..).map_or(Inner::Short, Inner::Ip)),
            3 => Some(frame(rest, 8)),
            _ => None,
        },
        (6081, _) => geneve(rest),
        (2152, _) | (_, 2152) => gtp(rest),
        _ => None,
    }
}

/// GENEVE (RFC 8926 3.4).
fn geneve(bytes: &[u8]) -> Option<Inner<'_>> {
    let &[first, flags, p0, p1] = bytes.first_chunk::<4>()?;
    // Version 0; control packets carry nothing.
    if first >> 6 != 0 || flags & 0x80 != 0 {
        return None;
    }
    let len = 8 + 4 * usize::from(first & 0x3f);
    Some(match (bytes.get(len..), u16::from_be_bytes([p0, p1])) {
        (None, _) => Inner::Short,
        (Some(rest), 0x6558) => Inner::Frame(ETHERNET, rest),
        (Some(rest), protocol) => Inner::Typed(protocol, rest),
    })
}

/// GTP-U version 1, a G-PDU (3GPP TS 29.281 5.1, 5.2).
fn gtp(bytes: &[u8]) -> Option<Inner<'_>> {
    let &[flags, 0xff, l0, l1, ..] = bytes.first_chunk::<8>()? else { return None };
    if flags >> 4 != 3 {
        return None;
    }
    let end = (8 + usize::from(u16::from_be_bytes([l0, l1]))).min(bytes.len());
    let bytes = &bytes[..end];
    let mut at = 8;
    if flags & 7 != 0 {
        let Some(mut next) = bytes.get(11).copied() else { return Some(Inner::Short) };
        at = 12;
        // Only the E flag says that there are extension headers, each with its length in units of four bytes.
        next = if flags & 4 == 0 { 0 } else { next };
        while next != 0 {
            let len = match bytes.get(at) {
                Some(&len) if len > 0 => 4 * usize::from(len),
                _ => return Some(Inner::Short),
            };
            let Some(&following) = bytes.get(at + len - 1) else { return Some(Inner::Short) };
            (at, next) = (at + len, following);
        }
    }
    let rest = bytes.get(at..)?;
    matches!(rest.first()? >> 4, 4 | 6).then_some(Inner::Ip(rest))
}

fn frame(bytes: &[u8], header: usize) -> Inner<'_> {
    bytes.get(header..).map_or(Inner::Short, |rest| Inner::Frame(ETHERNET, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 4] = [0x45, 1, 2, 3];

    fn with(header: &[u8]) -> Vec<u8> {
        [header, &IP].concat()
    }

    #[test]
    fn gre_with_any_of_its_fields() {
        assert_eq!(inner(IpNumber(47), &with(&[0, 0, 8, 0])), Some(Inner::Typed(0x800, &IP)));
        let all = [0xb0, 0, 0x65, 0x58, 1, 1, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3];
        assert_eq!(inner(IpNumber(47), &with(&all)), Some(Inner::Frame(1, &IP)));
        assert_eq!(inner(IpNumber(47), &all[..15]), Some(Inner::Short));
        // PPTP: key and sequence number, acknowledgement.
        let pptp = [0x30, 0x81, 0x88, 0x0b, 0, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        assert_eq!(inner(IpNumber(47), &with(&pptp)), Some(Inner::Frame(9, &IP)));
        // Routing (RFC 1701) is obsolete.
        assert_eq!(inner(IpNumber(47), &with(&[0x40, 0, 8, 0, 0, 0, 0, 0])), None);
    }

    #[test]
    fn erspan_of_three_types() {
        assert_eq!(inner(IpNumber(47), &with(&[0, 0, 0x88, 0xbe])), Some(Inner::Frame(1, &IP)));
        let second = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(inner(IpNumber(47), &with(&second)), Some(Inner::Frame(1, &IP)));
        let third = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(inner(IpNumber(47), &with(&third)), Some(Inner::Frame(1, &IP)));
        let mut longer = third.to_vec();
        longer[19] |= 1;
        longer.extend([0; 8]);
        assert_eq!(inner(IpNumber(47), &with(&longer)), Some(Inner::Frame(1, &IP)));
    }

    #[test]
    fn gtp_with_extension_headers() {
        let header = |flags: u8, rest: &[u8]| {
            let len = (rest.len() + IP.len()) as u8;
            with(&[&[8, 0x68, 8, 0x68, 0, 0, 0, 0, flags, 0xff, 0, len, 0, 0, 0, 1][..], rest].concat())
        };
        assert_eq!(inner(IpNumber(17), &header(0x30, &[])), Some(Inner::Ip(&IP)));
        assert_eq!(inner(IpNumber(17), &header(0x32, &[0, 1, 0, 0x85])), Some(Inner::Ip(&IP)));
        // A PDU session container, then none.
        assert_eq!(inner(IpNumber(17), &header(0x34, &[0, 0, 0, 0x85, 1, 0, 9, 0])), Some(Inner::Ip(&IP)));
        // An extension of length 0 does not end.
        assert_eq!(inner(IpNumber(17), &header(0x34, &[0, 0, 0, 0x85, 0, 0, 0, 0])), Some(Inner::Short));
        assert_eq!(inner(IpNumber(17), &header(0x10, &[])), None);
    }
}
