//! The table of connections, and what is to be said of each.

use std::fmt::Write;
use std::net::SocketAddr;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::capture::{About, Note, NoteKind};
use crate::field::counted;
use crate::origin::known_address;
use crate::session::Protocol;
use crate::session::calls::{Report, Unanswered};
use crate::streams::{ConnectionSummary, Side, Software};
use crate::tcp::How;

use super::Layout;
use crate::escape::escape;

/// Below this width the table has no columns for addresses.
const WIDE: usize = 120;

/// The table, and below it a paragraph for each connection that is RTMP or should be.
pub fn streams(streams: &[ConnectionSummary], layout: Layout) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = layout.width {
        table.set_width(width.try_into().unwrap_or(u16::MAX));
    }
    // Addresses are in the notes too, so they give way first.
    let addresses = layout.width.is_none_or(|width| width >= WIDE);
    let mut header = vec!["Conn"];
    header.extend(addresses.then_some(["Client", "Server"]).into_iter().flatten());
    header.extend(["Protocol", "Session", "Msgs ⇢ ⇠", "Bytes ⇢ ⇠", "Seconds", "End"]);
    let numbers = header.len() - 4..header.len() - 1;
    table.set_header(header);
    for stream in streams {
        let mut row = vec![stream.tcp_stream.0.to_string()];
        row.extend(addresses.then(|| [address(stream.client), address(stream.server)]).into_iter().flatten());
        row.extend([
            protocol(stream),
            session(stream),
            format!("{} {}", stream.client_to_server.messages, stream.server_to_client.messages),
            format!("{} {}", stream.client_to_server.bytes, stream.server_to_client.bytes),
            stream.known_duration.map_or_else(|| "-".to_owned(), |duration| format!("{duration:.3}")),
            end(stream),
        ]);
        table.add_row(row);
    }
    for column in numbers.chain([0]) {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n");
    for stream in streams {
        text.push_str(&notes(stream, layout));
    }
    text
}

/// What somebody wrote into the capture: comments, and what its interfaces are called. Nothing if there is nothing.
pub fn of_capture(notes: &[Note], layout: Layout) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let mut text = "\nCapture\n".to_owned();
    for note in notes {
        let label = match note.about {
            About::Capture => String::new(),
            About::Interface(number) => format!("interface {number} "),
            About::Frame(frame) => format!("frame {frame} "),
        };
        let what = match note.what {
            NoteKind::Comment => "comment",
            NoteKind::Name => "name",
            NoteKind::Description => "description",
        };
        let label = format!("  {label}{what}: ");
        text.push_str(&super::wrap(&escape(&note.text), &label, layout));
    }
    text
}

/// `RTMP`, or `RTMP?` where it is not proven.
fn protocol(stream: &ConnectionSummary) -> String {
    let is_guess = matches!(stream.protocol, Protocol::Rtmp | Protocol::Rtmpe) && !stream.protocol_certain;
    format!("{}{}", stream.protocol_name(), if is_guess { "?" } else { "" })
}

/// An address, or a dash where the bytes were given without packets.
fn address(address: SocketAddr) -> String {
    known_address(address).map_or_else(|| "-".to_owned(), |address| address.to_string())
}

/// What the session is about: `publish live/one`.
fn session(stream: &ConnectionSummary) -> String {
    let app = stream.app.as_deref().map(escape).unwrap_or_default();
    if stream.activities.is_empty() {
        return app.into_owned();
    }
    let said: Vec<_> = stream
        .activities
        .iter()
        .map(|activity| format!("{} {app}/{}", activity.what, escape(&activity.name)))
        .collect();
    said.join("\n")
}

fn end(stream: &ConnectionSummary) -> String {
    match stream.end {
        None => "open".to_owned(),
        Some(end) => {
            let how = match end.how {
                How::Fin => "FIN",
                How::Rst => "RST",
                How::Reused => "ports reused",
            };
            format!("{how} by {}", end.by)
        }
    }
}

fn notes(stream: &ConnectionSummary, layout: Layout) -> String {
    let mut notes = Vec::new();
    let mut note = |label: &str, text: Option<String>| {
        if let Some(text) = text {
            let label = format!("  {label:<9} ");
            notes.push(match layout.width {
                Some(_) => super::wrap(&text, &label, layout).trim_end().to_owned(),
                None => label + &text,
            });
        }
    };
    note(
        "protocol",
        (!stream.protocol_why.is_empty()).then(|| format!("{}: {}", stream.protocol_name(), stream.protocol_why)),
    );
    note("proxy", stream.proxy.map(|header| header.to_string()));
    note("tls", stream.tls.as_ref().map(|tls| tls.to_string()));
    note("http", stream.http_flv.as_ref().map(|target| format!("FLV is the body of the message to {target}")));
    note("rtmpt", stream.rtmpt.as_ref().map(|rtmpt| rtmpt.to_string()));
    note("rtmpt", stream.carries.map(|number| format!("carries requests of the session of connection {}", number.0)));
    // Of a connection without data nothing is claimed that could be wrong.
    let is_guessed = !stream.roles_known && stream.protocol != Protocol::Empty;
    note("roles", is_guessed.then(|| format!("a guess: {}", stream.roles_from.why())));
    note("tcUrl", stream.tc_url.as_deref().map(|url| escape(url).into_owned()));
    note("client", software_note(stream.client_software.as_ref(), "flashVer", stream.flash_ver.as_deref()));
    note("server", software_note(stream.server_software.as_ref(), "fmsVer", stream.fms_ver.as_deref()));
    note("encoder", stream.encoder.as_deref().map(|encoder| escape(encoder).into_owned()));
    note("error", stream.error.as_deref().map(|error| escape(error).into_owned()));
    note("calls", stream.calls.as_ref().filter(|calls| calls.count > 0).map(calls_note));
    note("no answer", stream.calls.as_ref().and_then(unanswered_note));
    for (label, side) in [("client →", &stream.client_to_server), ("server →", &stream.server_to_client)] {
        note(label, side_note(side));
    }
    note("end", stream.end.map(|end| end_note(stream, end.by, end.frame)));
    let ends = match (known_address(stream.client), known_address(stream.server)) {
        (Some(client), Some(server)) => format!("  {client} → {server}"),
        _ => String::new(),
    };
    format!("\nConnection {}{ends}\n{}\n", stream.tcp_stream.0, notes.join("\n"))
}

