//! Faults of AMF values (AMF 0, RTMP 1.0 7.1.1).

use super::chunk::is_data;
use super::{Base, Fault, Then, fault};
use crate::kit::amf0;
use crate::kit::edit::CLIENT;
use crate::kit::encode::Message;
use crate::kit::recording::Recording;

const END: [u8; 3] = [0, 0, 9];

pub fn faults() -> Vec<Fault> {
    use Then::{Ends, GoesOn};
    vec![
        fault(
            "no-name",
            &["amf-first-not-string"],
            Base::Own,
            Ends,
            "connect has no name: its body begins with the number",
            |s| {
                body(s, "connect", |body| _ = body.drain(..10));
                unanswered(s, |message| message.body.starts_with(&[0, 0x3f, 0xf0]));
            },
        ),
        fault(
            "name-as-number",
            &["amf-wrong-type"],
            Base::Own,
            GoesOn,
            "publish has a number where the stream's name belongs",
            |s| {
                let at = s.command("publish");
                s.replace(at, &amf0::string("pair"), &amf0::number(42.0));
            },
        ),
        fault(
            "unknown-marker",
            &["amf-malformed", "metadata-differs"],
            Base::Own,
            GoesOn,
            "a value of the metadata has an invalid marker",
            |s| {
                let at = s.find(is_data);
                s.replace(at, b"\0\x05width\0", b"\0\x05width\x30");
            },
        ),
        fault(
            "scanned-for-09",
            &["amf-scan-for-09"],
            Base::Ffmpeg,
            GoesOn,
            "the metadata ends before the first property whose bytes hold a 09",
            |s| {
                let at = s.find(|message| message.type_id == 18);
                let body = &mut s.message(at).body;
                // `framerate` is nine letters long; the array's own end is put there.
                let name = b"\0\x09framerate";
                let cut = body.windows(name.len()).position(|part| part == name).expect("a frame rate");
                body.truncate(cut);
                body.extend([0, 0, 9]);
                let array = array(body);
                body[array + 1..array + 5].copy_from_slice(&[0, 0, 0, 4]);
            },
        ),
        fault(
            "amf3-no-format-byte",
            &["amf3-format-byte-missing"],
            Base::OwnAmf3,
            Ends,
            "type 17 bodies have no format byte",
            |s| {
                s.sent(CLIENT, 0)
                    .filter(|message| message.type_id == 17)
                    .for_each(|message| _ = message.body.remove(0));
                unanswered(s, |message| message.type_id == 17);
            },
        ),
        fault(
            "amf0-format-byte",
            &["amf0-extra-format-byte"],
            Base::Own,
            Ends,
            "type 20 bodies have a format byte",
            |s| {
                s.sent(CLIENT, 0).filter(|message| message.type_id == 20).for_each(|message| message.body.insert(0, 0));
                unanswered(s, |message| message.type_id == 20);
            },
        ),
        fault(
            "amf3-not-negotiated",
            &["amf3-not-negotiated"],
            Base::Own,
            GoesOn,
            "commands after connect have type 17, which was not negotiated",
            |s| {
                let after = s.command("releaseStream");
                s.sent(CLIENT, after).filter(|message| message.type_id == 20).for_each(|message| {
                    message.type_id = 17;
                    message.body.insert(0, 0);
                });
            },
        ),
        fault(
            "unterminated",
            &["amf-object-unterminated"],
            Base::Own,
            GoesOn,
            "connect's object has no end, which nginx takes",
            |s| {
                body(s, "connect", |body| body.truncate(body.len() - 3));
            },
        ),
        fault(
            "unterminated-silent",
            &["amf-object-unterminated"],
            Base::Pinged,
            Ends,
            "connect's object has no end, and the server waits for it",
            |s| {
                body(s, "connect", |body| body.truncate(body.len() - 3));
                unanswered(s, |message| message.is_command("connect"));
            },
        ),
        fault(
            "unterminated-metadata",
            &["amf-object-unterminated"],
            Base::Ffmpeg,
            GoesOn,
            "the metadata's array has no end",
            |s| {
                data(s, |body| body.truncate(body.len() - 3));
            },
        ),
        fault("end-is-09", &["amf-end-only-09"], Base::Own, Ends, "connect's object ends in 09 alone", |s| {
            body(s, "connect", |body| _ = body.drain(body.len() - 3..body.len() - 1));
            unanswered(s, |message| message.is_command("connect"));
        }),
        fault(
            "ecma-count-0",
            &["amf-ecma-count"],
            Base::Own,
            GoesOn,
            "the metadata's array says it has 0 entries",
            |s| count(s, 0),
        ),
        fault(
            "ecma-count-99",
            &["amf-ecma-count"],
            Base::Ffmpeg,
            GoesOn,
            "the metadata's array says it has 99 entries",
            |s| count(s, 99),
        ),
        fault(
            "strlen-little-endian",
            &["amf-strlen-endian"],
            Base::Own,
            Ends,
            "the length of 'connect' is little-endian",
            |s| {
                let at = s.command("connect");
                s.message(at).body[1..3].reverse();
                s.closed(at);
            },
        ),
        fault(
            "strlen-little-endian-data",
            &["amf-strlen-endian"],
            Base::Own,
            GoesOn,
            "the length of '@setDataFrame' is little-endian",
            |s| {
                data(s, |body| body[1..3].reverse());
            },
        ),
        fault(
            "strlen-of-4-bytes",
            &["amf-strlen-width"],
            Base::Own,
            Ends,
            "the length of 'createStream' has four bytes",
            |s| {
                let at = s.command("createStream");
                s.message(at).body.splice(1..1, [0, 0]);
                s.closed(at);
            },
        ),
        fault(
            "nul-after",
            &["amf-nul-after"],
            Base::Own,
            Ends,
            "each string of publish is followed by a NUL that its length does not count",
            |s| {
                let at = s.command("publish");
                let body = &mut s.message(at).body;
                let mut value = 0;
                while let Some(&marker) = body.get(value) {
                    value += match marker {
                        0 => 9,
                        2 => {
                            let length = usize::from(u16::from_be_bytes([body[value + 1], body[value + 2]]));
                            body.insert(value + 3 + length, 0);
                            length + 4
                        }
                        _ => 1,
                    };
                }
                s.closed(at);
            },
        ),
        fault(
            "name-marker",
            &["amf-name-marker"],
            Base::Own,
            Ends,
            "the names of connect's properties begin with the marker of strings",
            |s| {
                let at = s.command("connect");
                let properties = [("app", amf0::string("live")), ("tcUrl", amf0::string("rtmp://192.0.2.2/live"))];
                let pairs = properties.iter().map(|(name, value)| [amf0::string(name), value.clone()].concat());
                let object = [vec![3], pairs.collect::<Vec<_>>().concat(), END.to_vec()].concat();
                s.message(at).body = [amf0::string("connect"), amf0::number(1.0), object].concat();
                s.closed(at);
            },
        ),
        fault(
            "number-as-float",
            &["amf-value-form"],
            Base::Own,
            Ends,
            "the transaction id of createStream is a float of four bytes",
            |s| {
                let at = s.command("createStream");
                let id: [u8; 8] = s.message(at).body[16..24].try_into().expect("eight bytes");
                let float = (f64::from_be_bytes(id) as f32).to_be_bytes();
                s.message(at).body.splice(16..24, float);
                s.closed(at);
            },
        ),
        fault(
            "end-missing",
            &["amf-end-missing"],
            Base::Ffmpeg,
            GoesOn,
            "the first object of connect's _result has no end marker",
            |s| {
                let at = s.find(|message| message.body.starts_with(&amf0::string("_result")));
                let body = &mut s.message(at).body;
                let end = body.windows(3).position(|part| part == END).expect("an end");
                body.drain(end..end + 3);
            },
        ),
        fault(
            "through-text",
            &["amf-through-text"],
            Base::Own,
            Ends,
            "the bytes of connect went through a text in UTF-8",
            |s| {
                let at = s.command("connect");
                let text: String = s.message(at).body.iter().map(|&byte| char::from(byte)).collect();
                s.message(at).body = text.into_bytes();
                s.closed(at);
            },
        ),
        fault(
            "strlen-in-characters",
            &["amf-strlen-chars"],
            Base::Own,
            Ends,
            "the name 'pär' has 4 bytes, its length says 3",
            |s| {
                let at = s.command("publish");
                s.replace(at, b"\x02\0\x04pair", b"\x02\0\x03p\xc3\xa4r");
                s.silence(at);
            },
        ),
        fault(
            "strlen-counts-nul",
            &["amf-strlen-nul"],
            Base::Own,
            GoesOn,
            "the stream's name ends in a counted NUL",
            |s| {
                let at = s.command("publish");
                s.replace(at, b"\x02\0\x04pair", b"\x02\0\x05pair\0");
            },
        ),
        fault("key-counts-nul", &["amf-strlen-nul"], Base::Pinged, Ends, "the key 'app' ends in a counted NUL", |s| {
            let at = s.command("connect");
            s.replace(at, b"\0\x03app", b"\0\x04app\0");
            s.silence(at);
        }),
        fault(
            "number-little-endian",
            &["amf-double-endian"],
            Base::Own,
            GoesOn,
            "publish's transaction id is little-endian",
            |s| {
                body(s, "publish", |body| body[11..19].reverse());
            },
        ),
        fault(
            "numbers-little-endian",
            &["amf-double-endian"],
            Base::Ffmpeg,
            GoesOn,
            "deleteStream's numbers are little-endian",
            |s| {
                body(s, "deleteStream", |body| {
                    let end = body.len();
                    body[end - 8..].reverse();
                    body[16..24].reverse();
                });
            },
        ),
        fault(
            "string-over-64k",
            &["amf-string-64k"],
            Base::Ffmpeg,
            Ends,
            "a string of 65540 bytes has the length 4",
            |s| {
                let at = s.find(is_data);
                data(s, |body| {
                    let text = [&b"\0\x07comment\x02\0\x04"[..], &[b'x'; 65_540], &END].concat();
                    body.splice(body.len() - 3.., text);
                });
                s.closed(at);
            },
        ),
        fault("strict-array", &["amf-type-unsupported"], Base::Own, GoesOn, "connect has a strict array", |s| {
            body(s, "connect", |body| {
                let list = [&b"\0\x0afourCcList\x0a\0\0\0\x01\x02\0\x04avc1"[..], &END].concat();
                body.splice(body.len() - 3.., list);
            });
        }),
        fault(
            "metadata-object",
            &["meta-not-ecma"],
            Base::Own,
            GoesOn,
            "the metadata is an object, no ECMA array",
            |s| {
                data(s, |body| {
                    let at = array(body);
                    body.splice(at..at + 5, [3]);
                });
            },
        ),
    ]
}

/// Changes the body of a command.
fn body(session: &mut Recording, command: &str, change: fn(&mut Vec<u8>)) {
    let at = session.command(command);
    change(&mut session.message(at).body);
}

/// Changes the body of the metadata.
fn data(session: &mut Recording, change: fn(&mut Vec<u8>)) {
    let at = session.find(is_data);
    change(&mut session.message(at).body);
}

/// The metadata's array has another count.
fn count(session: &mut Recording, count: u8) {
    let at = session.find(is_data);
    let body = &mut session.message(at).body;
    let array = array(body);
    assert_ne!(body[array + 4], count);
    body[array + 4] = count;
}

/// Where the metadata's array begins: after two strings.
fn array(body: &[u8]) -> usize {
    let at = [&b"\x02\0\x0d"[..], b"@setDataFrame", b"\x02\0\x0a", b"onMetaData"].concat().len();
    assert_eq!(body[at], 8);
    at
}

/// The server does not answer the first message that `is`.
fn unanswered(session: &mut Recording, is: fn(&Message) -> bool) {
    let at = session.find(is);
    session.silence(at);
}
