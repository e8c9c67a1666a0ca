//! Which connection of A is which of B: by what the client does on them, then by order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;

use crate::recording::{RecordedEvent, Recording, Session};
use crate::session::Direction;
use crate::steps;

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `publish`, `play`, or nothing.
    pub what: &'static str,
    /// `app/stream`.
    pub name: String,
}

impl fmt::Display for Role {
    /// `publish live/one`; nothing, if nothing is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.what, &*self.name) {
            ("", name) => f.write_str(name),
            (what, name) => write!(f, "{what} {name}"),
        }
    }
}

/// Connections of A and B that are compared, and those that are left over.
#[derive(Clone, Debug, Default)]
pub struct Paired {
    /// Indices of sessions of A and of B.
    pub pairs: Vec<(usize, usize)>,
    /// Sessions that only A has.
    pub only_a: Vec<usize>,
    /// Sessions that only B has.
    pub only_b: Vec<usize>,
}

/// What a session is for.
pub fn role(session: &Session) -> Role {
    let app = session.stream.app.clone().unwrap_or_default();
    match session.stream.activities.first() {
        Some(activity) => Role { what: activity.what, name: format!("{app}/{}", activity.name) },
        None => Role { what: "", name: app },
    }
}

/// What a session is meant for: who sends media itself meant to publish, whatever it asked for.
pub fn scenario(session: &Session) -> Role {
    let sends = |item: &RecordedEvent| {
        let is_media = item.message().is_some_and(|kept| kept.class.is_media());
        item.direction == Direction::ClientToServer && is_media
    };
    let role = role(session);
    let what = if role.what == "play" && session.items.iter().any(sends) { "publish" } else { role.what };
    Role { what, ..role }
}

/// Pairs sessions: of the same role and name first, then of the same role, then of what is left, each in order.
/// `forced` names pairs by their connections' numbers.
pub fn pair(a: &Recording, b: &Recording, forced: &[(u32, u32)]) -> Paired {
    let mut left = [a, b].map(|recording| (0..recording.sessions.len()).collect::<Vec<_>>());
    let mut pairs = Vec::new();
    if forced.is_empty() {
        let roles = [a, b].map(|recording| recording.sessions.iter().map(scenario).collect::<Vec<_>>());
        // A session that fails early has no role yet.
        pairs.extend(pair_by(&mut left, |side, index| (roles[side][index].what, &*roles[side][index].name)));
        pairs.extend(pair_by(&mut left, |side, index| roles[side][index].what));
        // Now at most one side has sessions without a role; those may be any of the other's.
        let [without_a, without_b] = [0, 1].map(|side| {
            left[side].iter().copied().filter(|&index| roles[side][index].what.is_empty()).collect::<Vec<_>>()
        });
        let more: Vec<_> = match without_a.is_empty() {
            false => without_a.into_iter().zip(left[1].iter().copied()).collect(),
            true => left[0].iter().copied().zip(without_b).collect(),
        };
        let taken = more.iter().copied().unzip();
        remove(&mut left, taken);
        pairs.extend(more);
    } else {
        let numbers = [a, b].map(|recording| {
            let numbers = recording.sessions.iter().map(|session| session.stream.tcp_stream.0);
            numbers.zip(0..).collect::<HashMap<u32, usize>>()
        });
        let mut taken: (HashSet<usize>, HashSet<usize>) = Default::default();
        for (of_a, of_b) in forced {
            if let (Some(&at_a), Some(&at_b)) = (numbers[0].get(of_a), numbers[1].get(of_b))
                && !taken.0.contains(&at_a)
                && !taken.1.contains(&at_b)
            {
                taken.0.insert(at_a);
                taken.1.insert(at_b);
                pairs.push((at_a, at_b));
            }
        }
        remove(&mut left, taken);
    }
    pairs.sort_unstable();
    let [only_a, only_b] = left;
    Paired { pairs, only_a, only_b }
}

/// Pairs what has the same key, in order, and takes it out of what is left.
fn pair_by<K: Eq + Hash>(left: &mut [Vec<usize>; 2], key: impl Fn(usize, usize) -> K) -> Vec<(usize, usize)> {
    let mut waiting: HashMap<K, VecDeque<usize>> = HashMap::new();
    for &index in &left[1] {
        steps::count(1);
        waiting.entry(key(1, index)).or_default().push_back(index);
    }
    let partner = |&index: &usize| {
        steps::count(1);
        Some((index, waiting.get_mut(&key(0, index))?.pop_front()?))
    };
    let pairs: Vec<_> = left[0].iter().filter_map(partner).collect();
    remove(left, pairs.iter().copied().unzip());
    pairs
}

fn remove(left: &mut [Vec<usize>; 2], (of_a, of_b): (HashSet<usize>, HashSet<usize>)) {
    left[0].retain(|index| !of_a.contains(index));
    left[1].retain(|index| !of_b.contains(index));
}
