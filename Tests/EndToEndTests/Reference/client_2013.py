#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""A client of the 2013 protocol, written from its description alone: four-byte lengths, MessagePack maps in the old
raw form, blobs as they are asked for. Shares no code with the program.

usage: client_2013.py python|android|close-at-done|url HOST META APPLICATION_PORT

python:        the order of keys of the Python client; FINISH on the synthesis connection, SESSION_CLOSE on a new one
android:       the Android client's order of keys; length by a loop, body by ONE read
close-at-done: the connection is closed at DONE and FINISH goes over a new one, as the client of 2014 does
url:           the overlay is one package at a URL that the client itself serves (0.8.6)
"""

import functools
import http.server
import os
import socket
import struct
import sys
import tempfile
import threading
import time
import zipfile


def pack(value):
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if value < 0x80:
            return bytes([value])
        for marker, width in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
            if value < 1 << (8 * width):
                return bytes([marker]) + value.to_bytes(width, "big")
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode()
        return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xda" + struct.pack(">H", len(raw))) + raw
    return bytes([0x80 | len(value)]) + b"".join(pack(k) + pack(v) for k, v in value.items())


def unpack(b, p=0):
    t = b[p]
    p += 1
    if t <= 0x7F:
        return t, p
    if t & 0xF0 == 0x80:
        m = {}
        for _ in range(t & 15):
            k, p = unpack(b, p)
            m[k], p = unpack(b, p)
        return m, p
    if t & 0xE0 == 0xA0 or t == 0xDA:
        n = t & 31
        if t == 0xDA:
            n, p = struct.unpack_from(">H", b, p)[0], p + 2
        return b[p : p + n].decode(), p + n
    if 0xCC <= t <= 0xCF:
        w = 1 << (t - 0xCC)
        return int.from_bytes(b[p : p + w], "big"), p + w
    if t in (0xC2, 0xC3):
        return t == 0xC3, p
    raise SystemExit(f"the server sent marker {t:#x}, which the clients of 2013 don't know")


class Connection:
    def __init__(self, host, android):
        self.s = socket.create_connection((host, 8021), timeout=10)
        self.s.settimeout(60)
        self.android = android

    def send(self, message, bulk=b""):
        body = pack(message)
        self.s.sendall(struct.pack(">I", len(body)) + body + bulk)

    def receive(self):
        # The Python client reads the length with one call, the Android client the body.
        if self.android:
            length = b""
            while len(length) < 4:
                length += self.s.recv(4 - len(length))
            body = self.s.recv(struct.unpack(">I", length)[0])
        else:
            length = self.s.recv(4)
            body = b""
            while len(length) == 4 and len(body) < struct.unpack(">I", length)[0]:
                body += self.s.recv(struct.unpack(">I", length)[0] - len(body))
        if len(length) != 4 or len(body) != struct.unpack(">I", length)[0]:
            raise SystemExit(f"length or body came in pieces: {length!r} {body!r}")
        return unpack(body)[0]


def meta_names(meta):
    """Names and sizes of the blobs, found by their keys."""
    names, p = [], 0
    key = pack("overlay_name")
    while True:
        p = meta.find(key, p)
        if p < 0:
            return names
        name, p = unpack(meta, p + len(key))
        names.append(name)


def serve_package(meta_path, names):
    """Serves the overlay as a package of stored members; returns the port."""
    directory = tempfile.mkdtemp()
    with zipfile.ZipFile(os.path.join(directory, "overlay.zip"), "w", zipfile.ZIP_STORED) as package:
        package.comment = b"Cloudlet VM overlay"
        package.write(meta_path, "overlay-meta")
        for name in names:
            package.write(os.path.join(os.path.dirname(meta_path), name), name)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    server = http.server.ThreadingHTTPServer(("", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def send_blobs(c, meta, meta_path, session, android):
    """Sends what is asked for until the VM runs."""
    wanted, asked = set(meta_names(meta)), set()
    while True:
        m = c.receive()
        if m["command"] == 4:
            break
        assert m["command"] == 3, m
        name = m["blob_uri"]
        assert name in wanted and name not in asked, f"blob {name} was asked twice"
        asked.add(name)
        with open(os.path.join(os.path.dirname(meta_path), name), "rb") as f:
            blob = f.read()
        if android:
            head = {"blob_size": len(blob), "session_id": session, "blob_uri": name, "command": 0x12}
        else:
            head = {"blob_uri": name, "command": 0x12, "session_id": session, "blob_size": len(blob)}
        c.send(head, blob)
    assert asked == wanted, "not every blob was asked for"


def main(dialect, host, meta_path, port):
    android = dialect == "android"
    with open(meta_path, "rb") as f:
        meta = f.read()
    c = Connection(host, android)
    c.send({"command": 0x15})
    answer = c.receive()
    session = answer["session_id"]
    assert answer["command"] == 1 and len(str(session)) == 17, answer
    assert c.s.recv(1) == b"", "the server keeps the first connection"

    c = Connection(host, android)
    options = {"option_early_start": False, "option_display_vnc": android}
    if android:
        head = {"meta_size": len(meta), "session_id": session, "command": 0x11, "synthesis_option": options}
    else:
        head = {"meta_size": len(meta), "command": 0x11, "synthesis_option": options, "session_id": session}
    if dialect == "url":
        own = "http://%s:%d/overlay.zip" % (c.s.getsockname()[0], serve_package(meta_path, meta_names(meta)))
        c.send({"overlay_url": own, "command": 0x17, "session_id": session})
        assert c.receive() == {"command": 1, "requested_command": 0x17}
        assert c.receive() == {"command": 4}
    else:
        c.send(head, meta)
        assert c.receive() == {"command": 1, "requested_command": 0x11}
        send_blobs(c, meta, meta_path, session, android)

    if dialect == "close-at-done":
        c.s.close()
    app = socket.create_connection((host, int(port)), timeout=10)
    app.sendall(b"face\n")
    print(app.makefile().readline().strip())
    if dialect == "close-at-done":
        c = Connection(host, android)
    if android:
        c.send({"Measure": "Not available yet", "session_id": session, "command": 0x13})
    else:
        now = time.time() % 100
        c.send(
            {
                "Synthesis Success": now,
                "session_id": session,
                "command": 0x13,
                "App End": now,
                "Transfer End": now,
                "App Start": now,
            }
        )
    assert c.receive() == {"command": 1, "requested_command": 0x13}
    if dialect == "python":
        c = Connection(host, android)
        c.send({"command": 0x16, "session_id": session})
        assert c.receive() == {"command": 1, "requested_command": 0x16}
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return
    raise SystemExit("the VM's port is still open after FINISH")


main(*sys.argv[1:])
