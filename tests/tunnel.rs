//! What wraps a session is taken off, and nothing else changes.

mod http;
#[cfg(feature = "cli")]
mod keys;
pub mod tls;

use crate::kit::decoded::decode;
use crate::kit::edit::CLIENT;
use crate::kit::faults::Base;
use rtmp_inspect::tunnel::Version;

fn with_header(base: Base, header: &[u8]) -> Vec<u8> {
    let mut recording = base.recording();
    recording.handshake(CLIENT, 0).splice(..0, header.iter().copied());
    recording.pcap()
}

/// The addresses are the ones in the header, written from the specification (sections 2.1, 2.2).
#[test]
fn a_session_after_a_proxy_header_is_the_same_session() {
    let line = b"PROXY TCP4 203.0.113.7 192.0.2.2 40000 1935\r\n".to_vec();
    let binary = hex::decode("0d0a0d0a000d0a515549540a2111000ccb007107c00002029c40078f").expect("hex");
    for base in [Base::Own, Base::Ffmpeg, Base::Play] {
        let plain = base.recording().pcap();
        for (header, version) in [(&line, Version::V1), (&binary, Version::V2)] {
            let wrapped = with_header(base, header);
            let [wrapped, plain] = [&wrapped, &plain].map(|pcap| decode(pcap));
            assert_eq!(wrapped.messages, plain.messages, "{base:?} {version:?}");
            let proxy = wrapped.streams[0].proxy.expect("a header");
            assert_eq!((proxy.version, proxy.len), (version, header.len()));
            assert_eq!(proxy.source.expect("an address").to_string(), "203.0.113.7:40000");
            assert_eq!(proxy.destination.expect("an address").to_string(), "192.0.2.2:1935");
        }
        assert_eq!(decode(&plain).streams[0].proxy, None);
    }
}
