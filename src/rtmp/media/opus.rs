//! Opus and FLAC: the headers before their audio (RFC 7845 5.1; RFC 9639 8.2).
//!
//! Takes the bytes after a sequence start, gives sampling rate and channels.

use serde::Serialize;

use crate::field::{Defect, Reader, Record, Short};

/// The properties of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SoundConfig {
    /// In Hz. Of Opus the rate before encoding; it always decodes at 48000.
    pub sampling_frequency: u32,
    /// How many.
    pub channels: u8,
    /// FLAC only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_sample: Option<u8>,
}

/// Reads the identification header of Opus.
pub fn opus<R: Record>(reader: &mut Reader<'_, '_, R>, missing: u32, defects: &mut Vec<Defect>) -> Option<SoundConfig> {
    let at = reader.at();
    if !reader.peek().starts_with(b"OpusHead") {
        if missing == 0 {
            defects.push(Defect::new("opus-config-invalid", at, "the header does not begin with OpusHead"));
        }
        return None;
    }
    let config = reader.group(&OPUS, |reader| {
        reader.text(&MAGIC, 8)?;
        reader.u8(&VERSION)?;
        let channels = reader.u8(&CHANNELS)?;
        reader.uint_le(&PRE_SKIP, 2)?;
        let sampling_frequency = reader.uint_le(&RATE, 4)? as u32;
        reader.uint_le(&GAIN, 2)?;
        if reader.u8(&MAPPING_FAMILY)? != 0 {
            reader.u8(&STREAM_COUNT)?;
            reader.u8(&COUPLED_COUNT)?;
            reader.bytes(&MAPPING, channels.into())?;
        }
        Ok::<_, Short>(SoundConfig { sampling_frequency, channels, bits_per_sample: None })
    });
    config
        .map_err(|short| {
            if missing == 0 {
                defects.push(short.into())
            }
        })
        .ok()
}

/// Reads the STREAMINFO of FLAC. It should be in a metadata block after the four bytes `fLaC`; ffmpeg (8.0)
/// writes the bare 34 bytes.
pub fn flac<R: Record>(reader: &mut Reader<'_, '_, R>, missing: u32, defects: &mut Vec<Defect>) -> Option<SoundConfig> {
    const STREAMINFO: u32 = 34;
    let at = reader.at();
    let config = reader.group(&FLAC, |reader| {
        if reader.peek().starts_with(b"fLaC") {
            reader.text(&MAGIC, 4)?;
        } else if missing == 0 || reader.remaining() >= 4 {
            let text = "the header does not begin with fLaC (enhanced RTMP, ExAudioTagBody)";
            defects.push(Defect::new("flac-config-invalid", at, text));
        }
        let at = reader.at();
        if reader.remaining() as u32 + missing != STREAMINFO {
            let block_type = reader.u8(&BLOCK_TYPE)? & 0x7f;
            let length = reader.u24(&BLOCK_LENGTH)?;
            if (block_type, length) != (0, STREAMINFO) {
                let text =
                    format!("the first block is of type {block_type} with {length} bytes, not STREAMINFO with 34");
                defects.push(Defect::new("flac-config-invalid", at, text));
            }
        }
        reader.u16(&MIN_BLOCK)?;
        reader.u16(&MAX_BLOCK)?;
        reader.u24(&MIN_FRAME)?;
        reader.u24(&MAX_FRAME)?;
        // 20 bits of rate, 3 of channels, 5 of sample size, 36 of samples.
        let packed = reader.u64(&PACKED)?;
        let sampling_frequency = reader.bits(&FLAC_RATE, packed, 44, 20) as u32;
        let channels = reader.bits(&FLAC_CHANNELS, packed, 41, 3) as u8 + 1;
        let bits_per_sample = Some(reader.bits(&FLAC_BITS, packed, 36, 5) as u8 + 1);
        reader.bytes(&MD5, 16)?;
        Ok::<_, Short>(SoundConfig { sampling_frequency, channels, bits_per_sample })
    });
    config
        .map_err(|short| {
            if missing == 0 {
                defects.push(short.into())
            }
        })
        .ok()
}

crate::fields! {
    OPUS = "rtmpt.audio.opus.config", Group, "OpusHead", "The identification header (RFC 7845 5.1; own name).";
    FLAC = "rtmpt.audio.flac.config", Group, "STREAMINFO", "The stream's description (RFC 9639 8.2; own name).";
    MAGIC = "rtmpt.audio.config.magic", Text, "Signature", "OpusHead or fLaC (own name).";
    VERSION = "rtmpt.audio.opus.version", Uint, "Version", "1 (RFC 7845 5.1; own name).";
    CHANNELS = "rtmpt.audio.opus.channels", Uint, "Channels", "How many (RFC 7845 5.1; own name).";
    PRE_SKIP = "rtmpt.audio.opus.pre_skip", Uint, "Pre-skip", "Samples to discard at 48 kHz (RFC 7845 5.1; own name).";
    RATE = "rtmpt.audio.opus.rate", Uint, "Input sample rate", "In Hz (RFC 7845 5.1; own name).";
    GAIN = "rtmpt.audio.opus.gain", Hex, "Output gain", "In dB, Q7.8 (RFC 7845 5.1; own name).";
    MAPPING_FAMILY = "rtmpt.audio.opus.mapping_family", Uint, "Channel mapping family", "RFC 7845 5.1.1 (own name).";
    STREAM_COUNT = "rtmpt.audio.opus.stream_count", Uint, "Streams", "How many (RFC 7845 5.1.1; own name).";
    COUPLED_COUNT = "rtmpt.audio.opus.coupled_count", Uint, "Coupled streams", "Of them for two channels (RFC 7845 5.1.1; own name).";
    MAPPING = "rtmpt.audio.opus.mapping", Bytes, "Channel mapping", "RFC 7845 5.1.1 (own name).";
    BLOCK_TYPE = "rtmpt.audio.flac.block_type", Hex, "Block type", "0, or 0x80 if no other block follows (own name).";
    BLOCK_LENGTH = "rtmpt.audio.flac.block_length", Uint, "Block length", "34 (own name).";
    MIN_BLOCK = "rtmpt.audio.flac.min_block", Uint, "Minimum block size", "In samples (own name).";
    MAX_BLOCK = "rtmpt.audio.flac.max_block", Uint, "Maximum block size", "In samples (own name).";
    MIN_FRAME = "rtmpt.audio.flac.min_frame", Uint, "Minimum frame size", "In bytes (own name).";
    MAX_FRAME = "rtmpt.audio.flac.max_frame", Uint, "Maximum frame size", "In bytes (own name).";
    PACKED = "rtmpt.audio.flac.packed", Hex, "Rate, channels, size", "20, 3, 5 and 36 bits (own name).";
    FLAC_RATE = "rtmpt.audio.flac.rate", Uint, "Sample rate", "In Hz (own name).";
    FLAC_CHANNELS = "rtmpt.audio.flac.channels_minus_one", Uint, "Channels less 1", "How many (own name).";
    FLAC_BITS = "rtmpt.audio.flac.bits_minus_one", Uint, "Bits per sample less 1", "How many (own name).";
    MD5 = "rtmpt.audio.flac.md5", Bytes, "MD5", "Of the samples before encoding (own name).";
}
