//! The table: each step of a session, who owes it after which other, what may come in its place, and how soon.
//!
//! RTMP 1.0 5.2.1 (handshake), 7.2.1.1 (connect), 7.2.1.3 (createStream), 7.2.2.1 (play), 7.2.2.6 (publish).

use crate::compare::MessageIdentity;
use crate::session::Direction::{self, ClientToServer as CLIENT, ServerToClient as SERVER};

/// A step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The TCP connection is open.
    Opened,
    /// C0 and C1.
    ClientHello,
    /// S0, S1 and S2.
    ServerHello,
    /// C2.
    ClientEcho,
    /// connect.
    Connect,
    /// The `_result` of connect.
    Connected,
    /// createStream.
    CreateStream,
    /// The `_result` of createStream.
    StreamCreated,
    /// publish.
    Publish,
    /// play or play2.
    Play,
    /// onStatus with NetStream.Publish.Start.
    PublishStarted,
    /// onStatus with NetStream.Play.Start or Reset.
    PlayStarted,
    /// Audio, video or data from the client.
    ClientMedia,
    /// Audio, video or data from the server.
    ServerMedia,
    /// The client says that a stream is over.
    ClientEnds,
    /// `_error`, or a status that says no.
    Refused,
    /// Another status.
    Status,
    /// A `_result` of another call, or of none that is known.
    OtherResult,
    /// A command that clients send on their way to publish or play.
    Preparation,
    /// Any other command of the client.
    ClientCommand,
    /// Any other command of the server.
    ServerCommand,
}

/// A step that is due after another.
#[derive(Debug)]
pub struct Duty {
    /// The step after which it is due.
    pub after: Step,
    /// Who owes it: whoever sends in this direction.
    pub by: Direction,
    /// What is owed.
    pub due: Step,
    /// What may come in its place.
    pub instead: &'static [Step],
    /// How long it may take, in seconds; healthy software needs milliseconds.
    pub usual: f64,
}

/// Who owes what, in the order of a session.
pub static DUTIES: [Duty; 12] = [
    duty(Step::Opened, CLIENT, Step::ClientHello, &[], 5.0),
    duty(Step::ClientHello, SERVER, Step::ServerHello, &[], 5.0),
    duty(Step::ServerHello, CLIENT, Step::ClientEcho, &[], 5.0),
    duty(Step::ClientEcho, CLIENT, Step::Connect, &[Step::ClientCommand], 5.0),
    duty(Step::Connect, SERVER, Step::Connected, &[Step::Refused, Step::Status, Step::OtherResult], 2.0),
    duty(
        Step::Connected,
        CLIENT,
        Step::CreateStream,
        &[Step::Publish, Step::Play, Step::ClientCommand, Step::ClientEnds],
        10.0,
    ),
    duty(Step::CreateStream, SERVER, Step::StreamCreated, &[Step::Refused, Step::OtherResult], 2.0),
    duty(Step::StreamCreated, CLIENT, Step::Publish, &[Step::Play, Step::ClientCommand, Step::ClientEnds], 10.0),
    duty(
        Step::Publish,
        SERVER,
        Step::PublishStarted,
        &[Step::Refused, Step::Status, Step::OtherResult, Step::ServerMedia],
        2.0,
    ),
    duty(
        Step::Play,
        SERVER,
        Step::PlayStarted,
        &[Step::Refused, Step::Status, Step::OtherResult, Step::ServerMedia],
        2.0,
    ),
    duty(Step::PublishStarted, CLIENT, Step::ClientMedia, &[Step::ClientEnds], 10.0),
    duty(Step::PlayStarted, SERVER, Step::ServerMedia, &[Step::Refused, Step::Status, Step::ClientEnds], 10.0),
];

const fn duty(after: Step, by: Direction, due: Step, instead: &'static [Step], usual: f64) -> Duty {
    Duty { after, by, due, instead, usual }
}

