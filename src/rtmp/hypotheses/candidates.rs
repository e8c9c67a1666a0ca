//! Which dialects are tried: the mistakes that senders are known to make.
//!
//! What holds for the whole direction is tried first; then the same from one of the last messages before
//! the trouble on, as a sender may cut its commands rightly and its media wrongly. A chunk size that
//! nobody announced is found from where a message's type-3 headers are.

use crate::rtmp::MessageTypeId;
use crate::rtmp::dialect::{ChunkSize, Continuation, Dialect, Extended, Handshake, Length, Messages, Type3Extended};
use crate::rtmp::search::{LARGEST, basic_len_of, type3};

use super::Case;
use super::replay::{Header, Replay, Snapshot};

/// So many of the last messages before the trouble are looked at.
const ANCHORS: usize = 8;
/// So many chunk sizes are tried for each of them.
const SIZES: usize = 32;
/// So many of the messages after them are looked at for a chunk size.
const NEXT: usize = 2;
/// Sizes below this are not looked for.
const SMALLEST: u32 = 64;
/// The size until one is announced.
const DEFAULT: u32 = 128;

/// So many bytes are decoded to find a mistake, whatever there is: more only hostile bytes ask for.
pub(super) const WORK: u64 = 32 << 20;

/// Tries every candidate; `judge` is given the mistake's name, the dialect and what it leads to, and says
/// whether that explains everything. Returns how many bytes were decoded for it: with more than [`WORK`], not all was tried.
pub(super) fn try_all(
    case: &Case<'_>,
    plain: &Replay,
    trouble: u64,
    mut judge: impl FnMut(&'static str, Dialect, &Replay) -> bool,
) -> u64 {
    let anchors = anchors(plain, trouble);
    let start = Snapshot::start(case);
    let near = anchors.last().map(|anchor| Snapshot::before(case, anchor.at));
    let mut trial = Trial { case, start, near, work: 0 };
    // The closure ends early where the work is done.
    let _ = (|| {
        for (code, dialect) in whole_direction(case, plain) {
            if judge(code, dialect, &trial.whole(dialect)?) || dialect.handshake != Handshake::Whole {
                continue;
            }
            for anchor in &anchors {
                let dialect = Dialect { from: anchor.at, ..dialect };
                if judge(code, dialect, &trial.late(dialect)?) {
                    break;
                }
            }
        }
        for anchor in &anchors {
            let whole = trial.late(Dialect { from: anchor.at, ..of_size(ChunkSize::Own(LARGEST)) })?;
            let mut explained = false;
            for (code, dialect) in sizes(case, plain, &whole, anchor) {
                let dialect = Dialect { from: anchor.at, ..dialect };
                explained |= judge(code, dialect, &trial.late(dialect)?);
            }
            if explained {
                break;
            }
        }
        Some(())
    })();
    trial.work
}

/// Where candidates are tried from, and how much work was done for them.
struct Trial<'c> {
    case: &'c Case<'c>,
    start: Snapshot,
    /// Shortly before the first place where a dialect may begin.
    near: Option<Snapshot>,
    /// In bytes decoded.
    work: u64,
}

impl Trial<'_> {
    /// The whole stretch in a dialect.
    fn whole(&mut self, dialect: Dialect) -> Option<Replay> {
        let replay = self.start.run(self.case, dialect);
        self.spend(replay)
    }

    /// The stretch in a dialect that begins at one of the last messages.
    fn late(&mut self, dialect: Dialect) -> Option<Replay> {
        let replay = self.near.as_ref().unwrap_or(&self.start).run(self.case, dialect);
        self.spend(replay)
    }

    fn spend(&mut self, replay: Replay) -> Option<Replay> {
        self.work += replay.work;
        (self.work <= WORK).then_some(replay)
    }
}

/// The first headers of the last messages before the trouble that may have more than one chunk, the latest first.
fn anchors(plain: &Replay, trouble: u64) -> Vec<Header> {
    let before = plain.headers.iter().filter(|header| header.at <= trouble && !header.continues);
    before.rev().filter(|header| header.length > SMALLEST).take(ANCHORS).copied().collect()
}

/// What a sender does from its first byte on.
fn whole_direction(case: &Case<'_>, plain: &Replay) -> Vec<(&'static str, Dialect)> {
    let dialect = Dialect::default();
    let continuation = |continuation| Dialect { continuation, ..dialect };
    let mut all = vec![
        ("extra-type3-exact-multiple", continuation(Continuation::ExtraOnExactMultiple)),
        ("wrong-csid-continuation", continuation(Continuation::WrongId)),
        ("fmt0-mid-message", continuation(Continuation::Fields)),
        ("mlen-includes-headers", Dialect { length: Length::WithHeaders, ..dialect }),
        ("mlen-byte-order", Dialect { length: Length::LittleEndian, ..dialect }),
        ("type3-ext-missing", Dialect { type3_extended: Type3Extended::Never, ..dialect }),
        ("ts-field-ffffff-no-ext", Dialect { extended: Extended::NotAtMaximum, ..dialect }),
        ("ts-field-ffffff-no-ext", Dialect { extended: Extended::Unmarked, ..dialect }),
    ];
    if !plain.announced.is_empty() {
        all.push(("chunk-size-byte-order", Dialect { chunk_size: ChunkSize::LittleEndian, ..dialect }));
        all.push(("chunk-size-not-applied", Dialect { chunk_size: ChunkSize::NotApplied, ..dialect }));
    }
    if case.offset == 0 && case.before.awaits_client_handshake() {
        all.push(("hs-c2-missing", Dialect { handshake: Handshake::WithoutC2, ..dialect }));
        all.push(("hs-c0-missing", Dialect { handshake: Handshake::WithoutC0, ..dialect }));
    }
    all
}

