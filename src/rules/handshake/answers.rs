//! Whether the blocks of the handshake answer each other.

use crate::compare::{Comparison, FieldPath, Side};
use crate::rtmp::handshake::{Part, Scheme};
use crate::rules::opening::{CLIENT, Opening, SERVER, mismatches_of, row_of};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Protocol;

pub static NOT_ECHO: Rule = Rule {
    code: "hs-not-echo",
    layer: Layer::Handshake,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "C2 or S2 neither echoes nor signs the other side's block",
    page: Page {
        what: "C2 should return the 1528 random bytes of S1, and S2 those of C1; or, where both sides use digests, end \
               in a signature of the other's digest. This one does neither. Most peers do not check; one that does \
               closes.",
        looks: "S1 from byte 8   a5 4d ca 18 25 30 bb 1d\n\
                C2 from byte 8   3c 02 91 e7 50 1b 6d aa   not the same\n\
                C2 from byte 8   a5 4d ca 18 25 30 bb 1d   an echo",
        who: "Clients that send random bytes as C2, or their own C1 again. Strict: some publishing libraries for phones, and \
              servers written in Go, with `data in S2 does not correspond`.",
        fix: "Copy the random bytes of the block that is answered. In the receiver, do not close because of it.",
        source: "RTMP 1.0 section 5.2.4; the errata of 2024, section 3: receivers should not fail on it.",
    },
    check: Check::Diff(not_echo),
};

pub static DIGEST_INVALID: Rule = Rule {
    code: "hs-digest-invalid",
    layer: Layer::Handshake,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "C1 has a software version, and no valid digest",
    page: Page {
        what: "Four bytes of C1 that are not zero announce the handshake with digests: 32 bytes of HMAC-SHA256 over \
               the rest of the block, at a position that other bytes select. Neither of the two possible positions has \
               a valid digest, so servers fall back to the plain handshake.",
        looks: "03 00 00 00 00 09 00 7c 02   C0, time, version 9.0.124.2\n\
                03 00 00 00 00 00 00 00 00   without digests these four bytes are zero\n\
                \n\
                place 1   sum of bytes 8 to 11, modulo 728, and 12\n\
                place 2   sum of bytes 772 to 775, modulo 728, and 776",
        who: "Clients that copy a Flash Player's version into C1. nginx logs `digest not found`; a Flash server then refuses H.264.",
        fix: "Compute the digest with the first 30 bytes of the player's key over the block without the digest; or \
              send four zeros.",
        source: "Not in the specification. As nginx-rtmp and ffmpeg implement it, checked on their blocks.",
    },
    check: Check::Diff(digest_invalid),
};

pub static VERSION_QUAD_ASSERT: Rule = Rule {
    code: "hs-version-quad-assert",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client closes when it sees the server's version in S1",
    page: Page {
        what: "Bytes 4 to 7 of S1 are not zero, as with most servers, and the client closes before it sends C2, though \
               S2 answers C1. It seems to require the zeros of the specification, or a version that it knows.",
        looks: "03 00 00 00 00 0d 0e 0a 0d   S0, time, and nginx's version\n\
                03 00 00 00 00 01 02 03 04   the same from Node-Media-Server\n\
                03 00 00 00 00 00 00 00 00   as the specification defines it",
        who: "Clients that check the four bytes; also seen with YouTube.",
        fix: "Accept any value there: the bytes announce a software version.",
        source: "RTMP 1.0 section 5.2.3 asks for zeros, and servers with digests never send them.",
    },
    check: Check::Diff(version_quad_assert),
};

fn not_echo(comparison: &Comparison<'_>) -> Vec<Claim> {
    let b = Opening::of(comparison.b);
    // RTMPE's key exchange fills the blocks, and what follows is encrypted.
    if b.session.stream.protocol == Protocol::Rtmpe {
        return Vec::new();
    }
    let at = |index: usize| (comparison.mismatches[index].row, Some(index));
    let wrong: Vec<_> = if comparison.a.is_none() {
        (0..comparison.rows.len()).map(|row| (row, None)).take(BEGINNING).collect()
    } else {
        comparison.open().filter(|&index| comparison.mismatches[index].path == FieldPath::ANSWER).map(at).collect()
    };
    let claim_of = |(row, index): (usize, Option<usize>)| {
        // Which of the two is wrong, if they differ?
        let part = [Part::S0S1S2, Part::C2].into_iter().find_map(|part| {
            b.part(part).filter(|(item, ..)| row_of(comparison, Side::B, item) == Some(row)).map(|found| (part, found))
        });
        let (part, (_, facts, _)) = part?;
        if facts.echo_ok != Some(false) || facts.signature_ok == Some(true) {
            return None;
        }
        let (answer, block, receiver) = match part {
            Part::S0S1S2 => ("S2", "C1", "client"),
            _ => ("C2", "S1", "server"),
        };

        let goes_on = match part {
            // C2 as well: who minds S2 does not send it.
            Part::S0S1S2 => b.messages(CLIENT).next().is_some() || b.part(Part::C2).is_some(),
            _ => b.messages(SERVER).next().is_some(),
        };
        let title = format!("{answer} neither echoes nor signs {block}");
        let fix = format!("copy bytes 8 to 1535 of {block} into {answer}");
        let claim = match index {
            Some(index) => Claim::at(comparison, index, Certainty::Certain, title.clone()),
            None => {
                let (direction, at) = if part == Part::C2 { (CLIENT, 1537) } else { (SERVER, 1537) };
                let value = b.value(direction, at + 8, 16, "neither echoes nor signs the peer's block");
                Claim::on(row, FieldPath::ANSWER, [None, Some(value)], Certainty::Certain, title.clone())
            }
        };
        let claim = claim.fix(fix);
        if goes_on || b.ended_by() != Some(receiver) {
            let what = if goes_on { "the session continued nevertheless" } else { "most peers do not check it" };
            let why =
                format!("the random bytes in {answer} are not those of {block}: {what}, but a strict peer closes");
            return Some(claim.why(why));
        }
        let why = format!(
            "the random bytes in {answer} are not those of {block}, and the {receiver} sent nothing more and closed, \
             as a receiver that checks them does"
        );

        Some(Claim {
            certainty: Certainty::Likely,
            title: format!("{title}, and the {receiver} closes"),
            ..claim.why(why).breaking(Impact::Response).weighing(Severity::Fatal)
        })
    };
    wrong.into_iter().filter_map(claim_of).collect()
}

