//! All values of an operand, sorted, so that two fields with many occurrences are not compared pair by pair.

use std::cmp::Ordering;

use super::{Operand, Relation};
use crate::filter::Fields;
use crate::filter::datum::{Class, Constant, Datum};

/// The values, in their order.
pub(super) struct Sorted {
    /// By class, then by value; without what is no number.
    values: Vec<Constant>,
    has_nan: bool,
}

impl Sorted {
    pub fn new(operand: &Operand, fields: &dyn Fields) -> Self {
        let (mut values, mut has_nan) = (Vec::new(), false);
        operand.each(fields, &mut |datum| match datum.is_nan() {
            true => has_nan = true,
            false => values.push(datum.to_constant()),
        });
        values.sort_by(|a, b| total_order(a.datum(), b.datum()));
        Sorted { values, has_nan }
    }

    /// The values that compare with a datum, and whether there is also one that is no number.
    fn peers(&self, datum: Datum<'_>) -> Option<(&[Constant], bool)> {
        let class = datum.class();
        let begin = self.values.partition_point(|value| value.datum().class() < class);
        let end = self.values.partition_point(|value| value.datum().class() <= class);
        let has_nan = self.has_nan && class == Class::Number;
        (begin < end || has_nan).then(|| (&self.values[begin..end], has_nan))
    }

    /// Whether the relation holds with one of the values; `None` if there are none to compare with.
    pub fn any(&self, datum: Datum<'_>, relation: Relation) -> Option<bool> {
        let (values, has_nan) = self.peers(datum)?;
        if datum.is_nan() {
            return Some(relation == Relation::Ne);
        }
        let holds = |value: Option<&Constant>| value.is_some_and(|value| relation.holds(datum.order(value.datum())));
        Some(match relation {
            Relation::Eq => values.binary_search_by(|value| total_order(value.datum(), datum)).is_ok(),
            // If it holds with any value, it holds with the smallest or the largest.
            _ => holds(values.first()) || holds(values.last()) || (has_nan && relation == Relation::Ne),
        })
    }

    /// Whether the relation holds with all of the values; `None` if there are none to compare with.
    pub fn all(&self, datum: Datum<'_>, relation: Relation) -> Option<bool> {
        let (values, has_nan) = self.peers(datum)?;
        let holds = |value: Option<&Constant>| value.is_none_or(|value| relation.holds(datum.order(value.datum())));
        Some(match relation {
            Relation::Ne => self.any(datum, Relation::Eq) == Some(false),
            _ => !datum.is_nan() && !has_nan && holds(values.first()) && holds(values.last()),
        })
    }
}

/// For values that are numbers, if of the class of numbers.
fn total_order(a: Datum<'_>, b: Datum<'_>) -> Ordering {
    a.class().cmp(&b.class()).then(a.order(b).unwrap_or(Ordering::Equal))
}
