#![no_main]

rtmp_inspect_fuzz::fuzz!("given");
