//! A capture's sessions as the subcommands record them: a second time as the sender meant it, where framing is broken.

use std::io::Cursor;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline;
use rtmp_inspect::recording::{self, Recorder, Recording};
use rtmp_inspect::session::{Observer, Options, tape};

use super::recording::Silent;

/// Records a capture.
pub fn record(pcap: &[u8]) -> Recording {
    recorded(pcap, |recorder| recorder)
}

/// Records a capture with digests, as is done where a snapshot is in play.
pub fn record_with_digests(pcap: &[u8]) -> Recording {
    recorded(pcap, Recorder::with_digests)
}

fn recorded(pcap: &[u8], set_up: fn(Recorder) -> Recorder) -> Recording {
    let observer = (set_up(Recorder::default()), tape::Recorder::default());
    let (recorder, tapes) = run(pcap, Options::default(), observer);
    let tapes = tapes.into_tapes().0;
    let framing = recording::explain_framing(&tapes);
    let mut recording = match framing.is_empty() {
        true => recorder.into_recording(),
        false => {
            let options = Options { dialects: recording::dialects(&framing), ..Options::default() };
            run(pcap, options, set_up(Recorder::with_framing(framing))).into_recording()
        }
    };
    recording.keep_tapes(tapes);
    recording
}

fn run<O: Observer>(pcap: &[u8], options: Options, observer: O) -> O {
    let mut capture = Capture::open(Cursor::new(pcap.to_vec()), capture::Limits::default()).expect("a capture");
    pipeline::run(&mut capture, pipeline::Limits::default(), options, observer, &mut Silent).expect("readable").0
}
