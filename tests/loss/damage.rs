//! A capture as a list of TCP segments, and what may befall it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::origin::Source;
use rtmp_inspect::packet::{self, Outcome, Segment, Slicer};

/// A segment that owns its bytes.
#[derive(Clone)]
pub struct Packet {
    segment: Segment<'static>,
    payload: Vec<u8>,
    sources: Vec<(u32, Source)>,
}

/// A capture's segments.
pub struct Packets(pub Vec<Packet>);

/// What befalls a capture.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// So many of 1000 segments are lost.
    Loss(u32),
    /// The segments of each direction are shuffled, so many at a time.
    Reorder(usize),
    /// So many of 1000 segments are captured again, a little later.
    Duplicate(u32),
    /// So many of 1000 segments also have the first or last bytes of their neighbours.
    Overlap(u32),
    /// The capture keeps so many payload bytes of each segment.
    Snaplen(usize),
    /// The SYNs were not captured.
    NoSyn,
    /// Only what one side sends, the first or the other, was captured.
    OneWay(bool),
    /// The capture starts with this segment.
    Start(usize),
}

impl Damage {
    /// Its row in the table.
    pub fn name(self) -> String {
        match self {
            Damage::Loss(share) => format!("loss {:>4.1} %", f64::from(share) / 10.0),
            Damage::Reorder(window) => format!("reorder within {window:>3} segments"),
            Damage::Duplicate(share) => format!("duplicate {} %", share / 10),
            Damage::Overlap(share) => format!("overlap {} %", share / 10),
            Damage::Snaplen(len) => format!("snaplen, {len} payload bytes"),
            Damage::NoSyn => "no SYN".to_owned(),
            Damage::OneWay(_) => "one direction only".to_owned(),
            Damage::Start(_) => "start in mid-session".to_owned(),
        }
    }

    /// All that is tried, with so many starts.
    pub fn all(packets: &Packets, starts: usize, thorough: bool) -> Vec<Damage> {
        let few = |all: &[u32], some: &[u32]| if thorough { all.to_vec() } else { some.to_vec() };
        let mut all = vec![Damage::NoSyn, Damage::OneWay(true), Damage::OneWay(false)];
        all.extend(few(&[1, 5, 10, 50, 100, 200], &[10, 100]).into_iter().map(Damage::Loss));
        all.extend(few(&[2, 8, 32, 128, 256], &[8, 256]).into_iter().map(|window| Damage::Reorder(window as usize)));
        all.extend(few(&[10, 500], &[300]).into_iter().map(Damage::Duplicate));
        all.extend(few(&[10, 500], &[300]).into_iter().map(Damage::Overlap));
        all.extend(few(&[100, 500, 1000], &[500]).into_iter().map(|len| Damage::Snaplen(len as usize)));
        let count = packets.0.len();
        let step = (count / (starts + 1)).max(1);
        all.extend((step..count).step_by(step).map(Damage::Start));
        all
    }
}

/// A deterministic sequence of numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound.max(1) as u64) as usize
    }
}

impl Packet {
    fn new(segment: &Segment<'_>) -> Packet {
        let (payload, sources) = (segment.payload.to_vec(), segment.sources.to_vec());
        Packet { segment: Segment { payload: &[], sources: &[], ..*segment }, payload, sources }
    }

    pub fn segment(&self) -> Segment<'_> {
        Segment { payload: &self.payload, sources: &self.sources, ..self.segment }
    }

    pub fn frame(&self) -> u64 {
        self.segment.frame.0
    }

    pub fn len(&self) -> usize {
        self.payload.len()
    }

    fn way(&self) -> (SocketAddr, SocketAddr) {
        (self.segment.src, self.segment.dst)
    }

    /// The same with the next segment's first `len` bytes after its own, or the previous one's last ones before.
    fn joined(&self, other: &Packet, len: usize) -> Packet {
        let mut joined = self.clone();
        let follows = |a: &Packet, b: &Packet| {
            a.segment.seq.wrapping_add(a.payload.len() as u32) == b.segment.seq && a.segment.missing == 0
        };
        let len = len.min(other.payload.len());
        if len == 0 || joined.payload.is_empty() || self.segment.syn || other.segment.syn {
            return joined;
        }
        if follows(self, other) {
            let own = joined.payload.len() as u32;
            joined.payload.extend(&other.payload[..len]);
            joined.sources.extend(
                other.sources.iter().filter(|one| (one.0 as usize) < len).map(|&(at, source)| (own + at, source)),
            );
        } else if follows(other, self) && other.sources.len() == 1 {
            let skip = other.payload.len() - len;
            let mut source = other.sources[0].1;
            source.file_offset += skip as u64;
            joined.segment.seq = joined.segment.seq.wrapping_sub(len as u32);
            joined.payload = [&other.payload[skip..], &self.payload[..]].concat();
            joined.sources = [(0, source)]
                .into_iter()
                .chain(self.sources.iter().map(|&(at, source)| (at + len as u32, source)))
                .collect();
        }
        joined
    }
}

