#!/usr/bin/env python3
"""One row per RTMP message, from a decoder that shares nothing with rtmp-inspect or with Wireshark's
RTMP dissector. tshark only takes the packets apart; putting the TCP streams together and reading RTMP
chunks is done here, in the simplest way that is right, for whole files in memory.

usage: reference_table.py CAPTURE

The rules:
- Of bytes captured twice the first copy counts.
- A direction that does not begin with an RTMP handshake is not decoded.
- A direction with a hole is decoded up to the hole, and one whose chunks make no sense up to there.
- A type-3 chunk of a message with an extended timestamp has the 4 bytes if they repeat the timestamp.
- An extended timestamp of fmt 1 and 2 is a delta.
- RTMPT, RTMPS and RTMPE are not decoded.

Prints tab-separated values with a heading line, one direction after the other. Columns besides the
obvious: `frame` holds the message's last byte; at `completed` every byte up to there had been captured
(another frame only if segments came late); `offset` and `end` are offsets in the direction's TCP stream;
`chunk_size` was in force at the message's end. Lines that begin with # say where decoding stopped and why."""

import hashlib
import subprocess
import sys

COLUMNS = (
    "tcp_stream src csid fmt timestamp length type_id message_stream_id "
    "frame completed offset end chunks chunk_size body_sha256"
).split()
HANDSHAKE = 1 + 1536 + 1536
SET_CHUNK_SIZE, ABORT = 1, 2


class Direction:
    """What one endpoint sent: bytes by offset, first copy kept."""

    def __init__(self, src):
        self.src = src
        self.segments = []  # (sequence number, frame, captured bytes, bytes on the wire), in capture order
        self.start = None  # sequence number of the first byte

    def assemble(self):
        """(bytes up to the first hole, [(end offset, frame, frame completed)], whether there is a hole)"""
        if not self.segments:
            return b"", [], False
        if self.start is None:
            first = self.segments[0][0]
            self.start = first + min(signed(seq - first) for seq, *_ in self.segments)
        kept = []  # (offset, frame, bytes), never overlapping
        wire_end = 0
        for seq, frame, data, wire_length in self.segments:
            offset = signed(seq - self.start)
            wire_end = max(wire_end, offset + wire_length)
            for at, piece in uncovered(kept, offset, data):
                kept.append((at, frame, piece))
            kept.sort()
        stream, ends, completed = bytearray(), [], 0
        for offset, frame, piece in kept:
            if offset > len(stream):
                break
            if offset == len(stream):
                stream += piece
                completed = max(completed, frame)
                ends.append((len(stream), frame, completed))
        return bytes(stream), ends, wire_end > len(stream)


def signed(difference):
    return (difference + 0x80000000) % 0x100000000 - 0x80000000


def uncovered(kept, offset, data):
    """The parts of `data` that no kept piece covers; bytes before the stream's start do not count."""
    at = max(offset, 0)
    end = offset + len(data)
    for start, _, piece in kept:
        if start + len(piece) <= at:
            continue
        if start >= end:
            break
        if at < start:
            yield at, data[at - offset : start - offset]
        at = start + len(piece)
    if at < end:
        yield at, data[at - offset :]


def directions(capture):
    """(tcp.stream, Direction) of every TCP connection, the first sender first."""
    fields = "tcp.stream frame.number ip.src ipv6.src tcp.srcport ip.dst ipv6.dst tcp.dstport tcp.seq_raw tcp.flags.syn tcp.len tcp.payload"
    command = ["tshark", "-o", "tcp.desegment_tcp_streams:FALSE", "-r", capture, "-Y", "tcp", "-T", "fields"]
    run = subprocess.run([*command, *(a for f in fields.split() for a in ("-e", f))], capture_output=True)
    if run.returncode and b"cut short" not in run.stderr:
        sys.exit(f"{' '.join(command)}: {run.stderr.decode()}")
    connections = {}
    for line in run.stdout.decode().splitlines():
        stream, frame, src4, src6, sport, dst4, dst6, dport, seq, syn, length, payload = line.split("\t")
        src, dst = (f"{v4}:{port}" if v4 else f"[{v6}]:{port}" for v4, v6, port in ((src4, src6, sport), (dst4, dst6, dport)))
        both = connections.setdefault(int(stream), {src: Direction(src), dst: Direction(dst)})
        seq, is_syn = int(seq), syn in ("1", "True")
        if is_syn and both[src].start is None:
            both[src].start = seq + 1
        if int(length):
            both[src].segments.append((seq + is_syn, int(frame), bytes.fromhex(payload), int(length)))
    for stream in sorted(connections):
        for direction in connections[stream].values():
            yield stream, direction


