//! Who owes what: a session as a table of steps, each due after another.
//!
//! Takes a [`Session`] and what its messages are, returns its [`Progress`]: the steps that were taken and when, those
//! that were taken before their turn, and the earliest that was due and never came. The table is [`DUTIES`]; everything
//! here iterates it. Whether a silence is a fault, and whose, is for [`crate::rules`] to say: it knows more.

mod table;

use std::collections::HashMap;

use crate::compare::{MessageIdentity, MessageKind, is_gap};
use crate::origin::Time;
use crate::recording::{EventKind, RecordedEvent, Session};
use crate::rtmp::class::{DataName, MessageClass};
use crate::rtmp::handshake::Part;
use crate::session::Direction;

pub use table::{DUTIES, Duty, PREPARATIONS, Step, is_refusal};

/// How far a session got.
#[derive(Debug)]
pub struct Progress<'r> {
    session: &'r Session,
    /// Each step, and the index of the item with which it was taken, in the order of the capture.
    pub taken: Vec<(Step, usize)>,
    /// Whether each direction is there from its beginning on, without a hole: only then something is missing in it.
    is_whole: [bool; 2],
    /// For each direction, the last item that cannot be read, if one cannot: it may be what is missed.
    unreadable: [Option<usize>; 2],
}

/// A step that was due and did not come.
#[derive(Clone, Copy, Debug)]
pub struct Owed {
    /// What is due, and from whom.
    pub duty: &'static Duty,
    /// Index of the item after which it is due; none if it is the first thing of all.
    pub since: Option<usize>,
    /// How long it was waited for, in seconds.
    pub waited: f64,
    /// Who ended the connection, if the capture has its end.
    pub ended_by: Option<Direction>,
}

/// A step taken before its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// The step.
    pub step: Step,
    /// Index of its item.
    pub item: usize,
    /// What should have come before it.
    pub needs: Step,
    /// Index of the item with which that came after all.
    pub came: Option<usize>,
}

/// So long, in seconds, at least, a side waits that gives up.
const SHORTEST: f64 = 0.2;

impl<'r> Progress<'r> {
    /// Of a session; `named` has what each of its items is.
    pub fn of(session: &'r Session, named: &[MessageIdentity]) -> Progress<'r> {
        let mut progress = Progress { session, taken: Vec::new(), is_whole: [false; 2], unreadable: [None; 2] };
        let mut begun = [false; 2];
        let mut waiting: HashMap<Step, usize> = HashMap::new();
        progress.is_whole = [true; 2];
        for (index, (item, named)) in session.items.iter().zip(named).enumerate() {
            let way = item.direction.index();
            begun[way] |= matches!(item.content, EventKind::Handshake { .. });
            progress.is_whole[way] &= begun[way] && !is_gap(item);
            if is_gap(item) || item.is_damaged() || !item.defects.is_empty() {
                progress.unreadable[way] = Some(index);
            }
            let Some(mut step) = step(item, named) else { continue };
            match step {
                Step::Connect | Step::CreateStream => *waiting.entry(step).or_default() += 1,
                Step::Connected | Step::StreamCreated => {
                    // A call is answered once: what comes again with its transaction id answers nothing.
                    let calls = step.call().and_then(|call| waiting.get_mut(&call));
                    match calls.filter(|calls| **calls > 0) {
                        Some(calls) => *calls -= 1,
                        None => step = Step::OtherResult,
                    }
                }
                _ => {}
            }
            progress.taken.push((step, index));
        }
        // Who sent nothing at all did begin with nothing, unless the other side's bytes are all that was given.
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            let side = match direction {
                Direction::ClientToServer => &session.stream.client_to_server,
                Direction::ServerToClient => &session.stream.server_to_client,
            };
            let way = direction.index();
            let is_seen = side.unseen_bytes <= 1 && side.gap_bytes == 0;
            progress.is_whole[way] &= (begun[way] || side.bytes == 0 && !session.is_given()) && is_seen;
        }
        progress
    }

    /// Whether nothing of a direction is missing in the capture.
    pub fn is_whole(&self, direction: Direction) -> bool {
        self.is_whole[direction.index()]
    }

    /// Where a step was taken first.
    pub fn first(&self, step: Step) -> Option<usize> {
        self.taken.iter().find(|(taken, _)| *taken == step).map(|(_, index)| *index)
    }

    /// Where a step was taken last.
    fn last(&self, step: Step) -> Option<usize> {
        self.taken.iter().rev().find(|(taken, _)| *taken == step).map(|(_, index)| *index)
    }

    /// Whether a step was taken after an item.
    pub fn has_after(&self, step: Step, after: Option<usize>) -> bool {
        self.taken.iter().any(|&(taken, index)| taken == step && Some(index) > after)
    }

