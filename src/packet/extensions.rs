//! IP extension headers: what is between an IP header and TCP.
//!
//! Takes the first protocol number and the bytes after an IP header, returns the upper-layer protocol and its
//! bytes, or the fragment that they are. Follows the headers that Wireshark follows (tshark 4.0.17: hop-by-hop,
//! routing, fragment, authentication, destination options, shim6; after IPv4 as after IPv6, in any order and
//! number). Mobility, HIP, ESP and "no next header" end the chain: nothing follows the first two (RFC 6275
//! 6.1.1, RFC 7401 5.1), and what ESP carries is encrypted. Joins nothing.
//!
//! The crate's own iterator over these headers reads past the packet when its check has stopped at a bad header
//! (`docs/upstream.md`), so it is not used: here every length is checked before it is used.

use etherparse::IpNumber;

use super::headers::Fragmented;

/// What follows the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upper<'a> {
    /// An upper-layer protocol and its bytes.
    Whole(IpNumber, &'a [u8]),
    /// A fragment of a packet: the protocol that its fragmentable part begins with, and the fragment's bytes.
    Fragment(IpNumber, Fragmented, &'a [u8]),
}

/// An extension header promises more bytes than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short;

/// Walks the headers in `bytes`, of which the first is a `protocol`. Each header has at least eight bytes, so
/// their number is bounded by the packet's length.
pub(super) fn upper_layer(mut protocol: IpNumber, mut bytes: &[u8]) -> Result<Upper<'_>, Short> {
    loop {
        let len = match protocol {
            IpNumber::IPV6_HEADER_HOP_BY_HOP
            | IpNumber::IPV6_ROUTE_HEADER
            | IpNumber::IPV6_DESTINATION_OPTIONS
            | IpNumber::SHIM6 => (usize::from(*bytes.get(1).ok_or(Short)?) + 1) * 8,
            // RFC 4302 2.2: in units of four bytes, minus two; the fixed fields are twelve bytes.
            IpNumber::AUTHENTICATION_HEADER => match (usize::from(*bytes.get(1).ok_or(Short)?) + 2) * 4 {
                0..12 => return Err(Short),
                len => len,
            },
            IpNumber::IPV6_FRAGMENTATION_HEADER => 8,
            _ => return Ok(Upper::Whole(protocol, bytes)),
        };
        let (header, rest) = bytes.split_at_checked(len).ok_or(Short)?;
        let next = IpNumber(header[0]);
        if protocol == IpNumber::IPV6_FRAGMENTATION_HEADER
            && let [_, _, offset_high, offset_low, id @ ..] = header
            && let Some(&id) = id.first_chunk()
        {
            // RFC 8200 4.5: 13 bits of offset in units of eight bytes, two reserved, and "more fragments".
            let offset_and_flags = u16::from_be_bytes([*offset_high, *offset_low]);
            let (offset, more) = (u32::from(offset_and_flags & !7), offset_and_flags & 1 == 1);
            if offset > 0 || more {
                let fragment = Fragmented { id: u32::from_be_bytes(id), offset, last: !more };
                return Ok(Upper::Fragment(next, fragment, rest));
            }
        }
        (protocol, bytes) = (next, rest);
    }
}

