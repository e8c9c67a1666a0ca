//! A message's bytes as they stood in the stream, chunk headers apart from payload.

use std::fmt::Write;

use crate::rtmp::message::Message;

/// Bytes in a line.
const LINE: usize = 16;

/// The dump, a line each 16 bytes: offset in the direction's stream, hex, text. A chunk's header has a
/// line of its own, in brackets; bytes that were not captured are shown as `--`.
pub fn hexdump(message: &Message, captured: impl Fn(u64) -> bool) -> String {
    let mut dump = String::new();
    let mut body_at = 0usize;
    for (chunk, header) in message.chunk_headers() {
        let shown = bytes(header, chunk.at, &captured).join(" ");
        let of = format!(
            "chunk header: fmt {}, {} bytes of payload, chunk size {}",
            chunk.fmt, chunk.payload, chunk.chunk_size
        );
        let _ = writeln!(dump, "    {:08x}  [{shown}]  {of}", chunk.at);
        let end = (body_at + chunk.payload as usize).min(message.body.len());
        let payload = message.body.get(body_at..end).unwrap_or_default();
        let stream = chunk.at + u64::from(chunk.header_len);
        for (i, line) in payload.chunks(LINE).enumerate() {
            let at = stream + (i * LINE) as u64;
            let columns = bytes(line, at, &captured);
            let (left, right) = columns.split_at(columns.len().min(LINE / 2));
            let hex = format!("{:<23}  {:<23}", left.join(" "), right.join(" "));
            let _ = writeln!(dump, "    {at:08x}   {hex}  |{}|", text(line, at, &captured));
        }
        body_at = end;
    }
    dump
}

fn bytes(bytes: &[u8], at: u64, captured: &impl Fn(u64) -> bool) -> Vec<String> {
    let shown = |(i, byte): (usize, &u8)| if captured(at + i as u64) { format!("{byte:02x}") } else { "--".to_owned() };
    bytes.iter().enumerate().map(shown).collect()
}

fn text(bytes: &[u8], at: u64, captured: &impl Fn(u64) -> bool) -> String {
    let shown = |(i, &byte): (usize, &u8)| match byte {
        _ if !captured(at + i as u64) => '-',
        b' '..=b'~' => byte as char,
        _ => '.',
    };
    bytes.iter().enumerate().map(shown).collect()
}
