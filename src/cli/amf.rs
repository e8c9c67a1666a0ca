//! `rtmp-inspect amf`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::amf::encode::encode;
use crate::amf::exact::exact;
use crate::amf::{Values, amf0, amf3};
use crate::escape::{escape, json};
use crate::field::{Defect, Node, Reader, Tree, Value};
use crate::literal::{self, Form};
use crate::view;
use crate::view::follow::Dump;

use super::input;
use super::output::{Output, complain};
use super::values::{self, Format, Shape};
use super::{EXIT_FINDINGS, EXIT_OK};

/// The version of the JSON's format.
const FORMAT_VERSION: u32 = 1;

/// What `amf` was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtmp-inspect amf 02 00 04 70 6c 61 79\n  \
    rtmp-inspect amf \"b'\\x02\\x00\\x04play'\"\n  \
    rtmp-inspect amf --format json body.bin > body.json\n  \
    rtmp-inspect amf --encode body.json --as python\n  \
    rtmp-inspect amf --encode '[\"play\", 0, null, {\"$date\": 0}]'\n  \
    rtmp-inspect amf --as c cGxheQ==                               no AMF: bytes from one form to another")]
pub struct Options {
    /// A file, or the bytes (or JSON) themselves; '-' or nothing reads standard input
    #[arg(value_name = "INPUT")]
    input: Vec<PathBuf>,

    /// How the bytes are written; by default that is found out, and what is not text is read as raw bytes
    #[arg(long, value_enum, value_name = "FORM")]
    from: Option<From>,

    /// Skip so many bytes, as the format byte before the values of an AMF3 command
    #[arg(long, value_name = "N", value_parser = values::number::<usize>, default_value_t = 0)]
    skip: usize,

    /// The values are AMF 3 from the first byte on; in AMF 0, marker 11 begins one
    #[arg(long)]
    amf3: bool,

    /// Encode JSON as AMF, in the convention of docs/amf.md
    #[arg(long, conflicts_with_all = ["from", "format", "skip"])]
    encode: bool,

    /// Print the bytes in this form, and do not decode them; for --encode the default is hex
    #[arg(long = "as", value_enum, value_name = "FORM", conflicts_with = "format")]
    shape: Option<Shape>,

    /// How to print the values
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// The bytes themselves
    Raw,
    /// Pairs of digits, with anything usual between them
    Hex,
    /// Either alphabet, with padding or without
    Base64,
    /// A string or array of C
    C,
    /// A byte string or array of Rust
    Rust,
    /// Bytes of Python
    Python,
    /// A string or slice of Go
    Go,
    /// A string or array of JavaScript
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// A string or array of Swift
    Swift,
    /// A string or array of Kotlin
    Kotlin,
}

impl From {
    fn form(self) -> Option<Form> {
        Some(match self {
            From::Raw => return None,
            From::Hex => Form::Hex,
            From::Base64 => Form::Base64,
            From::C => Form::C,
            From::Rust => Form::Rust,
            From::Python => Form::Python,
            From::Go => Form::Go,
            From::JavaScript => Form::JavaScript,
            From::Swift => Form::Swift,
            From::Kotlin => Form::Kotlin,
        })
    }
}

/// The values as JSON, with the place of each field.
#[derive(Serialize)]
struct Report<'r> {
    format_version: u32,
    amf: u8,
    values: Json,
    fields: Vec<Field<'r>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    defects: &'r [Defect],
}

/// A field: its name in filters, where it is, and its value if it has one.
#[derive(Serialize)]
struct Field<'r> {
    name: &'static str,
    depth: usize,
    offset: usize,
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'r str>,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    let (name, content) = options.content()?;
    let shape = options.shape.unwrap_or(Shape::Hex);
    if options.encode {
        let bytes = options.encoded(&name, &content)?;
        print(&bytes, shape, output)?;
        return Ok(EXIT_OK);
    }
    let bytes = options.bytes(&name, content)?;
    ensure!(
        options.skip < bytes.len() || bytes.is_empty(),
        "{name} has {} bytes, and --skip {} leaves none",
        bytes.len(),
        options.skip
    );
    ensure!(!bytes.is_empty(), "{name} has no bytes");
    let bytes = &bytes[options.skip..];
    if options.shape.is_some() {
        print(bytes, shape, output)?;
        return Ok(EXIT_OK);
    }
    let mut tree = Tree::default();
    let mut reader = Reader::new(bytes, &mut tree);
    let values = if options.amf3 { amf3::values(&mut reader) } else { amf0::values(&mut reader) };
    match options.format {
        Format::Text => {
            let text = view::amf::tree(&tree, bytes, 0, output.layout(), output.colour);
            output.write_all(text.as_bytes())?;
            for Defect { code, message, offset } in &values.defects {
                output.text(&format!("! {code}: {} (offset {offset})\n", escape(message)))?;
            }
        }
        Format::Json => {
            let report = report(&values, &tree, bytes, options.amf3)?;
            json::write_pretty(&mut *output, &report)?;
            writeln!(output)?;
            match values.defects.is_empty() {
                true => tell_of_differences(&report.values, bytes, options.amf3),
                false => complain("note", "the bytes are damaged: encoding this JSON does not give them again"),
            }
        }
    }
    Ok(if values.defects.is_empty() { EXIT_OK } else { EXIT_FINDINGS })
}

