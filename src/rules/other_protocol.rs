//! Rules for connections that are something other than plain RTMP.

use crate::compare::{Comparison, Side};
use crate::rtmp::handshake;
use crate::session::Protocol;
use crate::tunnel::Proxy;
use crate::tunnel::tls::Decryption;

use super::opening::{CLIENT, Opening, SERVER, first_row, mismatches_at};
use super::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};

pub static TLS_ON_RTMP_PORT: Rule = Rule {
    code: "tls-on-rtmp-port",
    layer: Layer::Capture,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client speaks TLS to a port where RTMP is expected",
    page: Page {
        what: "The client's first bytes are a TLS ClientHello: it was configured for rtmps. A server that expects \
               plain RTMP reads the first byte, 22, as the handshake's version and closes.",
        looks: "16 03 01 00 c8 01 00 00 c4 03 03   record, length, ClientHello\n\
                03 00 00 00 00                     what RTMP begins with",
        who: "Any client with an rtmps:// address and the port of rtmp. nginx logs `unexpected RTMP version: 22`.",
        fix: "Use rtmp://, or the port on which the server speaks TLS, mostly 443.",
        source: "RTMP 1.0 section 5.2.2; RFC 8446 section 5.1 for the record.",
    },
    check: Check::Diff(tls_on_rtmp_port),
};

pub static PLAIN_ON_TLS_PORT: Rule = Rule {
    code: "plain-on-tls-port",
    layer: Layer::Capture,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client speaks plain RTMP to a port where TLS is expected",
    page: Page {
        what: "The client begins with the handshake of RTMP, and the server answers with a TLS alert, or on port 443 with nothing.",
        looks: "client   03 00 00 00 00 ...\n\
                server   15 03 01 00 02 02 46   alert, fatal, protocol version",
        who: "Clients with an rtmp:// address and the port of rtmps.",
        fix: "Use rtmps://, with the server's name in the TLS handshake (SNI), or the port of plain RTMP, mostly 1935.",
        source: "RFC 8446 section 6 for the alert. YouTube's ingestion guide asks for port 443 and SNI.",
    },
    check: Check::Diff(plain_on_tls_port),
};

pub static NOT_RTMP: Rule = Rule {
    code: "not-rtmp",
    layer: Layer::Capture,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client's first bytes are those of another protocol",
    page: Page {
        what: "The connection does not carry RTMP, or something precedes it: an HTTP request, RTMP tunnelled in HTTP \
               (RTMPT), or the PROXY header of a load balancer. The first byte is read as the handshake's version.",
        looks: "47 45 54 20                       GET\n\
                50 4f 53 54 20 2f 6f 70 65 6e     POST /open: RTMPT\n\
                50 52 4f 58 59 20                 PROXY: a balancer's line\n\
                0d 0a 0d 0a 00 0d 0a 51 55 49 54  the same in binary",
        who: "Health checks and browsers; clients with an rtmpt:// address; HAProxy and cloud balancers with send-proxy on.",
        fix: "For RTMPT use rtmp:// if the server does not speak it. For PROXY, turn it on in the server (nginx: listen ... proxy_protocol) \
              or off in the balancer.",
        source: "RTMP 1.0 section 5.2.2: versions from 32 on are not allowed, so that text protocols can be told \
                 apart.",
    },
    check: Check::Diff(not_rtmp),
};

pub static RTMPE: Rule = Rule {
    code: "rtmpe",
    layer: Layer::Capture,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the session is encrypted by RTMPE",
    page: Page {
        what: "C0 is 6 or 8: RTMP with its own encryption. After the handshake nothing can be read, so nothing can be \
               compared.",
        looks: "06 00 00 00 00 80 00 07 02   C0 is 6\n\
                03 00 00 00 00 00 00 00 00   plain RTMP",
        who: "Flash Player, rtmpdump and ffmpeg with an rtmpe:// address.",
        fix: "Use rtmp://, or rtmps:// if it has to be secret. Most current servers do not support RTMPE.",
        source: "RTMP 1.0 section 5.2.2 keeps these versions for other products.",
    },
    check: Check::Diff(rtmpe),
};

