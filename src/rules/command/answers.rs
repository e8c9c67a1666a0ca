//! Answers that do not fit their request, and answers that say no.

use crate::compare::{Comparison, FieldPath, Side};
use crate::owed::{self, Progress};
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::{Certainty, Check, Claim, Effect, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{ClientToServer, ServerToClient};

use super::{Said, commands, commands_of_a, only_in_a};

pub static TRANSACTION: Rule = Rule {
    code: "txn-mismatch",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an answer has a transaction id that no request has",
    page: Page {
        what: "_result and _error carry the transaction id of the command that they answer. A client finds its request \
               by it, and ignores an answer whose id it does not know: it keeps waiting.",
        looks: "02 00 07 63 6f 6e 6e 65 63 74 00 3f f0 00 00 00 00 00 00   connect, 1\n\
                02 00 07 5f 72 65 73 75 6c 74 00 40 00 00 00 00 00 00 00   _result, 2",
        who: "Servers that count ids themselves, or answer always with the same.",
        fix: "Answer with the id of the request, as the same Number.",
        source: "RTMP 1.0 section 7.2. GStreamer warns of an unused transaction id.",
    },
    check: Check::Diff(transaction),
};

pub static AUTH: Rule = Rule {
    code: "auth-challenge",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the server requires a login",
    page: Page {
        what: "The server rejects connect and names the kind of login it requires. That is the first step of the \
               login: the client connects again, twice, with user name and then with its answer in the query of app \
               and tcUrl. A reason other than needauth means that the login failed, which is an error.",
        looks: "5b 20 63 6f 64 65 3d 34 30 33 20 6e 65 65 64 20 61 75 74 68 3b ..\n\
                \n\
                In words: `[ code=403 need auth; authmod=adobe ]`.",
        who: "Wowza, Adobe Media Server and Limelight, for publishers.",
        fix: "Give the client user name and password, and let it connect again with ?authmod=adobe&user=...",
        source: "FFmpeg, rtmpproto.c, handle_connect_error; HaishinKit/HaishinKit.swift issues 55 and 682.",
    },
    check: Check::Diff(auth),
};

pub static STATUS: Rule = Rule {
    code: "onstatus-error",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the server reports an error",
    page: Page {
        what: "The answer has level `error`, or a code that means failure. Its code identifies the problem, its \
               description explains it.",
        looks: "00 05 6c 65 76 65 6c 02 00 05 65 72 72 6f 72   level `error`\n\
                00 04 63 6f 64 65 02 00 19 4e 65 74 53 ..   code `NetStream.Publish.BadName`",
        who: "BadName: the name is already being published, often by the same client's previous connection. \
              StreamNotFound: no publisher has that name. Rejected, InvalidApp, Denied, Unauthorized: the URL, the key \
              or a hook of the server.",
        fix: "Act on the code.",
        source: "RTMP 1.0 sections 7.2.1.1 and 7.2.2; nginx-rtmp `live: already publishing`.",
    },
    check: Check::Diff(status),
};

fn transaction(comparison: &Comparison<'_>) -> Vec<Claim> {
    // MessageIdentity by the comparison: an answer whose call is known is called after it.
    let find = |side: Side| -> Vec<usize> {
        let Some(session) = comparison.session(side) else { return Vec::new() };
        let named = &comparison.identities[side as usize];
        let whole = DirectionMessages::of(session, ClientToServer).is_complete;
        let is_lost = |index: &usize| {
            session.items[*index].direction == ServerToClient
                && (named[*index].is("_result") || named[*index].is("_error"))
                && named[*index].call.is_none()
        };
        (0..session.items.len()).filter(|_| whole).filter(is_lost).collect()
    };
    let lost = find(Side::B);
    let (Some(&item), true) = (lost.first(), find(Side::A).is_empty()) else { return Vec::new() };
    let said = commands(comparison.b);
    let Some(answer) = said.iter().find(|said| said.item == item) else { return Vec::new() };
    // A number in the wrong byte order is another rule's.
    let is_swapped = |id: f64| {
        let turned = f64::from_bits(id.to_bits().swap_bytes());
        id != 0.0 && turned.fract() == 0.0 && (1.0..65536.0).contains(&turned)
    };
    if answer.command.transaction_id().is_some_and(is_swapped) {
        return Vec::new();
    }
    let id = answer.command.transaction_id().map_or("none".to_owned(), crate::amf::number_text);
    let asked: Vec<_> = said
        .iter()
        .filter(|said| said.direction == ClientToServer && said.item < item)
        .filter_map(|said| Some(format!("{} {}", said.name, crate::amf::number_text(said.command.transaction_id()?))))
        .collect();
    let spots: Vec<BodyPlace> =
        lost.iter().map(|&item| BodyPlace::new(item, 10..19, format!("transaction id {id}"))).collect();
    let title = format!("{} has transaction id {id}, which no request has", answer.name);
    let claim = messages::claim(comparison, &spots, "command.transaction_id", Certainty::Certain, title);
    let twins = only_in_a(comparison, ServerToClient, |named| named.call.is_some());
    vec![
        claim
            .why(format!("the client asked: {}; it ignores an answer to anything else, and waits", asked.join(", ")))
            .fix("answer with the transaction id of the request")
            .explaining(twins)
            .breaking(Impact::Response),
    ]
}

/// The answers of a session that say no.
fn refusals<'a, 'r>(said: &'a [Said<'r>]) -> impl Iterator<Item = &'a Said<'r>> {
    said.iter().filter(|said| {
        let code = said.text("code").unwrap_or_default();
        let failed = owed::is_refusal(&code);
        let level = said.text("level").unwrap_or_default();
        // A success of level error is no refusal.
        let is_error = level == "error" && !super::names::contradicts(&code, &level);
        said.direction == ServerToClient && (said.name == "_error" || is_error || failed)
    })
}

