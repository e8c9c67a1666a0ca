//! A recorded session that can be changed and written again.
//!
//! [`Recording::read`] takes one connection of a good capture through the library: who sends what and when, in the
//! order of the capture. [`Recording::pcap`] writes it: what left its sender in one write is written in segments of at
//! most 1448 bytes, at the time at which the original was complete, and the other side acknowledges it.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline::{self, Progress, Warning};
use rtmp_inspect::sender::Mistake;
use rtmp_inspect::session::{Direction, Event, Kind, Observer, Options, RtmpSession};
use rtmp_inspect::tcp::Connection;

use super::encode::{Encoder, Message};
use super::{End, Session};

/// A session.
#[derive(Clone)]
pub struct Recording {
    /// The client's address.
    pub client: End,
    /// The server's address.
    pub server: End,
    /// When the connection was opened, in microseconds since the epoch.
    pub opened: u64,
    /// What happens on it, in the order of the capture.
    pub steps: Vec<Step>,
    /// What the client's sender does wrong.
    pub mistakes: Vec<Mistake>,
    /// The next connection in the same capture.
    pub next: Option<Box<Recording>>,
}

/// Something that one side sends.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who.
    pub from_client: bool,
    /// When, in microseconds since the epoch.
    pub time: u64,
    /// The sender's steps with the same number leave it in one write.
    pub write: u64,
    /// What.
    pub what: What,
}

/// What is sent.
#[derive(Clone, Debug)]
pub enum What {
    /// Bytes that are no message: the handshake, or what is in its place.
    Bytes(Vec<u8>),
    /// A message.
    Message(Message),
    /// The end of what this side sends.
    Fin,
    /// A reset.
    Rst,
}

impl Recording {
    /// Reads connection `number` of a capture that was recorded from the handshake on and has no fault.
    pub fn read(path: &Path, number: u32) -> Recording {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Recording::of(file, number).unwrap_or_else(|| panic!("{} has no connection {number}", path.display()))
    }

    /// Reads connection `number` of a capture's bytes, if there is one.
    pub fn of(bytes: impl Read + Send + 'static, number: u32) -> Option<Recording> {
        let mut capture = Capture::open(bytes, capture::Limits::default()).expect("a capture");
        let reader = Reader { number, steps: Vec::new(), recording: None };
        let limits = pipeline::Limits::default();
        let (reader, _) =
            pipeline::run(&mut capture, limits, Options::default(), reader, &mut Silent).expect("readable");
        reader.recording
    }

    /// The packets of the capture.
    pub fn packets(&self) -> Session {
        let mut session = Session::between(self.client, self.server, self.opened);
        let bytes = self.bytes();
        let mut at = 0;
        while let Some(step) = self.steps.get(at) {
            let together = |other: &&Step| (other.from_client, other.write) == (step.from_client, step.write);
            let count = match step.what {
                What::Fin | What::Rst => 1,
                _ => self.steps[at..].iter().take_while(together).filter(|step| step.sends()).count(),
            };
            session = session.at(step.time);
            session = match step.what {
                What::Fin => session.fin(step.from_client),
                What::Rst => session.rst(step.from_client),
                _ => {
                    let write = bytes[at..at + count].concat();
                    session.send(step.from_client, &write, super::SEGMENT).ack(!step.from_client)
                }
            };
            at += count;
        }
        match &self.next {
            Some(next) => session.then(next.packets()),
            None => session,
        }
    }

    /// The capture.
    pub fn pcap(&self) -> Vec<u8> {
        self.packets().pcap()
    }

    /// The bytes of each step; none for what ends a direction.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        let mut encoders = [Encoder::new(), Encoder::with(&self.mistakes)];
        let bytes = |step: &Step| match &step.what {
            What::Bytes(bytes) => bytes.clone(),
            What::Message(message) => encoders[usize::from(step.from_client)].write(message),
            What::Fin | What::Rst => Vec::new(),
        };
        self.steps.iter().map(bytes).collect()
    }

    /// One direction's bytes.
    pub fn stream(&self, from_client: bool) -> Vec<u8> {
        let steps = self.steps.iter().zip(self.bytes());
        steps.filter(|(step, _)| step.from_client == from_client).flat_map(|(_, bytes)| bytes).collect()
    }

    /// One direction's messages.
    pub fn messages(&self, from_client: bool) -> Vec<&Message> {
        self.steps.iter().filter(|step| step.from_client == from_client).filter_map(Step::message).collect()
    }
}

impl Step {
    /// The message, if it is one.
    pub fn message(&self) -> Option<&Message> {
        match &self.what {
            What::Message(message) => Some(message),
            _ => None,
        }
    }

    fn sends(&self) -> bool {
        !matches!(self.what, What::Fin | What::Rst)
    }
}

/// Gathers one connection's steps.
struct Reader {
    number: u32,
    steps: Vec<Step>,
    recording: Option<Recording>,
}

impl Observer for Reader {
    fn event(&mut self, event: &Event<'_>) {
        if event.connection.id.0 != self.number {
            return;
        }
        let (end, what) = match &event.kind {
            Kind::Handshake(part, _) => (part.range.end, What::Bytes(part.bytes.to_vec())),
            Kind::Message(message) => {
                assert!(message.is_complete(), "{message:?}");
                let known = (message.header.timestamp, message.header.message_stream_id);
                let (Some(timestamp), Some(msid)) = known else { panic!("{message:?}") };
                let own = Message::new(message.csid.0, message.header.type_id.0, msid.0, timestamp, &message.body);
                (message.end(), What::Message(Message { fmt: message.fmt, ..own }))
            }
            Kind::Gap(gap) => panic!("{gap:?}"),
            Kind::Undecoded { range, why } => panic!("{range:?}: {}", why.message),
        };
        let source = event.sources.at(end - 1).expect("captured");
        self.steps.push(Step {
            from_client: event.direction == Direction::ClientToServer,
            time: micros(source.time),
            write: source.packet.0,
            what,
        });
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        if connection.id.0 != self.number {
            return;
        }
        let [client, server] =
            [conversation.client, conversation.client.peer()].map(|end| connection.endpoints[end.index()]);
        for (side, from_client) in [(conversation.client, true), (conversation.client.peer(), false)] {
            let side = connection.side(side);
            for (moment, what) in [(side.fin, What::Fin), (side.rst, What::Rst)] {
                let Some(moment) = moment else { continue };
                let step = Step { from_client, time: micros(moment.time), write: moment.frame.0, what };
                self.steps.push(step);
            }
        }
        self.steps.sort_by_key(|step| step.write);
        self.recording = Some(Recording {
            client: end(client),
            server: end(server),
            opened: micros(connection.first.time),
            steps: std::mem::take(&mut self.steps),
            mistakes: Vec::new(),
            next: None,
        });
    }
}

fn micros(time: rtmp_inspect::origin::Time) -> u64 {
    u64::try_from(time.0 / 1000).expect("after the epoch")
}

fn end(address: SocketAddr) -> End {
    match address.ip() {
        IpAddr::V4(ip) => (ip.octets(), address.port()),
        IpAddr::V6(ip) => panic!("{ip}: only IPv4 is written"),
    }
}

/// Nobody watches the run.
pub struct Silent;

impl Progress for Silent {
    fn warning(&mut self, _: Warning) {}

    fn should_continue(&mut self, _: &Capture) -> bool {
        true
    }
}
