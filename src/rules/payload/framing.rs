//! Payload rules about chunk headers: left in, taken out too often, or mixed up with other messages.
//!
//! A header that every chunk repeats shows as the same few bytes at a fixed period: the chunk size. Two of
//! them at the right distance are no accident, one could be.

use super::PayloadClaim;
use super::case::{Case, common_prefix};
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

pub static HEADERS_LEFT: Rule = Rule {
    code: "px-headers-left",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "chunk headers were left in the payload",
    page: Page {
        what: "A message longer than the chunk size is sent in several chunks, and each chunk after the first begins \
               with its own header, mostly a single byte. Here those headers are in the middle of what should be \
               payload: a receiver concatenated chunks without removing their headers, or treated the chunks as longer \
               than they are.",
        looks: "One extra byte after every chunk. Chunk size 4096, chunk stream 6, header 0xC6 = 11 000110: format 3, \
                id 6.\n\
                \n\
                sent      4094: 3a 91 | 07 5e 20 ..\n\
                received  4094: 3a 91 | c6 07 5e 20 ..   and again at 8193, 12290, ..\n\
                \n\
                If the received payload is longer by one byte a boundary, raw chunks were concatenated. If it has the \
                right length, the reader took that many bytes from the stream, headers and all, and the bytes that did \
                not fit are now read as the next header. Chunk stream ids from 64 on have headers of two or three \
                bytes, `c0 xx` and `c1 xx xx`.",
        who: "Readers that read the message header and then `message length` bytes at once; readers that apply a Set \
              Chunk Size which the peer never sent, or which they read with the wrong byte order: `00 10 00 00` is 1 \
              MiB, not 4096. Everything works until the first message that is longer than one chunk.",
        fix: "In the receiver, read at most `chunk size` bytes of payload, then a chunk header, then the next bytes, \
              until the message length is reached. Header bytes do not count towards that length. The chunk size is \
              128 until the peer announces another with Set Chunk Size; each direction has its own.",
        source: "RTMP 1.0 sections 5.3.1 and 5.4.1. Red5/red5-server-common issue 28, jgh-/VideoCore-Inactive issues 199 \
                 and 203. Reproduced with a Python player behind nginx-rtmp.",
    },
    check: Check::Payload(|case| headers_left(case, &[Form::Plain])),
};

pub static EXT_LEFT: Rule = Rule {
    code: "px-ext-left",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "extended timestamps were left in the payload",
    page: Page {
        what: "From 16777215 ms on (4 hours 39 minutes), a timestamp no longer fits in three bytes and follows the \
               header in four bytes of its own. Most senders repeat those four bytes after every type-3 header too. \
               The receiver removed the type-3 header, or not even that, and kept the timestamp as payload.",
        looks: "Four extra bytes after every chunk, always the same ones, big-endian and at least 00 ff ff ff; five if \
                the type-3 header is there as well.\n\
                \n\
                sent      126: 41 9a | 02 1c ..\n\
                received  126: 41 9a | 01 00 00 10 02 1c ..     timestamp 0x01000010\n\
                or        126: 41 9a | c4 01 00 00 10 02 1c ..  with its header",
        who: "Readers that follow the 2009 text of the specification, in which type-3 chunks have no extended \
              timestamp: the OBS copy of librtmp as a reader, yutopp/go-rtmp in 2024. It appears only in long sessions \
              and with timestamps that start at the time of day.",
        fix: "In the receiver, when the last header of format 0, 1 or 2 on this chunk stream had ff ff ff in its \
              timestamp field, skip four bytes after every type-3 header as well. As some senders leave them out, compare \
              the four bytes with the timestamp first and skip them only if they are equal.",
        source: "RTMP 1.0 section 5.3.1.3. yutopp/go-rtmp issues 72 and 73, KallDrexx/rust-media-libs issue 15.",
    },
    check: Check::Payload(|case| headers_left(case, &[Form::WithExtended, Form::ExtendedOnly])),
};

