//! The handshake: its parts, whole or with holes, and what is no handshake.

use crate::rtmp::Defect;
use crate::rtmp::handshake::{self, Part};

use super::{Decoder, Event, HandshakePart, Out, State, Step, gap_defect};

impl Decoder {
    pub(super) fn handshake(&mut self, data: &[u8], out: &mut Out<'_>) -> Step {
        let State::Handshake { parts, bytes, missing } = &mut self.state else { return Step::Wait };
        let part = parts[0];
        if bytes.is_empty() && part != Part::C2 && !handshake::is_version(data[0]) {
            let message =
                format!("not RTMP: the direction begins with {:#04x} where its version should be, 3 for RTMP", data[0]);
            let why = Defect { code: "hs-version", offset: self.at, message };
            self.state = State::Opaque { from: self.at, why };
            return Step::Used(0);
        }
        let take = (part.size() - bytes.len()).min(data.len());
        bytes.extend_from_slice(&data[..take]);
        self.at += take as u64;
        if bytes.len() < part.size() {
            return Step::Used(take);
        }
        let range = self.at.saturating_sub(bytes.len() as u64)..self.at;
        let version = bytes[0];
        // A part of which nothing was captured is no part of this capture.
        if *missing < bytes.len() {
            let part = HandshakePart { part, range, bytes, complete: *missing == 0 };
            out(Event::Handshake(part), &self.sources);
        }
        self.state = match &parts[1..] {
            _ if part != Part::C2 && handshake::is_encrypted(version) => {
                let message = format!("encrypted: version {version} in the handshake is RTMPE's");
                State::Opaque { from: self.at, why: Defect { code: "rtmpe", offset: self.at, message } }
            }
            [] => State::Chunks,
            rest => State::Handshake { parts: rest, bytes: Vec::new(), missing: 0 },
        };
        Step::Used(take)
    }

    pub(super) fn gap_in_handshake(&mut self, mut len: u64, out: &mut Out<'_>) {
        let gap = len;
        let from = self.at;
        while len > 0 {
            let State::Handshake { parts, bytes, missing } = &mut self.state else {
                self.lose(gap_defect(from, gap), from + gap, None);
                return;
            };
            let take = ((parts[0].size() - bytes.len()) as u64).min(len) as usize;
            *missing += take;
            // Zeros stand for bytes that were not captured, and 3 for the version; the part is marked incomplete.
            let mut stand_in = vec![0; take];
            if bytes.is_empty() && parts[0] != Part::C2 {
                stand_in[0] = 3;
            }
            self.handshake(&stand_in, out);
            len -= take as u64;
        }
    }
}
