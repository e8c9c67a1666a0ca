//! JUnit's XML, as CI servers read it: a suite for each capture, a case for its snapshot and one for the rules.
//!
//! Written by hand, as quick-junit 0.8 puts `skipped` on the root element, which no published schema has. There are no
//! times: nothing here takes any, and files would differ from run to run.

use std::fmt::Write;

use crate::escape::{xml_attribute, xml_text};

use super::{Case, Document, State, Suite};

/// The document.
pub fn junit(document: &Document) -> String {
    let cases = || document.suites.iter().flat_map(|suite| &suite.cases);
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let name = format!("rtmp-inspect {}", document.command);
    let _ = writeln!(xml, "<testsuites name=\"{}\"{}>", xml_attribute(&name), totals(cases()));
    for suite in &document.suites {
        write_suite(&mut xml, suite);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn write_suite(xml: &mut String, suite: &Suite) {
    let file = xml_attribute(&suite.file);
    let _ = writeln!(xml, "  <testsuite name=\"{file}\"{}>", totals(suite.cases.iter()));
    for case in &suite.cases {
        let head = format!("    <testcase name=\"{}\" classname=\"{file}\"", case.name);
        let element = match case.state {
            State::Passed => {
                let _ = writeln!(xml, "{head}/>");
                continue;
            }
            State::Failed => "failure",
            State::Broken => "error",
        };
        let kind = case.problems.first().map_or(case.name, |problem| problem.kind.code());
        let (message, text) = (xml_attribute(&case.summary), xml_text(case.text.trim()));
        let _ = writeln!(
            xml,
            "{head}>\n      <{element} type=\"{kind}\" message=\"{message}\">{text}</{element}>\n    </testcase>"
        );
    }
    xml.push_str("  </testsuite>\n");
}

fn totals<'c>(cases: impl Iterator<Item = &'c Case>) -> String {
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    for case in cases {
        tests += 1;
        failures += usize::from(case.state == State::Failed);
        errors += usize::from(case.state == State::Broken);
    }
    format!(" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_failed_says_why() {
        let case = |state| Case {
            name: "lint",
            state,
            summary: "1 <error>".to_owned(),
            text: "\nerror: x\n".to_owned(),
            problems: Vec::new(),
        };
        let suites = vec![Suite { file: "a&b.pcap".to_owned(), cases: vec![case(State::Passed), case(State::Failed)] }];
        assert_eq!(
            junit(&Document { command: "lint", suites }),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"rtmp-inspect lint\" tests=\"2\" failures=\"1\" errors=\"0\">\n\
             \x20 <testsuite name=\"a&amp;b.pcap\" tests=\"2\" failures=\"1\" errors=\"0\">\n\
             \x20   <testcase name=\"lint\" classname=\"a&amp;b.pcap\"/>\n\
             \x20   <testcase name=\"lint\" classname=\"a&amp;b.pcap\">\n\
             \x20     <failure type=\"lint\" message=\"1 &lt;error&gt;\">error: x</failure>\n\
             \x20   </testcase>\n  </testsuite>\n</testsuites>\n"
        );
    }
}
