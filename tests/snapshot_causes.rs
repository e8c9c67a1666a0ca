//! Seeded faults against a snapshot of the good session: the first cause is the one that the capture gives.

mod kit;

use kit::faults::{self, Fault};
use kit::record::record;
use rtmp_inspect::diff;
use rtmp_inspect::recording;
use rtmp_inspect::snapshot::{self, Options, Payload};

/// Faults whose evidence is not in a snapshot, with what is reported in the place of their cause, and why.
const EXCEPTIONS: &[(&str, &[&str])] = &[];

#[test]
fn a_snapshot_of_the_good_session_leads_to_the_same_first_cause() {
    let mut wrong = Vec::new();
    for fault in faults::all() {
        let (base, faulty) = fault.captures();
        let capture = first(&mut record(&base), &faulty);
        for payload in [Payload::Sha256, Payload::Full] {
            let options = Options { name: "good.pcap".to_owned(), payload };
            let text = snapshot::write(&record(&base), &options);
            let mut snapshot = snapshot::read(text.as_bytes()).expect("what was written can be read");
            let found = first(&mut snapshot, &faulty);
            if found != capture {
                wrong.push(format!("{} ({}): {found} in place of {capture}", fault.name, payload.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn first(a: &mut recording::Recording, faulty: &[u8]) -> String {
    let mut b = record(faulty);
    recording::complete(a, &mut b);
    let report = diff::diff(a, &b, &diff::Options::default());
    report.causes.first().map_or_else(|| format!("no cause ({})", report.summary), |cause| cause.rule.code.to_owned())
}
