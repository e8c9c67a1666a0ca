//! The sessions without a fault.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use crate::kit::amf0;
use crate::kit::edit::{CLIENT, SERVER, is_media, is_picture};
use crate::kit::encode::Message;
use crate::kit::recording::{Recording, What};

/// A session without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// A small publisher to nginx: plain handshake, chunks of 128 bytes.
    Own,
    /// The same, chunks of 4096 bytes announced before releaseStream.
    Own4096,
    /// The same, chunks of 1024 bytes.
    Own1024,
    /// The same in chunks of 128 bytes, its key frame as long as 26 of them.
    Exact,
    /// The same with type 17 commands and type 15 data.
    OwnAmf3,
    /// The same with audio on chunk stream 64 and video on 65.
    OwnCsid64,
    /// The same with timestamps around 0xFFFFFF, full headers throughout.
    OwnLate,
    /// ffmpeg publishes to nginx: digest handshake, chunks of 4096 bytes.
    Ffmpeg,
    /// The same, and the server acknowledges every 20000 bytes.
    Acknowledged,
    /// ffmpeg publishes to node-media-server, which sends ping requests.
    Pinged,
    /// GStreamer publishes to nginx.
    Gstreamer,
    /// ffmpeg plays from nginx.
    Play,
    /// Two connections of the small publisher, one after the other.
    Twice,
    /// The small publisher, and a server that answers FCPublish with onFCPublish.
    Answering,
    /// The small publisher with enhanced video headers, negotiated in connect.
    Enhanced,
}

impl Base {
    /// The session.
    pub fn recording(self) -> Recording {
        static READ: LazyLock<Mutex<HashMap<Base, Recording>>> = LazyLock::new(Mutex::default);
        READ.lock().expect("no test panics while it reads").entry(self).or_insert_with(|| self.read()).clone()
    }

    fn read(self) -> Recording {
        let read = |path: &str, number| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
            Recording::read(&root.join(path), number)
        };
        match self {
            Base::Own => read("pairs/04_type14_A.pcap", 0),
            Base::Own4096 => read("pairs/06_chunk_not_used_A.pcap", 0),
            Base::Own1024 => {
                let mut recording = read("pairs/06_chunk_not_used_A.pcap", 0);
                let at = recording.nth(1, |message| message.type_id == 1);
                recording.message(at).body = 1024_u32.to_be_bytes().to_vec();
                recording
            }
            Base::Exact => exact(read("pairs/04_type14_A.pcap", 0)),
            Base::OwnAmf3 => read("e/own_amf3.pcap", 0),
            Base::OwnCsid64 => read("e/own_csid64.pcap", 0),
            Base::OwnLate => read("e/own_ext_ts_all.pcap", 0),
            Base::Ffmpeg => read("a/ffmpeg_pub_c4096.pcap", 0),
            Base::Acknowledged => acknowledged(read("a/ffmpeg_pub_c4096.pcap", 0)),
            Base::Pinged => read("a/nms2_pub_play.pcap", 0),
            Base::Gstreamer => read("a/gst_rtmp2sink_pub.pcap", 0),
            Base::Play => read("a/ffmpeg_pub_play.pcap", 0),
            Base::Twice => twice(read("pairs/06_chunk_not_used_A.pcap", 0)),
            Base::Answering => answering(read("pairs/04_type14_A.pcap", 0)),
            Base::Enhanced => enhanced(read("pairs/04_type14_A.pcap", 0)),
        }
    }
}

/// A NAL unit of filler (type 12) makes the key frame fill its last chunk.
fn exact(mut recording: Recording) -> Recording {
    let at = recording.find(is_picture);
    let body = &mut recording.message(at).body;
    let filler = 26 * 128 - body.len() - 4;
    body.extend((filler as u32).to_be_bytes());
    body.push(0x0c);
    body.extend(vec![0xff; filler - 2]);
    body.push(0x80);
    recording
}

/// The client asks for an Acknowledgement every 20000 bytes, and the server sends it.
fn acknowledged(mut recording: Recording) -> Recording {
    const WINDOW: u32 = 20_000;
    let at = recording.command("releaseStream");
    recording.insert(at, Message::new(2, 5, 0, 0, &WINDOW.to_be_bytes()));
    let (mut sent, mut said) = (0, 0);
    let mut due = Vec::new();
    for (at, bytes) in recording.bytes().into_iter().enumerate() {
        let step = &recording.steps[at];
        if step.from_client && step.message().is_some() {
            sent += u32::try_from(bytes.len()).expect("short");
            let last_of_its_write = recording.steps.get(at + 1).is_none_or(|next| next.write != step.write);
            if sent - said >= WINDOW && last_of_its_write {
                due.push((at, sent));
                said = sent;
            }
        }
    }
    for (at, sent) in due.into_iter().rev() {
        recording.answer(at, SERVER, Message::new(2, 3, 0, 0, &sent.to_be_bytes()));
    }
    recording
}

/// The client comes back after two seconds, from another port.
fn twice(first: Recording) -> Recording {
    const LATER: u64 = 3_000_000;
    let mut second = first.clone();
    second.client.1 += 2;
    second.opened += LATER;
    second.steps.iter_mut().for_each(|step| step.time += LATER);
    Recording { next: Some(Box::new(second)), ..first }
}

/// As Adobe's and Wowza's servers do, with no transaction.
fn answering(mut recording: Recording) -> Recording {
    let at = recording.command("FCPublish");
    let code = amf0::object(&[("level", amf0::string("status")), ("code", amf0::string("NetStream.Publish.Start"))]);
    let body = [amf0::string("onFCPublish"), amf0::number(0.0), amf0::null(), code].concat();
    recording.answer(at, SERVER, Message::new(3, 20, 0, 0, &body));
    recording
}

/// Both sides say in connect that they know enhanced video, and video comes with its headers (E-RTMP v2, ExVideoTagHeader):
/// the frame type, the packet type, and `avc1` where the codec number was.
fn enhanced(mut recording: Recording) -> Recording {
    // fourCcList: a strict array of one string.
    let known = [&b"\0\x0afourCcList\x0a\0\0\0\x01\x02\0\x04avc1"[..], &[0, 0, 9]].concat();
    for command in ["connect", "_result"] {
        let at = recording.command(command);
        let body = &mut recording.message(at).body;
        // In connect it is in the one object, in _result in the last.
        body.truncate(body.len() - 3);
        body.extend(&known);
    }
    // The metadata's codec is the FourCC as a number.
    let number = |value: f64| [&b"videocodecid\0"[..], &value.to_be_bytes()].concat();
    let at = recording.find(|message| message.type_id == 18);
    recording.replace(at, &number(7.0), &number(f64::from(u32::from_be_bytes(*b"avc1"))));
    for step in &mut recording.steps {
        if let What::Message(message) = &mut step.what
            && step.from_client == CLIENT
            && is_media(message)
            && message.type_id == 9
        {
            let [frame_and_codec, packet_type, ..] = message.body[..] else { continue };
            let head = [&[0x80 | frame_and_codec & 0x70 | packet_type], &b"avc1"[..]].concat();
            // A sequence start has no composition time, coded frames of AVC have.
            let skipped = if packet_type == 0 { 5 } else { 2 };
            message.body.splice(..skipped, head);
        }
    }
    recording
}
