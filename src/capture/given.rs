//! What is no capture file and read as one: text that says bytes, and the raw bytes of directions.
//!
//! Takes a text that was read, or the inputs of one or two directions, gives packets or bytes as a file's reader would.
//! Text is held whole; raw bytes stream.

use std::collections::VecDeque;

use super::input::Input;
use super::{Bytes, Error, Event, Frame, Limits, Warning};
use crate::origin::{FrameNo, Time};
use crate::raw::{self, Assumption, Content, Text, beginning};

/// A text's packets or bytes, one by one.
pub(super) struct Given {
    text: Text,
    assumed: usize,
    next: usize,
    /// The first bytes of each connection's sides begin as TCP streams do.
    starts: Vec<[bool; 2]>,
}

/// A text with more bytes than this is not read.
const LONGEST: usize = 256 << 20;

impl Given {
    /// Reads the text that the input is.
    pub(super) fn read(input: &mut Input, limits: &Limits) -> Result<Given, Error> {
        let bytes = whole(input, LONGEST)?;
        let text = raw::decode_text(bytes).map_err(|_| Error::NotUtf8)?;
        let failed = |why| Error::Text { why, inside: input.compressions().to_vec() };
        let text = raw::read(&text).map_err(failed)?;
        if text.bytes.len() > limits.text {
            return Err(failed(raw::Error::TooLong { most: limits.text }));
        }
        Ok(Given { starts: starts(&text), text, assumed: 0, next: 0 })
    }

    /// Whether it holds packets.
    pub(super) fn has_packets(&self) -> bool {
        matches!(self.text.content, Content::Packets(_))
    }

    /// Its bytes, where they are one direction's.
    pub(super) fn into_direction(self) -> Result<Vec<u8>, Error> {
        match &self.text.content {
            Content::Parts(parts) if parts.iter().all(|part| part.side == 0 && part.connection == 0) => {
                Ok(self.text.bytes)
            }
            _ => Err(Error::NotADirection),
        }
    }

    pub(super) fn step(&mut self, frames: &mut u64) -> Option<Event<'_>> {
        if let Some(assumption) = self.text.assumed.get(self.assumed) {
            self.assumed += 1;
            return Some(Event::Warning(Warning::Assumed(*assumption)));
        }
        let at = self.next;
        self.next += 1;
        match &self.text.content {
            Content::Packets(packets) => {
                let packet = packets.get(at)?;
                *frames += 1;
                let bytes = &self.text.bytes[packet.range.clone()];
                Some(Event::Frame(Frame {
                    number: FrameNo(packet.number.unwrap_or(*frames)),
                    time: packet.time,
                    link_type: packet.link_type,
                    bytes,
                    original_len: bytes.len() as u32,
                    file_offset: packet.range.start as u64,
                }))
            }
            Content::Parts(parts) => {
                let part = parts.get(at)?;
                Some(Event::Bytes(Bytes {
                    connection: part.connection,
                    side: part.side,
                    endpoints: part.endpoints,
                    from_start: self.starts.get(part.connection as usize).is_some_and(|sides| sides[part.side]),
                    frame: part.frame,
                    time: part.time,
                    bytes: &self.text.bytes[part.range.clone()],
                    file_offset: part.range.start as u64,
                }))
            }
        }
    }
}

/// For each connection, whether its sides begin as TCP streams do.
fn starts(text: &Text) -> Vec<[bool; 2]> {
    let Content::Parts(parts) = &text.content else { return Vec::new() };
    let mut heads: Vec<[Vec<u8>; 2]> = Vec::new();
    for part in parts {
        let connection = part.connection as usize;
        if heads.len() <= connection {
            heads.resize_with(connection + 1, Default::default);
        }
        let head = &mut heads[connection][part.side];
        let bytes = &text.bytes[part.range.clone()];
        head.extend_from_slice(&bytes[..bytes.len().min(HEAD.saturating_sub(head.len()))]);
    }
    heads.iter().map(|sides| sides.each_ref().map(|head| beginning::from_start(head))).collect()
}

