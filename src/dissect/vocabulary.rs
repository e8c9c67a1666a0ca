//! Every field there is, by name: the tables of the decoders, put together.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::field::Def;
use crate::{amf, filter, rtmp};

use super::{chunks, frame};

/// Which section of a row holds a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The frame, its addresses, and the row itself.
    Frame,
    /// The first chunk's header.
    Header,
    /// The ledger of all chunks.
    Chunks,
    /// The body, or the part of the handshake.
    Content,
}

impl Place {
    /// All of them, in the order of the bytes.
    pub const ALL: [Place; 4] = [Place::Frame, Place::Header, Place::Chunks, Place::Content];
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// A field.
    Field {
        /// What it is.
        def: &'static Def,
        /// Where it is.
        place: Place,
    },
    /// A protocol: it is there if any field with its prefix is.
    Protocol {
        /// What it is.
        def: &'static Def,
        /// The first word of its fields' names.
        prefix: &'static str,
        /// Where they are.
        place: Place,
    },
}

impl Known {
    /// What it is.
    pub fn def(self) -> &'static Def {
        match self {
            Known::Field { def, .. } | Known::Protocol { def, .. } => def,
        }
    }
}

crate::fields! {
    RTMPT = "rtmpt", Group, "Real Time Messaging Protocol", "A message, or a part of the handshake.";
    AMF = "amf", Group, "Action Message Format", "Values in AMF 0 or AMF 3.";
}

/// What `name` stands for.
pub fn find(name: &str) -> Option<Known> {
    KNOWN.by_name.get(name).copied()
}

/// The names most like one that does not exist.
pub fn nearest(name: &str) -> Vec<&'static str> {
    filter::nearest(name, all().map(|known| known.def().name))
}

/// Everything, protocols first, then in the order of declaration.
pub fn all() -> impl Iterator<Item = Known> {
    KNOWN.in_order.iter().copied()
}

static KNOWN: LazyLock<Vocabulary> = LazyLock::new(|| {
    let mut vocabulary = Vocabulary { by_name: HashMap::new(), in_order: Vec::new() };
    vocabulary.add(Known::Protocol { def: &RTMPT, prefix: "rtmpt", place: Place::Content });
    vocabulary.add(Known::Protocol { def: &AMF, prefix: "amf", place: Place::Content });
    let fields = frame::FIELDS
        .iter()
        .map(|&def| (def, Place::Frame))
        .chain(rtmp::chunk::FIELDS.iter().map(|&def| (def, Place::Header)))
        .chain(chunks::FIELDS.iter().map(|&def| (def, Place::Chunks)))
        .chain(rtmp::fields().map(|def| (def, Place::Content)))
        .chain(amf::fields().map(|def| (def, Place::Content)));
    for (def, place) in fields {
        vocabulary.add(Known::Field { def, place });
    }
    vocabulary
});

struct Vocabulary {
    by_name: HashMap<&'static str, Known>,
    in_order: Vec<Known>,
}

impl Vocabulary {
    /// A name may be declared by several decoders; it is one field nevertheless.
    fn add(&mut self, known: Known) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.by_name.entry(known.def().name) {
            entry.insert(known);
            self.in_order.push(known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_declared_twice_means_the_same() {
        for def in rtmp::fields().chain(amf::fields()).chain(rtmp::chunk::FIELDS.iter().copied()) {
            let known = find(def.name).unwrap_or_else(|| panic!("{} is not known", def.name)).def();
            assert_eq!(known.kind, def.kind, "{}", def.name);
        }
    }

    #[test]
    fn names_and_meanings_are_written_alike() {
        for known in all() {
            let def = known.def();
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
            assert!(def.name.chars().all(is_name), "{}", def.name);
            assert!(def.meaning.ends_with('.') && def.meaning.len() > 10, "{}: {}", def.name, def.meaning);
            assert!(!def.title.is_empty(), "{}", def.name);
        }
    }

    #[test]
    fn every_declared_field_is_known() {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut declared = 0;
        let mut folders = vec![source];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("the sources") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.ends_with("tests.rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("a source file");
                for line in text.lines() {
                    // `ID = "name", Kind, …`: only field tables have such lines.
                    let Some((_, rest)) = line.trim_start().split_once(" = \"") else { continue };
                    let Some((name, rest)) = rest.split_once("\", ") else { continue };
                    if line.starts_with("    ")
                        && rest.starts_with(|c: char| c.is_ascii_uppercase())
                        && name.contains('.')
                    {
                        assert!(name.starts_with("test.") || find(name).is_some(), "{name} in {}", path.display());
                        declared += 1;
                    }
                }
            }
        }
        assert!(declared > 250, "only {declared} declarations found");
    }
}
