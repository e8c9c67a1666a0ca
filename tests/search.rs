//! Mistakes drawn from the model of a sender, put into good sessions, and found again by `diff`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rtmp_inspect::compare::Comparison;
use rtmp_inspect::diff;
use rtmp_inspect::lint;
use rtmp_inspect::recording as library;
use rtmp_inspect::rtmp::MessageTypeId;
use rtmp_inspect::rules::Certainty;
use rtmp_inspect::search;
use rtmp_inspect::sender::{Chunks, Field, Mistake, Operator, Scope};
use rtmp_inspect::session::Direction;

use crate::kit::edit::is_picture;
use crate::kit::faults::Base;
use crate::kit::recorded::record;
use crate::kit::recording::{Recording, What};

/// Publishers with headers of their own.
const BASES: [Base; 5] = [Base::Own4096, Base::Own1024, Base::OwnCsid64, Base::Ffmpeg, Base::Gstreamer];

/// What a sender does with the fields of its headers, and with its chunks.
fn drawn() -> Vec<Mistake> {
    let all = Scope::default();
    let video = Scope { type_id: Some(MessageTypeId::VIDEO), ..all };
    let audio = Scope { type_id: Some(MessageTypeId::AUDIO), ..all };
    let long = Scope { longer_than: Some(1024), ..all };
    let mut drawn = Vec::new();
    let mut draw = |field, operators: &[Operator], scopes: &[Scope]| {
        for &operator in operators {
            drawn.extend(scopes.iter().map(|&scope| Mistake { operator, field, scope }));
        }
    };
    let more = [-11, -5, -1, 1, 4, 12].map(Operator::Plus);
    draw(Field::Length, &more, &[video, audio, long]);
    draw(Field::Length, &[Operator::ByteOrder, Operator::Bits(8), Operator::Divided(2)], &[video, long]);
    draw(Field::Length, &[Operator::LeftOut, Operator::PutIn, Operator::Inherited], &[video, audio]);
    draw(Field::StreamId, &[Operator::LeftOut, Operator::PutIn], &[video, audio]);
    draw(Field::TypeId, &[Operator::LeftOut, Operator::PutIn], &[video, audio]);
    draw(Field::Csid, &[Operator::Constant(0), Operator::Constant(1)], &[video, audio]);
    draw(Field::Payload, &[Operator::Padded], &[video, long]);
    draw(Field::Timestamp, &[Operator::Widened], &[video, audio]);
    draw(Field::Length, &[Operator::Widened, Operator::Exchanged], &[video, audio]);
    draw(Field::TypeId, &[Operator::Exchanged], &[video, audio]);
    draw(Field::ChunkSize, &[Operator::WithHeader(true), Operator::WithHeader(false)], &[all, video]);
    draw(Field::Length, &[Operator::Narrowed], &[video, audio]);
    draw(Field::StreamId, &[Operator::Narrowed], &[all, video]);
    draw(Field::Timestamp, &[Operator::Narrowed], &[video, audio]);
    draw(Field::Payload, &[Operator::Plus(-1), Operator::Plus(-3), Operator::Plus(2)], &[video, audio]);
    draw(Field::Format, &[Operator::Constant(2)], &[Scope { fmt: Some(1), ..all }]);
    draw(Field::Format, &[Operator::Constant(1)], &[Scope { fmt: Some(0), ..video }]);
    draw(Field::Continuation, &[Operator::Twice], &[all, video]);
    let of = |chunks| Scope { chunks: Some(chunks), ..video };
    let some = [of(Chunks::Last), of(Chunks::Nth(1)), of(Chunks::From(2))];
    draw(Field::Continuation, &[Operator::LeftOut, Operator::Twice], &some);
    drawn
}

/// Two at once, each in messages of its own or both in the same.
fn drawn_in_pairs() -> Vec<[Mistake; 2]> {
    let all = drawn();
    let pairs = (0..all.len()).map(|index| [all[index], all[(index * 7 + 5) % all.len()]]);
    pairs.filter(|[one, two]| one.field != two.field).step_by(2).collect()
}

/// A session with a mistake, closed by the server after some more video frames; None if nothing is another.
fn with(base: Base, mistakes: &[Mistake]) -> Option<(Recording, Recording)> {
    let good = base.recording();
    let mut bad = good.clone();
    bad.mistakes.extend(mistakes);
    let (right, wrong) = (good.bytes(), bad.bytes());
    let first = (0..right.len()).find(|&at| right[at] != wrong[at])?;
    let after = (first..bad.steps.len()).filter(|&at| bad.steps[at].message().is_some_and(is_picture)).nth(2)?;
    bad.closed(after);
    Some((good, bad))
}

