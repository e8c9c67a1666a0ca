//! What is in force for one capture, and where each value comes from.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::lint::Level;
use crate::rules::Severity;

/// A value, and who set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Set<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File {
        /// The file.
        file: String,
        /// The line in it.
        line: usize,
        /// The pattern of an override, if it is in one.
        files: Option<String>,
    },
    /// An option.
    CommandLine,
}

/// One thing that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Paths whose differences do not count; they add up.
    Ignore(Vec<String>),
    /// Only connections on these ports.
    Ports(Vec<u16>),
    /// Connections on these ports too, whatever they look like.
    DecodeAs(Vec<u16>),
    /// Whether nothing is expected to differ.
    Strict(bool),
    /// Whether `check` lints.
    Lint(bool),
    /// From which severity on a finding is a failure; never if None.
    FailOn(Option<Severity>),
    /// How much a rule weighs.
    Rule(String, Level),
    /// Whether snapshots have media payloads in full.
    FullPayload(bool),
}

/// What is in force for a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Paths whose differences do not count.
    pub ignore: Vec<Set<String>>,
    /// Only connections on these ports; any if empty.
    pub ports: Set<Vec<u16>>,
    /// Connections on these ports too, whatever they look like.
    pub decode_as: Set<Vec<u16>>,
    /// Whether nothing is expected to differ.
    pub strict: Set<bool>,
    /// Whether `check` lints.
    pub lint: Set<bool>,
    /// From which severity on a finding is a failure; never if None.
    #[serde(serialize_with = "fail_on")]
    pub fail_on: Set<Option<Severity>>,
    /// Rules that weigh more or less than the catalogue has it.
    pub rules: Vec<RuleLevel>,
    /// Whether snapshots have media payloads in full.
    #[serde(serialize_with = "payload", rename = "payload")]
    pub full_payload: Set<bool>,
}

/// How much a rule weighs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleLevel {
    /// Its code.
    pub rule: String,
    /// Its level.
    #[serde(serialize_with = "in_words")]
    pub level: Level,
    /// Who set it.
    pub origin: Origin,
}

impl Default for Settings {
    fn default() -> Settings {
        fn default<T>(value: T) -> Set<T> {
            Set { value, origin: Origin::Default }
        }
        Settings {
            ignore: Vec::new(),
            ports: default(Vec::new()),
            decode_as: default(Vec::new()),
            strict: default(false),
            lint: default(true),
            fail_on: default(Some(Severity::Error)),
            rules: Vec::new(),
            full_payload: default(false),
        }
    }
}

impl Settings {
    /// Sets one thing. What is set later counts.
    pub fn apply(&mut self, value: Value, origin: &Origin) {
        let origin = origin.clone();
        match value {
            Value::Ignore(paths) => {
                for value in paths {
                    if !self.ignore.iter().any(|known| known.value == value) {
                        self.ignore.push(Set { value, origin: origin.clone() });
                    }
                }
            }
            Value::Ports(value) => self.ports = Set { value, origin },
            Value::DecodeAs(value) => self.decode_as = Set { value, origin },
            Value::Strict(value) => self.strict = Set { value, origin },
            Value::Lint(value) => self.lint = Set { value, origin },
            Value::FailOn(value) => self.fail_on = Set { value, origin },
            Value::FullPayload(value) => self.full_payload = Set { value, origin },
            Value::Rule(rule, level) => match self.rules.iter_mut().find(|known| known.rule == rule) {
                Some(known) => (known.level, known.origin) = (level, origin),
                None => self.rules.push(RuleLevel { rule, level, origin }),
            },
        }
    }

    /// The levels as a lint takes them.
    pub fn levels(&self) -> Vec<(String, Level)> {
        self.rules.iter().map(|rule| (rule.rule.clone(), rule.level)).collect()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::CommandLine => f.write_str("command line"),
            Origin::File { file, line, files: None } => write!(f, "{file}:{line}"),
            Origin::File { file, line, files: Some(files) } => write!(f, "{file}:{line}, for {files}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `error`, or `never`.
pub fn fail_on_in_words(severity: Option<Severity>) -> String {
    severity.map_or_else(|| "never".to_owned(), |severity| severity.to_string())
}

/// `off`, or a severity.
pub fn level_in_words(level: Level) -> String {
    match level {
        Level::Off => "off".to_owned(),
        Level::As(severity) => severity.to_string(),
    }
}

/// `full` or `sha256`.
pub fn payload_in_words(full: bool) -> &'static str {
    if full { "full" } else { "sha256" }
}

fn fail_on<S: Serializer>(set: &Set<Option<Severity>>, serializer: S) -> Result<S::Ok, S::Error> {
    Set { value: fail_on_in_words(set.value), origin: set.origin.clone() }.serialize(serializer)
}

fn payload<S: Serializer>(set: &Set<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    Set { value: payload_in_words(set.value), origin: set.origin.clone() }.serialize(serializer)
}

fn in_words<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&level_in_words(*level))
}
