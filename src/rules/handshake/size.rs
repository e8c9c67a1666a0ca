//! Blocks of the handshake that have another size than 1536 bytes.

use crate::compare::{Comparison, Side};
use crate::recording::EventKind;
use crate::rtmp::handshake::{BLOCK, Part};
use crate::rules::opening::{CLIENT, Opening, SERVER, WAITS, first_row, mismatches_at};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};

use super::beginning::moved_c2;

pub static SIZE: Rule = Rule {
    code: "hs-size",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "C1, S1 or S2 is not 1536 bytes long",
    page: Page {
        what: "C1, S1, C2 and S2 have 1536 bytes each. With more in C1 the server reads the rest as the beginning of \
               C2, and everything that follows at the wrong place. With less in S2 the client waits for the rest.",
        looks: "03 00 00 00 00 00 00 00 00 a5 ..   C0, then 4 + 4 + 1528 bytes\n\
                \n\
                1541 bytes before the server has sent anything are 4 too many.",
        who: "Implementations that use 1536 as the number of random bytes, or 1528 as the size of the block.",
        fix: "Send a time of 4 bytes, 4 more bytes and 1528 random bytes.",
        source: "RTMP 1.0 sections 5.2.3 and 5.2.4.",
    },
    check: Check::Diff(|comparison| {
        let (a, b) = Opening::sides(comparison);
        let known = a.and_then(Size::of);
        let wrong = Size::of(b).filter(|_| known.is_none());
        wrong.and_then(|size| size.claim(comparison, b)).into_iter().collect()
    }),
};

/// Whether a block of another size is the reason for what follows.
pub(super) fn is_wrong(opening: Opening<'_>) -> bool {
    Size::of(opening).is_some()
}

/// A block of another size.
enum Size {
    /// So many bytes too many were sent with C1, before the server said anything.
    Client(u64),
    /// So many bytes are missing in what the server sent, after which nobody says anything.
    Server(u64),
}

/// S0, S1 and S2.
const SERVERS: u64 = 1 + 2 * BLOCK as u64;

impl Size {
    fn of(opening: Opening<'_>) -> Option<Size> {
        // What came before the server's first byte cannot be C2.
        let first_frame = |part| opening.part(part).map(|(item, ..)| item.frames[1]);
        if let (Some(c2), Some(s1)) = (first_frame(Part::C2), first_frame(Part::S0S1S2))
            && let Some(moved @ 1..) = moved_c2(opening)
            && c2 < s1
        {
            return Some(Size::Client(moved.unsigned_abs()));
        }
        let total = opening.total(SERVER)?;
        let waits = opening.total(CLIENT) == Some(1 + BLOCK as u64) && opening.idle() >= WAITS / 4.0;
        let is_short = (2 + BLOCK as u64..SERVERS).contains(&total) && opening.sent(SERVER).first() == Some(&3);
        (waits && is_short).then(|| Size::Server(SERVERS - total))
    }

    fn claim(self, comparison: &Comparison<'_>, opening: Opening<'_>) -> Option<Claim> {
        let (direction, title, why, fix, certainty) = match self {
            Size::Client(count) => (
                CLIENT,
                format!("C1 is {count} bytes too long"),
                format!(
                    "{} bytes were sent before the server sent anything, but C0 and C1 have 1537; the server reads the \
                     rest as the beginning of C2",
                    1537 + count
                ),
                "send 1536 bytes as C1",
                Certainty::Certain,
            ),
            Size::Server(count) => (
                SERVER,
                format!("the server's S0, S1 and S2 are {count} bytes too short"),
                format!(
                    "{} bytes arrived where 3073 are expected, and nothing more in {:.1} s: the client waits for the \
                     rest",
                    SERVERS - count,
                    opening.idle()
                ),
                "send 1536 bytes as S1, and 1536 as S2",
                // Where the capture ends first, the rest may have come later.
                match opening.ended_by() {
                    Some(_) if opening.idle() >= WAITS => Certainty::Certain,
                    _ => Certainty::Likely,
                },
            ),
        };
        let is_part = |row: &usize| matches!(comparison.either_item(*row).content, EventKind::Handshake { .. });
        let row = comparison.rows_of(direction).find(is_part).or_else(|| first_row(comparison, direction, Side::B))?;
        let values = [None, Some(opening.value(direction, 0, 16, "the beginning"))];
        let claim = Claim::on(row, "handshake", values, certainty, title).why(why).fix(fix);
        Some(claim.explaining(mismatches_at(comparison, row)).breaking(Impact::Framing))
    }
}
