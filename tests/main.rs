//! All integration tests, in one program: it is compiled and linked once.

mod amf_values;
mod answered;
mod bodies;
mod calls;
mod captures_read;
mod catalogue;
mod causes;
mod codecs;
mod compressed;
mod faults;
mod filters;
mod framing_trace;
mod healthy_sessions;
mod hypotheses;
mod kit;
mod late_starts;
mod layering;
mod library;
mod links;
mod lint;
#[cfg(feature = "cli")]
mod literals;
mod long_runs;
mod loss;
mod lost_packets;
mod names;
mod near_misses;
mod near_misses_bodies;
mod near_misses_excuses;
mod near_misses_media;
mod other_protocols;
mod owed;
mod provenance;
mod scaling;
mod search;
mod search_media;
mod searches;
mod sender;
mod snapshot_causes;
mod software;
mod surface;

mod tunnel;
mod words;

// What runs the program, or looks at what it renders.
#[cfg(feature = "cli")]
mod allocations;
#[cfg(feature = "cli")]
mod amf_tool;
#[cfg(feature = "cli")]
mod bad_input;
#[cfg(feature = "cli")]
mod bounded;
#[cfg(feature = "cli")]
mod check;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod comments;
#[cfg(feature = "cli")]
mod config;
#[cfg(feature = "cli")]
mod defects;
#[cfg(feature = "cli")]
mod diagnosis;
#[cfg(feature = "cli")]
mod diff;
mod drawn;
mod edits;
mod edits_media;
mod encoded;
#[cfg(feature = "cli")]
mod field_parity;
#[cfg(feature = "cli")]
mod flv;
#[cfg(feature = "cli")]
mod follow;
#[cfg(feature = "cli")]
mod fuzz;
#[cfg(feature = "cli")]
mod hostile;
#[cfg(feature = "cli")]
mod hostile_strings;
#[cfg(feature = "cli")]
mod inputs;
#[cfg(feature = "cli")]
mod live;
#[cfg(all(feature = "cli", unix))]
mod long_work;
#[cfg(feature = "cli")]
mod machine_reports;
#[cfg(feature = "cli")]
mod options;
#[cfg(feature = "cli")]
mod output_files;
#[cfg(feature = "cli")]
mod over_hiding;
#[cfg(feature = "cli")]
mod parity;
#[cfg(feature = "cli")]
mod payload;
#[cfg(feature = "cli")]
mod properties;
#[cfg(feature = "cli")]
mod readme;
#[cfg(feature = "cli")]
mod recognise;
#[cfg(feature = "cli")]
mod relay;
#[cfg(feature = "cli")]
mod secret_forms;
#[cfg(feature = "cli")]
mod secrets;
#[cfg(feature = "cli")]
mod snapshot;
#[cfg(feature = "cli")]
mod statuses;
#[cfg(feature = "cli")]
mod tables;
#[cfg(feature = "cli")]
mod terminal;
#[cfg(feature = "cli")]
mod threads;
#[cfg(feature = "cli")]
mod verdict;
#[cfg(feature = "cli")]
mod zsh;
