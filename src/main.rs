//! The command: parse, run, exit status.
fn main() {}
