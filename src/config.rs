//! What a team has settled for its captures: the file `rtmp-inspect.toml`, and what is in force for one capture.
//!
//! Takes the text of a file and what the command line says, gives [`Settings`] in which every value knows where it
//! comes from. It looks for no file and reads none: the command line does that.

mod error;
mod keys;
mod parse;
mod settings;

pub use error::Error;
pub use keys::{KEYS, Key, Place};
pub use settings::{Origin, Set, Settings, Value, fail_on_in_words, level_in_words, payload_in_words};

use globset::GlobMatcher;

/// The name under which the file is found, upwards from a capture.
pub const FILE_NAME: &str = "rtmp-inspect.toml";

/// A configuration file that was read.
#[derive(Clone, Debug)]
pub struct File {
    /// What to call it: its path.
    pub name: String,
    sections: Vec<Section>,
    exclude: Vec<Glob>,
}

/// Values that hold for some captures.
#[derive(Clone, Debug)]
struct Section {
    /// For which; for all if None.
    files: Option<Vec<Glob>>,
    values: Vec<(Value, usize)>,
}

/// Which files are meant. Without a slash it is a file's name, in whatever directory; otherwise a path from the
/// directory of the configuration file on.
#[derive(Clone, Debug)]
struct Glob {
    text: String,
    matcher: GlobMatcher,
}

impl File {
    /// Reads the text of a file that is called `name`. All mistakes are told at once.
    pub fn parse(name: &str, text: &str) -> Result<File, Vec<Error>> {
        parse::parse(name, text)
    }

    /// Puts into force what the file has for a capture. `path` leads there from the directory of the file, with
    /// slashes between its parts.
    pub fn apply(&self, path: &str, settings: &mut Settings) {
        for section in &self.sections {
            let pattern = match &section.files {
                None => None,
                Some(globs) => match globs.iter().find(|glob| glob.matches(path)) {
                    Some(glob) => Some(glob.text.clone()),
                    None => continue,
                },
            };
            for (value, line) in &section.values {
                let origin = Origin::File { file: self.name.clone(), line: *line, files: pattern.clone() };
                settings.apply(value.clone(), &origin);
            }
        }
    }

    /// Whether a search for captures leaves this one out.
    pub fn excludes(&self, path: &str) -> bool {
        self.exclude.iter().any(|glob| glob.matches(path))
    }
}

impl Glob {
    fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.matcher.is_match(if self.text.contains('/') { path } else { name })
    }
}

#[cfg(test)]
mod tests;
