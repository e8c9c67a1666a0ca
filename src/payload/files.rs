//! Two byte strings against each other: one rule, two after another, or stretch by stretch.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::rules::payload::index::Index;
use crate::rules::{
    self, Case, Certainty, Context, PayloadClaim, Rule, TRANSFORMS, Transform, common_prefix, describe_block,
    describe_header, explain_payload, header_before,
};

use super::Cause;

/// Why the two differ, and in how many places nobody knows why.
pub(super) fn causes(sent: &[u8], received: &[u8], context: &Context) -> (Vec<Cause>, u64) {
    let case = Case::with_context(sent, received, Cow::Borrowed(context));
    if !case.differs() {
        return (Vec::new(), 0);
    }
    let cause = |(rule, finding)| Cause::new(rule, finding, sent, received);
    match explain_payload(&case) {
        // These two say that nothing better is known.
        Some((rule, finding)) if ["px-bitflip", "px-unrelated"].contains(&rule.code) => match two_faults(&case) {
            Some(two) => (two, 0),
            None => (vec![cause((rule, finding))], 0),
        },
        Some(found) => (vec![cause(found)], 0),
        None => match two_faults(&case) {
            Some(two) => (two, 0),
            None => stretches(&case),
        },
    }
}

/// What explains everything if the two are exchanged, where nothing does as they are: only what a receiver does to what
/// was sent, and no sender undoes.
pub(super) fn other_order(sent: &[u8], received: &[u8], causes: &[Cause], unexplained: u64) -> Option<String> {
    const RECEIVERS: &[&str] =
        &["px-headers-left", "px-ext-left", "px-over-stripped", "px-foreign-chunk", "px-utf8-lossy"];
    let is_explained = unexplained == 0 && causes.iter().all(|cause| cause.certainty == Some(Certainty::Certain));
    let [cause] = causes else { return None };
    if is_explained && !WEAK.contains(&cause.rule.code) {
        return None;
    }
    let (other, left) = self::causes(received, sent, &Default::default());
    let [other] = &other[..] else { return None };
    let is_certain = left == 0 && other.certainty == Some(Certainty::Certain);
    (is_certain && RECEIVERS.contains(&other.rule.code)).then(|| other.title.clone())
}

/// Two faults, one after the other, that give exactly what was received.
fn two_faults(case: &Case<'_>) -> Option<Vec<Cause>> {
    changed_then_cut(case).or_else(|| cut_then_changed(case)).or_else(|| header_and_change(case))
}

/// A change to every byte, then something that the other rules know.
fn changed_then_cut(case: &Case<'_>) -> Option<Vec<Cause>> {
    let Case { sent, received, prefix, .. } = *case;
    TRANSFORMS.iter().copied().flatten().find_map(|form| {
        // The start must agree better with the change than without.
        let probe = (form.apply)(&sent[..sent.len().min(PROBE)]);
        if probe.is_some_and(|probe| common_prefix(&probe, received) < (prefix + LEAST_GAIN).min(received.len())) {
            return None;
        }
        let between = (form.apply)(sent).filter(|between| between != sent)?;
        let (rule, finding) = second_fault(&between, received)?;
        let second =
            PayloadClaim { why: format!("Second, applied to the result of the first: {}", finding.why), ..finding };
        Some(vec![first_fault(case, form), Cause::new(rule, second, &between, received)])
    })
}

/// Something that the rules know, then a change that can be undone.
fn cut_then_changed(case: &Case<'_>) -> Option<Vec<Cause>> {
    let decoders = TRANSFORMS.iter().filter_map(|forms| forms.last()).filter(|form| DECODED.contains(&form.rule));
    decoders.into_iter().find_map(|form| {
        let between = (form.apply)(case.received)?;
        let (rule, finding) = second_fault(case.sent, &between)?;
        let finding = PayloadClaim { why: format!("Before the other change: {}", finding.why), ..finding };
        Some(vec![Cause::new(rule, finding, case.sent, &between), first_fault(case, form)])
    })
}

