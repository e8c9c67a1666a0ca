//! Payload rules about bytes that were treated as text, or made into text.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::PayloadClaim;
use super::case::Case;
use super::transform::{Transform, first_exact};
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

pub static CRLF: Rule = Rule {
    code: "px-crlf",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "line ends were translated",
    page: Page {
        what: "Every line feed became carriage return and line feed, or the reverse. Somewhere the bytes went through \
               a file or stream in text mode.",
        looks: "One byte more (or less) for each 0a:\n\
                \n\
                sent      00 00 0a 31 0a ff\n\
                received  00 00 0d 0a 31 0d 0a ff\n\
                \n\
                A PNG file carries 0d 0a 1a 0a in its first eight bytes so that this shows at once.",
        who: "Programs on Windows that open a file with \"w\" or \"r\" instead of \"wb\" and \"rb\", or write to standard \
              output in text mode; FTP in ASCII mode; shells and editors that normalise line ends.",
        fix: "Open the file or stream in binary mode on the side that changes the bytes; on Windows also \
              `_setmode(_fileno(stdout), _O_BINARY)`.",
        source: "C standard, text streams; reproduced with a publisher whose video body went through a text pipe.",
    },
    check: Check::Payload(|case| exact(case, CRLF_FORMS, &CRLF)),
};

pub static UTF8_LOSSY: Rule = Rule {
    code: "px-utf8-lossy",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "bytes were decoded as UTF-8 and invalid ones were replaced",
    page: Page {
        what: "The payload went through a string type. What is not valid UTF-8 was replaced by U+FFFD, by a question \
               mark, or dropped. The information is lost: the receiver cannot restore it.",
        looks: "ef bf bd instead of bytes from 80 on:\n\
                \n\
                sent      ff d8 ff e0 00 10 4a 46\n\
                received  ef bf bd ef bf bd ef bf bd ef bf bd 00 10 4a 46\n\
                \n\
                With an ASCII encoder: 3f 3f 3f 3f 00 10 4a 46.",
        who: "Buffer.toString() in JavaScript, String::from_utf8_lossy in Rust, bytes.decode(errors=\"replace\") in Python, \
              new String(bytes) in Java, TextDecoder; often a logging or JSON layer on the way.",
        fix: "Keep the payload as bytes from end to end (Buffer, Uint8Array, Vec<u8>, byte[]); where it must travel as \
              text, encode it as base64.",
        source: "Unicode 15, section 3.9, on replacing ill-formed sequences.",
    },
    check: Check::Payload(|case| exact(case, UTF8_LOSSY_FORMS, &UTF8_LOSSY)),
};

pub static LATIN1_UTF8: Rule = Rule {
    code: "px-latin1-utf8",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "bytes were encoded as UTF-8 as if they were Latin-1 text",
    page: Page {
        what: "Each byte was treated as a character and written in UTF-8: bytes from 80 on became two. Nothing is \
               lost; the payload grows by the number of such bytes.",
        looks: "c2 or c3 before every byte that had its highest bit set:\n\
                \n\
                sent      ff d8 ff e0 41\n\
                received  c3 bf c3 98 c3 bf c3 a0 41\n\
                \n\
                Treated as Windows-1252, 80 becomes e2 82 ac, the euro sign. Done twice, ff becomes c3 83 c2 bf.",
        who: "JavaScript's \"binary\" strings written with the default encoding, Python's str.encode() after \
              decode(\"latin-1\"), PHP utf8_encode, XMLHttpRequest without responseType.",
        fix: "Write the bytes themselves: pass \"binary\" or \"latin1\" as the encoding, or better use a byte type all the \
              way.",
        source: "Unicode 15, section 3.9, table 3-6; WHATWG Encoding, windows-1252.",
    },
    check: Check::Payload(|case| exact(case, LATIN1_FORMS, &LATIN1_UTF8)),
};

pub static UTF8_LATIN1: Rule = Rule {
    code: "px-utf8-latin1",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "UTF-8 text was written as Latin-1",
    page: Page {
        what: "Text that was UTF-8 arrived with one byte for each character: it was decoded and written again in Latin-1.",
        looks: "Pairs c2 xx and c3 xx became one byte:\n\
                \n\
                sent      6e 61 c3 af 76 65\n\
                received  6e 61 ef 76 65",
        who: "Writers with the platform's default encoding: Java before 18, C# Encoding.Default, Node's \"latin1\".",
        fix: "Name UTF-8 as the encoding wherever text becomes bytes. AMF strings are UTF-8 and their lengths count \
              bytes.",
        source: "AMF 0 specification, section 1.3.1; ISO/IEC 8859-1.",
    },
    check: Check::Payload(|case| exact(case, UTF8_LATIN1_FORMS, &UTF8_LATIN1)),
};

