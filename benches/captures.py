#!/usr/bin/env python3
"""Writes a large, valid RTMP capture for measuring.

usage: captures.py one|many MEGABYTES OUT.pcap

  one   one long publish: the beginning of a real session, then audio and video at about 7 Mbit/s, messages of
        0.4 to 60 kB in chunks of 4096 bytes. TCP sequence numbers wrap as they do in life.
  many  a real publish of 2 s and 150 messages again and again, each time from another client, about 50 at a time.

The real session is testdata/captures/a/ffmpeg_pub_c4096.pcap. The same arguments give the same bytes. A gigabyte takes
half a minute; nothing but Python is needed.
"""
import heapq
import pathlib
import random
import struct
import sys

BASE = pathlib.Path(__file__).parent.parent / "testdata/captures/a/ffmpeg_pub_c4096.pcap"
SEGMENT = 1448
CHUNK = 4096
ETHERNET, IP, TCP = 14, 20, 32
HEADERS = ETHERNET + IP + TCP


def folded(data):
    """The ones' complement sum of bytes."""
    return int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF


def checksum(total):
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


class Packet:
    """A TCP segment of the real session: all of them have the same headers, with timestamps as the only option."""

    def __init__(self, time, frame):
        self.time = time
        self.source, self.target = frame[26:30], frame[30:34]
        self.ports = struct.unpack("!HH", frame[34:38])
        self.seq, self.ack = struct.unpack("!II", frame[38:46])
        size = (frame[46] >> 4) * 4
        self.flags, self.window = frame[47], struct.unpack("!H", frame[48:50])[0]
        self.ethernet = frame[:ETHERNET]
        self.options = frame[54 : 34 + size]
        self.payload = frame[34 + size : ETHERNET + struct.unpack("!H", frame[16:18])[0]]
        self.sum = folded(self.options) + folded(self.payload)

    def frame(self, source, target, ports, seq, ack):
        return frame(self.ethernet, source, target, ports, seq, ack, self.flags, self.window, self.options, self.payload, self.sum)


def frame(ethernet, source, target, ports, seq, ack, flags, window, options, payload, total):
    """An Ethernet frame; `total` is the sum of the options and the payload."""
    size = 20 + len(options) + len(payload)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, 6, 0) + source + target
    ip = ip[:10] + struct.pack("!H", checksum(folded(ip))) + ip[12:]
    offset = (20 + len(options)) // 4 << 4
    tcp = struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, window, 0, 0)
    whole = total + folded(tcp) + folded(source + target) + 6 + size
    return b"".join((ethernet, ip, tcp[:16], struct.pack("!H", checksum(whole)), tcp[18:], options, payload))


def packets(path):
    data = path.read_bytes()
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "the base is a pcap in microseconds"
    at = 24
    while at < len(data):
        seconds, micros, length, _ = struct.unpack("<IIII", data[at : at + 16])
        yield Packet(seconds + micros / 1e6, data[at + 16 : at + 16 + length])
        at += 16 + length


class Writer:
    def __init__(self, path):
        self.file = open(path, "wb", buffering=1 << 20)
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        self.size = 24

    def write(self, time, data):
        record = struct.pack("<IIII", int(time), int(time % 1 * 1e6), len(data), len(data))
        self.file.write(record + data)
        self.size += len(record) + len(data)


