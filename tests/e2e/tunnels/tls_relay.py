#!/usr/bin/env python3
"""Relays TCP connections through TLS, with all that OpenSSL lets a test choose.

usage: tls_relay.py client|server LISTEN HOST PORT [NAME=VALUE ...]

client: takes plain connections, connects with TLS.   server: takes TLS connections, connects plainly.

  versions=1.2|1.3   ciphers=OPENSSL NAMES   suites=TLS 1.3 NAMES   sni=NAME   alpn=NAME
  keylog=FILE        etm=0 (no encrypt-then-MAC)    cert=FILE (with its key)
  update=N           a key update after each N writes (TLS 1.3)
  renegotiate=N      a renegotiation after N writes (TLS 1.2)
  early=1            resumes an earlier session, and sends the first bytes as early data; the server takes them
  reject=1           the server passes early data over
  pad=N              pads records to multiples of N bytes (TLS 1.3)
  fragment=N         records of at most N bytes

libssl is used directly, as Python's ssl module knows neither key updates nor early data.
"""
import ctypes, ctypes.util, select, socket, sys, threading, time

ssl = ctypes.CDLL(ctypes.util.find_library("ssl") or "libssl.so.3")
P, I, L, S = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_size_t
for name, result, *args in [
    ("TLS_method", P), ("SSL_CTX_new", P, P), ("SSL_CTX_ctrl", L, P, I, L, P), ("SSL_CTX_set_cipher_list", I, P, P),
    ("SSL_CTX_set_ciphersuites", I, P, P), ("SSL_CTX_set_options", ctypes.c_uint64, P, ctypes.c_uint64),
    ("SSL_CTX_use_certificate_chain_file", I, P, P), ("SSL_CTX_use_PrivateKey_file", I, P, P, I),
    ("SSL_CTX_set_keylog_callback", None, P, P), ("SSL_CTX_set_block_padding", I, P, S),
    ("SSL_CTX_set_max_early_data", I, P, ctypes.c_uint32), ("SSL_CTX_set_alpn_protos", I, P, P, I),
    ("SSL_CTX_set_session_id_context", I, P, P, I), ("SSL_CTX_sess_set_new_cb", None, P, P),
    ("SSL_new", P, P), ("SSL_ctrl", L, P, I, L, P), ("SSL_set_fd", I, P, I), ("SSL_connect", I, P), ("SSL_accept", I, P),
    ("SSL_read", I, P, P, I), ("SSL_write", I, P, P, I), ("SSL_pending", I, P), ("SSL_shutdown", I, P), ("SSL_free", None, P),
    ("SSL_key_update", I, P, I), ("SSL_renegotiate", I, P), ("SSL_do_handshake", I, P), ("SSL_get_error", I, P, I),
    ("SSL_set_session", I, P, P), ("SSL_write_early_data", I, P, P, S, P), ("SSL_read_early_data", I, P, P, S, P),
    ("SSL_get_early_data_status", I, P), ("SSL_set_connect_state", None, P), ("SSL_set_accept_state", None, P),
]:
    function = getattr(ssl, name)
    function.restype, function.argtypes = result, args

role, listen, host, port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
options = dict(word.split("=", 1) for word in sys.argv[5:])
number = lambda name: int(options.get(name, 0))
VERSION = {"1.2": 0x0303, "1.3": 0x0304}

context = ssl.SSL_CTX_new(ssl.TLS_method())
ssl.SSL_CTX_ctrl(context, 78, 4, None)  # without SSL_MODE_AUTO_RETRY: a read returns when what came was no data
if "versions" in options:
    for control in (123, 124):  # SSL_CTRL_SET_MIN_PROTO_VERSION, SSL_CTRL_SET_MAX_PROTO_VERSION
        ssl.SSL_CTX_ctrl(context, control, VERSION[options["versions"]], None)
if "ciphers" in options and ssl.SSL_CTX_set_cipher_list(context, options["ciphers"].encode()) != 1:
    sys.exit("no such cipher")
if "suites" in options and ssl.SSL_CTX_set_ciphersuites(context, options["suites"].encode()) != 1:
    sys.exit("no such suite")
if options.get("etm") == "0":
    ssl.SSL_CTX_set_options(context, 1 << 19)
if number("renegotiate"):
    ssl.SSL_CTX_set_options(context, 1 << 8)  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION
if "fragment" in options:
    ssl.SSL_CTX_ctrl(context, 52, number("fragment"), None)
if "pad" in options:
    ssl.SSL_CTX_set_block_padding(context, number("pad"))
if "cert" in options:
    ssl.SSL_CTX_use_certificate_chain_file(context, options["cert"].encode())
    ssl.SSL_CTX_use_PrivateKey_file(context, options["cert"].encode(), 1)
if "alpn" in options:
    protocol = bytes([len(options["alpn"])]) + options["alpn"].encode()
    ssl.SSL_CTX_set_alpn_protos(context, protocol, len(protocol))
