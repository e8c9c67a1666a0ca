//! AMF 0 as faulty writers write it: what one mistake makes of a body, and which mistake explains a body.
//!
//! Takes a body that the specification's reading does not make sense of, reads it again as each mistake would have
//! written it, and returns the mistakes after which all of it makes sense. The reader is the one of [`amf0`]; a
//! [`Writer`] says what it has to expect. It does not know what a message is about.

use super::{Str, Value, amf0};
use crate::field::Reader;

/// How a writer writes what AMF 0 has one way for. The default is the specification's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// The first string, which is the message's name.
    pub(super) message_name: Text,
    /// The names of properties.
    pub(super) names: Text,
    /// The other strings that are values.
    pub(super) strings: Text,
    pub(super) number: NumberForm,
    pub(super) end: End,
    /// Dates have no time zone.
    pub(super) no_zone: bool,
    /// How many bytes the count of an ECMA array has; four if it is as the specification has it.
    pub(super) count: Count,
    /// Values of one marker are written under another: the marker, and the one that is meant.
    pub(super) marker: Option<(u8, u8)>,
    /// Numbers have no marker.
    pub(super) bare_numbers: bool,
    /// Null has the marker of numbers, and nothing after it.
    pub(super) null_as_number: bool,
    /// Booleans take so many bytes more than one.
    pub(super) boolean_padding: u8,
    /// Booleans have the marker of numbers, and one byte.
    pub(super) boolean_as_number: bool,
    /// The first number, which is a command's transaction id; None if it is as the others.
    pub(super) transaction_id: Option<NumberForm>,
}

/// How many bytes the count of an ECMA array has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub u8);

impl Default for Count {
    fn default() -> Count {
        Count(4)
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// A property's name begins with a string's marker, 02.
    pub marker: bool,
    pub length: Length,
    /// A NUL follows that the length does not count.
    pub nul: bool,
    /// It is in UTF-16.
    pub utf16: Option<ByteOrder>,
}

/// Which byte of two comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The high one.
    HighFirst,
    /// The low one.
    LowFirst,
}

impl Text {
    /// How an empty one is written.
    pub fn empty(self) -> Vec<u8> {
        let width = match self.length {
            Length::U8 => 1,
            Length::U32 | Length::U32LowFirst => 4,
            _ => 2,
        };
        let mut bytes = vec![2; usize::from(self.marker)];
        bytes.resize(bytes.len() + width + usize::from(self.nul), 0);
        bytes
    }
}

/// The length of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// Two bytes, high byte first (AMF0 1.3.1).
    #[default]
    U16,
    /// Two bytes, low byte first.
    U16LowFirst,
    /// One byte.
    U8,
    /// Four bytes.
    U32,
    /// Four bytes, low byte first.
    U32LowFirst,
    /// Two bytes, the number of characters.
    Characters,
    /// Two bytes, and its own two counted.
    WithItself,
    /// Two bytes, one too many.
    OneMore,
    /// Two bytes, one too few.
    OneLess,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberForm {
    /// A double, high byte first (AMF0 2.2).
    #[default]
    Double,
    /// A double, low byte first.
    DoubleLowFirst,
    /// A float of four bytes, high byte first.
    Float,
    /// The same, low byte first.
    FloatLowFirst,
    /// An integer of four bytes, high byte first.
    Integer,
    /// The same, low byte first.
    IntegerLowFirst,
    /// An integer of eight bytes, high byte first.
    Long,
    /// The same, low byte first.
    LongLowFirst,
    /// A double of which the two halves of four bytes are in each other's place.
    HalvesExchanged,
}

/// How the end of an object's properties is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// An empty name, then 09 (AMF0 2.11).
    #[default]
    Marker,
    /// 09 without the empty name.
    Only09,
    /// The empty name without 09.
    OnlyName,
    /// One zero in place of the empty name, then 09.
    OneZero,
    /// An empty name, then this byte in place of 09.
    Other(u8),
    /// Not always: the next value may follow the last property.
    None,
}

/// Which texts a mistake is made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// The message's name, which is the first string.
    MessageName,
    /// The strings that are values, the message's name among them.
    Strings,
    /// The strings that are values, without the message's name.
    Values,
    /// The names of properties.
    Names,
    /// All.
    All,
}

