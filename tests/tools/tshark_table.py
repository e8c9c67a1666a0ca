#!/usr/bin/env python3
"""One row per RTMP message, as tshark shows it.

usage: tshark_table.py CAPTURE [--port PORT]

Prints tab-separated values with a heading line. Handshake rows have no chunk header and leave those
columns empty. Columns:

  frame              frame.number of the frame under which tshark lists the message
  tcp_stream         tcp.stream
  src                the sender, ADDRESS:PORT
  info               the message's share of the Info column
  csid               rtmpt.header.csid: above 63 not the real number but the low six bits of the basic
                     header's last byte
  fmt                rtmpt.header.format, of the message's first chunk
  timestamp          ms, absolute
  length, type_id, message_stream_id
                     from the header, or from the last header on the chunk stream that had the field;
                     without one tshark assumes type 0 and message stream 0

Two preferences are changed. `rtmpt.max_packet_size`: at its default of 32768 tshark does not apply a
larger chunk size and does not put larger messages together. `tcp.reassemble_out_of_order`: off, its
default, a segment that arrives late ends the decoding of its direction."""

import argparse
import subprocess
import sys
import xml.etree.ElementTree as ET

PREFERENCES = ["-o", "rtmpt.max_packet_size:16777215", "-o", "tcp.reassemble_out_of_order:TRUE"]
COLUMNS = "frame tcp_stream src info csid fmt timestamp length type_id message_stream_id".split()
# tshark's tree label is the type name and the Info text for these; for the others it is the Info text.
NAMED_IN_LABEL = ["AMF0 Command", "AMF3 Command", "AMF0 Data", "AMF3 Data", "User Control Message"]
USER_CONTROL_EVENTS = ["Stream ", "Set Buffer Length", "Ping "]


def tshark(options, *arguments):
    decode_as = ["-d", f"tcp.port=={options.port},rtmpt"] if options.port else []
    command = ["tshark", *PREFERENCES, *decode_as, "-r", options.capture, "-Y", "rtmpt", *arguments]
    run = subprocess.run(command, capture_output=True)
    # A capture that is cut short is read up to the cut, with status 2 and its reason on stderr.
    if run.returncode and b"cut short" not in run.stderr:
        sys.exit(f"{' '.join(command)}: {run.stderr.decode()}")
    return run.stdout


def info_of(label):
    """The Info column's text for a message, from the label of its tree."""
    for name in NAMED_IN_LABEL:
        rest = label.removeprefix(name + " ")
        if rest != label and (name != "User Control Message" or rest.startswith(tuple(USER_CONTROL_EVENTS))):
            return rest
    return label


def real_csid(header):
    low = header[0] & 63
    return header[1] + 64 if low == 0 else header[1] + 256 * header[2] + 64 if low == 1 else low


def rows(options):
    """(row, text of the frame's Info column)"""
    info_column = {}
    for line in tshark(options, "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info").decode().splitlines():
        number, _, text = line.partition("\t")
        info_column[int(number)] = text
    last_header = {}  # (tcp_stream, src, real csid) -> length, type_id, message_stream_id
    for packet in ET.fromstring(tshark(options, "-T", "pdml") or "<pdml/>").iter("packet"):
        shown = {}
        for field in packet.iter("field"):
            shown.setdefault(field.get("name"), field.get("show"))
        frame = int(shown["frame.number"])
        src = f"{shown['ip.src']}:{shown['tcp.srcport']}" if "ip.src" in shown else f"[{shown['ipv6.src']}]:{shown['tcp.srcport']}"
        for message in packet.findall("proto[@name='rtmpt']"):
            label = message.get("showname").removeprefix("Real Time Messaging Protocol (").removesuffix(")")
            row = {"frame": frame, "tcp_stream": shown["tcp.stream"], "src": src, "info": info_of(label)}
            header = message.find("field[@show='RTMP Header']")
            if header is not None:
                value = {}
                for field in header.iter("field"):
                    value.setdefault(field.get("name").removeprefix("rtmpt.header."), field.get("show"))
                key = (row["tcp_stream"], src, real_csid(bytes.fromhex(header.get("value"))))
                fields = last_header.setdefault(key, {"length": "", "type_id": 0, "message_stream_id": 0})
                for ours, theirs in (("length", "bodysize"), ("type_id", "typeid"), ("message_stream_id", "streamid")):
                    if theirs in value:
                        fields[ours] = int(value[theirs], 0)
                # For fmt 1 to 3 tshark adds a calculated `timestamp`, but not beside an extended one, which it
                # takes for absolute in every fmt.
                timestamp = value.get("ets", value.get("timestamp"))
                row |= {"csid": value["csid"], "fmt": value["format"], "timestamp": timestamp, **fields}
            yield row, info_column[frame]


def main():
    arguments = argparse.ArgumentParser(usage="tshark_table.py CAPTURE [--port PORT]")
    arguments.add_argument("capture")
    arguments.add_argument("--port", type=int, help="decode this TCP port as RTMP")
    options = arguments.parse_args()
    print("\t".join(COLUMNS))
    per_frame = {}
    for row, info_column in rows(options):
        cells = [str(row.get(column, "")) for column in COLUMNS]
        if any("\t" in cell or "\n" in cell for cell in cells):
            sys.exit(f"{options.capture}: frame {row['frame']}: a cell holds a tab or a line break")
        print("\t".join(cells))
        per_frame.setdefault(row["frame"], (info_column, []))[1].append(row["info"])
    # The pieces must be what the Info column shows, or `info_of` is wrong.
    for frame, (info_column, pieces) in per_frame.items():
        if "|".join(pieces) not in info_column:
            sys.exit(f"{options.capture}: frame {frame}: {'|'.join(pieces)!r} is not in {info_column!r}")


main()
