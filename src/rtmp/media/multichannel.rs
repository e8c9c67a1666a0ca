//! MultichannelConfig: which speaker each channel of audio is for (enhanced RTMP, ExAudioTagBody).
//!
//! Takes the content of the packet, gives order, count and the speakers by name. Codecs that say this
//! themselves need no such packet.

use serde::Serialize;

use crate::field::{Defect, Reader, Record, Short, Value};

/// Which speaker each channel is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Multichannel {
    /// AudioChannelOrder: 0 unspecified, 1 native, 2 custom.
    pub channel_order: u8,
    /// How many channels.
    pub channel_count: u8,
    /// A bit for each speaker, for the native order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_flags: Option<u32>,
    /// A speaker for each channel, for a custom order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channel_mapping: Vec<u8>,
    /// The speakers' names, in the order of the channels; empty for the unspecified order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub speakers: Vec<String>,
}

/// Reads the packet to the end of the reader, or as far as it goes.
pub(super) fn config<R: Record>(
    reader: &mut Reader<'_, '_, R>,
    missing: u32,
    defects: &mut Vec<Defect>,
) -> Option<Multichannel> {
    const NATIVE: u8 = 1;
    const CUSTOM: u8 = 2;
    let at = reader.at();
    let read = reader.group(&MULTICHANNEL, |reader| {
        let channel_order = reader.u8(&CHANNEL_ORDER)?;
        let channel_count = reader.u8(&CHANNEL_COUNT)?;
        let mut config = Multichannel {
            channel_order,
            channel_count,
            channel_flags: None,
            channel_mapping: Vec::new(),
            speakers: Vec::new(),
        };
        match channel_order {
            CUSTOM => {
                config.channel_mapping = reader.bytes(&CHANNEL_MAPPING, channel_count.into())?.to_vec();
                config.speakers = config.channel_mapping.iter().map(|&speaker| speaker_name(speaker)).collect();
            }
            NATIVE => {
                let flags = reader.u32(&CHANNEL_FLAGS)?;
                config.channel_flags = Some(flags);
                config.speakers = (0..32).filter(|bit| flags >> bit & 1 == 1).map(speaker_name).collect();
            }
            _ => {}
        }
        if !config.speakers.is_empty() {
            reader.derived(&SPEAKERS, || Value::Text(config.speakers.join(" ")), "the names of the speakers");
        }
        Ok::<_, Short>(config)
    });
    let config = read.map_err(|short| defects.push(short.into())).ok()?;
    if channel_order_name(config.channel_order.into()).is_none() {
        let text = format!("AudioChannelOrder {} is reserved (enhanced RTMP)", config.channel_order);
        defects.push(Defect::new("ertmp-multichannel", at, text));
    }
    if let Some(flags) = config.channel_flags
        && flags.count_ones() != u32::from(config.channel_count)
    {
        let text = format!("{} channels, but flags for {} speakers", config.channel_count, flags.count_ones());
        defects.push(Defect::new("ertmp-multichannel", at + 2, text));
    }
    if !reader.is_empty() || missing > 0 {
        let text = format!("{} bytes after the MultichannelConfig", reader.remaining() as u32 + missing);
        defects.push(Defect::new("ertmp-multichannel", reader.at(), text));
    }
    Some(config)
}

/// AudioChannel (enhanced RTMP); a speaker's bit in AudioChannelMask has the same number.
fn speaker_name(speaker: u8) -> String {
    const NAMES: [&str; 24] = [
        "FrontLeft",
        "FrontRight",
        "FrontCenter",
        "LowFrequency1",
        "BackLeft",
        "BackRight",
        "FrontLeftCenter",
        "FrontRightCenter",
        "BackCenter",
        "SideLeft",
        "SideRight",
        "TopCenter",
        "TopFrontLeft",
        "TopFrontCenter",
        "TopFrontRight",
        "TopBackLeft",
        "TopBackCenter",
        "TopBackRight",
        "LowFrequency2",
        "TopSideLeft",
        "TopSideRight",
        "BottomFrontCenter",
        "BottomFrontLeft",
        "BottomFrontRight",
    ];
    match (speaker, NAMES.get(usize::from(speaker))) {
        (_, Some(name)) => (*name).to_owned(),
        (0xfe, _) => "Unused".to_owned(),
        (0xff, _) => "Unknown".to_owned(),
        _ => format!("speaker {speaker}"),
    }
}

fn channel_order_name(order: u64) -> Option<&'static str> {
    Some(match order {
        0 => "Unspecified",
        1 => "Native",
        2 => "Custom",
        _ => return None,
    })
}

crate::fields! {
    MULTICHANNEL = "rtmpt.audio.multichannel", Group, "Multichannel configuration",
        "Which speaker each channel is for (enhanced RTMP; own name).";
    CHANNEL_ORDER = "rtmpt.audio.multichannel.order", Uint, "Channel order", "AudioChannelOrder (enhanced RTMP; own name).",
        channel_order_name;
    CHANNEL_COUNT = "rtmpt.audio.multichannel.count", Uint, "Channel count", "How many (enhanced RTMP; own name).";
    CHANNEL_MAPPING = "rtmpt.audio.multichannel.mapping", Bytes, "Channel mapping",
        "A speaker for each channel (enhanced RTMP; own name).";
    CHANNEL_FLAGS = "rtmpt.audio.multichannel.flags", Hex, "Channel flags", "A bit for each speaker (enhanced RTMP; own name).";
    SPEAKERS = "rtmpt.audio.multichannel.speakers", Text, "Speakers", "The speakers' names (enhanced RTMP; own name).";
}
