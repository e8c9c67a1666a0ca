use super::*;

fn explain(bytes: &[u8]) -> Vec<Vec<Mistake>> {
    Explainer::default().explain(bytes)
}

/// `connect`, 1, { app: live, tcUrl: …, audioCodecs: 4071, fpad: false }, as a writer with mistakes writes it.
/// Written here anew, from the specification, so that reader and writer are not one.
struct Out {
    bytes: Vec<u8>,
    name: fn(&str) -> Vec<u8>,
    string: fn(&str) -> Vec<u8>,
    number: fn(f64) -> Vec<u8>,
    end: &'static [u8],
    boolean: &'static [u8],
}

fn length(text: &str) -> [u8; 2] {
    (text.len() as u16).to_be_bytes()
}

fn plain(text: &str) -> Vec<u8> {
    [&length(text)[..], text.as_bytes()].concat()
}

fn out() -> Out {
    Out {
        bytes: Vec::new(),
        name: plain,
        string: plain,
        number: |n| n.to_be_bytes().to_vec(),
        end: &[0, 0, 9],
        boolean: &[0],
    }
}

impl Out {
    fn string(&mut self, text: &str) {
        self.bytes.push(2);
        self.bytes.extend((self.string)(text));
    }

    fn number(&mut self, number: f64) {
        self.bytes.push(0);
        self.bytes.extend((self.number)(number));
    }

    fn connect(mut self) -> Vec<u8> {
        self.string("connect");
        self.number(1.0);
        self.bytes.push(3);
        for (name, text) in [("app", "live"), ("flashVer", "Übung 1"), ("tcUrl", "rtmp://192.0.2.1/live")] {
            self.bytes.extend((self.name)(name));
            self.string(text);
        }
        self.bytes.extend((self.name)("audioCodecs"));
        self.number(4071.0);
        self.bytes.extend((self.name)("fpad"));
        self.bytes.push(1);
        self.bytes.extend(self.boolean);
        self.bytes.extend(self.end);
        self.bytes.push(5);
        self.bytes
    }
}

fn only(bytes: &[u8]) -> Mistake {
    let found = explain(bytes);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].len(), 1, "{found:?}");
    found[0][0]
}

#[test]
fn a_sound_body_needs_no_mistake() {
    assert_eq!(explain(&out().connect()), Vec::<Vec<Mistake>>::new());
}

