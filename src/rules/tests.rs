//! Each rule fires on its fixture, before all others, and not on its near miss. The expected bytes are written
//! by loops of their own, or are literal: no function of the rules makes them.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

struct Fixture {
    sent: Vec<u8>,
    received: Vec<u8>,
    context: Context,
}

fn plain(sent: impl Into<Vec<u8>>, received: impl Into<Vec<u8>>) -> Fixture {
    Fixture { sent: sent.into(), received: received.into(), context: Context::default() }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491u32;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[1]
    })
    .take(len)
    .collect()
}

fn lines_of_text() -> Vec<u8> {
    (0..200).flat_map(|n| format!("{n}: the quick brown fox, na\u{ef}ve as ever\n").into_bytes()).collect()
}

/// `sent` with `header` between chunks.
fn chunked(sent: &[u8], size: usize, header: &[u8]) -> Vec<u8> {
    sent.chunks(size).collect::<Vec<_>>().join(header)
}

/// `sent` without the first `k` bytes of every chunk but the first, where a chunk is `size + k` long from there on.
fn eaten(sent: &[u8], size: usize, k: usize) -> Vec<u8> {
    let (first, mut rest) = sent.split_at(size);
    let mut kept = first.to_vec();
    while rest.len() > k {
        let end = (k + size).min(rest.len());
        kept.extend_from_slice(&rest[k..end]);
        rest = &rest[end..];
    }
    kept
}

fn swapped(bytes: &[u8], width: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    bytes
}

fn nals() -> [Vec<u8>; 3] {
    let body = |len| noise(len).into_iter().map(|byte| byte | 1).collect::<Vec<u8>>();
    [[vec![0x65], body(900)].concat(), [vec![0x41], body(300)].concat(), [vec![0x06], body(20)].concat()]
}

fn avcc(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
}

fn annexb(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], &nal[..]].concat()).collect()
}

fn flv_tag(body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [&[9], &len[1..], &[0, 0, 40, 0, 0, 0, 0], body, &(body.len() as u32 + 11).to_be_bytes()].concat()
}