def many(base, size, out):
    client = base[0].ports[0]
    began = base[0].time
    each = sum(16 + len(packet.ethernet) + 40 + len(packet.options) + len(packet.payload) for packet in base)
    total = max(1, size // each)
    pace = (base[-1].time - began) / 50
    waiting, started = [], 0
    while started < total or waiting:
        while started < total and (not waiting or started * pace <= waiting[0][0]):
            heapq.heappush(waiting, (started * pace, started, 0))
            started += 1
        time, number, index = heapq.heappop(waiting)
        packet = base[index]
        address = bytes([10, 1 + number // 62500 % 250, number // 250 % 250 + 1, number % 250 + 1])
        port = 10000 + number * 7 % 50000
        up, down = number * 2654435761, number * 40503 + 12345
        if packet.ports[0] == client:
            places = address, packet.target, (port, packet.ports[1]), packet.seq + up
            ack = down
        else:
            places = packet.source, address, (packet.ports[0], port), packet.seq + down
            ack = up
        # A SYN acknowledges nothing.
        out.write(began + time, packet.frame(*places, packet.ack + ack if packet.flags & 16 else 0))
        if index + 1 < len(base):
            heapq.heappush(waiting, (number * pace + base[index + 1].time - began, number, index + 1))
    return f"{total} connections"


def message(kind, stream, delta, body):
    """A message with a type 1 header, and type 3 headers in between."""
    parts = [bytes([1 << 6 | stream]), struct.pack("!I", delta)[1:], struct.pack("!I", len(body))[1:], bytes([kind])]
    for at in range(0, len(body), CHUNK):
        parts += [bytes([3 << 6 | stream])] * (at > 0) + [body[at : at + CHUNK]]
    return b"".join(parts)


def two_seconds(seed):
    """Video at 30 frames a second with two key frames, and sound at 43."""
    dice = random.Random(seed)
    events = [(frame * 1000 // 30, 9, frame) for frame in range(60)] + [(frame * 2000 // 86, 8, frame) for frame in range(86)]
    last = {8: -23, 9: -33}
    for time, kind, number in sorted(events):
        delta, last[kind] = time - last[kind], time
        if kind == 8:
            body = b"\xaf\x01" + dice.randbytes(dice.randint(350, 420))
        else:
            is_key = number % 30 == 0
            unit = dice.randbytes(dice.randint(50_000, 60_000) if is_key else dice.randint(20_000, 30_000))
            unit = bytes([0x65 if is_key else 0x41]) + unit[1:]
            body = bytes([0x17 if is_key else 0x27, 1, 0, 0, 0]) + struct.pack("!I", len(unit)) + unit
        yield message(kind, 4 if kind == 8 else 6, delta, body)


def one(base, size, out):
    client = base[0].ports[0]
    # The real beginning: all that goes back and forth before the first video frame, which is the first long segment.
    first = next(index for index, packet in enumerate(base) if packet.ports[0] == client and len(packet.payload) > 4000)
    for packet in base[:first]:
        out.write(packet.time, packet.frame(packet.source, packet.target, packet.ports, packet.seq, packet.ack))
    head, time = base[first], base[first].time
    seq, ack = head.seq, head.ack
    there = (head.source, head.target, head.ports)
    back = (head.target, head.source, head.ports[::-1])
    options = b"\1\1\x08\x0a" + b"\0\0\0\1\0\0\0\1"
    plain = folded(options)

    def send(places, seq, ack, flags, payload=b""):
        data = frame(head.ethernet, *places, seq, ack, flags, 2048, options, payload, plain + folded(payload))
        out.write(time, data)

    # What the real one sends with its first frame: the metadata and the sequence headers.
    rest, unit = head.payload[: opening(head.payload)], b"".join(two_seconds(11))
    pause = 2 / (len(unit) / SEGMENT)
    count = 0
    while out.size < size:
        rest += unit
        for at in range(0, len(rest) - SEGMENT, SEGMENT):
            send(there, seq, ack, 0x18, rest[at : at + SEGMENT])
            seq, count, time = seq + SEGMENT, count + 1, time + pause
            if count % 2 == 0:
                send(back, ack, seq, 0x10)
        rest = rest[at + SEGMENT :]
    send(there, seq, ack, 0x18, rest)
    seq += len(rest)
    send(back, ack, seq, 0x10)
    send(there, seq, ack, 0x11)
    send(back, ack, seq + 1, 0x11)
    send(there, seq + 1, ack + 1, 0x10)
    return "1 connection"


def opening(data):
    """Where the first video frame begins: after whole messages in one chunk each, none of them a frame."""
    at = 0
    while at < len(data):
        form, long = data[at] >> 6, {0: 12, 1: 8}
        length = int.from_bytes(data[at + 4 : at + 7], "big")
        kind, body = data[at + 7], at + long[form]
        if kind in (8, 9) and data[body + 1] == 1:
            return at
        at = body + length
    return at


def main():
    shape, megabytes, path = sys.argv[1:]
    base = list(packets(BASE))
    out = Writer(path)
    said = {"one": one, "many": many}[shape](base, int(float(megabytes) * 1e6), out)
    out.file.close()
    print(f"{path}: {said}, {out.size} bytes")


if __name__ == "__main__":
    main()
