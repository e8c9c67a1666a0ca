//! `rtmp-inspect decode -e` against `tshark -T fields -e`: `rtmpt` and every `rtmpt.*` and `amf.*` field
//! of every message.
//!
//! `testdata/tshark_fields` has what tshark 4.0.17 prints; its README says how it was made. Messages are paired as
//! `tests/parity.rs` pairs them. Then each field that tshark knows has to have the same values in the same order,
//! or none with both. What differs everywhere and for one reason is a [`Rule`], which says what ours has to be
//! instead; what differs in one message is a line of [`DEVIATIONS`]. A rule or a line that is not needed fails.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::tables::{Direction, agreed, direction_of, is_handshake, names, reference, table, testdata};
use rtmp_inspect::dissect::vocabulary;

/// Fields of tshark that we do not have, and why.
const NOT_OURS: &[(&str, &str)] = &[
    ("amf.header.", "the envelope of AMF over HTTP, which is not RTMP"),
    ("amf.header_count", "the envelope of AMF over HTTP"),
    ("amf.message.", "the envelope of AMF over HTTP"),
    ("amf.message_count", "the envelope of AMF over HTTP"),
    ("amf.version", "the envelope of AMF over HTTP"),
    ("amf.loop", "tshark's own alarm: it gave up"),
];

/// A difference that has one reason wherever it occurs.
struct Rule {
    fields: &'static [&'static str],
    /// Whether ours is right beside tshark's.
    allows: fn(&Pair<'_>, &str) -> bool,
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        fields: &["rtmpt.function.call"],
        why: "reading once, tshark does not know on a call where it will be answered; we read twice",
        allows: |pair, name| pair.theirs.values(name).is_empty(),
    },
    Rule {
        fields: &["rtmpt.function.response"],
        why: "a status has no transaction id, by which alone tshark links; we link the first that fits the call",
        allows: |pair, name| pair.theirs.values(name).is_empty() && pair.ours.info.starts_with("on"),
    },
    Rule {
        fields: &["rtmpt.header.csid"],
        allows: |pair, name| {
            let shown = |csid: u64| if csid < 320 { (csid - 64) & 63 } else { (csid - 64) >> 8 & 63 };
            let csid: u64 = pair.ours.value(name).parse().expect("a number");
            csid >= 64 && shown(csid).to_string() == pair.theirs.value(name)
        },
        why: "the chunk stream id is the true one; tshark shows the low six bits of the basic header's last byte",
    },
    Rule {
        fields: &["rtmpt.header.bodysize", "rtmpt.header.typeid", "rtmpt.header.streamid"],
        allows: |pair, name| pair.theirs.values(name).is_empty() && pair.ours.values(name) == pair.before.values(name),
        why: "what a header of fmt 1 to 3 leaves out is that of the message before on the chunk stream",
    },
    Rule {
        fields: &["rtmpt.header.timestampdelta"],
        allows: |pair, name| {
            pair.theirs.values(name).is_empty()
                && pair.theirs.value("rtmpt.header.format") == "3"
                && pair.ours.values(name) == pair.before.values(name)
        },
        why: "a header of fmt 3 that begins a message repeats the delta, or behind a fmt 0 its timestamp",
    },
    Rule {
        fields: &["rtmpt.header.timestamp"],
        allows: |pair, name| {
            let number = |text: &str| text.parse::<u32>().expect("a number");
            let ets = pair.theirs.value("rtmpt.header.ets");
            pair.theirs.values(name).is_empty()
                && !ets.is_empty()
                && number(pair.ours.value(name)) == number(pair.before.value(name)).wrapping_add(number(ets))
        },
        why: "an extended timestamp of fmt 1 or 2 is a delta, from which the time follows; tshark does not say it",
    },
    Rule {
        fields: &["amf.string"],
        allows: |pair, name| {
            let to_nul = |text: &String| text.split('\0').next().unwrap_or_default().to_owned();
            pair.ours.values(name).iter().map(to_nul).collect::<Vec<_>>() == pair.theirs.values(name)
        },
        why: "a text is as long as it was sent; tshark ends it at the first NUL",
    },
    Rule {
        fields: &["amf.amf0_type", "amf.boolean", "amf.number", "amf.string", "amf.stringlength"],
        allows: |pair, name| {
            let shared_object = ["0x13", "0x10"].contains(&pair.theirs.value("rtmpt.header.typeid"));
            shared_object && pair.theirs.values(name).is_empty()
        },
        why: "shared objects are decoded; tshark shows none of their fields",
    },
    Rule {
        fields: &["rtmpt.audio.rate", "rtmpt.audio.size", "rtmpt.audio.type", "rtmpt.video.format"],
        allows: |pair, name| is_enhanced(pair) && pair.ours.values(name).is_empty(),
        why: "tshark 4.0 does not know enhanced RTMP, whose headers have other fields",
    },
    Rule {
        fields: &["rtmpt.video.type"],
        allows: |pair, name| {
            let number = |text: &str| text.parse::<u32>().expect("a number");
            is_enhanced(pair) && number(pair.ours.value(name)) == number(pair.theirs.value(name)) & 7
        },
        why: "the highest bit of an enhanced header is no part of the frame type",
    },
    Rule {
        fields: &["rtmpt.audio.data", "rtmpt.video.data"],
        allows: |pair, name| {
            is_enhanced(pair) && data_len(pair.ours.value(name)) + 4 == data_len(pair.theirs.value(name))
        },
        why: "the FourCC belongs to the header",
    },
    Rule {
        fields: &[
            "amf.amf0_type",
            "amf.end_of_object_marker",
            "amf.number",
            "amf.object",
            "amf.string",
            "amf.stringlength",
        ],
        allows: |pair, name| is_enhanced(pair) && pair.theirs.values(name).is_empty(),
        why: "the metadata of enhanced video are AMF",
    },
    Rule {
        fields: &["amf.date"],
        allows: |pair, name| {
            let theirs: Vec<String> = pair.theirs.values(name).iter().map(|date| milliseconds(date)).collect();
            pair.ours.values(name) == theirs
        },
        why: "dates are milliseconds since 1970, as they were sent; tshark's text depends on the time zone",
    },
];