fn recordings(good: &Recording, bad: &Recording) -> [library::Recording; 2] {
    [good, bad].map(|recording| record(&recording.pcap()))
}

/// Whether the mistakes found make of A's messages the bytes of B.
fn is_replayed([a, b]: &[library::Recording; 2]) -> Option<search::Explained> {
    let comparison = Comparison::plain(&a.sessions[0], &b.sessions[0]);
    search::framing(&comparison, Direction::ClientToServer).filter(|explained| explained.reaches_end)
}

/// How mistakes were told that were drawn: for each operator and field, or two of them.
#[derive(Default)]
struct Tally {
    rows: BTreeMap<String, (u32, u32, BTreeMap<String, u32>)>,
    tried: u32,
    replayed: u32,
    named: u32,
    missed: Vec<String>,
    lies: Vec<String>,
}

impl Tally {
    /// Draws mistakes, puts them in and looks for them.
    fn add(&mut self, base: Base, mistakes: &[Mistake]) {
        let Some((good, bad)) = with(base, mistakes) else { return };
        let both = recordings(&good, &bad);
        // What does not break the framing is for rules about values.
        if both[1].sessions[0].tapes[0].is_none() {
            return;
        }
        let found = is_replayed(&both);
        let report = diff::diff(&both[0], &both[1], &diff::Options::default());
        let (code, certainty) =
            report.causes.first().map_or(("nothing", None), |cause| (cause.rule.code, cause.certainty));
        // Bytes after one message and no other are what they are.
        let is_after = |found: &search::Found| matches!(found.mistake.operator, Operator::Stray(_));
        let is_of = |found: &search::Found| {
            mistakes.iter().any(|drawn| {
                drawn.field == found.mistake.field
                    || matches!((drawn.operator, drawn.field), (Operator::Plus(1..), Field::Payload)) && is_after(found)
            })
        };
        let is_named = found.as_ref().is_some_and(|explained| is_of(&explained.found[0]));
        let name = |mistake: &Mistake| format!("{} of {}", mistake.operator.name(), mistake.field.name());
        let row = mistakes.iter().map(name).collect::<Vec<_>>().join(", ");
        let row = self.rows.entry(row).or_default();
        row.0 += 1;
        row.1 += u32::from(found.is_some());
        *row.2.entry(code.to_owned()).or_default() += 1;
        self.tried += 1;
        self.replayed += u32::from(found.is_some());
        self.named += u32::from(is_named);
        match &found {
            None => self.missed.push(format!("{base:?} {mistakes:?}: {code} {certainty:?}")),
            Some(found) if !is_named && certainty == Some(Certainty::Certain) => {
                self.lies.push(format!("{base:?} {mistakes:?}: {}; {found:?}", report.causes[0].title));
            }
            Some(_) => {}
        }
    }

    /// The table as the documentation has it.
    fn table(&self) -> String {
        let mut table = format!(
            "{} of {} are replayed to the end, the first mistake found is of a drawn field in {}.\n\n\
             | drawn | times | replayed | told first as |\n|---|--:|--:|---|\n",
            self.replayed, self.tried, self.named
        );
        for (drawn, (times, replayed, told)) in &self.rows {
            let told: Vec<String> = told.iter().map(|(code, count)| format!("`{code}` {count}")).collect();
            table += &format!("| {drawn} | {times} | {replayed} | {} |\n", told.join(", "));
        }
        table
    }
}

