#!/usr/bin/env python3
"""Checks what rtmp-inspect says of the session that run.sh recorded.

usage: check.py BINARY DIRECTORY

The directory holds session.pcap, live.jsonl (rows of the decoder at the end of tcpdump's pipe) and
live-rows-while-publishing (how many there were while ffmpeg still published, or nothing). publish.pcap is the same
publish in the directories first, second and third, with another title in title, to another application in app."""

import json
import os
import pathlib
import subprocess
import sys

binary, directory = sys.argv[1], pathlib.Path(sys.argv[2])
passed = failed = 0


def check(what, holds, found=""):
    global passed, failed
    if holds:
        passed += 1
        print(f"ok      {what}")
    else:
        failed += 1
        print(f"FAILED  {what}{f': {found}' if found != '' else ''}")


def run(*arguments, environment=None):
    return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, env=environment)


def rows_of(text):
    rows = []
    for line in text.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            check("each line is JSON", False, f"{error}: {line[:200]}")
    return rows


def strings(value):
    """All strings in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)


def objects(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


capture = str(directory / "session.pcap")
decode = run("decode", "--format", "jsonl", capture)
check("decode ends with status 0", decode.returncode == 0, decode.returncode)
check("decode has nothing to say on stderr", decode.stderr == "", decode.stderr)
rows = rows_of(decode.stdout)
messages = [row for row in rows if row.get("kind") == "message"]


def one(info, direction):
    found = [row for row in messages if row.get("info") == info and row.get("direction") == direction]
    check(f"one {info} from the {'client' if direction == 'c2s' else 'server'}", len(found) == 1, len(found))
    return found[0] if found else {}


parts = [row.get("part") for row in rows if row.get("kind") == "handshake"]
check("the handshake's three parts", sorted(map(str, parts)) == ["C0+C1", "C2", "S0+S1+S2"], parts)
connect = one("connect('live')", "c2s")
check("connect's tcUrl", any(s.startswith("rtmp://127.0.0.1:") for s in strings(connect.get("body"))), connect.get("body"))
one("_result('NetConnection.Connect.Success')", "s2c")
one("createStream()", "c2s")
one("publish('e2e')", "c2s")
one("onStatus('NetStream.Publish.Start')", "s2c")
metadata = one("@setDataFrame()", "c2s")
check("its handler is onMetaData", "onMetaData" in strings(metadata.get("body")), metadata.get("body"))
one("FCUnpublish()", "c2s")
one("deleteStream()", "c2s")

for name, type_id, least, config in (("video", 9, 45, "H.264 config"), ("audio", 8, 75, "AAC config")):
    media = [row for row in messages if row.get("type_id") == type_id]
    check(f"{least} or more {name} messages in two seconds", len(media) >= least, len(media))
    headers = [row for row in media if config in row.get("detail", "")]
    check(f"the first {name} message, and no other, is the {config}", headers == media[:1] != [], [r.get("detail") for r in media[:2]])
    times = [row.get("timestamp", -1) for row in media]
    check(f"{name} timestamps ascend over two seconds", times == sorted(times) and times[-1:] > [1800], times[-3:])

others = {row.get("kind") for row in rows} - {"handshake", "message"}
check("nothing is missing or undecoded", not others, others)
check("every message is complete", messages and all(row.get("complete") is True for row in messages))
defects = [row for row in rows if row.get("defects")]
check("no defects", not defects, defects[:1])
check("one connection", {row.get("tcp_stream") for row in rows} == {0})

live = rows_of((directory / "live.jsonl").read_text())
what = [[(row.get("kind"), row.get("direction"), row.get("info"), row.get("length")) for row in some] for some in (rows, live)]
check("the decoder at the end of the pipe shows the same messages", rows and what[0] == what[1], f"{len(rows)} and {len(live)} rows")
early = (directory / "live-rows-while-publishing").read_text().strip()
check("it showed them while ffmpeg was publishing", early.isdigit() and 0 < int(early) < len(live), f"{early or 'no'} rows")

streams = run("streams", "--format", "json", "--show-secrets", capture)
check("streams ends with status 0", streams.returncode == 0, streams.stderr)
try:
    report = json.loads(streams.stdout)
except ValueError as error:
    report = None
    check("streams --format json is JSON", False, error)
said = [set(strings(item)) for item in objects(report)]
check("streams finds the publish of live/e2e", any({"live", "e2e"} <= s and any("publish" in x for x in s) for s in said), streams.stdout)
listing = run("streams", capture)
check("and says so in text", all(word in listing.stdout for word in ("publish", "live", "e2e")), listing.stdout)

# Three recordings of one publish: one snapshot, byte for byte.
snapshots = []
by_hand = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
for name in ("first", "second", "third"):
    update = run("check", "--update", str(directory / name), environment=by_hand)
    check(f"check --update makes the snapshot of the {name} recording", update.returncode == 0, update.stdout + update.stderr)
    snapshots.append((directory / name / "publish.pcap.snapshot.jsonl").read_bytes())
check("three recordings give three equal snapshots", len(set(snapshots)) == 1 and len(snapshots[0]) > 1000)
again = run("check", *(str(directory / name) for name in ("first", "second", "third")))
check("and pass", again.returncode == 0 and "3 captures: 3 passed" in again.stdout, again.stdout + again.stderr)
good = str(directory / "first" / "publish.pcap.snapshot.jsonl")
against = run("check", "--against", good, str(directory / "third" / "publish.pcap"))
check("so does one against the snapshot of another", against.returncode == 0, against.stdout)
for name, field, values in (("title", "onMetaData.title", ["other"]), ("app", "connect.app", ["live", "other"])):
    seeded = run("check", "--against", good, str(directory / name / "publish.pcap"))
    check(f"another {name} fails", seeded.returncode == 1, seeded.stdout)
    found = field in seeded.stdout and all(value in seeded.stdout for value in values)
    check(f"and {field} is named, with its values", found, seeded.stdout)
refused = run("check", "--update", str(directory / "first"), environment={**os.environ, "CI": "true"})
check("CI writes no snapshots", refused.returncode == 2, refused.stdout + refused.stderr)

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
