//! Rules of a relay: what can happen to a message between publisher and player. [`crate::relay`] follows each message
//! and says which of them it met.

pub use super::command::habits::SETDATAFRAME_LEAK;
use super::{Check, Layer, Mode, Page, Rule, Severity};

pub static NOTHING: Rule = Rule {
    code: "relay-nothing",
    layer: Layer::Relay,
    severity: Severity::Error,
    modes: &[Mode::Relay],
    title: "nothing of the stream reached the player",
    page: Page {
        what: "The publisher sent audio, video or data, the player asked for the stream of that name, and not one message of it \
               came through. What was sent says why, mostly: no key frame while the player was there, only data messages, \
               enhanced video for a server that does not know it, or a player that had gone.",
        looks: "publisher  27 01 ..  27 01 ..  27 01 ..   inter frames only\n\
                player     (nothing)",
        who: "nginx-rtmp waits for a key frame, passes no data messages but metadata and a few by name, and drops video with \
              enhanced headers. Servers that are asked for `Cam` do not send `cam`.",
        fix: "Send a key frame every few seconds; use a server that passes what you send.",
        source: "Captures of nginx-rtmp 1.2.2 and Node-Media-Server 4.",
    },
    check: Check::Relay,
};

pub static METADATA_REWRITTEN: Rule = Rule {
    code: "relay-metadata-rewritten",
    layer: Layer::Relay,
    severity: Severity::Info,
    modes: &[Mode::Relay],
    title: "the server rewrote a data message",
    page: Page {
        what: "The server read the publisher's metadata and wrote its own. Properties that it does not know are \
               missing, others are new, numbers may be rounded.",
        looks: "Publisher: `02 00 0d @setDataFrame 02 00 0a onMetaData 08 ...` (an ECMA array). Player: \
                `02 00 0a onMetaData 03 ...` (an object), often of another length.",
        who: "nginx-rtmp keeps a fixed list of properties, adds `Server` at the start and truncates data rates to \
              whole numbers. Node-Media-Server keeps the properties and writes an object.",
        fix: "Send what must arrive unchanged in a message of its own, inside the media (SEI), or by other means; a \
              player must not rely on its own properties in onMetaData.",
        source: "Captures of nginx-rtmp 1.2.2 and Node-Media-Server 2.7.4; arut/nginx-rtmp-module issue 251.",
    },
    check: Check::Relay,
};

pub static TS_REBASE: Rule = Rule {
    code: "relay-ts-rebase",
    layer: Layer::Relay,
    severity: Severity::Info,
    modes: &[Mode::Relay],
    title: "timestamps are not those of the publisher",
    page: Page {
        what: "The player's timestamps differ from the publisher's. A constant difference is a new start of the clock \
               and harmless; a varying one shifts audio against video.",
        looks: "The same payload, another timestamp in the chunk header: `... 00 00 39 ...` sent, `... 00 01 9f ...` \
                received. Sequence headers from the server's cache often have 0, or the time of the join.",
        who: "nginx-rtmp keeps the publisher's timestamps and sends repeated sequence headers with the current one. \
              Node-Media-Server sends them with 0. Servers with jitter correction begin at 0 for each player.",
        fix: "If it is constant, nothing: start the player's clock at the first frame, not at the sequence header. If \
              it varies, look at the server's jitter correction (in SRS: time_jitter).",
        source: "Captures of nginx-rtmp 1.2.2 and Node-Media-Server 2.7.4.",
    },
    check: Check::Relay,
};

pub static START_AT_KEY: Rule = Rule {
    code: "relay-start-at-key",
    layer: Layer::Relay,
    severity: Severity::Info,
    modes: &[Mode::Relay],
    title: "video before the player's first keyframe is left out",
    page: Page {
        what: "A player that joins in the middle of a stream receives no video before the next keyframe, as it could \
               not show it. That is not a loss.",
        looks: "publisher  17 00 ..  17 01 ..  27 01 ..  27 01 ..  17 01 ..\n\
                player     17 00 ..                                17 01 ..",
        who: "nginx-rtmp (`wait_key on`, the default) and most others without a cache of the last group of pictures \
              (GOP).",
        fix: "Nothing. For a faster start use a shorter keyframe interval, or a server that caches the last GOP.",
        source: "Captures of nginx-rtmp 1.2.2.",
    },
    check: Check::Relay,
};

