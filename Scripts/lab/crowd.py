# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Opens many connections to a node, on a host of a lab: crowd HOST OVERLAY CONNECTIONS SENDERS

Of CONNECTIONS connections to a node, SENDERS send the overlay as fast as the node takes it, hold back its last byte
until all have sent the others, and then disconnect. The others send nothing.
"""

import socket
import sys
import threading
import time

from .protocol import Overlay, Session


def send(host: str, overlay: Overlay, arrived: threading.Barrier, leaving: threading.Event) -> None:
    """Sends all but the last byte of an overlay, and waits."""
    session = Session(host)
    session.begin(overlay)
    left = set(overlay.blobs)
    for name in session.requests():
        left.remove(name)
        blob = overlay.blobs[name]
        if not left:
            session.send(name, blob[:-1], size=len(blob))
            break
        session.send(name, blob)
    arrived.wait()
    leaving.wait()
    session.link.close()


def main() -> None:
    """Opens all connections, and ends when all senders have sent all but their last byte."""
    host, overlay, count, senders = sys.argv[1], Overlay(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    arrived, leaving = threading.Barrier(senders + 1), threading.Event()
    idle = [socket.create_connection((host, 8021)) for _ in range(count - senders)]
    parts = (host, overlay, arrived, leaving)
    threads = [threading.Thread(target=send, args=parts, daemon=True) for _ in range(senders)]
    for thread in threads:
        thread.start()
    arrived.wait(120)
    print("all there", flush=True)
    # The measurement includes how the node handles the last bytes that it received.
    time.sleep(2)
    leaving.set()
    for thread in threads:
        thread.join()
    for link in idle:
        link.close()


if __name__ == "__main__":
    main()
