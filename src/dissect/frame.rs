//! What is known of a row besides its bytes: frame, addresses, and its place in the session.

use std::net::{IpAddr, SocketAddr};

use crate::decode::{Row, What};
use crate::field::{Def, Record, Tree, Value};
use crate::origin::{FrameNo, Time, known_address};
use crate::session::Outcome;

crate::fields! {
    FRAME = "frame", Group, "Frame", "The frame that completed the row.";
    NUMBER = "frame.number", Uint, "Frame number", "The frame that completed the row, counted from 1.";
    FILE = "frame.file", Uint, "File", "Where several files are one capture: the file of the frame, counted from 1 (own name).";
    COMMENT = "frame.comment", Text, "Comment", "What somebody wrote in the capture about a frame that holds the row.";
    TIME_EPOCH = "frame.time_epoch", Seconds, "Epoch time", "When the frame was captured, in seconds since 1970.";
    TIME_RELATIVE = "frame.time_relative", Seconds, "Time since first frame", "Seconds since the capture's first frame.";
    IP = "ip", Group, "Internet Protocol Version 4", "The addresses of the frame.";
    IP_SRC = "ip.src", Address, "Source address", "The sender's address.";
    IP_DST = "ip.dst", Address, "Destination address", "The receiver's address.";
    IP_ADDR = "ip.addr", Address, "Address", "Either address.";
    IPV6 = "ipv6", Group, "Internet Protocol Version 6", "The addresses of the frame.";
    IPV6_SRC = "ipv6.src", Address, "Source address", "The sender's address.";
    IPV6_DST = "ipv6.dst", Address, "Destination address", "The receiver's address.";
    IPV6_ADDR = "ipv6.addr", Address, "Address", "Either address.";
    TCP = "tcp", Group, "Transmission Control Protocol", "The connection.";
    TCP_STREAM = "tcp.stream", Uint, "Stream index", "The connection, counted from 0 in order of appearance.";
    TCP_SRCPORT = "tcp.srcport", Uint, "Source port", "The sender's port.";
    TCP_DSTPORT = "tcp.dstport", Uint, "Destination port", "The receiver's port.";
    TCP_PORT = "tcp.port", Uint, "Port", "Either port.";
    MSG = "rtmpt.msg", Group, "Row", "The row of the list (own name).";
    MSG_NUMBER = "rtmpt.msg.number", Uint, "Number", "The row's number in the capture, from 1 (own name).";
    MSG_KIND = "rtmpt.msg.kind", Text, "Kind", "message, handshake, gap or undecoded (own name).";
    MSG_DIRECTION = "rtmpt.msg.direction", Text, "Direction", "c2s from the client to the server, s2c back (own name).";
    MSG_FIRST_FRAME = "rtmpt.msg.first_frame", Uint, "First frame", "The frame that holds the first byte (own name).";
    MSG_OFFSET = "rtmpt.msg.offset", Uint, "Stream offset",
        "Offset of the first byte in its direction's TCP stream, from 0 (own name).";
    MSG_COMPLETE = "rtmpt.msg.complete", Boolean, "Complete", "Whether every byte was captured (own name).";
    MSG_CHUNKS = "rtmpt.msg.chunks", Uint, "Chunks", "How many chunks the message came in (own name).";
    MSG_LENGTH = "rtmpt.msg.length", Uint, "Length", "Length of the message, part or gap in bytes, without chunk headers (own name).";
    MSG_INFO = "rtmpt.msg.info", Text, "Info", "The summary in Wireshark's words (own name).";
    MSG_DETAIL = "rtmpt.msg.detail", Text, "Detail", "What Wireshark leaves out (own name).";
    FUNCTION_CALL = "rtmpt.function.call", Uint, "Response to this call in frame",
        "On a call: the frame that completed its answer.";
    FUNCTION_RESPONSE = "rtmpt.function.response", Uint, "Call for this response in frame",
        "On an answer: the frame that completed its call.";
    FUNCTION_TIME = "rtmpt.function.time", Seconds, "Response time",
        "On an answer: seconds since the frame that completed its call (own name).";
    MSG_DEFECT = "rtmpt.msg.defect", Text, "Defect", "The code of something that is wrong (own name).";
}