impl Texts {
    const EACH: [Texts; 5] = [Texts::MessageName, Texts::Strings, Texts::Values, Texts::Names, Texts::All];

    /// Which of the message's name, the other strings, and the names of properties.
    fn of(self) -> [bool; 3] {
        match self {
            Texts::MessageName => [true, false, false],
            Texts::Strings => [true, true, false],
            Texts::Values => [false, true, false],
            Texts::Names => [false, false, true],
            Texts::All => [true; 3],
        }
    }

    /// Whether all of these are among `others`.
    fn are_among(self, others: Texts) -> bool {
        self.of().into_iter().zip(others.of()).all(|(this, other)| other || !this)
    }

    /// Whether some of these are among `others`.
    fn meet(self, others: Texts) -> bool {
        self.of().into_iter().zip(others.of()).any(|(this, other)| this && other)
    }
}

/// A mistake of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The length of a text is written in another way.
    Length(Texts, Length),
    /// A NUL that is not counted follows each text.
    NulAfter(Texts),
    /// Names begin with the marker of strings.
    NameMarker,
    /// Numbers are written in another way.
    Number(NumberForm),
    /// Objects end in another way.
    End(End),
    /// Dates lack the time zone.
    NoZone,
    /// The count of ECMA arrays has so many bytes, not four.
    CountWidth(u8),
    /// Values have the first marker where the second is meant.
    Marker(u8, u8),
    /// Numbers lack their marker.
    BareNumbers,
    /// Null is written as the marker of numbers alone.
    NullAsNumber,
    /// Booleans are this many bytes long.
    BooleanWidth(u8),
    /// Booleans have the marker of numbers before their one byte.
    BooleanAsNumber,
    /// The transaction id is written in another way, and no other number.
    TransactionId(NumberForm),
    /// Texts are in UTF-16.
    Utf16(Texts, ByteOrder),
    /// All of the body went through a text in UTF-8: each byte from 80 on became two.
    ThroughText,
}

/// The mistakes that are tried, those that writers make most often first.
fn mistakes() -> impl Iterator<Item = Mistake> {
    use Mistake as M;
    const LENGTHS: [Length; 8] = [
        Length::U16LowFirst,
        Length::U32,
        Length::U8,
        Length::Characters,
        Length::U32LowFirst,
        Length::WithItself,
        Length::OneMore,
        Length::OneLess,
    ];
    const NUMBERS: [NumberForm; 8] = [
        NumberForm::DoubleLowFirst,
        NumberForm::Float,
        NumberForm::FloatLowFirst,
        NumberForm::Integer,
        NumberForm::IntegerLowFirst,
        NumberForm::Long,
        NumberForm::LongLowFirst,
        NumberForm::HalvesExchanged,
    ];
    // A long string as a string and the other way round, and each kind of object as another.
    const MARKERS: [(u8, u8); 5] = [(0x0c, 0x02), (0x02, 0x0c), (0x0a, 0x08), (0x03, 0x08), (0x08, 0x03)];
    let lengths = LENGTHS.into_iter().flat_map(|length| Texts::EACH.map(|texts| M::Length(texts, length)));
    lengths
        .chain(Texts::EACH.map(M::NulAfter))
        .chain([M::NameMarker, M::NoZone, M::ThroughText, M::BareNumbers, M::NullAsNumber])
        .chain([0, 1, 2, 8].map(M::CountWidth))
        .chain(MARKERS.map(|(written, meant)| M::Marker(written, meant)))
        .chain(NUMBERS.map(M::Number))
        .chain([End::Only09, End::OnlyName, End::OneZero, End::None].map(M::End))
        .chain([0x08, 0x0a, 0x03, 0x00].map(|marker| M::End(End::Other(marker))))
        .chain([2, 4, 8].map(M::BooleanWidth))
        .chain([M::BooleanAsNumber])
        .chain(NUMBERS.map(M::TransactionId))
        .chain([ByteOrder::HighFirst, ByteOrder::LowFirst].into_iter().flat_map(utf16))
}

fn utf16(order: ByteOrder) -> [Mistake; 3] {
    [Texts::All, Texts::Strings, Texts::Values].map(|texts| Mistake::Utf16(texts, order))
}

