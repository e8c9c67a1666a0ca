//! Media that went through a layer that changes every byte string, by B alone: what the payload rules know, undone.
//!
//! Takes the video or audio messages of a direction, gives the change after which all of them can be read and without
//! which they cannot. NAL unit lengths that lead to the end of every frame, or AAC frames that begin and end as they must,
//! all of them, do not come out by chance.

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::field::Tree;
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{MediaKind, MessageClass};
use crate::rtmp::media::aac::{self, AudioSpecificConfig};
use crate::rtmp::media::audio::AudioTag;
use crate::rtmp::media::{Audio, audio};
use crate::rtmp::message::Ending;
use crate::rules::messages::count;
use crate::rules::{Certainty, Claim, Layer, Rule, find};
use crate::rules::{TRANSFORMS, Transform};
use crate::search::media::{has_units, is_sound};
use crate::session::Direction;

/// So many messages are tried, of at most so many bytes.
const MOST: usize = 32;
const LONGEST: usize = 64 << 10;
/// Fewer frames prove nothing: of video, whose lengths add up by chance once in 2^32, and of audio, once in 8.
const LEAST_VIDEO: usize = 5;
const LEAST_AUDIO: usize = 12;
/// So many messages of video may be other than the rest.
const SPARED: usize = 2;
/// How many bytes are shown.
const SHOWN: usize = 12;

/// Messages of one kind.
struct Track<'r> {
    kind: MediaKind,
    all: Vec<(usize, &'r RecordedEvent, &'r RecordedMessage)>,
    /// How AAC is coded.
    config: Option<AudioSpecificConfig>,
}

impl<'r> Track<'r> {
    fn new(comparison: &Comparison<'r>, direction: Direction, kind: MediaKind) -> Track<'r> {
        let type_id = if kind == MediaKind::Audio { MessageTypeId::AUDIO } else { MessageTypeId::VIDEO };
        let of_row = |row| {
            let item = comparison.item(row, Side::B)?;
            let kept = item.message().filter(|kept| kept.header.type_id == type_id)?;
            (kept.ending == Ending::Complete && kept.is_whole()).then_some((row, item, kept))
        };
        let mut config = None;
        let mut all = Vec::new();
        for one in comparison.rows_of(direction).filter_map(of_row) {
            if config.is_none() && one.2.class == MessageClass::Config(MediaKind::Audio) {
                config = config_of(one.2);
            } else if !matches!(one.2.class, MessageClass::Config(_)) && one.2.body.len() <= LONGEST && all.len() < MOST
            {
                all.push(one);
            }
        }
        Track { kind, all, config }
    }

    /// Whether a body is what it should be; None if that cannot be told.
    fn reads(&self, body: &[u8]) -> bool {
        match (self.kind, self.config) {
            (MediaKind::Video, _) => {
                has_units(body).unwrap_or_else(|| is_sound(MessageTypeId::VIDEO, body) == Some(true))
            }
            (MediaKind::Audio, Some(config)) => {
                matches!(body, [tag, 1, frame @ ..] if tag >> 4 == audio::AAC && aac::is_frame(config, frame))
            }
            (MediaKind::Audio, None) => false,
        }
    }

    /// What may be left as it is: nothing, or the first bytes of the tag (FLV E.4.2, E.4.3).
    fn starts(&self) -> &'static [usize] {
        if self.kind == MediaKind::Video { &[0, 1, 2, 5] } else { &[0, 1, 2] }
    }

    /// Whether the messages can be read after a change that one of these undoes: what cannot be undone was not done.
    fn undone(&self, form: &Transform, forms: &[Transform], start: usize) -> bool {
        let reads = |body: &[u8]| {
            let Some((tag, payload)) = body.split_at_checked(start) else { return false };
            let Some(undone) = (form.apply)(payload) else { return false };
            let is_back = || forms.iter().any(|back| (back.apply)(&undone).is_some_and(|made| made == payload));
            self.reads(&[tag, &undone].concat()) && is_back()
        };
        // A configuration of video says nothing that can be checked, and neither does the end of a sequence.
        let spared = if self.kind == MediaKind::Video { SPARED } else { 0 };
        let mut wrong = 0;
        self.all.iter().all(|(.., kept)| {
            wrong += usize::from(!reads(&kept.body));
            wrong <= spared
        })
    }
}

fn config_of(kept: &RecordedMessage) -> Option<AudioSpecificConfig> {
    match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut Tree::default()).body {
        Body::Audio(Audio { tag: AudioTag::Legacy { config, .. }, .. }) => config,
        _ => None,
    }
}

/// The change, with the rows that it was made in.
pub fn claim(
    comparison: &Comparison<'_>,
    direction: Direction,
    kind: MediaKind,
) -> Option<(&'static Rule, Claim, Vec<usize>)> {
    let track = Track::new(comparison, direction, kind);
    let least = if kind == MediaKind::Video { LEAST_VIDEO } else { LEAST_AUDIO };
    let read = track.all.iter().filter(|(.., kept)| track.reads(&kept.body)).count();
    // By chance one in four begins as it must.
    let most = if kind == MediaKind::Video { SPARED } else { track.all.len() / 2 };
    if track.all.len() < least || read > most {
        return None;
    }
    // What is done to media in particular has rules of its own.
    let forms = TRANSFORMS.iter().flat_map(|forms| forms.iter().map(move |form| (form, *forms)));
    let forms = forms.filter_map(|(form, forms)| Some((form, forms, find(form.rule)?)));
    let forms = forms.filter(|(.., rule)| rule.layer == Layer::Payload);
    let mut tried = forms.flat_map(|form| track.starts().iter().map(move |&start| (form, start)));
    let ((.., rule), start) = tried.find(|&((form, forms, _), start)| track.undone(form, forms, start))?;
    let (row, item, kept) = track.all[0];
    let bytes = kept.body[start..].iter().take(SHOWN).copied().collect();
    let text = format!("at {start} of {} bytes", kept.body.len());
    let value = Value { bytes, place: Some((item.at.start, item.frames[1])), ..Value::words(text) };
    let (name, field) = match kind {
        MediaKind::Video => ("video", "video.payload"),
        MediaKind::Audio => ("audio", "audio.payload"),
    };
    let title = format!("in every {name} message, {}", rule.title);
    let path = FieldPath::Field(field, 0);
    let claim = Claim::on(row, path, [None, Some(value)], Certainty::Likely, title)
        .why(format!("undone, {} can be read from start to end; as they are, not", count(track.all.len(), "message")))
        .fix(rule.page.fix.to_owned());
    Some((rule, claim, track.all.iter().map(|&(row, ..)| row).collect()))
}
