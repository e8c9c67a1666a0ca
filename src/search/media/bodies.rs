//! Edits of bodies: a field with another value, bytes put in, left out, filled up.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::compare::{common_prefix, common_suffix};
use crate::field::{Bits, Def, Tree, Value};
use crate::recording::RecordedMessage;
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{MediaKind, MessageClass};
use crate::rtmp::media::video::VideoTag;
use crate::rtmp::media::{Audio, FourCc, Video, av1};
use crate::sender::Operator;

use super::{Both, Edit, Meant, MediaScope};

/// What was done to bodies.
#[derive(Clone, Debug)]
pub enum BodyEdit {
    /// Fields have other values.
    Fields(Vec<FieldEdit>),
    /// Bytes were put in before this offset.
    PutIn {
        /// Where.
        at: usize,
        /// Those of the first message.
        bytes: Vec<u8>,
        /// A header field with which the body fits, bytes included.
        fits: Option<Fits>,
    },
    /// Bytes from this offset on were left out.
    LeftOut {
        /// Where.
        at: usize,
        /// How many.
        length: usize,
        /// The field that they are in A.
        field: Option<&'static Def>,
    },
    /// Only so many bytes were written.
    Cut {
        /// How many.
        at: usize,
    },
    /// Lengths were put before temporal units, frames and OBUs (AV1 annex B).
    LengthDelimited,
    /// The two halves of the first byte are in each other's place.
    HalvesExchanged,
    /// What is coded of the picture was left out, or all of it.
    NoPicture,
    /// A parameter set was left out of the configuration.
    NoParameterSet(&'static str),
    /// Bytes of one value were put after the end, up to the next multiple of a length.
    Filled {
        /// Their value.
        with: u8,
        /// The length.
        multiple: usize,
    },
}

/// A header field with which a body would fit.
#[derive(Clone, Copy, Debug)]
pub struct Fits {
    /// What the bytes are then.
    pub inserted: &'static Def,
    /// The header field.
    pub field: &'static Def,
    /// The value that it has.
    pub is: u64,
    /// The value with which the body fits.
    pub with: u64,
}

/// A field with another value.
#[derive(Clone, Debug)]
pub struct FieldEdit {
    /// The field.
    pub def: &'static Def,
    /// What was done to its value.
    pub operator: Operator,
    /// What it is in A and in B, where it shows first.
    pub values: [u64; 2],
    /// Where it is in the body.
    pub range: Range<usize>,
}

/// How one body differs from another.
#[derive(Clone, Debug)]
enum Shape {
    /// In fields of a header.
    Fields(Vec<Changed>),
    /// By so many bytes more, before an offset in this range.
    More(usize, Range<usize>),
    /// By so many bytes less, from an offset in this range on.
    Less(usize, Range<usize>),
    /// By bytes of one value after the end.
    Filled(u8),
}

#[derive(Clone, Debug)]
struct Changed {
    def: &'static Def,
    range: Range<usize>,
    bits: Option<Bits>,
    values: [u64; 2],
}

/// So many messages that differ are looked at, and so many kinds of differences.
const MOST: usize = 4096;
const MOST_KINDS: usize = 8;

/// The edits that make the bodies of B.
pub(super) fn edits(all: &[Both<'_>], kind: MediaKind) -> Vec<Meant> {
    let mut groups: Vec<(Shape, Vec<usize>)> = Vec::new();
    let mut differing = 0;
    for (index, both) in all.iter().enumerate() {
        let Some([a, b]) = both.pair().filter(|[a, b]| a.hash != b.hash) else { continue };
        differing += 1;
        if differing > MOST || groups.len() > MOST_KINDS || !a.is_whole() || !b.is_whole() {
            continue;
        }
        let Some(shape) = shape(a, b) else { continue };
        match groups.iter_mut().find_map(|(of, members)| of.takes(&shape).then_some(members)) {
            Some(members) => members.push(index),
            None => groups.push((shape, vec![index])),
        }
    }
    let edits = groups.into_iter().filter_map(|(shape, members)| edit(all, kind, shape, &members));
    let found: Vec<Meant> = edits.collect();
    // Many kinds of differences in one track are not one mistake: it was coded, or cut into messages, anew.
    let explained: usize = found.iter().map(|one| one.rows.len()).sum();
    if explained * 10 < differing.min(MOST) * 9 || found.len() > 3 { Vec::new() } else { found }
}

impl Shape {
    /// Whether another body differs in the same way; narrows where that is.
    fn takes(&mut self, other: &Shape) -> bool {
        let narrow = |own: &mut Range<usize>, other: &Range<usize>| {
            let both = own.start.max(other.start)..own.end.min(other.end);
            let is_same = both.start <= both.end;
            if is_same {
                *own = both;
            }
            is_same
        };
        match (self, other) {
            (Shape::Fields(own), Shape::Fields(other)) => {
                let names = |all: &[Changed]| all.iter().map(|one| one.def.name).collect::<BTreeSet<_>>();
                names(own) == names(other)
            }
            (Shape::More(own, at), Shape::More(more, other)) if own == more => narrow(at, other),
            (Shape::Less(own, at), Shape::Less(less, other)) if own == less => narrow(at, other),
            (Shape::Filled(own), Shape::Filled(other)) => own == other,
            _ => false,
        }
    }
}

/// What makes one body of the other, if it is one edit.
fn shape(a: &RecordedMessage, b: &RecordedMessage) -> Option<Shape> {
    let (of_a, of_b) = (&a.body[..], &b.body[..]);
    // Fields at the end of a configuration may be there or not (ISO/IEC 14496-15 5.3.3.1.2, ISO/IEC 14496-3 1.6.5).
    if of_a.len() != of_b.len() && [a, b].iter().any(|kept| matches!(kept.class, MessageClass::Config(_))) {
        return None;
    }
    let (prefix, suffix) = (common_prefix(of_a, of_b), common_suffix(of_a, of_b));
    let shorter = of_a.len().min(of_b.len());
    let first = shorter - suffix;
    match (of_b.len().checked_sub(of_a.len()), of_a.len().checked_sub(of_b.len())) {
        (Some(0), _) => fields(a, b).map(Shape::Fields),
        (Some(_), _) if prefix == shorter => {
            let with = of_b[prefix];
            of_b[prefix..].iter().all(|&byte| byte == with).then_some(Shape::Filled(with))
        }
        (Some(more), _) => (first <= prefix).then_some(Shape::More(more, first..prefix)),
        (_, less) => (first <= prefix).then_some(Shape::Less(less?, first..prefix)),
    }
}

/// The fields in which two bodies of one length differ; None where anything differs that is no number.
fn fields(a: &RecordedMessage, b: &RecordedMessage) -> Option<Vec<Changed>> {
    const MOST: usize = 256;
    let differing: Vec<usize> = (0..a.body.len()).filter(|&at| a.body[at] != b.body[at]).take(MOST + 1).collect();
    if differing.len() > MOST {
        return None;
    }
    let tree = tree(a.header.type_id, &a.body);
    let mut changed: Vec<Changed> = Vec::new();
    let mut at = 0;
    while at < differing.len() {
        let leaf = tree.leaves().find(|leaf| leaf.range.contains(&differing[at]))?;
        if leaf.range.len() > 4 || !matches!(leaf.value, Value::Uint(_) | Value::Int(_)) {
            return None;
        }
        let range = leaf.range.clone();
        let [of_a, of_b] = [a, b].map(|kept| number(&kept.body[range.clone()]));
        let mut unseen = of_a ^ of_b;
        for part in tree.nodes().iter().filter(|node| node.range == range && !node.derived) {
            let Some(bits) = part.bits else { continue };
            let mask = mask(bits);
            if unseen & mask != 0 {
                let values = [of_a, of_b].map(|value| (value & mask) >> bits.shift);
                changed.push(Changed { def: part.def, range: range.clone(), bits: Some(bits), values });
                unseen &= !mask;
            }
        }
        if unseen != 0 {
            changed.push(Changed { def: leaf.def, range: range.clone(), bits: None, values: [of_a, of_b] });
        }
        at += differing[at..].iter().take_while(|at| range.contains(at)).count();
    }
    Some(changed)
}

/// The edit of a group of messages, with its scope.
fn edit(all: &[Both<'_>], kind: MediaKind, shape: Shape, members: &[usize]) -> Option<Meant> {
    let [a, b] = all[*members.first()?].pair()?;
    let mut is_only = true;
    let edit = match shape {
        Shape::Fields(first) => {
            let mut edits: Vec<FieldEdit> = Vec::new();
            for Changed { def, range, bits, values } in first {
                if edits.iter().any(|known| known.def.name == def.name) {
                    continue;
                }
                let bytes = bits.map_or(range.len() as u32, |bits| bits.width.div_ceil(8));
                let (operator, is_sole) = operator(all, members, def, values, bytes)?;
                is_only &= is_sole;
                edits.push(FieldEdit { def, operator, values, range });
            }
            BodyEdit::Fields(edits)
        }
        Shape::More(more, range) => {
            let at = boundary(a, &range);
            let fits = fits(a, b, at, more);
            let bytes = b.body[at..at + more].to_vec();
            // Inside of what is coded, other rules know more; and a muxer may put NAL units in (H.264 7.4.1.2.3).
            if fits.is_none() && (at > payload_start(a) || are_units(&bytes) || are_obus(b, &bytes)) {
                return None;
            }
            BodyEdit::PutIn { at, bytes, fits }
        }
        Shape::Less(length, range) => {
            let at = boundary(a, &range);
            let field = tree(a.header.type_id, &a.body);
            let field = field.leaves().find(|leaf| leaf.range == (at..at + length)).map(|leaf| leaf.def);
            if at >= payload_start(a) {
                return None;
            }
            BodyEdit::LeftOut { at, length, field }
        }
        Shape::Filled(with) => {
            let lengths = members.iter().filter_map(|&index| Some(all[index].pair()?[1].body.len()));
            let lengths: Vec<usize> = lengths.collect();
            let divides = |by: &usize| lengths.len() > 1 && lengths.iter().all(|length| length % by == 0);
            const MULTIPLES: [usize; 9] = [4096, 1024, 512, 188, 64, 32, 16, 8, 4];
            let multiple = MULTIPLES.into_iter().find(divides)?;
            BodyEdit::Filled { with, multiple }
        }
    };
    let scope = scope(all, kind, members, &edit);
    let is_sole = is_only && !matches!(scope, MediaScope::Some(_) | MediaScope::One);
    let rows = members.iter().map(|&index| all[index].row).collect();
    Some(Meant { edit: Edit::Body(edit), scope, rows, is_sole })
}

/// Whether a body is the same after an edit: its field has a value of which the operator makes the same.
fn is_spared(a: &RecordedMessage, edit: &BodyEdit) -> bool {
    let edits = match edit {
        BodyEdit::Fields(edits) => edits,
        BodyEdit::Filled { multiple, .. } => return a.body.len().is_multiple_of(*multiple),
        _ => return false,
    };
    let tree = tree(a.header.type_id, &a.body);
    edits.iter().all(|edit| {
        let of_field = tree.nodes().iter().filter(|node| node.def.name == edit.def.name && !node.derived);
        of_field.into_iter().all(|node| {
            let whole = number(&a.body[node.range.clone()]);
            let value = node.bits.map_or(whole, |bits| (whole & mask(bits)) >> bits.shift);
            edit.operator.apply(value as u32, node.range.len() as u32).map(u64::from) == Some(value)
        })
    })
}

/// The messages that these are all of, in the fewest words.
fn scope(all: &[Both<'_>], kind: MediaKind, members: &[usize], edit: &BodyEdit) -> MediaScope {
    let is_member = |index: usize| members.binary_search(&index).is_ok();
    let pairs = || (0..all.len()).filter_map(|index| Some((index, all[index].pair()?[0])));
    let is_one = members.len() == 1;
    let covers = |index: usize, a: &RecordedMessage| is_member(index) || is_spared(a, edit);
    if !is_one && pairs().all(|(index, a)| covers(index, a)) {
        return MediaScope::Kind(kind);
    }
    if let Some([first, _]) = all[members[0]].pair()
        && (!is_one || matches!(first.class, MessageClass::Config(_)))
        && pairs().all(|(index, a)| if a.class == first.class { covers(index, a) } else { !is_member(index) })
    {
        return MediaScope::Class(first.class);
    }
    let is_config = |a: &RecordedMessage| matches!(a.class, MessageClass::Config(_));
    if !is_one && pairs().all(|(index, a)| if is_config(a) { !is_member(index) } else { covers(index, a) }) {
        return MediaScope::Frames(kind);
    }
    let shortest = pairs().filter(|(index, _)| is_member(*index)).map(|(_, a)| a.header.length).min().unwrap_or(0);
    if !is_one && pairs().all(|(index, a)| is_member(index) == (a.header.length >= shortest)) {
        return MediaScope::Longer(kind, shortest.saturating_sub(1));
    }
    if is_one { MediaScope::One } else { MediaScope::Some(kind) }
}

/// The operator that makes B's value of a field of A's in each of these messages, and whether it is the only one.
fn operator(all: &[Both<'_>], members: &[usize], def: &Def, first: [u64; 2], bytes: u32) -> Option<(Operator, bool)> {
    let changed = members.iter().filter_map(|&index| all[index].pair().and_then(|[a, b]| fields(a, b)));
    let values: Vec<[u64; 2]> =
        changed.flatten().filter(|one| one.def.name == def.name).map(|one| one.values).collect();
    let makes =
        |operator: &Operator| values.iter().all(|[a, b]| operator.apply(*a as u32, bytes).map(u64::from) == Some(*b));
    let [a, b] = first.map(|value| value as u32);
    let mut fitting: Vec<Operator> = Operator::between(a, b, bytes).into_iter().filter(makes).collect();
    // A field that names something is set, not computed.
    let is_name = def.values().next().is_some() || bytes == 1;
    if is_name && values.iter().all(|[_, b]| *b == first[1]) {
        fitting = vec![Operator::Constant(b)];
    }
    let operator = *fitting.first()?;
    Some((operator, fitting.len() == 1 || values.len() > 1))
}

/// Whether bytes are NAL units with their lengths.
fn are_units(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((length, unit)) = rest.split_first_chunk() {
        let Some(next) = unit.get(u32::from_be_bytes(*length) as usize..) else { return false };
        rest = next;
    }
    rest.is_empty()
}

/// Whether bytes are OBUs with their sizes, in a frame of AV1 (AV1 5.3).
fn are_obus(b: &RecordedMessage, bytes: &[u8]) -> bool {
    const AV1: FourCc = FourCc(*b"av01");
    let is_av1 = match body::decode(b.header.type_id, &b.body, b.header.length, &mut ()).body {
        Body::Video(Video { tag: VideoTag::Enhanced { header, .. }, .. }) => header.four_cc == Some(AV1),
        _ => false,
    };
    is_av1 && av1::tiled(bytes).is_some()
}

/// The offset in a range at which a field begins: the coded media's first, else any, else the last.
fn boundary(a: &RecordedMessage, range: &Range<usize>) -> usize {
    let is_in = |at: &usize| (range.start..=range.end).contains(at);
    let start = payload_start(a);
    if is_in(&start) {
        return start;
    }
    let tree = tree(a.header.type_id, &a.body);
    tree.leaves().map(|leaf| leaf.range.start).find(is_in).unwrap_or(range.end)
}

/// The value of a header field with which a body that has more bytes than A's would be read to A's payload.
fn fits(a: &RecordedMessage, b: &RecordedMessage, at: usize, more: usize) -> Option<Fits> {
    let type_id = b.header.type_id;
    let wanted = payload(type_id, &a.body)?;
    let read = tree(type_id, &b.body);
    let named = read.nodes().iter().filter(|node| node.range.end <= at && node.range.len() == 1 && !node.derived);
    for node in named {
        let bits = node.bits.unwrap_or(Bits { shift: 0, width: 8 });
        let mask = mask(bits);
        let byte = u64::from(b.body[node.range.start]);
        for (with, _) in node.def.values().filter(|(value, _)| *value < 1 << bits.width) {
            let mut other = b.body.clone();
            other[node.range.start] = (byte & !mask | with << bits.shift) as u8;
            if other == b.body || payload(type_id, &other) != Some(wanted) {
                continue;
            }
            let inserted =
                tree(type_id, &other).leaves().find(|leaf| leaf.range == (at..at + more)).map(|leaf| leaf.def);
            if let Some(inserted) = inserted {
                return Some(Fits { inserted, field: node.def, is: (byte & mask) >> bits.shift, with });
            }
        }
    }
    None
}

fn tree(type_id: MessageTypeId, bytes: &[u8]) -> Tree {
    let mut tree = Tree::default();
    body::decode(type_id, bytes, bytes.len() as u32, &mut tree);
    tree
}

/// Where the coded media begins in a body.
pub(super) fn payload_start(kept: &RecordedMessage) -> usize {
    let payload = payload(kept.header.type_id, &kept.body).map_or(0, <[u8]>::len);
    kept.body.len() - payload
}

fn payload(type_id: MessageTypeId, bytes: &[u8]) -> Option<&[u8]> {
    match body::decode(type_id, bytes, bytes.len() as u32, &mut ()).body {
        Body::Audio(Audio { payload, .. }) | Body::Video(Video { payload, .. }) => Some(payload),
        _ => None,
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

pub(super) fn mask(bits: Bits) -> u64 {
    ((1u64 << bits.width) - 1) << bits.shift
}
