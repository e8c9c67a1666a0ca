#!/usr/bin/env python3
"""A small RTMPT gateway in front of an RTMP server, as no free server of today speaks RTMPT.

usage: rtmpt_gateway.py PORT RTMP_HOST RTMP_PORT [chunked]
"""
import http.server, itertools, socket, sys, time

PORT, HOST, RTMP = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
CHUNKED = "chunked" in sys.argv[4:]
sessions, numbers = {}, itertools.count(1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-fcs")
        if CHUNKED:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (body[:700], body[700:]):
                if part:
                    self.wfile.write(b"%x\r\n" % len(part) + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        verb, *rest = self.path.strip("/").split("/")
        if verb == "open":
            name = "s%08d" % next(numbers)
            sessions[name] = socket.create_connection((HOST, RTMP))
            return self.reply(name.encode() + b"\n")
        server = sessions.get(rest[0]) if rest else None
        if verb in ("send", "idle") and server:
            if verb == "send":
                server.settimeout(5)
                server.sendall(body)
            answer, end = b"", time.time() + (0.08 if verb == "send" else 0.02)
            server.settimeout(0.01)
            while time.time() < end and len(answer) < 60000:
                try:
                    answer += server.recv(16384) or b""
                except OSError:
                    if answer:
                        break
            return self.reply(b"\x01" + answer)
        if verb == "close":
            if sessions.pop(rest[0], None):
                server.close()
            return self.reply(b"\0")
        self.reply(b"", 404)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


Server(("127.0.0.1", PORT), Handler).serve_forever()
