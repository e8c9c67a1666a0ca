//! What ClientHello, ServerHello and EncryptedExtensions say.
//!
//! Takes the payloads of handshake records, gives the messages that decryption and people need. tls-parser reads the
//! messages. Source: RFC 8446 4.1, RFC 5246 7.4.1, RFC 6066 3 (names), RFC 7301 (ALPN), RFC 7366 (encrypt-then-MAC).

use tls_parser::{
    TlsExtension, parse_tls_extension, parse_tls_handshake_client_hello, parse_tls_handshake_server_hello,
};

/// A ClientHello.
#[derive(Clone, Debug)]
pub(super) struct ClientHello {
    pub random: [u8; 32],
    /// The newest version it offers.
    pub version: u16,
    pub server_name: Option<String>,
    pub alpn: Vec<String>,
    pub early_data: bool,
}

/// A ServerHello.
#[derive(Clone, Debug)]
pub(super) struct ServerHello {
    pub random: [u8; 32],
    pub version: u16,
    pub cipher: u16,
    pub alpn: Option<String>,
    pub encrypt_then_mac: bool,
}

/// SHA-256 of "HelloRetryRequest": a ServerHello with this random asks for another ClientHello (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

impl ClientHello {
    pub fn read(body: &[u8]) -> Option<ClientHello> {
        let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
        let mut read = ClientHello {
            random: hello.random.try_into().ok()?,
            version: hello.version.0,
            server_name: None,
            alpn: Vec::new(),
            early_data: false,
        };
        for extension in extensions(hello.ext.unwrap_or_default()) {
            match extension {
                TlsExtension::SNI(names) => read.server_name = names.first().map(|(_, name)| text(name)),
                TlsExtension::ALPN(names) => read.alpn = names.into_iter().map(text).collect(),
                TlsExtension::EarlyData(_) => read.early_data = true,
                TlsExtension::SupportedVersions(versions) => {
                    // Versions that nobody knows are there to be passed over (RFC 8701).
                    let known = versions.iter().map(|version| version.0).filter(|version| *version <= 0x0304);
                    read.version = known.max().unwrap_or(read.version);
                }
                _ => {}
            }
        }
        Some(read)
    }
}

impl ServerHello {
    pub fn read(body: &[u8]) -> Option<ServerHello> {
        let (_, hello) = parse_tls_handshake_server_hello(body).ok()?;
        let mut read = ServerHello {
            random: hello.random.try_into().ok()?,
            version: hello.version.0,
            cipher: hello.cipher.0,
            alpn: None,
            encrypt_then_mac: false,
        };
        for extension in extensions(hello.ext.unwrap_or_default()) {
            match extension {
                TlsExtension::ALPN(names) => read.alpn = names.into_iter().map(text).next(),
                TlsExtension::EncryptThenMac => read.encrypt_then_mac = true,
                TlsExtension::SupportedVersions(versions) => {
                    read.version = versions.first().map_or(read.version, |version| version.0);
                }
                _ => {}
            }
        }
        Some(read)
    }

    pub fn is_retry(&self) -> bool {
        self.random == RETRY
    }
}

/// What EncryptedExtensions say: the protocol chosen, and whether early data is accepted.
pub(super) fn encrypted_extensions(body: &[u8]) -> (Option<String>, bool) {
    let (mut alpn, mut early) = (None, false);
    for extension in extensions(body.get(2..).unwrap_or_default()) {
        match extension {
            TlsExtension::ALPN(names) => alpn = names.into_iter().map(text).next(),
            TlsExtension::EarlyData(_) => early = true,
            _ => {}
        }
    }
    (alpn, early)
}

/// The extensions that can be read: one that cannot does not hide those after it.
fn extensions(mut bytes: &[u8]) -> impl Iterator<Item = TlsExtension<'_>> {
    std::iter::from_fn(move || {
        loop {
            let &[_, _, high, low] = bytes.first_chunk()?;
            let len = 4 + usize::from(u16::from_be_bytes([high, low]));
            let (this, rest) = bytes.split_at_checked(len)?;
            bytes = rest;
            if let Ok((_, extension)) = parse_tls_extension(this) {
                return Some(extension);
            }
        }
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Handshake messages, put together from records.
#[derive(Debug, Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    /// Bytes of a message that is passed over.
    skip: usize,
}

/// The longest message that is kept, in bytes: a hello is shorter, certificates need not be read.
const LONGEST: usize = 64 << 10;

impl Messages {
    pub fn push(&mut self, payload: &[u8]) {
        let skipped = self.skip.min(payload.len());
        self.skip -= skipped;
        self.bytes.extend_from_slice(&payload[skipped..]);
    }

    /// The next whole message: its type and its body.
    pub fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let &[kind, high, middle, low] = self.bytes.first_chunk()?;
        let len = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
        if len > LONGEST {
            self.skip = len.saturating_sub(self.bytes.len());
            self.bytes.drain(..len.min(self.bytes.len()));
            return Some((kind, Vec::new()));
        }
        let body = self.bytes.get(4..len)?.to_vec();
        self.bytes.drain(..len);
        Some((kind, body))
    }
}

/// Handshake types (RFC 8446 4).
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const END_OF_EARLY_DATA: u8 = 5;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(super) const KEY_UPDATE: u8 = 24;
