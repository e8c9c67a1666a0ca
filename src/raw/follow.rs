//! What Wireshark and tshark write of a followed stream: Raw, Hex Dump, C Arrays, YAML.
//!
//! Gives the pieces of both directions in their order, with the addresses, frames and times that the form says.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;

use crate::origin::{FrameNo, Time};

use super::{Content, Error, Part, Text, digits, dump, packets};

/// Reads a followed stream; `None` if the text is something else.
pub(super) fn read(text: &str) -> Result<Option<Text>, Error> {
    if text.lines().any(|line| line.starts_with("Follow: ")) {
        return tshark(text).map(Some);
    }
    let is_yaml = text.contains("!!binary");
    if is_yaml {
        return yaml(text).map(Some);
    }
    arrays(text)
}

/// `tshark -z follow,tcp,raw,N` and `hex`: each stream between lines of `=`.
fn tshark(text: &str) -> Result<Text, Error> {
    let mut all = Text::default();
    let mut parts = Vec::new();
    let mut connection = 0;
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(mode) = line.strip_prefix("Follow: ") else { continue };
        let mode = mode.split(',').nth(1).unwrap_or_default().trim().to_ascii_lowercase();
        let mut nodes = [None, None];
        let mut body = String::new();
        for (at, line) in lines.by_ref() {
            if let Some(node) = line.strip_prefix("Node 0: ") {
                nodes[0] = address(node);
            } else if let Some(node) = line.strip_prefix("Node 1: ") {
                nodes[1] = address(node);
            } else if line.starts_with("====") {
                break;
            } else if !line.starts_with("Filter: ") {
                // Empty lines for those before, so that errors name the right one.
                if body.is_empty() {
                    body.extend(std::iter::repeat_n('\n', at));
                }
                body.push_str(line);
                body.push('\n');
            }
        }
        let endpoints = nodes[0].zip(nodes[1]).map(|(first, second)| [first, second]);
        let base = all.bytes.len();
        let mut add = |side: usize, range: std::ops::Range<usize>| {
            let range = base + range.start..base + range.end;
            parts.push(Part { connection, endpoints, ..Part::of(side, range) });
        };
        match &*mode {
            "raw" => {
                let mut bytes = Vec::new();
                let lines = if body.trim().is_empty() { Vec::new() } else { digits::read(&body)? };
                for line in lines {
                    let start = bytes.len();
                    bytes.extend(line.bytes);
                    add(usize::from(line.is_indented), start..bytes.len());
                }
                all.bytes.extend(bytes);
            }
            "hex" => {
                if let Some(found) = dump::read(&body)? {
                    for dump in &found.dumps {
                        add(usize::from(dump.is_indented), dump.range.clone());
                    }
                    all.bytes.extend(found.bytes);
                }
            }
            _ => return Err(Error::Ascii),
        }
        connection += 1;
    }
    all.content = Content::Parts(parts);
    Ok(all)
}

/// `127.0.0.1:1935`, `[::1]:1935`; a name has no address.
fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let (host, port) = text.rsplit_once(':')?;
        Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port.parse().ok()?))
    })
}

