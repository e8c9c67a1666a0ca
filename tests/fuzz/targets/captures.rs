//! The captures that targets begin with, and a run over the bytes of one.

use std::io::Cursor;
use std::sync::LazyLock;

use rtmp_inspect::capture::{self, Capture};
use rtmp_inspect::pipeline;
use rtmp_inspect::session::{Observer, Options};

use crate::kit::recording::{Recording, Silent};

/// A player that asks for what is not there: 30 messages, the smallest of the captures.
pub const PLAY: &[u8] = include_bytes!("../../../testdata/captures/b/play_missing_vod.pcap");

/// Sessions that the structure-aware targets change.
pub static SESSIONS: LazyLock<Vec<Recording>> = LazyLock::new(|| {
    let captures: [&[u8]; 6] = [
        PLAY,
        include_bytes!("../../../testdata/captures/pairs/04_type14_A.pcap"),
        include_bytes!("../../../testdata/captures/e/own_amf3.pcap"),
        include_bytes!("../../../testdata/captures/e/own_ext_ts_all.pcap"),
        include_bytes!("../../../testdata/captures/f/pyav_nms4_hevc_opus.pcap"),
        include_bytes!("../../../testdata/captures/b/on_publish_denied.pcap"),
    ];
    captures.iter().map(|bytes| Recording::of(Cursor::new(*bytes), 0).expect("a connection")).collect()
});

/// Reads a capture to its end.
pub fn run<O: Observer>(pcap: &[u8], observer: O) -> Result<O, capture::Error> {
    let mut capture = Capture::open(Cursor::new(pcap.to_vec()), capture::Limits::default())?;
    let limits = pipeline::Limits::default();
    pipeline::run(&mut capture, limits, Options::default(), observer, &mut Silent).map(|(observer, _)| observer)
}
