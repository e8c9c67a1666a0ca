//! Messages that A does not have: B's own, read as they are.

use crate::field::Reader;
use crate::rtmp::MessageTypeId;
use crate::rtmp::chunk::ChunkHeader;
use crate::sender::{Mistake, Operator, Sent};

use super::super::anchors::is_sound;
use super::super::{alone, interrupted};
use super::{MOST_STREAMS, Walk, basic_len};

impl Walk<'_, '_> {
    /// Takes a message of B's own, or the beginning of one that the bytes end in.
    pub fn own_or_cut(&mut self) -> bool {
        if self.own() {
            return true;
        }
        let raw = &self.raw[self.at..];
        let Ok(header) = ChunkHeader::read(&mut Reader::new(raw, &mut ()), |_| false) else { return false };
        let sent = self.sender.sent(header.csid.0);
        let Some(length) = header.length.or(sent.map(|sent| sent.length)) else { return false };
        let is_known = header.type_id.or(sent.map(|sent| sent.type_id)).is_some_and(MessageTypeId::is_known);
        let is_cut = is_known && sent.is_some() && usize::from(header.len) + length as usize > raw.len();
        let size = self.sender.chunk_size() as usize;
        let basic = basic_len(raw[0]);
        let is_next = |at: usize| {
            let bytes = raw[at..].iter().zip(&raw[..basic]).enumerate();
            bytes.into_iter().all(|(index, (there, first))| *there == if index == 0 { first | 0xc0 } else { *first })
        };
        let mut inside = (usize::from(header.len) + size..raw.len()).step_by(size + basic);
        if is_cut && inside.all(is_next) {
            self.at += raw.len();
            return true;
        }
        false
    }

    /// Takes a message that A has not, if its header and body are sound.
    pub fn own(&mut self) -> bool {
        let raw = &self.raw[self.at..];
        let Ok(header) = ChunkHeader::read(&mut Reader::new(raw, &mut ()), |_| false) else { return false };
        let csid = header.csid.0;
        let sent = self.sender.sent(csid);
        let inherited = sent.map(|sent| (sent.length, sent.type_id));
        let Some((length, type_id)) = header.length.zip(header.type_id).or(inherited) else { return false };
        // librtmp begins its chunk stream for control messages with format 1.
        let msid = header.message_stream_id.map(|msid| msid.0).or(sent.map(|sent| sent.msid)).unwrap_or(0);
        if msid > MOST_STREAMS && self.anchors.before.iter().all(|message| message.msid != msid) {
            return false;
        }
        let takes_media = self.is_alone || self.own_media && self.sender.mistakes.is_empty();
        if type_id.is_media() && !takes_media {
            return false;
        }
        let mut body = Vec::new();
        let mut at = usize::from(header.len);
        let size = self.sender.chunk_size() as usize;
        let basic = &raw[..basic_len(raw[0])];
        while body.len() < length as usize {
            if !body.is_empty() {
                let is_next = |(index, byte): (usize, &u8)| {
                    raw.get(at + index) == Some(&if index == 0 { byte | 0xc0 } else { *byte })
                };
                if !basic.iter().enumerate().all(is_next) {
                    return false;
                }
                at += basic.len();
            }
            let take = size.min(length as usize - body.len());
            let Some(bytes) = raw.get(at..at + take) else { return false };
            body.extend_from_slice(bytes);
            at += take;
        }
        self.effort += at as u64;
        // A message of a type that does not exist is one all the same, if another header follows it.
        let is_followed = || interrupted::proof_of(self, &self.raw[self.at + at..]) > 0;
        let is_other = !type_id.is_known() && !body.is_empty() && !self.is_alone;
        let is_taken = is_sound(type_id, &body) || is_other && is_followed();
        if !is_taken {
            return false;
        }
        let (timestamp, delta) = match (header.fmt, header.time, sent) {
            (0, Some(time), _) => (time, time),
            (_, time, Some(sent)) => {
                let delta = time.unwrap_or(sent.delta);
                (sent.timestamp.wrapping_add(delta), delta)
            }
            (_, time, None) => (time.unwrap_or(0), time.unwrap_or(0)),
        };
        self.sender.observe(csid, Sent { timestamp, delta, length, type_id, msid });
        if let (MessageTypeId::SET_CHUNK_SIZE, Some(&size)) = (type_id, body.first_chunk()) {
            self.sender.announce(u32::from_be_bytes(size));
        }
        let padding = self.padding(type_id, length);
        if !raw[at..].iter().take(padding).all(|&byte| byte == 0) {
            return false;
        }
        at = (at + padding).min(raw.len());
        if !self.sender.mistakes.is_empty() {
            self.bits += 8 + alone::evidence(type_id, &body);
        }
        self.last_own = Some((type_id, length));
        self.at += at;
        self.meant += at as u64;
        true
    }

    /// How many zeros a sender that fills the last chunk up puts after a message.
    fn padding(&self, type_id: MessageTypeId, length: u32) -> usize {
        let covers = |mistake: &Mistake| {
            mistake.operator == Operator::Padded
                && mistake.scope.type_id.is_none_or(|of| of == type_id)
                && mistake.scope.longer_than.is_none_or(|than| length > than)
        };
        let size = self.sender.chunk_size();
        if self.sender.mistakes.iter().any(covers) { ((size - length % size) % size) as usize } else { 0 }
    }
}
