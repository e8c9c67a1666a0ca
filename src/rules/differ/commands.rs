//! Other commands, other properties, other answers.

use crate::compare::{Comparison, FieldPath, MessageKind, Mismatch, Side, scenario};
use crate::owed::PREPARATIONS;
use crate::rules::{Check, Claim, Effect, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::{list, sender, substituted, together};

pub static OTHER_ROLE: Rule = Rule {
    code: "role-differs",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "one session publishes, the other plays",
    page: Page {
        what: "The two connections do not do the same thing, so comparing their messages is meaningless.",
        looks: "A  02 00 07 70 75 62 6c 69 73 68   publish\n\
                B  02 00 04 70 6c 61 79            play",
        who: "Captures of different scenarios, or connections that were paired incorrectly.",
        fix: "Compare sessions of the same kind; `--pair A:B` names the connections.",
        source: "RTMP 1.0 section 7.2.2.",
    },
    check: Check::Diff(other_role),
};

pub static CONNECT: Rule = Rule {
    code: "connect-properties",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "connect properties differ",
    page: Page {
        what: "The object of connect has properties that the other client does not send, or other values.",
        looks: "A  00 04 74 79 70 65 02 00 0a 6e 6f 6e 70 ..   type 'nonprivate'\n\
                B  (nothing)",
        who: "Every client has a set of its own. `app` and `tcUrl` are needed everywhere, some servers look at flashVer, \
              audioCodecs, videoCodecs and swfUrl.",
        fix: "If the server treats the sessions differently, send what the working client sends, property by property.",
        source: "RTMP 1.0 section 7.2.1.1.",
    },
    check: Check::Rest(connect),
};

pub static METADATA: Rule = Rule {
    code: "metadata-differs",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "the metadata differs",
    page: Page {
        what: "onMetaData has different properties or values, or one of the sessions has no such message.",
        looks: "A  00 05 77 69 64 74 68 00 40 74 00 00 00 00 00 00   width 320\n\
                B  00 05 77 69 64 74 68 00 40 84 00 00 00 00 00 00   width 640",
        who: "Every encoder writes its own. Players read size, rate and codecs from it before the first frame.",
        fix: "Send width, height, framerate, videocodecid, audiocodecid, audiosamplerate and stereo as they are.",
        source: "FLV specification, annex E.5; enhanced RTMP, onMetaData.",
    },
    check: Check::Rest(metadata),
};

pub static COMMANDS: Rule = Rule {
    code: "commands-differ",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "different commands are sent",
    page: Page {
        what: "One session has commands that the other lacks, or arguments that differ.",
        looks: "A  02 00 0d 72 65 6c 65 61 73 65 53 74 72 65 61 6d   releaseStream\n\
                B  (nothing)",
        who: "Clients differ in releaseStream, FCPublish, _checkbw, FCUnpublish; servers in onBWDone and onFCPublish. \
              None of these commands is in the specification.",
        fix: "Nothing, unless the server waits for a command: some hardware and CDN servers want FCPublish.",
        source: "RTMP 1.0 section 7.2; the others are Flash Media Live Encoder's.",
    },
    check: Check::Rest(commands),
};

pub static ANSWERS: Rule = Rule {
    code: "answers-differ",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "the server answers differently",
    page: Page {
        what: "The server sends different properties, values or commands: another server, version or configuration.",
        looks: "A  00 0c 63 61 70 61 62 69 6c 69 74 69 65 73 00 40 3f 00 ..  capabilities 31\n\
                B  00 0c 63 61 70 61 62 69 6c 69 74 69 65 73 00 40 5f c0 ..  capabilities 127",
        who: "Sessions with different servers.",
        fix: "Nothing, if the servers are meant to differ.",
        source: "RTMP 1.0 section 7.2.1.1.",
    },
    check: Check::Rest(answers),
};

pub static CONTROL: Rule = Rule {
    code: "control-differs",
    layer: Layer::Control,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "different control messages are sent",
    page: Page {
        what: "Chunk sizes, windows, bandwidths or user control events differ, or come from one side only.",
        looks: "A  02 00 00 00 00 00 04 01 00 00 00 00  00 00 10 00   Set Chunk Size 4096\n\
                B  02 00 00 00 00 00 04 01 00 00 00 00  00 00 00 80   Set Chunk Size 128",
        who: "Clients and servers have their own defaults; all of them are legal.",
        fix: "Nothing, unless a peer limits them.",
        source: "RTMP 1.0 section 5.4.",
    },
    check: Check::Rest(control),
};

fn other_role(comparison: &Comparison<'_>) -> Vec<Claim> {
    let Some(a) = comparison.a.map(scenario) else { return Vec::new() };
    let b = scenario(comparison.b);
    if a.what == b.what || a.what.is_empty() || b.what.is_empty() {
        return Vec::new();
    }
    let title = |_: &[usize]| {
        format!("A does {} {}, B does {} {}: they are different scenarios", a.what, a.name, b.what, b.name)
    };
    let claim = together(comparison, |_| true, title);
    claim.map(|claim| claim.breaking(Impact::Framing)).into_iter().collect()
}

fn connect(comparison: &Comparison<'_>) -> Vec<Claim> {
    let is_of = |index: usize| is_of_connect(&comparison.mismatches[index].path);
    let claim = together(comparison, is_of, |all| format!("connect properties differ: {}", list(comparison, all)));
    claim.into_iter().collect()
}

fn metadata(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |direction: Direction, whole: bool| {
        move |index: usize| {
            let mismatch = &comparison.mismatches[index];
            comparison.either(mismatch.row).kind == MessageKind::Data
                && comparison.either_item(mismatch.row).direction == direction
                && mismatch.is_whole_message() == whole
                && !mismatch.path.is_of_header()
        }
    };
    let mut claims = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        claims.extend(together(comparison, of(direction, false), |all| {
            let name = &comparison.either(comparison.mismatches[all[0]].row).name;
            format!("{name} differs: {}", list(comparison, all))
        }));
        claims.extend(together(comparison, of(direction, true), |all| one_sided(comparison, all)));
    }
    claims
}

