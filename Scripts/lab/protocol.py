# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The synthesis protocol as clients of 2013 use it, implemented without the project's own code."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

CREATE_SESSION, SEND_META, SEND_OVERLAY, FINISH = 0x15, 0x11, 0x12, 0x13
SUCCESS, FAIL, ON_DEMAND, DONE = 1, 2, 3, 4

Value = str | int | dict[str, "Value"]


def text(value: str) -> bytes:
    """Encodes a text in MessagePack of the old raw specification."""
    raw = value.encode()
    return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xda" + struct.pack(">H", len(raw))) + raw


def message(**fields: str | int) -> bytes:
    """Encodes a frame with a map of texts, whole numbers and `True`."""
    body = bytes([0x80 | len(fields)])
    for key, value in fields.items():
        body += text(key)
        if isinstance(value, str):
            body += text(value)
        else:
            body += b"\xc3" if value is True else b"\xcf" + struct.pack(">Q", value)
    return struct.pack(">I", len(body)) + body


class Reader:
    """Reads texts, whole numbers and maps of them, in MessagePack of the old raw specification."""

    def __init__(self, body: bytes) -> None:
        self.body, self.position = body, 0

    def take(self, count: int) -> bytes:
        """Returns the next bytes."""
        self.position += count
        return self.body[self.position - count : self.position]

    def map(self, count: int) -> dict[str, Value]:
        """Reads the given number of pairs."""
        return {str(self.value()): self.value() for _ in range(count)}

    def value(self) -> Value:
        """Reads the next value."""
        kind = self.take(1)[0]
        if kind < 0x80:
            return kind
        if kind < 0x90:
            return self.map(kind & 15)
        if 0xA0 <= kind < 0xC0:
            return self.take(kind & 31).decode()
        if kind == 0xDA:
            return self.take(int.from_bytes(self.take(2), "big")).decode()
        if 0xCC <= kind <= 0xCF:
            return int.from_bytes(self.take(1 << (kind - 0xCC)), "big")
        raise ValueError(f"byte {kind:#x} is not expected from a node")


def exactly(link: socket.socket, count: int) -> bytes:
    """Reads the next bytes of a connection."""
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise RuntimeError(f"the node hangs up after {data!r}")
        data += more
    return data


def answer(link: socket.socket) -> dict[str, Value]:
    """Reads the next message of a connection."""
    value = Reader(exactly(link, int.from_bytes(exactly(link, 4), "big"))).value()
    if not isinstance(value, dict):
        raise TypeError(f"the node sends {value!r}, which is not a map")
    return value


class Overlay:
    """The files of an overlay, read before anything is measured."""

    def __init__(self, directory: Path | str) -> None:
        files = {file.name: file.read_bytes() for file in Path(directory).iterdir()}
        self.meta = files.pop(next(name for name in files if name.endswith("-meta")))
        self.blobs = files


class Session:
    """A session with a node, to which an overlay is sent as the node requests it."""

    def __init__(self, host: str, port: int = 8021) -> None:
        self.host, self.port = host, port
        with self.connect() as link:
            link.sendall(message(command=CREATE_SESSION))
            self.id = int(str(answer(link)["session_id"]))
        self.link = self.connect()

    def connect(self) -> socket.socket:
        """Opens a connection to the node."""
        link = socket.create_connection((self.host, self.port), timeout=120)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def begin(self, overlay: Overlay) -> None:
        """Sends the meta."""
        self.link.sendall(message(meta_size=len(overlay.meta), command=SEND_META, session_id=self.id) + overlay.meta)
        self.expect(SUCCESS)

    def requests(self) -> Iterator[str]:
        """Yields the names of the blobs that the node requests, until the VM runs."""
        while (got := self.expect(ON_DEMAND, DONE))["command"] != DONE:
            yield str(got["blob_uri"])

    def send(self, name: str, data: bytes, size: int | None = None) -> None:
        """Sends a blob, or the beginning of one of `size` bytes."""
        head = message(blob_uri=name, command=SEND_OVERLAY, session_id=self.id, blob_size=size or len(data))
        self.link.sendall(head)
        self.link.sendall(data)

    def run(self, overlay: Overlay) -> None:
        """Sends the whole overlay and waits for the running VM."""
        self.begin(overlay)
        for name in self.requests():
            self.send(name, overlay.blobs[name])

    def finish(self) -> None:
        """Ends the session."""
        self.link.sendall(message(command=FINISH, session_id=self.id))
        self.expect(SUCCESS)
        self.link.close()

    def expect(self, *commands: int) -> dict[str, Value]:
        """Reads the next message, whose kind must be one of those given."""
        got = answer(self.link)
        if got["command"] not in commands:
            raise RuntimeError(f"the node sends {got}")
        return got
