//! Values in another form than the working client's: which arrays, which counts, which version of AMF.

use crate::amf::Value;
use crate::compare::{Comparison, FieldPath, MessageKind, Side, ValuePath};
use crate::field;
use crate::recording::{RecordedEvent, RecordedMessage, Session};
use crate::rtmp::body::{self, Body};
use crate::session::Direction;

use super::super::message_fault::{self, MessageFault};
use super::super::messages::{self, BodyPlace};
use super::super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use super::{fields, is_amf};

pub static NOT_NEGOTIATED: Rule = Rule {
    code: "amf3-not-negotiated",
    layer: Layer::Amf,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "AMF 3 is sent although it was not negotiated",
    page: Page {
        what: "Messages of types 17 and 15, and values after the marker 11, are for peers that agreed on \
               objectEncoding 3 in connect and its answer. Others need not understand them.",
        looks: "11 00 00 00 .. 00 02 00 0d 72 65 6c 65 61 73 65 53 74 72 65 61 6d\n\
                \n\
                releaseStream under type 17 (hex 11), though connect had no objectEncoding 3.",
        who: "Clients that switch to type 17 after connect, whatever the answer contains.",
        fix: "Send types 20 and 18, or ask for objectEncoding 3 in connect and respect the answer.",
        source: "RTMP 1.0 section 7.2.1.1; RTMP errata section 8.1.1; arut/nginx-rtmp-module#1043.",
    },
    check: Check::Diff(not_negotiated),
};

pub static ECMA_COUNT: Rule = Rule {
    code: "amf-ecma-count",
    layer: Layer::Amf,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an array's count differs from its number of entries",
    page: Page {
        what: "An ECMA array begins with a count and ends with an end marker. Most readers go by the marker; one that goes \
               by the count reads too few entries or too many.",
        looks: "08 00 00 00 63 00 08 64 75 72 61 74 69 6f 6e\n\
                \n\
                The count is 99 before 13 entries.",
        who: "Writers that do not know the number yet, which write 0; writers that count other things.",
        fix: "Write the number of entries; as a reader, read up to the end marker.",
        source: "AMF 0 section 2.10, where the count is for information; ossrs/srs#852.",
    },
    check: Check::Diff(ecma_count),
};

pub static NOT_ECMA: Rule = Rule {
    code: "meta-not-ecma",
    layer: Layer::Amf,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the metadata is an object, not an ECMA array",
    page: Page {
        what: "The value of onMetaData is an ECMA array. Here it is an object with the same properties, which most receivers \
               read just as well.",
        looks: "A  08 00 00 00 0d 00 05 77 69 64 74 68   ECMA array\n\
                B  03 00 05 77 69 64 74 68               object",
        who: "Writers with one kind of map; nginx-rtmp and Node-Media-Server when they send to players.",
        fix: "Write 08 and the number of properties instead of 03.",
        source: "Enhanced RTMP v2, onMetaData; measured: common tools accept both; HaishinKit/HaishinKit.swift#1445.",
    },
    check: Check::Diff(not_ecma),
};

fn not_negotiated(comparison: &Comparison<'_>) -> Vec<Claim> {
    if is_negotiated(comparison.b) {
        return Vec::new();
    }
    let find = |_: &RecordedEvent, kept: &RecordedMessage| {
        let by_type = matches!(kept.header.type_id.0, 15 | 17);
        let by_marker =
            || fields(kept, &kept.body, "amf.amf0_type").iter().any(|node| kept.body[node.range.start] == 0x11);
        if !is_amf(kept) || !by_type && !by_marker() {
            return None;
        }
        let what = if by_type { format!("type {}", kept.header.type_id) } else { "values after marker 11".to_owned() };
        let title = format!("AMF 3 ({what}) is sent, but objectEncoding 3 was not agreed on");
        let why = "a peer that did not answer connect with objectEncoding 3 need not understand types 15 and 17 or the \
             marker 11";
        Some(MessageFault::certain(title, why, "send types 20 and 18, or ask for objectEncoding 3 in connect"))
    };
    let is_of_form = |path: &FieldPath| {
        let is_marker = matches!(path.part(), Some("amf0_type" | "amf3_type"));
        is_marker || matches!(path, FieldPath::Header("typeid") | FieldPath::Field("amf_format", _))
    };
    message_fault::claims(comparison, find, is_of_form)
}

/// Whether both agreed on AMF 3: the last who names an encoding counts.
fn is_negotiated(session: &Session) -> bool {
    let mut encodings =
        session.items.iter().filter_map(RecordedEvent::message).filter(|kept| is_amf(kept)).filter_map(|kept| {
            let Body::Command(command) = decode(kept) else { return None };
            let name = command.name()?;
            matches!(name.0, b"connect" | b"_result").then_some(())?;
            command.arguments().iter().find_map(|value| value.property(b"objectEncoding")?.as_number())
        });
    encodings.next_back() == Some(3.0)
}

fn decode(kept: &RecordedMessage) -> Body<'_> {
    body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body
}

