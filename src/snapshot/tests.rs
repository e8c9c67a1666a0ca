//! Lines written by hand, read and written again.

use std::sync::LazyLock;

use super::*;
use crate::compare::{Comparison, name_all};
use crate::diff::{self, Verdict};
use crate::recording::{Content, Recording};
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
    let Content::Handshake { bytes, facts, .. } = &session.items[0].content else { panic!("a handshake") };
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
    let names: Vec<_> = name_all(&session.items).into_iter().map(|named| named.name).collect();
    assert_eq!(names, ["C0+C1", "publish", "video keyframe", "audio data"]);
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
    static AGAIN: LazyLock<String> = LazyLock::new(|| "write it anew with rtmp-inspect snapshot".to_owned());
    let of = |line: String| lines(&[line]).expect_err("it is wrong").to_string();
    assert_eq!(
        of(message(20, "\"body\":\"0g\"")),
        format!("line 2, key 'body': is no bytes in hex: Invalid character 'g' at position 1; {}", *AGAIN)
    );
    assert_eq!(
        of(message(9, "\"head\":\"17\"")),
        format!("line 2, key 'length': is missing, and head is not the whole body; {}", *AGAIN)
    );
    assert_eq!(
        of(message(9, "\"head\":\"17\",\"body\":\"17\"")),
        format!("line 2, key 'head': stands beside body; one of them has to go; {}", *AGAIN)
    );
    assert_eq!(
        of(message(20, "\"body\":\"\",\"colour\":1")),
        "line 2, key 'colour': is no key that stands here; correct it, or read it with a newer rtmp-inspect"
    );
    assert_eq!(read(b"").expect_err("empty").line, 1);
    assert_eq!(read(&[0xff, b'\n']).expect_err("no text").to_string(), format!("line 1: is no UTF-8; {}", *AGAIN));
    let twice = header(3) + "\n" + &command("publish", 5.0, "x") + "\n";
    assert_eq!(
        read(twice.as_bytes()).expect_err("one is missing").to_string(),
        format!("line 2: connection 0 has 1 messages up to here, and 3 by the header; {}", *AGAIN)
    );
}

#[test]
fn a_placeholder_stands_for_one_name_throughout() {
    let names = |release: &str, publish: &str| {
        lines(&[command("releaseStream", 2.0, release), command("publish", 5.0, publish)]).expect("a snapshot")
    };
    let snapshot = names("<stream-key-1>", "<stream-key-1>");
    let verdict = |b: &Recording| diff::diff(&snapshot, b, &diff::Options::default()).verdict;
    assert_eq!(verdict(&names("one", "one")), Verdict::Equivalent);
    assert_eq!(verdict(&names("one", "two")), Verdict::Different);
    let other = names("one", "two");
    let comparison = Comparison::new(&snapshot.sessions[0], &other.sessions[0], &Default::default());
    let open: Vec<_> = comparison.open().map(|index| &comparison.mismatches[index].path[..]).collect();
    assert_eq!(open, ["publish.name"]);
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
