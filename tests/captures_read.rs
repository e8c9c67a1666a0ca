//! Captures of every shape give the same frames. The files are built here, field by field.

use std::io::{self, Read, Write};

use proptest::prelude::*;
use rtmp_inspect::capture::{BlockProblem, Capture, Ending, Error, Event, Limits, RecordPart, Warning};
use rtmp_inspect::packet::{self, Outcome, Slicer};

#[derive(Debug, Default, PartialEq, Clone)]
struct Found {
    /// Number, time, link type, bytes, original length, file offset.
    frames: Vec<(u64, i64, u32, Vec<u8>, u32, u64)>,
    warnings: Vec<Warning>,
    secrets: Vec<Vec<u8>>,
}

fn read_from(reader: impl Read + Send + 'static, limits: Limits) -> Result<Found, Error> {
    let mut capture = Capture::open(reader, limits)?;
    let mut read = Found::default();
    while let Some(event) = capture.next()? {
        match event {
            Event::Frame(f) => {
                read.frames.push((f.number.0, f.time.0, f.link_type, f.bytes.to_vec(), f.original_len, f.file_offset))
            }
            Event::Secrets(bytes) => read.secrets.push(bytes.to_vec()),
            Event::Note(_) => {}
            Event::Bytes(_) => panic!("it has packets"),
            Event::Warning(warning) => {
                assert!(!warning.to_string().is_empty());
                read.warnings.push(warning);
            }
        }
    }
    Ok(read)
}

fn read(file: &[u8]) -> Found {
    read_from(io::Cursor::new(file.to_vec()), Limits::default()).expect("a capture")
}

/// Bytes as a pipe may give them: so many at a time.
struct Slow(io::Cursor<Vec<u8>>, Vec<usize>);

impl Read for Slow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let turn = self.0.position() as usize % self.1.len();
        let len = self.1[turn].clamp(1, buf.len());
        self.0.read(&mut buf[..len])
    }
}

fn slowly(file: &[u8], steps: Vec<usize>) -> Found {
    read_from(Slow(io::Cursor::new(file.to_vec()), steps), Limits::default()).expect("a capture")
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Le,
    Be,
}
use Order::{Be, Le};

impl Order {
    fn u16(self, n: u16) -> [u8; 2] {
        if self == Le { n.to_le_bytes() } else { n.to_be_bytes() }
    }
    fn u32(self, n: u32) -> [u8; 4] {
        if self == Le { n.to_le_bytes() } else { n.to_be_bytes() }
    }
    fn u32s(self, all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|n| self.u32(*n)).collect()
    }
}

/// Three frames of different lengths; the second was longer on the wire.
const FRAMES: [(&[u8], u32); 3] = [(b"first", 5), (b"the second", 90), (b"3", 1)];

fn pcap(order: Order, magic: u32, fraction: u32) -> Vec<u8> {
    let mut file = order.u32(magic).to_vec();
    file.extend(order.u16(2));
    file.extend(order.u16(4));
    // Zone, accuracy, snap length, link type with the bits that say "4 bytes of FCS".
    file.extend(order.u32s(&[0, 0, 65535, 0x2400_0001]));
    for (bytes, original_len) in FRAMES {
        file.extend(order.u32s(&[1_700_000_000, fraction, bytes.len() as u32, original_len]));
        if magic == 0xa1b2_cd34 {
            // Interface, protocol, packet type, padding.
            file.extend([0; 8]);
        }
        file.extend(bytes);
    }
    file
}

