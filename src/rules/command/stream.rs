//! Messages of a stream that carry another stream's id.

use std::collections::HashSet;

use crate::amf::Value;
use crate::compare::{Comparison, FieldPath, MessageKind, Side};
use crate::recording::{RecordedEvent, RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rules::messages::{count, rows_of_b};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::{Said, commands};

pub static PUBLISH_MSID: Rule = Rule {
    code: "publish-msid",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "publish, play or media are not on the stream that createStream returned",
    page: Page {
        what: "The server answered createStream with the number of a message stream. Commands and media of that stream \
               have to carry it in their header; here they carry another.",
        looks: "s to c  02 00 07 _result 00 .. 05 00 3f f0 00 00 00 00 00 00   stream 1\n\
                c to s  08 00 00 00 00 00 1e 14 00 00 00 00   publish on stream 0",
        who: "Clients that write 0, as for connect, or count streams themselves. nginx-rtmp and Node-Media-Server \
              ignore the field, so the mistake appears only with another server.",
        fix: "Keep the number from createStream's _result, and write it, in little-endian, into the header of publish, play, \
              audio, video and data.",
        source: "RTMP 1.0 sections 5.3.1.2.5 and 7.2.1.3.",
    },
    check: Check::Diff(publish_msid),
};

fn publish_msid(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = of_client(comparison);
    claims.extend(of_server(comparison));
    claims
}

/// Media that a server sends on another stream than the one that play was sent on.
fn of_server(comparison: &Comparison<'_>) -> Option<Claim> {
    let of = |session: &Session| -> Option<(u32, u32, Vec<usize>)> {
        let mut asked: Vec<u32> = Vec::new();
        let mut wrong: Vec<(usize, u32)> = Vec::new();
        let mut all = 0;
        let said = commands(session);
        let is_play =
            |index: usize| said.iter().any(|said| said.item == index && said.is(Direction::ClientToServer, "play"));
        for (index, item) in session.items.iter().enumerate() {
            let Some(kept) = item.message() else { continue };
            let Some(stream) = kept.header.message_stream_id.map(|stream| stream.0) else { continue };
            if is_play(index) {
                asked.push(stream);
            } else if item.direction == Direction::ServerToClient
                && kept.header.type_id.is_media()
                // Only full headers say it; the others take it from one before.
                && kept.fmt.is_none_or(|fmt| fmt == 0)
            {
                all += 1;
                if !asked.is_empty()
                    && !asked.contains(&stream)
                    && !asked.contains(&stream.swap_bytes())
                    && stream < 1 << 24
                {
                    wrong.push((index, stream));
                }
            }
        }
        // What is read out of broken framing is on any stream.
        (!wrong.is_empty() && wrong.len() * 2 > all && wrong.iter().all(|(_, stream)| *stream == wrong[0].1))
            .then(|| (asked[0], wrong[0].1, wrong.into_iter().map(|(index, _)| index).collect()))
    };
    let (asked, sent, items) = of(comparison.b).filter(|_| comparison.a.and_then(of).is_none())?;
    // Who did not learn the stream's number asks on another.
    if !given(comparison).contains(&asked) {
        return None;
    }
    let rows = rows_of_b(comparison);
    let row = *rows.get(items.first()?)?;
    let name = &comparison.either(row).name;
    let title = format!("{name} comes on message stream {sent}, but play was sent on {asked}");
    let of_items: HashSet<usize> = items.iter().filter_map(|item| rows.get(item).copied()).collect();
    let is_of = |&index: &usize| {
        let mismatch = &comparison.mismatches[index];
        mismatch.path == FieldPath::STREAM_ID && of_items.contains(&mismatch.row)
    };
    let explains: Vec<usize> = comparison.open().filter(is_of).collect();
    let claim =
        Claim::at_header(comparison, row, FieldPath::STREAM_ID, (8..12, sent.to_string()), Certainty::Certain, title);
    let claim = claim
        .why(format!(
            "{} of audio and video are on it; a player that keeps its streams apart drops them",
            count(items.len(), "message")
        ))
        .fix(format!("send the media of a stream with the message stream id of its play: {asked}"))
        .explaining(explains);
    // Servers do it, and there are players that do not look.
    Some(if comparison.a.is_none() { claim.weighing(Severity::Warning) } else { claim })
}

fn of_client(comparison: &Comparison<'_>) -> Vec<Claim> {
    let all_given = given(comparison);
    let Some(&given) = all_given.first() else { return Vec::new() };
    let belongs = |row: usize| {
        let named = comparison.either(row);
        comparison.either_item(row).direction == Direction::ClientToServer
            && (named.kind.is_media()
                || named.kind == MessageKind::Data
                || matches!(named.command.as_deref(), Some("publish" | "play" | "play2" | "pause" | "seek")))
    };
    let stream = |row: usize, side| Some(comparison.item(row, side)?.message()?.header.message_stream_id?.0);
    // A big-endian id is a mistake of another kind.
    // Nor is one of more than three bytes this mistake: broken framing looks like that.
    let is_wrong = |row: usize| {
        let is_other = |sent| !all_given.contains(&sent) && !all_given.contains(&sent.swap_bytes());
        stream(row, Side::B).is_some_and(|sent| sent < 1 << 24 && is_other(sent))
    };
    if comparison.a.is_none() {
        // Only full headers say it; the others take it from one before.
        let says = |row: usize| {
            comparison.item(row, Side::B).and_then(RecordedEvent::message).is_some_and(|kept| kept.fmt == Some(0))
        };
        let rows = (0..comparison.rows.len()).filter(|&row| says(row) && belongs(row) && is_wrong(row));
        let rows: Vec<usize> = rows.collect();
        let Some(&row) = rows.first() else { return Vec::new() };
        let sent = stream(row, Side::B).unwrap_or_default();
        let claim = words(comparison, row, (sent, given), rows.len()).breaking(Impact::Nothing);
        // This server does not look; what works with it is not broken.
        let starts = |said: &Said<'_>| {
            let code = said.text("code");
            let started = ["NetStream.Publish.Start", "NetStream.Play.Start"];
            said.is(Direction::ServerToClient, "onStatus") && code.is_some_and(|code| started.contains(&&*code))
        };
        let is_taken = commands(comparison.b).iter().any(starts);
        return vec![if is_taken { claim.weighing(Severity::Warning) } else { claim }];
    }
    // Where no full header was sent before on the chunk stream, nobody wrote an id.
    let mut said: HashSet<u32> = HashSet::new();
    let is_said: Vec<bool> = (0..comparison.rows.len())
        .map(|row| {
            let item = comparison.item(row, Side::B).filter(|item| item.direction == Direction::ClientToServer);
            let Some(kept) = item.and_then(RecordedEvent::message) else { return false };
            if kept.fmt.is_none_or(|fmt| fmt == 0) {
                said.insert(kept.csid);
            }
            said.contains(&kept.csid)
        })
        .collect();
    let wrong: Vec<usize> = comparison
        .open()
        .filter(|&index| {
            let mismatch = &comparison.mismatches[index];
            let is_of = mismatch.path == FieldPath::STREAM_ID && belongs(mismatch.row) && is_said[mismatch.row];
            is_of && is_wrong(mismatch.row)
        })
        .collect();
    let Some(&first) = wrong.first() else { return Vec::new() };
    let row = comparison.mismatches[first].row;
    let sent = stream(row, Side::B).unwrap_or_default();
    let claim = words(comparison, row, (sent, given), wrong.len());
    vec![claim.explaining(wrong).breaking(Impact::Nothing)]
}

