//! Payload rules about what wraps audio and video: tag headers, start codes, emulation prevention, ADTS.

use super::PayloadClaim;
use super::case::Case;
use super::text::{exact, whole_finding};
use super::transform::Transform;
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

pub static PREFIX_KNOWN: Rule = Rule {
    code: "px-prefix-known",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "a header comes before the payload",
    page: Page {
        what: "The payload arrived complete, but after a header that belongs to the layer below: an FLV tag header, a \
               chunk header, or the tag header of audio or video.",
        looks: "An FLV tag header: type, length (24 bits), time, stream 0:\n\
                \n\
                sent      17 01 00 00 50 ..\n\
                received  09 00 0c 87 00 00 28 00 00 00 00 17 01 00 00 50 ..\n\
                \n\
                Here 09 is video and 0c 87 the length, 3207. 12 bytes `06 00 00 00 00 0c 87 09 01 00 00 00` are a chunk header of format 0; 5 bytes `17 01 00 00 50` a \
                video tag header; 2 bytes `af 01` an AAC tag header.",
        who: "Tools that write FLV where raw payload is expected, or take the payload one layer too low.",
        fix: "Remove the header, by its own length, before the payload is passed on; with FLV also the four bytes of \
              PreviousTagSize after each tag.",
        source: "FLV specification, annex E.4.1 to E.4.3; RTMP 1.0 section 5.3.1.2.1.",
    },
    check: Check::Payload(header_added),
};

pub static HEADER_DROPPED: Rule = Rule {
    code: "px-header-dropped",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the header before the payload is missing",
    page: Page {
        what: "What was sent begins with a header (an FLV tag header, a chunk header, the tag header of audio or \
               video), and what arrived is everything after it.",
        looks: "The two bytes of an AAC tag:\n\
                \n\
                sent      af 01 21 0a 5c 8e\n\
                received  21 0a 5c 8e",
        who: "Receivers and tools that write elementary streams. If the file is meant to be one, this is not a fault.",
        fix: "Compare like with like: extract the message payload with its tag header, or remove the header on both \
              sides.",
        source: "FLV specification, annex E.4.1 to E.4.3.",
    },
    check: Check::Payload(header_dropped),
};

pub static AVCC_ANNEXB: Rule = Rule {
    code: "px-avcc-annexb",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "NAL unit lengths were replaced by start codes",
    page: Page {
        what: "RTMP and FLV carry H.264 and H.265 with a length before each NAL unit. Here each length became a start code, as \
               in a transport stream or a .h264 file. Parameter sets and delimiters may have been added on the way.",
        looks: "sent      00 00 00 03 41 9a 02 | 00 00 00 02 06 05\n\
                received  00 00 00 01 41 9a 02 | 00 00 00 01 06 05",
        who: "Demuxers and bitstream filters: ffmpeg's h264_mp4toannexb, GStreamer's h264parse.",
        fix: "If the receiver is a decoder this is not a fault. If it sends FLV or RTMP again, it must restore the \
              lengths.",
        source: "ISO/IEC 14496-15, section 5.3.2; ITU-T H.264, annex B.",
    },
    check: Check::Payload(avcc_to_annexb),
};

pub static ANNEXB_AVCC: Rule = Rule {
    code: "px-annexb-avcc",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "start codes were replaced by NAL unit lengths",
    page: Page {
        what: "The opposite of px-avcc-annexb: what was sent has start codes, what arrived has a 4-byte length before each NAL \
               unit.",
        looks: "sent      00 00 00 01 41 9a 02 00 00 01 06 05\n\
                received  00 00 00 03 41 9a 02 00 00 00 02 06 05",
        who: "Muxers for FLV and MP4. A sender that puts start codes into RTMP messages is corrected by some servers.",
        fix: "Send lengths in the first place: players show a black screen when start codes arrive in RTMP.",
        source: "ISO/IEC 14496-15, section 5.3.2; ITU-T H.264, annex B. PHZ76/rtmp issue 14.",
    },
    check: Check::Payload(|case| exact(case, AVCC_FORMS, &ANNEXB_AVCC)),
};