/// Whether tshark's reading shows the first byte of an enhanced header: IsExHeader, or sound format 9.
fn is_enhanced(pair: &Pair<'_>) -> bool {
    let is_video = pair.theirs.value("rtmpt.video.type").parse::<u32>().is_ok_and(|frame_type| frame_type > 7);
    is_video || pair.theirs.value("rtmpt.audio.format") == "9"
}

/// How many bytes a value has: in full, or as `LENGTH:HASH`.
fn data_len(value: &str) -> usize {
    match value.split_once(':') {
        Some((len, _)) => len.parse().expect("a length"),
        None => value.len() / 2,
    }
}

/// Capture, why the differences are meant, and the differences as reported.
const DEVIATIONS: &[(&str, &str, &[&str])] = &[
    (
        "d/pub_no_c0c1.pcap",
        "tshark reads the client's direction, which begins without its handshake, out of step and misses the call",
        &["frame 27 stream 0 from 127.0.0.1:1935, _result(): rtmpt.function.response is [25], tshark has []"],
    ),
    (
        "a/rtmpdump_play_vod.pcap",
        "the first message on its chunk stream has fmt 1 and names no message stream: it can only be 0",
        &["frame 18 stream 0 from 127.0.0.1:46390, Acknowledgement 3107: rtmpt.header.streamid is [0], tshark has []"],
    ),
    (
        "f/gst_pyrtmp_refused.pcap",
        "the first message on its chunk stream has fmt 1 and names no message stream: it can only be 0",
        &[
            "frame 18 stream 0 from 127.0.0.1:1935, _result('NetConnection.Connect.Success'): rtmpt.header.streamid is [0], tshark has []",
        ],
    ),
    (
        "f/ffmpeg_pub_rtmplite3_4h39.pcap",
        "a status with the transaction id of its call is the answer; tshark takes it for a call",
        &[
            "frame 27 stream 0 from 127.0.0.1:1935, onStatus('NetStream.Publish.Start'): rtmpt.function.call is [], tshark has [25]",
        ],
    ),
    (
        "pairs/06_chunk_not_used_B.pcap",
        "a type 3 header stands in the body: behind it neither reads what was meant",
        &[
            "frame 27 stream 0 from 127.0.0.1:51008, @setDataFrame(): amf.string is [@setDataFrame onMetaData duration width height videodatarate framerate], tshark has [@setDataFrame onMetaData duration width height videodatarate framerate ]",
        ],
    ),
    (
        "bodies.pcap",
        "a sequence number has no sign (RTMP 1.0 5.4.3)",
        &[
            "frame 9 stream 0 from 10.0.0.1:40000, Acknowledgement 4294967280: rtmpt is [Real Time Messaging Protocol (Acknowledgement 4294967280)], tshark has [Real Time Messaging Protocol (Acknowledgement -16)]",
        ],
    ),
    (
        "bodies.pcap",
        "integers of AMF 3 are signed (AMF3 3.6)",
        &["frame 68 stream 0 from 10.0.0.1:40000, amf3(): amf.integer is [-1], tshark has [536870911]"],
    ),
    (
        "bodies.pcap",
        "tshark does not know XML documents of AMF 3",
        &[
            "frame 72 stream 0 from 10.0.0.1:40000, amf3(): amf.xml_doc is [<a/>], tshark has []",
            "frame 72 stream 0 from 10.0.0.1:40000, amf3(): amf.xmllength is [4], tshark has []",
        ],
    ),
    (
        "bodies.pcap",
        "tshark loses its place behind the name of an associative value",
        &[
            "frame 75 stream 0 from 10.0.0.1:40000, amf3(): amf.amf3_type is [0x09 0x04 0x04], tshark has [0x09 0x68]",
            "frame 75 stream 0 from 10.0.0.1:40000, amf3(): amf.end_of_associative_part is [1], tshark has []",
            "frame 75 stream 0 from 10.0.0.1:40000, amf3(): amf.integer is [7 1], tshark has []",
        ],
    ),
    (
        "bodies.pcap",
        "tshark reads the XML of AMF 3 again as values",
        &["frame 78 stream 0 from 10.0.0.1:40000, amf3(): amf.amf3_type is [0x0b], tshark has [0x0b 0x3c]"],
    ),
    (
        "bodies.pcap",
        "tshark reads a ByteArray again as values",
        &[
            "frame 79 stream 0 from 10.0.0.1:40000, amf3(): amf.amf3_type is [0x0c], tshark has [0x0c 0x01 0x02 0x03]",
            "frame 79 stream 0 from 10.0.0.1:40000, amf3(): amf.boolean is [], tshark has [0 1]",
        ],
    ),
    (
        "bodies.pcap",
        "each value of AMF 3 has its own marker 0x11 (RTMP errata 7.2), and references are followed",
        &[
            "frame 80 stream 0 from 10.0.0.1:40000, amf3refs(): amf.amf0_type is [0x02 0x00 0x11 0x11], tshark has [0x02 0x00 0x11]",
            "frame 80 stream 0 from 10.0.0.1:40000, amf3refs(): amf.amf3_type is [0x06 0x06], tshark has [0x06 0x11]",
            "frame 80 stream 0 from 10.0.0.1:40000, amf3refs(): amf.string is [amf3refs hello hello], tshark has [amf3refs hello]",
            "frame 80 stream 0 from 10.0.0.1:40000, amf3refs(): amf.string_reference is [0], tshark has []",
        ],
    ),
    (
        "bodies.pcap",
        "the data of an inner message end where it ends; tshark goes on to the end of the aggregate",
        &[
            "frame 123 stream 0 from 10.0.0.1:40000, Aggregate: rtmpt.audio.data is [0121], tshark has [01210000000e0900000a000410000000002701000000000000014100000015]",
            "frame 123 stream 0 from 10.0.0.1:40000, Aggregate: rtmpt.video.data is [010000000000000141], tshark has [01000000000000014100000015]",
            "frame 124 stream 0 from 10.0.0.1:40000, Aggregate: amf.amf0_type is [0x02 0x00], tshark has [0x02 0x00 0x00]",
            "frame 124 stream 0 from 10.0.0.1:40000, Aggregate: rtmpt.tag.tagsize is [14 33], tshark has [14]",
            "frame 124 stream 0 from 10.0.0.1:40000, Aggregate: rtmpt.video.data is [0102], tshark has [43:7cb6ad92406dd6ae]",
        ],
    ),
    (
        "bodies.pcap",
        "type 0x94 is none; tshark ignores the highest bit",
        &[
            "frame 134 stream 0 from 10.0.0.1:40000, Unknown 148 (0x94): rtmpt is [Real Time Messaging Protocol (Unknown 148 (0x94))], tshark has [Real Time Messaging Protocol (AMF0 Command a())]",
            "frame 134 stream 0 from 10.0.0.1:40000, Unknown 148 (0x94): amf.amf0_type is [], tshark has [0x02]",
            "frame 134 stream 0 from 10.0.0.1:40000, Unknown 148 (0x94): amf.string is [], tshark has [a]",
            "frame 134 stream 0 from 10.0.0.1:40000, Unknown 148 (0x94): amf.stringlength is [], tshark has [1]",
        ],
    ),
];

