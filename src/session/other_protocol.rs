//! The protocols that are told from RTMP by their first bytes.
//!
//! Takes the first bytes of a direction, of which more may follow, and says which protocol they are, that they are
//! none of these, or that the next bytes will tell. So the answer does not depend on how the bytes arrive.

use super::detect::{Head, Protocol};

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// They are this protocol's, for this reason.
    Is(Protocol, &'static str),
    /// They may be one of these protocols: more bytes will tell.
    Perhaps,
    /// They are none of these.
    Unknown,
}

const TUNNEL: [&[u8]; 5] = [b"POST /open/", b"POST /send/", b"POST /idle/", b"POST /close/", b"POST /fcs/"];
const HTTP: [&[u8]; 9] =
    [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"HTTP/1."];
const PROXY: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// What a direction begins with.
pub(super) fn beginning(head: Head<'_>) -> Beginning {
    let texts = [
        (&TUNNEL[..], Protocol::Rtmpt, "the first request is RTMPT's"),
        (&HTTP, Protocol::Http, "the first bytes are HTTP"),
        (&PROXY, Protocol::ProxyHeader, "a PROXY protocol header comes first"),
    ];
    // In this order, and a `POST /` may still become one of the tunnel's.
    for (starts, protocol, why) in texts {
        if starts.iter().any(|start| head.bytes.starts_with(start)) {
            return Beginning::Is(protocol, why);
        }
        if !head.is_over && starts.iter().any(|start| start.starts_with(head.bytes)) {
            return Beginning::Perhaps;
        }
    }
    let binary = [
        (tls(head), Protocol::Tls, "the first bytes are a TLS record"),
        (tpkt(head), Protocol::Other, "the first bytes are a TPKT packet, as in RDP and S7comm"),
    ];
    for (is, protocol, why) in binary {
        match is {
            Some(true) => return Beginning::Is(protocol, why),
            None if !head.is_over => return Beginning::Perhaps,
            _ => {}
        }
    }
    Beginning::Unknown
}

/// Whether a TLS record comes first (RFC 8446 5.1); None if more bytes are needed to tell.
fn tls(head: Head<'_>) -> Option<bool> {
    let bytes = head.bytes;
    // Types 20 to 23; alerts and handshakes can be the first of all.
    let is_type = |byte: u8| matches!(byte, 0x14..=0x17);
    let is_record = |bytes: &[u8]| {
        bytes.first().is_none_or(|&byte| is_type(byte))
            && bytes.get(1).is_none_or(|&byte| byte == 3)
            && bytes.get(2).is_none_or(|&byte| byte <= 4)
    };
    if !is_record(bytes) {
        return Some(false);
    }
    if head.from_start {
        return match bytes {
            [first, ..] if !matches!(first, 0x15 | 0x16) => Some(false),
            [_, _, _, ..] => Some(true),
            _ => None,
        };
    }
    // In mid-session the same three bytes may be a chunk's header. The next record is where the first one ends.
    let &[_, _, _, high, low] = bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 || length > (1 << 14) + 2048 {
        return Some(false);
    }
    match bytes.get(5 + length..) {
        Some(next) if next.len() >= 3 => Some(is_record(next)),
        Some(next) if !is_record(next) => Some(false),
        // Longer than what is looked at.
        None if bytes.len() >= super::detect::ENOUGH => Some(false),
        _ => None,
    }
}

/// Whether a TPKT packet comes first (RFC 1006 6): version 3, a zero, the length, and in it a COTP header (ISO 8073
/// 13). RTMP's version is 3 too, and the time after it mostly begins with a zero.
fn tpkt(head: Head<'_>) -> Option<bool> {
    let bytes = head.bytes;
    match bytes {
        [first, ..] if *first != 3 => return Some(false),
        [_, second, ..] if *second != 0 => return Some(false),
        _ => {}
    }
    let &[_, _, high, low, header, kind] = bytes.first_chunk()?;
    let (length, header) = (u16::from_be_bytes([high, low]), u16::from(header));
    let fits = match kind {
        // Connection request and confirm, disconnect request, error: the header is all of the packet.
        0xe0..=0xef | 0xd0..=0xdf | 0x80 | 0x70 => header >= 4 && header + 5 == length,
        // Data: a short header, then the data.
        0xf0 => header == 2 && length >= 7,
        _ => false,
    };
    Some(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Head<'_> {
        Head { bytes, from_start: true, is_over: false }
    }

    /// The answer for the whole is the answer for every prefix that has one.
    fn told(bytes: &[u8], from_start: bool) -> Beginning {
        let answers = (1..=bytes.len()).map(|len| beginning(Head { from_start, ..head(&bytes[..len]) }));
        let mut told = Beginning::Perhaps;
        for answer in answers {
            assert!(told == Beginning::Perhaps || told == answer, "{told:?} and then {answer:?} for {bytes:x?}");
            told = answer;
        }
        told
    }

    fn protocol(bytes: &[u8], from_start: bool) -> Option<Protocol> {
        match told(bytes, from_start) {
            Beginning::Is(protocol, _) => Some(protocol),
            _ => None,
        }
    }

    #[test]
    fn what_the_first_bytes_are_does_not_depend_on_how_many_have_come() {
        let known: [(&[u8], Protocol); 9] = [
            (b"POST /open/1 HTTP/1.1", Protocol::Rtmpt),
            (b"POST /other HTTP/1.1", Protocol::Http),
            (b"PUT / HTTP/1.1", Protocol::Http),
            (b"PROXY TCP4 192.0.2.1", Protocol::ProxyHeader),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Protocol::ProxyHeader),
            (&[0x16, 3, 1, 0, 200, 1], Protocol::Tls),
            (&[0x15, 3, 1, 0, 2, 2, 70], Protocol::Tls),
            // RDP: connection request; S7comm: data.
            (&[3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0], Protocol::Other),
            (&[3, 0, 0, 25, 2, 0xf0, 0x80, 0x32, 1, 0, 0], Protocol::Other),
        ];
        for (bytes, expected) in known {
            assert_eq!(protocol(bytes, true), Some(expected), "{bytes:x?}");
        }
        let unknown: [&[u8]; 7] = [
            b"SSH-2.0-OpenSSH_9.2",
            b"PONG and more",
            // RTMP: time 0, then the zeros; time 19, which a TPKT packet could have as its length, then a version.
            &[3, 0, 0, 0, 0, 0, 0, 0, 0, 77],
            &[3, 0, 0, 19, 14, 9, 0, 124, 2],
            // RTMP whose bytes happen to have COTP's kinds, and another length.
            &[3, 0, 0, 20, 14, 0xe0, 0, 0, 0],
            &[3, 0, 0, 6, 2, 0xf0, 0, 0, 0],
            &[6, 0, 0, 19, 14, 0xe0, 0, 0, 0],
        ];
        for bytes in unknown {
            assert_eq!(told(bytes, true), Beginning::Unknown, "{bytes:x?}");
        }
    }

    #[test]
    fn in_mid_session_a_tls_record_is_followed_by_another() {
        let record = |next: &[u8]| [&[0x17, 3, 3, 0, 4, 9, 9, 9, 9][..], next].concat();
        assert_eq!(protocol(&record(&[0x17, 3, 3, 0, 4]), false), Some(Protocol::Tls));
        // Audio on chunk stream 23 at 0x030300 ms.
        assert_eq!(protocol(&record(&[0x17, 8, 0, 1, 0]), false), None);
        assert_eq!(protocol(&[0x17, 3, 3, 0xff, 0xff, 8, 1, 0, 0, 0], false), None);
    }
}
