//! The configuration file: where it is found, and `rtmp-inspect config`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;
use clap::Args;

use crate::config::{FILE_NAME, File, KEYS, Origin, Place, Settings, Value};
use crate::escape::{escape, json};
use crate::view;

use super::lint::FailOn;
use super::output::Output;
use super::select::Connections;
use super::values::Format;
use super::{EXIT_OK, input};

/// What `config` was asked for. Its options are those of other subcommands, so that what they do can be seen.
#[derive(Debug, Args)]
#[command(
    after_help = "The file is rtmp-inspect.toml, in the capture's directory or the nearest above it, no higher than \
    the repository. The command line takes precedence over the file, an override over the rest of it.\n\nExamples:\n  \
    rtmp-inspect config captures/obs-1.pcap\n  \
    rtmp-inspect config --keys\n  \
    rtmp-inspect config --fail-on warning --format json"
)]
pub struct Options {
    /// The capture, or the directory of captures, that it is for
    #[arg(value_name = "CAPTURE|DIR", default_value = ".")]
    path: PathBuf,

    /// List the keys of a configuration file
    #[arg(long)]
    keys: bool,

    /// As for diff and check
    #[arg(long, value_name = "PATH")]
    ignore: Vec<String>,

    /// As for diff and check
    #[arg(long)]
    strict: bool,

    /// As for check
    #[arg(long)]
    no_lint: bool,

    /// As for lint and check
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<FailOn>,

    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    file: ConfigFile,
}

/// Which configuration file counts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigFile {
    /// Use this file instead of the nearest rtmp-inspect.toml upwards from the capture
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Use no configuration file
    #[arg(long, conflicts_with = "config")]
    no_config: bool,
}

/// The configuration files that were looked for so far.
pub struct Configs {
    /// The one that counts for all, or that there is none; None: each capture has its own.
    fixed: Option<Option<Rc<Found>>>,
    by_directory: RefCell<HashMap<PathBuf, Option<Rc<Found>>>>,
}

/// A configuration file, and the directory that its paths start from.
pub struct Found {
    path: PathBuf,
    directory: PathBuf,
    file: File,
}

/// Runs it.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<u8> {
    if options.keys {
        output.text(&keys())?;
        return Ok(EXIT_OK);
    }
    let path = &options.path;
    anyhow::ensure!(
        input::is_standard_input(path) || path.exists(),
        "there is no {}: give a capture or a directory",
        input::in_words(path)
    );
    let configs = options.file.configs()?;
    let mut given = options.connections.given();
    given.extend(Some(Value::Ignore(options.ignore.clone())).filter(|_| !options.ignore.is_empty()));
    given.extend(options.strict.then_some(Value::Strict(true)));
    given.extend(options.no_lint.then_some(Value::Lint(false)));
    given.extend(options.fail_on.map(|level| Value::FailOn(level.severity())));
    let settings = configs.settings(path, &given)?;
    let found = configs.of(path)?;
    let file = found.as_ref().map(|found| found.file.name.as_str());
    match options.format {
        Format::Text => {
            let of = escape(file.unwrap_or("no rtmp-inspect.toml; all settings have their defaults"));
            let name = path.display().to_string();
            let text = view::config::config(&settings, output.colour);
            output.text(&format!("{}: {of}\n{text}", escape(&name)))?;
        }
        Format::Json => {
            let document = serde_json::json!({ "format_version": 1, "file": file, "settings": settings });
            json::write_pretty(&mut *output, &document)?;
            output.write_all(b"\n")?;
        }
    }
    Ok(EXIT_OK)
}

