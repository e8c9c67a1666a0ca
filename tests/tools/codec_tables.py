#!/usr/bin/env python3
"""Makes testdata/codecs/configs.tsv and frames.tsv with ffmpeg and ffprobe.

For each encoder setting a clip of two pictures (or a fifth of a second of sound) is encoded, its
configuration record is taken out of the file, and what ffprobe says of the clip is written beside it.
For frames.tsv one packet is taken out, and what ffmpeg's trace_headers finds in it is written beside it.

    codec_tables.py TESTDATA/codecs
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

CONFIG_COLUMNS = "name fourcc record profile level width height rate sample_rate channels".split()
FRAME_COLUMNS = "name fourcc packet units".split()


def x264(profile, size, rate, *more, pix="yuv420p"):
    return ("avc1", "mp4", "avcC", size, rate, ["-c:v", "libx264", "-profile:v", profile, "-pix_fmt", pix, *more])


def x265(size, rate, *more, pix="yuv420p"):
    params = ":".join(["log-level=error", "info=0", *more])
    return ("hvc1", "mp4", "hvcC", size, rate, ["-c:v", "libx265", "-tag:v", "hvc1", "-pix_fmt", pix, "-x265-params", params])


def av1(encoder, size, rate, *more, pix="yuv420p"):
    return ("av01", "mp4", "av1C", size, rate, ["-c:v", encoder, "-pix_fmt", pix, *more])


def vp9(size, rate, *more, pix="yuv420p"):
    return ("vp09", "mp4", "vpcC", size, rate, ["-c:v", "libvpx-vp9", "-pix_fmt", pix, "-deadline", "realtime", "-cpu-used", "8", *more])


AOM = ["-cpu-used", "8", "-usage", "realtime"]
VIDEO = {
    "avc-baseline-64x64": x264("baseline", "64x64", "25"),
    "avc-main-176x144": x264("main", "176x144", "15"),
    "avc-high-320x180": x264("high", "320x180", "30"),
    "avc-high-98x54-cropped": x264("high", "98x54", "24000/1001"),
    "avc-high-854x480": x264("high", "854x480", "30000/1001"),
    "avc-high-1280x720": x264("high", "1280x720", "50"),
    "avc-high-1366x768": x264("high", "1366x768", "60"),
    "avc-high-1920x1080": x264("high", "1920x1080", "60"),
    "avc-high-3840x2160": x264("high", "3840x2160", "30"),
    "avc-high-720x576-interlaced": x264("high", "720x576", "25", "-flags", "+ildct+ilme", "-x264opts", "tff=1"),
    "avc-high10": x264("high10", "320x180", "25", pix="yuv420p10le"),
    "avc-high422": x264("high422", "322x182", "25", pix="yuv422p"),
    "avc-high422-10": x264("high422", "320x180", "25", pix="yuv422p10le"),
    "avc-high444": x264("high444", "321x181", "25", pix="yuv444p"),
    "avc-gray": x264("high", "320x180", "25", pix="gray"),
    "avc-level-1": x264("baseline", "128x96", "15", "-level", "1"),
    "avc-level-1b": x264("baseline", "128x96", "15", "-level", "1b"),
    "avc-level-1b-high": x264("high", "128x96", "15", "-level", "1b"),
    "avc-level-1.1": x264("main", "176x144", "10", "-level", "1.1"),
    "avc-level-5.2": x264("high", "320x180", "25", "-level", "5.2"),
    "avc-level-6.2": x264("high", "320x180", "25", "-level", "6.2"),
    "avc-high10-intra": x264("high10", "320x180", "25", "-g", "1", pix="yuv420p10le"),
    "avc-cqm": x264("high", "320x180", "25", "-x264opts", "cqm=jvt"),
    "avc-sar": x264("high", "704x480", "30000/1001", "-aspect", "16:9", "-color_primaries", "smpte170m", "-colorspace", "smpte170m", "-color_trc", "smpte170m"),
    "hevc-main-64x64": x265("64x64", "25"),
    "hevc-main-320x180-cropped": x265("320x180", "30"),
    "hevc-main-98x54-cropped": x265("98x54", "24000/1001"),
    "hevc-main-854x480": x265("854x480", "30000/1001"),
    "hevc-main-1280x720": x265("1280x720", "60"),
    "hevc-main-1920x1080": x265("1920x1080", "50"),
    "hevc-main-3840x2160": x265("3840x2160", "30", "preset=ultrafast"),
    "hevc-main10": x265("320x180", "25", pix="yuv420p10le"),
    "hevc-main10-hdr": x265("320x180", "25", "hdr10=1", "repeat-headers=0", "colorprim=bt2020", "transfer=smpte2084", "colormatrix=bt2020nc", "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)", "max-cll=1000,400", pix="yuv420p10le"),
    "hevc-422": x265("322x182", "25", pix="yuv422p"),
    "hevc-422-10": x265("320x180", "25", pix="yuv422p10le"),
    "hevc-444": x265("321x181", "25", pix="yuv444p"),
    "hevc-444-12": x265("320x180", "25", pix="yuv444p12le"),
    "hevc-level-6.2-high-tier": x265("320x180", "25", "level-idc=6.2"),
    "hevc-high-tier": x265("1280x720", "25", "level-idc=5.1", "high-tier=1", "vbv-maxrate=90000", "vbv-bufsize=90000"),
    "hevc-temporal-layers": x265("320x180", "25", "temporal-layers=3", "bframes=4"),
    "hevc-scaling-list": x265("320x180", "25", "scaling-list=default"),
    "hevc-sar": x265("704x480", "30000/1001", "sar=3", "overscan=show", "videoformat=ntsc", "range=full", "chromaloc=2"),
    "av1-aom-64x64": av1("libaom-av1", "64x64", "25", *AOM),
    "av1-aom-854x480": av1("libaom-av1", "854x480", "30", *AOM),
    "av1-aom-1920x1080": av1("libaom-av1", "1920x1080", "60", *AOM),
    "av1-aom-10": av1("libaom-av1", "320x180", "25", *AOM, pix="yuv420p10le"),
    "av1-aom-444": av1("libaom-av1", "320x180", "25", *AOM, pix="yuv444p"),
    "av1-aom-422": av1("libaom-av1", "320x180", "25", "-cpu-used", "8", pix="yuv422p"),
    "av1-aom-gray": av1("libaom-av1", "320x180", "25", *AOM, pix="gray"),
    "av1-svt-320x180": av1("libsvtav1", "320x180", "25", "-preset", "12"),
    "av1-svt-1280x720-10": av1("libsvtav1", "1280x720", "60", "-preset", "12", pix="yuv420p10le"),
    "av1-rav1e-130x98": av1("librav1e", "130x98", "25", "-speed", "10"),
    "vp9-64x64": vp9("64x64", "25"),
    "vp9-1280x720": vp9("1280x720", "30"),
    "vp9-profile1-444": vp9("320x180", "25", pix="yuv444p"),
    "vp9-profile2-10": vp9("320x180", "25", pix="yuv420p10le"),
    "vp9-profile3-422-12": vp9("320x180", "25", pix="yuv422p12le"),
    "vp9-level-3.1": vp9("320x180", "25", "-level", "3.1"),
}

AUDIO = {
    **{f"aac-{rate}-{channels}": ("mp4a", ["-c:a", "aac", "-ar", str(rate), "-ac", str(channels)])
       for rate, channels in [(7350, 1), (8000, 1), (11025, 1), (12000, 2), (16000, 1), (22050, 2), (24000, 2), (32000, 2),
                              (44100, 1), (44100, 2), (48000, 1), (48000, 2), (48000, 3), (48000, 4), (48000, 5),
                              (48000, 6), (48000, 8), (64000, 2), (88200, 2), (96000, 2)]},
    "aac-main": ("mp4a", ["-c:a", "aac", "-profile:a", "aac_main", "-ar", "44100", "-ac", "2"]),
    "aac-ltp": ("mp4a", ["-c:a", "aac", "-profile:a", "aac_ltp", "-ar", "44100", "-ac", "2", "-strict", "-2"]),
    **{f"opus-{channels}": ("Opus", ["-c:a", "libopus", "-ar", "48000", "-ac", str(channels), *more])
       for channels, more in [(1, []), (2, []), (6, ["-mapping_family", "1"]), (8, ["-mapping_family", "1"])]},
    **{f"flac-{rate}-{channels}": ("fLaC", ["-c:a", "flac", "-ar", str(rate), "-ac", str(channels)])
       for rate, channels in [(44100, 2), (48000, 6), (96000, 1), (192000, 2)]},
}

# One packet of each: an encoder setting of VIDEO's kind, and which packet.
SMALL = ["-crf", "40"]
FRAMES = {
    "avc-key": (x264("high", "64x64", "25", *SMALL), 0),
    "avc-inter": (x264("high", "64x64", "25", *SMALL), 1),
    "avc-key-slices-aud": (x264("main", "64x64", "25", "-x264opts", "slices=4:aud=1:nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500", *SMALL), 0),
    "hevc-key": (x265("64x64", "25", "crf=45"), 0),
    "hevc-inter": (x265("64x64", "25", "crf=45", "bframes=0"), 1),
    "hevc-key-slices-aud": (x265("128x256", "25", "crf=45", "slices=4", "aud=1", "hrd=1", "vbv-maxrate=500", "vbv-bufsize=500", "ctu=16"), 0),
    "av1-key": (av1("libaom-av1", "64x64", "25", *AOM, *SMALL), 0),
    "av1-inter": (av1("libaom-av1", "64x64", "25", *AOM, *SMALL), 1),
    "av1-svt-key": (av1("libsvtav1", "64x64", "25", "-preset", "12", *SMALL), 0),
    "av1-tiles": (av1("libaom-av1", "256x256", "25", *AOM, "-tiles", "2x2", *SMALL), 0),
    "vp9-key": (("vp09", "ivf", None, "64x48", "25", ["-c:v", "libvpx-vp9", "-crf", "60", "-b:v", "0"]), 0),
    "vp9-inter": (("vp09", "ivf", None, "64x48", "25", ["-c:v", "libvpx-vp9", "-crf", "60", "-b:v", "0"]), 1),
    "vp8-key": (("vp08", "ivf", None, "70x50", "25", ["-c:v", "libvpx", "-crf", "60", "-b:v", "50k"]), 0),
    "vp8-inter": (("vp08", "ivf", None, "70x50", "25", ["-c:v", "libvpx", "-crf", "60", "-b:v", "50k"]), 1),
}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True)


def encode(out, size, rate, options):
    run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}", "-frames:v", "4", *options, str(out))


def probe(path, *entries):
    return json.loads(run("ffprobe", "-v", "error", "-of", "json", *entries, str(path)).stdout)


def box(data, name):
    """The content of the only box of that name."""
    at = data.index(name.encode()) - 4
    return data[at + 8:at + int.from_bytes(data[at:at + 4], "big")]


def extradata(path):
    dump = probe(path, "-show_streams", "-show_data")["streams"][0]["extradata"]
    lines = [line.split(": ", 1)[1].split("  ")[0] for line in dump.strip().split("\n")]
    return bytes.fromhex("".join(lines).replace(" ", ""))


def configs(directory):
    for name, (fourcc, container, kind, size, rate, options) in VIDEO.items():
        path = directory / f"{name}.{container}"
        encode(path, size, rate, options)
        stream = probe(path, "-show_streams")["streams"][0]
        record = box(path.read_bytes(), kind)
        # The size after cropping, as shown.
        width, height = stream["width"], stream["height"]
        yield name, fourcc, record.hex(), stream.get("profile"), stream["level"], width, height, stream["r_frame_rate"], "", ""
    for name, (fourcc, options) in AUDIO.items():
        suffix = {"mp4a": "mp4", "Opus": "mkv", "fLaC": "flac"}[fourcc]
        path = directory / f"{name}.{suffix}"
        run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "sine=d=0.2", *options, str(path))
        stream = probe(path, "-show_streams")["streams"][0]
        # A FLAC file begins with fLaC and STREAMINFO, which is what a sequence start carries.
        record = path.read_bytes()[:42] if fourcc == "fLaC" else extradata(path)
        yield name, fourcc, record.hex(), stream.get("profile", ""), "", "", "", "", stream["sample_rate"], stream["channels"]


def units(fourcc, path, index):
    """The numbers of the types of the units in a packet, as trace_headers reads them."""
    field = "obu_type" if fourcc == "av01" else "nal_unit_type"
    log = run("ffmpeg", "-v", "verbose", "-i", str(path), "-map", "0:v", "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-").stderr
    packets = re.split(r"\] Packet: ", log.decode(errors="replace"))[1:]
    return " ".join(re.findall(rf"\b{field} +[01]+ = (\d+)", packets[index]))


def frames(directory):
    for name, ((fourcc, container, _, size, rate, options), index) in FRAMES.items():
        path = directory / f"frame-{name}.{container}"
        encode(path, size, rate, options)
        packets = probe(path, "-show_packets", "-select_streams", "v")["packets"]
        packet = packets[index]
        at, size_in_bytes = int(packet["pos"]), int(packet["size"])
        # In IVF, pos is that of the length and time (12 bytes) in front of the packet.
        at += 12 if container == "ivf" else 0
        packet = path.read_bytes()[at:at + size_in_bytes]
        # Pictures of VP8 and VP9 are one unit; they say their size, if they are key frames.
        listed = units(fourcc, path, index) if fourcc not in ("vp08", "vp09") else "" if index else size
        yield name, fourcc, packet.hex(), listed


def table(path, columns, rows):
    with open(path, "w") as out:
        print(*columns, sep="\t", file=out)
        for row in rows:
            print(*row, sep="\t", file=out)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        table(out / "configs.tsv", CONFIG_COLUMNS, configs(directory))
        table(out / "frames.tsv", FRAME_COLUMNS, frames(directory))


if __name__ == "__main__":
    main()
