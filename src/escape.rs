//! Strings that others chose, made safe to print: the one place that knows how each format is escaped.
//!
//! A stream's name, a property, a file's name may hold an escape sequence that hides or rewrites what a terminal shows,
//! a character that turns the direction of the text around, or one that a format cannot contain. Takes strings, returns
//! strings; [`json`] writes values. Layout, colours and files are left to others.
//!
//! | format | an unsafe character becomes |
//! |---|---|
//! | text, CSV, messages on standard error | `\u{1b}`, `\n`, `\0`, as Rust writes it |
//! | GitHub annotations, JUnit XML, SARIF's messages | the same, as they are text for people; then what the format needs |
//! | JSON, JSON lines, SARIF, snapshots | `\u001b`, so that the value is the same string |

pub mod json;

use std::borrow::Cow;

/// A text for one line: all that a terminal would act on is written out, line ends too.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_where(text, is_unsafe)
}

/// A text of several lines: as [`escape`], but the line ends stay.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| c != '\n' && is_unsafe(c))
}

/// A cell of a CSV file: as [`escape`], and with an apostrophe before what a spreadsheet would run as a formula. Numbers
/// stay numbers, and words of the protocol stay as they are.
///
/// The characters are those of OWASP's page on CSV injection; tab and carriage return are written out anyway.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let cell = escape(text);
    let is_known = || is_number(&cell) || DATA_FRAME.contains(&cell.trim_end_matches("()"));
    if cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && !is_known() {
        return Cow::Owned(format!("'{cell}"));
    }
    cell
}

/// The handlers of metadata, in most sessions: with no arguments from a peer, they can do nothing.
const DATA_FRAME: [&str; 2] = ["@setDataFrame", "@clearDataFrame"];

/// The message of a GitHub annotation. Its runner turns `%0A` back into a line end (actions/toolkit,
/// packages/core/src/command.ts).
pub fn github_message(text: &str) -> String {
    escape_lines(text).replace('%', "%25").replace('\n', "%0A")
}

/// A property of a GitHub annotation: besides, `:` and `,` separate properties.
pub fn github_property(text: &str) -> String {
    escape(text).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}

/// Text for an element of XML 1.0, which cannot contain most of what is unsafe, not even as a reference (2.2).
pub fn xml_text(text: &str) -> String {
    markup(&escape_lines(text))
}

/// The value of an attribute of XML 1.0: it is one line (3.3.3).
pub fn xml_attribute(text: &str) -> String {
    markup(&escape(text))
}

fn markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether a character may not reach an output as it is: control characters (C0, DEL, C1), those that change the
/// direction of text, are invisible, or separate lines, and noncharacters (Unicode 23.7).
pub fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

fn escape_where(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Nearly all texts are printable ASCII, which is found many bytes at a time.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) || !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !is_escaped(c) => escaped.push(c),
            '\0' => escaped.push_str("\\0"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c => escaped.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(escaped)
}

/// A number as a spreadsheet reads it: `-5`, `+1.5e3`.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that is unsafe by the list of the standard, each on its own.
    const UNSAFE: &str = "\0\u{1}\u{8}\t\n\r\u{1b}\u{7f}\u{80}\u{9b}\u{9f}\u{200e}\u{200f}\u{61c}\u{202a}\u{202e}\
        \u{2066}\u{2069}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}\u{1fffe}\u{10ffff}\u{fdd0}\u{fdef}";

    #[test]
    fn what_a_terminal_acts_on_is_written_out() {
        assert_eq!(escape("\x1b]8;;http://x\x07live\x1b[2K"), "\\u{1b}]8;;http://x\\u{7}live\\u{1b}[2K");
        assert_eq!(escape("a\u{202e}b\0\n\u{9b}"), "a\\u{202e}b\\0\\n\\u{9b}");
        assert_eq!(escape_lines("a\nb\r\n\u{9b}"), "a\nb\\r\n\\u{9b}");
    }

    #[test]
    fn no_format_passes_an_unsafe_character_on() {
        for c in UNSAFE.chars() {
            let text = format!("a{c}b");
            let written = [
                escape(&text).into_owned(),
                csv_cell(&text).into_owned(),
                github_property(&text),
                json::string(&text),
                xml_attribute(&text),
            ];
            for written in written {
                assert!(written.is_ascii() && !written.contains(|c: char| c.is_ascii_control()), "{written:?}");
            }
            for written in [escape_lines(&text).into_owned(), github_message(&text), xml_text(&text)] {
                assert!(!written.replace('\n', "").contains(is_unsafe), "{written:?}");
            }
            assert!(!github_message(&text).contains('\n'));
            assert_eq!(serde_json::from_str::<String>(&json::string(&text)).unwrap(), text);
        }
    }

    #[test]
    fn ordinary_text_of_any_language_stays() {
        let text = "日本語のタイトル ☕🙂 naïve عربى עברית";
        assert!(matches!(escape(text), Cow::Borrowed(_)));
        assert_eq!(json::string(text), format!("\"{text}\""));
    }

    #[test]
    fn a_formula_is_text_and_a_number_is_a_number() {
        for formula in [
            "=1+1",
            "+1+1",
            "-1+1",
            "-",
            "@SUM(A1)",
            "-inf",
            "+e",
            "＝1",
            "=5",
            "-5%",
            "--5",
            "@setDataFrame(A1)",
            "@setDataFrame,x",
        ] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
        for plain in ["-5", "+5", "-1.5e-3", "-.5", "5-1", "", "'", "a=b", "a@b", "@setDataFrame()", "@setDataFrame"] {
            assert_eq!(csv_cell(plain), plain);
        }
        assert_eq!(csv_cell("\t=1"), "\\t=1");
    }

    #[test]
    fn what_a_github_command_is_made_of_is_escaped() {
        assert_eq!(github_message("50%\r\n::warning::no"), "50%25\\r%0A::warning::no");
        assert_eq!(github_property("a,b:c\n100%"), "a%2Cb%3Ac\\n100%25");
    }

    #[test]
    fn xml_has_only_what_it_can_have() {
        assert_eq!(xml_text("a<b>&\"\u{1b}[0m\u{ffff}\n"), "a&lt;b&gt;&amp;&quot;\\u{1b}[0m\\u{ffff}\n");
        assert_eq!(xml_attribute("a\n<'\""), "a\\n&lt;'&quot;");
    }
}
