//! Connections of which one side or both speak another protocol than the port, or the peer, is for.

use rtmp_inspect::lint::{self, Finding};
use rtmp_inspect::rules::Severity;

use crate::kit::recorded::record;
use crate::kit::{End, Session, handshake};

const TIME: u64 = 1_700_000_000_000_000;

fn on_port(port: u16) -> Session {
    let client: End = ([192, 0, 2, 1], 50_000);
    Session::between(client, ([192, 0, 2, 2], port), TIME)
}

/// What lint finds, infos aside.
fn findings(session: &Session) -> Vec<Finding> {
    let report = lint::lint(&record(&session.pcap()), &lint::Options::default());
    report.findings.into_iter().filter(|finding| finding.severity > Severity::Info).collect()
}

fn codes(session: &Session) -> Vec<&'static str> {
    findings(session).iter().map(|finding| finding.rule.code).collect()
}

/// A record of TLS 1.2 (RFC 5246 6.2.1).
fn tls_record(kind: u8, len: u8) -> Vec<u8> {
    [&[kind, 3, 3, 0, len][..], &(0..len).map(|byte| byte ^ 0xa5).collect::<Vec<_>>()].concat()
}

#[test]
fn plain_rtmp_to_a_server_of_tls_or_http_is_told_of_on_any_port() {
    let [c0c1, ..] = handshake();
    for port in [443, 1935, 8443] {
        let alert = on_port(port).client(&c0c1).server(&[0x15, 3, 3, 0, 2, 2, 70]).close();
        assert_eq!(codes(&alert).first(), Some(&"plain-on-tls-port"), "{port}");
        let http = on_port(port).client(&c0c1).server(b"HTTP/1.1 400 Bad Request\r\n\r\n").close();
        let found = findings(&http);
        assert_eq!(found[0].rule.code, "not-rtmp", "{port}");
        assert!(found[0].title.contains("answers with HTTP"), "{}", found[0].title);
    }
    // On the port of TLS, silence says it too; elsewhere it says that nobody answers.
    let later = TIME + 6_000_000;
    let mute = |port, bytes: &[u8]| on_port(port).client(bytes).at(later).fin(true);
    assert_eq!(codes(&mute(443, &c0c1)).first(), Some(&"plain-on-tls-port"));
    assert_eq!(codes(&mute(1935, &c0c1)).first(), Some(&"hs-unanswered"));
    // Another protocol that begins with a 3.
    assert!(codes(&mute(443, &c0c1[..700])).is_empty());
}

#[test]
fn tls_between_both_sides_is_no_fault_of_theirs() {
    let hello = tls_record(0x16, 200);
    let both = || on_port(1935).client(&hello).server(&tls_record(0x16, 90)).client(&tls_record(0x17, 80));
    let found = findings(&both().server(&tls_record(0x17, 50)).close());
    let told: Vec<_> = found.iter().map(|finding| (finding.rule.code, finding.severity)).collect();
    assert_eq!(told, [("tls-on-rtmp-port", Severity::Warning)]);
    assert!(found[0].fix.contains("--keylog") || found[0].fix.contains("record"), "{}", found[0].fix);
    // A server that does not speak TLS.
    let refused = findings(&on_port(1935).client(&hello).close());
    assert_eq!((refused[0].rule.code, refused[0].severity), ("tls-on-rtmp-port", Severity::Fatal));
}

#[test]
fn the_blocks_of_rtmpe_need_not_echo_each_other() {
    let [mut c0c1, mut s0s1s2, _] = handshake();
    s0s1s2[1537 + 8..].fill(7);
    let session = |c0c1: &[u8], s0s1s2: &[u8]| on_port(1935).client(c0c1).server(s0s1s2).close();
    assert!(codes(&session(&c0c1, &s0s1s2)).contains(&"hs-not-echo"));
    (c0c1[0], s0s1s2[0]) = (6, 6);
    assert!(!codes(&session(&c0c1, &s0s1s2)).contains(&"hs-not-echo"));
}