pub static EPB: Rule = Rule {
    code: "px-epb",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "emulation prevention bytes were removed or inserted",
    page: Page {
        what: "Inside a NAL unit, 03 is inserted after two zero bytes so that no start code can appear. Those bytes \
               belong to the NAL unit while it is transported; only a parser removes them, in its own copy. Here they \
               are missing, or were added twice.",
        looks: "sent      65 88 00 00 03 01 7f\n\
                received  65 88 00 00 01 7f",
        who: "Code that unescapes a parameter set in order to read it, and then passes the unescaped copy on.",
        fix: "Pass on the NAL unit unchanged; unescape a copy.",
        source: "ITU-T H.264, section 7.4.1.1; H.265, section 7.4.2.",
    },
    check: Check::Payload(|case| exact(case, EPB_FORMS, &EPB)),
};

pub static ADTS: Rule = Rule {
    code: "px-adts",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "ADTS headers were added or removed",
    page: Page {
        what: "Raw AAC frames and AAC frames with ADTS headers of 7 or 9 bytes were confused. RTMP carries raw frames; \
               their parameters are in the AudioSpecificConfig.",
        looks: "ff f1 or ff f9, and the frame's length with the header in it (here 0x00d = 13):\n\
                \n\
                sent      21 0a 5c 8e 13 00\n\
                received  ff f1 50 80 01 bf fc 21 0a 5c 8e 13 00",
        who: "Tools that write .aac files; senders that copy frames from a transport stream.",
        fix: "For RTMP remove the header: 7 bytes, or 9 if the lowest bit of the second byte is 0. For a file that a \
              player opens directly, add it.",
        source: "ISO/IEC 14496-3, section 1.A.2.2. ZLMediaKit/ZLMediaKit issue 1345.",
    },
    check: Check::Payload(adts),
};

pub(super) const ANNEXB_FORMS: &[Transform] = &[
    Transform {
        rule: "px-avcc-annexb",
        words: "each 4-byte NAL unit length had become 00 00 00 01",
        apply: |bytes| Some(annexb(&avcc_nals(bytes)?, |_| 4)),
    },
    Transform {
        rule: "px-avcc-annexb",
        words: "each 4-byte NAL unit length had become 00 00 01",
        apply: |bytes| Some(annexb(&avcc_nals(bytes)?, |_| 3)),
    },
    Transform {
        rule: "px-avcc-annexb",
        words: "the first 4-byte NAL unit length had become 00 00 00 01, the others 00 00 01",
        apply: |bytes| Some(annexb(&avcc_nals(bytes)?, |i| if i == 0 { 4 } else { 3 })),
    },
];
pub(super) const AVCC_FORMS: &[Transform] = &[Transform {
    rule: "px-annexb-avcc",
    words: "each start code had become a 4-byte NAL unit length",
    apply: |bytes| Some(avcc(&annexb_nals(bytes)?)),
}];
pub(super) const EPB_FORMS: &[Transform] = &[
    Transform {
        rule: "px-epb",
        words: "03 had been removed from every 00 00 03",
        apply: |bytes| Some(unescape(bytes)),
    },
    Transform {
        rule: "px-epb",
        words: "03 had been inserted after every 00 00 that a byte up to 03 follows",
        apply: |bytes| Some(escape(bytes)),
    },
    Transform {
        rule: "px-epb",
        words: "03 had been removed from every 00 00 03 in each NAL unit, and the lengths corrected",
        apply: |bytes| Some(avcc(&avcc_nals(bytes)?.into_iter().map(unescape).collect::<Vec<_>>())),
    },
    Transform {
        rule: "px-epb",
        words: "03 had been inserted after every 00 00 that a byte up to 03 follows in each NAL unit, and the lengths \
                corrected",
        apply: |bytes| Some(avcc(&avcc_nals(bytes)?.into_iter().map(escape).collect::<Vec<_>>())),
    },
];
pub(super) const ADTS_FORMS: &[Transform] =
    &[Transform { rule: "px-adts", words: "the ADTS header of each frame had been removed", apply: without_adts }];

/// A header that may come before a payload.
struct Known {
    len: usize,
    name: &'static str,
    /// Whether these bytes are one, for a payload of this length.
    fits: fn(&[u8], usize) -> bool,
    /// How many bytes follow the payload.
    trailer: usize,
}

