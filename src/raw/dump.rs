//! Hex dumps with offsets, of xxd, hexdump, od, tcpdump, tshark, Wireshark, PowerShell.
//!
//! Takes text, finds the lines that are of a dump whatever is between them, and gives the bytes of each dump with what the
//! line before it says. A dump ends where offsets begin anew. Where the column of characters begins is told by the
//! characters: they are those of the bytes before them.

use super::Error;
use super::packets::Heading;

/// The dumps in a text.
#[derive(Debug, Default)]
pub(super) struct Dumps {
    /// The bytes of all.
    pub bytes: Vec<u8>,
    pub dumps: Vec<Dump>,
    /// Whether words were read with the low byte first.
    pub low_byte_first: bool,
}

/// One dump.
#[derive(Debug)]
pub(super) struct Dump {
    pub range: std::ops::Range<usize>,
    /// Whether its lines are indented more than others.
    pub is_indented: bool,
    /// What the text before it says.
    pub heading: Heading,
}

/// A line of a dump.
struct Line<'t> {
    indent: usize,
    offset: u64,
    /// How many digits the offset has.
    digits: usize,
    /// Whether the offset ends in a colon, as those of xxd and tcpdump, whose words have the order of the bytes.
    has_colon: bool,
    /// What follows the offset and its separators.
    rest: &'t str,
}

/// Finds the dumps; `None` if the text has none.
pub(super) fn read(text: &str) -> Result<Option<Dumps>, Error> {
    // hexyl draws its columns.
    if text.contains(['│', '┊']) {
        return read(&text.replace(['│', '┊'], " "));
    }
    let Some(radix) = radix(text) else { return Ok(None) };
    let low_byte_first = low_byte_first(text, radix);
    let second_indent = second_indent(text, radix);
    let mut reader = Reader { found: Dumps { low_byte_first, ..Dumps::default() }, ..Reader::default() };
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, text)) = lines.next() {
        match Line::parse(text, radix) {
            Some(line) => {
                let next = lines.peek().and_then(|(_, text)| Line::parse(text, radix));
                let next = next.filter(|next| next.indent == line.indent).map(|next| next.offset);
                reader.line(&line, at + 1, next, second_indent == Some(line.indent))?;
            }
            None if text.trim() == "*" => reader.repeats = true,
            None if text.trim().is_empty() => {}
            None => reader.heading.read(text),
        }
    }
    Ok((!reader.found.dumps.is_empty()).then_some(reader.found))
}

/// The dumps as far as they are read.
#[derive(Default)]
struct Reader {
    found: Dumps,
    /// For each indentation, the dump that its next line continues, and the offset that the line should have.
    open: [Option<(usize, u64)>; 2],
    heading: Heading,
    /// Whether a line stands for repetitions of the one before.
    repeats: bool,
}

impl Reader {
    fn line(&mut self, line: &Line<'_>, number: usize, next: Option<u64>, is_second: bool) -> Result<(), Error> {
        let repeats = std::mem::take(&mut self.repeats);
        let offset = line.offset;
        let most = next.and_then(|next| next.checked_sub(offset)).filter(|most| (1..=4096).contains(most));
        let bytes = line.bytes(most.map(|most| most as usize), self.found.low_byte_first);
        let open = self.open[usize::from(is_second)].filter(|_| offset > 0);
        let Some((dump, mut expected)) = open else { return self.begin(offset, &bytes, is_second) };
        let is_last = dump + 1 == self.found.dumps.len();
        if offset > expected && repeats && is_last {
            self.repeat(dump, offset - expected)?;
            expected = offset;
        }
        if offset > expected {
            return Err(Error::Missing { line: number, expected, found: offset });
        }
        if offset < expected && bytes.is_empty() {
            // The last line of od and hexdump is the length alone: the last word was padded.
            let range = &mut self.found.dumps[dump].range;
            if is_last && expected - offset < 16 {
                range.end = range.end.saturating_sub((expected - offset) as usize).max(range.start);
                self.found.bytes.truncate(range.end);
            }
            return Ok(());
        }
        if offset < expected || !is_last {
            // Another dump, or the same side after the other one spoke.
            return self.begin(offset, &bytes, is_second);
        }
        self.append(dump, &bytes)?;
        self.open[usize::from(is_second)] = Some((dump, offset + bytes.len() as u64));
        Ok(())
    }

