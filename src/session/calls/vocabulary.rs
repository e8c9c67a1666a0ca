//! The commands whose manners are known: which are answered by a status, and which often by nothing.

use crate::amf::Str;

/// Commands that are answered by a status, and what tells it: the beginning of its code, or the name of
/// the command that brings it (RTMP 1.0 7.2.2; the FC commands are Flash Media Server's).
const STATUS: &[(&str, &str)] = &[
    ("publish", "NetStream.Publish."),
    ("play", "NetStream.Play."),
    ("pause", "NetStream.Pause."),
    ("seek", "NetStream.Seek."),
    ("FCPublish", "onFCPublish"),
    ("FCUnpublish", "onFCUnpublish"),
    ("FCSubscribe", "onFCSubscribe"),
    ("FCUnsubscribe", "onFCUnsubscribe"),
];

/// Codes that begin like an answer and tell of something else, at any time.
const NEWS: &[&str] = &[
    "NetStream.Publish.Idle",
    "NetStream.Play.Complete",
    "NetStream.Play.InsufficientBW",
    "NetStream.Play.PublishNotify",
    "NetStream.Play.Stop",
    "NetStream.Play.UnpublishNotify",
];

/// Commands that servers of good standing leave unanswered: nginx-rtmp and Node-Media-Server answer none of
/// these but `seek` and `pause`.
const OPTIONAL: &[&str] = &[
    "FCPublish",
    "FCSubscribe",
    "FCUnpublish",
    "FCUnsubscribe",
    "_checkbw",
    "close",
    "closeStream",
    "deleteStream",
    "getStreamLength",
    "pause",
    "pauseRaw",
    "receiveAudio",
    "receiveVideo",
    "releaseStream",
    "seek",
];

/// What tells the status that answers this command, if one does.
pub fn answering_status(command: &str) -> Option<&'static str> {
    STATUS.iter().find(|(name, _)| *name == command).map(|(_, status)| *status)
}

/// What this command is as a status that answers, if it is one.
pub fn status(command: &str, code: Option<Str<'_>>) -> Option<&'static str> {
    let said = if command == "onStatus" { code?.as_utf8().filter(|code| !NEWS.contains(code))? } else { command };
    // Play on after a pause is asked for by `pause` too (RTMP 1.0 7.2.2.8).
    let said = if said == "NetStream.Unpause.Notify" { "NetStream.Pause.Notify" } else { said };
    let fits = |status: &str| if status.ends_with('.') { said.starts_with(status) } else { said == status };
    STATUS.iter().find(|(_, status)| fits(status)).map(|(_, status)| *status)
}

/// Whether healthy sessions leave calls of this name unanswered. Handlers, `onBWDone`, are among them.
pub fn is_optional(command: &str) -> bool {
    let is_handler = command.trim_start_matches('_').starts_with("on");
    is_handler || OPTIONAL.contains(&command)
}

/// A transaction id as text: `4`, not `4.0`.
pub fn number(id: f64) -> String {
    id.to_string()
}
