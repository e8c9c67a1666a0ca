//! Bodies that were changed on their way into the message.

use super::media::{HEAD, pictures};
use super::{Base, Fault, Then, fault};
use crate::kit::edit::{is_picture, is_sound};
use crate::kit::recording::Recording;

pub fn faults() -> Vec<Fault> {
    use Then::GoesOn;
    vec![
        fault("crlf", &["px-crlf"], Base::Own, GoesOn, "LF became CR LF in video frames", |s| {
            pictures(s, |body| {
                let split: Vec<&[u8]> = body[HEAD..].split(|&byte| byte == b'\n').collect();
                let text = split.join(&b"\r\n"[..]);
                body.splice(HEAD.., text);
            });
        }),
        fault("utf8-lossy", &["px-utf8-lossy"], Base::Own, GoesOn, "a video frame went through a string", |s| {
            picture(s, |body| *body = String::from_utf8_lossy(body).into_owned().into_bytes());
        }),
        fault("latin1-utf8", &["px-latin1-utf8"], Base::Own, GoesOn, "a video frame was written as text", |s| {
            picture(s, |body| *body = body.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes());
        }),
        fault("seven-bits", &["px-7bit"], Base::Own, GoesOn, "a video frame lost the first bit of each byte", |s| {
            picture(s, |body| body.iter_mut().for_each(|byte| *byte &= 0x7f));
        }),
        fault("swapped-words", &["px-swap32"], Base::Own, GoesOn, "a video frame's 32-bit words are swapped", |s| {
            picture(s, |body| body.chunks_exact_mut(4).for_each(<[u8]>::reverse));
        }),
        fault("xor", &["px-xor-key"], Base::Own, GoesOn, "a video frame is masked with four bytes", |s| {
            picture(s, |body| {
                body.iter_mut().zip([0x37, 0xfa, 0x21, 0x3d].into_iter().cycle()).for_each(|(byte, key)| *byte ^= key)
            });
        }),
        fault("bit-flip", &["px-bitflip"], Base::Ffmpeg, GoesOn, "one bit of an audio message is flipped", |s| {
            let at = s.nth(5, is_sound);
            s.message(at).body[60] ^= 4;
        }),
        fault("first-chunk-only", &["px-trunc"], Base::Own, GoesOn, "a video frame is only its first 128 bytes", |s| {
            picture(s, |body| body.truncate(128))
        }),
        fault("zero-padded", &["px-zero-pad"], Base::Own, GoesOn, "a video frame is zero from byte 1448 on", |s| {
            picture(s, |body| body[1448..].fill(0))
        }),
        fault(
            "headers-left",
            &["px-headers-left", "receiver-no-dechunk"],
            Base::Own,
            GoesOn,
            "a video frame has the type 3 headers of an earlier hop in it",
            |s| {
                picture(s, |body| *body = body.chunks(128).collect::<Vec<_>>().join(&0xc6));
            },
        ),
        fault(
            "result-undechunked",
            &["receiver-no-dechunk"],
            Base::Own,
            GoesOn,
            "_result went through a proxy that left its type 3 header in",
            |s| {
                let at = s.command("_result");
                let body = &mut s.message(at).body;
                *body = body.chunks(128).collect::<Vec<_>>().join(&0xc3);
            },
        ),
        fault(
            "foreign-chunk",
            &["interleave-unsupported", "px-foreign-chunk"],
            Base::Own,
            GoesOn,
            "a video frame has a chunk of an audio message in it",
            |s| {
                let at = s.nth(3, is_sound);
                let sound = s.message(at).body[..128].to_vec();
                let before = (0..at).rev().find(|&at| s.steps[at].message().is_some_and(is_picture));
                let picture = before.expect("a video frame before it");
                s.message(picture).body.splice(128..128, sound);
            },
        ),
        fault(
            "ext-left",
            &["px-ext-left", "type3-ext-unread"],
            Base::Own,
            GoesOn,
            "a video frame has the extended timestamps of an earlier hop in it",
            |s| {
                picture(s, |body| *body = body.chunks(128).collect::<Vec<_>>().join(&[1, 0, 0, 16][..]));
            },
        ),
        fault("bytes-deleted", &["px-delete"], Base::Own, GoesOn, "a video frame lacks four bytes", |s| {
            picture(s, |body| _ = body.drain(1024..1028))
        }),
        fault(
            "blocks-reordered",
            &["px-reorder"],
            Base::Own,
            GoesOn,
            "two blocks of 128 bytes of a video frame changed places",
            |s| {
                picture(s, |body| body[1024..1280].rotate_left(128));
            },
        ),
    ]
}

/// Changes the first video frame.
fn picture(session: &mut Recording, change: fn(&mut Vec<u8>)) {
    let at = session.find(is_picture);
    change(&mut session.message(at).body);
}