/// Commands by which clients prepare to publish or play. They are in no specification; servers leave most of them
/// unanswered.
pub const PREPARATIONS: [&str; 7] =
    ["releaseStream", "FCPublish", "FCSubscribe", "_checkbw", "checkBandwidth", "getStreamLength", "set_playlist"];

impl Step {
    /// What has to come before it, where the order is the client's to keep.
    pub fn needs(self) -> Option<Step> {
        match self {
            Step::CreateStream => Some(Step::Connected),
            Step::Publish | Step::Play => Some(Step::StreamCreated),
            Step::ClientMedia => Some(Step::PublishStarted),
            _ => None,
        }
    }

    /// The step in words: `connect`, `the answer to connect`.
    pub fn words(self) -> &'static str {
        match self {
            Step::Opened => "the TCP connection",
            Step::ClientHello => "C0 and C1",
            Step::ServerHello => "S0, S1 and S2",
            Step::ClientEcho => "C2",
            Step::Connect => "connect",
            Step::Connected => "the answer to connect",
            Step::CreateStream => "createStream",
            Step::StreamCreated => "the answer to createStream",
            Step::Publish => "publish",
            Step::Play => "play",
            Step::PublishStarted => "onStatus NetStream.Publish.Start",
            Step::PlayStarted => "onStatus NetStream.Play.Start",
            Step::ClientMedia | Step::ServerMedia => "audio, video or data",
            Step::ClientEnds => "the end of the stream",
            Step::Refused => "a refusal",
            Step::Status => "onStatus",
            Step::OtherResult => "_result",
            Step::Preparation | Step::ClientCommand | Step::ServerCommand => "a command",
        }
    }

    /// The call that it answers, if it is an answer.
    pub fn call(self) -> Option<Step> {
        match self {
            Step::Connected => Some(Step::Connect),
            Step::StreamCreated => Some(Step::CreateStream),
            Step::PublishStarted => Some(Step::Publish),
            Step::PlayStarted => Some(Step::Play),
            _ => None,
        }
    }
}

/// Ends of status codes that say no, whatever the level is.
const REFUSALS: [&str; 9] = [
    ".BadName",
    ".StreamNotFound",
    ".Rejected",
    ".InvalidApp",
    ".Denied",
    ".Unauthorized",
    ".Failed",
    ".FileStructureInvalid",
    ".NoSupportedTrackFound",
];

/// Whether a status code means failure.
pub fn is_refusal(code: &str) -> bool {
    REFUSALS.iter().any(|end| code.ends_with(end))
}

/// The step that a command is.
pub(super) fn command(is_client: bool, named: &MessageIdentity) -> Step {
    let name = named.command.as_deref().unwrap_or_default();
    match (is_client, name) {
        (true, "connect") => Step::Connect,
        (true, "createStream") => Step::CreateStream,
        (true, "publish") => Step::Publish,
        (true, "play" | "play2") => Step::Play,
        (true, "deleteStream" | "closeStream" | "FCUnpublish") => Step::ClientEnds,
        (true, name) if PREPARATIONS.contains(&name) => Step::Preparation,
        // Handlers and answers begin nothing.
        (true, name) if name.starts_with("on") || name.starts_with('_') => Step::Preparation,
        (true, _) => Step::ClientCommand,
        (false, "_error") => Step::Refused,
        (false, "_result") if named.answers("connect") => Step::Connected,
        (false, "_result") if named.answers("createStream") => Step::StreamCreated,
        (false, "_result") => Step::OtherResult,
        (false, "onStatus") => match named.key.as_str() {
            "NetStream.Publish.Start" => Step::PublishStarted,
            "NetStream.Play.Start" | "NetStream.Play.Reset" => Step::PlayStarted,
            code if is_refusal(code) => Step::Refused,
            _ => Step::Status,
        },
        (false, _) => Step::ServerCommand,
    }
}
