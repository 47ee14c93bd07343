# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The LAN that connects hosts: a process that passes on each frame to all other hosts. QEMU's sockets are files, so no
frame reaches an interface of this machine.

The program `python3 -m lab.hostlab.lan` runs in the directory of the LAN, and ends when the directory is removed."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from ..processes import command_line
from ..waiting import until
from .failure import UNAVAILABLE, Failure

NETWORK = "192.168.77"
SWITCH = "switch"


class Lan:
    """The LAN of all hosts of a checkout. Its methods are called by one process at a time (see host.locked)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    def members(self) -> set[int]:
        """The numbers of the connected hosts."""
        return {int(path.name) for path in self.directory.glob("[0-9]*")}

    def join(self) -> int:
        """Adds a host, starting the switch for the first; returns the host's number."""
        if not (self.directory / SWITCH).exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            with open(self.directory / "log", "wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-B", "-m", "lab.hostlab.lan"],
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            (self.directory / "pid").write_text(f"{self.process.pid}\n")
            if not until((self.directory / SWITCH).exists, 20, interval=0.05):
                raise Failure(UNAVAILABLE, f"the switch of the LAN does not start; see {self.directory / 'log'}")
        number = next(number for number in range(1, 255) if number not in self.members())
        (self.directory / str(number)).touch()
        return number

    def leave(self, number: int) -> None:
        """Removes a host; with the last one, the LAN ends."""
        for name in (str(number), f"port{number}"):
            (self.directory / name).unlink(missing_ok=True)
        if not self.members():
            with contextlib.suppress(OSError, ValueError):
                end(int((self.directory / "pid").read_text()))
            shutil.rmtree(self.directory, ignore_errors=True)

    def device(self, number: int) -> list[str]:
        """QEMU's network back end of a host; paths are relative to the host's directory."""
        local, remote = f"../lan/port{number}", f"../lan/{SWITCH}"
        return [
            *("dgram", "id=lan", "local.type=unix", f"local.path={local}"),
            *("remote.type=unix", f"remote.path={remote}"),
        ]


def end(pid: int) -> None:
    """Ends the switch, and waits until it has ended."""
    if "lab.hostlab.lan" in command_line(pid):
        os.kill(pid, signal.SIGTERM)
        until(lambda: "lab.hostlab.lan" not in command_line(pid), 10, interval=0.02)


def switch() -> None:
    """Passes on frames until the directory is removed. A host that does not read loses frames, as on a real LAN."""
    inlet = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    inlet.bind(SWITCH)
    outlet = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    outlet.settimeout(0.02)
    inlet.settimeout(2)
    while os.path.exists(SWITCH):
        try:
            frame, sender = inlet.recvfrom(65536)
        except TimeoutError:
            continue
        for port in Path().glob("port*"):
            if port.name != os.path.basename(sender or ""):
                with contextlib.suppress(OSError):
                    outlet.sendto(frame, str(port))


if __name__ == "__main__":
    switch()
