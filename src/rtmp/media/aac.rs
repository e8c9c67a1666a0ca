//! AudioSpecificConfig, the configuration record of AAC (ISO/IEC 14496-3 1.6.2.1).
//!
//! Takes the bytes after an AAC sequence header, gives object type, sampling rate and channels, also
//! where spectral band replication is signalled. The codec's own settings after them are not decoded.

use serde::Serialize;

use crate::field::{BitReader, Def, Defect, Reader, Record, Value};

/// The properties of AAC audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AudioSpecificConfig {
    /// The audio object type that is coded: 2 for AAC-LC, 1 Main, 4 LTP.
    pub object_type: u8,
    /// 5 or 29 if SBR or SBR and PS are signalled on top of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension_object_type: Option<u8>,
    /// In Hz.
    pub sampling_frequency: u32,
    /// What comes out with SBR, in Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension_sampling_frequency: Option<u32>,
    /// 1 to 6 that many, 7 eight; 0: a program config element says.
    pub channel_configuration: u8,
    /// How many channels a program config element has, for channel configuration 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_channels: Option<u8>,
}

impl AudioSpecificConfig {
    /// How many channels come out, if the configuration says so. Parametric stereo makes two of one.
    pub fn channels(self) -> Option<u8> {
        match self.channel_configuration {
            0 => self.program_channels,
            1 if self.extension_object_type == Some(29) => Some(2),
            count @ 1..=6 => Some(count),
            7 | 12 | 14 => Some(8),
            11 => Some(7),
            13 => Some(24),
            _ => None,
        }
    }

    /// The codec as people call it.
    pub fn codec(self) -> &'static str {
        match (self.extension_object_type, self.object_type) {
            (Some(29), _) => "HE-AAC v2",
            (Some(_), _) => "HE-AAC",
            (None, 42) => "xHE-AAC",
            _ => "AAC",
        }
    }
}

/// Whether bytes can be a frame of AAC that is coded so: it begins with an element that may come first, and ends with the
/// end element and less than a byte of zeros (ISO/IEC 14496-3 4.4.2.1). Of random bytes one in eight or less is.
pub fn is_frame(config: AudioSpecificConfig, frame: &[u8]) -> bool {
    const CHANNEL_PAIR: u8 = 1;
    /// Data, program configuration, fill.
    const WITHOUT_SOUND: std::ops::RangeInclusive<u8> = 4..=6;
    let (Some(first), [.., before, last]) = (frame.first().map(|first| first >> 5), frame) else { return false };
    let is_first = match config.channel_configuration {
        0 => first < 7,
        2 => first == CHANNEL_PAIR || WITHOUT_SOUND.contains(&first),
        _ => first == 0 || WITHOUT_SOUND.contains(&first),
    };
    let end = u16::from_be_bytes([*before, *last]);
    is_first && *last != 0 && end >> end.trailing_zeros() & 7 == 7
}

/// Reads the record. `missing` bytes at the end of the message are not there.
pub fn decode<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<AudioSpecificConfig> {
    let at = reader.at();
    let config = reader.group(&CONFIG, |reader| {
        let config = fields(reader);
        if let Some(config) = config {
            let rate = config.extension_sampling_frequency.unwrap_or(config.sampling_frequency);
            reader.describe(|| {
                format!("{} {rate} Hz, channel configuration {}", config.codec(), config.channel_configuration)
            });
        }
        reader.rest(&CONFIG_REST);
        config
    });
    if config.is_none() && missing == 0 {
        defects.push(Defect::new("aac-config-invalid", at, "the AudioSpecificConfig is too short or not valid"));
    }
    config
}

fn fields<R: Record>(reader: &mut Reader<'_, '_, R>) -> Option<AudioSpecificConfig> {
    // All that is decoded here is in the first eight bytes.
    let record = reader.peek();
    let len = reader.remaining().min(8);
    let whole = if len == 0 { return None } else { reader.uint(&CONFIG_BITS, len).ok()? };
    let mut bits = BitFields { whole, left: 8 * len as u32 };
    let mut object_type = object_type(&mut bits, reader)?;
    let sampling_frequency = sampling_frequency(&mut bits, reader)?;
    let channel_configuration = bits.take(reader, &CHANNELS, 4)? as u8;
    let mut extension_object_type = None;
    let mut extension_sampling_frequency = None;
    if matches!(object_type, 5 | 29) {
        extension_object_type = Some(object_type);
        extension_sampling_frequency = Some(self::sampling_frequency(&mut bits, reader)?);
        object_type = self::object_type(&mut bits, reader)?;
    } else if matches!(object_type, 1..=4 | 6 | 7) && channel_configuration != 0 {
        // GASpecificConfig, then perhaps the backward compatible signalling of SBR after a sync word.
        if let Some((object, frequency)) = backward_compatible(&mut bits, reader) {
            extension_object_type = Some(object);
            extension_sampling_frequency = Some(frequency);
        }
    }
    let mut program_channels = None;
    if channel_configuration == 0 && matches!(object_type, 1..=4) {
        program_channels = self::program_channels(record, 8 * len - bits.left as usize);
        if let Some(channels) = program_channels {
            reader.derived(&PROGRAM_CHANNELS, || Value::Uint(channels.into()), "counted in the program config element");
        }
    }
    Some(AudioSpecificConfig {
        object_type,
        extension_object_type,
        sampling_frequency,
        extension_sampling_frequency,
        channel_configuration,
        program_channels,
    })
}

