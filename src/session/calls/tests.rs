//! Dialogues, told line by line.

use super::*;
use Direction::{ClientToServer as C, ServerToClient as S};

/// A dialogue: each command is in a frame of its own, from 1, and comes a millisecond after the one before.
#[derive(Default)]
struct Dialogue {
    calls: Transactions,
    frame: u64,
}

impl Dialogue {
    fn say(
        &mut self,
        direction: Direction,
        name: &str,
        id: impl Into<Option<f64>>,
        stream: u32,
    ) -> Option<TransactionOutcome> {
        self.say_code(direction, name, id, stream, None)
    }

    fn status(&mut self, code: &str, stream: u32) -> Option<TransactionOutcome> {
        self.say_code(S, "onStatus", 0.0, stream, Some(code))
    }

    fn say_code(
        &mut self,
        direction: Direction,
        name: &str,
        id: impl Into<Option<f64>>,
        stream: u32,
        code: Option<&str>,
    ) -> Option<TransactionOutcome> {
        self.frame += 1;
        self.calls.hear(&CommandMessage {
            direction,
            name,
            id: id.into(),
            stream: Some(MessageStreamId(stream)),
            code: code.map(|code| Str(code.as_bytes())),
            is_error: code.is_some_and(|code| code.ends_with("BadName")),
            offset: self.frame * 100,
            first_frame: FrameNo(self.frame),
            frame: FrameNo(self.frame),
            time: Time(self.frame as i64 * 1_000_000),
            is_all_known: true,
        })
    }
}

fn answer(heard: Option<TransactionOutcome>) -> Response {
    match heard {
        Some(TransactionOutcome::Response(answer)) => answer,
        other => panic!("no answer: {other:?}"),
    }
}

/// The frame of the call that is answered, and how that is known.
fn link(heard: Option<TransactionOutcome>) -> (u64, By) {
    let answer = answer(heard);
    assert_eq!(answer.doubt, None);
    (answer.call.frame.0, answer.by)
}

fn code(heard: Option<TransactionOutcome>) -> &'static str {
    match heard {
        Some(TransactionOutcome::Wrong(defect)) => defect.code,
        other => panic!("nothing wrong: {other:?}"),
    }
}

#[test]
fn a_publisher_s_session() {
    let mut all = Dialogue::default();
    assert_eq!(all.say(C, "connect", 1.0, 0), None);
    assert_eq!(link(all.say(S, "_result", 1.0, 0)), (1, By::Transaction));
    all.say(S, "onBWDone", 0.0, 0);
    all.say(C, "releaseStream", 2.0, 0);
    all.say(C, "FCPublish", 3.0, 0);
    all.say(C, "createStream", 4.0, 0);
    let created = answer(all.say(S, "_result", 4.0, 0));
    assert_eq!(created.to_string(), "answers createStream (frame 6, 1.000 ms)");
    let json = r#"{"frame":6,"first_frame":6,"command":"createStream","transaction_id":4,"response_time":"0.001000000","by":"transaction"}"#;
    assert_eq!(serde_json::to_string(&created).unwrap(), json);
    all.say(C, "publish", 5.0, 1); // frame 8
    assert_eq!(link(all.status("NetStream.Publish.Start", 1)), (8, By::Status));
    assert_eq!(all.status("NetStream.Publish.Start", 1), None, "only the first answers");
    all.say(C, "FCUnpublish", 6.0, 0);
    all.say(C, "deleteStream", 7.0, 0);
    assert_eq!(all.status("NetStream.Unpublish.Success", 1), None);
    let report = all.calls.report();
    assert_eq!((report.count, report.answered, report.errors), (7, 3, 0));
    assert_eq!((report.unanswered, report.unanswered_optional), (vec![], 4));
    assert_eq!(report.response_time, Some(ResponseTimes { median: 1_000_000, max: 1_000_000 }));
}

#[test]
fn an_id_used_again() {
    let mut all = Dialogue::default();
    all.say(C, "connect", 1.0, 0);
    all.say(S, "_result", 1.0, 0);
    // After its answer an id is free.
    all.say(C, "createStream", 1.0, 0);
    assert_eq!(link(all.say(S, "_result", 1.0, 0)), (3, By::Transaction));
    // Before, the oldest is taken, and said to be one of several.
    all.say(C, "FCPublish", 2.0, 0); // frame 5
    all.say(C, "createStream", 2.0, 0);
    let first = answer(all.say(S, "_result", 2.0, 0));
    assert_eq!((first.call.frame.0, first.doubt), (5, Some(ONE_OF_MANY)));
    assert_eq!(link(all.say(S, "_result", 2.0, 0)), (6, By::Transaction));
    // A status answered the first of these, so the result is for the second.
    all.say(C, "publish", 3.0, 1);
    all.status("NetStream.Publish.Start", 1);
    all.say(C, "createStream", 3.0, 0); // frame 11
    assert_eq!(link(all.say(S, "_result", 3.0, 0)), (11, By::Transaction));
}

#[test]
fn an_id_of_zero_asks_for_no_result() {
    let mut all = Dialogue::default();
    all.say(C, "releaseStream", 0.0, 0);
    all.say(C, "deleteStream", 0.0, 0);
    assert_eq!(all.say(S, "_result", 0.0, 0), None, "some servers answer all the same");
    // But a status it may have, as GStreamer's publish.
    all.say(C, "publish", 0.0, 1);
    assert_eq!(link(all.status("NetStream.Publish.Start", 1)), (4, By::Status));
    all.say(C, "play", None, 1);
    assert_eq!(link(all.status("NetStream.Play.Reset", 1)), (6, By::Status));
    assert_eq!(all.calls.report().count, 2);

    let mut none = Dialogue::default();
    none.say(C, "connect", 1.0, 0);
    assert_eq!(code(none.say(S, "_result", 0.0, 0)), "answer-without-call");
    assert_eq!(code(none.say(S, "_result", None, 0)), "answer-without-call");
}

