//! Ctrl-C: the program ends at once, as one that does not know of it, but what it has printed ends in a whole line, and
//! no half-written file stays.
//!
//! Where there are no signals the system's own way is kept.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while whole lines are on their way to standard output.
static PRINTING: Mutex<()> = Mutex::new(());
/// Whether there was a signal.
static IS_ENDING: AtomicBool = AtomicBool::new(false);
/// The file that is being written under a temporary name.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// What is printed until this is dropped is printed as a whole. Once the program ends, nothing more is.
pub fn printing() -> MutexGuard<'static, ()> {
    while IS_ENDING.load(Ordering::Relaxed) {
        std::thread::park();
    }
    PRINTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file, which is removed if the program is interrupted before this is dropped.
pub struct Unfinished(());

impl Unfinished {
    /// It is at `path`.
    pub fn new(path: &Path) -> Unfinished {
        *UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_owned());
        Unfinished(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        *UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Waits for SIGINT and SIGTERM, on a thread of its own.
#[cfg(unix)]
pub fn install() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || signals.forever().for_each(end));
}

#[cfg(not(unix))]
pub fn install() {}

/// Whether a live capture ends by signals itself.
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// Leaves signals to a live capture, which has more to read and to say after them.
pub fn leave() {
    IS_LEFT.store(true, Ordering::Relaxed);
}

#[cfg(unix)]
fn end(signal: i32) {
    if IS_LEFT.load(Ordering::Relaxed) {
        return;
    }
    // A reader that takes nothing more, as a pager does, does not keep anybody.
    const PATIENCE: u32 = 50;
    IS_ENDING.store(true, Ordering::Relaxed);
    let mut guard = PRINTING.try_lock();
    for _ in 0..PATIENCE {
        if guard.is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        guard = PRINTING.try_lock();
    }
    if let Some(path) = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = std::fs::remove_file(path);
    }
    super::output::Meter::clear();
    // The shell is to know that it was the signal.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}
