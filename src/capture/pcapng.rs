//! Blocks of a pcapng file.
//!
//! Takes the input, gives one step at a time: a frame, secrets, a warning, the end. The framing is our own,
//! so that a damaged block costs that block: when a length or a trailer is wrong, reading continues at the next
//! place that frames as a block of a known type. pcap-parser reads what is rare and has options; the three
//! packet blocks are fixed fields, read in place. Comments and the names of interfaces are given as notes; names of hosts
//! and statistics are passed over.

use std::collections::VecDeque;

use pcap_parser::{Block, parse_block_be, parse_block_le};

use super::clock::Clock;
use super::input::Input;
use super::{About, BlockProblem, Error, Limits, Note, NoteKind, Order, RecordPart, Step, Warning, cut};
use crate::origin::{FrameNo, Time};

/// The state of a section.
#[derive(Debug)]
pub(super) struct Blocks {
    order: Order,
    /// `None` for an interface whose description could not be read: its number is counted nevertheless.
    interfaces: Vec<Option<Interface>>,
    /// Interface numbers that were complained of.
    unknown: Vec<u32>,
    /// What is to be told before the next block is passed.
    notes: VecDeque<Note>,
    /// Whether the notes of the next block were told.
    is_noted: bool,
}

#[derive(Debug)]
struct Interface {
    link_type: u32,
    snaplen: u32,
    clock: Clock,
}

#[derive(Clone, Copy)]
struct Head {
    kind: u32,
    len: usize,
    order: Order,
}

impl Blocks {
    /// Whether a file that starts with `magic` is a pcapng file.
    pub(super) fn recognise(magic: [u8; 4]) -> bool {
        u32::from_le_bytes(magic) == SECTION
    }

    pub(super) fn new() -> Blocks {
        Blocks {
            order: Order::Little,
            interfaces: Vec::new(),
            unknown: Vec::new(),
            notes: VecDeque::new(),
            is_noted: false,
        }
    }

    pub(super) fn step(&mut self, input: &mut Input, limits: &Limits, frame: FrameNo) -> Result<Step, Error> {
        loop {
            if let Some(note) = self.notes.pop_front() {
                return Ok(Step::Note(note));
            }
            let had = input.fill(MIN_BLOCK)?;
            if had < MIN_BLOCK {
                return Ok(cut(input, frame, RecordPart::Block, had, MIN_BLOCK));
            }
            let head = match self.head(input.window(), limits) {
                Ok(head) => head,
                Err(problem) => return self.resume(input, limits, frame, problem, None),
            };
            let had = input.fill(head.len)?;
            if had < head.len {
                return self.overrun(input, limits, frame, head, had);
            }
            let trailer = head.order.u32(input.window(), head.len - 4);
            if trailer as usize != head.len {
                let problem = BlockProblem::Trailer { len: head.len as u32, trailer };
                return self.resume(input, limits, frame, problem, Some(head.len));
            }
            if !std::mem::replace(&mut self.is_noted, true) {
                self.note(&input.window()[..head.len], head, frame);
                if !self.notes.is_empty() {
                    continue;
                }
            }
            self.is_noted = false;
            if let Some(step) = self.block(input, head, frame) {
                return Ok(step);
            }
        }
    }

    /// Type and length of the block that `window` starts with.
    fn head(&self, window: &[u8], limits: &Limits) -> Result<Head, BlockProblem> {
        let kind = self.order.u32(window, 0);
        let order = match (kind, Order::Little.u32(window, 8)) {
            (SECTION, 0x1a2b_3c4d) => Order::Little,
            (SECTION, 0x4d3c_2b1a) => Order::Big,
            (SECTION, magic) => return Err(BlockProblem::ByteOrder(magic)),
            _ => self.order,
        };
        let len = order.u32(window, 4);
        if (len as usize) < MIN_BLOCK || len % 4 != 0 || len > limits.record_len {
            return Err(BlockProblem::Length(len));
        }
        Ok(Head { kind, len: len as usize, order })
    }

    /// Reads the block at the start of the window, which is all there, and passes it.
    fn block(&mut self, input: &mut Input, head: Head, frame: FrameNo) -> Option<Step> {
        match head.kind {
            ENHANCED_PACKET | PACKET | SIMPLE_PACKET => return self.packet(input, head, frame),
            SECTION => {
                self.order = head.order;
                self.interfaces.clear();
                self.unknown.clear();
            }
            INTERFACE => {
                let interface = self.interface(&input.window()[..head.len]);
                let readable = interface.is_some();
                self.interfaces.push(interface);
                if !readable {
                    return Some(damaged(input, head.len, frame, BlockProblem::Body(head.kind)));
                }
            }
            SECRETS => {
                let place = tls_key_log(&input.window()[..head.len], head.order);
                let Ok(len) = place else {
                    return Some(damaged(input, head.len, frame, BlockProblem::Body(head.kind)));
                };
                if let Some(len) = len {
                    return Some(Step::Secrets(input.pass(head.len, SECRETS_HEADER..SECRETS_HEADER + len)));
                }
            }
            _ if counts_as_frame(head.kind) => {
                input.advance(head.len);
                return Some(Step::Numbered);
            }
            _ => {}
        }
        input.advance(head.len);
        None
    }

