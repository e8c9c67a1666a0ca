//! Bodies and AMF values: the leaves of a tree tile what was read, and a tree changes nothing of the values.

use rtmp_inspect::amf;
use rtmp_inspect::field::{Reader, Tree};
use rtmp_inspect::rtmp::body::decode;
use rtmp_inspect::rtmp::{MessageTypeId, summary};

/// AMF0 values, one after the other.
pub fn amf0(data: &[u8]) {
    values(data, amf::amf0::values, amf::amf0::values);
}

/// AMF3 values, one after the other.
pub fn amf3(data: &[u8]) {
    values(data, amf::amf3::values, amf::amf3::values);
}

fn values<'a>(data: &'a [u8], plain: Read<'a, ()>, with_tree: Read<'a, Tree>) {
    let mut tree = Tree::default();
    let values = with_tree(&mut Reader::new(data, &mut tree));
    assert_eq!(tree.tiles(0..data.len()), Ok(()));
    let mut nothing = ();
    let same = plain(&mut Reader::new(data, &mut nothing));
    assert_eq!(format!("{values:?}"), format!("{same:?}"));
    for value in &values.values {
        value.label();
    }
    serde_json::to_string(&values).expect("values are JSON");
    values.defects.iter().for_each(|defect| assert!(defect.offset <= data.len() as u64, "{defect:?}"));
}

type Read<'a, R> = for<'r, 's> fn(&'r mut Reader<'a, 's, R>) -> amf::Values<'a>;

/// A message's body: its type, how many bytes are not there, and the bytes.
pub fn body(data: &[u8]) {
    let [type_id, missing, data @ ..] = data else { return };
    let (type_id, length) = (MessageTypeId(*type_id), data.len() as u32 + u32::from(*missing));
    let mut tree = Tree::default();
    let decoded = decode(type_id, data, length, &mut tree);
    assert_eq!(tree.tiles(0..data.len()), Ok(()));
    let same = decode(type_id, data, length, &mut ());
    assert_eq!(format!("{:?}{:?}", decoded.body, decoded.defects), format!("{:?}{:?}", same.body, same.defects));
    summary::info(type_id, &decoded.body);
    summary::detail(type_id, &decoded.body);
    serde_json::to_string(&decoded.body).expect("bodies are JSON");
    decoded.defects.iter().for_each(|defect| assert!(defect.offset <= length.into(), "{defect:?}"));
}