pub static OVER_STRIPPED: Rule = Rule {
    code: "px-over-stripped",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "payload bytes were mistaken for chunk headers",
    page: Page {
        what: "The same number of payload bytes is missing after every chunk. The receiver expected a header where \
               there was none, or a longer one than there was, and discarded payload as part of it.",
        looks: "k bytes less after every chunk size:\n\
                \n\
                sent      126: 8c 17 | 55 e0 3b 9d 21 ..\n\
                received  126: 8c 17 | 21 ..             k = 4\n\
                \n\
                k = 1: the receiver's chunk size is smaller than the sender's. k = 4: it expects extended timestamps on \
                type-3 chunks, and there are none. k = 3, 7, 11: it reads the header of another format.",
        who: "Receivers that cut at 128 although the peer announced more, or that always expect extended timestamps; \
              readers that treat every chunk as having the 12 bytes of format 0.",
        fix: "In the receiver, apply the peer's Set Chunk Size from the next chunk on, and let the two highest bits of \
              the first byte decide how long the header is: 11, 7, 3 or 0 bytes after the basic header.",
        source: "RTMP 1.0 sections 5.3.1.2 and 5.4.1; iizukanao/node-rtsp-rtmp-server issue 127.",
    },
    check: Check::Payload(over_stripped),
};

pub static STALE_PREFIX: Rule = Rule {
    code: "px-stale-prefix",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "an unfinished message comes before the payload",
    page: Page {
        what: "The sender gave up a message on this chunk stream, with Abort Message or without, and began another. The \
               receiver did not empty its buffer, so that the new message begins with the bytes of the old one.",
        looks: "The payload starts with bytes of an earlier message and is cut at its own length:\n\
                \n\
                given up  27 01 00 00 2a 00 00 0b ..\n\
                sent      17 01 00 00 50 00 00 12 ..\n\
                received  27 01 00 00 2a 17 01 00 ..    5 stale bytes\n\
                \n\
                The last 5 bytes of the payload are missing.",
        who: "nginx-rtmp, Node-Media-Server and GStreamer ignore Abort Message.",
        fix: "In the receiver, empty the buffer of chunk stream X when Abort Message names X, and whenever a header of \
              format 0, 1 or 2 starts a message on it. In the sender, finish messages instead of giving them up.",
        source: "RTMP 1.0 section 5.4.2; the errata memo, section 6. Reproduced with nginx-rtmp 1.2.2.",
    },
    check: Check::Payload(stale_prefix),
};

pub static FOREIGN_CHUNK: Rule = Rule {
    code: "px-foreign-chunk",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "a chunk of another message is in the payload",
    page: Page {
        what: "Chunks of messages on different chunk streams may alternate. The receiver has one buffer for all of \
               them, so the audio that was sent between two chunks of a video frame ended up inside the frame.",
        looks: "A run of one chunk's payload from another chunk stream:\n\
                \n\
                sent      4094: 6f 02 | b1 77 ..\n\
                received  4094: 6f 02 | af 01 21 0a 5c .. | b1 77 ..\n\
                \n\
                af 01 begins an AAC frame; it was on chunk stream 4.",
        who: "Readers with one pending message instead of one for each chunk stream id: rml_rtmp's deserializer, xiu's \
              unpacketizer, go2rtc. It appears under load only, when audio and large frames are interleaved.",
        fix: "In the receiver, keep a buffer, a length and a last header for each chunk stream id.",
        source: "RTMP 1.0 section 5.3. KallDrexx/rust-media-libs issue 50, membraneframework/membrane_rtmp_plugin \
                 issue 118.",
    },
    check: Check::Payload(foreign_chunk),
};

/// Chunk sizes that programs use. One boundary alone is believed only at one of them.
const COMMON_SIZES: &[usize] = &[
    128, 256, 512, 1000, 1024, 2000, 2048, 4000, 4096, 5000, 8000, 8192, 10000, 10240, 16000, 16384, 32768, 50000,
    60000, 65000, 65535, 65536, 100_000, 131_072, 1_000_000, 1_048_576,
];
/// Payload may begin with a tag header that the file lacks: then the first boundary comes that much earlier.
const TAG_HEADER: usize = 16;
/// How far after the true place two strings may still agree by accident.
const BACK: usize = 8;
/// The longest chunk header.
const LONGEST_HEADER: usize = 18;