/// A header put before the payload or taken off, and a change to what follows it.
fn header_and_change(case: &Case<'_>) -> Option<Vec<Cause>> {
    let Case { sent, received, .. } = *case;
    let dropped =
        header_before(sent, sent.len()).map(|(len, name)| (&sent[len..], received, "px-header-dropped", len, name));
    let added =
        header_before(received, sent.len()).map(|(len, name)| (sent, &received[len..], "px-prefix-known", len, name));
    dropped.into_iter().chain(added).find_map(|(from, to, code, len, name)| {
        let (rule, finding) = explain_payload(&Case::new(from, to))?;
        if finding.certainty < Certainty::Certain || WEAK.contains(&rule.code) {
            return None;
        }
        let header = rules::find(code)?;
        let gone = code == "px-header-dropped";
        let what = if gone { "is missing" } else { "comes before the payload" };
        let first = PayloadClaim {
            certainty: Certainty::Certain,
            title: format!("{name} {what}"),
            sent: if gone { 0..len } else { 0..0 },
            received: if gone { 0..0 } else { 0..len },
            places: 1,
            why: format!("{len} bytes are {name}; the rest differs for another reason."),
            fix: header.page.fix.to_owned(),
        };
        Some(vec![Cause::new(header, first, sent, received), Cause::new(rule, finding, from, to)])
    })
}

const PROBE: usize = 4096;
const LEAST_GAIN: usize = 8;
/// Rules whose last form undoes what the others do, or is its own inverse.
const DECODED: &[&str] = &["px-base64", "px-hex", "px-crlf"];
/// Rules that explain anything, given another change first.
const WEAK: &[&str] = &["px-bitflip", "px-unrelated", "px-insert", "px-delete", "px-shift", "px-reorder"];

fn second_fault(sent: &[u8], received: &[u8]) -> Option<(&'static Rule, PayloadClaim)> {
    explain_payload(&Case::new(sent, received)).filter(|(rule, _)| !["px-bitflip", "px-unrelated"].contains(&rule.code))
}

fn first_fault(case: &Case<'_>, form: &Transform) -> Cause {
    let rule = rules::find(form.rule).expect("each transform belongs to a rule, as a test checks");
    let at = |bytes: &[u8]| case.prefix.min(bytes.len())..(case.prefix + 1).min(bytes.len());
    let finding = PayloadClaim {
        certainty: Certainty::Certain,
        title: rule.title.to_owned(),
        sent: at(case.sent),
        received: at(case.received),
        places: 1,
        why: format!("Two things happened. First: it is as if {}.", form.words),
        fix: rule.page.fix.to_owned(),
    };
    Cause::new(rule, finding, case.sent, case.received)
}

/// A stretch in which the two differ.
struct Stretch {
    sent: Range<usize>,
    received: Range<usize>,
}

