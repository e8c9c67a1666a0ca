//! Payload rules about arithmetic on bytes: swapped words, XOR, addition, single bits.

use std::ops::Range;

use super::PayloadClaim;
use super::case::Case;
use super::text::exact;
use super::transform::Transform;
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

const SWAP_WHO: &str = "Code that treats a byte buffer as an array of integers and converts their byte order: htons or htonl \
                        in a loop, BinaryReader, DataView, ByteBuffer with the wrong order; DMA engines and FPGA firmware.";
const SWAP_FIX: &str = "Leave the payload alone: byte order is a property of single fields, not of a buffer. Convert only \
                        the integers of headers.";
const SWAP_SOURCE: &str = "Plain arithmetic, compared byte for byte; bytes after the last whole word are checked to be \
                           unchanged, or missing.";

pub static SWAP16: Rule = Rule {
    code: "px-swap16",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the bytes of every 16-bit word are swapped",
    page: Page {
        what: "Each pair of bytes arrived in reverse order.",
        looks: "sent      ff d8 ff e0 00 10\n\
                received  d8 ff e0 ff 10 00",
        who: SWAP_WHO,
        fix: SWAP_FIX,
        source: SWAP_SOURCE,
    },
    check: Check::Payload(|case| exact(case, SWAP16_FORMS, &SWAP16)),
};

pub static SWAP32: Rule = Rule {
    code: "px-swap32",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the bytes of every 32-bit word are swapped",
    page: Page {
        what: "Each group of four bytes arrived in reverse order.",
        looks: "sent      ff d8 ff e0 00 10 4a 46\n\
                received  e0 ff d8 ff 46 4a 10 00",
        who: SWAP_WHO,
        fix: SWAP_FIX,
        source: SWAP_SOURCE,
    },
    check: Check::Payload(|case| exact(case, SWAP32_FORMS, &SWAP32)),
};

pub static SWAP64: Rule = Rule {
    code: "px-swap64",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the bytes of every 64-bit word are swapped",
    page: Page {
        what: "Each group of eight bytes arrived in reverse order.",
        looks: "sent      ff d8 ff e0 00 10 4a 46\n\
                received  46 4a 10 00 e0 ff d8 ff",
        who: SWAP_WHO,
        fix: SWAP_FIX,
        source: SWAP_SOURCE,
    },
    check: Check::Payload(|case| exact(case, SWAP64_FORMS, &SWAP64)),
};

pub static XOR: Rule = Rule {
    code: "px-xor",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "every byte is XORed with the same value",
    page: Page {
        what: "Sent and received differ by the same bits in every byte.",
        looks: "XOR with 55:\n\
                \n\
                sent      ff d8 ff e0 00 10\n\
                received  aa 8d aa b5 55 45",
        who: "Simple scrambling of stored or licensed media; XOR with ff is an inverted signal.",
        fix: "Decode it where the scrambling ends, or switch it off on the path that writes the payload.",
        source: "Plain arithmetic: sent XOR received is one value for the whole payload.",
    },
    check: Check::Payload(xor),
};

pub static ADD: Rule = Rule {
    code: "px-add",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the same value is added to every byte",
    page: Page {
        what: "Each received byte is the sent one plus a constant, modulo 256.",
        looks: "Each byte one larger:\n\
                \n\
                sent      ff d8 ff e0 00 10\n\
                received  00 d9 00 e1 01 11",
        who: "Scrambling; signed bytes made unsigned by adding 80.",
        fix: "Decode it where the scrambling ends; copy bytes instead of converting numbers.",
        source: "Plain arithmetic: received - sent is one value for the whole payload.",
    },
    check: Check::Payload(add),
};

