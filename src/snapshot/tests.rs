//! Lines written by hand, read and written again.

use super::*;
use crate::compare::{Comparison, identify_all};
use crate::recording::{EventKind, Recording};
use crate::rtmp::message::Ending;

/// A header for one publishing connection with so many messages.
fn header(messages: usize) -> String {
    format!(
        "{{\"kind\":\"header\",\"format\":\"rtmp-inspect snapshot\",\"format_version\":1,\"capture\":\"a.pcap\",\
         \"payload\":\"sha256\",\"normalised\":[],\"connections\":[{{\"connection\":0,\"app\":\"live\",\
         \"activities\":[{{\"what\":\"publish\",\"stream\":\"<stream-key-1>\"}}],\"messages\":{messages}}}]}}"
    )
}

/// A line of the client's; `rest` is keys and values.
fn line(rest: &str) -> String {
    format!("{{\"connection\":0,\"direction\":\"c2s\",{rest}}}")
}

fn message(type_id: u8, rest: &str) -> String {
    line(&format!("\"kind\":\"message\",\"type_id\":{type_id},\"csid\":3,\"message_stream_id\":1,{rest}"))
}

fn lines(lines: &[String]) -> Result<Recording, Error> {
    let all = [&[header(lines.len())], lines].concat();
    read((all.join("\n") + "\n").as_bytes())
}

/// A command of a name, a transaction id, null and a string.
fn command(name: &str, id: f64, argument: &str) -> String {
    let string = |text: &str| [&[2, 0, text.len() as u8], text.as_bytes()].concat();
    let body = [string(name), vec![0], id.to_be_bytes().to_vec(), vec![5], string(argument)].concat();
    message(20, &format!("\"body\":\"{}\"", hex::encode(body)))
}