    /// Whether it did what it was for: audio, video or data was sent where the server let the client publish, or came
    /// where it asked to play.
    pub fn serves(&self) -> bool {
        let (published, played) = (self.first(Step::PublishStarted), self.first(Step::Play));
        let flows = |from: Option<usize>, media| from.is_some() && self.has_after(media, from);
        flows(published, Step::ClientMedia) || flows(played, Step::ServerMedia)
    }

    /// Whether it did what it is for, and continued to do so after an item: what came there stopped nobody.
    pub fn serves_after(&self, item: usize) -> bool {
        let media = if self.first(Step::PublishStarted).is_some() { Step::ClientMedia } else { Step::ServerMedia };
        self.serves() && self.has_after(media, Some(item))
    }

    /// The earliest step that was due and did not come, whoever owed it.
    pub fn owed(&self) -> Option<Owed> {
        let all = DUTIES.iter().filter_map(|duty| self.unmet(duty));
        all.min_by_key(|owed| owed.since)
    }

    /// What a duty has outstanding at the end. Nothing if it might have been met unseen.
    pub fn unmet(&self, duty: &'static Duty) -> Option<Owed> {
        let since = match duty.after {
            Step::Opened => None,
            after => Some(self.last(after)?),
        };
        // A snapshot has no order between the directions.
        let is_handshake = matches!(duty.due, Step::ServerHello | Step::ClientEcho);
        // C2 may be sent before S2 is whole (RTMP 1.0 5.2.1), and a client may send the next call before the last is
        // answered: what it sent after that one is sent.
        let called = duty.after.call().filter(|_| duty.by == Direction::ClientToServer);
        let begins = called.and_then(|call| self.last(call)).min(since).or(since);
        let from = begins.filter(|_| !self.session.is_snapshot && !is_handshake);
        let met = [duty.due].iter().chain(duty.instead).any(|&step| self.has_after(step, from));
        let back = duty.by.back();
        let is_known = self.is_whole(duty.by) && (self.is_whole(back) || since.is_some());
        let may_be = self.unreadable[duty.by.index()].is_some_and(|unreadable| Some(unreadable) > from);
        if met || !is_known || may_be {
            return None;
        }
        let stream = &self.session.stream;
        let began = since.map_or(stream.start, |index| self.session.items[index].time);
        let end = stream.start.0 as f64 / 1e9 + stream.duration;
        let ended_by = stream.end.map(|end| match end.by {
            "client" => Direction::ClientToServer,
            _ => Direction::ServerToClient,
        });
        Some(Owed { duty, since, waited: (end - seconds(began)).max(0.0), ended_by })
    }

    /// The steps of the client that were taken before what they need, each once.
    pub fn early(&self) -> Vec<Early> {
        if ![Direction::ClientToServer, Direction::ServerToClient].into_iter().all(|way| self.is_whole(way))
            || self.session.is_snapshot
        {
            return Vec::new();
        }
        let mut early: Vec<Early> = Vec::new();
        for &(step, item) in &self.taken {
            let Some(needs) = step.needs() else { continue };
            let came = self.first(needs);
            if came.is_none_or(|came| came > item) && !early.iter().any(|other| other.step == step) {
                early.push(Early { step, item, needs, came });
            }
        }
        early
    }
}

impl Owed {
    /// Whether it is certain enough that it is not going to come: it is usual for it to come sooner, or a side has
    /// ended the connection, the one that waited after some time.
    pub fn is_late(&self) -> bool {
        let gave_up = self.ended_by == Some(self.duty.by.back()) && self.waited >= SHORTEST;
        self.waited >= self.duty.usual || self.ended_by == Some(self.duty.by) || gave_up
    }
}

fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e9
}

/// The step that an item is.
fn step(item: &RecordedEvent, named: &MessageIdentity) -> Option<Step> {
    let is_client = item.direction == Direction::ClientToServer;
    match &item.content {
        EventKind::Handshake { .. } if item.is_damaged() => {}
        EventKind::Handshake { part: Part::C0C1, .. } => return Some(Step::ClientHello),
        EventKind::Handshake { part: Part::S0S1S2, .. } => return Some(Step::ServerHello),
        EventKind::Handshake { part: Part::C2, .. } => return Some(Step::ClientEcho),
        _ => {}
    }
    let kept = item.message()?;
    let is_notice = matches!(kept.class, MessageClass::Data(DataName::SampleAccess | DataName::OnStatus));
    match named.kind {
        MessageKind::Command => Some(table::command(is_client, named)),
        MessageKind::Data if is_notice => None,
        _ if named.kind.is_media() || named.kind == MessageKind::Data || kept.class == MessageClass::Aggregate => {
            Some(if is_client { Step::ClientMedia } else { Step::ServerMedia })
        }
        _ => None,
    }
}
