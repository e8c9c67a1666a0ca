//! From secrets to plaintext: key schedules and record protection.
//!
//! Takes a cipher suite and secrets, gives an [`Opener`] that decrypts one record and checks that it is authentic. The
//! ciphers are RustCrypto's. Source: RFC 8446 5.2, 7.1 and 7.2 (TLS 1.3), RFC 5246 5 and 6.2.3 (TLS 1.2), RFC 5288 (GCM),
//! RFC 7905 (ChaCha20-Poly1305), RFC 7366 (encrypt-then-MAC).

use aes_gcm::aead::{AeadInOut, KeyInit};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherMac, TlsCipherSuite, TlsPRF};

use super::keylog::Secret;

/// A cipher suite whose records can be opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    cipher: Cipher,
    hash: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha,
    /// AES-CBC: the key's length, and the hash of the MAC.
    Cbc(usize, Hash),
}

/// A hash function, of MACs and key schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
}

/// The suite's name in IANA's registry.
pub(super) fn name(id: u16) -> Option<&'static str> {
    TlsCipherSuite::from_id(id).map(|suite| suite.name)
}

impl Suite {
    pub fn of(id: u16) -> Option<Suite> {
        let suite = TlsCipherSuite::from_id(id)?;
        let mac = match suite.mac {
            TlsCipherMac::HmacSha1 => Some(Hash::Sha1),
            TlsCipherMac::HmacSha256 => Some(Hash::Sha256),
            TlsCipherMac::HmacSha384 => Some(Hash::Sha384),
            _ => None,
        };
        let cipher = match (suite.enc, suite.enc_mode, suite.enc_size) {
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => Cipher::Aes128Gcm,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => Cipher::Aes256Gcm,
            (TlsCipherEnc::Chacha20_Poly1305, ..) => Cipher::ChaCha,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, size @ (128 | 256)) => Cipher::Cbc(usize::from(size / 8), mac?),
            _ => return None,
        };
        let is_sha384 = suite.prf == TlsPRF::Sha384 || suite.name.ends_with("SHA384");
        Some(Suite { cipher, hash: if is_sha384 { Hash::Sha384 } else { Hash::Sha256 } })
    }

    /// TLS 1.3: the keys of a traffic secret.
    pub fn open_with(self, secret: &[u8]) -> Option<Opener> {
        let key = self.expand_label(secret, b"key", self.key_len())?;
        let iv: [u8; 12] = self.expand_label(secret, b"iv", 12)?.try_into().ok()?;
        Some(Opener::Tls13 { aead: Aead::new(self.cipher, &key)?, iv })
    }

    /// TLS 1.3: the traffic secret after a key update.
    pub fn next_secret(self, secret: &[u8]) -> Option<Secret> {
        self.expand_label(secret, b"traffic upd", secret.len())
    }

    /// TLS 1.2: the keys of both directions.
    pub fn open_both(self, master: &[u8], randoms: [&[u8; 32]; 2], encrypt_then_mac: bool) -> Option<[Opener; 2]> {
        let (mac_len, iv_len) = match self.cipher {
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => (0, 4),
            Cipher::ChaCha => (0, 12),
            Cipher::Cbc(_, mac) => (mac.len(), 0),
        };
        let key_len = self.key_len();
        let [client, server] = randoms;
        let seed = [b"key expansion", &server[..], &client[..]].concat();
        let block = self.hash.prf(master, &seed, 2 * (mac_len + key_len + iv_len));
        let (macs, rest) = block.split_at(2 * mac_len);
        let (keys, ivs) = rest.split_at(2 * key_len);
        let of = |side: usize| {
            let [mac, key, iv] =
                [(macs, mac_len), (keys, key_len), (ivs, iv_len)].map(|(all, len)| &all[side * len..][..len]);
            Some(match self.cipher {
                Cipher::Cbc(_, hash) => Opener::Cbc { key: key.to_vec(), mac: mac.to_vec(), hash, encrypt_then_mac },
                Cipher::ChaCha => Opener::ChaCha { aead: Aead::new(self.cipher, key)?, iv: iv.try_into().ok()? },
                _ => Opener::Gcm { aead: Aead::new(self.cipher, key)?, salt: iv.try_into().ok()? },
            })
        };
        Some([of(0)?, of(1)?])
    }

    fn key_len(self) -> usize {
        match self.cipher {
            Cipher::Aes128Gcm => 16,
            Cipher::Aes256Gcm | Cipher::ChaCha => 32,
            Cipher::Cbc(len, _) => len,
        }
    }

    /// HKDF-Expand-Label with an empty context (RFC 8446 7.1).
    fn expand_label(self, secret: &[u8], label: &[u8], len: usize) -> Option<Vec<u8>> {
        let length = (len as u16).to_be_bytes();
        let info = [&length[..], &[6 + label.len() as u8], b"tls13 ", label, &[0]].concat();
        let mut out = vec![0; len];
        match self.hash {
            Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand(&info, &mut out).ok()?,
            _ => Hkdf::<Sha256>::from_prk(secret).ok()?.expand(&info, &mut out).ok()?,
        }
        Some(out)
    }
}

