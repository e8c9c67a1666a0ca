//! A text as words that can be compared: lower-case, without endings, and with what other people call the same.
//!
//! An identifier is its parts and itself: `NoPreviousChunkOnStream`, `NetStream.Publish.BadName`, `px-crlf`. A number is
//! decimal, whatever it was written in; the number of a FourCC is its letters as well.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A word of a text, in all the forms that it may be found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// The word without its ending comes first.
    pub forms: Vec<String>,
    /// Whether every text has it.
    pub is_common: bool,
    /// Whether one of the forms is a guess.
    pub is_mistyped: bool,
}

/// Lower-case words as they are; numbers are words.
pub(super) fn plain(text: &str) -> Vec<String> {
    raw(text).map(str::to_lowercase).collect()
}

fn raw(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The words of a text with all their forms.
pub(super) fn read(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for chain in text.split(|c: char| !(c.is_alphanumeric() || "._-".contains(c))) {
        let begin = words.len();
        for raw in raw(chain) {
            let parts = parts(raw);
            let whole = raw.to_lowercase();
            for part in &parts {
                let lower = part.to_lowercase();
                let mut forms = vec![stem(&lower)];
                forms.extend(number_forms(&lower));
                if parts.len() > 1 {
                    forms.push(whole.clone());
                }
                words.push(Word { forms, is_common: COMMON.contains(&lower.as_str()), is_mistyped: false });
            }
        }
        // A dotted or hyphenated name is a word of its own.
        if words.len() > begin + 1 && raw(chain).count() > 1 {
            let whole = chain.to_lowercase().trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
            for word in &mut words[begin..] {
                word.forms.push(whole.clone());
            }
        }
    }
    add_concepts(&mut words);
    words
}

/// `BadName` is `Bad` and `Name`; `onFCPublish` is `on`, `FC`, `Publish`; `H264` and `0xEF` stay.
fn parts(word: &str) -> Vec<&str> {
    if word.starts_with("0x") {
        return vec![word];
    }
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let mut cuts = vec![0];
    for (at, pair) in chars.windows(2).enumerate() {
        let next_is_lower = chars.get(at + 2).is_some_and(|(_, c)| c.is_lowercase());
        let ends_lower = pair[0].1.is_lowercase() && pair[1].1.is_uppercase();
        let ends_upper = pair[0].1.is_uppercase() && pair[1].1.is_uppercase() && next_is_lower;
        let ends_number = pair[0].1.is_ascii_digit()
            && pair[1].1.is_alphabetic()
            && word[..pair[1].0].bytes().all(|byte| byte.is_ascii_digit());
        if ends_lower || ends_upper || ends_number {
            cuts.push(pair[1].0);
        }
    }
    cuts.push(word.len());
    cuts.windows(2).map(|cut| &word[cut[0]..cut[1]]).collect()
}

/// Hexadecimal numbers in decimal; the letters of a FourCC.
fn number_forms(word: &str) -> Vec<String> {
    let value = match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    };
    let Some(value) = value else { return Vec::new() };
    let mut forms = vec![value.to_string()];
    // The bytes of a page have no prefix.
    forms.extend(word.strip_prefix("0x").map(str::to_owned));
    if value.to_be_bytes().iter().all(u8::is_ascii_alphanumeric) {
        forms.push(String::from_utf8_lossy(&value.to_be_bytes()).to_lowercase());
    }
    forms
}

/// Without the endings of plural and verb.
pub(super) fn stem(word: &str) -> String {
    if word.len() < 4 || !word.is_ascii() || word.bytes().any(|byte| byte.is_ascii_digit()) {
        return word.to_owned();
    }
    let mut stem = word;
    if let Some(start) = stem.strip_suffix("ies") {
        return format!("{start}y");
    }
    if stem.ends_with('s') && !["ss", "us", "is"].iter().any(|end| stem.ends_with(end)) {
        stem = &stem[..stem.len() - 1];
    }
    for end in ["ing", "ed", "ly"] {
        if let Some(start) = stem.strip_suffix(end).filter(|start| start.len() >= 4 || (end == "ed" && start.len() > 2))
        {
            stem = start;
            break;
        }
    }
    let bytes = stem.as_bytes();
    let is_verb = stem.len() + 2 <= word.len();
    if stem.len() > 3 && stem.ends_with('e') {
        stem = &stem[..stem.len() - 1];
    } else if is_verb && stem.len() > 3 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2] && !stem.ends_with("ss") {
        // dropped, drop; running, run
        stem = &stem[..stem.len() - 1];
    }
    stem.to_owned()
}

/// How many words a text has that tell something: an identifier counts as its parts, a number as none, and what every
/// line of a log has as none.
pub(super) fn telling(text: &str) -> usize {
    let tells = |word: &&Word| {
        let form = &word.forms[0];
        !word.is_common && !form.starts_with(|c: char| c.is_ascii_digit()) && !DECORATION.contains(&form.as_str())
    };
    read(text).iter().filter(tells).count()
}

