#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Client and server at the two ends of a port relay. Usage: relay_peers.py PROGRAM SCENARIO

Starts PROGRAM as a relay process for the lifetime of a sleeping process, and ends with status 0 if the scenario goes as
a direct connection would.
"""

import contextlib
import hashlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

program, scenario = sys.argv[1:]
server = socket.create_server(("127.0.0.1", 0), backlog=512)
target = server.getsockname()[1]
emulator = subprocess.Popen(["sleep", "300"])
lock = tempfile.NamedTemporaryFile()
relay = subprocess.Popen(
    [program, "--port-relay", str(emulator.pid), lock.name, "127.0.0.1", "0", "stay", str(target)],
    stdout=subprocess.PIPE,
    text=True,
)
report = relay.stdout.readline().split()
assert report[0] == "listening", report
port = int(report[1])
assert relay.stdout.read() == "", "the report is not all of the output"


def connect():
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def accept():
    server.settimeout(30)
    peer, address = server.accept()
    peer.settimeout(30)
    assert address[0] == "127.0.0.1", address
    return peer


def read_all(peer):
    data = b""
    while piece := peer.recv(1 << 16):
        data += piece
    return data


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def require_reset(peer):
    try:
        while peer.recv(1 << 16):
            pass
    except ConnectionResetError:
        return
    raise AssertionError("the connection was closed, not reset")


def send_all(sender, data, how_to_end):
    thread = threading.Thread(target=lambda: (sender.sendall(data), how_to_end()))
    thread.start()
    return thread


def half_close():
    data = os.urandom(3_000_000)
    for first, second in ((connect(), accept()), reversed((connect(), accept()))):
        thread = send_all(first, data, lambda end=first: end.shutdown(socket.SHUT_WR))
        assert read_all(second) == data
        thread.join()
        # The other direction is still open, and carries more than all buffers hold.
        thread = send_all(second, data[::-1], second.close)
        assert read_all(first) == data[::-1]
        thread.join()
        first.close()


def send_until_full(sender):
    """Sends until nothing more goes in for a while; returns the length and the hash of what went in."""
    sender.setblocking(False)
    sent, digest, block = 0, hashlib.sha256(), os.urandom(1 << 16)
    last = time.monotonic()
    while time.monotonic() - last < 0.5:
        try:
            count = sender.send(block)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        digest.update(block[:count])
        sent, last = sent + count, time.monotonic()
        assert sent < 64 << 20, "a sender is never slowed down"
    return sent, digest.hexdigest()


def require_received(data, sent, digest):
    assert len(data) == sent, f"{len(data)} of {sent} bytes came"
    assert hashlib.sha256(data).hexdigest() == digest


def closed_while_data_waits():
    client, peer = connect(), accept()
    client.shutdown(socket.SHUT_WR)
    assert peer.recv(1) == b""
    sent, digest = send_until_full(peer)
    peer.close()
    # A slow reader, so that data still waits in the relay when the other connection has ended.
    received = []
    while piece := client.recv(1 << 14):
        received.append(piece)
        time.sleep(0.002)
    require_received(b"".join(received), sent, digest)


def resets():
    client, peer = connect(), accept()
    client.sendall(b"hello")
    assert peer.recv(5) == b"hello"
    reset(client)
    require_reset(peer)
    client, peer = connect(), accept()
    peer.sendall(b"hello")
    assert client.recv(5) == b"hello"
    reset(peer)
    require_reset(client)
    # After a half-close too.
    client, peer = connect(), accept()
    client.shutdown(socket.SHUT_WR)
    assert peer.recv(1) == b""
    reset(peer)
    require_reset(client)


def nobody_listens():
    server.close()
    client = connect()
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""


def resident():
    with open(f"/proc/{relay.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def slow_reader():
    before = resident()
    pairs = []
    for _ in range(4):
        client, peer = connect(), accept()
        sent, digest = send_until_full(client)
        pairs.append((client, peer, sent, digest))
    grown = resident() - before
    assert grown < 8 << 20, f"{grown} bytes are held for 4 connections"
    for client, peer, sent, digest in pairs:
        client.shutdown(socket.SHUT_WR)
        require_received(read_all(peer), sent, digest)


def anonymous():
    with open(f"/proc/{relay.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon"))


def buffers():
    before, pairs = anonymous(), 48
    ends = [end for _ in range(pairs) for end in (connect(), accept())]
    for end in ends:
        end.setblocking(False)
    block, last = bytes(1 << 16), time.monotonic()
    while time.monotonic() - last < 0.5:
        for end in ends:
            with contextlib.suppress(BlockingIOError):
                end.send(block)
                last = time.monotonic()
    grown = anonymous() - before
    # One buffer of 64 KiB in each direction, and what the relay itself needs.
    assert grown < (pairs * 128 << 10) + (3 << 20), f"{grown} bytes are held for {pairs} connections"


def shares():
    relayed, waiting = 224, 96

    def connect_from(address, word):
        peer = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            peer.sendall(word)
        return peer

    def require_heard(word):
        peer = accept()
        assert peer.recv(16) == word, f"another connection than {word} is relayed"
        return peer

    greedy = [connect_from("127.0.0.2", b"relayed") for _ in range(relayed)]
    served = [require_heard(b"relayed") for _ in greedy]
    more = [connect_from("127.0.0.2", b"%d" % index) for index in range(waiting + 30)]
    # It has even more than may wait, but another address gets what it is due, and the oldest connection is cut.
    other = connect_from("127.0.0.3", b"other")
    with require_heard(b"other") as peer:
        peer.sendall(b"hello")
        assert other.recv(16) == b"hello"
        require_reset(greedy[0])
        require_reset(served[0])
        served[1].sendall(b"hello")
        assert greedy[1].recv(16) == b"hello", "more than one connection was cut"
        with contextlib.suppress(ConnectionResetError):
            assert more[-1].recv(1) == b"", "a connection that can't wait is left open"
        other.close()
    # The end of the other one lets the first that waits be relayed.
    require_heard(b"0").close()
    more[0].close()
    require_heard(b"1")


def many():
    # More than are relayed at a time: the others wait until one ends.
    clients = [connect() for _ in range(300)]
    for client in clients:
        client.sendall(b"x")
    served = []
    for _ in range(300):
        if len(served) >= 200:
            files = len(os.listdir(f"/proc/{relay.pid}/fd"))
            assert files < 560, f"{files} files are open"
            served.pop(0).close()
            clients.pop(0).close()
        peer = accept()
        assert peer.recv(1) == b"x"
        served.append(peer)
    assert relay.poll() is None


def emulator_ends():
    client, _held = connect(), accept()
    emulator.kill()
    emulator.wait()
    assert relay.wait(10) == 0
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    try:
        connect()
    except ConnectionRefusedError:
        return
    raise AssertionError("the port is still open")


try:
    globals()[scenario]()
    assert scenario == "emulator_ends" or relay.poll() is None, "the relay has ended"
finally:
    emulator.kill()
    emulator.wait()
    assert relay.wait(10) == 0, "the relay outlives the emulator"
