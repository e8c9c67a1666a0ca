//! What arrived on a connection and waits, in the order in which it arrived.

use crate::origin::Source;
use crate::tcp::{Connection, Endpoint, Gap, Piece, Sink};

/// Pieces and gaps of both directions.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    all: Vec<(Endpoint, Arrival)>,
    cost: usize,
}

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Arrival {
    Piece(Held),
    Gap(Gap),
}

/// The bytes of a piece.
#[derive(Debug)]
pub(crate) struct Held {
    pub offset: u64,
    pub bytes: Vec<u8>,
    pub sources: Vec<(u32, Source)>,
}

impl Arrivals {
    pub fn piece(&mut self, from: Endpoint, piece: Piece<'_>) {
        let held = Held { offset: piece.offset, bytes: piece.bytes.to_vec(), sources: piece.sources.to_vec() };
        self.cost += size_of::<(Endpoint, Arrival)>() + held.bytes.len() + std::mem::size_of_val(&held.sources[..]);
        self.all.push((from, Arrival::Piece(held)));
    }

    pub fn gap(&mut self, from: Endpoint, gap: Gap) {
        self.cost += size_of::<(Endpoint, Arrival)>();
        self.all.push((from, Arrival::Gap(gap)));
    }

    /// What they take, in bytes.
    pub fn cost(&self) -> usize {
        self.cost
    }

    pub fn iter(&self) -> impl Iterator<Item = &(Endpoint, Arrival)> {
        self.all.iter()
    }

    /// Passes them on as they are.
    pub fn pass(self, connection: &Connection, sink: &mut impl Sink) {
        for (from, arrival) in self {
            match arrival {
                Arrival::Piece(held) => sink.piece(connection, from, held.piece()),
                Arrival::Gap(gap) => sink.gap(connection, from, gap),
            }
        }
    }
}

impl IntoIterator for Arrivals {
    type Item = (Endpoint, Arrival);
    type IntoIter = std::vec::IntoIter<(Endpoint, Arrival)>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl Held {
    pub fn piece(&self) -> Piece<'_> {
        Piece { offset: self.offset, bytes: &self.bytes, sources: &self.sources }
    }
}
