//! What the crate promises to those who use it as a library, by name: an item is added or removed on purpose.
//!
//! Reads the sources: what `src/lib.rs` exports, and of each exported type the fields, variants and methods that the
//! documentation shows. Kept in `testdata/surface.txt`; `BLESS=1` writes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_public_surface_is_the_one_that_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut surface = BTreeSet::new();
    for Export { module, item, name } in exports() {
        let sources = sources_of(&module);
        let found = sources.iter().find_map(|source| definition(source, &item));
        let definition = found.unwrap_or_else(|| panic!("src/{module}.rs and below do not define {item}"));
        surface.insert(format!("{} {name}", definition.kind));
        surface.extend(definition.members.iter().map(|member| format!("{} {name}::{member}", definition.kind)));
        let methods = sources.iter().flat_map(|source| methods(source, &item));
        surface.extend(methods.map(|method| format!("fn {name}::{method}")));
    }
    let surface: String = surface.iter().map(|line| format!("{line}\n")).collect();
    let file = root.join("testdata/surface.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &surface).expect("written");
    }
    let written = fs::read_to_string(&file).expect("in the repository");
    let differ = similar::TextDiff::from_lines(&written, &surface).unified_diff().to_string();
    assert!(differ.is_empty(), "the public surface changed; BLESS=1 accepts it\n{differ}");
}

#[test]
fn what_may_grow_is_non_exhaustive() {
    for Export { module, item, .. } in exports() {
        let sources = sources_of(&module);
        let found = sources.iter().find_map(|source| definition(source, &item)).expect("defined");
        let is_open = matches!(found.kind, "struct" | "enum") && !["", "0"].contains(&found.members.concat().as_str());
        // A number with a name stays one, and bytes travel in two directions.
        if is_open && item != "Direction" {
            assert!(found.is_non_exhaustive, "{module}::{item} has public members and is not #[non_exhaustive]");
        }
    }
}

#[test]
fn every_other_module_is_out_of_the_documentation() {
    let source = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let lines: Vec<&str> = source.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("pub mod ") {
            assert_eq!(lines[at - 1], "#[doc(hidden)]", "{line} is in the public documentation");
        }
    }
    assert!(lines.iter().filter(|line| line.starts_with("pub mod ")).count() > 20);
}

struct Export {
    module: String,
    item: String,
    name: String,
}

/// What `pub use crate::{…}` of `lib.rs` names: `module::path::Item as Name`.
fn exports() -> Vec<Export> {
    let source = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let uses: Vec<&str> = source.split("pub use ").skip(1).collect();
    assert_eq!(uses.len(), 1, "one list names everything that is exported");
    let list = uses[0].strip_prefix("crate::{").and_then(|rest| rest.split("\n};").next()).expect("a group");
    let mut exports = Vec::new();
    // Each entry begins on a line of its own with a lower-case module.
    for entry in list.replace('\n', " ").split("    ").map(str::trim).collect::<Vec<_>>().join(" ").split("}, ") {
        for entry in top_level(entry) {
            let (module, items) = entry.rsplit_once("::").map_or_else(
                || panic!("not a path: {entry}"),
                |_| entry.split_once("::{").unwrap_or_else(|| entry.rsplit_once("::").expect("a path")),
            );
            for item in items.trim_end_matches('}').split(',').map(str::trim).filter(|item| !item.is_empty()) {
                let (item, name) = item.split_once(" as ").unwrap_or((item, item));
                let module = module.split("::").next().expect("a module").to_owned();
                exports.push(Export { module, item: item.to_owned(), name: name.to_owned() });
            }
        }
    }
    assert!(exports.len() > 20, "{}", exports.len());
    exports
}

/// The entries of a list at commas that are in no braces.
fn top_level(list: &str) -> Vec<&str> {
    let (mut entries, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                entries.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    entries.push(list[start..].trim());
    entries.retain(|entry| !entry.is_empty());
    entries
}

struct Definition {
    kind: &'static str,
    members: Vec<String>,
    is_non_exhaustive: bool,
}

/// Where a source defines `item`, which is at the beginning of a line, as rustfmt has it.
fn definition(source: &str, item: &str) -> Option<Definition> {
    let lines: Vec<&str> = source.lines().collect();
    for kind in ["struct", "enum", "fn", "type", "static"] {
        let begins = |line: &&str| {
            let rest = line.strip_prefix(&format!("pub {kind} {item}"));
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        };
        let Some(at) = lines.iter().position(begins) else { continue };
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        let is_non_exhaustive = attributes.into_iter().any(|line| *line == "#[non_exhaustive]");
        let mut members = Vec::new();
        if matches!(kind, "struct" | "enum") && lines[at].ends_with('{') {
            let body: Vec<&str> = lines[at + 1..].iter().take_while(|line| **line != "}").copied().collect();
            for (index, line) in body.iter().enumerate() {
                let is_hidden = body[..index].iter().rev().take_while(|line| line.starts_with("    #[")).any(is_hidden);
                let Some(line) = line.strip_prefix("    ").filter(|line| !line.starts_with([' ', '#', '/', '}']))
                else {
                    continue;
                };
                let name = if kind == "enum" { Some(line) } else { line.strip_prefix("pub ") };
                if let Some(name) = name.filter(|_| !is_hidden) {
                    members.push(word(name.trim_start_matches("r#")));
                }
            }
        } else if kind == "struct" && lines[at].contains("(pub ") {
            members.push("0".to_owned());
        }
        return Some(Definition { kind, members, is_non_exhaustive });
    }
    None
}

/// The methods and constants of a type that the documentation shows.
fn methods(source: &str, item: &str) -> Vec<String> {
    let lines: Vec<&str> = source.lines().collect();
    let mut methods = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(of) = line.strip_prefix("impl").and_then(|rest| rest.strip_suffix(" {")) else { continue };
        let of = if of.starts_with('<') { of.split_once("> ").map_or(of, |(_, rest)| rest) } else { of.trim_start() };
        if of.contains(" for ") || word(of) != item || at > 0 && is_hidden(&lines[at - 1]) {
            continue;
        }
        let body: Vec<&str> = lines[at + 1..].iter().take_while(|line| **line != "}").copied().collect();
        for (index, line) in body.iter().enumerate() {
            let is_hidden = body[..index].iter().rev().take_while(|line| line.starts_with("    #[")).any(is_hidden);
            let name = ["    pub fn ", "    pub const fn ", "    pub const "].iter().find_map(|p| line.strip_prefix(p));
            methods.extend(name.filter(|_| !is_hidden).map(word));
        }
    }
    methods
}

fn is_hidden(line: &&str) -> bool {
    line.trim() == "#[doc(hidden)]"
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The sources of a module and of what is below it, tests left out.
fn sources_of(module: &str) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> = vec![src.join(module).with_extension("rs")];
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