pub static STOPPED: Rule = Rule {
    code: "relay-stopped",
    layer: Layer::Relay,
    severity: Severity::Error,
    modes: &[Mode::Relay],
    title: "the server stopped forwarding before the stream ended",
    page: Page {
        what: "The player received the stream up to a place and nothing of it after that, although the publisher continued and \
               the player stayed connected for longer than messages took before. What was sent within the last second, or \
               the longest delay seen, before either of them ended does not count: it may have been on its way.",
        looks: "publisher  27 01 ..  af 01 ..  27 01 ..  af 01 ..  27 01 ..\n\
                player     27 01 ..  af 01 ..  (nothing more)",
        who: "Servers that drop a player which does not read or acknowledge, that lost their connection to the server before \
              them, or that crashed in the thread of one stream.",
        fix: "Look at the player's acknowledgements and TCP window at the place, and in the server's log for the reason.",
        source: "Measured in the capture.",
    },
    check: Check::Relay,
};

pub static MIXED: Rule = Rule {
    code: "relay-mixed",
    layer: Layer::Relay,
    severity: Severity::Error,
    modes: &[Mode::Relay],
    title: "messages of one stream reached the player of another",
    page: Page {
        what: "The player asked for one stream and received messages that were published under another name. Their payloads \
               are those of the other publisher, and of no other.",
        looks: "publisher of live/one   27 01 00 00 50 .. (message stream 1)\n\
                publisher of live/two   27 01 00 00 28 .. (message stream 2)\n\
                player of live/two      27 01 00 00 50 ..   27 01 00 00 28 ..",
        who: "Servers that keep one stream for each connection: with two publishes on one connection, the second name takes \
              over, and messages of both message streams go to its players. Seen in Node-Media-Server 4.",
        fix: "Publish each stream on a connection of its own. In the server, find the stream by the message stream ID in the \
              header, not by the connection.",
        source: "RTMP 1.0 section 5.3.1.2.5: the message stream ID tells the streams of one connection apart.",
    },
    check: Check::Relay,
};

pub static DROP: Rule = Rule {
    code: "relay-drop",
    layer: Layer::Relay,
    severity: Severity::Error,
    modes: &[Mode::Relay],
    title: "messages that the publisher sent did not arrive",
    page: Page {
        what: "Messages are missing on the player's leg while those around them are there. The bytes that arrived are \
               correct: the server dropped whole messages.",
        looks: "publisher  27 01 00 00 50 ..   af 01 21 10 ..   27 01 00 00 28 ..\n\
                player     27 01 00 00 50 ..                    27 01 00 00 28 ..\n\
                \n\
                No message on the player's leg has the body of the missing one; its neighbours follow each other.",
        who: "Servers drop messages for a player that reads them too slowly: nginx-rtmp drops the less important ones \
              first when the player's queue (`out_queue`) is full.",
        fix: "Look at the player's acknowledgements and TCP window before the place: if they stall, the player or its \
              network is too slow. Otherwise raise the server's queue.",
        source: "nginx-rtmp-module, ngx_rtmp_send.c: ngx_rtmp_send_message.",
    },
    check: Check::Relay,
};

pub static PAYLOAD_CHANGED: Rule = Rule {
    code: "relay-payload-changed",
    layer: Layer::Relay,
    severity: Severity::Error,
    modes: &[Mode::Relay],
    title: "the payload changed on the way",
    page: Page {
        what: "Instead of a message the player received one of the same kind and time with other bytes. A relay must \
               not change audio and video.",
        looks: "publisher  27 01 00 00 50 00 00 03 d6 41 9a ..\n\
                player     27 01 00 00 50 00 00 03 d6 41 9b ..\n\
                \n\
                The same type, place and timestamp on both legs, but a different body.",
        who: "Servers that transcode or repack, a broken server, or a filter on the way.",
        fix: "Compare the two bodies: rtmp-inspect payload names what was done to the bytes, where possible.",
        source: "RTMP 1.0 section 7.1: audio and video messages carry data that the protocol does not interpret.",
    },
    check: Check::Relay,
};

