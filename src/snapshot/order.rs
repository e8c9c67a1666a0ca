//! The order of a session's messages: a dialogue, whatever the capture made of it.
//!
//! Both sides send as they like, and which of two messages under way came first is another in every recording. What
//! does not change is the order of each side, and that an answer comes after its call. So the client's messages stand
//! in their order, and each of the server's after the client's message that the server answers next, itself included;
//! where it answers none any more, after the one that it answered last.

use std::collections::HashMap;

use crate::recording::{EventKind, RecordedEvent, Session};
use crate::rtmp::handshake::Part;
use crate::session::Direction;

/// The indices of these items of a session, in order.
pub fn dialogue(session: &Session, items: &[usize]) -> Vec<usize> {
    let of = |direction| items.iter().copied().filter(move |&index| session.items[index].direction == direction);
    let client: Vec<usize> = of(Direction::ClientToServer).collect();
    let server: Vec<usize> = of(Direction::ServerToClient).collect();
    let calls: HashMap<u64, usize> =
        client.iter().enumerate().map(|(place, &index)| (session.items[index].at.start, place)).collect();
    let first_part = client.iter().position(|&index| is_part(&session.items[index], Part::C0C1));
    let answered = |index: usize| {
        let item = &session.items[index];
        match item.answers {
            Some(call) => calls.get(&call).copied(),
            None => first_part.filter(|_| is_part(item, Part::S0S1S2)),
        }
    };
    // From the last to the first: what each will answer next.
    let mut next = None;
    let mut places: Vec<Option<usize>> = server
        .iter()
        .rev()
        .map(|&index| {
            next = answered(index).or(next);
            next
        })
        .collect();
    places.reverse();
    // The server's own order stays, also where it answers later what was asked earlier.
    let mut last = None;
    for place in &mut places {
        last = (*place).max(last);
        *place = last;
    }
    let mut server = server.into_iter().zip(places).peekable();
    let mut order = Vec::with_capacity(items.len());
    let mut take = |until: Option<usize>, order: &mut Vec<usize>| {
        while let Some((index, _)) = server.next_if(|(_, place)| *place <= until) {
            order.push(index);
        }
    };
    take(None, &mut order);
    for (place, &index) in client.iter().enumerate() {
        order.push(index);
        take(Some(place), &mut order);
    }
    order
}

fn is_part(item: &RecordedEvent, wanted: Part) -> bool {
    matches!(&item.content, EventKind::Handshake { part, .. } if *part == wanted)
}
