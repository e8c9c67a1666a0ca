//! What the decoder makes of segments, and how that compares with the truth.
//!
//! A message is known by the sequence number of its first header byte, which no damage changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::AddAssign;

use rtmp_inspect::origin::Source;
use rtmp_inspect::session::{Direction, Event, Kind, Observer, Options, RtmpSession, Sessions};
use rtmp_inspect::tcp::{Conflict, Connection, Tracker};

use super::damage::{Damage, Packets};

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub runs: usize,
    pub holes: usize,
    /// Messages of which no byte is missing, nor of the header from which they inherit their length and type.
    pub intact: usize,
    /// Those of them that were decoded as in the undamaged capture.
    pub recovered: usize,
    /// Complete messages with a body, length or type that was not sent.
    pub wrong: usize,
    /// Messages, complete or not, that were not sent, or with another type.
    pub invented: usize,
    /// Directions whose chunk size can be inferred.
    pub sizes_due: usize,
    /// Those of them whose chunk size is right.
    pub sizes: usize,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.runs += other.runs;
        self.holes += other.holes;
        self.intact += other.intact;
        self.recovered += other.recovered;
        self.wrong += other.wrong;
        self.invented += other.invented;
        self.sizes_due += other.sizes_due;
        self.sizes += other.sizes;
    }
}

/// A direction: its sender's and its receiver's address.
type Way = (std::net::SocketAddr, std::net::SocketAddr);

/// What a message is known by: its way, and the sequence number of its first byte.
type Key = (Way, u32);

#[derive(Clone, Debug, PartialEq)]
struct Sent {
    type_id: u8,
    length: u32,
    body: Vec<u8>,
    complete: bool,
    chunks: usize,
    way: Way,
    /// The last byte that it needs of each frame, the header included from which it inherits length and type: frame,
    /// file offset of one past it.
    needs: Vec<(u64, u64)>,
    chunk_size: u32,
}

/// What is decoded of segments.
#[derive(Default)]
pub struct Truth {
    messages: BTreeMap<Key, Sent>,
    holes: usize,
    /// How often bytes were missing, not decoded, or sent twice with a difference.
    flaws: usize,
    sizes: HashMap<Way, Option<u32>>,
    /// Of each chunk stream, what the last header with length and type needs.
    headers: HashMap<(Way, u32), Vec<(u64, u64)>>,
    ports: BTreeSet<u16>,
    /// One past the file offset of each frame's last byte.
    ends: HashMap<u64, u64>,
    /// The sequence number of each frame's first payload byte, and its file offset.
    numbers: HashMap<u64, (u32, u64)>,
}

impl Truth {
    /// The messages of segments.
    pub fn of(packets: &Packets) -> Truth {
        decode(packets, &[])
    }

    /// Whether it says what was sent: messages were found, and nothing of them was missing before the damage.
    pub fn is_sound(&self) -> bool {
        self.flaws == 0 && self.messages.values().any(|sent| sent.complete)
    }
}

fn decode(packets: &Packets, ports: &[u16]) -> Truth {
    let mut options = Options::default();
    options.forced_ports.extend(ports);
    let mut start = Truth::default();
    for packet in &packets.0 {
        let segment = packet.segment();
        for &(at, source) in segment.sources {
            let first = (segment.seq.wrapping_add(at).wrapping_add(segment.syn.into()), source.file_offset);
            start.numbers.entry(source.frame.0).or_insert(first);
        }
    }
    let mut sessions = Sessions::new(options, start);
    let mut tracker = Tracker::default();
    for packet in &packets.0 {
        tracker.push(&packet.segment(), &mut sessions);
    }
    tracker.finish(&mut sessions);
    let mut found = sessions.into_observer();
    for packet in &packets.0 {
        let segment = packet.segment();
        if let [(0, source)] = segment.sources {
            found.ends.insert(packet.frame(), source.file_offset + packet.len() as u64);
        }
    }
    found
}

fn way(connection: &Connection, conversation: &RtmpSession, direction: Direction) -> Way {
    let sender = conversation.sender(direction);
    (connection.endpoints[sender.index()], connection.endpoints[sender.peer().index()])
}