pub static SEVEN_BIT: Rule = Rule {
    code: "px-7bit",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the highest bit of every byte was cleared",
    page: Page {
        what: "Each byte lost its highest bit: the payload went through something that carries 7 bits.",
        looks: "sent      ff d8 ff e0 00 10\n\
                received  7f 58 7f 60 00 10",
        who: "ASCII encoders that mask, mail and terminal paths, serial lines set to 7 bits.",
        fix: "Use a path that carries 8 bits, or encode the payload as base64 for it.",
        source: "Plain arithmetic: received = sent & 0x7f, compared byte for byte.",
    },
    check: Check::Payload(|case| exact(case, SEVEN_BIT_FORMS, &SEVEN_BIT)),
};

pub static BASE64: Rule = Rule {
    code: "px-base64",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the payload is in base64",
    page: Page {
        what: "The payload arrived in base64, or the reverse. A text transport was used and one of its ends did not \
               convert.",
        looks: "Four letters for three bytes:\n\
                \n\
                sent      ff d8 ff e0 00 10\n\
                received  2f 39 6a 2f 34 41 41 51    the text /9j/4AAQ, a JPEG's start\n\
                \n\
                - and _ instead of + and / in the form for URLs; lines of 64 or 76 letters in mail.",
        who: "JSON and XML APIs, data: URLs, webhooks; readers that forget the last step.",
        fix: "Decode where the transport ends, and send RTMP payloads as bytes.",
        source: "RFC 4648, sections 4 and 5; RFC 2045, section 6.8.",
    },
    check: Check::Payload(|case| exact(case, BASE64_FORMS, &BASE64)),
};

pub static HEX: Rule = Rule {
    code: "px-hex",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the payload is in hexadecimal digits",
    page: Page {
        what: "The payload arrived as hexadecimal digits, or the reverse.",
        looks: "Two letters for each byte:\n\
                \n\
                sent      ff d8 ff e0\n\
                received  66 66 64 38 66 66 65 30    the text ffd8ffe0",
        who: "Debug output used as data, xxd -p and hexdump in scripts, JSON fields.",
        fix: "Convert it back (xxd -r -p), and send RTMP payloads as bytes.",
        source: "RFC 4648, section 8.",
    },
    check: Check::Payload(|case| exact(case, HEX_FORMS, &HEX)),
};

pub(super) const CRLF_FORMS: &[Transform] = &[
    Transform {
        rule: "px-crlf",
        words: "every LF (0a) had become CR LF (0d 0a)",
        apply: |bytes| Some(lf_to_crlf(bytes)),
    },
    Transform {
        rule: "px-crlf",
        words: "every CR LF (0d 0a) had become LF (0a)",
        apply: |bytes| Some(crlf_to_lf(bytes)),
    },
];
pub(super) const UTF8_LOSSY_FORMS: &[Transform] = &[
    Transform {
        rule: "px-utf8-lossy",
        words: "what is not UTF-8 had been replaced by U+FFFD (ef bf bd)",
        apply: |bytes| Some(lossy(bytes, "\u{fffd}")),
    },
    Transform {
        rule: "px-utf8-lossy",
        words: "what is not UTF-8 had been dropped",
        apply: |bytes| Some(lossy(bytes, "")),
    },
    Transform {
        rule: "px-utf8-lossy",
        words: "what is not UTF-8 had been replaced by a question mark (3f)",
        apply: |bytes| Some(lossy(bytes, "?")),
    },
    Transform {
        rule: "px-utf8-lossy",
        words: "every byte that is not ASCII had been replaced by a question mark (3f)",
        apply: |bytes| Some(bytes.iter().map(|&byte| if byte.is_ascii() { byte } else { b'?' }).collect()),
    },
    Transform {
        rule: "px-utf8-lossy",
        words: "every byte that is not ASCII had been replaced by U+FFFD (ef bf bd)",
        apply: |bytes| Some(widen(bytes, |byte| if byte.is_ascii() { byte.into() } else { '\u{fffd}' })),
    },
];
pub(super) const LATIN1_FORMS: &[Transform] = &[
    Transform {
        rule: "px-latin1-utf8",
        words: "each byte had been written as a Latin-1 character in UTF-8",
        apply: |bytes| Some(widen(bytes, char::from)),
    },
    Transform {
        rule: "px-latin1-utf8",
        words: "each byte had been written as a Windows-1252 character in UTF-8",
        apply: |bytes| Some(widen(bytes, cp1252)),
    },
    Transform {
        rule: "px-latin1-utf8",
        words: "each byte had been written as a Latin-1 character in UTF-8, twice over",
        apply: |bytes| Some(widen(&widen(bytes, char::from), char::from)),
    },
];
pub(super) const UTF8_LATIN1_FORMS: &[Transform] =
    &[Transform { rule: "px-utf8-latin1", words: "UTF-8 text had been written as Latin-1", apply: utf8_to_latin1 }];
