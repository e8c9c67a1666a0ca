//! Captures for tests, from what each side says.
//!
//! [`Session`] is one TCP connection as a list of packets; its operators change what the capture holds of
//! it. [`handshake`], [`message`] and [`amf0`] write the bytes. [`recording`] reads a capture into a
//! session that can be changed and written again; [`faults`] are such changes, one mistake each.
//!
//! ```ignore
//! let [client, server, echo] = handshake();
//! let capture = Session::new().client(&client).server(&server).client(&echo).drop(5).pcap();
//! ```
#![allow(dead_code)] // each test crate that includes this uses its own part

pub mod decoded;
pub mod edit;
pub mod encode;
pub mod faults;
pub mod fixture;
pub mod recorded;
pub mod recording;

use etherparse::PacketBuilder;

/// An address and a port.
pub type End = ([u8; 4], u16);

/// Most payload bytes in one packet.
const SEGMENT: usize = 1448;
const CLIENT: End = ([192, 0, 2, 1], 50000);
const SERVER: End = ([192, 0, 2, 2], 1935);

/// A TCP connection, packet by packet: between 192.0.2.1:50000 and 192.0.2.2:1935 unless said otherwise.
#[derive(Clone)]
pub struct Session {
    packets: Vec<Packet>,
    ends: [End; 2],
    /// The next sequence number of the client and of the server.
    next: [u32; 2],
    /// When the next packet is captured, in microseconds since the epoch; none: a millisecond after the one before.
    clock: Option<u64>,
    /// How many bytes of a packet the capture keeps.
    snaplen: usize,
}

#[derive(Clone)]
struct Packet {
    from_client: bool,
    ends: [End; 2],
    time: Option<u64>,
    seq: u32,
    ack: u32,
    syn: bool,
    fin: bool,
    rst: bool,
    window: u16,
    payload: Vec<u8>,
}

impl Session {
    /// A connection just opened: SYN, SYN+ACK, ACK are packets 1 to 3.
    pub fn new() -> Self {
        let session =
            Self { packets: Vec::new(), ends: [CLIENT, SERVER], next: [1000, 70000], clock: None, snaplen: usize::MAX };
        session.open()
    }

    /// A connection opened between two other ends, at a time in microseconds since the epoch.
    pub fn between(client: End, server: End, time: u64) -> Self {
        let none = Self { packets: Vec::new(), clock: Some(time), ends: [client, server], ..Self::new() };
        Self { next: [1000, 70000], ..none }.open()
    }

    /// The next packets are captured at this time, in microseconds since the epoch.
    pub fn at(self, time: u64) -> Self {
        Self { clock: Some(time), ..self }
    }

    /// The packets of another connection follow.
    pub fn then(mut self, other: Session) -> Self {
        self.packets.extend(other.packets);
        self
    }

    /// The packets in the order of their times, as a capture of several connections has them.
    pub fn in_time(mut self) -> Self {
        self.packets.sort_by_key(|packet| packet.time);
        self
    }

    fn open(mut self) -> Self {
        self.push(true, true, false, &[]);
        self.push(false, true, false, &[]);
        self.push(true, false, false, &[]);
        self
    }

    /// The client sends bytes, in packets of at most 1448.
    pub fn client(self, bytes: &[u8]) -> Self {
        self.send(true, bytes, SEGMENT)
    }

    /// The server sends bytes, in packets of at most 1448.
    pub fn server(self, bytes: &[u8]) -> Self {
        self.send(false, bytes, SEGMENT)
    }

    /// One side sends bytes, in packets of at most `segment`.
    pub fn send(mut self, from_client: bool, bytes: &[u8], segment: usize) -> Self {
        bytes.chunks(segment).for_each(|payload| self.push(from_client, false, false, payload));
        self
    }

    /// A packet whose payload is `back` bytes before the sender's next byte: a retransmission, or with
    /// other bytes a conflicting one.
    pub fn again(mut self, from_client: bool, back: u32, bytes: &[u8]) -> Self {
        let next = self.next;
        self.next[usize::from(!from_client)] -= back;
        self.push(from_client, false, false, bytes);
        self.next = next;
        self
    }

    /// One side acknowledges what it has.
    pub fn ack(mut self, from_client: bool) -> Self {
        self.push(from_client, false, false, &[]);
        self
    }

    /// One side closes.
    pub fn fin(mut self, from_client: bool) -> Self {
        self.push(from_client, false, true, &[]);
        self
    }

    /// One side resets the connection.
    pub fn rst(mut self, from_client: bool) -> Self {
        self.push(from_client, false, false, &[]);
        self.packets.last_mut().expect("just pushed").rst = true;
        self
    }

