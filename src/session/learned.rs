//! What some connections of a capture say about others: where its RTMP servers are.
//!
//! A connection whose start was not captured does not show that it is RTMP, or who is the client. Others between the
//! same server and its clients may, earlier or later in the capture. What comes later is found by reading ahead: this
//! module takes a function for that, and reads nothing itself.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::tcp::{Connection, ConnectionId, Endpoint};

use super::{Direction, Event, Observer, RtmpSession};

/// Where the RTMP servers of a capture are, and who is the client where only later messages say it.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    servers: FxHashSet<SocketAddr>,
    clients: FxHashMap<ConnectionId, Endpoint>,
}

impl Learned {
    /// The end of a connection that is the server of others, if one end alone is.
    pub(super) fn server_of(&self, connection: &Connection) -> Option<Endpoint> {
        match connection.endpoints.map(|endpoint| self.servers.contains(&endpoint)) {
            [true, false] => Some(Endpoint::First),
            [false, true] => Some(Endpoint::Second),
            _ => None,
        }
    }

    /// The client of this connection, as its messages have it.
    pub(super) fn client_of(&self, connection: ConnectionId) -> Option<Endpoint> {
        self.clients.get(&connection).copied()
    }

    /// Takes note of what a connection shows.
    pub(super) fn note(&mut self, connection: &Connection, conversation: &RtmpSession) {
        if !conversation.is_rtmp() || !conversation.is_certain() {
            return;
        }
        if conversation.roles().are_known() {
            let server = conversation.sender(Direction::ServerToClient);
            self.servers.insert(connection.endpoints[server.index()]);
        }
        if connection.client.is_none()
            && let Some(client) = conversation.client_by_messages()
        {
            self.clients.insert(connection.id, client);
        }
    }
}

/// Learns, and shows nothing: for reading ahead.
impl Observer for Learned {
    fn event(&mut self, _: &Event<'_>) {}

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        self.note(connection, conversation);
    }
}

/// How to learn from all of a capture before all of it was read.
#[derive(Clone)]
pub struct ReadAhead(Arc<dyn Fn() -> Learned + Send + Sync>);

impl ReadAhead {
    /// `learn` reads the capture from its start to its end; it is called once at most for a run.
    pub fn new(learn: impl Fn() -> Learned + Send + Sync + 'static) -> ReadAhead {
        ReadAhead(Arc::new(learn))
    }

    pub(super) fn learn(&self) -> Learned {
        (self.0)()
    }
}

impl fmt::Debug for ReadAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadAhead")
    }
}
