//! Connections whose bytes were given in order, without packets: a raw dump, a hex dump, what "Follow TCP Stream" shows.
//!
//! Takes bytes and whose they are, gives the sink the calls that reassembly would give. What packets would say (addresses,
//! frames, times, how it began and ended) is absent.

use super::{Connection, ConnectionId, Endpoint, Moment, Piece, Sink};
use crate::capture::Bytes;
use crate::origin::{Form, NO_ADDRESS, Source};

#[derive(Debug, Default)]
pub(super) struct Direct {
    open: Vec<Connection>,
    numbered: u32,
}

impl Direct {
    pub(super) fn push(&mut self, given: &Bytes<'_>, sink: &mut impl Sink) {
        let now = Moment { frame: given.frame, time: given.time };
        while self.numbered <= given.connection {
            let connection = Connection {
                id: ConnectionId(self.numbered),
                endpoints: given.endpoints.unwrap_or([NO_ADDRESS; 2]),
                is_raw: true,
                is_tunnelled: false,
                client: None,
                first: now,
                last: now,
                sides: Default::default(),
                end: None,
            };
            sink.opened(&connection);
            self.open.push(connection);
            self.numbered += 1;
        }
        if given.bytes.is_empty() {
            return;
        }
        let Some(connection) = self.open.get_mut(given.connection as usize) else { return };
        connection.last = now;
        let from = Endpoint::BOTH[given.side.min(1)];
        let side = &mut connection.sides[from.index()];
        let offset = side.delivered;
        if offset == 0 {
            side.started_at_syn = given.from_start;
        }
        side.delivered += given.bytes.len() as u64;
        side.payload_bytes = side.delivered;
        let source = Source {
            frame: given.frame,
            packet: given.frame,
            time: given.time,
            file_offset: given.file_offset,
            form: Form::Verbatim,
        };
        let piece = Piece { offset, bytes: given.bytes, sources: &[(0, source)] };
        sink.piece(connection, from, piece);
    }

    pub(super) fn numbered(&self) -> u32 {
        self.numbered
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        for connection in self.open.drain(..) {
            sink.closed(&connection);
        }
    }
}
