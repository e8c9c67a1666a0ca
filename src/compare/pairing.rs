//! Which connection of A is which of B: by what the client does on them, then by order.

use std::fmt;

use crate::recording::{Recording, Session};

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

/// Pairs sessions: of the same role and name first, then of the same role, then of what is left, each in order.
/// `forced` names pairs by their connections' numbers.
pub fn pair(a: &Recording, b: &Recording, forced: &[(u32, u32)]) -> Paired {
    let mut paired = Paired::default();
    let mut left_a: Vec<usize> = (0..a.sessions.len()).collect();
    let mut left_b: Vec<usize> = (0..b.sessions.len()).collect();
    let number = |recording: &Recording, index: usize| recording.sessions[index].stream.tcp_stream.0;
    for &(of_a, of_b) in forced {
        let at_a = left_a.iter().position(|&index| number(a, index) == of_a);
        let at_b = left_b.iter().position(|&index| number(b, index) == of_b);
        if let (Some(at_a), Some(at_b)) = (at_a, at_b) {
            paired.pairs.push((left_a.remove(at_a), left_b.remove(at_b)));
        }
    }
    if forced.is_empty() {
        let same_name = |a: &Role, b: &Role| a == b;
        // A session that fails early has no role yet.
        let same_what = |a: &Role, b: &Role| a.what == b.what;
        let any = |a: &Role, b: &Role| a.what == b.what || a.what.is_empty() || b.what.is_empty();
        for alike in [same_name as fn(&Role, &Role) -> bool, same_what, any] {
            left_a.retain(|&index_a| {
                let role_a = role(&a.sessions[index_a]);
                let Some(at) = left_b.iter().position(|&index_b| alike(&role_a, &role(&b.sessions[index_b]))) else {
                    return true;
                };
                paired.pairs.push((index_a, left_b.remove(at)));
                false
            });
        }
    }
    paired.pairs.sort_unstable();
    (paired.only_a, paired.only_b) = (left_a, left_b);
    paired
}
