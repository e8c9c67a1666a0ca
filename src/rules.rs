//! The catalogue: one entry for each thing that goes wrong, with its page and the function that finds it.
//!
//! Takes two sessions, or one ([`Comparison`]), or two payloads ([`Case`]), and returns what the rules say of them:
//! [`Claim`]s and [`PayloadClaim`]s. Callers iterate [`RULES`]; nothing else knows what
//! a code means. It does not read files or captures, and it does not lay out text.
//!
//! Rules are tried in the order of [`RULES`]: one that says more comes before one that says less, and of two that say
//! the same the simpler one.

pub mod amf;
pub mod broken;
mod capture;
mod chunk;
mod claim;
mod command;
mod control;
mod diagnosis;
mod differ;
pub(crate) mod doubtful;
mod enhanced;
mod flv;
mod handshake;
mod malformed;
mod message_fault;
mod messages;
pub mod mistake;
mod opening;
mod other_protocol;
mod owed;
pub mod payload;
pub(crate) mod relay;
mod search;
mod stall;
mod verdict;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;

use crate::compare::Comparison;

pub use claim::{Certainty, Claim, DiagnosisText, Effect, Impact};
pub(crate) use command::beside;
pub use diagnosis::{Diagnosis, Location};
pub use differ::is_same_software;
pub use flv::units::{is_config as is_avc_config, slices as avc_slices};
pub use payload::{
    Case, Context, PayloadClaim, TRANSFORMS, Transform, common_prefix, describe_block, describe_header,
    explain_payload, header_before,
};
pub use search::{Found, FoundLine, LogLine, Pattern, Symptom, nearest, search};
pub use verdict::Break;

/// One entry of the catalogue.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Its stable name, in kebab-case.
    pub code: &'static str,
    /// Where in the stack the fault lies.
    pub layer: Layer,
    /// How bad it is.
    pub severity: Severity,
    /// Which comparisons it takes part in.
    pub modes: &'static [Mode],
    /// What is wrong, in a line.
    pub title: &'static str,
    /// What there is to say about it.
    pub page: Page,
    /// The function that finds it.
    #[doc(hidden)]
    pub check: Check,
}

impl Rule {
    /// Whether it can say something of these sessions: FLV has media and metadata, and nobody who asks or answers.
    pub(crate) fn applies(&self, comparison: &Comparison<'_>) -> bool {
        let is_of_media = matches!(self.layer, Layer::Media | Layer::Enhanced | Layer::Amf);
        let others = [&capture::GAP, &capture::SNAPLEN, &differ::METADATA];
        !comparison.b.is_flv() || is_of_media || others.iter().any(|other| other.code == self.code)
    }
}

/// A rule's page. The headings are the names of the fields.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Page {
    /// What it is.
    pub what: &'static str,
    /// How it looks in the bytes, with bytes.
    pub looks: &'static str,
    /// Who does it.
    pub who: &'static str,
    /// What to change.
    pub fix: &'static str,
    /// Where this is known from.
    pub source: &'static str,
}

impl Page {
    /// Whether a line has its bytes in columns, and is not to be wrapped.
    #[doc(hidden)]
    pub fn is_set(line: &str) -> bool {
        line.contains("   ") || line.starts_with("sent ") || line.starts_with("received ") || line.starts_with("or ")
    }

    /// The headings and what is below each.
    pub fn sections(&self) -> [(&'static str, &'static str); 5] {
        [
            ("What it is", self.what),
            ("How it looks in the bytes", self.looks),
            ("Who does it", self.who),
            ("What to change", self.fix),
            ("Source", self.source),
        ]
    }
}

/// A rule's function, one kind for each mode.
#[derive(Clone, Copy)]
pub enum Check {
    /// Compares a payload that was sent with what was received.
    Payload(fn(&Case<'_>) -> Option<PayloadClaim>),
    /// Explains differences of two sessions.
    Diff(fn(&Comparison<'_>) -> Vec<Claim>),
    /// Names the differences of two sessions that no other rule accounts for.
    Rest(fn(&Comparison<'_>) -> Vec<Claim>),
    /// Judged by [`crate::relay`], which follows every message by itself.
    Relay,
}

impl Check {
    /// What the rule does with a payload, if it is a rule for payloads.
    pub fn payload(self) -> Option<fn(&Case<'_>) -> Option<PayloadClaim>> {
        match self {
            Check::Payload(check) => Some(check),
            Check::Diff(_) | Check::Rest(_) | Check::Relay => None,
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Check::Payload(_) => "Payload",
            Check::Diff(_) => "Diff",
            Check::Rest(_) => "Rest",
            Check::Relay => "Relay",
        })
    }
}

/// Where in the stack a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Layer {
    /// The capture and TCP: what was recorded at all.
    Capture,
    /// The handshake (RTMP 1.0 5.2).
    Handshake,
    /// Chunks: how messages are cut up (RTMP 1.0 5.3).
    Chunk,
    /// Protocol control messages and user control events (RTMP 1.0 5.4, 7.1.7).
    Control,
    /// How values are written: AMF 0 and AMF 3.
    Amf,
    /// Which commands are exchanged, and what they say (RTMP 1.0 7.2).
    Command,
    /// Audio and video inside messages.
    Media,
    /// Enhanced RTMP.
    Enhanced,
    /// A server between a publisher and its players.
    Relay,
    /// The bytes of a payload, whatever carried them.
    Payload,
}

impl Layer {
    /// All of them, from the wire upwards.
    pub const ALL: [Layer; 10] = [
        Layer::Capture,
        Layer::Handshake,
        Layer::Chunk,
        Layer::Control,
        Layer::Amf,
        Layer::Command,
        Layer::Media,
        Layer::Enhanced,
        Layer::Relay,
        Layer::Payload,
    ];
}

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing, nothing fails.
    Info,
    /// Some peers will not take it.
    Warning,
    /// What arrives is wrong.
    Error,
    /// The session dies or hangs.
    Fatal,
}

/// A comparison that a rule takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// One session by itself.
    Lint,
    /// Two sessions.
    Diff,
    /// A payload sent and a payload received.
    Payload,
    /// A publisher's messages and a player's.
    Relay,
}

macro_rules! lowercase {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!("{self:?}").to_lowercase())
            }
        }
    )*};
}
lowercase!(Layer, Severity, Mode);