impl Hash {
    fn len(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
        }
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn of<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Hash::Sha1 => of::<Hmac<Sha1>>(key, parts),
            Hash::Sha256 => of::<Hmac<Sha256>>(key, parts),
            Hash::Sha384 => of::<Hmac<Sha384>>(key, parts),
        }
    }

    /// The pseudorandom function of TLS 1.2; `seed` begins with the label (RFC 5246 5).
    fn prf(self, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut a = self.hmac(secret, &[seed]);
        while out.len() < len {
            out.extend(self.hmac(secret, &[&a, seed]));
            a = self.hmac(secret, &[&a]);
        }
        out.truncate(len);
        out
    }
}

/// A cipher that authenticates.
pub(super) enum Aead {
    Aes128(Box<aes_gcm::Aes128Gcm>),
    Aes256(Box<aes_gcm::Aes256Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
}

impl Aead {
    fn new(cipher: Cipher, key: &[u8]) -> Option<Aead> {
        Some(match cipher {
            Cipher::Aes128Gcm => Aead::Aes128(Box::new(KeyInit::new_from_slice(key).ok()?)),
            Cipher::Aes256Gcm => Aead::Aes256(Box::new(KeyInit::new_from_slice(key).ok()?)),
            _ => Aead::ChaCha(Box::new(KeyInit::new_from_slice(key).ok()?)),
        })
    }

    /// Decrypts in place, and takes the tag off.
    fn open(&self, nonce: [u8; 12], aad: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
        let nonce = nonce.into();
        match self {
            Aead::Aes128(aead) => aead.decrypt_in_place(&nonce, aad, bytes),
            Aead::Aes256(aead) => aead.decrypt_in_place(&nonce, aad, bytes),
            Aead::ChaCha(aead) => aead.decrypt_in_place(&nonce, aad, bytes),
        }
        .ok()
    }
}

/// The keys of one direction, for as long as they are used.
pub(super) enum Opener {
    /// TLS 1.3.
    Tls13 { aead: Aead, iv: [u8; 12] },
    /// TLS 1.2, AES-GCM: half of the nonce is in the record.
    Gcm { aead: Aead, salt: [u8; 4] },
    /// TLS 1.2, ChaCha20-Poly1305.
    ChaCha { aead: Aead, iv: [u8; 12] },
    /// TLS 1.2, AES-CBC with an HMAC.
    Cbc { key: Vec<u8>, mac: Vec<u8>, hash: Hash, encrypt_then_mac: bool },
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener")
    }
}

/// A record as it is in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// Type, version, length.
    pub header: [u8; 5],
    pub body: &'a [u8],
}

/// What was in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// The content's type.
    pub kind: u8,
    /// Where in the record's body the ciphertext of the first byte is; the others follow it.
    pub at: usize,
}

