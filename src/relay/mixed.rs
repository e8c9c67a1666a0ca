//! Streams that a server mixes up: messages of one that reach the player of another.
//!
//! Takes the judged pairs and all publishers' legs, returns for each pair what is foreign on the player's leg, and where
//! the publisher's messages went if they did not reach their own player. Payloads tell: what a pair's own publisher sent
//! too is nobody else's.

use rustc_hash::{FxHashMap, FxHashSet};

use super::judge::Judged;
use super::legs::{Leg, Role};
use super::unit::Unit;

/// What was mixed up on one pair of legs.
#[derive(Debug, Default)]
pub struct Mixed {
    /// Messages on the player's leg that were published under another name.
    pub foreign: Option<Foreign>,
    /// The connection and the path of the player that got what this publisher sent.
    pub elsewhere: Option<(u32, String)>,
}

/// Messages of another stream.
#[derive(Debug)]
pub struct Foreign {
    /// Their stream.
    pub path: String,
    /// The connection on which it is published.
    pub connection: u32,
    /// Places among those that the player got.
    pub got: Vec<usize>,
}

/// Fewer equal payloads than this may be chance.
const LEAST: usize = 3;
/// Payloads as short as this, silence for one, are everywhere.
const SHORT: u32 = 8;

/// What was mixed up on each of the pairs.
pub fn find(judged: &[Judged<'_>], legs: &[Leg<'_>]) -> Vec<Mixed> {
    let mut all: Vec<Mixed> = judged.iter().map(|_| Mixed::default()).collect();
    // What no publisher of the pair explains, for each pair.
    let unexplained: Vec<Vec<usize>> = judged.iter().map(unexplained).collect();
    if unexplained.iter().all(|got| got.len() < LEAST) {
        return all;
    }
    let publishers: Vec<&Leg<'_>> = legs.iter().filter(|leg| leg.role == Role::Publish).collect();
    let mut senders: FxHashMap<u128, Vec<usize>> = FxHashMap::default();
    for (at, leg) in publishers.iter().enumerate() {
        for hash in leg.items().filter_map(Unit::of).filter(is_telling).map(|unit| unit.kept.hash) {
            let of_hash = senders.entry(hash).or_default();
            if of_hash.last() != Some(&at) {
                of_hash.push(at);
            }
        }
    }
    for (number, pair) in judged.iter().enumerate() {
        let mut by_sender: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
        for &at in &unexplained[number] {
            // What two publishers sent tells nothing.
            if let Some(&[sender]) = senders.get(&pair.got[at].kept.hash).map(Vec::as_slice) {
                by_sender.entry(sender).or_default().push(at);
            }
        }
        let Some((sender, got)) =
            by_sender.into_iter().max_by_key(|(sender, got)| (got.len(), std::cmp::Reverse(*sender)))
        else {
            continue;
        };
        let (sender, player) = (publishers[sender], &pair.pair.player);
        if got.len() < LEAST || 2 * got.len() < unexplained[number].len() || sender.path() == player.path() {
            continue;
        }
        let connection = sender.session.stream.tcp_stream.0;
        for (other, mixed) in judged.iter().zip(&mut all) {
            let publisher = &other.pair.publisher;
            let is_sender = publisher.capture == sender.capture
                && publisher.session.stream.tcp_stream.0 == connection
                && publisher.name == sender.name;
            if is_sender && other.nothing().is_some() {
                mixed.elsewhere = Some((player.session.stream.tcp_stream.0, player.path()));
            }
        }
        all[number].foreign = Some(Foreign { path: sender.path(), connection, got });
    }
    all
}

/// What the player got and its publisher never sent.
fn unexplained(judged: &Judged<'_>) -> Vec<usize> {
    let left = || judged.got.iter().enumerate().filter(|(at, unit)| judged.origins[*at].is_none() && is_telling(unit));
    if left().count() < LEAST {
        return Vec::new();
    }
    let own: FxHashSet<u128> = judged.sent.iter().map(|unit| unit.kept.hash).collect();
    left().filter(|(_, unit)| !own.contains(&unit.kept.hash)).map(|(at, _)| at).collect()
}

/// Whether its payload tells whose it is.
fn is_telling(unit: &Unit<'_>) -> bool {
    unit.kind.is_coded() && unit.is_whole() && unit.kept.header.length > SHORT
}
