//! `rtmp-inspect rules`.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::escape::escape;
use crate::rules::{self, RULES, Rule};
use crate::view;

use super::output::{Output, complain};
use super::values::Format;
use super::{EXIT_OK, EXIT_TROUBLE, values};

/// What `rules` was asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// The rule whose page to print; without it, all rules are listed
    #[arg(value_name = "CODE", value_parser = values::any_code(), hide_possible_values = true, conflicts_with = "search")]
    code: Option<String>,

    /// Find rules by words, by a line from a server's or client's log, or by a symptom
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

const FORMAT_VERSION: u32 = 1;

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    let (layout, colour) = (output.layout(), output.colour);
    let is_text = options.format == Format::Text;
    if let Some(text) = &options.search {
        let found = rules::search(text);
        if is_text {
            output.text(&view::rules::found(&found, layout, colour))?;
        } else {
            write_json(output, &found_json(&found))?;
        }
        if found.rules.is_empty() {
            complain(
                "note",
                &format!("no rule, log line or symptom matches '{}'; rtmp-inspect rules lists all rules", escape(text)),
            );
        } else if !found.is_certain {
            complain("note", &format!("no exact match for '{}'; these are the nearest", escape(text)));
        }
        return Ok(EXIT_OK);
    }
    let Some(code) = &options.code else {
        if is_text {
            output.text(&view::rules::table(&RULES, layout, colour))?;
        } else {
            let rules: Vec<Value> = RULES.iter().map(|rule| rule_json(rule)).collect();
            write_json(output, &json!({ "format_version": FORMAT_VERSION, "rules": rules }))?;
        }
        return Ok(EXIT_OK);
    };
    let Some(rule) = rules::find(code) else {
        let near = rules::nearest(code);
        let hint = match near.as_slice() {
            [] => "rtmp-inspect rules lists them, rtmp-inspect rules --search finds them by words".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        complain("error", &format!("no rule '{}'; {hint}", escape(code)));
        return Ok(EXIT_TROUBLE);
    };
    if is_text {
        output.text(&view::rules::page(rule, layout, colour))?;
    } else {
        write_json(output, &json!({ "format_version": FORMAT_VERSION, "rules": [rule_json(rule)] }))?;
    }
    Ok(EXIT_OK)
}

fn rule_json(rule: &Rule) -> Value {
    let page = rule.page;
    json!({
        "code": rule.code,
        "layer": rule.layer,
        "severity": rule.severity,
        "modes": rule.modes,
        "title": rule.title,
        "page": { "what": page.what, "looks": page.looks, "who": page.who, "fix": page.fix, "source": page.source },
    })
}

fn found_json(found: &rules::Found) -> Value {
    let log_lines = found.log_lines.iter().map(|found| {
        json!({
            "line": found.line.line.text(),
            "program": found.line.program,
            "file": found.line.file,
            "exact": found.is_exact,
            "meaning": found.meaning,
            "rules": found.rules,
        })
    });
    let symptoms = found.symptoms.iter().map(|symptom| json!({ "says": symptom.says, "rules": symptom.rules }));
    json!({
        "format_version": FORMAT_VERSION,
        "certain": found.is_certain,
        "log_lines": log_lines.collect::<Vec<_>>(),
        "symptoms": symptoms.collect::<Vec<_>>(),
        "rules": found.rules.iter().map(|rule| rule_json(rule)).collect::<Vec<_>>(),
    })
}

fn write_json(output: &mut Output, document: &Value) -> anyhow::Result<()> {
    crate::escape::json::write_pretty(&mut *output, document)?;
    output.write_all(b"\n")?;
    Ok(())
}
