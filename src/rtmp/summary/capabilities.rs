//! What a peer says it can do: the properties that enhanced RTMP adds to connect and its answer.

use crate::amf::Value;

/// `capsEx Reconnect|Multitrack`, `video vp09 decode|encode` and so on, for an object that has them.
pub(super) fn of(object: &Value<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(caps) = object.property(b"capsEx").and_then(Value::as_number) {
        const NAMES: [&str; 4] = ["Reconnect", "Multitrack", "ModEx", "TimestampNanoOffset"];
        parts.push(format!("capsEx {}", flags(caps, &NAMES)));
    }
    if let Some(list) = object.property(b"fourCcList") {
        // A strict array; where it is an array with names, the values count.
        let named = list.properties().map(|named| named.pairs.iter()).unwrap_or_default().map(|(_, value)| value);
        let values = list.items().unwrap_or_default().iter().chain(named);
        let codecs: Vec<_> = values.filter_map(Value::as_str).map(|codec| codec.to_string()).collect();
        parts.push(format!("fourCcList {}", codecs.join(" ")));
    }
    for (name, medium) in [(&b"videoFourCcInfoMap"[..], "video"), (b"audioFourCcInfoMap", "audio")] {
        const NAMES: [&str; 3] = ["decode", "encode", "forward"];
        let Some(map) = object.property(name).and_then(Value::properties) else { continue };
        let codecs: Vec<_> = map
            .pairs
            .iter()
            .map(|(codec, value)| format!("{codec} {}", flags(value.as_number().unwrap_or_default(), &NAMES)))
            .collect();
        parts.push(format!("{medium} {}", codecs.join(" ")));
    }
    if let Some(functions) = object.property(b"videoFunction").and_then(Value::as_number).filter(|&bits| bits > 1.0) {
        // Everybody sends 1, client seek, which says nothing.
        const NAMES: [&str; 4] = ["ClientSeek", "HDR", "Metadata", "LargeScaleTile"];
        parts.push(format!("videoFunction {}", flags(functions, &NAMES)));
    }
    parts
}

/// The names of the bits that are set; what has no name as a number.
fn flags(value: f64, names: &[&str]) -> String {
    // Saturating: a number that is no set of flags shows as one with all of them.
    let value = value as u32;
    let known = (1u32 << names.len()) - 1;
    let mut parts: Vec<_> =
        names.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1).map(|(_, name)| (*name).to_owned()).collect();
    if value & !known != 0 || value == 0 {
        parts.push(format!("{:#x}", value & !known));
    }
    parts.join("|")
}
