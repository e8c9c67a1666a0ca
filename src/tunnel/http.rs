//! HTTP/1.x messages in one direction, as far as tunnels need them: where bodies begin and end.
//!
//! Takes bytes and holes, gives heads, parts of bodies and ends, one at a time. It copies heads and no bodies. After a
//! hole that is not inside a body, the next start of a message is looked for. httparse reads the heads; RFC 9112 6 says
//! how long bodies are.

use std::ops::Range;

/// Requests or responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Requests,
    Responses,
}

/// The start of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A request: its target.
    Request { is_post: bool, target: String },
    /// A response: its status.
    Response { status: u16 },
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A message begins.
    Head(Head),
    /// Bytes of its body: where they are in what was given.
    Body(Range<usize>),
    /// It is over.
    End,
}

/// What a hole did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    /// It is inside a body, which continues after it.
    InBody,
    /// It is not known where the next message begins.
    Lost,
}

/// The messages of one direction.
#[derive(Debug)]
pub(super) struct Messages {
    side: Side,
    state: State,
    /// What there is of a head, or of a chunk's line.
    line: Vec<u8>,
    /// Whether it does not speak HTTP.
    pub is_refuted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes of the body are left.
    Body(u64),
    /// The line with a chunk's size.
    ChunkSize,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// The line break after a chunk.
    ChunkEnd,
    /// The fields after the last chunk.
    Trailer,
    /// The body ends with the connection.
    UntilClose,
    /// In a body, up to the next line with a chunk's size.
    Rest,
    /// After a hole.
    Lost,
}

/// The longest head, in bytes.
const LONGEST: usize = 16 << 10;

impl Messages {
    pub fn new(side: Side) -> Messages {
        Messages { side, state: State::Head, line: Vec::new(), is_refuted: false }
    }

    /// The next part in `bytes` from `at` on, which is moved to after it; `None` if more bytes are needed.
    pub fn next(&mut self, bytes: &[u8], at: &mut usize) -> Option<Part> {
        while !self.is_refuted {
            match self.state {
                State::Body(0) => {
                    self.state = State::Head;
                    return Some(Part::End);
                }
                State::Body(left) | State::Chunk(left) if left > 0 => {
                    let range = take(bytes, at, left)?;
                    let left = left - range.len() as u64;
                    self.state = match self.state {
                        State::Body(_) => State::Body(left),
                        _ if left == 0 => State::ChunkEnd,
                        _ => State::Chunk(left),
                    };
                    return Some(Part::Body(range));
                }
                State::UntilClose => return take(bytes, at, u64::MAX).map(Part::Body),
                State::Rest => match chunk_line(&bytes[*at..]) {
                    None => return take(bytes, at, u64::MAX).map(Part::Body),
                    Some((line, size)) if line.start == 0 => {
                        *at += line.end;
                        self.state = if size == 0 { State::Trailer } else { State::Chunk(size) };
                    }
                    Some((line, _)) => return take(bytes, at, line.start as u64).map(Part::Body),
                },
                State::Lost => self.look(bytes, at)?,
                State::Head => {
                    self.take_lines(bytes, at, |line| line.ends_with(b"\n\r\n") || line.ends_with(b"\n\n"))?;
                    let head = std::mem::take(&mut self.line);
                    match self.read(&head) {
                        Some((head, state)) => {
                            self.state = state;
                            return Some(Part::Head(head));
                        }
                        None => self.is_refuted = true,
                    }
                }
                State::ChunkSize => {
                    self.take_lines(bytes, at, |line| line.ends_with(b"\n"))?;
                    let line = std::mem::take(&mut self.line);
                    let size = line.split(|byte| !byte.is_ascii_hexdigit()).next().unwrap_or_default();
                    let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
                    match size {
                        Some(0) => self.state = State::Trailer,
                        Some(size) => self.state = State::Chunk(size),
                        None => self.state = State::Lost,
                    }
                }
                State::ChunkEnd | State::Chunk(_) | State::Body(_) => {
                    self.take_lines(bytes, at, |line| line.ends_with(b"\n"))?;
                    let is_break = matches!(&self.line[..], b"\r\n" | b"\n");
                    self.line.clear();
                    self.state = if is_break { State::ChunkSize } else { State::Lost };
                }
                State::Trailer => {
                    self.take_lines(bytes, at, |line| line.ends_with(b"\n"))?;
                    let is_last = matches!(&self.line[..], b"\r\n" | b"\n");
                    self.line.clear();
                    if is_last {
                        self.state = State::Body(0);
                    }
                }
            }
        }
        None
    }

