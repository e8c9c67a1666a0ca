//! Several capture files as one, in order of time.
//!
//! Takes ways to open files, gives their frames by the time of each, as of one capture; a frame's number names its file. A
//! file is open only while its frames are due, so that a ring of a thousand files needs one or two at a time.

use std::collections::VecDeque;
use std::io::Read;

use super::{About, Capture, Error, Event, Frame, Limits, Note, Warning};
use crate::origin::{FrameNo, Time};

/// Opens a file from its first byte.
pub type Open = Box<dyn FnMut() -> std::io::Result<Box<dyn Read + Send>> + Send>;

/// One of several files.
pub struct Part {
    /// How it is opened.
    pub open: Open,
    /// How much its clock is ahead, in nanoseconds: its times are put back by so much.
    pub ahead: i64,
}

pub(super) struct Merged {
    limits: Limits,
    parts: Vec<Part>,
    /// The files that were not opened yet, by the time of their first frame, the last first.
    waiting: Vec<(Time, usize)>,
    active: Vec<Active>,
    /// The one whose frame was given last: it is to be moved on.
    given: Option<usize>,
    /// What is to be told before the next frame.
    told: VecDeque<Told>,
    secrets: Vec<u8>,
}

struct Active {
    part: usize,
    capture: Capture,
    head: Head,
}

/// A frame that waits for its turn.
#[derive(Default)]
struct Head {
    number: u64,
    time: Time,
    link_type: u32,
    original_len: u32,
    file_offset: u64,
    bytes: Vec<u8>,
}

enum Told {
    Warning(Warning),
    Secrets(Vec<u8>),
    Note(Note),
}

impl Merged {
    /// Looks for the first frame of each file. An error comes with the file's place in `parts`.
    pub(super) fn open(mut parts: Vec<Part>, limits: Limits) -> Result<Merged, (usize, Error)> {
        let mut waiting = Vec::new();
        for (at, part) in parts.iter_mut().enumerate() {
            let failed = |error| (at, error);
            let reader = (part.open)().map_err(|error| failed(error.into()))?;
            let mut capture = Capture::open(reader, limits).map_err(failed)?;
            if !capture.has_frames() {
                return Err(failed(Error::NotInTime));
            }
            loop {
                match capture.next().map_err(failed)? {
                    Some(Event::Frame(frame)) if frame.time.known().is_none() => return Err(failed(Error::NotInTime)),
                    Some(Event::Frame(frame)) => {
                        waiting.push((Time(frame.time.0.saturating_sub(part.ahead)), at));
                        break;
                    }
                    Some(_) => {}
                    // What is wrong with it is told when its turn comes.
                    None => {
                        waiting.push((Time(i64::MIN + 1), at));
                        break;
                    }
                }
            }
        }
        waiting.sort_unstable();
        waiting.reverse();
        let (active, told) = (Vec::new(), VecDeque::new());
        Ok(Merged { limits, parts, waiting, active, given: None, told, secrets: Vec::new() })
    }

    pub(super) fn step(&mut self, frames: &mut u64) -> Result<Option<Event<'_>>, Error> {
        if let Some(given) = self.given.take() {
            self.advance(given)?;
        }
        loop {
            let next = self.active.iter().enumerate().min_by_key(|(_, active)| (active.head.time, active.part));
            let next = next.map(|(at, active)| (at, active.head.time));
            let due = self.waiting.last().filter(|(first, _)| next.is_none_or(|(_, time)| *first <= time));
            if let Some(&(_, part)) = due {
                self.waiting.pop();
                let capture = Capture::open((self.parts[part].open)()?, self.limits)?;
                self.active.push(Active { part, capture, head: Head::default() });
                self.advance(self.active.len() - 1)?;
                continue;
            }
            match self.told.pop_front() {
                Some(Told::Warning(warning)) => return Ok(Some(Event::Warning(warning))),
                Some(Told::Secrets(secrets)) => {
                    self.secrets = secrets;
                    return Ok(Some(Event::Secrets(&self.secrets)));
                }
                Some(Told::Note(note)) => return Ok(Some(Event::Note(note))),
                None => {}
            }
            let Some((at, time)) = next else { return Ok(None) };
            self.given = Some(at);
            *frames += 1;
            let Active { part, head, .. } = &self.active[at];
            return Ok(Some(Event::Frame(Frame {
                number: FrameNo::in_file(*part as u32 + 1, head.number),
                time,
                link_type: head.link_type,
                bytes: &head.bytes,
                original_len: head.original_len,
                file_offset: head.file_offset,
            })));
        }
    }

    /// Reads the next frame of an open file, or closes it.
    fn advance(&mut self, at: usize) -> Result<(), Error> {
        let Active { part, capture, head } = &mut self.active[at];
        let ahead = self.parts[*part].ahead;
        loop {
            match capture.next()? {
                Some(Event::Frame(frame)) => {
                    head.bytes.clear();
                    head.bytes.extend_from_slice(frame.bytes);
                    head.number = frame.number.0;
                    head.time = Time(frame.time.0.saturating_sub(ahead));
                    (head.link_type, head.original_len) = (frame.link_type, frame.original_len);
                    head.file_offset = frame.file_offset;
                    return Ok(());
                }
                Some(Event::Warning(warning)) => {
                    let file = *part as u32 + 1;
                    self.told.push_back(Told::Warning(Warning::InFile { file, warning: Box::new(warning) }));
                }
                Some(Event::Note(note)) => {
                    let about = match note.about {
                        About::Frame(frame) => About::Frame(FrameNo::in_file(*part as u32 + 1, frame.0)),
                        other => other,
                    };
                    self.told.push_back(Told::Note(Note { about, ..note }));
                }
                Some(Event::Secrets(secrets)) => self.told.push_back(Told::Secrets(secrets.to_vec())),
                Some(Event::Bytes(_)) => {}
                None => {
                    self.active.swap_remove(at);
                    return Ok(());
                }
            }
        }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.active.iter().map(|active| active.capture.bytes_read()).sum()
    }
}
