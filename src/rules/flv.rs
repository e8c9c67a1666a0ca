//! Rules of audio and video as FLV has them: tag headers, configurations, NAL units (FLV 10.1 E.4).
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | sequence headers that are missing, broken or repeated |
//! | [`avc`] | how NAL units are written |
//! | [`tag`] | what the tag headers say, and tags where their bodies belong |
//! | [`sound`] | AAC |
//! | [`time`] | timestamps |
//! | [`meta`] | metadata beside the stream |
//! | [`units`] | reading NAL units and configurations, for the others |

pub mod avc;
pub mod config;
pub mod meta;
pub mod sound;
pub mod tag;
pub mod time;
pub mod units;