/// So many first bytes tell a handshake from chunks.
const HEAD: usize = 64;

/// The raw bytes of one direction, or of two in an order that was found out before.
pub(super) struct Directions {
    second: Option<Box<Input>>,
    steps: VecDeque<(usize, u64)>,
    starts: [bool; 2],
    assumed: VecDeque<Assumption>,
}

/// So much is handed on at once.
const PIECE: usize = 64 << 10;

impl Directions {
    /// One direction.
    pub(super) fn one(input: &mut Input) -> Result<Directions, Error> {
        Directions::of(input, None, VecDeque::new())
    }

    /// The client's direction and the server's. `steps`: up to which offset of which file is read in turn.
    pub(super) fn two(first: &mut Input, second: Input, steps: Vec<(usize, u64)>) -> Result<Directions, Error> {
        Directions::of(first, Some(Box::new(second)), steps.into())
    }

    fn of(
        first: &mut Input,
        mut second: Option<Box<Input>>,
        steps: VecDeque<(usize, u64)>,
    ) -> Result<Directions, Error> {
        first.fill(HEAD)?;
        let mut starts = [beginning::from_start(first.window()), false];
        let mut assumed = VecDeque::new();
        if beginning::is_chunk(first.window()) {
            assumed.push_back(Assumption::NoHandshake);
        }
        if let Some(second) = &mut second {
            second.fill(HEAD)?;
            starts[1] = beginning::from_start(second.window());
            if !steps.is_empty() {
                assumed.push_back(Assumption::Order);
            }
        }
        Ok(Directions { second, steps, starts, assumed })
    }

    pub(super) fn step<'a>(&'a mut self, first: &'a mut Input) -> Result<Option<Event<'a>>, Error> {
        if let Some(assumption) = self.assumed.pop_front() {
            return Ok(Some(Event::Warning(Warning::Assumed(assumption))));
        }
        // What the steps leave: all of the first, then all of the second.
        let mut turn = (0, u64::MAX);
        while let Some(&(side, until)) = self.steps.front() {
            let at = if side == 0 { Some(first.offset()) } else { self.second.as_ref().map(|second| second.offset()) };
            if at.is_some_and(|at| at < until) {
                turn = (side, until);
                break;
            }
            self.steps.pop_front();
        }
        for side in [turn.0, 1 - turn.0] {
            let is_turn = side == turn.0;
            let input = match (side, &mut self.second) {
                (0, _) => &mut *first,
                (_, Some(second)) => &mut **second,
                (_, None) => continue,
            };
            if input.fill(1)? == 0 {
                if is_turn {
                    self.steps.pop_front();
                }
                continue;
            }
            let file_offset = input.offset();
            let most = if is_turn { turn.1 - file_offset } else { u64::MAX };
            let len = input.window().len().min(PIECE).min(usize::try_from(most).unwrap_or(usize::MAX));
            let place = input.pass(len, 0..len);
            let input = match (side, &self.second) {
                (1, Some(second)) => &**second,
                _ => first,
            };
            return Ok(Some(Event::Bytes(Bytes {
                connection: 0,
                side,
                endpoints: None,
                from_start: self.starts[side],
                frame: FrameNo::NONE,
                time: Time::NONE,
                bytes: input.passed(place),
                file_offset,
            })));
        }
        Ok(None)
    }
}

/// All that an input holds, if that is no more than `most` bytes.
pub(super) fn whole(input: &mut Input, most: usize) -> Result<Vec<u8>, Error> {
    while input.ending().is_none() {
        let had = input.window().len();
        if had > most {
            return Err(Error::TooLong { most });
        }
        input.fill(had + 1)?;
    }
    match (input.ending(), input.compressions().first()) {
        (Some(ending), Some(&compression)) if *ending != super::Ending::Source => {
            Err(Error::NotAll { compression, ending: ending.clone() })
        }
        _ => Ok(input.window().to_vec()),
    }
}
