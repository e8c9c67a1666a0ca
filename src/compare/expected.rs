//! Differences that are no finding: they lie in the nature of two recordings.

use std::collections::HashMap;

use crate::session::Direction;

use super::lane::Lane;
use super::{Comparison, Mismatch, Side};

/// Says of each mismatch why it is to be expected, where it is.
pub fn mark(comparison: &mut Comparison<'_>) {
    let offsets = timestamp_offsets(comparison);
    let reasons: Vec<_> = comparison.mismatches.iter().map(|mismatch| reason(comparison, mismatch, &offsets)).collect();
    for (mismatch, reason) in comparison.mismatches.iter_mut().zip(reasons) {
        mismatch.expected = reason;
    }
}

fn reason(
    comparison: &Comparison<'_>,
    mismatch: &Mismatch,
    offsets: &HashMap<(Direction, Lane), i64>,
) -> Option<&'static str> {
    let lane = comparison.either(mismatch.row).lane;
    let text = |side| mismatch.side(side).map(|value| value.text.as_str()).unwrap_or_default();
    let last = mismatch.path.rsplit('.').next().unwrap_or_default();
    match mismatch.path.as_str() {
        _ if lane == Lane::Volatile => Some("acknowledgements and pings depend on time and load"),
        "handshake.software" => Some("the software's version in the handshake"),
        "handshake.random" => Some("times and random bytes of the handshake"),
        "handshake.scheme" if both_answer(comparison) => Some("how the handshake is made"),
        "header.timestamp" => {
            let direction = comparison.either_item(mismatch.row).direction;
            let offset = offsets.get(&(direction, lane))?;
            let difference = difference(text(Side::A), text(Side::B))?;
            (difference == *offset || !lane.is_media()).then_some("timestamps begin elsewhere")
        }
        "chunk.cut" | "chunk.fmt" => Some("how messages are cut into chunks"),
        _ => match last {
            // A number, as in A: another type is no choice.
            "transaction_id" if [Side::A, Side::B].iter().all(|&side| text(side).starts_with("Number ")) => {
                Some("transaction ids are the sender's own")
            }
            "tcUrl" => same_but_host(text(Side::A), text(Side::B)).then_some("the host in tcUrl"),
            "fmsVer" | "Server" => Some("the server's banner"),
            "clientid" | "clientId" => Some("the client's id is the server's own"),
            "creationdate" | "creationDate" => Some("the time of the recording"),
            _ => None,
        },
    }
}

/// Whether the session goes on behind the handshake in both.
fn both_answer(comparison: &Comparison<'_>) -> bool {
    [(comparison.a, 0), (comparison.b, 1)].into_iter().all(|(session, side)| {
        session
            .items
            .iter()
            .zip(&comparison.named[side])
            .any(|(item, named)| item.direction == Direction::ServerToClient && named.name.starts_with("_result"))
    })
}

/// The offset that most timestamps of a lane have between A and B.
fn timestamp_offsets(comparison: &Comparison<'_>) -> HashMap<(Direction, Lane), i64> {
    let mut counts: HashMap<(Direction, Lane), HashMap<i64, usize>> = HashMap::new();
    for row in 0..comparison.rows.len() {
        let timestamp = |side| comparison.item(row, side)?.message()?.header.timestamp;
        if let (Some(a), Some(b)) = (timestamp(Side::A), timestamp(Side::B)) {
            let key = (comparison.either_item(row).direction, comparison.either(row).lane);
            *counts.entry(key).or_default().entry(i64::from(b) - i64::from(a)).or_default() += 1;
        }
    }
    let most = |counts: HashMap<i64, usize>| counts.into_iter().max_by_key(|&(offset, count)| (count, -offset.abs()));
    counts.into_iter().filter_map(|(key, counts)| Some((key, most(counts)?.0))).collect()
}

fn difference(a: &str, b: &str) -> Option<i64> {
    Some(b.parse::<i64>().ok()? - a.parse::<i64>().ok()?)
}

fn same_but_host(a: &str, b: &str) -> bool {
    let path = |text: &str| {
        let url = text.trim_start_matches("String '").trim_end_matches('\'');
        let (_, rest) = url.split_once("://")?;
        Some(rest.split_once('/').map_or("", |(_, path)| path).to_owned())
    };
    path(a).is_some() && path(a) == path(b)
}
