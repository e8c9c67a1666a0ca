//! The log lines and the symptoms that are known, and what they mean.

use super::{LogLine, Symptom};

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
