//! Set Chunk Size itself (RTMP 1.0 5.4.1): what it says, and when it is sent.

use crate::compare::{Comparison, Side};
use crate::recording::RecordedEvent;
use crate::rules::broken;
use crate::rules::message_fault::stops;
use crate::rules::opening::is_over;
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::{BOTH, is_break, is_meant, messages, of_row};

pub static RANGE: Rule = Rule {
    code: "chunk-size-range",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the announced chunk size is out of range",
    page: Page {
        what: "Set Chunk Size is 0, has its first bit set, or exceeds what the peer accepts. Peers then keep the old \
               size, and lose track of the sender at the next message that is longer.",
        looks: "00 00 00 00   0: no chunk could carry anything\n\
                80 00 10 00   the first bit has to be zero\n\
                08 00 00 00   134217728: nginx-rtmp accepts up to 10485760\n\
                00 00 10 00   4096, the usual value",
        who: "Clients that want no chunks at all and announce the largest number.",
        fix: "Announce 4096 to 65536.",
        source: "RTMP 1.0 section 5.4.1: 1 to 0x7fffffff. nginx-rtmp logs \"too big RTMP chunk size\" and keeps the \
                 old one; gortmplib accepts 10 MiB; SRS refuses less than 128.",
    },
    check: Check::Diff(range),
};

/// The most that nginx takes.
const NGINX_MOST: u32 = 10_485_760;

fn range(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        let wrong = |side| {
            messages(comparison, side, direction).find_map(|(row, _, kept)| {
                let size = broken::announced(kept)?;
                // On another stream it is no such message, but what broken framing looks like.
                kept.header.message_stream_id.is_none_or(|stream| stream.0 < 1 << 24).then_some(())?;
                (size == 0 || size > NGINX_MOST).then_some((row, size))
            })
        };
        let (Some((row, size)), None) = (wrong(Side::B), wrong(Side::A)) else { continue };
        // After a break any bytes may be read as one.
        let is_behind_a_break = comparison.rows_of(direction).take_while(|&before| before <= row).any(|before| {
            comparison.item(before, Side::B).is_some_and(|item| is_break(item) || is_odd(comparison, item))
        });
        if is_behind_a_break {
            continue;
        }
        let in_wrong_order = |framing: &crate::recording::Framing| {
            framing.direction == direction && framing.hypotheses[0].code == super::size::BYTE_ORDER.code
        };
        if comparison.b.framing.iter().any(in_wrong_order) {
            continue;
        }
        let bytes = broken::spaced(&size.to_be_bytes());
        let is_legal = size > 0 && size < 1 << 31;
        // A peer that takes it is not to be worried about.
        if is_legal && !ends_early(comparison, direction) {
            continue;
        }
        let (title, why) = match size {
            0 => (
                "Set Chunk Size announced 0".to_owned(),
                "an empty chunk carries nothing; peers keep the size they had, and the sender cuts at another"
                    .to_owned(),
            ),
            size if !is_legal => (
                format!("Set Chunk Size was sent as {bytes}: its first bit is set"),
                format!(
                    "the first bit has to be zero; the other bits are {}, and peers read {size}",
                    size & 0x7fff_ffff
                ),
            ),
            size => (
                format!("Set Chunk Size announced {size}, more than the peer accepts"),
                format!("nginx-rtmp accepts up to {NGINX_MOST} and keeps the old size; the peer closes soon after it"),
            ),
        };
        let certainty = if !is_legal { Certainty::Certain } else { Certainty::Likely };
        let claim = Claim::of_message(comparison, row, "Set Chunk Size", certainty, title)
            .why(why)
            .fix("announce a size from 4096 to 65536")
            .explaining(of_row(comparison, row))
            .breaking(Impact::Framing);
        claims.push(claim);
    }
    claims
}

/// Whether a message is none that its sender meant.
fn is_odd(comparison: &Comparison<'_>, item: &RecordedEvent) -> bool {
    item.message().is_some() && !is_meant(comparison.b, item)
}

/// Whether the receiver of a direction of B ended the connection, with less of it there than in A.
fn ends_early(comparison: &Comparison<'_>, direction: Direction) -> bool {
    let receiver = match direction {
        Direction::ClientToServer => "server",
        Direction::ServerToClient => "client",
    };
    let count =
        |side| messages(comparison, side, direction).filter(|(_, _, kept)| kept.header.type_id.is_media()).count();
    let fewer = || {
        if comparison.a.is_none() {
            return !is_over(comparison.b);
        }
        count(Side::B) < count(Side::A)
    };
    comparison.b.stream.end.is_some_and(|end| end.by == receiver) && fewer()
}

pub static TIMING: Rule = Rule {
    code: "chunk-size-timing",
    layer: Layer::Chunk,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "Set Chunk Size is sent at another time",
    page: Page {
        what: "The client announces its chunk size earlier or later than the one that works. Most servers accept it at \
               any time; some only look for it after connect, or do not expect it among media.",
        looks: "02 00 00 00 00 00 04 01 00 00 00 00 00 00 10 00   Set Chunk Size 4096\n\
                03 00 00 00 00 00 8c 14 00 00 00 00 02 00 07 63   connect",
        who: "OBS sends it before connect, ffmpeg after the answer to it, GStreamer after publish: all three work with \
              nginx-rtmp.",
        fix: "If the server ignores metadata or connect, send it right after the answer to connect.",
        source: "KallDrexx/rust-media-libs#31, bluenviron/mediamtx#3302.",
    },
    check: Check::Diff(timing),
};

fn timing(comparison: &Comparison<'_>) -> Vec<Claim> {
    let direction = Direction::ClientToServer;
    let [Some((in_a, _)), Some((in_b, index))] = [Side::A, Side::B].map(|side| phase(comparison, side, direction))
    else {
        return Vec::new();
    };
    let Some(row) = comparison.rows.iter().position(|row| row.b == Some(index)).filter(|_| in_a != in_b) else {
        return Vec::new();
    };
    let title = format!("Set Chunk Size is sent {in_b}, in A {in_a}");
    // When it is sent is a habit of clients, and a cause only where nothing is answered after it.
    let stops = stops(comparison, row);
    let certainty = if stops { Certainty::Likely } else { Certainty::Possible };
    let claim = Claim::of_message(comparison, row, "Set Chunk Size", certainty, title)
        .why("most servers accept it at any time; some do not expect it there and lose the messages after it")
        .fix(format!("send it {in_a}"));
    vec![if stops { claim } else { claim.weighing(Severity::Info) }]
}

/// When a side first announces its chunk size, and the index of that item.
fn phase(comparison: &Comparison<'_>, side: Side, direction: Direction) -> Option<(&'static str, usize)> {
    let mut phase = "before connect";
    let items = comparison.session(side)?.items.iter().zip(&comparison.identities[side as usize]).enumerate();
    for (index, (item, named)) in items.filter(|(_, (item, _))| item.direction == direction) {
        let Some(kept) = item.message() else { continue };
        if broken::announced(kept).is_some() {
            return Some((phase, index));
        }
        phase = match named.command.as_deref() {
            Some("connect") => "after connect",
            Some("publish" | "play") => "after publish or play",
            _ if kept.header.type_id.is_media() => "among the media",
            _ => phase,
        };
    }
    None
}
