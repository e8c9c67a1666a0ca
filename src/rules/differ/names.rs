//! The same scenario under another name.

use std::collections::HashSet;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::field;
use crate::owed::Progress;
use crate::recording::Session;
use crate::rules::command::commands;
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::ClientToServer;

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
    modes: &[Mode::Lint, Mode::Diff],
    title: "the stream's name has more in it than a name",
    page: Page {
        what: "The name in publish or play is empty, is in quotation marks, has white space or a byte order mark around it, is \
               percent-encoded, begins with the application, or is a whole URL. A server uses it as it is.",
        looks: "publish  02 00 06 22 63 61 6d 31 22   '\"cam1\"'",
        who: "Names from a configuration file or a shell that were not unquoted, and URLs that were split differently from what the \
              server expects.",
        fix: "Send the name alone: what follows the application in the URL, without quotes, and with its escapes undone.",
        source: "RTMP 1.0 sections 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(form),
};

fn form(comparison: &Comparison<'_>) -> Vec<Claim> {
    if let Some(claim) = empty(comparison) {
        return vec![claim];
    }
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

/// A name of no bytes, where A has one.
fn empty(comparison: &Comparison<'_>) -> Option<Claim> {
    let of = |session: &Session| {
        commands(session).into_iter().find_map(|said| {
            let is_start = ["publish", "play"].iter().any(|name| said.is(ClientToServer, name));
            let name = said.command.arguments().get(1)?.as_str()?.to_string();
            (is_start && name.is_empty() && session.items[said.item].defects.is_empty())
                .then_some((said.item, said.name))
        })
    };
    let (item, call) = of(comparison.b).filter(|_| comparison.a.and_then(of).is_none())?;
    let row = comparison.rows.iter().position(|row| row.b == Some(item))?;
    let title = format!("the stream name of {call} is empty");
    let path = FieldPath::property(&call, "name");
    let own = comparison.open().filter(|&index| comparison.mismatches[index].row == row);
    let own: Vec<usize> = own.filter(|&index| comparison.mismatches[index].path.last() == Some("name")).collect();
    let claim = Claim::of_message(comparison, row, path, Certainty::Certain, title)
        .why("a stream is found by its name, and this one has none")
        .fix(format!("send the stream's name as the first argument of {call}"))
        .explaining(own);
    let serves = Progress::of(comparison.b, &comparison.identities[Side::B as usize]).serves();
    Some(if serves { claim } else { claim.weighing(Severity::Error).breaking(Impact::Response) })
}

/// The name that may be meant by one that has more in it.
fn bare(name: &str, app: &str) -> Option<String> {
    let quoted = ['"', '\''].into_iter().find_map(|quote| name.strip_prefix(quote)?.strip_suffix(quote));
    let url = || name.contains("://").then(|| name.rsplit('/').next()).flatten();
    let after_app = || name.strip_prefix(app).filter(|_| !app.is_empty())?.strip_prefix('/');
    let trimmed = || Some(name.trim().trim_end_matches('\0')).filter(|trimmed| *trimmed != name);
    let marked = || name.strip_prefix(BYTE_ORDER_MARK);
    let bare = quoted.or_else(url).or_else(after_app).or_else(trimmed).or_else(marked).map(str::to_owned);
    // In a query escapes are in their place.
    let query = name.find('?').unwrap_or(name.len());
    let decoded = || Some(percent_decoded(&name[..query])? + &name[query..]);
    bare.or_else(decoded).filter(|bare| !bare.is_empty())
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
    // What follows a question mark is for the server, which told the name from it where the session did what it is for.
    let query = |name: &str| name.find(['?', '&']).unwrap_or(name.len());
    let is_query = a[..query(a)] == b[..query(b)];
    let is_taken = is_query && Progress::of(comparison.b, &comparison.identities[Side::B as usize]).serves();
    let claim = claim.map(|claim| match relation {
        Some(_) if is_taken => Claim { certainty: Certainty::Likely, ..claim }
            .why("this server took it; another one may need what follows the name, or read it as part of the name")
            .fix("nothing, if the query is meant to be another")
            .weighing(Severity::Warning),
        // By chance nobody chooses such a name.
        Some(_) => Claim { certainty: Certainty::Likely, ..claim }
            .why("a server uses the name as it is: it is another stream, or a key that it does not know")
            .fix("send the name as in A")
            .weighing(Severity::Error),
        None => claim.why(format!(
            "every command that contains the name has the same one; they differ from byte {} on, and have {} and {} bytes",
            first_difference(a, b),
            a.len(),
            b.len()
        )),
    });
    claim.into_iter().collect()
}

fn text(value: &Value) -> Option<&str> {
    match &value.value {
        field::Value::Text(text) => Some(text),
        _ => None,
    }
}

/// What a mistake made of a name, in words that do not tell it: what was done, and at which byte.
fn relation(a: &str, b: &str, app: &str) -> Option<String> {
    let around = |text: &str, quote: char| text.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned);
    let last = |text: &str| text.rsplit('/').next().map(str::to_owned);
    let is_quoted =
        |outer: &str, inner: &str| ['"', '\''].iter().any(|&quote| around(outer, quote).as_deref() == Some(inner));
    let first = first_difference(a, b);
    if a.is_empty() || b.is_empty() {
        None
    } else if b.strip_prefix(BYTE_ORDER_MARK) == Some(a) {
        Some("with a byte order mark (ef bb bf) before it".to_owned())
    } else if a.strip_prefix(BYTE_ORDER_MARK) == Some(b) {
        Some("without the byte order mark (ef bb bf) before it".to_owned())
    } else if a.encode_utf16().flat_map(|unit| unit.to_be_bytes().map(char::from)).eq(b.chars()) {
        Some("as UTF-16, high byte first".to_owned())
    } else if a.encode_utf16().flat_map(|unit| unit.to_le_bytes().map(char::from)).eq(b.chars()) {
        Some("as UTF-16, low byte first".to_owned())
    } else if !a.is_ascii() && a.bytes().map(char::from).eq(b.chars()) {
        Some(format!("encoded as UTF-8 twice, first at byte {first}"))
    } else if !a.is_ascii() && a.nfc().eq(b.nfc()) {
        let form = if is_nfc(b) { "one letter" } else { "a letter and its mark" };
        Some(format!("with {form} in the place of the other form (Unicode NFC, NFD), first at byte {first}"))
    } else if is_quoted(b, a) {
        Some("in quotation marks".to_owned())
    } else if is_quoted(a, b) {
        Some("without its quotation marks".to_owned())
    } else if b.trim() == a {
        Some(format!("with {} around it", space(a, b)?))
    } else if a.trim() == b {
        Some(format!("without {} around it", space(b, a)?))
    } else if b.trim_end_matches('\0') == a {
        Some("with NUL after it".to_owned())
    } else if b.strip_prefix(app).and_then(|rest| rest.strip_prefix('/')) == Some(a) && !app.is_empty() {
        Some(format!("with the application, '{app}', and a slash before it"))
    } else if b.contains("://") && last(b).as_deref() == Some(a) {
        Some("as a whole URL".to_owned())
    } else if b.strip_prefix('/') == Some(a) {
        Some("with a slash before it".to_owned())
    } else if b.strip_suffix('/') == Some(a) {
        Some("with a slash after it".to_owned())
    } else if b.to_lowercase() == a.to_lowercase() {
        Some(format!("in other capital and small letters, first at byte {first}"))
    } else if let Some(more) = b.strip_prefix(a).filter(|more| more.starts_with(['?', '&'])) {
        Some(format!("and more after it, from the {} on", more.chars().next()?))
    } else if let Some(rest) = a.strip_prefix(b).filter(|rest| is_cut(b, rest)) {
        Some(match rest.chars().next()? {
            next if next.is_alphanumeric() => format!("cut at byte {}", b.len()),
            next => format!("cut at byte {}, before {next:?}", b.len()),
        })
    } else if percent_decoded(b).as_deref() == Some(a) {
        Some(format!("percent-encoded, first at byte {first}"))
    } else if percent_decoded(a).as_deref() == Some(b) {
        Some(format!("with its percent-encoding undone, first at byte {first}"))
    } else if a.replace(' ', "+") == b || a.replace('+', " ") == b {
        Some(format!("with a space and + in each other's place, first at byte {first}"))
    } else if a.chars().filter(|letter| !letter.is_whitespace()).eq(b.chars()) {
        Some(format!("without its white space, first at byte {first}"))
    } else {
        None
    }
}