/// A 7-byte ADTS header of AAC LC, 44.1 kHz, stereo (ISO/IEC 14496-3 1.A.2.2), and the frame.
fn adts(frame: &[u8]) -> Vec<u8> {
    let len = frame.len() + 7;
    let header = [0xff, 0xf1, 0x50, 0x80 | (len >> 11) as u8, (len >> 3) as u8, (len << 5) as u8 | 0x1f, 0xfc];
    [&header[..], frame].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

fn fixture(code: &str) -> Fixture {
    let s = noise(10_000);
    let text = lines_of_text();
    let mut changed = s.clone();
    match code {
        "px-headers-left" => plain(s.clone(), chunked(&s, 4096, &[0xc6])),
        "px-ext-left" => plain(s.clone(), chunked(&s, 128, &[0x01, 0, 0, 0x10])),
        "px-over-stripped" => plain(s.clone(), eaten(&s, 128, 4)),
        "px-stale-prefix" => {
            let context = Context { unfinished: vec![b"given up".to_vec()], ..Context::default() };
            Fixture { received: [b"given up", &s[..s.len() - 8]].concat(), sent: s, context }
        }
        "px-foreign-chunk" => {
            let audio = [&[0xaf, 1], &noise(300)[100..]].concat();
            let received = [&s[..4096], &audio, &s[4096..]].concat();
            Fixture { sent: s, received, context: Context { foreign: vec![audio], ..Context::default() } }
        }
        "px-crlf" => plain(text.clone(), String::from_utf8(text).expect("text").replace('\n', "\r\n")),
        "px-utf8-lossy" => plain(s.clone(), String::from_utf8_lossy(&s).into_owned()),
        "px-latin1-utf8" => plain(s.clone(), s.iter().map(|&byte| char::from(byte)).collect::<String>()),
        "px-utf8-latin1" => plain("na\u{ef}ve".repeat(9), b"na\xefve".repeat(9)),
        "px-7bit" => plain(s.clone(), s.iter().map(|byte| byte & 0x7f).collect::<Vec<_>>()),
        "px-swap16" => plain(s.clone(), swapped(&s, 2)),
        "px-swap32" => plain(s.clone(), swapped(&s, 4)),
        "px-swap64" => plain(s.clone(), swapped(&s, 8)),
        "px-xor" => plain(s.clone(), s.iter().map(|byte| byte ^ 0x55).collect::<Vec<_>>()),
        "px-add" => plain(s.clone(), s.iter().map(|byte| byte.wrapping_add(3)).collect::<Vec<_>>()),
        // As RFC 1866 8.2.1 decodes forms; and strings of wide characters.
        "px-substituted" => {
            plain(s.clone(), s.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect::<Vec<_>>())
        }
        "px-widened" => plain(s.clone(), s.iter().flat_map(|&byte| [byte, 0]).collect::<Vec<_>>()),
        // RFC 4648, section 10, and RFC 6455, section 5.7.
        "px-base64" => plain("foobar", "Zm9vYmFy"),
        "px-hex" => plain(*b"\xff\xd8\xff\xe0", "ffd8ffe0"),
        "px-xor-key" => plain(
            s.clone(),
            s.iter().zip([0x37, 0xfa, 0x21, 0x3d].iter().cycle()).map(|(s, k)| s ^ k).collect::<Vec<_>>(),
        ),
        "px-compressed" => plain(text.clone(), gzip(&text)),
        "px-avcc-annexb" => plain(avcc(&nals()), annexb(&nals())),
        "px-annexb-avcc" => plain(annexb(&nals()), avcc(&nals())),
        "px-epb" => plain(*b"\x65\x88\x00\x00\x03\x01\x7f\x11\x22", *b"\x65\x88\x00\x00\x01\x7f\x11\x22"),
        "px-adts" => plain(s[..500].to_vec(), adts(&s[..500])),
        "px-prefix-known" => plain(s.clone(), flv_tag(&s)),
        "px-header-dropped" => plain(flv_tag(&s), s),
        "px-split" => {
            let context = Context { boundaries: vec![3000, 7000], ..Context::default() };
            Fixture { received: s[3000..].to_vec(), sent: s, context }
        }
        "px-concat" => plain(s.clone(), s.repeat(2)),
        "px-stale-pad" => {
            let old = s.iter().map(|byte| !byte).collect::<Vec<_>>();
            let received = [&s[..6000], &old[6000..]].concat();
            Fixture { sent: s, received, context: Context { neighbours: vec![old], ..Context::default() } }
        }
        "px-trunc" => plain(s.clone(), s[..4096].to_vec()),
        "px-zero-pad" => plain(s.clone(), [&s[..6000], &[0; 4000]].concat()),
        "px-shift" => plain(s.clone(), s[5..].to_vec()),
        "px-insert" => plain(s.clone(), [&s[..777], b"what is this", &s[777..]].concat()),
        "px-delete" => plain(s.clone(), [&s[..777], &s[2225..]].concat()),
        "px-reorder" => {
            plain(s.clone(), [&s[..4096], &s[8192..], &s[4096..8192]].concat().into_iter().collect::<Vec<_>>())
                .reordered()
        }
        "px-bitflip" => {
            changed[5000] ^= 0x20;
            plain(s, changed)
        }
        "px-unrelated" => plain(s.clone(), s.iter().rev().map(|byte| byte.rotate_left(3)).collect::<Vec<_>>()),
        other => panic!("{other} has no fixture"),
    }
}

impl Fixture {
    /// Whole blocks only: 3 of 4096, the last two in the other order.
    fn reordered(self) -> Fixture {
        let sent = noise(3 * 4096);
        let received = [&sent[..4096], &sent[8192..], &sent[4096..8192]].concat();
        plain(sent, received)
    }
}

/// As much like the fixture as can be without being it.
fn near_miss(code: &str) -> Fixture {
    let Fixture { sent, mut received, context } = fixture(code);
    let with = |received: Vec<u8>| Fixture { sent: sent.clone(), received, context: context.clone() };
    match code {
        // One byte at the second boundary is another.
        "px-headers-left" | "px-ext-left" => {
            let second = if code == "px-ext-left" { 128 + 4 + 128 } else { 4096 + 1 + 4096 };
            received[second] = 0x47;
            with(received)
        }
        // Cut at other places each time.
        "px-over-stripped" => with([&sent[..128], &sent[132..300], &sent[304..]].concat()),
        // The unfinished message is another one.
        "px-stale-prefix" | "px-stale-pad" | "px-foreign-chunk" | "px-split" => {
            Fixture { context: Context::default(), ..with(received) }
        }
        // One line end was left alone.
        "px-crlf" => {
            received.remove(received.len() - 2);
            with(received)
        }
        // What was sent repeats: it is moved by one.
        "px-xor-key" => {
            let sent: Vec<u8> = b"live".repeat(100);
            plain(sent.clone(), [&sent[1..], b"l"].concat())
        }
        // Other bytes, which are no base64, no digits, and nothing compressed.
        "px-base64" => plain("foobar", "Zm9vYm=="),
        "px-hex" => plain(*b"\xff\xd8\xff\xe0", "ffd8ffe1"),
        "px-avcc-annexb" => plain(avcc(&nals()), annexb(&nals()[..2])),
        "px-annexb-avcc" => plain(annexb(&nals()), avcc(&nals()[1..])),
        // 03 is gone where it prevents nothing.
        "px-epb" => plain(*b"\x65\x88\x00\x03\x01\x7f\x11\x22", *b"\x65\x88\x00\x01\x7f\x11\x22"),
        // The length in the header is another one.
        "px-adts" | "px-prefix-known" => {
            received[if code == "px-adts" { 4 } else { 2 }] ^= 1;
            with(received)
        }
        "px-header-dropped" => plain([b"eleven byte", &received[..]].concat(), received),
        "px-concat" => {
            received.truncate(sent.len());
            received.extend(noise(500).iter().rev());
            with(received)
        }
        "px-trunc" => {
            received[4000] ^= 1;
            with(received)
        }
        // A zero in the last byte alone is no padding.
        "px-zero-pad" => {
            let last = sent.len() - 1;
            with([&sent[..last], &[0]].concat())
        }
        "px-shift" => with([&sent[5..], &sent[..4]].concat()),
        "px-insert" => with([&received[..], b"!"].concat()),
        "px-delete" => with(received[..received.len() - 1].to_vec()),
        "px-reorder" => {
            received[5000] ^= 1;
            with(received)
        }
        // Every byte changes.
        "px-bitflip" => with(sent.iter().enumerate().map(|(i, byte)| byte ^ (1 << (i % 7))).collect()),
        // A stretch of it is there.
        "px-unrelated" => {
            received[3000..3200].copy_from_slice(&sent[500..700]);
            with(received)
        }
        // For what changes every byte: one byte in the middle is another.
        _ => {
            let middle = received.len() / 2;
            received[middle] ^= 0x41;
            with(received)
        }
    }
}

impl Fixture {
    fn first(&self) -> Option<(&'static Rule, PayloadClaim)> {
        explain_payload(&Case::with_context(&self.sent, &self.received, Cow::Borrowed(&self.context)))
    }

    fn fires(&self, rule: &Rule) -> Option<PayloadClaim> {
        let check = rule.check.payload()?;
        check(&Case::with_context(&self.sent, &self.received, Cow::Borrowed(&self.context)))
    }
}

fn payload_rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().filter(|rule| rule.check.payload().is_some())
}