/// The capture that has one message of every kind.
const BODIES: &str = "bodies.pcap";

#[test]
fn every_field_is_as_tshark_prints_it() {
    let types = types();
    let mut failures = Vec::new();
    let mut rules_used = BTreeSet::new();
    let mut compared = 0;
    let recorded: Vec<String> = names("captures").into_iter().filter(|name| name.contains(".pcap")).collect();
    for capture in recorded.iter().map(String::as_str).chain([BODIES]) {
        let mut expected: BTreeSet<&str> =
            DEVIATIONS.iter().filter(|(of, ..)| *of == capture).flat_map(|(.., what)| *what).copied().collect();
        let mut found = differences(capture, &types, &mut rules_used, &mut compared);
        found.retain(|difference| !expected.remove(difference.as_str()));
        found.extend(expected.iter().map(|what| format!("no longer needed in DEVIATIONS: {what}")));
        failures.extend(found.iter().map(|difference| format!("{capture}: {difference}")));
    }
    for (index, rule) in RULES.iter().enumerate().filter(|(index, _)| !rules_used.contains(index)) {
        failures.push(format!("rule {index} is not needed: {}", rule.why));
    }
    for (capture, ..) in DEVIATIONS {
        assert!(*capture == BODIES || recorded.iter().any(|name| name == capture), "DEVIATIONS names {capture}");
    }
    assert!(compared > 7000, "only {compared} messages were compared");
    let shown = failures.len().min(40);
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures[..shown].join("\n"));
}

