//! Literal messages, and what is left of their secrets.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::rtmp::MessageTypeId;

/// AMF 0 (2.2, 2.4, 2.5, 2.7).
fn string(text: &str) -> Vec<u8> {
    [&[2], &(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn number(number: f64) -> Vec<u8> {
    [&[0], &number.to_be_bytes()[..]].concat()
}

const NULL: [u8; 1] = [5];

fn object(properties: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![3];
    for (name, text) in properties {
        bytes.extend(&string(name)[1..]);
        bytes.extend(string(text));
    }
    bytes.extend([0, 0, 9]);
    bytes
}

fn command(name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    [string(name), number(4.0), arguments.concat()].concat()
}

fn publish(name: &str) -> Vec<u8> {
    command("publish", &[NULL.to_vec(), string(name), string("live")])
}

fn connect(properties: &[(&str, &str)]) -> Vec<u8> {
    command("connect", &[object(properties)])
}

/// The secrets of messages, each a type and a body.
fn of(messages: &[(u8, Vec<u8>)]) -> Secrets {
    let mut collector = Collector::default();
    for (type_id, body) in messages {
        collector.message(MessageTypeId(*type_id), body, body.len() as u32);
    }
    collector.into_secrets()
}

fn of_commands(bodies: &[Vec<u8>]) -> Secrets {
    of(&bodies.iter().map(|body| (20, body.clone())).collect::<Vec<_>>())
}

#[track_caller]
fn expect(secrets: &Secrets, text: &str, hidden: &str) {
    assert_eq!(secrets.hide(text), hidden);
}

#[track_caller]
fn unchanged(secrets: &Secrets, text: &str) {
    assert!(matches!(secrets.hide(text), Cow::Borrowed(_)), "{text} became {}", secrets.hide(text));
}

#[test]
fn a_key_that_shares_a_word_with_commands_leaves_them_whole() {
    let hidden = |key: &str, message: &[u8]| {
        let mut message = message.to_vec();
        of_commands(&[publish(key)]).overwrite_whole(&mut message);
        message
    };
    // Six letters of the key are those of createStream, of the code and of the placeholder for keys.
    for whole in [&b"\x02\0\x0ccreateStream"[..], b"NetStream.Play.Failed", b"<stream-key-1>", b"StreamPlayer/"] {
        assert_eq!(hidden("rtmp/Stream9", whole), whole);
        assert_eq!(hidden("Stream", whole), whole);
    }
    assert_eq!(hidden("Stream", b"\0\x06Stream\0"), b"\0\x06******\0");
    // A long key with a letter for its length in front.
    assert_eq!(hidden("k4f9-2xq77-aa", b"\0ak4f9-2xq77-aab"), b"\0a*************b");
}

#[test]
fn names_of_streams_are_numbered_as_they_appear() {
    let secrets = of_commands(&[publish("k4f9-2x"), publish("other77"), publish("k4f9-2x")]);
    expect(&secrets, "publish('k4f9-2x')", "publish('<stream-key-1>')");
    expect(
        &secrets,
        "the stream is called 'other77' instead of 'k4f9-2x'",
        "the stream is called '<stream-key-2>' instead of '<stream-key-1>'",
    );
    expect(&secrets, "rtmp://host/app/k4f9-2x, k4f9-2x_720p", "rtmp://host/app/<stream-key-1>, <stream-key-1>_720p");
}

#[test]
fn every_command_that_names_a_stream_is_known() {
    let null = NULL.to_vec();
    for name in ["play", "releaseStream", "FCPublish", "FCUnpublish", "FCSubscribe", "getStreamLength", "deleteStream"]
    {
        expect(&of_commands(&[command(name, &[null.clone(), string("qwertz9")])]), "qwertz9", "<stream-key-1>");
    }
    let play2 = command("play2", &[null.clone(), object(&[("oldStreamName", "low-77"), ("streamName", "high-88")])]);
    expect(&of_commands(&[play2]), "from low-77 to high-88", "from <stream-key-2> to <stream-key-1>");
    // deleteStream takes the number of a stream, which is no name.
    unchanged(&of_commands(&[command("deleteStream", &[null.clone(), number(12345.0)])]), "12345");
    // Another command's text is none.
    unchanged(&of_commands(&[command("setDataRate", &[null, string("qwertz9")])]), "qwertz9");
}

#[test]
fn a_command_is_one_whatever_type_its_header_has() {
    // AMF 3: a byte 0 in front, values after marker 0x11: 06 0f is a string of seven characters (AMF3 3.8).
    let amf3 = [&[0][..], &string("publish"), &number(4.0), &NULL, b"\x11\x06\x0fqwertz9"].concat();
    for (type_id, body) in
        [(17, amf3.clone()), (14, publish("qwertz9")), (18, publish("qwertz9")), (8, publish("qwertz9")), (11, amf3)]
    {
        expect(&of(&[(type_id, body)]), "qwertz9", "<stream-key-1>");
    }
}

#[test]
fn a_secret_is_a_word() {
    let secrets = of_commands(&[publish("one")]);
    unchanged(&secrets, "none, someone, stone, one2, one of 3");
    expect(&secrets, "one", "<stream-key-1>");
    expect(&secrets, "publish('one') in live/one", "publish('<stream-key-1>') in live/<stream-key-1>");
    expect(&of_commands(&[publish("zoé")]), "zoé zoét 'zoé'", "zoé zoét '<stream-key-1>'");
}

#[test]
fn the_longest_secret_comes_first() {
    let secrets = of_commands(&[publish("cam77"), publish("cam77-hd"), publish("hd-backup1")]);
    expect(&secrets, "cam77-hd cam77", "<stream-key-2> <stream-key-1>");
    // Of two that overlap nothing is left over.
    expect(&secrets, "cam77-hd-backup1", "<stream-key-2><stream-key-3>");
}

#[test]
fn common_words_are_hidden_where_they_are_values() {
    let secrets = of_commands(&[connect(&[("app", "live"), ("tcUrl", "rtmp://host/live")]), publish("live")]);
    unchanged(&secrets, "a live stream; live or recorded");
    expect(&secrets, "publish live/live", "publish live/<stream-key-1>");
    expect(&secrets, "String 'rtmp://host/live'", "String 'rtmp://host/<stream-key-1>'");
    expect(&secrets, "the app is 'live'", "the app is '<stream-key-1>'");
    let secrets = of_commands(&[publish("a")]);
    unchanged(&secrets, "a server sends a message in A's stream");
    expect(&secrets, "publish('a')", "publish('<stream-key-1>')");
    let secrets = of_commands(&[publish("s")]);
    unchanged(&secrets, "RTMP's port; the client's");
    expect(&secrets, "publish('s'), 's?x'", "publish('<stream-key-1>'), '<stream-key-1>?x'");
}

#[test]
fn sentences_from_the_server_are_known_as_a_whole() {
    let status = |code: &str, description: &str| {
        command(
            "onStatus",
            &[NULL.to_vec(), object(&[("level", "status"), ("code", code), ("description", description)])],
        )
    };
    let secrets = of_commands(&[publish("one"), status("NetStream.Publish.Start", "Publishing one.")]);
    expect(
        &secrets,
        "the server says NetStream.Publish.Start: Publishing one.",
        "the server says NetStream.Publish.Start: Publishing <stream-key-1>.",
    );
    unchanged(&secrets, "one of them");
    // Flash Media Server repeats the name in `details`; here nothing else tells it.
    let details =
        command("onStatus", &[NULL.to_vec(), object(&[("code", "NetStream.Play.Start"), ("details", "qwertz9")])]);
    expect(&of_commands(&[details]), "Started playing qwertz9.", "Started playing <stream-key-1>.");
}

#[test]
fn names_of_messages_and_fields_stay() {
    for name in ["onStatus", "FCPublish", "releaseStream", "tcUrl", "createStream"] {
        let secrets = of_commands(&[publish(name)]);
        unchanged(&secrets, &format!("after {name} the server is silent"));
        unchanged(&secrets, &format!("connect.{name} differs"));
        expect(&secrets, &format!("publish('{name}')"), "publish('<stream-key-1>')");
    }
    // Capitals at random are no word.
    expect(&of_commands(&[publish("kJhGfdSaqW")]), "it is kJhGfdSaqW", "it is <stream-key-1>");
}

#[test]
fn names_of_ours_stay() {
    let secrets = of_commands(&[publish("swfHash"), publish("headers"), publish("Start9"), publish("Qwertz")]);
    unchanged(&secrets, "connect.swfHash differs, and no rule says why");
    unchanged(&secrets, "More: rtmp-inspect rules px-headers-left");
    unchanged(&secrets, "NetStream.Publish.Qwertz");
    // Those that look like words are hidden where a value is said.
    unchanged(&secrets, "swfHash and Qwertz are words of a sentence");
    expect(&secrets, "'swfHash' and live/Qwertz", "'<stream-key-1>' and live/<stream-key-4>");
    expect(&secrets, "rtmp://connect.example/Start9", "rtmp://connect.example/<stream-key-3>");
}

#[test]
fn a_query_keeps_its_names() {
    let secrets = of_commands(&[
        connect(&[
            ("app", "live?key=s3cr3t"),
            ("tcUrl", "rtmp://joe:pa55word@host/live?key=s3cr3t"),
            ("pageUrl", "http://x/?sid=99887766"),
        ]),
        publish("qwertz9?token=abcdef&expires=1700000000"),
    ]);
    expect(
        &secrets,
        "rtmp://joe:pa55word@host/live?key=s3cr3t",
        "rtmp://<credential-2>:<credential-3>@host/live?key=<credential-1>",
    );
    expect(&secrets, "http://x/?sid=99887766", "http://x/?sid=<credential-4>");
    expect(
        &secrets,
        "qwertz9?token=abcdef&expires=1700000000",
        "<stream-key-1>?token=<credential-5>&expires=<credential-6>",
    );
    // As they are on the wire: what is escaped is not unescaped.
    let secrets = of_commands(&[publish("qwertz9?token=YWJj%3D%3D")]);
    expect(&secrets, "token=YWJj%3D%3D", "token=<credential-1>");
}

#[test]
fn logins_are_credentials() {
    let challenge = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=camera1&salt=Fh3kqA==&challenge=bR9zQw==&opaque=vgoAAA==";
    let error = command(
        "_error",
        &[NULL.to_vec(), object(&[("code", "NetConnection.Connect.Rejected"), ("description", challenge)])],
    );
    let secrets = of_commands(&[
        error,
        connect(&[("app", "live?authmod=adobe&user=camera1&challenge=c0ffee42&response=iTkd8w==")]),
    ]);
    expect(
        &secrets,
        challenge,
        "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=<credential-1>&salt=<credential-2>\
         &challenge=<credential-3>&opaque=<credential-4>",
    );
    expect(
        &secrets,
        "String 'live?authmod=adobe&user=camera1&challenge=c0ffee42&response=iTkd8w=='",
        "String 'live?authmod=adobe&user=<credential-1>&challenge=<credential-5>&response=<credential-6>'",
    );
    let twitch = command("NetStream.Authenticate.UsherToken", &[NULL.to_vec(), string("sig:8a7b6c")]);
    expect(&of_commands(&[twitch]), "sig:8a7b6c", "<credential-1>");
    let connect = command("connect", &[object(&[("app", "live")]), string("joe.user"), string("pa55word")]);
    expect(&of_commands(&[connect]), "joe.user, pa55word, live", "<credential-1>, <credential-2>, live");
}

#[test]
fn what_was_cut_short_is_hidden_too() {
    let secrets =
        of_commands(&[publish("live_1111222233334444"), publish("live_1111222299990000"), publish("qwertz9-abc")]);
    expect(&secrets, "'live_11112222333…'", "'<stream-key-1>…'");
    expect(
        &secrets,
        "'rtmp://host/qwe…' instead of 'qw…'",
        "'rtmp://host/<stream-key-3>…' instead of '<stream-key-3>…'",
    );
    // It may be either of them.
    expect(&secrets, "'live_11112…'", "'<stream-key>…'");
}

#[test]
fn broken_commands_give_their_secrets() {
    // The name's length in the wrong byte order: 07 00.
    let little = [&string("publish")[..], &number(4.0), &NULL, b"\x02\x07\x00qwertz9", &string("live")].concat();
    expect(&of_commands(&[little]), "qwertz9 live", "<stream-key-1> live");
    // An object without its end, whose last text is cut off.
    let app = [&string("connect")[..], &number(1.0), b"\x03\x00\x03app\x02\x00\xfflive?key=s3cr3t"].concat();
    expect(&of_commands(&[app]), "live?key=s3cr3t", "live?key=<credential-1>");
    // The capture has not all of it.
    let mut collector = Collector::default();
    let body = publish("qwertz9-abcdef");
    collector.message(MessageTypeId(20), &body[..body.len() - 10], body.len() as u32);
    expect(&collector.into_secrets(), "qwertz9-abc", "<stream-key-1>");
    // A key of digits that was sent as a number.
    let digits = command("publish", &[NULL.to_vec(), number(123_456_789.0)]);
    expect(&of_commands(&[digits]), "Number 123456789", "Number <stream-key-1>");
}

#[test]
fn placeholders_are_no_secrets() {
    let secrets = of_commands(&[publish("<stream-key-1>"), publish("qwertz9")]);
    expect(&secrets, "<stream-key-1> qwertz9", "<stream-key-1> <stream-key-1>");
}

#[test]
fn bytes_become_asterisks() {
    let secrets = of_commands(&[publish("qwertz9-abcdef")]);
    let hide = |text: &str| {
        let mut value = json!(::hex::encode(text));
        secrets.hide_json(&mut value);
        String::from_utf8(::hex::decode(value.as_str().unwrap()).unwrap()).unwrap()
    };
    assert_eq!(hide("\u{2}\0\u{e}qwertz9-abcdef!"), "\u{2}\0\u{e}**************!");
    // An excerpt begins or ends in it, or is in it; a chunk's header is in it.
    assert_eq!(hide("def and qwer"), "def and ****");
    assert_eq!(hide("cdef, qwe"), "****, qwe");
    assert_eq!(hide("rtz9-"), "*****");
    assert_eq!(hide("qwertz9-\u{c3}abcdef"), "********\u{c3}******");
    assert_eq!(hide("nothing of it"), "nothing of it");
}

#[test]
fn json_keeps_its_shape() {
    let secrets = of_commands(&[publish("one"), publish("app"), publish("qwertz9")]);
    let mut report = json!({
        "verdict": "different",
        "summary": "one difference: 'one' instead of 'qwertz9'",
        "causes": [{
            "rule": "stream-name-differs",
            "where": {
                "path": "connect.app",
                "message": "publish",
                "a": { "value": "String 'one'", "frame": 3 },
                "b": { "value": "String 'qwertz9'", "frame": 3 },
            },
            "bytes": { "a": "0200036f6e65", "b": "02000771776572747a39" },
            "why": "it is 71 77 65 72 74 7a 39 there",
        }],
        "one": ["one", null, 1, true],
    });
    secrets.hide_json(&mut report);
    let expected = json!({
        "verdict": "different",
        "summary": "one difference: '<stream-key-1>' instead of '<stream-key-3>'",
        "causes": [{
            "rule": "stream-name-differs",
            "where": {
                "path": "connect.app",
                "message": "publish",
                "a": { "value": "String '<stream-key-1>'", "frame": 3 },
                "b": { "value": "String '<stream-key-3>'", "frame": 3 },
            },
            "bytes": { "a": "0200032a2a2a", "b": "0200072a2a2a2a2a2a2a" },
            "why": "it is 2a 2a 2a 2a 2a 2a 2a there",
        }],
        "one": ["<stream-key-1>", null, 1, true],
    });
    assert_eq!(report, expected);
    // Digits are a key, and hex of other bytes.
    let mut report =
        json!({ "bytes": { "a": "20250101" }, "hex": "20250101", "value": "20250101", "other": ["20250101"] });
    of_commands(&[publish("20250101")]).hide_json(&mut report);
    let key = "<stream-key-1>";
    assert_eq!(report, json!({ "bytes": { "a": "20250101" }, "hex": "20250101", "value": key, "other": [key] }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_secret_is_left_as_a_word(
        // Letters alone look like a word, which is hidden only where a value is said. The end joins no other word.
        names in proptest::collection::vec("[a-c1/=&é_-]{5,8}[/=&_-]", 1..5),
        between in proptest::collection::vec("[a-c1/=&é_ '…-]{0,3}", 9),
        picks in proptest::collection::vec(0usize..5, 8),
    ) {
        let secrets = of_commands(&names.iter().map(|name| publish(name)).collect::<Vec<_>>());
        let words = picks.iter().map(|&pick| names[pick % names.len()].as_str());
        let text: String = between.iter().map(String::as_str).zip(words.chain([""])).flat_map(|(a, b)| [a, b]).collect();
        let hidden = secrets.hide(&text);
        // What was put in is between angle brackets, which nothing here has.
        for (at, part) in hidden.split(['<', '>']).enumerate() {
            for name in names.iter().filter(|_| at % 2 == 0) {
                for (start, _) in part.match_indices(name.as_str()) {
                    let (before, after) = (&part[..start], &part[start + name.len()..]);
                    let goes_on = |a: Option<char>, b: Option<char>| {
                        a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric)
                    };
                    let inside = goes_on(before.chars().last(), name.chars().next())
                        || goes_on(name.chars().last(), after.chars().next());
                    prop_assert!(inside, "{name} is left in {hidden}, from {text}");
                }
            }
        }
    }

    #[test]
    fn any_text_and_any_message_can_be_looked_at(
        (type_id, body) in (0u8..24, proptest::collection::vec(prop_oneof![0u8..0x12, any::<u8>()], 0..60)),
        name in "\\PC{0,12}",
        text in "\\PC{0,60}",
    ) {
        let named = [&string("publish")[..], &body].concat();
        let secrets = of(&[(type_id, body), (type_id, named), (20, publish(&name))]);
        secrets.hide(&text);
        let mut value = json!([text, ::hex::encode(&text)]);
        secrets.hide_json(&mut value);
        let hidden = value[1].as_str().unwrap();
        prop_assert_eq!(hidden.len(), 2 * text.len());
    }
}