fn wants_login(said: &Said<'_>) -> bool {
    let description = said.text("description").unwrap_or_default();
    ["authmod=", "need auth", "reason="].iter().any(|part| description.contains(part))
}

/// Whether the login was answered with a no: its reason is another than that one is needed, as `authfailed`,
/// `nosuchuser` or `invalid_session_id`.
fn is_refused(said: &Said<'_>) -> bool {
    let description = said.text("description").unwrap_or_default();
    let reason = description.split("reason=").nth(1);
    reason.is_some_and(|reason| !reason.is_empty() && !reason.starts_with("needauth"))
}

/// The answers to a request that came in A, and in B did not.
fn replaced(comparison: &Comparison<'_>, said: &Said<'_>) -> Vec<usize> {
    let wanted = if said.name == "_error" { "_result" } else { "onStatus" };
    let first = only_in_a(comparison, ServerToClient, |named| named.is(wanted)).first().copied();
    first.into_iter().collect()
}

fn auth(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (in_a, in_b) = (commands_of_a(comparison), commands(comparison.b));
    let Some(wants) = refusals(&in_b).find(|said| wants_login(said)) else { return Vec::new() };
    let refused = is_refused(wants);
    if refusals(&in_a).any(|said| wants_login(said) && is_refused(said) == refused) {
        return Vec::new();
    }
    let description = wants.text("description").unwrap_or_default();
    let spots = [BodyPlace::new(wants.item, 0..wants.kept.body.len(), description.clone())];
    let does = if refused { "refuses the login" } else { "requires a login" };
    let title = format!("the server {does}: {}", description.trim());
    let claim = messages::claim(comparison, &spots, "_error.description", Certainty::Certain, title);
    let claim = claim.explaining(replaced(comparison, wants)).breaking(Impact::Response);
    vec![match refused {
        true => claim
            .why("the client has answered the server's challenge, and the server does not let it in")
            .fix("check user name and password, and how the client computes its answer from salt and challenge")
            .weighing(Severity::Error),
        false => claim
            .why("this is the first step of a login; the client is to connect again with its name in the query")
            .fix("give the client user name and password; without them it cannot continue")
            .with_effect(Effect::MayMatter),
    }]
}