    /// What follows is a body in chunks, after a hole that reached out of one: what comes before the next chunk's line is
    /// the end of a chunk.
    pub fn look_for_chunk(&mut self) {
        self.line.clear();
        self.state = State::Rest;
    }

    /// Takes note of a hole.
    pub fn hole(&mut self, len: u64) -> Hole {
        match &mut self.state {
            State::Body(left) if len <= *left && *left > 0 => {
                *left -= len;
                return Hole::InBody;
            }
            State::Chunk(left) if len < *left => {
                *left -= len;
                return Hole::InBody;
            }
            State::UntilClose | State::Rest => return Hole::InBody,
            _ => {}
        }
        self.line.clear();
        self.state = State::Lost;
        Hole::Lost
    }

    /// Collects bytes up to the one with which `is_end` holds.
    fn take_lines(&mut self, bytes: &[u8], at: &mut usize, is_end: impl Fn(&[u8]) -> bool) -> Option<()> {
        while let Some(&byte) = bytes.get(*at) {
            *at += 1;
            // Line breaks before a message are passed over (RFC 9112 2.2).
            if self.state == State::Head && self.line.is_empty() && matches!(byte, b'\r' | b'\n') {
                continue;
            }
            self.line.push(byte);
            if byte == b'\n' && is_end(&self.line) {
                return Some(());
            }
            if self.state == State::Head && !self.may_begin() || self.line.len() > LONGEST {
                self.is_refuted = true;
                return None;
            }
        }
        None
    }

    /// Whether what there is of a head can begin a message.
    fn may_begin(&self) -> bool {
        let starts_with = |start: &[u8]| {
            let len = self.line.len().min(start.len());
            self.line[..len] == start[..len]
        };
        match self.side {
            Side::Responses => starts_with(b"HTTP/1."),
            // A method, and a space.
            Side::Requests => {
                let method = self.line.split(|&byte| byte == b' ').next().unwrap_or_default();
                method.len() <= 16 && method.iter().all(u8::is_ascii_uppercase) && !self.line.starts_with(b" ")
            }
        }
    }

    /// Looks for the start of a message.
    fn look(&mut self, bytes: &[u8], at: &mut usize) -> Option<()> {
        let start: &[u8] = match self.side {
            Side::Requests => b"POST /",
            Side::Responses => b"HTTP/1.",
        };
        while let Some(&byte) = bytes.get(*at) {
            *at += 1;
            self.line.push(byte);
            while !start.starts_with(&self.line) {
                self.line.remove(0);
            }
            if self.line == start {
                self.state = State::Head;
                return Some(());
            }
        }
        None
    }

    /// Reads a whole head.
    fn read(&self, head: &[u8]) -> Option<(Head, State)> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        match self.side {
            Side::Requests => {
                let mut request = httparse::Request::new(&mut fields);
                request.parse(head).ok()?;
                let (method, target) = (request.method?, request.path?.to_owned());
                let state = body_of(request.headers).unwrap_or(State::Body(0));
                Some((Head::Request { is_post: method == "POST", target }, state))
            }
            Side::Responses => {
                let mut response = httparse::Response::new(&mut fields);
                response.parse(head).ok()?;
                let status = response.code?;
                let state = match status {
                    100..=199 | 204 | 304 => State::Body(0),
                    _ => body_of(response.headers).unwrap_or(State::UntilClose),
                };
                Some((Head::Response { status }, state))
            }
        }
    }
}