fn commands(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |whole: bool| {
        move |index: usize| {
            let mismatch = &comparison.mismatches[index];
            comparison.either(mismatch.row).kind == MessageKind::Command
                && comparison.either_item(mismatch.row).direction == Direction::ClientToServer
                && mismatch.is_whole_message() == whole
                && !mismatch.path.is_of_header()
                && !is_of_connect(&mismatch.path)
        }
    };
    // What nobody waits for is a habit; what asks for something else may matter.
    let effect = |claim: Claim| {
        let is_habit = |&index: &usize| {
            let Mismatch { row, path, .. } = &comparison.mismatches[index];
            let is_of_play = path.value().is_some_and(|path| path.message() == "play") && path.last() != Some("name");
            is_of_play || comparison.either(*row).command.as_deref().is_some_and(is_habit)
        };
        let is_habit = claim.explains.iter().all(is_habit);
        claim.with_effect(if is_habit { Effect::NoneKnown } else { Effect::MayMatter })
    };
    let replaced = substituted::claims(comparison, Direction::ClientToServer, MessageKind::Command);
    let is_replaced = |index: &usize| replaced.iter().any(|claim| claim.explains.contains(index));
    let is_missing = |index: usize| of(true)(index) && !is_replaced(&index);
    let missing = together(comparison, is_missing, |all| one_sided(comparison, all));
    let other = together(comparison, of(false), |all| {
        let name = &comparison.either(comparison.mismatches[all[0]].row).name;
        format!("{name} and what follows differ: {}", list(comparison, all))
    });
    let rest: Vec<Claim> = missing.into_iter().chain(other).map(effect).collect();
    replaced.into_iter().chain(rest).collect()
}

