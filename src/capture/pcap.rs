//! Records of a pcap file.
//!
//! Takes the input after the magic, gives one step at a time: a frame, a warning, the end. Knows the µs and
//! ns forms in both byte orders, and the modified form of A. Kuznetzov's tcpdump, whose record headers are 8
//! bytes longer. pcap-parser reads the file header. The records are read here: a live capture must know a
//! record's length before its bytes are there, and pcap-parser has no big-endian form of the modified one.

use super::input::Input;
use super::{Error, Limits, Order, RecordPart, Step, Warning, cut};
use crate::origin::{FrameNo, Time};

/// What the file header says.
#[derive(Debug)]
pub(super) struct Records {
    order: Order,
    /// Nanoseconds in one unit of the fraction.
    unit: i64,
    header_len: usize,
    link_type: u32,
}

/// Length of the file header, in bytes.
const FILE_HEADER: usize = 24;

impl Records {
    /// Whether a file that starts with `magic` is a pcap file.
    pub(super) fn recognise(magic: [u8; 4]) -> bool {
        matches!(
            u32::from_le_bytes(magic),
            0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1 | MODIFIED_LE | MODIFIED_BE
        )
    }

    /// Reads the file header.
    pub(super) fn open(input: &mut Input) -> Result<Records, Error> {
        let had = input.fill(FILE_HEADER)?;
        let Some(header) = input.window().first_chunk::<FILE_HEADER>() else {
            return Err(Error::HeaderCut { had, needed: FILE_HEADER });
        };
        let mut header = *header;
        let magic = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        if magic == MODIFIED_BE {
            // pcap-parser does not know this magic; but for it, the header is that of a big-endian file.
            header[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_be_bytes());
        }
        let Ok((_, parsed)) = pcap_parser::parse_pcap_header(&header) else {
            return Err(Error::HeaderCut { had, needed: FILE_HEADER });
        };
        input.advance(FILE_HEADER);
        Ok(Records {
            order: if parsed.is_bigendian() { Order::Big } else { Order::Little },
            unit: if parsed.is_nanosecond_precision() { 1 } else { 1_000 },
            header_len: if matches!(magic, MODIFIED_LE | MODIFIED_BE) { 24 } else { 16 },
            // The upper bits tell the length of a frame check sequence, which the IP length tells too.
            link_type: parsed.network.0 as u32 & 0x03ff_ffff,
        })
    }

    pub(super) fn step(&mut self, input: &mut Input, limits: &Limits, frame: FrameNo) -> Result<Step, Error> {
        let had = input.fill(self.header_len)?;
        if had < self.header_len {
            return Ok(cut(input, frame, RecordPart::RecordHeader, had, self.header_len));
        }
        let header = input.window();
        let [seconds, fraction, captured, original_len] = [0, 4, 8, 12].map(|at| self.order.u32(header, at));
        if captured > limits.record_len {
            // No later record can be found from here: unlike pcapng, nothing marks where one begins.
            let at = input.offset();
            return Ok(Step::Last(Warning::RecordLength { frame, at, len: captured, limit: limits.record_len }));
        }
        let captured = captured as usize;
        let whole = self.header_len + captured;
        let had = input.fill(whole)?;
        if had < whole {
            return Ok(cut(input, frame, RecordPart::Frame, had - self.header_len, captured));
        }
        Ok(Step::Frame {
            time: Time(i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.unit),
            link_type: self.link_type,
            original_len,
            file_offset: input.offset() + self.header_len as u64,
            bytes: input.pass(whole, self.header_len..whole),
        })
    }
}

/// The modified magic as read in little-endian order, from a file of either order.
const MODIFIED_LE: u32 = 0xa1b2_cd34;
const MODIFIED_BE: u32 = 0x34cd_b2a1;
