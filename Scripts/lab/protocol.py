"""The synthesis protocol as its clients of 2013 speak it: for benchmarks, without the project's own code."""
import os
import socket
import struct

SESSION_CREATE, SEND_META, SEND_OVERLAY, FINISH = 0x15, 0x11, 0x12, 0x13
SUCCESS, FAIL, ON_DEMAND, DONE = 1, 2, 3, 4


def text(value):
    raw = value.encode()
    return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xda" + struct.pack(">H", len(raw))) + raw


def message(**fields):
    """A frame with a map of texts, whole numbers and `True`."""
    body = bytes([0x80 | len(fields)])
    for key, value in fields.items():
        body += text(key)
        body += text(value) if isinstance(value, str) else b"\xc3" if value is True else b"\xcf" + struct.pack(">Q", value)
    return struct.pack(">I", len(body)) + body


def unpack(body):
    """A map of texts and whole numbers, in MessagePack of the old raw specification."""
    position = 0

    def take(count):
        nonlocal position
        position += count
        return body[position - count:position]

    def value():
        kind = take(1)[0]
        if kind < 0x80:
            return kind
        if kind < 0x90:
            return {value(): value() for _ in range(kind & 15)}
        if 0xA0 <= kind < 0xC0:
            return take(kind & 31).decode()
        if kind == 0xDA:
            return take(struct.unpack(">H", take(2))[0]).decode()
        if 0xCC <= kind <= 0xCF:
            return int.from_bytes(take(1 << (kind - 0xCC)), "big")
        raise ValueError(f"byte {kind:#x} is not expected from a node")

    return value()


def exactly(link, count):
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise SystemExit(f"the node hangs up: {data!r}")
        data += more
    return data


def answer(link):
    return unpack(exactly(link, struct.unpack(">I", exactly(link, 4))[0]))


class Overlay:
    """The files of an overlay, read before anything is measured."""

    def __init__(self, directory):
        names = os.listdir(directory)
        meta = next(name for name in names if name.endswith("-meta"))
        self.meta = open(os.path.join(directory, meta), "rb").read()
        self.blobs = {name: open(os.path.join(directory, name), "rb").read() for name in names if name != meta}


class Session:
    """A session with a node: its overlay is sent as it is asked for."""

    def __init__(self, host, port=8021):
        self.host, self.port = host, port
        with self.connect() as link:
            link.sendall(message(command=SESSION_CREATE))
            self.id = answer(link)["session_id"]
        self.link = None

    def connect(self):
        link = socket.create_connection((self.host, self.port), timeout=120)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def begin(self, overlay, **wishes):
        """Sends the meta."""
        self.link = self.connect()
        self.link.sendall(message(meta_size=len(overlay.meta), command=SEND_META, session_id=self.id, **wishes) + overlay.meta)
        self.expect(SUCCESS)

    def requests(self):
        """The names of the blobs the node asks for, until the VM runs."""
        while (got := self.expect(ON_DEMAND, DONE))["command"] != DONE:
            yield got["blob_uri"]

    def send(self, name, data):
        self.link.sendall(message(blob_uri=name, command=SEND_OVERLAY, session_id=self.id, blob_size=len(data)))
        self.link.sendall(data)

    def run(self, overlay, **wishes):
        """All up to the running VM."""
        self.begin(overlay, **wishes)
        for name in self.requests():
            self.send(name, overlay.blobs[name])

    def finish(self):
        self.link.sendall(message(command=FINISH, session_id=self.id))
        self.expect(SUCCESS)
        self.link.close()

    def expect(self, *commands):
        got = answer(self.link)
        if got["command"] not in commands:
            raise SystemExit(f"the node says {got}")
        return got
