//! FLV beside RTMP: a file, and the session in which it was sent or from which it was recorded.
//!
//! Takes two recordings of which one or both are FLV, gives both as what FLV has: the audio, video and data messages of
//! one direction. What only a session has (commands, control messages, chunks, streams' numbers) is left out, and so is
//! `@setDataFrame`, which is said to the server and not of the media.

use std::cmp::Reverse;

use rustc_hash::FxHashSet;

use super::{EventKind, HeaderBytes, RecordedEvent, RecordedMessage, Recording, Session};
use crate::rtmp::class::MessageClass;
use crate::rtmp::{MessageTypeId, body, summary};
use crate::session::{Direction, Protocol};

const BOTH: [Direction; 2] = [Direction::ClientToServer, Direction::ServerToClient];

/// `@setDataFrame` as a string of AMF0, before the metadata that a publisher sends.
const SET_DATA_FRAME: &[u8] = b"\x02\0\x0d@setDataFrame";

/// Makes two recordings comparable where one is FLV and the other is not, or where their FLV went different ways. `pairs`
/// names connections that are to be compared.
pub fn prepare(mut a: Recording, mut b: Recording, pairs: &[(u32, u32)]) -> [Recording; 2] {
    // The one that is nothing else; of two, that with fewer connections.
    let is_flv =
        |recording: &Recording| !recording.sessions.is_empty() && recording.sessions.iter().all(Session::is_flv);
    let (of_a, of_b) = (pairs.first().map(|pair| pair.0), pairs.first().map(|pair| pair.1));
    match (is_flv(&a), is_flv(&b)) {
        (false, false) => {}
        (true, true) if b.sessions.len() < a.sessions.len() => beside(&mut b, &mut a, of_a),
        (true, _) => beside(&mut a, &mut b, of_b),
        (false, true) => beside(&mut b, &mut a, of_a),
    }
    [a, b]
}

/// What is compared with FLV: the session that is named, or of several the one that has most of its media; and of that
/// the direction.
fn beside(flv: &mut Recording, other: &mut Recording, named: Option<u32>) {
    let of_flv: FxHashSet<_> = flv.sessions.iter().flat_map(|session| session.media(BOTH)).collect();
    let score = |session: &Session, way: Direction| {
        let shared = session.media([way]).filter(|one| of_flv.contains(one)).count();
        (shared, session.media([way]).count())
    };
    let sessions = other.sessions.iter().enumerate();
    let sessions = sessions.filter(|(_, session)| named.is_none_or(|number| session.stream.tcp_stream.0 == number));
    let ways = sessions.flat_map(|(index, session)| BOTH.map(|way| (index, session, way)));
    // The first of those that have the same.
    let best = ways.max_by_key(|&(index, session, way)| (score(session, way), Reverse((index, way))));
    let Some((index, _, way)) = best else { return };
    let session = other.sessions.swap_remove(index);
    other.sessions = vec![session.into_tags(way)];
    flv.sessions.iter_mut().for_each(|session| session.turn(way));
}

impl Session {
    /// Whether its messages are tags of FLV: there is no handshake, no command, and nothing that answers.
    pub fn is_flv(&self) -> bool {
        self.stream.protocol == Protocol::Flv
    }

    /// Audio and video, each by what identifies its bytes.
    fn media(&self, ways: impl IntoIterator<Item = Direction>) -> impl Iterator<Item = (u32, u128)> {
        let ways: Vec<_> = ways.into_iter().collect();
        let of_way = self.items.iter().filter(move |item| ways.contains(&item.direction));
        let media = of_way.filter_map(RecordedEvent::message).filter(|kept| kept.header.type_id.is_media());
        media.map(|kept| (kept.header.length, kept.hash))
    }

    /// What of it FLV could have, sent in this direction.
    fn into_tags(mut self, way: Direction) -> Session {
        let is_wanted = |item: &RecordedEvent| match &item.content {
            EventKind::Message(kept) => {
                kept.header.type_id.is_media() || kept.header.type_id == MessageTypeId::AMF0_DATA
            }
            EventKind::Handshake { .. } => false,
            EventKind::Gap(_) | EventKind::Undecoded => true,
        };
        self.items.retain(|item| item.direction == way && is_wanted(item));
        for item in &mut self.items {
            item.answers = None;
            item.call = None;
            if let EventKind::Message(kept) = &mut item.content {
                if kept.body.starts_with(SET_DATA_FRAME) && kept.is_whole() {
                    kept.body.drain(..SET_DATA_FRAME.len());
                    kept.hash = self.hashing.of(&kept.body);
                    kept.places = kept.places.after(SET_DATA_FRAME.len() as u32);
                    kept.header.length = kept.body.len() as u32;
                    let decoded = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ());
                    kept.class = MessageClass::of(kept.header.type_id, &decoded.body);
                    item.info = summary::info(kept.header.type_id, &decoded.body).into();
                    item.detail = summary::detail(kept.header.type_id, &decoded.body).into();
                }
                kept.forget_chunks();
            }
        }
        self.stream.protocol = Protocol::Flv;
        self.framing.clear();
        self.beginnings = Default::default();
        self.tapes = Default::default();
        self
    }

    /// Says that it was sent in this direction.
    fn turn(&mut self, way: Direction) {
        if self.items.iter().all(|item| item.direction == way) {
            return;
        }
        self.items.iter_mut().for_each(|item| item.direction = way);
        std::mem::swap(&mut self.stream.client_to_server, &mut self.stream.server_to_client);
        self.beginnings.swap(0, 1);
        self.from_start.swap(0, 1);
        self.tapes.swap(0, 1);
    }
}

impl RecordedMessage {
    fn forget_chunks(&mut self) {
        (self.csid, self.fmt, self.chunks) = (0, None, None);
        self.first_header = HeaderBytes::default();
        (self.header.message_stream_id, self.header.timestamp_delta) = (None, None);
    }
}