/// No rule gives all of it: the first stretch that differs is shown, and the others counted.
fn stretches(case: &Case<'_>) -> (Vec<Cause>, u64) {
    let Case { sent, received, .. } = *case;
    let mut stretches = Vec::new();
    let (mut s, mut r) = (0, 0);
    for run in Index::new(sent).runs(received, 0, Some(0)) {
        if (run.target, run.source) != (s, r) {
            stretches.push(Stretch { sent: s.min(run.target)..run.target, received: r..run.source });
        }
        (s, r) = (run.target_end(), run.source_end());
    }
    if s < sent.len() || r < received.len() {
        stretches.push(Stretch { sent: s..sent.len(), received: r..received.len() });
    }
    let Some(mut first) = stretches.first() else { return (Vec::new(), 0) };
    let more = stretches.len() as u64 - 1;
    let bytes_of = |stretch: &Stretch| &received[stretch.received.clone()];
    // The same few bytes that can be a type-3 header, again and again.
    let mut headers: FxHashMap<&[u8], (u64, &Stretch)> = FxHashMap::default();
    for stretch in stretches.iter().filter(|stretch| stretch.sent.is_empty()) {
        if matches!(bytes_of(stretch), [0xc2..=0xff] | [0xc0, _] | [0xc1, _, _]) {
            headers.entry(bytes_of(stretch)).or_insert((0, stretch)).0 += 1;
        }
    }
    let header = headers.into_values().max_by_key(|(again, stretch)| (*again, Reverse(stretch.received.start)));
    let header = header.filter(|(again, _)| *again > 1);
    let (looks_like_header, again) = (header.is_some(), header.map_or(0, |(again, _)| again));
    first = header.map_or(first, |(_, stretch)| stretch);
    let block = bytes_of(first);
    let count =
        if more == 0 { "one run of bytes differs".to_owned() } else { format!("{} runs of bytes differ", more + 1) };
    let (code, certainty, title, why) = if looks_like_header {
        let name = describe_header(block);
        let why = format!(
            "{again} of {} runs that differ are the bytes {}, which can be a chunk header. A capture of the session \
             would prove it (--capture).",
            more + 1,
            hex::encode(block)
        );
        ("px-headers-left", Certainty::Likely, format!("chunk header {name} is in the payload {again} times"), why)
    } else {
        let (code, what) = match (first.sent.len(), first.received.len()) {
            (0, more) => ("px-insert", format!("{more} extra bytes")),
            (less, 0) => ("px-delete", format!("{less} bytes missing")),
            (from, to) if from == to => ("px-bitflip", format!("{to} bytes changed")),
            (from, to) => ("px-insert", format!("{to} bytes instead of {from}")),
        };
        let described = describe_block(received, first.received.start, block);
        let why = format!("No single change explains the difference: {count}, and this is the first. {described}");
        (code, Certainty::Possible, format!("{count}; the first has {what}"), why.trim_end().to_owned())
    };
    let rule = rules::find(code).expect("a code of the catalogue");
    let finding = PayloadClaim {
        certainty,
        title,
        sent: first.sent.clone(),
        received: first.received.clone(),
        places: if looks_like_header { again } else { 1 },
        why,
        fix: rule.page.fix.to_owned(),
    };
    let unexplained = if looks_like_header { more + 1 - again } else { more + 1 };
    (vec![Cause::new(rule, finding, sent, received)], unexplained)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::payload::Report;

    fn codes(sent: &[u8], received: &[u8]) -> (Vec<(&'static str, Certainty)>, u64) {
        let (causes, unexplained) = causes(sent, received, &Context::default());
        (causes.iter().map(|cause| (cause.rule.code, cause.certainty.expect("a cause has one"))).collect(), unexplained)
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x1234_5677u32;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_be_bytes()[2]
        })
        .take(len)
        .collect()
    }

    #[test]
    fn two_faults_one_after_the_other_are_both_named() {
        let s = noise(6000);
        let lossy = String::from_utf8_lossy(&s).into_owned().into_bytes();
        let crlf: Vec<u8> = s.iter().flat_map(|&b| if b == 10 { vec![13, 10] } else { vec![b] }).collect();
        let chunked = |bytes: &[u8]| bytes.chunks(1000).collect::<Vec<_>>().join(&0xc6);
        let nal = [&[0x65], &s[..500].iter().map(|b| b | 1).collect::<Vec<u8>>()[..]].concat();
        let tag = [0x17, 1, 0, 0, 0];
        let avcc = [&tag[..], &[0, 0, 1, 0xf5], &nal].concat();
        let annexb = [&[0, 0, 0, 1], &nal[..]].concat();
        for (sent, received, expected) in [
            (&s, lossy[..4000].to_vec(), ["px-utf8-lossy", "px-trunc"]),
            (&s, chunked(&crlf), ["px-crlf", "px-headers-left"]),
            (&s, [&crlf[..3000], &vec![0; crlf.len() - 3000]].concat(), ["px-crlf", "px-zero-pad"]),
            (&s, hex::encode(&s[..4096]).into_bytes(), ["px-trunc", "px-hex"]),
            (&avcc, annexb, ["px-header-dropped", "px-avcc-annexb"]),
        ] {
            let expected = expected.map(|code| (code, Certainty::Certain)).to_vec();
            let found = codes(sent, &received);
            // What is cut and then written in digits is also what is written in digits and then cut.
            let swapped = expected.iter().rev().copied().collect::<Vec<_>>();
            assert!(found == (expected.clone(), 0) || found == (swapped, 0), "{found:?} instead of {expected:?}");
        }
    }

    #[test]
    fn what_no_rule_explains_is_counted_and_nothing_is_certain() {
        let s = noise(5000);
        let received = [&s[..700], b"abc", &s[900..3000], b"x", &s[3000..4000], &s[4100..]].concat();
        assert_eq!(codes(&s, &received), (vec![("px-insert", Certainty::Possible)], 3));
        // The same byte that could be a header, at distances that are no chunk size.
        let received = [&s[..700], &[0xc4], &s[700..1900], &[0xc4], &s[1900..2500], &[0xc4], &s[2500..]].concat();
        assert_eq!(codes(&s, &received), (vec![("px-headers-left", Certainty::Likely)], 0));
    }

    proptest! {
        #[test]
        fn any_two_strings_have_a_report(
            sent in proptest::collection::vec(0u8..4, 0..200),
            received in proptest::collection::vec(0u8..4, 0..200),
            noise in any::<bool>(),
        ) {
            let spread = |bytes: &[u8]| bytes.iter().map(|b| if noise { b.wrapping_mul(67) } else { *b }).collect::<Vec<_>>();
            let (sent, received) = (spread(&sent), spread(&received));
            let report = Report::of_files(&sent, &received);
            prop_assert_eq!(report.causes.is_empty(), sent == received);
            prop_assert!(!report.summary.is_empty());
        }
    }
}
