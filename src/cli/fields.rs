//! `rtmp-inspect fields`.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::dissect::{paths, vocabulary};
use crate::escape::{escape, json};
use crate::field::Def;
use crate::view;

use super::output::Output;
use super::values::Format;
use super::{EXIT_FINDINGS, EXIT_OK};

/// What `fields` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect fields\n  \
    rtmp-inspect fields rtmpt.header.typeid       with the names of its values\n  \
    rtmp-inspect fields timestamp\n\n\
    Properties are named by their message: connect.tcUrl, onMetaData.width, publish.name, onStatus.code;\n\
    command.NAME.PROPERTY for a message of any other name.")]
pub struct Options {
    /// Only fields with this in their name, title or meaning
    pattern: Option<String>,

    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

#[derive(Serialize)]
struct Field {
    name: &'static str,
    r#type: &'static str,
    title: &'static str,
    meaning: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<(u64, &'static str)>,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    let pattern = options.pattern.as_deref().unwrap_or_default().to_lowercase();
    let is_wanted =
        |def: &&Def| [def.name, def.title, def.meaning].iter().any(|text| text.to_lowercase().contains(&pattern));
    let all = || vocabulary::all().map(vocabulary::Known::def);
    let exact: Vec<_> = all().filter(|def| def.name == pattern).collect();
    let wanted = if exact.is_empty() { all().filter(is_wanted).collect() } else { exact };
    let fields: Vec<_> = wanted
        .iter()
        .map(|def| Field {
            name: def.name,
            r#type: def.kind.name(),
            title: def.title,
            meaning: def.meaning,
            values: def.values().collect(),
        })
        .collect();
    let paths: Vec<_> = paths::messages().filter(|name| name.to_lowercase().contains(&pattern)).collect();
    match options.format {
        Format::Json => {
            json::write_line(
                &mut *output,
                &serde_json::json!({ "format_version": 1, "fields": fields, "paths": paths }),
            )?;
            output.write_all(b"\n")?;
        }
        Format::Text => {
            let rows = fields.iter().map(|field| [field.name, field.r#type, field.meaning]);
            if !fields.is_empty() {
                output.text(&view::fields::table(rows, output.layout()))?;
            }
            if let [field] = &fields[..] {
                for (value, name) in &field.values {
                    writeln!(output, "  {value:>6} ({value:#04x})  {name}")?;
                }
            }
            if !paths.is_empty() {
                let words = format!("Properties by path, as connect.tcUrl: {}", paths.join(", "));
                output.text(&view::fields::paragraph(&words, output.layout()))?;
            }
        }
    }
    if fields.is_empty() && paths.is_empty() {
        super::output::complain("note", &format!("no field has '{}' in its name, title or meaning", escape(&pattern)));
        return Ok(EXIT_FINDINGS);
    }
    Ok(EXIT_OK)
}
