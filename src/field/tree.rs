//! The recorder that keeps what was read as a tree of named fields.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;

use super::{Def, Record};
use crate::steps;

/// A tree of fields in preorder: a node's children follow it, one level deeper.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    open: Vec<usize>,
}

/// A field, or a group of fields.
#[derive(Clone, Debug)]
pub struct Node {
    /// What the field is.
    pub def: &'static Def,
    /// How deep it is; 0 for the outermost.
    pub depth: usize,
    /// The bytes it was read from, as offsets in the buffer; empty for a derived field.
    pub range: Range<usize>,
    /// Its value; [`Value::None`] for a group.
    pub value: Value,
    /// Which bits of its range, if not all.
    pub bits: Option<Bits>,
    /// A group's own text, or the reason for a derived field.
    pub text: Option<Cow<'static, str>>,
    /// Whether the field has no bytes of its own here.
    pub derived: bool,
}

/// Some bits of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// How many bits lie to the right.
    pub shift: u32,
    /// How many bits.
    pub width: u32,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A group has none.
    None,
    /// An unsigned number.
    Uint(u64),
    /// A signed number.
    Int(i64),
    /// A double.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// Text; damaged UTF-8 is replaced, the range still names the true bytes.
    Text(String),
    /// Plain bytes.
    Bytes(Vec<u8>),
    /// An IP address.
    Address(IpAddr),
    /// A time since the epoch, or a duration, in nanoseconds.
    Seconds(i64),
}

/// How many fields a tree has room for at first.
const USUAL: usize = 16;

impl Tree {
    /// All nodes in preorder.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The fields that were read from whole bytes of their own: neither groups nor bits nor derived.
    pub fn leaves(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.value != Value::None && node.bits.is_none() && !node.derived)
    }

    /// Whether the leaves cover `range` without a hole or an overlap; else the first offset that is
    /// wrong.
    pub fn tiles(&self, range: Range<usize>) -> Result<(), usize> {
        let mut at = range.start;
        for leaf in self.leaves() {
            if leaf.range.start != at {
                return Err(at.min(leaf.range.start));
            }
            at = leaf.range.end;
        }
        if at == range.end { Ok(()) } else { Err(at) }
    }

    fn push(&mut self, def: &'static Def, range: Range<usize>, value: Value) -> &mut Node {
        steps::count(1);
        let depth = self.open.len();
        if self.nodes.is_empty() {
            // Most trees have no more, and grow no further.
            self.nodes.reserve(USUAL);
        }
        self.nodes.push(Node { def, depth, range, value, bits: None, text: None, derived: false });
        self.nodes.last_mut().expect("a node was just pushed")
    }
}

impl Record for Tree {
    const ON: bool = true;

    fn open(&mut self, def: &'static Def, at: usize) {
        self.push(def, at..at, Value::None);
        self.open.push(self.nodes.len() - 1);
    }

    fn close(&mut self, end: usize) {
        if let Some(group) = self.open.pop() {
            self.nodes[group].range.end = end;
        }
    }

    fn describe(&mut self, text: impl FnOnce() -> String) {
        if let Some(&group) = self.open.last() {
            self.nodes[group].text = Some(text().into());
        }
    }

    fn leaf(&mut self, def: &'static Def, range: Range<usize>, value: impl FnOnce() -> Value) {
        self.push(def, range, value());
    }

    fn bits(&mut self, def: &'static Def, bits: Bits, value: u64) {
        let whole = self.nodes.iter().rev().find(|node| node.bits.is_none()).map_or(0..0, |node| node.range.clone());
        let node = self.push(def, whole, Value::Uint(value));
        node.bits = Some(bits);
        node.depth += 1;
    }

    fn derived(&mut self, def: &'static Def, at: usize, value: impl FnOnce() -> Value, why: &'static str) {
        let node = self.push(def, at..at, value());
        node.text = Some(why.into());
        node.derived = true;
    }
}
