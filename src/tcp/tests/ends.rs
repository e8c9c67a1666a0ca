//! Unusual starts and ends, and segments of one byte.

use super::dialogue::{Dialogue, a, b, long};
use crate::tcp::{End, Endpoint, How};

#[test]
fn one_byte_segments_are_data() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("a")).send(a(1).data("b")).send(a(3).data("d")).send(a(2).data("c")).send(a(4).data("e"));
    assert_eq!(d.bytes('A'), b"abcde");
    assert_eq!((d.side('A').keep_alives, d.side('A').payload_bytes), (0, 5));
}

/// Only the byte just before the next one is a keep-alive (RFC 9293 3.8.4); any other is a retransmission.
#[test]
fn an_older_single_byte_is_a_retransmission() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abcd")).send(a(1).data("X")).send(a(3).data("?"));
    assert_eq!(d.log(), ["0 A 0 abcd", "conflict 0 A 1+1 b X"]);
    let side = d.side('A');
    assert_eq!((side.keep_alives, side.conflicts, side.retransmitted_bytes), (1, 1, 1));
}

/// A keep-alive repeats the last byte that was sent. Captured before that one, it is known by the segment that ends there
/// with another byte; a byte in the middle of a segment is a copy like any other.
#[test]
fn a_keep_alive_captured_before_the_byte_that_it_repeats_is_no_data() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("ab")).send(a(5).data("?")).send(a(2).data("cdef"));
    assert_eq!(d.log(), ["0 A 0 ab", "0 A 2 cdef"]);
    let side = d.side('A');
    assert_eq!((side.keep_alives, side.conflicts, side.payload_bytes, side.retransmitted_bytes), (1, 0, 6, 0));

    let mut d = Dialogue::opened();
    d.send(a(0).data("ab")).send(a(4).data("?")).send(a(2).data("cdef"));
    assert_eq!(d.log(), ["0 A 0 ab", "0 A 2 cd", "conflict 0 A 4+1 ? e", "0 A 4 ?", "0 A 5 f"]);
    assert_eq!((d.side('A').keep_alives, d.side('A').conflicts), (0, 1));
}

#[test]
fn a_syn_that_was_captured_after_its_answer_opens_the_same_connection() {
    let mut d = Dialogue::new();
    d.send(b(-1).syn().ack(0)).send(a(-1).syn()).send(a(0).ack(0).data("get")).send(b(0).ack(3).data("it"));
    assert_eq!(d.log(), ["0 A 0 get", "0 B 0 it"]);
    // B was captured first, and is the server nevertheless.
    assert_eq!(d.connection().client, Some(Endpoint::Second));
    assert_eq!((d.side('A').started_at_syn, d.side('B').started_at_syn), (true, true));
}

#[test]
fn the_acknowledgement_of_a_fin_counts_no_byte_more() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("bye").fin()).send(b(0).ack(4)).send(b(0).ack(4).data("yes").fin()).send(a(4).ack(4));
    assert_eq!(d.log(), ["0 A 0 bye", "0 B 0 yes", "closed 0 Some(Fin)"]);
    assert_eq!((d.side('A').gap_bytes, d.side('B').gap_bytes), (0, 0));
    assert!(matches!(d.connection().end, Some(End { how: How::Fin, by: Endpoint::First, .. })));
}

/// The side that closes second does not end the connection; nor does a reset after both have closed.
#[test]
fn who_closed_first_ended_it() {
    let mut d = Dialogue::opened();
    d.send(b(0).data("enough").fin()).send(a(0).ack(7)).send(a(0).ack(7).fin()).send(b(7).ack(1)).send(a(1).rst());
    assert!(matches!(d.connection().end, Some(End { how: How::Fin, by: Endpoint::Second, .. })));
}

/// Each reset after which the session continues was not meant for it, however many there are.
#[test]
fn many_forged_resets_are_withdrawn() {
    let mut d = Dialogue::opened();
    let mut at = 0;
    for _ in 0..5 {
        d.send(a(at).data("abc")).send(a(at + 3).rst());
        at += 3;
    }
    d.send(a(at).data("end"));
    assert_eq!((d.connection().end, d.side('A').strays), (None, 5));
    assert_eq!(d.bytes('A').len(), 18);
    d.send(a(at + 3).rst());
    assert!(matches!(d.connection().end, Some(End { how: How::Rst, by: Endpoint::First, .. })));
}

/// A second copy is compared with the first while that is remembered: some dozens of full segments back.
#[test]
fn a_conflict_is_found_far_behind() {
    let mut d = Dialogue::opened();
    for n in 0..40 {
        d.send(a(n * 1448).data(&long(1448)));
    }
    d.send(a(1448).data("xxYx"));
    assert_eq!(d.log().last().map(String::as_str), Some("conflict 0 A 1450+1 xx Yx"));
    assert_eq!(d.side('A').conflicts, 1);
}

/// What a direction holds while it waits is given back, also after many holes.
#[test]
fn after_many_holes_nothing_is_held() {
    let mut d = Dialogue::opened();
    for n in 0..200 {
        d.send(a(n * 20 + 10).data("0123456789")).send(a(n * 20).data("0123456789"));
    }
    assert_eq!(d.bytes('A').len(), 4000);
    assert_eq!(d.memory().0, 0);
    assert_eq!(d.side('A').out_of_order, 200);
}
