//! Each link type once from bytes, and the IP packets inside: options, extension headers, fragments.

use rtmp_inspect::capture::Frame;
use rtmp_inspect::origin::{FrameNo, Time};
use rtmp_inspect::packet::{Limits, Outcome, Slicer};

const PAYLOAD: &[u8] = b"some payload of more than 24 bytes";

/// An IPv4 packet with a TCP segment.
fn v4() -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(40_000, 1935, 7, 100);
    builder.write(&mut packet, PAYLOAD).expect("in memory");
    packet
}

/// The same in IPv6.
fn v6() -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = etherparse::PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp(40_000, 1935, 7, 100);
    builder.write(&mut packet, PAYLOAD).expect("in memory");
    packet
}

fn frame(link_type: u32, bytes: &[u8]) -> Frame<'_> {
    Frame { number: FrameNo(1), time: Time(0), link_type, bytes, original_len: bytes.len() as u32, file_offset: 0 }
}

/// What a slicer finds in a frame, if it is a segment.
fn payload(slicer: &mut Slicer, link_type: u32, bytes: &[u8]) -> Option<Vec<u8>> {
    match slicer.segment(&frame(link_type, bytes)) {
        Outcome::Segment(segment) => Some(segment.payload.to_vec()),
        Outcome::Skipped(_) => None,
    }
}

fn is_found(link_type: u32, header: &str, packet: &[u8]) -> bool {
    let header = hex::decode(header.replace(' ', "")).expect("hex");
    payload(&mut Slicer::new(Limits::default()), link_type, &[&header, packet].concat()).as_deref() == Some(PAYLOAD)
}

#[test]
fn each_link_type_has_its_header() {
    const MACS: &str = "020000000001 020000000002";
    let (v4, v6) = (v4(), v6());
    let ethernet = |rest: &str| format!("{MACS} {rest}");
    let headers = [
        // Ethernet: EtherType; tags of 802.1Q, 802.1ad and the two older kinds; LLC with SNAP.
        (1, ethernet("0800")),
        (1, ethernet("8100 0001 0800")),
        (1, ethernet("88a8 0001 8100 0002 0800")),
        (1, ethernet("9100 0001 0800")),
        (1, ethernet("9200 0001 0800")),
        (1, ethernet("0050 aaaa03 000000 0800")),
        (1, ethernet("05dc aaaa03 000000 0800")),
        // PPPoE session, MPLS unicast with two labels and multicast with one.
        (1, ethernet("8864 1100 0001 0050 0021")),
        (1, ethernet("8847 00001040 00002140")),
        (1, ethernet("8848 00002140")),
        // Apple's PKTAP around Ethernet and around a bare packet; under its old number.
        (258, format!("10000000 01000000 01000000 00000000 {}", ethernet("0800"))),
        (258, "0c000000 01000000 0c000000".to_owned()),
        (149, "10000000 01000000 65000000 6c6f3000".to_owned()),
        // NULL in both byte orders, LOOP; the family of IPv4 is 2 everywhere.
        (0, "02000000".into()),
        (0, "00000002".into()),
        (108, "00000002".into()),
        // RAW, in the numbers of several systems.
        (12, String::new()),
        (14, String::new()),
        (101, String::new()),
        (228, String::new()),
        // PPP: with and without address and control, its protocol in one or two bytes, MPLS inside.
        (9, "ff03 0021".into()),
        (9, "0021".into()),
        (9, "21".into()),
        (9, "ff03 0281 00000140".into()),
        (9, "ff03 0283 00000140".into()),
        // PPP in HDLC framing; Cisco HDLC, unicast and multicast.
        (50, "ff03 0021".into()),
        (50, "0f00 0800".into()),
        (50, "8f00 0800".into()),
        // PPPoE without Ethernet.
        (51, "1100 0001 0050 0021".into()),
        // Linux cooked, versions 1 and 2: Ethernet inside (ARPHRD 1), sent by the capturing host (4).
        (113, "0004 0001 0006 0200000000010000 0800".into()),
        (276, "0800 0000 00000002 0001 04 06 0200000000010000".into()),
    ];
    for (link_type, header) in &headers {
        assert!(is_found(*link_type, header, &v4), "link type {link_type}, {header}");
    }
    let headers = [
        (1, ethernet("86dd")),
        (1, ethernet("8847 00000140")),
        // The BSDs and Linux differ in the family of IPv6: 24, 28, 30, and 10.
        (0, "18000000".into()),
        (0, "1c000000".into()),
        (0, "0000001c".into()),
        (0, "1e000000".into()),
        (0, "0a000000".into()),
        (108, "0000001e".into()),
        (12, String::new()),
        (101, String::new()),
        (229, String::new()),
        (9, "ff03 0057".into()),
        (9, "0057".into()),
        (9, "57".into()),
        (50, "0f00 86dd".into()),
        (51, "1100 0001 0050 0057".into()),
        (113, "0000 0001 0006 0200000000010000 86dd".into()),
        (276, "86dd 0000 00000002 0001 00 06 0200000000010000".into()),
    ];
    for (link_type, header) in &headers {
        assert!(is_found(*link_type, header, &v6), "IPv6, link type {link_type}, {header}");
    }
}