/// How long the body is, if the fields of the head tell (RFC 9112 6.3).
fn body_of(fields: &[httparse::Header<'_>]) -> Option<State> {
    let value = |name: &str| {
        let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(field.value).ok()
    };
    let is_chunked =
        |value: &str| value.rsplit(',').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"));
    if value("transfer-encoding").is_some_and(is_chunked) {
        return Some(State::ChunkSize);
    }
    value("content-length")?.trim().parse().ok().map(State::Body)
}

/// The first line with a chunk's size, the line break before it included, and the size. Other bytes look like that once
/// in 10^10.
fn chunk_line(bytes: &[u8]) -> Option<(Range<usize>, u64)> {
    let at = |start: usize| {
        let digits = bytes[start..].strip_prefix(b"\r\n")?;
        let count = digits.iter().take(8).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = u64::from_str_radix(std::str::from_utf8(&digits[..count]).ok()?, 16).ok()?;
        digits[count..].starts_with(b"\r\n").then_some((start..start + count + 4, size))
    };
    memchr::memchr_iter(b'\r', bytes).find_map(at)
}

/// At most `most` of the bytes from `at` on.
fn take(bytes: &[u8], at: &mut usize, most: u64) -> Option<Range<usize>> {
    let rest = bytes.len() - *at;
    let len = usize::try_from(most).unwrap_or(usize::MAX).min(rest);
    let range = *at..*at + len;
    *at = range.end;
    (len > 0).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heads and bodies, whatever pieces they arrive in.
    fn messages(side: Side, bytes: &[u8], size: usize) -> Vec<(Head, Vec<u8>, bool)> {
        let mut parser = Messages::new(side);
        let mut all: Vec<(Head, Vec<u8>, bool)> = Vec::new();
        for piece in bytes.chunks(size) {
            let mut at = 0;
            while let Some(part) = parser.next(piece, &mut at) {
                match (part, all.last_mut()) {
                    (Part::Head(head), _) => all.push((head, Vec::new(), false)),
                    (Part::Body(range), Some(last)) => last.1.extend_from_slice(&piece[range]),
                    (Part::End, Some(last)) => last.2 = true,
                    (part, None) => panic!("{part:?} without a head"),
                }
            }
            assert_eq!(at, piece.len());
        }
        all
    }

    #[test]
    fn bodies_of_a_length_and_in_chunks() {
        let requests =
            b"POST /open/1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n\0\r\nPOST /send/a/0 HTTP/1.1\r\nHost: x\r\n\
            Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3;x=y\r\nefg\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.0\n\n";
        let post = |target: &str| Head::Request { is_post: true, target: target.to_owned() };
        for size in 1..=requests.len() {
            let all = messages(Side::Requests, requests, size);
            let expected = [
                (post("/open/1"), b"\0".to_vec(), true),
                (post("/send/a/0"), b"abcdefg".to_vec(), true),
                (Head::Request { is_post: false, target: "/".to_owned() }, Vec::new(), true),
            ];
            assert_eq!(all, expected, "in pieces of {size}");
        }
        let responses =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.0 404 No\r\n\r\nrest";
        for size in 1..=responses.len() {
            let all = messages(Side::Responses, responses, size);
            let of = |status, body: &[u8], is_over| (Head::Response { status }, body.to_vec(), is_over);
            assert_eq!(
                all,
                [of(100, b"", true), of(200, b"abc", true), of(404, b"rest", false)],
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn holes() {
        let head = b"POST /send/a/0 HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc";
        let mut parser = Messages::new(Side::Requests);
        let mut at = 0;
        assert!(matches!(parser.next(head, &mut at), Some(Part::Head(_))));
        assert_eq!(parser.next(head, &mut at), Some(Part::Body(head.len() - 3..head.len())));
        assert_eq!(parser.hole(5), Hole::InBody);
        assert_eq!(parser.next(b"xy", &mut 0), Some(Part::Body(0..2)));
        assert_eq!(parser.next(b"", &mut 0), Some(Part::End));
        // Into the next head.
        assert_eq!(parser.hole(5), Hole::Lost);
        let rest = b"t-Length: 5\r\n\r\nPOSPOST /send/a/2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nz";
        let mut at = 0;
        let expected = Head::Request { is_post: true, target: "/send/a/2".to_owned() };
        assert_eq!(parser.next(rest, &mut at), Some(Part::Head(expected)));
        assert_eq!(parser.next(rest, &mut at), Some(Part::Body(rest.len() - 1..rest.len())));
    }

    #[test]
    fn other_bytes_are_refuted_at_once() {
        for (side, bytes) in
            [(Side::Requests, &b"\x03\0\0\0"[..]), (Side::Responses, b"RTMP"), (Side::Requests, b"abc")]
        {
            let mut parser = Messages::new(side);
            assert_eq!(parser.next(bytes, &mut 0), None);
            assert!(parser.is_refuted);
        }
    }
}
