//! Segments from literal frames.

use proptest::prelude::*;

use super::*;

/// An IPv4 packet from 10.0.0.1:40000 to 10.0.0.2:1935, SEQ 7, ACK 9, flags PSH and ACK.
fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(40000, 1935, 7, 100)
        .ack(9)
        .psh()
        .write(&mut packet, payload)
        .expect("in memory");
    packet
}

fn frame(number: u64, link_type: u32, bytes: &[u8]) -> Frame<'_> {
    let original_len = bytes.len() as u32;
    Frame { number: FrameNo(number), time: Time(0), link_type, bytes, original_len, file_offset: number * 1000 }
}

#[track_caller]
fn segment<'a>(slicer: &'a mut Slicer, frame: &Frame<'a>) -> Segment<'a> {
    match slicer.segment(frame) {
        Outcome::Segment(segment) => segment,
        Outcome::Skipped(skip) => panic!("{skip:?}"),
    }
}

#[test]
fn a_segment_and_its_place() {
    let mut slicer = Slicer::new(Limits::default());
    // An Ethernet frame, with six bytes of padding behind the packet.
    let bytes = [&[0; 12][..], &[8, 0], &tcp(b"hello"), &[0xee; 6]].concat();
    let found = segment(&mut slicer, &frame(3, 1, &bytes));
    assert_eq!((found.src.to_string(), found.dst.port()), ("10.0.0.1:40000".to_owned(), 1935));
    assert_eq!((found.seq, found.ack, found.syn, found.window), (7, Some(9), false, 100));
    assert_eq!((found.payload, found.missing, found.duplicate), (&b"hello"[..], 0, false));
    let [(0, source)] = found.sources else { panic!("{:?}", found.sources) };
    assert_eq!((source.file_offset, source.frame, source.packet), (3000 + 14 + 40, FrameNo(3), FrameNo(3)));
}

#[test]
fn what_the_snap_length_cut_is_missing() {
    let mut slicer = Slicer::new(Limits::default());
    let bytes = tcp(b"hello");
    for (captured, payload, missing) in [(43, &b"hel"[..], 2), (40, b"", 5)] {
        let cut = Frame { original_len: 45, ..frame(1, 101, &bytes[..captured]) };
        let found = segment(&mut slicer, &cut);
        assert_eq!((found.payload, found.missing, found.sources.len()), (payload, missing, payload.len().min(1)));
    }
    // TCP options that were cut: the data offset says 24 bytes, 20 are there.
    let mut options = tcp(b"optshello");
    options[20 + 12] = 0x60;
    let cut = Frame { original_len: 49, ..frame(1, 101, &options[..40]) };
    assert_eq!(segment(&mut slicer, &cut).missing, 5);
    let cut = Frame { original_len: 45, ..frame(1, 101, &bytes[..39]) };
    assert!(matches!(slicer.segment(&cut), Outcome::Skipped(Skip::HeadersCut)));
}

#[test]
fn segmentation_offload_leaves_no_length() {
    let mut slicer = Slicer::new(Limits::default());
    let mut bytes = tcp(b"hello");
    bytes[2..4].fill(0);
    assert_eq!(segment(&mut slicer, &frame(1, 101, &bytes)).payload, b"hello");
    let cut = Frame { original_len: 45, ..frame(1, 101, &bytes[..42]) };
    assert_eq!(segment(&mut slicer, &cut).missing, 3);
}

#[test]
fn a_bad_data_offset_is_malformed() {
    let mut slicer = Slicer::new(Limits::default());
    for data_offset in [0x10, 0xf0] {
        let mut bytes = tcp(b"hello");
        bytes[20 + 12] = data_offset;
        assert!(matches!(slicer.segment(&frame(1, 101, &bytes)), Outcome::Skipped(Skip::Malformed)));
    }
    assert_eq!(slicer.counts(), Counts { malformed: 2, ..Counts::default() });
}

