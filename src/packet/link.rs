//! The headers below IP.
//!
//! Takes a frame's bytes and its link type, gives the IP packet inside, past VLAN tags, PPPoE and MPLS.
//! Padding and trailers stay after the packet: the IP length tells them apart.

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried<'a> {
    /// An IP packet and what follows it; the packet type, where the capture was taken with `-i any`.
    Ip(&'a [u8], Option<PacketType>),
    /// Something else.
    Other,
    /// Too few bytes for its headers.
    Short,
    /// A link type that is not known.
    UnknownLink,
}

/// Which way a packet went, as the Linux cooked headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketType {
    /// 4: sent by the capturing host.
    Outgoing,
    /// 0 to 3: received.
    Incoming,
}

/// The IP packet after an EtherType.
pub(super) fn typed(ether_type: u16, bytes: &[u8]) -> Carried<'_> {
    carried_by(behind_type(ether_type, bytes), None)
}

/// The IP packet in a frame.
pub(super) fn carried(link_type: u32, bytes: &[u8]) -> Carried<'_> {
    let inside = match link_type {
        ETHERNET => read(bytes, 12).and_then(|at| behind_ether_type(bytes, at)),
        NULL | LOOP => null(bytes),
        RAW | 12 | 14 | IPV4 | IPV6 => Ok(Some(bytes)),
        PPP | PPP_PPPD => ppp(bytes),
        PPP_WITH_DIRECTION => bytes.get(1..).ok_or(Short).and_then(ppp),
        PFLOG => pflog(bytes),
        ENC => enc(bytes),
        NFLOG => nflog(bytes),
        PPP_HDLC | CISCO_HDLC => ppp_hdlc(bytes),
        PPP_ETHER => pppoe(bytes),
        LINUX_SLL => return cooked(bytes, 16, 0, 2, 14),
        LINUX_SLL2 => return cooked(bytes, 20, 10, 8, 0),
        PKTAP | 149 => return pktap(bytes),
        _ => return Carried::UnknownLink,
    };
    carried_by(inside, None)
}

/// Apple's header, as `rvictl` and `tcpdump -i pktap` write it: its own length, and at 8 the link type of what follows, in
/// the byte order of the Mac (bsd/net/pktap.h).
fn pktap(bytes: &[u8]) -> Carried<'_> {
    let field = |at: usize| bytes.get(at..)?.first_chunk().map(|field| u32::from_le_bytes(*field));
    let (Some(len), Some(link_type)) = (field(0), field(8)) else { return Carried::Short };
    match bytes.get(len as usize..) {
        _ if len < 12 || matches!(link_type, PKTAP | 149) => Carried::Other,
        Some(rest) => carried(link_type, rest),
        None => Carried::Short,
    }
}

/// An IP packet, something else, or a header that was cut.
type Inside<'a> = Result<Option<&'a [u8]>, Short>;

struct Short;

fn carried_by(inside: Inside<'_>, packet_type: Option<PacketType>) -> Carried<'_> {
    match inside {
        Ok(Some(ip)) => Carried::Ip(ip, packet_type),
        Ok(None) => Carried::Other,
        Err(Short) => Carried::Short,
    }
}

/// Linux cooked headers: `len` bytes, with the packet type, the ARPHRD type and the protocol at these places.
/// SLL has 16 bits for the packet type, SLL2 has 8.
fn cooked(bytes: &[u8], len: usize, packet_type: usize, hardware: usize, protocol: usize) -> Carried<'_> {
    if bytes.len() < len {
        return Carried::Short;
    }
    let packet_type = if len == 16 { bytes[packet_type + 1] } else { bytes[packet_type] };
    let packet_type = if packet_type == 4 { PacketType::Outgoing } else { PacketType::Incoming };
    // For netlink messages the protocol is a netlink family, not an EtherType.
    let inside = match be16(bytes, hardware) {
        ARPHRD_NETLINK => Ok(None),
        _ => behind_type(be16(bytes, protocol), &bytes[len..]),
    };
    carried_by(inside, Some(packet_type))
}

/// What follows the EtherType at `at`.
fn behind_ether_type(bytes: &[u8], at: usize) -> Inside<'_> {
    behind_type(be16(bytes, at), &bytes[at + 2..])
}

