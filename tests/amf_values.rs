//! AMF values written by independent encoders, against what those encoders were given.
//!
//! The tables in `testdata/amf` have a name, the AMF version, the bytes and the values as JSON;
//! `testdata/amf/README.md` says how they were made.

use std::fs;
use std::path::Path;

use rtmp_inspect::amf::{amf0, amf3};
use rtmp_inspect::field::{Reader, Tree};
use serde_json::Value as Json;

#[test]
fn py3amf() {
    check("py3amf.tsv", 120);
}

#[test]
fn flash_lso() {
    check("flash_lso.tsv", 25);
}

fn check(table: &str, at_least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/amf").join(table);
    let text = fs::read_to_string(path).expect("a table");
    let mut wrong = Vec::new();
    for line in text.lines() {
        let [name, version, hex, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = hex::decode(hex).expect("hex");
        let expected: Json = serde_json::from_str(expected).expect("JSON");
        let mut tree = Tree::default();
        let mut reader = Reader::new(&bytes, &mut tree);
        let values = if version == "0" { amf0::values(&mut reader) } else { amf3::values(&mut reader) };
        assert_eq!(tree.tiles(0..bytes.len()), Ok(()), "{name}: leaves do not tile");
        let found = serde_json::to_value(&values.values).expect("values are JSON");
        if !same(&found, &expected) || !values.defects.is_empty() {
            wrong.push(format!("{name} (AMF {version}): expected {expected}\n   found {found} {:?}", values.defects));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(text.lines().count() >= at_least);
}

/// Equality that does not care whether a number was written as integer or with a fraction of 0.
fn same(found: &Json, expected: &Json) -> bool {
    match (found, expected) {
        (Json::Number(found), Json::Number(expected)) => found.as_f64() == expected.as_f64(),
        (Json::Array(found), Json::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| same(found, expected))
        }
        (Json::Object(found), Json::Object(expected)) => {
            found.len() == expected.len()
                && expected.iter().all(|(name, expected)| found.get(name).is_some_and(|found| same(found, expected)))
        }
        (found, expected) => found == expected,
    }
}