/// The channels of the program config element after a GASpecificConfig that begins at bit `at`
/// (ISO/IEC 14496-3 4.4.1.1).
fn program_channels(record: &[u8], at: usize) -> Option<u8> {
    let mut bits = BitReader::new(record);
    bits.skip(at + 1)?; // frameLengthFlag
    if bits.flag()? {
        bits.skip(14)?; // coreCoderDelay
    }
    bits.skip(1 + 4 + 2 + 4)?; // extensionFlag; instance tag, object type, frequency index
    let pairable = bits.bits(4)? + bits.bits(4)? + bits.bits(4)?; // front, side, back
    let low_frequency = bits.bits(2)?;
    bits.skip(3 + 4)?; // associated data, coupling
    for width in [4, 4, 3] {
        if bits.flag()? {
            bits.skip(width)?; // mixdowns
        }
    }
    let mut channels = low_frequency;
    for _ in 0..pairable {
        channels += 1 + u32::from(bits.flag()?);
        bits.skip(4)?; // tag
    }
    u8::try_from(channels).ok()
}

fn backward_compatible<R: Record>(bits: &mut BitFields, reader: &mut Reader<'_, '_, R>) -> Option<(u8, u32)> {
    bits.take(reader, &FRAME_LENGTH, 1)?;
    if bits.take(reader, &DEPENDS_ON_CORE, 1)? == 1 {
        bits.take(reader, &CORE_DELAY, 14)?;
    }
    bits.take(reader, &EXTENSION_FLAG, 1)?;
    if bits.peek(11)? != 0x2b7 {
        return None;
    }
    bits.take(reader, &SYNC_EXTENSION, 11)?;
    let object = object_type(bits, reader)?;
    if object != 5 || bits.take(reader, &SBR_PRESENT, 1)? == 0 {
        return None;
    }
    let frequency = sampling_frequency(bits, reader)?;
    let parametric = bits.peek(11) == Some(0x548) && bits.take(reader, &SYNC_EXTENSION, 11).is_some();
    let parametric = parametric && bits.take(reader, &PS_PRESENT, 1) == Some(1);
    Some((if parametric { 29 } else { object }, frequency))
}

fn object_type<R: Record>(bits: &mut BitFields, reader: &mut Reader<'_, '_, R>) -> Option<u8> {
    const ESCAPE: u64 = 31;
    match bits.take(reader, &OBJECT_TYPE, 5)? {
        ESCAPE => Some(32 + bits.take(reader, &OBJECT_TYPE_EXT, 6)? as u8),
        object_type => Some(object_type as u8),
    }
}

fn sampling_frequency<R: Record>(bits: &mut BitFields, reader: &mut Reader<'_, '_, R>) -> Option<u32> {
    const EXPLICIT: u64 = 15;
    match bits.take(reader, &FREQUENCY_INDEX, 4)? {
        EXPLICIT => Some(bits.take(reader, &FREQUENCY, 24)? as u32),
        index => FREQUENCIES.get(index as usize).copied(),
    }
}

/// The sampling frequencies by index (ISO/IEC 14496-3 table 1.18).
const FREQUENCIES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Takes bits of the field read last, from its left end on.
struct BitFields {
    whole: u64,
    left: u32,
}

impl BitFields {
    fn peek(&self, width: u32) -> Option<u64> {
        let shift = self.left.checked_sub(width)?;
        Some(self.whole >> shift & ((1 << width) - 1))
    }

    fn take<R: Record>(&mut self, reader: &mut Reader<'_, '_, R>, def: &'static Def, width: u32) -> Option<u64> {
        self.left = self.left.checked_sub(width)?;
        Some(reader.bits(def, self.whole, self.left, width))
    }
}

fn object_type_name(object_type: u64) -> Option<&'static str> {
    Some(match object_type {
        1 => "AAC Main",
        2 => "AAC LC",
        3 => "AAC SSR",
        4 => "AAC LTP",
        5 => "SBR",
        29 => "PS",
        31 => "escape",
        _ => return None,
    })
}

