//! Work grows with the input and not faster: counted steps at N, 2N and 4N.

use rtmp_inspect::compare::pair;
use rtmp_inspect::diff;
use rtmp_inspect::lint;
use rtmp_inspect::recording::Recording;
use rtmp_inspect::secrets::Secrets;
use rtmp_inspect::snapshot;
use rtmp_inspect::steps;

use crate::kit::recorded::record_with_digests as record;
use crate::kit::{Session, amf0, handshake, message};

/// Twice the input may take a tenth more than twice the steps, for what an n log n search costs.
fn assert_linear(what: &str, n: usize, run: impl Fn(usize) -> u64) {
    let [one, two, four] = [n, 2 * n, 4 * n].map(run);
    assert!(one > n as u64 / 2, "{what}: {one} steps for {n} are not what was meant to be counted");
    assert!(10 * two < 22 * one && 10 * four < 22 * two, "{what}: {one}, {two}, {four} steps at N, 2N, 4N");
}

#[test]
fn equal_property_names() {
    for run in [lint_steps, snapshot_steps, diff_steps] {
        assert_linear("equal names", 500, |n| run(&published(&[metadata(n, |_| "a".to_owned())])));
    }
}

#[test]
fn events_of_a_shared_object() {
    let object = |n: usize| {
        let mut body = [&[0, 4], b"name".as_slice(), &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]].concat();
        (0..n).for_each(|_| body.extend([6, 0, 0, 0, 5, 2, 0, 2, b'a', b'b']));
        message(4, 19, 0, &body)
    };
    assert_linear("shared object", 500, |n| snapshot_steps(&published(&[object(n)])));
}

#[test]
fn a_name_that_looks_like_the_number_of_another() {
    // `a[2]`, `a[3]`, … and then as many of `a`.
    let name = |n: usize| move |at: usize| if at < n / 2 { format!("a[{}]", at + 2) } else { "a".to_owned() };
    assert_linear("numbered names", 500, |n| snapshot_steps(&published(&[metadata(n, name(n))])));
}

#[test]
fn sessions_in_another_order() {
    assert_linear("pairing", 50, |n| {
        let [a, b] = [false, true].map(|reversed| sessions(n, reversed, |number| format!("key-number-{number}")));
        steps::of(|| pair(&a, &b, &[])).1
    });
}

#[test]
fn secrets_that_repeat_themselves() {
    let url = |n: usize| format!("rtmp://host/live?token={}", "a".repeat(n));
    assert_linear("a long token", 2000, |n| {
        let recording = record(&connected(&url(n), &[]));
        let text = format!("tcUrl is {} …", url(n));
        steps::of(|| {
            let secrets = Secrets::of(&[&recording]);
            let mut bytes = text.clone().into_bytes();
            secrets.hide_bytes(&mut bytes, &text);
            secrets.overwrite_whole(&mut bytes);
            secrets.hide(&text).len()
        })
        .1
    });
}

#[test]
fn urls_made_of_what_separates_their_parts() {
    for part in ["@%/://\\", "a=1&", "/a", "x:y@", "%2", "5a ", "\\u00", "://a:b/"] {
        assert_linear(part, 2000, |n| {
            let url = format!("rtmp://host/live?{}", part.repeat(n));
            let recording = record(&connected(&url, &[]));
            steps::of(|| Secrets::of(&[&recording]).hide(&url).len()).1
        });
    }
}

#[test]
fn sessions_with_keys_of_their_own() {
    assert_linear("distinct keys", 25, |n| {
        let recording = sessions(n, false, |number| format!("key-number-{number}"));
        steps::of(|| snapshot::write(&recording, &snapshot::Options::default())).1
    });
}

/// Each is read to its last byte as each mistake of a writer would have it, and short ones as each two, until the bound on
/// one session is reached.
#[test]
fn bodies_that_no_mistake_explains() {
    const BOUND: u64 = 8 << 20;
    let steps = |n: usize, length: usize| {
        let body = [amf0::string("onMetaData"), vec![5; length], vec![0xff]].concat();
        lint_steps(&published(&vec![message(4, 18, 1, &body); n]))
    };
    for length in [900, 3000] {
        let [few, many] = [1, 160].map(|n| steps(n, length));
        // Most mistakes change nothing in a body of nulls, and are read to its end.
        assert!(few > 30 * length as u64, "{few} steps for one body are not what was meant to be counted");
        // What else is done with each value takes some steps.
        let plain = |n: u64| n * 20 * length as u64;
        assert!(few < BOUND + plain(1) && many < BOUND + plain(160), "{few}, {many} steps");
    }
}

fn lint_steps(recording: &Recording) -> u64 {
    steps::of(|| lint::lint(recording, &lint::Options::default())).1
}

fn snapshot_steps(recording: &Recording) -> u64 {
    steps::of(|| snapshot::write(recording, &snapshot::Options::default())).1
}

fn diff_steps(recording: &Recording) -> u64 {
    let other = published(&[metadata(3, |at| format!("b{at}"))]);
    steps::of(|| diff::diff(recording, &other, &diff::Options::default())).1
}

fn metadata(n: usize, name: impl Fn(usize) -> String) -> Vec<u8> {
    let names: Vec<String> = (0..n).map(name).collect();
    let properties: Vec<_> = names.iter().map(|name| (name.as_str(), amf0::number(1.0))).collect();
    message(5, 18, 1, &[amf0::string("onMetaData"), amf0::object(&properties)].concat())
}

fn command(name: &str, id: f64, rest: &[Vec<u8>]) -> Vec<u8> {
    message(3, 20, 0, &[amf0::string(name), amf0::number(id), rest.concat()].concat())
}

fn talk(session: Session, url: &str, messages: &[Vec<u8>]) -> Session {
    let [client, server, echo] = handshake();
    let object = amf0::object(&[("app", amf0::string("live")), ("tcUrl", amf0::string(url))]);
    let session = session.client(&client).server(&server).client(&echo);
    session.client(&[command("connect", 1.0, &[object]), messages.concat()].concat())
}

fn connected(url: &str, messages: &[Vec<u8>]) -> Vec<u8> {
    talk(Session::new(), url, messages).close().pcap()
}

fn published(messages: &[Vec<u8>]) -> Recording {
    let publish = command("publish", 3.0, &[amf0::null(), amf0::string("stream-of-mine"), amf0::string("live")]);
    record(&connected("rtmp://host/live", &[&[publish], messages].concat()))
}

fn sessions(n: usize, reversed: bool, key: impl Fn(usize) -> String) -> Recording {
    let one = |number: usize| {
        let client = ([10, 0, (number / 256) as u8, number as u8], 40000);
        let time = 1_700_000_000_000_000 + number as u64;
        let publish = command("publish", 3.0, &[amf0::null(), amf0::string(&key(number)), amf0::string("live")]);
        talk(Session::between(client, ([192, 0, 2, 2], 1935), time), "rtmp://host/live", &[publish]).close()
    };
    let numbers: Vec<usize> = if reversed { (0..n).rev().collect() } else { (0..n).collect() };
    let all = numbers.into_iter().map(one).reduce(Session::then).expect("at least one");
    record(&all.pcap())
}
