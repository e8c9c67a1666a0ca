//! What names say of values: which properties hold secrets, and which commands name streams.

/// Commands that name a stream (RTMP 1.0 7.2; the FC commands are Flash Media Server's).
pub const NAMING: &[&str] = &[
    "publish",
    "play",
    "play2",
    "releaseStream",
    "FCPublish",
    "FCUnpublish",
    "FCSubscribe",
    "FCUnsubscribe",
    "getStreamLength",
    "deleteStream",
];

/// Answers whose description is the name of a stream, with Flash Media Server and those that do as it does.
pub const NAMING_BACK: &[&str] = &["onFCPublish", "onFCUnpublish", "onFCSubscribe", "onFCUnsubscribe"];

/// Types of `publish`, which are not names.
pub const PUBLISH_TYPES: &[&str] = &["live", "record", "append", "appendWithGap"];

/// Whether a command of that name names a stream; clients that get the case wrong have keys too.
pub fn names_stream(name: &str) -> bool {
    NAMING.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a command of that name logs in: all that it sends is a credential.
pub fn is_login(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.contains("auth") || lower.contains("token")
}

/// Whether a server's message answers, or says what happens to a stream.
pub fn is_answer(name: &str) -> bool {
    ["_result", "_error", "onStatus"].contains(&name) || NAMING_BACK.contains(&name)
}

/// Whether a message of that name is a command, whatever its type is.
pub fn is_command(name: &str) -> bool {
    names_stream(name) || is_answer(name) || name == "connect" || is_login(name)
}

/// Words of which one in a name makes its value a secret.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "auth", "bearer", "cookie", "credential", "credentials", "hmac", "jwt", "login", "nonce", "oauth", "pass", "pin",
    "pwd", "session", "sid", "sig", "sign", "ticket", "user", "username",
];

/// Parts that make a name one of a secret wherever they are in it.
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "accesskey", "apikey", "authent", "authoriz", "credential", "passphrase", "passw", "secret", "signature",
    "streamkey", "token",
];

/// Whether a property of that name has a secret as its value: `streamKey`, `API_KEY`, `x-auth`.
pub fn is_secret_property(name: &str) -> bool {
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if joined == "authmod" {
        return false;
    }
    let words = words(name);
    // `keyframes` and `keyFrameInterval` are about video.
    words.last().is_some_and(|last| ["key", "keys"].contains(&last.trim_end_matches(|c: char| c.is_ascii_digit())))
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || PARTS.iter().any(|part| joined.contains(part))
}

/// The words of a name in any of the usual styles, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && was_lower) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric() {
            words.last_mut().expect("there is one").push(c.to_ascii_lowercase());
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_style() {
        for name in [
            "streamKey",
            "stream_key",
            "STREAM-KEY",
            "apiKey",
            "api_key",
            "APIKEY",
            "key",
            "Key2",
            "token",
            "accessToken",
            "password",
            "passwd",
            "pass",
            "auth",
            "x-auth",
            "authorization",
            "clientSecret",
            "sig",
            "userName",
            "sessionId",
        ] {
            assert!(is_secret_property(name), "{name}");
        }
        for name in [
            "app",
            "tcUrl",
            "keyframes",
            "keyFrameInterval",
            "hasKeyframes",
            "author",
            "authmod",
            "code",
            "level",
            "description",
            "design",
            "monkey",
            "compass",
            "assigned",
            "duration",
            "details",
        ] {
            assert!(!is_secret_property(name), "{name}");
        }
    }
}