/// `fmsVer FMS/3,5,3,888; SRS 7.0.18(Hang) (srs_server in the answer to connect)`.
fn software_note(software: Option<&Software>, property: &str, version: Option<&str>) -> Option<String> {
    let version = version.map(|version| format!("{property} {}", escape(version)));
    let named = software.map(|software| match software.from.contains(property) {
        true => escape(&software.title()).into_owned(),
        false => format!("{} ({})", escape(&software.title()), software.from),
    });
    let both: Vec<String> = version.into_iter().chain(named).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

/// `7 made, 4 answered, median 44.008 ms, longest 44.151 ms; 3 unanswered (normal for these commands)`.
fn calls_note(calls: &Report) -> String {
    let mut text = format!("{} made, {} answered", calls.count, calls.answered);
    if calls.errors > 0 {
        let _ = write!(text, ", {} with an error", calls.errors);
    }
    if let Some(times) = &calls.response_time {
        let _ = write!(text, ", {}", times.text());
    }
    if calls.unanswered_optional > 0 {
        let _ = write!(text, "; {} unanswered (normal for these commands)", calls.unanswered_optional);
    }
    if calls.forgotten > 0 {
        let _ = write!(text, "; {} no longer tracked", calls.forgotten);
    }
    text
}

/// The calls that should have been answered and were not.
fn unanswered_note(calls: &Report) -> Option<String> {
    const SHOWN: usize = 4;
    let of = |call: &Unanswered| {
        let id = call.transaction_id.map(|id| format!("txn {id}, ")).unwrap_or_default();
        match call.frame.known() {
            Some(frame) => format!("{} ({id}frame {frame})", escape(&call.name)),
            None => format!("{} ({})", escape(&call.name), id.trim_end_matches(", ")),
        }
    };
    let mut said: Vec<_> = calls.unanswered.iter().take(SHOWN).map(of).collect();
    said.extend(calls.unanswered.len().checked_sub(SHOWN + 1).map(|more| format!("{} more", more + 1)));
    let doubt = if calls.whole { "" } else { "; perhaps it is only missing in the capture" };
    (!said.is_empty()).then(|| format!("to {}{doubt}", said.join(", ")))
}

fn end_note(stream: &ConnectionSummary, by: &str, frame: crate::origin::FrameNo) -> String {
    let mut text = match frame.known() {
        Some(frame) => format!("{} in frame {frame}", end(stream)),
        None => end(stream),
    };
    // What the other side said last is what this side reacted to.
    let (other, side) = match by {
        "client" => ("server", &stream.server_to_client),
        _ => ("client", &stream.client_to_server),
    };
    if let Some(last) = &side.last_message {
        let _ = write!(text, "; the {other}'s last message before it: {} (frame {})", escape(&last.info), last.frame);
    }
    text
}

fn side_note(side: &Side) -> Option<String> {
    let mut said = Vec::new();
    let mut say = |count: u64, text: String| {
        if count > 0 {
            said.push(text);
        }
    };
    say(side.incomplete, counted(side.incomplete, "incomplete message"));
    say(side.with_defects, counted(side.with_defects, "message") + " with defects");
    say(side.undecoded_bytes, format!("{} not decoded", counted(side.undecoded_bytes, "byte")));
    say(side.gap_bytes, format!("{} missing in {}", counted(side.gap_bytes, "byte"), counted(side.gaps, "gap")));
    say(side.unseen_bytes, format!("{} acknowledged that are not in the capture", counted(side.unseen_bytes, "byte")));
    say(side.retransmitted_bytes, format!("{} sent again", counted(side.retransmitted_bytes, "byte")));
    say(side.out_of_order, counted(side.out_of_order, "packet") + " late");
    say(side.conflicts, counted(side.conflicts, "retransmission") + " with other bytes than the first copy");
    say(side.duplicate_frames, counted(side.duplicate_frames, "frame") + " captured twice, counted once");
    if let Some(size) = side.chunk_size {
        let guess = if side.chunk_size_guessed { " (a guess)" } else { "" };
        said.push(format!("chunk size {size}{guess}"));
    }
    (!said.is_empty()).then(|| said.join(", "))
}
