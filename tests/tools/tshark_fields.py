#!/usr/bin/env python3
"""rtmpt itself and every rtmpt.* and amf.* field of every RTMP message, as `tshark -T fields -e` prints them.

usage: tshark_fields.py CAPTURE [--port PORT]
       tshark_fields.py --names

Prints one JSON array a line, one for each message that tshark shows, in tshark's order:

  [frame.number, tcp.stream, "ADDRESS:PORT" of the sender, ["NAME", "VALUE", "NAME", "VALUE", ..]]

The fields stand in the order of tshark's tree. What -T fields prints differs from PDML, where they are taken
from, in two things: bytes have no colons, and a field without a value (FT_NONE) prints as 1. That this is
so, and all of it, is checked: `tshark -T fields` is run over the same capture, and each of its columns has to
be what the messages of the frame have together.

Fields of bytes with a value of more than 32 bytes are shortened to `LENGTH:DIGEST`: the number of bytes in
decimal, and the first 16 hexadecimal digits of their SHA-256.

With --names: the fields that this tshark knows, NAME and TYPE with a tab between them, a line each.

The preferences are those of tshark_table.py, for its reasons; times are in UTC."""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

PREFERENCES = ["-o", "rtmpt.max_packet_size:16777215", "-o", "tcp.reassemble_out_of_order:TRUE"]
# Two bytes that no text in the captures holds.
SEPARATOR, AGGREGATOR = "\x1e", "\x1f"


def tshark(options, *arguments):
    decode_as = ["-d", f"tcp.port=={options.port},rtmpt"] if options.port else []
    command = ["tshark", *PREFERENCES, *decode_as, "-r", options.capture, "-Y", "rtmpt", *arguments]
    run = subprocess.run(command, capture_output=True, env=os.environ | {"TZ": "UTC"})
    # A capture that is cut short is read up to the cut, with status 2 and its reason on stderr.
    if run.returncode and b"cut short" not in run.stderr:
        sys.exit(f"{' '.join(command)}: {run.stderr.decode()}")
    return run.stdout


def field_types():
    """name -> type, of all rtmpt.* and amf.* fields that this tshark knows, and of rtmpt itself."""
    registered = subprocess.run(["tshark", "-G", "fields"], capture_output=True, check=True).stdout.decode()
    rows = (line.split("\t") for line in registered.splitlines() if line.startswith("F\t"))
    return {row[2]: row[3] for row in rows if row[2].startswith(("rtmpt.", "amf."))} | {"rtmpt": "FT_PROTOCOL"}


def printed(field_type, shown):
    if field_type == "FT_NONE":
        return "1"
    return shown.replace(":", "") if field_type == "FT_BYTES" else shown


def shortened(field_type, text):
    if field_type != "FT_BYTES" or len(text) <= 64:
        return text
    content = bytes.fromhex(text)
    return f"{len(content)}:{hashlib.sha256(content).hexdigest()[:16]}"


def messages(options, types):
    """(frame, stream, sender, [(name, printed value)]) of each message"""
    for packet in ET.fromstring(tshark(options, "-T", "pdml") or "<pdml/>").iter("packet"):
        shown = {}
        for field in packet.iter("field"):
            shown.setdefault(field.get("name"), field.get("show"))
        address = shown["ip.src"] if "ip.src" in shown else f"[{shown['ipv6.src']}]"
        sender = f"{address}:{shown['tcp.srcport']}"
        for message in packet.findall("proto[@name='rtmpt']"):
            fields = ((field.get("name"), field.get("show")) for field in message.iter("field"))
            values = [(name, printed(types[name], show)) for name, show in fields if name in types]
            # The protocol's text is its line in the tree.
            label = ("rtmpt", message.get("showname"))
            yield int(shown["frame.number"]), int(shown["tcp.stream"]), sender, [label, *values]


def check(options, types, per_frame):
    """That `-T fields` prints the same."""
    names = sorted(types)
    columns = [part for name in names for part in ("-e", name)]
    output = ["-E", f"separator={SEPARATOR}", "-E", f"aggregator={AGGREGATOR}", "-E", "occurrence=a"]
    lines = tshark(options, "-T", "fields", "-e", "frame.number", *columns, *output).decode().split("\n")[:-1]
    for line in lines:
        number, *cells = line.split(SEPARATOR)
        of_frame = per_frame.pop(int(number))
        for name, cell in zip(names, cells, strict=True):
            ours = AGGREGATOR.join(value for field, value in of_frame if field == name)
            if ours != cell:
                sys.exit(f"{options.capture}: frame {number}: {name} is {ours!r}, -T fields has {cell!r}")
    if per_frame:
        sys.exit(f"{options.capture}: -T fields has no frame {min(per_frame)}")


def main():
    arguments = argparse.ArgumentParser(usage="tshark_fields.py CAPTURE [--port PORT] | --names")
    arguments.add_argument("capture", nargs="?")
    arguments.add_argument("--port", type=int, help="decode this TCP port as RTMP")
    arguments.add_argument("--names", action="store_true", help="list the fields and their types")
    options = arguments.parse_args()
    types = field_types()
    if options.names:
        print("\n".join(f"{name}\t{kind}" for name, kind in sorted(types.items())))
        return
    per_frame = {}
    for frame, stream, sender, values in messages(options, types):
        per_frame.setdefault(frame, []).extend(values)
        flat = [part for name, value in values for part in (name, shortened(types[name], value))]
        print(json.dumps([frame, stream, sender, flat], ensure_ascii=False, separators=(",", ":")))
    check(options, types, per_frame)


main()