fn tls_on_rtmp_port(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let is_tls = |opening: Opening<'_>| match opening.sent(CLIENT) {
        // In mid-connection the first bytes are of any record.
        [] => opening.session.stream.protocol == Protocol::Tls,
        bytes => matches!(bytes, [0x16, 3, 0..=4, ..]),
    };
    if !is_tls(b) || a.is_some_and(is_tls) {
        return Vec::new();
    }
    let goes_on = b.sent(CLIENT).is_empty() || matches!(b.sent(SERVER), [0x16, 3, ..]);
    if goes_on {
        return undecrypted(comparison, b);
    }
    let title = "the client begins with a TLS ClientHello, and the server does not speak TLS on this port";
    let why = match (b.sent(SERVER), b.ended_by()) {
        ([], Some(who)) => format!(
            "the server sent nothing; the {who} closed the connection. A server that expects RTMP reads the first byte as \
             version 22"
        ),
        _ => "the first byte of RTMP is 3; a server that expects RTMP reads this one as version 22".to_owned(),
    };
    let fix = "use rtmp://, or the port of rtmps (mostly 443)";
    claim(comparison, Certainty::Certain, title, "TLS ClientHello", why, fix)
}

/// TLS between both sides: nothing is wrong with it, and what is inside is not known.
fn undecrypted(comparison: &Comparison<'_>, opening: Opening<'_>) -> Vec<Claim> {
    let decryption = opening.session.stream.tls.as_ref().map(|tls| tls.decryption).unwrap_or_default();
    let (why, fix) = match decryption {
        Decryption::NoHandshake => (
            "the TLS handshake, without which keys are of no use, is not complete in the capture",
            "start the capture before the client connects, and pass the key log with --keylog FILE",
        ),
        Decryption::NoKeyLog | Decryption::Keys => (
            "without the keys there is nothing to compare",
            "pass the key log with --keylog FILE, or record plain rtmp://",
        ),
        Decryption::NotInKeyLog => (
            "the key log does not have this connection",
            "pass the key log of the client or the server that made this very connection with --keylog FILE",
        ),
        Decryption::Unsupported => (
            "its version or cipher suite is not supported",
            "record again with TLS 1.2 or 1.3 and AES-GCM or ChaCha20-Poly1305, or plain rtmp://",
        ),
        Decryption::WrongKeys => (
            "the keys in the key log for this connection open none of its records",
            "pass the key log that was written while this capture was made",
        ),
    };
    let title = "the client and the server speak TLS, and it is not decrypted";
    let mut claims = claim(comparison, Certainty::Certain, title, "TLS", why.to_owned(), fix);
    for claim in &mut claims {
        claim.impact = Impact::Capture { direction: None, from: 0 };
        claim.severity = Some(Severity::Warning);
    }
    claims
}

fn plain_on_tls_port(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let is_alert = |opening: Opening<'_>| matches!(opening.sent(SERVER), [0x15, 3, 0..=4, ..]);
    let is_mute = |opening: Opening<'_>| {
        opening.session.stream.server.port() == 443
            && opening.total(SERVER) == Some(0)
            && opening.sent(CLIENT).len() > 1536
    };
    let is_plain = matches!(b.sent(CLIENT), [3, ..]);
    if !is_plain || a.is_some_and(|a| is_alert(a) || is_mute(a)) || !(is_alert(b) || is_mute(b)) {
        return Vec::new();
    }
    let title = "the client begins with plain RTMP, and the server expects TLS on this port";
    let fix = "use rtmps://, with the server's name in the TLS handshake (SNI)";
    if is_alert(b) {
        let answer = hex::encode(&b.sent(SERVER)[..b.sent(SERVER).len().min(7)]);
        let why = format!("the server's answer is a TLS alert: {answer}");
        return claim(comparison, Certainty::Certain, title, "C0 of RTMP", why, fix);
    }
    let why = "the server does not answer C0 and C1, and its port is that of TLS".to_owned();
    claim(comparison, Certainty::Likely, title, "C0 of RTMP", why, fix)
}

