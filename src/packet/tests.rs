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
    // An Ethernet frame, with six bytes of padding after the packet.
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
    // 36 bytes after the IP header: 24 in the first fragment (TCP header, "0123"), then 12.
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

/// What is before an IP packet of this version (4 or 6) in a frame of this link type; `depth` repeats what may repeat.
fn link_header(link_type: u32, version: u8, depth: usize) -> Vec<u8> {
    let ether_type: &[u8] = if version == 4 { &[8, 0] } else { &[0x86, 0xdd] };
    let ppp: &[u8] = if version == 4 { &[0, 0x21] } else { &[0, 0x57] };
    match link_type {
        0 | 108 => vec![if version == 4 { 2 } else { 30 }, 0, 0, 0],
        1 => {
            let tags = [&[0x81, 0, 0, 1][..], &[0x88, 0xa8, 0, 2], &[0x91, 0, 0, 3]];
            let tags = tags.iter().cycle().take(depth).flat_map(|tag| tag.iter().copied());
            let mut header: Vec<u8> = std::iter::repeat_n(0, 12).chain(tags).collect();
            match depth % 4 {
                // MPLS, PPPoE, LLC with SNAP, or the packet at once.
                1 => header.extend([0x88, 0x47, 0, 0, 0x10, 64, 0, 0, 0x21, 64]),
                2 => header.extend([&[0x88, 0x64, 0x11, 0, 0, 1, 0, 6][..], ppp].concat()),
                3 => header.extend([&[0, 50, 0xaa, 0xaa, 3, 0, 0, 0][..], ether_type].concat()),
                _ => header.extend(ether_type),
            }
            header
        }
        9 => [&[0xff, 3][..], ppp].concat(),
        50 => [&[0x0f, 0][..], ether_type].concat(),
        51 => [&[0x11, 0, 0, 1, 0, 6][..], ppp].concat(),
        113 => [&[0, 4, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0][..], ether_type].concat(),
        276 => [ether_type, &[0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]].concat(),
        _ => Vec::new(),
    }
}

/// An IP packet with extension headers of these kinds and extra lengths before a TCP segment with `payload`.
fn extended(version: u8, kinds: &[(u8, u8)], payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (index, &(kind, extra)) in kinds.iter().enumerate() {
        let next = kinds.get(index + 1).map_or(6, |(next, _)| *next);
        let (len, field) = match kind {
            44 => (8, 0),
            51 => (12 + 4 * usize::from(extra), extra + 1),
            _ => (8 + 8 * usize::from(extra), extra),
        };
        body.extend([next, field]);
        body.extend(std::iter::repeat_n(0, len - 2));
    }
    body.extend(&tcp(payload)[20..]);
    let first = kinds.first().map_or(6, |(kind, _)| *kind);
    let header = match version {
        4 => {
            let [high, low] = (20 + body.len() as u16).to_be_bytes();
            vec![0x45, 0, high, low, 0, 1, 0, 0, 64, first, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
        }
        _ => {
            let [high, low] = (body.len() as u16).to_be_bytes();
            [&[0x60, 0, 0, 0, high, low, first, 64][..], &[0xfd; 32]].concat()
        }
    };
    [header, body].concat()
}

const LINK_TYPES: [u32; 13] = [0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 276];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whole frames of every link type are read; damaged ones give no panic and nothing that is not in the frame.
    #[test]
    fn frames_of_every_link_type_whole_and_damaged(
        link_type in proptest::sample::select(LINK_TYPES.to_vec()),
        version in proptest::sample::select(vec![4u8, 6]),
        depth in 0usize..9,
        kinds in proptest::collection::vec(
            (proptest::sample::select(vec![0u8, 43, 44, 51, 60, 140]), 0u8..4), 0..8),
        payload in proptest::collection::vec(any::<u8>(), 1..40),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = [link_header(link_type, version, depth), extended(version, &kinds, &payload)].concat();
        let mut slicer = Slicer::new(Limits::default());
        {
            let found = segment(&mut slicer, &frame(1, link_type, &bytes));
            prop_assert_eq!((found.payload, found.missing, found.src.port()), (&payload[..], 0, 40000));
        }
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let captured = cut.index(bytes.len() + 1);
        let lengths = [(bytes.len(), bytes.len()), (captured, captured), (captured, bytes.len())];
        for (number, (captured, original)) in (2..).zip(lengths) {
            let frame = Frame { original_len: original as u32, ..frame(number, link_type, &bytes[..captured]) };
            let file = frame.file_offset..=frame.file_offset + captured as u64;
            if let Outcome::Segment(found) = slicer.segment(&frame) {
                prop_assert!(found.payload.len() <= captured);
                prop_assert_eq!(found.payload.is_empty(), found.sources.is_empty());
                for (at, source) in found.sources {
                    prop_assert!((*at as usize) < found.payload.len());
                    prop_assert!(source.frame != FrameNo(number) || file.contains(&source.file_offset));
                }
            }
        }
    }
}

#[test]
fn a_hop_by_hop_header_that_is_not_the_first_is_followed() {
    // The walk that stops there and is then iterated over read beyond the packet (`docs/upstream.md`).
    let mut slicer = Slicer::new(Limits::default());
    let mut bytes = extended(6, &[(0, 0), (0, 0)], b"hello");
    assert_eq!(segment(&mut slicer, &frame(1, 101, &bytes)).payload, b"hello");
    // The second is cut by the IPv6 length, with or without bytes after it.
    bytes[5] = 8;
    for captured in [bytes.len(), 48] {
        let frame = frame(1, 101, &bytes[..captured]);
        assert!(matches!(slicer.segment(&frame), Outcome::Skipped(Skip::Malformed)));
    }
}

#[test]
fn fragments_after_extension_headers_are_joined() {
    // Authentication in IPv4 is part of what is fragmented: only the first fragment begins with it.
    let whole = extended(4, &[(51, 3), (60, 0)], b"0123456789abcdef");
    let mut slicer = Slicer::new(Limits::default());
    let fragment = |from: usize, to: usize, more: u8| {
        let mut bytes = [&whole[..20], &whole[20 + from..20 + to]].concat();
        bytes[3] = (20 + to - from) as u8;
        bytes[6..8].copy_from_slice(&[more, (from / 8) as u8]);
        bytes
    };
    let len = whole.len() - 20;
    let (first, second) = (fragment(0, 16, 0x20), fragment(16, len, 0));
    assert!(matches!(slicer.segment(&frame(1, 101, &second)), Outcome::Skipped(Skip::Fragment)));
    assert_eq!(segment(&mut slicer, &frame(2, 101, &first)).payload, b"0123456789abcdef");
}
