//! What people search for, and what they must find: `testdata/searches.tsv`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use rtmp_inspect::rules;

#[test]
fn every_search_leads_to_its_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/searches.tsv");
    let table = fs::read_to_string(path).expect("a table");
    let (mut rows, mut wrong) = (0, String::new());
    for line in table.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let (words, expected) = line.split_once('\t').expect("words, a tab, and codes");
        rows += 1;
        assert!(expected.split(' ').all(|code| rules::find(code).is_some()), "{expected}");
        let found = rules::search(words);
        let first: Vec<&str> = found.rules.iter().take(3).map(|rule| rule.code).collect();
        if !expected.split(' ').any(|code| first.contains(&code)) {
            let _ = writeln!(wrong, "{words}: {first:?} and not {expected}");
        }
    }
    assert!(rows > 100, "{rows}");
    assert!(wrong.is_empty(), "{wrong}");
}
