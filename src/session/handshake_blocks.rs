//! The blocks of a handshake that wait for their answer.

use crate::rtmp::decoder::HandshakePart;
use crate::rtmp::handshake::{self, BLOCK, Maker, Part, Scheme};

use super::HandshakeFacts;

/// The blocks that wait for their answer.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    c1: Option<Box<[u8; BLOCK]>>,
    s1: Option<Box<[u8; BLOCK]>>,
}

impl Blocks {
    /// What a part of the handshake says, together with the blocks seen before. Blocks are kept until answered.
    /// C2 may come before S2 is whole: `other_so_far` is what there is of the other side's part.
    pub(super) fn facts(&mut self, part: &HandshakePart<'_>, other_so_far: &[u8]) -> HandshakeFacts {
        let mut facts =
            HandshakeFacts { version: None, scheme: None, software: None, echo_ok: None, signature_ok: None };
        let block = |at: usize| part.bytes.get(at..).and_then(|bytes| bytes.first_chunk::<BLOCK>());
        let maker = if part.part == Part::S0S1S2 { Maker::Server } else { Maker::Client };
        if part.part != Part::C2 {
            facts.version = part.bytes.first().copied();
            facts.software = part.bytes.get(5..9).and_then(|bytes| bytes.first_chunk().copied());
            if let Some(block) = block(1).filter(|_| part.complete) {
                facts.scheme = Some(match facts.version {
                    Some(version) if handshake::is_encrypted(version) => Scheme::Rtmpe,
                    _ => handshake::digest_at(block, maker).map_or(Scheme::Simple, |(scheme, _)| scheme),
                });
                match maker {
                    Maker::Client => self.c1 = Some(Box::new(*block)),
                    Maker::Server => self.s1 = Some(Box::new(*block)),
                }
            }
        }
        let (answer, answered) = match part.part {
            Part::C0C1 => (None, None),
            Part::S0S1S2 => (block(1 + BLOCK), self.c1.take()),
            Part::C2 => {
                let early = other_so_far.get(1..).and_then(|bytes| bytes.first_chunk::<BLOCK>());
                (block(0), self.s1.take().or(early.map(|s1| Box::new(*s1))))
            }
        };
        if let (Some(answer), Some(answered), true) = (answer, answered, part.complete) {
            facts.echo_ok = Some(handshake::echoes(answer, &answered));
            facts.signature_ok = handshake::signs(answer, maker, &answered);
        }
        facts
    }
}
