//! Dialogues: each test reads as a trace, sequence numbers relative to the side's first byte.

mod dialogue;
mod ends;
mod flood;
mod property;

use super::{End, Endpoint, GapReason, How, Limits, Side};
use dialogue::{Dialogue, a, b, long};

#[test]
fn segments_in_order_are_delivered_as_they_are() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("hello")).send(b(0).ack(5).data("hi")).send(a(5).ack(2).data(" there"));
    assert_eq!(d.log(), ["0 A 0 hello", "0 B 0 hi", "0 A 5  there"]);
    assert_eq!((d.side('A').started_at_syn, d.side('B').started_at_syn), (true, true));
    assert_eq!(d.side('A').acknowledged, Some(5));
    assert_eq!(d.connection().client, Some(Endpoint::First));
}

#[test]
fn bytes_ahead_wait_for_the_hole_to_fill() {
    let mut d = Dialogue::opened();
    d.send(a(6).data("ghi")).send(a(3).data("def"));
    assert_eq!(d.log(), [] as [&str; 0]);
    d.send(a(0).data("abc"));
    assert_eq!(d.log(), ["0 A 0 abc", "0 A 3 def", "0 A 6 ghi"]);
    assert_eq!(d.side('A').out_of_order, 2);
}

#[test]
fn the_first_copy_of_overlapping_bytes_counts() {
    let mut d = Dialogue::opened();
    d.send(a(4).data("EF")).send(a(0).data("abcdefgh"));
    assert_eq!(d.log(), ["0 A 0 abcd", "conflict 0 A 4+2 EF ef", "0 A 4 EF", "0 A 6 gh"]);
    assert_eq!((d.side('A').payload_bytes, d.side('A').retransmitted_bytes, d.side('A').conflicts), (8, 2, 1));
}

#[test]
fn a_retransmission_with_other_bytes_is_a_conflict() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abc")).send(a(3).data("def")).send(a(1).data("bXXefgh")).send(a(0).data("abcdefgh"));
    assert_eq!(d.log(), ["0 A 0 abc", "0 A 3 def", "conflict 0 A 2+2 cdef XXef", "0 A 6 gh"]);
}

#[test]
fn a_keep_alive_byte_is_no_data() {
    let mut d = Dialogue::opened();
    d.send(a(-1).data("?")).send(a(0).data("abc")).send(a(2).data("?")).send(a(2)).send(a(3).data("def"));
    assert_eq!(d.log(), ["0 A 0 abc", "0 A 3 def"]);
    assert_eq!((d.side('A').keep_alives, d.side('A').conflicts), (2, 0));
}

#[test]
fn data_on_the_syn_begins_at_offset_zero() {
    let mut d = Dialogue::new();
    d.send(a(-1).syn().data("early")).send(b(-1).syn().ack(5)).send(a(5).ack(0).data("late"));
    assert_eq!(d.log(), ["0 A 0 early", "0 A 5 late"]);
}

#[test]
fn a_start_in_mid_stream_begins_at_the_lowest_byte() {
    let mut d = Dialogue::new();
    d.send(b(100).ack(40)).send(a(53).ack(100).data("def")).send(a(50).ack(100).data("abc"));
    assert_eq!(d.log(), [] as [&str; 0]);
    d.send(b(100).ack(56));
    assert_eq!(d.log(), ["0 A 0 abc", "0 A 3 def"]);
    assert_eq!((d.side('A').started_at_syn, d.side('A').gap_bytes, d.side('A').acknowledged), (false, 0, Some(6)));
}

#[test]
fn a_start_in_mid_stream_does_not_wait_for_ever() {
    let mut d = Dialogue::new();
    for at in 0..15 {
        d.send(a(at).data("x"));
    }
    assert!(d.log().is_empty());
    d.send(a(15).data("y"));
    assert_eq!(d.bytes('A'), b"xxxxxxxxxxxxxxxy");
}

