//! A fuzzer's bytes as changes to the session of a real capture.
//!
//! The first byte chooses the session. Each change follows as its number, its place and its values. Lengths of
//! messages, chunks and packets are then right, as the session is enencoded again, unless a change makes them wrong.

use super::bytes::Bytes;
use super::captures::SESSIONS;
use crate::kit::encode::Message;
use crate::kit::recording::{Recording, Step, What};

/// Most changes to one session.
const MOST: usize = 32;
/// Most steps and packets that a session may grow to.
const LONGEST: usize = 400;

/// The capture of a changed session.
pub fn changed(data: &[u8]) -> Vec<u8> {
    let mut bytes = Bytes(data);
    let chosen = usize::from(bytes.u8()) % SESSIONS.len();
    let mut changes =
        Changes { recording: SESSIONS[chosen].clone(), damage: Vec::new(), packets: Vec::new(), snap: None };
    // Media continues for ever; the beginning has everything once.
    changes.recording.steps.truncate(80);
    for _ in 0..MOST {
        if bytes.is_empty() {
            break;
        }
        changes.change(&mut bytes);
    }
    changes.pcap()
}

struct Changes {
    recording: Recording,
    /// Step, offset in its bytes and value, for what is changed in the finished chunks.
    damage: Vec<(usize, usize, u8)>,
    packets: Vec<(u8, usize, usize)>,
    snap: Option<usize>,
}

impl Changes {
    fn change(&mut self, bytes: &mut Bytes<'_>) {
        let what = bytes.u8();
        let steps = &mut self.recording.steps;
        let at = bytes.index(steps.len().max(1));
        match what % 24 {
            0 => self.body(
                at,
                |body, bytes| {
                    let place = bytes.index(body.len().max(1));
                    let new = bytes.string();
                    body.iter_mut().skip(place).zip(new).for_each(|(old, new)| *old = *new);
                },
                bytes,
            ),
            1 => self.body(
                at,
                |body, bytes| {
                    let place = bytes.index(body.len() + 1);
                    body.splice(place..place, bytes.string().iter().copied());
                },
                bytes,
            ),
            2 => self.body(
                at,
                |body, bytes| {
                    let from = bytes.index(body.len() + 1);
                    let to = (from + usize::from(bytes.u8())).min(body.len());
                    body.drain(from..to);
                },
                bytes,
            ),
            3 => self.body(at, |body, bytes| *body = bytes.string().to_vec(), bytes),
            // Many times the same, as in a list.
            4 => self.body(
                at,
                |body, bytes| {
                    let (from, times) = (bytes.index(body.len() + 1), usize::from(bytes.u8()));
                    let part = body[from..].iter().copied().take(64).collect::<Vec<_>>();
                    let place = bytes.index(body.len() + 1);
                    body.splice(place..place, part.repeat(times));
                },
                bytes,
            ),
            5 => self.message(at, |message, bytes| message.type_id = bytes.u8(), bytes),
            6 => self.message(at, |message, bytes| message.csid = 2 + u32::from(bytes.u16()), bytes),
            7 => self.message(at, |message, bytes| message.msid = bytes.u32(), bytes),
            8 => self.message(at, |message, bytes| message.timestamp = bytes.u32(), bytes),
            9 => self.message(at, |message, bytes| message.fmt = bytes.u8() % 4, bytes),
            10 => self.message(at, |message, bytes| message.cut = Some(1 + u32::from(bytes.u16())), bytes),
            11 if steps.len() < LONGEST && at < steps.len() => {
                let step = steps[at].clone();
                let to = bytes.index(steps.len() + 1);
                steps.insert(to, step);
            }
            12 if at < steps.len() => _ = steps.remove(at),
            13 if at < steps.len() => {
                let other = bytes.index(steps.len());
                let (one, two) = (steps[at].what.clone(), steps[other].what.clone());
                (steps[at].what, steps[other].what) = (two, one);
            }
            14 if at < steps.len() => steps[at].from_client ^= true,
            15 if at < steps.len() => steps[at].what = What::Bytes(bytes.string().to_vec()),
            16 if at < steps.len() && steps.len() < LONGEST => {
                let (type_id, msid) = (bytes.u8(), u32::from(bytes.u8()));
                let message = Message::new(3 + u32::from(type_id % 5), type_id, msid, bytes.u32(), bytes.string());
                steps.insert(at, Step { what: What::Message(message), write: 1000 + at as u64, ..steps[at].clone() });
            }
            17 if at < steps.len() => steps[at].time = steps[at].time.wrapping_add(u64::from(bytes.u32())) % (1 << 51),
            18 | 19 => self.damage.push((at, bytes.u8().into(), bytes.u8())),
            20 | 21 => self.packets.push((bytes.u8(), bytes.index(LONGEST), bytes.index(LONGEST))),
            22 => self.snap = Some(usize::from(bytes.u16())),
            23 if self.recording.next.is_none() => {
                let mut next = SESSIONS[at % SESSIONS.len()].clone();
                next.steps.truncate(20);
                next.client.1 ^= u16::from(bytes.u8());
                self.recording.next = Some(Box::new(next));
            }
            _ => {}
        }
    }

    fn message(&mut self, at: usize, change: impl FnOnce(&mut Message, &mut Bytes<'_>), bytes: &mut Bytes<'_>) {
        if let Some(Step { what: What::Message(message), .. }) = self.recording.steps.get_mut(at) {
            change(message, bytes);
        }
    }

    fn body(&mut self, at: usize, change: impl FnOnce(&mut Vec<u8>, &mut Bytes<'_>), bytes: &mut Bytes<'_>) {
        match self.recording.steps.get_mut(at).map(|step| &mut step.what) {
            Some(What::Message(message)) => change(&mut message.body, bytes),
            Some(What::Bytes(part)) => change(part, bytes),
            _ => {}
        }
    }

    fn pcap(mut self) -> Vec<u8> {
        if !self.damage.is_empty() {
            let all = self.recording.bytes();
            for (at, offset, value) in self.damage {
                let Some(step) = self.recording.steps.get_mut(at) else { continue };
                // Damage upon damage.
                let mut bytes = match &step.what {
                    What::Bytes(bytes) => bytes.clone(),
                    _ => all[at].clone(),
                };
                if let Some(byte) = bytes.get_mut(offset) {
                    *byte = value;
                    step.what = What::Bytes(bytes);
                }
            }
        }
        let mut packets = self.recording.packets();
        for (what, from, to) in self.packets {
            let count = packets.count();
            if count == 0 || count > 4 * LONGEST {
                break;
            }
            let (from, to) = (1 + from % count, 1 + to % count);
            packets = match what % 4 {
                0 => packets.drop(from),
                1 => packets.duplicate(from),
                2 => packets.delay(from, to),
                _ => packets.skip(from % 16),
            };
        }
        match self.snap {
            Some(snaplen) => packets.snap(snaplen.max(14)),
            None => packets,
        }
        .pcap()
    }
}
