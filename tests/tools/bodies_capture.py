#!/usr/bin/env python3
"""Writes a capture with one message of every kind, for what the recorded captures do not have.

usage: bodies_capture.py CAPTURE

One connection, client 10.0.0.1:40000 to server 10.0.0.2:1935: TCP and RTMP handshake, then one message after
the other from the client, each in a chunk of its own and a TCP segment of its own."""

import struct
import sys

CLIENT, SERVER = 0, 1
ADDRESSES = [bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])]
PORTS = [40000, 1935]


def number(value):
    return b"\x00" + struct.pack(">d", value)


def text(value):
    value = value.encode()
    return struct.pack(">H", len(value)) + value


def string(value):
    return b"\x02" + text(value)


def properties(**pairs):
    return b"".join(text(name) + value for name, value in pairs.items()) + b"\0\0\x09"


def command(name, *values):
    return string(name) + b"".join(values)


def tag(kind, timestamp, body):
    header = bytes([kind]) + struct.pack(">I", len(body))[1:] + struct.pack(">I", timestamp)[1:]
    return header + bytes([timestamp >> 24, 0, 0, 0]) + body + struct.pack(">I", len(body) + 11)


def event(kind, content=b""):
    return bytes([kind]) + struct.pack(">I", len(content)) + content


NULL = b"\x05"
AMF3 = b"\x11"
NAME = b"\x0bhello"  # an AMF 3 string of five bytes