fn report<'r>(values: &'r Values<'_>, tree: &'r Tree, bytes: &[u8], is_amf3: bool) -> anyhow::Result<Report<'r>> {
    let json = match exact(values, tree, bytes, is_amf3) {
        Some(json) => json,
        None => serde_json::to_value(&values.values)?,
    };
    let field = |node: &'r Node| Field {
        name: node.def.name,
        depth: node.depth,
        offset: node.range.start,
        length: node.range.len(),
        value: (node.value != Value::None).then(|| node.value.plain(node.def.kind, node.range.len()).into_owned()),
        text: node.text.as_deref(),
    };
    Ok(Report {
        format_version: FORMAT_VERSION,
        amf: if is_amf3 { 3 } else { 0 },
        values: json,
        fields: tree.nodes().iter().map(field).collect(),
        defects: &values.defects,
    })
}

/// Says if the values do not give these bytes back: some numbers can be written in two ways.
fn tell_of_differences(values: &Json, bytes: &[u8], is_amf3: bool) {
    let Some(values) = values.as_array() else { return };
    let encoded = encode(values, is_amf3).unwrap_or_default();
    if encoded != bytes {
        let at = encoded.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        complain("note", &format!("encoding this JSON gives other bytes from offset {at} on, which mean the same"));
    }
}

fn print(bytes: &[u8], shape: Shape, output: &mut Output) -> anyhow::Result<()> {
    match shape.form() {
        Some(form) => writeln!(output, "{}", literal::write(bytes, form))?,
        None if shape == Shape::Raw => output.write_all(bytes)?,
        None => {
            let dump = Dump::new(output.layout(), output.colour);
            output.write_all(dump.plain(bytes, 0).as_bytes())?;
        }
    }
    Ok(())
}

impl Options {
    /// What was given, and what to call it.
    fn content(&self) -> anyhow::Result<(String, Vec<u8>)> {
        let is_standard_input = |path: &Path| input::is_standard_input(path);
        match self.input.as_slice() {
            [] => read(Path::new("-")),
            [one] if is_standard_input(one) || one.exists() => read(one),
            words => {
                let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
                Ok(("the argument".to_owned(), text.join(" ").into_bytes()))
            }
        }
    }

    fn bytes(&self, name: &str, content: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let is_text = |bytes: &[u8]| {
            let is_plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
            std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain))
        };
        let form = match self.from {
            Some(From::Raw) => return Ok(content),
            Some(from) => from.form(),
            None if !is_text(&content) => return Ok(content),
            None => None,
        };
        let text = std::str::from_utf8(&content).with_context(|| format!("{name} is not text"))?;
        let read = match form {
            Some(form) => literal::read_as(text.trim(), form),
            None => literal::read(text),
        };
        match read {
            Ok(bytes) => {
                // A word of letters may be a file's name with a slip in it.
                let is_word = name == "the argument" && form.is_none() && !text.contains(char::is_whitespace);
                if is_word && literal::read_as(text.trim(), Form::Base64).as_ref() == Ok(&bytes) {
                    complain("note", &format!("no file has the name '{}': it is read as base64", escape(text)));
                }
                Ok(bytes)
            }
            Err(error @ literal::Error::Ambiguous(..)) => bail!("cannot read {name}: {error}; --from FORM chooses one"),
            Err(error) if self.input.len() == 1 && !content.contains(&b'\n') && name == "the argument" => {
                bail!("no file has the name '{}', and as bytes it is {error}", escape(text))
            }
            Err(error) => bail!("cannot read {name}: {error}"),
        }
    }

    fn encoded(&self, name: &str, content: &[u8]) -> anyhow::Result<Vec<u8>> {
        let json: Json = serde_json::from_slice(content).with_context(|| format!("{name} is not JSON"))?;
        let (values, is_amf3) = match json {
            Json::Array(values) => (values, self.amf3),
            // What --format json prints, or a row of decode.
            Json::Object(mut object) if object.get("values").is_some_and(Json::is_array) => {
                let is_amf3 = self.amf3 || object.get("amf") == Some(&json!(3));
                match object.remove("values") {
                    Some(Json::Array(values)) => (values, is_amf3),
                    _ => (Vec::new(), is_amf3),
                }
            }
            one => (vec![one], self.amf3),
        };
        encode(&values, is_amf3).with_context(|| format!("cannot encode {name}"))
    }
}

fn read(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    if input::is_standard_input(path) {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(("standard input".to_owned(), bytes));
    }
    let name = input::in_words(path);
    ensure!(!path.is_dir(), "cannot read {name}: it is a directory");
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    Ok((name, bytes))
}
