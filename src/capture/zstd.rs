//! A zstd stream of several frames that may be cut anywhere.
//!
//! Takes a reader, gives the decompressed bytes. ruzstd's own reader ends after one frame, and at a cut it
//! withholds the last window (up to 8 MiB, often the whole capture). So this module reads the frames and
//! blocks itself, hands ruzstd one whole block at a time, and at a cut ends the frame in its place.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

pub(super) struct Decoder<R> {
    packed: R,
    frame: FrameDecoder,
    state: State,
    checksum: bool,
    block: Vec<u8>,
    /// What ended the frame early, to be told once its bytes are out.
    failure: Option<io::Error>,
}

/// ```text
/// Between ─ header ─► Blocks ─ last block, or a cut ─► Drain ─► Between
/// ```
#[derive(PartialEq)]
enum State {
    Between,
    Blocks,
    Drain,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(packed: R) -> Self {
        let frame = FrameDecoder::new();
        Decoder { packed, frame, state: State::Between, checksum: false, block: Vec::new(), failure: None }
    }

    /// Reads the next frame's header, past frames that hold no data (RFC 8878 3.1.2). False at the end.
    fn open_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(false);
            }
            self.block.clear();
            self.append(4)?;
            match self.block[..] {
                [0x28, 0xb5, 0x2f, 0xfd] => break,
                [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                    self.append(4)?;
                    let len =
                        u64::from(u32::from_le_bytes([self.block[4], self.block[5], self.block[6], self.block[7]]));
                    if io::copy(&mut (&mut self.packed).take(len), &mut io::sink())? < len {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no zstd frame where one should begin")),
            }
        }
        self.append(1)?;
        let descriptor = self.block[4];
        let single_segment = descriptor & 0x20 != 0;
        self.checksum = descriptor & 0x04 != 0;
        let window = usize::from(!single_segment);
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content_size = [usize::from(single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
        self.append(window + dictionary + content_size)?;
        self.frame.reset(&self.block[..]).map_err(invalid)?;
        self.state = State::Blocks;
        Ok(true)
    }

    /// Decodes one block (RFC 8878 3.1.1.2).
    fn decode_block(&mut self) -> io::Result<()> {
        self.block.clear();
        self.append(3)?;
        let header = u32::from_le_bytes([self.block[0], self.block[1], self.block[2], 0]);
        let last = header & 1 != 0;
        let size = (header >> 3) as usize;
        // Type 1 is one byte, repeated. Larger blocks than 128 KiB do not exist; ruzstd says so.
        self.append(if (header >> 1) & 3 == 1 { 1 } else { size.min(MAX_BLOCK + 1) })?;
        if last && self.checksum {
            self.append(4)?;
        }
        self.frame.decode_blocks(&self.block[..], BlockDecodingStrategy::UptoBlocks(1)).map_err(invalid)?;
        if last {
            self.state = State::Drain;
        }
        Ok(())
    }

    /// Ends a frame that was cut with an empty last block, so that ruzstd gives out what it held back.
    fn end_frame(&mut self, why: io::Error) -> io::Result<()> {
        let empty_last_block_and_checksum = [1, 0, 0, 0, 0, 0, 0];
        self.frame
            .decode_blocks(&empty_last_block_and_checksum[..], BlockDecodingStrategy::UptoBlocks(1))
            .map_err(invalid)?;
        self.failure = Some(why);
        self.state = State::Drain;
        Ok(())
    }

    fn close_frame(&mut self) -> io::Result<()> {
        self.state = State::Between;
        if let Some(why) = self.failure.take() {
            return Err(why);
        }
        match (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum()) {
            (Some(stored), Some(found)) if stored != found => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the zstd checksum does not match"))
            }
            _ => Ok(()),
        }
    }

    /// Appends exactly `len` bytes to `block`.
    fn append(&mut self, len: usize) -> io::Result<()> {
        let had = self.block.len();
        self.block.resize(had + len, 0);
        self.packed.read_exact(&mut self.block[had..])
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if self.state != State::Between && self.frame.can_collect() > 0 {
                return self.frame.read(buf);
            }
            match self.state {
                State::Between => {
                    if !self.open_frame()? {
                        return Ok(0);
                    }
                }
                State::Blocks => match self.decode_block() {
                    Ok(()) => {}
                    Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.end_frame(e)?,
                    Err(e) => return Err(e),
                },
                State::Drain => self.close_frame()?,
            }
        }
    }
}

const MAX_BLOCK: usize = 128 << 10;

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