/// Words of a phrase get the name of what it means as another form.
fn add_concepts(words: &mut [Word]) {
    for start in 0..words.len() {
        let Some(phrases) = PHRASES.get(&words[start].forms[0]) else { continue };
        for (phrase, concept) in phrases {
            let Some(here) = words.get_mut(start..start + phrase.len()) else { continue };
            if here.iter().zip(phrase).all(|(word, wanted)| word.forms[0] == *wanted) {
                for word in here {
                    if !word.forms.iter().any(|form| form == concept) {
                        word.forms.push((*concept).to_owned());
                    }
                    // The words of a phrase mean something, however common they are.
                    word.is_common &= phrase.len() == 1;
                }
            }
        }
    }
}

type Phrases = HashMap<String, Vec<(Vec<String>, &'static str)>>;

/// The phrases by their first word.
static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
    let mut phrases = Phrases::new();
    for (concept, texts) in CONCEPTS {
        for text in texts.split(", ") {
            let words: Vec<String> = plain(text).iter().map(|word| stem(word)).collect();
            if let Some(first) = words.first().cloned() {
                phrases.entry(first).or_default().push((words, concept));
            }
        }
    }
    phrases
});

/// Words that tell one text from no other.
const COMMON: &[&str] = &[
    "a", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "but", "by", "can", "does", "for",
    "from", "get", "gets", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "not", "of",
    "on", "one", "only", "or", "our", "rtmp", "so", "that", "the", "then", "there", "this", "to", "was", "we", "what",
    "when", "why", "will", "with", "you", "your",
];

/// Levels, and the address that nginx adds, without their endings.
const DECORATION: &[&str] =
    &["error", "err", "warn", "info", "debug", "trac", "fatal", "notic", "war", "inf", "deb", "client", "conn"];

