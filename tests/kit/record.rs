//! Sessions recorded from captures in memory, as `diff` records them.

use std::io::Cursor;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline::{self, Warning, Watch};
use rtmp_inspect::recording::{self, Recorder, Recording};
use rtmp_inspect::session::{Observer, Options, tape};

/// The sessions of a capture, with digests.
pub fn record(pcap: &[u8]) -> Recording {
    let observer = (Recorder::default().with_digests(), tape::Recorder::default());
    let (recorder, tapes) = run(pcap, Options::default(), observer);
    let framing = recording::explain_framing(&tapes.into_tapes().0);
    if framing.is_empty() {
        return recorder.into_recording();
    }
    let options = Options { dialects: recording::dialects(&framing), ..Options::default() };
    run(pcap, options, Recorder::with_framing(framing).with_digests()).into_recording()
}

fn run<O: Observer>(pcap: &[u8], options: Options, observer: O) -> O {
    let mut capture = Capture::open(Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a capture");
    pipeline::run(&mut capture, pipeline::Limits::default(), options, observer, &mut Silent).expect("readable").0
}

struct Silent;

impl Watch for Silent {
    fn warning(&mut self, _: Warning) {}

    fn go_on(&mut self, _: &Capture) -> bool {
        true
    }
}
