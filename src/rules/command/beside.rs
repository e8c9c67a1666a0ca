//! What sessions of one capture are to each other: who publishes what another plays, who came back, who left a name behind.
//!
//! Takes a session, gives what of it matters to the others, and whether the others matter to it.

use crate::compare::Beside;
use crate::recording::Session;
use crate::rules::opening::is_over;
use crate::session::Direction::{self, ClientToServer, ServerToClient};
use crate::tcp::How;

use super::commands;
use super::stale::is_refusal;

/// What a session is to others.
pub fn of(session: &Session) -> Beside {
    let stream = &session.stream;
    let sent = || session.items.iter().filter(|item| item.direction == ClientToServer);
    let last = || sent().map(|item| item.time).max().zip(sent().map(|item| item.frames[0]).max());
    let closed = stream.end.is_some_and(|end| end.how == How::Fin && end.by == "client");
    let publishes = stream.activities.iter().any(|activity| activity.what == "publish");
    let end = stream.start.0.saturating_add((stream.duration * 1e9) as i64);
    Beside {
        tcp_stream: stream.tcp_stream,
        client: stream.client.ip(),
        server: stream.server,
        app: stream.app.clone(),
        activities: stream.activities.iter().map(|activity| (activity.what, activity.name.clone())).collect(),
        times: [stream.start, crate::origin::Time(end)],
        has_media: [ClientToServer, ServerToClient].map(|direction| has_media(session, direction)),
        left: (publishes && !closed && !is_over(session)).then(last),
    }
}

/// Whether what is said of a session depends on others: it was refused a name, waits for media, or ended without a word.
pub fn needs_others(session: &Session) -> bool {
    let plays = session.stream.activities.iter().any(|activity| activity.what == "play");
    let is_cut = session.stream.end.is_some_and(|end| end.by == "server") && !is_over(session);
    plays && !has_media(session, ServerToClient) || is_cut || commands(session).iter().any(|said| is_refusal(&said))
}

fn has_media(session: &Session, direction: Direction) -> bool {
    session
        .items
        .iter()
        .any(|item| item.direction == direction && item.message().is_some_and(|kept| kept.header.type_id.is_media()))
}
