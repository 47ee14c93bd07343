# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Sends a datagram, COUNT times, and prints of each answer: "ADDRESS PORT MILLISECONDS BYTES", and the text.

probe.py SECONDS INTERFACE DESTINATION COUNT SOURCE SOURCE-PORT < TEXT
"""

import socket
import sys
import time

seconds, interface, destination, count = float(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
text = sys.stdin.buffer.read()
six = ":" in destination
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
index = socket.if_nametoindex(interface)
if six:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
else:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, b"\0" * 8 + index.to_bytes(4, "little"))
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind((sys.argv[5], int(sys.argv[6])))
s.settimeout(0.05)
start = time.time()
for _ in range(count):
    s.sendto(text, (destination, 1900, 0, index) if six else (destination, 1900))
while time.time() - start < seconds:
    try:
        data, peer = s.recvfrom(9000)
    except TimeoutError:
        continue
    print("@", peer[0], peer[1], round((time.time() - start) * 1000, 1), len(data))
    print(data.decode(errors="replace"))
