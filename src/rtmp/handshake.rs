//! The handshake (RTMP 1.0 5.2): what its parts say and whether they answer each other.
//!
//! Takes the 1536-byte blocks, gives their version, the scheme they were made with, and whether C2 and
//! S2 echo or sign the other side's block. Finding the blocks in the stream is [`super::decoder`]'s
//! business.
//!
//! The specification knows only random bytes and their echo. Flash Player 9 added a digest: 32 bytes of
//! HMAC-SHA256 over the rest of the block, at a place that four bytes of the block itself choose. There
//! are two such schemes, named here by the offset of those four bytes.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::field::{Reader, Record, Short};

crate::fields! {
    C0 = "rtmpt.handshake.c0", Bytes, "Handshake C0", "The client's version byte (RTMP 1.0 5.2.2).";
    C1 = "rtmpt.handshake.c1", Bytes, "Handshake C1", "The client's block (RTMP 1.0 5.2.3).";
    C2 = "rtmpt.handshake.c2", Bytes, "Handshake C2", "The client's answer to S1 (RTMP 1.0 5.2.4).";
    S0 = "rtmpt.handshake.s0", Bytes, "Handshake S0", "The server's version byte (RTMP 1.0 5.2.2).";
    S1 = "rtmpt.handshake.s1", Bytes, "Handshake S1", "The server's block (RTMP 1.0 5.2.3).";
    S2 = "rtmpt.handshake.s2", Bytes, "Handshake S2", "The server's answer to C1 (RTMP 1.0 5.2.4).";
    VERSION = "rtmpt.handshake.version", Uint, "Version", "C0 or S0: 3 is RTMP, 6 and 8 are RTMPE (RTMP 1.0 5.2.2; own name).";
    TIME = "rtmpt.handshake.time", Uint, "Time", "The sender's clock in ms (RTMP 1.0 5.2.3; own name).";
    ZERO = "rtmpt.handshake.zero", Hex, "Zero, or software version", "Zero for the simple handshake, the software's version for the digest one (RTMP 1.0 5.2.3; own name).";
    RANDOM = "rtmpt.handshake.random", Bytes, "Random bytes", "1528 bytes for the other side to echo (RTMP 1.0 5.2.3; own name).";
    ECHO_TIME = "rtmpt.handshake.echo_time", Uint, "Time of the peer", "The time the peer sent in its own block (RTMP 1.0 5.2.4; own name).";
    READ_TIME = "rtmpt.handshake.read_time", Uint, "Time of reading", "When the peer's block was read (RTMP 1.0 5.2.4; own name).";
    ECHO = "rtmpt.handshake.echo", Bytes, "Echo", "The peer's random bytes, or 1496 bytes and a signature (RTMP 1.0 5.2.4; own name).";
}

/// Length of C1, C2, S1 and S2 in bytes.
pub const BLOCK: usize = 1536;

/// A part of the handshake as Wireshark shows it: what one side sends at one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Part {
    /// The client's version and its block.
    #[serde(rename = "C0+C1")]
    C0C1,
    /// The server's version, its block, and its answer to the client's.
    #[serde(rename = "S0+S1+S2")]
    S0S1S2,
    /// The client's answer to the server's block.
    C2,
}

impl Part {
    /// Its length in bytes.
    pub fn size(self) -> usize {
        match self {
            Part::C0C1 => 1 + BLOCK,
            Part::S0S1S2 => 1 + 2 * BLOCK,
            Part::C2 => BLOCK,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::C0C1 => "C0+C1",
            Part::S0S1S2 => "S0+S1+S2",
            Part::C2 => "C2",
        })
    }
}

/// How a block was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Random bytes, as the specification has it.
    Simple,
    /// With a valid digest, placed by the four bytes at offset 8.
    Digest8,
    /// With a valid digest, placed by the four bytes at offset 772.
    Digest772,
    /// The version says RTMPE: what follows is encrypted.
    Rtmpe,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Simple => "simple",
            Scheme::Digest8 => "digest at 8",
            Scheme::Digest772 => "digest at 772",
            Scheme::Rtmpe => "RTMPE",
        })
    }
}

/// Which side made a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// C1 and C2.
    Client,
    /// S1 and S2.
    Server,
}

impl Maker {
    /// The well-known key of the software that began the scheme, and where its public half ends.
    fn key(self) -> (&'static [u8], usize) {
        match self {
            Maker::Client => (PLAYER_KEY, 30),
            Maker::Server => (SERVER_KEY, 36),
        }
    }

    fn other(self) -> Maker {
        match self {
            Maker::Client => Maker::Server,
            Maker::Server => Maker::Client,
        }
    }
}

/// Whether a first byte can be a version: from 32 on it is some other protocol's text (RTMP 1.0 5.2.2).
pub fn is_version(byte: u8) -> bool {
    byte < 32
}

