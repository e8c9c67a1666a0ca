//! Hiding secrets leaves everything else: words that look like one, or stand where one may, stay.

use crate::kit::{Session, amf0, handshake, message};
use std::fs;

const KEY: &str = "Zq7-hunter2-XyKk99";

/// A publisher: the application and its URL as given, the key as the stream's name.
fn session(app: &str, tc_url: &str) -> Vec<u8> {
    let [client, server, echo] = handshake();
    let properties = [
        ("app", amf0::string(app)),
        ("type", amf0::string("nonprivate")),
        ("flashVer", amf0::string("FMLE/3.0 (compatible; publisher)")),
        ("swfUrl", amf0::string("http://example.org/stage/player.swf")),
        ("tcUrl", amf0::string(tc_url)),
    ];
    let connect = [amf0::string("connect"), amf0::number(1.0), amf0::object(&properties)].concat();
    let command =
        |name: &str, id: f64| [amf0::string(name), amf0::number(id), amf0::null(), amf0::string(KEY)].concat();
    let result = [amf0::string("_result"), amf0::number(1.0), amf0::null(), amf0::null()].concat();
    Session::new()
        .client(&client)
        .server(&server)
        .client(&echo)
        .client(&message(3, 20, 0, &connect))
        .server(&message(3, 20, 0, &result))
        .client(&message(3, 20, 0, &command("releaseStream", 2.0)))
        .client(&message(3, 20, 0, &command("FCPublish", 3.0)))
        .client(&message(8, 20, 1, &command("publish", 4.0)))
        .close()
        .pcap()
}

fn printed(pcap: &[u8], args: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("session.pcap");
    fs::write(&path, pcap).expect("it can be written");
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rtmp-inspect"))
        .args(args)
        .arg(&path)
        .env_remove("GITHUB_ACTIONS")
        .output()
        .expect("the program starts");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn what_is_no_secret_stays() {
    // `_definst_` is the default instance of an application (Adobe Media Server), not a key.
    for (app, tc_url) in [
        ("live", "rtmp://media.example.org/live"),
        ("live/_definst_", "rtmp://media.example.org/live/_definst_"),
        ("live", "rtmp://media.example.org:1936/live"),
    ] {
        let pcap = session(app, tc_url);
        for args in [&["snapshot"][..], &["streams", "--format", "json"]] {
            let text = printed(&pcap, args);
            // The header of a snapshot says what placeholders there are.
            let text = text.lines().filter(|line| !line.contains("normalised")).collect::<Vec<_>>().join("\n");
            assert!(!text.contains(KEY) && text.contains("<stream-key-1>"), "{args:?}: {text}");
            assert!(!text.contains("stream-key-2") && !text.contains("<credential-1>"), "{args:?} {app}: {text}");
            for word in [app, "FMLE/3.0 (compatible; publisher)"] {
                assert!(text.contains(word), "{args:?} hides {word}: {text}");
            }
        }
        let snapshot = printed(&pcap, &["snapshot"]);
        for word in ["nonprivate", "releaseStream", "FCPublish", "publish", "/stage/player.swf"] {
            assert!(snapshot.contains(word), "the snapshot hides {word}: {snapshot}");
        }
    }
}

/// A key in the place of the instance, in the query, or as login is one.
#[test]
fn what_is_a_secret_goes_wherever_it_stands() {
    for (app, tc_url, secret) in [
        ("live?token=Sesame-4711", "rtmp://media.example.org/live?token=Sesame-4711", "Sesame-4711"),
        ("live", "rtmp://joe:Sesame-4711@media.example.org/live", "Sesame-4711"),
    ] {
        for args in [&["snapshot"][..], &["streams", "--format", "json"]] {
            let text = printed(&session(app, tc_url), args);
            assert!(!text.contains(secret), "{args:?}: {text}");
            assert!(text.contains("live"), "{args:?}: {text}");
        }
    }
}
