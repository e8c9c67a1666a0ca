//! What a direction holds: the bytes of open messages, those that wait, and where they are in the capture.

use crate::rtmp::{ChunkStreamId, Defect};

use super::{Decoder, State};

/// A message that holds less than this is not worth being let go of while there are larger ones.
const SMALL: usize = 4 << 10;

impl Decoder {
    /// Counts what a chunk stream's message holds now. Over the limit it is let go of; a small one is kept and the
    /// largest is let go of instead.
    pub(super) fn account(&mut self, csid: ChunkStreamId) {
        let Some(stream) = self.streams.get_mut(&csid.0).filter(|stream| stream.is_open) else { return };
        let footprint = stream.message.footprint();
        self.open_bytes = self.open_bytes - std::mem::replace(&mut stream.accounted, footprint) + footprint;
        let limit = self.options.open_bytes.min(self.open_bytes_allowed);
        if self.open_bytes <= limit {
            return;
        }
        let victim = match stream.can_spill() && footprint >= SMALL {
            true => Some(stream),
            false => {
                self.streams.values_mut().filter(|stream| stream.can_spill()).max_by_key(|stream| stream.accounted)
            }
        };
        let Some(victim) = victim else { return };
        let (flag, whose) = match limit < self.options.open_bytes {
            true => ("--max-total-open-bytes", "all connections"),
            false => ("--max-open-bytes", "this direction"),
        };
        victim.spill(Defect {
            code: "limit-open-bytes",
            offset: victim.message.start(),
            message: format!(
                "the open messages of {whose} hold more than {limit} bytes: this one is counted, not kept; {flag} \
                 raises the limit"
            ),
        });
        let footprint = victim.message.footprint();
        self.open_bytes = self.open_bytes - std::mem::replace(&mut victim.accounted, footprint) + footprint;
    }

    /// How many bytes the messages hold, and those that wait to be decoded.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes + self.idle_bytes + self.held.len()
    }

    /// Sets how many bytes the open messages may hold beside the decoder's own limit, from now on.
    pub fn allow_open_bytes(&mut self, bytes: usize) {
        self.open_bytes_allowed = bytes;
    }

    /// Forgets the sources of bytes that nothing open refers to any more.
    pub(super) fn prune(&mut self) {
        if self.sources.len() < self.prune_at {
            return;
        }
        let open = self.streams.values().filter(|stream| stream.is_open).map(|stream| stream.message.start());
        let state = match &self.state {
            State::Handshake { bytes, .. } => self.at.saturating_sub(bytes.len() as u64),
            State::Opaque { from, .. } => *from,
            State::Lost(lost) => lost.from,
            _ => self.at,
        };
        self.sources.forget_before(open.min().unwrap_or(u64::MAX).min(state));
        self.prune_at = (2 * self.sources.len()).max(64);
    }
}