/// Whether a version byte announces RTMPE.
pub fn is_encrypted(version: u8) -> bool {
    matches!(version, 6 | 8)
}

/// Where the digest of a C1 or S1 is, if it has a valid one.
pub fn digest_at(block: &[u8; BLOCK], maker: Maker) -> Option<(Scheme, usize)> {
    let (key, public) = maker.key();
    [(Scheme::Digest8, 8), (Scheme::Digest772, 772)].into_iter().find_map(|(scheme, base)| {
        let sum: usize = block[base..base + 4].iter().map(|&byte| usize::from(byte)).sum();
        let at = sum % 728 + base + 4;
        let digest = hmac(&key[..public], &[&block[..at], &block[at + 32..]]);
        (digest == block[at..at + 32]).then_some((scheme, at))
    })
}

/// Whether a C2 or S2 gives back the random bytes of the block it answers.
pub fn echoes(answer: &[u8; BLOCK], block: &[u8; BLOCK]) -> bool {
    answer[8..] == block[8..]
}

/// Whether a C2 or S2 made by `maker` ends in the right signature of the digest in the block it answers.
/// None if that block has no digest.
pub fn signs(answer: &[u8; BLOCK], maker: Maker, block: &[u8; BLOCK]) -> Option<bool> {
    let (_, at) = digest_at(block, maker.other())?;
    let key = hmac(maker.key().0, &[&block[at..at + 32]]);
    Some(hmac(&key, &[&answer[..BLOCK - 32]]) == answer[BLOCK - 32..])
}

/// Reads a part with its fields.
pub fn read<R: Record>(reader: &mut Reader<'_, '_, R>, part: Part) -> Result<(), Short> {
    let (version, block, answer) = match part {
        Part::C0C1 => (&C0, &C1, None),
        Part::S0S1S2 => (&S0, &S1, Some(&S2)),
        Part::C2 => return reader.group(&C2, read_answer),
    };
    reader.group(version, |reader| reader.u8(&VERSION))?;
    reader.group(block, |reader| {
        reader.u32(&TIME)?;
        reader.u32(&ZERO)?;
        reader.bytes(&RANDOM, BLOCK - 8)
    })?;
    answer.map_or(Ok(()), |answer| reader.group(answer, read_answer))
}

fn read_answer<R: Record>(reader: &mut Reader<'_, '_, R>) -> Result<(), Short> {
    reader.u32(&ECHO_TIME)?;
    reader.u32(&READ_TIME)?;
    reader.bytes(&ECHO, BLOCK - 8)?;
    Ok(())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The keys that Flash Player and Flash Media Server carried: a name, and 32 bytes common to both.
const PLAYER_KEY: &[u8] = b"Genuine Adobe Flash Player 001\
    \xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57\
    \x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae";
const SERVER_KEY: &[u8] = b"Genuine Adobe Flash Media Server 001\
    \xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57\
    \x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Tree;

    /// A block with a digest made by the formula, apart from the code under test.
    fn with_digest(base: usize, key: &[u8]) -> [u8; BLOCK] {
        let mut block: [u8; BLOCK] = std::array::from_fn(|i| (i * 7 + i / 256) as u8);
        block[base..base + 4].copy_from_slice(&[200, 250, 255, 100]); // 805 % 728 = 77
        let at = 77 + base + 4;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(&block[..at]);
        mac.update(&block[at + 32..]);
        block[at..at + 32].copy_from_slice(&mac.finalize().into_bytes());
        block
    }

    #[test]
    fn both_digest_schemes_are_found_and_only_with_the_makers_key() {
        let player = b"Genuine Adobe Flash Player 001";
        assert_eq!(digest_at(&with_digest(8, player), Maker::Client), Some((Scheme::Digest8, 89)));
        assert_eq!(digest_at(&with_digest(772, player), Maker::Client), Some((Scheme::Digest772, 853)));
        assert_eq!(digest_at(&with_digest(8, player), Maker::Server), None);
        assert_eq!(digest_at(&[0; BLOCK], Maker::Client), None);
    }

    #[test]
    fn an_echo_is_compared_behind_its_two_times() {
        let block = [7; BLOCK];
        let mut answer = block;
        answer[..8].fill(0);
        assert!(echoes(&answer, &block));
        answer[8] = 0;
        assert!(!echoes(&answer, &block));
        assert_eq!(signs(&answer, Maker::Server, &block), None);
    }

    #[test]
    fn the_fields_of_every_part_tile_it() {
        for part in [Part::C0C1, Part::S0S1S2, Part::C2] {
            let mut tree = Tree::default();
            read(&mut Reader::new(&vec![3; part.size()], &mut tree), part).unwrap();
            assert_eq!(tree.tiles(0..part.size()), Ok(()));
        }
    }
}
