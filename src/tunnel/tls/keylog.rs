//! The TLS key log: what the two sides of connections agreed on, written down by one of them.
//!
//! Takes text in NSS's format (`LABEL CLIENT_RANDOM SECRET`, each in hex), gives the secrets of the connection whose
//! ClientHello has that random. Lines of another kind are passed over, as the format asks for.
//! Source: "The SSLKEYLOGFILE Format for TLS" (draft-ietf-tls-keylogfile), and NSS's `CLIENT_RANDOM` for TLS 1.2.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// A secret of a traffic's key schedule, as long as the hash of the cipher suite.
pub(super) type Secret = Vec<u8>;

/// What a key log has of one connection. Arrays: the client's, the server's.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    /// TLS 1.2: the master secret.
    pub master: Option<Secret>,
    /// TLS 1.3: for data that the client sends with its first flight.
    pub early: Option<Secret>,
    /// TLS 1.3: for the rest of the handshake.
    pub handshake: [Option<Secret>; 2],
    /// TLS 1.3: for what follows, until the first key update.
    pub traffic: [Option<Secret>; 2],
}

/// Secrets by the client's random.
#[derive(Clone, Default)]
pub struct KeyLog {
    connections: FxHashMap<[u8; 32], Secrets>,
    bytes: usize,
}

/// So much is kept; a log of a million connections is longer than any that belongs to a capture.
const MOST_BYTES: usize = 64 << 20;
/// What an entry costs besides its secrets.
const ENTRY: usize = 32 + size_of::<Secrets>();

impl KeyLog {
    /// Adds the lines of a key log. Gives how many of them hold a secret that is used.
    pub fn add(&mut self, text: &[u8]) -> usize {
        text.split(|&byte| byte == b'\n' || byte == b'\r').filter(|line| self.add_line(line).is_some()).count()
    }

    /// Whether it has no secrets.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Of how many connections it has secrets.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn of(&self, client_random: &[u8; 32]) -> Option<&Secrets> {
        self.connections.get(client_random)
    }

    fn add_line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        // Editors on Windows begin a file with a byte order mark.
        let label = words.next()?;
        let label = label.strip_prefix(b"\xef\xbb\xbf").unwrap_or(label);
        let place: fn(&mut Secrets) -> &mut Option<Secret> = match label {
            b"CLIENT_RANDOM" => |secrets| &mut secrets.master,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => |secrets| &mut secrets.early,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => |secrets| &mut secrets.handshake[0],
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => |secrets| &mut secrets.handshake[1],
            b"CLIENT_TRAFFIC_SECRET_0" => |secrets| &mut secrets.traffic[0],
            b"SERVER_TRAFFIC_SECRET_0" => |secrets| &mut secrets.traffic[1],
            _ => return None,
        };
        let mut random = [0; 32];
        hex::decode_to_slice(words.next()?, &mut random).ok()?;
        // SHA-256 and SHA-384; a master secret has 48 bytes as well.
        let secret = hex::decode(words.next()?).ok().filter(|secret| matches!(secret.len(), 32 | 48))?;
        if words.next().is_some() || self.bytes > MOST_BYTES {
            return None;
        }
        self.bytes += secret.len() + ENTRY;
        // The first one counts: a log that is read again has the same lines again.
        place(self.connections.entry(random).or_default()).get_or_insert(secret);
        Some(())
    }
}

/// Without the secrets.
impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLog of {} connections", self.connections.len())
    }
}

/// A way to ask for more of a key log when a connection is not in it: the program that writes it may not have come so
/// far, or a capture has it after the packets.
#[derive(Clone)]
pub struct MoreKeys {
    read: Arc<dyn Fn() -> Vec<u8> + Send + Sync>,
    /// Whether there is nothing more after it was asked once.
    is_once: bool,
}

impl MoreKeys {
    /// `read` gives what was added since it was called last; empty if nothing was.
    pub fn new(read: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> MoreKeys {
        MoreKeys { read: Arc::new(read), is_once: false }
    }

    /// The same where all there is comes at once: it is asked for once.
    pub fn once(self) -> MoreKeys {
        MoreKeys { is_once: true, ..self }
    }

    pub(super) fn read(&self) -> Vec<u8> {
        (self.read)()
    }

    pub(super) fn is_once(&self) -> bool {
        self.is_once
    }
}

impl fmt::Debug for MoreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MoreKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_log() {
        let random = "ab".repeat(32);
        let (short, long) = ("01".repeat(32), "02".repeat(48));
        let text = format!(
            "# a comment\r\nCLIENT_RANDOM {random} {long}\r\n\nCLIENT_TRAFFIC_SECRET_0 {random}  {short}\n\
             EXPORTER_SECRET {random} {short}\nSERVER_TRAFFIC_SECRET_0 {random} {short}0\nSERVER_TRAFFIC_SECRET_0 {random}\n\
             CLIENT_TRAFFIC_SECRET_0 {random} {}\nCLIENT_RANDOM abcd {long}\n",
            "03".repeat(32)
        );
        let mut log = KeyLog::default();
        assert_eq!(log.add(text.as_bytes()), 3);
        assert_eq!(log.len(), 1);
        let secrets = log.of(&[0xab; 32]).expect("known");
        assert_eq!(secrets.master, Some(vec![2; 48]));
        // The first copy counts.
        assert_eq!(secrets.traffic, [Some(vec![1; 32]), None]);
        assert!(log.of(&[0; 32]).is_none());
        assert!(!format!("{log:?}").contains("02"), "no secrets in what the compiler prints");
    }
}
