//! GitHub's annotations: lines that its runner reads from the output of a step.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::escape::{github_message, github_property};
use crate::rules::Severity;

use super::{Case, Document, Problem, State};

/// A line for each problem, and for each failure without one.
pub fn annotations(document: &Document) -> String {
    let mut lines = String::new();
    for suite in &document.suites {
        for case in &suite.cases {
            for problem in &case.problems {
                let message = std::iter::once(&problem.title).chain(&problem.details);
                let message = message.map(String::as_str).collect::<Vec<_>>().join("\n");
                line(&mut lines, level(problem), &suite.file, &title(case, problem), &message);
            }
            if case.problems.is_empty() && case.state != State::Passed {
                line(&mut lines, "error", &suite.file, case.name, &case.summary);
            }
        }
    }
    lines
}

/// Text for people, so that nothing in it is treated as a command: names and values come from the wire.
pub fn quoted(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    // Nobody can write into the text the token that ends it.
    let token = hex::encode(&Sha256::digest(text.as_bytes())[..16]);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("::stop-commands::{token}\n{text}{end}::{token}::\n")
}

fn title(case: &Case, problem: &Problem) -> String {
    format!("{}: {}", case.name, problem.kind.code())
}

fn level(problem: &Problem) -> &'static str {
    match problem.severity {
        Severity::Fatal | Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

fn line(lines: &mut String, level: &str, file: &str, title: &str, message: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        lines,
        "::{level} file={},title={}::{}",
        github_property(file),
        github_property(title),
        github_message(message)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_is_made_of_is_escaped() {
        let mut lines = String::new();
        line(&mut lines, "error", "a,b:c.pcap", "x: 100%", "50%\r\n::warning::no");
        assert_eq!(lines, "::error file=a%2Cb%3Ac.pcap,title=x%3A 100%25::50%25\\r%0A::warning::no\n");
    }

    #[test]
    fn text_from_the_wire_is_no_command() {
        let shown = quoted("::error::x\n");
        let lines: Vec<_> = shown.lines().collect();
        let token = lines[0].strip_prefix("::stop-commands::").expect("it stops commands");
        assert_eq!((lines[1], lines[2]), ("::error::x", format!("::{token}::").as_str()));
        assert_eq!(quoted(""), "");
    }
}
