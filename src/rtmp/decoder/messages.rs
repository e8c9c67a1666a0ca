//! Messages: begun by a header, filled by chunks, ended; and what protocol control messages ask for.

use crate::rtmp::chunk::ChunkHeader;
use crate::rtmp::chunk_stream::ChunkStream;
use crate::rtmp::message::Ending;
use crate::rtmp::search::{self, Size};
use crate::rtmp::{ChunkStreamId, Defect, MessageTypeId};

use super::{Decoder, Event, Out, State, Step};

/// So much may be kept in the buffers of ended messages.
const IDLE: usize = 256 << 10;

impl Decoder {
    pub(super) fn begin(&mut self, header: &ChunkHeader, out: &mut Out<'_>) {
        self.end_open_message(header.csid, Ending::Abandoned, out);
        let stream = self.streams.entry(header.csid.0).or_insert_with(|| ChunkStream::new(header.csid));
        self.idle_bytes -= std::mem::take(&mut stream.idle);
        stream.begin(header, self.origin_known);
        let type_id = stream.message.header.type_id;
        stream.keep = if type_id.is_media() { self.options.media_prefix } else { u32::MAX };
        self.clock = stream.timestamp().or(self.clock);
        let is_guess = self.guess.take_if(|guess| guess.csid == header.csid && guess.at != self.at).is_none()
            && self.guess.is_some_and(|guess| guess.csid == header.csid);
        if is_guess || std::mem::take(&mut self.is_doubtful) {
            stream.message.ending = Ending::Unproven;
        }
        let assumed = self.assumed.iter().cloned();
        let defects = self.pending.take().into_iter().chain(assumed).map(|defect| Defect { offset: self.at, ..defect });
        defects.for_each(|defect| stream.note(defect));
    }

    pub(super) fn payload(&mut self, data: &[u8], out: &mut Out<'_>) -> Step {
        let State::Payload { csid, left } = self.state else { return Step::Wait };
        let take = data.len().min(left as usize);
        if let Some(stream) = self.streams.get_mut(&csid.0) {
            stream.add_payload(&data[..take]);
            self.account(csid);
        }
        self.at += take as u64;
        self.state = State::Payload { csid, left: left - take as u32 };
        self.end_of_chunk(out);
        Step::Used(take)
    }

    /// Goes on to the next header if the chunk is done; gives the message if it is.
    pub(super) fn end_of_chunk(&mut self, out: &mut Out<'_>) {
        let State::Payload { csid, left: 0 } = self.state else { return };
        self.state = State::Chunks;
        if self.streams.get(&csid.0).is_some_and(|stream| stream.left() == 0) && !self.awaits_extra(csid) {
            let ending = self.streams[&csid.0].message.ending;
            self.end_open_message(csid, ending, out);
            if ending == Ending::Complete {
                self.apply(csid, out);
            }
        }
    }

    /// Does what a protocol control message asks for, before the next chunk is read.
    pub(super) fn apply(&mut self, csid: ChunkStreamId, out: &mut Out<'_>) {
        let message = &self.streams[&csid.0].message;
        let Some(&value) = message.body.first_chunk() else { return };
        let (value, at) = (u32::from_be_bytes(value), message.start());
        match message.header.type_id {
            // The highest bit is to be zero (RTMP 1.0 5.4.1). A size of 0 could carry nothing: peers keep the old one.
            MessageTypeId::SET_CHUNK_SIZE => {
                let size = self.announced_size(value, at).map_or(0, |size| size & 0x7fff_ffff);
                if size > 0 {
                    self.size = Size::Known(size.min(search::LARGEST));
                    self.is_size_announced = true;
                    self.prior = None;
                    self.assume_size(0);
                }
            }
            MessageTypeId::ABORT => self.end_open_message(ChunkStreamId(value), Ending::Aborted, out),
            _ => {}
        }
    }

    pub(super) fn end_open_message(&mut self, csid: ChunkStreamId, ending: Ending, out: &mut Out<'_>) {
        let Some(stream) = self.streams.get_mut(&csid.0).filter(|stream| stream.is_open) else { return };
        stream.end(ending);
        out(Event::Message(&stream.message), &self.sources);
        self.open_bytes -= std::mem::take(&mut stream.accounted);
        // Its buffers serve the chunk stream's next message, but thousands of chunk streams must not keep theirs.
        let capacity = stream.message.capacity();
        if self.idle_bytes + capacity <= IDLE.min(self.open_bytes_allowed) {
            self.idle_bytes += capacity;
            stream.idle = capacity;
        } else {
            stream.message.free();
        }
    }

    pub(super) fn end_open_messages(&mut self, ending: Ending, out: &mut Out<'_>) {
        let mut open: Vec<_> = self.streams.values().filter(|stream| stream.is_open).collect();
        open.sort_by_key(|stream| stream.message.start());
        let open: Vec<_> = open.into_iter().map(|stream| stream.message.csid).collect();
        for csid in open {
            self.end_open_message(csid, ending, out);
        }
    }
}