/// A refusal after which the session continues to do what it is for. Nothing depends on calls that clients only prepare
/// with, and servers that do not know one say so.
fn minded_by_nobody(
    comparison: &Comparison<'_>,
    refusal: &Said<'_>,
    call: Option<&str>,
    code: &str,
    description: &str,
) -> Claim {
    const NEEDED: [&str; 5] = ["connect", "createStream", "publish", "play", "play2"];
    let is_optional = refusal.name == "_error" && call.is_some_and(|call| !NEEDED.contains(&call));
    let what = if code.is_empty() { &refusal.name } else { code };
    let answered = call.map_or_else(String::new, |call| format!(" to {call}"));
    let title = format!("the server answers {what}{answered}, and the session continues");
    let spots = [BodyPlace::new(refusal.item, 0..refusal.kept.body.len(), format!("{code} {description}"))];
    let path = FieldPath::property(&refusal.name, "code");
    let claim = messages::claim(comparison, &spots, path, Certainty::Certain, title);
    let why = "audio or video flows after it: nothing that follows depended on the call";
    let claim = claim.why(why).fix("nothing, as long as nobody waits for what was refused");
    claim.weighing(if is_optional { Severity::Info } else { Severity::Warning })
}

fn status(comparison: &Comparison<'_>) -> Vec<Claim> {
    // Whose name it is that is in use says more.
    if !super::stale::stale(comparison).is_empty() {
        return Vec::new();
    }
    let (in_a, in_b) = (commands_of_a(comparison), commands(comparison.b));
    let code = |said: &Said<'_>| said.text("code").unwrap_or_default();
    let call = |side: Side, said: &Said<'_>| comparison.identities[side as usize][said.item].call.clone();
    let of_a = |said: &Said<'_>| (code(said), call(Side::A, said));
    let known: Vec<_> = refusals(&in_a).map(of_a).collect();
    let new = || {
        let is_known = |said: &Said<'_>| known.contains(&(code(said), call(Side::B, said)));
        refusals(&in_b).filter(move |said| !wants_login(said) && !is_known(said))
    };
    let progress = Progress::of(comparison.b, &comparison.identities[Side::B as usize]);
    // What stopped nobody is told only where nothing did.
    let stops = new().find(|said| !progress.serves_after(said.item));
    let Some(refusal) = stops.or_else(|| new().next()) else { return Vec::new() };
    let call = call(Side::B, refusal);
    let (code, description) = (code(refusal), refusal.text("description").unwrap_or_default());
    if stops.is_none() {
        return vec![minded_by_nobody(comparison, refusal, call.as_deref(), &code, &description)];
    }
    let words = match code.rsplit('.').next().unwrap_or_default() {
        "BadName" => "the name is already being published, perhaps by the client's own previous connection",
        "StreamNotFound" => "no publisher has that stream name",
        "Rejected" => "the server does not let the client in",
        "InvalidApp" => "the server has no such application",
        "Denied" | "Unauthorized" => "the client may not do that: wrong key, or a hook refused it",
        _ => "the server reports that it failed",
    };
    let spots = [BodyPlace::new(refusal.item, 0..refusal.kept.body.len(), format!("{code} {description}"))];
    let said = if description.is_empty() { String::new() } else { format!(": {description}") };
    let title = format!("the server reports {}{said}", if code.is_empty() { "_error" } else { &code });
    let claim =
        messages::claim(comparison, &spots, FieldPath::property(&refusal.name, "code"), Certainty::Certain, title);
    vec![
        claim
            .why(words)
            .fix(match code.rsplit('.').next().unwrap_or_default() {
                "BadName" => "use another name, or make the server drop the old publisher",
                "StreamNotFound" => "publish the stream first, and check app and name",
                _ => "check app, name and key, and the server's log",
            })
            .explaining(replaced(comparison, refusal))
            .breaking(Impact::Response),
    ]
}