#[test]
fn one_handshake_packet_is_enough_to_know_the_start() {
    let mut no_syn = Dialogue::new();
    no_syn.send(b(-1).syn().ack(0)).send(a(3).ack(0).data("def")).finish();
    assert_eq!(no_syn.log()[..2], ["gap 0 A 0+3 End", "0 A 3 def"]);
    assert_eq!(no_syn.connection().client, Some(Endpoint::Second));

    let mut no_syn_ack = Dialogue::new();
    no_syn_ack.send(a(-1).syn()).send(a(0).ack(0).data("abc")).send(b(2).ack(3).data("zz")).finish();
    assert_eq!(no_syn_ack.log()[..3], ["0 A 0 abc", "gap 0 B 0+2 End", "0 B 2 zz"]);
    assert!(no_syn_ack.side('B').started_at_syn);
}

#[test]
fn a_hole_that_was_acknowledged_is_given_time() {
    let mut d = Dialogue::opened();
    d.send(a(3).data("def")).send(b(0).ack(6));
    for _ in 0..500 {
        d.send(a(6).ack(0));
    }
    assert!(d.log().is_empty(), "a late record may still bring it");
    let mut late = d.clone();
    late.send(a(0).data("abc"));
    assert_eq!(late.log(), ["0 A 0 abc", "0 A 3 def"]);
    for _ in 0..20 {
        d.send(a(6).ack(0));
    }
    assert_eq!(d.log(), ["gap 0 A 0+3 Acknowledged", "0 A 3 def"]);
}

#[test]
fn on_a_slow_connection_seconds_count() {
    let mut d = Dialogue::opened();
    d.send(a(3).data("def")).send(b(0).ack(6)).wait_ms(4_000);
    for _ in 0..127 {
        d.send(a(6).ack(0));
    }
    assert!(d.log().is_empty());
    d.send(a(6).ack(0));
    assert_eq!(d.log(), ["gap 0 A 0+3 Acknowledged", "0 A 3 def"]);
}

#[test]
fn holes_acknowledged_together_are_given_up_together() {
    let mut d = Dialogue::opened();
    d.send(a(1).data("b")).send(a(3).data("d")).send(a(5).data("f")).send(b(0).ack(6));
    for _ in 0..512 {
        d.send(a(6).ack(0));
    }
    assert_eq!(d.log().iter().filter(|line| line.starts_with("gap")).count(), 3);
}

#[test]
fn a_hole_nobody_acknowledged_stays_open() {
    let mut d = Dialogue::opened();
    d.send(a(3).data("def"));
    for _ in 0..2000 {
        d.send(a(6).ack(0));
    }
    assert!(d.log().is_empty());
    d.finish();
    assert_eq!(d.log(), ["gap 0 A 0+3 End", "0 A 3 def", "closed 0 None"]);
}

#[test]
fn too_much_behind_a_hole_gives_it_up() {
    let limits = Limits { out_of_order_bytes: 10_000, ..Limits::default() };
    let mut d = Dialogue::with(limits).handshake();
    for at in (1000..20_000).step_by(1000) {
        d.send(a(at).data(&long(1000)));
    }
    assert_eq!(d.log()[0], "gap 0 A 0+1000 BufferFull");
    assert_eq!(d.side('A').payload_bytes, 19_000);
}

#[test]
fn a_cut_frame_is_a_gap_once_something_follows() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abc").cut(7));
    assert_eq!(d.log(), ["0 A 0 abc"]);
    let mut filled = d.clone();
    filled.send(a(0).data("abcdefghij"));
    assert_eq!(filled.log(), ["0 A 0 abc", "0 A 3 defghij"]);
    d.send(a(10).data("klm").cut(2)).send(b(0).ack(15));
    let gaps = ["0 A 0 abc", "gap 0 A 3+7 Snaplen", "0 A 10 klm", "gap 0 A 13+2 Snaplen"];
    assert_eq!(d.log(), gaps);
}

#[test]
fn both_fins_close_and_later_packets_keep_the_number() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("bye").fin()).send(b(0).ack(4).fin()).send(a(4).ack(1)).send(a(9).data("zombie"));
    assert_eq!(d.log(), ["0 A 0 bye", "closed 0 Some(Fin)"]);
    let end = d.connection().end;
    assert!(matches!(end, Some(End { how: How::Fin, by: Endpoint::First, .. })));
    assert_eq!(d.side('B').fin.map(|fin| fin.frame.0), Some(5));
    d.send(a(77).at(5000).syn());
    assert_eq!(d.connection().id.0, 1);
}

