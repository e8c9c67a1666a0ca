//! What is known before the search begins: which messages of B are beyond doubt, and which of A's are still due.

use crate::compare::{Comparison, Side};
use crate::recording::{EventKind, RecordedEvent, RecordedMessage};
use crate::rtmp::message::Ending;
use crate::rtmp::{MessageTypeId, body};
use crate::sender::{Message, Sender};
use crate::session::Direction;

/// The messages of A by kind, each in order, and what B's sender has written beyond doubt.
pub struct Anchors<'r> {
    /// Sound, video frames, data, and all else.
    pub lanes: [Vec<Due<'r>>; 4],
    /// How many of each B has had.
    pub next: [usize; 4],
    /// B's sender before the first message that is in doubt.
    pub sender: Sender,
    /// The last of A's messages that B has had, and how many of its kind A has had with it.
    pub last: Option<(Due<'r>, usize)>,
    /// What it wrote until then.
    pub before: Vec<Message<'r>>,
    /// Where that message begins.
    pub from: u64,
}

/// A message of A that B should have.
#[derive(Clone, Copy, Debug)]
pub struct Due<'r> {
    /// Index of the item of A.
    pub item: usize,
    /// What it says.
    pub message: Message<'r>,
    /// Its time in A.
    pub time: u32,
}

/// The lane of a type.
pub fn lane(type_id: MessageTypeId) -> usize {
    match type_id {
        MessageTypeId::AUDIO => 0,
        MessageTypeId::VIDEO => 1,
        MessageTypeId::AMF0_DATA | MessageTypeId::AMF3_DATA => 2,
        _ => 3,
    }
}

/// How many of A's messages B may lack before one that it has.
const SKIPPED: usize = 64;

impl<'r> Anchors<'r> {
    /// What is known of a direction. With `own_media`, audio and video that A does not have are B's own.
    pub fn new(
        comparison: &Comparison<'r>,
        direction: Direction,
        own_media: bool,
        repeats_extended: bool,
    ) -> Option<Anchors<'r>> {
        Anchors::of_first(comparison, direction, own_media, repeats_extended, usize::MAX)
    }

    /// The same, where only so many messages of B are beyond doubt.
    pub fn of_first(
        comparison: &Comparison<'r>,
        direction: Direction,
        own_media: bool,
        repeats_extended: bool,
        most: usize,
    ) -> Option<Anchors<'r>> {
        let mut lanes: [Vec<Due<'_>>; 4] = Default::default();
        let of_a = comparison.a.map_or(&[][..], |a| &a.items[..]);
        for (item, of_a) in of_a.iter().enumerate() {
            // Where media are kept as digests only, there is nothing to look for in the bytes.
            let is_digest = of_a.message().is_some_and(|kept| kept.header.type_id.is_media() && !kept.is_whole());
            if is_digest && of_a.direction == direction && !of_a.is_damaged() {
                return None;
            }
            if let Some(message) = (of_a.direction == direction).then(|| message(of_a)).flatten() {
                lanes[lane(message.type_id)].push(Due { item, message, time: message.timestamp });
            }
        }
        let mut anchors =
            Anchors { lanes, next: [0; 4], sender: Sender::default(), last: None, before: Vec::new(), from: u64::MAX };
        anchors.sender.repeats_extended = repeats_extended;
        let mut items: Vec<&RecordedEvent> =
            comparison.rows_of(direction).filter_map(|row| comparison.item(row, Side::B)).collect();
        items.sort_by_key(|item| item.at.start);
        // From there on they were read otherwise than the specification has it.
        let of_direction = comparison.b.framing.iter().filter(|framing| framing.direction == direction);
        let plain = of_direction.map(|framing| framing.hypotheses[0].first_at).min().unwrap_or(u64::MAX);
        let mut end = 0;
        for item in items {
            let is_enough = anchors.before.len() >= most && matches!(item.content, EventKind::Message(_));
            if item.at.end > plain || is_enough {
                anchors.from = item.at.start.min(anchors.from);
                break;
            }
            if let EventKind::Handshake { .. } = item.content {
                if item.is_damaged() {
                    return None;
                }
                end = end.max(item.at.end);
                continue;
            }
            // Chunks of different messages may alternate.
            let Some(message) = message(item).filter(|message| anchors.is_sound(message, item, own_media)) else {
                anchors.from = item.at.start.min(anchors.from);
                break;
            };
            end = end.max(item.at.end);
            anchors.sender.note(&message);
            anchors.before.push(message);
        }
        if anchors.from == u64::MAX {
            anchors.from = end;
        }
        if comparison.a.is_none() {
            anchors.last =
                anchors.before.last().map(|&message| (Due { item: usize::MAX, message, time: message.timestamp }, 0));
        }
        Some(anchors)
    }

    /// Whether a message of B says what it was meant to. What A has too is counted.
    fn is_sound(&mut self, message: &Message<'r>, item: &RecordedEvent, own_media: bool) -> bool {
        if item.defects.iter().any(|defect| defect.code == "resynchronised") {
            return false;
        }
        let lane = lane(message.type_id);
        let due = &self.lanes[lane][self.next[lane]..];
        let is_this = |due: &Due<'_>| due.message.body == message.body && due.message.type_id == message.type_id;
        if let Some(ahead) = due.iter().take(SKIPPED).position(is_this) {
            // It is B's own, with its own style, of which A has the body.
            let due = Due { message: *message, ..due[ahead] };
            self.next[lane] += ahead + 1;
            self.last = Some((due, self.next[lane]));
            return true;
        }
        is_sound(message.type_id, message.body) && (own_media || !message.type_id.is_media())
    }
}

/// A whole message of a recording.
fn message(item: &RecordedEvent) -> Option<Message<'_>> {
    let kept: &RecordedMessage = item.message()?;
    let whole = kept.ending == Ending::Complete && kept.is_whole();
    let form = match kept.first_header.first().map_or(2, |first| first & 0x3f) {
        0 => 2,
        1 => 3,
        _ => 1,
    };
    whole.then_some(Message {
        csid: kept.csid,
        form,
        // A snapshot does not say.
        fmt: kept.fmt.unwrap_or(0),
        timestamp: kept.header.timestamp.unwrap_or(0),
        type_id: kept.header.type_id,
        msid: kept.header.message_stream_id.map_or(0, |stream| stream.0),
        body: &kept.body,
    })
}

/// Whether a body can be read to its end as what its type says.
pub fn is_sound(type_id: MessageTypeId, bytes: &[u8]) -> bool {
    type_id.is_known()
        && !bytes.is_empty()
        && body::decode(type_id, bytes, bytes.len() as u32, &mut ()).defects.is_empty()
}
