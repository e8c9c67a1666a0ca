//! Faults of the handshake (RTMP 1.0 5.2).

use super::{Base, Fault, Then, fault};
use crate::kit::edit::{CLIENT, SERVER};

/// The steps of the handshake, and connect after it.
const C0C1: usize = 0;
const S0S1S2: usize = 1;
const C2: usize = 2;
const CONNECT: usize = 3;

pub fn faults() -> Vec<Fault> {
    use Then::{Breaks, Ends, GoesOn};
    vec![
        fault("version-2", &["hs-version"], Base::Own, Breaks, "C0 is 2", |s| {
            s.handshake(CLIENT, 0)[0] = 2;
            s.closed(C0C1);
        }),
        fault("c0-missing", &["hs-c0-missing"], Base::Own, Breaks, "C1 is sent without C0", |s| {
            s.handshake(CLIENT, 0).remove(0);
            s.silence(C0C1);
        }),
        fault(
            "c0-alone",
            &["hs-wait-s0-deadlock"],
            Base::Own,
            Breaks,
            "the client waits for S0 before it sends C1",
            |s| {
                s.handshake(CLIENT, 0).truncate(1);
                s.silence(C0C1);
            },
        ),
        fault("c2-missing", &["hs-c2-missing"], Base::Own, Breaks, "connect is where C2 belongs", |s| {
            s.remove(C2);
            s.closed(C2);
        }),
        fault("c2-short", &["hs-c2-missing"], Base::Own, Breaks, "C2 lacks its last 8 bytes", |s| {
            let c2 = s.handshake(CLIENT, 1);
            c2.truncate(c2.len() - 8);
            let at = s.command("connect");
            s.closed(at);
        }),
        fault("c2-long", &["hs-c2-missing"], Base::Own, Breaks, "a byte 3 comes before C2", |s| {
            s.handshake(CLIENT, 1).insert(0, 3);
            let at = s.command("connect");
            s.closed(at);
        }),
        fault("c1-long", &["hs-size"], Base::Own, Breaks, "C1 has 1540 bytes", |s| {
            s.handshake(CLIENT, 0).extend([1, 2, 3, 4]);
            let at = s.command("connect");
            s.closed(at);
        }),
        fault("s2-short", &["hs-size"], Base::Own, Ends, "S2 has 1528 bytes", |s| {
            let part = s.handshake(SERVER, 0);
            part.truncate(part.len() - 8);
            s.ended(C2 - 1, CLIENT, 5_000_000);
        }),
        fault("c2-never", &["hs-c2-missing"], Base::Own, Ends, "the client has S1 and sends no C2", |s| {
            s.ended(C2 - 1, CLIENT, 5_000_000);
        }),
        fault("s0-0", &["hs-version"], Base::Own, GoesOn, "the server's version is 0", |s| {
            s.handshake(SERVER, 0)[0] = 0;
        }),
        fault("c2-random", &["hs-not-echo"], Base::Own, GoesOn, "C2 does not echo S1", |s| {
            scramble(s.handshake(CLIENT, 1))
        }),
        fault("s2-random", &["hs-not-echo"], Base::Own, GoesOn, "S2 does not echo C1", |s| {
            scramble(&mut s.handshake(SERVER, 0)[1537..]);
        }),
        fault(
            "s2-random-closed",
            &["hs-not-echo"],
            Base::Own,
            Ends,
            "S2 does not echo C1, and the client closes",
            |s| {
                scramble(&mut s.handshake(SERVER, 0)[1537..]);
                s.closed(S0S1S2);
            },
        ),
        fault(
            "digest-wrong",
            &["hs-digest-invalid"],
            Base::Ffmpeg,
            GoesOn,
            "C1 has a version and no valid digest",
            |s| {
                s.handshake(CLIENT, 0)[600] ^= 0x55;
            },
        ),
        fault(
            "version-quad",
            &["hs-version-quad-assert"],
            Base::Ffmpeg,
            Ends,
            "the client closes on S1's version",
            |s| {
                s.closed(S0S1S2);
            },
        ),
        fault(
            "early-connect",
            &["hs-early-data", "hs-not-echo"],
            Base::Own,
            GoesOn,
            "C2 and connect are sent before S1 is there",
            |s| {
                let times = [s.steps[S0S1S2].time, s.steps[CONNECT].time];
                s.handshake(CLIENT, 1).fill(0);
                s.steps.swap(S0S1S2, C2);
                s.steps.swap(C2, CONNECT);
                (s.steps[S0S1S2].time, s.steps[C2].time, s.steps[CONNECT].time) = (times[0], times[0], times[1]);
            },
        ),
        fault("early-server", &["hs-early-data"], Base::Own, GoesOn, "the server sends before C2 is there", |s| {
            let mut early = s.remove(CONNECT + 1);
            early.time = s.steps[S0S1S2].time;
            s.steps.insert(C2, early);
        }),
        fault(
            "tail-lost",
            &["hs-tail-lost", "connect-unanswered"],
            Base::Own,
            Ends,
            "connect comes in C2's segment and is lost",
            |s| {
                s.steps[CONNECT].write = s.steps[C2].write;
                s.silence(CONNECT);
            },
        ),
        fault("s0-never", &["hs-unanswered"], Base::Own, Ends, "the server answers C0 and C1 with nothing", |s| {
            s.ended(C0C1, CLIENT, 6_000_000);
        }),
        fault("c1-short", &["hs-c0-missing"], Base::Own, Breaks, "C1 has 1532 bytes", |s| {
            s.handshake(CLIENT, 0).truncate(1533);
            s.silence(C0C1);
        }),
    ]
}

/// Other random bytes after the two times.
fn scramble(block: &mut [u8]) {
    block[8..].iter_mut().zip(1_u32..).for_each(|(byte, at)| *byte = (at.wrapping_mul(2_654_435_761) >> 11) as u8);
}
