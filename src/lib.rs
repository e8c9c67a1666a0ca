//! rtmp-inspect: from a packet capture to every RTMP message, true to the byte, and to the reason why two sessions
//! differ.
//!
//! This is the library behind the command of the same name. With `default-features = false` it comes without the
//! command and what that depends on.
//!
//! # Open a capture, iterate its messages
//!
//! ```
//! use std::fs::File;
//! use rtmp_inspect::CaptureSource;
//!
//! let capture = CaptureSource::new(|| File::open("testdata/captures/pairs/04_type14_A.pcap"));
//! for message in capture.messages()? {
//!     let message = message?;
//!     println!("{:>5} {} {message}", message.frame, message.direction.arrow());
//! }
//! # let first = capture.messages()?.next().expect("a message")?;
//! # assert_eq!(first.to_string(), "connect('live')  txn 1");
//! # Ok::<(), rtmp_inspect::Error>(())
//! ```
//!
//! # Look at a field's bytes
//!
//! ```
//! # use std::fs::File;
//! # use rtmp_inspect::CaptureSource;
//! # let capture = CaptureSource::new(|| File::open("testdata/captures/pairs/04_type14_A.pcap"));
//! let connect = capture.messages()?.next().expect("a message")?;
//! let url = connect.field("connect.tcUrl").expect("it has one");
//! assert_eq!(url.text, "String 'rtmp://127.0.0.1:1935/live'");
//! assert!(url.bytes.starts_with(b"\x02\x00\x1artmp://")); // AMF0 string, 26 bytes
//! println!("frame {:?}, offset {:?} in the file", url.frame, url.file_offset);
//! # assert_eq!(url.frame.map(|frame| frame.0), Some(11));
//! # Ok::<(), rtmp_inspect::Error>(())
//! ```
//!
//! # Record two sessions, find out why they differ
//!
//! ```
//! # use std::fs::File;
//! use rtmp_inspect::{CaptureSource, DiffOptions, Verdict, diff, record_pair};
//!
//! let good = CaptureSource::new(|| File::open("testdata/captures/pairs/04_type14_A.pcap"));
//! let mine = CaptureSource::new(|| File::open("testdata/captures/pairs/04_type14_B.pcap"));
//! let [good, mine] = record_pair(&good, &mine)?;
//! let report = diff(&good, &mine, &DiffOptions::default());
//! assert_eq!(report.verdict, Verdict::Different);
//! assert_eq!(report.causes[0].rule.code, "type-id-dec-hex");
//! assert_eq!(report.causes[0].fix, "send type 20 (0x14)");
//! # Ok::<(), rtmp_inspect::Error>(())
//! ```
//!
//! # Check one session
//!
//! ```
//! # use std::fs::File;
//! use rtmp_inspect::{CaptureSource, LintOptions, Severity, lint};
//!
//! let mine = CaptureSource::new(|| File::open("testdata/captures/pairs/04_type14_B.pcap")).record()?;
//! let report = lint(&mine, &LintOptions::default());
//! for finding in &report.findings {
//!     println!("{}[{}]: {}", finding.severity, finding.rule.code, finding.title);
//! }
//! assert!(report.reaches(Severity::Fatal));
//! # Ok::<(), rtmp_inspect::Error>(())
//! ```
//!
//! # Options, warnings, other ports
//!
//! ```
//! # use std::fs::File;
//! use rtmp_inspect::{CaptureSource, DiffOptions};
//!
//! let capture = CaptureSource::new(|| File::open("testdata/captures/pairs/04_type14_A.pcap"))
//!     .decode_as(19350) // RTMP on this port too, whatever its first bytes are
//!     .on_warning(|warning| eprintln!("warning: {warning}")); // damaged blocks, a cut file
//! let mut options = DiffOptions::default();
//! options.compare.strict = true; // addresses, ids and times count as differences too
//! # assert!(capture.record()?.has_rtmp());
//! # Ok::<(), rtmp_inspect::Error>(())
//! ```
//!
//! # How it is built
//!
//! One pass, one direction of data and of imports. Nothing below `cli` reads a clock, the environment or a file by name,
//! and nothing below it prints.
//!
//! ```text
//! file | stdin
//!   └ capture    pcap and pcapng, compressed or not      → Frame   { number, time, link, bytes }
//!      └ packet    link, IP and TCP headers, fragments    → Segment { flow, seq, ack, payload }
//!         └ tcp      connections and reassembly           → Piece   { offset, bytes, source } | Gap
//!            │ tunnel   what wraps a session, taken off  → Piece | Gap
//!            └ rtmp    handshake, chunks, messages        → Message { header, body, chunks }
//!               └ session  both directions in order       → Event   { connection, direction, .. }
//!                  └ decode · streams                     → rows and reports
//!                     ├ dissect    a row's fields           → trees, values by name
//!                     └ recording  one capture's rows, kept
//!                        └ compare   two recordings aligned → what differs
//!                           └ rules    the catalogue         → why
//!                              └ diff · lint · payload · relay · check → reports
//!                                 ├ secrets  stream keys and credentials, hidden
//!                                 │  └ snapshot  a session as text for a repository, and back
//!                                 └ view     lists, trees, dumps, findings → text
//!                                    ├ report  JUnit, SARIF, annotations
//!                                    └ cli     options in; text, JSON, CSV out
//! ```
//!
//! `library` is the part of it that this page documents. Three invariants hold everywhere. Every byte shown can be
//! traced to its frame (`origin`). Malformed traffic is data: it is reported beside what could be read and never ends
//! the run. Memory depends on the messages that are open, not on the size of the capture; what compares and judges
//! keeps each message as well, with a bound on the bytes of media (`recording`).
//!
//! Modules that are public in the sources and not on this page are for this crate's command and tests: they come with
//! no promise of stability.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[doc(hidden)]
pub mod amf;
#[doc(hidden)]
pub mod capture;
#[doc(hidden)]
pub mod check;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod compare;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod decode;
#[doc(hidden)]
pub mod diff;
mod digits;
#[doc(hidden)]
pub mod dissect;
#[doc(hidden)]
pub mod escape;
#[doc(hidden)]
pub mod field;
#[doc(hidden)]
pub mod filter;
#[doc(hidden)]
pub mod flv;
#[doc(hidden)]
pub mod follow;
mod library;
#[doc(hidden)]
pub mod lint;
#[doc(hidden)]
pub mod literal;
#[doc(hidden)]
pub mod origin;
#[doc(hidden)]
pub mod owed;
#[doc(hidden)]
pub mod packet;
#[doc(hidden)]
pub mod payload;
#[doc(hidden)]
pub mod pipeline;
#[doc(hidden)]
pub mod raw;
#[doc(hidden)]
pub mod recording;
#[doc(hidden)]
pub mod relay;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod rtmp;
#[doc(hidden)]
pub mod rules;
#[doc(hidden)]
pub mod search;
#[doc(hidden)]
pub mod secrets;
#[doc(hidden)]
pub mod sender;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod snapshot;
#[doc(hidden)]
pub mod steps;
#[doc(hidden)]
pub mod streams;
#[doc(hidden)]
pub mod tcp;
#[doc(hidden)]
pub mod tunnel;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod view;

#[doc(inline)]
pub use crate::{
    capture::Error,
    compare::{FieldPath, Options as CompareOptions},
    diff::{
        Bytes, Cause, Connection as DiffConnection, Counts as MessageCounts, Evidence as DiffEvidence, Expected,
        Options as DiffOptions, Pair, Pattern as PathPattern, Place, Report as DiffReport, Unexplained, Verdict, Where,
        diff,
    },
    field::{Defect, Value},
    library::{CaptureSource, CapturedMessage, Field, Messages, record_pair},
    lint::{
        Connection as LintConnection, Counts as FindingCounts, Evidence as LintEvidence, Finding, Level as RuleLevel,
        Options as LintOptions, Report as LintReport, lint,
    },
    origin::{FrameNo, Time},
    recording::Recording,
    rtmp::message::MessageHeader,
    rtmp::{ChunkStreamId, MessageStreamId, MessageTypeId},
    rules::{Certainty, Diagnosis, Layer, Location, Mode, Page, RULES, Rule, Severity},
    session::Direction,
    tcp::ConnectionId,
};

/// The example in README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
