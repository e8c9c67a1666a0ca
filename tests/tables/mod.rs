//! The tables of `testdata`, and how far tshark is right. For the tests that compare with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One sender of one connection.
pub type Direction = (u32, String);

/// A row of either table: column name to text. Empty where the table is empty.
pub type TableRow = BTreeMap<String, String>;

/// What the reference found in one direction.
#[derive(Default)]
pub struct Reference {
    pub rows: Vec<TableRow>,
    pub no_handshake: bool,
}

/// How many messages of each direction tshark decodes rightly: as long as it and the reference find messages of
/// the same types and lengths.
pub fn agreed(tshark: &[TableRow], reference: &BTreeMap<Direction, Reference>) -> BTreeMap<Direction, usize> {
    let mut per_direction: BTreeMap<Direction, Vec<&TableRow>> =
        reference.keys().map(|direction| (direction.clone(), Vec::new())).collect();
    for row in tshark.iter().filter(|row| !is_handshake(row)) {
        per_direction.entry(direction_of(row)).or_default().push(row);
    }
    let key = |row: &TableRow| (row["type_id"].clone(), row["length"].clone());
    let agreed = |(direction, theirs): (Direction, Vec<&TableRow>)| {
        let known = reference.get(&direction).map_or(&[][..], |reference| &reference.rows);
        let agreed = theirs.iter().zip(known).take_while(|(a, b)| key(a) == key(b)).count();
        (direction, agreed)
    };
    per_direction.into_iter().map(agreed).collect()
}

pub fn is_handshake(row: &TableRow) -> bool {
    row["info"].starts_with("Handshake ")
}

/// tshark's words for an unknown type, `Unknown (0xe)`, with the number in both bases, as we have it: what is read in
/// one base is sent in the other too often.
pub fn in_both_bases(words: &str) -> String {
    let Some((before, rest)) = words.split_once("Unknown (0x") else { return words.to_owned() };
    let Some((digits, after)) = rest.split_once(')') else { return words.to_owned() };
    let Ok(number) = u8::from_str_radix(digits, 16) else { return words.to_owned() };
    format!("{before}Unknown {number} ({number:#04x}){after}")
}

pub fn direction_of(row: &TableRow) -> Direction {
    (row["tcp_stream"].parse().expect("a number"), row["src"].clone())
}

pub fn reference(capture: &str) -> BTreeMap<Direction, Reference> {
    let (rows, remarks) = table("reference", capture);
    let mut directions: BTreeMap<Direction, Reference> = BTreeMap::new();
    for row in rows {
        directions.entry(direction_of(&row)).or_default().rows.push(row);
    }
    for remark in remarks {
        // `# tcp_stream 0 127.0.0.1:80: no RTMP handshake in its ..`
        let mut words = remark.split_whitespace().skip(2);
        if let (Some(stream), Some(src), true) = (words.next(), words.next(), remark.contains("no RTMP handshake")) {
            let direction = (stream.parse().expect("a number"), src.trim_end_matches(':').to_owned());
            directions.entry(direction).or_default().no_handshake = true;
        }
    }
    directions
}

/// Rows and remarks of `testdata/KIND/CAPTURE.tsv`.
pub fn table(kind: &str, capture: &str) -> (Vec<TableRow>, Vec<String>) {
    let path = testdata().join(kind).join(format!("{capture}.tsv"));
    let content = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (remarks, lines): (Vec<&str>, Vec<&str>) = content.lines().partition(|line| line.starts_with('#'));
    let (heading, rows) = lines.split_first().expect("a table has a heading");
    let row = |line: &&str| heading.split('\t').zip(line.split('\t')).map(|(k, v)| (k.into(), v.into())).collect();
    (rows.iter().map(row).collect(), remarks.into_iter().map(str::to_owned).collect())
}

/// `FOLDER/FILE` of everything in the folders of `testdata/WHERE`, sorted.
pub fn names(whose: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let root = testdata().join(whose);
    for folder in root.read_dir().expect("in the repository").map(|entry| entry.expect("readable").path()) {
        if folder.is_dir() {
            for file in folder.read_dir().expect("readable") {
                let path = file.expect("readable").path();
                names.insert(path.strip_prefix(&root).expect("below").to_str().expect("UTF-8").to_owned());
            }
        }
    }
    names
}

pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}
