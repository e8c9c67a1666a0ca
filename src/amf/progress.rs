//! What the decoders of AMF keep while they read one body.
//!
//! Depth, number of values and expansion of references are bounded here, for AMF 0 and AMF 3 together:
//! values of the one nest in the other.

use super::{MAX_DEPTH, MAX_EXPANSION, MAX_VALUES};
use crate::field::Defect;

/// How far the reading of a body is.
#[derive(Default)]
pub(super) struct Progress {
    depth: usize,
    count: usize,
    expanded: usize,
    /// What was wrong so far.
    pub(super) defects: Vec<Defect>,
    /// Nothing after this point has a known place.
    pub(super) stopped: bool,
}

impl Progress {
    /// The reading of a body of which `count` values are read already, in stretches of their own.
    pub(super) fn after(count: usize) -> Progress {
        Progress { count, ..Progress::default() }
    }

    /// How many values were read.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Ends the reading for a reason.
    pub(super) fn stop(&mut self, defect: Defect) {
        // What an outer array or object lacks because an inner one broke off is not said again.
        if !self.stopped {
            self.defects.push(defect);
        }
        self.stopped = true;
    }

    /// A value begins at `at`; [`leave`](Self::leave) when it ends.
    pub(super) fn enter(&mut self, at: usize) -> Result<(), Defect> {
        if self.depth == MAX_DEPTH {
            return Err(Defect::new("amf-too-deep", at, format!("values are nested more than {MAX_DEPTH} deep")));
        }
        self.count_one(at)?;
        self.depth += 1;
        Ok(())
    }

    /// The value that was entered last ends.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Something that costs as much as a value.
    pub(super) fn count_one(&mut self, at: usize) -> Result<(), Defect> {
        if self.count == MAX_VALUES {
            return Err(Defect::new("amf-too-many", at, format!("more than {MAX_VALUES} values in one body")));
        }
        self.count += 1;
        Ok(())
    }

    /// A reference at `at` stands for so many bytes.
    pub(super) fn expand(&mut self, at: usize, bytes: usize) -> Result<(), Defect> {
        self.expanded = self.expanded.saturating_add(bytes);
        if self.expanded > MAX_EXPANSION {
            let text = format!("references expand to more than {MAX_EXPANSION} bytes of text");
            return Err(Defect::new("amf-too-many", at, text));
        }
        Ok(())
    }
}

/// The defect of a reference without a target.
pub(super) fn dangling(at: usize, what: &str, index: u32, known: usize) -> Defect {
    Defect::new("amf-reference-unknown", at, format!("a reference to {what} {index}, but only {known} precede it"))
}
