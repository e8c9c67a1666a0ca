//! Sessions in the order of their connections' numbers, for somebody who takes them one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Session, Sink};
use crate::tcp::ConnectionId;

/// Hands sessions on in the order of their numbers. One waits until all connections before it are over, so memory
/// depends on how long these are open.
#[derive(Debug)]
pub struct InOrder<S> {
    sink: S,
    waiting: BTreeMap<ConnectionId, Session>,
    /// All connections before this one are over.
    next: ConnectionId,
    /// Connections after it that are over.
    over: BTreeSet<ConnectionId>,
}

impl<S: Sink> InOrder<S> {
    /// Hands them on to `sink`.
    pub fn new(sink: S) -> InOrder<S> {
        InOrder { sink, waiting: BTreeMap::new(), next: ConnectionId(0), over: BTreeSet::new() }
    }

    /// Where they went, when nothing more comes.
    pub fn finish(mut self) -> S {
        for session in std::mem::take(&mut self.waiting).into_values() {
            self.sink.session(session);
        }
        self.sink
    }
}

impl<S: Sink> Sink for InOrder<S> {
    const KEEPS: bool = S::KEEPS;

    fn session(&mut self, session: Session) {
        self.waiting.insert(session.stream.tcp_stream, session);
    }

    fn over(&mut self, connection: ConnectionId) {
        self.over.insert(connection);
        while self.over.remove(&self.next) {
            self.next.0 += 1;
        }
        while let Some(first) = self.waiting.first_entry().filter(|first| *first.key() < self.next) {
            self.sink.session(first.remove());
        }
    }
}
