//! Faults of the commands' order and contents (RTMP 1.0 7.2).

use super::{Base, Fault, Then, fault};
use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER, is_media};
use crate::kit::encode::Message;
use crate::kit::recording::{Recording, What};

pub fn faults() -> Vec<Fault> {
    use Then::{Ends, GoesOn};
    vec![
        fault(
            "connect-unanswered",
            &["connect-unanswered"],
            Base::Own,
            Ends,
            "the server does not answer a connect without fault",
            |s| {
                let at = s.command("connect");
                s.silence(at);
            },
        ),
        fault(
            "connect-again",
            &["connect-twice"],
            Base::Own,
            Ends,
            "connect is sent again after its _result; the server closes",
            |s| {
                let at = s.command("_result");
                let connect = s.command("connect");
                let again = s.message(connect).clone();
                s.answer(at, CLIENT, again);
                s.closed(at + 1);
            },
        ),
        fault(
            "play-for-publish",
            &["play-not-publish"],
            Base::Own,
            GoesOn,
            "the client sends play in place of publish, and audio and video after it",
            |s| {
                let at = s.command("publish");
                s.replace(at, b"\x07publish", b"\x04play");
                let status = s.command("onStatus");
                s.replace(status, b"\x17NetStream.Publish.Start", b"\x14NetStream.Play.Start");
            },
        ),
        fault(
            "media-before-publish",
            &["media-before-publish"],
            Base::Own,
            GoesOn,
            "metadata and sequence headers are sent before publish",
            |s| {
                let at = s.command("publish");
                let first = s.find(|message| message.type_id == 18);
                for moved in 0..3 {
                    let early = s.remove(first + moved);
                    let What::Message(early) = early.what else { panic!("a message") };
                    s.insert(at + moved, early);
                }
            },
        ),
        fault(
            "answer-stream-0",
            &["answer-wrong"],
            Base::Own,
            Ends,
            "the server answers createStream with stream 0, and closes on publish",
            |s| {
                let at = s.nth(1, |message| message.is_command("_result"));
                let body = &mut s.message(at).body;
                let end = body.len();
                body[end - 8..].fill(0);
                let publish = s.command("publish");
                s.closed(publish);
            },
        ),
        fault(
            "answer-of-play",
            &["answer-wrong"],
            Base::Own,
            Ends,
            "the server answers publish with NetStream.Play.Start; the client closes",
            |s| {
                let at = s.command("onStatus");
                s.replace(at, b"\x17NetStream.Publish.Start", b"\x14NetStream.Play.Start");
                s.ended(at, CLIENT, 3_000_000);
            },
        ),
        fault(
            "answer-id-of-connect",
            &["answer-wrong"],
            Base::Own,
            Ends,
            "the answer to createStream has the transaction id of connect; the client waits and closes",
            |s| {
                let [connect, create] = [0, 1].map(|nth| s.nth(nth, |message| message.is_command("_result")));
                let id = s.message(connect).body[11..19].to_vec();
                s.message(create).body[11..19].copy_from_slice(&id);
                s.ended(create, CLIENT, 3_000_000);
            },
        ),
        fault(
            "answer-twice",
            &["answer-wrong"],
            Base::Own,
            Ends,
            "the server answers connect twice; the client takes the second one for that of createStream, and is closed",
            |s| {
                let at = s.command("_result");
                let again = s.message(at).clone();
                let create = s.command("createStream");
                s.answer(create, SERVER, again);
                let publish = s.command("publish");
                s.message(publish).msid = 0;
                s.closed(publish);
            },
        ),
        fault("play-again", &["start-twice"], Base::Play, GoesOn, "play is sent again before it is answered", |s| {
            let at = s.command("play");
            let again = s.message(at).clone();
            s.answer(at, CLIENT, again);
        }),
        fault(
            "create-unanswered",
            &["call-unanswered"],
            Base::Own,
            Ends,
            "the server does not answer createStream",
            |s| {
                let at = s.command("createStream");
                s.silence(at);
            },
        ),
        fault(
            "no-createstream",
            &["client-stops"],
            Base::Own,
            Ends,
            "the client sends nothing after the _result of connect; the server closes in the end",
            |s| {
                let at = s.command("_result");
                s.ended(at, SERVER, 60_000_000);
            },
        ),
        fault(
            "play-and-nothing",
            &["play-without-media"],
            Base::Play,
            Ends,
            "the server answers play and sends nothing; the client gives up",
            |s| {
                let at = s.command("onStatus");
                s.ended(at, CLIENT, 12_000_000);
                s.drop_all(SERVER, |message| message.type_id == 18 || is_media(message));
            },
        ),
        fault(
            "app-unknown",
            &["app-unknown", "silent-close", "url-split"],
            Base::Own,
            Ends,
            "the application does not exist; nginx closes",
            |s| {
                let at = s.command("connect");
                s.replace(at, b"app\x02\0\x04live", b"app\x02\0\x04nope");
                s.closed(at);
            },
        ),
        fault(
            "closed-on-connect",
            &["silent-close", "app-unknown"],
            Base::Own,
            Ends,
            "the server closes on a connect without fault",
            |s| {
                let at = s.command("connect");
                s.closed(at);
            },
        ),
        fault(
            "tcurl-in-small-letters",
            &["connect-fields"],
            Base::Own,
            GoesOn,
            "tcUrl is spelled tcurl in connect",
            |s| {
                let at = s.command("connect");
                s.replace(at, b"\0\x05tcUrl", b"\0\x05tcurl");
            },
        ),
        fault(
            "stream-name-in-quotes",
            &["stream-name-form", "stream-name-differs"],
            Base::Own,
            GoesOn,
            "publish has the stream's name in quotation marks",
            |s| {
                let at = s.command("publish");
                s.replace(at, b"\x02\0\x04pair", b"\x02\0\x06\"pair\"");
            },
        ),
        fault("query-in-app", &["url-split"], Base::Own, GoesOn, "app has a query after it", |s| {
            let at = s.command("connect");
            s.replace(at, b"app\x02\0\x04live", b"app\x02\0\x0alive?key=1");
        }),
        fault(
            "publish-without-null",
            &["amf-wrong-type"],
            Base::Own,
            GoesOn,
            "publish has no null before the name",
            |s| {
                let at = s.command("publish");
                s.replace(at, b"\x05\x02\0", b"\x02\0");
            },
        ),
        fault(
            "publish-without-createstream",
            &["order-createstream"],
            Base::Own,
            GoesOn,
            "publish comes without createStream",
            |s| {
                let at = s.command("createStream");
                s.remove(at);
                let answer =
                    s.find(|message| message.body.starts_with(b"\x02\0\x07_result") && message.body.len() < 64);
                s.remove(answer);
            },
        ),
        fault(
            "closed-on-publish",
            &["silent-close", "publish-start-missing"],
            Base::Ffmpeg,
            Ends,
            "the server closes on publish and says nothing",
            |s| {
                let at = s.command("publish");
                s.closed(at);
            },
        ),
        fault("no-tcurl", &["connect-fields"], Base::Own, GoesOn, "connect has no tcUrl", |s| {
            let at = s.command("connect");
            property(s.message(at), "tcUrl");
        }),
        fault("no-app", &["connect-fields", "url-split"], Base::Ffmpeg, Ends, "connect has no app", |s| {
            let at = s.command("connect");
            property(s.message(at), "app");
            s.closed(at);
        }),
        fault("app-slash", &["url-split"], Base::Own, GoesOn, "app ends in a slash", |s| {
            let at = s.command("connect");
            s.replace(at, b"app\x02\0\x04live", b"app\x02\0\x05live/");
        }),
        fault(
            "name-in-app",
            &["url-split"],
            Base::Own,
            Ends,
            "the stream's name is in app, and publish has none",
            |s| {
                let at = s.command("connect");
                s.replace(at, b"app\x02\0\x04live", b"app\x02\0\x09live/pair");
                s.closed(at);
            },
        ),
        fault("key-in-name", &["url-split"], Base::Ffmpeg, GoesOn, "a query follows the stream's name", |s| {
            let at = s.command("publish");
            s.replace(at, b"\x02\0\x03one", b"\x02\0\x09one?key=1");
        }),
        fault("auth-refused", &["auth-challenge"], Base::Own, Ends, "the server refuses the login", |s| {
            let text = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&opaque=b3BhcXVl";
            answered(s, "_result", &status("_error", 1.0, "error", "NetConnection.Connect.Rejected", text));
        }),
        fault("auth-challenge", &["auth-challenge"], Base::Own, Ends, "the server wants a login", |s| {
            let text = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
            answered(s, "_result", &status("_error", 1.0, "error", "NetConnection.Connect.Rejected", text));
        }),
        fault("connect-rejected", &["onstatus-error"], Base::Own, Ends, "the server rejects connect", |s| {
            answered(s, "_result", &status("_error", 1.0, "error", "NetConnection.Connect.Rejected", "no"));
        }),
        fault(
            "connect-result-id",
            &["txn-mismatch"],
            Base::Own,
            Ends,
            "the _result of connect has transaction id 2",
            |s| {
                let at = s.command("_result");
                s.replace(at, &amf0::number(1.0), &amf0::number(2.0));
                s.silence(at);
            },
        ),
        fault(
            "create-result-id",
            &["txn-mismatch"],
            Base::Ffmpeg,
            Ends,
            "the _result of createStream has transaction id 0",
            |s| {
                let at = s.nth(1, |message| message.is_command("_result"));
                s.replace(at, &amf0::number(4.0), &amf0::number(0.0));
                s.silence(at);
            },
        ),
        fault(
            "create-early",
            &["order-createstream"],
            Base::Own,
            GoesOn,
            "createStream is sent before connect is answered",
            |s| {
                let early = s.command("createStream");
                early_as(s, early, "connect");
            },
        ),
        fault(
            "publish-early",
            &["order-createstream"],
            Base::Own,
            GoesOn,
            "publish is sent before createStream is answered",
            |s| {
                let early = s.command("publish");
                early_as(s, early, "createStream");
            },
        ),
        fault(
            "publish-msid-0",
            &["publish-msid"],
            Base::Own,
            GoesOn,
            "publish and media are on message stream 0",
            |s| {
                s.sent(CLIENT, 0).for_each(|message| message.msid = 0);
            },
        ),
        fault(
            "media-msid-2",
            &["publish-msid"],
            Base::Own,
            GoesOn,
            "media are on message stream 2, the server's answer was 1",
            |s| {
                s.sent(CLIENT, 0).filter(|message| is_media(message)).for_each(|message| message.msid = 2);
            },
        ),
        fault(
            "onstatus-msid-0",
            &["onstatus-msid"],
            Base::Gstreamer,
            Ends,
            "onStatus comes on message stream 0, and the client waits",
            |s| {
                let at = s.command("onStatus");
                s.message(at).msid = 0;
                s.silence(at);
            },
        ),
        fault(
            "publish-unanswered",
            &["publish-start-missing"],
            Base::Own,
            Ends,
            "the server does not answer publish",
            |s| {
                let at = s.command("publish");
                s.silence(at);
            },
        ),
        fault(
            "publish-exchanged",
            &["publish-exchanged"],
            Base::Own,
            GoesOn,
            "publish has its type before its name",
            |s| {
                let at = s.command("publish");
                let body = &mut s.message(at).body;
                // Name, transaction id and null come first.
                let name = 3 + 7 + 9 + 1;
                let end = name + 3 + usize::from(u16::from_be_bytes([body[name + 1], body[name + 2]]));
                body[name..].rotate_left(end - name);
            },
        ),
        fault(
            "command-in-capitals",
            &["command-name"],
            Base::Own,
            GoesOn,
            "createStream is called CreateStream",
            |s| {
                let at = s.command("createStream");
                s.replace(at, b"createStream", b"CreateStream");
            },
        ),
        fault("publish-type-in-capitals", &["publish-type"], Base::Own, GoesOn, "publish has the type LIVE", |s| {
            let at = s.command("publish");
            s.replace(at, b"\x04live", b"\x04LIVE");
        }),
        fault(
            "start-as-error",
            &["onstatus-level"],
            Base::Own,
            GoesOn,
            "NetStream.Publish.Start comes with level error",
            |s| {
                let at = s.command("onStatus");
                s.replace(at, b"\x06status", b"\x05error");
            },
        ),
        fault(
            "one-transaction-id",
            &["txn-same"],
            Base::Own,
            GoesOn,
            "createStream has the transaction id of connect, and so has its answer",
            |s| {
                let connect = s.command("connect");
                let id = s.message(connect).body[11..19].to_vec();
                let at = s.command("createStream");
                s.message(at).body[16..24].copy_from_slice(&id);
                let answer = s.nth(1, |message| message.is_command("_result"));
                s.message(answer).body[11..19].copy_from_slice(&id);
            },
        ),
        fault(
            "deleted-before-media",
            &["media-after-delete"],
            Base::Own,
            GoesOn,
            "deleteStream is sent before the media",
            |s| {
                let at = s.find(is_media);
                let body = [amf0::string("deleteStream"), amf0::number(0.0), amf0::null(), amf0::number(1.0)].concat();
                s.insert(at, Message::new(3, 20, 0, 0, &body));
            },
        ),
        fault("bad-name", &["onstatus-error"], Base::Own, Ends, "the stream's name is in use", |s| {
            answered(
                s,
                "onStatus",
                &status("onStatus", 0.0, "error", "NetStream.Publish.BadName", "Already publishing"),
            );
        }),
        fault("stream-not-found", &["onstatus-error"], Base::Play, Ends, "there is no stream of that name", |s| {
            answered(
                s,
                "onStatus",
                &status("onStatus", 0.0, "error", "NetStream.Play.StreamNotFound", "No such stream"),
            );
        }),
        fault(
            "stale-publisher",
            &["stale-publisher", "onstatus-error"],
            Base::Twice,
            Ends,
            "the first connection just stops; the server still holds the name",
            |s| {
                let at = s.command("FCUnpublish");
                s.steps.truncate(at);
                let second = s.next.as_deref_mut().expect("the client comes back");
                let body = status("onStatus", 0.0, "error", "NetStream.Publish.BadName", "Already publishing");
                answered(second, "onStatus", &body);
            },
        ),
        fault(
            "no-onfcpublish",
            &["fcpublish-reply"],
            Base::Answering,
            Ends,
            "the server does not answer FCPublish, and the client waits for it",
            |s| {
                let at = s.command("onFCPublish");
                s.remove(at);
                let at = s.command("createStream");
                s.silence(at);
            },
        ),
        fault(
            "onbwdone",
            &["onbwdone-reaction"],
            Base::Own,
            Ends,
            "the server sends onBWDone, and the client closes",
            |s| {
                let at = s.command("_result");
                let body = [amf0::string("onBWDone"), amf0::number(0.0), amf0::null(), amf0::number(8192.0)].concat();
                s.answer(at, SERVER, Message::new(3, 20, 0, 0, &body));
                s.closed(at + 1);
            },
        ),
        fault(
            "no-setdataframe",
            &["setdataframe-missing"],
            Base::Own,
            GoesOn,
            "metadata begins with onMetaData",
            |s| {
                let at = s.find(|message| message.type_id == 18);
                s.replace(at, &amf0::string("@setDataFrame"), &[]);
            },
        ),
        fault(
            "setdataframe-to-player",
            &["setdataframe-leak"],
            Base::Play,
            GoesOn,
            "metadata to the player begins with @setDataFrame",
            |s| {
                let at = s.nth(1, |message| message.type_id == 18);
                s.message(at).body.splice(..0, amf0::string("@setDataFrame"));
            },
        ),
        fault(
            "delete-by-name",
            &["deletestream-arg"],
            Base::Own,
            GoesOn,
            "deleteStream has the stream's name, no number",
            |s| {
                let at = s.command("deleteStream");
                s.replace(at, &amf0::number(1.0), &amf0::string("pair"));
            },
        ),
        fault(
            "no-codec-flags",
            &["codec-flags-missing"],
            Base::Play,
            GoesOn,
            "the player's connect has no audioCodecs and videoCodecs",
            |s| {
                let at = s.command("connect");
                property(s.message(at), "audioCodecs");
                property(s.message(at), "videoCodecs");
            },
        ),
    ]
}

