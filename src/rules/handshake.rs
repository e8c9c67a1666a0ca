//! Rules of the handshake (RTMP 1.0 5.2).
//!
//! | file | holds |
//! |---|---|
//! | `beginning` | what is sent and what is not: C0, C1, C2 |
//! | `size` | blocks of another size than 1536 bytes |
//! | `answers` | whether the blocks answer each other |
//! | `order` | what comes too early, or is lost at the handshake's end |

mod answers;
mod beginning;
mod order;
mod size;

pub use answers::{DIGEST_INVALID, NOT_ECHO, VERSION_QUAD_ASSERT};
pub use beginning::{C0_MISSING, C2_MISSING, VERSION, WAIT_S0_DEADLOCK, is_without_c0};
pub use order::{EARLY_DATA, TAIL_LOST};
pub use size::SIZE;