impl Observer for Truth {
    fn event(&mut self, event: &Event<'_>) {
        let way = event.addresses();
        match &event.kind {
            Kind::Gap(_) => {
                self.holes += 1;
                self.flaws += 1;
            }
            Kind::Message(message) => {
                let Some(Source { frame, file_offset, .. }) = event.sources.at(message.start()) else { return };
                let Some(&(number, first)) = self.numbers.get(&frame.0) else { return };
                self.flaws += usize::from(!message.defects.is_empty());
                let key = (way, number.wrapping_add(file_offset.wrapping_sub(first) as u32));
                let needs = |range| {
                    let runs = event.sources.resolve(range);
                    runs.map(|run| (run.from.frame.0, run.from.file_offset + run.len)).collect::<Vec<_>>()
                };
                let header =
                    message.start()..message.start() + message.chunks.first().map_or(0, |one| one.header_len.into());
                let inherited = self.headers.entry((way, message.csid.0)).or_default();
                if message.fmt < 2 {
                    *inherited = needs(header);
                }
                let needs = needs(message.start()..message.end()).into_iter().chain(inherited.clone()).collect();
                let sent = Sent {
                    type_id: message.header.type_id.0,
                    length: message.header.length,
                    body: message.body.clone(),
                    complete: message.is_complete(),
                    chunks: message.chunks.len(),
                    way,
                    needs,
                    chunk_size: message.chunks.first().map_or(0, |chunk| chunk.chunk_size),
                };
                self.messages.insert(key, sent);
            }
            Kind::Handshake(part, _) => self.flaws += usize::from(!part.complete),
            Kind::Undecoded { .. } => self.flaws += 1,
        }
    }

    fn conflict(&mut self, _: &Connection, _: &RtmpSession, _: &Conflict) {
        self.flaws += 1;
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        if conversation.is_rtmp() {
            for direction in [Direction::ClientToServer, Direction::ServerToClient] {
                let size = conversation.chunk_size(direction);
                self.sizes.insert(way(connection, conversation, direction), size);
            }
            let server = connection.endpoints[conversation.sender(Direction::ServerToClient).index()];
            self.ports.insert(server.port());
        }
    }
}

/// Decodes what is left, and counts.
pub fn compare(truth: &Truth, damaged: &Packets, damage: Damage) -> Count {
    let ports: Vec<_> = truth.ports.iter().copied().collect();
    let found = decode(damaged, &ports);
    let mut count = Count { runs: 1, holes: found.holes, ..Count::default() };
    let kept: HashMap<u64, usize> = damaged.0.iter().map(|packet| (packet.frame(), packet.len())).collect();
    let is_kept = |sent: &Sent| {
        sent.needs.iter().all(|(frame, end)| match damage {
            Damage::Snaplen(_) => found.ends.get(frame).is_some_and(|kept| end <= kept),
            _ => kept.contains_key(frame),
        })
    };
    let mut chunked: HashMap<Way, usize> = HashMap::new();
    for (key, sent) in truth.messages.iter().filter(|(_, sent)| sent.complete && is_kept(sent)) {
        count.intact += 1;
        let other = found.messages.get(key);
        let is_recovered = other.is_some_and(|other| same(sent, other));
        count.recovered += usize::from(is_recovered);
        if !is_recovered && std::env::var_os(super::SHOW).is_some() {
            println!("  missed at {key:?}: {}, found {:?}", brief(sent), other.map(brief));
        }
        if sent.chunks > 1 && truth.sizes.get(&sent.way) == Some(&Some(sent.chunk_size)) {
            *chunked.entry(sent.way).or_default() += 1;
        }
    }
    for (key, other) in &found.messages {
        match truth.messages.get(key) {
            Some(sent) => {
                count.wrong += usize::from(other.complete && sent.complete && !same(sent, other));
                count.invented += usize::from(sent.type_id != other.type_id);
            }
            None => {
                count.wrong += usize::from(other.complete);
                count.invented += 1;
            }
        }
        if std::env::var_os(super::SHOW).is_some() {
            let sent = truth.messages.get(key);
            if sent.is_none_or(|sent| {
                sent.type_id != other.type_id || other.complete && sent.complete && !same(sent, other)
            }) {
                println!("  at {key:?}: {} where {:?}", brief(other), sent.map(brief));
            }
        }
    }
    // Each direction that is read from somewhere in the middle has lost its beginning.
    if let Damage::Start(_) = damage {
        count.holes += truth.sizes.len();
        for (way, _) in chunked.into_iter().filter(|(_, messages)| *messages >= 2) {
            count.sizes_due += 1;
            count.sizes += usize::from(found.sizes.get(&way) == truth.sizes.get(&way));
        }
    }
    count
}

fn brief(one: &Sent) -> String {
    let Sent { type_id, length, complete, chunks, chunk_size, .. } = one;
    format!("type {type_id} length {length} complete {complete} chunks {chunks} of {chunk_size}")
}

fn same(sent: &Sent, other: &Sent) -> bool {
    (sent.type_id, sent.length, sent.complete, &sent.body) == (other.type_id, other.length, other.complete, &other.body)
}
