//! The functions that are fuzzed. They are those that the tests run over `testdata/fuzz`.

#[path = "../../tests/kit/mod.rs"]
mod kit;
#[path = "../../tests/fuzz/targets/mod.rs"]
pub mod targets;

/// A program that fuzzes a target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(init: { _ = $crate::targets::find($name); }, |data: &[u8]| $crate::targets::find($name).1(data));
    };
}
