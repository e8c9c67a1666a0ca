//! connect: its fields, how the URL is split, and no answer.

use crate::compare::{Comparison, FieldPath, Side};
use crate::rules::messages::{self, BodyPlace};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{ClientToServer, ServerToClient};

use super::{Said, commands, commands_of_a, ended_by, only_in_a, with_path};

pub static APP_UNKNOWN: Rule = Rule {
    code: "app-unknown",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the server closes on connect: it may not know the application",
    page: Page {
        what: "Right after connect the server closes, without _error. nginx does so when it has no application of that \
               name.",
        looks: "00 03 61 70 70 02 00 04 6e 6f 70 65   app is `nope`\n\
                00 03 61 70 70 02 00 04 6c 69 76 65   app is `live`",
        who: "Clients with a mistyped URL, or that split it at a slash other than the server does.",
        fix: "Use the application that the server is configured for.",
        source: "nginx-rtmp-module: `connect: application not found`.",
    },
    check: Check::Diff(app_unknown),
};

pub static FIELDS: Rule = Rule {
    code: "connect-fields",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "connect has no app or no tcUrl",
    page: Page {
        what: "Both properties belong in connect. Some servers read the application from one, some from the other, and \
               some refuse a connect that lacks either.",
        looks: "00 03 61 70 70 02 00 04 6c 69 76 65   app\n\
                00 05 74 63 55 72 6c 02 00 15 72 74 6d 70 3a ..   tcUrl",
        who: "Small clients that were tried with one server.",
        fix: "Send both: app, and tcUrl with scheme, host and app.",
        source: "RTMP 1.0 section 7.2.1.1; RTMP errata sections 8.1.2 and 8.1.3. SRS: `invalid request without tcUrl`.",
    },
    check: Check::Diff(fields),
};

pub static URL_SPLIT: Rule = Rule {
    code: "url-split",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Diff],
    title: "the URL is split differently into app and stream name",
    page: Page {
        what: "The same URL can be split in more than one way: at another slash, with a slash left at the end, with \
               the query in app or in the name. The server then looks for a different application or stream.",
        looks: "00 03 61 70 70 02 00 04 6c 69 76 65   app `live`\n\
                00 03 61 70 70 02 00 05 6c 69 76 65 2f   app `live/`",
        who: "Clients with one field for the URL, or with two and a user who enters everything in one.",
        fix: "Split as the working client does: mostly the last part of the path is the name, with the query.",
        source: "arut/nginx-rtmp-module issues 893 and 1426, illuspas/Node-Media-Server issue 19.",
    },
    check: Check::Diff(url_split),
};

/// The connect of a session without any command from the server.
fn alone<'a, 'r>(said: &'a [Said<'r>]) -> Option<&'a Said<'r>> {
    let answered = said.iter().any(|said| said.direction == ServerToClient);
    said.iter().find(|said| said.is(ClientToServer, "connect")).filter(|_| !answered)
}

fn is_answered(said: &[Said<'_>]) -> bool {
    said.iter().any(|said| said.direction == ServerToClient && matches!(said.name.as_str(), "_result" | "_error"))
}

fn app_unknown(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (in_a, in_b) = (commands_of_a(comparison), commands(comparison.b));
    if comparison.a.is_none() {
        return alone(&in_b).and_then(|connect| closed_on(comparison, connect)).into_iter().collect();
    }
    let Some(connect) = alone(&in_b).filter(|_| is_answered(&in_a)) else { return Vec::new() };
    let differs = with_path(comparison, |path| path.is("connect", "app"));
    let (Some(&index), true) = (differs.first(), ended_by(comparison.b, "server")) else { return Vec::new() };
    let (Some(app), Some(other)) = (connect.text("app"), in_a.iter().find_map(|said| said.text("app"))) else {
        return Vec::new();
    };
    let title = format!("the server closes on connect to `{app}`; A connects to `{other}`");
    let answer = only_in_a(comparison, ServerToClient, |named| named.answers("connect"));
    vec![
        Claim::at(comparison, index, Certainty::Likely, title)
            .why("the server closes after connect without an error message, as nginx does for an unknown application")
            .fix(format!("connect to `{other}`, or configure the server for `{app}`"))
            .explaining(answer)
            .breaking(Impact::Response),
    ]
}

/// By itself: the server closes on connect and said nothing.
fn closed_on(comparison: &Comparison<'_>, connect: &Said<'_>) -> Option<Claim> {
    let app = connect.text("app").filter(|_| ended_by(comparison.b, "server"))?;
    let item = comparison.b.items.get(connect.item).filter(|item| item.defects.is_empty())?;
    let range = memchr::memmem::find(&connect.kept.body, app.as_bytes()).map_or(0..0, |at| at..at + app.len());
    let spots = [BodyPlace::new(connect.item, range, format!("app '{app}'"))];
    let title = format!("the server closes on connect to `{app}`, without an error message");
    let claim = messages::claim(comparison, &spots, "connect.app", Certainty::Likely, title);
    let claim = claim.why(format!(
        "{} is the last message that it received; nginx closes this way for an unknown application",
        item.info
    ));
    Some(claim.fix("check the application's name, and look into the server's log").breaking(Impact::Response))
}

fn fields(comparison: &Comparison<'_>) -> Vec<Claim> {
    let names = ["app", "tcUrl"];
    if comparison.a.is_none() {
        return fields_alone(comparison, &names);
    }
    let name = |path: &FieldPath| path.last().map(|name| name.trim_matches('\0').to_owned());
    // An object that cannot be read as it was meant lacks properties for another reason.
    let is_readable = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        let is_twin = |other: usize| {
            let other = &comparison.mismatches[other];
            other.row == mismatch.row && other.path != mismatch.path && name(&other.path) == name(&mismatch.path)
        };
        let is_sound = comparison.item(mismatch.row, Side::B).is_some_and(|item| item.defects.is_empty());
        is_sound && !comparison.open().any(is_twin)
    };
    let missing = with_path(comparison, |path| names.iter().any(|name| path.is("connect", name)));
    let only_a = missing.into_iter().filter(|&index| comparison.mismatches[index].side(Side::B).is_none());
    let only_a = only_a.filter(is_readable);
    let answered = is_answered(&commands(comparison.b));
    only_a
        .map(|index| {
            let last = |index: usize| comparison.mismatches[index].path.last().unwrap_or_default();
            let name = last(index);
            let row = comparison.mismatches[index].row;
            let other_case = |other: &usize| {
                let other_name = last(*other);
                comparison.mismatches[*other].row == row && other_name != name && other_name.eq_ignore_ascii_case(name)
            };
            let misspelt = comparison.open().find(other_case);
            let title = match misspelt {
                Some(other) => format!("connect has no {name}: it is spelled {}", last(other)),
                None => format!("connect has no {name}"),
            };
            let why = if answered {
                "this server does not need it, others do"
            } else {
                "A sends it and is answered, B does not and is not"
            };
            let breaks = if answered { Impact::Nothing } else { Impact::Response };
            Claim::at(comparison, index, Certainty::Certain, title)
                .why(why)
                .fix(format!("send {name} in the object of connect"))
                .explaining(misspelt)
                .breaking(breaks)
        })
        .collect()
}

