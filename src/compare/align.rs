//! Which message of A is which of B: kind by kind, anchored on what is the same.

use std::collections::{HashMap, HashSet};

use similar::{Algorithm, DiffOp, capture_diff_slices};
use xxhash_rust::xxh3::xxh3_128;

use crate::recording::Session;
use crate::session::Direction;

use super::identity::{MessageIdentity, MessageKind};
use super::{Aligned, Options};

/// Aligns two sessions. Rows come in the order of B; what only A has comes after the row that A has before it.
pub fn align(a: &Session, b: &Session, identities: &[Vec<MessageIdentity>; 2], options: &Options) -> Vec<Aligned> {
    let mut partner = of_other_types([a, b], identities);
    let taken: [HashSet<usize>; 2] = [partner.keys().copied().collect(), partner.values().copied().collect()];
    for track in tracks(a, b, identities) {
        let [in_a, in_b] = [(a, 0), (b, 1)].map(|(session, side)| {
            let mut members = members(session, &identities[side], track);
            members.retain(|index| !taken[side].contains(index));
            members
        });
        let mut pairs = Pairs { sessions: [a, b], identities, found: Vec::new() };
        let ways: &[Way] = if track.1.is_media() { &[Way::Same, Way::End, Way::Middle] } else { &[Way::Same] };
        pairs.between(&in_a, &in_b, ways);
        partner.extend(pairs.found);
    }
    for &(number_a, number_b) in &options.pins {
        let find = |session: &Session, number| session.items.iter().position(|item| item.number == number);
        if let (Some(at_a), Some(at_b)) = (find(a, number_a), find(b, number_b)) {
            partner.retain(|_, taken| *taken != at_b);
            partner.insert(at_a, at_b);
        }
    }
    in_order(a, b, &partner, options)
}

/// Pairs of messages with the same body under another type.
fn of_other_types(sessions: [&Session; 2], identities: &[Vec<MessageIdentity>; 2]) -> HashMap<usize, usize> {
    const LEAST: usize = 24;
    type Bodies = HashMap<(Direction, u128), Vec<usize>>;
    let bodies = sessions.map(|session| {
        let mut bodies = Bodies::new();
        for (index, item) in session.items.iter().enumerate() {
            if let Some(kept) = item.message().filter(|kept| kept.is_whole() && kept.body.len() >= LEAST) {
                bodies.entry((item.direction, kept.hash)).or_default().push(index);
            }
        }
        bodies
    });
    let type_id = |side: usize, index: usize| sessions[side].items[index].message().map(|kept| kept.header.type_id);
    let mut partner = HashMap::new();
    for (key, of_b) in &bodies[1] {
        let Some(of_a) = bodies[0].get(key) else { continue };
        // A type that nobody knows is read as what the body is, and aligned with that.
        if !of_b.iter().all(|&other| identities[1][other].read_as.is_none()) {
            continue;
        }
        let pairs = || of_a.iter().copied().zip(of_b.iter().copied());
        let shares = |&index: &usize| of_b.iter().any(|&other| type_id(0, index) == type_id(1, other));
        // The same may be sent again: of as many, each is the one in its turn.
        if of_a.len() == of_b.len() || !of_a.iter().any(shares) {
            partner.extend(pairs().filter(|&(of_a, of_b)| type_id(0, of_a) != type_id(1, of_b)));
        }
    }
    partner
}

/// Messages that keep their order: a direction's of one kind. Configuration keeps it with what it configures, as what
/// is one and what the other may be the very thing that differs.
type Track = (Direction, MessageKind);

fn track(direction: Direction, kind: MessageKind) -> Track {
    let kind = match kind {
        MessageKind::AudioConfig => MessageKind::Audio,
        MessageKind::VideoConfig => MessageKind::Video,
        other => other,
    };
    (direction, kind)
}

fn tracks(a: &Session, b: &Session, identities: &[Vec<MessageIdentity>; 2]) -> Vec<Track> {
    let of = |session: &Session, identities: &[MessageIdentity]| -> Vec<Track> {
        session.items.iter().zip(identities).map(|(item, identities)| track(item.direction, identities.kind)).collect()
    };
    let all: HashSet<_> = of(a, &identities[0]).into_iter().chain(of(b, &identities[1])).collect();
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort();
    all
}

fn members(session: &Session, identities: &[MessageIdentity], of: Track) -> Vec<usize> {
    (0..session.items.len())
        .filter(|&index| track(session.items[index].direction, identities[index].kind) == of)
        .collect()
}

/// By what a message of one side is recognised on the other.
#[derive(Clone, Copy)]
enum Way {
    /// It is the same: name and key, of media the hash of the body.
    Same,
    /// Its body ends alike: something before is put in, left out or changed.
    End,
    /// Its body is alike after the headers: something is put in, left out or changed at its end.
    Middle,
}

/// So many bytes of coded media tell one message from all others.
const TELLING: usize = 24;
/// No header before coded media is longer (FLV E.4.3, with composition time and a FourCC, and what was put in).
const HEADERS: usize = 16;

