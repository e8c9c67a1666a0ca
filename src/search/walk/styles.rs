//! The style of a message where a walk is: chunk stream, format, time and message stream, as the bytes there have them.

use crate::rtmp::chunk::EXTENDED;
use crate::sender::{Field, Message, Mistake, Operator};

use super::{MOST_STREAMS, Walk};

/// Which headers are looked for where a message is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Those that the sender, with the mistakes made so far, begins with the byte that is there.
    AsWritten,
    /// Those of any format, and of a chunk stream that the byte may stand for by mistake.
    Any,
}

impl<'r> Walk<'r, '_> {
    /// The message as the bytes here have its style.
    pub(super) fn styles(&self, message: Message<'r>, headers: Headers) -> Vec<Message<'r>> {
        let raw = &self.raw[self.at..];
        let (Some(&first), Some(here)) = (raw.first(), id_at(raw)) else { return Vec::new() };
        let last = self.anchors.before.iter().rev().find(|before| before.type_id == message.type_id);
        let known = last.map_or(message.csid, |last| last.csid);
        let msid = last.map_or_else(|| self.msid_of_streams().unwrap_or(message.msid), |last| last.msid);
        let own = (last.map_or(message.form, |last| last.form), known);
        let mut ids = vec![here, own];
        ids.extend(self.id_of_next_chunk(raw).filter(|_| message.body.len() > self.sender.chunk_size() as usize));
        let is_of_header = |mistake: &Mistake| {
            matches!(mistake.field, Field::Format | Field::Basic)
                || (mistake.operator, mistake.field) == (Operator::Narrowed, Field::Csid)
        };
        let is_open = headers == Headers::Any || self.sender.mistakes.iter().any(is_of_header);
        // The six bits before the two.
        ids.extend(Some((1, u32::from(first >> 2))).filter(|id| is_open && id.1 >= 2));
        ids.sort_by_key(|id| *id != here);
        ids.dedup();
        let mut all: Vec<Message<'_>> = Vec::new();
        for (form, csid) in ids {
            if (form, csid) != (1, u32::from(first >> 2)) || csid == here.1 || csid == known {
                self.timed(Message { csid, form, fmt: first >> 6, ..message }, msid, is_open, &mut all);
            }
            for fmt in (0..4).filter(|&fmt| is_open && fmt != first >> 6) {
                let style = Message { csid, form, fmt, ..message };
                let is_tried = match headers {
                    Headers::Any => csid == here.1 || self.is_swapped(&style),
                    Headers::AsWritten => self.is_as_written(&style),
                };
                if is_tried && self.sender.takes(&style) {
                    self.timed(style, msid, is_open, &mut all);
                }
            }
        }
        all
    }

    /// Adds a message with the times and the streams that a header of its format has here.
    fn timed(&self, style: Message<'r>, msid: u32, is_open: bool, all: &mut Vec<Message<'r>>) {
        let Message { csid, form, fmt, .. } = style;
        let raw = &self.raw[self.at..];
        let basic = if csid < 64 { 1 } else { usize::from(form).max(2) };
        let sent = self.sender.sent(csid);
        let named = (fmt == 0).then(|| raw.get(basic + 7..basic + 11)).flatten();
        let named = named.and_then(|bytes| bytes.first_chunk()).map(|&bytes| u32::from_le_bytes(bytes));
        let named = named.filter(|&named| named <= MOST_STREAMS);
        let msid = if style.msid == 0 { 0 } else { msid };
        let mut times = self.times_at(raw, fmt, basic);
        if basic > 1 && is_open {
            times.extend(self.times_at(raw, fmt, basic - 1));
        }
        let of_width = |mistake: &Mistake| {
            mistake.field == Field::Timestamp && matches!(mistake.operator, Operator::Widened | Operator::Narrowed)
        };
        if fmt < 3 && (is_open || self.sender.mistakes.iter().any(of_width)) {
            let rest = raw.get(basic..).unwrap_or_default();
            times.extend(rest.first_chunk().map(|&two| Some(u32::from(u16::from_be_bytes(two)))));
            times.extend(rest.first_chunk().map(|&four| Some(u32::from_be_bytes(four))));
            times.dedup();
        }
        for time in times {
            let timestamp = match (fmt, time, sent) {
                (0, Some(time), _) => time,
                (3, _, Some(sent)) => sent.timestamp.wrapping_add(sent.delta),
                (_, Some(time), Some(sent)) => sent.timestamp.wrapping_add(time),
                (_, Some(time), None) => time,
                _ => style.timestamp,
            };
            for msid in [Some(msid), named.filter(|&named| named != msid)].into_iter().flatten() {
                all.push(Message { timestamp, msid, ..style });
            }
        }
    }

    /// Whether the sender, with its mistakes, begins a message with the byte that is here.
    fn is_as_written(&self, message: &Message<'_>) -> bool {
        let header = self.sender.clone().next(message, 0).header;
        header.first() == self.raw.get(self.at)
    }

    /// Whether the byte here has the two parts of a message's basic header in each other's place.
    pub fn is_swapped(&self, message: &Message<'_>) -> bool {
        let swapped = u8::try_from(message.csid).ok().filter(|csid| *csid < 64).map(|csid| csid << 2 | message.fmt);
        swapped.as_ref() == self.raw.get(self.at)
    }

    /// The id, and the length of its form, in the type 3 header where the first chunk of a message ends.
    pub fn id_of_next_chunk(&self, raw: &[u8]) -> Option<(u8, u32)> {
        let &first = raw.first()?;
        let header = basic_len(first) + [11, 7, 3, 0][usize::from(first >> 6)];
        let next = raw.get(header + self.sender.chunk_size() as usize..)?;
        next.first().filter(|first| *first >> 6 == 3).and_then(|_| id_at(next))
    }

    /// What the time field of a header here may say: the greatest value stands for an extended timestamp, or itself.
    pub fn times_at(&self, raw: &[u8], fmt: u8, basic: usize) -> Vec<Option<u32>> {
        let Some(bytes) = raw.get(basic..basic + 3).filter(|_| fmt < 3) else { return vec![None] };
        let time = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        if time < EXTENDED {
            return vec![Some(time)];
        }
        let behind = basic + [11, 7, 3][usize::from(fmt)];
        let extended = raw.get(behind..).and_then(|rest| rest.first_chunk()).map(|&bytes| u32::from_be_bytes(bytes));
        vec![extended, Some(time)]
    }
}

/// The chunk stream id of a basic header, after the length of its form (RTMP 1.0 5.3.1.1).
pub fn id_at(raw: &[u8]) -> Option<(u8, u32)> {
    Some(match (raw.first()? & 0x3f, raw.get(1), raw.get(2)) {
        (0, Some(&low), _) => (2, 64 + u32::from(low)),
        (1, Some(&low), Some(&high)) => (3, 64 + u32::from(low) + 256 * u32::from(high)),
        (id, ..) => (1, id.into()),
    })
}

/// How many bytes a basic header has (RTMP 1.0 5.3.1.1).
pub fn basic_len(first: u8) -> usize {
    match first & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}
