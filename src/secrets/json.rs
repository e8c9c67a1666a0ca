//! Secrets in reports.
//!
//! Takes a report as JSON, hides the secrets in its strings: as text, or as bytes where a string is hex. Names of
//! properties, and strings that come from a list in a schema, are ours and stay.

use serde_json::{Map, Value};

use super::{Secrets, text};

/// Hides the secrets of a report.
pub fn hide(secrets: &Secrets, value: &mut Value) {
    Walk { secrets }.value(value, "", "");
}

struct Walk<'a> {
    secrets: &'a Secrets,
}

/// Keys whose strings never come from the wire.
const OURS: &[&str] = &["client", "dst", "duration", "rule", "server", "src", "start", "time"];

/// Keys whose strings are one of [`LISTED`], or text.
const LISTS: &[&str] = &[
    "by",
    "certainty",
    "direction",
    "fate",
    "guilty",
    "how",
    "kind",
    "protocol",
    "reason",
    "role",
    "severity",
    "type",
    "verdict",
    "what",
];

/// What schemas allow in them.
const LISTED: &[&str] = &[
    "added",
    "after-left",
    "aggregate",
    "at-the-end",
    "audio",
    "audio_config",
    "before-join",
    "before-start",
    "c2s",
    "certain",
    "changed",
    "command",
    "container",
    "control",
    "damaged",
    "data",
    "different",
    "dropped",
    "equivalent",
    "error",
    "fatal",
    "for-the-server",
    "foreign",
    "forwarded",
    "header",
    "identical",
    "info",
    "intact",
    "likely",
    "lost",
    "nginx-rtmp",
    "node-media-server",
    "not-captured",
    "not_eligible",
    "nothing",
    "order",
    "other",
    "play",
    "possible",
    "publish",
    "receiver",
    "s2c",
    "same-again",
    "sender",
    "server",
    "start-at-key",
    "unknown",
    "unknown-type",
    "unwrapped",
    "value",
    "values",
    "video",
    "video_config",
    "warning",
];

/// Keys whose strings are sentences or titles of ours, of which no word is a value by being alone.
const SENTENCES: &[&str] = &["detail", "fix", "info", "message", "summary", "title", "value", "what", "why"];

impl Walk<'_> {
    fn value(&self, value: &mut Value, key: &str, parent: &str) {
        match value {
            Value::String(string) => self.string(string, key, parent),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value, key, parent)),
            Value::Object(object) => {
                self.bytes_with_text(object);
                object.iter_mut().for_each(|(name, value)| self.value(value, name, key));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn string(&self, string: &mut String, key: &str, parent: &str) {
        let is_path = key == "path" && parent == "where";
        if is_path || OURS.contains(&key) || (LISTS.contains(&key) && LISTED.contains(&string.as_str())) {
            return;
        }
        if let Some(hidden) = self.secrets.bytes.hide(string, &[]) {
            *string = hidden;
        }
        if let std::borrow::Cow::Owned(hidden) = text::hide(self.secrets, string, !SENTENCES.contains(&key)) {
            *string = hidden;
        }
    }

    /// Short secrets in bytes whose value is said beside them: `bytes.a` with `where.a.value`.
    fn bytes_with_text(&self, object: &mut Map<String, Value>) {
        let Some(places) = object.get("where").cloned() else { return };
        let Some(Value::Object(bytes)) = object.get_mut("bytes") else { return };
        for (side, digits) in bytes.iter_mut() {
            let said = places.get(side).and_then(|place| place.get("value")).and_then(Value::as_str);
            let (Some(said), Value::String(digits)) = (said, digits) else { continue };
            let short = self.secrets.text.short_in(said);
            if let Some(hidden) = self.secrets.bytes.hide(digits, &short) {
                *digits = hidden;
            }
        }
    }
}