#[test]
fn data_behind_a_fin_is_ignored() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("bye").fin()).send(a(0).data("bye and more"));
    assert_eq!(d.bytes('A'), b"bye");
}

#[test]
fn missing_bytes_before_a_fin_are_a_gap_at_the_end() {
    let mut d = Dialogue::opened();
    d.send(a(5).fin()).send(b(0).ack(6).fin());
    assert_eq!(d.log(), ["gap 0 A 0+5 Acknowledged", "closed 0 Some(Fin)"]);
}

#[test]
fn one_direction_only_says_what_the_other_had() {
    let mut d = Dialogue::new();
    d.send(a(-1).syn()).send(a(0).ack(0).data("get")).send(a(3).ack(500)).finish();
    assert_eq!(d.log(), ["0 A 0 get", "gap 0 B 0+500 Acknowledged", "closed 0 None"]);
    assert_eq!(d.side('B').acknowledged, Some(500));
}

#[test]
fn a_captured_acknowledgement_of_a_lost_fin_is_no_missing_byte() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abc")).send(b(0).ack(4)).finish();
    assert_eq!(d.log(), ["0 A 0 abc", "closed 0 None"]);
}

#[test]
fn a_reset_ends_and_a_stray_one_does_not() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abc")).send(a(500_000_000).rst());
    assert_eq!((d.connection().end, d.side('A').strays), (None, 1));
    d.send(b(0).ack(3)).send(b(0).rst());
    assert!(matches!(d.connection().end, Some(End { how: How::Rst, by: Endpoint::Second, .. })));
}

#[test]
fn a_forged_reset_is_withdrawn_when_the_session_goes_on() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abc")).send(a(3).rst()).send(a(3).data("def"));
    assert_eq!((d.connection().end, d.side('A').rst, d.side('A').strays), (None, None, 1));
    assert_eq!(d.bytes('A'), b"abcdef");
}

#[test]
fn a_refused_connection_is_reset() {
    let mut d = Dialogue::new();
    d.send(a(-1).syn()).send(b(0).at(0).rst().ack(0)).finish();
    assert_eq!(d.log(), ["closed 0 Some(Rst)"]);
}

#[test]
fn another_syn_is_another_connection() {
    let mut d = Dialogue::opened();
    d.send(a(2).data("cd")).send(a(-1).at(70_000).syn()).send(a(0).at(70_001).data("new"));
    assert_eq!(d.log(), ["gap 0 A 0+2 End", "0 A 2 cd", "closed 0 Some(Reused)", "1 A 0 new"]);
}

#[test]
fn a_repeated_syn_is_the_same_connection() {
    let mut d = Dialogue::new();
    d.send(a(-1).syn()).send(a(-1).syn()).send(b(-1).syn().ack(0)).send(b(-1).syn().ack(0)).send(a(0).ack(0).data("x"));
    assert_eq!(d.log(), ["0 A 0 x"]);
}

#[test]
fn packets_recorded_twice_count_once() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abc")).send(a(0).data("abc").duplicate());
    let Side { packets, retransmitted_bytes, duplicate_frames, .. } = *d.side('A');
    assert_eq!((packets, retransmitted_bytes, duplicate_frames), (3, 0, 1));
}

#[test]
fn offsets_go_beyond_four_gigabytes() {
    // Cut frames make long streams cheap: 5 GiB in 80 segments, around the wrap and over.
    let mut d = Dialogue::opened();
    for step in 0..80 {
        d.send(a(step * (64 << 20)).data("x").cut((64 << 20) - 1));
    }
    d.send(a(80 * (64 << 20)).data("end"));
    assert_eq!(d.log().last().map(String::as_str), Some("0 A 5368709120 end"));
}

#[test]
fn closed_connections_give_all_memory_back() {
    let mut d = Dialogue::opened();
    d.send(a(0).data("abc")).send(a(100).data("far")).send(b(0).data("x").cut(5)).finish();
    assert_eq!(d.memory(), (0, 0));
}

#[test]
fn gaps_name_their_reason_as_the_format_does() {
    assert_eq!(serde_json::to_string(&GapReason::BufferFull).ok().as_deref(), Some("\"buffer_full\""));
}