const KNOWN: &[Known] = &[
    Known { len: 11, name: "an FLV tag header", fits: is_flv_tag, trailer: 4 },
    Known { len: 11, name: "an FLV tag header", fits: is_flv_tag, trailer: 0 },
    Known { len: 12, name: "a chunk header of format 0", fits: is_chunk_header, trailer: 0 },
    Known { len: 8, name: "a chunk header of format 1", fits: is_short_chunk_header, trailer: 0 },
    Known { len: 5, name: "a video tag header", fits: |x, _| is_video_tag(x), trailer: 0 },
    Known { len: 2, name: "an AAC tag header", fits: |x, _| x[0] >> 4 == 10 && x[1] <= 1, trailer: 0 },
];

fn is_flv_tag(x: &[u8], len: usize) -> bool {
    matches!(x[0], 8 | 9 | 18) && u24(&x[1..]) == len && x[8..11] == [0; 3]
}

fn is_chunk_header(x: &[u8], len: usize) -> bool {
    x[0] >> 6 == 0 && x[0] > 1 && u24(&x[4..]) == len && matches!(x[7], 1..=6 | 8 | 9 | 15..=20 | 22)
}

fn is_short_chunk_header(x: &[u8], len: usize) -> bool {
    x[0] >> 6 == 1 && x[0] & 0x3f > 1 && u24(&x[4..]) == len && matches!(x[7], 1..=6 | 8 | 9 | 15..=20 | 22)
}

fn is_video_tag(x: &[u8]) -> bool {
    (1..=5).contains(&(x[0] >> 4)) && matches!(x[0] & 15, 7 | 12) && x[1] <= 2
}

fn u24(bytes: &[u8]) -> usize {
    bytes[..3].iter().fold(0, |value, &byte| value << 8 | usize::from(byte))
}

/// The header by which `longer` is more than `shorter`.
fn known_header(longer: &[u8], shorter: &[u8]) -> Option<&'static Known> {
    KNOWN.iter().find(|known| {
        longer.len() == shorter.len() + known.len + known.trailer
            && !shorter.is_empty()
            && (known.fits)(&longer[..known.len], shorter.len())
            && longer[known.len..].starts_with(shorter)
    })
}

/// Where the payload begins after a header that what was received begins with, if it is longer than the payload or cut.
pub fn header_before(received: &[u8], payload_len: usize) -> Option<(usize, &'static str)> {
    let fits = |known: &&Known| received.len() > known.len && (known.fits)(&received[..known.len], payload_len);
    KNOWN.iter().find(fits).map(|known| (known.len, known.name))
}

fn header_added(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, .. } = *case;
    let known = known_header(received, sent)?;
    let trailer = if known.trailer > 0 {
        format!(", and {} bytes of PreviousTagSize after it", known.trailer)
    } else {
        String::new()
    };
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{} comes before the payload", known.name),
        sent: 0..0,
        received: 0..known.len,
        places: 1,
        why: format!("The first {} bytes are {}{trailer}; between them is what was sent.", known.len, known.name),
        fix: PREFIX_KNOWN.page.fix.to_owned(),
    })
}

fn header_dropped(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, .. } = *case;
    let known = known_header(sent, received)?;
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{} before the payload is missing", known.name),
        sent: 0..known.len,
        received: 0..0,
        places: 1,
        why: format!("What was sent begins with {}, {} bytes; what arrived is the rest.", known.name, known.len),
        fix: HEADER_DROPPED.page.fix.to_owned(),
    })
}

fn avcc_to_annexb(case: &Case<'_>) -> Option<PayloadClaim> {
    exact(case, ANNEXB_FORMS, &AVCC_ANNEXB).or_else(|| {
        // The same NAL units, with others put between that a decoder needs: parameter sets, delimiters.
        let (sent, received) = (avcc_nals(case.sent)?, annexb_nals(case.received)?);
        let mut wanted = sent.iter().peekable();
        let mut added = 0;
        for nal in &received {
            if wanted.next_if_eq(&nal).is_none() {
                if !is_parameter_or_delimiter(nal) {
                    return None;
                }
                added += 1;
            }
        }
        (wanted.peek().is_none() && !sent.is_empty()).then(|| {
            let mut finding = whole_finding(case, &ANNEXB_FORMS[0], &AVCC_ANNEXB);
            finding.why = format!(
                "The {} NAL units of both are equal; lengths became start codes, and {added} parameter sets or \
                 delimiters were inserted.",
                sent.len()
            );
            finding
        })
    })
}