/// The table is in the documentation; `BLESS=1 cargo test search::mistakes_drawn` rewrites it.
#[test]
fn mistakes_drawn_from_the_model_are_found() {
    let (mut single, mut pairs) = (Tally::default(), Tally::default());
    for (index, mistake) in drawn().into_iter().enumerate() {
        single.add(BASES[index % BASES.len()], &[mistake]);
    }
    for (index, two) in drawn_in_pairs().into_iter().enumerate() {
        pairs.add(BASES[index % BASES.len()], &two);
    }
    let page = format!(
        "# Mistakes drawn at random\n\n\
         Made by `BLESS=1 cargo test search::mistakes_drawn`. Each mistake of the sender model is put into a good session \
         of one of five senders, whose server closes some frames later, and looked for by `diff`. Replayed: written with the \
         mistakes found, A's messages are B's bytes to the last one.\n\n## One at a time\n\n{}\n## Two at once\n\n{}",
        single.table(),
        pairs.table()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/random-mistakes.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).expect("docs can be written");
    }
    for (tally, least, least_named) in [(&single, 95, 90), (&pairs, 75, 80)] {
        let Tally { tried, replayed, named, missed, lies, .. } = tally;
        assert!(lies.is_empty(), "certain and wrong:\n{}\nmissed:\n{}", lies.join("\n"), missed.join("\n"));
        assert!(*tried >= 20, "{tried}");
        assert!(replayed * 100 >= tried * least, "{} of {tried} missed:\n{}", missed.len(), missed.join("\n"));
        assert!(named * 100 >= replayed * least_named, "{named} of {replayed}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), page, "stale: BLESS=1 cargo test search::mistakes_drawn");
}

/// Without A much cannot be told; what is said of the framing is likely at most, and mostly the field that it is.
#[test]
fn alone_a_mistake_is_named_or_left_open() {
    let (mut named, mut other, mut tried) = (0, Vec::new(), 0);
    for (index, mistake) in drawn().into_iter().enumerate() {
        let base = BASES[index % BASES.len()];
        let Some((_, bad)) = with(base, &[mistake]) else { continue };
        let b = record(&bad.pcap());
        if b.sessions[0].tapes[0].is_none() {
            continue;
        }
        tried += 1;
        let report = lint::lint(&b, &lint::Options::default());
        let Some(first) = report.findings.first().filter(|first| first.rule.code.starts_with("mistake:")) else {
            continue;
        };
        match first.rule.code.ends_with(&format!(":{}", mistake.field.name())) {
            true => named += 1,
            false => other.push(format!("{base:?} {mistake:?}: {} {}", first.sureness(), first.title)),
        }
        assert!(first.certainty < Some(Certainty::Certain), "{base:?} {mistake:?}: {}", first.title);
    }
    assert!(named >= 5, "{named} of {tried}; others:\n{}", other.join("\n"));
    assert!(other.len() * 4 <= named, "{named} of {tried}; others:\n{}", other.join("\n"));
}

/// What is done to the finished bytes of a message, and the operator that it is.
#[test]
fn bytes_that_are_lost_or_put_in_are_found() {
    type Edit = fn(&mut Vec<u8>);
    let edits: [(&str, Edit); 5] = [
        ("cut", |bytes| bytes.truncate(1448)),
        ("lost", |bytes| drop(bytes.drain(900..1400))),
        ("inserted", |bytes| drop(bytes.splice(700..700, *b"a line of a log\n"))),
        ("inserted", |bytes| {
            let again = bytes[500..800].to_vec();
            bytes.splice(800..800, again);
        }),
        ("stray", |bytes| bytes.extend([0; 7])),
    ];
    let mut wrong = Vec::new();
    for base in BASES {
        for (name, edit) in edits {
            let good = base.recording();
            let mut bad = good.clone();
            let at = bad.find(is_picture);
            let mut bytes = good.bytes()[at].clone();
            assert!(bytes.len() > 1500, "{base:?}: {}", bytes.len());
            edit(&mut bytes);
            bad.steps[at].what = What::Bytes(bytes);
            let after = bad.nth(2, is_picture);
            bad.closed(after);
            let both = recordings(&good, &bad);
            let report = diff::diff(&both[0], &both[1], &diff::Options::default());
            let cause = report.causes.first().unwrap_or_else(|| panic!("{base:?} {name}: no cause"));
            if (cause.rule.code, cause.certainty) != (&*format!("mistake:{name}:message"), Some(Certainty::Certain)) {
                wrong.push(format!("{base:?} {name}: {} {}", cause.sureness(), cause.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A direction that is cut off says nothing of its sender.
#[test]
fn a_capture_that_ends_is_no_mistake() {
    for base in BASES {
        let good = base.recording();
        let mut bad = good.clone();
        let at = bad.find(is_picture);
        let bytes = good.bytes()[at][..700].to_vec();
        bad.steps[at].what = What::Bytes(bytes);
        bad.steps.truncate(at + 1);
        bad.closed(at);
        let found = is_replayed(&recordings(&good, &bad));
        assert!(found.is_none(), "{base:?}: {found:?}");
        let report = lint::lint(&record(&bad.pcap()), &lint::Options::default());
        let is_mistake = |code: &str| code.starts_with("mistake:");
        assert!(!report.findings.iter().any(|finding| is_mistake(finding.rule.code)), "{base:?}");
    }
}