fn frequency_name(index: u64) -> Option<&'static str> {
    const NAMES: [&str; 13] = [
        "96000 Hz", "88200 Hz", "64000 Hz", "48000 Hz", "44100 Hz", "32000 Hz", "24000 Hz", "22050 Hz", "16000 Hz",
        "12000 Hz", "11025 Hz", "8000 Hz", "7350 Hz",
    ];
    if index == 15 { Some("explicit") } else { NAMES.get(index as usize).copied() }
}

crate::fields! {
    CONFIG = "rtmpt.audio.aac.config", Group, "AudioSpecificConfig", "The configuration record (ISO/IEC 14496-3 1.6.2.1).";
    CONFIG_BITS = "rtmpt.audio.aac.config.bits", Hex, "Configuration", "Its first bytes.";
    OBJECT_TYPE = "rtmpt.audio.aac.object_type", Uint, "Audio object type", "The kind of AAC.", object_type_name;
    OBJECT_TYPE_EXT = "rtmpt.audio.aac.object_type_ext", Uint, "Audio object type less 32", "For types above 30.";
    FREQUENCY_INDEX = "rtmpt.audio.aac.frequency_index", Uint, "Sampling frequency index", "The sampling rate.",
        frequency_name;
    FREQUENCY = "rtmpt.audio.aac.frequency", Uint, "Sampling frequency", "The sampling rate in Hz, index 15.";
    CHANNELS = "rtmpt.audio.aac.channel_configuration", Uint, "Channel configuration", "How many channels.";
    PROGRAM_CHANNELS = "rtmpt.audio.aac.program_channels", Uint, "Program channels", "How many channels, for configuration 0.";
    FRAME_LENGTH = "rtmpt.audio.aac.frame_length_flag", Uint, "Frame length flag", "1: 960 samples a frame, not 1024.";
    DEPENDS_ON_CORE = "rtmpt.audio.aac.depends_on_core_coder", Uint, "Depends on core coder", "1: scalable.";
    CORE_DELAY = "rtmpt.audio.aac.core_coder_delay", Uint, "Core coder delay", "In samples.";
    EXTENSION_FLAG = "rtmpt.audio.aac.extension_flag", Uint, "Extension flag", "0 for plain AAC.";
    SYNC_EXTENSION = "rtmpt.audio.aac.sync_extension_type", Hex, "Sync extension type",
        "0x2b7: SBR is signalled after it, 0x548: PS.";
    SBR_PRESENT = "rtmpt.audio.aac.sbr_present", Uint, "SBR present", "1: spectral band replication.";
    PS_PRESENT = "rtmpt.audio.aac.ps_present", Uint, "PS present", "1: parametric stereo.";
    CONFIG_REST = "rtmpt.audio.aac.config.rest", Bytes, "Further configuration", "What is not decoded of it.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Tree;

    fn read(bytes: &[u8]) -> Option<AudioSpecificConfig> {
        let mut tree = Tree::default();
        let config = decode(&mut Reader::new(bytes, &mut tree), 0, &mut Vec::new());
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()));
        config
    }

    #[test]
    fn plain_aac() {
        // 00010 0011 0010 000: object type 2, index 3, configuration 2
        let config = read(&[0x11, 0x90]).unwrap();
        assert_eq!((config.object_type, config.sampling_frequency, config.channels()), (2, 48_000, Some(2)));
        // 00010 1111 + 24 bits of 44100 + 0110 000: an explicit rate, 5.1
        let config = read(&[0x17, 0x80, 0x56, 0x22, 0x30]).unwrap();
        assert_eq!((config.sampling_frequency, config.channel_configuration), (44_100, 6));
    }

    #[test]
    fn sbr_in_front_and_behind() {
        // 00101 0110 0010 0011 00010 0…: SBR over 24 kHz stereo to 48 kHz, AAC-LC inside.
        let config = read(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!((config.codec(), config.object_type), ("HE-AAC", 2));
        assert_eq!((config.sampling_frequency, config.extension_sampling_frequency), (24_000, Some(48_000)));
        // 00010 0110 0010 000, sync 0x2b7, 00101, 1, 0011: the same, signalled after.
        let config = read(&[0x13, 0x10, 0x56, 0xe5, 0x98]).unwrap();
        assert_eq!((config.codec(), config.extension_sampling_frequency), ("HE-AAC", Some(48_000)));
    }

    #[test]
    fn what_is_no_configuration() {
        assert_eq!(read(&[0x12]), None); // cut
        assert_eq!(read(&[0x17, 0x00]), None); // an explicit rate without its 24 bits
        assert_eq!(read(&[0x16, 0x90]), None); // index 13 is reserved
    }
}
