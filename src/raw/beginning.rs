//! What a direction's bytes begin with.
//!
//! Takes the first bytes, tells a handshake from chunks and from what may wrap a session. It is asked before there is a
//! connection, so it claims little: whether these are bytes to be read as a direction at all.

/// A part of the handshake: C0 and C1, or S0 and S1; and C2 or S2.
const PART: usize = 1 + BLOCK;
const BLOCK: usize = 1536;

/// As many bytes as are ever needed: both directions' handshakes, and the first chunk after them.
pub const ENOUGH: usize = 2 * (PART + BLOCK) + 64;

/// What a direction begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// C0 and C1, or S0 and S1.
    Handshake,
    /// Chunks, without a handshake.
    Chunks,
    /// What may carry a session: TLS, HTTP or a PROXY header; and FLV.
    Wrapper,
    /// The bytes of both directions, one after the other: what Wireshark saves as Raw of an entire conversation.
    Conversation,
}

/// What `head` begins with, if that is told by the bytes.
pub fn of(head: &[u8]) -> Option<Beginning> {
    if is_wrapper(head) {
        return Some(Beginning::Wrapper);
    }
    if is_chunk(head) {
        return Some(Beginning::Chunks);
    }
    if !matches!(head.first(), Some(3 | 6 | 8)) {
        return None;
    }
    if is_conversation(head) {
        return Some(Beginning::Conversation);
    }
    // Four bytes of zeros after the time, or a version of the software (RTMP 1.0 5.2.3).
    let is_block = match head.get(5..9) {
        Some([0, 0, 0, 0]) => true,
        Some([major, ..]) => *major <= 20 || *major >= 0x80,
        Some([]) | None => false,
    };
    let is_whole = head.len() >= PART && is_block;
    let after = head.get(PART + BLOCK..).unwrap_or_default();
    let continues = after.is_empty() || after.len() < 12 || is_chunk(after) || head[0] != 3;
    (is_whole && continues).then_some(Beginning::Handshake)
}

/// Whether a direction whose first bytes these are begins as a TCP stream does.
pub fn from_start(head: &[u8]) -> bool {
    is_wrapper(head) || matches!(head.first(), Some(3 | 6 | 8)) && !is_chunk(head)
}

fn is_wrapper(head: &[u8]) -> bool {
    let starts = |text: &[u8]| head.starts_with(text);
    let tls = matches!(head, [0x16, 3, 0..=4, 0..=0x48, _, 1 | 2, ..]);
    tls || starts(b"FLV\x01")
        || starts(b"PROXY TCP")
        || starts(b"\r\n\r\n\0\r\nQUIT\n")
        || starts(b"HTTP/1.")
        || [&b"POST /open/"[..], b"POST /fcs/", b"POST /send/", b"POST /idle/"].into_iter().any(starts)
}

/// S0 in place of C2's first byte, and the blocks answer each other.
fn is_conversation(head: &[u8]) -> bool {
    let block = |at: usize| head.get(at..at + BLOCK);
    // The first eight bytes of an echo are times.
    let echoes = |a: usize, b: usize| block(a).zip(block(b)).is_some_and(|(a, b)| a[8..] == b[8..]);
    let server = head.get(PART) == Some(&head[0]);
    server
        && (echoes(1, 2 * PART)
            || echoes(PART + 1, 2 * PART + BLOCK)
            || head.get(2 * (PART + BLOCK)..).is_some_and(is_chunk))
}

/// Whether a whole chunk header is here (format 0), with a body that begins as its type's do.
pub fn is_chunk(bytes: &[u8]) -> bool {
    let Some(&[first, _, _, _, l2, l1, l0, type_id, s0, s1, s2, s3]) = bytes.first_chunk::<12>() else { return false };
    let length = u32::from_be_bytes([0, l2, l1, l0]);
    let stream = u32::from_le_bytes([s0, s1, s2, s3]);
    if first >> 6 != 0 || first & 0x3f < 2 || stream > 0xff {
        return false;
    }
    let body = &bytes[if bytes[1..4] == [0xff; 3] { bytes.len().min(16) } else { 12 }..];
    let is_amf = |body: &[u8]| match body {
        [2, 0, len, rest @ ..] => {
            let name = &rest[..rest.len().min(usize::from(*len)).min(16)];
            *len >= 2 && !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic())
        }
        _ => false,
    };
    match type_id {
        1..=3 | 5 => length == 4 && stream == 0,
        4 => matches!(length, 6 | 10),
        6 => length == 5 && stream == 0,
        8 | 9 => length > 1 && stream > 0 && body.first().is_some_and(|&first| first != 0),
        15 | 17 => is_amf(body) || body.first() == Some(&0) && is_amf(&body[1..]),
        18 | 20 => is_amf(body),
        _ => false,
    }
}