impl Opener {
    /// Decrypts a record into `out`, if it is the one with this sequence number and authentic.
    pub fn open(&self, seq: u64, record: Record<'_>, out: &mut Vec<u8>) -> Option<Opened> {
        out.clear();
        let Record { header, body } = record;
        match self {
            Opener::Tls13 { aead, iv } => {
                if header[0] != APPLICATION_DATA {
                    return None;
                }
                out.extend_from_slice(body);
                aead.open(nonce(iv, seq), &header, out)?;
                // The type is the last byte that is not zero (RFC 8446 5.4).
                let len = out.iter().rposition(|&byte| byte != 0)?;
                let kind = out[len];
                out.truncate(len);
                Some(Opened { kind, at: 0 })
            }
            Opener::Gcm { aead, salt } => {
                let (explicit, sealed) = body.split_first_chunk::<8>()?;
                let mut nonce = [0; 12];
                nonce[..4].copy_from_slice(salt);
                nonce[4..].copy_from_slice(explicit);
                out.extend_from_slice(sealed);
                aead.open(nonce, &additional(seq, header, sealed.len().checked_sub(TAG)?), out)?;
                Some(Opened { kind: header[0], at: 8 })
            }
            Opener::ChaCha { aead, iv } => {
                out.extend_from_slice(body);
                aead.open(nonce(iv, seq), &additional(seq, header, body.len().checked_sub(TAG)?), out)?;
                Some(Opened { kind: header[0], at: 0 })
            }
            Opener::Cbc { key, mac, hash, encrypt_then_mac } => {
                let sealed = match encrypt_then_mac {
                    false => body,
                    true => {
                        let (sealed, tag) = body.split_at_checked(body.len().checked_sub(hash.len())?)?;
                        let expected = hash.hmac(mac, &[&additional(seq, header, sealed.len()), sealed]);
                        (expected == tag).then_some(sealed)?
                    }
                };
                let (iv, blocks) = sealed.split_first_chunk::<BLOCK>()?;
                out.extend_from_slice(blocks);
                decrypt_cbc(key, iv, out)?;
                let padding = 1 + usize::from(*out.last()?);
                let len = out.len().checked_sub(padding)?;
                if out[len..].iter().any(|&byte| usize::from(byte) + 1 != padding) {
                    return None;
                }
                out.truncate(len);
                if !encrypt_then_mac {
                    let len = len.checked_sub(hash.len())?;
                    let expected = hash.hmac(mac, &[&additional(seq, header, len), &out[..len]]);
                    if out[len..] != expected {
                        return None;
                    }
                    out.truncate(len);
                }
                Some(Opened { kind: header[0], at: BLOCK })
            }
        }
    }

    /// How much longer a record's body is than its content, if that is always the same. TLS 1.3 allows padding, and
    /// nobody is known to use it.
    pub fn overhead(&self) -> Option<usize> {
        match self {
            Opener::Tls13 { .. } => Some(TAG + 1),
            Opener::Gcm { .. } => Some(TAG + 8),
            Opener::ChaCha { .. } => Some(TAG),
            Opener::Cbc { .. } => None,
        }
    }

    /// The least that a record's body is longer than its content.
    pub fn least_overhead(&self) -> usize {
        match self {
            Opener::Cbc { hash, .. } => BLOCK + hash.len() + 1,
            _ => self.overhead().unwrap_or_default(),
        }
    }

    /// The part of the nonce that the record itself has. All known senders count with it.
    pub fn explicit(&self, body: &[u8]) -> Option<u64> {
        matches!(self, Opener::Gcm { .. }).then(|| body.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)))?
    }
}