#[test]
fn fragments_keep_the_places_of_the_payload() {
    let mut slicer = Slicer::new(Limits::default());
    let whole = tcp(b"0123456789abcdef");
    // 36 bytes behind the IP header: 24 in the first fragment (TCP header, "0123"), then 12.
    let fragment = |from: usize, to: usize, more: u8| {
        let mut bytes = [&whole[..20], &whole[20 + from..20 + to]].concat();
        bytes[3] = (20 + to - from) as u8;
        bytes[6..8].copy_from_slice(&[more, (from / 8) as u8]);
        bytes
    };
    let (first, second) = (fragment(0, 24, 0x20), fragment(24, 36, 0));
    assert!(matches!(slicer.segment(&frame(1, 101, &second)), Outcome::Skipped(Skip::Fragment)));
    assert_eq!(slicer.counts().incomplete_packets, 1);
    let found = segment(&mut slicer, &frame(2, 101, &first));
    assert_eq!((found.frame, found.payload), (FrameNo(2), &b"0123456789abcdef"[..]));
    let places: Vec<_> = found.sources.iter().map(|(at, s)| (*at, s.frame.0, s.packet.0, s.file_offset)).collect();
    assert_eq!(places, [(0, 2, 2, 2000 + 40), (4, 1, 2, 1000 + 20)]);
    assert_eq!(slicer.counts().incomplete_packets, 0);
}

#[test]
fn the_second_copy_of_a_loopback_packet_is_told() {
    let mut slicer = Slicer::new(Limits::default());
    // SLL: packet type, ARPHRD 772 (loopback), address length and address, IPv4.
    let cooked = |kind: u8, ip: &[u8]| [&[0, kind, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0][..], ip].concat();
    let told = [(4, "a"), (4, "bc"), (0, "a"), (0, "bc"), (4, "a"), (4, "a"), (0, "a")].map(|(kind, payload)| {
        let bytes = cooked(kind, &tcp(payload.as_bytes()));
        segment(&mut slicer, &frame(1, 113, &bytes)).duplicate
    });
    // The third pair of "a" is a retransmission, sent twice and received once.
    assert_eq!(told, [false, false, true, true, false, false, true]);
    assert_eq!(slicer.counts().duplicates, 3);
}

#[test]
fn an_unknown_link_type_is_named_once() {
    let mut slicer = Slicer::new(Limits::default());
    let firsts = [105, 105, 147].map(|link| match slicer.segment(&frame(1, link, &[])) {
        Outcome::Skipped(Skip::UnknownLink { first, .. }) => first,
        other => panic!("{other:?}"),
    });
    assert_eq!(firsts, [true, false, true]);
    assert!(LinkType(105).to_string().contains("802.11"));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        frames in proptest::collection::vec((0usize..15, proptest::collection::vec(any::<u8>(), 0..120), any::<u8>()), 1..20),
    ) {
        let links = [0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 276, 105, 1];
        let mut slicer = Slicer::new(Limits::default());
        for (link, mut bytes, first) in frames {
            // Often something that passes for IP.
            if bytes.len() > 40 && first < 200 {
                let at = match links[link] { 0 | 108 => 4, 1 => 14, 113 => 16, 276 => 20, _ => 0 };
                bytes[at] = if first < 100 { 0x45 } else { 0x60 };
                bytes[at + if first < 100 { 9 } else { 6 }] = [6, 44][usize::from(first % 2)];
                if at == 14 { bytes[12..14].copy_from_slice(if first < 100 { &[8, 0] } else { &[0x86, 0xdd] }); }
            }
            let frame = frame(1, links[link], &bytes);
            if let Outcome::Segment(found) = slicer.segment(&frame) {
                prop_assert_eq!(found.payload.is_empty(), found.sources.is_empty());
                prop_assert!(found.sources.first().is_none_or(|(at, _)| *at == 0));
                prop_assert!(found.sources.iter().all(|(at, _)| (*at as usize) < found.payload.len()));
            }
        }
    }
}