class ChunkStream:
    timestamp = delta = 0
    length = type_id = message_stream_id = extended = body = None


class Stop(Exception):
    """The bytes end or make no sense: offset, reason."""


def messages(stream):
    """Messages of one direction, from behind the handshake."""
    chunk_streams, chunk_size, at = {}, 128, HANDSHAKE

    def take(n):
        nonlocal at
        if at + n > len(stream):
            raise Stop(begin, "the data ends inside a chunk header")
        at += n
        return stream[at - n : at]

    while at < len(stream):
        begin = at
        first = take(1)[0]
        fmt, csid = first >> 6, first & 63
        if csid < 2:
            csid = 64 + int.from_bytes(take(1 + csid), "little")
        cs = chunk_streams.setdefault(csid, ChunkStream())
        if fmt < 3:
            if cs.body is not None:
                print(f"# {csid=} offset {begin}: a header of fmt {fmt} inside an unfinished message")
                cs.body = None
            field = int.from_bytes(take(3), "big")
            if fmt < 2:
                cs.length, cs.type_id = int.from_bytes(take(3), "big"), take(1)[0]
            if fmt == 0:
                cs.message_stream_id = int.from_bytes(take(4), "little")
            cs.extended = take(4) if field == 0xFFFFFF else None
            cs.delta = int.from_bytes(cs.extended, "big") if cs.extended else field
            cs.timestamp = cs.delta if fmt == 0 else (cs.timestamp + cs.delta) % 0x100000000
        elif cs.extended and stream[at : at + 4] == cs.extended:
            at += 4
        if cs.type_id is None:
            raise Stop(begin, f"fmt {fmt} on chunk stream {csid}, which has had no header yet")
        if cs.body is None:
            if fmt == 3:
                cs.timestamp = (cs.timestamp + cs.delta) % 0x100000000
            cs.body, cs.fmt, cs.offset, cs.chunks = bytearray(), fmt, begin, 0
        share = min(chunk_size, cs.length - len(cs.body))
        if at + share > len(stream):
            got = len(cs.body) + len(stream) - at
            raise Stop(cs.offset, f"the data ends inside a message of type {cs.type_id} ({got} of {cs.length} bytes)")
        cs.body += stream[at : at + share]
        cs.chunks += 1
        at += share
        if len(cs.body) == cs.length:
            body, cs.body = bytes(cs.body), None
            yield {
                "csid": csid, "fmt": cs.fmt, "timestamp": cs.timestamp, "length": cs.length, "type_id": cs.type_id,
                "message_stream_id": cs.message_stream_id or 0, "offset": cs.offset, "end": at, "chunks": cs.chunks,
                "chunk_size": chunk_size, "body_sha256": hashlib.sha256(body).hexdigest(),
            }  # fmt: skip
            if cs.type_id == SET_CHUNK_SIZE and len(body) >= 4:
                chunk_size = int.from_bytes(body[:4], "big") & 0x7FFFFFFF or 128
            if cs.type_id == ABORT and len(body) >= 4:
                chunk_streams.get(int.from_bytes(body[:4], "big"), ChunkStream()).body = None


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: reference_table.py CAPTURE")
    print("\t".join(COLUMNS))
    for tcp_stream, direction in directions(sys.argv[1]):
        stream, ends, hole = direction.assemble()
        whose = f"# tcp_stream {tcp_stream} {direction.src}:"
        if len(stream) < HANDSHAKE or stream[0] != 3:
            if stream:
                print(f"{whose} no RTMP handshake in its {len(stream)} bytes, first {stream[:4].hex()}")
            continue
        try:
            for message in messages(stream):
                frame, completed = next(e[1:] for e in ends if e[0] >= message["end"])
                row = {"tcp_stream": tcp_stream, "src": direction.src, "frame": frame, "completed": completed, **message}
                print("\t".join(str(row[column]) for column in COLUMNS))
        except Stop as stop:
            offset, reason = stop.args
            print(f"{whose} stopped at offset {offset}: {reason}")
        if hole:
            print(f"{whose} bytes are missing from offset {len(stream)}")


main()