#[test]
fn a_status_before_its_call_answers_nothing() {
    let mut all = Dialogue::default();
    assert_eq!(all.status("NetStream.Publish.Start", 1), None);
    assert_eq!(all.say(S, "onFCPublish", 0.0, 0), None);
    all.say(C, "publish", 5.0, 1);
    let report = all.calls.report();
    let unanswered: Vec<_> = report.unanswered.iter().map(|call| (call.name.as_str(), call.frame.0)).collect();
    assert_eq!(unanswered, [("publish", 3)]);
}

#[test]
fn a_status_is_for_its_message_stream() {
    let mut all = Dialogue::default();
    all.say(C, "publish", 0.0, 1);
    all.say(C, "publish", 0.0, 2);
    all.say(C, "play", 0.0, 3);
    assert_eq!(all.status("NetStream.Publish.Start", 7), None, "two could be meant");
    let refused = answer(all.status("NetStream.Publish.BadName", 2));
    assert_eq!((refused.call.frame.0, refused.is_error), (2, true));
    let elsewhere = answer(all.status("NetStream.Publish.Start", 7));
    assert_eq!((elsewhere.call.frame.0, elsewhere.doubt), (1, Some(ELSEWHERE)));
    assert_eq!(all.status("NetStream.Play.PublishNotify", 3), None, "news, not an answer");
    assert_eq!(all.status("NetStream.Publish.Start", 3), None);
    assert_eq!(link(all.status("NetStream.Play.StreamNotFound", 3)), (3, By::Status));
    assert_eq!(all.calls.report().errors, 1);
}

#[test]
fn a_call_may_have_a_result_and_a_status() {
    for status_first in [false, true] {
        let mut all = Dialogue::default();
        all.say(C, "FCPublish", 3.0, 0);
        let mut answers = [("_result", By::Transaction), ("onFCPublish", By::Status)];
        if status_first {
            answers.reverse();
        }
        for (name, by) in answers {
            assert_eq!(link(all.say(S, name, 3.0, 0)), (1, by));
        }
        let report = all.calls.report();
        assert_eq!((report.count, report.answered, report.unanswered_optional), (1, 1, 0));
        assert!(all.calls.calls.is_empty());
        assert_eq!(code(all.say(S, "_result", 3.0, 0)), "answered-twice");
    }
}

#[test]
fn wrong_answers() {
    let mut all = Dialogue::default();
    all.say(C, "connect", 1.0, 0);
    assert_eq!(code(all.say(S, "_result", 2.0, 0)), "answer-without-call");
    assert_eq!(code(all.say(C, "_result", 1.0, 0)), "answer-wrong-direction");
    assert!(answer(all.say(S, "_error", 1.0, 0)).is_error);
    assert_eq!(code(all.say(S, "_result", 1.0, 0)), "answered-twice");
    assert_eq!(code(all.say(C, "_result", 1.0, 0)), "answer-wrong-direction");
    // The server may call too, with ids of its own.
    all.say(S, "onBWCheck", 1.0, 0); // frame 7
    assert_eq!(link(all.say(C, "_result", 1.0, 0)), (7, By::Transaction));
    // `connect` was answered, so nothing is missing.
    assert_eq!(all.calls.report().unanswered, vec![]);
}

#[test]
fn two_connections_have_ids_of_their_own() {
    let (mut one, mut two) = (Dialogue::default(), Dialogue::default());
    one.say(C, "connect", 1.0, 0);
    assert_eq!(code(two.say(S, "_result", 1.0, 0)), "answer-without-call");
    assert_eq!(link(one.say(S, "_result", 1.0, 0)), (1, By::Transaction));
}

#[test]
fn what_is_forgotten_is_counted_and_proves_nothing() {
    let mut all = Dialogue::default();
    for id in 1..=MOST as u64 + 3 {
        all.say(C, "call", id as f64, 0);
    }
    assert_eq!(all.say(S, "_result", 3.0, 0), None, "it may have been one of the forgotten");
    assert_eq!(link(all.say(S, "_result", 4.0, 0)), (4, By::Transaction));
    let report = all.calls.report();
    assert_eq!((report.forgotten, report.unanswered.len()), (3, MOST - 1));
}

/// Twenty times what is remembered, all of one id and one stream: memory stays bounded, and it ends at once.
#[test]
fn a_flood_is_held_in_bounds() {
    let mut all = Dialogue::default();
    for turn in 0..20 * MOST {
        all.say(C, "publish", 1.0, (turn % 3) as u32);
        all.say(C, &"x".repeat(1000), turn as f64, 0);
        if turn % 5 == 0 {
            all.say(S, "_result", 1.0, 0);
            all.status("NetStream.Publish.Start", 9);
            all.status("NetStream.Publish.Start", 1);
        }
        assert!(all.calls.calls.len() <= MOST && all.calls.answered.len() <= MOST);
    }
    let calls = &all.calls;
    assert!(calls.by_id.len() <= MOST && calls.by_status.len() <= MOST);
    // Every entry of the two orders leads to a call.
    assert!(calls.by_id.iter().all(|(_, _, is_answered, serial)| calls.calls[serial].is_answered == *is_answered));
    assert!(calls.by_status.iter().all(|(.., serial)| calls.calls.contains_key(serial)));
    assert!(calls.calls.values().all(|call| call.name.len() <= NAME));
}