/// H.264: 7 to 9; H.265: 32 to 35.
fn is_parameter_or_delimiter(nal: &[u8]) -> bool {
    nal.first().is_some_and(|first| matches!(first & 0x1f, 7..=9) || matches!(first >> 1, 32..=35))
}

fn adts(case: &Case<'_>) -> Option<PayloadClaim> {
    exact(case, ADTS_FORMS, &ADTS).or_else(|| {
        (without_adts(case.received)? == case.sent).then(|| {
            let mut finding = whole_finding(case, &ADTS_FORMS[0], &ADTS);
            finding.why = "Without its ADTS headers, what was received is exactly what was sent.".to_owned();
            finding
        })
    })
}

/// The NAL units after 4-byte lengths, if these tile the bytes.
fn avcc_nals(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut rest, mut nals) = (bytes, Vec::new());
    while let Some((&length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(length) as usize;
        nals.push(after.get(..length).filter(|nal| !nal.is_empty())?);
        rest = &after[length..];
    }
    (rest.is_empty() && !nals.is_empty()).then_some(nals)
}

/// The NAL units after start codes of 3 or 4 bytes, if the bytes begin with one.
fn annexb_nals(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    if !bytes.starts_with(&[0, 0, 1]) && !bytes.starts_with(&[0, 0, 0, 1]) {
        return None;
    }
    let codes: Vec<usize> = memchr::memmem::find_iter(bytes, &[0, 0, 1]).collect();
    let nals = codes.iter().enumerate().map(|(i, code)| {
        let end =
            codes.get(i + 1).map_or(bytes.len(), |&next| next - usize::from(next > code + 3 && bytes[next - 1] == 0));
        &bytes[code + 3..end]
    });
    let nals: Vec<_> = nals.collect();
    nals.iter().all(|nal| !nal.is_empty()).then_some(nals)
}

fn annexb(nals: &[&[u8]], code_len: fn(usize) -> usize) -> Vec<u8> {
    let mut made = Vec::new();
    for (i, nal) in nals.iter().enumerate() {
        made.extend_from_slice(&[0, 0, 0, 1][4 - code_len(i)..]);
        made.extend_from_slice(nal);
    }
    made
}

fn avcc<T: AsRef<[u8]>>(nals: &[T]) -> Vec<u8> {
    let mut made = Vec::new();
    for nal in nals.iter().map(AsRef::as_ref) {
        made.extend_from_slice(&(nal.len() as u32).to_be_bytes());
        made.extend_from_slice(nal);
    }
    made
}

fn unescape(bytes: &[u8]) -> Vec<u8> {
    let (mut made, mut zeros) = (Vec::with_capacity(bytes.len()), 0);
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        made.push(byte);
    }
    made
}

fn escape(bytes: &[u8]) -> Vec<u8> {
    let (mut made, mut zeros) = (Vec::with_capacity(bytes.len() + bytes.len() / 64), 0);
    for &byte in bytes {
        if zeros >= 2 && byte <= 3 {
            made.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        made.push(byte);
    }
    made
}

/// What is left without the ADTS headers, if frames with them tile the bytes.
fn without_adts(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut made) = (bytes, Vec::with_capacity(bytes.len()));
    while !rest.is_empty() {
        let header = rest.first_chunk::<7>()?;
        if header[0] != 0xff || header[1] & 0xf6 != 0xf0 {
            return None;
        }
        let length = usize::from(header[3] & 3) << 11 | usize::from(header[4]) << 3 | usize::from(header[5] >> 5);
        let header_len = if header[1] & 1 == 1 { 7 } else { 9 };
        made.extend_from_slice(rest.get(header_len..length)?);
        rest = &rest[length..];
    }
    (!made.is_empty()).then_some(made)
}
