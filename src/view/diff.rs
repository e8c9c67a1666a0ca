//! Two sessions' differences, in the manner of a compiler's messages: verdict, causes, and what is left.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::diff::{Bytes, Cause, Evidence, Pair, Place, Report, StatLine, Unexplained, Verdict, Where};

use super::{Layout, diagnosis, paint, wrap};
use crate::escape::escape;

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Also what is expected to differ.
    pub verbose: bool,
    /// In full what nothing is known to come of.
    pub habits: bool,
    /// The answer and the first line of each cause, and no more.
    pub brief: bool,
    /// A line for each message.
    pub stat: bool,
    /// How many messages around a difference; all if None.
    pub context: Option<usize>,
    /// How many causes at most.
    pub most: usize,
}

/// Bytes of a value on one line.
const LINE: usize = 16;
/// Captions of the two sides; equally wide.
const SIDES: [&str; 2] = ["A", "B"];

/// The report as text.
pub fn diff(report: &Report, names: &[String; 2], shown: Shown, layout: Layout, colour: bool) -> String {
    let style = match (report.verdict, report.works, report.swapped) {
        (Verdict::Identical | Verdict::Equivalent, ..) | (_, Some(true), false) => AnsiColor::Green,
        (_, None, false) => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let first = wrap(&escape(&report.summary), "", layout);
    let word = first.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_owned();
    let mut text = first.replacen(&word, &paint(&word, style.on_default().bold(), colour), 1);
    for (side, name) in SIDES.iter().zip(names) {
        let _ = writeln!(text, "  {side}  {}", escape(name));
    }
    let is_folded = |cause: &&Cause| cause.is_habit() && !shown.habits;
    let told: Vec<_> = report.causes.iter().filter(|cause| !is_folded(cause)).collect();
    for cause in told.iter().take(shown.most) {
        if shown.brief {
            text.push_str(&diagnosis::head(cause, layout, colour));
            continue;
        }
        text.push('\n');
        text.push_str(&one(cause, report, layout, colour));
    }
    if told.len() > shown.most {
        let _ = writeln!(text, "\n{} more causes (--max-diffs shows more).", told.len() - shown.most);
    }
    let habits: Vec<_> = report.causes.iter().filter(is_folded).collect();
    if !shown.brief && !habits.is_empty() {
        text.push('\n');
    }
    text.push_str(&diagnosis::habits(&habits, layout));
    if shown.brief {
        return text;
    }
    if !report.unexplained.is_empty() {
        let total: u64 = report.unexplained.iter().map(|difference| 1 + difference.more).sum();
        let heading = format!("{total} unexplained differences:");
        let _ = writeln!(text, "\n{}", paint(&heading, Style::new().bold(), colour));
        for difference in report.unexplained.iter().take(shown.most) {
            text.push_str(&unexplained(difference, report, colour));
        }
        if report.unexplained.len() > shown.most {
            let _ = writeln!(text, "  … and {} more kinds", report.unexplained.len() - shown.most);
        }
    }
    text.push('\n');
    for (index, pair) in report.pairs.iter().enumerate() {
        text.push_str(&wrap(&one_pair(pair), "", layout));
        if shown.stat {
            text.push_str(&stat(&report.pairs[index].lines, shown.context, colour));
        }
    }
    for (side, only) in SIDES.iter().zip([&report.only_a, &report.only_b]) {
        for connection in only {
            let (number, role) = (connection.tcp_stream.0, escape(&connection.role));
            let _ = writeln!(text, "only in {side}: connection {number} {role}");
        }
    }
    if shown.verbose {
        for expected in &report.expected {
            let _ = writeln!(text, "  {:>6} × {}", expected.count, expected.reason);
        }
    }
    text
}

fn one(cause: &Cause, report: &Report, layout: Layout, colour: bool) -> String {
    let Evidence { pair, r#where: at, bytes, .. } = &cause.evidence;
    let mut text = diagnosis::head(cause, layout, colour);
    text.push_str(&places(at, *pair, report, layout, colour));
    text.push('\n');
    text.push_str(&values(at, bytes, layout, colour));
    text + &diagnosis::reasons(cause, layout) + &diagnosis::rest(cause, "difference")
}

fn places(at: &Where, pair: usize, report: &Report, layout: Layout, colour: bool) -> String {
    let way = at.direction.in_words();
    let mut text = String::new();
    let connections = [&report.pairs[pair].a, &report.pairs[pair].b];
    for ((side, place), connection) in SIDES.iter().zip([&at.a, &at.b]).zip(connections) {
        let words = match place {
            Some(place) => {
                let offset = place.stream_offset.map(|offset| format!(", stream offset {offset} ({offset:#x})"));
                format!(
                    "{} {}, connection {}, {way}{}",
                    escape(&at.message),
                    row(place),
                    connection.tcp_stream.0,
                    offset.unwrap_or_default()
                )
            }
            None => "has no such message".to_owned(),
        };
        let arrow = if *side == SIDES[0] { "-->" } else { "   " };
        let line = wrap(&words, &format!("  {arrow} {side}  "), layout);
        text.push_str(&line.replacen("-->", &diagnosis::arrow(colour), 1));
    }
    text
}

/// Which row, and its frame if there is one; of a snapshot, which line.
fn row(place: &Place) -> String {
    match (place.frame, place.stream_offset) {
        (Some(frame), _) => format!("row {}, frame {frame}", place.number),
        (None, Some(_)) => format!("row {}", place.number),
        (None, None) => format!("line {}", place.number),
    }
}

/// What is there on both sides: bytes and words, with the bytes that differ marked; beside each other where there
/// is room.
fn values(at: &Where, bytes: &Bytes, layout: Layout, colour: bool) -> String {
    let places = [&at.a, &at.b];
    let both = [bytes.a.as_deref(), bytes.b.as_deref()].map(Option::unwrap_or_default);
    let same = both[0].iter().zip(both[1]).take_while(|(a, b)| a == b).count();
    // The first difference is to be seen, with some bytes before it.
    let from = if same + 4 > LINE { same - 4 } else { 0 };
    let is_there = [bytes.a.is_some(), bytes.b.is_some()];
    let value =
        |index: usize| escape(places[index].as_ref().and_then(|place| place.value.as_deref()).unwrap_or_default());
    let hex = |index: usize| {
        if !is_there[index] {
            return ("(nothing)".to_owned(), 9);
        }
        let part = both[index].get(from..both[index].len().min(from + LINE)).unwrap_or_default();
        let cell = |(i, byte): (usize, &u8)| {
            let differs = both[1 - index].get(from + i) != Some(byte);
            let style = if differs { AnsiColor::Red.on_default().bold() } else { Style::new() };
            paint(&format!("{byte:02x}"), style, colour)
        };
        let cells: Vec<_> = part.iter().enumerate().map(cell).collect();
        let dots = if from > 0 { "… " } else { "" };
        let more = if both[index].len() > from + LINE { " …" } else { "" };
        let width = dots.width() + (3 * part.len()).saturating_sub(1) + more.width();
        (format!("{dots}{}{more}", cells.join(" ")), width)
    };
    let hex = [hex(0), hex(1)];
    let path = at.path.to_string();
    let path = escape(&path);
    let cells = from..from + LINE.min(both[0].len().max(both[1].len()).saturating_sub(from));
    let marks: Vec<_> = cells.map(|i| if both[0].get(i) == both[1].get(i) { "  " } else { "^^" }).collect();
    let indent = if from > 0 { "  " } else { "" };
    let mut marks = format!("       {indent}{}", marks.join(" ").trim_end());
    if both.iter().any(|side| side.is_empty()) || !marks.contains('^') {
        "       ".clone_into(&mut marks);
    }
    let widths = [0, 1].map(|index| 7 + hex[index].1 + if is_there[index] { 2 + value(index).width() } else { 0 });
    let line = |index: usize| {
        let value = if is_there[index] { format!("  {}", value(index)) } else { String::new() };
        format!("    {}  {}{value}", SIDES[index], hex[index].0)
    };
    let half = layout.width.map_or(0, |width| width / 2);
    if widths.iter().all(|width| width + 4 <= half) {
        let gap = " ".repeat(half - widths[0]);
        let under = " ".repeat(half.saturating_sub(marks.width()));
        return format!("{}{gap}{}\n{marks}{under}{marks}  {}\n", line(0), line(1), path);
    }
    let marks = if marks.trim().is_empty() { marks } else { format!("{marks}  ") };
    if layout.width.is_none_or(|width| widths.iter().all(|&line| line <= width)) {
        return format!("{}\n{}\n{marks}{}\n", line(0), line(1), path);
    }
    // Bytes one below the other with their marks, then the values: one line is too narrow for both.
    let mut text = format!("    A  {}\n    B  {}\n{marks}{}\n", hex[0].0, hex[1].0, path);
    for index in [0, 1].into_iter().filter(|&index| is_there[index] && !value(index).is_empty()) {
        text.push_str(&wrap(&value(index), &format!("    {}  ", SIDES[index]), layout));
    }
    text
}

fn unexplained(difference: &Unexplained, report: &Report, colour: bool) -> String {
    let at = &difference.r#where;
    let value = |place: &Option<Place>| match place {
        Some(place) => escape(place.value.as_deref().unwrap_or("nothing")).into_owned(),
        None => "no such message".to_owned(),
    };
    let place = at.b.as_ref().or(at.a.as_ref());
    let row = place.map(row).unwrap_or_default();
    let more = if difference.more > 0 { format!(", and {} times more", difference.more) } else { String::new() };
    let connection = if report.pairs.len() > 1 { format!(", pair {}", difference.pair) } else { String::new() };
    let (message, path) = (escape(&at.message), at.path.to_string());
    let path = escape(&path);
    let head = format!("  {} {message}: {path} ({row}{connection}{more})", at.direction.arrow());
    format!("{}\n      A  {}\n      B  {}\n", paint(&head, Style::new(), colour), value(&at.a), value(&at.b))
}

fn one_pair(pair: &Pair) -> String {
    let counts = pair.messages;
    let (a, b) = (&pair.a, &pair.b);
    format!(
        "A connection {} {} | B connection {} {}: {} messages equal, {} expected to differ, {} different, {} only in A, {} only in B",
        a.tcp_stream.0,
        escape(&a.role),
        b.tcp_stream.0,
        escape(&b.role),
        counts.equal,
        counts.expected,
        counts.different,
        counts.only_a,
        counts.only_b
    )
}

/// A line a message: the row on both sides, and what becomes of it.
fn stat(lines: &[StatLine], context: Option<usize>, colour: bool) -> String {
    let is_near = |index: usize| {
        context.is_none_or(|context| {
            let near = index.saturating_sub(context)..index.saturating_add(context).saturating_add(1).min(lines.len());
            lines[near].iter().any(|line| !line.is_alike())
        })
    };
    let mut text = String::new();
    let mut skipped = 0;
    for (index, line) in lines.iter().enumerate() {
        if !is_near(index) {
            skipped += 1;
            continue;
        }
        if skipped > 0 {
            let _ = writeln!(text, "  … {skipped} alike");
            skipped = 0;
        }
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let (mark, style) = match (line.a, line.b, line.paths.is_empty()) {
            (Some(_), None, _) => ("-", AnsiColor::Red.on_default()),
            (None, Some(_), _) => ("+", AnsiColor::Green.on_default()),
            (_, _, false) => ("!", AnsiColor::Yellow.on_default()),
            (_, _, true) if line.expected > 0 => ("~", Style::new().dimmed()),
            _ => ("=", Style::new().dimmed()),
        };
        let paths = if line.paths.is_empty() {
            String::new()
        } else {
            {
                let paths: Vec<_> = line.paths.iter().map(|path| escape(&path.to_string()).into_owned()).collect();
                format!("  {}", paths.join(", "))
            }
        };
        let row = format!(
            "  {mark} {:>6} {:>6} {} {}{}",
            number(line.a),
            number(line.b),
            line.direction.arrow(),
            escape(&line.message),
            escape(&paths)
        );
        let _ = writeln!(text, "{}", paint(&row, style, colour));
    }
    if skipped > 0 {
        let _ = writeln!(text, "  … {skipped} alike");
    }
    text
}