# (type, body)
MESSAGES = [
    # Protocol control.
    (1, struct.pack(">I", 4096)),
    (2, struct.pack(">I", 6)),
    (3, struct.pack(">I", 0xFFFFFFF0)),
    (5, struct.pack(">I", 2500000)),
    *[(6, struct.pack(">IB", 2500000, limit)) for limit in (0, 1, 2, 7)],
    # Too short, and too long.
    (1, b"\0\x10\0"),
    (6, struct.pack(">I", 1)),
    (5, struct.pack(">IB", 1, 0xEE)),
    # User control.
    *[(4, struct.pack(">HI", kind, 1)) for kind in (0, 1, 2, 4, 6, 7, 31, 32)],
    (4, struct.pack(">HII", 3, 1, 3000)),
    (4, struct.pack(">H", 26)),
    (4, struct.pack(">H", 27) + bytes(42)),
    (4, struct.pack(">HH", 5, 1)),
    (4, b"\0"),
    # AMF 0.
    (20, command("connect", number(1), b"\x03" + properties(app=string("live"), fpad=b"\x01\x00", n=number(-0.5)))),
    (20, command("publish", number(5), NULL, string("a"), string("live"))),
    (20, command("onStatus", number(0), NULL, b"\x03" + properties(level=string("status"), code=string("A.B")))),
    *[(20, command("n", number(value))) for value in (1e15, 123456789012345.0, 0.1 + 0.2, 1e-7, float("inf"), -0.0)],
    (20, command("n", number(float("nan")))),
    (20, command("flags", b"\x01\x00", b"\x01\x01", b"\x01\x07")),
    (20, command("nothing", NULL, b"\x06", b"\x0d")),
    (20, command("nested", b"\x03" + properties(o=b"\x03" + properties(x=number(1)), e=b"\x03" + properties()))),
    (20, command("reference", b"\x03" + properties(x=NULL), b"\x07\x00\x00")),
    (20, command("ecma", b"\x08" + struct.pack(">I", 7) + properties(width=number(1280)))),
    (20, command("ecma0", b"\x08" + struct.pack(">I", 0) + properties(a=NULL, b=NULL))),
    (20, command("strict", b"\x0a" + struct.pack(">I", 3) + number(1) + string("b") + NULL)),
    (20, command("empty", b"\x0a" + struct.pack(">I", 0), string(""))),
    (20, command("date", b"\x0b" + struct.pack(">dh", 1600000000123.0, -60))),
    (20, command("long", b"\x0c" + struct.pack(">I", 5) + b"hello")),
    (20, command("xml", b"\x0f" + struct.pack(">I", 4) + b"<a/>")),
    (20, command("typed", b"\x10" + text("Point") + properties(x=number(1)))),
    (20, command("int64", b"\x22" + struct.pack(">q", -2))),
    (20, command("utf8", string("日本語 ☕"), b"\x03" + properties(**{"naïve": string("é")}))),
    (20, b"\x02" + struct.pack(">H", 2) + b"\xff\xfe" + NULL),
    (20, command("unknown", b"\x7fabc")),
    (20, command("cut") + b"\x02\x00\x09abc"),
    (20, command("unterminated", b"\x03" + text("k") + NULL)),
    (18, command("@setDataFrame", string("onMetaData"), b"\x08\0\0\0\1" + properties(width=number(320)))),
    (18, command("onMetaData", b"\x08\0\0\0\1" + properties(width=number(320)))),
    # Types 17 and 15: a format byte, then AMF 0 with single values in AMF 3.
    (17, b"\0" + command("plain", number(2), NULL)),
    (15, b"\0" + command("onMetaData", b"\x08\0\0\0\1" + properties(width=number(320)))),
    *[
        (17, b"\0" + command("amf3", number(2), AMF3 + value))
        for value in (
            b"\x00",  # undefined
            b"\x01",  # null
            b"\x02",  # false
            b"\x03",  # true
            b"\x04\x81\x00",  # integer 128
            b"\x04\xff\xff\xff\xff",  # integer -1
            b"\x05" + struct.pack(">d", 2.5),  # double
            b"\x06" + NAME,  # string
            b"\x06\x01",  # empty string
            b"\x07\x09<a/>",  # XML document
            b"\x08\x01" + struct.pack(">d", 1600000000123.0),  # date
            b"\x09\x05\x01\x04\x01\x04\x02",  # array of 1, 2
            b"\x09\x03" + NAME + b"\x04\x07\x01\x04\x01",  # array with hello: 7, and of 1
            b"\x0a\x0b\x01" + NAME + b"\x04\x07\x01",  # object of no class, dynamic: hello: 7
            b"\x0a\x13\x07Foo" + NAME + b"\x04\x07",  # object of class Foo with a member hello: 7
            b"\x0b\x09<a/>",  # XML
            b"\x0c\x07\x01\x02\x03",  # byte array
        )
    ],
    (17, b"\0" + command("amf3refs", number(2), AMF3 + b"\x06" + NAME, AMF3 + b"\x06\x00")),
    # Audio: each format, AAC configuration and sound, enhanced.
    (8, b"\xaf\x00\x12\x10"),
    (8, b"\xaf\x01" + bytes(range(40))),
    *[(8, bytes([kind << 4 | 6, 1, 2, 3])) for kind in (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15)],
    (8, b"\xaf"),
    (8, b""),
    (8, b"\x90Opus" + b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0"),
    (8, b"\x91Opus\x01\x02\x03"),
    # Video: each codec, AVC packets, commands, enhanced.
    (9, b"\x17\x00\0\0\0" + bytes.fromhex("0164001fffe100086764001fac2ca50101000468ee3cb0")),
    (9, b"\x17\x01\0\0\x50\0\0\0\x02\x65\x88"),
    (9, b"\x27\x01\xff\xff\xd8\0\0\0\x02\x41\x9a"),
    (9, b"\x17\x02\0\0\0"),
    *[(9, bytes([0x10 | codec, 1, 2, 3])) for codec in (1, 2, 3, 4, 5, 6, 8, 9, 13)],
    *[(9, bytes([kind << 4 | 2, 1, 2, 3])) for kind in (0, 2, 3, 4)],
    (9, b"\x57\x00"),
    (9, b"\x17"),
    (9, b""),
    (9, b"\x91hvc1\0\0\x50\0\0\0\x02\x26\x01"),
    # Shared objects, aggregates, and a type that is none.
    (19, text("so") + struct.pack(">III", 3, 2, 0) + event(1) + event(4, text("a") + b"\x01\x01")),
    (16, b"\0" + text("so") + struct.pack(">III", 3, 2, 0) + event(1)),
    (22, tag(8, 1000, b"\xaf\x01\x21") + tag(9, 1040, b"\x27\x01\0\0\0\0\0\0\x01\x41")),
    (22, tag(9, 0x01000400, b"\x22\x01\x02") + tag(18, 0x01000400, command("onCuePoint", number(1)))),
    (7, b"\x01\x02\x03"),
]

# (chunk header, body): what else the header can say.
HEADERS = [
    (b"\x03" + struct.pack(">I", 1000)[1:] + b"\0\0\x03\x08" + b"\x01\0\0\0", b"\x2f\1\2"),
    (b"\x43" + b"\0\0\x14" + b"\0\0\x03\x08", b"\x2f\3\4"),
    (b"\x83" + b"\0\0\x14", b"\x2f\5\6"),
    (b"\xc3", b"\x2f\7\x08"),
    (b"\x00\x00" + bytes(3) + b"\0\0\x03\x08" + b"\x01\0\0\0", b"\x2f\1\2"),  # chunk stream 64
    (b"\x01\xa8\x03" + bytes(3) + b"\0\0\x03\x08" + b"\x01\0\0\0", b"\x2f\1\2"),  # chunk stream 1000
    (b"\x05\xff\xff\xff" + b"\0\0\x03\x08" + b"\x01\0\0\0" + b"\x01\0\0\0", b"\x2f\1\2"),  # extended timestamp
    (b"\x45\xff\xff\xff" + b"\0\0\x03\x08" + b"\0\0\0\x28", b"\x2f\3\4"),  # an extended delta
    (b"\x05\x00\x00\x00" + b"\0\0\x04\x94" + b"\x01\0\0\0", string("a")),  # type with the high bit
]


class Capture:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))  # raw IP
        self.next = [1000, 5000]
        self.count = 0

    def segment(self, side, flags, payload=b""):
        tcp = struct.pack(">HHIIBBHHH", PORTS[side], PORTS[1 - side], self.next[side], self.next[1 - side], 5 << 4, flags, 65535, 0, 0)
        total = 20 + len(tcp) + len(payload)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, total, self.count, 0, 64, 6, 0) + ADDRESSES[side] + ADDRESSES[1 - side]
        self.file.write(struct.pack("<IIII", 1600000000, 1000 * self.count, total, total) + ip + tcp + payload)
        self.next[side] += len(payload) + (1 if flags & 3 else 0)
        self.count += 1


def main():
    capture = Capture(sys.argv[1])
    capture.segment(CLIENT, 0x02)
    capture.segment(SERVER, 0x12)
    capture.segment(CLIENT, 0x10)
    block = [bytes(8) + bytes((i * 7 + side) % 251 for i in range(1528)) for side in (CLIENT, SERVER)]
    capture.segment(CLIENT, 0x18, b"\x03" + block[CLIENT])
    capture.segment(SERVER, 0x18, b"\x03" + block[SERVER] + block[CLIENT])
    capture.segment(CLIENT, 0x18, block[SERVER])
    for index, (kind, body) in enumerate(MESSAGES):
        header = b"\x04" + struct.pack(">I", 10 * index)[1:] + struct.pack(">I", len(body))[1:] + bytes([kind, 1, 0, 0, 0])
        assert len(body) <= 128 or index > 0  # the first message sets the chunk size
        capture.segment(CLIENT, 0x18, header + body)
    for header, body in HEADERS:
        capture.segment(CLIENT, 0x18, header + body)
    capture.segment(CLIENT, 0x11)
    capture.segment(SERVER, 0x11)
    capture.segment(CLIENT, 0x10)


main()