/// Whether TCP may be in a fragment of this protocol: itself, or after extension headers.
pub(super) fn may_lead_to_tcp(protocol: IpNumber) -> bool {
    matches!(
        protocol,
        IpNumber::TCP
            // Packets in packets. UDP has them too, but seldom in fragments, and fragments of other UDP are many.
            | IpNumber(4 | 41 | 47)
            | IpNumber::IPV6_HEADER_HOP_BY_HOP
            | IpNumber::IPV6_ROUTE_HEADER
            | IpNumber::IPV6_FRAGMENTATION_HEADER
            | IpNumber::IPV6_DESTINATION_OPTIONS
            | IpNumber::AUTHENTICATION_HEADER
            | IpNumber::SHIM6
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of this kind with `extra` units beyond the shortest.
    fn header(kind: u8, next: u8, extra: u8) -> Vec<u8> {
        let len = match kind {
            44 => 8,
            51 => 12 + 4 * usize::from(extra),
            _ => 8 + 8 * usize::from(extra),
        };
        let mut bytes = vec![0; len];
        bytes[0] = next;
        match kind {
            44 => {}
            51 => bytes[1] = extra + 1,
            _ => bytes[1] = extra,
        }
        bytes
    }

    /// The headers of a chain, each naming the next, and `upper` after them.
    fn chain(kinds: &[(u8, u8)], upper: u8, payload: &[u8]) -> Vec<u8> {
        let next = |index: usize| kinds.get(index + 1).map_or(upper, |(kind, _)| *kind);
        let mut bytes: Vec<u8> =
            kinds.iter().enumerate().flat_map(|(index, &(kind, extra))| header(kind, next(index), extra)).collect();
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn the_kinds_that_tshark_follows() {
        // Each alone, before `hello` as TCP; what `tshark -T fields -e frame.protocols` 4.0.17 follows to tcp.
        for (kind, is_followed) in
            [(0, true), (43, true), (44, true), (51, true), (60, true), (140, true), (135, false), (139, false)]
        {
            let bytes = chain(&[(kind, 1)], 6, b"hello");
            let found = upper_layer(IpNumber(kind), &bytes).expect("whole");
            let expected =
                if is_followed { Upper::Whole(IpNumber::TCP, b"hello") } else { Upper::Whole(IpNumber(kind), &bytes) };
            assert_eq!(found, expected, "{kind}");
            assert_eq!(may_lead_to_tcp(IpNumber(kind)), is_followed, "{kind}");
        }
        for end in [50, 59, 6, 17, 253] {
            assert_eq!(upper_layer(IpNumber(end), &[]), Ok(Upper::Whole(IpNumber(end), &[])));
        }
    }

    #[test]
    fn hop_by_hop_anywhere() {
        // It may only come first (RFC 8200 4.1); Wireshark follows it elsewhere too.
        let kinds = [(60, 0), (0, 2), (0, 0), (43, 0)];
        assert_eq!(upper_layer(IpNumber(60), &chain(&kinds, 6, b"x")), Ok(Upper::Whole(IpNumber::TCP, b"x")));
    }

    #[test]
    fn a_fragment_ends_the_chain() {
        let mut bytes = chain(&[(60, 0), (44, 0), (60, 0)], 6, b"hello");
        // Offset 16, more to follow, id 7.
        bytes[10..16].copy_from_slice(&[0, 0x11, 0, 0, 0, 7]);
        let fragment = Fragmented { id: 7, offset: 16, last: false };
        assert_eq!(upper_layer(IpNumber(60), &bytes), Ok(Upper::Fragment(IpNumber(60), fragment, &bytes[16..])));
        // The two reserved bits before "more fragments" are no offset.
        bytes[10..12].copy_from_slice(&[0, 0x06]);
        assert_eq!(upper_layer(IpNumber(60), &bytes), Ok(Upper::Whole(IpNumber::TCP, b"hello")));
    }

    #[test]
    fn an_authentication_header_without_its_fixed_fields_is_short() {
        assert_eq!(upper_layer(IpNumber(51), &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(Short));
    }

    proptest! {
        /// Against a model that knows where each header was put: every cut and every length.
        #[test]
        fn any_chain_cut_anywhere(
            kinds in proptest::collection::vec(
                (proptest::sample::select(vec![0u8, 43, 44, 51, 60, 140]), 0u8..5), 0..12),
            upper in proptest::sample::select(vec![6u8, 17, 50, 59, 135, 139, 255]),
            payload in proptest::collection::vec(any::<u8>(), 0..20),
            cut in any::<proptest::sample::Index>(),
            lie in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        ) {
            let first = IpNumber(kinds.first().map_or(upper, |(kind, _)| *kind));
            let mut bytes = chain(&kinds, upper, &payload);
            let headers = bytes.len() - payload.len();
            prop_assert_eq!(upper_layer(first, &bytes), Ok(Upper::Whole(IpNumber(upper), &payload[..])));
            let cut = cut.index(bytes.len() + 1);
            let found = upper_layer(first, &bytes[..cut]);
            prop_assert_eq!(found.is_err(), cut < headers, "cut at {} of {}", cut, headers);
            // A byte that lies: no panic, and what is returned is a part of what was given.
            if let (Some((at, value)), false) = (lie, bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = value;
                if let Ok(Upper::Whole(_, rest) | Upper::Fragment(_, _, rest)) = upper_layer(first, &bytes) {
                    prop_assert!(bytes.ends_with(rest));
                }
            }
        }
    }
}
