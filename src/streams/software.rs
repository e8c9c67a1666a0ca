//! Which software a peer is, by what it says of itself.
//!
//! Takes the texts of one connection as they come, returns a [`Software`] for each side, or none where no text names
//! one. What programs copy from each other names nobody: `fmsVer` FMS/3,0,1,123, a Flash Player's `flashVer`, the four
//! bytes of S1 that nginx-rtmp, lal, joy4 and xiu share.

use serde::Serialize;

use crate::amf::Value;
use crate::rtmp::handshake::Part;

use super::text;

/// A program, as it names itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Software {
    /// Its name.
    pub name: String,
    /// Its version, if it says that too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it says so.
    pub from: &'static str,
}

/// What both sides of a connection have said so far.
#[derive(Debug, Default)]
pub(super) struct Identification {
    /// By its handshake or `connect`.
    client: Option<Software>,
    /// By its handshake or its answer to `connect`.
    server: Option<Software>,
    /// By metadata that it sends to players: a server before it may have written that.
    forwarded: Option<Software>,
    /// The bytes of C1 and of S1 that some use for a version.
    c1_version: Option<[u8; 4]>,
    s1_version: Option<[u8; 4]>,
    /// The text in C1, which some servers send back as S1.
    c1_text: Option<Software>,
}

/// Node-Media-Server says no name. Its S1 and its status text are its own only together: rtmplite has the same S1.
const NODE_MEDIA_SERVER: [u8; 4] = [1, 2, 3, 4];
/// FFmpeg's C1 has the version of a Flash Player. Its flashVer alone others copy, as hirokikana/rtmp-client does.
const FFMPEG: [u8; 4] = [9, 0, 124, 2];
/// Where S1 begins after S0, and ends.
const S1: std::ops::Range<usize> = 1..1537;

impl Identification {
    /// A part of the handshake.
    pub fn handshake(&mut self, part: Part, bytes: &[u8]) {
        let Some(block) = bytes.get(..S1.end.min(bytes.len())) else { return };
        let version = block.get(5..9).and_then(|bytes| bytes.first_chunk().copied());
        match part {
            Part::C0C1 => {
                self.c1_version = version;
                self.c1_text = in_random_bytes(block, "C1");
                self.client = self.c1_text.clone();
            }
            Part::S0S1S2 => {
                self.s1_version = version;
                let copied = |found: &Software| self.c1_text.as_ref().is_some_and(|sent| sent.name == found.name);
                self.server = in_random_bytes(block, "S1").filter(|found| !copied(found));
            }
            Part::C2 => {}
        }
    }

