//! How much was done, in steps: so that a test can tell work that grows with its input from work that grows faster.
//!
//! Loops over messages, values and bytes count what they look at; a step is a few dozen instructions. The count is the
//! thread's own, costs an addition, and decides nothing.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// So many steps more.
#[inline]
pub fn count(steps: usize) {
    STEPS.with(|all| all.set(all.get().wrapping_add(steps as u64)));
}

/// Runs something and says how many steps it took.
pub fn of<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let before = STEPS.get();
    let result = run();
    (result, STEPS.get().wrapping_sub(before))
}
