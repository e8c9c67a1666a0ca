//! Who is who: every program that is named in a capture is one that made it, by the table in `testdata/captures/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::kit::recorded::record_file;

/// What the table says made each capture.
fn makers(captures: &Path) -> BTreeMap<String, String> {
    let table = fs::read_to_string(captures.join("README.md")).expect("in the repository");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| {
        let (file, rest) = row.split_once("` | ")?;
        Some((file.to_owned(), rest.split(" | ").next()?.to_lowercase()))
    });
    cells.collect()
}

#[test]
fn nobody_is_given_a_name_that_is_not_its_own() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let (mut sessions, mut wrong) = (0, Vec::new());
    for (file, makers) in makers(&captures) {
        let path = captures.join(&file);
        if path.extension().is_none_or(|extension| extension == "bin" || extension == "jpg" || extension == "keylog") {
            continue;
        }
        for session in record_file(&path).sessions {
            sessions += 1;
            let stream = &session.stream;
            for software in [&stream.client_software, &stream.server_software].into_iter().flatten() {
                // What libavformat is to its users.
                let name =
                    if software.name.starts_with("libavformat") { "ffmpeg" } else { &software.name }.to_lowercase();
                let is_maker = makers.contains(&name)
                    || name == "ffmpeg" && makers.contains("libavformat")
                    || name == "badclient" && makers.contains("own publisher");
                // Those were ffmpeg and nginx-rtmp before they were edited.
                let is_edited = makers.contains("edited from") && ["ffmpeg", "nginx-rtmp"].contains(&name.as_str());
                if !is_maker && !is_edited {
                    wrong.push(format!("{file}: {} by {}, made by {makers}", software.title(), software.from));
                }
                *named.entry(name).or_default() += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sessions > 80, "{sessions}");
    for (name, least) in [("ffmpeg", 30), ("nginx-rtmp", 3), ("node-media-server", 2), ("rtmplite", 1)] {
        assert!(named.get(name).is_some_and(|count| *count >= least), "{name}: {named:?}");
    }
}
