//! A capture's sessions as the subcommands record them.

use std::convert::Infallible;
use std::io::Cursor;
use std::path::Path;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline;
use rtmp_inspect::recording::{self, Keep, Recording};
use rtmp_inspect::session::Options;

use super::recording::Silent;

/// Records a capture.
pub fn record(pcap: &[u8]) -> Recording {
    recorded(pcap, &Keep::default())
}

/// Records a capture from a file.
pub fn record_file(path: &Path) -> Recording {
    record(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Records a capture with digests, as is done where a snapshot is in play.
pub fn record_with_digests(pcap: &[u8]) -> Recording {
    recorded(pcap, &Keep { digests: true, ..Keep::default() })
}

fn recorded(pcap: &[u8], keep: &Keep) -> Recording {
    let recorded = recording::record(Options::default(), keep, |options, recorder| {
        let mut capture = Capture::open(Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a capture");
        let run = pipeline::run(&mut capture, pipeline::Limits::default(), options, recorder, &mut Silent);
        Ok::<_, Infallible>(run.expect("readable").0)
    });
    recorded.unwrap_or_else(|never| match never {})
}
