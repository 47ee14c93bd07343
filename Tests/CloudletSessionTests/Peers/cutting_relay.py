# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Relays TCP connections to a port of 127.0.0.1 and breaks one off with a reset after each CUT bytes of a client.

usage: cutting_relay.py PORT CUT TIMES   prints its own port; after TIMES breaks it relays in peace
"""

import selectors
import socket
import struct
import sys
import threading

port, cut, times = (int(word) for word in sys.argv[1:4])
lock = threading.Lock()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def relay(client):
    global times
    node = socket.create_connection(("127.0.0.1", port))
    sent = 0
    ready = selectors.DefaultSelector()
    ready.register(client, selectors.EVENT_READ, node)
    ready.register(node, selectors.EVENT_READ, client)
    open_ends = 2
    try:
        while open_ends:
            for key, _ in ready.select():
                data = key.fileobj.recv(65536)
                if not data:
                    ready.unregister(key.fileobj)
                    key.data.shutdown(socket.SHUT_WR)
                    open_ends -= 1
                    continue
                key.data.sendall(data)
                if key.fileobj is client:
                    sent += len(data)
                    with lock:
                        broken = times > 0 and sent >= cut
                        times -= broken
                    if broken:
                        reset(client)
                        reset(node)
                        return
    except OSError:
        pass
    client.close()
    node.close()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=relay, args=(listener.accept()[0],), daemon=True).start()