impl Packets {
    /// The segments of a capture; None if it cannot be read.
    pub fn read(path: &Path) -> Option<Packets> {
        let mut capture = Capture::open(File::open(path).ok()?, capture::Limits::default()).ok()?;
        let mut slicer = Slicer::new(packet::Limits::default());
        let mut packets = Vec::new();
        while let Ok(Some(event)) = capture.next() {
            if let capture::Event::Frame(frame) = event
                && let Outcome::Segment(segment) = slicer.segment(&frame)
            {
                packets.push(Packet::new(&segment));
            }
        }
        Some(Packets(packets))
    }

    /// Whether the beginning of a connection is among them.
    pub fn has_syn(&self) -> bool {
        self.0.iter().any(|packet| packet.segment.syn)
    }

    /// What is left of them.
    pub fn damaged(&self, damage: Damage, seed: u64) -> Packets {
        let mut random = Random::new(seed + 1);
        let all = &self.0;
        let kept = match damage {
            Damage::Loss(share) => {
                let is_lost = |packet: &Packet, random: &mut Random| {
                    !packet.payload.is_empty() && random.below(1000) < share as usize
                };
                all.iter().filter(|packet| !is_lost(packet, &mut random)).cloned().collect()
            }
            Damage::Reorder(window) => self.shuffled(window, &mut random),
            Damage::Duplicate(share) => {
                let mut kept = all.clone();
                for (index, packet) in all.iter().enumerate().rev() {
                    if random.below(1000) < share as usize && !packet.segment.syn {
                        kept.insert((index + 1 + random.below(4)).min(kept.len()), packet.clone());
                    }
                }
                kept
            }
            Damage::Overlap(share) => {
                let neighbour = |index: usize, back: bool| {
                    let same = |other: &&Packet| other.way() == all[index].way() && !other.payload.is_empty();
                    if back { all[..index].iter().rev().find(same) } else { all[index + 1..].iter().find(same) }
                };
                let overlap = |index: usize, random: &mut Random| {
                    let other = neighbour(index, random.below(2) == 0);
                    match other.filter(|_| random.below(1000) < share as usize) {
                        Some(other) => all[index].joined(other, 1 + random.below(400)),
                        None => all[index].clone(),
                    }
                };
                (0..all.len()).map(|index| overlap(index, &mut random)).collect()
            }
            Damage::Snaplen(len) => all.iter().map(|packet| packet.cut(len)).collect(),
            Damage::NoSyn => all.iter().filter(|packet| !packet.segment.syn).cloned().collect(),
            Damage::OneWay(first) => {
                let is_first = |packet: &Packet| packet.segment.src <= packet.segment.dst;
                all.iter().filter(|packet| is_first(packet) == first).cloned().collect()
            }
            Damage::Start(at) => all[at..].to_vec(),
        };
        Packets(kept)
    }

    fn shuffled(&self, window: usize, random: &mut Random) -> Vec<Packet> {
        let mut kept = self.0.clone();
        let mut ways: Vec<_> = kept.iter().map(Packet::way).collect();
        ways.sort();
        ways.dedup();
        for way in ways {
            let is_of = |packet: &Packet| packet.way() == way || packet.way() == (way.1, way.0);
            let is_edge = |packet: &Packet| packet.segment.syn || packet.segment.fin || packet.segment.rst;
            let mut block = Vec::new();
            for at in 0..kept.len() {
                if packet_moves(&kept[at], way) {
                    block.push(at);
                }
                // Nothing passes the beginning or the end of its connection.
                if block.len() == window || is_of(&kept[at]) && is_edge(&kept[at]) {
                    shuffle(&mut kept, &block, random);
                    block.clear();
                }
            }
            shuffle(&mut kept, &block, random);
        }
        kept
    }
}

fn packet_moves(packet: &Packet, way: (SocketAddr, SocketAddr)) -> bool {
    let Segment { syn, fin, rst, .. } = packet.segment;
    packet.way() == way && !packet.payload.is_empty() && !syn && !fin && !rst
}

fn shuffle(packets: &mut [Packet], places: &[usize], random: &mut Random) {
    for i in (1..places.len()).rev() {
        packets.swap(places[i], places[random.below(i + 1)]);
    }
}

impl Packet {
    fn cut(&self, len: usize) -> Packet {
        let mut cut = self.clone();
        if cut.payload.len() > len {
            cut.segment.missing += (cut.payload.len() - len) as u32;
            cut.payload.truncate(len);
            cut.sources.retain(|one| (one.0 as usize) < len);
        }
        cut
    }
}