    fn begin(&mut self, offset: u64, bytes: &[u8], is_second: bool) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let at = self.found.bytes.len();
        let index = self.found.dumps.len();
        self.found.dumps.push(Dump { range: at..at, is_indented: is_second, heading: self.heading.take() });
        self.open[usize::from(is_second)] = Some((index, offset.saturating_add(bytes.len() as u64)));
        self.append(index, bytes)
    }

    fn append(&mut self, dump: usize, bytes: &[u8]) -> Result<(), Error> {
        if self.found.bytes.len() + bytes.len() > super::MOST {
            return Err(Error::TooLong { most: super::MOST });
        }
        self.found.bytes.extend_from_slice(bytes);
        self.found.dumps[dump].range.end += bytes.len();
        Ok(())
    }

    /// Repeats the last line's 16 bytes, or as many as there are, for `len` bytes.
    fn repeat(&mut self, dump: usize, len: u64) -> Result<(), Error> {
        let Dump { range, .. } = &self.found.dumps[dump];
        let line = self.found.bytes[range.end.saturating_sub(16).max(range.start)..range.end].to_vec();
        if len > (super::MOST - self.found.bytes.len()) as u64 {
            return Err(Error::TooLong { most: super::MOST });
        }
        let repeated: Vec<u8> = line.into_iter().cycle().take(len as usize).collect();
        self.append(dump, &repeated)
    }
}

impl<'t> Line<'t> {
    /// A line that begins with an offset.
    fn parse(text: &'t str, radix: u32) -> Option<Line<'t>> {
        let trimmed = text.trim_start();
        let indent = text.len() - trimmed.len();
        let (marked, unmarked) = match trimmed.strip_prefix("0x") {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let digits = unmarked.bytes().take_while(|&byte| char::from(byte).is_digit(radix)).count();
        let (offset, rest) = unmarked.split_at(digits);
        let (has_colon, rest) = match rest.strip_prefix([':', '|']) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if !(3..=16).contains(&digits) || marked && !has_colon {
            return None;
        }
        match rest.chars().next() {
            None => {}
            Some(c) if c.is_whitespace() => {}
            // xxd and others without a blank after the colon.
            Some(c) if has_colon && c.is_ascii_hexdigit() => {}
            Some(_) => return None,
        }
        let offset = u64::from_str_radix(offset, radix).ok()?;
        let line = Line { indent, offset, digits, has_colon, rest: rest.trim() };
        let begins = line.rest.is_empty() || groups(line.rest, BLANKS).next().is_some();
        begins.then_some(line)
    }

    /// Its bytes: `most`, if the next line's offset says how many.
    fn bytes(&self, most: Option<usize>, is_low_first: bool) -> Vec<u8> {
        let mut all = Vec::new();
        // How many bytes there are after each group, and what follows it.
        let mut ends = Vec::new();
        // xxd -e puts the blanks of a word that is cut before it.
        let blanks = if is_low_first { BLANKS + 16 } else { BLANKS };
        for (word, after) in groups(self.rest, blanks) {
            let Ok(mut word) = hex::decode(word) else { break };
            if is_low_first {
                word.reverse();
            }
            all.extend(word);
            ends.push((all.len(), after));
            if all.len() > LONGEST_LINE {
                break;
            }
        }
        let is_apart =
            |after: &str| after.starts_with("  ") || after.starts_with('\t') || after.trim_start().starts_with('|');
        let told = |&&(len, after): &&(usize, &str)| is_apart(after) && characters(after, &all[..len]);
        let is_gap =
            |&&(_, after): &&(usize, &str)| is_apart(after) && groups(after.trim_start(), BLANKS).next().is_none();
        let len = match most.filter(|most| ends.iter().any(|(end, _)| end == most)) {
            Some(most) => most,
            None => ends.iter().find(told).or_else(|| ends.iter().find(is_gap)).map_or(all.len(), |(len, _)| *len),
        };
        all.truncate(len);
        all
    }
}

/// No tool writes more bytes in a line.
const LONGEST_LINE: usize = 4096;
/// So many blanks are between groups of digits at most; more are before the characters.
const BLANKS: usize = 4;

/// The groups of hex digits at the start of a line, with what follows each.
fn groups(rest: &str, most_blanks: usize) -> impl Iterator<Item = (&str, &str)> {
    let mut left = Some(rest);
    let mut width = None;
    std::iter::from_fn(move || {
        let text = left?;
        let start = text.trim_start_matches([' ', '-']);
        let digits = start.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (word, after) = start.split_at(digits);
        let is_end = after.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '-' | '|'));
        // All groups have the width of the first; the last may be shorter.
        let fits = width.is_none_or(|width| digits <= width);
        if digits < 2 || digits % 2 == 1 || !is_end || !fits || text.len() - start.len() > most_blanks {
            left = None;
            return None;
        }
        width.get_or_insert(digits);
        left = Some(after);
        Some((word, after))
    })
}