fn behind_type(mut ether_type: u16, mut bytes: &[u8]) -> Inside<'_> {
    loop {
        match ether_type {
            0x0800 | 0x86dd => return Ok(Some(bytes)),
            // VLAN tags, as many as there are (802.1Q, 802.1ad, and two older values).
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                read(bytes, 2)?;
                ether_type = be16(bytes, 2);
                bytes = &bytes[4..];
            }
            0x8864 => return pppoe(bytes),
            0x8847 | 0x8848 => return mpls(bytes),
            // A length instead: LLC, with SNAP if it carries an EtherType.
            0..=1500 => match bytes {
                [0xaa, 0xaa, 0x03, 0, 0, 0, rest @ ..] => {
                    read(rest, 0)?;
                    ether_type = be16(rest, 0);
                    bytes = &rest[2..];
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
}

/// The address family, in the byte order of the host that captured (NULL) or of the network (LOOP). Its
/// values for IPv6 differ between the BSDs; the packet's own version tells.
fn null(bytes: &[u8]) -> Inside<'_> {
    let (family, rest) = bytes.split_first_chunk::<4>().ok_or(Short)?;
    let family = u32::from_le_bytes(*family);
    Ok(matches!(family.min(family.swap_bytes()), 2 | 10 | 24 | 28 | 30).then_some(rest))
}

/// PPP, with or without its address and control bytes, its protocol in one or two bytes.
fn ppp(bytes: &[u8]) -> Inside<'_> {
    let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
    let &first = bytes.first().ok_or(Short)?;
    // The low bit ends the protocol number (RFC 1661 6.5).
    let (protocol, rest) = if first & 1 == 1 {
        (u16::from(first), &bytes[1..])
    } else {
        read(bytes, 0)?;
        (be16(bytes, 0), &bytes[2..])
    };
    match protocol {
        0x0021 | 0x0057 => Ok(Some(rest)),
        0x0281 | 0x0283 => mpls(rest),
        _ => Ok(None),
    }
}

/// OpenBSD's packet filter: the header's length, then the address family; padded to four bytes.
fn pflog(bytes: &[u8]) -> Inside<'_> {
    let (Some(&len), Some(&family)) = (bytes.first(), bytes.get(1)) else { return Err(Short) };
    let len = usize::from(len).next_multiple_of(4);
    let rest = bytes.get(len..).filter(|_| len >= 4).ok_or(Short)?;
    Ok(matches!(family, 2 | 10 | 24 | 28 | 30).then_some(rest))
}

/// OpenBSD's encapsulating interface: the address family in host byte order, an index and flags.
fn enc(bytes: &[u8]) -> Inside<'_> {
    let (_, rest) = bytes.split_first_chunk::<12>().ok_or(Short)?;
    null(bytes).map(|inside| inside.map(|_| rest))
}

/// Linux's netfilter log: attributes with length and type in host byte order (linux/netfilter/nfnetlink_log.h); the packet
/// is in the one of type 9.
fn nflog(bytes: &[u8]) -> Inside<'_> {
    let (_, mut rest) = bytes.split_first_chunk::<4>().ok_or(Short)?;
    while let Some(&[l0, l1, t0, t1]) = rest.first_chunk::<4>() {
        // The type is small, so its zero byte tells the order.
        let (len, kind) = match t0 & 0x7f {
            0 => (u16::from_be_bytes([l0, l1]), t1),
            _ => (u16::from_le_bytes([l0, l1]), t0),
        };
        let len = usize::from(len);
        if len < 4 {
            return Ok(None);
        }
        if kind == 9 {
            return rest.get(4..len.min(rest.len())).map(Some).ok_or(Short);
        }
        rest = rest.get(len.next_multiple_of(4)..).ok_or(Short)?;
    }
    Ok(None)
}

/// PPP in HDLC framing, or Cisco HDLC, which has an EtherType.
fn ppp_hdlc(bytes: &[u8]) -> Inside<'_> {
    match bytes {
        [0x0f | 0x8f, 0, rest @ ..] => {
            read(rest, 0)?;
            behind_ether_type(rest, 0)
        }
        _ => ppp(bytes),
    }
}

/// A PPPoE session packet: version and type, code 0, session, length.
fn pppoe(bytes: &[u8]) -> Inside<'_> {
    let (header, rest) = bytes.split_first_chunk::<6>().ok_or(Short)?;
    if header[1] != 0 {
        return Ok(None);
    }
    ppp(rest)
}

