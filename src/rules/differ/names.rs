//! The same scenario under another name.

use std::collections::HashSet;

use crate::compare::{Comparison, FieldPath, Value};
use crate::field;
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static STREAM_NAME: Rule = Rule {
    code: "stream-name-differs",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "the stream has a different name",
    page: Page {
        what: "Both sessions publish or play, under different names that are used consistently.",
        looks: "A  publish  02 00 03 6f 6e 65     'one'\n\
                B  publish  02 00 04 74 65 73 74  'test'",
        who: "Recordings of the same scenario that were made with different stream keys.",
        fix: "Nothing, unless the name is meant to be the same. `--ignore '*.name'` leaves it out.",
        source: "RTMP 1.0 sections 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(stream_name),
};

pub static FORM: Rule = Rule {
    code: "stream-name-form",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint],
    title: "the stream's name has more in it than a name",
    page: Page {
        what: "The name that publish or play says is in quotation marks, has white space around it, is percent-encoded, begins \
               with the application, or is a whole URL. A server takes it as it is.",
        looks: "publish  02 00 06 22 63 61 6d 31 22   '\"cam1\"'",
        who: "Names from a configuration file or a shell that were not unquoted, and URLs that were split differently from what the \
              server expects.",
        fix: "Send the name alone: what follows the application in the URL, without quotes, and with its escapes undone.",
        source: "RTMP 1.0 sections 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(form),
};

fn form(comparison: &Comparison<'_>) -> Vec<Claim> {
    if comparison.a.is_some() {
        return Vec::new();
    }
    let app = comparison.b.stream.app.as_deref().unwrap_or_default();
    let name = comparison.b.stream.activities.iter().find_map(|activity| Some((activity, bare(&activity.name, app)?)));
    let Some((activity, bare)) = name else { return Vec::new() };
    let Some(relation) = relation(&bare, &activity.name, app) else { return Vec::new() };
    let row = (0..comparison.rows.len()).find(|&row| comparison.either(row).is(activity.what));
    let claim = row.map(|row| {
        let path = FieldPath::Body;
        Claim::of_message(comparison, row, path, Certainty::Likely, format!("the stream's name is sent {relation}"))
            .why("a server takes the name as it is: it is another stream, or a key that it does not know")
            .fix("send the name alone")
    });
    claim.into_iter().collect()
}

/// The name that may be meant by one that has more in it.
fn bare(name: &str, app: &str) -> Option<String> {
    let quoted = ['"', '\''].into_iter().find_map(|quote| name.strip_prefix(quote)?.strip_suffix(quote));
    let url = || name.contains("://").then(|| name.rsplit('/').next()).flatten();
    let after_app = || name.strip_prefix(app).filter(|_| !app.is_empty())?.strip_prefix('/');
    let trimmed = || Some(name.trim().trim_end_matches('\0')).filter(|trimmed| *trimmed != name);
    let bare = quoted.or_else(url).or_else(after_app).or_else(trimmed).map(str::to_owned);
    bare.or_else(|| percent_decoded(name)).filter(|bare| !bare.is_empty())
}

fn stream_name(comparison: &Comparison<'_>) -> Vec<Claim> {
    let is_name = |index: usize| {
        let mismatch = &comparison.mismatches[index];
        mismatch.path.last() == Some("name")
            && mismatch.sides.iter().flatten().filter(|value| value.is_string()).count() == 2
    };
    let names: HashSet<_> = comparison
        .open()
        .filter(|&index| is_name(index))
        .map(|index| comparison.mismatches[index].sides.each_ref())
        .map(|sides| sides.map(|side| side.as_ref().and_then(|value| Some((text(value)?, super::short(value))))))
        .collect();
    let mut names = names.into_iter();
    let (Some([Some((a, short_a)), Some((b, short_b))]), None) = (names.next(), names.next()) else {
        return Vec::new();
    };
    let app = comparison.b.stream.app.as_deref().unwrap_or_default();
    let relation = relation(a, b, app);
    let title = match &relation {
        Some(relation) => format!("the stream's name is A's, {relation}: {} bytes instead of {}", b.len(), a.len()),
        None => format!("the stream is called {short_b} instead of {short_a}"),
    };
    let claim = super::together(comparison, is_name, |_| title.clone());
    let claim = claim.map(|claim| match relation {
        // By chance nobody chooses such a name.
        Some(_) => Claim { certainty: Certainty::Likely, ..claim }
            .why("a server uses the name as it is: it is another stream, or a key that it does not know")
            .fix("send the name as in A")
            .weighing(Severity::Error),
        None => claim.why("every command that contains the name has the same one"),
    });
    claim.into_iter().collect()
}

fn text(value: &Value) -> Option<&str> {
    match &value.value {
        field::Value::Text(text) => Some(text),
        _ => None,
    }
}

/// What a mistake made of a name, in words that do not tell it.
fn relation(a: &str, b: &str, app: &str) -> Option<String> {
    let around = |text: &str, quote: char| text.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned);
    let last = |text: &str| text.rsplit('/').next().map(str::to_owned);
    if a.is_empty() || b.is_empty() {
        None
    } else if ['"', '\''].into_iter().any(|quote| around(b, quote).as_deref() == Some(a)) {
        Some("in quotation marks".to_owned())
    } else if b.trim() == a {
        Some("with white space before or after it".to_owned())
    } else if b.trim_end_matches('\0') == a {
        Some("with NUL after it".to_owned())
    } else if b.strip_prefix(app).and_then(|rest| rest.strip_prefix('/')) == Some(a) && !app.is_empty() {
        Some(format!("with the application, '{app}', and a slash before it"))
    } else if b.contains("://") && last(b).as_deref() == Some(a) {
        Some("as a whole URL".to_owned())
    } else if b.strip_prefix('/') == Some(a) {
        Some("with a slash before it".to_owned())
    } else if b.to_lowercase() == a.to_lowercase() {
        Some("in other capital and small letters".to_owned())
    } else if let Some(more) = b.strip_prefix(a).filter(|more| more.starts_with(['?', '&'])) {
        Some(format!("and more after it, from the {} on", more.chars().next()?))
    } else if let Some(rest) = a.strip_prefix(b).filter(|rest| !rest.starts_with(char::is_alphanumeric)) {
        Some(format!("cut at byte {}, before {:?}", b.len(), rest.chars().next()?))
    } else if percent_decoded(b).as_deref() == Some(a) {
        Some("percent-encoded".to_owned())
    } else {
        None
    }
}

/// The text with its escapes undone, if it has some.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).ok().filter(|decoded| decoded != text)
}

#[cfg(test)]
mod tests {
    use super::relation;

    #[test]
    fn what_was_made_of_a_name_is_told_without_it() {
        let of = |b: &str| relation("cam1?key=secret", b, "live");
        for (b, words) in [
            ("\"cam1?key=secret\"", "in quotation marks"),
            ("cam1?key=secret\n", "with white space before or after it"),
            ("cam1?key=secret\0", "with NUL after it"),
            ("live/cam1?key=secret", "with the application, 'live', and a slash before it"),
            ("rtmp://192.0.2.1/live/cam1?key=secret", "as a whole URL"),
            ("/cam1?key=secret", "with a slash before it"),
            ("Cam1?key=secret", "in other capital and small letters"),
            ("cam1?key=secret&x=1", "and more after it, from the & on"),
            ("cam1", "cut at byte 4, before '?'"),
            ("cam1%3Fkey%3dsecret", "percent-encoded"),
        ] {
            assert_eq!(of(b).as_deref(), Some(words));
            assert!(!words.contains("secret"));
        }
        for other in ["cam2", "", "cam1%3", "100%", "ca"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
