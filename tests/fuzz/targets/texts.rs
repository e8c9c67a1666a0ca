//! What people write: filters and configuration files.

use rtmp_inspect::config;
use rtmp_inspect::decode::{Rows, Selection};
use rtmp_inspect::dissect::{Dissection, Vocabulary};
use rtmp_inspect::filter::Filter;
use rtmp_inspect::origin::Time;

use super::captures::{self, PLAY};

/// A filter: what is wrong is told at a place in it, and `not` turns its answer round for every message.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let filter = match Filter::parse(text, &Vocabulary) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.at.start <= error.at.end && error.at.end <= text.len(), "{error:?}");
            assert!(text.is_char_boundary(error.at.start) && text.is_char_boundary(error.at.end), "{error:?}");
            error.render(text);
            return;
        }
    };
    // The conditions may be nested as deeply as they can be already.
    let Ok(not) = Filter::parse(&format!("not ({text})"), &Vocabulary) else { return };
    let rows = Rows::new(Selection { whole: true, ..Selection::default() }, |row, event| {
        let row = Dissection::new(row, event, Time(0));
        assert_ne!(filter.matches(&row), not.matches(&row), "row {}", row.row().number);
    });
    captures::run(PLAY, rows).expect("a capture");
}

/// A configuration file: what is wrong is told at a line of it.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match config::File::parse("rtmp-inspect.toml", text) {
        Ok(file) => {
            let mut settings = config::Settings::default();
            for path in ["a.pcap", "b/c.pcapng", "", "\u{e9}/\u{0}"] {
                file.apply(path, &mut settings);
                file.excludes(path);
            }
            settings.levels();
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = text.split('\n').count();
            for error in errors {
                assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error:?}");
            }
        }
    }
}