/// Whether `after` is the characters of these bytes as dumps show them.
fn characters(after: &str, bytes: &[u8]) -> bool {
    let shown = after.trim_start_matches([' ', '\t', '-']);
    let shown =
        shown.strip_prefix(['|', '>', '[']).map_or(shown, |inner| inner.trim_end().trim_end_matches(['|', '<', ']']));
    let fits = |&byte: &u8, c: char| match byte {
        0x20..=0x7e => c == char::from(byte) || c == '.',
        _ => !c.is_ascii_graphic() || c == '.',
    };
    // Bytes that are blanks may be trimmed or doubled by a gap in the middle.
    let mut chars = shown.chars().peekable();
    let mut matched = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if at == 0 && *byte == b' ' && chars.peek() != Some(&' ') {
            matched += 1;
            continue;
        }
        let is_gap = *byte != b' ' || shown.chars().count() > bytes.len();
        if at == 8 && is_gap && chars.peek() == Some(&' ') {
            chars.next();
        }
        match chars.next() {
            Some(c) if fits(byte, c) => matched += 1,
            None if *byte == b' ' => matched += 1,
            _ => break,
        }
    }
    matched == bytes.len() && chars.all(char::is_whitespace)
}

/// The radix of the offsets: the one in which a line's bytes lead to the next line's offset. `None` if there is no dump.
fn radix(text: &str) -> Option<u32> {
    let (mut best, mut is_single) = ((16, 0), false);
    for radix in [16, 8, 10] {
        let mut count = 0;
        let mut expected = None;
        for line in text.lines().filter_map(|line| Line::parse(line, radix)).take(4000) {
            count += usize::from(line.offset > 0 && expected == Some(line.offset));
            let len = line.bytes(None, false).len();
            // One line alone: its offset is 0, and a colon or its width tells it from bytes.
            let width = groups(line.rest, BLANKS).next().map_or(0, |(word, _)| word.len());
            let is_told = line.has_colon || line.digits >= 6 || line.digits != width && width == 2;
            is_single |= radix == 16 && line.offset == 0 && len > 0 && is_told;
            expected = line.offset.checked_add(len as u64);
        }
        if count > best.1 {
            best = (radix, count);
        }
    }
    (best.1 > 0 || is_single).then_some(best.0)
}

/// Whether the words of a dump have the low byte first: the characters beside them say so, or it has words and neither
/// colons nor characters, as od and hexdump write them.
fn low_byte_first(text: &str, radix: u32) -> bool {
    let lines = || {
        let lines = text.lines().filter_map(|line| Line::parse(line, radix));
        lines.filter(|line| groups(line.rest, BLANKS).next().is_some_and(|(word, _)| word.len() > 2)).take(64)
    };
    let fits = |line: &Line<'_>, is_low_first: bool| {
        let (mut all, mut fits) = (Vec::new(), false);
        for (word, after) in groups(line.rest, BLANKS) {
            let Ok(mut word) = hex::decode(word) else { break };
            if is_low_first {
                word.reverse();
            }
            all.extend(word);
            fits |= after.starts_with("  ") && characters(after, &all);
        }
        fits
    };
    let (straight, swapped) = lines().fold((0, 0), |(straight, swapped), line| {
        (straight + usize::from(fits(&line, false)), swapped + usize::from(fits(&line, true)))
    });
    let is_bare = |line: Line<'_>| !line.has_colon && !line.rest.contains("  ");
    let is_dump_of_words = lines().next().is_some() && lines().all(is_bare) && lines().all(|line| line.digits >= 6);
    swapped > straight || straight == 0 && is_dump_of_words
}

/// How far the lines of the second side of a followed stream are indented, if there are two.
fn second_indent(text: &str, radix: u32) -> Option<usize> {
    let mut seen: Vec<usize> = Vec::new();
    for line in text.lines().filter_map(|line| Line::parse(line, radix)).filter(|line| !line.rest.is_empty()) {
        if !seen.contains(&line.indent) {
            seen.push(line.indent);
        }
        if seen.len() > 2 {
            return None;
        }
    }
    seen.sort_unstable();
    match seen[..] {
        [0, second] => Some(second),
        _ => None,
    }
}
