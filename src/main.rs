//! The command: everything is in [`rtmp_inspect::cli`].
use std::process::ExitCode;

fn main() -> ExitCode {
    rtmp_inspect::cli::main()
}