#[test]
fn what_a_line_says_is_read() {
    let recording = lines(&[
        line(
            "\"kind\":\"handshake\",\"message\":\"C0+C1\",\"version\":3,\"scheme\":\"simple\",\"software\":\"00000000\"",
        ),
        command("publish", 5.0, "<stream-key-1>"),
        message(9, "\"timestamp\":40,\"length\":100,\"head\":\"1701000000\",\"detail\":\"keyframe H.264\",\
                    \"body_sha256\":\"00112233445566778899aabbccddeeff00000000000000000000000000000000\""),
        message(8, "\"timestamp\":0,\"ending\":\"cut\",\"length\":9,\"body\":\"af00\",\"defects\":[\"cut\"]"),
    ])
    .expect("a snapshot");
    let session = &recording.sessions[0];
    assert!(session.is_snapshot);
    assert_eq!(session.stream.app.as_deref(), Some("live"));
    let EventKind::Handshake { bytes, facts, .. } = &session.items[0].content else { panic!("a handshake") };
    assert_eq!((bytes.len(), bytes[0], facts.version), (1537, 3, Some(3)));
    // Lines count from 1, and the header is the first.
    assert_eq!((session.items[1].number, &session.items[1].info[..]), (3, "publish('<stream-key-1>')"));
    let picture = session.items[2].message().expect("a message");
    assert_eq!((picture.header.timestamp, picture.header.length, picture.is_whole()), (Some(40), 100, false));
    assert_eq!(picture.hash, 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    assert_eq!((picture.fmt, picture.chunks), (None, None));
    let cut = session.items[3].message().expect("a message");
    assert_eq!((cut.ending, cut.header.length, &cut.body[..]), (Ending::Cut, 9, &[0xaf, 0][..]));
    assert_eq!(session.items[3].defects[0].code, "cut");
    let names: Vec<_> = identify_all(&session.items).into_iter().map(|named| named.name).collect();
    assert_eq!(names, ["C0+C1", "publish", "video keyframe", "audio config"]);
}

#[test]
fn what_was_read_is_written_as_it_was() {
    let read_once = lines(&[command("publish", 5.0, "<stream-key-1>")]).expect("a snapshot");
    let options = Options { name: "a.pcap".to_owned(), payload: Payload::Sha256 };
    let written = write(&read_once, &options);
    assert!(written.contains("\"publish.name\":\"String '<stream-key-1>'\""), "{written}");
    assert_eq!(write(&read(written.as_bytes()).expect("a snapshot"), &options), written);
}

#[test]
fn an_error_says_where_it_is_and_what_to_do() {
    const AGAIN: &str = "write it again with rtmp-inspect snapshot";
    let of = |line: String| lines(&[line]).expect_err("it is wrong").to_string();
    assert_eq!(
        of(message(20, "\"body\":\"0g\"")),
        format!("line 2, key 'body': is not bytes in hex: Invalid character 'g' at position 1; {}", AGAIN)
    );
    assert_eq!(
        of(message(9, "\"head\":\"17\"")),
        format!("line 2, key 'length': is missing, and head is not the whole body; {}", AGAIN)
    );
    assert_eq!(
        of(message(9, "\"head\":\"17\",\"body\":\"17\"")),
        format!("line 2, key 'head': is there together with body; remove one of them; {}", AGAIN)
    );
    assert_eq!(
        of(message(20, "\"body\":\"\",\"colour\":1")),
        "line 2, key 'colour': is not a known key here; correct it, or read it with a newer rtmp-inspect"
    );
    assert_eq!(read(b"").expect_err("empty").line, 1);
    assert_eq!(read(&[0xff, b'\n']).expect_err("no text").to_string(), format!("line 1: is not UTF-8; {}", AGAIN));
    let twice = header(3) + "\n" + &command("publish", 5.0, "x") + "\n";
    assert_eq!(
        read(twice.as_bytes()).expect_err("one is missing").to_string(),
        format!("line 2: connection 0 has 1 message up to here, but 3 according to the header; {}", AGAIN)
    );
}

#[test]
fn a_servers_message_stands_behind_the_call_that_it_answers_next() {
    let server = |rest: &str| message(20, rest).replace("c2s", "s2c");
    let body = "\"body\":\"\"";
    // As a capture may have them: the server's second message comes when the client is two calls on.
    let mut recording = lines(&[
        message(20, body),
        message(20, body),
        server(body),
        server(body),
        message(20, body),
        server(body),
        server(body),
    ])
    .expect("a snapshot");
    let session = &mut recording.sessions[0];
    // Client: 0 at offset 10, 1 at 20, 4 at 30. Of the server, 3 answers 0 and 5 answers 1.
    for (index, start) in [(0, 10), (1, 20), (4, 30)] {
        session.items[index].at = start..start + 10;
    }
    session.items[3].answers = Some(10);
    session.items[5].answers = Some(20);
    let all: Vec<usize> = (0..7).collect();
    assert_eq!(order::dialogue(session, &all), [0, 2, 3, 1, 5, 6, 4]);
    // Without answers the server's come first, in their order.
    session.items.iter_mut().for_each(|item| item.answers = None);
    assert_eq!(order::dialogue(session, &all), [2, 3, 5, 6, 0, 1, 4]);
}

#[test]
fn values_that_vary_give_way_to_placeholders_and_nothing_else_changes() {
    // connect, 1, { app: live, tcUrl: rtmp://10.0.0.1:1935/live, clientid: 7 } and a string that ends too early.
    let text = |text: &str| [&[0, text.len() as u8], text.as_bytes()].concat();
    let string = |value: &str| [vec![2], text(value)].concat();
    let body = |url: Vec<u8>, id: Vec<u8>| {
        let number = |value: f64| [&[0], &value.to_be_bytes()[..]].concat();
        [
            string("connect"),
            number(1.0),
            [vec![3], text("app"), string("live"), text("tcUrl"), url, text("clientid"), id, vec![0, 0, 9]].concat(),
            vec![2, 0, 9, b'x'],
        ]
        .concat()
    };
    let number = [&[0], &7f64.to_be_bytes()[..]].concat();
    let was = body(string("rtmp://10.0.0.1:1935/live"), number);
    let mut recording = lines(&[message(20, &format!("\"body\":\"{}\"", hex::encode(was)))]).expect("a snapshot");
    recording.sessions[0].is_snapshot = false;
    recording.sessions[0].stream.tc_url = Some("rtmp://10.0.0.1:1935/live".to_owned());
    let written = write(&recording, &Options::default());
    let now = body(string("rtmp://<host>/live"), string("<client-id:number>"));
    assert!(written.contains(&format!("\"body\":\"{}\"", hex::encode(now))), "{written}");
}

#[test]
fn a_placeholder_stands_for_one_name_throughout() {
    let names = |release: &str, publish: &str| {
        lines(&[command("releaseStream", 2.0, release), command("publish", 5.0, publish)]).expect("a snapshot")
    };
    let snapshot = names("<stream-key-1>", "<stream-key-1>");
    let open = |other: Recording| -> Vec<String> {
        let comparison = Comparison::new(&snapshot.sessions[0], &other.sessions[0], &Default::default());
        comparison.open().map(|index| comparison.mismatches[index].path.to_string()).collect()
    };
    assert!(open(names("one", "one")).is_empty());
    assert_eq!(open(names("one", "two")), ["publish.name"]);
}

#[test]
fn hostile_lines_do_not_panic() {
    let bodies = ["", "00", "02ffff", "0200", "11", "1100", "0a0bff", "ff"];
    for type_id in 0..=22 {
        for body in bodies {
            for end in ["", ",\"length\":16777215", ",\"timestamp\":4294967295"] {
                let recording = lines(&[message(type_id, &format!("\"body\":\"{body}\"{end}"))]).expect("a snapshot");
                let options = Options { name: String::new(), payload: Payload::Sha256 };
                let written = write(&recording, &options);
                read(written.as_bytes()).expect("what was written can be read");
            }
        }
    }
}

/// Only a newer format needs a newer program.
#[test]
fn another_version_of_the_format_is_refused_with_what_to_do() {
    let read_with = |version: u64| {
        let header = header(0).replace("\"format_version\":1", &format!("\"format_version\":{version}"));
        read((header + "\n").as_bytes())
    };
    assert!(read_with(1).is_ok());
    for (version, todo) in [(0, "write it again"), (2, "newer rtmp-inspect"), (u64::MAX, "newer rtmp-inspect")] {
        let error = read_with(version).expect_err("another version").to_string();
        assert!(error.contains("line 1, key 'format_version'"), "{error}");
        assert!(error.contains(&format!("is {version}, and this program reads 1")), "{error}");
        assert!(error.contains(todo), "{version}: {error}");
    }
}

/// Each key of the header: what it may be, and what it may not.
#[test]
fn the_header_is_read_key_by_key() {
    let cases = [
        ("\"payload\":\"sha256\"", "\"payload\":\"full\"", None),
        ("\"payload\":\"sha256\"", "\"payload\":\"\"", Some("key 'payload'")),
        ("\"kind\":\"header\"", "\"kind\":\"message\"", Some("key 'kind'")),
        ("\"format\":\"rtmp-inspect snapshot\"", "\"format\":\"rtmp-inspect\"", Some("key 'format'")),
        ("\"normalised\":[]", "\"normalised\":[1]", Some("key 'normalised'")),
        ("\"connection\":0", "\"connection\":1", Some("key 'connections[0].connection'")),
        ("\"messages\":0", "\"messages\":-1", Some("key 'connections[0].messages'")),
        ("\"messages\":0", "\"messages\":1", Some("has 0 messages up to here, but 1 according to the header")),
        ("\"messages\":0", "\"ended_by\":\"client\",\"messages\":0", None),
        ("\"messages\":0", "\"ended_by\":\"nobody\",\"messages\":0", Some("key 'connections[0].ended_by'")),
        ("\"messages\":0", "\"begins_late\":[\"s2c\"],\"messages\":0", None),
        ("\"messages\":0", "\"begins_late\":[\"both\"],\"messages\":0", Some("key 'connections[0].begins_late'")),
        ("\"messages\":0", "\"not_captured\":[\"c2s\",\"s2c\"],\"messages\":0", None),
        ("\"messages\":0", "\"not_captured\":\"c2s\",\"messages\":0", Some("key 'connections[0].not_captured'")),
        ("\"messages\":0", "\"messages\":0,\"x\":0", Some("key 'connections[0].x'")),
        ("\"what\":\"publish\"", "\"what\":\"play\"", None),
        ("\"what\":\"publish\"", "\"what\":\"record\"", Some("key 'connections[0].activities[0].what'")),
    ];
    for (from, to, says) in cases {
        assert!(header(0).contains(from), "{from}");
        let result = read((header(0).replacen(from, to, 1) + "\n").as_bytes());
        match (says, result) {
            (None, Ok(_)) => {}
            (Some(says), Err(error)) => {
                let error = error.to_string();
                assert!(error.contains("line 1") && error.contains(says), "{to}: {error}");
            }
            (_, result) => panic!("{to}: {:?}", result.map(|_| "read").map_err(|error| error.to_string())),
        }
    }
}

/// Lengths are 24 bits on the wire, and a body with placeholders may be longer: bounds are those of 32 bits.
#[test]
fn a_body_may_be_longer_than_16_mib() {
    let length = |length: u64| {
        lines(&[message(
            9,
            &format!(
                "\"timestamp\":0,\"length\":{length},\"head\":\"1701000000\",\"body_sha256\":\"{}\"",
                "00".repeat(32)
            ),
        )])
    };
    for fits in [5, 0xff_ffff, 0x100_0000, u64::from(u32::MAX)] {
        let recording = length(fits).expect("a snapshot");
        let kept = recording.sessions[0].items[0].message().expect("a message");
        assert_eq!(u64::from(kept.header.length), fits);
        let options = Options { name: "a.pcap".to_owned(), payload: Payload::Sha256 };
        assert!(write(&recording, &options).contains(&format!("\"length\":{fits}")));
    }
    assert!(length(1 << 32).is_err());
}