/// What Windows programs put before a text in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The first byte in which two texts differ.
fn first_difference(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// Whether nobody chooses the beginning of a name: where it ends before a separator, or is long.
fn is_cut(beginning: &str, rest: &str) -> bool {
    const LONG: usize = 15;
    !rest.starts_with(char::is_alphanumeric) || beginning.len() >= LONG
}

/// The white space around a name: `1 byte of white space (0a)`.
fn space(inner: &str, outer: &str) -> Option<String> {
    let before = outer.find(inner)?;
    let around = [&outer[..before], &outer[before + inner.len()..]].concat();
    let hex: Vec<String> = around.bytes().take(4).map(|byte| format!("{byte:02x}")).collect();
    let bytes = if around.len() == 1 { "byte" } else { "bytes" };
    Some(format!("{} {bytes} of white space ({})", around.len(), hex.join(" ")))
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
            ("cam1?key=secret\n", "with 1 byte of white space (0a) around it"),
            (" cam1?key=secret\r\n", "with 3 bytes of white space (20 0d 0a) around it"),
            ("cam1?key=secret/", "with a slash after it"),
            ("cam1?key=secret\0", "with NUL after it"),
            ("live/cam1?key=secret", "with the application, 'live', and a slash before it"),
            ("rtmp://192.0.2.1/live/cam1?key=secret", "as a whole URL"),
            ("/cam1?key=secret", "with a slash before it"),
            ("cam1?Key=secret", "in other capital and small letters, first at byte 5"),
            ("cam1?key=secret&x=1", "and more after it, from the & on"),
            ("cam1", "cut at byte 4, before '?'"),
            ("cam1%3Fkey%3dsecret", "percent-encoded, first at byte 4"),
            ("\u{feff}cam1?key=secret", "with a byte order mark (ef bb bf) before it"),
            ("\0c\0a\0m\x001\0?\0k\0e\0y\0=\0s\0e\0c\0r\0e\0t", "as UTF-16, high byte first"),
            ("c\0a\0m\x001\0?\0k\0e\0y\0=\0s\0e\0c\0r\0e\0t\0", "as UTF-16, low byte first"),
        ] {
            assert_eq!(of(b).as_deref(), Some(words));
            assert!(!words.contains("secret"));
        }
        let of_spaced = |b: &str| relation("\"my cam%21\"", b, "live");
        assert_eq!(of_spaced("my cam%21").as_deref(), Some("without its quotation marks"));
        assert_eq!(
            relation("my cam%21", "my cam!", "").as_deref(),
            Some("with its percent-encoding undone, first at byte 6")
        );
        assert_eq!(
            relation("my cam", "my+cam", "").as_deref(),
            Some("with a space and + in each other's place, first at byte 2")
        );
        assert_eq!(relation("my cam", "mycam", "").as_deref(), Some("without its white space, first at byte 2"));
        assert_eq!(
            relation("a-key-of-thirty-two-bytes-0123456", "a-key-of-thirty-", "").as_deref(),
            Some("cut at byte 16")
        );
        // One letter, and a letter with a mark after it (Unicode NFC and NFD), and UTF-8 taken for Latin-1.
        let of_cafe = |b: &str| relation("caf\u{e9}", b, "").unwrap_or_default();
        assert!(of_cafe("cafe\u{301}").starts_with("with a letter and its mark"), "{}", of_cafe("cafe\u{301}"));
        assert_eq!(of_cafe("caf\u{c3}\u{a9}"), "encoded as UTF-8 twice, first at byte 4");
        for other in ["cam2", "", "cam1%3", "100%", "ca"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
