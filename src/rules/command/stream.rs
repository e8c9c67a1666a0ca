//! Messages of a stream that carry another stream's id.

use crate::amf::Value;
use crate::compare::{Comparison, Lane, Side};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rules::{Breaks, Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

pub static PUBLISH_MSID: Rule = Rule {
    code: "publish-msid",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "publish, play or media do not travel on the stream that createStream gave out",
    page: Page {
        what: "The server answered createStream with the number of a message stream. Commands and media of that stream \
               have to carry it in their header; here they carry another.",
        looks: "s to c  02 00 07 _result 00 .. 05 00 3f f0 00 00 00 00 00 00   stream 1\n\
                c to s  08 00 00 00 00 00 1e 14 00 00 00 00   publish on stream 0",
        who: "Clients that write 0, as for connect, or count streams themselves. nginx-rtmp and Node-Media-Server do not \
              look at the field, so it is found only with another server.",
        fix: "Keep the number from createStream's _result, and write it, in little-endian, into the header of publish, play, \
              audio, video and data.",
        source: "RTMP 1.0 sections 5.3.1.2.5 and 7.2.1.3.",
    },
    check: Check::Diff(publish_msid),
};

fn publish_msid(comparison: &Comparison<'_>) -> Vec<Claim> {
    let Some(given) = given(comparison) else { return Vec::new() };
    let belongs = |row: usize| {
        let named = comparison.either(row);
        comparison.either_item(row).direction == Direction::ClientToServer
            && (named.lane.is_media()
                || named.lane == Lane::Data
                || matches!(named.name.as_str(), "publish" | "play" | "play2" | "pause" | "seek"))
    };
    let stream = |row: usize, side| Some(comparison.item(row, side)?.message()?.header.message_stream_id?.0);
    // A big-endian id is a mistake of another kind.
    // Four bytes of something else are no id at all: nobody counts so far.
    const MOST: u32 = 0xffff;
    let is_wrong = |row: usize| {
        stream(row, Side::B).is_some_and(|sent| sent != given && sent.swap_bytes() != given && sent <= MOST)
    };
    let wrong: Vec<usize> = comparison
        .open()
        .filter(|&index| {
            let mismatch = &comparison.mismatches[index];
            mismatch.path == "header.streamid" && belongs(mismatch.row) && is_wrong(mismatch.row)
        })
        .collect();
    let Some(&first) = wrong.first() else { return Vec::new() };
    let row = comparison.mismatches[first].row;
    let (name, sent) = (&comparison.either(row).name, stream(row, Side::B).unwrap_or_default());
    let title = format!("{name} travels on message stream {sent}, and createStream gave out {given}");
    let more = match wrong.len() {
        1 => String::new(),
        count => format!("; {} messages behind it do so too", count - 1),
    };
    let claim = Claim::at(comparison, first, Certainty::Certain, title)
        .why(format!(
            "the server's _result of createStream says {given}{more}; a server that looks at the field drops them"
        ))
        .fix(format!(
            "write {given}, in little-endian, into the last four bytes of the header of {name} and what follows"
        ));
    vec![claim.explaining(wrong).breaking(Breaks::Nothing)]
}

/// The stream that B's server gave out first.
fn given(comparison: &Comparison<'_>) -> Option<u32> {
    let items = comparison.b.items.iter().zip(&comparison.named[Side::B as usize]);
    let mut results = items.filter(|(_, named)| named.name == "_result of createStream");
    let kept = results.next()?.0.message()?;
    let type_id = MessageTypeId::AMF0_COMMAND;
    let decoded = body::decode(type_id, &kept.body, kept.header.length, &mut ());
    let Body::Command(command) = &decoded.body else { return None };
    let number = command.arguments().iter().rev().find_map(Value::as_number)?;
    (number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX)).then_some(number as u32)
}