#[test]
fn every_rule_is_the_first_to_fire_on_its_fixture() {
    for rule in payload_rules() {
        let fixture = fixture(rule.code);
        let (first, finding) = fixture.first().unwrap_or_else(|| panic!("{}: nothing fires", rule.code));
        assert_eq!(first.code, rule.code, "{}", finding.title);
        assert!(
            finding.sent.end <= fixture.sent.len() && finding.received.end <= fixture.received.len(),
            "{}",
            rule.code
        );
        for text in [&finding.title, &finding.why, &finding.fix] {
            assert!(!text.trim().is_empty() && !text.contains("  "), "{}: {text:?}", rule.code);
        }
        assert!(finding.places > 0);
    }
}

#[test]
fn no_rule_fires_on_its_near_miss() {
    for rule in payload_rules() {
        let finding = near_miss(rule.code).fires(rule);
        assert!(finding.is_none(), "{}: {}", rule.code, finding.map(|finding| finding.why).unwrap_or_default());
    }
}

#[test]
fn no_rule_fires_on_equal_bytes() {
    for bytes in [noise(5000), lines_of_text(), avcc(&nals()), vec![0; 300], Vec::new(), vec![7]] {
        assert!(plain(bytes.clone(), bytes.clone()).first().is_none());
    }
}

