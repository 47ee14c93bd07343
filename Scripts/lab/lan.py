# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""A LAN made by Scripts/lan-lab."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .programs import CHECKOUT, Word, need, need_root, stop

# The milliseconds, the sign and the text of each event that a search reports.
Event = tuple[float, str, str]


class Lan:
    """The hosts of a LAN, numbered from 1, each with an address 10.77.x.y."""

    def __init__(self, hosts: int, configuration: str = "debug") -> None:
        self.programs = CHECKOUT / ".build" / configuration
        self.directory = Path(f"/tmp/clab-b{os.getpid()}")
        self.environment = dict(
            os.environ,
            LAB_DIR=str(self.directory),
            LAB_PREFIX=f"b{os.getpid() % 10000}",
            LAB_NODE=f"{self.programs}/discovery-host node",
            LAB_FIND=f"{self.programs}/discovery-host find",
        )
        need_root()
        need("ip", "bridge", "nsenter", "unshare", "dbus-daemon", "avahi-daemon")
        made = self.run("up", hosts)
        if made.returncode:
            self.down()
            stop(1, f"no lab can be made: {made.stderr.strip()}")

    def script(self, *arguments: Word) -> str:
        """Runs a lan-lab command; returns its output."""
        return self.run(*arguments).stdout

    def run(self, *arguments: Word) -> subprocess.CompletedProcess[str]:
        """Runs a lan-lab command."""
        words = [str(CHECKOUT / "Scripts/lan-lab"), *map(str, arguments)]
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)

    def init(self, host: int) -> str:
        """The first process of a host."""
        return (self.directory / f"h{host}/pid").read_text().strip()

    def command(self, host: int, *words: Word) -> list[str]:
        """The command line that runs a command on a host."""
        return ["nsenter", "-t", self.init(host), "-n", "-m", "-u", "-p", "--", *map(str, words)]

    def module(self, host: int, name: str, *arguments: Word) -> list[str]:
        """The command line that runs a module of this package on a host."""
        path = f"PYTHONPATH={CHECKOUT / 'Scripts'}"
        return self.command(host, "env", path, "/usr/bin/python3", "-B", "-m", f"lab.{name}", *arguments)

    def node(self, host: int, *arguments: Word) -> None:
        """Starts a node, whose id contains the number of its host."""
        self.script("node", host, "--id", self.id(host), "--name", f"Node {host}", *arguments)

    def id(self, host: int) -> str:
        """The id of a host's node."""
        return f"{host:08d}-1111-4111-8111-111111111111"

    def pid(self, host: int) -> int:
        """The process of a host's node."""
        return int((self.directory / f"h{host}/node.pid").read_text())

    def log(self, host: int, lines: int = 20) -> str:
        """The last lines of the log of a host's node."""
        return "\n".join(self.script("log", host, "node").splitlines()[-lines:])

    def find(self, host: int, *arguments: Word) -> list[Event]:
        """The output of a search from a host."""
        events = (line.split(" ", 3) for line in self.script("find", host, *arguments).splitlines() if " us " in line)
        return [(int(fields[0]) / 1000, fields[2], fields[3] if len(fields) > 3 else "") for fields in events]

    def first_event(self, host: int, *arguments: Word) -> float:
        """Milliseconds until a search has found the first node."""
        events = [when for when, sign, _ in self.find(host, *arguments) if sign == "+"]
        if not events:
            options = " ".join(map(str, arguments))
            stop(1, f"host {host} finds no node ({options}); the node's log:\n{self.log(1)}")
        return events[0]

    def first_line(self, host: int, words: Sequence[Word], wanted: str, limit: float = 30) -> float | None:
        """Milliseconds from the start of a program until it has printed a line that contains a text; None if it never
        does."""
        start = time.monotonic()
        found = None
        with subprocess.Popen(
            self.command(host, *words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as running:
            # This also ends a program that prints nothing.
            timer = threading.Timer(limit, running.terminate)
            timer.start()
            for line in running.stdout or ():
                if wanted in line:
                    found = (time.monotonic() - start) * 1000
                    break
            timer.cancel()
            running.terminate()
        return found

    def whole(self, host: int, words: Sequence[Word]) -> float:
        """Milliseconds from the start of a program to its end."""
        start = time.monotonic()
        command = self.command(host, *words)
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
        return (time.monotonic() - start) * 1000

    def down(self) -> None:
        """Removes the lab."""
        self.script("down")


@contextmanager
def lan(hosts: int, configuration: str = "debug") -> Iterator[Lan]:
    """Yields a LAN; removes it at the end."""
    made = Lan(hosts, configuration)
    try:
        yield made
    finally:
        made.down()