    /// Takes the comments and names that a block has.
    fn note(&mut self, block: &[u8], head: Head, frame: FrameNo) {
        let (at, about) = match head.kind {
            ENHANCED_PACKET | PACKET => {
                let captured = head.order.u32(block.get(..28).map_or(&[0; 28], |_| block), 20) as usize;
                (captured.checked_next_multiple_of(4).and_then(|len| len.checked_add(28)), About::Frame(frame))
            }
            SECTION => (Some(24), About::Capture),
            INTERFACE => (Some(16), About::Interface(self.interfaces.len() as u32)),
            _ => return,
        };
        let options = at.and_then(|at| block.get(at..block.len() - 4)).unwrap_or_default();
        for (code, value) in self::options(options, head.order) {
            let what = match (code, about) {
                (1, _) => NoteKind::Comment,
                (2, About::Interface(_)) => NoteKind::Name,
                (3, About::Interface(_)) => NoteKind::Description,
                _ => continue,
            };
            let text = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
            self.notes.push_back(Note { about, what, text });
        }
    }

    fn packet(&mut self, input: &mut Input, head: Head, frame: FrameNo) -> Option<Step> {
        let block = &input.window()[..head.len];
        let data_at = if head.kind == SIMPLE_PACKET { 12 } else { 28 };
        let Some(space) = (head.len - 4).checked_sub(data_at) else {
            return Some(damaged(input, head.len, frame, BlockProblem::Body(head.kind)));
        };
        let id = match head.kind {
            ENHANCED_PACKET => self.order.u32(block, 8),
            // The obsolete block: 16 bits of interface, 16 bits of drops.
            PACKET => u32::from(self.order.u16(block, 8)),
            _ => 0,
        };
        let Some(Some(interface)) = self.interfaces.get(id as usize) else {
            return self.without_interface(input, head, frame, id);
        };
        let (time, captured, original_len) = if head.kind == SIMPLE_PACKET {
            // No captured length: the shorter of the packet and the interface's limit. No time either.
            let original_len = self.order.u32(block, 8);
            let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
            (Time(0), original_len.min(limit).min(space as u32), original_len)
        } else {
            let [high, low, captured, original_len] = [12, 16, 20, 24].map(|at| self.order.u32(block, at));
            (interface.clock.time(u64::from(high) << 32 | u64::from(low)), captured, original_len)
        };
        let link_type = interface.link_type;
        if captured as usize > space {
            let problem = BlockProblem::PacketLength { captured, space: space as u32 };
            return Some(damaged(input, head.len, frame, problem));
        }
        let file_offset = input.offset() + data_at as u64;
        let bytes = input.pass(head.len, data_at..data_at + captured as usize);
        Some(Step::Frame { time, link_type, original_len, file_offset, bytes })
    }

    /// Passes a packet of an interface that was never described; says so once for each interface.
    fn without_interface(&mut self, input: &mut Input, head: Head, frame: FrameNo, interface: u32) -> Option<Step> {
        let at = input.offset();
        input.advance(head.len);
        if self.unknown.len() >= COMPLAINTS || self.unknown.contains(&interface) {
            return None;
        }
        self.unknown.push(interface);
        let described = self.interfaces.iter().flatten().count();
        Some(Step::Warning(Warning::UnknownInterface { at, before: frame, interface, described }))
    }

    fn interface(&self, block: &[u8]) -> Option<Interface> {
        let parsed = match self.order {
            Order::Little => parse_block_le(block),
            Order::Big => parse_block_be(block),
        };
        let Ok((_, Block::InterfaceDescription(description))) = parsed else { return None };
        let option = |code: u16| {
            let found = description.options.iter().find(|option| option.code.0 == code);
            found.and_then(|option| option.as_bytes().ok())
        };
        // Not the crate's own readings: it has none for binary resolutions, and it reads the offset as
        // little-endian in every section.
        let resolution = option(9).and_then(|value| value.first().copied());
        let offset = option(14).and_then(|value| value.first_chunk().map(|bytes| self.order.i64(*bytes)));
        Some(Interface {
            link_type: description.linktype.0 as u32,
            snaplen: description.snaplen,
            clock: Clock::new(resolution, offset.unwrap_or(0)),
        })
    }

