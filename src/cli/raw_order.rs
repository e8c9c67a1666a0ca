//! The order of two directions that are given in files of their own.
//!
//! Takes a capture that has one after the other, reads it once, and gives the steps in which they are to be read.

use crate::capture::Capture;
use crate::pipeline::{self, Limits};
use crate::raw::order::{Said, Step, What, merge};
use crate::rtmp::body::{self, Body};
use crate::rtmp::control::{self, ControlKind};
use crate::rtmp::handshake::Part;
use crate::session::{self, Direction, Event, Kind, Observer, RtmpSession};
use crate::tcp::Connection;

use super::input::Silence;

/// So much is kept of what each side says; what follows is in the order of the files.
const MOST: usize = 1 << 20;

/// The steps for these two directions, first the client's; empty if nothing in them is RTMP.
pub fn steps(mut naive: Capture, limits: Limits, options: session::Options) -> anyhow::Result<Vec<Step>> {
    let (found, _) = pipeline::run(&mut naive, limits, options, Listener::default(), &mut Silence::again())?;
    let [client, server] = &found.said;
    let steps = merge([client, server]);
    Ok(steps.into_iter().map(|(side, until)| (found.files[side], until)).collect())
}

/// What each side says, by direction, and whose file is which.
#[derive(Default)]
struct Listener {
    said: [Vec<Said>; 2],
    files: [usize; 2],
}

impl Observer for Listener {
    fn event(&mut self, event: &Event<'_>) {
        let side = event.direction.index();
        self.files[side] = event.sender.index();
        let (range, what) = match &event.kind {
            Kind::Handshake(part, _) => {
                let what = if part.part == Part::C2 { What::Echo } else { What::Hello };
                (part.range.clone(), what)
            }
            Kind::Message(message) => {
                let body =
                    body::decode(message.header.type_id, message.decodable(), message.header.length, &mut ()).body;
                (message.start()..message.end(), what(&body))
            }
            Kind::Gap(_) | Kind::Undecoded { .. } => return,
        };
        let Some(last) = event.sources.at(range.end.saturating_sub(1)) else { return };
        if self.said[side].len() < MOST {
            self.said[side].push(Said { end: last.file_offset + 1, sent: range.end, what });
        }
    }

    fn closed(&mut self, _: &Connection, conversation: &RtmpSession) {
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            self.files[direction.index()] = conversation.sender(direction).index();
        }
    }
}

fn what(body: &Body<'_>) -> What {
    match body {
        Body::Control(control) => match control.kind {
            ControlKind::Acknowledgement { sequence_number } => What::Acknowledgement(sequence_number.into()),
            _ => What::Other,
        },
        Body::UserControl(control) => match (control.event_type, control.event) {
            (6, Some(control::Event::Ping { timestamp })) => What::Ping(timestamp),
            (7, Some(control::Event::Ping { timestamp })) => What::Pong(timestamp),
            _ => What::Other,
        },
        Body::Command(command) => {
            let name = command.name().map(|name| name.text().into_owned()).unwrap_or_default();
            let code = || {
                let found = command.arguments().iter().find_map(|value| value.property(b"code")?.as_str());
                found.map(|code| code.text().into_owned()).unwrap_or_default()
            };
            let id = command.transaction_id().unwrap_or(0.0);
            match &*name {
                "_result" | "_error" => What::Answer(id),
                "onStatus" => What::Status(code()),
                _ => What::Call(name, id),
            }
        }
        _ => What::Other,
    }
}
