//! Rules of AMF values: bodies that can be read only as a faulty writer meant them.
//!
//! Each takes a body of B that does not decode, undoes one mistake, and fires if then all of it decodes.

pub mod forms;
pub mod scan;
pub mod strings;
pub mod values;
pub mod writer;

use std::ops::Range;

use crate::compare::{Comparison, Side};
use crate::field::{Node, Tree};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::body;
use crate::rtmp::message::Ending;

use super::message_fault::{self, MessageFault};
use super::{Check, Layer, Mode, Page, Rule, Severity};

pub static FIRST_NOT_STRING: Rule = Rule {
    code: "amf-first-not-string",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a message does not begin with its name",
    page: Page {
        what: "The first value of a command or data message is its name, a string. Here another value comes first.",
        looks: "00 3f f0 00 00 00 00 00 00 03\n\
                \n\
                The number 1 where 02 00 07 connect is expected.",
        who: "Writers that leave out the command's name.",
        fix: "Write the name as the first value.",
        source: "RTMP 1.0 section 7.1.1.",
    },
    check: Check::Diff(|comparison| {
        let find = |item: &RecordedEvent, kept: &RecordedMessage| {
            // What comes before the name may be no value at all.
            let is_tag = crate::rules::flv::tag::tagged(kept.header.type_id.0, &kept.body).is_some();
            if is_tag {
                None
            } else {
                defective(item, kept, "amf-first-not-string", "write the name as the first value")
            }
        };
        message_fault::claims(comparison, find, |_| true)
    }),
};

pub static FORMAT_BYTE_MISSING: Rule = Rule {
    code: "amf3-format-byte-missing",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a body of type 17 or 15 has no format byte",
    page: Page {
        what: "Bodies of types 17 and 15 begin with a byte 0 before the values. Without it servers do not answer.",
        looks: "02 00 07 63 6f 6e 6e 65 63 74   sent\n\
                00 02 00 07 63 6f 6e 6e 65 63 74   expected",
        who: "Writers that change only the type of an AMF 0 message.",
        fix: "Write 00 before the values, or send type 20 or 18.",
        source: "RTMP errata section 7.2; measured: nginx-rtmp and Node-Media-Server do not answer.",
    },
    check: Check::Diff(|comparison| by_defect(comparison, "amf3-format-byte-missing", "write 00 before the values")),
};

pub static FORMAT_BYTE_EXTRA: Rule = Rule {
    code: "amf0-extra-format-byte",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a body of type 20 or 18 has a format byte",
    page: Page {
        what: "A byte 0 before the values belongs to types 17 and 15 only. In type 20 it reads as a number.",
        looks: "00 02 00 07 63 6f 6e 6e 65 63 74\n\
                \n\
                The first byte should not be there.",
        who: "Writers that send AMF 3 bodies under the types of AMF 0.",
        fix: "Leave the byte out, or send type 17 or 15.",
        source: "RTMP errata section 7.2.",
    },
    check: Check::Diff(|comparison| by_defect(comparison, "amf0-extra-format-byte", "leave the first byte out")),
};

pub static UNTERMINATED: Rule = Rule {
    code: "amf-object-unterminated",
    layer: Layer::Amf,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an object has no end",
    page: Page {
        what: "The body ends inside an object or an array with names. nginx-rtmp accepts that, others wait or give up.",
        looks: "00 03 61 70 70 02 00 04 6c 69 76 65\n\
                \n\
                The last property; 00 00 09 should follow it.",
        who: "Writers that forget the end marker; Envivio's encoders, according to nginx-rtmp.",
        fix: "Write 00 00 09 after the last property.",
        source: "AMF 0 section 2.11; measured: Node-Media-Server does not answer.",
    },
    check: Check::Diff(|comparison| by_defect(comparison, crate::amf::amf0::UNTERMINATED, "write 00 00 09")),
};

/// So many lengths are put right in one body.
const MOST: usize = 64;
/// Longer bodies are not tried.
const LONGEST: usize = 1 << 20;

fn by_defect(comparison: &Comparison<'_>, code: &'static str, fix: &'static str) -> Vec<super::Claim> {
    message_fault::claims(comparison, |item, kept| defective(item, kept, code, fix), |_| true)
}

