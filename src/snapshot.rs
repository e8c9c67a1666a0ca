//! Snapshots: a capture's sessions as text for a repository, one message a line, with all that changes from one
//! recording to the next taken out.
//!
//! Takes a [`Recording`](crate::recording::Recording), gives JSON Lines ([`write()`]), and back ([`read()`]): what is read
//! is wherever a recording is compared. It opens no files. Two recordings of one scenario give the same snapshot,
//! byte for byte but for the name of the capture, wherever the traffic itself is the same; [`RULES`] says what is left
//! out, replaced or put in order for that.
//!
//! | module | holds |
//! |---|---|
//! | `order` | in which order the messages of a session are |
//! | `normalise` | bodies with placeholders for what varies and for secrets |
//! | `line` | the lines as they are written |
//! | `write` | recording → lines |
//! | `json` | the keys and values of a line that is read |
//! | `read` | lines → recording |

mod json;
mod line;
mod normalise;
mod order;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use line::Connection;
pub use read::{Error, read};
pub use write::{Part, header, part, prepare, write};

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// What the header says it is.
pub const FORMAT: &str = "rtmp-inspect snapshot";

/// How every snapshot begins.
pub const BEGINNING: &[u8] = b"{\"kind\":\"header\"";

/// What a snapshot has of audio and video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payload {
    /// The bytes before the coded payload, the length, and the SHA-256 of the body.
    #[default]
    Sha256,
    /// All bytes.
    Full,
}

impl Payload {
    /// `sha256` or `full`.
    pub fn name(self) -> &'static str {
        match self {
            Payload::Sha256 => "sha256",
            Payload::Full => "full",
        }
    }
}

/// What a snapshot is to hold.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name of the capture, for the header.
    pub name: String,
    /// What to keep of audio and video.
    pub payload: Payload,
}

/// What was done to make snapshots of two recordings equal, in the words of the header.
pub const RULES: &[&str] = &[
    "addresses, ports, times, frame numbers and stream offsets are left out",
    "connections are numbered in their order, those that are not RTMP left out",
    "the handshake is its version, scheme, software version and whether it answers the other side's; random bytes and times are left out",
    "Acknowledgements and pings are left out, as their number depends on time and load",
    "how messages are cut into chunks is left out",
    "of a connection's end only the side that ended it is kept: FIN or RST depends on what the other had not read yet",
    "timestamps of audio and video count from the first of their direction; other messages have none",
    "values that differ in every recording are placeholders: <host>, <banner>, <client-id>, <server-id>, <date>",
    "stream names and credentials are placeholders: <stream-key-1>, <credential-1>",
    "the client's messages are in their order; each of the server's follows the client's message that the server \
     answers next, or answered last",
];