/// By itself: connect can be read, and lacks them.
fn fields_alone(comparison: &Comparison<'_>, names: &[&str]) -> Vec<Claim> {
    let said = commands(comparison.b);
    let answered = is_answered(&said);
    let Some(connect) = said.iter().find(|said| said.is(ClientToServer, "connect")) else { return Vec::new() };
    let object = connect.command.arguments().first();
    let (Some(object), true) = (object, comparison.b.items[connect.item].defects.is_empty()) else { return Vec::new() };
    let missing = names.iter().filter(|name| object.property(name.as_bytes()).is_none());
    missing
        .map(|name| {
            let spots = [BodyPlace::new(connect.item, 0..0, format!("no {name}"))];
            let title = format!("connect has no {name}");
            let claim =
                messages::claim(comparison, &spots, FieldPath::property("connect", name), Certainty::Certain, title);
            let why = if answered { "this server does not need it, others do" } else { "and it is not answered" };
            claim.why(why).fix(format!("send {name} in the object of connect"))
        })
        .collect()
}

fn url_split(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |said: &[Said<'_>]| {
        let app = said.iter().find(|said| said.is(ClientToServer, "connect")).and_then(|said| said.text("app"));
        let start = |said: &&Said<'_>| said.is(ClientToServer, "publish") || said.is(ClientToServer, "play");
        let name = said
            .iter()
            .find(start)
            .and_then(|said| Some(said.command.arguments().iter().find_map(|value| value.as_str())?.to_string()));
        Some((app?, name))
    };
    let (Some((app_a, name_a)), Some((app_b, name_b))) = (of(&commands_of_a(comparison)), of(&commands(comparison.b)))
    else {
        return Vec::new();
    };
    // A snapshot has a placeholder for the name, and that is elsewhere for one that B has too.
    let meant = |text: String| {
        if comparison.a.is_some_and(|a| a.is_snapshot) { comparison.bindings.meant(&text) } else { text }
    };
    let (app_a, name_a) = (meant(app_a), name_a.map(meant));
    let name_of = |name: &Option<String>| name.clone().unwrap_or_default();
    let differs = with_path(comparison, |path| path.is("connect", "app") || path.last() == Some("name"));
    let Some(&first) = differs.first() else { return Vec::new() };
    // Application and name, each with its query.
    let (url_a, url_b) = ([app_a.clone(), name_of(&name_a)], [app_b.clone(), name_of(&name_b)]);
    let path = |text: &String| text.split('?').next().unwrap_or_default().to_owned();
    let parts = |url: &[String; 2]| -> Vec<String> {
        let parts = |text: String| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        url.iter().map(path).flat_map(parts).filter(|part| !part.is_empty()).collect()
    };
    // Where the queries are; what they say may differ, as a token does from one session to the next.
    let shape = |url: &[String; 2]| url.each_ref().map(|text| (path(text), text.contains('?')));
    if parts(&url_a) != parts(&url_b) || shape(&url_a) == shape(&url_b) {
        return Vec::new();
    }
    let has_query = |url: &[String; 2]| url.iter().any(|text| text.contains('?'));
    let split = |app: &str, name: &Option<String>| match name {
        Some(name) => format!("app `{app}`, name `{name}`"),
        None => format!("app `{app}` and no name"),
    };
    let title = format!("{} in B, {} in A", split(&app_b, &name_b), split(&app_a, &name_a));
    let answered = is_answered(&commands(comparison.b));
    let why = if has_query(&url_a) == has_query(&url_b) {
        "together they are the same path; the server looks for the application and the stream by these very strings"
    } else {
        "the path is the same, the query is not; some servers treat it as part of the name"
    };
    let claim = Claim::at(comparison, first, Certainty::Certain, title)
        .why(why)
        .fix(format!("send {}", split(&app_a, &name_a)))
        .explaining(differs);
    // A server that answers took it, whatever it made of it.
    vec![if answered { claim.weighing(Severity::Warning) } else { claim.breaking(Impact::Response) }]
}