pub static UNKNOWN_TYPE: Rule = Rule {
    code: "relay-unknown-type",
    layer: Layer::Relay,
    severity: Severity::Warning,
    modes: &[Mode::Relay],
    title: "the server does not forward this kind of message",
    page: Page {
        what: "Not one message of this kind arrived, although the player was connected and received others. The server \
               forwards only kinds that it knows.",
        looks: "publisher  04 00 00 00 00 00 1b 12 01 00 00 00  02 00 0a 6f 6e 54 65 78 74 ..\n\
                player     (nothing)\n\
                \n\
                Message types other than 8, 9 and 18, or data messages with a name of their own, on the publisher's \
                leg only.",
        who: "nginx-rtmp 1.2 forwards audio, video and onMetaData. Most servers forward types 8, 9 and 18 only, and \
              treat shared objects and custom types as addressed to themselves, or ignore them.",
        fix: "Carry the data in a type and under a name that the server forwards, e.g. as onMetaData or inside the \
              video (SEI), or use a server that forwards data messages.",
        source: "Captures of messages of types 14 and 30 through nginx-rtmp 1.2.2.",
    },
    check: Check::Relay,
};

pub static REPEATED: Rule = Rule {
    code: "relay-repeated",
    layer: Layer::Relay,
    severity: Severity::Error,
    modes: &[Mode::Relay],
    title: "messages arrived more than once",
    page: Page {
        what: "The player got audio or video with the payload and the timestamp of a message that it had already got, and the \
               publisher sent it once. A decoder takes the second for another frame: audio stutters, and video smears.",
        looks: "publisher  af 01 21 0a ..   at 23 ms\n\
                player     af 01 21 0a ..   at 23 ms, and again at 23 ms",
        who: "Servers with two paths to a player: a cache of the last group of pictures that overlaps what is live, two \
              loops that forward, a retry after a partial write.",
        fix: "Forward each message once: remember which was the last that was taken from the cache.",
        source: "Measured in the capture.",
    },
    check: Check::Relay,
};

pub static REORDER: Rule = Rule {
    code: "relay-reorder",
    layer: Layer::Relay,
    severity: Severity::Error,
    modes: &[Mode::Relay],
    title: "messages of one kind arrived in a different order",
    page: Page {
        what: "A message arrived unchanged, but in a different order among others of its kind. Decoders need frames in \
               the order in which they were coded.",
        looks: "publisher  27 01 00 00 50 ..   27 01 00 00 28 ..   27 01 00 00 00 ..\n\
                player     27 01 00 00 28 ..   27 01 00 00 50 ..   27 01 00 00 00 ..\n\
                \n\
                The same bodies on both legs in another order; timestamps on the player's leg go back.",
        who: "Servers that pass messages to several threads or queues. The order of audio against video may change \
              without harm, and is not counted.",
        fix: "In the server, keep one queue for each player and kind.",
        source: "RTMP 1.0 section 5.3: messages on a chunk stream arrive in the order in which they were sent.",
    },
    check: Check::Relay,
};

pub static DELAY: Rule = Rule {
    code: "relay-delay",
    layer: Layer::Relay,
    severity: Severity::Warning,
    modes: &[Mode::Relay],
    title: "messages arrived much later than the others",
    page: Page {
        what: "The way through the server took much longer for some messages than for most.",
        looks: "publisher  frame 60, 1.466 s   17 01 00 00 50 ..\n\
                player     frame 94, 2.301 s   17 01 00 00 50 ..\n\
                \n\
                The time is that between the frames that complete the same body on both legs.",
        who: "A server that waits for a full buffer, a player that reads too slowly, lost packets on the player's leg.",
        fix: "Look for retransmissions and a full TCP window on the player's leg around the place. If there are none, \
              the server held the message back.",
        source: "Measured in the capture.",
    },
    check: Check::Relay,
};
