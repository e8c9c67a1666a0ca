//! AMF 3 on literal bytes.

use proptest::prelude::*;

use super::super::MAX_DEPTH;
use super::*;
use crate::field::Tree;

/// Decodes with and without a tree: the same values, and leaves that tile the bytes.
fn read(bytes: &[u8]) -> Values<'_> {
    let mut tree = Tree::default();
    let with_tree = values(&mut Reader::new(bytes, &mut tree));
    assert_eq!(tree.tiles(0..bytes.len()), Ok(()));
    let values = values(&mut Reader::new(bytes, &mut ()));
    assert_eq!(format!("{values:?}"), format!("{with_tree:?}"));
    values
}

fn json(bytes: &[u8]) -> String {
    serde_json::to_string(&read(bytes).values).unwrap()
}

fn codes(bytes: &[u8]) -> Vec<&'static str> {
    read(bytes).defects.iter().map(|defect| defect.code).collect()
}

/// The bytes are what Py3AMF 0.9.1 writes for the values (`pyamf.encode(…, encoding=AMF3)`).
#[test]
fn what_py3amf_writes() {
    for (hex, expected) in [
        ("00", r#"{"$undefined":true}"#),
        ("01", "null"),
        ("02", "false"),
        ("03", "true"),
        ("0400", "0"),
        ("04ffffffff", "-1"),
        ("04c0808000", "-268435456"),        // the smallest integer
        ("04bfffffff", "268435455"),         // the largest
        ("0541b0000000000000", "268435456"), // one more is a double
        ("053ff8000000000000", "1.5"),
        ("080142774876e8000000", r#"{"$date":1600000000000}"#), // 2020-09-13 12:26:40
        ("0907010401040206 0378", r#"[1,2,"x"]"#),
        ("0a0b01036104010362060001", r#"{"a":1,"b":"a"}"#), // the value of b refers to the name a
        ("0905036b0603760104010402", r#"{"$array":[1,2],"properties":{"k":"v"}}"#),
        ("0c070102ff", r#"{"$byte_array":"0102ff"}"#),
        // test.D with a sealed member x and a dynamic one.
        ("0a1b0d746573742e44037804010b657874726106036501", r#"{"$typed":"test.D","properties":{"x":1,"extra":"e"}}"#),
        ("0b113c613e623c2f613e", r#"{"$xml":"<a>b</a>"}"#),
        (
            "0a0743666c65782e6d6573736167696e672e696f2e4172726179436f6c6c656374696f6e09050104010402",
            r#"{"$externalizable":"flex.messaging.io.ArrayCollection","value":[1,2]}"#,
        ),
        // [p, q, p] with p, q of class test.P: q's class and the second p are references.
        (
            "0907010a230d746573742e50037803790401060774776f0a0104fffffffd06020a02",
            concat!(
                r#"[{"$typed":"test.P","properties":{"x":1,"y":"two"}},"#,
                r#"{"$typed":"test.P","properties":{"x":-3,"y":"x"}},{"$reference":1}]"#
            ),
        ),
    ] {
        let bytes = hex::decode(hex.replace(' ', "")).unwrap();
        assert_eq!(json(&bytes), format!("[{expected}]"), "{hex}");
        assert_eq!(codes(&bytes), [""; 0], "{hex}");
    }
    // Three strings: the second refers to the first, the empty one is never referred to.
    assert_eq!(json(b"\x06\x0bhello\x06\x00\x06\x01"), r#"["hello","hello",""]"#);
}

/// Py3AMF does not write these; the layouts are those of AMF3 3.9, 3.15 and 3.16.
#[test]
fn xml_documents_vectors_and_dictionaries() {
    for (bytes, expected) in [
        (&b"\x07\x09<a/>"[..], r#"{"$xml":"<a/>"}"#),
        // 2 ints, fixed: -1, 2.
        (&[0x0d, 5, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2], r#"{"$vector":"int","items":[-1,2]}"#),
        (&[0x0e, 3, 0, 0xff, 0xff, 0xff, 0xff], r#"{"$vector":"uint","items":[4294967295]}"#),
        (&[0x0f, 3, 0, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], r#"{"$vector":"Number","items":[1.5]}"#),
        // 1 String: "a".
        (&b"\x10\x03\x00\x0dString\x06\x03a"[..], r#"{"$vector":"String","items":["a"]}"#),
        // {1: "a"}, strong keys.
        (&b"\x11\x03\x00\x04\x01\x06\x03a"[..], r#"{"$dictionary":[[1,"a"]]}"#),
    ] {
        assert_eq!(json(bytes), format!("[{expected}]"));
        assert_eq!(codes(bytes), [""; 0]);
    }
}

#[test]
fn references_count_every_complex_value() {
    // A date, a byte array, then references to 0 and 1, and to 2, which is not there.
    let bytes = b"\x08\x01\0\0\0\0\0\0\0\0\x0c\x03\xee\x08\x00\x0c\x02\x09\x04";
    assert_eq!(json(bytes), r#"[{"$date":0},{"$byte_array":"ee"},{"$reference":0},{"$reference":1},{"$reference":2}]"#);
    let Value::Reference { offset, .. } = read(bytes).values[3] else { panic!("a reference") };
    assert_eq!(offset, Some(10));
    assert_eq!(codes(bytes), ["amf-reference-unknown"]);
    // An object that holds itself.
    assert_eq!(json(b"\x0a\x0b\x01\x03a\x0a\x00\x01"), r#"[{"a":{"$reference":0}}]"#);
}

#[test]
fn a_class_that_writes_itself_keeps_the_rest() {
    let bytes = b"\x0a\x07\x03E\x01\x02\x03"; // externalizable class E
    assert_eq!(json(bytes), r#"[{"$externalizable":"E","hex":"010203"}]"#);
    assert_eq!(codes(bytes), ["amf3-externalizable"]);
}

#[test]
fn a_switch_from_amf0_is_for_one_value() {
    // AMF 0: "a", then AMF 3: 5, then AMF 0: null, then AMF 3: {k: "k"} whose value is a reference.
    let bytes = b"\x02\x00\x01a\x11\x04\x05\x05\x11\x0a\x0b\x01\x03k\x06\x00\x01";
    let mut none = ();
    let values = super::super::amf0::values(&mut Reader::new(bytes, &mut none));
    assert_eq!(serde_json::to_string(&values.values).unwrap(), r#"["a",5,null,{"k":"k"}]"#);
    assert_eq!(values.defects, []);
    assert_eq!(values.values[1].as_number(), Some(5.0));
    assert_eq!(values.values[3].property(b"k").unwrap().as_str().unwrap(), "k");
}

#[test]
fn broken_values() {
    assert_eq!(codes(b"\x06\x0bhel"), ["body-short"]); // five bytes announced
    assert_eq!(codes(b"\x0a\x0b\x01\x03a\x01"), [UNTERMINATED]); // {a: null without an end
    assert_eq!(codes(b"\x09\x05\x01\x01"), [ARRAY_SHORT]); // two announced, one there
    assert_eq!(codes(b"\x06\x04"), ["amf-reference-unknown"]); // string 2 of none
    assert_eq!(codes(b"\x12"), ["amf-unknown-marker"]);
    assert_eq!(codes(&b"\x09\x03\x01".repeat(MAX_DEPTH + 1)), ["amf-too-deep"]);
    // A string of 2^14 bytes, then references to it for a megabyte and more.
    let mut bomb = vec![0x06, 0x82, 0x80, 0x01];
    bomb.extend([b'x'; 1 << 14]);
    bomb.extend([0x06, 0x00].repeat(100));
    assert_eq!(codes(&bomb), ["amf-too-many"]);
}

proptest! {
    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(prop_oneof![0u8..0x13, any::<u8>()], 0..200)) {
        read(&bytes);
    }
}