/// Which bytes remain at a boundary.
#[derive(Clone, Copy)]
enum Form {
    /// The basic header.
    Plain,
    /// The basic header and the extended timestamp.
    WithExtended,
    /// The extended timestamp.
    ExtendedOnly,
}

impl Form {
    /// The bytes that remain if `at` begins with this form.
    fn take(self, at: &[u8]) -> Option<&[u8]> {
        let basic = || match at.first()? {
            0xc0 => Some(2),
            0xc1 => Some(3),
            0xc2..=0xff => Some(1),
            _ => None,
        };
        let (before, len) = match self {
            Form::Plain => (0, basic()?),
            Form::WithExtended => (basic()?, basic()? + 4),
            Form::ExtendedOnly => (0, 4),
        };
        let header = at.get(..len)?;
        if len - before == 4 {
            let extended = u32::from_be_bytes(*header[before..].first_chunk()?);
            return (extended >= 0xff_ffff).then_some(header);
        }
        Some(header)
    }
}

/// Where the two byte strings part: after `first` bytes of payload and then after every `size`.
#[derive(Clone, Copy)]
struct Cut {
    first: usize,
    size: usize,
}

impl Cut {
    /// Whether the first chunk can be that short: it may have carried a tag header besides.
    fn is_sane(self) -> bool {
        self.first > 0 && self.first <= self.size && self.size - self.first <= TAG_HEADER
    }

    /// A cut of which only the first boundary is known, if that is one of a common chunk size.
    fn common(first: usize) -> Option<Cut> {
        let tag_headers = [0, 1, 2, 5];
        let size = tag_headers.iter().map(|tag| first + tag).find(|size| COMMON_SIZES.contains(size))?;
        Some(Cut { first, size })
    }
}

/// How far the two agree if `added` is in what was received, and `taken` bytes are missing from what was sent,
/// at every boundary: how many boundaries, and whether they agree to the end of what was received.
fn replay(sent: &[u8], received: &[u8], cut: Cut, added: &[u8], taken: usize) -> Option<(u64, Rest)> {
    let (mut sent, mut received, mut chunk, mut boundaries) = (sent, received, cut.first, 0);
    loop {
        let len = chunk.min(sent.len()).min(received.len());
        if sent[..len] != received[..len] {
            return None;
        }
        (sent, received) = (&sent[len..], &received[len..]);
        match (sent.is_empty(), received.is_empty()) {
            (true, true) => return Some((boundaries, Rest::Nothing)),
            (false, true) => return Some((boundaries, Rest::Sent)),
            (true, false) if !added.is_empty() && received == added => return Some((boundaries + 1, Rest::Nothing)),
            (true, false) => return None,
            (false, false) => {}
        }
        boundaries += 1;
        let header = added.len().min(received.len());
        if received[..header] != added[..header] {
            return None;
        }
        (sent, received) = (&sent[taken.min(sent.len())..], &received[header..]);
        chunk = cut.size;
    }
}

/// What is left over when one of the two ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    Sent,
}

fn headers_left(case: &Case<'_>, forms: &[Form]) -> Option<PayloadClaim> {
    let Case { sent, received, prefix, .. } = *case;
    if prefix == received.len() || prefix == sent.len() {
        return None;
    }
    for first in (prefix.saturating_sub(BACK).max(1)..=prefix).rev() {
        for form in forms {
            let Some(header) = form.take(&received[first..]) else { continue };
            let second = &received[first + header.len()..];
            let run = common_prefix(&sent[first..], second);
            let sizes = (run.saturating_sub(BACK)..=run).rev().filter(|&size| second[size..].starts_with(header));
            let known = sizes.map(|size| Cut { first, size }).filter(|cut| cut.is_sane());
            for cut in known.chain(Cut::common(first)) {
                let Some((boundaries, rest)) = replay(sent, received, cut, header, 0) else { continue };
                if boundaries > 0 {
                    return Some(left_finding(case, cut, header, boundaries, rest));
                }
            }
        }
    }
    None
}