fn decrypt_cbc(key: &[u8], iv: &[u8; BLOCK], bytes: &mut [u8]) -> Option<()> {
    match key.len() {
        16 => cbc::Decryptor::<aes::Aes128>::new_from_slices(key, iv).ok()?.decrypt_padded::<NoPadding>(bytes).ok()?,
        _ => cbc::Decryptor::<aes::Aes256>::new_from_slices(key, iv).ok()?.decrypt_padded::<NoPadding>(bytes).ok()?,
    };
    Some(())
}

/// The static part and the sequence number, combined (RFC 8446 5.3, RFC 7905 2).
fn nonce(iv: &[u8; 12], seq: u64) -> [u8; 12] {
    let mut nonce = *iv;
    nonce[4..].iter_mut().zip(seq.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
    nonce
}

/// What is authenticated besides the content (RFC 5246 6.2.3.3).
fn additional(seq: u64, header: [u8; 5], len: usize) -> [u8; 13] {
    let mut bytes = [0; 13];
    bytes[..8].copy_from_slice(&seq.to_be_bytes());
    bytes[8..11].copy_from_slice(&header[..3]);
    bytes[11..].copy_from_slice(&(len as u16).to_be_bytes());
    bytes
}

/// Content types (RFC 8446 5.1).
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;
/// The tag of all three authenticating ciphers, in bytes.
const TAG: usize = 16;
/// AES's block, in bytes.
const BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text.replace([' ', '\n'], "")).expect("hex")
    }

    /// RFC 8448 3, "{server} derive write traffic keys for application data" and "derive read traffic keys".
    #[test]
    fn keys_of_rfc_8448() {
        let suite = Suite::of(0x1301).expect("known");
        let secret =
            bytes("a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 43");
        assert_eq!(
            suite.expand_label(&secret, b"key", 16),
            Some(bytes("9f 02 28 3b 6c 9c 07 ef c2 6b b9 f2 ac 92 e3 56"))
        );
        assert_eq!(suite.expand_label(&secret, b"iv", 12), Some(bytes("cf 78 2b 88 dd 83 54 9a ad f1 e9 84")));
    }

    /// The vector for the PRF of TLS 1.2 with SHA-256 that was posted to the TLS working group's list.
    #[test]
    fn prf_with_sha256() {
        let secret = bytes("9b be 43 6b a9 40 f0 17 b1 76 52 84 9a 71 db 35");
        let seed = [&b"test label"[..], &bytes("a0 ba 9f 93 6c da 31 18 27 a6 f7 96 ff d5 19 8c")].concat();
        let expected =
            bytes("e3 f2 29 ba 72 7b e1 7b 8d 12 26 20 55 7c d4 53 c2 aa b2 1d 07 c3 d4 95 32 9b 52 d4 e6 1e db 5a");
        assert_eq!(Hash::Sha256.prf(&secret, &seed, 32), expected);
    }

    #[test]
    fn suites_by_number() {
        for (id, cipher, hash) in [
            (0x1301, Cipher::Aes128Gcm, Hash::Sha256),
            (0x1302, Cipher::Aes256Gcm, Hash::Sha384),
            (0x1303, Cipher::ChaCha, Hash::Sha256),
            (0xc02f, Cipher::Aes128Gcm, Hash::Sha256),
            (0x009d, Cipher::Aes256Gcm, Hash::Sha384),
            (0xccaa, Cipher::ChaCha, Hash::Sha256),
            (0x002f, Cipher::Cbc(16, Hash::Sha1), Hash::Sha256),
            (0x003d, Cipher::Cbc(32, Hash::Sha256), Hash::Sha256),
            (0xc028, Cipher::Cbc(32, Hash::Sha384), Hash::Sha384),
        ] {
            let suite = Suite::of(id).unwrap_or_else(|| panic!("{id:04x}"));
            assert_eq!((suite.cipher, suite.hash), (cipher, hash), "{id:04x} {:?}", name(id));
        }
        // CCM, Camellia, 3DES, RC4, and no such suite.
        for id in [0x1304, 0x0041, 0x000a, 0x0005, 0xfefe] {
            assert!(Suite::of(id).is_none(), "{id:04x}");
        }
    }
}