/// Codes and values.
type Options<'a> = &'a [(u16, &'a [u8])];

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let len = (body.len() + padding + 12) as u32;
    [&order.u32(kind)[..], &order.u32(len), body, &vec![0; padding], &order.u32(len)].concat()
}

fn section(order: Order) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: Order, snaplen: u32, options: Options<'_>) -> Vec<u8> {
    let mut body = [&order.u16(1)[..], &[0, 0], &order.u32(snaplen)].concat();
    for (code, value) in options {
        body.extend(order.u16(*code));
        body.extend(order.u16(value.len() as u16));
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    if !options.is_empty() {
        body.extend([0; 4]);
    }
    block(order, 1, &body)
}

fn packet(order: Order, interface: u32, time: u64, bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u32;
    let mut body = order.u32s(&[interface, (time >> 32) as u32, time as u32, len, len]);
    body.extend(bytes);
    block(order, 6, &body)
}

fn pcapng(order: Order, options: Options<'_>, time: u64) -> Vec<u8> {
    let mut file = [section(order), interface(order, 0, options)].concat();
    for (bytes, _) in FRAMES {
        file.extend(packet(order, 0, time, bytes));
    }
    file
}

fn bytes_of(read: &Found) -> Vec<&[u8]> {
    read.frames.iter().map(|frame| &frame.3[..]).collect()
}

/// Frames are numbered from 1 and are where they say.
fn check(file: &[u8], read: &Found) {
    for (n, frame) in read.frames.iter().enumerate() {
        assert_eq!(frame.0, n as u64 + 1);
        let at = frame.5 as usize;
        assert_eq!(&file[at..at + frame.3.len()], frame.3);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn pcap_in_every_order_and_resolution() {
    for order in [Le, Be] {
        for (magic, fraction) in [(0xa1b2_c3d4, 123_456), (0xa1b2_3c4d, 123_456_000), (0xa1b2_cd34, 123_456)] {
            let file = pcap(order, magic, fraction);
            let read = read(&file);
            check(&file, &read);
            assert_eq!(read.warnings, []);
            assert_eq!(bytes_of(&read), FRAMES.map(|f| f.0));
            assert_eq!(read.frames[1].1, 1_700_000_000_123_456_000);
            assert_eq!((read.frames[1].2, read.frames[1].4), (1, 90));
        }
    }
    assert_eq!(read(&pcap(Le, 0xa1b2_c3d4, 0)[..24]), Found::default());
}

#[test]
fn an_absurd_record_length_ends_the_reading() {
    let mut file = pcap(Le, 0xa1b2_c3d4, 0);
    let second = 24 + 16 + 5;
    file[second + 8..second + 12].copy_from_slice(&[0xff; 4]);
    let read = read(&file);
    assert_eq!(read.frames.len(), 1);
    assert!(matches!(read.warnings[..], [Warning::RecordLength { at: 45, .. }]));
}

#[test]
fn pcapng_times() {
    let micro = 1_700_000_000_500_000;
    for order in [Le, Be] {
        let offset: Vec<u8> = if order == Le { 3600_i64.to_le_bytes() } else { 3600_i64.to_be_bytes() }.into();
        let cases: [(Options<'_>, u64, i64); 5] = [
            (&[], micro, 0),
            (&[(9, &[9])], micro * 1000, 0),
            (&[(9, &[12])], 3_000_000_500, -1_700_000_000_500_000_000 + 3_000_000),
            (&[(9, &[0x94])], (1_700_000_000 << 20) + (1 << 19), 0),
            (&[(1, b"a comment"), (14, &offset)], micro, 3_600_000_000_000),
        ];
        for (options, time, difference) in cases {
            let file = pcapng(order, options, time);
            let read = read(&file);
            check(&file, &read);
            assert_eq!((bytes_of(&read), &read.warnings[..]), (FRAMES.map(|f| f.0).to_vec(), &[][..]));
            assert_eq!(read.frames[0].1, 1_700_000_000_500_000_000 + difference);
        }
    }
}

#[test]
fn sections_interfaces_and_other_packet_blocks() {
    let mut file = [section(Be), interface(Be, 0, &[]), interface(Be, 0, &[(9, &[9])])].concat();
    file.extend(packet(Be, 1, 5, b"ns"));
    // Passed over: statistics, an unknown block of 300 KB, names.
    file.extend(block(Be, 5, &[0; 12]));
    file.extend(block(Be, 0x1234, &vec![7; 300_000]));
    file.extend(block(Be, 4, &[0; 4]));
    file.extend([section(Le), interface(Le, 61, &[])].concat());
    // A simple packet: the original length only, cut by the interface's snap length.
    file.extend(block(Le, 3, &[&100_u32.to_le_bytes()[..], &[9; 64]].concat()));
    // The obsolete packet block: 16 bits of interface and of drops.
    let header = [&[0, 0, 3, 0][..], &Le.u32s(&[0, 8, 3, 3]), b"old"].concat();
    file.extend(block(Le, 2, &header));
    // A TLS key log.
    file.extend(block(Le, 10, &[&Le.u32s(&[0x544c_534b, 5])[..], b"CLIEN"].concat()));
    file.extend(packet(Le, 3, 0, b"whose?"));
    file.extend(packet(Le, 3, 0, b"whose?"));
    // A journal entry: no frame, but it takes a frame number, as in Wireshark.
    file.extend(block(Le, 9, b"__REALTIME_TIMESTAMP=1\n"));
    file.extend(packet(Le, 0, 1, b"last"));
    let read = read(&file);
    check(&file, &Found { frames: read.frames[..3].to_vec(), ..Found::default() });
    assert_eq!(bytes_of(&read), [b"ns", &[9; 61][..], b"old", b"last"]);
    assert_eq!((read.frames[0].1, read.frames[1].4, read.frames[2].1), (5, 100, 8_000));
    assert_eq!((read.frames[3].0, read.frames[3].1), (5, 1_000));
    assert_eq!(read.secrets, [b"CLIEN"]);
    assert!(matches!(read.warnings[..], [Warning::UnknownInterface { interface: 3, described: 1, .. }]));
}

#[test]
fn a_section_header_larger_than_any_first_read() {
    let mut file = block(Le, 0x0a0d_0d0a, &[&section(Le)[8..24], &[1, 0, 0xff, 0xff], &[b'x'; 180_000]].concat());
    file.extend(&pcapng(Le, &[], 0)[28..]);
    assert_eq!(slowly(&file, vec![4096, 1]).frames.len(), 3);
}

#[test]
fn a_damaged_block_costs_that_block() {
    let good = pcapng(Le, &[], 1);
    let second = good.len() - packet(Le, 0, 1, b"3").len() - packet(Le, 0, 1, b"the second").len();
    let damage = |at: usize, value: u32| {
        let mut file = good.clone();
        file[second + at..second + at + 4].copy_from_slice(&value.to_le_bytes());
        let read = read(&file);
        assert_eq!(bytes_of(&read), [b"first", &b"3"[..]], "damage at {at}");
        match &read.warnings[..] {
            [Warning::Block { at, problem, resumed: true, .. }] if *at == second as u64 => *problem,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(damage(4, 0xffff_fff0), BlockProblem::Length(0xffff_fff0));
    assert_eq!(damage(4, 8), BlockProblem::Length(8));
    assert_eq!(damage(4, 45), BlockProblem::Length(45));
    assert!(matches!(damage(4, 4000), BlockProblem::Overrun { len: 4000, .. }));
    assert!(matches!(damage(4, 40), BlockProblem::Trailer { len: 40, .. }));
    assert!(matches!(damage(20, 5000), BlockProblem::PacketLength { captured: 5000, .. }));
    let trailer = packet(Le, 0, 1, b"the second").len() - 4;
    assert!(matches!(damage(trailer, 7), BlockProblem::Trailer { trailer: 7, .. }));
}

#[test]
fn gzip_and_zstd_in_any_nesting() {
    let file = pcap(Le, 0xa1b2_c3d4, 0);
    let expected = read(&file);
    let (head, tail) = file.split_at(50);
    let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    for packed in [
        gzip(&file),
        [gzip(head), gzip(tail)].concat(),
        zstd(&file),
        [zstd(head), skippable.clone(), zstd(tail), skippable].concat(),
        gzip(&zstd(&gzip(&file))),
    ] {
        assert_eq!(read(&packed), expected);
        assert_eq!(slowly(&packed, vec![1]), expected);
    }
}

#[test]
fn a_cut_compressed_file_is_read_up_to_the_cut() {
    let mut file = pcap(Le, 0xa1b2_c3d4, 0);
    let mut seed = 1_u32;
    for _ in 0..40_000 {
        file.extend(Le.u32s(&[1, 1, 16, 16]));
        // Noise, so that it does not compress away.
        file.extend((0..4).flat_map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()
        }));
    }
    let whole = read(&file);
    for packed in [gzip(&file), zstd(&file)] {
        let cut = read(&packed[..packed.len() / 2]);
        assert!(cut.frames.len() > 10_000 && cut.frames.len() < 30_000, "{}", cut.frames.len());
        assert_eq!(cut.frames[..], whole.frames[..cut.frames.len()]);
        assert!(matches!(cut.warnings[..], [Warning::Cut { ending: Ending::CompressedCut, .. }]));
    }
}

#[test]
fn what_expands_beyond_measure_ends() {
    let mut file = pcap(Le, 0xa1b2_c3d4, 0);
    file.resize(40 << 20, 0);
    let read = read_from(io::Cursor::new(gzip(&file)), Limits { expansion: 100, ..Limits::default() });
    let warnings = read.expect("a capture").warnings;
    assert!(matches!(warnings[..], [Warning::Cut { ending: Ending::Expansion { limit: 100 }, .. }]), "{warnings:?}");
}

#[test]
fn what_is_no_capture_is_named() {
    let complaint = |bytes: &[u8]| {
        read_from(io::Cursor::new(bytes.to_vec()), Limits::default()).expect_err("no capture").to_string()
    };
    assert!(complaint(b"").contains("empty"));
    assert!(complaint(b"BZh9....").contains("bzip2 -dc FILE | rtmp-inspect decode -"));
    assert!(complaint(b"BZh91AY").contains("bzip2 -dc"));
    assert!(complaint(b"snoop\0\0\0\0\0\0\x02").contains("snoop"));
    assert!(complaint(b"GMBU....").contains("Network Monitor"));
    assert!(complaint(b" <!DOCTYPE html><html>").contains("HTML"));
    assert!(complaint(b"hello, world\n").contains("text"));
    assert!(complaint(&gzip(b"hello, world\n")).contains("inside gzip"));
    assert!(complaint(b"\x00\x01\x02\x03\x04").contains("00 01 02 03"));
    assert!(complaint(&gzip(b"hello, world\n")[..7]).contains("gzip data is cut"));
    assert!(complaint(&pcap(Le, 0xa1b2_c3d4, 0)[..20]).contains("20 of 24"));
}

#[test]
fn an_error_of_the_source_is_kept() {
    struct Broken(io::Cursor<Vec<u8>>);
    impl Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buf)? {
                0 => Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone")),
                n => Ok(n),
            }
        }
    }
    for file in [pcap(Le, 0xa1b2_c3d4, 0), gzip(&pcap(Le, 0xa1b2_c3d4, 0))] {
        let mut capture = Capture::open(Broken(io::Cursor::new(file)), Limits::default()).expect("a capture");
        for _ in FRAMES {
            assert!(matches!(capture.next(), Ok(Some(Event::Frame(_)))));
        }
        match capture.next() {
            Err(Error::Io(e)) => assert_eq!(e.kind(), io::ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_frame_is_given_before_more_bytes_come() {
    // A reader that must not be asked again once the first frame is there.
    struct Live(std::collections::VecDeque<u8>);
    impl Read for Live {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "asked for more than the frame needs");
            self.0.read(buf)
        }
    }
    let ng = [section(Le), interface(Le, 0, &[]), packet(Le, 0, 0, b"x")].concat();
    for file in [ng, pcap(Le, 0xa1b2_c3d4, 0)[..45].to_vec()] {
        let mut capture = Capture::open(Live(file.into()), Limits::default()).expect("a capture");
        assert!(matches!(capture.next(), Ok(Some(Event::Frame(_)))));
    }
}

#[test]
fn a_cut_tells_how_much_is_there() {
    let file = pcap(Le, 0xa1b2_c3d4, 0);
    let read = read(&file[..45 + 16 + 4]);
    assert_eq!(read.frames.len(), 1);
    let Warning::Cut { part: RecordPart::Frame, had: 4, needed: 10, at: 45, ref frame, .. } = read.warnings[0] else {
        panic!("{:?}", read.warnings)
    };
    assert_eq!(frame.0, 2);
    assert_eq!(
        read.warnings[0].to_string(),
        "the capture was cut: 4 of the 10 bytes of frame 2 are there (file offset 0x2d); frame 1 was read"
    );
}

fn samples() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(pcap(Le, 0xa1b2_c3d4, 1)),
        Just(pcap(Be, 0xa1b2_cd34, 1)),
        Just(pcapng(Le, &[(9, &[0x94])], 1)),
        Just([pcapng(Be, &[], 1), pcapng(Le, &[], 2)].concat()),
        Just(gzip(&pcapng(Be, &[], 1))),
        Just(zstd(&pcapng(Be, &[], 1))),
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same(file in samples(), steps in proptest::collection::vec(1usize..40, 1..9)) {
        prop_assert_eq!(slowly(&file, steps), read(&file));
    }

    #[test]
    fn any_cut_gives_a_prefix_and_at_most_one_warning(file in samples(), cut in 28usize..400) {
        let cut = cut.min(file.len());
        let whole = read(&file);
        if let Ok(part) = read_from(io::Cursor::new(file[..cut].to_vec()), Limits::default()) {
            prop_assert!(whole.frames.starts_with(&part.frames));
            prop_assert!(part.warnings.len() <= 1);
            prop_assert!(part.frames.len() == whole.frames.len() || cut < file.len());
        }
    }

    #[test]
    fn damage_anywhere_never_panics(file in samples(), hits in proptest::collection::vec((0usize..400, any::<u8>()), 1..6)) {
        let mut file = file;
        for (at, value) in hits {
            let at = at % file.len();
            file[at] = value;
        }
        let mut slicer = Slicer::new(packet::Limits::default());
        if let Ok(mut capture) = Capture::open(io::Cursor::new(file), Limits::default()) {
            while let Ok(Some(event)) = capture.next() {
                if let Event::Frame(frame) = event
                    && let Outcome::Segment(segment) = slicer.segment(&frame)
                {
                    prop_assert_eq!(segment.payload.is_empty(), segment.sources.is_empty());
                }
            }
        }
    }
}

/// A Simple Packet Block has no captured length: it is the original one, or the interface's snap length (pcapng 4.4).
#[test]
fn simple_packets_end_where_the_snap_length_says() {
    for (order, snaplen, original, kept) in
        [(Le, 0, 9, 9), (Le, 4, 9, 4), (Le, 9, 9, 9), (Be, 64, 9, 9), (Be, 4, 90, 4), (Le, 0, 1, 1)]
    {
        let content = b"some data";
        let body = [&order.u32(original)[..], &content[..kept]].concat();
        let file = [section(order), interface(order, snaplen, &[]), block(order, 3, &body)].concat();
        let found = read(&file);
        check(&file, &found);
        assert_eq!(bytes_of(&found), [&content[..kept]], "snap length {snaplen}");
        assert_eq!((found.frames[0].4, found.warnings), (original, vec![]));
    }
}

/// Blocks without a packet are passed over without a warning: name resolution, statistics and any type that is not known.
/// Custom ones, to be copied or not (pcapng 4.8), and the systemd journal have a frame number in Wireshark, so they take one.
#[test]
fn blocks_without_a_packet_are_passed_over() {
    let kinds = [(0x0000_0bad, 1), (0x4000_0bad, 1), (9, 1), (4, 0), (5, 0), (0x0000_0bae, 0), (0x7fff_0001, 0)];
    for (order, (kind, numbers)) in [Le, Be].into_iter().flat_map(|order| kinds.map(|kind| (order, kind))) {
        // A custom block begins with the number of an enterprise.
        let body = [&order.u32(32_473)[..], b"whatever it holds!!!"].concat();
        let file = [pcapng(order, &[], 0), block(order, kind, &body), packet(order, 0, 0, b"last")].concat();
        let found = read(&file);
        assert_eq!(found.warnings, [], "block {kind:#x}");
        let frames: Vec<_> = found.frames.iter().map(|frame| (frame.0, &frame.3[..])).collect();
        assert_eq!(frames.last(), Some(&(4 + numbers, &b"last"[..])), "block {kind:#x}");
    }
}
