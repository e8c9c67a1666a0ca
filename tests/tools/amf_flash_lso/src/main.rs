//! Writes values of AMF 3 encoded by flash-lso, with what they are as JSON, to stdout: name, AMF version, hex, JSON.
//!
//! Mostly what Py3AMF cannot write: vectors and dictionaries. The JSON is written here by hand, value by value.

use enumset::EnumSet;
use flash_lso::types::{
    AMFVersion, Attribute, ClassDefinition, DictionaryEntry, DictionaryObjectValue, ECMAArrayObjectValue, Element, Lso,
    ObjectId, ObjectValue, Value, VectorObjectValue, VectorPrimitiveValue,
};
use flash_lso::write::{header_length, write_to_bytes};

fn main() {
    for (name, value, json) in values() {
        let hex: String = encode(value).iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{name}\t3\t{hex}\t[{json}]");
    }
}

/// The value's bytes alone. The library's only public way to AMF 3 is a file with header, name and padding.
fn encode(value: Value) -> Vec<u8> {
    let mut file = Lso::new(vec![Element::new("", value)], "n", AMFVersion::AMF3);
    let bytes = write_to_bytes(&mut file).expect("it can be written");
    // Two bytes of version and four of length come before the header; the empty name is 01, padding 00.
    let start = 6 + header_length(&file.header);
    assert_eq!((bytes[start], bytes.last()), (1, Some(&0)));
    bytes[start + 1..bytes.len() - 1].to_vec()
}

fn values() -> Vec<(&'static str, Value, String)> {
    let text = |text: &str| Value::String(text.into());
    vec![
        ("vector int", ints(&[0, 1, -1, i32::MAX, i32::MIN], false), vector("int", "0,1,-1,2147483647,-2147483648")),
        ("vector int empty", ints(&[], false), vector("int", "")),
        ("vector int fixed", ints(&[7], true), vector("int", "7")),
        ("vector int of 200", ints(&[5; 200], false), vector("int", &["5"; 200].join(","))),
        ("vector uint", uints(&[0, u32::MAX, 0x8000_0000]), vector("uint", "0,4294967295,2147483648")),
        ("vector uint empty", uints(&[]), vector("uint", "")),
        ("vector double", doubles(&[0.5, -1.25, 1e100]), vector("Number", "0.5,-1.25,1e100")),
        ("vector double empty", doubles(&[]), vector("Number", "")),
        (
            "vector of strings",
            objects("String", vec![text("a"), text("b"), text("a")]),
            vector("String", r#""a","b","a""#),
        ),
        (
            "vector of anything",
            objects("", vec![Value::Null, Value::Integer(3), Value::Bool(true)]),
            vector("*", "null,3,true"),
        ),
        (
            "vector of objects",
            objects("Point", vec![point(1), point(2)]),
            vector("Point", &format!("{},{}", point_json(1), point_json(2))),
        ),
        (
            "vector of vectors",
            objects("Vector", vec![ints(&[1], false), ints(&[2], false)]),
            vector("Vector", &format!("{},{}", vector("int", "1"), vector("int", "2"))),
        ),
        (
            "dictionary",
            dictionary(vec![(text("a"), Value::Integer(1)), (Value::Integer(2), text("b"))], false),
            r#"{"$dictionary":[["a",1],[2,"b"]]}"#.into(),
        ),
        ("dictionary empty", dictionary(vec![], false), r#"{"$dictionary":[]}"#.into()),
        (
            "dictionary weak",
            dictionary(vec![(text("k"), Value::Undefined)], true),
            r#"{"$dictionary":[["k",{"$undefined":true}]]}"#.into(),
        ),
        (
            "dictionary of objects",
            dictionary(vec![(point(1), point(2))], false),
            format!(r#"{{"$dictionary":[[{},{}]]}}"#, point_json(1), point_json(2)),
        ),
        ("integer largest", Value::Integer(0xfff_ffff), "268435455".into()),
        ("integer smallest", Value::Integer(-0x1000_0000), "-268435456".into()),
        ("integer 0x3fff", Value::Integer(0x3fff), "16383".into()),
        ("integer 0x4000", Value::Integer(0x4000), "16384".into()),
        ("integer 0x1fffff", Value::Integer(0x1f_ffff), "2097151".into()),
        ("integer 0x200000", Value::Integer(0x20_0000), "2097152".into()),
        ("double", Value::Number(29.97), "29.97".into()),
        ("string", text("naïve 日本語 🙂"), r#""naïve 日本語 🙂""#.into()),
        ("byte array", Value::ByteArray(vec![0, 255, 17]), r#"{"$byte_array":"00ff11"}"#.into()),
        ("date", Value::Date { time: 1.6e12, timezone_or_utc: None }, r#"{"$date":1600000000000}"#.into()),
        ("xml", Value::XML { value: "<a/>".into(), is_string: false }, r#"{"$xml":"<a/>"}"#.into()),
        ("xml string", Value::XML { value: "<b/>".into(), is_string: true }, r#"{"$xml":"<b/>"}"#.into()),
        (
            "array",
            Value::StrictArray { id: ObjectId(1), values: vec![Value::Integer(1), text("x"), Value::Null] },
            r#"[1,"x",null]"#.into(),
        ),
        (
            "array with names",
            Value::ECMAArray {
                id: ObjectId(1),
                data: ECMAArrayObjectValue {
                    dense: vec![Value::Integer(9)],
                    elements: vec![Element::new("k", text("v"))],
                    length: 1,
                },
            },
            r#"{"$array":[9],"properties":{"k":"v"}}"#.into(),
        ),
        (
            "classes again",
            Value::StrictArray { id: ObjectId(1), values: vec![point(1), point(2), point(3)] },
            format!("[{},{},{}]", point_json(1), point_json(2), point_json(3)),
        ),
    ]
}

fn vector(of: &str, items: &str) -> String {
    format!(r#"{{"$vector":"{of}","items":[{items}]}}"#)
}

fn ints(values: &[i32], fixed_length: bool) -> Value {
    Value::VectorInt(VectorPrimitiveValue { values: values.to_vec(), fixed_length })
}

fn uints(values: &[u32]) -> Value {
    Value::VectorUInt(VectorPrimitiveValue { values: values.to_vec(), fixed_length: false })
}

fn doubles(values: &[f64]) -> Value {
    Value::VectorDouble(VectorPrimitiveValue { values: values.to_vec(), fixed_length: false })
}

fn objects(name: &str, values: Vec<Value>) -> Value {
    let data = VectorObjectValue { values, object_type_name: name.into(), fixed_length: false };
    Value::VectorObject { id: ObjectId(1), data }
}

fn dictionary(pairs: Vec<(Value, Value)>, weak_keys: bool) -> Value {
    let elements = pairs.into_iter().map(|(key, value)| DictionaryEntry { key, value }).collect();
    Value::Dictionary { id: ObjectId(1), data: DictionaryObjectValue { elements, weak_keys } }
}

/// An object of a class with one sealed member and one of its own.
fn point(x: i32) -> Value {
    let class = ClassDefinition {
        name: "Point".into(),
        attributes: EnumSet::only(Attribute::Dynamic),
        static_properties: vec!["x".into()],
    };
    let elements = vec![Element::new("x", Value::Integer(x)), Element::new("more", Value::Bool(true))];
    Value::Object { id: ObjectId(i64::from(x) + 10), data: ObjectValue { elements, class_definition: Some(class) } }
}

fn point_json(x: i32) -> String {
    format!(r#"{{"$typed":"Point","properties":{{"x":{x},"more":true}}}}"#)
}
