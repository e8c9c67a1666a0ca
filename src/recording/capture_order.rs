//! The two directions of a session in the order of the capture.
//!
//! Takes a session's events as they were read, returns them in the order in which their bytes were captured. Each
//! direction keeps its own order. Reading differs from it after a hole only: what waits for bytes that never come is
//! read when they are given up, which may be at the end of the capture, after all that the other side answered to it.

use crate::origin::{FrameNo, Time};

use super::{EventKind, RecordedEvent};

fn is_gap(item: &RecordedEvent) -> bool {
    matches!(item.content, EventKind::Gap(_))
}

/// These events in the order of the capture.
pub(super) fn sort(mut items: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
    if !items.iter().any(is_gap) {
        return items;
    }
    // A receiver reads nothing before what is in front of it in the stream, so the moments of a direction never go
    // back. When the bytes of a gap were sent is not known: they count as sent with what is before them.
    let mut reached: [Option<(Time, FrameNo)>; 2] = [None; 2];
    let mut keyed = Vec::with_capacity(items.len());
    for (index, item) in items.drain(..).enumerate() {
        let reached = &mut reached[item.direction.index()];
        if !is_gap(&item) {
            *reached = (*reached).max(Some((item.time, item.frames[0])));
        }
        keyed.push(((*reached, index), item));
    }
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, item)| item).collect()
}