fn left_finding(case: &Case<'_>, cut: Cut, header: &[u8], boundaries: u64, rest: Rest) -> PayloadClaim {
    let Case { sent, received, .. } = *case;
    let (name, bytes) = (describe_header(header), hex::encode(header));
    let places = if boundaries == 1 { "once".to_owned() } else { format!("{boundaries} times") };
    let mut why = format!(
        "Removing {bytes} after the first {} bytes{} yields exactly what was sent. ",
        cut.first,
        if boundaries > 1 { format!(" and after every {} that follow", cut.size) } else { String::new() },
    );
    if cut.first != cut.size {
        why += &format!(
            "The first run is {} bytes shorter: the message began with a tag header that is not in the file. ",
            cut.size - cut.first
        );
    }
    let lost = sent.len() as u64 + boundaries * header.len() as u64 - received.len() as u64;
    why += &match rest {
        Rest::Nothing => "Nothing is missing, so whole chunks were concatenated with their headers.".to_owned(),
        Rest::Sent if received.len() == sent.len() => format!(
            "The length is right and the last {lost} payload bytes are missing: the reader read the message's length \
             from the stream without skipping headers. Its chunk size is larger than the sender's."
        ),
        Rest::Sent => format!("In addition, the last {lost} payload bytes are missing."),
    };
    PayloadClaim {
        certainty: if boundaries > 1 { Certainty::Certain } else { Certainty::Likely },
        title: format!("chunk header {name} is in the payload {places}, every {} bytes", cut.size),
        sent: cut.first..cut.first,
        received: cut.first..cut.first + header.len(),
        places: boundaries,
        why,
        fix: format!(
            "In the receiver, read {} bytes of payload, then skip the header {bytes} and continue; header bytes do not \
             count towards the message length.",
            cut.size
        ),
    }
}

fn over_stripped(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, prefix, .. } = *case;
    if prefix == received.len() || received.len() >= sent.len() {
        return None;
    }
    for first in (prefix.saturating_sub(BACK).max(1)..=prefix).rev() {
        for taken in 1..=LONGEST_HEADER.min(sent.len() - first) {
            let run = common_prefix(&sent[first + taken..], &received[first..]);
            // What is taken may count as part of the chunk that it is taken from.
            let is_known = |cut: &Cut| cut.is_sane() || cut.first == cut.size + taken;
            let known = (run.saturating_sub(BACK)..=run).rev().map(|size| Cut { first, size }).filter(is_known);
            for cut in known.chain(Cut::common(first)) {
                let Some((boundaries, rest)) = replay(sent, received, cut, &[], taken) else { continue };
                // Where nothing but lengths tells the story, two full chunks have to tell it.
                if boundaries > 1 || (boundaries == 1 && rest == Rest::Nothing && COMMON_SIZES.contains(&cut.size)) {
                    return Some(stripped_finding(cut, taken, boundaries, rest));
                }
            }
        }
    }
    None
}

fn stripped_finding(cut: Cut, taken: usize, boundaries: u64, rest: Rest) -> PayloadClaim {
    let meaning = match taken {
        1 | 2 => "the receiver's chunk size is smaller than the sender's, so it reads payload as a type-3 header",
        4 => "the receiver expects an extended timestamp after each type-3 header, and there is none",
        3 | 7 | 11 => "the receiver reads the message header of another format",
        8 | 12 => "the receiver treats each chunk as beginning with a full header",
        _ => "the receiver reads a longer header than there is",
    };
    let cut_short = if rest == Rest::Sent { " What follows the last one is missing." } else { "" };
    let spots = match boundaries {
        1 => "place".to_owned(),
        _ if cut.first == cut.size + taken => format!("places, every {} bytes of what was sent", cut.first),
        _ => format!("places, every {} bytes", cut.size),
    };
    PayloadClaim {
        certainty: if boundaries > 1 { Certainty::Certain } else { Certainty::Likely },
        title: format!("{taken} payload bytes are missing in {boundaries} {spots}: mistaken for headers"),
        sent: cut.first..cut.first + taken,
        received: cut.first..cut.first,
        places: boundaries,
        why: format!(
            "Of what was sent, {} bytes arrived, {taken} did not, the next {} arrived, and so on: {meaning}.{cut_short}",
            cut.first, cut.size
        ),
        fix: OVER_STRIPPED.page.fix.to_owned(),
    }
}

