//! A payload that was sent against what was received: what changed it, where, and who.
