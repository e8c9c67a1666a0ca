//! The model of a sender: from what it means to say to the bytes that it writes.
//!
//! Takes a script ([`Message`]s with their values, and the format that each is to be written in) and a [`Sender`] (what
//! it has written so far, and its [`Mistake`]s), gives chunks (RTMP 1.0 5.3.1). A sender without mistakes writes what
//! the specification asks for; a decoded session that is written again gives its own bytes. Who made which mistake is
//! for [`crate::search`] to find: it writes the script with each that is possible and compares.

mod mistake;

use rustc_hash::FxHashMap;

use crate::rtmp::MessageTypeId;
use crate::rtmp::chunk::EXTENDED;

pub use mistake::{ChunkPlace, Chunks, Field, Mistake, Operator, Scope};

/// The chunk size of a direction until its sender says otherwise (RTMP 1.0 5.4.1).
pub const DEFAULT_CHUNK_SIZE: u32 = 128;

/// What a message is to say, and the style in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'b> {
    /// The chunk stream.
    pub csid: u32,
    /// How many bytes the basic header has at least: ids have a shortest form, and longer ones (RTMP 1.0 5.3.1.1).
    pub form: u8,
    /// The format of its first header, where the values allow it: else the next one that says what is new.
    pub fmt: u8,
    /// Absolute time in ms.
    pub timestamp: u32,
    /// What it is.
    pub type_id: MessageTypeId,
    /// The message stream.
    pub msid: u32,
    /// Its body.
    pub body: &'b [u8],
}

/// One chunk as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// Its header.
    pub header: Vec<u8>,
    /// Its part of the body.
    pub payload: &'b [u8],
    /// How many bytes of the body should follow and are not written.
    pub unwritten: usize,
    /// How many zeros follow that belong to nothing.
    pub padding: usize,
    /// How many other bytes follow that belong to nothing.
    pub extra: usize,
}

impl Chunk<'_> {
    /// Adds its bytes to `bytes`.
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.header);
        bytes.extend_from_slice(self.payload);
        bytes.resize(bytes.len() + self.padding + self.extra, 0);
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.header.len() + self.payload.len() + self.padding + self.extra
    }

    /// How many bytes of the body are done with.
    pub fn covered(&self) -> usize {
        self.payload.len() + self.unwritten
    }

    /// Whether it has none, as nothing that is sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One direction's sender: what it has written so far, and how it writes.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The mistakes that it makes.
    pub mistakes: Vec<Mistake>,
    /// Whether headers without fields repeat an extended timestamp (RTMP 1.0 5.3.1.3). Many senders do not.
    pub repeats_extended: bool,
    chunk_size: u32,
    streams: FxHashMap<u32, Sent>,
}

/// What the last message of a chunk stream leaves to inherit.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Its absolute time.
    pub timestamp: u32,
    /// Its delta; of a full header, the timestamp itself (RTMP 1.0 5.3.1.2.4).
    pub delta: u32,
    /// Its length.
    pub length: u32,
    /// Its type.
    pub type_id: MessageTypeId,
    /// Its message stream.
    pub msid: u32,
}

impl Default for Sender {
    fn default() -> Sender {
        Sender {
            mistakes: Vec::new(),
            repeats_extended: true,
            chunk_size: DEFAULT_CHUNK_SIZE,
            streams: FxHashMap::default(),
        }
    }
}

