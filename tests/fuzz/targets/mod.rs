//! What is fuzzed: one function a target, from any bytes to nothing.
//!
//! A function returns when what it states of its input holds and panics when it does not. The programs of `fuzz/` call
//! these functions with what libFuzzer makes up, the tests with what was once found: both check the same.

mod bytes;
mod captures;
mod compared;
mod edits;
pub mod layers;
mod stream;
mod texts;
mod tunnel;
mod values;
mod whole;

/// A target's name, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("amf0", values::amf0),
    ("amf3", values::amf3),
    ("body", values::body),
    ("capture", layers::capture),
    ("config", texts::config),
    ("decoder", stream::decoder),
    ("diff", compared::diff),
    ("filter", texts::filter),
    ("given", layers::given),
    ("packet", layers::packet),
    ("pipeline", whole::pipeline),
    ("session", whole::session),
    ("snapshot", compared::snapshot),
    ("tcp", layers::tcp),
    ("tunnel", tunnel::tunnel),
];

/// The target of that name.
pub fn find(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.0 == name).unwrap_or_else(|| panic!("there is no target {name}"))
}