fn digest_invalid(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    if !has_no_digest(b) || a.is_some_and(has_no_digest) {
        return Vec::new();
    }
    let Some((item, facts, _)) = b.part(Part::C0C1) else { return Vec::new() };
    let Some(row) = row_of(comparison, Side::B, item) else { return Vec::new() };
    let version = facts.software.unwrap_or_default().map(|byte| byte.to_string()).join(".");
    // Without the digest the server has nothing to sign; a stale signature is part of the same thing.
    let is_of_it = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        let is_answer = mismatch.path == FieldPath::ANSWER && comparison.either_item(mismatch.row).direction == SERVER;
        is_answer || mismatch.row == row && mismatch.path == FieldPath::Handshake("scheme")
    };
    let explains: Vec<usize> = comparison.open().filter(is_of_it).collect();
    let values = [a, Some(b)].map(|opening| {
        let opening = opening?;
        let software = opening.part(Part::C0C1).and_then(|(_, facts, _)| facts.scheme);
        let text = software.map(|scheme| scheme.to_string()).unwrap_or_default();
        Some(opening.value(CLIENT, 5, 4, text))
    });
    let title = format!("C1 announces version {version}, and has no valid digest");
    let why = "bytes 4 to 7 of C1 are not zero, which announces the handshake with digests, and HMAC-SHA256 over the \
               block matches at neither of the digest's two positions; servers fall back to the plain handshake, a \
               Flash server may refuse H.264";
    let claim = Claim::on(row, "handshake.scheme", values, Certainty::Certain, title);
    vec![
        claim
            .why(why)
            .fix("compute the digest over the block as it is sent, or send four zeros there")
            .explaining(explains),
    ]
}

fn version_quad_assert(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let closes = |opening: Opening<'_>| {
        opening.ended_by() == Some("client") && opening.total(CLIENT) == Some(Part::C0C1.size() as u64)
    };
    if !closes(b) || a.is_some_and(closes) {
        return Vec::new();
    }
    let Some((item, facts, _)) = b.part(Part::S0S1S2) else { return Vec::new() };
    let Some(software) = facts.software.filter(|software| *software != [0; 4]) else { return Vec::new() };
    let answers = facts.echo_ok == Some(true) || facts.signature_ok == Some(true);
    let Some(row) = row_of(comparison, Side::B, item).filter(|_| answers) else { return Vec::new() };
    let version = hex::encode(software);
    let values = [a, Some(b)].map(|opening| {
        let opening = opening?;
        let software = opening.part(Part::S0S1S2).and_then(|(_, facts, _)| facts.software);
        let text = software.map(|software| format!("version {}", software.map(|byte| byte.to_string()).join(".")));
        Some(opening.value(SERVER, 5, 4, text.unwrap_or_default()))
    });
    let explains = mismatches_of(comparison, |other| {
        other > row && comparison.either_item(other).direction == CLIENT && comparison.item(other, Side::B).is_none()
    });
    let why = format!(
        "S1 has {version} where the specification requires zeros, S2 answers C1 as it should, and the client closed \
         without sending C2: it may require a certain value there"
    );
    let title = format!("the client closes at S1, whose version bytes are {version}");
    let claim = Claim::on(row, "handshake.software", values, Certainty::Likely, title);
    vec![
        claim
            .why(why)
            .fix("accept any value in bytes 4 to 7 of S1")
            .explaining(explains.into_iter().take(1))
            .breaking(Impact::Response),
    ]
}

/// Among so many rows the handshake is.
const BEGINNING: usize = 16;

fn has_no_digest(opening: Opening<'_>) -> bool {
    opening.part(Part::C0C1).is_some_and(|(_, facts, _)| {
        facts.scheme == Some(Scheme::Simple) && facts.software.is_some_and(|software| software != [0; 4])
    })
}
