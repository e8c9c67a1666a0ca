//! The order of two directions that were given apart.
//!
//! Takes what each side says and where its bytes end, gives the pieces in an order that could have been: an answer after
//! its call, an Acknowledgement after the bytes that it counts, a pong after its ping; and otherwise what a server sends
//! as early as it may be. Nothing says more of the order, so nothing more is claimed.

use rustc_hash::FxHashMap;

/// Something that a side sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Offset in the file of the byte after its last.
    pub end: u64,
    /// How many bytes of its stream the side has sent with it.
    pub sent: u64,
    /// What it is.
    pub what: What,
}

/// What matters of it for the order.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// C0 and C1, or S0, S1 and S2.
    Hello,
    /// C2.
    Echo,
    /// A command, with its name and transaction id.
    Call(String, f64),
    /// `_result` or `_error` with this transaction id.
    Answer(f64),
    /// `onStatus` with this code.
    Status(String),
    /// The peer has received so many bytes.
    Acknowledgement(u64),
    /// A ping with this time.
    Ping(u32),
    /// Its answer.
    Pong(u32),
    /// Something else.
    Other,
}

/// A piece in its order: the side, and the offset in its file up to which its bytes are now there.
pub type Step = (usize, u64);

/// Merges what the client (side 0) and the server (side 1) said.
pub fn merge(said: [&[Said]; 2]) -> Vec<Step> {
    let needs = [needs(said[0], said[1], 0), needs(said[1], said[0], 1)];
    let mut at = [0, 0];
    let mut steps: Vec<Step> = Vec::new();
    while at[0] < said[0].len() || at[1] < said[1].len() {
        let may = |side: usize| at[side] < said[side].len() && needs[side][at[side]] <= at[1 - side];
        let side = match (may(1), may(0)) {
            (true, _) => 1,
            (false, true) => 0,
            // Each waits for the other: what is missing was not given.
            (false, false) => usize::from(at[0] == said[0].len()),
        };
        let end = said[side][at[side]].end;
        match steps.last_mut() {
            Some((last, until)) if *last == side => *until = end.max(*until),
            _ => steps.push((side, end)),
        }
        at[side] += 1;
    }
    steps
}

/// For each thing that a side says, how many of the peer's must have come before.
fn needs(own: &[Said], peer: &[Said], side: usize) -> Vec<usize> {
    let peer = Peer::of(peer);
    let mut counts = [0_usize; 3];
    let mut nth = |kind: usize, places: &[usize]| {
        counts[kind] += 1;
        places.get(counts[kind] - 1).or(places.last()).copied()
    };
    let mut acknowledged = 0;
    let need = |said: &Said| match &said.what {
        What::Hello if side == 0 => None,
        What::Hello | What::Echo => peer.hello,
        What::Answer(id) => peer.calls.get(&id.to_bits()).copied(),
        What::Acknowledgement(bytes) => {
            while peer.sent.get(acknowledged).is_some_and(|sent| sent < bytes) {
                acknowledged += 1;
            }
            Some((acknowledged + 1).min(peer.sent.len()))
        }
        What::Pong(time) => peer.pings.get(time).copied(),
        What::Status(code) if code.starts_with("NetStream.Unpublish") => {
            nth(0, &peer.unpublish).or(Some(peer.sent.len()))
        }
        What::Status(code) if code.starts_with("NetStream.Publish") => nth(1, &peer.publish),
        What::Status(code) if code.starts_with("NetStream.Play") => nth(2, &peer.play),
        What::Call(name, _) if name == "onFCUnpublish" => peer.unpublish.first().copied(),
        What::Call(name, _) if name == "onFCPublish" => peer.fc_publish,
        _ if side == 1 => peer.first_call,
        _ => peer.hello,
    };
    // What comes after something needs at least what that needs.
    let in_order = |most: &mut usize, need: Option<usize>| {
        *most = need.unwrap_or(0).max(*most);
        Some(*most)
    };
    own.iter().map(need).scan(0, in_order).collect()
}

/// Where what a side waits for is among what the peer says, counted from 1.
#[derive(Default)]
struct Peer {
    hello: Option<usize>,
    first_call: Option<usize>,
    fc_publish: Option<usize>,
    calls: FxHashMap<u64, usize>,
    pings: FxHashMap<u32, usize>,
    publish: Vec<usize>,
    unpublish: Vec<usize>,
    play: Vec<usize>,
    /// How many bytes were sent with each.
    sent: Vec<u64>,
}

impl Peer {
    fn of(said: &[Said]) -> Peer {
        let mut peer = Peer::default();
        for (place, said) in (1..).zip(said) {
            peer.sent.push(said.sent);
            match &said.what {
                What::Hello => _ = peer.hello.get_or_insert(place),
                What::Ping(time) => _ = peer.pings.entry(*time).or_insert(place),
                What::Call(name, id) => {
                    peer.first_call.get_or_insert(place);
                    peer.calls.entry(id.to_bits()).or_insert(place);
                    match &**name {
                        "publish" => peer.publish.push(place),
                        "play" | "play2" => peer.play.push(place),
                        "FCUnpublish" | "deleteStream" | "closeStream" => peer.unpublish.push(place),
                        "FCPublish" => _ = peer.fc_publish.get_or_insert(place),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        peer
    }
}