/// Writes a script. `turns` says whose chunk is next, by the message's place in the script: chunks of messages on
/// different chunk streams may alternate.
pub fn encode(script: &[Message<'_>], turns: impl IntoIterator<Item = usize>, mut sender: Sender) -> Vec<u8> {
    let mut written = vec![0; script.len()];
    let mut bytes = Vec::new();
    for turn in turns {
        let chunk = sender.next(&script[turn], written[turn]);
        written[turn] += chunk.covered();
        chunk.append_to(&mut bytes);
    }
    bytes
}

impl Sender {
    /// A sender that has written nothing, and makes these mistakes.
    pub fn with(mistakes: Vec<Mistake>) -> Sender {
        Sender { mistakes, ..Sender::default() }
    }

    /// The chunk size in force.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// What the last message of a chunk stream leaves to inherit.
    pub fn sent(&self, csid: u32) -> Option<Sent> {
        self.streams.get(&csid).copied()
    }

    /// Takes note of what a message leaves to inherit.
    pub fn observe(&mut self, csid: u32, sent: Sent) {
        self.streams.insert(csid, sent);
    }

    /// Takes note of a chunk size that was announced (RTMP 1.0 5.4.1). Who announces 0 continues as before.
    pub fn announce(&mut self, size: u32) {
        let size = size & 0x7fff_ffff;
        self.chunk_size = if size == 0 { self.chunk_size } else { size };
    }

    /// Takes note of a message that was written.
    pub fn note(&mut self, message: &Message<'_>) {
        let fmt = self.format(message);
        self.begin(message, fmt);
        self.end(message);
    }

    /// The next chunk of a message of which `from` bytes are done with.
    pub fn next<'b>(&mut self, message: &Message<'b>, from: usize) -> Chunk<'b> {
        let place = self.place(message, from);
        let header = match from {
            0 => {
                let fmt = self.format(message);
                let header = self.header(message, fmt);
                self.begin(message, fmt);
                header
            }
            _ => self.continuation(message, place),
        };
        let counts =
            |is_first_only: bool| self.has(message, place, Operator::WithHeader(is_first_only), Field::ChunkSize);
        let counted = if counts(false) || from == 0 && counts(true) { header.len() } else { 0 };
        let size = (self.written(message, place, Field::ChunkSize, self.chunk_size, 4) as usize).max(1);
        let size = size.saturating_sub(counted).max(1);
        let mut payload = &message.body[from..message.body.len().min(from.saturating_add(size))];
        let is_last = from + payload.len() == message.body.len();
        if is_last {
            self.end(message);
        }
        let is_padded = is_last && self.has(message, place, Operator::Padded, Field::Payload);
        let padding = if is_padded && !payload.is_empty() { size - payload.len() } else { 0 };
        let (mut unwritten, mut extra) = (0, 0);
        if is_last && let Some(more) = self.payload_change(message) {
            unwritten = usize::try_from(-more).unwrap_or(0).min(payload.len());
            extra = usize::try_from(more).unwrap_or(0);
            payload = &payload[..payload.len() - unwritten];
        }
        Chunk { header, payload, unwritten, padding, extra }
    }

    /// Where the chunk that begins after so many bytes of a message is in it.
    fn place(&self, message: &Message<'_>, from: usize) -> ChunkPlace {
        let size = self.chunk_size as usize;
        ChunkPlace { number: from.div_ceil(size) as u32, is_last: from + size >= message.body.len() }
    }

    /// How many bytes the end of a message has more, or less, than its body.
    fn payload_change(&self, message: &Message<'_>) -> Option<i64> {
        self.mistakes.iter().find_map(|mistake| match (mistake.operator, mistake.field) {
            (Operator::Plus(more), Field::Payload) if mistake.scope.covers(message) => Some(more),
            _ => None,
        })
    }

    fn begin(&mut self, message: &Message<'_>, fmt: u8) {
        let before = self.streams.get(&message.csid);
        let delta = match before {
            Some(sent) if fmt > 0 => message.timestamp.wrapping_sub(sent.timestamp),
            _ => message.timestamp,
        };
        let length = message.body.len() as u32;
        let sent = Sent { timestamp: message.timestamp, delta, length, type_id: message.type_id, msid: message.msid };
        self.streams.insert(message.csid, sent);
    }

    fn end(&mut self, message: &Message<'_>) {
        if let (MessageTypeId::SET_CHUNK_SIZE, Some(&size)) = (message.type_id, message.body.first_chunk()) {
            self.announce(u32::from_be_bytes(size));
        }
    }

    /// Whether a message can be written in its own format.
    pub fn takes(&self, message: &Message<'_>) -> bool {
        self.format(message) == message.fmt
    }

    /// The format that a message is written in: its own, unless that leaves out what is new.
    fn format(&self, message: &Message<'_>) -> u8 {
        let Some(sent) = self.sent(message.csid) else {
            return if self.has(message, FIRST, Operator::Inherited, Field::StreamId) { message.fmt } else { 0 };
        };
        let inherits = |field| self.has(message, FIRST, Operator::Inherited, field);
        let is_of_length = sent.length == message.body.len() as u32 || inherits(Field::Length);
        let is_of_type = sent.type_id == message.type_id || inherits(Field::TypeId);
        let is_of_stream = sent.msid == message.msid || inherits(Field::StreamId);
        let is_in_step = sent.delta == message.timestamp.wrapping_sub(sent.timestamp) || inherits(Field::Timestamp);
        let most = match (is_of_stream, is_of_length && is_of_type, is_in_step) {
            (false, ..) => 0,
            (_, false, _) => 1,
            (.., false) => 2,
            _ => 3,
        };
        message.fmt.min(most)
    }

    /// The header of a message's first chunk.
    fn header(&self, message: &Message<'_>, fmt: u8) -> Vec<u8> {
        let sent = self.sent(message.csid);
        let time = match (fmt, sent) {
            (0, _) | (_, None) => message.timestamp,
            (_, Some(sent)) => message.timestamp.wrapping_sub(sent.timestamp),
        };
        let has = |operator, field| self.has(message, FIRST, operator, field);
        let number = |field, value, bytes| self.written(message, FIRST, field, value, bytes);
        let mut header = Vec::with_capacity(32);
        let (csid, width) = Field::Csid.number(message).unwrap_or((message.csid, 1));
        let written = number(Field::Csid, csid, width);
        let written_fmt = number(Field::Format, fmt.into(), 1) as u8;
        match (written == csid, width) {
            (true, _) => self.basic(message, FIRST, written_fmt, &mut header),
            (_, 2) => basic(written_fmt, 64 + (written & 0xffff), message.form, &mut header),
            // What does not come from the id does not have its form.
            _ => header.push(written_fmt << 6 | written as u8 & 0x3f),
        }
        let shortened = if time >= EXTENDED { EXTENDED } else { number(Field::Timestamp, time, 3) };
        let length = number(Field::Length, message.body.len() as u32, 3);
        let type_id = number(Field::TypeId, message.type_id.0.into(), 1);
        let msid = number(Field::StreamId, message.msid, 4).to_le_bytes();
        let (shortened, length, type_id) = (shortened.to_be_bytes(), length.to_be_bytes(), type_id.to_be_bytes());
        // Of four bytes the format has the last three.
        let from = |field| match (has(Operator::Widened, field), has(Operator::Narrowed, field)) {
            (true, _) => 0,
            (_, true) => 2,
            _ => 1,
        };
        let msid_len = if has(Operator::Narrowed, Field::StreamId) { 3 } else { 4 };
        let mut fields: [(Field, u8, &[u8]); 4] = [
            (Field::Timestamp, 2, &shortened[from(Field::Timestamp)..]),
            (Field::Length, 1, &length[from(Field::Length)..]),
            (Field::TypeId, 1, &type_id[3..]),
            (Field::StreamId, 0, &msid[..msid_len]),
        ];
        for late in 1..fields.len() {
            if has(Operator::Exchanged, fields[late].0) {
                fields.swap(late - 1, late);
                break;
            }
        }
        for (field, last, bytes) in fields {
            let is_there = match fmt <= last {
                true => !has(Operator::LeftOut, field),
                false => has(Operator::PutIn, field),
            };
            if is_there {
                header.extend_from_slice(bytes);
            }
        }
        if self.is_extended(message, time) && (fmt < 3 || self.repeats_extended) {
            header.extend(time.to_be_bytes());
        }
        header
    }

    /// The header of a message's second and further chunks.
    fn continuation(&self, message: &Message<'_>, place: ChunkPlace) -> Vec<u8> {
        let mut header = Vec::with_capacity(8);
        if self.has(message, place, Operator::LeftOut, Field::Continuation) {
            return header;
        }
        let csid = self.written(message, place, Field::Continuation, message.csid, 1);
        match csid == message.csid {
            true => self.basic(message, place, 3, &mut header),
            false => header.push(0xc0 | csid as u8 & 0x3f),
        }
        let time = self.sent(message.csid).map(|sent| sent.delta);
        if let Some(time) = time.filter(|&time| self.repeats_extended && self.is_extended(message, time)) {
            header.extend(self.written(message, place, Field::ExtendedAgain, time, 4).to_be_bytes());
        }
        if self.has(message, place, Operator::Twice, Field::Continuation) {
            header.extend_from_within(..);
        }
        header
    }

    /// Appends the basic header of a message's chunk.
    fn basic(&self, message: &Message<'_>, place: ChunkPlace, fmt: u8, header: &mut Vec<u8>) {
        match u8::try_from(message.csid) {
            Ok(csid @ ..64) if self.has(message, place, Operator::Exchanged, Field::Basic) => {
                header.push(csid << 2 | fmt)
            }
            _ => basic(fmt, message.csid, message.form, header),
        }
        if message.csid >= 64 && self.has(message, FIRST, Operator::Narrowed, Field::Csid) {
            header.pop();
        }
    }

    /// Whether a time has four bytes of its own.
    fn is_extended(&self, message: &Message<'_>, time: u32) -> bool {
        match time >= EXTENDED {
            true => !self.has(message, FIRST, Operator::LeftOut, Field::Extended),
            false => self.has(message, FIRST, Operator::PutIn, Field::Extended),
        }
    }

    /// What a field has in place of its value.
    fn written(&self, message: &Message<'_>, place: ChunkPlace, field: Field, value: u32, bytes: u32) -> u32 {
        let of_field = self.mistakes.iter().filter(|mistake| mistake.field == field);
        let mut covering = of_field.filter(|mistake| mistake.scope.covers_chunk(message, place));
        covering.find_map(|mistake| mistake.operator.apply(value, bytes)).unwrap_or(value)
    }

    fn has(&self, message: &Message<'_>, place: ChunkPlace, operator: Operator, field: Field) -> bool {
        let is = |mistake: &Mistake| (mistake.operator, mistake.field) == (operator, field);
        self.mistakes.iter().any(|mistake| is(mistake) && mistake.scope.covers_chunk(message, place))
    }
}

/// The first chunk of a message.
const FIRST: ChunkPlace = ChunkPlace { number: 0, is_last: false };

/// Appends a basic header (RTMP 1.0 5.3.1.1) of `form` bytes, or as many as the id needs.
fn basic(fmt: u8, csid: u32, form: u8, header: &mut Vec<u8>) {
    let fmt = fmt << 6;
    let needed = match csid {
        ..64 => 1,
        64..320 => 2,
        _ => 3,
    };
    // The longer forms begin at 64.
    match if csid < 64 { needed } else { needed.max(form) } {
        1 => header.push(fmt | csid as u8),
        2 => header.extend([fmt, (csid - 64) as u8]),
        _ => header.extend([fmt | 1, (csid - 64) as u8, ((csid - 64) >> 8) as u8]),
    }
}