/// Whether healthy clients differ in a command, and servers do not mind: what prepares a stream, and what ends it.
fn is_habit(command: &str) -> bool {
    PREPARATIONS.contains(&command)
        || matches!(command, "deleteStream" | "closeStream" | "FCUnpublish" | "FCUnsubscribe")
}

fn answers(comparison: &Comparison<'_>) -> Vec<Claim> {
    let is_of = |index: usize| {
        let mismatch = &comparison.mismatches[index];
        let kind = comparison.either(mismatch.row).kind;
        matches!(kind, MessageKind::Command | MessageKind::Other)
            && comparison.either_item(mismatch.row).direction == Direction::ServerToClient
            && !mismatch.path.is_of_header()
    };
    let claim = together(comparison, is_of, |all| {
        if all.iter().all(|&index| comparison.mismatches[index].is_whole_message()) {
            one_sided(comparison, all)
        } else {
            let fields: Vec<_> =
                all.iter().copied().filter(|&index| !comparison.mismatches[index].is_whole_message()).collect();
            format!("the server answers differently: {}", list(comparison, &fields))
        }
    });
    claim.into_iter().collect()
}

fn control(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |direction: Direction| {
        move |index: usize| {
            let mismatch = &comparison.mismatches[index];
            comparison.either(mismatch.row).kind == MessageKind::Control
                && comparison.either_item(mismatch.row).direction == direction
                && !mismatch.path.is_of_header()
        }
    };
    let mut claims = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let replaced = substituted::claims(comparison, direction, MessageKind::Control);
        let is_rest =
            |index: usize| of(direction)(index) && !replaced.iter().any(|claim| claim.explains.contains(&index));
        claims.extend(together(comparison, is_rest, |all| {
            let fields = all.iter().filter(|&&index| !comparison.mismatches[index].is_whole_message());
            let fields: Vec<_> = fields.copied().collect();
            let values: Vec<_> = fields
                .iter()
                .map(|&index| {
                    let row = comparison.mismatches[index].row;
                    let info = |side| comparison.item(row, side).map(|item| item.info.clone()).unwrap_or_default();
                    format!("{} instead of {}", info(Side::B), info(Side::A))
                })
                .collect();
            let whole: Vec<_> = all.iter().copied().filter(|index| !fields.contains(index)).collect();
            let mut said = values;
            // A message may differ in several fields.
            said.dedup();
            if !whole.is_empty() {
                said.push(one_sided(comparison, &whole));
            }
            let who = sender(comparison, comparison.mismatches[all[0]].row);
            if fields.is_empty() { said.join("; ") } else { format!("{who} sends {}", said.join("; ")) }
        }));
        claims.extend(replaced);
    }
    claims
}

fn is_of_connect(path: &FieldPath) -> bool {
    path.value().is_some_and(|path| path.message() == "connect" && !path.steps().is_empty())
}

/// `the client's messages: only A has releaseStream('one')`.
pub fn one_sided(comparison: &Comparison<'_>, indices: &[usize]) -> String {
    let mut said = Vec::new();
    for (side, letter) in [(Side::A, "A"), (Side::B, "B")] {
        let rows = indices.iter().map(|&index| comparison.mismatches[index].row);
        let mut names: Vec<(String, usize)> = Vec::new();
        for row in rows.filter(|&row| comparison.item(row, side).is_some()) {
            let name = comparison.either_item(row).info.to_string();
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => names.push((name, 1)),
            }
        }
        if !names.is_empty() {
            let words: Vec<_> = names
                .iter()
                .take(6)
                .map(|(name, count)| if *count > 1 { format!("{count} × {name}") } else { name.clone() })
                .collect();
            let more = if names.len() > 6 { format!(" and {} others", names.len() - 6) } else { String::new() };
            said.push(format!("only {letter} has {}{more}", words.join(", ")));
        }
    }
    let who = sender(comparison, comparison.mismatches[indices[0]].row);
    format!("{who}'s messages: {}", said.join("; "))
}
