//! How well rules, symptoms and log lines fit a text: BM25 over weighted fields.
//!
//! S. Robertson, H. Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond (2009), section 3.4 for fields of
//! different weight. A rare word counts for more than a common one, a word in a title for more than one in a page; any
//! of the words is enough, and those with more of them come first.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::known::{LOG_LINES, SYMPTOMS};
use super::words::{self, Word};
use crate::rules::{RULES, find};

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Index in [`RULES`].
    Rule(usize),
    Symptom(usize),
    LogLine(usize),
}

/// How well a subject fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub subject: Subject,
    pub score: f64,
    /// The part of the text's words, by their weight, that the subject has.
    pub coverage: f64,
}

struct Document {
    subject: Subject,
    length: f64,
}

struct Index {
    documents: Vec<Document>,
    /// For each form of a word, in which documents it is, and with what weight.
    postings: HashMap<String, Vec<(usize, f64)>>,
    /// Mean length of rules, symptoms and log lines.
    mean_lengths: [f64; 3],
}

/// How soon more of the same word counts for less.
const SATURATION: f64 = 1.2;
/// How much a long document has to have more of a word than a short one.
const LENGTH: f64 = 0.6;
/// What people mean counts for less than the word they used.
const CONCEPT: f64 = 0.7;

/// Everything that has a word of the text, the best first.
pub(super) fn rank(text: &[Word]) -> Vec<Hit> {
    let index = &*INDEX;
    let mut scores: HashMap<usize, (f64, f64)> = HashMap::new();
    let mut all = 0.0;
    for word in text.iter().filter(|word| !word.is_common) {
        // A document has the word if it has any form of it: the best counts.
        let mut best: HashMap<usize, (f64, f64)> = HashMap::new();
        let mut rarity: f64 = 0.0;
        for form in &word.forms {
            let Some(postings) = index.postings.get(form) else { continue };
            let weight = index.rarity(postings.len()) * if form.starts_with('~') { CONCEPT } else { 1.0 };
            rarity = rarity.max(weight);
            for &(document, frequency) in postings {
                let part = weight * index.saturated(document, frequency);
                let entry = best.entry(document).or_default();
                *entry = (entry.0.max(part), entry.1.max(weight));
            }
        }
        // A word that nothing has tells nothing, and is missed everywhere.
        let rarity = if rarity == 0.0 { index.rarity(1) } else { rarity };
        all += rarity;
        for (document, (part, weight)) in best {
            let entry = scores.entry(document).or_default();
            entry.0 += part;
            entry.1 += weight.min(rarity);
        }
    }
    let hit = |(document, (score, held)): (usize, (f64, f64))| {
        let coverage = held / all;
        // Two words of three are worth more than twice one.
        Hit { subject: index.documents[document].subject, score: score * (0.4 + 0.6 * coverage), coverage }
    };
    let mut hits: Vec<(usize, Hit)> = scores.into_iter().map(|entry| (entry.0, hit(entry))).collect();
    hits.sort_by(|(a_at, a), (b_at, b)| b.score.total_cmp(&a.score).then(a_at.cmp(b_at)));
    hits.into_iter().map(|(_, hit)| hit).collect()
}

/// Whether any document has the word.
pub(super) fn is_known(word: &Word) -> bool {
    word.forms.iter().any(|form| INDEX.postings.contains_key(form))
}

/// The word of the catalogue that is most like one that it does not have, if one is.
pub(super) fn nearest(word: &Word) -> Option<&'static str> {
    let form = word.forms.first().filter(|form| form.len() >= 4)?;
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(form, known);
    let known =
        INDEX.postings.keys().filter(|known| known.len() >= 4 && !known.starts_with('~') && !known.contains('.'));
    let near = known.map(|known| (likeness(known), known)).filter(|(likeness, _)| *likeness >= 0.75);
    near.max_by(|(a, a_word), (b, b_word)| a.total_cmp(b).then(b_word.cmp(a_word))).map(|(_, word)| word.as_str())
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { documents: Vec::new(), postings: HashMap::new(), mean_lengths: [1.0; 3] };
    for (at, rule) in RULES.iter().enumerate() {
        let page = &rule.page;
        let layer = rule.layer.to_string();
        let fields = [
            (rule.code, 5.0),
            (rule.title, 5.0),
            (page.what, 1.2),
            (page.looks, 0.7),
            (page.who, 0.7),
            (page.fix, 0.7),
            (page.source, 0.3),
            (&layer, 0.5),
        ];
        index.add(Subject::Rule(at), &fields);
    }
    for (at, symptom) in SYMPTOMS.iter().enumerate() {
        let title = symptom.rules.first().and_then(|code| find(code)).map_or("", |rule| rule.title);
        index.add(Subject::Symptom(at), &[(symptom.says, 4.0), (title, 0.3)]);
    }
    for (at, line) in LOG_LINES.iter().enumerate() {
        index.add(Subject::LogLine(at), &[(&line.line.text(), 4.0), (line.program, 0.7), (line.meaning, 0.7)]);
    }
    for kind in 0..3 {
        let lengths =
            index.documents.iter().filter(|document| document.subject.kind() == kind).map(|document| document.length);
        let (count, sum) = lengths.fold((0.0, 0.0), |(count, sum), length| (count + 1.0, sum + length));
        index.mean_lengths[kind] = sum / f64::max(count, 1.0);
    }
    index
});

impl Index {
    fn add(&mut self, subject: Subject, fields: &[(&str, f64)]) {
        let document = self.documents.len();
        let mut frequencies: HashMap<String, f64> = HashMap::new();
        let mut length = 0.0;
        for (text, weight) in fields {
            for word in words::read(text).into_iter().filter(|word| !word.is_common) {
                length += weight;
                for form in word.forms {
                    *frequencies.entry(form).or_default() += weight;
                }
            }
        }
        for (form, frequency) in frequencies {
            self.postings.entry(form).or_default().push((document, frequency));
        }
        self.documents.push(Document { subject, length });
    }

    fn rarity(&self, documents: usize) -> f64 {
        let (all, having) = (self.documents.len() as f64, documents as f64);
        (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
    }

    fn saturated(&self, document: usize, frequency: f64) -> f64 {
        let Document { subject, length } = &self.documents[document];
        let mean = self.mean_lengths[subject.kind()];
        let frequency = frequency / (1.0 - LENGTH + LENGTH * length / mean);
        frequency / (SATURATION + frequency)
    }
}

impl Subject {
    fn kind(self) -> usize {
        match self {
            Subject::Rule(_) => 0,
            Subject::Symptom(_) => 1,
            Subject::LogLine(_) => 2,
        }
    }
}