#[test]
fn fields_that_we_do_not_have_are_listed() {
    let is_listed =
        |name: &str, (listed, _): &(&str, &str)| name == *listed || listed.ends_with('.') && name.starts_with(listed);
    for name in types().keys() {
        let listed = NOT_OURS.iter().any(|entry| is_listed(name, entry));
        assert_ne!(vocabulary::find(name).is_some(), listed, "{name} is either a field of ours or in NOT_OURS");
    }
    for entry in NOT_OURS {
        assert!(types().keys().any(|name| is_listed(name, entry)), "tshark has no {}", entry.0);
    }
}

/// A message or a part of the handshake, with its fields.
#[derive(Default)]
struct Message {
    frame: String,
    direction: Direction,
    info: String,
    fields: BTreeMap<String, Vec<String>>,
}

impl Message {
    fn values(&self, name: &str) -> &[String] {
        self.fields.get(name).map_or(&[], Vec::as_slice)
    }

    fn value(&self, name: &str) -> &str {
        self.values(name).first().map_or("", String::as_str)
    }

    /// Keeps what the next header on the chunk stream may leave out.
    fn learn(&mut self, theirs: &Message, ours: &Message) {
        const TIMESTAMP: &str = "rtmpt.header.timestamp";
        const DELTA: &str = "rtmpt.header.timestampdelta";
        const EXTENDED: &str = "rtmpt.header.ets";
        self.fields.extend(theirs.fields.clone());
        let extended = theirs.fields.get(EXTENDED);
        if theirs.value("rtmpt.header.format") == "0" {
            let time = extended.or(theirs.fields.get(TIMESTAMP)).cloned().unwrap_or_default();
            self.fields.insert(DELTA.to_owned(), time.clone());
            self.fields.insert(TIMESTAMP.to_owned(), time);
        } else if let Some(delta) = extended {
            self.fields.insert(DELTA.to_owned(), delta.clone());
            self.fields.insert(TIMESTAMP.to_owned(), ours.values(TIMESTAMP).to_vec());
        }
    }
}