fn not_rtmp(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    if let Some(header) = refused_proxy(b).filter(|_| a.and_then(refused_proxy).is_none()) {
        let title = "a PROXY header comes before the client's handshake, and the server does not answer it";
        let end = b.ended_by().map(|who| format!(", and the {who} closed the connection")).unwrap_or_default();
        let why = format!(
            "{header}; the server sent nothing that answers{end}. A server that does not expect the header reads its \
             first byte as the version"
        );
        let fix = "turn proxy_protocol on in the server, or send-proxy off in the balancer";
        return claim(comparison, Certainty::Likely, title, "the handshake, after a PROXY header", why, fix);
    }
    let is_http = |opening: Opening<'_>| opening.sent(SERVER).starts_with(b"HTTP/1.");
    if matches!(b.sent(CLIENT), [3, ..]) && is_http(b) && !a.is_some_and(is_http) {
        let title = "the client begins with plain RTMP, and the server answers with HTTP";
        let line = b.sent(SERVER).split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
        let why = format!("the server's answer is {:?}", String::from_utf8_lossy(&line[..line.len().min(64)]));
        let fix = "use the port of the RTMP server, mostly 1935, or a URL of rtmpt:// if the server speaks RTMPT";
        return claim(comparison, Certainty::Certain, title, "C0 of RTMP", why, fix);
    }
    let Some(what) = foreign(b) else { return Vec::new() };
    if a.and_then(foreign).is_some() {
        return Vec::new();
    }
    let (name, fix) = what;
    let bytes = b.sent(CLIENT);
    let title = format!("the client's first bytes are {name}, not the handshake of RTMP");
    let printable: String =
        bytes.iter().take(16).map(|&byte| if (32..127).contains(&byte) { byte as char } else { '.' }).collect();
    let end = match b.ended_by() {
        Some(who) if b.total(SERVER) == Some(0) => format!("; this one does not answer, and the {who} closes"),
        _ => String::new(),
    };
    let why = format!(
        "they are {printable:?}; RTMP begins with 3, and a server reads the first byte, {}, as the version{end}",
        bytes.first().copied().unwrap_or_default()
    );
    claim(comparison, Certainty::Certain, &title, name, why, fix)
}

/// A PROXY header after which the server began no handshake.
fn refused_proxy(opening: Opening<'_>) -> Option<Proxy> {
    let has_no_answer = opening.total(SERVER) == Some(0) || !matches!(opening.sent(SERVER), [] | [3, ..]);
    opening.session.stream.proxy.filter(|_| has_no_answer)
}

/// What another protocol is called, and what to do about it.
fn foreign(opening: Opening<'_>) -> Option<(&'static str, &'static str)> {
    let bytes = opening.sent(CLIENT);
    match opening.session.stream.protocol {
        Protocol::Rtmpt => {
            Some(("RTMPT, which is RTMP in HTTP requests", "use rtmp://, or a server that speaks RTMPT"))
        }
        Protocol::Http => Some(("HTTP", "send RTMP to this port, and HTTP to the HTTP port")),
        Protocol::ProxyHeader => Some((
            "an incomplete or malformed PROXY header",
            "turn proxy_protocol on in the server, or send-proxy off in the balancer",
        )),
        // A block without C0 may begin with anything; its rule knows better.
        Protocol::Other
            if bytes.first().is_some_and(|&first| !handshake::is_version(first))
                && !super::handshake::is_without_c0(opening) =>
        {
            Some(("of an unknown protocol", "find out what connects to this port"))
        }
        _ => None,
    }
}

fn rtmpe(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let is_rtmpe = |opening: Opening<'_>| opening.session.stream.protocol == Protocol::Rtmpe;
    // Where nobody answers, nothing is encrypted either: the version is refused.
    if !is_rtmpe(b) || a.is_some_and(is_rtmpe) || b.total(SERVER) == Some(0) {
        return Vec::new();
    }
    let version = b.sent(CLIENT).first().copied().unwrap_or_default();
    let title = format!("C0 is {version}: the session is encrypted by RTMPE and cannot be compared");
    let why = "after the handshake all bytes are encrypted with a key that both sides agreed on".to_owned();
    let mut claims =
        claim(comparison, Certainty::Certain, &title, "RTMPE", why, "use rtmp:// for a session that can be compared");
    claims.iter_mut().for_each(|claim| claim.impact = Impact::Capture { direction: None, from: 0 });
    claims
}

/// A claim about the client's first bytes.
fn claim(
    comparison: &Comparison<'_>,
    certainty: Certainty,
    title: &str,
    what: &str,
    why: String,
    fix: &str,
) -> Vec<Claim> {
    let Some(row) = first_row(comparison, CLIENT, Side::B) else { return Vec::new() };
    let (a, b) = Opening::sides(comparison);
    let values = [(a, ""), (Some(b), what)].map(|(opening, text)| Some(opening?.value(CLIENT, 0, 16, text)));
    let claim = Claim::on(row, "beginning", values, certainty, title);
    vec![claim.why(why).fix(fix).explaining(mismatches_at(comparison, row)).breaking(Impact::Framing)]
}
