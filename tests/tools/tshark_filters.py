#!/usr/bin/env python3
"""Asks tshark again for every row of testdata/filters/tshark.tsv and prints the table.

usage: tests/tools/tshark_filters.py < testdata/filters/tshark.tsv > new.tsv

Columns: the capture, relative to testdata/captures; how the row is to be read (`message`: the frames
that hold a matching message are the frames listed; `frame`: tshark joins the messages of a frame, so only
a filter over whole frames can agree; `nul`: tshark ends a text at its first NUL byte, we do not); the filter; the frames that tshark lists, or `-` for none."""

import pathlib
import subprocess
import sys

CAPTURES = pathlib.Path(__file__).parents[2] / "testdata" / "captures"


def frames(capture, expression):
    command = ["tshark", "-r", CAPTURES / capture, "-o", "rtmpt.max_packet_size:16777215", "-Y", expression]
    run = subprocess.run([*command, "-T", "fields", "-e", "frame.number"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{capture}: {expression}\n{run.stderr}")
    return ",".join(run.stdout.split()) or "-"


for line in sys.stdin:
    if line.startswith("#"):
        print(line, end="")
        continue
    capture, kind, expression = line.rstrip("\n").split("\t")[:3]
    print(capture, kind, expression, frames(capture, expression), sep="\t")