impl Mistake {
    /// What it makes of a writer.
    fn applied_to(self, mut writer: Writer) -> Writer {
        let texts = |writer: &mut Writer, which: Texts, change: &dyn Fn(&mut Text)| {
            let all = [&mut writer.message_name, &mut writer.strings, &mut writer.names];
            all.into_iter().zip(which.of()).filter(|(_, is)| *is).for_each(|(text, _)| change(text));
        };
        match self {
            Mistake::Length(which, length) => texts(&mut writer, which, &|text| text.length = length),
            Mistake::NulAfter(which) => texts(&mut writer, which, &|text| text.nul = true),
            Mistake::NameMarker => writer.names.marker = true,
            Mistake::Number(form) => writer.number = form,
            Mistake::End(end) => writer.end = end,
            Mistake::NoZone => writer.no_zone = true,
            Mistake::CountWidth(width) => writer.count = Count(width),
            Mistake::Marker(written, meant) => writer.marker = Some((written, meant)),
            Mistake::BareNumbers => writer.bare_numbers = true,
            Mistake::NullAsNumber => writer.null_as_number = true,
            Mistake::BooleanWidth(width) => writer.boolean_padding = width - 1,
            Mistake::BooleanAsNumber => writer.boolean_as_number = true,
            Mistake::TransactionId(form) => writer.transaction_id = Some(form),
            Mistake::Utf16(which, order) => texts(&mut writer, which, &|text| text.utf16 = Some(order)),
            Mistake::ThroughText => {}
        }
        writer
    }

    /// Whether numbers are as long as they should be, and say something else.
    fn is_of_doubles(&self) -> bool {
        use NumberForm::{DoubleLowFirst, HalvesExchanged, Long, LongLowFirst};
        matches!(self, Mistake::Number(DoubleLowFirst | HalvesExchanged | Long | LongLowFirst))
    }

    /// Whether two mistakes are about the same thing, so that they cannot be made together.
    fn excludes(self, other: Mistake) -> bool {
        match (self, other) {
            (Mistake::Length(a, _), Mistake::Length(b, _)) | (Mistake::NulAfter(a), Mistake::NulAfter(b)) => a.meet(b),
            // A long string is a string with another length.
            (Mistake::Marker(..), Mistake::Length(..)) | (Mistake::Length(..), Mistake::Marker(..)) => true,
            _ => std::mem::discriminant(&self) == std::mem::discriminant(&other),
        }
    }
}

/// Longer bodies are not tried with two mistakes.
const LONGEST_FOR_TWO: usize = 1024;
/// So many bytes are read by one [`Explainer`], in all readings together.
const ALLOWANCE: usize = 8 << 20;

/// Finds the mistakes in the bodies of one session. What it reads is bounded: after that, no body is explained.
#[derive(Debug)]
pub struct Explainer {
    /// How many bytes may still be read.
    left: usize,
}

impl Default for Explainer {
    fn default() -> Self {
        Explainer { left: ALLOWANCE }
    }
}

impl Explainer {
    /// The mistakes that explain a body each by itself, the one that makes the plainest values of it first; if none does,
    /// the first two that do together. Empty if the body makes sense as it is, or nothing explains it. `bytes` are the
    /// values, without a format byte.
    pub fn explain(&mut self, bytes: &[u8]) -> Vec<Vec<Mistake>> {
        if read(bytes, Writer::default()).digits.is_some() {
            return Vec::new();
        }
        let text = through_text(bytes);
        // Where most numbers are plain ones, the others are odd, and not written in another form.
        let has_plain_numbers = has_plain_numbers(bytes);
        let is_tried = |mistake: &Mistake| !has_plain_numbers || !mistake.is_of_doubles();
        let mut found: Vec<(u32, Vec<Mistake>)> = Vec::new();
        for mistake in mistakes().filter(is_tried) {
            // Made in more texts, or in fewer, it is no other explanation.
            if !found.iter().any(|(_, known)| is_part(known[0], mistake) || is_part(mistake, known[0]))
                && let Some(digits) = self.digits(bytes, text.as_deref(), &[mistake])
            {
                // Where a marker may be left out or stand for two things, much reads to its end.
                let is_loose = matches!(mistake, Mistake::BareNumbers | Mistake::NullAsNumber);
                let digits = digits + if is_loose { MARGIN + 1 } else { 0 };
                found.push((digits, vec![mistake]));
            }
        }
        if found.is_empty() && bytes.len() <= LONGEST_FOR_TWO {
            let all: Vec<Mistake> = mistakes().filter(is_tried).collect();
            let pairs = all.iter().enumerate().flat_map(|(at, one)| all[at + 1..].iter().map(|two| [*one, *two]));
            let two = pairs
                .filter(|[one, two]| !one.excludes(*two))
                .find_map(|pair| Some((self.digits(bytes, text.as_deref(), &pair)?, Vec::from(pair))));
            found.extend(two);
        }
        if self.left == 0 {
            // A rival may be among what was not tried.
            return Vec::new();
        }
        found.sort_by_key(|(digits, _)| *digits);
        let plainest = found.first().map_or(0, |(digits, _)| *digits);
        found.into_iter().take_while(|(digits, _)| *digits <= plainest + MARGIN).map(|(_, mistakes)| mistakes).collect()
    }

