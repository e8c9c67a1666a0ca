//! Names that were probably meant.

/// Up to three names near to an unknown one, the nearest first.
pub fn nearest(word: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    const LONGEST: usize = 100;
    if word.is_empty() || word.len() > LONGEST {
        return Vec::new();
    }
    let word = word.to_lowercase();
    let mut found: Vec<(usize, &'static str)> = names
        .filter(|name| name.len() <= LONGEST)
        .filter_map(|name| distance(&word, &name.to_lowercase()).map(|distance| (distance, name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    let nearest = found.first().map_or(0, |(distance, _)| *distance);
    found.into_iter().take_while(|(distance, _)| *distance <= nearest).take(3).map(|(_, name)| name).collect()
}

/// How far a name is from the word: a letter wrong counts one, a beginning left out counts two.
fn distance(word: &str, name: &str) -> Option<usize> {
    if name.strip_suffix(word).is_some_and(|before| before.ends_with('.')) {
        return Some(2);
    }
    let edits = edits(word.as_bytes(), name.as_bytes());
    (edits <= (word.len() / 4).max(1)).then_some(edits)
}

/// The letters to insert, delete, replace or swap with their neighbour.
fn edits(from: &[u8], to: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_between_words() {
        let table = [("kitten", "sitting", 3), ("", "abc", 3), ("prot", "port", 1), ("same", "same", 0), ("ab", "", 2)];
        for (from, to, expected) in table {
            assert_eq!(edits(from.as_bytes(), to.as_bytes()), expected, "{from} {to}");
        }
    }

    #[test]
    fn names() {
        let names =
            ["rtmpt.header.csid", "rtmpt.header.typeid", "rtmpt.tag.timestamp", "rtmpt.header.timestamp", "tcp.port"];
        let near = |word| nearest(word, names.into_iter()).join(" ");
        assert_eq!(near("rtmp.header.csid"), "rtmpt.header.csid");
        assert_eq!(near("header.typeid"), "rtmpt.header.typeid");
        assert_eq!(near("typeid"), "rtmpt.header.typeid");
        assert_eq!(near("TCP.Port"), "tcp.port");
        assert_eq!(near("tcp.prot"), "tcp.port");
        assert_eq!(near("timestamp"), "rtmpt.header.timestamp rtmpt.tag.timestamp");
        assert_eq!(near("eth.addr"), "");
    }
}