/// The fields of a row. `start` is the time of the capture's first frame.
pub fn tree(row: &Row<'_>, start: Time) -> Tree {
    let mut tree = Tree::default();
    let mut fields = Fields(&mut tree);
    if row.frame.known().is_some() || row.time.known().is_some() {
        fields.group(&FRAME, |fields| {
            fields.frame(&NUMBER, row.frame);
            if let Some(file) = row.file {
                fields.add(&FILE, Value::Uint(file.into()));
            }
            for comment in &row.comments {
                fields.add(&COMMENT, Value::Text(comment.text.clone()));
            }
            if let Some(time) = row.time.known() {
                fields.add(&TIME_EPOCH, Value::Seconds(time.0));
                fields.add(&TIME_RELATIVE, Value::Seconds(time.since(start)));
            }
        });
    }
    let has_addresses = known_address(row.src).is_some();
    if has_addresses {
        fields.addresses(row.src, row.dst);
    }
    fields.group(&TCP, |fields| {
        fields.add(&TCP_STREAM, Value::Uint(row.tcp_stream.0.into()));
        if has_addresses {
            fields.add(&TCP_SRCPORT, Value::Uint(row.src.port().into()));
            fields.add(&TCP_DSTPORT, Value::Uint(row.dst.port().into()));
            for end in [row.src, row.dst] {
                fields.add(&TCP_PORT, Value::Uint(end.port().into()));
            }
        }
    });
    fields.group(&MSG, |fields| fields.row(row));
    tree
}

/// Adds fields that have no bytes.
struct Fields<'t>(&'t mut Tree);

impl Fields<'_> {
    fn row(&mut self, row: &Row<'_>) {
        self.add(&MSG_NUMBER, Value::Uint(row.number));
        self.add(&MSG_KIND, Value::Text(row.kind.to_owned()));
        self.add(&MSG_DIRECTION, Value::Text(row.direction.code().to_owned()));
        self.frame(&MSG_FIRST_FRAME, row.first_frame);
        self.add(&MSG_OFFSET, Value::Uint(row.offset));
        self.add(&MSG_LENGTH, Value::Uint(row.length()));
        if let What::Message(message) = &row.what
            && message.chunks > 0
        {
            self.add(&MSG_CHUNKS, Value::Uint(message.chunks as u64));
        }
        if let Some(complete) = row.complete() {
            self.add(&MSG_COMPLETE, Value::Boolean(complete));
        }
        self.add(&MSG_INFO, Value::Text(row.info.clone()));
        if !row.detail.is_empty() {
            self.add(&MSG_DETAIL, Value::Text(row.detail.clone()));
        }
        if let Some(Outcome::Answered(reply)) = row.outcome {
            self.frame(&FUNCTION_CALL, reply.frame);
        }
        if let Some(answer) = &row.answers {
            self.frame(&FUNCTION_RESPONSE, answer.call.frame);
            if answer.call.time.known().is_some() {
                self.add(&FUNCTION_TIME, Value::Seconds(answer.response_time));
            }
        }
        for defect in &row.defects {
            self.add(&MSG_DEFECT, Value::Text(defect.code.to_owned()));
        }
    }

    fn addresses(&mut self, src: SocketAddr, dst: SocketAddr) {
        let (group, from, to, either) = match src.ip() {
            IpAddr::V4(_) => (&IP, &IP_SRC, &IP_DST, &IP_ADDR),
            IpAddr::V6(_) => (&IPV6, &IPV6_SRC, &IPV6_DST, &IPV6_ADDR),
        };
        self.group(group, |fields| {
            fields.add(from, Value::Address(src.ip()));
            fields.add(to, Value::Address(dst.ip()));
            for end in [src, dst] {
                fields.add(either, Value::Address(end.ip()));
            }
        });
    }

    fn group(&mut self, def: &'static Def, fill: impl FnOnce(&mut Self)) {
        self.0.open(def, 0);
        fill(self);
        self.0.close(0);
    }

    /// A frame's number, if there is a frame.
    fn frame(&mut self, def: &'static Def, frame: FrameNo) {
        if frame.known().is_some() {
            self.add(def, Value::Uint(frame.number()));
        }
    }

    fn add(&mut self, def: &'static Def, value: Value) {
        self.0.derived(def, 0, || value, "");
    }
}
