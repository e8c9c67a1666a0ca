#!/usr/bin/env python3
"""Writes what servers made of published sound and pictures, to stdout: testdata/relay/expected.tsv.

    tests/tools/relay_table.py > testdata/relay/expected.tsv

It aligns the body hashes of testdata/reference, in which no code of rtmp-inspect had a part, and shares nothing with
src/relay. Which connection publishes, which gets the stream, and the frames of `play` (or the server's `publish`) and
of the player's `deleteStream` were read off `tshark -Y rtmpt`.
"""
import csv
import difflib
import pathlib

REFERENCE = pathlib.Path(__file__).parents[2] / "testdata" / "reference"

# capture, publisher, player, whether the player's media come from port 1935, frame of the join, frame of the end
LEGS = [
    ("a/ffmpeg_pub_play", 1, 0, True, 25, None),
    ("a/nginx_push_relay", 0, 1, False, 63, None),
    ("a/nms2_pub_play", 0, 1, True, 200, 476),
    ("a/rtmpdump_play_live", 0, 1, True, 125, None),
    ("e/interleave_c128", 1, 0, True, 25, 1055),
    ("seed/jpeg_c128", 1, 0, True, 24, None),
    ("seed/jpeg_c4096", 1, 0, True, 18, None),
    ("seed/jpeg_small_ok", 1, 0, True, 18, None),
    ("d/many", 1, 4, True, 257, 852),
    ("d/many", 2, 5, True, 255, 846),
    ("d/many", 3, 6, True, 263, 858),
]


def messages(capture, connection, from_server, kind):
    with open(REFERENCE / f"{capture}.pcap.tsv") as file:
        rows = csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t")
        return [
            row
            for row in rows
            if int(row["tcp_stream"]) == connection
            and row["src"].endswith(":1935") == from_server
            and int(row["type_id"]) == kind
        ]


print("capture", "publisher", "player", "type_id", "sent", "forwarded", "before_join", "after_end", "other",
      "timestamp_offsets", sep="\t")
for capture, publisher, player, from_server, joined, left in LEGS:
    for kind in (8, 9):
        sent = messages(capture, publisher, False, kind)
        got = messages(capture, player, from_server, kind)
        matcher = difflib.SequenceMatcher(
            None, [row["body_sha256"] for row in sent], [row["body_sha256"] for row in got], autojunk=False)
        missing = set(range(len(sent)))
        offsets = {}
        for block in matcher.get_matching_blocks():
            for step in range(block.size):
                missing.discard(block.a + step)
                offset = int(got[block.b + step]["timestamp"]) - int(sent[block.a + step]["timestamp"])
                offsets[offset] = offsets.get(offset, 0) + 1
        frames = [int(sent[at]["completed"]) for at in missing]
        before = sum(frame < joined for frame in frames)
        after = sum(left is not None and frame >= left for frame in frames)
        print(capture, publisher, player, kind, len(sent), len(sent) - len(missing), before, after,
              len(missing) - before - after,
              ",".join(f"{offset}x{count}" for offset, count in sorted(offsets.items())) or "-", sep="\t")
