//! Differences that the user does not want to hear of.

use crate::compare::Comparison;

/// A path in which `*` stands for anything: `connect.*`, `onMetaData.encoder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether a path fits.
    pub fn matches(&self, path: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = path.strip_prefix(first) else { return false };
        let parts: Vec<_> = parts.collect();
        let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
        for part in middle {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// Marks what the patterns cover, and counts it by pattern.
pub fn mark(comparison: &mut Comparison<'_>, patterns: &[Pattern]) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = patterns.iter().map(|pattern| (pattern.0.clone(), 0)).collect();
    for mismatch in comparison.mismatches.iter_mut().filter(|mismatch| mismatch.expected.is_none()) {
        if let Some(index) = patterns.iter().position(|pattern| pattern.matches(&mismatch.path.to_string())) {
            counts[index].1 += 1;
            mismatch.expected = Some("ignored as asked for");
        }
    }
    counts.retain(|(_, count)| *count > 0);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let fits = |pattern: &str, path: &str| Pattern(pattern.to_owned()).matches(path);
        assert!(fits("connect.tcUrl", "connect.tcUrl"));
        assert!(!fits("connect.tcUrl", "connect.tcUrl2"));
        assert!(fits("connect.*", "connect.app"));
        assert!(fits("*.encoder", "onMetaData.encoder"));
        assert!(fits("on*.d*n", "onMetaData.duration"));
        assert!(!fits("on*.d*n", "onMetaData.width"));
        assert!(fits("*", ""));
        assert!(!fits("ab*ba", "aba"));
    }
}
