# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""A node that serves a fixture's base VM."""

import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from . import processes
from .fixture import Fixture
from .programs import program
from .waiting import until


class ProcessorGroup:
    """A control group for processor time, as services and containers have one. Outside of control groups, Linux shares
    the processors between terminal sessions (`sched_autogroup`), and each emulator counts as one session."""

    def __init__(self) -> None:
        candidates = map(Path, ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup"))
        top = next((path for path in candidates if self.is_usable(path)), None)
        self.path = top / f"cloudlet-{os.getpid()}" if top else None

    @staticmethod
    def is_usable(path: Path) -> bool:
        """Whether such groups can be created on this machine."""
        switch = path / "cgroup.subtree_control"
        try:
            if switch.exists():
                switch.write_text("+cpu")
        except OSError:
            return False
        return (path / "cpu.shares").exists() or switch.exists()

    def make(self) -> None:
        """Creates the group."""
        if self.path:
            self.path.mkdir()

    def enter(self) -> None:
        """Moves the calling process into the group."""
        if self.path:
            (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self, timeout: float = 10) -> None:
        """Waits until no process is in the group, and removes it."""
        end = time.monotonic() + timeout
        while self.path and self.path.exists():
            try:
                self.path.rmdir()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


class Node:
    """A node that serves a fixture's base VM; `prefix` is the command line that runs it elsewhere."""

    job: subprocess.Popen[bytes]

    def __init__(
        self, fixture: Fixture, prefix: Sequence[str] = (), options: Sequence[str] = (), **settings: str
    ) -> None:
        limits = {
            "CLOUDLET_ADMISSION_PER_CLIENT": "1000",
            "CLOUDLET_SESSION_LEASE": "2",
            "CLOUDLET_SESSION_COMEBACK": "2",
        }
        self.log, self.group = fixture.root / "node.log", ProcessorGroup()
        self.command = [*prefix, program("cloudlet-node"), "--log-format", "json", *options]
        self.environment = {**fixture.environment, **limits, **settings}

    def wait_for(self, words: str, times: int = 1, timeout: float = 60) -> None:
        """Waits until the node has logged a text the given number of times."""

        def is_done() -> bool:
            return self.log.read_text().count(words) >= times or self.job.poll() is not None

        if not until(is_done, timeout, interval=0.05) or self.log.read_text().count(words) < times:
            raise RuntimeError(f"the node does not log {words!r}:\n{self.end_of_log()}")

    def wait_for_warm_vm(self, times: int = 1) -> None:
        """Waits until the node has made the given number of warm VMs."""
        self.wait_for('warm VM is ready"', times)

    def end_of_log(self) -> str:
        """The last lines of the node's log."""
        return self.log.read_text()[-2000:]

    def __enter__(self) -> "Node":
        self.group.make()
        with open(self.log, "wb") as output:
            self.job = subprocess.Popen(
                self.command, env=self.environment, stdout=output, stderr=output, preexec_fn=self.group.enter
            )
        try:
            self.wait_for("node is ready")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Ends the node, and waits for it."""
        self.job.terminate()
        self.job.wait(60)
        self.group.remove()

    def stage(self, name: str) -> float:
        """Seconds that a stage of the last synthesis took, from the node's log."""
        return float(re.findall(rf"{name} ([0-9.]+) s", self.log.read_text())[-1])

    def processor_time(self) -> float:
        """Processor seconds that the node has used so far."""
        return processes.processor_time(self.job.pid)
