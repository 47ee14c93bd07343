# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Shares the ports of SSDP and mDNS with a node, as other programs on its host do: listens to both groups and sends
nothing. Ends with its host. Scripts/lan-lab runs it."""

import signal
import socket


def listen(port: int, group: str) -> socket.socket:
    """A socket that has joined a group."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port == 5353:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("", port))
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + bytes(4))
    return listener


def main() -> None:
    """Listens until a signal arrives."""
    with listen(1900, "239.255.255.250"), listen(5353, "224.0.0.251"):
        print("listening", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