pub static XOR_KEY: Rule = Rule {
    code: "px-xor-key",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the payload is XORed with a repeating key",
    page: Page {
        what: "Sent and received differ by a key that repeats. With a key of four bytes this is most likely the mask \
               of a WebSocket frame that was not removed.",
        looks: "The key 37 fa 21 3d:\n\
                \n\
                sent      48 65 6c 6c 6f\n\
                received  7f 9f 4d 51 58    the masked text of RFC 6455, section 5.7",
        who: "Gateways from WebSocket to RTMP that forget to unmask; stream ciphers of a few bytes.",
        fix: "Apply the mask once more, starting with its first byte at the first byte of the payload.",
        source: "RFC 6455, section 5.3. A key is accepted only if it repeats at least three times and what was sent \
                 does not itself repeat at the same distance.",
    },
    check: Check::Payload(xor_key),
};

pub static BITFLIP: Rule = Rule {
    code: "px-bitflip",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "a few bits are flipped",
    page: Page {
        what: "The length and all but a few bytes are correct. Single bits that differ are not caused by software that \
               transforms data; whole bytes that differ were overwritten.",
        looks: "sent      .. 5e 41 07 ..\n\
                received  .. 5e 61 07 ..    one bit, 20",
        who: "Memory without error correction, network cards that compute checksums over data that is already damaged, \
              radio links; two threads that share a buffer, for whole bytes.",
        fix: "Repeat the transfer: the same place again means software, another place means hardware. Compare the \
              bytes in a capture from each side to find the hop.",
        source: "Experience; the rule counts the bits that differ.",
    },
    check: Check::Payload(bitflip),
};

pub(super) const SWAP16_FORMS: &[Transform] = &[
    Transform { rule: "px-swap16", words: "each pair of bytes had been reversed", apply: |bytes| swap(bytes, 2, true) },
    Transform {
        rule: "px-swap16",
        words: "each pair of bytes had been reversed and the odd byte at the end dropped",
        apply: |bytes| swap(bytes, 2, false),
    },
];
pub(super) const SWAP32_FORMS: &[Transform] = &[
    Transform {
        rule: "px-swap32",
        words: "each group of 4 bytes had been reversed",
        apply: |bytes| swap(bytes, 4, true),
    },
    Transform {
        rule: "px-swap32",
        words: "each group of 4 bytes had been reversed and what is left at the end dropped",
        apply: |bytes| swap(bytes, 4, false),
    },
];
pub(super) const SWAP64_FORMS: &[Transform] = &[
    Transform {
        rule: "px-swap64",
        words: "each group of 8 bytes had been reversed",
        apply: |bytes| swap(bytes, 8, true),
    },
    Transform {
        rule: "px-swap64",
        words: "each group of 8 bytes had been reversed and what is left at the end dropped",
        apply: |bytes| swap(bytes, 8, false),
    },
];

/// Believed only if the key comes round this often.
const ROUNDS: usize = 3;
const LONGEST_KEY: usize = 64;
/// No more bytes than this are "a few".
const FEW: usize = 64;

fn swap(bytes: &[u8], width: usize, keep_rest: bool) -> Option<Vec<u8>> {
    if bytes.len() < width {
        return None;
    }
    let words = bytes.chunks_exact(width);
    let rest = words.remainder();
    let mut made: Vec<u8> = words.flat_map(|word| word.iter().rev()).copied().collect();
    if keep_rest {
        made.extend_from_slice(rest);
    }
    Some(made)
}

/// The bytes of both, in pairs, if they are of one length and at least `least` long.
fn pairs<'a>(case: &Case<'a>, least: usize) -> Option<impl Iterator<Item = (u8, u8)> + use<'a>> {
    let (sent, received) = (case.sent, case.received);
    let comparable = sent.len() == received.len() && sent.len() >= least && case.differs();
    comparable.then(|| sent.iter().copied().zip(received.iter().copied()))
}

fn constant(case: &Case<'_>, difference: fn(u8, u8) -> u8) -> Option<u8> {
    let value = difference(*case.sent.first()?, *case.received.first()?);
    let same = pairs(case, 4)?.all(|(sent, received)| difference(sent, received) == value);
    (same && value != 0).then_some(value)
}