/// Every rule, in the order in which they are tried.
pub static RULES: LazyLock<Vec<&'static Rule>> =
    LazyLock::new(|| [OF_SESSIONS, payload::RULES, OF_RELAYS, OF_DIFFERENCES].concat());

static OF_SESSIONS: &[&Rule] = &[
    // capture and handshake
    &capture::SNAPLEN,
    &capture::ONE_WAY,
    &capture::MIDSTREAM,
    &capture::GAP,
    &other_protocol::TLS_ON_RTMP_PORT,
    &other_protocol::PLAIN_ON_TLS_PORT,
    &other_protocol::NOT_RTMP,
    &handshake::WAIT_S0_DEADLOCK,
    &handshake::C0_MISSING,
    &handshake::VERSION,
    &other_protocol::RTMPE,
    &handshake::SIZE,
    &handshake::C2_MISSING,
    &handshake::DIGEST_INVALID,
    &handshake::VERSION_QUAD_ASSERT,
    &handshake::NOT_ECHO,
    &handshake::EARLY_DATA,
    &handshake::TAIL_LOST,
    &owed::silence::HANDSHAKE,
    &owed::end::SILENT_CLOSE,
    &owed::end::CUT_SHORT,
    &owed::end::RESET,
    &owed::end::STALLS,
    &stall::TCP_STALL,
    // chunks
    &chunk::size::NOT_ANNOUNCED,
    &chunk::size::NOT_APPLIED,
    &chunk::size::BYTE_ORDER,
    &chunk::size::WRONG_DIRECTION,
    &chunk::size::NOT_RESET,
    &chunk::announce::RANGE,
    &chunk::announce::TIMING,
    &chunk::size::TYPE3_MISSING,
    &chunk::type3::EXTRA,
    &chunk::type3::EXT_MISSING,
    &chunk::type3::FMT0,
    &chunk::stream::WRONG_CONTINUATION,
    &chunk::stream::EXTENDED_FORM,
    &chunk::stream::OVER_PEER_LIMIT,
    &chunk::stream::RESERVED,
    &chunk::length::WITH_HEADERS,
    &chunk::length::BYTE_ORDER,
    &chunk::length::OVER_PEER_MAX,
    &chunk::length::CHANGES,
    &chunk::time::FIELD_FFFFFF,
    &chunk::time::WRAP_24,
    &chunk::time::ABSOLUTE_IN_DELTA,
    &chunk::time::TYPE3_STEP,
    &chunk::order::FMT_FIRST,
    &chunk::header::TYPE_ID_DEC_HEX,
    &chunk::header::MSID_BIG_ENDIAN,
    &chunk::received::NO_DECHUNK,
    &chunk::received::EXT_UNREAD,
    &chunk::received::INTERLEAVE,
    &chunk::order::DESYNC,
    // control
    &control::shape::MSID,
    &control::shape::LENGTH,
    &control::window::TINY,
    &control::window::ABSENT,
    &control::acks::BYTE_ORDER,
    &control::acks::MISSING,
    &control::acks::WRAP,
    &control::acks::INCREMENTAL,
    &control::acks::FLOOD,
    &control::pings::WRONG_REPLY,
    &control::pings::UNANSWERED,
    &control::abort::IGNORED,
    &control::shape::UNKNOWN,
    // AMF
    &amf::FIRST_NOT_STRING,
    &amf::FORMAT_BYTE_MISSING,
    &amf::FORMAT_BYTE_EXTRA,
    &amf::writer::END_ONLY_09,
    &amf::UNTERMINATED,
    &amf::writer::LENGTH_ENDIAN,
    &amf::writer::LENGTH_CHARS,
    &amf::writer::LENGTH_WIDTH,
    &amf::writer::NUL_AFTER,
    &amf::writer::NAME_MARKER,
    &amf::writer::VALUE_FORM,
    &amf::writer::END_MISSING,
    &amf::writer::THROUGH_TEXT,
    &amf::scan::SCAN_FOR_09,
    &amf::strings::STRING_64K,
    &amf::strings::LENGTH_NUL,
    &amf::values::DOUBLE_ENDIAN,
    &amf::values::WRONG_TYPE,
    &amf::values::UNSUPPORTED,
    &amf::forms::NOT_NEGOTIATED,
    &amf::forms::NOT_ECMA,
    &amf::forms::ECMA_COUNT,
    &malformed::AMF,
    // commands and media
    &command::exchanged::EXCHANGED,
    &command::connect::URL_SPLIT,
    &command::connect::APP_UNKNOWN,
    &command::connect::FIELDS,
    &command::answers::TRANSACTION,
    &command::replies::WRONG,
    &command::answers::AUTH,
    &command::names::COMMAND_NAME,
    &command::names::PUBLISH_TYPE,
    &command::names::STATUS_LEVEL,
    &command::names::TXN_SAME,
    &command::names::AFTER_DELETE,
    &command::stale::STALE_PUBLISHER,
    &command::answers::STATUS,
    &command::stream::PUBLISH_MSID,
    &command::start::STATUS_STREAM,
    &owed::turn::CONNECT_TWICE,
    &owed::turn::START_TWICE,
    &owed::turn::PLAY_NOT_PUBLISH,
    &owed::turn::MEDIA_EARLY,
    &owed::turn::ORDER,
    &owed::silence::CONNECT,
    &owed::silence::CALL,
    &owed::silence::START,
    &owed::silence::CLIENT_STOPS,
    &owed::silence::NOTHING_PLAYS,
    &command::habits::FCPUBLISH,
    &command::habits::ONBWDONE,
    &command::habits::SETDATAFRAME,
    &command::habits::SETDATAFRAME_LEAK,
    &command::habits::DELETE_STREAM,
    &command::habits::CODEC_FLAGS,
    &flv::tag::FLV_TAG,
    &flv::avc::CTS_MISSING,
    &flv::config::AVC_INVALID,
    &flv::config::AVC_MISSING,
    &flv::config::AAC_MISSING,
    &flv::config::AVC_REPEAT,
    &flv::avc::ANNEXB,
    &flv::avc::NAL_EMPTY,
    &flv::avc::HEVC_UNDER_7,
    &flv::avc::TILING,
    &flv::tag::KEYFRAME_FLAG,
    &flv::tag::CTS_SIGNED,
    &flv::tag::HEVC_12,
    &flv::tag::AGGREGATE,
    &flv::sound::CONFIG_EMPTY,
    &flv::sound::ADTS,
    &flv::meta::VERSUS_STREAM,
    &owed::tracks::TRACK_MISSING,
    &flv::time::ABSOLUTE,
    &flv::time::NEGATIVE,
    &flv::time::BACKWARDS,
    &flv::time::UNIT,
    &flv::time::TIME_JUMP,
    &flv::time::KEYFRAME_INTERVAL,
    &malformed::MEDIA,
    &enhanced::FOUR_CC,
    &enhanced::CTS_CODEC,
    &enhanced::FRAMES_X,
    &enhanced::SEQUENCE_START,
    &enhanced::MULTITRACK,
    &enhanced::MOD_EX,
    &enhanced::NOT_NEGOTIATED,
    &enhanced::RECONNECT,
    &enhanced::METADATA_CODEC,
];

