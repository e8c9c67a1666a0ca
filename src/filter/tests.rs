//! The language as a whole, over a small vocabulary of its own.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn colour(number: u64) -> Option<&'static str> {
    ["Red", "Dark Green", "Blue"].get(usize::try_from(number).ok()?).copied()
}

crate::fields! {
    LAYER = "box", Group, "Box", "A layer.";
    SIZE = "box.size", Uint, "Size", "A number.";
    OTHER = "box.other", Int, "Other", "A signed number.";
    COLOUR = "box.header.colour", Hex, "Colour", "A number with names.", colour;
    RATIO = "box.ratio", Double, "Ratio", "A double.";
    OPEN = "box.open", Boolean, "Open", "True or false.";
    LABEL = "box.label", Text, "Label", "A text.";
    DATA = "box.data", Bytes, "Data", "Bytes.";
    FROM = "box.from", Address, "From", "An address.";
    AGE = "box.age", Seconds, "Age", "A time.";
    GONE = "box.gone", Uint, "Gone", "A number that is never there.";
}

struct Vocabulary;

impl Names for Vocabulary {
    fn field(&self, name: &str) -> Option<Type> {
        match FIELDS.iter().find(|def| def.name == name) {
            Some(def) => Some(Type::Of(def)),
            None => name.starts_with("any.").then_some(Type::Any),
        }
    }

    fn names(&self) -> Box<dyn Iterator<Item = &'static str> + '_> {
        Box::new(FIELDS.iter().map(|def| def.name))
    }
}

struct Message(Vec<(&'static str, Value, &'static [u8])>);

impl Fields for Message {
    fn each(&self, name: &str, each: &mut dyn FnMut(&Value, &[u8])) {
        self.0.iter().filter(|(field, ..)| *field == name).for_each(|(_, value, raw)| each(value, raw));
    }
}

fn message() -> Message {
    let text = |text: &str| Value::Text(text.to_owned());
    Message(vec![
        ("box", Value::None, b"\x05live"),
        ("box.size", Value::Uint(u64::MAX), &[255; 8]),
        ("box.other", Value::Int(-3), &[0xfd]),
        ("box.other", Value::Int(12), &[12]),
        ("box.header.colour", Value::Uint(1), &[1]),
        ("box.ratio", Value::Double(0.5), &[]),
        ("box.ratio", Value::Double(12.0), &[]),
        ("box.open", Value::Boolean(true), &[1]),
        ("box.label", text("live"), b"live"),
        ("box.label", text("Stream_1"), b"Stream_1"),
        ("box.data", Value::Bytes(vec![0, 1, 0xfe, 0xff]), &[0, 1, 0xfe, 0xff]),
        ("box.from", Value::Address(Ipv4Addr::new(10, 0, 0, 7).into()), &[10, 0, 0, 7]),
        ("box.age", Value::Seconds(2_500_000_000), &[]),
        ("any.number", Value::Double(7.0), &[]),
        ("any.mixed", text("7"), b"7"),
        ("any.mixed", Value::Boolean(false), &[]),
        ("any.nan", Value::Double(f64::NAN), &[]),
    ])
}

fn matches(text: &str) -> bool {
    match Filter::parse(text, &Vocabulary) {
        Ok(filter) => filter.matches(&message()),
        Err(error) => panic!("{}", error.render(text)),
    }
}

