//! The arrows between the modules of `src` run one way.
//!
//! Reads every `crate::` path in the sources and fails on one that does not lead down. `rtmp` and `amf`
//! are beside `tcp`, `packet` and `capture`, not above them, as they also read raw stream dumps.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules right below it. It may import those, and what they may import.
const BELOW: &[(&str, &[&str])] = &[
    ("steps", &[]),
    ("digits", &[]),
    ("origin", &["digits", "steps"]),
    ("escape", &[]),
    ("literal", &[]),
    ("field", &["origin"]),
    ("amf", &["field"]),
    ("filter", &["field"]),
    ("rtmp", &["amf"]),
    ("raw", &["origin"]),
    ("flv", &["rtmp"]),
    ("capture", &["raw"]),
    ("packet", &["capture"]),
    ("tcp", &["packet"]),
    ("tunnel", &["flv", "tcp"]),
    ("session", &["flv", "tunnel"]),
    ("pipeline", &["session"]),
    ("decode", &["session"]),
    ("streams", &["session"]),
    ("dissect", &["decode", "filter"]),
    ("follow", &["compare"]),
    ("recording", &["decode", "streams"]),
    ("compare", &["recording", "dissect"]),
    ("sender", &["rtmp"]),
    ("library", &["compare", "pipeline"]),
    ("search", &["compare", "sender"]),
    ("owed", &["compare"]),
    ("rules", &["owed", "search"]),
    ("secrets", &["rules"]),
    ("payload", &["rules"]),
    ("diff", &["secrets"]),
    ("lint", &["diff"]),
    ("relay", &["rules"]),
    ("snapshot", &["diff", "escape"]),
    ("config", &["escape", "lint"]),
    ("check", &["lint", "snapshot"]),
    ("view", &["check", "config", "escape", "flv", "follow", "literal", "payload", "relay"]),
    ("report", &["view"]),
    ("cli", &["report", "pipeline"]),
];

#[test]
fn imports_lead_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in rust_files(&source) {
        let path = file.strip_prefix(&source).expect("a file in src");
        let module = path.iter().next().expect("not empty").to_string_lossy();
        let module = module.trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let allowed = everything_below(module);
        for import in crate_paths(&fs::read_to_string(&file).expect("readable")) {
            // What is not a module is a macro or an item of the crate's root.
            let is_module =
                BELOW.iter().any(|(name, _)| *name == import) || source.join(&import).with_extension("rs").exists();
            if is_module && import != module && !allowed.contains(import.as_str()) {
                wrong.push(format!("{}: {module} may not import {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_found() {
    let found = crate_paths("use crate::tcp::{Gap, Piece};\n// crate::no\nlet x = crate::amf::read();\n");
    assert_eq!(found, ["amf", "tcp"].map(String::from).into());
    let found = crate_paths("use crate::{\n    origin::{FrameNo, Time},\n    rtmp, // crate::no\n};\n");
    assert_eq!(found, ["origin", "rtmp"].map(String::from).into());
    assert_eq!(crate_paths("/// [`crate::cli`]\n$crate::macro_path!()"), BTreeSet::new());
}

fn everything_below(module: &str) -> BTreeSet<&'static str> {
    let (_, below) = BELOW.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
        panic!("src has a module `{module}` that tests/layering.rs does not know: give it its place in BELOW")
    });
    below.iter().flat_map(|&next| everything_below(next).into_iter().chain([next])).collect()
}

/// The first segments of all `crate::` paths, comments left out.
fn crate_paths(source: &str) -> BTreeSet<String> {
    let code: Vec<&str> = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n").replace("$crate::", "");
    let mut found = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_members(group).iter().map(|member| first_segment(member))),
            None => _ = found.insert(first_segment(rest)),
        }
    }
    found.remove(""); // after a group's last comma
    found
}

fn first_segment(path: &str) -> String {
    path.trim_start().chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect()
}

/// The members of a `{..}` group, of which `rest` begins after the brace.
fn group_members(rest: &str) -> Vec<&str> {
    let (mut members, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&rest[begin..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&rest[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    members
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