    /// The values of `connect`.
    pub fn connect(&mut self, values: &[Value<'_>]) {
        let flash_ver = values.iter().find_map(|value| text(value.property(b"flashVer")));
        let named = flash_ver.and_then(|text| named_by_flash_ver(&text, self.c1_version));
        self.client = named.or(self.client.take());
    }

    /// The values of an answer or a status.
    pub fn answer(&mut self, values: &[Value<'_>]) {
        let property = |name: &[u8]| values.iter().find_map(|value| text(value.property(name)));
        let inside = |name: &[u8]| {
            let mut objects = values.iter().filter_map(|value| value.property(b"data"));
            objects.find_map(|data| text(data.property(name)))
        };
        let own = property(b"srs_server").or_else(|| inside(b"srs_server"));
        let own = own.and_then(|text| with_slash(&text, "srs_server in the answer to connect"));
        let own = own.or_else(|| with_slash(&property(b"fmsVer")?, "fmsVer in the answer to connect"));
        let status = || {
            let description = property(b"description")?;
            let is_its = description.starts_with('/') && description.ends_with(" is now published.");
            let name = "Node-Media-Server".to_owned();
            let from = "its S1 and its status text together";
            (is_its && self.s1_version == Some(NODE_MEDIA_SERVER)).then_some(Software { name, version: None, from })
        };
        self.server = self.server.take().or(own).or_else(status);
    }

    /// Metadata that the server sends.
    pub fn metadata(&mut self, values: &[Value<'_>]) {
        let property = |name: &[u8]| values.iter().find_map(|value| text(value.property(name)));
        if let Some(server) = property(b"Server").filter(|text| text.starts_with("NGINX ")) {
            let name = match server.split(" (").next().unwrap_or_default() {
                "NGINX RTMP" => "nginx-rtmp".to_owned(),
                other => other.to_owned(),
            };
            self.forwarded = Some(Software { name, version: None, from: "Server in onMetaData" });
        } else if let Some(named) = property(b"server").and_then(|text| with_slash(&text, "server in onMetaData")) {
            self.forwarded = Some(named);
        }
    }

    /// The client and the server.
    pub fn into_both(self) -> [Option<Software>; 2] {
        [self.client, self.server.or(self.forwarded)]
    }
}

/// `SRS/7.0.18(Hang)`: a name and a version, unless it is the one that everybody copies.
fn with_slash(text: &str, from: &'static str) -> Option<Software> {
    let (name, version) = text.split_once('/')?;
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.len() <= 40;
    let is_own = !["FMS", "FMLE"].iter().any(|copied| name.eq_ignore_ascii_case(copied));
    let is_version = version.starts_with(|first: char| first.is_ascii_digit());
    (is_name && is_own && is_version).then(|| Software {
        name: name.to_owned(),
        version: Some(version.to_owned()),
        from,
    })
}

/// `FMLE/3.0 (compatible; Lavf59.27.100)`; `FMSc/1.0` there is what Adobe's encoder says, and all that imitate it.
fn named_by_flash_ver(flash_ver: &str, c1_version: Option<[u8; 4]>) -> Option<Software> {
    let (_, inside) = flash_ver.split_once("(compatible; ")?;
    let inside = inside.strip_suffix(')')?;
    if inside.is_empty() || inside.starts_with("FMSc/") {
        return None;
    }
    let from = "flashVer in connect";
    let at = inside.find(|letter: char| letter.is_ascii_digit()).unwrap_or(inside.len());
    let (name, version) = inside.split_at(at);
    let version = Some(version.to_owned()).filter(|version| !version.is_empty());
    let name = match name.trim_end_matches(['/', ' ']) {
        "" => inside,
        "Lavf" if c1_version == Some(FFMPEG) => {
            let from = "its C1 and its flashVer together";
            return Some(Software { name: "libavformat (FFmpeg)".to_owned(), version, from });
        }
        "Lavf" => return None,
        name => name,
    };
    Some(Software { name: name.to_owned(), version, from })
}

/// `… gen by lal v0.37.4 (lal)`: lal fills its block with text that names it.
fn in_random_bytes(block: &[u8], from: &'static str) -> Option<Software> {
    const NAME: &[u8] = b"lal v";
    let version = &block[memchr::memmem::find(block, NAME)? + NAME.len()..];
    let end = version.iter().position(|byte| !(byte.is_ascii_digit() || *byte == b'.')).unwrap_or(0);
    let version = std::str::from_utf8(&version[..end]).ok().filter(|version| version.contains('.'))?;
    Some(Software { name: "lal".to_owned(), version: Some(version.to_owned()), from })
}

impl Software {
    /// What of its name is in the text that says it.
    pub fn name_in_text(&self) -> &str {
        if self.name == "nginx-rtmp" { "NGINX RTMP" } else { &self.name }
    }

    /// `SRS 7.0.18(Hang)`.
    pub fn title(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_is_no_copy() {
        let told = |text| with_slash(text, "").map(|software| software.title());
        assert_eq!(told("rtmplite/8,2").as_deref(), Some("rtmplite 8,2"));
        assert_eq!(told("SRS/7.0.18(Hang)").as_deref(), Some("SRS 7.0.18(Hang)"));
        for copied in ["FMS/3,0,1,123", "FMS/5,0,15,5004", "LNX 9,0,124,2", "rtmp/testing", "live/cam", "/1"] {
            assert_eq!(told(copied), None, "{copied}");
        }
    }

    #[test]
    fn a_client_is_named_by_its_own_word_in_flash_ver() {
        let told = |text| named_by_flash_ver(text, Some(FFMPEG)).map(|software| software.title());
        assert_eq!(told("FMLE/3.0 (compatible; Lavf59.27.100)").as_deref(), Some("libavformat (FFmpeg) 59.27.100"));
        assert_eq!(told("FMLE/3.0 (compatible; lal0.37.4)").as_deref(), Some("lal 0.37.4"));
        assert_eq!(named_by_flash_ver("FMLE/3.0 (compatible; Lavf58.20.100)", Some([0; 4])), None);
        for copied in ["FMLE/3.0 (compatible; FMSc/1.0)", "LNX 9,0,124,2", "WIN 15,0,0,239", ""] {
            assert_eq!(told(copied), None, "{copied}");
        }
    }

    #[test]
    fn a_text_in_s1_that_is_the_clients_names_the_client_alone() {
        let block = |text: &[u8]| [&[3; 9][..], &text.repeat(100)].concat()[..1537].to_vec();
        let text = b"random buf of rtmp handshake gen by lal v0.37.4 (lal)";
        let mut texts = Identification::default();
        texts.handshake(Part::C0C1, &block(text));
        texts.handshake(Part::S0S1S2, &block(text));
        let [client, server] = texts.into_both();
        assert_eq!((client.map(|software| software.title()).as_deref(), server), (Some("lal 0.37.4"), None));
        let mut texts = Identification::default();
        texts.handshake(Part::S0S1S2, &block(text));
        assert_eq!(texts.into_both()[1].as_ref().map(Software::title).as_deref(), Some("lal 0.37.4"));
    }
}