/// Between publisher and player.
static OF_RELAYS: &[&Rule] = &[
    &relay::NOTHING,
    &relay::METADATA_REWRITTEN,
    &relay::TS_REBASE,
    &relay::START_AT_KEY,
    &relay::DROP,
    &relay::STOPPED,
    &relay::REPEATED,
    &relay::MIXED,
    &relay::PAYLOAD_CHANGED,
    &relay::UNKNOWN_TYPE,
    &relay::REORDER,
    &relay::DELAY,
];

/// What is merely different.
static OF_DIFFERENCES: &[&Rule] = &[
    &differ::OTHER_ROLE,
    &differ::STREAM_NAME,
    &differ::STREAM_NAME_FORM,
    &differ::CONNECT,
    &differ::COMMANDS,
    &differ::ANSWERS,
    &differ::CONTROL,
    &differ::METADATA,
    &differ::MEDIA,
    &differ::TIMESTAMPS,
    &differ::CHUNK_STREAMS,
];

/// Whether a rule says how a session ended, and not why.
pub fn is_symptom(rule: &Rule) -> bool {
    std::ptr::eq(rule, &owed::end::SILENT_CLOSE)
}

/// Whether a rule says that something due did not come, and not why.
pub fn is_silence(rule: &Rule) -> bool {
    owed::silence::RULES.iter().any(|silence| std::ptr::eq(*silence, rule))
}

/// The rule with this code.
pub fn find(code: &str) -> Option<&'static Rule> {
    let mut all = RULES.iter().copied().chain(mistake::GENERATED.iter());
    all.find(|rule| rule.code == code)
}