    /// Both sides close.
    pub fn close(self) -> Self {
        self.fin(true).fin(false)
    }

    /// The capture keeps the first bytes of each packet only.
    pub fn snap(self, snaplen: usize) -> Self {
        Self { snaplen, ..self }
    }

    /// The capture misses what one side sends.
    pub fn without(mut self, from_client: bool) -> Self {
        self.packets.retain(|packet| packet.from_client != from_client);
        self
    }

    /// The numbers of the packets in which one side sends bytes.
    pub fn data(&self, from_client: bool) -> Vec<usize> {
        let sends = |packet: &Packet| packet.from_client == from_client && !packet.payload.is_empty();
        (1..).zip(&self.packets).filter(|(_, packet)| sends(packet)).map(|(number, _)| number).collect()
    }

    /// How many packets there are.
    pub fn count(&self) -> usize {
        self.packets.len()
    }

    /// The same bytes in other segments: each packet's payload is cut into pieces of the lengths that `len` gives.
    pub fn cut(mut self, len: &mut dyn FnMut() -> usize) -> Self {
        let whole = std::mem::take(&mut self.packets);
        for packet in whole {
            let mut rest = &packet.payload[..];
            let mut seq = packet.seq;
            loop {
                let (payload, later) = rest.split_at(rest.len().min(len().max(1)));
                let fin = packet.fin && later.is_empty();
                self.packets.push(Packet { seq, fin, payload: payload.to_vec(), ..packet.clone() });
                seq = seq.wrapping_add(payload.len() as u32);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
        }
        self
    }

    /// The capture misses a packet. Packets count from 1, as frames do.
    pub fn drop(mut self, number: usize) -> Self {
        self.packets.remove(number - 1);
        self
    }

    /// A packet comes again right after itself.
    pub fn duplicate(mut self, number: usize) -> Self {
        self.packets.insert(number, self.packets[number - 1].clone());
        self
    }

    /// A packet comes later: `to` is its new number.
    pub fn delay(mut self, number: usize, to: usize) -> Self {
        let packet = self.packets.remove(number - 1);
        self.packets.insert(to - 1, packet);
        self
    }

    /// From a packet on nothing more comes but one side's word that it takes no more bytes: its window is zero, and it
    /// says so again when it is asked (RFC 9293, 3.8.6.1).
    pub fn stalled(mut self, from_client: bool, number: usize) -> Self {
        self.packets.truncate(number - 1);
        for packet in &self.packets {
            let len = packet.payload.len() as u32 + u32::from(packet.syn);
            self.next[usize::from(!packet.from_client)] = packet.seq.wrapping_add(len);
        }
        let last = self.packets.last().and_then(|packet| packet.time).unwrap_or_default();
        for later in [1000, 500_000, 5_000_000] {
            self.clock = Some(last + later);
            self.push(from_client, false, false, &[]);
            self.packets.last_mut().expect("just pushed").window = 0;
        }
        self
    }

    /// The number of the last packet that continues what its sender began to write in the one before.
    pub fn continuation(&self, from_client: bool) -> usize {
        let continues = |pair: &[Packet]| {
            let of_sender = pair.iter().all(|packet| packet.from_client == from_client && !packet.payload.is_empty());
            of_sender && pair[0].payload.len() == SEGMENT
        };
        self.packets.windows(2).rposition(continues).expect("a write of more than one segment") + 2
    }

    /// From a packet on nothing more comes but the end: one side closes, then the other.
    pub fn closed_at(self, from_client: bool, number: usize) -> Self {
        self.until(number).fin(from_client).fin(!from_client)
    }

    /// From a packet on nothing more comes but a side's reset.
    pub fn reset_at(self, from_client: bool, number: usize) -> Self {
        self.until(number).rst(from_client)
    }

    /// The packets before one.
    fn until(mut self, number: usize) -> Self {
        self.packets.truncate(number - 1);
        for packet in &self.packets {
            let len = packet.payload.len() as u32 + u32::from(packet.syn);
            self.next[usize::from(!packet.from_client)] = packet.seq.wrapping_add(len);
        }
        self.clock = self.packets.last().and_then(|packet| packet.time).map(|time| time + 1000);
        self
    }

    /// A packet and all after it come so many microseconds later.
    pub fn pause(mut self, number: usize, micros: u64) -> Self {
        self.packets[number - 1..]
            .iter_mut()
            .filter_map(|packet| packet.time.as_mut())
            .for_each(|time| *time += micros);
        self
    }

    /// The capture starts late: the first `count` packets are missing.
    pub fn skip(mut self, count: usize) -> Self {
        self.packets.drain(..count);
        self
    }

    /// The packets as a pcap file: Ethernet, one packet a millisecond.
    pub fn pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            file.extend(word.to_le_bytes());
        }
        for (index, packet) in (0_u32..).zip(&self.packets) {
            let bytes = packet.ethernet();
            let len = u32::try_from(bytes.len()).expect("a packet is short");
            let kept = &bytes[..bytes.len().min(self.snaplen)];
            let time = packet.time.unwrap_or(1_700_000_000_000_000 + u64::from(index) * 1000);
            for word in [(time / 1_000_000) as u32, (time % 1_000_000) as u32, kept.len() as u32, len] {
                file.extend(word.to_le_bytes());
            }
            file.extend(kept);
        }
        file
    }

    fn push(&mut self, from_client: bool, syn: bool, fin: bool, payload: &[u8]) {
        let (own, other) = (usize::from(!from_client), usize::from(from_client));
        let packet = Packet {
            from_client,
            ends: self.ends,
            time: self.clock,
            seq: self.next[own],
            ack: self.next[other],
            syn,
            fin,
            rst: false,
            window: 65535,
            payload: payload.to_vec(),
        };
        let len = u32::try_from(payload.len()).expect("a packet is short");
        self.next[own] = self.next[own].wrapping_add(len + u32::from(syn) + u32::from(fin));
        self.packets.push(packet);
    }
}