/// The claim about the first of `count` messages, in a row.
fn words(comparison: &Comparison<'_>, row: usize, (sent, given): (u32, u32), count: usize) -> Claim {
    let name = &comparison.either(row).name;
    let title = format!("{name} is on message stream {sent}, but createStream returned {given}");
    let more = match count {
        1 => String::new(),
        count => format!("; so are {} messages after it", count - 1),
    };
    Claim::at_header(comparison, row, FieldPath::STREAM_ID, (8..12, sent.to_string()), Certainty::Certain, title)
        .why(format!(
            "the server's _result of createStream returned {given}{more}; a server that checks the field drops them"
        ))
        .fix(format!(
            "write {given}, in little-endian, into the last four bytes of the header of {name} and what follows"
        ))
}

/// The streams that B's server gave out, in order.
fn given(comparison: &Comparison<'_>) -> Vec<u32> {
    let items = comparison.b.items.iter().zip(&comparison.identities[Side::B as usize]);
    let results = items.filter(|(_, named)| named.is("_result") && named.answers("createStream"));
    let stream = |kept: &RecordedMessage| {
        let decoded = body::decode(MessageTypeId::AMF0_COMMAND, &kept.body, kept.header.length, &mut ());
        let Body::Command(command) = &decoded.body else { return None };
        let number = command.arguments().iter().rev().find_map(Value::as_number)?;
        (number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX)).then_some(number as u32)
    };
    results.filter_map(|(item, _)| stream(item.message()?)).collect()
}
