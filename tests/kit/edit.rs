//! Changing a recording: finding its messages, changing their bytes, and what the other side does about it.

use super::encode::Message;
use super::recording::{Recording, Step, What};

/// The client's direction, where a `bool` says whether something is from the client.
pub const CLIENT: bool = true;
/// The server's.
pub const SERVER: bool = false;

/// An audio or video message.
pub fn is_media(message: &Message) -> bool {
    matches!(message.type_id, 8 | 9)
}

/// A video message with a video frame, not a configuration.
pub fn is_picture(message: &Message) -> bool {
    message.type_id == 9 && message.body.get(1) == Some(&1)
}

/// An audio message with sound, not a configuration.
pub fn is_sound(message: &Message) -> bool {
    message.type_id == 8 && message.body.get(1) == Some(&1)
}

impl Recording {
    /// The first message that `is`.
    pub fn find(&self, is: impl Fn(&Message) -> bool) -> usize {
        self.nth(0, is)
    }

    /// The message that `is`, after `skipped` others.
    pub fn nth(&self, skipped: usize, is: impl Fn(&Message) -> bool) -> usize {
        let places = self.steps.iter().enumerate().filter(|(_, step)| step.message().is_some_and(&is));
        places.map(|(at, _)| at).nth(skipped).expect("the recording has such a message")
    }

    /// The first command of that name.
    pub fn command(&self, name: &str) -> usize {
        self.find(|message| message.is_command(name))
    }

    /// One side's part of the handshake: C0 and C1, then C2; S0, S1 and S2.
    pub fn handshake(&mut self, from_client: bool, part: usize) -> &mut Vec<u8> {
        let parts = self.steps.iter_mut().filter(|step| step.from_client == from_client);
        let mut parts = parts.filter_map(|step| match &mut step.what {
            What::Bytes(bytes) => Some(bytes),
            _ => None,
        });
        parts.nth(part).expect("a part of the handshake")
    }

    /// The message of a step.
    pub fn message(&mut self, at: usize) -> &mut Message {
        match &mut self.steps[at].what {
            What::Message(message) => message,
            other => panic!("no message: {other:?}"),
        }
    }

    /// Changes the body of a message: `from`, which it has, becomes `to` the first time.
    pub fn replace(&mut self, at: usize, from: &[u8], to: &[u8]) {
        let body = &mut self.message(at).body;
        let found = body.windows(from.len()).position(|window| window == from);
        let found = found.unwrap_or_else(|| panic!("{from:02x?} is not in {body:02x?}"));
        body.splice(found..found + from.len(), to.iter().copied());
    }

    /// One side's messages from a step on.
    pub fn sent(&mut self, from_client: bool, from: usize) -> impl Iterator<Item = &mut Message> {
        self.steps[from..].iter_mut().filter(move |step| step.from_client == from_client).filter_map(|step| {
            match &mut step.what {
                What::Message(message) => Some(message),
                _ => None,
            }
        })
    }

    /// One side cuts chunks of this size from a step on.
    pub fn cut(&mut self, from_client: bool, from: usize, size: u32) {
        self.sent(from_client, from).for_each(|message| message.cut = Some(size));
    }

    /// A step goes.
    pub fn remove(&mut self, at: usize) -> Step {
        self.steps.remove(at)
    }

    /// All of one side's messages that are `such` go.
    pub fn drop_all(&mut self, from_client: bool, such: impl Fn(&Message) -> bool) {
        self.steps.retain(|step| step.from_client != from_client || !step.message().is_some_and(&such));
    }

    /// A message more, from the sender of step `at` and in the same write, before it.
    pub fn insert(&mut self, at: usize, message: Message) {
        self.steps.insert(at, Step { what: What::Message(message), ..self.steps[at].clone() });
    }

    /// A message more, from one side in a write of its own, after step `at`.
    pub fn answer(&mut self, at: usize, from_client: bool, message: Message) {
        let time = self.steps[at].time + 500;
        let write = self.steps.iter().map(|step| step.write).max().unwrap_or(0) + 1;
        self.steps.insert(at + 1, Step { from_client, time, write, what: What::Message(message) });
    }

    /// What step `at` is part of is the last that the receiver understands: it closes the connection, as nginx does
    /// after a fatal fault. What the sender already wrote is still there.
    pub fn closed(&mut self, at: usize) {
        let receiver = !self.steps[at].from_client;
        self.ended(at, receiver, 1000);
    }

    /// Nobody says anything more after step `at`; the client waits five seconds and gives up.
    pub fn silence(&mut self, at: usize) {
        self.ended(at, CLIENT, 5_000_000);
    }

    /// The write of step `at` is the last, and one side closes, so many microseconds later.
    pub fn ended(&mut self, at: usize, by: bool, later: u64) {
        let last = self.end(at);
        let write = self.steps.iter().map(|step| step.write).max().unwrap_or(0);
        for (number, from_client) in [(1, by), (2, !by)] {
            let time = last.time + later + number * 100;
            self.steps.push(Step { from_client, time, write: write + number, what: What::Fin });
        }
    }

    /// The capture's last write is the one of step `at`.
    fn end(&mut self, at: usize) -> Step {
        let last = self.steps[at].clone();
        let mut index = 0;
        self.steps.retain(|step| {
            index += 1;
            index <= at + 1 || (step.from_client, step.write) == (last.from_client, last.write)
        });
        last
    }
}