    /// How many digits the numbers of a body have if these mistakes explain it. `text` is the body before it went
    /// through a text.
    fn digits(&mut self, bytes: &[u8], text: Option<&[u8]>, mistakes: &[Mistake]) -> Option<u32> {
        let bytes = if mistakes.contains(&Mistake::ThroughText) { text? } else { bytes };
        if self.left == 0 {
            return None;
        }
        let writer = mistakes.iter().fold(Writer::default(), |writer, mistake| mistake.applied_to(writer));
        let reading = read(bytes, writer);
        // A reading that ends at once costs something too.
        let cost = reading.len + 16;
        crate::steps::count(cost);
        self.left = self.left.saturating_sub(cost);
        reading.digits
    }
}

/// A reading whose numbers have so many digits more than another's is no rival of it: the right byte order and width
/// make `1` and `4071` of what another makes `61503` and `13545280`.
const MARGIN: u32 = 3;

/// Whether a mistake is the same as another, in some of its texts.
fn is_part(mistake: Mistake, whole: Mistake) -> bool {
    match (mistake, whole) {
        (Mistake::Length(some, one), Mistake::Length(all, other)) => one == other && some.are_among(all),
        (Mistake::NulAfter(some), Mistake::NulAfter(all)) => some.are_among(all),
        (Mistake::Utf16(some, one), Mistake::Utf16(all, other)) => one == other && some.are_among(all),
        (Mistake::TransactionId(one), Mistake::Number(other)) => one == other,
        _ => false,
    }
}

/// The bytes before they went through a text in UTF-8, if they can have.
fn through_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

/// A body, read as a writer's.
struct Reading {
    /// How many digits its numbers have, if it reads to its end and says something that somebody could mean.
    digits: Option<u32>,
    /// How many bytes were read, up to the first defect.
    len: usize,
}

fn read(bytes: &[u8], writer: Writer) -> Reading {
    let values = amf0::values_of(writer, &mut Reader::new(bytes, &mut ()));
    if let Some(defect) = values.defects.first() {
        return Reading { digits: None, len: bytes.len().min(defect.offset as usize) };
    }
    let has_name = matches!(values.values.first(), Some(Value::String(name)) if is_text(*name, writer.message_name) && !name.0.is_empty());
    let is_message = values.values.len() > 1 && has_name;
    let digits = || values.values.iter().skip(1).map(|value| digits_of(value, writer)).sum::<Option<u32>>();
    // After its number a command has an object, or null (RTMP 1.0 7.2).
    let is_odd = matches!(values.values.get(1..3), Some([Value::Number(_), Value::Number(_) | Value::String(_)]))
        || matches!(values.values.get(1), Some(Value::Null | Value::Boolean(_)));
    let digits = || Some(digits()? + if is_odd { 3 * MARGIN } else { 0 });
    Reading { digits: if is_message { digits() } else { None }, len: bytes.len() }
}

/// Whether a body reads to its end as it is, and at least half of its numbers but 0 are such as somebody may mean.
fn has_plain_numbers(bytes: &[u8]) -> bool {
    let values = amf0::values_of(Writer::default(), &mut Reader::new(bytes, &mut ()));
    let mut numbers = Vec::new();
    values.values.iter().for_each(|value| numbers_of(value, &mut numbers));
    let plain = numbers.iter().filter(|number| is_sensible(**number)).count();
    values.defects.is_empty() && plain > 0 && plain * 2 >= numbers.len()
}