#[test]
fn every_entry_is_complete() {
    let mut codes: Vec<_> = RULES.iter().map(|rule| rule.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), RULES.len(), "codes are unique");
    let mut wrong: Vec<String> = Vec::new();
    for rule in RULES.iter() {
        let kebab = rule
            .code
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert!(kebab, "{}", rule.code);
        assert!(!rule.modes.is_empty(), "{}", rule.code);
        assert!(
            rule.title.starts_with(char::is_lowercase) || rule.title.starts_with(char::is_uppercase),
            "{}",
            rule.code
        );
        assert!(!rule.title.ends_with('.'), "{}", rule.code);
        for (heading, text) in rule.page.sections() {
            if text.len() <= 15 || !text.is_ascii() {
                wrong.push(format!("{}: {heading} is empty, or does not fit every terminal", rule.code));
            }
        }
        for line in rule.page.looks.lines().filter(|line| Page::is_set(line) && line.len() > 76) {
            wrong.push(format!("{}: does not fit 80 columns: {line}", rule.code));
        }
        let hex = rule
            .page
            .looks
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if hex.count() < 3 {
            wrong.push(format!("{}: the page shows no bytes", rule.code));
        }
        assert_eq!(find(rule.code).map(|found| found.code), Some(rule.code));
        if !search(rule.title).rules.iter().any(|found| found.code == rule.code)
            || search(rule.code).rules.first().map(|found| found.code) != Some(rule.code)
        {
            wrong.push(format!("{}: not found by its title or its code", rule.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for transform in TRANSFORMS.iter().copied().flatten() {
        assert!(find(transform.rule).is_some(), "{}", transform.rule);
    }
}

#[test]
fn the_finding_names_the_numbers() {
    let cut = |received: Vec<u8>| plain(noise(10_000), received).first().expect("one fires");
    let (rule, finding) = cut(chunked(&noise(10_000), 4096, &[0xc6]));
    assert_eq!((rule.code, finding.certainty, finding.places), ("px-headers-left", Certainty::Certain, 2));
    assert_eq!((finding.received, finding.sent), (4096..4097, 4096..4096));
    assert!(finding.title.contains("0xC6 (type 3, chunk stream 6)"), "{}", finding.title);

    // The reader took as many bytes as the message has, headers and all.
    let (rule, finding) = cut(chunked(&noise(10_000), 4096, &[0xc6])[..10_000].to_vec());
    assert_eq!((rule.code, finding.certainty), ("px-headers-left", Certainty::Certain));
    assert!(finding.why.contains("the last 2 payload bytes are missing"), "{}", finding.why);

    // Chunk stream 320 has 3-byte headers, the id in them is little-endian: 320 = 64 + 0 + 256.
    let (_, finding) = cut(chunked(&noise(10_000), 1000, &[0xc1, 0x00, 0x01]));
    assert!(finding.title.contains("chunk stream 320"), "{}", finding.title);

    // A body that begins with five bytes of tag header, which is not in the file.
    let body = [&[0x17, 1, 0, 0, 0], &noise(10_000)[..]].concat();
    let (rule, finding) = cut(chunked(&body, 4096, &[0xc4])[5..].to_vec());
    assert_eq!((rule.code, finding.received), ("px-headers-left", 4091..4092));
    assert!(finding.why.contains("5 bytes shorter"), "{}", finding.why);

    let (_, finding) = cut(noise(10_000)[..128].to_vec());
    assert!(finding.why.contains("the default chunk size"), "{}", finding.why);
    let long = noise(70_000);
    let (_, finding) = plain(long.clone(), &long[..70_000 - 65_536]).first().expect("it is cut");
    assert!(finding.why.contains("16 bits"), "{}", finding.why);
}

#[test]
fn variants_have_the_name_of_their_rule() {
    let s = noise(3000);
    let text = lines_of_text();
    let doubled: String = s.iter().map(|&byte| char::from(byte)).collect();
    let aud = [&annexb(&[vec![0x09, 0xf0]]), &annexb(&nals())[..]].concat();
    let three: Vec<u8> = nals().iter().flat_map(|nal| [&[0, 0, 1], &nal[..]].concat()).collect();
    let frames = [&s[..400], &s[400..900], &s[900..1111]];
    for (code, sent, received) in [
        ("px-crlf", String::from_utf8(text.clone()).expect("text").replace('\n', "\r\n").into_bytes(), text.clone()),
        ("px-utf8-lossy", s.clone(), String::from_utf8_lossy(&s).replace('\u{fffd}', "").into_bytes()),
        ("px-utf8-lossy", s.clone(), s.iter().map(|&byte| if byte < 128 { byte } else { b'?' }).collect()),
        ("px-latin1-utf8", s.clone(), doubled.bytes().map(char::from).collect::<String>().into_bytes()),
        ("px-latin1-utf8", b"\x80\x93 A".to_vec(), "\u{20ac}\u{201c} A".into()),
        ("px-ext-left", s.clone(), chunked(&s, 128, &[0xc4, 0x01, 0, 0, 0x10])),
        ("px-over-stripped", s.clone(), eaten(&s, 128, 1)),
        ("px-over-stripped", s.clone(), eaten(&s, 128, 11)),
        ("px-swap32", s[..2999].to_vec(), swapped(&s[..2999], 4)),
        ("px-avcc-annexb", avcc(&nals()), aud),
        ("px-avcc-annexb", avcc(&nals()), three),
        ("px-epb", b"\x65\x00\x00\x01\x22".to_vec(), b"\x65\x00\x00\x03\x01\x22".to_vec()),
        ("px-adts", s[..1111].to_vec(), frames.iter().flat_map(|frame| adts(frame)).collect()),
        ("px-adts", frames.iter().flat_map(|frame| adts(frame)).collect(), s[..1111].to_vec()),
        ("px-prefix-known", s[..2000].to_vec(), [&[0xaf, 1], &s[..2000]].concat()),
        ("px-prefix-known", s[..2000].to_vec(), [&[6, 0, 0, 0, 0, 7, 0xd0, 9, 1, 0, 0, 0], &s[..2000]].concat()),
        ("px-shift", s.clone(), [&[1, 2], &s[..2998]].concat()),
        ("px-compressed", gzip(&text), text),
        ("px-base64", b"Zm9vYmFy\n".to_vec(), b"foobar".to_vec()),
        ("px-trunc", s.clone(), Vec::new()),
        ("px-insert", Vec::new(), s[..20].to_vec()),
        ("px-trunc", vec![1], Vec::new()),
        ("px-insert", Vec::new(), vec![1]),
    ] {
        let first = plain(sent, received).first();
        assert_eq!(
            first.as_ref().map(|(rule, _)| rule.code),
            Some(code),
            "{:?}",
            first.map(|(_, finding)| finding.title)
        );
    }
}

/// Something to send: noise, text with lines, or NAL units with lengths.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let noise = proptest::collection::vec(any::<u8>(), 600..3000);
    let text = proptest::collection::vec("[a-zA-Z ,;.\u{e4}\u{f6}]{3,60}\n", 40..80)
        .prop_map(|lines| lines.concat().into_bytes());
    let nal = (prop_oneof![Just(0x65u8), Just(0x41), Just(0x06)], proptest::collection::vec(any::<u8>(), 30..600));
    let avc = proptest::collection::vec(nal, 3..8).prop_map(|nals| {
        let nals: Vec<Vec<u8>> = nals
            .into_iter()
            .map(|(first, body)| [vec![first], body.into_iter().map(|b| b | 4).collect()].concat())
            .collect();
        avcc(&nals)
    });
    prop_oneof![noise, text, avc]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_first_hit_is_the_right_one(
        s in payloads(),
        which in 0usize..20,
        (a, b) in (0.02f64..0.98, 0.1f64..0.9),
        byte in 1u8..=255,
        csid in 2u8..64,
    ) {
        let at = (s.len() as f64 * a) as usize;
        let len = 1 + ((s.len() - at - 1) as f64 * b) as usize;
        let size = 50 + (s.len() as f64 * b / 4.0) as usize;
        let key: Vec<u8> = (0..4u8).map(|i| byte.rotate_left(i.into()).wrapping_add(i * 29)).collect();
        let (codes, received): (&[&str], Vec<u8>) = match which {
            0 => (&["px-headers-left"], chunked(&s, size, &[0xc0 | csid])),
            1 => (&["px-headers-left"], chunked(&s, size, &[0xc0, byte])),
            2 => (&["px-headers-left"], chunked(&s, size, &[0xc0 | csid])[..s.len()].to_vec()),
            3 => (&["px-ext-left"], chunked(&s, size, &[0xc0 | csid, byte, 0, byte, 1])),
            4 => (&["px-over-stripped"], eaten(&s, size, [1, 3, 4, 7, 11][at % 5])),
            5 => (&["px-crlf"], s.iter().flat_map(|&b| if b == 10 { vec![13, 10] } else { vec![b] }).collect()),
            6 => (&["px-utf8-lossy"], String::from_utf8_lossy(&s).into_owned().into_bytes()),
            7 => (&["px-latin1-utf8"], s.iter().map(|&b| char::from(b)).collect::<String>().into_bytes()),
            8 => (&["px-7bit"], s.iter().map(|b| b & 0x7f).collect()),
            9 => (&["px-swap16"], swapped(&s, 2)),
            10 => (&["px-swap32"], swapped(&s, 4)),
            11 => (&["px-xor"], s.iter().map(|b| b ^ byte).collect()),
            // Adding 80 is flipping the highest bit.
            12 => (if byte == 0x80 { &["px-xor"] } else { &["px-add"] }, s.iter().map(|b| b.wrapping_add(byte)).collect()),
            // A key that repeats within itself is a shorter one.
            13 => (&["px-xor-key", "px-xor"], s.iter().zip(key.iter().cycle()).map(|(s, k)| s ^ k).collect()),
            14 => (&["px-trunc"], s[..at].to_vec()),
            15 => (&["px-zero-pad"], [&s[..at], &vec![0; s.len() - at]].concat()),
            // One byte put in or left out where a chunk could end is a header with one boundary: a likely one.
            16 => (&["px-insert", "px-headers-left"], [&s[..at], &vec![byte; len], &s[at..]].concat()),
            17 => (&["px-delete", "px-over-stripped", "px-trunc"], [&s[..at], &s[at + len..]].concat()),
            // The first five bytes may look like the header of a tag.
            18 => (&["px-shift", "px-header-dropped"], s[5..].to_vec()),
            _ => (&["px-bitflip"], {
                let mut r = s.clone();
                r[at] ^= 1 << (byte % 8);
                r
            }),
        };
        let first = plain(s.clone(), received.clone()).first();
        if s == received {
            prop_assert!(first.is_none());
        } else {
            let (rule, finding) = first.expect("something fires");
            prop_assert!(codes.contains(&rule.code), "{} instead of {codes:?}: {}", rule.code, finding.why);
            if rule.code != codes[0] && codes.len() == 2 && which == 16 {
                prop_assert_ne!(finding.certainty, Certainty::Certain);
            }
        }
    }

    #[test]
    fn nothing_panics_on_any_two_strings(
        sent in proptest::collection::vec(any::<u8>(), 0..80),
        received in proptest::collection::vec(any::<u8>(), 0..80),
        other in proptest::collection::vec(any::<u8>(), 0..20),
        at in 0usize..80,
    ) {
        let context = Context {
            boundaries: vec![at],
            unfinished: vec![other.clone()],
            neighbours: vec![other.clone()],
            foreign: vec![other],
        };
        for (sent, received) in [(&sent, &received), (&sent, &[&sent[..], &received].concat())] {
            let case = Case::with_context(sent, received, Cow::Borrowed(&context));
            for rule in RULES.iter() {
                let check = rule.check.payload();
                if case.differs() && let Some(finding) = check.and_then(|check| check(&case)) {
                    prop_assert!(finding.sent.end <= sent.len() && finding.received.end <= received.len());
                }
            }
        }
    }
}
