//! What was wrong with a capture that could be read nevertheless.
//!
//! Each warning says what, where, and what it means for the result. A file that cannot be read is an
//! [`Error`](super::Error) instead.

use std::fmt;

use super::input::Ending;
use crate::origin::FrameNo;

/// Something wrong with the capture, beside which reading continues or ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// What the bytes do not say was assumed. Nothing is wrong.
    Assumed(crate::raw::Assumption),
    /// In one of several files.
    InFile {
        /// The file, from 1.
        file: u32,
        /// What is wrong.
        warning: Box<Warning>,
    },
    /// The bytes end inside a record. Reading ends.
    Cut {
        /// Why the bytes end.
        ending: Ending,
        /// The frame that would have been next.
        frame: FrameNo,
        /// File offset of the record, in bytes.
        at: u64,
        /// The part of the record that is incomplete.
        part: RecordPart,
        /// Bytes of the part that are there.
        had: u64,
        /// Bytes the part should have.
        needed: u64,
    },
    /// A pcap record claims an absurd length. Reading ends.
    RecordLength {
        /// The frame's number.
        frame: FrameNo,
        /// File offset of the record, in bytes.
        at: u64,
        /// The length it claims, in bytes.
        len: u32,
        /// The longest that is believed, in bytes.
        limit: u32,
    },
    /// A pcapng block is damaged.
    Block {
        /// File offset of the block, in bytes.
        at: u64,
        /// The frame that comes next.
        before: FrameNo,
        /// What is wrong with it.
        problem: BlockProblem,
        /// Bytes that were passed over, from `at`.
        skipped: u64,
        /// Whether reading continues after them.
        resumed: bool,
    },
    /// A pcapng packet names an interface that no block described. Told once for each such interface.
    UnknownInterface {
        /// File offset of the block, in bytes.
        at: u64,
        /// The frame that comes next.
        before: FrameNo,
        /// The interface it names.
        interface: u32,
        /// How many interfaces the section described.
        described: usize,
    },
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordPart {
    /// The header of a pcap record.
    RecordHeader,
    /// A frame's bytes.
    Frame,
    /// A pcapng block that is not (or not yet) known to be a packet.
    Block,
}

/// What is wrong with a pcapng block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockProblem {
    /// Its length is not a multiple of 4, below 12, or absurd.
    Length(u32),
    /// Its length reaches past the end of the file, although other blocks follow before that.
    Overrun {
        /// The length.
        len: u32,
        /// The bytes that are there.
        had: u64,
    },
    /// The length at its end differs from the length at its start.
    Trailer {
        /// The length at its start.
        len: u32,
        /// The length at its end.
        trailer: u32,
    },
    /// A section header's byte-order magic is neither 1a2b3c4d nor 4d3c2b1a.
    ByteOrder(u32),
    /// It holds fewer bytes than the packet it claims to hold.
    PacketLength {
        /// The packet's captured length.
        captured: u32,
        /// The bytes there are for it.
        space: u32,
    },
    /// Its fields cannot be read; the value is its type.
    Body(u32),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Assumed(assumption) => assumption.fmt(f),
            Warning::InFile { file, warning } => write!(f, "file{file}: {warning}"),
            Warning::Cut { ending, frame, at, part, had, needed } => {
                match ending {
                    Ending::Source => write!(f, "the capture was cut")?,
                    Ending::CompressedCut => write!(f, "the compressed capture was cut")?,
                    Ending::Memory { limit } => {
                        write!(
                            f,
                            "the compressed data has a dictionary of more than {limit} MiB; unpack it first \
                             (xz -dc FILE | rtmp-inspect decode -)"
                        )?;
                    }
                    Ending::CompressedDamaged(why) => write!(f, "the compressed data is damaged ({why})")?,
                    Ending::Expansion { limit } => {
                        write!(f, "the capture expands to more than {limit} times its compressed size")?;
                    }
                }
                match part {
                    // A compressed capture may end between two records, and yet not where it should.
                    _ if *had == 0 && *part != RecordPart::Frame => write!(f, " before frame {frame}")?,
                    RecordPart::Frame => write!(f, ": {had} of the {needed} bytes of frame {frame} are there")?,
                    RecordPart::RecordHeader => {
                        write!(f, ": {had} of the {needed} header bytes of frame {frame} are there")?;
                    }
                    RecordPart::Block => {
                        write!(f, ": {had} of the {needed} bytes of a block before frame {frame} are there")?
                    }
                }
                write!(f, " (file offset {at:#x}); ")?;
                read_so_far(f, *frame)
            }
            Warning::RecordLength { frame, at, len, limit } => {
                write!(
                    f,
                    "frame {frame} claims {len} bytes, more than the {limit} that are accepted (file offset {at:#x}): \
                     the file is damaged there, and pcap marks no later frame; "
                )?;
                read_so_far(f, *frame)
            }
            Warning::Block { at, before, problem, skipped, resumed } => {
                write!(f, "damaged pcapng block at file offset {at:#x}: {problem}; ")?;
                if *resumed {
                    write!(
                        f,
                        "{skipped} bytes were passed over, and a packet in them has no number: frame {before} follows"
                    )
                } else {
                    write!(f, "no other block was found in the next {skipped} bytes; ")?;
                    read_so_far(f, *before)
                }
            }
            Warning::UnknownInterface { at, before, interface, described } => write!(
                f,
                "a packet before frame {before} names interface {interface}, but {described} were described \
                 (file offset {at:#x}): its link type is unknown, and packets of that interface are left out"
            ),
        }
    }
}

fn read_so_far(f: &mut fmt::Formatter<'_>, next: FrameNo) -> fmt::Result {
    match next.0 {
        0 | 1 => write!(f, "no frame could be read"),
        2 => write!(f, "frame 1 was read"),
        n => write!(f, "frames 1 to {} were read", n - 1),
    }
}

impl fmt::Display for BlockProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockProblem::Length(len) => write!(f, "its length of {len} bytes is not possible"),
            BlockProblem::Overrun { len, had } => write!(f, "its length is {len} bytes, but the file ends after {had}"),
            BlockProblem::Trailer { len, trailer } => {
                write!(f, "its length is {len} bytes at its start and {trailer} at its end")
            }
            BlockProblem::ByteOrder(magic) => write!(f, "a section with the byte-order magic {magic:08x}"),
            BlockProblem::PacketLength { captured, space } => {
                write!(f, "a packet of {captured} bytes in a block with space for {space}")
            }
            BlockProblem::Body(kind) => write!(f, "the fields of its type {kind:#x} cannot be read"),
        }
    }
}
