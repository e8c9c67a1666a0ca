//! Secrets in reports.
//!
//! Takes a report as JSON, hides the secrets in its strings: as text, or as bytes where a string is hex. Names of
//! properties, and strings that come from a list in a schema, are ours and stay.

use std::borrow::Cow;
use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::{Secrets, text};

/// Hides the secrets of a report.
pub fn hide(secrets: &Secrets, value: &mut Value) {
    Walk { secrets }.value(value, "", "");
}

struct Walk<'a> {
    secrets: &'a Secrets,
}

/// Keys whose strings are one of [`LISTED`], or text.
#[rustfmt::skip]
const LISTS: &[&str] = &[
    "by", "certainty", "direction", "effect", "fate", "guilty", "how", "kind", "protocol", "reason", "role", "server",
    "severity", "verdict", "what",
];

/// What schemas, or the types of a report that has none, allow in them.
#[rustfmt::skip]
const LISTED: &[&str] = &[
    "added", "after-left", "aggregate", "at-the-end", "audio", "audio_config", "before-join", "before-start", "breaks",
    "c2s",
    "certain", "changed", "client", "command", "container", "control", "damaged", "data", "different", "dropped",
    "empty", "equivalent", "error", "fatal", "fin", "for-the-server", "foreign", "forwarded", "header", "http",
    "identical", "info", "intact", "likely", "lost", "may matter", "nginx-rtmp", "node-media-server", "not-captured",
    "none known", "not_eligible", "nothing", "nothing forwarded", "order", "other", "play", "possible", "proxy_header", "publish", "receiver", "reused",
    "rst", "rtmp", "rtmpe", "rtmpt", "s2c", "same-again", "sender", "server", "start-at-key", "status", "tls",
    "transaction", "undecided", "unknown", "unknown-type", "unwrapped", "value", "values", "video", "video_config",
    "warning",
];

/// Keys whose strings are sentences or titles of ours, of which no word is a value by being alone.
const SENTENCES: &[&str] = &["detail", "fix", "info", "message", "summary", "title", "value", "what", "why"];

/// Whether a string is of the report and not of the traffic. A message's own properties may have the same keys, so
/// what is there counts too.
fn is_ours(string: &str, key: &str) -> bool {
    match key {
        "rule" => true,
        "client" | "dst" | "src" => string.parse::<SocketAddr>().is_ok(),
        "duration" | "max" | "median" | "start" | "time" => {
            string.contains('.') && string.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte))
        }
        "server" if string.parse::<SocketAddr>().is_ok() => true,
        _ => LISTS.contains(&key) && LISTED.contains(&string),
    }
}

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
        if is_ours(string, key) {
            return;
        }
        // Digits may be a secret too, but not where they are hex.
        let hidden = if parent == "bytes" || key == "hex" {
            self.digits(string, &[])
        } else {
            match text::hide(self.secrets, string, !SENTENCES.contains(&key)) {
                Cow::Owned(hidden) => Some(hidden),
                Cow::Borrowed(_) => None,
            }
        };
        if let Some(hidden) = hidden {
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
            if let Some(hidden) = self.digits(digits, &short) {
                *digits = hidden;
            }
        }
    }

    /// A string of hex digits without secrets, if there are any in it.
    fn digits(&self, digits: &str, short: &[&[u8]]) -> Option<String> {
        let bytes = hex::decode(digits).ok()?;
        Some(hex::encode(self.secrets.without(&bytes, short)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a schema lists, with the names of the properties that hold it.
    fn listed(schema: &Value, key: &str, found: &mut Vec<(String, String)>) {
        match schema {
            Value::Object(object) => {
                for values in [object.get("enum"), object.get("const")].into_iter().flatten() {
                    let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
                    found.extend(values.iter().filter_map(|value| Some((key.to_owned(), value.as_str()?.to_owned()))));
                }
                for (name, value) in object {
                    // `properties`, `items`, `oneOf` and so on are the schema's own; what they hold is of the property.
                    let is_name = !["enum", "const"].contains(&name.as_str()) && value.is_object();
                    let own = ["items", "properties", "$defs", "additionalProperties", "if", "then"];
                    listed(value, if is_name && !own.contains(&name.as_str()) { name } else { key }, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| listed(value, key, found)),
            _ => {}
        }
    }

    #[test]
    fn what_schemas_list_stays() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
        let mut found = Vec::new();
        // Reports that are hidden as a whole; others know which of their strings are from the wire.
        for report in ["diff", "payload", "relay"] {
            let schema = std::fs::read_to_string(folder.join(format!("{report}.schema.json"))).unwrap();
            listed(&serde_json::from_str(&schema).unwrap(), "", &mut found);
        }
        assert!(found.len() > 50, "{found:?}");
        // `streams` has no schema.
        let streams =
            [("protocol", "rtmp"), ("protocol", "proxy_header"), ("how", "rst"), ("by", "client"), ("what", "play")];
        found.extend(streams.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let missing: Vec<_> = found.iter().filter(|(key, value)| !is_ours(value, key)).collect();
        assert!(missing.is_empty(), "a secret of that name would break the schema: {missing:?}");
    }
}