pub(super) const SEVEN_BIT_FORMS: &[Transform] = &[Transform {
    rule: "px-7bit",
    words: "the highest bit of each byte had been cleared",
    apply: |bytes| Some(bytes.iter().map(|byte| byte & 0x7f).collect()),
}];
pub(super) const BASE64_FORMS: &[Transform] = &[
    Transform {
        rule: "px-base64",
        words: "it had been encoded as base64",
        apply: |bytes| Some(STANDARD.encode(bytes).into()),
    },
    Transform {
        rule: "px-base64",
        words: "it had been encoded as base64 without padding",
        apply: |bytes| Some(STANDARD_NO_PAD.encode(bytes).into()),
    },
    Transform {
        rule: "px-base64",
        words: "it had been encoded as base64 for URLs",
        apply: |bytes| Some(URL_SAFE.encode(bytes).into()),
    },
    Transform {
        rule: "px-base64",
        words: "it had been encoded as base64 for URLs without padding",
        apply: |bytes| Some(URL_SAFE_NO_PAD.encode(bytes).into()),
    },
    Transform {
        rule: "px-base64",
        words: "it had been encoded as base64 in lines of 76 letters",
        apply: |bytes| Some(lines(STANDARD.encode(bytes).as_bytes(), b"\n")),
    },
    Transform {
        rule: "px-base64",
        words: "it had been encoded as base64 in lines of 76 letters with CR LF",
        apply: |bytes| Some(lines(STANDARD.encode(bytes).as_bytes(), b"\r\n")),
    },
    Transform { rule: "px-base64", words: "it had been decoded from base64", apply: from_base64 },
];
pub(super) const HEX_FORMS: &[Transform] = &[
    Transform {
        rule: "px-hex",
        words: "it had been written in hexadecimal",
        apply: |bytes| Some(hex::encode(bytes).into()),
    },
    Transform {
        rule: "px-hex",
        words: "it had been written in capital hexadecimal",
        apply: |bytes| Some(hex::encode_upper(bytes).into()),
    },
    Transform {
        rule: "px-hex",
        words: "it had been decoded from hexadecimal",
        apply: |bytes| hex::decode(bytes.trim_ascii()).ok().filter(|decoded| !decoded.is_empty()),
    },
];

/// A finding if one of a rule's forms gives what was received, exactly.
pub(super) fn exact(case: &Case<'_>, forms: &'static [Transform], rule: &Rule) -> Option<PayloadClaim> {
    if !case.differs() {
        return None;
    }
    let form = first_exact(case, forms)?;
    Some(whole_finding(case, form, rule))
}

/// What is to be said of a change to the whole payload.
pub(super) fn whole_finding(case: &Case<'_>, form: &Transform, rule: &Rule) -> PayloadClaim {
    let at = case.prefix;
    let end = |len: usize| (at + 1).min(len).max(at.min(len));
    PayloadClaim {
        certainty: Certainty::Certain,
        title: rule.title.to_owned(),
        sent: at.min(case.sent.len())..end(case.sent.len()),
        received: at.min(case.received.len())..end(case.received.len()),
        places: 1,
        why: format!(
            "What was received is what was sent as if {}: applied to all {} bytes, this yields exactly the {} received \
             ones.",
            form.words,
            case.sent.len(),
            case.received.len()
        ),
        fix: rule.page.fix.to_owned(),
    }
}

fn lf_to_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(bytes.len() + bytes.len() / 64);
    for &byte in bytes {
        if byte == b'\n' {
            made.push(b'\r');
        }
        made.push(byte);
    }
    made
}

fn crlf_to_lf(bytes: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(bytes.len());
    for (i, &byte) in bytes.iter().enumerate() {
        if byte != b'\r' || bytes.get(i + 1) != Some(&b'\n') {
            made.push(byte);
        }
    }
    made
}

fn lossy(bytes: &[u8], replacement: &str) -> Vec<u8> {
    let mut made = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        made.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            made.extend_from_slice(replacement.as_bytes());
        }
    }
    made
}

fn widen(bytes: &[u8], character: impl Fn(u8) -> char) -> Vec<u8> {
    let mut made = String::with_capacity(bytes.len() + bytes.len() / 2);
    made.extend(bytes.iter().map(|&byte| character(byte)));
    made.into_bytes()
}

fn cp1252(byte: u8) -> char {
    /// What Windows-1252 has at 80 to 9f, in the reading of WHATWG: five places are control characters.
    const HIGH: &[char; 32] = &[
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => byte.into(),
    }
}

fn utf8_to_latin1(bytes: &[u8]) -> Option<Vec<u8>> {
    // A probe may end inside a character.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
        Err(_) => return None,
    };
    Some(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect())
}

fn lines(text: &[u8], end: &[u8]) -> Vec<u8> {
    let mut made = text.chunks(76).collect::<Vec<_>>().join(end);
    made.extend_from_slice(end);
    made
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut letters: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    while letters.last() == Some(&b'=') {
        letters.pop();
    }
    // A probe may end inside a group of four.
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    if letters.is_empty() {
        return None;
    }
    let engine =
        if letters.iter().any(|byte| matches!(byte, b'-' | b'_')) { &URL_SAFE_NO_PAD } else { &STANDARD_NO_PAD };
    engine.decode(&letters).ok()
}