/// YAML: `peers` and `packets`, or as older versions have it, `peer0_0: !!binary >` after `# Packet 4`.
fn yaml(text: &str) -> Result<Text, Error> {
    let mut all = Text::default();
    let mut parts: Vec<Part> = Vec::new();
    let (mut hosts, mut ports) = ([None::<IpAddr>; 2], [None::<u16>; 2]);
    let (mut peer, mut in_packets) = (0, false);
    let (mut frame, mut time) = (FrameNo::NONE, Time::NONE);
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let trimmed = line.trim();
        let indent = line.len() - line.trim_start().len();
        if let Some(number) = trimmed.strip_prefix("# Packet ") {
            frame = packets::frame(number.trim().parse().ok());
        }
        let Some((key, value)) = trimmed.trim_start_matches("- ").split_once(':') else { continue };
        let value = value.trim();
        if let Some(side) = side_of(key) {
            peer = side;
        }
        match key {
            "packets" => in_packets = true,
            "peer" => peer = value.parse::<usize>().unwrap_or(0).min(1),
            "host" => hosts[peer] = value.trim_matches(['"', '\'']).parse().ok(),
            "port" => ports[peer] = value.parse().ok(),
            "packet" if in_packets => (frame, time) = (packets::frame(value.parse().ok()), Time::NONE),
            "timestamp" => time = packets::decimal(value).map_or(Time::NONE, Time),
            _ => {}
        }
        if !value.starts_with("!!binary") {
            continue;
        }
        let mut encoded: String = value["!!binary".len()..].trim_start_matches([' ', '|', '>', '-', '"']).to_owned();
        while let Some((_, line)) = lines.next_if(|(_, line)| {
            line.trim().is_empty() || line.len() - line.trim_start().len() > indent.max(1) && !line.contains(": ")
        }) {
            encoded.push_str(line.trim());
        }
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(encoded.trim_matches('"'))
            .map_err(|_| Error::Base64 { line: at + 1 })?;
        let start = all.bytes.len();
        all.bytes.extend(bytes);
        parts.push(Part { frame, time, ..Part::of(peer, start..all.bytes.len()) });
    }
    let ends = [0, 1].map(|side| hosts[side].zip(ports[side]).map(|(host, port)| SocketAddr::new(host, port)));
    let endpoints = ends[0].zip(ends[1]).map(|(first, second)| [first, second]);
    parts.iter_mut().for_each(|part| part.endpoints = endpoints);
    all.content = Content::Parts(parts);
    Ok(all)
}

/// The side in a name like `peer1_0`.
fn side_of(name: &str) -> Option<usize> {
    let (side, index) = name.trim().strip_prefix("peer")?.split_once('_')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(side) && is_number(index)).then(|| usize::from(side != "0"))
}

/// C arrays: `char peer0_0[] = { /* Packet 4 */ 0x03, … };`
fn arrays(text: &str) -> Result<Option<Text>, Error> {
    let mut all = Text::default();
    let mut parts = Vec::new();
    let mut packet = None;
    let mut rest = text;
    let mut line = 1;
    while let Some(at) = rest.find("peer") {
        let before = &rest[..at];
        line += before.matches('\n').count();
        packet = number_of_packet(before).or(packet);
        rest = &rest[at..];
        let name_len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let (name, after) = rest.split_at(name_len);
        // The brace is near: after a type, a length, a comment.
        let near = after.bytes().take(200).position(|byte| byte == b'{');
        let (Some(side), Some(open)) = (side_of(name), near) else {
            rest = after;
            continue;
        };
        if !after[..open].contains('=') || after[..open].contains(';') {
            rest = after;
            continue;
        }
        let inside = &after[open + 1..];
        let end = inside.find('}').unwrap_or(inside.len());
        let group = &inside[..end];
        packet = number_of_packet(group).or(packet);
        let start = all.bytes.len();
        let plain = group.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, rest)| rest));
        for token in plain.flat_map(|part| part.split([',', ' ', '\n', '\r', '\t'])).filter(|token| !token.is_empty()) {
            let digits = token.strip_prefix("0x").unwrap_or(token);
            let byte = u8::from_str_radix(digits, 16).map_err(|_| Error::NotAByte { line, found: token.to_owned() })?;
            all.bytes.push(byte);
        }
        parts.push(Part { frame: packets::frame(packet.take()), ..Part::of(side, start..all.bytes.len()) });
        line += group.matches('\n').count();
        rest = &inside[end..];
    }
    all.content = Content::Parts(parts.clone());
    Ok((!parts.is_empty()).then_some(all))
}

/// The number in `Packet 4`.
fn number_of_packet(text: &str) -> Option<u64> {
    let (_, after) = text.rsplit_once("Packet ")?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    after[..digits].parse().ok()
}
