//! What a video configuration says, whatever the codec.
//!
//! The records of the codecs are read in modules of their own; this is what they have in common, and how it
//! is shown.

use serde::Serialize;

use crate::field::{Defect, Reader, Record, Value};

/// The properties of the video.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VideoConfig {
    /// E.g. `High`, `Main 10`.
    pub profile: String,
    /// E.g. `3.1`.
    pub level: String,
    /// In pixels, after cropping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// In pixels, after cropping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Pictures a second, if the configuration says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// How many bytes each NAL unit's length has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nal_length_size: Option<u8>,
}

impl VideoConfig {
    /// `High 3.1 320x180 25 fps`.
    pub fn label(&self) -> String {
        let mut parts = vec![self.profile.clone(), self.level.clone()];
        if let (Some(width), Some(height)) = (self.width, self.height) {
            parts.push(format!("{width}x{height}"));
        }
        parts.extend(self.frame_rate.map(|rate| format!("{} fps", (rate * 1000.0).round() / 1000.0)));
        parts.retain(|part| !part.is_empty());
        parts.join(" ")
    }

    /// Puts what was computed into the tree.
    pub fn record<R: Record>(&self, reader: &mut Reader<'_, '_, R>) {
        if !R::ON {
            return;
        }
        reader.describe(|| self.label());
        let why = "computed from the configuration";
        reader.derived(&PROFILE, || Value::Text(self.profile.clone()), why);
        reader.derived(&LEVEL, || Value::Text(self.level.clone()), why);
        if let (Some(width), Some(height)) = (self.width, self.height) {
            reader.derived(&WIDTH, || Value::Uint(width.into()), why);
            reader.derived(&HEIGHT, || Value::Uint(height.into()), why);
        }
        if let Some(rate) = self.frame_rate {
            reader.derived(&FRAME_RATE, || Value::Double(rate), why);
        }
    }
}

/// Reads a record to the end of the reader, or as far as it goes: `name` is the specification's, `code` that of
/// the defect if it is not valid. `missing` bytes after the reader's end are not there.
pub(super) fn record<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
    (code, name): (&'static str, &str),
    fields: impl FnOnce(&mut Reader<'_, '_, R>, &mut VideoConfig, &mut Vec<Defect>) -> Result<(), Defect>,
) -> Option<VideoConfig> {
    let at = reader.at();
    let config = reader.group(&CONFIG, |reader| {
        let mut config = VideoConfig::default();
        let whole = fields(reader, &mut config, defects);
        config.record(reader);
        whole.map(|()| config)
    });
    match config {
        Ok(config) => Some(config),
        Err(_) if missing > 0 => None,
        Err(defect) => {
            defects.push(Defect::new(code, at, format!("the {name} is not valid: {}", defect.message)));
            None
        }
    }
}

/// Fails on bytes that begin with a start code: parameter sets as they are in a file of their own
/// (Annex B), where the configuration record should be.
pub(super) fn no_start_code<R: Record>(reader: &Reader<'_, '_, R>, code: &'static str) -> Result<(), Defect> {
    match reader.peek() {
        [0, 0, 1, ..] | [0, 0, 0, 1, ..] => {
            Err(Defect::new(code, reader.at(), "it begins with a start code (Annex B), which is not a record"))
        }
        _ => Ok(()),
    }
}

/// Complains of a length of NAL units' lengths that must not be (ISO/IEC 14496-15 5.3.3.1.2).
pub(super) fn check_length_size(at: usize, size: u8, code: &'static str, defects: &mut Vec<Defect>) {
    if size == 3 {
        defects.push(Defect::new(
            code,
            at,
            "lengths of NAL units are announced as 3 bytes; only 1, 2 and 4 are allowed",
        ));
    }
}

/// What a sequence header in the bit stream says of the video.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Picture {
    /// In pixels, after cropping.
    pub width: u32,
    /// In pixels, after cropping.
    pub height: u32,
    /// Pictures a second.
    pub frame_rate: Option<f64>,
}

impl VideoConfig {
    /// Takes over what the first sequence header says.
    pub fn picture(&mut self, picture: Option<Picture>) {
        if let (Some(picture), None) = (picture, self.width) {
            self.width = Some(picture.width);
            self.height = Some(picture.height);
            self.frame_rate = picture.frame_rate;
        }
    }
}

crate::fields! {
    CONFIG = "rtmpt.video.config", Group, "Configuration", "The codec's configuration record (own name).";
    PROFILE = "rtmpt.video.profile", Text, "Profile", "The codec's profile (own name).";
    LEVEL = "rtmpt.video.level", Text, "Level", "The codec's level (own name).";
    WIDTH = "rtmpt.video.width", Uint, "Width", "In pixels, after cropping (own name).";
    HEIGHT = "rtmpt.video.height", Uint, "Height", "In pixels, after cropping (own name).";
    FRAME_RATE = "rtmpt.video.frame_rate", Double, "Frame rate", "Frames per second (own name).";
}
