//! The lines of a snapshot as they are written: keys in their order, absent where there is nothing to say.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::rtmp::handshake::Scheme;
use crate::rtmp::message::Ending;
use crate::session::Protocol;
use crate::tcp::GapReason;

/// The first line.
#[derive(serde::Serialize)]
pub struct Header<'a> {
    pub kind: &'static str,
    pub format: &'static str,
    pub format_version: u32,
    pub capture: &'a str,
    pub payload: &'static str,
    pub normalised: &'static [&'static str],
    pub connections: Vec<Connection>,
}

/// A connection, in the header.
#[derive(Default, serde::Serialize)]
pub struct Connection {
    pub connection: u32,
    #[serde(skip_serializing_if = "is_rtmp")]
    pub protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tc_url: Option<String>,
    pub activities: Vec<Activity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_ver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fms_ver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Directions whose first bytes were not captured, and those of which nothing was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub begins_late: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_captured: Vec<&'static str>,
    /// Directions whose framing is broken, and the mistake that explains it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub framing: Vec<Framing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<&'static str>,
    /// How many lines it has: a file that was cut off has fewer.
    pub messages: usize,
}

/// What the client does.
#[derive(serde::Serialize)]
pub struct Activity {
    pub what: &'static str,
    pub stream: String,
}

/// A mistake in the framing of a direction.
#[derive(serde::Serialize)]
pub struct Framing {
    pub direction: &'static str,
    pub code: &'static str,
}

/// A message, a part of the handshake, or a hole.
#[derive(Default, serde::Serialize)]
pub struct Line {
    pub connection: u32,
    pub direction: &'static str,
    pub kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_id: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_stream_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// The call that it answers, if that is not the last with its transaction id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub info: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo_ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_ok: Option<bool>,
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// What a body says, for readers of the difference of two versions: path and value, in the body's order.
#[derive(Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (path, value) in &self.0 {
            map.serialize_entry(path, value)?;
        }
        map.end()
    }
}

fn is_rtmp(protocol: &str) -> bool {
    protocol == "rtmp"
}

/// The names of endings other than [`Ending::Complete`].
pub const ENDINGS: &[(Ending, &str)] = &[
    (Ending::Aborted, "aborted"),
    (Ending::Abandoned, "abandoned"),
    (Ending::Missing, "missing"),
    (Ending::Cut, "cut"),
    (Ending::Lost, "lost"),
    (Ending::Unproven, "unproven"),
];

/// The names of how a hole is known.
pub const REASONS: &[(GapReason, &str)] = &[
    (GapReason::Snaplen, "snaplen"),
    (GapReason::Acknowledged, "acknowledged"),
    (GapReason::BufferFull, "buffer-full"),
    (GapReason::End, "end"),
    (GapReason::TlsKeyMissing, "tls-key-missing"),
    (GapReason::TlsKeyWrong, "tls-key-wrong"),
    (GapReason::TlsRecordBad, "tls-record-bad"),
    (GapReason::TlsRecordsUncounted, "tls-records-uncounted"),
];

/// The names of the ways to make a handshake.
pub const SCHEMES: &[(Scheme, &str)] = &[
    (Scheme::Simple, "simple"),
    (Scheme::Digest8, "digest8"),
    (Scheme::Digest772, "digest772"),
    (Scheme::Rtmpe, "rtmpe"),
];

/// The names of what a connection carries.
pub const PROTOCOLS: &[(Protocol, &str)] = &[
    (Protocol::Undecided, "undecided"),
    (Protocol::Rtmp, "rtmp"),
    (Protocol::Rtmpe, "rtmpe"),
    (Protocol::Rtmpt, "rtmpt"),
    (Protocol::Tls, "tls"),
    (Protocol::Http, "http"),
    (Protocol::Flv, "flv"),
    (Protocol::ProxyHeader, "proxy_header"),
    (Protocol::Empty, "empty"),
    (Protocol::Other, "other"),
];

/// The name of a value. The tables above have all.
pub fn name<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> Option<&'static str> {
    table.iter().find(|(known, _)| known == value).map(|(_, name)| *name)
}
