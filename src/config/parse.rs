//! From the text of a configuration file to its values, or to everything that is wrong with it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::line_of;
use super::keys::{self, Read, globs, or};
use super::{Error, File, KEYS, Place, Section};

pub(super) fn parse(name: &str, text: &str) -> Result<File, Vec<Error>> {
    let mut reader = Reader { name, text, errors: Vec::new() };
    let (document, mistakes) = DeTable::parse_recoverable(text);
    for mistake in mistakes {
        let at = mistake.span().unwrap_or(text.len()..text.len());
        reader.complain(at, mistake.message().to_owned(), None);
    }
    // What comes of broken syntax is no news.
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let mut file = File { name: name.to_owned(), sections: Vec::new(), exclude: Vec::new() };
    let mut overrides = Vec::new();
    let mut values = Vec::new();
    for (key, value) in in_order(document.get_ref()) {
        match reader.key(key, Place::Top) {
            Some(Read::Values(read)) => values.extend(reader.values(read, value)),
            Some(Read::Globs) => file.exclude = globs(&mut reader, value),
            Some(Read::Overrides) => overrides = reader.overrides(value),
            None => {}
        }
    }
    file.sections.push(Section { files: None, values });
    file.sections.extend(overrides);
    if reader.errors.is_empty() {
        return Ok(file);
    }
    reader.errors.sort_by_key(|error| (error.line, error.column));
    Err(reader.errors)
}

/// Reads values, and gathers what is wrong with them.
pub(super) struct Reader<'t> {
    name: &'t str,
    text: &'t str,
    errors: Vec<Error>,
}

impl Reader<'_> {
    /// There is a mistake.
    pub(super) fn complain(&mut self, at: Range<usize>, message: String, help: Option<String>) {
        self.errors.push(Error::new(self.name, self.text, at, message, help));
    }

    /// A value is of the wrong type.
    pub(super) fn expected<T>(&mut self, what: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let is = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.complain(value.span(), format!("expected {what}, found {is}"), None);
        None
    }

    /// How the value of a key is read, if the key may be here.
    fn key(&mut self, key: &Spanned<impl AsRef<str>>, here: Place) -> Option<Read> {
        let name = key.get_ref().as_ref();
        let fits = |place: Place| place == Place::Both || place == here;
        match KEYS.iter().find(|key| key.name == name) {
            Some(known) if fits(known.place) => return Some(known.read),
            Some(_) if here == Place::Top => {
                self.complain(key.span(), format!("`{name}` belongs in an [[override]]"), None);
            }
            Some(_) => {
                let help = Some("put it above the first [[override]]".to_owned());
                self.complain(key.span(), format!("`{name}` cannot be overridden"), help);
            }
            None => {
                let names = KEYS.iter().filter(|key| fits(key.place)).map(|key| key.name);
                let near: Vec<_> = nearest(name, names.clone());
                let help = if near.is_empty() {
                    format!("the keys are {}", names.collect::<Vec<_>>().join(", "))
                } else {
                    format!("did you mean {}?", or(&near))
                };
                self.complain(key.span(), format!("unknown key `{name}`"), Some(help));
            }
        }
        None
    }

    /// The values of a key with their lines. A table's and a list's items have their own.
    fn values(
        &mut self,
        read: fn(&mut Reader<'_>, &Spanned<DeValue<'_>>) -> Vec<super::Value>,
        value: &Spanned<DeValue<'_>>,
    ) -> Vec<(super::Value, usize)> {
        let read_values = read(self, value);
        let lines: Vec<usize> = match value.get_ref() {
            DeValue::Table(table) => table.iter().map(|(key, _)| line_of(self.text, key.span().start)).collect(),
            _ => Vec::new(),
        };
        let whole = line_of(self.text, value.span().start);
        read_values
            .into_iter()
            .enumerate()
            .map(|(index, value)| (value, lines.get(index).copied().unwrap_or(whole)))
            .collect()
    }

    fn overrides(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Section> {
        let mut sections = Vec::new();
        for item in keys::list(self, value).into_iter().flatten() {
            let Some(table) = keys::table(self, item) else { continue };
            let (mut files, mut values) = (None, Vec::new());
            for (key, value) in in_order(table) {
                match self.key(key, Place::Override) {
                    Some(Read::Values(read)) => values.extend(self.values(read, value)),
                    Some(Read::Globs) => files = Some(globs(self, value)),
                    Some(Read::Overrides) | None => {}
                }
            }
            if files.is_none() {
                let help = Some("files = [\"obs-*.pcap\"] names the captures that it applies to".to_owned());
                self.complain(item.span(), "this override has no `files`".to_owned(), help);
            }
            sections.push(Section { files, values });
        }
        sections
    }
}

/// A table's entries as they are in the file.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> impl Iterator<Item = (&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter()
}

/// The names most like one that is not known.
fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let name = name.replace('_', "-");
    // `no-lint` means `lint`, `port` means `ports`.
    let bare = name.strip_prefix("no-").unwrap_or(&name);
    let mut near: Vec<_> =
        names.map(|known| (strsim::damerau_levenshtein(bare, known), known)).filter(|(far, _)| *far <= 2).collect();
    near.sort_by_key(|(far, _)| *far);
    let least = near.first().map_or(0, |(far, _)| *far);
    near.into_iter().take_while(|(far, _)| *far == least).map(|(_, known)| known).collect()
}