fn defective(item: &RecordedEvent, kept: &RecordedMessage, code: &str, fix: &'static str) -> Option<MessageFault> {
    let defect = item.defects.iter().find(|defect| defect.code == code).filter(|_| is_amf(kept))?;
    let type_id = kept.header.type_id;
    Some(MessageFault::certain(format!("a message of type {type_id}: {}", defect.message), SILENT, fix))
}

const SILENT: &str = "receivers do not find the message's name, and most do not answer";

/// Claims bodies that do not decode, and do without a defect when `repair` undid the mistake. It takes the body and
/// the offset of the first defect.
fn repaired(
    comparison: &Comparison<'_>,
    repair: impl Fn(&RecordedMessage, &[u8], usize) -> Option<Vec<u8>>,
    what: &str,
    fix: &str,
) -> Vec<super::Claim> {
    let find = |_: &RecordedEvent, kept: &RecordedMessage| {
        if !is_amf(kept) {
            return None;
        }
        let at = first_defect(kept, &kept.body)?;
        let fixed = repair(kept, &kept.body, at)?;
        let why = "with that corrected, the whole body decodes without a defect; receivers lose the values after it";
        let title = format!("a message of type {} has {what}", kept.header.type_id);
        first_defect(kept, &fixed).is_none().then(|| MessageFault::certain(title, why, fix))
    };
    message_fault::claims(comparison, find, |_| true)
}

/// Where the body's first defect is.
fn first_defect(kept: &RecordedMessage, bytes: &[u8]) -> Option<usize> {
    let decoded = body::decode(kept.header.type_id, bytes, bytes.len() as u32, &mut ());
    decoded.defects.first().map(|defect| defect.offset as usize)
}

/// Whether a message is one of AMF values, and all of it is there.
fn is_amf(kept: &RecordedMessage) -> bool {
    let is_amf = matches!(kept.header.type_id.0, 15 | 17 | 18 | 20);
    is_amf && kept.ending == Ending::Complete && kept.is_whole() && kept.body.len() <= LONGEST
}

/// The fields of a body with this name.
fn fields(kept: &RecordedMessage, bytes: &[u8], name: &str) -> Vec<Node> {
    let mut tree = Tree::default();
    body::decode(kept.header.type_id, bytes, bytes.len() as u32, &mut tree);
    tree.nodes().iter().filter(|node| node.def.name == name).cloned().collect()
}

/// Values of a message that decodes, and what is odd about them.
struct Values {
    fault: MessageFault,
    /// Where they are.
    ranges: Vec<Range<usize>>,
    /// The names that A has in place of odd ones.
    meant: Vec<String>,
}

/// Claims the values that `find` finds odd in the messages of B; none if A has such.
fn odd_values(comparison: &Comparison<'_>, find: impl Fn(&RecordedMessage) -> Option<Values>) -> Vec<super::Claim> {
    let find = |kept: &RecordedMessage| if is_amf(kept) { find(kept) } else { None };
    let mut claims = message_fault::claims(comparison, |_, kept| find(kept).map(|values| values.fault), |_| true);
    for claim in &mut claims {
        let explains = std::mem::take(&mut claim.explains);
        // Differences are in the order of their rows; each message is looked at once.
        for of_row in explains.chunk_by(|a, b| comparison.mismatches[*a].row == comparison.mismatches[*b].row) {
            let item = comparison.item(comparison.mismatches[of_row[0]].row, Side::B);
            let values = item.and_then(RecordedEvent::message).and_then(find);
            let is_one = |index: &&usize| {
                let mismatch = &comparison.mismatches[**index];
                let Some(values) = &values else { return true };
                let range = mismatch.side(Side::B).and_then(|value| value.in_body.clone());
                mismatch.is_whole_message()
                    || range.is_some_and(|at| values.ranges.iter().any(|odd| odd.start < at.end && at.start < odd.end))
                    || values.meant.iter().any(|name| mismatch.path.last() == Some(name))
            };
            claim.explains.extend(of_row.iter().filter(is_one));
        }
        if let Some(&first) = claim.explains.iter().find(|&&index| comparison.mismatches[index].row == claim.row) {
            claim.path.clone_from(&comparison.mismatches[first].path);
            claim.sides.clone_from(&comparison.mismatches[first].sides);
        }
    }
    claims
}
