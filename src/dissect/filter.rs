//! Filters over rows: the vocabulary and the values that [`crate::filter`] asks for.

use crate::field::Value;
use crate::filter::{Fields, Names, Type};

use super::{Dissection, paths, vocabulary};

/// All names that a filter over rows may use: fields, and paths to properties.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary;

impl Names for Vocabulary {
    fn field(&self, name: &str) -> Option<Type> {
        match vocabulary::find(name) {
            Some(known) => Some(Type::Of(known.def())),
            None => paths::parse(name).map(|_| Type::Any),
        }
    }

    fn hint(&self, word: &str) -> Option<String> {
        paths::hint(word)
    }

    fn names(&self) -> Box<dyn Iterator<Item = &'static str> + '_> {
        Box::new(vocabulary::all().map(|known| known.def().name))
    }
}

impl Fields for Dissection<'_> {
    fn each(&self, name: &str, each: &mut dyn FnMut(&Value, &[u8])) {
        self.each_value(name, |_, value, bytes| each(value, bytes));
    }
}