fn stale_prefix(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, .. } = *case;
    let stale = case.context.unfinished.iter().find(|stale| {
        let whole = !stale.is_empty() && received.starts_with(stale) && case.differs();
        let rest = received.get(stale.len()..).unwrap_or_default();
        whole && !rest.is_empty() && sent.starts_with(rest)
    })?;
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{} bytes of a message that was given up come before the payload", stale.len()),
        sent: 0..0,
        received: 0..stale.len(),
        places: 1,
        why: format!(
            "The first {} bytes are those of an unfinished message on the same chunk stream; then the payload begins. \
             {} of its last bytes are missing.",
            stale.len(),
            sent.len() + stale.len() - received.len()
        ),
        fix: STALE_PREFIX.page.fix.to_owned(),
    })
}

fn foreign_chunk(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, prefix, .. } = *case;
    let foreign = &case.context.foreign;
    if foreign.is_empty() || received.len() <= sent.len() {
        return None;
    }
    let (mut s, mut r, mut found) = (prefix, prefix, Vec::new());
    while r < received.len() {
        let (back, chunk) = (0..=BACK.min(s).min(r)).find_map(|back| {
            Some((back, foreign.iter().find(|chunk| !chunk.is_empty() && received[r - back..].starts_with(chunk))?))
        })?;
        (s, r) = (s - back, r - back);
        found.push((s, r, chunk.len()));
        r += chunk.len();
        let run = common_prefix(&sent[s..], &received[r..]);
        (s, r) = (s + run, r + run);
    }
    let &(sent_at, received_at, len) = found.first()?;
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{len} bytes of a chunk from another chunk stream are in the payload"),
        sent: sent_at..sent_at,
        received: received_at..received_at + len,
        places: found.len() as u64,
        why: "Those bytes are the payload of a chunk that was sent between two chunks of this message.".to_owned(),
        fix: FOREIGN_CHUNK.page.fix.to_owned(),
    })
}

/// How many bytes the chunk header at the start of `bytes` takes, the extended timestamp left out.
pub fn header_len(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    let basic = match first & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    };
    Some(basic + [11, 7, 3, 0][usize::from(first >> 6)])
}

/// A chunk header in words: `0xC6 (type 3, chunk stream 6)`.
pub fn describe_header(header: &[u8]) -> String {
    let csid = match *header {
        [first, id, ..] if first & 0x3f == 0 => 64 + u32::from(id),
        [first, low, high, ..] if first & 0x3f == 1 => 64 + u32::from(low) + 256 * u32::from(high),
        [first, ..] => u32::from(first & 0x3f),
        [] => return "of no bytes".to_owned(),
    };
    let extended = |rest: &[u8]| rest.first_chunk().map(|&bytes| u32::from_be_bytes(bytes));
    if header[0] >> 6 != 3 || (header.len() == 4 && header[0] < 0xc0) {
        if let (4, Some(extended)) = (header.len(), extended(header)) {
            return format!("0x{} (an extended timestamp, {extended} ms)", hex::encode_upper(header));
        }
        return format!("0x{} (type {}, chunk stream {csid})", hex::encode_upper(header), header[0] >> 6);
    }
    let basic = header_len(header).unwrap_or(1);
    let rest = header.get(basic..).and_then(extended);
    let rest = rest.map(|extended| format!(", with the extended timestamp {extended}")).unwrap_or_default();
    format!("0x{} (type 3, chunk stream {csid}{rest})", hex::encode_upper(header))
}
