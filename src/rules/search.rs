//! Ways into the catalogue for somebody who has no code: words, a line from a log, a symptom.
//!
//! Log lines are matched with their numbers free, so that `RTMP in chunk stream too big: 41 >= 32` is found
//! whatever the numbers are; what they mean is worked out. Codes that are suggested may be of rules that the
//! catalogue has no page for yet.

use super::{RULES, Rule};

/// What a text leads to.
#[derive(Debug, Default)]
pub struct Found {
    /// The log lines it matches, with what they say and which rules to try.
    pub log_lines: Vec<(&'static LogLine, String)>,
    /// The symptoms it names.
    pub symptoms: Vec<&'static Symptom>,
    /// The rules whose pages have all of its words, those with the words in code or title first.
    pub rules: Vec<&'static Rule>,
}

/// A line that a program writes to its log.
#[derive(Debug)]
pub struct LogLine {
    /// The line; `N` stands for any number.
    pub line: &'static str,
    /// Who writes it.
    pub program: &'static str,
    /// What it means, for the numbers in it.
    pub meaning: fn(&[u64]) -> String,
    /// Which rules to try, in this order.
    pub rules: &'static [&'static str],
}

/// What somebody sees, and which rules to try in order.
#[derive(Debug)]
pub struct Symptom {
    /// In the words of whoever sees it.
    pub says: &'static str,
    /// Which rules to try, in this order; `x-*` stands for all that begin so.
    pub rules: &'static [&'static str],
}

/// Everything in the catalogue that has to do with `text`.
pub fn search(text: &str) -> Found {
    let words = words(text);
    if words.is_empty() {
        return Found::default();
    }
    let log_lines = LOG_LINES.iter().filter_map(|line| Some((line, (line.meaning)(&numbers_if_match(line, &words)?))));
    let has_all = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    };
    // A symptom is told in one's own words: most of them are enough.
    let sounds_like = |symptom: &&Symptom| {
        let known = self::words(symptom.says);
        let telling: Vec<_> =
            words.iter().filter(|word| word.len() > 2 && !COMMON_WORDS.contains(&word.as_str())).collect();
        let hits = telling.iter().filter(|word| known.contains(word)).count();
        hits > 0 && (hits == telling.len() || (hits >= 2 && 2 * hits >= telling.len()))
    };
    let mut rules: Vec<(u8, &'static Rule)> = RULES
        .iter()
        .filter(|rule| {
            let sections = rule.page.sections().map(|(_, text)| text).join("\n");
            has_all(&format!("{} {} {} {sections}", rule.code, rule.title, rule.layer))
        })
        .map(|rule| match rule.code {
            code if code == text => (0, *rule),
            code if has_all(&format!("{code} {}", rule.title)) => (1, *rule),
            _ => (2, *rule),
        })
        .collect();
    rules.sort_by_key(|&(distance, _)| distance);
    Found {
        log_lines: log_lines.collect(),
        symptoms: SYMPTOMS.iter().filter(sounds_like).collect(),
        rules: rules.into_iter().map(|(_, rule)| rule).collect(),
    }
}