fn ecma_count(comparison: &Comparison<'_>) -> Vec<Claim> {
    let found: Vec<(Claim, u32, usize)> = match comparison.a {
        Some(_) => comparison.open().filter_map(|index| only_b_miscounts(comparison, index)).collect(),
        None => (0..comparison.rows.len()).find_map(|row| miscounts(comparison, row)).into_iter().collect(),
    };
    let claim = |(claim, said, entries): (Claim, u32, usize)| {
        let title = format!("an array's count is {said}, but it has {entries} entries");
        let why = "most readers go by the end marker; one that goes by the count reads too few entries or too many";
        Claim { title, ..claim }.why(why).fix(format!("write {entries}"))
    };
    found.into_iter().map(claim).collect()
}

/// A mismatch of counts where A's is right: the claim about it, what B's says, and how many entries there are.
fn only_b_miscounts(comparison: &Comparison<'_>, index: usize) -> Option<(Claim, u32, usize)> {
    let mismatch = &comparison.mismatches[index];
    (mismatch.path.part() == Some("arraylength")).then_some(())?;
    let array = |side| {
        let field::Value::Uint(count) = mismatch.side(side)?.value else { return None };
        let kept = comparison.item(mismatch.row, side)?.message()?;
        arrays(kept).into_iter().find(|(said, _)| u64::from(*said) == count)
    };
    let ((of_a, in_a), (of_b, in_b)) = (array(Side::A)?, array(Side::B)?);
    let is_wrong = of_a as usize == in_a && of_b as usize != in_b;
    is_wrong.then(|| (Claim::at(comparison, index, Certainty::Certain, ""), of_b, in_b))
}

/// The same of a row of B by itself, where a count of 0 is usual, whatever the array holds.
fn miscounts(comparison: &Comparison<'_>, row: usize) -> Option<(Claim, u32, usize)> {
    let kept = comparison.item(row, Side::B)?.message()?;
    let is_wrong = |&(said, entries): &(u32, usize)| said != 0 && said as usize != entries;
    let (said, entries) = arrays(kept).into_iter().find(is_wrong)?;
    let at = fields(kept, &kept.body, "amf.arraylength").into_iter().find_map(|node| {
        let bytes = kept.body.get(node.range.clone())?;
        (bytes == said.to_be_bytes()).then(|| node.range.clone())
    });
    let spot = BodyPlace::new(comparison.rows[row].b?, at.unwrap_or(0..0), said.to_string());
    let path = FieldPath::Value(ValuePath::of(comparison.either(row).command.as_deref()?).part("arraylength"));
    Some((messages::claim(comparison, &[spot], path, Certainty::Certain, String::new()), said, entries))
}

/// Whether a path is of bytes of this kind at the object of the metadata itself.
fn is_part(path: &FieldPath, part: &str) -> bool {
    let of_metadata = path.value().filter(|path| path.message() == "onMetaData" && path.steps().is_empty());
    of_metadata.is_some() && path.part() == Some(part)
}

/// The ECMA arrays among the arguments of a message: what the count says, and the number of entries.
fn arrays(kept: &RecordedMessage) -> Vec<(u32, usize)> {
    let values = match decode(kept) {
        Body::Command(command) => command.values,
        Body::Data(data) => data.values,
        _ => Vec::new(),
    };
    let array = |value: &Value<'_>| match value {
        Value::EcmaArray { count, properties } => Some((*count, properties.pairs.len())),
        _ => None,
    };
    values.iter().filter_map(array).collect()
}

fn not_ecma(comparison: &Comparison<'_>) -> Vec<Claim> {
    let marker = |index: usize, side| {
        let mismatch = &comparison.mismatches[index];
        mismatch.side(side).and_then(|value| value.bytes.first().copied())
    };
    let is_object = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        is_part(&mismatch.path, "amf0_type")
            && comparison.either(mismatch.row).kind == MessageKind::Data
            && (marker(*index, Side::A), marker(*index, Side::B)) == (Some(8), Some(3))
    };
    let explains = |index: usize| {
        let row = comparison.mismatches[index].row;
        let count = move |&other: &usize| {
            let mismatch = &comparison.mismatches[other];
            mismatch.row == row && is_part(&mismatch.path, "arraylength")
        };
        Claim::at(comparison, index, Certainty::Certain, TITLE).explaining(comparison.open().filter(count))
    };
    const TITLE: &str = "the metadata is an object (03), not an ECMA array (08)";
    // By itself: a publisher's. Servers send such to players, and players take it.
    let by_itself = |row: usize| {
        let named = comparison.either(row);
        (named.kind == MessageKind::Data && named.is("onMetaData")).then_some(())?;
        let Body::Data(data) = decode(comparison.item(row, Side::B)?.message()?) else { return None };
        matches!(data.arguments().last()?, Value::Object(_)).then_some(())?;
        Some(Claim::of_message(
            comparison,
            row,
            FieldPath::Value(ValuePath::of("onMetaData").part("amf0_type")),
            Certainty::Certain,
            TITLE,
        ))
    };
    let claims: Vec<Claim> = match comparison.a {
        Some(_) => comparison.open().filter(is_object).map(explains).collect(),
        None => comparison.rows_of(Direction::ClientToServer).find_map(by_itself).into_iter().collect(),
    };
    let why = "the specification asks for an ECMA array; most receivers accept both, some only the array";
    let fix = "write 08 and the number of properties instead of 03";
    claims.into_iter().map(|claim| claim.why(why).fix(fix)).collect()
}