/// From the manual page wireshark-filter(4) and from what tshark 4.0.17 answers to the like.
#[test]
fn what_is_true_and_what_is_not() {
    let yes = r#"
        box
        box.label
        not box.gone
        .box.size
        box.size == 18446744073709551615
        box.size < 18446744073709551616
        box.size < 99999999999999999999999999999999999999999999999999
        box.size > -1
        box.size > 18446744073709549568.0
        box.other == -3
        box.other == 12
        box.other == 014
        box.other == 0xc
        box.other == 0b1100
        box.other == '\n' + 2
        box.other != 5
        box.other !== -3
        box.other ~= 12
        any box.other < 0
        not all box.other < 0
        all box.other < 12.5
        all box.other >= -3
        -5 < box.other < 0
        0 < box.other < 0
        0 < box.other
        box.header.colour == "Dark Green"
        box.header.colour == "dark green"
        box.header.colour < Blue
        box.header.colour in {"Red".."Blue"}
        box.ratio == 0.5
        box.ratio == 012
        box.ratio == box.other
        box.open == True
        box.open == 2
        box.open != 0
        box.label == "live"
        box.label == live
        box.label == "\x6c\151ve"
        box.label == r"live"
        box.label contains "tream"
        box.label contains 'S'
        box.label contains 1
        box.label matches "LIVE"
        box.label ~ "^stream_\\d$"
        box.label matches r"^stream_\d$"
        box.label matches "(?-i)^S"
        box.label != "dead"
        box.label > "a"
        box contains "live"
        box[0] == 05
        box.data == 00:01:fe:ff
        box.data == 0001feff
        box.data == 00.01-fe.ff
        box.data contains fe:ff
        box.data contains "\xff"
        box.data matches r"\xfe\xff$"
        box.data[0:2] == 00:01
        box.data[1-2] == 01:fe
        box.data[-1] == 0xff
        box.data[-2:] == fe:ff
        box.data[:3] == 00:01:fe
        box.data[0,3,-3--2] == 00:ff:01:fe
        box.data[2:] & 00:01
        box.data[2:] & 0f:0f == 0e:0f
        box.data[1:3][1] == fe
        box.label[0:4] == 6c:69:76:65
        box.label[0:4] == "live"
        box.from == 10.0.0.7
        box.from == 10.0.0.0/29
        box.from == 0.0.0.0/0
        box.from in {10.0.0.1..10.0.0.9}
        box.from > 10.0.0.6
        box.from[3] == 07
        box.from != ::1
        box.age > 2.4
        box.age == 2.5
        box.age in {2..3}
        box.age - 1 == 1.5
        box.other in {1, 10..20}
        box.other not in {1, 2}
        box.gone not in {1}
        box.label in {"dead", live}
        box.other & 4
        box.other + 1 == 13
        box.other == 2 * {3 + 3}
        box.other == 2 + 5 * 2
        box.other == 24 / 2
        box.other % 5 == 2
        box.ratio * 2 == 1
        -box.other == 3
        box.other + 3
        len(box.label) == 8
        len(box.size) == 8
        len(box) == 5
        count(box.other) == 2
        lower(box.label) == "stream_1"
        upper(box.label)[0:2] == "LI"
        string(box.other) == "12"
        string(box.from) matches "^10\\."
        max(box.other) == 12
        min(box.other, -9) == -9
        abs(box.other) == 3
        any.number == 7
        any.number > 6.5
        any.mixed == "7"
        any.mixed == False
        any.mixed == false
        any.number == box.ratio - 5
        any.nan != 1
        box and box.gone or box.size
        box or box.gone and box.gone
        box xor box.gone
        box.gone && box.gone ^^ box
        box or box xor box
        !box.gone && (box.size || box.gone)
        not not box
    "#;
    let no = r#"
        box.gone
        not box
        box.gone == 1
        box.gone != 1
        box.gone !== 1
        all box.gone == 1
        count(box.gone) == 0
        box.other == 3
        box.other === 12
        all box.other > 0
        box.other != 12
        any box.other > 12
        box.size < 0
        box.size == 18446744073709551615.0
        box.size == -1
        box.header.colour == Red
        box.open == 0
        box.label == "LIVE"
        box.label == "liv"
        box.label === "live"
        box.label contains ""
        box.label contains "LIVE"
        box.label matches "(?-i)LIVE"
        box.label matches "^ive"
        box.data[4] == ff
        box.data[3:2] == ff
        box.data[-5] == 00
        box.data[0:2] & 00:00
        box.data[0:2] & 01
        box.from == 10.0.1.0/24
        box.from == ::1
        box.from > 10.0.0.0/24
        box.age > 2.5
        box.other in {13..20, 5..1}
        box.other not in {12}
        box.other % 3 == 1
        box.other / 0 == 1
        any.number == "7"
        any.number == True
        any.number != "7"
        any.mixed == 7
        any.mixed == true
        any.absent == 1
        any.nan == any.nan
        any.nan < 1
        box xor box
        (box or box) and box.gone
        not box.gone and box.gone
    "#;
    let lines = |text: &'static str| text.lines().map(str::trim).filter(|line| !line.is_empty());
    for filter in lines(yes) {
        assert!(matches(filter), "{filter}");
    }
    for filter in lines(no) {
        assert!(!matches(filter), "{filter}");
    }
}

type Holds = fn(f64, f64) -> bool;