/// A property with a string or a number leaves the object.
fn property(message: &mut Message, name: &str) {
    let key = [&[0, name.len() as u8], name.as_bytes()].concat();
    let at = message.body.windows(key.len()).position(|bytes| bytes == key).expect("the property");
    let value = at + key.len();
    let end = match message.body[value..] {
        [0, ..] => value + 9,
        [2, high, low, ..] => value + 3 + usize::from(u16::from_be_bytes([high, low])),
        ref other => panic!("{other:02x?}"),
    };
    message.body.drain(at..end);
}

/// A command with an information object.
fn status(name: &str, transaction: f64, level: &str, code: &str, description: &str) -> Vec<u8> {
    let info = [("level", level), ("code", code), ("description", description)];
    let info = info.map(|(key, value)| (key, amf0::string(value)));
    [amf0::string(name), amf0::number(transaction), amf0::null(), amf0::object(&info)].concat()
}

/// The server's first `command` is another one, and it closes.
fn answered(session: &mut Recording, command: &str, body: &[u8]) {
    let at = session.command(command);
    session.message(at).body = body.to_vec();
    session.ended(at, SERVER, 100);
}

/// A step is sent in the same write as a command, after it.
fn early_as(session: &mut Recording, early: usize, command: &str) {
    let mut step = session.remove(early);
    let at = session.command(command);
    (step.time, step.write) = (session.steps[at].time, session.steps[at].write);
    session.steps.insert(at + 1, step);
}