/// One field of the header is another, and what follows is no IP packet, whatever it looks like.
#[test]
fn near_misses_of_link_headers_carry_nothing() {
    for (link_type, header) in [
        (1, "020000000001 020000000002 0806"),                     // ARP
        (1, "020000000001 020000000002 0050 aaaa03 000001 0800"),  // SNAP of another organisation
        (1, "020000000001 020000000002 05dd aaaa03 000000 0800"),  // neither a length nor an EtherType
        (1, "020000000001 020000000002 8863 1100 0001 0050 0021"), // PPPoE discovery
        (1, "020000000001 020000000002 8864 1109 0001 0050 0021"), // PPPoE, code 9
        (1, "020000000001 020000000002 8847 00000040"),            // MPLS: the bottom of the stack is missing
        (0, "07000000"),                                           // another family
        (9, "ff03 c021"),                                          // LCP
        (9, "ff03 0023"),                                          // OSI
        (50, "0f00 2000"),                                         // CDP
        (51, "11a7 0001 0050 0021"),                               // PADT
        (113, "0004 0338 0000 0000000000000000 0800"),             // netlink: the protocol is a family
        (276, "0800 0000 00000002 0338 04 00 0000000000000000"),   // the same in version 2
    ] {
        assert!(!is_found(link_type, header, &v4()), "link type {link_type}, {header}");
    }
}

#[test]
fn options_and_extension_headers_are_passed_over() {
    // IPv4 with four bytes of options: no operation three times, end of list (RFC 791 3.1).
    let plain = v4();
    let mut options = [&plain[..20], &[1, 1, 1, 0], &plain[20..]].concat();
    options[0] = 0x46;
    let length = options.len() as u16;
    options[2..4].copy_from_slice(&length.to_be_bytes());
    assert!(is_found(101, "", &options));
    // IPv6 with hop-by-hop options, routing (type 3, nothing left) and destination options, 8 bytes each (RFC 8200 4).
    let plain = v6();
    let extensions = hex::decode("2b00010400000000 3c00030000000000 0600010400000000".replace(' ', "")).expect("hex");
    let mut extended = [&plain[..40], &extensions, &plain[40..]].concat();
    extended[6] = 0;
    let length = (extended.len() - 40) as u16;
    extended[4..6].copy_from_slice(&length.to_be_bytes());
    assert!(is_found(229, "", &extended));
    // The last of them names UDP: no segment.
    extended[40 + 16] = 17;
    assert!(!is_found(229, "", &extended));
}

/// Cuts an IPv6 packet in two fragments (RFC 8200 4.5), each naming what it carries.
fn v6_fragments(first_names: u8, second_names: u8) -> [Vec<u8>; 2] {
    let plain = v6();
    let fragment = |from: usize, to: usize, more: bool, names: u8| {
        let mut bytes = plain[..40].to_vec();
        bytes[6] = 44;
        bytes[4..6].copy_from_slice(&((to - from + 8) as u16).to_be_bytes());
        let offset = (from as u16) | u16::from(more);
        [&bytes[..], &[names, 0], &offset.to_be_bytes(), &[0, 0, 0, 9], &plain[40 + from..40 + to]].concat()
    };
    let end = plain.len() - 40;
    [fragment(0, 24, true, first_names), fragment(24, end, false, second_names)]
}

