//! Message type → body decoder: the one match.
//!
//! Takes the type and the bytes of a body, gives a typed [`Body`] and the defects found in it; with a
//! [`Tree`](crate::field::Tree) as record also the fields. The bytes may be only the first of the body:
//! a list needs no more of a video frame than its header.

use serde::Serialize;

use super::MessageTypeId;
use super::aggregate::{self, Aggregate};
use super::command::{self, Command, Data};
use super::control::{self, Control, UserControl};
use super::media::{self, Audio, Video};
use super::shared_object::{self, SharedObject};
use crate::amf::amf0;
use crate::field::{Defect, Reader, Record};

/// A body, and what was wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<'a> {
    /// What the body says.
    pub body: Body<'a>,
    /// What was wrong, with offsets in the body.
    pub defects: Vec<Defect>,
}

/// What a message says, by kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Body<'a> {
    /// Types 1, 2, 3, 5 and 6.
    Control(Control<'a>),
    /// Type 4.
    UserControl(UserControl<'a>),
    /// Types 20 and 17.
    Command(Command<'a>),
    /// Types 18 and 15.
    Data(Data<'a>),
    /// Type 8.
    Audio(Audio<'a>),
    /// Type 9.
    Video(Video<'a>),
    /// Type 22: several messages in one.
    Aggregate(Aggregate<'a>),
    /// Types 19 and 16.
    SharedObject(SharedObject<'a>),
    /// A type that the specification does not know, or a control message that is cut.
    Unknown {
        /// The body.
        #[serde(with = "hex::serde")]
        hex: &'a [u8],
    },
}

/// Decodes a body, or the first `bytes` of one that is `length` bytes long.
///
/// If bytes are missing at the end, fields that end in them are undecoded, and that is no defect.
pub fn decode<'a, R: Record>(type_id: MessageTypeId, bytes: &'a [u8], length: u32, record: &mut R) -> Decoded<'a> {
    let mut reader = Reader::new(bytes, record);
    let missing = length.saturating_sub(bytes.len() as u32);
    let mut defects = Vec::new();
    let body = read(type_id, &mut reader, missing, &mut defects);
    if missing > 0 {
        defects.retain(|defect| !CAUSED_BY_THE_END.contains(&defect.code));
    }
    Decoded { body, defects }
}

/// Reads a body to the end of the reader. `missing` bytes after it belong to the body but are not there.
pub(super) fn read<'a, R: Record>(
    type_id: MessageTypeId,
    reader: &mut Reader<'a, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Body<'a> {
    let hex = reader.peek();
    let body = match type_id {
        MessageTypeId::SET_CHUNK_SIZE
        | MessageTypeId::ABORT
        | MessageTypeId::ACKNOWLEDGEMENT
        | MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE
        | MessageTypeId::SET_PEER_BANDWIDTH => {
            control::control(type_id, reader, defects).map_or(Body::Unknown { hex }, Body::Control)
        }
        MessageTypeId::USER_CONTROL => {
            control::user_control(reader, defects).map_or(Body::Unknown { hex }, Body::UserControl)
        }
        MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND => {
            Body::Command(command::command(type_id, reader, defects))
        }
        MessageTypeId::AMF0_DATA | MessageTypeId::AMF3_DATA => Body::Data(command::data(type_id, reader, defects)),
        MessageTypeId::AUDIO => Body::Audio(media::audio::decode(reader, missing, defects)),
        MessageTypeId::VIDEO => Body::Video(media::video::decode(reader, missing, defects)),
        MessageTypeId::AGGREGATE => Body::Aggregate(aggregate::decode(reader, missing, defects)),
        MessageTypeId::AMF0_SHARED_OBJECT | MessageTypeId::AMF3_SHARED_OBJECT => {
            shared_object::decode(type_id, reader, defects).map_or(Body::Unknown { hex }, Body::SharedObject)
        }
        _ => Body::Unknown { hex },
    };
    // Whatever a decoder left is a field too, so that the leaves tile the bytes.
    reader.rest(&REST);
    body
}

/// Defects that say no more than that the bytes ended.
const CAUSED_BY_THE_END: [&str; 3] = [Defect::SHORT, amf0::UNTERMINATED, amf0::ARRAY_SHORT];

crate::fields! {
    REST = "rtmpt.body", Bytes, "Body", "Bytes of the body that are not decoded (own name).";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::Tree;
    use crate::rtmp::summary::{detail, info};

    fn both_ways(type_id: u8, bytes: &[u8], length: u32) -> Decoded<'_> {
        let type_id = MessageTypeId(type_id);
        let decoded = decode(type_id, bytes, length, &mut ());
        let mut tree = Tree::default();
        let with_tree = decode(type_id, bytes, length, &mut tree);
        // As text, for a NaN is not equal to itself.
        assert_eq!(format!("{decoded:?}"), format!("{with_tree:?}"));
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()), "{:?}", tree.nodes());
        decoded
    }

    #[test]
    fn an_unknown_type_is_its_bytes() {
        let decoded = both_ways(14, &[1, 2, 3], 3);
        assert_eq!(serde_json::to_string(&decoded.body).unwrap(), r#"{"hex":"010203"}"#);
    }

    #[test]
    fn what_is_not_there_yet_is_no_defect() {
        // Three bytes of `7 keyframe H.264, packet type 1` whose composition time is not there.
        let decoded = both_ways(9, &[0x17, 1, 0], 500);
        assert_eq!(decoded.defects, []);
        let decoded = both_ways(20, b"\x03\x00\x01a\x02\x00\x09abc", 20);
        assert_eq!(decoded.defects.iter().map(|defect| defect.code).collect::<Vec<_>>(), ["amf-first-not-string"]);
    }

    /// The first bytes of bodies whose rest is then random: else chance would hardly find the way in.
    const BEGINNINGS: &[(u8, &[u8])] = &[
        (8, b"\xaf\x00"),
        (8, b"\x90mp4a"),
        (8, b"\x90OpusOpusHead"),
        (8, b"\x90fLaCfLaC"),
        (8, b"\x94Opus\x02"),
        (8, b"\x95\x11Opus"),
        (8, b"\x97\x02\x00\x00\x01\x05\x21"),
        (9, b"\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x10\x67"),
        (9, b"\x17\x01\x00\x00\x50\x00\x00\x00"),
        (9, b"\x1c\x00\x00\x00\x00\x01"),
        (9, b"\x90hvc1\x01\x01\x60\x00\x00\x00\x90\x00\x00\x00\x00\x00\x5d\xf0\x00\xfc\xfd\xf8\xf8\x00\x00\x0f\x01\x21\x00\x01\x00\x20\x42\x01"),
        (9, b"\x90vvc1\xff"),
        (9, b"\x90av01\x81\x04\x0c\x00\x0a\x0b"),
        (9, b"\x90vp09"),
        (9, b"\x91av01\x12\x00\x0a"),
        (9, b"\x91avc1\x00\x00\x50\x00\x00\x00"),
        (9, b"\x94hvc1\x02\x00\x09colorInfo"),
        (9, b"\x95av01\x80\x04"),
        (9, b"\x96\x11hvc1\x00\x00\x00"),
        (9, b"\x96\x21avc1\x01\x00\x00"),
        (9, b"\x97\x02\x00\x00\x01\x06\x11hvc1"),
        (9, b"\xd1\x00"),
        (17, b"\x00\x02\x00\x01a\x11\x0a\x0b\x01"),
        (19, b"\x00\x01s\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00"),
        (22, b"\x09\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x17\x00"),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn random_endings_do_not_panic_and_are_tiled(
            (type_id, beginning) in proptest::sample::select(BEGINNINGS),
            ending in proptest::collection::vec(prop_oneof![0u8..0x12, any::<u8>()], 0..100),
            missing in prop_oneof![Just(0u32), 0u32..1000, Just(u32::MAX)],
        ) {
            let bytes = [beginning, &ending].concat();
            let decoded = both_ways(type_id, &bytes, missing.saturating_add(bytes.len() as u32));
            serde_json::to_string(&decoded.body).unwrap();
            detail(MessageTypeId(type_id), &decoded.body);
        }

        #[test]
        fn random_bytes_do_not_panic_and_are_tiled(
            type_id in prop_oneof![0u8..24, any::<u8>()],
            bytes in proptest::collection::vec(prop_oneof![0u8..0x12, any::<u8>()], 0..120),
            missing in prop_oneof![Just(0u32), 0u32..1000, Just(u32::MAX)],
        ) {
            let decoded = both_ways(type_id, &bytes, missing.saturating_add(bytes.len() as u32));
            serde_json::to_string(&decoded.body).unwrap();
            info(MessageTypeId(type_id), &decoded.body);
            detail(MessageTypeId(type_id), &decoded.body);
        }
    }
}