/// Every key with what it is for, as a file of comments and examples.
fn keys() -> String {
    let mut text = String::new();
    for key in KEYS {
        let place = match key.place {
            Place::Both => "",
            Place::Top => " (not in an override)",
            Place::Override => " (in an override only)",
        };
        let says =
            textwrap::fill(&format!("# {}{place}.", key.says), textwrap::Options::new(100).subsequent_indent("# "));
        text.push_str(&format!("{says}\n{}\n\n", key.example));
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

impl ConfigFile {
    /// What is asked for, with no file read yet but one that is named.
    pub fn configs(&self) -> anyhow::Result<Configs> {
        let fixed = match &self.config {
            Some(path) => Some(Some(Rc::new(Found::read(path)?))),
            None => self.no_config.then_some(None),
        };
        Ok(Configs { fixed, by_directory: RefCell::default() })
    }
}

impl Configs {
    /// What is in force for a capture, or for what is in a directory, with what the command line says.
    pub fn settings(&self, path: &Path, given: &[Value]) -> anyhow::Result<Settings> {
        let mut settings = Settings::default();
        if let Some(found) = self.of(path)? {
            found.file.apply(&found.relative(path), &mut settings);
        }
        for value in given {
            settings.apply(value.clone(), &Origin::CommandLine);
        }
        Ok(settings)
    }

    /// The configuration files that count for captures.
    pub fn files<'p>(&self, captures: impl IntoIterator<Item = &'p Path>) -> anyhow::Result<Vec<PathBuf>> {
        let found = captures.into_iter().map(|path| self.of(path));
        found.filter_map(|found| Some(found.transpose()?.map(|found| found.path.clone()))).collect()
    }

    /// Whether the search for captures leaves this one out.
    pub fn exclude(&self, path: &Path) -> anyhow::Result<bool> {
        Ok(self.of(path)?.is_some_and(|found| found.file.excludes(&found.relative(path))))
    }

    /// The configuration file of a capture or a directory.
    fn of(&self, path: &Path) -> anyhow::Result<Option<Rc<Found>>> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let absolute = if input::is_standard_input(path) { absolute(Path::new("."))? } else { absolute(path)? };
        let directory = if absolute.is_dir() { &absolute } else { absolute.parent().unwrap_or(&absolute) };
        if let Some(known) = self.by_directory.borrow().get(directory) {
            return Ok(known.clone());
        }
        let found = Found::upwards(directory)?.map(Rc::new);
        self.by_directory.borrow_mut().insert(directory.to_owned(), found.clone());
        Ok(found)
    }
}

impl Found {
    /// The nearest file upwards from a directory, as far as the repository that it is in: what lies beyond is not the
    /// team's.
    fn upwards(directory: &Path) -> anyhow::Result<Option<Found>> {
        for directory in directory.ancestors() {
            let path = directory.join(FILE_NAME);
            if path.is_file() {
                return Found::read(&path).map(Some);
            }
            if directory.join(".git").exists() {
                break;
            }
        }
        Ok(None)
    }

    fn read(path: &Path) -> anyhow::Result<Found> {
        let name = super::check::shown(path);
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", escape(&name)))?;
        let file = File::parse(&name, &text).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the configuration cannot be used\n{}", errors.join("\n"))
        })?;
        let directory = absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Found { path: path.to_owned(), directory, file })
    }

    /// The way from the file's directory to a capture.
    fn relative(&self, path: &Path) -> String {
        let absolute = absolute(path).unwrap_or_else(|_| path.to_owned());
        let below = absolute.strip_prefix(&self.directory).unwrap_or(&absolute);
        let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }
}

impl Connections {
    /// What the command line says of connections.
    pub fn given(&self) -> Vec<Value> {
        let ports = (!self.port.is_empty()).then(|| Value::Ports(self.port.clone()));
        let decode_as = (!self.decode_as.is_empty()).then(|| Value::DecodeAs(self.decode_as.clone()));
        ports.into_iter().chain(decode_as).collect()
    }

    /// The same options with what is in force for a capture.
    pub fn with(&self, settings: &Settings) -> Connections {
        Connections {
            stream: self.stream,
            port: settings.ports.value.clone(),
            decode_as: settings.decode_as.value.clone(),
            known: self.known.clone(),
        }
    }
}

/// An absolute path without `.` and `..`, as far as that can be told without asking the file system for links.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let absolute =
        std::path::absolute(path).with_context(|| format!("cannot resolve the path {}", input::in_words(path)))?;
    let mut plain = PathBuf::new();
    for part in absolute.components() {
        match part {
            std::path::Component::ParentDir => _ = plain.pop(),
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Ok(plain)
}