/// "The Next Header field values in the Fragment headers of different fragments of the same original packet may differ.
/// Only the value from the Offset zero fragment packet is used for reassembly." (RFC 8200 4.5)
#[test]
fn the_first_fragment_says_what_the_packet_carries() {
    let [tcp, udp, icmp, none, hop_by_hop] = [6, 17, 58, 59, 0];
    for order in [[0, 1], [1, 0]] {
        for (first, second, is_tcp) in [
            (tcp, tcp, true),
            (tcp, udp, true),
            (tcp, none, true),
            (tcp, hop_by_hop, true),
            (udp, tcp, false),
            (udp, udp, false),
            (icmp, tcp, false),
        ] {
            let fragments = v6_fragments(first, second);
            let mut slicer = Slicer::new(Limits::default());
            assert_eq!(payload(&mut slicer, 229, &fragments[order[0]]), None);
            let whole = payload(&mut slicer, 229, &fragments[order[1]]);
            assert_eq!(whole.as_deref(), is_tcp.then_some(PAYLOAD), "{order:?} {first} {second}");
            let counts = slicer.counts();
            assert_eq!((counts.fragments, counts.not_tcp), (1, u64::from(!is_tcp)), "{order:?} {first} {second}");
            assert_eq!(counts.incomplete_packets, 0);
        }
    }
}

/// The same packet of extension headers and TCP, cut inside the extension headers: they are fragmented with the rest.
#[test]
fn a_packet_may_be_fragmented_within_its_extension_headers() {
    let plain = v6();
    // Destination options (60) of 16 bytes, then TCP.
    let fragmentable = [&[6, 1, 1, 12][..], &[0; 12], &plain[40..]].concat();
    let fragment = |from: usize, to: usize, more: bool, names: u8| {
        let mut bytes = plain[..40].to_vec();
        bytes[6] = 44;
        bytes[4..6].copy_from_slice(&((to - from + 8) as u16).to_be_bytes());
        let offset = (from as u16) | u16::from(more);
        [&bytes[..], &[names, 0], &offset.to_be_bytes(), &[0, 0, 0, 9], &fragmentable[from..to]].concat()
    };
    for second_names in [60, 6, 17] {
        let mut slicer = Slicer::new(Limits::default());
        let (first, second) = (fragment(0, 8, true, 60), fragment(8, fragmentable.len(), false, second_names));
        assert_eq!(payload(&mut slicer, 229, &first), None);
        assert_eq!(payload(&mut slicer, 229, &second).as_deref(), Some(PAYLOAD), "{second_names}");
    }
}

/// Fragments of packets without TCP take no room from those with it, and none of them is missed.
#[test]
fn packets_of_other_protocols_leave_room_for_tcp() {
    let [first, second] = v6_fragments(6, 17);
    let [other, _] = v6_fragments(17, 17);
    let limits = Limits { fragment_bytes: 200, ..Limits::default() };
    let mut slicer = Slicer::new(limits);
    assert_eq!(payload(&mut slicer, 229, &first), None);
    for id in 10..14 {
        let mut other = other.clone();
        other[47] = id;
        assert_eq!(payload(&mut slicer, 229, &other), None);
    }
    assert_eq!(slicer.counts().incomplete_packets, 1);
    assert_eq!(payload(&mut slicer, 229, &second).as_deref(), Some(PAYLOAD));
    assert_eq!(slicer.counts().incomplete_packets, 0);
}

/// In IPv4 the protocol is one of four fields that the fragments of a packet have in common (RFC 791 3.2).
#[test]
fn ipv4_fragments_of_different_protocols_are_of_different_packets() {
    let [authentication, tcp, udp] = [51, 6, 17];
    let segment = v4()[20..].to_vec();
    for (protocol, is_joined) in [(tcp, true), (udp, false), (authentication, false)] {
        let mut slicer = Slicer::new(Limits::default());
        let mut second = v4_fragment(1, 24, false, &segment[24..]);
        second[9] = protocol;
        assert_eq!(payload(&mut slicer, 101, &v4_fragment(1, 0, true, &segment[..24])), None);
        assert_eq!(payload(&mut slicer, 101, &second).as_deref(), is_joined.then_some(PAYLOAD), "{protocol}");
        // The right one completes it nevertheless.
        let late = payload(&mut slicer, 101, &v4_fragment(1, 24, false, &segment[24..]));
        assert_eq!(late.as_deref(), (!is_joined).then_some(PAYLOAD), "{protocol}");
    }
}

