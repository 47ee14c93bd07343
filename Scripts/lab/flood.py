# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Floods a node from a host of a lab, and prints the amount sent: flood KIND RATE SECONDS NODE

KIND is search, garbage, notify, mdns, slow or subscribe; RATE is the number per second, or 0 for as many as possible.
"""

import os
import random
import socket
import sys
import time
from collections.abc import Callable


def search(mx: int) -> bytes:
    """An SSDP search."""
    return (
        f'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: {mx}\r\nST: ssdp:all\r\n\r\n'
    ).encode()


def notify() -> bytes:
    """An SSDP announcement of a device that does not exist."""
    return (
        "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: x\r\nNTS: ssdp:alive\r\n"
        f"USN: uuid:{random.random()}\r\n\r\n"
    ).encode()


def garbage() -> bytes:
    """Random bytes, or the beginning of a search."""
    anything = os.urandom(random.randrange(1, 9000))
    return random.choice((b"", anything, b"M-SEARCH", search(1)[: random.randrange(80)]))


def question() -> bytes:
    """An mDNS question."""
    return bytes(4) + b"\0\1" + bytes(6) + b"\x09_cloudlet\x04_tcp\x05local\0\0\x0c\0\1"


DATAGRAMS: dict[str, Callable[[], bytes]] = {
    "search": lambda: search(random.choice((0, 1, 5, 120, 2000000))),
    "garbage": garbage,
    "notify": notify,
    "mdns": question,
}


class Flood:
    """A flood of one kind."""

    def __init__(self, kind: str, node: str) -> None:
        self.kind, self.node = kind, node
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.held: list[socket.socket] = []

    def send(self) -> None:
        """Sends one datagram or request."""
        if self.kind in DATAGRAMS:
            group = ("224.0.0.251", 5353) if self.kind == "mdns" else ("239.255.255.250", 1900)
            target = group if random.random() < 0.7 else (self.node, group[1])
            self.socket.sendto(DATAGRAMS[self.kind](), target)
            return
        try:
            link = socket.create_connection((self.node, 8022), 0.3)
            if self.kind == "slow":
                self.held.append(link)
                link.send(b"GET / HTTP/1.1\r\nX: ")
                return
            with link:
                link.send(
                    f"SUBSCRIBE /upnp/synthesis/event HTTP/1.1\r\nHost: {self.node}:8022\r\n"
                    "CALLBACK: <http://10.77.0.3:9/>\r\nNT: upnp:event\r\nConnection: close\r\n\r\n".encode()
                )
                link.recv(999)
        except OSError:
            pass  # The node may refuse the connection.


def main() -> None:
    """Floods the node until the time is over."""
    kind, rate, seconds, node = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    flood, end, sent = Flood(kind, node), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        flood.send()
        sent += 1
        if rate and sent % max(1, rate // 100) == 0:
            time.sleep(0.01)
    print(sent)


if __name__ == "__main__":
    main()
