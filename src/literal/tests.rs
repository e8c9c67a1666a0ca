use proptest::prelude::*;

use super::*;

/// Each language's escapes, followed by what could be read as part of them.
const TRICKY: [&[u8]; 12] = [
    b"",
    b"play",
    b"\x000\x01a\x7ff",
    b"\xffff\xe9\xc3\xa9",
    b"a\"b'c`d\\e",
    b"??=??/???!",
    b"${x} $y $ {z} \\(a)",
    b"%s%n%%",
    b"\r\n\t\x0b\x0c\x08\x07\x1b",
    b"'''\"\"\"",
    b"#\"#",
    b"\\x41\\101\\u0041",
];

#[test]
fn what_is_written_reads_back() {
    let all: Vec<u8> = (0..=255).collect();
    for bytes in TRICKY.iter().copied().chain([&all[..]]) {
        for form in Form::ALL {
            let text = write(bytes, form);
            assert_eq!(read_as(&text, form).as_deref(), Ok(bytes), "{form:?} {text}");
        }
    }
}

#[test]
fn each_form_of_a_word() {
    let expected = [
        (Form::Hex, "70 6c 61 79"),
        (Form::Base64, "cGxheQ=="),
        (Form::C, "\"play\""),
        (Form::Rust, "b\"play\""),
        (Form::Python, "b'play'"),
        (Form::Go, "[]byte(\"play\")"),
        (Form::JavaScript, "new TextEncoder().encode(\"play\")"),
        (Form::Swift, "Array(\"play\".utf8)"),
        (Form::Kotlin, "\"play\".toByteArray()"),
    ];
    for (form, text) in expected {
        assert_eq!(write(b"play", form), text);
        assert_eq!(read(text).as_deref(), Ok(&b"play"[..]), "{text}");
    }
}

#[test]
fn hexadecimal_in_every_dress() {
    for text in [
        "706c6179",
        "70 6C 61 79",
        "70:6c:61:79",
        "70-6c-61-79",
        "0x706c6179",
        "0x70 0x6c 0x61 0x79",
        "0x70, 0x6c, 0x61, 0x79",
        "\\x70\\x6c\\x61\\x79",
        "70 6c\n61 79\n",
        "706c 6179",
        "h'706c6179'",
        "bytes.fromhex('70 6c 61 79')",
        "hex!(\"706c6179\")",
        "base64.b64decode('cGxheQ==')",
        "base64.StdEncoding.DecodeString(\"cGxheQ==\")",
        "cGxheQ",
    ] {
        assert_eq!(read(text).as_deref(), Ok(&b"play"[..]), "{text}");
    }
}

#[test]
fn arrays_of_every_language() {
    let bytes = [0x70, 0, 0xff];
    for text in [
        "{0x70, 0, 0xff}",
        "{0x70,0x00,0xff};",
        "static const uint8_t x[3] = {\n  0x70, /* p */\n  0x00, // zero\n  255,\n};",
        "(const unsigned char[]){0x70, 0x00, 0xff}",
        "[0x70, 0x00, 0xff]",
        "vec![0x70u8, 0, 255]",
        "let x: [u8; 3] = [b'p', 0, 255];",
        "[]byte{0x70, 0, 0xff}",
        "new Uint8Array([112, 0, 255])",
        "bytes([112, 0, 255])",
        "[0x70, 0, 0xff] as [UInt8]",
        "byteArrayOf(0x70, 0, 0xff.toByte())",
        "byteArrayOf(112, 0, -1)",
        "new byte[] {0x70, 0, (byte)0xff}",
    ] {
        assert_eq!(read(text).as_deref(), Ok(&bytes[..]), "{text}");
    }
}

#[test]
fn strings_as_their_languages_read_them() {
    for (text, form, bytes) in [
        ("\"\\0011\"", Form::C, &b"\x011"[..]),
        ("\"\\x41\" \"b\"", Form::C, b"Ab"),
        ("\"\\u00e9\"", Form::C, b"\xc3\xa9"),
        ("b\"\\01\"", Form::Rust, b"\x001"),
        ("br#\"a\"b\\\"#", Form::Rust, b"a\"b\\"),
        ("b\"a\\\n   b\"", Form::Rust, b"ab"),
        ("b'\\01'", Form::Python, b"\x01"),
        ("b'\\d'", Form::Python, b"\\d"),
        ("rb'\\x41'", Form::Python, b"\\x41"),
        ("b'a' b\"b\"", Form::Python, b"ab"),
        ("b'''a'b'''", Form::Python, b"a'b"),
        ("[]byte(\"\\xff\\377\\u00e9\")", Form::Go, b"\xff\xff\xc3\xa9"),
        ("[]byte(`a\\n`)", Form::Go, b"a\\n"),
        ("'\\xe9\\u{1f600}\\ud83d\\ude00'", Form::JavaScript, "é😀😀".as_bytes()),
        ("Array(\"\\u{e9}\\0\".utf8)", Form::Swift, b"\xc3\xa9\0"),
        ("#\"a\\n\"#", Form::Swift, b"a\\n"),
        ("\"\\u00e9\\$x\".toByteArray()", Form::Kotlin, b"\xc3\xa9$x"),
    ] {
        assert_eq!(read_as(text, form).as_deref(), Ok(bytes), "{text}");
    }
}

/// What two languages read differently is not guessed.
#[test]
fn an_ambiguous_literal_is_said_to_be_one() {
    for text in ["b\"\\01\"", "\"\\xe9\""] {
        assert!(matches!(read(text), Err(Error::Ambiguous(..))), "{text}: {:?}", read(text));
    }
    // The words around it, or its quotation marks, are of one language.
    assert_eq!(read("[]byte(\"\\xe9\")").as_deref(), Ok(&b"\xe9"[..]));
    assert_eq!(read("const char x[] = \"\\xe9\";").as_deref(), Ok(&b"\xe9"[..]));
    assert_eq!(read("new TextEncoder().encode(\"\\xe9\")").as_deref(), Ok("é".as_bytes()));
    assert_eq!(read("b'\\01'").as_deref(), Ok(&b"\x01"[..]));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, words) in [
        ("", "the text is empty"),
        ("70 6c 6 79", "at character 8"),
        ("70 6c 61 7", "one at the end"),
        ("70 6c 61 7g", "'g' is not a digit"),
        ("b'abc", "does not end"),
        ("\"${x}\".toByteArray()", ""),
        ("[1, 2, 256]", "'256' is not a byte"),
        ("[010, 1]", "'010' is not a byte"),
        ("hello, world", "not hexadecimal, base64"),
        ("????", "not hexadecimal, base64"),
    ] {
        let error = read(text).map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|error| error.contains(words)) || words.is_empty(), "{text}: {error:?}");
    }
    assert!(read_as("\"${x}\"", Form::Kotlin).is_err());
    assert!(read_as("\"\\(x)\"", Form::Swift).is_err());
    assert!(read_as("`${x}`", Form::JavaScript).is_err());
}

proptest! {
    #[test]
    fn any_bytes_read_back(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for form in Form::ALL {
            prop_assert_eq!(read_as(&write(&bytes, form), form), Ok(bytes.clone()));
        }
    }

    #[test]
    fn no_text_is_a_surprise(text in "[\\PC\\n\"'`\\\\$#b0x{}\\[\\](),]{0,40}") {
        let _ = read(&text);
        for form in Form::ALL {
            let _ = read_as(&text, form);
        }
    }
}
