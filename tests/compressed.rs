//! Captures in xz and lz4, as their tools write them; cut, damaged, and of sizes that nobody should believe.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use rtmp_inspect::capture::{Capture, Ending, Error, Event, Limits, Warning};

/// Frames, and how reading ended.
struct Read {
    frames: Vec<Vec<u8>>,
    ending: Option<Ending>,
    /// Whether something else was wrong with the capture.
    is_damaged: bool,
}

fn read(bytes: &[u8]) -> Result<Read, Error> {
    let mut capture = Capture::open(Cursor::new(bytes.to_vec()), Limits::default())?;
    let mut read = Read { frames: Vec::new(), ending: None, is_damaged: false };
    while let Some(event) = capture.next()? {
        match event {
            Event::Frame(frame) => read.frames.push(frame.bytes.to_vec()),
            Event::Warning(Warning::Cut { ending, .. }) => read.ending = Some(ending),
            Event::Warning(_) => read.is_damaged = true,
            Event::Bytes(_) | Event::Secrets(_) | Event::Note(_) => panic!("it is a pcap file"),
        }
    }
    Ok(read)
}

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)).expect("readable")
}

fn plain() -> Vec<Vec<u8>> {
    read(&file("captures/b/wrong_app.pcap")).expect("a capture").frames
}

const WHOLE: [&str; 7] =
    ["whole.xz", "blocks.xz", "two_streams.xz", "padded.xz", "whole.lz4", "two_frames.lz4", "legacy.lz4"];

#[test]
fn what_the_tools_write_is_read() {
    let expected = plain();
    assert!(expected.len() > 10);
    for name in WHOLE {
        let found = read(&file(&format!("compressed/{name}"))).expect(name);
        assert!(found.frames == expected && found.ending.is_none() && !found.is_damaged, "{name}: {:?}", found.ending);
    }
}

/// What was unpacked before the end is given, and the end is told: wherever the file is cut.
#[test]
fn a_cut_file_is_read_up_to_the_cut() {
    let expected = plain();
    for name in WHOLE {
        let whole = file(&format!("compressed/{name}"));
        let (mut partly, mut least) = (0, 0);
        for len in (8..whole.len()).step_by(61) {
            match read(&whole[..len]) {
                Ok(found) => {
                    assert!(expected.starts_with(&found.frames), "{name} at {len}");
                    assert!(found.frames.len() == expected.len() || found.ending.is_some(), "{name} at {len}");
                    assert!(found.frames.len() >= least, "{name} at {len}: more bytes give no fewer frames");
                    least = found.frames.len();
                    partly += usize::from(!found.frames.is_empty());
                }
                Err(Error::Compressed { .. } | Error::HeaderCut { .. }) => assert_eq!(least, 0, "{name} at {len}"),
                Err(other) => panic!("{name} at {len}: {other}"),
            }
        }
        assert!(partly > 0 || ["whole.xz", "whole.lz4", "legacy.lz4"].contains(&name), "{name}");
    }
}

/// A changed byte is told of, and of xz, whose blocks have checksums, no frame is given that was not there.
#[test]
fn a_damaged_file_ends_well() {
    let expected = plain();
    for name in WHOLE {
        let whole = file(&format!("compressed/{name}"));
        for at in (6..whole.len()).step_by(53) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            if let Ok(found) = read(&bytes) {
                // lz4 has a checksum of all at its end, and what comes before is given as it is unpacked; the old form has none.
                let is_told = found.ending.is_some() || found.is_damaged || found.frames == expected;
                assert!(is_told || name == "legacy.lz4", "{name} at {at}");
                assert!(name.ends_with("lz4") || expected.starts_with(&found.frames), "{name} at {at}");
            }
        }
    }
}

#[test]
fn sizes_that_nobody_should_believe() {
    let Err(Error::Compressed { ending, .. }) = read(&file("compressed/large_dictionary.xz")) else { panic!("read") };
    assert_eq!(ending, Ending::Memory { limit: 256 });
    // 40 MiB out of 6 KiB: more than 16 MiB are not taken.
    let zeros = read(&file("compressed/zeros.xz")).expect("its beginning");
    assert_eq!(zeros.ending, Some(Ending::Expansion { limit: 200 }));
    assert!(zeros.frames.len() < (20 << 20) / 16, "{}", zeros.frames.len());
    // A block of lz4 that says that it has 2 GiB: after magic, flags, block size and checksum of the header.
    let mut bytes = file("compressed/whole.lz4");
    bytes[7..11].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    assert!(matches!(read(&bytes), Err(Error::Compressed { .. })));
}