/// What people call the same. A concept's name has a tilde, so that it is no word.
const CONCEPTS: &[(&str, &str)] = &[
    (
        "~hang",
        "hang, hung, stuck, blocks, nothing happens, never answers, no answer, waits, waiting, unresponsive, stalls, \
      stall, does not respond, no response, not respond, loading, spinner, never ends, never starts, keeps waiting, deadlock",
    ),
    (
        "~timeout",
        "timeout, timed out, time out, etimedout, not answered, no answer, never answered, unanswered, no reply, \
      no response, never answers, timedout",
    ),
    (
        "~close",
        "closes, close, closed, disconnect, disconnected, kicked, connection reset, reset by peer, reset, broken pipe, \
      hangs up, eof, end of file, terminates, aborts connection, econnreset, epipe, goes away, drops connection, \
      connection dropped, dies, kills, cut off",
    ),
    (
        "~refuse",
        "refused, refuse, rejected, reject, denied, deny, forbidden, not allowed, unauthorized, declined, econnrefused",
    ),
    (
        "~no-video",
        "black screen, black video, black picture, black, blank, no picture, no video, no image, only audio, \
      audio only, video missing, missing video, shows nothing, sound but no, video not shown, video does not show",
    ),
    (
        "~no-audio",
        "no sound, no audio, silent, silence, mute, muted, only video, audio missing, missing audio, \
      sound missing, picture but no",
    ),
    ("~stutter", "stutter, jerky, choppy, judder, jitter, lag, laggy, not smooth, jumpy, hiccup, skips"),
    ("~freeze", "freeze, frozen, still image, picture stands, stands still, video stops, stops playing"),
    (
        "~damage",
        "corrupt, corrupted, corruption, garbled, garbage, damaged, broken, mangled, artifact, pixelated, blocky, \
      macroblocks, green, grey, gray, smeared, mosaic, scrambled, distorted, unreadable, defective, destroyed",
    ),
    (
        "~out-of-sync",
        "out of sync, lip sync, lipsync, drift, a v desync, av desync, sound late, audio late, sound is late, audio is late, a v sync, av sync, async, not in sync, desynchronised audio, \
      audio delayed, audio ahead",
    ),
    (
        "~lose",
        "drops, dropped, lose, loses, lost, missing, swallow, discard, not forwarded, does not forward, vanish, \
      disappear, filtered, filters, skipped, ignored, ignores, gone, strips, eats",
    ),
    (
        "~extra",
        "extra, additional, surplus, superfluous, stray, spurious, inserted, injected, too many bytes, unexpected byte",
    ),
    ("~file", "jpeg, jpg, png, image, photo, thumbnail, snapshot, gif, file, pdf, zip, mp4, document, archive"),
    ("~picture", "picture, video, frame, image"),
    (
        "~login",
        "login, auth, authentication, password, credentials, unauthorized, authenticate, authmod, username, token",
    ),
    (
        "~again",
        "reconnect, reconnects, second connection, connect again, restart, retry, second time, republish, reconnection",
    ),
    (
        "~unknown",
        "unknown, unsupported, unrecognized, unrecognised, unimplemented, not supported, unknow, not implemented, \
      unhandled",
    ),
    ("~wrong", "wrong, invalid, bad, illegal, incorrect, erroneous, malformed, mismatch, does not match, not match"),
    ("~key-frame", "keyframe, key frame, idr, iframe, i frame, gop"),
    ("~h264", "h264, h 264, avc, x264, avc1"),
    ("~h265", "h265, h 265, hevc, x265, hvc1, hev1, hvcc"),
    ("~enhanced", "enhanced, ertmp, e rtmp, fourcc, four cc, av1, av01, vp9, vp09, exvideo"),
    (
        "~config",
        "sequence header, seqhdr, seq header, extradata, extra data, avcc, decoder configuration, sps, pps, \
      audiospecificconfig, decoderconfigurationrecord, codec private, avcdecoderconfigurationrecord, parameter sets, asc",
    ),
    (
        "~byte-order",
        "endian, endianness, byte order, little endian, big endian, swapped, htonl, ntohl, htons, reversed bytes",
    ),
    ("~time", "timestamp, time stamp, pts, dts, timestamps"),
    ("~chunk-stream", "csid, cid, chunk stream id, chunk stream, chunkid, chunk id, channel, chunkstreamid"),
    ("~message-stream", "msid, message stream id, stream id, streamid, message stream, messagestreamid"),
    (
        "~format",
        "fmt, chunk type, header type, chunk format, header format, headertype, type 0, type 1, type 2, type 3",
    ),
    ("~ack", "ack, acknowledgement, acknowledge, acknowledgment, bytes read, winack, ack size"),
    ("~transaction", "transaction, txn, transaction id, tid, transactionid, invoke id, call id, transid"),
    ("~handshake", "handshake, c0, c1, c2, s0, s1, s2, c0c1, s0s1s2, handshaking"),
    ("~digest", "digest, hmac, complex handshake, signature"),
    ("~forward", "relay, forward, forwards, forwarded, pass on, passes, proxy, republish, restream"),
    ("~length", "length, size, mlen, bodysize, body size, len"),
    ("~payload", "payload, body, data, content"),
    ("~type-id", "type id, typeid, message type, packet type, msg type, type"),
    ("~ping", "ping, pong, keepalive, keep alive, ping request"),
    ("~nal", "nal, nalu, nals, nal unit"),
    ("~start-code", "start code, annex b, annexb, startcode, 00 00 00 01"),
    ("~tls", "tls, ssl, rtmps, https, certificate"),
    ("~metadata", "metadata, onmetadata, meta data, meta"),
    ("~name", "stream name, stream key, streamkey, streamname, key"),
    ("~late", "latency, delay, late, delayed, lags behind, buffering"),
    (
        "~out-of-step",
        "out of step, desync, desynchronised, desynchronized, desynchronization, chunk mismatch, lost sync",
    ),
    ("~short", "truncated, cut, too short, incomplete, cut off, short"),
    ("~capture", "capture, pcap, pcapng, tcpdump, dump, trace"),
    ("~stale", "stale, ghost, zombie, old publisher, still there, still connected, dead session, half open, leftover"),
    ("~split", "split, chopped, fragmented, cut into chunks, split into chunks, not chunked"),
    (
        "~slow-start",
        "starts late, after a while, starts only after, takes long, slow start, long startup, startup time",
    ),
    ("~line-end", "newline, line end, line break, crlf, carriage return, eol, 0d 0a, line feed"),
    ("~unused", "ignored, ignores, not used, not applied, unused, no effect, not obeyed, not respected"),
    ("~nul", "nul, null terminated, zero terminated, nul terminated, trailing zero, trailing nul, c string"),
    ("~twice", "echo, twice, duplicate, repeated, double, doubled"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        read(text).into_iter().flat_map(|word| word.forms).collect()
    }

    #[test]
    fn identifiers_are_their_parts_and_themselves() {
        for (text, expected) in [
            ("NoPreviousChunkOnStream", &["previou", "chunk", "stream", "nopreviouschunkonstream"][..]),
            ("NetStream.Publish.BadName", &["bad", "publish", "badname", "netstream.publish.badname"]),
            ("onFCPublish", &["fc", "publish", "onfcpublish"]),
            ("px-crlf", &["px", "crlf", "px-crlf"]),
            ("H264", &["h264", "~h264"]),
            ("20ms", &["20", "ms"]),
        ] {
            let forms = forms(text);
            for form in expected {
                let form = if *form == "previou" { stem("previous") } else { (*form).to_owned() };
                assert!(forms.contains(&form), "{text}: {form} is not in {forms:?}");
            }
        }
    }

    #[test]
    fn numbers_are_decimal_and_letters() {
        assert!(forms("0x14").contains(&"20".to_owned()));
        // 68 76 63 31
        assert!(forms("1752589105").contains(&"hvc1".to_owned()));
        assert!(forms("0x68766331").contains(&"hvc1".to_owned()));
        assert!(!forms("41").iter().any(|form| form == "~h265"));
    }

    #[test]
    fn endings_do_not_matter() {
        for same in [
            &["hangs", "hang", "hanging"][..],
            &["drops", "dropped", "dropping"],
            &["freezes", "freeze"],
            &["body", "bodies"],
        ] {
            assert!(same.iter().all(|word| stem(word) == stem(same[0])), "{same:?}");
        }
        assert_ne!(stem("ping"), stem("p"));
        assert_ne!(stem("string"), stem("str"));
    }
}