if role == "server":
    ssl.SSL_CTX_ctrl(context, 118, 1, None)  # SSL_CTRL_SET_DH_AUTO
    ssl.SSL_CTX_set_session_id_context(context, b"relay", 5)
    if number("early"):
        ssl.SSL_CTX_set_max_early_data(context, 16384)
        ssl.SSL_CTX_set_options(context, 1 << 24)  # SSL_OP_NO_ANTI_REPLAY
session = None


@ctypes.CFUNCTYPE(I, P, P)
def new_session(_, new):
    global session
    session = new
    return 1


if role == "client" and number("early"):
    ssl.SSL_CTX_ctrl(context, 44, 1 | 0x300, None)  # SSL_SESS_CACHE_CLIENT, nothing internal
    ssl.SSL_CTX_sess_set_new_cb(context, ctypes.cast(new_session, P))

if "keylog" in options:
    log = open(options["keylog"], "ab", buffering=0)

    @ctypes.CFUNCTYPE(None, P, ctypes.c_char_p)
    def keylog(_, line):
        log.write(line + b"\n")

    ssl.SSL_CTX_set_keylog_callback(context, ctypes.cast(keylog, P))


def read(connection):
    buffer = ctypes.create_string_buffer(1 << 16)
    count = ssl.SSL_read(connection, buffer, len(buffer))
    if count <= 0 and ssl.SSL_get_error(connection, count) == 2:  # SSL_ERROR_WANT_READ
        return None
    return buffer.raw[:count] if count > 0 else b""


def relay(plain, tls, connection):
    writes = 0
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        ready = [tls] if ssl.SSL_pending(connection) else select.select([plain, tls], [], [])[0]
        if tls in ready:
            data = read(connection)
            if data == b"":
                break
            plain.sendall(data or b"")
        if plain in ready:
            data = plain.recv(1 << 14)
            if not data:
                break
            ssl.SSL_write(connection, data, len(data))
            writes += 1
            if number("update") and writes % number("update") == 0:
                ssl.SSL_key_update(connection, writes // number("update") % 2)
                ssl.SSL_do_handshake(connection)
            if number("renegotiate") == writes:
                ssl.SSL_renegotiate(connection)
                ssl.SSL_do_handshake(connection)
    ssl.SSL_shutdown(connection)
    ssl.SSL_free(connection)
    for end in (plain, tls):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()


def dial(early=b""):
    tls = socket.create_connection((host, port))
    connection = ssl.SSL_new(context)
    ssl.SSL_set_connect_state(connection)
    ssl.SSL_set_fd(connection, tls.fileno())
    if "sni" in options:
        ssl.SSL_ctrl(connection, 55, 0, options["sni"].encode())
    if early:
        ssl.SSL_set_session(connection, session)
        written = S()
        if ssl.SSL_write_early_data(connection, early, len(early), ctypes.byref(written)) != 1:
            sys.exit("early data: not written")
    while (connected := ssl.SSL_connect(connection)) != 1 and ssl.SSL_get_error(connection, connected) == 2:
        pass
    if connected != 1:
        print("TLS: no connection", file=sys.stderr)
    if early and ssl.SSL_get_early_data_status(connection) != 2:
        ssl.SSL_write(connection, early, len(early))
    return tls, connection


def client(plain):
    early = b""
    if number("early"):
        # A session to resume, from a connection on which nothing is said.
        tls, connection = dial()
        tls.settimeout(0.2)
        buffer = ctypes.create_string_buffer(1)
        tls.setblocking(False)
        time.sleep(0.2)
        ssl.SSL_read(connection, buffer, 1)
        ssl.SSL_shutdown(connection)
        tls.close()
        early = plain.recv(1 << 14)
    tls, connection = dial(early)
    relay(plain, tls, connection)


def server(tls):
    connection = ssl.SSL_new(context)
    ssl.SSL_set_accept_state(connection)
    ssl.SSL_set_fd(connection, tls.fileno())
    early = b""
    if number("early") and not number("reject"):
        buffer, count = ctypes.create_string_buffer(1 << 15), S()
        while True:
            state = ssl.SSL_read_early_data(connection, buffer, len(buffer), ctypes.byref(count))
            if state == 1:
                early += buffer.raw[: count.value]
            elif state == 2 or ssl.SSL_get_error(connection, state) != 2:
                break
    while (accepted := ssl.SSL_accept(connection)) != 1 and ssl.SSL_get_error(connection, accepted) == 2:
        pass
    if accepted != 1:
        print("TLS: not accepted", file=sys.stderr)
        tls.close()
        return
    plain = socket.create_connection((host, port))
    plain.sendall(early)
    relay(plain, tls, connection)


listener = socket.create_server(("127.0.0.1", listen))
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=client if role == "client" else server, args=(accepted,), daemon=True).start()
