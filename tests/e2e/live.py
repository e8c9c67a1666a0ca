#!/usr/bin/env python3
"""decode -i on loopback, with the real tcpdump: how long after a message its row is there, and how it ends.

usage: live.py PATH_TO_rtmp-inspect   (needs tcpdump and the right to capture on loopback)

Prints the delays, and fails if one is more than 50 ms, a row is missing, or a program is left running.
"""
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

BINARY = sys.argv[1]
MOST = 0.050
COUNT = 40


def message(number):
    """A User Control message, Set Buffer Length, that no other is like (RTMP 1.0 6.2)."""
    body = struct.pack(">HII", 3, 1, number)
    return bytes([2, 0, 0, 0]) + struct.pack(">I", len(body))[1:] + bytes([4]) + bytes(4) + body


def main():
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    command = [BINARY, "decode", "-i", "lo", "--port", str(port), "--format", "jsonl"]
    inspect = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.0)  # tcpdump opens the interface

    seen = {}

    def read():
        for line in inspect.stdout:
            now = time.monotonic()
            for number in range(COUNT):
                if b"%d" % (70000 + number) in line:
                    seen.setdefault(number, now)

    reader = threading.Thread(target=read)
    reader.start()
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer, _ = server.accept()
    block = bytes(8) + bytes(i * 7 % 256 for i in range(1528))
    client.sendall(b"\x03" + block)
    peer.sendall(b"\x03" + block + block)
    client.sendall(block)
    time.sleep(0.3)
    sent = {}
    for number in range(COUNT):
        sent[number] = time.monotonic()
        client.sendall(message(70000 + number))
        time.sleep(0.05)
    time.sleep(0.5)

    children = subprocess.run(["pgrep", "-P", str(inspect.pid)], capture_output=True, text=True).stdout.split()
    inspect.send_signal(signal.SIGINT)
    status = inspect.wait(timeout=10)
    reader.join(timeout=10)
    said = inspect.stderr.read().decode()
    delays = sorted(1000 * (seen[number] - sent[number]) for number in sent if number in seen)
    missing = [number for number in sent if number not in seen]
    running = [child for child in children if os.path.exists(f"/proc/{child}")]
    if delays:
        middle = delays[len(delays) // 2]
        print(f"live: {len(delays)} rows, {delays[0]:.1f} ms to {delays[-1]:.1f} ms after their packets, median {middle:.1f} ms")
    assert not missing, f"no row for {missing}\n{said}"
    assert delays[-1] <= 1000 * MOST, f"a row came {delays[-1]:.1f} ms after its packet"
    assert status == 0, f"status {status}\n{said}"
    assert children and not running, f"left running: {running}"
    print("live: ok")


main()
