# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""QEMU's control protocol (qemu-qmp-ref(7))."""

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any


class QMP:
    """A connection to the control socket of a running QEMU."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        # The address of a socket holds 107 bytes, a path may be longer.
        directory = os.open(path.parent, os.O_PATH)
        try:
            self.socket.connect(f"/proc/self/fd/{directory}/{path.name}")
        except OSError:
            self.socket.close()
            raise
        finally:
            os.close(directory)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.lines.readline()
        self.execute("qmp_capabilities")

    def __enter__(self) -> "QMP":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lines.close()
        self.socket.close()

    def execute(self, command: str, **arguments: Any) -> Any:  # noqa: ANN401 - depends on the command
        """Runs a command; returns its result. Raises RuntimeError when QEMU refuses it, OSError when QEMU has ended."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while line := self.lines.readline():
            reply = json.loads(line)
            if "error" in reply:
                raise RuntimeError(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]
        raise ConnectionResetError(f"QEMU has ended at {command}")

    def monitor(self, command: str) -> str:
        """Runs a command of the human monitor; returns its output."""
        return str(self.execute("human-monitor-command", **{"command-line": command}))