fn numbers_of(value: &Value<'_>, all: &mut Vec<f64>) {
    match value {
        Value::Number(number) if *number != 0.0 => all.push(*number),
        Value::StrictArray { items, .. } => items.iter().for_each(|item| numbers_of(item, all)),
        _ => value.properties().iter().flat_map(|list| &list.pairs).for_each(|(_, value)| numbers_of(value, all)),
    }
}

/// How many digits the numbers in a value have; None if nobody means such a value.
fn digits_of(value: &Value<'_>, writer: Writer) -> Option<u32> {
    match value {
        Value::Number(number) => {
            is_sensible(*number).then(|| number.to_string().bytes().filter(u8::is_ascii_digit).count() as u32)
        }
        Value::String(text) => is_text(*text, writer.strings).then_some(0),
        Value::LongString(text) => is_text(*text, Text::default()).then_some(0),
        Value::Date { millis, .. } => (*millis == 0.0 || (1.0..1e15).contains(&millis.abs())).then_some(0),
        Value::StrictArray { items, .. } => items.iter().map(|item| digits_of(item, writer)).sum(),
        Value::ObjectEnd | Value::Undecoded { .. } | Value::Reference { .. } => None,
        _ => match value.properties() {
            None => Some(0),
            Some(properties) => {
                let is_named = |name: &Str<'_>| is_text(*name, writer.names) && !name.0.is_empty();
                let digits = |(name, value): &(Str<'_>, Value<'_>)| is_named(name).then(|| digits_of(value, writer))?;
                properties.pairs.iter().map(digits).sum()
            }
        },
    }
}

/// Whether somebody may mean a number.
pub(super) fn is_sensible(number: f64) -> bool {
    number == 0.0 || (1e-9..1e18).contains(&number.abs())
}

/// How many single values of a body, read as written with these mistakes, are those of another body that is right: the
/// same number, text or truth at the same place.
pub fn agreement(bytes: &[u8], mistakes: &[Mistake], right: &[u8]) -> usize {
    let text = through_text(bytes).filter(|_| mistakes.contains(&Mistake::ThroughText));
    let writer = mistakes.iter().fold(Writer::default(), |writer, mistake| mistake.applied_to(writer));
    let read = amf0::values_of(writer, &mut Reader::new(text.as_deref().unwrap_or(bytes), &mut ()));
    let right = amf0::values_of(Writer::default(), &mut Reader::new(right, &mut ()));
    read.values.iter().zip(&right.values).map(|(one, other)| same_leaves(one, other)).sum()
}

fn same_leaves(one: &Value<'_>, other: &Value<'_>) -> usize {
    match (one.properties(), other.properties()) {
        (Some(one), Some(other)) => {
            let leaves = one.pairs.iter().filter_map(|(name, value)| Some(same_leaves(value, other.get(name.0)?)));
            leaves.sum()
        }
        (None, None) => usize::from(one == other && !matches!(one, Value::Null | Value::Undefined)),
        _ => 0,
    }
}

/// Whether a text, written so, has nothing in it that is no text.
fn is_text(text: Str<'_>, form: Text) -> bool {
    let is_plain = |character: char| !character.is_control() || matches!(character, '\t' | '\n' | '\r');
    let Some(order) = form.utf16 else {
        return std::str::from_utf8(text.0).is_ok_and(|text| text.chars().all(is_plain));
    };
    let unit = |pair: &[u8; 2]| match order {
        ByteOrder::HighFirst => u16::from_be_bytes(*pair),
        ByteOrder::LowFirst => u16::from_le_bytes(*pair),
    };
    let (pairs, rest) = text.0.as_chunks::<2>();
    // Names and URLs are in Latin letters.
    let is_latin = |character: char| u32::from(character) < 0x250 && is_plain(character);
    rest.is_empty() && char::decode_utf16(pairs.iter().map(unit)).all(|character| character.is_ok_and(is_latin))
}

/// Whether the properties of an object that has no end may continue here: with a name, and a marker after it.
pub(super) fn may_be_property(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return false };
    let length = usize::from(u16::from_be_bytes(*length));
    length > 0
        && rest.get(length).is_some_and(|&marker| marker <= 0x12)
        && rest[..length].iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

#[cfg(test)]
mod tests;
