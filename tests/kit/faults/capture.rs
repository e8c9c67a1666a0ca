//! Faults of the capture, and connections that are not RTMP.

use super::{Base, Fault, Seed, Then, fault};
use crate::kit::Session;
use crate::kit::edit::{CLIENT, SERVER};
use crate::kit::recording::{Recording, What};

pub fn faults() -> Vec<Fault> {
    vec![
        taken("gap", &["capture-gap"], Base::Ffmpeg, "the capture misses one of the client's segments", |session| {
            let packet = session.data(true)[20];
            session.drop(packet)
        }),
        taken("gap-wide", &["capture-gap"], Base::Own, "the capture misses five of the client's segments", |session| {
            let packet = session.data(true)[12];
            (0..5).fold(session, |session, _| {
                let next = session.data(true).into_iter().find(|&number| number >= packet).expect("there are more");
                session.drop(next)
            })
        }),
        taken("gap-server", &["capture-gap"], Base::Ffmpeg, "the capture misses the segment of _result", |session| {
            let packet = session.data(false)[4];
            session.drop(packet)
        }),
        taken("snaplen", &["capture-snaplen"], Base::Own, "the capture keeps 200 bytes of a packet", |session| {
            session.snap(200)
        }),
        taken("midstream", &["capture-midstream"], Base::Ffmpeg, "the capture begins among the media", |session| {
            let packet = session.data(true)[30];
            session.skip(packet - 1)
        }),
        taken("no-handshake", &["capture-midstream"], Base::Own, "the capture begins at connect", |session| {
            let packet = session.data(true)[3];
            session.skip(packet - 1)
        }),
        taken(
            "client-only",
            &["capture-one-way"],
            Base::Own4096,
            "the capture has the client's packets only",
            |session| session.without(false),
        ),
        taken(
            "server-only",
            &["capture-one-way"],
            Base::Play,
            "the capture has the server's packets only",
            |session| session.without(true),
        ),
        taken(
            "window-closed",
            &["tcp-stall"],
            Base::Play,
            "the player stops reading: its TCP window is closed to the end",
            |session| {
                let packet = session.data(false)[20];
                session.stalled(true, packet)
            },
        ),
        taken(
            "closed-in-a-message",
            &["closed-mid-message"],
            Base::Ffmpeg,
            "the client closes after the first segment of a video message",
            |session| {
                let packet = session.continuation(true);
                session.closed_at(true, packet)
            },
        ),
        taken(
            "reset-by-the-client",
            &["reset-differs"],
            Base::Gstreamer,
            "the client resets the connection while it publishes",
            |session| {
                let packet = session.data(true)[20];
                session.reset_at(true, packet)
            },
        ),
        taken(
            "pause-in-a-message",
            &["message-stall"],
            Base::Ffmpeg,
            "the client pauses for 2.6 s after the first segment of a video message",
            |session| {
                let packet = session.continuation(true);
                session.pause(packet, 2_600_000)
            },
        ),
        fault(
            "tls-hello",
            &["tls-on-rtmp-port"],
            Base::Own,
            Then::Breaks,
            "the client begins with a TLS ClientHello",
            |s| {
                // Record 22, TLS 1.0, 200 bytes: handshake 1, TLS 1.2, and random bytes as any.
                let random = s.handshake(CLIENT, 0)[9..].to_vec();
                let hello = [&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3], &random[..194]].concat();
                instead(s, hello);
            },
        ),
        fault("http-get", &["not-rtmp"], Base::Own, Then::Breaks, "the client asks for a page over HTTP", |s| {
            instead(s, b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1935\r\nAccept: */*\r\n\r\n".to_vec());
        }),
        fault("http-post", &["not-rtmp"], Base::Own, Then::Breaks, "the client speaks RTMPT", |s| {
            let open = b"POST /open/1 HTTP/1.1\r\nContent-Type: application/x-fcs\r\nContent-Length: 1\r\n\r\n\0";
            instead(s, open.to_vec());
        }),
        fault("proxy-line", &["not-rtmp"], Base::Own, Then::Breaks, "a balancer puts a PROXY line first", |s| {
            let line = b"PROXY TCP4 192.0.2.7 192.0.2.2 40000 1935\r\n";
            s.handshake(CLIENT, 0).splice(..0, *line);
            s.closed(0);
        }),
        fault(
            "proxy-binary",
            &["not-rtmp"],
            Base::Own,
            Then::Breaks,
            "a balancer puts a binary PROXY header first",
            |s| {
                let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x02\x9c\x40\x07\x8f";
                s.handshake(CLIENT, 0).splice(..0, *head);
                s.closed(0);
            },
        ),
        fault(
            "rtmpe",
            &["rtmpe", "hs-version"],
            Base::Ffmpeg,
            Then::Breaks,
            "C0 is 6: RTMPE, which nginx does not speak",
            |s| {
                s.handshake(CLIENT, 0)[0] = 6;
                s.closed(0);
            },
        ),
        fault(
            "rtmpe-goes-on",
            &["rtmpe"],
            Base::Ffmpeg,
            Then::Breaks,
            "both sides say 6: all after the handshake is encrypted",
            |s| {
                s.handshake(CLIENT, 0)[0] = 6;
                s.handshake(SERVER, 0)[0] = 6;
                let mut key = 0x2545_f491_u32;
                for step in &mut s.steps {
                    if let What::Message(message) = &step.what {
                        let bytes = [&message.body[..], &[message.type_id; 12]].concat();
                        let noise = bytes.iter().map(|byte| {
                            key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            byte ^ (key >> 24) as u8
                        });
                        step.what = What::Bytes(noise.collect());
                    }
                }
            },
        ),
        fault(
            "tls-alert",
            &["plain-on-tls-port"],
            Base::Own,
            Then::Breaks,
            "the server speaks TLS: it answers C0 and C1 with an alert",
            |s| {
                // Record 21, TLS 1.2, 2 bytes: fatal, unexpected message (RFC 5246, 7.2).
                *s.handshake(SERVER, 0) = vec![0x15, 3, 3, 0, 2, 2, 10];
                s.closed(1);
            },
        ),
    ]
}

/// The client sends this and nothing else; the server closes.
fn instead(session: &mut Recording, bytes: Vec<u8>) {
    *session.handshake(CLIENT, 0) = bytes;
    session.closed(0);
}

fn taken(
    name: &'static str,
    expect: &'static [&'static str],
    base: Base,
    mistake: &'static str,
    change: fn(Session) -> Session,
) -> Fault {
    Fault::new(name, expect, base, Then::Breaks, mistake, Seed::Capture(change))
}