/// MPLS labels do not say what they carry: the version of an IP packet is treated as one.
fn mpls(mut bytes: &[u8]) -> Inside<'_> {
    loop {
        let (label, rest) = bytes.split_first_chunk::<4>().ok_or(Short)?;
        bytes = rest;
        // The bottom of the stack.
        if label[2] & 1 == 1 {
            let &first = bytes.first().ok_or(Short)?;
            return Ok(matches!(first >> 4, 4 | 6).then_some(bytes));
        }
    }
}

/// `at`, if two bytes are there.
fn read(bytes: &[u8], at: usize) -> Result<usize, Short> {
    if bytes.len() >= at + 2 { Ok(at) } else { Err(Short) }
}

/// The 16 bits at `at`, which the caller knows to be there.
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const PPP: u32 = 9;
const PPP_HDLC: u32 = 50;
const PPP_ETHER: u32 = 51;
const CISCO_HDLC: u32 = 104;
const ENC: u32 = 109;
const PFLOG: u32 = 117;
const PPP_PPPD: u32 = 166;
const PPP_WITH_DIRECTION: u32 = 204;
const NFLOG: u32 = 239;
const RAW: u32 = 101;
const LOOP: u32 = 108;
const LINUX_SLL: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const PKTAP: u32 = 258;
const LINUX_SLL2: u32 = 276;
const ARPHRD_NETLINK: u16 = 824;

#[cfg(test)]
mod tests {
    use super::*;

    const IP: &[u8] = &[0x45, 1, 2, 3];

    fn ip(link_type: u32, header: &[u8]) -> bool {
        let frame = [header, IP].concat();
        let found = carried(link_type, &frame);
        for cut in 0..header.len() {
            assert!(!matches!(carried(link_type, &frame[..cut]), Carried::Ip(ip, _) if ip == IP), "{cut}");
        }
        matches!(found, Carried::Ip(ip, _) if ip == IP)
    }

    #[test]
    fn ethernet_with_any_number_of_tags() {
        let mut header = vec![0; 12];
        for tag in [[0x88, 0xa8, 0, 7], [0x81, 0, 0, 8], [0x91, 0, 0, 9], [0x81, 0, 0, 1]] {
            assert!(ip(1, &[&header[..], &[8, 0]].concat()));
            header.extend(tag);
        }
        assert!(ip(1, &[&header[..], &[8, 0]].concat()));
        // LLC/SNAP: a length, then aa aa 03, the organisation, an EtherType.
        assert!(ip(1, &[&[0; 12][..], &[0, 50, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat()));
        assert_eq!(carried(1, &[&[0; 12][..], &[8, 6, 0, 0]].concat()), Carried::Other);
    }

    #[test]
    fn tunnels_of_the_access_network() {
        // PPPoE session 1 of 6 bytes, PPP protocol 0021.
        assert!(ip(1, &[&[0; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0, 0x21]].concat()));
        // MPLS: label 1, label 2 with the bottom bit.
        assert!(ip(1, &[&[0; 12][..], &[0x88, 0x47, 0, 0, 0x10, 64, 0, 0, 0x21, 64]].concat()));
        assert!(ip(9, &[0xff, 3, 0, 0x21]) && ip(9, &[0x21]) && ip(50, &[0x0f, 0, 8, 0]));
    }

    #[test]
    fn loopback_in_both_byte_orders() {
        assert!(ip(0, &[2, 0, 0, 0]) && ip(0, &[0, 0, 0, 2]) && ip(108, &[0, 0, 0, 2]) && ip(0, &[30, 0, 0, 0]));
        assert_eq!(carried(0, &[7, 0, 0, 0, 0x45]), Carried::Other);
    }

    #[test]
    fn cooked_captures_tell_the_direction() {
        // SLL: packet type 4, ARPHRD 772 (loopback), address length 6, address, protocol.
        let sll = [0, 4, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45];
        assert_eq!(carried(113, &sll), Carried::Ip(&[0x45], Some(PacketType::Outgoing)));
        // SLL2: protocol, reserved, interface, ARPHRD, packet type 0, address length, address.
        let sll2 = [8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x45];
        assert_eq!(carried(276, &sll2), Carried::Ip(&[0x45], Some(PacketType::Incoming)));
        assert_eq!(carried(147, &sll2), Carried::UnknownLink);
    }
}
