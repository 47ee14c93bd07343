# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

# setup: build run guest lan bench
"""Runs sessions on a node for some time; clients die at random moments. Watches the resources of the node.

    Scripts/soak service [--minutes N] [--clients N] [--memory MIB]

At the beginning, every minute, and at the end the clients pause until the node is idle; then its open files, threads,
resident memory, VMs and scratch directories are compared with those of the first pause. The exit status is 1 when
something remained or grows. Needs root.
"""

import os
import random
import signal
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..fixture import Fixture, scratch
from ..link import Link
from ..node import Node
from ..processes import state, with_command_line
from ..programs import build, need, need_root, parser, stop
from ..waiting import until

# The number of warm VMs of an idle node, each with a scratch directory.
WARM_VMS = 1


@dataclass(frozen=True)
class Figures:
    """The resources of the node."""

    files: int
    threads: int
    memory_kib: int
    vms: int
    scratch: int

    def is_idle(self) -> bool:
        """Whether no VM and no scratch directory remain except those of warm VMs."""
        return self.vms == WARM_VMS == self.scratch


def figures(node: Node, fixture: Fixture) -> Figures:
    """Reads the current resources of the node."""
    held = state(node.job.pid)
    work = fixture.home / "hypervisor/node/work"
    vms = len(with_command_line("qemu-system", str(fixture.home)))
    directories = len(os.listdir(work)) if work.is_dir() else 0
    return Figures(held.files, held.threads, held.resident, vms, directories)


def idle(node: Node, fixture: Fixture, timeout: float = 60) -> Figures:
    """The resources when the node has become idle, and a moment later."""
    if until(lambda: figures(node, fixture).is_idle(), timeout, interval=0.5):
        time.sleep(3)
    return figures(node, fixture)


@dataclass
class Counts:
    """The number of clients by the way they ended."""

    ends: dict[str, int] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, end: str, output: str) -> None:
        """Counts a client."""
        with self.lock:
            self.ends[end] = self.ends.get(end, 0) + 1
            if end == "failed":
                self.reasons.add(output.strip().split("\n")[-1][:200])

    def __str__(self) -> str:
        return f"{self.ends}" + (f" {self.reasons}" if self.reasons else "")


def clients(link: Link, fixture: Fixture, number: int, ending: threading.Event, counts: Counts) -> None:
    """Starts clients one after the other; most are killed."""
    while not ending.is_set():
        job = link.find(fixture, number)
        kill = random.choice((None, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        if kill:
            time.sleep(random.uniform(0, 4))
            job.send_signal(kill)
        try:
            output, _ = job.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            job.kill()
            output, _ = job.communicate()
        counts.add("completed" if job.returncode == 0 else "killed" if kill else "failed", output)


def burden(link: Link, fixture: Fixture, number: int, seconds: float, counts: Counts) -> None:
    """Runs the given number of clients at a time, for the given time."""
    ending = threading.Event()
    threads = [
        threading.Thread(target=clients, args=(link, fixture, client, ending, counts)) for client in range(number)
    ]
    for thread in threads:
        thread.start()
    try:
        ending.wait(seconds)
    finally:
        ending.set()
    for thread in threads:
        thread.join()


def faults(first: Figures, last: Figures, counts: Counts) -> list[str]:
    """The resources that grew, and those that remained."""
    early, late = asdict(first), asdict(last)
    found = []
    for name, slack in (("files", 4), ("threads", 8), ("memory_kib", 32 << 10)):
        if late[name] > early[name] + slack:
            found.append(f"{name} grew from {early[name]} to {late[name]}")
    for name in ("vms", "scratch"):
        if late[name] != WARM_VMS:
            found.append(f"{late[name]} {name} left; {WARM_VMS} belong to warm VMs")
    if not counts.ends.get("completed"):
        found.append("no session was completed")
    return found


def soak(root: Path, minutes: float, number: int, memory: int) -> list[str]:
    """Runs sessions; returns what is wrong."""
    counts = Counts()
    fixture = Fixture(root, memory)
    with Link(0) as link, Node(fixture, link.on(0)) as node:
        end = time.monotonic() + minutes * 60
        first = last = None
        # The first round fills caches and pools; the resources after it are the reference.
        while first is None or last is None or time.monotonic() < end:
            burden(link, fixture, number, min(60, max(20, end - time.monotonic())), counts)
            if node.job.poll() is not None:
                raise RuntimeError(f"the node ended\n{node.end_of_log()}")
            last = idle(node, fixture)
            first = first or last
            print(time.strftime("%H:%M:%S"), counts, last, flush=True)
    print(f"soak: {minutes:g} minutes, {counts}, first {first}, last {last}")
    return faults(first, last, counts)


def main() -> None:
    """Runs sessions with the given options."""
    arguments = parser(__doc__)
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--clients", type=int, default=3)
    arguments.add_argument("--memory", type=int, default=256)
    options = arguments.parse_args()
    need_root()
    need("ip", "qemu-system-x86_64", "qemu-img", "ssh", "mmdebstrap")
    build("release", "cloudlet", "cloudlet-node", "cloudlet-find")
    with scratch("cloudlet-soak-") as root:
        if wrong := soak(root, options.minutes, options.clients, options.memory):
            stop(1, "; ".join(wrong))


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        stop(1, str(error))