    /// The block reaches past the end: the file was cut, unless other blocks follow inside it.
    fn overrun(
        &mut self,
        input: &mut Input,
        limits: &Limits,
        frame: FrameNo,
        head: Head,
        had: usize,
    ) -> Result<Step, Error> {
        let packet = matches!(head.kind, ENHANCED_PACKET | PACKET) && had >= 28;
        let cut = if packet {
            let captured = head.order.u32(input.window(), 20) as usize;
            cut(input, frame, RecordPart::Frame, (had - 28).min(captured), captured)
        } else {
            cut(input, frame, RecordPart::Block, had, head.len)
        };
        let problem = BlockProblem::Overrun { len: head.len as u32, had: had as u64 };
        match self.resume(input, limits, frame, problem, None)? {
            Step::Last(_) => Ok(cut),
            resumed => Ok(resumed),
        }
    }

    /// Passes a block whose framing is wrong, up to the next one that frames: at `claimed`, its own length, or
    /// else at the next byte from which type, length and trailer agree.
    fn resume(
        &mut self,
        input: &mut Input,
        limits: &Limits,
        frame: FrameNo,
        problem: BlockProblem,
        claimed: Option<usize>,
    ) -> Result<Step, Error> {
        let at = input.offset();
        if let Some(len) = claimed {
            let last = input.fill(len + 1)? == len;
            if last || self.frames_at(input, len)? {
                input.advance(len);
                return Ok(Step::Warning(Warning::Block {
                    at,
                    before: frame,
                    problem,
                    skipped: len as u64,
                    resumed: true,
                }));
            }
        }
        let mut resumed = false;
        while !resumed && input.offset() - at < limits.scan && input.fill(MIN_BLOCK + 1)? > MIN_BLOCK {
            input.advance(1);
            resumed = self.frames_at(input, 0)?;
        }
        let warning = Warning::Block { at, before: frame, problem, skipped: input.offset() - at, resumed };
        Ok(if resumed { Step::Warning(warning) } else { Step::Last(warning) })
    }

    /// Whether a block of a known type is `at` bytes into the window. Its trailer must agree with its
    /// length, which random bytes do once in 2^32 times.
    fn frames_at(&self, input: &mut Input, at: usize) -> Result<bool, Error> {
        if input.fill(at + MIN_BLOCK)? < at + MIN_BLOCK || !is_known(self.order.u32(input.window(), at)) {
            return Ok(false);
        }
        // A wrong guess must not make a live capture wait for megabytes.
        let limits = Limits { record_len: MAX_GUESS, ..Limits::default() };
        let Ok(head) = self.head(&input.window()[at..], &limits) else { return Ok(false) };
        let end = at + head.len;
        Ok(input.fill(end)? >= end && head.order.u32(input.window(), end - 4) as usize == head.len)
    }
}

fn damaged(input: &mut Input, len: usize, before: FrameNo, problem: BlockProblem) -> Step {
    let at = input.offset();
    input.advance(len);
    Step::Warning(Warning::Block { at, before, problem, skipped: len as u64, resumed: true })
}

/// The options of a block: codes and values.
fn options(bytes: &[u8], order: Order) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let head = rest.get(..4)?;
        let (code, len) = (order.u16(head, 0), usize::from(order.u16(head, 2)));
        let value = rest.get(4..4 + len).filter(|_| code != 0)?;
        rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

/// The length of the TLS key log in a secrets block; `None` for secrets of another kind.
fn tls_key_log(block: &[u8], order: Order) -> Result<Option<usize>, ()> {
    let parsed = match order {
        Order::Little => parse_block_le(block),
        Order::Big => parse_block_be(block),
    };
    match parsed {
        Ok((_, Block::DecryptionSecrets(secrets))) => {
            let tls = secrets.secrets_type == pcap_parser::SecretsType::TlsKeyLog;
            Ok(tls.then_some((secrets.secrets_len as usize).min(secrets.data.len())))
        }
        _ => Err(()),
    }
}

/// Blocks without a packet to which Wireshark gives a frame number: events of other sources (journal,
/// sysdig) and custom blocks.
fn counts_as_frame(kind: u32) -> bool {
    matches!(kind, 9 | 0x204 | 0x208 | 0x216 | 0x217 | 0x221 | 0x222 | 0xbad | 0x4000_0bad)
}

fn is_known(kind: u32) -> bool {
    matches!(kind, SECTION | INTERFACE..=ENHANCED_PACKET | SECRETS | 0x8000_0001) || counts_as_frame(kind)
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const SECRETS: u32 = 10;
/// Bytes of a secrets block before its data.
const SECRETS_HEADER: usize = 16;
/// Type, length and trailer.
const MIN_BLOCK: usize = 12;
/// The longest block that is believed while searching, in bytes.
const MAX_GUESS: u32 = 1 << 20;
const COMPLAINTS: usize = 16;