/// The codes most like `code`, the nearest first.
pub fn nearest(code: &str) -> Vec<&'static str> {
    let mut near: Vec<(f64, &'static str)> = RULES
        .iter()
        .map(|rule| {
            // `crlf` means `px-crlf`.
            let bare = rule.code.strip_prefix("px-").unwrap_or(rule.code);
            (strsim::jaro_winkler(code, rule.code).max(strsim::jaro_winkler(code, bare)), rule.code)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let best = near.first().map_or(0.0, |(likeness, _)| *likeness);
    near.into_iter().filter(|(likeness, _)| *likeness > best - 0.08).map(|(_, code)| code).take(3).collect()
}

/// Words that tell one symptom from no other.
const COMMON_WORDS: &[&str] = &["the", "and", "with", "but", "not", "from", "are", "after", "has", "does"];

/// Lower-case words; numbers are words.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The numbers that stand for the `N`s of a log line, if the text holds the line; a line cut at its end counts too.
fn numbers_if_match(line: &LogLine, text: &[String]) -> Option<Vec<u64>> {
    let pattern = words(line.line);
    // Half of a short line is any text.
    let least = if pattern.len() <= 4 { pattern.len() } else { 4 };
    (0..text.len()).find_map(|start| {
        let mut numbers = Vec::new();
        let mut matched = 0;
        for (wanted, word) in pattern.iter().zip(&text[start..]) {
            match (wanted.as_str(), word.parse()) {
                ("n", Ok(number)) => numbers.push(number),
                _ if wanted == word => {}
                _ => return None,
            }
            matched += 1;
        }
        (matched >= least).then_some(numbers)
    })
}

fn just(text: &str) -> String {
    text.to_owned()
}

fn chunk_stream_too_big(numbers: &[u64]) -> String {
    let limit = numbers.get(1).copied().unwrap_or(32);
    let Some(&csid) = numbers.first() else {
        return just("nginx-rtmp accepts chunk stream ids below 32 (max_streams).");
    };
    let mut text = format!(
        "nginx-rtmp accepts chunk stream ids below {limit} (max_streams). It read the id {csid} from the basic header of a \
         chunk, "
    );
    if (2..=63).contains(&csid) {
        let bytes: Vec<String> = (0..4u64)
            .map(|fmt| {
                let byte = (fmt << 6 | csid) as u8;
                let letter = if byte.is_ascii_graphic() { format!(" ('{}')", byte as char) } else { String::new() };
                format!("{byte:02x}{letter}")
            })
            .collect();
        let [fmt0, fmt1, fmt2, fmt3] = [&bytes[0], &bytes[1], &bytes[2], &bytes[3]];
        text += &format!(
            "so that byte of the stream was {fmt0}, {fmt1}, {fmt2} or {fmt3}: the two highest bits are the format. "
        );
        text += "If the client does not use that id, the byte is not a header at all: the server is out of step and reads \
                 payload";
        if csid == 41 {
            text += "; 69, the letter i, is byte 128 of a connect command whose sender did not split it at the default \
                     chunk size";
        }
        text += ".";
    } else {
        text += "which takes two or three bytes: 64 plus what stands behind the first. If the client does not use that id, \
                 the server is out of step and reads payload.";
    }
    text + " If it is always the same number and the client means it, choose an id from 3 to 8."
}

/// Verbatim from the programs' sources; numbers are `N`.
pub static LOG_LINES: &[LogLine] = &[
    LogLine {
        line: "RTMP in chunk stream too big: N >= N",
        program: "nginx-rtmp",
        meaning: chunk_stream_too_big,
        rules: &["chunk-size-not-announced", "chunk-size-not-applied", "type3-ext-missing", "csid-over-peer-limit"],
    },
    LogLine {
        line: "too big message: N",
        program: "nginx-rtmp",
        meaning: |numbers| {
            let limit =
                numbers.first().map_or("its limit".to_owned(), |limit| format!("its limit (max_message), {limit}"));
            format!(
                "A message is longer than nginx-rtmp allows. The number is {limit}, not the message's length. A length that \
                     is absurd is mostly no length: the server is out of step."
            )
        },
        rules: &["mlen-over-peer-max", "mlen-byte-order", "chunk-size-not-announced", "chunk-size-not-applied"],
    },
    LogLine {
        line: "too big RTMP chunk size:N",
        program: "nginx-rtmp",
        meaning: |numbers| {
            let Some(&size) = numbers.first() else { return just("The announced chunk size is out of range.") };
            let swapped = u32::try_from(size).unwrap_or(u32::MAX).swap_bytes();
            let swap = if (128..=65536).contains(&swapped) {
                format!(" Read with the other byte order it is {swapped}, which is probably what was meant.")
            } else {
                String::new()
            };
            format!(
                "The peer announced a chunk size of {size}. nginx-rtmp says so and goes on with the old size, so the next \
                     long message ends the session.{swap}"
            )
        },
        rules: &["chunk-size-byte-order", "chunk-size-range"],
    },
    LogLine {
        line: "handshake: digest not found",
        program: "nginx-rtmp",
        meaning: |_| just("C1 has no valid digest; nginx-rtmp goes on with the plain handshake. Harmless by itself."),
        rules: &["hs-digest-invalid"],
    },
    LogLine {
        line: "unexpected RTMP version: N",
        program: "nginx-rtmp",
        meaning: |numbers| {
            let what = match numbers.first() {
                Some(22) => "22 is 16 hexadecimal, the first byte of a TLS handshake: rtmps to a plain port.",
                Some(6 | 8) => "6 and 8 are RTMPE's versions: encrypted.",
                Some(71) => "71 is the letter G, of an HTTP GET.",
                Some(80) => "80 is the letter P: HTTP POST, or the PROXY protocol.",
                Some(number) if *number >= 32 => "It is a letter: HTTP, the PROXY protocol, or another text protocol.",
                _ => "RTMP's version is 3.",
            };
            format!("The first byte of the connection is not RTMP's version. {what}")
        },
        rules: &["tls-on-rtmp-port", "rtmpe", "not-rtmp"],
    },
    LogLine {
        line: "connect: application not found",
        program: "nginx-rtmp",
        meaning: |_| just("No `application` block has the name in connect's app; the server closes without an answer."),
        rules: &["url-split", "app-unknown"],
    },
    LogLine {
        line: "live: already publishing",
        program: "nginx-rtmp",
        meaning: |_| {
            just("Somebody publishes under this name already; often it is the session before that was not closed.")
        },
        rules: &["stale-publisher"],
    },
    LogLine {
        line: "ping: unresponded",
        program: "nginx-rtmp",
        meaning: |_| {
            just("The client did not answer Ping Request (user control event 6) with event 7 and the same four bytes.")
        },
        rules: &["ping-unanswered", "ping-wrong-reply"],
    },
    LogLine {
        line: "codec: error parsing data frame",
        program: "nginx-rtmp",
        meaning: |_| just("The metadata in a type-18 message is not the AMF0 that nginx-rtmp expects."),
        rules: &["amf3-not-negotiated", "amf-object-unterminated", "amf-first-not-string"],
    },
    LogLine {
        line: "RTMP packet size mismatch N != N",
        program: "ffmpeg",
        meaning: |_| just("A new header changed the length of a message that was not complete on its chunk stream."),
        rules: &["mlen-changes-mid-message", "extra-type3-exact-multiple", "mlen-includes-headers"],
    },
    LogLine {
        line: "Too large chunk size N",
        program: "ffmpeg",
        meaning: |_| just("The announced chunk size is out of range: too large, or in the wrong byte order."),
        rules: &["chunk-size-range", "chunk-size-byte-order"],
    },
    LogLine {
        line: "Missing AMF_END_OF_OBJECT",
        program: "ffmpeg",
        meaning: |_| just("An AMF0 object or array ends without 00 00 09."),
        rules: &["amf-object-unterminated"],
    },
    LogLine {
        line: "fresh chunk expect fmt=0",
        program: "SRS",
        meaning: |_| just("The first chunk on a chunk stream has no full header, so there is nothing to inherit from."),
        rules: &["fmt-first-on-csid"],
    },
    LogLine {
        line: "for existed chunk, fmt should not be 0",
        program: "SRS",
        meaning: |_| just("A chunk with a full header stands inside a message; continuations are type 3."),
        rules: &["fmt0-mid-message"],
    },
    LogLine {
        line: "msg in chunk cache, size=N cannot change to N",
        program: "SRS",
        meaning: |_| just("A new header changed the length of a message that was not complete on its chunk stream."),
        rules: &["mlen-changes-mid-message"],
    },
    LogLine {
        line: "chunk size should be 128+",
        program: "SRS",
        meaning: |_| just("SRS refuses chunk sizes below 128."),
        rules: &["chunk-size-range"],
    },
    LogLine {
        line: "received type N chunk but expected type 3 chunk",
        program: "mediamtx",
        meaning: |_| just("A header of another type stands inside a message; continuations are type 3."),
        rules: &["fmt0-mid-message"],
    },
    LogLine {
        line: "received type N chunk without previous chunk",
        program: "mediamtx",
        meaning: |_| just("The first chunk on a chunk stream has no full header, so there is nothing to inherit from."),
        rules: &["fmt-first-on-csid"],
    },
    LogLine {
        line: "extended chunk stream IDs are not supported (yet)",
        program: "mediamtx",
        meaning: |_| {
            just("A chunk stream id of 64 or more, or a server that is out of step and reads payload as a header.")
        },
        rules: &["csid-over-peer-limit"],
    },
    LogLine {
        line: "unsupported marker 0x0a",
        program: "mediamtx",
        meaning: |_| {
            just("The command or metadata has a strict array (AMF0 marker 0a), which this version does not read.")
        },
        rules: &["amf-type-unsupported"],
    },
    LogLine {
        line: "no acknowledge received within window",
        program: "mediamtx",
        meaning: |_| {
            just("The receiver did not send Acknowledgement (type 3) as often as Window Acknowledgement Size asks.")
        },
        rules: &["ack-missing"],
    },
    LogLine {
        line: "invalid message type",
        program: "mediamtx",
        meaning: |_| just("The type is none of RTMP's: often 14 decimal was written for 0x14."),
        rules: &["type-id-dec-hex"],
    },
    LogLine {
        line: "data in S2 does not correspond",
        program: "mediamtx",
        meaning: |_| {
            just("S2 is not a copy of C1. Servers with a digest handshake do not copy it; the client is too strict.")
        },
        rules: &["hs-not-echo"],
    },
    LogLine {
        line: "Type 3 extended timestamp does not match expected timestamp",
        program: "GStreamer rtmp2",
        meaning: |_| just("The peer leaves extended timestamps out of type-3 chunks. GStreamer copes."),
        rules: &["type3-ext-missing"],
    },
    LogLine {
        line: "Acknowledgement bytes regression",
        program: "GStreamer rtmp2",
        meaning: |_| just("The peer's acknowledged total went down: it wrapped too early, or it sends differences."),
        rules: &["ack-wrap", "ack-incremental"],
    },
    LogLine {
        line: "client signature does not match!",
        program: "librtmp, OBS",
        meaning: |_| just("S2 is not a copy of C1. Harmless: librtmp goes on."),
        rules: &["hs-not-echo"],
    },
    LogLine {
        line: "Sanity failed. no string method in invoke packet",
        program: "librtmp, OBS",
        meaning: |_| {
            just("A command does not begin with an AMF string: it is malformed, or the reader is out of step.")
        },
        rules: &["amf-first-not-string", "chunk-size-not-applied"],
    },
    LogLine {
        line: "Larger timestamp than 24-bit",
        program: "librtmp",
        meaning: |_| just("The session is older than 4 hours 39 minutes, or its clock starts with the time of day."),
        rules: &["ts-wrap-24", "type3-ext-missing", "type3-ext-unread"],
    },
    LogLine {
        line: "rtmp packet parse error",
        program: "Node-Media-Server",
        meaning: |_| {
            just("The server is out of step; what it prints is payload. Go back to the first thing that is wrong.")
        },
        rules: &["desync-unknown"],
    },
];

/// What users say.
pub static SYMPTOMS: &[Symptom] = &[
    Symptom {
        says: "connects, then nothing happens: no answer, hangs",
        rules: &[
            "type-id-dec-hex",
            "amf3-format-byte-missing",
            "amf-object-unterminated",
            "amf-strlen-endian",
            "amf-strlen-nul",
            "hs-wait-s0-deadlock",
            "txn-mismatch",
            "fcpublish-reply",
        ],
    },
    Symptom {
        says: "server closes right after connect: disconnected",
        rules: &[
            "silent-close",
            "app-unknown",
            "chunk-size-not-announced",
            "hs-c2-missing",
            "tls-on-rtmp-port",
            "amf-strlen-endian",
        ],
    },
    Symptom {
        says: "dies on the first keyframe, at a higher bitrate",
        rules: &[
            "chunk-size-*",
            "extra-type3-exact-multiple",
            "mlen-includes-headers",
            "mlen-over-peer-max",
            "interleave-unsupported",
        ],
    },
    Symptom {
        says: "received bytes differ from sent bytes: corrupt payload, broken file, damaged image",
        rules: &["px-*", "receiver-no-dechunk", "abort-ignored", "relay-drop"],
    },
    Symptom { says: "stops after N MB megabytes", rules: &["ack-missing", "ack-wrap"] },
    Symptom {
        says: "stops after 4 h 40 m hours minutes, or after 49 days",
        rules: &["type3-ext-*", "ts-wrap-24", "ts-field-ffffff-no-ext"],
    },
    Symptom {
        says: "works with server A, not with B: another server fails",
        rules: &["csid-reserved", "publish-msid", "fmt0-mid-message", "chunk-size-timing"],
    },
    Symptom {
        says: "sound but no picture, black video",
        rules: &[
            "avc-seqhdr-missing",
            "avc-annexb",
            "keyframe-flag",
            "er-not-negotiated",
            "hevc-codecid-12",
            "cts-bytes-missing",
        ],
    },
    Symptom {
        says: "picture but no sound, silent audio",
        rules: &["aac-seqhdr-missing", "aac-adts", "codec-flags-missing"],
    },
    Symptom {
        says: "stutter, speed-up, A/V drift, out of sync",
        rules: &["ts-unit", "ts-abs-in-delta", "type3-new-msg-ts", "cts-signed", "ext-abs-vs-delta"],
    },
    Symptom {
        says: "reconnect fails, second connection",
        rules: &["stale-publisher", "chunk-size-not-reset", "avc-seqhdr-missing", "ts-backwards"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_log_line_finds_itself_whatever_its_numbers_are() {
        for line in LOG_LINES {
            let logged = format!(
                "2024/01/02 03:04:05 [error] 77#77: *9 {}, client: 192.0.2.1",
                line.line.replace(" N", " 77").replace("=N", "=77").replace(":N", ":77")
            );
            let found = search(&logged);
            assert!(found.log_lines.iter().any(|(found, _)| found.line == line.line), "{}", line.line);
            assert!(!(line.meaning)(&[]).is_empty() && !line.rules.is_empty(), "{}", line.line);
        }
    }

    #[test]
    fn the_csid_that_nginx_refuses_is_traced_to_its_byte() {
        let found = search("RTMP in chunk stream too big: 41 >= 32");
        let (line, meaning) = &found.log_lines[0];
        assert_eq!(line.rules[0], "chunk-size-not-announced");
        // 0x69 = 01 101001: format 1, chunk stream 41.
        assert!(meaning.contains("69 ('i')"), "{meaning}");
    }

    #[test]
    fn a_chunk_size_in_the_wrong_byte_order_is_read_in_the_right_one() {
        // 00 10 00 00 is 4096 as a little-endian number, and 1048576 as a big-endian one.
        assert!(search("too big RTMP chunk size:1048576").log_lines[0].1.contains("it is 4096"));
    }

    #[test]
    fn symptoms_are_found_in_other_words() {
        for (text, rule) in [
            ("black video", "avc-seqhdr-missing"),
            ("no sound", "aac-seqhdr-missing"),
            ("reconnect", "stale-publisher"),
            ("received bytes differ", "px-*"),
        ] {
            let found = search(text);
            assert!(found.symptoms.iter().any(|symptom| symptom.rules.contains(&rule)), "{text}");
        }
        assert!(search("zebra crossing").symptoms.is_empty());
    }

    #[test]
    fn a_mistyped_code_is_near_the_right_one() {
        assert_eq!(nearest("px-clrf").first(), Some(&"px-crlf"));
        assert_eq!(nearest("headers-left").first(), Some(&"px-headers-left"));
        assert!(nearest("qqqq").is_empty());
    }
}