fn xor(case: &Case<'_>) -> Option<PayloadClaim> {
    let value = constant(case, |sent, received| sent ^ received)?;
    let why = format!("sent XOR received is {value:02x} for all {} bytes.", case.sent.len());
    Some(whole(case, 0..1, format!("every byte is XORed with {value:02x}"), why, XOR.page.fix))
}

fn add(case: &Case<'_>) -> Option<PayloadClaim> {
    let value = constant(case, |sent, received| received.wrapping_sub(sent))?;
    let why = format!("received minus sent is {value:02x}, modulo 256, for all {} bytes.", case.sent.len());
    Some(whole(case, 0..1, format!("{value:02x} is added to every byte"), why, ADD.page.fix))
}

fn xor_key(case: &Case<'_>) -> Option<PayloadClaim> {
    let len = case.sent.len();
    // Where the key comes round, so does its first byte that is not zero.
    if len != case.received.len() || case.prefix >= LONGEST_KEY {
        return None;
    }
    let key_at = |i: usize| case.sent[i] ^ case.received[i];
    let period = (2..=LONGEST_KEY.min(len / ROUNDS)).find(|&period| {
        (0..len - period).all(|i| key_at(i) == key_at(i + period)) && case.sent[..len - period] != case.sent[period..]
    })?;
    let key: Vec<u8> = (0..period).map(key_at).collect();
    let key = hex::encode(key);
    let mask = if period == 4 { " Four bytes are the length of a WebSocket mask." } else { "" };
    let why = format!("sent XOR received repeats every {period} bytes through all {len}: {key}.{mask}");
    let title = format!("the payload is XORed with a key of {period} bytes");
    Some(whole(case, 0..period, title, why, XOR_KEY.page.fix))
}

fn whole(case: &Case<'_>, at: Range<usize>, title: String, why: String, fix: &str) -> PayloadClaim {
    let at = at.start..at.end.min(case.sent.len());
    PayloadClaim {
        certainty: Certainty::Certain,
        title,
        sent: at.clone(),
        received: at,
        places: 1,
        why,
        fix: fix.to_owned(),
    }
}

fn bitflip(case: &Case<'_>) -> Option<PayloadClaim> {
    let wrong: Vec<(usize, u32)> = pairs(case, 1)?
        .enumerate()
        .filter(|(_, (sent, received))| sent != received)
        .map(|(at, (sent, received))| (at, (sent ^ received).count_ones()))
        .take(FEW + 1)
        .collect();
    let len = case.sent.len();
    if wrong.len() > FEW || wrong.len() * 8 > len {
        return None;
    }
    let (&(first, _), &(last, _)) = (wrong.first()?, wrong.last()?);
    let bits: u32 = wrong.iter().map(|(_, bits)| bits).sum();
    let bytes = wrong.len();
    // Chance makes four bits of a byte that was overwritten wrong, a flipped bit is alone.
    let flipped = bits as usize <= 2 * bytes;
    let run = wrong.iter().zip(first..).take_while(|((at, _), next)| at == next).count();
    let span = last + 1 - first;
    Some(PayloadClaim {
        certainty: if flipped { Certainty::Likely } else { Certainty::Possible },
        title: match flipped {
            true if bits == 1 => "one bit is flipped".to_owned(),
            true => format!("{bits} bits are flipped, in {bytes} bytes"),
            false => format!("{bytes} bytes are overwritten"),
        },
        sent: first..first + run,
        received: first..first + run,
        places: bytes as u64,
        why: format!(
            "{bytes} of {len} bytes differ ({:.4} %), by {bits} bits, all within {span} bytes of each other; lengths \
             and everything else are equal.",
            100.0 * bytes as f64 / len as f64
        ),
        fix: BITFLIP.page.fix.to_owned(),
    })
}
