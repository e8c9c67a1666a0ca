//! What two byte strings have in common.

/// How many bytes two strings have in common at the start.
pub fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let len = a.len().min(b.len());
    let mut at = 0;
    // Whole blocks compare as fast as memory is read.
    while at + STEP <= len && a[at..at + STEP] == b[at..at + STEP] {
        at += STEP;
    }
    at + a[at..len].iter().zip(&b[at..len]).take_while(|(a, b)| a == b).count()
}

/// How many bytes two strings have in common at the end.
pub fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let len = a.len().min(b.len());
    let (a, b) = (&a[a.len() - len..], &b[b.len() - len..]);
    let mut left = len;
    while left >= STEP && a[left - STEP..left] == b[left - STEP..left] {
        left -= STEP;
    }
    len - left + a[..left].iter().rev().zip(b[..left].iter().rev()).take_while(|(a, b)| a == b).count()
}
