//! Which answer belongs to which call: in real captures, and in sessions of which the capture lacks something.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use crate::kit::{Session, amf0, handshake, message};
use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Row, Rows, Selection};
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::session::{Answers, By, Direction, Event, Observer, Options, Outcome};
use rtmp_inspect::tcp::ConnectionId;
use serde_json::Value;

/// An ffmpeg publisher and an rtmpdump player. The times are differences of `frame.time_epoch`, as
/// `tshark -T fields -e frame.number -e frame.time_epoch` prints it.
#[test]
fn a_publisher_and_a_player() {
    let expected = [
        (0, 25, "connect", 21, "0.043989000", "transaction"), // ….126874 - ….082885
        (0, 31, "createStream", 29, "0.000124000", "transaction"), // ….175011 - ….174887
        (0, 36, "publish", 34, "0.000162000", "status"),      // ….219034 - ….218872
        (1, 117, "connect", 105, "0.041411000", "transaction"), // ….506884 - ….465473
        (1, 124, "createStream", 121, "0.000524000", "transaction"), // ….507578 - ….507054
        (1, 139, "play", 125, "0.048009000", "status"),       // ….558852 - ….510843
    ];
    let rows = rows(&read("captures/a/rtmpdump_play_live.pcap"));
    let found: Vec<_> = rows
        .iter()
        .filter(|row| row.get("answers").is_some())
        .map(|row| {
            let answers = &row["answers"];
            let text = |key: &str| answers[key].as_str().expect("text");
            let number = |value: &Value| value.as_u64().expect("a number");
            let (stream, frame, call) = (number(&row["tcp_stream"]), number(&row["frame"]), number(&answers["frame"]));
            (stream, frame, text("command"), call, text("response_time"), text("by"))
        })
        .collect();
    assert_eq!(found, expected);

    // The same links from the other end.
    let answers = observe(&read("captures/a/rtmpdump_play_live.pcap"), Answers::default());
    assert_eq!((answers.len(), answers.left_out()), (6, 0));
    for (stream, frame, _, call, _, by) in expected {
        let offset = rows.iter().filter(|row| row["frame"] == call && row["tcp_stream"] == stream);
        let replies: Vec<_> = offset
            .filter_map(|row| {
                let offset = row["offset"].as_u64().expect("an offset");
                let id = ConnectionId(stream.try_into().expect("small"));
                answers.to(id, Direction::ClientToServer, offset)
            })
            .filter_map(|outcome| match outcome {
                Outcome::Answered(reply) => Some((reply.frame.0, reply.by == By::Status)),
                Outcome::Unanswered => None,
            })
            .collect();
        assert_eq!(replies, [(frame, by == "status")]);
    }
}

#[test]
fn no_capture_has_a_wrong_answer() {
    let mut answers = 0;
    for path in captures() {
        let rows = rows(&std::fs::read(&path).expect("readable"));
        assert_eq!(wrong(&rows), Vec::<String>::new(), "{}", path.display());
        answers += rows.iter().filter(|row| row.get("answers").is_some()).count();
    }
    assert!(answers > 250, "only {answers} answers");
}

/// Frames 1 to 3 open, 4 and 5 are C0+C1, 6 to 8 are S0+S1+S2, 9 and 10 are C2; 11 is `connect`, 12 its answer,
/// 13 `createStream`, 14 its answer.
fn session() -> Session {
    let [client, server, echo] = handshake();
    let session = Session::new().client(&client).server(&server).client(&echo);
    let session = session.client(&command("connect", 1.0)).server(&command("_result", 1.0));
    session.client(&command("createStream", 2.0)).server(&command("_result", 2.0))
}

fn command(name: &str, id: f64) -> Vec<u8> {
    message(3, 20, 0, &[amf0::string(name), amf0::number(id), amf0::null()].concat())
}

#[test]
fn answers_that_are_wrong() {
    let wrong_of = |session: Session| wrong(&rows(&session.close().pcap()));
    assert_eq!(wrong_of(session()), Vec::<String>::new());
    assert_eq!(wrong_of(session().server(&command("_result", 2.0))), ["15 answered-twice"]);
    assert_eq!(wrong_of(session().server(&command("_error", 3.0))), ["15 answer-without-call"]);
    assert_eq!(wrong_of(session().client(&command("_result", 2.0))), ["15 answer-wrong-direction"]);
}

#[test]
fn where_the_capture_lacks_the_call_nothing_is_said() {
    let none = Vec::<String>::new();
    let ends_wrong = || session().server(&command("_result", 9.0));
    assert_eq!(wrong(&rows(&ends_wrong().close().pcap())), ["15 answer-without-call"]);
    // `createStream` is lost, and only its answer's acknowledgement tells so when that is read.
    assert_eq!(wrong(&rows(&session().drop(13).pcap())), none);
    // What comes after the lost call is held back, and is longer than it.
    let more = session().client(&command("aCommandWithAVeryLongNameThatIsLongerThanTheLostOne", 0.0));
    assert_eq!(wrong(&rows(&more.clone().delay(15, 14).drop(13).pcap())), none);
    // The answer was written before its call.
    assert_eq!(wrong(&rows(&session().delay(13, 14).close().pcap())), none);
    // The capture begins late.
    assert_eq!(wrong(&rows(&ends_wrong().skip(11).close().pcap())), none);
    // A hole of long ago.
    assert_eq!(wrong(&rows(&ends_wrong().drop(11).close().pcap())), none);
}