#[test]
fn each_mistake_is_the_only_one_that_explains_what_it_wrote() {
    use Mistake as M;
    let low_first: fn(&str) -> Vec<u8> = |text| [&(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
    let wide: fn(&str) -> Vec<u8> = |text| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    let narrow: fn(&str) -> Vec<u8> = |text| [&[text.len() as u8][..], text.as_bytes()].concat();
    let nul: fn(&str) -> Vec<u8> = |text| [&length(text)[..], text.as_bytes(), &[0]].concat();
    let marked: fn(&str) -> Vec<u8> = |text| [&[2][..], &length(text)[..], text.as_bytes()].concat();
    let counted: fn(&str) -> Vec<u8> = |text| {
        let length = (text.chars().count() as u16).to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    };
    let itself: fn(&str) -> Vec<u8> = |text| [&(text.len() as u16 + 2).to_be_bytes()[..], text.as_bytes()].concat();
    let utf16: fn(&str) -> Vec<u8> = |text| {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()
    };
    let cases: Vec<(Out, Mistake)> = vec![
        (Out { name: low_first, string: low_first, ..out() }, M::Length(Texts::All, Length::U16LowFirst)),
        (Out { name: low_first, ..out() }, M::Length(Texts::Names, Length::U16LowFirst)),
        (Out { string: wide, ..out() }, M::Length(Texts::Strings, Length::U32)),
        (Out { name: narrow, ..out() }, M::Length(Texts::Names, Length::U8)),
        // The names have no character of two bytes, so nothing says how their lengths are counted.
        (Out { string: counted, ..out() }, M::Length(Texts::Strings, Length::Characters)),
        (Out { name: itself, string: itself, ..out() }, M::Length(Texts::All, Length::WithItself)),
        (Out { string: nul, ..out() }, M::NulAfter(Texts::Strings)),
        (Out { name: nul, string: nul, ..out() }, M::NulAfter(Texts::All)),
        (Out { name: marked, ..out() }, M::NameMarker),
        (Out { name: marked, end: &[2, 0, 0, 9], ..out() }, M::NameMarker),
        (Out { number: |n| n.to_le_bytes().to_vec(), ..out() }, M::Number(NumberForm::DoubleLowFirst)),
        (Out { number: |n| (n as f32).to_be_bytes().to_vec(), ..out() }, M::Number(NumberForm::Float)),
        (Out { number: |n| (n as i32).to_be_bytes().to_vec(), ..out() }, M::Number(NumberForm::Integer)),
        (Out { number: |n| (n as i64).to_le_bytes().to_vec(), ..out() }, M::Number(NumberForm::LongLowFirst)),
        (
            Out { number: |n| n.to_bits().rotate_left(32).to_be_bytes().to_vec(), ..out() },
            M::Number(NumberForm::HalvesExchanged),
        ),
        (Out { end: &[0, 9], ..out() }, M::End(End::OneZero)),
        (Out { end: &[0, 0, 8], ..out() }, M::End(End::Other(8))),
        (Out { end: &[9], ..out() }, M::End(End::Only09)),
        (Out { end: &[0, 0], ..out() }, M::End(End::OnlyName)),
        (Out { end: &[], ..out() }, M::End(End::None)),
        (Out { boolean: &[0, 0, 0, 1], ..out() }, M::BooleanWidth(4)),
        (Out { string: utf16, ..out() }, M::Utf16(Texts::Strings, ByteOrder::HighFirst)),
        (Out { name: utf16, string: utf16, ..out() }, M::Utf16(Texts::All, ByteOrder::HighFirst)),
    ];
    for (written, mistake) in cases {
        assert_eq!(only(&written.connect()), mistake);
    }
    // The transaction id is the first number, after the name; `fpad` is the last value.
    let mut bytes = out().connect();
    bytes.splice(11..19, [0, 0, 0, 1]);
    assert_eq!(only(&bytes), M::TransactionId(NumberForm::Integer));
    let mut bytes = out().connect();
    let fpad = bytes.windows(6).position(|window| window == b"fpad\x01\x00").expect("it has one");
    bytes[fpad + 4] = 0;
    assert_eq!(only(&bytes), M::BooleanAsNumber);
    // Metadata: one marker, or the count, is another.
    let pairs = |numbers: &[u8]| {
        let pair = |name: &str, value: f64| [&plain(name)[..], numbers, &value.to_be_bytes()].concat();
        [pair("width", 640.0), pair("framerate", 29.97), plain("encoder"), vec![2], plain("x264")].concat()
    };
    let data = |marker: u8, count: &[u8], numbers: &[u8]| {
        [&b"\x02\x00\x0aonMetaData"[..], &[marker], count, &pairs(numbers), &[0, 0, 9]].concat()
    };
    assert_eq!(explain(&data(8, &[0, 0, 0, 3], &[0])), Vec::<Vec<Mistake>>::new());
    assert_eq!(only(&data(8, &[0, 3], &[0])), M::CountWidth(2));
    assert_eq!(only(&data(8, &[0, 0, 0, 3], &[])), M::BareNumbers);
    assert_eq!(only(&data(10, &[0, 0, 0, 3], &[0])), M::Marker(10, 8));
    // A command whose null is the marker of numbers alone.
    let release = [&b"\x02\x00\x0dreleaseStream"[..], &[0], &2_f64.to_be_bytes(), &[0, 2], &plain("cam1")].concat();
    assert_eq!(only(&release), M::NullAsNumber);
    // 3f f0 became 3f c3 b0.
    let text: String = out().connect().iter().map(|&byte| char::from(byte)).collect();
    assert_eq!(only(text.as_bytes()), M::ThroughText);
}

/// A body may hold numbers that nobody means, among those that somebody does.
#[test]
fn odd_numbers_among_plain_ones_are_no_other_form() {
    for odd in [f64::NAN, f64::INFINITY, 5e-324, -1e300, f64::from_bits(0x0102_0304_0506_0708)] {
        let mut bytes = [&b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x03"[..]].concat();
        for (name, value) in [("width", 640.0), ("framerate", 29.97), ("odd", odd)] {
            bytes.extend([&plain(name)[..], &[0], &f64::to_be_bytes(value)].concat());
        }
        bytes.extend([0, 0, 9]);
        assert_eq!(explain(&bytes), Vec::<Vec<Mistake>>::new(), "{odd}");
    }
}

#[test]
fn two_mistakes_are_found_together() {
    let written = Out { number: |n| (n as f32).to_be_bytes().to_vec(), end: &[9], ..out() };
    let found = explain(&written.connect());
    assert_eq!(found, [vec![Mistake::Number(NumberForm::Float), Mistake::End(End::Only09)]]);
}

#[test]
fn noise_is_explained_by_nothing() {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for _ in 0..300 {
        // It begins as a command does, and is noise after that.
        let mut bytes = b"\x02\x00\x07connect".to_vec();
        bytes.extend((0..60).map(|_| byte()));
        assert_eq!(explain(&bytes), Vec::<Vec<Mistake>>::new(), "{bytes:x?}");
    }
}