/// The same message twice, and what tshark knew of its chunk stream before.
struct Pair<'a> {
    theirs: &'a Message,
    ours: &'a Message,
    before: &'a Message,
}

fn differences(
    capture: &str,
    types: &BTreeMap<String, String>,
    rules_used: &mut BTreeSet<usize>,
    pairs: &mut usize,
) -> Vec<String> {
    let compared: Vec<&str> =
        types.keys().map(String::as_str).filter(|name| vocabulary::find(name).is_some()).collect();
    let (theirs, ours) = messages(capture, types, &compared);
    let mut found = Vec::new();
    let mut last: HashMap<(Direction, String), Message> = HashMap::new();
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let (stream, src) = &ours.direction;
        let place = format!("frame {} stream {stream} from {src}, {}", ours.frame, ours.info);
        if (&theirs.frame, &theirs.direction) != (&ours.frame, &ours.direction) {
            found.push(format!("{place}: tshark has a message of frame {} here", theirs.frame));
            return found;
        }
        let chunk_stream = (ours.direction.clone(), ours.value("rtmpt.header.csid").to_owned());
        let before = last.entry(chunk_stream).or_default();
        let pair = Pair { theirs, ours, before };
        *pairs += 1;
        for &name in &compared {
            if theirs.values(name) == ours.values(name) {
                continue;
            }
            let rule = RULES.iter().position(|rule| rule.fields.contains(&name) && (rule.allows)(&pair, name));
            match rule {
                Some(rule) => {
                    rules_used.insert(rule);
                }
                None => {
                    let [ours, theirs] = [ours, theirs].map(|message| message.values(name).join(" "));
                    found.push(format!("{place}: {name} is [{ours}], tshark has [{theirs}]"));
                }
            }
        }
        before.learn(theirs, ours);
    }
    if theirs.len() != ours.len() {
        found.push(format!("{} rows that count, tshark has {}", ours.len(), theirs.len()));
    }
    found
}

/// The messages that count, tshark's and ours.
fn messages(capture: &str, types: &BTreeMap<String, String>, fields: &[&str]) -> (Vec<Message>, Vec<Message>) {
    let (mut theirs, mut ours) = (tsharks(capture), decode(capture, types, fields));
    if capture == BODIES {
        return (theirs, ours);
    }
    let (rows, reference) = (table("tshark", capture).0, reference(capture));
    assert_eq!(rows.len(), theirs.len(), "{capture}: tshark and tshark_fields have the same messages");
    for (row, message) in rows.iter().zip(&theirs) {
        assert_eq!((&row["frame"], direction_of(row)), (&message.frame, message.direction.clone()), "{capture}");
        assert_eq!(is_handshake(row), is_part_of_handshake(message), "{capture}");
    }
    let agreed = agreed(&rows, &reference);
    for messages in [&mut theirs, &mut ours] {
        let mut seen: BTreeMap<Direction, usize> = BTreeMap::new();
        messages.retain(|message| {
            if is_part_of_handshake(message) {
                return !reference.get(&message.direction).is_some_and(|it| it.no_handshake);
            }
            let number = seen.entry(message.direction.clone()).or_default();
            *number += 1;
            *number <= agreed.get(&message.direction).copied().unwrap_or_default()
        });
    }
    (theirs, ours)
}