/// The chunk sizes that the messages from `anchor` on may be cut with. `whole` is what they are if none is cut.
fn sizes(case: &Case<'_>, plain: &Replay, whole: &Replay, anchor: &Header) -> Vec<(&'static str, Dialect)> {
    let announced = plain.announced.iter().rev().map(|announced| announced.1).chain([DEFAULT]).take(2);
    let explained: Vec<u32> = announced.flat_map(|size| [size, size.swap_bytes()]).collect();
    // The first messages may be shorter than the chunks are.
    let end = whole.trouble.or(whole.unfinished).unwrap_or(u64::MAX);
    let next = anchors(whole, end);
    let next = next.iter().take(NEXT).filter(|next| next.at > anchor.at);
    let mut sizes: Vec<u32> = [anchor].into_iter().chain(next).flat_map(|anchor| places(case, anchor)).collect();
    sizes.retain(|size| !explained.contains(size));
    // What it cut rightly since tells against a size from elsewhere.
    let cuts_since = |since: u64| plain.headers.iter().any(|one| one.continues && (since..anchor.at).contains(&one.at));
    let of_peer = case.peer_sizes.iter().filter(|(at, size)| {
        // But not if it cuts with just that size.
        *at <= anchor.at && (sizes.contains(size) || !cuts_since(*at))
    });
    let of_peer: Vec<_> = of_peer.copied().collect();
    let of_peer = of_peer.into_iter().map(|(_, size)| ("chunk-size-wrong-direction", size));
    let earlier = case.earlier_sizes.iter().filter(|_| !cuts_since(0)).map(|size| ("chunk-size-not-reset", *size));
    let mut all = Vec::new();
    for (code, size) in of_peer.chain(earlier) {
        if plain.announced.is_empty() && size > 0 && size != DEFAULT {
            sizes.retain(|&other| other != size);
            all.push((code, of_size(ChunkSize::Own(size))));
        }
    }
    all.extend(sizes.into_iter().map(|size| ("chunk-size-not-announced", of_size(ChunkSize::Own(size)))));
    // Messages in one piece. Who never cut one, or none but commands, may have a size of its own since; who cut
    // others before rather left the headers out, but may have changed the size. What cannot be told apart is here
    // twice, so that neither is certain.
    let cut = |commands: bool| {
        plain.headers.iter().any(|one| one.continues && one.at < anchor.at && is_command(one.type_id) == commands)
    };
    let larger = [("chunk-size-not-announced", of_size(ChunkSize::Own(LARGEST)))];
    let left_out = [Messages::All, Messages::Media, Messages::Of(anchor.type_id)].map(|messages| {
        let continuation = Continuation::LeftOut(messages);
        ("type3-missing", Dialect { continuation, ..Dialect::default() })
    });
    match (cut(false), cut(true)) {
        (true, _) => all.extend(left_out.into_iter().chain(larger)),
        (false, true) => all.extend(larger.into_iter().chain(left_out)),
        (false, false) => all.extend(larger),
    }
    all
}

fn is_command(type_id: MessageTypeId) -> bool {
    matches!(type_id, MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND)
}

fn of_size(chunk_size: ChunkSize) -> Dialect {
    Dialect { chunk_size, ..Dialect::default() }
}

/// The sizes with which a type-3 header of the message is where it should, those first with which most do.
fn places(case: &Case<'_>, anchor: &Header) -> Vec<u32> {
    let Some(start) = anchor.at.checked_sub(case.offset) else { return Vec::new() };
    let body = case.bytes.get(start as usize + usize::from(anchor.len)..).unwrap_or_default();
    let (byte, header_len) = (type3(anchor.csid), basic_len_of(anchor.csid) as usize);
    let run = |size: u32| {
        let mut at = size as usize;
        let mut left = anchor.length - size;
        let mut run = 0;
        while left > 0 && run < 64 && body.get(at) == Some(&byte) {
            run += 1;
            at += header_len + size as usize;
            left = left.saturating_sub(size);
        }
        // All of them, or as many as there are bytes for.
        (left == 0 || at >= body.len() || run == 64).then_some(run)
    };
    let end = anchor.length.min(body.len() as u32);
    let mut sizes: Vec<_> = (SMALLEST..end).filter_map(|size| Some((run(size)?, size))).collect();
    sizes.sort_by_key(|&(run, size)| (std::cmp::Reverse(run), !is_usual(size), size));
    sizes.into_iter().take(SIZES).filter(|(run, _)| *run > 0).map(|(_, size)| size).collect()
}

/// The evidence, in bits, that a dialect has for no other reason than that it was looked for.
pub(super) fn price(code: &str, dialect: &Dialect) -> u32 {
    match dialect.chunk_size {
        ChunkSize::Own(LARGEST) => 0,
        ChunkSize::Own(size) if code == "chunk-size-not-announced" => {
            if is_usual(size) {
                6
            } else {
                12
            }
        }
        _ => 0,
    }
}

/// Whether people choose such a size.
fn is_usual(size: u32) -> bool {
    size.is_power_of_two() || size.is_multiple_of(1000)
}