#[test]
fn two_fields_are_compared_value_by_value() {
    let values = [vec![], vec![1.0], vec![2.0], vec![1.0, 2.0], vec![2.0, 2.0], vec![f64::NAN], vec![f64::NAN, 1.0]];
    let relations: [(&str, Holds); 6] = [
        ("==", |a, b| a == b),
        ("!=", |a, b| a != b),
        ("<", |a, b| a < b),
        ("<=", |a, b| a <= b),
        (">", |a, b| a > b),
        (">=", |a, b| a >= b),
    ];
    for left in &values {
        for right in &values {
            let of =
                |name, values: &[f64]| values.iter().map(|v| (name, Value::Double(*v), &[][..])).collect::<Vec<_>>();
            let message = Message([of("box.ratio", left), of("any.ratio", right)].concat());
            let pairs = || left.iter().flat_map(|l| right.iter().map(move |r| (*l, *r)));
            for (sign, holds) in relations {
                let answer = |quantifier| {
                    let text = format!("{quantifier} box.ratio {sign} any.ratio");
                    Filter::parse(&text, &Vocabulary).expect("a filter").matches(&message)
                };
                assert_eq!(answer("any"), pairs().any(|(l, r)| holds(l, r)), "any {left:?} {sign} {right:?}");
                let all = pairs().next().is_some() && pairs().all(|(l, r)| holds(l, r));
                assert_eq!(answer("all"), all, "all {left:?} {sign} {right:?}");
            }
        }
    }
}

#[test]
fn the_fields_of_a_filter() {
    let filter = Filter::parse("box.size > 1 and .box.label == live or box.size == box.other", &Vocabulary);
    let fields: Vec<String> = filter.expect("a filter").fields().map(str::to_owned).collect();
    assert_eq!(fields, ["box.size", "box.label", "box.other"]);
}

#[test]
fn depth_is_bounded() {
    for text in [
        "(".repeat(100_000),
        "-".repeat(100_000),
        "box.size == ".to_owned() + &"{".repeat(100_000),
        "max(".repeat(100_000),
        "box.size".to_owned() + &" + 1".repeat(100_000),
        "box".to_owned() + &"[0]".repeat(100_000),
    ] {
        let error = Filter::parse(&text, &Vocabulary).err().expect("too deep");
        assert_eq!(error.message, "nested more than 100 levels deep");
    }
    assert!(matches(&("!".repeat(100_000) + "box")));
    assert!(matches(&("box".to_owned() + &" and box".repeat(10_000))));
    assert!(matches(&("(".repeat(100) + "box" + &")".repeat(100))));
}

const ERRORS: &str = include_str!("errors.txt");

/// Each case is a filter and what is rendered, with a blank line between the cases.
#[test]
fn mistakes_are_pointed_at() {
    let mut actual = Vec::new();
    for case in ERRORS.trim_end().split("\n\n") {
        let text = case.lines().next().expect("a filter");
        let rendered =
            Filter::parse(text, &Vocabulary).map_or_else(|error| error.render(text), |_| format!("{text}\nno error"));
        actual.push(rendered);
    }
    assert_eq!(actual.join("\n\n"), ERRORS.trim_end());
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}|[a-z.\\[\\]{}()\"'\\\\0-9x:/ =<>&~!-]{0,30}") {
        if let Err(error) = Filter::parse(&text, &Vocabulary) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{:?}", error.at);
            error.render(&text);
        }
    }

    #[test]
    fn no_tokens_panic(words in prop::collection::vec(prop::sample::select(vec![
        "box", "box.size", "box.label", "box.data", "box.from", "box.age", "box.open", "any.x", "1", "-1", "0x1f", "2.5", "\"a\"",
        "'a'", "10.0.0.0/8", "01:02", "True", "live", "==", "!=", "===", "<", ">=", "contains", "matches", "in", "not", "and", "or",
        "xor", "(", ")", "{", "}", ",", "..", "[0:2]", "[-1]", "[1-9,2]", "+", "-", "*", "/", "%", "&", "any", "all", "len(",
        "max(", "string(", "abs(", "count(",
    ]), 0..14)) {
        let text = words.join(" ");
        let first = Filter::parse(&text, &Vocabulary);
        let second = Filter::parse(&text, &Vocabulary);
        prop_assert_eq!(first.as_ref().err(), second.as_ref().err());
        if let (Ok(first), Ok(second)) = (&first, &second) {
            prop_assert_eq!(first.matches(&message()), second.matches(&message()));
        }
    }
}
