//! Sessions of real software with bytes lost, late, twice or cut, against the same sessions undamaged.
//!
//! `docs/loss.md` has the table, and the command that makes it. In a plain `cargo test` fewer files and places are
//! tried, and the same targets hold.

mod damage;
mod measure;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use damage::{Damage, Packets};
use measure::{Count, Truth, compare};

/// A folder of captures to be measured in place of the repository's.
const CAPTURES: &str = "LOSS_CAPTURES";
/// Where the table is written.
const TABLE: &str = "LOSS_TABLE";
/// How many starts of each capture are tried.
const STARTS: &str = "LOSS_STARTS";
/// Prints every message that is wrong or missed.
const SHOW: &str = "LOSS_SHOW";

/// Ends the name of a row of captures without a SYN.
const NO_SYN: &str = ", no SYN captured";

/// The captures of a plain `cargo test`: one for each server, chunk size and way to interleave.
const FEW: [&str; 8] = [
    "a/ffmpeg_pub_c128.pcap",
    "a/ffmpeg_pub_c4096.pcap",
    "a/gst_rtmp2sink_pub.pcap",
    "a/nms2_pub_play.pcap",
    "a/port19350.pcap",
    "a/rtmpdump_play_vod.pcap",
    "e/ext_timestamp_pub.pcap",
    "f/rml_rtmp_pub.pcap",
];

#[test]
fn damaged_sessions_are_told_nothing_untrue() {
    run();
}

pub fn run() {
    let everything = std::env::var_os(CAPTURES).map(PathBuf::from);
    let starts = std::env::var(STARTS).ok().and_then(|count| count.parse().ok()).unwrap_or(6);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let files = match &everything {
        Some(folder) => captures(folder),
        None => FEW.iter().map(|name| own.join(name)).collect(),
    };
    let show = std::env::var_os(SHOW).is_some();
    let mut table: BTreeMap<String, Count> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let Some(packets) = Packets::read(file) else { continue };
        let truth = Truth::of(&packets);
        if !truth.is_sound() {
            continue;
        }
        for damage in Damage::all(&packets, starts, everything.is_some()) {
            let damaged = packets.damaged(damage, index as u64);
            let count = compare(&truth, &damaged, damage);
            if show && (count.wrong > 0 || count.invented > 0) {
                println!("{} {damage:?}: {} wrong, {} invented", file.display(), count.wrong, count.invented);
            }
            if show && (count.sizes < count.sizes_due || count.recovered + 2 * count.holes < count.intact) {
                println!("{} {damage:?}: {count:?}", file.display());
            }
            *table.entry(row(damage, &packets)).or_default() += count;
        }
    }
    let text = render(&table);
    println!("{text}");
    if let Some(path) = std::env::var_os(TABLE) {
        std::fs::write(path, &text).expect("writable");
    }
    for (name, count) in &table {
        assert_eq!(count.wrong, 0, "{name}: complete messages with a wrong body");
        assert_eq!(count.invented, 0, "{name}: messages that were not sent, or of another type");
        assert!(count.sizes * 100 >= count.sizes_due * 95, "{name}: chunk sizes: {count:?}");
        let is_whole = ["reorder", "duplicate", "overlap"].iter().any(|damage| name.starts_with(damage));
        let lost = match is_whole {
            // What is captured after the first packet and comes before it is not known to belong to the connection.
            true if name.ends_with(NO_SYN) => count.intact,
            true => 0,
            false => 2 * count.holes,
        };
        assert!(count.recovered + lost >= count.intact, "{name}: {count:?}");
    }
    assert!(table.values().any(|count| count.sizes_due > 0), "no start says anything of chunk sizes");
}

/// The row in which a run is counted.
fn row(damage: Damage, packets: &Packets) -> String {
    match damage {
        Damage::Reorder(_) if !packets.has_syn() => format!("{}{NO_SYN}", damage.name()),
        _ => damage.name(),
    }
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(captures(&path));
        } else if path.to_string_lossy().contains(".pcap") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn render(table: &BTreeMap<String, Count>) -> String {
    let mut text = String::from(
        "| damage | runs | holes | messages with all their bytes | recovered | % | lost for each hole | wrong bodies shown as complete | invented | chunk size due | right |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (name, count) in table {
        let Count { runs, holes, intact, recovered, wrong, invented, sizes_due, sizes } = count;
        let share = 100.0 * *recovered as f64 / (*intact).max(1) as f64;
        let each = (intact - recovered) as f64 / (*holes).max(1) as f64;
        let _ = writeln!(
            text,
            "| {name} | {runs} | {holes} | {intact} | {recovered} | {share:.2} | {each:.2} | {wrong} | {invented} | {sizes_due} | {sizes} |"
        );
    }
    text
}