/// Pairs of indices, as they are found.
struct Pairs<'s> {
    sessions: [&'s Session; 2],
    identities: &'s [Vec<MessageIdentity>; 2],
    found: Vec<(usize, usize)>,
}

impl Pairs<'_> {
    /// What an item is recognised by.
    fn key(&self, way: Way, side: usize, index: usize) -> Option<u128> {
        let of = |bytes: &[u8]| Some(xxh3_128(bytes));
        let body = || {
            let kept = self.sessions[side].items[index].message().filter(|kept| kept.is_whole())?;
            (kept.body.len() >= HEADERS + TELLING).then_some(&kept.body)
        };
        match way {
            Way::Same => {
                let MessageIdentity { name, key, .. } = &self.identities[side][index];
                of(format!("{name}\0{key}").as_bytes())
            }
            Way::End => body().and_then(|body| of(&body[body.len() - TELLING..])),
            Way::Middle => body().and_then(|body| of(&body[HEADERS..HEADERS + TELLING])),
        }
    }

    /// Equal keys are matched first, so that what was put in or left out shows as that; what is between two matches is
    /// matched in the next way, and what is left paired in order, name by name.
    fn between(&mut self, in_a: &[usize], in_b: &[usize], ways: &[Way]) {
        if in_a.is_empty() || in_b.is_empty() {
            return;
        }
        let [way, rest @ ..] = ways else { return self.fill(in_a, in_b) };
        // Only what both sides have can be an anchor: so the search costs what the differences among these cost.
        let keys_a: Vec<_> = in_a.iter().map(|&index| self.key(*way, 0, index)).collect();
        let keys_b: Vec<_> = in_b.iter().map(|&index| self.key(*way, 1, index)).collect();
        let common = |own: &[Option<u128>], other: &[Option<u128>]| -> Vec<(usize, u128)> {
            let other: HashSet<_> = other.iter().flatten().collect();
            let own = own.iter().enumerate().filter_map(|(at, key)| Some((at, (*key)?)));
            own.filter(|(_, key)| other.contains(key)).collect()
        };
        let (common_a, common_b) = (common(&keys_a, &keys_b), common(&keys_b, &keys_a));
        let keys = |common: &[(usize, u128)]| -> Vec<u128> { common.iter().map(|&(_, key)| key).collect() };
        let (mut from_a, mut from_b) = (0, 0);
        for op in capture_diff_slices(Algorithm::Patience, &keys(&common_a), &keys(&common_b)) {
            if let DiffOp::Equal { old_index, new_index, len } = op {
                for step in 0..len {
                    let (at_a, at_b) = (common_a[old_index + step].0, common_b[new_index + step].0);
                    self.between(&in_a[from_a..at_a], &in_b[from_b..at_b], rest);
                    self.found.push((in_a[at_a], in_b[at_b]));
                    (from_a, from_b) = (at_a + 1, at_b + 1);
                }
            }
        }
        self.between(&in_a[from_a..], &in_b[from_b..], rest);
    }

    /// Pairs what is between two anchors in order: those of the same name, and of media all of them, if they are equally
    /// many.
    fn fill(&mut self, gap_a: &[usize], gap_b: &[usize]) {
        let identities = self.identities;
        if gap_a.len() == gap_b.len() && identities[0][gap_a[0]].kind.is_media() {
            self.found.extend(gap_a.iter().copied().zip(gap_b.iter().copied()));
            return;
        }
        let mut waiting: HashMap<&str, Vec<usize>> = HashMap::new();
        for &index in gap_b.iter().rev() {
            waiting.entry(&identities[1][index].name).or_default().push(index);
        }
        for &index in gap_a {
            if let Some(partner) = waiting.get_mut(identities[0][index].name.as_str()).and_then(Vec::pop) {
                self.found.push((index, partner));
            }
        }
    }
}

fn in_order(a: &Session, b: &Session, partner: &HashMap<usize, usize>, options: &Options) -> Vec<Aligned> {
    let taken: HashMap<usize, usize> = partner.iter().map(|(&a, &b)| (b, a)).collect();
    let mut rows = Vec::with_capacity(b.items.len());
    let mut next_a = 0;
    let mut pending = |until: usize, rows: &mut Vec<Aligned>| {
        while next_a <= until.min(a.items.len().wrapping_sub(1)) && next_a < a.items.len() {
            if !partner.contains_key(&next_a) {
                rows.push(Aligned { a: Some(next_a), b: None });
            }
            next_a += 1;
        }
    };
    for index in 0..b.items.len() {
        let of_a = taken.get(&index).copied();
        if let Some(of_a) = of_a {
            pending(of_a, &mut rows);
        }
        rows.push(Aligned { a: of_a, b: Some(index) });
    }
    pending(usize::MAX, &mut rows);
    let direction = |row: &Aligned| match (row.a, row.b) {
        (_, Some(index)) => b.items[index].direction,
        (Some(index), None) => a.items[index].direction,
        (None, None) => Direction::ClientToServer,
    };
    rows.retain(|row| options.direction.is_none_or(|only| only == direction(row)));
    rows
}