fn is_part_of_handshake(message: &Message) -> bool {
    message.fields.keys().any(|name| name.starts_with("rtmpt.handshake."))
}

/// The lines of `testdata/tshark_fields`.
fn tsharks(capture: &str) -> Vec<Message> {
    let path = testdata().join("tshark_fields").join(format!("{capture}.jsonl"));
    let lines = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let message = |line| {
        let (frame, stream, src, flat): (u64, u32, String, Vec<String>) = serde_json::from_str(line).expect("a line");
        let mut message = Message { frame: frame.to_string(), direction: (stream, src), ..Message::default() };
        for pair in flat.chunks_exact(2) {
            message.fields.entry(pair[0].clone()).or_default().push(crate::tables::in_both_bases(&pair[1]));
        }
        message
    };
    lines.lines().map(message).collect()
}

/// Messages and parts of the handshake of `rtmp-inspect decode --format jsonl -e ..`.
fn decode(capture: &str, types: &BTreeMap<String, String>, fields: &[&str]) -> Vec<Message> {
    const OWN: [&str; 7] =
        ["frame.number", "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "rtmpt.msg.kind", "rtmpt.msg.info"];
    let folder = if capture == BODIES { "tshark_fields" } else { "captures" };
    let output = Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(["decode", "--format", "jsonl"])
        .args(OWN.iter().chain(fields).flat_map(|name| ["-e", name]))
        .arg(testdata().join(folder).join(capture))
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "decode {capture}: {}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let message = |line| {
        let mut fields: BTreeMap<String, Vec<String>> = serde_json::from_str(line).expect("lists of texts by name");
        let [frame, stream, v4, v6, port, kind, info] =
            OWN.map(|name| fields.remove(name).unwrap_or_default().join(" "));
        for (name, values) in &mut fields {
            if types[name] == "FT_BYTES" {
                values.iter_mut().for_each(shorten);
            }
        }
        let address = if v6.is_empty() { v4 } else { format!("[{v6}]") };
        let direction = (stream.parse().expect("a number"), format!("{address}:{port}"));
        let is_compared = kind == "message" || kind == "handshake";
        is_compared.then_some(Message { frame, direction, info, fields })
    };
    stdout.lines().filter_map(message).collect()
}

/// As the tables have bytes: more than 32 by their number and the first 16 digits of their SHA-256.
fn shorten(text: &mut String) {
    if text.len() > 64 {
        let bytes = hex::decode(&text).expect("hexadecimal digits");
        let digest = hex::encode(Sha256::digest(&bytes));
        *text = format!("{}:{}", bytes.len(), &digest[..16]);
    }
}

/// `Sep 13, 2020 12:26:40.123000000 UTC` as milliseconds since 1970.
fn milliseconds(date: &str) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = date.split([' ', ',', ':', '.']).filter(|word| !word.is_empty()).collect();
    let [month, day, year, hour, minute, second, nanos, "UTC"] = words[..] else { panic!("{date} is no date") };
    let number = |word: &str| word.parse::<i64>().expect("a number");
    let month = MONTHS.find(month).expect("a month") as i64 / 3 + 1;
    // Days from 1970-01-01, with years that begin in March.
    let (year, month) = if month > 2 { (number(year), month - 3) } else { (number(year) - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + number(day) - 719_469;
    let seconds = ((days * 24 + number(hour)) * 60 + number(minute)) * 60 + number(second);
    (seconds * 1000 + number(nanos) / 1_000_000).to_string()
}

/// Name and type of the fields that tshark has.
fn types() -> BTreeMap<String, String> {
    let path = testdata().join("tshark_fields/names.tsv");
    let lines = std::fs::read_to_string(path).expect("in the repository");
    let pair = |line: &str| line.split_once('\t').map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    lines.lines().map(|line| pair(line).expect("name and type")).collect()
}