/// The frame of each answer, the command that it answers, and whether another one could be meant.
fn answered(rows: &[Value]) -> Vec<(u64, String, bool)> {
    let answers = rows.iter().filter(|row| row.get("answers").is_some());
    let of = |row: &Value| {
        let answers = &row["answers"];
        let command = answers["command"].as_str().expect("a name").to_owned();
        (row["frame"].as_u64().expect("a number"), command, answers.get("doubt").is_some())
    };
    answers.map(of).collect()
}

/// RTMP 1.0 7.2: an answer has the transaction id of its call. With one id for two open calls, the older is answered
/// first, and that is not certain; of the last one it is.
#[test]
fn of_two_calls_with_one_id_the_older_is_answered_first() {
    let open = session().client(&command("first", 5.0)).client(&command("second", 5.0));
    let both = open.clone().server(&command("_result", 5.0)).server(&command("_result", 5.0));
    let found = answered(&rows(&both.clone().close().pcap()));
    assert_eq!(found[2..], [(17, "first".to_owned(), true), (18, "second".to_owned(), false)]);
    // With ids of their own the order of the answers is free.
    let apart = session().client(&command("first", 5.0)).client(&command("second", 6.0));
    let apart = apart.server(&command("_result", 6.0)).server(&command("_error", 5.0));
    let found = answered(&rows(&apart.close().pcap()));
    assert_eq!(found[2..], [(17, "second".to_owned(), false), (18, "first".to_owned(), false)]);
    // A third answer is one too many.
    let third = both.server(&command("_result", 5.0));
    assert_eq!(wrong(&rows(&third.close().pcap())), ["19 answered-twice"]);
    // One id in each direction: each side's call is answered by the other side.
    let mutual = session().client(&command("first", 5.0)).server(&command("second", 5.0));
    let mutual = mutual.client(&command("_result", 5.0)).server(&command("_result", 5.0));
    let found = answered(&rows(&mutual.close().pcap()));
    assert_eq!(found[2..], [(17, "second".to_owned(), false), (18, "first".to_owned(), false)]);
}

/// A call that its sender gives up with Abort Message (RTMP 1.0 5.4.2) was not made. Frame 15 holds its first chunk, 16
/// the Abort Message, 17 the rest.
#[test]
fn a_call_that_is_aborted_has_no_answer() {
    let call = message(3, 20, 0, &[amf0::string("first"), amf0::number(5.0), amf0::string(&"x".repeat(200))].concat());
    let (begun, rest) = call.split_at(12 + 128);
    let abort = |chunk_stream: u32| message(2, 2, 0, &chunk_stream.to_be_bytes());
    let aborted = session().client(begun).client(&abort(3)).server(&command("_result", 5.0));
    assert_eq!(answered(&rows(&aborted.close().pcap())).len(), 2);
    // An Abort Message for another chunk stream gives up nothing of it.
    let made = session().client(begun).client(&abort(4)).client(rest).server(&command("_result", 5.0));
    let found = answered(&rows(&made.close().pcap()));
    assert_eq!(found[2..], [(18, "first".to_owned(), false)]);
}

/// What is remembered of answered calls is bounded: up to the bound nothing is forgotten, and beyond it nothing is said.
#[test]
fn what_is_remembered_of_calls_is_bounded() {
    const MOST: u32 = 4096;
    let after = |calls: u32| {
        // Two of them are those of every session here.
        let ids: Vec<_> = (10..8 + calls).collect();
        let all = ids.chunks(1000).fold(session(), |session, ids| {
            let of = |name: &str| ids.iter().flat_map(|&id| command(name, f64::from(id))).collect::<Vec<_>>();
            session.client(&of("call")).server(&of("_result"))
        });
        let rows = rows(&all.server(&command("_result", 1e6)).close().pcap());
        assert_eq!(answered(&rows).len(), calls as usize);
        wrong(&rows).len()
    };
    assert_eq!((after(MOST), after(MOST + 1)), (1, 0));
}

fn rows(file: &[u8]) -> Vec<Value> {
    let mut rows = Vec::new();
    let keep = |row: &Row<'_>, _: &Event<'_>| rows.push(serde_json::to_value(row).expect("JSON"));
    observe(file, Rows::new(Selection::default(), keep));
    rows
}

fn observe<O: Observer>(file: &[u8], observer: O) -> O {
    let mut capture = Capture::open(Cursor::new(file.to_vec()), capture::Limits::default()).expect("a capture");
    let limits = pipeline::Limits::default();
    pipeline::run(&mut capture, limits, Options::default(), observer, &mut Silent).expect("readable").0
}

/// Frame and code of each answer that is called wrong.
fn wrong(rows: &[Value]) -> Vec<String> {
    let codes = |row: &Value| {
        let defects = row["defects"].as_array().cloned().unwrap_or_default();
        let codes = defects.iter().map(|defect| defect["code"].as_str().expect("a code").to_owned());
        let frame = row["frame"].clone();
        codes.filter(|code| code.starts_with("answer")).map(move |code| format!("{frame} {code}")).collect::<Vec<_>>()
    };
    rows.iter().flat_map(codes).collect()
}

struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}
    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}

fn read(capture: &str) -> Vec<u8> {
    std::fs::read(testdata().join(capture)).expect("readable")
}

fn captures() -> Vec<PathBuf> {
    let folders = testdata().join("captures").read_dir().expect("in the repository");
    let folders = folders.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| folder.read_dir().expect("readable"));
    files.map(|entry| entry.expect("readable").path()).filter(|path| path.to_string_lossy().contains(".pcap")).collect()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
