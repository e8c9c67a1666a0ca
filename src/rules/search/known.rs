//! The log lines and the symptoms that are known, read from the tables beside this file.
//!
//! A table is text, so that a line of a log needs no code. `# program | file` says who writes the lines that follow;
//! then each has three lines: `> the line` with its numbers and strings free, what it means, and `= the rules to try`.
//! Symptoms have no meaning of their own. What numbers mean is told by their kind: see [`Kind`](super::Kind).

use std::sync::LazyLock;

use super::{LogLine, Pattern, Symptom};

const TABLES: [&str; 5] = [
    include_str!("lines/c_servers.txt"),
    include_str!("lines/go_servers.txt"),
    include_str!("lines/other_servers.txt"),
    include_str!("lines/clients.txt"),
    include_str!("lines/status.txt"),
];

/// Verbatim from the programs' sources.
pub(super) static LOG_LINES: LazyLock<Vec<LogLine>> =
    LazyLock::new(|| TABLES.into_iter().flat_map(log_lines).collect());

/// What users say.
pub(super) static SYMPTOMS: LazyLock<Vec<Symptom>> = LazyLock::new(|| {
    entries(include_str!("symptoms.txt"))
        .into_iter()
        .map(|entry| Symptom { says: entry.says, rules: entry.rules })
        .collect()
});

fn log_lines(table: &'static str) -> Vec<LogLine> {
    let of_entry = |entry: Entry| LogLine {
        line: Pattern::parse(entry.says),
        program: entry.program,
        file: entry.file,
        meaning: entry.meaning,
        rules: entry.rules,
    };
    entries(table).into_iter().map(of_entry).collect()
}

#[derive(Clone, Default)]
struct Entry {
    program: &'static str,
    file: &'static str,
    says: &'static str,
    meaning: &'static str,
    rules: Vec<&'static str>,
}

fn entries(table: &'static str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut entry = Entry::default();
    for line in table.lines() {
        match line.split_once(' ') {
            Some(("#", source)) => (entry.program, entry.file) = source.split_once(" | ").unwrap_or((source, "")),
            Some((">", says)) => entry.says = says,
            Some(("=", rules)) => {
                entry.rules = rules.split_whitespace().collect();
                entries.push(entry.clone());
            }
            _ => entry.meaning = line,
        }
    }
    entries
}
