//! The parts of URLs that are secrets.
//!
//! Takes text that is a URL, or contains one, or is the part of one that RTMP sends by itself (`app`, the name of a
//! stream), and returns parts of it. Nothing is unescaped: secrets are found as they are on the wire.

use memchr::{memchr, memmem, memrchr};

/// What begins and separates parameters: `?` and `&`, and what servers read beside them (RFC 3986 3.3, 3.5).
const SEPARATORS: &[u8] = b"?;#&";

/// Parameters of a query that are not secret: which way to log in, and what the server wants.
const PUBLIC: &[&[u8]] = &[b"authmod", b"reason"];

/// User and password are shorter than this together.
const LONGEST_LOGIN: usize = 512;

/// User and password in URLs: `rtmp://user:password@host`.
pub fn logins(text: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = memmem::find(rest, b"://") {
        rest = &rest[at + 3..];
        let ends = userinfo(rest);
        for end in ends.into_iter().flatten() {
            found.extend(rest[..end].splitn(2, |&byte| byte == b':'));
        }
        // What is a password begins no other URL, so that no byte is looked at again and again.
        rest = &rest[ends.into_iter().flatten().max().unwrap_or_default()..];
    }
    found
}

/// The parts of a URL's path after the application, which is its first.
pub fn behind_application(url: &[u8]) -> impl Iterator<Item = &[u8]> {
    let path = memmem::find(url, b"://").map_or(url, |at| {
        let rest = &url[at + 3..];
        let host = userinfo(rest).into_iter().flatten().max().map_or(rest, |end| &rest[end + 1..]);
        memchr(b'/', host).map_or(&[][..], |at| &host[at..])
    });
    let path = path.split(|byte| SEPARATORS.contains(byte)).next().unwrap_or_default();
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).skip(1);
    // An instance of an application is called `_definst_` (Flash Media Server).
    parts.filter(|part| !(part.starts_with(b"_") && part.ends_with(b"_")))
}

/// Names and values of the parameters of a URL; those without a name have an empty one.
pub fn parameters(url: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let parts = url.split(|byte| SEPARATORS.contains(byte)).skip(1);
    let pairs = parts.map(|part| memchr(b'=', part).map_or((&[][..], part), |at| (&part[..at], &part[at + 1..])));
    pairs.filter(|(name, _)| !PUBLIC.contains(name))
}

/// The words of a sentence that are URLs with a query, or queries alone: from the first `?` on.
pub fn queries(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = text.split(u8::is_ascii_whitespace);
    words.filter_map(|word| memchr(b'?', word).map(|at| &word[at..]))
}

/// Where user and password end in what follows `://`: before the last `@` of the authority. A password may have `/`
/// and `@` in it, though it should not (RFC 3986 3.2.1), so that a later `@` may be meant as well.
fn userinfo(rest: &[u8]) -> [Option<usize>; 2] {
    let rest = &rest[..rest.len().min(LONGEST_LOGIN)];
    let end = rest.iter().position(|byte| b"'\" ".contains(byte)).unwrap_or(rest.len());
    let rest = &rest[..end];
    let authority = rest.iter().position(|byte| b"/?#".contains(byte)).map_or(rest, |at| &rest[..at]);
    let path = rest.iter().position(|byte| b"?#".contains(byte)).map_or(rest, |at| &rest[..at]);
    let plain = memrchr(b'@', authority);
    let has_password = plain.is_none() && !authority.starts_with(b"[") && {
        let port = memchr(b':', authority).map(|at| &authority[at + 1..]);
        port.is_some_and(|port| port.is_empty() || !port.iter().all(u8::is_ascii_digit))
    };
    let later = memrchr(b'@', path).or_else(|| memrchr(b'@', rest).filter(|_| has_password));
    [plain, later.filter(|_| plain.is_some() || has_password)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_have_what_separates_the_parts_of_a_url() {
        let of = |url: &'static str| -> Vec<&str> {
            logins(url.as_bytes()).into_iter().map(|part| std::str::from_utf8(part).unwrap()).collect()
        };
        assert_eq!(of("rtmp://host/live"), [""; 0]);
        assert_eq!(of("rtmp://host:1935/live/a@b?c@d"), [""; 0]);
        assert_eq!(of("rtmp://[::1]:1935/live/a@b"), [""; 0]);
        assert_eq!(of("rtmp://joe:pa/ss@host/live"), ["joe", "pa/ss"]);
        assert_eq!(of("rtmp://joe:pa?ss#@host/live"), ["joe", "pa?ss#"]);
        assert!(of("rtmp://joe:p@/ss@host/live").contains(&"p@/ss"));
        assert!(of("rtmp://joe:p@ss@host/live").contains(&"p@ss"));
        let behind: Vec<_> = behind_application(b"rtmp://joe:pa/ss@host/live/key").collect();
        assert_eq!(behind, [b"key"]);
    }
}
