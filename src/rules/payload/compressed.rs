//! Payload rules about the payload as a whole: compressed, or not this payload at all.

use std::io::Read;

use super::PayloadClaim;
use super::case::Case;
use super::index::Index;
use super::text::whole_finding;
use super::transform::Transform;
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

pub static COMPRESSED: Rule = Rule {
    code: "px-compressed",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the payload is compressed",
    page: Page {
        what: "One side has the payload compressed with gzip, zlib or Zstandard, the other uncompressed.",
        looks: "The first bytes: 1f 8b gzip, 78 01, 78 9c or 78 da zlib, 28 b5 2f fd Zstandard.\n\
                \n\
                sent      23 45 58 54 4d 33 55 0a ..\n\
                received  1f 8b 08 00 00 00 00 00 00 03 53 76 8d 08 ..",
        who: "HTTP servers and proxies with Content-Encoding, whose client does not decompress it; RTMPT and HLS \
              paths.",
        fix: "Decompress where the transport ends, or ask for `Accept-Encoding: identity`.",
        source: "RFC 1952, RFC 1950, RFC 8878. The rule decompresses and compares.",
    },
    check: Check::Payload(compressed),
};

pub static UNRELATED: Rule = Rule {
    code: "px-unrelated",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the two have nothing in common",
    page: Page {
        what: "Hardly a byte of the payload is found in what was received: it is another message, or it is encrypted \
               or compressed in an unknown way.",
        looks: "Less than 1 % in common, out of order. Near 8 bits of entropy per byte, the received bytes are \
                encrypted, compressed or media; far below, they are something else with a structure.\n\
                \n\
                sent      ff d8 ff e0 00 10 4a 46\n\
                received  6b 1e 9c 03 f7 52 d8 41",
        who: "Mostly the choice of the two files: a key frame against the next one, the publisher's first message \
              against the player's. Rarely DRM.",
        fix: "Make sure both are the same message: compare hashes of all messages of both sides first \
              (`rtmp-inspect decode --hash`).",
        source: "The runs of 16 bytes that both share are counted.",
    },
    check: Check::Payload(unrelated),
};

fn compressed(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, .. } = *case;
    let (format, words) = if let Some(format) = decompresses_to(received, sent) {
        (format, "was received compressed")
    } else {
        (decompresses_to(sent, received)?, "was sent compressed and arrived decompressed")
    };
    let form = Transform { rule: COMPRESSED.code, words: "", apply: |_| None };
    let mut finding = whole_finding(case, &form, &COMPRESSED);
    finding.title = format!("the payload {words} ({format})");
    finding.why = format!("Decompressed as {format}, one is exactly the other.");
    Some(finding)
}

/// The format in which `packed` is `plain`.
fn decompresses_to(packed: &[u8], plain: &[u8]) -> Option<&'static str> {
    let (format, mut reader): (_, Box<dyn Read + '_>) = match packed {
        [0x1f, 0x8b, ..] => ("gzip", Box::new(flate2::read::MultiGzDecoder::new(packed))),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => ("zlib", Box::new(flate2::read::ZlibDecoder::new(packed))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("Zstandard", Box::new(ruzstd::decoding::StreamingDecoder::new(packed).ok()?)),
        _ => return None,
    };
    // Never more than what it is compared with is held.
    let (mut rest, mut piece) = (plain, [0; 16 << 10]);
    loop {
        let len = reader.read(&mut piece).ok()?;
        if len == 0 {
            return (rest.is_empty() && !plain.is_empty()).then_some(format);
        }
        rest = rest.strip_prefix(&piece[..len])?;
    }
}

fn unrelated(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, prefix, suffix, .. } = *case;
    const LEAST: usize = 16;
    let longer = sent.len().max(received.len());
    if sent.len().min(received.len()) < LEAST || (prefix + suffix) * 100 >= longer {
        return None;
    }
    let shared: usize = Index::new(sent).runs(received, 0, None).iter().map(|run| run.len).sum();
    if shared * 100 >= received.len() {
        return None;
    }
    let entropy = entropy(received);
    let reading = match entropy {
        // Short strings cannot reach 8 bits.
        _ if received.len() < 4096 => "too short to tell what it is",
        7.9.. => "it is encrypted, compressed, or media",
        _ => "it has a structure, so it is more likely a different message than encryption",
    };
    Some(PayloadClaim {
        certainty: Certainty::Likely,
        title: "the two have nothing in common".to_owned(),
        sent: 0..LEAST,
        received: 0..LEAST,
        places: 1,
        why: format!(
            "Of {} received bytes, {shared} are in runs that were also sent. They have {entropy:.2} bits of entropy \
             per byte: {reading}.",
            received.len()
        ),
        fix: UNRELATED.page.fix.to_owned(),
    })
}

/// Bits of information a byte, from how often each value occurs.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u64; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let len = bytes.len() as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| count as f64 / len).map(|p| -p * p.log2()).sum()
}
