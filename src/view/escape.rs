//! Strings from the wire, made safe for a terminal.
//!
//! A stream's name may hold an escape sequence that hides or rewrites what a terminal shows, or a
//! character that turns the direction of the text around. Such characters are written as Rust would.

use std::borrow::Cow;

/// `text` with all that a terminal would act on written out: `\u{1b}`, `\r`, `\0`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => escaped.push_str("\\0"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_unsafe(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, and those that change the direction of text, are invisible, or separate lines.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_written_out() {
        assert_eq!(escape("\x1b]8;;http://x\x07live\x1b[2K"), "\\u{1b}]8;;http://x\\u{7}live\\u{1b}[2K");
        assert_eq!(escape("a\u{202e}b\0\n\u{9b}"), "a\\u{202e}b\\0\\n\\u{9b}");
    }

    #[test]
    fn ordinary_text_of_any_language_stays() {
        assert!(matches!(escape("日本語のタイトル ☕🙂 naïve"), Cow::Borrowed(_)));
    }
}
