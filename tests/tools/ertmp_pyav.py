#!/usr/bin/env python3
"""Makes testdata/codecs/ertmp.tsv: tags of enhanced FLV as a later FFmpeg's muxer writes them.

    pip install av==18.1.0        (libavformat 62.12: HEVC, AV1, VP9, Opus, FLAC, AC-3, MP3, several tracks)
    ertmp_pyav.py > testdata/codecs/ertmp.tsv

The media are encoded with ffmpeg from PATH. What a tag holds is known from the packet that was given to the muxer:
its bytes are the tag's last bytes. The columns: name, message type, length of the body, the first bytes of the body
in hex, codec, kind, track, whether it is a key frame, composition time in ms, length of the packet.
"""

import io
import pathlib
import subprocess
import sys
import tempfile

import av

LIMIT = 260
PER_STREAM = 5

VIDEO = {
    "avc1": (["-c:v", "libx264", "-bf", "2"], "mp4"),
    "hvc1": (["-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=error:info=0:bframes=2"], "mp4"),
    "av01": (["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"], "mp4"),
    "vp09": (["-c:v", "libvpx-vp9", "-b:v", "50k"], "webm"),
}
AUDIO = {
    "mp4a": (["-c:a", "aac"], "mp4"),
    "Opus": (["-c:a", "libopus"], "mka"),
    "fLaC": (["-c:a", "flac"], "mka"),
    "ac-3": (["-c:a", "ac3"], "mka"),
    "ec-3": (["-c:a", "eac3"], "mka"),
    ".mp3": (["-c:a", "libmp3lame"], "mka"),
}
FILES = [
    *((f"video {codec}", [codec]) for codec in VIDEO),
    *((f"audio {codec}", [codec]) for codec in AUDIO),
    ("video tracks", ["hvc1", "hvc1 other", "avc1", "av01", "vp09"]),
    ("audio tracks", ["Opus", "Opus other", "mp4a", "fLaC", "ac-3"]),
    ("tracks of both", ["hvc1", "Opus", "av01", "mp4a"]),
    # More than two channels: ffmpeg says where they go.
    ("opus 5.1", ["Opus 5.1"]),
    ("aac 5.1 as second track", ["mp4a", "mp4a 5.1"]),
]


def encode(directory, codec):
    name, _, layout = codec.partition(" ")
    options, suffix = {**VIDEO, **AUDIO}[name]
    path = directory / f"{codec.strip('.')}.{suffix}"
    if not path.exists():
        if name in VIDEO:
            source = "smptebars=s=64x64:r=25:d=0.4" if layout else "testsrc2=s=64x64:r=25:d=0.4"
        elif layout == "5.1":
            source, options = "anoisesrc=d=0.2:a=0.01:seed=1,pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0", [*options, *(["-mapping_family", "1"] if name == "Opus" else [])]
        else:
            source = f"sine=f={880 if layout else 440}:d=0.2:r=48000,aformat=channel_layouts=stereo"
        subprocess.run(["ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", source, *options, str(path)], check=True)
    return path


def mux(paths):
    """The FLV file, and the packets by stream."""
    inputs = [av.open(str(path)) for path in paths]
    buffer = io.BytesIO()
    packets = []
    with av.open(buffer, "w", format="flv") as out:
        streams = [out.add_stream_from_template(source.streams[0], opaque=True) for source in inputs]
        for index, (source, stream) in enumerate(zip(inputs, streams)):
            for packet in source.demux(source.streams[0]):
                if packet.dts is None:
                    continue
                cts = round((packet.pts - packet.dts) * packet.time_base * 1000)
                packets.append((packet.dts * packet.time_base, index, bytes(packet), packet.is_keyframe, cts, packet, stream))
        for *_, packet, stream in sorted(packets, key=lambda entry: entry[:2]):
            packet.stream = stream
            out.mux(packet)
    return buffer.getvalue(), [entry[:5] for entry in packets]


def tags(flv):
    at = 13
    while at < len(flv):
        kind, length = flv[at], int.from_bytes(flv[at + 1:at + 4], "big")
        yield kind, flv[at + 11:at + 11 + length]
        at += 11 + length + 4


def rows(name, codecs, directory):
    flv, packets = mux([encode(directory, codec) for codec in codecs])
    sound = [codec.partition(" ")[0] in AUDIO for codec in codecs]
    count = [0] * len(codecs)
    for kind, body in tags(flv):
        if kind == 18:
            continue
        fitting = [entry for entry in packets if sound[entry[1]] == (kind == 8) and len(entry[2]) > 4 and body.endswith(entry[2])]
        # Several streams may hold the same packet; the muxer numbers tracks by stream of the medium.
        header = len(body) - max((len(entry[2]) for entry in fitting), default=0)
        fitting = [entry for entry in fitting if len(body) - len(entry[2]) == header]
        if fitting:
            streams = {entry[1] for entry in fitting}
            _, index, data, key, cts = fitting[0]
            if len(streams) > 1 or count[index] >= PER_STREAM:
                continue
            count[index] += 1
            track = sum(other == sound[index] for other in sound[:index])
            codec, what, key = codecs[index].partition(" ")[0], "frame", int(key)
            length = len(data)
        else:
            codec, what, track, key, cts, length = "", "other", "", "", "", ""
        print(name, kind, len(body), body[:LIMIT].hex(), codec, what, track, key, cts, length, sep="\t")


def main():
    print(*"name type length hex codec kind track key cts packet_length".split(), sep="\t")
    with tempfile.TemporaryDirectory() as directory:
        for name, codecs in FILES:
            rows(name, codecs, pathlib.Path(directory))


if __name__ == "__main__":
    main()
