//! Audio and video: the tag headers before the media (FLV E.4.2, E.4.3; enhanced RTMP).
//!
//! Takes the first bytes of a body and its true length, gives the header's fields, the configuration
//! records after it, and how long the payload is. Samples and frames are not decoded.
//!
//! | module | holds |
//! |---|---|
//! | [`audio`] | the audio tag header |
//! | [`video`] | the video tag header |
//! | [`enhanced`] | what both headers have in common in enhanced RTMP |
//! | [`content`] | codec and packet type → what comes after the header |
//! | [`config`] | what video configurations have in common |
//! | [`avc`], [`hevc`], [`vvc`], [`av1`], [`vpx`], [`aac`], [`opus`] | the records of the codecs |
//! | [`multichannel`] | which speaker each channel is for |
//! | [`nal`] | lists of NAL units |

pub mod aac;
pub mod audio;
pub mod av1;
pub mod avc;
pub mod config;
pub mod content;
pub mod enhanced;
pub mod hevc;
pub mod mp3;
pub mod multichannel;
pub mod nal;
pub mod opus;
pub mod video;
pub mod vpx;
pub mod vvc;

pub use audio::Audio;
pub use video::Video;

use std::fmt;

use serde::Serialize;

use crate::amf::Str;
use crate::field::{Def, Reader, Record, Short};

/// The fields of audio and video.
pub fn fields() -> impl Iterator<Item = &'static Def> {
    let tags = [audio::FIELDS, video::FIELDS, enhanced::FIELDS, multichannel::FIELDS, config::FIELDS, nal::FIELDS];
    let records = [aac::FIELDS, avc::FIELDS, hevc::FIELDS, vvc::FIELDS, av1::FIELDS, vpx::FIELDS, opus::FIELDS];
    tags.into_iter().chain(records).flatten().copied()
}

/// Four characters that name a codec (enhanced RTMP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// Reads four bytes.
    pub fn read<R: Record>(reader: &mut Reader<'_, '_, R>, def: &'static Def) -> Result<Self, Short> {
        let mut code = [0; 4];
        code.copy_from_slice(reader.text(def, 4)?);
        Ok(FourCc(code))
    }

    /// The codec's common name, if the specification lists it.
    pub fn codec(self) -> Option<&'static str> {
        Some(match &self.0 {
            b"vp08" => "VP8",
            b"vp09" => "VP9",
            b"av01" => "AV1",
            b"avc1" => "H.264",
            b"hvc1" => "H.265",
            b"vvc1" => "H.266",
            b"ac-3" => "AC-3",
            b"ec-3" => "E-AC-3",
            b"Opus" => "Opus",
            b".mp3" => "MP3",
            b"fLaC" => "FLAC",
            b"mp4a" => "AAC",
            _ => return None,
        })
    }

    /// Whether it names a video codec.
    pub fn is_video(self) -> bool {
        matches!(&self.0, b"vp08" | b"vp09" | b"av01" | b"avc1" | b"hvc1" | b"vvc1")
    }

    /// Whether it names an audio codec.
    pub fn is_audio(self) -> bool {
        !self.is_video() && self.codec().is_some()
    }

    /// The codec's common name, or the four characters themselves.
    pub fn name(self) -> String {
        self.codec().map_or_else(|| self.to_string(), str::to_owned)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Str(&self.0).fmt(f)
    }
}

impl Serialize for FourCc {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Str(&self.0).serialize(s)
    }
}
