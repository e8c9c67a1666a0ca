//! TLS, on sessions of OpenSSL, GnuTLS, stunnel and nginx (`tests/e2e/tunnels/record.sh`) with the plain legs beside
//! them, and on what happens to captures: frames that are missing, bytes that are changed, keys that are.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::origin::{Form, Source};
use rtmp_inspect::packet::{self, Outcome, Slicer};
use rtmp_inspect::pipeline;
use rtmp_inspect::session;
use rtmp_inspect::streams::ConnectionSummary;
use rtmp_inspect::tcp::{self, Connection, ConnectionId, Endpoint, Gap, GapReason, Piece, Tracker};
use rtmp_inspect::tunnel::tls::{Decryption, EarlyData, KeyLog, MoreKeys};
use rtmp_inspect::tunnel::{self, Notice, Tls, Tunnels};

use crate::kit::decoded::{Decoded, decode, decode_with};
use crate::kit::recording::Silent;

/// What was asked of the two sides when each was recorded.
const RECORDED: &[(&str, &str, &str)] = &[
    ("ffmpeg_nginx", "1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("ffmpeg_stunnel", "1.3", "TLS_AES_256_GCM_SHA384"),
    ("rtmpts", "1.3", "TLS_AES_256_GCM_SHA384"),
    ("tls12_aes128_cbc_sha_etm", "1.2", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("tls12_aes256_cbc_sha", "1.2", "TLS_RSA_WITH_AES_256_CBC_SHA"),
    ("tls12_dhe_aes256_gcm", "1.2", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("tls12_ecdhe_aes128_cbc_sha256", "1.2", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    ("tls12_ecdhe_aes128_gcm", "1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("tls12_ecdhe_aes256_cbc_sha384_etm", "1.2", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    ("tls12_ecdhe_chacha20", "1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("tls12_renegotiation", "1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("tls12_rsa_aes256_gcm", "1.2", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    ("tls13_aes128_gcm", "1.3", "TLS_AES_128_GCM_SHA256"),
    ("tls13_aes256_gcm_update", "1.3", "TLS_AES_256_GCM_SHA384"),
    ("tls13_chacha20_padded", "1.3", "TLS_CHACHA20_POLY1305_SHA256"),
    ("tls13_early_data", "1.3", "TLS_AES_256_GCM_SHA384"),
    ("tls13_early_data_rejected", "1.3", "TLS_AES_256_GCM_SHA384"),
];

pub fn recorded(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/tunnels/{name}.pcapng.gz"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("gzip");
    plain
}

/// The connections with messages: those in a tunnel, and the others.
fn legs(decoded: &Decoded) -> (Vec<&ConnectionSummary>, Vec<&ConnectionSummary>) {
    let has_messages = |stream: &&ConnectionSummary| decoded.messages.contains_key(&(stream.tcp_stream.0, true));
    let is_in_tunnel = |stream: &&ConnectionSummary| stream.tls.is_some() || stream.rtmpt.is_some();
    decoded.streams.iter().filter(has_messages).partition(is_in_tunnel)
}

/// The messages of the tunnel are those of the plain leg. Where one leg was closed first, the last of the other are only
/// there: at most `MOST_EXTRA`.
pub fn assert_same_messages(name: &str, decoded: &Decoded, tunnel: u32, plain: u32) {
    const MOST_EXTRA: usize = 2;
    for from_client in [true, false] {
        let [inside, outside] = [tunnel, plain].map(|id| &decoded.messages[&(id, from_client)]);
        let common = inside.len().min(outside.len());
        assert!(common >= 5, "{name}: {common} messages");
        assert!(inside.len().abs_diff(outside.len()) <= MOST_EXTRA, "{name}: {} {}", inside.len(), outside.len());
        let first = (0..common).find(|&at| inside[at] != outside[at]);
        assert_eq!(first, None, "{name}, from the client: {from_client}");
    }
}

#[test]
fn messages_in_tls_are_those_of_the_plain_leg() {
    for &(name, version, cipher) in RECORDED {
        let decoded = decode(&recorded(name));
        let (tunnels, plain) = legs(&decoded);
        let tunnel = tunnels.iter().find(|stream| stream.tls.is_some()).unwrap_or_else(|| panic!("{name}: no TLS"));
        let other = plain.first().or(tunnels.iter().find(|stream| stream.tls.is_none()).as_ref().copied());
        let other = other.unwrap_or_else(|| panic!("{name}: no plain leg"));
        assert_same_messages(name, &decoded, tunnel.tcp_stream.0, other.tcp_stream.0);
        let tls = tunnel.tls.as_ref().expect("TLS");
        assert_eq!(tls.version.expect("known").to_string(), version, "{name}");
        assert_eq!(tls.cipher.expect("known").to_string(), cipher, "{name}");
        assert_eq!((tls.decryption, tls.records_lost), (Decryption::Keys, [0; 2]), "{name}");
        let early = match name {
            "tls13_early_data" => Some(EarlyData::Accepted),
            "tls13_early_data_rejected" => Some(EarlyData::Rejected),
            _ => None,
        };
        assert_eq!(tls.early_data, early, "{name}");
        let sni = ["tls12_ecdhe_aes128_gcm", "tls13_aes128_gcm"].contains(&name).then_some("live.example.org");
        assert_eq!(tls.server_name.as_deref(), sni, "{name}");
        let is_rtmpt = tunnel.rtmpt.is_some();
        assert_eq!(tunnel.protocol_name(), if is_rtmpt { "RTMPTS" } else { "RTMPS" }, "{name}");
    }
}

#[test]
fn without_keys_the_handshake_is_told_of() {
    // The sections of the file without the secrets: a plain pcap.
    let pcap = Edited::of("tls12_ecdhe_aes128_gcm").pcap();
    let decoded = decode(&pcap);
    let stream = &decoded.streams[0];
    let tls = stream.tls.as_ref().expect("TLS");
    assert_eq!(stream.protocol_name(), "TLS");
    assert_eq!(tls.decryption, Decryption::NoKeyLog);
    assert_eq!(
        (tls.server_name.as_deref(), &tls.alpn_offered[..]),
        (Some("live.example.org"), &["rtmp".to_owned()][..])
    );
    assert!(tls.to_string().contains("TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "{tls}");
    assert!(decoded.messages.is_empty());
    // A log of other connections.
    let other = options(&Edited::of("tls13_aes128_gcm").keys);
    let decoded = decode_with(&pcap, other);
    assert_eq!(decoded.streams[0].tls.as_ref().expect("TLS").decryption, Decryption::NotInKeyLog);
}

#[test]
fn what_is_no_rtmp_inside_is_named() {
    let decoded = decode(&recorded("https"));
    assert_eq!(decoded.streams[0].protocol_name(), "HTTP in TLS");
    assert!(decoded.messages.is_empty());
}

/// Keys that are found after they were first asked for, as in a log that grows.
#[test]
fn keys_may_come_after_the_handshake() {
    let edited = Edited::of("tls13_aes128_gcm");
    let whole = decode(&recorded("tls13_aes128_gcm"));
    let asked = std::sync::atomic::AtomicU32::new(0);
    let keys = edited.keys.clone();
    let more = MoreKeys::new(move || {
        if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 3 { keys.clone() } else { Vec::new() }
    });
    let tls = tunnel::tls::Options { keys: Arc::default(), more: Some(more) };
    let options = session::Options { tunnel: tunnel_options(tls), ..session::Options::default() };
    let later = decode_with(&edited.pcap(), options);
    assert_are_those_of_connection_1(&later, &whole);
}

/// Libraries write the secrets of the application data after those of the handshake, one direction's after the other's.
#[test]
fn a_secret_that_is_written_after_the_others_is_waited_for() {
    let edited = Edited::of("tls13_aes128_gcm");
    let whole = decode(&recorded("tls13_aes128_gcm"));
    for late in [&b"CLIENT_TRAFFIC"[..], b"SERVER_TRAFFIC"] {
        let of = |is_late: bool| -> Vec<u8> {
            lines(&edited.keys).filter(|line| line.starts_with(late) == is_late).flatten().copied().collect()
        };
        let run = |comes: bool| {
            let (asked, early, rest) = (std::sync::atomic::AtomicU32::new(0), of(false), of(true));
            let more = MoreKeys::new(move || match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => early.clone(),
                3 if comes => rest.clone(),
                _ => Vec::new(),
            });
            let tls = tunnel::tls::Options { keys: Arc::default(), more: Some(more) };
            let options = session::Options { tunnel: tunnel_options(tls), ..session::Options::default() };
            decode_with(&edited.pcap(), options)
        };
        assert_are_those_of_connection_1(&run(true), &whole);
        // One that never comes costs its direction only.
        let without = run(false);
        let other = late.starts_with(b"SERVER");
        assert!(without.messages.get(&(0, other)) == Some(&whole.messages[&(1, other)]));
    }
}

#[test]
fn the_secrets_of_the_handshake_are_not_needed() {
    let edited = Edited::of("tls13_aes128_gcm");
    let only: Vec<u8> = lines(&edited.keys).filter(|line| !contains(line, b"HANDSHAKE")).flatten().copied().collect();
    let decoded = decode_with(&edited.pcap(), options(&only));
    assert_are_those_of_connection_1(&decoded, &decode(&recorded("tls13_aes128_gcm")));
}

/// Of [`Edited`] captures, which have no other connection, the messages.
fn assert_are_those_of_connection_1(edited: &Decoded, whole: &Decoded) {
    for from_client in [true, false] {
        let is_same = edited.messages.get(&(0, from_client)) == Some(&whole.messages[&(1, from_client)]);
        assert!(is_same, "from the client: {from_client}");
    }
}

#[test]
fn a_wrong_or_missing_key_is_told_of_at_its_place() {
    for name in ["tls12_ecdhe_aes128_gcm", "tls12_aes256_cbc_sha", "tls13_aes128_gcm"] {
        let edited = Edited::of(name);
        let plain = edited.through(&edited.keys);
        let mut wrong = edited.keys.clone();
        for line in wrong.split_mut(|&byte| byte == b'\n').filter(|line| line.len() > 1) {
            let last = line.len() - 1;
            line[last] = if line[last] == b'0' { b'1' } else { b'0' };
        }
        let seen = edited.through(&wrong);
        for (way, inside) in &seen.inside {
            assert!(inside.pieces.is_empty(), "{name}");
            let gap = inside.gaps[0];
            assert_eq!((gap.offset, gap.reason, gap.exact), (0, GapReason::TlsKeyWrong, false), "{name} {way:?}");
        }
        assert_eq!(seen.tls[0].decryption, Decryption::WrongKeys, "{name}");
        // With the keys of one direction that one is read.
        let client: Vec<u8> =
            lines(&edited.keys).filter(|line| !line.starts_with(b"SERVER")).flatten().copied().collect();
        if name.starts_with("tls13") {
            let seen = edited.through(&client);
            let [of_client, of_server] = [edited.way(true), edited.way(false)];
            assert_eq!(seen.inside[&of_client].bytes(), plain.inside[&of_client].bytes());
            assert_eq!(seen.inside[&of_server].gaps[0].reason, GapReason::TlsKeyMissing);
            // With those of the handshake it is no other.
            let handshake: Vec<u8> =
                lines(&edited.keys).filter(|line| !line.starts_with(b"SERVER_TRAFFIC")).flatten().copied().collect();
            let seen = edited.through(&handshake);
            assert_eq!(seen.inside[&of_server].gaps[0].reason, GapReason::TlsKeyMissing);
        }
    }
}

/// The cipher suites whose contents are as long as their records tell.
const EXACT: &[&str] = &[
    "tls12_ecdhe_aes128_gcm",
    "tls12_ecdhe_chacha20",
    "tls13_aes128_gcm",
    "tls13_aes256_gcm_update",
    "tls13_early_data",
];
/// Those where they are not: what was lost is a guess, and what follows it is found all the same.
const INEXACT: &[&str] = &["tls12_aes256_cbc_sha", "tls12_ecdhe_aes256_cbc_sha384_etm", "tls13_chacha20_padded"];

/// A frame that the capture does not have: all else is at its place, and where the cipher tells how much was lost, the
/// gap has that length.
#[test]
fn a_missing_frame_costs_its_records_and_no_others() {
    let mut recovered = 0;
    for name in EXACT.iter().chain(INEXACT) {
        let edited = Edited::of(name);
        let whole = edited.through(&edited.keys);
        for frame in edited.data_frames() {
            let mut holey = edited.clone();
            holey.frames.remove(frame);
            let seen = holey.through(&edited.keys);
            for (way, inside) in &seen.inside {
                let truth = whole.inside[way].bytes();
                let is_exact = EXACT.contains(name) && inside.gaps.iter().all(|gap| gap.exact);
                for (offset, bytes, _) in &inside.pieces {
                    let at = *offset as usize;
                    match is_exact {
                        true => assert_eq!(truth.get(at..at + bytes.len()), Some(&bytes[..]), "{name} frame {frame}"),
                        false => assert!(contains(&truth, bytes), "{name} without frame {frame}: other bytes"),
                    }
                }
                let (lost, has): (u64, usize) = (
                    inside.gaps.iter().map(|gap| gap.len).sum(),
                    inside.pieces.iter().map(|piece| piece.1.len()).sum(),
                );
                if is_exact && !inside.gaps.is_empty() {
                    assert_eq!(lost as usize + has, truth.len(), "{name} without frame {frame}");
                    recovered += 1;
                }
                // No more than what was in the frame, and the records that it cut.
                assert!(has + 3200 >= truth.len(), "{name} without frame {frame}: {has} of {} bytes", truth.len());
            }
        }
    }
    assert!(recovered > 50, "{recovered}");
}

/// Several frames in a row: the number of records in the hole is not known, and found again.
#[test]
fn records_are_counted_again_after_a_long_hole() {
    for name in EXACT {
        let edited = Edited::of(name);
        let whole = edited.through(&edited.keys);
        let data = edited.data_frames();
        for count in [3, 8] {
            for start in (data.len() / 3..data.len() - count - 4).step_by(3) {
                let mut holey = edited.clone();
                let gone = &data[start..start + count];
                let mut number = 0;
                holey.frames.retain(|_| {
                    number += 1;
                    !gone.contains(&(number - 1))
                });
                let seen = holey.through(&edited.keys);
                // The client sends until the end; the last thing that the server sends is long before.
                let way = edited.way(true);
                let (inside, truth) = (&seen.inside[&way], whole.inside[&way].bytes());
                let last = inside.pieces.last().unwrap_or_else(|| panic!("{name}: nothing"));
                assert!(truth.ends_with(&last.1), "{name} without {gone:?}: the end was not found");
                if inside.gaps.iter().all(|gap| gap.exact) {
                    assert_eq!(last.0 as usize + last.1.len(), truth.len(), "{name} without {gone:?}");
                }
            }
        }
    }
}

/// Nothing is said to be absent that may be in a record that cannot be decrypted.
#[test]
fn a_call_in_a_changed_record_is_not_said_to_be_absent() {
    let edited = Edited::of("tls13_aes128_gcm");
    let mut bad = 0;
    for frame in edited.data_frames() {
        let mut changed = edited.clone();
        *changed.frames[frame].1.last_mut().expect("not empty") ^= 1;
        let mut codes = Vec::new();
        let rows = Rows::new(Selection::default(), |row, _| codes.extend(row.defects.iter().map(|defect| defect.code)));
        let mut capture = Capture::open(Cursor::new(changed.pcap()), capture::Limits::default()).expect("a capture");
        let limits = pipeline::Limits::default();
        pipeline::run(&mut capture, limits, options(&edited.keys), rows, &mut Silent).expect("readable");
        bad += codes.iter().filter(|&&code| code == "tls-record-bad").count();
        assert!(!codes.contains(&"answer-without-call"), "frame {frame}: {codes:?}");
    }
    assert!(bad > 10, "{bad}");
}

#[test]
fn a_changed_byte_costs_its_record() {
    for name in EXACT.iter().chain(INEXACT) {
        let edited = Edited::of(name);
        let whole = edited.through(&edited.keys);
        let mut bad = 0;
        for frame in edited.data_frames().into_iter().step_by(2) {
            let mut changed = edited.clone();
            *changed.frames[frame].1.last_mut().expect("not empty") ^= 1;
            let seen = changed.through(&edited.keys);
            for (way, inside) in &seen.inside {
                let truth = whole.inside[way].bytes();
                for gap in &inside.gaps {
                    assert_eq!(gap.reason, GapReason::TlsRecordBad, "{name} frame {frame}");
                    bad += 1;
                }
                if inside.gaps.iter().all(|gap| gap.exact) && EXACT.contains(name) {
                    for (offset, bytes, _) in &inside.pieces {
                        let at = *offset as usize;
                        assert_eq!(truth.get(at..at + bytes.len()), Some(&bytes[..]), "{name} frame {frame}");
                    }
                }
            }
        }
        assert!(bad > 5, "{name}: {bad}");
    }
}

/// A byte of a decrypted piece is in the frame and at the place in the file that its source has, inside the record that
/// it names: decrypting the file there by hand gives it (here: the ciphertext is as long, and where the record has it).
#[test]
fn decrypted_bytes_point_to_their_record() {
    for &(name, ..) in RECORDED {
        let file = recorded(name);
        let mut frames = BTreeMap::new();
        let mut capture = Capture::open(Cursor::new(file.clone()), capture::Limits::default()).expect("a capture");
        while let Some(event) = capture.next().expect("readable") {
            if let capture::Event::Frame(frame) = event {
                frames.insert(frame.number, frame.file_offset..frame.file_offset + frame.bytes.len() as u64);
            }
        }
        let seen = through(&file, KeyLog::default());
        let mut decrypted = 0;
        for inside in seen.inside.values() {
            for (_, bytes, sources) in &inside.pieces {
                for (index, &(start, source)) in sources.iter().enumerate() {
                    let end = sources.get(index + 1).map_or(bytes.len(), |next| next.0 as usize);
                    let range = source.file_offset..source.file_offset + (end - start as usize) as u64;
                    let frame = &frames[&source.frame];
                    assert!(frame.start <= range.start && range.end <= frame.end, "{name}: outside of its frame");
                    let Form::Decrypted { record } = source.form else {
                        let here = &file[range.start as usize..range.end as usize];
                        assert_eq!(here, &bytes[start as usize..end], "{name}");
                        continue;
                    };
                    let header = &file[record as usize..record as usize + 5];
                    assert_eq!(header[..3], [23, 3, 3], "{name}: no record there");
                    let len = u64::from(u16::from_be_bytes([header[3], header[4]]));
                    assert!(record + 5 <= range.start, "{name}");
                    // Its records here are in one frame each, or the frame continues one.
                    assert!(range.end <= record + 5 + len || !frame.contains(&record), "{name}: outside of its record");
                    assert!(source.packet >= source.frame, "{name}");
                    decrypted += bytes.len();
                }
            }
        }
        assert!(decrypted > 5000, "{name}: {decrypted}");
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

fn tunnel_options(tls: tunnel::tls::Options) -> tunnel::Options {
    tunnel::Options { tls }
}

fn options(keys: &[u8]) -> session::Options {
    let mut log = KeyLog::default();
    log.add(keys);
    let tls = tunnel::tls::Options { keys: Arc::new(log), more: None };
    session::Options { tunnel: tunnel_options(tls), ..session::Options::default() }
}

#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "`defects` is a test of the command"))]
/// Captures with each thing that can be wrong with records and keys, and the options to read them with.
pub fn damaged() -> Vec<(Vec<u8>, session::Options)> {
    let whole = Edited::of("tls13_aes128_gcm");
    let mut wrong = whole.keys.clone();
    for line in wrong.split_mut(|&byte| byte == b'\n').filter(|line| line.len() > 1) {
        let last = line.len() - 1;
        line[last] = if line[last] == b'0' { b'1' } else { b'0' };
    }
    let client: Vec<u8> = lines(&whole.keys).filter(|line| !line.starts_with(b"SERVER")).flatten().copied().collect();
    let data = whole.data_frames();
    let mut bad = whole.clone();
    *bad.frames[data[4]].1.last_mut().expect("not empty") ^= 1;
    // Nothing after the hole can be opened.
    let mut uncounted = whole.clone();
    for &frame in &data[5..] {
        *uncounted.frames[frame].1.last_mut().expect("not empty") ^= 1;
    }
    uncounted.frames.remove(data[4]);
    vec![
        (whole.pcap(), options(&wrong)),
        (whole.pcap(), options(&client)),
        (bad.pcap(), options(&whole.keys)),
        (uncounted.pcap(), options(&whole.keys)),
    ]
}

/// The frames of a capture, to be changed, and its keys.
#[derive(Clone)]
struct Edited {
    frames: Vec<(u64, Vec<u8>)>,
    keys: Vec<u8>,
    /// The connection in TLS, and its client.
    tls: (ConnectionId, Endpoint),
}

impl Edited {
    fn of(name: &str) -> Edited {
        let file = recorded(name);
        let (mut frames, mut keys) = (Vec::new(), Vec::new());
        let mut capture = Capture::open(Cursor::new(file.clone()), capture::Limits::default()).expect("a capture");
        while let Some(event) = capture.next().expect("readable") {
            match event {
                capture::Event::Frame(frame) => frames.push(((frame.time.0 / 1000) as u64, frame.bytes.to_vec())),
                capture::Event::Secrets(text) => keys.extend_from_slice(text),
                capture::Event::Warning(warning) => panic!("{warning}"),
                capture::Event::Bytes(_) => panic!("it has packets"),
                capture::Event::Note(_) => {}
            }
        }
        let seen = through(&file, KeyLog::default());
        let mut edited = Edited { frames, keys, tls: (ConnectionId(0), Endpoint::First) };
        // Only the connection in TLS: the others would hide what is lost.
        let port = seen.port;
        edited.frames.retain(|(_, bytes)| bytes[34..38].chunks(2).any(|end| end == port.to_be_bytes()));
        let seen = edited.through(&edited.keys);
        edited.tls = *seen.clients.last_key_value().map(|(id, client)| (*id, *client)).as_ref().expect("TLS");
        edited
    }

    fn way(&self, from_client: bool) -> (ConnectionId, Endpoint) {
        let (id, client) = self.tls;
        (id, if from_client { client } else { client.peer() })
    }

    /// The frames with application data, by their place.
    fn data_frames(&self) -> Vec<usize> {
        let is_data = |bytes: &[u8]| {
            let tcp = 34 + usize::from(bytes[46] >> 4) * 4;
            bytes.get(tcp..tcp + 3) == Some(&[23, 3, 3])
        };
        let all: Vec<_> = (0..self.frames.len()).filter(|&at| is_data(&self.frames[at].1)).collect();
        // Not the rest of the handshake, which is application data by its type too.
        all[6.min(all.len())..].to_vec()
    }

    fn pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            file.extend(word.to_le_bytes());
        }
        for (time, bytes) in &self.frames {
            let len = bytes.len() as u32;
            for word in [(time / 1_000_000) as u32, (time % 1_000_000) as u32, len, len] {
                file.extend(word.to_le_bytes());
            }
            file.extend(bytes);
        }
        file
    }

    fn through(&self, keys: &[u8]) -> Seen {
        let mut log = KeyLog::default();
        log.add(keys);
        through(&self.pcap(), log)
    }
}

/// What tunnels give of a capture's connections in TLS.
#[derive(Default)]
struct Seen {
    inside: BTreeMap<(ConnectionId, Endpoint), Inside>,
    clients: BTreeMap<ConnectionId, Endpoint>,
    tls: Vec<Tls>,
    port: u16,
}

/// Offset, bytes, and where they are.
type SeenPiece = (u64, Vec<u8>, Vec<(u32, Source)>);

#[derive(Default)]
struct Inside {
    pieces: Vec<SeenPiece>,
    gaps: Vec<Gap>,
    /// Where it continues.
    end: u64,
}

impl Inside {
    fn bytes(&self) -> Vec<u8> {
        assert!(self.gaps.is_empty());
        self.pieces.iter().flat_map(|piece| &piece.1).copied().collect()
    }
}

fn through(file: &[u8], keys: KeyLog) -> Seen {
    let mut capture = Capture::open(Cursor::new(file.to_vec()), capture::Limits::default()).expect("a capture");
    let (mut slicer, mut tracker) = (Slicer::new(packet::Limits::default()), Tracker::default());
    let options = tunnel_options(tunnel::tls::Options { keys: Arc::new(keys), more: None });
    let mut tunnels = Tunnels::new(options, Seen::default());
    while let Some(event) = capture.next().expect("readable") {
        match event {
            capture::Event::Secrets(text) => tunnels.secrets(text),
            capture::Event::Note(_) => {}
            capture::Event::Frame(frame) => {
                if let Outcome::Segment(segment) = slicer.segment(&frame) {
                    tracker.push(&segment, &mut tunnels);
                }
            }
            capture::Event::Warning(warning) => panic!("{warning}"),
            capture::Event::Bytes(_) => panic!("it has packets"),
        }
    }
    tracker.finish(&mut tunnels);
    tunnels.finish();
    let mut seen = tunnels.into_sink();
    let tls: Vec<_> = seen.clients.keys().copied().collect();
    seen.inside.retain(|(id, _), _| tls.contains(id));
    seen
}

impl tcp::Sink for Seen {
    fn opened(&mut self, _: &Connection) {}

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        let inside = self.inside.entry((connection.id, from)).or_default();
        assert_eq!(piece.offset, inside.end, "pieces and gaps follow each other");
        inside.end += piece.bytes.len() as u64;
        inside.pieces.push((piece.offset, piece.bytes.to_vec(), piece.sources.to_vec()));
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        let inside = self.inside.entry((connection.id, from)).or_default();
        assert_eq!(gap.offset, inside.end, "pieces and gaps follow each other");
        inside.end += gap.len;
        inside.gaps.push(gap);
    }

    fn closed(&mut self, _: &Connection) {}
}

impl tunnel::Sink for Seen {
    fn notice(&mut self, connection: &Connection, from: Endpoint, notice: Notice) {
        if let Notice::Tls(tls) = notice {
            self.clients.insert(connection.id, from);
            self.port = connection.endpoints[from.peer().index()].port();
            self.tls.retain(|known| known.client_random != tls.client_random);
            self.tls.push(*tls);
        }
    }
}
