//! rtmp-inspect: from a packet capture to every RTMP message, true to the byte.
//!
//! One pass, one direction of data and of imports. Nothing below [`cli`] reads a clock, the
//! environment or a file by name, and nothing below it prints.
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
//! | room | holds |
//! |---|---|
//! | [`origin`] | where bytes came from: stream offset → frame and file offset |
//! | [`field`] | the one reader of integers; the same calls give values, or a tree of named fields |
//! | [`rules`] | the catalogue of what goes wrong: pages, and the functions that find it |
//! | [`amf`] | AMF values, with order, duplicates and wrong counts kept |
//! | [`filter`] | the display filter language, over any fields |
//! | [`config`] | what a team has settled in `rtmp-inspect.toml` |
//!
//! Three invariants hold everywhere. Every byte shown can be traced to its frame ([`origin`]).
//! Malformed traffic is data: it is reported beside what could be read and never ends the run.
//! Memory depends on the messages that are open, not on the size of the capture; what compares and judges keeps
//! each message besides, with a bound on the bytes of media ([`recording`]).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod amf;
pub mod capture;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
#[cfg(feature = "cli")]
pub mod config;
pub mod decode;
pub mod diff;
pub mod dissect;
pub mod escape;
pub mod field;
pub mod filter;
pub mod lint;
pub mod origin;
pub mod packet;
pub mod payload;
pub mod pipeline;
pub mod recording;
pub mod relay;
#[cfg(feature = "cli")]
pub mod report;
pub mod rtmp;
pub mod rules;
pub mod search;
pub mod secrets;
pub mod sender;
pub mod session;
pub mod snapshot;
pub mod steps;
pub mod streams;
pub mod tcp;
pub mod tunnel;
#[cfg(feature = "cli")]
pub mod view;
