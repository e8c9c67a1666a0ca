//! What a server made of a data message.
//!
//! Takes the message as it was sent and as the player got it, gives the differences by property, in order: what is
//! lost, added, or has another value, and what became of the wrapping and of the kind of container.

use serde::Serialize;

use crate::amf::Value;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::SET_DATA_FRAME;

use super::unit::Unit;

/// One difference between two data messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Difference {
    /// `@setDataFrame` in front is gone.
    Unwrapped,
    /// The container is another: `ECMA array` → `Object`.
    Container {
        /// As sent.
        sent: String,
        /// As received.
        received: String,
    },
    /// A property is gone.
    Lost {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A property is new.
    Added {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A property has another value.
    Value {
        /// Its name.
        name: String,
        /// As sent.
        sent: String,
        /// As received.
        received: String,
    },
    /// The properties are the same, in another order.
    Order,
    /// Values that are no properties differ.
    Values,
}

/// The differences; none if both say the same in other bytes.
pub fn compare(sent: &Unit<'_>, received: &Unit<'_>) -> Vec<Difference> {
    let (a, b) = (values(sent), values(received));
    let mut differences = Vec::new();
    if sent.wrapped && !received.wrapped {
        differences.push(Difference::Unwrapped);
    }
    let inner = |values: &[Value<'_>]| values.iter().position(|value| value.properties().is_some());
    let (Some(from), Some(to)) = (inner(&a), inner(&b)) else {
        if a != b {
            differences.push(Difference::Values);
        }
        return differences;
    };
    let (a, b) = (&a[from], &b[to]);
    if container(a) != container(b) {
        differences.push(Difference::Container { sent: container(a).to_owned(), received: container(b).to_owned() });
    }
    let pairs = |value: &Value<'_>| {
        let pairs = value.properties().map(|properties| properties.pairs.as_slice()).unwrap_or_default();
        pairs.iter().map(|(name, value)| (name.to_string(), text(value))).collect::<Vec<_>>()
    };
    let (a, b) = (pairs(a), pairs(b));
    let (in_a, in_b) = (by_name(&a), by_name(&b));
    for (name, value) in &a {
        match in_b.get(name.as_str()) {
            None => differences.push(Difference::Lost { name: name.clone(), value: value.clone() }),
            Some(other) if other != value => differences.push(Difference::Value {
                name: name.clone(),
                sent: value.clone(),
                received: (*other).to_owned(),
            }),
            Some(_) => {}
        }
    }
    let new = b.iter().filter(|(name, _)| !in_a.contains_key(name.as_str()));
    differences.extend(new.map(|(name, value)| Difference::Added { name: name.clone(), value: value.clone() }));
    let names = |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let properties_are_the_same =
        differences.iter().all(|d| matches!(d, Difference::Unwrapped | Difference::Container { .. }));
    if properties_are_the_same && names(&a) != names(&b) {
        differences.push(Difference::Order);
    }
    differences
}

fn by_name(pairs: &[(String, String)]) -> std::collections::BTreeMap<&str, &str> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The values after the wrapper.
fn values<'a>(unit: &Unit<'a>) -> Vec<Value<'a>> {
    let header = &unit.kept.header;
    let Body::Data(data) = body::decode(header.type_id, &unit.kept.body, header.length, &mut ()).body else {
        return Vec::new();
    };
    let mut values = data.values;
    if values.first().and_then(Value::as_str).is_some_and(|name| name == SET_DATA_FRAME) {
        values.remove(0);
    }
    values
}

fn container(value: &Value<'_>) -> &'static str {
    match value {
        Value::Object(_) => "object",
        Value::EcmaArray { .. } => "ECMA array",
        Value::TypedObject { .. } => "typed object",
        _ => "array",
    }
}

/// A value in a few words. Strings of nothing but NUL are common: nginx sends its buffers whole.
fn text(value: &Value<'_>) -> String {
    match value.as_str() {
        Some(text) if text.0.len() > 1 && text.0.iter().all(|&byte| byte == 0) => format!("{} NUL bytes", text.0.len()),
        _ => serde_json::to_string(value).unwrap_or_default(),
    }
}

impl Difference {
    /// In a few words, as a list of differences has it.
    pub fn text(&self) -> String {
        match self {
            Difference::Unwrapped => format!("{SET_DATA_FRAME} is stripped"),
            Difference::Container { sent, received } => format!("the {sent} is now an {received}"),
            Difference::Lost { name, value } => format!("{name} is lost (was {value})"),
            Difference::Added { name, value } => format!("{name} is new: {value}"),
            Difference::Value { name, sent, received } => format!("{name} was {sent}, is {received}"),
            Difference::Order => "the same properties in another order".to_owned(),
            Difference::Values => "other values".to_owned(),
        }
    }
}