impl Packet {
    fn ethernet(&self) -> Vec<u8> {
        let [client, server] = self.ends;
        let (from, to) = if self.from_client { (client, server) } else { (server, client) };
        let mut builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4(from.0, to.0, 64).tcp(
            from.1,
            to.1,
            self.seq,
            self.window,
        );
        if self.syn {
            builder = builder.syn();
        }
        if self.fin {
            builder = builder.fin();
        }
        if self.rst {
            builder = builder.rst();
        }
        if !(self.syn && self.from_client) {
            builder = builder.ack(self.ack);
        }
        let mut bytes = Vec::with_capacity(builder.size(self.payload.len()));
        builder.write(&mut bytes, &self.payload).expect("a Vec takes everything");
        bytes
    }
}

/// A plain handshake: C0+C1, S0+S1+S2, C2, each side's bytes echoed by the other (RTMP 1.0 5.2).
pub fn handshake() -> [Vec<u8>; 3] {
    let random = |seed: u8| {
        let mut block = vec![0; 8]; // time and zero
        block.extend((0..1528_u32).map(|at| (at * 7 + at / 256) as u8 ^ seed));
        block
    };
    let (c1, s1) = (random(0x11), random(0x22));
    [[&[3], c1.as_slice()].concat(), [&[3], s1.as_slice(), &c1].concat(), s1]
}

/// A message at time 0 in chunks of 128 bytes: a type 0 header, then type 3 headers (RTMP 1.0 5.3.1).
pub fn message(chunk_stream: u8, type_id: u8, message_stream: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a message is short").to_be_bytes();
    let mut bytes = vec![chunk_stream, 0, 0, 0, length[1], length[2], length[3], type_id];
    bytes.extend(message_stream.to_le_bytes());
    for (number, chunk) in body.chunks(128).enumerate() {
        if number > 0 {
            bytes.push(0xc0 | chunk_stream);
        }
        bytes.extend(chunk);
    }
    bytes
}

/// AMF0 values one after the other, as in a command's body.
pub mod amf0 {
    /// Marker 0.
    pub fn number(value: f64) -> Vec<u8> {
        [&[0], value.to_be_bytes().as_slice()].concat()
    }

    /// Marker 2.
    pub fn string(value: &str) -> Vec<u8> {
        [&[2], name(value).as_slice()].concat()
    }

    /// Marker 3, from names and encoded values.
    pub fn object(properties: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![3];
        for (key, value) in properties {
            bytes.extend(name(key));
            bytes.extend(value);
        }
        bytes.extend([0, 0, 9]);
        bytes
    }

    /// Marker 5.
    pub fn null() -> Vec<u8> {
        vec![5]
    }

    fn name(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len()).expect("a short string");
        [length.to_be_bytes().as_slice(), text.as_bytes()].concat()
    }
}

/// Splits at spaces, but not inside single quotes.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted, mut open) = (Vec::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                if !open {
                    words.push(String::new());
                    open = true;
                }
            }
            ' ' if !quoted => open = false,
            _ if open => words.last_mut().map(|word: &mut String| word.push(c)).expect("one is open"),
            _ => {
                words.push(c.to_string());
                open = true;
            }
        }
    }
    words
}