/// A fragment of an IPv4 packet: id, offset in bytes, whether more follow.
fn v4_fragment(id: u16, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
    let mut header = v4()[..20].to_vec();
    header[2..4].copy_from_slice(&((20 + bytes.len()) as u16).to_be_bytes());
    header[4..6].copy_from_slice(&id.to_be_bytes());
    let field = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
    header[6..8].copy_from_slice(&field.to_be_bytes());
    [&header[..], bytes].concat()
}

/// A packet has at most 65535 bytes (RFC 791 3.1): what a fragment has beyond is not joined.
#[test]
fn fragments_beyond_the_largest_packet_do_not_grow_it() {
    let segment = v4()[20..].to_vec();
    let mut slicer = Slicer::new(Limits::default());
    assert_eq!(payload(&mut slicer, 101, &v4_fragment(1, 65_528, false, &[0xee; 1400])), None);
    let mut filled = [&segment[..], &vec![0xaa; 65_528 - segment.len()]].concat();
    let mut found = None;
    while !filled.is_empty() {
        let part = filled.split_off(filled.len().saturating_sub(1000) / 8 * 8);
        found = payload(&mut slicer, 101, &v4_fragment(1, filled.len(), true, &part));
    }
    let found = found.expect("whole");
    assert!(found.len() <= 0xffff && found.starts_with(PAYLOAD), "{} bytes", found.len());
}

/// A whole frame that is too short for its IP header is malformed; only of one that was cut the header was cut.
#[test]
fn headers_that_do_not_fit_are_cut_or_malformed() {
    for (packet, captured) in [(v4(), 10), (v4(), 19), (v6(), 10), (v6(), 39)] {
        for (original, malformed) in [(captured, 1), (captured + 1, 0), (packet.len(), 0)] {
            let mut slicer = Slicer::new(Limits::default());
            let frame = Frame { original_len: original as u32, ..frame(101, &packet[..captured]) };
            assert!(matches!(slicer.segment(&frame), Outcome::Skipped(_)));
            let counts = slicer.counts();
            assert_eq!((counts.malformed, counts.headers_cut), (malformed, 1 - malformed), "{captured} of {original}");
        }
    }
}

/// The oldest packet is given up when too many wait for fragments.
#[test]
fn how_many_packets_may_wait_for_fragments_is_limited() {
    let limits = Limits { fragmented_packets: 3, ..Limits::default() };
    let mut slicer = Slicer::new(limits);
    let segment = v4()[20..].to_vec();
    let first = |id| v4_fragment(id, 0, true, &segment[..24]);
    let second = |id| v4_fragment(id, 24, false, &segment[24..]);
    for id in 1..=4 {
        assert_eq!(payload(&mut slicer, 101, &first(id)), None);
    }
    assert_eq!(slicer.counts().incomplete_packets, 4);
    for id in [2, 3, 4] {
        assert_eq!(payload(&mut slicer, 101, &second(id)).as_deref(), Some(PAYLOAD), "{id}");
    }
    assert_eq!(payload(&mut slicer, 101, &second(1)), None, "the oldest was given up");
}

/// An outer IPv4 packet of a protocol.
fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let header = etherparse::Ipv4Header::new(
        payload.len() as u16,
        64,
        etherparse::IpNumber(protocol),
        [192, 0, 2, 1],
        [192, 0, 2, 2],
    );
    header.expect("short enough").write(&mut packet).expect("in memory");
    packet.extend_from_slice(payload);
    packet
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let ports = [&[0x9c, 0x40][..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0]].concat();
    outer(17, &[&ports, payload].concat())
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).expect("hex")
}

