//! Rules of enhanced RTMP: FourCCs, packet types, tracks, and what both sides said they can do (E-RTMP v2).
//!
//! | module | holds |
//! |---|---|
//! | [`frames`] | what is in video messages |
//! | [`tracks`] | what Multitrack and ModEx put in front |
//! | [`peers`] | what was agreed on |

mod frames;
mod peers;
mod tracks;

pub use frames::{CTS_CODEC, FOUR_CC, FRAMES_X, MOD_EX, MULTITRACK, SEQUENCE_START};
pub use peers::{METADATA_CODEC, NOT_NEGOTIATED, RECONNECT};
