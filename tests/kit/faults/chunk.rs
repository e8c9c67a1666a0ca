//! Faults of chunks and their headers (RTMP 1.0 5.3).

use super::{Base, Fault, Then, fault};
use crate::kit::edit::{CLIENT, is_media, is_picture, is_sound};
use crate::kit::encode::{Chunk, Message, basic};
use crate::kit::recording::Recording;

pub fn faults() -> Vec<Fault> {
    use Then::{Breaks, Ends, GoesOn};
    let mut faults = super::chunk_size::faults();
    faults.extend([
        fault(
            "length-counts-headers",
            &["mlen-includes-headers"],
            Base::Own,
            Breaks,
            "the metadata's length counts its type 3 headers",
            |s| {
                spoil(s, is_data, |chunks| {
                    let extra = chunks.len() as u8 - 1;
                    chunks[0].header[6] += extra;
                });
            },
        ),
        fault(
            "length-little-endian",
            &["mlen-byte-order"],
            Base::Own,
            Breaks,
            "connect's length is little-endian",
            |s| {
                spoil(s, |message| message.is_command("connect"), |chunks| chunks[0].header[4..7].reverse());
            },
        ),
        fault(
            "extra-type3",
            &["extra-type3-exact-multiple"],
            Base::Exact,
            Breaks,
            "a type 3 header follows a full last chunk",
            |s| {
                spoil(s, is_picture, |chunks| {
                    let header = chunks[1].header.clone();
                    chunks.push(Chunk { header, payload: Vec::new() });
                });
            },
        ),
        fault(
            "no-type3",
            &["type3-missing", "chunk-size-not-announced"],
            Base::Own,
            Breaks,
            "the key frame has no type 3 headers",
            |s| {
                spoil(s, is_picture, |chunks| chunks[1..].iter_mut().for_each(|chunk| chunk.header.clear()));
            },
        ),
        fault(
            "type3-without-ext",
            &["type3-ext-missing"],
            Base::OwnLate,
            Breaks,
            "type 3 headers leave the extended timestamp out",
            |s| {
                spoil(s, is_late_picture, |chunks| chunks[1..].iter_mut().for_each(|chunk| chunk.header.truncate(1)));
            },
        ),
        fault(
            "type3-without-ext-tolerated",
            &["type3-ext-missing"],
            Base::OwnLate,
            GoesOn,
            "the same, throughout, and the server copes",
            |s| {
                s.sent(CLIENT, 0).filter(|message| message.timestamp >= 0xff_ffff).for_each(|message| {
                    message.spoil = Some(|chunks| chunks[1..].iter_mut().for_each(|chunk| chunk.header.truncate(1)));
                });
            },
        ),
        fault(
            "ext-absolute-in-fmt1",
            &["ext-abs-vs-delta"],
            Base::OwnLate,
            GoesOn,
            "the extended timestamp of a fmt 1 header is absolute",
            |s| {
                let at = s.nth(2, is_late_picture);
                s.message(at).spoil = Some(|chunks| {
                    // fmt 0: basic, time, length, type, stream, extended; fmt 1 has no stream.
                    let header = &mut chunks[0].header;
                    header.drain(8..12);
                    header[0] |= 0x40;
                });
            },
        ),
        fault(
            "ts-24-bits",
            &["ts-wrap-24", "ts-backwards"],
            Base::OwnLate,
            GoesOn,
            "timestamps are cut to 24 bits",
            |s| {
                s.sent(CLIENT, 0).for_each(|message| message.timestamp &= 0xff_ffff);
            },
        ),
        fault(
            "ts-ffffff-no-ext",
            &["ts-field-ffffff-no-ext"],
            Base::OwnLate,
            Breaks,
            "0xFFFFFF is in the field, and no extended timestamp follows",
            |s| {
                let at = s.find(is_late_picture);
                s.message(at).timestamp = 0xff_ffff;
                spoil(s, is_late_picture, |chunks| {
                    chunks[0].header.truncate(12);
                    chunks[1..].iter_mut().for_each(|chunk| chunk.header.truncate(1));
                });
            },
        ),
        fault(
            "ext-without-ffffff",
            &["ts-field-ffffff-no-ext"],
            Base::Own,
            Breaks,
            "an extended timestamp follows a field that holds the time",
            |s| {
                spoil(s, is_picture, |chunks| chunks[0].header.extend([0, 0, 0, 0]));
            },
        ),
        fault(
            "type3-new-message",
            &["type3-new-msg-ts"],
            Base::Gstreamer,
            GoesOn,
            "a type 3 header begins a message whose step is another",
            |s| {
                // The metadata comes again and again, 40 ms after the one before, then once 80 ms.
                let mut before: Option<[u32; 2]> = None;
                let mut late = 0;
                for message in s.sent(CLIENT, 0).filter(|message| is_data(message)) {
                    let time = message.timestamp;
                    if let (Some([last, delta]), 0, 2) = (before, late, message.fmt)
                        && delta == 40
                        && time - last != 40
                    {
                        message.fmt = 3;
                        late = time - last - delta;
                    }
                    message.timestamp -= late;
                    before = Some([time, before.map_or(0, |[last, _]| time - last)]);
                }
                assert!(late > 0);
            },
        ),
        fault(
            "fmt3-first",
            &["fmt-first-on-csid"],
            Base::Own,
            Breaks,
            "the first chunk on a chunk stream is fmt 3",
            |s| {
                spoil(s, |message| message.is_command("publish"), |chunks| chunks[0].header = basic(3, 8));
            },
        ),
        fault(
            "fmt2-first",
            &["fmt-first-on-csid"],
            Base::Own,
            Breaks,
            "the first chunk on a chunk stream is fmt 2",
            |s| {
                spoil(s, |message| message.is_command("publish"), |chunks| chunks[0].header = vec![0x88, 0, 0, 0]);
            },
        ),
        fault(
            "fmt1-first",
            &["fmt-first-on-csid"],
            Base::Own,
            Breaks,
            "the first chunk of the session is fmt 1",
            |s| {
                let at = s.command("connect");
                s.message(at).spoil = Some(|chunks| {
                    chunks[0].header.truncate(8);
                    chunks[0].header[0] |= 0x40;
                });
            },
        ),
        fault(
            "fmt0-continues",
            &["fmt0-mid-message"],
            Base::Own,
            Breaks,
            "full headers continue the key frame, which nginx takes",
            |s| {
                let at = s.find(is_picture);
                s.message(at).fmt = 0;
                s.message(at).spoil = Some(|chunks| {
                    let header = chunks[0].header.clone();
                    chunks[1..].iter_mut().for_each(|chunk| chunk.header.clone_from(&header));
                });
            },
        ),
        fault(
            "abandoned",
            &["mlen-changes-mid-message"],
            Base::Own,
            Breaks,
            "another message begins before the key frame is whole",
            |s| {
                let at = s.find(is_picture);
                s.message(at).spoil = Some(|chunks| chunks.truncate(3));
            },
        ),
        fault(
            "continued-on-3",
            &["wrong-csid-continuation"],
            Base::Own,
            Breaks,
            "the key frame continues with C3",
            |s| {
                spoil(s, is_picture, |chunks| chunks[1..].iter_mut().for_each(|chunk| chunk.header = vec![0xc3]));
            },
        ),
        fault(
            "continued-in-a-byte",
            &["wrong-csid-continuation"],
            Base::OwnCsid64,
            Breaks,
            "chunk stream 65 continues with 0xC0+65 in one byte",
            |s| {
                spoil(s, is_picture, |chunks| chunks[1..].iter_mut().for_each(|chunk| chunk.header = vec![0xc1]));
            },
        ),
        fault(
            "csid-less-64",
            &["csid-extended-form", "wrong-csid-continuation"],
            Base::OwnCsid64,
            Breaks,
            "type 3 headers do not take 64 from the id",
            |s| {
                spoil(s, is_picture, |chunks| chunks[1..].iter_mut().for_each(|chunk| chunk.header = vec![0xc0, 65]));
            },
        ),
        fault(
            "key-frame-over-1-mib",
            &["mlen-over-peer-max"],
            Base::Ffmpeg,
            Ends,
            "the key frame is longer than nginx takes",
            |s| {
                let at = s.find(is_picture);
                // A NAL unit of filler (type 12) after the video frame.
                let filler = [&1_100_000_u32.to_be_bytes()[..], &[0x0c], &vec![0xff; 1_099_998], &[0x80]].concat();
                s.message(at).body.extend(filler);
                s.closed(at);
            },
        ),
        fault(
            "stray-byte",
            &["mistake:stray:message", "desync-unknown"],
            Base::Own,
            Breaks,
            "there is an extra byte before a header",
            |s| {
                let at = s.nth(3, is_sound);
                s.message(at).spoil = Some(|chunks| chunks[0].header.insert(0, 0));
            },
        ),
        fault(
            "lost-bytes",
            &["mistake:lost:message", "desync-unknown"],
            Base::Ffmpeg,
            Breaks,
            "three bytes of a video frame are not sent",
            |s| {
                let at = s.nth(4, is_picture);
                s.message(at).spoil = Some(|chunks| _ = chunks[0].payload.drain(100..103));
            },
        ),
    ]);
    faults
}

/// The first message that `is` has its chunks spoilt, and the server closes.
fn spoil(session: &mut Recording, is: fn(&Message) -> bool, how: fn(&mut Vec<Chunk>)) {
    let at = session.find(is);
    session.message(at).spoil = Some(how);
    session.closed(at);
}

pub fn is_data(message: &Message) -> bool {
    message.type_id == 18
}

/// A video frame in more than one chunk whose timestamp does not fit in 24 bits.
fn is_late_picture(message: &Message) -> bool {
    is_media(message) && is_picture(message) && message.timestamp >= 0xff_ffff && message.body.len() > 300
}