/// Each way to carry a network across another; tshark 4.0 finds the same TCP segment in each.
#[test]
fn packets_in_packets() {
    let mac = bytes("020000000001 020000000002 0800");
    let ethernet = [&mac[..], &v4()].concat();
    let with = |header: &str, rest: &[u8]| [&bytes(header)[..], rest].concat();
    let all = [
        ("4in4", outer(4, &v4())),
        ("6in4", outer(41, &v6())),
        ("GRE", outer(47, &with("0000 0800", &v4()))),
        ("GRE with key and sequence number", outer(47, &with("3000 86dd 00000007 00000001", &v6()))),
        ("GRE with Ethernet", outer(47, &with("2000 6558 00000007", &ethernet))),
        ("ERSPAN I", outer(47, &with("0000 88be", &ethernet))),
        ("ERSPAN II", outer(47, &with("1000 88be 00000001 1001 0001 00000000", &ethernet))),
        ("ERSPAN III", outer(47, &with("1000 22eb 00000001 2001 0001 00000000 00000000", &ethernet))),
        ("VXLAN", udp(4789, &with("08000000 00002a00", &ethernet))),
        ("VXLAN on its old port", udp(8472, &with("08000000 00002a00", &ethernet))),
        ("VXLAN-GPE", udp(4790, &with("0c000001 00002a00", &v4()))),
        ("GENEVE with an option", udp(6081, &with("0200 6558 00002a00 0102 03 01 00000000", &ethernet))),
        ("GENEVE with IPv6", udp(6081, &with("0000 86dd 00002a00", &v6()))),
        ("GTP-U", udp(2152, &with(&format!("30ff {:04x} 00000009", v4().len()), &v4()))),
        (
            "GTP-U with an extension",
            udp(2152, &with(&format!("34ff {:04x} 00000009 000000 85 01 10 01 00", v4().len() + 8), &v4())),
        ),
    ];
    for (name, packet) in &all {
        assert_eq!(payload(&mut Slicer::new(Limits::default()), 101, packet).as_deref(), Some(PAYLOAD), "{name}");
        // Cut anywhere before the segment, it is no segment; nothing panics.
        for cut in 0..packet.len() - PAYLOAD.len() - 20 {
            payload(&mut Slicer::new(Limits::default()), 101, &packet[..cut]);
        }
        // In fragments, but for those in UDP.
        if packet[9] != 17 {
            let (first, second) = packet[20..].split_at(32);
            let mut slicer = Slicer::new(Limits::default());
            let fragment = |offset: u16, bytes: &[u8]| {
                let mut fragment = outer(packet[9], bytes);
                fragment[6..8].copy_from_slice(&offset.to_be_bytes());
                fragment
            };
            assert_eq!(payload(&mut slicer, 101, &fragment(0x2000, first)), None);
            assert_eq!(
                payload(&mut slicer, 101, &fragment(4, second)).as_deref(),
                Some(PAYLOAD),
                "{name} in fragments"
            );
        }
    }
    // What uses the same ports or protocols for something else is left alone.
    for packet in
        [udp(4789, &with("00000000 00002a00", &ethernet)), udp(2152, &v4()), udp(5000, &ethernet), outer(47, &[0; 3])]
    {
        assert_eq!(payload(&mut Slicer::new(Limits::default()), 101, &packet), None);
    }
}

/// Three layers are read, and a packet that holds itself as often as it can ends well.
#[test]
fn packets_are_nested_to_a_bound() {
    let mut packet = v4();
    for _ in 0..3 {
        packet = outer(4, &packet);
    }
    assert_eq!(payload(&mut Slicer::new(Limits::default()), 101, &packet).as_deref(), Some(PAYLOAD));
    for _ in 0..200 {
        packet = outer(4, &packet);
    }
    assert_eq!(payload(&mut Slicer::new(Limits::default()), 101, &packet), None);
}

/// Logs of packet filters, and PPP with a direction before it.
#[test]
fn headers_of_packet_filters() {
    let v4 = v4();
    assert!(is_found(
        117,
        "3d 02 00 00 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000",
        &v4
    ));
    assert!(is_found(109, "02000000 00000001 00000000", &v4));
    // NFLOG: family, version, resource id; a prefix (type 10) of 5 bytes, padded; the packet (type 9).
    let length = (v4.len() + 4) as u16;
    let nflog = format!("02 00 0000 0500 0a00 41 000000 {:02x}{:02x} 0900", length & 0xff, length >> 8);
    assert!(is_found(239, &nflog, &v4));
    assert!(is_found(204, "01 ff03 0021", &v4) && is_found(104, "0f00 0800", &v4));
}
